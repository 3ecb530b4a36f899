/*
 * The writer: one thread that commits, as one transaction, whatever gathered while the last commit
 * ran.  It never waits for more.
 *
 * When anything fails that has to do with the database, all of the transaction fails: its
 * connection is closed, because after a failed fsync neither SQLite's cache nor the kernel's can be
 * trusted, and everything known is read again from the file.
 */
#include <stdlib.h>
#include <time.h>

#include "store/sqlite_int.h"

enum { HEADS_MAX = 4 * HEAD_BUCKETS, PROBE_MS = 1000 };

static int64_t now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock */
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int writer_open(struct sqlite_store *s, struct err *e)
{
	struct writer *w = &s->writer;
	struct err ignored;
	int rc = db_open(&w->db, s->path, DB_WRITE, e);

	if (!rc)
		rc = schema_open(&w->db, e);
	pending_release(&w->pending);
	if (!rc)
		rc = writer_prepare(w, e);
	if (!rc && index_follow(w))
		rc = db_error(&w->db, "cannot read the end of the logs", e);
	if (rc) {
		db_close(&w->db);
		return rc;
	}
	wal_follow(s, &w->db);
	/* If that fails too, the next commit that works writes over it. */
	if (w->torn && wal_cut(&w->db, &ignored) == 0)
		w->torn = false;
	return 0;
}

void writer_release(struct sqlite_store *s)
{
	writer_forget(&s->writer);
	pending_release(&s->writer.pending);
	db_close(&s->writer.db);
}

void writer_settle(struct sqlite_store *s)
{
	struct writer *w = &s->writer;

	if (!w->db.handle || w->failing || w->pending.first == w->pending.len)
		return;
	wal_write_begin(s);
	if (writer_begin(w) == 0 && index_all(w) == 0)
		(void)writer_commit(w); /* or closing undoes it */
	wal_write_end(s);
}

/* All of a batch in one transaction.  0, or an error and the transaction is still open. */
static int commit(struct sqlite_store *s, struct store_request_list *batch, struct err *e)
{
	struct writer *w = &s->writer;
	int rc = w->db.handle ? 0 : writer_open(s, e);
	int64_t start;

	if (rc)
		return rc;
	rc = scrub_note(s, batch, e);
	if (rc)
		return rc;
	rc = writer_begin(w);
	for (struct store_request *r = batch->first; !rc && r; r = r->next)
		rc = writer_stage(w, r);
	if (!rc)
		rc = writer_round_off(w);
	start = now_us();
	if (!rc)
		rc = writer_commit(w);
	w->sync_us = now_us() - start;
	return rc ? db_error(&w->db, "the commit failed", e) : 0;
}

void writer_restart(struct sqlite_store *s)
{
	struct writer *w = &s->writer;
	struct err ignored;

	w->torn = true;
	writer_forget(w);
	db_close(&w->db);
	(void)writer_open(s, &ignored); /* else the next commit tries again, and says why */
}

static void set_writable(struct sqlite_store *s, bool writable)
{
	(void)pthread_mutex_lock(&s->stats_lock);
	s->stats.writable = writable;
	(void)pthread_mutex_unlock(&s->stats_lock);
}

static void count_commit(struct sqlite_store *s, int64_t us)
{
	struct writer *w = &s->writer;
	struct store_stats *st = &s->stats;

	(void)pthread_mutex_lock(&s->stats_lock);
	st->writable = true;
	st->sessions += w->created;
	st->active += w->activated;
	st->records += w->records;
	st->commits++;
	st->batch_records_sum += w->records;
	store_bucket_add(st->batch_records, w->records);
	st->commit_us_sum += us;
	store_bucket_add(st->commit_us, us);
	st->sync_us_sum += w->sync_us;
	store_bucket_add(st->sync_us, w->sync_us);
	(void)pthread_mutex_unlock(&s->stats_lock);
}

static void commit_batch(struct sqlite_store *s, struct store_request_list *batch)
{
	struct store_request_list scrubs = {0};
	struct writer *w = &s->writer;
	struct err e = {0};
	int64_t start;
	int rc;

	wal_write_begin(s);
	start = now_us();
	rc = commit(s, batch, &e);
	if (!rc) {
		/* One that refused everything has proved nothing. */
		if (w->wrote) {
			count_commit(s, now_us() - start);
			w->failing = w->torn = false;
		}
		if (w->heads_len > HEADS_MAX)
			writer_forget(w);
		scrub_take(batch, &scrubs);
	} else {
		w->failing = true;
		w->failures++;
		for (struct store_request *r = batch->first; r; r = r->next) {
			store_request_fail(r, ERR_STORE_UNAVAILABLE, "%s", e.text);
			r->failures = w->failures;
		}
		writer_restart(s);
		(void)pthread_mutex_lock(&s->stats_lock);
		s->stats.writable = false;
		s->stats.commit_failures++;
		(void)pthread_mutex_unlock(&s->stats_lock);
	}
	wal_write_end(s);
	if (batch->first)
		sqlite_done(s, batch);
	if (scrubs.first) {
		scrub_answer(s, &scrubs);
		sqlite_done(s, &scrubs);
	}
}

/*
 * While it fails: a small write, of something that is there already, tells when the disk takes
 * writes again even if nobody appends.
 */
static void probe(struct sqlite_store *s)
{
	struct store_request_list none = {0};
	struct writer *w = &s->writer;
	struct err e;
	int rc;

	wal_write_begin(s);
	rc = w->db.handle ? 0 : writer_open(s, &e);
	if (!rc)
		rc = schema_touch(&w->db, &e);
	if (rc)
		writer_restart(s);
	else
		w->failing = w->torn = false;
	wal_write_end(s);
	if (!rc) {
		set_writable(s, true);
		sqlite_done(s, &none);
	}
}

void *writer_main(void *store)
{
	struct sqlite_store *s = store;
	struct store_request_list batch = {0};

	for (;;) {
		bool failing = s->writer.failing;

		if (!queue_take(&s->writes, failing ? PROBE_MS : scrub_wait_ms(s), &batch))
			break;
		if (batch.first)
			commit_batch(s, &batch);
		else if (failing)
			probe(s);
		scrub_tick(s);
	}
	writer_settle(s);
	return NULL;
}
