/*
 * The index of records is filled late (sqlite_index.c): whatever the bound is, and wherever the
 * store is closed, killed or looked at, it shows what a store in memory shows; the view shows all
 * of it; and what is wrong with the index is found and mended.
 */
#include "store_test.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/audit.h"

enum { SESSIONS = 7, BOUNDS = 5 };

static const size_t bounds[BOUNDS] = {0, 1, 3, 10, 100};

/* The same store twice. */
struct world {
	struct fixture mem, sqlite;
	char dir[96];
	size_t pending_max;
	uint64_t seed;
	int made;
	int64_t key[SESSIONS], seq[SESSIONS], floor[SESSIONS];
	int64_t time_ms;
	bool different;
};

static int64_t pick(struct world *w, int64_t n)
{
	return (int64_t)(rnd(&w->seed) % (uint64_t)n);
}

static void __attribute__((format(printf, 2, 3))) differs(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (!w->different) {
		printf("# at most %zu wait: ", w->pending_max);
		va_start(ap, fmt);
		(void)vprintf(fmt, ap);
		va_end(ap);
		printf("\n");
	}
	w->different = true;
}

static bool same_row(const struct store_session *a, const struct store_session *b)
{
	return a->key == b->key && strcmp(a->session_id, b->session_id) == 0 &&
	       a->active == b->active && a->seq == b->seq && a->floor == b->floor &&
	       a->updated_ms == b->updated_ms && a->due_ms == b->due_ms;
}

/* Both have answered; do they say the same? */
static void compare(struct world *w, const char *what, const struct answer *a,
                    const struct answer *b)
{
	if (a->rc != b->rc || a->seq != b->seq || a->more != b->more ||
	    a->records_len != b->records_len || a->sessions_len != b->sessions_len)
		differs(w,
		        "%s: %d, seq %lld, %zu records, %zu sessions, more %d; not"
		        " %d (%s), %lld, %zu, %zu, %d",
		        what, a->rc, (long long)a->seq, a->records_len, a->sessions_len, a->more,
		        b->rc, b->err.text, (long long)b->seq, b->records_len, b->sessions_len,
		        b->more);
	for (size_t i = 0; i < a->records_len && !w->different; i++)
		if (a->records[i].seq != b->records[i].seq ||
		    a->records[i].time_ms != b->records[i].time_ms ||
		    strcmp(a->records[i].bytes, b->records[i].bytes) != 0)
			differs(w, "%s: seq %lld is not %s but %s", what,
			        (long long)a->records[i].seq, a->records[i].bytes,
			        b->records[i].bytes);
	for (size_t i = 0; i < a->sessions_len && !w->different; i++)
		if (!same_row(&a->sessions[i], &b->sessions[i]))
			differs(w, "%s: the row %lld is not the same", what,
			        (long long)a->sessions[i].key);
}

static void settled(struct world *w, const char *what)
{
	settle(&w->mem);
	settle(&w->sqlite);
	compare(w, what, &w->mem.a, &w->sqlite.a);
}

/* ---- changes ------------------------------------------------------------------------------------
 */

enum { RECORDS_MAX = 6 };

struct some {
	struct store_record v[RECORDS_MAX];
	char text[RECORDS_MAX][48];
	size_t len;
};

/* Records that come after seq. */
static void records_after(struct world *w, struct some *s, int64_t seq, size_t len)
{
	s->len = len;
	for (size_t i = 0; i < len; i++) {
		int n = snprintf(s->text[i], sizeof s->text[i],
		                 "{\"type\":\"section_update\",\"n\":%lld}",
		                 (long long)seq + 1 + (long long)i);

		w->time_ms += pick(w, 2);
		s->v[i] = (struct store_record){
			.time_ms = w->time_ms, .bytes = s->text[i], .len = (size_t)n};
	}
}

