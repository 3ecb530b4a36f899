/* Text operations: building, checking, applying, positions. */
#include "core/op.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void op_init(struct op *op, size_t text_bytes_max)
{
	*op = (struct op){0};
	buf_init(&op->text, text_bytes_max);
}

void op_release(struct op *op)
{
	size_t text_bytes_max = op->text.len_max;

	free(op->parts);
	buf_release(&op->text);
	op_init(op, text_bytes_max);
}

void op_clear(struct op *op)
{
	op->len = 0;
	op->error = 0;
	buf_clear(&op->text);
}

static struct op_part *last_part(struct op *op, enum op_kind kind)
{
	if (op->len && op->parts[op->len - 1].kind == kind)
		return &op->parts[op->len - 1];
	return NULL;
}

/* The last component if it is of this kind, else a new one of length 0; NULL on failure. */
static struct op_part *part_for(struct op *op, enum op_kind kind)
{
	struct op_part *part = last_part(op, kind);
	struct op_part *parts = NULL;
	size_t cap = op->cap ? op->cap * 2 : 8;

	if (part)
		return part;
	if (op->len == op->cap) {
		parts = cap <= SIZE_MAX / sizeof *parts ? realloc(op->parts, cap * sizeof *parts)
		                                        : NULL;
		if (!parts) {
			op->error = ERR_NOMEM;
			return NULL;
		}
		op->parts = parts;
		op->cap = cap;
	}
	part = &op->parts[op->len++];
	*part = (struct op_part){.kind = kind, .text_at = op->text.len};
	return part;
}

/* Append `chars` code points of any kind; for an insert, its `bytes` are in op->text already. */
static void add(struct op *op, enum op_kind kind, size_t chars, size_t bytes)
{
	struct op_part *part = last_part(op, kind);
	uint32_t had = part ? part->chars : 0;
	uint32_t had_bytes = part ? part->text_bytes : 0;

	if (op->error || chars == 0)
		return;
	if (chars > UINT32_MAX - had || bytes > UINT32_MAX - had_bytes) {
		op->error = ERR_TOO_LARGE;
		return;
	}
	part = part_for(op, kind);
	if (!part)
		return;
	part->chars += (uint32_t)chars;
	part->text_bytes += (uint32_t)bytes;
}

void op_retain(struct op *op, size_t chars)
{
	add(op, OP_RETAIN, chars, 0);
}

void op_delete(struct op *op, size_t chars)
{
	add(op, OP_DELETE, chars, 0);
}

void op_insert(struct op *op, const char *text, size_t len)
{
	if (op->error || len == 0)
		return;
	/* Room first and bytes last: a new component begins where the text now ends. */
	op->error = buf_reserve(&op->text, len);
	add(op, OP_INSERT, utf8_chars(text, len), len);
	if (!op->error)
		buf_put(&op->text, text, len);
}

int op_finish(struct op *op)
{
	if (last_part(op, OP_RETAIN))
		op->len--;
	return op->error;
}

void op_replace_all(struct op *op, size_t chars, const char *text, size_t len)
{
	op_delete(op, chars);
	op_insert(op, text, len);
}

static size_t count(const struct op *op, unsigned kinds)
{
	size_t n = 0;

	for (size_t i = 0; i < op->len; i++)
		if (kinds & 1u << op->parts[i].kind)
			n += op->parts[i].chars;
	return n;
}

size_t op_chars_read(const struct op *op)
{
	return count(op, 1u << OP_RETAIN | 1u << OP_DELETE);
}

size_t op_chars_inserted(const struct op *op)
{
	return count(op, 1u << OP_INSERT);
}

size_t op_chars_deleted(const struct op *op)
{
	return count(op, 1u << OP_DELETE);
}

int op_check(const struct op *op, size_t chars, struct err *e)
{
	size_t reads = op_chars_read(op);

	if (reads > chars)
		return err_set(e, ERR_BAD_DELTA,
		               "the operation reaches over %zu characters, the text has %zu", reads,
		               chars);
	return 0;
}

int op_apply(const struct op *op, const char *text, size_t len, struct buf *out)
{
	size_t start = out->len;
	size_t at = 0;
	size_t left = 0;
	int rc = buf_reserve(out, 0);

	if (!text)
		text = "";
	for (size_t i = 0; i < op->len && !rc; i++) {
		const struct op_part *part = &op->parts[i];
		size_t n = 0;

		if (part->kind == OP_INSERT) {
			buf_put(out, op->text.p + part->text_at, part->text_bytes);
			continue;
		}
		n = utf8_offset(text + at, len - at, part->chars, &left);
		if (left)
			rc = ERR_BAD_DELTA;
		else if (part->kind == OP_RETAIN)
			buf_put(out, text + at, n);
		at += n;
	}
	if (!rc)
		buf_put(out, text + at, len - at);
	if (!rc)
		rc = buf_error(out);
	if (rc && out->p) {
		out->len = start;
		out->p[start] = '\0';
	}
	return rc;
}

size_t op_map_position(const struct op *op, size_t chars, bool stick_right)
{
	size_t before = 0; /* where the walk is in the text before op, never beyond chars */
	size_t after = 0;  /* and in the text after it */

	for (size_t i = 0; i < op->len; i++) {
		const struct op_part *part = &op->parts[i];

		switch (part->kind) {
		case OP_RETAIN:
			if (chars - before < part->chars)
				return after + (chars - before);
			before += part->chars;
			after += part->chars;
			break;
		case OP_DELETE:
			if (chars - before < part->chars)
				return after;
			before += part->chars;
			break;
		case OP_INSERT:
			if (before == chars && !stick_right)
				return after;
			after += part->chars;
			break;
		}
	}
	return after + (chars - before);
}

bool op_deletes_range(const struct op *op, size_t from, size_t to)
{
	size_t at = 0;

	for (size_t i = 0; i < op->len && at < to; i++) {
		const struct op_part *part = &op->parts[i];

		if (part->kind == OP_INSERT)
			continue;
		if (part->kind == OP_RETAIN && at + part->chars > from)
			return false;
		at += part->chars;
	}
	return at >= to;
}

int op_copy(const struct op *op, struct op *out)
{
	struct op_part *parts = NULL;

	assert(out != op);
	op_clear(out);
	if (op->error)
		return out->error = op->error;
	if (op->len > out->cap) {
		parts = realloc(out->parts, op->len * sizeof *parts);
		if (!parts)
			return out->error = ERR_NOMEM;
		out->parts = parts;
		out->cap = op->len;
	}
	buf_put(&out->text, op->text.p, op->text.len);
	if (buf_error(&out->text))
		return out->error = buf_error(&out->text);
	if (op->len)
		memcpy(out->parts, op->parts, op->len * sizeof *op->parts);
	out->len = op->len;
	return 0;
}

bool op_equal(const struct op *a, const struct op *b)
{
	if (a->len != b->len || a->text.len != b->text.len)
		return false;
	for (size_t i = 0; i < a->len; i++)
		if (a->parts[i].kind != b->parts[i].kind || a->parts[i].chars != b->parts[i].chars)
			return false;
	return a->text.len == 0 || memcmp(a->text.p, b->text.p, a->text.len) == 0;
}
