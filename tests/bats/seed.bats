#!/usr/bin/env bats
# What the original system did, and what its clients rely on: its seventeen behaviours by name, then
# every line of the protocol that it fixes.  Nothing here may ever have to change.

load helper

setup() {
	daemon_start
}

teardown() {
	clean_up
}

update='{"type":"section_update","data":{"section_id":"intro","changes":{"content":"Hello, world"}}}'
comment='{"type":"comment_added","data":{"section_id":"intro","content":"Why?","parent_comment_id":null}}'

# ---- connection manager -------------------------------------------------------------------------

@test "connection manager: initial state" {
	want_metric collabd_connections 0
	want_metric collabd_users_online 0
	want_metric collabd_connects_total 0
}

@test "connection manager: connect" {
	start
	join eddy eddy
	[[ $MSG == *'"type":"session_state"'* ]]
	[ "$(json '[.participants[] | select(.online) | .user_id] | join(" ")' "$MSG")" = eddy ]
	want_metric collabd_connections 1
	join cora cora
	ws_read eddy '"type":"user_online"' '"user_id":"cora"' '"user_name":"Cora"'
	want_metric collabd_connections 2
}

@test "connection manager: disconnect" {
	start
	join eddy eddy
	join cora cora
	ws_read eddy '"type":"user_online"'
	ws_close cora
	[ "$STATUS" = 0 ]
	ws_read eddy '"type":"user_offline"' '"user_id":"cora"' '"reason":"left"'
	want_metric collabd_connections 1
	api GET session olga
	[ "$(json '[.participants[] | select(.online) | .user_id] | join(" ")')" = eddy ]
}

@test "connection manager: a personal message goes to one connection only" {
	start
	join eddy eddy
	join cora cora
	ws_read eddy '"type":"user_online"'
	ws_ask eddy '{"type":"section_update","ref":"mine","data":{"section_id":"intro","changes":{"content":"A"}}}' \
		'"type":"ack"' '"ref":"mine"'
	ws_ask eddy '{"type":"nonsense","ref":"mine too"}' '"type":"error"' '"ref":"mine too"'
	ws_read cora '"type":"section_update"'
	ws_quiet cora
}

@test "connection manager: a broadcast goes to all but its sender" {
	start
	join eddy eddy
	join eddy2 eddy
	join cora cora
	ws_read eddy '"type":"user_online"'
	ws_read eddy2 '"type":"user_online"'
	ws_say eddy "$update"
	ws_read cora '"type":"section_update"' '"user_id":"eddy"'
	# Another connection of the same user is not the sender.
	ws_read eddy2 '"type":"section_update"' '"user_id":"eddy"'
	ws_read eddy '"type":"ack"'
	ws_quiet eddy
	ws_quiet eddy2
	ws_quiet cora
}

@test "connection manager: active users" {
	start
	join eddy eddy
	join eddy2 eddy
	join cora cora
	[ "$(json '[.participants[] | select(.online) | .user_id] | sort | join(" ")' "$MSG")" = "cora eddy" ]
	# A user with two connections is one user, and stays while one of them does.
	ws_close eddy2
	ws_quiet cora
	api GET participants olga
	[ "$(json '[.participants[] | select(.online) | .user_id] | sort | join(" ")')" = "cora eddy" ]
}

@test "connection manager: connection count" {
	start
	join one eddy
	join two eddy
	join three cora
	want_metric collabd_connections 3
	api GET /api/sessions
	want 200 '"connections":3'
	ws_close two
	want_metric collabd_connections 2
	ws_drop three
	# One that breaks is noticed too: the other hears of it once the grace is over, the count at once.
	ws_close one
	want_metric collabd_disconnects_total 3
	want_metric collabd_connections 0
}

# ---- collaboration manager ----------------------------------------------------------------------

@test "collaboration manager: initial state" {
	api GET session olga
	want 200
	[ "$BODY" = '{"has_active_session":false,"report_id":"pmr-1"}' ]
	api GET /api/sessions
	want 200
	[ "$(json '.sessions | length')" = 0 ]
}

