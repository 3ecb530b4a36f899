/*
 * Who a request is: JWTs, tickets, and peers on the Unix socket (collab-protocol(7), IDENTITY).
 *
 * One thread uses a struct auth.  No clock of its own: now_ms is an argument.  Keys are read from
 * files, or fetched from a JWKS URL by a thread (at the start, every hour, and for an unknown
 * `kid`; never more than once a minute by that thread's own clock; see AUTH_WAIT).  Nothing here
 * ever logs a token, and no reason for a refusal holds any part of one.
 */
#ifndef COLLAB_SERVER_AUTH_H
#define COLLAB_SERVER_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "server/conf.h"
#include "server/http.h"

enum scope {
	SCOPE_START = 1,   /* collab:start, of any report */
	SCOPE_READ = 2,    /* collab:read */
	SCOPE_METRICS = 4, /* collab:metrics */
	SCOPE_ADMIN = 8    /* collab:admin: everything */
};

/* One allocation behind the strings; identity_release frees it. */
struct identity {
	const char *user_id;
	const char *name;
	const char *email; /* NULL: unknown */
	const char *via; /* user_id of the administrator who acts as this user; NULL: nobody does */
	const char *start_only; /* space-separated globs from collab:start:GLOB; NULL: none */
	unsigned scopes;        /* enum scope, or-ed */
	int64_t expires_ms; /* not taken any more from here on, leeway included; INT64_MAX: never */
	void *memory;
};

void identity_release(struct identity *id); /* a zeroed struct is fine */
int identity_copy(const struct identity *id, struct identity *out);

/* Whether the identity may start a session of this report (fnmatch(3) globs, no path rules). */
bool identity_may_start(const struct identity *id, const char *report_id);

struct auth;

/*
 * Reads keys; ERR_CONFIG with a sentence naming the file.  conf (after conf_finish) is lent until
 * auth_free.  A JWKS URL is not waited for.
 */
int auth_new(struct auth **out, const struct conf *conf, struct err *e);
void auth_free(struct auth *a);

/*
 * Read keys and settings again from conf, which is lent as by auth_new; on failure everything stays
 * as it was, and the old conf is still lent.  Tickets stay good.  Calls wake (auth_on_keys).
 */
int auth_reload(struct auth *a, const struct conf *conf, struct err *e);

/* Whether any key is configured: without one, TCP answers 401. */
bool auth_has_keys(const struct auth *a);

/*
 * A token unknown to us because the JWKS URL may have its key by now: the caller keeps the request
 * and asks again after `wake` (set by auth_on_keys) was called.  It may be called before auth_token
 * has returned, from any thread: it posts to the loop and does no more.  Asked again, auth_token
 * answers unless a further attempt is under way; a caller that waits but once takes a second
 * AUTH_WAIT for ERR_UNAUTHENTICATED.
 */
#define AUTH_WAIT (-1001)
void auth_on_keys(struct auth *a, void (*wake)(void *arg), void *arg);

/* How the last attempt to fetch the JWKS URL went, for the log: 0, or ERR_UNREACHABLE and why. */
int auth_fetch_status(struct auth *a, struct err *e);

/*
 * Check a JWT.  0 and *out (release it); ERR_UNAUTHENTICATED or ERR_TOKEN_EXPIRED with a reason;
 * AUTH_WAIT, and *e is as it was.  A token without exp never expires.
 */
int auth_token(struct auth *a, const char *token, int64_t now_ms, struct identity *out,
               struct err *e);

/*
 * The identity of a request.  The first of these counts: `Authorization: Bearer`; where `browser`
 * is set (WebSocket, SSE) token= and ticket= of the query, then subprotocol `ticket.T`; on a Unix
 * socket the peer.  Another Authorization without any of them is ERR_UNAUTHENTICATED.  X-Collab-As
 * is for administrators who are judged as peers: ERR_FORBIDDEN to all others, ERR_BAD_REQUEST when
 * malformed. Without keys, TCP is ERR_UNAUTHENTICATED in any case.
 */
int auth_request(struct auth *a, const struct request *r, bool browser, int64_t now_ms,
                 struct identity *out, struct err *e);

/* A new ticket for id: single use, 30 s.  ERR_RATE_LIMITED when 10,000 are out. */
enum { TICKET_LEN = 43, TICKET_SECONDS = 30 };
int auth_ticket(struct auth *a, const struct identity *id, const unsigned char random[32],
                int64_t now_ms, char out[TICKET_LEN + 1], struct err *e);

/*
 * The identity of a Unix peer: LOGIN@local, uid-N@local where that is no user id; the name is the
 * account's full name.  uid 0, the daemon's own and members of admin_group get SCOPE_ADMIN; 65534
 * is ERR_FORBIDDEN; `as` ("user_id" or "user_id;name") may be NULL.  Acting as another (local ones
 * included) gives the default scopes and `via`.
 */
int auth_peer(struct auth *a, const struct peer *peer, const char *as, struct identity *out,
              struct err *e);

#endif
