/*
 * The store in memory: deterministic, for tests and simulation.
 *
 * A request waits in one queue until store_poll() carries it out and calls back, so that what a
 * crash loses, and the order of everything, is decided by the caller alone.
 */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "store/request.h"

struct snapshot {
	int64_t seq;
	char *bytes;
	size_t len;
};

struct session {
	struct store_session row;     /* its summary is owned */
	struct store_record *records; /* the first has seq row.floor + 1 */
	size_t records_cap;
	struct snapshot *snapshots; /* by seq */
	size_t snapshots_len, snapshots_cap;
};

struct mem {
	struct store_base base;
	struct store_ops ops; /* the usual ones, but for append, which can be refused */
	struct store_mem_faults faults;
	void (*wake)(void *arg);
	void *arg;
	struct store_request_list queue;
	struct session **sessions; /* the one with key k is at k - 1 */
	size_t sessions_len, sessions_cap;
	struct map by_id;
	struct store_stats stats;
};

static char *copy(const char *bytes, size_t len)
{
	char *p = malloc(len + 1);

	if (!p)
		return NULL;
	memcpy(p, bytes, len);
	p[len] = '\0';
	return p;
}

/* Room for `more` elements behind the first len of the array *v. */
static int reserve(void **v, size_t *cap, size_t len, size_t more, size_t size)
{
	size_t n = *cap ? *cap : 4;
	void *p = NULL;

	if (len + more <= *cap)
		return 0;
	while (n < len + more)
		n *= 2;
	p = realloc(*v, n * size);
	if (!p)
		return ERR_NOMEM;
	*v = p;
	*cap = n;
	return 0;
}

static struct session *session_of(struct mem *m, int64_t key)
{
	return key > 0 && (uint64_t)key <= m->sessions_len ? m->sessions[key - 1] : NULL;
}

static struct session *active_of(struct mem *m, const char *report_id)
{
	for (size_t i = 0; i < m->sessions_len; i++)
		if (m->sessions[i]->row.active &&
		    strcmp(m->sessions[i]->row.report_id, report_id) == 0)
			return m->sessions[i];
	return NULL;
}

static size_t records_count(const struct session *s)
{
	return (size_t)(s->row.seq - s->row.floor);
}

static void session_free(struct session *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < records_count(s); i++)
		free((char *)s->records[i].bytes);
	for (size_t i = 0; i < s->snapshots_len; i++)
		free(s->snapshots[i].bytes);
	free((char *)s->row.summary);
	free(s->records);
	free(s->snapshots);
	free(s);
}

/* ---- writing ---- */

/* All of r's records or, out of memory, none. */
static int records_add(struct session *s, const struct store_request *r)
{
	void *v = s->records;
	size_t len = records_count(s);

	if (reserve(&v, &s->records_cap, len, r->records_len, sizeof *s->records))
		return ERR_NOMEM;
	s->records = v;
	for (size_t i = 0; i < r->records_len; i++) {
		s->records[len + i] = r->records[i];
		s->records[len + i].bytes = copy(r->records[i].bytes, r->records[i].len);
		if (!s->records[len + i].bytes) {
			while (i--)
				free((char *)s->records[len + i].bytes);
			return ERR_NOMEM;
		}
	}
	if (r->records_len)
		s->row.updated_ms = r->records[r->records_len - 1].time_ms;
	s->row.seq += (int64_t)r->records_len;
	return 0;
}

static void committed(struct mem *m, const struct store_request *r)
{
	for (size_t i = 0; i < r->records_len; i++)
		m->stats.bytes += (int64_t)r->records[i].len;
	m->stats.writable = true;
	m->stats.commits++;
	m->stats.records += (int64_t)r->records_len;
	m->stats.batch_records_sum += (int64_t)r->records_len;
	store_bucket_add(m->stats.batch_records, (int64_t)r->records_len);
	store_bucket_add(m->stats.commit_us, 0);
	store_bucket_add(m->stats.sync_us, 0);
}

static int snapshot_insert(struct mem *m, struct session *s, int64_t seq,
                           const struct store_request *r);

