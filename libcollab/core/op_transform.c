/*
 * Text operations: transform, compose, invert.
 *
 * All three walk over components of two operations (or of one and a text) side by side, cutting
 * them where the other one ends.  The order of what they emit is that of the public type: where
 * it seems arbitrary (an insert in front of a pending delete when composing), every implementation
 * must still do the same.
 */
#include <assert.h>

#include "base/utf8.h"
#include "core/op.h"

/* A walk over an operation that may stop inside a component. */
struct walk {
	const struct op *op;
	size_t i;     /* the component, op->len at the end */
	size_t chars; /* how much of it is used, */
	size_t bytes; /* and for an insert, of its text */
};

static const struct op_part *walk_part(const struct walk *w)
{
	return w->i < w->op->len ? &w->op->parts[w->i] : NULL;
}

static bool walk_at(const struct walk *w, enum op_kind kind)
{
	return w->i < w->op->len && w->op->parts[w->i].kind == kind;
}

/* Use up to `chars` of the present component (there must be one), append that to *out unless it is
 * NULL; how many that were. */
static size_t walk_take(struct walk *w, size_t chars, struct op *out)
{
	const struct op_part *part = walk_part(w);
	size_t left = part->chars - w->chars;
	size_t n = chars < left ? chars : left;
	const char *text = NULL;
	size_t bytes = 0;

	if (part->kind == OP_INSERT) {
		text = w->op->text.p + part->text_at + w->bytes;
		bytes = part->text_bytes - w->bytes;
		if (n < left)
			bytes = utf8_offset(text, bytes, n, NULL);
	}
	if (out && part->kind == OP_RETAIN)
		op_retain(out, n);
	else if (out && part->kind == OP_DELETE)
		op_delete(out, n);
	else if (out)
		op_insert(out, text, bytes);
	w->chars += n;
	w->bytes += bytes;
	if (n == left) {
		w->i++;
		w->chars = 0;
		w->bytes = 0;
	}
	return n;
}

static void walk_rest(struct walk *w, struct op *out)
{
	while (walk_part(w))
		(void)walk_take(w, SIZE_MAX, out); /* the count does not matter */
}

/* Go over `chars` of the text that the other operation retains, or (gone) deletes. */
static void transform_over(struct walk *w, size_t chars, bool gone, struct op *out)
{
	while (chars > 0 && walk_part(w)) {
		if (walk_at(w, OP_INSERT))
			(void)walk_take(w, SIZE_MAX, out); /* inserts read nothing */
		else
			chars -= walk_take(w, chars, gone ? NULL : out);
	}
	if (!gone)
		op_retain(out, chars);
}

int op_transform(const struct op *op, const struct op *other, enum op_side side, struct op *out)
{
	struct walk w = {.op = op};

	assert(out != op && out != other);
	op_clear(out);
	for (size_t i = 0; i < other->len; i++) {
		const struct op_part *part = &other->parts[i];

		switch (part->kind) {
		case OP_RETAIN:
			transform_over(&w, part->chars, false, out);
			break;
		case OP_DELETE:
			transform_over(&w, part->chars, true, out);
			break;
		case OP_INSERT:
			if (side == OP_LEFT && walk_at(&w, OP_INSERT))
				(void)walk_take(&w, SIZE_MAX, out); /* ours goes first */
			op_retain(out, part->chars);
			break;
		}
	}
	walk_rest(&w, out);
	return op_finish(out);
}

/* Go over `chars` of the text between the two, which the second one retains or deletes. */
static void compose_over(struct walk *first, size_t chars, enum op_kind second, struct op *out)
{
	while (chars > 0 && walk_part(first)) {
		if (walk_at(first, OP_DELETE)) {
			(void)walk_take(first, SIZE_MAX, out); /* not in the text between */
		} else if (second == OP_RETAIN) {
			chars -= walk_take(first, chars, out);
		} else {
			bool was_there = walk_at(first, OP_RETAIN);
			size_t n = walk_take(first, chars, NULL);

			if (was_there)
				op_delete(out, n);
			chars -= n;
		}
	}
	if (second == OP_RETAIN)
		op_retain(out, chars);
	else
		op_delete(out, chars);
}

int op_compose(const struct op *a, const struct op *b, struct op *out)
{
	struct walk w = {.op = a};

	assert(out != a && out != b);
	op_clear(out);
	for (size_t i = 0; i < b->len; i++) {
		const struct op_part *part = &b->parts[i];

		if (part->kind == OP_INSERT)
			op_insert(out, b->text.p + part->text_at, part->text_bytes);
		else
			compose_over(&w, part->chars, part->kind, out);
	}
	walk_rest(&w, out);
	return op_finish(out);
}

int op_invert(const struct op *op, const char *text, size_t len, struct op *out)
{
	size_t at = 0;

	assert(out != op);
	if (!text)
		text = "";
	op_clear(out);
	for (size_t i = 0; i < op->len; i++) {
		const struct op_part *part = &op->parts[i];
		size_t left = 0;
		size_t n = 0;

		if (part->kind == OP_INSERT) {
			op_delete(out, part->chars);
			continue;
		}
		n = utf8_offset(text + at, len - at, part->chars, &left);
		if (left)
			return ERR_BAD_DELTA;
		if (part->kind == OP_RETAIN)
			op_retain(out, part->chars);
		else
			op_insert(out, text + at, n);
		at += n;
	}
	return op_finish(out);
}
