/* A run through its phases. */
#define _GNU_SOURCE /* ppoll */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

enum { EVENTS_MAX = 512, LOOK_MS = 20 };

int64_t bench_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- connections ------------------------------------------------------------------------------
 */

static void add_conns(struct bench *b, enum bench_role role, int64_t each, int64_t in_all)
{
	int64_t n = each * b->plan->sessions + in_all;

	for (int64_t i = 0; i < n; i++) {
		struct bench_conn *c = &b->conns[b->conns_len++];

		*c = (struct bench_conn){.fd = -1, .role = role};
		c->session = (int)(i % b->plan->sessions);
		if (role != BENCH_WRITER)
			continue;
		c->writer = &b->writers[b->writers_len++];
		c->writer->conn = c;
	}
}

static bool make_conns(struct bench *b)
{
	const struct bench_plan *p = b->plan;
	int64_t each = p->writers + p->readers + p->stalled;
	int64_t len = each * p->sessions + p->idle + p->churn;
	struct rlimit files = {0};

	b->conns = calloc((size_t)len + 1, sizeof *b->conns);
	b->writers = calloc((size_t)(p->writers * p->sessions) + 1, sizeof *b->writers);
	b->session_last = calloc((size_t)p->sessions, sizeof *b->session_last);
	b->input = malloc(BENCH_INPUT_BYTES);
	if (!b->conns || !b->writers || !b->session_last || !b->input) {
		bench_trouble(b, "out of memory");
		return false;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files); /* then some connections fail, and say so */
	}
	/* Readers first: nothing is sent before all have joined. */
	add_conns(b, BENCH_READER, p->readers, 0);
	add_conns(b, BENCH_STALLED, p->stalled, 0);
	add_conns(b, BENCH_IDLE, 0, p->idle);
	add_conns(b, BENCH_WRITER, p->writers, 0);
	add_conns(b, BENCH_CHURN, 0, p->churn);
	return true;
}

/* Those that come and go do so while it is measured; the others come first. */
static int conns_steady(const struct bench *b)
{
	return b->conns_len - (int)b->plan->churn;
}

static void connect_some(struct bench *b)
{
	while (b->next_new < conns_steady(b) && b->connecting < BENCH_CONNECTING_MAX &&
	       !b->trouble[0]) {
		if (!bench_connect(b, &b->conns[b->next_new]))
			return;
		b->next_new++;
	}
}

static void churn(struct bench *b)
{
	for (int i = conns_steady(b); i < b->conns_len && !b->trouble[0]; i++) {
		struct bench_conn *c = &b->conns[i];

		if (c->fd >= 0)
			continue;
		if (c->state == BENCH_OVER && b->phase == PHASE_MEASURE)
			b->counts.churned++;
		c->state = BENCH_NEW;
		if (b->phase <= PHASE_MEASURE)
			(void)bench_connect(b, c); /* else the next time around */
	}
}

/* ---- phases -----------------------------------------------------------------------------------
 */

static void look_at_server(struct bench *b, int64_t *cpu_ms)
{
	int64_t cpu = 0, rss = 0;

	if (!b->plan->pid)
		return;
	if (!bench_server_read(b->plan->pid, &cpu, &rss)) {
		bench_trouble(b, "there is no process %lld", (long long)b->plan->pid);
		return;
	}
	if (cpu_ms)
		*cpu_ms = cpu;
	if (b->phase == PHASE_JOIN)
		b->server.rss_joined = rss;
	if (rss > b->server.rss_max)
		b->server.rss_max = rss;
}

/* Whether everything that is under way has arrived. */
static bool drained(const struct bench *b)
{
	if (b->under_way > 0)
		return false;
	for (int i = 0; i < b->conns_len; i++) {
		const struct bench_conn *c = &b->conns[i];

		if ((c->role == BENCH_READER || c->role == BENCH_IDLE) &&
		    c->state == BENCH_JOINED && c->seen.last < b->session_last[c->session])
			return false;
	}
	return true;
}

static void begin_load(struct bench *b)
{
	look_at_server(b, NULL);
	b->start_ns = b->now_ns;
	b->measure_ns = b->now_ns + b->plan->warmup_ns;
	b->end_ns = b->measure_ns + b->plan->duration_ns;
	b->phase = PHASE_WARMUP;
	for (int i = 0; i < b->writers_len && !b->plan->rate; i++) {
		b->writers[i].dirty = true;
		b->writers[i].next_dirty = b->dirty;
		b->dirty = &b->writers[i];
	}
}

