#!/usr/bin/env bats
# The life of a session, and of who is in it: time, presence, the end, what is carried over; crashes
# and restarts; resuming; the log as streams and as the past.

load helper

setup() {
	scratch
}

teardown() {
	clean_up
}

update() { # update CONTENT [REF]
	echo "{\"type\":\"section_update\"${2:+,\"ref\":\"$2\"},\"data\":{\"section_id\":\"intro\",\"changes\":{\"content\":\"$1\"}}}"
}

# stream NAME KIND PATH-AND-QUERY [CURL-ARGUMENT]...: follow the events; STREAM is a descriptor with
# the lines, STREAM_PID curl.
stream() {
	local user=$1 kind=$2 path=$3
	shift 3
	rm -f "$DIR/stream"
	mkfifo "$DIR/stream"
	exec {STREAM}<>"$DIR/stream"
	curl -sS -g -N -m "$PATIENCE" --unix-socket "$SOCKET" -H "X-Collab-As: $user" -H "Accept: $kind" "$@" \
		"http://localhost/api/reports/pmr/$REPORT/collaborate/$path" >"$DIR/stream" 3>&- 4>&- &
	STREAM_PID=$!
}

# stream_until TEXT: to LINE.
stream_until() {
	LINE=
	while [[ $LINE != *"$1"* ]]; do
		IFS= read -r -t "$PATIENCE" -u "$STREAM" LINE || fail_with "no $1 in the stream" || return 1
	done
}

# ---- time ---------------------------------------------------------------------------------------

@test "a session that idles ends: everyone hears session_ended and is closed with 4408" {
	daemon_start_with_clock
	start '{"session_timeout_minutes":5,"participants":[{"user_id":"eddy","user_name":"Eddy","role":"editor"}]}'
	join eddy eddy
	join watch olga mode=watch
	# Something durable, or a cursor, puts the end off; presence does not.
	clock +4m
	ws_ask eddy "$(update later)" '"type":"ack"'
	ws_read watch '"type":"section_update"'
	clock +8m
	ws_say eddy '{"type":"cursor_position","data":{"section_id":"intro","position":1}}'
	ws_read watch '"type":"cursor_position"'
	clock +12m
	join other olga
	ws_until eddy '"type":"user_online"' '"user_id":"olga"'
	ws_until watch '"type":"user_online"' '"user_id":"olga"'
	clock +14m
	ws_until eddy '"type":"session_ended"' '"reason":"timeout"' '"total_changes":1'
	ws_read eddy '#close 4408'
	ws_until watch '"type":"session_ended"' '"reason":"timeout"'
	ws_read watch '#close 4408'
	ws_until other '#close 4408'
	api GET session olga
	want 200 '"has_active_session":false'
	api GET "/api/sessions/$SESSION/session" olga
	want 200 '"has_active_session":false' '"end_reason":"timeout"'
}

@test "a session whose time came while the daemon was down ends at the next start" {
	daemon_start
	start '{"session_timeout_minutes":60,"participants":[{"user_id":"eddy","user_name":"Eddy","role":"editor"}]}'
	join eddy eddy
	daemon_kill
	ws_end eddy
	clock +2h
	daemon_start_with_clock
	api GET session olga
	want 200 '"has_active_session":false'
	api GET "/api/sessions/$SESSION/events" olga
	want 200 '"type":"user_offline"' '"type":"session_ended"' '"reason":"timeout"'
	[ "$(json '.events[-1].type')" = session_ended ]
	# Who comes later reads it to its end.
	ws late eddy "/ws/sessions/$SESSION?since=0"
	ws_until late '"type":"session_ended"' '"reason":"timeout"'
	ws_until late '#close 4408'
}

@test "a lock's lease ends by time, and survives a restart until then" {
	daemon_start_with_clock
	start
	api PUT sections/intro/lock olga '{"ttl_seconds":300}'
	want 200 '"fence":1'
	daemon_kill
	daemon_start_with_clock
	join eddy eddy
	[[ $MSG == *'"locked_sections":{"intro":"olga"}'* ]]
	ws_ask eddy "$(update x)" '"code":"section_locked"' '"holder":"olga"'
	clock +6m
	ws_read eddy '"type":"section_unlocked"' '"section_id":"intro"' '"user_id":"olga"' '"reason":"expired"'
	ws_ask eddy "$(update x)" '"type":"ack"'
	# Who slept meanwhile cannot write any more.
	api PUT sections/intro olga '{"fence":1,"changes":{"content":"stale"}}'
	want 409 '"code":"stale_fence"'
}