static struct session *session_new(struct mem *m, const struct store_request *r)
{
	struct session *s = calloc(1, sizeof *s);
	void *v = m->sessions;

	if (!s)
		return NULL;
	s->row = *r->row;
	s->row.seq = r->row->floor;
	s->row.key = (int64_t)m->sessions_len + 1;
	s->row.summary = copy(r->row->summary, strlen(r->row->summary));
	if (!s->row.summary || records_add(s, r) ||
	    (r->bytes && snapshot_insert(m, s, r->row->floor, r)) ||
	    reserve(&v, &m->sessions_cap, m->sessions_len, 1, sizeof *m->sessions))
		goto fail;
	m->sessions = v;
	if (map_put(&m->by_id, s->row.session_id, s))
		goto fail;
	m->sessions[m->sessions_len++] = s;
	return s;
fail:
	session_free(s);
	return NULL;
}

static int exists(struct store_request *r, const struct session *rival, const char *why)
{
	store_request_fail(r, ERR_EXISTS, "%s", why);
	return store_request_add_session(r, &rival->row);
}

static void create(struct mem *m, struct store_request *r)
{
	struct session *s = map_get(&m->by_id, r->row->session_id), *rival = NULL;

	if (s) {
		(void)exists(r, s, "the session id exists"); /* the reply says what happened */
		return;
	}
	rival = r->row->active ? active_of(m, r->row->report_id) : NULL;
	if (rival) {
		(void)exists(r, rival, "the report has an active session"); /* as above */
		return;
	}
	if (store_request_add_session(r, r->row))
		return;
	s = session_new(m, r);
	if (!s) {
		store_request_fail(r, ERR_NOMEM, "out of memory");
		return;
	}
	m->stats.active += s->row.active;
	r->reply.sessions[0] = s->row;
	r->reply.seq = s->row.seq;
	committed(m, r);
}

static void append(struct mem *m, struct store_request *r)
{
	struct session *s = session_of(m, r->key), *rival = NULL;

	if (!s) {
		store_request_fail(r, ERR_NO_SESSION, "no session has the key %lld",
		                   (long long)r->key);
		return;
	}
	if (r->seq != s->row.seq) {
		store_request_fail(r, ERR_CAS, "the log ends at %lld, not at %lld",
		                   (long long)s->row.seq, (long long)r->seq);
		return;
	}
	rival = r->active == 1 && !s->row.active ? active_of(m, s->row.report_id) : NULL;
	if (rival) {
		(void)exists(r, rival, "the report has an active session"); /* the reply says it */
		return;
	}
	if (records_add(s, r)) {
		store_request_fail(r, ERR_NOMEM, "out of memory");
		return;
	}
	if (r->due_ms != STORE_KEEP)
		s->row.due_ms = r->due_ms;
	if (r->active != STORE_KEEP) {
		m->stats.active += (r->active == 1) - s->row.active;
		s->row.active = r->active == 1;
	}
	r->reply.seq = s->row.seq;
	committed(m, r);
}

static void snapshot_remove(struct mem *m, struct session *s, size_t i)
{
	m->stats.bytes -= (int64_t)s->snapshots[i].len;
	free(s->snapshots[i].bytes);
	s->snapshots_len--;
	memmove(s->snapshots + i, s->snapshots + i + 1,
	        (s->snapshots_len - i) * sizeof *s->snapshots);
}

/* Of the snapshots that compete with that of seq, keep the newest. */
static void snapshots_thin(struct mem *m, struct session *s, int64_t seq)
{
	int64_t low, high;

	store_snapshot_span(seq, &low, &high);
	for (size_t i = s->snapshots_len; i-- > 1;)
		if (s->snapshots[i].seq <= high && s->snapshots[i - 1].seq > low &&
		    s->snapshots[i - 1].seq != s->row.floor)
			snapshot_remove(m, s, i - 1);
}