static void both_create(struct world *w)
{
	struct store_session r = row_of(w->made + 1, id_of(w->made + 1), true);
	struct store_append first = {0};
	bool from = pick(w, 3) == 0;
	struct some s;

	r.floor = first.seq_expected = from ? 41 : 0;
	records_after(w, &s, r.floor, (size_t)pick(w, RECORDS_MAX));
	first.records = s.v;
	first.records_len = s.len;
	for (int i = 0; i < 2; i++) {
		struct fixture *f = i ? &w->sqlite : &w->mem;

		queued(from ? store_create_from(f->s, &r, &first, "{}", 2, take, &f->a)
		            : store_create(f->s, &r, &first, take, &f->a));
	}
	settled(w, "create");
	w->floor[w->made] = r.floor;
	w->seq[w->made] = r.floor + (int64_t)s.len;
	w->key[w->made++] = w->mem.a.sessions_len ? w->mem.a.sessions[0].key : 0;
}

/* Several at once, so that one commit has more than one session. */
static void both_append(struct world *w)
{
	int n = (int)pick(w, 4) + 1;

	for (int k = 0; k < n; k++) {
		int i = (int)pick(w, w->made);
		struct store_append a = {.key = w->key[i],
		                         .seq_expected = w->seq[i] + (pick(w, 20) == 0),
		                         .due_ms = pick(w, 4) ? STORE_KEEP : w->time_ms + 50,
		                         .active = STORE_KEEP};
		struct some s;

		records_after(w, &s, a.seq_expected, (size_t)pick(w, RECORDS_MAX));
		a.records = s.v;
		a.records_len = s.len;
		queued(store_append(w->mem.s, &a, take, &w->mem.a));
		queued(store_append(w->sqlite.s, &a, take, &w->sqlite.a));
		if (a.seq_expected == w->seq[i])
			w->seq[i] += (int64_t)s.len;
	}
	settled(w, "append");
}

static void both_rewrite(struct world *w)
{
	int i = (int)pick(w, w->made);
	int64_t low = w->floor[i], high = w->seq[i];
	struct some told;
	struct store_record with = {low + 1 + pick(w, high - low + 1), 0, "{\"erased\":true}", 15};
	struct store_rewrite r = {.records = &with, .records_len = with.seq <= high, .floor = low};
	bool moves = pick(w, 2) == 0 && high > low;

	if (moves) {
		r.floor = low + 1 + pick(w, high - low);
		r.base = "{\"base\":1}";
		r.base_len = 10;
	}
	records_after(w, &told, high, 1);
	r.append = (struct store_append){w->key[i], high, told.v, 1, STORE_KEEP, STORE_KEEP};
	queued(store_rewrite(w->mem.s, &r, take, &w->mem.a));
	queued(store_rewrite(w->sqlite.s, &r, take, &w->sqlite.a));
	settled(w, "rewrite");
	if (w->mem.a.rc == 0) {
		w->seq[i]++;
		w->floor[i] = r.floor;
	}
	if (w->mem.a.rc == 0 && pick(w, 4) == 0) {
		queued(store_scrub(w->sqlite.s, take, &w->sqlite.a));
		settle(&w->sqlite);
	}
}

/* ---- what can be seen ---------------------------------------------------------------------------
 */

static void look(struct world *w)
{
	int i = (int)pick(w, w->made);
	int64_t after = pick(w, w->seq[i] + 3), time_ms = T0 + pick(w, w->time_ms - T0 + 2);
	size_t records = (size_t)pick(w, 9) + 1, bytes = (size_t)pick(w, 200) + 1;
	struct store_query q = {.active = STORE_KEEP, .limit = 1000};

	for (int n = 0; n < 5; n++) {
		for (int k = 0; k < 2; k++) {
			struct fixture *f = k ? &w->sqlite : &w->mem;
			struct store *s = f->s;

			queued(n == 0 ? store_read(s, w->key[i], after, records, bytes, take, &f->a)
			       : n == 1 ? store_read(s, w->key[i], 0, 1000, SIZE_MAX, take, &f->a)
			       : n == 2 ? store_seek(s, w->key[i], time_ms, take, &f->a)
			       : n == 3 ? store_find(s, STORE_BY_ID, id_of(i + 1), take, &f->a)
			                : store_list(s, &q, take, &f->a));
		}
		settled(w, n == 0   ? "read a part"
		           : n == 1 ? "read"
		           : n == 2 ? "seek"
		           : n == 3 ? "find"
		                    : "list");
	}
}

