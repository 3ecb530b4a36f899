# collab-protocol(7) says what the code's tables say: errors, limits, routes, messages, events, close
# codes; the members of events are those of the golden logs; its example works as it is written.
# shellcheck shell=bash

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	PAGE=man/collab-protocol.7
	LOG=tests/data/log
}

# The page's section or subsection of this title.
part() {
	awk -v title="$1" '/^\.S[hs] / { on = 0 } /^\.S[hs] / && substr($0, 5) == title { on = 1; next } on' "$PAGE"
}

# A table of the code, "X(NAME, a, b, …)" a line, continued lines joined, without NAME's X().
rows() { # rows FILE TABLE
	sed -n "/^#define $2(/,/[^\\\\]\$/p" "$1" | sed 's/[ \t]*\\$//; s/^[ \t]*//' | tr '\n' ' ' |
		sed 's/ X(/\nX(/g' | sed -n 's/^X(\(.*\)).*$/\1/p' | sed '$a\'
}

@test "the table of errors" {
	diff <(rows libcollab/base/err.h ERR_TABLE | sed '/^CAS,/,$d' |
		sed -E 's/^[A-Z0-9_]+, *"([a-z0-9_]+)", *([0-9]+), *([0-9]+), *([01]), *"(.*)"$/\1 \2 \3 \4 \5/; s/^([^ ]+ [^ ]+ [^ ]+) 0 /\1 no /; s/^([^ ]+ [^ ]+ [^ ]+) 1 /\1 yes /') \
		<(part 'ERROR CODES' | sed -nE 's/^\.It Ql ([a-z0-9_]+) Ta ([0-9]+) Ta ([0-9]+) Ta (no|yes) Ta (.*)$/\1 \2 \3 \4 \5/p')
}

@test "the table of limits" {
	[ "$(part LIMITS | grep -c '^\.It Ql')" -gt 20 ]
	diff <(rows libcollab/core/limits.h LIMITS_TABLE |
		sed -E 's/^([a-z_]+), *([0-9]+), *[0-9]+, *[0-9]+, *"(.*)"$/\1 \2 \3/') \
		<(part LIMITS | sed -nE 's/^\.It Ql ([a-z_]+) Ta ([0-9]+) Ta (.*)$/\1 \2 \3/p')
}

@test "the routes" {
	diff <(rows libcollab/proto/route.h ROUTE_TABLE | sed -E 's/^[A-Z_]+, *([A-Z]+), *"(.*)"$/\1 \2/' | LC_ALL=C sort) \
		<(part HTTP | sed -n 's/^\.It Ql \([A-Z]* [/S].*\)$/\1/p' | LC_ALL=C sort)
}

@test "what clients may say, and who may" {
	local type role line
	rows libcollab/core/command.h COMMAND_TABLE | sed -nE 's/^[A-Z_]+, *"([a-z_]+)", *(true|false), *ROLE_([A-Z]+)$/\1 \3/p' >"$BATS_TEST_TMPDIR/said"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/said")" -gt 10 ]
	while read -r type role; do
		line=$(part 'Client messages' | grep "^\.It Ql.* $type\b") || {
			echo "$PAGE does not tell of the message $type"
			return 1
		}
		# A comment's author may need no more than to be a commenter.
		[ "$role" = NONE ] || [[ $line == *"; ${role,,}"* || $line == *author* ]] || {
			echo "$line: not $role"
			return 1
		}
	done <"$BATS_TEST_TMPDIR/said"
	for type in $(part 'Client messages' | sed -n 's/^\.It Ql//p' | sed 's/ ; .*//; s/B[qoc] *//g; s/seed//' | grep -o '[a-z][a-z_]*'); do
		[ "$type" = heartbeat ] || grep -q "^$type " "$BATS_TEST_TMPDIR/said" || {
			echo "there is no message $type"
			return 1
		}
	done
}

@test "what the server says" {
	local type
	for type in $(rows libcollab/core/event.h EVENT_TABLE | sed -E 's/.*"(.*)"/\1/') \
		session_state cursor_position ack error synced checkpoint pong token_expiring going_away; do
		part 'Server messages' | grep -q "^\.It Ql.* $type\b" || {
			echo "$PAGE does not tell of the server's $type"
			return 1
		}
	done
}

@test "the kinds of events" {
	diff <(rows libcollab/core/event.h EVENT_TABLE | sed -E 's/.*"(.*)"/\1/' | LC_ALL=C sort) \
		<(part EVENTS | sed -n 's/^\.It Ic \([a-z_]*\)$/\1/p' | LC_ALL=C sort)
}

