#!/bin/sh
# Run one test file, whatever it is, with a time limit; TAP on stdout.
case $1 in
*.bats) exec timeout -k 10 "${LIMIT:-300}" bats --tap "$1" ;;
*.sh) exec timeout -k 10 "${LIMIT:-300}" sh "$1" "$BUILD" ;;
*) exec timeout -k 10 "${LIMIT:-600}" "$1" ;;
esac
