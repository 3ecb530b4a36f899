#!/usr/bin/env bats
# pmr-admin: what administrators see and do, and that nobody else does.

load helper

setup() {
	export PMR_SOCKET PATH=$BUILD:$PATH
	unset PMR_REPORT PMR_SESSION
	daemon_start
	PMR_SOCKET=$SOCKET
}

teardown() {
	clean_up
}

# conf LINE...: a configuration file of these lines to $CONF.
conf() {
	scratch
	CONF=$DIR/collabd.conf
	printf '%s\n' "$@" >"$CONF"
}

@test "only administrators: everybody else is refused, on the socket and on TCP" {
	local route
	start
	for route in "GET status" "GET sessions" "GET connections" "DELETE connections?user=olga" "POST drain" "POST reload"; do
		api "${route% *}" "/api/admin/${route#* }" olga
		want 403 '"code":"forbidden"' collab:admin
	done
	clean_up
	secret
	daemon_start --secret-file "$SECRET"
	for route in "GET status" "GET sessions" "GET connections" "POST reload"; do
		http -X "${route% *}" "$URL/api/admin/${route#* }"
		want 401
		mint '{"sub":"ann","scope":"collab:read collab:metrics collab:start"}'
		http -X "${route% *}" -H "Authorization: Bearer $TOKEN" "$URL/api/admin/${route#* }"
		want 403 '"code":"forbidden"'
		mint '{"sub":"root","scope":"collab:admin"}'
		http -X "${route% *}" -H "Authorization: Bearer $TOKEN" "$URL/api/admin/${route#* }"
		want 200
	done
	(umask 077 && printf '%s' "$TOKEN" >"$DIR/token")
	run -0 --separate-stderr env -u PMR_SOCKET pmr-admin status --url "$URL" --token-file "$DIR/token"
	[[ $output == *'"draining":false'* ]]
}

@test "status tells how the daemon does" {
	start
	join a eddy
	join b eddy
	join c vera
	run -0 --separate-stderr pmr-admin status
	[ "${#lines[@]}" = 1 ]
	[ "$(json '[.connections,.users,.online,.sessions,.pid,.draining,.version] | @json' "$output")" = \
		"[3,2,2,1,$PID,false,\"$(pmr-admin --version | cut -d ' ' -f 2)\"]" ]
	[ "$(json '.store | .writable and .bytes > 0 and .bytes_free > 0 and .bytes_total >= .bytes_free and .sessions == 1 and .active == 1' "$output")" = true ]
	[ "$(json '.limits.frame_bytes' "$output")" = 1048576 ]
	[ "$(json '.uptime_seconds >= 0 and (.started_at | length) == 24 and .events >= 2 and .store.records >= 7 and .commit_us_p99 > 0' "$output")" = true ]
	ws_close a
	ws_close b
	run -0 --separate-stderr pmr-admin status
	[ "$(json '[.connections,.users] | @json' "$output")" = "[1,1]" ]
}

@test "sessions are those in memory, connections those that are open" {
	run -0 --separate-stderr pmr-admin sessions
	[ -z "$output" ]
	start '{"conflict_resolution_strategy":"merge"}'
	local first=$SESSION
	join a olga
	REPORT=pmr-2 start
	REPORT=pmr-2 join b eddy "mode=watch" || REPORT=pmr-2 join b olga
	run -0 --separate-stderr pmr-admin sessions
	[ "${#lines[@]}" = 2 ]
	[ "$(jq -r -s 'map(select(.report_id == "pmr-1"))[0] | [.session_id,.connections,.online,.lag,.lagging,.state,.conflict_resolution_strategy,.seq > 0,.tail_bytes > 0] | @json' <<<"$output")" = \
		"[\"$first\",1,1,0,0,\"live\",\"merge\",true,true]" ]
	run -0 --separate-stderr pmr-admin connections
	[ "${#lines[@]}" = 2 ]
	run -0 --separate-stderr pmr-admin connections -r pmr-1
	[ "${#lines[@]}" = 1 ]
	[ "$(json '[.user_id,.session_id,.framing,.lag,.silent,.via != null,(.connection_id | type)] | @json' "$output")" = \
		"[\"olga\",\"$first\",\"websocket\",0,false,true,\"string\"]" ]
	[[ $(json .remote "$output") == "local, pid "* ]]
	[ "$(json .seq "$output")" = "$(pmr-admin sessions | jq 'select(.report_id == "pmr-1").seq')" ]
	run -0 --separate-stderr pmr-admin connections -s "${first:0:8}" -n 1
	[ "$(json .report_id "$output")" = pmr-1 ]
	run -0 --separate-stderr pmr-admin connections --user nobody
	[ -z "$output" ]
	# What the environment says of a session leaves nothing out here.
	run -0 --separate-stderr env PMR_REPORT=pmr-1 pmr-admin connections
	[ "${#lines[@]}" = 2 ]
}

