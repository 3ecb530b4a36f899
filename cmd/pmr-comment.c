/* pmr-comment: comment threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const struct tool_option options[] = {
	{"anchor", 0, "FROM,TO", "the text it is about, in code points", "add "},
	{"base-seq", 0, "N", "the seq that --anchor counts in", "add "},
	{"mention", 0, "USER", "tell this user of it; may be repeated", "add reply edit "},
	{"open", 0, NULL, "only threads that are not resolved", "list "},
	{NULL, 0, NULL, NULL, NULL},
};

/* ---- add, reply, edit -------------------------------------------------------------------------
 */

/* The comment's text: the operand, or all of stdin when that is "-". */
static int read_text(struct tool *t, const char *operand, json_t **out, struct collab_err *e)
{
	char *text = NULL;
	size_t len = 0;
	int rc;

	*out = NULL;
	if (strcmp(operand, "-") != 0)
		return tool_text(operand, strlen(operand), "the text", out, e);
	rc = tool_read_all(t, operand, &text, &len, e);
	if (!rc)
		rc = tool_text(text, len, "stdin", out, e);
	free(text);
	return rc;
}

static int mentions(const struct tool *t, json_t *body, struct collab_err *e)
{
	json_t *list = NULL;

	for (size_t i = 0; i < t->given_len; i++) {
		if (strcmp(t->given[i].option->name, "mention") != 0)
			continue;
		if (!list && json_object_set_new(body, "mentions", list = json_array()))
			return tool_err(e, "out_of_memory", "out of memory");
		if (json_array_append_new(list, json_string(t->given[i].value)))
			return tool_err(e, "bad_utf8", "--mention is not valid UTF-8");
	}
	return 0;
}

static bool is_number(const char *p, size_t len)
{
	return len > 0 && len < 16 && strspn(p, "0123456789") >= len;
}

static int anchor(const struct tool *t, json_t *body, struct collab_err *e)
{
	const char *value = tool_opt(t, "anchor"), *comma = value ? strchr(value, ',') : NULL;
	int64_t base_seq = -1;
	json_t *object = NULL;
	int rc = tool_opt_int(t, "base-seq", 0, INT64_MAX, &base_seq, e);

	if (rc || (!value && base_seq < 0))
		return rc;
	if (!value)
		return tool_err(e, "usage", "--base-seq goes with --anchor");
	if (!comma || !is_number(value, (size_t)(comma - value)) ||
	    !is_number(comma + 1, strlen(comma + 1)))
		return tool_err(e, "usage", "--anchor wants FROM,TO, not \"%s\"", value);
	object = json_pack("{s:I,s:I}", "from", (json_int_t)strtoll(value, NULL, 10), "to",
	                   (json_int_t)strtoll(comma + 1, NULL, 10));
	if (object && base_seq >= 0)
		(void)json_object_set_new(object, "base_seq",
		                          json_integer(base_seq)); /* or it is missing */
	return json_object_set_new(body, "anchor", object)
	               ? tool_err(e, "out_of_memory", "out of memory")
	               : 0;
}

/* The body's content, mentions and target; the session is known after that. */
static int prepare(struct tool *t, json_t *body, struct collab_err *e)
{
	json_t *content = NULL;
	int rc = mentions(t, body, e);

	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SESSION, e);
	if (!rc)
		rc = read_text(t, t->operands[1], &content, e);
	if (!rc && json_object_set(body, "content", content))
		rc = tool_err(e, "out_of_memory", "out of memory");
	json_decref(content);
	return rc;
}

static int add(struct tool *t)
{
	json_t *body = json_object();
	struct collab_err e = {0};
	int status, rc = anchor(t, body, &e);

	if (!rc)
		rc = prepare(t, body, &e);
	if (!rc && json_object_set_new(body, "section_id", json_string(t->operands[0])))
		rc = tool_err(&e, "bad_utf8", "the section is not valid UTF-8");
	status = rc ? tool_fail(t, &e) : tool_ask(t, "POST", "S/comments", body);
	json_decref(body);
	return status;
}

/* The section of a comment, which a reply must name; *section_id is a new reference. */
static int section_of(struct tool *t, const char *comment_id, json_t **section_id,
                      struct collab_err *e)
{
	struct collab_response r = {0};
	json_t *answer = NULL, *comment = NULL;
	size_t i;
	int rc = tool_request(t, "GET", "S/comments", NULL, &r, e);

	*section_id = NULL;
	if (!rc)
		rc = tool_answer(&r, &answer, e);
	json_array_foreach(json_object_get(answer, "comments"), i, comment)
	{
		const char *id = json_string_value(json_object_get(comment, "comment_id"));

		if (id && strcmp(id, comment_id) == 0)
			*section_id = json_incref(json_object_get(comment, "section_id"));
	}
	if (!rc && !*section_id)
		rc = tool_err(e, "no_comment", "there is no comment %s", comment_id);
	json_decref(answer);
	collab_response_release(&r);
	return rc;
}

