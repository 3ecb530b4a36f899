#!/usr/bin/env bats
# Tools under fire: killed at either end of a pipe, stopped and continued, without a reader, on a
# full disk.  SEED=n repeats a run; LONG=1 kills more often.

load helper

setup() {
	daemon_start --limit messages_per_second=0 --limit requests_per_minute=0
	start
	export PMR_SOCKET=$SOCKET PMR_REPORT=$REPORT PATH=$BUILD:$PATH
	unset PMR_SESSION PMR_TOKEN PMR_TOKEN_FILE PMR_URL PMR_FENCE PMR_DEBUG PMR_CONFIG PMR_PROFILE
	SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
	RANDOM=$((SEED % 32768))
	echo "# SEED=$SEED"
}

teardown() {
	local pid
	for pid in "${TOOLS[@]}"; do
		kill -CONT "$pid" 2>/dev/null || true
		kill -KILL "$pid" 2>/dev/null || true
	done
	[ -z "${PID:-}" ] || kill -CONT "$PID"
	clean_up
}

TOOLS=()

updates() {
	jq -nc --argjson n "$1" 'range($n)|{type:"section_update",
		data:{section_id:"s\(. % 20)",changes:{content:"c\(.)"}}}'
}

# lines FILE N: it has so many, within the time.
lines() {
	local end=$((SECONDS + PATIENCE)) have=()
	until [ -e "$1" ] && mapfile -t have <"$1" && [ ${#have[@]} -ge "$2" ]; do
		[ $SECONDS -lt $end ] || fail_with "$1 has ${#have[@]} lines, not $2" || return 1
	done
}

# ends PID STATUS: it ends so.
ends() {
	local status=0
	wait "$1" || status=$?
	[ "$status" = "$2" ] || fail_with "status $status, not $2"
}

# ---- killed -------------------------------------------------------------------------------------

# forward: pmr-watch and pmr-each on one cursor, with a pipe between them; WATCH and EACH.
forward() {
	local both in out
	rm -f "$DIR/pipe"
	mkfifo "$DIR/pipe"
	exec {both}<>"$DIR/pipe"
	exec {in}<"$DIR/pipe" {out}>"$DIR/pipe" {both}>&-
	eval "pmr-watch --as olga --cursor-file \"\$DIR/cur\" -t section_update --user eddy >&$out 2>>\"\$DIR/said\" 3>&- 4>&- $in<&- $out>&- &"
	WATCH=$!
	printf '%s\n' 'echo "$PMR_EVENT_SEQ" >>"$1"' >"$DIR/work"
	eval "pmr-each --commit \"\$DIR/cur\" -- sh \"\$DIR/work\" \"\$DIR/done\" <&$in 2>>\"\$DIR/said\" 3>&- 4>&- $in<&- $out>&- &"
	EACH=$!
	exec {in}<&- {out}>&-
	TOOLS=("$WATCH" "$EACH")
}

@test "watch | each --commit, killed at random at either end: at least once, and nothing is skipped" {
	local n=${LONG:+1200} have=()
	n=${n:-120}
	updates "$n" | pmr-send --as eddy | jq -r .seq >"$DIR/seqs"
	[ "$(wc -l <"$DIR/seqs")" = "$n" ]
	: >"$DIR/done"
	forward
	local kills=0
	while mapfile -t have <"$DIR/done" && [ $((${#have[@]} + 15)) -lt "$n" ]; do
		lines "$DIR/done" $((${#have[@]} + RANDOM % 15))
		case $((RANDOM % 4)) in
		0) kill -KILL "$WATCH" ;;
		1) kill -KILL "$EACH" ;;
		2) kill -KILL "$EACH" "$WATCH" ;;
		3)
			daemon_kill
			daemon_start --limit messages_per_second=0 --limit requests_per_minute=0
			continue # they go on by themselves
			;;
		esac
		kills=$((kills + 1))
		# The other end notices: the watch when it writes, each at the end of its input.
		kill -KILL "$WATCH" 2>/dev/null || true
		wait "$WATCH" || true
		wait "$EACH" || true
		forward
	done
	local last end=$((SECONDS + PATIENCE))
	last=$(tail -n 1 "$DIR/seqs")
	# A checkpoint may carry it beyond the last of these events.
	until [[ $(<"$DIR/cur") =~ \"seq\":([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge "$last" ]; do
		[ $SECONDS -lt $end ] || fail_with "the cursor stays at $(<"$DIR/cur"), the end is $last" "$(cat "$DIR/said")"
	done
	kill -TERM "$WATCH"
	ends "$WATCH" 143
	ends "$EACH" 0
	TOOLS=()
	echo "# $kills kills, $(wc -l <"$DIR/done") runs for $n events"
	# Each for the first time, in order.
	awk '!seen[$0]++' "$DIR/done" | cmp - "$DIR/seqs"
	[ "$kills" -gt 0 ]
}

@test "send with the daemon killed under it, again and again: exactly its lines are in the log" {
	local i n=${LONG:+20000}
	n=${n:-2000}
	updates "$n" >"$DIR/lines"
	pmr-send --as eddy "$DIR/lines" >"$DIR/acks" 2>"$DIR/said" 3>&- 4>&- &
	TOOLS=("$!")
	for ((i = 0; i < 5; i++)); do
		lines "$DIR/acks" $((i * n / 6 + RANDOM % (n / 8)))
		daemon_kill
		daemon_start --limit messages_per_second=0 --limit requests_per_minute=0
	done
	ends "${TOOLS[0]}" 0
	[ "$(grep -c '"type":"ack"' "$DIR/acks")" = "$n" ]
	pmr-log events -t section_update --user eddy >"$DIR/events"
	cmp <(jq -r .data.changes.content "$DIR/lines") <(jq -r .changes.content "$DIR/events")
	cmp <(jq -r .seq "$DIR/acks") <(jq -r .seq "$DIR/events")
}

# ---- stopped ------------------------------------------------------------------------------------

@test "SIGSTOP and SIGCONT: a watch that stood still misses nothing" {
	pmr-watch --as olga -S 0 -t section_update --user eddy -n 600 >"$DIR/out" 2>"$DIR/said" 3>&- 4>&- &
	TOOLS=("$!")
	updates 100 | pmr-send --as eddy >"$DIR/acks"
	lines "$DIR/out" 50
	kill -STOP "${TOOLS[0]}"
	updates 500 | pmr-send --as eddy >>"$DIR/acks"
	kill -CONT "${TOOLS[0]}"
	ends "${TOOLS[0]}" 0
	cmp <(jq -r .seq "$DIR/acks") <(jq -r .seq "$DIR/out")
}

@test "SIGSTOP and SIGCONT of send, and of the daemon under it: every line is there, once" {
	local i
	updates 3000 >"$DIR/lines"
	pmr-send --as eddy "$DIR/lines" >"$DIR/acks" 2>"$DIR/said" 3>&- 4>&- &
	TOOLS=("$!")
	for i in 1 2 3; do
		lines "$DIR/acks" $((i * 400))
		kill -STOP "${TOOLS[0]}"
		api GET session olga
		want 200
		kill -CONT "${TOOLS[0]}"
		lines "$DIR/acks" $((i * 400 + 200))
		kill -STOP "$PID"
		kill -CONT "$PID"
	done
	ends "${TOOLS[0]}" 0
	pmr-log events -t section_update --user eddy >"$DIR/events"
	cmp <(jq -r .data.changes.content "$DIR/lines") <(jq -r .changes.content "$DIR/events")
	cmp <(jq -r .seq "$DIR/acks") <(jq -r .seq "$DIR/events")
}

# ---- nobody reads, nothing can be written -------------------------------------------------------

# What each tool prints something with; stdin is empty.
commands() {
	api POST comments eddy '{"section_id":"intro","content":"Why?","parent_comment_id":null}'
	secret
	COMMANDS=(
		"pmr-session show" "pmr-session list" "pmr-session export" "pmr-session start -r pmr-9"
		"pmr-section list" "pmr-section get intro" "pmr-section history intro"
		"pmr-comment list" "pmr-comment add --as eddy intro Text"
		"pmr-member list" "pmr-conflict list -r pmr-none" "pmr-log events" "pmr-log state"
		"pmr-log verify" "pmr-log blame intro" "pmr-wait --for section:intro"
		"pmr-watch -S 0 -n 1" "pmr-join --watch" "pmr-admin status" "pmr-admin sessions"
		"pmr-token mint --secret-file $SECRET --sub ann"
	)
}

@test "a full disk: 74 and a sentence, from every tool" {
	local command tool
	commands
	for command in "${COMMANDS[@]}"; do
		[ "$command" != "pmr-conflict list -r pmr-none" ] || continue # prints nothing
		run -74 sh -c "exec $command >/dev/full </dev/null" || fail_with "$command: $status $output"
		[[ $output == *'No space left'* ]] || fail_with "$command: $output"
	done
	for tool in "$BUILD"/pmr-*; do
		[[ $tool != *.* ]] || continue
		run -74 sh -c "exec $tool --help >/dev/full </dev/null" || fail_with "$tool --help: $status $output"
	done
}

@test "no reader: every tool ends with 0, silently" {
	local command
	commands
	for command in "${COMMANDS[@]}"; do
		[ "$command" != "pmr-conflict list -r pmr-none" ] || continue
		# A pipe whose reader has gone before anything is written.
		# shellcheck disable=SC2086 # words are meant
		run -0 perl -e 'pipe(R, W); close R; open(STDOUT, ">&", \*W); exec @ARGV' $command </dev/null ||
			fail_with "$command: $status $output"
		[ -z "$output" ] || fail_with "$command says: $output"
	done
}
