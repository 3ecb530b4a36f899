/*
 * JSON Web Tokens (RFC 7515, 7519), with the advice of RFC 8725: the algorithm is chosen by the
 * key, never by the token alone.
 *
 * libjose does the cryptography.  It would take more than is wanted here (any serialisation, any of
 * its algorithms), so form, algorithm and key are matched first.
 */
#include <jose/jose.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "server/auth_parts.h"

/* libjose in Debian 12 has neither EdDSA nor ES256K; whatever is not here is refused. */
static const struct algorithm {
	const char *name;
	enum key_family family;
	const char *curve; /* of KEY_EC */
} algorithms[] = {
	{"HS256", KEY_OCT, NULL},   {"HS384", KEY_OCT, NULL},   {"HS512", KEY_OCT, NULL},
	{"RS256", KEY_RSA, NULL},   {"RS384", KEY_RSA, NULL},   {"RS512", KEY_RSA, NULL},
	{"PS256", KEY_RSA, NULL},   {"ES256", KEY_EC, "P-256"}, {"ES384", KEY_EC, "P-384"},
	{"ES512", KEY_EC, "P-521"},
};

/* One of the three parts: where it is in the token. */
struct part {
	const char *s;
	size_t len;
};

struct header {
	json_t *json;
	const struct algorithm *algorithm;
	const char *kid; /* NULL: none */
};

static void say_nothing(void *misc, const char *file, int line, uint64_t code, const char *fmt,
                        va_list ap)
{
	(void)misc;
	(void)file;
	(void)line;
	(void)code;
	(void)fmt;
	(void)ap;
}

jose_cfg_t *quiet_jose(void)
{
	jose_cfg_t *cfg = jose_cfg();

	if (cfg)
		jose_cfg_set_err_func(cfg, say_nothing, NULL);
	return cfg;
}

/*
 * base64url without padding, and no second spelling of the same bytes: unused bits are zero
 * (RFC 4648 section 3.5).
 */
static bool base64url_strict(const char *s, size_t len)
{
	static const char digits[] = JOSE_B64_MAP;
	size_t unused = len % 4 == 2 ? 15 : len % 4 == 3 ? 3 : 0;

	if (len == 0 || len % 4 == 1)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!memchr(digits, s[i], 64))
			return false;
	return ((size_t)((const char *)memchr(digits, s[len - 1], 64) - digits) & unused) == 0;
}

static int malformed(struct err *e)
{
	return err_set(e, ERR_UNAUTHENTICATED, "the token is malformed");
}

/* header.payload.signature, each strict base64url. */
static int split(const char *token, struct part parts[3], struct err *e)
{
	size_t len = strnlen(token, TOKEN_LEN_MAX + 1);

	if (len > TOKEN_LEN_MAX)
		return err_set(e, ERR_UNAUTHENTICATED, "the token is longer than 16 KiB");
	for (int i = 0; i < 3; i++) {
		parts[i].s = token;
		parts[i].len = strcspn(token, ".");
		token += parts[i].len;
		if (*token != (i < 2 ? '.' : '\0') || !base64url_strict(parts[i].s, parts[i].len))
			return malformed(e);
		token++;
	}
	return 0;
}

/* A part that is a JSON object (a key given twice makes it none). */
static int load(const struct part *part, json_t **out, struct err *e)
{
	size_t len = jose_b64_dec_buf(NULL, part->len, NULL, 0);
	char *bytes = malloc(len + 1);

	*out = NULL;
	if (!bytes)
		return err_set(e, ERR_NOMEM, NULL);
	if (jose_b64_dec_buf(part->s, part->len, bytes, len) == len)
		*out = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
	free(bytes);
	if (json_is_object(*out))
		return 0;
	json_decref(*out);
	*out = NULL;
	return malformed(e);
}

