/*
 * How a session begins: session_started, its people, and its sections; those given, or what is
 * carried over from the report's session before.  What is carried are ordinary events: of their
 * original authors, by the starter.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/decide_int.h"
#include "core/patch.h"

void settings_default(struct settings *st)
{
	*st = (struct settings){.type = SESSION_COLLABORATIVE,
	                        .strategy = STRATEGY_LAST_WRITE_WINS,
	                        .max_participants = PARTICIPANTS_DEFAULT,
	                        .timeout_minutes = TIMEOUT_MINUTES_DEFAULT};
}

bool session_may_restart(const struct session *before, const struct actor *a)
{
	return a->admin || session_role(before, a->user_id) >= ROLE_EDITOR;
}

static int check_settings(const struct settings *st, const struct limits *limits, struct err *e)
{
	if ((int)st->type < 0 || st->type >= SESSION_TYPES)
		return err_field(e, ERR_BAD_FIELD, "session_type", "there is no such session_type");
	if ((int)st->strategy < 0 || st->strategy >= STRATEGIES)
		return err_field(e, ERR_BAD_FIELD, "conflict_resolution_strategy",
		                 "there is no such conflict_resolution_strategy");
	if (st->max_participants < 1 || st->max_participants > limits->participants)
		return err_field(e, ERR_BAD_FIELD, "max_participants",
		                 "max_participants lies outside 1 to %lld",
		                 (long long)limits->participants);
	if (st->timeout_minutes < TIMEOUT_MINUTES_MIN || st->timeout_minutes > TIMEOUT_MINUTES_MAX)
		return err_field(e, ERR_BAD_FIELD, "session_timeout_minutes",
		                 "session_timeout_minutes lies outside %d to %d",
		                 TIMEOUT_MINUTES_MIN, TIMEOUT_MINUTES_MAX);
	return 0;
}

static int started(struct decider *dr, const struct start *start, const struct session *before)
{
	struct event *ev = decider_answer(dr, EVENT_SESSION_STARTED);

	if (!ev)
		return ERR_NOMEM;
	ev->report_id = start->report_id;
	ev->settings = start->settings;
	ev->continued_from = before ? before->session_id : NULL;
	ev->ref = start->ref;
	ev->ref_digest = start->ref ? start->ref_digest : NULL;
	return 0;
}

/* ---- people -------------------------------------------------------------------------------- */

/* What is joined, by user id; the values mean nothing. */
struct joining {
	struct decider *dr;
	struct map users;
};

static struct event *join(struct joining *j, const char *user_id, const char *name, enum role role)
{
	struct event *ev = decider_event(j->dr, EVENT_PARTICIPANT_JOINED);

	if (!ev)
		return NULL;
	if (map_put(&j->users, user_id, j)) {
		(void)decider_nomem(j->dr); /* the caller returns it */
		return NULL;
	}
	decider_about(j->dr, ev, user_id, name ? name : user_id);
	ev->role = role;
	return ev;
}

/* The starter, an owner whatever the list says of them, and the participants given. */
static int join_given(struct joining *j, const struct start *start)
{
	const struct actor *a = j->dr->actor;
	struct event *ev = join(j, a->user_id, a->name, ROLE_OWNER);

	if (!ev)
		return ERR_NOMEM;
	ev->user_email = start->user_email;
	for (size_t i = 0; i < start->participants_len; i++) {
		const struct command *c = &start->participants[i];

		if (decider_is_actor(j->dr, c->user_id))
			continue;
		if (c->role == ROLE_NONE)
			return err_field(j->dr->e, ERR_MISSING_FIELD, "participants",
			                 "the participant %s needs a role", c->user_id);
		if (map_get(&j->users, c->user_id))
			return err_field(j->dr->e, ERR_PARTICIPANT_EXISTS, "participants",
			                 "the participant %s is given twice", c->user_id);
		ev = join(j, c->user_id, c->user_name, c->role);
		if (!ev)
			return ERR_NOMEM;
		ev->user_email = c->user_email;
	}
	return 0;
}

