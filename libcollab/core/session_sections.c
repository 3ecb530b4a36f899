/* The fold of sections: their changes and their locks. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "core/diff.h"
#include "core/patch.h"
#include "core/session_int.h"

/* One change of a section on its way in. */
struct incoming {
	const struct changes *changes;
	bool recorded;        /* the history wants it */
	struct change change; /* for the history */
	char *text;           /* the text after it; NULL: there is none */
	size_t len, chars;
	json_t *value; /* the content after it, when that is not text */
};

static void incoming_release(struct incoming *in)
{
	change_release(&in->change);
	free(in->text);
	json_decref(in->value);
}

/* The edit and what undoes it, in no more memory than they need: histories are long. */
static int record_edit(const struct section *sec, const struct op *op, struct change *ch)
{
	struct op undo = {0};
	int rc = 0;

	op_init(&undo, sec->content_len);
	op_init(&ch->undo, sec->content_len);
	op_init(&ch->op, op->text.len);
	rc = op_invert(op, sec->content, sec->content_len, &undo);
	if (!rc)
		rc = op_copy(&undo, &ch->undo);
	if (!rc)
		rc = op_copy(op, &ch->op);
	op_release(&undo);
	return rc;
}

/* The text after an edit, and the edit for the history. */
static int take_delta(struct section *sec, struct incoming *in, struct err *e)
{
	const struct op *op = in->changes->delta;
	struct change *ch = &in->change;
	struct buf out = {0};
	int rc = op_check(op, sec->content_chars, NULL);

	if (rc)
		return err_set(e, ERR_CORRUPT, "the delta does not fit the text");
	ch->kind = CHANGE_EDIT;
	/* All the text at once: the bytes that are deleted are not worth a second allocation. */
	buf_init(&out, sec->content_len + op->text.len);
	rc = buf_reserve(&out, out.len_max);
	if (!rc)
		rc = op_apply(op, sec->content, sec->content_len, &out);
	in->len = out.len;
	in->chars = sec->content_chars + op_chars_inserted(op) - op_chars_deleted(op);
	in->text = rc ? NULL : buf_take(&out);
	if (!rc && !in->text)
		rc = ERR_NOMEM;
	buf_release(&out);
	return rc || !in->recorded ? rc : record_edit(sec, op, ch);
}

/* What the content is after the change, and what kind of change that is. */
static int take_content(struct section *sec, struct incoming *in, struct err *e)
{
	const struct changes *c = in->changes;

	if (c->delta)
		return take_delta(sec, in, e);
	if (!c->content && !c->content_json)
		return 0;
	in->change.kind = CHANGE_REPLACE;
	if (c->content) {
		in->text = malloc(c->content_len + 1);
		if (!in->text)
			return ERR_NOMEM;
		memcpy(in->text, c->content, c->content_len);
		in->text[c->content_len] = '\0';
		in->len = c->content_len;
		in->chars = utf8_chars(in->text, in->len);
	} else if (!json_is_null(c->content_json)) {
		in->value = json_deep_copy(c->content_json);
		if (!in->value)
			return ERR_NOMEM;
	}
	return 0;
}

/* diff() takes no longer texts; no limit allows them, but a limit can be turned off. */
#define DIFF_BYTES_MAX ((size_t)1 << 30)

/*
 * The comments of the section follow its text.  A replaced text is compared with the new one first,
 * which is dear, and done only where there are comments to follow.
 */
static int move_anchors(struct section *sec, const struct incoming *in, bool section_gone)
{
	struct anchored_change ch = {
		.op = in->changes ? in->changes->delta : NULL,
		.before = sec->content,
		.before_len = sec->content_len,
		.before_chars = sec->content_chars,
		.after = in->text,
		.after_len = in->len,
		.after_chars = in->chars,
		.section_gone = section_gone,
	};
	struct op op = {0};
	int rc = 0;

	if (!sec->anchored)
		return 0;
	op_init(&op, in->len);
	if (!ch.op && ch.before_len < DIFF_BYTES_MAX && ch.after_len < DIFF_BYTES_MAX) {
		rc = diff(ch.before, ch.before_len, ch.after, ch.after_len, &op);
	} else if (!ch.op) {
		op_replace_all(&op, ch.before_chars, ch.after, ch.after_len);
		rc = op_finish(&op);
	}
	if (!ch.op)
		ch.op = &op;
	if (!rc)
		rc = anchors_follow(sec, &ch);
	op_release(&op);
	return rc;
}

/* The content becomes what the change makes of it; the history may have what was there. */
static void install_content(struct section *sec, struct incoming *in)
{
	struct change *ch = &in->change;

	if (ch->kind == CHANGE_KEYS)
		return;
	sec->bytes -= sec->content_len + json_bytes(sec->content_json);
	if (ch->kind == CHANGE_REPLACE && in->recorded) {
		ch->before = sec->content;
		ch->before_len = sec->content_len;
	} else {
		free(sec->content);
	}
	json_decref(sec->content_json);
	sec->content = in->text;
	sec->content_len = in->len;
	sec->content_chars = in->chars;
	sec->content_json = in->value;
	sec->bytes += sec->content_len + json_bytes(sec->content_json);
	in->text = NULL;
	in->value = NULL;
}

/* What the members of `keys` that the patch names count. */
static size_t named_bytes(const json_t *keys, const json_t *patch)
{
	const char *key = NULL;
	json_t *value = NULL;
	size_t bytes = 0;

	/* The macro wants a pointer that is not const; the patch is only read. */
	json_object_foreach((json_t *)patch, key, value) bytes +=
		json_member_bytes(key, json_object_get(keys, key));
	return bytes;
}

