# pmr-wait and pmr-each against a daemon.
# shellcheck shell=bash

load helper

setup() {
	daemon_start
	start
	export PMR_SOCKET=$SOCKET PMR_REPORT=$REPORT
}

teardown() {
	clean_up
}

@test "each: the cursor moves when the command is done, and what is done is not repeated" {
	local cur=$DIR/cur
	"$BUILD/pmr-watch" --as olga -S 0 -n 3 >"$DIR/events"
	run -1 "$BUILD/pmr-each" --commit "$cur" -- sh -c '[ "$PMR_EVENT_SEQ" != 2 ]' <"$DIR/events"
	[ "$(jq .seq "$cur")" = 1 ]
	run -1 "$BUILD/pmr-each" --on-error skip -- sh -c '[ "$PMR_EVENT_SEQ" != 2 ]' <"$DIR/events"
	run -0 "$BUILD/pmr-each" --commit "$cur" -- jq -c .seq <"$DIR/events"
	[ "$output" = $'2\n3' ]
	run -65 "$BUILD/pmr-each" -- true <<<'{'
	run -127 "$BUILD/pmr-each" -- "$DIR/none" <"$DIR/events"
}
