/* Requests: copies of their arguments, and replies that own what they point to. */
#include "store/request.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 1000, SNAPSHOT_SPAN = 10000 };

/* A request with `extra` bytes behind it, for copies of arguments. */
static struct store_request *request_new(enum store_request_kind kind, size_t extra, store_fn *fn,
                                         void *arg)
{
	struct store_request *r = malloc(sizeof *r + extra);

	if (!r)
		return NULL;
	*r = (struct store_request){.kind = kind, .fn = fn, .arg = arg};
	buf_init(&r->held, SIZE_MAX / 4);
	return r;
}

static int submit(struct store *s, struct store_request *r)
{
	struct store_base *b = (struct store_base *)s;

	b->pending++;
	b->submit(b, r);
	return 0;
}

/* Copy len bytes and a NUL to *at, and move *at behind them. */
static char *put_bytes(char **at, const char *bytes, size_t len)
{
	char *p = *at;

	if (len)
		memcpy(p, bytes, len);
	p[len] = '\0';
	*at += len + 1;
	return p;
}

static size_t records_bytes(const struct store_append *a)
{
	size_t n = a->records_len * sizeof *a->records;

	for (size_t i = 0; i < a->records_len; i++)
		n += a->records[i].len + 1;
	return n;
}

/* Copy a's records to `at`, which is aligned for them; gives back where they end. */
static char *put_records(struct store_request *r, char *at, const struct store_append *a)
{
	r->records = (struct store_record *)(void *)at;
	r->records_len = a->records_len;
	at += a->records_len * sizeof *a->records;
	for (size_t i = 0; i < a->records_len; i++) {
		r->records[i] = a->records[i];
		r->records[i].seq = a->seq_expected + 1 + (int64_t)i;
		r->records[i].bytes = put_bytes(&at, a->records[i].bytes, a->records[i].len);
	}
	return at;
}

int store_request_create(struct store *s, const struct store_session *row,
                         const struct store_append *first, const char *base, size_t base_len,
                         store_fn *fn, void *arg)
{
	const char *summary = row->summary ? row->summary : "{}";
	size_t extra = sizeof *row + records_bytes(first) + strlen(summary) + 1 + base_len + 1;
	struct store_request *r = request_new(STORE_REQUEST_CREATE, extra, fn, arg);
	char *at = NULL;

	if (!r)
		return ERR_NOMEM;
	assert(first->seq_expected == (base ? row->floor : 0));
	r->row = (struct store_session *)(void *)(r + 1);
	*r->row = *row;
	at = put_records(r, (char *)(r->row + 1), first);
	r->row->summary = put_bytes(&at, summary, strlen(summary));
	if (base) {
		r->bytes = put_bytes(&at, base, base_len);
		r->len = base_len;
	}
	r->row->floor = first->seq_expected;
	r->row->seq = first->seq_expected + (int64_t)first->records_len;
	r->row->updated_ms = row->created_ms;
	if (first->records_len)
		r->row->updated_ms = first->records[first->records_len - 1].time_ms;
	return submit(s, r);
}

int store_request_append(struct store *s, const struct store_append *a, store_fn *fn, void *arg)
{
	struct store_request *r = request_new(STORE_REQUEST_APPEND, records_bytes(a), fn, arg);

	if (!r)
		return ERR_NOMEM;
	r->key = a->key;
	r->seq = a->seq_expected;
	r->due_ms = a->due_ms;
	r->active = a->active;
	(void)put_records(r, (char *)(r + 1), a); /* nothing follows them */
	return submit(s, r);
}

int store_request_rewrite(struct store *s, const struct store_rewrite *w, store_fn *fn, void *arg)
{
	struct store_append replaced = {.records = w->records, .records_len = w->records_len};
	size_t extra = records_bytes(&w->append) + records_bytes(&replaced) +
	               _Alignof(struct store_record) + w->base_len + 1;
	struct store_request *r = request_new(STORE_REQUEST_REWRITE, extra, fn, arg);
	char *at = NULL;

	if (!r)
		return ERR_NOMEM;
	r->key = w->append.key;
	r->seq = w->append.seq_expected;
	r->due_ms = w->append.due_ms;
	r->active = w->append.active;
	r->floor = w->floor;
	r->erases = w->erases;
	at = (char *)(r + 1);
	/* The records themselves come first, so that they are aligned. */
	r->replaced = (struct store_record *)(void *)at;
	r->replaced_len = w->records_len;
	at += w->records_len * sizeof *r->replaced;
	at = put_records(r, at, &w->append);
	for (size_t i = 0; i < w->records_len; i++) {
		r->replaced[i] = w->records[i];
		r->replaced[i].bytes = put_bytes(&at, w->records[i].bytes, w->records[i].len);
	}
	if (w->base) {
		r->bytes = put_bytes(&at, w->base, w->base_len);
		r->len = w->base_len;
	}
	return submit(s, r);
}

