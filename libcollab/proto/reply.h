/*
 * What the server says that is not an event: acks, errors, presence; problem+json (RFC 9457).
 *
 * Each writer appends one whole object without a newline, its keys in canonical order (RFC 8785).
 * Failures are sticky in *out.  Texts are lent for the call only.
 */
#ifndef COLLAB_PROTO_REPLY_H
#define COLLAB_PROTO_REPLY_H

#include "base/buf.h"
#include "base/sha256.h"
#include "core/decide.h"

struct ack {
	const char *session_id;
	const char *ref; /* or NULL, "" */
	int64_t seq;
	const unsigned char *hash; /* of seq; or NULL when it is not at hand (an old duplicate) */
	const char *event_id, *comment_id, *conflict_id; /* or NULL */

	int64_t version, fence, expires_ms; /* EVENT_ABSENT: leave out */
	bool duplicate, unchanged, base_assumed;
	const struct changes *changes; /* what was stored, when it is not what was sent; or NULL */
	int64_t time_ms;
};

/* {"type":"ack",…,"durability":"fsynced"} */
void ack_write(const struct ack *ack, struct buf *out);

/*
 * Fill the fields of an ack that follow from a decision: ref, the ids, version, fence, expires_ms,
 * changes, the flags; seq, session_id and time_ms too where an event answers (d->answer).  Others,
 * hash among them, stay as they are; a duplicate's seq is the first one's, an unchanged decision
 * has none.  What is filled is lent by d and c.
 */
void ack_of_decision(const struct decision *d, const struct command *c, struct ack *ack);

/*
 * {"type":"error","ref"?,"code","message","retryable","field"?, "needs"?,"role"?, "holder"?,
 * "expires_at"?, "version"?,"content"?,"session_id","timestamp"}.  d may be NULL.  session_id NULL,
 * ref NULL or "": left out.  version is 0 and content missing where there is no such section.
 */
void error_write(const char *session_id, const char *ref, const struct err *e,
                 const struct decision *d, int64_t time_ms, struct buf *out);

/*
 * RFC 9457: type (urn:collabd:error:CODE), title, status, detail, code, retryable, and the members
 * that error_write adds.
 */
void problem_write(const struct err *e, const struct decision *d, struct buf *out);

/*
 * {"type":T,"session_id","timestamp","seq","hash"?,"ref"?}: synced, checkpoint, pong.  A hash of
 * NULL is left out.
 */
void mark_write(const char *type, const char *session_id, const char *ref, int64_t seq,
                const unsigned char hash[SHA256_LEN], int64_t time_ms, struct buf *out);

struct cursor {
	const char *user_id, *user_name, *section_id;
	int64_t position;
	int64_t selection[2]; /* [0] EVENT_ABSENT: none */
	int64_t time_ms;
};

void cursor_write(const char *session_id, const struct cursor *c, struct buf *out);

#endif
