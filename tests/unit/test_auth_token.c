/* JWTs: algorithms, keys, form. */
#include <jose/openssl.h>
#include <openssl/pem.h>

#include "../tap.h"
#include "auth_tools.h"

static json_t *rsa, *ec256, *ec384, *ec521;

/* An RSA public key as PEM, the classic HMAC key of algorithm confusion. */
static char *pem_of(const json_t *jwk)
{
	jose_cfg_t *cfg = quiet_jose();
	EVP_PKEY *pkey = jose_openssl_jwk_to_EVP_PKEY(cfg, jwk);
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL, *bytes = NULL;
	long len;

	(void)PEM_write_bio_PUBKEY(bio, pkey);
	len = BIO_get_mem_data(bio, &bytes);
	text = strndup(bytes, (size_t)len);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
	jose_cfg_decref(cfg);
	return text;
}

#define SUB "{\"sub\":\"ada\"}"
#define MISMATCH "the signature does not match"
#define NO_FIT "no key fits this algorithm"
#define MALFORMED "the token is malformed"
#define NOT_ACCEPTED "the token's algorithm is not one that is accepted"

/* The same signature under another payload. */
static char *tamper_payload(const char *token)
{
	const char *dot = strchr(token, '.');
	char *header = strndup(token, (size_t)(dot - token));
	char *payload = base64url("{\"sub\":\"eve\"}", 13);
	char *out = join_parts(header, payload, strchr(dot + 1, '.') + 1);

	free(header);
	free(payload);
	return out;
}

/* One bit of the signature, in its middle. */
static char *tamper_signature(const char *token)
{
	char *out = strdup(token), *at = strrchr(out, '.');

	at += strlen(at) / 2;
	*at = *at == 'A' ? 'B' : 'A';
	return out;
}

static void test_algorithm(const char *alg, const json_t *key, const EVP_MD *md)
{
	char header[64], name[64];
	char *token = NULL;

	(void)snprintf(header, sizeof header, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", alg);
	token = key ? token_sign(key, header, SUB)
	            : token_hmac(md, SECRET, strlen(SECRET), header, SUB);
	(void)snprintf(name, sizeof name, "%s: good", alg);
	is_str(refusal(strdup(token)), "", name);
	(void)snprintf(name, sizeof name, "%s: another payload", alg);
	is_str(refusal(tamper_payload(token)), MISMATCH, name);
	(void)snprintf(name, sizeof name, "%s: another signature", alg);
	is_str(refusal(tamper_signature(token)), MISMATCH, name);
	free(token);
}

static void test_algorithms(void)
{
	json_t *jwks = keys_public((json_t *[]){rsa, ec256, ec384, ec521, NULL});

	auth_start(SECRET, jwks);
	test_algorithm("HS256", NULL, EVP_sha256());
	test_algorithm("HS384", NULL, EVP_sha384());
	test_algorithm("HS512", NULL, EVP_sha512());
	test_algorithm("RS256", rsa, NULL);
	test_algorithm("RS384", rsa, NULL);
	test_algorithm("RS512", rsa, NULL);
	test_algorithm("PS256", rsa, NULL);
	test_algorithm("ES256", ec256, NULL);
	test_algorithm("ES384", ec384, NULL);
	test_algorithm("ES512", ec521, NULL);
	is_str(refusal(token_sign(rsa, "{\"alg\":\"PS512\"}", SUB)), NOT_ACCEPTED,
	       "PS512 is not in the list");
	auth_stop();
	json_decref(jwks);
}

/* Secrets around the lengths where HMAC and libjose treat keys differently. */
static void test_secret_lengths(void)
{
	static const size_t lengths[] = {32, 47, 48, 63, 64, 65, 127, 128, 129, 1024};
	char secret[1025], name[64];

	memset(secret, 's', sizeof secret);
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		secret[lengths[i]] = '\0';
		auth_start(secret, NULL);
		(void)snprintf(name, sizeof name, "HS256, a secret of %zu bytes", lengths[i]);
		is_str(refusal(token_hmac(EVP_sha256(), secret, lengths[i], "{\"alg\":\"HS256\"}",
		                          SUB)),
		       "", name);
		(void)snprintf(name, sizeof name, "HS512, a secret of %zu bytes", lengths[i]);
		is_str(refusal(token_hmac(EVP_sha512(), secret, lengths[i], "{\"alg\":\"HS512\"}",
		                          SUB)),
		       "", name);
		auth_stop();
		secret[lengths[i]] = 's';
	}
}

