/* One socket's life: opened, watched, read, looked at by time, closed. */
#define _GNU_SOURCE /* struct ucred */
#include "server/net_in.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_poll(uv_poll_t *poll, int status, int events);

/* ---- opened and closed ---------------------------------------------------------------------- */

/* Who is at the other end: the uid of a local peer, the address of any other. */
static int identify(struct sock *s, const struct sockaddr_in6 *peer)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)peer;
	struct ucred cred = {0};
	socklen_t len = sizeof cred;

	if (s->local) {
		/* Asked of a TCP socket, this would succeed too, with uid -1. */
		if (getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
			return ERR_IO;
		s->uid = cred.uid;
		s->gid = cred.gid;
		s->pid = cred.pid;
	} else if (peer->sin6_family == AF_INET6) {
		memcpy(s->address, &peer->sin6_addr, 16);
	} else {
		s->address[10] = s->address[11] = 0xff;
		memcpy(s->address + 12, &v4->sin_addr, 4);
	}
	return 0;
}

int sock_open(struct sock **out, struct net *n, const struct net_listener *l, int fd,
              const struct sockaddr_in6 *peer)
{
	struct sock *s = calloc(1, sizeof *s);
	int rc = s ? 0 : ERR_NOMEM;

	*out = NULL;
	if (rc == 0) {
		s->net = n;
		s->fd = fd;
		s->local = l->at.local;
		s->fresh = true;
		buf_init(&s->rest, REST_BYTES_MAX);
		/* One answer or one pull: the hub limits both. */
		buf_init(&s->out, SIZE_MAX / 2);
		rc = identify(s, peer);
	}
	if (rc == 0 && n->tls && !s->local) {
		s->tls = tls_accept(n->tls, fd);
		rc = s->tls ? 0 : ERR_NOMEM;
	}
	if (rc == 0)
		rc = net_add(n, s);
	if (rc == 0 && uv_poll_init(n->loop, &s->poll, fd)) {
		net_remove(s);
		rc = ERR_IO;
	}
	if (rc) {
		if (s)
			tls_close(s->tls);
		free(s);
		(void)close(fd); /* nothing was written to it */
		return rc;
	}
	n->counters->open++;
	s->read_ms = n->now_ms;
	sock_phase(s, PHASE_IDLE, n->limits->request_seconds * 1000);
	sock_watch(s);
	*out = s;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct sock *s = (struct sock *)handle;

	s->closed = true;
	if (!s->queued) /* else who takes it from the work list frees it */
		sock_free(s);
}

void sock_free(struct sock *s)
{
	http_in_free(s->in);
	ws_decoder_release(&s->decoder);
	buf_release(&s->rest);
	buf_release(&s->out);
	free(s->pong);
	free(s);
}

void sock_close(struct sock *s, bool clean)
{
	struct net *n = s->net;
	struct exchange *x = s->exchange;
	struct conn *c = s->conn;

	if (s->phase == PHASE_DEAD)
		return;
	s->phase = PHASE_DEAD;
	s->exchange = NULL;
	s->conn = NULL;
	net_unpause(s);
	net_address_give(s);
	net_remove(s);
	n->counters->open--;
	n->counters->queue_bytes -= (int64_t)s->out_counted;
	n->lingering -= s->lingering;
	(void)uv_poll_stop(&s->poll); /* cannot fail */
	uv_close((uv_handle_t *)&s->poll, on_closed);
	tls_close(s->tls);
	s->tls = NULL;
	(void)close(s->fd); /* whether what was sent arrives is not told here anyway */
	net_touch(n);
	if (x)
		hub_abort(x);
	if (c)
		hub_gone(c, clean);
}

void sock_phase(struct sock *s, enum sock_phase phase, int64_t due_in_ms)
{
	s->phase = phase;
	s->phase_ms = s->net->now_ms;
	net_due(s, s->phase_ms + due_in_ms);
}

/* ---- read ----------------------------------------------------------------------------------- */

