#!/bin/sh
# Layout is clang-format's, names and sizes are CONVENTIONS.md's.
set -u
n=0
failed=0

point() { # point STATUS NAME [LINES]
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		failed=1
		echo "not ok $n - $2"
		printf '%s\n' "${3:-}" | sed 's/^/#   /'
	fi
}

files=$(find libcollab cmd tests -name '*.[ch]' | sort)
# shellcheck disable=SC2086 # a list of words
bad=$(clang-format --dry-run $files 2>&1 | grep -oE '^[a-z][^ :]*\.[ch]:[0-9]+' | sort -u | head -20)
[ -z "$bad" ]
point $? 'clang-format would change nothing' "$bad"

# shellcheck disable=SC2086
bad=$(awk 'FNR == 1 { start = 0 }
	/^\{/ { start = FNR }
	/^\}/ { if (start && FNR - start > 70) print FILENAME ":" start ": " FNR - start " lines"; start = 0 }' \
	$(find libcollab cmd -name '*.c'))
[ -z "$bad" ]
point $? 'no function is longer than 70 lines' "$bad"

# shellcheck disable=SC2086
bad=$(grep -nE 'TODO|FIXME|\<XXX\>' $files Makefile)
[ -z "$bad" ]
point $? 'nothing is left for later' "$bad"

bad=$(grep -nE '^[[:space:]]*sleep ' -r tests --include='*.bats' --include='*.bash')
[ -z "$bad" ]
point $? 'no test sleeps' "$bad"

echo "1..$n"
exit $failed
