/*
 * What only the SQLite store has: a file that lasts, its lock, its schema and view, group commit,
 * and what happens when the disk refuses.
 *
 * This program stands in for the C library's fdatasync(), so that it can make a commit wait or
 * fail.
 */
#include "store_test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/rfc3339.h"

/* ---- the disk ---- */

enum { ALWAYS = 1000000 };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t owner, writer;
	bool writer_known; /* it is the first thread that is not the owner */
	bool hold;         /* the writer waits */
	bool held;         /* it does */
	int fail;          /* so many more times, for everybody, as a broken disk would */
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

#pragma GCC visibility push(default)
int fdatasync(int fd)
{
	pthread_t self = pthread_self();
	bool fail;

	(void)pthread_mutex_lock(&disk.lock);
	if (!disk.writer_known && !pthread_equal(self, disk.owner)) {
		disk.writer_known = true;
		disk.writer = self;
	}
	(void)pthread_cond_broadcast(&disk.changed);
	while (disk.hold && disk.writer_known && pthread_equal(self, disk.writer)) {
		disk.held = true;
		(void)pthread_cond_broadcast(&disk.changed);
		(void)pthread_cond_wait(&disk.changed, &disk.lock);
	}
	disk.held = false;
	fail = disk.fail > 0;
	disk.fail -= fail && disk.fail < ALWAYS;
	(void)pthread_mutex_unlock(&disk.lock);
	if (fail) {
		errno = EIO;
		return -1;
	}
	return fsync(fd);
}
#pragma GCC visibility pop

/* Call before a store is opened: its writer will be known by its first commit. */
static void disk_reset(void)
{
	(void)pthread_mutex_lock(&disk.lock);
	disk.owner = pthread_self();
	disk.writer_known = disk.hold = false;
	disk.fail = 0;
	(void)pthread_mutex_unlock(&disk.lock);
}

static void disk_set(bool hold, int fail)
{
	(void)pthread_mutex_lock(&disk.lock);
	disk.hold = hold;
	disk.fail = fail;
	(void)pthread_cond_broadcast(&disk.changed);
	(void)pthread_mutex_unlock(&disk.lock);
}

static void disk_wait_held(void)
{
	(void)pthread_mutex_lock(&disk.lock);
	while (!disk.held)
		(void)pthread_cond_wait(&disk.changed, &disk.lock);
	(void)pthread_mutex_unlock(&disk.lock);
}

/* ---- helpers ---- */

/* What a shell command prints, without the last newline; lent until the next call. */
static const char *__attribute__((format(printf, 1, 2))) shell(const char *fmt, ...)
{
	static char out[16384];
	char command[2048];
	size_t len = 0;
	FILE *p = NULL;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(command, sizeof command, fmt, ap);
	va_end(ap);
	p = must(popen(command, "r"));
	len = fread(out, 1, sizeof out - 1, p);
	if (pclose(p))
		printf("# failed: %s\n", command);
	while (len > 0 && out[len - 1] == '\n')
		len--;
	out[len] = '\0';
	return out;
}

static const char *sql(const char *dir, const char *statement)
{
	return shell("sqlite3 -batch '%s/collab.db' \"%s\"", dir, statement);
}

static bool writable(struct fixture *f)
{
	struct store_stats st;

	store_stats(f->s, &st);
	return st.writable;
}

static int64_t commits(struct fixture *f)
{
	struct store_stats st;

	store_stats(f->s, &st);
	return st.commits;
}

/* The store tells by itself when it can write again. */
static void wait_writable(struct fixture *f)
{
	while (!writable(f))
		fixture_turn(f);
}

static int try_open(const char *dir, struct err *e)
{
	struct store *s = NULL;
	int rc = store_sqlite_open(&s, dir, NULL, NULL, e);

	store_free(s);
	return rc;
}

static int64_t file_size(const char *dir, const char *name)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	return stat(path, &st) ? -1 : st.st_size;
}

static int file_mode(const char *dir, const char *name)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	return stat(path, &st) ? -1 : (int)(st.st_mode & 07777);
}