void sock_watch(struct sock *s)
{
	int events = 0;

	if (s->phase == PHASE_DEAD)
		return;
	if (!s->eof && !s->paused && sock_rest(s) < REST_BYTES_MAX - READ_BYTES)
		events |= UV_READABLE;
	if (s->stuck || s->tls_want_write)
		events |= UV_WRITABLE;
	if (events == s->events)
		return;
	s->events = (uint8_t)events;
	/* Neither fails on a descriptor that is open. */
	if (events)
		(void)uv_poll_start(&s->poll, events, on_poll);
	else
		(void)uv_poll_stop(&s->poll);
}

/* Look at p[0..len) as the phase wants it. */
static size_t input_once(struct sock *s, char *p, size_t len)
{
	switch ((enum sock_phase)s->phase) {
	case PHASE_IDLE:
	case PHASE_REQUEST:
		return sock_http_input(s, p, len);
	case PHASE_WS:
	case PHASE_CLOSING:
		return sock_ws_input(s, p, len);
	case PHASE_ANSWERED:
		return s->keep_alive ? 0 : len; /* the rest of what was refused */
	case PHASE_LINGER:
		return len;
	case PHASE_EXCHANGE:
	case PHASE_STREAM:
	case PHASE_DEAD:
		break;
	}
	return 0;
}

/* A pipelined request follows the one before in here; so do frames their handshake. */
static size_t input(struct sock *s, char *p, size_t len)
{
	size_t used = 0, n = 0;

	do {
		n = input_once(s, p + used, len - used);
		used += n;
	} while (n > 0 && used < len && s->phase != PHASE_DEAD);
	return used;
}

/* Look at what was kept, and keep what is not used again. */
static void look_at_rest(struct sock *s)
{
	size_t used = 0;

	if (sock_rest(s) == 0)
		return;
	used = input(s, s->rest.p + s->rest_at, sock_rest(s));
	if (s->phase == PHASE_DEAD)
		return;
	s->rest_at += used;
	if (sock_rest(s) > 0)
		return; /* it moves down when there is more: not for every little message */
	buf_release(&s->rest);
	s->rest_at = 0;
}

static void look_at(struct sock *s, char *p, size_t len)
{
	size_t used = 0;

	if (sock_rest(s) > 0) {
		buf_drop(&s->rest, s->rest_at);
		s->rest_at = 0;
		buf_put(&s->rest, p, len);
		look_at_rest(s);
	} else {
		used = input(s, p, len);
		if (s->phase != PHASE_DEAD && used < len)
			buf_put(&s->rest, p + used, len - used);
	}
	if (s->rest.error)
		sock_close(s, false);
}

/* > 0, 0 at the end, -1 when there is nothing now, -2 when the socket has failed. */
static ssize_t receive(struct sock *s)
{
	struct net *n = s->net;
	ssize_t got = 0;

	if (s->tls) {
		got = tls_read(s->tls, n->read, sizeof n->read);
		s->tls_want_write = got == TLS_WANT_WRITE;
		return got >= 0 ? got : got == TLS_FAILED ? -2 : -1;
	}
	do
		got = recv(s->fd, n->read, sizeof n->read, 0);
	while (got < 0 && errno == EINTR);
	return got >= 0 ? got : errno == EAGAIN ? -1 : -2;
}

/* The peer has said all.  It may still listen: an answer under way is given. */
static void at_end(struct sock *s)
{
	switch (s->phase) {
	case PHASE_IDLE:
	case PHASE_REQUEST:
		if (sock_rest(s) > 0)
			break;
		if (s->phase == PHASE_REQUEST || sock_waiting(s) == 0) {
			sock_close(s, false);
			break;
		}
		s->keep_alive = false;
		sock_phase(s, PHASE_ANSWERED, NEVER_MS);
		break;
	case PHASE_WS:
		/* What it said before counts, though the hub may not want to hear it yet. */
		if (sock_rest(s) == 0 || !s->paused)
			sock_close(s, false);
		break;
	case PHASE_CLOSING:
		if (sock_waiting(s) == 0)
			sock_close(s, false);
		break;
	case PHASE_STREAM:
	case PHASE_LINGER:
		sock_close(s, false);
		break;
	case PHASE_EXCHANGE:
		if (s->exchange && hub_hung_up(s->exchange))
			sock_close(s, false);
		break;
	case PHASE_ANSWERED:
	case PHASE_DEAD:
		break;
	}
}

