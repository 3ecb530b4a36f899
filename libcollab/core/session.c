/* A session's state: its life, looking things up, and the fold's frame. */
#include "core/session.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/session_int.h"

void session_init(struct session *s, size_t refs_max, size_t history_max)
{
	assert(refs_max > 0);
	*s = (struct session){
		.refs_max = refs_max,
		.history_max = history_max,
		.locks_due_ms = INT64_MAX,
		.history_bytes_max = HISTORY_BYTES_MAX,
		.history_after = -1,
	};
}

static void removed_release(struct removed *r)
{
	member_free(r->member);
	session_lock_free(r->lock);
	comment_free(r->comments[0]);
	comment_free(r->comments[1]);
	json_decref(r->proposed);
}

void session_release(struct session *s)
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	for (at = 0; (entry = map_next(&s->members, &at));)
		member_free(entry->value);
	for (at = 0; (entry = map_next(&s->comments, &at));)
		comment_free(entry->value);
	for (at = 0; (entry = map_next(&s->sections, &at));)
		section_free(entry->value);
	for (at = 0; (entry = map_next(&s->locks, &at));)
		session_lock_free(entry->value);
	for (at = 0; (entry = map_next(&s->fences, &at));)
		free(entry->value);
	for (at = 0; (entry = map_next(&s->conflicts, &at));)
		conflict_free(entry->value);
	for (at = 0; (entry = map_next(&s->refs, &at));)
		refs_free(entry->value);
	history_free(s);
	map_release(&s->members);
	map_release(&s->sections);
	map_release(&s->locks);
	map_release(&s->fences);
	map_release(&s->comments);
	map_release(&s->conflicts);
	map_release(&s->refs);
	removed_release(&s->removed);
	free(s->continued_from);
	free(s->started_by);
	free(s->end_reason);
	*s = (struct session){0};
}

int session_set_string(char **field, const char *value)
{
	char *copy = NULL;

	if (*field && value && strcmp(*field, value) == 0)
		return 0;
	if (value) {
		copy = strdup(value);
		if (!copy)
			return ERR_NOMEM;
	}
	free(*field);
	*field = copy;
	return 0;
}

struct member *session_member(const struct session *s, const char *user_id)
{
	return map_get(&s->members, user_id);
}

struct section *session_section(const struct session *s, const char *section_id)
{
	return map_get(&s->sections, section_id);
}

struct comment *session_comment(const struct session *s, const char *comment_id)
{
	return map_get(&s->comments, comment_id);
}

struct conflict *session_conflict(const struct session *s, const char *conflict_id)
{
	return map_get(&s->conflicts, conflict_id);
}

struct comment *session_thread(const struct session *s, const struct comment *c)
{
	return session_comment(s, c->parent_comment_id ? c->parent_comment_id : c->comment_id);
}

struct lock *session_lock(const struct session *s, const char *section_id, int64_t now_ms)
{
	struct lock *lock = map_get(&s->locks, section_id);

	return lock && lock->expires_ms > now_ms ? lock : NULL;
}

enum role session_role(const struct session *s, const char *user_id)
{
	const struct member *m = session_member(s, user_id);

	return m ? m->role : ROLE_NONE;
}

int64_t session_due_ms(const struct session *s)
{
	int64_t timeout_ms = s->activity_ms + s->settings.timeout_minutes * INT64_C(60000);

	if (s->seq == 0 || s->ended_ms)
		return INT64_MAX;
	return timeout_ms < s->locks_due_ms ? timeout_ms : s->locks_due_ms;
}

static int fold_session_started(struct session *s, const struct event *ev, struct err *e)
{
	if (!ev->session_id || strlen(ev->session_id) >= sizeof s->session_id ||
	    strlen(ev->report_id) >= sizeof s->report_id)
		return err_set(e, ERR_CORRUPT, "the session has no valid id");
	memcpy(s->session_id, ev->session_id, strlen(ev->session_id) + 1);
	memcpy(s->report_id, ev->report_id, strlen(ev->report_id) + 1);
	s->settings = ev->settings;
	s->started_ms = ev->time_ms;
	if (session_set_string(&s->started_by, ev->user_id) ||
	    session_set_string(&s->continued_from, ev->continued_from))
		return ERR_NOMEM;
	return 0;
}

