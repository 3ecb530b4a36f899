#!/usr/bin/env bats
# Bad frames and bad messages: an error or a clean close, never a crash, never a changed state.

load helper

setup() {
	daemon_start --limit errors_in_a_row=0
	start
	join c eddy
}

teardown() {
	clean_up
}

# unchanged: the state is what it was, but for Eddy's coming and going.
unchanged() {
	local text
	api GET sections/intro olga
	want 200 '"content":"Hello"' '"version":6'
	api GET 'events?type=section_update,section_deleted,comment_added' olga
	[ "$(json '.events|length')" = 1 ]
}

# refused LINE CODE [TEXT]...: the message gets this error, and the connection lives.
refused() {
	ws_ask c "$1" '"type":"error"' "\"code\":\"$2\"" "${@:3}"
	ws_ask c '{"type":"ping","ref":"alive"}' '"type":"pong"'
}

# closed CODE: the connection is closed so, and another one works.
closed() {
	ws_until c "#close $1"
	join d vera
	ws_quiet d
}

@test "not JSON, not an object, trailing garbage, lone surrogates, U+0000, duplicate keys" {
	local line
	for line in 'text hello' 'text [1,2]' 'text "x"' 'text {"type":"ping"} x' 'text {"type":"ping"' \
		'text {"type":"ping","ref":"\ud800"}' 'text {"type":"ping","ref":"\u0000"}' \
		'text {"type":"ping","type":"ping"}' 'text ' $'text \xef\xbb\xbf{"type":"ping"}'; do
		refused "$line" bad_json
	done
	unchanged
}

@test "wrong types, missing fields, unknown types name what is wrong" {
	refused '{"data":{}}' missing_field '"field":"type"'
	refused '{"type":7}' bad_field '"field":"type"'
	refused '{"type":"no_such"}' unknown_type
	refused '{"type":"session_state"}' unknown_type
	refused '{"type":"section_update","data":7}' bad_field '"field":"data"'
	refused '{"type":"section_update","data":{"changes":{"content":"x"}}}' missing_field '"field":"section_id"'
	refused '{"type":"section_update","data":{"section_id":"../x","changes":{"content":"x"}}}' bad_field '"field":"section_id"'
	refused '{"type":"section_update","data":{"section_id":"intro","changes":{"version":9}}}' reserved_key '"field":"changes.version"'
	refused '{"type":"section_update","data":{"section_id":"intro","base_seq":"1","changes":{"content":"x"}}}' bad_field '"field":"base_seq"'
	refused '{"type":"section_update","ref":5,"data":{"section_id":"intro","changes":{"content":"x"}}}' bad_field '"field":"ref"'
	unchanged
}

@test "deep nesting and a million keys are read in bounds" {
	local deep
	deep=$(printf '[%.0s' {1..5000})
	refused "text {\"type\":\"section_update\",\"data\":{\"section_id\":\"intro\",\"changes\":{\"k\":$deep" bad_json
	awk 'BEGIN { printf "{\"type\":\"section_update\",\"data\":{\"section_id\":\"intro\",\"changes\":{"
		for (i = 0; i < 90000; i++) printf "%s\"k%d\":1", i ? "," : "", i; printf "}" }' >"$DIR/keys"
	ws_say c "frame op=1 file=$DIR/keys"
	ws_read c '"type":"error"' '"code":"bad_json"'
	ws_quiet c
	unchanged
}

@test "binary frames" {
	refused 'frame op=2 hex=7b7d' binary_frame
	unchanged
}

@test "a frame of 2 MiB closes with 1009" {
	ws_say c 'frame op=1 fill=2097152'
	closed 1009
	unchanged
}

@test "a frame that announces more than the limit closes before it comes" {
	ws_say c 'frame op=1 len=4611686018427387904 hex=7b7d'
	closed 1009
	unchanged
}

@test "invalid UTF-8 closes with 1007" {
	ws_say c 'frame op=1 hex=7b22c328227d'
	closed 1007
	unchanged
}

@test "a fragmented message is one message, with control frames between" {
	ws_say c 'frame op=1 fin=0 text={"type":"pi'
	ws_say c 'ping between'
	ws_until c '#pong between'
	ws_say c 'frame op=0 fin=1 text=ng","ref":"whole"}'
	ws_read c '"type":"pong"' '"ref":"whole"'
}

@test "unmasked, reserved bits, unknown opcodes, long or fragmented control frames close with 1002" {
	local frame
	for frame in 'mask=0 op=1 hex=7b7d' 'rsv=4 op=1 hex=7b7d' 'op=3 hex=7b7d' 'op=11 hex=7b7d' \
		'op=9 fill=126' 'op=9 fin=0 hex=00' 'op=0 hex=00'; do
		ws_say c "frame $frame"
		ws_until c '#close 1002'
		ws_end c
		join c eddy
	done
	ws_say c 'frame op=1 fin=0 hex=7b'
	ws_say c 'frame op=1 hex=7d'
	closed 1002
	unchanged
}

@test "errors without end close with 4400" {
	local i
	daemon_stop
	daemon_start --limit errors_in_a_row=5
	join e eddy
	for i in 1 2 3 4 5; do
		ws_say e 'text nonsense'
	done
	ws_until e '#close 4400'
	unchanged
}

@test "random bytes never bring it down" {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		ws_say c "bytes $(openssl rand -hex 400)"
		ws_until c '#close 10' || ws_until c '#eof'
		ws_end c
		join c eddy
	done
	unchanged
}
