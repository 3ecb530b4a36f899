/* SHA-1 by libcrypto. */
#include "base/sha1.h"

/* The low-level calls are deprecated in OpenSSL 3 in favour of EVP; they need no allocation. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

void sha1(const void *bytes, size_t len, unsigned char out[SHA1_LEN])
{
	SHA_CTX ctx;

	/* None of these can fail: they return a status only for symmetry with other digests. */
	(void)SHA1_Init(&ctx);
	(void)SHA1_Update(&ctx, bytes, len);
	(void)SHA1_Final(out, &ctx);
}
