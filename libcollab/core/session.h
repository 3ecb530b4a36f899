/*
 * A session's state: the fold of its log, and nothing else.
 *
 * session_apply() may not refuse a valid event; replay, recovery, import and the tests use only it.
 * Two sessions that applied the same log have the same canonical state (proto/state_json.h).
 * `history` is a by-product that is not part of the state: the latest changes of each section, for
 * deciding about stale bases.
 *
 * Everything is made by session_apply(), or by core/session_build.h from a snapshot; others only
 * read.  A struct session may be moved (copied, and the old one forgotten): nothing points to it.
 */
#ifndef COLLAB_CORE_SESSION_H
#define COLLAB_CORE_SESSION_H

#include "base/buf.h"
#include "base/ids.h"
#include "base/map.h"
#include "base/sha256.h"
#include "core/event.h"
#include "core/limits.h"

struct member {
	char *user_id, *name, *email; /* email: NULL when unknown */
	enum role role;
	int64_t joined_ms;
	bool online;
	int64_t active_ms; /* last own change of a section (not carried), for active_editors; 0:
	                      none */
};

struct lock {
	char *user_id; /* NULL: not locked */
	int64_t fence; /* of the lock held */
	int64_t expires_ms;
};

/*
 * One change of a section, as history keeps it.  A replaced text keeps the text it replaced (moved
 * here, not copied); an edited one keeps the operation and what undoes it.
 */
enum change_kind { CHANGE_KEYS, CHANGE_REPLACE, CHANGE_EDIT };

struct change {
	enum change_kind kind; /* what it did to the text; any kind may have set other keys too */
	int64_t seq;
	char *user_id;
	json_t *keys; /* the names of the other keys it set: an object, or NULL */
	size_t chars_before, chars_after;
	char *before; /* CHANGE_REPLACE: the text it replaced; NULL: there was none */
	size_t before_len;
	struct op op, undo; /* CHANGE_EDIT */
};

struct comment;
struct history;

struct section {
	char *section_id;
	int64_t version; /* seq of the last change */
	char *content;   /* NULL: there is none, or content_json is not NULL */
	size_t content_len;
	size_t content_chars;
	json_t *content_json; /* a content that is not text */
	json_t *keys;         /* the other keys: an object, or NULL */
	char *updated_by, *updated_by_name;
	int64_t updated_ms;
	size_t bytes; /* what it counts against section_bytes: id, content, keys as JSON */

	/* by-product, not state */
	struct comment *anchored; /* comments with an anchor here, linked by anchored_next */
	struct history *history; /* the session's, or NULL; sections with changes are in its list */
	struct section *history_prev, *history_next;
	struct change
		*changes; /* a queue of the latest, oldest first: changes[changes_at…changes_len) */
	size_t changes_at, changes_len, changes_cap;
	int64_t changes_after; /* every change with a greater seq is there */
};

struct comment {
	char *comment_id;
	char *parent_comment_id; /* NULL: a root; else always a root's id */
	char *section_id;
	char *user_id, *user_name;
	char *text; /* "" once deleted */
	size_t text_len;
	json_t *mentions;              /* array of user ids, or NULL */
	int64_t created_ms, edited_ms; /* edited_ms 0: never */
	bool resolved, deleted;
	char *resolved_by;
	int64_t resolved_ms;
	struct anchor anchor; /* follows its text; base_seq is not kept (EVENT_ABSENT) */
	bool orphaned;        /* the anchored text is gone; from = to is where it was */
	int replies;          /* not deleted, or a tombstone kept for them */

	/*
	 * Of an orphaned anchor, so that it comes back when its text does: the text began
	 * lost_before code points, gone as well, behind anchor.from, and at lost_at in the last
	 * text that had it; it had lost_chars code points (EVENT_ABSENT: it was never known, the
	 * anchor cannot come back) and this digest.  All are 0 and "" when the anchor is not
	 * orphaned.
	 */
	int64_t lost_at, lost_before, lost_chars;
	char lost_digest[17]; /* 16 hex digits, see anchor_digest; "" */

	/* by-product, not state */
	struct section *anchored_in; /* NULL: no anchor, or the section does not exist */
	struct comment *anchored_prev, *anchored_next;
};

struct conflict {
	char *conflict_id, *section_id, *user_id, *user_name;
	int64_t base_seq, current_seq, created_ms;
	json_t *proposed; /* the changes as proposed, in their wire form; NULL once resolved */
	json_t *users;    /* conflicting_users: an array of user ids */
	char *resolution; /* NULL: open */
};

/* The refs of one user, the newest `limits.refs`. */
struct ref {
	char *ref;
	int64_t seq;
	char digest[17];
	uint32_t hash; /* of the ref */
};

struct refs {
	char *user_id;
	struct ref *ring; /* ring[(first + i) % cap], i < len, oldest first */
	size_t first, len, cap;
	uint32_t *index;  /* an open hash table: place in the ring + 1, or 0 */
	size_t index_len; /* a power of two */
};

/* What an event removed from the state, kept until the next one has been applied. */
struct removed {
	struct member *member;
	struct lock *lock;
	struct comment *comments[2]; /* a reply, and the tombstone that it was the last reply of */
	json_t *proposed;
};

struct session {
	char session_id[UUID_LEN + 1];
	char report_id[NAME_LEN_MAX + 1];
	char *continued_from; /* or NULL */
	char *started_by;     /* user id */
	struct settings settings;
	int64_t started_ms,
		activity_ms; /* activity_ms: the last event that counts (not presence) */
	int64_t updated_ms;  /* time of the last event */
	int64_t ended_ms;    /* 0: active */
	char *end_reason;
	int64_t seq; /* of the last event; 0: nothing happened yet */
	unsigned char
		hash[SHA256_LEN]; /* of the last event; set by proto when it seals or reads one */
	int64_t floor;            /* compaction: the log begins after this seq */
	int64_t changes_total, comments_total;

