/* Listening sockets: made from the configuration, or inherited.  No event loop here. */
#ifndef COLLAB_SERVER_LISTEN_H
#define COLLAB_SERVER_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

enum { LISTEN_ADDRESS_MAX = 128 };

struct listen_socket {
	int fd;
	bool local;                       /* a Unix socket */
	char address[LISTEN_ADDRESS_MAX]; /* "127.0.0.1:8765", "[::1]:8765", or the path */
	/* The file of a Unix socket that was made here, so that only that one is removed again. */
	bool made;
	dev_t dev;
	ino_t ino;
};

/*
 * Listen on "HOST:PORT": HOST an IPv4 address, an IPv6 address in brackets, or "*" (every address
 * of either family); port 0 picks one.  ERR_CONFIG when it is no such thing or not permitted,
 * ERR_UNREACHABLE when the address is in use or not this machine's.
 */
int listen_tcp(struct listen_socket *l, const char *address, struct err *e);

/*
 * Listen on a Unix socket (mode 0660, its directory made if missing).  A socket file on which
 * nobody answers is replaced; on which somebody does, ERR_UNREACHABLE.
 */
int listen_unix(struct listen_socket *l, const char *path, struct err *e);

/* Take over a descriptor that listens already.  ERR_CONFIG when it does not. */
int listen_inherited(struct listen_socket *l, int fd, struct err *e);

/* Close, and remove the file if it is (still) the one made here. */
void listen_close(struct listen_socket *l);

/* What connections inherit from a TCP listener: no delay, keepalive, little unsent in the kernel.
 */
void listen_tune(const struct listen_socket *l, int64_t keepalive_seconds);

#endif
