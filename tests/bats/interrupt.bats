#!/usr/bin/env bats
# A signal in the middle: what a tool or the daemon was writing is whole or not there, nothing lies
# about, and the status says which signal it was.  What is synced gets stuck (preload/stuck.c), so
# that the middle lasts until the test is done with it.

load helper

setup() {
	export PATH=$BUILD:$PATH HOME=$DIR STUCK_FILE=
	unset PMR_REPORT PMR_SESSION
	scratch
	STUCK="env STUCK_FILE=$DIR/stuck LD_PRELOAD=$BUILD/tests/stuck.so"
	daemon_start -e "env STUCK_FILE=$DIR/daemon.stuck LD_PRELOAD=$BUILD/tests/stuck.so" --limit messages_per_second=0
	export PMR_SOCKET=$SOCKET XDG_STATE_HOME=$DIR
	start
}

teardown() {
	rm -f "$DIR/stuck" "$DIR/daemon.stuck"
	clean_up
}

# tool COMMAND...: in the background, as TOOL, with INPUT as its stdin; its fsync gets stuck.
tool() {
	rm -f "$DIR/stuck.in"
	touch "$DIR/stuck"
	env --default-signal=INT,HUP $STUCK "$@" >"$DIR/out" 2>"$DIR/err" <"${INPUT:-/dev/null}" 3>&- 4>&- &
	TOOL=$!
}

# until_there FILE-PATTERN
until_there() {
	local end=$((SECONDS + PATIENCE))
	until compgen -G "$1" >/dev/null; do
		[ $SECONDS -lt $end ] && kill -0 "$TOOL" || fail_with "no $1" "$(cat "$DIR/err")" || return 1
	done
}

# ended STATUS: the tool has ended with it.
ended() {
	local status=0
	wait "$TOOL" || status=$?
	[ "$status" = "$1" ] || fail_with "status $status" "$(cat "$DIR/err")"
}

# interrupted FILE SIGNAL STATUS COMMAND...: a tool that writes FILE is ended by the signal, stuck as
# it is; FILE is as it was, and there is nothing beside it.
interrupted() {
	local file=$1 signal=$2 status=$3 before after
	shift 3
	before=$(cat "$file" 2>/dev/null || echo none)
	tool "$@"
	until_there "$DIR/stuck.in"
	compgen -G "$file.??????" >/dev/null
	kill -"$signal" "$TOOL"
	kill -"$signal" "$TOOL"
	ended "$status"
	after=$(cat "$file" 2>/dev/null || echo none)
	[ "$before" = "$after" ]
	! compgen -G "$file.*" || fail_with "left behind"
	rm "$DIR/stuck"
}

@test "pmr-admin backup" {
	interrupted "$DIR/b" HUP 129 pmr-admin backup "$DIR/b"
	interrupted "$DIR/b" INT 130 pmr-admin backup "$DIR/b"
	interrupted "$DIR/b" TERM 143 pmr-admin backup "$DIR/b"
	echo precious >"$DIR/b"
	interrupted "$DIR/b" TERM 143 pmr-admin backup --force "$DIR/b"
}

# stuck_backup [OPTION]...: the daemon's copy is stuck, and the tool waits for it.
stuck_backup() {
	rm -f "$DIR/daemon.stuck.in"
	touch "$DIR/daemon.stuck"
	tool pmr-admin "$@" backup "$DIR/b"
	until_there "$DIR/daemon.stuck.in"
	[ -e "$DIR/data/backup.tmp" ]
}

# makes_room: though the daemon is still stuck in the copy that nobody wants any more, the next one
# is begun, and it is made as soon as that one is over.
makes_room() {
	api POST /api/admin/backup
	want 202
	goes_through
}

# goes_through: it is what was begun last.
goes_through() {
	field backup_id
	rm -f "$DIR/stuck" "$DIR/daemon.stuck"
	api DELETE "/api/admin/backup?id=$VALUE"
	want 200
	run -0 --separate-stderr pmr-admin backup "$DIR/b"
	[ "$(json .sha256 "$output")" = "$(sha256sum "$DIR/b" | cut -d ' ' -f 1)" ]
	[ ! -e "$DIR/data/backup.tmp" ]
	rm "$DIR/b"
}

