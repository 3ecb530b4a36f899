/* A store at rest, row by row: audit.h. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite_audit.h"

enum audit_stmt {
	A_SESSION,
	A_RECORDS,
	A_RECORD,
	A_EVENT,
	A_SNAPSHOT,
	A_READS, /* those that only read */
	A_PUT_SESSION = A_READS,
	A_PUT_TIME,
	A_PUT_SNAPSHOT,
	A_DROP_SNAPSHOT,
	A_LEN
};

static const char *const statements[A_LEN] = {
	[A_SESSION] = "SELECT " DB_SESSION " FROM sessions WHERE key > ?1"
		      " ORDER BY key LIMIT 1",
	[A_RECORDS] = DB_EVENTS,
	[A_RECORD] = DB_EVENT,
	[A_EVENT] = "SELECT event FROM event_index WHERE session = ?1 AND seq = ?2",
	[A_SNAPSHOT] = "SELECT seq, 0, state FROM snapshots WHERE session = ?1 AND seq > ?2"
		       " ORDER BY seq LIMIT 1",
	[A_PUT_SESSION] = "UPDATE sessions SET is_active = ?2, seq = ?3, updated_ms = ?4,"
			  " due_ms = ?5, summary = ?6 WHERE key = ?1",
	[A_PUT_TIME] = "UPDATE events SET time_ms = ?2 WHERE event = ?1",
	[A_PUT_SNAPSHOT] = "INSERT OR REPLACE INTO snapshots (session, seq, state)"
			   " VALUES (?1, ?2, ?3)",
	[A_DROP_SNAPSHOT] = "DELETE FROM snapshots WHERE session = ?1 AND seq = ?2",
};

/* Nobody else writes, so the end of the logs is read once. */
static int prepare(struct audit *a, bool repair, struct err *e)
{
	int rc = db_prepare(&a->db, statements, repair ? A_LEN : A_READS, e);

	if (!rc)
		rc = pending_prepare(&a->pending, &a->db, e);
	if (!rc && pending_follow(&a->pending, &a->db))
		rc = db_error(&a->db, "cannot read the end of the logs", e);
	return rc;
}

int audit_open(struct audit **out, const char *dir, bool repair, struct err *e)
{
	struct audit *a = calloc(1, sizeof *a);
	int rc = a ? sqlite_dir_take(&a->dir, dir, false, e) : err_set(e, ERR_NOMEM, NULL);

	*out = NULL;
	/* Opening for writing also brings in what a crash left in the log. */
	if (!rc)
		rc = db_open(&a->db, a->dir->path, DB_WRITE, e);
	if (!rc)
		rc = schema_check(&a->db, e);
	if (!rc)
		rc = prepare(a, repair, e);
	if (rc)
		audit_close(a);
	else
		*out = a;
	return rc;
}

int audit_open_file(struct audit **out, const char *path, bool repair, struct err *e)
{
	struct audit *a = calloc(1, sizeof *a);
	int rc = a ? db_open(&a->db, path, repair ? DB_WRITE : DB_READ, e)
	           : err_set(e, ERR_NOMEM, NULL);

	*out = NULL;
	if (!rc)
		rc = schema_check(&a->db, e);
	if (!rc)
		rc = prepare(a, repair, e);
	if (rc)
		audit_close(a);
	else
		*out = a;
	return rc;
}

void audit_close(struct audit *a)
{
	if (!a)
		return;
	if (a->reading)
		db_end(&a->records);
	pending_release(&a->pending);
	pending_release(&a->all);
	db_close(&a->db);
	sqlite_dir_give(a->dir);
	free(a->summary);
	free(a->text);
	free(a);
}

/* ---- what SQLite says ---------------------------------------------------------------------- */

int audit_each(struct db *d, const char *sql, audit_fn *fn, void *arg, struct err *e)
{
	struct sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(d->handle, sql, -1, &stmt, NULL);

	while (!rc && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(stmt, 0);

		fn(arg, text ? text : "");
		rc = 0;
	}
	if (rc != SQLITE_DONE)
		rc = db_error(d, "cannot read", e);
	else
		rc = 0;
	(void)sqlite3_finalize(stmt); /* repeats the step's error */
	return rc;
}

