/* SQLite connections, prepared statements, and what went wrong with them. */
#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite_int.h"

/* How long somebody else, who can only be a person with sqlite3, may hold the database up. */
enum { BUSY_MS = 2000 };

/* A connection is used by one thread at a time; the file was made before. */
enum { FLAGS = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX };

/*
 * A read that the disk fails (EIO) comes out of a statement as "malformed": SQLite takes it for a
 * damaged file system.  It may be well again by and by, and the file be whole.
 */
static int primary_code(const struct db *d)
{
	int rc = d->handle ? sqlite3_extended_errcode(d->handle) & 0xff : SQLITE_NOMEM;
	bool failed = d->system_errno == EIO || d->system_errno == ENXIO;

	return rc == SQLITE_CORRUPT && failed ? SQLITE_IOERR : rc;
}

int db_error(struct db *d, const char *what, struct err *e)
{
	int kind = primary_code(d);
	int code = kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB ? ERR_CORRUPT
	                                                           : ERR_STORE_UNAVAILABLE;
	bool system = kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN;
	char reason[128] = "";

	if (kind == SQLITE_OK || kind == SQLITE_ROW || kind == SQLITE_DONE || kind == SQLITE_NOMEM)
		return err_set(e, code, "%s: out of memory", what);
	if (!system || !d->system_errno || strerror_r(d->system_errno, reason, sizeof reason))
		return err_set(e, code, "%s: %s", what, sqlite3_errmsg(d->handle));
	return err_set(e, code, "%s: %s (%s)", what, sqlite3_errstr(kind), reason);
}

/*
 * sqlite3_system_errno() knows nothing of a COMMIT that failed, but errno still does.  It is
 * cleared before each call, and taken after it when rc is an error.
 */
static int noted(struct db *d, int rc)
{
	if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		d->system_errno = errno;
	return rc;
}

int db_open(struct db *d, const char *path, enum db_use use, struct err *e)
{
	static const char *const settings[] = {
		[DB_WRITE] = "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
			     "PRAGMA cache_size = -16384; PRAGMA journal_size_limit = 67108864",
		[DB_READ] = "PRAGMA query_only = 1; PRAGMA cache_size = -8192",
		[DB_CHECKPOINT] = "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
				  "PRAGMA cache_size = -256",
		/* A copy is synced as a whole, and thrown away when anything fails. */
		[DB_COPY] = "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF",
	};
	int rc;

	*d = (struct db){0};
	errno = 0;
	if (noted(d, sqlite3_open_v2(path, &d->handle, FLAGS, NULL))) {
		rc = db_error(d, "cannot open the database", e);
	} else {
		(void)sqlite3_busy_timeout(d->handle, BUSY_MS); /* cannot fail */
		rc = db_exec(d, settings[use], e);
	}
	if (rc)
		db_close(d);
	return rc;
}

int db_prepare(struct db *d, const char *const sql[], size_t len, struct err *e)
{
	size_t size = sizeof(struct sqlite3_stmt *);
	struct sqlite3_stmt **stmts = realloc(d->stmts, (d->stmts_len + len) * size);

	if (!stmts)
		return err_set(e, ERR_STORE_UNAVAILABLE, "out of memory");
	d->stmts = stmts;
	errno = 0;
	for (size_t i = 0; i < len; i++, d->stmts_len++)
		if (noted(d, sqlite3_prepare_v3(d->handle, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
		                                &d->stmts[d->stmts_len], NULL)))
			return db_error(d, "cannot use the database", e);
	return 0;
}

void db_close(struct db *d)
{
	for (size_t i = 0; i < d->stmts_len; i++)
		(void)sqlite3_finalize(d->stmts[i]); /* repeats an error that was seen before */
	free(d->stmts);
	if (d->handle) {
		int rc = sqlite3_close(d->handle);

		assert(rc == SQLITE_OK); /* anything else is a statement left behind */
		(void)rc;                /* for builds without assert */
	}
	*d = (struct db){0};
}

int db_exec(struct db *d, const char *sql, struct err *e)
{
	errno = 0;
	if (noted(d, sqlite3_exec(d->handle, sql, NULL, NULL, NULL)))
		return db_error(d, "cannot use the database", e);
	return 0;
}

int db_int(struct db *d, const char *sql, int64_t *out, struct err *e)
{
	struct sqlite3_stmt *stmt = NULL;
	int rc = 0;

	errno = 0;
	if (noted(d, sqlite3_prepare_v2(d->handle, sql, -1, &stmt, NULL)) ||
	    noted(d, sqlite3_step(stmt)) != SQLITE_ROW)
		rc = db_error(d, "cannot read the database", e);
	else
		*out = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_finalize(stmt); /* repeats the step's error */
	return rc;
}

struct db_call db_begin(struct db *d, size_t stmt)
{
	assert(stmt < d->stmts_len);
	return (struct db_call){.db = d, .stmt = d->stmts[stmt]};
}

void db_put_int(struct db_call *c, int64_t value)
{
	int rc = sqlite3_bind_int64(c->stmt, ++c->at, value);

	if (!c->rc)
		c->rc = rc;
}

void db_put_due(struct db_call *c, int64_t due_ms)
{
	int rc = due_ms == STORE_NEVER ? sqlite3_bind_null(c->stmt, ++c->at)
	                               : sqlite3_bind_int64(c->stmt, ++c->at, due_ms);

	if (!c->rc)
		c->rc = rc;
}

void db_put_text(struct db_call *c, const char *p, size_t len)
{
	int rc = sqlite3_bind_text64(c->stmt, ++c->at, p, len, SQLITE_STATIC, SQLITE_UTF8);

	if (!c->rc)
		c->rc = rc;
}

int db_step(struct db_call *c)
{
	int rc;

	errno = 0;
	rc = noted(c->db, c->rc ? c->rc : sqlite3_step(c->stmt));
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

int64_t db_get_int(const struct db_call *c, int column)
{
	return sqlite3_column_int64(c->stmt, column);
}

int64_t db_get_due(const struct db_call *c, int column)
{
	if (sqlite3_column_type(c->stmt, column) == SQLITE_NULL)
		return STORE_NEVER;
	return sqlite3_column_int64(c->stmt, column);
}

struct db_text db_get_text(const struct db_call *c, int column)
{
	const char *p = (const char *)sqlite3_column_text(c->stmt, column);

	return (struct db_text){p, (size_t)sqlite3_column_bytes(c->stmt, column)};
}

void db_end(struct db_call *c)
{
	(void)sqlite3_reset(c->stmt); /* repeats the step's error */
}

int db_run(struct db_call *c)
{
	int rc = db_step(c);

	db_end(c);
	return rc < 0 ? -1 : 0;
}

int db_get_session(const struct db_call *c, struct store_session *row)
{
	const char *session_id = db_get_text(c, 1).p, *report_id = db_get_text(c, 2).p;

	*row = (struct store_session){
		.key = db_get_int(c, 0),
		.active = db_get_int(c, 3) != 0,
		.seq = db_get_int(c, 4),
		.floor = db_get_int(c, 5),
		.created_ms = db_get_int(c, 6),
		.updated_ms = db_get_int(c, 7),
		.due_ms = db_get_due(c, 8),
		.summary = db_get_text(c, 9).p,
	};
	if (!session_id || !report_id || !row->summary)
		return -1;
	/* Only a foreign hand could have made them longer; then they are cut. */
	(void)snprintf(row->session_id, sizeof row->session_id, "%s", session_id);
	(void)snprintf(row->report_id, sizeof row->report_id, "%s", report_id);
	return 0;
}