static int read_header(const struct part *part, struct header *h, struct err *e)
{
	const char *alg = NULL;
	json_t *kid = NULL;
	int rc = load(part, &h->json, e);

	if (rc)
		return rc;
	/* It lists extensions that must be understood (RFC 7515 section 4.1.11); none is. */
	if (json_object_get(h->json, "crit"))
		return err_set(e, ERR_UNAUTHENTICATED, "the token has a crit header");
	alg = json_string_value(json_object_get(h->json, "alg"));
	for (size_t i = 0; alg && i < sizeof algorithms / sizeof algorithms[0]; i++)
		if (strcmp(algorithms[i].name, alg) == 0)
			h->algorithm = &algorithms[i];
	if (!h->algorithm)
		return err_set(e, ERR_UNAUTHENTICATED,
		               "the token's algorithm is not one that is accepted");
	kid = json_object_get(h->json, "kid");
	if (kid && !json_is_string(kid))
		return malformed(e);
	h->kid = json_string_value(kid);
	return 0;
}

static bool key_fits(const struct key *k, const struct algorithm *a)
{
	return k->family == a->family && (!a->curve || strcmp(k->curve, a->curve) == 0) &&
	       (!k->alg || strcmp(k->alg, a->name) == 0);
}

/* Trying keys on one token, and what came of it. */
struct trial {
	jose_cfg_t *cfg;
	json_t *jws;
	const struct header *header;
	bool kid_known; /* some key has the token's kid */
	bool fitted;    /* some key was tried */
};

/* Try the keys of the token's kid, or (without_kid) those that have none or need none. */
static bool try_keys(struct trial *t, const struct keyset *set, bool without_kid)
{
	for (int i = 0; i < set->len; i++) {
		const struct key *k = &set->keys[i];

		if (without_kid) {
			if (t->header->kid && k->kid)
				continue;
		} else {
			if (!k->kid || strcmp(k->kid, t->header->kid) != 0)
				continue;
			t->kid_known = true;
		}
		if (!key_fits(k, t->header->algorithm))
			continue;
		t->fitted = true;
		if (jose_jws_ver(t->cfg, t->jws, NULL, k->jwk, false))
			return true;
	}
	return false;
}

static int check_signature(struct trial *t, const struct keyset *const sets[], int sets_len,
                           enum jwt_lack *lack, struct err *e)
{
	bool good = false;

	for (int i = 0; i < sets_len && t->header->kid && !good; i++)
		good = try_keys(t, sets[i], false);
	/* A key without kid may be anyone's: issuers name keys even where there is but one. */
	for (int i = 0; i < sets_len && !t->kid_known && !good; i++)
		good = try_keys(t, sets[i], true);
	/* TLS on this thread reads the same queue of errors. */
	ERR_clear_error();
	if (good)
		return 0;
	if (t->header->kid && !t->kid_known)
		*lack = JWT_LACKS_KID;
	else if (!t->header->kid)
		*lack = JWT_LACKS_KEY;
	if (t->fitted)
		return err_set(e, ERR_UNAUTHENTICATED, "the signature does not match");
	if (t->header->kid && !t->kid_known)
		return err_set(e, ERR_UNAUTHENTICATED, "no key has the token's kid");
	return err_set(e, ERR_UNAUTHENTICATED, "no key fits this algorithm");
}

/* The token as libjose takes it: RFC 7515 section 7.2.2, flattened. */
static json_t *flatten(const struct part parts[3])
{
	return json_pack("{s:s%,s:s%,s:s%}", "protected", parts[0].s, parts[0].len, "payload",
	                 parts[1].s, parts[1].len, "signature", parts[2].s, parts[2].len);
}

int jwt_verify(const struct keyset *const sets[], int sets_len, const char *token, json_t **claims,
               enum jwt_lack *lack, struct err *e)
{
	struct header header = {0};
	struct trial trial = {.header = &header};
	struct part parts[3];
	int rc;

	*claims = NULL;
	*lack = JWT_LACKS_NOTHING;
	rc = split(token, parts, e);
	if (!rc)
		rc = read_header(&parts[0], &header, e);
	if (rc)
		goto out;
	trial.cfg = quiet_jose();
	trial.jws = flatten(parts);
	if (!trial.cfg || !trial.jws) {
		rc = err_set(e, ERR_NOMEM, NULL);
		goto out;
	}
	rc = check_signature(&trial, sets, sets_len, lack, e);
	if (!rc)
		rc = load(&parts[1], claims, e);
out:
	if (trial.cfg)
		jose_cfg_decref(trial.cfg);
	json_decref(trial.jws);
	json_decref(header.json);
	return rc;
}
