#!/usr/bin/env bats
# Which server, who, which session: options before the environment before files; and what the tools
# share beyond that.
# shellcheck shell=bash

load helper

setup() {
	scratch
	secret
	daemon_start --secret-file "$SECRET"
	start
	export PATH=$BUILD:$PATH HOME=$DIR XDG_CONFIG_HOME=$DIR/config XDG_RUNTIME_DIR=$DIR/run XDG_STATE_HOME=$DIR/state
	unset PMR_SOCKET PMR_REPORT PMR_SESSION PMR_URL PMR_TOKEN PMR_TOKEN_FILE PMR_PROFILE PMR_CONFIG PMR_DEBUG
	mkdir -p "$DIR/config/pmr"
	mint "{\"sub\":\"eddy\",\"name\":\"Eddy\",\"exp\":$(($(date +%s) + 600))}"
	(umask 077 && echo "$TOKEN" >"$DIR/token")
}

teardown() {
	[ -z "${REFUSES:-}" ] || kill "$REFUSES"
	clean_up
}

# conf LINE...: the user's pmr.conf.
conf() {
	printf '%s\n' "$@" >"$DIR/config/pmr/pmr.conf"
}

# who: as whom a change is made with these words.
who() {
	pmr-comment add "$@" intro hello >"$DIR/ack" || return
	pmr-log events -r "$REPORT" --socket "$SOCKET" -S "$(($(jq .seq "$DIR/ack") - 1))" -n 1 | jq -r .user_id
}

@test "the server: an option, the environment, the file, the usual place" {
	run -0 pmr-session list --socket "$SOCKET"
	PMR_SOCKET=$SOCKET run -0 pmr-session list
	conf "socket = $SOCKET"
	run -0 pmr-session list
	PMR_SOCKET=$DIR/none run -69 pmr-session list
	PMR_URL=http://127.0.0.1:1 run -69 pmr-session list
	PMR_SOCKET=$DIR/none run -0 pmr-session list --socket "$SOCKET"
	rm "$DIR/config/pmr/pmr.conf"
	mkdir "$DIR/run"
	ln -s "$SOCKET" "$DIR/run/collabd.sock"
	run -0 pmr-session list
	run -64 pmr-session list --url "$URL" --socket "$SOCKET"
	[[ $output == *'exclude each other'* ]]
}

