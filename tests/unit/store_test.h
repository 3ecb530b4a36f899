/*
 * What the tests of the store share: a store with a wake on a pipe, and replies that are kept.
 *
 * Nothing here sleeps: one waits on the pipe that wake writes to.
 */
#ifndef TESTS_UNIT_STORE_TEST_H
#define TESTS_UNIT_STORE_TEST_H

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "../tap.h"
#include "store/store.h"

#define T0 INT64_C(2000) /* a time after those of the records that create() makes */

/* A reply that outlives its callback. */
struct answer {
	int calls;
	int rc;
	struct err err;
	struct store_session *sessions;
	size_t sessions_len;
	struct store_record *records;
	size_t records_len;
	bool more;
	int64_t seq;
	char *snapshot;
	size_t snapshot_len;
};

struct fixture {
	struct store *s;
	int wake[2];
	struct answer a; /* of the last call that waited */
};

static inline void *must(void *p)
{
	if (!p) {
		printf("Bail out! out of memory\n");
		exit(1);
	}
	return p;
}

/* A request must not even be refused for want of memory. */
static inline void queued(int rc)
{
	must(rc ? NULL : &rc);
}

static inline char *copy_of(const char *bytes, size_t len)
{
	char *p = must(malloc(len + 1));

	memcpy(p, bytes, len);
	p[len] = '\0';
	return p;
}

static inline void answer_release(struct answer *a)
{
	for (size_t i = 0; i < a->sessions_len; i++)
		free((char *)a->sessions[i].summary);
	for (size_t i = 0; i < a->records_len; i++)
		free((char *)a->records[i].bytes);
	free(a->sessions);
	free(a->records);
	free(a->snapshot);
	*a = (struct answer){0};
}

/* The callback: arg is a struct answer. */
static inline void take(void *arg, const struct store_reply *r)
{
	struct answer *a = arg;
	int calls = a->calls;

	answer_release(a);
	a->calls = calls + 1;
	a->rc = r->rc;
	a->err = r->err;
	a->more = r->more;
	a->seq = r->seq;
	a->sessions = must(calloc(r->sessions_len + 1, sizeof *a->sessions));
	for (; a->sessions_len < r->sessions_len; a->sessions_len++) {
		const char *summary = r->sessions[a->sessions_len].summary;

		a->sessions[a->sessions_len] = r->sessions[a->sessions_len];
		a->sessions[a->sessions_len].summary = copy_of(summary, strlen(summary));
	}
	a->records = must(calloc(r->records_len + 1, sizeof *a->records));
	for (; a->records_len < r->records_len; a->records_len++) {
		const struct store_record *record = &r->records[a->records_len];

		a->records[a->records_len] = *record;
		a->records[a->records_len].bytes = copy_of(record->bytes, record->len + 1);
	}
	if (r->snapshot)
		a->snapshot = copy_of(r->snapshot, r->snapshot_len + 1);
	a->snapshot_len = r->snapshot_len;
}

/* A full pipe has a wake in it already. */
static inline void on_wake(void *arg)
{
	const int *fds = arg;

	if (write(fds[1], "w", 1) < 0)
		return;
}

static inline void pipe_open(int fds[2])
{
	if (pipe(fds) || fcntl(fds[0], F_SETFL, O_NONBLOCK) || fcntl(fds[1], F_SETFL, O_NONBLOCK)) {
		printf("Bail out! no pipe\n");
		exit(1);
	}
}

/* Wait for a wake, and poll the store. */
static inline void fixture_turn(struct fixture *f)
{
	struct pollfd p = {.fd = f->wake[0], .events = POLLIN};
	char bytes[64];

	if (poll(&p, 1, 120000) != 1) {
		printf("Bail out! the store does not wake anybody\n");
		exit(1);
	}
	while (read(f->wake[0], bytes, sizeof bytes) > 0)
		;
	store_poll(f->s);
}

static inline int64_t pending(struct fixture *f)
{
	struct store_stats st;

	store_stats(f->s, &st);
	return st.pending;
}

/* Until nothing is pending. */
static inline void settle(struct fixture *f)
{
	while (pending(f) > 0)
		fixture_turn(f);
}

static inline void fixture_mem(struct fixture *f)
{
	*f = (struct fixture){0};
	pipe_open(f->wake);
	if (store_mem_new(&f->s, on_wake, f->wake)) {
		printf("Bail out! out of memory\n");
		exit(1);
	}
}

static inline void fixture_opened(const struct fixture *f, const struct err *e)
{
	if (!f->s) {
		printf("Bail out! cannot open: %s\n", e->text);
		exit(1);
	}
}

static inline void fixture_sqlite(struct fixture *f, const char *dir)
{
	struct err e = {0};

	*f = (struct fixture){0};
	pipe_open(f->wake);
	(void)store_sqlite_open(&f->s, dir, on_wake, f->wake, &e); /* else there is none */
	fixture_opened(f, &e);
}

static inline void fixture_bounded(struct fixture *f, const char *dir, size_t pending_max)
{
	struct err e = {0};

	*f = (struct fixture){0};
	pipe_open(f->wake);
	(void)store_sqlite_open_bounded(&f->s, dir, pending_max, on_wake, f->wake, &e);
	fixture_opened(f, &e);
}

static inline void fixture_free(struct fixture *f)
{
	store_free(f->s);
	answer_release(&f->a);
	(void)close(f->wake[0]); /* nothing was written through these that matters */
	(void)close(f->wake[1]);
	*f = (struct fixture){0};
}

