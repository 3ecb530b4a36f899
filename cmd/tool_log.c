/* The past of a session, page by page. */
#include "tool_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_when.h"

enum { BOUNDS_BYTES = 64, ID_LEN = 36 };

/* ---- where it begins and ends -----------------------------------------------------------------
 */

/* The first event after `since` (a seq or a time) in *first, -1 when there is none. */
static int first_after(struct tool *t, const char *since, int64_t *first, json_t **answer,
                       struct collab_err *e)
{
	struct collab_response r = {0};
	const json_t *event = NULL;
	char *path = NULL;
	int rc = tool_path(&path, e, "S/events?limit=1&since=%s", since);

	*answer = NULL;
	if (!rc)
		rc = tool_request(t, "GET", path, NULL, &r, e);
	if (!rc)
		rc = tool_answer(&r, answer, e);
	event = json_array_get(json_object_get(*answer, "events"), 0);
	*first = event ? json_integer_value(json_object_get(event, "seq")) : -1;
	collab_response_release(&r);
	free(path);
	return rc;
}

int log_open(struct tool *t, struct log_extent *x, struct collab_err *e)
{
	const char *id = NULL;
	json_t *answer = NULL;
	int64_t first = -1;
	int rc = tool_target(t, TOOL_NEEDS_SESSION, e);

	*x = (struct log_extent){0};
	if (!rc)
		rc = first_after(t, "0", &first, &answer, e);
	if (rc)
		return rc;
	id = json_string_value(json_object_get(answer, "session_id"));
	x->floor = first > 0 ? first - 1 : 0;
	x->head = json_integer_value(json_object_get(answer, "seq"));
	x->stored = !json_is_true(json_object_get(answer, "without_email"));
	if (id && strlen(id) == ID_LEN)
		rc = collab_config_set(t->config, "session", id, e);
	else
		rc = tool_err(e, "protocol", "the server does not say which session this is");
	json_decref(answer);
	return rc;
}

int log_seq(struct tool *t, const struct log_extent *x, const char *name, const char *text,
            int64_t *seq, struct collab_err *e)
{
	char value[TOOL_WHEN_BYTES];
	json_t *answer = NULL;
	int64_t first = -1;
	int rc = tool_when(name, text, value, e);

	*seq = 0;
	if (!rc && tool_is_seq(text))
		*seq = strtoll(text, NULL, 10);
	if (rc || tool_is_seq(text))
		return rc;
	rc = first_after(t, value, &first, &answer, e);
	json_decref(answer);
	if (rc && e->http == 400)
		return tool_when_wrong(name, text, e);
	/* Nothing after it: it means the end that the log had when the tool began. */
	*seq = first > 0 && first <= x->head ? first - 1 : x->head;
	return rc;
}

/* ---- events -----------------------------------------------------------------------------------
 */

/* The value of the top-level member seq; 0: none.  The text is a valid object. */
static int64_t seq_of(const char *json, size_t len)
{
	static const char key[] = "\"seq\":";
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (json[i] == '"') {
			if (depth == 1 && len - i >= sizeof key &&
			    strncmp(json + i, key, sizeof key - 1) == 0)
				return strtoll(json + i + sizeof key - 1, NULL, 10);
			for (i++; json[i] != '"'; i++)
				i += json[i] == '\\';
		}
		depth += json[i] == '{' || json[i] == '[';
		depth -= json[i] == '}' || json[i] == ']';
	}
	return 0;
}

struct pages {
	bool (*fn)(void *arg, int64_t seq, const char *json, size_t len);
	void *arg;
	int64_t last; /* seq given last */
	bool stopped;
};

static bool give_event(void *arg, const char *json, size_t len)
{
	struct pages *p = arg;

	p->last = seq_of(json, len);
	p->stopped = !p->fn(p->arg, p->last, json, len);
	return !p->stopped;
}

