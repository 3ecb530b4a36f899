/*
 * Sealing: events that were decided get their id, their place in the chain and their bytes; they
 * are applied to the head and handed to the store.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event_json.h"
#include "server/conn.h"
#include "server/room.h"

enum { UNSTORED_MAX = 32 }; /* events that wait for the end of a burst */

static int put_form(struct room *room, struct slot *slot, int form, const struct event *ev,
                    const struct event_view *view)
{
	struct buf *out = &room->hub->scratch;

	buf_clear(out);
	event_write_view(ev, slot->hash, view, out);
	if (buf_error(out))
		return buf_error(out);
	return slot_frame(&room->tail, slot, form, out->p, out->len, &room->block);
}

/* A conflict as people see it: the text at the base, the text now, the text proposed. */
static int conflict_form(struct room *room, struct slot *slot, const struct event *ev)
{
	const struct section *sec = session_section(&room->head, ev->section_id);
	struct event_view view = {.proposed = {ev->changes.content, ev->changes.content_len}};
	struct buf base;
	int rc;

	if (!sec)
		return 0;
	buf_init(&base, SIZE_MAX / 4);
	if (section_history_covers(sec, ev->base_seq) &&
	    section_text_at(sec, ev->base_seq, &base) == 0)
		view.base = (struct event_text){base.p, base.len};
	view.current = (struct event_text){sec->content, sec->content_len};
	rc = put_form(room, slot, FRAME_FULL, ev, &view);
	buf_release(&base);
	return rc;
}

/* Other forms of an event that readers in the room get, made while the state after it is at hand.
 */
static int seal_forms(struct room *room, struct slot *slot, const struct event *ev)
{
	struct event_view view = {0};
	const struct section *sec = NULL;

	if (ev->kind == EVENT_PARTICIPANT_JOINED && ev->user_email) {
		view.without_email = true;
		return put_form(room, slot, FRAME_NO_EMAIL, ev, &view);
	}
	if (room->readers_full == 0)
		return 0;
	if (ev->kind == EVENT_CONFLICT_DETECTED)
		return conflict_form(room, slot, ev);
	if (!ev->changes.delta)
		return 0;
	sec = session_section(&room->head, ev->section_id);
	view.content = sec && sec->content ? sec->content : "";
	view.content_len = sec ? sec->content_len : 0;
	return put_form(room, slot, FRAME_FULL, ev, &view);
}

/* What of an event readers are filtered by. */
static void describe(struct slot *slot, const struct event *ev)
{
	const char *author = event_author(ev);

	slot->kind = (int)ev->kind;
	slot->has_delta = ev->changes.delta != NULL;
	slot->has_email = ev->user_email != NULL;
	slot->user_hash = author ? hash64(0, author, strlen(author)) : 0;
	if (ev->section_id)
		slot->section_hash = hash64(0, ev->section_id, strlen(ev->section_id));
}

/* At level debug the log says what happened; what was written, only when asked (log_text). */
static void log_event(const struct room *room, const struct event *ev, const struct buf *json)
{
	const char *author = event_author(ev);
	bool text = room->hub->conf->log_text;

	hub_log(room->hub, LOG_DEBUG, "session %s: seq %lld: %s by %s%s%s", room->session_id,
	        (long long)ev->seq, event_type(ev->kind), author ? author : "the server",
	        text ? ": " : "", text ? json->p : "");
}

/*
 * Seal one event: its id, its place in the chain, its frame, its effect on the head.  Everything
 * that is read off the event is read before it is applied: it may lend from what it removes.
 */
static int seal(struct room *room, struct event *ev, bool answer, uint64_t origin, struct err *e)
{
	struct buf *out = &room->hub->scratch;
	unsigned char hash[SHA256_LEN];
	char event_id[UUID_LEN + 1];
	struct slot *slot = NULL;
	int rc;

	assert(ev->seq == room->head.seq + 1);
	hub_uuid(room->hub, event_id);
	ev->event_id = event_id;
	ev->session_id = room->session_id;
	buf_clear(out);
	rc = event_write(ev, room->head.hash, hash, out);
	if (!rc)
		rc = slots_push_event(&room->tail, &room->block, ev->seq, ev->time_ms, out->p,
		                      out->len);
	if (!rc && room->hub->conf->level >= LOG_DEBUG)
		log_event(room, ev, out);
	if (!rc) {
		slot = &room->tail.v[room->tail.len - 1];
		memcpy(slot->hash, hash, SHA256_LEN);
		slot->origin = origin;
		slot->sealed_us = hub_mono_us(room->hub);
		describe(slot, ev);
		rc = session_apply(&room->head, ev, e);
	}
	if (!rc) {
		memcpy(room->head.hash, hash, SHA256_LEN);
		rc = seal_forms(room, slot, ev);
		room->hub->metrics.events[ev->kind]++;
	}
	ev->event_id = NULL;
	if (answer)
		memcpy(room->event_id, event_id, sizeof room->event_id);
	return rc;
}

