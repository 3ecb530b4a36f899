/*
 * A session's state as JSON: canonical (snapshots, state_hash), for clients (session_state), and
 * the resources of the REST interface.
 *
 * Canonical state, keys sorted; every map as an object by id, comments as an array in order of
 * creation, refs as {user:[[ref,seq,digest],…]}:
 *   activity_at comments comments_total changes_total conflict_resolution_strategy conflicts
 *   continued_from end_reason ended_at fences floor hash last_activity locks max_participants
 *   members refs report_id sections seq session_id session_timeout_minutes session_type started_at
 *   started_by updated_at
 * members: {user_id:{active_at?,joined_at,online,role,user_email?,user_id,user_name}}
 * sections: {id:{content,section_id,updated_at,updated_by,updated_by_name,version,…other keys under
 * "keys"}}; locks: {section:{expires_at,fence,user_id}}.
 */
#ifndef COLLAB_PROTO_STATE_JSON_H
#define COLLAB_PROTO_STATE_JSON_H

#include "base/buf.h"
#include "core/session.h"
#include "proto/reply.h"

/* The canonical state: what a snapshot holds and state_hash hashes. */
void state_write(const struct session *s, struct buf *out);

/* hex SHA-256 of the canonical state. */
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
	const struct limits *limits;       /* shown as limits{}, or NULL */
	const struct cursor *cursors;      /* newest per user, or NULL */
	size_t cursors_len;
	const char *const *active_editors; /* user ids that moved a cursor recently; edits are added */
	size_t active_editors_len;
};

/*
 * The members of session_state that are the same for every reader, without braces: from "type" on
 * (type session_state; full: with sections, comments, conflicts, cursors).  The caller puts
 * {"you":…, or {"resumed":false,"reason":…, in front and } behind.
 */
void state_message_write(const struct session *s, enum state_detail detail,
                         const struct state_view *view, struct buf *out);

/* GET …/collaborate/session, without braces; include_* as asked for. */
void session_details_write(const struct session *s, bool sections, bool comments, bool conflicts,
                           const struct state_view *view, struct buf *out);

/* One resource each, a whole object. */
void member_write(const struct member *m, bool without_email, struct buf *out);
void section_write(const struct section *sec, const struct lock *lock, struct buf *out);
void comment_write(const struct comment *c, struct buf *out);
void conflict_write(const struct session *s, const struct conflict *c, struct buf *out);

/*
 * The directory's summary, a whole object: what listings show of a session that is not in memory:
 * {"conflict_resolution_strategy","ended_at"?,"end_reason"?,"last_activity","max_participants",
 * "online","open_comments","open_conflicts","participants" (a count),"session_timeout_minutes",
 * "session_type","started_at","started_by","total_changes","total_comments"}
 */
void summary_write(const struct session *s, struct buf *out);

#endif
