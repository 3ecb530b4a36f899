#!/usr/bin/env bats
# Completion in bash, zsh and fish, without a terminal: what they would offer.
# shellcheck shell=bash

load helper

setup() {
	daemon_start
	start
	export PMR_SOCKET=$SOCKET PATH=$BUILD:$PATH HOME=$DIR XDG_STATE_HOME=$DIR/state XDG_CONFIG_HOME=$DIR/config
	export LC_ALL=C.UTF-8
	unset PMR_REPORT PMR_SESSION PMR_PROFILE PMR_CONFIG
	cd "$DIR" || return 1
	pmr-comment add -r "$REPORT" --as cora intro Hello >ack
	COMMENT=$(jq -r .comment_id ack)
}

teardown() {
	clean_up
}

# in_bash LINE: what is offered at its end, one a line.
in_bash() {
	bash --norc -c '
		source "$1"
		read -r -a COMP_WORDS <<<"$2"
		[[ $2 != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_pmr "${COMP_WORDS[0]}" 2>/dev/null
		printf "%s\n" "${COMPREPLY[@]}"' bash "$REPO/completions/pmr.bash" "$1"
}

# in_zsh LINE: the same; the functions of the completion system write what they are given.
in_zsh() {
	zsh -f -c '
		compadd() { [[ $1 == -a ]] && shift; print -rl -- ${(P)1} }
		_describe() { [[ $1 == -o ]] && shift; print -rl -- ${${(P)2}%%:*} }
		_files() { print -rl -- *(N) }
		_message() { : }
		words=(${=2}); [[ $2 == *" " ]] && words+=("")
		CURRENT=$#words
		complete_it() { source "$1" }
		complete_it "$1"' zsh "$REPO/completions/_pmr" "$1"
}

in_fish() {
	fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$REPO/completions/pmr.fish" "$1" | cut -f 1
}

# offers LINE WORD...: every shell offers these words there.
offers() {
	local shell word
	for shell in bash zsh fish; do
		"in_$shell" "$1" >offered
		for word in "${@:2}"; do
			grep -qxF -e "$word" offered || fail_with "$shell does not offer $word after: $1" "$(cat offered)" || return 1
		done
	done
}

# offers_not LINE WORD...: no shell offers any of them.
offers_not() {
	local shell word
	for shell in bash zsh fish; do
		"in_$shell" "$1" >offered
		for word in "${@:2}"; do
			! grep -qxF -e "$word" offered || fail_with "$shell offers $word after: $1" || return 1
		done
	done
}

@test "verbs and options, those of the verb when it is there" {
	offers 'pmr-session ' start show list end
	offers 'pmr-session -' --report --url --fresh
	offers 'pmr-session end -' --reason
	offers_not 'pmr-session end -' --fresh
	offers 'pmr-section -r pmr-1 set -' --merge
	offers_not 'pmr-section -r pmr-1 set -' --to
	offers 'collabd --' --listen --config
}

# The long options of a --help text, one a line.
in_help() {
	grep -oE '^ +(-., )?--[a-z][a-z-]*' | grep -oE -e '--.*' | LC_ALL=C sort
}

@test "every option of --help is offered, and no other: of every tool, and every verb in bash" {
	local tool verb shell
	for tool in collabd pmr "$REPO"/cmd/pmr-*.c; do
		tool=${tool##*/} tool=${tool%.c}
		for shell in bash zsh fish; do
			diff <("$tool" --help | in_help) <("in_$shell" "$tool --" | grep '^--' | LC_ALL=C sort -u) ||
				fail_with "$shell, $tool: < in --help, > offered" || return 1
		done
		[[ $tool != pmr-* ]] || for verb in $("$tool" --complete-options | cut -f 1 | grep '^[a-z]'); do
			diff <("$tool" "$verb" --help | in_help) <(in_bash "$tool $verb --" | grep '^--' | LC_ALL=C sort -u) ||
				fail_with "$tool $verb: < in --help, > offered" || return 1
			diff <("$tool" "$verb" --help | in_help) <(in_bash "pmr ${tool#pmr-} $verb --" | grep '^--' | LC_ALL=C sort -u) ||
				fail_with "pmr ${tool#pmr-} $verb: < in --help, > offered" || return 1
		done
	done
}

@test "pmr: its verbs, and then what the tool's are" {
	offers 'pmr ' session watch use help
	offers 'pmr session ' start list
	offers 'pmr session end -' --reason
	offers 'pmr help ' section wait
	[ -n "${VALGRIND:-}" ] || offers "pmr section get -r $REPORT " intro
}

# soon: a server gets 0.3 seconds.
soon() {
	[ -z "${VALGRIND:-}" ] || skip "valgrind takes longer to start a tool than a completion waits"
}

@test "reports and sessions that there are" {
	soon
	offers 'pmr-section get -r ' "$REPORT"
	offers 'pmr-section get --session ' "$SESSION"
	offers 'pmr-session end ' "$SESSION"
	offers 'pmr use ' "$SESSION"
}

@test "sections, comments and users of the session that is meant" {
	soon
	offers "pmr-section -r $REPORT get " intro
	offers "pmr-section get -r $REPORT " intro
	offers "pmr-lock -r $REPORT " intro
	offers "pmr-comment add -r $REPORT " intro
	offers "pmr-comment resolve -r $REPORT " "$COMMENT"
	offers "pmr-comment resolve -r $REPORT x " "$COMMENT"
	offers "pmr-member role -r $REPORT " eddy vera
	offers "pmr-member role -r $REPORT eddy " editor viewer
	PMR_REPORT=$REPORT offers 'pmr-section get ' intro
	offers_not 'pmr-section get -r none ' intro
}

@test "what an option can be" {
	offers 'pmr-session start --strategy ' merge manual
	touch a-file
	offers 'pmr-session start --sections ' a-file
	offers "pmr-section set -r $REPORT intro " a-file
}

@test "no server, or one that does not answer: silent, and soon" {
	daemon_stop
	PID=
	for shell in bash zsh fish; do
		run -0 --separate-stderr "in_$shell" "pmr-section get -r $REPORT "
		[ -z "${output//$'\n'/}" ] && [ -z "$stderr" ] || fail_with "$shell: $output $stderr"
	done
	# One that accepts and says nothing.
	perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 5) or die; $| = 1; print "up\n"; 1 while @c = (@c, $s->accept)' "$DIR/mute" >"$DIR/mute.out" 3>&- &
	mute=$!
	until [ -s "$DIR/mute.out" ]; do :; done
	for shell in bash zsh fish; do
		PMR_SOCKET=$DIR/mute run --separate-stderr timeout 5 bash -c "$(declare -f in_bash in_zsh in_fish); REPO=$REPO in_$shell 'pmr-section get -r $REPORT '"
		[ "$status" = 0 ] && [ -z "${output//$'\n'/}" ] && [ -z "$stderr" ] || fail_with "$shell: $status $output $stderr"
	done
	kill $mute
}
