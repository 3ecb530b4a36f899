/* SHA-256 by libcrypto's one-shot function, which needs no allocation and no fetch per call. */
#include "base/sha256.h"

/* The low-level SHA256_* calls are deprecated in OpenSSL 3 in favour of EVP; see sha256(). */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <string.h>

#include "base/hex.h"

void sha256(const void *bytes, size_t len, unsigned char out[SHA256_LEN])
{
	SHA256_CTX ctx;

	/* The low-level calls skip a provider look-up of about 200 ns each; they never fail. */
	SHA256_Init(&ctx);
	SHA256_Update(&ctx, bytes, len);
	SHA256_Final(out, &ctx);
}

void sha256_hex(const unsigned char digest[SHA256_LEN], char out[SHA256_HEX_LEN + 1])
{
	hex_put(out, digest, SHA256_LEN);
	out[SHA256_HEX_LEN] = '\0';
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int sha256_unhex(const char *hex, unsigned char out[SHA256_LEN])
{
	if (strlen(hex) != SHA256_HEX_LEN)
		return -1;
	for (int i = 0; i < SHA256_LEN; i++) {
		int hi = nibble(hex[2 * i]), lo = nibble(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -1;
		out[i] = (unsigned char)(hi << 4 | lo);
	}
	return 0;
}
