#!/bin/sh
# Build the Debian packages in a copy of the tree: make-deb.sh DIRECTORY
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^VERSION *= *//p' Makefile)
out=$1
tree=$out/collabd-$version
rm -rf "$out"
mkdir -p "$tree"
tar -cf - --exclude='./build*' --exclude=./.git . | tar -xf - -C "$tree"
cp -r dist/debian "$tree/debian"
[ "$(sed -n '1s/.*(\(.*\)).*/\1/p' dist/debian/changelog)" = "$version" ] || {
	echo "make-deb.sh: dist/debian/changelog is not about $version" >&2
	exit 1
}
(cd "$tree" && dpkg-buildpackage -us -uc -b -j2)
rm -rf "$tree"
# What would stop an upload stops here.
lintian --allow-root --fail-on error "$out"/*.changes
ls -l "$out"/*.deb