static void on_readable(struct sock *s)
{
	struct net *n = s->net;
	ssize_t got = receive(s);

	if (got == -1)
		return;
	if (got == -2) {
		sock_close(s, false);
		return;
	}
	if (got == 0) {
		s->eof = true;
		net_work(s);
		return;
	}
	n->counters->bytes_in += got;
	s->read_ms = n->now_ms;
	s->ping_ms = 0;
	look_at(s, n->read, (size_t)got);
}

void sock_broken(struct sock *s)
{
	ssize_t got = -1;

	/* Its last words may be a good-bye. */
	if (s->phase == PHASE_WS && !s->paused && sock_rest(s) == 0)
		got = receive(s);
	if (got > 0)
		look_at(s, s->net->read, (size_t)got);
	sock_close(s, false);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct sock *s = (struct sock *)poll;

	(void)net_now(s->net);
	if (status < 0) {
		sock_broken(s);
		return;
	}
	if (events & UV_READABLE || s->tls_want_write)
		on_readable(s);
	if (events & UV_WRITABLE && s->phase != PHASE_DEAD)
		sock_send(s);
	sock_watch(s);
}

void sock_work(struct sock *s)
{
	sock_http_settle(s);
	if (!s->paused)
		look_at_rest(s);
	if (!s->stuck && s->phase != PHASE_DEAD)
		sock_send(s);
	if (s->eof && s->phase != PHASE_DEAD)
		at_end(s);
	sock_watch(s);
}

/* ---- looked at by time ---------------------------------------------------------------------- */

/* When a peer that takes no output is given up; it may still take some from the kernel. */
static int64_t stalled_at(struct sock *s, int64_t now)
{
	int64_t wait = s->net->limits->stall_seconds * 1000;
	int unsent = 0;

	if (now < s->sent_ms + wait)
		return s->sent_ms + wait;
	if (ioctl(s->fd, SIOCOUTQ, &unsent) == 0 && unsent < s->unsent)
		s->sent_ms = now;
	s->unsent = unsent;
	return s->sent_ms + wait;
}

static int64_t give_up(struct sock *s, int64_t now)
{
	s->net->counters->stalled_closes++;
	if (s->phase == PHASE_WS)
		sock_ws_close(s, 1013, "too slow", STALLED_CLOSE_MS);
	else
		sock_close(s, false);
	return now + STALLED_CLOSE_MS;
}

int64_t sock_due(struct sock *s, int64_t now)
{
	const struct limits *l = s->net->limits;
	int64_t at = now + NEVER_MS, stalled = at;
	struct err e;

	if (s->stuck && s->phase < PHASE_CLOSING) {
		stalled = stalled_at(s, now);
		if (now >= stalled)
			return give_up(s, now);
	}
	switch ((enum sock_phase)s->phase) {
	case PHASE_IDLE:
		at = s->phase_ms + (s->fresh ? l->request_seconds * 1000 : IDLE_MS);
		if (now >= at && !s->stuck)
			sock_close(s, false);
		break;
	case PHASE_REQUEST:
		at = s->phase_ms + l->request_seconds * 1000;
		if (now >= at) {
			(void)err_set(&e, ERR_REQUEST_TIMEOUT, NULL);
			sock_http_fail(s, &e);
			at = now + LINGER_MS;
		}
		break;
	case PHASE_WS:
		at = sock_ws_due(s, now);
		break;
	case PHASE_CLOSING:
	case PHASE_LINGER:
		at = s->phase_ms + (s->stuck                   ? STALLED_CLOSE_MS
		                    : s->phase == PHASE_LINGER ? LINGER_MS
		                                               : CLOSE_MS);
		if (now >= at)
			sock_close(s, false);
		break;
	case PHASE_EXCHANGE:
	case PHASE_ANSWERED:
	case PHASE_STREAM:
	case PHASE_DEAD:
		break;
	}
	return at < stalled ? at : stalled;
}
