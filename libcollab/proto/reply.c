/* Acks, errors, marks and cursors to bytes; every object has its keys in canonical order. */
#include "proto/reply.h"

#include <string.h>

#include "proto/event_json.h"
#include "proto/json_out.h"

/* A ref, which may be "" as well as NULL when there is none. */
static void put_ref(struct buf *out, const char *ref)
{
	if (ref && ref[0])
		json_str(out, "ref", ref);
}

static void put_hash(struct buf *out, const unsigned char *hash)
{
	char hex[SHA256_HEX_LEN + 1];

	if (!hash)
		return;
	sha256_hex(hash, hex);
	json_str_n(out, "hash", hex, SHA256_HEX_LEN);
}

static void put_flag(struct buf *out, const char *key, bool flag)
{
	if (flag)
		json_bool(out, key, true);
}

void ack_write(const struct ack *ack, struct buf *out)
{
	buf_putc(out, '{');
	put_flag(out, "base_assumed", ack->base_assumed);
	if (ack->changes) {
		json_key(out, "changes");
		changes_write(ack->changes, out);
	}
	json_str(out, "comment_id", ack->comment_id);
	json_str(out, "conflict_id", ack->conflict_id);
	put_flag(out, "duplicate", ack->duplicate);
	json_str(out, "durability", "fsynced");
	json_str(out, "event_id", ack->event_id);
	if (ack->expires_ms != EVENT_ABSENT)
		json_time(out, "expires_at", ack->expires_ms);
	json_opt_int(out, "fence", ack->fence);
	put_hash(out, ack->hash);
	put_ref(out, ack->ref);
	json_int(out, "seq", ack->seq);
	json_str(out, "session_id", ack->session_id);
	json_time(out, "timestamp", ack->time_ms);
	json_str(out, "type", "ack");
	put_flag(out, "unchanged", ack->unchanged);
	json_opt_int(out, "version", ack->version);
	buf_putc(out, '}');
}

/* Whether two values are the same; NULL and {} both mean that there are no other keys. */
static bool same_json(const json_t *a, const json_t *b)
{
	if (json_object_size(a) == 0 && json_is_object(a))
		a = NULL;
	if (json_object_size(b) == 0 && json_is_object(b))
		b = NULL;
	return a == b || json_equal(a, b);
}

static bool same_changes(const struct changes *a, const struct changes *b)
{
	if (!a->content != !b->content || !a->delta != !b->delta ||
	    !a->content_json != !b->content_json)
		return false;
	if (a->content && (a->content_len != b->content_len ||
	                   memcmp(a->content, b->content, a->content_len) != 0))
		return false;
	if (a->delta && !op_equal(a->delta, b->delta))
		return false;
	return (!a->content_json || json_equal(a->content_json, b->content_json)) &&
	       same_json(a->keys, b->keys);
}

void ack_of_decision(const struct decision *d, const struct command *c, struct ack *ack)
{
	const struct event *ev = d->answer < d->len ? &d->events[d->answer] : NULL;

	ack->ref = c->ref;
	ack->base_assumed = c->base_assumed;
	ack->duplicate = d->duplicate;
	ack->unchanged = d->unchanged;
	ack->event_id = ev ? ev->event_id : NULL;
	ack->comment_id = ev ? ev->comment_id : NULL;
	ack->conflict_id = ev ? ev->conflict_id : NULL;
	ack->version = ev ? ev->version : EVENT_ABSENT;
	ack->fence = ev ? ev->fence : EVENT_ABSENT;
	ack->expires_ms = ev ? ev->expires_ms : EVENT_ABSENT;
	ack->changes = NULL;
	if (d->duplicate)
		ack->seq = d->duplicate_seq;
	if (!ev)
		return;
	ack->session_id = ev->session_id;
	ack->seq = ev->seq;
	ack->time_ms = ev->time_ms;
	if ((ev->kind == EVENT_SECTION_UPDATE || ev->kind == EVENT_CONFLICT_RESOLVED) &&
	    !same_changes(&ev->changes, &c->changes))
		ack->changes = &ev->changes;
}

