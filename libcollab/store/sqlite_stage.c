/*
 * What the writer puts into a transaction.
 *
 * Requests are checked against the heads of their logs, as they are with all that was staged before
 * in the transaction, so that one which is refused leaves the others alone.
 */
#include <stdlib.h>
#include <string.h>

#include "store/sqlite_int.h"

enum write_stmt {
	W_BEGIN,
	W_COMMIT,
	W_HEAD,
	W_EVENT,
	W_DUE,
	W_ACTIVE,
	W_SUMMARY,
	W_CREATE,
	W_BY_ID,
	W_ACTIVE_OF_REPORT,
	W_ACTIVE_OF_KEY,
	W_SNAPSHOT,
	W_THIN,
	W_FLOOR,
	W_REPLACE,
	W_SET_FLOOR,
	W_FORGET,
	W_FORGET_INDEX,
	W_DROP,
	W_LEN
};

#define THIN                                                                                       \
	"DELETE FROM snapshots WHERE session = ?1 AND seq > ?2 AND seq <"                          \
	" (SELECT max(seq) FROM snapshots WHERE session = ?1 AND seq <= ?3)"                       \
	" AND seq <> (SELECT floor FROM sessions WHERE key = ?1)"

static const char *const statements[W_LEN] = {
	[W_BEGIN] = "BEGIN IMMEDIATE",
	[W_COMMIT] = "COMMIT",
	[W_HEAD] = "SELECT seq, due_ms, is_active FROM sessions WHERE key = ?1",
	[W_EVENT] = "INSERT INTO events (session, seq, time_ms, record, event)"
		    " VALUES (?1, ?2, ?3, ?4, ?5)",
	[W_DUE] = "UPDATE sessions SET due_ms = ?1 WHERE key = ?2",
	[W_ACTIVE] = "UPDATE sessions SET is_active = ?1 WHERE key = ?2",
	[W_SUMMARY] = "UPDATE sessions SET summary = ?1 WHERE key = ?2",
	[W_CREATE] =
		"INSERT INTO sessions (session_id, report_id, is_active, seq, floor, created_ms,"
		" updated_ms, due_ms, summary) VALUES (?1, ?2, ?3, ?4, ?9, ?5, ?6, ?7, ?8)"
		" RETURNING key",
	[W_BY_ID] = "SELECT " DB_SESSION " FROM sessions WHERE session_id = ?1",
	[W_ACTIVE_OF_REPORT] = "SELECT " DB_SESSION " FROM sessions WHERE report_id = ?1"
			       " AND is_active = 1",
	[W_ACTIVE_OF_KEY] = "SELECT " DB_SESSION " FROM sessions WHERE is_active = 1"
			    " AND report_id = (SELECT report_id FROM sessions WHERE key = ?1)",
	[W_SNAPSHOT] = "INSERT OR REPLACE INTO snapshots (session, seq, state) VALUES (?1, ?2, ?3)",
	[W_THIN] = THIN,
	[W_FLOOR] = "SELECT floor FROM sessions WHERE key = ?1",
	[W_REPLACE] = "UPDATE events SET record = ?1 WHERE session = ?2 AND seq = ?3 AND event ="
		      " (SELECT event FROM event_index WHERE session = ?2 AND seq = ?3)"
		      " RETURNING seq",
	[W_SET_FLOOR] = "UPDATE sessions SET floor = ?1 WHERE key = ?2",
	[W_FORGET] = "DELETE FROM events WHERE event IN"
		     " (SELECT event FROM event_index WHERE session = ?1 AND seq <= ?2)"
		     " AND session = ?1 AND seq <= ?2",
	[W_FORGET_INDEX] = "DELETE FROM event_index WHERE session = ?1 AND seq <= ?2",
	[W_DROP] = "DELETE FROM snapshots WHERE session = ?1 AND seq <> ?2",
};

struct head {
	struct head *next, *next_dirty;
	int64_t key, seq, due_ms;
	bool active;
	bool dirty; /* due_ms is not written */
};

int writer_prepare(struct writer *w, struct err *e)
{
	int rc = db_prepare(&w->db, statements, W_LEN, e);

	return rc ? rc : index_prepare(w, e);
}

int writer_begin(struct writer *w)
{
	struct db_call c = db_begin(&w->db, W_BEGIN);

	w->records = w->created = w->activated = 0;
	w->wrote = false;
	return db_run(&c);
}

