/*
 * The store: durable logs of opaque records, snapshots, and a directory of sessions.
 *
 * It promises only what a replicated log can promise too:
 *  - append is conditional on the last seq the caller knew, and all or nothing;
 *  - every request completes later, by callback, from store_poll() on the thread that owns the
 *    store -- never from inside the call that made it;
 *  - appends of one session complete in the order they were made; an append that is reported
 *    done is on stable storage (fsynced); only finished records are ever read;
 *  - snapshots are shortcuts that can be thrown away;
 *  - a report has at most one active session: created by compare-and-set.
 *
 * The store knows records by session key, seq and time, and nothing of what is in them.
 * All strings and bytes passed in are copied before the call returns (or lent where said so).
 * All calls are made from one thread; `wake` is called from any thread when store_poll() has work,
 * or when a store that could not be written, or scrubbed, can be again.
 * A request that cannot even be queued (out of memory) returns ERR_NOMEM and its callback is never
 * called; in every other case 0 is returned and the callback is called exactly once.
 */
#ifndef COLLAB_STORE_STORE_H
#define COLLAB_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ids.h"

/* One record.  `bytes` ends in a NUL that len does not count when read; need not when appended. */
struct store_record {
	int64_t seq;     /* filled in when read; on append it follows from seq_expected */
	int64_t time_ms; /* milliseconds since 1970; never less than the record's before */
	const char *bytes;
	size_t len;
};

/* A session's row in the directory. */
struct store_session {
	int64_t key; /* the store's own number for it, > 0; dense and never re-used */
	char session_id[UUID_LEN + 1];
	char report_id[NAME_LEN_MAX + 1];
	bool active;
	int64_t seq;         /* of the last committed record */
	int64_t floor;       /* records up to here are gone (compaction); 0: none */
	int64_t created_ms;  /* when the session was created */
	int64_t updated_ms;  /* time of the last record */
	int64_t due_ms;      /* when it wants to be opened by itself; STORE_NEVER: not */
	const char *summary; /* an opaque JSON object for listings, at most some seconds old */
};

#define STORE_NEVER INT64_MAX

/* What a callback is told; everything in it is lent until the callback returns. */
struct store_reply {
	int rc;         /* 0 or ERR_* */
	struct err err; /* set when rc is not 0 */

	struct store_session *sessions; /* find, list, due, create; the rival with ERR_EXISTS */
	size_t sessions_len;

	struct store_record *records; /* read */
	size_t records_len;
	bool more; /* read: there are committed records after these; list, due: more rows */

	int64_t seq; /* append, create: the last; seek: the one found; snapshots: theirs, 0: none */
	const char *snapshot; /* snapshot_get: its bytes, NUL-terminated, or NULL */
	size_t snapshot_len;
};

typedef void store_fn(void *arg, const struct store_reply *reply);

struct store_append {
	int64_t key;
	int64_t seq_expected; /* the records get seq_expected + 1, + 2, … */
	const struct store_record *records;
	size_t records_len;
	int64_t due_ms; /* new due time, or STORE_KEEP */
	int active;     /* 0 or 1: set it; STORE_KEEP: leave it */
};

#define STORE_KEEP (-1)

/* A change of the log itself. */
struct store_rewrite {
	struct store_append append;         /* what tells of it; its records are sealed as ever */
	const struct store_record *records; /* seq, bytes, len: they take the old ones' place */
	size_t records_len;
	int64_t floor;    /* records up to here go; the one that there is changes nothing */
	const char *base; /* the state at the floor, a snapshot that stays; NULL: as it is */
	size_t base_len;
	bool erases; /* what was there must leave the files; a scrub follows, after a crash too */
};

/* What list can ask for: .active = STORE_KEEP and a limit ask for everything. */
struct store_query {
	int active;            /* 1 active, 0 not, STORE_KEEP either */
	const char *report_id; /* or NULL */
	int64_t after_key;     /* rows with a greater key only (the cursor of a listing) */
	size_t limit;          /* 1 to 1000 rows */
};

/* How find names a session. */
enum store_by {
	STORE_BY_ID,     /* exactly this session id */
	STORE_BY_PREFIX, /* session ids that begin so (>= 8 characters): 0, 1 or 2 rows come back */
	STORE_BY_REPORT_ACTIVE, /* the report's active session */
	STORE_BY_REPORT_LATEST, /* the report's active session, else the one created last */
};

/* A histogram with powers of two as bounds: bucket i counts values < 2^i (the last: the rest). */
enum { STORE_BUCKETS = 24 };

struct store_stats {
	bool writable;            /* the last commit worked, or a probe since */
	int64_t sessions, active; /* rows in the directory, counted along since opening */
	int64_t bytes;            /* on disk, or in memory */
	int64_t bytes_free;       /* what its file system has left; -1: unknown */
	int64_t bytes_total;      /* and has in all */
	int64_t pending;          /* requests not completed */
	int64_t commits, commit_failures, records;
	int64_t batch_records[STORE_BUCKETS]; /* records a commit */
	int64_t commit_us[STORE_BUCKETS];     /* duration of commits, microseconds */
	int64_t sync_us[STORE_BUCKETS];       /* of it the end: the log is written and synced */
	int64_t batch_records_sum, commit_us_sum, sync_us_sum;
	struct err scrub; /* why what was erased is still in the files; code 0: it is not, or not
	                     yet tried */
};

