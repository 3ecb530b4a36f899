#!/usr/bin/env bats
# collabd --fsck finds each kind of damage, and mends what can be rebuilt; --restore.

load helper

setup() {
	export PATH=$BUILD:$PATH
	scratch
	DATA=$DIR/data
}

teardown() {
	clean_up
}

# a_store: two sessions with some events and a snapshot, and no daemon on it.
a_store() {
	daemon_start
	start
	for n in 1 2 3; do
		api PUT sections/intro olga "{\"changes\":{\"content\":\"text $n\"}}" -H "Idempotency-Key: r$n"
		want 200
	done
	api POST comments cora '{"section_id":"intro","content":"why?"}'
	want 201
	REPORT=other start
	REPORT=other api POST end olga
	want 200
	daemon_stop
	state_before=$(sql "SELECT state FROM snapshots WHERE session = 1 ORDER BY seq DESC LIMIT 1")
	[ -n "$state_before" ]
	SESSION=$(sql "SELECT session_id FROM sessions WHERE key = 1")
}

sql() {
	sqlite3 "$DATA/collab.db" "$1"
}

# forget CONDITION: records are lost, and the index has them no more.
forget() {
	sql "DELETE FROM events WHERE $1; DELETE FROM event_index WHERE $1"
}

# fsck [ARGUMENT]...: its status, output and stderr.
fsck() {
	run --separate-stderr collabd --config /dev/null --data-dir "$DATA" --fsck "$@"
}

# finds KIND [SEQ]: it found one such problem of session 1, and nothing else; not mended.
finds() {
	fsck
	[ "$status" = 1 ] || fail_with "status $status" "$output" "$stderr" || return 1
	[ "$(jq -s -c 'map(select(.type == "problem")) | map([.kind,.seq,.session_id]) | unique' <<<"$output")" = \
		"[[\"$1\",${2:-null},\"$SESSION\"]]" ] || fail_with "$output" "$stderr" || return 1
	[[ $stderr == *"session $SESSION of $REPORT"* ]]
}

# mends: --repair mends all of it, and then all is well and the daemon serves the same state.
mends() {
	fsck --repair
	[ "$status" = 0 ] || fail_with "status $status" "$output" "$stderr" || return 1
	[ "$(jq -s -c '.[-1] | [.ok, .problems == .mended, .problems > 0]' <<<"$output")" = '[true,true,true]' ]
	is_well
	[ "$(sql "SELECT state FROM snapshots WHERE session = 1 ORDER BY seq DESC LIMIT 1")" = "$state_before" ]
	daemon_start
	api GET sections/intro olga
	want 200 '"content":"text 3"'
	daemon_stop
}

# cannot_be_mended: --repair tells the same.
cannot_be_mended() {
	fsck --repair
	[ "$status" = 1 ] && [ "$(jq -s '.[-1].ok' <<<"$output")" = false ]
}

is_well() {
	fsck
	[ "$status" = 0 ] || fail_with "status $status" "$output" "$stderr" || return 1
	[ "$(jq -c '[.type,.ok,.problems,.sessions,.events > 10]' <<<"$output")" = '["fsck",true,0,2,true]' ] ||
		fail_with "$output"
}

@test "a store that is well is well, also after kill -9" {
	a_store
	is_well
	[ -z "$stderr" ]
	daemon_start
	api PUT sections/intro olga '{"changes":{"content":"text 4"}}'
	want 200
	daemon_kill
	is_well
}

@test "a session that was imported and not activated is well, and stays so" {
	a_store
	daemon_start
	pmr-session export --socket "$SOCKET" -s "$SESSION" >"$DIR/export"
	daemon_stop
	rm -r "$DATA"
	daemon_start
	pmr-session import --socket "$SOCKET" "$DIR/export" | jq -e '.active == false'
	daemon_stop
	fsck
	[ "$status" = 0 ] || fail_with "$output"
	sql "UPDATE sessions SET summary = '[]' WHERE key = 1"
	fsck --repair
	[ "$status" = 0 ]
	[ "$(jq -s -c 'map(select(.type == "problem")) | length' <<<"$output")" = 1 ]
	[ "$(sql "SELECT is_active, due_ms IS NULL FROM sessions WHERE key = 1")" = "0|1" ]
	fsck
	[ "$status" = 0 ]
}

