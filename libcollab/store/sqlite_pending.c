/*
 * The end of the table of events that the index does not have yet.
 *
 * An index by session and seq has a page for each session that writes, so a commit of a hundred
 * sessions would write a hundred pages for it.  Instead records go to the index late, many of one
 * session at a time, and event_tail.after says up to where all of them are in it.  What is behind
 * that is kept here, in memory: each connection reads it from the table, in the transaction in
 * which it uses it, so it fits what else is seen there.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite_int.h"

enum { FIRST_CAP = 8 };

enum pending_stmt { P_AFTER, P_TAIL, P_LEN };

static const char *const statements[P_LEN] = {
	[P_AFTER] = "SELECT after FROM event_tail",
	[P_TAIL] = "SELECT event, session, seq, time_ms FROM events WHERE event > ?1"
		   " ORDER BY event",
};

static struct pending_log **bucket_of(struct pending *p, int64_t key)
{
	return &p->buckets[(uint64_t)key % PENDING_BUCKETS];
}

struct pending_log *pending_find(struct pending *p, int64_t key)
{
	struct pending_log *l = *bucket_of(p, key);

	while (l && l->key != key)
		l = l->next;
	return l;
}

void pending_release(struct pending *p)
{
	for (size_t i = 0; i < PENDING_BUCKETS; i++)
		while (p->buckets[i]) {
			struct pending_log *l = p->buckets[i];

			p->buckets[i] = l->next;
			free(l->rows);
			free(l);
		}
	free(p->tail);
	*p = (struct pending){0};
}

static void forget(struct pending *p, struct pending_log *l)
{
	struct pending_log **at = bucket_of(p, l->key);

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	free(l->rows);
	free(l);
}

/* Room for one more at the end of *v, of which [*first, *len) is used.  0 or -1: no memory. */
static int reserve(void **v, size_t size, size_t *first, size_t *len, size_t *cap)
{
	size_t n = *len - *first;
	void *more = NULL;

	if (*len < *cap)
		return 0;
	if (n <= *cap / 2 && *cap > 0) {
		memmove(*v, (char *)*v + *first * size, n * size);
	} else {
		more = malloc((*cap ? 2 * *cap : FIRST_CAP) * size);
		if (!more)
			return -1;
		if (n)
			memcpy(more, (char *)*v + *first * size, n * size);
		free(*v);
		*v = more;
		*cap = *cap ? 2 * *cap : FIRST_CAP;
	}
	*first = 0;
	*len = n;
	return 0;
}

static struct pending_log *log_of(struct pending *p, int64_t key)
{
	struct pending_log *l = pending_find(p, key);

	if (l || !(l = calloc(1, sizeof *l)))
		return l;
	l->key = key;
	l->next = *bucket_of(p, key);
	*bucket_of(p, key) = l;
	return l;
}

int pending_add(struct pending *p, int64_t key, struct pending_row row, int64_t time_ms)
{
	struct pending_log *l = log_of(p, key);
	void *rows = l ? l->rows : NULL, *tail = p->tail;
	size_t first = 0;
	int rc;

	if (!l)
		return -1;
	first = l->first;
	rc = reserve(&rows, sizeof row, &l->first, &l->len, &l->cap);
	l->rows = rows;
	l->indexed -= first - l->first;
	if (!rc)
		rc = reserve(&tail, sizeof l, &p->first, &p->len, &p->cap);
	p->tail = tail;
	if (rc) {
		if (l->len == l->first) /* it is in no place of the tail */
			forget(p, l);
		return -1;
	}
	l->rows[l->len++] = row;
	l->time_ms = time_ms;
	p->tail[p->len++] = l;
	p->last = row.event;
	p->waiting++;
	return 0;
}

/* The tail begins behind its first one. */
static void pop(struct pending *p)
{
	struct pending_log *l = p->tail[p->first++];

	if (l->indexed == l->first) {
		l->indexed++;
		p->waiting--;
	}
	if (++l->first == l->len)
		forget(p, l);
}

struct pending_log *pending_oldest(struct pending *p)
{
	while (p->first < p->len && p->tail[p->first]->indexed > p->tail[p->first]->first)
		pop(p);
	return p->first < p->len ? p->tail[p->first] : NULL;
}

int64_t pending_after(struct pending *p)
{
	const struct pending_log *l = pending_oldest(p);

	return l ? l->rows[l->first].event - 1 : p->last;
}

void pending_indexed(struct pending *p, struct pending_log *l, size_t n)
{
	assert(n <= l->len - l->indexed);
	l->indexed += n;
	p->waiting -= n;
}

size_t pending_from(const struct pending_log *l, int64_t seq)
{
	size_t low = l->first, high = l->len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->rows[middle].seq <= seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int64_t pending_event(const struct pending_log *l, int64_t seq)
{
	size_t i = pending_from(l, seq - 1);

	return i < l->len && l->rows[i].seq == seq ? l->rows[i].event : 0;
}

void pending_head(struct pending *p, struct store_session *row)
{
	const struct pending_log *l = pending_find(p, row->key);

	if (!l || l->rows[l->len - 1].seq <= row->seq)
		return;
	row->seq = l->rows[l->len - 1].seq;
	row->updated_ms = l->time_ms;
}

int pending_prepare(struct pending *p, struct db *d, struct err *e)
{
	p->stmts = d->stmts_len;
	return db_prepare(d, statements, P_LEN, e);
}

static int read_after(const struct pending *p, struct db *d, int64_t *after)
{
	struct db_call c = db_begin(d, p->stmts + P_AFTER);
	int rc = db_step(&c);

	*after = rc == 1 ? db_get_int(&c, 0) : 0;
	db_end(&c);
	return rc < 0 ? -1 : 0;
}

static int64_t event_of_first(const struct pending *p)
{
	const struct pending_log *l = p->tail[p->first];

	return l->rows[l->first].event;
}

/* What is behind the last one. */
static int follow_tail(struct pending *p, struct db *d)
{
	struct db_call c = db_begin(d, p->stmts + P_TAIL);
	int rc;

	db_put_int(&c, p->last);
	while ((rc = db_step(&c)) == 1) {
		struct pending_row row = {db_get_int(&c, 2), db_get_int(&c, 0)};

		rc = pending_add(p, db_get_int(&c, 1), row, db_get_int(&c, 3));
		if (rc)
			break;
	}
	db_end(&c);
	return rc;
}

int pending_follow(struct pending *p, struct db *d)
{
	int rc = read_after(p, d, &p->stored);

	if (rc)
		return rc;
	while (p->first < p->len && event_of_first(p) <= p->stored)
		pop(p);
	if (p->last < p->stored)
		p->last = p->stored;
	return follow_tail(p, d);
}

int pending_follow_all(struct pending *p, struct db *d)
{
	p->last = INT64_MIN;
	return follow_tail(p, d);
}
