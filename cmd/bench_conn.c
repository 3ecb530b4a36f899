/* One connection: connect, handshake, frames in, bytes out. */
#define _GNU_SOURCE /* memmem, accept of SOCK_NONBLOCK */
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"

enum { FRAME_CLOSE = 0x88, FRAME_PING = 0x89, FRAME_PONG = 0x8a, FRAME_TEXT = 0x81 };

enum { HEAD_BYTES_MAX = 16384, CONTROL_MAX = 125 };

void bench_trouble(struct bench *b, const char *fmt, ...)
{
	va_list ap;

	if (b->trouble[0])
		return;
	va_start(ap, fmt);
	(void)vsnprintf(b->trouble, sizeof b->trouble, fmt, ap); /* a long sentence is cut */
	va_end(ap);
}

static void poll_for(struct bench *b, struct bench_conn *c, int op, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = c};

	if (epoll_ctl(b->epoll, op, c->fd, &ev))
		bench_trouble(b, "epoll: %s", strerror(errno));
}

/* It has ended; asked for or not. */
static void over(struct bench *b, struct bench_conn *c)
{
	static const struct linger at_once = {1, 0};

	if (c->state == BENCH_HANDSHAKE || c->state == BENCH_JOINING)
		b->connecting--;
	/* No TIME_WAIT is left behind: ports are few. */
	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	(void)close(c->fd); /* epoll forgets it */
	free(c->rest);
	free(c->out);
	c->rest = c->out = NULL;
	c->rest_len = c->rest_cap = c->out_len = 0;
	c->fd = -1;
	c->polls_out = false;
	c->state = BENCH_OVER;
}

static void lost(struct bench *b, struct bench_conn *c)
{
	if (c->state != BENCH_LEAVING && c->role != BENCH_STALLED)
		b->lost++;
	over(b, c);
}

/* ---- out --------------------------------------------------------------------------------------
 */

static void keep_out(struct bench *b, struct bench_conn *c, const char *bytes, size_t len)
{
	char *out = realloc(c->out, c->out_len + len);

	if (!out) {
		bench_trouble(b, "out of memory");
		return;
	}
	memcpy(out + c->out_len, bytes, len);
	c->out = out;
	c->out_len += len;
	if (!c->polls_out)
		poll_for(b, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
	c->polls_out = true;
}

void bench_send(struct bench *b, struct bench_conn *c, const char *bytes, size_t len)
{
	ssize_t n = 0;

	if (c->fd < 0)
		return;
	if (c->out_len == 0)
		n = send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != ENOBUFS)
		return; /* it is told when it is read */
	n = n < 0 ? 0 : n;
	if ((size_t)n < len)
		keep_out(b, c, bytes + n, len - (size_t)n);
}

