/*
 * Landmarks: places that two sequences surely share.
 *
 * A landmark is a short run of items that occurs exactly once in either sequence (the idea of
 * Bram Cohen's patience diff, with runs of items in place of lines).  Of all of them the longest
 * list that increases in both sequences is taken.
 */
#ifndef COLLAB_CORE_LANDMARKS_H
#define COLLAB_CORE_LANDMARKS_H

#include <stddef.h>
#include <stdint.h>

struct landmark {
	uint32_t a_at, b_at; /* a[a_at] and b[b_at] are the same item */
};

/*
 * *out gives the landmarks of a and b (each shorter than 2^30), strictly increasing in both
 * sequences; NULL and *len 0 when there are none.  0 or ERR_NOMEM.  O(n log n) on any input: where
 * hashes collide, by chance or by intent, landmarks are missed.
 */
int landmarks_find(const uint32_t *a, size_t a_len, const uint32_t *b, size_t b_len,
                   struct landmark **out, size_t *len);

#endif
