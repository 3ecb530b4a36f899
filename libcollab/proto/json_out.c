/* Canonical JSON (RFC 8785) into a buffer. */
#include "proto/json_out.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rfc3339.h"
#include "proto/json_scan.h"

/* The greatest integer of which a double knows its neighbours: 2^53 - 1. */
#define SAFE_INTEGER_MAX INT64_C(9007199254740991)

enum { KEYS_ON_STACK = 24 };

static void put_escape(struct buf *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters[0x20] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
	char esc[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	if (c >= 0x20)
		esc[1] = (char)c; /* a quote or a backslash */
	else if (letters[c])
		esc[1] = letters[c];
	buf_put(out, esc, esc[1] == 'u' ? 6 : 2);
}

/* What is left of a string behind its first `run` bytes, which are out, and its closing quote. */
static void put_rest(struct buf *out, const char *s, size_t len, size_t run)
{
	while (run < len) {
		size_t from = run + 1;

		put_escape(out, (unsigned char)s[run]);
		run = from + json_plain_run(s + from, len - from);
		buf_put(out, s + from, run - from);
	}
	buf_putc(out, '"');
}

/* "s, from p on, where there is room for all of it; its end is in *out. */
static void put_string_at(struct buf *out, char *p, const char *s, size_t len)
{
	size_t run = json_plain_run(s, len);

	*p++ = '"';
	if (run)
		memcpy(p, s, run);
	p += run;
	if (run == len) {
		/* Nothing to escape, as nearly always. */
		*p++ = '"';
		*p = '\0';
		out->len = (size_t)(p - out->p);
		return;
	}
	out->len = (size_t)(p - out->p);
	put_rest(out, s, len, run);
}

void json_put_string(struct buf *out, const char *s, size_t len)
{
	if (!buf_reserve(out, len + 2))
		put_string_at(out, out->p + out->len, s, len);
}

/* Whether what comes next is the first thing in its object, array or buffer, or a key's value. */
static inline bool at_start(const struct buf *out)
{
	char last = out->len ? out->p[out->len - 1] : '{';

	return last == '{' || last == '[' || last == ':';
}

void json_comma(struct buf *out)
{
	if (!at_start(out))
		buf_putc(out, ',');
}

/* ,"key": at the end of out, where there is room for it; gives where it ends. */
static inline char *key_at(struct buf *out, const char *key, size_t len)
{
	char *p = out->p + out->len;

	if (!at_start(out))
		*p++ = ',';
	*p++ = '"';
	memcpy(p, key, len);
	p += len;
	*p++ = '"';
	*p++ = ':';
	return p;
}

void json_key_n(struct buf *out, const char *key, size_t len)
{
	char *p = NULL;

	if (buf_reserve(out, len + 4))
		return;
	p = key_at(out, key, len);
	*p = '\0';
	out->len = (size_t)(p - out->p);
}

void json_put_member(struct buf *out, const char *key, size_t key_len, const char *s, size_t len)
{
	if (!buf_reserve(out, key_len + 4 + len + 2))
		put_string_at(out, key_at(out, key, key_len), s, len);
}

void json_bool(struct buf *out, const char *key, bool b)
{
	json_key(out, key);
	buf_puts(out, b ? "true" : "false");
}

void json_null_key(struct buf *out, const char *key)
{
	json_key(out, key);
	buf_puts(out, "null");
}

void json_time(struct buf *out, const char *key, int64_t time_ms)
{
	char text[1 + RFC3339_LEN + 1] = "\"";

	rfc3339_format(time_ms, text + 1);
	text[1 + RFC3339_LEN] = '"'; /* in place of the NUL */
	json_key(out, key);
	buf_put(out, text, sizeof text);
}

/*
 * The order of two keys by UTF-16 code units.  It is that of the UTF-8 bytes, but for characters
 * above U+FFFF: their surrogates (U+D800…) come before U+E000…U+FFFF, their lead bytes (F0…) after
 * those of these (EE, EF).
 */
static int key_order(const char *a, const char *b)
{
	unsigned char p, q;

	while (*a && *a == *b) {
		a++;
		b++;
	}
	p = (unsigned char)*a;
	q = (unsigned char)*b;
	if (p >= 0xee && q >= 0xee && (p >= 0xf0) != (q >= 0xf0))
		return p >= 0xf0 ? -1 : 1;
	return (p > q) - (p < q);
}

static int compare_keys(const void *a, const void *b)
{
	return key_order(*(const char *const *)a, *(const char *const *)b);
}

void json_put_members(struct buf *out, const json_t *object, const char *after, const char *before)
{
	const char *on_stack[KEYS_ON_STACK];
	const char **keys = on_stack;
	size_t len = json_object_size(object), n = 0;
	const char *key = NULL;
	json_t *value = NULL;

	if (len > KEYS_ON_STACK)
		keys = malloc(len * sizeof *keys);
	if (!keys) {
		out->error = out->error ? out->error : ERR_NOMEM;
		return;
	}
	/* The macro needs a pointer that is not const; nothing is changed. */
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		if ((!after || key_order(key, after) > 0) &&
		    (!before || key_order(key, before) < 0))
			keys[n++] = key;
	}
	qsort(keys, n, sizeof *keys, compare_keys);
	for (size_t i = 0; i < n; i++) {
		json_comma(out);
		json_put_string(out, keys[i], strlen(keys[i]));
		buf_putc(out, ':');
		json_put_value(out, json_object_get(object, keys[i]));
	}
	if (keys != on_stack)
		free(keys);
}

