# Every option and verb of a tool is in its usage text, its manual page and the completions.
# --complete-options prints the table from which parsing, --help and completions come.
# shellcheck shell=bash

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	BUILD=${BUILD:-$PWD/build}
	TOOLS=(pmr)
	for source in cmd/pmr-*.c; do
		source=${source#cmd/}
		TOOLS+=("${source%.c}")
	done
}

# The options of a tool, one a line: -x and --long.
options_of() {
	"$BUILD/$1" --complete-options | cut -f 1 | grep '^-' | LC_ALL=C sort
}

verbs_of() {
	"$BUILD/$1" --complete-options | cut -f 1 | grep '^[^-]'
}

# The options that a page describes: what follows each Fl of its ".It Fl" lines.
options_in_page() {
	awk '/^\.It Fl / {
		for (i = 2; i < NF; i++)
			if ($i == "Fl" && $(i + 1) ~ /^-?[A-Za-z]/)
				print "-" $(i + 1)
	}' "$1" | LC_ALL=C sort -u
}

@test "every tool is built and has a manual page" {
	for tool in "${TOOLS[@]}"; do
		[ -x "$BUILD/$tool" ] && [ -f "man/$tool.1" ] || {
			echo "there is no $tool or no man/$tool.1"
			return 1
		}
	done
}

@test "the manual page describes the options that there are, and no others" {
	for tool in "${TOOLS[@]}"; do
		echo "$tool: < in --help, > in the page"
		diff <(options_of "$tool") <(options_in_page "man/$tool.1")
	done
}

@test "the manual page describes every verb" {
	for tool in "${TOOLS[@]}"; do
		for verb in $(verbs_of "$tool"); do
			grep -Eq "^\.(It )?Cm (.* )?$verb( |$)" "man/$tool.1" || {
				echo "man/$tool.1 does not describe $verb"
				return 1
			}
		done
	done
}

@test "--help shows every option" {
	for tool in "${TOOLS[@]}"; do
		help=$("$BUILD/$tool" --help)
		for option in $(options_of "$tool"); do
			grep -Eq -e "^ +(-., )?$option( |,|\$)" <<<"$help" || {
				echo "$tool --help does not show $option"
				return 1
			}
		done
	done
}

@test "--help shows every verb" {
	for tool in "${TOOLS[@]}"; do
		for verb in $(verbs_of "$tool" || true); do
			"$BUILD/$tool" --help | grep -Eq -e "(^| )$verb( |,|\$)" || {
				echo "$tool --help does not show $verb"
				return 1
			}
		done
	done
}

@test "a verb's --help shows what the verb takes, and it takes that" {
	for tool in "${TOOLS[@]}"; do
		verbs=$(verbs_of "$tool" || true)
		[ "$tool" != pmr ] || verbs='use help' # the others are tools of their own
		for verb in $verbs; do
			"$BUILD/$tool" "$verb" --help >/dev/null
			extra=$(LC_ALL=C comm -13 <(options_of "$tool") \
				<("$BUILD/$tool" "$verb" --complete-options | cut -f 1 | LC_ALL=C sort))
			[ -z "$extra" ] || {
				echo "$tool $verb has options that $tool has not: $extra"
				return 1
			}
		done
	done
}

@test "every tool is a verb of pmr" {
	for tool in "${TOOLS[@]:1}"; do
		verbs_of pmr | grep -qx "${tool#pmr-}" || {
			echo "pmr does not list ${tool#pmr-}"
			return 1
		}
	done
}

@test "mandoc has nothing to say about the pages" {
	# Which other pages there are on this machine is not their business.
	run mandoc -Tlint -W warning man/*.[1-8]
	complaints=$(grep -v -e 'referenced manual not found' -e 'outdated mandoc.db' <<<"$output" || true)
	[ -z "$complaints" ] || {
		echo "$complaints"
		return 1
	}
}

@test "every page has examples; that of a tool also environment, files and exit status" {
	for page in man/*.[1-8]; do
		sections='EXAMPLES'
		case $page in
		*.[18]) sections='ENVIRONMENT FILES EXIT_STATUS EXAMPLES' ;;
		esac
		for section in $sections; do
			grep -qx "\.Sh ${section/_/ }" "$page" || {
				echo "$page has no ${section/_/ }"
				return 1
			}
		done
	done
}

@test "the completions are for every tool" {
	for file in completions/pmr.bash completions/_pmr completions/pmr.fish; do
		for tool in "${TOOLS[@]}"; do
			grep -qw -e "$tool" "$file" || {
				echo "$file does not name $tool"
				return 1
			}
		done
	done
}

@test "collabd: the same options in --help, in collabd(8), in the completions and in collabd.conf" {
	"$BUILD/collabd" --complete-options | cut -f 1 | LC_ALL=C sort >"$BATS_TEST_TMPDIR/options"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/options")" -gt 25 ]
	echo "< can be completed, > in --help"
	diff "$BATS_TEST_TMPDIR/options" <("$BUILD/collabd" --help | grep '^ ' | grep -v '^          ' |
		grep -oE -- '(^| )--?[a-zA-Z][a-z-]*' | tr -d ' ' | LC_ALL=C sort -u)
	echo "< can be completed, > in collabd(8)"
	diff "$BATS_TEST_TMPDIR/options" <(options_in_page man/collabd.8)
	for file in completions/pmr.bash completions/_pmr completions/pmr.fish; do
		grep -qw collabd "$file"
	done
}
