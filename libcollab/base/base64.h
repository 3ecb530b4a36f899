/*
 * Base64 (RFC 4648): the standard alphabet with padding, and the one for URLs without.
 *
 * Decoding is strict: no white space, exactly the padding of the form, and no bits set that no byte
 * uses, so that every byte string has one text and every text that decodes is that one.
 */
#ifndef COLLAB_BASE_BASE64_H
#define COLLAB_BASE_BASE64_H

#include <stddef.h>

/* Characters of len encoded bytes (len < SIZE_MAX / 2), without NUL: with and without padding. */
size_t base64_len(size_t len);
size_t base64url_len(size_t len);

/* Encode to out, which has room for that many characters and a NUL. */
void base64_encode(const void *bytes, size_t len, char *out);
void base64url_encode(const void *bytes, size_t len, char *out);

/*
 * Decode text[0..len) to out, which has room for len / 4 * 3 + 2 bytes; *out_len is how many there
 * are.  0, or -1 when it is not the encoding of anything (then out holds nothing of use).
 */
int base64_decode(const char *text, size_t len, void *out, size_t *out_len);
int base64url_decode(const char *text, size_t len, void *out, size_t *out_len);

#endif