int store_request_scrub(struct store *s, store_fn *fn, void *arg)
{
	struct store_request *r = request_new(STORE_REQUEST_SCRUB, 0, fn, arg);

	return r ? submit(s, r) : ERR_NOMEM;
}

int store_request_read(struct store *s, int64_t key, int64_t after_seq, size_t records_max,
                       size_t bytes_max, store_fn *fn, void *arg)
{
	struct store_request *r = request_new(STORE_REQUEST_READ, 0, fn, arg);

	if (!r)
		return ERR_NOMEM;
	assert(records_max >= 1);
	r->key = key;
	r->seq = after_seq;
	r->limit = records_max;
	r->bytes_max = bytes_max;
	return submit(s, r);
}

int store_request_seek(struct store *s, int64_t key, int64_t time_ms, store_fn *fn, void *arg)
{
	struct store_request *r = request_new(STORE_REQUEST_SEEK, 0, fn, arg);

	if (!r)
		return ERR_NOMEM;
	r->key = key;
	r->time_ms = time_ms;
	return submit(s, r);
}

int store_request_snapshot_put(struct store *s, int64_t key, int64_t seq, const char *bytes,
                               size_t len, const char *summary, int64_t due_ms, store_fn *fn,
                               void *arg)
{
	size_t extra = len + 1 + (summary ? strlen(summary) + 1 : 0);
	struct store_request *r = request_new(STORE_REQUEST_SNAPSHOT_PUT, extra, fn, arg);
	char *at = NULL;

	if (!r)
		return ERR_NOMEM;
	at = (char *)(r + 1);
	r->key = key;
	r->seq = seq;
	r->due_ms = due_ms;
	r->bytes = put_bytes(&at, bytes, len);
	r->len = len;
	if (summary)
		r->text = put_bytes(&at, summary, strlen(summary));
	return submit(s, r);
}

int store_request_snapshot_get(struct store *s, int64_t key, int64_t seq_max, store_fn *fn,
                               void *arg)
{
	struct store_request *r = request_new(STORE_REQUEST_SNAPSHOT_GET, 0, fn, arg);

	if (!r)
		return ERR_NOMEM;
	r->key = key;
	r->seq = seq_max;
	return submit(s, r);
}

int store_request_find(struct store *s, enum store_by by, const char *id, store_fn *fn, void *arg)
{
	struct store_request *r = request_new(STORE_REQUEST_FIND, strlen(id) + 1, fn, arg);
	char *at = NULL;

	if (!r)
		return ERR_NOMEM;
	at = (char *)(r + 1);
	r->by = by;
	r->text = put_bytes(&at, id, strlen(id));
	return submit(s, r);
}

static size_t rows_limit(size_t limit)
{
	return limit < 1 ? 1 : limit > ROWS_MAX ? ROWS_MAX : limit;
}

int store_request_list(struct store *s, const struct store_query *q, store_fn *fn, void *arg)
{
	size_t len = q->report_id ? strlen(q->report_id) : 0;
	struct store_request *r = request_new(STORE_REQUEST_LIST, len + 1, fn, arg);
	char *at = NULL;

	if (!r)
		return ERR_NOMEM;
	at = (char *)(r + 1);
	r->active = q->active;
	r->key = q->after_key;
	r->limit = rows_limit(q->limit);
	if (q->report_id)
		r->text = put_bytes(&at, q->report_id, len);
	return submit(s, r);
}

int store_request_due(struct store *s, int64_t before_ms, size_t limit, store_fn *fn, void *arg)
{
	struct store_request *r = request_new(STORE_REQUEST_DUE, 0, fn, arg);

	if (!r)
		return ERR_NOMEM;
	r->time_ms = before_ms;
	r->limit = rows_limit(limit);
	return submit(s, r);
}

/* ---- replies ---- */

static void reply_clear(struct store_request *r)
{
	free(r->reply.sessions);
	free(r->reply.records);
	buf_clear(&r->held);
	r->reply = (struct store_reply){0};
	r->cap = 0;
}