/* ---- heads ---- */

void writer_forget(struct writer *w)
{
	for (size_t i = 0; i < HEAD_BUCKETS; i++)
		while (w->heads[i]) {
			struct head *h = w->heads[i];

			w->heads[i] = h->next;
			free(h);
		}
	w->heads_len = 0;
	w->dirty = NULL;
}

static struct head *head_known(const struct writer *w, int64_t key)
{
	struct head *h = w->heads[(uint64_t)key % HEAD_BUCKETS];

	while (h && h->key != key)
		h = h->next;
	return h;
}

/* The head of session `key` in *out, NULL when there is no such session.  0 or -1. */
static int head_of(struct writer *w, int64_t key, struct head **out)
{
	struct head **bucket = &w->heads[(uint64_t)key % HEAD_BUCKETS], *h = NULL;
	struct store_session row = {.key = key};
	struct db_call c;
	int rc;

	*out = head_known(w, key);
	if (*out)
		return 0;
	c = db_begin(&w->db, W_HEAD);
	db_put_int(&c, key);
	rc = db_step(&c);
	if (rc == 1 && (h = calloc(1, sizeof *h))) {
		row.seq = db_get_int(&c, 0);
		pending_head(&w->pending, &row);
		*h = (struct head){.next = *bucket,
		                   .key = key,
		                   .seq = row.seq,
		                   .due_ms = db_get_due(&c, 1),
		                   .active = db_get_int(&c, 2) != 0};
		*bucket = *out = h;
		w->heads_len++;
	}
	db_end(&c);
	return rc < 0 || (rc == 1 && !h) ? -1 : 0;
}

/* The time is written once a transaction, however many appends set it. */
static int heads_write(struct writer *w)
{
	int rc = 0;

	for (; !rc && w->dirty; w->dirty = w->dirty->next_dirty) {
		struct head *h = w->dirty;
		struct db_call c = db_begin(&w->db, W_DUE);

		db_put_due(&c, h->due_ms);
		db_put_int(&c, h->key);
		rc = db_run(&c);
		h->dirty = false;
	}
	return rc;
}

static void head_due(struct writer *w, struct head *h, int64_t due_ms)
{
	if (due_ms == STORE_KEEP || due_ms == h->due_ms)
		return;
	h->due_ms = due_ms;
	if (h->dirty)
		return;
	h->dirty = true;
	h->next_dirty = w->dirty;
	w->dirty = h;
}

/*
 * Staging: 0, also when the request is refused, or -1 when the database fails.
 */

/* If the query c has a row, r is refused because of that session, and *found. */
static int stage_rival(struct writer *w, struct db_call *c, struct store_request *r,
                       const char *why, bool *found)
{
	const struct head *h = NULL;
	struct store_session row;
	int rc = db_step(c);

	*found = rc == 1;
	if (rc == 1) {
		rc = db_get_session(c, &row);
		h = head_known(w, row.key);
		pending_head(&w->pending, &row);
		if (h) /* its row may not be written yet */
			row.due_ms = h->due_ms;
		if (!rc) {
			store_request_fail(r, ERR_EXISTS, "%s", why);
			(void)store_request_add_session(r, &row); /* the reply says what happened */
		}
	}
	db_end(c);
	return rc;
}

/* No number of an event comes twice, even if the last events should be gone. */
static int stage_records(struct writer *w, int64_t key, const struct store_request *r)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < r->records_len; i++) {
		const struct store_record *record = &r->records[i];
		struct pending_row row = {record->seq, w->pending.last + 1};
		struct db_call c = db_begin(&w->db, W_EVENT);

		db_put_int(&c, key);
		db_put_int(&c, record->seq);
		db_put_int(&c, record->time_ms);
		db_put_text(&c, record->bytes, record->len);
		db_put_int(&c, row.event);
		rc = db_run(&c);
		if (!rc)
			rc = pending_add(&w->pending, key, row, record->time_ms);
	}
	w->records += (int64_t)r->records_len;
	return rc;
}

/* The request's bytes as the snapshot of seq. */
static int put_snapshot(struct writer *w, int64_t key, int64_t seq, const struct store_request *r)
{
	struct db_call c = db_begin(&w->db, W_SNAPSHOT);

	db_put_int(&c, key);
	db_put_int(&c, seq);
	db_put_text(&c, r->bytes, r->len);
	return db_run(&c);
}

