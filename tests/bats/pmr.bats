#!/usr/bin/env bats
# pmr: the tools for people.  What it shows on a terminal is read from a pseudo-terminal.

load helper

setup() {
	daemon_start
	start
	export PMR_SOCKET=$SOCKET PATH=$BUILD:$PATH HOME=$DIR XDG_STATE_HOME=$DIR/state
	unset PMR_REPORT PMR_SESSION PMR_PROFILE PMR_CONFIG NO_COLOR PAGER LESS
}

teardown() {
	clean_up
}

@test "off a terminal the bytes and the status are the tool's" {
	pmr session list >"$DIR/a"
	pmr-session list >"$DIR/b"
	# Seconds may have passed.
	diff <(jq -cS 'del(.idle_seconds)' "$DIR/a") <(jq -cS 'del(.idle_seconds)' "$DIR/b")
	cmp <(pmr log events -r "$REPORT") <(pmr-log events -r "$REPORT")
	run -66 pmr section get -r "$REPORT" none
	run -64 pmr section --none
	run -64 pmr nothing
	[[ $output == *'no verb "nothing"'* ]]
}

@test "alone it lists its verbs, and each tool is there" {
	run -0 pmr
	for tool in "$REPO"/cmd/pmr-*.c; do
		tool=${tool##*/pmr-}
		[[ $output == *$'\n'"  ${tool%.c} ..."* ]] || fail_with "no ${tool%.c}"
	done
	run -0 pmr --version
	[[ $output == 'pmr '* ]]
}

@test "a verb it does not know is a program of PATH" {
	mkdir "$DIR/bin"
	printf '#!/bin/sh\necho "mine $*"; exit 7\n' >"$DIR/bin/pmr-mine"
	chmod +x "$DIR/bin/pmr-mine"
	PATH=$DIR/bin:$PATH run -7 pmr mine a 'b c'
	[ "$output" = 'mine a b c' ]
}

@test "lists are tables with times as one says them" {
	api POST comments cora '{"section_id":"intro","content":"Why hello?","parent_comment_id":null}'
	want 201
	on_terminal NO_COLOR=1 pmr session list
	shows SESSION REPORT "${SESSION:0:8} active" "$REPORT"
	on_terminal NO_COLOR=1 pmr comment list -r "$REPORT"
	shows 'COMMENT  ' 'open  Why hello?' Cora
	on_terminal NO_COLOR=1 pmr member list -r "$REPORT"
	shows 'eddy editor'
	clock +2h
	on_terminal NO_COLOR=1 $FAULTY pmr member list -r "$REPORT"
	shows '2 h ago'
	on_terminal NO_COLOR=1 pmr section list -r "$REPORT"
	shows SECTION 'Hello'
	[[ $OUT != *'{'* ]]
}

@test "objects are names and values, acknowledgements and events sentences" {
	on_terminal NO_COLOR=1 pmr session show -r "$REPORT"
	shows 'report_id ' "$SESSION"
	on_terminal NO_COLOR=1 pmr comment add -r "$REPORT" --as cora intro Hm
	shows 'done at seq' 'comment '
	on_terminal NO_COLOR=1 pmr log events -r "$REPORT"
	shows 'started the session of pmr-1' 'on intro: Hm'
	on_terminal NO_COLOR=1 pmr watch -r "$REPORT" -S 0 -n 1
	[[ $OUT =~ [0-9]{2}:[0-9]{2}:[0-9]{2}\ +1\ +Olga\ +started ]]
}

@test "the status is the tool's on a terminal too" {
	status=0
	on_terminal pmr section get -r "$REPORT" none || status=$?
	[ $status = 66 ]
	shows 'there is no section none'
}

@test "colour on a terminal only, and never with NO_COLOR or a dumb one" {
	on_terminal pmr member list -r "$REPORT"
	shows $'\033[1m'
	for way in NO_COLOR=1 TERM=dumb; do
		on_terminal "$way" pmr log events -r "$REPORT"
		[[ $OUT != *$'\033['* ]] || fail_with "colour with $way"
	done
	[[ $(pmr member list -r "$REPORT") != *$'\033'* ]]
}

@test "what others typed does not steer the terminal" {
	api POST comments cora '{"section_id":"intro","content":"a\u001b[2Jb\u009b1mc\u202ed\u0007","parent_comment_id":null}'
	want 201
	printf 'x\033[31my\n' | pmr-section set -r "$REPORT" --as eddy intro
	for verb in 'comment list' 'log events' 'section list' 'section get intro' 'session export'; do
		# shellcheck disable=SC2086 # words
		on_terminal NO_COLOR=1 pmr $verb -r "$REPORT" || true
		[[ $OUT != *$'\033'* && $OUT != *$'\u009b'* && $OUT != *$'\u202e'* && $OUT != *$'\a'* ]] ||
			fail_with "$verb lets it through" "$OUT"
	done
	on_terminal NO_COLOR=1 pmr comment list -r "$REPORT"
	shows 'a[2Jb1mcd'
	on_terminal NO_COLOR=1 pmr section get -r "$REPORT" intro
	[ "$OUT" = 'x[31my' ]
}

@test "a pager for what may be long, with less's options; none for what is followed" {
	printf '#!/bin/sh\necho "paged $LESS"; exec cat\n' >"$DIR/pager"
	chmod +x "$DIR/pager"
	on_terminal PAGER="$DIR/pager" pmr member list -r "$REPORT"
	shows 'paged FRX' eddy
	on_terminal PAGER="$DIR/pager" LESS=X pmr log events -r "$REPORT"
	shows 'paged X' started
	on_terminal PAGER="$DIR/pager" pmr watch -r "$REPORT" -S 0 -n 1
	[[ $OUT != *paged* ]]
	# Who has seen enough is not waited for.
	printf '#!/bin/sh\nread -r line; echo "$line"\n' >"$DIR/pager"
	on_terminal PAGER="$DIR/pager" pmr section list -r "$REPORT"
	shows SECTION
}

@test "use: a session, a report; options and the environment count before" {
	run -1 pmr use
	run -0 pmr use "${SESSION:0:8}"
	[ "$(jq -r .session_id <<<"$output")" = "$SESSION" ]
	[ "$(pmr use | jq -r .report_id)" = "$REPORT" ]
	[ "$(pmr section get intro)" = Hello ]
	[ "$(stat -c %a "$XDG_STATE_HOME/pmr/use")" = 600 ]
	# The tools themselves do not know it.
	run -64 pmr-section get intro
	run -66 pmr section get -r pmr-other intro
	PMR_REPORT=pmr-other run -66 pmr section get intro
	# What is not there is not used.
	run -66 pmr use 00000000-0000-4000-8000-000000000000
	[ "$(pmr section get intro)" = Hello ]
	pmr use -r pmr-other
	run -66 pmr section get intro
	[ "$(PMR_REPORT=$REPORT pmr section get intro)" = Hello ]
	pmr use --none
	run -1 pmr use
	run -64 pmr section get intro
	run -64 pmr use -r a --none
}

@test "help opens the manual" {
	mkdir "$DIR/bin"
	printf '#!/bin/sh\necho "man $*"\n' >"$DIR/bin/man"
	chmod +x "$DIR/bin/man"
	PATH=$DIR/bin:$PATH run -0 pmr help wait
	[[ $output == 'man '*pmr-wait* ]]
	PATH=$DIR/bin:$PATH run -0 pmr help
	[[ $output == 'man '*pmr* ]]
}

@test "help without man is --help" {
	local pmr
	pmr=$(command -v pmr)
	mkdir "$DIR/empty"
	run -0 --separate-stderr env PATH="$DIR/empty" "$pmr" help wait
	[ "$output" = "$(pmr-wait --help)" ]
	# shellcheck disable=SC2154
	[[ $stderr == *'no man'* ]]
	run -0 --separate-stderr env PATH="$DIR/empty" "$pmr" help
	[ "$output" = "$(pmr --help)" ]
	run -64 env PATH="$DIR/empty" "$pmr" help nothing
}

@test "a signal ends the tool and pmr" {
	# It holds the handlers of signals back from who waits in a read of the C library.
	[ "${SANITIZED:-}" != thread ] || skip "not with ThreadSanitizer"
	mkfifo "$DIR/out"
	(exec script -qec "echo \$\$; TERM=dumb exec pmr watch -r $REPORT -S 0" /dev/null >"$DIR/out" </dev/null 3>&-) &
	exec 6<"$DIR/out"
	read -r -t "$PATIENCE" pid <&6
	read -r -t "$PATIENCE" line <&6
	[[ $line == *started* ]]
	kill -TERM "${pid%$'\r'}"
	wait $! || true
	run ! kill -0 "${pid%$'\r'}"
	exec 6<&-
}
