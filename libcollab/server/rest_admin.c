/*
 * REST: /api/admin/, what administrators see of the running daemon and ask of it.
 *
 * What is shown is what this process holds in memory: sessions that are loaded, connections that
 * are open.  The directory of all sessions is /api/sessions.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/json_out.h"
#include "server/conn.h"
#include "server/exchange.h"

/* Close code of a connection that an administrator ended; 1013 instead lets it come back. */
enum { CLOSE_KICKED = 4411, CLOSE_RESUME = 1013 };

static void answer(struct exchange *x)
{
	x->response.content_type = "application/json";
	exchange_answer(x);
}

/* ---- status ---------------------------------------------------------------------------------- */

static void limits_member(struct buf *out, const struct limits *limits)
{
	struct limits copy = *limits; /* limit_at is for writing too */
	const struct limit_row *rows = NULL;
	int len = 0;

	rows = limit_rows(&len);
	json_key(out, "limits");
	buf_putc(out, '{');
	for (int i = 0; i < len; i++)
		json_int(out, rows[i].name, *limit_at(&copy, i));
	buf_putc(out, '}');
}

static void sockets_member(struct buf *out, const struct hub_sockets *s)
{
	json_key(out, "sockets");
	buf_putc(out, '{');
	json_int(out, "accepted", s->accepted);
	json_int(out, "bytes_in", s->bytes_in);
	json_int(out, "bytes_out", s->bytes_out);
	json_int(out, "open", s->open);
	json_int(out, "queue_bytes", s->queue_bytes);
	json_int(out, "refused", s->refused);
	json_int(out, "slow_closes", s->stalled_closes);
	buf_putc(out, '}');
}

static void store_member(struct buf *out, const struct store_stats *s)
{
	json_key(out, "store");
	buf_putc(out, '{');
	json_int(out, "active", s->active);
	json_int(out, "bytes", s->bytes);
	json_opt_int(out, "bytes_free", s->bytes_free);
	json_opt_int(out, "bytes_total", s->bytes_total);
	json_int(out, "commit_failures", s->commit_failures);
	json_int(out, "commits", s->commits);
	json_int(out, "pending", s->pending);
	json_int(out, "records", s->records);
	json_bool(out, "scrub_pending", s->scrub.code != 0);
	json_int(out, "sessions", s->sessions);
	json_bool(out, "writable", s->writable);
	buf_putc(out, '}');
}

/* People online, one for each session they are in; people with a connection. */
static void count_people(const struct hub *h, int64_t *online, int64_t *users)
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	*online = *users = 0;
	while ((entry = map_next(&h->rooms, &at)))
		*online += (int64_t)((const struct room *)entry->value)->people.len;
	at = 0;
	while ((entry = map_next(&h->users, &at)))
		*users += ((const struct user *)entry->value)->conns > 0;
}

static int64_t sum(const int64_t *counters, int len)
{
	int64_t n = 0;

	for (int i = 0; i < len; i++)
		n += counters[i];
	return n;
}

static void status(struct exchange *x)
{
	struct hub *h = x->hub;
	struct buf *out = &x->response.body;
	struct store_stats stats;
	int64_t online, users, up_ms = hub_mono(h) - h->started_ms;

	memset(&stats, 0, sizeof stats);
	store_stats(h->store, &stats);
	count_people(h, &online, &users);
	buf_putc(out, '{');
	json_int(out, "acks", h->metrics.acks);
	json_int(out, "commit_us_p99", recent_commit_us(h, 99));
	json_int(out, "connections", h->conns);
	json_int(out, "deliveries", h->metrics.deliveries);
	json_bool(out, "draining", h->draining);
	json_int(out, "errors", sum(h->metrics.errors, ERR_INDEX_MAX));
	json_int(out, "events", sum(h->metrics.events, EVENT_KINDS));
	limits_member(out, h->limits);
	json_int(out, "loop_lag_us", recent_loop_lag_us(h));
	json_int(out, "online", online);
	json_int(out, "pid", (int64_t)getpid());
	json_int(out, "requests", h->metrics.requests);
	json_int(out, "sessions", (int64_t)h->rooms_active.len);
	sockets_member(out, &h->sockets);
	json_time(out, "started_at", hub_wall(h) - up_ms);
	store_member(out, &stats);
	json_int(out, "uptime_seconds", up_ms / 1000);
	json_int(out, "users", users);
	json_str(out, "version", COLLAB_VERSION);
	buf_putc(out, '}');
	answer(x);
}

/* ---- sessions -------------------------------------------------------------------------------- */

/* How many committed events the connection was not sent yet. */
static int64_t lag_of(const struct conn *c)
{
	return c->sent < c->room->committed ? c->room->committed - c->sent : 0;
}

