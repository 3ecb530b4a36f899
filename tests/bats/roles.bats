#!/usr/bin/env bats
# Who may do what: every role with every message and every request, as the table of roles says.
# A refusal names the rule and changes nothing.

load helper

setup() {
	daemon_start
}

teardown() {
	clean_up
	[ -z "${OPEN_DIR:-}" ] || rm -rf "$OPEN_DIR"
}

own=11111111-1111-4111-8111-111111111111
others=22222222-2222-4222-8222-222222222222

# prepare USER: a session where each of the rows below is possible; the comment `own` is USER's.
prepare() {
	api POST start olga '{"conflict_resolution_strategy":"manual","participants":[
		{"user_id":"otto","user_name":"Otto","role":"owner"},
		{"user_id":"eddy","user_name":"Eddy","role":"editor"},
		{"user_id":"paul","user_name":"Paul","role":"editor","user_email":"paul@example.org"},
		{"user_id":"cora","user_name":"Cora","role":"commenter"},
		{"user_id":"vera","user_name":"Vera","role":"commenter"}],
		"sections":{"a":{"content":"A"},"b":{"content":"B"},"c":{"content":"C"}}}'
	want 201
	field session_id
	SESSION=$VALUE
	api POST comments "$1" "{\"comment_id\":\"$own\",\"section_id\":\"a\",\"content\":\"Mine\"}"
	want 201
	api POST comments paul "{\"comment_id\":\"$others\",\"section_id\":\"a\",\"content\":\"Paul's\"}"
	want 201
	api PATCH participants/vera olga '{"role":"viewer"}'
	want 200
	api PUT sections/held/lock paul '{"ttl_seconds":600}'
	want 200
	# Paul proposes a change of c that was made before C was written: a conflict.
	api PUT sections/c paul '{"base_seq":1,"changes":{"content":"D"}}'
	want 200 '"conflict_id":"'
	field conflict_id
	conflict=$VALUE
}

# NEEDS|MESSAGE, in an order in which each may follow the others.  NEEDS is the role, or LEAST:ROLE
# where the message takes a role at least, and a higher one for this case; "author": only the author.
messages() {
	cat <<-END
		commenter|{"type":"cursor_position","ref":"r","data":{"section_id":"a","position":1}}
		commenter|{"type":"comment_added","data":{"section_id":"a","content":"Hm","parent_comment_id":null}}
		commenter|{"type":"comment_edited","data":{"comment_id":"$own","content":"Mine, better"}}
		commenter:author|{"type":"comment_edited","data":{"comment_id":"$others","content":"Not mine"}}
		commenter|{"type":"comment_resolved","data":{"comment_id":"$own"}}
		commenter|{"type":"comment_reopened","data":{"comment_id":"$own"}}
		commenter:editor|{"type":"comment_resolved","data":{"comment_id":"$others"}}
		commenter:editor|{"type":"comment_reopened","data":{"comment_id":"$others"}}
		commenter|{"type":"comment_deleted","data":{"comment_id":"$own"}}
		commenter:owner|{"type":"comment_deleted","data":{"comment_id":"$others"}}
		editor|{"type":"section_update","data":{"section_id":"new","changes":{"content":"New"}}}
		editor|{"type":"section_update","data":{"section_id":"a","changes":{"title":"A title"}}}
		editor|{"type":"section_lock","data":{"section_id":"a","ttl_seconds":60}}
		editor|{"type":"section_unlock","data":{"section_id":"a"}}
		editor:owner|{"type":"section_unlock","data":{"section_id":"held","force":true}}
		editor|{"type":"section_deleted","data":{"section_id":"b"}}
		editor|{"type":"conflict_resolved","data":{"conflict_id":"$conflict","resolution":"proposed"}}
		none|{"type":"ping"}
		none|{"type":"heartbeat"}
	END
}