static int64_t number(struct sqlite3 *db, const char *sql)
{
	struct sqlite3_stmt *s = NULL;
	int64_t n = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int64(s, 0);
	(void)sqlite3_finalize(s); /* repeats the step's error */
	return n;
}

static struct sqlite3 *opened(const char *dir)
{
	char path[128];
	struct sqlite3 *db = NULL;

	(void)snprintf(path, sizeof path, "%s/collab.db", dir);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
		printf("Bail out! cannot open %s\n", path);
		exit(1);
	}
	return db;
}

/* The view shows the changes of each session, whether they are in the index or not. */
static void look_from_outside(struct world *w)
{
	struct sqlite3 *db = opened(w->dir);
	char sql[256];

	for (int i = 0; i < w->made; i++) {
		struct store_session r = row(&w->mem, i + 1);
		int64_t changes = 0, seen;

		read_all(&w->mem, r.key, 0);
		for (size_t k = 0; k < w->mem.a.records_len; k++)
			changes += strstr(w->mem.a.records[k].bytes, "section_update") != NULL;
		(void)snprintf(sql, sizeof sql,
		               "SELECT json_array_length(changes_log) FROM collaboration_sessions"
		               " WHERE session_id = '%s'",
		               id_of(i + 1));
		seen = number(db, sql);
		if (seen != changes)
			differs(w, "the view has %lld of %lld changes", (long long)seen,
			        (long long)changes);
		(void)snprintf(sql, sizeof sql,
		               "SELECT count(*) FROM collaboration_sessions WHERE session_id ="
		               " '%s' AND updated_at = strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ',"
		               " %lld / 1000.0, 'unixepoch')",
		               id_of(i + 1), (long long)r.updated_ms);
		if (number(db, sql) != 1)
			differs(w, "the view has another time");
	}
	(void)sqlite3_close(db); /* all statements are finalized */
}

static void told(void *arg, const char *sentence)
{
	int *n = arg;

	if ((*n)++ < 3)
		printf("# %s\n", sentence);
}

/* Each log of a store at rest, as the audit reads it, is that of the store in memory. */
static void audit_logs(struct world *w, struct audit *a)
{
	struct store_session r = {0};
	struct store_record record;
	struct err e = {0};

	while (audit_session(a, r.key, &r, &e) == 1) {
		size_t n = 0;

		read_all(&w->mem, r.key, 0);
		(void)audit_records(a, r.key, r.floor, &e); /* the first step tells */
		while (audit_record(a, &record, &e) == 1 && n < w->mem.a.records_len)
			if (strcmp(record.bytes, w->mem.a.records[n++].bytes) != 0)
				differs(w, "an audit reads %s", record.bytes);
		if (n != w->mem.a.records_len || r.seq != row(&w->mem, (int)r.key).seq)
			differs(w, "an audit finds %zu records in %lld, and seq %lld (%s)", n,
			        (long long)r.key, (long long)r.seq, e.text);
	}
}

static void audited(struct world *w, const char *dir, bool closed)
{
	struct audit *a = NULL;
	struct err e = {0};
	struct sqlite3 *db = NULL;
	bool mendable = false;
	int n = 0;

	if (audit_open(&a, dir, false, &e) || audit_index(a, told, &n, &mendable, &e) || n)
		differs(w, "an audit tells: %s", e.text);
	if (a)
		audit_logs(w, a);
	audit_close(a);
	db = opened(dir);
	if (number(db, "SELECT count(*) <> (SELECT count(*) FROM events) FROM event_index") &&
	    closed)
		differs(w, "closing leaves something out of the index");
	if (number(db,
	           "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") != 1)
		differs(w, "the database is damaged");
	(void)sqlite3_close(db); /* all statements are finalized */
}