static size_t queue_of(const struct conn *c)
{
	size_t bytes = 0;

	for (const struct reply *r = c->replies; r; r = r->next)
		bytes += r->len - r->sent;
	return bytes;
}

static const char *const state_names[] = {
	[ROOM_LOADING] = "loading", [ROOM_LIVE] = "live", [ROOM_FAILED] = "failed"};

static void session_object(const struct room *room, int64_t now, struct buf *out)
{
	bool live = room->state == ROOM_LIVE;
	int64_t lag_max = 0, lagging = 0, queue_bytes = 0;
	int64_t idle = live ? (now - room->head.activity_ms) / 1000 : 0;

	for (const struct conn *c = room->conns; c; c = c->next) {
		int64_t lag = lag_of(c);

		lag_max = lag > lag_max ? lag : lag_max;
		lagging += lag > 0;
		queue_bytes += (int64_t)queue_of(c);
	}
	json_comma(out);
	buf_putc(out, '{');
	if (live)
		json_str(out, "conflict_resolution_strategy",
		         strategy_name(room->head.settings.strategy));
	json_int(out, "connections", room->conns_len);
	json_int(out, "idle_seconds", idle > 0 ? idle : 0);
	json_int(out, "lag", lag_max);
	json_int(out, "lagging", lagging);
	json_int(out, "online", (int64_t)room->people.len);
	json_int(out, "queue_bytes", queue_bytes);
	json_str(out, "report_id", room->report_id);
	json_int(out, "seq", room->committed);
	json_str(out, "session_id", room->session_id);
	json_str(out, "state", room->end_committed ? "ended" : state_names[room->state]);
	json_int(out, "tail_bytes", (int64_t)room->tail.bytes);
	buf_putc(out, '}');
}

static void sessions(struct exchange *x)
{
	struct buf *out = &x->response.body;
	int64_t now = hub_wall(x->hub);
	struct map_entry *entry = NULL;
	size_t at = 0;

	buf_puts(out, "{\"sessions\":[");
	while ((entry = map_next(&x->hub->rooms, &at)))
		session_object(entry->value, now, out);
	buf_puts(out, "],\"cursor\":null}");
	answer(x);
}

/* ---- connections ----------------------------------------------------------------------------- */

static const char *const framing_names[] = {
	[FRAMING_WS] = "websocket", [FRAMING_SSE] = "sse", [FRAMING_NDJSON] = "ndjson"};

static void connection_object(const struct conn *c, struct buf *out)
{
	json_comma(out);
	buf_putc(out, '{');
	json_key(out, "connection_id");
	buf_printf(out, "\"%llu\"", (unsigned long long)c->id); /* as in `you` */
	json_str(out, "framing", framing_names[c->framing]);
	json_int(out, "lag", lag_of(c));
	json_int(out, "queue_bytes", (int64_t)queue_of(c));
	json_str(out, "remote", c->remote);
	json_str(out, "report_id", c->room->report_id);
	json_int(out, "seq", c->sent);
	json_str(out, "session_id", c->room->session_id);
	json_bool(out, "silent", c->silent);
	json_time(out, "since", c->opened_ms);
	json_str(out, "user_id", c->who.user_id);
	json_str(out, "via", c->who.via);
	buf_putc(out, '}');
}

/* What connections=… and kicks name: all that is given must fit. */
struct wanted {
	int64_t id;             /* 0: any */
	const char *user_id;    /* NULL: any */
	const char *session_id; /* NULL: any */
	const char *report_id;  /* NULL: any */
};

static int wanted_parse(const struct exchange *x, struct wanted *w, struct err *e)
{
	*w = (struct wanted){.user_id = query_get(x->query, "user"),
	                     .session_id = query_get(x->query, "session"),
	                     .report_id = query_get(x->query, "report")};
	return query_int(x->query, "id", 1, INT64_MAX, &w->id, e);
}

static bool wants(const struct wanted *w, const struct conn *c)
{
	return (!w->id || (uint64_t)w->id == c->id) &&
	       (!w->user_id || strcmp(w->user_id, c->who.user_id) == 0) &&
	       (!w->session_id || strcmp(w->session_id, c->room->session_id) == 0) &&
	       (!w->report_id || strcmp(w->report_id, c->room->report_id) == 0);
}

/* fn for each connection that is wanted; it must not close it at once.  How many there were. */
static int64_t each_wanted(const struct hub *h, const struct wanted *w,
                           void (*fn)(struct conn *c, void *arg), void *arg)
{
	struct map_entry *entry = NULL;
	int64_t n = 0;
	size_t at = 0;

	while ((entry = map_next(&h->rooms, &at))) {
		for (struct conn *c = ((struct room *)entry->value)->conns; c; c = c->next) {
			if (!wants(w, c))
				continue;
			fn(c, arg);
			n++;
		}
	}
	return n;
}