@test "a token that expires is announced, can be renewed, and closes with 4401" {
	local now
	secret
	daemon_start_with_clock --secret-file "$SECRET" --leeway-seconds 0
	start
	now=$(date +%s)
	mint "{\"sub\":\"eddy\",\"exp\":$((now + 300))}"
	join eddy '' "token=$TOKEN" -t "$ADDRESS"
	mint "{\"sub\":\"cora\",\"exp\":$((now + 300))}"
	join cora '' "token=$TOKEN" -t "$ADDRESS"
	clock +4m30s
	ws_until eddy '"type":"token_expiring"' '"expires_in":'
	field expires_in "$MSG"
	((VALUE >= 1 && VALUE <= 60))
	ws_until cora '"type":"token_expiring"'
	mint "{\"sub\":\"eddy\",\"exp\":$((now + 3600))}"
	ws_ask eddy "{\"type\":\"token_refresh\",\"ref\":\"t\",\"data\":{\"token\":\"$TOKEN\"}}" '"type":"ack"' '"ref":"t"'
	clock +6m
	ws_until cora '#close 4401'
	ws_ask eddy "$(update x)" '"type":"ack"'
}

@test "a ticket is good once, and for 30 seconds" {
	local ticket late
	secret
	daemon_start_with_clock --secret-file "$SECRET"
	start
	mint '{"sub":"eddy"}'
	http -X POST -H "Authorization: Bearer $TOKEN" "$URL/api/tickets"
	want 201 '"expires_in":30'
	field ticket
	ticket=$VALUE
	join one '' "ticket=$ticket" -t "$ADDRESS"
	[[ $MSG == *'"user_id":"eddy"'* ]]
	ws two '' "ticket=$ticket" -t "$ADDRESS"
	[ "$MSG" = "#http 401" ]
	http -X POST -H "Authorization: Bearer $TOKEN" "$URL/api/tickets"
	field ticket
	ticket=$VALUE
	ws three '' '' -t "$ADDRESS" -H "Sec-WebSocket-Protocol: collab.v1, ticket.$ticket"
	[ "$MSG" = "#open collab.v1" ]
	http -X POST -H "Authorization: Bearer $TOKEN" "$URL/api/tickets"
	field ticket
	late=$VALUE
	clock +31s
	ws four '' "ticket=$late" -t "$ADDRESS"
	[ "$MSG" = "#http 401" ]
	# An event stream of a browser takes one too.
	http -X POST -H "Authorization: Bearer $TOKEN" "$URL/api/tickets"
	field ticket
	http -H 'Accept: application/x-ndjson' "$URL/api/reports/pmr/pmr-1/collaborate/events?ticket=$VALUE"
	want 200 '"type":"session_started"'
	http -H 'Accept: application/x-ndjson' "$URL/api/reports/pmr/pmr-1/collaborate/events?ticket=$VALUE"
	want 401
	# Neither ever reaches the log.
	not_logged "$TOKEN" "$ticket" "$late"
}

# ---- presence -----------------------------------------------------------------------------------

@test "a connection that breaks is missed only when the grace is over" {
	daemon_start --grace-seconds 1
	start
	join eddy eddy
	join cora cora
	ws_until eddy '"type":"user_online"'
	ws_drop cora
	ws_read eddy '"type":"user_offline"' '"user_id":"cora"' '"reason":"lost"'
	api GET session olga
	[ "$(json '[.participants[] | select(.online) | .user_id] | join(" ")')" = eddy ]
}

@test "a blink is not news" {
	daemon_start --grace-seconds 3600
	start
	join eddy eddy
	join cora cora
	ws_until eddy '"type":"user_online"'
	ws_drop cora
	join cora cora
	ws_quiet eddy
	# A clean leave shows at once, also after it.
	ws_close cora
	ws_read eddy '"type":"user_offline"' '"reason":"left"'
}

@test "a crash leaves no ghosts: who was online is ended before the session is shown again" {
	daemon_start
	start
	join eddy eddy
	join cora cora
	daemon_kill
	daemon_start
	api GET session olga
	[ "$(json '[.participants[] | select(.online)] | length')" = 0 ]
	api GET 'events?type=user_offline' olga
	[ "$(json '.events | map(.user_id + " " + .reason) | sort | join(",")')" = "cora server_restart,eddy server_restart" ]
}

@test "presence without a socket is a lease" {
	daemon_start
	start
	join eddy eddy
	api PUT presence cora '{"ttl":1}'
	want 200 '"expires_in":1'
	ws_read eddy '"type":"user_online"' '"user_id":"cora"'
	api PUT presence cora '{"ttl":1}'
	want 200
	ws_read eddy '"type":"user_offline"' '"user_id":"cora"' '"reason":"lease_expired"'
	ws_quiet eddy
}

@test "locks taken on a connection end with it, after the grace" {
	daemon_start --grace-seconds 1
	start
	join eddy eddy
	join cora cora
	ws_until eddy '"type":"user_online"'
	ws_ask eddy '{"type":"section_lock","data":{"section_id":"intro","ttl_seconds":3600}}' '"type":"ack"' '"fence":1'
	ws_read cora '"type":"section_locked"' '"user_id":"eddy"' '"expires_at":"'
	# The holder's connection carries the fence.
	ws_ask eddy "$(update mine)" '"type":"ack"'
	ws_read cora '"type":"section_update"'
	ws_drop eddy
	ws_until cora '"type":"section_unlocked"' '"section_id":"intro"' '"reason":"disconnected"'
}

