#!/usr/bin/env bats
# Every limit of collabd.conf: hit, with what it then says, and nobody else is hurt; announced in
# session_state; off at 0 where 0 is allowed.  The tests are named for the limits; the last one
# compares them with dist/collabd.conf.

load helper

setup() {
	scratch
}

teardown() {
	kill "${CUT_OFF[@]}" 2>/dev/null || true # there may be none
	clean_up
}

# begin NAME=VALUE [FLAG]...: a daemon with that limit, a session, and connections of Eddy (e) and
# of one who is never in the way (c).
begin() {
	daemon_start --limit "$1" "${@:2}"
	start
	join e eddy
	join c cora
	ws_until e '"type":"user_online"'
}

# fine: whoever keeps the limits is served.
fine() {
	ws_quiet c && ws_ask c "$(comment fine)" '"type":"ack"'
}

comment() { # comment TEXT
	echo "{\"type\":\"comment_added\",\"data\":{\"section_id\":\"intro\",\"content\":\"$1\"}}"
}

update() { # update SECTION CONTENT [MORE MEMBERS]
	echo "{\"type\":\"section_update\",\"data\":{\"section_id\":\"$1\",\"changes\":{\"content\":\"$2\"}${3:-}}}"
}

xs() { # xs N: so many letters, to XS
	XS=$(head -c "$1" /dev/zero | tr '\0' x)
}

# since_ms: milliseconds since $T0.
since_ms() {
	MS=$((${EPOCHREALTIME/./} / 1000 - ${T0/./} / 1000))
}

# at_least MS: so long it must have taken since $T0 (a busy machine is only slower).
at_least() {
	since_ms
	((MS >= $1)) || fail_with "it took $MS ms, not $1"
}

# ---- how large ----------------------------------------------------------------------------------

@test "frame_bytes: a message closes with 1009, a body is 413" {
	begin frame_bytes=2048
	xs 3000
	api PUT sections/intro eddy "{\"changes\":{\"content\":\"$XS\"}}"
	want 413 '"code":"too_large"'
	ws_say e "$(comment "$XS")"
	ws_until e '#close 1009'
	fine
}

@test "section_bytes: section_too_large, also by a thousand little deltas" {
	local i n=0
	begin section_bytes=400 --limit messages_per_second=0
	xs 400
	ws_ask e "$(update intro "$XS")" '"code":"section_too_large"'
	ws_ask e "{\"type\":\"section_update\",\"data\":{\"section_id\":\"intro\",\"changes\":{\"note\":\"$XS\"}}}" '"code":"section_too_large"'
	state
	for ((i = 0; i < 100; i++)); do
		ws_say e "{\"type\":\"section_update\",\"data\":{\"section_id\":\"intro\",\"base_seq\":$SEQ,\"changes\":{\"delta\":[\"ten bytes.\"]}}}"
	done
	for ((i = 0; i < 100; i++)); do
		ws_read e
		if [[ $MSG == *'"type":"ack"'* ]]; then
			n=$((n + 1))
		else
			[[ $MSG == *'"code":"section_too_large"'* ]]
		fi
	done
	((n > 10 && n < 40))
	api GET sections/intro olga
	[ "$(json '.content | length')" -lt 400 ]
	ws_until c '"type":"section_update"'
	ws_until c "\"version\":$(json .version)"
	fine
}

@test "state_bytes: state_too_large, by sections, keys, comments and replies alike" {
	local i n=0
	begin state_bytes=6000
	xs 1000
	for ((i = 0; i < 10; i++)); do
		ws_say e "$(update "s$i" "$XS")"
		ws_say e "$(comment "$XS")"
	done
	for ((i = 0; i < 20; i++)); do
		ws_read e
		if [[ $MSG == *'"type":"ack"'* ]]; then
			n=$((n + 1))
		else
			[[ $MSG == *'"code":"state_too_large"'* ]]
		fi
	done
	((n >= 3 && n <= 6))
	# What makes the state smaller is always allowed.
	ws_ask e '{"type":"section_deleted","data":{"section_id":"s0"}}' '"type":"ack"'
	ws_until c '"type":"section_deleted"'
	fine
}

