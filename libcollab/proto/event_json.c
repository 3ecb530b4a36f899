/* Events to bytes, and the audit chain. */
#include "proto/event_json.h"

#include <assert.h>
#include <string.h>

#include "proto/json_out.h"
#include "proto/op_json.h"
#include "proto/stored.h"

/* What splices the hash into an object: "hash":"64 hex digits", and the comma behind it. */
static const char hash_open[] = "\"hash\":\"";
static const char hash_close[] = "\",";

enum {
	HASH_OPEN_LEN = sizeof hash_open - 1,
	HASH_CLOSE_LEN = sizeof hash_close - 1,
	HASH_MEMBER_LEN = HASH_OPEN_LEN + SHA256_HEX_LEN + HASH_CLOSE_LEN
};

static bool has_changes(const struct changes *c)
{
	return c->content || c->delta || c->content_json || json_object_size(c->keys) > 0;
}

/* Changes, with `content` (if not NULL) in place of a delta. */
static void put_changes(struct buf *out, const struct changes *c, const struct event_view *view)
{
	bool full = view && view->content && c->delta;

	buf_putc(out, '{');
	if (c->keys)
		json_put_members(out, c->keys, NULL, "content");
	json_str_n(out, "content", c->content, c->content_len);
	json_value(out, "content", c->content_json);
	if (full)
		json_str_n(out, "content", view->content, view->content_len);
	if (c->keys)
		json_put_members(out, c->keys, "content", "delta");
	if (c->delta && !full) {
		json_key(out, "delta");
		op_write_json(c->delta, out);
	}
	if (c->keys)
		json_put_members(out, c->keys, "delta", NULL);
	buf_putc(out, '}');
}

void changes_write(const struct changes *c, struct buf *out)
{
	put_changes(out, c, NULL);
}

static void put_strings(struct buf *out, const char *key, const char *const *items, size_t len)
{
	json_key(out, key);
	buf_putc(out, '[');
	for (size_t i = 0; i < len; i++) {
		json_comma(out);
		json_put_string(out, items[i], strlen(items[i]));
	}
	buf_putc(out, ']');
}

static void put_integers(struct buf *out, const char *key, const int64_t *items, size_t len)
{
	json_key(out, key);
	buf_putc(out, '[');
	for (size_t i = 0; i < len; i++) {
		json_comma(out);
		buf_put_i64(out, items[i]);
	}
	buf_putc(out, ']');
}

static void put_opt_time(struct buf *out, const char *key, int64_t time_ms)
{
	if (time_ms != EVENT_ABSENT)
		json_time(out, key, time_ms);
}

static void put_anchor(struct buf *out, const struct anchor *a)
{
	if (a->from == EVENT_ABSENT)
		return;
	json_key(out, "anchor");
	buf_putc(out, '{');
	json_opt_int(out, "base_seq", a->base_seq);
	json_int(out, "from", a->from);
	json_int(out, "to", a->to);
	buf_putc(out, '}');
}

static void put_comment(struct buf *out, const struct event *ev)
{
	const char *user_id = ev->comment_user_id ? ev->comment_user_id : ev->user_id;
	const char *user_name = ev->comment_user_id ? ev->comment_user_name : ev->user_name;
	bool has_time = ev->comment_created_ms != EVENT_ABSENT;

	json_key(out, "comment");
	buf_putc(out, '{');
	put_anchor(out, &ev->anchor);
	json_str(out, "comment_id", ev->comment_id);
	json_str_n(out, "content", ev->text, ev->text_len);
	json_time(out, "created_at", has_time ? ev->comment_created_ms : ev->time_ms);
	if (ev->mentions)
		put_strings(out, "mentions", ev->mentions, ev->mentions_len);
	if (ev->parent_comment_id)
		json_str(out, "parent_comment_id", ev->parent_comment_id);
	else
		json_null_key(out, "parent_comment_id");
	json_str(out, "section_id", ev->section_id);
	json_str(out, "user_id", user_id);
	json_str(out, "user_name", user_name);
	buf_putc(out, '}');
}

static void put_participant(struct buf *out, const struct event *ev, const struct event_view *view)
{
	json_key(out, "participant");
	buf_putc(out, '{');
	json_str(out, "role", role_name(ev->role));
	if (!view || !view->without_email)
		json_str(out, "user_email", ev->user_email);
	json_str(out, "user_id", ev->user_id);
	json_str(out, "user_name", ev->user_name);
	buf_putc(out, '}');
}

