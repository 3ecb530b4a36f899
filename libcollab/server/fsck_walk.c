/*
 * One session's check: its log is read once, in order; every record is verified against the chain
 * and folded, and every snapshot compared on the way.  From the first record on that cannot be
 * folded only the chain is followed: what lies behind cannot be judged, and is left alone.
 */
#include "server/fsck_walk.h"

#include <stdlib.h>
#include <string.h>

#include "core/session.h"
#include "proto/chain_notes.h"
#include "proto/event_json.h"
#include "proto/state_json.h"

/*
 * Refs are folded up to the greatest number that can be configured: a snapshot may have been made
 * under any, and then holds the newest of these.
 */
enum { REFS_MAX = 65536, PROGRESS_EVERY = 1024 };

struct walk {
	struct fsck *f;
	const struct store_session *row;
	struct session s;
	bool broken;  /* s is no more */
	bool unknown; /* nor is the hash of the record before */
	unsigned char hash[SHA256_LEN];
	int64_t seq, time_ms;         /* of the last record */
	struct store_record snapshot; /* the next one; seq 0: there is none */
	bool snapshot_bad;
	struct chain_seqs erased,
		listed; /* records whose text was erased; those that events list so */
	struct buf state;
	struct err *e;
};

static void broken(struct walk *w)
{
	w->broken = true;
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static int next_snapshot(struct walk *w, int64_t after)
{
	int rc = audit_snapshot(w->f->audit, w->row->key, after, &w->snapshot, w->e);

	if (rc == 0)
		w->snapshot.seq = 0;
	return rc < 0 ? rc : 0;
}

/* Whether `some` holds, for each user, the newest of the refs that `all` holds. */
static bool are_newest_refs(const json_t *some, const json_t *all)
{
	const char *user = NULL;
	json_t *refs = NULL;

	json_object_foreach((json_t *)some, user, refs)
	{
		const json_t *of = json_object_get(all, user);
		size_t len = json_array_size(refs), of_len = json_array_size(of);

		if (len > of_len)
			return false;
		for (size_t i = 0; i < len; i++)
			if (!json_equal(json_array_get(refs, i),
			                json_array_get(of, of_len - len + i)))
				return false;
	}
	return true;
}

static bool same_state(const struct walk *w, const char *bytes, size_t len)
{
	json_t *is = NULL, *must = NULL;
	bool same = len == w->state.len && memcmp(bytes, w->state.p, len) == 0;

	if (same)
		return true;
	is = json_loadb(bytes, len, 0, NULL);
	must = json_loadb(w->state.p, w->state.len, 0, NULL);
	if (json_is_object(is) && must &&
	    are_newest_refs(json_object_get(is, "refs"), json_object_get(must, "refs"))) {
		(void)json_object_del(is, "refs"); /* it may not be there */
		(void)json_object_del(must, "refs");
		same = json_equal(is, must);
	}
	json_decref(is);
	json_decref(must);
	return same;
}

static int drop_snapshot(struct walk *w, const char *why)
{
	int64_t seq = w->snapshot.seq;
	int rc = 0;

	fsck_tell(w->f, FSCK_SNAPSHOT, w->row, seq, true, "the snapshot %s", why);
	w->snapshot_bad = true;
	if (w->f->repair)
		rc = audit_drop_snapshot(w->f->audit, w->row->key, seq, w->e);
	return rc;
}

/* The snapshot of the state that was just reached, if there is one. */
static int check_snapshot(struct walk *w)
{
	int rc = 0;

	while (!rc && w->snapshot.seq && w->snapshot.seq <= w->s.seq) {
		int64_t seq = w->snapshot.seq;

		buf_clear(&w->state);
		state_write(&w->s, &w->state); /* nothing lies between two records */
		if (buf_error(&w->state))
			rc = err_set(w->e, buf_error(&w->state), NULL);
		if (!rc && seq == w->s.seq && !same_state(w, w->snapshot.bytes, w->snapshot.len))
			rc = drop_snapshot(w, "is not the state that the log says");
		if (!rc)
			rc = next_snapshot(w, seq);
	}
	return rc;
}

/* ---- records --------------------------------------------------------------------------------- */

static int note_erasure(struct walk *w, const struct event_doc *doc)
{
	const json_t *seqs = json_object_get(doc->ev.extra, "seqs"), *seq = NULL;
	size_t i;
	int rc = doc->erased ? chain_seqs_add(&w->erased, doc->ev.seq) : 0;

	if (doc->ev.kind == EVENT_ERASED)
		json_array_foreach((json_t *)seqs, i, seq) if (!rc) rc =
			chain_seqs_add(&w->listed, json_integer_value(seq));
	return rc ? err_set(w->e, rc, NULL) : 0;
}

/* The chain: does it follow from the record before? */
static int check_chain(struct walk *w, const struct store_record *r)
{
	struct err why = {0};
	int rc = event_verify(r->bytes, r->len, w->hash, w->hash, &why);

	if (rc == ERR_CORRUPT && !w->unknown)
		fsck_tell(w->f, FSCK_CHAIN, w->row, r->seq, false, "%s", why.text);
	else if (rc && rc != ERR_CORRUPT)
		return err_set(w->e, rc, "%s", why.text);
	w->unknown = false;
	return 0;
}

static int fold(struct walk *w, const struct event_doc *doc)
{
	struct err why = {0};
	int rc = session_apply(&w->s, &doc->ev, &why);

	if (rc == ERR_CORRUPT) {
		fsck_tell(w->f, FSCK_FOLD, w->row, doc->ev.seq, false, "%s", why.text);
		broken(w);
		return 0;
	}
	if (rc)
		return err_set(w->e, rc, "%s", why.text);
	memcpy(w->s.hash, doc->hash, SHA256_LEN);
	return check_snapshot(w);
}

/* What the event itself says of where it belongs. */
static int check_event(struct walk *w, const struct store_record *r, const struct event_doc *doc)
{
	int rc = note_erasure(w, doc);

	memcpy(w->hash, doc->hash, SHA256_LEN); /* the next one is judged by itself */
	if (doc->ev.seq != r->seq || strcmp(doc->ev.session_id, w->row->session_id) != 0) {
		fsck_tell(w->f, FSCK_RECORD, w->row, r->seq, false,
		          "the record is event %lld of session %s", (long long)doc->ev.seq,
		          doc->ev.session_id);
		broken(w);
		return rc;
	}
	if (!rc && doc->ev.time_ms != r->time_ms) {
		fsck_tell(w->f, FSCK_TIME, w->row, r->seq, true,
		          "the time beside the record is not the event's");
		if (w->f->repair)
			rc = audit_put_time(w->f->audit, w->row->key, r->seq, doc->ev.time_ms,
			                    w->e);
	}
	w->time_ms = doc->ev.time_ms;
	return rc || w->broken ? rc : fold(w, doc);
}

static int check_record(struct walk *w, const struct store_record *r)
{
	struct event_doc doc = {0};
	struct err why = {0};
	int rc = 0;

	if (r->seq != w->seq + 1) {
		fsck_tell(w->f, FSCK_RECORD, w->row, w->seq + 1, false,
		          "%lld records are missing from here on",
		          (long long)(r->seq - w->seq - 1));
		broken(w);
		w->unknown = true;
	}
	w->seq = r->seq;
	rc = check_chain(w, r);
	if (rc)
		return rc;
	rc = event_read(r->bytes, r->len, &doc, &why);
	if (rc == ERR_CORRUPT) {
		fsck_tell(w->f, FSCK_RECORD, w->row, r->seq, false, "the record is no event: %s",
		          why.text);
		broken(w);
		w->unknown = true;
		rc = 0;
	} else if (rc) {
		rc = err_set(w->e, rc, "%s", why.text);
	} else {
		rc = check_event(w, r, &doc);
	}
	event_doc_release(&doc);
	return rc;
}

/* Where the log was compacted it begins with a state instead of nothing. */
static int read_base(struct walk *w)
{
	struct err why = {0};
	int rc = 0;

	while (!rc && w->snapshot.seq && w->snapshot.seq < w->row->floor) {
		int64_t seq = w->snapshot.seq;

		rc = drop_snapshot(w, "lies below the log's floor");
		if (!rc)
			rc = next_snapshot(w, seq);
	}
	if (rc)
		return rc;
	if (w->snapshot.seq == w->row->floor)
		rc = state_read(w->snapshot.bytes, w->snapshot.len, &w->s, &why);
	else
		rc = err_set(&why, ERR_CORRUPT, "it is missing");
	if (rc == ERR_CORRUPT) {
		fsck_tell(w->f, FSCK_SNAPSHOT, w->row, w->row->floor, false,
		          "the state that the log begins from: %s", why.text);
		broken(w);
		w->unknown = true;
	} else if (rc) {
		return err_set(w->e, rc, "%s", why.text);
	}
	w->time_ms = w->s.updated_ms;
	memcpy(w->hash, w->s.hash, SHA256_LEN);
	return next_snapshot(w, w->row->floor);
}

static int begin(struct walk *w)
{
	int rc;

	session_init(&w->s, REFS_MAX, 0);
	w->seq = w->row->floor;
	rc = next_snapshot(w, 0);
	return rc || w->row->floor == 0 ? rc : read_base(w);
}

static int read_log(struct walk *w)
{
	struct fsck *f = w->f;
	struct store_record r;
	int rc = audit_records(f->audit, w->row->key, w->row->floor, w->e);

	while (!rc && (rc = audit_record(f->audit, &r, w->e)) == 1) {
		rc = check_record(w, &r);
		f->events++;
		if (!rc && f->events % PROGRESS_EVERY == 0 && f->progress &&
		    !f->progress(f->arg, f->events, f->events_total))
			rc = err_set(w->e, ERR_STORE_UNAVAILABLE, "the check was given up");
	}
	return rc;
}

/* ---- the directory --------------------------------------------------------------------------- */

/* Something of the row is to be mended; it is written once at the end. */
static void wrong(struct walk *w, bool *put, const char *what)
{
	fsck_tell(w->f, FSCK_DIRECTORY, w->row, -1, true, "%s", what);
	*put = true;
}

/*
 * When it is due may be later than the log says, as cursors keep a session awake, but not later
 * than cursors of this moment would; a session that is never due would never end.
 */
static bool due_is_wrong(const struct walk *w)
{
	int64_t due = session_due_ms(&w->s), timeout = w->s.settings.timeout_minutes * 60000;
	int64_t latest = w->f->now_ms + timeout > due ? w->f->now_ms + timeout : due;

	return w->s.ended_ms == 0 && (w->row->due_ms == STORE_NEVER || w->row->due_ms > latest);
}

/*
 * One that was imported and not activated is not active though it has not ended, and never due.  No
 * other is both: what ends a session is in its log.
 */
static bool is_kept(const struct walk *w)
{
	return w->s.ended_ms == 0 && !w->row->active && w->row->due_ms == STORE_NEVER;
}

static bool is_object(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);
	bool object = json_is_object(j);

	json_decref(j);
	return object;
}

