/*
 * Building a session's state piece by piece: what session_apply() uses, and whoever reads a
 * snapshot (proto/state_json.h).
 *
 * Every function copies what it keeps; strings are lent for the call.  JSON values are kept by
 * reference: nobody may change them afterwards.  The counters that follow from the parts (bytes,
 * owners, comments_open, conflicts_open, replies, locks_due_ms) are kept here; what is not a part
 * (the ids, settings, times, totals, seq, hash, floor; strings of malloc) is set in the struct.
 *
 * All return 0, ERR_NOMEM, or ERR_CORRUPT when the piece does not fit (it exists already, its
 * thread does not); on failure the session must be released.
 */
#ifndef COLLAB_CORE_SESSION_BUILD_H
#define COLLAB_CORE_SESSION_BUILD_H

#include "core/session.h"

/* Add a participant: all of *m but a missing name, which becomes the user_id. */
int session_add_member(struct session *s, const struct member *m, struct err *e);

/*
 * Add a section: section_id, version, content and content_len or content_json, keys, updated_*.
 * content_chars and bytes are counted.  Comments that are there already find their section.
 */
int session_add_section(struct session *s, const struct section *sec, struct err *e);

/*
 * Add a comment: all of *c but replies, base_seq of the anchor and the by-product.  Threads come
 * before their replies; parent_comment_id may name a reply of the thread.
 */
int session_add_comment(struct session *s, const struct comment *c, struct err *e);

/* Add a conflict, open if resolution is NULL. */
int session_add_conflict(struct session *s, const struct conflict *c, struct err *e);

/* Set the lock of a section, or renew it; says nothing about the fence counter. */
int session_set_lock(struct session *s, const char *section_id, const struct lock *lock);

/* Set the fence counter of a section: the last fence given. */
int session_set_fence(struct session *s, const char *section_id, int64_t fence);

/*
 * Remember that the user's message under `ref` became event seq; digest says what the message said
 * (16 hex digits, or NULL).  Forgets the user's oldest ref beyond s->refs_max.  A ref that is
 * remembered already keeps its first seq.
 */
int session_remember_ref(struct session *s, const char *user_id, const char *ref, int64_t seq,
                         const char *digest);

#endif