/* ---- closing, and kill -9 -----------------------------------------------------------------------
 */

static void copy_file(const char *from, const char *to, const char *name)
{
	char command[320];

	(void)snprintf(command, sizeof command, "test ! -e '%s/%s' || cp '%s/%s' '%s'", from, name,
	               from, name, to);
	if (system(command)) {
		printf("Bail out! %s\n", command);
		exit(1);
	}
}

/* The same bound is not the only one that must do. */
static void open_again(struct world *w)
{
	w->pending_max = bounds[pick(w, BOUNDS)];
	fixture_bounded(&w->sqlite, w->dir, w->pending_max);
}

static void closes(struct world *w)
{
	fixture_free(&w->sqlite);
	audited(w, w->dir, true);
	open_again(w);
}

/* What kill -9 would leave goes on in another directory. */
static void dies(struct world *w)
{
	static int moved;
	char next[96];

	(void)snprintf(next, sizeof next, "%s-%d", dir_of("moved"), moved++);
	must(mkdir(next, 0700) ? NULL : next);
	copy_file(w->dir, next, "collab.db");
	copy_file(w->dir, next, "collab.db-wal");
	fixture_free(&w->sqlite);
	(void)snprintf(w->dir, sizeof w->dir, "%s", next);
	if (pick(w, 2))
		audited(w, w->dir, false);
	open_again(w);
}

static void world_run(struct world *w, int steps)
{
	for (int i = 0; i < steps && !w->different; i++) {
		int64_t n = pick(w, 40);

		if (w->made == 0 || (n == 0 && w->made < SESSIONS))
			both_create(w);
		else if (n <= 2)
			both_rewrite(w);
		else if (n == 3)
			closes(w);
		else if (n == 4)
			dies(w);
		else if (n == 5)
			look_from_outside(w);
		else if (n < 15)
			look(w);
		else
			both_append(w);
	}
}

static void test_random(uint64_t seed)
{
	int steps = getenv("LONG") ? 20000 : getenv("SHORT") ? 60 : 400;

	for (int i = 0; i < BOUNDS; i++) {
		struct world w = {.seed = seed + (uint64_t)i, .time_ms = T0};

		w.pending_max = bounds[i];
		(void)snprintf(w.dir, sizeof w.dir, "%s-%d", dir_of("random"), i);
		fixture_mem(&w.mem);
		fixture_bounded(&w.sqlite, w.dir, w.pending_max);
		world_run(&w, steps);
		ok(!w.different, "whatever is done, it is as in memory (%zu may wait at first)",
		   bounds[i]);
		fixture_free(&w.sqlite);
		fixture_free(&w.mem);
	}
}

/* ---- reading while it is written ----------------------------------------------------------------
 */

enum { WRITERS = 5, ROUNDS = 600 };

