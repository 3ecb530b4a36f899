#!/usr/bin/env bats
# The daemon as a process: its options, its configuration, what it tells, logs and leaves; signals,
# exit statuses; TLS.
# shellcheck shell=bash

load helper

setup() {
	scratch
	mkfifo "$DIR/never"
	unset NOTIFY_SOCKET JOURNAL_STREAM LISTEN_FDS
}

teardown() {
	kill "${LISTENER:-}" 2>/dev/null || true
	clean_up
}

# logged TEXT [TIMES]: wait until the log has it (so often).
logged() {
	local end=$((SECONDS + PATIENCE))
	until [ "$(grep -cF -e "$1" "$DIR/log")" -ge "${2:-1}" ]; do
		[ $SECONDS -lt $end ] || fail_with "not in the log: $1" "$(cat "$DIR/log")" || return 1
		read -r -t 0.05 <>"$DIR/never" || true
	done
}

# refused STATUS TEXT [FLAG]...: collabd does not start, and says why.
refused() {
	local status=$1 text=$2
	shift 2
	run -"$status" timeout "$PATIENCE" "$BUILD/collabd" --config /dev/null --data-dir "$DIR/data" --socket "$DIR/unused" --listen none "$@" 3>&-
	[[ $output == *"$text"* ]] || fail_with "no $text in: $output"
}

# ---- options and configuration ------------------------------------------------------------------

@test "--help and --version: on stdout, status 0; what is no option: 64" {
	run -0 --separate-stderr "$BUILD/collabd" --help
	[[ $output == 'usage: collabd '* ]] && [ -z "$stderr" ]
	run -0 --separate-stderr "$BUILD/collabd" -V
	[[ $output == 'collabd '[0-9]* ]] && [ -z "$stderr" ]
	for option in --help --version; do
		run -74 bash -c "'$BUILD/collabd' $option >/dev/full"
		[ "$output" = 'collabd: cannot write to stdout: No space left on device' ]
	done
	refused 64 'nosuch' --nosuch
	refused 64 "unexpected operand 'x'" x
	refused 64 '--limit sections: not NAME=VALUE' --limit sections
	refused 64 'not an open descriptor' --ready-fd 99
	refused 64 'not an open descriptor' --ready-fd x
}

@test "--check-config: each error with its file and line, and nothing is made" {
	local line
	check() { # check LINE TEXT CONFIGURATION
		printf '%b' "$3" >"$DIR/c.conf"
		run -78 --separate-stderr "$BUILD/collabd" --check-config --config "$DIR/c.conf" --data-dir "$DIR/data"
		[ -z "$output" ] || fail_with "$output" || return 1
		[[ $stderr == "collabd: $DIR/c.conf:$1: "*"$2"* ]] || fail_with "not $1, $2: $stderr"
	}
	check 2 'no key listen_to' '[server]\nlisten_to = x\n'
	check 1 '[servers]' '[servers]\nlisten = x\n'
	check 3 'log_level' '[server]\n\nlog_level = loud\n'
	check 2 'log_text' '[server]\nlog_text = perhaps\n'
	check 2 'listen' '[server]\nlisten = nowhere\n'
	check 2 'durability' '[server]\ndurability = none\n'
	check 4 'sections' '# a comment\n[limits]\ncomments = 5\nsections = -1\n'
	check 2 'leeway_seconds' '[auth]\nleeway_seconds = 301\n'
	check 2 'grace_seconds' '[presence]\ngrace_seconds = ten\n'
	check 2 '' '[server]\nnonsense\n'
	check 2 'cannot be read' "[auth]\nsecret_file = $DIR/none\n"
	run -78 "$BUILD/collabd" --check-config --config "$DIR/none.conf"
	[[ $output == *none.conf* ]]
	run -78 "$BUILD/collabd" --check-config --config /dev/null --limit sections=many
	[[ $output == *limits.sections* ]]
	printf '[server]\nlog_level = debug\n[limits]\nsections = 3\n' >"$DIR/c.conf"
	run -0 "$BUILD/collabd" --check-config --config "$DIR/c.conf" --data-dir "$DIR/data"
	[ -z "$output" ]
	[ ! -e "$DIR/data" ]
}

