# The manual pages: well-formed, README knows them all,
# and every exit status that they promise is one that some test has seen.
# shellcheck shell=bash

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	BUILD=${BUILD:-$PWD/build}
}

@test "mandoc has nothing to say" {
	local page
	for page in man/*.[1-8]; do
		mandoc -Tlint -Wwarning "$page"
		# The page is found by its name.
		grep -Eqi "^\.Dt $(basename "${page%.*}") ${page##*.}\$" "$page" || {
			echo "$page is called otherwise"
			return 1
		}
	done
}

@test "every exit status that is promised is provoked by some test" {
	local status
	local statuses
	statuses=$(sed -n '/^\.Sh EXIT STATUS/,/^\.Sh EXAMPLES/s/^\.It \([0-9]*\)$/\1/p' man/pmr-target.7)
	[ "$(wc -w <<<"$statuses")" -ge 14 ]
	# The table of errors has no other.
	for status in $(sed -nE 's/^\tX\([A-Z_0-9]+, "[a-z0-9_]+", [0-9]+, ([0-9]+), .*/\1/p' libcollab/base/err.h | sort -u); do
		grep -qx "$status" <<<"$statuses" || {
			echo "pmr-target(7) does not explain the exit status $status"
			return 1
		}
	done
	for status in $statuses; do
		grep -Eq "run -$status |refused $status |STATUS\" = $status |tool_end $status( |\$)" tests/bats/*.bats || {
			echo "no test sees the exit status $status"
			return 1
		}
	done
}

@test "README knows every page" {
	local page
	for page in man/*.[1-8]; do
		page=${page#man/}
		grep -Eq "\b${page%.*}\b" README.md || {
			echo "README.md does not name ${page%.*}(${page##*.})"
			return 1
		}
	done
}
