/* What requests change of the store in memory. */
#include <stdlib.h>
#include <string.h>

#include "store/mem_int.h"

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

/* All of r's records or, out of memory, none. */
static int records_add(struct mem_session *s, const struct store_request *r)
{
	void *v = s->records;
	size_t len = mem_records_count(s);

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

static int snapshot_insert(struct mem *m, struct mem_session *s, int64_t seq,
                           const struct store_request *r);

static struct mem_session *session_new(struct mem *m, const struct store_request *r)
{
	struct mem_session *s = calloc(1, sizeof *s);
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
	mem_session_free(s);
	return NULL;
}

static int exists(struct store_request *r, const struct mem_session *rival, const char *why)
{
	store_request_fail(r, ERR_EXISTS, "%s", why);
	return store_request_add_session(r, &rival->row);
}

static void create(struct mem *m, struct store_request *r)
{
	struct mem_session *s = map_get(&m->by_id, r->row->session_id), *rival = NULL;

	if (s) {
		(void)exists(r, s, "the session id exists"); /* the reply says what happened */
		return;
	}
	rival = r->row->active ? mem_active_of(m, r->row->report_id) : NULL;
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
	struct mem_session *s = mem_session_of(m, r->key), *rival = NULL;

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
	rival = r->active == 1 && !s->row.active ? mem_active_of(m, s->row.report_id) : NULL;
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

static void snapshot_remove(struct mem *m, struct mem_session *s, size_t i)
{
	m->stats.bytes -= (int64_t)s->snapshots[i].len;
	free(s->snapshots[i].bytes);
	s->snapshots_len--;
	memmove(s->snapshots + i, s->snapshots + i + 1,
	        (s->snapshots_len - i) * sizeof *s->snapshots);
}

/* Of the snapshots that compete with that of seq, keep the newest. */
static void snapshots_thin(struct mem *m, struct mem_session *s, int64_t seq)
{
	int64_t low, high;

	store_snapshot_span(seq, &low, &high);
	for (size_t i = s->snapshots_len; i-- > 1;)
		if (s->snapshots[i].seq <= high && s->snapshots[i - 1].seq > low &&
		    s->snapshots[i - 1].seq != s->row.floor)
			snapshot_remove(m, s, i - 1);
}

static int snapshot_insert(struct mem *m, struct mem_session *s, int64_t seq,
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
	s->snapshots[i] = (struct mem_snapshot){seq, bytes, r->len};
	s->snapshots_len++;
	m->stats.bytes += (int64_t)r->len;
	snapshots_thin(m, s, seq);
	return 0;
}

static void snapshot_put(struct mem *m, struct store_request *r)
{
	struct mem_session *s = mem_session_of(m, r->key);
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
static char **rewrite_copies(struct mem_session *s, struct store_request *r)
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

static void move_floor(struct mem *m, struct mem_session *s, int64_t floor)
{
	size_t gone = (size_t)(floor - s->row.floor);

	for (size_t i = 0; i < gone; i++) {
		m->stats.bytes -= (int64_t)s->records[i].len;
		free((char *)s->records[i].bytes);
	}
	memmove(s->records, s->records + gone, (mem_records_count(s) - gone) * sizeof *s->records);
	s->row.floor = floor;
}

static void rewrite(struct mem *m, struct store_request *r)
{
	struct mem_session *s = mem_session_of(m, r->key);
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

void mem_write(struct mem *m, struct store_request *r)
{
	static void (*const kinds[])(struct mem * m, struct store_request * r) = {
		[STORE_REQUEST_CREATE] = create,
		[STORE_REQUEST_APPEND] = append,
		[STORE_REQUEST_SNAPSHOT_PUT] = snapshot_put,
		[STORE_REQUEST_REWRITE] = rewrite,
		[STORE_REQUEST_SCRUB] = scrub,
	};

	kinds[r->kind](m, r);
}
