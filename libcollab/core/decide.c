/* decide: refs, permission, the rule of each command, and what decisions are made of. */
#include "core/decide.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/decide_int.h"

/* Commands without a rule make no events. */
static int (*const rules[COMMAND_KINDS])(struct decider *) = {
	[COMMAND_SECTION_UPDATE] = rule_section_update,
	[COMMAND_SECTION_DELETE] = rule_section_delete,
	[COMMAND_SECTION_LOCK] = rule_section_lock,
	[COMMAND_SECTION_UNLOCK] = rule_section_unlock,
	[COMMAND_COMMENT_ADD] = rule_comment_add,
	[COMMAND_COMMENT_EDIT] = rule_comment_edit,
	[COMMAND_COMMENT_RESOLVE] = rule_comment_resolve,
	[COMMAND_COMMENT_REOPEN] = rule_comment_reopen,
	[COMMAND_COMMENT_DELETE] = rule_comment_delete,
	[COMMAND_CONFLICT_RESOLVE] = rule_conflict_resolve,
	[COMMAND_PARTICIPANT_ADD] = rule_participant_add,
	[COMMAND_PARTICIPANT_ROLE] = rule_participant_role,
	[COMMAND_PARTICIPANT_REMOVE] = rule_participant_remove,
	[COMMAND_SESSION_END] = rule_session_end,
	[COMMAND_ONLINE] = rule_online,
	[COMMAND_OFFLINE] = rule_offline,
	[COMMAND_EXPIRE] = rule_expire,
};

void decision_release(struct decision *d)
{
	free(d->events);
	for (size_t i = 0; i < d->owned_len; i++)
		free(d->owned[i]);
	free(d->owned);
	if (d->op)
		op_release(d->op);
	free(d->op);
	for (size_t i = 0; i < d->values_len; i++)
		json_decref(d->values[i]);
	free(d->values);
	*d = (struct decision){0};
}

/* ---- what rules are made of ---------------------------------------------------------------- */

int decider_nomem(struct decider *dr)
{
	return err_set(dr->e, ERR_NOMEM, NULL);
}

int decider_unchanged(struct decider *dr)
{
	dr->d->unchanged = true;
	return 0;
}

bool decider_is_actor(const struct decider *dr, const char *user_id)
{
	return dr->actor && user_id && strcmp(dr->actor->user_id, user_id) == 0;
}

/* Room for one more in an array of elements of `size`; false when out of memory. */
static bool grow(void **array, size_t len, size_t *cap, size_t size)
{
	size_t cap_new = *cap ? *cap * 2 : 1;
	void *p = NULL;

	if (len < *cap)
		return true;
	if (cap_new > SIZE_MAX / size)
		return false;
	p = realloc(*array, cap_new * size);
	if (!p)
		return false;
	*array = p;
	*cap = cap_new;
	return true;
}

struct event *decider_event(struct decider *dr, enum event_kind kind)
{
	struct decision *d = dr->d;
	void *events = d->events;
	struct event *ev = NULL;

	if (!grow(&events, d->len, &d->cap, sizeof *ev)) {
		(void)decider_nomem(dr); /* the caller returns it */
		return NULL;
	}
	d->events = events;
	ev = &d->events[d->len++];
	event_init(ev, kind);
	ev->seq = dr->seq + (int64_t)d->len;
	ev->time_ms = dr->now_ms;
	ev->session_id = dr->session_id;
	if (dr->actor) {
		ev->user_id = dr->actor->user_id;
		ev->user_name = dr->actor->name;
		ev->via = dr->actor->via;
	}
	return ev;
}

struct event *decider_answer(struct decider *dr, enum event_kind kind)
{
	struct event *ev = decider_event(dr, kind);

	dr->d->answer = ev ? dr->d->len - 1 : 0;
	if (ev && dr->actor && dr->c && dr->c->ref) {
		ev->ref = dr->c->ref;
		ev->ref_digest = dr->c->ref_digest;
	}
	return ev;
}

void decider_about(const struct decider *dr, struct event *ev, const char *user_id,
                   const char *user_name)
{
	if (dr->actor && !decider_is_actor(dr, user_id))
		ev->by = dr->actor->user_id;
	ev->user_id = user_id;
	ev->user_name = user_name;
}

void *decider_own(struct decider *dr, void *p)
{
	struct decision *d = dr->d;
	void *owned = d->owned;

	if (!p || !grow(&owned, d->owned_len, &d->owned_cap, sizeof *d->owned)) {
		free(p);
		(void)decider_nomem(dr); /* the caller returns it */
		return NULL;
	}
	d->owned = owned;
	d->owned[d->owned_len++] = p;
	return p;
}

json_t *decider_value(struct decider *dr, json_t *v)
{
	struct decision *d = dr->d;
	void *values = d->values;

	if (!v || !grow(&values, d->values_len, &d->values_cap, sizeof *d->values)) {
		json_decref(v);
		(void)decider_nomem(dr); /* the caller returns it */
		return NULL;
	}
	d->values = values;
	d->values[d->values_len++] = v;
	return v;
}