static void next_phase(struct bench *b)
{
	switch (b->phase) {
	case PHASE_JOIN:
		if (b->joined == conns_steady(b))
			begin_load(b);
		else if (b->now_ns - b->start_ns > b->plan->patience_ns + b->plan->idle * 1000000)
			bench_trouble(b, "%d of %d connections have joined in time", b->joined,
			              conns_steady(b));
		break;
	case PHASE_WARMUP:
		if (b->now_ns < b->measure_ns)
			break;
		look_at_server(b, &b->server.cpu_ms_begin);
		b->measure_ns = b->now_ns;
		b->phase = PHASE_MEASURE;
		break;
	case PHASE_MEASURE:
		if (b->now_ns < b->end_ns)
			break;
		look_at_server(b, &b->server.cpu_ms_end);
		b->end_ns = b->now_ns;
		b->phase = PHASE_DRAIN;
		break;
	case PHASE_DRAIN:
		if (drained(b) || b->now_ns - b->end_ns > b->plan->patience_ns)
			b->phase = PHASE_END;
		break;
	case PHASE_END:
		break;
	}
}

static void wait_for_events(struct bench *b)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t due = b->phase == PHASE_WARMUP || b->phase == PHASE_MEASURE ? bench_load_next(b)
	                                                                    : INT64_MAX;
	int64_t wait = LOOK_MS * INT64_C(1000000);
	struct timespec t = {0};
	int n = 0;

	if (due < b->now_ns + wait)
		wait = due > b->now_ns ? due - b->now_ns : 0;
	if (b->phase == PHASE_JOIN && b->next_new < conns_steady(b) &&
	    b->connecting < BENCH_CONNECTING_MAX)
		wait = 1000000;
	t.tv_nsec = (long)wait;
	/* To the nanosecond, which epoll_wait is not, and epoll_pwait2 asks for Linux 5.11. */
	n = epoll_wait(b->epoll, events, EVENTS_MAX, 0);
	if (n == 0 && ppoll(&(struct pollfd){.fd = b->epoll, .events = POLLIN}, 1, &t, NULL) > 0)
		n = epoll_wait(b->epoll, events, EVENTS_MAX, 0);
	b->now_ns = bench_now();
	if (n < 0 && errno != EINTR)
		bench_trouble(b, "epoll: %s", strerror(errno));
	for (int i = 0; i < n; i++)
		bench_event(b, events[i].data.ptr, events[i].events);
}

/* Every seq once, to everybody, by now. */
static void sum_up(struct bench *b)
{
	for (int i = 0; i < b->conns_len; i++) {
		struct bench_conn *c = &b->conns[i];

		if (c->role == BENCH_STALLED || c->role == BENCH_CHURN || c->state < BENCH_JOINED)
			continue;
		if (c->role != BENCH_WRITER)
			seen_end(&c->seen, b->session_last[c->session]);
		b->missing += c->seen.missing;
		b->duplicate += c->seen.duplicate;
		b->reordered += c->seen.reordered;
	}
}

bool bench_run(struct bench *b, bool (*stop)(void *arg), void *arg)
{
	int64_t look_ns = 0;

	b->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (b->epoll < 0 || !make_conns(b) || !bench_load_init(b)) {
		bench_trouble(b, "the load cannot be made: %s", strerror(errno));
		return false;
	}
	look_at_server(b, NULL);
	b->server.rss_before = b->server.rss_joined;
	b->now_ns = b->start_ns = bench_now();
	while (b->phase != PHASE_END && !b->trouble[0]) {
		if (b->phase == PHASE_JOIN)
			connect_some(b);
		if (b->phase == PHASE_WARMUP || b->phase == PHASE_MEASURE)
			bench_load(b);
		if (b->plan->churn && b->phase != PHASE_JOIN)
			churn(b);
		if (b->now_ns - look_ns > 50000000 && b->phase > PHASE_JOIN) {
			look_at_server(b, NULL);
			look_ns = b->now_ns;
		}
		wait_for_events(b);
		next_phase(b);
		if (stop(arg))
			break;
	}
	sum_up(b);
	return !b->trouble[0];
}

void bench_release(struct bench *b)
{
	for (int i = 0; i < b->conns_len; i++) {
		struct bench_conn *c = &b->conns[i];

		bench_close(b, c);
		if (c->fd >= 0)
			(void)close(c->fd); /* the good-bye is on its way */
		free(c->rest);
		free(c->out);
	}
	for (int i = 0; i < b->writers_len; i++)
		free(b->writers[i].ring);
	if (b->epoll >= 0)
		(void)close(b->epoll); /* nothing is in it */
	free(b->conns);
	free(b->writers);
	free(b->session_last);
	free(b->input);
	free(b->output);
	free(b->message);
	free(b->identity);
}
