/*
 * The reader: one thread with a connection of its own, which sees finished commits only and never
 * waits for the writer.
 */
#include <string.h>

#include "store/sqlite_int.h"

enum read_stmt {
	R_BEGIN,
	R_END,
	R_EVENTS,
	R_EVENT,
	R_TIME,
	R_ENDS,
	R_SNAPSHOT,
	R_BY_ID,
	R_BY_PREFIX,
	R_REPORT_ACTIVE,
	R_REPORT_LATEST,
	R_LIST,
	R_LIST_ACTIVE,
	R_LIST_REPORT,
	R_LIST_BOTH,
	R_DUE,
	R_LEN
};

#define ROWS "SELECT " DB_SESSION " FROM sessions WHERE "

static const char *const statements[R_LEN] = {
	/* A request sees one moment: index, events and rows fit each other. */
	[R_BEGIN] = "BEGIN",
	[R_END] = "COMMIT",
	[R_EVENTS] = DB_EVENTS,
	[R_EVENT] = DB_EVENT,
	[R_TIME] = "SELECT event FROM event_index WHERE session = ?1 AND seq = ?2",
	[R_ENDS] = "SELECT floor, seq FROM sessions WHERE key = ?1",
	[R_SNAPSHOT] = "SELECT seq, state FROM snapshots WHERE session = ?1 AND seq <= ?2"
		       " ORDER BY seq DESC LIMIT 1",
	[R_BY_ID] = ROWS "session_id = ?1",
	/* U+10FFFF sorts behind everything that can follow the prefix. */
	[R_BY_PREFIX] = ROWS "session_id >= ?1 AND session_id < ?1 || char(1114111)"
			     " ORDER BY session_id LIMIT 2",
	[R_REPORT_ACTIVE] = ROWS "report_id = ?1 AND is_active = 1",
	[R_REPORT_LATEST] = ROWS "report_id = ?1 ORDER BY is_active DESC, created_ms DESC, key DESC"
				 " LIMIT 1",
	/* One statement for each filter, so that each has its index; ?1 and ?2 are the same in all.
         */
	[R_LIST] = ROWS "key > ?1 ORDER BY key LIMIT ?2",
	[R_LIST_ACTIVE] = ROWS "key > ?1 AND is_active = ?3 ORDER BY key LIMIT ?2",
	[R_LIST_REPORT] = ROWS "key > ?1 AND report_id = ?3 ORDER BY key LIMIT ?2",
	[R_LIST_BOTH] = ROWS "key > ?1 AND is_active = ?3 AND report_id = ?4 ORDER BY key LIMIT ?2",
	[R_DUE] = ROWS "due_ms <= ?1 ORDER BY due_ms, key LIMIT ?2",
};

int reader_open(struct sqlite_store *s, struct err *e)
{
	int rc = db_open(&s->reader, s->path, DB_READ, e);

	if (!rc)
		rc = db_prepare(&s->reader, statements, R_LEN, e);
	if (!rc)
		rc = pending_prepare(&s->reader_pending, &s->reader, e);
	if (rc)
		reader_close(s);
	return rc;
}

void reader_close(struct sqlite_store *s)
{
	pending_release(&s->reader_pending);
	db_close(&s->reader);
}

/* Each of these: 0 with the reply filled in (also with an error of its own), or -1: the database.
 */

/* The row (seq, time, record) of c is the next one: 1, or 0 when the reply is complete, or -1. */
static int take_record(struct db_call *c, struct store_request *r)
{
	struct db_text text = db_get_text(c, 2);
	struct store_record record = {db_get_int(c, 0), db_get_int(c, 1), text.p, text.len};
	size_t n = r->reply.records_len;

	r->reply.more = n == r->limit || (n > 0 && r->held.len - n + text.len > r->bytes_max);
	if (r->reply.more)
		return 0;
	if (!text.p)
		return -1;
	if (n > 0 && record.seq != r->reply.records[n - 1].seq + 1) {
		store_request_fail(r, ERR_CORRUPT, "record %lld is missing",
		                   (long long)r->reply.records[n - 1].seq + 1);
		return 0;
	}
	return store_request_add_record(r, &record) == 0;
}

