/* pmr use: the session that the verbs of pmr are about when nothing says another one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pmr.h"
#include "tool_file.h"

enum { PATH_BYTES = TOOL_PATH_BYTES };

/* $XDG_STATE_HOME/pmr/use; false: there is no home. */
static bool path_of(char out[PATH_BYTES])
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n = 0;

	if (state && *state)
		n = snprintf(out, PATH_BYTES, "%s/pmr/use", state);
	else if (home && *home)
		n = snprintf(out, PATH_BYTES, "%s/.local/state/pmr/use", home);
	return n > 0 && n < PATH_BYTES;
}

/* What is used; NULL: nothing. */
static json_t *read_use(void)
{
	char path[PATH_BYTES];
	json_t *used = path_of(path) ? json_load_file(path, 0, NULL) : NULL;

	if (json_is_object(used))
		return used;
	json_decref(used);
	return NULL;
}

void pmr_use_export(void)
{
	const char *session = getenv("PMR_SESSION"), *report = getenv("PMR_REPORT");
	json_t *used = (session && *session) || (report && *report) ? NULL : read_use();
	const char *id = json_string_value(json_object_get(used, "session_id"));
	const char *of = json_string_value(json_object_get(used, "report_id"));

	/* Without memory the tool asks which session is meant. */
	if (id)
		(void)setenv("PMR_SESSION", id, 1);
	else if (of)
		(void)setenv("PMR_REPORT", of, 1);
	json_decref(used);
}

/* Make the directories above the file. */
static int make_directories(char *path, struct collab_err *e)
{
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0700) && errno != EEXIST)
			return tool_err(e, "io", "cannot make %s: %s", path, strerror(errno));
		*p = '/';
	}
	return 0;
}

static int write_use(const json_t *used, struct collab_err *e)
{
	struct tool_file f = {.fd = -1};
	char path[PATH_BYTES];
	char *text = NULL;
	int rc;

	if (!path_of(path))
		return tool_err(e, "config", "neither XDG_STATE_HOME nor HOME is set");
	text = json_dumps(used, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text)
		return tool_err(e, "out_of_memory", "out of memory");
	rc = make_directories(path, e);
	if (!rc)
		rc = tool_file_open(&f, path, e);
	if (!rc)
		rc = tool_file_write(&f, text, strlen(text), e);
	free(text);
	if (!rc)
		rc = tool_file_keep(&f, e);
	tool_file_release(&f);
	return rc;
}

static int forget(struct tool *t)
{
	char path[PATH_BYTES];

	if (path_of(path) && unlink(path) && errno != ENOENT)
		return tool_complain(t, collab_exit_status(collab_code("io")),
		                     "cannot remove %s: %s", path, strerror(errno));
	return 0;
}

/* The session, asked of the server, so that what is used is there: gives *used. */
static int ask(struct tool *t, json_t **used, struct collab_err *e)
{
	struct collab_response r = {0};
	json_t *answer = NULL;
	int rc = tool_request(t, "GET", "S/session", NULL, &r, e);

	if (!rc)
		rc = tool_answer(&r, &answer, e);
	if (!rc) {
		*used = json_pack("{s:O*,s:O*}", "session_id",
		                  json_object_get(answer, "session_id"), "report_id",
		                  json_object_get(answer, "report_id"));
		rc = *used ? 0 : tool_err(e, "out_of_memory", "out of memory");
	}
	json_decref(answer);
	collab_response_release(&r);
	return rc;
}

static int put(struct tool *t, const json_t *used)
{
	const char *session = json_string_value(json_object_get(used, "session_id"));
	const char *report = json_string_value(json_object_get(used, "report_id"));

	if (!isatty(STDOUT_FILENO))
		tool_put_object(t, used);
	else if (session)
		(void)printf("session %s of %s\n", session, report ? report : "?");
	else
		(void)printf("report %s\n", report ? report : "?");
	return fflush(stdout) ? collab_exit_status(collab_code("io")) : 0;
}

static int show(struct tool *t)
{
	json_t *used = read_use();
	int status = used ? put(t, used) : tool_complain(t, 1, "nothing is used");

	json_decref(used);
	return status;
}

int pmr_use(struct tool *t)
{
	static const struct tool_option session_option = {.name = "session"};
	const char *report = tool_opt(t, "report"), *session = tool_opt(t, "session");
	const char *operand = t->operands_len ? t->operands[0] : NULL;
	struct collab_err e = {0};
	json_t *used = NULL;
	int rc, status = 0;

	if (tool_has(t, "none") + (report != NULL) + (session != NULL) + (operand != NULL) > 1)
		return tool_usage(t, "one of SESSION, --session, --report and --none, please");
	if (tool_has(t, "none"))
		return forget(t);
	if (!report && !session && !operand)
		return show(t);
	if (operand) /* the words were counted: there is room */
		t->given[t->given_len++] = (struct tool_given){&session_option, operand};
	rc = tool_target(t, TOOL_NEEDS_SESSION, &e);
	if (!rc && report)
		used = json_pack("{s:s}", "report_id", report);
	else if (!rc)
		rc = ask(t, &used, &e);
	if (!rc)
		rc = write_use(used, &e);
	status = rc ? tool_fail(t, &e) : put(t, used);
	json_decref(used);
	return status;
}
