/*
 * Which items of two sequences of numbers have no counterpart in the other, in bounded time.
 *
 * Myers' O(ND) algorithm ("An O(ND) Difference Algorithm and Its Variations", 1986) in its
 * linear-space form.  Found exactly, the answer is as small as can be; where that would cost more
 * than `effort` allows, it is only small: the stretch is first cut at runs of items that occur once
 * in either sequence, then wherever the search got furthest, and in the end taken as all different.
 *
 * The bound: with n items in both sequences together, at most 4 * effort * n + 256 steps (one
 * diagonal tried or one pair of items compared) and O(n log n) beside them, on any input.  Exact
 * whenever the two differ in at most sqrt(effort * n) items and the steps suffice, as they do but
 * for contrived input.  Memory is O(n).
 */
#ifndef COLLAB_CORE_SEQDIFF_H
#define COLLAB_CORE_SEQDIFF_H

#include <stddef.h>
#include <stdint.h>

struct seqdiff_box; /* a stretch of both sequences still to compare */

/* Memory that can be used again for many comparisons.  A zeroed struct is ready for use. */
struct seqdiff {
	unsigned char *a_only; /* after seqdiff_run: 1 for items of a without counterpart in b, */
	unsigned char *b_only; /* and of b in a; the others correspond in order */
	size_t marks_cap;

	int32_t *forward, *backward; /* furthest points by diagonal, index 0 in the middle */
	size_t diagonals_cap;
	struct seqdiff_box *boxes; /* a stack */
	size_t boxes_len, boxes_cap;
	int64_t steps_left;
};

void seqdiff_release(struct seqdiff *sd);

/*
 * Compare a[0..a_len) with b[0..b_len), each shorter than 2^30, with effort >= 1 steps an item.
 * 0 or ERR_NOMEM.  Lends a_only and b_only until the next call.
 */
int seqdiff_run(struct seqdiff *sd, const uint32_t *a, size_t a_len, const uint32_t *b,
                size_t b_len, size_t effort);

#endif