@test "an owner takes a lock from who holds it: all hear of both, and the old fence is good for nothing" {
	daemon_start
	start
	join eddy eddy
	ws_ask eddy '{"type":"section_lock","data":{"section_id":"intro"}}' '"type":"ack"' '"fence":1'
	api PUT sections/intro/lock eddy '{"force":true}'
	want 403 '"needs":"owner"'
	api PUT sections/intro/lock olga '{}'
	want 423 '"holder":"eddy"'
	api PUT sections/intro/lock olga '{"force":true,"ttl_seconds":90}'
	want 200 '"fence":2'
	ws_read eddy '"type":"section_unlocked"' '"fence":1' '"reason":"forced"' '"user_id":"eddy"' '"by":"olga"'
	ws_read eddy '"type":"section_locked"' '"fence":2' '"user_id":"olga"'
	ws_ask eddy '{"type":"section_update","data":{"section_id":"intro","changes":{"content":"x"}}}' '"code":"section_locked"' '"holder":"olga"'
	ws_ask eddy '{"type":"section_update","data":{"section_id":"intro","fence":1,"changes":{"content":"x"}}}' '"code":"stale_fence"'
	api PUT sections/intro eddy '{"fence":2,"changes":{"content":"with the new fence"}}'
	want 200
}

@test "cursors: the newest of each user goes out, late comers get it with the state" {
	local i
	daemon_start
	start
	join eddy eddy
	join cora cora
	ws_until eddy '"type":"user_online"'
	for ((i = 1; i <= 50; i++)); do
		ws_say cora "{\"type\":\"cursor_position\",\"data\":{\"section_id\":\"intro\",\"position\":$i}}"
	done
	ws_until eddy '"type":"cursor_position"' '"position":50'
	ws_quiet eddy
	join vera vera
	[ "$(json '.cursors | map(.user_id + " " + (.position | tostring)) | join(",")' "$MSG")" = "cora 50" ]
	api GET 'events' olga
	[[ $BODY != *cursor_position* ]]
}

# ---- the end ------------------------------------------------------------------------------------

@test "the end is seen by all: 4410 on every connection, and streams end" {
	daemon_start
	start
	join eddy eddy
	join cora cora
	join watch vera mode=watch
	stream vera text/event-stream events
	stream_until '"type":"user_online"'
	api POST end olga '{"reason":"all done"}'
	want 200
	for name in eddy cora watch; do
		ws_until $name '"type":"session_ended"' '"reason":"all done"' '"user_id":"olga"'
		ws_read $name '#close 4410'
	done
	stream_until '"type":"session_ended"'
	wait "$STREAM_PID"
	# By its id it stays readable; joining it means reading it to its end.
	api GET "/api/sessions/$SESSION/sections/intro" cora
	want 200 '"content":"Hello"'
	ws late cora "/ws/sessions/$SESSION"
	ws_read late '"type":"session_state"'
	ws_read late '#close 4410'
	ws late cora
	[ "$MSG" = "#http 404" ]
}

@test "the next session goes on from the last: sections, open threads, people" {
	local open=11111111-1111-4111-8111-111111111111 closed=22222222-2222-4222-8222-222222222222 first
	daemon_start
	start
	first=$SESSION
	api POST comments cora "{\"comment_id\":\"$open\",\"section_id\":\"intro\",\"content\":\"Open\"}"
	api POST comments cora "{\"comment_id\":\"$closed\",\"section_id\":\"intro\",\"content\":\"Closed\"}"
	api POST comments/$closed/resolve eddy
	want 200
	api PUT sections/intro eddy '{"changes":{"content":"Second","title":"T"}}'
	api POST end olga
	api POST start eddy
	want 201 "\"continued_from\":\"$first\""
	api GET sections/intro vera
	want 200 '"content":"Second"' '"title":"T"' '"updated_by":"eddy"'
	api GET comments vera
	want 200 "$open"
	[[ $BODY != *$closed* ]]
	[ "$(json '.comments[0] | .user_id + " " + .content')" = "cora Open" ]
	api GET participants vera
	[ "$(json '.participants | map(.user_id + " " + .role) | sort | join(",")')" = "cora commenter,eddy owner,olga owner,vera viewer" ]
	api GET 'events?type=section_update,comment_added,participant_joined' vera
	[ "$(json '[.events[] | select(.carried)] | length')" = 5 ]
	api POST end olga
	# Or from nothing.
	api POST start eddy '{"fresh":true}'
	want 201
	[[ $BODY != *continued_from* ]]
	api GET sections eddy
	want 200 '"sections":{}'
}

# ---- crashes and stops --------------------------------------------------------------------------