struct pass {
	audit_fn *fn;
	void *arg;
};

static void pass_on(void *arg, const char *text)
{
	struct pass *p = arg;

	if (strcmp(text, "ok") != 0)
		p->fn(p->arg, text);
}

int audit_integrity(struct audit *a, audit_fn *fn, void *arg, struct err *e)
{
	struct pass p = {fn, arg};

	return audit_each(&a->db, "PRAGMA integrity_check(20)", pass_on, &p, e);
}

/* What this program would make, and what differs from it here. */
typedef int difference_fn(void *arg, const char *type, const char *name, const char *sql,
                          bool missing);

/* Whether the database has this object: 1 as it must be, 0 not, -1 another one. */
static int has_object(struct sqlite3_stmt *have, struct sqlite3_stmt *model)
{
	const char *sql = (const char *)sqlite3_column_text(model, 2), *is = NULL;
	int found = 0;

	(void)sqlite3_reset(have); /* nothing has failed */
	for (int i = 0; i < 2; i++)
		if (sqlite3_bind_value(have, i + 1, sqlite3_column_value(model, i)))
			return 0;
	if (sqlite3_step(have) == SQLITE_ROW) {
		is = (const char *)sqlite3_column_text(have, 0);
		found = is && sql && strcmp(is, sql) == 0 ? 1 : -1;
	}
	return found;
}

static int each_difference(struct audit *a, difference_fn *fn, void *arg, struct err *e)
{
	static const char have_sql[] = "SELECT sql FROM sqlite_master WHERE type = ? AND name = ?";
	static const char model_sql[] = "SELECT type, name, sql FROM sqlite_master"
					" WHERE name NOT LIKE 'sqlite_%' ORDER BY rowid";
	struct sqlite3_stmt *have = NULL, *want = NULL;
	struct db model = {0};
	int rc = db_open(&model, ":memory:", DB_WRITE, e);

	if (!rc)
		rc = schema_make(&model, e);
	if (!rc && sqlite3_prepare_v2(a->db.handle, have_sql, -1, &have, NULL))
		rc = db_error(&a->db, "cannot read", e);
	if (!rc && sqlite3_prepare_v2(model.handle, model_sql, -1, &want, NULL))
		rc = db_error(&model, "cannot read", e);
	while (!rc && sqlite3_step(want) == SQLITE_ROW) {
		int found = has_object(have, want);

		if (found != 1)
			rc = fn(arg, (const char *)sqlite3_column_text(want, 0),
			        (const char *)sqlite3_column_text(want, 1),
			        (const char *)sqlite3_column_text(want, 2), found == 0);
	}
	(void)sqlite3_finalize(have); /* these repeat errors that were seen */
	(void)sqlite3_finalize(want);
	db_close(&model);
	return rc;
}

static int tell_difference(void *arg, const char *type, const char *name, const char *sql,
                           bool missing)
{
	struct pass *p = arg;
	char sentence[160];

	(void)sql;
	(void)snprintf(sentence, sizeof sentence, "%s %s %s", type, name,
	               missing ? "is missing" : "is not what it must be");
	p->fn(p->arg, sentence);
	return 0;
}

int audit_schema(struct audit *a, audit_fn *fn, void *arg, struct err *e)
{
	struct pass p = {fn, arg};

	return each_difference(a, tell_difference, &p, e);
}

int audit_count(struct audit *a, int64_t *sessions, int64_t *events, struct err *e)
{
	int64_t indexed = 0;
	int rc = db_int(&a->db, "SELECT count(*) FROM sessions", sessions, e);

	/* Counting the table would read all of it. */
	if (!rc)
		rc = db_int(&a->db, "SELECT count(*) FROM event_index", &indexed, e);
	if (!rc)
		rc = db_int(&a->db,
		            "SELECT count(*) FROM events e WHERE event > (SELECT after FROM"
		            " event_tail) AND NOT EXISTS (SELECT 1 FROM event_index"
		            "  WHERE session = e.session AND seq = e.seq)",
		            events, e);
	*events += indexed;
	return rc;
}