@test "collaboration manager: create session" {
	api POST start olga
	want 201 '"status":"created"' '"report_id":"pmr-1"'
	field session_id
	SESSION=$VALUE
	api GET session olga
	want 200 '"has_active_session":true' "\"session_id\":\"$SESSION\""
	[ "$(json '.participants | map(.user_id + " " + .role) | join(",")')" = "olga owner" ]
	api POST start olga
	want 200 '"status":"existing"' "\"session_id\":\"$SESSION\""
}

@test "collaboration manager: add participant" {
	start
	join eddy eddy
	api POST participants olga '{"user_id":"paul","user_name":"Paul","user_email":"paul@example.org","role":"editor"}'
	want 201
	ws_read eddy '"type":"participant_joined"' '"user_id":"paul"' '"user_name":"Paul"' '"role":"editor"'
	api GET session olga
	[ "$(json '.participants[] | select(.user_id == "paul") | [.user_name, .user_email, .role] | join(" ")')" = "Paul paul@example.org editor" ]
	join paul paul
	[[ $MSG == *'"you":{'*'"role":"editor"'* ]]
}

@test "collaboration manager: remove participant" {
	start
	join eddy eddy
	api DELETE participants/cora olga
	want 200
	ws_read eddy '"type":"participant_left"' '"user_id":"cora"' '"by":"olga"'
	api GET session olga
	[ "$(json '.participants | map(.user_id) | sort | join(" ")')" = "eddy olga vera" ]
	ws cora cora
	[ "$MSG" = "#http 403" ]
}

@test "collaboration manager: end session" {
	start
	join eddy eddy
	ws_ask eddy "$update" '"type":"ack"'
	ws_ask eddy "$comment" '"type":"ack"'
	api POST end olga
	want 200 '"status":"ended"' '"report_id":"pmr-1"' "\"session_id\":\"$SESSION\"" '"total_comments":1' '"ended_at":"'
	ws_until eddy '"type":"session_ended"'
	ws_read eddy '#close 4410'
	api GET session olga
	want 200
	[ "$BODY" = '{"has_active_session":false,"report_id":"pmr-1"}' ]
	ws eddy eddy
	[ "$MSG" = "#http 404" ]
}

@test "collaboration manager: section update" {
	start
	join eddy eddy
	join cora cora
	ws_read eddy '"type":"user_online"'
	ws_ask eddy "$update" '"type":"ack"' '"durability":"fsynced"'
	field version "$MSG"
	ws_read cora '"type":"section_update"' '"section_id":"intro"' '"user_id":"eddy"' '"user_name":"Eddy"' \
		'"changes":{"content":"Hello, world"}' "\"version\":$VALUE"
	api GET sections/intro vera
	want 200 '"content":"Hello, world"' "\"version\":$VALUE"
	api GET session olga
	want 200 '"total_changes":2'
	[ "$(json '.active_editors | contains(["eddy"])')" = true ]
}

@test "collaboration manager: comment added" {
	start
	join eddy eddy
	join cora cora
	ws_read eddy '"type":"user_online"'
	ws_ask cora "$comment" '"type":"ack"'
	field comment_id "$MSG"
	ws_read eddy '"type":"comment_added"' "\"comment\":{\"comment_id\":\"$VALUE\",\"content\":\"Why?\"" \
		'"parent_comment_id":null' '"section_id":"intro"' '"user_id":"cora"' '"user_name":"Cora"' '"created_at":"'
	api GET comments olga
	want 200 "\"comment_id\":\"$VALUE\"" '"resolved":false'
	api GET session olga
	want 200 '"total_comments":1'
}

@test "collaboration manager: comment resolved" {
	local id
	start
	join eddy eddy
	join cora cora
	ws_read eddy '"type":"user_online"'
	ws_ask cora "$comment" '"type":"ack"'
	field comment_id "$MSG"
	id=$VALUE
	ws_read eddy '"type":"comment_added"'
	ws_ask eddy "{\"type\":\"comment_resolved\",\"data\":{\"comment_id\":\"$id\"}}" '"type":"ack"'
	ws_read cora '"type":"comment_resolved"' "\"comment_id\":\"$id\"" '"resolved_by":"eddy"'
	api GET comments olga
	want 200 '"resolved":true' '"resolved_by":"eddy"'
}

