#!/usr/bin/env bats
# Slow, silent and greedy clients hurt only themselves: what the daemon uses for them stays below
# the bounds of collabd(8), and nobody else waits for them, neither in their session nor in another.
# A delay is judged against a second, where what must not happen would take the stall limit or more.
#
# helpers/hammer.c makes the many clients.

load helper

setup() {
	scratch
}

teardown() {
	hammer_end
	clean_up
}

# begin [FLAG]...: a daemon, a session that will be attacked, and another one with Olga's connection.
begin() {
	local under=()
	if [ "${1:-}" = -e ]; then
		under=(-e "$2")
		shift 2
	fi
	daemon_start "${under[@]}" --limit connections_per_user=0 --limit sockets_per_address=0 "$@"
	REPORT=quiet start
	start
	REPORT=quiet join other eddy
	hammer_start
	rss
	BEFORE=$RSS
}

# rss: the daemon's memory in KiB, to RSS.
rss() {
	RSS=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$PID/status")
}

# grown_less KIB: than since `begin`.
grown_less() {
	rss
	echo "# grown by $((RSS - BEFORE)) KiB; the bound is $1"
	checked || ((RSS - BEFORE < $1))
}

# undelayed: twenty changes in the other session are each acknowledged within a second, and five in
# the one that is attacked.
undelayed() {
	same_undelayed && other_undelayed
}

same_undelayed() {
	local i t worst=0
	for ((i = 0; i < 5; i++)); do
		t=$EPOCHREALTIME
		api PUT sections/beside olga "{\"changes\":{\"content\":\"$i\"}}"
		want 200 || return 1
		t=$(((${EPOCHREALTIME/./} - ${t/./}) / 1000))
		worst=$((t > worst ? t : worst))
	done
	echo "# the same session: $worst ms at most"
	within "$worst" 1000
}

other_undelayed() {
	local i t worst=0
	for ((i = 0; i < 20; i++)); do
		t=$EPOCHREALTIME
		ws_ask other "{\"type\":\"section_update\",\"data\":{\"section_id\":\"intro\",\"changes\":{\"content\":\"$i\"}}}" '"type":"ack"' || return 1
		t=$(((${EPOCHREALTIME/./} - ${t/./}) / 1000))
		worst=$((t > worst ? t : worst))
	done
	echo "# the other session: $worst ms at most"
	within "$worst" 1000
}

# shown_within MS: what hammer's well-behaved writers and watchers have seen since its last command.
shown_within() {
	local ack
	field ack_p99 "$HAMMER"
	ack=$VALUE
	field show_p99 "$HAMMER"
	echo "# the same session: acked after $((ack / 1000)) ms, shown after $((VALUE / 1000)) ms (p99)"
	within "$ack" $(($1 * 1000)) && within "$VALUE" $(($1 * 1000))
}

# ---- readers ------------------------------------------------------------------------------------

# crowd N [N WITH LONG]: as many sockets, or what this process may have, to CROWD.
crowd() {
	local most=$(($(ulimit -Hn) - 200))
	CROWD=${1:?}
	[ -z "${LONG:-}" ] || CROWD=${2:-$1}
	CROWD=$((CROWD < most ? CROWD : most))
	echo "# a crowd of $CROWD"
	((CROWD >= 500)) || fail_with "only $most descriptors"
}

@test "a thousand readers that never read, or a byte a second: a number each, and one pull" {
	crowd 1000 5000
	begin --limit stall_seconds=3600 --limit bytes_per_second=0 --limit messages_per_second=0
	hammer add watcher 3 user=cora
	hammer add writer 1 user=eddy size=10000 every=2 plain=1
	hammer acks 200
	hammer add stalled $((CROWD / 2)) user=vera 'query=content=delta&state=none'
	hammer add drip $((CROWD - CROWD / 2)) user=vera every=1000 'query=content=delta&state=none'
	# 20 MB and more go by, 20 GB for all of them.
	hammer acks 2000
	shown_within 1000
	undelayed
	# 64 KiB and a frame each, the tail, what the store reads.
	grown_less $((CROWD * 80 + 32768))
	hammer drop stalled
	hammer drop drip
	hammer settle
}

