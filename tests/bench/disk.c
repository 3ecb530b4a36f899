/*
 * What the disk allows: records appended to a file with one fdatasync a group, and inserted into
 * SQLite (WAL, synchronous FULL) with one transaction a group, by 100 sessions in turn; the latter
 * also with an index of sessions and seqs that each transaction keeps ("indexed").
 *
 * usage: disk DIRECTORY RECORD-BYTES SECONDS      one line of JSON for each way and group size
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SESSIONS = 100 };

static char record[65536];
static size_t record_len;
static double seconds;

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void result(const char *way, int group, int64_t records, double from)
{
	printf("{\"way\":\"%s\",\"group\":%d,\"records_per_second\":%.0f,\"commit_us\":%.0f}\n",
	       way, group, (double)records / (now() - from),
	       (now() - from) * 1e6 / ((double)records / group));
	(void)fflush(stdout);
}

static void append(const char *dir, int group)
{
	char path[4096], *bytes = malloc(record_len * (size_t)group);
	double from = 0;
	int64_t n = 0;
	int fd = -1;

	(void)snprintf(path, sizeof path, "%s/append", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || !bytes)
		exit(74);
	for (int i = 0; i < group; i++)
		memcpy(bytes + (size_t)i * record_len, record, record_len);
	for (from = now(); now() - from < seconds; n += group)
		if (write(fd, bytes, record_len * (size_t)group) < 0 || fdatasync(fd))
			exit(74);
	result("append", group, n, from);
	(void)close(fd);
	(void)unlink(path);
	free(bytes);
}

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL)) {
		(void)fprintf(stderr, "disk: %s: %s\n", sql, sqlite3_errmsg(db));
		exit(74);
	}
}

static void insert(const char *dir, int group, bool indexed)
{
	static int64_t seqs[SESSIONS];
	char path[4096];
	sqlite3 *db = NULL;
	sqlite3_stmt *s = NULL;
	double from = 0;
	int64_t n = 0;

	(void)snprintf(path, sizeof path, "%s/insert.%d.%d", dir, group, indexed);
	if (sqlite3_open(path, &db))
		exit(74);
	run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	        "CREATE TABLE events (session INTEGER NOT NULL, seq INTEGER NOT NULL,"
	        " time_ms INTEGER NOT NULL, record TEXT NOT NULL);");
	if (indexed)
		run(db, "CREATE UNIQUE INDEX events_session_seq ON events (session, seq);");
	memset(seqs, 0, sizeof seqs);
	if (sqlite3_prepare_v2(db, "INSERT INTO events VALUES (?, ?, 0, ?)", -1, &s, NULL))
		exit(74);
	for (from = now(); now() - from < seconds;) {
		run(db, "BEGIN");
		for (int i = 0; i < group; i++, n++) {
			sqlite3_bind_int64(s, 1, n % SESSIONS);
			sqlite3_bind_int64(s, 2, ++seqs[n % SESSIONS]);
			sqlite3_bind_text(s, 3, record, (int)record_len, SQLITE_STATIC);
			if (sqlite3_step(s) != SQLITE_DONE)
				exit(74);
			sqlite3_reset(s);
		}
		run(db, "COMMIT");
	}
	result(indexed ? "indexed" : "sqlite", group, n, from);
	sqlite3_finalize(s);
	sqlite3_close(db);
}

int main(int argc, char **argv)
{
	static const int groups[] = {1, 10, 100, 1000};

	if (argc != 4)
		return 64;
	record_len = strtoul(argv[2], NULL, 10);
	seconds = strtod(argv[3], NULL);
	if (record_len < 1 || record_len > sizeof record)
		return 64;
	memset(record, 'x', sizeof record);
	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
		append(argv[1], groups[i]);
	for (size_t i = 0; i < 2 * (sizeof groups / sizeof *groups); i++)
		insert(argv[1], groups[i / 2], i % 2 == 1);
	return 0;
}