int audit_orphans(struct audit *a, int64_t *events, int64_t *snapshots, struct err *e)
{
	int rc = db_int(&a->db,
	                "SELECT count(*) FROM events WHERE session NOT IN"
	                " (SELECT key FROM sessions)",
	                events, e);

	return rc ? rc
	          : db_int(&a->db,
	                   "SELECT count(*) FROM snapshots WHERE session NOT IN"
	                   " (SELECT key FROM sessions)",
	                   snapshots, e);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int failed(struct audit *a, struct err *e)
{
	return db_error(&a->db, "cannot read", e);
}

int audit_session(struct audit *a, int64_t after_key, struct store_session *row, struct err *e)
{
	struct db_call c = db_begin(&a->db, A_SESSION);
	int rc;

	db_put_int(&c, after_key);
	rc = db_step(&c);
	if (rc == 1 && db_get_session(&c, row) == 0) {
		pending_head(&a->pending, row);
		free(a->summary);
		row->summary = a->summary = strdup(row->summary);
		rc = a->summary ? 1 : err_set(e, ERR_NOMEM, NULL);
	} else if (rc == 1) {
		rc = err_set(e, ERR_CORRUPT, "the directory row %lld has no id",
		             (long long)db_get_int(&c, 0));
	} else if (rc < 0) {
		rc = failed(a, e);
	}
	db_end(&c);
	return rc;
}

/* A row (seq, time, text) of c. */
static int get_record(struct audit *a, struct db_call *c, struct store_record *r, struct err *e)
{
	int rc = db_step(c);
	struct db_text text;

	if (rc == 0)
		return 0;
	if (rc < 0)
		return failed(a, e);
	text = db_get_text(c, 2);
	*r = (struct store_record){db_get_int(c, 0), db_get_int(c, 1), text.p ? text.p : "",
	                           text.p ? text.len : 0};
	return 1;
}

int audit_records(struct audit *a, int64_t key, int64_t after_seq, struct err *e)
{
	(void)e; /* the first step tells */
	if (a->reading)
		db_end(&a->records);
	a->reading = true;
	a->indexed = !a->distrusted;
	a->key = key;
	a->seq = after_seq;
	a->records = db_begin(&a->db, A_RECORDS);
	db_put_int(&a->records, key);
	db_put_int(&a->records, after_seq);
	return 0;
}

/* The session's events that are found without the index. */
static const struct pending_log *log_of(struct audit *a, int64_t key)
{
	return pending_find(a->distrusted ? &a->all : &a->pending, key);
}

/* The next one that the index does not have.  One that is not there is left out. */
static int next_pending(struct audit *a, struct store_record *r, struct err *e)
{
	const struct pending_log *l = log_of(a, a->key);
	int rc = 0;

	for (size_t i = l ? pending_from(l, a->seq) : 0; rc == 0 && l && i < l->len; i++) {
		db_end(&a->records);
		a->records = db_begin(&a->db, A_RECORD);
		db_put_int(&a->records, l->rows[i].event);
		db_put_int(&a->records, a->key);
		rc = get_record(a, &a->records, r, e);
	}
	return rc;
}

int audit_record(struct audit *a, struct store_record *r, struct err *e)
{
	int rc = a->indexed ? get_record(a, &a->records, r, e) : 0;

	a->indexed = rc == 1;
	if (rc == 0)
		rc = next_pending(a, r, e);
	if (rc == 1)
		a->seq = r->seq;
	if (rc != 1) {
		db_end(&a->records);
		a->reading = false;
	}
	return rc;
}

int audit_snapshot(struct audit *a, int64_t key, int64_t after_seq, struct store_record *r,
                   struct err *e)
{
	struct db_call c = db_begin(&a->db, A_SNAPSHOT);
	int rc;

	db_put_int(&c, key);
	db_put_int(&c, after_seq);
	rc = get_record(a, &c, r, e);
	if (rc == 1 && r->len >= a->text_cap) {
		free(a->text);
		a->text_cap = r->len + 1;
		a->text = malloc(a->text_cap);
		if (!a->text) {
			a->text_cap = 0;
			rc = err_set(e, ERR_NOMEM, NULL);
		}
	}
	if (rc == 1) {
		memcpy(a->text, r->bytes, r->len);
		a->text[r->len] = '\0';
		r->bytes = a->text;
	}
	db_end(&c);
	return rc;
}

/* ---- mending --------------------------------------------------------------------------------- */

int audit_begin(struct audit *a, struct err *e)
{
	return db_exec(&a->db, "BEGIN IMMEDIATE", e);
}

int audit_commit(struct audit *a, struct err *e)
{
	return db_exec(&a->db, "COMMIT", e);
}

/* What differs goes and comes as it must be.  Tables are not made anew. */
static int add_sql(void *arg, const char *type, const char *name, const char *sql, bool missing)
{
	struct buf *out = arg;

	if (strcmp(type, "table") == 0)
		return 0;
	if (!missing)
		buf_printf(out, "DROP %s %s;", type, name);
	buf_printf(out, "%s;", sql);
	return buf_error(out);
}

int audit_rebuild(struct audit *a, struct err *e)
{
	struct err ignored = {0};
	struct buf sql;
	int rc;

	buf_init(&sql, 1 << 20);
	buf_puts(&sql, "BEGIN IMMEDIATE;");
	rc = each_difference(a, add_sql, &sql, e);
	buf_puts(&sql, "REINDEX;COMMIT");
	if (!rc && buf_error(&sql))
		rc = err_set(e, ERR_NOMEM, NULL);
	if (!rc)
		rc = db_exec(&a->db, sql.p, e);
	if (rc)
		(void)db_exec(&a->db, "ROLLBACK", &ignored); /* there may be nothing to undo */
	buf_release(&sql);
	return rc;
}

static int run(struct audit *a, struct db_call *c, struct err *e)
{
	return db_run(c) ? db_error(&a->db, "cannot write", e) : 0;
}

int audit_put_session(struct audit *a, const struct store_session *row, struct err *e)
{
	struct db_call c = db_begin(&a->db, A_PUT_SESSION);

	db_put_int(&c, row->key);
	db_put_int(&c, row->active);
	db_put_int(&c, row->seq);
	db_put_int(&c, row->updated_ms);
	db_put_due(&c, row->due_ms);
	db_put_text(&c, row->summary, strlen(row->summary));
	return run(a, &c, e);
}

/* The number of the event; 0: there is none. */
static int event_of(struct audit *a, int64_t key, int64_t seq, int64_t *event, struct err *e)
{
	const struct pending_log *l = log_of(a, key);
	struct db_call c;
	int rc;

	*event = l ? pending_event(l, seq) : 0;
	if (*event)
		return 0;
	c = db_begin(&a->db, A_EVENT);
	db_put_int(&c, key);
	db_put_int(&c, seq);
	rc = db_step(&c);
	if (rc == 1)
		*event = db_get_int(&c, 0);
	db_end(&c);
	return rc < 0 ? failed(a, e) : 0;
}

int audit_put_time(struct audit *a, int64_t key, int64_t seq, int64_t time_ms, struct err *e)
{
	int64_t event = 0;
	int rc = event_of(a, key, seq, &event, e);
	struct db_call c;

	if (rc)
		return rc;
	c = db_begin(&a->db, A_PUT_TIME);
	db_put_int(&c, event);
	db_put_int(&c, time_ms);
	return run(a, &c, e);
}

int audit_put_snapshot(struct audit *a, int64_t key, int64_t seq, const char *bytes, size_t len,
                       struct err *e)
{
	struct db_call c = db_begin(&a->db, A_PUT_SNAPSHOT);

	db_put_int(&c, key);
	db_put_int(&c, seq);
	db_put_text(&c, bytes, len);
	return run(a, &c, e);
}

int audit_drop_snapshot(struct audit *a, int64_t key, int64_t seq, struct err *e)
{
	struct db_call c = db_begin(&a->db, A_DROP_SNAPSHOT);

	db_put_int(&c, key);
	db_put_int(&c, seq);
	return run(a, &c, e);
}

int audit_drop_orphan_snapshots(struct audit *a, struct err *e)
{
	return db_exec(&a->db,
	               "DELETE FROM snapshots WHERE session NOT IN (SELECT key FROM sessions)", e);
}