/* What is reported done when a read is asked for is in its answer, while the index moves on. */
static void test_reads_beside_writes(void)
{
	struct fixture f;
	struct answer acks[WRITERS] = {{0}}, seen = {0};
	int64_t key[WRITERS], sent[WRITERS];
	bool all = true, rows = true;

	fixture_bounded(&f, dir_of("beside"), 3);
	for (int i = 0; i < WRITERS; i++) {
		key[i] = create(&f, i + 1, id_of(i + 1), true);
		sent[i] = 1;
	}
	for (int n = 0; n < ROUNDS && all && rows; n++) {
		int who = n % WRITERS;
		int64_t done = acks[who].seq;

		for (int i = 0; i < WRITERS; i++)
			append_queue(&f, key[i], sent[i]++, 1, T0 + n, &acks[i]);
		seen.calls = 0;
		if (n % 2)
			queued(store_read(f.s, key[who], 0, 100000, SIZE_MAX, take, &seen));
		else
			queued(store_find(f.s, STORE_BY_ID, id_of(who + 1), take, &seen));
		while (seen.calls == 0)
			fixture_turn(&f);
		for (size_t i = 0; i < seen.records_len; i++)
			all = all && seen.records[i].seq == (int64_t)i + 1;
		all = all && seen.rc == 0 && (n % 2 == 0 || (int64_t)seen.records_len >= done);
		rows = rows && (n % 2 || (seen.sessions_len == 1 && seen.sessions[0].seq >= done));
	}
	ok(all, "no record is missing while it goes to the index");
	ok(rows, "nor is a row behind");
	settle(&f);
	for (int i = 0; i < WRITERS; i++) {
		all = all && acks[i].rc == 0 && records_of(&f, key[i]) == sent[i];
		answer_release(&acks[i]);
	}
	ok(all, "and all is there");
	answer_release(&seen);
	fixture_free(&f);
}

/* ---- kill -9 ------------------------------------------------------------------------------------
 */

struct ack {
	int64_t who; /* no padding: it goes through a pipe */
	int64_t seq;
};

/* In a child: sessions in turn, each acknowledged append is printed. */
static void kill_me(const char *dir, int out)
{
	int64_t key[WRITERS];
	struct fixture f;

	fixture_bounded(&f, dir, 3);
	for (int i = 0; i < WRITERS; i++)
		key[i] = create(&f, i + 1, id_of(i + 1), true);
	for (int n = 0;; n++) {
		struct ack a = {n % WRITERS, n / WRITERS + 1};

		if (append(&f, key[a.who], a.seq, 1, T0) || write(out, &a, sizeof a) != sizeof a)
			_exit(1);
	}
}

static void test_kill(int round)
{
	int64_t acked[WRITERS] = {0};
	char dir[96];
	struct fixture f;
	struct ack a;
	int fds[2], acks = 0, status = 0;
	bool all = true;
	pid_t child;

	(void)snprintf(dir, sizeof dir, "%s-%d", dir_of("kill"), round);
	must(pipe(fds) ? NULL : fds);
	(void)fflush(stdout); /* the child must not print it again */
	child = fork();
	if (child == 0)
		kill_me(dir, fds[1]);
	(void)close(fds[1]); /* the child's end */
	while (acks < 100 + 7 * round && read(fds[0], &a, sizeof a) == sizeof a) {
		acked[a.who] = a.seq + 1;
		acks++;
	}
	is_int(kill(child, SIGKILL), 0, "kill -9");
	while (read(fds[0], &a, sizeof a) == sizeof a)
		acked[a.who] = a.seq + 1;
	(void)close(fds[0]);              /* only read */
	(void)waitpid(child, &status, 0); /* it was there */
	fixture_bounded(&f, dir, 10);
	for (int i = 0; i < WRITERS; i++) {
		int64_t found = records_of(&f, i + 1);

		all = all && found >= acked[i] && row(&f, i + 1).seq == found &&
		      append(&f, i + 1, found, 1, T0) == 0 && records_of(&f, i + 1) == found + 1;
	}
	ok(all, "whatever was acknowledged is there, and the logs go on");
	fixture_free(&f);
}

/* ---- damage -------------------------------------------------------------------------------------
 */