/* The members of the session before, but for those who are here already. */
static int join_carried(struct joining *j, const struct session *before)
{
	const struct map_entry *entry = NULL;
	const struct member *m = NULL;
	struct event *ev = NULL;
	size_t at = 0;

	while ((entry = map_next(&before->members, &at))) {
		m = entry->value;
		if (map_get(&j->users, m->user_id))
			continue;
		ev = join(j, m->user_id, m->name, m->role);
		if (!ev)
			return ERR_NOMEM;
		ev->user_email = m->email;
		ev->carried = true;
	}
	return 0;
}

static int join_all(struct decider *dr, const struct start *start, const struct session *before)
{
	struct joining j = {.dr = dr};
	size_t max = (size_t)start->settings.max_participants;
	int rc = join_given(&j, start);

	if (!rc && before)
		rc = join_carried(&j, before);
	if (!rc && j.users.len > max)
		rc = err_set(dr->e, ERR_SESSION_FULL,
		             "%zu participants are more than the %zu of max_participants",
		             j.users.len, max);
	map_release(&j.users);
	return rc;
}

/* ---- sections ------------------------------------------------------------------------------ */

static int section_made(struct decider *dr, const char *section_id, const struct changes *changes,
                        struct event **out)
{
	struct event *ev = NULL;
	int rc = size_of_change(dr, NULL, section_id, changes);

	*out = NULL;
	if (rc)
		return rc;
	ev = decider_event(dr, EVENT_SECTION_UPDATE);
	if (!ev)
		return ERR_NOMEM;
	ev->section_id = section_id;
	ev->changes = *changes;
	ev->version = ev->seq;
	*out = ev;
	return 0;
}

static int make_sections(struct decider *dr, const struct start *start)
{
	struct event *ev = NULL;
	int rc = 0;

	for (size_t i = 0; !rc && i < start->sections_len; i++) {
		const struct command *c = &start->sections[i];

		if (c->changes.delta)
			return err_field(dr->e, ERR_BAD_FIELD, "sections",
			                 "section %s is new: it takes content, not a delta",
			                 c->section_id);
		rc = section_made(dr, c->section_id, &c->changes, &ev);
	}
	return rc;
}

static int carry_sections(struct decider *dr, const struct session *before)
{
	const struct map_entry **entries = NULL;
	struct event *ev = NULL;
	int rc = decider_entries(dr, &before->sections, &entries);

	for (size_t i = 0; !rc && i < before->sections.len; i++) {
		const struct section *sec = entries[i]->value;
		struct changes changes = {.content = sec->content,
		                          .content_len = sec->content_len,
		                          .content_json = sec->content_json,
		                          .keys = sec->keys};

		rc = section_made(dr, sec->section_id, &changes, &ev);
		if (!rc) {
			decider_about(dr, ev, sec->updated_by, sec->updated_by_name);
			ev->carried = true;
		}
	}
	return rc;
}

/* ---- comments ------------------------------------------------------------------------------ */

/* Threads that are settled, or of which nothing is left, stay behind. */
static bool is_carried(const struct session *before, const struct comment *cm)
{
	const struct comment *root = session_thread(before, cm);

	if (root->resolved)
		return false;
	return !cm->deleted || (cm == root && root->replies > 0);
}

/* The mentions of a comment as events have them. */
static int mentions_of(struct decider *dr, const struct comment *cm, struct event *ev)
{
	size_t len = json_array_size(cm->mentions);
	const char **mentions = NULL;

	if (len == 0)
		return 0;
	mentions = decider_own(dr, malloc(len * sizeof *mentions));
	if (!mentions)
		return ERR_NOMEM;
	for (size_t i = 0; i < len; i++)
		mentions[i] = json_string_value(json_array_get(cm->mentions, i));
	ev->mentions = mentions;
	ev->mentions_len = len;
	return 0;
}