@test "sections: too_many_sections" {
	begin sections=2
	ws_ask e "$(update second x)" '"type":"ack"'
	ws_ask e "$(update third x)" '"code":"too_many_sections"'
	api PUT sections/third eddy '{"changes":{"content":"x"}}'
	want 409 '"code":"too_many_sections"'
	# One that goes makes room.
	ws_ask e '{"type":"section_deleted","data":{"section_id":"second"}}' '"type":"ack"'
	ws_ask e "$(update third x)" '"type":"ack"'
	ws_until c '"section_id":"third"'
	fine
}

@test "comments: too_many_comments, replies counted" {
	begin comments=2
	ws_ask e "$(comment one)" '"type":"ack"'
	field comment_id "$MSG"
	ws_ask e "{\"type\":\"comment_added\",\"data\":{\"section_id\":\"intro\",\"content\":\"two\",\"parent_comment_id\":\"$VALUE\"}}" '"type":"ack"'
	ws_ask e "$(comment three)" '"code":"too_many_comments"'
	api POST comments eddy '{"section_id":"intro","content":"three"}'
	want 409 '"code":"too_many_comments"'
	# Other messages go on.
	ws_ask e "$(update intro x)" '"type":"ack"'
}

@test "participants: the ceiling of max_participants, then session_full" {
	daemon_start --limit participants=3
	api POST start olga '{"max_participants":4}'
	want 400 '"code":"bad_field"' '"field":"max_participants"'
	api POST start olga '{"participants":[{"user_id":"eddy","role":"editor"},{"user_id":"cora","role":"commenter"}]}'
	want 201 '"max_participants":3'
	api POST participants olga '{"user_id":"vera","role":"viewer"}'
	want 409 '"code":"session_full"'
	api DELETE participants/cora olga
	want 200
	api POST participants olga '{"user_id":"vera","role":"viewer"}'
	want 201
}

@test "import_bytes: an import over it is too_large" {
	begin import_bytes=1024
	"$BUILD/pmr-session" export -r "$REPORT" --socket "$SOCKET" >"$DIR/export"
	[ "$(wc -c <"$DIR/export")" -gt 1024 ]
	api POST /api/sessions/import '' "@$DIR/export"
	want 413 '"code":"too_large"'
	fine
}

@test "json_depth: bad_json, over WebSocket and HTTP" {
	begin json_depth=6
	ws_ask e '{"type":"section_update","data":{"section_id":"intro","changes":{"x":[[1]]}}}' '"type":"ack"'
	ws_ask e '{"type":"section_update","data":{"section_id":"intro","changes":{"x":[[[[1]]]]}}}' '"code":"bad_json"'
	api PUT sections/intro eddy '{"changes":{"x":[[[[[1]]]]]}}'
	want 400 '"code":"bad_json"'
	ws_until c '"type":"section_update"'
	fine
}

# ---- how many -----------------------------------------------------------------------------------

@test "connections_per_user: too_many_connections, over all sessions" {
	local session
	daemon_start --limit connections_per_user=2
	start
	session=$SESSION
	REPORT=pmr-2 start
	join a eddy
	REPORT=pmr-2 join b eddy
	ws x eddy
	[ "$MSG" = '#http 429' ]
	[[ $BODY == *'"code":"too_many_connections"'* ]]
	ws y eddy "/ws/sessions/$session"
	[ "$MSG" = '#http 429' ]
	join c cora
	ws_close b
	join x eddy
	ws_quiet x
}

@test "sockets_per_address: too_many_sockets, with Retry-After" {
	local fds=() fd i
	begin sockets_per_address=3
	for i in 1 2 3; do
		exec {fd}<>"/dev/tcp/${ADDRESS%:*}/${ADDRESS##*:}"
		fds+=("$fd")
	done
	http "$URL/healthz"
	want 429 '"code":"too_many_sockets"' '"retryable":true'
	header Retry-After
	# Another address is not concerned.
	http --interface 127.0.0.2 "$URL/healthz"
	want 200
	fd=${fds[0]}
	exec {fd}>&-
	i=$SECONDS
	while http "$URL/healthz" && [ "$STATUS" = 429 ] && ((SECONDS - i < PATIENCE)); do
		:
	done
	want 200
	fine
}

# to VIA: the arguments of curl for Vera over TCP or, as VIA says, the Unix socket, to TO and BASE.
to() {
	TO=(-H "Authorization: Bearer $TOKEN") BASE=$URL
	[ "$1" = tcp ] || TO=(-H "X-Collab-As: vera;Vera" --unix-socket "$SOCKET") BASE=http://localhost
}