static int snapshot_insert(struct mem *m, struct session *s, int64_t seq,
                           const struct store_request *r)
{
	char *bytes = copy(r->bytes, r->len);
	void *v = s->snapshots;
	size_t i = s->snapshots_len;

	if (!bytes || reserve(&v, &s->snapshots_cap, i, 1, sizeof *s->snapshots)) {
		free(bytes);
		return ERR_NOMEM;
	}
	s->snapshots = v;
	while (i > 0 && s->snapshots[i - 1].seq >= seq)
		i--;
	if (i < s->snapshots_len && s->snapshots[i].seq == seq)
		snapshot_remove(m, s, i);
	memmove(s->snapshots + i + 1, s->snapshots + i,
	        (s->snapshots_len - i) * sizeof *s->snapshots);
	s->snapshots[i] = (struct snapshot){seq, bytes, r->len};
	s->snapshots_len++;
	m->stats.bytes += (int64_t)r->len;
	snapshots_thin(m, s, seq);
	return 0;
}

static void snapshot_put(struct mem *m, struct store_request *r)
{
	struct session *s = session_of(m, r->key);
	char *summary = NULL;

	if (!s) {
		store_request_fail(r, ERR_NO_SESSION, "no session has the key %lld",
		                   (long long)r->key);
		return;
	}
	if (r->seq > s->row.seq) {
		store_request_fail(r, ERR_CAS, "a snapshot of seq %lld, but the log ends at %lld",
		                   (long long)r->seq, (long long)s->row.seq);
		return;
	}
	if (r->text)
		summary = copy(r->text, strlen(r->text));
	if ((r->text && !summary) || snapshot_insert(m, s, r->seq, r)) {
		free(summary);
		store_request_fail(r, ERR_NOMEM, "out of memory");
		return;
	}
	if (summary) {
		free((char *)s->row.summary);
		s->row.summary = summary;
	}
	if (r->due_ms != STORE_KEEP)
		s->row.due_ms = r->due_ms;
	r->reply.seq = r->seq;
	committed(m, r);
}

/* ---- rewriting ---- */

/* Check, and copy what is to be replaced; then nothing can fail any more.  NULL: it did. */
static char **rewrite_copies(struct session *s, struct store_request *r)
{
	char **copies = calloc(r->replaced_len + 1, sizeof *copies);
	bool fine = copies != NULL;

	if (r->floor < s->row.floor || r->floor > s->row.seq)
		store_request_fail(r, ERR_CORRUPT, "the floor is no seq of this log");
	for (size_t i = 0; fine && !r->reply.rc && i < r->replaced_len; i++) {
		if (r->replaced[i].seq <= s->row.floor || r->replaced[i].seq > s->row.seq)
			store_request_fail(r, ERR_CORRUPT, "record %lld is missing",
			                   (long long)r->replaced[i].seq);
		else
			copies[i] = copy(r->replaced[i].bytes, r->replaced[i].len);
		fine = copies[i] != NULL;
	}
	if (!fine && !r->reply.rc)
		store_request_fail(r, ERR_NOMEM, "out of memory");
	if (!r->reply.rc)
		return copies;
	for (size_t i = 0; copies && i < r->replaced_len; i++)
		free(copies[i]);
	free(copies);
	return NULL;
}

static void move_floor(struct mem *m, struct session *s, int64_t floor)
{
	size_t gone = (size_t)(floor - s->row.floor);

	for (size_t i = 0; i < gone; i++) {
		m->stats.bytes -= (int64_t)s->records[i].len;
		free((char *)s->records[i].bytes);
	}
	memmove(s->records, s->records + gone, (records_count(s) - gone) * sizeof *s->records);
	s->row.floor = floor;
}