@test "what was acknowledged is there after SIGKILL, once, in order" {
	local i seqs=() want=
	daemon_start
	start
	join eddy eddy
	for ((i = 1; i <= 40; i++)); do
		ws_say eddy "$(update "v$i" "r$i")"
	done
	for ((i = 1; i <= 25; i++)); do
		ws_read eddy '"type":"ack"' "\"ref\":\"r$i\""
		field seq "$MSG"
		seqs+=("$VALUE")
		want+="${want:+ }v$i"
	done
	daemon_kill
	daemon_start
	api GET 'events?type=section_update&user=eddy' olga
	[[ "$(json '.events | map(.changes.content) | join(" ")') " == "$want "* ]]
	[ "$(json '.events[:25] | map(.seq | tostring) | join(" ")')" = "${seqs[*]}" ]
	# A retry of what was acked, and of what may have been, is answered as the first time.
	join again eddy
	for i in 1 25; do
		ws_ask again "$(update "v$i" "r$i")" '"type":"ack"' '"duplicate":true' "\"ref\":\"r$i\"" "\"seq\":${seqs[i - 1]},"
	done
	ws_ask again "$(update other r1)" '"code":"ref_reused"'
}

@test "a duplicate is acknowledged also when its author may not edit any more" {
	local seq
	daemon_start
	start
	join eddy eddy
	ws_ask eddy "$(update one a)" '"type":"ack"'
	field seq "$MSG"
	seq=$VALUE
	api PATCH participants/eddy olga '{"role":"viewer"}'
	want 200
	daemon_kill
	daemon_start
	join eddy eddy
	ws_ask eddy "$(update one a)" '"type":"ack"' '"duplicate":true' "\"seq\":$seq,"
	ws_ask eddy "$(update one b)" '"code":"forbidden"'
	api PUT sections/intro eddy '{"changes":{"content":"one"}}' -H 'Idempotency-Key: a'
	want 200 '"duplicate":true' "\"seq\":$seq,"
}

@test "SIGTERM: going_away, 1001, status 0; SIGKILL afterwards would lose nothing" {
	local i
	daemon_start
	start
	join eddy eddy
	stream vera text/event-stream events
	stream_until '"type":"user_online"'
	for ((i = 1; i <= 10; i++)); do
		ws_say eddy "$(update "v$i" "r$i")"
	done
	ws_read eddy '"ref":"r1"'
	kill -TERM "$PID"
	ws_until eddy '"type":"going_away"' '"reconnect_after_ms":'
	# What it read too late for that is refused before the close.
	ws_until eddy '#close 1001'
	wait "$STREAM_PID"
	daemon_wait
	grep -q 'stopped' "$DIR/log"
	daemon_start
	api GET sections/intro olga
	want 200 '"content":"v'
}

@test "a restart is invisible to who resumes" {
	local seq hash i
	daemon_start
	start
	join eddy eddy
	join cora cora
	ws_until eddy '"user_id":"cora"'
	ws_ask cora '{"type":"comment_added","data":{"section_id":"intro","content":"before"}}' '"type":"ack"'
	ws_until eddy '"type":"comment_added"'
	field seq "$MSG"
	seq=$VALUE
	field hash "$MSG"
	hash=$VALUE
	daemon_kill
	daemon_start
	api PUT sections/intro olga '{"changes":{"content":"after"}}'
	want 200
	ws eddy2 eddy "since=$seq&hash=$hash"
	[ "$MSG" = "#open " ]
	# The ghosts' end, the change, its own return, then the present.
	for i in 1 2 3 4; do
		ws_read eddy2 "\"seq\":$((seq + i)),"
	done
	ws_read eddy2 '"type":"synced"' "\"seq\":$((seq + 4)),"
}

# ---- resume -------------------------------------------------------------------------------------

# log_at SEQ: the hash of that event, to HASH.
log_at() {
	api GET "events?since=$(($1 - 1))&limit=1" olga
	want 200 "\"seq\":$1,"
	field hash
	HASH=$VALUE
}

@test "resume: exactly what came after, one's own with its ref included, then synced, then live" {
	local seq
	daemon_start
	start
	join eddy eddy
	ws_ask eddy "$(update one r1)" '"type":"ack"'
	field seq "$MSG"
	seq=$VALUE
	ws_ask eddy "$(update two r2)" '"type":"ack"'
	api PUT sections/intro olga '{"changes":{"content":"three"}}'
	ws_read eddy '"content":"three"'
	log_at "$seq"
	ws again eddy "since=$seq&hash=$HASH"
	ws_read again "\"seq\":$((seq + 1))," '"ref":"r2"' '"content":"two"'
	ws_read again "\"seq\":$((seq + 2))," '"content":"three"'
	ws_read again '"type":"synced"' "\"seq\":$((seq + 2))," '"hash":"'
	api PUT sections/intro olga '{"changes":{"content":"four"}}'
	ws_read again "\"seq\":$((seq + 3))," '"content":"four"'
	# Without the hash, and from the beginning.
	ws more eddy "since=$((seq + 2))"
	ws_read more "\"seq\":$((seq + 3)),"
	ws_read more '"type":"synced"'
	ws most eddy "since=0"
	ws_read most '"type":"session_started"' '"seq":1,'
	# Nothing is new: synced at once.
	log_at "$((seq + 3))"
	ws none eddy "since=$((seq + 3))&hash=$HASH"
	ws_read none '"type":"synced"' "\"seq\":$((seq + 3))," "\"hash\":\"$HASH\""
}

