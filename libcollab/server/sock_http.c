/* What a socket does while it speaks HTTP, and what the hub may ask of any socket. */
#include "server/net_in.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

static void tell_peer(const struct sock *s, struct peer *peer)
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	char *text = peer->address;

	*peer = (struct peer){.local = s->local, .uid = s->uid, .gid = s->gid, .pid = s->pid};
	if (s->local)
		(void)snprintf(text, sizeof peer->address, "local"); /* fits */
	else if (memcmp(s->address, mapped, sizeof mapped) == 0)
		(void)inet_ntop(AF_INET, s->address + 12, text, sizeof peer->address); /* fits */
	else
		(void)inet_ntop(AF_INET6, s->address, text, sizeof peer->address); /* fits */
}

/* The request is complete: it is the hub's until it is answered. */
static void dispatch(struct sock *s)
{
	struct http_head *head = http_in_head(s->in);
	struct exchange *x = NULL;

	tell_peer(s, &head->request.peer);
	s->keep_alive = head->keep_alive && !s->net->draining;
	s->fresh = false;
	sock_phase(s, PHASE_EXCHANGE, NEVER_MS);
	net_touch(s->net);
	x = hub_request(s->net->hub, &head->request, s);
	if (s->phase == PHASE_EXCHANGE)
		s->exchange = x;
	sock_http_settle(s);
}

void sock_http_fail(struct sock *s, const struct err *e)
{
	http_refuse(e, s->in ? http_in_head(s->in) : NULL, &s->out);
	http_in_free(s->in);
	s->in = NULL;
	(void)net_address_holds(s, 0); /* nothing is always within */
	s->keep_alive = false;
	s->lingers = true;
	sock_phase(s, PHASE_ANSWERED, NEVER_MS);
	net_work(s);
}

/* A request begins.  The time for the first one began with the connection. */
static void begin(struct sock *s)
{
	int64_t since_ms = s->phase_ms;

	if (http_in_new(&s->in, (size_t)s->net->limits->frame_bytes)) {
		sock_close(s, false);
		return;
	}
	sock_phase(s, PHASE_REQUEST, s->net->limits->request_seconds * 1000);
	if (s->fresh)
		s->phase_ms = since_ms; /* it is looked at then already */
}

size_t sock_http_input(struct sock *s, const char *p, size_t len)
{
	size_t used = 0;
	struct err e;
	int rc = 0;

	/* Who does not take its answers gets no more of them. */
	if (s->phase == PHASE_IDLE && sock_waiting(s) >= PULL_BYTES)
		return 0;
	if (s->phase == PHASE_IDLE)
		begin(s);
	if (s->phase == PHASE_DEAD)
		return 0;
	rc = http_in_read(s->in, p, len, &used, &e);
	if (rc >= 0 && !net_address_holds(s, rc == HTTP_IN_DONE ? 0 : http_in_held(s->in)))
		rc = err_set(&e, ERR_RATE_LIMITED, "too much is sent from this address at once");
	if (rc < 0) {
		sock_http_fail(s, &e);
	} else if (rc == HTTP_IN_CONTINUE) {
		buf_puts(&s->out, "HTTP/1.1 100 Continue\r\n\r\n");
		net_work(s);
	} else if (rc == HTTP_IN_DONE) {
		dispatch(s);
	}
	return used;
}

void sock_http_settle(struct sock *s)
{
	if (s->phase < PHASE_ANSWERED || s->phase == PHASE_DEAD)
		return;
	/* Not sooner: the hub may look at the request until it has returned from answering it. */
	http_in_free(s->in);
	s->in = NULL;
	if (s->phase == PHASE_ANSWERED && s->keep_alive)
		sock_phase(s, PHASE_IDLE, IDLE_MS);
}

/* ---- what the hub asks ---------------------------------------------------------------------- */

/* The answer is more than its address may be owed.  What was only asked is refused. */
static void withhold(struct sock *s)
{
	const struct http_head *head = http_in_head(s->in);
	struct err e;

	if (strcmp(head->request.method, "GET") != 0) {
		/* Something was done: an error would say that it was not. */
		sock_close(s, false);
		return;
	}
	(void)err_set(&e, ERR_RATE_LIMITED, "too many answers to this address are not taken");
	http_refuse(&e, head, &s->out);
	s->keep_alive = false;
	s->lingers = true;
	sock_phase(s, PHASE_ANSWERED, NEVER_MS);
	net_work(s);
}

static void answer(void *sock, struct response *r)
{
	struct sock *s = sock;
	const char *method = http_in_head(s->in)->request.method;
	size_t bytes = strcmp(method, "HEAD") == 0 ? 0 : r->body.len;

	assert(s->phase == PHASE_EXCHANGE);
	s->exchange = NULL;
	if (!net_address_may_owe(s, bytes)) {
		withhold(s);
		return;
	}
	s->keep_alive = s->keep_alive && !s->net->draining;
	response_write(r, method, s->keep_alive, &s->out);
	sock_count_waiting(s);
	sock_phase(s, PHASE_ANSWERED, NEVER_MS);
	net_work(s);
}

static bool may_answer(void *sock, size_t bytes)
{
	return net_address_may_owe(sock, bytes);
}

static void upgrade(void *sock, struct conn *c, const char *subprotocol)
{
	struct sock *s = sock;
	const struct limits *l = s->net->limits;
	char accept[WS_ACCEPT_LEN + 1];

	assert(s->phase == PHASE_EXCHANGE && http_in_head(s->in)->request.websocket);
	s->exchange = NULL;
	s->conn = c;
	ws_accept_key(http_in_head(s->in)->request.ws_key, accept);
	http_upgrade_head(accept, subprotocol, &s->out);
	ws_decoder_init(&s->decoder, WS_SERVER, (size_t)l->frame_bytes);
	s->want_write = true;
	sock_phase(s, PHASE_WS, l->ping_seconds ? l->ping_seconds * 1000 : NEVER_MS);
	net_work(s);
}

static void stream(void *sock, struct conn *c, const char *content_type, const char *headers)
{
	struct sock *s = sock;
	const struct http_head *head = http_in_head(s->in);

	assert(s->phase == PHASE_EXCHANGE);
	s->exchange = NULL;
	s->conn = c;
	s->chunked = !head->http_1_0;
	s->bodiless = strcmp(head->request.method, "HEAD") == 0;
	/* Without chunks, only the end of the connection tells the end of the body. */
	s->keep_alive = s->keep_alive && s->chunked && !s->net->draining;
	http_stream_head(content_type, headers, s->chunked, s->keep_alive, &s->out);
	s->want_write = true;
	sock_phase(s, PHASE_STREAM, NEVER_MS);
	net_work(s);
}

static void want_write(void *sock)
{
	struct sock *s = sock;

	s->want_write = true;
	net_work(s);
}

static void want_read(void *sock)
{
	net_unpause(sock);
}

static void drop(void *sock)
{
	struct sock *s = sock;

	s->conn = NULL;
	s->exchange = NULL;
	sock_close(s, false);
}

const struct hub_transport net_transport = {
	.answer = answer,
	.upgrade = upgrade,
	.stream = stream,
	.want_write = want_write,
	.want_read = want_read,
	.drop = drop,
	.may_answer = may_answer,
};
