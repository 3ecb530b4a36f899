/* pmr-conflict: changes that met others' under the strategy manual, and settling them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_log.h"
#include "tool_section.h"

static const struct tool_option options[] = {
	{"open", 0, NULL, "conflicts that nobody has settled, the default", "list "},
	{"all", 0, NULL, "those that are settled, too", "list "},
	{"current", 0, NULL, "leave the text as it is", "resolve "},
	{"proposed", 0, NULL, "take the text that was proposed", "resolve "},
	{"merged", 0, NULL, "take the text of FILE or stdin", "resolve "},
	{"base-seq", 0, "N", "settle it for the section as it is at this seq", "resolve "},
	{NULL, 0, NULL, NULL, NULL},
};

static int list(struct tool *t)
{
	bool all = tool_has(t, "all");
	struct collab_err e = {0};

	if (all && tool_has(t, "open"))
		return tool_usage(t, "--open and --all exclude each other");
	if (tool_target(t, TOOL_NEEDS_SESSION, &e))
		return tool_fail(t, &e);
	return tool_list(t, all ? "S/conflicts?open=0" : "S/conflicts?open=1", "conflicts");
}

/* ---- three versions ---------------------------------------------------------------------------
 */

static int get_conflict(struct tool *t, const char *conflict_id, json_t **out, struct collab_err *e)
{
	struct collab_response r = {0};
	char *path = NULL;
	int rc = tool_path(&path, e, "S/conflicts/%s", conflict_id);

	*out = NULL;
	if (!rc)
		rc = tool_request(t, "GET", path, NULL, &r, e);
	if (!rc)
		rc = tool_answer(&r, out, e);
	collab_response_release(&r);
	free(path);
	return rc;
}

static const char *section_of(const json_t *conflict)
{
	const char *section_id = json_string_value(json_object_get(conflict, "section_id"));

	return section_id ? section_id : "";
}

static void set(json_t *object, const char *key, json_t *value)
{
	/* For want of memory it is missing, and putting the object ends the process. */
	if (value && !json_object_get(object, key))
		(void)json_object_set(object, key, value);
}

/* The text as it was at a seq that the conflict names, unless it is there; none where there was
 * none. */
static int add_past(struct tool *t, json_t *conflict, const char *seq_key, const char *key,
                    struct collab_err *e)
{
	int64_t seq = json_integer_value(json_object_get(conflict, seq_key));
	json_t *section = NULL;
	char at[24];
	int rc;

	if (json_object_get(conflict, key))
		return 0;
	(void)snprintf(at, sizeof at, "%lld", (long long)seq);
	rc = section_get(t, section_of(conflict), at, &section, e);
	if (!rc)
		set(conflict, key, json_object_get(section, "content"));
	json_decref(section);
	/* Below the log's floor, or before the section was: not known. */
	return rc == collab_code("no_section") || rc == collab_code("base_too_old") ? 0 : rc;
}

struct search {
	const char *conflict_id;
	json_t *proposed;
};

static bool find_proposed(void *arg, int64_t seq, const char *json, size_t len)
{
	struct search *s = arg;
	json_t *event = json_loadb(json, len, 0, NULL);
	const char *id = json_string_value(json_object_get(event, "conflict_id"));

	(void)seq;
	if (id && strcmp(id, s->conflict_id) == 0)
		s->proposed = json_incref(json_object_get(event, "proposed_changes"));
	json_decref(event);
	return !s->proposed;
}

/* A conflict that is settled keeps its proposal in the log only. */
static int add_proposed(struct tool *t, json_t *conflict, const char *conflict_id,
                        struct collab_err *e)
{
	int64_t after = json_integer_value(json_object_get(conflict, "current_seq"));
	struct search s = {conflict_id, NULL};
	int rc = 0;

	if (!json_object_get(conflict, "proposed_changes"))
		rc = log_each(t, "type=conflict_detected", after, INT64_MAX, find_proposed, &s, e);
	set(conflict, "proposed_changes", s.proposed);
	set(conflict, "proposed_content", json_object_get(s.proposed, "content"));
	json_decref(s.proposed);
	return rc;
}

/* What there is now, for one that is open: the text and the version that settling it is about. */
static int add_current(struct tool *t, json_t *conflict, struct collab_err *e)
{
	json_t *section = NULL;
	int rc = section_get(t, section_of(conflict), NULL, &section, e);

	if (rc && rc != collab_code("no_section"))
		return rc;
	(void)json_object_del(conflict,
	                      "current_content"); /* it may have come before another change */
	set(conflict, "current_content", json_object_get(section, "content"));
	(void)json_object_set_new(
		conflict, "version",
		json_integer(json_integer_value(json_object_get(section, "version"))));
	json_decref(section);
	return 0;
}

/* The conflict with its three versions, as far as they are known. */
static int get_versions(struct tool *t, const char *conflict_id, json_t **out, struct collab_err *e)
{
	bool open = false;
	int rc = get_conflict(t, conflict_id, out, e);

	open = !json_is_true(json_object_get(*out, "resolved"));
	if (!rc)
		rc = add_past(t, *out, "base_seq", "base_content", e);
	if (!rc)
		rc = open ? add_current(t, *out, e)
		          : add_past(t, *out, "current_seq", "current_content", e);
	if (!rc)
		rc = add_proposed(t, *out, conflict_id, e);
	return rc;
}