static int fold_session_ended(struct session *s, const struct event *ev, struct err *e)
{
	(void)e; /* every active session can end */
	s->ended_ms = ev->time_ms;
	return session_set_string(&s->end_reason, ev->reason);
}

static int fold_participant_joined(struct session *s, const struct event *ev, struct err *e)
{
	struct member m = {.user_id = lent(ev->user_id),
	                   .name = lent(ev->user_name),
	                   .email = lent(ev->user_email),
	                   .role = ev->role,
	                   .joined_ms = ev->time_ms};

	return session_add_member(s, &m, e);
}

/* The participant that the event is about, who must be there. */
static int find_member(struct session *s, const struct event *ev, struct member **m, struct err *e)
{
	*m = session_member(s, ev->user_id);
	return *m ? 0 : err_set(e, ERR_CORRUPT, "%s is no participant", ev->user_id);
}

static int fold_participant_left(struct session *s, const struct event *ev, struct err *e)
{
	struct member *m = NULL;
	int rc = find_member(s, ev, &m, e);

	if (rc)
		return rc;
	s->owners -= m->role == ROLE_OWNER;
	s->removed.member = map_remove(&s->members, m->user_id);
	return 0;
}

static int fold_role_changed(struct session *s, const struct event *ev, struct err *e)
{
	struct member *m = NULL;
	int rc = find_member(s, ev, &m, e);

	if (rc)
		return rc;
	if (ev->role == ROLE_NONE)
		return err_set(e, ERR_CORRUPT, "no role is given");
	s->owners += (ev->role == ROLE_OWNER) - (m->role == ROLE_OWNER);
	m->role = ev->role;
	return 0;
}

static int fold_presence(struct session *s, const struct event *ev, struct err *e)
{
	struct member *m = session_member(s, ev->user_id);

	(void)e; /* presence of somebody who is no participant has no effect */
	if (m)
		m->online = ev->kind == EVENT_USER_ONLINE;
	return 0;
}

static int fold_erased(struct session *s, const struct event *ev, struct err *e)
{
	(void)s; /* the records themselves are rewritten; the state follows from folding them */
	(void)ev;
	(void)e;
	return 0;
}

static int fold_compacted(struct session *s, const struct event *ev, struct err *e)
{
	const json_t *floor = json_object_get(ev->extra, "floor");

	if (!json_is_integer(floor) || json_integer_value(floor) < s->floor ||
	    json_integer_value(floor) > s->seq)
		return err_set(e, ERR_CORRUPT, "the floor is no seq of this log");
	s->floor = json_integer_value(floor);
	return 0;
}

/* What a kind cannot be without, and when it may come. */
enum {
	NEEDS_USER = 1,
	NEEDS_SECTION = 2,
	NEEDS_COMMENT = 4,
	NEEDS_CONFLICT = 8,
	NEEDS_TEXT = 16,
	NEEDS_REPORT = 32,
	AFTER_END = 64 /* it may come after session_ended */
};