/* The records of `log` behind those that the index has. */
static int read_pending(struct sqlite_store *s, struct store_request *r,
                        const struct pending_log *log)
{
	size_t n = r->reply.records_len;
	int64_t after = n > 0 ? r->reply.records[n - 1].seq : r->seq;
	int rc = 1;

	for (size_t i = pending_from(log, after); rc == 1 && i < log->len; i++) {
		struct db_call c = db_begin(&s->reader, R_EVENT);

		db_put_int(&c, log->rows[i].event);
		db_put_int(&c, r->key);
		rc = db_step(&c);
		if (rc == 1)
			rc = take_record(&c, r);
		else if (rc == 0)
			store_request_fail(r, ERR_CORRUPT, "record %lld is missing",
			                   (long long)log->rows[i].seq);
		db_end(&c);
	}
	return rc < 0 ? -1 : 0;
}

static int read_records(struct sqlite_store *s, struct store_request *r)
{
	const struct pending_log *log = pending_find(&s->reader_pending, r->key);
	struct db_call c = db_begin(&s->reader, R_EVENTS);
	int rc;

	db_put_int(&c, r->key);
	db_put_int(&c, r->seq);
	while ((rc = db_step(&c)) == 1 && (rc = take_record(&c, r)) == 1)
		;
	db_end(&c);
	if (rc < 0)
		return -1;
	return log && !r->reply.more && r->reply.rc == 0 ? read_pending(s, r, log) : 0;
}

/* The time of record seq.  1: there is one; 0: there is not; -1: the database. */
static int time_of(struct sqlite_store *s, int64_t key, int64_t seq, int64_t *time_ms)
{
	const struct pending_log *log = pending_find(&s->reader_pending, key);
	int64_t event = log ? pending_event(log, seq) : 0;
	struct db_call c;
	int rc = 1;

	if (!event) {
		c = db_begin(&s->reader, R_TIME);
		db_put_int(&c, key);
		db_put_int(&c, seq);
		rc = db_step(&c);
		if (rc == 1)
			event = db_get_int(&c, 0);
		db_end(&c);
	}
	if (rc != 1)
		return rc;
	c = db_begin(&s->reader, R_EVENT);
	db_put_int(&c, event);
	db_put_int(&c, key);
	rc = db_step(&c);
	if (rc == 1)
		*time_ms = db_get_int(&c, 1);
	db_end(&c);
	return rc;
}

/* Times never fall, so the place is found by halving. */
static int seek(struct sqlite_store *s, struct store_request *r)
{
	struct db_call c = db_begin(&s->reader, R_ENDS);
	struct store_session row = {.key = r->key};
	int64_t low = 0, high = 0, time_ms = 0;
	int rc;

	db_put_int(&c, r->key);
	rc = db_step(&c);
	if (rc == 1) {
		low = db_get_int(&c, 0);
		row.seq = db_get_int(&c, 1);
		pending_head(&s->reader_pending, &row);
		high = row.seq;
	}
	db_end(&c);
	if (rc < 0)
		return -1;
	while (low < high) {
		int64_t middle = low + (high - low + 1) / 2;

		rc = time_of(s, r->key, middle, &time_ms);
		if (rc < 0)
			return -1;
		if (rc == 0) {
			store_request_fail(r, ERR_CORRUPT, "record %lld is missing",
			                   (long long)middle);
			return 0;
		}
		if (time_ms < r->time_ms)
			low = middle;
		else
			high = middle - 1;
	}
	r->reply.seq = low;
	return 0;
}

static int snapshot_get(struct sqlite_store *s, struct store_request *r)
{
	struct db_call c = db_begin(&s->reader, R_SNAPSHOT);
	int rc;

	db_put_int(&c, r->key);
	db_put_int(&c, r->seq);
	rc = db_step(&c);
	if (rc == 1) {
		struct db_text text = db_get_text(&c, 1);

		rc = text.p ? 0 : -1;
		if (text.p)
			(void)store_request_set_snapshot(r, db_get_int(&c, 0), text.p,
			                                 text.len); /* the reply says it */
	}
	db_end(&c);
	return rc;
}

