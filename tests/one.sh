#!/bin/sh
# Run one test file, whatever it is, with a time limit; TAP on stdout.  A C test runs under the command
# UNDER, if there is one.
case $1 in
*.bats) exec timeout -k 10 "${LIMIT:-300}" bats --tap "$1" ;;
*.sh) exec timeout -k 10 "${LIMIT:-300}" sh "$1" "$BUILD" ;;
*) # shellcheck disable=SC2086 # a command and its options, or nothing
	exec timeout -k 10 "${LIMIT:-600}" ${UNDER:-} "$1" ;;
esac