/* ---- files ---- */

static void test_reopen(void)
{
	const char *dir = dir_of("reopen");
	struct fixture f;
	struct store_stats st;
	int64_t key;

	fixture_sqlite(&f, dir);
	key = create(&f, 1, "r1", true);
	append(&f, key, 1, 16, T0);
	snapshot(&f, key, 9, "{\"at\":9}");
	set(&f, key, 17, 77, STORE_KEEP);
	create(&f, 2, "r2", false);
	fixture_free(&f);
	is_int(file_size(dir, "collab.db-wal"), -1, "closing leaves no log");
	fixture_sqlite(&f, dir);
	store_stats(f.s, &st);
	ok(st.sessions == 2 && st.active == 1 && st.writable, "the counters are there");
	is_int(records_of(&f, key), 17, "the records are there");
	is_int(row(&f, 1).due_ms, 77, "the row");
	is_int(snapshot_at(&f, key, 100), 9, "the snapshot");
	is_int(append(&f, key, 16, 1, T0), ERR_CAS, "the head is known");
	is_int(append(&f, key, 17, 1, T0), 0, "and the log goes on");
	is_int(create(&f, 3, "r3", true), 3, "keys go on");
	fixture_free(&f);
}

/* What is queued when the store is freed is written. */
static void test_free_commits(void)
{
	const char *dir = dir_of("free");
	struct fixture f;
	struct answer a = {0};
	int64_t key;

	fixture_sqlite(&f, dir);
	key = create(&f, 1, "r1", true);
	for (int i = 0; i < 100; i++)
		append_queue(&f, key, 1 + i, 1, T0, &a);
	fixture_free(&f);
	fixture_sqlite(&f, dir);
	is_int(records_of(&f, key), 101, "what was queued is there");
	is_int(a.calls, 0, "nobody was called");
	fixture_free(&f);
}

static void test_modes(void)
{
	const char *dir = dir_of("modes");
	mode_t mask = umask(0);
	struct fixture f;

	fixture_sqlite(&f, dir);
	create(&f, 1, "r1", true);
	is_int(file_mode(dir, "."), 0700, "the directory is for the owner only");
	is_int(file_mode(dir, "collab.db"), 0600, "the database");
	is_int(file_mode(dir, "collab.db-wal"), 0600, "its log");
	is_int(file_mode(dir, "collab.db-shm"), 0600, "its shared memory");
	is_int(file_mode(dir, "collabd.lock"), 0600, "the lock");
	fixture_free(&f);
	(void)umask(mask); /* cannot fail */
}

static void test_lock(void)
{
	const char *dir = dir_of("lock");
	struct fixture f;
	struct err e = {0};
	char want[128];

	fixture_sqlite(&f, dir);
	is_int(try_open(dir, &e), ERR_CONFIG, "a second opener is refused");
	(void)snprintf(want, sizeof want, "%s is in use by process %ld", dir, (long)getpid());
	is_str(e.text, want, "and told who has it");
	is_int(create(&f, 1, "r1", true), 1, "the first goes on");
	fixture_free(&f);
	is_int(try_open(dir, &e), 0, "then it is free");
}

static void test_bad_dirs(void)
{
	struct err e = {0};
	char dir[128];

	(void)snprintf(dir, sizeof dir, "%s/none/deep", scratch);
	is_int(try_open(dir, &e), ERR_CONFIG, "a directory in no directory");
	(void)snprintf(dir, sizeof dir, "%s/file", scratch);
	(void)shell("echo text > '%s'", dir);
	is_int(try_open(dir, &e), ERR_CONFIG, "a file");
	ok(strstr(e.text, "Not a directory") != NULL, "with the reason");
	(void)snprintf(dir, sizeof dir, "%s/text", scratch);
	(void)shell("mkdir '%s' && yes text | head -1000 > '%s/collab.db'", dir, dir);
	is_int(try_open(dir, &e), ERR_CORRUPT, "a database that is none");
	(void)snprintf(dir, sizeof dir, "%s/other", scratch);
	(void)shell("mkdir '%s'", dir);
	(void)sql(dir, "CREATE TABLE other (a)");
	is_int(try_open(dir, &e), ERR_STORE_UNAVAILABLE, "somebody else's database");
	is_str(sql(dir, "PRAGMA journal_mode"), "delete", "is left as it is");
}

