# The terminal session of the README: record it, or compare it.
# shellcheck shell=bash

# recorded_commands: what is typed in README.md's console block, one a line.
recorded_commands() {
	sed -n '/^```console$/,/^```$/s/^\$ //p' "$REPO/README.md"
}

# record: run the commands of stdin as on a terminal of 100 columns; the session to stdout.
record() {
	local line
	while IFS= read -r line; do
		printf '$ %s\n' "$line"
		env TERM=xterm NO_COLOR=1 PAGER=cat COLUMNS=100 LC_ALL=C.UTF-8 script -qec "$line" /dev/null </dev/null 3>&- |
			tr -d '\r' | sed 's/ *$//'
	done
}

# same_words: ids, hashes and times differ from run to run, and the widths of columns with them.
same_words() {
	sed -E 's/[0-9a-f]{64}/HASH/g; s/[0-9a-f]{8}-[0-9a-f-]{27}/UUID/g; s/now|[0-9]+ s ago/WHEN/g; s/ +/ /g; s/^ //'
}
