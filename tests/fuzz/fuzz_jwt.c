/*
 * Fuzzing of authentication.  The first byte says what the rest is: t a token, c claims (behind a
 * signature that no fuzzer makes), k a JWK or JWKS, r a request's query, subprotocols and
 * Authorization, one a line.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "base/utf8.h"
#include "server/auth_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const char keys_json[] =
	"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"vVm5hqv-TEQ_liztoIlgRygEWeRjOJRGQiUw"
	"Piqj8WjxCKLpVBdsppzW168KxVKAmy7_RkdTgortVAvwCmAmommPfrispfJaABF9EwXA3hUq"
	"5E8pC-_06ZrMoqgNjHn5i-hE8smnH4IJ34VZLsgOClbH4J4aaYuyiK6mEDNE8J5OIMiaScVO"
	"lfGHeGUpiuUzYQdATSsv_ez1fE_p8xbJKQC4W2gJ9WY4aoTiy8rR4R2zGbo9GIYEXe9kn6BB"
	"1o6VLpjK8_7oUAGd4fv2szCm3XYIptoAPPi6HTRX1PvMo1V9hr09S5hJrj-Pgzdncg7ehbih"
	"BH2mOy4oPNEXl6xlGw\",\"e\":\"AQAB\",\"kid\":\"rsa\"},{\"kty\":\"EC\",\"c"
	"rv\":\"P-256\",\"x\":\"gErElrJH4hHDI7tmIqF7AC1GGFuuvOnleLWVUGTuqhw\",\"y"
	"\":\"VrLZYjusMNYH3dvsS4l1hJeOl75yoqYJHwlN73O-jfU\",\"kid\":\"ec\"},{\"kt"
	"y\":\"oct\",\"k\":\"YW4gZXhhbXBsZSBzZWNyZXQgb2YgMzYgYnl0ZXMsIDAxMjM\"}]}";

/* Set up once, and kept. */
static struct keyset keys;
static struct conf conf;
static struct auth *auth;

static void start(void)
{
	bool has_secret;

	if (auth)
		return;
	if (keyset_parse(&keys, keys_json, strlen(keys_json), true, &has_secret, NULL) ||
	    conf_init(&conf, NULL) || auth_new(&auth, &conf, NULL))
		abort();
}

/* What always holds of an identity from outside. */
static void check_identity(const struct identity *id)
{
	size_t len = strlen(id->user_id);

	assert(name_valid(id->user_id));
	assert(len < 6 || strcmp(id->user_id + len - 6, "@local") != 0);
	assert(strlen(id->name) <= USER_NAME_BYTES_MAX && *id->name);
	assert(utf8_valid(id->name, strlen(id->name)));
	assert(!id->via);
	(void)identity_may_start(id, "pmr-2024-01");
}

static void fuzz_token(const char *text)
{
	const struct keyset *const sets[] = {&keys};
	json_t *claims = NULL;
	enum jwt_lack lack;
	struct err e = {0};
	int rc = jwt_verify(sets, 1, text, &claims, &lack, &e);

	assert(rc == 0 ? claims != NULL : rc == ERR_UNAUTHENTICATED && !claims && *e.text);
	json_decref(claims);
}

static void fuzz_claims(const char *text, size_t len)
{
	json_t *claims = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	struct identity id = {0};

	if (json_is_object(claims) &&
	    claims_identity(claims, &conf, INT64_C(1700000000000), &id, NULL) == 0)
		check_identity(&id);
	identity_release(&id);
	json_decref(claims);
}

static void fuzz_keys(const char *text, size_t len)
{
	for (int from_file = 0; from_file < 2; from_file++) {
		struct keyset set = {0};
		bool has_secret;
		int rc = keyset_parse(&set, text, len, from_file, &has_secret, NULL);

		assert(rc || (set.len > 0 && set.len <= KEYS_MAX));
		keyset_release(&set);
	}
}

static void fuzz_request(char *text)
{
	struct request r = {.method = "GET", .path = "/", .query = text};
	struct identity id = {0};
	char *line = strchr(text, '\n');

	r.peer = (struct peer){.local = true, .uid = 65534};
	if (line) {
		*line++ = '\0';
		r.ws_protocol = line;
		line = strchr(line, '\n');
	}
	if (line) {
		*line++ = '\0';
		r.authorization = line;
	}
	/* There are no keys and no tickets, and the peer is nobody. */
	assert(auth_request(auth, &r, true, 0, &id, NULL) != 0);
	assert(!id.memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = NULL;

	start();
	if (len == 0)
		return 0;
	/* Exactly as long as it must be, so that a read beyond it is seen. */
	text = malloc(len);
	assert(text);
	memcpy(text, bytes + 1, len - 1);
	text[len - 1] = '\0';
	switch (bytes[0]) {
	case 't':
		fuzz_token(text);
		break;
	case 'c':
		fuzz_claims(text, len - 1);
		break;
	case 'k':
		fuzz_keys(text, len - 1);
		break;
	case 'r':
		fuzz_request(text);
		break;
	default:
		break;
	}
	free(text);
	return 0;
}
