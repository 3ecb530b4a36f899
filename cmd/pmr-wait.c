/* pmr-wait: block until something is true of a session. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_stream.h"

enum { DIGITS_MAX = 18 };

static const struct tool_option options[] = {
	{"for", 0, "COND", "what is to be true; several: all of them at once", NULL},
	{NULL, 0, NULL, NULL, NULL},
};

/* What matters of the session, each an object by id. */
struct wait {
	struct stream s;
	json_t *threads;   /* by their first comment; 1: open */
	json_t *conflicts; /* open ones */
	json_t *locks, *online;
	json_t *versions; /* of sections */
	int64_t deadline_ms;
	int tries;
	bool known, ended, done;
	int status;
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* ---- conditions -------------------------------------------------------------------------------
 */

/* "ID>=N": the length of ID and N; else the whole is the id, and any version does. */
static size_t section_of(const char *text, int64_t *min)
{
	const char *at = strstr(text, ">=");
	size_t digits = at ? strspn(at + 2, "0123456789") : 0;

	*min = 0;
	if (!at)
		return strlen(text);
	if (!digits || digits > DIGITS_MAX || at[2 + digits])
		return 0;
	*min = strtoll(at + 2, NULL, 10);
	return (size_t)(at - text);
}

static bool check_section(const char *text)
{
	int64_t min;

	return section_of(text, &min) > 0;
}

static bool check_user(const char *text)
{
	return *text != '\0';
}

static bool comments_resolved(const struct wait *w, const char *text)
{
	const char *id;
	json_t *open;

	(void)text;
	json_object_foreach(w->threads, id, open) if (json_integer_value(open)) return false;
	return true;
}

static bool no_conflicts(const struct wait *w, const char *text)
{
	(void)text;
	return json_object_size(w->conflicts) == 0;
}

static bool no_locks(const struct wait *w, const char *text)
{
	(void)text;
	return json_object_size(w->locks) == 0;
}

static bool has_ended(const struct wait *w, const char *text)
{
	(void)text;
	return w->ended;
}

static bool has_section(const struct wait *w, const char *text)
{
	int64_t min;
	int len = (int)section_of(text, &min);
	char *id = malloc((size_t)len + 1);
	const json_t *version = NULL;

	if (id) {
		(void)snprintf(id, (size_t)len + 1, "%.*s", len, text);
		version = json_object_get(w->versions, id);
	}
	free(id);
	return version && json_integer_value(version) >= min;
}

static bool is_online(const struct wait *w, const char *text)
{
	return json_object_get(w->online, text) != NULL;
}

static bool is_offline(const struct wait *w, const char *text)
{
	return !is_online(w, text);
}

static const struct condition {
	const char *name; /* with a colon: something follows */
	bool (*check)(const char *text);
	bool (*holds)(const struct wait *w, const char *text);
} conditions[] = {
	{"comments-resolved", NULL, comments_resolved},
	{"no-conflicts", NULL, no_conflicts},
	{"no-locks", NULL, no_locks},
	{"ended", NULL, has_ended},
	{"section:", check_section, has_section},
	{"online:", check_user, is_online},
	{"offline:", check_user, is_offline},
};

/* What *text is the name of; *text is then what follows.  NULL: nothing. */
static const struct condition *condition_of(const char **text)
{
	for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
		const struct condition *c = &conditions[i];
		size_t len = strlen(c->name);

		if (strncmp(*text, c->name, len) != 0 || (!c->check && (*text)[len]))
			continue;
		*text += len;
		return c->check && !c->check(*text) ? NULL : c;
	}
	return NULL;
}

static bool all_hold(const struct wait *w)
{
	for (size_t i = 0; i < w->s.t->given_len; i++) {
		const struct tool_given *given = &w->s.t->given[i];
		const char *text = given->value;

		if (strcmp(given->option->name, "for") == 0 && !condition_of(&text)->holds(w, text))
			return false;
	}
	return true;
}