@test "a flag counts before the file, the file before the default" {
	printf '[limits]\nsections = 3\ncomments = 4\n[presence]\ngrace_seconds = 7\n' >"$DIR/c.conf"
	daemon_start --config "$DIR/c.conf" --limit sections=5
	start
	api GET session olga
	want 200 '"sections":5,' '"comments":4,' '"participants":50,'
}

@test "without arguments: data, socket and configuration where the XDG directories say" {
	local as=() home
	home=$(mktemp -d)
	mkdir "$home/run" "$home/config" "$home/config/collabd"
	printf '[server]\nlisten = none\nlog_level = debug\n' >"$home/config/collabd/collabd.conf"
	# The user need not be able to read where they were built.
	cp "$BUILD/collabd" "$BUILD/pmr-session" "$BUILD/libcollab.so.0" "$home"
	if [ "$(id -u)" = 0 ]; then
		chown -R 54321:54321 "$home"
		as=(setpriv --reuid 54321 --regid 54321 --clear-groups)
	fi
	mkfifo "$DIR/ready"
	HOME=$home XDG_RUNTIME_DIR=$home/run XDG_CONFIG_HOME=$home/config XDG_STATE_HOME='' \
		"${as[@]}" "$home/collabd" --ready-fd 5 5>"$DIR/ready" 2>>"$DIR/log" </dev/null >/dev/null 3>&- 4>&- &
	PID=$! SHELL_PID=$!
	read -r -t "$PATIENCE" line <"$DIR/ready"
	[ "$line" = "{\"listen\":[],\"socket\":\"$home/run/collabd.sock\",\"pid\":$PID}" ] || fail_with "$line"
	[ -f "$home/.local/state/collabd/collab.db" ]
	[ "$(stat -c %a "$home/.local/state/collabd")" = 700 ]
	[ "$(stat -c %a "$home/.local/state/collabd/collab.db")" = 600 ]
	[ "$(stat -c %a "$home/run/collabd.sock")" = 660 ]
	# The tools of the same user find it, and need no token.
	HOME=$home XDG_RUNTIME_DIR=$home/run XDG_CONFIG_HOME=$home/config run -0 --separate-stderr \
		env -u PMR_SOCKET -u PMR_URL "${as[@]}" "$home/pmr-session" start -r mine
	[ "$(json .status "$output")" = created ]
	daemon_stop
	[ ! -e "$home/run/collabd.sock" ]
	rm -r "$home"
}

# ---- what it tells ------------------------------------------------------------------------------

@test "ready: one line, then the descriptor is closed; the service manager hears of it, and of the rest" {
	mkfifo "$DIR/notices"
	perl "$REPO/tests/bats/helpers/notified.pl" "$DIR/notify" >"$DIR/notices" 3>&- 4>&- &
	LISTENER=$!
	exec 8<"$DIR/notices"
	read -r -t "$PATIENCE" -u 8 line
	[ "$line" = listening ]
	export NOTIFY_SOCKET=$DIR/notify
	mkfifo "$DIR/ready"
	"$BUILD/collabd" --config /dev/null --data-dir "$DIR/data" --socket "$DIR/s" --listen 127.0.0.1:0,127.0.0.1:0 \
		--ready-fd 5 5>"$DIR/ready" 2>>"$DIR/log" </dev/null >/dev/null 3>&- 4>&- 8<&- &
	PID=$! SHELL_PID=$!
	# To the end of the pipe: it ends because the daemon closes it.
	line=$(timeout "$PATIENCE" cat "$DIR/ready")
	[ "$(wc -l <<<"$line")" = 1 ]
	[ "$(json '.listen | length' "$line")" = 2 ]
	[ "$(json .socket "$line")" = "$DIR/s" ]
	[ "$(json .pid "$line")" = "$PID" ]
	http "http://$(json '.listen[1]' "$line")/readyz"
	want 200 '"ready":true'
	read -r -t "$PATIENCE" -u 8 line
	[ "$line" = READY=1 ]
	kill -HUP "$PID"
	read -r -t "$PATIENCE" -u 8 line
	[[ $line == 'RELOADING=1|MONOTONIC_USEC='[0-9]* ]]
	read -r -t "$PATIENCE" -u 8 line
	[ "$line" = READY=1 ]
	daemon_stop
	read -r -t "$PATIENCE" -u 8 line
	[ "$line" = STOPPING=1 ]
	exec 8<&-
}

