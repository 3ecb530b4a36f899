/* Parts of a session's state, each as the REST interface and session_state show it. */
#include "proto/json_out.h"
#include "proto/state_int.h"
#include "proto/state_json.h"

void member_write(const struct member *m, bool without_email, struct buf *out)
{
	buf_putc(out, '{');
	json_time(out, "joined_at", m->joined_ms);
	json_bool(out, "online", m->online);
	json_str(out, "role", role_name(m->role));
	if (!without_email)
		json_str(out, "user_email", m->email);
	json_str(out, "user_id", m->user_id);
	json_str(out, "user_name", m->name);
	buf_putc(out, '}');
}

void section_write(const struct section *sec, const struct lock *lock, struct buf *out)
{
	buf_putc(out, '{');
	json_str(out, "section_id", sec->section_id);
	json_int(out, "version", sec->version);
	if (sec->content)
		json_str_n(out, "content", sec->content, sec->content_len);
	else if (sec->content_json)
		json_value(out, "content", sec->content_json);
	else
		json_null_key(out, "content");
	json_str(out, "updated_by", sec->updated_by);
	json_str(out, "updated_by_name", sec->updated_by_name);
	json_time(out, "updated_at", sec->updated_ms);
	if (lock && !json_object_get(sec->keys, "lock")) {
		state_put_opener(out, "lock", '{');
		json_str(out, "user_id", lock->user_id);
		json_time(out, "expires_at", lock->expires_ms);
		buf_putc(out, '}');
	}
	if (sec->keys)
		json_put_members(out, sec->keys, NULL, NULL);
	buf_putc(out, '}');
}

void comment_write(const struct comment *c, struct buf *out)
{
	buf_putc(out, '{');
	json_str(out, "comment_id", c->comment_id);
	json_str(out, "section_id", c->section_id);
	if (c->parent_comment_id)
		json_str(out, "parent_comment_id", c->parent_comment_id);
	else
		json_null_key(out, "parent_comment_id");
	json_str(out, "user_id", c->user_id);
	json_str(out, "user_name", c->user_name);
	json_str_n(out, "content", c->text ? c->text : "", c->text_len);
	json_time(out, "created_at", c->created_ms);
	state_put_time(out, "edited_at", c->edited_ms);
	json_value(out, "mentions", c->mentions);
	if (c->anchor.from != EVENT_ABSENT) {
		state_put_opener(out, "anchor", '{');
		json_int(out, "from", c->anchor.from);
		json_int(out, "to", c->anchor.to);
		buf_putc(out, '}');
	}
	if (c->orphaned)
		json_bool(out, "orphaned", true);
	if (c->deleted)
		json_bool(out, "deleted", true);
	json_bool(out, "resolved", c->resolved);
	json_str(out, "resolved_by", c->resolved_by);
	state_put_time(out, "resolved_at", c->resolved_ms);
	buf_putc(out, '}');
}

/* The three texts of an open conflict, as far as there are such texts. */
static void put_texts(struct buf *out, const struct section *sec, const struct conflict *c)
{
	const json_t *proposed = json_object_get(c->proposed, "content");
	struct buf base = {0};
	int rc = 0;

	buf_init(&base, SIZE_MAX / 4);
	if (section_history_covers(sec, c->base_seq)) {
		rc = section_text_at(sec, c->base_seq, &base);
		if (rc)
			out->error = out->error ? out->error : rc;
		else
			json_str_n(out, "base_content", base.p ? base.p : "", base.len);
	}
	json_str_n(out, "current_content", sec->content, sec->content_len);
	json_str_n(out, "proposed_content", json_string_value(proposed),
	           json_string_length(proposed));
	buf_release(&base);
}

void conflict_write(const struct session *s, const struct conflict *c, struct buf *out)
{
	const struct section *sec = session_section(s, c->section_id);

	buf_putc(out, '{');
	json_str(out, "conflict_id", c->conflict_id);
	json_str(out, "section_id", c->section_id);
	json_str(out, "user_id", c->user_id);
	json_str(out, "user_name", c->user_name);
	json_time(out, "created_at", c->created_ms);
	json_int(out, "base_seq", c->base_seq);
	json_int(out, "current_seq", c->current_seq);
	json_value(out, "conflicting_users", c->users);
	json_bool(out, "resolved", c->resolution != NULL);
	json_str(out, "resolution", c->resolution);
	json_value(out, "proposed_changes", c->proposed);
	if (!c->resolution && sec)
		put_texts(out, sec, c);
	buf_putc(out, '}');
}
