#!/usr/bin/env bats
# Data that is torn, damaged, old, or of an older backup; two daemons on one directory.
# SEED=n repeats a run; LONG=1 tears more often.

load helper

setup() {
	scratch
	SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
	RANDOM=$((SEED % 32768))
	echo "# SEED=$SEED"
	TEARS=${LONG:+60}
	TEARS=${TEARS:-8}
	export PATH=$BUILD:$PATH
	unset PMR_SOCKET PMR_REPORT PMR_SESSION PMR_TOKEN PMR_TOKEN_FILE PMR_URL PMR_DEBUG PMR_CONFIG PMR_PROFILE
}

teardown() {
	if [ -n "${TOOL:-}" ]; then
		kill "$TOOL" 2>/dev/null || true
	fi
	hammer_end
	clean_up
}

# a_killed_log: data with a database and a log of many commits, as kill -9 leaves it, in $DIR/kept;
# the log's lines, as they were, in $DIR/lines.
a_killed_log() {
	daemon_start --limit messages_per_second=0
	start
	hammer_start -S "$SEED"
	hammer add writer 2 user=eddy
	hammer acks 150
	hammer settle
	pmr-log events -r "$REPORT" --socket "$SOCKET" >"$DIR/lines"
	daemon_kill
	hammer_end
	cp -r "$DIR/data" "$DIR/kept"
}

# beginning FILE: it is the beginning of that log, but for who went offline, which each start may say
# in other words.
beginning() {
	grep -vF '"type":"user_offline"' "$1" >"$DIR/now.events"
	[ -s "$DIR/now.events" ] || fail_with "nothing is left" || return 1
	grep -vF '"type":"user_offline"' "$DIR/lines" | head -n "$(wc -l <"$DIR/now.events")" |
		cmp - "$DIR/now.events" || fail_with "the log is another one"
}

# a_prefix: the daemon shows the beginning of the log, which verifies and goes on.
a_prefix() {
	pmr-log events -r "$REPORT" --socket "$SOCKET" >"$DIR/now" || return 1
	beginning "$DIR/now" || return 1
	pmr-log verify -r "$REPORT" --socket "$SOCKET" >"$DIR/verdict" || fail_with "$(cat "$DIR/verdict")" || return 1
	api PUT sections/after eddy '{"changes":{"content":"x"}}'
	want 200 || return 1
	pmr-log verify -r "$REPORT" --socket "$SOCKET" >"$DIR/verdict"
}

tear() { # tear FILE: cut it somewhere, or write over some of it
	local size
	size=$(stat -c %s "$1")
	draw "$size"
	local at=$DRAWN
	draw 3
	case $DRAWN in
	0) truncate -s "$at" "$1" ;;
	1) head -c 512 /dev/zero | dd of="$1" bs=1 seek="$at" conv=notrunc status=none ;;
	2) head -c 100 /dev/urandom | dd of="$1" bs=1 seek="$at" conv=notrunc status=none ;;
	esac
}

@test "a torn write-ahead log: a shorter log, never a wrong one" {
	a_killed_log
	[ -s "$DIR/kept/collab.db-wal" ]
	for ((i = 0; i < TEARS; i++)); do
		rm -r "$DIR/data"
		cp -r "$DIR/kept" "$DIR/data"
		tear "$DIR/data/collab.db-wal"
		daemon_start
		api GET session olga
		if [ "$STATUS" = 200 ] && [[ $BODY == *'"has_active_session":true'* ]]; then
			a_prefix
		fi
		daemon_stop
		[ "$(sqlite3 "$DIR/data/collab.db" 'PRAGMA integrity_check')" = ok ]
	done
}

@test "a damaged database: refused with a sentence, or shown to be damaged; never a crash" {
	a_killed_log
	# The log into the database file.
	daemon_start
	pmr-log events -r "$REPORT" --socket "$SOCKET" >"$DIR/lines"
	daemon_stop
	rm -r "$DIR/kept"
	cp -r "$DIR/data" "$DIR/kept"
	local refused=0 whole=0 told=0 status
	for ((i = 0; i < TEARS * 2; i++)); do
		rm -r "$DIR/data"
		cp -r "$DIR/kept" "$DIR/data"
		tear "$DIR/data/collab.db"
		: >"$DIR/log"
		if daemon_start >"$DIR/said"; then
			status=0
			pmr-log events -r "$REPORT" --socket "$SOCKET" >"$DIR/now" 2>"$DIR/err" || status=$?
			[ "$status" != 0 ] || pmr-log verify -r "$REPORT" --socket "$SOCKET" >/dev/null 2>"$DIR/err" || status=$?
			if [ "$status" = 0 ]; then
				beginning "$DIR/now"
				whole=$((whole + 1))
			else
				[ -s "$DIR/err" ] || [ "$status" = 1 ] || fail_with "status $status, and nothing said"
				told=$((told + 1))
			fi
			api GET /healthz
			want 200
			daemon_stop
		else
			status=0
			daemon_wait || status=$?
			[ "$status" = 69 ] || [ "$status" = 70 ] || [ "$status" = 74 ] || [ "$status" = 78 ] ||
				fail_with "status $status: $(cat "$DIR/log")"
			grep -qE '^collabd: .*(malformed|not a database|not one of collabd|schema version)' "$DIR/log" ||
				fail_with "$(cat "$DIR/log")"
			refused=$((refused + 1))
		fi
	done
	echo "# refused $refused, told $told, whole $whole"
	[ $((refused + told)) -gt 0 ]
}