static int check_row(struct walk *w)
{
	struct store_session row = *w->row;
	struct buf summary;
	bool put = false;
	int rc = 0;

	buf_init(&summary, SIZE_MAX / 4);
	if (row.seq < w->seq)
		wrong(w, &put, "the directory's seq lies below the log's end");
	if (row.active != (w->s.ended_ms == 0) && !is_kept(w))
		wrong(w, &put,
		      row.active ? "the directory has the session active, and it has ended"
		                 : "the directory has the session ended, and it is active");
	if (w->seq > 0 && row.updated_ms != w->time_ms)
		wrong(w, &put, "the directory's time is not that of the last record");
	if (due_is_wrong(w) && !is_kept(w))
		wrong(w, &put, "the session would not be looked at when its time is up");
	if (!is_object(row.summary))
		wrong(w, &put, "the directory's summary is no JSON object");
	if (put && w->f->repair) {
		summary_write(&w->s, &summary);
		row.seq = row.seq < w->seq ? w->seq : row.seq;
		row.active = w->s.ended_ms == 0 && !is_kept(w);
		row.updated_ms = w->seq > 0 ? w->time_ms : row.updated_ms;
		row.due_ms = due_is_wrong(w) && !is_kept(w) ? session_due_ms(&w->s) : row.due_ms;
		row.summary = summary.p;
		rc = buf_error(&summary) ? err_set(w->e, buf_error(&summary), NULL)
		                         : audit_put_session(w->f->audit, &row, w->e);
	}
	buf_release(&summary);
	return rc;
}

