/* What a socket sends: answers and frames of its own, and what the hub has for its connection. */
#define _GNU_SOURCE /* MSG_NOSIGNAL with sendmsg and struct msghdr */
#include "server/net_in.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* What goes out at once: what waits, a chunk's head, the hub's pieces, the chunk's end. */
struct pieces {
	struct iovec at[GATHER_PIECES + 4];
	int len;
	size_t bytes;
};

static void add(struct pieces *p, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	p->at[p->len++] = (struct iovec){(void *)(uintptr_t)bytes, len};
	p->bytes += len;
}

/*
 * The hub may hand out a large frame in parts.  Where the last one ends has to be known: no frame
 * of ours may come before.  Headers are never cut.
 */
static void follow_frames(struct sock *s, const struct gather *g)
{
	for (int i = 0; i < g->len; i++) {
		const unsigned char *p = g->pieces[i].iov_base;
		size_t len = g->pieces[i].iov_len;

		while (len > s->frame_left) {
			size_t bytes = 0, head = 2;

			p += s->frame_left;
			len -= s->frame_left;
			assert(len >= 2);
			bytes = p[1] & 0x7f;
			head += bytes == 126 ? 2 : bytes == 127 ? 8 : 0;
			assert(len >= head);
			if (head > 2)
				bytes = 0;
			for (size_t k = 2; k < head; k++)
				bytes = bytes << 8 | p[k];
			s->frame_left = head + bytes;
		}
		s->frame_left -= len;
	}
}

/* What a WebSocket or a stream has waiting is one pull at the most; answers come whole. */
void sock_count_waiting(struct sock *s)
{
	size_t waits = sock_waiting(s);

	s->net->counters->queue_bytes += (int64_t)waits - (int64_t)s->out_counted;
	s->out_counted = waits;
	net_address_owes(s, s->conn ? 0 : waits);
}

/* Send once; >= 0: how much was taken, less than all when the socket takes no more; or -1. */
static ssize_t transmit(struct sock *s, const struct pieces *p)
{
	struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)p->at,
	                   .msg_iovlen = (size_t)p->len};
	ssize_t sent = 0;

	if (s->tls) {
		sent = tls_write(s->tls, p->at, p->len);
		return sent == TLS_WANT_READ || sent == TLS_WANT_WRITE ? 0 : sent <= 0 ? -1 : sent;
	}
	do
		sent = sendmsg(s->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent >= 0 ? sent : errno == EAGAIN || errno == ENOBUFS ? 0 : -1;
}

/* What was not taken is copied: the pieces are only lent. */
static void keep(struct sock *s, const struct pieces *p, size_t sent)
{
	struct buf *out = &s->out;
	int i = 0;

	if (s->out_at < out->len) {
		size_t waits = sock_waiting(s);

		s->out_at += sent < waits ? sent : waits;
		sent -= sent < waits ? sent : waits;
		i = 1;
	}
	if (s->out_at == out->len) {
		s->out_at = 0;
		buf_clear(out);
	}
	for (; i < p->len; i++) {
		size_t len = p->at[i].iov_len;

		if (sent >= len) {
			sent -= len;
			continue;
		}
		buf_put(out, (const char *)p->at[i].iov_base + sent, len - sent);
		sent = 0;
	}
	if (out->len == 0)
		buf_release(out);
}

/* The pieces go out, and what stays is kept.  False: the socket is gone. */
static bool put_out(struct sock *s, const struct pieces *p)
{
	struct net *n = s->net;
	ssize_t sent = transmit(s, p);

	if (sent < 0) {
		sock_broken(s);
		return false;
	}
	n->counters->bytes_out += sent;
	if (sent > 0 || !s->stuck)
		s->sent_ms = n->now_ms;
	keep(s, p, (size_t)sent);
	sock_count_waiting(s);
	if (s->out.error) {
		sock_close(s, false);
		return false;
	}
	s->stuck = sock_waiting(s) > 0;
	if (s->stuck) {
		(void)ioctl(s->fd, SIOCOUTQ, &s->unsent); /* only an improvement, see stalled_at */
		net_due(s, s->sent_ms + n->limits->stall_seconds * 1000);
	}
	return true;
}