static void flush(struct bench *b, struct bench_conn *c)
{
	ssize_t n = c->out_len ? send(c->fd, c->out, c->out_len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

	if (n < 0)
		return;
	c->out_len -= (size_t)n;
	memmove(c->out, c->out + n, c->out_len);
	if (c->out_len == 0) {
		free(c->out);
		c->out = NULL;
		c->polls_out = false;
		poll_for(b, c, EPOLL_CTL_MOD, EPOLLIN);
	}
}

/* A control frame: masked, as a client must, with a mask that changes nothing. */
static void send_control(struct bench *b, struct bench_conn *c, unsigned char kind, const char *p,
                         size_t len)
{
	char frame[6 + CONTROL_MAX] = {(char)kind, (char)(0x80 | len), 0, 0, 0, 0};

	memcpy(frame + 6, p, len);
	bench_send(b, c, frame, 6 + len);
}

void bench_close(struct bench *b, struct bench_conn *c)
{
	static const char normal[] = {0x03, (char)0xe8};

	if (c->fd < 0)
		return;
	send_control(b, c, FRAME_CLOSE, normal, sizeof normal);
	c->state = BENCH_LEAVING;
}

/* ---- connect ----------------------------------------------------------------------------------
 */

static const char *query(const struct bench *b, const struct bench_conn *c, char *out, size_t size)
{
	const char *mode = c->role == BENCH_WRITER ? "" : "mode=watch&";

	(void)snprintf(out, size, "%scontent=%s", mode, b->plan->content);
	return out;
}

static void handshake(struct bench *b, struct bench_conn *c)
{
	char text[HEAD_BYTES_MAX + 1024], q[64];
	int len = snprintf(text, sizeof text,
	                   "GET /ws/reports/pmr/%s-%d/collaborate?%s HTTP/1.1\r\n"
	                   "Host: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	                   "Sec-WebSocket-Version: 13\r\n"
	                   "Sec-WebSocket-Key: cG1yLWJlbmNoIGxvYWQhIQ==\r\n%s\r\n",
	                   b->plan->name, c->session + 1, query(b, c, q, sizeof q), b->host,
	                   b->identity);

	bench_send(b, c, text, (size_t)len);
	c->state = BENCH_HANDSHAKE;
}

bool bench_connect(struct bench *b, struct bench_conn *c)
{
	int one = 1, family = b->address.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		bench_trouble(b, "cannot open a socket: %s", strerror(errno));
		return false;
	}
	c->began_ns = bench_now();
	if (connect(fd, (const struct sockaddr *)&b->address, b->address_len) &&
	    errno != EINPROGRESS) {
		if (errno != EAGAIN) /* the listener's queue is full */
			bench_trouble(b, "cannot connect: %s", strerror(errno));
		(void)close(fd);
		return false;
	}
	if (family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	c->fd = fd;
	b->connecting++;
	poll_for(b, c, EPOLL_CTL_ADD, EPOLLIN);
	c->state = BENCH_HANDSHAKE;
	handshake(b, c);
	return true;
}

/* ---- in ---------------------------------------------------------------------------------------
 */

/* Why a connection was refused: what the problem in the body says, else the status line. */
static void refused(struct bench *b, const char *line, size_t line_len, const char *body,
                    size_t body_len)
{
	json_t *problem = json_loadb(body, body_len, 0, NULL);
	const char *detail = json_string_value(json_object_get(problem, "detail"));

	if (detail && line_len >= 12) /* HTTP/1.1 404 */
		bench_trouble(b, "the server refuses a connection: %.3s, %s", line + 9, detail);
	else
		bench_trouble(b, "the server refuses a connection: %.*s", (int)line_len, line);
	json_decref(problem);
}

/* The answer to the handshake; how much of p it was, 0: more has to come. */
static size_t answer(struct bench *b, struct bench_conn *c, const char *p, size_t len)
{
	const char *end = memmem(p, len, "\r\n\r\n", 4), *line = memchr(p, '\r', len);

	if (!end)
		return 0;
	if (len > 12 && memcmp(p, "HTTP/1.1 101", 12) == 0) {
		c->state = BENCH_JOINING;
		return (size_t)(end + 4 - p);
	}
	refused(b, p, (size_t)(line - p), end + 4, len - (size_t)(end + 4 - p));
	lost(b, c);
	return 0;
}

static void message(struct bench *b, struct bench_conn *c, unsigned char kind, const char *p,
                    size_t len)
{
	switch (kind) {
	case FRAME_TEXT:
		if (c->state == BENCH_JOINING || c->state == BENCH_JOINED)
			bench_frame(b, c, p, len);
		break;
	case FRAME_PING:
		send_control(b, c, FRAME_PONG, p, len < CONTROL_MAX ? len : CONTROL_MAX);
		break;
	case FRAME_CLOSE:
		if (c->state != BENCH_LEAVING && len >= 2)
			bench_trouble(b, "the server closes a connection: %d %.*s",
			              (unsigned char)p[0] << 8 | (unsigned char)p[1], (int)len - 2,
			              p + 2);
		lost(b, c);
		break;
	default:
		break;
	}
}

/* The whole frames in p; how much of it they were. */
static size_t frames(struct bench *b, struct bench_conn *c, const char *p, size_t len)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t at = 0;

	while (c->fd >= 0 && len - at >= 2) {
		size_t head = 2, n = u[at + 1] & 0x7f;

		if (n == 126) {
			head = 4;
			if (len - at < head)
				break;
			n = (size_t)u[at + 2] << 8 | u[at + 3];
		} else if (n == 127) {
			head = 10;
			if (len - at < head)
				break;
			n = 0;
			for (int i = 2; i < 10; i++)
				n = n << 8 | u[at + (size_t)i];
		}
		if (len - at - head < n)
			break;
		message(b, c, u[at], p + at + head, n);
		at += head + n;
	}
	return at;
}

static void keep_rest(struct bench *b, struct bench_conn *c, const char *p, size_t len)
{
	if (len > c->rest_cap) {
		char *rest = realloc(c->rest, len);

		if (!rest) {
			bench_trouble(b, "out of memory");
			return;
		}
		c->rest = rest;
		c->rest_cap = len;
	}
	memcpy(c->rest, p, len);
	c->rest_len = len;
}

static void readable(struct bench *b, struct bench_conn *c)
{
	char *p = b->input;
	size_t have = c->rest_len, used = 0;
	ssize_t n = 0;

	if (have > BENCH_INPUT_BYTES / 2) {
		bench_trouble(b, "a message is too long");
		lost(b, c);
		return;
	}
	if (have)
		memcpy(p, c->rest, have);
	n = recv(c->fd, p + have, BENCH_INPUT_BYTES - have, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		if (c->state == BENCH_HANDSHAKE)
			bench_trouble(b, "the server does not answer a connection");
		lost(b, c);
		return;
	}
	have += (size_t)n;
	if (c->state == BENCH_HANDSHAKE)
		used = answer(b, c, p, have);
	if (c->state != BENCH_HANDSHAKE && c->fd >= 0)
		used += frames(b, c, p + used, have - used);
	if (c->fd < 0)
		return;
	c->rest_len = 0;
	if (have > used)
		keep_rest(b, c, p + used, have - used);
}

void bench_event(struct bench *b, struct bench_conn *c, uint32_t events)
{
	if (c->fd >= 0 && events & EPOLLOUT)
		flush(b, c);
	if (c->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		readable(b, c);
}
