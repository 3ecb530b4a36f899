#!/bin/bash
# A store of 100,000 sessions and ten million events: how long until collabd serves, how much
# memory it then has.  usage: large.sh DIRECTORY BUILD
set -eu
dir=$1/large
build=$2
mkdir "$dir"
start() {
	rm -f "$dir/ready"
	mkfifo "$dir/ready"
	from=$(date +%s%N)
	"$build/collabd" --config /dev/null --data-dir "$dir" --socket "$dir/socket" --listen none \
		--ready-fd 5 5>"$dir/ready" >/dev/null 2>"$dir/log" </dev/null &
	pid=$!
	read -r _ <"$dir/ready"
	took=$((($(date +%s%N) - from) / 1000000))
}
start
"$build/pmr-session" start --socket "$dir/socket" -r model >/dev/null
kill $pid
wait $pid
# No daemon runs, and what a crash would lose is made again: no fsync.
sqlite3 "$dir/collab.db" "PRAGMA synchronous = OFF; PRAGMA cache_size = -500000; BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
INSERT INTO sessions SELECT 1000 + i, printf('%08x-0000-4000-8000-%012x', i, i), 'large-' || i, i % 2,
 100, 0, 1700000000000 + i, 1700000000000 + i, CASE i % 2 WHEN 1 THEN 4102444800000 + i END,
 (SELECT summary FROM sessions WHERE report_id = 'model') FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999999)
INSERT INTO events (session, seq, time_ms, record) SELECT 1001 + i / 100, 1 + i % 100, 1700000000000 + i,
 printf('{\"changes\":{\"content\":\"%0300d\"},\"seq\":%d}', i, 1 + i % 100) FROM n;
INSERT INTO event_index SELECT session, seq, event FROM events WHERE event > (SELECT after FROM event_tail)
 ORDER BY session, seq;
UPDATE event_tail SET after = (SELECT max(event) FROM events);
COMMIT;"
for i in 1 2 3; do
	start
	rss=$(awk '/^VmRSS/ { print $2 }' /proc/$pid/status)
	kill $pid
	wait $pid
	printf 'start %d of a store of %d MB, 100,001 sessions, 10,000,000 events: ready after %d ms (at most 100), %d KiB\n' \
		$i "$(($(stat -c %s "$dir/collab.db") / 1000000))" "$took" "$rss"
done