@test "record: one that is missing, changed, or no event" {
	a_store
	cp "$DATA/collab.db" "$DIR/good.db"
	forget "session = 1 AND seq = 4"
	finds record 4
	cannot_be_mended
	cp "$DIR/good.db" "$DATA/collab.db"
	sql "UPDATE events SET record = 'rubbish' WHERE session = 1 AND seq = 4"
	fsck
	[ "$status" = 1 ]
	[ "$(jq -s -c 'map([.kind,.seq])[:2]' <<<"$output")" = '[["chain",4],["record",4]]' ]
	cp "$DIR/good.db" "$DATA/collab.db"
	forget "session = 1 AND seq = (SELECT seq FROM sessions WHERE key = 1)"
	finds record "$(sql "SELECT seq FROM sessions WHERE key = 1")"
	cannot_be_mended
}

@test "chain: every changed byte of a record is found" {
	a_store
	sql "UPDATE events SET record = replace(record, 'text 2', 'text 9') WHERE session = 1"
	fsck
	[ "$status" = 1 ]
	[ "$(jq -s -c 'map(select(.kind == "chain")) | length' <<<"$output")" = 1 ]
	[ "$(jq -s -c '.[0] | [.session_id,.seq]' <<<"$output")" = "[\"$SESSION\",$(sql "SELECT seq FROM events WHERE record LIKE '%text 9%'")]" ]
	cannot_be_mended
}

@test "fold: an event that does not fit, though the chain does" {
	a_store
	# The comment's section stays, its author becomes one who was never there: a record with the
	# hash that follows, made as the page on the protocol says.
	local seq prev body digest hash
	seq=$(sql "SELECT max(seq) FROM events WHERE session = 1")
	prev=$(sql "SELECT json_extract(record, '\$.hash') FROM events WHERE session = 1 AND seq = $seq")
	body="{\"comment_id\":\"00000000-0000-4000-8000-000000000000\",\"event_id\":\"00000000-0000-4000-8000-000000000001\",\"resolved_by\":\"olga\",\"seq\":$((seq + 1)),\"session_id\":\"$SESSION\",\"timestamp\":\"2099-01-01T00:00:00.000Z\",\"type\":\"comment_resolved\",\"user_id\":\"olga\",\"user_name\":\"Olga\"}"
	digest=$(printf '%s' "$body" | sha256sum | cut -d ' ' -f 1)
	hash=$(printf '%s%s' "$prev" "$digest" | sha256sum | cut -d ' ' -f 1)
	body=$(jq -c -S --arg h "$hash" '. + {hash:$h}' <<<"$body")
	sql "INSERT INTO events (session, seq, time_ms, record) VALUES (1, $((seq + 1)), 4070908800000, '$body'); UPDATE sessions SET seq = $((seq + 1)), updated_ms = 4070908800000 WHERE key = 1"
	finds fold $((seq + 1))
	cannot_be_mended
}

@test "time: beside the record, and mended" {
	a_store
	sql "UPDATE events SET time_ms = 7 WHERE session = 1 AND seq = 3"
	finds time 3
	mends
}

@test "snapshot: damaged, of another state, beyond the end; mended" {
	a_store
	local seq
	seq=$(sql "SELECT max(seq) FROM snapshots WHERE session = 1")
	sql "UPDATE snapshots SET state = replace(state, 'text 3', 'text 8') WHERE session = 1"
	finds snapshot "$seq"
	mends
	sql "UPDATE snapshots SET state = 'x' WHERE session = 1"
	finds snapshot "$seq"
	mends
	sql "INSERT INTO snapshots SELECT session, seq + 100, state FROM snapshots WHERE session = 1 AND seq = $seq"
	finds snapshot $((seq + 100))
	mends
	# None at all is no problem: it is a shortcut.
	sql "DELETE FROM snapshots WHERE session = 1"
	is_well
}

@test "snapshot: one made under a smaller limit of refs is as it must be" {
	daemon_start --limit refs=16
	start
	for n in {1..20}; do
		api PUT sections/intro olga "{\"changes\":{\"content\":\"text $n\"}}" -H "Idempotency-Key: r$n"
		want 200
	done
	daemon_stop
	fsck
	[ "$status" = 0 ] || fail_with "$output"
	# But not with refs that were never sent.
	sql "UPDATE snapshots SET state = replace(state, '\"r19\"', '\"r99\"')"
	fsck
	[ "$status" = 1 ]
	[[ $output == *'"kind":"snapshot"'* ]]
}

