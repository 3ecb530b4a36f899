/* What the tests of authentication share: scratch files, keys, tokens. */
#ifndef TESTS_UNIT_AUTH_TOOLS_H
#define TESTS_UNIT_AUTH_TOOLS_H

#include <assert.h>
#include <fcntl.h>
#include <jose/jose.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/auth.h"
#include "server/auth_parts.h"
#include "server/conf.h"

#define SECRET "an example secret of 36 bytes, 0123"
#define NOW INT64_C(1700000000000) /* ms; exp and nbf are around 1700000000 */

/* A scratch directory, removed by scratch_remove with the files that scratch_write made. */
static char scratch_dir[256];
static char scratch_files[64][300];
static int scratch_len;

static inline const char *scratch_path(const char *name)
{
	static char path[300];

	if (!*scratch_dir) {
		const char *base = getenv("TMPDIR");

		(void)snprintf(scratch_dir, sizeof scratch_dir, "%s/collab-auth-XXXXXX",
		               base && *base ? base : "/tmp");
		if (!mkdtemp(scratch_dir))
			abort();
	}
	(void)snprintf(path, sizeof path, "%s/%s", scratch_dir, name);
	return path;
}

/* Write a file (mode 0600); lends its path until the next call. */
static inline const char *scratch_write(const char *name, const void *bytes, size_t len)
{
	const char *path = scratch_path(name);
	FILE *f = fopen(path, "we");
	int i = 0;

	if (!f || fwrite(bytes, 1, len, f) != len || fclose(f) || chmod(path, 0600))
		abort();
	while (i < scratch_len && strcmp(scratch_files[i], path) != 0)
		i++;
	if (i == scratch_len) {
		assert(scratch_len < 64);
		(void)snprintf(scratch_files[scratch_len++], sizeof scratch_files[0], "%s", path);
	}
	return path;
}

static inline void scratch_remove(void)
{
	for (int i = 0; i < scratch_len; i++)
		(void)unlink(scratch_files[i]);
	if (*scratch_dir)
		(void)rmdir(scratch_dir);
}

static inline const char *scratch_json(const char *name, const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);
	const char *path = scratch_write(name, text, strlen(text));

	free(text);
	return path;
}

/* A string member of struct conf, set without the checks of conf_set. */
static inline void conf_text(char **member, const char *text)
{
	free(*member);
	*member = strdup(text);
}

/* Gives bytes as base64url. */
static inline char *base64url(const void *bytes, size_t len)
{
	json_t *text = jose_b64_enc(bytes, len);
	char *copy = strdup(json_string_value(text));

	json_decref(text);
	return copy;
}

static inline json_t *json(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	if (!j)
		abort();
	return j;
}

/* A new private key: {"kty":"EC","crv":"P-256"} and the like, with a kid where it is not NULL. */
static inline json_t *key_make(const char *template, const char *kid)
{
	jose_cfg_t *cfg = quiet_jose();
	json_t *jwk = json(template);

	if (!jose_jwk_gen(cfg, jwk))
		abort();
	(void)json_object_del(jwk, "key_ops");
	(void)json_object_del(jwk, "bits");
	if (kid)
		(void)json_object_set_new(jwk, "kid", json_string(kid));
	jose_cfg_decref(cfg);
	return jwk;
}

static inline json_t *key_public(const json_t *jwk)
{
	jose_cfg_t *cfg = quiet_jose();
	json_t *copy = json_deep_copy(jwk);

	if (!jose_jwk_pub(cfg, copy))
		abort();
	jose_cfg_decref(cfg);
	return copy;
}

/* A JWKS of the public halves of up to three keys; the array ends with NULL. */
static inline json_t *keys_public(json_t *const keys[])
{
	json_t *list = json_array();

	for (int i = 0; keys[i]; i++)
		(void)json_array_append_new(list, key_public(keys[i]));
	return json_pack("{s:o}", "keys", list);
}