# NEEDS|METHOD|PATH|BODY, likewise.
requests() {
	cat <<-END
		viewer|GET|session|
		viewer|GET|session?include=sections,comments,conflicts|
		viewer|GET|state|
		viewer|GET|participants|
		viewer|GET|sections|
		viewer|GET|sections/a|
		viewer|GET|comments|
		viewer|GET|conflicts|
		viewer|GET|conflicts/$conflict|
		viewer|GET|events|
		viewer|PUT|presence|{"ttl":300}
		commenter|POST|comments|{"section_id":"a","content":"Hm"}
		commenter|PATCH|comments/$own|{"content":"Mine, better"}
		commenter:author|PATCH|comments/$others|{"content":"Not mine"}
		commenter|POST|comments/$own/resolve|
		commenter|POST|comments/$own/reopen|
		commenter:editor|POST|comments/$others/resolve|
		commenter:editor|POST|comments/$others/reopen|
		commenter|DELETE|comments/$own|
		commenter:owner|DELETE|comments/$others|
		editor|PUT|sections/new|{"changes":{"content":"New"}}
		editor|PATCH|sections/new|{"base_seq":9999,"changes":{"delta":[3,"er"]}}
		editor|PUT|sections/a/lock|{}
		editor|DELETE|sections/a/lock?fence=1|
		editor:owner|DELETE|sections/held/lock?force=1|
		editor|DELETE|sections/b|
		editor|POST|conflicts/$conflict/resolve|{"resolution":"current"}
		owner|POST|participants|{"user_id":"nina","role":"viewer"}
		owner|PATCH|participants/paul|{"role":"viewer"}
		owner|DELETE|participants/paul|
		owner|POST|end|
	END
}

