/* Where in which log a stream begins, and what of it is wanted. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_cursor.h"
#include "tool_stream.h"
#include "tool_when.h"

enum { CURSOR_BYTES_MAX = 65536, ID_LEN = 36 };

/* A seq above every log's end: what is asked for behind it is only where that end is. */
#define SEQ_BEHIND_ALL "999999999999999999"

/* ---- --cursor-file ---------------------------------------------------------------------- */

/* A file that is not there, or empty as mktemp makes it, leaves *start as it is. */
static int read_cursor(struct tool *t, struct stream_start *start, struct collab_err *e)
{
	const char *path = tool_opt(t, "cursor-file");
	struct tool_cursor cursor = {0};
	char *text = NULL;
	size_t len = 0;
	int rc;

	if (!path || (access(path, F_OK) != 0 && errno == ENOENT))
		return 0;
	rc = tool_read_all(t, path, &text, &len, e);
	if (!rc && len > 0 && (len > CURSOR_BYTES_MAX || !tool_cursor_parse(text, len, &cursor))) {
		rc = tool_err(e, "bad_json", "%s is no cursor file", path);
	} else if (!rc && len > 0) {
		memcpy(start->session_id, cursor.session_id, sizeof start->session_id);
		memcpy(start->hash, cursor.hash, sizeof start->hash);
		start->since = cursor.seq;
	}
	free(text);
	return rc;
}

/* The cursor's session is the one to go on with; but it must be of the report, or the one, named.
 */
static int adopt_cursor(struct tool *t, const struct stream_start *start, struct collab_err *e)
{
	const char *session = collab_config_get(t->config, "session");
	const char *report = collab_config_get(t->config, "report");
	const char *path = tool_opt(t, "cursor-file");
	struct collab_response r = {0};
	json_t *answer = NULL;
	int rc;

	if (session)
		return strcmp(session, start->session_id) == 0
		               ? 0
		               : tool_err(e, "bad_field", "%s is a cursor of session %s", path,
		                          start->session_id);
	rc = collab_config_set(t->config, "session", start->session_id, e);
	if (!rc)
		rc = tool_request(t, "GET", "S/session", NULL, &r, e);
	if (!rc)
		rc = tool_answer(&r, &answer, e);
	if (!rc) {
		const char *of = json_string_value(json_object_get(answer, "report_id"));

		if (report && of && strcmp(report, of) != 0)
			rc = tool_err(e, "bad_field", "%s is a cursor of report %s", path, of);
	}
	json_decref(answer);
	collab_response_release(&r);
	return rc;
}

/* ---- both ------------------------------------------------------------------------------- */

/* Ask which session it is and which seq the time means, or where the log ends. */
static int look_up(struct tool *t, const char *since, struct stream_start *start,
                   struct collab_err *e)
{
	struct collab_response r = {0};
	json_t *answer = NULL, *first = NULL;
	const char *id = NULL;
	char *path = NULL;
	int rc = tool_path(&path, e, "S/events?limit=1&since=%s", since);

	if (!rc)
		rc = tool_request(t, "GET", path, NULL, &r, e);
	if (rc && e->http == 400)
		(void)tool_when_wrong("--since", since, e);
	if (!rc)
		rc = tool_answer(&r, &answer, e);
	else
		rc = e->code;
	id = json_string_value(json_object_get(answer, "session_id"));
	if (!rc && (!id || strlen(id) != ID_LEN))
		rc = tool_err(e, "protocol", "the server does not say which session this is");
	if (rc)
		goto out;
	(void)snprintf(start->session_id, sizeof start->session_id, "%s", id);
	first = json_object_get(json_array_get(json_object_get(answer, "events"), 0), "seq");
	start->since = first ? json_integer_value(first) - 1
	                     : json_integer_value(json_object_get(answer, "seq"));
	rc = collab_config_set(t->config, "session", start->session_id, e);
out:
	json_decref(answer);
	collab_response_release(&r);
	free(path);
	return rc;
}

int stream_start(struct tool *t, struct stream_start *start, struct collab_err *e)
{
	const char *since = tool_opt(t, "since");
	char value[TOOL_WHEN_BYTES] = SEQ_BEHIND_ALL;
	int rc = since ? tool_when("--since", since, value, e) : 0;

	*start = (struct stream_start){.since = -1};
	if (!rc)
		rc = read_cursor(t, start, e);
	if (rc)
		return rc;
	if (start->since >= 0)
		return adopt_cursor(t, start, e);
	if (tool_opt(t, "cursor-file") && !since)
		(void)snprintf(value, sizeof value, "0");
	rc = look_up(t, value, start, e);
	/* A seq is meant as it is, even one that the log does not have yet. */
	if (!rc && since && tool_is_seq(since))
		start->since = strtoll(since, NULL, 10);
	return rc;
}

/* ---- what is wanted --------------------------------------------------------------------- */

/* The values of one option, as a list: gives *out, or NULL when there are none. */
static int join_values(const struct tool *t, const char *name, const char *more, char **out,
                       struct collab_err *e)
{
	size_t size = 1 + (more ? strlen(more) : 0);

	*out = NULL;
	for (size_t i = 0; i < t->given_len; i++)
		if (strcmp(t->given[i].option->name, name) == 0)
			size += strlen(t->given[i].value) + 1;
	if (size == 1)
		return 0;
	*out = calloc(1, size);
	if (!*out)
		return tool_err(e, "out_of_memory", "out of memory");
	strcpy(*out, more ? more : "");
	for (size_t i = 0; i < t->given_len; i++) {
		if (strcmp(t->given[i].option->name, name) != 0)
			continue;
		if (**out)
			strcat(*out, ",");
		strcat(*out, t->given[i].value);
	}
	return 0;
}

/* Whether some --type says what is wanted, not only what is not. */
static bool wants_types(const struct tool *t)
{
	for (size_t i = 0; i < t->given_len; i++)
		if (strcmp(t->given[i].option->name, "type") == 0 && t->given[i].value[0] != '!')
			return true;
	return false;
}

int stream_filter(const struct tool *t, bool cursors, char **out, struct collab_err *e)
{
	static const char *const names[] = {"type", "user", "section"};
	char *query = calloc(1, 1);
	int rc = query ? 0 : tool_err(e, "out_of_memory", "out of memory");

	for (size_t i = 0; i < 3 && !rc; i++) {
		const char *more =
			i == 0 && !cursors && !wants_types(t) ? "!cursor_position" : NULL;
		char *list = NULL, *escaped = NULL, *longer = NULL;

		rc = join_values(t, names[i], more, &list, e);
		if (!rc && list) {
			size_t len = strlen(query);

			escaped = collab_escape(list);
			longer = escaped ? realloc(query, len + strlen(escaped) + 16) : NULL;
			if (longer)
				(void)sprintf(longer + len, "%s%s=%s", len ? "&" : "", names[i],
				              escaped);
			else
				rc = tool_err(e, "out_of_memory", "out of memory");
			query = longer ? longer : query;
		}
		free(escaped);
		free(list);
	}
	if (rc) {
		free(query);
		query = NULL;
	}
	*out = query;
	return rc;
}

int stream_retry(const struct tool *t, int *tries, struct collab_err *e)
{
	const char *value = tool_opt(t, "retry");

	*tries = 1;
	if (!value)
		return 0;
	if (strcmp(value, "forever") == 0)
		*tries = -1;
	else if (!*value || strlen(value) > 9 || value[strspn(value, "0123456789")])
		return tool_err(e, "usage", "--retry wants a whole number or forever, not \"%s\"",
		                value);
	else
		*tries = (int)strtol(value, NULL, 10) + 1;
	return 0;
}
