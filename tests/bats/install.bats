#!/usr/bin/env bats
# What make install leaves, works by itself, and goes away again; what systemd is told.
# shellcheck shell=bash

load helper

setup() {
	scratch
	ROOT=$DIR/root
	unset PMR_REPORT PMR_SESSION PMR_SOCKET MAKEFLAGS MFLAGS MAKELEVEL
}

teardown() {
	clean_up
}

# make_quietly TARGET [VARIABLE=VALUE]...: of what is built, without building it again.
make_quietly() {
	make -C "$REPO" -o all "$@" BUILD="$BUILD" DESTDIR="$ROOT" >"$DIR/make" 2>&1 || fail_with "$(tail -n 20 "$DIR/make")"
}

@test "install: a session with nothing but what was installed" {
	make_quietly install PREFIX=/usr
	PATH=$ROOT/usr/bin:$PATH
	cp "$REPO/tests/data/bot.c" "$DIR"
	BUILD=$ROOT/usr/sbin daemon_start --config "$ROOT/etc/collabd/collabd.conf"
	export PMR_SOCKET=$SOCKET PMR_REPORT=pmr-1
	cd "$DIR"
	[ "$(command -v pmr-session)" = "$ROOT/usr/bin/pmr-session" ]
	[ -n "${VALGRIND:-}" ] || [ "$(LD_TRACE_LOADED_OBJECTS=1 pmr-session | grep -c "$ROOT/usr/.*/libcollab.so.0")" = 1 ]
	pmr-session start | pmr-send -s - <(echo '{"type":"section_update","data":{"section_id":"a","changes":{"content":"x"}}}') >acks
	[ "$(jq -r .type acks)" = ack ]
	[ "$(pmr section get a)" = x ]
	pmr-log verify >/dev/null
	# The library, as somebody else's build finds it.
	export PKG_CONFIG_PATH=$ROOT/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$ROOT
	# shellcheck disable=SC2046 # words
	${CC:-cc} -std=c11 -o bot bot.c $(pkg-config --cflags --libs collab) \
		-Wl,-rpath,"$ROOT/usr/lib" ${SANITIZED:+-fsanitize=$SANITIZED}
	run -0 ./bot pmr-1 hello
	[[ $output == 'acked '* ]]
	[ "$(pkg-config --modversion collab)" = "$(pmr --version | cut -d' ' -f2)" ]
}

@test "install: each page, completion and unit in its place" {
	make_quietly install
	for page in "$REPO"/man/*.[1-8]; do
		[ -f "$ROOT/usr/local/share/man/man${page##*.}/${page##*/}" ]
	done
	for tool in "$REPO"/cmd/pmr*.c; do
		tool=${tool##*/} tool=${tool%.c}
		[[ $tool != pmr_* ]] || continue
		[ -x "$ROOT/usr/local/bin/$tool" ]
		[ -f "$ROOT/usr/local/share/bash-completion/completions/$tool" ]
		[ -f "$ROOT/etc/fish/completions/$tool.fish" ]
	done
	[ -f "$ROOT/usr/local/share/bash-completion/completions/collabd" ]
	[ -f "$ROOT/etc/fish/completions/collabd.fish" ]
	[ -f "$ROOT/usr/local/share/zsh/site-functions/_pmr" ]
	grep -q '^ExecStart=/usr/local/sbin/collabd --config /etc/collabd' "$ROOT/usr/local/lib/systemd/system/collabd.service"
	[ -f "$ROOT/usr/local/lib/systemd/system/collabd.socket" ]
	run -0 "$ROOT/usr/local/sbin/collabd" --check-config --config "$ROOT/etc/collabd/collabd.conf" --data-dir "$DIR/d"
	# Nothing names the directory it was put together in.
	! grep -rIl "$ROOT" "$ROOT"
}

@test "install: the usual variables are obeyed" {
	make_quietly install PREFIX=/opt/x LIBDIR=/opt/x/lib64 SYSCONFDIR=/opt/x/etc MANDIR=/opt/x/man \
		UNITDIR=/u ZSHCOMPDIR=/z BINDIR=/b
	[ -x "$ROOT/b/pmr" ] && [ -f "$ROOT/opt/x/lib64/libcollab.so.0" ] && [ -f "$ROOT/u/collabd.service" ]
	[ -f "$ROOT/opt/x/man/man1/pmr.1" ] && [ -f "$ROOT/z/_pmr" ] && [ -f "$ROOT/opt/x/etc/collabd/collabd.conf" ]
	grep -q '^libdir=/opt/x/lib64$' "$ROOT/opt/x/lib64/pkgconfig/collab.pc"
	[ ! -e "$ROOT/usr" ]
	make_quietly uninstall PREFIX=/opt/x LIBDIR=/opt/x/lib64 SYSCONFDIR=/opt/x/etc MANDIR=/opt/x/man \
		UNITDIR=/u ZSHCOMPDIR=/z BINDIR=/b
	[ -z "$(find "$ROOT" -mindepth 1)" ] || fail_with "left: $(find "$ROOT" -mindepth 1)"
}

@test "each shell looks where its completions are" {
	local dir prefix
	for prefix in /usr /usr/local; do
		ROOT=$DIR/root$prefix make_quietly install "PREFIX=$prefix"
		dir=$(dirname "$(cd "$DIR/root$prefix" && find . -name _pmr)")
		env -i zsh -f -c 'print -l $fpath' | grep -qx "${dir#.}" ||
			fail_with "zsh does not look into ${dir#.}"
		dir=$(dirname "$(cd "$DIR/root$prefix" && find . -name pmr-watch.fish)")
		env -i HOME="$DIR" fish -c 'printf "%s\n" $fish_complete_path' | grep -qx "${dir#.}" ||
			fail_with "fish does not look into ${dir#.}"
		# Of bash it is the loader of bash-completion that looks.
		env -i HOME="$DIR" PATH="$PATH" XDG_DATA_DIRS="$DIR/root$prefix$prefix/share" bash --norc -c '
			. /usr/share/bash-completion/bash_completion
			_completion_loader pmr-watch
			complete -p pmr-watch' | grep -q _pmr
	done
	grep -q '/usr/local/share:/usr/share' /usr/share/bash-completion/bash_completion
}

