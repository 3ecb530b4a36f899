/* The transport as a whole: its listeners, its sockets' turns and times. */
#include "server/net.h"

#include <assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/net_in.h"

int64_t net_now(struct net *n)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
	n->now_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
	return n->now_ms;
}

void net_log(struct net *n, enum log_level level, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (level > n->conf->level)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof line, fmt, ap); /* a long line is cut */
	va_end(ap);
	n->log(n->log_arg, level, line);
}

/* ---- what is to be done --------------------------------------------------------------------- */

void net_due(struct sock *s, int64_t due_ms)
{
	int64_t *slot = &s->net->slots[s->slot].due_ms;

	*slot = due_ms < *slot ? due_ms : *slot;
}

void net_work(struct sock *s)
{
	struct net *n = s->net;

	if (s->queued || s->phase == PHASE_DEAD)
		return;
	s->queued = true;
	s->work_next = NULL;
	*n->work_end = s;
	n->work_end = &s->work_next;
}

static void on_resume(uv_timer_t *timer)
{
	struct net *n = timer->data;
	int64_t now = net_now(n), next = INT64_MAX;
	struct sock *after = NULL;

	for (struct sock *s = n->paused; s; s = after) {
		after = s->paused_next;
		if (s->resume_ms <= now)
			net_unpause(s);
		else if (s->resume_ms < next)
			next = s->resume_ms;
	}
	if (next != INT64_MAX)
		(void)uv_timer_start(timer, on_resume, (uint64_t)(next - now), 0); /* cannot fail */
}

void net_pause(struct sock *s)
{
	struct net *n = s->net;
	uint64_t wait = 0;

	if (!s->paused) {
		s->paused = true;
		s->paused_prev = NULL;
		s->paused_next = n->paused;
		if (n->paused)
			n->paused->paused_prev = s;
		n->paused = s;
	}
	if (s->resume_ms == INT64_MAX)
		return;
	/* No oftener than this, however many are paused. */
	wait = s->resume_ms - n->now_ms > 10 ? (uint64_t)(s->resume_ms - n->now_ms) : 10;
	if (!uv_is_active((uv_handle_t *)&n->resume) || uv_timer_get_due_in(&n->resume) > wait)
		(void)uv_timer_start(&n->resume, on_resume, wait, 0); /* cannot fail */
}

void net_unpause(struct sock *s)
{
	if (!s->paused)
		return;
	s->paused = false;
	if (s->paused_prev)
		s->paused_prev->paused_next = s->paused_next;
	else
		s->net->paused = s->paused_next;
	if (s->paused_next)
		s->paused_next->paused_prev = s->paused_prev;
	net_work(s);
}

/* The longest that the loop was busy without looking at its sockets. */
static void measure_turn(struct net *n)
{
	uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(n->loop);
	int64_t busy_us = ((int64_t)(now - n->turn_ns) - (int64_t)(idle - n->idle_ns)) / 1000;

	if (n->turn_ns && n->counters && busy_us > n->counters->loop_lag_us_max)
		n->counters->loop_lag_us_max = busy_us;
	if (n->turn_ns && n->counters && busy_us > n->counters->loop_lag_us_recent)
		n->counters->loop_lag_us_recent = busy_us;
	n->turn_ns = now;
	n->idle_ns = idle;
}

static void on_spin(uv_idle_t *idle)
{
	(void)idle; /* that it runs is all: the loop does not sleep */
}

/* Once a turn, before the loop sleeps: everybody who has something to do, once. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct net *n = prepare->data;
	struct sock *list = n->work;
	bool more = false;

	measure_turn(n);
	(void)net_now(n);
	/* Who is queued from here on has to wait for the next turn. */
	n->work = NULL;
	n->work_end = &n->work;
	while (list) {
		struct sock *s = list;

		list = s->work_next;
		s->queued = false;
		if (s->phase != PHASE_DEAD)
			sock_work(s);
		else if (s->closed)
			sock_free(s);
	}
	more = n->hub && hub_turn(n->hub);
	if (n->work || more)
		(void)uv_idle_start(&n->spin, on_spin); /* cannot fail */
	else
		(void)uv_idle_stop(&n->spin); /* cannot fail */
}

static void on_sweep(uv_timer_t *timer)
{
	struct net *n = timer->data;
	int64_t now = net_now(n);

	/*
	 * Backwards, because a socket that is closed gives its slot to the last one, which has been
	 * looked at then.  Closing one may close others.
	 */
	for (size_t i = n->slots_len; i-- > 0;) {
		struct sock *s = NULL;
		int64_t due;

		if (i >= n->slots_len || n->slots[i].due_ms > now)
			continue;
		s = n->slots[i].sock;
		n->slots[i].due_ms = INT64_MAX;
		due = sock_due(s, now);
		if (s->phase != PHASE_DEAD)
			net_due(s, due);
	}
}

/* ---- slots ---------------------------------------------------------------------------------- */

