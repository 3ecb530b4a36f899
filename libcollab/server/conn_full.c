/*
 * content=full behind the tail: what the store has of a change is an operation, and its reader
 * wants the text that came of it, so the state is rebuilt and folded along.
 *
 * Such a state may be as large as a session may be.  Only a few connections have one at a time, the
 * others queue for a place.  Who does not take what it is given, or has had its turn, gives its
 * place up for who waits, and queues again when it wants more.
 */
#include <stdlib.h>

#include "proto/event_json.h"
#include "server/conn.h"
#include "server/fold.h"

enum {
	UNUSED_MS = 100, /* who has not asked for so long reads slowly */
	TURN_MS = 2000,  /* and nobody keeps others waiting for longer */
	LOOK_MS = 50
};

static struct conn **place_of(struct hub *h, const struct conn *c)
{
	for (int i = 0; i < FULL_STATES_MAX; i++)
		if (h->full_holders[i] == c)
			return &h->full_holders[i];
	return NULL;
}

static void leave_queue(struct conn *c)
{
	struct hub *h = c->hub;
	struct conn **p = &h->full_queue;

	while (*p && *p != c)
		p = &(*p)->full_next;
	if (!*p)
		return;
	*p = c->full_next;
	if (!*p)
		h->full_queue_end = p;
	c->full_next = NULL;
}

static void state_came(void *arg, struct fold *f);

/* The places that are free are for those at the queue's head. */
static void call_next(struct hub *h)
{
	struct conn **place = NULL;

	while (h->full_queue && (place = place_of(h, NULL))) {
		struct conn *c = h->full_queue;

		leave_queue(c);
		*place = c;
		c->full_fold = fold_start(h, c->room->key, c->sent, c->sent, 0, state_came, c);
		if (c->full_fold)
			continue;
		*place = NULL;
		conn_close_after(c, c->sent, 1013, "out of memory");
	}
}

void full_state_drop(struct conn *c)
{
	struct conn **place = NULL;

	if (!c->waits_full && !c->full_state)
		return;
	place = place_of(c->hub, c);
	leave_queue(c);
	c->waits_full = false;
	fold_cancel(c->full_fold);
	c->full_fold = NULL;
	if (c->full_state) {
		session_release(c->full_state);
		free(c->full_state);
		c->full_state = NULL;
	}
	if (!place)
		return;
	*place = NULL;
	call_next(c->hub);
}

int64_t full_states_tick(struct hub *h, int64_t now)
{
	if (!h->full_queue)
		return 1000;
	for (int i = 0; i < FULL_STATES_MAX; i++) {
		struct conn *c = h->full_holders[i];

		if (c && c->full_state &&
		    (now - c->full_used_ms >= UNUSED_MS || now - c->full_ms >= TURN_MS))
			full_state_drop(c);
	}
	call_next(h);
	return LOOK_MS;
}

static void state_came(void *arg, struct fold *f)
{
	struct conn *c = arg;

	c->full_fold = NULL;
	if (!f->rc && f->session.seq == c->sent)
		c->full_state = malloc(sizeof *c->full_state);
	if (!c->full_state) {
		full_state_drop(c);
		conn_close_after(c, c->sent, 1013, "the log cannot be read");
		return;
	}
	*c->full_state = f->session;
	f->session = (struct session){0};
	c->full_ms = c->full_used_ms = hub_mono(c->hub);
	c->waits_full = false;
	conn_want(c);
}

bool full_state_ready(struct conn *c)
{
	struct hub *h = c->hub;

	if (c->full_state) {
		c->full_used_ms = hub_mono(h);
		return true;
	}
	if (c->waits_full)
		return false;
	c->waits_full = true;
	*h->full_queue_end = c;
	h->full_queue_end = &c->full_next;
	call_next(h);
	return false;
}

/* Fold the slot into the state and, if it edits text, write it with the resulting content. */
int full_state_render(struct conn *c, const struct slot *slot, struct buf *out)
{
	const struct frame *f = &slot->frames[FRAME_STORED];
	struct event_doc doc = {0};
	struct event_view view = {.without_email = c->without_email};
	const struct section *sec = NULL;
	int rc = event_read(f->block->bytes + f->at + f->head, f->len - f->head, &doc, NULL);

	if (!rc)
		rc = session_apply(c->full_state, &doc.ev, NULL);
	if (!rc && doc.ev.changes.delta) {
		sec = session_section(c->full_state, doc.ev.section_id);
		view.content = sec && sec->content ? sec->content : "";
		view.content_len = sec ? sec->content_len : 0;
	}
	if (!rc) {
		buf_clear(out);
		event_write_view(&doc.ev, doc.hash, &view, out);
		rc = buf_error(out);
	}
	event_doc_release(&doc);
	return rc;
}
