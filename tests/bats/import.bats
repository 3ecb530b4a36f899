#!/usr/bin/env bats
# A session on another server: byte-identical state, an intact chain, all or nothing.

load helper

setup() {
	daemon_start
	ONE="$DIR $SOCKET $PID $SHELL_PID"
	mkdir "$DIR/two"
	BATS_TEST_TMPDIR=$DIR/two daemon_start
	TWO="$DIR $SOCKET $PID $SHELL_PID"
	use one
	export PMR_REPORT=$REPORT PATH=$BUILD:$PATH
	unset PMR_FENCE PMR_SESSION
}

teardown() {
	[ -z "${TWO:-}" ] || { use two && daemon_stop; }
	use one
	clean_up
}

# use one|two: the daemon that everything speaks to from now on.
use() {
	case $1 in
	one) read -r DIR SOCKET PID SHELL_PID <<<"$ONE" ;;
	two) read -r DIR SOCKET PID SHELL_PID <<<"$TWO" ;;
	esac
	export PMR_SOCKET=$SOCKET
}

# state_of SESSION: the state's hash to STATE.
state_of() {
	api GET "/api/sessions/$1/state"
	want 200
	header X-Collab-State-Hash
	STATE=$VALUE
}

session() {
	start '{"conflict_resolution_strategy":"merge","participants":[{"user_id":"eddy","user_name":"Eddy","role":"editor","user_email":"eddy@example.org"}],"sections":{"intro":{"content":"Hello"}}}'
	as eddy pmr-section edit intro -- sed 's/Hello/Hello 🐕 world/' >/dev/null
	as eddy pmr-comment add intro "which?" >/dev/null
	as eddy pmr-section set other <<<"more" >/dev/null
}

@test "export | import: byte-identical state, an intact chain, the same export again" {
	session
	state_of "$SESSION"
	one=$STATE
	pmr-session export >"$DIR/export"
	export=$DIR/export
	use two
	pmr-session import <"$export" >"$DIR/imported"
	[ "$(jq -c '[.status,.active,.session_id,.state_hash]' "$DIR/imported")" = "[\"imported\",false,\"$SESSION\",\"$one\"]" ]
	state_of "$SESSION"
	[ "$STATE" = "$one" ]
	pmr-session export -s "$SESSION" | cmp - "$export"
	pmr-log verify -s "$SESSION"
	# Not active: it is read, and stays as it is, whatever is asked.
	api GET session
	want 200 '"has_active_session":false'
	[ "$(pmr-session show -s "$SESSION" | jq .has_active_session)" = false ]
	run -66 as eddy pmr-section set -s "$SESSION" intro </dev/null
	run -66 as olga pmr-session end -s "$SESSION"
	daemon_stop
	BATS_TEST_TMPDIR=$DIR daemon_start
	TWO="$DIR $SOCKET $PID $SHELL_PID"
	state_of "$SESSION"
	[ "$STATE" = "$one" ]
	# The report goes on from it.
	as eddy pmr-session start >"$DIR/next"
	[ "$(jq -r .continued_from "$DIR/next")" = "$SESSION" ]
	[ "$(as eddy pmr-section get intro)" = "Hello 🐕 world" ]
}

@test "import --activate: the session goes on where it was, however long it was idle" {
	session
	pmr-session export >"$DIR/export"
	daemon_stop
	daemon_start_with_clock
	clock +30h
	ONE="$DIR $SOCKET $PID $SHELL_PID"
	export=$DIR/export
	use two
	daemon_stop
	mkdir -p "$DIR/three"
	DIR=$DIR/three clock +30h
	BATS_TEST_TMPDIR=$DIR/three daemon_start_with_clock
	TWO="$DIR $SOCKET $PID $SHELL_PID"
	use two
	clock +30h
	pmr-session import --activate <"$export" | jq -e .active
	state_of "$SESSION"
	[ "$STATE" = "$(head -n 1 "$export" | jq -r .head.state_hash)" ]
	as eddy pmr-section edit intro -- sed 's/world/on we go/' >/dev/null
	[ "$(as eddy pmr-section get intro)" = "Hello 🐕 on we go" ]
	pmr-log verify
}

