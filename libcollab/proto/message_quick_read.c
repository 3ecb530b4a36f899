/* From the bytes of a message to its members, as far as message_quick.c knows them. */
#include <string.h>

#include "base/utf8.h"
#include "proto/json_scan.h"
#include "proto/message_quick.h"

enum { DIGITS_MAX = 18 };

/* ---- JSON ----------------------------------------------------------------------------------- */

static void skip_space(struct quick *q)
{
	while (q->at < q->end &&
	       (*q->at == ' ' || *q->at == '\t' || *q->at == '\n' || *q->at == '\r'))
		q->at++;
}

/* White space, and then this character, which is passed too. */
static bool pass(struct quick *q, char c)
{
	skip_space(q);
	if (q->at == q->end || *q->at != c)
		return false;
	q->at++;
	return true;
}

/* The four digits of \uXXXX at p. */
static bool read_hex(const struct quick *q, const char *p, uint32_t *c)
{
	*c = 0;
	if (q->end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return false;
	for (int i = 2; i < 6; i++) {
		char d = p[i], lower = (char)(d | 0x20);

		if (d >= '0' && d <= '9')
			*c = *c << 4 | (uint32_t)(d - '0');
		else if (lower >= 'a' && lower <= 'f')
			*c = *c << 4 | (uint32_t)(lower - 'a' + 10);
		else
			return false;
	}
	return true;
}

/* \uXXXX, or two of them that are one character beyond U+FFFF; never U+0000. */
static bool read_unicode(struct quick *q, char **to)
{
	uint32_t c = 0, low = 0;

	if (!read_hex(q, q->at, &c) || c == 0 || (c >= 0xdc00 && c <= 0xdfff))
		return false;
	q->at += 6;
	if (c >= 0xd800 && c <= 0xdbff) {
		if (!read_hex(q, q->at, &low) || low < 0xdc00 || low > 0xdfff)
			return false;
		q->at += 6;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	*to += utf8_encode(c, *to);
	return true;
}

static bool read_escape(struct quick *q, char **to)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *found = NULL;

	if (q->end - q->at < 2)
		return false;
	if (q->at[1] == 'u')
		return read_unicode(q, to);
	found = memchr(names, q->at[1], sizeof names - 1);
	if (!found)
		return false;
	*(*to)++ = bytes[found - names];
	q->at += 2;
	return true;
}

/* A string behind its opening quote.  No escape is shorter than what it stands for. */
static bool read_string(struct quick *q, const char **text, size_t *len)
{
	char *to = q->to;

	*text = to;
	for (;;) {
		size_t run = json_plain_run(q->at, (size_t)(q->end - q->at));

		memcpy(to, q->at, run);
		to += run;
		q->at += run;
		if (q->at == q->end)
			return false;
		if (*q->at == '"')
			break;
		if (*q->at != '\\' || !read_escape(q, &to))
			return false;
	}
	q->at++;
	*to = '\0';
	*len = (size_t)(to - *text);
	q->to = to + 1;
	return true;
}

/* A number without fraction and exponent that is no longer than any int64_t. */
static bool read_integer(struct quick *q, int64_t *n)
{
	const char *from = NULL;
	bool minus = q->at < q->end && *q->at == '-';

	q->at += minus;
	from = q->at;
	*n = 0;
	for (; q->at < q->end && *q->at >= '0' && *q->at <= '9'; q->at++) {
		if (q->at - from == DIGITS_MAX)
			return false;
		*n = *n * 10 + (*q->at - '0');
	}
	if (q->at == from || (*from == '0' && q->at - from > 1))
		return false;
	if (q->at < q->end && (*q->at == '.' || *q->at == 'e' || *q->at == 'E'))
		return false;
	if (minus)
		*n = -*n;
	return true;
}

static bool read_word(struct quick *q, const char *word, size_t len)
{
	if ((size_t)(q->end - q->at) < len || memcmp(q->at, word, len) != 0)
		return false;
	q->at += len;
	return true;
}

/*
 * The next key of an object that has had n members, its colon passed.  1; 0: the object has ended;
 * -1: not for these files.
 */
static int next_key(struct quick *q, int n, const char **key, size_t *len)
{
	if (pass(q, '}'))
		return 0;
	if ((n > 0 && !pass(q, ',')) || !pass(q, '"') || !read_string(q, key, len))
		return -1;
	return pass(q, ':') ? 1 : -1;
}

/* ---- values --------------------------------------------------------------------------------- */

/* {"d":N} or {"d":"what it deletes"}, behind its brace. */
static bool read_delete(struct quick *q, struct op *op)
{
	const char *key = NULL, *text = NULL;
	size_t key_len = 0, len = 0;
	int64_t n = 0;

	if (next_key(q, 0, &key, &key_len) != 1 || key_len != 1 || key[0] != 'd')
		return false;
	if (pass(q, '"')) {
		if (!read_string(q, &text, &len))
			return false;
		n = (int64_t)utf8_chars(text, len);
	} else if (!read_integer(q, &n) || n < 0 || n > UINT32_MAX) {
		return false;
	}
	op_delete(op, (size_t)n);
	return pass(q, '}');
}

static bool read_part(struct quick *q, struct op *op)
{
	const char *text = NULL;
	size_t len = 0;
	int64_t n = 0;

	if (pass(q, '"')) {
		if (!read_string(q, &text, &len))
			return false;
		op_insert(op, text, len);
		return true;
	}
	if (pass(q, '{'))
		return read_delete(q, op);
	if (!read_integer(q, &n) || n < 0 || n > UINT32_MAX)
		return false;
	op_retain(op, (size_t)n);
	return true;
}

/* An operation behind its bracket. */
static bool read_delta(struct quick *q)
{
	struct op *op = &q->m->delta;

	op_init(op, q->len);
	q->changes.delta = op;
	if (pass(q, ']'))
		return op_finish(op) == 0;
	do {
		if (!read_part(q, op))
			return false;
	} while (pass(q, ','));
	return pass(q, ']') && op_finish(op) == 0;
}

/* `changes` behind its brace; there is one such object in a message. */
static bool read_changes(struct quick *q)
{
	struct changes *c = &q->changes;
	bool content = false, delta = false;
	const char *key = NULL;
	size_t len = 0;
	int n = 0, more = 0;

	if (q->changes_seen)
		return false;
	q->changes_seen = true;
	while ((more = next_key(q, n++, &key, &len)) == 1) {
		if (len == 7 && memcmp(key, "content", 7) == 0 && !content && !c->delta) {
			content = true;
			if (!pass(q, '"') || !read_string(q, &c->content, &c->content_len))
				return false;
		} else if (len == 5 && memcmp(key, "delta", 5) == 0 && !delta) {
			delta = true;
			skip_space(q);
			if (!read_word(q, "null", 4) &&
			    (content || !pass(q, '[') || !read_delta(q)))
				return false;
		} else {
			return false;
		}
	}
	return more == 0;
}

static bool read_pair(struct quick *q, int64_t n[2])
{
	for (int i = 0; i < 2; i++) {
		skip_space(q);
		if (!read_integer(q, &n[i]) || !pass(q, i == 0 ? ',' : ']'))
			return false;
	}
	return true;
}

static bool is_key(const struct value *v, const char *key)
{
	return strlen(key) == v->key_len && memcmp(v->key, key, v->key_len) == 0;
}

static bool read_object(struct quick *q, struct object *o);

/* An array or object; the character that opens it is passed. */
static bool read_nested(struct quick *q, const struct object *in, struct value *v, char opened)
{
	if (opened == '[' && is_key(v, "selection")) {
		v->kind = VALUE_PAIR;
		return read_pair(q, v->n);
	}
	if (opened == '{' && is_key(v, "changes")) {
		v->kind = VALUE_CHANGES;
		return read_changes(q);
	}
	if (opened == '{' && in == &q->top && is_key(v, "data")) {
		v->kind = VALUE_DATA;
		return read_object(q, &q->data);
	}
	return false;
}

static bool read_value(struct quick *q, const struct object *in, struct value *v)
{
	skip_space(q);
	if (q->at == q->end)
		return false;
	switch (*q->at) {
	case '"':
		q->at++;
		v->kind = VALUE_STRING;
		return read_string(q, &v->text, &v->len);
	case '{':
	case '[':
		return read_nested(q, in, v, *q->at++);
	case 't':
		v->kind = VALUE_TRUE;
		return read_word(q, "true", 4);
	case 'f':
		v->kind = VALUE_FALSE;
		return read_word(q, "false", 5);
	case 'n':
		v->kind = VALUE_NULL;
		return read_word(q, "null", 4);
	default:
		v->kind = VALUE_INTEGER;
		return read_integer(q, &v->n[0]);
	}
}

const struct value *quick_find(const struct object *o, const char *key, size_t len)
{
	for (int i = 0; i < o->len; i++)
		if (o->members[i].key_len == len && memcmp(o->members[i].key, key, len) == 0)
			return &o->members[i];
	return NULL;
}

/* An object behind its brace. */
static bool read_object(struct quick *q, struct object *o)
{
	const char *key = NULL;
	size_t len = 0;
	int more = 0;

	while ((more = next_key(q, o->len, &key, &len)) == 1) {
		struct value *v = &o->members[o->len];

		if (o->len == MEMBERS_MAX || quick_find(o, key, len))
			return false;
		v->key = key;
		v->key_len = len;
		if (!read_value(q, o, v))
			return false;
		o->len++;
	}
	return more == 0;
}

bool quick_read(struct quick *q)
{
	if (!pass(q, '{') || !read_object(q, &q->top))
		return false;
	skip_space(q);
	return q->at == q->end;
}
