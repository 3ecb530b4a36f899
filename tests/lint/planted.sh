#!/bin/sh
# The layer lint finds what it is for: violations planted into a copy of the tree.
# usage: planted.sh BUILD
set -u
build=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
n=0
failed=0

plant() { # plant NAME FILE LINE
	n=$((n + 1))
	rm -rf "$scratch/tree"
	mkdir -p "$scratch/tree"
	cp -r libcollab cmd "$scratch/tree/"
	printf '%s\n' "$3" >>"$scratch/tree/$2"
	if sh tests/lint/layers.sh "$build" "$scratch/tree" >"$scratch/out"; then
		failed=1
		echo "not ok $n - $1 is found"
	else
		echo "ok $n - $1 is found"
	fi
}

plant 'core that includes proto' libcollab/core/op.c '#include "proto/ws.h"'
plant 'store that includes core' libcollab/store/mem.c '#include "core/event.h"'
plant 'SQLite in the hub' libcollab/server/hub.c '#include <sqlite3.h>'
plant 'libuv in a room' libcollab/server/room.c '#include <uv.h>'
plant 'a tool that reaches past the public header' cmd/pmr-send.c '#include "core/op.h"'

n=$((n + 1))
mkdir -p "$scratch/objects/libcollab/core"
printf '#include <time.h>\nlong now(void);\nlong now(void){return (long)time(0);}\n' |
	${CC:-cc} -xc -c -o "$scratch/objects/libcollab/core/clock.o" -
if sh tests/lint/layers.sh "$scratch/objects" >"$scratch/out"; then
	failed=1
	echo "not ok $n - a clock in core is found"
else
	echo "ok $n - a clock in core is found"
fi
echo "1..$n"
exit $failed
