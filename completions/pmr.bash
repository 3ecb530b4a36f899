# Completion of collabd and the pmr tools for bash.  Verbs, options and operands come from the tools
# themselves; ids from the server, if it answers at once.
# shellcheck shell=bash

# What the command can take, "word TAB argument TAB help" a line, to table; of its verb alone, to
# _pmr_verb, if there is one.  A line without a word says what the operands are.
_pmr_table() {
	local word
	table=$("${_pmr_command[@]}" --complete-options 2>/dev/null)
	for word in "${_pmr_words[@]}"; do
		[[ $word != -* && $'\n'$table == *$'\n'"$word"$'\t'* ]] || continue
		_pmr_verb=$word
		table=$("${_pmr_command[@]}" "$word" --complete-options 2>/dev/null)
		return
	done
}

# The options typed that say which server and session are meant.
_pmr_target() {
	local i word
	_pmr_where=()
	for ((i = 0; i < ${#_pmr_words[@]}; i++)); do
		word=${_pmr_words[i]}
		case $word in
		-r | -s | -P | --report | --session | --url | --socket | --profile | --token-file | --as)
			[[ ${_pmr_words[i + 1]-} ]] && _pmr_where+=("$word" "${_pmr_words[i + 1]}")
			;;
		esac
	done
}

# ids TOOL VERB MEMBER: that member of each line that it prints, within 300 ms; silent on failure.
_pmr_ids() {
	local run=("pmr-$1")
	[[ ${_pmr_command[0]##*/} == pmr ]] && run=("${_pmr_command[0]}" "$1")
	timeout 0.3 "${run[@]}" "$2" -q -W 0.3 "${_pmr_where[@]}" 2>/dev/null </dev/null |
		sed -n 's/.*"'"$3"'":"\([^"]*\)".*/\1/p'
}

# The candidates for an argument or an operand of this name.
_pmr_candidates() {
	_pmr_target
	case $1 in
	*COMMENT*) _pmr_ids comment list comment_id ;;
	*CONFLICT*) _pmr_ids conflict list conflict_id ;;
	*SECTION*) _pmr_ids section list section_id ;;
	*SESSION*)
		_pmr_where=()
		_pmr_ids session list session_id
		;;
	*REPORT*)
		_pmr_where=()
		_pmr_ids session list report_id
		;;
	USER*) _pmr_ids member list user_id ;;
	*VERB*) "${_pmr_command[0]}" --complete-options 2>/dev/null | cut -f 1 | grep '^[a-z]' ;;
	*'|'*) tr '|' '\n' <<<"$1" | grep -v '[A-Z]' ;;
	esac
}

# The name of the operand that is typed now: those before it are counted.
_pmr_operand() { # TABLE
	local names word skip='' n=0
	names=$(sed -n 's/^\t\([^\t]*\).*/\1/p' <<<"$1")
	[[ $names ]] || return
	for word in "${_pmr_words[@]}"; do
		if [[ $skip ]]; then
			skip=
		elif [[ $word == -* ]]; then
			skip=$(awk -F '\t' -v o="$word" '$1 == o { print $2 }' <<<"$1")
		elif [[ $_pmr_verb != "$word" || $n -gt 0 ]]; then
			n=$((n + 1))
		else
			_pmr_verb=
		fi
	done
	# "ID..." is the name of all that follow.
	read -r -a names <<<"$names"
	[[ $n -ge ${#names[@]} && ${names[-1]} == *...* ]] && n=$((${#names[@]} - 1))
	echo "${names[n]-}"
}

_pmr_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_pmr() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local _pmr_command=("$1") _pmr_words=("${COMP_WORDS[@]:1:COMP_CWORD-1}") _pmr_where=() _pmr_verb=
	local table name candidates
	COMPREPLY=()
	# pmr X is pmr-X.
	if [[ ${1##*/} == pmr && ${_pmr_words[0]-} && ${_pmr_words[0]} != -* && ${_pmr_words[0]} != use && ${_pmr_words[0]} != help ]]; then
		_pmr_command=("$1" "${_pmr_words[0]}")
		_pmr_words=("${_pmr_words[@]:1}")
	fi
	_pmr_table
	name=
	[[ $prev == -* ]] && name=$(awk -F '\t' -v o="$prev" '$1 == o { print $2 }' <<<"$table")
	if [[ -z $name && $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(cut -f 1 <<<"$table")" -- "$cur")
		return
	fi
	candidates=
	[[ -n $name ]] || candidates=$(cut -f 1 <<<"$table" | grep '^[a-z]')
	[[ -n $name || -n $candidates ]] || name=$(_pmr_operand "$table")
	case $name in
	*FILE* | PATH | '')
		[[ -n $candidates ]] || {
			_pmr_files "$cur"
			return
		}
		;;
	*) candidates=$(_pmr_candidates "$name") ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$cur")
}

complete -F _pmr collabd pmr pmr-admin pmr-bench pmr-comment pmr-conflict pmr-each pmr-join pmr-lock pmr-log \
	pmr-member pmr-section pmr-send pmr-session pmr-token pmr-top pmr-wait pmr-watch
