/* Keys that signatures are checked with: a secret, or JWKs (RFC 7517) from a file or a URL. */
#include <errno.h>
#include <fcntl.h>
#include <jose/jose.h>
#include <jose/openssl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/auth_parts.h"

enum {
	SECRET_LEN_MIN = 32,
	SECRET_LEN_MAX = 1024, /* libjose takes no longer ones */
	SECRET_LEN_PADDED = 64,
	RSA_BITS_MIN = 2048,
	RSA_BITS_MAX = 16384
};

void keyset_release(struct keyset *k)
{
	for (int i = 0; i < k->len; i++)
		json_decref(k->keys[i].jwk);
	free(k->keys);
	*k = (struct keyset){0};
}

/* Takes key (its jwk).  0 or ERR_NOMEM. */
static int add(struct keyset *k, const struct key *key, struct err *e)
{
	struct key *keys = realloc(k->keys, ((size_t)k->len + 1) * sizeof *keys);

	if (!keys)
		return err_set(e, ERR_NOMEM, NULL);
	k->keys = keys;
	k->keys[k->len++] = *key;
	return 0;
}

/*
 * A secret as a JWK.  libjose insists on keys as long as the hash (RFC 7518 section 3.2), which
 * would deny HS384 and HS512 to a secret of 32 bytes.  HMAC itself fills keys with zeros up to its
 * block of 64 or 128 bytes (RFC 2104), so zeros up to 64 make the same key, and one that libjose
 * takes.
 */
static json_t *secret_jwk(const unsigned char *secret, size_t len)
{
	unsigned char padded[SECRET_LEN_MAX] = {0};
	json_t *k = NULL;

	memcpy(padded, secret, len);
	k = jose_b64_enc(padded, len < SECRET_LEN_PADDED ? SECRET_LEN_PADDED : len);
	OPENSSL_cleanse(padded, sizeof padded);
	return json_pack("{s:s,s:o}", "kty", "oct", "k", k);
}

static const char *text_of(const json_t *jwk, const char *name)
{
	return json_string_value(json_object_get(jwk, name));
}

/* Whether `use` and `key_ops` allow checking signatures (RFC 7517 section 4.2, 4.3). */
static bool for_verifying(const json_t *jwk)
{
	const json_t *use = json_object_get(jwk, "use"), *ops = json_object_get(jwk, "key_ops");

	if (use && (!json_is_string(use) || strcmp(json_string_value(use), "sig") != 0))
		return false;
	for (size_t i = 0; i < json_array_size(ops); i++) {
		const char *op = json_string_value(json_array_get(ops, i));

		if (op && strcmp(op, "verify") == 0)
			return true;
	}
	return !ops;
}

/* The family, or -1 for one (or a curve) that nothing here can use. */
static int family_of(const json_t *jwk)
{
	static const char *const curves[] = {"P-256", "P-384", "P-521"};
	const char *kty = text_of(jwk, "kty"), *curve = text_of(jwk, "crv");

	if (!kty)
		return -1;
	if (strcmp(kty, "oct") == 0)
		return KEY_OCT;
	if (strcmp(kty, "RSA") == 0)
		return KEY_RSA;
	for (size_t i = 0; strcmp(kty, "EC") == 0 && curve && i < 3; i++)
		if (strcmp(curve, curves[i]) == 0)
			return KEY_EC;
	return -1;
}

/* A copy of an oct key, checked and padded. */
static json_t *copy_secret(const json_t *jwk, struct err *e)
{
	unsigned char secret[SECRET_LEN_MAX];
	const json_t *k = json_object_get(jwk, "k");
	size_t len = json_is_string(k) ? jose_b64_dec(k, NULL, 0) : SIZE_MAX;
	json_t *copy = NULL;

	if (len < SECRET_LEN_MIN || len > sizeof secret) {
		err_set(e, ERR_CONFIG, "a secret must have %d to %d bytes, in base64url",
		        SECRET_LEN_MIN, SECRET_LEN_MAX);
		return NULL;
	}
	if (jose_b64_dec(k, secret, sizeof secret) == len)
		copy = secret_jwk(secret, len);
	OPENSSL_cleanse(secret, sizeof secret);
	if (!copy)
		err_set(e, ERR_CONFIG, "the secret is not base64url");
	return copy;
}