/* ---- the session ------------------------------------------------------------------------------
 */

static void put(json_t *set, const char *id, int64_t value)
{
	(void)json_object_set_new(set, id, json_integer(value)); /* only memory can be wanting */
}

static void on_state(struct wait *w, const json_t *state)
{
	const char *key;
	json_t *value;
	size_t i;

	(void)json_object_clear(w->threads); /* cannot fail: they are objects */
	(void)json_object_clear(w->conflicts);
	(void)json_object_clear(w->locks);
	(void)json_object_clear(w->online);
	(void)json_object_clear(w->versions);
	json_array_foreach(json_object_get(state, "comments"), i,
	                   value) if (!*text_of(value, "parent_comment_id"))
		put(w->threads, text_of(value, "comment_id"),
	            !json_is_true(json_object_get(value, "resolved")) &&
	                    !json_is_true(json_object_get(value, "deleted")));
	json_array_foreach(json_object_get(state, "conflicts"), i,
	                   value) if (!*text_of(value, "resolution"))
		put(w->conflicts, text_of(value, "conflict_id"), 1);
	json_array_foreach(json_object_get(state, "participants"), i,
	                   value) if (json_is_true(json_object_get(value, "online")))
		put(w->online, text_of(value, "user_id"), 1);
	json_object_foreach(json_object_get(state, "locks"), key, value) put(w->locks, key, 1);
	json_object_foreach(json_object_get(state, "sections"), key, value)
		put(w->versions, key, json_integer_value(json_object_get(value, "version")));
	w->known = true;
}

static void on_event(struct wait *w, const char *type, const json_t *event)
{
	const json_t *comment = json_object_get(event, "comment");
	const char *section_id = text_of(event, "section_id");
	const char *comment_id = text_of(event, "comment_id");
	const json_t *version = json_object_get(event, "version");

	if (strcmp(type, "comment_added") == 0 && !*text_of(comment, "parent_comment_id"))
		put(w->threads, text_of(comment, "comment_id"), 1);
	else if (strncmp(type, "comment_re", 10) == 0 && json_object_get(w->threads, comment_id))
		put(w->threads, comment_id, strcmp(type, "comment_reopened") == 0);
	else if (strcmp(type, "comment_deleted") == 0)
		(void)json_object_del(w->threads, comment_id); /* a reply is not in it */
	else if (strcmp(type, "conflict_detected") == 0)
		put(w->conflicts, text_of(event, "conflict_id"), 1);
	else if (strcmp(type, "conflict_resolved") == 0)
		(void)json_object_del(w->conflicts, text_of(event, "conflict_id"));
	else if (strcmp(type, "section_locked") == 0)
		put(w->locks, section_id, 1);
	else if (strcmp(type, "section_unlocked") == 0)
		(void)json_object_del(w->locks, section_id);
	else if (strcmp(type, "section_deleted") == 0)
		(void)json_object_del(w->versions, section_id);
	else if (strcmp(type, "user_online") == 0)
		put(w->online, text_of(event, "user_id"), 1);
	else if (strcmp(type, "user_offline") == 0 || strcmp(type, "participant_left") == 0)
		(void)json_object_del(w->online, text_of(event, "user_id"));
	else if (strcmp(type, "session_ended") == 0)
		w->ended = true;
	if (strcmp(type, "section_update") == 0 || strcmp(type, "conflict_resolved") == 0)
		put(w->versions, section_id,
		    json_integer_value(version ? version : json_object_get(event, "seq")));
}

/* True without an event: the session itself decides. */
static void put_session(struct wait *w)
{
	struct collab_response r = {0};
	struct collab_err e = {0};

	if (tool_request(w->s.t, "GET", "S/session", NULL, &r, &e))
		w->status = tool_fail(w->s.t, &e);
	else
		stream_put_json(&w->s, r.body, r.len);
	collab_response_release(&r);
}

