#!/usr/bin/env bats
# A log that becomes less: one person's text is erased, old events are compacted away; fold, chain,
# history, export and import stay right, and what was there is nowhere any more.

load helper

setup() {
	daemon_start
	export PMR_SOCKET=$SOCKET PMR_REPORT=$REPORT PATH=$BUILD:$PATH
	unset PMR_FENCE PMR_SESSION
}

teardown() {
	clean_up
}

# session: eddy and olga write in one text, eddy comments; what is eddy's holds "Zebra".
session() {
	start '{"conflict_resolution_strategy":"merge","participants":[{"user_id":"eddy","user_name":"Eddy Zebraman","role":"editor","user_email":"zebra@example.org"}],"sections":{"intro":{"content":"Hello\n"}}}'
	as eddy pmr-section edit intro -- sed 's/$/ Zebrawort 🐕/' >/dev/null
	as olga pmr-section edit intro -- sed 's/^/Well. /' >/dev/null
	as eddy pmr-section edit intro -- sed 's/🐕/Zebras/' >/dev/null
	as eddy pmr-comment add intro "Zebracomment" >/dev/null
	as olga pmr-comment add intro "a comment of Olga's" >/dev/null
	as olga pmr-section set other <<<"untouched" >/dev/null
}

state_hash() {
	api GET "/api/sessions/$SESSION/state"
	want 200
	header X-Collab-State-Hash
	STATE=$VALUE
}

# nowhere TEXT: not in the store's files, not in what is asked for.
nowhere() {
	! grep -aqr -e "$1" "$DIR/data" || fail_with "$1 in: $(grep -alr -e "$1" "$DIR/data")" || return 1
	! pmr-session export | grep -q -e "$1" || fail_with "$1 in the export" || return 1
	! pmr-log state | grep -q -e "$1" || fail_with "$1 in the state" || return 1
}

# folds: the state is that of a fresh fold of the stored log, on this server and another session.
folds() {
	local hash
	state_hash
	hash=$STATE
	daemon_stop
	daemon_start
	state_hash
	[ "$STATE" = "$hash" ] || fail_with "another state after a restart"
	[ "$(pmr-log state --at "$(pmr-log state --hash | jq .seq)" --hash | jq -r .state_hash)" = "$hash" ]
	pmr-log verify | jq -e .ok >/dev/null
	pmr-session export >"$DIR/export"
	pmr-log verify "$DIR/export" | jq -e .ok >/dev/null
	[ "$(head -n 1 "$DIR/export" | jq -r .head.state_hash)" = "$hash" ]
}

# moves: the export comes in on another server, with the same state.
moves() {
	local keep="$DIR $SOCKET $PID $SHELL_PID" export=$DIR/export hash
	hash=$(head -n 1 "$export" | jq -r .head.state_hash)
	mkdir -p "$DIR/two"
	BATS_TEST_TMPDIR=$DIR/two daemon_start
	PMR_SOCKET=$SOCKET pmr-session import "$export" >"$DIR/imported" || fail_with "$(cat "$DIR/imported")"
	[ "$(jq -r .state_hash "$DIR/imported")" = "$hash" ]
	PMR_SOCKET=$SOCKET pmr-session export | cmp - "$export"
	daemon_stop
	rm -r "$DIR"
	read -r DIR SOCKET PID SHELL_PID <<<"$keep"
}

@test "erase --user: the text is nowhere; fold, chain, history, import stay right" {
	session
	grep -aqr Zebra "$DIR/data"
	pmr-admin erase --user eddy >"$DIR/answer"
	[ "$(jq .erased "$DIR/answer")" -ge 4 ]
	[ "$(jq .scrubbed "$DIR/answer")" = true ]
	nowhere Zebra
	nowhere zebra@example.org
	folds
	[ "$(as olga pmr-section get intro)" = "Well. Hello$(printf '█%.0s' {1..17})" ]
	[ "$(as olga pmr-section get other)" = untouched ]
	pmr-comment list | grep -q "a comment of Olga's"
	# What is told of it: who, which; each record has its digest and no id any more.
	pmr-log events -t erased >"$DIR/told"
	[ "$(jq -r '.user_id + " " + .by' "$DIR/told")" = "eddy $(id -un)@local" ]
	pmr-log events | jq -c 'select(.erased)' >"$DIR/erased"
	[ "$(jq -s 'length' "$DIR/erased")" = "$(jq '.seqs | length' "$DIR/told")" ]
	[ "$(jq -s 'map(select(.event_id or .ref_digest or (.digest | length != 64))) | length' "$DIR/erased")" = 0 ]
	pmr-log blame intro | jq -e -s 'map(.user_id) | index("eddy") != null' >/dev/null
	pmr-log state --at 3 >/dev/null
	moves
	# Again: there is nothing left.
	[ "$(pmr-admin erase --user eddy | jq .erased)" = 0 ]
	# It goes on, also for who was erased.
	as eddy pmr-section edit intro -- sed 's/Well/Fine/' >/dev/null
	[[ $(as olga pmr-section get intro) == Fine.* ]]
}

