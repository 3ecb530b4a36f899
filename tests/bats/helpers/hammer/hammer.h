/*
 * What the parts of hammer share: see hammer.c for what it does.
 *
 *	kit.c     bytes, numbers, times; what all know
 *	conn.c    connections, frames, the loop
 *	writer.c  what writers send, and again
 *	heard.c   what is heard, checked as it comes
 *	judge.c   the log, read back
 *	../hammer.c  the commands
 */
#ifndef TESTS_HAMMER_H
#define TESTS_HAMMER_H

#define _GNU_SOURCE /* EPOLLRDHUP, memmem */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/sha256.h"
#include "core/session.h"
#include "proto/event_json.h"
#include "proto/state_json.h"

enum { READ_BYTES = 262144, OUT_BYTES = 262144, HEADERS_MAX = 8, TEXTS_MAX = 20 };
enum { TICK_MS = 1, RETRY_MS = 40, REFS = 4096, QUEUE = 1 << 16 };
enum kind { WRITER, FLOOD, WATCHER, DRIP, STALLED, KINDS };
enum phase { DOWN, CONNECTING, SHAKING, OPEN, GONE };
enum fate { UNANSWERED, AGAIN, ACKED, REFUSED };

struct bytes {
	char *p;
	size_t at, len, cap; /* p[at … len) count */
};

/* One message of a writer, for ever. */
struct message {
	int64_t seq, sent_us;
	unsigned char hash[SHA256_LEN];
	uint8_t fate, times; /* how often it was sent */
	uint8_t in_log;
};

struct options {
	char user[64], query[128];
	bool tcp, plain, fresh;
	int users, window, size, sections, bytes, rcvbuf;
	int64_t max, every_ms;
};

struct client {
	int fd;
	enum kind kind;
	enum phase phase;
	struct options o;
	char user[80];
	struct bytes in, out;
	bool reads;      /* stalled ones do not, until they are woken */
	bool settled_in; /* its first message (state or synced) has come on this connection */
	bool was_in, positioned, woken, leaving;
	int64_t seq; /* the last one seen */
	unsigned char hash[SHA256_LEN];
	int64_t retry_ms, since_ms;
	int backoff_ms, close_code, http;
	/* of a writer */
	struct message *messages;
	int64_t len, cap;
	int64_t low;   /* everything before is answered */
	int64_t under; /* unanswered */
	int64_t again_ms;
	int64_t *queue; /* the order in which answers must come on this connection */
	size_t queue_at, queue_len;
	int64_t next_ms;
	bool caught_up;   /* what was not acked has been sent again on this connection */
	bool owes;        /* it was hushed when all had to be sent again */
	bool failed_once; /* something was refused for a while: its messages may change places */
};

struct times {
	int64_t *us;
	size_t len, cap;
};

extern const char *const kinds[KINDS];

extern const char *socket_path, *tcp_address, *report;
extern const char *headers[HEADERS_MAX];
extern int headers_len, epoll_fd;
extern uint64_t seed, random_state;
extern int64_t patience_ms;

extern struct client **clients;
extern size_t clients_len;
extern bool resting; /* nothing new is written */
extern bool hushed;  /* and nothing again */
extern int64_t acks, refusals, resent, duplicates, reconnects, resets, shown_total, closed_1013;
extern int64_t head; /* the highest seq that anybody saw */
extern char error_last[40];
extern int64_t errors_seen;

/* What was shown, by seq. */
extern unsigned char (*shown)[SHA256_LEN];
extern bool *was_shown;
extern int64_t shown_cap;

extern struct times ack_times, show_times;
extern char texts[TEXTS_MAX][400];
extern int64_t violations;

extern struct bytes lines;
extern bool stdin_ended;

/* ---- kit.c ---- */

void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void violate(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int64_t now_us(void);
int64_t now_ms(void);
uint64_t mix(uint64_t x);
uint64_t draw(uint64_t below);
void *grow(void *p, size_t size);
void put(struct bytes *b, const void *p, size_t len);
void put_text(struct bytes *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t waits(const struct bytes *b);
void clear(struct bytes *b);
void took(struct times *t, int64_t us);
void put_times(struct bytes *b, const char *name, struct times *t);
bool field(const char *json, const char *key, char *out, size_t size);
int64_t number(const char *json, const char *key);
bool hash_of(const char *json, unsigned char out[SHA256_LEN]);

/* ---- conn.c ---- */

void watch(struct client *c);
void down(struct client *c, bool for_good);
int make_socket(const struct client *c);
void dial(struct client *c);
void send_frame(struct client *c, unsigned op, const char *p, size_t len);
void transmit(struct client *c);
bool ended_unread(const struct client *c);
void turn(void);

/* ---- writer.c ---- */

bool must_fail(const struct client *c, int64_t n);
void write_on(struct client *c);
void send_again(struct client *c);
bool read_ref(const char *ref, size_t *id, int64_t *n);
int64_t own_ref(const struct client *c, const char *ref);
void answered(struct client *c, int64_t n, enum fate fate);
void accepted(struct client *c, int64_t n, int64_t seq, const unsigned char *hash);

/* ---- heard.c ---- */

void on_message(struct client *c, const char *json, size_t len);
void on_close(struct client *c, const char *p, size_t len);

/* ---- judge.c ---- */

void put_violations(struct bytes *out);
void verify(struct bytes *out);

#endif
