/*
 * Fuzzing operations, from their JSON on: three lines of input, an operation a, an operation b from
 * the same text, and the text.  What is read is written canonically and read again the same; what
 * fits the text keeps the laws of core/op.h.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "core/op.h"
#include "proto/op_json.h"

enum { BYTES_MAX = 1 << 22 };

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* The operation of a line; false when it is none. */
static bool read_op(const char *line, size_t len, struct op *op)
{
	struct err e = {0};
	json_t *j = json_loadb(line, len, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	bool read = false;

	if (!j)
		return false;
	read = op_from_json(j, op, &e) == 0;
	assert(read || (e.code == ERR_BAD_DELTA && e.text[0] && e.field[0]) ||
	       e.code == ERR_TOO_LARGE);
	json_decref(j);
	return read;
}

static void check_json(const struct op *op)
{
	struct buf json;
	struct op again;

	buf_init(&json, BYTES_MAX * 8);
	op_init(&again, BYTES_MAX);
	op_write_json(op, &json);
	assert(!buf_error(&json));
	assert(read_op(json.p, json.len, &again) && op_equal(op, &again));
	buf_release(&json);
	op_release(&again);
}

static void apply(const struct op *op, const struct buf *text, struct buf *out)
{
	int rc = 0;

	buf_clear(out);
	rc = op_apply(op, text->p, text->len, out);
	assert(rc == 0 && utf8_valid(out->p, out->len));
}

static void assert_same(const struct buf *a, const struct buf *b)
{
	assert(a->len == b->len && memcmp(a->p, b->p, a->len) == 0);
}

/* TP1 on both sides, compose, invert. */
static void check_laws(const struct op *a, const struct op *b, const struct buf *text)
{
	struct buf after[2], x, y;
	struct op p, q;

	op_init(&p, BYTES_MAX);
	op_init(&q, BYTES_MAX);
	buf_init(&after[0], BYTES_MAX);
	buf_init(&after[1], BYTES_MAX);
	buf_init(&x, BYTES_MAX);
	buf_init(&y, BYTES_MAX);
	apply(a, text, &after[0]);
	apply(b, text, &after[1]);
	for (int side = OP_LEFT; side <= OP_RIGHT; side++) {
		assert(op_transform(a, b, side == OP_LEFT ? OP_LEFT : OP_RIGHT, &p) == 0);
		assert(op_transform(b, a, side == OP_LEFT ? OP_RIGHT : OP_LEFT, &q) == 0);
		apply(&p, &after[1], &x);
		apply(&q, &after[0], &y);
		assert_same(&x, &y);
		assert(op_compose(a, &q, &p) == 0);
		apply(&p, text, &x);
		assert_same(&x, &y);
	}
	assert(op_invert(a, text->p, text->len, &p) == 0);
	apply(&p, &after[0], &x);
	assert_same(&x, text);
	assert(op_compose(a, &p, &q) == 0);
	apply(&q, text, &x);
	assert_same(&x, text);
	op_release(&p);
	op_release(&q);
	buf_release(&after[0]);
	buf_release(&after[1]);
	buf_release(&x);
	buf_release(&y);
}

/* Whatever the sizes: no crash, only an error that is meant. */
static void check_unfit(const struct op *a, const struct op *b, const struct buf *text)
{
	bool fits = op_check(a, utf8_chars(text->p, text->len), NULL) == 0;
	struct buf after;
	struct op out;
	int rc = 0;

	op_init(&out, BYTES_MAX);
	buf_init(&after, BYTES_MAX);
	rc = op_transform(a, b, OP_LEFT, &out);
	assert(rc == 0 || rc == ERR_TOO_LARGE);
	rc = op_compose(a, b, &out);
	assert(rc == 0 || rc == ERR_TOO_LARGE);
	rc = op_apply(a, text->p, text->len, &after);
	assert(rc == (fits ? 0 : ERR_BAD_DELTA) && (fits || after.len == 0));
	(void)op_map_position(a, op_chars_read(b), true);   /* only must not crash */
	(void)op_deletes_range(a, 0, op_chars_read(b) + 1); /* likewise */
	buf_release(&after);
	op_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const char *lines[3] = {(const char *)input, NULL, NULL};
	size_t lens[3] = {size, 0, 0};
	struct buf text;
	struct op a, b;

	for (int i = 0; i < 2; i++) {
		const char *end = lens[i] ? memchr(lines[i], '\n', lens[i]) : NULL;

		if (!end)
			return 0;
		lines[i + 1] = end + 1;
		lens[i + 1] = lens[i] - (size_t)(end + 1 - lines[i]);
		lens[i] = (size_t)(end - lines[i]);
	}
	op_init(&a, BYTES_MAX);
	op_init(&b, BYTES_MAX);
	buf_init(&text, BYTES_MAX);
	buf_put(&text, lines[2], utf8_prefix(lines[2], lens[2]));
	if (read_op(lines[0], lens[0], &a) && read_op(lines[1], lens[1], &b)) {
		size_t chars = utf8_chars(text.p, text.len);

		check_json(&a);
		check_unfit(&a, &b, &text);
		if (op_check(&a, chars, NULL) == 0 && op_check(&b, chars, NULL) == 0)
			check_laws(&a, &b, &text);
	}
	op_release(&a);
	op_release(&b);
	buf_release(&text);
	return 0;
}
