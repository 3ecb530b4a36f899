#!/usr/bin/env bats
# pmr-lock: leases with fences, as scripts use them.

load helper

setup() {
	daemon_start
	start
	export PMR_SOCKET=$SOCKET PMR_REPORT=$REPORT PATH=$BUILD:$PATH TMPDIR=$DIR
	unset PMR_FENCE PMR_SESSION
	JOBS_LEFT=()
}

teardown() {
	local pid
	for pid in "${JOBS_LEFT[@]}"; do
		kill -CONT "$pid" 2>/dev/null || true
		kill -TERM "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	clean_up
}

# background COMMAND...: its pid to JOB, its output to $DIR/out, what it says to $DIR/err.
background() {
	"$@" >"$DIR/out" 2>"$DIR/err" </dev/null 3>&- 4>&- &
	JOB=$!
	JOBS_LEFT+=("$JOB")
}

# job_ends [PID]: its status to STATUS.
job_ends() {
	STATUS=0
	wait "${1:-$JOB}" || STATUS=$?
}

# an_event SEQ TYPE [N]: wait until N (1) events of this type came after SEQ; the last one to EVENT.
an_event() {
	EVENT=$(pmr-watch --since "$1" -t "$2" -n "${3:-1}" -W "$PATIENCE" | tail -n 1)
	[ -n "$EVENT" ]
}

@test "the command runs under the lock, and its status is pmr-lock's" {
	run -0 --separate-stderr pmr-lock intro -- sh -c 'echo "$PMR_FENCE"; cat' <<<"from stdin"
	[ "$output" = "intro:1"$'\n'"from stdin" ]
	run -5 pmr-lock intro -- sh -c 'exit 5'
	run -143 pmr-lock intro -- sh -c 'kill -TERM $$'
	run -127 --separate-stderr pmr-lock intro -- no-such-command
	[[ $stderr == *"cannot run no-such-command"* ]]
	run -126 --separate-stderr pmr-lock intro -- /etc/passwd
	run -64 pmr-lock intro
	run -65 pmr-lock "no such name" -- true
	# Each of the five had a lock of its own, and freed it.
	[ "$(pmr-log events -t section_locked,section_unlocked -F '%t' | uniq -c | wc -l)" = 10 ]
	[ "$(pmr-log events -t section_locked | jq -s 'map(.fence) == [1,2,3,4,5]')" = true ]
}

@test "what writes the section obeys PMR_FENCE, others are refused" {
	run -0 pmr-lock intro -- pmr-section set intro - <<<"under the lock"
	run -0 pmr-lock intro -- pmr-section edit intro -- tr a-z A-Z
	run -0 pmr-lock intro -- sh -c 'echo "[\"* \"]" | pmr-section patch intro --base-seq "$(pmr-log state --hash | jq .seq)"'
	[ "$(pmr-section get intro)" = "* UNDER THE LOCK" ]
	run -0 pmr-lock intro -- pmr-section revert intro --to "$(pmr-section history intro | head -n 2 | jq -s '.[1].seq')"
	[ "$(pmr-section get intro)" = "under the lock" ]
	run -0 pmr-lock intro -- pmr-section delete intro
	run -66 pmr-section get intro
	# Without the fence nobody writes, not even who holds the lock.
	run -75 --separate-stderr pmr-lock intro -- env -u PMR_FENCE pmr-section set intro - <<<"no fence"
	[[ $stderr == *"locked by"* ]]
	run -75 --separate-stderr pmr-lock intro -- env PMR_FENCE=other:1 pmr-section set intro - <<<"another's"
	run -73 pmr-lock intro -- env PMR_FENCE=intro:1 pmr-section set intro - <<<"an old one"
	# It is the section's, not the session's.
	run -0 pmr-lock intro -- env -u PMR_FENCE pmr-section set summary - <<<"free"
}

@test "two jobs exclude each other, also of one user" {
	run -75 --separate-stderr pmr-lock intro -- pmr-lock intro -- true
	[[ $stderr == *"section intro is locked by"* ]]
	run -9 pmr-lock intro -- pmr-lock -E 9 intro -- true
	run -75 pmr-lock intro -- pmr-lock --wait 0.2 intro -- true
	run -75 pmr-lock intro -- pmr-lock --as eddy --wait 0.2 intro -- true
	# Who may not edit may not lock.
	run -77 pmr-lock --as cora intro -- true
}

