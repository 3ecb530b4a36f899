/*
 * HTTP as the daemon speaks it: one request, one answer.  Pure: bytes in, bytes out.
 *
 * The parser is libhttp-parser's; everything it leaves open is decided here: limits on heads and
 * bodies, Host, Content-Length (411), Expect, Upgrade, keep-alive.  net.c owns the sockets.
 */
#ifndef COLLAB_SERVER_HTTP_H
#define COLLAB_SERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Who is at the other end of the socket. */
struct peer {
	bool local; /* a Unix socket; uid and gid count */
	uid_t uid;
	gid_t gid;
	pid_t pid;
	char address[48]; /* of a TCP peer, without port; "local" */
};

/* The headers that anything here looks at: X(member, name) */
#define HTTP_HEADERS(X)                                                                            \
	X(host, "host")                                                                            \
	X(authorization, "authorization")                                                          \
	X(accept, "accept")                                                                        \
	X(content_type, "content-type")                                                            \
	X(if_match, "if-match")                                                                    \
	X(if_none_match, "if-none-match")                                                          \
	X(idempotency_key, "idempotency-key")                                                      \
	X(last_event_id, "last-event-id")                                                          \
	X(as, "x-collab-as")                                                                       \
	X(origin, "origin")                                                                        \
	X(expect, "expect")                                                                        \
	X(upgrade_to, "upgrade")                                                                   \
	X(ws_key, "sec-websocket-key")                                                             \
	X(ws_version, "sec-websocket-version")                                                     \
	X(ws_protocol, "sec-websocket-protocol")                                                   \
	X(cors_method, "access-control-request-method")

struct request {
	const char *method;                 /* "GET", …; HEAD stays HEAD */
	const char *path;                   /* as sent, still percent-encoded, without query */
	const char *query;                  /* without '?'; "" when there is none */
#define X(member, name) const char *member; /* NULL: absent or empty; lists are joined */
	HTTP_HEADERS(X)
#undef X
	const char *body;
	size_t body_len;
	bool websocket; /* a valid WebSocket handshake (RFC 6455 section 4.2.1) */
	struct peer peer;
};

struct response {
	int status;
	const char *content_type; /* static string; NULL: no body */
	struct buf headers;       /* further "Name: value\r\n" lines */
	struct buf body;
};

void response_init(struct response *r, int status);
void response_release(struct response *r);

/* Append the head and body of r for `req_method` to *out; keep_alive says which Connection to send.
 */
void response_write(const struct response *r, const char *req_method, bool keep_alive,
                    struct buf *out);

#endif
