/*
 * The SQLite store on a disk that fails (fault_disk.h): at the n-th call, for each n, of each kind.
 *
 * Whatever fails, and however often: what was reported done is there, what was reported failed is
 * not; a crash in the middle changes nothing in that; once the disk is well the store goes on by
 * itself.  After a power cut what was reported done is there too, and nothing else than what was
 * written.  Of calls that are many, each sixth is tried, from SEED on; LONG=1 tries each.
 */
#define _GNU_SOURCE /* syscall */
#include "fault_disk.h"
#include "store_test.h"

#include <sqlite3.h>

enum { SESSIONS = 2, SEQ_MAX = 40, TRIES_MAX = 200, FOR_EVER = 1000000 };

/* What the store has said so far. */
struct model {
	int64_t key[SESSIONS]; /* 0: not created */
	int64_t seq[SESSIONS];
	int tries;                         /* each append has a number of its own */
	int number[SESSIONS][SEQ_MAX + 1]; /* the number of the append that was done, by seq */
	int64_t snapshot[SESSIONS];        /* the last one that was reported done */
	bool failed[TRIES_MAX];            /* was reported failed */
	bool broken;                       /* a contract was broken; said once */
};

struct run {
	struct fixture f;
	struct model m;
	const char *dir;
	const char *fault;
	int64_t n;
	bool stuck; /* what failed may come back */
};

static bool judged_bad; /* in this run */

static void __attribute__((format(printf, 2, 3))) broken(struct run *r, const char *fmt, ...)
{
	va_list ap;

	if (!r->m.broken) {
		printf("# %s, n = %lld: ", r->fault, (long long)r->n);
		va_start(ap, fmt);
		(void)vprintf(fmt, ap);
		va_end(ap);
		printf("\n");
	}
	r->m.broken = true;
}

/* ---- the script ---- */

static void adopt(struct run *r);

static bool opened(struct run *r)
{
	struct err e = {0};
	bool anew = !r->f.s;
	/* Nearly each commit writes the index, too. */
	int rc = !anew ? 0 : store_sqlite_open_bounded(&r->f.s, r->dir, 2, on_wake, r->f.wake, &e);

	if (rc && rc != ERR_STORE_UNAVAILABLE && rc != ERR_CONFIG)
		broken(r, "opening: %s", e.text);
	if (rc == 0 && anew && r->stuck)
		adopt(r);
	return rc == 0;
}

static void closed(struct run *r)
{
	store_free(r->f.s);
	r->f.s = NULL;
}

/* How an operation ended; only the disk may be blamed. */
static bool done_well(struct run *r, const char *what)
{
	if (r->f.a.rc && r->f.a.rc != ERR_STORE_UNAVAILABLE)
		broken(r, "%s: %s", what, r->f.a.err.text);
	return r->f.a.rc == 0;
}

/* The record of an append: size bytes that begin with its number. */
static struct store_record record(int number, size_t size)
{
	static char text[40000];
	int len = snprintf(text, sizeof text, "{\"number\":%d,\"text\":\"", number);

	memset(text + len, 'a' + number % 26, size);
	memcpy(text + (size_t)len + size, "\"}", 3);
	return (struct store_record){.time_ms = T0, .bytes = text, .len = (size_t)len + size + 2};
}

static int number_of(const char *bytes)
{
	return strncmp(bytes, "{\"number\":", 10) == 0 ? atoi(bytes + 10) : -1;
}

static void take_number(struct run *r, int i, bool well)
{
	struct model *m = &r->m;

	if (well)
		m->number[i][++m->seq[i]] = m->tries;
	m->failed[m->tries] = !well;
	m->tries++;
}

static bool made(struct run *r, int i)
{
	struct store_session row = row_of(i + 1, i ? "r2" : "r1", true);
	struct store_record first = record(r->m.tries, 10);
	struct store_append a = {.records = &first, .records_len = 1};
	bool well;

	if (r->m.key[i])
		return true;
	queued(store_create(r->f.s, &row, &a, take, &r->f.a));
	settle(&r->f);
	well = done_well(r, "create");
	if (well)
		r->m.key[i] = r->f.a.sessions[0].key;
	take_number(r, i, well);
	return well;
}

static bool grown(struct run *r, int i, size_t size)
{
	struct store_record next = record(r->m.tries, size);
	struct store_append a = {.key = r->m.key[i],
	                         .seq_expected = r->m.seq[i],
	                         .records = &next,
	                         .records_len = 1,
	                         .due_ms = STORE_KEEP,
	                         .active = STORE_KEEP};
	bool well;

	queued(store_append(r->f.s, &a, take, &r->f.a));
	settle(&r->f);
	well = done_well(r, "append");
	take_number(r, i, well);
	return well;
}

static void kept(struct run *r, int i)
{
	if (snapshot(&r->f, r->m.key[i], r->m.seq[i], "{\"state\":1}") == 0)
		r->m.snapshot[i] = r->m.seq[i];
	(void)done_well(r, "snapshot");
}