@test "kick closes whom it names: by id, by user, in a session, from stdin" {
	start
	join a eddy
	join b eddy
	join c vera
	run -0 --separate-stderr pmr-admin kick --user vera -r "$REPORT"
	[ "$(json '[.closed,.code] | @json' "$output")" = "[1,4411]" ]
	ws_until c "#close 4411"
	id=$(pmr-admin connections --user eddy -n 1 | jq -r .connection_id)
	run -0 --separate-stderr pmr-admin kick "$id" --dry-run
	[[ $output == *'"dry_run":true'*'"method":"DELETE"'* ]]
	run -0 --separate-stderr pmr-admin kick "$id"
	run -66 --separate-stderr pmr-admin kick "$id"
	[[ $stderr == *"no such connection"* ]]
	run -0 bash -c 'pmr-admin connections | pmr-admin kick --resume -'
	[[ $output == *'"code":1013'* ]]
	ws_until a "#close"
	ws_until b "#close"
	run -0 pmr-admin connections
	[ -z "$output" ]
	run -66 pmr-admin kick --user eddy
	run -65 pmr-admin kick nonsense
	run -64 pmr-admin kick
	run -64 pmr-admin kick 7 --user eddy
	run -64 pmr-admin kick --user '!eddy'
	api DELETE /api/admin/connections
	want 400 missing_field
}

@test "who is kicked for good stays out, who may resume does" {
	start
	pmr-watch --as vera -r "$REPORT" --since 0 >"$DIR/kicked" 2>"$DIR/kicked.err" 3>&- &
	local kicked=$! status=0
	state
	pmr-watch --as cora -r "$REPORT" --since "$SEQ" -t section_update -n 1 >"$DIR/resumed" 2>"$DIR/resumed.err" 3>&- &
	local resumed=$!
	until [ "$(pmr-admin connections | wc -l)" = 2 ]; do :; done
	pmr-admin kick --user vera
	wait "$kicked" || status=$?
	[ "$status" = 77 ]
	grep -q "closed by an administrator" "$DIR/kicked.err"
	pmr-admin kick --user cora --resume
	api PUT sections/intro eddy '{"changes":{"content":"again"}}'
	want 200
	wait "$resumed"
	[ "$(jq -r .changes.content "$DIR/resumed")" = again ]
}

@test "drain hands clients over and ends the daemon" {
	start
	join a eddy
	run -0 --separate-stderr pmr-admin drain --dry-run
	[[ $output == *'/api/admin/drain?wait=1'* ]]
	pmr-admin drain >"$DIR/drained" 2>"$DIR/drained.err" 3>&- &
	local job=$!
	ws_until a '"type":"going_away"'
	ws_until a "#close 1001"
	wait "$job"
	[ "$(json '[.draining,.drained,.connections,.pid] | @json' "$(cat "$DIR/drained")")" = "[true,true,1,$PID]" ]
	daemon_wait
	run -69 --separate-stderr pmr-admin status
	daemon_start
	run -0 --separate-stderr pmr-admin drain --no-wait
	[ "$(json .draining "$output")" = true ]
	daemon_wait
}

@test "reload takes what can be reloaded, and says what" {
	clean_up
	conf '[server]' 'log_level = info' '[limits]' 'connections_per_user = 20'
	daemon_start --config "$CONF"
	start
	run -0 --separate-stderr pmr-admin reload
	[ "$output" = '{"changed":[],"needs_restart":[],"reloaded":true}' ]
	conf '[server]' 'log_level = debug' 'allowed_origins = https://a.example' '[limits]' 'connections_per_user = 1'
	run -0 --separate-stderr pmr-admin reload --dry-run
	run -0 --separate-stderr pmr-admin reload
	[ "$output" = '{"changed":["server.log_level","server.allowed_origins","limits.connections_per_user"],"needs_restart":[],"reloaded":true}' ]
	join a eddy
	ws b eddy
	[ "$STATUS" = 429 ]
	api GET session olga '' -H 'Origin: https://a.example'
	want 200
	# SIGHUP does the same.
	conf '[limits]' 'connections_per_user = 2'
	kill -HUP "$PID"
	until grep -c "were read again" "$DIR/log" | grep -q 3; do :; done
	join b eddy
}