static void test_confusion(void)
{
	json_t *public = key_public(rsa), *jwks = keys_public((json_t *[]){rsa, ec256, NULL});
	char *pem = pem_of(rsa), *jwk = json_dumps(public, JSON_COMPACT), *token = NULL;
	const char *hs = "{\"alg\":\"HS256\"}";

	auth_start(NULL, jwks);
	is_str(refusal(token_hmac(EVP_sha256(), pem, strlen(pem), hs, SUB)), NO_FIT,
	       "HS256 with the RSA key's PEM");
	is_str(refusal(token_hmac(EVP_sha256(), jwk, strlen(jwk), hs, SUB)), NO_FIT,
	       "HS256 with the RSA key's JWK");
	is_str(refusal(token_sign(ec384, "{\"alg\":\"ES384\"}", SUB)), NO_FIT,
	       "ES384, and only P-256 is known");
	auth_stop();
	auth_start(SECRET, jwks);
	is_str(refusal(token_hmac(EVP_sha256(), pem, strlen(pem), hs, SUB)), MISMATCH,
	       "HS256 with the PEM, and there is a secret too");
	is_str(refusal(token_hmac(EVP_sha256(), SECRET, strlen(SECRET), "{\"alg\":\"RS256\"}",
	                          SUB)),
	       MISMATCH, "RS256 that is an HMAC");
	is_str(refusal(token_hmac(EVP_sha256(), SECRET, strlen(SECRET), "{\"alg\":\"ES256\"}",
	                          SUB)),
	       MISMATCH, "ES256 that is an HMAC");
	is_str(refusal(token_hmac(EVP_sha256(), SECRET, strlen(SECRET), "{\"alg\":\"HS512\"}",
	                          SUB)),
	       MISMATCH, "HS512 that is HS256");
	token = token_sign(rsa, "{\"alg\":\"RS256\"}", SUB);
	is_str(refusal(strdup(token)), "", "RS256 itself");
	free(token);
	auth_stop();
	free(pem);
	free(jwk);
	json_decref(public);
	json_decref(jwks);
}

/* Headers that are refused, each correctly signed by HMAC-SHA-256. */
static void test_headers(void)
{
	static const char *const cases[][2] = {
		{"{\"alg\":\"none\"}", NOT_ACCEPTED},
		{"{\"alg\":\"None\"}", NOT_ACCEPTED},
		{"{\"alg\":\"hs256\"}", NOT_ACCEPTED},
		{"{\"alg\":\"HS256 \"}", NOT_ACCEPTED},
		{"{\"alg\":\"\"}", NOT_ACCEPTED},
		{"{\"alg\":\"EdDSA\"}", NOT_ACCEPTED},
		{"{\"alg\":\"ES256K\"}", NOT_ACCEPTED},
		{"{\"alg\":\"A128KW\"}", NOT_ACCEPTED},
		{"{\"alg\":256}", NOT_ACCEPTED},
		{"{\"alg\":[\"HS256\"]}", NOT_ACCEPTED},
		{"{}", NOT_ACCEPTED},
		{"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "the token has a crit header"},
		{"{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}",
	         "the token has a crit header"},
		{"{\"alg\":\"HS256\",\"crit\":null}", "the token has a crit header"},
		{"{\"alg\":\"HS256\",\"kid\":7}", MALFORMED},
		{"{\"alg\":\"none\",\"alg\":\"HS256\"}", MALFORMED},
		{"[\"HS256\"]", MALFORMED},
		{"\"HS256\"", MALFORMED},
		{"{\"alg\":\"HS256\"", MALFORMED},
		{"{\"alg\":\"HS256\"} x", MALFORMED},
		{"{\"alg\":\"HS256\",\"x\":\"\xff\"}", MALFORMED},
		{"{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}}", ""},
		{"{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", ""},
		{"{\"alg\":\"HS256\",\"kid\":\"any\"}", ""},
	};

	auth_start(SECRET, NULL);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		is_str(refusal(token_hmac(EVP_sha256(), SECRET, strlen(SECRET), cases[i][0], SUB)),
		       cases[i][1], cases[i][0]);
	auth_stop();
}

/* Tokens that are not three parts of strict base64url. */
static void test_forms(void)
{
	static const char *const forms[] = {
		"",
		".",
		"..",
		"...",
		"a.b.c",
		"é.é.é",
		"e30.e30",
		"e30.e30.",
		"e30..e30",
		".e30.e30",
		"e30.e30.e30.e30",
		" e30.e30.e30",
		"e30.e30.e30\n",
		"e30=.e30.e30",
		"e3+.e30.e30",
		"junk",
		"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.",
		"{\"payload\":\"e30\",\"signature\":\"e30\"}",
	};
	char *token = token_simple(SUB), *text = NULL, *last = NULL;
	static char big[TOKEN_LEN_MAX + 2];

	auth_start(SECRET, NULL);
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "form %zu", i);
		is_str(refusal(strdup(forms[i])), MALFORMED, name);
	}
	/* 43 characters leave two bits unused: the next letter spells the same bytes. */
	text = strdup(token);
	last = text + strlen(text) - 1;
	*last = (char)(*last + 1);
	is_str(refusal(text), MALFORMED, "a signature spelled with unused bits");
	text = malloc(strlen(token) + 2);
	(void)sprintf(text, "%s=", token);
	is_str(refusal(text), MALFORMED, "padding");
	text = malloc(strlen(token) + 8);
	(void)sprintf(text, "%s.e30", token);
	is_str(refusal(text), MALFORMED, "a fourth part");
	memset(big, 'A', TOKEN_LEN_MAX + 1);
	is_str(refusal(strdup(big)), "the token is longer than 16 KiB", "16385 bytes");
	big[TOKEN_LEN_MAX] = '\0';
	is_str(refusal(strdup(big)), MALFORMED, "16384 bytes are looked at");
	is_str(refusal(token), "", "the token itself");
	is_str(refusal(token_simple("[1]")), MALFORMED, "claims that are no object");
	is_str(refusal(token_simple("{\"sub\":\"a\",\"sub\":\"b\"}")), MALFORMED,
	       "a claim given twice");
	auth_stop();
}