@test "--wait gets the lock when it is free" {
	mkfifo "$DIR/go"
	background pmr-lock intro -- sh -c "cat '$DIR/go'"
	local first=$JOB
	an_event 0 section_locked
	pmr-lock --wait 20 intro -- echo mine >"$DIR/second" 3>&- &
	local second=$!
	JOBS_LEFT+=("$second")
	: >"$DIR/go"
	job_ends "$first"
	[ "$STATUS" = 0 ]
	job_ends "$second"
	[ "$STATUS" = 0 ]
	[ "$(cat "$DIR/second")" = mine ]
	[ "$(pmr-log events -t section_locked,section_unlocked -F %t | paste -sd ' ')" = \
		"section_locked section_unlocked section_locked section_unlocked" ]
}

@test "ten waiters get it one after the other" {
	local i pids=()
	for i in 1 2 3 4 5 6 7 8 9 10; do
		pmr-lock --wait 20 counter -- sh -c 'n=$(pmr-section get counter 2>/dev/null); echo $((n + 1)) | pmr-section set counter' \
			>/dev/null 2>>"$DIR/errs" 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		job_ends "$i"
		[ "$STATUS" = 0 ] || fail_with "status $STATUS" "$(cat "$DIR/errs")"
	done
	[ "$(pmr-section get counter)" = 10 ]
	[ "$(pmr-log events -t section_locked | jq -s 'map(.fence) == [range(1; 11)]')" = true ]
}

@test "the lease is renewed while the command runs, whatever its ttl" {
	# The command ends when it has seen three renewals.
	run -0 --separate-stderr pmr-lock --ttl 1 intro -- pmr-watch --since 0 -t section_locked -n 4 -W 20
	[ "$(jq -s 'map(.fence) | unique == [1]' <<<"$output")" = true ]
	[ "$stderr" = "" ]
	[ "$(pmr-log events -t section_unlocked | jq -sc 'map(.reason)')" = '[null]' ]
}

@test "a stalled holder's late write is refused by its fence" {
	mkfifo "$DIR/go" "$DIR/started"
	background pmr-lock --ttl 1 intro -- sh -c "echo >'$DIR/started'; cat '$DIR/go' >/dev/null; echo late | pmr-section set intro"
	# Not before the command runs: nobody would read what tells it to go on.
	read -r _ <"$DIR/started"
	kill -STOP "$JOB"
	an_event 0 section_unlocked
	[ "$(jq -r .reason <<<"$EVENT")" = expired ]
	# Somebody else has it now, and writes.
	run -0 pmr-lock --as eddy:Eddy intro -- pmr-section --as eddy:Eddy set intro - <<<"eddy's"
	: >"$DIR/go"
	kill -CONT "$JOB"
	job_ends
	[ "$STATUS" = 73 ]
	[[ $(cat "$DIR/err") == *"the lock of intro was lost"* ]]
	[[ $(cat "$DIR/err") == *"not held any more"* ]]
	[ "$(pmr-section get intro)" = "eddy's" ]
}

@test "a late write is refused also while nobody holds the lock, and by its fence when another does" {
	local old
	old=$(pmr-lock --ttl 60 intro -- sh -c 'echo "$PMR_FENCE"')
	run -73 --separate-stderr env PMR_FENCE="$old" pmr-section set intro - <<<late
	[[ $stderr == *"not held any more"* ]]
	run -73 pmr-lock intro -- env PMR_FENCE="$old" pmr-section edit intro -- sed s/H/h/
	[ "$(pmr-section get intro)" = Hello ]
}

@test "an owner forces the lock: the holder is told, its command goes on" {
	mkfifo "$DIR/go"
	background pmr-lock --ttl 2 --as eddy intro -- sh -c "cat '$DIR/go'; exit 3"
	an_event 0 section_locked
	api DELETE sections/intro/lock olga '{"force":true}'
	want 200
	tail -n +1 -f "$DIR/err" --pid="$JOB" 2>/dev/null 3>&- | grep -q -m 1 "the lock of intro was lost"
	: >"$DIR/go"
	job_ends
	[ "$STATUS" = 3 ]
}

