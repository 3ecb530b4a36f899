#!/usr/bin/env bats
# The past: pmr-log events, state, diff, blame, verify; and typists who agree through crashes.

load helper

setup() {
	daemon_start
	export PMR_SOCKET=$SOCKET PMR_REPORT=$REPORT PATH=$BUILD:$PATH
	unset PMR_FENCE PMR_SESSION
	TYPISTS=()
}

teardown() {
	local pid
	for pid in "${TYPISTS[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	clean_up
}

# session: a merge session with anna and eddy; anna wrote the section, eddy edited it, there is a
# comment, something is deleted.  12 events or so.
session() {
	start '{"conflict_resolution_strategy":"merge","participants":[{"user_id":"eddy","user_name":"Eddy","role":"editor","user_email":"eddy@example.org"},{"user_id":"anna","user_name":"Anna","role":"editor"}]}'
	printf 'The quick fox\njumps over 🐕 dogs\n' | as anna pmr-section set intro >/dev/null
	FIRST=$(pmr-section list | jq .version)
	as eddy pmr-section edit intro -- sed 's/quick/quick brown/; s/dogs/the lazy dogs/' >/dev/null
	as anna pmr-comment add intro "which dogs?" >/dev/null
	as anna pmr-section set other <<<"gone soon" >/dev/null
	as eddy pmr-section delete other --base-seq "$(pmr-log state --hash | jq .seq)" >/dev/null
	HEAD=$(pmr-log state --hash | jq .seq)
}

# ---- events -------------------------------------------------------------------------------------

@test "events: the whole log, in order, byte for byte as it is stored" {
	session
	pmr-log events >"$DIR/log"
	[ "$(jq -s 'map(.seq) == [range(1; 1 + length)]' "$DIR/log")" = true ]
	[ "$(wc -l <"$DIR/log")" = "$HEAD" ]
	api GET 'events?limit=1000' olga
	[ "$(jq -c '.events[]' <<<"$BODY")" = "$(cat "$DIR/log")" ]
	# Canonical, e-mail addresses and all.
	jq -cS . "$DIR/log" | cmp - "$DIR/log"
	grep -q eddy@example.org "$DIR/log"
}

@test "events: bounds, filters, -n, --format" {
	session
	[ "$(pmr-log events -S "$FIRST" | head -n 1 | jq .seq)" = $((FIRST + 1)) ]
	[ "$(pmr-log events --until "$FIRST" | tail -n 1 | jq .seq)" = "$FIRST" ]
	[ "$(pmr-log events -S 2 --until 4 -F %s | paste -sd ' ')" = "3 4" ]
	[ "$(pmr-log events -S "$HEAD")" = "" ]
	[ "$(pmr-log events -S 100000)" = "" ]
	[ "$(pmr-log events --until 100000 | wc -l)" = "$HEAD" ]
	[ "$(pmr-log events -n 3 -F %s | paste -sd ' ')" = "1 2 3" ]
	[ "$(pmr-log events -t section_update --user eddy -F '%u %t')" = "eddy section_update" ]
	[ "$(pmr-log events -t section_update,section_deleted --section other -F %t | paste -sd ' ')" = "section_update section_deleted" ]
	[ "$(pmr-log events -t '!section_update' | grep -c section_update)" = 0 ]
	# Times and durations.
	local time
	time=$(pmr-log events -S "$FIRST" -n 1 | jq -r .timestamp)
	pmr-log events -S "$time" >"$DIR/since"
	[ "$(jq -r --arg t "$time" 'select(.timestamp < $t)' "$DIR/since")" = "" ]
	[ $(($(pmr-log events --until "$time" | wc -l) + $(wc -l <"$DIR/since"))) = "$HEAD" ]
	[ "$(pmr-log events -S 1h | wc -l)" = "$HEAD" ]
	[ "$(pmr-log events --until 1h | wc -l)" = 0 ]
	[ "$(pmr-log events -S 2000-01-01T00:00:00Z --until 2100-01-01T00:00:00Z | wc -l)" = "$HEAD" ]
	run -64 pmr-log events -S yesterday
	run -64 pmr-log events --until 5x
	run -64 pmr-log events -F %x
	run -65 pmr-log events -t nonsense
	run -66 pmr-log -r nowhere events
}

