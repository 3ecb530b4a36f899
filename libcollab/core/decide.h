/*
 * decide(state, command) -> events | error: every rule about what may happen in a session.
 *
 * Pure: time, the new id and the actor are arguments.  The events it makes carry seq (from
 * state->seq + 1 on) and time, but neither event_id nor hash: those are the room's, when it seals
 * them (proto/event_json.h).  Their strings are lent by the command, the actor, the state and the
 * decision; they must be applied and sealed before any of those changes.  The state is not changed.
 */
#ifndef COLLAB_CORE_DECIDE_H
#define COLLAB_CORE_DECIDE_H

#include "core/command.h"
#include "core/limits.h"
#include "core/session.h"

/* Who sends a command.  NULL as actor: the server itself. */
struct actor {
	const char *user_id;
	const char *name;
	const char *via; /* user_id of the administrator acting as this user, or NULL */
	bool admin;      /* scope collab:admin: everything, in every session */

	/* of the connection; a REST request has none of these */
	const char *const *fences_section; /* locks it took: its changes carry their fences … */
	const int64_t *fences;             /* … implicitly; fences_len pairs */
	size_t fences_len;
	int64_t own_seq_of_section; /* its last change of the command's section; 0: none */
};

struct decide_env {
	int64_t now_ms;     /* the clock; events never go back behind state->updated_ms */
	int64_t cursor_ms;  /* when a cursor last moved, 0: none; so long it is not idle */
	const char *new_id; /* a fresh UUID for a new comment or conflict */
	const struct limits *limits;
};

/*
 * The text at base_seq or the changes since are not in the section's history: the caller rebuilds
 * them from the log (session_history_extend) and asks again; where that does not help it answers
 * ERR_BASE_TOO_OLD.  *e is not set.  Never on the wire.
 */
#define DECIDE_HISTORY (-1000)

struct decision {
	struct event *events; /* in order; none when nothing needs to change ("unchanged") */
	size_t len, cap;
	size_t answer;         /* which of them answers the command: the one that carries the ref */
	bool duplicate;        /* the ref was used for the same message before: acked again … */
	int64_t duplicate_seq; /* … with this seq */
	bool unchanged;        /* valid, but the state is so already (resolve a resolved comment) */

	/* what refusals say beside code, field and text; absent: NULL, ROLE_NONE, EVENT_ABSENT */
	enum role needs, role;         /* forbidden; needs ROLE_NONE: only the author may */
	const char *holder;            /* section_locked */
	int64_t expires_ms;            /* section_locked */
	const struct section *section; /* version_mismatch: the section as it is */

	/* memory behind the events */
	void **owned;
	size_t owned_len, owned_cap;
	struct op *op;   /* the transformed operation */
	json_t **values; /* references held */
	size_t values_len, values_cap;
};

/* A zeroed decision is empty; so is a released one. */
void decision_release(struct decision *d);

/*
 * Decide about one command of `actor` in the session `s` (its head state), into an empty decision.
 * 0 and the events, or ERR_* with *e set (and the decision's refusal fields), or DECIDE_HISTORY;
 * on failure there are no events.
 *
 * Order of checks: ref seen before (duplicate, even if the author may no longer do it; ref_reused);
 * session ended; permission by current role; fields; existence; base; locks and fences; limits.
 *
 * What has no durable event (cursor, presence, ping, token_refresh) is only asked for permission.
 */
int decide(const struct session *s, const struct command *c, const struct actor *actor,
           const struct decide_env *env, struct decision *d, struct err *e);

/*
 * The events of a new session.  `before`: the state of the report's last session to carry over
 * from (sections with other keys, open comment threads, participants), or NULL: none or fresh; it
 * counts for nothing but permission when sections are given.  The starter becomes an owner, the
 * participants given get their roles.  At most settings.max_participants members, else
 * ERR_SESSION_FULL.
 */
struct start {
	const char *session_id, *report_id;
	struct settings settings;       /* checked here: ranges, ERR_BAD_FIELD naming the field */
	const struct command *sections; /* COMMAND_SECTION_UPDATE each: section_id, changes */
	size_t sections_len;
	const struct command *participants; /* COMMAND_PARTICIPANT_ADD each */
	size_t participants_len;
	const char *ref, *ref_digest; /* Idempotency-Key, or NULL */
	const char *user_email;       /* of the starter, or NULL */
};

int decide_start(const struct start *start, const struct session *before, const struct actor *actor,
                 const struct decide_env *env, struct decision *d, struct err *e);

/* Settings at their defaults. */
void settings_default(struct settings *st);

/* Whether the actor may start the report of that session again: its owners and editors, admins. */
bool session_may_restart(const struct session *before, const struct actor *a);

/*
 * COMMAND_EXPIRE, without an actor: the locks that expired by now_ms are unlocked (reason
 * "expired"), and a session idle for its time-out ends (reason "timeout").  unchanged when neither.
 * COMMAND_ONLINE / COMMAND_OFFLINE, without an actor: user_id, user_name and reason are the
 * command's; unchanged when it is so already.  Removal and a role that loses editing free that
 * user's locks; ending the session frees all and ends everyone's presence first.
 */

#endif
