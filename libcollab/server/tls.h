/* TLS on non-blocking sockets, by libssl; the only file that calls it. */
#ifndef COLLAB_SERVER_TLS_H
#define COLLAB_SERVER_TLS_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"

struct tls;
struct ssl_st; /* one connection */

/* A server with this certificate chain and key (PEM files); TLS 1.2 and later.  ERR_CONFIG. */
int tls_new(struct tls **out, const char *certificate, const char *key, struct err *e);
void tls_free(struct tls *t); /* NULL is fine; connections go on */

/* A connection on a socket that was accepted.  NULL: out of memory. */
struct ssl_st *tls_accept(struct tls *t, int fd);
void tls_end(struct ssl_st *s);   /* say that nothing more will be written, if that can be said */
void tls_close(struct ssl_st *s); /* tls_end and free; NULL is fine */

enum {
	TLS_WANT_READ = -1,  /* call again when the socket is readable */
	TLS_WANT_WRITE = -2, /* … writable */
	TLS_FAILED = -3      /* the connection is of no use any more */
};

/* Read at most len bytes, the handshake first.  > 0; 0: the peer has said all; or TLS_*. */
ssize_t tls_read(struct ssl_st *s, void *out, size_t len);

/*
 * Write from pieces, at most some records' worth; > 0: how much was taken; or TLS_*.  What was not
 * taken must be offered again next time, in front of anything else.
 */
ssize_t tls_write(struct ssl_st *s, const struct iovec *pieces, int pieces_len);

#endif