/* Hand the tail's newest n events to the store. */
static int store_newest(struct room *room, size_t n)
{
	struct store_record few[UNSTORED_MAX], *records = few;
	struct store_append a = {.key = room->key,
	                         .seq_expected = room->head.seq - (int64_t)n,
	                         .records_len = n,
	                         .due_ms = STORE_KEEP,
	                         .active = room->head.ended_ms ? 0 : STORE_KEEP};
	int64_t due = session_due_ms(&room->head);
	int rc;

	if (n > sizeof few / sizeof few[0]) {
		records = calloc(n, sizeof *records);
		if (!records)
			return ERR_NOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		const struct slot *s = &room->tail.v[room->tail.len - n + i];
		const struct frame *f = &s->frames[FRAME_STORED];

		records[i] = (struct store_record){
			s->seq, s->time_ms, f->block->bytes + f->at + f->head, f->len - f->head};
	}
	/* The stored due time may be early, never late: it moves back only when it has to. */
	if (due < room->due_stored_ms || room->head.ended_ms)
		room->due_stored_ms = a.due_ms = due;
	a.records = records;
	rc = store_append(room->hub->store, &a, room_appended, room);
	if (records != few)
		free(records);
	if (!rc) {
		room->pending++;
		room->appends++;
	}
	return rc;
}

/* Who is no participant any more hears that, and nothing after it. */
static void close_left(struct room *room, const struct decision *d)
{
	for (size_t i = 0; i < d->len; i++) {
		const struct event *ev = &d->events[i];

		if (ev->kind != EVENT_PARTICIPANT_LEFT)
			continue;
		for (struct conn *c = room->conns; c; c = c->next)
			if (strcmp(c->who.user_id, ev->user_id) == 0)
				conn_close_after(c, ev->seq, 4403, "removed from the session");
	}
}

/* What the store was not given is void; it was given what is up to `given`. */
static void append_failed(struct room *room, int64_t given, const struct err *why)
{
	room->unstored = 0;
	room_appends_lost(room, why, given);
	if (room->appends == 0)
		room_load(room);
	else
		room->seq_queued = given;
}

int room_store(struct room *room)
{
	int64_t given = room->head.seq - (int64_t)room->unstored;
	struct err why = {0};
	int rc = room->unstored > 0 ? store_newest(room, room->unstored) : 0;

	if (rc) {
		err_set(&why, rc, NULL);
		append_failed(room, given, &why);
	}
	room->unstored = 0;
	return rc;
}

/* Events were sealed: the store is given them now, or, in a burst, with what is sealed after. */
static int store_soon(struct room *room, size_t n)
{
	struct hub *h = room->hub;

	if (h->unstored && h->unstored != room)
		(void)room_store(h->unstored); /* whom it concerns has been told */
	h->unstored = h->burst ? room : NULL;
	room->unstored += n;
	return !h->burst || room->unstored >= UNSTORED_MAX ? room_store(room) : 0;
}

int room_append(struct room *room, const struct decision *d, uint64_t origin, struct err *e)
{
	int64_t given = room->head.seq - (int64_t)room->unstored;
	int rc = 0;

	for (size_t i = 0; !rc && i < d->len; i++)
		rc = seal(room, &d->events[i], i == d->answer, i == d->answer ? origin : 0, e);
	if (rc) {
		/* Half of it may be applied: only the log knows the truth now. */
		struct err why = {0};

		err_set(&why, rc, "%s", e->code ? e->text : err_row(rc)->text);
		append_failed(room, given, &why);
	} else {
		rc = store_soon(room, d->len);
	}
	if (rc)
		return err_set(e, ERR_STORE_UNAVAILABLE, NULL);
	room->used_ms = hub_mono(room->hub);
	if (room->tick_ms > room->used_ms + ROOM_SNAPSHOT_MS)
		room->tick_ms = room->used_ms + ROOM_SNAPSHOT_MS;
	close_left(room, d);
	if (room->head.ended_ms)
		room_ended(room);
	return 0;
}
