/* pmr-session: the life cycle of sessions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_export.h"

enum { PATH_BYTES = 1024, PAGE = 1000 };

static const struct tool_option options[] = {
	{"type", 0, "chat|direct|collaborative", "the kind of session", "start "},
	{"strategy", 0, "last_write_wins|merge|manual", "what becomes of edits that meet",
         "start "},
	{"max-participants", 0, "N", "how many participants it may have", "start "},
	{"timeout-minutes", 0, "N", "end it after so long without an event", "start "},
	{"fresh", 0, NULL, "do not continue the report's last session", "start "},
	{"participant", 0, "USER[:ROLE]", "add a participant, else an editor; may be repeated",
         "start "},
	{"sections", 0, "FILE", "begin with the sections of this JSON object; -: stdin", "start "},
	{"include", 0, "LIST", "show these too: sections,comments,conflicts", "show "},
	{"active", 0, NULL, "sessions that have not ended, the default", "list "},
	{"ended", 0, NULL, "sessions that have ended", "list "},
	{"all", 0, NULL, "both", "list "},
	{"reason", 0, "TEXT", "why, for the others to read", "end "},
	{"format", 'F', "ndjson|json|markdown", "the whole log, the sections, or a report to send",
         "export "},
	{"activate", 0, NULL, "let it go on here; else it is only to be read", "import "},
	{NULL, 0, NULL, NULL, NULL},
};

/* ---- start ------------------------------------------------------------------------------------
 */

/* The participants of --participant as an array. */
static int participants(const struct tool *t, json_t *body, struct collab_err *e)
{
	json_t *list = json_array(), *one = NULL;

	for (size_t i = 0; i < t->given_len; i++) {
		const char *value = t->given[i].value, *colon = value ? strchr(value, ':') : NULL;
		size_t len = value ? strcspn(value, ":") : 0;

		if (strcmp(t->given[i].option->name, "participant") != 0)
			continue;
		if (!len || (colon && !tool_one_of(TOOL_ROLES, colon + 1))) {
			json_decref(list);
			return tool_err(
				e, "usage",
				"--participant wants USER or USER:ROLE, a role of " TOOL_ROLES);
		}
		one = json_pack("{s:s%,s:s*}", "user_id", value, len, "role",
		                colon ? colon + 1 : NULL);
		if (!one || json_array_append_new(list, one)) {
			json_decref(list);
			return tool_err(e, "bad_utf8", "\"%s\" is not a user", value);
		}
	}
	if (json_array_size(list) == 0) {
		json_decref(list);
		return 0;
	}
	return json_object_set_new(body, "participants", list)
	               ? tool_err(e, "out_of_memory", "out of memory")
	               : 0;
}

/* The object of --sections. */
static int sections(struct tool *t, json_t *body, struct collab_err *e)
{
	const char *file = tool_opt(t, "sections");
	json_error_t why = {0};
	json_t *object = NULL;
	char *text = NULL;
	size_t len = 0;
	int rc = file ? tool_read_all(t, file, &text, &len, e) : 0;

	if (rc || !file)
		return rc;
	object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!object)
		rc = tool_err(e, "bad_json", "%s is not JSON: line %d: %s", file, why.line,
		              why.text);
	else if (!json_is_object(object))
		rc = tool_err(e, "bad_json", "%s is not a JSON object", file);
	else if (json_object_set(body, "sections", object))
		rc = tool_err(e, "out_of_memory", "out of memory");
	json_decref(object);
	free(text);
	return rc;
}

static int settings(struct tool *t, json_t *body, struct collab_err *e)
{
	static const struct {
		const char *option, *member;
		bool number;
	} rows[] = {
		{"type", "session_type", false},
		{"strategy", "conflict_resolution_strategy", false},
		{"max-participants", "max_participants", true},
		{"timeout-minutes", "session_timeout_minutes", true},
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !rc; i++) {
		const char *value = tool_opt(t, rows[i].option);
		int64_t n = 0;

		if (!value)
			continue;
		if (rows[i].number)
			rc = tool_opt_int(t, rows[i].option, 1, INT32_MAX, &n, e);
		if (!rc &&
		    json_object_set_new(body, rows[i].member,
		                        rows[i].number ? json_integer(n) : json_string(value)))
			rc = tool_err(e, "out_of_memory", "out of memory");
	}
	if (!rc && tool_has(t, "fresh") && json_object_set_new(body, "fresh", json_true()))
		rc = tool_err(e, "out_of_memory", "out of memory");
	return rc;
}

static int start(struct tool *t)
{
	struct collab_err e = {0};
	json_t *body = json_object();
	char path[PATH_BYTES];
	int status, rc = settings(t, body, &e);

	if (!rc)
		rc = participants(t, body, &e);
	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_REPORT, &e);
	if (!rc)
		rc = sections(t, body, &e);
	/* A report id has no character that a path would not. */
	if (!rc)
		(void)snprintf(path, sizeof path, "/api/reports/pmr/%s/collaborate/start",
		               collab_config_get(t->config, "report"));
	status = rc ? tool_fail(t, &e) : tool_ask(t, "POST", path, body);
	json_decref(body);
	return status;
}

