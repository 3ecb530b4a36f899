/*
 * What the backends share: a request with its own copies of the arguments and room for the reply.
 *
 * A backend's struct begins with a struct store_base, its table of operations with
 * STORE_REQUEST_OPS; every operation then becomes a struct store_request that is handed to
 * base->submit.  The backend fills in the reply with the functions below, on any thread, and gives
 * the request back on the owner's thread with store_request_finish().
 */
#ifndef COLLAB_STORE_REQUEST_H
#define COLLAB_STORE_REQUEST_H

#include "base/buf.h"
#include "store/store.h"

enum store_request_kind {
	STORE_REQUEST_CREATE,
	STORE_REQUEST_APPEND,
	STORE_REQUEST_SNAPSHOT_PUT,
	STORE_REQUEST_REWRITE,
	STORE_REQUEST_SCRUB,
	STORE_REQUEST_READ, /* this and what follows only read */
	STORE_REQUEST_SEEK,
	STORE_REQUEST_SNAPSHOT_GET,
	STORE_REQUEST_FIND,
	STORE_REQUEST_LIST,
	STORE_REQUEST_DUE
};

/* Arguments that an operation does not have are zero or NULL. */
struct store_request {
	struct store_request *next; /* in the backend's queue */
	enum store_request_kind kind;
	store_fn *fn;
	void *arg;

	int64_t key;      /* list: after this one */
	int64_t seq;      /* append: expected; read: after; snapshots: its own or the highest */
	int64_t time_ms;  /* seek, due */
	int64_t due_ms;   /* append, snapshot_put */
	int active;       /* append, list */
	enum store_by by; /* find */
	size_t limit;     /* read: records; list, due: rows */
	size_t bytes_max; /* read */
	struct store_session *row;    /* create */
	struct store_record *records; /* append, create */
	size_t records_len;
	struct store_record *replaced; /* rewrite */
	size_t replaced_len;
	bool erases;       /* rewrite */
	int64_t floor;     /* rewrite */
	const char *bytes; /* snapshot_put; create, rewrite: the base, or NULL */
	size_t len;
	const char *text; /* find: the id; list: the report; snapshot_put: the summary */
	int64_t failures; /* for a backend that counts its failed commits */

	struct store_reply reply;
	size_t cap;      /* of reply.sessions or reply.records */
	struct buf held; /* the bytes the reply points to, in the order of what points to them */
};

/* A list of requests, first in, first out. */
struct store_request_list {
	struct store_request *first, *last;
};

struct store_base {
	struct store store;
	void (*submit)(struct store_base *b, struct store_request *r); /* takes r, cannot fail */
	int64_t pending;                                               /* submitted, not finished */
};

int store_request_create(struct store *s, const struct store_session *row,
                         const struct store_append *first, const char *base, size_t base_len,
                         store_fn *fn, void *arg);
int store_request_append(struct store *s, const struct store_append *a, store_fn *fn, void *arg);
int store_request_rewrite(struct store *s, const struct store_rewrite *w, store_fn *fn, void *arg);
int store_request_scrub(struct store *s, store_fn *fn, void *arg);
int store_request_read(struct store *s, int64_t key, int64_t after_seq, size_t records_max,
                       size_t bytes_max, store_fn *fn, void *arg);
int store_request_seek(struct store *s, int64_t key, int64_t time_ms, store_fn *fn, void *arg);
int store_request_snapshot_put(struct store *s, int64_t key, int64_t seq, const char *bytes,
                               size_t len, const char *summary, int64_t due_ms, store_fn *fn,
                               void *arg);
int store_request_snapshot_get(struct store *s, int64_t key, int64_t seq_max, store_fn *fn,
                               void *arg);
int store_request_find(struct store *s, enum store_by by, const char *id, store_fn *fn, void *arg);
int store_request_list(struct store *s, const struct store_query *q, store_fn *fn, void *arg);
int store_request_due(struct store *s, int64_t before_ms, size_t limit, store_fn *fn, void *arg);

#define STORE_REQUEST_OPS                                                                          \
	.create = store_request_create, .append = store_request_append,                            \
	.rewrite = store_request_rewrite, .scrub = store_request_scrub,                            \
	.read = store_request_read, .seek = store_request_seek,                                    \
	.snapshot_put = store_request_snapshot_put, .snapshot_get = store_request_snapshot_get,    \
	.find = store_request_find, .list = store_request_list, .due = store_request_due

/* Throw away what the reply holds and make it say `code`, which is returned. */
int store_request_fail(struct store_request *r, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Add a copy of row, or of record, to the reply.  0, or ERR_NOMEM: then the reply says so. */
int store_request_add_session(struct store_request *r, const struct store_session *row);
int store_request_add_record(struct store_request *r, const struct store_record *record);

/* The reply is this snapshot.  0, or ERR_NOMEM: then the reply says so. */
int store_request_set_snapshot(struct store_request *r, int64_t seq, const char *bytes, size_t len);

/* Call back, and free r. */
void store_request_finish(struct store_base *b, struct store_request *r);

/* Free r without a call. */
void store_request_free(struct store_request *r);

/* Add r, or all of `more` (left empty), to the end; take the first (NULL: none). */
void store_request_push(struct store_request_list *l, struct store_request *r);
void store_request_join(struct store_request_list *l, struct store_request_list *more);
struct store_request *store_request_pop(struct store_request_list *l);

/* Free all of a list without a call. */
void store_request_drop(struct store_request_list *l);

/*
 * The seqs whose snapshots compete with that of seq: after *low, up to *high.  Only the newest of
 * them is kept, which leaves the newest at or below each multiple of 10,000.
 */
void store_snapshot_span(int64_t seq, int64_t *low, int64_t *high);

/* Count value in a histogram of struct store_stats. */
void store_bucket_add(int64_t buckets[STORE_BUCKETS], int64_t value);

#endif