	struct map members;   /* user_id -> struct member */
	struct map sections;  /* section_id -> struct section */
	struct map locks;     /* section_id -> struct lock: held leases */
	struct map fences;    /* section_id -> int64_t *: the last fence given */
	struct map comments;  /* comment_id -> struct comment, in order of creation */
	struct map conflicts; /* conflict_id -> struct conflict */
	struct map refs;      /* user_id -> struct refs */
	size_t bytes; /* what sections, comments and open conflicts count against state_bytes */
	int owners;   /* members with role owner */
	int comments_open; /* threads not resolved and not deleted */
	int conflicts_open;
	size_t refs_max;    /* limits.refs when the session was made */
	size_t history_max; /* limits.base_changes: changes kept per section; 0: no history */

	/* by-product, not state */
	int64_t locks_due_ms;  /* when the first of the locks expires, INT64_MAX: there are none */
	size_t anchors_adrift; /* comments with an anchor in a section that does not exist */
	struct history *history;  /* what the histories of all sections share; NULL: none yet */
	size_t history_bytes_max; /* HISTORY_BYTES_MAX, may be changed before the first event */
	struct removed
		removed; /* by the last event: what it was about may have been lent by that */
	const char *history_section; /* lent: keep the history of this section only; NULL: of all */
	int64_t history_after; /* seq of the state that events were first applied to, -1: none yet
	                        */
};

/*
 * What the histories of all sections of a session take at most together, by default.  The section
 * that was not changed for the longest time loses its oldest changes first; the newest change is
 * always kept.  What is lost can be read from the log again (session_history_extend).
 */
#define HISTORY_BYTES_MAX ((size_t)4 << 20)

/* An empty session; takes nothing.  refs_max >= 1.  history_max 0 for folds that never decide. */
void session_init(struct session *s, size_t refs_max, size_t history_max);
void session_release(struct session *s); /* a zeroed struct is fine */

/*
 * Apply the next event (ev->seq == s->seq + 1, asserted by callers that decide; reading a log
 * reports it).  Copies what it keeps.  ERR_CORRUPT when the event does not fit the state (only a
 * damaged log does that), ERR_NOMEM: in both cases the session is unusable and must be released.
 *
 * The event may have been lent strings by the state itself.  What it removes (a member who left, a
 * comment, a lock's holder, a conflict's proposal) stays valid until the next event has been
 * applied.  Keys of the maps go at once: an event whose section_id is the key of a lock that it
 * frees may not be looked at any more.
 */
int session_apply(struct session *s, const struct event *ev, struct err *e);

struct member *session_member(const struct session *s, const char *user_id);
struct section *session_section(const struct session *s, const char *section_id);
struct comment *session_comment(const struct session *s, const char *comment_id);
struct conflict *session_conflict(const struct session *s, const char *conflict_id);

/* The root of the thread that a comment is in; itself when it is one. */
struct comment *session_thread(const struct session *s, const struct comment *c);

/* The lock held on a section at now_ms, or NULL (none, or expired). */
struct lock *session_lock(const struct session *s, const char *section_id, int64_t now_ms);

/* The remembered ref of a user, or NULL. */
const struct ref *session_ref(const struct session *s, const char *user_id, const char *ref);

/* ROLE_NONE for who is no participant. */
enum role session_role(const struct session *s, const char *user_id);

/*
 * When the session wants to be looked at by itself: the earliest of its time-out and the expiry of
 * a lock; INT64_MAX when it has ended.
 */
int64_t session_due_ms(const struct session *s);

/* ---- history ----------------------------------------------------------------------------------
 */

/* Whether every change of the section after base_seq is in its history. */
bool section_history_covers(const struct section *sec, int64_t base_seq);

/*
 * Move the changes of `older` (the same section in a session folded, with history, from a state at
 * or before the base up to where sec's history begins) in front of sec's.  0 or ERR_NOMEM.  There
 * must be no gap between the two, which sec's history can get while the other fold is made:
 * session_history_extend checks that, this does not.
 */
int section_history_extend(struct section *sec, struct section *older);

/*
 * The same for a section by its id, if both sessions' states fit together: `older` was folded, with
 * history, up to where the history of s begins or beyond.  Works too when the section did not exist
 * or was deleted at the end of older's fold.  0 also when there is nothing to gain: ask
 * section_history_covers again, and refuse with ERR_BASE_TOO_OLD if the fold from the log did not
 * help (its bytes are bounded too).  ERR_NOMEM.
 */
int session_history_extend(struct session *s, const char *section_id, struct session *older);

/*
 * The text at base_seq: appended to *out.  History must cover base_seq.  Nothing is appended where
 * there was no text.  0, or the error of out.
 */
int section_text_at(const struct section *sec, int64_t base_seq, struct buf *out);

/*
 * *out (initialised by the caller, emptied here) = op, made from the text at base_seq, as it must
 * be to apply to the text now (side LEFT against each change since).  History must cover base_seq.
 * ERR_BAD_DELTA when op does not fit the text at base_seq; ERR_BASE_TOO_OLD when so large an op
 * would have to be taken over so many changes that everybody else would have to wait; ERR_NOMEM.
 */
int section_transform(const struct section *sec, const struct op *op, int64_t base_seq,
                      struct op *out, struct err *e);

/* The code points of the text at base_seq.  History must cover base_seq. */
size_t section_chars_at(const struct section *sec, int64_t base_seq);

#endif