/* Told how far something long is; false: give up (ERR_STORE_UNAVAILABLE). */
typedef bool store_progress_fn(void *arg, int64_t done, int64_t total);

struct store;

struct store_ops {
	void (*free)(struct store *s);
	void (*poll)(struct store *s);
	int (*create)(struct store *s, const struct store_session *row,
	              const struct store_append *first, const char *base, size_t base_len,
	              store_fn *fn, void *arg);
	int (*append)(struct store *s, const struct store_append *a, store_fn *fn, void *arg);
	int (*rewrite)(struct store *s, const struct store_rewrite *w, store_fn *fn, void *arg);
	int (*scrub)(struct store *s, store_fn *fn, void *arg);
	int (*read)(struct store *s, int64_t key, int64_t after_seq, size_t records_max,
	            size_t bytes_max, store_fn *fn, void *arg);
	int (*seek)(struct store *s, int64_t key, int64_t time_ms, store_fn *fn, void *arg);
	int (*snapshot_put)(struct store *s, int64_t key, int64_t seq, const char *bytes,
	                    size_t len, const char *summary, int64_t due_ms, store_fn *fn,
	                    void *arg);
	int (*snapshot_get)(struct store *s, int64_t key, int64_t seq_max, store_fn *fn, void *arg);
	int (*find)(struct store *s, enum store_by by, const char *id, store_fn *fn, void *arg);
	int (*list)(struct store *s, const struct store_query *q, store_fn *fn, void *arg);
	int (*due)(struct store *s, int64_t before_ms, size_t limit, store_fn *fn, void *arg);
	void (*stats)(struct store *s, struct store_stats *out);
	int (*backup)(struct store *s, const char *path, store_progress_fn *fn, void *arg,
	              struct err *e);
};

/* Every backend's struct begins with this. */
struct store {
	const struct store_ops *ops;
};

/* Completes or fails what is pending without calling back, stops threads, closes.  NULL is fine. */
static inline void store_free(struct store *s)
{
	if (s)
		s->ops->free(s);
}

/* Call the callbacks of everything that has finished.  Requests made from callbacks are queued. */
static inline void store_poll(struct store *s)
{
	s->ops->poll(s);
}

/*
 * Create a session with its first records, in one transaction.  row: session_id, report_id, active,
 * created_ms, due_ms and summary (NULL: "{}") count.  first: records, from seq 1 (seq_expected 0);
 * the rest of it is ignored.  The reply has the new row in sessions[0], its key filled in.
 * ERR_EXISTS: the session id exists, or else the report has an active session already
 * (row->active); sessions[0] is the one in the way, its session_id tells which of the two.
 */
static inline int store_create(struct store *s, const struct store_session *row,
                               const struct store_append *first, store_fn *fn, void *arg)
{
	return s->ops->create(s, row, first, NULL, 0, fn, arg);
}

/*
 * The same for a log that was compacted: it begins after row->floor (first->seq_expected), and base
 * is the state there, a snapshot that stays as long as the floor does.
 */
static inline int store_create_from(struct store *s, const struct store_session *row,
                                    const struct store_append *first, const char *base,
                                    size_t base_len, store_fn *fn, void *arg)
{
	return s->ops->create(s, row, first, base, base_len, fn, arg);
}

/*
 * Append.  ERR_CAS: the log's end is not seq_expected (counting what is queued before).
 * ERR_STORE_UNAVAILABLE: it could not be written; then nothing of this append is, or will be,
 * there, and every append made for this session before that was reported fails too.  records_len 0
 * only sets due_ms and active.  ERR_NO_SESSION: no such key.  ERR_EXISTS: it would be the report's
 * second active session; sessions[0] is the first.
 */
static inline int store_append(struct store *s, const struct store_append *a, store_fn *fn,
                               void *arg)
{
	return s->ops->append(s, a, fn, arg);
}

/*
 * Append, replace records, move the floor, set the base: all of it in one transaction, or nothing.
 * Snapshots other than the base are dropped: they hold what was replaced.  As append; ERR_CORRUPT
 * when a record that is to be replaced is not there, or the floor would fall or leave no record.
 */
static inline int store_rewrite(struct store *s, const struct store_rewrite *w, store_fn *fn,
                                void *arg)
{
	return s->ops->rewrite(s, w, fn, arg);
}

/*
 * Of what was replaced or removed before this was called, nothing is left in the store's files.
 * ERR_STORE_UNAVAILABLE: something is, for want of room or because somebody reads it.  Then, and
 * also when this is not called after a rewrite that erases, the store does it by itself as soon as
 * it can, be it after the next opening; stats tells.
 */
static inline int store_scrub(struct store *s, store_fn *fn, void *arg)
{
	return s->ops->scrub(s, fn, arg);
}

/*
 * Read committed records with seq > after_seq in order: at most records_max (>= 1), and no more
 * than bytes_max bytes but at least one.  A key that does not exist has none.  ERR_CORRUPT: one is
 * missing.
 */
