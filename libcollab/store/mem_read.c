/* What requests read of the store in memory. */
#include <stdlib.h>
#include <string.h>

#include "store/mem_int.h"

static void read_records(struct mem *m, struct store_request *r)
{
	struct mem_session *s = mem_session_of(m, r->key);
	int64_t seq = s && r->seq < s->row.floor ? s->row.floor : r->seq;
	size_t bytes = 0;

	for (; s && seq < s->row.seq; seq++) {
		const struct store_record *record = &s->records[seq - s->row.floor];

		bytes += record->len;
		if (r->reply.records_len == r->limit ||
		    (r->reply.records_len && bytes > r->bytes_max)) {
			r->reply.more = true;
			return;
		}
		if (store_request_add_record(r, record))
			return;
	}
}

static void seek(struct mem *m, struct store_request *r)
{
	struct mem_session *s = mem_session_of(m, r->key);
	int64_t seq = s ? s->row.seq : 0;

	while (s && seq > s->row.floor && s->records[seq - s->row.floor - 1].time_ms >= r->time_ms)
		seq--;
	r->reply.seq = seq;
}

static void snapshot_get(struct mem *m, struct store_request *r)
{
	struct mem_session *s = mem_session_of(m, r->key);
	size_t i = s ? s->snapshots_len : 0;

	while (i > 0 && s->snapshots[i - 1].seq > r->seq)
		i--;
	if (i > 0)
		(void)store_request_set_snapshot(r, s->snapshots[i - 1].seq,
		                                 s->snapshots[i - 1].bytes,
		                                 s->snapshots[i - 1].len); /* the reply says it */
}

/* The two sessions of the prefix that come first by id. */
static void find_prefix(struct mem *m, struct store_request *r)
{
	const struct mem_session *first = NULL, *second = NULL;
	size_t len = strlen(r->text);

	for (size_t i = 0; i < m->sessions_len; i++) {
		const struct mem_session *s = m->sessions[i];

		if (strncmp(s->row.session_id, r->text, len) != 0)
			continue;
		if (!first || strcmp(s->row.session_id, first->row.session_id) < 0) {
			second = first;
			first = s;
		} else if (!second || strcmp(s->row.session_id, second->row.session_id) < 0) {
			second = s;
		}
	}
	if (first && !store_request_add_session(r, &first->row) && second)
		(void)store_request_add_session(r, &second->row); /* the reply says it */
}

/* Is a the better answer to "the latest session of the report"? */
static bool later(const struct mem_session *a, const struct mem_session *b)
{
	if (!b || a->row.active != b->row.active)
		return !b || a->row.active;
	return a->row.created_ms >= b->row.created_ms;
}

static void find(struct mem *m, struct store_request *r)
{
	const struct mem_session *found = NULL;

	switch (r->by) {
	case STORE_BY_ID:
		found = map_get(&m->by_id, r->text);
		break;
	case STORE_BY_PREFIX:
		find_prefix(m, r);
		break;
	case STORE_BY_REPORT_ACTIVE:
		found = mem_active_of(m, r->text);
		break;
	case STORE_BY_REPORT_LATEST:
		for (size_t i = 0; i < m->sessions_len; i++)
			if (strcmp(m->sessions[i]->row.report_id, r->text) == 0 &&
			    later(m->sessions[i], found))
				found = m->sessions[i];
		break;
	}
	if (found)
		(void)store_request_add_session(r, &found->row); /* the reply says it */
}

static void list(struct mem *m, struct store_request *r)
{
	for (size_t i = 0; i < m->sessions_len; i++) {
		const struct store_session *row = &m->sessions[i]->row;

		if (row->key <= r->key ||
		    (r->active != STORE_KEEP && row->active != (r->active == 1)) ||
		    (r->text && strcmp(row->report_id, r->text) != 0))
			continue;
		if (r->reply.sessions_len == r->limit) {
			r->reply.more = true;
			return;
		}
		if (store_request_add_session(r, row))
			return;
	}
}

static int by_due(const void *a, const void *b)
{
	const struct store_session *x = &(*(struct mem_session *const *)a)->row;
	const struct store_session *y = &(*(struct mem_session *const *)b)->row;

	if (x->due_ms != y->due_ms)
		return x->due_ms < y->due_ms ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static void due(struct mem *m, struct store_request *r)
{
	struct mem_session **v = malloc((m->sessions_len + 1) * sizeof *v);
	size_t n = 0;

	if (!v) {
		store_request_fail(r, ERR_NOMEM, "out of memory");
		return;
	}
	for (size_t i = 0; i < m->sessions_len; i++)
		if (m->sessions[i]->row.due_ms <= r->time_ms &&
		    m->sessions[i]->row.due_ms != STORE_NEVER)
			v[n++] = m->sessions[i];
	qsort(v, n, sizeof *v, by_due);
	for (size_t i = 0; i < n && i < r->limit; i++)
		if (store_request_add_session(r, &v[i]->row))
			goto out;
	r->reply.more = n > r->limit;
out:
	free(v);
}

void mem_read(struct mem *m, struct store_request *r)
{
	static void (*const kinds[])(struct mem * m, struct store_request * r) = {
		[STORE_REQUEST_READ] = read_records,
		[STORE_REQUEST_SEEK] = seek,
		[STORE_REQUEST_SNAPSHOT_GET] = snapshot_get,
		[STORE_REQUEST_FIND] = find,
		[STORE_REQUEST_LIST] = list,
		[STORE_REQUEST_DUE] = due,
	};

	kinds[r->kind](m, r);
}
