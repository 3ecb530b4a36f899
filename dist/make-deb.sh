#!/bin/sh
# Build the Debian packages in a copy of the tree: make-deb.sh DIRECTORY [BUILD]
# With BUILD, from the objects there instead of compiling anew, and without lintian: for a quick check.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^VERSION *= *//p' Makefile)
out=$1
objects=${2:-}
tree=$out/collabd-$version
rm -rf "$out"
mkdir -p "$tree"
tar -cf - --exclude='./build*' --exclude=./.git . | tar -xf - -C "$tree"
cp -r dist/debian "$tree/debian"
[ "$(sed -n '1s/.*(\(.*\)).*/\1/p' dist/debian/changelog)" = "$version" ] || {
	echo "make-deb.sh: dist/debian/changelog is not about $version" >&2
	exit 1
}
if [ -n "$objects" ]; then
	cp -a "$objects" "$tree/build"
	rm -rf "$tree/build/tests" "$tree/build/collabd" "$tree"/build/pmr* "$tree"/build/libcollab.so*
	# Nothing that a test makes wants to be built with the flags of this one.
	(unset MAKEFLAGS MFLAGS MAKELEVEL && cd "$tree" && OBJECTS=1 DEB_BUILD_OPTIONS=noautodbgsym dpkg-buildpackage -us -uc -b -d -nc)
	rm -rf "$tree"
	exit 0
fi
(cd "$tree" && dpkg-buildpackage -us -uc -b -j2)
rm -rf "$tree"
# What would stop an upload stops here.
lintian --allow-root --fail-on error "$out"/*.changes
ls -l "$out"/*.deb
