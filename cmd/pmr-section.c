/* pmr-section: the texts of a session's sections. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_log.h"
#include "tool_section.h"

static const struct tool_option options[] = {
	{"at", 0, "SEQ|TIME|DURATION", "as it was at this seq, time or so long ago", "list get "},
	{"base", 0, "FILE", "keep in FILE what was read; with set, what the text was made from",
         "get set "},
	{"merge", 0, NULL, "merge the text with what others did since get --base", "set "},
	{"if-version", 0, "N", "only if the section has this version; 0: if it is new",
         "set patch delete "},
	{"base-seq", 0, "N", "the last seq seen by who made the change", "set patch delete "},
	{"to", 0, "SEQ|TIME|DURATION", "the text as it was at this seq, time or so long ago",
         "revert "},
	{NULL, 0, NULL, NULL, NULL},
};

/* ---- list, get --------------------------------------------------------------------------------
 */

enum { SEQ_BYTES = 24 };

/* The session to read, and --at as a seq; *at is NULL without it. */
static int target_at(struct tool *t, char seq[SEQ_BYTES], const char **at, struct collab_err *e)
{
	const char *text = tool_opt(t, "at");
	struct log_extent x = {0};
	int64_t n = 0;
	int rc = text ? log_open(t, &x, e) : tool_target(t, TOOL_NEEDS_SESSION, e);

	if (!rc && text)
		rc = log_seq(t, &x, "--at", text, &n, e);
	(void)snprintf(seq, SEQ_BYTES, "%lld", (long long)n);
	*at = text ? seq : NULL;
	return rc;
}

static int list(struct tool *t)
{
	const char *at = NULL;
	char seq[SEQ_BYTES];
	struct collab_err e = {0};
	char *path = NULL;
	int status, rc = target_at(t, seq, &at, &e);

	if (!rc)
		rc = at ? tool_path(&path, &e, "S/sections?at=%s", at)
		        : tool_path(&path, &e, "S/sections");
	status = rc ? tool_fail(t, &e) : tool_list(t, path, "sections");
	free(path);
	return status;
}

/* The text, and what `set --merge` will need to know of it. */
static int get_with_base(struct tool *t, const char *file, json_t **content, struct collab_err *e)
{
	struct section_draft d = {.section_id = t->operands[0]};
	int rc = section_draft_begin(t, &d, e);

	if (!rc && d.absent)
		rc = tool_err(e, "no_section", "there is no section %s", d.section_id);
	if (!rc)
		rc = section_base_write(t, file, &d, e);
	*content = json_incref(d.base);
	section_draft_release(&d);
	return rc;
}

static int get(struct tool *t)
{
	const char *base = tool_opt(t, "base"), *at = NULL;
	char seq[SEQ_BYTES];
	struct collab_err e = {0};
	json_t *section = NULL, *content = NULL;
	int rc = base && tool_has(t, "at")
	                 ? tool_err(&e, "usage", "--base and --at exclude each other")
	                 : target_at(t, seq, &at, &e);

	if (!rc && base) {
		rc = get_with_base(t, base, &content, &e);
	} else if (!rc) {
		rc = section_get(t, t->operands[0], at, &section, &e);
		if (!rc)
			rc = section_text(section, t->operands[0], &content, &e);
	}
	if (!rc)
		tool_put_bytes(t, json_string_value(content), json_string_length(content));
	json_decref(content);
	json_decref(section);
	return rc ? tool_fail(t, &e) : 0;
}

/* ---- changes ----------------------------------------------------------------------------------
 */

static int set(struct tool *t)
{
	const char *section_id = t->operands[0],
		   *file = t->operands_len > 1 ? t->operands[1] : NULL;
	const char *session = tool_opt(t, "session");
	json_t *body = json_object(), *content = NULL;
	struct collab_err e = {0};
	char *text = NULL;
	size_t len = 0;
	int status, rc = section_guards(t, section_id, body, &e);

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
	status = rc ? tool_fail(t, &e) : section_change(t, "PUT", section_id, body);
	json_decref(content);
	json_decref(body);
	free(text);
	return status;
}

static int set_either(struct tool *t)
{
	return tool_has(t, "merge") || tool_has(t, "base") ? section_set_merge(t) : set(t);
}

static int delete (struct tool *t)
{
	json_t *body = json_object();
	struct collab_err e = {0};
	int status, rc = section_guards(t, t->operands[0], body, &e);

	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SESSION, &e);
	status = rc ? tool_fail(t, &e) : section_change(t, "DELETE", t->operands[0], body);
	json_decref(body);
	return status;
}

static const struct tool_verb verbs[] = {
	{"list", "", "list the sections with their texts, one a line", 0, 0, TOOL_COUNT, list},
	{"get", "SECTION", "print the text, byte for byte", 1, 1, 0, get},
	{"set", "SECTION [FILE]", "replace the text by that of FILE or stdin", 1, 2,
         TOOL_REF | TOOL_DRY_RUN, set_either},
	{"edit", "SECTION [-- CMD...]", "change the text by a command or in an editor", 1, -1,
         TOOL_REF | TOOL_DRY_RUN, section_edit},
	{"patch", "SECTION [FILE]", "change the text by an operation, a JSON array", 1, 2,
         TOOL_REF | TOOL_DRY_RUN, section_patch},
	{"history", "SECTION", "list the changes, one a line", 1, 1, TOOL_COUNT, section_history},
	{"revert", "SECTION", "make the text what it was", 1, 1, TOOL_REF | TOOL_DRY_RUN,
         section_revert},
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