@test "erase: those who are connected go on, and are told" {
	session
	join w olga
	pmr-admin erase --user eddy >/dev/null
	ws_until w '"type":"erased"'
	ws_say w '{"type":"comment_added","data":{"section_id":"intro","content":"still here","parent_comment_id":null},"ref":"r1"}'
	ws_until w '"type":"ack"'
	pmr-log verify | jq -e .ok
	ws_close w
}

@test "erase --seqs: those records alone; refusals" {
	session
	local seq
	seq=$(pmr-log events -t comment_added | jq -s 'map(select(.comment.content == "Zebracomment"))[0].seq')
	pmr-admin erase --seqs "$seq" | jq -e '.erased == 1'
	nowhere Zebracomment
	grep -q Zebrawort <<<"$(as olga pmr-section get intro)"
	[ "$(pmr-log events -t erased | jq -c .seqs)" = "[$seq]" ]
	folds
	run -64 pmr-admin erase
	run -64 pmr-admin erase --seqs 3,x
	api POST erase olga '{"user_id":"eddy"}'
	want 403 '"code":"forbidden"'
	api POST erase '' '{"seqs":[0]}'
	want 400 '"field":"seqs"'
	api POST erase '' '{}'
	want 400 '"code":"missing_field"'
	run -66 pmr-admin erase --user eddy -r never-was
}

# conflict: eddy proposes, olga settles for it; sets SETTLED to the seq that did.
conflict() {
	local base
	start '{"conflict_resolution_strategy":"manual","participants":[{"user_id":"eddy","user_name":"Eddy","role":"editor"}],"sections":{"intro":{"content":"Hello"}}}'
	base=$(pmr-section list | jq .version)
	api PUT sections/intro olga "{\"base_seq\":$base,\"changes\":{\"content\":\"of olga\"}}"
	want 200
	api PUT sections/intro eddy "{\"base_seq\":$base,\"changes\":{\"content\":\"Zebrawort\"}}"
	want 200
	field conflict_id
	SETTLED=$(as olga pmr-conflict resolve "$VALUE" --proposed | jq .seq)
	[ "$(pmr-section get intro)" = Zebrawort ]
}

@test "erase: a proposal that another settled for is the proposer's" {
	conflict
	pmr-admin erase --user olga >/dev/null
	[ "$(pmr-section get intro)" = Zebrawort ]
	pmr-admin erase --user eddy >/dev/null
	nowhere Zebra
	[ "$(pmr-section get intro)" = █████████ ]
	folds
	moves
}

@test "erase: a proposal from before the floor, settled behind it, too" {
	conflict
	pmr-admin compact --floor $((SETTLED - 1)) >/dev/null
	pmr-admin erase --user eddy >/dev/null
	nowhere Zebra
	[ "$(pmr-section get intro)" = █████████ ]
	folds
	moves
}

@test "erase: an ended session; a crash before the files are clean is made up for" {
	session
	pmr-session end >/dev/null
	pmr-admin erase --user eddy >/dev/null
	nowhere Zebra
	folds
	# As a crash leaves it: the note is there.
	daemon_stop
	touch "$DIR/data/collab.scrub"
	daemon_start
	[ ! -e "$DIR/data/collab.scrub" ]
	pmr-log verify | jq -e .ok
}

