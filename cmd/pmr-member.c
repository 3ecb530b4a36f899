/* pmr-member: who takes part in a session, and who is online. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

enum { TTL_SECONDS_MAX = 3600 };

static const struct tool_option options[] = {
	{"role", 0, TOOL_ROLES, "the role; default: editor", "add "},
	{"name", 0, "NAME", "the name that others see; default: USER", "add "},
	{"email", 0, "ADDRESS", "the e-mail address", "add "},
	{"ttl", 0, "SECONDS", "be shown as online for so long, 1 to 3600", "presence "},
	{NULL, 0, NULL, NULL, NULL},
};

static int list(struct tool *t)
{
	struct collab_err e = {0};

	return tool_target(t, TOOL_NEEDS_SESSION, &e)
	               ? tool_fail(t, &e)
	               : tool_list(t, "S/participants", "participants");
}

static int add(struct tool *t)
{
	struct collab_err e = {0};
	json_t *body = json_pack("{s:s,s:s*,s:s*,s:s*}", "user_id", t->operands[0], "role",
	                         tool_opt(t, "role"), "user_name", tool_opt(t, "name"),
	                         "user_email", tool_opt(t, "email"));
	int status,
		rc = body ? tool_target(t, TOOL_NEEDS_SESSION, &e)
	                  : tool_err(&e, "bad_utf8", "user, name or address are not valid UTF-8");

	status = rc ? tool_fail(t, &e) : tool_ask(t, "POST", "S/participants", body);
	json_decref(body);
	return status;
}

/* A request about one participant. */
static int about_one(struct tool *t, const char *method, const json_t *body)
{
	struct collab_err e = {0};
	char *path = NULL;
	int status, rc = tool_target(t, TOOL_NEEDS_SESSION, &e);

	if (!rc)
		rc = tool_path(&path, &e, "S/participants/%s", t->operands[0]);
	status = rc ? tool_fail(t, &e) : tool_ask(t, method, path, body);
	free(path);
	return status;
}

static int role(struct tool *t)
{
	json_t *body = NULL;
	int status;

	if (!tool_one_of(TOOL_ROLES, t->operands[1]))
		return tool_usage(t, "\"%s\" is no role, only " TOOL_ROLES " are", t->operands[1]);
	body = json_pack("{s:s}", "role", t->operands[1]);
	status = about_one(t, "PATCH", body);
	json_decref(body);
	return status;
}

static int member_remove(struct tool *t)
{
	return about_one(t, "DELETE", NULL);
}

struct online {
	struct tool *t;
	int64_t left;
};

static bool put_online(void *arg, const char *json, size_t len)
{
	struct online *o = arg;
	json_t *member = json_loadb(json, len, 0, NULL);
	bool online = json_is_true(json_object_get(member, "online"));

	json_decref(member);
	if (online)
		tool_put_json(o->t, json, len);
	o->left -= online;
	return o->left > 0;
}

static int list_online(struct tool *t)
{
	struct online o = {t, INT64_MAX};
	struct collab_err e = {0};
	int rc = tool_opt_int(t, "count", 1, INT32_MAX, &o.left, &e);

	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SESSION, &e);
	if (!rc)
		rc = tool_each_listed(t, "S/participants", "participants", put_online, &o, &e);
	return rc ? tool_fail(t, &e) : 0;
}

static int presence(struct tool *t)
{
	struct collab_err e = {0};
	json_t *body = NULL;
	int64_t ttl = 0;
	int status, rc = tool_opt_int(t, "ttl", 1, TTL_SECONDS_MAX, &ttl, &e);

	if (!rc && !ttl)
		return list_online(t);
	if (!rc && tool_has(t, "count"))
		rc = tool_err(&e, "usage", "--count and --ttl exclude each other");
	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SESSION, &e);
	body = json_pack("{s:I}", "ttl", (json_int_t)ttl);
	status = rc ? tool_fail(t, &e) : tool_ask(t, "PUT", "S/presence", body);
	json_decref(body);
	return status;
}

static const struct tool_verb verbs[] = {
	{"list", "", "list the participants, one a line", 0, 0, TOOL_COUNT, list},
	{"add", "USER", "add a participant", 1, 1, TOOL_REF | TOOL_DRY_RUN, add},
	{"role", "USER " TOOL_ROLES, "change a participant's role", 2, 2, TOOL_REF | TOOL_DRY_RUN,
         role},
	{"remove", "USER", "remove a participant", 1, 1, TOOL_REF | TOOL_DRY_RUN, member_remove},
	{"presence", "", "list who is online; with --ttl, be online", 0, 0,
         TOOL_COUNT | TOOL_DRY_RUN, presence},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct tool_spec spec = {
	"pmr-member", "List and change who takes part in a session, and who is online.",
	TOOL_TARGET,  options,
	verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