static int show(struct tool *t)
{
	struct collab_err e = {0};
	json_t *conflict = NULL;
	int rc = tool_target(t, TOOL_NEEDS_SESSION, &e);

	if (!rc)
		rc = get_versions(t, t->operands[0], &conflict, &e);
	if (!rc)
		tool_put_object(t, conflict);
	json_decref(conflict);
	return rc ? tool_fail(t, &e) : 0;
}

/* ---- settling ---------------------------------------------------------------------------------
 */

/* The one of the three that was chosen; NULL: none or several. */
static const char *chosen(const struct tool *t)
{
	static const char *const names[] = {"current", "proposed", "merged"};
	const char *found = NULL;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (!tool_has(t, names[i]))
			continue;
		if (found)
			return NULL;
		found = names[i];
	}
	return found;
}

static int read_merged(struct tool *t, json_t *body, struct collab_err *e)
{
	const char *file = t->operands_len > 1 ? t->operands[1] : NULL;
	json_t *content = NULL;
	char *text = NULL;
	size_t len = 0;
	int rc = tool_read_all(t, file, &text, &len, e);

	if (!rc)
		rc = tool_text(text, len, file && strcmp(file, "-") != 0 ? file : "stdin", &content,
		               e);
	if (!rc && json_object_set(body, "content", content))
		rc = tool_err(e, "out_of_memory", "out of memory");
	json_decref(content);
	free(text);
	return rc;
}

/* The body of the request; the session is known after that. */
static int prepare(struct tool *t, const char *resolution, json_t *body, struct collab_err *e)
{
	json_t *conflict = NULL;
	int64_t base_seq = -1;
	int rc = tool_opt_int(t, "base-seq", 0, INT64_MAX, &base_seq, e);

	if (!rc && base_seq >= 0)
		(void)json_object_set_new(body, "base_seq",
		                          json_integer(base_seq)); /* or refused */
	(void)json_object_set_new(body, "resolution", json_string(resolution));
	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SESSION, e);
	if (!rc && strcmp(resolution, "merged") == 0)
		rc = read_merged(t, body, e);
	/* Only whoever holds a lock needs to know which section it is about. */
	if (!rc && getenv("PMR_FENCE")) {
		rc = get_conflict(t, t->operands[0], &conflict, e);
		if (!rc)
			rc = section_fence(section_of(conflict), body, e);
	}
	json_decref(conflict);
	return rc;
}

/* The section moved since the conflict was seen: who settles it must see what is there now. */
static void put_moved(struct tool *t, const json_t *body, const struct collab_response *r,
                      const struct collab_err *e)
{
	json_t *conflict = NULL, *mine = json_object_get(body, "content");
	struct collab_err none = {0};

	(void)get_versions(t, t->operands[0], &conflict, &none); /* as far as they are known */
	section_put_versions(t, section_of(conflict), r, e,
	                     json_object_get(conflict, "base_content"),
	                     json_object_get(conflict, "current_content"),
	                     mine ? mine : json_object_get(conflict, "proposed_content"));
	json_decref(conflict);
}

static int resolve(struct tool *t)
{
	const char *resolution = chosen(t), *session = tool_opt(t, "session");
	struct collab_response r = {0};
	struct collab_err e = {0};
	json_t *body = NULL;
	char *path = NULL;
	int rc, status = 0;

	if (!resolution)
		return tool_usage(t, "resolve wants one of --current, --proposed and --merged");
	if (t->operands_len > 1 && strcmp(resolution, "merged") != 0)
		return tool_usage(t, "only --merged takes a FILE");
	if (t->operands_len < 2 && strcmp(resolution, "merged") == 0 && session &&
	    strcmp(session, "-") == 0)
		return tool_usage(t,
		                  "with -s - the text comes from a FILE, or from - if it follows");
	body = json_object();
	rc = prepare(t, resolution, body, &e);
	if (!rc)
		rc = tool_path(&path, &e, "S/conflicts/%s/resolve", t->operands[0]);
	if (!rc)
		rc = tool_request(t, "POST", path, body, &r, &e);
	if (rc && rc == collab_code("version_mismatch")) {
		put_moved(t, body, &r, &e);
		status = tool_complain(t, collab_exit_status(rc),
		                       "%s: look at it again, then say --base-seq", e.text);
	} else if (rc) {
		status = tool_fail(t, &e);
	} else {
		tool_put_json(t, r.body, r.len);
	}
	collab_response_release(&r);
	json_decref(body);
	free(path);
	return status;
}

static const struct tool_verb verbs[] = {
	{"list", "", "list conflicts, one a line", 0, 0, TOOL_COUNT, list},
	{"show", "CONFLICT", "show a conflict with its three versions", 1, 1, 0, show},
	{"resolve", "CONFLICT [FILE|-]", "settle a conflict", 1, 2, TOOL_REF | TOOL_DRY_RUN,
         resolve},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct tool_spec spec = {
	"pmr-conflict", "List, show and settle conflicts.", TOOL_TARGET, options, verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