# The members that the page names in an entry ".It Ic KIND", or, for "", in those for every event.
members() {
	if [ -n "$1" ]; then
		part EVENTS | awk -v kind="$1" '/^\.It |^\.El/ { on = 0 } $0 == ".It Ic " kind { on = 1 } on'
	else
		part EVENTS | sed '/^The kinds, and what/q'
	fi | sed -n 's/^\.\(It \)\{0,1\}Ql//p' | grep -o '[a-z_]*'
}

@test "the members of events are those of the golden logs" {
	local kind keys key
	cat "$LOG"/*.ndjson | jq -r '.type as $t | keys[] | "\($t) \(.)"' | sort -u >"$BATS_TEST_TMPDIR/keys"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/keys")" -gt 100 ]
	while read -r kind key; do
		{ members "$kind"; members ''; } | grep -qx "$key" || {
			echo "$PAGE does not tell of $key in $kind"
			return 1
		}
	done <"$BATS_TEST_TMPDIR/keys"
}

@test "the members of a comment and of the state" {
	local key
	for key in $(cat "$LOG"/*.ndjson | jq -r 'select(.comment) | .comment | keys[]' | sort -u); do
		part EVENTS | sed -n '/^\.It Ic comment_added/,/^\.It Ic comment_edited/p' | grep -qw "$key"
	done
	for key in $(sed -n '/^void state_write/,/^}/p' libcollab/proto/state_json.c | grep -o '"[a-z_]*"' | tr -d '"'); do
		part 'The fold' | grep -Eq "^\.It Ic (.* )?$key( |\$)" || {
			echo "$PAGE does not tell of $key in the state"
			return 1
		}
	done
}

@test "the close codes" {
	local code codes
	codes=$(grep -rhoE 'conn_close_after\(.*\b(1[0-9]{3}|44[0-9]{2})\b|WS_CLOSE_[A-Z_]+ = [0-9]+|code = (1[0-9]{3}|44[0-9]{2})\b' libcollab/server libcollab/proto/ws.h | grep -oE '\b(1[0-9]{3}|44[0-9]{2})\b' | sort -u)
	[ "$(wc -w <<<"$codes")" -ge 6 ]
	for code in $codes; do
		part 'Close codes' | grep -qw "$code" || {
			echo "$PAGE does not tell of the close code $code"
			return 1
		}
	done
}

@test "the chain, as the page computes it" {
	local loop
	loop=$(part 'AUDIT CHAIN' | sed -n '/^hash=/,/^done/p')
	[[ $loop == *sha256sum* ]]
	# What an erased event's digest was it says itself, so such logs are for pmr-log verify.
	cp "$LOG/merge.ndjson" "$BATS_TEST_TMPDIR/events.ndjson"
	cd "$BATS_TEST_TMPDIR"
	run -0 bash -c "$loop"
	[ -z "$output" ]
	sed -i '3s/"content":"./"content":"_/; 3s/user_name":"./user_name":"_/' events.ndjson
	run -0 bash -c "$loop"
	[[ $output == 'broken: '* ]]
}

@test "the first event's digest and hash, as the page shows them" {
	local digest hash
	digest=$(head -n 1 "$LOG/every-kind.ndjson" | jq -cSj 'del(.hash)' | sha256sum | cut -d' ' -f1)
	hash=$(printf '%064d%s' 0 "$digest" | sha256sum | cut -d' ' -f1)
	[ "$hash" = "$(head -n 1 "$LOG/every-kind.ndjson" | jq -r .hash)" ]
	part 'AUDIT CHAIN' | grep -qx "$digest  -"
	part 'AUDIT CHAIN' | grep -qx "$hash  -"
}

@test "where jq 1.6 differs" {
	[ "$(jq --version)" = jq-1.6 ] || return 0
	[ "$(jq -c . <<<'[0.0001, 0.00001, 1e-7, 1e15, 10000000000000000]')" = '[0.0001,1e-05,1e-07,1000000000000000,1e+16]' ]
	[ "$(jq -c . <<<'[9007199254740993]')" = '[9007199254740992]' ]
	[ "$(printf '"\177"' | jq .)" = '"\u007f"' ]
	[ "$(jq -cS 'keys_unsorted | map(length)' <<<'{"\ud83d\ude00":1,"\ue000":2}')" = '[1,1]' ]
}
