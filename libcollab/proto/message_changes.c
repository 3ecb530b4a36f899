/* Reading what a message does to a section: content, delta, other keys. */
#include <stdio.h>

#include "proto/json_out.h"
#include "proto/message_read.h"
#include "proto/op_json.h"

int content_read(struct reader *r, const char *name, const json_t *v)
{
	struct changes *c = &r->m->command.changes;

	if (json_is_string(v)) {
		c->content = json_string_value(v);
		c->content_len = json_string_length(v);
		return 0;
	}
	c->content_json = v;
	/* As deep as the message that would hold it as changes.content. */
	return json_check_value(v, (int)r->limits->json_depth - 3, name, r->e);
}

static int read_delta(struct reader *r, const char *name, const json_t *v)
{
	int rc = 0;

	op_init(&r->m->delta, r->len);
	rc = op_from_json(v, &r->m->delta, r->e);
	if (rc) {
		char prefix[FIELD_NAME_MAX];

		(void)snprintf(prefix, sizeof prefix, "%s.", name); /* cutting is meant */
		err_field_prefix(r->e, prefix);
		return rc;
	}
	r->m->command.changes.delta = &r->m->delta;
	return 0;
}

/* The keys beside content and delta. */
static int read_other_keys(struct reader *r, const char *name, const json_t *v)
{
	static const char *const reserved[] = {"section_id", "version", "updated_at", "updated_by",
	                                       "updated_by_name"};
	char field[FIELD_NAME_MAX];

	for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
		if (!json_object_get(v, reserved[i]))
			continue;
		(void)snprintf(field, sizeof field, "%s.%s", name, reserved[i]); /* may be cut */
		return err_field(r->e, ERR_RESERVED_KEY, field, "%s is kept by the server",
		                 reserved[i]);
	}
	r->m->keys = json_copy((json_t *)(uintptr_t)v); /* shallow: v is not changed */
	if (!r->m->keys)
		return err_set(r->e, ERR_NOMEM, NULL);
	/* Either may be missing, which is all that can fail. */
	(void)json_object_del(r->m->keys, "content");
	(void)json_object_del(r->m->keys, "delta");
	r->m->command.changes.keys = r->m->keys;
	return json_check_value(r->m->keys, (int)r->limits->json_depth - 2, name, r->e);
}

int changes_read(struct reader *r, const char *name, const json_t *v, bool delta_allowed)
{
	const json_t *content = json_object_get(v, "content");
	const json_t *delta = json_object_get(v, "delta");
	char field[FIELD_NAME_MAX];
	int rc = 0;

	if (!json_is_object(v))
		return err_field(r->e, ERR_BAD_FIELD, name, "%s must be an object", name);
	if (delta && !json_is_null(delta)) {
		(void)snprintf(field, sizeof field, "%s.delta", name); /* may be cut */
		if (content || !delta_allowed)
			return err_field(r->e, ERR_BAD_FIELD, field, "%s",
			                 content ? "a change has content or delta, not both"
			                         : "a new section has no text for a delta");
		rc = read_delta(r, name, delta);
	}
	if (!rc && content) {
		(void)snprintf(field, sizeof field, "%s.content", name); /* may be cut */
		rc = content_read(r, field, content);
	}
	if (!rc && json_object_size(v) > (size_t)(!!content + !!delta))
		rc = read_other_keys(r, name, v);
	return rc;
}
