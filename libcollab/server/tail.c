/*
 * Frames: events as ready-made WebSocket frames in shared memory.
 *
 * A slot is one event; consecutive frames lie behind one another in a block, so that a reader that
 * takes several events gets one piece of memory.  Chunks are the same for what a reader behind the
 * tail gets from the store.
 */
#include "server/tail.h"

#include <stdlib.h>
#include <string.h>

#include "proto/event_json.h"
#include "proto/json_scan.h"
#include "proto/ws.h"
#include "server/conn.h"

enum { BLOCK_BYTES = 65536 };

enum { CHUNK_RECORDS = 2048, CHUNK_BYTES = 1 << 20, READS_MAX = 4 };

void block_unref(struct block *b)
{
	if (b && --b->refs == 0)
		free(b);
}

static struct block *block_new(size_t cap)
{
	struct block *b = malloc(sizeof *b + cap);

	if (b) {
		b->refs = 1;
		b->len = 0;
		b->cap = cap;
	}
	return b;
}

/* A frame of `json` at the end of *block, which is replaced by a new one when it is full. */
static int frame_put(struct block **block, const char *json, size_t len, struct frame *f)
{
	unsigned char header[WS_HEADER_MAX];
	size_t head = ws_frame_header(header, WS_TEXT, len, NULL);
	struct block *b = *block;

	if (!b || b->cap - b->len < head + len) {
		size_t cap = head + len > BLOCK_BYTES ? head + len : BLOCK_BYTES;

		b = block_new(cap);
		if (!b)
			return ERR_NOMEM;
		block_unref(*block);
		*block = b;
	}
	*f = (struct frame){b, (uint32_t)b->len, (uint32_t)(head + len), (uint32_t)head};
	memcpy(b->bytes + b->len, header, head);
	memcpy(b->bytes + b->len + head, json, len);
	b->len += head + len;
	b->refs++;
	return 0;
}

struct block *block_of_json(const char *json, size_t len, size_t *head)
{
	struct block *b = block_new(WS_HEADER_MAX + len);

	if (!b)
		return NULL;
	*head = ws_frame_header((unsigned char *)b->bytes, WS_TEXT, len, NULL);
	memcpy(b->bytes + *head, json, len);
	b->len = *head + len;
	return b;
}

static struct slot *slots_push(struct slots *s)
{
	if (s->len == s->cap) {
		size_t live = s->len - s->at, cap = live * 2 < 16 ? 16 : live * 2;
		struct slot *v = NULL;

		if (s->at > s->cap / 2) {
			memmove(s->v, s->v + s->at, live * sizeof *s->v);
		} else {
			v = malloc(cap * sizeof *v);
			if (!v)
				return NULL;
			if (live)
				memcpy(v, s->v + s->at, live * sizeof *v);
			free(s->v);
			s->v = v;
			s->cap = cap;
		}
		s->at = 0;
		s->len = live;
	}
	memset(&s->v[s->len], 0, sizeof s->v[s->len]);
	return &s->v[s->len++];
}

/* Whether bytes hold `what`; cheap and never wrong when the answer is no. */
static bool holds(const char *bytes, size_t len, const char *what)
{
	const char *p = bytes, *end = bytes + len;
	size_t n = strlen(what);

	while ((p = memchr(p, what[0], (size_t)(end - p)))) {
		if ((size_t)(end - p) < n)
			return false;
		if (memcmp(p, what, n) == 0)
			return true;
		p++;
	}
	return false;
}

int slots_push_event(struct slots *s, struct block **block, int64_t seq, int64_t time_ms,
                     const char *bytes, size_t len)
{
	struct slot *slot = slots_push(s);
	int rc;

	if (!slot)
		return ERR_NOMEM;
	slot->seq = seq;
	slot->time_ms = time_ms;
	slot->kind = -1;
	rc = frame_put(block, bytes, len, &slot->frames[FRAME_STORED]);
	if (rc)
		s->len--;
	else
		s->bytes += slot->frames[FRAME_STORED].len + sizeof *slot;
	return rc;
}

int slots_push_record(struct slots *s, struct block **block, int64_t seq, int64_t time_ms,
                      const char *bytes, size_t len)
{
	int rc = slots_push_event(s, block, seq, time_ms, bytes, len);

	if (!rc) {
		s->v[s->len - 1].has_delta = holds(bytes, len, "\"delta\":[");
		s->v[s->len - 1].has_email = holds(bytes, len, "\"user_email\":");
	}
	return rc;
}

int slot_frame(struct slots *s, struct slot *slot, int form, const char *json, size_t len,
               struct block **block)
{
	int rc = frame_put(block, json, len, &slot->frames[form]);

	if (!rc)
		s->bytes += len;
	return rc;
}

void slots_drop(struct slots *s)
{
	struct slot *slot = &s->v[s->at++];

	s->bytes -= slot->frames[FRAME_STORED].len + sizeof *slot;
	for (int i = 0; i < FRAMES; i++) {
		struct frame *f = &slot->frames[i];

		if (i != FRAME_STORED && f->block)
			s->bytes -= f->len - f->head;
		block_unref(f->block);
	}
}

void slots_release(struct slots *s)
{
	while (s->at < s->len)
		slots_drop(s);
	free(s->v);
	*s = (struct slots){0};
}

