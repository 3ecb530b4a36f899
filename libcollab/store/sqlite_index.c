/*
 * What goes to the index of events, and when.
 *
 * Each transaction indexes the session whose oldest event has waited longest, as many of its events
 * at a time as fill a page or two, until what waits is within bounds again.  So with many sessions
 * that write a commit touches one or two pages of the index instead of one for each, none of them
 * has to make up for thousands of events, and what an opening has to read again stays short.
 */
#include "store/sqlite_int.h"

enum { AT_ONCE = 512 };

enum index_stmt { I_PUT, I_ROW, I_AFTER, I_LAST, I_LEN };

static const char *const statements[I_LEN] = {
	[I_PUT] = "INSERT INTO event_index (session, seq, event) VALUES (?1, ?2, ?3)",
	[I_ROW] = "UPDATE sessions SET seq = ?1, updated_ms = ?2 WHERE key = ?3",
	[I_AFTER] = "UPDATE event_tail SET after = ?1",
	[I_LAST] = "SELECT max(seq) FROM event_index WHERE session = ?1",
};

int index_prepare(struct writer *w, struct err *e)
{
	int rc;

	w->index_stmts = w->db.stmts_len;
	rc = db_prepare(&w->db, statements, I_LEN, e);
	return rc ? rc : pending_prepare(&w->pending, &w->db, e);
}

/* Some of l may be in the index: those up to its last seq there. */
static int follow_log(struct writer *w, struct pending_log *l)
{
	struct db_call c = db_begin(&w->db, w->index_stmts + I_LAST);
	int64_t last = 0;
	size_t n = 0;
	int rc;

	db_put_int(&c, l->key);
	rc = db_step(&c);
	if (rc == 1)
		last = db_get_int(&c, 0); /* none: NULL, which is 0 */
	db_end(&c);
	while (l->indexed + n < l->len && l->rows[l->indexed + n].seq <= last)
		n++;
	pending_indexed(&w->pending, l, n);
	return rc < 0 ? -1 : 0;
}

int index_follow(struct writer *w)
{
	struct pending *p = &w->pending;
	int rc = pending_follow(p, &w->db);

	for (size_t i = 0; !rc && i < PENDING_BUCKETS; i++)
		for (struct pending_log *l = p->buckets[i]; !rc && l; l = l->next)
			rc = follow_log(w, l);
	return rc;
}

/* The next of l, at most n; and its row, which from now on must not need the tail. */
static int put(struct writer *w, struct pending_log *l, size_t n)
{
	struct db_call c;
	int rc = 0;

	if (n > l->len - l->indexed)
		n = l->len - l->indexed;
	for (size_t i = l->indexed; !rc && i < l->indexed + n; i++) {
		c = db_begin(&w->db, w->index_stmts + I_PUT);
		db_put_int(&c, l->key);
		db_put_int(&c, l->rows[i].seq);
		db_put_int(&c, l->rows[i].event);
		rc = db_run(&c);
	}
	if (rc)
		return rc;
	pending_indexed(&w->pending, l, n);
	c = db_begin(&w->db, w->index_stmts + I_ROW);
	db_put_int(&c, l->rows[l->len - 1].seq);
	db_put_int(&c, l->time_ms);
	db_put_int(&c, l->key);
	return db_run(&c);
}

/* Where the tail begins is written when it is worth a page: an older place is as true. */
static int put_after(struct writer *w, int64_t lag_max)
{
	struct pending *p = &w->pending;
	int64_t after = pending_after(p);
	struct db_call c;

	if (after - p->stored <= lag_max)
		return 0;
	p->stored = after;
	c = db_begin(&w->db, w->index_stmts + I_AFTER);
	db_put_int(&c, after);
	return db_run(&c);
}

/* Until at most waiting_max wait, and the tail has no more than twice as many. */
static int put_until(struct writer *w, size_t waiting_max)
{
	struct pending *p = &w->pending;
	int rc = 0;

	for (struct pending_log *l = pending_oldest(p); !rc && l; l = pending_oldest(p)) {
		if (p->waiting <= waiting_max && p->len - p->first <= 2 * waiting_max)
			break;
		rc = put(w, l, AT_ONCE);
	}
	return rc;
}

int index_some(struct writer *w)
{
	int rc = put_until(w, w->pending_max);

	return rc ? rc : put_after(w, (int64_t)w->pending_max / 2);
}

int index_all(struct writer *w)
{
	int rc = put_until(w, 0);

	return rc ? rc : put_after(w, 0);
}

int index_log(struct writer *w, int64_t key)
{
	struct pending_log *l = pending_find(&w->pending, key);

	return l && l->indexed < l->len ? put(w, l, l->len - l->indexed) : 0;
}