static void check_erased(struct walk *w)
{
	size_t at = 0;
	int64_t seq;

	while ((seq = chain_seqs_unlisted(&w->erased, &w->listed, &at)))
		fsck_tell(w->f, FSCK_CHAIN, w->row, seq, false,
		          "the text was erased, and no event says so");
}

static int check_end(struct walk *w)
{
	int rc = 0;

	check_erased(w);
	if (w->row->seq > w->seq)
		fsck_tell(w->f, FSCK_RECORD, w->row, w->seq + 1, false,
		          "%lld records are missing at the log's end",
		          (long long)(w->row->seq - w->seq));
	if (w->broken || w->row->seq > w->seq)
		return 0;
	if (strcmp(w->s.report_id, w->row->report_id) != 0)
		fsck_tell(w->f, FSCK_DIRECTORY, w->row, -1, false,
		          "the directory has the session under another report than %s",
		          w->s.report_id);
	while (!rc && w->snapshot.seq) {
		rc = drop_snapshot(w, "lies beyond the log's end");
		if (!rc)
			rc = next_snapshot(w, w->snapshot.seq);
	}
	if (!rc)
		rc = check_row(w);
	if (!rc && w->snapshot_bad && w->f->repair) {
		buf_clear(&w->state);
		state_write(&w->s, &w->state);
		rc = buf_error(&w->state) ? err_set(w->e, buf_error(&w->state), NULL)
		                          : audit_put_snapshot(w->f->audit, w->row->key, w->s.seq,
		                                               w->state.p, w->state.len, w->e);
	}
	return rc;
}

int fsck_walk(struct fsck *f, const struct store_session *row, struct err *e)
{
	struct walk w = {.f = f, .row = row, .e = e};
	int rc;

	buf_init(&w.state, SIZE_MAX / 4);
	rc = begin(&w);
	if (!rc)
		rc = read_log(&w);
	if (!rc)
		rc = check_end(&w);
	session_release(&w.s);
	buf_release(&w.state);
	free(w.erased.v);
	free(w.listed.v);
	return rc;
}