static void put_connection(struct conn *c, void *arg)
{
	connection_object(c, arg);
}

static void connections(struct exchange *x)
{
	struct buf *out = &x->response.body;
	struct err e = {0};
	struct wanted w;

	if (wanted_parse(x, &w, &e)) {
		exchange_error(x, &e, NULL);
		return;
	}
	buf_puts(out, "{\"connections\":[");
	(void)each_wanted(x->hub, &w, put_connection, out);
	buf_puts(out, "],\"cursor\":null}");
	answer(x);
}

static void close_one(struct conn *c, void *arg)
{
	int code = *(const int *)arg;

	conn_close_after(c, c->sent, code, "closed by an administrator");
}

/* Whoever is closed may come back: keeping somebody out is a matter of roles and tokens. */
static void kick(struct exchange *x)
{
	struct buf *out = &x->response.body;
	struct err e = {0};
	bool resume = false;
	struct wanted w;
	int rc = wanted_parse(x, &w, &e), code;
	int64_t n = 0;

	if (!rc)
		rc = query_bool(x->query, "resume", &resume, &e);
	if (!rc && !w.id && !w.user_id && !w.session_id && !w.report_id)
		rc = err_field(&e, ERR_MISSING_FIELD, "id", "say whom: id, user, session, report");
	code = resume ? CLOSE_RESUME : CLOSE_KICKED;
	if (!rc)
		n = each_wanted(x->hub, &w, close_one, &code);
	if (!rc && n == 0)
		rc = err_set(&e, ERR_NOT_FOUND, "there is no such connection");
	if (rc) {
		exchange_error(x, &e, NULL);
		return;
	}
	hub_log(x->hub, LOG_NOTICE, "%s closed %lld connections", x->who.user_id, (long long)n);
	buf_printf(out, "{\"closed\":%lld,\"code\":%d}", (long long)n, code);
	answer(x);
}

/* ---- the process ----------------------------------------------------------------------------- */

static void drain(struct exchange *x)
{
	struct hub *h = x->hub;
	struct err e = {0};
	bool wait = false;

	if (!h->env.drain) {
		err_set(&e, ERR_UNSUPPORTED, "this daemon cannot be drained");
		exchange_error(x, &e, NULL);
		return;
	}
	if (query_bool(x->query, "wait", &wait, &e)) {
		exchange_error(x, &e, NULL);
		return;
	}
	hub_log(h, LOG_NOTICE, "drain: asked for by %s", x->who.user_id);
	buf_printf(&x->response.body, "{\"connections\":%d,\"draining\":true,\"pid\":%ld", h->conns,
	           (long)getpid());
	x->response.content_type = "application/json";
	x->drain_waits = wait; /* hub_drain_done() answers */
	if (!wait) {
		buf_putc(&x->response.body, '}');
		x->response.status = 202;
		exchange_answer(x);
	}
	h->env.drain(h->env.arg);
}

static void reload(struct exchange *x)
{
	struct hub *h = x->hub;
	struct err e = {0};
	int rc = h->env.reload ? 0 : err_set(&e, ERR_UNSUPPORTED, "nothing can be reloaded");

	if (!rc) {
		hub_log(h, LOG_NOTICE, "reload: asked for by %s", x->who.user_id);
		rc = h->env.reload(h->env.arg, &x->response.body, &e);
	}
	/* The file is the administrator's own: what is wrong with it is no internal matter. */
	if (rc == ERR_CONFIG)
		e.code = ERR_BAD_CONFIG;
	if (rc)
		exchange_error(x, &e, NULL);
	else
		answer(x);
}

/* ---- the way in ------------------------------------------------------------------------------ */

static void (*const handlers[ROUTES])(struct exchange *x) = {
	[ROUTE_ADMIN_STATUS] = status,
	[ROUTE_ADMIN_SESSIONS] = sessions,
	[ROUTE_ADMIN_CONNECTIONS] = connections,
	[ROUTE_ADMIN_KICK] = kick,
	[ROUTE_ADMIN_DRAIN] = drain,
	[ROUTE_ADMIN_RELOAD] = reload,
	[ROUTE_ADMIN_BACKUP_START] = rest_backup,
	[ROUTE_ADMIN_BACKUP] = rest_backup,
	[ROUTE_ADMIN_BACKUP_END] = rest_backup,
};

bool rest_admin(struct exchange *x)
{
	struct err e = {0};

	if (!handlers[x->route.route])
		return false;
	if (x->who.scopes & SCOPE_ADMIN) {
		handlers[x->route.route](x);
	} else {
		err_set(&e, ERR_FORBIDDEN, "this needs the scope collab:admin");
		exchange_error(x, &e, NULL);
	}
	return true;
}
