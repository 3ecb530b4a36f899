#!/usr/bin/env bats
# Bad frames: an error or a clean close, never a crash, never a changed state; and those that only
# look bad.

load helper

setup() {
	# shellcheck disable=SC2086 # words are meant
	daemon_start ${FLAGS[$BATS_TEST_DESCRIPTION]:-}
	start
	# Eddy stays online by this connection, whatever becomes of the others.
	join stay eddy
	state
	before=$STATE
}

teardown() {
	clean_up
}

# What the daemon of a test is started with.
declare -gA FLAGS=(
	["a million keys are read, counted and refused"]="--limit frame_bytes=33554432 --limit bytes_per_second=0"
	["errors without end close the connection"]="--limit errors_in_a_row=5"
)

# unchanged: nothing has changed, and others are served.
unchanged() {
	state
	[ "$STATE" = "$before" ] || fail_with "the state has changed"
	ws_quiet stay
}

# lives LINE TEXT...: the answer to LINE holds the TEXTs, and the connection is good for more.
lives() {
	[ -n "${WS_PIDS[b]:-}" ] || join b eddy
	ws_ask b "$@"
	ws_ask b '{"type":"ping","ref":"again"}' '"type":"pong"' '"ref":"again"'
}

# closes CODE LINE...: after these lines a new connection is closed with CODE.
closes() {
	local code=$1 line
	shift
	join b eddy
	for line; do
		ws_say b "$line"
	done
	ws_until b "#close $code"
	ws_end b
	[ "$STATUS" = 3 ]
}

# ---- messages that are none ---------------------------------------------------------------------

@test "what is not JSON is an error" {
	lives 'text hello' '"code":"bad_json"'
	lives 'frame' '"code":"bad_json"'
	lives 'text {"type":"ping"' '"code":"bad_json"'
	lives "text {'type':'ping'}" '"code":"bad_json"'
	lives 'text {"type":"ping",}' '"code":"bad_json"'
	lives 'text {"type":NaN}' '"code":"bad_json"'
	lives 'text null' '"code":"bad_json"'
	lives 'text [{"type":"ping"}]' '"code":"bad_json"'
	unchanged
}

@test "wrong types are an error" {
	local v
	for v in null true 7 '"x"' '[]' '[{}]'; do
		lives "{\"type\":\"section_update\",\"data\":{\"section_id\":\"intro\",\"changes\":$v}}" '"code":"bad_field"' '"field":"changes"'
	done
	for v in null true 7 '{}' '[]'; do
		lives "{\"type\":\"section_update\",\"data\":{\"section_id\":$v,\"changes\":{\"content\":\"x\"}}}" '"field":"section_id"'
		lives "{\"type\":$v}" '"field":"type"'
	done
	for v in true 7 '"x"' '[]'; do
		lives "{\"type\":\"section_update\",\"data\":$v}" '"code":"bad_field"' '"field":"data"'
	done
	unchanged
}