@test "a log that begins with a state instead of its first event" {
	local seq
	a_store
	seq=$(sql "SELECT max(seq) FROM snapshots WHERE session = 1")
	[ "$seq" = "$(sql "SELECT seq FROM sessions WHERE key = 1")" ]
	forget "session = 1"
	sql "DELETE FROM snapshots WHERE session = 1 AND seq < $seq; UPDATE sessions SET floor = $seq WHERE key = 1; UPDATE snapshots SET state = replace(state, '\"floor\":0', '\"floor\":$seq') WHERE session = 1"
	fsck
	[ "$status" = 0 ] || fail_with "$output"
	daemon_start
	api PUT sections/intro olga '{"changes":{"content":"after"}}'
	want 200
	daemon_kill
	fsck
	[ "$status" = 0 ] || fail_with "$output"
	sql "INSERT INTO snapshots VALUES (1, 2, '{}')"
	fsck --repair
	[ "$status" = 0 ] || fail_with "$output"
	[[ $output == *"below the log's floor"* ]]
	sql "DELETE FROM snapshots WHERE session = 1 AND seq = $seq"
	fsck
	[ "$status" = 1 ]
	[[ $output == *'"mendable":false'*"begins from: it is missing"*"\"seq\":$seq"* ]]
}

@test "directory: seq, active, time, due and summary; mended" {
	a_store
	local change
	for change in "seq = seq - 1" "is_active = 0" "updated_ms = 1" "due_ms = NULL" "due_ms = 9000000000000" "summary = '[]'"; do
		cp "$DATA/collab.db" "$DIR/good.db"
		sql "UPDATE sessions SET $change WHERE key = 1"
		finds directory || fail_with "$change"
		mends || fail_with "$change"
	done
	sql "UPDATE sessions SET is_active = 1 WHERE key = 2"
	fsck --repair
	[ "$status" = 0 ]
	[ "$(sql "SELECT is_active FROM sessions WHERE key = 2")" = 0 ]
	sql "UPDATE sessions SET report_id = 'stolen' WHERE key = 1"
	fsck
	[[ $output == *"under another report than $REPORT"* ]]
}

@test "schema: indexes and the view are made anew" {
	a_store
	sql "DROP INDEX sessions_due; DROP INDEX sessions_one_active; DROP VIEW collaboration_sessions; CREATE VIEW collaboration_sessions AS SELECT 1"
	fsck
	[ "$status" = 1 ]
	[ "$(jq -s -c 'map(select(.type == "problem")) | map([.kind,.mendable]) | unique' <<<"$output")" = '[["schema",true]]' ]
	[ "$(grep -c problem <<<"$output")" -ge 3 ]
	mends
	[ "$(sql "SELECT report_id FROM collaboration_sessions WHERE is_active = 1")" = "$REPORT" ]
}

@test "index: an entry that is missing, doubled or wrong; made anew" {
	a_store
	local change
	for change in "DELETE FROM event_index WHERE session = 1 AND seq = 4" \
		"INSERT INTO event_index SELECT 1, seq + 100, event FROM event_index WHERE session = 1 AND seq = 4" \
		"UPDATE event_index SET event = event + 1 WHERE session = 1 AND seq = 4" \
		"DELETE FROM event_index" "DELETE FROM event_tail" "UPDATE event_tail SET after = 1000"; do
		sql "$change"
		fsck
		[ "$status" = 1 ] || fail_with "$change" "$output"
		[ "$(jq -s -c 'map(select(.type == "problem") | [.kind,.mendable]) | unique' <<<"$output")" = '[["index",true]]' ] ||
			fail_with "$change" "$output"
		# The records are all there, and are judged without it.
		[ "$(jq -s -c '.[-1] | .events > 10' <<<"$output")" = true ]
		mends || fail_with "$change"
	done
	# A record is lost, and the index has it: both are told.
	sql "DELETE FROM events WHERE session = 1 AND seq = 4"
	fsck
	[ "$(jq -s -c 'map(select(.type == "problem") | .kind)' <<<"$output")" = '["index","record"]' ] || fail_with "$output"
	cannot_be_mended
	fsck
	[ "$(jq -s -c 'map(select(.type == "problem") | .kind)' <<<"$output")" = '["record"]' ] || fail_with "$output"
}

