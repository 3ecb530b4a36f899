/* The hub: its rooms, users and clock; requests come in here and leave for rest.c. */
#include "server/hub.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/conn.h"
#include "server/exchange.h"
#include "server/fold.h"
#include "server/room.h"

enum { DUE_PAGE = 100, DUE_EVERY_MS = 1000, STORE_EVERY_MS = 1000, SWEEP_EVERY_MS = 600000 };

void hub_log(struct hub *h, enum log_level level, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	if (level > h->conf->level)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof line, fmt, ap); /* a long line is cut */
	va_end(ap);
	h->env.log(h->env.arg, level, line);
}

const struct err *hub_error(struct hub *h, const struct err *e, struct err *inner)
{
	if (e->code < 0 && -e->code < ERR_INDEX_CAS)
		return e;
	hub_log(h, LOG_ERROR, "internal error: %s: %s", err_row(e->code)->wire, e->text);
	err_set(inner, ERR_INTERNAL, NULL);
	return inner;
}

void hub_uuid(struct hub *h, char out[UUID_LEN + 1])
{
	unsigned char random[16];

	h->env.random(h->env.arg, random, sizeof random);
	uuid_format(random, out);
}

void hub_burst_begin(struct hub *h)
{
	h->burst_wall_ms = h->env.wall_ms(h->env.arg);
	h->burst_mono_ms = h->env.mono_ms(h->env.arg);
	h->burst = true;
}

void hub_burst_end(struct hub *h)
{
	struct room *room = h->unstored;

	h->burst = false;
	h->unstored = NULL;
	if (room)
		(void)room_store(room); /* whom a failure concerns has been told */
}

void hub_enter(struct hub *h)
{
	while (h->trash) {
		struct trash *t = h->trash;

		h->trash = t->next;
		free(t);
	}
}

struct user *hub_user(struct hub *h, const char *user_id)
{
	struct user *u = map_get(&h->users, user_id);

	if (u)
		return u;
	u = calloc(1, sizeof *u);
	if (!u)
		return NULL;
	u->user_id = strdup(user_id);
	if (!u->user_id || map_put(&h->users, user_id, u)) {
		free(u->user_id);
		free(u);
		return NULL;
	}
	return u;
}

bool bucket_take(struct bucket *b, int64_t per_minute, int64_t now_ms, int *retry_after_s)
{
	double rate = (double)per_minute / 60000.0, level;

	*retry_after_s = 0;
	if (per_minute == 0)
		return true;
	level = b->at_ms ? b->level + (double)(now_ms - b->at_ms) * rate : (double)per_minute;
	if (level > (double)per_minute)
		level = (double)per_minute;
	b->at_ms = now_ms ? now_ms : 1;
	b->level = level;
	if (level < 1) {
		*retry_after_s = 1 + (int)((1 - level) / rate / 1000);
		return false;
	}
	b->level = level - 1;
	return true;
}

int hub_writable(struct hub *h, struct err *e)
{
	if (h->draining)
		return err_set(e, ERR_DRAINING, NULL);
	if (h->store_retry_ms && hub_mono(h) < h->store_retry_ms)
		return err_set(e, ERR_STORE_UNAVAILABLE, NULL);
	return 0;
}

void hub_store_works(struct hub *h)
{
	if (h->store_retry_ms)
		hub_log(h, LOG_NOTICE, "the store can be written again");
	h->store_retry_ms = 0;
}

/* The store finds out by itself, also when nobody writes. */
void hub_ask_store(struct hub *h)
{
	struct store_stats st;

	h->store_asked_ms = hub_mono(h);
	store_stats(h->store, &st);
	if (h->store_retry_ms && st.writable)
		hub_store_works(h);
	if (st.scrub.code && !h->unscrubbed)
		hub_log(h, LOG_WARNING,
		        "erased text is still in the store's files: %s; it is tried again",
		        st.scrub.text);
	else if (!st.scrub.code && h->unscrubbed)
		hub_log(h, LOG_NOTICE, "erased text is out of the store's files");
	h->unscrubbed = st.scrub.code != 0;
}