@test "resume refused: a fresh session_state that says why, never a partial replay" {
	local zeros
	daemon_start
	start
	state
	zeros=$(printf '0%.0s' {1..64})
	join a eddy "since=$SEQ&hash=$zeros"
	[[ $MSG == *'"resumed":false'*'"reason":"hash_mismatch"'* && $MSG == *'"type":"session_state"'* ]]
	join b eddy "since=2&hash=nonsense"
	[[ $MSG == *'"resumed":false'*'"reason":"hash_mismatch"'* ]]
	join c eddy "since=9999"
	[[ $MSG == *'"resumed":false'*'"reason":"ahead"'* ]]
	# The same where the log has to be read from the store.
	daemon_kill
	daemon_start
	join d eddy "since=2&hash=$zeros"
	[[ $MSG == *'"resumed":false'*'"reason":"hash_mismatch"'* ]]
	log_at 2
	ws e eddy "since=2&hash=$HASH"
	ws_read e '"seq":3,'
	ws f eddy "since=-1"
	[ "$MSG" = "#http 400" ]
	ws f eddy "since=x"
	[ "$MSG" = "#http 400" ]
}

@test "a reader that stands still misses nothing: it catches up from the store" {
	local i long
	daemon_start --limit tail_bytes=65536 --limit stall_seconds=60
	start
	join eddy eddy
	join slow cora
	ws_until eddy '"user_id":"cora"'
	long=$(printf 'x%.0s' {1..4000})
	for ((i = 1; i <= 150; i++)); do
		ws_say eddy "$(update "$i $long")"
		ws_read eddy '"type":"ack"'
	done
	for ((i = 1; i <= 150; i++)); do
		ws_read slow "\"content\":\"$i xxx"
	done
	ws_quiet slow
}

@test "who catches up from the store gets texts and deltas as who never fell behind" {
	local i seq long
	daemon_start --limit tail_bytes=65536 --limit stall_seconds=60
	long=$(printf 'x%.0s' {1..4000})
	start "{\"conflict_resolution_strategy\":\"merge\",\"participants\":[{\"user_id\":\"cora\",\"role\":\"viewer\"}],\"sections\":{\"intro\":{\"content\":\"$long\"}}}"
	join olga olga 'content=delta'
	join texts cora
	join deltas cora content=delta
	ws_until olga '"user_id":"cora"'
	state
	seq=$SEQ
	for ((i = 1; i <= 150; i++)); do
		ws_say olga "{\"type\":\"section_update\",\"data\":{\"section_id\":\"intro\",\"base_seq\":$((seq + i - 1)),\"changes\":{\"delta\":[\"$i \"]}}}"
		ws_read olga '"type":"ack"' "\"seq\":$((seq + i)),"
	done
	for ((i = 1; i <= 150; i++)); do
		ws_read deltas "\"changes\":{\"delta\":[\"$i \"]}" "\"seq\":$((seq + i)),"
		ws_read texts "\"changes\":{\"content\":\"$i " "\"seq\":$((seq + i)),"
	done
	[[ $MSG == *'"content":"150 149 148 '*' 3 2 1 xxx'* ]]
	ws_quiet texts
	ws_quiet deltas
}

@test "a reader that takes nothing is closed, the others never notice, and it can resume" {
	local i long seq
	daemon_start --limit stall_seconds=1
	start
	join eddy eddy
	join slow cora
	field seq "$MSG"
	seq=$VALUE
	ws_until eddy '"user_id":"cora"'
	long=$(head -c 100000 /dev/zero | tr '\0' x)
	for ((i = 1; i <= 20; i++)); do
		ws_say eddy "$(update "$i $long")"
		ws_read eddy '"type":"ack"'
	done
	VALUE=0
	i=$SECONDS
	while [ "$VALUE" = 0 ] && [ $((SECONDS - i)) -lt "$PATIENCE" ]; do
		metric collabd_slow_closes_total
	done
	[ "$VALUE" = 1 ]
	kill "${WS_PIDS[slow]}"
	ws_end slow
	ws again cora "since=$((seq + 19))&content=delta"
	ws_read again "\"seq\":$((seq + 20)),"
}

# ---- what a connection asks for -----------------------------------------------------------------