static const struct {
	int (*fold)(struct session *s, const struct event *ev, struct err *e);
	unsigned needs;
} folds[EVENT_KINDS] = {
	[EVENT_SESSION_STARTED] = {fold_session_started, NEEDS_REPORT},
	[EVENT_SESSION_ENDED] = {fold_session_ended, 0},
	[EVENT_PARTICIPANT_JOINED] = {fold_participant_joined, NEEDS_USER},
	[EVENT_PARTICIPANT_LEFT] = {fold_participant_left, NEEDS_USER},
	[EVENT_ROLE_CHANGED] = {fold_role_changed, NEEDS_USER},
	[EVENT_USER_ONLINE] = {fold_presence, NEEDS_USER},
	[EVENT_USER_OFFLINE] = {fold_presence, NEEDS_USER | AFTER_END},
	[EVENT_SECTION_UPDATE] = {fold_section_update, NEEDS_SECTION},
	[EVENT_SECTION_DELETED] = {fold_section_deleted, NEEDS_SECTION},
	[EVENT_SECTION_LOCKED] = {fold_section_locked, NEEDS_SECTION | NEEDS_USER},
	[EVENT_SECTION_UNLOCKED] = {fold_section_unlocked, NEEDS_SECTION},
	[EVENT_COMMENT_ADDED] = {fold_comment_added, NEEDS_SECTION | NEEDS_COMMENT | NEEDS_TEXT},
	[EVENT_COMMENT_EDITED] = {fold_comment_edited, NEEDS_COMMENT | NEEDS_TEXT},
	[EVENT_COMMENT_RESOLVED] = {fold_comment_resolved, NEEDS_COMMENT},
	[EVENT_COMMENT_REOPENED] = {fold_comment_reopened, NEEDS_COMMENT},
	[EVENT_COMMENT_DELETED] = {fold_comment_deleted, NEEDS_COMMENT},
	[EVENT_CONFLICT_DETECTED] = {fold_conflict_detected, NEEDS_SECTION | NEEDS_CONFLICT},
	[EVENT_CONFLICT_RESOLVED] = {fold_conflict_resolved, NEEDS_CONFLICT},
	[EVENT_ERASED] = {fold_erased, AFTER_END},
	[EVENT_COMPACTED] = {fold_compacted, AFTER_END},
};

static int check_needs(const struct event *ev, struct err *e)
{
	const struct {
		unsigned need;
		const char *value, *field;
	} fields[] = {
		{NEEDS_USER, ev->user_id, "user_id"},
		{NEEDS_SECTION, ev->section_id, "section_id"},
		{NEEDS_COMMENT, ev->comment_id, "comment_id"},
		{NEEDS_CONFLICT, ev->conflict_id, "conflict_id"},
		{NEEDS_TEXT, ev->text, "content"},
		{NEEDS_REPORT, ev->report_id, "report_id"},
	};

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (folds[ev->kind].needs & fields[i].need && !fields[i].value)
			return err_field(e, ERR_CORRUPT, fields[i].field, "%s is missing",
			                 fields[i].field);
	return 0;
}

/* Whether this event may come next at all. */
static int check_event(const struct session *s, const struct event *ev, struct err *e)
{
	if (ev->seq != s->seq + 1)
		return err_set(e, ERR_CORRUPT, "the state is at %" PRId64, s->seq);
	if ((ev->kind == EVENT_SESSION_STARTED) != (s->seq == 0))
		return err_set(e, ERR_CORRUPT, "a log has one session_started, its first event");
	if (s->ended_ms && !(folds[ev->kind].needs & AFTER_END))
		return err_set(e, ERR_CORRUPT, "the session has ended");
	if (s->seq > 0 && ev->session_id && strcmp(ev->session_id, s->session_id) != 0)
		return err_set(e, ERR_CORRUPT, "it belongs to session %s", ev->session_id);
	return check_needs(ev, e);
}

static int remember_ref(struct session *s, const struct event *ev, const char *author,
                        struct err *e)
{
	int rc = session_remember_ref(s, author, ev->ref, ev->seq, ev->ref_digest);

	if (rc == ERR_CORRUPT)
		err_field(e, rc, "ref_digest", "ref_digest is no digest");
	return rc;
}

int session_apply(struct session *s, const struct event *ev, struct err *e)
{
	const char *author = event_author(ev);
	struct removed before = s->removed;
	int rc = check_event(s, ev, e);

	s->removed = (struct removed){0};
	if (s->history_after < 0)
		s->history_after = s->seq;
	if (!rc && ev->ref && author)
		rc = remember_ref(s, ev, author, e);
	if (!rc)
		rc = folds[ev->kind].fold(s, ev, e);
	removed_release(&before);
	if (rc) {
		if (rc == ERR_NOMEM)
			err_set(e, rc, NULL);
		err_prefix(e, "event %" PRId64 ", %s", ev->seq, event_type(ev->kind));
		return rc;
	}
	s->seq = ev->seq;
	s->updated_ms = ev->time_ms;
	if (event_is_activity(ev->kind))
		s->activity_ms = ev->time_ms;
	return 0;
}