static void test_versions(void)
{
	const char *dir = dir_of("versions");
	struct err e = {0};

	is_int(try_open(dir, &e), 0, "made");
	is_str(sql(dir, "PRAGMA user_version; PRAGMA application_id"), "2\n1668246636",
	       "it says what it is");
	(void)sql(dir, "PRAGMA user_version = 99");
	is_int(try_open(dir, &e), ERR_STORE_UNAVAILABLE, "a newer schema is refused");
	is_str(e.text, "the database has schema version 99, this program knows 2", "by its number");
	(void)sql(dir, "PRAGMA user_version = 2");
	is_int(try_open(dir, &e), 0, "its own is not");
	(void)sql(dir, "DROP TABLE snapshots");
	is_int(try_open(dir, &e), ERR_STORE_UNAVAILABLE, "a schema with a hole is");
	/* An empty file is one that a crash left before anything was written. */
	(void)shell("rm '%s'/collab.db* && touch '%s/collab.db'", dir, dir);
	is_int(try_open(dir, &e), 0, "an empty file is filled");
}

static void test_indexes(void)
{
	const char *dir = dir_of("reopen");

	is_str(sql(dir,
	           "SELECT group_concat(name) FROM (SELECT name FROM pragma_index_list('sessions')"
	           " WHERE name LIKE 'idx%' ORDER BY name)"),
	       "idx_collaboration_sessions_is_active,idx_collaboration_sessions_report_id",
	       "the original's two indexes");
	ok(strstr(sql(dir, "EXPLAIN QUERY PLAN SELECT session_id FROM collaboration_sessions"
	                   " WHERE report_id = 'r'"),
	          "idx_collaboration_sessions_report_id") != NULL,
	   "serve the view");
	is_str(sql(dir, "PRAGMA integrity_check"), "ok", "integrity");
}

/* ---- the view ---- */

#define STATE(members)                                                                             \
	"{\"comments\":[{\"comment_id\":\"c1\",\"content\":\"\xc3\xa9\"}],"                        \
	"\"conflict_resolution_strategy\":\"merge\",\"last_activity\":\"2024-01-15T10:31:00."      \
	"000Z\","                                                                                  \
	"\"locks\":{\"s1\":{\"expires_at\":null,\"fence\":3,\"user_id\":\"ann\"}},"                \
	"\"max_participants\":7,\"members\":" members ",\"session_timeout_minutes\":30,"           \
	"\"session_type\":\"direct\",\"started_at\":\"2024-01-15T10:30:00.000Z\"}"

#define ANN "{\"online\":true,\"role\":\"owner\",\"user_id\":\"ann\"}"
#define BOB "{\"online\":false,\"role\":\"editor\",\"user_id\":\"bob\"}"

static void append_text(struct fixture *f, int64_t key, int64_t expected, const char *text)
{
	struct store_record record = {.time_ms = T0, .bytes = text, .len = strlen(text)};
	struct store_append a = {key, expected, &record, 1, STORE_KEEP, STORE_KEEP};

	queued(store_append(f->s, &a, take, &f->a));
	settle(f);
}