@test "the log: a line each, by level, with priorities for the journal" {
	daemon_start
	daemon_stop
	[ -s "$DIR/log" ]
	! grep -v '^collabd: \(error\|warning\|notice\|info\|debug\): ' "$DIR/log"
	rm "$DIR/log"
	daemon_start --log-journal
	daemon_stop
	! grep -v '^<[3-7]>' "$DIR/log"
	grep -q '^<5>serving: ' "$DIR/log"
	rm "$DIR/log"
	daemon_start --log-level error
	start
	daemon_stop
	[ ! -s "$DIR/log" ] || fail_with "$(cat "$DIR/log")"
	# Where standard error is the journal, it is seen.
	rm "$DIR/log"
	: >"$DIR/log"
	export JOURNAL_STREAM
	JOURNAL_STREAM=$(stat -c %d:%i "$DIR/log")
	daemon_start
	daemon_stop
	grep -q '^<5>stopped' "$DIR/log"
}

@test "the log never holds a token or a ticket, and text only when asked" {
	secret
	daemon_start --secret-file "$SECRET" --log-level debug
	start
	mint '{"sub":"eddy"}'
	good=$TOKEN
	ws a '' "/ws/reports/pmr/$REPORT/collaborate?token=$good" -t "$ADDRESS"
	[[ $MSG == '#open'* ]]
	http -X POST -d '' -H "Authorization: Bearer $good" "$URL/api/tickets"
	field ticket
	ticket=$VALUE
	ws b '' "/ws/reports/pmr/$REPORT/collaborate" -t "$ADDRESS" -H "Sec-WebSocket-Protocol: collab.v1, ticket.$ticket"
	[[ $MSG == '#open'* ]]
	ws c '' "/ws/reports/pmr/$REPORT/collaborate?token=${good}x" -t "$ADDRESS"
	[ "$MSG" = '#http 401' ]
	ws d '' "/ws/reports/pmr/$REPORT/collaborate?ticket=$ticket" -t "$ADDRESS"
	[ "$MSG" = '#http 401' ]
	ws_read a
	ws_ask a "{\"type\":\"token_refresh\",\"data\":{\"token\":\"$good\"}}"
	ws_say a '{"type":"section_update","data":{"section_id":"intro","changes":{"content":"Gehalt: geheim"}}}'
	ws_until a '"type":"ack"' '"version":'
	api POST comments eddy '{"section_id":"intro","content":"Niemand soll es lesen","parent_comment_id":null}'
	want 201
	logged 'section_update'
	not_logged "${good##*.}" "${good%%.*}." "$ticket" Gehalt Niemand 'thirty-two bytes'
	ws_close a
	ws_close b
	daemon_stop
	not_logged "${good##*.}" "$ticket" Gehalt Niemand
	daemon_start --log-level debug --log-text
	api PUT sections/intro eddy '{"changes":{"content":"Gehalt: offen"}}'
	want 200
	logged 'Gehalt: offen'
}

# ---- signals ------------------------------------------------------------------------------------

