/* Texts made from a section's text, and how they merge with what others did meanwhile. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tool_file.h"
#include "tool_section.h"

void section_draft_release(struct section_draft *d)
{
	json_decref(d->base);
	json_decref(d->text);
	free(d->delta);
	*d = (struct section_draft){0};
}

int section_draft_begin(struct tool *t, struct section_draft *d, struct collab_err *e)
{
	json_t *section = NULL;
	int64_t seq = 0;
	int rc = section_pin(t, &seq, e);

	if (!rc)
		rc = section_get(t, d->section_id, NULL, &section, e);
	d->absent = rc && rc == collab_code("no_section");
	/* Where there is none, whoever creates it after this seq is one of the others. */
	d->base_seq = d->absent ? seq : json_integer_value(json_object_get(section, "version"));
	if (!rc || d->absent) {
		*e = (struct collab_err){0};
		rc = section_text(section, d->section_id, &d->base, e);
	}
	json_decref(section);
	return rc;
}

/* ---- sending ----------------------------------------------------------------------------------
 */

/*
 * An operation and what it was made from: whatever the strategy, the server takes it over what came
 * since, or makes it a conflict.
 */
static json_t *delta_body(const struct section_draft *d, struct collab_err *e)
{
	char *delta = NULL;
	json_t *body = NULL;

	if (!d->delta &&
	    collab_delta(json_string_value(d->base), json_string_length(d->base),
	                 json_string_value(d->text), json_string_length(d->text), &delta, e))
		return NULL;
	body = json_pack("{s:{s:o},s:I}", "changes", "delta",
	                 json_loads(d->delta ? d->delta : delta, 0, NULL), "base_seq",
	                 (json_int_t)d->base_seq);
	free(delta);
	if (!body)
		(void)tool_err(e, "out_of_memory", "out of memory");
	return body;
}

/* What came between cannot be merged any more, or not with this. */
static void put_unmerged(struct tool *t, const struct section_draft *d,
                         const struct collab_response *r, const struct collab_err *e)
{
	json_t *section = NULL;
	struct collab_err none = {0};

	if (collab_exit_status(e->code) != SECTION_EXIT_CONFLICT ||
	    e->code == collab_code("stale_fence"))
		return;
	(void)section_get(t, d->section_id, NULL, &section, &none); /* or it is not known */
	section_put_versions(t, d->section_id, r, e, d->base, json_object_get(section, "content"),
	                     d->text);
	json_decref(section);
}

int section_draft_send(struct tool *t, const struct section_draft *d, bool *saved)
{
	struct collab_response r = {0};
	struct collab_err e = {0};
	json_t *body = delta_body(d, &e);
	char *path = NULL;
	int status, rc = body ? section_fence(d->section_id, body, &e) : e.code;

	if (!rc)
		rc = tool_path(&path, &e, "S/sections/%s", d->section_id);
	if (!rc)
		rc = tool_request(t, "PATCH", path, body, &r, &e);
	*saved = rc == 0;
	if (rc)
		put_unmerged(t, d, &r, &e);
	status = section_answer(t, d->section_id, &r, &e);
	json_decref(body);
	collab_response_release(&r);
	free(path);
	return status;
}

/* ---- base files -------------------------------------------------------------------------------
 */

/* All of it, or the file stays as it was; as readable as a file that a shell makes. */
static int write_file(const char *file, const json_t *object, struct collab_err *e)
{
	char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
	struct tool_file f = {.fd = -1};
	mode_t mask = umask(0);
	int rc;

	(void)umask(mask); /* it can only be read by setting it */
	rc = text ? tool_file_open(&f, file, e) : tool_err(e, "out_of_memory", "out of memory");
	if (!rc && fchmod(f.fd, 0666 & ~mask))
		rc = tool_err(e, "io", "cannot write %s: %s", file, strerror(errno));
	if (!rc)
		rc = tool_file_write(&f, text, strlen(text), e);
	if (!rc)
		rc = tool_file_write(&f, "\n", 1, e);
	free(text);
	if (!rc)
		rc = tool_file_keep(&f, e);
	tool_file_release(&f);
	return rc;
}

