/* pmr-log diff: what changed from one state of a session to another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_log.h"

/* The same thing in both states; NULL where it is not. */
struct pair {
	struct tool *t;
	const json_t *old, *new;
	json_t *events; /* what must have happened to it, at least */
};

static bool same(const struct pair *p, const char *key)
{
	const json_t *old = json_object_get(p->old, key), *new = json_object_get(p->new, key);

	return old == new || json_equal(old, new); /* both may be absent */
}

static bool is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static void happened(struct pair *p, const char *type)
{
	/* For want of memory it is missing, and putting the object ends the process. */
	(void)json_array_append_new(p->events, json_string(type));
}

/* Put `object` with its events, if there are any. */
static void put_object(struct pair *p, json_t *object)
{
	if (json_array_size(p->events) > 0) {
		(void)json_object_set(object, "events", p->events); /* see happened() */
		tool_put_object(p->t, object);
	}
	json_decref(object);
}

/* ---- the kinds of things ----------------------------------------------------------------------
 */

static void compare_participant(struct pair *p, const char *user_id)
{
	const json_t *any = p->new ? p->new : p->old;

	if (!p->old)
		happened(p, "participant_joined");
	else if (!p->new)
		happened(p, "participant_left");
	else if (!same(p, "role"))
		happened(p, "role_changed");
	put_object(p, json_pack("{s:s,s:s,s:O?,s:O*,s:O*}", "object", "participant", "user_id",
	                        user_id, "user_name", json_object_get(any, "user_name"), "old_role",
	                        json_object_get(p->old, "role"), "new_role",
	                        json_object_get(p->new, "role")));
}

/* The merge patch from the old members to the new ones. */
static json_t *patch_of(const json_t *old, const json_t *new)
{
	json_t *patch = json_object(), *value = NULL;
	const char *key = NULL;

	/* The macro wants a pointer that is not const; nothing is written. */
	json_object_foreach((json_t *)(uintptr_t)old, key, value)
	{
		if (!json_object_get(new, key))
			(void)json_object_set_new(patch, key, json_null());
	}
	json_object_foreach((json_t *)(uintptr_t) new, key, value)
	{
		if (!json_equal(json_object_get(old, key), value))
			(void)json_object_set(patch, key, value);
	}
	return patch;
}

/* The text's change into the patch: an operation where both are texts. */
static void patch_content(const struct pair *p, json_t *patch)
{
	const json_t *old = json_object_get(p->old, "content"),
		     *new = json_object_get(p->new, "content");
	struct collab_err e = {0};
	char *delta = NULL;

	if (same(p, "content"))
		return;
	if (json_is_string(old) && json_is_string(new) &&
	    collab_delta(json_string_value(old), json_string_length(old), json_string_value(new),
	                 json_string_length(new), &delta, &e) == 0)
		(void)json_object_set_new(patch, "delta", json_loads(delta, 0, NULL));
	else if (new)
		(void)json_object_set_new(patch, "content", json_deep_copy(new));
	else
		(void)json_object_set_new(patch, "content", json_null());
	free(delta);
}

static void compare_section(struct pair *p, const char *section_id)
{
	json_t *patch = NULL;

	if (p->old && p->new &&same(p, "version"))
		return;
	happened(p, p->new ? "section_update" : "section_deleted");
	if (p->new) {
		patch = patch_of(json_object_get(p->old, "keys"), json_object_get(p->new, "keys"));
		patch_content(p, patch);
	}
	put_object(p, json_pack("{s:s,s:s,s:O*,s:O*,s:O*,s:o*}", "object", "section", "section_id",
	                        section_id, "old_version", json_object_get(p->old, "version"),
	                        "new_version", json_object_get(p->new, "version"), "updated_by",
	                        json_object_get(p->new, "updated_by"), "changes", patch));
}

static void compare_comment(struct pair *p, const char *comment_id)
{
	const json_t *any = p->new ? p->new : p->old;
	bool was = is_true(p->old, "resolved"), is = is_true(p->new, "resolved");

	if (!p->old)
		happened(p, "comment_added");
	if (!p->new || (is_true(p->new, "deleted") && !is_true(p->old, "deleted")))
		happened(p, "comment_deleted");
	else if (p->old ? !same(p, "edited_at") : json_object_get(p->new, "edited_at") != NULL)
		happened(p, "comment_edited");
	if (p->new &&was != is)
		happened(p, is ? "comment_resolved" : "comment_reopened");
	put_object(p, json_pack("{s:s,s:s,s:O,s:O,s:O*,s:O}", "object", "comment", "comment_id",
	                        comment_id, "section_id", json_object_get(any, "section_id"),
	                        "user_id", json_object_get(any, "user_id"), "parent_comment_id",
	                        json_object_get(any, "parent_comment_id"), "content",
	                        json_object_get(any, "content")));
}