/* The content of a section as it is, for who must merge. */
static void put_content(struct buf *out, const struct section *sec)
{
	if (!sec)
		return;
	json_str_n(out, "content", sec->content, sec->content_len);
	json_value(out, "content", sec->content_json);
}

/*
 * What an error frame and a problem have in common is nearly all: they are written as one, and
 * `problem` says which.  A problem has neither session nor ref nor time: it answers one request.
 */
static void put_error(bool problem, const char *session_id, const char *ref, const struct err *e,
                      const struct decision *d, int64_t time_ms, struct buf *out)
{
	const struct err_row *row = err_row(e->code);
	const char *text = e->text[0] ? e->text : row->text;
	bool mismatch = d && e->code == ERR_VERSION_MISMATCH;
	bool locked = d && e->code == ERR_SECTION_LOCKED && d->holder;
	bool forbidden =
		d && e->code == ERR_FORBIDDEN && (d->needs != ROLE_NONE || d->role != ROLE_NONE);

	buf_putc(out, '{');
	json_str(out, "code", row->wire);
	if (mismatch)
		put_content(out, d->section);
	json_str(out, "detail", problem ? text : NULL);
	if (locked && d->expires_ms != EVENT_ABSENT)
		json_time(out, "expires_at", d->expires_ms);
	json_str(out, "field", e->field[0] ? e->field : NULL);
	json_str(out, "holder", locked ? d->holder : NULL);
	json_str(out, "message", problem ? NULL : text);
	/* Without a role that would do, only the author may. */
	if (forbidden && d->needs != ROLE_NONE)
		json_str(out, "needs", role_name(d->needs));
	put_ref(out, ref);
	json_bool(out, "retryable", row->retryable);
	if (forbidden)
		json_str(out, "role", role_name(d->role));
	json_str(out, "session_id", session_id);
	if (problem) {
		json_int(out, "status", row->http);
		json_str(out, "title", row->text);
		json_key(out, "type");
		buf_printf(out, "\"urn:collabd:error:%s\"", row->wire);
	} else {
		json_time(out, "timestamp", time_ms);
		json_str(out, "type", "error");
	}
	/* A section that is not there has version 0, as if_version counts. */
	if (mismatch)
		json_int(out, "version", d->section ? d->section->version : 0);
	buf_putc(out, '}');
}

void error_write(const char *session_id, const char *ref, const struct err *e,
                 const struct decision *d, int64_t time_ms, struct buf *out)
{
	put_error(false, session_id, ref, e, d, time_ms, out);
}

void problem_write(const struct err *e, const struct decision *d, struct buf *out)
{
	put_error(true, NULL, NULL, e, d, 0, out);
}

void mark_write(const char *type, const char *session_id, const char *ref, int64_t seq,
                const unsigned char hash[SHA256_LEN], int64_t time_ms, struct buf *out)
{
	buf_putc(out, '{');
	put_hash(out, hash);
	put_ref(out, ref);
	json_int(out, "seq", seq);
	json_str(out, "session_id", session_id);
	json_time(out, "timestamp", time_ms);
	json_str(out, "type", type);
	buf_putc(out, '}');
}

void cursor_write(const char *session_id, const struct cursor *c, struct buf *out)
{
	buf_putc(out, '{');
	json_int(out, "position", c->position);
	json_str(out, "section_id", c->section_id);
	if (c->selection[0] != EVENT_ABSENT) {
		json_key(out, "selection");
		buf_putc(out, '[');
		buf_put_i64(out, c->selection[0]);
		buf_putc(out, ',');
		buf_put_i64(out, c->selection[1]);
		buf_putc(out, ']');
	}
	json_str(out, "session_id", session_id);
	json_time(out, "timestamp", c->time_ms);
	json_str(out, "type", "cursor_position");
	json_str(out, "user_id", c->user_id);
	json_str(out, "user_name", c->user_name);
	buf_putc(out, '}');
}
