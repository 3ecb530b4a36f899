/* What a message says: its seq, whose it is, how long it took. */
#define _GNU_SOURCE /* memmem */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "bench.h"

/* Of events that come as fast as they can, one in so many is timed. */
enum { TIMED = 8 };

static const struct {
	const char *name;
	size_t len;
} names[FIELDS] = {
	[FIELD_SEQ] = {"\"seq\":", 6},
	[FIELD_REF] = {"\"ref\":\"", 7},
	[FIELD_TYPE] = {"\"type\":\"", 8},
};

/*
 * The value of a top-level field of a message that the server has written: no text of ours has a
 * quotation mark.  It mostly is where it was before.  NULL: there is none.
 */
static const char *field(struct bench_conn *c, enum bench_field f, const char *p, size_t len)
{
	size_t at = c->field_at[f], n = names[f].len;
	const char *found = NULL;

	if (at + n < len && memcmp(p + at, names[f].name, n) == 0)
		return p + at + n;
	found = memmem(p, len, names[f].name, n);
	if (!found)
		return NULL;
	c->field_at[f] = (size_t)(found - p);
	return found + n;
}

static int64_t number(const char *p, const char *end)
{
	int64_t n = 0;

	for (; p < end && *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (*p - '0');
	return n;
}

/* When the message that it tells of was sent; 0: that is not known any more. */
static int64_t sent_at(struct bench *b, const char *ref, size_t left, struct bench_writer **writer)
{
	uint32_t id = 0, n = 0;
	const struct bench_sent *sent = NULL;

	*writer = NULL;
	if (left < BENCH_REF_LEN || !bench_ref_read(b, ref, &id, &n))
		return 0;
	*writer = &b->writers[id];
	sent = &b->writers[id].ring[n & b->ring_mask];
	return sent->number == n ? sent->ns : 0;
}

static void joined(struct bench *b, struct bench_conn *c, const char *p, size_t len)
{
	const char *seq = field(c, FIELD_SEQ, p, len);

	seen_init(&c->seen, seq ? number(seq, p + len) : 0);
	c->state = BENCH_JOINED;
	b->connecting--;
	b->joined++;
	if (c->role != BENCH_CHURN || b->phase == PHASE_MEASURE)
		hist_add(&b->connect, bench_now() - c->began_ns);
	if (c->role == BENCH_STALLED)
		(void)epoll_ctl(b->epoll, EPOLL_CTL_DEL, c->fd, NULL); /* it was there */
	if (c->role == BENCH_CHURN)
		bench_close(b, c);
}

static void answered(struct bench *b, struct bench_conn *c, const char *p, size_t len, bool ack,
                     const char *seq)
{
	const char *ref = field(c, FIELD_REF, p, len);
	struct bench_writer *w = NULL;
	int64_t ns = ref ? sent_at(b, ref, (size_t)(p + len - ref), &w) : 0, n = 0;

	if (!ack) {
		bench_trouble(b, "the server answers: %.*s", (int)len, p);
		b->counts.errors++;
	} else {
		n = number(seq, p + len);
		seen_add(&c->seen, n);
		b->counts.all_acked++;
		if (n > b->session_last[c->session])
			b->session_last[c->session] = n;
		if (b->phase == PHASE_MEASURE) {
			b->counts.acked++;
			b->counts.ack_bytes += (int64_t)len;
			if (ns)
				hist_add(&b->ack, b->now_ns - ns);
		}
	}
	if (w && w->conn == c)
		bench_answered(b, w);
}

static void event(struct bench *b, struct bench_conn *c, const char *p, size_t len, const char *seq)
{
	int64_t n = number(seq, p + len), ns = 0;
	struct bench_writer *w = NULL;
	const char *ref = NULL;

	seen_add(&c->seen, n);
	b->counts.all_deliveries++;
	if (b->phase != PHASE_MEASURE)
		return;
	b->counts.deliveries++;
	b->counts.event_bytes += (int64_t)len;
	if (!b->plan->rate && n % TIMED)
		return;
	ref = field(c, FIELD_REF, p, len);
	ns = ref ? sent_at(b, ref, (size_t)(p + len - ref), &w) : 0;
	if (ns)
		hist_add(&b->delivery, b->now_ns - ns);
	else
		b->counts.untimed += w != NULL;
}

void bench_frame(struct bench *b, struct bench_conn *c, const char *p, size_t len)
{
	const char *seq = NULL, *type = NULL;

	if (c->state == BENCH_JOINING) {
		if (memmem(p, len, "\"session_state\"", 15))
			joined(b, c, p, len);
		return;
	}
	seq = field(c, FIELD_SEQ, p, len);
	if (c->role == BENCH_WRITER) {
		type = field(c, FIELD_TYPE, p, len);
		if (type && (memcmp(type, "ack\"", 4) == 0 || memcmp(type, "error\"", 6) == 0)) {
			answered(b, c, p, len, *type == 'a' && seq, seq);
			return;
		}
	}
	if (seq)
		event(b, c, p, len, seq);
}