/* One member of a record.  false: what is needed is inside of it. */
static bool look_at(struct slot *slot, const struct json_member *m, bool *by)
{
	char hash[SHA256_HEX_LEN + 1], type[32];

	if (json_member_is(m, "comment") || json_member_is(m, "participant") ||
	    json_member_is(m, "resolved_by"))
		return false;
	if (json_member_is(m, "by") || (json_member_is(m, "user_id") && !*by)) {
		slot->user_hash = hash64(0, m->value, m->len);
		*by = json_member_is(m, "by");
	} else if (json_member_is(m, "section_id")) {
		slot->section_hash = hash64(0, m->value, m->len);
	} else if (json_member_is(m, "hash")) {
		return json_member_copy(m, hash, sizeof hash) &&
		       sha256_unhex(hash, slot->hash) == 0;
	} else if (json_member_is(m, "type")) {
		if (!json_member_copy(m, type, sizeof type))
			return false;
		slot->kind = event_kind_parse(type);
	}
	return true;
}

/* By what stands at the top of the record, as nearly all have it.  false: it must be parsed. */
static bool slot_scan(struct slot *slot, const char *json, size_t len)
{
	struct slot looked = *slot;
	struct json_scan s;
	struct json_member m;
	bool by = false;
	int rc;

	json_scan_init(&s, json, len);
	while ((rc = json_scan_next(&s, &m)) == 1)
		if (!look_at(&looked, &m, &by))
			return false;
	if (rc == 0 && looked.kind >= 0)
		*slot = looked;
	return slot->kind >= 0;
}

int slot_look(struct slot *slot)
{
	const struct frame *f = &slot->frames[FRAME_STORED];
	const char *json = NULL, *author = NULL;
	struct event_doc doc = {0};
	int rc;

	if (slot->kind >= 0)
		return 0;
	json = f->block->bytes + f->at + f->head;
	if (slot_scan(slot, json, f->len - f->head))
		return 0;
	rc = event_read(json, f->len - f->head, &doc, NULL);
	if (!rc) {
		slot->kind = (int)doc.ev.kind;
		author = event_author(&doc.ev);
		slot->user_hash = author ? hash64(0, author, strlen(author)) : 0;
		if (doc.ev.section_id)
			slot->section_hash =
				hash64(0, doc.ev.section_id, strlen(doc.ev.section_id));
		memcpy(slot->hash, doc.hash, SHA256_LEN);
	}
	event_doc_release(&doc);
	return rc;
}

/* ---- chunks -----------------------------------------------------------------------------------
 */

static void chunk_free(struct chunk *c)
{
	if (c) {
		slots_release(&c->slots);
		free(c);
	}
}

void chunks_release(struct room *room)
{
	for (int i = 0; i < CHUNKS; i++) {
		chunk_free(room->chunks[i]);
		room->chunks[i] = NULL;
	}
}

struct slot *room_slot(struct room *room, int64_t seq)
{
	if (seq > room->tail_after && seq <= room->head.seq)
		return &room->tail.v[room->tail.at + (size_t)(seq - room->tail_after - 1)];
	for (int i = 0; i < CHUNKS; i++) {
		struct chunk *c = room->chunks[i];

		if (c && seq > c->after && seq <= c->last) {
			c->used_ms = hub_mono(room->hub);
			return &c->slots.v[c->slots.at + (size_t)(seq - c->after - 1)];
		}
	}
	return NULL;
}

/* Keep a chunk in place of the one used least recently. */
static void chunk_keep(struct room *room, struct chunk *c)
{
	int oldest = 0;

	for (int i = 0; i < CHUNKS; i++) {
		if (!room->chunks[i]) {
			oldest = i;
			break;
		}
		if (room->chunks[i]->used_ms < room->chunks[oldest]->used_ms)
			oldest = i;
	}
	chunk_free(room->chunks[oldest]);
	room->chunks[oldest] = c;
}

static struct chunk *chunk_of_reply(const struct store_reply *reply)
{
	struct chunk *c = calloc(1, sizeof *c);
	struct block *block = NULL;
	int rc = c ? 0 : ERR_NOMEM;

	for (size_t i = 0; !rc && i < reply->records_len; i++) {
		const struct store_record *r = &reply->records[i];

		rc = slots_push_record(&c->slots, &block, r->seq, r->time_ms, r->bytes, r->len);
	}
	block_unref(block);
	if (rc) {
		chunk_free(c);
		return NULL;
	}
	c->after = reply->records[0].seq - 1;
	c->last = reply->records[reply->records_len - 1].seq;
	return c;
}

static void chunk_came(void *arg, const struct store_reply *reply)
{
	struct room *room = arg;
	struct chunk *c = NULL;

	room->reads--;
	room->pending--;
	if (!reply->rc && reply->records_len > 0 && !room->reads_stale)
		c = chunk_of_reply(reply);
	if (room->reads == 0)
		room->reads_stale = false;
	if (c) {
		c->used_ms = hub_mono(room->hub);
		chunk_keep(room, c);
	}
	for (struct conn *conn = room->conns; conn; conn = conn->next) {
		if (!conn->waits_chunk)
			continue;
		conn->waits_chunk = false;
		if (!reply->rc)
			conn_want(conn);
		else /* the client resumes; by then the store may be well again */
			conn_close_after(conn, conn->sent, 1013, "the log cannot be read");
	}
}

void room_read(struct room *room, int64_t after)
{
	if (room->reads >= READS_MAX)
		return;
	if (store_read(room->hub->store, room->key, after, CHUNK_RECORDS, CHUNK_BYTES, chunk_came,
	               room) == 0) {
		room->reads++;
		room->pending++;
	}
}
