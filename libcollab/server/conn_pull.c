/*
 * What a connection writes next: the events behind its seq, as ready-made frames, with its replies
 * at their places among them; then the newest cursors.  Nothing here is newer than what is
 * committed.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/event_json.h"
#include "server/conn.h"

/* Bytes that live until the hub is entered again. */
static char *lend(struct hub *h, size_t len)
{
	struct trash *t = malloc(sizeof *t + len);

	if (!t)
		return NULL;
	t->next = h->trash;
	h->trash = t;
	return (char *)(t + 1);
}

static void put(struct gather *g, const char *bytes, size_t len)
{
	struct iovec *last = g->len > 0 ? &g->pieces[g->len - 1] : NULL;

	g->bytes += len;
	if (last && (const char *)last->iov_base + last->iov_len == bytes) {
		last->iov_len += len; /* the next frame of the same block */
		return;
	}
	g->pieces[g->len].iov_base = (void *)(uintptr_t)bytes;
	g->pieces[g->len++].iov_len = len;
}

static bool full(const struct gather *g)
{
	return g->len > GATHER_PIECES - 4 || g->bytes >= g->bytes_max;
}

/* Copied, because it is freed when it has gone out. */
static bool put_copy(struct hub *h, struct gather *g, const char *bytes, size_t len)
{
	char *p = NULL;

	if (len <= GATHER_COPY - g->copy_len) {
		p = g->copy + g->copy_len;
		g->copy_len += len;
	} else {
		p = lend(h, len);
		if (!p)
			return false;
	}
	memcpy(p, bytes, len);
	put(g, p, len);
	return true;
}

/* ---- replies ----------------------------------------------------------------------------------
 */

static bool reply_ready(const struct conn *c, const struct reply *r)
{
	if (!r || r->at_seq > c->room->committed)
		return false;
	return r->kind == REPLY_ACK ? r->at_seq <= c->sent + 1 : r->at_seq <= c->sent;
}

/* As much of the reply as fits; true when all of it has gone out. */
static bool put_reply(struct conn *c, struct gather *g, struct reply *r)
{
	size_t room = g->bytes_max > g->bytes ? g->bytes_max - g->bytes : 0, n, at;

	if (r->sent < r->own_len) {
		n = r->own_len - r->sent;
		if (!put_copy(c->hub, g, r->bytes + r->sent, n))
			return false;
		r->sent += n;
		room = room > n ? room - n : 0;
	}
	if (r->block && r->sent < r->len) {
		n = r->len - r->sent < room ? r->len - r->sent : room;
		at = r->sent - r->own_len;
		if (n > 0)
			put(g, r->block->bytes + at, n);
		r->sent += n;
	}
	return r->sent == r->len;
}

static int64_t pull_now_us(struct hub *h)
{
	if (!h->pulled.now_us)
		h->pulled.now_us = hub_mono_us(h);
	return h->pulled.now_us;
}

/* An ack goes out: how long since its event was made? */
static void time_ack(struct conn *c, const struct reply *r)
{
	const struct slot *slot = room_slot(c->room, r->at_seq);

	if (slot && slot->sealed_us)
		histogram_add(&c->hub->metrics.ack_time, pull_now_us(c->hub) - slot->sealed_us, 1);
}

/* The events of a pull go out together; the oldest one tells how long. */
static void time_deliveries(struct hub *h)
{
	if (h->pulled.live)
		histogram_add(&h->metrics.delivery_time, pull_now_us(h) - h->pulled.oldest_us,
		              h->pulled.live);
}

/* The reply has gone out.  Its block may be lent with this gather: it is kept by the trash. */
static void pop_reply(struct conn *c, struct gather *g)
{
	struct reply *r = c->replies;

	(void)g;
	c->replies = r->next;
	if (!c->replies)
		c->replies_end = &c->replies;
	c->replies_len--;
	if (r->kind == REPLY_ACK)
		time_ack(c, r);
	if (r->kind == REPLY_ACK && r->at_seq > c->sent)
		c->sent = r->at_seq;
	if (r->block) {
		if (c->last_block)
			block_unref(c->last_block);
		c->last_block = r->block; /* freed at the next pull */
	}
	free(r);
	if (c->replies_len + 1 == c->hub->limits->unacked_messages)
		c->hub->transport.want_read(c->sock);
}

/* ---- events -----------------------------------------------------------------------------------
 */

/* Frame JSON as this connection's stream wants it, lent until the hub is entered again. */
static bool put_json(struct conn *c, struct gather *g, int64_t seq, const char *json, size_t len)
{
	char head[48], *p = NULL;
	const char *tail = c->framing == FRAMING_SSE ? "\n\n" : "\n";
	size_t n = 0, tail_len = strlen(tail);

	switch (c->framing) {
	case FRAMING_WS:
		n = ws_frame_header((unsigned char *)head, WS_TEXT, len, NULL);
		tail_len = 0;
		break;
	case FRAMING_SSE:
		n = (size_t)snprintf(head, sizeof head, "id: %lld\ndata: ", (long long)seq);
		break;
	case FRAMING_NDJSON:
		break;
	}
	p = lend(c->hub, n + len + tail_len);
	if (!p)
		return false;
	memcpy(p, head, n);
	memcpy(p + n, json, len);
	memcpy(p + n + len, tail, tail_len);
	put(g, p, n + len + tail_len);
	return true;
}

