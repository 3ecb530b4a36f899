#!/usr/bin/env bash
# Does cost stay flat?  Events a second, processor time an event and memory, by the number of live
# sessions and by the length of a log; always 10,000 messages under way, or 64 in the one session.
# usage: flat.sh DIRECTORY BUILD [SESSIONS... -- EVENTS...]
set -eu
dir=$1/flat
build=$2
shift 2
[ $# -gt 0 ] || set -- 10 1000 10000 -- 1000 100000 1000000
mkdir "$dir"
ulimit -Sn "$(ulimit -Hn)"
seconds=${SECONDS_EACH:-3}
# No limits but those of the machine; few refs, so that all states have one size.
cat >"$dir/conf" <<'CONF'
[limits]
connections_per_user = 0
sockets = 1000000
session_starts_per_minute = 0
requests_per_minute = 0
messages_per_second = 0
bytes_per_second = 0
unacked_messages = 65536
refs = 16
CONF
pid=
trap '[ -z "$pid" ] || kill "$pid"' EXIT
start() { # start NAME: a daemon on a directory of its own
	rm -f "$dir/ready"
	mkfifo "$dir/ready"
	"$build/collabd" --config "$dir/conf" --data-dir "$dir/data-$1" --socket "$dir/socket" \
		--listen none --ready-fd 5 5>"$dir/ready" >/dev/null 2>"$dir/log" </dev/null &
	pid=$!
	read -r _ <"$dir/ready"
}
stop() {
	kill "$pid"
	wait "$pid"
	pid=
}
bench() { "$build/pmr-bench" -q -W 60 --socket "$dir/socket" --pid "$pid" --readers 0 "$@"; }
row() { # row NAME: of a result
	jq -r --arg name "$1" '[$name, .acked_per_second, .server.cpu_ns_per_ack / 1000,
		.server.rss_joined / 1048576, .server.rss_max / 1048576] | map(tostring) | join(" ")' |
		awk '{ printf "%-12s %12.0f %12.1f %14.1f %14.1f\n", $1, $2, $3, $4, $5 }'
}
head() { printf '\n%-12s %12s %12s %14s %14s\n' "$1" events/s 'us each' 'MiB joined' 'MiB at most'; }

head 'sessions'
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	start "sessions-$1"
	bench --sessions "$1" --window $((10000 / $1)) --duration "$seconds" | row "$1"
	stop
	shift
done
shift || true
head 'log'
start long
export PMR_SOCKET=$dir/socket
"$build/pmr-session" start -r log-1 >/dev/null
load() { bench --attach --name log --writers 4 --window 16 --warmup 0.2 --duration 0.5; }
lines() { # lines N: changes for pmr-send
	awk -v n="$1" 'BEGIN { for (i = 0; i < 100; i++) x = x "x"; for (i = 0; i < n; i++)
		printf "{\"type\":\"section_update\",\"data\":{\"section_id\":\"s\",\"changes\":{\"content\":\"%s\"}}}\n", x }'
}
for events; do
	while more=$((events - $("$build/pmr-session" show -r log-1 | jq .seq))) && [ "$more" -gt 0 ]; do
		"$build/pmr-send" -r log-1 < <(lines "$more") >/dev/null
	done
	load | row "$events"
done
stop
