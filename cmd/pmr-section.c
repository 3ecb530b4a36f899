/* pmr-section: the texts of a session's sections. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

enum { EXIT_CONFLICT = 73 };

static const struct tool_option options[] = {
	{"at", 0, "SEQ|TIME", "as it was at this seq or time", "list get "},
	{"if-version", 0, "N", "only if the section has this version; 0: if it is new",
         "set delete "},
	{"base-seq", 0, "N", "the last seq seen by who made the change", "set delete "},
	{NULL, 0, NULL, NULL, NULL},
};

/* A section as the server shows it, now or at a seq or time (NULL: now); gives *out. */
static int get_section(struct tool *t, const char *section_id, const char *at, json_t **out,
                       struct collab_err *e)
{
	struct collab_response r = {0};
	char *path = NULL;
	int rc = at ? tool_path(&path, e, "S/sections/%s?at=%s", section_id, at)
	            : tool_path(&path, e, "S/sections/%s", section_id);

	*out = NULL;
	if (!rc)
		rc = tool_request(t, "GET", path, NULL, &r, e);
	if (!rc)
		rc = tool_answer(&r, out, e);
	collab_response_release(&r);
	free(path);
	return rc;
}

/* ---- list, get --------------------------------------------------------------------------------
 */

static int list(struct tool *t)
{
	const char *at = tool_opt(t, "at");
	struct collab_err e = {0};
	char *path = NULL;
	int status, rc = tool_target(t, TOOL_NEEDS_SESSION, &e);

	if (!rc)
		rc = at ? tool_path(&path, &e, "S/sections?at=%s", at)
		        : tool_path(&path, &e, "S/sections");
	status = rc ? tool_fail(t, &e) : tool_list(t, path, "sections");
	free(path);
	return status;
}

static int get(struct tool *t)
{
	struct collab_err e = {0};
	json_t *section = NULL, *content = NULL;
	int rc = tool_target(t, TOOL_NEEDS_SESSION, &e);

	if (!rc)
		rc = get_section(t, t->operands[0], tool_opt(t, "at"), &section, &e);
	content = json_object_get(section, "content");
	if (!rc && content && !json_is_string(content) && !json_is_null(content))
		rc = tool_err(&e, "bad_field", "the content of %s is not a text; see list",
		              t->operands[0]);
	if (!rc && json_is_string(content))
		tool_put_bytes(t, json_string_value(content), json_string_length(content));
	json_decref(section);
	return rc ? tool_fail(t, &e) : 0;
}

/* ---- changes ----------------------------------------------------------------------------------
 */

/* What guards a change: --if-version, --base-seq, and the fence of a lock held for the tool. */
static int guards(const struct tool *t, const char *section_id, json_t *body, struct collab_err *e)
{
	static const char *const names[][2] = {{"if-version", "if_version"},
	                                       {"base-seq", "base_seq"}};
	int64_t fence = tool_fence(section_id);
	int rc = 0;

	for (size_t i = 0; i < sizeof names / sizeof names[0] && !rc; i++) {
		int64_t n = -1;

		rc = tool_opt_int(t, names[i][0], 0, INT64_MAX, &n, e);
		if (!rc && n >= 0 && json_object_set_new(body, names[i][1], json_integer(n)))
			rc = tool_err(e, "out_of_memory", "out of memory");
	}
	if (!rc && fence >= 0 && json_object_set_new(body, "fence", json_integer(fence)))
		rc = tool_err(e, "out_of_memory", "out of memory");
	return rc;
}

/*
 * The three versions of a change that was made from another version than there is: what it was made
 * from (where that is known), what there is, what was wanted.
 */
static void put_versions(struct tool *t, const char *section_id, const json_t *body,
                         const struct collab_response *r, const struct collab_err *e)
{
	json_t *wanted = json_object_get(json_object_get(body, "changes"), "content");
	int64_t base = json_integer_value(json_object_get(body, "if_version"));
	json_t *object = tool_error_object(r, e), *section = NULL, *current = NULL;
	struct collab_err none = {0};
	char at[24];

	/* Version 0 is that of a section that is not there: an empty text. */
	(void)snprintf(at, sizeof at, "%lld", (long long)base);
	if (base > 0 && get_section(t, section_id, at, &section, &none) == 0)
		(void)json_object_set(object, "base_content", json_object_get(section, "content"));
	else if (base == 0)
		(void)json_object_set_new(object, "base_content", json_string(""));
	current = json_object_get(object, "content");
	(void)json_object_set_new(object, "current_content",
	                          current ? json_incref(current) : json_string(""));
	(void)json_object_del(object, "content");
	if (wanted)
		(void)json_object_set(object, "proposed_content", wanted);
	(void)json_object_set_new(object, "section_id", json_string(section_id));
	tool_put_object(t, object);
	json_decref(section);
	json_decref(object);
}

