# pmr-bench: its load is what was asked for, and its counts are those of the server.
# shellcheck shell=bash disable=SC2016

load helper

setup_file() {
	printf '[limits]\nsession_starts_per_minute = 0\nmessages_per_second = 0\n' >"$BATS_FILE_TMPDIR/conf"
}

setup() {
	daemon_start --config "$BATS_FILE_TMPDIR/conf"
}

teardown() {
	clean_up
}

# bench ARGUMENT...: a short run over the Unix socket.
bench() {
	run --separate-stderr "$BUILD/pmr-bench" --socket "$SOCKET" --duration 0.2 --warmup 0.1 "$@" </dev/null
	BODY=$output
}

# is FILTER: true of the result.
is() {
	jq -e "$1" <<<"$BODY" >/dev/null || fail_with "not $1 in: $BODY" "$stderr"
}

clean='.missing == 0 and .duplicate == 0 and .reordered == 0 and .unanswered == 0 and .lost == 0 and .errors == 0'

@test "one writer, one reader: everything is acked and everything comes, once and in order" {
	bench
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	is "$clean"
	is '.type == "bench" and .acked > 0 and .deliveries > 0 and .connections == 2'
	is '.ack_us.count > 0 and .ack_us.min <= .ack_us.p50 and .ack_us.p50 <= .ack_us.p99 and .ack_us.p99 <= .ack_us.max'
	is '.delivery_us.count > 0 and .delivery_us.p50 > 0'
	[ -z "$stderr" ]
}

@test "the log holds what was acked, and the sessions are ended" {
	bench --sessions 2 --writers 2 --readers 2 --window 4 --name load
	is "$clean"
	is '.connections == 8'
	total=0
	for i in 1 2; do
		api GET "/api/reports/pmr/load-$i/collaborate/state"
		want 200 '"ended_at"'
		total=$((total + $(json .seq)))
	done
	# What was acked while it was measured is among them, and what the warm-up sent.
	[ "$total" -ge "$(jq .acked <<<"$output")" ]
}

@test "a rate is kept, whatever the window" {
	bench --rate 200 --window 8 --readers 2 --duration 0.5
	is "$clean"
	is '.acked >= 10 and .acked <= 120 and .deliveries >= 20 and .deliveries <= 240'
}

@test "merge and manual: one change of a section at a time, no conflicts" {
	for strategy in merge manual; do
		bench --strategy $strategy --writers 2 --window 4 --content delta
		[ "$status" -eq 0 ]
		is "$clean"
		is '.acked > 0'
	done
}

@test "stalled and idle readers join and are no trouble" {
	bench --stalled 2 --idle 3 --readers 1
	[ "$status" -eq 0 ]
	is "$clean"
	is '.connections == 7'
}

@test "churn: connections come and go" {
	bench --writers 0 --readers 0 --churn 2
	[ "$status" -eq 0 ]
	is '.churned > 0 and .churned_per_second > 0 and .connect_us.count > 0 and .acked == 0'
}

@test "over TCP with a token" {
	daemon_stop
	scratch
	secret
	daemon_start --config "$BATS_FILE_TMPDIR/conf" --secret-file "$SECRET"
	(umask 077 && "$BUILD/pmr-token" mint --secret-file "$SECRET" --sub bench >"$DIR/token")
	run --separate-stderr "$BUILD/pmr-bench" --url "$URL" --token-file "$DIR/token" --duration 0.2 --readers 3
	BODY=$output
	[ "$status" -eq 0 ]
	is "$clean"
	is '.deliveries > 0'
}

@test "--attach joins the sessions that there are, and leaves them" {
	REPORT=load-1 start
	bench --name load --attach --writers 0
	[ "$status" -eq 0 ]
	is '.connections == 1 and .acked == 0'
	REPORT=load-1 state
	bench --name nothing --attach
	[ "$status" -eq 76 ]
	[[ $stderr == *404* ]]
}

@test "-v draws a table and a plot on stderr; --pid tells what the server uses" {
	bench -v --pid "$PID" --readers 2
	is '.server.rss_max > 1000000 and .server.cpu_ms >= 0'
	[[ $stderr == *'p99.9'*'delivery'*'server:'*'#'* ]]
}

@test "limits that are in the way are told" {
	bench --readers 30
	[ "$status" -eq 76 ]
	[[ $stderr == *': the server refuses a connection: '*' has 20 connections'* && $stderr != *'{'* ]]
	bench --duration x
	[ "$status" -eq 64 ]
}
