/*
 * pmr-bench: many connections on one epoll loop of their own, over plain sockets, so that the load
 * costs as little as it can beside the server that is measured.
 *
 * A run goes through phases: all connections join; the warm-up; the measured time; the drain, in
 * which nothing new is sent and everything under way must arrive; the end.  Readers, and writers
 * through their acks, check that each seq comes once and in order (bench_seen.h) in all phases;
 * rates and times are of the measured one.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bench_hist.h"
#include "bench_seen.h"

enum {
	BENCH_INPUT_BYTES = 1 << 18, /* read at once, for all connections */
	BENCH_MESSAGE_MAX = 65536,   /* of a message that is written */
	BENCH_CONNECTING_MAX = 64    /* handshakes under way */
};

/* What is asked for: the options. */
struct bench_plan {
	int64_t sessions, writers, readers, stalled, idle,
		churn;                 /* writers …: of a session; idle, churn: in all */
	int64_t window, rate, payload; /* rate 0: as the window allows */
	int64_t duration_ns, warmup_ns, patience_ns;
	const char *strategy, *content;
	const char *name; /* sessions are those of the reports NAME-1, NAME-2, … */
	bool attach, keep;
	int64_t pid; /* of the server; 0: unknown */
};

enum bench_role { BENCH_WRITER, BENCH_READER, BENCH_STALLED, BENCH_IDLE, BENCH_CHURN, BENCH_ROLES };

enum bench_state {
	BENCH_NEW,
	BENCH_HANDSHAKE,
	BENCH_JOINING,
	BENCH_JOINED,
	BENCH_LEAVING,
	BENCH_OVER
};

enum bench_field { FIELD_SEQ, FIELD_REF, FIELD_TYPE, FIELDS };

struct bench_conn {
	int fd; /* -1: none */
	enum bench_role role;
	enum bench_state state;
	int session;
	int64_t began_ns; /* to connect */
	struct seen seen;
	size_t field_at[FIELDS]; /* where each was in the last frame that had it: likely again */
	char *rest;              /* of a frame that is not whole */
	size_t rest_len, rest_cap;
	char *out; /* what the socket did not take */
	size_t out_len;
	struct bench_writer *writer; /* or NULL */
	bool polls_out;
};

/* When a message was sent, by its number; a power of two of them. */
struct bench_sent {
	uint32_t number;
	int64_t ns;
};

struct bench_writer {
	uint32_t id;             /* from 0 */
	uint32_t sent, answered; /* messages */
	struct bench_sent *ring;
	bool dirty; /* is in the list of those that may send */
	struct bench_writer *next_dirty;
	struct bench_conn *conn;
};

/* What was counted in the measured time, and over all. */
struct bench_counts {
	int64_t acked, errors, deliveries, churned, untimed;
	int64_t event_bytes, ack_bytes;
	int64_t all_acked, all_deliveries; /* in all phases */
};

struct bench_server {
	int64_t cpu_ms_begin, cpu_ms_end; /* of the measured time */
	int64_t rss_before, rss_joined, rss_max;
};

enum bench_phase { PHASE_JOIN, PHASE_WARMUP, PHASE_MEASURE, PHASE_DRAIN, PHASE_END };

struct bench {
	const struct bench_plan *plan;
	struct sockaddr_storage address;
	socklen_t address_len;
	char host[256]; /* for the handshake */
	char *identity; /* its header lines */
	unsigned tag;   /* in the refs of this run */
	int epoll;
	enum bench_phase phase;
	int64_t now_ns, start_ns, measure_ns, end_ns, drained_ns;
	struct bench_conn *conns;
	int conns_len, next_new, connecting, joined;
	struct bench_writer *writers, *dirty;
	int writers_len;
	uint32_t ring_mask;
	int64_t *session_last; /* greatest seq acked, by session */
	char *message;         /* one masked frame; what changes is at … */
	size_t message_len, at_section, at_ref;
	char *input, *output;
	int64_t under_way, paced; /* messages; how many of the schedule were given out */
	int64_t lost;             /* connections that ended unasked */
	int64_t missing, duplicate, reordered;
	struct bench_counts counts;
	struct bench_server server;
	struct hist ack, delivery, connect;
	char trouble[256]; /* the first thing that went wrong; "": nothing */
};

/* ---- bench_conn.c: one connection ------------------------------------------------------------ */

/* Begin to connect.  False: the listener is busy, try later.  Trouble goes to b->trouble. */
bool bench_connect(struct bench *b, struct bench_conn *c);

/* What epoll has told of it. */
void bench_event(struct bench *b, struct bench_conn *c, uint32_t events);

void bench_send(struct bench *b, struct bench_conn *c, const char *bytes, size_t len);
void bench_close(struct bench *b, struct bench_conn *c);

/* Remember what went wrong, if it is the first thing. */
void bench_trouble(struct bench *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- bench_frame.c: what arrives ------------------------------------------------------------- */

/* Look at a text message of a connection that is joined or joining. */
void bench_frame(struct bench *b, struct bench_conn *c, const char *p, size_t len);

/* ---- bench_load.c: what is sent, and when ---------------------------------------------------- */

/* Writers, their rings and the message they send.  False: out of memory. */
bool bench_load_init(struct bench *b);

/* The ref of a message, as it is written; BENCH_REF_LEN characters. */
enum { BENCH_REF_LEN = 18, BENCH_HEAD_LEN = 8 /* of a message's frame */ };
bool bench_ref_read(const struct bench *b, const char *p, uint32_t *writer, uint32_t *number);

/* A message of this writer was answered: it may send the next one. */
void bench_answered(struct bench *b, struct bench_writer *w);

/* Send what may be sent now. */
void bench_load(struct bench *b);

/* When the schedule wants the next message; INT64_MAX: never. */
int64_t bench_load_next(const struct bench *b);

/* ---- bench_run.c: the phases ----------------------------------------------------------------- */

/* All of it; false when it could not be done: b->trouble says why.  `stop` ends it early. */
bool bench_run(struct bench *b, bool (*stop)(void *arg), void *arg);
void bench_release(struct bench *b);
int64_t bench_now(void);

/* ---- bench_server.c: what the server uses, from /proc ---------------------------------------- */

bool bench_server_read(int64_t pid, int64_t *cpu_ms, int64_t *rss_bytes);

/* ---- bench_report.c: the result -------------------------------------------------------------- */

struct tool;

void bench_put_json(struct tool *t, const struct bench *b);
void bench_put_table(const struct bench *b); /* to stderr, with a plot of the times */

#endif