static int carry_comment(struct decider *dr, const struct session *before, const struct comment *cm)
{
	struct event *ev = decider_event(dr, EVENT_COMMENT_ADDED);

	if (!ev)
		return ERR_NOMEM;
	decider_about(dr, ev, cm->user_id, cm->user_name);
	ev->carried = true;
	ev->section_id = cm->section_id;
	ev->comment_id = cm->comment_id;
	ev->parent_comment_id = cm->parent_comment_id;
	ev->text = cm->text;
	ev->text_len = cm->text_len;
	ev->comment_user_id = cm->user_id;
	ev->comment_user_name = cm->user_name;
	ev->comment_created_ms = cm->created_ms;
	ev->anchor = cm->anchor;
	if (ev->anchor.from != EVENT_ABSENT) {
		ev->anchor.base_seq = ev->seq - 1;
		if (cm->orphaned)
			orphan_anchor(&ev->anchor, session_section(before, cm->section_id));
	}
	return mentions_of(dr, cm, ev);
}

/* A tombstone becomes one again when the replies are there for which it is kept. */
static int carry_tombstones(struct decider *dr, const struct session *before)
{
	const struct map_entry *entry = NULL;
	struct event *ev = NULL;
	size_t at = 0;

	while ((entry = map_next(&before->comments, &at))) {
		const struct comment *cm = entry->value;

		if (!cm->deleted || !is_carried(before, cm))
			continue;
		ev = decider_event(dr, EVENT_COMMENT_DELETED);
		if (!ev)
			return ERR_NOMEM;
		decider_about(dr, ev, cm->user_id, cm->user_name);
		ev->carried = true;
		ev->comment_id = cm->comment_id;
	}
	return 0;
}

static int carry_comments(struct decider *dr, const struct session *before)
{
	const struct map_entry *entry = NULL;
	size_t at = 0;
	int rc = 0;

	while (!rc && (entry = map_next(&before->comments, &at))) {
		const struct comment *cm = entry->value;

		if (!is_carried(before, cm))
			continue;
		rc = size_of_comment(dr, NULL, cm->text_len + json_bytes(cm->mentions));
		if (!rc)
			rc = carry_comment(dr, before, cm);
	}
	return rc ? rc : carry_tombstones(dr, before);
}

/* ---- all of it ----------------------------------------------------------------------------- */

static int begin(struct decider *dr, const struct start *start, const struct session *before)
{
	int rc = check_settings(&start->settings, dr->env->limits, dr->e);

	if (!rc)
		rc = started(dr, start, before);
	if (!rc)
		rc = join_all(dr, start, before);
	if (!rc)
		rc = make_sections(dr, start);
	if (!rc && before)
		rc = carry_sections(dr, before);
	if (!rc && before)
		rc = carry_comments(dr, before);
	return rc;
}

static int refuse_restart(const struct session *before, const struct actor *actor,
                          struct decision *d, struct err *e)
{
	d->needs = ROLE_EDITOR;
	d->role = session_role(before, actor->user_id);
	return err_set(e, ERR_FORBIDDEN,
	               "only owners and editors of the report's last session may start it again");
}

int decide_start(const struct start *start, const struct session *before, const struct actor *actor,
                 const struct decide_env *env, struct decision *d, struct err *e)
{
	struct decider dr = {.actor = actor, .env = env, .d = d, .e = e};
	int rc = 0;

	assert(d->len == 0);
	d->expires_ms = EVENT_ABSENT;
	if (before && !session_may_restart(before, actor))
		return refuse_restart(before, actor, d, e);
	dr.session_id = start->session_id;
	dr.now_ms = env->now_ms;
	/* A report's sessions follow each other in time, too. */
	if (before && before->updated_ms > dr.now_ms)
		dr.now_ms = before->updated_ms;
	rc = begin(&dr, start, start->sections_len ? NULL : before);
	if (rc)
		decision_release(d);
	return rc;
}
