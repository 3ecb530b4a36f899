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
		-Wl,-rpath,"$BUILD" ${SANITIZED:+-fsanitize=address,undefined} "${@:3}"
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
