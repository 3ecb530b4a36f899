/*
 * Taking what was erased out of the SQLite store's files, on a disk that fails (fault_disk.h), is
 * full for a while, or whose log somebody reads: what fails loses nothing and stops nobody, and in
 * the end nothing is left, by itself.
 */
#define _GNU_SOURCE /* syscall */
#include "fault_disk.h"
#include "store_test.h"

#include <sqlite3.h>

enum { RECORDS = 40, ERASED = 10, FOR_EVER = 1000000 };

#define SECRET "Zebrawort"

static void text_of(int seq, bool erased, char text[400])
{
	int len = snprintf(text, 400, "{\"seq\":%d,\"text\":\"%s\",\"x\":\"", seq,
	                   erased ? "#########" : SECRET);

	memset(text + len, 'x', 200);
	memcpy(text + len + 200, "\"}", 3);
}

/* As an SQLite that was not built to overwrite what is deleted leaves it. */
static void plant(const char *dir)
{
	struct fixture f;
	struct sqlite3 *db = NULL;
	char path[160];
	int rc;

	fixture_sqlite(&f, dir);
	fixture_free(&f);
	(void)snprintf(path, sizeof path, "%s/collab.db", dir);
	rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
	if (!rc)
		rc = sqlite3_exec(
			db,
			"PRAGMA secure_delete = 0; CREATE TABLE planted (t);"
			"INSERT INTO planted SELECT replace(hex(zeroblob(200)), '00', '" SECRET
			"') FROM pragma_function_list LIMIT 20; DROP TABLE planted",
			NULL, NULL, NULL);
	is_int(rc, SQLITE_OK, "text in free pages");
	(void)sqlite3_close(db); /* nothing is open in it */
}

/* A session whose first records hold what is to be erased. */
static void fill(struct fixture *f, const char *dir)
{
	struct store_record records[RECORDS];
	char text[RECORDS][400];
	struct store_append a = {1, 1, records, RECORDS, STORE_KEEP, STORE_KEEP};

	plant(dir);
	fixture_sqlite(f, dir);
	is_int(create(f, 1, "r1", true), 1, "a session");
	for (int i = 0; i < RECORDS; i++) {
		text_of(i + 2, i >= ERASED, text[i]);
		records[i] = (struct store_record){
			.time_ms = T0, .bytes = text[i], .len = strlen(text[i])};
	}
	queued(store_append(f->s, &a, take, &f->a));
	settle(f);
	is_int(f->a.rc, 0, "with records");
}

static void erase(struct fixture *f)
{
	struct store_record told = {0, T0 + 1, "{\"n\":42}", 8}, with[ERASED];
	char text[ERASED][400];
	struct store_rewrite w = {.append = {1, RECORDS + 1, &told, 1, STORE_KEEP, STORE_KEEP},
	                          .records = with,
	                          .records_len = ERASED,
	                          .erases = true};

	for (int i = 0; i < ERASED; i++) {
		text_of(i + 2, true, text[i]);
		with[i] = (struct store_record){
			.seq = i + 2, .bytes = text[i], .len = strlen(text[i])};
	}
	queued(store_rewrite(f->s, &w, take, &f->a));
	settle(f);
	is_int(f->a.rc, 0, "erase");
}

static int scrub(struct fixture *f)
{
	queued(store_scrub(f->s, take, &f->a));
	settle(f);
	return f->a.rc;
}

static bool scrub_pending(struct fixture *f)
{
	struct store_stats st;

	store_stats(f->s, &st);
	return st.scrub.code != 0;
}

