#!/usr/bin/env bats
# A session's life as others see it: time-out, end, removal, presence, resume, retries across a crash,
# tokens and tickets, streams of events, the past.

load helper

setup() {
	daemon_start --grace-seconds 1
}

teardown() {
	clean_up
}

update() { # update REF TEXT [SECTION]
	printf '{"type":"section_update","ref":"%s","data":{"section_id":"%s","changes":{"content":"%s"}}}' \
		"$1" "${3:-intro}" "$2"
}

# ---- ends -----------------------------------------------------------------------------------------

@test "the end is seen by everybody, closes with 4410 and is in the log" {
	start
	join a eddy
	join b vera
	api POST end olga '{}'
	want 200 '"status":"ended"'
	ws_until a '"type":"session_ended"' '"total_changes":'
	ws_until a '#close 4410'
	ws_until b '"type":"session_ended"'
	ws_until b '#close 4410'
	api GET "/api/sessions/$SESSION/events?type=session_ended"
	want 200 '"type":"session_ended"'
	api GET session olga
	want 200 '"has_active_session":false'
	api GET "/api/sessions/$SESSION/sections/intro" olga
	want 200 '"content":"Hello"'
	ws c olga
	[ "$STATUS" = 404 ]
}

@test "an idle session times out, by the clock, although nobody has it open" {
	start '{"session_timeout_minutes":5}'
	daemon_stop
	daemon_start -e 'faketime -f +6m'
	api GET "/api/sessions/$SESSION/events?type=session_ended"
	for ((i = 0; i < 200; i++)); do
		[[ $BODY != *'"reason":"timeout"'* ]] || break
		api GET "/api/sessions/$SESSION/events?type=session_ended"
	done
	[[ $BODY == *'"reason":"timeout"'* ]]
	api GET session olga
	want 200 '"has_active_session":false'
}

@test "the report goes on where its last session ended, for owners and editors only" {
	start
	api POST comments cora '{"section_id":"intro","content":"Open"}'
	want 201
	api POST end olga '{}'
	want 200
	api POST start vera '{}'
	want 403
	api POST start nobody '{}'
	want 403
	api POST start eddy '{}'
	want 201 "\"continued_from\":\"$SESSION\""
	api GET 'session?include=sections,comments' eddy
	want 200 '"content":"Hello"' '"content":"Open"'
	[ "$(json '[.participants[].user_id]|sort|join(",")')" = cora,eddy,olga,vera ]
}

@test "a removed participant is closed with 4403, whatever it has in flight" {
	start
	join a eddy
	api DELETE participants/eddy olga
	want 200
	ws_until a '#close 4403'
	ws b eddy
	[ "$STATUS" = 403 ]
}

@test "no more participants than max_participants" {
	start '{"max_participants":2}'
	api POST participants olga '{"user_id":"a"}'
	want 201
	api POST participants olga '{"user_id":"b"}'
	want 409 '"code":"session_full"'
}

# ---- presence -------------------------------------------------------------------------------------

@test "a blink is not news; who stays away is offline after the grace; a clean leave shows at once" {
	start
	join a eddy
	join b vera
	ws_until a '"type":"user_online"' '"user_id":"vera"'
	ws_drop b
	join b vera
	ws_quiet a
	ws_drop b
	ws_until a '"type":"user_offline"' '"reason":"lost"' '"user_id":"vera"'
	join b vera
	ws_until a '"type":"user_online"' '"user_id":"vera"'
	ws_close b
	ws_until a '"type":"user_offline"' '"reason":"left"'
}

@test "many tabs of one user are one user; a crash leaves no ghosts" {
	start
	join a eddy
	join b vera
	join c vera
	ws_until a '"type":"user_online"' '"user_id":"vera"'
	ws_close b
	ws_quiet a
	daemon_kill
	daemon_start
	api GET session olga
	[ "$(json '[.participants[]|select(.online)]|length')" = 0 ]
	api GET "events?type=user_offline"
	[ "$(json '[.events[]|select(.reason=="server_restart").user_id]|sort|join(",")')" = eddy,vera ]
}