@test "two daemons on one directory: the second refuses and names the first" {
	daemon_start
	run -78 "$BUILD/collabd" --config /dev/null --data-dir "$DIR/data" --socket "$DIR/s2" --listen 127.0.0.1:0
	[[ $output == *"$DIR/data is in use by process $PID"* ]]
	api GET /readyz
	want 200
	# Nor is it let in by a kill -9 of the first that has not been noticed.
	daemon_kill
	daemon_start
	api GET /readyz
	want 200
}

@test "a database of each earlier schema version is read, and brought to this one" {
	local old report
	for old in "$REPO"/tests/data/db/*.sql; do
		rm -rf "$DIR/data" "$DIR/old.db"
		sqlite3 "$DIR/old.db" <"$old"
		# As a backup it is restored, too; below is a daemon that finds it.
		run -0 "$BUILD/collabd" --config /dev/null --data-dir "$DIR/data" --restore "$DIR/old.db"
		run -0 "$BUILD/collabd" --config /dev/null --data-dir "$DIR/data" --fsck
		rm -r "$DIR/data"
		mkdir -m 700 "$DIR/data"
		mv "$DIR/old.db" "$DIR/data/collab.db"
		daemon_start
		report=$(sed -n 's/^-- report: //p' "$old")
		pmr-log verify -r "$report" --socket "$SOCKET" --expect "$(sed -n 's/^-- end: //p' "$old")" >"$DIR/verdict"
		REPORT=$report
		state
		[ "$STATE" = "$(sed -n 's/^-- state_hash: //p' "$old")" ]
		api GET sections/risks olga
		want 200 '"status":"draft"'
		# The next session goes on from it.
		api POST start olga '{}'
		want 201 '"status":"created"'
		api GET sections/risks olga
		want 200 '"status":"draft"'
		api PUT sections/after olga '{"changes":{"content":"x"}}'
		want 200
		daemon_stop
		[ "$(sqlite3 "$DIR/data/collab.db" 'PRAGMA integrity_check')" = ok ]
		[ "$(sqlite3 "$DIR/data/collab.db" 'PRAGMA user_version')" -ge "$(sed -n 's/^PRAGMA user_version=\([0-9]*\);/\1/p' "$old")" ]
		[ "$(sqlite3 "$DIR/data/collab.db" "SELECT count(*) FROM collaboration_sessions WHERE report_id = '$report'")" = 2 ]
	done
}

# ---- an older backup ----------------------------------------------------------------------------

# comment TEXT...: comments by eddy, one each.
comment() {
	local text
	for text; do
		api POST comments eddy "{\"section_id\":\"intro\",\"content\":\"$text\",\"parent_comment_id\":null}"
		want 201 || return 1
	done
}

# restored: the daemon is back with the data of $DIR/backup.
restored() {
	daemon_kill
	rm -r "$DIR/data"
	cp -r "$DIR/backup" "$DIR/data"
	daemon_start
}

backup() {
	mkdir -m 700 "$DIR/backup"
	sqlite3 "$DIR/data/collab.db" "VACUUM INTO '$DIR/backup/collab.db'"
}

# tool NAME...: in the background, its output in $DIR/out and $DIR/err.
tool() {
	: >"$DIR/out"
	: >"$DIR/err"
	mkfifo "$DIR/in"
	exec {IN}<>"$DIR/in"
	"$@" --socket "$SOCKET" -r "$REPORT" <"$DIR/in" >"$DIR/out" 2>"$DIR/err" 3>&- 4>&- &
	TOOL=$!
}

# heard FILE TEXT: it is in there within the time.
heard() {
	local end=$((SECONDS + PATIENCE))
	until grep -qF -e "$2" "$1"; do
		[ $SECONDS -lt $end ] || fail_with "no $2 in: $(cat "$1")" || return 1
	done
}

@test "restored from an older backup: newer cursors get a fresh state and a reason, never a gap" {
	daemon_start
	start
	comment one two
	backup
	comment three four five
	state
	local seq=$SEQ
	api GET "events?since=$((seq - 1))" olga
	field hash
	local hash=$VALUE
	restored
	state
	[ "$SEQ" -lt "$seq" ]
	join a vera "since=$seq&hash=$hash"
	[[ $MSG == *'"resumed":false'*'"reason":"ahead"'*'"type":"session_state"'* ]]
	ws_close a
	# Of events by HTTP the seq is all that is told: a stream is refused, a page says where the end is.
	api GET events olga '' -H 'Accept: text/event-stream' -H "Last-Event-ID: $seq"
	want 400 '"field":"since"' "the log ends at seq"
	api GET "events?since=$seq" olga
	want 200 '"events":[]'
	[ "$(json .seq)" -lt "$seq" ]
	# The log grows beyond that seq, with other events.
	comment six seven eight nine ten
	state
	[ "$SEQ" -ge "$seq" ]
	join b vera "since=$seq&hash=$hash"
	[[ $MSG == *'"resumed":false'*'"reason":"hash_mismatch"'*'"type":"session_state"'* ]]
	# Whoever has only the seq sees it by the hash of the event that it knows.
	api GET "events?since=$((seq - 1))&limit=1" olga
	want 200 "\"seq\":$seq,"
	[[ $BODY != *"$hash"* ]]
}

@test "restored from an older backup: pmr-watch says where its stream has a gap, and goes on" {
	daemon_start
	start
	comment one two
	backup
	comment three four
	tool pmr-watch --as olga --cursor-file "$DIR/cur" -t comment_added
	heard "$DIR/out" '"content":"four"'
	restored
	heard "$DIR/err" 'are missing (ahead)'
	comment five
	heard "$DIR/out" '"content":"five"'
	# What is behind the gap comes once, and the line before tells where it begins.
	sed -n '/"content":"four"/,/"content":"five"/p' "$DIR/out" | grep -qF '"type":"checkpoint"'
	[ "$(grep -cF '"content":"five"' "$DIR/out")" = 1 ]
	kill "$TOOL"
	wait "$TOOL" || true
	TOOL=
}

@test "restored from an older backup: a cursor file is a gap, --strict ends with 76" {
	export PMR_SOCKET=$DIR/s PMR_REPORT=$REPORT
	daemon_start
	start
	comment one two
	backup
	comment three four
	pmr-watch --as olga -S 0 -t comment_added -n 4 | pmr-each --commit "$DIR/cur" -- sh -c 'jq -r .comment.content >>"$0"' "$DIR/done"
	restored
	run -76 pmr-watch --as olga --cursor-file "$DIR/cur" --strict -t comment_added
	[[ $output == *'are missing (ahead)'* ]]
	comment five six seven
	run -76 pmr-watch --as olga --cursor-file "$DIR/cur" --strict -t comment_added
	[[ $output == *'are missing (hash_mismatch)'* ]]
	# Without --strict the cursor moves behind the gap, and the work goes on.
	pmr-watch --as olga --cursor-file "$DIR/cur" -t comment_added -W 1 2>"$DIR/err" |
		pmr-each --commit "$DIR/cur" -- sh -c 'jq -r .comment.content >>"$0"' "$DIR/done" || true
	grep -qF 'are missing (hash_mismatch)' "$DIR/err"
	comment eight
	pmr-watch --as olga --cursor-file "$DIR/cur" -t comment_added -n 1 |
		pmr-each --commit "$DIR/cur" -- sh -c 'jq -r .comment.content >>"$0"' "$DIR/done"
	[ "$(tr '\n' ' ' <"$DIR/done")" = 'one two three four eight ' ]
}

@test "restored from an older backup: pmr-join gets the state anew, and sends what was not acked" {
	daemon_start
	start
	comment one two
	backup
	comment three
	tool pmr-join --as olga
	heard "$DIR/out" '"type":"session_state"'
	echo '{"type":"comment_added","ref":"lost","data":{"section_id":"intro","content":"four","parent_comment_id":null}}' >&"$IN"
	heard "$DIR/out" '"ref":"lost"'
	restored
	heard "$DIR/out" '"resumed":false'
	heard "$DIR/out" '"reason":"'
	echo '{"type":"comment_added","ref":"new","data":{"section_id":"intro","content":"five","parent_comment_id":null}}' >&"$IN"
	heard "$DIR/out" '"ref":"new"'
	api GET comments olga
	want 200 '"content":"five"' '"content":"two"'
	[[ $BODY != *'"content":"three"'* && $BODY != *'"content":"four"'* ]]
	kill "$TOOL"
	wait "$TOOL" || true
	TOOL=
}