static void view_fill(struct fixture *f)
{
	struct store_session new = row_of(1, "r1", true);
	struct store_append first = {0};
	int64_t key;

	new.created_ms = INT64_C(1705314600123);
	queued(store_create(f->s, &new, &first, take, &f->a));
	settle(f);
	key = f->a.sessions[0].key;
	append_text(f, key, 0, "{\"type\":\"section_update\",\"seq\":1}");
	append_text(f, key, 1, "{\"type\":\"user_online\",\"seq\":2}");
	append_text(f, key, 2, "no json");
	append_text(f, key, 3, "{\"type\":\"section_deleted\",\"seq\":4}");
	snapshot(f, key, 1, "{}");
	snapshot(f, key, 4, STATE("[" ANN "," BOB "]"));
	key = create(f, 2, "r2", false);
	key = create(f, 3, "r3", true);
	snapshot(f, key, 1, STATE("{\"ann\":" ANN ",\"bob\":" BOB "}"));
	key = create(f, 4, "r4", true);
	snapshot(f, key, 1, "not json");
	key = create(f, 5, "r5", true);
	snapshot(f, key, 1, "{\"members\":[7,\"x\"],\"locks\":{\"a\":1},\"comments\":\"none\"}");
}

static const char *view(const char *dir, const char *columns, const char *report_id)
{
	char statement[512];

	(void)snprintf(statement, sizeof statement,
	               "SELECT %s FROM collaboration_sessions WHERE report_id = '%s'", columns,
	               report_id);
	return sql(dir, statement);
}

static void test_view(void)
{
	const char *dir = dir_of("view");
	struct fixture f;
	char time[RFC3339_LEN + 1];

	fixture_sqlite(&f, dir);
	view_fill(&f);
	is_str(sql(dir,
	           "SELECT group_concat(name) FROM pragma_table_info('collaboration_sessions')"),
	       "session_id,report_id,session_type,participants,active_editors,started_at,"
	       "last_activity,changes_log,comments,locked_sections,conflict_resolution_strategy,"
	       "max_participants,session_timeout_minutes,is_active,created_at,updated_at",
	       "the original's columns");
	is_str(view(dir,
	            "session_id, session_type, conflict_resolution_strategy, max_participants,"
	            " session_timeout_minutes, is_active, started_at, last_activity",
	            "r1"),
	       "01010101-0000-4000-8000-000000000001|direct|merge|7|30|1|2024-01-15T10:30:00.000Z|"
	       "2024-01-15T10:31:00.000Z",
	       "plain columns");
	is_str(view(dir, "participants", "r1"), "[" ANN "," BOB "]", "participants");
	is_str(view(dir, "active_editors", "r1"), "[\"ann\"]", "active editors");
	is_str(view(dir, "locked_sections", "r1"), "{\"s1\":\"ann\"}", "locked sections");
	is_str(view(dir, "comments", "r1"), "[{\"comment_id\":\"c1\",\"content\":\"\xc3\xa9\"}]",
	       "comments");
	is_str(view(dir, "changes_log", "r1"),
	       "[{\"type\":\"section_update\",\"seq\":1},{\"type\":\"section_deleted\",\"seq\":4}]",
	       "the log of changes");
	is_str(view(dir, "created_at", "r1"), "2024-01-15T10:30:00.123Z", "created");
	rfc3339_format(T0, time);
	is_str(view(dir, "updated_at", "r1"), time, "updated");
	is_str(view(dir,
	            "quote(participants), quote(active_editors), quote(changes_log),"
	            " quote(comments), quote(locked_sections), quote(session_type),"
	            " quote(started_at), is_active",
	            "r2"),
	       "'[]'|'[]'|'[]'|'[]'|'{}'|NULL|NULL|0", "without a snapshot");
	is_str(view(dir, "participants, active_editors", "r3"), "[" ANN "," BOB "]|[\"ann\"]",
	       "members may be an object");
	is_str(view(dir, "participants, comments, locked_sections", "r4"), "[]|[]|{}",
	       "a snapshot that is not JSON");
	is_str(view(dir, "participants, active_editors, comments, locked_sections", "r5"),
	       "[]|[]|[]|{}", "a snapshot of another shape");
	is_str(sql(dir, "SELECT count(*) FROM collaboration_sessions"), "5", "one row a session");
	fixture_free(&f);
}

/* ---- commits ---- */