/* The other keys: merged, counted, and their names noted for the history. */
static int merge_keys(struct section *sec, struct incoming *in, struct err *e)
{
	const json_t *patch = in->changes->keys;
	const char *key = NULL;
	json_t *value = NULL;

	if (!patch)
		return 0;
	if (!json_is_object(patch))
		return err_field(e, ERR_CORRUPT, "changes", "the changes are no object");
	sec->bytes -= named_bytes(sec->keys, patch);
	if (patch_merge(&sec->keys, patch))
		return ERR_NOMEM;
	sec->bytes += named_bytes(sec->keys, patch);
	if (json_object_size(sec->keys) == 0) {
		json_decref(sec->keys);
		sec->keys = NULL;
	}
	if (!in->recorded || json_object_size(patch) == 0)
		return 0;
	in->change.keys = json_object();
	json_object_foreach((json_t *)patch, key,
	                    value) if (json_object_set_new_nocheck(in->change.keys, key,
	                                                           json_null())) return ERR_NOMEM;
	return in->change.keys ? 0 : ERR_NOMEM;
}

/* A change of a section counts in the session, and for its author as activity. */
static void count_change(struct session *s, const struct event *ev)
{
	struct member *m = NULL;

	if (ev->carried)
		return;
	s->changes_total++;
	m = ev->user_id ? session_member(s, ev->user_id) : NULL;
	if (m)
		m->active_ms = ev->time_ms;
}

static int start_change(const struct session *s, struct section *sec, const struct event *ev,
                        struct incoming *in)
{
	in->recorded = history_wanted(s, sec->section_id);
	in->change.kind = CHANGE_KEYS;
	in->change.seq = ev->seq;
	in->change.chars_before = sec->content_chars;
	return in->recorded ? session_set_string(&in->change.user_id, ev->user_id) : 0;
}

/* Apply ev->changes, to a new section if there is none. */
int section_change(struct session *s, const char *section_id, const struct event *ev, struct err *e)
{
	struct incoming in = {.changes = &ev->changes};
	struct section *sec = NULL;
	size_t bytes = 0;
	int rc = 0;

	if (ev->version != EVENT_ABSENT && ev->version != ev->seq)
		return err_field(e, ERR_CORRUPT, "version", "the version is not the event's seq");
	rc = section_make(s, section_id, &sec);
	if (rc)
		return rc;
	bytes = sec->bytes;
	rc = start_change(s, sec, ev, &in);
	if (!rc)
		rc = take_content(sec, &in, e);
	if (!rc && in.change.kind != CHANGE_KEYS)
		rc = move_anchors(sec, &in, false);
	if (!rc) {
		install_content(sec, &in);
		rc = merge_keys(sec, &in, e);
	}
	if (!rc)
		rc = session_set_string(&sec->updated_by, ev->user_id);
	if (!rc)
		rc = session_set_string(&sec->updated_by_name, ev->user_name);
	sec->version = ev->seq;
	sec->updated_ms = ev->time_ms;
	s->bytes += sec->bytes - bytes;
	in.change.chars_after = sec->content_chars;
	if (!rc)
		rc = history_push(s, sec, &in.change);
	if (!rc)
		count_change(s, ev);
	incoming_release(&in);
	return rc;
}

int fold_section_update(struct session *s, const struct event *ev, struct err *e)
{
	return section_change(s, ev->section_id, ev, e);
}

/* To the history a deletion is a replacement by nothing, should the section come back. */
int fold_section_deleted(struct session *s, const struct event *ev, struct err *e)
{
	struct section *sec = session_section(s, ev->section_id);
	struct incoming in = {0};
	int rc = 0;

	if (!sec)
		return err_set(e, ERR_CORRUPT, "there is no section %s", ev->section_id);
	rc = start_change(s, sec, ev, &in);
	if (!rc)
		rc = move_anchors(sec, &in, true);
	if (!rc) {
		s->bytes -= sec->bytes;
		in.change.kind = CHANGE_REPLACE;
		install_content(sec, &in);
		rc = history_push(s, sec, &in.change);
	}
	incoming_release(&in);
	if (rc)
		return rc;
	count_change(s, ev);
	anchors_cast_off(s, sec);
	section_clear(sec);
	(void)map_remove(&s->sections, sec->section_id); /* it is sec */
	return history_keep(s, sec);
}

int fold_section_locked(struct session *s, const struct event *ev, struct err *e)
{
	const int64_t *last = map_get(&s->fences, ev->section_id);
	struct lock lock = {
		.user_id = lent(ev->user_id), .fence = ev->fence, .expires_ms = ev->expires_ms};
	int rc = 0;

	if (ev->fence < 1 || (last && ev->fence < *last))
		return err_field(e, ERR_CORRUPT, "fence", "the fence is not above the last one");
	rc = session_set_lock(s, ev->section_id, &lock);
	return rc ? rc : session_set_fence(s, ev->section_id, ev->fence);
}

int fold_section_unlocked(struct session *s, const struct event *ev, struct err *e)
{
	const struct lock *lock = map_get(&s->locks, ev->section_id);

	if (!lock || (ev->fence != EVENT_ABSENT && ev->fence != lock->fence))
		return err_set(e, ERR_CORRUPT, "section %s has no such lock", ev->section_id);
	session_clear_lock(s, ev->section_id);
	return 0;
}