# unread VIA PATH: a request whose answer nobody takes.
unread() {
	local fd
	to "$1"
	mkfifo "$DIR/unread"
	exec {fd}<>"$DIR/unread"
	rm "$DIR/unread"
	curl -sS -N -m 60 "${TO[@]}" "$BASE$2" >&"$fd" 3>&- 2>/dev/null &
	UNREAD+=($!) UNREAD_FDS+=("$fd")
}

# unread_end: nobody waits for them any more.
unread_end() {
	local fd since=$SECONDS
	kill "${UNREAD[@]}" 2>/dev/null || true # those that were refused are gone
	wait "${UNREAD[@]}" || true
	for fd in "${UNREAD_FDS[@]}"; do
		exec {fd}>&-
	done
	UNREAD=() UNREAD_FDS=()
	while metric collabd_queue_bytes && [ "$VALUE" != 0 ] && ((SECONDS - since < PATIENCE)); do
		:
	done
	[ "$VALUE" = 0 ]
}

# waits_more BYTES: until more than so much waits in the daemon's sockets.
waits_more() {
	local since=$SECONDS
	while metric collabd_queue_bytes && ((VALUE <= $1 && SECONDS - since < PATIENCE)); do
		:
	done
	((VALUE > $1)) || fail_with "only $VALUE bytes wait"
}

@test "answer_bytes_per_address: rate_limited, with Retry-After, over TCP and of a local user" {
	local UNREAD=() UNREAD_FDS=() i via path=/api/reports/pmr/pmr-1/collaborate
	secret
	mint '{"sub":"vera"}'
	daemon_start --limit answer_bytes_per_address=10000000 --secret-file "$SECRET" --limit requests_per_minute=0
	start
	xs 1000000
	for ((i = 0; i < 8; i++)); do
		echo "{\"changes\":{\"content\":\"$XS\"}}" >"$DIR/body"
		api PUT "sections/large$i" eddy "@$DIR/body"
		want 200
	done
	for via in tcp local; do
		# 8 MB each, of which the kernel takes some.
		unread $via $path/state
		waits_more 1000000
		for ((i = 0; i < 20; i++)); do
			unread $via $path/state
		done
		waits_more 2000000
		to $via
		http "${TO[@]}" "$BASE$path/state"
		want 429 '"code":"rate_limited"' '"retryable":true'
		header Retry-After
		metric collabd_queue_bytes
		echo "# $via: $VALUE bytes wait"
		((VALUE <= 10000000 + 21 * 65536))
		http "${TO[@]}" "$BASE$path/sections/intro?at=1"
		want 429 '"code":"rate_limited"'
		http "${TO[@]}" "$BASE$path/events"
		want 429 '"code":"rate_limited"'
		# What is small goes on, and all of others.
		http "${TO[@]}" "$BASE$path/sections/intro"
		want 200
		if [ $via = tcp ]; then to local; else to tcp; fi
		http "${TO[@]}" -o "$DIR/state" "$BASE$path/state"
		want 200
		join w cora state=none
		ws_quiet w
		ws_close w
		unread_end
		to $via
		http "${TO[@]}" -o "$DIR/state" "$BASE$path/state"
		want 200
	done
}

@test "answer_bytes_per_address: what was done is not refused; its answer comes later, by its key" {
	local UNREAD=() UNREAD_FDS=() i path=/api/reports/pmr/pmr-1/collaborate
	daemon_start --limit answer_bytes_per_address=2000000
	start '{"conflict_resolution_strategy":"merge","participants":[{"user_id":"eddy","role":"editor"},{"user_id":"vera","role":"viewer"}],"sections":{"intro":{"content":"Hello"}}}'
	state
	xs 100000
	echo "{\"base_seq\":$SEQ,\"changes\":{\"delta\":[5,\"$XS\"]}}" >"$DIR/stale"
	api PUT sections/intro olga "{\"base_seq\":$SEQ,\"changes\":{\"content\":\"Oh, Hello\"}}"
	want 200
	xs 1000000
	echo "{\"base_seq\":$SEQ,\"changes\":{\"content\":\"$XS\"}}" >"$DIR/body"
	for ((i = 0; i < 6; i++)); do
		api PUT "sections/large$i" olga "@$DIR/body"
		want 200
	done
	unread local $path/state
	waits_more 2000000
	# Its changes, transformed, are in the answer.
	api PATCH sections/intro eddy "@$DIR/stale" -H 'Idempotency-Key: once'
	want 000
	api GET sections/intro olga
	want 429
	unread_end
	api PATCH sections/intro eddy "@$DIR/stale" -H 'Idempotency-Key: once'
	want 200 '"duplicate":true'
	api GET sections/intro olga
	[ "$(json '.content | length')" = 100009 ]
}

