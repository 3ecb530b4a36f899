#!/usr/bin/env bats
# The examples of every manual page are run as they are written (pages.bash says how), and the
# pipelines of the README.
# shellcheck shell=bash

load helper
load pages
load recorded

setup() {
	prepare
}

teardown() {
	clean_up_pages
}

@test "every manual page has examples, and they are run here" {
	for file in "$REPO"/man/*; do
		grep -q "^	page ${file##*/}" "$BATS_TEST_FILENAME" || fail_with "${file##*/} is not run"
	done
}

@test "collab-protocol(7)" {
	export SOCKET
	page collab-protocol.7
	[ "$(wc -l <log.ndjson)" = 3 ]
}

@test "collabd(8)" {
	# A daemon that is to be started by hand is put in the background, and ends with the script, but
	# not before it has begun.
	echo "trap 'kill \$(jobs -p); wait' EXIT" >>rc
	export XDG_RUNTIME_DIR=$DIR
	rm -f ready
	page collabd.8 "s|/tmp/c|$DIR/c|g" "s|--listen none\$|& \& until [ -S $DIR/c/socket ]; do :; done|" '$a echo "$serving"'
	jq -e .pid out >/dev/null
}

@test "collabd.conf(5)" {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout key.pem -out chain.pem 2>/dev/null
	echo '{"keys":[{"kty":"EC","crv":"P-256","kid":"1","alg":"ES256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}' >jwks.json
	file_of collabd.conf.5 | sed "s|/etc/collabd|$DIR|; s|https://id.*jwks.json|$DIR/jwks.json|" >collabd.conf
	"$BUILD/collabd" --check-config --config collabd.conf --data-dir d
	page collabd.conf.5 "s|/etc/collabd/secret|$DIR/new|"
	"$BUILD/collabd" --check-config --config /dev/null --secret-file new --data-dir d
}

@test "libcollab(3)" {
	mkdir lib
	make -C "$REPO" -o all BUILD="$BUILD" DESTDIR="$DIR/lib" PREFIX=/usr install >/dev/null 2>&1
	file_of libcollab.3 >bot.c
	export PKG_CONFIG_PATH=$DIR/lib/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$DIR/lib
	page libcollab.3 's/^cc /${CC:-cc} ${SANITIZED:+-fsanitize=$SANITIZED} /'
	(until grep -qs listening bot.err; do :; done
	pmr-comment add -r pmr-2024-01 --as eddy budget 'Where is it, @bot?'
	until pmr-comment list -r pmr-2024-01 | grep -q '"content":"Here."'; do :; done
	pmr-session end -r pmr-2024-01) >/dev/null 2>&1 3>&- &
	LD_LIBRARY_PATH=$DIR/lib/usr/lib timeout "$PATIENCE" ./bot pmr-2024-01 2>bot.err || fail_with "$? $(cat bot.err)"
	pmr-comment list -r pmr-2024-01 | grep -q '"content":"Here."'
}

@test "pmr(1)" {
	page pmr.1
	grep -q pmr-2024-01 out
}

@test "pmr(7)" {
	pipelines_of_the_overview
	page pmr.7
}

# Watches end after a comment; the others settle the threads meanwhile.
pipelines_of_the_overview() {
	echo 'pmr-watch() { command pmr-watch "$@" -n 1; }' >>rc
	(until pmr-comment list -r pmr-2024-01 | grep -q 'None?'; do :; done
	until [ -e audit.ndjson ]; do
		pmr-comment list -r pmr-2024-01 --open | pmr-comment resolve -r pmr-2024-01 -
	done) >/dev/null 2>&1 3>&- &
	BUSY=$!
}

@test "pmr-admin(1)" {
	pmr-member add -r pmr-2024-01 ann >/dev/null
	join ann ann /ws/reports/pmr/pmr-2024-01/collaborate
	# How full this machine's disk is and how busy it is does not matter here.
	page pmr-admin.1 's/disk=[0-9]+/disk=0/g; s/lag=100/lag=60000,commit=60000/; s/-c disk/-c lag=60000,commit=60000,disk/'
	ws_until ann '#close 1013'
	ws_end ann
	daemon_wait
}