@test "SIGHUP: limits, keys, origins and level are read again; a mistake changes nothing" {
	secret
	printf '[server]\nallowed_origins = https://one.example\n[auth]\nsecret_file = %s\n[limits]\nsections = 3\n' "$SECRET" >"$DIR/c.conf"
	daemon_start --config "$DIR/c.conf"
	start
	mint '{"sub":"eddy"}'
	old=$TOKEN
	of() { http -H "Authorization: Bearer $1" "${@:2}" "$URL/api/reports/pmr/$REPORT/collaborate/session"; }
	of "$old"
	want 200 '"sections":3,'
	printf '[server]\nlog_level = loud\n' >"$DIR/c.conf"
	kill -HUP "$PID"
	logged "nothing was reloaded: $DIR/c.conf:2: "
	of "$old" -H 'Origin: https://one.example'
	want 200 '"sections":3,'
	(umask 077 && printf 'another secret of thirty-two bytes' >"$SECRET")
	printf '[server]\nallowed_origins = https://two.example\nlisten = 127.0.0.1:1\n[auth]\nsecret_file = %s\n[limits]\nsections = 4\n' "$SECRET" >"$DIR/c.conf"
	kill -HUP "$PID"
	logged 'configuration and keys were read again'
	of "$old"
	want 401
	mint '{"sub":"eddy"}'
	of "$TOKEN" -H 'Origin: https://one.example'
	want 403
	of "$TOKEN" -H 'Origin: https://two.example'
	want 200 '"sections":4,'
	# A level that lets more through, then one that lets through less than there was.
	writes() { api PUT sections/intro olga "{\"changes\":{\"content\":\"$1\"}}" && want 200; }
	writes silently
	not_logged 'debug: '
	sed -i 's/^listen = .*/log_level = debug/' "$DIR/c.conf"
	kill -HUP "$PID"
	logged 'configuration and keys were read again' 2
	writes loudly
	logged 'debug: session '
	sed -i 's/^log_level = .*/log_level = error/' "$DIR/c.conf"
	"$BUILD/pmr-admin" reload --socket "$SOCKET"
	lines=$(wc -l <"$DIR/log")
	writes silently
	of "$old"
	want 401
	daemon_stop
	[ "$(wc -l <"$DIR/log")" = "$lines" ] || fail_with "$(tail -n 5 "$DIR/log")"
}

@test "SIGINT ends it like SIGTERM; a second signal ends it at once" {
	daemon_start
	kill -INT "$PID"
	daemon_wait
	logged 'stopping: SIGINT'
	logged 'stopped'
	daemon_start
	start
	join e eddy
	# A client that does not answer holds up the end.
	kill -STOP "${WS_PIDS[e]}"
	kill -TERM "$PID"
	logged 'stopping: SIGTERM'
	kill -TERM "$PID"
	daemon_wait
	kill -CONT "${WS_PIDS[e]}"
	ws_until e '"type":"going_away"' '"reconnect_after_ms":'
	logged 'stopping at once: a second signal'
}

# ---- exit statuses ------------------------------------------------------------------------------

@test "exit statuses: 69, 70, 74, 75, 78" {
	daemon_start
	refused 69 "$ADDRESS" --data-dir "$DIR/other" --listen "$ADDRESS"
	refused 69 "$SOCKET" --data-dir "$DIR/other" --socket "$SOCKET"
	refused 78 'data' # another daemon has it
	api GET /readyz
	want 200
	daemon_kill
	# A socket that is left over is nobody's.
	[ -S "$SOCKET" ]
	daemon_start
	daemon_stop
	refused 74 '--ready-fd' --ready-fd 5 5>/dev/full
	sqlite3 "$DIR/data/collab.db" 'PRAGMA user_version = 999'
	refused 75 'schema version 999'
	mkdir "$DIR/broken"
	head -c 8192 /dev/urandom >"$DIR/broken/collab.db"
	refused 70 'database' --data-dir "$DIR/broken"
	refused 78 'log_level' --log-level loud
	# A directory that was named may be on a disk that is not mounted: what leads to it is not made.
	refused 78 "$DIR/not/mounted" --data-dir "$DIR/not/mounted"
	[ ! -e "$DIR/not" ]
}