/* The conflict that a change has become: as the server shows it, with the three versions. */
static int put_conflict(struct tool *t, const char *section_id, const char *conflict_id)
{
	struct collab_err e = {0};
	char *path = NULL;
	int status = 0;

	if (tool_path(&path, &e, "S/conflicts/%s", conflict_id))
		return tool_fail(t, &e);
	status = tool_ask(t, "GET", path, NULL);
	free(path);
	return status ? status
	              : tool_complain(t, EXIT_CONFLICT,
	                              "others changed %s meanwhile; see conflict %s", section_id,
	                              conflict_id);
}

/* Send a change and print what became of it.  Gives the exit status. */
static int change(struct tool *t, const char *method, const char *section_id, const json_t *body)
{
	struct collab_response r = {0};
	struct collab_err e = {0};
	json_t *ack = NULL;
	const char *conflict_id = NULL;
	char *path = NULL;
	int status = 0, rc = tool_path(&path, &e, "S/sections/%s", section_id);

	if (!rc)
		rc = tool_request(t, method, path, body, &r, &e);
	if (rc && rc == collab_code("version_mismatch"))
		put_versions(t, section_id, body, &r, &e);
	if (!rc)
		rc = tool_answer(&r, &ack, &e);
	conflict_id = json_string_value(json_object_get(ack, "conflict_id"));
	if (rc && rc == collab_code("base_required"))
		status = tool_complain(
			t, collab_exit_status(rc),
			"%s: say --if-version or --base-seq, so that nobody's text is lost",
			e.text);
	else if (rc)
		status = tool_fail(t, &e);
	else if (conflict_id)
		status = put_conflict(t, section_id, conflict_id);
	else
		tool_put_json(t, r.body, r.len);
	json_decref(ack);
	collab_response_release(&r);
	free(path);
	return status;
}

static int set(struct tool *t)
{
	const char *section_id = t->operands[0],
		   *file = t->operands_len > 1 ? t->operands[1] : NULL;
	const char *session = tool_opt(t, "session");
	json_t *body = json_object(), *content = NULL;
	struct collab_err e = {0};
	char *text = NULL;
	size_t len = 0;
	int status, rc = guards(t, section_id, body, &e);

	/* What is left of stdin behind the session would often be nothing, and nothing is a text.
	 */
	if (!rc && !file && session && strcmp(session, "-") == 0)
		rc = tool_err(&e, "usage",
		              "with -s - the text comes from a FILE, or from - if it follows");
	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SESSION, &e);
	if (!rc)
		rc = tool_read_all(t, file, &text, &len, &e);
	if (!rc)
		rc = tool_text(text, len, file && strcmp(file, "-") != 0 ? file : "stdin", &content,
		               &e);
	if (!rc && json_object_set_new(body, "changes", json_pack("{s:O}", "content", content)))
		rc = tool_err(&e, "out_of_memory", "out of memory");
	status = rc ? tool_fail(t, &e) : change(t, "PUT", section_id, body);
	json_decref(content);
	json_decref(body);
	free(text);
	return status;
}

static int delete (struct tool *t)
{
	json_t *body = json_object();
	struct collab_err e = {0};
	int status, rc = guards(t, t->operands[0], body, &e);

	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SESSION, &e);
	status = rc ? tool_fail(t, &e) : change(t, "DELETE", t->operands[0], body);
	json_decref(body);
	return status;
}

static const struct tool_verb verbs[] = {
	{"list", "", "list the sections with their texts, one a line", 0, 0, TOOL_COUNT, list},
	{"get", "SECTION", "print the text, byte for byte", 1, 1, 0, get},
	{"set", "SECTION [FILE]", "replace the text by that of FILE or stdin", 1, 2,
         TOOL_REF | TOOL_DRY_RUN, set},
	{"delete", "SECTION", "delete the section", 1, 1, TOOL_REF | TOOL_DRY_RUN, delete},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct tool_spec spec = {
	"pmr-section", "Read and write the sections of a session.", TOOL_TARGET, options, verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
