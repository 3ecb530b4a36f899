#!/bin/sh
# Run the tests: run.sh [unit] [sim] [fuzz] [bats] [lint] [deb] [tsan] [valgrind]; none: all but the last two.
# BUILD is the build directory.  prove runs everything and sums up.
set -u
cd "$(dirname "$0")/.." || exit 1
: "${BUILD:=$PWD/build}"
export BUILD
[ $# -gt 0 ] || set -- lint deb unit sim fuzz bats
list=$(mktemp)
trap 'rm -f "$list"' EXIT
for what in "$@"; do
	case $what in
	unit | sim | fuzz) find "$BUILD/tests/$what" -name 'test_*' -type f -perm -u+x | sort ;;
	bats) find tests/bats -name '*.bats' | sort ;;
	deb) echo tests/deb/packages.bats ;;
	lint) find tests/lint -name '*.sh' | sort && find tests/lint -name '*.bats' | sort ;;
	tsan)
		# What runs threads: the store's writer and reader, the key fetcher, the daemon itself.
		printf '%s\n' "$BUILD/tests/unit/test_store" "$BUILD/tests/unit/test_store_index" "$BUILD/tests/unit/test_store_scrub" "$BUILD/tests/unit/test_auth"
		find tests/bats -name 'session*.bats' | sort
		printf 'tests/bats/%s.bats\n' admin backup disk
		;;
	valgrind)
		# The C tests with fewer cases (SHORT), and what a daemon does most, without another clock.
		find "$BUILD/tests/unit" "$BUILD/tests/sim" -name 'test_*' -type f -perm -u+x | sort
		printf 'tests/bats/%s.bats\n' conflicts session locks erase
		;;
	*) echo "run.sh: unknown suite $what" >&2 && exit 64 ;;
	esac
done >"$list"
# One process a test file; the files share nothing.
prove --jobs "${JOBS:-2}" --merge --exec 'sh tests/one.sh' - <"$list"
