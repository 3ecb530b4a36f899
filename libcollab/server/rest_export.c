/*
 * REST: a whole session as NDJSON -- a line that says what it is, then the log as it is stored.
 *
 * The first line has the session's settings, where the log ends and, where it was compacted, the
 * state that it begins from.  The rest is a stream of events to that end, so that a long log is
 * never in memory; who reads it can tell by the first line whether all of it came.
 */
#include <string.h>

#include "proto/json_out.h"
#include "server/conn.h"
#include "server/exchange.h"

enum { EXPORT_FORMAT = 1 };

static void put_head(const struct room *room, const char *state_hash, struct buf *out)
{
	char hex[SHA256_HEX_LEN + 1];

	sha256_hex(room->head.hash, hex);
	json_key(out, "head");
	buf_putc(out, '{');
	json_str(out, "hash", hex);
	json_int(out, "seq", room->head.seq);
	json_str(out, "state_hash", state_hash);
	buf_putc(out, '}');
}

static void put_settings(const struct settings *st, struct buf *out)
{
	json_key(out, "settings");
	buf_putc(out, '{');
	json_str(out, "conflict_resolution_strategy", strategy_name(st->strategy));
	json_int(out, "max_participants", st->max_participants);
	json_int(out, "session_timeout_minutes", st->timeout_minutes);
	json_str(out, "session_type", session_type_name(st->type));
	buf_putc(out, '}');
}

/* The first line, base and all; base NULL: the log is whole. */
static int put_header(const struct room *room, const char *base, size_t len, struct buf *out)
{
	char hash[SHA256_HEX_LEN + 1];
	int rc = state_hash(&room->head, hash);

	if (rc)
		return rc;
	buf_putc(out, '{');
	json_int(out, "floor", room->floor);
	json_int(out, "format", EXPORT_FORMAT);
	put_head(room, hash, out);
	json_str(out, "report_id", room->report_id);
	json_str(out, "session_id", room->session_id);
	put_settings(&room->head.settings, out);
	if (base) {
		json_key(out, "state");
		buf_put(out, base, len);
	}
	json_str(out, "type", "export");
	buf_putc(out, '}');
	return buf_error(out);
}

/* The end that the first line tells of is on stable storage. */
static void stream(struct exchange *x)
{
	struct buf *line = &x->response.body;
	int64_t floor = x->cursor;
	struct conn *c = conn_new(x, FRAMING_NDJSON);
	struct err e = {0};

	if (!c) {
		err_set(&e, ERR_NOMEM, NULL);
		exchange_error(x, &e, NULL);
		return;
	}
	c->silent = true;
	c->until = x->end;
	c->sent = floor;
	/* Without memory for the first line the stream ends at once, and says nothing wrong. */
	(void)conn_line(c, line->p, line->len, floor);
	x->hub->transport.stream(x->sock, c, "application/x-ndjson", "");
	exchange_free(x);
	conn_join(c, floor, true, NULL);
}

static void begin(struct exchange *x, const char *base, size_t len)
{
	struct err e = {0};
	int rc = put_header(x->room, base, len, &x->response.body);

	if (rc) {
		err_set(&e, rc, NULL);
		exchange_error(x, &e, NULL);
		return;
	}
	x->cursor = x->room->floor;
	x->end = x->room->head.seq;
	x->then = stream;
	room_hold(x->room, x, x->end);
}

static void base_came(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;
	struct err e = reply->err;

	x->pending--;
	if (x->aborted) {
		exchange_free(x);
		return;
	}
	if (!e.code && x->room->state != ROOM_LIVE) {
		exchange_with_room(x, x->room, rest_export);
		return;
	}
	if (!e.code && (!reply->snapshot || reply->seq != x->room->floor))
		err_set(&e, ERR_CORRUPT, "the state that the log begins from is missing");
	if (e.code)
		exchange_error(x, &e, NULL);
	else
		begin(x, reply->snapshot, reply->snapshot_len);
}

static void export_room(struct exchange *x)
{
	struct err e = {0};

	/* What is left out for silent watchers would be missing in the chain. */
	if (exchange_without_email(x) && !(x->who.scopes & SCOPE_ADMIN)) {
		err_set(&e, ERR_FORBIDDEN, "an export is for participants and administrators");
		exchange_error_committed(x, &e, NULL);
	} else if (x->room->floor == 0) {
		begin(x, NULL, 0);
	} else if (store_snapshot_get(x->hub->store, x->room->key, x->room->floor, base_came, x) ==
	           0) {
		x->pending++;
	} else {
		err_set(&e, ERR_NOMEM, NULL);
		exchange_error(x, &e, NULL);
	}
}

void rest_export(struct exchange *x)
{
	exchange_find(x, STORE_BY_REPORT_LATEST, export_room);
}