@test "signals reach the command; the lock is freed" {
	background pmr-lock intro -- sh -c 'trap "echo got TERM; exit 7" TERM; pmr-comment add intro up >/dev/null; while :; do read -r x <'"$DIR"'/never; done'
	mkfifo "$DIR/never"
	an_event 0 comment_added
	kill -TERM "$JOB"
	: <>"$DIR/never"
	job_ends
	[ "$STATUS" = 7 ]
	[ "$(cat "$DIR/out")" = "got TERM" ]
	an_event 0 section_unlocked

	background pmr-lock intro -- sh -c 'pmr-comment add intro up >/dev/null; exec tail -f /dev/null'
	an_event "$(jq .seq <<<"$EVENT")" comment_added
	kill -HUP "$JOB"
	job_ends
	[ "$STATUS" = 129 ]
	run -0 pmr-lock intro -- true
}

@test "a signal while waiting ends pmr-lock, and no lock is left" {
	mkfifo "$DIR/go"
	background pmr-lock intro -- cat "$DIR/go"
	local first=$JOB
	an_event 0 section_locked
	background pmr-lock --wait 60 -v intro -- touch "$DIR/ran"
	tail -n +1 -f "$DIR/err" --pid="$JOB" 2>/dev/null 3>&- | grep -q -m 1 waiting
	kill -TERM "$JOB"
	job_ends
	[ "$STATUS" = 143 ]
	: >"$DIR/go"
	job_ends "$first"
	[ ! -e "$DIR/ran" ]
	run -0 pmr-lock intro -- true
}

@test "the lease outlives a crash of the server" {
	mkfifo "$DIR/go"
	background pmr-lock --ttl 20 intro -- sh -c "cat '$DIR/go'; echo still mine | pmr-section set intro"
	an_event 0 section_locked
	daemon_kill
	daemon_start
	run -75 pmr-lock intro -- true
	: >"$DIR/go"
	job_ends
	[ "$STATUS" = 0 ]
	[ "$(cat "$DIR/err")" = "" ]
	[ "$(pmr-section get intro)" = "still mine" ]
	run -0 pmr-lock intro -- true
}

@test "without a server the command is not run; when it goes away it runs to its end" {
	run -69 env PMR_SOCKET="$DIR/nowhere" pmr-lock intro -- touch "$DIR/ran"
	[ ! -e "$DIR/ran" ]
	mkfifo "$DIR/go"
	background pmr-lock --ttl 60 intro -- sh -c "cat '$DIR/go'; exit 4"
	an_event 0 section_locked
	daemon_kill
	: >"$DIR/go"
	job_ends
	[ "$STATUS" = 4 ]
	[[ $(cat "$DIR/err") == *"intro stays locked for up to 60 s"* ]]
}

@test "the example of pmr-lock(1) rewrites a section in steps, under every strategy" {
	local strategy example
	# From the manual as it stands: the first of its examples.
	example=$(sed -n '/^\.Sh EXAMPLES/,/^\.Ed/{/^\./d; p;}' "$REPO/man/pmr-lock.1" | sed '/:$/d; s/^\$ //')
	[[ $example == pmr-lock* ]]
	cd "$DIR"
	printf '#!/bin/sh\necho recalculated >>"$1"\n' >recalculate
	chmod +x recalculate
	for strategy in last_write_wins merge manual; do
		pmr-session start -r pmr-2024-01 --fresh --strategy "$strategy" >/dev/null
		pmr-section set -r pmr-2024-01 budget <<<"10 %" >/dev/null
		run -0 sh -c "$example"
		[ "$(pmr-section get -r pmr-2024-01 budget | paste -sd ' ')" = "10 % recalculated" ]
		[ "$(pmr-log events -r pmr-2024-01 -t section_locked,section_unlocked | wc -l)" = 2 ]
		pmr-session end -r pmr-2024-01 >/dev/null
	done
}
