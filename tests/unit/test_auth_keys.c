/* Key files: what is in them, who may read them, and reading them again. */
#include "../tap.h"
#include "auth_tools.h"

static struct err e;

/* What a failed call gives for people, "" for a good one. */
static const char *why(int rc)
{
	return rc ? e.text : "";
}

/* Why a secret file is refused, without the path in front; "" when it is not. */
static const char *secret_refusal(const char *path)
{
	struct keyset keys = {0};
	size_t len = strlen(path);
	int rc;

	e = (struct err){0};
	rc = keyset_read_secret(&keys, path, &e);
	if (!rc && keys.len != 1)
		return "no key";
	keyset_release(&keys);
	if (!rc)
		return "";
	return strncmp(e.text, path, len) == 0 ? e.text + len : "an error without the path";
}

static const char *jwks_refusal(const char *path)
{
	struct keyset keys = {0};
	size_t len = strlen(path);
	int rc;

	e = (struct err){0};
	rc = keyset_read_jwks(&keys, path, &e);
	keyset_release(&keys);
	if (!rc)
		return "";
	return strncmp(e.text, path, len) == 0 ? e.text + len : "an error without the path";
}

static void test_secret_files(void)
{
	static const char *const pem = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOC\n";
	char bytes[1100];
	const char *path = NULL;

	memset(bytes, 's', sizeof bytes);
	bytes[32] = '\n';
	is_str(secret_refusal(scratch_write("s", bytes, 33)), "", "32 bytes and a newline");
	is_str(secret_refusal(scratch_write("s", bytes, 32)), "", "32 bytes");
	bytes[31] = '\n';
	is_str(secret_refusal(scratch_write("s", bytes, 32)),
	       ": a secret must have 32 to 1024 bytes", "31 bytes and a newline");
	is_str(secret_refusal(scratch_write("s", bytes, 0)),
	       ": a secret must have 32 to 1024 bytes", "nothing");
	is_str(secret_refusal(scratch_write("s", bytes, 1024)), "", "1024 bytes");
	is_str(secret_refusal(scratch_write("s", bytes, 1025)),
	       ": a secret must have 32 to 1024 bytes", "1025 bytes");
	is_str(secret_refusal(scratch_write("s", bytes, 1026)), ": is larger than 1025 bytes",
	       "1026 bytes");
	is_str(secret_refusal(scratch_write("s", pem, strlen(pem))),
	       ": holds a PEM file, not a secret; keys belong in jwks", "a public key");
	is_str(secret_refusal(scratch_dir), ": is not a regular file", "a directory");
	is_str(secret_refusal("/no/such/file"), ": cannot be read: No such file or directory",
	       "no file");
	for (int bit = 0; bit < 6; bit++) {
		path = scratch_write("s", bytes, 64);
		if (chmod(path, (mode_t)(0600 | 1 << bit)))
			abort();
		is_str(secret_refusal(path), ": must be readable by its owner alone (mode 0600)",
		       "a mode that gives others something");
	}
}