static int stage_row(struct writer *w, const struct store_session *row, int64_t *key)
{
	struct db_call c = db_begin(&w->db, W_CREATE);
	int rc;

	db_put_text(&c, row->session_id, strlen(row->session_id));
	db_put_text(&c, row->report_id, strlen(row->report_id));
	db_put_int(&c, row->active);
	db_put_int(&c, row->seq);
	db_put_int(&c, row->created_ms);
	db_put_int(&c, row->updated_ms);
	db_put_due(&c, row->due_ms);
	db_put_text(&c, row->summary, strlen(row->summary));
	db_put_int(&c, row->floor);
	rc = db_step(&c);
	if (rc == 1) {
		*key = db_get_int(&c, 0);
		rc = db_step(&c);
	}
	db_end(&c);
	return rc;
}

static int stage_create(struct writer *w, struct store_request *r)
{
	struct db_call c = db_begin(&w->db, W_BY_ID);
	int64_t key = 0;
	bool found = false;
	int rc;

	db_put_text(&c, r->row->session_id, strlen(r->row->session_id));
	rc = stage_rival(w, &c, r, "the session id exists", &found);
	if (!rc && !found && r->row->active) {
		c = db_begin(&w->db, W_ACTIVE_OF_REPORT);
		db_put_text(&c, r->row->report_id, strlen(r->row->report_id));
		rc = stage_rival(w, &c, r, "the report has an active session", &found);
	}
	/* The reply first: what is staged must not lack memory to say so. */
	if (rc || found || store_request_add_session(r, r->row))
		return rc;
	rc = stage_row(w, r->row, &key);
	if (!rc)
		rc = stage_records(w, key, r);
	if (!rc && r->bytes)
		rc = put_snapshot(w, key, r->row->floor, r);
	w->created++;
	w->activated += r->row->active;
	r->reply.sessions[0].key = key;
	r->reply.seq = r->row->seq;
	return rc;
}

/* Written at once, for the checks of what is staged behind it. */
static int stage_active(struct writer *w, struct head *h, struct store_request *r, bool *refused)
{
	bool active = r->active == 1;
	struct db_call c;
	int rc = 0;

	if (r->active == STORE_KEEP || active == h->active)
		return 0;
	if (active) {
		c = db_begin(&w->db, W_ACTIVE_OF_KEY);
		db_put_int(&c, h->key);
		rc = stage_rival(w, &c, r, "the report has an active session", refused);
		if (rc || *refused)
			return rc;
	}
	c = db_begin(&w->db, W_ACTIVE);
	db_put_int(&c, active);
	db_put_int(&c, h->key);
	w->activated += active ? 1 : -1;
	h->active = active;
	return db_run(&c);
}

static int stage_append(struct writer *w, struct store_request *r)
{
	struct head *h = NULL;
	bool refused = false;
	int rc;

	/*
	 * The owner made this one before it knew of the last failure, so it may build on what was
	 * lost, even where the seq happens to fit.
	 */
	if (r->failures < w->failures) {
		r->failures = w->failures;
		store_request_fail(r, ERR_STORE_UNAVAILABLE, "the commit before it failed");
		return 0;
	}
	rc = head_of(w, r->key, &h);
	if (rc)
		return rc;
	if (!h)
		store_request_fail(r, ERR_NO_SESSION, "no session has the key %lld",
		                   (long long)r->key);
	else if (r->seq != h->seq)
		store_request_fail(r, ERR_CAS, "the log ends at %lld, not at %lld",
		                   (long long)h->seq, (long long)r->seq);
	else
		rc = stage_active(w, h, r, &refused);
	if (rc || refused || r->reply.rc)
		return rc;
	rc = stage_records(w, h->key, r);
	if (r->records_len)
		h->seq = r->records[r->records_len - 1].seq;
	head_due(w, h, r->due_ms);
	r->reply.seq = h->seq;
	return rc;
}