@test "readers of a byte a millisecond" {
	begin --limit stall_seconds=3600 --limit bytes_per_second=0 --limit messages_per_second=0
	hammer add watcher 2 user=cora
	hammer add drip 200 user=vera 'query=content=delta&state=none'
	hammer add writer 1 user=eddy size=10000 every=2 plain=1
	hammer acks 1000
	shown_within 1000
	undelayed
	grown_less $((200 * 80 + 32768))
	hammer drop drip
	hammer settle
}

@test "a hundred resume far behind at once and want whole texts of a large session" {
	local i x
	begin --limit tail_bytes=65536 --limit bytes_per_second=0 --limit messages_per_second=0
	{
		printf '{"changes":{"content":"'
		head -c 500000 /dev/zero | tr '\0' x
		printf '"}}'
	} >"$DIR/body"
	for ((i = 0; i < 6; i++)); do
		api PUT "sections/large$i" eddy "@$DIR/body"
		want 200
	done
	api PUT sections/typed eddy '{"changes":{"content":""}}'
	want 200
	state
	# Texts that a tail does not hold, and whose changes are operations.
	join typist eddy 'content=delta&state=none'
	x=$(head -c 5000 /dev/zero | tr '\0' x)
	for ((i = 0; i < 30; i++)); do
		ws_ask typist "{\"type\":\"section_update\",\"data\":{\"section_id\":\"typed\",\"base_seq\":$SEQ,\"changes\":{\"delta\":[\"$x\"]}}}" '"type":"ack"'
	done
	ws_close typist
	hammer add watcher $((${#VALGRIND} > 0 ? 20 : 100)) user=vera "query=content=full&since=$SEQ"
	undelayed
	hammer settle
	# A state takes 3 MB; not each of them may have one.
	RSS=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$PID/status")
	echo "# at most $((RSS - BEFORE)) KiB more"
	checked || ((RSS - BEFORE < 131072))
}

@test "who takes nothing is closed with 1013, who takes little is not, and both may resume" {
	begin --limit stall_seconds=2 --limit bytes_per_second=0 --limit messages_per_second=0
	hammer add watcher 2 user=cora
	hammer add writer 1 user=eddy size=10000 every=10 plain=1
	hammer add stalled 20 user=vera 'query=content=delta&state=none' rcvbuf=4096
	hammer add drip 5 user=vera 'query=content=delta&state=none' bytes=200
	hammer closed stalled
	metric collabd_slow_closes_total
	[ "$VALUE" = 20 ]
	undelayed
	hammer wake
	hammer settle
}

@test "three hundred ask for a large log, for its state and for states of the past, and read nothing" {
	local i path=/api/reports/pmr/pmr-1/collaborate request
	secret
	mint '{"sub":"vera"}'
	begin --secret-file "$SECRET" --limit requests_per_minute=0 --limit stall_seconds=3600
	head -c 1000000 /dev/zero | tr '\0' x >"$DIR/xs"
	for ((i = 0; i < 7; i++)); do
		printf '{"changes":{"content":"%s"}}' "$(<"$DIR/xs")" >"$DIR/body"
		api PUT "sections/large$i" eddy "@$DIR/body"
		want 200
	done
	state
	rss
	BEFORE=$RSS
	for request in events state "state?at=$SEQ"; do
		silent 100 "GET $path/$request HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer $TOKEN\r\n\r\n"
		ALL+=("${FDS[@]}")
		undelayed
	done
	FDS=("${ALL[@]}")
	# answer_bytes_per_address, 64 KiB each; what is being made.
	RSS=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$PID/status")
	echo "# at most $((RSS - BEFORE)) KiB more"
	checked || ((RSS - BEFORE < 65536 + 300 * 64 + 65536))
	metric collabd_queue_bytes
	echo "# $VALUE bytes wait"
	((VALUE <= 67108864 + 300 * 65536))
}

# ---- writers ------------------------------------------------------------------------------------

@test "a flood is read as fast as its limit allows, and nothing of it is refused" {
	local acks ms
	begin --limit messages_per_second=200 --limit message_burst=100
	hammer add watcher 2 user=cora
	hammer add writer 1 user=olga every=20 plain=1 max=1000000
	hammer add flood 1 user=eddy size=2000 plain=1
	field acks "$HAMMER"
	acks=$VALUE
	hammer ms 2000
	field ms "$HAMMER"
	ms=$VALUE
	field acks "$HAMMER"
	acks=$((VALUE - acks))
	echo "# $acks acks in $ms ms"
	# The burst, its rate, the well-behaved writer, and a turn of the loop.
	((acks <= 100 + ms * 250 / 1000 + 100))
	((acks >= 100))
	undelayed
	grown_less 32768
	hammer settle
	field errors "$HAMMER"
	[ "$VALUE" = 0 ]
	hammer verify
}

@test "a message of a megabyte in two thousand pieces" {
	local i
	begin
	join e eddy
	{
		echo 'frame fin=0 text={"type":"ping","ref":"pieces","pad":"'
		for ((i = 0; i < 2000; i++)); do
			echo 'frame op=0 fin=0 fill=500'
		done
		echo 'frame op=0 text="}'
	} >"$DIR/pieces"
	cat "$DIR/pieces" >&"${WS_IN[e]}" &
	undelayed
	ws_until e '"type":"pong"' '"ref":"pieces"'
	wait $!
	grown_less 16384
}

# ---- those that say nothing ---------------------------------------------------------------------

# silent N [TEXT]: so many TCP connections that say TEXT and nothing more; their descriptors to FDS.
silent() {
	local fd i
	FDS=()
	for ((i = 0; i < $1; i++)); do
		exec {fd}<>"/dev/tcp/${ADDRESS%:*}/${ADDRESS##*:}"
		[ -z "${2:-}" ] || printf '%b' "$2" >&"$fd"
		FDS+=("$fd")
	done
}

# all_closed: the daemon has closed every one of them.
all_closed() {
	local fd line status
	for fd in "${FDS[@]}"; do
		status=0
		while IFS= read -r -t "$PATIENCE" -u "$fd" line; do
			:
		done || status=$?
		((status < 128)) || fail_with 'not closed' || return 1 # what a time-out would be
		exec {fd}>&-
	done
}

@test "who connects and says nothing is closed, and so are slow headers and slow bodies" {
	begin --limit request_seconds=1
	silent 200
	undelayed
	grown_less 16384
	all_closed
	silent 100 'GET /healthz HTTP/1.1\r\nX-Slow: '
	undelayed
	all_closed
	silent 100 'PUT /api/reports/pmr/pmr-1/collaborate/sections/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{'
	undelayed
	grown_less 16384
	all_closed
}

@test "bodies that do not end: sixteen frames of an address, or of a user of this machine" {
	local at bodies in out line
	begin --limit frame_bytes=65536
	for at in "$ADDRESS" "$SOCKET"; do
		# Seventeen of 60,000 bytes are less than a megabyte; eighteen are more.
		rm -f "$DIR/in" "$DIR/out"
		mkfifo "$DIR/in" "$DIR/out"
		exec {in}<>"$DIR/in" {out}<>"$DIR/out"
		perl "$REPO/tests/bats/helpers/bodies.pl" "$at" 24 60000 7 <"$DIR/in" >"$DIR/out" 2>&1 3>&- 4>&- &
		bodies=$!
		IFS= read -r -t "$((PATIENCE * 2))" -u "$out" line
		[ "$line" = 'refused 7' ] || fail_with "$line"
		undelayed
		grown_less 16384
		echo >&"$in"
		wait "$bodies"
		exec {in}>&- {out}>&-
	done
	# What was held is given back.
	head -c 60000 /dev/zero | tr '\0' x >"$DIR/xs"
	printf '{"changes":{"content":"%s"}}' "$(<"$DIR/xs")" >"$DIR/body"
	api PUT sections/x eddy "@$DIR/body"
	want 200
}

@test "a byte now and then does not buy time" {
	local fd line= t
	begin --limit request_seconds=1
	exec {fd}<>"/dev/tcp/${ADDRESS%:*}/${ADDRESS##*:}"
	t=$SECONDS
	printf 'GET /healthz HTTP/1.1\r\nX-Slow: ' >&"$fd"
	# Whatever is answered ends it; until then one byte more each time nothing has come.
	until IFS= read -r -t 0.1 -u "$fd" line; do
		((SECONDS - t < PATIENCE))
		printf x >&"$fd" 2>/dev/null || break
	done
	[[ $line == 'HTTP/1.1 408 '* ]]
	exec {fd}>&-
}

@test "the time for the first request begins with the connection, not with its first byte" {
	local fd line= t
	begin --limit request_seconds=4
	exec {fd}<>"/dev/tcp/${ADDRESS%:*}/${ADDRESS##*:}"
	# For two seconds nothing is said on either side.
	if IFS= read -r -t 2 -u "$fd" line; then fail_with "said: $line"; fi
	t=${EPOCHREALTIME/./}
	printf 'GET /healthz HTTP/1.1\r\nX-Slow: ' >&"$fd"
	IFS= read -r -t "$PATIENCE" -u "$fd" line
	t=$(((${EPOCHREALTIME/./} - t) / 1000))
	echo "# $t ms after the first byte"
	[[ $line == 'HTTP/1.1 408 '* ]]
	((t < 4000))
	exec {fd}>&-
}

@test "slow TLS handshakes are closed, and others go on meanwhile" {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
		-keyout "$DIR/key" -out "$DIR/cert" 2>/dev/null
	begin --limit request_seconds=1 --tls-certificate "$DIR/cert" --tls-key "$DIR/key"
	silent 50
	http -k "https://$ADDRESS/healthz"
	want 200
	undelayed
	all_closed
	# The first five bytes of a handshake, and no more.
	silent 50 '\x16\x03\x01\x02\x00'
	http -k "https://$ADDRESS/healthz"
	want 200
	undelayed
	all_closed
	# One that goes on, a byte now and then, would take a minute.
	silent 1 '\x16\x03\x01\x02\x00\x01\x00\x01\xfc'
	local t=$SECONDS
	while IFS= read -r -t 0.1 -u "${FDS[0]}" || (($? > 128)); do
		((SECONDS - t < PATIENCE)) || fail_with 'not closed'
		printf '\0' >&"${FDS[0]}" 2>/dev/null || break
	done
}

# ticks: of processor time that the daemon has used, to TICKS.
ticks() {
	TICKS=$(awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$PID/stat")
}

# ---- out of descriptors -------------------------------------------------------------------------

@test "out of descriptors it neither spins nor dies, and serves again" {
	local first fd
	begin -e 'prlimit --nofile=60:60'
	silent 100
	# Those that got in may stay; the others were told, or cut off.
	http "$URL/healthz"
	want 503 '"code":"server_full"'
	other_undelayed
	ticks
	first=$TICKS
	hammer ms 1000
	ticks
	echo "# $((TICKS - first)) ticks of a second"
	((TICKS - first < $(getconf CLK_TCK) / 2))
	for fd in "${FDS[@]}"; do
		exec {fd}>&-
	done
	STATUS=503
	first=$SECONDS
	while [ "$STATUS" != 200 ] && ((SECONDS - first < PATIENCE)); do
		http "$URL/healthz"
	done
	want 200
	undelayed
}

# ---- a storm ------------------------------------------------------------------------------------

@test "two thousand come back at once after kill -9: all are in again, and work goes on" {
	crowd 2000 6000
	begin
	hammer add watcher "$CROWD" user=vera 'query=content=delta&state=none'
	hammer add writer 1 user=eddy every=40 plain=1
	hammer acks 20
	daemon_kill
	ws_until other '#eof' || true
	daemon_start --listen "$ADDRESS" --limit connections_per_user=0 --limit sockets_per_address=0
	REPORT=quiet join other eddy
	hammer acks 20
	undelayed
	hammer settle
	field reconnects "$HAMMER"
	((VALUE >= CROWD))
	hammer verify
	# Sockets, their connections, and the session.
	grown_less $((CROWD * 32 + 16384))
}