@test "uninstall leaves nothing, but for a configuration that was changed" {
	make_quietly install
	make_quietly uninstall
	[ -z "$(find "$ROOT" -mindepth 1)" ] || fail_with "left: $(find "$ROOT" -mindepth 1)"
	make_quietly install
	echo '# mine' >>"$ROOT/etc/collabd/collabd.conf"
	make_quietly install
	grep -q '^# mine$' "$ROOT/etc/collabd/collabd.conf"
	make_quietly uninstall
	[ "$(find "$ROOT" -type f)" = "$ROOT/etc/collabd/collabd.conf" ]
	# Where there is a system, its own directories stay, also those that are empty.
	ROOT='' make_quietly install PREFIX="$DIR/system" SYSCONFDIR="$DIR/etc"
	ROOT='' make_quietly uninstall PREFIX="$DIR/system" SYSCONFDIR="$DIR/etc"
	[ "$(cd "$DIR" && find system etc | sort | paste -sd ' ')" = \
		'etc system system/bin system/include system/lib system/sbin system/share system/share/man' ]
}

@test "the library: its soname, its symbols are those of collab.h and of the package" {
	readelf -d "$BUILD/libcollab.so" | grep -q 'SONAME.*\[libcollab.so.0\]'
	nm -D --defined-only "$BUILD/libcollab.so" | awk '$2 == "T" { sub("@@.*", "", $3); print $3 }' | sort >"$DIR/exported"
	grep -oE '\bcollab_[a-z_]+\(' "$REPO/libcollab/collab.h" | tr -d '(' | sort -u >"$DIR/declared"
	diff "$DIR/declared" "$DIR/exported"
	sed -n 's/^ \(collab_[a-z_]*\)@.*/\1/p' "$REPO/dist/debian/libcollab0.symbols" | diff "$DIR/exported" -
}

@test "systemd: the service's exposure is at most 2.0, and its files are well-formed" {
	make_quietly install
	units=$ROOT/usr/local/lib/systemd/system
	run -0 systemd-analyze security --no-pager --offline=true --threshold=20 "$units/collabd.service"
	[[ $output == *'Overall exposure level for collabd.service: '* ]]
	# What verify says is about the files, once the daemon is where they say.
	sed -i "s|=/usr/local/sbin/collabd|=$ROOT/usr/local/sbin/collabd|" "$units/collabd.service"
	run systemd-analyze verify --man=no "$units/collabd.service" "$units/collabd.socket"
	[[ $output != *collabd.s*:* ]] || fail_with "$output"
}

@test "systemd: sockets that are handed over are served, and stay" {
	mkfifo "$DIR/ready"
	export PMR_SOCKET=$DIR/given
	# shellcheck disable=SC2069
	perl "$REPO/tests/bats/helpers/activate.pl" "$DIR/given" "$DIR/port" "$BUILD/collabd" --config /dev/null \
		--data-dir "$DIR/data" --listen 127.0.0.1:0 --socket "$DIR/other" --ready-fd 1 \
		>"$DIR/ready" 2>>"$DIR/log" </dev/null 3>&- 4>&- &
	SHELL_PID=$!
	PID=$!
	read -r -t "$PATIENCE" line <"$DIR/ready"
	[[ $line == *"\"listen\":[\"127.0.0.1:$(cat "$DIR/port")\"]"*"$DIR/given"* ]] || fail_with "$line"
	[ ! -e "$DIR/other" ]
	run -0 "$BUILD/pmr-session" start -r pmr-1
	http "http://127.0.0.1:$(cat "$DIR/port")/healthz"
	want 200
	daemon_stop
	# The file is the manager's.
	[ -S "$DIR/given" ]
}

@test "collabd.conf: every key with its default; a wrong one is an error with a suggestion" {
	"$BUILD/collabd" --help | sed -n '/^Settings/,$s/^ *--\([a-z-]*\).*/\1/p' | sed 's/^tls-//' | tr - _ | sort >"$DIR/keys"
	sed -n 's/^#\([a-z_]*\) =.*/\1/p' "$REPO/dist/collabd.conf" | sort >"$DIR/sample"
	[ -z "$(comm -23 "$DIR/keys" "$DIR/sample")" ] || fail_with "not in the sample: $(comm -23 "$DIR/keys" "$DIR/sample")"
	sed 's/^#\([a-z_]* = .\)/\1/' "$REPO/dist/collabd.conf" >"$DIR/all.conf"
	run -0 "$BUILD/collabd" --check-config --config "$DIR/all.conf" --data-dir "$DIR/d"
	printf '[limits]\nsection = 3\n' >"$DIR/bad.conf"
	run -78 "$BUILD/collabd" --check-config --config "$DIR/bad.conf"
	[[ $output == *'bad.conf:2:'*'did you mean sections?'* ]]
	printf '[sever]\nlisten = *:1\n' >"$DIR/bad.conf"
	run -78 "$BUILD/collabd" --check-config --config "$DIR/bad.conf"
	[[ $output == *'did you mean [server]?'* ]]
	printf '[auth]\nlisten = 127.0.0.1:0\n' >"$DIR/bad.conf"
	run -78 "$BUILD/collabd" --check-config --config "$DIR/bad.conf"
	[[ $output == *'it belongs in [server]'* ]]
}
