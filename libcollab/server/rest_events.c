/*
 * REST: the log as stored -- a page of JSON, NDJSON to a given end, or server-sent events that go
 * on live.  Streams are connections like WebSockets, only framed otherwise.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/event_json.h"
#include "proto/json_out.h"
#include "server/conn.h"
#include "server/exchange.h"
#include "server/room.h"

enum { PAGE_DEFAULT = 1000, PAGE_MAX = 10000, PAGE_BYTES = 4 << 20, SCAN = 1000 };

/* What the query asks of a page. */
struct page {
	struct filter *filter;
	int64_t until, limit;
	bool without_email;
	int64_t next; /* seq to go on after, or EVENT_ABSENT: the end was reached */
};

static void page_free(void *page)
{
	struct page *p = page;

	if (p)
		free(p->filter);
	free(p);
}

/* Whether one of the ranges of an Accept header is this (RFC 9110 section 12.5.1, without q). */
static bool accepts(const char *accept, const char *range)
{
	size_t n = strlen(range);

	while (*accept) {
		size_t len;

		accept += strspn(accept, " \t,");
		len = strcspn(accept, " \t,;");
		if (len == n && strncasecmp(accept, range, n) == 0)
			return true;
		accept += len;
		accept += strcspn(accept, ",");
	}
	return false;
}

/* A page of JSON is FRAMING_WS: it is no stream.  -1: what is wanted is not to be had. */
static int framing_of(const struct exchange *x)
{
	static const char *const json[] = {"application/json", "application/*", "*/*"};
	const char *accept = x->request->accept;

	if (!accept || !*accept)
		return FRAMING_WS;
	if (accepts(accept, "text/event-stream"))
		return FRAMING_SSE;
	if (accepts(accept, "application/x-ndjson"))
		return FRAMING_NDJSON;
	for (size_t i = 0; i < sizeof json / sizeof json[0]; i++)
		if (accepts(accept, json[i]))
			return FRAMING_WS;
	return accepts(accept, "text/*") ? FRAMING_SSE : -1;
}

static void read_page(struct exchange *x);

static void page_done(struct exchange *x)
{
	struct page *p = x->more;
	struct buf *out = &x->response.body;

	buf_puts(out, "],\"next\":");
	if (p->next == EVENT_ABSENT)
		buf_puts(out, "null");
	else
		buf_put_i64(out, p->next);
	buf_printf(out, ",\"seq\":%lld,\"session_id\":\"%s\"", (long long)x->room->committed,
	           x->room->session_id);
	/* Their hashes do not follow from such events: who verifies must know. */
	if (p->without_email)
		buf_puts(out, ",\"without_email\":true");
	buf_putc(out, '}');
	x->response.content_type = "application/json";
	exchange_answer(x);
}

/* Put one record on the page, if it is wanted. */
static int put_record(struct exchange *x, const struct store_record *r)
{
	struct page *p = x->more;
	struct buf *out = &x->response.body;
	struct slots slots = {0};
	struct block *block = NULL;
	struct event_doc doc = {0};
	struct event_view view = {.without_email = true};
	struct slot *slot = NULL;
	int rc = slots_push_record(&slots, &block, r->seq, r->time_ms, r->bytes, r->len);

	if (!rc)
		slot = &slots.v[0];
	if (!rc && p->filter)
		rc = slot_look(slot);
	if (!rc && (!p->filter || filter_match(p->filter, slot))) {
		json_comma(out);
		if (p->without_email && slot->has_email) {
			rc = event_read(r->bytes, r->len, &doc, NULL);
			if (!rc)
				event_write_view(&doc.ev, doc.hash, &view, out);
			event_doc_release(&doc);
		} else {
			buf_put(out, r->bytes, r->len);
		}
		x->count++;
	}
	slots_release(&slots);
	block_unref(block);
	return rc;
}

static void records_came(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;
	struct page *p = x->more;
	struct err e = reply->err;
	int rc = reply->rc;
	bool end = !reply->more;

	x->pending--;
	if (x->aborted) {
		exchange_free(x);
		return;
	}
	for (size_t i = 0; !rc && i < reply->records_len; i++) {
		const struct store_record *r = &reply->records[i];

		if (r->seq > p->until || r->seq > x->room->committed) {
			end = true;
			break;
		}
		if (x->count >= p->limit || x->response.body.len >= PAGE_BYTES) {
			p->next = x->cursor;
			end = true;
			break;
		}
		rc = put_record(x, r);
		x->cursor = r->seq;
		if (rc)
			err_set(&e, rc, NULL);
	}
	if (rc) {
		exchange_error(x, &e, NULL);
	} else if (end) {
		page_done(x);
	} else {
		read_page(x);
	}
}

