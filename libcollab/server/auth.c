/* Authentication: which of token, ticket and peer a request is judged by, and the keys behind it.
 */
#include "server/auth.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/auth_parts.h"

enum { FETCH_INTERVAL_MS = 60000 };

struct auth {
	const struct conf *conf;
	struct keyset own;     /* from secret_file and a jwks file */
	struct keyset fetched; /* from a jwks URL */
	bool fetched_once;
	struct key_fetcher *fetcher; /* NULL: jwks is no URL */
	bool has_group;
	gid_t admin_gid;
	struct token_cache cache;
	struct tickets tickets;
	void (*wake)(void *arg);
	void *wake_arg;
};

static bool is_url(const char *jwks)
{
	return strstr(jwks, "://") != NULL;
}

/* What conf names, read into *a, a struct of its own; the fetcher of `old` is kept if it fits. */
static int load(struct auth *a, const struct conf *conf, const struct auth *old, struct err *e)
{
	bool url = is_url(conf->jwks);
	int rc = 0;

	a->conf = conf;
	if (*conf->secret_file)
		rc = keyset_read_secret(&a->own, conf->secret_file, e);
	if (!rc && *conf->jwks && !url)
		rc = keyset_read_jwks(&a->own, conf->jwks, e);
	if (!rc)
		rc = peer_group(conf, &a->has_group, &a->admin_gid, e);
	if (rc || !url)
		return rc;
	if (old && old->fetcher && strcmp(key_fetcher_url(old->fetcher), conf->jwks) == 0) {
		a->fetcher = old->fetcher;
		return 0;
	}
	return key_fetcher_new(&a->fetcher, conf->jwks, FETCH_INTERVAL_MS, e);
}

int auth_new(struct auth **out, const struct conf *conf, struct err *e)
{
	struct auth *a = calloc(1, sizeof *a);
	int rc;

	*out = NULL;
	if (!a)
		return err_set(e, ERR_NOMEM, NULL);
	peer_prepare();
	rc = load(a, conf, NULL, e);
	if (rc) {
		auth_free(a);
		return rc;
	}
	*out = a;
	return 0;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	key_fetcher_free(a->fetcher);
	keyset_release(&a->own);
	keyset_release(&a->fetched);
	token_cache_release(&a->cache);
	tickets_release(&a->tickets);
	free(a);
}

int auth_reload(struct auth *a, const struct conf *conf, struct err *e)
{
	struct auth next = {0};
	int rc = load(&next, conf, a, e);

	if (rc) {
		keyset_release(&next.own);
		return rc;
	}
	if (next.fetcher == a->fetcher) {
		if (a->fetcher)
			key_fetcher_refresh(a->fetcher);
	} else {
		key_fetcher_free(a->fetcher);
		keyset_release(&a->fetched);
		a->fetched_once = false;
		a->fetcher = next.fetcher;
		if (a->fetcher)
			key_fetcher_wake(a->fetcher, a->wake, a->wake_arg);
	}
	keyset_release(&a->own);
	a->own = next.own;
	a->conf = conf;
	a->has_group = next.has_group;
	a->admin_gid = next.admin_gid;
	token_cache_release(&a->cache);
	/* Who waits for a fetcher that is gone would wait for ever. */
	if (a->wake)
		a->wake(a->wake_arg);
	return 0;
}

bool auth_has_keys(const struct auth *a)
{
	return a->own.len > 0 || a->fetcher;
}

void auth_on_keys(struct auth *a, void (*wake)(void *arg), void *arg)
{
	a->wake = wake;
	a->wake_arg = arg;
	if (a->fetcher)
		key_fetcher_wake(a->fetcher, wake, arg);
}

int auth_fetch_status(struct auth *a, struct err *e)
{
	return a->fetcher ? key_fetcher_status(a->fetcher, e) : 0;
}

int auth_token(struct auth *a, const char *token, int64_t now_ms, struct identity *out,
               struct err *e)
{
	const struct keyset *const sets[] = {&a->own, &a->fetched};
	size_t len = strnlen(token, TOKEN_LEN_MAX + 1);
	enum jwt_lack lack = JWT_LACKS_NOTHING;
	const struct identity *known = NULL;
	json_t *claims = NULL;
	int rc;

	*out = (struct identity){0};
	if (!auth_has_keys(a))
		return err_set(e, ERR_UNAUTHENTICATED, "no keys for tokens are configured");
	if (a->fetcher && key_fetcher_take(a->fetcher, &a->fetched)) {
		a->fetched_once = true;
		token_cache_release(&a->cache); /* a key may have been withdrawn */
	}
	known = token_cache_get(&a->cache, token, len, now_ms);
	if (known) {
		rc = identity_copy(known, out);
		return rc ? err_set(e, rc, NULL) : 0;
	}
	rc = jwt_verify(sets, 2, token, &claims, &lack, e);
	if (rc && a->fetcher &&
	    (lack == JWT_LACKS_KID || (lack == JWT_LACKS_KEY && !a->fetched_once)) &&
	    key_fetcher_ask(a->fetcher))
		return AUTH_WAIT;
	if (!rc)
		rc = claims_identity(claims, a->conf, now_ms, out, e);
	if (!rc)
		token_cache_put(&a->cache, token, len, now_ms, out);
	json_decref(claims);
	return rc;
}

