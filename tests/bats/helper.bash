# For tests with real processes: a daemon on a scratch directory, HTTP by curl, WebSockets by
# wsclient (helpers/wsclient.c).  Everything is waited for with a time limit; nothing sleeps.
#
#	load helper
#	setup() { daemon_start; }
#	teardown() { clean_up; }
#
# Bodies and messages have no white space between tokens, and events, acks and errors have their keys
# sorted, so that they are mostly judged by the TEXTs they must hold; jq is for the rest.
# shellcheck shell=bash disable=SC2034 # what is set here is used by the tests

REPO=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
BUILD=${BUILD:-$REPO/build}
PATIENCE=${PATIENCE:-20} # seconds that anything may take
SOON=$([ -z "${VALGRIND:-}" ] && echo 0.4 || echo 8) # seconds after which what there is has come
REPORT=pmr-1             # what paths without a slash in front belong to
bats_require_minimum_version 1.5.0
# A sanitizer that finds something must not look like an ordinary exit.
# (Its runtime need not come first: the clock is preloaded.)
export ASAN_OPTIONS=${ASAN_OPTIONS:-exitcode=99:verify_asan_link_order=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-exitcode=99:print_stacktrace=1}

# ---- processes ----------------------------------------------------------------------------------

# The scratch directory of this test (or, in setup_file, of the file).
scratch() {
	DIR=${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}
}