@test "orphan: snapshots of nobody go, records of nobody are told" {
	a_store
	sql "INSERT INTO snapshots VALUES (99, 1, '{}')"
	fsck
	[ "$status" = 1 ]
	[[ $output == *'"kind":"orphan"'* ]]
	mends
	sql "INSERT INTO events (session, seq, time_ms, record) VALUES (99, 1, 1, '{}')"
	fsck --repair
	[ "$status" = 1 ]
	[[ $output == *"records belong to no session"* ]]
}

@test "database: pages that SQLite cannot read" {
	a_store
	size=$(stat -c %s "$DATA/collab.db")
	[ "$size" -gt 40000 ]
	# An index page: the root of sessions_due.
	page=$(sql "SELECT rootpage FROM sqlite_master WHERE name = 'sessions_due'")
	head -c 4096 /dev/zero | tr '\0' x | dd of="$DATA/collab.db" bs=4096 seek=$((page - 1)) conv=notrunc status=none
	fsck
	[ "$status" != 0 ]
	cp /dev/null "$DATA/collab.db"
	printf 'no database at all, but some text that is long enough to be looked at twice.....................' >"$DATA/collab.db"
	fsck
	[ "$status" = 70 ] || [ "$status" = 75 ]
}

@test "a running daemon is left alone, no store is no store" {
	a_store
	daemon_start
	fsck
	[ "$status" = 78 ]
	[[ $stderr == *"in use by process $PID"* ]]
	run -78 --separate-stderr collabd --config /dev/null --data-dir "$DIR/none" --fsck
	[ ! -e "$DIR/none" ]
	run -64 collabd --repair
	run -64 collabd --fsck --check-config
	run -64 collabd --fsck --restore x
}

# ---- restore ------------------------------------------------------------------------------------

restore() {
	run --separate-stderr collabd --config /dev/null --data-dir "$DATA" --restore "$@"
}

@test "restore: a good file into an empty place; what is there is kept, when forced" {
	a_store
	cp "$DATA/collab.db" "$DIR/backup.db"
	rm -r "$DATA"
	restore "$DIR/backup.db"
	[ "$status" = 0 ] || fail_with "$output" "$stderr"
	[ "$(jq -c '[.type,.ok,.sessions]' <<<"$output")" = '["restore",true,2]' ]
	is_well
	daemon_start
	api PUT sections/intro olga '{"changes":{"content":"later"}}'
	want 200
	restore "$DIR/backup.db" --force
	[ "$status" = 78 ]
	daemon_stop
	restore "$DIR/backup.db"
	[ "$status" = 73 ]
	[[ $stderr == *"--force"*"there is a store"* ]]
	restore "$DIR/backup.db" --force
	[ "$status" = 0 ] || fail_with "$output" "$stderr"
	kept=$(jq -r .kept <<<"$output")
	[[ $kept == collab.db.before-* ]]
	[[ $(sqlite3 "$DATA/$kept" "SELECT record FROM events WHERE session = 1") == *later* ]]
	daemon_start
	api GET sections/intro olga
	want 200 '"content":"text 3"'
	# Whoever knows more than the backup gets a fresh state, with a reason.
	ws a olga "since=1000"
	ws_until a '"type":"session_state"' '"resumed":false' '"reason"'
}

@test "restore: a damaged backup is refused, and nothing changes" {
	a_store
	cp "$DATA/collab.db" "$DIR/backup.db"
	sqlite3 "$DIR/backup.db" "DELETE FROM events WHERE session = 1 AND seq = 3; DELETE FROM event_index WHERE session = 1 AND seq = 3"
	before=$(sha256sum "$DATA/collab.db")
	restore "$DIR/backup.db" --force
	[ "$status" = 1 ]
	[ "$(sha256sum "$DATA/collab.db")" = "$before" ]
	[ -z "$(ls "$DATA" | grep restored)" ]
	restore "$DIR/none" --force
	[ "$status" = 74 ]
	printf 'no database' >"$DIR/text"
	restore "$DIR/text" --force
	[ "$status" != 0 ]
	[ "$(sha256sum "$DATA/collab.db")" = "$before" ]
	# What can be rebuilt keeps nobody from a backup.
	cp "$DATA/collab.db" "$DIR/backup.db"
	sqlite3 "$DIR/backup.db" "UPDATE snapshots SET state = 'x'"
	restore "$DIR/backup.db" --force
	[ "$status" = 0 ] || fail_with "$output" "$stderr"
	is_well
}