@test "sockets: server_full, with Retry-After; administrators still come in" {
	begin sockets=2
	http "$URL/healthz"
	want 503 '"code":"server_full"' '"retryable":true'
	header Retry-After
	api GET /readyz
	want 200
	fine
}

# ---- how often ----------------------------------------------------------------------------------

@test "session_starts_per_minute: rate_limited, with Retry-After; existing ones are no starts" {
	begin session_starts_per_minute=2
	REPORT=b api POST start olga
	want 201
	REPORT=c api POST start olga
	want 429 '"code":"rate_limited"' '"retryable":true'
	header Retry-After
	((VALUE >= 1 && VALUE <= 31))
	REPORT=c api POST start eddy
	want 201
	fine
}

@test "requests_per_minute: rate_limited, with Retry-After, over every socket; WebSockets go on" {
	local i
	secret
	begin requests_per_minute=5 --secret-file "$SECRET"
	for i in 1 2 3 4 5; do
		api GET session vera
		want 200
	done
	mint '{"sub":"vera"}'
	http -H "Authorization: Bearer $TOKEN" "$URL/api/reports/pmr/pmr-1/collaborate/session"
	want 429 '"code":"rate_limited"' '"retryable":true'
	header Retry-After
	((VALUE >= 1 && VALUE <= 13))
	join v vera
	ws_quiet v
	ws_until c '"user_id":"vera"'
	api GET session eddy
	want 200
	fine
}

@test "messages_per_second: nothing is refused, everything is later" {
	local i
	begin messages_per_second=20 --limit message_burst=5
	T0=$EPOCHREALTIME
	for ((i = 0; i < 35; i++)); do
		ws_say e "{\"type\":\"ping\",\"ref\":\"$i\"}"
	done
	fine # meanwhile
	for ((i = 0; i < 35; i++)); do
		ws_until e '"type":"pong"' "\"ref\":\"$i\""
	done
	at_least 1400
}

@test "message_burst: so many at once" {
	local i
	begin messages_per_second=1 --limit message_burst=30
	T0=$EPOCHREALTIME
	for ((i = 0; i < 30; i++)); do
		ws_ask e "{\"type\":\"ping\",\"ref\":\"$i\"}" '"type":"pong"' "\"ref\":\"$i\""
	done
	since_ms
	within "$MS" 15000
	for ((i = 0; i < 3; i++)); do
		ws_ask e "{\"type\":\"ping\",\"ref\":\"$i\"}" '"type":"pong"' "\"ref\":\"$i\""
	done
	at_least 2000
}

@test "bytes_per_second: charged for what goes out, not refused, only later" {
	local i
	begin bytes_per_second=100000 --limit messages_per_second=0
	join v vera
	ws_until e '"user_id":"vera"'
	xs 4000
	# 3 connections in the room: each 4,000 bytes cost 12,000.  A second's worth may be owed.
	T0=$EPOCHREALTIME
	for ((i = 0; i < 30; i++)); do
		ws_say e "$(comment "$XS")"
	done
	for ((i = 0; i < 30; i++)); do
		ws_until e '"type":"ack"'
	done
	at_least 2300
	ws_until c '"type":"comment_added"'
	ws_until v '"type":"comment_added"'
}

@test "unacked_messages: not read on before an answer is out" {
	local one many
	# LeakSanitizer traces too, and two cannot.
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	daemon_start -e "strace -f -q -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_enter=50000" --limit unacked_messages=1
	start
	join e eddy
	burst
	one=$COMMITS
	ws_close e
	daemon_stop
	daemon_start -e "strace -f -q -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_enter=50000" --limit unacked_messages=1000
	join e eddy
	burst
	many=$COMMITS
	echo "commits: $one, $many"
	((one >= 20 && many <= 10))
}

# burst: twenty changes sent at once; how many commits they took to COMMITS.
burst() {
	local i lines=
	metric collabd_store_commits_total
	COMMITS=$VALUE
	for ((i = 0; i < 20; i++)); do
		lines+=$(update intro "$i")$'\n'
	done
	ws_say e "${lines%$'\n'}"
	for ((i = 0; i < 20; i++)); do
		ws_read e '"type":"ack"'
	done
	metric collabd_store_commits_total
	COMMITS=$((VALUE - COMMITS))
}

