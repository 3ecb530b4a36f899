/* pmr-session export: a whole session as NDJSON, or what its sections are now. */
#include <stdlib.h>
#include <string.h>

#include "tool_export.h"
#include "tool_progress.h"

int session_choose_latest(struct tool *t, struct collab_err *e)
{
	struct collab_response r = {0};
	json_t *answer = NULL;
	const char *id = NULL;
	int rc;

	if (collab_config_get(t->config, "session"))
		return 0;
	rc = tool_request(t, "GET", "S/participants", NULL, &r, e);
	if (!rc)
		rc = tool_answer(&r, &answer, e);
	id = json_string_value(json_object_get(answer, "session_id"));
	if (!rc)
		rc = id ? collab_config_set(t->config, "session", id, e)
		        : tool_err(e, "protocol", "the server's answer has no session_id");
	json_decref(answer);
	collab_response_release(&r);
	return rc;
}

int session_details(struct tool *t, const char *include, json_t **object, struct collab_err *e)
{
	struct collab_response r = {0};
	char *path = NULL;
	int rc = session_choose_latest(t, e);

	*object = NULL;
	if (!rc)
		rc = tool_path(&path, e, "S/session?include=%s", include);
	if (!rc)
		rc = tool_request(t, "GET", path, NULL, &r, e);
	if (!rc)
		rc = tool_answer(&r, object, e);
	collab_response_release(&r);
	free(path);
	return rc;
}

/* ---- the log ----------------------------------------------------------------------------------
 */

/* What comes, cut into lines. */
struct exporting {
	struct tool *t;
	struct tool_progress progress;
	char *line; /* one that is not whole yet */
	size_t len, cap;
	int64_t lines, floor, head; /* head: seq of the last event, by the first line */
	const char *wrong;          /* why it cannot go on; NULL: nothing is wrong */
};

/* The first line says how many there must be. */
static void take_first(struct exporting *x)
{
	json_t *o = json_loadb(x->line, x->len, 0, NULL);
	const json_t *head = json_object_get(json_object_get(o, "head"), "seq");

	x->floor = json_integer_value(json_object_get(o, "floor"));
	x->head = json_integer_value(head);
	if (!json_is_integer(head) || x->head <= x->floor)
		x->wrong = "the server's answer is no export";
	json_decref(o);
}

static void take_line(struct exporting *x)
{
	if (x->lines == 0)
		take_first(x);
	if (x->wrong)
		return;
	x->lines++;
	tool_put_json(x->t, x->line, x->len);
	tool_progress(&x->progress, x->lines - 1, x->head - x->floor);
	x->len = 0;
}

static bool keep(struct exporting *x, const char *bytes, size_t len)
{
	if (x->len + len > x->cap) {
		size_t cap = (x->len + len) * 2;
		char *p = realloc(x->line, cap);

		if (!p)
			return false;
		x->line = p;
		x->cap = cap;
	}
	memcpy(x->line + x->len, bytes, len);
	x->len += len;
	return true;
}

static bool take(void *arg, const char *bytes, size_t len)
{
	struct exporting *x = arg;

	tool_signalled(x->t);
	while (len > 0 && !x->wrong) {
		const char *end = memchr(bytes, '\n', len);
		size_t n = end ? (size_t)(end - bytes) : len;

		if (!keep(x, bytes, n))
			x->wrong = "out of memory";
		else if (end)
			take_line(x);
		n += end != NULL;
		bytes += n;
		len -= n;
	}
	return !x->wrong;
}

static int export_log(struct tool *t, struct collab_err *e)
{
	struct exporting x = {.t = t};
	struct collab_response r = {0};
	int64_t stall_ms = 0;
	int rc = tool_opt_ms(t, "timeout", &stall_ms, e);

	tool_progress_begin(&x.progress, t->quiet, "events");
	if (!rc)
		rc = collab_download(t->config, "S/export", "application/x-ndjson", take, &x,
		                     (int)stall_ms, &r, e);
	tool_progress_end(&x.progress);
	if (!rc && x.wrong)
		rc = tool_err(e, "protocol", "%s", x.wrong);
	/* The server stopped: what came is no whole log, and must not be taken for one. */
	if (!rc && (x.lines == 0 || x.len > 0 || x.lines - 1 != x.head - x.floor))
		rc = tool_err(e, "unreachable", "the export broke off after seq %lld of %lld",
		              (long long)(x.floor + (x.lines > 0 ? x.lines - 1 : 0)),
		              (long long)x.head);
	free(x.line);
	collab_response_release(&r);
	return rc;
}

/* ---- the sections -----------------------------------------------------------------------------
 */

/* What a system of record takes: the sections, and which state of which session they are. */
static int export_json(struct tool *t, struct collab_err *e)
{
	static const char *const members[] = {"hash", "last_activity", "report_id", "sections",
	                                      "seq",  "session_id",    "started_at"};
	json_t *session = NULL, *out = json_object();
	int rc = session_details(t, "sections", &session, e);

	for (size_t i = 0; i < sizeof members / sizeof members[0] && !rc; i++)
		if (json_object_set(out, members[i], json_object_get(session, members[i])))
			rc = tool_err(e, "protocol", "the server's answer has no %s", members[i]);
	if (!rc)
		tool_put_object(t, out);
	json_decref(session);
	json_decref(out);
	return rc;
}

static int export_markdown(struct tool *t, struct collab_err *e)
{
	json_t *session = NULL;
	int rc = session_details(t, "sections,comments", &session, e);

	if (!rc)
		session_put_markdown(t, session);
	json_decref(session);
	return rc;
}

int session_export(struct tool *t)
{
	static const struct {
		const char *name;
		int (*export)(struct tool *t, struct collab_err *e);
	} formats[] = {
		{"ndjson", export_log}, {"json", export_json}, {"markdown", export_markdown}};
	const char *format = tool_opt(t, "format");
	size_t i = 0, n = sizeof formats / sizeof formats[0];
	struct collab_err e = {0};
	int rc;

	while (format && i < n && strcmp(formats[i].name, format) != 0)
		i++;
	if (i == n)
		return tool_usage(t, "--format is ndjson, json or markdown, not \"%s\"", format);
	rc = tool_target(t, TOOL_NEEDS_SESSION, &e);
	if (!rc)
		rc = formats[i].export(t, &e);
	return rc ? tool_fail(t, &e) : 0;
}
