/*
 * What a connection is told: a short queue of replies that go out at their place in the log, and
 * what becomes of them when events are lost.
 */
#include <stdlib.h>
#include <string.h>

#include "server/conn.h"
#include "server/room.h"

void conn_want(struct conn *c)
{
	if (c->wanted || c->gone)
		return;
	c->wanted = true;
	c->hub->transport.want_write(c->sock);
}

/* Room for a reply of so many bytes at the end of the queue; NULL: out of memory. */
static struct reply *reply_new(struct conn *c, enum reply_kind kind, size_t bytes, int64_t at_seq)
{
	struct reply *r = calloc(1, sizeof *r + bytes);

	if (!r) {
		/* An answer that cannot be given must not be missed: the client resumes. */
		conn_close_after(c, c->sent, 1013, "out of memory");
		return NULL;
	}
	r->kind = kind;
	r->at_seq = at_seq;
	*c->replies_end = r;
	c->replies_end = &r->next;
	c->replies_len++;
	conn_want(c);
	return r;
}

int conn_line(struct conn *c, const char *json, size_t len, int64_t at_seq)
{
	struct reply *r = reply_new(c, REPLY_STATE, len + 1, at_seq);

	if (!r)
		return ERR_NOMEM;
	memcpy(r->bytes, json, len);
	r->bytes[len] = '\n';
	r->len = r->own_len = len + 1;
	return 0;
}

int conn_reply(struct conn *c, enum reply_kind kind, const char *json, size_t len,
               struct block *block, int64_t at_seq, const char *ref)
{
	size_t ref_len = ref ? strlen(ref) : 0, total = len + (block ? block->len : 0);
	struct reply *r = NULL;
	size_t head;

	if (c->framing != FRAMING_WS)
		return 0; /* a stream of events has nothing else in it */
	r = reply_new(c, kind, WS_HEADER_MAX + len + ref_len + 1, at_seq);
	if (!r)
		return ERR_NOMEM;
	head = ws_frame_header((unsigned char *)r->bytes, WS_TEXT, total, NULL);
	memcpy(r->bytes + head, json, len);
	memcpy(r->bytes + head + len, ref ? ref : "", ref_len + 1);
	r->own_len = head + len;
	r->len = head + total;
	r->ref_len = ref_len;
	r->block = block;
	if (block)
		block->refs++;
	return 0;
}

void reply_free(struct reply *r)
{
	block_unref(r->block);
	free(r);
}

void conn_close_after(struct conn *c, int64_t seq, int code, const char *reason)
{
	if (seq >= c->close_at)
		return;
	c->close_at = seq;
	c->close_code = code;
	c->close_reason = reason;
	conn_want(c);
}

/* Errors of form, not of permission or state: a client that makes nothing else is closed. */
static bool is_malformed(int code)
{
	switch (code) {
	case ERR_BAD_JSON:
	case ERR_BAD_UTF8:
	case ERR_BINARY_FRAME:
	case ERR_UNKNOWN_TYPE:
	case ERR_MISSING_FIELD:
	case ERR_BAD_FIELD:
	case ERR_RESERVED_KEY:
	case ERR_BAD_DELTA:
		return true;
	default:
		return false;
	}
}

void conn_error(struct conn *c, const char *ref, const struct err *error, const struct decision *d)
{
	struct hub *h = c->hub;
	int64_t max = h->limits->errors_in_a_row;
	struct err inner = {0};
	const struct err *e = hub_error(h, error, &inner);

	h->metrics.errors[-e->code]++;
	buf_clear(&h->scratch);
	error_write(c->room->session_id, ref, e, d, hub_wall(h), &h->scratch);
	(void)conn_reply(c, REPLY_ANSWER, h->scratch.p, h->scratch.len, NULL, c->room->head.seq,
	                 ref);
	c->errors_in_a_row = is_malformed(e->code) ? c->errors_in_a_row + 1 : 0;
	if (max > 0 && c->errors_in_a_row >= max)
		conn_close_after(c, c->sent, 4400, "too many malformed messages");
}

