#!/usr/bin/env bats
# pmr-admin backup: online while writing, checked, whole or not at all; and back again.

load helper

setup() {
	export PMR_SOCKET PATH=$BUILD:$PATH
	unset PMR_REPORT PMR_SESSION
	daemon_start --limit messages_per_second=0 --limit requests_per_minute=0
	PMR_SOCKET=$SOCKET
	start
}

teardown() {
	clean_up
}

# restored FILE: a daemon on what FILE holds.
restored() {
	daemon_stop
	rm -r "$DIR/data"
	run -0 --separate-stderr collabd --config /dev/null --data-dir "$DIR/data" --restore "$1"
	daemon_start
}

@test "a backup is a file that restores to the same state" {
	api PUT sections/intro olga '{"changes":{"content":"kept"}}'
	want 200
	state
	local seq=$SEQ hash=$STATE
	run -0 --separate-stderr pmr-admin backup "$DIR/b.db"
	[ "$(json '[.file,.sessions,.events] | @json' "$output")" = "[\"$DIR/b.db\",1,$seq]" ]
	[ "$(json .sha256 "$output")" = "$(sha256sum "$DIR/b.db" | cut -d ' ' -f 1)" ]
	[ "$(json .bytes "$output")" = "$(stat -c %s "$DIR/b.db")" ]
	[ "$(stat -c %a "$DIR/b.db")" = 600 ]
	[ "$(sqlite3 "$DIR/b.db" 'PRAGMA integrity_check; PRAGMA journal_mode')" = $'ok\ndelete' ]
	[ ! -e "$DIR/data/backup.tmp" ]
	api PUT sections/intro olga '{"changes":{"content":"lost"}}'
	restored "$DIR/b.db"
	state
	[ "$SEQ $STATE" = "$seq $hash" ]
}

@test "online while writing: nothing waits, and what was acked before is in it" {
	local i seq writer round
	# So much that it is more than one piece, and that a copy takes its time.
	for i in {1..12}; do
		jq -cn --arg s "s$i" '{type:"section_update",data:{section_id:$s,changes:{content:("x" * 500000)}}}'
	done | pmr-send --as olga -r "$REPORT" >/dev/null
	state
	seq=$SEQ
	mkfifo "$DIR/lines"
	pmr-send --as olga -r "$REPORT" <"$DIR/lines" >"$DIR/acks" 2>&1 3>&- &
	writer=$!
	(
		n=0
		while [ ! -e "$DIR/done" ] && [ $n -lt 20000 ]; do
			n=$((n + 1))
			echo "{\"type\":\"section_update\",\"data\":{\"section_id\":\"w\",\"changes\":{\"content\":\"$n\"}}}"
		done >"$DIR/lines"
	) 3>&- &
	local feeder=$!
	until [ -s "$DIR/acks" ]; do :; done
	for round in 1 2 3; do
		before=$(tail -n 2 "$DIR/acks" | head -n 1 | jq .seq)
		run -0 --separate-stderr pmr-admin backup "$DIR/b$round.db"
		events=$(json .events "$output")
		[ "$events" -ge "$before" ]
		[ "$(sqlite3 "$DIR/b$round.db" "SELECT count(*), max(seq) FROM events")" = "$events|$events" ]
	done
	[ "$(json .bytes "$output")" -gt 4194304 ]
	touch "$DIR/done"
	wait "$feeder"
	wait "$writer"
	! grep -q '"type":"error"' "$DIR/acks"
	restored "$DIR/b3.db"
	run -0 pmr-log verify -r "$REPORT"
	# Whoever was online then is not any more, which is one event.
	[ "$(json .events "$output")" -ge "$events" ] && [ "$(json .events "$output")" -le $((events + 2)) ]
}

