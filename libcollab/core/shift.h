/*
 * Many positions through one operation: what core/op.h does for one position in the time that the
 * operation takes to walk, this does for each by binary search.
 *
 * Positions count code points, of the text before the operation or of the text after it.
 */
#ifndef COLLAB_CORE_SHIFT_H
#define COLLAB_CORE_SHIFT_H

#include "core/op.h"

/* Where a component of the operation begins. */
struct shift_mark {
	size_t before;    /* in the text before */
	size_t after;     /* in the text after */
	size_t kept;      /* code points retained in front of it */
	size_t gone_from; /* where, in the text before, the deletions that end here begin */
};

struct shift {
	const struct op *op;      /* lent, until release */
	struct shift_mark *marks; /* op->len + 1: the last is where the rest of the text begins */
};

/* 0 or ERR_NOMEM. */
int shift_init(struct shift *sh, const struct op *op);
void shift_release(struct shift *sh); /* a zeroed struct is fine */

/* op_map_position(). */
size_t shift_position(const struct shift *sh, size_t pos, bool stick_right);

/* How many of the first pos code points of the text before are retained. */
size_t shift_kept(const struct shift *sh, size_t pos);

/* How many of the first pos code points of the text after are inserted. */
size_t shift_inserted(const struct shift *sh, size_t pos);

/*
 * Where, in the text before, the deletions around a position or directly in front of it begin,
 * whatever is inserted between them; pos if there are none.
 */
size_t shift_gone_from(const struct shift *sh, size_t pos);

/* Whether two positions of the text after lie within what the operation changes, ends included. */
bool shift_spans(const struct shift *sh, size_t a, size_t b);

#endif
