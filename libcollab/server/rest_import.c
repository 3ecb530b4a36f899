/*
 * REST: a session that comes from another server.
 *
 * It may be longer than a request's body, so it comes in parts, each a stretch of bytes: all but
 * the last say more=1; the first is answered with an id that the others give, with the offset that
 * they begin at.  What has come is checked and folded at once, and kept in memory, at most
 * import_bytes; one import is under way at a time.  Only the last part gives it to the store, in
 * one transaction: before that nothing of it is anywhere, after it all of it is.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/json_out.h"
#include "proto/log_import.h"
#include "server/exchange.h"

enum { IDLE_MS = 60000 };

struct import {
	struct log_import log;
	char id[UUID_LEN + 1];
	int64_t received; /* bytes */
	int64_t used_ms;  /* mono: when the last part came */
	bool activate;
	char *user_id; /* whose it is */
};

static void import_free(struct import *in)
{
	if (!in)
		return;
	log_import_release(&in->log);
	free(in->user_id);
	free(in);
}

void hub_import_drop(struct hub *h)
{
	import_free(h->import);
	h->import = NULL;
}

static struct import *import_new(struct exchange *x)
{
	struct import *in = calloc(1, sizeof *in);
	int64_t max = x->hub->limits->import_bytes;

	if (!in)
		return NULL;
	log_import_init(&in->log, (size_t)x->hub->limits->refs, (size_t)max);
	in->user_id = strdup(x->who.user_id);
	if (!in->user_id) {
		import_free(in);
		return NULL;
	}
	hub_uuid(x->hub, in->id);
	in->used_ms = hub_mono(x->hub);
	return in;
}

/* ---- the end ----------------------------------------------------------------------------------
 */

static void answer(struct exchange *x)
{
	const struct import *in = x->more;
	const struct session *s = &in->log.session;
	struct buf *out = &x->response.body;
	char hex[SHA256_HEX_LEN + 1], state[SHA256_HEX_LEN + 1] = "";

	sha256_hex(s->hash, hex);
	if (state_hash(s, state))
		out->error = ERR_NOMEM;
	buf_putc(out, '{');
	json_bool(out, "active", in->activate);
	json_int(out, "events", (int64_t)in->log.records_len);
	json_str(out, "hash", hex);
	json_str(out, "report_id", s->report_id);
	json_int(out, "seq", s->seq);
	json_str(out, "session_id", s->session_id);
	json_str(out, "state_hash", state);
	json_str(out, "status", "imported");
	buf_putc(out, '}');
	x->response.status = 201;
	x->response.content_type = "application/json";
	import_free(x->more);
	x->more = NULL;
	exchange_answer(x);
}

static void fail(struct exchange *x, const struct err *e)
{
	import_free(x->more);
	x->more = NULL;
	exchange_error(x, e, NULL);
}

static void snapshot_kept(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;

	(void)reply; /* a shortcut only: without it the log is folded */
	x->pending--;
	if (!x->aborted) {
		answer(x);
		return;
	}
	import_free(x->more);
	x->more = NULL;
	exchange_free(x);
}

/* It is there.  Who opens it need not fold all of it. */
static void keep_snapshot(struct exchange *x, int64_t key)
{
	const struct import *in = x->more;
	struct buf state;

	buf_init(&state, SIZE_MAX / 4);
	state_write(&in->log.session, &state);
	if (!buf_error(&state) &&
	    store_snapshot_put(x->hub->store, key, in->log.session.seq, state.p, state.len, NULL,
	                       STORE_KEEP, snapshot_kept, x) == 0)
		x->pending++;
	else
		answer(x);
	buf_release(&state);
}

static void created(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;
	const struct import *in = x->more;
	struct err e = reply->err;
	const char *rival = reply->sessions_len > 0 ? reply->sessions[0].session_id : "";

	x->pending--;
	if (x->aborted) {
		import_free(x->more);
		x->more = NULL;
		exchange_free(x);
		return;
	}
	if (reply->rc == ERR_EXISTS && strcmp(rival, in->log.session.session_id) == 0)
		err_set(&e, ERR_SESSION_EXISTS, "session %s exists here", rival);
	else if (reply->rc == ERR_EXISTS)
		err_set(&e, ERR_SESSION_EXISTS, "%s has an active session, %s",
		        in->log.session.report_id, rival);
	if (reply->rc)
		fail(x, &e);
	else
		keep_snapshot(x, reply->sessions[0].key);
}

