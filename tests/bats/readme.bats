#!/usr/bin/env bats
# The README's pipelines work as they are written.

load helper

setup() {
	daemon_start
	export PMR_SOCKET=$SOCKET PATH=$BUILD:$PATH
	unset PMR_REPORT PMR_SESSION
	cd "$DIR" || return 1
	cat >findings.ndjson <<-END
		{"section":"budget","msg":"Does not add up."}
		{"section":"risks","msg":"None?"}
	END
	cat >edits.ndjson <<-END
		{"type":"section_update","data":{"section_id":"budget","changes":{"content":"Q3: 10"}}}
		{"type":"section_update","data":{"section_id":"risks","changes":{"content":"None."}}}
	END
}

teardown() {
	clean_up
}

# pipeline N: the N-th of the README's, run by a shell that notices every failure; its output to OUT.
pipeline() {
	awk -v n="$1" '/^## Five pipelines/ { on = 1 } /^## Install/ { on = 0 }
		on && /^```$/ { if (inside && i == n) exit; inside = 0; next }
		on && /^```sh$/ { inside = 1; i++; next }
		inside && i == n' "$REPO/README.md" >pipeline
	[ -s pipeline ]
	bash -eo pipefail pipeline >out || fail_with "pipeline $1 ended with $?" "$(cat pipeline)"
	OUT=$(cat out)
}

@test "there are five" {
	[ "$(sed -n '/^## Five pipelines/,/^## Install/p' "$REPO/README.md" | grep -c '^```sh$')" = 5 ]
}

@test "all five, one after the other" {
	pipeline 1
	[ "$(jq -s 'map(select(.type=="ack"))|length' out)" = 2 ]
	pipeline 2
	[ "$(jq -s 'map(select(.type=="ack" and .comment_id))|length' out)" = 2 ]
	pipeline 3
	[ "$(jq -s 'map(select(.type=="ack"))|length' out)" = 1 ]
	[ "$(pmr-comment list -r pmr-2024-01 --open | jq -r .section_id)" = risks ]
	pipeline 4
	[ "$(pmr-section get -r pmr-2024-01 budget)" = 'Q4: 10' ]
	pipeline 5
	[ "$(jq -s 'map(.edits // empty)|add' out)" = 3 ]
	[ "$(jq -s '.[-1].ok' out)" = true ]
}
