/* What a socket does while it is a WebSocket. */
#include "server/net_in.h"

#include <stdlib.h>
#include <string.h>

enum { PONGS_BYTES_MAX = 4096 };

/* Whether the hub does not want to hear more now; then the socket rests until it does. */
static bool must_wait(struct sock *s)
{
	int64_t wait = s->phase == PHASE_WS ? hub_reading(s->conn) : 0;

	if (wait == 0)
		return false;
	s->resume_ms = wait < 0 ? INT64_MAX : s->net->now_ms + wait;
	net_pause(s);
	return true;
}

/*
 * Answer a ping: at once, or, in the middle of another frame or when pongs pile up, only the last
 * one (RFC 6455 section 5.5.3), by and by.
 */
static void pong(struct sock *s, const char *p, size_t len)
{
	if (s->phase != PHASE_WS)
		return;
	if (s->frame_left == 0 && sock_waiting(s) < PONGS_BYTES_MAX) {
		ws_frame_write(&s->out, WS_PONG, p, len, NULL);
	} else {
		if (!s->pong)
			s->pong = malloc(1 + WS_CONTROL_MAX);
		if (!s->pong)
			return; /* it will ping again */
		s->pong[0] = (char)len;
		memcpy(s->pong + 1, p, len);
	}
	net_work(s);
}

/* The peer says good-bye: so do we, with its code, and that is all. */
static void good_bye(struct sock *s, const struct ws_message *m)
{
	bool clean = m->close_code == 1000 || m->close_code == 1001 || m->close_code == WS_NO_CODE;
	struct conn *c = s->conn;

	s->eof = true; /* what follows a close frame is ignored */
	if (s->phase == PHASE_CLOSING) {
		net_work(s);
		return;
	}
	s->conn = NULL;
	hub_gone(c, clean);
	if (s->phase == PHASE_DEAD)
		return;
	sock_ws_close(s, m->close_code, NULL, CLOSE_MS);
}

void sock_ws_close(struct sock *s, int code, const char *reason, int64_t wait_ms)
{
	struct conn *c = s->conn;

	s->conn = NULL;
	net_touch(s->net);
	if (c)
		hub_gone(c, false);
	if (s->phase == PHASE_DEAD)
		return;
	net_unpause(s);
	/* In the middle of a frame nothing can be said. */
	if (s->frame_left) {
		sock_close(s, false);
		return;
	}
	ws_close_write(&s->out, code, reason, NULL);
	sock_phase(s, PHASE_CLOSING, wait_ms);
	net_work(s);
}

static const char *reason_of(int rc)
{
	switch (rc) {
	case ERR_BAD_UTF8:
		return "not valid UTF-8";
	case ERR_TOO_LARGE:
		return "the message is over the limit";
	case ERR_NOMEM:
		return "out of memory";
	default:
		return "not a WebSocket frame";
	}
}

/* Frame by frame, as long as the hub wants to hear; 0, or why what follows is no frame. */
static int input_frames(struct sock *s, char **p, size_t *left)
{
	struct ws_message m;
	int rc = 1;

	while (rc > 0 && !must_wait(s)) {
		rc = ws_decode(&s->decoder, p, left, &m);
		if (rc <= 0)
			break;
		if (m.opcode == WS_PING)
			pong(s, m.p, m.len);
		else if (m.opcode == WS_CLOSE)
			good_bye(s, &m);
		else if (m.opcode != WS_PONG && s->phase == PHASE_WS)
			hub_message(s->conn, m.p, m.len, m.opcode == WS_BINARY);
		if (s->phase == PHASE_DEAD)
			return 0;
	}
	return rc < 0 ? rc : 0;
}

size_t sock_ws_input(struct sock *s, char *p, size_t len)
{
	size_t left = len;
	int rc = 0;

	net_touch(s->net);
	hub_burst_begin(s->net->hub);
	rc = input_frames(s, &p, &left);
	hub_burst_end(s->net->hub);
	if (s->phase == PHASE_DEAD)
		return len;
	if (rc < 0 && s->phase == PHASE_WS)
		sock_ws_close(s, ws_close_code(rc), reason_of(rc), CLOSE_MS);
	if (rc < 0) {
		/* Its close frame would not be recognized: end with ours, but let that be read. */
		s->lingers = true;
		net_work(s);
	}
	return rc < 0 ? len : len - left;
}

int64_t sock_ws_due(struct sock *s, int64_t now)
{
	const struct limits *l = s->net->limits;
	/* Some sooner, some later: those that came together are not pinged together. */
	int64_t every = l->ping_seconds * 1000 - s->fd % 256 * l->ping_seconds;

	if (l->ping_seconds == 0)
		return now + NEVER_MS;
	if (s->paused) /* its pongs are not heard either */
		return now + every;
	if (s->ping_ms && now >= s->ping_ms + l->pong_seconds * 1000) {
		sock_close(s, false);
		return now;
	}
	if (s->ping_ms)
		return s->ping_ms + l->pong_seconds * 1000;
	if (now < s->read_ms + every)
		return s->read_ms + every;
	/* Nothing can be said now; that it takes output is life enough. */
	if (s->stuck || s->frame_left)
		return now + SWEEP_MS;
	s->ping_ms = now;
	ws_frame_write(&s->out, WS_PING, NULL, 0, NULL);
	net_work(s);
	return now + l->pong_seconds * 1000;
}
