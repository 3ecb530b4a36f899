/* Rebuilding a session's state from the store: a snapshot, then the records after it. */
#include "server/fold.h"

#include <stdlib.h>
#include <string.h>

#include "proto/event_json.h"

enum { FOLD_RECORDS = 4096, FOLD_BYTES = 4 << 20 };

static void read_more(struct fold *f);

void fold_free(struct fold *f)
{
	if (f->prev)
		f->prev->next = f->next;
	else
		f->hub->folds = f->next;
	if (f->next)
		f->next->prev = f->prev;
	session_release(&f->session);
	free(f);
}

static void finish(struct fold *f, int rc, const struct err *e)
{
	f->rc = rc;
	if (e)
		f->err = *e;
	if (!f->cancelled)
		f->done(f->arg, f);
	fold_free(f);
}

/* Apply one stored record; its hash becomes the state's. */
static int fold_record(struct fold *f, const struct store_record *r, struct err *e)
{
	struct event_doc doc = {0};
	int rc = event_read(r->bytes, r->len, &doc, e);

	if (!rc && doc.ev.seq != f->session.seq + 1)
		rc = err_set(e, ERR_CORRUPT, "record %lld is out of order", (long long)r->seq);
	if (!rc)
		rc = session_apply(&f->session, &doc.ev, e);
	if (!rc)
		memcpy(f->session.hash, doc.hash, SHA256_LEN);
	event_doc_release(&doc);
	return rc;
}

static void records_came(void *arg, const struct store_reply *reply)
{
	struct fold *f = arg;
	struct err e = reply->err;
	int rc = f->cancelled ? ERR_INTERNAL : reply->rc;
	bool end = false;

	for (size_t i = 0; !rc && !end && i < reply->records_len; i++) {
		end = reply->records[i].seq > f->seq_max;
		if (!end)
			rc = fold_record(f, &reply->records[i], &e);
	}
	if (rc || end || !reply->more || f->session.seq >= f->seq_max)
		finish(f, rc, &e);
	else
		read_more(f);
}

static void read_more(struct fold *f)
{
	int rc = store_read(f->hub->store, f->key, f->session.seq, FOLD_RECORDS, FOLD_BYTES,
	                    records_came, f);

	if (rc) {
		struct err e = {0};

		finish(f, err_set(&e, rc, NULL), &e);
	}
}

static void snapshot_came(void *arg, const struct store_reply *reply)
{
	struct fold *f = arg;
	struct err e = reply->err;
	int rc = f->cancelled ? ERR_INTERNAL : reply->rc;

	if (!rc && reply->snapshot)
		rc = state_read(reply->snapshot, reply->snapshot_len, &f->session, &e);
	f->from_seq = f->session.seq;
	if (rc)
		finish(f, rc, &e);
	else if (f->session.seq >= f->seq_max)
		finish(f, 0, NULL);
	else
		read_more(f);
}

struct fold *fold_start(struct hub *h, int64_t key, int64_t from_max, int64_t seq_max,
                        size_t history_max, fold_fn *done, void *arg)
{
	struct fold *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->hub = h;
	f->key = key;
	f->seq_max = seq_max;
	f->history_max = history_max;
	f->done = done;
	f->arg = arg;
	session_init(&f->session, (size_t)h->limits->refs, history_max);
	f->next = h->folds;
	if (f->next)
		f->next->prev = f;
	h->folds = f;
	if (store_snapshot_get(h->store, key, from_max, snapshot_came, f)) {
		fold_free(f);
		return NULL;
	}
	return f;
}

void fold_cancel(struct fold *f)
{
	if (f)
		f->cancelled = true;
}
