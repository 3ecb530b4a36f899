/*
 * A session's state as JSON: canonical (snapshots, state_hash), for clients (session_state), and
 * the resources of the REST interface.
 *
 * Canonical state, keys sorted:
 *
 *   changes_total comments comments_total conflict_resolution_strategy conflicts continued_from?
 *   end_reason? ended_at? fences floor hash last_activity locks max_participants members refs
 *   report_id sections seq session_id session_timeout_minutes session_type started_at started_by?
 *   updated_at
 *
 *   comments, conflicts, members: arrays in the order in which they came to be, as lists show them
 *   fences: {section:n}
 *   locks: {section:{expires_at,fence,user_id}}
 *   refs: {user:[[ref,seq,digest],…]}, the oldest first
 *   sections: {id:{content?,keys?,section_id,updated_at,updated_by?,updated_by_name?,version}},
 *     the other keys under "keys"
 */
#ifndef COLLAB_PROTO_STATE_JSON_H
#define COLLAB_PROTO_STATE_JSON_H

#include "base/buf.h"
#include "core/session.h"
#include "proto/reply.h"

/* The canonical state: what a snapshot holds and state_hash hashes. */
void state_write(const struct session *s, struct buf *out);

/* hex SHA-256 of the canonical state.  0 or ERR_NOMEM. */
int state_hash(const struct session *s, char out[SHA256_HEX_LEN + 1]);

/*
 * A state from its canonical JSON, into a session made by session_init.  ERR_CORRUPT, ERR_NOMEM;
 * then *s must be released.
 */
int state_read(const char *bytes, size_t len, struct session *s, struct err *e);

/* What a reply shows of a state. */
enum state_detail { STATE_NONE, STATE_BRIEF, STATE_FULL };

struct state_view {
	int64_t now_ms;
	bool without_email;
	const struct limits *limits;  /* shown as limits{}, or NULL */
	const struct cursor *cursors; /* newest per user, or NULL */
	size_t cursors_len;
	const char *const *active_editors; /* who moved a cursor recently; who edited is added */
	size_t active_editors_len;
	bool inactive; /* it was imported and not activated: over, though its log has no end */
};

/*
 * The members of session_state that are the same for every reader, without braces: from "type" on.
 * none: only what a client resumes from (seq, hash) and the limits; brief: the session, who is
 * there and what is locked; full: sections, comments, conflicts and cursors too.  The caller puts
 * {"you":… or {"resumed":false,"reason":… in front (the comma comes by itself) and } behind.
 */
void state_message_write(const struct session *s, enum state_detail detail,
                         const struct state_view *view, struct buf *out);

/* GET …/collaborate/session, without braces; include_* as asked for. */
void session_details_write(const struct session *s, bool sections, bool comments, bool conflicts,
                           const struct state_view *view, struct buf *out);

/* One resource each, a whole object. */
void member_write(const struct member *m, bool without_email, struct buf *out);
void comment_write(const struct comment *c, struct buf *out);

/*
 * A section with its other keys beside its own; content is null when there is none.  lock (NULL:
 * none): shown as lock{user_id,expires_at}, unless the section has a key of that name itself.
 */
void section_write(const struct section *sec, const struct lock *lock, struct buf *out);

/*
 * A conflict.  An open one has base_content, current_content and proposed_content beside what the
 * event said, as far as there are such texts and the section's history still reaches to the base.
 */
void conflict_write(const struct session *s, const struct conflict *c, struct buf *out);

/*
 * The directory's summary, a whole object: what listings show of a session that is not in memory:
 * {"conflict_resolution_strategy","end_reason"?,"ended_at"?,"last_activity","max_participants",
 * "members" (their user ids, for who may list it),
 * "online","open_comments","open_conflicts","participants" (a count),"session_timeout_minutes",
 * "session_type","started_at","started_by","total_changes","total_comments"}
 */
void summary_write(const struct session *s, struct buf *out);

#endif
