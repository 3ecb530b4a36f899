#!/usr/bin/env bats
# Every error code that can come over the wire, provoked: over HTTP with its status, over a
# WebSocket with the message's ref; naming the field; changing nothing.  The tests are named for
# the codes; the last one compares them with the table.

load helper

setup() {
	:
}

teardown() {
	clean_up
}

# begin [FLAG]...: a daemon, a session, and Eddy's connection e.
begin() {
	daemon_start "$@"
	start
	join e eddy
}

# said CODE MESSAGE [TEXT]...: the answer on e is this error, and nothing has changed.
said() {
	local code=$1 message=$2 before
	shift 2
	ws_ask e '{"type":"ping"}' '"type":"pong"'
	field hash "$MSG"
	before=$VALUE
	ws_ask e "$message" "\"code\":\"$code\"" '"type":"error"' '"message":"' '"retryable":' '"session_id":"' '"timestamp":"' "$@"
	if field ref "$message" && [ ${#VALUE} -gt 1 ] && [ ${#VALUE} -le 64 ]; then
		[[ $MSG == *"\"ref\":\"$VALUE\""* ]] || fail_with "no ref in: $MSG" || return 1
	fi
	ws_ask e '{"type":"ping"}' "\"hash\":\"$before\""
}

# problem STATUS CODE [TEXT]...: the last answer is this problem (RFC 9457).
problem() {
	local status=$1 code=$2
	shift 2
	want "$status" "\"code\":\"$code\"" "\"status\":$status" "\"type\":\"urn:collabd:error:$code\"" '"title":"' '"detail":"' "$@"
	header Content-Type
	[ "$VALUE" = application/problem+json ]
}

# told STATUS CODE METHOD PATH USER BODY [TEXT]...: a request is refused, and nothing has changed.
told() {
	local status=$1 code=$2 before
	state
	before=$STATE
	api "$3" "$4" "$5" "$6"
	problem "$status" "$code" "${@:7}"
	state
	[ "$STATE" = "$before" ]
}

update() { # update SECTION CONTENT [MORE MEMBERS]
	echo "{\"type\":\"section_update\",\"ref\":\"u\",\"data\":{\"section_id\":\"$1\",\"changes\":{\"content\":\"$2\"}${3:-}}}"
}

comment() { # comment ID
	echo "{\"type\":\"comment_added\",\"data\":{\"comment_id\":\"$1\",\"section_id\":\"intro\",\"content\":\"x\"}}"
}

first=11111111-1111-4111-8111-111111111111
nothing=99999999-9999-4999-8999-999999999999

# ---- the message or request itself --------------------------------------------------------------

@test "bad_json: no JSON, or no object, or a key twice, or a NUL, or too deep" {
	local deep
	begin
	said bad_json 'text hello'
	said bad_json 'text [1,2]'
	said bad_json 'text "x"'
	said bad_json '{"type":"ping"'
	said bad_json '{"type":"ping"} {}'
	said bad_json '{"type":"ping","type":"ping"}'
	said bad_json '{"type":"comment_added","data":{"section_id":"intro","content":"a\u0000b"}}'
	said bad_json '{"type":"comment_added","data":{"section_id":"intro","content":"\ud800"}}'
	said bad_json '{"type":"ping","n":01}'
	said bad_json 'text '
	printf -v deep '%*s' 40 ''
	said bad_json "{\"type\":\"ping\",\"x\":${deep// /[}${deep// /]}}"
	told 400 bad_json POST comments eddy 'hello'
	told 400 bad_json POST comments eddy '[]'
	told 400 bad_json POST comments eddy '{"section_id":"intro","content":"a","content":"b"}'
	told 400 bad_json POST start eddy '{'
}

@test "bad_utf8: bytes that are no UTF-8" {
	begin
	told 400 bad_utf8 POST comments eddy $'{"section_id":"intro","content":"\xff"}'
	# Overlong, and a surrogate.
	told 400 bad_utf8 POST comments eddy $'{"section_id":"intro","content":"\xc0\xaf"}'
	told 400 bad_utf8 POST comments eddy $'{"section_id":"intro","content":"\xed\xa0\x80"}'
}

@test "binary_frame: a binary message" {
	begin
	said binary_frame 'frame op=2 text={"type":"ping"}'
	said binary_frame 'frame op=2'
}

@test "unknown_type: what no message is called" {
	begin
	said unknown_type '{"type":"hello","ref":"ref"}' '"field":"type"'
	said unknown_type '{"type":""}' '"field":"type"'
	# What only a server says is not taken from a client.
	said unknown_type '{"type":"user_online","data":{"user_id":"olga"}}' '"field":"type"'
	said unknown_type '{"type":"ack","seq":1}' '"field":"type"'
	said unknown_type '{"type":"session_ended","ref":"ref"}' '"field":"type"'
}

@test "missing_field: each message without each field that it needs" {
	local field message path body
	begin
	while IFS='|' read -r field message; do
		said missing_field "$message" "\"field\":\"$field\""
	done <<-END
		type|{"ref":"ref"}
		section_id|{"type":"section_update","ref":"ref"}
		section_id|{"type":"section_update","ref":"ref","data":{"changes":{}}}
		changes|{"type":"section_update","data":{"section_id":"intro"}}
		section_id|{"type":"cursor_position","data":{"position":1}}
		position|{"type":"cursor_position","data":{"section_id":"intro"}}
		section_id|{"type":"comment_added","data":{"content":"x"}}
		content|{"type":"comment_added","data":{"section_id":"intro","parent_comment_id":null}}
		anchor.from|{"type":"comment_added","data":{"section_id":"intro","content":"x","anchor":{"to":1}}}
		anchor.to|{"type":"comment_added","data":{"section_id":"intro","content":"x","anchor":{"from":1}}}
		comment_id|{"type":"comment_edited","data":{"content":"x"}}
		content|{"type":"comment_edited","data":{"comment_id":"$first"}}
		comment_id|{"type":"comment_resolved","data":{}}
		comment_id|{"type":"comment_reopened","data":{}}
		comment_id|{"type":"comment_deleted","data":{}}
		section_id|{"type":"section_lock","data":{}}
		section_id|{"type":"section_unlock","data":{}}
		section_id|{"type":"section_deleted","data":{}}
		conflict_id|{"type":"conflict_resolved","data":{"resolution":"current"}}
		resolution|{"type":"conflict_resolved","data":{"conflict_id":"$nothing"}}
		content|{"type":"conflict_resolved","data":{"conflict_id":"$nothing","resolution":"merged"}}
		token|{"type":"token_refresh","data":{}}
	END
	while IFS='|' read -r field message path body; do
		told 400 missing_field "$message" "$path" olga "$body" "\"field\":\"$field\""
	done <<-END
		changes|PUT|sections/intro|{}
		content|POST|comments|{"section_id":"intro"}
		section_id|POST|comments|{"content":"x"}
		content|PATCH|comments/$first|{}
		user_id|POST|participants|{"role":"viewer"}
		role|PATCH|participants/eddy|{}
		resolution|POST|conflicts/$nothing/resolve|{}
		participants[0].user_id|POST|start|{"participants":[{"role":"viewer"}]}
	END
}

@test "bad_field: each field with what it cannot be" {
	local field message path body
	begin
	while IFS='|' read -r field message; do
		said bad_field "$message" "\"field\":\"$field\""
	done <<-END
		type|{"type":7}
		type|{"type":null}
		ref|{"type":"ping","ref":7}
		ref|{"type":"ping","ref":""}
		ref|{"type":"ping","ref":"$(printf 'r%.0s' {1..65})"}
		data|{"type":"section_update","data":[]}
		data|{"type":"section_update","data":"x"}
		section_id|{"type":"section_update","data":{"section_id":"","changes":{}}}
		section_id|{"type":"section_update","data":{"section_id":"a b","changes":{}}}
		section_id|{"type":"section_update","data":{"section_id":"../x","changes":{}}}
		section_id|{"type":"section_update","data":{"section_id":"$(printf 's%.0s' {1..129})","changes":{}}}
		section_id|{"type":"section_update","data":{"section_id":5,"changes":{}}}
		changes|{"type":"section_update","data":{"section_id":"intro","changes":[]}}
		changes|{"type":"section_update","data":{"section_id":"intro","changes":"x"}}
		changes.delta|{"type":"section_update","data":{"section_id":"intro","base_seq":1,"changes":{"content":"x","delta":["y"]}}}
		base_seq|{"type":"section_update","data":{"section_id":"intro","base_seq":-1,"changes":{"content":"x"}}}
		base_seq|{"type":"section_update","data":{"section_id":"intro","base_seq":1.5,"changes":{"content":"x"}}}
		base_seq|{"type":"section_update","data":{"section_id":"intro","base_seq":"1","changes":{"content":"x"}}}
		base_seq|{"type":"section_update","data":{"section_id":"intro","base_seq":1e300,"changes":{"content":"x"}}}
		if_version|{"type":"section_update","data":{"section_id":"intro","if_version":true,"changes":{"content":"x"}}}
		fence|{"type":"section_update","data":{"section_id":"intro","fence":0,"changes":{"content":"x"}}}
		position|{"type":"cursor_position","data":{"section_id":"intro","position":-1}}
		position|{"type":"cursor_position","data":{"section_id":"intro","position":null}}
		selection|{"type":"cursor_position","data":{"section_id":"intro","position":1,"selection":[1]}}
		selection|{"type":"cursor_position","data":{"section_id":"intro","position":1,"selection":[1,"2"]}}
		selection|{"type":"cursor_position","data":{"section_id":"intro","position":1,"selection":{"from":1}}}
		content|{"type":"comment_added","data":{"section_id":"intro","content":7}}
		content|{"type":"comment_added","data":{"section_id":"intro","content":"  "}}
		parent_comment_id|{"type":"comment_added","data":{"section_id":"intro","content":"x","parent_comment_id":"none"}}
		comment_id|{"type":"comment_added","data":{"section_id":"intro","content":"x","comment_id":"1"}}
		anchor|{"type":"comment_added","data":{"section_id":"intro","content":"x","anchor":5}}
		anchor|{"type":"comment_added","data":{"section_id":"intro","content":"x","anchor":{"from":0,"to":99}}}
		anchor.to|{"type":"comment_added","data":{"section_id":"intro","content":"x","anchor":{"from":3,"to":1}}}
		mentions|{"type":"comment_added","data":{"section_id":"intro","content":"x","mentions":"eddy"}}
		mentions[1]|{"type":"comment_added","data":{"section_id":"intro","content":"x","mentions":["eddy","a b"]}}
		comment_id|{"type":"comment_resolved","data":{"comment_id":"x"}}
		ttl_seconds|{"type":"section_lock","data":{"section_id":"intro","ttl_seconds":0}}
		ttl_seconds|{"type":"section_lock","data":{"section_id":"intro","ttl_seconds":3601}}
		force|{"type":"section_unlock","data":{"section_id":"intro","force":1}}
		resolution|{"type":"conflict_resolved","data":{"conflict_id":"$nothing","resolution":"mine"}}
		token|{"type":"token_refresh","data":{"token":""}}
	END
	while IFS='|' read -r field message path body; do
		told 400 bad_field "$message" "$path" olga "$body" "\"field\":\"$field\""
	done <<-END
		section_id|PUT|sections/a%20b|{"changes":{"content":"x"}}
		comment_id|POST|comments/7/resolve|{}
		session_id|GET|/api/sessions/7/session|
		report_id|GET|/api/reports/pmr/%2Fetc/collaborate/session|
		user_id|PATCH|participants/a%20b|{"role":"viewer"}
		role|PATCH|participants/eddy|{"role":"king"}
		role|POST|participants|{"user_id":"nina","role":7}
		user_name|POST|participants|{"user_id":"nina","role":"viewer","user_name":"a\\nb"}
		user_email|POST|participants|{"user_id":"nina","role":"viewer","user_email":"nowhere"}
		ttl|PUT|presence|{"ttl":0}
		ttl|PUT|presence|{"ttl":3601}
		reason|POST|end|{"reason":""}
		fresh|POST|start|{"fresh":"yes"}
		session_type|POST|start|{"session_type":"party"}
		sections|POST|start|{"sections":[]}
		participants|POST|start|{"participants":{}}
		participants[0].role|POST|start|{"participants":[{"user_id":"x","role":"x"}]}
		at|GET|sections?at=99|
		since|GET|events?since=yesterday|
		until|GET|events?until=x|
		limit|GET|events?limit=0|
		type|GET|events?type=nonsense|
		open|GET|comments?open=perhaps|
		active|GET|/api/sessions?active=perhaps|
		limit|GET|/api/sessions?limit=100000|
		report|GET|/api/sessions?report=a%20b|
		force|DELETE|sections/intro/lock?force=perhaps|
		fence|DELETE|sections/intro/lock?fence=x|
	END
	api PUT sections/intro eddy '{"changes":{"content":"x"}}' -H 'If-Match: 7'
	problem 400 bad_field '"field":"If-Match"'
	api PUT sections/intro eddy '{"changes":{"content":"x"}}' -H "Idempotency-Key: $(printf 'r%.0s' {1..65})"
	problem 400 bad_field '"field":"ref"'
	for field in content state mode since type; do
		ws x eddy "$field=-"
		[ "$MSG" = "#http 400" ]
		[[ $BODY == *'"code":"bad_field"'*"\"field\":\"$field\""* ]]
	done
}

@test "reserved_key: what only the server sets" {
	local key
	begin
	for key in section_id version updated_at updated_by updated_by_name; do
		said reserved_key "{\"type\":\"section_update\",\"data\":{\"section_id\":\"intro\",\"changes\":{\"content\":\"x\",\"$key\":1}}}" "\"field\":\"changes.$key\""
	done
	told 400 reserved_key PUT sections/intro eddy '{"changes":{"version":1}}' '"field":"changes.version"'
	REPORT=other told_start
}

told_start() {
	api POST start olga '{"sections":{"a":{"version":1}}}'
	problem 400 reserved_key '"field":"sections.a.version"'
}

@test "bad_delta: no operation, or none for this text" {
	local delta
	begin
	state
	for delta in '"x"' '[-1]' '[{"x":1}]' '[1.5]' '[[1]]' '[{"d":1,"e":2}]' '[99,"x"]' '[{"d":6}]'; do
		echo "$delta"
		said bad_delta "{\"type\":\"section_update\",\"data\":{\"section_id\":\"intro\",\"base_seq\":$SEQ,\"changes\":{\"delta\":$delta}}}"
	done
	told 400 bad_delta PATCH sections/intro eddy "{\"base_seq\":$SEQ,\"changes\":{\"delta\":[6,\"x\"]}}"
}

@test "bad_base: a seq that is not there yet" {
	begin
	said bad_base "$(update intro x ',"base_seq":999')" '"field":"base_seq"'
	said bad_base '{"type":"comment_added","data":{"section_id":"intro","content":"x","anchor":{"from":0,"to":1,"base_seq":999}}}' \
		'"field":"anchor.base_seq"'
	told 400 bad_base PUT sections/intro eddy '{"base_seq":999,"changes":{"content":"x"}}' '"field":"base_seq"'
}

@test "base_required: a delta, and under merge and manual a request, must say its base" {
	begin
	said base_required '{"type":"section_update","data":{"section_id":"intro","changes":{"delta":[5,"x"]}}}' '"field":"base_seq"'
	told 428 base_required PATCH sections/intro eddy '{"changes":{"delta":[5,"x"]}}' '"field":"base_seq"'
	for REPORT in merge manual; do
		start "{\"conflict_resolution_strategy\":\"$REPORT\",\"sections\":{\"intro\":{\"content\":\"Hello\"}}}"
		told 428 base_required PUT sections/intro olga '{"changes":{"content":"x"}}' '"field":"base_seq"'
		api GET sections/intro olga
		header ETag
		api PUT sections/intro olga '{"changes":{"content":"x"}}' -H "If-Match: $VALUE"
		want 200
	done
}

@test "too_large: a body over the limit, announced or not" {
	begin --limit frame_bytes=2048
	head -c 3000 /dev/zero | tr '\0' ' ' >"$DIR/big"
	told 413 too_large PUT sections/intro eddy "@$DIR/big"
	api PUT sections/intro eddy "@$DIR/big" -H 'Transfer-Encoding: chunked'
	problem 413 too_large
}

@test "bad_request: what is no request" {
	begin
	told 400 bad_request GET '/api/sessions/%zz/session' olga ''
	told 400 bad_request GET 'session?include=%ff' olga ''
	told 400 bad_request GET 'session?a=1&a=2' olga ''
	api GET session 'a b'
	problem 400 bad_request '"field":"x-collab-as"'
	api GET session '' '' -H 'Sec-WebSocket-Key: x' -H 'Sec-WebSocket-Version: 13' -H 'Upgrade: websocket' -H 'Connection: Upgrade'
	problem 400 bad_request
	raw $'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n' '400 '
	raw $'GET / HTTP/1.1\r\n\r\n' '400 '
	raw $'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n' '400 '
	raw $'nonsense\r\n\r\n' '400 '
	raw $'GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n' '400 '
}

# raw BYTES STATUS: send this over TCP; the first line of the answer begins with STATUS.
raw() {
	local fd line
	exec {fd}<>"/dev/tcp/${ADDRESS%:*}/${ADDRESS##*:}"
	printf '%s' "$1" >&"$fd"
	IFS= read -r -t "$PATIENCE" -u "$fd" line
	exec {fd}>&-
	[[ $line == "HTTP/1.1 $2"* ]] || fail_with "not $2: $line"
}

@test "not_found: no such path" {
	begin
	told 404 not_found GET /nope olga ''
	told 404 not_found GET nope olga ''
	told 404 not_found POST /api/reports/pmr/pmr-1/collaborate olga ''
	told 404 not_found GET / olga ''
}

@test "method_not_allowed: a path that has other methods" {
	begin
	told 405 method_not_allowed POST /healthz olga '{}'
	told 405 method_not_allowed DELETE session olga ''
	api PUT comments olga '{}'
	problem 405 method_not_allowed
	header Allow
	[ "$VALUE" = "GET, HEAD, POST" ]
}

@test "not_acceptable: events in a form that there is not" {
	begin
	api GET events olga '' -H 'Accept: text/csv'
	problem 406 not_acceptable
	api GET events olga '' -H 'Accept: image/png, application/jsonx;q=0.5'
	problem 406 not_acceptable
	for accept in 'application/json' 'text/csv, */*;q=0.1' 'application/*' 'TEXT/csv,Application/JSON'; do
		api GET events olga '' -H "Accept: $accept"
		want 200 '"events":['
	done
	api GET events olga '' -H 'Accept: application/x-ndjson, application/json'
	want 200
	[ "$(grep -c '^{.*}$' <<<"$BODY")" = "$(jq -s length <<<"$BODY")" ]
}

@test "unsupported_media_type: a body that says it is not JSON" {
	begin
	state
	api PUT sections/intro eddy 'x' -H 'Content-Type: text/plain'
	problem 415 unsupported_media_type
	api PUT sections/intro eddy '{"changes":{"content":"x"}}' -H 'Content-Type: application/json; charset=utf-8'
	want 200
}

@test "headers_too_large: more of a head than fits" {
	local head i
	begin
	raw "GET / HTTP/1.1"$'\r\n'"X-Long: $(head -c 20000 /dev/zero | tr '\0' x)" '431 '
	raw "GET /$(head -c 20000 /dev/zero | tr '\0' x) HTTP/1.1" '431 '
	for ((i = 0; i < 120; i++)); do
		head+="Accept: x/$i"$'\r\n'
	done
	raw $'GET / HTTP/1.1\r\nHost: a\r\n'"$head"$'\r\n' '431 '
}

@test "expectation_failed: what cannot be expected" {
	begin
	api PUT sections/intro eddy '{"changes":{"content":"x"}}' -H 'Expect: 200-maybe'
	problem 417 expectation_failed
}

@test "upgrade_required: a WebSocket's path without the handshake, or another version" {
	begin
	api GET /ws/reports/pmr/pmr-1/collaborate eddy
	problem 426 upgrade_required
	header Upgrade
	[ "$VALUE" = websocket ]
	api GET /ws/reports/pmr/pmr-1/collaborate eddy '' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' \
		-H 'Sec-WebSocket-Version: 8' -H 'Upgrade: websocket' -H 'Connection: Upgrade'
	problem 426 upgrade_required
	header Sec-WebSocket-Version
	[ "$VALUE" = 13 ]
}

@test "request_timeout: a request that is not finished" {
	begin --limit request_seconds=1
	raw $'GET /healthz HTTP/1.1\r\nHost: a\r\n' '408 '
	raw $'POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc' '408 '
}

# ---- identity and permission --------------------------------------------------------------------

@test "unauthenticated: no token, or a bad one" {
	local auth
	secret
	begin --secret-file "$SECRET"
	http "$URL/api/sessions"
	problem 401 unauthenticated
	header WWW-Authenticate
	[[ $VALUE == Bearer* ]]
	mint '{"sub":"olga"}'
	for auth in "Bearer x" "Bearer" "Basic b2xnYTpvbGdh" "Bearer ${TOKEN%.*}." "Bearer ${TOKEN%?}" "Bearer $TOKEN.x"; do
		http -H "Authorization: $auth" "$URL/api/sessions"
		problem 401 unauthenticated
	done
	for claims in '{}' '{"sub":""}' '{"sub":"a b"}' '{"sub":"root@local"}' '{"sub":"olga","nbf":4102444800}' '{"sub":"olga","exp":"soon"}' '[]'; do
		mint "$claims"
		http -H "Authorization: Bearer $TOKEN" "$URL/api/sessions"
		problem 401 unauthenticated
	done
	# alg none
	http -H "Authorization: Bearer $(printf '{"alg":"none"}' | base64url).$(printf '{"sub":"olga"}' | base64url)." "$URL/api/sessions"
	problem 401 unauthenticated
	# Over the socket too a bad token is refused, though none is needed.
	http --unix-socket "$SOCKET" -H "Authorization: Bearer x" http://localhost/api/sessions
	problem 401 unauthenticated
	ws x '' 'ticket=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' -t "$ADDRESS"
	[ "$MSG" = "#http 401" ]
	said unauthenticated '{"type":"token_refresh","ref":"ref","data":{"token":"x"}}'
}

@test "unauthenticated: without keys TCP is closed, but for three paths" {
	local path
	begin
	mint_any
	http -H "Authorization: Bearer $TOKEN" "$URL/api/sessions"
	problem 401 unauthenticated
	http "$URL/metrics"
	problem 401 unauthenticated
	for path in healthz readyz version; do
		http "$URL/$path"
		want 200
	done
	said unauthenticated "{\"type\":\"token_refresh\",\"data\":{\"token\":\"$TOKEN\"}}"
}

mint_any() {
	secret
	mint '{"sub":"olga"}'
}

@test "token_expired: a token that was good once" {
	secret
	begin --secret-file "$SECRET"
	mint '{"sub":"eddy","exp":1700000000}'
	http -H "Authorization: Bearer $TOKEN" "$URL/api/sessions"
	problem 401 token_expired
	ws x '' "token=$TOKEN" -t "$ADDRESS"
	[ "$MSG" = "#http 401" ]
	[[ $BODY == *'"code":"token_expired"'* ]]
	said token_expired "{\"type\":\"token_refresh\",\"ref\":\"ref\",\"data\":{\"token\":\"$TOKEN\"}}"
}

@test "forbidden: a role that does not do, another's token, another's origin" {
	secret
	begin --secret-file "$SECRET"
	told 403 forbidden POST end eddy '' '"needs":"owner"' '"role":"editor"'
	said forbidden '{"type":"section_unlock","ref":"ref","data":{"section_id":"intro","force":true}}' '"needs":"owner"' '"role":"editor"'
	mint '{"sub":"cora"}'
	said forbidden "{\"type\":\"token_refresh\",\"ref\":\"ref\",\"data\":{\"token\":\"$TOKEN\"}}" '"field":"token"'
	api GET session eddy '' -H 'Origin: https://evil.example'
	problem 403 forbidden
	ws x eddy '' -H 'Origin: https://evil.example'
	[ "$MSG" = "#http 403" ]
	http -H "Authorization: Bearer $TOKEN" -H 'X-Collab-As: olga' "$URL/api/sessions"
	problem 403 forbidden
}

# ---- things that are not there ------------------------------------------------------------------

@test "no_session: none of this report or id" {
	begin
	told 404 no_session GET /api/sessions/$nothing/session olga ''
	told 404 no_session GET /api/reports/pmr/pmr-2/collaborate/sections olga ''
	told 404 no_session PUT /api/reports/pmr/pmr-2/collaborate/sections/a olga '{"changes":{}}'
	told 404 no_session POST /api/reports/pmr/pmr-2/collaborate/end olga ''
	# It says which, and whether there was one before.
	api POST /api/reports/pmr/pmr-2/collaborate/end olga ''
	[[ $BODY == *'"report pmr-2 has no active session"'* ]]
	api GET /api/reports/pmr/pmr-2/collaborate/sections olga
	[[ $BODY == *'"report pmr-2 has no session"'* ]]
	api GET /api/sessions/$nothing/session olga
	[[ $BODY == *"\"there is no session $nothing\""* ]]
	ws x eddy /ws/reports/pmr/pmr-2/collaborate
	[ "$MSG" = "#http 404" ]
	[[ $BODY == *'"code":"no_session"'* ]]
	ws x eddy /ws/sessions/$nothing
	[ "$MSG" = "#http 404" ]
}

@test "no_section: to read, to delete, to edit by a delta" {
	begin
	state
	said no_section '{"type":"section_deleted","ref":"ref","data":{"section_id":"nowhere"}}'
	said no_section "{\"type\":\"section_update\",\"ref\":\"ref\",\"data\":{\"section_id\":\"nowhere\",\"base_seq\":$SEQ,\"changes\":{\"delta\":[1,\"x\"]}}}"
	told 404 no_section GET sections/nowhere eddy ''
	told 404 no_section DELETE sections/nowhere eddy ''
}

@test "no_comment: to answer, edit, settle, delete" {
	local type
	begin
	for type in resolved reopened deleted; do
		said no_comment "{\"type\":\"comment_$type\",\"ref\":\"$type\",\"data\":{\"comment_id\":\"$nothing\"}}"
	done
	said no_comment "{\"type\":\"comment_edited\",\"data\":{\"comment_id\":\"$nothing\",\"content\":\"x\"}}"
	said no_comment "{\"type\":\"comment_added\",\"data\":{\"section_id\":\"intro\",\"content\":\"x\",\"parent_comment_id\":\"$nothing\"}}"
	told 404 no_comment PATCH comments/$nothing eddy '{"content":"x"}'
	told 404 no_comment DELETE comments/$nothing eddy ''
	told 404 no_comment POST comments/$nothing/resolve eddy ''
	told 404 no_comment POST comments/$nothing/reopen eddy ''
}

@test "no_conflict: to see or to settle" {
	begin
	said no_conflict "{\"type\":\"conflict_resolved\",\"ref\":\"ref\",\"data\":{\"conflict_id\":\"$nothing\",\"resolution\":\"current\"}}"
	told 404 no_conflict GET conflicts/$nothing eddy ''
	told 404 no_conflict POST conflicts/$nothing/resolve eddy '{"resolution":"current"}'
}

@test "no_participant: to change, to remove, to be shown online" {
	begin
	told 404 no_participant PATCH participants/nina olga '{"role":"viewer"}'
	told 404 no_participant DELETE participants/nina olga ''
	told 404 no_participant PUT presence '' '{}'
}

# ---- the state says no --------------------------------------------------------------------------

@test "session_ended: whatever comes after the end" {
	begin
	api POST end olga
	want 200
	told 409 session_ended PUT sections/intro eddy '{"changes":{"content":"x"}}'
	told 409 session_ended POST "/api/sessions/$SESSION/comments" eddy '{"section_id":"intro","content":"x"}'
	told 409 session_ended POST participants olga '{"user_id":"nina","role":"viewer"}'
	told 409 session_ended PUT presence eddy '{}'
	told 409 session_ended POST "/api/sessions/$SESSION/end" olga ''
}

@test "session_full: participants are counted, connections are not" {
	daemon_start
	start '{"max_participants":2,"participants":[{"user_id":"eddy","role":"editor"}]}'
	told 409 session_full POST participants olga '{"user_id":"nina","role":"viewer"}'
	join a eddy
	join b eddy
	join c olga mode=watch
	api DELETE participants/eddy olga
	want 200
	api POST participants olga '{"user_id":"nina","role":"viewer"}'
	want 201
	REPORT=other api POST start olga '{"max_participants":1,"participants":[{"user_id":"eddy","role":"editor"}]}'
	problem 409 session_full
}

@test "participant_exists: added twice" {
	begin
	told 409 participant_exists POST participants olga '{"user_id":"eddy","role":"viewer"}'
	REPORT=other api POST start olga '{"participants":[{"user_id":"a","role":"editor"},{"user_id":"a","role":"viewer"}]}'
	problem 409 participant_exists
}

@test "last_owner: who cannot go" {
	begin
	told 409 last_owner DELETE participants/olga olga ''
	told 409 last_owner PATCH participants/olga olga '{"role":"viewer"}'
}

@test "comment_exists: an id that was used" {
	begin
	ws_ask e "$(comment $first)" '"type":"ack"'
	said comment_exists "$(comment $first)" '"field":"comment_id"'
	told 409 comment_exists POST comments olga "{\"comment_id\":\"$first\",\"section_id\":\"intro\",\"content\":\"y\"}" '"field":"comment_id"'
}

@test "comment_is_deleted: what cannot be done to a tombstone" {
	begin
	ws_ask e "$(comment $first)" '"type":"ack"'
	ws_ask e "{\"type\":\"comment_added\",\"data\":{\"section_id\":\"intro\",\"content\":\"y\",\"parent_comment_id\":\"$first\"}}" '"type":"ack"'
	ws_ask e "{\"type\":\"comment_deleted\",\"data\":{\"comment_id\":\"$first\"}}" '"type":"ack"'
	said comment_is_deleted "{\"type\":\"comment_edited\",\"ref\":\"ref\",\"data\":{\"comment_id\":\"$first\",\"content\":\"z\"}}"
	said comment_is_deleted "{\"type\":\"comment_resolved\",\"ref\":\"ref\",\"data\":{\"comment_id\":\"$first\"}}"
	told 409 comment_is_deleted PATCH comments/$first eddy '{"content":"z"}'
	told 409 comment_is_deleted POST comments/$first/resolve eddy ''
}

@test "version_mismatch: if_version, If-Match, and what there is instead" {
	begin
	api GET sections/intro eddy
	field version
	local version=$VALUE
	said version_mismatch "$(update intro x ',"if_version":1')" "\"version\":$version" '"content":"Hello"'
	said version_mismatch "$(update intro x ',"if_version":0')" "\"version\":$version"
	said version_mismatch "$(update new x ',"if_version":7')" '"version":0'
	said version_mismatch '{"type":"section_deleted","data":{"section_id":"intro","if_version":1}}' "\"version\":$version"
	told 412 version_mismatch PUT sections/intro eddy '{"if_version":1,"changes":{"content":"x"}}' "\"version\":$version" '"content":"Hello"'
	told 412 version_mismatch DELETE 'sections/intro?if_version=1' eddy '' "\"version\":$version"
	state
	api PUT sections/intro eddy '{"changes":{"content":"x"}}' -H 'If-Match: "1"'
	problem 412 version_mismatch "\"version\":$version" '"content":"Hello"'
	api DELETE sections/intro eddy '' -H 'If-Match: "1"'
	problem 412 version_mismatch
	api PUT sections/intro eddy '{"changes":{"content":"x"}}' -H "If-Match: \"$version\""
	want 200
}

@test "await_ack: a second change before the first is known" {
	daemon_start
	start '{"conflict_resolution_strategy":"merge","sections":{"intro":{"content":"Hello"}}}'
	join e olga
	state
	ws_ask e "$(update intro 'Hello 1' ",\"base_seq\":$SEQ")" '"type":"ack"'
	said await_ack "{\"type\":\"section_update\",\"ref\":\"v\",\"data\":{\"section_id\":\"intro\",\"base_seq\":$SEQ,\"changes\":{\"content\":\"Hello 2\"}}}" \
		'"retryable":true' '"field":"base_seq"'
}

@test "base_too_old: more changes ago than are looked at" {
	begin --limit base_changes=16
	local i
	state
	for ((i = 0; i < 18; i++)); do
		ws_say e "{\"type\":\"section_update\",\"data\":{\"section_id\":\"intro\",\"changes\":{\"content\":\"$i\"}}}"
	done
	for ((i = 0; i < 18; i++)); do
		ws_read e '"type":"ack"'
	done
	said base_too_old "{\"type\":\"section_update\",\"ref\":\"ref\",\"data\":{\"section_id\":\"intro\",\"base_seq\":$SEQ,\"changes\":{\"delta\":[5,\"x\"]}}}" \
		'"field":"base_seq"'
	told 409 base_too_old PATCH sections/intro olga "{\"base_seq\":$SEQ,\"changes\":{\"delta\":[5,\"x\"]}}" '"field":"base_seq"'
}

@test "section_locked: by another, or by another connection" {
	begin
	api PUT sections/intro/lock olga '{"ttl_seconds":600}'
	want 200
	ws_read e '"type":"section_locked"'
	said section_locked "$(update intro x)" '"holder":"olga"' '"expires_at":"20' '"retryable":true'
	said section_locked '{"type":"section_lock","ref":"ref","data":{"section_id":"intro"}}' '"holder":"olga"'
	said section_locked '{"type":"section_deleted","ref":"ref","data":{"section_id":"intro"}}' '"holder":"olga"'
	said section_locked '{"type":"section_unlock","ref":"ref","data":{"section_id":"intro"}}' '"holder":"olga"'
	told 423 section_locked PUT sections/intro eddy '{"changes":{"content":"x"}}' '"holder":"olga"' '"expires_at":"20'
	# The same user without the fence is another job.
	told 423 section_locked PUT sections/intro olga '{"changes":{"content":"x"}}' '"holder":"olga"'
	told 423 section_locked PUT sections/intro/lock olga '{}' '"holder":"olga"'
	api PUT sections/intro olga '{"fence":1,"changes":{"content":"x"}}'
	want 200
}

@test "stale_fence: a lock that was lost" {
	begin
	api PUT sections/intro/lock olga '{}'
	want 200 '"fence":1'
	api DELETE 'sections/intro/lock?fence=1' olga
	want 200
	api PUT sections/intro/lock olga '{}'
	want 200 '"fence":2'
	told 409 stale_fence PUT sections/intro olga '{"fence":1,"changes":{"content":"x"}}' '"field":"fence"'
	told 409 stale_fence DELETE 'sections/intro/lock?fence=1' olga '' '"field":"fence"'
	ws_until e '"type":"section_locked"' '"fence":2'
	said stale_fence "$(update intro x ',"fence":1')" '"field":"fence"'
	said stale_fence "$(update free x ',"fence":1')" '"field":"fence"'
}

@test "not_locked: nothing to unlock" {
	begin
	said not_locked '{"type":"section_unlock","ref":"ref","data":{"section_id":"intro"}}'
	told 409 not_locked DELETE sections/intro/lock eddy ''
	told 409 not_locked DELETE 'sections/intro/lock?force=1' olga ''
}

@test "conflict_closed: settled already" {
	daemon_start
	start '{"conflict_resolution_strategy":"manual","sections":{"intro":{"content":"Hello"}}}'
	join e olga
	api PUT sections/intro olga '{"base_seq":1,"changes":{"content":"x"}}'
	want 200
	field conflict_id
	ws_read e '"type":"conflict_detected"' "\"conflict_id\":\"$VALUE\""
	api POST "conflicts/$VALUE/resolve" olga '{"resolution":"current"}'
	want 200
	field conflict_id "$MSG"
	local id=$VALUE
	ws_read e '"type":"conflict_resolved"'
	said conflict_closed "{\"type\":\"conflict_resolved\",\"ref\":\"ref\",\"data\":{\"conflict_id\":\"$id\",\"resolution\":\"proposed\"}}"
	told 409 conflict_closed POST "conflicts/$id/resolve" olga '{"resolution":"current"}'
}

@test "ref_reused: another message under a used ref" {
	begin
	ws_ask e "$(update intro one)" '"type":"ack"'
	said ref_reused "$(update intro two)" '"field":"ref"'
	said ref_reused '{"type":"comment_added","ref":"u","data":{"section_id":"intro","content":"x"}}' '"field":"ref"'
	state
	api PUT sections/intro eddy '{"changes":{"content":"three"}}' -H 'Idempotency-Key: u'
	problem 409 ref_reused '"field":"ref"'
	# Refs are a user's own.
	api PUT sections/intro olga '{"changes":{"content":"three"}}' -H 'Idempotency-Key: u'
	want 200
}

# ---- limits -------------------------------------------------------------------------------------

@test "section_too_large: a section over the limit" {
	begin --limit section_bytes=100
	local long
	long=$(printf 'x%.0s' {1..100})
	said section_too_large "$(update intro "$long")"
	said section_too_large "{\"type\":\"section_update\",\"data\":{\"section_id\":\"intro\",\"changes\":{\"note\":\"$long\"}}}"
	told 413 section_too_large PUT sections/intro eddy "{\"changes\":{\"content\":\"$long\"}}"
	REPORT=other api POST start olga "{\"sections\":{\"a\":{\"content\":\"$long\"}}}"
	problem 413 section_too_large
}

@test "state_too_large: a session over the limit" {
	begin --limit state_bytes=200
	local long
	long=$(printf 'x%.0s' {1..200})
	said state_too_large "$(update intro "$long")"
	said state_too_large "{\"type\":\"comment_added\",\"data\":{\"section_id\":\"intro\",\"content\":\"$long\"}}"
	told 413 state_too_large PUT sections/intro eddy "{\"changes\":{\"content\":\"$long\"}}"
}

@test "too_many_sections: no more of them" {
	begin --limit sections=2
	ws_ask e "$(update second x)" '"type":"ack"'
	said too_many_sections '{"type":"section_update","ref":"ref","data":{"section_id":"third","changes":{"content":"x"}}}'
	told 409 too_many_sections PUT sections/third eddy '{"changes":{"content":"x"}}'
	REPORT=other api POST start olga '{"sections":{"a":{},"b":{},"c":{}}}'
	problem 409 too_many_sections
}

@test "too_many_comments: no more of them" {
	begin --limit comments=1
	ws_ask e "$(comment $first)" '"type":"ack"'
	said too_many_comments '{"type":"comment_added","ref":"ref","data":{"section_id":"intro","content":"y"}}'
	told 409 too_many_comments POST comments eddy '{"section_id":"intro","content":"y"}'
}

@test "too_many_connections: of a user" {
	begin --limit connections_per_user=1
	ws x eddy
	[ "$MSG" = "#http 429" ]
	[[ $BODY == *'"code":"too_many_connections"'*'"retryable":true'* ]]
	join c cora
	ws_until e '"type":"user_online"'
	ws_close e
	ws_until c '"type":"user_offline"'
	join e eddy
	api GET /ws/reports/pmr/pmr-1/collaborate cora '' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' \
		-H 'Sec-WebSocket-Version: 13' -H 'Upgrade: websocket' -H 'Connection: Upgrade'
	problem 429 too_many_connections
	header Retry-After
	[[ $VALUE =~ ^[0-9]+$ ]]
}

@test "too_many_sockets: from an address" {
	local one two
	begin --limit sockets_per_address=2
	exec {one}<>"/dev/tcp/${ADDRESS%:*}/${ADDRESS##*:}" {two}<>"/dev/tcp/${ADDRESS%:*}/${ADDRESS##*:}"
	http "$URL/healthz"
	problem 429 too_many_sockets
	header Retry-After
	# The Unix socket has no address.
	api GET /healthz
	want 200
	exec {one}>&- {two}>&-
}

@test "rate_limited: requests, and starts, of a user" {
	begin --limit requests_per_minute=4 --limit session_starts_per_minute=1
	api GET session vera
	api GET session vera
	api GET session vera
	api GET session vera
	want 200
	api GET session vera
	problem 429 rate_limited
	header Retry-After
	((VALUE >= 1 && VALUE <= 60))
	# Others are not affected.
	api GET session cora
	want 200
	REPORT=other api POST start olga
	problem 429 rate_limited
	header Retry-After
}

# ---- the server cannot now ----------------------------------------------------------------------

@test "session_exists: an import of what is here" {
	begin
	"$BUILD/pmr-session" export -r "$REPORT" --socket "$SOCKET" >"$DIR/export"
	told 409 session_exists POST /api/sessions/import '' "@$DIR/export"
}

@test "bad_log: an import of what does not verify" {
	begin
	"$BUILD/pmr-session" export -r "$REPORT" --socket "$SOCKET" |
		sed "s/$SESSION/11111111-1111-4111-8111-111111111111/g" >"$DIR/export"
	told 400 bad_log POST /api/sessions/import '' "@$DIR/export"
	api GET /api/sessions/11111111-1111-4111-8111-111111111111/session
	want 404
}

@test "store_unavailable: the disk takes no more, and what was acknowledged stays" {
	local big n=0 more=0
	big=$(head -c 60000 /dev/zero | tr '\0' a)
	# A file of at most 600 KiB stands for a full disk.
	begin -e "env --ignore-signal=XFSZ prlimit --fsize=614400"
	STATUS=200
	while [ "$STATUS" = 200 ] || [ "$STATUS" = 201 ]; do
		n=$((n + 1))
		[ $n -lt 60 ] || fail_with "the disk is never full"
		api PUT "sections/s$n" eddy "{\"changes\":{\"content\":\"$big\"}}"
	done
	problem 503 store_unavailable '"retryable":true'
	# The log before it may have room again once it is in the database; that has its end too.
	MSG='"type":"ack"'
	while [[ $MSG == *'"type":"ack"'* ]]; do
		more=$((more + 1))
		[ $more -lt 60 ] || fail_with "the disk is never full"
		ws_say e "{\"type\":\"section_update\",\"ref\":\"more$more\",\"data\":{\"section_id\":\"s1\",\"changes\":{\"content\":\"$big\"}}}"
		ws_until e "\"ref\":\"more$more\""
	done
	[[ $MSG == *'"code":"store_unavailable"'*'"ref":"more'*'"retryable":true'*'"type":"error"'* ]]
	# (What /readyz says of a disk that takes nothing at all is told by disk.bats: here something
	# small may fit again, which the daemon finds out by itself.)  Reading goes on: all that was acknowledged is there, what was refused is not.
	api GET sections olga
	want 200 "\"s$((n - 1))\":{"
	[ "$(json '.sections | length')" = "$n" ] # with "intro"
	daemon_stop
	daemon_start
	api GET sections olga
	[ "$(json '.sections | length')" = "$n" ]
	api PUT sections/last eddy '{"changes":{"content":"There is room again"}}'
	want 200
	api GET /readyz
	want 200
}

@test "draining: a request that is complete only when the end has begun" {
	local fd line
	secret
	begin --secret-file "$SECRET"
	mint '{"sub":"eddy"}'
	exec {fd}<>"/dev/tcp/${ADDRESS%:*}/${ADDRESS##*:}"
	printf 'PUT /api/reports/pmr/pmr-1/collaborate/sections/intro HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Length: 27\r\n\r\n' "$TOKEN" >&"$fd"
	http "$URL/healthz"
	want 200
	kill -TERM "$PID"
	ws_read e '"type":"going_away"'
	ws_read e '#close 1001'
	printf '{"changes":{"content":"x"}}' >&"$fd"
	IFS= read -r -t "$PATIENCE" -u "$fd" line
	[[ $line == 'HTTP/1.1 503'* ]]
	while IFS= read -r -t "$PATIENCE" -u "$fd" line && [ "$line" != $'\r' ]; do
		:
	done
	read -r -t "$PATIENCE" -u "$fd" line || true
	[[ $line == *'"code":"draining"'*'"retryable":true'* ]]
	exec {fd}>&-
	daemon_wait
}

@test "server_full: no room for one more connection" {
	begin --limit sockets=1
	http "$URL/healthz"
	problem 503 server_full
	header Retry-After
	# The Unix socket keeps some room for those who have to look into it.
	api GET /readyz
	want 200
	ws_close e
	http "$URL/healthz"
	want 200
}

@test "internal: a damaged record is not told as it is" {
	begin
	ws_close e
	daemon_stop
	sqlite3 "$DIR"/data/*.db "DELETE FROM snapshots; UPDATE events SET record = '{\"seq\":2}' WHERE seq = 2"
	daemon_start
	api GET session olga
	problem 500 internal
	grep -q 'cannot be opened' "$DIR/log"
	# Only that session is lost.
	REPORT=other start
}

# ---- all of them --------------------------------------------------------------------------------

# What is not provoked here, and why.
declare -gA elsewhere=(
	[out_of_memory]="unit/test_decide_nomem.c: every allocation of a decision fails"
	[bad_config]="in admin.bats, where a daemon reads its configuration again"
	[unsupported]="the hub alone says it, without a process around it: nothing on the wire"
)

@test "every code of the table that can be on the wire is provoked above" {
	local codes code missing=
	codes=$(sed -n '/inside, never on the wire/q; s/^\tX([A-Z0-9_]*, "\([a-z0-9_]*\)".*/\1/p' "$REPO/libcollab/base/err.h")
	[ "$(wc -w <<<"$codes")" -gt 50 ]
	for code in $codes; do
		if grep -q "^@test \"$code: " "$BATS_TEST_FILENAME"; then
			[ -z "${elsewhere[$code]:-}" ] || missing+=" $code (both)"
		elif [ -z "${elsewhere[$code]:-}" ]; then
			missing+=" $code"
		fi
	done
	[ -z "$missing" ] || fail_with "not provoked:$missing"
}