@test "collaboration manager: active session count" {
	REPORT=one start
	REPORT=two start
	REPORT=three start
	api GET '/api/sessions?active=1'
	[ "$(json '.sessions | map(.report_id) | sort | join(" ")')" = "one three two" ]
	want_metric collabd_rooms_active 3
	REPORT=two api POST end olga
	want 200
	api GET '/api/sessions?active=1'
	[ "$(json '.sessions | map(.report_id) | sort | join(" ")')" = "one three" ]
	want_metric collabd_rooms_active 2
}

@test "collaboration manager: total connections" {
	REPORT=one start
	REPORT=two start
	REPORT=one join a eddy
	REPORT=one join b cora
	REPORT=two join c eddy
	want_metric collabd_connections 3
	api GET '/api/sessions?active=1'
	[ "$(json '.sessions | map(.report_id + " " + (.connections | tostring)) | sort | join(",")')" = "one 2,two 1" ]
	REPORT=one api POST end olga
	ws_until a '#close'
	ws_until b '#close'
	want_metric collabd_connections 1
}

# ---- the lines that are fixed: HTTP -------------------------------------------------------------

@test "start answers with the original's fields and defaults" {
	api POST start olga '{}'
	want 201
	[ "$(json '[.report_id, .status, .max_participants, .session_timeout_minutes, .conflict_resolution_strategy] | map(tostring) | join(" ")')" = \
		"pmr-1 created 10 60 last_write_wins" ]
	[[ $(json .session_id) =~ ^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$ ]]
	[[ $(json .started_at) =~ ^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$ ]]
	[[ $(json .websocket_url) == */ws/reports/pmr/pmr-1/collaborate ]]
}

@test "start takes its options from the body" {
	api POST start olga '{"session_type":"chat","conflict_resolution_strategy":"manual","max_participants":3,"session_timeout_minutes":7}'
	want 201 '"max_participants":3' '"session_timeout_minutes":7' '"conflict_resolution_strategy":"manual"'
	api GET session olga
	want 200 '"session_type":"chat"' '"max_participants":3' '"session_timeout_minutes":7' '"conflict_resolution_strategy":"manual"'
}

@test "start takes its options from the query" {
	api POST 'start?session_type=direct&conflict_resolution_strategy=merge&max_participants=4&session_timeout_minutes=480' olga
	want 201 '"max_participants":4' '"session_timeout_minutes":480' '"conflict_resolution_strategy":"merge"'
	api GET session olga
	want 200 '"session_type":"direct"'
}

@test "max_participants ranges from 1 to 50" {
	local n
	for n in 0 51 -1 '"10"' 2.5; do
		api POST start olga "{\"max_participants\":$n}"
		want 400 '"code":"bad_field"' '"field":"max_participants"'
	done
	api POST 'start?max_participants=51' olga
	want 400 '"field":"max_participants"'
	REPORT=a api POST start olga '{"max_participants":1}'
	want 201 '"max_participants":1'
	REPORT=b api POST start olga '{"max_participants":50}'
	want 201 '"max_participants":50'
}

@test "session_timeout_minutes ranges from 5 to 480" {
	local n
	for n in 4 481 0 -5 '"60"'; do
		api POST start olga "{\"session_timeout_minutes\":$n}"
		want 400 '"code":"bad_field"' '"field":"session_timeout_minutes"'
	done
	REPORT=a api POST start olga '{"session_timeout_minutes":5}'
	want 201 '"session_timeout_minutes":5'
	REPORT=b api POST start olga '{"session_timeout_minutes":480}'
	want 201 '"session_timeout_minutes":480'
}

@test "the strategy is one of three" {
	api POST start olga '{"conflict_resolution_strategy":"newest"}'
	want 400 '"code":"bad_field"' '"field":"conflict_resolution_strategy"'
	REPORT=a api POST start olga '{"conflict_resolution_strategy":"last_write_wins"}'
	want 201
	REPORT=b api POST start olga '{"conflict_resolution_strategy":"merge"}'
	want 201
	REPORT=c api POST start olga '{"conflict_resolution_strategy":"manual"}'
	want 201
}