@test "events: pages, also where a filter leaves little of them" {
	start
	seq 1100 | jq -c '{type:"comment_added",data:{section_id:"intro",content:"c \(.)",parent_comment_id:null}}' |
		pmr-send >/dev/null
	[ "$(pmr-log events -t comment_added | jq -r .comment.content | sort -u | wc -l)" = 1100 ]
	[ "$(pmr-log events | jq -s 'map(.seq) == [range(1; 1 + length)]')" = true ]
	run -0 pmr-log verify
	[ "$(jq .events <<<"$output")" -gt 1100 ]
	# A reader that has enough is no error.
	pmr-log events | head -n 1 | jq -e '.seq == 1'
}

# ---- a section's past ---------------------------------------------------------------------------

@test "a section as it was at a seq, a time, so long ago; a later one is as it is" {
	session
	local time
	printf 'The quick fox\njumps over 🐕 dogs\n' >"$DIR/first"
	pmr-section get intro --at "$FIRST" | cmp - "$DIR/first"
	[ "$(pmr-section list --at "$FIRST" | jq -r .version)" = "$FIRST" ]
	# A time is that of the last event before it.
	time=$(pmr-log events -S "$FIRST" -n 1 | jq -r .timestamp)
	pmr-section get intro --at "$time" | cmp - "$DIR/first"
	[ "$(pmr-section list --at "$time" | jq -r .version)" = "$FIRST" ]
	pmr-section get intro --at 2100-01-01T00:00:00Z | cmp - <(pmr-section get intro)
	# An hour ago there was nothing.
	run -66 pmr-section get intro --at 1h
	[ "$(pmr-section list --at 1h)" = "" ]
	run -64 --separate-stderr pmr-section get intro --at yesterday
	[[ $stderr == *"--at wants a seq, a time"* ]]
	run -65 pmr-section get intro --at 100000
	# The server names what it does not understand.
	api GET 'sections/intro?at=yesterday' olga
	want 400 '"field":"at"'
}

# ---- state, diff --------------------------------------------------------------------------------

@test "state: canonical, now and at any seq or time; its hash is the server's and sha256sum's" {
	session
	local seq hash
	for seq in $(seq "$HEAD"); do
		hash=$(pmr-log state --at "$seq" | tr -d '\n' | sha256sum | cut -d ' ' -f 1)
		[ "$(pmr-log state --at "$seq" --hash | jq -r .state_hash)" = "$hash" ]
		[ "$(pmr-log state --at "$seq" --hash | jq -r .hash)" = "$(pmr-log events -S $((seq - 1)) -n 1 | jq -r .hash)" ]
		api GET "state?at=$seq" olga
		header X-Collab-State-Hash
		[ "$VALUE" = "$hash" ]
	done
	pmr-log state | jq -cS . | cmp - <(pmr-log state)
	[ "$(pmr-log state --at "$(pmr-log events -S "$FIRST" -n 1 | jq -r .timestamp)" | jq .seq)" -le "$FIRST" ]
	run -65 pmr-log state --at 100000
}

@test "state: what it was at each seq it still is, snapshots, kill -9 and the next session between" {
	local i seq ended then=()
	printf '[retention]\nsnapshot_events = 3\n' >"$DIR/conf"
	daemon_stop
	daemon_start --config "$DIR/conf"
	session
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		api PATCH sections/intro anna '{"base_seq":'"$HEAD"',"changes":{"n":'"$i"',"delta":[4,"é🎉"]}}'
		want 200
		state
		then[$SEQ]=$STATE
		[ $((i % 7)) != 0 ] || {
			daemon_kill
			daemon_start --config "$DIR/conf"
		}
	done
	[ "${#then[@]}" = 20 ]
	ended=$SESSION
	api POST end olga
	want 200
	start
	for seq in "${!then[@]}"; do
		[ "$(pmr-log state -s "$ended" --at "$seq" --hash | jq -r .state_hash)" = "${then[$seq]}" ]
		api GET "/api/sessions/$ended/state?at=$seq" olga
		want 200
		header X-Collab-State-Hash
		[ "$VALUE" = "${then[$seq]}" ]
	done
}

