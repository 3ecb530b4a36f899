#!/usr/bin/env bats
# pmr-watch, pmr-join and pmr-send against a daemon: streams, signals, losses, exit statuses.

load helper

setup() {
	daemon_start --limit messages_per_second=0
	start
	export PMR_SOCKET=$SOCKET PMR_REPORT=$REPORT PATH=$BUILD:$PATH
	unset PMR_SESSION PMR_TOKEN PMR_TOKEN_FILE PMR_URL PMR_FENCE PMR_DEBUG PMR_CONFIG PMR_PROFILE
}

teardown() {
	if [ -n "${TOOL:-}" ]; then
		kill "$TOOL" 2>/dev/null || true
	fi
	[ -z "${PID:-}" ] || kill -CONT "$PID"
	clean_up
}

comment='{"type":"comment_added","data":{"section_id":"intro","content":"Why?","parent_comment_id":null}}'
ping='{"type":"ping"}'

# tool NAME [ARGUMENT]...: run a tool; `say` writes to its stdin (closed by `eof`), `hear` reads a
# line of its stdout, `tool_end` waits for its end.  It is connected when this returns.
tool() {
	local line
	rm -f "$DIR/in" "$DIR/out" "$DIR/err"
	mkfifo "$DIR/in" "$DIR/out" "$DIR/err"
	env --default-signal=INT,HUP "$@" -v <"$DIR/in" >"$DIR/out" 2>"$DIR/err" 3>&- 4>&- &
	TOOL=$!
	exec {IN}>"$DIR/in" {OUT}<"$DIR/out" {ERR}<"$DIR/err"
	while IFS= read -r -t "$PATIENCE" -u "$ERR" line; do
		[[ $line != *connected* ]] || return 0
	done
	fail_with "$1 does not connect: $line"
}

say() {
	printf '%s\n' "$@" >&"$IN"
}

eof() {
	exec {IN}>&-
}

hear() {
	local pattern
	IFS= read -r -t "$PATIENCE" -u "$OUT" LINE || fail_with "nothing is heard" || return 1
	for pattern; do
		# shellcheck disable=SC2053 # a pattern is meant
		[[ $LINE == *$pattern* ]] || fail_with "no $pattern in: $LINE" || return 1
	done
}

hear_until() {
	LINE=
	while [[ $LINE != *$1* ]]; do
		hear || return 1
	done
}

# daemon_again: the daemon, without the descriptors of the tool: it would keep its stdin open.
daemon_again() {
	eval "daemon_start --limit messages_per_second=0 $IN>&- $OUT<&- $ERR<&-"
}

# tool_end STATUS: it ends so; what it said to people is in SAID.
tool_end() {
	local status=0
	wait "$TOOL" || status=$?
	TOOL=
	exec {OUT}<&-
	SAID=$(cat <&"$ERR")
	exec {ERR}<&-
	[ "$status" = "$1" ] || fail_with "status $status, not $1: $SAID"
}

updates() {
	jq -nc --argjson n "$1" 'range($n)|{type:"section_update",
		data:{section_id:"s\(. % 50)",changes:{content:"c\(.)"}}}'
}

# ---- pmr-watch ----------------------------------------------------------------------------------

@test "watch: from the beginning, a seq, a time, so long ago" {
	run -0 pmr-watch --as olga -S 0 -n 2 -F '%s %t'
	[ "$output" = $'1 session_started\n2 participant_joined' ]
	run -0 pmr-watch --as olga -S 3 -n 1 -F %s
	[ "$output" = 4 ]
	run -0 pmr-watch --as olga -S 2020-01-01T00:00:00+02:00 -n 1 -F %s
	[ "$output" = 1 ]
	run -0 pmr-watch --as olga -S 1h30m -n 1 -F %s
	[ "$output" = 1 ]
	run -124 pmr-watch --as olga -S 2100-01-01T00:00:00Z -W "$SOON"
	[ -z "$output" ]
	run -64 pmr-watch -S yesterday
	run -64 pmr-watch -S 2020-99-99T00:00:00Z
	run -64 pmr-watch -F %x -S 0
	run -64 pmr-watch -n 0
	run -64 pmr-watch more
}

@test "watch: from now on, one object a line, at once" {
	tool pmr-watch --as olga
	pmr-send --as eddy <<<"$comment" >"$DIR/ack"
	hear '"type":"user_online"' '"user_id":"eddy"'
	hear '"type":"comment_added"' '"content":"Why?"'
	kill -TERM "$TOOL"
	tool_end 143
	[[ $(cat "$DIR/ack") == *'"type":"ack"'* ]]
}