@test "pmr-top(1)" {
	# The screen wants a terminal (top.bats); the text wants none.
	page pmr-top.1 's/^pmr-top -o LAG$/pmr-top -b -n 1 -o LAG/'
	grep -q '^pmr-2024-01 ' out
}

@test "pmr-bench(1)" {
	page pmr-bench.1 's/--(readers|sessions|idle) [0-9]+/--\1 2/g; s/pmr-bench /&--duration 0.3 /; s/--rate [0-9]+/--rate 50/' 's/[$][(]pidof collabd[)]/'"$PID/"
	[ "$(wc -l <out)" -ge 3 ]
}

@test "pmr-comment(1)" {
	git init -q . && git -c user.name=x -c user.email=x@example.org commit -q --allow-empty -m 'Q3 it is.'
	pmr-member add -r pmr-2024-01 lint-bot --role commenter >/dev/null
	pmr-comment add -r pmr-2024-01 --as lint-bot budget 'Too long.' >/dev/null
	page pmr-comment.1
	[ -z "$(pmr-comment list -r pmr-2024-01 --open)" ]
	pmr-comment list -r pmr-2024-01 | grep -q 'Q3 it is.'
}

@test "pmr-conflict(1)" {
	pmr-session end -r pmr-2024-01 >/dev/null
	printf '{"s":{"content":"a\\nb\\nc\\nd\\ne\\n"}}' | pmr-session start -r pmr-2024-01 --strategy manual --sections - --participant eddy >/dev/null
	base=$(pmr-session show -r pmr-2024-01 | jq .seq)
	printf 'A\nb\nc\nd\ne\n' | pmr-section set -r pmr-2024-01 --base-seq "$base" s >/dev/null
	printf 'a\nb\nc\nd\nE\n' | pmr-section set -r pmr-2024-01 --as eddy --base-seq "$base" s >/dev/null || true
	export EDITOR=false
	page pmr-conflict.1
	[ "$(pmr-section get -r pmr-2024-01 s)" = $'A\nb\nc\nd\nE' ]
}

@test "pmr-each(1)" {
	pmr-watch -r pmr-2024-01 -S 0 -n 3 >events.ndjson
	page pmr-each.1
	[ "$(wc -l <slack)" = 3 ]
}

@test "pmr-join(1)" {
	page pmr-join.1
	pmr-comment list -r pmr-2024-01 | grep -q '"content":"From the bot."'
}

@test "pmr-json(5)" {
	page pmr-json.5
	[ -s out ]
}

@test "pmr-lock(1)" {
	page pmr-lock.1
	[ "$(pmr-section get -r pmr-2024-01 budget)" = 'Q3: 11' ]
	[ "$(cat nightly)" = night ]
}

@test "pmr-log(1)" {
	printf '[profile a]\nsocket = %s\n[profile b]\nsocket = %s\n' "$SOCKET" "$SOCKET" >>pmr.conf
	pmr-comment add -r pmr-2024-01 --as ci budget 'Hm.' >/dev/null
	page pmr-log.1
	grep -q 'ci Hm.' out
	[ "$(tail -n 1 out)" = 1 ]
}

@test "pmr-member(1)" {
	page pmr-member.1
	grep -qx ann out
}

@test "pmr-section(1)" {
	for ((i = 0; i < 45; i++)); do
		echo '{"type":"section_update","data":{"section_id":"budget","changes":{"content":"Q3: '$i'"}}}'
	done | pmr-send -r pmr-2024-01 >/dev/null
	page pmr-section.1
	grep -q '^budget	' out
	pmr-section get -r pmr-2024-01 budget | grep -qx 'Q3: [0-9]*'
}

@test "pmr-send(1)" {
	mirror_server
	page pmr-send.1 "s|https://other.example|$OTHER|"
	mirrored
}