# ---- what it leaves -----------------------------------------------------------------------------

@test "collaboration_sessions: the original's table for whoever reads the database" {
	start_and_fill() {
		daemon_start
		start
		api PUT sections/intro eddy '{"changes":{"content":"Hi"}}'
		api PUT sections/intro/lock eddy '{"ttl_seconds":3600}'
		api POST comments cora '{"section_id":"intro","content":"Why?","parent_comment_id":null}'
		want 201
		daemon_stop
	}
	start_and_fill
	sql() { sqlite3 -readonly -json "$DIR/data/collab.db" "$1"; }
	[ "$(sql 'SELECT * FROM collaboration_sessions' | jq -r '.[0] | keys_unsorted | join(" ")')" = \
		'session_id report_id session_type participants active_editors started_at last_activity changes_log comments locked_sections conflict_resolution_strategy max_participants session_timeout_minutes is_active created_at updated_at' ]
	BODY=$(sql 'SELECT * FROM collaboration_sessions')
	[ "$(json '.[0].session_id')" = "$SESSION" ]
	[ "$(json '.[0] | [.report_id, .is_active, .max_participants] | join(" ")')" = 'pmr-1 1 10' ]
	[ "$(json '.[0].comments | fromjson | .[0].content')" = 'Why?' ]
	[ "$(json '.[0].locked_sections | fromjson | .intro')" = eddy ]
	[ "$(json '.[0].participants | fromjson | length')" = 4 ]
}

# ---- TLS ----------------------------------------------------------------------------------------

certificate() { # certificate NAME: for localhost, to $DIR/cert and $DIR/key
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
		-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$DIR/key" -out "$DIR/cert" 2>/dev/null
	chmod 600 "$DIR/key"
}

@test "TLS: requests, a WebSocket, and a new certificate after SIGHUP" {
	certificate one
	cp "$DIR/cert" "$DIR/first"
	secret
	daemon_start --secret-file "$SECRET" --tls-certificate "$DIR/cert" --tls-key "$DIR/key"
	start
	mint '{"sub":"eddy"}'
	https() { http --cacert "$1" -H "Authorization: Bearer $TOKEN" "${@:3}" "https://$ADDRESS$2"; }
	https "$DIR/first" "/api/reports/pmr/$REPORT/collaborate/sections/intro"
	want 200 '"content":"Hello"'
	# websocket_url says how to come back.
	http --cacert "$DIR/first" -H "Authorization: Bearer $TOKEN" -X POST -d '' "https://$ADDRESS/api/reports/pmr/$REPORT/collaborate/start"
	want 200 "\"websocket_url\":\"wss://$ADDRESS/"
	# The handshake, and the first message behind it.
	mkfifo "$DIR/stream"
	curl -sS --http1.1 -i -N --cacert "$DIR/first" -H "Authorization: Bearer $TOKEN" -H 'Upgrade: websocket' -H 'Connection: Upgrade' \
		-H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' -m "$PATIENCE" \
		"https://$ADDRESS/ws/reports/pmr/$REPORT/collaborate?state=brief" >"$DIR/stream" 2>/dev/null 3>&- &
	exec 8<"$DIR/stream"
	read -r -t "$PATIENCE" -u 8 line
	[[ $line == 'HTTP/1.1 101'* ]]
	until [[ $line == *'"type":"session_state"'* ]]; do
		LC_ALL=C read -r -d , -t "$PATIENCE" -u 8 line
	done
	exec 8<&-
	# The tools, by a url.
	(umask 077 && printf %s "$TOKEN" >"$DIR/token")
	SSL_CERT_FILE=$DIR/first run -0 "$BUILD/pmr-section" get --url "https://$ADDRESS" --token-file "$DIR/token" -r "$REPORT" intro
	[ "$output" = Hello ]
	# Plain HTTP is not understood there, and hurts nobody.
	http "$URL/healthz"
	[ "$STATUS" = 000 ] || [ "$STATUS" = 400 ]
	certificate two
	kill -HUP "$PID"
	logged 'configuration and keys were read again'
	https "$DIR/cert" /healthz
	want 200
	https "$DIR/first" /healthz
	[ "$STATUS" = 000 ]
	# A certificate that cannot be used changes nothing.
	echo nonsense >"$DIR/key"
	kill -HUP "$PID"
	logged 'nothing was reloaded: '
	https "$DIR/cert" /healthz
	want 200
}