@test "a backup that is interrupted makes room for the next one" {
	stuck_backup
	kill -INT "$TOOL"
	ended 130
	[ -z "$(cat "$DIR/err")" ]
	! compgen -G "$DIR/b*" || fail_with "left behind"
	makes_room
}

@test "a backup that is interrupted twice at once makes room too" {
	local round status
	for round in 1 2 3; do
		stuck_backup
		kill -INT "$TOOL"
		kill -TERM "$TOOL"
		# Of which one it dies is not said: their handlers may run in either order.
		status=0
		wait "$TOOL" || status=$?
		[ "$status" = 130 ] || [ "$status" = 143 ]
		! compgen -G "$DIR/b*" || fail_with "left behind"
		makes_room
	done
}

@test "a backup whose tool is killed makes room too" {
	local round end
	for round in 1 2 3; do
		stuck_backup -v
		# It has asked how far it is, and sleeps.
		until grep -q 'GET .*wait=' "$DIR/err" && [ "$(ps -o stat= -p "$TOOL")" = S ]; do
			kill -0 "$TOOL"
		done
		kill -KILL "$TOOL"
		ended 137
		rm "$DIR"/b.*
		api POST /api/admin/backup
		[ "$STATUS" != 202 ] || break
		# It died between two of its questions, where nobody sees it go: that takes a minute.
		end=$((SECONDS + 60 + PATIENCE))
		rm -f "$DIR/daemon.stuck"
		until api POST /api/admin/backup && [ "$STATUS" = 202 ]; do
			[ $SECONDS -lt $end ] || fail_with "$BODY"
		done
		goes_through
	done
	want 202
	goes_through
}

@test "base files, and what is used" {
	local signal
	for signal in "HUP 129" "INT 130" "TERM 143"; do
		interrupted "$DIR/base" $signal pmr-section get -r "$REPORT" intro --base "$DIR/base"
		interrupted "$DIR/pmr/use" $signal pmr use "$SESSION"
	done
	pmr-section get -r "$REPORT" intro --base "$DIR/base"
	pmr use "$SESSION" >/dev/null
	interrupted "$DIR/base" TERM 143 pmr-section get -r "$REPORT" intro --base "$DIR/base"
	interrupted "$DIR/pmr/use" TERM 143 pmr use -r "$REPORT"
}

@test "a cursor file: what was done is noted, then the signal ends it" {
	local signal
	pmr-log events -r "$REPORT" >"$DIR/events"
	for signal in HUP INT TERM; do
		rm -f "$DIR/cursor"
		INPUT=$DIR/events tool pmr-each --commit "$DIR/cursor" -- cat
		until_there "$DIR/stuck.in"
		kill -"$signal" "$TOOL"
		rm "$DIR/stuck"
		ended "$((128 + $(kill -l "$signal")))"
		[ "$(jq .seq "$DIR/cursor")" = "$(tail -n 1 "$DIR/out" | jq .seq)" ]
		! compgen -G "$DIR/cursor.*" || fail_with "left behind"
	done
}

@test "collabd --restore" {
	local i
	for i in {1..1100}; do
		echo '{"type":"section_update","data":{"section_id":"w","changes":{"content":"'"$i"'"}}}'
	done | pmr-send --as olga -r "$REPORT" >/dev/null
	pmr-admin backup "$DIR/b" >/dev/null
	daemon_stop
	cp -r "$DIR/data" "$DIR/before"
	tool collabd --config /dev/null --data-dir "$DIR/data" --restore "$DIR/b" --force
	until_there "$DIR/stuck.in"
	[ -e "$DIR/data/collab.db.restored" ]
	kill -TERM "$TOOL"
	rm "$DIR/stuck"
	ended 143
	[ ! -s "$DIR/out" ]
	! compgen -G "$DIR/data/*restored*" || fail_with "left behind"
	cmp "$DIR/data/collab.db" "$DIR/before/collab.db"
	run -0 --separate-stderr collabd --config /dev/null --data-dir "$DIR/data" --restore "$DIR/b" --force
}
