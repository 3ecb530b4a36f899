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

/*
 * Erase a stored event.  user_id: what that user wrote, and the user's name and e-mail address;
 * NULL: whatever text there is, but no names.  *changed tells whether there was anything left to
 * erase; then the record is appended to *out.  0, ERR_CORRUPT, ERR_NOMEM.
 */
int event_erase(const char *bytes, size_t len, const char *user_id, struct buf *out, bool *changed,
                struct err *e);

/*
 * The same for a state that a compacted log begins from: the user's names, comments and proposals,
 * and the sections that the user changed last.
 */
int state_erase(const char *bytes, size_t len, const char *user_id, struct buf *out, bool *changed,
                struct err *e);

#endif
