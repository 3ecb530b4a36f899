#!/usr/bin/env bats
# A session as a whole: export, in all its forms.

load helper

setup() {
	daemon_start
	export PMR_SOCKET=$SOCKET PMR_REPORT=$REPORT PATH=$BUILD:$PATH
	unset PMR_FENCE PMR_SESSION
}

teardown() {
	clean_up
}

# session: edits by two, an open thread with a reply, a thread that is settled.
session() {
	start '{"participants":[{"user_id":"eddy","user_name":"Eddy *E*","role":"editor","user_email":"eddy@example.org"}],"sections":{"intro":{"content":"Hello","title":"Introduction"}}}'
	as eddy pmr-section set budget <<<"We need 🐕 more" >/dev/null
	as eddy pmr-comment add budget $'how many?\nreally?' >"$DIR/comment"
	as olga pmr-comment reply "$(jq -r .comment_id "$DIR/comment")" "seven" >/dev/null
	as olga pmr-comment add intro "settled" >"$DIR/settled"
	as olga pmr-comment resolve "$(jq -r .comment_id "$DIR/settled")" >/dev/null
	state
}

@test "export: a line that says what it is, then the log as it is stored" {
	session
	pmr-session export >"$DIR/export"
	head -n 1 "$DIR/export" >"$DIR/head"
	[ "$(jq -c '[.type,.format,.floor,.session_id,.report_id]' "$DIR/head")" = "[\"export\",1,0,\"$SESSION\",\"$REPORT\"]" ]
	[ "$(jq -c '[.head.seq,.head.state_hash]' "$DIR/head")" = "[$SEQ,\"$STATE\"]" ]
	[ "$(jq -r .settings.session_type "$DIR/head")" = collaborative ]
	jq -cS . "$DIR/export" | cmp - "$DIR/export"
	tail -n +2 "$DIR/export" | cmp - <(pmr-log events)
	pmr-log verify --expect "$SEQ:$(jq -r .head.hash "$DIR/head")" "$DIR/export"
	pmr-session export | pmr-log verify -
	pmr-session export -F ndjson | cmp - "$DIR/export"
}

@test "export: a session that has ended, by report and by id" {
	session
	pmr-session end >/dev/null
	pmr-session export >"$DIR/export"
	pmr-session export -s "${SESSION:0:8}" | cmp - "$DIR/export"
	[ "$(tail -n 1 "$DIR/export" | jq -r .type)" = session_ended ] || [ "$(tail -n 1 "$DIR/export" | jq -r .type)" = user_offline ]
	pmr-log verify "$DIR/export"
	pmr-session export -F markdown | grep -q '^## Introduction$'
	[ "$(pmr-session export -F json | jq -r .sections.intro.content)" = Hello ]
}

@test "export: for participants and administrators" {
	session
	run -77 as nobody pmr-session export
	as eddy pmr-session export | pmr-log verify -
	secret
	daemon_stop
	daemon_start --secret-file "$SECRET"
	mint '{"sub":"w","scope":"collab:read","exp":4000000000}'
	http -H "Authorization: Bearer $TOKEN" "$URL/api/sessions/$SESSION/export"
	want 403 '"code":"forbidden"'
	run -66 pmr-session export -r never-was
	run -64 pmr-session export -F yaml
}

@test "export: a log that is long goes through in a stream" {
	start
	seq 3000 | jq -c '{type:"section_update",data:{section_id:"s\(.%7)",changes:{content:("line \(.) " + ("x" * 500))}}}' |
		as olga pmr-send >/dev/null
	pmr-session export >"$DIR/export"
	[ "$(wc -l <"$DIR/export")" -gt 3000 ]
	pmr-log verify "$DIR/export" | jq -e .ok
	# A reader that goes away is no error; one that has too little is told so.
	pmr-session export | head -n 1 >/dev/null
	[ "${PIPESTATUS[0]}" = 0 ]
}

@test "export: an export that breaks off is not taken for one" {
	start
	seq 3000 | jq -c '{type:"section_update",data:{section_id:"s",changes:{content:("line \(.) " + ("x" * 3000))}}}' |
		as olga pmr-send >/dev/null
	mkfifo "$DIR/out"
	pmr-session export >"$DIR/out" 2>"$DIR/err" 3>&- &
	local tool=$! status=0
	exec {slow}<"$DIR/out"
	read -r -u "$slow" _
	daemon_kill
	cat <&"$slow" >/dev/null
	wait "$tool" || status=$?
	[ "$status" = 69 ] || [ "$status" = 124 ] || fail_with "status $status: $(cat "$DIR/err")"
}

@test "markdown: a report that a person can send" {
	session
	pmr-session export --format markdown >"$DIR/report.md"
	cat >"$DIR/want" <<-END
	# $REPORT
	## Participants
	- Olga, owner
	- Eddy \\*E\\*, editor
	## budget
	We need 🐕 more
	## Introduction
	Hello
	## Open comments
	On budget:
	> **Eddy**, TIME
	> how many?
	> really?
	> > **Olga**, TIME
	> > seven
	Session \`$SESSION\`, state \`$SEQ:$(pmr-session show | jq -r .hash)\`
	END
	sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} UTC/TIME/g; /^(> )*>?$/d; /^\*Last|^Started|^---$/d' "$DIR/report.md" |
		diff -u "$DIR/want" -
	grep -Eq '^Started 2[0-9-]+ [0-9:]+ UTC, last changed .* UTC\.$' "$DIR/report.md"
	[ "$(grep -c '^\*Last changed by .*, .* UTC\.\*$' "$DIR/report.md")" = 2 ]
}

@test "json: the sections for the system of record" {
	session
	pmr-session export --format json >"$DIR/json"
	[ "$(jq -c 'keys' "$DIR/json")" = '["hash","last_activity","report_id","sections","seq","session_id","started_at"]' ]
	[ "$(jq -c '[.seq,.session_id,.sections.budget.content,.sections.intro.title]' "$DIR/json")" = "[$SEQ,\"$SESSION\",\"We need 🐕 more\\n\",\"Introduction\"]" ]
}
