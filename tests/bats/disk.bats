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

# plant TEXT: as an SQLite that was not built to overwrite what is deleted leaves it.
plant() {
	sqlite3 -batch "$DIR/data/collab.db" "PRAGMA secure_delete = 0; CREATE TABLE planted (t);
		INSERT INTO planted SELECT replace(hex(zeroblob(200)), '00', '$1 ') FROM pragma_function_list LIMIT 100;
		DROP TABLE planted" >/dev/null
}

# cramped: a disk with room for commits, but not for a second copy of the store.
cramped() {
	if [ -f "$DIR/mounted" ]; then
		head -c $(($(df --output=avail -B 1 "$DIR/data" | tail -n 1) - (4 << 20))) /dev/zero >"$DIR/data/ballast"
	else
		prlimit --pid "$PID" --fsize=$((4 << 20)):
	fi
}

roomy() {
	if [ -f "$DIR/mounted" ]; then
		rm "$DIR/data/ballast"
	else
		prlimit --pid "$PID" --fsize=unlimited:
	fi
}

# restarts: clean or by SIGKILL, the disk as it is; the note is there (the text may or may not be:
# what is tried writes over free pages and the log).
restarts() {
	"$1"
	if [ -f "$DIR/mounted" ]; then
		daemon_start
	else
		daemon_start -e "prlimit --fsize=$((4 << 20)): env --ignore-signal=XFSZ"
	fi
	[ -e "$DIR/data/collab.scrub" ]
	want_metric collabd_store_scrub_pending 1
	api GET /readyz
	want 200
	api PUT sections/other olga '{"changes":{"content":"still written"}}'
	want 200
	api GET sections/other vera
	want 200 '"content":"still written"'
}

@test "erase without room for a second copy: told, served, restarted, done when there is room" {
	local big end
	export PMR_SOCKET=$DIR/s PMR_REPORT=$REPORT PATH=$BUILD:$PATH
	mkdir "$DIR/data"
	if mount -t tmpfs -o size=80m,mode=700 none "$DIR/data" 2>"$DIR/mount"; then
		: >"$DIR/mounted"
	else
		echo "# no mount here ($(cat "$DIR/mount")): files may not grow beyond a size" >&3
	fi
	daemon_start -e "env --ignore-signal=XFSZ"
	start
	api PUT sections/intro eddy '{"changes":{"content":"Zebrawort"}}'
	want 200
	big=$(head -c 900000 /dev/zero | tr '\0' x)
	for i in {1..14}; do
		api PUT sections/big olga @- <<<"{\"changes\":{\"content\":\"$i $big\"}}"
		want 200
	done
	daemon_stop
	plant Zebrawort
	daemon_start -e "env --ignore-signal=XFSZ"
	cramped
	run --separate-stderr -75 pmr-admin erase --user eddy
	jq -e '.erased > 1 and .scrubbed == false' <<<"$output"
	[[ $stderr == *"not yet out of the server's files"* ]]
	# The text is where nobody is shown it, and all goes on.
	grep -aqr Zebrawort "$DIR/data"
	! pmr-session export | grep -q Zebrawort
	[ "$(pmr-section get intro)" = █████████ ]
	run -1 pmr-admin check -w disk=0,lag=60000,commit=60000 -c disk=0,lag=60000,commit=60000
	[[ $output == "COLLABD WARNING - erased text is still in the files"* ]]
	pmr-admin status | jq -e .store.scrub_pending
	restarts daemon_stop
	restarts daemon_kill
	pmr-log verify | jq -e .ok
	roomy
	end=$((SECONDS + PATIENCE))
	until metric collabd_store_scrub_pending && [ "$VALUE" = 0 ]; do
		[ $SECONDS -lt $end ] || fail_with "still pending"
	done
	[ ! -e "$DIR/data/collab.scrub" ]
	! grep -aqr Zebrawort "$DIR/data"
	until grep -q "erased text is out of the store's files" "$DIR/log"; do
		[ $SECONDS -lt $end ] || fail_with "not in the log"
	done
	# Once for each of the three daemons that tried, however often.
	[ "$(grep -c "erased text is still in the store's files: " "$DIR/log")" = 3 ]
	pmr-admin erase --user eddy | jq -e '.erased == 0 and .scrubbed'
	pmr-log verify | jq -e .ok
	daemon_stop
	"$BUILD/collabd" --config /dev/null --data-dir "$DIR/data" --fsck >/dev/null
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