static const struct {
	const char *what, *sql;
	bool mendable;
} damages[] = {
	{"an entry is missing", "DELETE FROM event_index WHERE session = 2 AND seq = 4", true},
	{"the last entry is missing",
         "DELETE FROM event_index WHERE session = 2 AND seq ="
         " (SELECT max(seq) FROM event_index WHERE session = 2)",
         true},
	{"an event has two entries",
         "INSERT INTO event_index SELECT session, seq + 1000, event FROM event_index"
         " WHERE session = 2 AND seq = 4",
         true},
	{"an entry is of another event",
         "UPDATE event_index SET event = event + 1 WHERE session = 2 AND seq = 4", true},
	{"two entries are each other's",
         "UPDATE event_index SET event = CASE seq WHEN 4 THEN (SELECT event FROM event_index WHERE"
         " session = 2 AND seq = 5) ELSE (SELECT event FROM event_index WHERE session = 2 AND"
         " seq = 4) END WHERE session = 2 AND seq IN (4, 5)",
         true},
	{"an entry is of no session", "INSERT INTO event_index VALUES (77, 1, 3)", true},
	{"it is empty", "DELETE FROM event_index", true},
	{"its end is not known", "DELETE FROM event_tail", true},
	{"its end is beyond the last event", "UPDATE event_tail SET after = after + 5", true},
	{"an event is there twice",
         "INSERT INTO events (session, seq, time_ms, record) SELECT session, seq, time_ms, record"
         " FROM events WHERE session = 2 AND seq = 4; UPDATE event_tail SET after ="
         " (SELECT max(event) FROM events)",
         false},
};

static int tells(struct audit *a, bool *mendable)
{
	struct err e = {0};
	int n = 0;

	return audit_index(a, told, &n, mendable, &e) ? -1 : n;
}

static bool audit_reads(struct audit *a, int64_t key, int64_t n)
{
	struct store_record r;
	struct err e = {0};
	bool good = true;
	int64_t seq = 0;

	(void)audit_records(a, key, 0, &e); /* the first step tells */
	while (audit_record(a, &r, &e) == 1)
		good = good && r.seq == ++seq;
	return good && seq == n;
}

static void test_damage(size_t which)
{
	struct fixture f;
	struct audit *a = NULL;
	struct sqlite3 *db = NULL;
	struct err e = {0};
	bool mendable = false, good = true;
	char dir[96];

	(void)snprintf(dir, sizeof dir, "%s-%zu", dir_of("damage"), which);
	fixture_bounded(&f, dir, 3);
	for (int i = 1; i <= 3; i++)
		(void)create(&f, i, id_of(i), true); /* what follows would fail */
	for (int64_t n = 1; n < 9; n++)
		for (int64_t key = 1; key <= 3; key++)
			good = good && append(&f, key, n, 1, T0) == 0;
	fixture_free(&f);
	db = opened(dir);
	is_int(sqlite3_exec(db, damages[which].sql, NULL, NULL, NULL), SQLITE_OK,
	       damages[which].what);
	(void)sqlite3_close(db); /* all statements are finalized */
	is_int(audit_open(&a, dir, false, &e), 0, "an audit");
	ok(good && tells(a, &mendable) > 0, "finds it");
	ok(mendable == damages[which].mendable, "and whether it can be mended");
	if (mendable)
		ok(audit_reads(a, 1, 9) && audit_reads(a, 2, 9), "and reads the logs nevertheless");
	audit_close(a);
	if (audit_open(&a, dir, true, &e) == 0)
		is_int(audit_mend_index(a, &e), 0, "it is made anew");
	audit_close(a);
	is_int(audit_open(&a, dir, false, &e), 0, "and looked at again");
	ok((tells(a, &mendable) == 0) == damages[which].mendable, "as far as it can be");
	audit_close(a);
	fixture_sqlite(&f, dir);
	for (int64_t key = 1; key <= 3; key++)
		good = good && records_of(&f, key) == 9 && row(&f, (int)key).seq == 9 &&
		       append(&f, key, 9, 1, T0) == 0;
	ok(good, "all is there, and goes on");
	fixture_free(&f);
}

/* A log that is rewritten to nothing takes the last events with it; their numbers do not come back.
 */