/* ---- show -------------------------------------------------------------------------------------
 */

static int show(struct tool *t)
{
	const char *include = tool_opt(t, "include");
	struct collab_err e = {0};
	char *path = NULL;
	int status, rc = tool_target(t, TOOL_NEEDS_SESSION, &e);

	if (!rc)
		rc = session_choose_latest(t, &e);
	if (!rc)
		rc = include ? tool_path(&path, &e, "S/session?include=%s", include)
		             : tool_path(&path, &e, "S/session");
	status = rc ? tool_fail(t, &e) : tool_ask(t, "GET", path, NULL);
	free(path);
	return status;
}

/* ---- list -------------------------------------------------------------------------------------
 */

/* The path that asks for no more rows than are wanted; gives *path. */
static int list_path(const struct tool *t, char **path, struct collab_err *e)
{
	bool active = tool_has(t, "active"), ended = tool_has(t, "ended"), all = tool_has(t, "all");
	const char *report = tool_opt(t, "report"), *which = ended ? "0" : "1";
	int64_t count = PAGE;
	char limit[24];
	int rc = tool_opt_int(t, "count", 1, INT32_MAX, &count, e);

	if (rc)
		return rc;
	if (active + ended + all > 1)
		return tool_err(e, "usage", "--active, --ended and --all exclude each other");
	(void)snprintf(limit, sizeof limit, "%lld", (long long)(count < PAGE ? count : PAGE));
	if (all)
		return report ? tool_path(path, e, "/api/sessions?limit=%s&report=%s", limit,
		                          report)
		              : tool_path(path, e, "/api/sessions?limit=%s", limit);
	return report ? tool_path(path, e, "/api/sessions?limit=%s&active=%s&report=%s", limit,
	                          which, report)
	              : tool_path(path, e, "/api/sessions?limit=%s&active=%s", limit, which);
}

static int list(struct tool *t)
{
	struct collab_err e = {0};
	char *path = NULL;
	int status, rc = list_path(t, &path, &e);

	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SERVER, &e);
	status = rc ? tool_fail(t, &e) : tool_list(t, path, "sessions");
	free(path);
	return status;
}

/* ---- end --------------------------------------------------------------------------------------
 */

static int end_path(struct tool *t, const char *path, struct collab_response *r,
                    struct collab_err *e)
{
	const char *reason = tool_opt(t, "reason");
	json_t *body = json_pack("{s:s*}", "reason", reason);
	int rc = body ? tool_request(t, "POST", path, body, r, e)
	              : tool_err(e, "bad_utf8", "the reason is not valid UTF-8");

	json_decref(body);
	return rc;
}

static int end_one(struct tool *t, const char *id, struct collab_response *r, struct collab_err *e)
{
	char whole[37], path[PATH_BYTES];
	int rc = tool_session_id(t, id, whole, e);

	/* What comes as data and is no id is not a mistake on the command line. */
	if (rc && rc == collab_code("usage"))
		return tool_err(e, "bad_field", "\"%s\" is not a session's id", id);
	(void)snprintf(path, sizeof path, "/api/sessions/%s/end", whole); /* it fits */
	return rc ? rc : end_path(t, path, r, e);
}

static int end(struct tool *t)
{
	static const struct tool_ids ids = {"session_id", NULL, end_one};
	bool named = t->operands_len > 0;
	struct collab_response r = {0};
	struct collab_err e = {0};
	int rc, status = 0;

	if (named && (tool_opt(t, "report") || tool_opt(t, "session")))
		return tool_usage(t, "end takes either -r, -s or sessions as operands");
	rc = tool_target(t, named ? TOOL_NEEDS_SERVER : TOOL_NEEDS_SESSION, &e);
	if (!rc && named)
		return tool_each_id(t, &ids);
	if (!rc)
		rc = end_path(t, "S/end", &r, &e);
	if (rc)
		status = tool_fail(t, &e);
	else
		tool_put_json(t, r.body, r.len);
	collab_response_release(&r);
	return status;
}

static const struct tool_verb verbs[] = {
	{"start", "", "start a report's session, or find its active one", 0, 0,
         TOOL_REPORT | TOOL_REF | TOOL_DRY_RUN, start},
	{"show", "", "show a session's details", 0, 0, TOOL_REPORT | TOOL_SESSION, show},
	{"list", "", "list sessions, one a line", 0, 0, TOOL_REPORT | TOOL_COUNT, list},
	{"end", "[-|SESSION...]", "end a session, or those that stdin names", 0, -1,
         TOOL_REPORT | TOOL_SESSION | TOOL_DRY_RUN, end},
	{"export", "", "print a whole session, to keep or to import", 0, 0,
         TOOL_REPORT | TOOL_SESSION, session_export},
	{"import", "[FILE]", "bring in a session that was exported", 0, 1, 0, session_import},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct tool_spec spec = {
	"pmr-session", "Start, show, list, end, export and import sessions.", TOOL_SERVER, options,
	verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
