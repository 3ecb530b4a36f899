/* Strict UTF-8: validation, counting, positions. */
#include "base/utf8.h"

#include <string.h>

/* The length of the valid sequence at s[0..len), or 0. */
static size_t sequence(const unsigned char *s, size_t len)
{
	unsigned char a = s[0];

	if (a < 0x80)
		return 1;
	if (a < 0xc2)
		return 0;
	if (a < 0xe0)
		return len >= 2 && (s[1] & 0xc0) == 0x80 ? 2 : 0;
	if (a < 0xf0) {
		if (len < 3 || (s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80)
			return 0;
		if ((a == 0xe0 && s[1] < 0xa0) || (a == 0xed && s[1] > 0x9f))
			return 0; /* overlong; surrogate */
		return 3;
	}
	if (a > 0xf4 || len < 4)
		return 0;
	if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80)
		return 0;
	if ((a == 0xf0 && s[1] < 0x90) || (a == 0xf4 && s[1] > 0x8f))
		return 0; /* overlong; above U+10FFFF */
	return 4;
}

size_t utf8_prefix(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t i = 0;

	while (i < len) {
		uint64_t word;
		size_t n;

		while (i + 8 <= len) {
			memcpy(&word, p + i, 8);
			if (word & UINT64_C(0x8080808080808080))
				break;
			i += 8;
		}
		if (i == len)
			break;
		n = sequence(p + i, len - i);
		if (n == 0)
			break;
		i += n;
	}
	return i;
}

/* How many of a word's eight bytes begin a code point: all but those of 0b10xxxxxx. */
static inline size_t leads_of(uint64_t word)
{
	uint64_t leads = (~word >> 7 | word >> 6) & UINT64_C(0x0101010101010101);

	return (size_t)(leads * UINT64_C(0x0101010101010101) >> 56);
}

size_t utf8_chars(const char *s, size_t len)
{
	size_t n = 0, i = 0;
	uint64_t word;

	for (; i + 8 <= len; i += 8) {
		memcpy(&word, s + i, 8);
		n += leads_of(word);
	}
	for (; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

static size_t lead_len(unsigned char a)
{
	return a < 0x80 ? 1 : a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
}

size_t utf8_offset(const char *s, size_t len, size_t chars, size_t *left)
{
	size_t i = 0;
	uint64_t word;

	/* Eight bytes at a time: how many of them begin a code point. */
	while (i + 8 <= len) {
		size_t leads;

		memcpy(&word, s + i, 8);
		leads = leads_of(word);
		if (leads > chars)
			break;
		chars -= leads;
		i += 8;
	}
	/* Whole words may have ended inside a code point: its rest belongs to what was counted. */
	for (; i < len; i++) {
		if (((unsigned char)s[i] & 0xc0) == 0x80)
			continue;
		if (chars == 0)
			break;
		chars--;
	}
	if (left)
		*left = chars;
	return i;
}

uint32_t utf8_decode(const char *s, size_t *n)
{
	const unsigned char *p = (const unsigned char *)s;

	*n = lead_len(p[0]);
	switch (*n) {
	case 1:
		return p[0];
	case 2:
		return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3fu);
	case 3:
		return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 |
		       (p[2] & 0x3fu);
	default:
		return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
		       (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3fu);
	}
}

size_t utf8_encode(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}