/* The connection has ended, as the hub wants it. */
static void end(struct sock *s, int code, const char *reason)
{
	struct conn *c = s->conn;

	if (s->phase == PHASE_WS) {
		sock_ws_close(s, code, reason, CLOSE_MS);
		return;
	}
	s->conn = NULL;
	hub_gone(c, true);
	if (s->phase == PHASE_DEAD)
		return;
	/* An end that the reader must not take for the end of what there is: cut it off. */
	if (code == 1013 || code == 1011) {
		sock_close(s, false);
		return;
	}
	if (s->chunked && !s->bodiless)
		buf_puts(&s->out, "0\r\n\r\n");
	s->bodiless = false;
	sock_phase(s, PHASE_ANSWERED, NEVER_MS);
	sock_http_settle(s);
}

/* What the hub has for the connection next. */
static void ask_hub(struct sock *s, struct gather *g)
{
	g->len = 0;
	g->bytes = g->copy_len = 0;
	g->bytes_max = PULL_BYTES;
	g->close_code = 0;
	/* While the kernel has not taken the last pull, there is no next one. */
	if (!s->conn || s->stuck)
		return;
	if (s->bodiless) {
		g->close_code = 1000;
	} else if (s->want_write) {
		s->want_write = false;
		hub_pull(s->conn, g);
		/* Where a pull was cut short, there may be more behind it. */
		s->want_write |= g->bytes >= PULL_BYTES / 2 || g->len >= GATHER_PIECES / 2;
	}
}

/* Send what waits and what the hub has next.  False: that was all, for now. */
static bool pull(struct sock *s)
{
	struct gather *g = &s->net->gather;
	struct pieces p = {.len = 0};
	char chunk[24];
	bool chunked = false;

	if (s->pong && s->frame_left == 0) {
		ws_frame_write(&s->out, WS_PONG, s->pong + 1, (size_t)s->pong[0], NULL);
		free(s->pong);
		s->pong = NULL;
	}
	ask_hub(s, g);
	if (s->phase == PHASE_DEAD)
		return false;
	if (s->out.error) { /* half an answer is worse than none */
		sock_close(s, false);
		return false;
	}
	chunked = g->len && s->phase == PHASE_STREAM && s->chunked;
	if (s->phase == PHASE_WS)
		follow_frames(s, g);
	add(&p, s->out.p + s->out_at, sock_waiting(s));
	if (chunked)
		add(&p, chunk, (size_t)snprintf(chunk, sizeof chunk, "%zx\r\n", g->bytes));
	for (int i = 0; i < g->len; i++)
		add(&p, g->pieces[i].iov_base, g->pieces[i].iov_len);
	if (chunked)
		add(&p, "\r\n", 2);
	if (p.bytes && !put_out(s, &p))
		return false;
	if (g->close_code && s->conn) {
		end(s, g->close_code, g->close_reason);
		return s->phase != PHASE_DEAD && !s->stuck;
	}
	return s->want_write && !s->stuck;
}

/* Everything is out: is that the end? */
static void all_sent(struct sock *s)
{
	if (s->phase == PHASE_ANSWERED && !s->keep_alive)
		sock_finish(s, s->lingers || sock_rest(s) > 0);
	else if (s->phase == PHASE_CLOSING && (s->eof || s->lingers))
		sock_finish(s, s->lingers);
	else if (s->phase == PHASE_IDLE && s->net->draining && sock_rest(s) == 0)
		sock_close(s, false);
	else if (s->phase == PHASE_IDLE && sock_rest(s) > 0)
		net_work(s); /* a pipelined request that had to wait for this */
}

void sock_send(struct sock *s)
{
	bool more = true;

	for (int i = 0; i < PULLS_A_TURN && more; i++)
		more = pull(s);
	if (s->phase == PHASE_DEAD)
		return;
	if (more)
		net_work(s); /* others first */
	if (sock_waiting(s) == 0)
		all_sent(s);
}

void sock_finish(struct sock *s, bool linger)
{
	if (!linger || s->eof) {
		sock_close(s, false);
		return;
	}
	if (s->tls)
		tls_end(s->tls);
	(void)shutdown(s->fd, SHUT_WR); /* it may be gone already: that is read next */
	sock_phase(s, PHASE_LINGER, LINGER_MS);
	sock_watch(s);
}