# daemon_start [-e "COMMAND WORDS"] [FLAG]...: start collabd (under COMMAND, e.g. env) on
# $DIR/data and wait until it serves.  Sets PID, SOCKET, URL and ADDRESS (host:port).
daemon_start() {
	local under=() line=
	scratch
	if [ "${1:-}" = -e ]; then
		read -r -a under <<<"$2"
		shift 2
	fi
	SOCKET=$DIR/s
	rm -f "$DIR/ready"
	mkfifo "$DIR/ready"
	"${under[@]}" "$BUILD/collabd" --config /dev/null --data-dir "$DIR/data" --socket "$SOCKET" \
		--listen 127.0.0.1:0 --ready-fd 5 "$@" \
		5>"$DIR/ready" 3>&- 4>&- </dev/null >/dev/null 2>>"$DIR/log" &
	SHELL_PID=$!
	if ! read -r -t "$PATIENCE" line <"$DIR/ready"; then
		echo "# collabd did not start:" && cat "$DIR/log"
		return 1
	fi
	PID=${line##*\"pid\":}
	PID=${PID%\}*}
	ADDRESS=${line#*\"listen\":[\"}
	ADDRESS=${ADDRESS%%\"*}
	URL=http://$ADDRESS
}

# daemon_start_with_clock [FLAG]...: the same, with a wall clock that `clock` can put forward.
daemon_start_with_clock() {
	scratch
	fault_file clock
	daemon_start -e "$FAULTY" "$@"
}

# clock OFFSET [STEADY [STEP]]: for what is behind FAULTY it is so much later ("+1d4h30m2s") than it
# is, and the monotonic clock so many seconds ahead; each reading puts both STEP nanoseconds forward.
clock() {
	local wall=${1//d/*86400+}
	wall=${wall//h/*3600+}
	wall=${wall//m/*60+}
	fault_file clock
	fault 6 "$((${wall//s/+} 0))" "${2:-0}" "${3:-0}"
}

# daemon_wait: the daemon ends by itself or by a signal; its status is returned (128 + n).
daemon_wait() {
	local pid=$SHELL_PID status=0
	PID='' SHELL_PID=''
	wait "$pid" || status=$?
	return $status
}

# daemon_stop: ask it to end, and insist on a clean end.
daemon_stop() {
	kill -TERM "$PID"
	daemon_wait || fail_with "collabd ended with status $?" "$(tail -n 30 "$DIR/log")"
}

# daemon_kill: SIGKILL, as a power cut would.
daemon_kill() {
	kill -KILL "$PID"
	daemon_wait || true
}

# clean_up: for teardown.  A daemon that is still there must stop cleanly: a crash, or what a
# sanitizer has found, fails the test.
clean_up() {
	local name
	for name in "${!WS_PIDS[@]}"; do
		kill "${WS_PIDS[$name]}" 2>/dev/null || true
		kill -CONT "${WS_PIDS[$name]}" 2>/dev/null || true # a stopped one would not hear it
		wait "${WS_PIDS[$name]}" 2>/dev/null || true
	done
	if [ -n "${PID:-}" ]; then
		daemon_stop
	fi
}

# checked: a sanitizer or valgrind is at work, which has its own allocator and keeps what is freed.
checked() {
	[ -n "${SANITIZED:-}${VALGRIND:-}" ]
}

# within TIME BOUND: it is less (twenty times that under valgrind, which slows all down so much).
within() {
	(($1 < $2 * (${#VALGRIND} > 0 ? 20 : 1)))
}

# not_logged TEXT...: the daemon's log has none of these.
not_logged() {
	local text
	for text; do
		! grep -qF -e "$text" "$DIR/log" || fail_with "in the log: $text" || return 1
	done
}

fail_with() {
	printf '%s\n' "$@"
	return 1
}

# ---- HTTP ---------------------------------------------------------------------------------------

# api METHOD PATH [USER [BODY [CURL-ARGUMENT]...]]: over the Unix socket, as USER ("id" or
# "id;name"; "": the administrator that runs the tests).  A path without a slash in front lies below
# the report $REPORT.  Sets STATUS, BODY and (for `header`) HEADERS.
api() {
	local method=$1 path=$2 user=${3:-} body=${4:-} args=()
	shift $(($# < 4 ? $# : 4))
	case $path in
	/*) ;;
	*) path=/api/reports/pmr/$REPORT/collaborate/$path ;;
	esac
	if [ -n "$user" ]; then
		case $user in
		*\;*) ;;
		*) user="$user;${user^}" ;;
		esac
		args+=(-H "X-Collab-As: $user")
	fi
	case $method in
	GET | DELETE) [ -z "$body" ] || args+=(--data-binary "$body") ;;
	*) args+=(--data-binary "$body") ;;
	esac
	http --unix-socket "$SOCKET" -X "$method" "${args[@]}" "$@" "http://localhost$path"
}

# http CURL-ARGUMENT...: any request.  STATUS is 000 when there was no answer.
http() {
	local out
	out=$(curl -sS -g -m "$PATIENCE" -D "$DIR/headers" -w '\n%{http_code}' "$@" 3>&- 2>"$DIR/curl") || true
	BODY=${out%$'\n'*}
	STATUS=${out##*$'\n'}
	HEADERS=$DIR/headers
}

# header NAME: of the last answer, to VALUE.
header() {
	local line
	VALUE=
	while IFS= read -r line; do
		line=${line%$'\r'}
		local name=${line%%:*}
		if [ "$name" != "$line" ] && [ "${name,,}" = "${1,,}" ]; then
			VALUE=${line#*: }
		fi
	done <"$HEADERS"
	[ -n "$VALUE" ]
}

# want STATUS [TEXT]...: the last answer has this status and holds every TEXT.
want() {
	local status=$1 text
	shift
	[ "$STATUS" = "$status" ] || fail_with "status $STATUS, not $status: $BODY" || return 1
	for text; do
		[[ $BODY == *"$text"* ]] || fail_with "no $text in: $BODY" || return 1
	done
}

# start [BODY]: a session of $REPORT, owned by olga, with one user in each role.
# Sets SESSION to its id.
start() {
	local body=${1:-'{"participants":[{"user_id":"eddy","user_name":"Eddy","role":"editor","user_email":"eddy@example.org"},{"user_id":"cora","user_name":"Cora","role":"commenter"},{"user_id":"vera","user_name":"Vera","role":"viewer"}],"sections":{"intro":{"content":"Hello"}}}'}
	api POST start olga "$body"
	want 201
	field session_id
	SESSION=$VALUE
}

# ---- JSON ---------------------------------------------------------------------------------------

# field KEY [TEXT]: the first value of that key in TEXT (default: BODY) to VALUE; strings without
# their quotation marks (and as they stand, escapes included).
field() {
	local text=${2-$BODY}
	VALUE=
	[[ $text =~ \"$1\":(\"([^\"]*)\"|[^],}]*) ]] || return 1
	VALUE=${BASH_REMATCH[1]}
	[ "${VALUE:0:1}" != '"' ] || VALUE=${BASH_REMATCH[2]}
}

# json FILTER [TEXT]: the output of jq -r (default: of BODY).
json() {
	jq -r "$1" <<<"${2-$BODY}"
}

# state: the head of $REPORT's session to SEQ, and the hash of its whole state to STATE.
state() {
	api GET state olga
	want 200
	[[ $BODY =~ \"seq\":([0-9]+),\"session_id\" ]]
	SEQ=${BASH_REMATCH[1]}
	header X-Collab-State-Hash
	STATE=$VALUE
}

# ---- WebSocket ----------------------------------------------------------------------------------

declare -gA WS_PIDS=() WS_IN=() WS_OUT=()

# ws NAME USER [QUERY or /PATH [WSCLIENT-ARGUMENT]...]: open a WebSocket called NAME as USER.  What
# the handshake said is in MSG: "#open" or "#http STATUS" (then BODY is the problem).
ws() {
	local name=$1 user=$2 path=${3:-} args=() in out
	shift $(($# < 3 ? $# : 3))
	case $path in
	/*) ;;
	*) path=/ws/reports/pmr/$REPORT/collaborate${path:+?$path} ;;
	esac
	if [ -n "$user" ]; then
		case $user in
		*\;*) ;;
		*) user="$user;${user^}" ;;
		esac
		args+=(-H "X-Collab-As: $user")
	fi
	case " $* " in
	*' -t '*) ;;
	*) args+=(-s "$SOCKET") ;;
	esac
	rm -f "$DIR/ws.in" "$DIR/ws.out"
	mkfifo "$DIR/ws.in" "$DIR/ws.out"
	exec {in}<>"$DIR/ws.in" {out}<>"$DIR/ws.out"
	"$BUILD/tests/wsclient" "${args[@]}" "$@" "$path" <"$DIR/ws.in" >"$DIR/ws.out" 2>>"$DIR/log" 3>&- 4>&- &
	WS_PIDS[$name]=$! WS_IN[$name]=$in WS_OUT[$name]=$out
	ws_read "$name" || return 1
	case $MSG in
	'#http'*)
		STATUS=${MSG#\#http }
		ws_line "$name"
		BODY=$MSG
		MSG="#http $STATUS"
		;;
	esac
}

# join NAME USER [QUERY]...: the same, and it must succeed; the session_state is in MSG.
join() {
	ws "$@" || return 1
	[[ $MSG == '#open'* ]] || fail_with "refused: $MSG $BODY" || return 1
	ws_read "$1"
}

# ws_line NAME: the next line to MSG.
ws_line() {
	IFS= read -r -t "$PATIENCE" -u "${WS_OUT[$1]}" MSG || fail_with "$1 hears nothing" "$(tail -n 5 "$DIR/log")"
}

# ws_read NAME [TEXT]...: the next line, which must hold every TEXT.
ws_read() {
	local text name=$1
	ws_line "$name" || return 1
	shift
	for text; do
		[[ $MSG == *"$text"* ]] || fail_with "$name: no $text in: $MSG" || return 1
	done
}

# ws_until NAME TEXT...: read on until a line holds every TEXT.
ws_until() {
	local text name=$1 found seen=
	shift
	while :; do
		ws_line "$name" || fail_with "waiting for $*; came:$seen" || return 1
		found=1
		for text; do
			[[ $MSG == *"$text"* ]] || found=
		done
		[ -z "$found" ] || return 0
		seen+=$'\n'$MSG
		case $MSG in
		'#close'* | '#eof' | '#bad'*) fail_with "waiting for $*; came:$seen" || return 1 ;;
		esac
	done
}

# ws_say NAME LINE: a message, or a command of wsclient.
ws_say() {
	printf '%s\n' "$2" >&"${WS_IN[$1]}"
}

# ws_ask NAME LINE [TEXT]...: the answer must be the next line.
ws_ask() {
	ws_say "$1" "$2"
	ws_read "$1" "${@:3}"
}

# ws_quiet NAME: nothing has come that was not read (a pong is said at its place in the log).
ws_quiet() {
	ws_ask "$1" '{"type":"ping"}' '"type":"pong"'
}

# ws_close NAME: say good-bye and hear it said.
ws_close() {
	ws_say "$1" "close 1000"
	ws_until "$1" "#close 1000"
	ws_end "$1"
}

# ws_drop NAME: the connection breaks.
ws_drop() {
	ws_say "$1" drop
	ws_end "$1"
}

# ws_end NAME: wsclient has ended; its status to STATUS.
ws_end() {
	STATUS=0
	wait "${WS_PIDS[$1]}" || STATUS=$?
	eval "exec ${WS_IN[$1]}>&- ${WS_OUT[$1]}>&-"
	unset "WS_PIDS[$1]" "WS_IN[$1]" "WS_OUT[$1]"
}

# ---- tools --------------------------------------------------------------------------------------

# as USER TOOL ARGUMENT...: the administrator runs a tool as USER.
as() {
	local user=$1 tool=$2
	shift 2
	"$tool" --as "$user:${user^}" "$@"
}

# ---- a terminal ---------------------------------------------------------------------------------

# on_terminal [NAME=VALUE]... COMMAND...: run on a terminal of 100 columns; what was shown to OUT,
# without its carriage returns.  The status is the command's.
on_terminal() {
	local status=0
	env TERM=xterm PAGER=cat COLUMNS=100 LC_ALL=C.UTF-8 script -qec "$(printf '%q ' env "$@")" /dev/null \
		</dev/null >"$DIR/shown" 2>&1 3>&- || status=$?
	OUT=$(tr -d '\r' <"$DIR/shown")
	return $status
}

# shows TEXT...: OUT has every one of them.
shows() {
	local text
	for text; do
		[[ $OUT == *"$text"* ]] || fail_with "no $text in:" "$OUT" || return 1
	done
}

# draw N: from 0 to N - 1, by $RANDOM, to DRAWN.
draw() {
	DRAWN=$(((RANDOM * 32768 + RANDOM) % $1))
}

# ---- hammer -------------------------------------------------------------------------------------

# hammer_start [ARGUMENT]...: helpers/hammer.c on $REPORT, over the Unix socket unless -t is given.
hammer_start() {
	local args=(-r "$REPORT" -W "$PATIENCE")
	case " $* " in
	*' -t '*) ;;
	*) args+=(-s "$SOCKET") ;;
	esac
	mkfifo "$DIR/hammer.in" "$DIR/hammer.out"
	exec {HAMMER_IN}<>"$DIR/hammer.in" {HAMMER_OUT}<>"$DIR/hammer.out"
	"$BUILD/tests/hammer" "${args[@]}" "$@" <"$DIR/hammer.in" >"$DIR/hammer.out" 2>>"$DIR/log" 3>&- 4>&- &
	HAMMER_PID=$!
}

# hammer COMMAND...: its answer, which must be good, to HAMMER.
hammer() {
	echo "$*" >&"$HAMMER_IN"
	IFS= read -r -t "$((PATIENCE * 3))" -u "$HAMMER_OUT" HAMMER ||
		fail_with "hammer does not answer to $*" "$(tail -n 5 "$DIR/log")" || return 1
	[[ $HAMMER == *'"ok":true'* ]] || fail_with "hammer $*: $HAMMER" "$(tail -n 5 "$DIR/log")"
}

# hammer_judge: all are at rest; the log and the state are what they must be.
hammer_judge() {
	local verdict
	hammer settle || return 1
	hammer verify || return 1
	verdict=$HAMMER
	state
	[[ $verdict == *"\"seq\":$SEQ,"* && $verdict == *"\"state_hash\":\"$STATE\""* ]] ||
		fail_with "the daemon shows seq $SEQ, state $STATE; the log: $verdict"
}

# hammer_end: for teardown.
hammer_end() {
	[ -n "${HAMMER_PID:-}" ] || return 0
	kill "$HAMMER_PID" 2>/dev/null || true
	wait "$HAMMER_PID" || true
	HAMMER_PID=
}

# ---- faults -------------------------------------------------------------------------------------

# fault_file LIBRARY: FAULTY is what makes a daemon obey `fault`: daemon_start -e "$FAULTY".  See
# preload/preload.h.
fault_file() {
	FAULT=$DIR/fault
	[ -e "$FAULT" ] || head -c 72 /dev/zero >"$FAULT"
	FAULTY="env LD_PRELOAD=$BUILD/tests/$1.so FAULT_FILE=$FAULT"
}

# fault NUMBER VALUE...: set one of its numbers, and those that follow.
fault() {
	perl -e 'open F, "+<", shift and seek(F, 8 * shift, 0) and print F pack("q*", @ARGV) and close F or die' \
		"$FAULT" "$@"
}

# faulted NUMBER: one of its numbers, to VALUE.
faulted() {
	VALUE=$(perl -e 'open F, $ARGV[0] and seek(F, 8 * $ARGV[1], 0) and read(F, $n, 8) or die; print unpack("q", $n)' \
		"$FAULT" "$1")
}

# ---- tokens -------------------------------------------------------------------------------------

# secret: a secret file for `--secret-file`, to SECRET.
secret() {
	SECRET=$DIR/secret
	(umask 077 && printf 'a secret of thirty-two bytes or more' >"$SECRET")
}

base64url() {
	openssl base64 -A | tr '+/' '-_' | tr -d '='
}

# mint CLAIMS: an HS256 token to TOKEN.
mint() {
	local head body sign
	head=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
	body=$(printf '%s' "$1" | base64url)
	sign=$(printf '%s.%s' "$head" "$body" |
		openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(od -An -tx1 -v "$SECRET" | tr -d ' \n')" -binary |
		base64url)
	TOKEN=$head.$body.$sign
}

# ---- counters -----------------------------------------------------------------------------------

# metric NAME: its value to VALUE.
metric() {
	api GET /metrics
	want 200
	[[ $BODY =~ (^|$'\n')"$1 "([0-9.e+-]+) ]] || fail_with "no metric $1" || return 1
	VALUE=${BASH_REMATCH[2]}
}

# want_metric NAME NUMBER
want_metric() {
	metric "$1" || return 1
	[ "$VALUE" = "$2" ] || fail_with "$1 is $VALUE, not $2"
}