static void test_group_commit(void)
{
	struct fixture f;
	struct answer acks = {0}, seen = {0};
	int64_t key, before;

	disk_reset();
	fixture_sqlite(&f, dir_of("group"));
	key = create(&f, 1, "r1", true);
	before = commits(&f);
	disk_set(true, 0);
	append_queue(&f, key, 1, 1, T0, &acks);
	disk_wait_held();
	for (int i = 0; i < 100; i++)
		append_queue(&f, key, 2 + i, 1, T0, &acks);
	queued(store_read(f.s, key, 0, 1000, 100000, take, &seen));
	while (seen.calls == 0)
		fixture_turn(&f);
	is_int(seen.records_len, 1, "reads do not wait for a commit, and do not see it");
	is_int(acks.calls, 0, "no append is acknowledged before its fsync is done");
	is_int(pending(&f), 101, "they are pending");
	disk_set(false, 0);
	settle(&f);
	is_int(acks.calls, 101, "then all are");
	is_int(commits(&f) - before, 2, "what gathered meanwhile was one commit");
	is_int(records_of(&f, key), 102, "all is there");
	answer_release(&acks);
	answer_release(&seen);
	fixture_free(&f);
}

/* Copy the files as they are now, as kill -9 would leave them, and open the copy. */
static int64_t records_after_crash(const char *dir, int64_t key)
{
	char copy[96];
	struct fixture g;
	int64_t n;

	(void)snprintf(copy, sizeof copy, "%s-copy", dir);
	(void)shell("rm -rf '%s' && mkdir '%s'", copy, copy);
	(void)shell("cp '%s'/collab.db '%s'", dir, copy);
	(void)shell("cp '%s'/collab.db-wal '%s'", dir, copy);
	fixture_sqlite(&g, copy);
	n = records_of(&g, key);
	fixture_free(&g);
	return n;
}

static void test_idle_checkpoint(void)
{
	const char *dir = dir_of("idle");
	struct fixture f;
	int64_t before;

	disk_reset();
	fixture_sqlite(&f, dir);
	create(&f, 1, "r1", true);
	before = file_size(dir, "collab.db");
	(void)pthread_mutex_lock(&disk.lock);
	while (file_size(dir, "collab.db") == before) /* it changes before it is synced */
		(void)pthread_cond_wait(&disk.changed, &disk.lock);
	(void)pthread_mutex_unlock(&disk.lock);
	ok(file_size(dir, "collab.db") > before, "when nobody writes the log is copied");
	fixture_free(&f);
}

static void test_fsync_fails(void)
{
	struct fixture f;
	struct answer a[4] = {{0}, {0}, {0}, {0}};
	char dir[64];
	int64_t key;

	(void)snprintf(dir, sizeof dir, "%s", dir_of("fsync"));
	disk_reset();
	fixture_sqlite(&f, dir);
	key = create(&f, 1, "r1", true);
	append(&f, key, 1, 2, T0);
	disk_set(true, ALWAYS);
	append_queue(&f, key, 3, 1, T0, &a[0]);
	disk_wait_held();
	append_queue(&f, key, 4, 1, T0, &a[1]);
	append_queue(&f, key, 3, 1, T0, &a[2]);
	queued(store_snapshot_put(f.s, key, 4, "{}", 2, NULL, STORE_KEEP, take, &a[3]));
	disk_set(false, ALWAYS);
	settle(&f);
	is_int(a[0].rc, ERR_STORE_UNAVAILABLE, "a commit whose fsync fails has failed");
	is_str(a[0].err.text, "the commit failed: disk I/O error (Input/output error)",
	       "with the reason");
	is_int(a[1].rc, ERR_STORE_UNAVAILABLE, "so has what was queued behind it");
	is_int(a[2].rc, ERR_STORE_UNAVAILABLE, "though its seq would fit");
	is_int(a[3].rc, ERR_CAS, "there is no snapshot of what was lost");
	ok(!writable(&f), "the store cannot be written");
	is_int(append(&f, key, 9, 1, T0), ERR_CAS, "what is wrong is refused");
	ok(!writable(&f), "which proves nothing");
	is_int(append(&f, key, 3, 1, T0), ERR_STORE_UNAVAILABLE, "the fsync is not tried again");
	is_int(records_of(&f, key), 3, "nothing of it can be read");
	disk_set(false, 0);
	is_int(records_after_crash(dir, key), 3, "nor would it be there after a crash");
	wait_writable(&f);
	ok(writable(&f), "it recovers by itself");
	is_int(append(&f, key, 3, 1, T0), 0, "and the log goes on");
	is_int(records_of(&f, key), 4, "without a gap");
	for (int i = 0; i < 4; i++)
		answer_release(&a[i]);
	fixture_free(&f);
}