/* A directory of its own for a test program, and in it one for each test. */
static char scratch[] = "/tmp/collab-test-XXXXXX";

static inline void scratch_make(void)
{
	if (!mkdtemp(scratch)) {
		printf("Bail out! no directory\n");
		exit(1);
	}
}

static inline const char *dir_of(const char *name)
{
	static char dir[64];

	(void)snprintf(dir, sizeof dir, "%s/%s", scratch, name);
	return dir;
}

static inline void scratch_remove(void)
{
	char command[96];

	(void)snprintf(command, sizeof command, "rm -rf '%s'", scratch);
	is_int(system(command), 0, "clean up");
}

/* The n-th session id, different in its first characters and in its last. */
static inline const char *id_of(int n)
{
	static char ids[8][UUID_LEN + 1];
	static unsigned turn;
	char *id = ids[turn++ % 8];

	(void)snprintf(id, UUID_LEN + 1, "%08x-0000-4000-8000-%012x", (unsigned)n * 0x01010101u,
	               (unsigned)n);
	return id;
}

static inline struct store_session row_of(int n, const char *report_id, bool active)
{
	struct store_session row = {
		.active = active, .created_ms = 1000 + n, .due_ms = STORE_NEVER, .summary = "{}"};

	(void)snprintf(row.session_id, sizeof row.session_id, "%s", id_of(n));
	(void)snprintf(row.report_id, sizeof row.report_id, "%s", report_id);
	return row;
}

/* Create session n with one record, at time 1000 + n; gives back its key, or the error. */
static inline int64_t create(struct fixture *f, int n, const char *report_id, bool active)
{
	struct store_session row = row_of(n, report_id, active);
	struct store_record record = {.time_ms = 1000 + n, .bytes = "{\"n\":1}", .len = 7};
	struct store_append first = {.records = &record, .records_len = 1};

	if (store_create(f->s, &row, &first, take, &f->a))
		return ERR_NOMEM;
	settle(f);
	return f->a.rc ? f->a.rc : f->a.sessions[0].key;
}

/* Queue an append of n records {"n":seq} at time_ms; the answer goes to *a. */
static inline void append_queue(struct fixture *f, int64_t key, int64_t expected, size_t n,
                                int64_t time_ms, struct answer *a)
{
	struct store_record records[16];
	char text[16][32];
	struct store_append append = {key, expected, records, n, STORE_KEEP, STORE_KEEP};

	for (size_t i = 0; i < n && i < 16; i++) {
		int len = snprintf(text[i], sizeof text[i], "{\"n\":%lld}",
		                   (long long)expected + 1 + (long long)i);

		records[i] = (struct store_record){
			.time_ms = time_ms, .bytes = text[i], .len = (size_t)len};
	}
	queued(store_append(f->s, &append, take, a));
	/* What was passed is copied: it may change at once. */
	memset(text, 'x', sizeof text);
	memset(records, 0, sizeof records);
}

static inline int append(struct fixture *f, int64_t key, int64_t expected, size_t n,
                         int64_t time_ms)
{
	append_queue(f, key, expected, n, time_ms, &f->a);
	settle(f);
	return f->a.rc;
}

static inline int set(struct fixture *f, int64_t key, int64_t expected, int64_t due_ms, int active)
{
	struct store_append a = {key, expected, NULL, 0, due_ms, active};

	queued(store_append(f->s, &a, take, &f->a));
	settle(f);
	return f->a.rc;
}

static inline void read_all(struct fixture *f, int64_t key, int64_t after)
{
	queued(store_read(f->s, key, after, 100000, SIZE_MAX / 8, take, &f->a));
	settle(f);
}

/* How many records the session has, when they are {"n":1}, {"n":2}, … with nothing missing; or -1.
 */
static inline int64_t records_of(struct fixture *f, int64_t key)
{
	read_all(f, key, 0);
	if (f->a.rc)
		return -1;
	for (size_t i = 0; i < f->a.records_len; i++) {
		char text[32];

		(void)snprintf(text, sizeof text, "{\"n\":%lld}", (long long)i + 1);
		if (f->a.records[i].seq != (int64_t)i + 1 || f->a.records[i].len != strlen(text) ||
		    strcmp(f->a.records[i].bytes, text) != 0)
			return -1;
	}
	return (int64_t)f->a.records_len;
}

static inline void find(struct fixture *f, enum store_by by, const char *id)
{
	queued(store_find(f->s, by, id, take, &f->a));
	settle(f);
}

/* The session's row as the directory has it; zeroed when there is none.  Lent until the next call.
 */
static inline struct store_session row(struct fixture *f, int n)
{
	find(f, STORE_BY_ID, id_of(n));
	return f->a.sessions_len == 1 ? f->a.sessions[0] : (struct store_session){0};
}

static inline int snapshot(struct fixture *f, int64_t key, int64_t seq, const char *bytes)
{
	queued(store_snapshot_put(f->s, key, seq, bytes, strlen(bytes), NULL, STORE_KEEP, take,
	                          &f->a));
	settle(f);
	return f->a.rc;
}

/* The seq of the newest snapshot up to seq_max. */
static inline int64_t snapshot_at(struct fixture *f, int64_t key, int64_t seq_max)
{
	queued(store_snapshot_get(f->s, key, seq_max, take, &f->a));
	settle(f);
	return f->a.rc ? f->a.rc : f->a.seq;
}

#endif