static void decide(struct wait *w, const struct collab_message *m)
{
	if (!w->known || !all_hold(w))
		return;
	w->done = true;
	if (m->kind == COLLAB_EVENT)
		stream_put_json(&w->s, m->json, m->len);
	else
		put_session(w);
}

static void on_closed(struct wait *w, const struct collab_message *m)
{
	w->ended |= m->code == 0;
	if (m->code == 0)
		decide(w, m);
	if (w->done)
		return;
	w->done = true;
	w->status = tool_complain(w->s.t, m->code ? collab_exit_status(m->code) : 1, "%s",
	                          m->code ? m->text : "the session has ended");
}

static void on_message(struct wait *w, const struct collab_message *m)
{
	json_t *object = m->json ? json_loadb(m->json, m->len, 0, NULL) : NULL;

	if (m->kind == COLLAB_EVENT || m->kind == COLLAB_STATE) {
		if (m->kind == COLLAB_STATE)
			on_state(w, object);
		else
			on_event(w, m->type, object);
		decide(w, m);
	} else if (m->kind == COLLAB_LOST) {
		(void)tool_complain(w->s.t, 0, "connection lost: %s; reconnecting", m->text);
	} else if (m->kind == COLLAB_CLOSED) {
		on_closed(w, m);
	}
	json_decref(object);
}

/* ---- the tool ---------------------------------------------------------------------------------
 */

static int check_conditions(const struct tool *t, struct collab_err *e)
{
	if (!tool_has(t, "for"))
		return tool_err(e, "usage", "--for is required");
	for (size_t i = 0; i < t->given_len; i++) {
		const char *text = t->given[i].value;

		if (strcmp(t->given[i].option->name, "for") == 0 && !condition_of(&text))
			return tool_err(e, "usage", "\"%s\" is not a condition", t->given[i].value);
	}
	return 0;
}

static void watch(struct wait *w)
{
	struct collab_join join = {.watch = true, .since = -1, .first_tries = w->tries};
	struct collab_message m;
	struct collab_err e = {0};

	if (collab_open(&w->s.c, w->s.t->config, &join, &e)) {
		w->status = tool_fail(w->s.t, &e);
		return;
	}
	while (!w->done && w->s.end == STREAM_GOES_ON) {
		if (collab_next(w->s.c, 0, &m) == 1) {
			on_message(w, &m);
			continue;
		}
		(void)stream_wait(&w->s, -1, w->deadline_ms);
		if (w->s.end == STREAM_GOES_ON && stream_now_ms() >= w->deadline_ms) {
			w->status = collab_exit_status(collab_code("timed_out"));
			w->done = true;
		}
	}
}

static int run(struct tool *t)
{
	struct wait w = {.threads = json_object(), .conflicts = json_object()};
	int64_t timeout_ms = -1, begun_ms = stream_now_ms();
	struct collab_err e = {0};
	int tries = 0, status, rc = check_conditions(t, &e);

	if (!rc)
		rc = tool_opt_ms(t, "timeout", &timeout_ms, &e);
	if (!rc)
		rc = stream_retry(t, &tries, &e);
	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SESSION, &e);
	stream_init(&w.s, t);
	w.locks = json_object();
	w.online = json_object();
	w.versions = json_object();
	w.tries = tries;
	w.deadline_ms = timeout_ms < 0 ? INT64_MAX : begun_ms + timeout_ms;
	if (rc)
		w.status = tool_fail(t, &e);
	else
		watch(&w);
	status = stream_finish(&w.s, w.status);
	json_decref(w.threads);
	json_decref(w.conflicts);
	json_decref(w.locks);
	json_decref(w.online);
	json_decref(w.versions);
	return status;
}

static const struct tool_verb verbs[] = {
	{"", "", "", 0, 0, 0, run},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct tool_spec spec = {
	"pmr-wait", "Wait until something is true of a session.", TOOL_TARGET, options, verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