static void test_last_events_gone(void)
{
	struct store_rewrite w = {.append = {.due_ms = STORE_KEEP, .active = STORE_KEEP},
	                          .base = "{}",
	                          .base_len = 2};
	struct fixture f;
	int64_t key;

	fixture_bounded(&f, dir_of("gone"), 3);
	(void)create(&f, 1, "r1", true); /* what follows would fail */
	key = create(&f, 2, "r2", true);
	is_int(append(&f, key, 1, 8, T0), 0, "the last events of all");
	w.append.key = key;
	w.append.seq_expected = w.floor = 9;
	queued(store_rewrite(f.s, &w, take, &f.a));
	settle(&f);
	is_int(f.a.rc, 0, "are gone");
	fixture_free(&f);
	fixture_bounded(&f, dir_of("gone"), 100);
	is_int(append(&f, 1, 1, 2, T0), 0, "another session goes on");
	is_int(records_of(&f, 1), 3, "and can be read");
	is_int(append(&f, key, 9, 1, T0), 0, "so does the one itself");
	read_all(&f, key, 0);
	ok(f.a.records_len == 1 && f.a.records[0].seq == 10, "behind its floor");
	fixture_free(&f);
}

/* ---- a store of the version before
 * ---------------------------------------------------------------- */

/* An index of that version becomes this one's as it is. */
static void test_version_1(void)
{
	static const char old[] =
		"PRAGMA writable_schema = ON; DROP VIEW collaboration_sessions; DROP TABLE "
		"event_tail;"
		"CREATE TABLE old (session INTEGER NOT NULL, seq INTEGER NOT NULL, time_ms INTEGER"
		" NOT NULL, record TEXT NOT NULL);"
		"INSERT INTO old SELECT session, seq, time_ms, record FROM events;"
		"DROP TABLE events; DROP TABLE event_index; ALTER TABLE old RENAME TO events;"
		"DELETE FROM events WHERE rowid % 7 = 3 AND session = 1;"
		"PRAGMA user_version = 1;";
	char dir[96], sql[1200];
	struct fixture f;
	bool good = true;

	for (int with = 1; with >= 0; with--) {
		struct sqlite3 *db = NULL;

		(void)snprintf(dir, sizeof dir, "%s-%d", dir_of("version"), with);
		fixture_sqlite(&f, dir);
		good = create(&f, 1, "r1", true) == 1 && create(&f, 2, "r2", true) == 2;
		for (int64_t n = 1; n < 2000; n += 10)
			good = good && append(&f, 2, n, 10, T0) == 0;
		fixture_free(&f);
		db = opened(dir);
		(void)snprintf(
			sql, sizeof sql, "%s%s", old,
			with ? "CREATE UNIQUE INDEX events_session_seq ON events (session, seq)"
			     : "");
		ok(good && sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK,
		   with ? "a store of version 1" : "one whose index was lost");
		(void)sqlite3_close(db); /* all statements are finalized */
		fixture_sqlite(&f, dir);
		is_int(records_of(&f, 2), 2001, "has its records");
		is_int(append(&f, 2, 2001, 1, T0), 0, "and goes on");
		is_int(records_of(&f, 2), 2002, "from there");
		fixture_free(&f);
		db = opened(dir);
		is_int(number(db, "SELECT count(*) FROM event_index i JOIN events e USING (event)"
		                  " WHERE i.session = e.session AND i.seq = e.seq"),
		       number(db, "SELECT count(*) FROM events"), "all are in the index");
		is_int(number(db, "SELECT count(*) FROM pragma_integrity_check"
		                  " WHERE integrity_check = 'ok'"),
		       1, "and SQLite finds nothing");
		(void)sqlite3_close(db); /* all statements are finalized */
	}
}

int main(void)
{
	uint64_t seed = rnd_seed(1);

	(void)alarm(600); /* what waits for ever should fail */
	scratch_make();
	test_random(seed);
	test_reads_beside_writes();
	for (int i = 0; i < 3; i++)
		test_kill(i);
	for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++)
		test_damage(i);
	test_last_events_gone();
	test_version_1();
	scratch_remove();
	return done();
}
