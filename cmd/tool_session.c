/* Which server, who we are, which session. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

enum { ID_LEN = 36, PREFIX_MIN = 8 };

/* The session_id of the object that is the next line of stdin; no byte behind it is read. */
static int session_of_stdin(struct tool *t, struct collab_err *e)
{
	struct tool_lines lines;
	json_t *object = NULL;
	const char *id = NULL;
	int rc;

	tool_lines_init(&lines, STDIN_FILENO);
	lines.bytewise = true;
	do {
		rc = tool_lines_next(t, &lines, e);
	} while (rc == 1 && !lines.too_long && lines.buf[strspn(lines.buf, " \t\r")] == '\0');
	if (rc == 0)
		rc = tool_err(e, "bad_json", "stdin has no object to take the session from");
	if (rc < 0)
		goto out;
	object = lines.too_long ? NULL : json_loadb(lines.buf, lines.line_len, 0, NULL);
	id = json_string_value(json_object_get(object, "session_id"));
	if (!json_is_object(object))
		rc = tool_err(e, "bad_json", "the first line of stdin is not a JSON object");
	else if (!id)
		rc = tool_err(e, "missing_field", "the object on stdin has no session_id");
	else
		rc = collab_config_set(t->config, "session", id, e);
out:
	json_decref(object);
	tool_lines_release(&lines);
	return rc;
}

static int set_options(struct tool *t, struct collab_err *e)
{
	static const char *const names[] = {"report",     "session",  "url",     "socket",
	                                    "token-file", "token-fd", "profile", "as"};
	int rc = 0;

	if (tool_opt(t, "report") && tool_opt(t, "session"))
		return tool_err(e, "usage", "--report and --session exclude each other");
	if (tool_opt(t, "url") && tool_opt(t, "socket"))
		return tool_err(e, "usage", "--url and --socket exclude each other");
	for (size_t i = 0; i < sizeof names / sizeof names[0] && !rc; i++) {
		const char *value = tool_opt(t, names[i]);

		if (!value)
			continue;
		if (strcmp(names[i], "session") == 0 && strcmp(value, "-") == 0)
			rc = session_of_stdin(t, e);
		else
			rc = collab_config_set(t->config, names[i], value, e);
	}
	return rc;
}

int tool_target(struct tool *t, enum tool_needs needs, struct collab_err *e)
{
	const char *session = NULL;
	char id[ID_LEN + 1];
	int rc;

	t->config = collab_config_new();
	if (!t->config)
		return tool_err(e, "out_of_memory", "out of memory");
	rc = set_options(t, e);
	if (!rc)
		rc = collab_config_finish(t->config, e);
	if (rc)
		return rc;
	session = collab_config_get(t->config, "session");
	if (needs == TOOL_NEEDS_REPORT && !collab_config_get(t->config, "report"))
		return tool_err(e, "usage", "which report? use -r REPORT or set PMR_REPORT");
	if (needs != TOOL_NEEDS_SESSION)
		return 0;
	if (!session && !collab_config_get(t->config, "report"))
		return tool_err(e, "usage",
		                "which session? use -r REPORT or -s SESSION, or set PMR_REPORT");
	if (!session)
		return 0;
	rc = tool_session_id(t, session, id, e);
	return rc ? rc : collab_config_set(t->config, "session", id, e);
}

/* ---- the beginning of an id -------------------------------------------------------------------
 */

struct search {
	const char *prefix; /* in lower case */
	char *id;
	int found;
};

static bool compare(void *arg, const char *json, size_t len)
{
	struct search *s = arg;
	json_t *row = json_loadb(json, len, 0, NULL);
	const char *id = json_string_value(json_object_get(row, "session_id"));

	if (id && strlen(id) == ID_LEN && strncmp(id, s->prefix, strlen(s->prefix)) == 0) {
		memcpy(s->id, id, ID_LEN + 1);
		s->found++;
	}
	json_decref(row);
	return true;
}

int tool_session_id(struct tool *t, const char *prefix, char out[ID_LEN + 1], struct collab_err *e)
{
	size_t len = strlen(prefix);
	char lower[ID_LEN + 1] = "";
	struct search s = {lower, out, 0};
	int rc = 0;

	if (len < PREFIX_MIN || len > ID_LEN || prefix[strspn(prefix, "0123456789abcdefABCDEF-")])
		return tool_err(e, "usage",
		                "\"%s\" is neither a session id nor 8 characters of one", prefix);
	for (size_t i = 0; i < len; i++)
		lower[i] = (char)tolower((unsigned char)prefix[i]);
	memcpy(out, lower, sizeof lower);
	if (len == ID_LEN)
		return 0;
	rc = tool_each_listed(t, "/api/sessions?limit=1000", "sessions", compare, &s, e);
	if (!rc && s.found == 0)
		rc = tool_err(e, "no_session", "there is no session %s...", prefix);
	else if (!rc && s.found > 1)
		rc = tool_err(e, "usage", "%d sessions begin with %s", s.found, prefix);
	return rc;
}