static void rewrite(struct mem *m, struct store_request *r)
{
	struct session *s = session_of(m, r->key);
	int64_t old_floor = s ? s->row.floor : 0;
	char **copies = NULL;

	if (!s || r->seq != s->row.seq) {
		append(m, r); /* which refuses it */
		return;
	}
	copies = rewrite_copies(s, r);
	if (!copies)
		return;
	append(m, r);
	for (size_t i = 0; i < r->replaced_len; i++) {
		struct store_record *old = &s->records[r->replaced[i].seq - s->row.floor - 1];

		if (r->reply.rc) {
			free(copies[i]);
			continue;
		}
		m->stats.bytes += (int64_t)r->replaced[i].len - (int64_t)old->len;
		free((char *)old->bytes);
		old->bytes = copies[i];
		old->len = r->replaced[i].len;
	}
	free(copies);
	if (r->reply.rc)
		return;
	move_floor(m, s, r->floor);
	for (size_t i = s->snapshots_len; i-- > 0;)
		if (r->bytes || s->snapshots[i].seq != old_floor)
			snapshot_remove(m, s, i);
	if (r->bytes && snapshot_insert(m, s, s->row.floor, r))
		abort(); /* for tests alone: half of a transaction is not shown to anyone */
}

/* There are no files, but faults there are. */
static void scrub(struct mem *m, struct store_request *r)
{
	if (m->faults.no_scrub > 0) {
		store_request_fail(r, ERR_STORE_UNAVAILABLE, "no room: injected fault");
		m->stats.scrub = r->reply.err;
	}
}

/* ---- reading ---- */

static void read_records(struct mem *m, struct store_request *r)
{
	struct session *s = session_of(m, r->key);
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
	struct session *s = session_of(m, r->key);
	int64_t seq = s ? s->row.seq : 0;

	while (s && seq > s->row.floor && s->records[seq - s->row.floor - 1].time_ms >= r->time_ms)
		seq--;
	r->reply.seq = seq;
}

