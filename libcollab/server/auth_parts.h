/* What auth.c is made of: keys, tokens, tickets, peers.  Only the auth files and their tests
 * include this. */
#ifndef COLLAB_SERVER_AUTH_PARTS_H
#define COLLAB_SERVER_AUTH_PARTS_H

#include <jansson.h>
#include <jose/cfg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "core/limits.h"
#include "server/auth.h"
#include "server/conf.h"
#include "server/http.h"

enum {
	TOKEN_LEN_MAX = 16384, /* bytes of a compact JWT */
	KEYS_BYTES_MAX = 1 << 20,
	KEYS_MAX = 100, /* of one file or URL: a token without kid may have to try them all */
	GLOB_LEN_MAX = 256,
	TICKETS_MAX = 10000
};

/* identity.c */

/* A name as it may be shown: no control characters, no blanks around it, cut at a code point. */
void name_clean(const char *s, char out[USER_NAME_BYTES_MAX + 1]);

/*
 * Read a space-separated list of scopes: the flags into *flags, the globs of collab:start:GLOB
 * appended to *globs, separated by spaces.  Unknown scopes give nothing.
 */
void scopes_read(const char *scopes, unsigned *flags, struct buf *globs);

/* keys.c */

enum key_family { KEY_OCT, KEY_RSA, KEY_EC };

struct key {
	enum key_family family;
	const char *curve; /* of KEY_EC: "P-256", …; lent by jwk */
	const char *kid;   /* NULL: it has none; lent by jwk */
	const char *alg; /* the only algorithm it is for, or NULL: all of its family; lent by jwk */
	json_t *jwk;     /* without private parts, save those of KEY_OCT */
};

struct keyset {
	struct key *keys;
	int len;
};

void keyset_release(struct keyset *k); /* a zeroed struct is fine */

/*
 * Add the keys of a JWK or JWKS.  What is not for checking signatures, or of a kind unknown here,
 * is passed over.  `from_file`: a broken or weak key is ERR_CONFIG, and *has_secret tells whether
 * there is a secret or private part; otherwise (from a URL) such keys are passed over, as are those
 * with secret parts: what anyone can fetch keeps no secret.  ERR_CONFIG when no key is left.
 */
int keyset_parse(struct keyset *k, const char *json, size_t len, bool from_file, bool *has_secret,
                 struct err *e);

/* Add the secret that the file holds (32 to 1024 bytes, one newline at the end does not count). */
int keyset_read_secret(struct keyset *k, const char *path, struct err *e);

/* Add the keys of a file; with secret parts it must be readable by its owner alone. */
int keyset_read_jwks(struct keyset *k, const char *path, struct err *e);

/* keys_url.c */

struct key_fetcher;

/* Whether `url` may be fetched: https, or http on the loopback; no user or password.  0,
 * ERR_CONFIG. */
int key_url_check(const char *url, struct err *e);

/*
 * Start a thread that fetches `url` now, again every hour, and when asked, but never more often
 * than every interval_ms.  `wake` (may be NULL) is called from it after each attempt.
 */
int key_fetcher_new(struct key_fetcher **out, const char *url, int64_t interval_ms, struct err *e);
void key_fetcher_free(struct key_fetcher *f); /* waits for the thread; a transfer is cut off */
void key_fetcher_wake(struct key_fetcher *f, void (*wake)(void *arg), void *arg);

/* Whether an answer is under way (false: it was fetched too recently to ask again). */
bool key_fetcher_ask(struct key_fetcher *f);

/* Fetch again as soon as the interval allows. */
void key_fetcher_refresh(struct key_fetcher *f);

/* Gives the keys when new ones have arrived since the last call; false: *k is as it was. */
bool key_fetcher_take(struct key_fetcher *f, struct keyset *k);

/* How the last attempt went: 0, or ERR_UNREACHABLE with a sentence. */
int key_fetcher_status(struct key_fetcher *f, struct err *e);

const char *key_fetcher_url(const struct key_fetcher *f);

/* jwt.c */

/* Settings of libjose that keep it from writing what it dislikes to stderr (NULL would not). */
jose_cfg_t *quiet_jose(void);

/* How far a key that is not there (yet) could change the answer. */
enum jwt_lack { JWT_LACKS_NOTHING, JWT_LACKS_KEY, JWT_LACKS_KID };

/*
 * Check the form and the signature of a compact JWT.  0 and *claims (a JSON object; json_decref
 * it), or ERR_UNAUTHENTICATED; *lack says whether another key could help.
 */
int jwt_verify(const struct keyset *const sets[], int sets_len, const char *token, json_t **claims,
               enum jwt_lack *lack, struct err *e);

/* claims.c */

/* The identity that claims give at now_ms under the rules of conf ([auth]). */
int claims_identity(const json_t *claims, const struct conf *conf, int64_t now_ms,
                    struct identity *out, struct err *e);

/* ticket.c */

struct tickets {
	struct map map; /* hex SHA-256 of a ticket to struct ticket */
	int64_t purged_ms;
};

void tickets_release(struct tickets *t); /* a zeroed struct is fine */
int tickets_add(struct tickets *t, const struct identity *id, const unsigned char random[32],
                int64_t now_ms, char out[TICKET_LEN + 1], struct err *e);

/* Redeem a ticket: 0 and its identity, or ERR_UNAUTHENTICATED; it is gone in any case. */
int tickets_use(struct tickets *t, const char *ticket, int64_t now_ms, struct identity *out,
                struct err *e);

/* token_cache.c */

struct token_cache {
	struct token_entry **slots; /* NULL until something is kept */
};

void token_cache_release(struct token_cache *c); /* a zeroed struct is fine */

/* The identity a token was found to have, if that still holds at now_ms; NULL: check it. */
const struct identity *token_cache_get(struct token_cache *c, const char *token, size_t len,
                                       int64_t now_ms);

/* Keep what was found.  Best effort: without memory nothing is kept. */
void token_cache_put(struct token_cache *c, const char *token, size_t len, int64_t now_ms,
                     const struct identity *id);

/* peer.c */

/*
 * The first look-up in the user database loads what it takes.  Let it be made at the start: glibc
 * 2.36 does not survive that an allocation fails in it (nss_database_get uses what it has not got).
 */
void peer_prepare(void);

/* The gid of the group that conf names in admin_group, *has false when it names none. */
int peer_group(const struct conf *conf, bool *has, gid_t *gid, struct err *e);

/* The identity of a peer (auth.h, auth_peer), given the administrators' group. */
int peer_identity(const struct conf *conf, bool has_group, gid_t admin_gid, const struct peer *peer,
                  const char *as, struct identity *out, struct err *e);

#endif