@test "diff: what changed from one seq to another" {
	session
	[ "$(pmr-log diff "$HEAD")" = "" ]
	run -0 pmr-log diff "$FIRST"
	[ "$(jq -c '[.object,.events]' <<<"$output")" = '["section",["section_update"]]
["comment",["comment_added"]]' ]
	[ "$(jq -c 'select(.object=="section") | [.section_id,.old_version,.changes.delta]' <<<"$output")" = \
		'["intro",'"$FIRST"',[10,"brown ",17,"the lazy "]]' ]
	# There and gone in between is seen from in between only.
	[ "$(pmr-log diff $((HEAD - 1)) | jq -c '[.object,.section_id,.events]')" = '["section","other",["section_deleted"]]' ]
	[ "$(pmr-log diff 0 | jq -r 'select(.object=="participant") | .user_id' | sort | paste -sd ' ')" = "anna eddy olga" ]
	[ "$(pmr-log diff 0 "$FIRST" | jq -c 'select(.object=="section") | .changes')" = '{"content":"The quick fox\njumps over 🐕 dogs\n"}' ]
	as olga pmr-member role eddy viewer >/dev/null
	as olga pmr-member remove anna >/dev/null
	pmr-comment list | as olga pmr-comment resolve - >/dev/null
	api PATCH sections/intro olga '{"changes":{"colour":"red"},"base_seq":100}'
	api PUT sections/intro olga '{"changes":{"colour":"red"},"base_seq":'"$HEAD"'}'
	pmr-session end >/dev/null
	run -0 pmr-log diff "$HEAD"
	[ "$(jq -c '[.object,.events,.old_role,.new_role,.changes]' <<<"$output" | sort)" = \
		'["comment",["comment_resolved"],null,null,null]
["participant",["participant_left"],"editor",null,null]
["participant",["role_changed"],"editor","viewer",null]
["section",["section_update"],null,null,{"colour":"red"}]
["session",["session_ended"],null,null,null]' ]
	[ "$(pmr-log diff 1h | wc -l)" -gt 3 ]
	run -64 pmr-log diff nonsense
	run -64 pmr-log diff
}

# ---- blame --------------------------------------------------------------------------------------

@test "blame: who wrote what, by word, line and character" {
	session
	run -0 pmr-log blame intro
	[ "$(jq -r '[.from,.to,.user_id,.text] | @json' <<<"$output")" = \
		'[0,10,"anna","The quick "]
[10,16,"eddy","brown "]
[16,33,"anna","fox\njumps over 🐕 "]
[33,42,"eddy","the lazy "]
[42,47,"anna","dogs\n"]' ]
	[ "$(jq -s 'map(.seq) | unique | length' <<<"$output")" = 2 ]
	[ "$(jq -r .user_name <<<"$output" | sort -u | paste -sd ' ')" = "Anna Eddy" ]
	run -0 pmr-log blame intro --by line
	[ "$(jq -r '[.user_id,.text] | @json' <<<"$output")" = '["eddy","The quick brown fox\njumps over 🐕 the lazy dogs\n"]' ]
	run -0 pmr-log blame intro --at "$FIRST"
	[ "$(jq -r '[.from,.to,.user_id] | @json' <<<"$output")" = '[0,32,"anna"]' ]
	# A letter within a word: the word is its last writer's, but by characters only the letter is.
	as eddy pmr-section edit intro -- sed 's/quick/quicK/' >/dev/null
	[ "$(pmr-log blame intro --by char | jq -r 'select(.text=="K") | .user_id')" = eddy ]
	[ "$(pmr-log blame intro --by word | jq -r 'select(.from==4) | .text')" = "quicK " ]
	# Who sets the whole text anew is the author of what is new in it.
	pmr-section get intro | sed 's/jumps/leaps/' | as olga pmr-section set intro --base-seq "$(pmr-log state --hash | jq .seq)" >/dev/null
	[ "$(pmr-log blame intro | jq -r 'select(.user_id=="olga") | .text')" = "leaps " ]
	run -66 pmr-log blame nowhere
	run -66 pmr-log blame other --at "$FIRST"
	[ "$(pmr-log blame other)" = "" ]
	run -65 pmr-log blame intro --at 100000
	run -64 pmr-log blame intro --by page
}

@test "blame: added lines do not take the lines before them" {
	session
	as eddy pmr-section edit intro -- sed '$a eddys line' >/dev/null
	[ "$(pmr-log blame intro --by line | jq -r '[.user_id,.text] | @json')" = \
		'["eddy","The quick brown fox\njumps over 🐕 the lazy dogs\n"]
["eddy","eddys line\n"]' ]
	printf 'one\ntwo' | as anna pmr-section set lines >/dev/null
	as eddy pmr-section edit lines -- sh -c 'cat; printf "\nthree"' >/dev/null
	[ "$(pmr-log blame lines --by line | jq -r '[.user_id,.text] | @json')" = '["anna","one\ntwo\n"]
["eddy","three"]' ]
}

# ---- verify -------------------------------------------------------------------------------------

@test "verify: a live session, a file, stdin, and the end that is expected" {
	session
	local hash
	hash=$(pmr-log state --hash | jq -r .hash)
	run -0 pmr-log verify
	[ "$output" = "{\"events\":$HEAD,\"hash\":\"$hash\",\"ok\":true,\"seq\":$HEAD}" ]
	pmr-log events >"$DIR/log"
	run -0 pmr-log verify "$DIR/log"
	[ "$output" = "{\"events\":$HEAD,\"hash\":\"$hash\",\"ok\":true,\"seq\":$HEAD}" ]
	# Offline: no server is asked.
	run -0 env PMR_SOCKET="$DIR/nowhere" pmr-log verify - --expect "$HEAD:$hash" <"$DIR/log"
	run -0 pmr-log verify --expect "$HEAD:$hash"
	run -0 pmr-log verify --until 3 --expect "3:$(sed -n 3p "$DIR/log" | jq -r .hash)"
	run -0 pmr-log verify --until 3 --expect "3:$(sed -n 3p "$DIR/log" | jq -r .hash)" "$DIR/log"
	run -1 pmr-log verify --expect "3:$(sed -n 3p "$DIR/log" | jq -r .hash)" "$DIR/log"
	[ "$(jq -c '[.ok,.seq]' <<<"$output")" = "[false,$HEAD]" ]
	run -1 pmr-log verify --expect "$HEAD:${hash//[0-9]/0}" "$DIR/log"
	# A log that is cut is a good log of its own; the expected end tells.
	head -n 3 "$DIR/log" >"$DIR/cut"
	run -0 pmr-log verify "$DIR/cut"
	run -1 pmr-log verify --expect "$HEAD:$hash" "$DIR/cut"
	[ "$(jq -r .reason <<<"$output")" = "the log ends before the seq that is expected" ]
	run -64 pmr-log verify --expect "$HEAD"
	run -64 pmr-log verify --expect "$HEAD:abc" "$DIR/log"
	# The order of keys does not matter, nor blank lines, nor a last newline.
	jq -c 'to_entries | reverse | from_entries' "$DIR/log" | sed G | head -c -2 >"$DIR/shuffled"
	run -0 pmr-log verify --expect "$HEAD:$hash" "$DIR/shuffled"
}

@test "verify: every flipped byte is found, every missing, doubled, swapped, foreign line" {
	session
	pmr-log events >"$DIR/log"
	local size at step
	size=$(wc -c <"$DIR/log")
	step=$((size / 60))
	for ((at = step / 2; at < size; at += step)); do
		perl -e 'local $/; $_ = <STDIN>; substr($_, $ARGV[0], 1) ^= chr(1); print' "$at" <"$DIR/log" >"$DIR/flipped"
		run pmr-log verify "$DIR/flipped"
		case $status in
		1) [ "$(jq .ok <<<"$output")" = false ] ;;
		65) [ "$at" -lt "$(head -n 1 "$DIR/log" | wc -c)" ] ;;
		*) fail_with "byte $at: status $status, $output" ;;
		esac
	done
	sed 5d "$DIR/log" >"$DIR/bad"
	run -1 pmr-log verify "$DIR/bad"
	[ "$(jq -c '[.ok,.seq,.line]' <<<"$output")" = '[false,5,5]' ]
	[ "$(jq -r .reason <<<"$output")" = "seq 6 stands where seq 5 belongs" ]
	sed '5{p}' "$DIR/log" >"$DIR/bad"
	run -1 pmr-log verify "$DIR/bad"
	sed '5{h;d};6{G}' "$DIR/log" >"$DIR/bad"
	run -1 pmr-log verify "$DIR/bad"
	sed 1d "$DIR/log" >"$DIR/bad"
	run -1 pmr-log verify "$DIR/bad"
	(cat "$DIR/log" && echo '{"type":"ack"}') >"$DIR/bad"
	run -1 pmr-log verify "$DIR/bad"
	(cat "$DIR/log" && echo 'no JSON') >"$DIR/bad"
	run -1 pmr-log verify "$DIR/bad"
	# Another session's next event does not belong here, however good its own chain.
	REPORT=other start
	pmr-log -r other events | cat <(head -n 2 "$DIR/log") - >"$DIR/bad"
	run -1 pmr-log verify "$DIR/bad"
	sed '1,2d' <(pmr-log -r other events) | cat <(head -n 2 "$DIR/log") - >"$DIR/bad"
	run -1 pmr-log verify "$DIR/bad"
	[[ $(jq -r .reason <<<"$output") == *"it belongs to session"* ]]
	# What is no log at all gets no verdict.
	run -65 pmr-log verify /dev/null
	run -65 pmr-log verify - <<<"some text"
	run -65 pmr-log verify - <<<"[1]"
	run -74 pmr-log verify "$DIR/nowhere"
}

@test "verify: who sees no e-mail addresses gets no verdict; administrators see the log as it is" {
	daemon_stop
	secret
	daemon_start --secret-file "$SECRET"
	session
	run -0 pmr-log verify
	run -0 as eddy pmr-log verify
	mint '{"sub":"watcher","scope":"collab:read"}'
	(umask 077 && echo "$TOKEN" >"$DIR/token")
	run -0 --separate-stderr pmr-log --url "$URL" --token-file "$DIR/token" events
	[[ $output != *eddy@example.org* ]]
	run -77 --separate-stderr pmr-log --url "$URL" --token-file "$DIR/token" verify
	[ "$output" = "" ]
	[[ $stderr == *"only participants and administrators see events as they are stored"* ]]
}

@test "verify: text that was erased must be told of by an erased event" {
	session
	# As the server will do it: the text is blanked, its digest and hash stay.
	pmr-log events | jq -cS --argjson seq "$FIRST" 'select(.seq <= $seq)' >"$DIR/log"
	local digest prev
	digest=$(tail -n 1 "$DIR/log" | jq -cjS 'del(.hash)' | sha256sum | cut -d ' ' -f 1)
	sed "\$d" "$DIR/log" >"$DIR/erased"
	tail -n 1 "$DIR/log" | jq -cS --arg digest "$digest" \
		'.changes.content |= (explode | map(9608) | implode) | .erased = true | .digest = $digest | del(.event_id)' >>"$DIR/erased"
	run -1 pmr-log verify "$DIR/erased"
	[ "$(jq -c '[.seq,.reason]' <<<"$output")" = "[$FIRST,\"its text was erased, but no erased event lists it\"]" ]
	prev=$(tail -n 1 "$DIR/log" | jq -r .hash)
	jq -ncjS --arg session "$SESSION" --argjson seq "$FIRST" '{type:"erased",seqs:[$seq],by:"olga",session_id:$session,
		seq:($seq + 1),timestamp:"2030-01-01T00:00:00.000Z",event_id:"00000000-0000-4000-8000-000000000000"}' >"$DIR/event"
	digest=$(sha256sum <"$DIR/event" | cut -d ' ' -f 1)
	jq -cS --arg hash "$(printf '%s%s' "$prev" "$digest" | sha256sum | cut -d ' ' -f 1)" '.hash = $hash' "$DIR/event" >>"$DIR/erased"
	run -0 pmr-log verify "$DIR/erased"
}

@test "verify: a compacted log begins from the state that its compacted event tells of" {
	session
	local state hash digest
	pmr-log state --at 3 >"$DIR/state"
	hash=$(jq -r .hash "$DIR/state")
	jq -c '{type:"export",state:.}' "$DIR/state" >"$DIR/log"
	pmr-log events -S 3 >>"$DIR/log"
	run -1 pmr-log verify "$DIR/log"
	[[ $(jq -r .reason <<<"$output") == "no compacted event tells of"* ]]
	jq -ncjS --arg session "$SESSION" --argjson seq "$HEAD" --arg hash "$hash" \
		--arg state "$(pmr-log state --at 3 --hash | jq -r .state_hash)" '{type:"compacted",floor:3,floor_hash:$hash,state_hash:$state,
		session_id:$session,seq:($seq + 1),timestamp:"2030-01-01T00:00:00.000Z",event_id:"00000000-0000-4000-8000-000000000000"}' >"$DIR/event"
	digest=$(sha256sum <"$DIR/event" | cut -d ' ' -f 1)
	hash=$(printf '%s%s' "$(tail -n 1 "$DIR/log" | jq -r .hash)" "$digest" | sha256sum | cut -d ' ' -f 1)
	jq -cS --arg hash "$hash" '.hash = $hash' "$DIR/event" >>"$DIR/log"
	run -0 pmr-log verify "$DIR/log" --expect "$((HEAD + 1)):$hash"
	# Another state is not the one that is told of.
	sed -i '1s/"editor"/"viewer"/' "$DIR/log"
	run -1 pmr-log verify "$DIR/log"
}