int net_add(struct net *n, struct sock *s)
{
	if (n->slots_len == n->slots_cap) {
		size_t cap = n->slots_cap ? n->slots_cap * 2 : 64;
		struct net_slot *slots = realloc(n->slots, cap * sizeof *slots);

		if (!slots)
			return ERR_NOMEM;
		n->slots = slots;
		n->slots_cap = cap;
	}
	s->slot = n->slots_len;
	n->slots[n->slots_len++] = (struct net_slot){s, INT64_MAX};
	return 0;
}

void net_remove(struct sock *s)
{
	struct net *n = s->net;

	n->slots[s->slot] = n->slots[--n->slots_len];
	n->slots[s->slot].sock->slot = s->slot;
}

/* ---- life ----------------------------------------------------------------------------------- */

static int open_tls(const struct conf *c, struct tls **out, struct err *e)
{
	*out = NULL;
	if (!c->tls_certificate || !*c->tls_certificate)
		return 0;
	return tls_new(out, c->tls_certificate, c->tls_key ? c->tls_key : "", e);
}

int net_open(struct net **out, struct uv_loop_s *loop, const struct conf *conf, int inherited,
             net_log_fn *log, void *log_arg, struct err *e)
{
	struct net *n = calloc(1, sizeof *n);
	int rc = 0;

	*out = n;
	if (!n)
		return err_set(e, ERR_NOMEM, NULL);
	n->loop = loop;
	n->conf = conf;
	n->limits = &conf->limits;
	n->log = log;
	n->log_arg = log_arg;
	n->work_end = &n->work;
	n->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	/* None of these can fail. */
	(void)uv_prepare_init(loop, &n->prepare);
	(void)uv_idle_init(loop, &n->spin);
	(void)uv_timer_init(loop, &n->sweep);
	(void)uv_timer_init(loop, &n->resume);
	(void)uv_timer_init(loop, &n->back_off);
	n->prepare.data = n->spin.data = n->sweep.data = n->resume.data = n->back_off.data = n;
	rc = open_tls(conf, &n->tls, e);
	return rc ? rc : net_open_listeners(n, inherited, e);
}

void net_start(struct net *n, struct hub *hub)
{
	n->hub = hub;
	n->counters = hub_sockets(hub);
	n->accepting = true;
	(void)uv_prepare_start(&n->prepare, on_prepare); /* none of these can fail */
	(void)uv_timer_start(&n->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	net_accept(n);
}

int net_check(const struct conf *conf, struct err *e)
{
	struct tls *tls = NULL;
	int rc = open_tls(conf, &tls, e);

	tls_free(tls);
	return rc;
}

int net_reload_check(struct net *n, const struct conf *conf, struct err *e)
{
	int rc = 0;

	tls_free(n->tls_next);
	n->tls_next = NULL;
	rc = open_tls(conf, &n->tls_next, e);
	if (rc == 0 && !n->tls_next != !n->tls)
		rc = err_set(e, ERR_CONFIG, "tls: turning it on or off takes a restart");
	return rc;
}

void net_reload(struct net *n, const struct conf *conf)
{
	tls_free(n->tls);
	n->tls = n->tls_next;
	n->tls_next = NULL;
	n->conf = conf;
	n->limits = &conf->limits;
}

void net_touch(struct net *n)
{
	n->touched = true;
}

bool net_touched(struct net *n)
{
	bool touched = n->touched;

	n->touched = false;
	return touched;
}

void net_drain(struct net *n)
{
	/* Who has connected already, as far as it knows, is not to be turned away. */
	for (int i = 0; i < n->listeners_len; i++)
		net_on_connection(&n->listeners[i]->poll, 0, UV_READABLE);
	net_close_listeners(n);
	n->draining = true;
	for (size_t i = n->slots_len; i-- > 0;)
		if (i < n->slots_len && n->slots[i].sock->phase == PHASE_IDLE)
			net_work(n->slots[i].sock);
}

size_t net_sockets(const struct net *n)
{
	return n->slots_len;
}

void net_close(struct net *n)
{
	net_close_listeners(n);
	while (n->slots_len)
		sock_close(n->slots[n->slots_len - 1].sock, false);
	uv_close((uv_handle_t *)&n->prepare, NULL);
	uv_close((uv_handle_t *)&n->spin, NULL);
	uv_close((uv_handle_t *)&n->sweep, NULL);
	uv_close((uv_handle_t *)&n->resume, NULL);
	uv_close((uv_handle_t *)&n->back_off, NULL);
	n->hub = NULL;
}

void net_free(struct net *n)
{
	if (!n)
		return;
	assert(n->slots_len == 0);
	/* Sockets that were closed while they were on the work list: nobody came for them. */
	while (n->work) {
		struct sock *s = n->work;

		n->work = s->work_next;
		sock_free(s);
	}
	if (n->reserve_fd >= 0)
		(void)close(n->reserve_fd); /* it is /dev/null */
	tls_free(n->tls);
	tls_free(n->tls_next);
	map_release(&n->addresses);
	free(n->slots);
	free(n->listeners);
	free(n);
}
