# libcollab(3) is about what there is: the symbols that the library exports, the functions that
# collab.h declares and the page's synopsis are the same, word for word.
# shellcheck shell=bash

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	BUILD=${BUILD:-$PWD/build}
	PAGE=man/libcollab.3
	HEADER=libcollab/collab.h
}

# What collab.h declares, one a line, without comments and with single blanks.
declared() {
	perl -0777 -pe 's{/\*.*?\*/}{}gs; s{^#.*?$}{}gm; s/extern "C" \{//; s/\{[^{}]*\}//gs' "$HEADER" |
		tr -s '\n\t ' ' ' | tr ';' '\n' | grep -o '[a-z][^;]*collab_[a-z_]*(.*)$' |
		sed 's/( /(/g; s/ *$//' | LC_ALL=C sort
}

# What the page's synopsis has, in the same form.
in_synopsis() {
	perl -ne 'if (/^\.Ft (.*)/) { $type = $1; $type .= " " unless $type =~ /\*$/ }
		elsif (/^\.Fn (\w+) (.*)/) { my ($name, $args) = ($1, $2);
			print $type, $name, "(", join(", ", $args =~ /"([^"]*)"/g), ")\n" }
		exit if /^\.Sh DESCRIPTION/' "$PAGE" | LC_ALL=C sort
}

@test "the library exports what collab.h declares" {
	diff <(nm -D --defined-only "$BUILD/libcollab.so" | sed -n 's/.* T \(collab_[a-z_]*\).*/\1/p' | LC_ALL=C sort) \
		<(declared | sed 's/.*\(collab_[a-z_]*\)(.*/\1/; s/(.*//' | LC_ALL=C sort)
}

@test "libcollab(3) declares what collab.h declares" {
	[ "$(declared | wc -l)" -gt 40 ]
	diff <(declared) <(in_synopsis)
}

@test "libcollab(3) describes each function, member and constant" {
	local word text
	text=$(sed -n '/^\.Sh DESCRIPTION/,/^\.Sh EXAMPLES/p' "$PAGE")
	for word in $(in_synopsis | grep -o 'collab_[a-z_]*(' | tr -d '('); do
		grep -Eq "^\.Fn $word( |\$)" <<<"$text" || {
			# The _new and _free functions are told of together, by what they have in common.
			[[ $word == collab_*_free ]] && continue
			[[ $word == collab_*_new ]] && grep -q "struct ${word%_new}" <<<"$text" && continue
			echo "$PAGE does not say what $word does"
			return 1
		}
	done
	for word in $(grep -o '^\s*COLLAB_[A-Z]*\|enum collab_unit {.*}' "$HEADER" | grep -o 'COLLAB_[A-Z]*'); do
		grep -q "^\.Dv $word\b\|^\.It Dv $word\$" <<<"$text" || {
			echo "$PAGE does not tell of $word"
			return 1
		}
	done
	for word in $(perl -0777 -ne 's{/\*.*?\*/}{}gs;
			while (/^struct collab_(err|response|join|message|change|run) \{(.*?)^\};/gms) {
				my $body = $2; print "$1\n" while $body =~ /(\w+)(?:\[\d+\])?[;,]/g }' "$HEADER"); do
		grep -Eq "^\.(It |Pq )?(of )?Va (.*[ ,])?$word( |\$)" <<<"$text" || {
			echo "$PAGE does not tell of the member $word"
			return 1
		}
	done
}