/* An append made before its owner knows of a failure does not count on what was lost. */
static void test_fsync_fails_once(void)
{
	struct fixture f;
	struct answer a = {0}, b = {0}, other = {0};
	int64_t key, key2;

	disk_reset();
	fixture_sqlite(&f, dir_of("once"));
	key = create(&f, 1, "r1", true);
	key2 = create(&f, 2, "r2", true);
	disk_set(true, 1);
	append_queue(&f, key, 1, 1, T0, &a);
	append_queue(&f, key2, 1, 1, T0, &other);
	disk_wait_held();
	append_queue(&f, key, 1, 1, T0, &b);
	disk_set(false, 1);
	settle(&f);
	is_int(a.rc, ERR_STORE_UNAVAILABLE, "the commit fails");
	is_int(b.rc, ERR_STORE_UNAVAILABLE, "the next would work, but not for who did not know");
	is_int(append(&f, key, 1, 1, T0), 0, "it works for who knows");
	is_int(append(&f, key2, 1 + (other.rc == 0), 1, T0), 0, "for the other session too");
	ok(writable(&f), "and the store is well");
	answer_release(&a);
	answer_release(&b);
	answer_release(&other);
	fixture_free(&f);
}

/* Neither a checkpoint nor a crash may bring back what failed. */
static void test_fsync_fails_for_good(void)
{
	struct fixture f;
	char dir[64];
	int64_t key;

	(void)snprintf(dir, sizeof dir, "%s", dir_of("good"));
	disk_reset();
	fixture_sqlite(&f, dir);
	key = create(&f, 1, "r1", true);
	disk_set(false, ALWAYS);
	is_int(append(&f, key, 1, 8, T0), ERR_STORE_UNAVAILABLE, "it fails");
	is_int(create(&f, 2, "r2", true), ERR_STORE_UNAVAILABLE, "and again");
	disk_set(false, 0);
	is_int(append(&f, key, 1, 1, T0), 0, "the next append is the probe");
	ok(writable(&f), "and all is well");
	is_int(create(&f, 2, "r2", true), key + 1, "no key is lost");
	is_int(records_after_crash(dir, key), 2, "a crash finds what was acknowledged");
	fixture_free(&f);
	fixture_sqlite(&f, dir);
	is_int(records_of(&f, key), 2, "so does closing and opening");
	fixture_free(&f);
	is_str(sql(dir, "PRAGMA integrity_check"), "ok", "integrity");
}

static void limit_files(const char *dir, int64_t more)
{
	struct rlimit limit;

	(void)getrlimit(RLIMIT_FSIZE, &limit); /* cannot fail */
	limit.rlim_cur = more == INT64_MAX ? limit.rlim_max
	                                   : (rlim_t)(file_size(dir, "collab.db-wal") + more);
	if (more < 0)
		limit.rlim_cur = 0;
	(void)setrlimit(RLIMIT_FSIZE, &limit); /* below the hard limit: cannot fail */
}

/*
 * Files that may not grow stand for a full disk.  What this program prints may go to a file, so
 * it prints nothing while the limit holds.
 */