/* What is read is what was done, unless the disk cannot be read. */
static void same(struct run *r, bool must_read)
{
	for (int i = 0; i < SESSIONS; i++) {
		const struct model *m = &r->m;
		int64_t from = 0;

		if (!m->key[i])
			continue;
		read_all(&r->f, m->key[i], 0);
		if (r->f.a.rc && !must_read && r->f.a.rc == ERR_STORE_UNAVAILABLE)
			continue;
		if (r->f.a.rc)
			broken(r, "reading: %s", r->f.a.err.text);
		else if ((int64_t)r->f.a.records_len != m->seq[i])
			broken(r, "session %d has %zu records, not %lld", i, r->f.a.records_len,
			       (long long)m->seq[i]);
		for (size_t k = 0; k < r->f.a.records_len && !m->broken; k++)
			if (number_of(r->f.a.records[k].bytes) != m->number[i][k + 1])
				broken(r, "seq %zu is %.20s", k + 1, r->f.a.records[k].bytes);
		from = snapshot_at(&r->f, m->key[i], INT64_MAX);
		if (must_read && from < m->snapshot[i])
			broken(r, "session %d's snapshot %lld is gone: %lld", i,
			       (long long)m->snapshot[i], (long long)from);
	}
}

/*
 * On a disk that cannot even be truncated, what was reported failed can come back with the next
 * opening, since nothing can be taken back there.  Then it is there, whole and in order.
 */
static void adopt(struct run *r)
{
	struct model *m = &r->m;

	for (int i = 0; i < SESSIONS; i++) {
		int64_t key = row(&r->f, i + 1).key;

		if (!m->key[i])
			m->key[i] = key;
		read_all(&r->f, key, 0);
		for (size_t k = (size_t)m->seq[i]; k < r->f.a.records_len; k++) {
			int number = number_of(r->f.a.records[k].bytes);

			if (number < 0 || !m->failed[number])
				broken(r, "session %d, seq %zu is %.20s", i, k + 1,
				       r->f.a.records[k].bytes);
			else
				m->number[i][++m->seq[i]] = number;
		}
	}
}

/* Some of everything; 0 closes the store and opens it again. */
static void script(struct run *r)
{
	static const char steps[] = "abAaSb0BaTAbs0aAbS";

	for (const char *step = steps; *step; step++) {
		int i = strchr("bBTs", *step) != NULL;

		if (*step == '0')
			closed(r);
		if (*step == '0' || !opened(r) || !made(r, i))
			continue;
		if (strchr("STs", *step))
			kept(r, i);
		else
			(void)grown(r, i, strchr("AB", *step) ? 9000 : 60);
		if (disk.failed && step[1] != '0')
			same(r, false);
	}
}

/* ---- afterwards ---- */

static void copy_file(const char *from, const char *to, const char *name)
{
	static char bytes[1 << 20];
	char path[160];
	size_t len = 0;
	FILE *file = NULL;

	(void)snprintf(path, sizeof path, "%s/%s", from, name);
	file = fopen(path, "r");
	if (!file)
		return; /* there is no log after closing */
	len = fread(bytes, 1, sizeof bytes, file);
	(void)fclose(file); /* only read */
	(void)snprintf(path, sizeof path, "%s/%s", to, name);
	file = fopen(path, "w");
	if (!file || fwrite(bytes, 1, len, file) != len || fclose(file) || len == sizeof bytes)
		abort();
}

static void empty_dir(const char *dir)
{
	static const char *const names[] = {"collab.db", "collab.db-wal", "collab.db-shm",
	                                    "collab.db-journal", "collabd.lock"};
	char path[160];

	(void)mkdir(dir, 0700); /* it may be there */
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		(void)unlink(path); /* it may not be there */
	}
}

static bool whole(const char *dir)
{
	char path[160];
	struct sqlite3 *db = NULL;
	struct sqlite3_stmt *stmt = NULL;
	bool good = false;

	(void)snprintf(path, sizeof path, "%s/collab.db", dir);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		good = strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0;
	(void)sqlite3_finalize(stmt); /* repeats the step's error */
	(void)sqlite3_close(db);      /* as above */
	return good;
}

/* A crash or a power cut has left its files in r->dir. */
static void judge(const struct run *r, const char *dir, const char *when, bool may_come_back)
{
	struct run copy = *r;
	char fault[96];

	copy.dir = dir;
	copy.f = (struct fixture){0};
	pipe_open(copy.f.wake);
	(void)snprintf(fault, sizeof fault, "%s, %s", r->fault, when);
	copy.fault = fault;
	if (opened(&copy)) {
		if (may_come_back)
			adopt(&copy);
		same(&copy, true);
	} else {
		broken(&copy, "cannot be opened");
	}
	fixture_free(&copy.f);
	if (!whole(dir))
		broken(&copy, "the database is damaged");
	if (copy.m.broken)
		judged_bad = true;
}

static void crash(const struct run *r, const char *when, bool may_come_back)
{
	empty_dir("copy");
	copy_file(r->dir, "copy", "collab.db");
	copy_file(r->dir, "copy", "collab.db-wal");
	copy_file(r->dir, "copy", "collab.db-journal");
	judge(r, "copy", when, may_come_back);
}