@test "an unknown type is an error" {
	lives '{"type":"drop_table"}' '"code":"unknown_type"'
	lives "{\"type\":\"$(head -c 100000 /dev/zero | tr '\0' x)\"}" '"code":"unknown_type"'
	[ ${#MSG} -lt 1000 ]
	unchanged
}

@test "a binary message is an error" {
	lives 'frame op=2 text={"type":"ping"}' '"code":"binary_frame"'
	lives 'frame op=2 fill=100000' '"code":"binary_frame"'
	# Its bytes need not be text.
	lives 'frame op=2 hex=00fffe80' '"code":"binary_frame"'
	join c eddy
	ws_say c 'frame op=2 fin=0 hex=ff'
	ws_ask c 'frame op=0 hex=00' '"code":"binary_frame"'
	unchanged
}

@test "a NUL is an error, however it is written" {
	lives '{"type":"comment_added","data":{"section_id":"intro","content":"a\u0000b"}}' '"code":"bad_json"'
	lives '{"type\u0000":"ping"}' '"code":"bad_json"'
	lives 'frame hex=7b2274797065223a2270696e6700227d' '"code":"bad_json"'
	lives 'frame hex=00' '"code":"bad_json"'
	unchanged
}

@test "deep nesting is an error" {
	local open
	for open in '[' '{"a":'; do
		head -c 200000 /dev/zero | tr '\0' x | sed "s/x/$open/g" >"$DIR/deep"
		lives "frame file=$DIR/deep" '"code":"bad_json"'
		lives "{\"type\":\"section_update\",\"data\":{\"section_id\":\"intro\",\"changes\":{\"x\":$(head -c 10000 "$DIR/deep")" '"code":"bad_json"'
	done
	printf '{"type":"section_update","data":{"section_id":"intro","changes":{"x":%s1%s}}}' \
		"$(printf '[%.0s' {1..100000})" "$(printf ']%.0s' {1..100000})" >"$DIR/deep"
	lives "frame file=$DIR/deep" '"code":"bad_json"'
	unchanged
}

@test "a million keys are read, counted and refused" {
	{
		printf '{"type":"section_update","data":{"section_id":"intro","changes":{"content":"x"'
		seq -f ',"k%.0f":1' 1000000
		printf '}}}'
	} | tr -d '\n' >"$DIR/keys"
	lives "frame file=$DIR/keys" '"code":"section_too_large"'
	{
		printf '{"type":"ping"'
		seq -f ',"k%.0f":1' 1000000
		printf '}'
	} | tr -d '\n' >"$DIR/keys"
	lives "frame file=$DIR/keys" '"type":"pong"'
	unchanged
}

@test "a number that is too great, and one that is not a number" {
	lives '{"type":"cursor_position","data":{"section_id":"intro","position":1e999}}' '"code":"bad_json"'
	lives '{"type":"cursor_position","data":{"section_id":"intro","position":99999999999999999999}}' '"code":"bad_json"'
	lives '{"type":"cursor_position","data":{"section_id":"intro","position":9007199254740992}}' '"field":"position"'
	unchanged
}

@test "errors without end close the connection" {
	closes 4400 'text 1' 'text 2' 'text 3' 'text 4' 'text 5'
	# They must follow one another.
	lives 'text 1' '"code":"bad_json"'
	lives 'text 2' '"code":"bad_json"'
	lives 'text 3' '"code":"bad_json"'
	lives 'text 4' '"code":"bad_json"'
	lives 'text 5' '"code":"bad_json"'
	unchanged
}

# ---- size ---------------------------------------------------------------------------------------

@test "a frame of 2 MiB closes with 1009, as soon as it is announced" {
	closes 1009 'frame fill=2097152'
	closes 1009 'frame len=2097152 text={'
	closes 1009 'frame op=2 len=2097152'
	closes 1009 'frame len=9223372036854775807'
	unchanged
}

@test "fragments that add up to more than the limit close with 1009" {
	closes 1009 'frame fin=0 fill=600000' 'frame op=0 fin=0 fill=600000'
	closes 1009 'frame fin=0 fill=1048576' 'frame op=0 fin=0 fill=0' 'frame op=0 fill=1'
	unchanged
}

@test "a message of just the limit is taken" {
	printf '{"type":"ping","pad":"%s"}' "$(head -c $((1048576 - 24)) /dev/zero | tr '\0' x)" >"$DIR/just"
	[ "$(wc -c <"$DIR/just")" = 1048576 ]
	lives "frame file=$DIR/just" '"type":"pong"'
	printf ' ' >>"$DIR/just"
	closes_b 1009 "frame file=$DIR/just"
	unchanged
}

# closes_b CODE LINE: the same for the connection that is open.
closes_b() {
	ws_say b "$2"
	ws_until b "#close $1"
	ws_end b
}

# ---- text that is none --------------------------------------------------------------------------

@test "invalid UTF-8 closes with 1007" {
	local hex
	# A lone byte, overlong forms, surrogates, beyond U+10FFFF, an end too early.
	for hex in ff 80 c0af c1bf e08080 e09fbf f0808080 f08fbfbf eda080 edbfbf f4908080 f5808080 c3 e282 f09f98; do
		closes 1007 "frame hex=7b22${hex}227d"
	done
	closes 1007 'frame hex=f09f98'
	unchanged
}

@test "invalid UTF-8 in a fragment closes with 1007 before the message is whole" {
	closes 1007 'frame fin=0 hex=7b22ff'
	closes 1007 'frame fin=0 hex=7b22e2' 'frame op=0 fin=0 hex=28'
	closes 1007 'frame fin=0 hex=7b22' 'frame op=0 hex=e282'
	unchanged
}

@test "a character may be cut by fragments" {
	local hex
	join b eddy
	# "é😀" in a comment, byte by byte.
	ws_say b 'frame fin=0 text={"type":"comment_added","data":{"section_id":"intro","content":"'
	for hex in c3 a9 f0 9f 98; do
		ws_say b "frame op=0 fin=0 hex=$hex"
	done
	ws_say b 'frame op=0 fin=0 hex=80'
	ws_ask b 'frame op=0 text="}}' '"type":"ack"'
	ws_read stay '"type":"comment_added"' '"content":"é😀"'
}

# ---- frames that are none -----------------------------------------------------------------------

@test "fragments make one message, and control frames may come between them" {
	join b eddy
	ws_say b 'frame fin=0 text={"type":"sec'
	ws_ask b 'ping one' '#pong one'
	ws_say b 'frame op=0 fin=0'
	ws_say b 'frame op=0 fin=0 text=tion_update","data":{"section_id":"intro",'
	ws_ask b 'ping two' '#pong two'
	ws_say b 'frame op=10 text=unasked'
	ws_ask b 'frame op=0 text="changes":{"content":"In parts"}}}' '"type":"ack"'
	ws_read stay '"content":"In parts"'
	ws_say b 'frame fin=0 text={"type":'
	ws_close b
}

@test "a message within a message, and a continuation of nothing, close with 1002" {
	closes 1002 'frame fin=0 text={"type":' 'frame text={"type":"ping"}'
	closes 1002 'frame fin=0 text={"type":' 'frame op=2 fin=0'
	closes 1002 'frame op=0 text={"type":"ping"}'
	closes 1002 'frame op=0 fin=0'
	closes 1002 'frame text={"type":"ping"}' 'frame op=0 text=x'
	unchanged
}

@test "an unmasked frame closes with 1002" {
	closes 1002 'frame mask=0 text={"type":"ping"}'
	closes 1002 'frame mask=0 op=9'
	closes 1002 'frame mask=0 op=8'
	unchanged
}

@test "reserved bits and opcodes close with 1002" {
	local n
	for n in 1 2 4 7; do
		closes 1002 "frame rsv=$n text={\"type\":\"ping\"}"
	done
	for n in 3 4 5 6 7 11 12 13 14 15; do
		closes 1002 "frame op=$n text={\"type\":\"ping\"}"
	done
	closes 1002 'frame op=9 rsv=4'
	unchanged
}

@test "control frames that are too long or fragmented close with 1002" {
	closes 1002 'frame op=9 fill=126'
	closes 1002 'frame op=10 fill=126'
	closes 1002 'frame op=8 fill=126'
	closes 1002 'frame op=9 len=2097152'
	closes 1002 'frame op=9 fin=0'
	closes 1002 'frame op=8 fin=0'
	join b eddy
	ws_ask b "frame op=9 fill=125" "#pong $(printf 'x%.0s' {1..125})"
	unchanged
}

@test "lengths that are not the shortest, or impossible, close with 1002" {
	closes 1002 'bytes 81fe000500000000'
	closes 1002 'bytes 81ff000000000000000500000000'
	closes 1002 'bytes 81ff000000000000ffff00000000'
	closes 1002 'bytes 81ffffffffffffffffff00000000'
	unchanged
}

@test "close frames: those that may be said are answered, others are errors" {
	local code
	for code in 1000 1001 1003 1007 1011 3000 4999; do
		join b eddy
		ws_ask b "close $code bye" "#close $code"
		ws_end b
		[ "$STATUS" = 0 ]
	done
	join b eddy
	ws_ask b close '#close 1005'
	ws_end b
	closes 1002 'frame op=8 hex=03'
	for code in 0000 03e7 03ec 03ed 03ee 03f7 07d0 0bb7 1388 ffff; do
		closes 1002 "frame op=8 hex=$code"
	done
	closes 1007 'frame op=8 hex=03e8ff'
	unchanged
}

@test "what comes after a close frame is ignored" {
	join b eddy
	ws_say b 'frame op=8 hex=03e8'
	ws_say b '{"type":"section_update","data":{"section_id":"intro","changes":{"content":"too late"}}}'
	ws_until b '#close 1000'
	ws_end b
	unchanged
}

# ---- connections that break ---------------------------------------------------------------------

@test "connections may break anywhere" {
	local line
	for line in 'bytes 81' 'bytes 81fe' 'frame len=1000 text={"type":"section_update"' 'frame fin=0 text={' \
		'{"type":"section_lock","data":{"section_id":"intro"' 'bytes 88' 'ping x'; do
		join b eddy
		ws_say b "$line"
		ws_drop b
	done
	unchanged
}

# SEED=n repeats a run.
@test "any bytes at all" {
	local i j n hex byte seed=${SEED:-$RANDOM}
	echo "SEED=$seed"
	RANDOM=$seed
	for ((i = 0; i < 60; i++)); do
		hex=
		n=$((1 + RANDOM % 60))
		for ((j = 0; j < n; j++)); do
			# Half of the headers are nearly right.
			if ((j == 0 && RANDOM % 2)); then
				printf -v byte %02x $((0x80 + RANDOM % 3))
			elif ((j == 1 && RANDOM % 2)); then
				printf -v byte %02x $((0x80 + RANDOM % 40))
			else
				printf -v byte %02x $((RANDOM % 256))
			fi
			hex+=$byte
		done
		join b eddy
		ws_say b "bytes $hex"
		ws_drop b
	done
	unchanged
}

@test "a flood is slowed down, and answered to the last message in order" {
	local i
	join b eddy
	for ((i = 0; i < 260; i++)); do
		ws_say b "{\"type\":\"ping\",\"ref\":\"$i\"}"
	done
	for ((i = 0; i < 260; i++)); do
		ws_read b '"type":"pong"' "\"ref\":\"$i\""
	done
	unchanged
}
