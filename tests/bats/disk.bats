#!/usr/bin/env bats
# A disk that is full or fails, under a real daemon: it says so (error code, /readyz, log), goes on
# to serve reads, refuses writes, and recovers by itself; nothing acked is lost (helpers/hammer.c).

load helper

setup() {
	scratch
	fault_file fault
}

teardown() {
	hammer_end
	clean_up
	[ ! -f "$DIR/mounted" ] || umount "$DIR/data"
}

WATCHERS='user=vera query=mode=watch&content=delta'

# load: writers and watchers are at work.
load_up() {
	hammer_start -S 1
	hammer add writer 2 user=eddy "${1:-size=200}"
	hammer add watcher 3 $WATCHERS
	hammer acks 20
}

# refuses_writes: what the daemon says while it cannot write, and what it does all the same.
refuses_writes() {
	hammer error store_unavailable || return 1
	api GET /readyz
	want 503 '"ready":false' '"store_writable":false' || return 1
	api GET /healthz
	want 200 || return 1
	want_metric collabd_store_writable 0 || return 1
	grep -q 'append failed: ' "$DIR/log" || fail_with "nothing in the log" || return 1
	api PUT sections/other eddy '{"changes":{"content":"x"}}'
	want 503 '"code":"store_unavailable"' '"retryable":true' || return 1
	api POST /api/reports/pmr/pmr-2/collaborate/start olga '{}'
	want 503 '"code":"store_unavailable"' || return 1
	api GET session vera
	want 200 '"has_active_session":true' || return 1
	api GET sections/intro vera
	want 200 '"content":"Hello"' || return 1
	api GET 'events?limit=3' vera
	want 200 '"seq":1' || return 1
	hammer add watcher 2 $WATCHERS
}

# until_ready: the daemon has found out by itself, and says so.
until_ready() {
	local end=$((SECONDS + PATIENCE))
	until api GET /readyz && [ "$STATUS" = 200 ]; do
		[ $SECONDS -lt $end ] || fail_with "still not ready: $BODY" || return 1
	done
}

# goes_on: writes work again, the log and the state are what they must be, also after kill -9.
goes_on() {
	hammer acks 20 || return 1
	grep -q 'the store can be written again' "$DIR/log" || fail_with "not in the log" || return 1
	want_metric collabd_store_writable 1 || return 1
	hammer settle || return 1
	hammer verify || return 1
	state
	[[ $HAMMER == *"\"seq\":$SEQ,"* && $HAMMER == *"\"state_hash\":\"$STATE\""* ]] ||
		fail_with "the daemon shows seq $SEQ, state $STATE; the log: $HAMMER" || return 1
	daemon_kill
	daemon_start
	hammer go
	hammer acks 10 || return 1
	hammer settle || return 1
	hammer verify
}

# fails_and_recovers BITS: those of preload/fault.c.
fails_and_recovers() {
	daemon_start -e "$FAULTY"
	start
	load_up
	fault 1 "$1"
	refuses_writes
	faulted 3
	[ "$VALUE" -gt 0 ]
	fault 1 0
	until_ready
	goes_on
}

@test "a full disk: writes are refused, reads go on, it recovers by itself" {
	fails_and_recovers 1
}

@test "every fsync fails: writes are refused, reads go on, it recovers by itself" {
	fails_and_recovers 2
}

@test "every write below the database fails: the same" {
	fails_and_recovers 4
}

@test "writes, truncations and fsyncs fail: the same" {
	fails_and_recovers 22
}

@test "one fsync fails: what was in its commit is refused, then all goes on" {
	daemon_start -e "$FAULTY"
	start
	load_up
	for i in 1 2 3; do
		faulted 3
		before=$VALUE
		fault 1 2
		hammer error store_unavailable
		fault 1 0
		hammer acks 20
	done
	until_ready
	goes_on
}

@test "nobody writes while the disk fails: readiness comes back, and the log says so" {
	daemon_start -e "$FAULTY"
	start
	fault 1 1
	api PUT sections/other eddy '{"changes":{"content":"x"}}'
	want 503 '"code":"store_unavailable"'
	api GET /readyz
	want 503
	fault 1 0
	until_ready
	api PUT sections/other eddy '{"changes":{"content":"x"}}'
	want 200
	grep -q 'the store can be written again' "$DIR/log"
}

@test "a small file system fills up: refused, served, freed, recovered; nothing acked is lost" {
	mkdir "$DIR/data"
	if mount -t tmpfs -o size=40m,mode=700 none "$DIR/data" 2>"$DIR/mount"; then
		: >"$DIR/mounted"
		head -c 36m /dev/zero >"$DIR/data/ballast"
		daemon_start
		start
		load_up size=3000
		refuses_writes
		df "$DIR/data" >&2
		[ "$(df --output=avail "$DIR/data" | tail -n 1)" -lt 64 ]
		rm "$DIR/data/ballast"
		until_ready
		goes_on
		daemon_stop
	else
		echo "# no mount here ($(cat "$DIR/mount")): the disk is made full by fault.so" >&3
		fails_and_recovers 1
	fi
}
