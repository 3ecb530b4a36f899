#!/usr/bin/env bats
# pmr-wait and pmr-each against a daemon.
# shellcheck shell=bash

load helper

setup() {
	daemon_start
	start
	export PMR_SOCKET=$SOCKET PMR_REPORT=$REPORT PATH=$BUILD:$PATH
	unset PMR_SESSION PMR_TOKEN PMR_TOKEN_FILE PMR_URL PMR_DEBUG PMR_CONFIG PMR_PROFILE
}

teardown() {
	[ -z "${WAITER:-}" ] || kill "$WAITER" 2>/dev/null || true
	clean_up
}

# waits COND...: pmr-wait in the background, until it watches.
waits() {
	local args=()
	for cond; do
		args+=(--for "$cond")
	done
	metric collabd_connections
	local before=$VALUE
	pmr-wait "${args[@]}" -W "$PATIENCE" >"$DIR/waited" 2>"$DIR/waited.err" 3>&- &
	WAITER=$!
	for ((i = 0; i < 1000; i++)); do
		metric collabd_connections
		[ "$VALUE" -le "$before" ] || return 0
		kill -0 $WAITER 2>/dev/null || return 0
	done
	fail_with 'pmr-wait does not connect'
}

# waited STATUS [TEXT]...: it has ended so, and printed one object that holds every TEXT.
waited() {
	local status=0 text
	wait "$WAITER" || status=$?
	WAITER=
	[ "$status" = "$1" ] || fail_with "status $status, not $1" "$(cat "$DIR/waited" "$DIR/waited.err")" || return 1
	shift
	[ $# = 0 ] || [ "$(wc -l <"$DIR/waited")" = 1 ] || fail_with "not one line" || return 1
	for text; do
		grep -qF -e "$text" "$DIR/waited" || fail_with "no $text in $(cat "$DIR/waited")" || return 1
	done
}

comment() {
	pmr-comment add --as cora "$1" "$2" | jq -r .comment_id
}

# ---- wait ----------------------------------------------------------------------------------------

@test "wait: what is true already is answered with the session" {
	for cond in comments-resolved no-conflicts no-locks section:intro 'section:intro>=1' offline:vera; do
		run -0 pmr-wait --for "$cond" -W "$PATIENCE"
		[ "$(jq -r '.session_id' <<<"$output")" = "$SESSION" ] || fail_with "$cond: $output"
		[ "$(jq -r '.type' <<<"$output")" = null ]
	done
}

@test "wait: what is not true times out with 124, printing nothing" {
	comment intro why >/dev/null
	for cond in comments-resolved ended section:none 'section:intro>=999' online:vera; do
		run -124 --separate-stderr pmr-wait --for "$cond" -W 0.2
		[ -z "$output" ] || fail_with "$cond: $output"
	done
}

@test "wait: comments-resolved: every thread, deleted ones too; replies count with their thread" {
	one=$(comment intro one)
	two=$(comment later two)
	three=$(comment later three)
	pmr-comment reply --as eddy "$one" yes >/dev/null
	waits comments-resolved
	pmr-comment resolve --as eddy "$one" >/dev/null
	pmr-comment resolve --as eddy "$two" >/dev/null
	pmr-comment reopen --as eddy "$one" >/dev/null
	pmr-comment delete --as cora "$three" >/dev/null
	kill -0 "$WAITER"
	pmr-comment resolve --as eddy "$one" >/dev/null
	waited 0 '"type":"comment_resolved"' "$one"
}

@test "wait: section:ID and section:ID>=N" {
	waits section:new
	echo text | pmr-section set --as eddy new >/dev/null
	waited 0 '"type":"section_update"' '"section_id":"new"'
	version=$(pmr-section list | jq 'select(.section_id=="new").version')
	waits "section:new>=$((version + 1))"
	echo other | pmr-section set --as eddy intro >/dev/null
	kill -0 "$WAITER"
	echo more | pmr-section set --as eddy new >/dev/null
	waited 0 '"section_id":"new"'
	pmr-section delete --as eddy new >/dev/null
	run -124 pmr-wait --for section:new -W 0.2
}

@test "wait: no-locks" {
	mkfifo "$DIR/hold"
	pmr-lock --as eddy intro -- sh -c "read -r line <'$DIR/hold'" 3>&- &
	lock=$!
	run -0 pmr-watch -S 0 -t section_locked -n 1 -W "$PATIENCE"
	waits no-locks
	kill -0 "$WAITER"
	echo >"$DIR/hold"
	wait $lock
	waited 0 '"type":"section_unlocked"'
}

@test "wait: no-conflicts" {
	pmr-session end --as olga >/dev/null
	pmr-session start --fresh --strategy manual --as olga --participant eddy >/dev/null
	echo a | pmr-section set --as olga s >/dev/null
	base=$(pmr-session show | jq .seq)
	echo b | pmr-section set --as olga --base-seq "$base" s >/dev/null
	echo c | pmr-section set --as eddy --base-seq "$base" s >/dev/null || true
	id=$(pmr-conflict list | jq -r .conflict_id)
	[ -n "$id" ]
	waits no-conflicts
	kill -0 "$WAITER"
	pmr-conflict resolve --as olga --current "$id" >/dev/null
	waited 0 '"type":"conflict_resolved"'
}

@test "wait: online:USER and offline:USER" {
	waits online:vera
	join v vera
	waited 0 '"type":"user_online"' '"user_id":"vera"'
	run -0 pmr-wait --for online:vera -W "$PATIENCE"
	waits offline:vera
	ws_close v
	waited 0 '"type":"user_offline"'
}

@test "wait: ended is 0; the end before anything else is true is 1" {
	waits ended
	pmr-session end --as olga >/dev/null
	waited 0 '"type":"session_ended"'
	pmr-session start --as olga >/dev/null
	waits section:none
	pmr-session end --as olga >/dev/null
	waited 1
	[ ! -s "$DIR/waited" ]
}

@test "wait: several conditions are to be true at once" {
	id=$(comment intro one)
	waits comments-resolved section:new
	pmr-comment resolve --as eddy "$id" >/dev/null
	id=$(comment intro two)
	echo x | pmr-section set --as eddy new >/dev/null
	kill -0 "$WAITER"
	pmr-comment resolve --as eddy "$id" >/dev/null
	waited 0 "$id"
}

@test "wait: across kill -9 and restart of the server" {
	waits section:new
	daemon_kill
	daemon_start
	echo x | pmr-section set --as eddy new >/dev/null
	waited 0 '"section_id":"new"'
}

@test "wait: mistakes are 64, no session 66, no server 69" {
	for cond in nothing section: 'section:a>=' 'section:a>=x' online: endedx; do
		run -64 pmr-wait --for "$cond"
		[[ $output == *'is not a condition'* ]]
	done
	run -64 pmr-wait
	run -66 pmr-wait -r none --for ended
	run -69 pmr-wait --socket "$DIR/none" --for ended
}

# ---- each ----------------------------------------------------------------------------------------

@test "each: the event on stdin, its members in the environment" {
	pmr-watch --as olga -S 0 -n 1 >"$DIR/events"
	run -0 pmr-each -- sh -c 'cat; echo "$PMR_EVENT_TYPE $PMR_EVENT_SEQ $PMR_EVENT_USER $PMR_EVENT_SECTION $PMR_EVENT_SESSION"' <"$DIR/events"
	[ "${lines[0]}" = "$(cat "$DIR/events")" ]
	[ "${lines[1]}" = "session_started 1 olga  $SESSION" ]
}

@test "each: the cursor moves when the command is done, and what is done is not repeated" {
	local cur=$DIR/cur
	pmr-watch --as olga -S 0 -n 3 >"$DIR/events"
	run -1 pmr-each --commit "$cur" -- sh -c '[ "$PMR_EVENT_SEQ" != 2 ]' <"$DIR/events"
	[ "$(jq .seq "$cur")" = 1 ]
	run -1 pmr-each --on-error skip -- sh -c '[ "$PMR_EVENT_SEQ" != 2 ]' <"$DIR/events"
	run -0 pmr-each --commit "$cur" -- jq -c .seq <"$DIR/events"
	[ "$output" = $'2\n3' ]
	run -65 pmr-each -- true <<<'{'
	run -127 pmr-each -- "$DIR/none" <"$DIR/events"
}

@test "each: --retry runs a command that failed again, so often and no more" {
	pmr-watch --as olga -S 0 -n 2 >"$DIR/events"
	cat >"$DIR/try" <<-'END'
		echo "$PMR_EVENT_SEQ" >>"$1/tries"
		[ "$(grep -c "^$PMR_EVENT_SEQ$" "$1/tries")" -gt "$2" ]
	END
	run -0 pmr-each --retry 1 -- sh "$DIR/try" "$DIR" 1 <"$DIR/events"
	[ "$(tr '\n' ' ' <"$DIR/tries")" = '1 1 2 2 ' ]
	rm "$DIR/tries"
	run -1 pmr-each --retry 1 --commit "$DIR/cur" -- sh "$DIR/try" "$DIR" 5 <"$DIR/events"
	[ "$(tr '\n' ' ' <"$DIR/tries")" = '1 1 ' ]
	[ ! -s "$DIR/cur" ]
}

@test "each: --on-error skip goes on, moves the cursor, and says so with 1" {
	pmr-watch --as olga -S 0 -n 3 >"$DIR/events"
	run -1 --separate-stderr pmr-each --on-error skip --commit "$DIR/cur" -- sh -c 'echo "$PMR_EVENT_SEQ"; [ "$PMR_EVENT_SEQ" != 2 ]' <"$DIR/events"
	[ "$output" = $'1\n2\n3' ]
	[[ $stderr == *skipped* ]]
	[ "$(jq .seq "$DIR/cur")" = 3 ]
	run -64 pmr-each --on-error maybe -- true </dev/null
}

@test "each: a checkpoint moves the cursor and runs nothing" {
	pmr-watch --as olga -S 0 -n 1 >"$DIR/events"
	jq -c '{type:"checkpoint",seq:9,hash,session_id}' "$DIR/events" >>"$DIR/events"
	run -0 pmr-each --commit "$DIR/cur" -- jq -c .seq <"$DIR/events"
	[ "$output" = 1 ]
	[ "$(jq .seq "$DIR/cur")" = 9 ]
}

@test "each: killed at any point, everything is done at least once, and the cursor goes on" {
	for ((i = 0; i < 5; i++)); do
		comment intro "c$i" >/dev/null
	done
	pmr-watch --as olga -S 0 -t comment_added -n 5 >"$DIR/events"
	# The third command kills its parent, before its status is known.
	run -137 pmr-each --commit "$DIR/cur" -- sh -c 'jq -r .comment.content >>"$0"; [ $(wc -l <"$0") != 3 ] || kill -9 $PPID' "$DIR/done" <"$DIR/events"
	run -0 pmr-each --commit "$DIR/cur" -- sh -c 'jq -r .comment.content >>"$0"' "$DIR/done" <"$DIR/events"
	[ "$(tr '\n' ' ' <"$DIR/done")" = 'c0 c1 c2 c2 c3 c4 ' ]
}

@test "each: with a watch on the same cursor, across kill -9 of the server" {
	forward() {
		pmr-watch --as olga --cursor-file "$DIR/cur" -t comment_added -n "$1" -W "$PATIENCE" |
			pmr-each --commit "$DIR/cur" -- sh -c 'jq -r .comment.content >>"$0"' "$DIR/done"
	}
	comment intro a >/dev/null
	forward 1
	comment intro b >/dev/null
	daemon_kill
	daemon_start
	comment intro c >/dev/null
	forward 2
	[ "$(tr '\n' ' ' <"$DIR/done")" = 'a b c ' ]
}

@test "each: a cursor that cannot be written is 74, one that is none 65" {
	pmr-watch --as olga -S 0 -n 1 >"$DIR/events"
	run -74 pmr-each --commit "$DIR/no/where" -- true <"$DIR/events"
	echo hello >"$DIR/cur"
	run -65 pmr-each --commit "$DIR/cur" -- true <"$DIR/events"
}
