#!/usr/bin/env bats
# pmr-section edit, set --merge, patch, revert: changes that merge with what others do meanwhile.

load helper

setup() {
	daemon_start
	export PMR_SOCKET=$SOCKET PMR_REPORT=$REPORT PATH=$BUILD:$PATH
	unset PMR_FENCE PMR_SESSION VISUAL EDITOR
	mkdir -p "$DIR/tmp"
	export TMPDIR=$DIR/tmp
}

teardown() {
	clean_up
}

# session STRATEGY: with eddy, an editor, and a section of ten lines, "line 1" to "line 10".
session() {
	start '{"conflict_resolution_strategy":"'"$1"'","participants":[{"user_id":"eddy","user_name":"Eddy","role":"editor"},{"user_id":"vera","user_name":"Vera","role":"viewer"}]}'
	seq -f 'line %.0f' 10 | pmr-section set intro >/dev/null
}

# kept: the one file that was kept, as stderr says, to KEPT.
kept() {
	[[ $stderr == *"your text is kept in "* ]]
	KEPT=${stderr##*your text is kept in }
	KEPT=${KEPT%%$'\n'*}
	[ -f "$KEPT" ]
}

nothing_kept() {
	[ -z "$(ls -A "$DIR/tmp")" ]
}

# ---- edit ---------------------------------------------------------------------------------------

@test "edit filters the text through a command" {
	session last_write_wins
	run -0 pmr-section edit intro -- sed 's/line 3/third/'
	[ "$(jq .version <<<"$output")" = "$(pmr-section list | jq .version)" ]
	[ "$(pmr-section get intro | sed -n 3p)" = third ]
	run -0 pmr-section edit intro -- sed 's/nothing/something/'
	[ "$(jq .unchanged <<<"$output")" = true ]
	# Byte for byte, whatever the text.
	printf 'a\r\n\xf0\x9f\x8e\x89 e\xcc\x81\n\nno newline' >"$DIR/text"
	run -0 pmr-section edit intro -- cat "$DIR/text"
	pmr-section get intro | cmp - "$DIR/text"
	run -0 pmr-section edit intro -- true
	[ "$(pmr-section get intro | wc -c)" = 0 ]
	run -0 pmr-section edit fresh -- echo new
	[ "$(pmr-section get fresh)" = new ]
	run -0 --separate-stderr pmr-section edit empty -- true
	[[ $stderr == *"nothing to write"* ]]
	run -66 pmr-section get empty
	nothing_kept
}

@test "edit pumps a text of a megabyte through a command that writes before it reads" {
	session merge
	head -c 900000 /dev/zero | tr '\0' x | pmr-section set big >/dev/null
	run -0 pmr-section edit big -- sh -c 'head -c 100000 /dev/zero | tr "\0" y; cat'
	[ "$(pmr-section get big | wc -c)" = 1000000 ]
	run -0 pmr-section edit big -- head -c 10
	[ "$(pmr-section get big)" = yyyyyyyyyy ]
}

@test "a command that fails writes nothing, and its status is that of edit" {
	session merge
	local before
	before=$(pmr-log state --hash | jq .seq)
	run -3 --separate-stderr pmr-section edit intro -- sh -c 'echo half of it; exit 3'
	[[ $stderr == *"ended with status 3; nothing is written"* ]]
	run -137 pmr-section edit intro -- sh -c 'kill -KILL $$'
	run -127 pmr-section edit intro -- no-such-command
	[ "$(pmr-log state --hash | jq .seq)" = "$before" ]
	nothing_kept
}

@test "an edit merges with what others type meanwhile, under every strategy that merges" {
	local strategy
	for strategy in merge last_write_wins; do
		REPORT=pmr-$strategy PMR_REPORT=pmr-$strategy session $strategy
		export PMR_REPORT=pmr-$strategy
		run -0 pmr-section --as eddy:Eddy edit intro -- sh -c '
			pmr-section edit intro -- sed "s/line 1$/first/; s/line 5/fifth, of others/" >/dev/null
			sed "s/line 9/ninth/; s/line 2/second/"'
		[ "$(pmr-section get intro | paste -sd ,)" = \
			"first,second,line 3,line 4,fifth, of others,line 6,line 7,line 8,ninth,line 10" ]
	done
}

@test "ten writers at once: every edit survives" {
	local strategy i pids
	for strategy in merge last_write_wins; do
		REPORT=ten-$strategy PMR_REPORT=ten-$strategy session $strategy
		export PMR_REPORT=ten-$strategy
		pids=()
		for i in 1 2 3 4 5 6 7 8 9 10; do
			pmr-section edit intro -- sed "s/line $i\$/line $i by writer $i/" >"$DIR/out.$i" 2>&1 3>&- &
			pids+=($!)
		done
		for i in "${pids[@]}"; do
			wait "$i" || fail_with "status $?" "$(cat "$DIR"/out.*)"
		done
		[ "$(pmr-section get intro)" = "$(seq 10 | sed 's/.*/line & by writer &/')" ]
		run -0 pmr-log verify
	done
}

@test "ten who append at once: every line is there once" {
	session merge
	local i pids=()
	for i in 1 2 3 4 5 6 7 8 9 10; do
		pmr-section edit list -- sh -c "cat; echo item $i" >"$DIR/out.$i" 2>&1 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || fail_with "status $?" "$(cat "$DIR"/out.*)"
	done
	[ "$(pmr-section get list | sort -t ' ' -k 2n)" = "$(seq -f 'item %.0f' 10)" ]
}

@test "edit alone opens VISUAL, else EDITOR, on a file" {
	session merge
	EDITOR='sed -i s/line.1$/first/' run -0 pmr-section edit intro
	[ "$(pmr-section get intro | head -n 1)" = first ]
	# With arguments, quoting and all; stdout stays the answer's.
	VISUAL='sh -c "echo drawing; echo more >>\"\$0\""' EDITOR=false run -0 --separate-stderr pmr-section edit intro
	[ "$(jq -r .type <<<"$output")" = ack ]
	[ "$stderr" = drawing ]
	[ "$(pmr-section get intro | tail -n 1)" = more ]
	# The file is the user's alone, and gone afterwards.
	EDITOR='stat -c %a,%n' run -0 --separate-stderr pmr-section edit intro
	[[ $stderr == 6[04][04],"$DIR"/tmp/*/intro.md ]]
	nothing_kept
	EDITOR=true run -0 --separate-stderr pmr-section edit absent
	run -66 pmr-section get absent
	EDITOR='cp /dev/stdin' run -0 pmr-section edit absent <<<"typed"
	[ "$(pmr-section get absent)" = typed ]
}

@test "an editor's text merges with what others typed meanwhile" {
	session merge
	EDITOR='sh -c "pmr-section edit intro -- sed s/line.5/fifth/ >/dev/null; sed -i s/line.1$/first/ \"\$0\""' \
		run -0 pmr-section --as eddy:Eddy edit intro
	[ "$(pmr-section get intro | sed -n '1p;5p' | paste -sd ' ')" = "first fifth" ]
}

@test "text that cannot be saved is kept in a file whose name is told" {
	session merge
	# locked by another
	run -75 --separate-stderr pmr-lock intro -- env -u PMR_FENCE EDITOR='sed -i s/line.1$/first/' pmr-section edit intro
	kept
	[ "$(head -n 1 "$KEPT")" = first ]
	[ "$(stat -c %a "${KEPT%/*}")" = 700 ]
	# also without a word asked for
	run -75 --separate-stderr pmr-lock -q intro -- env -u PMR_FENCE pmr-section -q edit intro -- sed s/line.2/second/
	kept
	[ "$(sed -n 2p "$KEPT")" = second ]
	# not allowed
	run -77 --separate-stderr pmr-section --as vera edit intro -- sed s/line.3/third/
	kept
	[ "$(sed -n 3p "$KEPT")" = third ]
	# deleted meanwhile
	run -66 --separate-stderr pmr-section edit intro -- sh -c \
		'pmr-section delete intro --base-seq 1000000 2>/dev/null || pmr-section delete intro --base-seq "$(pmr-section list | jq .version)" >/dev/null; tr a-z A-Z'
	kept
	[ "$(head -n 1 "$KEPT")" = "LINE 1" ]
	# the session ended, and the report's next one began: it is not written to that
	run -66 --separate-stderr pmr-section edit other -- sh -c 'pmr-session end >/dev/null; pmr-session start >/dev/null; echo mine'
	kept
	[ "$(cat "$KEPT")" = mine ]
	run -66 pmr-section get other
	# the server went away
	pmr-section set intro <<<again >/dev/null
	run -69 --separate-stderr pmr-section edit intro -- sh -c "kill -KILL $PID; echo while away"
	daemon_wait || true
	kept
	[ "$(cat "$KEPT")" = "while away" ]
}

# said WHAT: wait until the background edit has said it, to $DIR/err.
said() {
	tail -n +1 -f "$DIR/err" --pid="$EDITING" 2>/dev/null 3>&- | grep -q -m 1 "$1"
}

# ends_by N: the edit in the background has died of this signal, and told where the text is, to KEPT.
ends_by() {
	local status=0
	wait "$EDITING" || status=$?
	[ "$status" = $((128 + $1)) ] || fail_with "status $status" "$(cat "$DIR/err")" || return 1
	stderr=$(cat "$DIR/err")
	kept
}

@test "who ends edit by a signal is told where the text is" {
	local signal
	session merge
	mkfifo "$DIR/typed" "$DIR/go"
	exec 8<>"$DIR/go"
	for signal in TERM HUP; do
		EDITOR="sh -c 'echo half >>\"\$0\"; echo >$DIR/typed; read -r x <$DIR/go'" \
			pmr-section edit intro 2>"$DIR/err" 3>&- 8>&- &
		EDITING=$!
		read -r _ <"$DIR/typed"
		kill -$signal "$EDITING"
		ends_by "$(kill -l $signal)"
		[ "$(tail -n 1 "$KEPT")" = half ]
		echo >&8
	done
	# While it is sent: a command's text as well.
	pmr-section edit -q --retry forever intro -- sh -c "kill -KILL $PID; echo while away; echo >$DIR/typed" 2>"$DIR/err" 3>&- 8>&- &
	EDITING=$!
	read -r _ <"$DIR/typed"
	daemon_wait || true
	until ls "$DIR"/tmp/*/intro.md 2>/dev/null | xargs grep -q while; do
		kill -0 "$EDITING"
	done
	kill -TERM "$EDITING"
	ends_by 15
	[ "$(cat "$KEPT")" = "while away" ]
	exec 8>&-
}

@test "text that is no text is kept; an editor that fails leaves what it changed" {
	session merge
	EDITOR='printf "\377\376" >' run -65 --separate-stderr pmr-section edit intro
	kept
	[[ $stderr == *"not valid UTF-8"* ]]
	EDITOR='sh -c "echo half >>\"\$0\"; exit 2"' run -2 --separate-stderr pmr-section edit intro
	kept
	[ "$(tail -n 1 "$KEPT")" = half ]
	rm -r "$DIR"/tmp/*
	EDITOR=false run -1 --separate-stderr pmr-section edit intro
	nothing_kept
	[ "$(pmr-section get intro | wc -l)" = 10 ]
}

# ---- get --base, set --merge --------------------------------------------------------------------

@test "get --base keeps what was read, set --merge merges what was made of it" {
	session merge
	pmr-section get intro --base "$DIR/base" >"$DIR/mine"
	[ "$(jq -r .content "$DIR/base" | head -n 10)" = "$(cat "$DIR/mine")" ]
	[ "$(jq .seq "$DIR/base")" = "$(pmr-section list | jq .version)" ]
	pmr-section edit intro -- sed 's/line 5/fifth/' >/dev/null
	sed -i 's/line 1$/first/' "$DIR/mine"
	run -0 pmr-section set intro --merge --base "$DIR/base" "$DIR/mine"
	[ "$(pmr-section get intro | sed -n '1p;5p' | paste -sd ' ')" = "first fifth" ]
	# What is in the file lacks the others' change: set once more it would take that away.
	run -73 --separate-stderr pmr-section set intro --merge --base "$DIR/base" "$DIR/mine"
	[[ $stderr == *"get the section again"* ]]
	pmr-section get intro --base "$DIR/base" >"$DIR/mine"
	# While nobody else writes, it goes on and on.
	sed -i 's/line 2/second/' "$DIR/mine"
	run -0 pmr-section set intro --merge --base "$DIR/base" <"$DIR/mine"
	sed -i 's/line 3/third/' "$DIR/mine"
	run -0 pmr-section set intro --merge --base "$DIR/base" - <"$DIR/mine"
	pmr-section get intro | cmp - "$DIR/mine"
	[ "$(ls "$DIR" | grep -c base)" = 1 ]
}

@test "a base belongs to a section of a session" {
	session last_write_wins
	pmr-section get intro --base "$DIR/base" >/dev/null
	run -65 pmr-section set other --merge --base "$DIR/base" <<<x
	echo '{}' >"$DIR/no-base"
	run -65 pmr-section set intro --merge --base "$DIR/no-base" <<<x
	run -74 pmr-section set intro --merge --base "$DIR/nowhere" <<<x
	run -64 pmr-section set intro --merge <<<x
	run -64 pmr-section set intro --base "$DIR/base" <<<x
	run -64 pmr-section set intro --merge --base "$DIR/base" --base-seq 3 <<<x
	run -66 pmr-section get nowhere --base "$DIR/other"
	[ ! -e "$DIR/other" ]
	run -74 pmr-section get intro --base "$DIR/nowhere/base"
	pmr-session end >/dev/null
	pmr-session start >/dev/null
	run -65 --separate-stderr pmr-section set intro --merge --base "$DIR/base" <<<x
	[[ $stderr == *"another session"* ]]
	[ "$(pmr-section get intro | wc -l)" = 10 ]
}

# ---- patch --------------------------------------------------------------------------------------

@test "patch applies an operation made from a seq" {
	session merge
	local version
	version=$(pmr-section list | jq .version)
	pmr-section edit intro -- sed '1i zero' >/dev/null
	run -0 pmr-section patch intro --base-seq "$version" <<<'[{"d":6},"first"]'
	[ "$(jq -c .changes.delta <<<"$output")" = '[5,{"d":6},"first"]' ]
	[ "$(pmr-section get intro | head -n 3 | paste -sd ,)" = "zero,first,line 2" ]
	echo '[" 🎉"]' >"$DIR/op"
	run -0 pmr-section patch intro "$DIR/op" --if-version "$(pmr-section list | jq .version)"
	[ "$(pmr-section get intro | head -n 1)" = " 🎉zero" ]
	run -73 pmr-section patch intro "$DIR/op" --if-version "$version"
	run -64 pmr-section patch intro "$DIR/op"
	run -65 pmr-section patch intro --base-seq "$version" <<<'{"d":1}'
	run -65 pmr-section patch intro --base-seq "$version" <<<'[1,'
	run -65 pmr-section patch intro --base-seq "$version" <<<'[1000,"x"]'
	run -66 pmr-section patch nowhere --base-seq "$version" <<<'[1,"x"]'
}

# ---- revert -------------------------------------------------------------------------------------

@test "revert makes the text what it was, as a change of its own" {
	session merge
	local first second
	first=$(pmr-section list | jq .version)
	pmr-section edit intro -- sed 's/line 1$/first/' >/dev/null
	second=$(pmr-section list | jq .version)
	run -0 pmr-section --as eddy:Eddy revert intro --to "$first"
	[ "$(pmr-section get intro | head -n 1)" = "line 1" ]
	[ "$(pmr-section history intro | wc -l)" = 3 ]
	# Which can be reverted too, and so can that.
	run -0 pmr-section revert intro --to "$second"
	[ "$(pmr-section get intro | head -n 1)" = first ]
	run -0 pmr-section revert intro --to "$second"
	[ "$(jq .unchanged <<<"$output")" = true ]
	run -66 --separate-stderr pmr-section revert intro --to 1
	[[ $stderr == *"there was no section intro at 1"* ]]
	run -66 pmr-section revert nowhere --to "$second"
	run -65 pmr-section revert intro --to 1000000
	run -64 pmr-section revert intro
	run -0 pmr-log verify
}

@test "revert brings back a section that was deleted" {
	session last_write_wins
	local seq
	seq=$(pmr-section list | jq .version)
	pmr-section delete intro >/dev/null
	run -66 pmr-section get intro
	run -0 pmr-section revert intro --to "$seq"
	[ "$(pmr-section get intro | wc -l)" = 10 ]
}

@test "a comment whose text went comes back with it" {
	session merge
	local seq
	pmr-comment add intro "why?" --anchor 14,20 --base-seq "$(pmr-section list | jq .version)" >/dev/null
	seq=$(pmr-section list | jq .version)
	pmr-section edit intro -- sed '1i zero' >/dev/null
	[ "$(pmr-comment list | jq -c '[.anchor.from,.anchor.to]')" = "[19,25]" ]
	pmr-section edit intro -- sed '2,5d' >/dev/null
	[ "$(pmr-comment list | jq .orphaned)" = true ]
	pmr-section revert intro --to "$seq" >/dev/null
	[ "$(pmr-comment list | jq -c '[.orphaned,.anchor.from,.anchor.to]')" = "[null,14,20]" ]
}

# ---- history ------------------------------------------------------------------------------------

@test "history lists the changes of a section, also of one that is deleted" {
	session last_write_wins
	pmr-section --as eddy:Eddy edit intro -- sed 's/line 1$/first 🎉/' >/dev/null
	pmr-section set other <<<x >/dev/null
	pmr-section delete intro >/dev/null
	run -0 pmr-section history intro
	[ "$(jq -c '[.type,.user_id,.chars,.inserted,.removed]' <<<"$output")" = \
		'["section_update","'"$(id -un)"'@local",71,71,0]
["section_update","eddy",72,7,6]
["section_deleted","'"$(id -un)"'@local",0,0,72]' ]
	[ "$(pmr-section history intro -n 1 | wc -l)" = 1 ]
	run -66 pmr-section history nowhere
}
