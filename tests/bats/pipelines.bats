#!/usr/bin/env bats
# Pipelines of people's work, each as one types it.
# shellcheck shell=bash

load helper
load pages

setup() {
	prepare
}

teardown() {
	clean_up_pages
}

# type: what is on stdin, as a script that notices every failure; its output to out.
type_it() {
	cat >typed
	run_typed "this"
}

@test "a CI job comments on a report and waits for people to settle every thread" {
	(until pmr-comment list -r pmr-2024-01 | grep -q 'None?'; do :; done
	pmr-comment list -r pmr-2024-01 --open | pmr-comment resolve -r pmr-2024-01 -) >/dev/null 2>&1 3>&- &
	type_it <<'END'
lint --json report.md | jq -c '{type:"comment_added",data:{section_id:.section,content:.msg,parent_comment_id:null}}' | pmr-send -r pmr-2024-01
pmr-wait -r pmr-2024-01 --for comments-resolved -W 1800
END
	[ "$(jq -s 'map(select(.type=="ack" and .comment_id))|length' out)" -ge 2 ]
	[ -z "$(pmr-comment list -r pmr-2024-01 --open)" ]
}

@test "start, and hand the session to the next tool" {
	type_it <<'END'
pmr-session start -r pmr-2024-01 | pmr-send -s - edits.ndjson
END
	[ "$(jq -s 'map(select(.type=="ack"))|length' out)" = 2 ]
	[ "$(pmr-section get -r pmr-2024-01 risks)" = 'Q3: 10' ]
}

@test "an edit that merges with what people type meanwhile" {
	# Somebody types while sed has the text.
	printf '#!/bin/sh\n/bin/sed "$@" >edited\necho "More." | pmr-section patch -r pmr-2024-01 --base-seq "$(pmr-session show -r pmr-2024-01 | jq .seq)" budget delta >&2\ncat edited\n' >bin/sed
	chmod +x bin/sed
	echo '[7,"More.\n"]' >delta
	type_it <<'END'
pmr-section edit -r pmr-2024-01 budget -- sed 's/Q3/Q4/'
END
	[ "$(pmr-section get -r pmr-2024-01 budget)" = $'Q4: 10\nMore.' ]
}

@test "an at-least-once forwarder that survives restarts" {
	echo 'pmr-watch() { command pmr-watch "$@" -n 1; }' >>rc
	for word in one two three; do
		pmr-comment add -r pmr-2024-01 budget $word >/dev/null
		[ $word != two ] || { daemon_kill && daemon_start --secret-file "$SECRET"; }
		type_it <<'END'
pmr-watch -r pmr-2024-01 --cursor-file slack.cur -t comment_added | pmr-each --commit slack.cur -- ./to-slack
END
	done
	[ "$(jq -r .comment.content slack | tr '\n' ' ')" = 'one two three ' ]
}

@test "mirror one session into another, on another server" {
	mirror_server
	type_it <<END
pmr-watch -r A -t section_update --user '!mirror' | pmr-send --url $OTHER -r B
END
	mirrored
}

@test "end sessions that idle" {
	pmr-session end -r pmr-2024-01 >/dev/null
	daemon_stop
	daemon_start_with_clock --secret-file "$SECRET"
	for report in pmr-2024-03 pmr-2024-04; do
		pmr-session start -r $report --timeout-minutes 300 >/dev/null
	done
	join someone root@local /ws/reports/pmr/pmr-2024-03/collaborate
	clock +70m
	type_it <<'END'
pmr-session list | jq -c 'select(.connections==0 and .idle_seconds>3600)' | pmr-session end -
END
	[ "$(jq -r 'select(.status=="ended").report_id' out)" = pmr-2024-04 ]
	[ "$(pmr-session list | jq -r .report_id)" = pmr-2024-03 ]
}

@test "check the record against the end noted when the session closed" {
	pmr-session end -r pmr-2024-01 >/dev/null
	end=$(pmr-log state -r pmr-2024-01 --hash | jq -r '"SEQ=\(.seq) HASH=\(.hash)"')
	echo "$end" >>rc
	type_it <<'END'
pmr-session export -r pmr-2024-01 > audit.ndjson && pmr-log verify --expect "$SEQ:$HASH" audit.ndjson
END
	[ "$(jq .ok out)" = true ]
	sed -i '$d' audit.ndjson
	run -1 pmr-log verify --expect "$(jq -r '"\(.seq):\(.hash)"' out)" audit.ndjson
}

@test "resolve every open comment of one section" {
	pmr-comment add -r pmr-2024-01 budget 'Does not add up.' >/dev/null
	pmr-comment add -r pmr-2024-01 risks 'None?' >/dev/null
	type_it <<'END'
pmr-comment list -r pmr-2024-01 --open --section budget | pmr-comment resolve -r pmr-2024-01 -
END
	[ "$(jq -s 'map(select(.type=="ack"))|length' out)" = 1 ]
	[ "$(pmr-comment list -r pmr-2024-01 --open | jq -r .section_id)" = risks ]
}

@test "who wrote how much, from the log" {
	for n in 1 2 3; do
		echo $n | pmr-section set -r pmr-2024-01 --as eddy budget >/dev/null
	done
	type_it <<'END'
pmr-log events -r pmr-2024-01 -t section_update | jq -c -s 'group_by(.user_id)[] | {user:.[0].user_id, edits:length}'
END
	[ "$(jq -r 'select(.user=="eddy").edits' out)" = 3 ]
}
