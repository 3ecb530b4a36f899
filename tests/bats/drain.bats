#!/usr/bin/env bats
# SIGTERM and pmr-admin drain hand clients over without loss: writers, watchers and joiners go on
# with the next daemon, every message is acknowledged once and every event shown once.  ROUNDS=n
# repeats; LONG=1 restarts many times.

load helper

setup() {
	scratch
	if [ -n "${LONG:-}" ]; then ROUNDS=${ROUNDS:-40}; else ROUNDS=${ROUNDS:-3}; fi
}

teardown() {
	[ -z "${SEND_PID:-}" ] || kill "$SEND_PID" 2>/dev/null || true
	[ -z "${WATCH_PID:-}" ] || kill "$WATCH_PID" 2>/dev/null || true
	hammer_end
	clean_up
}

# say_line: the next of the lines that pmr-send is fed.
say_line() {
	lines=$((lines + 1))
	echo "{\"type\":\"comment_added\",\"data\":{\"section_id\":\"intro\",\"content\":\"line $lines\"}}" >&7
}

@test "a rolling restart under load loses nothing and repeats nothing" {
	local i j lines=0
	daemon_start
	start
	hammer_start
	hammer add writer 2 user=eddy
	hammer add watcher 3 user=vera query=content=delta
	"$BUILD/pmr-watch" -r "$REPORT" --socket "$SOCKET" --since 0 >"$DIR/watched" 2>>"$DIR/log" 3>&- &
	WATCH_PID=$!
	mkfifo "$DIR/feed"
	"$BUILD/pmr-send" -r "$REPORT" --socket "$SOCKET" --as cora:Cora <"$DIR/feed" >"$DIR/acks" 2>>"$DIR/log" 3>&- &
	SEND_PID=$!
	exec 7>"$DIR/feed" # closed for what is started from here on
	# Both are there: who never was does not wait for a daemon.
	say_line
	until [ -s "$DIR/watched" ] && [ -s "$DIR/acks" ]; do
		read -r -t 0.05 <> <(:) || true
	done
	for ((i = 0; i < ROUNDS; i++)); do
		hammer acks 200
		for ((j = 0; j < 20; j++)); do
			say_line
		done
		if ((i % 2)); then
			"$BUILD/pmr-admin" drain --no-wait --socket "$SOCKET" >>"$DIR/log" 7>&-
		else
			kill -TERM "$PID"
		fi
		# Also what is said while it ends must not be lost.
		for ((j = 0; j < 20; j++)); do
			say_line
		done
		daemon_wait
		daemon_start 7>&-
		# Somebody joins in the middle of it.
		join "joiner$i" olga 7>&-
		ws_close "joiner$i"
		hammer acks 20
	done
	exec 7>&-
	wait "$SEND_PID"
	SEND_PID=
	hammer settle
	hammer verify
	# One ack a line, in order, each a seq of its own.
	[ "$(grep -c '"type":"ack"' "$DIR/acks")" = "$lines" ]
	[ "$(wc -l <"$DIR/acks")" = "$lines" ]
	[ "$(jq .seq "$DIR/acks" | sort -n | uniq | wc -l)" = "$lines" ]
	jq .seq "$DIR/acks" | sort -nc
	# Each comment is in the log once, in the order in which it was said.
	api GET 'events?type=comment_added&user=cora&limit=10000' olga
	json '.events[].comment.content' >"$DIR/said"
	[ "$(cat "$DIR/said")" = "$(seq -f 'line %.0f' "$lines")" ]
	# The watcher has seen every seq, once, in order, to the end.
	state
	i=$SECONDS
	while ! tail -n 1 "$DIR/watched" | grep -q "\"seq\":$SEQ," && ((SECONDS - i < PATIENCE)); do
		read -r -t 0.05 <> <(:) || true
	done
	jq 'select(.event_id) | .seq' "$DIR/watched" >"$DIR/seqs"
	cmp "$DIR/seqs" <(seq "$SEQ")
	# And nobody had to begin anew.
	! grep -q '"resumed":false' "$DIR/watched"
}

@test "a stalled client does not keep the daemon from ending; a second SIGTERM ends it at once" {
	local i t second
	for second in '' again; do
		daemon_start --limit stall_seconds=3600
		[ -n "$second" ] || start
		hammer_start
		hammer add stalled 5 user=vera 'query=state=none'
		hammer add watcher 1 user=cora
		hammer add writer 1 user=eddy size=20000 plain=1
		hammer acks 100
		hammer hush
		t=$SECONDS
		kill -TERM "$PID"
		if [ -n "$second" ]; then
			i=$SECONDS
			while ! tail -n 2 "$DIR/log" | grep -q 'stopping: SIGTERM' && ((SECONDS - i < PATIENCE)); do
				:
			done
			kill -TERM "$PID"
		fi
		daemon_wait
		echo "# ended after $((SECONDS - t)) s"
		if [ -n "$second" ]; then
			within $((SECONDS - t)) 5
			grep -q 'stopping at once' "$DIR/log"
		else
			within $((SECONDS - t)) 15
		fi
		hammer_end
		rm "$DIR/hammer.in" "$DIR/hammer.out"
	done
	# What was acknowledged is there.
	daemon_start
	api GET sections/s0 olga
	want 200 '"content":"'
}