static void put_integer(struct buf *out, int64_t n)
{
	/* Beyond what a double tells apart, RFC 8785 sees the double that the text reads as. */
	if (n > SAFE_INTEGER_MAX || n < -SAFE_INTEGER_MAX)
		json_put_double(out, (double)n);
	else
		buf_put_i64(out, n);
}

void json_put_value(struct buf *out, const json_t *value)
{
	size_t i = 0;
	const json_t *item = NULL;

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		buf_putc(out, '{');
		json_put_members(out, value, NULL, NULL);
		buf_putc(out, '}');
		break;
	case JSON_ARRAY:
		buf_putc(out, '[');
		json_array_foreach(value, i, item)
		{
			if (i)
				buf_putc(out, ',');
			json_put_value(out, item);
		}
		buf_putc(out, ']');
		break;
	case JSON_STRING:
		json_put_string(out, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		put_integer(out, json_integer_value(value));
		break;
	case JSON_REAL:
		json_put_double(out, json_real_value(value));
		break;
	case JSON_TRUE:
		buf_puts(out, "true");
		break;
	case JSON_FALSE:
		buf_puts(out, "false");
		break;
	case JSON_NULL:
		buf_puts(out, "null");
		break;
	}
}

void json_value(struct buf *out, const char *key, const json_t *value)
{
	if (!value)
		return;
	json_key(out, key);
	json_put_value(out, value);
}

static int check_number(const json_t *value, const char *field, struct err *e)
{
	bool exact = true;

	if (json_is_integer(value)) {
		int64_t n = json_integer_value(value);

		exact = n <= SAFE_INTEGER_MAX && n >= -SAFE_INTEGER_MAX;
	} else {
		double d = fabs(json_real_value(value));

		/* From 1e21 on the canonical form has an exponent and cannot be taken for an
		 * integer. */
		exact = d <= (double)SAFE_INTEGER_MAX || d >= 1e21;
	}
	if (!exact)
		return err_field(e, ERR_BAD_FIELD, field,
		                 "an integer beyond 2^53 - 1 is not exact");
	return 0;
}

int json_check_value(const json_t *value, int depth_max, const char *field, struct err *e)
{
	const char *key = NULL;
	const json_t *item = NULL;
	json_t *member = NULL;
	size_t i = 0;
	int rc = 0;

	if (json_is_number(value))
		return check_number(value, field, e);
	if (!json_is_object(value) && !json_is_array(value))
		return 0;
	if (depth_max <= 0)
		return err_field(e, ERR_BAD_FIELD, field, "nested too deeply");
	json_array_foreach(value, i, item)
	{
		rc = json_check_value(item, depth_max - 1, field, e);
		if (rc)
			return rc;
	}
	json_object_foreach((json_t *)(uintptr_t)value, key, member)
	{
		rc = json_check_value(member, depth_max - 1, field, e);
		if (rc)
			return rc;
	}
	return 0;
}