static int stage_snapshot(struct writer *w, struct store_request *r)
{
	struct head *h = NULL;
	struct db_call c;
	int64_t low, high;
	int rc = head_of(w, r->key, &h);

	if (rc)
		return rc;
	if (!h || r->seq > h->seq) {
		if (!h)
			store_request_fail(r, ERR_NO_SESSION, "no session has the key %lld",
			                   (long long)r->key);
		else
			store_request_fail(r, ERR_CAS,
			                   "a snapshot of seq %lld, but the log ends at %lld",
			                   (long long)r->seq, (long long)h->seq);
		return 0;
	}
	rc = put_snapshot(w, h->key, r->seq, r);
	if (!rc) {
		store_snapshot_span(r->seq, &low, &high);
		c = db_begin(&w->db, W_THIN);
		db_put_int(&c, h->key);
		db_put_int(&c, low);
		db_put_int(&c, high);
		rc = db_run(&c);
	}
	if (!rc && r->text) {
		c = db_begin(&w->db, W_SUMMARY);
		db_put_text(&c, r->text, strlen(r->text));
		db_put_int(&c, h->key);
		rc = db_run(&c);
	}
	head_due(w, h, r->due_ms);
	r->reply.seq = r->seq;
	return rc;
}

static int replace(struct writer *w, struct store_request *r)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < r->replaced_len; i++) {
		struct db_call c = db_begin(&w->db, W_REPLACE);

		db_put_text(&c, r->replaced[i].bytes, r->replaced[i].len);
		db_put_int(&c, r->key);
		db_put_int(&c, r->replaced[i].seq);
		rc = db_step(&c) == 1 ? 0 : -1; /* what is not there makes all of it fail */
		if (!rc)
			rc = db_step(&c);
		db_end(&c);
	}
	return rc;
}

static int set_floor(struct writer *w, const struct store_request *r)
{
	struct db_call c = db_begin(&w->db, W_SET_FLOOR);
	int rc;

	db_put_int(&c, r->floor);
	db_put_int(&c, r->key);
	rc = db_run(&c);
	for (size_t i = 0; !rc && i < 2; i++) {
		c = db_begin(&w->db, i == 0 ? W_FORGET : W_FORGET_INDEX);
		db_put_int(&c, r->key);
		db_put_int(&c, r->floor);
		rc = db_run(&c);
	}
	if (rc)
		return rc;
	c = db_begin(&w->db, W_DROP);
	db_put_int(&c, r->key);
	db_put_int(&c, r->floor > 0 ? r->floor : -1);
	rc = db_run(&c);
	return rc || !r->bytes ? rc : put_snapshot(w, r->key, r->floor, r);
}

static int stage_rewrite(struct writer *w, struct store_request *r)
{
	struct db_call c = db_begin(&w->db, W_FLOOR);
	int64_t floor = 0;
	int rc;

	db_put_int(&c, r->key);
	rc = db_step(&c);
	if (rc == 1)
		floor = db_get_int(&c, 0);
	db_end(&c);
	if (rc < 0)
		return -1;
	if (rc == 1 && (r->floor < floor || r->floor > r->seq)) {
		store_request_fail(r, ERR_CORRUPT, "the floor is no seq of this log");
		return 0;
	}
	for (size_t i = 0; rc == 1 && i < r->replaced_len; i++)
		if (r->replaced[i].seq <= floor || r->replaced[i].seq > r->seq) {
			store_request_fail(r, ERR_CORRUPT, "record %lld is missing",
			                   (long long)r->replaced[i].seq);
			return 0;
		}
	rc = stage_append(w, r);
	if (rc || r->reply.rc)
		return rc;
	rc = index_log(w, r->key);
	if (!rc)
		rc = replace(w, r);
	return rc ? rc : set_floor(w, r);
}

int writer_stage(struct writer *w, struct store_request *r)
{
	switch (r->kind) {
	case STORE_REQUEST_CREATE:
		return stage_create(w, r);
	case STORE_REQUEST_APPEND:
		return stage_append(w, r);
	case STORE_REQUEST_REWRITE:
		return stage_rewrite(w, r);
	case STORE_REQUEST_SCRUB:
		return 0; /* behind the transaction */
	default:
		return stage_snapshot(w, r);
	}
}

int writer_round_off(struct writer *w)
{
	int rc = heads_write(w);

	return rc ? rc : index_some(w);
}

int writer_commit(struct writer *w)
{
	struct db_call c = db_begin(&w->db, W_COMMIT);

	return db_run(&c);
}