int hub_new(struct hub **out, struct store *store, struct auth *auth, const struct conf *conf,
            const struct hub_env *env, const struct hub_transport *transport, struct err *e)
{
	struct hub *h = calloc(1, sizeof *h);

	*out = NULL;
	if (!h)
		return err_set(e, ERR_NOMEM, NULL);
	h->store = store;
	h->auth = auth;
	h->env = *env;
	h->transport = *transport;
	h->full_queue_end = &h->full_queue;
	/* The most that one message or state may take; states are bounded by their own limits. */
	buf_init(&h->scratch, SIZE_MAX / 4);
	hub_reload(h, conf);
	h->started_ms = hub_mono(h);
	*out = h;
	return 0;
}

void hub_reload(struct hub *h, const struct conf *conf)
{
	h->conf = conf;
	h->limits = &conf->limits;
}

void hub_free(struct hub *h)
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	if (!h)
		return;
	hub_enter(h);
	h->full_queue = NULL; /* nobody gets a place any more */
	while (h->exchanges)
		exchange_free(h->exchanges);
	while ((entry = map_next(&h->rooms, &at)))
		room_free(entry->value);
	while (h->folds)
		fold_free(h->folds);
	at = 0;
	while ((entry = map_next(&h->users, &at))) {
		struct user *u = entry->value;

		free(u->user_id);
		free(u);
	}
	map_release(&h->rooms);
	map_release(&h->rooms_active);
	map_release(&h->users);
	hub_import_drop(h);
	buf_release(&h->scratch);
	free(h);
}

struct hub_sockets *hub_sockets(struct hub *h)
{
	return &h->sockets;
}

/* ---- by time ----------------------------------------------------------------------------------
 */

/* Users without a connection whose buckets are full again need not be remembered. */
static void forget_users(struct hub *h, int64_t now)
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	while ((entry = map_next(&h->users, &at))) {
		struct user *u = entry->value;

		if (u->conns > 0 || now - u->requests.at_ms < 120000 ||
		    now - u->starts.at_ms < 120000)
			continue;
		map_remove(&h->users, u->user_id);
		free(u->user_id);
		free(u);
	}
}

static void due_found(void *arg, const struct store_reply *reply)
{
	struct hub *h = arg;

	h->due_pending = false;
	if (reply->rc || h->draining)
		return;
	for (size_t i = 0; i < reply->sessions_len; i++) {
		struct room *room = room_of_id(h, reply->sessions[i].session_id);

		/*
		 * Opening it is all: a live room looks at its own time-outs.  One that is in memory
		 * has moved on since; its directory entry is told when it is due now.
		 */
		if (!room)
			room = room_open(h, &reply->sessions[i]);
		else
			room->due_stored_ms = 0;
	}
	if (reply->more)
		h->due_next_ms = hub_mono(h);
}

/* Rows of sessions that are over: those with old events left are compacted. */
static void sweep_found(void *arg, const struct store_reply *reply)
{
	struct hub *h = arg;
	int64_t before_ms = hub_wall(h) - h->conf->keep_days * INT64_C(86400000);

	h->sweep_pending = false;
	if (reply->rc || h->draining || h->conf->keep_days == 0)
		return;
	for (size_t i = 0; i < reply->sessions_len; i++) {
		const struct store_session *row = &reply->sessions[i];

		h->sweep_key = row->key;
		if (row->updated_ms < before_ms && row->seq - row->floor > 1)
			rewrite_retain(h, row, before_ms);
	}
	if (reply->more)
		h->sweep_next_ms = hub_mono(h);
	else
		h->sweep_key = 0;
}

static void sweep(struct hub *h, int64_t now)
{
	struct store_query q = {.active = 0, .after_key = h->sweep_key, .limit = DUE_PAGE};

	if (h->conf->keep_days == 0 || h->sweep_pending || h->draining || now < h->sweep_next_ms)
		return;
	h->sweep_next_ms = now + SWEEP_EVERY_MS;
	h->sweep_pending = store_list(h->store, &q, sweep_found, h) == 0;
}

static void ask_due(struct hub *h, int64_t now)
{
	if (h->due_pending || h->draining || now < h->due_next_ms)
		return;
	h->due_next_ms = now + DUE_EVERY_MS;
	h->due_pending = store_due(h->store, hub_wall(h), DUE_PAGE, due_found, h) == 0;
	forget_users(h, now);
}

