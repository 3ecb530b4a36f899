#!/bin/sh
# Install those of the named Debian packages that are missing; quiet when there are none.
set -eu
missing=
for package in "$@"; do
	status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
	[ "$status" = 'install ok installed' ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
sudo=
if [ "$(id -u)" -ne 0 ]; then
	sudo=sudo
	command -v sudo >/dev/null || {
		echo "These packages are missing, and there is no sudo to install them with.  As root:" >&2
		echo "    apt-get update && apt-get install$missing" >&2
		exit 1
	}
fi
echo "installing:$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# What apt has to say is of interest when it failed.
# shellcheck disable=SC2086 # a list of words
if ! { $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive \
	apt-get install -y -qq --no-install-recommends $missing; } </dev/null >"$log" 2>&1; then
	cat "$log" >&2
	exit 1
fi