@test "watch: what is wanted is chosen by the server" {
	pmr-send --as eddy <<<"$comment" >"$DIR/ack"
	run -0 pmr-watch --as olga -S 0 -t comment_added -n 1 -F '%u: %p'
	[ "$output" = 'eddy: Why?' ]
	run -124 pmr-watch --as olga -S 0 -t '!participant_joined,!session_started' --user '!eddy' -W "$SOON" -F %t
	[ "$output" = section_update ]
	run -124 pmr-watch --as olga -S 0 --section intro -t comment_added -t section_update -W "$SOON" -F '%t %p'
	[ "$output" = $'section_update Hello\ncomment_added Why?' ]
	run -64 pmr-watch --as olga -t nonsense
}

@test "watch: formats" {
	run -0 bash -c "pmr-watch --as olga -S 0 -n 2 -F '%t\\0' | tr '\\0' ,"
	[ "$output" = session_started,participant_joined, ]
	run -0 pmr-watch --as olga -S 0 -n 1 -F '%%\t%s\\%j'
	[[ $output == $'%\t1\\{'*'}' ]]
	pmr-send --as eddy <<<'{"type":"section_update","data":{"section_id":"x","changes":{"content":"a\u001b[1mb\u0007\u0085c\n"}}}' >"$DIR/ack"
	run -0 pmr-watch --as olga -S 0 -t section_update --section x -n 1 -F %p
	[ "$output" = 'a[1mbc' ]
	run -0 pmr-watch --as olga -S 0 -t section_update --section x -n 1
	[[ $output == *'a\u001b[1mb\u0007\u0085c\n'* ]]
}

@test "watch: a cursor file says where to begin, and is only read" {
	local cur=$DIR/cur
	pmr-send --as eddy <<<"$comment" >"$DIR/ack"
	run -0 pmr-watch --as olga --cursor-file "$cur" -n 1 -F %s
	[ "$output" = 1 ]
	[ ! -e "$cur" ]
	pmr-watch --as olga --cursor-file "$cur" -n 2 | tail -n 1 | jq -c '{session_id,seq,hash}' >"$cur"
	cp "$cur" "$DIR/copy"
	run -0 pmr-watch --as olga --cursor-file "$cur" -n 1 -F %s
	[ "$output" = 3 ]
	cmp "$cur" "$DIR/copy"
	# What a filter keeps back is passed over by a checkpoint, with seq and hash.
	run -124 pmr-watch --as olga --cursor-file "$cur" -t session_ended -W 1
	[[ $output == *'"type":"checkpoint"'* ]]
	[ "$(jq -r .session_id <<<"${lines[0]}")" = "$SESSION" ]
	head -n 1 <<<"$output" >"$cur"
	run -124 pmr-watch --as olga --cursor-file "$cur" -t comment_added -W "$SOON"
	[[ $output != *'"type":"comment_added"'* ]]
	run -0 pmr-watch --as olga -S 0 --cursor-file /dev/null -n 1 -F %s
	[ "$output" = 1 ]
}

@test "watch: a cursor that cannot be resumed is a gap" {
	local cur=$DIR/cur
	printf '{"session_id":"%s","seq":2,"hash":"%064d"}' "$SESSION" 7 >"$cur"
	run -76 pmr-watch --as olga --cursor-file "$cur" --strict
	[[ $output == *'hash_mismatch'* ]]
	run -124 pmr-watch --as olga --cursor-file "$cur" -W "$SOON"
	[[ $output == *'hash_mismatch'* && $output == *'"type":"checkpoint"'* ]]
	run -76 pmr-watch --as olga -S 1000 --strict
	echo '{}' >"$cur"
	run -65 pmr-watch --as olga --cursor-file "$cur"
	printf '{"session_id":"%s","seq":2}' "$SESSION" >"$cur"
	REPORT=pmr-2 start
	run -65 pmr-watch --as olga -r pmr-2 --cursor-file "$cur"
	run -65 pmr-watch --as olga -s "$SESSION" --cursor-file "$cur"
}

@test "watch: an ended session is read to its end" {
	tool pmr-watch --as olga -S 0
	api POST end olga '{}'
	hear_until '"type":"session_ended"'
	tool_end 0
	run -0 pmr-watch --as olga -S 0 -F %t
	[ "${lines[-1]}" = session_ended ]
	run -0 pmr-watch --as olga
	[ -z "$output" ]
	run -0 pmr-watch --as olga -s "$SESSION" -S 0 -t session_ended
	[ "${#lines[@]}" = 1 ]
	run -66 pmr-watch -r none
	run -66 pmr-join -r "$REPORT"
}