# ---- many at once -------------------------------------------------------------------------------

# typists N EDITS: start them, ty1 … tyN; they leave when nobody holds $DIR/leave open (here: 9).
typists() {
	local i
	start '{"conflict_resolution_strategy":"merge","max_participants":20,"participants":'"$(seq "$1" | jq -c '{user_id:"ty\(.)",role:"editor"}' | jq -sc .)"',"sections":{"intro":{"content":"Every line of it by many.\n"}}}'
	rm -f "$DIR/leave"
	mkfifo "$DIR/leave"
	exec 9<>"$DIR/leave"
	for ((i = 1; i <= $1; i++)); do
		PMR_SEED=${SEED:-1} perl "$BATS_TEST_DIRNAME/helpers/typist.pl" "ty$i" "$2" "$DIR/text.$i" \
			<"$DIR/leave" >"$DIR/acks.$i" 2>"$DIR/errs.$i" 3>&- 9>&- &
		TYPISTS+=($!)
	done
}

# acked N: wait until so many edits in all were answered, or some typist gave up.
acked() {
	local pid
	until [ "$(cat "$DIR"/acks.* | grep -c '^[an]')" -ge "$1" ]; do
		for pid in "${TYPISTS[@]}"; do
			kill -0 "$pid" || fail_with "a typist has ended" "$(cat "$DIR"/errs.*)" || return 1
		done
		# What can be waited for is the next event.
		pmr-watch -n 1 -W 1 -q >/dev/null || true
	done
}