/* The rows of c, at most `limit`; whether there was one more. */
static int sessions_of(struct sqlite_store *s, struct db_call *c, struct store_request *r,
                       size_t limit)
{
	struct store_session row;
	int rc;

	while ((rc = db_step(c)) == 1) {
		r->reply.more = r->reply.sessions_len == limit;
		if (r->reply.more)
			break;
		rc = db_get_session(c, &row);
		if (!rc)
			pending_head(&s->reader_pending, &row);
		if (rc || store_request_add_session(r, &row))
			break;
	}
	db_end(c);
	return rc < 0 ? -1 : 0;
}

static int find(struct sqlite_store *s, struct store_request *r)
{
	static const enum read_stmt by[] = {
		[STORE_BY_ID] = R_BY_ID,
		[STORE_BY_PREFIX] = R_BY_PREFIX,
		[STORE_BY_REPORT_ACTIVE] = R_REPORT_ACTIVE,
		[STORE_BY_REPORT_LATEST] = R_REPORT_LATEST,
	};
	struct db_call c = db_begin(&s->reader, by[r->by]);

	db_put_text(&c, r->text, strlen(r->text));
	return sessions_of(s, &c, r, 2);
}

static int list(struct sqlite_store *s, struct store_request *r)
{
	bool by_active = r->active != STORE_KEEP;
	enum read_stmt stmt = r->text ? (by_active ? R_LIST_BOTH : R_LIST_REPORT)
	                              : (by_active ? R_LIST_ACTIVE : R_LIST);
	struct db_call c = db_begin(&s->reader, stmt);

	db_put_int(&c, r->key);
	db_put_int(&c, (int64_t)r->limit + 1);
	if (by_active)
		db_put_int(&c, r->active == 1);
	if (r->text)
		db_put_text(&c, r->text, strlen(r->text));
	return sessions_of(s, &c, r, r->limit);
}

static int due(struct sqlite_store *s, struct store_request *r)
{
	struct db_call c = db_begin(&s->reader, R_DUE);

	db_put_int(&c, r->time_ms);
	db_put_int(&c, (int64_t)r->limit + 1);
	return sessions_of(s, &c, r, r->limit);
}

static int run(struct sqlite_store *s, enum read_stmt stmt)
{
	struct db_call c = db_begin(&s->reader, stmt);

	return db_run(&c);
}

static void execute(struct sqlite_store *s, struct store_request *r)
{
	static int (*const kinds[])(struct sqlite_store * s, struct store_request * r) = {
		[STORE_REQUEST_READ] = read_records,
		[STORE_REQUEST_SEEK] = seek,
		[STORE_REQUEST_SNAPSHOT_GET] = snapshot_get,
		[STORE_REQUEST_FIND] = find,
		[STORE_REQUEST_LIST] = list,
		[STORE_REQUEST_DUE] = due,
	};
	struct err e = {0};
	int rc = s->reader.handle ? 0 : reader_open(s, &e);

	if (rc) {
		store_request_fail(r, rc, "%s", e.text);
		return;
	}
	rc = run(s, R_BEGIN);
	if (!rc)
		rc = pending_follow(&s->reader_pending, &s->reader);
	if (!rc)
		rc = kinds[r->kind](s, r);
	if (!rc)
		rc = run(s, R_END);
	if (!rc)
		return;
	/* A fresh connection for the next one, whatever it was that this one saw. */
	rc = db_error(&s->reader, "cannot read", &e);
	reader_close(s);
	store_request_fail(r, rc, "%s", e.text);
}

void *reader_main(void *store)
{
	struct sqlite_store *s = store;
	struct store_request_list taken = {0};

	while (queue_take(&s->reads, 0, &taken)) {
		struct store_request *r = NULL;

		while ((r = store_request_pop(&taken))) {
			struct store_request_list one = {0};

			execute(s, r);
			store_request_push(&one, r);
			sqlite_done(s, &one);
		}
	}
	return NULL;
}
