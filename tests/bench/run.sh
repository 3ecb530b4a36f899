#!/usr/bin/env bash
# collabd beside what sockets and disk allow, in turns, with the same load and the same frames.
# usage: BUILD=… tests/bench/run.sh         QUICK=1: about a minute.  See tests/bench/README.md.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-$PWD/build}
if [ -n "${QUICK:-}" ]; then
	reps=1 seconds=1 idle=2000 long=20000 lines=20000 cold=15
else
	reps=5 seconds=3 idle=19000 long=1000000 lines=200000 cold=51
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/bench.XXXXXX")
pids=()
cleanup() {
	local p
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	wait
	rm -rf "$dir"
}
trap cleanup EXIT
ulimit -Sn "$(ulimit -Hn)"

# ---- servers ------------------------------------------------------------------------------------

(umask 077 && head -c 48 /dev/urandom | base64 -w 0 >"$dir/secret")
cat >"$dir/conf" <<'CONF'
[limits]
connections_per_user = 0
sockets_per_address = 0
sockets = 1000000
session_starts_per_minute = 0
requests_per_minute = 0
messages_per_second = 0
bytes_per_second = 0
unacked_messages = 65536
refs = 16
CONF

# serve NAME COMMAND...: wait for its first line, to READY; its process to PID.
serve() {
	local name=$1
	shift
	rm -f "$dir/$name.ready"
	mkfifo "$dir/$name.ready"
	"$@" 5>"$dir/$name.ready" >&5 2>"$dir/$name.log" </dev/null &
	PID=$!
	pids+=("$PID")
	read -r READY <"$dir/$name.ready"
}

collabd() { # collabd DIRECTORY: to PID and URL
	serve collabd "$BUILD/collabd" --config "$dir/conf" --secret-file "$dir/secret" \
		--data-dir "$dir/$1" --socket "$dir/socket" --listen 127.0.0.1:0 --ready-fd 5
	URL=http://$(jq -r '.listen[0]' <<<"$READY")
}

stop() {
	kill "$1"
	wait "$1" || true
}

bench() { # bench ARGUMENT...: the result
	"$BUILD/pmr-bench" -q --duration "$seconds" "$@" || echo "# not all came: $*" >&2
}

# ---- figures ------------------------------------------------------------------------------------

median() {
	sort -g | awk '{ v[NR] = $1 } END { printf "%.10g", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

row() { # row NAME OURS LIMIT "FLOOR" "AIM"
	awk -v n="$1" -v o="$2" -v l="$3" -v f="$4" -v a="$5" 'BEGIN {
		printf "%-58s %12.6g %12.6g %8.2f   %-9s %s\n", n, o, l, l ? o / l : 0, f, a
	}'
}

# versus NAME FLOOR AIM FILTER ARGUMENT...: the same load on ours and on the limit, in turns.
versus() {
	local name=$1 floor=$2 aim=$3 filter=$4
	shift 4
	: >"$dir/ours"
	: >"$dir/limit"
	for ((i = 0; i < reps; i++)); do
		bench --url "$URL" --token-file "$dir/token" "$@" | jq "$filter" >>"$dir/ours"
		bench --url "http://$LIMIT" --attach --name "x$RANDOM" "$@" | jq "$filter" >>"$dir/limit"
	done
	row "$name" "$(median <"$dir/ours")" "$(median <"$dir/limit")" "$floor" "$aim"
}

ms_since() { # ms_since EPOCHREALTIME: now
	local now=$EPOCHREALTIME
	awk -v a="$1" -v b="$now" 'BEGIN { printf "%.3f", (b - a) * 1000 }'
}

echo "# $(nproc) processors, $(uname -sr), $(sqlite3 --version | cut -d' ' -f1) SQLite; $reps runs of $seconds s, medians"
echo
echo "# what the disk allows: records a second, microseconds a commit"
mkdir "$dir/disk"
"$BUILD/bench/disk" "$dir/disk" 515 "$([ -n "${QUICK:-}" ] && echo 0.2 || echo 1)" |
	jq -r '"\(.way) \(.group) \(.records_per_second) \(.commit_us)"' |
	awk '{ printf "%-8s groups of %-6s %10s %8s\n", $1, $2, $3, $4 }'

