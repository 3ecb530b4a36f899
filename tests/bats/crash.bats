#!/usr/bin/env bats
# kill -9 at random moments under writers and watchers (helpers/hammer.c).  After every kill, and at
# the end: what was acked is in the log once, in order, with the acked seq and hash; nobody was shown
# an event that is not there, or another in its place; what is sent again under its ref counts once;
# the chain verifies, and the fold of the log is the state the daemon shows.
#
# KILLS=n and SEED=n repeat a run; LONG=1 kills hundreds of times.

load helper

setup() {
	scratch
	SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
	RANDOM=$((SEED % 32768))
	echo "# SEED=$SEED"
	if [ -n "${LONG:-}" ]; then KILLS=${KILLS:-300}; else KILLS=${KILLS:-12}; fi
}

teardown() {
	hammer_end
	clean_up
}

# head_of VERDICT: SEQ:HASH
head_of() {
	json '"\(.seq):\(.hash)"' "$1"
}

# killed N USEC: kill -9, so long after N acks; start again.  What was at work goes on meanwhile.
killed() {
	hammer kill "$PID" "$1" "$2" || return 1
	daemon_wait && return 1
	daemon_start "${FLAGS[@]}"
}

@test "kill -9 at random moments: what was acked is there, once, in order; what was shown stays" {
	FLAGS=()
	daemon_start
	start
	hammer_start -S "$SEED"
	hammer add writer 3 user=eddy
	hammer add writer 1 user=olga size=3000
	hammer add watcher 3 user=vera query=content=delta
	hammer add watcher 2 user=cora 'query=mode=watch&content=delta'
	for ((i = 0; i < KILLS; i++)); do
		draw 400
		acks=$DRAWN
		draw 3000
		killed "$acks" "$DRAWN"
		if ((i % 4 == 3)); then
			hammer_judge
			hammer go
		fi
	done
	hammer_judge
	field reconnects "$HAMMER"
	[ "$VALUE" -ge $((KILLS * 3)) ]
	# A state folded anew, from a snapshot or from nothing, is the same.
	daemon_kill
	[ "$(sqlite3 "$DIR/data/collab.db" 'PRAGMA integrity_check')" = ok ]
	sqlite3 "$DIR/data/collab.db" 'DELETE FROM snapshots'
	daemon_start
	hammer_judge
	"$BUILD/pmr-log" -r "$REPORT" --socket "$SOCKET" verify --expect "$(head_of "$HAMMER")"
}

@test "kill -9 again while it is still recovering loses nothing either" {
	FLAGS=()
	daemon_start
	start
	hammer_start -S "$SEED"
	hammer add writer 2 user=eddy
	hammer add watcher 2 user=vera
	for ((i = 0; i < KILLS / 2; i++)); do
		draw 300
		killed "$DRAWN" 0
		# Not a single ack later, so that recovery is what is hit.
		draw 20000
		killed 0 "$DRAWN"
	done
	hammer_judge
	[ "$(sqlite3 "$DIR/data/collab.db" 'PRAGMA integrity_check')" = ok ]
}

@test "kill -9 under merge: replicas, log and state stay one" {
	FLAGS=()
	daemon_start
	start '{"conflict_resolution_strategy":"merge","participants":[{"user_id":"eddy","user_name":"Eddy","role":"editor"},{"user_id":"vera","user_name":"Vera","role":"viewer"}],"sections":{"intro":{"content":"Hello"}}}'
	hammer_start -S "$SEED"
	hammer add writer 3 user=eddy window=1 size=20 sections=2
	hammer add watcher 2 user=vera query=content=delta
	for ((i = 0; i < KILLS / 2; i++)); do
		draw 200
		acks=$DRAWN
		draw 2000
		killed "$acks" "$DRAWN"
	done
	hammer_judge
}