static int compare_keys(const void *a, const void *b)
{
	const struct map_entry *const *one = a;
	const struct map_entry *const *other = b;

	return strcmp((*one)->key, (*other)->key);
}

int decider_entries(struct decider *dr, const struct map *m, const struct map_entry ***entries)
{
	const struct map_entry *entry = NULL;
	size_t at = 0, n = 0;

	*entries = NULL;
	if (m->len == 0)
		return 0;
	*entries = decider_own(dr, malloc(m->len * sizeof **entries));
	if (!*entries)
		return ERR_NOMEM;
	while ((entry = map_next(m, &at)))
		(*entries)[n++] = entry;
	qsort(*entries, n, sizeof **entries, compare_keys);
	return 0;
}

struct op *decider_op(struct decider *dr, size_t text_bytes_max)
{
	struct decision *d = dr->d;

	assert(!d->op); /* one event of a decision edits a text */
	d->op = malloc(sizeof *d->op);
	if (!d->op) {
		(void)decider_nomem(dr); /* the caller returns it */
		return NULL;
	}
	op_init(d->op, text_bytes_max);
	return d->op;
}

int decider_needs(struct decider *dr, enum role needs)
{
	if (dr->allowed >= needs)
		return 0;
	dr->d->needs = needs;
	dr->d->role = dr->role;
	if (dr->role == ROLE_NONE)
		return err_set(dr->e, ERR_FORBIDDEN,
		               "this takes the role %s; %s is no participant of the session",
		               role_name(needs), dr->actor->user_id);
	return err_set(dr->e, ERR_FORBIDDEN, "this takes the role %s; %s is %s in the session",
	               role_name(needs), dr->actor->user_id, role_name(dr->role));
}

/* ---- what comes before the rules ----------------------------------------------------------- */

/*
 * A ref this user used before: acked as then (d->duplicate), or refused when it said another thing.
 * What it said is not known any more when its text was erased.
 */
static int check_ref(struct decider *dr)
{
	const struct ref *ref = NULL;

	if (!dr->c->ref || !dr->actor)
		return 0;
	ref = session_ref(dr->s, dr->actor->user_id, dr->c->ref);
	if (!ref)
		return 0;
	if (ref->digest[0] && strcmp(ref->digest, dr->c->ref_digest) != 0)
		return err_field(dr->e, ERR_REF_REUSED, "ref",
		                 "another message was sent under the ref %s: it is event %lld",
		                 ref->ref, (long long)ref->seq);
	dr->d->duplicate = true;
	dr->d->duplicate_seq = ref->seq;
	return 0;
}

/* What the server does about time and presence comes late at times; it is no error then. */
static int check_ended(struct decider *dr)
{
	if (dr->s->ended_ms == 0)
		return 0;
	if (dr->c->kind == COMMAND_OFFLINE || dr->c->kind == COMMAND_EXPIRE)
		return decider_unchanged(dr);
	return err_set(dr->e, ERR_SESSION_ENDED, NULL);
}

/* Anybody may leave; whatever else a command takes by its content, its rule asks for. */
static int check_role(struct decider *dr)
{
	const struct command *c = dr->c;

	if (c->kind == COMMAND_PARTICIPANT_REMOVE && decider_is_actor(dr, c->user_id))
		return 0;
	return decider_needs(dr, command_row(c->kind)->least);
}

static int answer(struct decider *dr)
{
	int rc = check_ref(dr);

	if (rc || dr->d->duplicate)
		return rc;
	rc = check_ended(dr);
	if (rc || dr->d->unchanged)
		return rc;
	rc = check_role(dr);
	if (rc || !rules[dr->c->kind])
		return rc;
	return rules[dr->c->kind](dr);
}

int decide(const struct session *s, const struct command *c, const struct actor *actor,
           const struct decide_env *env, struct decision *d, struct err *e)
{
	struct decider dr = {.s = s, .c = c, .actor = actor, .env = env, .d = d, .e = e};
	struct decision refusal = {0};
	int rc = 0;

	assert(d->len == 0 && !d->duplicate && !d->unchanged);
	d->expires_ms = EVENT_ABSENT;
	dr.session_id = s->session_id;
	dr.seq = s->seq;
	dr.bytes = s->bytes;
	dr.sections = s->sections.len;
	dr.comments = s->comments.len;
	dr.now_ms = env->now_ms > s->updated_ms ? env->now_ms : s->updated_ms;
	dr.role = actor ? session_role(s, actor->user_id) : ROLE_NONE;
	dr.allowed = !actor || actor->admin ? ROLE_OWNER : dr.role;
	rc = answer(&dr);
	if (rc) {
		refusal = (struct decision){.needs = d->needs,
		                            .role = d->role,
		                            .holder = d->holder,
		                            .expires_ms = d->expires_ms,
		                            .section = d->section};
		decision_release(d);
		*d = refusal;
	}
	return rc;
}
