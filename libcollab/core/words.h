/*
 * Words: how a text is cut into the pieces that diff compares.
 *
 * A word is a run of letters, digits and marks with the blanks behind it; a character of Chinese or
 * Japanese, a punctuation mark, each with the blanks behind it; a line break, CRLF being one.  All
 * that matters is that equal words are common in texts that have something in common: this is no
 * Unicode segmentation (UAX 29).
 */
#ifndef COLLAB_CORE_WORDS_H
#define COLLAB_CORE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a word ends between byte at-1 and byte at of s[0..len); at is the start of a code point.
 * The ends of the text are ends of words. */
bool words_break(const char *s, size_t len, size_t at);

/* A text cut into words: word i is bytes starts[i] to starts[i + 1]. */
struct words {
	uint32_t *ids;    /* equal ids: equal words */
	uint32_t *starts; /* len + 1 of them */
	size_t len;
};

void words_release(struct words *w); /* a zeroed struct is fine */

/*
 * Cut two texts (each shorter than 1 GiB) into words and number these.  0 or ERR_NOMEM, and then
 * both are empty.  Linear time: where hashes collide, by chance or by intent, equal words may get
 * different ids.
 */
int words_cut(const char *a, size_t a_len, const char *b, size_t b_len, struct words *a_out,
              struct words *b_out);

#endif
