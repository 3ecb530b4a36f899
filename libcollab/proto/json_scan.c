/* The members of a JSON object, one after the other, without building anything of it. */
#include "proto/json_scan.h"

#include <string.h>

/* The byte in each of a word's eight places. */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

enum { INTEGER_DIGITS = 18 };

/* Whether JSON has no way to write the byte but an escape. */
static inline bool needs_escape(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\';
}

static inline uint64_t word_at(const char *p)
{
	uint64_t w;

	memcpy(&w, p, 8);
	return w;
}

/*
 * The highest bit of each byte of the word that needs an escape.  With a bit flipped, a quote and
 * what is below a space are what is at most a space.  The lowest that is set is right, and so is
 * none: borrows only spread upwards.
 */
static inline uint64_t escapes_of(uint64_t w)
{
	uint64_t low = w ^ EACH(0x02), backslash = w ^ EACH('\\');

	return (((low - EACH(0x21)) & ~low) | ((backslash - EACH(0x01)) & ~backslash)) & EACH(0x80);
}

/* How many bytes are below the lowest one whose highest bit is set. */
static inline size_t bytes_below(uint64_t bits)
{
	return (size_t)(((((bits & (0 - bits)) - 1) & EACH(0x01)) * EACH(0x01)) >> 56) - 1;
}

/* Whether the lowest byte of a word is the first in memory; the compiler knows. */
static inline bool little_endian(void)
{
	return (word_at("\1\0\0\0\0\0\0") & 1) != 0;
}

size_t json_plain_run(const char *p, size_t len)
{
	size_t i = 0;

	for (; i + 8 <= len; i += 8) {
		uint64_t escapes = escapes_of(word_at(p + i));

		if (escapes && little_endian())
			return i + bytes_below(escapes);
		if (escapes)
			break;
	}
	/* The last bytes, together with some that were looked at, are a word too. */
	if (i + 8 > len && len >= 8 && !escapes_of(word_at(p + len - 8)))
		return len;
	while (i < len && !needs_escape((unsigned char)p[i]))
		i++;
	return i;
}

void json_scan_init(struct json_scan *s, const char *text, size_t len)
{
	*s = (struct json_scan){.at = text, .end = text + len};
}

static void skip_space(struct json_scan *s)
{
	while (s->at < s->end &&
	       (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

/* White space, and then this character, which is passed too. */
static bool pass(struct json_scan *s, char c)
{
	skip_space(s);
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

/* The rest of a string, its closing quote passed.  false: it has no end. */
static bool pass_string(struct json_scan *s, bool *escaped)
{
	for (; s->at < s->end && *s->at != '"'; s->at++) {
		if (*s->at != '\\')
			continue;
		*escaped = true;
		if (++s->at == s->end)
			return false;
	}
	return s->at++ < s->end;
}

/* An array or object, both its ends passed. */
static bool pass_nested(struct json_scan *s)
{
	size_t depth = 0;
	bool escaped = false;

	do {
		char c = *s->at++;

		if (c == '"' && !pass_string(s, &escaped))
			return false;
		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
	} while (depth > 0 && s->at < s->end);
	return depth == 0;
}

/* A number, true, false or null. */
static bool pass_word(struct json_scan *s)
{
	const char *from = s->at;

	while (s->at < s->end && (*s->at == '-' || *s->at == '+' || *s->at == '.' ||
	                          (*s->at >= '0' && *s->at <= '9') ||
	                          (*s->at >= 'a' && *s->at <= 'z') || *s->at == 'E'))
		s->at++;
	return s->at > from;
}

static bool pass_value(struct json_scan *s, struct json_member *m)
{
	skip_space(s);
	if (s->at == s->end)
		return false;
	m->string = *s->at == '"';
	m->value = s->at + m->string;
	if (m->string) {
		s->at++;
		if (!pass_string(s, &m->escaped))
			return false;
	} else if (*s->at == '{' || *s->at == '[' ? !pass_nested(s) : !pass_word(s)) {
		return false;
	}
	m->len = (size_t)(s->at - m->value) - m->string;
	return true;
}

int json_scan_next(struct json_scan *s, struct json_member *m)
{
	bool first = !s->inside;

	*m = (struct json_member){0};
	if (first && !pass(s, '{'))
		return -1;
	s->inside = true;
	if (pass(s, '}')) {
		skip_space(s);
		return s->at == s->end ? 0 : -1;
	}
	if ((!first && !pass(s, ',')) || !pass(s, '"'))
		return -1;
	m->key = s->at;
	if (!pass_string(s, &m->escaped) || m->escaped)
		return -1;
	m->key_len = (size_t)(s->at - m->key) - 1;
	return pass(s, ':') && pass_value(s, m) ? 1 : -1;
}

bool json_member_is(const struct json_member *m, const char *key)
{
	return strlen(key) == m->key_len && memcmp(m->key, key, m->key_len) == 0;
}

bool json_member_integer(const struct json_member *m, int64_t *out)
{
	bool minus = m->len > 0 && m->value[0] == '-';
	int64_t n = 0;

	if (m->string || m->len == minus || m->len - minus > INTEGER_DIGITS)
		return false;
	for (size_t i = minus; i < m->len; i++) {
		if (m->value[i] < '0' || m->value[i] > '9')
			return false;
		n = n * 10 + (m->value[i] - '0');
	}
	*out = minus ? -n : n;
	return true;
}

bool json_member_copy(const struct json_member *m, char *out, size_t size)
{
	if (!m->string || m->escaped || m->len >= size)
		return false;
	memcpy(out, m->value, m->len);
	out[m->len] = '\0';
	return true;
}