@test "over TCP too; only administrators; a file that is there stays" {
	clean_up
	secret
	daemon_start --secret-file "$SECRET"
	mint '{"sub":"root","scope":"collab:admin"}'
	(umask 077 && printf '%s' "$TOKEN" >"$DIR/token")
	run -0 --separate-stderr env -u PMR_SOCKET pmr-admin backup "$DIR/b.db" --url "$URL" --token-file "$DIR/token"
	[ -s "$DIR/b.db" ]
	echo precious >"$DIR/there"
	run -74 --separate-stderr pmr-admin backup "$DIR/there"
	[[ $stderr == *"--force"* ]]
	[ "$(cat "$DIR/there")" = precious ]
	run -0 --separate-stderr pmr-admin backup --force "$DIR/there"
	[ "$(sqlite3 "$DIR/there" 'SELECT count(*) FROM sessions')" = 1 ]
	run -74 --separate-stderr pmr-admin backup "$DIR/no/such/place"
	mint '{"sub":"ann","scope":"collab:read"}'
	(umask 077 && printf '%s' "$TOKEN" >"$DIR/token2")
	run -77 --separate-stderr env -u PMR_SOCKET pmr-admin backup "$DIR/c.db" --url "$URL" --token-file "$DIR/token2"
	[ "$(ls "$DIR" | grep -c 'c\.db')" = 0 ]
	api POST /api/admin/backup olga
	want 403
	api GET "/api/admin/backup?id=$SESSION" olga
	want 403
}

@test "one at a time, by its own id" {
	api POST /api/admin/backup
	want 202
	field backup_id
	local id=$VALUE
	api POST /api/admin/backup
	want 429 '"code":"rate_limited"' "another backup"
	run -75 --separate-stderr pmr-admin backup "$DIR/b.db"
	[ ! -e "$DIR/b.db" ]
	until [[ $BODY == *'"phase":"ready"'* ]]; do
		api GET "/api/admin/backup?id=$id"
		want 200
	done
	api GET "/api/admin/backup?id=$id&wait=10000"
	want 200 '"phase":"ready"' # what is over is not waited for
	api GET "/api/admin/backup?id=$id&wait=long"
	want 400
	api GET "/api/admin/backup?id=$id&offset=0" '' '' -o "$DIR/piece"
	[ "$(head -c 15 "$DIR/piece")" = "SQLite format 3" ]
	api GET "/api/admin/backup?id=$SESSION"
	want 404
	api GET "/api/admin/backup?id=nonsense"
	want 400
	api DELETE "/api/admin/backup?id=$id"
	want 200
	api GET "/api/admin/backup?id=$id&offset=0"
	want 404
	run -0 --separate-stderr pmr-admin backup "$DIR/b.db"
}

@test "who waits for a backup is told as soon as it is ready" {
	api POST /api/admin/backup
	want 202
	field backup_id
	local id=$VALUE begun=$SECONDS
	api GET "/api/admin/backup?id=$id&wait=10000"
	want 200 '"phase":"ready"'
	within $((SECONDS - begun)) 8
	api DELETE "/api/admin/backup?id=$id"
	want 200
	# Waited for, and ended by another.
	api POST /api/admin/backup
	want 202
	field backup_id
	api DELETE "/api/admin/backup?id=$VALUE"
	want 200
	api GET "/api/admin/backup?id=$VALUE&wait=10000"
	want 404
}

@test "a backup whose requester is gone before it is begun is not made" {
	kill -STOP "$PID"
	api POST /api/admin/backup "" "" -m 0.5
	[ "$STATUS" = 000 ]
	kill -CONT "$PID"
	local end=$((SECONDS + PATIENCE))
	until grep -q "backup: given up" "$DIR/log"; do
		[ $SECONDS -lt $end ] || fail_with "it is not given up" "$(cat "$DIR/log")"
	done
	run -0 --separate-stderr pmr-admin backup "$DIR/b.db"
}

@test "a damaged store is no backup: it is told, and no file comes" {
	sqlite3 -cmd ".timeout 10000" "$DIR/data/collab.db" "UPDATE events SET record = replace(record, 'Hello', 'Jello')"
	run -75 --separate-stderr pmr-admin backup "$DIR/b.db"
	[[ $stderr == *"the store is damaged, session $SESSION"* ]]
	[ -z "$(ls "$DIR" | grep '^b\.db')" ]
	[ ! -e "$DIR/data/backup.tmp" ]
	# What can be rebuilt is no reason to have none.
	sqlite3 -cmd ".timeout 10000" "$DIR/data/collab.db" "UPDATE events SET record = replace(record, 'Jello', 'Hello'); UPDATE sessions SET summary = 'x'"
	run -0 --separate-stderr pmr-admin backup "$DIR/b.db"
}

@test "a daemon that dies while it copies leaves nothing behind" {
	daemon_kill
	echo half >"$DIR/data/backup.tmp"
	daemon_start
	[ ! -e "$DIR/data/backup.tmp" ]
	run -0 --separate-stderr pmr-admin backup "$DIR/b.db"
}