static int reply(struct tool *t)
{
	json_t *body = json_pack("{s:s}", "parent_comment_id", t->operands[0]), *section_id = NULL;
	struct collab_err e = {0};
	int status, rc = body ? prepare(t, body, &e)
	                      : tool_err(&e, "bad_utf8", "the comment's id is not valid UTF-8");

	if (!rc)
		rc = section_of(t, t->operands[0], &section_id, &e);
	if (!rc && json_object_set(body, "section_id", section_id))
		rc = tool_err(&e, "out_of_memory", "out of memory");
	status = rc ? tool_fail(t, &e) : tool_ask(t, "POST", "S/comments", body);
	json_decref(section_id);
	json_decref(body);
	return status;
}

static int edit(struct tool *t)
{
	json_t *body = json_object();
	struct collab_err e = {0};
	char *path = NULL;
	int status, rc = prepare(t, body, &e);

	if (!rc)
		rc = tool_path(&path, &e, "S/comments/%s", t->operands[0]);
	status = rc ? tool_fail(t, &e) : tool_ask(t, "PATCH", path, body);
	json_decref(body);
	free(path);
	return status;
}

/* ---- resolve, reopen, delete ------------------------------------------------------------------
 */

static int about_one(struct tool *t, const char *id, struct collab_response *r,
                     struct collab_err *e)
{
	const char *verb = t->verb->name;
	bool deletes = strcmp(verb, "delete") == 0;
	char *path = NULL;
	int rc = deletes ? tool_path(&path, e, "S/comments/%s", id)
	                 : tool_path(&path, e, "S/comments/%s/%s", id, verb);

	if (!rc)
		rc = tool_request(t, deletes ? "DELETE" : "POST", path, NULL, r, e);
	free(path);
	return rc;
}

static int each(struct tool *t)
{
	static const struct tool_ids ids = {"comment_id", "comment", about_one};
	struct collab_err e = {0};
	int rc = tool_target(t, TOOL_NEEDS_SESSION, &e);

	return rc ? tool_fail(t, &e) : tool_each_id(t, &ids);
}

/* ---- list -------------------------------------------------------------------------------------
 */

struct listing {
	struct tool *t;
	const char *without; /* the section to leave out, or NULL */
	int64_t left;
};

static bool put_comment(void *arg, const char *json, size_t len)
{
	struct listing *l = arg;
	json_t *comment = l->without ? json_loadb(json, len, 0, NULL) : NULL;
	const char *section = json_string_value(json_object_get(comment, "section_id"));
	bool wanted = !section || strcmp(section, l->without) != 0;

	json_decref(comment);
	if (wanted)
		tool_put_json(l->t, json, len);
	l->left -= wanted;
	return l->left > 0;
}

static int list(struct tool *t)
{
	const char *section = tool_opt(t, "section"), *open = tool_has(t, "open") ? "1" : "0";
	bool without = section && *section == '!'; /* which the server has no query for */
	struct listing l = {t, without ? section + 1 : NULL, INT64_MAX};
	struct collab_err e = {0};
	char *path = NULL;
	int rc = tool_opt_int(t, "count", 1, INT32_MAX, &l.left, &e);

	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SESSION, &e);
	if (!rc)
		rc = section && !without
		             ? tool_path(&path, &e, "S/comments?open=%s&section=%s", open, section)
		             : tool_path(&path, &e, "S/comments?open=%s", open);
	if (!rc)
		rc = tool_each_listed(t, path, "comments", put_comment, &l, &e);
	free(path);
	return rc ? tool_fail(t, &e) : 0;
}

static const struct tool_verb verbs[] = {
	{"list", "", "list the comments, one a line", 0, 0, TOOL_COUNT | TOOL_SECTION, list},
	{"add", "SECTION TEXT|-", "begin a thread", 2, 2, TOOL_REF | TOOL_DRY_RUN, add},
	{"reply", "COMMENT TEXT|-", "answer a comment", 2, 2, TOOL_REF | TOOL_DRY_RUN, reply},
	{"edit", "COMMENT TEXT|-", "change a comment's text", 2, 2, TOOL_REF | TOOL_DRY_RUN, edit},
	{"resolve", "-|COMMENT...", "resolve comments, or those that stdin names", 1, -1,
         TOOL_DRY_RUN, each},
	{"reopen", "-|COMMENT...", "open resolved comments again", 1, -1, TOOL_DRY_RUN, each},
	{"delete", "-|COMMENT...", "delete comments", 1, -1, TOOL_DRY_RUN, each},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct tool_spec spec = {
	"pmr-comment", "Read and write comment threads.", TOOL_TARGET, options, verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
