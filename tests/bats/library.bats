#!/usr/bin/env bats
# A tool of somebody else's, written with nothing but collab.h and libcollab.so.

load helper

setup() {
	daemon_start
}

teardown() {
	clean_up
}

@test "a bot joins, comments, is acknowledged and leaves" {
	start
	mkdir "$DIR/include"
	cp "$REPO/libcollab/collab.h" "$DIR/include/"
	${CC:-cc} -std=c11 -Wall -Wextra -Werror -I"$DIR/include" -o "$DIR/bot" "$REPO/tests/data/bot.c" \
		-L"$BUILD" -lcollab -Wl,-rpath,"$BUILD" ${SANITIZED:+-fsanitize=address,undefined}
	PMR_SOCKET=$SOCKET run -0 "$DIR/bot" "$REPORT" 'From a bot'
	[[ $output == 'acked '* ]]
	api GET comments olga
	want 200 '"content":"From a bot"'
}