/* In how many of a store's files the text is. */
static int64_t left(const char *dir)
{
	static const char *const names[] = {"collab.db", "collab.db-wal"};
	static char bytes[32 << 20];
	int64_t n = 0;

	for (int i = 0; i < 2; i++) {
		char path[160];
		struct stat st;
		size_t len = 0;
		FILE *in = NULL;

		(void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		in = stat(path, &st) == 0 ? fopen(path, "r") : NULL;
		len = in ? fread(bytes, 1, (size_t)st.st_size, in) : 0;
		if (in)
			(void)fclose(in); /* only read */
		n += len > 0 && memmem(bytes, len, SECRET, strlen(SECRET)) != NULL;
	}
	return n;
}

static bool noted(const char *dir)
{
	char path[160];

	(void)snprintf(path, sizeof path, "%s/collab.scrub", dir);
	return access(path, F_OK) == 0;
}

/* What was committed, and nothing of what was erased. */
static bool whole(struct fixture *f, size_t len)
{
	read_all(f, 1, 0);
	if (f->a.rc || f->a.records_len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (f->a.records[i].seq != (int64_t)i + 1 || strstr(f->a.records[i].bytes, SECRET))
			return false;
	return true;
}

static void empty_dir(const char *dir)
{
	static const char *const names[] = {"collab.db",         "collab.db-wal", "collab.db-shm",
	                                    "collab.db-journal", "collabd.lock",  "collab.scrub"};
	char path[160];

	(void)mkdir(dir, 0700); /* it may be there */
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		(void)unlink(path); /* it may not be there */
	}
}

/* What a crash, or a power cut, has left opens, is whole, and loses the text in doing so. */
static bool recovers(const char *dir, size_t len)
{
	struct fixture f = {0};
	char note[160];
	struct err e = {0};
	FILE *out = NULL;
	bool good;

	(void)snprintf(note, sizeof note, "%s/collab.scrub", dir);
	out = must(fopen(note, "w"));
	(void)fclose(out); /* nothing was written */
	pipe_open(f.wake);
	good = store_sqlite_open(&f.s, dir, on_wake, f.wake, &e) == 0 && whole(&f, len);
	good = good && !noted(dir) && left(dir) == 0;
	if (!good)
		printf("# %s: %s, %lld left\n", dir, e.text, (long long)left(dir));
	fixture_free(&f);
	return good;
}

static void copy_to(const char *dir)
{
	char command[200];

	empty_dir(dir);
	(void)snprintf(command, sizeof command, "cp data/collab.db data/collab.db-wal %s", dir);
	must(system(command) == 0 ? command : NULL);
}

struct fault {
	const char *name;
	int calls;
	int64_t times;
	int error;
	bool half;
};

static const struct fault faults[] = {
	{"the disk is full", CALL_WRITE, FOR_EVER, ENOSPC, false},
	{"the disk is full, half a write fits", CALL_WRITE, FOR_EVER, ENOSPC, true},
	{"a write fails", CALL_WRITE, 1, EIO, false},
	{"a sync fails", CALL_SYNC, 1, EIO, false},
	{"no sync works any more", CALL_SYNC, FOR_EVER, EIO, false},
	{"a truncation fails", CALL_CUT, 1, EIO, false},
	{"nothing works", CALL_WRITE | CALL_CUT | CALL_SYNC | CALL_READ, FOR_EVER, EIO, false},
};

/* The n-th call of the scrub fails (0: none); how many there were. */
static int64_t run(const struct fault *fault, int64_t n, uint64_t seed, bool *good)
{
	struct fixture f;
	int64_t seen;
	bool fine = true;
	int rc;

	empty_dir("data");
	disk_new(seed + (uint64_t)n);
	disk.calls = 0;
	fill(&f, "data");
	erase(&f);
	fine = left("data") > 0 && noted("data");
	disk.seen = 0;
	disk_fail(fault->calls, n, fault->times, fault->error, fault->half);
	rc = scrub(&f);
	seen = disk.seen;
	disk_well();
	disk.calls = 0;
	fine = fine && (rc == 0 || rc == ERR_STORE_UNAVAILABLE) && (n > 0 || rc == 0);
	fine = fine && scrub_pending(&f) == (rc != 0) && noted("data") == (rc != 0);
	fine = fine && (rc != 0 || left("data") == 0);
	copy_to("copy");
	fine = fine && recovers("copy", RECORDS + 2);
	empty_dir("power");
	disk_power_cut("power");
	fine = fine && recovers("power", RECORDS + 2);
	/* It goes on, and what was not done is done when it is asked for again. */
	fine = fine && append(&f, 1, RECORDS + 2, 1, T0 + 2) == 0 && whole(&f, RECORDS + 3);
	fine = fine && scrub(&f) == 0 && !scrub_pending(&f);
	fine = fine && !noted("data") && left("data") == 0 && whole(&f, RECORDS + 3);
	fixture_free(&f);
	if (!fine)
		printf("# %s, n = %lld: %s\n", fault->name, (long long)n, f.a.err.text);
	*good = fine;
	return seen;
}

static void test_fault(const struct fault *fault, uint64_t seed)
{
	bool good = false;
	int64_t calls = run(fault, 0, seed, &good), bad = 0, n = 1, step = 1;

	ok(good && calls > 0, "nothing fails: the text is gone (%s)", fault->name);
	if (calls > 10 && !getenv("LONG")) {
		step = getenv("SHORT") ? 40 : 6;
		n += (int64_t)(seed % (uint64_t)step);
	}
	for (; n <= calls; n += step) {
		(void)run(fault, n, seed, &good);
		bad += !good;
	}
	ok(bad == 0, "%s, at calls 1 to %lld of a scrub", fault->name, (long long)calls);
}

/* Until it is done by itself; it wakes. */
static void wait_scrubbed(struct fixture *f, const char *dir)
{
	while (noted(dir) || scrub_pending(f))
		fixture_turn(f);
	is_int(left(dir), 0, "by and by the text is gone, by itself");
	ok(whole(f, RECORDS + 2), "and nothing else");
}

static void test_by_itself(uint64_t seed)
{
	struct fixture f;

	empty_dir("data");
	disk_new(seed);
	fill(&f, "data");
	erase(&f);
	disk_fail(CALL_WRITE, 1, 3, ENOSPC, false);
	is_int(scrub(&f), ERR_STORE_UNAVAILABLE, "no room");
	ok(scrub_pending(&f) && left("data") > 0, "the text is there, and that is told");
	wait_scrubbed(&f, "data");
	fixture_free(&f);
}

static void test_not_asked_for(uint64_t seed)
{
	struct fixture f;

	empty_dir("data");
	disk_new(seed);
	fill(&f, "data");
	erase(&f);
	ok(left("data") > 0, "nobody asks for a scrub");
	wait_scrubbed(&f, "data");
	fixture_free(&f);
}

/* Without room it opens, with all there is, and goes on. */
static void test_opening(uint64_t seed)
{
	struct fixture f, again = {0};
	struct err e = {0};

	empty_dir("data");
	disk_new(seed);
	fill(&f, "data");
	erase(&f);
	copy_to("copy");
	fixture_free(&f);
	(void)rename("data/collab.scrub", "copy/collab.scrub"); /* the next line tells */
	ok(noted("copy") && left("copy") > 0, "a crash before the scrub");
	pipe_open(again.wake);
	/* The log that is found is written over itself; the scrub is what wants more. */
	disk_fail(CALL_WRITE, 12, FOR_EVER, ENOSPC, false);
	is_int(store_sqlite_open(&again.s, "copy", on_wake, again.wake, &e), 0,
	       "it opens on a full disk");
	ok(disk.failed > 0, "which it was");
	ok(scrub_pending(&again) && noted("copy"), "the scrub is to come");
	ok(whole(&again, RECORDS + 2), "and all is there");
	disk_well();
	wait_scrubbed(&again, "copy");
	is_int(append(&again, 1, RECORDS + 2, 1, T0 + 2), 0, "it goes on");
	fixture_free(&again);
}

/* Who reads what was keeps the log from being emptied. */
static void test_reader(uint64_t seed)
{
	struct sqlite3 *reader = NULL;
	struct fixture f;

	empty_dir("data");
	disk_new(seed);
	fill(&f, "data");
	must(sqlite3_open_v2("data/collab.db", &reader, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK
	             ? reader
	             : NULL);
	is_int(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM sessions", NULL, NULL, NULL),
	       SQLITE_OK, "somebody reads");
	erase(&f);
	is_int(scrub(&f), ERR_STORE_UNAVAILABLE, "the log cannot be emptied");
	ok(strstr(f.a.err.text, "cannot empty the log") != NULL, "it says so: %s", f.a.err.text);
	is_int(append(&f, 1, RECORDS + 2, 1, T0 + 2), 0, "commits go on");
	(void)sqlite3_close(reader); /* a reader's view ends here */
	is_int(scrub(&f), 0, "it is done when it can be");
	is_int(left("data"), 0, "and nothing is left");
	fixture_free(&f);
}

/* The checkpoint thread has work, too, when megabytes are written anew. */
static void test_large(uint64_t seed)
{
	static char bytes[1 << 20];
	struct store_record big = {.time_ms = T0, .bytes = bytes, .len = sizeof bytes};
	struct store_append a = {1, RECORDS + 2, &big, 1, STORE_KEEP, STORE_KEEP};
	struct fixture f;
	int bad = 0;

	memset(bytes, 'y', sizeof bytes);
	empty_dir("data");
	disk_new(seed);
	fill(&f, "data");
	erase(&f);
	for (int i = 0; i < 16; i++, a.seq_expected++) {
		queued(store_append(f.s, &a, take, &f.a));
		settle(&f);
		bad += f.a.rc != 0 || scrub(&f) != 0 || left("data") > 0;
	}
	is_int(bad, 0, "a store that grows is scrubbed at each size");
	fixture_free(&f);
}

static void test_backup(uint64_t seed)
{
	struct fixture f;
	struct err e = {0};

	empty_dir("data");
	empty_dir("copy");
	disk_new(seed);
	fill(&f, "data");
	erase(&f);
	ok(left("data") > 0, "the text is still in the files");
	is_int(store_backup(f.s, "copy/collab.db", NULL, NULL, &e), 0, "a backup");
	is_int(left("copy"), 0, "does not have it");
	fixture_free(&f);
	ok(recovers("copy", RECORDS + 2), "and is whole");
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
	test_by_itself(seed);
	test_not_asked_for(seed);
	test_opening(seed);
	test_reader(seed);
	test_large(seed);
	test_backup(seed);
	(void)chdir("/"); /* what is removed next must not be where we are */
	scratch_remove();
	return done();
}
