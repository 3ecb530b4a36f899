/* REST: an exchange's life -- it finds its room, waits, is answered, ends. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/exchange.h"
#include "server/fold.h"
#include "server/room.h"

enum { AGAIN_MAX = 3 };

/* ---- an exchange's end ------------------------------------------------------------------------
 */

void exchange_drop_room(struct exchange *x)
{
	if (x->room) {
		history_forget(x->room, NULL, x);
		x->room->exchanges--;
		x->room->used_ms = hub_mono(x->hub);
	}
	x->room = NULL;
}

static void unqueue(struct room *room, struct exchange *x)
{
	struct exchange **p = &room->waiting;

	while (*p && *p != x)
		p = &(*p)->queue_next;
	if (*p)
		*p = x->queue_next;
	p = &room->held;
	while (*p && *p != x)
		p = &(*p)->queue_next;
	if (*p)
		*p = x->queue_next;
	for (room->held_end = &room->held; *room->held_end;)
		room->held_end = &(*room->held_end)->queue_next;
}

/* Whatever was done for an answer. */
static void forget_answer(struct exchange *x)
{
	fold_cancel(x->fold);
	x->fold = NULL;
	response_release(&x->response);
	session_release(&x->past);
	x->view = NULL;
	if (x->more_free)
		x->more_free(x->more);
	else
		free(x->more);
	x->more = NULL;
	x->more_free = NULL;
}

void exchange_free(struct exchange *x)
{
	struct hub *h = x->hub;

	if (x->prev)
		x->prev->next = x->next;
	else
		h->exchanges = x->next;
	if (x->next)
		x->next->prev = x->prev;
	if (x->room)
		unqueue(x->room, x);
	exchange_leave_lane(x);
	exchange_drop_room(x);
	forget_answer(x);
	json_decref(x->query);
	identity_release(&x->who);
	message_release(&x->message);
	start_options_release(&x->options);
	free(x);
}

void hub_abort(struct exchange *x)
{
	hub_enter(x->hub);
	if (x->backup_ms)
		rest_backup_gone(x);
	if (x->pending == 0) {
		exchange_free(x);
		return;
	}
	/* A store callback still carries it; that one frees it. */
	x->aborted = true;
	exchange_leave_lane(x);
	if (x->room)
		unqueue(x->room, x);
}