/* A copy of an RSA or EC key, checked and without private parts. */
static json_t *copy_public(const json_t *jwk, enum key_family family, struct err *e)
{
	jose_cfg_t *cfg = quiet_jose();
	json_t *copy = json_deep_copy(jwk);
	EVP_PKEY *pkey = NULL;
	int bits = 0, rc = 0;

	if (!cfg || !copy || !jose_jwk_pub(cfg, copy))
		rc = err_set(e, ERR_CONFIG, "its members are not those of a key");
	else if (!(pkey = jose_openssl_jwk_to_EVP_PKEY(cfg, copy)))
		rc = err_set(e, ERR_CONFIG, "its numbers do not make a key");
	else
		bits = EVP_PKEY_get_bits(pkey);
	if (!rc && family == KEY_RSA && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX))
		rc = err_set(e, ERR_CONFIG, "an RSA key must have %d to %d bits, this one has %d",
		             RSA_BITS_MIN, RSA_BITS_MAX, bits);
	/* TLS on this thread reads the same queue of errors. */
	ERR_clear_error();
	EVP_PKEY_free(pkey);
	if (cfg)
		jose_cfg_decref(cfg);
	if (!rc)
		return copy;
	json_decref(copy);
	return NULL;
}

static bool has_secret_part(const json_t *jwk)
{
	static const char *const parts[] = {"k", "d", "p", "q", "dp", "dq", "qi", "oth"};

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (json_object_get(jwk, parts[i]))
			return true;
	return false;
}

/* Read one JWK that is for verifying.  0, or ERR_CONFIG when it is broken or weak. */
static int key_read(const json_t *jwk, enum key_family family, struct key *out, struct err *e)
{
	static const char *const names[] = {"kid", "alg"};

	*out = (struct key){.family = family};
	out->jwk = family == KEY_OCT ? copy_secret(jwk, e) : copy_public(jwk, family, e);
	if (!out->jwk)
		return ERR_CONFIG;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		json_t *value = json_object_get(jwk, names[i]);

		if (!value)
			continue;
		if (!json_is_string(value) || json_object_set(out->jwk, names[i], value)) {
			json_decref(out->jwk);
			return err_set(e, ERR_CONFIG, "its %s is not a string", names[i]);
		}
	}
	out->kid = text_of(out->jwk, "kid");
	out->alg = text_of(out->jwk, "alg");
	out->curve = text_of(out->jwk, "crv");
	return 0;
}

static int add_jwk(struct keyset *k, const json_t *jwk, bool from_file, bool *has_secret,
                   struct err *e)
{
	int family = family_of(jwk), rc;
	struct key key = {0};

	if (has_secret_part(jwk)) {
		*has_secret = true;
		if (!from_file)
			return 0;
	}
	if (family < 0 || !for_verifying(jwk))
		return 0;
	rc = key_read(jwk, (enum key_family)family, &key, e);
	if (rc)
		return from_file ? rc : 0;
	if (k->len >= KEYS_MAX)
		rc = err_set(e, ERR_CONFIG, "there are more than %d keys", KEYS_MAX);
	else
		rc = add(k, &key, e);
	if (rc)
		json_decref(key.jwk);
	return rc;
}

int keyset_parse(struct keyset *k, const char *json, size_t len, bool from_file, bool *has_secret,
                 struct err *e)
{
	json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *keys = json_object_get(root, "keys");
	int before = k->len, rc = 0;

	*has_secret = false;
	if (json_is_array(keys)) {
		for (size_t i = 0; i < json_array_size(keys) && !rc; i++) {
			rc = add_jwk(k, json_array_get(keys, i), from_file, has_secret, e);
			if (rc)
				err_prefix(e, "key %zu", i + 1);
		}
	} else if (json_object_get(root, "kty")) {
		rc = add_jwk(k, root, from_file, has_secret, e);
	} else {
		rc = err_set(e, ERR_CONFIG, "this is neither a JWK nor a JWKS");
	}
	json_decref(root);
	if (!rc && k->len == before)
		rc = err_set(e, ERR_CONFIG, "there is no key here to check signatures with");
	return rc;
}