@test "errors_in_a_row: 4400" {
	local i
	begin errors_in_a_row=3
	ws_ask e 'text x' '"code":"bad_json"'
	ws_ask e '{"type":"x"}' '"code":"unknown_type"'
	# One good message, and the count begins again.
	ws_quiet e
	for i in 1 2 3; do
		ws_ask e 'text x' '"type":"error"'
	done
	ws_read e '#close 4400'
	fine
}

# ---- how long -----------------------------------------------------------------------------------

@test "tail_bytes: what is older comes from the store, to the same bytes" {
	local i live
	begin tail_bytes=65536 --limit messages_per_second=0
	field seq "$MSG"
	xs 4000
	for ((i = 0; i < 60; i++)); do
		ws_say e "$(comment "$i $XS")"
	done
	for ((i = 0; i < 60; i++)); do
		ws_read e '"type":"ack"'
	done
	live=
	for ((i = 0; i < 60; i++)); do
		ws_until c '"type":"comment_added"'
		live+=$MSG
	done
	ws again vera "since=$VALUE&content=delta"
	for ((i = 0; i < 60; i++)); do
		ws_until again '"type":"comment_added"'
		[[ $live == *"$MSG"* ]]
	done
}

@test "tails_bytes: where sessions are many each keeps its share of recent events" {
	local i tails
	daemon_start --limit tails_bytes=1048576 --limit tail_bytes=524288 --limit messages_per_second=0 \
		--limit session_starts_per_minute=0
	export PMR_SOCKET=$DIR/s PATH=$BUILD:$PATH
	xs 4000
	tails() {
		tails=$(pmr-admin sessions | jq -s -c 'map(.tail_bytes) | [length, max <= 524288, max > 300000, add < 1048576]')
	}
	# Two have half of it each.
	for i in {1..2}; do
		pmr-session start -r "many-$i" >/dev/null
		for _ in {1..160}; do echo "$(update intro "$XS")"; done | pmr-send -r "many-$i" >/dev/null
	done
	tails
	[ "$tails" = '[2,true,true,true]' ]
	# With sixteen those two must give most of it back.
	for i in {3..16}; do
		pmr-session start -r "many-$i" >/dev/null
		for _ in {1..20}; do echo "$(update intro "$XS")"; done | pmr-send -r "many-$i" >/dev/null
	done
	for ((i = 0; i < PATIENCE * 10; i++)); do
		tails
		[ "$tails" != '[16,true,false,true]' ] || break
		api GET '' vera
	done
	[ "$tails" = '[16,true,false,true]' ]
	[ "$(pmr-log events -r many-1 | grep -c section_update)" = 160 ]
}

@test "stall_seconds: 1013, to who takes nothing" {
	local i
	begin stall_seconds=1 --limit messages_per_second=0
	join slow vera
	ws_until e '"user_id":"vera"'
	kill -STOP "${WS_PIDS[slow]}"
	xs 100000
	for ((i = 0; i < 8; i++)); do
		ws_ask e "$(update intro "$i $XS")" '"type":"ack"'
		ws_until c "\"content\":\"$i "
	done
	i=$SECONDS
	VALUE=0
	while [ "$VALUE" = 0 ] && ((SECONDS - i < PATIENCE)); do
		metric collabd_slow_closes_total
	done
	[ "$VALUE" = 1 ]
	kill -CONT "${WS_PIDS[slow]}"
	fine
}

@test "ping_seconds and pong_seconds: who does not answer is gone" {
	begin ping_seconds=1 --limit pong_seconds=1 --grace-seconds 0
	kill -STOP "${WS_PIDS[e]}"
	ws_until c '"type":"user_offline"' '"user_id":"eddy"' '"reason":"lost"'
	kill -CONT "${WS_PIDS[e]}"
	fine
}

@test "pong_seconds: who answers stays" {
	begin pong_seconds=1 --limit ping_seconds=1 --grace-seconds 0
	kill -STOP "${WS_PIDS[e]}"
	ws_until c '"type":"user_offline"' '"user_id":"eddy"'
	kill -CONT "${WS_PIDS[e]}"
	# Cora was as silent as he, but for her pongs.
	fine
}