static inline int store_read(struct store *s, int64_t key, int64_t after_seq, size_t records_max,
                             size_t bytes_max, store_fn *fn, void *arg)
{
	return s->ops->read(s, key, after_seq, records_max, bytes_max, fn, arg);
}

/* The last seq whose record is older than time_ms (0 when none is). */
static inline int store_seek(struct store *s, int64_t key, int64_t time_ms, store_fn *fn, void *arg)
{
	return s->ops->seek(s, key, time_ms, fn, arg);
}

/*
 * Keep a snapshot of the state after record seq, and set the directory's summary and due_ms (either
 * may be left: NULL, STORE_KEEP).  Some older snapshots are kept too, so that the past stays cheap
 * (at least the newest one at or below each 10,000th seq, and that at the floor); others are
 * dropped.  One of the same seq is replaced.  ERR_CAS: the log's end (counting what is queued
 * before) is below seq, so what the snapshot holds was lost.  ERR_NO_SESSION, ERR_STORE_UNAVAILABLE
 * as with append.
 */
static inline int store_snapshot_put(struct store *s, int64_t key, int64_t seq, const char *bytes,
                                     size_t len, const char *summary, int64_t due_ms, store_fn *fn,
                                     void *arg)
{
	return s->ops->snapshot_put(s, key, seq, bytes, len, summary, due_ms, fn, arg);
}

/* The newest snapshot with seq <= seq_max (INT64_MAX: the newest).  None is not an error. */
static inline int store_snapshot_get(struct store *s, int64_t key, int64_t seq_max, store_fn *fn,
                                     void *arg)
{
	return s->ops->snapshot_get(s, key, seq_max, fn, arg);
}

/* Find a session.  None is not an error: sessions_len 0. */
static inline int store_find(struct store *s, enum store_by by, const char *id, store_fn *fn,
                             void *arg)
{
	return s->ops->find(s, by, id, fn, arg);
}

/* A page of the directory, by key; a limit outside of 1 to 1000 is moved there. */
static inline int store_list(struct store *s, const struct store_query *q, store_fn *fn, void *arg)
{
	return s->ops->list(s, q, fn, arg);
}

/* Sessions with due_ms <= before_ms, the most overdue first, at most limit (as above). */
static inline int store_due(struct store *s, int64_t before_ms, size_t limit, store_fn *fn,
                            void *arg)
{
	return s->ops->due(s, before_ms, limit, fn, arg);
}

/* Counters, at once. */
static inline void store_stats(struct store *s, struct store_stats *out)
{
	s->ops->stats(s, out);
}

/*
 * Copy the store, as it is at one moment, to the new file `path` (mode 0600), synced; commits and
 * reads go on meanwhile.  The one call that blocks, and that any thread may make while the store is
 * open.  On failure there is no file.  ERR_EXISTS: there is one already; ERR_UNSUPPORTED: the
 * backend has no files; ERR_STORE_UNAVAILABLE.
 */
static inline int store_backup(struct store *s, const char *path, store_progress_fn *fn, void *arg,
                               struct err *e)
{
	return s->ops->backup(s, path, fn, arg, e);
}

/* ---- backends ---- */

/*
 * In memory, for tests and simulation.  Deterministic: without a wake it does everything in
 * store_poll(), in order.  Faults are set through the struct it gives.
 */
struct store_mem_faults {
	/* the n-th append or create from now (1: the next) fails, ERR_STORE_UNAVAILABLE; 0: none */
	int64_t fail_append;
	int64_t refuse_append; /* the n-th append from now is not even queued: ERR_NOMEM; 0: none */
	int64_t hold;          /* while > 0, store_poll() completes nothing and counts it down */
	int64_t no_scrub;      /* the same, and scrubs fail; when it is 0 what failed is done */
	int64_t polls_max;     /* at most this many completions a poll; 0: all */
	/* so many queued requests still take effect in store_mem_crash(), though nobody is told */
	int64_t crash_commits;
};

int store_mem_new(struct store **out, void (*wake)(void *arg), void *arg);
struct store_mem_faults *store_mem_faults(struct store *s);

/* As kill -9 would: what is not committed is gone, nobody is called back; the rest stays. */
void store_mem_crash(struct store *s);

/*
 * SQLite in the directory `dir` (made if missing, mode 0700; file collab.db), owner, version and
 * schema checked.  One writer thread with group commit, one reader thread, one that keeps the log
 * short.  ERR_CONFIG when the directory cannot be used or another process has it (the sentence
 * names its pid); ERR_STORE_UNAVAILABLE when the database cannot be opened, is not one of collabd's
 * or is of a newer schema; ERR_CORRUPT when it is damaged.
 */
int store_sqlite_open(struct store **out, const char *dir, void (*wake)(void *arg), void *arg,
                      struct err *e);

/*
 * The same, but at most pending_max records may wait for the index of records: for tests, where the
 * usual thousands are never reached.
 */
int store_sqlite_open_bounded(struct store **out, const char *dir, size_t pending_max,
                              void (*wake)(void *arg), void *arg, struct err *e);

#endif