@test "a bad file is refused with its line, and the daemon goes on as it was" {
	clean_up
	conf '[limits]' 'connections_per_user = 1'
	daemon_start --config "$CONF"
	start
	conf '[limits]' 'connections_per_user = 5' 'conections = 3'
	run -78 --separate-stderr pmr-admin reload
	[[ $stderr == *"collabd.conf:3: there is no key conections"* ]]
	join a eddy
	ws b eddy
	[ "$STATUS" = 429 ]
	kill -HUP "$PID"
	until grep -q "nothing was reloaded.*collabd.conf:3" <(tail -n +2 "$DIR/log" | grep -v "asked for"); do :; done
	run -0 pmr-admin status
	conf '[server]' "data_dir = $DIR/other" '[limits]' 'connections_per_user = 1'
	api POST /api/admin/reload
	want 200 '"reloaded":true'
}

@test "keys are read again" {
	clean_up
	secret
	daemon_start --secret-file "$SECRET"
	mint '{"sub":"ann"}'
	http -H "Authorization: Bearer $TOKEN" "$URL/api/sessions"
	want 200
	printf 'another secret of thirty-two bytes or more' >"$SECRET"
	run -0 pmr-admin reload
	http -H "Authorization: Bearer $TOKEN" "$URL/api/sessions"
	want 401
	mint '{"sub":"ann"}'
	http -H "Authorization: Bearer $TOKEN" "$URL/api/sessions"
	want 200
	chmod 644 "$SECRET"
	run -78 --separate-stderr pmr-admin reload
	[[ $stderr == *"0600"* ]]
	http -H "Authorization: Bearer $TOKEN" "$URL/api/sessions"
	want 200
}

@test "metrics are those of /metrics" {
	run -0 --separate-stderr pmr-admin metrics
	[[ $output == *"collabd_store_writable 1"* ]]
}

@test "check is a probe: 0 to 3, with performance data" {
	start
	run -0 --separate-stderr pmr-admin check -w lag=100000,commit=100000,disk=0 -c lag=100000,commit=100000,disk=0
	[[ $output == "COLLABD OK - 1 sessions, 0 connections | lag="*"ms;100000;100000 commit="*" disk="*"%;0:;0: pending="*" connections=0;;" ]]
	run -1 pmr-admin check -w connections=0,disk=0 -c lag=100000,commit=100000,disk=0
	[[ $output == "COLLABD WARNING - connections is 0"* ]]
	run -2 pmr-admin check -c disk=100
	[[ $output == "COLLABD CRITICAL - disk is "* ]]
	run -3 pmr-admin check -c nonsense=1
	run -3 pmr-admin check -w lag
	run -2 pmr-admin check --socket "$DIR/nobody"
	[[ $output == "COLLABD CRITICAL - "* ]]
	clean_up
	secret
	daemon_start --secret-file "$SECRET"
	mint '{"sub":"ann"}'
	(umask 077 && printf '%s' "$TOKEN" >"$DIR/token")
	run -3 --separate-stderr env -u PMR_SOCKET pmr-admin check --url "$URL" --token-file "$DIR/token"
	[[ $output == "COLLABD UNKNOWN - "*"collab:admin"* ]]
}

# examples PAGE: the commands of its EXAMPLES, one a line.
examples() {
	awk '/^\.Sh SEE/ { on = 0 } on && /^\$ / { if (line) print line; line = substr($0, 3) } on && /^ / { line = line $0 }
		/^\.Sh EXAMPLES/ { on = 1 } END { print line }' "$REPO/man/$1"
}

@test "the examples of the manual work as they stand there" {
	local line n=0 REPORT=pmr-2024-01
	start '{"participants":[{"user_id":"ann","user_name":"Ann","role":"editor"}]}'
	api PUT sections/intro ann '{"changes":{"content":"by ann"}}'
	want 200
	join a ann
	cd "$DIR"
	while IFS= read -r line; do
		n=$((n + 1))
		run -0 --separate-stderr bash -c "set -o pipefail; { $line; } </dev/null || [[ '$line' == *' check '* && \$? -le 2 ]]"
	done < <(examples pmr-admin.1)
	[ "$n" = 8 ]
	[ -s kept.ndjson ] && [ -s "collab-$(date +%F).db" ]
	daemon_wait
}