@test "state=full, brief, none" {
	daemon_start
	start
	join full vera
	[ "$(json '[(.sections, .comments, .conflicts, .cursors, .participants, .limits, .you) | type] | join(" ")' "$MSG")" = \
		"object array array array array object object" ]
	join brief vera state=brief
	[ "$(json 'has("participants"), has("sections"), has("seq"), has("hash")' "$MSG" | tr '\n' ' ')" = "true false true true " ]
	join none vera state=none
	[[ $MSG == *'"hash":"'*'"type":"synced"'* ]]
}

@test "content=full gives the resulting text, content=delta the stored change" {
	daemon_start
	start '{"conflict_resolution_strategy":"merge","participants":[{"user_id":"eddy","role":"editor"}],"sections":{"intro":{"content":"Hello"}}}'
	join full eddy
	join delta eddy content=delta
	state
	api PATCH sections/intro olga "{\"base_seq\":$SEQ,\"changes\":{\"delta\":[5,\", you\"]}}"
	want 200
	ws_read full '"type":"section_update"' '"changes":{"content":"Hello, you"}'
	ws_read delta '"type":"section_update"' '"changes":{"delta":[5,", you"]}'
	# Also in a replay, and from the store.
	daemon_kill
	daemon_start
	ws full2 eddy "since=$SEQ"
	ws_until full2 '"type":"section_update"' '"changes":{"content":"Hello, you"}'
	ws delta2 eddy "since=$SEQ&content=delta"
	ws_until delta2 '"type":"section_update"' '"changes":{"delta":[5,", you"]}'
}

@test "a filter is the server's work, and its reader's cursor advances all the same" {
	daemon_start
	start
	join some eddy 'type=comment_added'
	api PUT sections/intro olga '{"changes":{"content":"x"}}'
	want 200
	field seq
	ws_read some '"type":"checkpoint"' "\"seq\":$VALUE," '"hash":"'
	api POST comments cora '{"section_id":"intro","content":"y"}'
	ws_read some '"type":"comment_added"'
	ws past eddy 'since=0&type=session_started,comment_added'
	ws_read past '"type":"session_started"'
	ws_read past '"type":"comment_added"'
	ws_read past '"type":"synced"'
	join others eddy 'user=!cora&section=intro'
	api POST comments cora '{"section_id":"intro","content":"y"}'
	api PUT sections/other olga '{"changes":{"content":"x"}}'
	api POST comments olga '{"section_id":"intro","content":"z"}'
	ws_until others '"type":"comment_added"'
	[[ $MSG == *'"content":"z"'* ]]
}

# ---- events fed back ----------------------------------------------------------------------------

@test "the output of one session is the input of another, once" {
	local line
	daemon_start
	start
	join eddy eddy
	ws_ask eddy "$(update shared)" '"type":"ack"'
	field seq "$MSG"
	ws again eddy "since=$((VALUE - 1))"
	ws_read again '"type":"section_update"'
	line=$MSG
	ws_read again '"type":"synced"'
	REPORT=other start
	REPORT=other join mirror eddy
	ws_ask mirror "$line" '"type":"ack"' "\"ref\":\"$(json '.session_id + ":" + (.seq | tostring)' "$line")\""
	ws_ask mirror "$line" '"duplicate":true'
	REPORT=other api GET sections/intro olga
	want 200 '"content":"shared"'
	# A comment too, whose fields are in comment{}.
	ws_ask eddy '{"type":"comment_added","data":{"section_id":"intro","content":"look"}}' '"type":"ack"'
	ws_read again '"type":"comment_added"'
	ws_ask mirror "$MSG" '"type":"ack"' '"comment_id":"'
	REPORT=other api GET comments olga
	want 200 '"content":"look"' '"user_id":"eddy"'
}

# ---- the log ------------------------------------------------------------------------------------

@test "events as pages of JSON" {
	daemon_start
	start
	state
	api GET events olga
	want 200 '"next":null' "\"seq\":$SEQ"
	[ "$(json '.events | map(.seq) == [range(1; 1 + length)]')" = true ]
	[ "$(json '.events | length')" = "$SEQ" ]
	api GET 'events?limit=2' olga
	[ "$(json '(.events | map(.seq | tostring) | join(" ")) + " " + (.next | tostring)')" = "1 2 2" ]
	api GET 'events?since=2&until=4' olga
	[ "$(json '.events | map(.seq | tostring) | join(" ")')" = "3 4" ]
	api GET 'events?type=participant_joined&user=olga' olga
	[ "$(json '.events | map(.type) | unique | join(" ")')" = participant_joined ]
	api GET 'events?section=intro' olga
	[ "$(json '.events | map(.section_id) | unique | join(" ")')" = intro ]
	api GET 'events?since=2000-01-01T00:00:00Z&limit=1' olga
	want 200 '"seq":1,'
	api GET 'events?since=2100-01-01T00:00:00Z' olga
	want 200 '"events":[]'
}

