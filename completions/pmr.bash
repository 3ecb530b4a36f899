# Completion of the pmr tools for bash.  Verbs and options come from the tools themselves.
# shellcheck shell=bash

# What the tool can take, "word TAB argument TAB help" a line; of its verb alone if there is one.
_pmr_table() {
	local word
	# The verb is the first operand that the tool knows; others may be options' arguments.
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		[[ $word == -* ]] && continue
		"$1" "$word" --complete-options 2>/dev/null && return
	done
	"$1" --complete-options 2>/dev/null
}

# The candidates for the argument that the option before the cursor wants.
_pmr_arguments() {
	case $1 in
	REPORT | SESSION)
		pmr-session list -q -W 1 2>/dev/null |
			sed -n 's/.*"'"${1,,}"'_id":"\([^"]*\)".*/\1/p'
		;;
	*'|'*) tr '|' '\n' <<<"$1" | grep -v '[A-Z]' ;;
	esac
}

_pmr_files() {
	compopt -o filenames
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_pmr() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local table argument candidates
	COMPREPLY=()
	table=$(_pmr_table "$1")
	argument=
	[[ $prev == -* ]] && argument=$(awk -F '\t' -v o="$prev" '$1 == o { print $2 }' <<<"$table")
	case $argument in
	FILE | PATH)
		_pmr_files "$cur"
		return
		;;
	?*) candidates=$(_pmr_arguments "$argument") ;;
	*)
		candidates=$(cut -f 1 <<<"$table")
		[[ $cur == -* ]] || candidates=$(grep -v '^-' <<<"$candidates")
		[[ -n $candidates ]] || {
			_pmr_files "$cur"
			return
		}
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$cur")
}

complete -F _pmr collabd pmr-admin pmr-bench pmr-comment pmr-conflict pmr-each pmr-join pmr-lock pmr-log \
	pmr-member pmr-section pmr-send pmr-session pmr-token pmr-top pmr-wait pmr-watch
