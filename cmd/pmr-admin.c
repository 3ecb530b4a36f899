/* pmr-admin: what administrators see of a running daemon and ask of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_admin.h"

static const struct tool_option options[] = {
	{"resume", 0, NULL, "let who is closed reconnect and go on", "kick "},
	{"no-wait", 0, NULL, "do not wait until everybody has left", "drain "},
	{"force", 0, NULL, "replace FILE if there is one", "backup "},
	{"warning", 'w', "NAME=N,...", "warn from these values on", "check "},
	{"critical", 'c', "NAME=N,...", "be critical from these values on", "check "},
	{"seqs", 0, "SEQ,SEQ-SEQ,...", "erase the text of these events", "erase "},
	{"floor", 0, "SEQ", "forget the events up to this one", "compact "},
	{"keep-days", 0, "N", "forget the events that are older", "compact "},
	{NULL, 0, NULL, NULL, NULL},
};

static int ask(struct tool *t, const char *method, const char *path)
{
	struct collab_err e = {0};

	return tool_target(t, TOOL_NEEDS_SERVER, &e) ? tool_fail(t, &e)
	                                             : tool_ask(t, method, path, NULL);
}

static int status(struct tool *t)
{
	return ask(t, "GET", "/api/admin/status");
}

static int reload(struct tool *t)
{
	return ask(t, "POST", "/api/admin/reload");
}

static int drain(struct tool *t)
{
	return ask(t, "POST",
	           tool_has(t, "no-wait") ? "/api/admin/drain" : "/api/admin/drain?wait=1");
}

static int sessions(struct tool *t)
{
	struct collab_err e = {0};

	return tool_target(t, TOOL_NEEDS_SERVER, &e)
	               ? tool_fail(t, &e)
	               : tool_list(t, "/api/admin/sessions", "sessions");
}

static int metrics(struct tool *t)
{
	struct collab_response r = {0};
	struct collab_err e = {0};
	int status_code = 0, rc = tool_target(t, TOOL_NEEDS_SERVER, &e);

	if (!rc)
		rc = tool_request(t, "GET", "/metrics", NULL, &r, &e);
	if (rc)
		status_code = tool_fail(t, &e);
	else
		tool_put_bytes(t, r.body, r.len);
	collab_response_release(&r);
	return status_code;
}

enum { PATH_BYTES = 1024 };

/* Add "key=value" to a path's query, unless there is no value. */
static int add(char path[PATH_BYTES], const char *key, const char *value, struct collab_err *e)
{
	char *escaped = value ? collab_escape(value) : NULL;
	size_t used = strlen(path);
	int rc = 0;

	if (value && !escaped)
		rc = tool_err(e, "out_of_memory", "out of memory");
	else if (value && used + strlen(key) + strlen(escaped) + 3 > PATH_BYTES)
		rc = tool_err(e, "usage", "%s is too long", key);
	else if (value)
		(void)snprintf(path + used, PATH_BYTES - used, "%c%s=%s",
		               strchr(path, '?') ? '&' : '?', key, escaped);
	free(escaped);
	return rc;
}

/*
 * The connections that -r, -s and --user name.  What the environment says of a session is for tools
 * that are about one: here it would leave out, or close, connections in silence.
 */
static int selection(struct tool *t, char path[PATH_BYTES], struct collab_err *e)
{
	const char *user = tool_opt(t, "user"), *session = NULL;
	int rc = 0;

	(void)snprintf(path, PATH_BYTES, "/api/admin/connections");
	rc = tool_target(t, tool_opt(t, "session") ? TOOL_NEEDS_SESSION : TOOL_NEEDS_SERVER, e);
	if (!rc && user && *user == '!')
		rc = tool_err(e, "usage", "--user names one user here");
	if (!rc && tool_opt(t, "session"))
		session = collab_config_get(t->config, "session");
	if (!rc)
		rc = add(path, "user", user, e);
	if (!rc)
		rc = add(path, "report", tool_opt(t, "report"), e);
	return rc ? rc : add(path, "session", session, e);
}

static int connections(struct tool *t)
{
	struct collab_err e = {0};
	char path[PATH_BYTES];

	return selection(t, path, &e) ? tool_fail(t, &e) : tool_list(t, path, "connections");
}

static int kick_one(struct tool *t, const char *id, struct collab_response *r, struct collab_err *e)
{
	char path[PATH_BYTES] = "/api/admin/connections";
	int rc = add(path, "id", id, e);

	if (!rc && tool_has(t, "resume"))
		rc = add(path, "resume", "1", e);
	return rc ? rc : tool_request(t, "DELETE", path, NULL, r, e);
}

static int kick(struct tool *t)
{
	static const struct tool_ids ids = {"connection_id", NULL, kick_one};
	bool selected = tool_opt(t, "user") || tool_opt(t, "report") || tool_opt(t, "session");
	struct collab_err e = {0};
	char path[PATH_BYTES];
	int rc;

	if (selected == (t->operands_len > 0))
		return tool_usage(t, "kick wants connections' ids, or --user, -r or -s");
	rc = selection(t, path, &e);
	if (rc)
		return tool_fail(t, &e);
	if (!selected)
		return tool_each_id(t, &ids);
	if (tool_has(t, "resume"))
		rc = add(path, "resume", "1", &e);
	return rc ? tool_fail(t, &e) : tool_ask(t, "DELETE", path, NULL);
}

/* A verb's own options stand above; its function in tool_admin.h. */
static const struct tool_verb verbs[] = {
	{"status", "", "print how the daemon does", 0, 0, 0, status},
	{"sessions", "", "list the sessions in memory", 0, 0, TOOL_COUNT, sessions},
	{"connections", "", "list the open connections", 0, 0,
         TOOL_COUNT | TOOL_USER | TOOL_REPORT | TOOL_SESSION, connections},
	{"kick", "[CONNECTION]...", "close connections; -: ids from stdin", 0, -1,
         TOOL_USER | TOOL_REPORT | TOOL_SESSION | TOOL_DRY_RUN, kick},
	{"drain", "", "hand everybody over to another daemon, and end this one", 0, 0, TOOL_DRY_RUN,
         drain},
	{"reload", "", "read configuration and keys again", 0, 0, TOOL_DRY_RUN, reload},
	{"backup", "FILE", "copy the store to a file while the daemon runs", 1, 1, 0, admin_backup},
	{"metrics", "", "print what /metrics says", 0, 0, 0, metrics},
	{"erase", "", "erase what a user wrote in a session, or events' text", 0, 0,
         TOOL_USER | TOOL_REPORT | TOOL_SESSION | TOOL_DRY_RUN, admin_erase},
	{"compact", "", "keep a session's state, and forget old events", 0, 0,
         TOOL_REPORT | TOOL_SESSION | TOOL_DRY_RUN, admin_compact},
	{"check", "", "be a probe of Nagios and its like", 0, 0, 0, admin_check},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

/* Acting as another would be acting without the rights that all of this needs. */
static const struct tool_spec spec = {
	"pmr-admin",
	"See how a daemon does, and ask administrators' things of it.",
	TOOL_SERVER & ~TOOL_AS,
	options,
	verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
