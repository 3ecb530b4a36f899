/* Identifiers. */
#include "base/ids.h"

#include <string.h>

#include "base/hex.h"

void uuid_format(const unsigned char random[16], char out[UUID_LEN + 1])
{
	unsigned char b[16];

	memcpy(b, random, 16);
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	hex_put(out, b, 4);
	hex_put(out + 9, b + 4, 2);
	hex_put(out + 14, b + 6, 2);
	hex_put(out + 19, b + 8, 2);
	hex_put(out + 24, b + 10, 6);
	out[8] = out[13] = out[18] = out[23] = '-';
	out[UUID_LEN] = '\0';
}

static bool hex_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool uuid_valid(const char *s)
{
	for (int i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !hex_digit(s[i]))
			return false;
	}
	return s[UUID_LEN] == '\0';
}

static bool name_of(const char *s, const char *also)
{
	size_t n = 0;

	if (!alnum(s[0]))
		return false;
	for (; s[n]; n++)
		if (n == NAME_LEN_MAX || (!alnum(s[n]) && !strchr(also, s[n])))
			return false;
	return true;
}

bool name_valid(const char *s)
{
	return name_of(s, "._@-");
}

bool section_name_valid(const char *s)
{
	return name_of(s, "._-");
}

uint64_t hash64(uint64_t seed, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	uint64_t h = seed ^ UINT64_C(14695981039346656037);

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(1099511628211);
	h ^= h >> 32;
	h *= UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}
