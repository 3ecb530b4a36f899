/* The WebSocket's handshake: who may join, as what, from where -- all of it before the upgrade. */
#include <stdlib.h>
#include <string.h>

#include "proto/stored.h"
#include "server/conn.h"
#include "server/exchange.h"
#include "server/room.h"

/* What the query asks of a connection. */
static int options(struct exchange *x, struct conn *c, struct err *e)
{
	const char *content = query_get(x->query, "content"), *state = query_get(x->query, "state");
	const char *mode = query_get(x->query, "mode");

	c->full = !content || strcmp(content, "full") == 0;
	c->detail = STATE_FULL;
	if (!c->full && strcmp(content, "delta") != 0)
		return err_field(e, ERR_BAD_FIELD, "content", "content is full or delta");
	if (state && strcmp(state, "brief") == 0)
		c->detail = STATE_BRIEF;
	else if (state && strcmp(state, "none") == 0)
		c->detail = STATE_NONE;
	else if (state && strcmp(state, "full") != 0)
		return err_field(e, ERR_BAD_FIELD, "state", "state is full, brief or none");
	if (mode && strcmp(mode, "watch") == 0)
		c->watch = true;
	else if (mode)
		return err_field(e, ERR_BAD_FIELD, "mode", "mode is watch, or not given");
	return filter_parse(x->query, &c->filter, e);
}

/* Where a resume starts, or why it cannot: NULL when it can. */
static const char *resume_refusal(const struct exchange *x, const unsigned char *hash)
{
	const char *want = query_get(x->query, "hash");
	unsigned char bytes[SHA256_LEN];

	if (x->cursor > x->room->committed)
		return "ahead";
	if (x->cursor < x->room->head.floor)
		return "compacted";
	if (want && x->cursor > 0 &&
	    (!hash || sha256_unhex(want, bytes) || memcmp(bytes, hash, SHA256_LEN) != 0))
		return "hash_mismatch";
	return NULL;
}

/* "collab.v1", if the client offers just that: it breaks off when it is told another (RFC 6455). */
static const char *subprotocol(const char *offered)
{
	static const char ours[] = "collab.v1";

	while (offered && *offered) {
		size_t len;

		offered += strspn(offered, " \t,");
		len = strcspn(offered, " \t,");
		if (len == sizeof ours - 1 && memcmp(offered, ours, len) == 0)
			return ours;
		offered += len;
	}
	return NULL;
}

static void join(struct exchange *x, const unsigned char *hash)
{
	bool asked = query_get(x->query, "since") != NULL;
	const char *refusal = asked ? resume_refusal(x, hash) : NULL;
	bool resumed = asked && !refusal, member;
	struct metrics *m = &x->hub->metrics;
	struct conn *c = NULL;
	int64_t since = x->cursor;
	struct err e = {0};
	struct conn asks = {.hub = x->hub};
	int rc = options(x, &asks, &e);

	if (!rc)
		c = conn_new(x, FRAMING_WS);
	if (!rc && !c)
		rc = err_set(&e, ERR_NOMEM, NULL);
	if (rc) {
		free(asks.filter);
		exchange_error(x, &e, NULL);
		return;
	}
	member = session_role(&x->room->head, c->who.user_id) != ROLE_NONE;
	c->full = asks.full;
	c->watch = asks.watch;
	c->detail = asks.detail;
	c->filter = asks.filter;
	c->silent = asks.watch || !member;
	c->without_email = !member;
	m->resumes[!asked ? RESUME_FRESH : resumed ? RESUME_RESUMED : RESUME_REFUSED]++;
	/* x is the socket's until here; from now on the connection is. */
	x->hub->transport.upgrade(x->sock, c, subprotocol(x->request->ws_protocol));
	exchange_free(x);
	c->silent |= room_over(c->room);
	conn_join(c, since, resumed, refusal);
	if (room_over(c->room))
		room_ended(c->room);
}