static void test_kids(void)
{
	json_t *a = key_make("{\"kty\":\"EC\",\"crv\":\"P-256\"}", "a");
	json_t *b = key_make("{\"kty\":\"EC\",\"crv\":\"P-256\"}", "b");
	json_t *jwks = keys_public((json_t *[]){a, b, rsa, NULL});

	auth_start(NULL, jwks);
	is_str(refusal(token_sign(a, "{\"alg\":\"ES256\",\"kid\":\"a\"}", SUB)), "", "its kid");
	is_str(refusal(token_sign(b, "{\"alg\":\"ES256\",\"kid\":\"b\"}", SUB)), "", "another kid");
	is_str(refusal(token_sign(b, "{\"alg\":\"ES256\"}", SUB)), "", "no kid: all are tried");
	is_str(refusal(token_sign(b, "{\"alg\":\"ES256\",\"kid\":\"a\"}", SUB)), MISMATCH,
	       "the kid of another key");
	is_str(refusal(token_sign(a, "{\"alg\":\"ES256\",\"kid\":\"c\"}", SUB)),
	       "no key has the token's kid", "an unknown kid");
	is_str(refusal(token_sign(rsa, "{\"alg\":\"RS256\",\"kid\":\"a\"}", SUB)), NO_FIT,
	       "the kid of a key of another family");
	is_str(refusal(token_sign(rsa, "{\"alg\":\"RS256\",\"kid\":\"c\"}", SUB)), "",
	       "an unknown kid, and a key that has none");
	auth_stop();
	json_decref(jwks);
	json_decref(a);
	json_decref(b);
}

/* alg, use and key_ops of a JWK. */
static void test_key_rules(void)
{
	static const struct {
		const char *member, *value, *alg, *want;
	} cases[] = {
		{"alg", "\"RS256\"", "RS256", ""},
		{"alg", "\"RS256\"", "RS512", NO_FIT},
		{"alg", "\"RS256\"", "PS256", NO_FIT},
		{"alg", "\"PS256\"", "PS256", ""},
		{"use", "\"sig\"", "RS256", ""},
		{"key_ops", "[\"verify\"]", "RS256", ""},
		{"use", "\"enc\"", "RS256", NO_FIT},
		{"use", "1", "RS256", NO_FIT},
		{"key_ops", "[\"encrypt\"]", "RS256", NO_FIT},
		{"key_ops", "[]", "RS256", NO_FIT},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		json_t *jwks = keys_public((json_t *[]){rsa, ec256, NULL});
		json_t *key = json_array_get(json_object_get(jwks, "keys"), 0);
		char header[64], name[96];

		(void)json_object_set_new(key, cases[i].member,
		                          json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
		auth_start(NULL, jwks);
		(void)snprintf(header, sizeof header, "{\"alg\":\"%s\"}", cases[i].alg);
		(void)snprintf(name, sizeof name, "%s with %s %s", cases[i].alg, cases[i].member,
		               cases[i].value);
		is_str(refusal(token_sign(rsa, header, SUB)), cases[i].want, name);
		auth_stop();
		json_decref(jwks);
	}
}

/* Bytes of every kind, and good tokens with a few bytes changed: refused, and nothing breaks. */
static void test_junk(void)
{
	uint64_t seed = rnd_seed(20240115);
	char *good = token_simple("{\"sub\":\"a\",\"exp\":1700000100}");
	size_t len = strlen(good);
	int taken = 0;

	auth_start(SECRET, NULL);
	for (int i = 0; i < 20000; i++) {
		char *token = strdup(good);
		int changes = 1 + (int)(rnd(&seed) % 3);

		for (int j = 0; j < changes; j++)
			token[rnd(&seed) % len] = (char)(1 + rnd(&seed) % 255);
		taken += strcmp(token, good) != 0 && *refusal(strdup(token)) == '\0';
		free(token);
	}
	is_int(taken, 0, "no changed token is taken");
	auth_stop();
	free(good);
}

int main(void)
{
	rsa = key_make("{\"kty\":\"RSA\",\"bits\":2048}", NULL);
	ec256 = key_make("{\"kty\":\"EC\",\"crv\":\"P-256\"}", NULL);
	ec384 = key_make("{\"kty\":\"EC\",\"crv\":\"P-384\"}", NULL);
	ec521 = key_make("{\"kty\":\"EC\",\"crv\":\"P-521\"}", NULL);
	test_algorithms();
	test_secret_lengths();
	test_confusion();
	test_headers();
	test_forms();
	test_kids();
	test_key_rules();
	test_junk();
	json_decref(rsa);
	json_decref(ec256);
	json_decref(ec384);
	json_decref(ec521);
	scratch_remove();
	return done();
}