int log_each(struct tool *t, const char *filter, int64_t since, int64_t until,
             bool (*fn)(void *arg, int64_t seq, const char *json, size_t len), void *arg,
             struct collab_err *e)
{
	struct pages p = {fn, arg, since, false};
	char bounds[BOUNDS_BYTES], *path = NULL;
	size_t size = sizeof bounds + 16 + (filter ? strlen(filter) : 0);
	int64_t before;
	int rc = 0;

	path = malloc(size);
	if (!path)
		return tool_err(e, "out_of_memory", "out of memory");
	/* A page that is empty is the last one: those before end because they are full. */
	do {
		before = p.last;
		(void)snprintf(path, size, "S/events?limit=1000&since=%lld&until=%lld%s%s",
		               (long long)p.last, (long long)until, filter && *filter ? "&" : "",
		               filter ? filter : "");
		rc = tool_each_listed(t, path, "events", give_event, &p, e);
		if (!rc && p.last < before)
			rc = tool_err(e, "protocol", "the server gives events out of order");
	} while (!rc && !p.stopped && p.last > before && p.last < until);
	free(path);
	return rc;
}

/* ---- a section's history ----------------------------------------------------------------------
 */

int log_section_at(struct tool *t, const char *section_id, int64_t seq, struct collab_response *r,
                   struct collab_err *e)
{
	char at[24], *path = NULL;
	int rc;

	*r = (struct collab_response){0};
	(void)snprintf(at, sizeof at, "%lld", (long long)seq);
	rc = tool_path(&path, e, "S/sections/%s?at=%s", section_id, at);
	if (!rc)
		rc = tool_request(t, "GET", path, NULL, r, e);
	free(path);
	return rc;
}

struct folding {
	struct collab_history *h;
	void (*fn)(void *arg, const json_t *event, const struct collab_change *change);
	void *arg;
	bool any;
	int rc;
	struct collab_err *e;
};

static bool fold(void *arg, int64_t seq, const char *json, size_t len)
{
	struct folding *f = arg;
	struct collab_change change;
	int changed = collab_history_event(f->h, json, len, &change, f->e);

	(void)seq; /* the history reads it itself */
	if (changed < 0)
		f->rc = changed;
	if (changed > 0)
		f->any = true;
	if (changed > 0 && f->fn) {
		json_t *event = json_loadb(json, len, 0, NULL);

		f->fn(f->arg, event, &change);
		json_decref(event);
	}
	return changed >= 0;
}

/* What the section was where the log was compacted; it may not have been there. */
static int begin_at_floor(struct tool *t, int64_t floor, const char *section_id, struct folding *f)
{
	struct collab_response r = {0};
	int rc = log_section_at(t, section_id, floor, &r, f->e);

	if (!rc)
		rc = collab_history_base(f->h, r.body, r.len, f->e);
	f->any = !rc;
	collab_response_release(&r);
	return rc == collab_code("no_section") ? 0 : rc;
}

int log_history(struct tool *t, const struct log_extent *x, const char *section_id, int64_t until,
                void (*fn)(void *arg, const json_t *event, const struct collab_change *change),
                void *arg, struct collab_history **h, struct collab_err *e)
{
	struct folding f = {.fn = fn, .arg = arg, .e = e};
	char *filter = NULL;
	int rc = collab_history_new(h, section_id, e);

	f.h = *h;
	if (!rc)
		rc = tool_path(&filter, e, LOG_CHANGES_OF "%s", section_id);
	if (!rc && x->floor > 0)
		rc = begin_at_floor(t, x->floor, section_id, &f);
	if (!rc)
		rc = log_each(t, filter, x->floor, until, fold, &f, e);
	if (!rc)
		rc = f.rc;
	if (!rc && !f.any)
		rc = tool_err(e, "no_section", "there was never a section %s", section_id);
	free(filter);
	if (rc) {
		collab_history_free(*h);
		*h = NULL;
	}
	return rc;
}