/* The members that sort before "hash". */
static void put_head(struct buf *out, const struct event *ev, const struct event_view *view)
{
	bool conflict = ev->kind == EVENT_CONFLICT_DETECTED;

	if (conflict && view)
		json_str_n(out, "base_content", view->base.p, view->base.len);
	json_opt_int(out, "base_seq", ev->base_seq);
	json_str(out, "by", ev->by);
	if (ev->carried)
		json_bool(out, "carried", true);
	if (ev->kind == EVENT_SECTION_UPDATE ||
	    (ev->kind == EVENT_CONFLICT_RESOLVED && has_changes(&ev->changes))) {
		json_key(out, "changes");
		put_changes(out, &ev->changes, view);
	}
	if (ev->kind == EVENT_COMMENT_ADDED)
		put_comment(out, ev);
	else
		json_str(out, "comment_id", ev->comment_id);
	json_str(out, "conflict_id", ev->conflict_id);
	if (ev->kind == EVENT_SESSION_STARTED)
		json_str(out, "conflict_resolution_strategy", strategy_name(ev->settings.strategy));
	if (conflict)
		put_strings(out, "conflicting_users", ev->users, ev->users_len);
	if (ev->kind == EVENT_COMMENT_EDITED)
		json_str_n(out, "content", ev->text, ev->text_len);
	json_str(out, "continued_from", ev->continued_from);
	if (conflict && view)
		json_str_n(out, "current_content", view->current.p, view->current.len);
	json_opt_int(out, "current_seq", ev->current_seq);
	json_str(out, "event_id", ev->event_id);
	put_opt_time(out, "expires_at", ev->expires_ms);
	json_opt_int(out, "fence", ev->fence);
}

/* The members that sort after "hash", up to "role". */
static void put_middle(struct buf *out, const struct event *ev, const struct event_view *view)
{
	bool conflict = ev->kind == EVENT_CONFLICT_DETECTED;

	if (ev->kind == EVENT_SESSION_STARTED)
		json_int(out, "max_participants", ev->settings.max_participants);
	if (ev->kind == EVENT_COMMENT_EDITED && ev->mentions)
		put_strings(out, "mentions", ev->mentions, ev->mentions_len);
	if (ev->overwrote_len)
		put_integers(out, "overwrote", ev->overwrote, ev->overwrote_len);
	if (ev->kind == EVENT_PARTICIPANT_JOINED)
		put_participant(out, ev, view);
	if (conflict) {
		json_key(out, "proposed_changes");
		put_changes(out, &ev->changes, NULL);
	}
	if (conflict && view)
		json_str_n(out, "proposed_content", view->proposed.p, view->proposed.len);
	json_str(out, "reason", ev->reason);
	json_str(out, "ref", ev->ref);
	json_str(out, "ref_digest", ev->ref_digest);
	json_str(out, "report_id", ev->report_id);
	if (ev->kind == EVENT_CONFLICT_RESOLVED)
		json_str(out, "resolution", resolution_name(ev->resolution));
	if (ev->kind == EVENT_COMMENT_RESOLVED)
		json_str(out, "resolved_by", event_author(ev));
	if (ev->role != ROLE_NONE)
		json_str(out, "role", role_name(ev->role));
}

static void put_tail(struct buf *out, const struct event *ev)
{
	json_str(out, "section_id", ev->section_id);
	json_int(out, "seq", ev->seq);
	json_str(out, "session_id", ev->session_id);
	if (ev->kind == EVENT_SESSION_STARTED) {
		json_int(out, "session_timeout_minutes", ev->settings.timeout_minutes);
		json_str(out, "session_type", session_type_name(ev->settings.type));
	}
	json_time(out, "timestamp", ev->time_ms);
	if (ev->kind == EVENT_SESSION_ENDED) {
		json_int(out, "total_changes", ev->total_changes);
		json_int(out, "total_comments", ev->total_comments);
	}
	json_str(out, "type", event_type(ev->kind));
	json_str(out, "user_id", ev->user_id);
	json_str(out, "user_name", ev->user_name);
	json_opt_int(out, "version", ev->version);
	json_str(out, "via", ev->via);
}

/*
 * The members of ev and of ev->extra in one object, which the caller owns.  Only the rare kinds
 * that have an extra pay for it.  NULL when out of memory.
 */
static json_t *with_extra(const struct event *ev, const struct event_view *view)
{
	struct buf plain = {0};
	json_t *all = NULL;

	buf_init(&plain, SIZE_MAX / 4);
	buf_putc(&plain, '{');
	put_head(&plain, ev, view);
	put_middle(&plain, ev, view);
	put_tail(&plain, ev);
	buf_putc(&plain, '}');
	if (!buf_error(&plain))
		all = json_loadb(plain.p, plain.len, 0, NULL);
	buf_release(&plain);
	/* The cast drops const only: nothing but reference counts of the values is changed. */
	if (all && json_object_update_missing(all, (json_t *)(uintptr_t)ev->extra)) {
		json_decref(all);
		all = NULL;
	}
	return all;
}

/* The object with `hash`, or, when that is NULL, without; *hash_at is where the hash then belongs.
 */