static inline char *join_parts(const char *header, const char *payload, const char *signature)
{
	size_t size = strlen(header) + strlen(payload) + strlen(signature) + 3;
	char *token = malloc(size);

	(void)snprintf(token, size, "%s.%s.%s", header, payload, signature);
	return token;
}

/* Gives a token signed by HMAC with a secret, whatever the header says. */
static inline char *token_hmac(const EVP_MD *md, const void *secret, size_t secret_len,
                               const char *header, const char *payload)
{
	char *h = base64url(header, strlen(header)), *p = base64url(payload, strlen(payload));
	char *unsigned_token = join_parts(h, p, ""), *s = NULL, *token = NULL;
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	unsigned_token[strlen(unsigned_token) - 1] = '\0';
	(void)HMAC(md, secret, (int)secret_len, (unsigned char *)unsigned_token,
	           strlen(unsigned_token), mac, &len);
	s = base64url(mac, len);
	token = join_parts(h, p, s);
	free(unsigned_token);
	free(h);
	free(p);
	free(s);
	return token;
}

/* Gives a token of SECRET and HS256. */
static inline char *token_simple(const char *payload)
{
	return token_hmac(EVP_sha256(), SECRET, strlen(SECRET), "{\"alg\":\"HS256\"}", payload);
}

/* Gives a token signed with a private JWK by the algorithm that the header names. */
static inline char *token_sign(const json_t *jwk, const char *header, const char *payload)
{
	jose_cfg_t *cfg = quiet_jose();
	char *h = base64url(header, strlen(header)), *p = base64url(payload, strlen(payload));
	json_t *jws = json_pack("{s:s}", "payload", p);
	json_t *sig = json_pack("{s:s}", "protected", h);
	char *token = NULL;

	if (!jose_jws_sig(cfg, jws, sig, jwk))
		abort();
	token = join_parts(h, p, json_string_value(json_object_get(jws, "signature")));
	json_decref(jws);
	json_decref(sig);
	free(h);
	free(p);
	jose_cfg_decref(cfg);
	return token;
}

/* conf with SECRET and, where it is not NULL, jwks. */
static inline void conf_make(struct conf *c, const char *secret, const char *jwks)
{
	if (conf_init(c, NULL))
		abort();
	if (jwks) /* first: it may be a path that the next scratch file overwrites */
		conf_text(&c->jwks, jwks);
	if (secret)
		conf_text(&c->secret_file, scratch_write("secret", secret, strlen(secret)));
}

/* The one that a test is about: started from keys, asked about tokens, stopped. */
static struct conf the_conf;
static struct auth *the_auth;

/* Check the token; what it was refused for, "" when it was taken (and *id is to be released). */
static inline const char *refusal_at(const char *token, int64_t now_ms, struct identity *id)
{
	static struct err e;
	int rc;

	e = (struct err){0};
	rc = auth_token(the_auth, token, now_ms, id, &e);
	if (rc == AUTH_WAIT)
		return "wait";
	if (rc != e.code || (rc && rc != ERR_UNAUTHENTICATED && rc != ERR_TOKEN_EXPIRED))
		return "an unexpected code";
	return rc ? e.text : "";
}

/* As above, now, and takes (frees) the token. */
static inline const char *refusal(char *token)
{
	struct identity id = {0};
	const char *text = refusal_at(token, NOW, &id);

	identity_release(&id);
	free(token);
	return text;
}

static inline void auth_start(const char *secret, const json_t *jwks)
{
	struct err e = {0};

	conf_make(&the_conf, secret, NULL);
	if (jwks)
		conf_text(&the_conf.jwks, scratch_json("jwks", jwks));
	if (auth_new(&the_auth, &the_conf, &e)) {
		(void)fprintf(stderr, "%s\n", e.text);
		abort();
	}
}

static inline void auth_stop(void)
{
	auth_free(the_auth);
	the_auth = NULL;
	conf_release(&the_conf);
}

#endif
