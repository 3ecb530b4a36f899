/* What the files of session share; nobody else includes it. */
#ifndef COLLAB_CORE_SESSION_INT_H
#define COLLAB_CORE_SESSION_INT_H

#include "core/session.h"
#include "core/session_build.h"

/* In session.c. */

/* A string lent as const, for a field of a struct that is only read. */
static inline char *lent(const char *s)
{
	return (char *)(uintptr_t)s;
}

/* *field (from malloc, or NULL) = a copy of value, which may be *field or NULL.  0 or ERR_NOMEM. */
int session_set_string(char **field, const char *value);

/* The fold of one event each. */

int fold_section_update(struct session *s, const struct event *ev, struct err *e);
int fold_section_deleted(struct session *s, const struct event *ev, struct err *e);
int fold_section_locked(struct session *s, const struct event *ev, struct err *e);
int fold_section_unlocked(struct session *s, const struct event *ev, struct err *e);
int fold_conflict_detected(struct session *s, const struct event *ev, struct err *e);
int fold_conflict_resolved(struct session *s, const struct event *ev, struct err *e);
int fold_comment_added(struct session *s, const struct event *ev, struct err *e);
int fold_comment_edited(struct session *s, const struct event *ev, struct err *e);
int fold_comment_resolved(struct session *s, const struct event *ev, struct err *e);
int fold_comment_reopened(struct session *s, const struct event *ev, struct err *e);
int fold_comment_deleted(struct session *s, const struct event *ev, struct err *e);

/*
 * Apply ev->changes to a section, a new one if there is none: content, other keys, version, who and
 * when, anchors, history, counts.
 */
int section_change(struct session *s, const char *section_id, const struct event *ev,
                   struct err *e);

/* In session_build.c. */

/* The section of that id; a new, empty one if there is none. */
int section_make(struct session *s, const char *section_id, struct section **out);

/* Free a part, which nothing points to any more; NULL is fine. */
void member_free(struct member *m);
void comment_free(struct comment *c);
void conflict_free(struct conflict *c);
void session_lock_free(struct lock *lock);

/* Remove the lock of a section. */
void session_clear_lock(struct session *s, const char *section_id);

/* Free a section, with its history. */
void section_free(struct section *sec);

/* Free what the section holds as state; what is left is an empty section of that id. */
void section_clear(struct section *sec);

/* What a comment's text and mentions count against state_bytes. */
size_t comment_bytes(const struct comment *c);

/* Whether this is the root of a thread that counts in comments_open. */
bool thread_open(const struct comment *c);

/* In session_refs.c. */

void refs_free(struct refs *r);

/* In session_anchors.c. */

/* Link a comment with an anchor to its section, or count it as adrift. */
void anchor_link(struct session *s, struct comment *c);
void anchor_unlink(struct session *s, struct comment *c);

/* A new section takes the comments that have been waiting for it. */
void anchors_adopt(struct session *s, struct section *sec);

/* A section's text changes: what its comments are anchored to moves, goes, comes back. */
struct anchored_change {
	const struct op *op;
	const char *before, *after; /* the text; NULL: none */
	size_t before_len, after_len;
	size_t before_chars, after_chars;
	bool section_gone; /* empty anchors are orphaned too */
};
int anchors_follow(struct section *sec, const struct anchored_change *ch);

/* The section is gone: its comments are adrift. */
void anchors_cast_off(struct session *s, struct section *sec);

/* In history.c. */

/* A section that comes into the session's map may have a history from now on.  0 or ERR_NOMEM. */
int history_join(struct session *s, struct section *sec);

/* Whether the session keeps the history of this section. */
bool history_wanted(const struct session *s, const char *section_id);

/*
 * *ch is the section's newest change.  Takes what it holds, and leaves it empty; where no history
 * is kept, it is only forgotten.  0 or ERR_NOMEM.
 */
int history_push(struct session *s, struct section *sec, struct change *ch);
void change_release(struct change *ch);

/* A deleted, emptied section goes on with its history alone; without any it is freed. */
int history_keep(struct session *s, struct section *sec);

/* Gives back the deleted section of that id, which is being created again, or NULL. */
struct section *history_revive(struct session *s, const char *section_id);

/* The seq from which on the changes of a section that was never seen are known: there were none. */
int64_t history_unseen_after(const struct session *s);

/* Forget the history of one section, of all. */
void section_history_drop(struct section *sec);
void history_free(struct session *s);

#endif
