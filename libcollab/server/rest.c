/* REST: a request's way in -- origin, identity, rate, route -- and the small routes. */
#include <string.h>
#include <strings.h>

#include "server/exchange.h"

/* ---- small routes -----------------------------------------------------------------------------
 */

static void json_answer(struct exchange *x, int status)
{
	x->response.status = status;
	x->response.content_type = "application/json";
	exchange_answer(x);
}

static void ready(struct exchange *x)
{
	struct store_stats stats;
	bool ok;

	store_stats(x->hub->store, &stats);
	ok = stats.writable && !x->hub->draining;
	buf_printf(&x->response.body, "{\"ready\":%s,\"store_writable\":%s,\"draining\":%s}",
	           ok ? "true" : "false", stats.writable ? "true" : "false",
	           x->hub->draining ? "true" : "false");
	json_answer(x, ok ? 200 : 503);
}

static void metrics_route(struct exchange *x)
{
	struct err e = {0};

	if (!x->hub->conf->metrics_public && !(x->who.scopes & (SCOPE_METRICS | SCOPE_ADMIN))) {
		err_set(&e, ERR_FORBIDDEN, "metrics need the scope collab:metrics");
		exchange_error(x, &e, NULL);
		return;
	}
	metrics_write(x->hub, &x->response.body);
	x->response.status = 200;
	x->response.content_type = "text/plain; version=0.0.4; charset=utf-8";
	exchange_answer(x);
}

static void ticket(struct exchange *x)
{
	unsigned char random[32];
	char text[TICKET_LEN + 1];
	struct err e = {0};

	x->hub->env.random(x->hub->env.arg, random, sizeof random);
	if (auth_ticket(x->hub->auth, &x->who, random, hub_wall(x->hub), text, &e)) {
		exchange_error(x, &e, NULL);
		return;
	}
	buf_printf(&x->response.body, "{\"expires_in\":%d,\"ticket\":\"%s\"}", TICKET_SECONDS,
	           text);
	json_answer(x, 201);
}

/* ---- the way in -------------------------------------------------------------------------------
 */

void rest_dispatch(struct exchange *x)
{
	if (rest_admin(x))
		return;
	switch (x->route.route) {
	case ROUTE_METRICS:
		metrics_route(x);
		break;
	case ROUTE_TICKETS:
		ticket(x);
		break;
	case ROUTE_SESSIONS:
		rest_list(x);
		break;
	case ROUTE_START:
		rest_start(x);
		break;
	case ROUTE_WS_REPORT:
	case ROUTE_WS_SESSION:
		rest_websocket(x);
		break;
	case ROUTE_EVENTS:
		rest_events(x);
		break;
	case ROUTE_ERASE:
	case ROUTE_COMPACT:
		rest_rewrite(x);
		break;
	case ROUTE_IMPORT:
		rest_import(x);
		break;
	case ROUTE_EXPORT:
		rest_export(x);
		break;
	default:
		if (route_row(x->route.route)->method == METHOD_GET)
			rest_read(x);
		else
			rest_write(x);
	}
}

/* Its share of requests a minute; WebSockets are counted by their messages. */
static int charge(struct exchange *x, struct err *e)
{
	struct user *u = NULL;
	int after;

	if (x->route.websocket)
		return 0;
	u = hub_user(x->hub, x->who.user_id);
	if (!u)
		return err_set(e, ERR_NOMEM, NULL);
	if (bucket_take(&u->requests, x->hub->limits->requests_per_minute, hub_mono(x->hub),
	                &after))
		return 0;
	buf_printf(&x->response.headers, "Retry-After: %d\r\n", after);
	return err_set(e, ERR_RATE_LIMITED, "more than %lld requests a minute",
	               (long long)x->hub->limits->requests_per_minute);
}

static void identify(struct exchange *x)
{
	bool browser = x->route.websocket || x->route.route == ROUTE_EVENTS;
	struct err e = {0};
	int rc = auth_request(x->hub->auth, x->request, browser, hub_wall(x->hub), &x->who, &e);

	if (rc == AUTH_WAIT && !x->auth_waited) {
		x->auth_waits = x->auth_waited = true; /* hub_keys_changed() asks again */
		return;
	}
	if (rc == AUTH_WAIT)
		rc = err_set(&e, ERR_UNAUTHENTICATED, "no key fits this token");
	if (!rc)
		rc = charge(x, &e);
	if (rc)
		exchange_error(x, &e, NULL);
	else
		rest_dispatch(x);
}

void hub_keys_changed(struct hub *h)
{
	struct exchange *next = NULL;

	hub_enter(h);
	for (struct exchange *x = h->exchanges; x; x = next) {
		next = x->next;
		if (!x->auth_waits)
			continue;
		x->auth_waits = false;
		identify(x);
	}
}

static void preflight(struct exchange *x)
{
	x->response.status = 204;
	buf_printf(&x->response.headers,
	           "Allow: %s\r\nAccess-Control-Allow-Methods: %s\r\n"
	           "Access-Control-Allow-Headers: Authorization, Content-Type, If-Match, "
	           "If-None-Match, Idempotency-Key, Last-Event-ID\r\n"
	           "Access-Control-Max-Age: 600\r\n",
	           x->route.allow, x->route.allow);
	exchange_answer(x);
}

/*
 * Bodies are JSON, whether or not they say so.  What says that it is something else is refused, but
 * for the type that curl -d gives to everything.
 */
static int check_media(const struct request *r, struct err *e)
{
	static const char *const taken[] = {"application/json", "application/merge-patch+json",
	                                    "application/x-ndjson",
	                                    "application/x-www-form-urlencoded"};

	if (r->body_len == 0 || !r->content_type)
		return 0;
	for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
		size_t n = strlen(taken[i]);

		if (strncasecmp(r->content_type, taken[i], n) == 0 &&
		    strchr("; \t", r->content_type[n])) /* its end, too */
			return 0;
	}
	return err_set(e, ERR_UNSUPPORTED_MEDIA, NULL);
}

void rest_begin(struct exchange *x)
{
	const struct request *r = x->request;
	struct err e = {0};
	int rc = route_match(r->method, r->path, &x->route, &e);

	if (r->origin && !exchange_origin_allowed(x))
		rc = err_set(&e, ERR_FORBIDDEN, "this origin is not among allowed_origins");
	else if (rc == ERR_METHOD_NOT_ALLOWED && strcmp(r->method, "OPTIONS") == 0) {
		preflight(x);
		return;
	}
	if (!rc)
		rc = query_parse(r->query, &x->query, &e);
	if (!rc)
		rc = check_media(r, &e);
	if (rc) {
		exchange_error(x, &e, NULL);
		return;
	}
	switch (x->route.route) {
	case ROUTE_HEALTHZ:
		buf_puts(&x->response.body, "{\"healthy\":true}");
		json_answer(x, 200);
		break;
	case ROUTE_READYZ:
		ready(x);
		break;
	case ROUTE_VERSION:
		buf_puts(&x->response.body,
		         "{\"name\":\"collabd\",\"protocol\":1,\"version\":\"" COLLAB_VERSION
		         "\"}");
		json_answer(x, 200);
		break;
	case ROUTE_METRICS:
		if (x->hub->conf->metrics_public) {
			metrics_route(x);
			break;
		}
		identify(x);
		break;
	default:
		identify(x);
	}
}