@test "events as NDJSON are the log as it is stored, and end" {
	daemon_start
	start
	state
	http --unix-socket "$SOCKET" -H 'X-Collab-As: olga' -H 'Accept: application/x-ndjson' \
		"http://localhost/api/reports/pmr/pmr-1/collaborate/events"
	want 200
	header Content-Type
	[ "$VALUE" = application/x-ndjson ]
	[ "$(grep -c . <<<"$BODY")" = "$SEQ" ]
	[ "$(jq -s 'map(.seq) == [range(1; 1 + length)]' <<<"$BODY")" = true ]
	api GET "events?limit=10000" olga
	[ "$(jq -c '.events[]' <<<"$BODY" | sha256sum)" = "$(curl -sS --unix-socket "$SOCKET" -H 'X-Collab-As: olga' -H 'Accept: application/x-ndjson' "http://localhost/api/sessions/$SESSION/events" | jq -c . | sha256sum)" ]
}

@test "the chain can be verified with jq and sha256sum" {
	local lines=() hashes=() i hash digest
	daemon_start
	start
	join eddy eddy
	ws_ask eddy "$(update two)" '"type":"ack"'
	ws_ask eddy '{"type":"comment_added","data":{"section_id":"intro","content":"three"}}' '"type":"ack"'
	api GET events olga
	mapfile -t lines < <(jq -cS '.events[] | del(.hash)' <<<"$BODY")
	mapfile -t hashes < <(json '.events[].hash')
	[ ${#lines[@]} -ge 9 ]
	hash=$(printf '0%.0s' {1..64})
	for i in "${!lines[@]}"; do
		digest=$(printf %s "${lines[i]}" | sha256sum)
		hash=$(printf %s "$hash${digest%% *}" | sha256sum)
		hash=${hash%% *}
		[ "$hash" = "${hashes[i]}" ]
	done
	api GET session olga
	want 200 "\"hash\":\"$hash\""
}

@test "server-sent events replay, follow, and resume by Last-Event-ID" {
	daemon_start
	start
	stream vera text/event-stream events
	stream_until 'id: 1'
	stream_until 'data: '
	[[ $LINE == 'data: {'*'"type":"session_started"'* ]]
	state
	stream_until "id: $SEQ"
	api PUT sections/intro olga '{"changes":{"content":"live"}}'
	want 200
	stream_until '"content":"live"'
	kill "$STREAM_PID"
	api PUT sections/intro olga '{"changes":{"content":"missed"}}'
	want 200
	stream vera text/event-stream events -H "Last-Event-ID: $((SEQ + 1))"
	IFS= read -r -t "$PATIENCE" -u "$STREAM" LINE
	[ "$LINE" = "id: $((SEQ + 2))" ]
	stream_until '"content":"missed"'
	kill "$STREAM_PID"
	stream vera text/event-stream 'events?type=comment_added'
	api POST comments cora '{"section_id":"intro","content":"x"}'
	want 201
	stream_until 'data: '
	[[ $LINE == *'"type":"comment_added"'* ]]
}

@test "the past: at=SEQ" {
	local seq
	daemon_start
	start
	state
	seq=$SEQ
	api PUT sections/intro eddy '{"changes":{"content":"Second"}}'
	api POST comments cora '{"section_id":"intro","content":"x"}'
	api DELETE sections/intro eddy
	want 200
	api GET sections/intro vera
	want 404
	api GET "sections/intro?at=$((seq + 1))" vera
	want 200 '"content":"Second"'
	header ETag
	[ "$VALUE" = "\"$((seq + 1))\"" ]
	api GET "sections/intro?at=$seq" vera
	want 200 '"content":"Hello"'
	api GET "comments?at=$seq" vera
	want 200 '"comments":[]'
	api GET "session?at=$((seq + 2))" vera
	want 200 '"total_comments":1' '"total_changes":2'
	api GET "state?at=$seq" olga
	header X-Collab-State-Hash
	[ "$VALUE" = "$STATE" ]
	api GET "sections?at=1" vera
	want 200 '"sections":{}'
}

@test "sessions are listed page by page, to who may see them" {
	local i seen=
	daemon_start
	for i in 1 2 3 4 5; do
		REPORT=r$i start
	done
	REPORT=r2 api POST end olga
	VALUE=0
	for i in 1 2 3; do
		api GET "/api/sessions?limit=2&cursor=$VALUE" ''
		want 200
		seen+="$(json '.sessions | map(.report_id) | join(" ")') "
		field cursor
	done
	[ "$seen" = "r1 r2 r3 r4 r5 " ]
	[ "$VALUE" = null ]
	api GET '/api/sessions?active=0' ''
	[ "$(json '.sessions | map(.report_id) | join(" ")')" = r2 ]
	api GET '/api/sessions?report=r3' ''
	[ "$(json '.sessions | map(.report_id) | join(" ")')" = r3 ]
	REPORT=r3 api DELETE participants/vera olga
	want 200
	api GET /api/sessions nora
	[ "$(json '.sessions | length')" = 0 ]
}

@test "ETag, If-Match and If-None-Match guard a section" {
	local etag
	daemon_start
	start
	api GET sections/intro eddy
	header ETag
	etag=$VALUE
	api GET sections/intro eddy '' -H "If-None-Match: $etag"
	[ "$STATUS" = 304 ]
	[ -z "$BODY" ]
	api PUT sections/intro eddy '{"changes":{"content":"x"}}' -H "If-Match: $etag"
	want 200
	header ETag
	[ "$VALUE" != "$etag" ]
	api PUT sections/intro eddy '{"changes":{"content":"y"}}' -H "If-Match: $etag"
	want 412 '"code":"version_mismatch"' '"content":"x"'
	api GET sections/intro eddy '' -H "If-None-Match: $etag"
	want 200 '"content":"x"'
	# Only if it is new.
	api PUT sections/new eddy '{"changes":{"content":"x"}}' -H 'If-Match: "0"'
	want 200
	api PUT sections/new eddy '{"changes":{"content":"x"}}' -H 'If-Match: "0"'
	want 412
	api PUT sections/newer eddy '{"changes":{"content":"x"}}' -H 'If-None-Match: *'
	want 200
	api PUT sections/newer eddy '{"changes":{"content":"y"}}' -H 'If-None-Match: *'
	want 412 '"content":"x"'
	# A guard that is not understood is not passed over.
	api PUT sections/newer eddy '{"changes":{"content":"y"}}' -H "If-None-Match: $etag"
	want 400 '"field":"If-None-Match"'
	api PUT sections/newer eddy '{"changes":{"content":"y"}}' -H 'If-Match: *'
	want 400 '"field":"If-Match"'
}

@test "an Idempotency-Key makes a retry harmless, a ref of a WebSocket is the same" {
	local seq
	daemon_start
	start
	api POST comments cora '{"section_id":"intro","content":"once"}' -H 'Idempotency-Key: k'
	want 201 '"ref":"k"'
	field seq
	seq=$VALUE
	api POST comments cora '{"section_id":"intro","content":"once"}' -H 'Idempotency-Key: k'
	want 200 '"duplicate":true' "\"seq\":$seq,"
	join cora cora
	ws_ask cora '{"type":"comment_added","ref":"k","data":{"section_id":"intro","content":"once"}}' '"duplicate":true' "\"seq\":$seq,"
	api GET comments vera
	[ "$(json '.comments | length')" = 1 ]
}

@test "last_write_wins names what it overwrote" {
	daemon_start
	start
	state
	api PUT sections/intro eddy '{"changes":{"content":"first"}}'
	field seq
	join olga olga
	api PUT sections/intro olga "{\"base_seq\":$SEQ,\"changes\":{\"content\":\"second\"}}"
	want 200
	ws_read olga '"type":"section_update"' "\"overwrote\":[$VALUE]"
	api PUT sections/intro olga '{"changes":{"content":"third"}}'
	ws_read olga '"type":"section_update"'
	[[ $MSG != *overwrote* ]]
}

# ---- the daemon itself --------------------------------------------------------------------------

@test "health, readiness, version, and what a browser asks first" {
	daemon_start --allowed-origins https://pmr.example
	api GET /healthz
	want 200
	api GET /readyz
	want 200 '"ready":true'
	api GET /version
	want 200 '"name":"collabd"' '"protocol":1'
	http -I "$URL/version"
	want 200
	http -X OPTIONS -H 'Origin: https://pmr.example' -H 'Access-Control-Request-Method: PUT' \
		"$URL/api/reports/pmr/pmr-1/collaborate/sections/intro"
	[ "$STATUS" = 204 ]
	header Access-Control-Allow-Origin
	[ "$VALUE" = https://pmr.example ]
	header Access-Control-Allow-Methods
	[[ $VALUE == *PUT* ]]
	header Access-Control-Allow-Headers
	[[ $VALUE == *If-None-Match* ]]
	# What a page from another origin may read of an answer, errors too.
	http -H 'Origin: https://pmr.example' "$URL/api/sessions"
	[ "$STATUS" = 401 ]
	header Access-Control-Allow-Origin
	[ "$VALUE" = https://pmr.example ]
	header Access-Control-Expose-Headers
	[[ $VALUE == *ETag*X-Collab-State-Hash* ]]
	http -H 'Origin: https://evil.example' "$URL/api/sessions"
	[ "$STATUS" = 403 ]
	! header Access-Control-Allow-Origin
}

@test "a subprotocol is selected only if it was offered" {
	local offer
	daemon_start
	start
	for offer in collab.v1 'other, collab.v1' 'collab.v1,ticket'; do
		ws offers eddy '' -H "Sec-WebSocket-Protocol: $offer"
		[ "$MSG" = '#open collab.v1' ]
		ws_close offers
	done
	for offer in collab.v10 xcollab.v1 'COLLAB.V1, collab.v1.x'; do
		ws offers eddy '' -H "Sec-WebSocket-Protocol: $offer"
		[ "${MSG% }" = '#open' ]
		ws_close offers
	done
}
