#!/usr/bin/env bats
# Memory runs out at the n-th allocation of a real daemon (preload/nomem.c), for many n.  It may
# answer an error, close a connection or end with a sentence; it may not crash, and whatever it has
# acknowledged is there afterwards, once, in order, with a chain that verifies.
# SEED=n repeats a run; LONG=1 tries more of them.

load helper

setup() {
	! checked || skip "sanitizers and valgrind have allocators of their own"
	scratch
	fault_file nomem
	SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
	RANDOM=$((SEED % 32768))
	echo "# SEED=$SEED"
}

teardown() {
	hammer_end
	clean_up
}

# ended_well: the daemon has ended by itself.  Ending for want of memory is said in a sentence.
ended_well() {
	local status=0
	daemon_wait || status=$?
	case $status in
	134) tail -n 5 "$DIR/log" | grep -q 'out of memory' ;;
	0 | 6? | 7?) [ "$status" -gt 0 ] && tail -n 1 "$DIR/log" | grep -q '^collabd: ' ;;
	*) false ;;
	esac || fail_with "ended with status $status after allocation $N" "$(tail -n 20 "$DIR/log")"
}

alive() {
	kill -0 "$PID" 2>/dev/null && [ "$(ps -o stat= -p "$PID" | cut -c1)" != Z ]
}

# revive: a daemon that has ended, and well, is started again.
revive() {
	! alive || return 0
	ended_well || return 1
	died=$((died + 1))
	fault 0 0
	daemon_start -e "$FAULTY" --limit messages_per_second=0
}

judge() {
	hammer settle || return 1
	hammer verify || return 1
	state
	[[ $HAMMER == *"\"seq\":$SEQ,"* && $HAMMER == *"\"state_hash\":\"$STATE\""* ]] ||
		fail_with "the daemon shows seq $SEQ, state $STATE; the log: $HAMMER"
}

@test "at start: it serves, or says in a sentence why not" {
	daemon_start -e "$FAULTY"
	# What glibc does not survive at work is done before.
	faulted 5
	[ "$VALUE" -ge 1 ]
	start
	faulted 4
	local all=$VALUE step=97
	daemon_kill
	[ -z "${LONG:-}" ] || step=5
	draw "$step"
	for ((N = 1 + DRAWN; N < all; N += step)); do
		fault 0 "$N"
		: >"$DIR/log"
		if daemon_start -e "$FAULTY" >"$DIR/said"; then
			fault 0 0
			api GET session olga
			want 200 '"has_active_session":true' || fail_with "allocation $N"
			daemon_kill
		else
			fault 0 0
			ended_well
		fi
	done
}

@test "at work: nothing acked is lost, the chain verifies, no crash" {
	local rounds=40 died=0 failed
	[ -z "${LONG:-}" ] || rounds=1500
	daemon_start -e "$FAULTY" --limit messages_per_second=0
	start
	hammer_start -S "$SEED"
	hammer add writer 2 user=eddy window=4 size=60 every=1
	hammer add watcher 2 'user=vera' 'query=mode=watch&content=delta'
	hammer add watcher 1 user=cora fresh=1
	for ((i = 0; i < rounds; i++)); do
		draw 300
		N=$((1 + DRAWN))
		fault 0 "$N"
		# What the daemon does by HTTP needs memory too.
		api GET session olga
		api GET 'sections' olga
		api PUT sections/more olga '{"changes":{"content":"more"}}'
		api GET 'events?limit=20' olga
		revive
		if ((i % 20 == 19)); then
			fault 0 0
			revive
			judge
			hammer go
		fi
	done
	faulted 2
	failed=$VALUE
	echo "# $failed allocations failed, $died times it ended"
	[ "$failed" -gt $((rounds / 2)) ]
	judge
}
