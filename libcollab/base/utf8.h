/*
 * Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
 *
 * Positions on the wire count Unicode code points ("chars"); a "len" counts bytes.
 */
#ifndef COLLAB_BASE_UTF8_H
#define COLLAB_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of the longest prefix of s[0..len) that is whole, valid UTF-8; len if all of it is. */
size_t utf8_prefix(const char *s, size_t len);

static inline bool utf8_valid(const char *s, size_t len)
{
	return utf8_prefix(s, len) == len;
}

/* How many code points s[0..len) has.  s must be valid. */
size_t utf8_chars(const char *s, size_t len);

/*
 * The byte offset of code point `chars` in valid text s[0..len).  If the text is shorter, len is
 * returned and *left (may be NULL) is set to how many code points were missing, else to 0.
 */
size_t utf8_offset(const char *s, size_t len, size_t chars, size_t *left);

/* The code point at s (valid text, at least one), and its length in *n. */
uint32_t utf8_decode(const char *s, size_t *n);

/* Write code point c (valid, no surrogate) to out[4]; how many bytes that took. */
size_t utf8_encode(uint32_t c, char out[4]);

#endif
