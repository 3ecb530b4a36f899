# What the examples of manual pages and of the README are run with: a daemon, a session, files and
# commands of the names they use.
# shellcheck shell=bash disable=SC2034

# prepare: in $DIR, a daemon (URL, socket in pmr.conf), the session of pmr-2024-01, and what the
# examples take for granted.
prepare() {
	scratch
	secret
	daemon_start --secret-file "$SECRET" "$@"
	cd "$DIR" || return 1
	mkdir bin config
	export HOME=$DIR XDG_STATE_HOME=$DIR/state XDG_CONFIG_HOME=$DIR/config PMR_CONFIG=$DIR/pmr.conf
	export PATH=$DIR/bin:$BUILD:$PATH EDITOR="sed -i s/Q4/Q5/"
	unset PMR_SOCKET PMR_REPORT PMR_SESSION PMR_URL PMR_TOKEN PMR_TOKEN_FILE PMR_PROFILE PMR_DEBUG VISUAL PAGER
	echo "socket = $SOCKET" >pmr.conf
	mint "{\"sub\":\"mirror\",\"name\":\"Mirror\",\"scope\":\"collab:admin collab:start\",\"exp\":$(($(date +%s) + 3600))}"
	(umask 077 && echo "$TOKEN" >token)
	printf '{"budget":{"content":"Q3: 10\\n"}}' >sections.json
	pmr-session start -r pmr-2024-01 --sections sections.json --participant ci:commenter \
		--participant bot:commenter --participant eddy >/dev/null
	stub lint '{"section":"budget","msg":"Does not add up."}' '{"section":"risks","msg":"None?"}'
	printf '{"type":"section_update","data":{"section_id":"%s","changes":{"content":"Q3: 10"}}}\n' budget risks >edits.ndjson
	echo 'An introduction.' >intro.txt
	echo 'Q3: 10' >budget.md
	echo '{}' >report.md
	printf '#!/bin/sh\ncat >>slack\n' >to-slack
	printf '#!/bin/sh\nsed -i s/10/11/ "$1"\n' >recalculate
	printf '#!/bin/sh\necho night >>nightly\n' >nightly.sh
	# It says one thing and leaves when that is acknowledged.
	cat >bot <<-'END'
		#!/bin/sh
		read -r state
		echo '{"type":"comment_added","ref":"b","data":{"section_id":"budget","content":"From the bot.","parent_comment_id":null}}'
		while read -r line; do case $line in *'"ref":"b"'*) exit 0 ;; esac; done
	END
	chmod +x to-slack recalculate nightly.sh bot
	# What comes before each example's commands.
	cat >rc <<-'END'
		set -eo pipefail
	END
}

# stub NAME LINE...: a command that prints these lines.
stub() {
	local name=$1
	shift
	printf '%s\n' "$@" >"bin/$name.out"
	printf '#!/bin/sh\ncat "%s"\n' "$PWD/bin/$name.out" >"bin/$name"
	chmod +x "bin/$name"
}

# examples PAGE: the commands of its EXAMPLES, in order.  A literal block or a .Dl line whose first
# line begins with "$ " is typed: each "$ " begins a command, other lines continue it.  A block
# without one is a file; file_of prints it.
examples() {
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh [^E]/p' "$REPO/man/$1" | awk '
		function typed(line) { sub(/^\$ /, "", line); print line }
		/^\.Dl \$ / { sub(/^\.Dl /, ""); typed($0); next }
		/^\.Bd -literal/ { inside = 1; commands = 0; first = 1; next }
		/^\.Ed/ { inside = 0; next }
		inside && first { commands = /^\$ /; first = 0 }
		inside && commands { typed($0) }' | sed 's/\\e/\\/g; s/\\&//g'
}

# file_of PAGE: the first block of its EXAMPLES that is a file.
file_of() {
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh [^E]/p' "$REPO/man/$1" | awk '
		/^\.Bd -literal/ { inside = 1; first = 1; next }
		/^\.Ed/ { if (inside && found) exit; inside = 0; next }
		inside && first { found = !/^\$ /; first = 0 }
		inside && found' | sed 's/\\e/\\/g; s/\\&//g'
}

# page PAGE [SED-EXPRESSION]...: run its examples, with what cannot be had here replaced; the output
# to the file out.
page() {
	local page=$1 expressions=(-e '')
	shift
	for expression; do
		expressions+=(-e "$expression")
	done
	examples "$page" | sed -E "${expressions[@]}" >typed
	[ -s typed ] || fail_with "$page has no examples" || return 1
	run_typed "$page"
}

# run_typed WHAT: run the commands of the file typed.
run_typed() {
	cat rc typed >script
	timeout -k 5 $((PATIENCE * 3)) bash script >out 2>err </dev/null 3>&- ||
		fail_with "$1 ended with status $?" "$(cat script)" "--" "$(tail -n 20 err)"
}

# busy: comments and edits come, until the test ends.
busy() {
	(
		while :; do
			pmr-comment add -r pmr-2024-01 budget hello >/dev/null 2>&1 || exit 0
		done
	) 3>&- &
	BUSY=$!
}

# other_server: another daemon, to which the file token lets an administrator.  Its address to OTHER.
other_server() {
	local line
	mkfifo other.ready
	"$BUILD/collabd" --config /dev/null --data-dir "$DIR/other" --socket "$DIR/other.s" --listen 127.0.0.1:0 \
		--secret-file "$SECRET" --ready-fd 5 5>other.ready 3>&- 4>&- </dev/null >/dev/null 2>>log &
	OTHER_PID=$!
	read -r -t "$PATIENCE" line <other.ready
	OTHER=${line#*\"listen\":[\"}
	OTHER=http://${OTHER%%\"*}
}

# mirror_server: the same with session B; and here A, which changes and ends once it is watched.
mirror_server() {
	pmr-session start -r A --participant eddy --participant mirror >/dev/null
	other_server
	pmr-session start --socket other.s -r B --participant mirror:editor >/dev/null
	export PMR_TOKEN_FILE=$DIR/token
	(
		unset PMR_TOKEN_FILE
		until pmr-session list --report A >seen || exit; grep -q '"connections":[1-9]' seen; do :; done
		echo one | pmr-section set -r A first
		echo two | pmr-section set -r A second
		pmr-session end -r A
	) >/dev/null 2>&1 3>&- &
}

mirrored() {
	[ "$(pmr-section get --socket other.s -r B first)" = one ]
	[ "$(pmr-section get --socket other.s -r B second)" = two ]
}

clean_up_pages() {
	local pid
	for pid in ${BUSY:-} ${OTHER_PID:-}; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	clean_up
}
