/*
 * Writing canonical JSON (RFC 8785) straight into a buffer.
 *
 * Objects: the caller writes keys in canonical order (by UTF-16 code units; for ASCII keys that is
 * strcmp order); json_key() puts the comma.  A writer is only a buffer: commas follow from the last
 * byte written ('{', '[' or ':' need none).
 */
#ifndef COLLAB_PROTO_JSON_OUT_H
#define COLLAB_PROTO_JSON_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

/* "s" with RFC 8785 escapes: \" \\ \b \t \n \f \r, other controls as \u00xx.  s is valid UTF-8. */
void json_put_string(struct buf *out, const char *s, size_t len);

/* A comma if one is needed here (for array elements written by hand). */
void json_comma(struct buf *out);

/*
 * ,"key":   (the comma only where needed; key is plain ASCII and is not escaped).  The functions
 * without a length are inline because nearly every key is a literal, whose length the compiler
 * knows.
 */
void json_key_n(struct buf *out, const char *key, size_t len);
static inline void json_key(struct buf *out, const char *key)
{
	json_key_n(out, key, strlen(key));
}

/* key and value. A NULL string writes nothing at all; json_opt_int writes nothing for -1. */
void json_put_member(struct buf *out, const char *key, size_t key_len, const char *s, size_t len);
static inline void json_str_n(struct buf *out, const char *key, const char *s, size_t len)
{
	if (s)
		json_put_member(out, key, strlen(key), s, len);
}
static inline void json_str(struct buf *out, const char *key, const char *s)
{
	if (s)
		json_put_member(out, key, strlen(key), s, strlen(s));
}
static inline void json_int(struct buf *out, const char *key, int64_t n)
{
	json_key(out, key);
	buf_put_i64(out, n);
}
static inline void json_opt_int(struct buf *out, const char *key, int64_t n)
{
	if (n != -1)
		json_int(out, key, n);
}
void json_bool(struct buf *out, const char *key, bool b);
void json_null_key(struct buf *out, const char *key);
void json_time(struct buf *out, const char *key, int64_t time_ms); /* RFC 3339 text */

/*
 * Any JSON value, canonically: keys sorted by UTF-16 code units, numbers as ECMAScript prints them.
 * Numbers beyond +-(2^53 - 1) are written as the double nearest to them (json_check_value refuses
 * those on input, so that nothing changes its value).
 */
void json_put_value(struct buf *out, const json_t *value);
void json_value(struct buf *out, const char *key, const json_t *value); /* NULL: nothing */

/*
 * Members of an object, without braces, in canonical order: those whose keys sort after `after` and
 * before `before` (NULL: no bound).  To write other members in their places among them.
 */
void json_put_members(struct buf *out, const json_t *object, const char *after, const char *before);

/* A finite double as ECMAScript's Number::toString prints it (RFC 8785 section 3.2.2.3). */
void json_put_double(struct buf *out, double d);

/*
 * Whether every number in value can be told canonically and read back (none that is written as an
 * integer lies beyond 2^53 - 1), and nesting is at most depth_max (a plain value has depth 0, an
 * array or object one more than what is in it).  0, or ERR_BAD_FIELD in *e with `field`.
 */
int json_check_value(const json_t *value, int depth_max, const char *field, struct err *e);

#endif