# A network of the daemon's own, and what is IN it; there the wire can be cut, so that nothing at all
# comes from the other end any more.
@test "ping_seconds: a wire that is cut is noticed, by a stream of events too" {
	local in end=$((SECONDS + PATIENCE))
	unshare -rn ip link show lo >/dev/null 2>&1 || skip 'no network of its own may be had here'
	secret
	mint '{"sub":"vera"}'
	(umask 077 && printf '%s' "$TOKEN" >"$DIR/token")
	printf 'ip link set lo up\nexec "$@"\n' >"$DIR/alone"
	daemon_start -e "unshare -rn sh $DIR/alone" --secret-file "$SECRET" --limit ping_seconds=1 --limit pong_seconds=1 \
		--limit requests_per_minute=0
	start
	in=(nsenter -t "$PID" -U -n --preserve-credentials)
	"${in[@]}" curl -sS -N -m 60 -H "Authorization: Bearer $TOKEN" -H 'Accept: text/event-stream' \
		"$URL/api/reports/pmr/pmr-1/collaborate/events" >/dev/null 2>&1 3>&- 4>&- &
	CUT_OFF+=($!)
	"${in[@]}" "$BUILD/pmr-watch" --url "$URL" --token-file "$DIR/token" -r pmr-1 >/dev/null 2>&1 3>&- 4>&- &
	CUT_OFF+=($!)
	until metric collabd_connections && [ "$VALUE" = 2 ]; do
		((SECONDS < end)) || fail_with "$VALUE connections, not 2"
	done
	"${in[@]}" ip link set lo down
	until metric collabd_connections && [ "$VALUE" = 0 ]; do
		((SECONDS < end)) || fail_with "$VALUE connections are left"
	done
}

@test "request_seconds: request_timeout, slow headers and slow bodies alike" {
	local fd what line
	begin request_seconds=1
	for what in 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ' \
		'PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{'; do
		exec {fd}<>"/dev/tcp/${ADDRESS%:*}/${ADDRESS##*:}"
		# shellcheck disable=SC2059 # it is the format
		printf "$what" >&"$fd"
		IFS= read -r -t "$PATIENCE" -u "$fd" line
		[[ $line == 'HTTP/1.1 408 '* ]]
		exec {fd}>&-
	done
	fine
}

# ---- how far back -------------------------------------------------------------------------------

@test "refs: the last so many are remembered" {
	local i seq
	begin refs=16
	ws_ask e "$(update intro one | sed 's/}$/,"ref":"first"}/')" '"type":"ack"'
	field seq "$MSG"
	seq=$VALUE
	for ((i = 1; i < 16; i++)); do
		ws_ask e "$(update intro "$i" | sed "s/}\$/,\"ref\":\"r$i\"}/")" '"type":"ack"'
	done
	ws_ask e "$(update intro one | sed 's/}$/,"ref":"first"}/')" '"duplicate":true' "\"seq\":$seq,"
	ws_ask e "$(update intro 16 | sed 's/}$/,"ref":"r16"}/')" '"type":"ack"'
	ws_ask e "$(update intro one | sed 's/}$/,"ref":"first"}/')" '"type":"ack"'
	[[ $MSG != *duplicate* ]]
	ws_ask e "$(update intro 15 | sed 's/}$/,"ref":"r15"}/')" '"duplicate":true'
}

@test "base_changes: base_too_old" {
	local i base
	begin base_changes=16
	state
	base=$SEQ
	for ((i = 0; i < 18; i++)); do
		ws_ask e "$(update intro "$i")" '"type":"ack"'
	done
	ws_ask e "{\"type\":\"section_update\",\"data\":{\"section_id\":\"intro\",\"base_seq\":$base,\"changes\":{\"delta\":[\"x\"]}}}" '"code":"base_too_old"'
	ws_until c '"type":"section_update"' '"17"'
	fine
}

@test "lock_seconds: the longest lease" {
	begin lock_seconds=100
	ws_ask e '{"type":"section_lock","data":{"section_id":"intro","ttl_seconds":101}}' '"code":"bad_field"' '"field":"ttl_seconds"'
	ws_ask e '{"type":"section_lock","data":{"section_id":"intro","ttl_seconds":100}}' '"type":"ack"'
	api PUT sections/other/lock eddy '{"ttl_seconds":101}'
	want 400 '"code":"bad_field"' '"field":"ttl_seconds"'
}

