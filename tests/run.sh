#!/bin/sh
# Run the tests: run.sh [unit] [sim] [fuzz] [bats] [lint] [deb] [FILE]...; nothing: all.
# BUILD is the build directory; SANITIZED says with what -fsanitize= it was built, if so; VALGRIND
# is the command to run programs under; V=1 shows times and what failing tests say.  prove runs
# everything and sums up.
set -u
cd "$(dirname "$0")/.." || exit 1
: "${BUILD:=$PWD/build}"
export BUILD
[ $# -gt 0 ] || set -- lint deb unit sim fuzz bats
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
list=$scratch/list found=$scratch/found
chmod 755 "$scratch"
mkdir "$scratch/bin" && mkdir -m 1777 "$found"
if [ -n "${SANITIZED:-}" ]; then
	# Findings go to files: who only looks at statuses, or not even at them, misses none.
	# (The runtime need not come first: libraries are preloaded.)
	common=exitcode=99:log_path=$found/found:log_exe_name=1
	export ASAN_OPTIONS="$common:verify_asan_link_order=0" TSAN_OPTIONS="$common" UBSAN_OPTIONS="$common:print_stacktrace=1"
fi
if [ -n "${VALGRIND:-}" ]; then
	# Programs that stand in for the built ones.  They need no environment, as some tests clear it.
	export UNDER="$VALGRIND --log-file=$found/%p" BUILT="$BUILD" BUILD="$scratch/bin"
	ln -s "$BUILT/tests" "$BUILT"/libcollab* "$BUILD"
	for program in "$BUILT/collabd" "$BUILT/pmr" "$BUILT"/pmr-*; do
		printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$UNDER" "$program" >"$BUILD/${program##*/}"
	done
	chmod +x "$BUILD/collabd" "$BUILD"/pmr*
fi
for what in "$@"; do
	case $what in
	unit | sim | fuzz) find "$BUILD/tests/$what/" -name 'test_*' -type f -perm -u+x | sort ;;
	bats) find tests/bats -name '*.bats' | sort ;;
	deb) echo tests/deb/packages.bats ;;
	*/*) echo "$what" ;;
	lint) find tests/lint -name '*.sh' | sort && find tests/lint -name '*.bats' | sort ;;
	*) echo "run.sh: unknown suite $what" >&2 && exit 64 ;;
	esac
done >"$list"
# One process a test file; the files share nothing.
status=0
# shellcheck disable=SC2086 # an option, or nothing
prove ${V:+--timer --comments} --jobs "${JOBS:-2}" --merge --exec 'sh tests/one.sh' - <"$list" || status=$?
# Lines with two dashes are valgrind's about itself.
grep -rlv '^--' "$found" | sort >"$list"
while read -r file; do
	echo "found by ${file##*/}:"
	head -n 60 "$file"
	status=1
done <"$list"
exit $status
