/* The fold of conflicts: proposals that wait for people to settle them. */
#include "core/patch.h"
#include "core/session_int.h"

/* An operation in its wire form. */
static json_t *op_to_array(const struct op *op)
{
	json_t *array = json_array();
	int rc = 0;

	for (size_t i = 0; i < op->len && !rc; i++) {
		const struct op_part *part = &op->parts[i];
		json_t *item = NULL;

		if (part->kind == OP_INSERT)
			item = json_stringn_nocheck(op->text.p + part->text_at, part->text_bytes);
		else
			item = json_integer(part->chars);
		if (part->kind == OP_DELETE)
			item = json_pack("{s:o}", "d", item);
		rc = json_array_append_new(array, item);
	}
	if (rc) {
		json_decref(array);
		array = NULL;
	}
	return array;
}

/* Changes in their wire form; NULL when out of memory. */
static json_t *changes_to_object(const struct changes *c)
{
	json_t *object = c->keys ? json_deep_copy(c->keys) : json_object();
	int rc = 0;

	if (c->content)
		rc = json_object_set_new(object, "content",
		                         json_stringn_nocheck(c->content, c->content_len));
	else if (c->content_json)
		rc = json_object_set_new(object, "content", json_deep_copy(c->content_json));
	if (!rc && c->delta)
		rc = json_object_set_new(object, "delta", op_to_array(c->delta));
	if (rc) {
		json_decref(object);
		object = NULL;
	}
	return object;
}

static json_t *strings_to_array(const char *const *strings, size_t len)
{
	json_t *array = json_array();

	for (size_t i = 0; i < len; i++) {
		if (json_array_append_new(array, json_string_nocheck(strings[i]))) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

int fold_conflict_detected(struct session *s, const struct event *ev, struct err *e)
{
	struct conflict c = {.conflict_id = lent(ev->conflict_id),
	                     .section_id = lent(ev->section_id),
	                     .user_id = lent(ev->user_id),
	                     .user_name = lent(ev->user_name),
	                     .base_seq = ev->base_seq,
	                     .current_seq = ev->current_seq,
	                     .created_ms = ev->time_ms,
	                     .proposed = changes_to_object(&ev->changes),
	                     .users = strings_to_array(ev->users, ev->users_len)};
	int rc = c.proposed && c.users ? 0 : ERR_NOMEM;

	if (!rc)
		rc = session_add_conflict(s, &c, e);
	json_decref(c.proposed);
	json_decref(c.users);
	return rc;
}

/* What was proposed stays in the log only: a conflict that is settled costs next to nothing. */
int fold_conflict_resolved(struct session *s, const struct event *ev, struct err *e)
{
	const struct changes *c = &ev->changes;
	struct conflict *conflict = session_conflict(s, ev->conflict_id);
	int rc = 0;

	if (!conflict || conflict->resolution)
		return err_set(e, ERR_CORRUPT, "there is no open conflict %s", ev->conflict_id);
	if (c->content || c->content_json || c->delta || c->keys)
		rc = section_change(s, conflict->section_id, ev, e);
	if (!rc)
		rc = session_set_string(&conflict->resolution, resolution_name(ev->resolution));
	if (rc)
		return rc;
	s->conflicts_open--;
	s->bytes -= json_bytes(conflict->proposed);
	s->removed.proposed = conflict->proposed;
	conflict->proposed = NULL;
	return 0;
}
