#!/usr/bin/env bats
# What takes longer than a second says how far it is: on stderr, if that is a terminal, and with -q
# not at all.  The clock is put forward while the tool waits for the test.

load helper

setup() {
	export PATH=$BUILD:$PATH HOME=$DIR
	unset PMR_REPORT PMR_SESSION
	scratch
	STUCK="env STUCK_FILE=$DIR/stuck LD_PRELOAD=$BUILD/tests/stuck.so"
	daemon_start -e "$STUCK" --limit messages_per_second=0
	export PMR_SOCKET=$SOCKET
	api POST start olga
	# More than a pipe, a socket and a request hold at once.
	jq -cn 'range(12) | {type:"section_update",data:{section_id:"s\(.)",changes:{content:("x" * 300000)}}}' |
		pmr-send --as olga -r "$REPORT" >/dev/null
	fault_file clock
	for where in terminal file quiet; do
		mkdir "$DIR/$where"
	done
	OUT=
}

teardown() {
	rm -f "$DIR/stuck"
	[ -z "${MEANWHILE:-}" ] || kill "$MEANWHILE" 2>/dev/null || true
	clean_up
}

# runs WHERE "SHELL COMMAND": with its stderr on a terminal or in a file; it to OUT.
runs() {
	case $1 in
	terminal | quiet) on_terminal sh -c "$2" ;;
	file)
		sh -c "$2" 2>"$DIR/shown" </dev/null
		OUT=$(<"$DIR/shown")
		;;
	esac
}

# told WHERE WHAT: progress was, or was not, and the line is wiped in the end.
told() {
	case $1 in
	terminal)
		[[ $OUT =~ [0-9]+" of "[0-9]+" $2, "[0-9]+" %"$'\e[K' ]] || fail_with "no progress:" "$OUT" || return 1
		[[ $OUT == *$'\e[K' ]] || fail_with "not wiped: $OUT"
		;;
	*) [ -z "$OUT" ] || fail_with "told: $OUT" ;;
	esac
}

@test "export, while its reader is slow" {
	local where q
	for where in terminal file quiet; do
		q=$([ $where != quiet ] || echo -q)
		clock +0s
		rm -f "$DIR/pipe"
		mkfifo "$DIR/pipe"
		{
			exec 7<"$DIR/pipe"
			head -c 100000 <&7
			clock +5s 5
			cat <&7
		} >"$DIR/$where/out" 3>&- 4>&- &
		MEANWHILE=$!
		runs $where "$FAULTY pmr-session export -r $REPORT $q >$DIR/pipe"
		wait $MEANWHILE
		told $where events
		cmp <(pmr-session export -r "$REPORT") "$DIR/$where/out"
	done
}

@test "import and verify, while their input is slow" {
	local where q command n=0
	pmr-session export -r "$REPORT" >"$DIR/log.ndjson"
	for command in "pmr-log verify -" "pmr-session import"; do
		for where in file quiet terminal; do
			q=$([ $where != quiet ] || echo -q)
			clock +0s
			rm -f "$DIR/pipe"
			mkfifo "$DIR/pipe"
			{
				exec 7>"$DIR/pipe"
				head -c 2000000 "$DIR/log.ndjson" >&7
				clock +5s 5
				tail -c +2000001 "$DIR/log.ndjson" >&7
			} 3>&- 4>&- &
			MEANWHILE=$!
			if [ "$command" != "pmr-log verify -" ]; then
				# It is there once only.
				daemon_stop
				rm -r "$DIR/data"
				daemon_start
			fi
			runs $where "$FAULTY $command $q <$DIR/pipe >$DIR/$where/out"
			wait $MEANWHILE
			case $where:$command in
			terminal:pmr-session*) [[ $OUT =~ [0-9]+" bytes"$'\e[K' ]] || fail_with "$OUT" ;;
			terminal:*) [[ $OUT =~ [0-9]+" of "[0-9]+" events, "[0-9]+" %"$'\e[K' ]] || fail_with "$OUT" ;;
			*) told $where ;;
			esac
		done
	done
}

@test "backup, while the daemon copies" {
	local where q
	for where in terminal file quiet; do
		q=$([ $where != quiet ] || echo -q)
		clock +0s
		touch "$DIR/stuck"
		{
			until [ -e "$DIR/data/backup.tmp" ]; do :; done
			clock +5s 5
			# The terminal shows it, and how many there are, before the daemon goes on.
			[ $where != terminal ] || until grep -q ' of .* copied' "$DIR/shown"; do :; done
			rm "$DIR/stuck"
		} 3>&- 4>&- &
		MEANWHILE=$!
		: >"$DIR/shown"
		runs $where "$FAULTY pmr-admin backup $q $DIR/$where/b >$DIR/$where/out"
		wait $MEANWHILE
		told $where 'pages copied'
		[ -s "$DIR/$where/b" ]
	done
}

@test "collabd --fsck and --restore" {
	local where fast="$FAULTY collabd --config /dev/null --data-dir"
	clock +0s 0 2000000000
	seq 1100 | jq -c '{type:"section_update",data:{section_id:"w",changes:{content:"\(.)"}}}' |
		pmr-send --as olga -r "$REPORT" >/dev/null
	pmr-admin backup "$DIR/b" >/dev/null
	daemon_stop
	for where in terminal file; do
		runs $where "$fast $DIR/data --fsck >$DIR/$where/out"
		told $where 'events checked'
		[ "$(json .ok "$(<"$DIR/$where/out")")" = true ]
		runs $where "$fast $DIR/$where/data --restore $DIR/b >$DIR/$where/out"
		[ $where != file ] || [ "$(wc -l <"$DIR/shown")" = 1 ]
		[[ $OUT == *"$DIR/b was restored to $DIR/$where/data" ]]
		[ $where = file ] || [[ $OUT == *" pages copied, "*" events checked, "*$'\e[K'"collabd: $DIR/b was"* ]]
	done
}
