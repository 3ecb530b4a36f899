/* What the server says that is not an event: acks, errors, state, presence; problem+json. */
#ifndef COLLAB_PROTO_REPLY_H
#define COLLAB_PROTO_REPLY_H

#include "base/buf.h"
#include "base/sha256.h"
#include "core/decide.h"

struct ack {
	const char *session_id;
	const char *ref; /* or NULL */
	int64_t seq;
	const unsigned char *hash;  /* of seq; or NULL when it is not at hand (an old duplicate) */
	const char *event_id, *comment_id, *conflict_id; /* or NULL */
	int64_t version, fence, expires_ms; /* EVENT_ABSENT: leave out */
	bool duplicate, unchanged, base_assumed;
	const struct changes *changes; /* what was stored, when it is not what was sent; or NULL */
	int64_t time_ms;
};

/* {"type":"ack",…,"durability":"fsynced"} */
void ack_write(const struct ack *ack, struct buf *out);

/* Fill the fields of an ack that follow from the events decided (the first that the author sees). */
void ack_of_decision(const struct decision *d, const struct command *c, struct ack *ack);

/*
 * {"type":"error","ref"?,"code","message","retryable","field"?, "needs"?,"role"?, "holder"?,
 * "expires_at"?, "version"?,"content"?,…}.  d may be NULL.  session_id NULL: left out.
 */
void error_write(const char *session_id, const char *ref, const struct err *e,
                 const struct decision *d, int64_t time_ms, struct buf *out);

/* RFC 9457: type, title, status, detail, code, and the same members as error_write. */
void problem_write(const struct err *e, const struct decision *d, struct buf *out);

/* {"type":T,"session_id","timestamp","seq","hash"}: synced, checkpoint, pong (seq and hash too). */
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
