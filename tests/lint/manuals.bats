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

# What pages of others may be referred to: those of Debian's packages, by the section they are in there.
OTHERS='connect(2) curl(1) flock(1) free(3) glob(7) head(1) jq(1) less(1) man(1) sd_notify(3) sha256sum(1) sqlite3(1) vi(1)'

@test "every reference leads to a page, of ours or a known one" {
	local page name section rest seen='' other
	while read -r page _ name section rest; do
		seen+=" $name($section)"
		[ ! -f "man/$name.$section" ] && [[ " $OTHERS " != *" $name($section) "* ]] || continue
		echo "$page refers to $name($section), which nobody has"
		return 1
	done < <(grep -E '^\.Xr ' man/*.[1-8] | sed 's/:/ /')
	# And the list is no longer than it must be.
	for other in $OTHERS; do
		[[ "$seen " == *" $other "* ]] || {
			echo "no page refers to $other"
			return 1
		}
	done
}

@test "every page leads on, in the order of sections and names" {
	local page references
	for page in man/*.[1-8]; do
		references=$(sed -n '/^\.Sh SEE ALSO/,/^\.Sh [^S]/s/^\.Xr \([^ ]*\) \([0-9]\).*/\2 \1/p' "$page")
		[ -n "$references" ] || {
			echo "$page has no SEE ALSO"
			return 1
		}
		diff <(echo "$references") <(LC_ALL=C sort -u <<<"$references") || {
			echo "$page: SEE ALSO is not in order"
			return 1
		}
		! grep -qx "${page##*.} $(basename "${page%.*}")" <<<"$references" || {
			echo "$page leads to itself"
			return 1
		}
	done
}

# Sections that a page of that kind must have, each with something in it.
sections_of() {
	case $1 in
	*.1 | *.8) printf '%s\n' NAME SYNOPSIS DESCRIPTION ENVIRONMENT FILES 'EXIT STATUS' EXAMPLES 'SEE ALSO' ;;
	*.conf.5 | man/pmr.7 | man/pmr-target.7) printf '%s\n' NAME DESCRIPTION FILES EXAMPLES 'SEE ALSO' ;;
	*) printf '%s\n' NAME DESCRIPTION EXAMPLES 'SEE ALSO' ;;
	esac
}

@test "every page has the sections of its kind, and none is empty" {
	local page section
	for page in man/*.[1-8]; do
		while read -r section; do
			[ "$(sed -n "/^\.Sh $section\$/,/^\.Sh /p" "$page" | grep -cvE '^\.(Sh|Pp|\\")')" -gt 0 ] || {
				echo "$page: $section is missing or empty"
				return 1
			}
		done < <(sections_of "$page")
	done
	# What is common to all tools is told once.
	for section in ENVIRONMENT FILES 'EXIT STATUS'; do
		grep -qx "\.Sh $section" man/pmr-target.7
	done
}