int store_request_fail(struct store_request *r, int code, const char *fmt, ...)
{
	char text[sizeof r->reply.err.text];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap); /* cutting is meant */
	va_end(ap);
	reply_clear(r);
	r->reply.rc = err_set(&r->reply.err, code, "%s", text);
	return code;
}

static int no_memory(struct store_request *r)
{
	return store_request_fail(r, ERR_NOMEM, "%s", err_row(ERR_NOMEM)->text);
}

/* Room for one more element of `size` bytes in the array *v of len elements. */
static int reserve(struct store_request *r, void **v, size_t len, size_t size)
{
	size_t cap = r->cap ? r->cap * 2 : 2;
	void *p = NULL;

	if (len < r->cap)
		return 0;
	p = realloc(*v, cap * size);
	if (!p)
		return ERR_NOMEM;
	*v = p;
	r->cap = cap;
	return 0;
}

int store_request_add_session(struct store_request *r, const struct store_session *row)
{
	struct store_reply *reply = &r->reply;
	void *v = reply->sessions;

	if (reserve(r, &v, reply->sessions_len, sizeof *row))
		return no_memory(r);
	reply->sessions = v;
	buf_put(&r->held, row->summary, strlen(row->summary) + 1);
	if (buf_error(&r->held))
		return no_memory(r);
	reply->sessions[reply->sessions_len++] = *row;
	return 0;
}

int store_request_add_record(struct store_request *r, const struct store_record *record)
{
	struct store_reply *reply = &r->reply;
	void *v = reply->records;

	if (reserve(r, &v, reply->records_len, sizeof *record))
		return no_memory(r);
	reply->records = v;
	buf_put(&r->held, record->bytes, record->len);
	buf_putc(&r->held, '\0');
	if (buf_error(&r->held))
		return no_memory(r);
	reply->records[reply->records_len++] = *record;
	return 0;
}

int store_request_set_snapshot(struct store_request *r, int64_t seq, const char *bytes, size_t len)
{
	buf_put(&r->held, bytes, len);
	buf_putc(&r->held, '\0');
	if (buf_error(&r->held))
		return no_memory(r);
	r->reply.seq = seq;
	r->reply.snapshot = r->held.p;
	r->reply.snapshot_len = len;
	return 0;
}

/* The held bytes moved while they grew; now they stay. */
static void settle(struct store_request *r)
{
	struct store_reply *reply = &r->reply;
	const char *p = r->held.p;

	for (size_t i = 0; i < reply->sessions_len; i++) {
		reply->sessions[i].summary = p;
		p += strlen(p) + 1;
	}
	for (size_t i = 0; i < reply->records_len; i++) {
		reply->records[i].bytes = p;
		p += reply->records[i].len + 1;
	}
}

void store_request_finish(struct store_base *b, struct store_request *r)
{
	b->pending--;
	settle(r);
	r->fn(r->arg, &r->reply);
	store_request_free(r);
}

void store_request_free(struct store_request *r)
{
	reply_clear(r);
	buf_release(&r->held);
	free(r);
}

/* ---- lists, and what both count alike ---- */

void store_request_push(struct store_request_list *l, struct store_request *r)
{
	r->next = NULL;
	if (l->last)
		l->last->next = r;
	else
		l->first = r;
	l->last = r;
}

void store_request_join(struct store_request_list *l, struct store_request_list *more)
{
	if (!more->first)
		return;
	if (l->last)
		l->last->next = more->first;
	else
		l->first = more->first;
	l->last = more->last;
	*more = (struct store_request_list){0};
}

struct store_request *store_request_pop(struct store_request_list *l)
{
	struct store_request *r = l->first;

	if (r) {
		l->first = r->next;
		if (!l->first)
			l->last = NULL;
	}
	return r;
}

void store_request_drop(struct store_request_list *l)
{
	struct store_request *r = NULL;

	while ((r = store_request_pop(l)))
		store_request_free(r);
}

void store_snapshot_span(int64_t seq, int64_t *low, int64_t *high)
{
	*low = seq > 0 ? (seq - 1) / SNAPSHOT_SPAN * SNAPSHOT_SPAN : -SNAPSHOT_SPAN;
	*high = *low + SNAPSHOT_SPAN;
}

void store_bucket_add(int64_t buckets[STORE_BUCKETS], int64_t value)
{
	int i = 0;

	while (i < STORE_BUCKETS - 1 && value >= INT64_C(1) << i)
		i++;
	buckets[i]++;
}