@test "watch: --follow goes on with the report's next session" {
	tool pmr-watch --as olga -S 0 --follow
	hear_until '"type":"section_update"'
	api POST end olga '{}'
	hear_until '"type":"session_ended"'
	start '{"fresh":true}'
	hear '"seq":1,' '"type":"session_started"'
	[[ $LINE == *"$SESSION"* ]]
	kill -TERM "$TOOL"
	tool_end 143
}

@test "watch: across kill -9 and restart nothing is lost or repeated" {
	local i
	tool pmr-watch --as olga -S 0 -t comment_added
	for i in 1 2 3; do
		pmr-send --as eddy <<<"$comment" >"$DIR/ack$i"
		hear '"type":"comment_added"'
		[ "$(jq .seq <<<"$LINE")" = "$(jq .seq "$DIR/ack$i")" ]
		daemon_kill
		daemon_again
	done
	pmr-send --as eddy <<<"$comment" >"$DIR/ack"
	hear "$(jq .hash "$DIR/ack")"
	kill -TERM "$TOOL"
	tool_end 143
	[[ $SAID == *'connection lost'* ]]
}

@test "watch: a slow reader gets everything" {
	local out=$DIR/slow
	jq -nc 'range(60)|{type:"section_update",data:{section_id:"big",changes:{content:("\(.)"*50000)}}}' |
		pmr-send --as eddy >"$DIR/acks"
	tool pmr-watch --as olga -S 0 -t section_update --section big -n 60
	# The pipe is full long before the end; a signal of life of the daemon in between.
	api GET session olga
	want 200
	cat <&"$OUT" >"$out"
	tool_end 0
	[ "$(wc -l <"$out")" = 60 ]
	[ "$(tail -n 1 "$out" | jq '.changes.content|length')" = 100000 ]
}

# ---- the ends of a stream -----------------------------------------------------------------------

@test "the reader goes: 0, silently, at once, also when idle" {
	local name
	for name in "pmr-watch -S 0" "pmr-join --watch"; do
		# shellcheck disable=SC2086 # words are meant
		tool $name --as olga
		hear
		exec {OUT}<&-
		exec {OUT}</dev/null
		tool_end 0
		[ -z "$SAID" ]
	done
	tool pmr-join --as eddy
	hear '"type":"session_state"'
	exec {OUT}<&-
	exec {OUT}</dev/null
	tool_end 0
	eof
	[ -z "$SAID" ]
}

@test "a full disk: 74" {
	run -74 bash -c 'exec pmr-watch --as olga -S 0 >/dev/full'
	[[ $output == *'No space left'* ]]
	run -74 bash -c 'exec pmr-join --as olga --watch >/dev/full'
	run -74 bash -c "exec pmr-send --as eddy <<<'$comment' >/dev/full"
}

@test "SIGTERM, SIGINT and SIGHUP: it dies of them, and has said good-bye" {
	tool pmr-join --as cora
	hear '"type":"session_state"'
	kill -INT "$TOOL"
	tool_end 130
	eof
	run -0 pmr-watch --as olga -S 0 -t user_offline -n 1
	[[ $output == *'"reason":"left"'* ]]
	tool pmr-send --as eddy
	say "$comment"
	hear '"type":"ack"'
	kill -TERM "$TOOL"
	tool_end 143
	eof
	tool pmr-join --as eddy
	hear '"type":"session_state"'
	kill -HUP "$TOOL"
	tool_end 129
	eof
	run -0 pmr-watch --as olga -S 0 -t user_offline --user eddy -n 1
	[[ $output == *'"reason":"left"'* ]]
}

@test "SIGTERM while the daemon hangs: within a second" {
	local before
	tool pmr-send --as eddy
	say "$comment"
	hear '"type":"ack"'
	kill -STOP "$PID"
	say "$comment"
	before=$EPOCHREALTIME
	kill -TERM "$TOOL"
	tool_end 143
	within $((${EPOCHREALTIME/./} - ${before/./})) 1500000
	eof
	kill -CONT "$PID"
}