@test "cursors_per_second: the newest of each, so often" {
	local i n=0
	begin cursors_per_second=2 --limit messages_per_second=0
	T0=$EPOCHREALTIME
	# Moves until four have been shown: they cannot come in less than three intervals.
	while ((n < 4)); do
		ws_say e "{\"type\":\"cursor_position\",\"data\":{\"section_id\":\"intro\",\"position\":$((++i))}}"
		ws_ask e '{"type":"ping"}' '"type":"pong"'
		ws_ask c '{"type":"ping"}'
		while [[ $MSG != *'"type":"pong"'* ]]; do
			n=$((n + 1))
			ws_read c
		done
	done
	at_least 1500
	((i > 4))
}

# ---- all of them --------------------------------------------------------------------------------

# The limits of collabd.conf, one a line: NAME DEFAULT MIN MAX.
limits() {
	awk '/^\[/ { on = $0 == "[limits]" }
		on && /^# .*; [0-9]+ to [0-9]+$/ { min = $(NF - 2); max = $NF }
		on && /^#[a-z_]+ = [0-9]+$/ { print substr($1, 2), $3, min, max }' "$REPO/dist/collabd.conf"
}

@test "all are announced as they are configured, and 0 turns off what it may" {
	local name value min max flags=() wanted=
	while read -r name value min max; do
		[ -n "$max" ]
		if [ "$min" = 0 ]; then value=0; fi
		flags+=(--limit "$name=$value")
		wanted+="$name=$value "
	done < <(limits)
	[ "${#flags[@]}" -gt 50 ]
	daemon_start "${flags[@]}" --limit frame_bytes=4194304
	start
	join e eddy
	wanted=${wanted/frame_bytes=1048576/frame_bytes=4194304}
	[ "$(json '.limits | to_entries | map("\(.key)=\(.value)") | sort | join(" ")' "$MSG")" = "$(xargs -n 1 <<<"$wanted" | sort | xargs)" ]
	off
}

# off: more of everything than the defaults allow.
off() {
	local i
	# A section, and with it a state, over the limit; 520 sections; as fast as can be.
	xs 2100000
	for i in a b c d e f; do
		ws_ask e "$(update "$i" "$XS")" '"type":"ack"'
	done
	for ((i = 0; i < 520; i++)); do
		ws_say e "$(update "s$i" x)"
	done
	for ((i = 0; i < 520; i++)); do
		ws_read e '"type":"ack"'
	done
	# Malformed ones for ever.
	for ((i = 0; i < 120; i++)); do
		ws_say e 'text x'
	done
	for ((i = 0; i < 120; i++)); do
		ws_read e '"type":"error"'
	done
	ws_quiet e
	# More connections than a user has, more starts than a minute has.
	for ((i = 0; i < 21; i++)); do
		join "more$i" vera 'state=none&mode=watch'
	done
	for ((i = 0; i < 12; i++)); do
		REPORT=off-$i api POST start olga
		want 201
	done
	# 10,001 comments, by 601 requests' worth of one connection and some requests.
	for ((i = 0; i < 10001; i++)); do
		comment "$i"
	done >"$DIR/comments"
	"$BUILD/tests/wsclient" -s "$SOCKET" -H 'X-Collab-As: cora;Cora' -n 10002 \
		'/ws/reports/pmr/pmr-1/collaborate?state=none' <"$DIR/comments" >"$DIR/acks"
	[ "$(grep -c '"type":"ack"' "$DIR/acks")" = 10001 ]
	for ((i = 0; i < 610; i++)); do
		echo "url = \"http://localhost/healthz\""
	done >"$DIR/requests"
	sed 's|healthz|api/reports/pmr/off-1/collaborate/session|' -i "$DIR/requests"
	curl -sS --unix-socket "$SOCKET" -H 'X-Collab-As: olga;Olga' -w '\n%{http_code}\n' -K "$DIR/requests" >"$DIR/answers"
	[ "$(grep -c '^200$' "$DIR/answers")" = 610 ]
}

@test "every limit of collabd.conf is hit above" {
	local name missing=
	[ "$(limits | wc -l)" -gt 25 ]
	while read -r name _; do
		grep -q "^@test \"\(ping_seconds and \)\?$name\(:\| and pong_seconds:\)" "$BATS_TEST_FILENAME" || missing+=" $name"
	done < <(limits)
	[ -z "$missing" ] || fail_with "not hit:$missing"
}
