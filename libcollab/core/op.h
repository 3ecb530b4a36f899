/*
 * Text operations: operational transformation on Unicode text, in the public "text-unicode" form.
 *
 * An operation walks over a text from its start: it retains code points, inserts text, deletes code
 * points; what it does not reach it retains.  Positions and counts are Unicode code points.  An
 * operation in this struct is always normalised: no empty component, neighbours of one kind joined,
 * no trailing retain.
 *
 * The order of an insert and a delete at one place is kept, as the public type keeps it: both
 * orders give the same text, but they are not the same operation.  [{"d":1},"a"] inserts behind the
 * deleted character and ["a",{"d":1}] in front of it, and against another's insert there they
 * transform differently.  Whoever reorders diverges from those who do not.
 *
 * What always holds (tests/unit/test_op.c has these as properties):
 *   apply(apply(t, a), transform(b, a, RIGHT)) = apply(apply(t, b), transform(a, b, LEFT))   (TP1)
 *   apply(t, compose(a, b)) = apply(apply(t, a), b)
 *   apply(apply(t, a), invert(a, t)) = t
 * All are linear in the size of the operations, apply in that and one pass over the text.  Texts
 * are valid UTF-8; NULL is fine for an empty one.
 */
#ifndef COLLAB_CORE_OP_H
#define COLLAB_CORE_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum op_kind { OP_RETAIN, OP_INSERT, OP_DELETE };

/* Who goes first when two insert at one place: LEFT puts its text before the other's. */
enum op_side { OP_LEFT, OP_RIGHT };

struct op_part {
	enum op_kind kind;
	uint32_t chars;      /* code points retained, inserted or deleted; never 0 */
	uint32_t text_bytes; /* OP_INSERT: bytes of its text */
	size_t text_at;      /* OP_INSERT: where in op.text it begins */
};

struct op {
	struct op_part *parts;
	size_t len, cap;
	struct buf text; /* the texts of all inserts, one after the other */
	int error;       /* sticky, as in struct buf: 0, ERR_NOMEM or ERR_TOO_LARGE */
};

/* The empty operation.  text_bytes_max bounds the inserted bytes. */
void op_init(struct op *op, size_t text_bytes_max);
void op_release(struct op *op); /* a zeroed struct is fine */

/* Back to the empty operation without error; keeps the memory. */
void op_clear(struct op *op);

/*
 * Append a component; joins it with the last one if of one kind.  0 and "" do nothing.  Failures
 * are sticky in op->error.  text must be valid UTF-8.
 */
void op_retain(struct op *op, size_t chars);
void op_insert(struct op *op, const char *text, size_t len);
void op_delete(struct op *op, size_t chars);

/* Finish building: drop a trailing retain.  Gives op->error. */
int op_finish(struct op *op);

static inline bool op_is_noop(const struct op *op)
{
	return op->len == 0;
}

/*
 * Append what a stored content means to a text of `chars` code points: delete all, insert all, in
 * this order (collab-protocol(7)).  Server and clients must agree on the order to converge.
 */
void op_replace_all(struct op *op, size_t chars, const char *text, size_t len);

/* Code points that op reads (retains and deletes), inserts, deletes. */
size_t op_chars_read(const struct op *op);
size_t op_chars_inserted(const struct op *op);
size_t op_chars_deleted(const struct op *op);

/* 0 if op fits a text of `chars` code points, else ERR_BAD_DELTA in *e. */
int op_check(const struct op *op, size_t chars, struct err *e);

/*
 * Append the text after op to *out (not cleared first, not part of text).  0; ERR_BAD_DELTA when op
 * reads more than text has; or the error of out.  On failure out->len is as it was.
 */
int op_apply(const struct op *op, const char *text, size_t len, struct buf *out);

/*
 * *out (initialised by the caller, emptied here, none of the others) = op as it must be to apply
 * after `other`, where both were made from the same text.  0, ERR_NOMEM or ERR_TOO_LARGE.
 */
int op_transform(const struct op *op, const struct op *other, enum op_side side, struct op *out);

/* *out = first a, then b, as one.  b must fit the text after a.  Errors as op_transform. */
int op_compose(const struct op *a, const struct op *b, struct op *out);

/* *out undoes op, which was made from text.  ERR_BAD_DELTA when it does not fit, or as above. */
int op_invert(const struct op *op, const char *text, size_t len, struct op *out);

/*
 * Where position `chars` of the text before op lies after it.  With stick_right, text inserted
 * exactly there goes before the position (it moves right), else after it.  Monotone in chars.
 */
size_t op_map_position(const struct op *op, size_t chars, bool stick_right);

/* Whether op deletes all of [from, to), from < to: an anchor there is orphaned. */
bool op_deletes_range(const struct op *op, size_t from, size_t to);

/* *out (initialised) = a copy of op.  Errors as op_transform, or op's own. */
int op_copy(const struct op *op, struct op *out);

bool op_equal(const struct op *a, const struct op *b);

#endif
