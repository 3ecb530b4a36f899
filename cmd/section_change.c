/* Changing sections: guards, answers, and the three versions of a conflict. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_section.h"

int section_pin(struct tool *t, int64_t *seq, struct collab_err *e)
{
	struct collab_response r = {0};
	json_t *answer = NULL;
	const char *id = NULL;
	int rc = tool_request(t, "GET", "S/participants", NULL, &r, e);

	if (!rc)
		rc = tool_answer(&r, &answer, e);
	*seq = json_integer_value(json_object_get(answer, "seq"));
	id = json_string_value(json_object_get(answer, "session_id"));
	if (!rc)
		rc = id ? collab_config_set(t->config, "session", id, e)
		        : tool_err(e, "protocol", "the server does not say which session this is");
	json_decref(answer);
	collab_response_release(&r);
	return rc;
}

int section_get(struct tool *t, const char *section_id, const char *at, json_t **out,
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

int section_text(const json_t *section, const char *section_id, json_t **content,
                 struct collab_err *e)
{
	json_t *value = json_object_get(section, "content");

	*content = NULL;
	if (value && !json_is_string(value) && !json_is_null(value))
		return tool_err(e, "bad_field", "the content of %s is not a text; see list",
		                section_id);
	*content = json_is_string(value) ? json_incref(value) : json_string("");
	return *content ? 0 : tool_err(e, "out_of_memory", "out of memory");
}

/* ---- what guards a change ---------------------------------------------------------------------
 */

int section_fence(const char *section_id, json_t *body, struct collab_err *e)
{
	int64_t fence = tool_fence(section_id);

	if (fence >= 0 && json_object_set_new(body, "fence", json_integer(fence)))
		return tool_err(e, "out_of_memory", "out of memory");
	return 0;
}

int section_guards(const struct tool *t, const char *section_id, json_t *body, struct collab_err *e)
{
	static const char *const names[][2] = {{"if-version", "if_version"},
	                                       {"base-seq", "base_seq"}};
	int rc = 0;

	for (size_t i = 0; i < sizeof names / sizeof names[0] && !rc; i++) {
		int64_t n = -1;

		rc = tool_opt_int(t, names[i][0], 0, INT64_MAX, &n, e);
		if (!rc && n >= 0 && json_object_set_new(body, names[i][1], json_integer(n)))
			rc = tool_err(e, "out_of_memory", "out of memory");
	}
	return rc ? rc : section_fence(section_id, body, e);
}

/* ---- what became of it ------------------------------------------------------------------------
 */

static void set_version(json_t *object, const char *key, const json_t *content)
{
	/* The cast is for the reference; for want of memory it is missing, as when not known. */
	if (content)
		(void)json_object_set(object, key, (json_t *)(uintptr_t)content);
}

void section_put_versions(struct tool *t, const char *section_id, const struct collab_response *r,
                          const struct collab_err *e, const json_t *base, const json_t *current,
                          const json_t *proposed)
{
	json_t *object = tool_error_object(r, e);

	set_version(object, "base_content", base);
	set_version(object, "current_content",
	            current ? current : json_object_get(object, "content"));
	set_version(object, "proposed_content", proposed);
	(void)json_object_del(object, "content"); /* it may have none */
	(void)json_object_set_new(object, "section_id", json_string(section_id));
	tool_put_object(t, object);
	json_decref(object);
}

/* A change whose version was not the one there is. */
static void put_mismatch(struct tool *t, const char *section_id, const json_t *body,
                         const struct collab_response *r, const struct collab_err *e)
{
	json_t *wanted = json_object_get(json_object_get(body, "changes"), "content");
	int64_t base = json_integer_value(json_object_get(body, "if_version"));
	json_t *answer = json_loadb(r->body, r->len, 0, NULL);
	json_t *section = NULL, *empty = json_string("");
	struct collab_err none = {0};
	const json_t *was = NULL;
	char at[24];

	/* Version 0 is that of a section that is not there: an empty text. */
	(void)snprintf(at, sizeof at, "%lld", (long long)base);
	if (base > 0 && section_get(t, section_id, at, &section, &none) == 0)
		was = json_object_get(section, "content");
	section_put_versions(t, section_id, r, e, base ? was : empty,
	                     json_object_get(answer, "content") ? NULL : empty, wanted);
	json_decref(answer);
	json_decref(section);
	json_decref(empty);
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
	              : tool_complain(t, SECTION_EXIT_CONFLICT,
	                              "others changed %s meanwhile; see conflict %s", section_id,
	                              conflict_id);
}

int section_answer(struct tool *t, const char *section_id, const struct collab_response *r,
                   const struct collab_err *e)
{
	struct collab_err bad = {0};
	const char *conflict_id = NULL;
	json_t *ack = NULL;
	int status = 0;

	if (e->code && e->code == collab_code("base_required"))
		return tool_complain(t, collab_exit_status(e->code),
		                     "%s: say --if-version or --base-seq, so that nobody's text is "
		                     "lost",
		                     e->text);
	if (e->code)
		return tool_fail(t, e);
	if (tool_answer(r, &ack, &bad))
		return tool_fail(t, &bad);
	conflict_id = json_string_value(json_object_get(ack, "conflict_id"));
	if (conflict_id)
		status = put_conflict(t, section_id, conflict_id);
	else
		tool_put_json(t, r->body, r->len);
	json_decref(ack);
	return status;
}

int section_change(struct tool *t, const char *method, const char *section_id, const json_t *body)
{
	struct collab_response r = {0};
	struct collab_err e = {0};
	char *path = NULL;
	int status, rc = tool_path(&path, &e, "S/sections/%s", section_id);

	if (!rc)
		rc = tool_request(t, method, path, body, &r, &e);
	if (rc && rc == collab_code("version_mismatch"))
		put_mismatch(t, section_id, body, &r, &e);
	status = section_answer(t, section_id, &r, &e);
	collab_response_release(&r);
	free(path);
	return status;
}
