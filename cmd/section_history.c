/* pmr-section patch, history, revert. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_log.h"
#include "tool_section.h"

/* ---- patch ------------------------------------------------------------------------------------
 */

/* The operation that stdin or the file holds. */
static int read_delta(struct tool *t, const char *file, json_t **delta, struct collab_err *e)
{
	const char *name = file && strcmp(file, "-") != 0 ? file : "stdin";
	json_error_t why = {0};
	char *text = NULL;
	size_t len = 0;
	int rc = tool_read_all(t, file, &text, &len, e);

	if (rc)
		return rc;
	*delta = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	free(text);
	if (*delta && json_is_array(*delta))
		return 0;
	json_decref(*delta);
	*delta = NULL;
	return why.text[0] ? tool_err(e, "bad_json", "%s is not JSON: line %d: %s", name, why.line,
	                              why.text)
	                   : tool_err(e, "bad_delta", "%s is no operation: a JSON array", name);
}

int section_patch(struct tool *t)
{
	const char *section_id = t->operands[0], *session = tool_opt(t, "session");
	const char *file = t->operands_len > 1 ? t->operands[1] : NULL;
	json_t *body = json_object(), *delta = NULL;
	struct collab_err e = {0};
	int status, rc = section_guards(t, section_id, body, &e);

	if (!rc && !tool_has(t, "base-seq") && !tool_has(t, "if-version"))
		rc = tool_err(&e, "usage",
		              "patch wants --base-seq: the seq that the operation was made from");
	if (!rc && !file && session && strcmp(session, "-") == 0)
		rc = tool_err(&e, "usage",
		              "with -s - the operation comes from a FILE, or from - if it follows");
	/* The version that the section must have is what the operation was made from, too. */
	if (!rc && !tool_has(t, "base-seq"))
		(void)json_object_set(body, "base_seq", json_object_get(body, "if_version"));
	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SESSION, &e);
	if (!rc)
		rc = read_delta(t, file, &delta, &e);
	if (!rc && json_object_set_new(body, "changes", json_pack("{s:O}", "delta", delta)))
		rc = tool_err(&e, "out_of_memory", "out of memory");
	status = rc ? tool_fail(t, &e) : section_change(t, "PATCH", section_id, body);
	json_decref(delta);
	json_decref(body);
	return status;
}

/* ---- history ----------------------------------------------------------------------------------
 */

struct listing {
	struct tool *t;
	int64_t left;
};

static void put_change(void *arg, const json_t *event, const struct collab_change *change)
{
	static const char *const members[] = {"seq",         "type",   "section_id", "user_id",
	                                      "user_name",   "by",     "via",        "timestamp",
	                                      "conflict_id", "carried"};
	struct listing *l = arg;
	json_t *object = json_pack("{s:I}", "chars", (json_int_t)change->chars);

	if (l->left-- > 0) {
		/* For want of memory a member is missing, and then putting it ends the process. */
		for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
			if (json_object_get(event, members[i]))
				(void)json_object_set(object, members[i],
				                      json_object_get(event, members[i]));
		if (change->text) {
			(void)json_object_set_new(object, "inserted",
			                          json_integer((json_int_t)change->inserted));
			(void)json_object_set_new(object, "removed",
			                          json_integer((json_int_t)change->removed));
		}
		tool_put_object(l->t, object);
	}
	json_decref(object);
}

int section_history(struct tool *t)
{
	struct listing l = {t, INT64_MAX};
	struct collab_history *h = NULL;
	struct log_extent x = {0};
	struct collab_err e = {0};
	int rc = tool_opt_int(t, "count", 1, INT64_MAX, &l.left, &e);

	if (!rc)
		rc = log_open(t, &x, &e);
	if (!rc)
		rc = log_history(t, &x, t->operands[0], x.head, put_change, &l, &h, &e);
	collab_history_free(h);
	return rc ? tool_fail(t, &e) : 0;
}

/* ---- revert -----------------------------------------------------------------------------------
 */

/* The section as it was; that it was not there is told with the seq or time. */
static int get_past(struct tool *t, const char *section_id, int64_t seq, struct collab_response *r,
                    json_t **out, struct collab_err *e)
{
	int rc = log_section_at(t, section_id, seq, r, e);

	*out = NULL;
	if (rc && rc == collab_code("no_section"))
		return tool_err(e, "no_section", "there was no section %s at %s", section_id,
		                tool_opt(t, "to"));
	return rc ? rc : tool_answer(r, out, e);
}

struct undoing {
	struct collab_history *h;
	int rc;
	struct collab_err *e;
};

static bool undo(void *arg, int64_t seq, const char *json, size_t len)
{
	struct undoing *u = arg;
	int rc = collab_history_event(u->h, json, len, NULL, u->e);

	(void)seq; /* the history reads it itself */
	u->rc = rc < 0 ? rc : 0;
	return rc >= 0;
}

/* What was changed from the past up to the log's end, as the draft that undoes it. */
static int undo_since(struct tool *t, const struct collab_response *past, int64_t seq, int64_t head,
                      struct section_draft *d, struct collab_err *e)
{
	struct undoing u = {NULL, 0, e};
	const char *text = NULL;
	char *filter = NULL;
	size_t len = 0;
	int rc = collab_history_new(&u.h, d->section_id, e);

	if (!rc)
		rc = collab_history_base(u.h, past->body, past->len, e);
	if (!rc)
		rc = tool_path(&filter, e, LOG_CHANGES_OF "%s", d->section_id);
	if (!rc)
		collab_history_mark(u.h);
	if (!rc)
		rc = log_each(t, filter, seq, head, undo, &u, e);
	if (!rc)
		rc = u.rc;
	if (!rc)
		rc = collab_history_undo(u.h, &d->delta, e);
	if (!rc) {
		text = collab_history_text(u.h, &len);
		d->base = json_stringn(text, len);
		d->base_seq = head;
		rc = d->base ? 0 : tool_err(e, "out_of_memory", "out of memory");
	}
	collab_history_free(u.h);
	free(filter);
	return rc;
}

int section_revert(struct tool *t)
{
	struct section_draft d = {.section_id = t->operands[0]};
	const char *to = tool_opt(t, "to");
	struct collab_response r = {0};
	struct log_extent x = {0};
	struct collab_err e = {0};
	json_t *past = NULL;
	bool saved = false;
	int64_t seq = 0;
	int status = 0, rc;

	if (!to)
		return tool_usage(t, "revert wants --to: the seq or time whose text it shall be");
	rc = log_open(t, &x, &e);
	if (!rc)
		rc = log_seq(t, &x, "--to", to, &seq, &e);
	if (!rc)
		rc = get_past(t, d.section_id, seq, &r, &past, &e);
	if (!rc)
		rc = section_text(past, d.section_id, &d.text, &e);
	if (!rc)
		rc = undo_since(t, &r, seq, x.head, &d, &e);
	/* Whatever comes after the log's end of now is merged. */
	status = rc ? tool_fail(t, &e) : section_draft_send(t, &d, &saved);
	json_decref(past);
	collab_response_release(&r);
	section_draft_release(&d);
	return status;
}
