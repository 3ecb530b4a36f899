/*
 * What the files of decide share; nobody else includes it.
 *
 * A decider is one question being answered.  The rule of a command (rule_*) checks in the order
 * that decide.h promises, then makes events; decide() drops the events of a rule that refuses, so
 * a rule may fail at any point.
 */
#ifndef COLLAB_CORE_DECIDE_INT_H
#define COLLAB_CORE_DECIDE_INT_H

#include "core/decide.h"

struct decider {
	const struct session *s;   /* NULL in decide_start */
	const struct command *c;   /* NULL in decide_start */
	const struct actor *actor; /* NULL: the server itself */
	const struct decide_env *env;
	struct decision *d;
	struct err *e;
	const char *session_id;
	int64_t seq;                      /* of the last event before the decision */
	size_t bytes, sections, comments; /* what the state counts against its limits, with this */
	int64_t now_ms;    /* the time of every event: the clock, but never behind the state */
	enum role role;    /* the actor's as a member */
	enum role allowed; /* what the actor may do: an administrator everything, as the server */
};

/* ---- decide.c ------------------------------------------------------------------------------ */

/*
 * The next event, by and about the actor.  NULL when out of memory, which is set in *e: the rule
 * returns ERR_NOMEM.  Lent until the next call, which may move the events.
 */
struct event *decider_event(struct decider *dr, enum event_kind kind);

/* The same for the event that answers the command: it carries the ref. */
struct event *decider_answer(struct decider *dr, enum event_kind kind);

/* The event is about this user, and by the actor if that is somebody else. */
void decider_about(const struct decider *dr, struct event *ev, const char *user_id,
                   const char *user_name);

/* Takes p (from malloc) for as long as the decision lives; NULL when p is or no room for it. */
void *decider_own(struct decider *dr, void *p);

/*
 * The entries of a map, in order of their keys: the order in which some maps were filled is no part
 * of the state, and a session that comes from a snapshot must decide the same.  0 or ERR_NOMEM.
 */
int decider_entries(struct decider *dr, const struct map *m, const struct map_entry ***entries);

/* The decision's operation, empty, to hold at most text_bytes_max; NULL when out of memory. */
struct op *decider_op(struct decider *dr, size_t text_bytes_max);

/* Takes a reference to v (as json_incref gives) for as long as the decision lives, as above. */
json_t *decider_value(struct decider *dr, json_t *v);

/* ERR_FORBIDDEN unless the actor has the role. */
int decider_needs(struct decider *dr, enum role needs);

/* ERR_NOMEM, set in *e. */
int decider_nomem(struct decider *dr);

/* Nothing needs to change: 0. */
int decider_unchanged(struct decider *dr);

bool decider_is_actor(const struct decider *dr, const char *user_id);

/* ---- decide_base.c ------------------------------------------------------------------------- */

/* ERR_VERSION_MISMATCH, showing the section as it is (NULL: there is none). */
int version_mismatch(struct decider *dr, const struct section *sec);

/* ERR_VERSION_MISMATCH when the command's if_version is not the section's version (NULL: 0). */
int version_check(struct decider *dr, const struct section *sec);

/* ERR_BAD_BASE when base_seq (not absent) lies above the log's end. */
int base_check(struct decider *dr, int64_t base_seq, const char *field);

/* Whether the section changed after base_seq; false when either is absent. */
bool base_stale(const struct section *sec, int64_t base_seq);

/*
 * Whether the changes since a stale base can be looked at: 0, ERR_BASE_TOO_OLD, or DECIDE_HISTORY.
 */
int base_reach(struct decider *dr, const struct section *sec, int64_t base_seq);

/* The changes of the section after base_seq, oldest first; *len is set to how many. */
const struct change *base_changes(const struct section *sec, int64_t base_seq, size_t *len);

/*
 * Move an anchor from the text at its base, which it fits, to the text now, as the state moves its
 * own.  *gone is set when its text is.  0 or ERR_NOMEM.
 */
int base_map_anchor(struct decider *dr, const struct section *sec, struct anchor *a, bool *gone);

/* ---- decide_size.c ------------------------------------------------------------------------- */

/*
 * Whether the section may become what `changes` make of it (NULL: it is new): 0 or the limit's
 * error.  What it grows by counts in dr->bytes from then on.
 */
int size_of_change(struct decider *dr, const struct section *sec, const char *section_id,
                   const struct changes *changes);

/* Whether these changes may be kept as a proposal. */
int size_of_proposal(struct decider *dr, const struct section *sec, const struct changes *changes);

/* What a comment counts against state_bytes. */
size_t comment_size(size_t text_len, const char *const *mentions, size_t mentions_len);

/* Whether there may be another comment of so many bytes (cm NULL), or cm may have so many. */
int size_of_comment(struct decider *dr, const struct comment *cm, size_t bytes);

/* ---- decide_locks.c ------------------------------------------------------------------------ */

/* Whether the lock of a section lets the command change it: 0, SECTION_LOCKED or STALE_FENCE. */
int lock_check(struct decider *dr, const char *section_id);

/* section_unlocked of a held lock, by the actor; 0 or ERR_NOMEM. */
int decider_unlock(struct decider *dr, const char *section_id, const struct lock *lock,
                   const char *reason);

/* The same for every lock of the user (NULL: of everybody). */
int decider_unlock_all(struct decider *dr, const char *user_id, const char *reason);

/* ---- decide_conflicts.c -------------------------------------------------------------------- */

/* Make the command's stale change a conflict. */
int conflict_propose(struct decider *dr, const struct section *sec, int64_t base_seq);

/* ---- decide_comments.c --------------------------------------------------------------------- */

/*
 * Make the anchor one whose text is gone: the fold makes an orphan of what reaches beyond the text,
 * at the place where it begins.  sec as it is when the comment is added, or NULL.
 */
void orphan_anchor(struct anchor *a, const struct section *sec);

/* ---- the rules, one per kind of command ---------------------------------------------------- */

int rule_section_update(struct decider *dr);
int rule_section_delete(struct decider *dr);
int rule_section_lock(struct decider *dr);
int rule_section_unlock(struct decider *dr);
int rule_comment_add(struct decider *dr);
int rule_comment_edit(struct decider *dr);
int rule_comment_resolve(struct decider *dr);
int rule_comment_reopen(struct decider *dr);
int rule_comment_delete(struct decider *dr);
int rule_conflict_resolve(struct decider *dr);
int rule_participant_add(struct decider *dr);
int rule_participant_role(struct decider *dr);
int rule_participant_remove(struct decider *dr);
int rule_session_end(struct decider *dr);
int rule_online(struct decider *dr);
int rule_offline(struct decider *dr);
int rule_expire(struct decider *dr);

#endif