void conn_mark(struct conn *c, enum reply_kind kind, const char *type, const char *ref, int64_t seq,
               const unsigned char *hash)
{
	struct buf *out = &c->hub->scratch;

	buf_clear(out);
	mark_write(type, c->room->session_id, ref, seq, hash, hub_wall(c->hub), out);
	(void)conn_reply(c, kind, out->p, out->len, NULL, seq, NULL);
}

void conn_state(struct conn *c)
{
	struct room *room = c->room;
	struct block *block = NULL;
	struct buf *out = &c->hub->scratch;
	enum role role = session_role(&room->head, c->who.user_id);

	if (c->detail == STATE_NONE && !c->state_reason) {
		conn_mark(c, REPLY_SYNCED, "synced", NULL, room->head.seq, room->head.hash);
		return;
	}
	block = room_state_block(room, c->detail, c->without_email);
	if (!block) {
		conn_close_after(c, c->sent, 1013, "out of memory");
		return;
	}
	buf_clear(out);
	buf_printf(out, "{\"you\":{\"connection_id\":\"%llu\",\"role\":\"%s\",\"user_id\":\"%s\"},",
	           (unsigned long long)c->id, role_name(role), c->who.user_id);
	if (c->state_reason)
		buf_printf(out, "\"resumed\":false,\"reason\":\"%s\",", c->state_reason);
	(void)conn_reply(c, REPLY_STATE, out->p, out->len, block, room->head.seq, NULL);
}

/* ---- a failed append --------------------------------------------------------------------------
 */

void conn_lost_appends(struct conn *c, int64_t seq)
{
	struct reply *r = c->replies;
	struct err e = {0};

	err_set(&e, ERR_STORE_UNAVAILABLE, "the store cannot be written; nothing was changed");
	c->replies = NULL;
	c->replies_end = &c->replies;
	c->replies_len = 0;
	while (r) {
		struct reply *next = r->next;

		r->next = NULL;
		if (r->at_seq <= seq) {
			*c->replies_end = r;
			c->replies_end = &r->next;
			c->replies_len++;
			r = next;
			continue;
		}
		if (r->kind == REPLY_ACK || r->kind == REPLY_ANSWER) {
			struct buf *out = &c->hub->scratch;
			const char *ref = r->ref_len ? r->bytes + r->own_len : NULL;

			buf_clear(out);
			error_write(c->room->session_id, ref, &e, NULL, hub_wall(c->hub), out);
			(void)conn_reply(c, REPLY_ANSWER, out->p, out->len, NULL, seq, ref);
		}
		c->state_wanted |= r->kind == REPLY_STATE;
		c->synced_wanted |= r->kind == REPLY_SYNCED;
		reply_free(r);
		r = next;
	}
	if (c->sent > seq)
		c->sent = seq;
	if (c->close_at != INT64_MAX && c->close_at > seq)
		c->close_at = INT64_MAX; /* what it was to be closed for did not happen */
	c->own_len = 0;
	/* It may have been too full to be read, and what filled it is gone. */
	if (!c->gone)
		c->hub->transport.want_read(c->sock);
}

/* What it was to be sent next is gone: a fresh state, never a gap; a bare stream ends. */
static void below_floor(struct conn *c)
{
	if (c->framing != FRAMING_WS) {
		conn_close_after(c, c->sent, 1013, "the log was compacted");
		return;
	}
	c->sent = c->room->head.seq;
	c->state_reason = "compacted";
	conn_state(c);
}

void conn_resync(struct conn *c)
{
	if (c->state_wanted) {
		c->state_wanted = c->synced_wanted = false;
		c->sent = c->room->head.seq;
		conn_state(c);
	} else if (c->synced_wanted) {
		c->synced_wanted = false;
		conn_mark(c, REPLY_SYNCED, "synced", NULL, c->room->head.seq, c->room->head.hash);
	}
	if (c->sent < c->room->floor)
		below_floor(c);
	if (c->blocked)
		conn_unblock(c);
	conn_want(c);
}