static void power_cut(const struct run *r, const char *when, bool may_come_back)
{
	empty_dir("power");
	disk_power_cut("power");
	judge(r, "power", when, may_come_back);
}

struct fault {
	const char *name;
	int calls;
	int64_t times;
	int error;
	bool half;
};

static const struct fault faults[] = {
	{"a write fails", CALL_WRITE, 1, EIO, false},
	{"the disk is full", CALL_WRITE, FOR_EVER, ENOSPC, false},
	{"the disk is full, half a write fits", CALL_WRITE, FOR_EVER, ENOSPC, true},
	{"half a write is done, the next fails", CALL_WRITE, 2, EIO, true},
	{"a sync fails", CALL_SYNC, 1, EIO, false},
	{"no sync works any more", CALL_SYNC, FOR_EVER, EIO, false},
	{"a sync and what undoes it fail", CALL_SYNC | CALL_CUT, 3, EIO, false},
	{"a truncation fails", CALL_CUT, 1, EIO, false},
	{"a read fails", CALL_READ, 1, EIO, false},
	{"nothing can be read", CALL_READ, FOR_EVER, EIO, false},
	{"a file cannot be opened", CALL_OPEN, 1, EMFILE, false},
	{"nothing works", CALL_WRITE | CALL_CUT | CALL_SYNC | CALL_READ, FOR_EVER, EIO, false},
};

/* The n-th call fails (0: none); how many calls there were. */
static int64_t run(const struct fault *fault, int64_t n, uint64_t seed, bool *good)
{
	struct run r = {.dir = "data",
	                .fault = fault->name,
	                .n = n,
	                .stuck = n && fault->calls & CALL_CUT && fault->times > 1};
	int64_t seen;
	bool fails;

	judged_bad = false;

	pipe_open(r.f.wake);
	empty_dir(r.dir);
	disk_new(seed + (uint64_t)n);
	disk_fail(fault->calls, n, fault->times, fault->error, fault->half);
	script(&r);
	seen = disk.seen;
	fails = disk.nth > 0;
	disk.calls = 0;
	/* What failed is cut off, but that cannot be made to last. */
	power_cut(&r, "a power cut at the end", fails);
	crash(&r, "a crash at the end", fails && r.stuck);
	disk_well();
	for (int i = 0; i < SESSIONS; i++)
		if (!opened(&r) || !made(&r, i) || !grown(&r, i, 60))
			broken(&r, "it does not go on: %s", r.f.a.err.text);
	if (r.f.s) {
		same(&r, true);
		power_cut(&r, "a power cut once it is well", false);
		crash(&r, "a crash once it is well", false);
		closed(&r);
	}
	if (opened(&r))
		same(&r, true);
	fixture_free(&r.f);
	if (!whole(r.dir))
		broken(&r, "the database is damaged");
	*good = !r.m.broken && !judged_bad;
	return seen;
}

static void test_fault(const struct fault *fault, uint64_t seed)
{
	bool good = false;
	int64_t calls = run(fault, 0, seed, &good), bad = 0, n = 1, step = 1;

	ok(good && calls > 0, "nothing fails: all is there (%s)", fault->name);
	if (calls > 50 && !getenv("LONG")) {
		step = getenv("SHORT") ? 200 : 6;
		n += (int64_t)(seed % (uint64_t)step);
	}
	for (; n <= calls; n += step) {
		(void)run(fault, n, seed, &good);
		bad += !good;
	}
	ok(bad == 0, "%s, at each %sof %lld calls", fault->name,
	   step == 6  ? "sixth "
	   : step > 6 ? "200th "
	              : "",
	   (long long)calls);
}

/*
 * A process whose last sync failed has left frames that only the kernel's cache has.  The next one
 * finds them, and must make them last before anything is committed behind them.
 */
static void test_restart_after_failed_sync(uint64_t seed)
{
	struct run r = {.dir = "data", .fault = "a sync failed before a restart", .stuck = true};

	judged_bad = false;
	pipe_open(r.f.wake);
	empty_dir(r.dir);
	disk_new(seed);
	ok(opened(&r) && made(&r, 0) && grown(&r, 0, 60), "a session");
	disk_fail(CALL_SYNC | CALL_CUT, 1, FOR_EVER, EIO, false);
	ok(!grown(&r, 0, 20000), "a commit whose sync fails, and that cannot be taken back");
	closed(&r);
	disk_well();
	ok(opened(&r) && r.m.seq[0] == 3, "it is there after a restart");
	ok(grown(&r, 0, 60), "another behind it");
	power_cut(&r, "a power cut", false);
	ok(!judged_bad && !r.m.broken, "a power cut takes neither");
	fixture_free(&r.f);
}

int main(void)
{
	uint64_t seed = rnd_seed(1);

	(void)alarm(600); /* what waits for ever should fail */
	scratch_make();
	if (chdir(scratch))
		return 1;
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
		test_fault(&faults[i], seed);
	test_restart_after_failed_sync(seed);
	(void)chdir("/"); /* what is removed next must not be where we are */
	scratch_remove();
	return done();
}