# rank ROLE
rank() {
	local order="none viewer commenter editor owner author admin"
	RANK=${order%%"$1"*}
	RANK=${#RANK}
}

# allowed ROLE NEEDS: if not, NEEDED is what the refusal has to name, "" for nothing.
allowed() {
	local have
	rank "$1"
	have=$RANK
	rank "${2#*:}"
	[ "$have" -lt "$RANK" ] || return 0
	NEEDED=${2#*:}
	rank "${2%:*}"
	[ "$have" -ge "$RANK" ] || NEEDED=${2%:*}
	[ "$NEEDED" != author ] || NEEDED=
	return 1
}

# refused ROLE TEXT: the error says so, and names the rule.
refused() {
	[[ $2 == *'"code":"forbidden"'*"\"role\":\"$1\""* ]] || fail_with "$2" || return 1
	if [ -n "$NEEDED" ]; then
		[[ $2 == *"\"needs\":\"$NEEDED\""* ]] || fail_with "needs is not $NEEDED: $2"
	else
		[[ $2 != *'"needs"'* ]] || fail_with "$2"
	fi
}

# try_messages ROLE NAME: every message on the connection NAME.
try_messages() {
	local role=$1 name=$2 needs message before rows
	rows=$(messages)
	while IFS='|' read -r needs message; do
		echo "$role: $message"
		ws_ask "$name" '{"type":"ping"}' '"type":"pong"'
		field hash "$MSG"
		before=$VALUE
		ws_say "$name" "$message"
		if [ "$needs" = none ]; then
			ws_read "$name" '"type":"pong"' '"seq":' '"hash":"'
		elif ! allowed "$role" "$needs"; then
			ws_read "$name" '"type":"error"' '"retryable":false'
			refused "$role" "$MSG"
			ws_ask "$name" '{"type":"ping"}' "\"hash\":\"$before\""
		elif [[ $message != *cursor_position* ]]; then
			ws_read "$name" '"type":"ack"' '"event_id":"'
		fi
	done <<<"$rows"
}

# try_requests ROLE USER: every request.
try_requests() {
	local role=$1 user=$2 needs method path body before rows
	rows=$(requests)
	while IFS='|' read -r needs method path body; do
		echo "$role: $method $path $body"
		state
		before=$STATE
		[ "$method" != PATCH ] || body=${body/9999/$SEQ}
		api "$method" "$path" "$user" "$body"
		if allowed "$role" "$needs"; then
			[[ $STATUS == 20[01] ]] || fail_with "$STATUS $BODY"
			[ "$method" = GET ] || [[ $BODY == *'"event_id":"'* || $path == end || $path == presence ]]
		else
			want 403 '"status":403' '"type":"urn:collabd:error:forbidden"'
			header Content-Type
			[ "$VALUE" = application/problem+json ]
			[ "$method" = GET ] || refused "$role" "$BODY"
			state
			[ "$STATE" = "$before" ]
		fi
	done <<<"$rows"
}

# ---- role by role -------------------------------------------------------------------------------

@test "a viewer: every message" {
	prepare vera
	join c vera
	try_messages viewer c
}

@test "a commenter: every message" {
	prepare cora
	join c cora
	try_messages commenter c
}

@test "an editor: every message" {
	prepare eddy
	join c eddy
	try_messages editor c
}

@test "an owner: every message" {
	prepare otto
	join c otto
	try_messages owner c
}

@test "an administrator who is no participant: every message" {
	prepare eddy
	join c ''
	[[ $MSG == *'"role":"none"'* ]]
	try_messages admin c
}

@test "a viewer: every request" {
	prepare vera
	try_requests viewer vera
}

@test "a commenter: every request" {
	prepare cora
	try_requests commenter cora
}

@test "an editor: every request" {
	prepare eddy
	try_requests editor eddy
}

@test "an owner: every request" {
	prepare otto
	try_requests owner otto
}

@test "an administrator who is no participant: every request but presence" {
	local requests
	prepare eddy
	api PUT presence '' '{}'
	want 404 '"code":"no_participant"'
	requests=$(requests | grep -v presence)
	requests() {
		echo "$requests"
	}
	try_requests admin ''
}

@test "who is no participant: every request" {
	prepare eddy
	try_requests none nora
}

@test "who is no participant cannot join" {
	prepare eddy
	ws c nora
	[ "$MSG" = "#http 403" ]
	[[ $BODY == *'"code":"forbidden"'* ]]
	ws c nora "/ws/sessions/$SESSION"
	[ "$MSG" = "#http 403" ]
}

# tokens: over TCP, as others do.  bearer METHOD PATH CLAIMS [BODY]
bearer() {
	mint "$3"
	http -X "$1" -H "Authorization: Bearer $TOKEN" --data-binary "${4:-}" "$URL$2"
}

@test "collab:read watches any session, and may do nothing there" {
	local role=none needs message rows
	secret
	daemon_stop
	daemon_start --secret-file "$SECRET"
	prepare eddy
	mint '{"sub":"rita","scope":"collab:read"}'
	join r '' "token=$TOKEN" -t "$ADDRESS"
	[[ $MSG == *'"role":"none"'* ]]
	try_messages none r
	want_metric collabd_users_online 0
	rows=$(requests)
	while IFS='|' read -r needs message path body; do
		echo "$message $path"
		bearer "$message" "/api/reports/pmr/pmr-1/collaborate/$path" '{"sub":"rita","scope":"collab:read"}' "$body"
		if [ "$message" = GET ] && [ "$path" != state ]; then
			want 200
		else
			want 403 '"code":"forbidden"'
		fi
	done <<<"$rows"
}

@test "anyone may renew their token, and nobody another's" {
	local user
	secret
	daemon_stop
	daemon_start --secret-file "$SECRET"
	start
	for user in olga eddy cora vera rita; do
		mint "{\"sub\":\"$user\",\"scope\":\"collab:read\"}"
		join $user '' "token=$TOKEN" -t "$ADDRESS"
		mint "{\"sub\":\"$user\",\"scope\":\"collab:read\",\"n\":2}"
		ws_say $user "{\"type\":\"token_refresh\",\"ref\":\"t\",\"data\":{\"token\":\"$TOKEN\"}}"
		ws_until $user '"type":"ack"' '"ref":"t"'
		mint '{"sub":"otto"}'
		ws_say $user "{\"type\":\"token_refresh\",\"data\":{\"token\":\"$TOKEN\"}}"
		ws_until $user '"type":"error"' '"code":"forbidden"' '"field":"token"'
	done
	# Nor one with which it could not have come in.
	mint '{"sub":"rita"}'
	ws_ask rita "{\"type\":\"token_refresh\",\"data\":{\"token\":\"$TOKEN\"}}" '"code":"forbidden"' '"field":"token"'
}

@test "a connection with mode=watch only reads, whoever it is" {
	local needs message rows
	prepare eddy
	join w otto mode=watch
	rows=$(messages)
	while IFS='|' read -r needs message; do
		if [ "$needs" = none ]; then
			ws_ask w "$message" '"type":"pong"'
		else
			ws_ask w "$message" '"code":"forbidden"'
		fi
	done <<<"$rows"
	# It is not shown as online either.
	api GET session olga
	[ "$(json '[.participants[] | select(.online)] | length')" = 0 ]
}

@test "anyone may leave, but the last owner" {
	start
	local user
	for user in eddy cora vera; do
		api DELETE "participants/$user" "$user"
		want 200
	done
	api DELETE participants/olga olga
	want 409 '"code":"last_owner"'
}

# ---- roles that change --------------------------------------------------------------------------

@test "a role that changes counts for the next message of every live connection" {
	start
	join one cora
	join two cora
	ws_ask one '{"type":"section_update","data":{"section_id":"intro","changes":{"content":"1"}}}' '"code":"forbidden"' '"role":"commenter"'
	api PATCH participants/cora olga '{"role":"editor"}'
	want 200
	ws_read one '"type":"role_changed"' '"user_id":"cora"' '"role":"editor"' '"by":"olga"'
	ws_read two '"type":"role_changed"'
	ws_ask one '{"type":"section_update","data":{"section_id":"intro","changes":{"content":"2"}}}' '"type":"ack"'
	ws_read two '"type":"section_update"'
	ws_ask two '{"type":"section_update","data":{"section_id":"intro","changes":{"content":"3"}}}' '"type":"ack"'
	ws_read one '"type":"section_update"'
	api PATCH participants/cora olga '{"role":"viewer"}'
	want 200
	# Without waiting for the news of it.
	ws_say one '{"type":"comment_added","data":{"section_id":"intro","content":"x"}}'
	ws_until one '"code":"forbidden"' '"needs":"commenter"' '"role":"viewer"'
	ws_say two '{"type":"cursor_position","data":{"section_id":"intro","position":1}}'
	ws_until two '"code":"forbidden"' '"needs":"commenter"' '"role":"viewer"'
}

@test "a demotion frees the locks of who may not edit any more" {
	start
	join eddy eddy
	ws_ask eddy '{"type":"section_lock","data":{"section_id":"intro"}}' '"type":"ack"' '"fence":1'
	api PATCH participants/eddy olga '{"role":"commenter"}'
	want 200
	ws_read eddy '"type":"section_unlocked"' '"section_id":"intro"' '"reason":"role_changed"'
	ws_read eddy '"type":"role_changed"'
	api GET session olga
	want 200 '"locked_sections":{}'
}

@test "who is removed is closed with 4403, on all connections, and cannot come back" {
	start
	join one eddy
	join two eddy mode=watch
	join cora cora
	ws_until one '"type":"user_online"' '"user_id":"cora"'
	ws_until two '"type":"user_online"' '"user_id":"cora"'
	api DELETE participants/eddy olga
	want 200
	ws_read cora '"type":"user_offline"' '"user_id":"eddy"' '"reason":"removed"'
	ws_read cora '"type":"participant_left"' '"user_id":"eddy"' '"by":"olga"'
	ws_read one '"type":"user_offline"'
	ws_read one '"type":"participant_left"'
	ws_read one '#close 4403'
	ws_until two '"type":"participant_left"'
	ws_read two '#close 4403'
	ws_quiet cora
	ws one eddy
	[ "$MSG" = "#http 403" ]
	api PUT sections/intro eddy '{"changes":{"content":"x"}}'
	want 403 '"role":"none"'
	# Taken in again, he may.
	api POST participants olga '{"user_id":"eddy","role":"viewer"}'
	want 201
	join one eddy
}

@test "an event stream of who is removed ends" {
	start
	mkfifo "$DIR/stream"
	curl -sS -N -m "$PATIENCE" --unix-socket "$SOCKET" -H 'X-Collab-As: eddy' -H 'Accept: text/event-stream' \
		"http://localhost/api/reports/pmr/pmr-1/collaborate/events?since=0" >"$DIR/stream" 3>&- &
	local curl=$! line stream
	exec {stream}<"$DIR/stream"
	# It was let in once the replay begins.
	until [[ ${line:-} == *'"type":"session_started"'* ]]; do
		read -r -t "$PATIENCE" -u "$stream" line
	done
	api DELETE participants/eddy olga
	want 200
	[[ $(cat <&"$stream") == *'"type":"participant_left"'* ]]
	wait "$curl"
}

@test "the last owner can be neither removed nor demoted" {
	start
	api PATCH participants/olga olga '{"role":"editor"}'
	want 409 '"code":"last_owner"'
	api DELETE participants/olga olga
	want 409 '"code":"last_owner"'
	api DELETE participants/olga ''
	want 409 '"code":"last_owner"'
	api PATCH participants/eddy olga '{"role":"owner"}'
	want 200
	api PATCH participants/olga eddy '{"role":"editor"}'
	want 200
	api DELETE participants/eddy eddy
	want 409 '"code":"last_owner"'
}

# ---- what watchers see --------------------------------------------------------------------------

@test "participants see e-mail addresses, watchers do not" {
	local events='api/reports/pmr/pmr-1/collaborate/events' read='{"sub":"rita","scope":"collab:read"}' kind path
	secret
	daemon_stop
	daemon_start --secret-file "$SECRET"
	start
	join vera vera
	[[ $MSG == *eddy@example.org* ]]
	mint "$read"
	join rita '' "token=$TOKEN" -t "$ADDRESS"
	[[ $MSG != *@example.org* ]]
	join again '' "token=$TOKEN&since=0" -t "$ADDRESS"
	[[ $MSG == *'"type":"session_started"'* ]]
	api POST participants olga '{"user_id":"paul","user_name":"Paul","user_email":"paul@example.org","role":"viewer"}'
	want 201
	ws_read vera '"type":"participant_joined"' '"user_email":"paul@example.org"'
	ws_read rita '"type":"participant_joined"' '"user_id":"paul"'
	[[ $MSG != *@example.org* ]]
	ws_read again '"type":"participant_joined"' '"user_id":"olga"'
	ws_read again '"type":"participant_joined"' '"user_id":"eddy"'
	[[ $MSG != *@example.org* ]]
	ws_until again '"type":"participant_joined"' '"user_id":"paul"'
	[[ $MSG != *@example.org* ]]
	for path in session participants events; do
		api GET "$path" vera
		want 200 paul@example.org eddy@example.org
		bearer GET "/api/reports/pmr/pmr-1/collaborate/$path" "$read"
		want 200 '"user_id":"paul"'
		[[ $BODY != *@example.org* ]]
	done
	for kind in application/json application/x-ndjson; do
		http -H "Authorization: Bearer $TOKEN" -H "Accept: $kind" "$URL/$events"
		want 200 '"user_id":"paul"'
		[[ $BODY != *@example.org* ]]
	done
}

# ---- who may start ------------------------------------------------------------------------------

@test "an active session is shown to who may read it" {
	start
	api POST start vera
	want 200 '"status":"existing"' "\"session_id\":\"$SESSION\""
	api POST start nora
	want 403 '"code":"forbidden"'
	[[ $BODY != *"$SESSION"* ]]
	api POST start ''
	want 200 '"status":"existing"'
}

@test "only owners and editors of the last session may start the next" {
	local user first
	start
	first=$SESSION
	api POST end olga
	want 200
	for user in cora vera nora; do
		api POST start "$user"
		want 403 '"code":"forbidden"'
		api POST start "$user" '{"fresh":true}'
		want 403 '"code":"forbidden"'
		api POST start "$user" '{"sections":{"x":{"content":"mine now"}}}'
		want 403 '"code":"forbidden"'
	done
	api POST start eddy
	want 201 "\"continued_from\":\"$first\""
	api POST end ''
	want 200
	api POST start ''
	want 201
}

@test "starting takes the scope, for the reports that it names" {
	local at=/api/reports/pmr
	secret
	daemon_stop
	daemon_start --secret-file "$SECRET"
	bearer POST $at/pmr-1/collaborate/start '{"sub":"sam","scope":"collab:read"}'
	want 403 '"code":"forbidden"'
	bearer POST $at/pmr-1/collaborate/start '{"sub":"sam","scope":"collab:start:ci-*"}'
	want 403 '"code":"forbidden"'
	bearer POST $at/ci-7/collaborate/start '{"sub":"sam","scope":"collab:start:ci-* collab:read"}'
	want 201
	bearer POST $at/pmr-1/collaborate/start '{"sub":"sam"}'
	want 201
	bearer GET $at/pmr-1/collaborate/session '{"sub":"mona","scope":"collab:metrics"}'
	want 403
	bearer GET /metrics '{"sub":"mona","scope":"collab:metrics"}'
	want 200
	bearer GET /metrics '{"sub":"sam"}'
	want 403
	bearer POST $at/pmr-1/collaborate/end '{"sub":"ada","scope":"collab:admin"}'
	want 200
}

# ---- local users --------------------------------------------------------------------------------

@test "the events of who is acted for say via whom" {
	start
	api PUT sections/intro eddy '{"changes":{"content":"x"}}'
	want 200
	api GET 'events?type=section_update' olga
	[ "$(json '[.events[] | .user_id + " " + .via] | join(",")')" = "olga $(id -un)@local,eddy $(id -un)@local" ]
	# Acting for another takes that one's rights, not one's own.
	api POST end eddy
	want 403 '"role":"editor"'
	api GET /metrics eddy
	want 403
}

@test "other local users are themselves, nobody is nobody, and none acts for another" {
	[ "$(id -u)" = 0 ] || skip "only root can be other users"
	OPEN_DIR=$(mktemp -d)
	chmod 711 "$OPEN_DIR"
	daemon_stop
	daemon_start --socket "$OPEN_DIR/s"
	chmod 666 "$OPEN_DIR/s"
	# as UID CURL-ARGUMENT...
	as() {
		local uid=$1
		shift
		BODY=$(setpriv --reuid "$uid" --regid "$uid" --clear-groups curl -sS -m "$PATIENCE" --unix-socket "$OPEN_DIR/s" -w '\n%{http_code}' "$@" 3>&-)
		STATUS=${BODY##*$'\n'}
		BODY=${BODY%$'\n'*}
	}
	as 54321 -X POST -d '' http://localhost/api/reports/pmr/mine/collaborate/start
	want 201
	as 54321 http://localhost/api/reports/pmr/mine/collaborate/participants
	want 200 '"user_id":"uid-54321@local"' '"role":"owner"'
	as 54322 http://localhost/api/reports/pmr/mine/collaborate/participants
	want 403
	as 54321 -H 'X-Collab-As: olga' http://localhost/api/reports/pmr/mine/collaborate/participants
	want 403 '"code":"forbidden"'
	as 54321 http://localhost/metrics
	want 403
	as 65534 http://localhost/api/reports/pmr/mine/collaborate/session
	want 403 '"code":"forbidden"'
}
