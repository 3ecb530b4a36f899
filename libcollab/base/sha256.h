/* SHA-256 (FIPS 180-4), by libcrypto; the only file that calls it for hashing. */
#ifndef COLLAB_BASE_SHA256_H
#define COLLAB_BASE_SHA256_H

#include <stddef.h>

enum { SHA256_LEN = 32, SHA256_HEX_LEN = 64 };

/* The digest of bytes[0..len).  Cannot fail short of a broken libcrypto, which is asserted. */
void sha256(const void *bytes, size_t len, unsigned char out[SHA256_LEN]);

/* 64 lower-case hex digits and a NUL. */
void sha256_hex(const unsigned char digest[SHA256_LEN], char out[SHA256_HEX_LEN + 1]);

/* hex (exactly 64 lower-case digits, NUL) to bytes; 0 or -1 when it is not that. */
int sha256_unhex(const char *hex, unsigned char out[SHA256_LEN]);

#endif
