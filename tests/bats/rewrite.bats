#!/usr/bin/env bats
# kill -9 at random moments while a log is rewritten, under writers and watchers (helpers/hammer.c):
# an erasure or a compaction has happened wholly or not at all, and what pmr-admin called done is;
# what was acked is there, or below the declared floor; chain, fold and check are right; and what was
# erased leaves the files, if the scrub itself was killed with the next start.
#
# KILLS=n and SEED=n repeat a run; LONG=1 kills hundreds of times.

load helper

setup() {
	scratch
	export PMR_SOCKET=$DIR/s PMR_REPORT=$REPORT PATH=$BUILD:$PATH
	unset PMR_FENCE PMR_SESSION
	SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
	RANDOM=$((SEED % 32768))
	echo "# SEED=$SEED"
	if [ -n "${LONG:-}" ]; then KILLS=${KILLS:-200}; else KILLS=${KILLS:-12}; fi
}

teardown() {
	hammer_end
	clean_up
}

# judge: as hammer_judge, and the chain is right where it was cut and blanked.
judge() {
	hammer_judge || return 1
	pmr-log verify | jq -e .ok >/dev/null || fail_with "it does not verify"
}

# hides: zed writes what is to be erased.
hides() {
	api PUT sections/secret zed "{\"changes\":{\"content\":\"Zebrawort $1\"}}"
	want 200
	for i in 1 2 3; do
		api POST comments zed '{"section_id":"intro","content":"Zebrawort","parent_comment_id":null}'
		want 201
	done
}

# left: how many events, and the base, hold it, to LEFT; the floor, to FLOOR.
left() {
	pmr-session export >"$DIR/export"
	LEFT=$(grep -c Zebrawort "$DIR/export") || true
	FLOOR=$(head -n 1 "$DIR/export" | jq '.floor // 0')
}

# killed: the daemon is killed some time after the tool was started; the tool's status, to TOLD.
killed() {
	local tool=$!
	draw $((RANDOM % 2 ? LASTS / 2 : LASTS * 2))
	hammer kill "$PID" 0 "$DRAWN" || return 1
	daemon_wait && return 1
	TOLD=0
	wait $tool || TOLD=$?
}

# again: the next one is killed too, while it opens the store; the one after it stays.
again() {
	local pid
	"$BUILD/collabd" --config /dev/null --data-dir "$DIR/data" --socket "$SOCKET" \
		--listen 127.0.0.1:0 3>&- 4>&- </dev/null >/dev/null 2>>"$DIR/log" &
	pid=$!
	draw 30
	hammer ms "$DRAWN"
	kill -KILL $pid
	wait $pid || true
}

# erases: wholly or not at all; then what is left is erased for good.
erases() {
	local before
	left
	before=$LEFT
	pmr-admin erase --user zed >"$DIR/answer" 2>"$DIR/said" &
	killed
	(($1 % 3)) || again
	daemon_start
	[ ! -e "$DIR/data/collab.scrub" ] || fail_with "the scrub is not made up for" || return 1
	left
	[ "$LEFT" = 0 ] || [ "$LEFT" = "$before" ] || fail_with "$LEFT of $before are left" || return 1
	[ "$TOLD" != 0 ] || [ "$LEFT" = 0 ] || fail_with "it was not done: $(cat "$DIR/answer")" || return 1
	if [ "$LEFT" = 0 ]; then
		DONE=$((DONE + 1))
	else
		pmr-admin erase --user zed | jq -e .scrubbed >/dev/null
	fi
	! grep -aqr Zebrawort "$DIR/data" || fail_with "it is in: $(grep -alr Zebrawort "$DIR/data")"
}

# compacts: the floor is the old one or the new one.
compacts() {
	local before wanted
	left
	state
	before=$FLOOR
	draw 300
	wanted=$((SEQ - 1 - DRAWN))
	[ "$wanted" -gt "$FLOOR" ] || wanted=$((SEQ - 1))
	pmr-admin compact --floor "$wanted" >"$DIR/answer" 2>"$DIR/said" &
	killed
	daemon_start
	left
	[ "$FLOOR" = "$before" ] || [ "$FLOOR" = "$wanted" ] ||
		fail_with "the floor is $FLOOR, not $before or $wanted" || return 1
	[ "$TOLD" != 0 ] || [ "$FLOOR" = "$wanted" ] || fail_with "it was not done: $(cat "$DIR/answer")" || return 1
	[ "$FLOOR" = "$before" ] || DONE=$((DONE + 1))
}

# checked: a store that was killed has nothing to mend.
checked() {
	daemon_kill
	"$BUILD/collabd" --config /dev/null --data-dir "$DIR/data" --fsck >"$DIR/fsck" || fail_with "$(cat "$DIR/fsck")" || return 1
	daemon_start
}

@test "kill -9 while a log is rewritten: wholly or not at all, nothing lost, nothing left" {
	local from
	DONE=0
	daemon_start
	start '{"participants":[{"user_id":"eddy","user_name":"Eddy","role":"editor"},{"user_id":"zed","user_name":"Zed","role":"editor"},{"user_id":"vera","user_name":"Vera","role":"viewer"}],"sections":{"intro":{"content":"Hello"}}}'
	hammer_start -S "$SEED"
	hammer add writer 2 user=eddy every=4
	hammer add watcher 2 user=vera query=content=delta
	hammer acks 400
	hides first
	# How long one lasts is how long the moment is looked for.
	from=$(date +%s%N)
	pmr-admin erase --user zed >/dev/null
	LASTS=$((($(date +%s%N) - from) / 800))
	for ((n = 0; n < KILLS; n++)); do
		hides "$n"
		hammer acks 20
		if ((n % 3 == 2)); then compacts; else erases "$n"; fi
		judge
		! ((n % 4 == 3)) || checked
		hammer go
	done
	echo "# $DONE of $KILLS were done when the daemon was killed, within $LASTS us" >&3
	judge
	# A state folded anew, from the base, is the same.
	daemon_kill
	sqlite3 "$DIR/data/collab.db" 'DELETE FROM snapshots WHERE seq <> (SELECT floor FROM sessions WHERE key = session)'
	daemon_start
	judge
}
