#!/usr/bin/env bats
# pmr-top: as text, and on the screen of a terminal of 80x24.

load helper

setup() {
	export PMR_SOCKET PATH=$BUILD:$PATH
	unset PMR_REPORT PMR_SESSION TMUX
	daemon_start
	PMR_SOCKET=$SOCKET
	start
	TERMINAL=
}

teardown() {
	[ -z "$TERMINAL" ] || tmux -S "$TERMINAL" kill-server 2>/dev/null || true
	clean_up
}

# terminal [ARGUMENT]...: pmr-top in a terminal of 80x24.
terminal() {
	TERMINAL=$DIR/tmux
	tmux -S "$TERMINAL" -f /dev/null new-session -d -x 80 -y 24 \
		"env PMR_SOCKET='$SOCKET' pmr-top -d 0.5 $* 2>'$DIR/top.err'; echo \"ended with \$?\" >'$DIR/top.status'" 3>&- 4>&-
}

# screen TEXT...: wait until the screen holds every TEXT; it is then in SCREEN.
screen() {
	local text end=$((SECONDS + PATIENCE)) all
	while [ $SECONDS -lt $end ]; do
		SCREEN=$(tmux -S "$TERMINAL" capture-pane -p 2>/dev/null) || true
		all=1
		for text; do
			[[ $SCREEN == *"$text"* ]] || all=
		done
		[ -z "$all" ] || return 0
	done
	fail_with "not on the screen: $*" "$SCREEN" "$(cat "$DIR/top.err" 2>/dev/null)"
}

# press KEY...
press() {
	tmux -S "$TERMINAL" send-keys "$@"
}

# ended: wait until it has; its status to STATUS.
ended() {
	local end=$((SECONDS + PATIENCE))
	until [ -s "$DIR/top.status" ]; do
		[ $SECONDS -lt $end ] || fail_with "it goes on" || return 1
	done
	STATUS=$(sed 's/ended with //' "$DIR/top.status")
}

@test "-b prints text, -n times" {
	join a eddy
	REPORT=pmr-2 start
	run -0 --separate-stderr pmr-top -b -n 1
	[[ ${lines[0]} == "collabd up "*"  sessions 2  online 1  connections 1  slow 0" ]]
	[[ ${lines[1]} == "events/s 0.0  deliveries/s 0.0"* ]]
	[[ ${lines[2]} == "loop lag "*" ms  commit p99 "*" ms  queues 0  slow closes 0" ]]
	[[ ${lines[3]} == "store: "*" bytes, "*" free, "*" pending, 0 commits failed" ]]
	[[ ${lines[4]} == "REPORT "*"EV/S*"*"IDLE" ]]
	[ "${#lines[@]}" = 7 ]
	[ "$(printf '%s\n' "${lines[@]:5}" | awk '{ print $1, $5 }' | sort)" = $'pmr-1 1\npmr-2 0' ]
	run -0 --separate-stderr pmr-top -b -n 2 -d 0.5 -o conn
	[ "$(grep -c ^collabd <<<"$output")" = 2 ]
	[ "$(grep -A 1 CONN <<<"$output" | tail -n 1 | cut -c 1-5)" = pmr-1 ]
}

@test "without a terminal it says so; who may not look is told" {
	run -64 --separate-stderr pmr-top
	[[ $stderr == *"-b prints text"* ]]
	run -64 --separate-stderr pmr-top -b -o nonsense
	run -64 pmr-top -b -d 0.01
	run -69 pmr-top -b --socket "$DIR/nobody"
	clean_up
	secret
	daemon_start --secret-file "$SECRET"
	mint '{"sub":"ann","scope":"collab:read"}'
	(umask 077 && printf '%s' "$TOKEN" >"$DIR/token")
	run -77 env -u PMR_SOCKET pmr-top -b --url "$URL" --token-file "$DIR/token"
}

@test "the screen is live, sorts, switches, pauses, and fits 80x24" {
	local i
	for i in {1..30}; do
		REPORT=report-$i api POST start "user-$i" '{}'
		want 201
	done
	join a eddy
	terminal
	screen "sessions 31  online 1  connections 1" "EV/S*" "q quit  < > sort by"
	[ "$(wc -l <<<"$SCREEN")" -le 24 ]
	[ "$(awk '{ if (length($0) > n) n = length($0) } END { print n }' <<<"$SCREEN")" -le 80 ]
	# What happens shows.
	join b vera
	screen "online 2  connections 2"
	press '>'
	screen "ONLN*"
	[ "$(grep -A 1 'ONLN\*' <<<"$SCREEN" | tail -n 1 | cut -c 1-6)" = "pmr-1 " ]
	press r
	screen "ONLN-"
	! grep -q "^pmr-1 " <<<"$SCREEN"
	press NPage NPage NPage
	screen "pmr-1 "
	press Tab
	screen "CONNECTION"
	! grep -q "^pmr-1 " <<<"$SCREEN"
	press Tab
	screen "REPORT"
	press p
	screen "PAUSED"
	press p
	screen "q quit"
	# Another size.
	tmux -S "$TERMINAL" resize-window -x 60 -y 12
	screen "q quit"
	until [ "$(tmux -S "$TERMINAL" capture-pane -p | sed '/^$/d' | wc -l)" -le 12 ]; do :; done
	screen "store: "
	press q
	ended
	[ "$STATUS" = 0 ]
	[ ! -s "$DIR/top.err" ]
}

@test "who is slow is shown with the session it is in" {
	local i
	join a eddy
	kill -STOP "${WS_PIDS[a]}"
	for i in {1..5}; do # more than the kernel keeps for it
		jq -cn --arg i "$i" '{changes:{content:("x" * 400000 + $i)}}' >"$DIR/body"
		api PUT sections/intro olga "@$DIR/body"
		want 200
	done
	terminal
	screen "slow 1"
	press Tab
	screen "CONNECTION" "LAG*" "${SESSION:0:8}"
	grep -qE "^[0-9]+ eddy +pmr-1 +${SESSION:0:8} +[0-9]+ +[1-9][0-9]* " <<<"$SCREEN"
	[ "$(awk '{ if (length($0) > n) n = length($0) } END { print n }' <<<"$SCREEN")" -le 80 ]
	press '>'
	screen "QUEUE*"
	press q
	ended
	[ "$STATUS" = 0 ]
}

@test "a daemon that goes and comes back is said, and seen" {
	terminal
	screen "sessions 1"
	daemon_stop
	screen "cannot"
	daemon_start
	api GET session olga
	want 200
	screen "events/s" "sessions 1"
	press q
	ended
	[ "$STATUS" = 0 ]
}

@test "a signal puts the terminal in order first" {
	terminal
	screen "sessions 1"
	pid=$(pgrep -P "$(tmux -S "$TERMINAL" display-message -p '#{pane_pid}')")
	kill -TERM "$pid"
	ended
	[ "$STATUS" = 143 ]
}

@test "the examples of the manual work as they stand there" {
	local line n=0
	while IFS= read -r line; do
		n=$((n + 1))
		[[ $line == *" -b "* ]] || continue # what is on the screen is looked at above
		run -0 --separate-stderr bash -o pipefail -c "$line"
		[[ $output == *"$REPORT"* ]]
	done < <(sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/s/^\$ //p' "$REPO/man/pmr-top.1")
	[ "$n" = 2 ]
}