static void put_event(struct buf *out, const struct event *ev, const struct event_view *view,
                      const char *hash, size_t *hash_at)
{
	json_t *all = NULL;

	assert(!json_object_get(ev->extra, "hash"));
	if (json_object_size(ev->extra) > 0) {
		all = with_extra(ev, view);
		if (!all) {
			out->error = out->error ? out->error : ERR_NOMEM;
			return;
		}
	}
	buf_putc(out, '{');
	if (all)
		json_put_members(out, all, NULL, "hash");
	else
		put_head(out, ev, view);
	json_str(out, "hash", hash);
	/* `seq` follows in every event, behind a comma unless nothing is in front of it. */
	*hash_at = out->len + (out->len && out->p[out->len - 1] != '{');
	if (all) {
		json_put_members(out, all, "hash", NULL);
	} else {
		put_middle(out, ev, view);
		put_tail(out, ev);
	}
	buf_putc(out, '}');
	json_decref(all);
}

void event_chain(const unsigned char prev_hash[SHA256_LEN], const unsigned char digest[SHA256_LEN],
                 unsigned char hash_out[SHA256_LEN])
{
	char text[2 * SHA256_HEX_LEN + 1];

	sha256_hex(prev_hash, text);
	sha256_hex(digest, text + SHA256_HEX_LEN);
	sha256(text, 2 * SHA256_HEX_LEN, hash_out);
}

int event_write(const struct event *ev, const unsigned char prev_hash[SHA256_LEN],
                unsigned char hash_out[SHA256_LEN], struct buf *out)
{
	unsigned char digest[SHA256_LEN];
	char hex[SHA256_HEX_LEN + 1];
	size_t start = out->len, at = 0;
	char *p = NULL;

	put_event(out, ev, NULL, NULL, &at);
	/* Room for the hash comes first: hash_out may be prev_hash and must stay when this fails.
	 */
	if (buf_reserve(out, HASH_MEMBER_LEN))
		return buf_error(out);
	sha256(out->p + start, out->len - start, digest);
	event_chain(prev_hash, digest, hash_out);
	sha256_hex(hash_out, hex);
	p = out->p + at;
	memmove(p + HASH_MEMBER_LEN, p, out->len + 1 - at); /* the NUL too */
	memcpy(p, hash_open, HASH_OPEN_LEN);
	memcpy(p + HASH_OPEN_LEN, hex, SHA256_HEX_LEN);
	memcpy(p + HASH_OPEN_LEN + SHA256_HEX_LEN, hash_close, HASH_CLOSE_LEN);
	out->len += HASH_MEMBER_LEN;
	return 0;
}

void event_write_view(const struct event *ev, const unsigned char hash[SHA256_LEN],
                      const struct event_view *view, struct buf *out)
{
	char hex[SHA256_HEX_LEN + 1];
	size_t at = 0;

	sha256_hex(hash, hex);
	put_event(out, ev, view, hex, &at);
}

/* The digest of a stored event, given without its hash: its own, or, of an erased one, that it had.
 */
static int digest_of(const json_t *json, unsigned char digest[SHA256_LEN], struct err *e)
{
	const char *was = json_string_value(json_object_get(json, "digest"));
	struct buf canonical = {0};
	int rc = 0;

	if (json_is_true(json_object_get(json, "erased"))) {
		if (!was || sha256_unhex(was, digest))
			return stored_bad(e, "digest", "is not 64 hex digits");
		return 0;
	}
	buf_init(&canonical, SIZE_MAX / 4);
	json_put_value(&canonical, json);
	rc = buf_error(&canonical);
	if (!rc)
		sha256(canonical.p, canonical.len, digest);
	buf_release(&canonical);
	return rc ? err_set(e, rc, NULL) : 0;
}

int event_verify(const char *bytes, size_t len, const unsigned char prev_hash[SHA256_LEN],
                 unsigned char hash_out[SHA256_LEN], struct err *e)
{
	unsigned char stated[SHA256_LEN], digest[SHA256_LEN], hash[SHA256_LEN];
	const char *text = NULL;
	json_t *json = NULL;
	int rc = stored_load(bytes, len, &json, e);

	if (rc)
		goto out;
	text = json_string_value(json_object_get(json, "hash"));
	if (!text || sha256_unhex(text, stated)) {
		rc = stored_bad(e, "hash", "is not 64 hex digits");
		goto out;
	}
	(void)json_object_del(json, "hash"); /* it is there */
	rc = digest_of(json, digest, e);
	if (rc)
		goto out;
	event_chain(prev_hash, digest, hash);
	if (memcmp(hash, stated, SHA256_LEN) != 0)
		rc = stored_bad(e, "hash", "does not follow from the event and the hash before");
	else
		memcpy(hash_out, hash, SHA256_LEN);
out:
	json_decref(json);
	return rc;
}