static void read_page(struct exchange *x)
{
	struct err e = {0};

	if (store_read(x->hub->store, x->room->key, x->cursor, SCAN, PAGE_BYTES, records_came, x) ==
	    0) {
		x->pending++;
		return;
	}
	err_set(&e, ERR_NOMEM, NULL);
	exchange_error(x, &e, NULL);
}

static void begin_page(struct exchange *x)
{
	if (!exchange_may_answer(x, PAGE_BYTES))
		return;
	buf_puts(&x->response.body, "{\"events\":[");
	read_page(x);
}

static void stream(struct exchange *x, enum framing framing, struct page *p)
{
	struct room *room = x->room;
	struct conn *c = conn_new(x, framing);
	struct err e = {0};
	int64_t since = x->cursor;
	bool live = framing == FRAMING_SSE;

	if (!c) {
		err_set(&e, ERR_NOMEM, NULL);
		exchange_error(x, &e, NULL);
		return;
	}
	c->silent = true;
	c->filter = p->filter;
	p->filter = NULL;
	c->without_email = p->without_email;
	c->until = p->until;
	if (!live && c->until > room->committed)
		c->until = room->committed;
	x->hub->transport.stream(x->sock, c, live ? "text/event-stream" : "application/x-ndjson",
	                         "");
	exchange_free(x);
	conn_join(c, since, true, NULL);
	if (live && room_over(room))
		room_ended(room);
}

static void begin(struct exchange *x)
{
	int framing = framing_of(x);
	struct page *p = x->more;
	struct err e = {0};

	/* From its beginning means from where it begins; what lies between is gone. */
	if (x->cursor > 0 && x->cursor < x->room->floor) {
		err_field(&e, ERR_BASE_TOO_OLD, "since", "the log begins after seq %lld",
		          (long long)x->room->floor);
		exchange_error(x, &e, NULL);
		return;
	}
	/* The log that its reader knew is gone: to wait until this one is as long would be a gap.
	 */
	if (framing == FRAMING_SSE && x->cursor > x->room->committed) {
		err_field(&e, ERR_BAD_FIELD, "since", "the log ends at seq %lld",
		          (long long)x->room->committed);
		exchange_error(x, &e, NULL);
		return;
	}
	if (framing == FRAMING_WS) {
		exchange_in_turn(x, begin_page);
	} else {
		stream(x, (enum framing)framing, p);
	}
}

static void events_room(struct exchange *x)
{
	const char *since = query_get(x->query, "since");
	struct page *p = calloc(1, sizeof *p);
	struct err e = {0};
	int rc = p ? exchange_may_read(x, &e) : err_set(&e, ERR_NOMEM, NULL);

	x->more = p;
	x->more_free = page_free;
	if (!rc) {
		p->until = INT64_MAX;
		p->limit = framing_of(x) == FRAMING_WS ? PAGE_DEFAULT : INT64_MAX;
		p->next = EVENT_ABSENT;
		/* An administrator verifies and exports the log as it is stored, but watches it as
		 * anybody else who does not take part. */
		p->without_email = exchange_without_email(x) &&
		                   (framing_of(x) == FRAMING_SSE || !(x->who.scopes & SCOPE_ADMIN));
		rc = query_int(x->query, "until", 0, INT64_MAX, &p->until, &e);
	}
	if (!rc)
		rc = query_int(x->query, "limit", 1, PAGE_MAX, &p->limit, &e);
	if (!rc)
		rc = filter_parse(x->query, &p->filter, &e);
	if (rc) {
		exchange_error(x, &e, NULL);
		return;
	}
	if (x->request->last_event_id && framing_of(x) == FRAMING_SSE)
		since = x->request->last_event_id;
	exchange_since(x, "since", since, x->room->head.floor, begin);
}

void rest_events(struct exchange *x)
{
	struct err e = {0};

	if (framing_of(x) >= 0) {
		exchange_find(x, STORE_BY_REPORT_LATEST, events_room);
		return;
	}
	err_set(&e, ERR_NOT_ACCEPTABLE,
	        "events are application/json, application/x-ndjson or text/event-stream");
	exchange_error(x, &e, NULL);
}