int64_t hub_tick(struct hub *h)
{
	struct map_entry *entry = NULL;
	int64_t now = hub_mono(h), wait;
	size_t at = 0;

	hub_enter(h);
	if (h->store_retry_ms || !h->store_asked_ms || now - h->store_asked_ms >= STORE_EVERY_MS)
		hub_ask_store(h);
	ask_due(h, now);
	sweep(h, now);
	recent_tick(h, now);
	wait = rest_backup_tick(h, now);
	while ((entry = map_next(&h->rooms, &at))) {
		struct room *room = entry->value;
		int64_t at_ms = room->tick_ms;

		if (at_ms > now) {
			wait = at_ms - now < wait ? at_ms - now : wait;
			continue;
		}
		wait = 10 < wait ? 10 : wait; /* it may have become due again at once */
		room_tick(room, now);
	}
	return wait < 1 ? 1 : wait;
}

/* ---- requests ---------------------------------------------------------------------------------
 */

struct exchange *hub_request(struct hub *h, const struct request *r, void *sock)
{
	struct exchange *x = calloc(1, sizeof *x), *answered = NULL;

	hub_enter(h);
	h->metrics.requests++;
	if (!x) {
		struct response refusal;

		response_init(&refusal, 503);
		h->transport.answer(sock, &refusal);
		response_release(&refusal);
		return NULL;
	}
	x->hub = h;
	x->sock = sock;
	x->request = r;
	x->started_ms = hub_mono(h);
	response_init(&x->response, 200);
	x->next = h->exchanges;
	if (x->next)
		x->next->prev = x;
	h->exchanges = x;
	rest_begin(x);
	/* Answered at once, it is not in the list any more (its memory may be another's by now). */
	for (answered = h->exchanges; answered && answered != x; answered = answered->next)
		;
	return answered;
}

/* ---- drain ------------------------------------------------------------------------------------
 */

/* Some sooner, some later: where there are thousands, a thousand a second. */
static int64_t reconnect_after(struct hub *h)
{
	uint32_t chance = 0;

	h->env.random(h->env.arg, &chance, sizeof chance);
	return h->drain_reconnect_ms + chance % ((uint32_t)h->conns + 1);
}

void hub_drain(struct hub *h, int64_t reconnect_after_ms)
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	hub_enter(h);
	h->draining = true;
	h->drain_reconnect_ms = reconnect_after_ms;
	while ((entry = map_next(&h->rooms, &at))) {
		struct room *room = entry->value;
		char stamp[RFC3339_LEN + 1];

		rfc3339_format(hub_wall(h), stamp);
		for (struct conn *c = room->conns; c; c = c->next) {
			buf_clear(&h->scratch);
			buf_printf(&h->scratch,
			           "{\"reconnect_after_ms\":%lld,\"session_id\":\"%s\","
			           "\"timestamp\":\"%s\",\"type\":\"going_away\"}",
			           (long long)reconnect_after(h), room->session_id, stamp);
			if (c->framing == FRAMING_WS)
				(void)conn_reply(c, REPLY_MARK, h->scratch.p, h->scratch.len, NULL,
				                 room->head.seq, NULL); /* it is closed anyway */
			conn_close_after(c, room->head.seq, 1001, "server going away");
		}
		room_snapshot(room, hub_mono(h)); /* the next start folds nothing */
	}
}

bool hub_drained(const struct hub *h)
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	while ((entry = map_next(&h->rooms, &at))) {
		const struct room *room = entry->value;

		if (room->appends > 0 || room->held || room->snapshot_pending)
			return false;
		for (const struct conn *c = room->conns; c; c = c->next)
			if (c->replies || c->sent < room->committed)
				return false;
	}
	return true;
}

void hub_drain_done(struct hub *h)
{
	struct exchange *next = NULL;
	bool drained = hub_drained(h);

	hub_enter(h);
	for (struct exchange *x = h->exchanges; x; x = next) {
		next = x->next;
		if (!x->drain_waits)
			continue;
		buf_printf(&x->response.body, ",\"drained\":%s}", drained ? "true" : "false");
		exchange_answer(x);
	}
}