bool hub_hung_up(const struct exchange *x)
{
	return x->backup_ms != 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

bool exchange_origin_allowed(const struct exchange *x)
{
	const char *origin = x->request->origin, *list = x->hub->conf->allowed_origins;
	const char *host = strstr(origin, "://");
	size_t len = strlen(origin);

	if (host && x->request->host && strcasecmp(host + 3, x->request->host) == 0)
		return true;
	for (const char *p = list; p && *p;) {
		size_t n;

		p += strspn(p, ", ");
		n = strcspn(p, ", ");
		if ((n == 1 && *p == '*') || (n == len && strncasecmp(p, origin, n) == 0))
			return true;
		p += n;
	}
	return false;
}

struct exchange *exchange_internal(struct hub *h)
{
	static const struct request nothing;
	struct exchange *x = calloc(1, sizeof *x);

	if (!x)
		return NULL;
	x->hub = h;
	x->internal = true;
	x->request = &nothing;
	x->started_ms = hub_mono(h);
	response_init(&x->response, 200);
	x->next = h->exchanges;
	if (x->next)
		x->next->prev = x;
	h->exchanges = x;
	return x;
}

void exchange_answer(struct exchange *x)
{
	struct response *r = &x->response;

	if (x->internal) {
		if (r->status >= 400)
			hub_log(x->hub, LOG_WARNING, "%.*s", (int)r->body.len,
			        r->body.p ? r->body.p : "");
		exchange_free(x);
		return;
	}
	if (x->request->origin && exchange_origin_allowed(x)) {
		buf_printf(&r->headers,
		           "Access-Control-Allow-Origin: %s\r\nVary: Origin\r\n"
		           "Access-Control-Expose-Headers: ETag, Retry-After, "
		           "X-Collab-State-Hash\r\n",
		           x->request->origin);
	}
	if (buf_error(&r->headers) || buf_error(&r->body)) {
		response_release(r);
		response_init(r, 503);
	}
	x->hub->transport.answer(x->sock, r);
	exchange_free(x);
}

/* Make the response an error's. */
static void fail(struct exchange *x, const struct err *error, const struct decision *d)
{
	struct response *r = &x->response;
	struct err inner = {0};
	const struct err *e = hub_error(x->hub, error, &inner);
	int index = -e->code;

	x->hub->metrics.errors[index]++;
	if (e->code == ERR_UNAUTHENTICATED || e->code == ERR_TOKEN_EXPIRED ||
	    e->code == ERR_FORBIDDEN)
		x->hub->metrics.auth_failures++;
	x->hub->metrics.connect_failures += x->route.websocket;
	buf_clear(&r->body);
	r->status = err_row(e->code)->http;
	r->content_type = "application/problem+json";
	problem_write(e, d, &r->body);
	if (r->status == 401)
		buf_puts(&r->headers, "WWW-Authenticate: Bearer\r\n");
	if (r->status == 405)
		buf_printf(&r->headers, "Allow: %s\r\n", x->route.allow);
	if (r->status == 503)
		buf_puts(&r->headers, "Retry-After: 1\r\n");
}

void exchange_error(struct exchange *x, const struct err *e, const struct decision *d)
{
	fail(x, e, d);
	exchange_answer(x);
}

void exchange_error_committed(struct exchange *x, const struct err *e, const struct decision *d)
{
	fail(x, e, d);
	if (x->room && x->room->state == ROOM_LIVE)
		exchange_answer_committed(x);
	else
		exchange_answer(x);
}

bool exchange_may_answer(struct exchange *x, size_t bytes)
{
	struct err e = {0};

	if (!x->hub->transport.may_answer || x->hub->transport.may_answer(x->sock, bytes))
		return true;
	buf_puts(&x->response.headers, "Retry-After: 5\r\n");
	err_set(&e, ERR_RATE_LIMITED, "too many answers to this address are not taken");
	exchange_error(x, &e, NULL);
	return false;
}

void exchange_answer_committed(struct exchange *x)
{
	x->then = exchange_answer;
	room_hold(x->room, x, x->room->head.seq);
}

/* ---- rooms ------------------------------------------------------------------------------------
 */

void exchange_with_room(struct exchange *x, struct room *room, void (*then)(struct exchange *x))
{
	struct exchange **p = &room->waiting;

	if (x->room != room) {
		exchange_drop_room(x);
		x->room = room;
		room->exchanges++;
	}
	x->then = then;
	room->used_ms = hub_mono(x->hub);
	if (room->state == ROOM_LIVE) {
		then(x);
		return;
	}
	while (*p)
		p = &(*p)->queue_next;
	x->queue_next = NULL;
	*p = x;
}

static void no_session(const struct exchange *x, struct err *e)
{
	if (x->route.session_id[0])
		err_set(e, ERR_NO_SESSION, "there is no session %s", x->route.session_id);
	else
		err_set(e, ERR_NO_SESSION, "report %s has no %ssession", x->route.report_id,
		        x->active ? "active " : "");
}

static void session_found(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;
	struct room *room = NULL;
	struct err e = {0};

	x->pending--;
	if (x->aborted) {
		exchange_free(x);
		return;
	}
	if (reply->rc) {
		exchange_error(x, &reply->err, NULL);
		return;
	}
	if (reply->sessions_len == 0 && x->absent) {
		x->absent(x);
		return;
	}
	if (reply->sessions_len == 0) {
		no_session(x, &e);
		exchange_error(x, &e, NULL);
		return;
	}
	room = room_of_id(x->hub, reply->sessions[0].session_id);
	if (!room)
		room = room_open(x->hub, &reply->sessions[0]);
	if (room) {
		exchange_with_room(x, room, x->then);
		return;
	}
	err_set(&e, ERR_NOMEM, NULL);
	exchange_error(x, &e, NULL);
}

void exchange_find(struct exchange *x, enum store_by by, void (*then)(struct exchange *x))
{
	const char *id = x->route.session_id[0] ? x->route.session_id : x->route.report_id;
	struct room *room = NULL;
	struct err e = {0};

	if (x->route.session_id[0]) {
		by = STORE_BY_ID;
		room = room_of_id(x->hub, id);
	} else {
		room = room_of_report(x->hub, id);
	}
	if (room) {
		exchange_with_room(x, room, then);
		return;
	}
	x->then = then;
	x->active = by == STORE_BY_REPORT_ACTIVE;
	if (store_find(x->hub->store, by, id, session_found, x) == 0) {
		x->pending++;
		return;
	}
	err_set(&e, ERR_NOMEM, NULL);
	exchange_error(x, &e, NULL);
}

int exchange_may_read(const struct exchange *x, struct err *e)
{
	if ((x->who.scopes & (SCOPE_READ | SCOPE_ADMIN)) ||
	    session_role(&x->room->head, x->who.user_id) != ROLE_NONE)
		return 0;
	return err_set(e, ERR_FORBIDDEN, "%s is no participant of this session", x->who.user_id);
}

bool exchange_without_email(const struct exchange *x)
{
	return session_role(&x->room->head, x->who.user_id) == ROLE_NONE;
}

void exchange_actor(const struct exchange *x, struct actor *actor)
{
	*actor = (struct actor){.user_id = x->who.user_id,
	                        .name = x->who.name,
	                        .via = x->who.via,
	                        .admin = (x->who.scopes & SCOPE_ADMIN) != 0};
}

static void since_found(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;

	x->pending--;
	x->cursor = reply->seq;
	if (x->aborted)
		exchange_free(x);
	else if (reply->rc)
		exchange_error(x, &reply->err, NULL);
	else
		x->then(x);
}

void exchange_since(struct exchange *x, const char *name, const char *text, int64_t absent,
                    void (*then)(struct exchange *x))
{
	struct err e = {0};
	int64_t time_ms;

	x->cursor = absent;
	if (text && text[strspn(text, "0123456789")] == '\0' && text[0]) {
		x->cursor = strtoll(text, NULL, 10); /* too large a one is INT64_MAX: above all */
	} else if (text) {
		if (rfc3339_parse(text, &time_ms)) {
			err_field(&e, ERR_BAD_FIELD, name,
			          "%s is neither a seq nor an RFC 3339 time", name);
			exchange_error(x, &e, NULL);
			return;
		}
		x->then = then;
		if (store_seek(x->hub->store, x->room->key, time_ms, since_found, x) == 0) {
			x->pending++;
			return;
		}
		err_set(&e, ERR_NOMEM, NULL);
		exchange_error(x, &e, NULL);
		return;
	}
	then(x);
}

/* ---- reads made anew ------------------------------------------------------------------------- */

bool exchange_again(struct exchange *x)
{
	if (x->internal || x->again >= AGAIN_MAX || route_row(x->route.route)->method != METHOD_GET)
		return false;
	x->again++;
	exchange_drop_room(x);
	forget_answer(x);
	response_init(&x->response, 200);
	x->cursor = x->end = 0;
	x->count = 0;
	x->active = false;
	x->absent = NULL;
	rest_dispatch(x);
	return true;
}
