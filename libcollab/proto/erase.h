/*
 * Erasing text from what is stored (collab-protocol(7), section ERASURE).
 *
 * Each code point of text becomes U+2588, so that operations after it still fit and fold; a delete
 * that was stored with its text becomes a count.  An erased record keeps its hash and the digest
 * that it had, so that the chain holds; it loses event_id and ref_digest, by which a short text
 * could be guessed.
 */
#ifndef COLLAB_PROTO_ERASE_H
#define COLLAB_PROTO_ERASE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"

/* What is being erased from a log: its base first, if it has one, then its events in order. */
struct erasure {
	/* What this user wrote, and the user's name and e-mail address; NULL: whatever text there
	   is, but no names.  Lent until the erasure is over. */
	const char *user_id;
	struct map proposals; /* ids of the conflicts that the user's proposals made */
	bool changed;         /* of the record at hand, as is rc, the first failure */
	int rc;
};

/* A struct with nothing but a user_id is a new one. */
void erasure_release(struct erasure *x);

/*
 * Erase a stored event.  *changed tells whether there was anything left to erase; then the record
 * is appended to *out.  The text of a conflict that was settled as proposed is the proposer's, whom
 * an event before, or the base, tells.  0, ERR_CORRUPT, ERR_NOMEM.
 */
int event_erase(struct erasure *x, const char *bytes, size_t len, struct buf *out, bool *changed,
                struct err *e);

/*
 * The same for a state that a compacted log begins from: the user's names, comments and proposals,
 * and the sections that the user changed last.
 */
int state_erase(struct erasure *x, const char *bytes, size_t len, struct buf *out, bool *changed,
                struct err *e);

#endif