@test "PUT presence is online for its time, then offline" {
	start
	join a eddy
	api PUT presence vera '{"ttl":1}'
	want 200 '"expires_in":1'
	ws_until a '"type":"user_online"' '"user_id":"vera"'
	ws_until a '"type":"user_offline"' '"reason":"lease_expired"' '"user_id":"vera"'
}

# ---- resume and retry -----------------------------------------------------------------------------

@test "a resume gets exactly what came after, own events too, then synced" {
	start
	join a eddy 'content=delta'
	ws_ask a "$(update one First)" '"type":"ack"' '"ref":"one"'
	field seq "$MSG"
	seq=$VALUE
	field hash "$MSG"
	hash=$VALUE
	ws_ask a "$(update two Second)" '"type":"ack"'
	ws_drop a
	api POST comments cora '{"section_id":"intro","content":"Meanwhile"}'
	want 201
	ws a eddy "since=$seq&hash=$hash"
	ws_read a '"ref":"two"' '"type":"section_update"' "\"seq\":$((seq + 1))"
	ws_read a '"type":"comment_added"' "\"seq\":$((seq + 2))"
	ws_read a '"type":"synced"' "\"seq\":$((seq + 2))"
}

@test "a resume that does not fit gets a fresh state and the reason" {
	start
	join a eddy "since=2&hash=$(printf '0%.0s' {1..64})"
	[[ $MSG == *'"type":"session_state"'* && $MSG == *'"resumed":false'* && $MSG == *'"reason":"hash_mismatch"'* ]]
	join b eddy 'since=99999'
	[[ $MSG == *'"resumed":false'* && $MSG == *'"reason":"ahead"'* ]]
}

@test "a ref is taken once, also across kill -9, also by REST" {
	start
	join a eddy
	ws_ask a "$(update once Text)" '"type":"ack"'
	field seq "$MSG"
	seq=$VALUE
	daemon_kill
	daemon_start
	join b eddy
	ws_ask b "$(update once Text)" '"type":"ack"' '"duplicate":true' "\"seq\":$seq"
	ws_ask b "$(update once Other)" '"code":"ref_reused"'
	api POST comments cora '{"section_id":"intro","content":"C"}' -H 'Idempotency-Key: k1'
	want 201
	field seq
	seq=$VALUE
	api POST comments cora '{"section_id":"intro","content":"C"}' -H 'Idempotency-Key: k1'
	want 200 '"duplicate":true' "\"seq\":$seq"
}

@test "SIGTERM: clients are told, closed with 1001, and find everything again" {
	start
	join a eddy
	ws_ask a "$(update last Words)" '"type":"ack"'
	kill -TERM "$PID"
	ws_until a '"type":"going_away"' '"reconnect_after_ms":'
	ws_until a '#close 1001'
	daemon_wait
	daemon_start
	api GET sections/intro eddy
	want 200 '"content":"Words"'
}

# ---- identity -------------------------------------------------------------------------------------

@test "over TCP a token says who is there; without keys nothing is answered but the probes" {
	http "$URL/api/sessions"
	want 401
	http "$URL/healthz"
	want 200
	daemon_stop
	secret
	daemon_start --secret-file "$SECRET"
	mint '{"sub":"tina","name":"Tina","exp":4102444800}'
	http -X POST -H "Authorization: Bearer $TOKEN" "$URL/api/reports/pmr/t1/collaborate/start"
	want 201 '"websocket_url":"ws://127.0.0.1:'
	http "$URL/api/reports/pmr/t1/collaborate/session"
	want 401 '"code":"unauthenticated"'
	mint '{"sub":"tina","exp":1000}'
	http -H "Authorization: Bearer $TOKEN" "$URL/api/reports/pmr/t1/collaborate/session"
	want 401 '"code":"token_expired"'
	mint '{"sub":"root@local"}'
	http -H "Authorization: Bearer $TOKEN" "$URL/api/reports/pmr/t1/collaborate/session"
	want 401
	run ! grep -F "$TOKEN" "$DIR/log"
}