static void test_full_disk(void)
{
	struct fixture f;
	struct answer big = {0};
	static char bytes[200000];
	struct store_record record = {.time_ms = T0, .bytes = bytes, .len = sizeof bytes};
	struct store_append a = {.seq_expected = 1,
	                         .records = &record,
	                         .records_len = 1,
	                         .due_ms = 5,
	                         .active = STORE_KEEP};
	char dir[64];
	int64_t key, before;
	int small;
	bool still;

	(void)snprintf(dir, sizeof dir, "%s", dir_of("full"));
	memset(bytes, 'x', sizeof bytes);
	(void)signal(SIGXFSZ, SIG_IGN); /* cannot fail with this signal */
	fixture_sqlite(&f, dir);
	a.key = key = create(&f, 1, "r1", true);
	limit_files(dir, 5000);
	queued(store_append(f.s, &a, take, &big));
	settle(&f);
	before = records_of(&f, key);
	limit_files(dir, -1);
	small = append(&f, key, 1, 1, T0);
	still = writable(&f);
	limit_files(dir, INT64_MAX);
	is_int(big.rc, ERR_STORE_UNAVAILABLE, "an append that does not fit fails");
	is_str(big.err.text, "the commit failed: disk I/O error (File too large)",
	       "with the reason");
	is_int(before, 1, "nothing of it is there");
	is_int(small, ERR_STORE_UNAVAILABLE, "nothing fits at all");
	ok(!still, "the store cannot be written");
	wait_writable(&f);
	ok(writable(&f), "once there is room it recovers by itself");
	is_int(row(&f, 1).due_ms, STORE_NEVER, "nothing is half there");
	is_int(append(&f, key, 1, 3, T0), 0, "and the log goes on");
	is_int(records_after_crash(dir, key), 4, "also after a crash");
	answer_release(&big);
	fixture_free(&f);
	fixture_sqlite(&f, dir);
	is_int(records_of(&f, key), 4, "and after closing");
	fixture_free(&f);
}

/* ---- kill -9 ---- */

/* In a child: append one after the other, and print each that is acknowledged. */
static void kill_me(const char *dir, int out)
{
	struct fixture f;
	int64_t key;

	fixture_sqlite(&f, dir);
	key = create(&f, 1, "r1", true);
	for (int64_t seq = 1;; seq++) {
		if (append(&f, key, seq, 1, T0) || write(out, &seq, sizeof seq) != sizeof seq)
			_exit(1);
	}
}

static void test_kill(void)
{
	enum { ACKS = 200 };
	char dir[64];
	struct fixture f;
	int64_t acked = 0, found;
	int fds[2], status = 0;
	pid_t child;

	(void)snprintf(dir, sizeof dir, "%s", dir_of("kill"));
	if (pipe(fds))
		exit(1);
	(void)fflush(stdout); /* the child must not print it again */
	child = fork();
	if (child == 0) {
		disk_reset();
		kill_me(dir, fds[1]);
	}
	(void)close(fds[1]); /* the child's end */
	while (acked < ACKS && read(fds[0], &acked, sizeof acked) == sizeof acked)
		;
	is_int(kill(child, SIGKILL), 0, "kill -9 in the middle of commits");
	while (read(fds[0], &acked, sizeof acked) == sizeof acked)
		;
	(void)close(fds[0]); /* only read */
	ok(waitpid(child, &status, 0) == child && WIFSIGNALED(status), "it is dead");
	fixture_sqlite(&f, dir);
	found = records_of(&f, 1);
	ok(acked >= ACKS && found >= acked + 1, "whatever was acknowledged is there, in order");
	printf("# acknowledged %lld, found %lld\n", (long long)acked + 1, (long long)found);
	is_int(append(&f, 1, found, 1, T0), 0, "and the log goes on");
	fixture_free(&f);
	is_str(sql(dir, "PRAGMA integrity_check"), "ok", "integrity");
}

int main(void)
{
	(void)alarm(600); /* what waits for ever should fail */
	disk_reset();
	scratch_make();
	test_reopen();
	test_free_commits();
	test_modes();
	test_lock();
	test_bad_dirs();
	test_versions();
	test_indexes();
	test_view();
	test_group_commit();
	test_idle_checkpoint();
	test_fsync_fails();
	test_fsync_fails_once();
	test_fsync_fails_for_good();
	test_full_disk();
	test_kill();
	scratch_remove();
	return done();
}
