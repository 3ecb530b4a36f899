/* Base64. */
#include "base/base64.h"

#include <stdbool.h>
#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64_len(size_t len)
{
	return (len + 2) / 3 * 4;
}

size_t base64url_len(size_t len)
{
	return len / 3 * 4 + (len % 3 ? len % 3 + 1 : 0);
}

static void encode(const void *bytes, size_t len, const char *letters, bool pad, char *out)
{
	const unsigned char *p = bytes;

	for (; len >= 3; len -= 3, p += 3) {
		*out++ = letters[p[0] >> 2];
		*out++ = letters[(p[0] & 3) << 4 | p[1] >> 4];
		*out++ = letters[(p[1] & 15) << 2 | p[2] >> 6];
		*out++ = letters[p[2] & 63];
	}
	if (len) {
		unsigned char second = len == 2 ? p[1] : 0;

		*out++ = letters[p[0] >> 2];
		*out++ = letters[(p[0] & 3) << 4 | second >> 4];
		if (len == 2)
			*out++ = letters[(second & 15) << 2];
		if (pad && len == 1)
			*out++ = '=';
		if (pad)
			*out++ = '=';
	}
	*out = '\0';
}

void base64_encode(const void *bytes, size_t len, char *out)
{
	encode(bytes, len, alphabet, true, out);
}

void base64url_encode(const void *bytes, size_t len, char *out)
{
	encode(bytes, len, alphabet_url, false, out);
}

/* The six bits of a character, or -1. */
static int value_of(char c, char c62, char c63)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == c62 ? 62 : c == c63 ? 63 : -1;
}

/* Decode characters without padding. */
static int decode(const char *text, size_t len, const char *letters, void *out, size_t *out_len)
{
	unsigned char *p = out;
	uint32_t bits = 0;
	int have = 0;

	*out_len = 0;
	if (len % 4 == 1)
		return -1;
	for (size_t i = 0; i < len; i++) {
		int v = value_of(text[i], letters[62], letters[63]);

		if (v < 0)
			return -1;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			*p++ = (unsigned char)(bits >> have);
			bits &= (1u << have) - 1;
		}
	}
	if (bits)
		return -1;
	*out_len = (size_t)(p - (unsigned char *)out);
	return 0;
}

int base64_decode(const char *text, size_t len, void *out, size_t *out_len)
{
	*out_len = 0;
	if (len % 4)
		return -1;
	/* With the padding gone a lone character may be left of the last four; decode refuses that.
	 */
	if (len && text[len - 1] == '=')
		len -= text[len - 2] == '=' ? 2 : 1;
	return decode(text, len, alphabet, out, out_len);
}

int base64url_decode(const char *text, size_t len, void *out, size_t *out_len)
{
	return decode(text, len, alphabet_url, out, out_len);
}
