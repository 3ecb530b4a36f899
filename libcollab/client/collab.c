/* A live connection: sockets come and go (ws.c), what matters stays (live.c). */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "client/client_int.h"

enum { FDS_MAX = 8, RECONNECT_SECONDS = 60 };

struct collab {
	struct collab_config *config;
	struct live live;
	struct wire *wire; /* NULL: between two connections */
	bool watch, delta;
	char *state, *filter;
	int first_tries, reconnect_seconds;
	bool up;                    /* the wire is open */
	bool closed, told;          /* for good; COLLAB_CLOSED was given */
	bool closing;               /* collab_close was called */
	int refused;                /* connects that failed before the first that worked */
	struct collab_message last; /* what to tell when closed */
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint32_t chance(void)
{
	uint32_t n = 0;

	(void)!getrandom(&n, sizeof n, 0); /* without it there is only no jitter */
	return n;
}

static char *copy_or_null(const char *s)
{
	return s ? strdup(s) : NULL;
}

int collab_open(struct collab **out, const struct collab_config *config,
                const struct collab_join *join, struct collab_err *e)
{
	struct collab *c = calloc(1, sizeof *c);
	struct buf path;
	int rc;

	*out = NULL;
	if (!c)
		return client_fail(e, ERR_NOMEM, "out of memory");
	buf_init(&path, 65536);
	live_init(&c->live, join->since, join->hash);
	c->config = config_copy(config);
	c->state = copy_or_null(join->state);
	c->filter = copy_or_null(join->filter);
	c->watch = join->watch;
	c->delta = join->delta;
	c->first_tries = join->first_tries;
	c->reconnect_seconds =
		join->reconnect_seconds ? join->reconnect_seconds : RECONNECT_SECONDS;
	if (!c->config || (join->state && !c->state) || (join->filter && !c->filter))
		rc = client_fail(e, ERR_NOMEM, "out of memory");
	else
		rc = config_session_path(c->config, true, &path, e);
	buf_release(&path);
	if (rc)
		collab_free(c);
	else
		*out = c;
	return rc;
}

void collab_free(struct collab *c)
{
	if (!c)
		return;
	wire_free(c->wire);
	live_release(&c->live);
	collab_config_free(c->config);
	free(c->state);
	free(c->filter);
	free(c);
}

/* ---- connecting and losing --------------------------------------------------------------------
 */

static int connect_now(struct collab *c, struct collab_err *e)
{
	struct buf target;
	int rc = 0;

	buf_init(&target, 8000);
	/* Once in a session it stays with it: the report's next one is another log. */
	if (c->live.session_id[0])
		buf_printf(&target, "/ws/sessions/%s", c->live.session_id);
	else
		rc = config_session_path(c->config, true, &target, e);
	buf_printf(&target, "?content=%s", c->delta ? "delta" : "full");
	if (c->state)
		buf_printf(&target, "&state=%s", c->state);
	if (c->watch)
		buf_puts(&target, "&mode=watch");
	if (c->filter && *c->filter)
		buf_printf(&target, "&%s", c->filter);
	live_resume_query(&c->live, &target);
	if (!rc && buf_error(&target))
		rc = client_fail(e, buf_error(&target), "%s",
		                 buf_error(&target) == ERR_NOMEM ? "out of memory"
		                                                 : "the query is too long");
	if (!rc)
		rc = wire_open(&c->wire, c->config, target.p, e);
	buf_release(&target);
	return rc;
}

static void close_for_good(struct collab *c, int code, int close_code, const char *text)
{
	c->closed = true;
	c->last = (struct collab_message){
		.kind = COLLAB_CLOSED, .seq = -1, .code = code, .close_code = close_code};
	(void)snprintf(c->last.text, sizeof c->last.text, "%s", text);
}

/* After these close codes a client reconnects and resumes; every other one is final. */
static bool close_is_final(int close_code)
{
	return close_code != 0 && close_code != 1001 && close_code != 1005 && close_code != 1006 &&
	       close_code != 1011 && close_code != 1012 && close_code != 1013 && close_code != 4401;
}

static void on_final_close(struct collab *c, int close_code)
{
	switch (close_code) {
	case 1000:
		close_for_good(c, 0, close_code, "closed");
		break;
	case 4408:
		close_for_good(c, 0, close_code, "the session timed out");
		break;
	case 4410:
		close_for_good(c, 0, close_code, "the session has ended");
		break;
	case 4411:
		close_for_good(c, ERR_FORBIDDEN, close_code, "closed by an administrator");
		break;
	case 4403:
		close_for_good(c, ERR_FORBIDDEN, close_code, "removed from the session");
		break;
	case 1009:
		close_for_good(c, ERR_TOO_LARGE, close_code,
		               "a message was over the server's limit");
		break;
	default:
		close_for_good(c, ERR_PROTOCOL, close_code,
		               "the server closed for a protocol error");
	}
}

static bool refusal_is_final(const struct wire_death *d)
{
	return d->http && d->http != 429 && d->http < 500;
}

/* The socket is gone: find out whether to come back, and what to tell. */
static bool on_death(struct collab *c, struct collab_message *m)
{
	struct wire_death d = *wire_death(c->wire);
	bool was_up = c->up;

	wire_free(c->wire);
	c->wire = NULL;
	c->up = false;
	if (c->closing) {
		close_for_good(c, 0, d.close_code, "closed");
		return false;
	}
	if (close_is_final(d.close_code)) {
		on_final_close(c, d.close_code);
		return false;
	}
	if (refusal_is_final(&d) ||
	    (d.close_code == 4401 && config_reread_token(c->config, &d.err))) {
		close_for_good(c, d.err.code, d.close_code, d.err.text);
		return false;
	}
	if (!c->live.ever && c->first_tries >= 0 &&
	    ++c->refused >= (c->first_tries ? c->first_tries : 1)) {
		close_for_good(c, d.err.code ? d.err.code : ERR_UNREACHABLE, d.close_code,
		               d.err.text);
		return false;
	}
	if ((int64_t)d.err.retry_after * 1000 > c->live.retry_after_ms)
		c->live.retry_after_ms = (int64_t)d.err.retry_after * 1000;
	live_down(&c->live, now_ms(), chance());
	if (!was_up)
		return false; /* one more try that failed is no news */
	*m = (struct collab_message){.kind = COLLAB_LOST, .seq = -1, .close_code = d.close_code};
	(void)snprintf(m->text, sizeof m->text, "%s",
	               d.err.text[0] ? d.err.text : "the server is going away");
	return true;
}

/* ---- the loop ---------------------------------------------------------------------------------
 */

static void write_pending(struct collab *c)
{
	struct outgoing *o = NULL;

	if (c->closing)
		return;
	/* Not all at once: what is not written yet must be kept twice. */
	while (wire_unsent(c->wire) < 1 << 20 && (o = live_to_send(&c->live))) {
		if (wire_send(c->wire, o->json, o->len))
			return;
		live_sent(&c->live, o);
	}
}

/* When to give up for want of a connection; INT64_MAX: never, or not now. */
static int64_t give_up_ms(const struct collab *c)
{
	return !c->live.ever || c->live.lost_ms < 0 || c->reconnect_seconds < 0
	               ? INT64_MAX
	               : c->live.lost_ms + (int64_t)c->reconnect_seconds * 1000;
}

/* Without a connection: true when there is one to work with, or to wait for. */
static bool connecting(struct collab *c)
{
	int64_t now = now_ms();
	struct collab_err e = {0};

	if (now >= give_up_ms(c))
		close_for_good(c, ERR_UNREACHABLE, 0, "no connection for too long");
	else if (!c->wire && now >= c->live.retry_ms && connect_now(c, &e))
		close_for_good(c, e.code, 0, e.text);
	return c->wire && !c->closed;
}

/* A token about to expire is followed by the one that its file holds by now, if it is another. */
static void renew_token(struct collab *c)
{
	const char *old = c->config->values[CONFIG_token];
	char *was = copy_or_null(old);

	/* Without success the connection ends when the token does, and that is told. */
	if (was && c->config->values[CONFIG_token_file] && !config_reread_token(c->config, NULL) &&
	    strcmp(was, c->config->values[CONFIG_token]) != 0)
		(void)collab_refresh(c, c->config->values[CONFIG_token], NULL);
	free(was);
}

/* One turn without waiting.  1: *m is a message. */
static int turn(struct collab *c, struct collab_message *m)
{
	const char *json = NULL;
	size_t len;
	enum wire_state state;

	if (!c->up && !connecting(c))
		return 0;
	if (c->up)
		write_pending(c);
	state = wire_step(c->wire, now_ms());
	if (state == WIRE_OPEN && !c->up) {
		c->up = true;
		live_up(&c->live);
		*m = (struct collab_message){.kind = COLLAB_CONNECTED, .seq = -1};
		(void)snprintf(m->text, sizeof m->text, "%s",
		               c->config->values[CONFIG_socket] ? c->config->values[CONFIG_socket]
		                                                : config_url(c->config));
		return 1;
	}
	while (state == WIRE_OPEN && wire_next(c->wire, &json, &len)) {
		if (!live_message(&c->live, json, len, m))
			continue;
		if (strcmp(m->type, "token_expiring") == 0)
			renew_token(c);
		return 1;
	}
	if (wire_step(c->wire, now_ms()) == WIRE_DEAD && on_death(c, m))
		return 1;
	if (c->wire && c->up)
		write_pending(c);
	return 0;
}

int collab_next(struct collab *c, int timeout_ms, struct collab_message *m)
{
	int64_t end = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;

	for (;;) {
		struct pollfd fds[FDS_MAX];
		int64_t left;
		int wait, n;

		if (c->closed) {
			if (c->told)
				return 0;
			c->told = true;
			*m = c->last;
			return 1;
		}
		if (turn(c, m))
			return 1;
		if (c->closed)
			continue;
		left = end == INT64_MAX ? INT64_MAX : end - now_ms();
		if (left <= 0 && end != INT64_MAX && collab_timeout(c) != 0)
			return 0;
		if (left <= 0 && timeout_ms == 0)
			return 0;
		wait = collab_timeout(c);
		if (left < INT64_MAX && (wait < 0 || left < wait))
			wait = left > 0 ? (int)left : 0;
		n = collab_fds(c, fds, FDS_MAX);
		if (poll(fds, (nfds_t)n, wait) < 0 && errno == EINTR)
			return 0; /* a signal: the caller looks at it */
	}
}

int collab_fds(struct collab *c, struct pollfd *fds, int max)
{
	return c->wire ? wire_fds(c->wire, fds, max) : 0;
}

int collab_timeout(struct collab *c)
{
	int64_t now = now_ms(), left = give_up_ms(c) - now;
	/* A time to connect that has passed is now, not never. */
	int64_t wait = c->live.retry_ms > now ? c->live.retry_ms - now : 0;

	if (c->closed)
		return c->told ? -1 : 0;
	if (c->up && !c->closing && live_to_send(&c->live) && wire_unsent(c->wire) == 0)
		return 0;
	if (c->wire)
		wait = wire_timeout(c->wire, now);
	if (!c->up && (wait < 0 || left < wait))
		wait = left < INT_MAX ? left : INT_MAX;
	return c->up || wait > 0 ? (int)wait : 0;
}

/* ---- sending ----------------------------------------------------------------------------------
 */

int collab_send(struct collab *c, const char *json, size_t len, const char **ref,
                struct collab_err *e)
{
	unsigned char random[16];

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return client_fail(e, ERR_INTERNAL, "no randomness");
	return live_queue(&c->live, json, len, random, ref, e);
}

size_t collab_pending(const struct collab *c)
{
	return c->live.pending;
}

size_t collab_unsent(const struct collab *c)
{
	return c->wire ? wire_unsent(c->wire) : 0;
}

void collab_each_pending(const struct collab *c, void (*fn)(void *arg, const char *ref), void *arg)
{
	for (const struct outgoing *o = c->live.out; o; o = o->next)
		if (!o->transient)
			fn(arg, o->ref);
}

int collab_close(struct collab *c, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	struct collab_message m;

	c->closing = true;
	if (!c->wire || !c->up)
		return 0;
	wire_close(c->wire);
	while (!c->closed && now_ms() < end)
		(void)collab_next(c, (int)(end - now_ms()), &m);
	return c->closed ? 0 : ERR_TIMED_OUT;
}

int64_t collab_seq(const struct collab *c)
{
	return c->live.seq;
}

const char *collab_hash(const struct collab *c)
{
	return c->live.hash;
}

const char *collab_session_id(const struct collab *c)
{
	return c->live.session_id;
}

int collab_refresh(struct collab *c, const char *token, struct collab_err *e)
{
	struct buf out;
	int rc;

	buf_init(&out, 65536);
	buf_printf(&out, "{\"type\":\"token_refresh\",\"data\":{\"token\":\"%s\"}}", token);
	rc = collab_config_set(c->config, "token", token, e);
	if (!rc)
		rc = collab_send(c, out.p, out.len, NULL, e);
	buf_release(&out);
	return rc;
}