@test "pmr-session(1)" {
	pmr-session end -r pmr-2024-01 >/dev/null
	other_server
	export PMR_TOKEN_FILE=$DIR/token
	page pmr-session.1 "s|https://other.example|$OTHER|"
	[ "$(pmr-session list --socket other.s | jq -r .report_id)" = pmr-2024-01 ]
	[ "$(pmr-session list | wc -l)" = 2 ]
}

@test "pmr-target(7)" {
	file_of pmr-target.7 | sed "s|https://collab.example.org|$URL|; s|/home/ann/.config/pmr/token|$DIR/token|" >>pmr.conf
	PMR_TOKEN_FILE=$DIR/token pmr-session start --url "$URL" -r pmr-2024-02 >/dev/null
	page pmr-target.7
	[ "$(pmr-section get intro)" = 'An introduction.' ]
}

@test "pmr-token(1)" {
	printf '[auth]\nsecret_file = %s\n' "$SECRET" >collabd.conf
	pmr-member add -r pmr-2024-01 lint-bot >/dev/null
	page pmr-token.1 "s|http://127.0.0.1:8765|$URL|"
	[ "$(tail -n 1 out)" -gt 500 ]
}

@test "pmr-wait(1)" {
	page pmr-wait.1
	jq -e .session_id out >/dev/null
}

@test "pmr-watch(1)" {
	busy
	mirror_server
	# What is followed for ever ends here with the first event; what is mirrored with its session.
	echo 'pmr-watch() { case " $* " in *" A "*) command pmr-watch "$@" ;; *) command pmr-watch "$@" -n 1 ;; esac; }' >>rc
	page pmr-watch.1 "s|https://other.example|$OTHER|"
	grep -q '"type":"comment_added"' slack
	mirrored
}

@test "pmr.conf(5)" {
	mkdir config/pmr
	file_of pmr.conf.5 | sed "s|https://collab.example.org|$URL|; s|/home/ann/.config/pmr/token|$DIR/token|; s|^socket = .*|socket = $SOCKET|" >config/pmr/pmr.conf
	unset PMR_CONFIG
	PMR_TOKEN_FILE=$DIR/token pmr-session start --url "$URL" -r pmr-2024-02 >/dev/null
	page pmr.conf.5
	grep -q pmr-2024-01 out
}

@test "the README's pipelines are those of pmr(7), and run" {
	cp "$REPO/README.md" copy
	sh "$REPO/dist/readme-core.sh" "$DIR/copy"
	diff "$REPO/README.md" copy
	awk '/^## Five pipelines/ { on = 1 } /^<!-- end/ { on = 0 } on && /^```$/ { inside = 0 } inside; on && /^```sh$/ { inside = 1; n++ } END { exit n != 5 }' "$REPO/README.md" >typed
	pipelines_of_the_overview
	run_typed README.md
	[ -s slack ]
	[ "$(tail -n 1 out | jq .ok)" = true ]
	[ "$(pmr-section get -r pmr-2024-01 budget)" = 'Q4: 10' ]
}

@test "the README's terminal session is what one sees" {
	export PMR_CONFIG=$DIR/other.conf
	daemon_stop
	rm -rf data
	daemon_start
	echo "socket = $SOCKET" >other.conf
	recorded_commands | record >now
	sed -n '/^```console$/,/^```$/p' "$REPO/README.md" | sed '1d;$d' >then
	diff <(same_words <then) <(same_words <now)
}

@test "the demo does what it says, and leaves nothing" {
	mkdir "$DIR/tmp"
	run -0 env -u PMR_SOCKET -u PMR_REPORT -u PMR_SESSION TMPDIR="$DIR/tmp" sh "$REPO/dist/demo.sh"
	[[ $output == *$'\n'true$'\n'* ]]
	[ -z "$(ls "$DIR/tmp")" ]
	# Each line of it is one that a terminal's user may read.
	[[ $output != *'{"type":"error"'* ]]
}