collabd data
ours=$PID
"$BUILD/pmr-token" mint --secret-file "$dir/secret" --sub bench --expires-in 86400 >"$dir/token.new"
(umask 077 && cat "$dir/token.new" >"$dir/token")
sizes=$(bench --url "$URL" --token-file "$dir/token" --duration 0.3)
event=$(jq .event_bytes <<<"$sizes") ack=$(jq .ack_bytes <<<"$sizes")
serve limit "$BUILD/bench/limit" -e "$event" -a "$ack" -s 1600 -f "$dir/limit.data"
limit=$PID LIMIT=$READY
serve lws "$BUILD/bench/lws" 1600
lws=$PID LWS=$READY

echo
echo "# an event has $event bytes, an ack $ack; the limit passes as many on, one fdatasync a turn"
printf '%-58s %12s %12s %8s   %-9s %s\n' '' ours limit ratio floor aim
versus '1 -> 200, window 32: deliveries/s' '>= 0.4' '>= 0.6' .deliveries_per_second \
	--readers 200 --window 32
versus '100 sessions x 10, window 8: deliveries/s' '>= 0.4' '>= 0.6' .deliveries_per_second \
	--sessions 100 --readers 10 --window 8
for window in 1 32; do
	versus "... with window $window" '' '' .deliveries_per_second \
		--sessions 100 --readers 10 --window $window
done
versus '100 writers, window 1: acked/s' '>= 0.45' '>= 0.7' .acked_per_second \
	--sessions 100 --readers 0
versus '100 writers, window 16: acked/s' '>= 0.1' '>= 0.2' .acked_per_second \
	--sessions 100 --readers 0 --window 16
versus '1,000 msg/s into rooms of 10: p50, us' '<= 2' '<= 1.5' .delivery_us.p50 \
	--sessions 100 --readers 10 --rate 1000
versus '1,000 msg/s into rooms of 10: p99, us' '<= 3' '<= 2' .delivery_us.p99 \
	--sessions 100 --readers 10 --rate 1000
LIMIT=$LWS
versus 'connect + state + close/s, beside libwebsockets' '>= 0.5' '>= 0.8' .churned_per_second \
	--writers 0 --readers 0 --churn 20
stop "$limit"
stop "$lws"

# ---- readers that stand still -------------------------------------------------------------------

fine=$(bench --url "$URL" --token-file "$dir/token" --pid "$ours" --window 64 --readers 17 --rate 5000)
slow=$(bench --url "$URL" --token-file "$dir/token" --pid "$ours" --window 64 --readers 17 --stalled 3 --rate 5000)
row 'three of twenty stand still, 5,000/s: the others p99, us' \
	"$(jq .delivery_us.p99 <<<"$slow")" "$(jq .delivery_us.p99 <<<"$fine")" unchanged ''
row '... memory, KiB more (beside: without them)' \
	"$(jq '(.server.rss_max - .server.rss_joined) / 1024' <<<"$slow")" \
	"$(jq '(.server.rss_max - .server.rss_joined) / 1024' <<<"$fine")" '<= 8192' ''

# ---- a long log ---------------------------------------------------------------------------------

jsonl() { # jsonl N: changes for pmr-send
	awk -v n="$1" 'BEGIN { for (i = 0; i < 100; i++) x = x "x"; for (i = 0; i < n; i++)
		printf "{\"type\":\"section_update\",\"data\":{\"section_id\":\"s\",\"changes\":{\"content\":\"%s\"}}}\n", x }'
}

export PMR_SOCKET=$dir/socket
jsonl "$lines" >"$dir/lines"
"$BUILD/pmr-session" start -r send >/dev/null
: >"$dir/ours"
: >"$dir/limit"
for ((i = 0; i < reps; i++)); do
	from=$EPOCHREALTIME
	"$BUILD/pmr-send" -r send <"$dir/lines" >/dev/null
	awk -v n="$lines" -v ms="$(ms_since "$from")" 'BEGIN { print n / ms * 1000 }' >>"$dir/ours"
	bench --socket "$dir/socket" --readers 0 --window 16 | jq .acked_per_second >>"$dir/limit"
