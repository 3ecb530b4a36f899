/*
 * Events: what a session's log is made of.
 *
 * An event is a fact; its kind is never removed, renamed or re-meant.  This struct is its typed
 * form; the bytes are proto/event_json.h.  All pointers are lent by whoever made the event (the
 * parsed document, the command, or the session state) -- apply copies what it keeps.  Absent is
 * NULL, -1 (EVENT_ABSENT) or ROLE_NONE.
 */
#ifndef COLLAB_CORE_EVENT_H
#define COLLAB_CORE_EVENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/op.h"
#include "core/role.h"

#define EVENT_ABSENT INT64_C(-1)

/* X(NAME, wire type) */
#define EVENT_TABLE(X)                                                                             \
	X(SESSION_STARTED, "session_started")                                                      \
	X(SESSION_ENDED, "session_ended")                                                          \
	X(PARTICIPANT_JOINED, "participant_joined")                                                \
	X(PARTICIPANT_LEFT, "participant_left")                                                    \
	X(ROLE_CHANGED, "role_changed")                                                            \
	X(USER_ONLINE, "user_online")                                                              \
	X(USER_OFFLINE, "user_offline")                                                            \
	X(SECTION_UPDATE, "section_update")                                                        \
	X(SECTION_DELETED, "section_deleted")                                                      \
	X(SECTION_LOCKED, "section_locked")                                                        \
	X(SECTION_UNLOCKED, "section_unlocked")                                                    \
	X(COMMENT_ADDED, "comment_added")                                                          \
	X(COMMENT_EDITED, "comment_edited")                                                        \
	X(COMMENT_RESOLVED, "comment_resolved")                                                    \
	X(COMMENT_REOPENED, "comment_reopened")                                                    \
	X(COMMENT_DELETED, "comment_deleted")                                                      \
	X(CONFLICT_DETECTED, "conflict_detected")                                                  \
	X(CONFLICT_RESOLVED, "conflict_resolved")                                                  \
	X(ERASED, "erased")                                                                        \
	X(COMPACTED, "compacted")

enum event_kind {
#define X(name, wire) EVENT_##name,
	EVENT_TABLE(X)
#undef X
		EVENT_KINDS
};

/* The wire type of a kind, and back; -1 for a type that is no event's. */
const char *event_type(enum event_kind kind);
int event_kind_parse(const char *type);

enum session_type { SESSION_CHAT, SESSION_DIRECT, SESSION_COLLABORATIVE, SESSION_TYPES };
enum strategy { STRATEGY_LAST_WRITE_WINS, STRATEGY_MERGE, STRATEGY_MANUAL, STRATEGIES };
enum resolution { RESOLUTION_CURRENT, RESOLUTION_PROPOSED, RESOLUTION_MERGED, RESOLUTIONS };

/* Names as on the wire; the parsers give -1 for anything else. */
const char *session_type_name(enum session_type t);
int session_type_parse(const char *name);
const char *strategy_name(enum strategy s);
int strategy_parse(const char *name);
const char *resolution_name(enum resolution r);
int resolution_parse(const char *name);

struct settings {
	enum session_type type;
	enum strategy strategy;
	int max_participants;
	int timeout_minutes;
};

/*
 * `changes` of a section: a JSON Merge Patch (RFC 7396) on its keys.  At most one of content,
 * content_json and delta says what happens to the text.
 */
struct changes {
	const char *content; /* replaces the text; content_len bytes of valid UTF-8 */
	size_t content_len;
	const struct op *delta; /* edits the text */
	const json_t
		*content_json; /* replaces the text by a value that is not text (null removes it) */
	const json_t *keys;    /* the other keys, an object without content and delta; or NULL */
};

struct anchor {
	int64_t from, to; /* code points, from <= to; EVENT_ABSENT in `from`: no anchor */
	int64_t base_seq; /* of the text they count in; in an event: that of the event before */
};

struct event {
	enum event_kind kind;
	bool carried;    /* carried over from the report's session before */
	int64_t seq;     /* 1, 2, 3, … */
	int64_t time_ms; /* when; never less than the event's before */
	const char *session_id;
	const char *event_id; /* a UUID, also the salt of the digest; NULL once erased */
	const char *user_id;  /* whom it is about: the author, except where `by` says who did it */
	const char *user_name;
	const char *by;         /* user_id of the author where user_id is somebody else */
	const char *via;        /* the administrator who acted as the author */
	const char *ref;        /* the author's own reference, for idempotency */
	const char *ref_digest; /* 16 hex digits: what the message under that ref said */
	const char *reason;

	const char *report_id;                 /* session_started */
	const char *continued_from;            /* session_started: session id of the one before */
	struct settings settings;              /* session_started */
	int64_t total_changes, total_comments; /* session_ended */

	const char *user_email; /* participant_joined */
	enum role role;         /* participant_joined, role_changed */

	const char *section_id; /* section_*, comment_added, conflict_* */
	struct changes changes; /* section_update, conflict_resolved; conflict_detected: proposed */
	int64_t version;        /* section_update, conflict_resolved: the section's new version */
	const int64_t *overwrote; /* section_update: seqs of others' changes that it replaced */
	size_t overwrote_len;
	int64_t fence;      /* section_locked, section_unlocked */
	int64_t expires_ms; /* section_locked */

	/* comment_*; in comment_added, author and created_ms differ from the event's when carried
	 */
	const char *comment_id, *parent_comment_id;
	const char *text; /* comment_added, comment_edited */
	size_t text_len;
	const char *const *mentions; /* user ids; comment_added, comment_edited */
	size_t mentions_len;
	struct anchor anchor;                            /* comment_added */
	const char *comment_user_id, *comment_user_name; /* comment_added */
	int64_t comment_created_ms;                      /* comment_added */

	const char *conflict_id;       /* conflict_* */
	int64_t base_seq, current_seq; /* conflict_detected */
	const char *const *users;      /* conflict_detected: conflicting_users */
	size_t users_len;
	enum resolution resolution; /* conflict_resolved */

	const json_t *extra; /* erased, compacted: an object of the fields that only they have */
};

/* An event with every optional field absent. */
void event_init(struct event *ev, enum event_kind kind);

/* user_id of who did it: `by`, else `user_id`; NULL when the server did. */
static inline const char *event_author(const struct event *ev)
{
	return ev->by ? ev->by : ev->user_id;
}

/* Whether the event counts as activity for the session's time-out (everything but presence). */
bool event_is_activity(enum event_kind kind);

#endif