static int create(struct exchange *x, struct import *in, struct err *e)
{
	struct log_import *log = &in->log;
	const struct session *s = &log->session;
	struct store_record *records = calloc(log->records_len, sizeof *records);
	struct store_append first = {.records = records,
	                             .records_len = log->records_len,
	                             .seq_expected = log->floor,
	                             .active = in->activate};
	struct store_session row = {.active = in->activate,
	                            .floor = log->floor,
	                            .created_ms = s->started_ms,
	                            .due_ms = STORE_NEVER};
	struct buf summary;
	int rc = records ? 0 : ERR_NOMEM;

	buf_init(&summary, 1 << 20);
	for (size_t i = 0; !rc && i < log->records_len; i++) {
		const struct import_record *r = &log->records[i];

		records[i] = (struct store_record){0, r->time_ms, log->bytes.p + r->at, r->len};
	}
	memcpy(row.session_id, s->session_id, sizeof row.session_id);
	memcpy(row.report_id, s->report_id, sizeof row.report_id);
	/* It was idle where it came from; here its time begins now. */
	if (in->activate)
		row.due_ms = hub_wall(x->hub) + s->settings.timeout_minutes * INT64_C(60000);
	summary_write(s, &summary);
	row.summary = summary.p;
	if (!rc)
		rc = buf_error(&summary);
	if (!rc)
		rc = store_create_from(x->hub->store, &row, &first, log->floor ? log->base.p : NULL,
		                       log->base.len, created, x);
	if (!rc)
		x->pending++;
	buf_release(&summary);
	free(records);
	return rc ? err_set(e, rc, NULL) : 0;
}

static void finish(struct exchange *x)
{
	struct import *in = x->hub->import;
	struct err e = {0};
	int rc = log_import_end(&in->log, &e);

	x->hub->import = NULL;
	x->more = in;
	if (!rc && in->activate && in->log.session.ended_ms)
		rc = err_set(&e, ERR_SESSION_ENDED, "a session that has ended cannot be activated");
	if (!rc)
		rc = create(x, in, &e);
	buf_release(&in->log.bytes); /* the store has its own */
	if (rc)
		fail(x, &e);
}

/* ---- parts ------------------------------------------------------------------------------------
 */

/* The import that this part belongs to becomes the hub's; a new one if it is the first. */
static int find(struct exchange *x, const char *id, int64_t offset, struct err *e)
{
	struct hub *h = x->hub;
	struct import *in = h->import;

	if (in && (hub_mono(h) - in->used_ms > IDLE_MS ||
	           (!id && strcmp(in->user_id, x->who.user_id) == 0)))
		hub_import_drop(h); /* given up, or begun anew */
	in = h->import;
	if (id && (!in || strcmp(id, in->id) != 0 || strcmp(in->user_id, x->who.user_id) != 0))
		return err_field(e, ERR_NOT_FOUND, "import", "no such import is under way");
	if (id && offset != in->received)
		return err_field(e, ERR_BAD_FIELD, "offset", "%lld bytes have come",
		                 (long long)in->received);
	if (id)
		return 0;
	if (in) {
		buf_puts(&x->response.headers, "Retry-After: 5\r\n");
		return err_set(e, ERR_RATE_LIMITED, "another import is under way");
	}
	h->import = import_new(x);
	return h->import ? 0 : err_set(e, ERR_NOMEM, NULL);
}

static void more(struct exchange *x)
{
	const struct import *in = x->hub->import;

	buf_printf(&x->response.body, "{\"import\":\"%s\",\"received\":%lld}", in->id,
	           (long long)in->received);
	x->response.status = 202;
	x->response.content_type = "application/json";
	exchange_answer(x);
}

void rest_import(struct exchange *x)
{
	const struct request *r = x->request;
	const char *id = query_get(x->query, "import");
	bool activate = false, goes_on = false;
	int64_t offset = 0;
	struct err e = {0};
	int rc = x->who.scopes & SCOPE_ADMIN
	                 ? hub_writable(x->hub, &e)
	                 : err_set(&e, ERR_FORBIDDEN, "importing needs the scope collab:admin");

	if (!rc)
		rc = query_bool(x->query, "activate", &activate, &e);
	if (!rc)
		rc = query_bool(x->query, "more", &goes_on, &e);
	if (!rc)
		rc = query_int(x->query, "offset", 0, INT64_MAX, &offset, &e);
	if (!rc)
		rc = find(x, id, offset, &e);
	if (rc) {
		exchange_error(x, &e, NULL);
		return;
	}
	x->hub->import->used_ms = hub_mono(x->hub);
	x->hub->import->activate |= activate;
	rc = log_import_feed(&x->hub->import->log, r->body, r->body_len, &e);
	x->hub->import->received += (int64_t)r->body_len;
	if (rc) {
		hub_import_drop(x->hub);
		exchange_error(x, &e, NULL);
	} else if (goes_on) {
		more(x);
	} else {
		finish(x);
	}
}