@test "a ticket opens one WebSocket, once" {
	daemon_stop
	secret
	daemon_start --secret-file "$SECRET"
	mint '{"sub":"tina"}'
	http -X POST -H "Authorization: Bearer $TOKEN" "$URL/api/reports/pmr/t1/collaborate/start"
	want 201
	http -X POST -H "Authorization: Bearer $TOKEN" "$URL/api/tickets"
	want 201 '"expires_in":30'
	field ticket
	ticket=$VALUE
	join a '' "/ws/reports/pmr/t1/collaborate?ticket=$ticket" -t "$ADDRESS"
	[[ $MSG == *'"user_id":"tina"'* ]]
	ws b '' "/ws/reports/pmr/t1/collaborate?ticket=$ticket" -t "$ADDRESS"
	[ "$STATUS" = 401 ]
}

# ---- reading --------------------------------------------------------------------------------------

@test "server-sent events replay after Last-Event-ID and end with the session" {
	start
	api PUT sections/intro eddy '{"changes":{"content":"Live"}}'
	want 200
	field seq
	(curl -sN --unix-socket "$SOCKET" -H 'Accept: text/event-stream' -H "Last-Event-ID: $((VALUE - 1))" \
		"http://x/api/reports/pmr/$REPORT/collaborate/events" >"$DIR/sse" 3>&- 4>&-) &
	stream=$!
	api POST end olga '{}'
	want 200
	wait $stream
	[ "$(grep -c '^id: ' "$DIR/sse")" -ge 2 ]
	[ "$(grep -m1 '^id: ' "$DIR/sse")" = "id: $VALUE" ]
	grep -q '"type":"session_ended"' "$DIR/sse"
}

@test "NDJSON is the log as stored; filters and limits count; the past can be read" {
	start
	api PUT sections/intro eddy '{"changes":{"content":"Second"}}'
	want 200
	field seq
	api GET events '' '' -H 'Accept: application/x-ndjson'
	[ "$(grep -c '"seq":' <<<"$BODY")" = "$VALUE" ]
	api GET 'events?type=section_update&limit=1'
	want 200 '"next":'
	[ "$(json '.events|length')" = 1 ]
	api GET "events?user=!olga"
	[ "$(json '[.events[].user_id]|unique|join(",")')" = eddy ]
	api GET "sections/intro?at=$((VALUE - 1))"
	want 200 '"content":"Hello"'
	api GET "sections/intro?at=999"
	want 400 '"field":"at"'
}

@test "If-Match guards a write; ETag is the version" {
	start
	api GET sections/intro eddy
	header ETag
	tag=$VALUE
	api PUT sections/intro eddy '{"changes":{"content":"A"}}' -H "If-Match: $tag"
	want 200
	api PUT sections/intro eddy '{"changes":{"content":"B"}}' -H "If-Match: $tag"
	want 412 '"code":"version_mismatch"' '"content":"A"'
	api GET sections/intro eddy '' -H "If-None-Match: $tag"
	want 200 '"content":"A"'
}

@test "the view of the original system has its columns and the session's data" {
	start
	api PUT sections/intro eddy '{"changes":{"content":"For the view"}}'
	want 200
	daemon_stop
	columns=$(sqlite3 "$DIR/data/collab.db" "select group_concat(name) from pragma_table_info('collaboration_sessions')")
	[ "$columns" = session_id,report_id,session_type,participants,active_editors,started_at,last_activity,changes_log,comments,locked_sections,conflict_resolution_strategy,max_participants,session_timeout_minutes,is_active,created_at,updated_at ]
	[ "$(sqlite3 "$DIR/data/collab.db" "select json_array_length(participants)||is_active||json_extract(changes_log,'\$[1].changes.content') from collaboration_sessions")" = '41For the view' ]
}
