#!/usr/bin/env bats
# The Debian packages of $DEB (unset: of what is built already), unpacked beside the system: a session
# with what is in them.
# shellcheck shell=bash

load ../bats/helper

setup_file() {
	[ -z "${DEB:-}" ] || return 0
	export DEB=$BATS_FILE_TMPDIR/deb
	sh "$REPO/dist/make-deb.sh" "$DEB" "$BUILD" >"$BATS_FILE_TMPDIR/make" 2>&1 ||
		fail_with "$(tail -n 30 "$BATS_FILE_TMPDIR/make")"
}

setup() {
	scratch
	ROOT=$DIR/root
	mkdir "$ROOT"
	for package in collabd pmr-tools libcollab0 libcollab-dev; do
		dpkg-deb -x "$DEB/${package}_"*.deb "$ROOT"
	done
	LIB=$(dirname "$ROOT"/usr/lib/*/libcollab.so.0)
	export LD_LIBRARY_PATH=$LIB
	unset PMR_REPORT PMR_SESSION PMR_SOCKET
}

teardown() {
	clean_up
}

@test "each package has its files, and needs the others" {
	[ -x "$ROOT/usr/sbin/collabd" ] && [ -f "$ROOT/lib/systemd/system/collabd.service" ]
	[ -f "$ROOT/usr/share/zsh/vendor-completions/_pmr" ] && [ -f "$ROOT/usr/include/collab.h" ]
	grep -q '^ExecStart=/usr/sbin/collabd ' "$ROOT/lib/systemd/system/collabd.service"
	dpkg-deb -f "$DEB"/pmr-tools_*.deb Depends | grep -q 'libcollab0 (='
	dpkg-deb -I "$DEB"/collabd_*.deb conffiles | grep -qx /etc/collabd/collabd.conf
	dpkg-deb -I "$DEB"/collabd_*.deb postinst | grep -q systemd-sysusers
	! readelf -d "$ROOT"/usr/bin/pmr-session | grep -q 'R.*PATH'
}

@test "dpkg installs them into a system of their own, and removes them" {
	mkdir -p "$DIR/system/var/lib/dpkg/"{info,updates} "$DIR/system/tmp"
	: >"$DIR/system/var/lib/dpkg/status"
	for package in libcollab0 libcollab-dev pmr-tools collabd; do
		# The scripts would speak to the systemd of this machine: only the files are wanted.
		dpkg --root="$DIR/system" --force-depends --force-not-root --force-script-chrootless --unpack "$DEB/${package}_"*.deb
	done
	[ -x "$DIR/system/usr/bin/pmr" ]
	[ "$(dpkg --root="$DIR/system" -S /usr/bin/pmr)" = 'pmr-tools: /usr/bin/pmr' ]
	dpkg --root="$DIR/system" --force-depends --force-not-root --purge pmr-tools
	[ ! -e "$DIR/system/usr/bin/pmr" ]
}

@test "a session with what is in the packages" {
	PATH=$ROOT/usr/bin:$PATH
	BUILD=$ROOT/usr/sbin daemon_start --config "$ROOT/etc/collabd/collabd.conf"
	export PMR_SOCKET=$SOCKET PMR_REPORT=pmr-1
	[ "$(command -v pmr-session)" = "$ROOT/usr/bin/pmr-session" ]
	[ "$(LD_TRACE_LOADED_OBJECTS=1 pmr-session | grep -c "$ROOT/usr/lib/.*/libcollab.so.0")" = 1 ]
	pmr-session start | pmr-send -s - <(echo '{"type":"section_update","data":{"section_id":"a","changes":{"content":"x"}}}') >"$DIR/acks"
	[ "$(jq -r .type "$DIR/acks")" = ack ]
	[ "$(pmr section get a)" = x ]
	pmr-log verify >/dev/null
}