done
row 'pmr-send through a pipe, lines/s; one writer, window 16' "$(median <"$dir/ours")" \
	"$(median <"$dir/limit")" '>= 0.8' ''
total=$("$BUILD/pmr-session" show -r send | jq .seq)
: >"$dir/ours"
for ((i = 0; i < reps; i++)); do
	from=$EPOCHREALTIME
	"$BUILD/pmr-watch" -r send -S 0 -n "$total" | tail -n 1 >/dev/null
	awk -v n="$total" -v ms="$(ms_since "$from")" 'BEGIN { print n / ms * 1000 }' >>"$dir/ours"
done
row 'pmr-watch through a pipe, catching up: lines/s' "$(median <"$dir/ours")" 200000 '>= 1' '>= 2.5'

for name in long short; do
	"$BUILD/pmr-session" start -r $name-1 >/dev/null
done
"$BUILD/pmr-bench" -q --attach --name short --readers 0 --writers 1 --rate 1000 --warmup 0 --duration 1 >/dev/null
while [ "$("$BUILD/pmr-session" show -r long-1 | jq .seq)" -lt "$long" ]; do
	"$BUILD/pmr-bench" -q --attach --name long --readers 0 --writers 8 --window 64 --warmup 0 --duration 1 >/dev/null
done
"$BUILD/pmr-bench" -q --attach --name short --readers 0 --writers 8 --rate 8 --warmup 0 --duration 1 >/dev/null
: >"$dir/ours"
: >"$dir/limit"
# Each after a start of its own: who comes second finds the database in memory.
for ((i = 0; i < reps * 3; i++)); do
	for name in long short; do
		stop "$ours"
		collabd data
		ours=$PID
		"$BUILD/pmr-bench" -q --socket "$dir/socket" --attach --name $name --writers 0 --readers 1 \
			--warmup 0 --duration 0 | jq .connect_us.max >>"$dir/$([ $name = long ] && echo ours || echo limit)"
	done
done
row "joining, after a start: a log of $long events and one of 1,000, us" "$(median <"$dir/ours")" \
	"$(median <"$dir/limit")" '<= 1.2' ''

# ---- cold tools ---------------------------------------------------------------------------------

body='{"section_id":"s","content":"looks good to me","parent_comment_id":null}'
"$BUILD/pmr-session" start -r cold >/dev/null
: >"$dir/ours"
: >"$dir/limit"
for ((i = 0; i < cold; i++)); do
	from=$EPOCHREALTIME
	"$BUILD/pmr-comment" add -r cold s "looks good to me" >/dev/null
	ms_since "$from" >>"$dir/ours"
	echo >>"$dir/ours"
	from=$EPOCHREALTIME
	curl -s --unix-socket "$dir/socket" -o /dev/null --data-binary "$body" \
		http://localhost/api/reports/pmr/cold/collaborate/comments
	ms_since "$from" >>"$dir/limit"
	echo >>"$dir/limit"
done
row 'pmr-comment add, cold, and curl: ms' "$(median <"$dir/ours")" "$(median <"$dir/limit")" '<= 1.5' ''
stop "$ours"

# ---- connections at rest, and a large store -----------------------------------------------------

collabd idle
got=$("$BUILD/pmr-bench" -q --url "$URL" --token-file "$dir/token" --pid "$PID" --sessions 100 \
	--writers 0 --readers 0 --idle "$idle" --warmup 0 --duration 1)
row "$idle idle connections: bytes of memory each" \
	"$(jq '(.server.rss_joined - .server.rss_before) / .connections' <<<"$got")" 5000 '<= 1' '<= 0.8'
stop "$PID"

if [ -z "${QUICK:-}" ]; then
	bash tests/bench/large.sh "$dir" "$BUILD"
	echo
	echo "# does cost stay flat?"
	bash tests/bench/flat.sh "$dir" "$BUILD"
fi