@test "compact: the state stays, what led to it goes; who is below is told" {
	session
	local floor hash
	floor=$(pmr-log state --hash | jq .seq)
	hash=$(pmr-log events | jq -r "select(.seq == 3).hash")
	as olga pmr-section set other --if-version "$floor" <<<"touched" >/dev/null
	pmr-log state --at "$floor" >"$DIR/at"
	pmr-admin compact --floor "$floor" | jq -e ".floor == $floor"
	[ "$(pmr-log state --at "$floor")" = "$(cat "$DIR/at")" ]
	[ "$(pmr-log events | head -n 1 | jq .seq)" = $((floor + 1)) ]
	[ "$(as olga pmr-section get other)" = touched ]
	folds
	head -n 1 "$DIR/export" | jq -e ".floor == $floor and .state.seq == $floor"
	[ "$(jq -c 'select(.type == "compacted") | [.floor, (.floor_hash | length)]' "$DIR/export")" = "[$floor,64]" ]
	pmr-log blame intro | jq -e -s 'length > 0' >/dev/null
	moves
	api GET "state?at=3"
	want 409 '"code":"base_too_old"' "$floor"
	api GET "events?since=3"
	want 409 '"code":"base_too_old"' "$floor"
	api GET "events?since=0"
	want 200 "\"seq\":$((floor + 1))"
	join w olga "since=3&hash=$hash"
	[[ $MSG == *'"reason":"compacted","type"'* || $MSG == *'"reason":"compacted"'* ]]
	[[ $MSG == *'"resumed":false'* ]]
	ws_close w
	# The original's table is what the state is, and what is left of the log.
	pmr-log state >"$DIR/state"
	sqlite3 -readonly -json "$DIR/data/collab.db" 'SELECT * FROM collaboration_sessions' >"$DIR/row"
	[ "$(jq -c '.[0] | [.session_id, .session_type, .started_at, (.participants | fromjson | map(.user_id) | sort),
		(.comments | fromjson | map(.comment_id) | sort)]' "$DIR/row")" = "$(jq -c '[.session_id, .session_type, .started_at, (.members | map(.user_id) | sort), (.comments | map(.comment_id) | sort)]' "$DIR/state")" ]
	[ "$(jq -c '.[0].changes_log | fromjson | map(.seq)' "$DIR/row")" = "[$((floor + 1))]" ]
	# Erasure reaches the base: names, comments, the sections that eddy changed last.
	pmr-admin erase --user eddy >/dev/null
	nowhere Zebra
	folds
	moves
	# And once more, further up.
	pmr-admin compact --keep-days 0 >/dev/null
	folds
	[ "$(pmr-log events | jq -s length)" = 1 ]
	pmr-admin compact --floor 2 | jq -e '.floor > 2'
	run -65 pmr-admin compact --floor 99999
	api POST compact olga '{"floor":3}'
	want 403 '"code":"forbidden"'
	run -64 pmr-admin compact
}

@test "compact: whoever is connected goes on" {
	session
	join w olga
	pmr-admin compact --keep-days 0 >/dev/null
	ws_until w '"type":"compacted"'
	ws_say w '{"type":"comment_added","data":{"section_id":"intro","content":"still here","parent_comment_id":null},"ref":"r1"}'
	ws_until w '"type":"ack"'
	pmr-log verify | jq -e .ok
	ws_close w
}

@test "keep_days: what has been over for so long is compacted, the rest is kept" {
	local gone kept hash
	session
	gone=$SESSION
	pmr-session end >/dev/null
	state_hash
	hash=$(pmr-log state -s "$gone" | jq -cS 'del(.seq, .hash, .floor, .last_activity, .updated_at)')
	daemon_stop
	printf '[retention]\nkeep_days = 30\n' >"$DIR/conf"
	daemon_start_with_clock --config "$DIR/conf"
	REPORT=pmr-2
	start
	kept=$SESSION
	api POST end olga
	want 200
	daemon_stop
	clock +20d
	daemon_start_with_clock --config "$DIR/conf"
	[ "$(pmr-log events -s "$gone" | head -n 1 | jq .seq)" = 1 ]
	daemon_stop
	clock +31d
	daemon_start_with_clock --config "$DIR/conf"
	# The sweep begins with the start; what is over is compacted when it tells so.
	for id in "$gone" "$kept"; do
		until pmr-log events -s "$id" | jq -e -s 'length == 1 and .[0].type == "compacted"' >/dev/null; do
			[ $((SECONDS_LEFT = ${SECONDS_LEFT:-400} - 1)) -gt 0 ] || fail_with "it was not compacted"
		done
		pmr-log verify -s "$id" | jq -e .ok
	done
	diff <(jq . <<<"$hash") <(pmr-log state -s "$gone" | jq -S "del(.seq, .hash, .floor, .last_activity, .updated_at)")
}