static void snapshot_get(struct mem *m, struct store_request *r)
{
	struct session *s = session_of(m, r->key);
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
	const struct session *first = NULL, *second = NULL;
	size_t len = strlen(r->text);

	for (size_t i = 0; i < m->sessions_len; i++) {
		const struct session *s = m->sessions[i];

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
static bool later(const struct session *a, const struct session *b)
{
	if (!b || a->row.active != b->row.active)
		return !b || a->row.active;
	return a->row.created_ms >= b->row.created_ms;
}

static void find(struct mem *m, struct store_request *r)
{
	const struct session *found = NULL;

	switch (r->by) {
	case STORE_BY_ID:
		found = map_get(&m->by_id, r->text);
		break;
	case STORE_BY_PREFIX:
		find_prefix(m, r);
		break;
	case STORE_BY_REPORT_ACTIVE:
		found = active_of(m, r->text);
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
	const struct store_session *x = &(*(struct session *const *)a)->row;
	const struct store_session *y = &(*(struct session *const *)b)->row;

	if (x->due_ms != y->due_ms)
		return x->due_ms < y->due_ms ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static void due(struct mem *m, struct store_request *r)
{
	struct session **v = malloc((m->sessions_len + 1) * sizeof *v);
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

/* ---- the queue ---- */

/* Is r the append that is to fail?  Then those queued behind it for its session fail with it. */
static bool fails(struct mem *m, struct store_request *r)
{
	bool adds = r->kind == STORE_REQUEST_APPEND || r->kind == STORE_REQUEST_CREATE ||
	            r->kind == STORE_REQUEST_REWRITE;

	if (!adds || m->faults.fail_append == 0 || --m->faults.fail_append > 0)
		return false;
	for (struct store_request *q = r; q; q = q->next)
		if (q == r || (q->kind == STORE_REQUEST_APPEND && q->key == r->key))
			store_request_fail(q, ERR_STORE_UNAVAILABLE,
			                   "the commit failed: injected fault");
	m->stats.writable = false;
	m->stats.commit_failures++;
	return true;
}

static void execute(struct mem *m, struct store_request *r)
{
	static void (*const kinds[])(struct mem * m, struct store_request * r) = {
		[STORE_REQUEST_CREATE] = create,
		[STORE_REQUEST_APPEND] = append,
		[STORE_REQUEST_SNAPSHOT_PUT] = snapshot_put,
		[STORE_REQUEST_REWRITE] = rewrite,
		[STORE_REQUEST_SCRUB] = scrub,
		[STORE_REQUEST_READ] = read_records,
		[STORE_REQUEST_SEEK] = seek,
		[STORE_REQUEST_SNAPSHOT_GET] = snapshot_get,
		[STORE_REQUEST_FIND] = find,
		[STORE_REQUEST_LIST] = list,
		[STORE_REQUEST_DUE] = due,
	};

	/* One that is doomed by the failure of another has its reply already. */
	if (!r->reply.rc && !fails(m, r))
		kinds[r->kind](m, r);
}

static void wake(struct mem *m)
{
	if (m->wake && m->queue.first)
		m->wake(m->arg);
}

static void submit(struct store_base *b, struct store_request *r)
{
	struct mem *m = (struct mem *)b;

	store_request_push(&m->queue, r);
	wake(m);
}

static void mem_poll(struct store *s)
{
	struct mem *m = (struct mem *)s;
	int64_t n = m->base.pending;

	if (m->faults.no_scrub > 0 && --m->faults.no_scrub == 0)
		m->stats.scrub = (struct err){0};
	if (m->faults.hold > 0) {
		m->faults.hold--;
		n = 0;
	}
	if (m->faults.polls_max > 0 && n > m->faults.polls_max)
		n = m->faults.polls_max;
	/* What callbacks queue waits for the next poll, or they could keep this one for ever. */
	while (n-- > 0) {
		struct store_request *r = store_request_pop(&m->queue);

		if (!r)
			break;
		execute(m, r);
		store_request_finish(&m->base, r);
	}
	wake(m);
}

static void mem_stats(struct store *s, struct store_stats *out)
{
	struct mem *m = (struct mem *)s;

	*out = m->stats;
	out->sessions = (int64_t)m->sessions_len;
	out->pending = m->base.pending;
	out->bytes_free = out->bytes_total = -1;
}

static int mem_backup(struct store *s, const char *path, store_progress_fn *fn, void *arg,
                      struct err *e)
{
	(void)s;
	(void)path;
	(void)fn;
	(void)arg;
	return err_set(e, ERR_UNSUPPORTED, "a store in memory has no backup");
}

static void mem_free(struct store *s)
{
	struct mem *m = (struct mem *)s;

	store_request_drop(&m->queue);
	for (size_t i = 0; i < m->sessions_len; i++)
		session_free(m->sessions[i]);
	free(m->sessions);
	map_release(&m->by_id);
	free(m);
}

static int mem_append(struct store *s, const struct store_append *a, store_fn *fn, void *arg)
{
	struct store_mem_faults *faults = store_mem_faults(s);

	if (faults->refuse_append > 0 && --faults->refuse_append == 0)
		return ERR_NOMEM;
	return store_request_append(s, a, fn, arg);
}

int store_mem_new(struct store **out, void (*wake_fn)(void *arg), void *arg)
{
	static const struct store_ops ops = {.free = mem_free,
	                                     .poll = mem_poll,
	                                     .stats = mem_stats,
	                                     .backup = mem_backup,
	                                     STORE_REQUEST_OPS};
	struct mem *m = calloc(1, sizeof *m);

	*out = NULL;
	if (!m)
		return ERR_NOMEM;
	m->ops = ops;
	m->ops.append = mem_append;
	m->base.store.ops = &m->ops;
	m->base.submit = submit;
	m->wake = wake_fn;
	m->arg = arg;
	m->stats.writable = true;
	*out = &m->base.store;
	return 0;
}

struct store_mem_faults *store_mem_faults(struct store *s)
{
	return &((struct mem *)s)->faults;
}

void store_mem_crash(struct store *s)
{
	struct mem *m = (struct mem *)s;
	struct store_request *r = NULL;

	for (; m->faults.crash_commits > 0 && (r = store_request_pop(&m->queue));
	     m->faults.crash_commits--) {
		execute(m, r);
		store_request_free(r);
	}
	m->faults.crash_commits = 0;
	store_request_drop(&m->queue);
	m->base.pending = 0;
}