int section_base_write(struct tool *t, const char *file, const struct section_draft *d,
                       struct collab_err *e)
{
	json_t *object = json_pack("{s:s,s:s,s:I,s:O*}", "section_id", d->section_id, "session_id",
	                           collab_config_get(t->config, "session"), "seq",
	                           (json_int_t)d->base_seq, "content", d->base);
	int rc = object ? write_file(file, object, e)
	                : tool_err(e, "out_of_memory", "out of memory");

	json_decref(object);
	return rc;
}

/* The base belongs to a session, which must be the one that is meant. */
static int take_base(struct tool *t, const char *file, const json_t *object,
                     struct section_draft *d, struct collab_err *e)
{
	const char *session_id = json_string_value(json_object_get(object, "session_id"));
	const char *section_id = json_string_value(json_object_get(object, "section_id"));
	const json_t *seq = json_object_get(object, "seq");
	json_t *content = json_object_get(object, "content");
	int64_t head = 0;
	int rc;

	if (!session_id || !section_id || !json_is_integer(seq) ||
	    (content && !json_is_string(content)))
		return tool_err(e, "bad_json", "%s is no base: see get --base", file);
	if (strcmp(section_id, d->section_id) != 0)
		return tool_err(e, "bad_field", "%s is a base of section %s", file, section_id);
	if (!content)
		return tool_err(e, "version_mismatch",
		                "what was made from %s has been merged with others' changes: get "
		                "the section again",
		                file);
	rc = section_pin(t, &head, e);
	if (!rc && strcmp(collab_config_get(t->config, "session"), session_id) != 0)
		rc = tool_err(e, "bad_field", "%s was made from another session, %s", file,
		              session_id);
	d->base_seq = json_integer_value(seq);
	d->base = json_incref(content);
	return rc;
}

int section_base_read(struct tool *t, const char *file, struct section_draft *d,
                      struct collab_err *e)
{
	json_t *object = NULL;
	char *text = NULL;
	size_t len = 0;
	int rc = tool_read_all(t, file, &text, &len, e);

	if (rc)
		return rc;
	object = json_loadb(text, len, 0, NULL);
	rc = take_base(t, file, object, d, e);
	json_decref(object);
	free(text);
	return rc;
}

int section_base_renew(struct tool *t, const char *file, struct section_draft *d,
                       struct collab_err *e)
{
	json_t *section = NULL;
	int rc = section_get(t, d->section_id, NULL, &section, e);
	bool same = !rc && json_equal(json_object_get(section, "content"), d->text);

	if (rc)
		return rc;
	d->base_seq = json_integer_value(json_object_get(section, "version"));
	json_decref(d->base);
	d->base = same ? json_incref(d->text) : NULL;
	json_decref(section);
	return section_base_write(t, file, d, e);
}

/* ---- set --merge ------------------------------------------------------------------------------
 */

int section_set_merge(struct tool *t)
{
	const char *base = tool_opt(t, "base"), *session = tool_opt(t, "session");
	const char *file = t->operands_len > 1 ? t->operands[1] : NULL;
	struct section_draft d = {.section_id = t->operands[0]};
	struct collab_err e = {0};
	char *text = NULL;
	size_t len = 0;
	bool saved = false;
	int status = 0, rc = 0;

	if (!base || !tool_has(t, "merge"))
		return tool_usage(t, "--merge and --base FILE go together");
	if (tool_has(t, "if-version") || tool_has(t, "base-seq"))
		return tool_usage(t, "--base FILE says what --if-version and --base-seq would");
	if (!file && session && strcmp(session, "-") == 0)
		return tool_usage(t,
		                  "with -s - the text comes from a FILE, or from - if it follows");
	rc = tool_target(t, TOOL_NEEDS_SESSION, &e);
	if (!rc)
		rc = section_base_read(t, base, &d, &e);
	if (!rc)
		rc = tool_read_all(t, file, &text, &len, &e);
	if (!rc)
		rc = tool_text(text, len, file && strcmp(file, "-") != 0 ? file : "stdin", &d.text,
		               &e);
	if (!rc)
		status = section_draft_send(t, &d, &saved);
	if (!rc && saved && status == 0 && !tool_has(t, "dry-run"))
		rc = section_base_renew(t, base, &d, &e);
	section_draft_release(&d);
	free(text);
	return rc ? tool_fail(t, &e) : status;
}