typists_leave() {
	local pid
	exec 9>&-
	for pid in "${TYPISTS[@]}"; do
		wait "$pid" || fail_with "status $?" "$(cat "$DIR"/errs.*)" || return 1
	done
	TYPISTS=()
}

@test "ten pmr-join edit one section while the daemon is killed: nothing acked is lost, all agree" {
	local edits=30 i round last
	typists 10 $edits
	for round in 1 2 3; do
		acked $((round * 60))
		daemon_kill
		daemon_start 9>&-
	done
	acked $((10 * edits))
	# Nobody leaves before being told of the last word.
	last=$(as olga pmr-section edit intro -- sed '1s/^/Last: /' | jq .seq)
	for i in 1 2 3 4 5 6 7 8 9 10; do
		tail -n +1 -f "$DIR/acks.$i" --pid="${TYPISTS[$i - 1]}" 2>/dev/null 3>&- 9>&- | grep -q -m 1 "^told $last\$"
	done
	typists_leave
	pmr-section get intro >"$DIR/text"
	for i in 1 2 3 4 5 6 7 8 9 10; do
		# A typist's copy is of the seq it saw last; who left later saw more of the others leave.
		cmp "$DIR/text.$i" <(pmr-section get intro --at "$(sed -n 's/^end //p' "$DIR/acks.$i")")
		cmp "$DIR/text.$i" "$DIR/text"
	done
	# Every acked edit is in the log, once, at its seq.
	pmr-log events -t section_update --user '!olga' | jq -r 'select(.ref) | "ack \(.seq) \(.ref)"' | sort >"$DIR/in-log"
	sort "$DIR"/acks.* | grep '^ack' | sort | cmp - "$DIR/in-log"
	[ "$(cat "$DIR"/acks.* | grep -c '^[an]')" = $((10 * edits)) ]
	run -0 pmr-log verify
	# The whole text has an author, and all who are one have typed.
	pmr-log blame intro --by char >"$DIR/blame"
	jq -j .text "$DIR/blame" | cmp - "$DIR/text"
	[ "$(jq -s 'map([.from,.to]) | . as $r | [range(1; length)] | all(. as $i | $r[$i][0] == $r[$i - 1][1])' "$DIR/blame")" = true ]
	[ "$(jq -r .user_id "$DIR/blame" | sort -u | wc -l)" -ge 8 ]
}

@test "after many edits revert brings back any text there was, exactly" {
	local seq
	typists 3 40
	acked 120
	typists_leave
	for seq in $(pmr-section history intro | jq .seq | awk 'NR % 12 == 1'); do
		pmr-section revert intro --to "$seq" >/dev/null
		cmp <(pmr-section get intro) <(pmr-section get intro --at "$seq")
	done
	run -0 pmr-log verify
}
