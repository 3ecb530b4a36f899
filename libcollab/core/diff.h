/*
 * The operation that turns one text into another: small, and made of whole words where it can be.
 *
 * The texts are compared word by word first and then, inside what was replaced, character by
 * character (core/seqdiff.h).  What stays between two changes is given up when it is shorter than
 * both or only some chance letters, so that a rewritten phrase is one replacement and not a sieve.
 * A replacement is a delete followed by an insert.  No code point is ever split.
 *
 * The bound, on any input: each of the two comparisons takes at most about 4 * DIFF_STEPS steps of
 * a few nanoseconds, and what lies beside them is O(n log n) in the bytes of both texts, as is the
 * memory (some tens of bytes a byte of text, freed before returning).  Texts that differ in so many
 * places that the bound is reached get a coarser operation, up to one replacement of all that lies
 * between their common ends; none of over 4 KiB takes more bytes of JSON than that one would,
 * counts aside.
 *
 * The outcome depends on the two texts alone.  The fold of a log uses it (comments follow a
 * replaced text), so it is as fixed as a stored format: tests/unit/test_diff.c keeps a digest of
 * many.
 */
#ifndef COLLAB_CORE_DIFF_H
#define COLLAB_CORE_DIFF_H

#include <stddef.h>

#include "core/op.h"

enum { DIFF_STEPS = 1 << 22 };

/*
 * *out (initialised by the caller, emptied here) = an operation from old[0..old_len) to
 * new_[0..new_len), both valid UTF-8 of less than 1 GiB.  Equal texts give the empty operation.  0,
 * ERR_NOMEM, or ERR_TOO_LARGE when it inserts more than *out may hold.
 */
int diff(const char *old, size_t old_len, const char *new_, size_t new_len, struct op *out);

#endif