static void test_jwks_files(void)
{
	static const char *const cases[][2] = {
		{"", ": this is neither a JWK nor a JWKS"},
		{"{", ": this is neither a JWK nor a JWKS"},
		{"[]", ": this is neither a JWK nor a JWKS"},
		{"{}", ": this is neither a JWK nor a JWKS"},
		{"{\"keys\":{}}", ": this is neither a JWK nor a JWKS"},
		{"{\"keys\":[]}", ": there is no key here to check signatures with"},
		{"{\"keys\":[7,{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}]}",
	         ": there is no key here to check signatures with"},
		{"{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"}",
	         ": there is no key here to check signatures with"},
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}",
	         ": its numbers do not make a key"},
		{"{\"kty\":\"EC\",\"crv\":\"P-256\"}", ": its numbers do not make a key"},
		{"{\"keys\":[{},{\"kty\":\"RSA\",\"n\":\"wQ\",\"e\":\"AQAB\"}]}",
	         ": key 2: an RSA key must have 2048 to 16384 bits, this one has 8"},
		{"{\"kty\":\"RSA\",\"n\":7,\"e\":\"AQAB\"}", ": its numbers do not make a key"},
		{"{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}",
	         ": a secret must have 32 to 1024 bytes, in base64url"},
		{"{\"kty\":\"oct\",\"k\":\"c2hvcnQ=+c2hvcnQ=+c2hvcnQ=+c2hvcnQ=+c2hvcnQ=+c2hvcnQ\"}",
	         ": the secret is not base64url"},
		{"{\"kty\":\"oct\",\"k\":\"c3NzcXNzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M\"}", ""},
		{"{\"kty\":\"oct\",\"kid\":1,\"k\":"
	         "\"c3NzcXNzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M\"}",
	         ": its kid is not a string"},
	};
	json_t *ec = key_make("{\"kty\":\"EC\",\"crv\":\"P-384\"}", "k"), *public = key_public(ec);
	json_t *list = json_array();
	json_t *many = json_pack("{s:o}", "keys", list);
	const char *path = NULL;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		is_str(jwks_refusal(scratch_write("k", cases[i][0], strlen(cases[i][0]))),
		       cases[i][1], cases[i][0]);
	path = scratch_json("k", public);
	(void)chmod(path, 0644);
	is_str(jwks_refusal(path), "", "a public key for all to read");
	path = scratch_json("k", ec);
	is_str(jwks_refusal(path), "", "a private key");
	(void)chmod(path, 0640);
	is_str(jwks_refusal(path), ": must be readable by its owner alone (mode 0600)",
	       "a private key for the group to read");
	for (int i = 0; i < KEYS_MAX; i++)
		(void)json_array_append(list, public);
	is_str(jwks_refusal(scratch_json("k", many)), "", "100 keys");
	(void)json_array_append(list, public);
	is_str(jwks_refusal(scratch_json("k", many)), ": key 101: there are more than 100 keys",
	       "101 keys");
	json_decref(many);
	json_decref(public);
	json_decref(ec);
}

static void count_wake(void *arg)
{
	++*(int *)arg;
}

/* A rotated JWKS file, and one that is broken. */
static void test_reload(void)
{
	json_t *old = key_make("{\"kty\":\"EC\",\"crv\":\"P-256\"}", "old");
	json_t *new = key_make("{\"kty\":\"EC\",\"crv\":\"P-256\"}", "new");
	json_t *old_public = key_public(old), *new_public = key_public(new);
	char *by_old = token_sign(old, "{\"alg\":\"ES256\",\"kid\":\"old\"}", "{\"sub\":\"a\"}");
	char *by_new = token_sign(new, "{\"alg\":\"ES256\",\"kid\":\"new\"}", "{\"sub\":\"b\"}");
	struct conf conf, next;
	struct identity id = {0};
	struct auth *a = NULL;
	int wakes = 0;

	conf_make(&conf, NULL, scratch_json("jwks", old_public));
	ok(auth_new(&a, &conf, &e) == 0, "keys are read");
	auth_on_keys(a, count_wake, &wakes);
	is_str(why(auth_token(a, by_old, NOW, &id, &e)), "", "the old key");
	identity_release(&id);
	is_str(why(auth_token(a, by_new, NOW, &id, &e)), "no key has the token's kid",
	       "the new key is unknown");
	(void)scratch_write("jwks", "{\"keys\":[]}", 11);
	is_int(auth_reload(a, &conf, &e), ERR_CONFIG, "a broken file");
	is_str(why(auth_token(a, by_old, NOW, &id, &e)), "", "leaves the old key");
	identity_release(&id);
	conf_make(&next, NULL, conf.jwks);
	conf_text(&next.admin_group, "no-such-group");
	(void)scratch_json("jwks", new_public);
	is_int(auth_reload(a, &next, &e), ERR_CONFIG, "an unknown group");
	is_str(why(auth_token(a, by_old, NOW, &id, &e)), "", "leaves the old key, too");
	identity_release(&id);
	is_int(wakes, 0, "nobody was woken up");
	conf_text(&next.admin_group, "");
	conf_text(&next.audience, "");
	is_int(auth_reload(a, &next, &e), 0, "a rotated file");
	is_int(wakes, 1, "who waits is woken up");
	is_str(why(auth_token(a, by_old, NOW, &id, &e)), "no key has the token's kid",
	       "the old key is gone, though its token was remembered");
	is_str(why(auth_token(a, by_new, NOW, &id, &e)), "", "the new key");
	identity_release(&id);
	is_int(auth_fetch_status(a, &e), 0, "no URL, no trouble with it");
	auth_free(a);
	conf_release(&conf);
	conf_release(&next);
	json_decref(old);
	json_decref(new);
	json_decref(old_public);
	json_decref(new_public);
	free(by_old);
	free(by_new);
}

int main(void)
{
	test_secret_files();
	test_jwks_files();
	test_reload();
	scratch_remove();
	return done();
}
