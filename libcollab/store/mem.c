/*
 * The store in memory: deterministic, for tests and simulation.
 *
 * A request waits in one queue until store_poll() carries it out and calls back, so that what a
 * crash loses, and the order of everything, is decided by the caller alone.
 */
#include <stdlib.h>
#include <string.h>

#include "store/mem_int.h"

/* ---- sessions ---- */

struct mem_session *mem_session_of(struct mem *m, int64_t key)
{
	return key > 0 && (uint64_t)key <= m->sessions_len ? m->sessions[key - 1] : NULL;
}

struct mem_session *mem_active_of(struct mem *m, const char *report_id)
{
	for (size_t i = 0; i < m->sessions_len; i++)
		if (m->sessions[i]->row.active &&
		    strcmp(m->sessions[i]->row.report_id, report_id) == 0)
			return m->sessions[i];
	return NULL;
}

size_t mem_records_count(const struct mem_session *s)
{
	return (size_t)(s->row.seq - s->row.floor);
}

void mem_session_free(struct mem_session *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < mem_records_count(s); i++)
		free((char *)s->records[i].bytes);
	for (size_t i = 0; i < s->snapshots_len; i++)
		free(s->snapshots[i].bytes);
	free((char *)s->row.summary);
	free(s->records);
	free(s->snapshots);
	free(s);
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
	/* One that is doomed by the failure of another has its reply already. */
	if (r->reply.rc || fails(m, r))
		return;
	if (r->kind < STORE_REQUEST_READ)
		mem_write(m, r);
	else
		mem_read(m, r);
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
		mem_session_free(m->sessions[i]);
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