/* The event without e-mail addresses, for a slot that has no such frame ready. */
static bool put_without_email(struct conn *c, struct gather *g, const struct slot *slot)
{
	const struct frame *f = &slot->frames[FRAME_STORED];
	struct event_view view = {.without_email = true};
	struct buf *out = &c->hub->scratch;
	struct event_doc doc = {0};
	bool done = false;

	if (event_read(f->block->bytes + f->at + f->head, f->len - f->head, &doc, NULL) == 0) {
		buf_clear(out);
		event_write_view(&doc.ev, doc.hash, &view, out);
		done = !buf_error(out) && put_json(c, g, slot->seq, out->p, out->len);
	}
	event_doc_release(&doc);
	return done;
}

enum put_result { PUT_DONE, PUT_LATER, PUT_FAILED };

static enum put_result put_event(struct conn *c, struct gather *g, struct slot *slot)
{
	const struct frame *f = &slot->frames[FRAME_STORED];

	if (c->full && (c->full_state || (slot->has_delta && !slot->frames[FRAME_FULL].block))) {
		if (!full_state_ready(c))
			return PUT_LATER;
		if (full_state_render(c, slot, &c->hub->scratch))
			return PUT_FAILED;
		return put_json(c, g, slot->seq, c->hub->scratch.p, c->hub->scratch.len)
		               ? PUT_DONE
		               : PUT_FAILED;
	}
	if (c->full && slot->frames[FRAME_FULL].block)
		f = &slot->frames[FRAME_FULL];
	else if (c->without_email && slot->frames[FRAME_NO_EMAIL].block)
		f = &slot->frames[FRAME_NO_EMAIL];
	else if (c->without_email && slot->has_email)
		return put_without_email(c, g, slot) ? PUT_DONE : PUT_FAILED;
	if (c->framing == FRAMING_WS)
		put(g, f->block->bytes + f->at, f->len);
	else if (!put_json(c, g, slot->seq, f->block->bytes + f->at + f->head, f->len - f->head))
		return PUT_FAILED;
	return PUT_DONE;
}

/* The event after `sent`; false when it has to wait. */
static bool next_event(struct conn *c, struct gather *g)
{
	struct slot *slot = room_slot(c->room, c->sent + 1);
	enum put_result r;

	if (!slot) {
		c->waits_chunk = true;
		room_read(c->room, c->sent);
		return false;
	}
	if (c->filter && slot_look(slot) == 0 && !filter_match(c->filter, slot)) {
		c->skipped = true;
		c->sent++;
		return true;
	}
	r = put_event(c, g, slot);
	if (r == PUT_FAILED)
		conn_close_after(c, c->sent, 1013, "out of memory");
	if (r != PUT_DONE)
		return false;
	c->sent++;
	c->hub->metrics.deliveries++;
	if (slot->sealed_us && c->hub->pulled.live++ == 0)
		c->hub->pulled.oldest_us = slot->sealed_us;
	return true;
}

static void put_cursors(struct conn *c, struct gather *g)
{
	struct room *room = c->room;
	struct map_entry *entry = NULL;
	size_t at = 0;

	if (c->framing != FRAMING_WS || (c->filter && !c->filter->cursors)) {
		c->cursor_stamp = room->cursor_shown;
		return;
	}
	while ((entry = map_next(&room->people, &at))) {
		const struct person *p = entry->value;

		if (!p->cursor_frame || p->cursor_stamp <= c->cursor_stamp ||
		    p->cursor_stamp > room->cursor_shown || p->cursor_conn == c->id)
			continue;
		if (full(g) || !put_copy(c->hub, g, p->cursor_frame->bytes, p->cursor_frame->len))
			return; /* told when the rest goes out: cursors only get newer */
		c->hub->metrics.cursors++;
	}
	c->cursor_stamp = room->cursor_shown;
}

static bool has_more(const struct conn *c)
{
	int64_t end = c->room->committed < c->until ? c->room->committed : c->until;

	return reply_ready(c, c->replies) ||
	       (c->sent < end && c->sent < c->close_at && !c->waits_chunk && !c->waits_full);
}

void hub_pull(struct conn *c, struct gather *g)
{
	struct room *room = c->room;
	int64_t end;

	hub_enter(c->hub);
	block_unref(c->last_block);
	c->last_block = NULL;
	c->wanted = false;
	c->hub->pulled = (struct pulled){0};
	g->len = 0;
	g->bytes = g->copy_len = 0;
	g->close_code = 0;
	if (room->state == ROOM_LOADING && room->committed == 0)
		return;
	end = room->committed < c->until ? room->committed : c->until;
	end = end < c->close_at ? end : c->close_at;
	while (!full(g)) {
		if (reply_ready(c, c->replies)) {
			if (!put_reply(c, g, c->replies))
				break;
			pop_reply(c, g);
		} else if (c->sent >= end || c->waits_full || !next_event(c, g)) {
			break;
		}
	}
	time_deliveries(c->hub);
	if (c->sent == room->committed)
		full_state_drop(c);
	if (c->sent >= end && !full(g) && c->cursor_stamp < room->cursor_shown)
		put_cursors(c, g);
	if (!reply_ready(c, c->replies) && (c->sent >= c->close_at || c->sent >= c->until)) {
		g->close_code = c->sent >= c->close_at ? c->close_code : 1000;
		g->close_reason = c->sent >= c->close_at ? c->close_reason : "done";
	} else if (has_more(c)) {
		conn_want(c);
	}
}
