#!/bin/sh
# Holds the layers of ARCHITECTURE.md: who may include what, and which symbols the pure layers use.
# usage: layers.sh BUILD [ROOT]      TAP on stdout
set -u
build=$1
root=${2:-.}
n=0
failed=0

point() { # point STATUS NAME [LINES]
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		failed=1
		echo "not ok $n - $2"
		[ -z "${3:-}" ] || printf '%s\n' "$3" | sed 's/^/#   /'
	fi
}

# layer: the layers of ours that its files may include
allowed() {
	case $1 in
	base) echo base ;;
	core) echo base core ;;
	proto) echo base core proto ;;
	store) echo base store ;;
	server) echo base core proto store server ;;
	client) echo base core proto client ;;
	esac
}

for layer in base core proto store server client; do
	bad=$(grep -n '^#include "' "$root/libcollab/$layer"/*.[ch] 2>/dev/null | while IFS= read -r line; do
		header=${line#*\"}
		header=${header%\"*}
		case $header in
		collab.h) of=client ;;
		*/*) of=${header%%/*} ;;
		*) of=unknown ;;
		esac
		case " $(allowed $layer) " in
		*" $of "*) ;;
		*) echo "$line" ;;
		esac
	done)
	[ -z "$bad" ]
	point $? "$layer includes only $(allowed $layer)" "$bad"
done

# library headers and the files that may include them
confined() { # confined HEADER-PATTERN FILE-PATTERN NAME
	bad=$(grep -lE "^#include <($1)>" -r "$root/libcollab" "$root/cmd" --include='*.[ch]' |
		grep -vE "$2")
	[ -z "$bad" ]
	point $? "$3" "$bad"
}
confined 'uv\.h' 'server/(net|net_accept|net_in|listen|sock|sock_http|sock_out|sock_ws|loop)\.[ch]$' \
	'libuv is seen by the socket files of server only'
confined 'http_parser\.h' 'server/http_(in|head|chunk)\.[ch]$|server/http\.c$' \
	'libhttp-parser is seen by server/http*.c only'
confined 'curl/.*' 'client/(http|ws|curl)\.[ch]$|server/keys_url\.c$' \
	'libcurl is seen by the client'"'"'s http.c and ws.c and the key fetcher only'
confined 'sqlite3\.h' 'store/sqlite[a-z_]*\.[ch]$' 'SQLite is seen by store/sqlite*.c only'
confined 'openssl/ssl\.h' 'server/(tls|net_in)\.[ch]$' 'TLS is seen by server/tls.c only'
confined 'jose/.*' 'server/(jwt|keys|auth|claims|keys_url|auth_parts|identity|ticket|token_cache)\.[ch]$' 'José is seen by server'"'"'s key and token files only'
bad=$(grep -lE 'json_(load|dump)' "$root"/libcollab/core/*.[ch] "$root"/libcollab/base/*.[ch])
[ -z "$bad" ]
point $? 'core and base neither load nor dump JSON' "$bad"
bad=$(grep -nE '^#include "' "$root"/cmd/pmr-*.c "$root"/cmd/tool*.[ch] \
	"$root"/cmd/bench*.[ch] 2>/dev/null |
	grep -vE '"(collab\.h|(tool|bench)[a-z_]*\.h|base/base64\.h)"')
[ -z "$bad" ]
point $? 'the tools use the public header only' "$bad"

# symbols: no I/O, clock or randomness below store, server and client
forbidden='fopen|fdopen|open|openat|read|write|pread|pwrite|recv|send|recvmsg|sendmsg|socket|connect|accept|poll|select|epoll_.*|printf|fprintf|puts|perror|syslog|time|gettimeofday|clock_gettime|nanosleep|usleep|sleep|rand|random|srand|getrandom|arc4random.*|RAND_.*|getenv|system|popen|fork|exec.*|pthread_.*|mmap'
for layer in base core proto; do
	bad=
	for o in "$build/libcollab/$layer"/*.o; do
		[ -e "$o" ] || continue
		hits=$(nm -u "$o" | awk '{sub(/@.*/, "", $2); print $2}' | grep -xE "$forbidden")
		[ -z "$hits" ] || bad="$bad$o: $hits
"
	done
	[ -z "$bad" ]
	point $? "$layer calls nothing of the outside world" "$bad"
done

# every header can be included alone
bad=
for h in "$root"/libcollab/*.h "$root"/libcollab/*/*.h; do
	printf '#include "%s"\n' "${h#"$root"/libcollab/}" |
		${CC:-cc} -std=c11 -D_POSIX_C_SOURCE=200809L -I"$root/libcollab" -fsyntax-only -xc - \
			2>/dev/null || bad="$bad$h "
done
[ -z "$bad" ]
point $? 'every header can be included alone' "$bad"

echo "1..$n"
exit $failed
