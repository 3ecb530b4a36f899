/* Who is in the session, who is online, and how it ends. */
#include <string.h>

#include "core/decide_int.h"

/* The member that the command is about. */
static int find_member(struct decider *dr, const struct member **m)
{
	*m = session_member(dr->s, dr->c->user_id);
	if (*m)
		return 0;
	return err_set(dr->e, ERR_NO_PARTICIPANT, "%s is no participant of the session",
	               dr->c->user_id);
}

int rule_participant_add(struct decider *dr)
{
	const struct command *c = dr->c;
	int max = dr->s->settings.max_participants;
	struct event *ev = NULL;

	if (c->role == ROLE_NONE)
		return err_field(dr->e, ERR_MISSING_FIELD, "role", "a participant needs a role");
	if (session_member(dr->s, c->user_id))
		return err_set(dr->e, ERR_PARTICIPANT_EXISTS, "%s is a participant already",
		               c->user_id);
	if (dr->s->members.len >= (size_t)max)
		return err_set(dr->e, ERR_SESSION_FULL,
		               "the session has the %d participants it may have", max);
	ev = decider_answer(dr, EVENT_PARTICIPANT_JOINED);
	if (!ev)
		return ERR_NOMEM;
	decider_about(dr, ev, c->user_id, c->user_name ? c->user_name : c->user_id);
	ev->user_email = c->user_email;
	ev->role = c->role;
	return 0;
}

/* A session always has an owner. */
static int check_last_owner(struct decider *dr, const struct member *m)
{
	if (m->role != ROLE_OWNER || dr->s->owners > 1)
		return 0;
	return err_set(dr->e, ERR_LAST_OWNER, "%s is the last owner of the session", m->user_id);
}

int rule_participant_role(struct decider *dr)
{
	const struct command *c = dr->c;
	const struct member *m = NULL;
	struct event *ev = NULL;
	int rc = 0;

	if (c->role == ROLE_NONE)
		return err_field(dr->e, ERR_MISSING_FIELD, "role", "a participant needs a role");
	rc = find_member(dr, &m);
	if (rc)
		return rc;
	if (m->role == c->role)
		return decider_unchanged(dr);
	rc = check_last_owner(dr, m);
	if (!rc && c->role < ROLE_EDITOR)
		rc = decider_unlock_all(dr, m->user_id, "role_changed");
	if (rc)
		return rc;
	ev = decider_answer(dr, EVENT_ROLE_CHANGED);
	if (!ev)
		return ERR_NOMEM;
	decider_about(dr, ev, m->user_id, m->name);
	ev->role = c->role;
	return 0;
}

/* user_offline of a member that is online. */
static int go_offline(struct decider *dr, const struct member *m, const char *reason)
{
	struct event *ev = m->online ? decider_event(dr, EVENT_USER_OFFLINE) : NULL;

	if (!ev)
		return m->online ? ERR_NOMEM : 0;
	decider_about(dr, ev, m->user_id, m->name);
	ev->reason = reason;
	return 0;
}

int rule_participant_remove(struct decider *dr)
{
	const char *reason = decider_is_actor(dr, dr->c->user_id) ? "left" : "removed";
	const struct member *m = NULL;
	struct event *ev = NULL;
	int rc = find_member(dr, &m);

	if (!rc)
		rc = check_last_owner(dr, m);
	if (!rc)
		rc = decider_unlock_all(dr, m->user_id, "participant_left");
	if (!rc)
		rc = go_offline(dr, m, reason);
	if (rc)
		return rc;
	ev = decider_answer(dr, EVENT_PARTICIPANT_LEFT);
	if (!ev)
		return ERR_NOMEM;
	decider_about(dr, ev, m->user_id, m->name);
	ev->reason = reason;
	return 0;
}

int rule_online(struct decider *dr)
{
	const struct member *m = NULL;
	struct event *ev = NULL;
	int rc = find_member(dr, &m);

	if (rc)
		return rc;
	if (m->online)
		return decider_unchanged(dr);
	ev = decider_answer(dr, EVENT_USER_ONLINE);
	if (!ev)
		return ERR_NOMEM;
	decider_about(dr, ev, m->user_id, dr->c->user_name ? dr->c->user_name : m->name);
	return 0;
}

/* Who was removed went offline then: the grace of a lost connection may run out later. */
int rule_offline(struct decider *dr)
{
	const struct member *m = session_member(dr->s, dr->c->user_id);
	struct event *ev = NULL;

	if (!m || !m->online)
		return decider_unchanged(dr);
	ev = decider_answer(dr, EVENT_USER_OFFLINE);
	if (!ev)
		return ERR_NOMEM;
	decider_about(dr, ev, m->user_id, dr->c->user_name ? dr->c->user_name : m->name);
	ev->reason = dr->c->reason;
	return 0;
}

/* Everybody's presence, then the session. */
static int end_session(struct decider *dr, const char *reason)
{
	const struct map_entry *entry = NULL;
	struct event *ev = NULL;
	size_t at = 0;
	int rc = 0;

	while (!rc && (entry = map_next(&dr->s->members, &at)))
		rc = go_offline(dr, entry->value, "session_ended");
	if (rc)
		return rc;
	ev = decider_answer(dr, EVENT_SESSION_ENDED);
	if (!ev)
		return ERR_NOMEM;
	ev->reason = reason;
	ev->total_changes = dr->s->changes_total;
	ev->total_comments = dr->s->comments_total;
	return 0;
}

int rule_session_end(struct decider *dr)
{
	int rc = decider_unlock_all(dr, NULL, "session_ended");

	if (rc)
		return rc;
	return end_session(dr, dr->c->reason ? dr->c->reason : "ended");
}

/* Idle: nothing durable but presence, and no cursor, for the time-out. */
static bool timed_out(const struct decider *dr)
{
	int64_t active_ms = dr->s->activity_ms;

	if (dr->env->cursor_ms > active_ms)
		active_ms = dr->env->cursor_ms;
	return dr->now_ms - active_ms >= dr->s->settings.timeout_minutes * INT64_C(60000);
}

int rule_expire(struct decider *dr)
{
	const struct map_entry **entries = NULL;
	bool ends = timed_out(dr);
	int rc = decider_entries(dr, &dr->s->locks, &entries);

	for (size_t i = 0; !rc && i < dr->s->locks.len; i++) {
		const struct lock *lock = entries[i]->value;

		if (lock->expires_ms <= dr->now_ms)
			rc = decider_unlock(dr, entries[i]->key, lock, "expired");
		else if (ends)
			rc = decider_unlock(dr, entries[i]->key, lock, "session_ended");
	}
	if (!rc && ends)
		rc = end_session(dr, "timeout");
	if (!rc && dr->d->len == 0)
		return decider_unchanged(dr);
	return rc;
}