static void compare_conflict(struct pair *p, const char *conflict_id)
{
	const json_t *any = p->new ? p->new : p->old;

	if (!p->old)
		happened(p, "conflict_detected");
	if (!same(p, "resolution"))
		happened(p, "conflict_resolved");
	put_object(p, json_pack("{s:s,s:s,s:O,s:O,s:O*}", "object", "conflict", "conflict_id",
	                        conflict_id, "section_id", json_object_get(any, "section_id"),
	                        "user_id", json_object_get(any, "user_id"), "resolution",
	                        json_object_get(any, "resolution")));
}

/* ---- two states -------------------------------------------------------------------------------
 */

static const struct {
	const char *member; /* of the state */
	const char *id;     /* of its elements, where it is a list */
	void (*compare)(struct pair *p, const char *id);
} kinds[] = {
	{"members", "user_id", compare_participant},
	{"sections", "section_id", compare_section},
	{"comments", "comment_id", compare_comment},
	{"conflicts", "conflict_id", compare_conflict},
};

/* A state's list, or object, as an object by id. */
static json_t *by_id(const json_t *state, size_t kind)
{
	const json_t *list = json_object_get(state, kinds[kind].member), *item = NULL;
	json_t *object = json_object();
	size_t i;

	if (json_is_object(list)) {
		json_decref(object);
		return json_copy((json_t *)(uintptr_t)list); /* which does not change it */
	}
	json_array_foreach(list, i, item)
	{
		const char *id = json_string_value(json_object_get(item, kinds[kind].id));

		if (id) /* json_object_set takes a reference, which is all that changes */
			(void)json_object_set(object, id, (json_t *)(uintptr_t)item);
	}
	return object;
}

static void compare(struct tool *t, size_t kind, const json_t *old, const json_t *new,
                    const char *id)
{
	struct pair p = {t, old, new, json_array()};

	kinds[kind].compare(&p, id);
	json_decref(p.events);
}

static void compare_states(struct tool *t, const json_t *old, const json_t *new)
{
	if (!json_object_get(old, "ended_at") && json_object_get(new, "ended_at")) {
		struct pair p = {t, old, new, json_array()};

		happened(&p, "session_ended");
		put_object(&p, json_pack("{s:s,s:O*}", "object", "session", "reason",
		                         json_object_get(new, "end_reason")));
		json_decref(p.events);
	}
	for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
		json_t *was = by_id(old, kind), *is = by_id(new, kind), *value = NULL;
		const char *id = NULL;

		json_object_foreach(was, id, value)
		{
			compare(t, kind, value, json_object_get(is, id), id);
		}
		json_object_foreach(is, id, value)
		{
			if (!json_object_get(was, id))
				compare(t, kind, NULL, value, id);
		}
		json_decref(was);
		json_decref(is);
	}
}

/* Before its first event a session has no state. */
static int get_state(struct tool *t, int64_t seq, json_t **out, struct collab_err *e)
{
	struct collab_response r = {0};
	char path[64];
	int rc = 0;

	*out = NULL;
	(void)snprintf(path, sizeof path, "S/state?at=%lld", (long long)seq);
	if (seq == 0)
		*out = json_object();
	else
		rc = tool_request(t, "GET", path, NULL, &r, e);
	if (!rc && seq != 0)
		rc = tool_answer(&r, out, e);
	collab_response_release(&r);
	return rc;
}

int log_diff(struct tool *t)
{
	struct log_extent x = {0};
	struct collab_err e = {0};
	json_t *old = NULL, *new = NULL;
	int64_t from = 0, to = 0;
	int rc = log_open(t, &x, &e);

	to = x.head;
	if (!rc)
		rc = log_seq(t, &x, "A", t->operands[0], &from, &e);
	if (!rc && t->operands_len > 1)
		rc = log_seq(t, &x, "B", t->operands[1], &to, &e);
	if (!rc)
		rc = get_state(t, from, &old, &e);
	if (!rc)
		rc = get_state(t, to, &new, &e);
	if (!rc)
		compare_states(t, old, new);
	json_decref(old);
	json_decref(new);
	return rc ? tool_fail(t, &e) : 0;
}