# ---- keys from a URL ----------------------------------------------------------------------------

rsa_key() { # rsa_key KID: a key of 2048 bits to $DIR/KID.pem; its JWK to JWK
	openssl genrsa -out "$DIR/$1.pem" 2048 2>/dev/null
	JWK=$(openssl rsa -in "$DIR/$1.pem" -noout -modulus | sed 's/Modulus=//' |
		perl -ne 'chomp; print pack("H*", $_)' | base64url)
	JWK="{\"kty\":\"RSA\",\"kid\":\"$1\",\"e\":\"AQAB\",\"n\":\"$JWK\"}"
}

sign() { # sign ALGORITHM KID CLAIMS [DGST-ARGUMENT]...: a token to TOKEN
	local said
	said=$(printf '{"alg":"%s","kid":"%s"}' "$1" "$2" | base64url).$(printf %s "$3" | base64url)
	TOKEN=$said.$(printf %s "$said" | openssl dgst "${@:4}" -sign "$DIR/$2.pem" -binary | base64url)
}

@test "keys from a URL: fetched when a kid is not known, once a minute at most; RS256, RS512, PS256" {
	local port who
	rsa_key first
	first=$JWK
	rsa_key second
	second=$JWK
	echo "{\"keys\":[$first]}" >"$DIR/jwks"
	mkfifo "$DIR/asked"
	perl "$REPO/tests/bats/helpers/serve.pl" "$DIR/jwks" >"$DIR/asked" 3>&- 4>&- &
	LISTENER=$!
	exec 8<"$DIR/asked"
	read -r -t "$PATIENCE" -u 8 port
	daemon_start --jwks "http://127.0.0.1:$port/jwks.json"
	start
	as_bearer() { http -H "Authorization: Bearer $TOKEN" "$URL/api/reports/pmr/$REPORT/collaborate/session"; }
	who='{"sub":"eddy"}'
	sign RS256 first "$who" -sha256
	as_bearer
	want 200 '"has_active_session":true'
	read -r -t "$PATIENCE" -u 8 line
	[[ $line == 'GET /jwks.json '* ]]
	sign RS512 first "$who" -sha512
	as_bearer
	want 200
	sign PS256 first "$who" -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32
	as_bearer
	want 200
	# What another key signed is nobody's, and neither is an algorithm that the key is not for.
	cp "$DIR/second.pem" "$DIR/first.pem"
	sign RS256 first "$who" -sha256
	as_bearer
	want 401 '"code":"unauthenticated"'
	sign EdDSA first "$who" -sha256
	as_bearer
	want 401 'algorithm'
	# A new key is not looked for again within the minute, however often it is asked for.
	echo "{\"keys\":[$first,$second]}" >"$DIR/jwks"
	sign RS256 second "$who" -sha256
	for _ in 1 2 3; do
		as_bearer
		want 401
	done
	run -142 bash -c "read -r -t 0.2 -u 8"
	# A daemon that starts asks anew, and takes both.
	daemon_stop
	daemon_start --jwks "http://127.0.0.1:$port/jwks.json"
	as_bearer
	want 200
	not_logged "${TOKEN##*.}"
	exec 8<&-
}