@test "the session: an option, the environment, the file; -s - from stdin" {
	conf "socket = $SOCKET" 'report = none'
	run -66 pmr-section get intro
	[ "$(PMR_REPORT=$REPORT pmr-section get intro)" = Hello ]
	[ "$(PMR_SESSION=$SESSION pmr-section get intro)" = Hello ]
	[ "$(PMR_SESSION=$SESSION PMR_REPORT=none pmr-section get intro)" = Hello ]
	PMR_SESSION=$SESSION run -66 pmr-section get -r none intro
	[ "$(PMR_REPORT=none pmr-section get -s "${SESSION:0:8}" intro)" = Hello ]
	[ "$(echo "{\"session_id\":\"$SESSION\"}" | pmr-section get -s - intro)" = Hello ]
	run -64 pmr-section get -s "${SESSION:0:7}" intro
	run -66 pmr-section get -s 00000000 intro
	run -64 pmr-section get -r a -s "$SESSION" intro
	run -65 pmr-section get -s - intro </dev/null
	conf "socket = $SOCKET"
	run -64 pmr-section get intro
}

@test "profiles: by option, by environment, by the file itself; before what stands outside" {
	conf "socket = $DIR/none" "report = $REPORT" '[profile here]' "socket = $SOCKET" '[profile other]' 'report = none' "socket = $SOCKET"
	run -69 pmr-section get intro
	[ "$(pmr-section get -P here intro)" = Hello ]
	[ "$(PMR_PROFILE=here pmr-section get intro)" = Hello ]
	PMR_PROFILE=here run -66 pmr-section get -P other intro
	run -78 pmr-section get -P missing intro
	[[ $output == *'no profile "missing"'* ]]
	conf "socket = $DIR/none" "report = $REPORT" 'profile = here' '[profile here]' "socket = $SOCKET"
	[ "$(pmr-section get intro)" = Hello ]
	PMR_PROFILE=missing run -78 pmr-section get intro
}

@test "pmr.conf: what is wrong in it is told with its line" {
	conf "socket = $SOCKET" 'colour = red'
	run -78 pmr-session list
	[[ $output == *'pmr.conf:2: unknown key "colour"'* ]]
	conf '[nowhere]' 'report = x'
	run -78 pmr-session list
	[[ $output == *'unknown section [nowhere]'* ]]
	conf 'token = abc'
	run -78 pmr-session list
	PMR_CONFIG=$DIR/missing run -78 pmr-session list
	printf 'socket = %s\n' "$SOCKET" >"$DIR/mine"
	PMR_CONFIG=$DIR/mine run -0 pmr-session list
}

@test "tokens: a file, a descriptor, the environment; never one that others can read" {
	conf "report = $REPORT"
	[ "$(who --url "$URL" --token-file "$DIR/token")" = eddy ]
	[ "$(who --url "$URL" --token-fd 7 7<"$DIR/token")" = eddy ]
	[ "$(PMR_TOKEN=$TOKEN who --url "$URL")" = eddy ]
	[ "$(PMR_TOKEN_FILE=$DIR/token who --url "$URL")" = eddy ]
	conf "report = $REPORT" "token-file = $DIR/token"
	[ "$(who --url "$URL")" = eddy ]
	PMR_TOKEN_FILE=/dev/null run -78 pmr-session list --url "$URL"
	for mode in 640 604 660; do
		chmod $mode "$DIR/token"
		for tool in 'session list' 'section list' 'log events' 'watch -S 0 -n 1' 'wait --for no-locks' 'token show'; do
			# shellcheck disable=SC2086 # words
			run -78 pmr-${tool%% *} ${tool#* } --token-file "$DIR/token"
			[[ $output == *'can be read by others'* ]] || fail_with "$tool: $output"
		done
		run -78 pmr-send --url "$URL" --token-file "$DIR/token" </dev/null
		run -78 pmr-join --url "$URL" --token-file "$DIR/token" </dev/null
	done
	conf "report = $REPORT"
	run -78 pmr-session list --url "$URL" --token-file "$DIR/none"
	run -77 pmr-session list --url "$URL"
}

@test "--as: an administrator acts as another, with that user's rights only" {
	conf "socket = $SOCKET" "report = $REPORT"
	[ "$(who --as cora)" = cora ]
	run -77 pmr-section set --as vera intro </dev/null
	conf "socket = $SOCKET" "report = $REPORT" 'as = cora'
	[ "$(who)" = cora ]
	run -77 pmr-comment add --url "$URL" --token-file "$DIR/token" --as cora intro hello
}

@test "--dry-run: the request, and nothing happens" {
	conf "socket = $SOCKET" "report = $REPORT"
	state
	before=$SEQ
	echo text >"$DIR/text"
	while read -r line; do
		# shellcheck disable=SC2086 # words
		run -0 --separate-stderr $line --dry-run
		[ "$(jq -r '.method' <<<"$output" | grep -cE '^(POST|PUT|PATCH|DELETE)$')" = 1 ] || fail_with "$line: $output"
		[ "$(jq -r .path <<<"$output" | grep -c '^/api/')" = 1 ] || fail_with "$line: $output"
	done <<-END
		pmr-session start -r other
		pmr-session end
		pmr-section set intro $DIR/text
		pmr-section delete intro
		pmr-comment add intro hello
		pmr-comment resolve 00000000-0000-4000-8000-000000000000
		pmr-member add ann
		pmr-member role eddy viewer
		pmr-member remove eddy
		pmr-member presence --ttl 60
		pmr-conflict resolve 00000000-0000-4000-8000-000000000000 --current
	END
	state
	[ "$SEQ" = "$before" ]
	run -66 pmr-section list -r other
}

@test "--retry: so often while the server cannot be reached; a change is made once" {
	conf "socket = $SOCKET" "report = $REPORT"
	daemon_kill
	run -69 pmr-comment add intro hello
	run -69 pmr-comment add --retry 1 intro hello
	run -124 pmr-comment add --retry forever -W 0.3 intro hello
	run -64 pmr-comment add --retry often intro hello
	pmr-comment add --retry forever -W "$PATIENCE" --as cora intro 'after all' >"$DIR/ack" 2>/dev/null 3>&- &
	late=$!
	daemon_start --secret-file "$SECRET"
	wait $late
	[ "$(pmr-comment list | jq -s 'map(select(.content=="after all"))|length')" = 1 ]
}

@test "a server that asks for time gets it, from every tool" {
	local tool port pid pids=() times end=$((SECONDS + PATIENCE))
	perl "$REPO/tests/bats/helpers/refuse.pl" 1 >"$DIR/requests" 3>&- 4>&- &
	REFUSES=$!
	until read -r port <"$DIR/requests"; do
		((SECONDS < end)) || fail_with "no server"
	done
	for tool in pmr-watch pmr-join pmr-send "pmr-wait --for ended" "pmr-section get intro" "pmr-section set intro"; do
		# shellcheck disable=SC2086 # words
		$tool --url "http://127.0.0.1:$port" -r "of-${tool// /-}" --retry 1 </dev/null >/dev/null 2>&1 3>&- 4>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		! wait "$pid"
	done
	for tool in pmr-watch pmr-join pmr-send pmr-wait---for-ended pmr-section-get-intro pmr-section-set-intro; do
		mapfile -t times < <(grep "of-$tool/" "$DIR/requests" | cut -d ' ' -f 1)
		[ "${#times[@]}" = 2 ] || fail_with "$tool: $(cat "$DIR/requests")"
		# Of itself it would have waited for three quarters of a second at most.
		((times[1] - times[0] >= 1000)) || fail_with "$tool: after $((times[1] - times[0])) ms"
	done
}

@test "who tries again at once with others does not come again at once with them" {
	local i pids=()
	for i in {1..10}; do
		pmr-session list --socket "$DIR/none" --retry 1 2>"$DIR/said$i" 3>&- 4>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		! wait "$i"
	done
	[ "$(cat "$DIR"/said* | grep -c 'trying again in 0\.[2-7] s')" = 10 ]
	[ "$(cat "$DIR"/said* | grep 'trying again' | sort -u | wc -l)" -gt 1 ]
}

@test "a server that cannot be reached: why" {
	local tool
	touch "$DIR/file"
	for tool in "pmr-session list" "pmr-watch -r x"; do
		PMR_SOCKET=$DIR/none run -69 --separate-stderr $tool
		[[ $stderr == *": cannot reach $DIR/none: No such file or directory" ]] || fail_with "$stderr"
		PMR_SOCKET=$DIR/file run -69 --separate-stderr $tool
		[[ $stderr == *": Connection refused" ]] || fail_with "$stderr"
		run -69 --separate-stderr env -u PMR_SOCKET $tool --url http://127.0.0.1:1
		[[ $stderr == *": Connection refused" ]] || fail_with "$stderr"
	done
}

@test "-W and -n and -q and -v" {
	conf "socket = $SOCKET" "report = $REPORT"
	run -124 --separate-stderr pmr-watch -W 0.2
	[ "$(pmr-watch -S 0 -n 2 | wc -l)" = 2 ]
	[ "$(pmr-member list -n 1 | wc -l)" = 1 ]
	run -64 pmr-watch -n x
	run -64 pmr-watch -W soon
	run -66 --separate-stderr pmr-section get -q none
	[ -z "$stderr" ]
	run -0 --separate-stderr pmr-section get -v intro
	[[ $output == Hello && $stderr == *GET* ]]
	PMR_DEBUG=1 run -0 --separate-stderr pmr-section get intro
	[[ $stderr == *GET* ]]
}