/* The record at the seq to resume from came: its hash is to be compared. */
static void record_came(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;
	struct slots slots = {0};
	struct block *block = NULL;
	const unsigned char *hash = NULL;

	x->pending--;
	if (x->aborted) {
		exchange_free(x);
		return;
	}
	if (reply->rc) {
		exchange_error(x, &reply->err, NULL);
		return;
	}
	if (reply->records_len > 0 && reply->records[0].seq == x->cursor &&
	    slots_push_record(&slots, &block, x->cursor, 0, reply->records[0].bytes,
	                      reply->records[0].len) == 0 &&
	    slot_look(&slots.v[0]) == 0)
		hash = slots.v[0].hash;
	join(x, hash);
	slots_release(&slots);
	block_unref(block);
}

/* The state at the floor came: it has the hash of the last event that is gone. */
static void base_came(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;
	struct room *room = x->room;
	struct err e = reply->err;
	json_t *state = NULL;
	const char *hash = NULL;
	int rc = reply->rc;

	x->pending--;
	if (x->aborted) {
		exchange_free(x);
		return;
	}
	if (!rc && reply->snapshot && reply->seq == x->cursor)
		rc = stored_load(reply->snapshot, reply->snapshot_len, &state, &e);
	hash = json_string_value(json_object_get(state, "hash"));
	if (!rc && hash && sha256_unhex(hash, room->floor_hash) == 0)
		room->floor_hash_seq = x->cursor;
	json_decref(state);
	if (rc)
		exchange_error(x, &e, NULL);
	else
		join(x, room->floor_hash_seq == x->cursor ? room->floor_hash : NULL);
}

static void check_hash(struct exchange *x)
{
	struct room *room = x->room;
	struct slot *slot = NULL;
	struct err e = {0};

	if (!query_get(x->query, "hash") || x->cursor <= 0 || x->cursor > room->committed) {
		join(x, NULL);
		return;
	}
	slot = room_slot(room, x->cursor);
	if (x->cursor == room->head.seq) {
		join(x, room->head.hash);
	} else if (slot && slot_look(slot) == 0) {
		join(x, slot->hash);
	} else if (x->cursor == room->floor_hash_seq) {
		join(x, room->floor_hash);
	} else if (x->cursor == room->floor &&
	           store_snapshot_get(x->hub->store, room->key, x->cursor, base_came, x) == 0) {
		x->pending++;
	} else if (store_read(x->hub->store, room->key, x->cursor - 1, 1, 1, record_came, x) == 0) {
		x->pending++;
	} else {
		err_set(&e, ERR_NOMEM, NULL);
		exchange_error(x, &e, NULL);
	}
}

static void enter(struct exchange *x)
{
	struct hub *h = x->hub;
	struct user *u = hub_user(h, x->who.user_id);
	struct err e = {0};
	int rc = u ? exchange_may_read(x, &e) : err_set(&e, ERR_NOMEM, NULL);

	/* By its id an ended session can be read to its end; joining is for what is live. */
	if (!rc && room_over(x->room) && x->route.route == ROUTE_WS_REPORT)
		rc = err_set(&e, ERR_NO_SESSION, "the session has ended");
	if (!rc && h->limits->connections_per_user > 0 &&
	    u->conns >= h->limits->connections_per_user) {
		buf_puts(&x->response.headers, "Retry-After: 10\r\n");
		rc = err_set(&e, ERR_TOO_MANY_CONNECTIONS, "%s has %d connections", x->who.user_id,
		             u->conns);
	}
	if (rc)
		exchange_error_committed(x, &e, NULL);
	else
		exchange_since(x, "since", query_get(x->query, "since"), EVENT_ABSENT, check_hash);
}

void rest_websocket(struct exchange *x)
{
	struct err e = {0};

	if (!x->request->websocket) {
		err_set(&e, ERR_UPGRADE_REQUIRED, NULL);
		buf_puts(&x->response.headers, "Upgrade: websocket\r\n");
		exchange_error(x, &e, NULL);
		return;
	}
	if (x->hub->draining) {
		err_set(&e, ERR_DRAINING, NULL);
		exchange_error(x, &e, NULL);
		return;
	}
	exchange_find(x, STORE_BY_REPORT_ACTIVE, enter);
}