@test "end answers with the original's fields, and 404 without a session" {
	api POST end olga
	want 404 '"code":"no_session"'
	start
	api PUT sections/intro eddy '{"changes":{"content":"Two"}}'
	want 200
	api POST comments cora '{"section_id":"intro","content":"One"}'
	want 201
	api POST end olga
	want 200
	[ "$(json '[.session_id, .report_id, .status, .total_changes, .total_comments] | map(tostring) | join(" ")')" = \
		"$SESSION pmr-1 ended 2 1" ]
	[[ $(json .ended_at) =~ ^20.*Z$ ]]
	api POST end olga
	want 404 '"code":"no_session"'
}

@test "session answers with the original's fields" {
	start
	api GET session olga
	want 200
	[ "$(json '[.session_id, .report_id, .has_active_session, .session_type] | map(tostring) | join(" ")')" = \
		"$SESSION pmr-1 true collaborative" ]
	[ "$(json '[(.participants, .active_editors, .locked_sections, .total_changes, .total_comments, .started_at, .last_activity) | type] | join(" ")')" = \
		"array array object number number string string" ]
	[ "$(json '.participants[] | select(.user_id == "eddy") | [.user_name, .user_email, .role] | join(" ")')" = "Eddy eddy@example.org editor" ]
}

@test "locked_sections maps a section to its user" {
	start
	api PUT sections/intro/lock eddy '{}'
	want 200
	api GET session olga
	want 200 '"locked_sections":{"intro":"eddy"}'
	join cora cora
	[[ $MSG == *'"locked_sections":{"intro":"eddy"}'* ]]
}

# ---- the lines that are fixed: WebSocket --------------------------------------------------------

@test "the first message is session_state with the original's fields" {
	start
	join cora cora
	[ "$(json '.type' "$MSG")" = session_state ]
	[ "$(json '[(.session_id, .timestamp, .participants, .active_editors, .locked_sections) | type] | join(" ")' "$MSG")" = \
		"string string array array object" ]
	[ "$(json .session_id "$MSG")" = "$SESSION" ]
}

@test "a browser's token comes in the query" {
	secret
	daemon_stop
	daemon_start --secret-file "$SECRET"
	mint '{"sub":"olga","name":"Olga","exp":4102444800}'
	http -X POST -H "Authorization: Bearer $TOKEN" -d '' "$URL/api/reports/pmr/pmr-1/collaborate/start"
	want 201 "\"websocket_url\":\"ws://$ADDRESS/ws/reports/pmr/pmr-1/collaborate\""
	join olga '' "token=$TOKEN" -t "$ADDRESS"
	[[ $MSG == *'"type":"session_state"'* ]]
	ws nobody '' "token=${TOKEN}x" -t "$ADDRESS"
	[ "$MSG" = "#http 401" ]
	ws nobody '' '' -t "$ADDRESS"
	[ "$MSG" = "#http 401" ]
	not_logged "$TOKEN"
}

@test "a cursor goes to the others with the original's fields" {
	start
	join eddy eddy
	join cora cora
	ws_read eddy '"type":"user_online"'
	ws_say cora '{"type":"cursor_position","data":{"section_id":"intro","position":4}}'
	ws_read eddy '"type":"cursor_position"' '"user_id":"cora"' '"user_name":"Cora"' '"section_id":"intro"' '"position":4'
	[[ $MSG != *'"selection"'* ]]
	ws_say cora '{"type":"cursor_position","data":{"section_id":"intro","position":5,"selection":[2,5]}}'
	ws_read eddy '"type":"cursor_position"' '"position":5' '"selection":[2,5]'
	ws_quiet cora
	api GET session olga
	[ "$(json '.active_editors | contains(["cora"])')" = true ]
}

