#!/bin/sh
# Run the tests: run.sh [unit] [sim] [fuzz] [bats] [lint] [deb] [valgrind]; none: all but the last.
# BUILD is the build directory; SANITIZED says with what -fsanitize= it was built, if so.  prove runs
# everything and sums up.
set -u
cd "$(dirname "$0")/.." || exit 1
: "${BUILD:=$PWD/build}"
export BUILD
[ $# -gt 0 ] || set -- lint deb unit sim fuzz bats
list=$(mktemp)
found=$(mktemp -d)
trap 'rm -rf "$list" "$found"' EXIT
if [ -n "${SANITIZED:-}" ]; then
	# Findings go to files: who only looks at statuses, or not even at them, misses none.
	# (The runtime need not come first: libraries are preloaded.)
	common=exitcode=99:log_path=$found/found:log_exe_name=1
	export ASAN_OPTIONS="$common:verify_asan_link_order=0" TSAN_OPTIONS="$common" UBSAN_OPTIONS="$common:print_stacktrace=1"
fi
for what in "$@"; do
	case $what in
	unit | sim | fuzz) find "$BUILD/tests/$what" -name 'test_*' -type f -perm -u+x | sort ;;
	bats) find tests/bats -name '*.bats' | sort ;;
	deb) echo tests/deb/packages.bats ;;
	lint) find tests/lint -name '*.sh' | sort && find tests/lint -name '*.bats' | sort ;;
	valgrind)
		# The C tests with fewer cases (SHORT), and what a daemon does most, without another clock.
		find "$BUILD/tests/unit" "$BUILD/tests/sim" -name 'test_*' -type f -perm -u+x | sort
		printf 'tests/bats/%s.bats\n' conflicts session locks erase
		;;
	*) echo "run.sh: unknown suite $what" >&2 && exit 64 ;;
	esac
done >"$list"
# One process a test file; the files share nothing.
status=0
prove --jobs "${JOBS:-2}" --merge --exec 'sh tests/one.sh' - <"$list" || status=$?
find "$found" -type f -size +0 | sort >"$list"
while read -r file; do
	echo "found by ${file##*/}:"
	head -n 60 "$file"
	status=1
done <"$list"
exit $status