@test "every golden log comes in as it is" {
	local log one=$DIR n=0
	use two
	for log in "$REPO"/tests/data/log/*.ndjson; do
		n=$((n + 1))
		daemon_stop
		mkdir "$one/log$n"
		BATS_TEST_TMPDIR=$one/log$n daemon_start
		TWO="$DIR $SOCKET $PID $SHELL_PID"
		use two
		pmr-session import "$log" >"$DIR/imported" || fail_with "$log: $(cat "$DIR/imported")"
		id=$(jq -r .session_id "$DIR/imported")
		state_of "$id"
		[ "$STATE" = "$(cat "${log%.ndjson}.state_hash")" ] || fail_with "$log: another state"
		pmr-session export -s "$id" >"$DIR/export"
		tail -n +2 "$DIR/export" | cmp - "$log"
		pmr-log verify "$DIR/export"
	done
}

@test "session_exists: an id that exists, and a report that has an active session" {
	session
	pmr-session export >"$DIR/export"
	run -73 pmr-session import "$DIR/export"
	api POST /api/sessions/import '' "@$DIR/export"
	want 409 '"code":"session_exists"' "$SESSION exists"
	export=$DIR/export
	use two
	pmr-session start >/dev/null
	run -73 pmr-session import --activate "$export"
	[[ $output == *"has an active session"* ]]
	run -66 pmr-session show -s "$SESSION"
	pmr-session import "$export" >/dev/null
	pmr-session end >/dev/null
	pmr-session export -s "$SESSION" | cmp - "$export"
}

@test "bad_log: nothing that does not verify and fold comes in, and nothing of it is there" {
	session
	pmr-session export >"$DIR/export"
	local good=$DIR/export n
	use two
	bad() { # SED-or-command output on stdin: refused, and the sentence holds $1
		run -65 pmr-session import - <"$DIR/bad"
		[[ $output == *"$1"* ]] || fail_with "not \"$1\": $output"
		run -66 pmr-session show -s "$SESSION"
	}
	n=$(wc -l <"$good")
	sed '3d' "$good" >"$DIR/bad" && bad "belongs"
	sed '4s/Hello/Hallo/' "$good" >"$DIR/bad"
	cmp -s "$DIR/bad" "$good" || bad "hash"
	head -n $((n - 1)) "$good" >"$DIR/bad" && bad "was exported up to"
	head -c 1500 "$good" >"$DIR/bad" && bad "line"
	sed '1d; 2d' "$good" >"$DIR/bad" && bad "line 1"
	head -n 1 "$good" >"$DIR/bad" && bad "no event"
	: >"$DIR/bad" && bad "no event"
	echo hello >"$DIR/bad" && bad "line 1"
	jq -c 'if .seq == 3 then .erased = true | .digest = ("0" * 64) else . end' "$good" >"$DIR/bad" && bad "line 4"
	sed '1s/"state_hash":"./"state_hash":"x/' "$good" >"$DIR/bad" && bad "another state"
	sed '1s/"format":1/"format":2/' "$good" >"$DIR/bad" && bad "format"
	pmr-session import "$good" >/dev/null
}

@test "import: for administrators, in parts, one at a time" {
	session
	pmr-session export >"$DIR/export"
	local good=$DIR/export id size
	use two
	run -77 as olga pmr-session import "$good"
	size=$(stat -c %s "$good")
	api POST '/api/sessions/import?more=1' '' $'\n' # an empty line, to begin with
	want 202 '"received":1'
	field import
	id=$VALUE
	api POST "/api/sessions/import?import=$id&offset=0" '' x
	want 400 '1 bytes have come'
	head -c 700 "$good" >"$DIR/a"
	tail -c +701 "$good" >"$DIR/b"
	api POST "/api/sessions/import?import=$id&offset=1&more=1" '' "@$DIR/a"
	want 202 '"received":701'
	# kill -9 in the middle: there is nothing of it.
	daemon_kill
	BATS_TEST_TMPDIR=$DIR daemon_start
	TWO="$DIR $SOCKET $PID $SHELL_PID"
	api POST "/api/sessions/import?import=$id&offset=701" '' "@$DIR/b"
	want 404
	[ -z "$(pmr-session list --all)" ]
	api POST '/api/sessions/import?more=1' '' "@$DIR/a"
	field import
	api POST "/api/sessions/import?import=$VALUE&offset=700" '' "@$DIR/b"
	want 201 '"status":"imported"'
	pmr-session export -s "$SESSION" | cmp - "$good"
}

@test "import: longer than a request's body, within import_bytes" {
	start
	seq 2000 | jq -c '{type:"section_update",data:{section_id:"s\(.%7)",changes:{content:("line \(.) " + ("x" * 1000))}}}' |
		as olga pmr-send >/dev/null
	pmr-session export >"$DIR/export"
	local good=$DIR/export
	[ "$(stat -c %s "$good")" -gt 2000000 ]
	use two
	pmr-session import "$good" | jq -e .seq
	pmr-session export -s "$SESSION" | cmp - "$good"
	daemon_stop
	mkdir "$DIR/small"
	printf '[limits]\nimport_bytes = 1000000\nframe_bytes = 2048\n' >"$DIR/conf"
	BATS_TEST_TMPDIR=$DIR/small daemon_start --config "$DIR/conf"
	TWO="$DIR $SOCKET $PID $SHELL_PID"
	use two
	head -n 100 "$good" | tail -n +2 | pmr-session import | jq -e '.seq == 99'
	api POST /api/sessions/import '' "@$good" -H 'Transfer-Encoding: chunked'
	want 413 '"code":"too_large"'
	run -65 pmr-session import "$good"
}
