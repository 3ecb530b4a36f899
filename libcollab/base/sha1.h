/* SHA-1 (FIPS 180-4), for the WebSocket handshake only, which uses it as no secret. */
#ifndef COLLAB_BASE_SHA1_H
#define COLLAB_BASE_SHA1_H

#include <stddef.h>

enum { SHA1_LEN = 20 };

/* The digest of bytes[0..len).  Cannot fail. */
void sha1(const void *bytes, size_t len, unsigned char out[SHA1_LEN]);

#endif