/* A whole regular file of at most bytes->len_max bytes, and its mode. */
static int read_file(const char *path, struct buf *bytes, mode_t *mode, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc = 0;
	struct stat st = {0};
	ssize_t n = 1;

	if (fd < 0 || fstat(fd, &st)) {
		rc = err_set(e, ERR_CONFIG, "cannot be read: %s", strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		rc = err_set(e, ERR_CONFIG, "is not a regular file");
	} else if (st.st_size < 0 || (size_t)st.st_size > bytes->len_max) {
		rc = err_set(e, ERR_CONFIG, "is larger than %zu bytes", bytes->len_max);
	} else if (buf_reserve(bytes, (size_t)st.st_size)) {
		rc = err_set(e, ERR_NOMEM, NULL);
	}
	/* All at once, so that no copy of a secret is left behind in memory that was grown. */
	while (!rc && n > 0 && bytes->len < (size_t)st.st_size) {
		n = read(fd, bytes->p + bytes->len, (size_t)st.st_size - bytes->len);
		if (n > 0)
			bytes->len += (size_t)n;
		else if (n < 0 && errno != EINTR)
			rc = err_set(e, ERR_CONFIG, "cannot be read: %s", strerror(errno));
		else if (n < 0)
			n = 1;
	}
	*mode = st.st_mode;
	if (fd >= 0)
		(void)close(fd); /* nothing was written */
	return rc;
}

static void wipe(struct buf *bytes)
{
	if (bytes->p)
		OPENSSL_cleanse(bytes->p, bytes->cap);
	buf_release(bytes);
}

static int check_mode(mode_t mode, struct err *e)
{
	if (!(mode & 077))
		return 0;
	return err_set(e, ERR_CONFIG, "must be readable by its owner alone (mode 0600)");
}

int keyset_read_secret(struct keyset *k, const char *path, struct err *e)
{
	static const char pem[] = "-----BEGIN ";
	struct key key = {.family = KEY_OCT};
	struct buf bytes;
	mode_t mode = 0;
	int rc;

	buf_init(&bytes, SECRET_LEN_MAX + 1);
	rc = read_file(path, &bytes, &mode, e);
	if (!rc)
		rc = check_mode(mode, e);
	if (rc)
		goto out;
	if (bytes.len > 0 && bytes.p[bytes.len - 1] == '\n')
		bytes.len--;
	if (bytes.len < SECRET_LEN_MIN || bytes.len > SECRET_LEN_MAX) {
		rc = err_set(e, ERR_CONFIG, "a secret must have %d to %d bytes", SECRET_LEN_MIN,
		             SECRET_LEN_MAX);
	} else if (memcmp(bytes.p, pem, sizeof pem - 1) == 0) {
		/* Else anyone who has the public key could sign with it. */
		rc = err_set(e, ERR_CONFIG, "holds a PEM file, not a secret; keys belong in jwks");
	} else {
		key.jwk = secret_jwk((const unsigned char *)bytes.p, bytes.len);
		rc = key.jwk ? add(k, &key, e) : err_set(e, ERR_NOMEM, NULL);
		if (rc)
			json_decref(key.jwk);
	}
out:
	if (rc)
		err_prefix(e, "%s", path);
	wipe(&bytes);
	return rc;
}

int keyset_read_jwks(struct keyset *k, const char *path, struct err *e)
{
	bool has_secret = false;
	struct buf bytes;
	mode_t mode = 0;
	int rc;

	buf_init(&bytes, KEYS_BYTES_MAX);
	rc = read_file(path, &bytes, &mode, e);
	if (!rc)
		rc = keyset_parse(k, bytes.p ? bytes.p : "", bytes.len, true, &has_secret, e);
	if (!rc && has_secret)
		rc = check_mode(mode, e);
	if (rc)
		err_prefix(e, "%s", path);
	wipe(&bytes);
	return rc;
}