int auth_ticket(struct auth *a, const struct identity *id, const unsigned char random[32],
                int64_t now_ms, char out[TICKET_LEN + 1], struct err *e)
{
	return tickets_add(&a->tickets, id, random, now_ms, out, e);
}

int auth_peer(struct auth *a, const struct peer *peer, const char *as, struct identity *out,
              struct err *e)
{
	return peer_identity(a->conf, a->has_group, a->admin_gid, peer, as, out, e);
}

enum credential_kind { CREDENTIAL_NONE, CREDENTIAL_TOKEN, CREDENTIAL_TICKET };

/* The credential of a request, lent by it. */
struct credential {
	enum credential_kind kind;
	const char *text;
	size_t len;
	bool escaped; /* it stands in the query */
};

static int hex_value(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

/* Gives a copy, with its percent-escapes undone; NULL without memory. */
static char *credential_copy(const struct credential *c)
{
	char *out = malloc(c->len + 1), *p = out;

	for (size_t i = 0; out && i < c->len; i++) {
		const char *s = c->text + i;
		int high = c->escaped && *s == '%' && c->len - i > 2 ? hex_value(s[1]) : -1;
		int low = high >= 0 ? hex_value(s[2]) : -1;

		/* An escaped NUL would end the text early; as it stands it fits no credential. */
		if (low >= 0 && high + low > 0) {
			*p++ = (char)(high << 4 | low);
			i += 2;
		} else {
			*p++ = *s;
		}
	}
	if (out)
		*p = '\0';
	return out;
}

/* The first `name=` of a query, as a credential of this kind. */
static bool in_query(const char *query, const char *name, enum credential_kind kind,
                     struct credential *c)
{
	size_t n = strlen(name);

	while (*query) {
		size_t pair = strcspn(query, "&");

		if (pair > n && memcmp(query, name, n) == 0 && query[n] == '=') {
			*c = (struct credential){kind, query + n + 1, pair - n - 1, true};
			return true;
		}
		query += pair + (query[pair] == '&');
	}
	return false;
}

/* The subprotocol "ticket.T" of a Sec-WebSocket-Protocol list. */
static bool in_protocols(const char *list, struct credential *c)
{
	static const char prefix[] = "ticket.";
	size_t n = sizeof prefix - 1;

	while (list && *list) {
		size_t word;

		list += strspn(list, " \t,");
		word = strcspn(list, " \t,");
		if (word > n && memcmp(list, prefix, n) == 0) {
			*c = (struct credential){CREDENTIAL_TICKET, list + n, word - n, false};
			return true;
		}
		list += word;
	}
	return false;
}

/* Authorization, then what a browser may send instead. */
static int find_credential(const struct request *r, bool browser, struct credential *c,
                           struct err *e)
{
	static const char bearer[] = "Bearer ";

	*c = (struct credential){0};
	if (r->authorization && strncasecmp(r->authorization, bearer, sizeof bearer - 1) == 0) {
		c->kind = CREDENTIAL_TOKEN;
		c->text = r->authorization + sizeof bearer - 1;
		c->text += strspn(c->text, " ");
		c->len = strlen(c->text);
		return 0;
	}
	if (browser &&
	    (in_query(r->query, "token", CREDENTIAL_TOKEN, c) ||
	     in_query(r->query, "ticket", CREDENTIAL_TICKET, c) || in_protocols(r->ws_protocol, c)))
		return 0;
	if (r->authorization)
		return err_set(e, ERR_UNAUTHENTICATED, "Authorization must be Bearer and a token");
	return 0;
}

/* The identity behind a token or ticket; whoever sends one is no peer and acts as nobody else. */
static int check_credential(struct auth *a, const struct credential *c, const char *as,
                            int64_t now_ms, struct identity *out, struct err *e)
{
	char *text = credential_copy(c);
	int rc;

	if (!text)
		return err_set(e, ERR_NOMEM, NULL);
	if (c->kind == CREDENTIAL_TOKEN)
		rc = auth_token(a, text, now_ms, out, e);
	else
		rc = tickets_use(&a->tickets, text, now_ms, out, e);
	free(text);
	if (rc || !as)
		return rc;
	identity_release(out);
	return err_set(e, ERR_FORBIDDEN,
	               "only an administrator on the Unix socket may act as another user");
}

int auth_request(struct auth *a, const struct request *r, bool browser, int64_t now_ms,
                 struct identity *out, struct err *e)
{
	struct credential c;
	int rc;

	*out = (struct identity){0};
	if (!r->peer.local && !auth_has_keys(a))
		return err_set(e, ERR_UNAUTHENTICATED,
		               "no keys for tokens are configured; only the Unix socket is open");
	rc = find_credential(r, browser, &c, e);
	if (rc)
		return rc;
	if (c.kind != CREDENTIAL_NONE)
		return check_credential(a, &c, r->as, now_ms, out, e);
	if (r->peer.local)
		return auth_peer(a, &r->peer, r->as, out, e);
	return err_set(e, ERR_UNAUTHENTICATED, "a token is required");
}