@test "a second signal: at once" {
	local before
	tool pmr-send --as eddy
	kill -STOP "$PID"
	say "$comment"
	before=$EPOCHREALTIME
	kill -TERM "$TOOL"
	kill -INT "$TOOL"
	kill -TERM "$TOOL" 2>/dev/null || true
	local status=0
	wait "$TOOL" || status=$?
	[ "$status" = 143 ] || [ "$status" = 130 ]
	within $((${EPOCHREALTIME/./} - ${before/./})) 700000
	TOOL=
	eof
	kill -CONT "$PID"
}

# ---- pmr-send -----------------------------------------------------------------------------------

@test "send: one answer a line, in order" {
	cat >"$DIR/lines" <<-END
		{"type":"section_update","ref":"one","data":{"section_id":"a","changes":{"content":"A"}}}
		no JSON
		{"type":"nonsense","ref":"two"}

		[1]
		{"type":"user_online","user_id":"x"}
		{"type":"ping","ref":"three"}
		{"type":"cursor_position","ref":"four","data":{"section_id":"a","position":1}}
		{"type":"cursor_position","ref":"five","data":{"section_id":"a"}}
	END
	printf '%s' '{"type":"comment_added","ref":"six","data":{"section_id":"a","content":"B"}}' >>"$DIR/lines"
	run -65 pmr-send --as eddy "$DIR/lines"
	[ "$(jq -r '"\(.type) \(.ref) \(.code) \(.line)"' <<<"$output")" = "ack one null null
error null bad_json 2
error two unknown_type 3
error null bad_json 5
pong three null null
ack four null null
error five missing_field 9
ack six null null" ] || fail_with "$output"
	run -1 pmr-send --as vera <<<"$comment"
	[[ $output == *'"code":"forbidden"'*'"line":1'* ]]
	run -77 pmr-send --as nobody <<<"$comment"
	run -66 pmr-send -r none <<<"$comment"
	run -69 pmr-send --socket "$DIR/none" <<<"$comment"
	run -74 pmr-send --as eddy "$DIR/lines" "$DIR/none"
	run -0 pmr-send --as eddy </dev/null
	[ -z "$output" ]
}

@test "send: an answer comes while the input is open" {
	tool pmr-send --as eddy
	say "$comment"
	hear '"type":"ack"'
	say "$comment" "$comment"
	hear '"type":"ack"'
	hear '"type":"ack"'
	eof
	tool_end 0
}

@test "send: what is too long is an error of that line" {
	jq -nc '"x"*1100000 | {type:"section_update",data:{section_id:"a",changes:{content:.}}}' >"$DIR/lines"
	jq -nc '"x"*1000000 | {type:"section_update",data:{section_id:"a",changes:{content:.}}}' >>"$DIR/lines"
	run -65 pmr-send --as eddy "$DIR/lines"
	[[ ${lines[0]} == *'"code":"too_large"'*'"line":1'* ]]
	[[ ${lines[1]} == *'"type":"ack"'* ]]
	run -65 pmr-send --as eddy <<<$'{"type":"ping","ref":"\xff"}'
	[[ $output == *'"code":"bad_utf8"'* ]]
}

@test "send: --ref names one message, which is made once" {
	run -0 pmr-send --as eddy --ref once <<<"$comment"
	[[ $output != *'"duplicate"'* ]]
	run -0 pmr-send --as eddy --ref once <<<"$comment"
	[[ $output == *'"duplicate":true'* ]]
	run -64 pmr-send --as eddy --ref twice <<<"$comment"$'\n'"$comment"
	run -124 pmr-watch --as olga -S 0 -t comment_added -W "$SOON" -F %s
	[ "${#lines[@]}" = 1 ]
	run -0 pmr-send --dry-run <<<'{"type":"comment_added","ref":"r"}'
	[ "$output" = '{"type":"comment_added","ref":"r"}' ]
}

@test "send: a watch can be fed to it; refs say where events come from" {
	printf '%s\n' "$comment" "${comment/\{/\{\"ref\":\"own\",}" | pmr-send --as eddy >"$DIR/ack"
	printf '%s\n' "${comment/\{/\{\"ref\":\"own\",}" | pmr-send --as cora >"$DIR/ack"
	pmr-watch --as olga -S 0 -W "$SOON" >"$DIR/events" || [ $? = 124 ]
	local from=$SESSION
	REPORT=pmr-2 start
	run -0 pmr-send --as eddy -r pmr-2 "$DIR/events"
	[ "${#lines[@]}" = 4 ] # the section and the comments, no presence
	[ "$(jq -r '.ref[:37]' <<<"$output" | sort -u)" = "$from:" ]
	run -0 pmr-send --as eddy -r pmr-2 "$DIR/events"
	[ "$(jq -r .duplicate <<<"$output" | sort -u)" = true ]
}

@test "send: the session from stdin, the messages from a file" {
	echo "$comment" >"$DIR/lines"
	api GET session olga
	run -0 bash -c "unset PMR_REPORT; { pmr-send --as eddy -s - '$DIR/lines' && cat; } <<<'$BODY'$'\nrest'"
	[[ ${lines[0]} == *'"type":"ack"'* ]]
	[ "${lines[1]}" = rest ]
	run -0 bash -c "unset PMR_REPORT; pmr-send --as eddy -s - - <<<'$BODY'$'\n''$comment'"
	[[ $output == *'"type":"ack"'* ]]
	run -64 pmr-send --as eddy -s - <<<"$BODY"
}

@test "send: without a reader it still sends what it was given" {
	tool pmr-send --as eddy
	say "$comment"
	hear '"type":"ack"'
	exec {OUT}<&-
	exec {OUT}</dev/null
	say "$comment" "$comment"
	eof
	tool_end 0
	run -124 pmr-watch --as olga -S 0 -t comment_added -W "$SOON" -F %s
	[ "${#lines[@]}" = 3 ]
}

@test "send: answers that do not come: 124, and whose they are" {
	tool pmr-send --as eddy -W 0.5
	say "$comment"
	hear '"type":"ack"'
	kill -STOP "$PID"
	say '{"type":"comment_added","ref":"late","data":{"section_id":"a","content":"B"}}' nonsense
	eof
	hear '"code":"bad_json"' '"line":3'
	tool_end 124
	[[ $SAID == *'line 2, ref late'* ]]
	run -124 pmr-send --as eddy -W 0.3 <<<"$comment"
	kill -CONT "$PID"
}

@test "send: the session ends" {
	tool pmr-send --as eddy
	api POST end olga '{}'
	tool_end 66
	eof
	run -66 pmr-send --as eddy -s "$SESSION" <<<"$comment"
}

@test "send: a removed participant may not go on" {
	tool pmr-send --as eddy
	api DELETE participants/eddy olga
	tool_end 77
	eof
}

@test "send: across kill -9 and restart every message is made once" {
	local i
	updates 40000 >"$DIR/lines"
	pmr-send --as eddy "$DIR/lines" >"$DIR/acks" 2>"$DIR/said" 3>&- 4>&- &
	TOOL=$!
	for i in 5000 15000 25000; do
		pmr-watch --as olga -S 0 --user eddy -t section_update -n "$i" >"$DIR/some"
		daemon_kill
		daemon_start --limit messages_per_second=0
	done
	wait "$TOOL" || fail_with "status $?: $(cat "$DIR/said")"
	TOOL=
	[[ $(cat "$DIR/said") == *'connection lost'* ]]
	[ "$(wc -l <"$DIR/acks")" = 40000 ]
	[ "$(grep -c '"type":"ack"' "$DIR/acks")" = 40000 ]
	pmr-watch --as olga -S 0 -t section_update --user eddy -n 40000 >"$DIR/events"
	cmp <(jq -r .data.changes.content "$DIR/lines") <(jq -r .changes.content "$DIR/events")
	cmp <(jq -r .seq "$DIR/acks") <(jq -r .seq "$DIR/events")
	run -124 pmr-watch --as olga -S "$(tail -n 1 "$DIR/events" | jq .seq)" -t section_update -W "$SOON"
	[ -z "$output" ]
}

@test "send: a lock held for the process is presented" {
	run -0 pmr-send --as eddy <<<'{"type":"section_lock","data":{"section_id":"intro"}}'
	local fence
	fence=$(jq .fence <<<"$output")
	local update='{"type":"section_update","data":{"section_id":"intro","changes":{"content":"B"}}}'
	run -1 pmr-send --as eddy <<<"$update"
	[[ $output == *'"code":"section_locked"'* ]]
	PMR_FENCE=other:1 run -1 pmr-send --as eddy <<<"$update"
	PMR_FENCE=intro:$fence run -0 pmr-send --as eddy <<<"$update"
}

# ---- pmr-join -----------------------------------------------------------------------------------

@test "join: the state, then acks and events of others" {
	tool pmr-join --as eddy
	hear '"type":"session_state"' '"sections":{"intro"'
	say "$comment" nonsense
	hear
	# The error is ours, so it need not wait for the answer before.
	if [[ $LINE == *'"code":"bad_json"'* ]]; then
		[[ $LINE == *'"line":2'* ]]
		hear '"type":"ack"'
	else
		[[ $LINE == *'"type":"ack"'* ]]
		hear '"code":"bad_json"' '"line":2'
	fi
	pmr-send --as cora <<<"$comment" >"$DIR/ack"
	hear '"type":"user_online"' '"user_id":"cora"'
	hear '"type":"comment_added"'
	eof
	tool_end 65
}

@test "join: -F prints what is said in a format" {
	run -64 pmr-join --as eddy -F %x </dev/null
	[[ $output == *'--format has no %x'* ]]
	run -1 pmr-join --as vera --state none -F '%t|%p' <<<"$comment"
	[[ $output == *$'synced|\n'* && $output == *'error|'*'commenter'* ]] || fail_with "$output"
	run -0 pmr-join --as eddy --watch -S 0 -t comment_added,section_update -n 1 -F '%s %u: %p'
	[[ $output =~ ^[0-9]+" olga: Hello"$ ]] || fail_with "$output"
}

@test "join: at the input's end all answers are waited for" {
	run -0 bash -c "printf '%s\n' '$comment' '$ping' | pmr-join --as eddy --state brief"
	[[ ${lines[0]} == *'"type":"session_state"'* ]]
	[ "$(tail -n +2 <<<"$output" | jq -r .type | grep -vx user_offline)" = $'ack\npong' ]
	run -0 pmr-join --as eddy --state none </dev/null
	[[ $output == *'"type":"synced"'* ]]
	run -1 pmr-join --as vera <<<"$comment"
	run -0 pmr-join --as eddy -n 1 <<<"$comment"
	[ "${#lines[@]}" = 1 ]
	run -64 pmr-join --as eddy --state some </dev/null
	run -66 pmr-join --as eddy -r none </dev/null
}

@test "join: --watch reads no input and sees all" {
	local rest
	rest=$(printf 'left\n' | { pmr-join --as olga --watch --state brief -n 1 >"$DIR/out1" && cat; })
	[ "$rest" = left ]
	[[ $(cat "$DIR/out1") == *'"type":"session_state"'* ]]
	tool pmr-join --as olga --watch
	hear '"type":"session_state"'
	join eddy eddy
	ws_say eddy '{"type":"cursor_position","data":{"section_id":"intro","position":2}}'
	hear_until '"type":"cursor_position"'
	ws_close eddy
	kill -TERM "$TOOL"
	tool_end 143
	run -64 pmr-join --watch "$DIR/out1"
}

@test "join: resumes from a seq, and across a restart" {
	run -0 pmr-join --as olga --watch -S 0 -n 1
	[[ $output == *'"seq":1,'* ]]
	tool pmr-join --as eddy --content delta
	hear '"type":"session_state"'
	say "$comment"
	hear '"type":"ack"'
	daemon_kill
	say "$comment"
	daemon_again
	hear_until '"type":"ack"'
	say "$comment"
	hear_until '"type":"ack"'
	eof
	tool_end 0
	run -124 pmr-watch --as olga -S 0 -t comment_added -W "$SOON" -F %s
	[ "${#lines[@]}" = 3 ]
}

@test "join: answers that do not come: 124" {
	tool pmr-join --as eddy -W 0.5
	hear '"type":"session_state"'
	kill -STOP "$PID"
	say '{"type":"comment_added","ref":"late","data":{"section_id":"a","content":"B"}}'
	eof
	tool_end 124
	[[ $SAID == *'ref late'* ]]
	kill -CONT "$PID"
}

# ---- the first connect --------------------------------------------------------------------------

@test "the first connect is tried once, or as --retry says" {
	daemon_stop
	run -69 pmr-watch -W 20
	run -69 pmr-join </dev/null
	run -69 pmr-send <<<"$comment"
	run -69 pmr-send --retry 1 <<<"$comment"
	run -124 pmr-send --retry forever -W 0.3 <<<"$comment"
	tool_later pmr-send --as eddy --retry forever
	daemon_again
	say "$comment"
	hear '"type":"ack"'
	eof
	tool_end 0
}

# tool_later: as tool, but the daemon is not there yet.
tool_later() {
	mkfifo "$DIR/in" "$DIR/out" "$DIR/err"
	"$@" <"$DIR/in" >"$DIR/out" 2>"$DIR/err" 3>&- 4>&- &
	TOOL=$!
	exec {IN}>"$DIR/in" {OUT}<"$DIR/out" {ERR}<"$DIR/err"
}
