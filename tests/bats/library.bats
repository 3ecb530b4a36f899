#!/usr/bin/env bats
# A tool of somebody else's, written with nothing but collab.h and libcollab.so.

load helper

setup() {
	daemon_start
}

teardown() {
	clean_up
}

# compile NAME SOURCE [FLAG]...: as somebody would who has nothing but the header and the library.
compile() {
	mkdir -p "$DIR/include"
	cp "$REPO/libcollab/collab.h" "$DIR/include/"
	${CC:-cc} -std=c11 -Wall -Wextra -Werror -I"$DIR/include" -o "$DIR/$1" "$2" -L"$BUILD" -lcollab \
		-Wl,-rpath,"$BUILD" ${SANITIZED:+-fsanitize=$SANITIZED} "${@:3}"
}

@test "a bot joins, comments, is acknowledged and leaves" {
	start
	compile bot "$REPO/tests/data/bot.c"
	PMR_SOCKET=$SOCKET run -0 "$DIR/bot" "$REPORT" 'From a bot'
	[[ $output == 'acked '* ]]
	api GET comments olga
	want 200 '"content":"From a bot"'
}

@test "three who type at once with collab_text end with the same text" {
	local letter
	compile typist "$REPO/tests/data/typist.c"
	start '{"conflict_resolution_strategy":"merge","participants":[{"user_id":"a","role":"editor"},{"user_id":"b","role":"editor"},{"user_id":"c","role":"editor"}]}'
	export PMR_SOCKET=$SOCKET
	for letter in a b c; do
		"$DIR/typist" "$REPORT" intro "$letter" 40 120 >"$DIR/$letter" 3>&- &
		eval "$letter=$!"
	done
	wait "$a"
	wait "$b"
	wait "$c"
	cmp "$DIR/a" "$DIR/b"
	cmp "$DIR/a" "$DIR/c"
	api GET sections/intro olga
	[ "$(json .content)" = "$(cat "$DIR/a")" ]
	for letter in a b c; do
		[ "$(tr -dc "$letter" <"$DIR/a" | wc -c)" = 40 ]
	done
}

# mirror NAME: a copy of the section intro by collab_text; its lines by mirror_line.
mirror() {
	mkfifo "$DIR/$1.in" "$DIR/$1.out"
	PMR_SOCKET=$SOCKET "$DIR/mirror" "$REPORT" intro <"$DIR/$1.in" >"$DIR/$1.out" 2>>"$DIR/log" 3>&- &
	MIRROR=$!
	exec 8>"$DIR/$1.in" 9<"$DIR/$1.out"
}

# mirror_until LINE: read on until the copy says this; what came meanwhile to HEARD.
mirror_until() {
	local line
	HEARD=
	while :; do
		read -r -t "$PATIENCE" -u 9 line || fail_with "waiting for $1; came:$HEARD" || return 1
		# shellcheck disable=SC2053 # a pattern
		[[ $line != $1 ]] || return 0
		HEARD+=$'\n'$line
	done
}

@test "a text that becomes a conflict goes from its author's copy, and all copies are the same" {
	compile mirror "$REPO/tests/data/mirror.c"
	start '{"conflict_resolution_strategy":"manual","participants":[{"user_id":"eddy","role":"editor"}],"sections":{"intro":{"content":"one two"}}}'
	mirror copy
	mirror_until '1 +([0-9]) one two'
	# Both change it at once: what eddy does has not been read when the copy is changed.
	api GET sections/intro olga
	field version
	echo deaf >&8
	mirror_until "1 $VALUE one two"
	api PUT sections/intro eddy '{"if_version":'"$VALUE"',"changes":{"content":"one two three"}}'
	want 200
	echo '=mine one two' >&8
	mirror_until "0 $VALUE mine one two"
	mirror_until '1 +([0-9]) one two three'
	api GET conflicts olga
	[ "$(json '.conflicts[0].proposed_content')" = 'mine one two' ]
	# It goes on from there.
	echo '=the end' >&8
	mirror_until '1 +([0-9]) the end'
	api GET sections/intro olga
	want 200 '"content":"the end"'
	exec 8>&-
	wait "$MIRROR"
}

@test "a text that is refused for now is kept, not sent over and over, and sent when it may be" {
	compile mirror "$REPO/tests/data/mirror.c"
	start '{"conflict_resolution_strategy":"merge","participants":[{"user_id":"eddy","role":"editor"}],"sections":{"intro":{"content":"one"}}}'
	mirror copy
	mirror_until '1 +([0-9]) one'
	api PUT sections/intro/lock eddy '{}'
	want 200 '"fence":1'
	echo '=one two' >&8
	mirror_until 'error 75'
	# Others' messages come, but it is the unlocking that it waits for.
	api GET sections/intro olga
	field version
	api PUT sections/intro eddy '{"if_version":'"$VALUE"',"fence":1,"changes":{"content":"zero one"}}'
	want 200
	mirror_until '0 +([0-9]) zero one two'
	[[ $HEARD != *error* ]]
	api DELETE sections/intro/lock eddy '{"fence":1}'
	want 200
	mirror_until '1 +([0-9]) zero one two'
	[[ $HEARD != *error* ]]
	api GET sections/intro olga
	want 200 '"content":"zero one two"'
	exec 8>&-
	wait "$MIRROR"
}

@test "the example of libcollab(3) answers whom it is asked by, across a restart of the server" {
	local bot
	# From the manual as it stands: what is between .Bd and .Ed, its \\e undone.
	sed -n '/^#include <collab.h>/,/^\.Ed/{/^\.Ed/d; s/\\e/\\/g; p;}' "$REPO/man/libcollab.3" >"$DIR/example.c"
	compile example "$DIR/example.c" -ljansson
	start '{"participants":[{"user_id":"cora","role":"commenter"}]}'
	mkfifo "$DIR/said"
	PMR_SOCKET=$SOCKET "$DIR/example" "$REPORT" 2>"$DIR/said" 3>&- &
	bot=$!
	exec 7<"$DIR/said"
	read -r -t "$PATIENCE" -u 7 REPLY
	[ "$REPLY" = 'bot: listening' ]
	join olga olga
	ws_say olga '{"type":"comment_added","data":{"section_id":"intro","content":"Who is @bot?","parent_comment_id":null}}'
	ws_until olga '"type":"comment_added"' '"content":"Here."'
	daemon_kill
	daemon_start
	read -r -t "$PATIENCE" -u 7 REPLY
	[ "$REPLY" = 'bot: listening' ]
	api POST comments cora '{"section_id":"intro","content":"@bot, still there?","parent_comment_id":null}'
	want 201
	join again olga since=0
	ws_until again '"content":"@bot, still there?"'
	ws_until again '"content":"Here."'
	api POST end olga
	want 200
	wait "$bot"
	exec 7<&-
	api GET "/api/sessions/$SESSION/comments" olga
	[ "$(json '[.comments[] | select(.content == "Here.")] | length')" = 2 ]
}