@test "a comment has 1 to 5000 characters once trimmed" {
	local long
	start
	join cora cora
	# Characters are code points: é has two bytes.
	long=$(printf 'é%.0s' {1..5000})
	ws_ask cora "{\"type\":\"comment_added\",\"data\":{\"section_id\":\"intro\",\"content\":\" \\n\\u00a0${long}\\t\",\"parent_comment_id\":null}}" '"type":"ack"'
	ws_ask cora "{\"type\":\"comment_added\",\"data\":{\"section_id\":\"intro\",\"content\":\"${long}e\",\"parent_comment_id\":null}}" \
		'"code":"bad_field"' '"field":"content"'
	ws_ask cora '{"type":"comment_added","data":{"section_id":"intro","content":"","parent_comment_id":null}}' \
		'"code":"bad_field"' '"field":"content"'
	ws_ask cora '{"type":"comment_added","data":{"section_id":"intro","content":" \t\r\n\u3000","parent_comment_id":null}}' \
		'"code":"bad_field"' '"field":"content"'
	ws_ask cora '{"type":"comment_added","data":{"section_id":"intro","content":"  x  ","parent_comment_id":null}}' '"type":"ack"'
	api GET comments olga
	[ "$(json '.comments | map(.content | length | tostring) | join(" ")')" = "5000 1" ]
}

@test "a comment may answer another, about a section that does not exist" {
	local id
	start
	join cora cora
	join eddy eddy
	ws_read cora '"type":"user_online"'
	ws_ask cora '{"type":"comment_added","data":{"section_id":"nowhere","content":"First","parent_comment_id":null}}' '"type":"ack"'
	field comment_id "$MSG"
	id=$VALUE
	ws_read eddy '"type":"comment_added"'
	ws_ask eddy "{\"type\":\"comment_added\",\"data\":{\"section_id\":\"nowhere\",\"content\":\"Second\",\"parent_comment_id\":\"$id\"}}" '"type":"ack"'
	ws_read cora '"type":"comment_added"' "\"parent_comment_id\":\"$id\"" '"section_id":"nowhere"'
}

@test "an update creates a section that is new, other keys included" {
	start
	join eddy eddy
	join cora cora
	ws_read eddy '"type":"user_online"'
	ws_ask eddy '{"type":"section_update","data":{"section_id":"new","changes":{"content":"Text","title":"A title"}}}' '"type":"ack"'
	ws_read cora '"type":"section_update"' '"section_id":"new"' '"changes":{"content":"Text","title":"A title"}'
	api GET sections/new vera
	want 200 '"content":"Text"' '"title":"A title"' '"updated_by":"eddy"'
}

# The original's clients send neither ref nor base_seq, and read only what the original sent.
@test "a client that knows only the original protocol works" {
	local id
	start '{"participants":[{"user_id":"eddy","user_name":"Eddy","role":"editor"}]}'
	join olga olga
	join eddy eddy
	ws_read olga '"type":"user_online"'
	ws_say eddy '{"type":"cursor_position","data":{"section_id":"s","position":0}}'
	ws_read olga '"type":"cursor_position"'
	ws_ask eddy '{"type":"section_update","data":{"section_id":"s","changes":{"content":"One"}}}' '"type":"ack"'
	ws_read olga '"type":"section_update"' '"content":"One"'
	# Two in a row, without waiting.
	ws_say eddy '{"type":"section_update","data":{"section_id":"s","changes":{"content":"Two"}}}'
	ws_say eddy '{"type":"section_update","data":{"section_id":"s","changes":{"content":"Three"}}}'
	ws_read olga '"content":"Two"'
	ws_read olga '"content":"Three"'
	ws_read eddy '"type":"ack"'
	ws_read eddy '"type":"ack"'
	ws_ask olga '{"type":"comment_added","data":{"section_id":"s","content":"Good","parent_comment_id":null}}' '"type":"ack"'
	ws_read eddy '"type":"comment_added"'
	field comment_id "$MSG"
	id=$VALUE
	ws_ask eddy "{\"type\":\"comment_resolved\",\"data\":{\"comment_id\":\"$id\"}}" '"type":"ack"'
	ws_read olga '"type":"comment_resolved"' '"resolved_by":"eddy"'
	api POST end olga
	want 200 '"total_changes":3' '"total_comments":1'
	ws_until eddy '"type":"session_ended"'
}
