/*
 * hammer: writers, watchers and bad readers in their hundreds, for tests of what must not be lost.
 * Plain sockets and epoll; of the project it uses only what judges a log that was read back: the
 * chain (event_verify) and the fold (session_apply, state_hash).
 *
 * usage: hammer -r REPORT [-s SOCKET] [-t HOST:PORT [-H HEADER]...] [-S SEED] [-W SECONDS]
 *
 * It obeys commands on stdin, one a line, one after the other, and answers each with one line of
 * JSON on stdout.  Connections live on meanwhile and between commands: a lost one is made again,
 * goes on behind the last seq it saw (since, hash), and a writer sends what was not acked once
 * more, under the same ref.
 *
 *	add KIND N [KEY=VALUE]...
 *		N more connections; answers when all of them are in
 *	acks N
 *		go on until N more acks have come
 *	ms N
 *		go on for N milliseconds
 *	kill PID ACKS USEC
 *		SIGKILL, USEC microseconds after ACKS more acks
 *	settle
 *		writers begin nothing new; go on until all is acked, and everybody who reads
 *		has seen everything
 *	hush
 *		writers send nothing at all, not even what was refused for a while
 *	go
 *		writers begin again
 *	closed KIND
 *		go on until the daemon has closed all of KIND
 *	error CODE
 *		go on until this error has come (again)
 *	wake
 *		stalled ones read to their end, come again, and become watchers
 *	drop KIND, leave KIND
 *		close them: at once, or with a good-bye
 *	verify
 *		read the log back and judge it: {"ok":true,...}, or what is wrong
 *	quit
 *
 * KIND is
 *	writer   sends changes, comments, and some that must be refused
 *	flood    the same, but never waits for acks
 *	watcher  only reads
 *	drip     reads so many single bytes a millisecond
 *	stalled  reads nothing until `wake`
 * and KEY
 *	user=U, users=N    of which user, or of u0, u1, ... in turn (else: whoever runs this)
 *	query=Q, via=tcp   of the handshake; not over the Unix socket
 *	window=N, max=N    messages under way (8), and in all (no end)
 *	every=N, size=N    milliseconds between two messages (0), bytes of text (100)
 *	sections=N         that are written to (8)
 *	plain=1            changes only
 *	bytes=N, rcvbuf=N  of drip (1); of the socket
 *	fresh=1            does not resume, asks for the state each time
 *
 * What is measured (in microseconds: min, p50, p99, max) is of the time since the command before:
 * `ack`, from sending to ack; `show`, from sending until a watcher has it.
 */
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

static const char *const kinds[KINDS] = {"writer", "flood", "watcher", "drip", "stalled"};

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

static const char *socket_path, *tcp_address, *report;
static const char *headers[HEADERS_MAX];
static int headers_len, epoll_fd;
static uint64_t seed = 1, random_state;
static int64_t patience_ms = 60000;

static struct client **clients;
static size_t clients_len;
static bool resting; /* nothing new is written */
static bool hushed;  /* and nothing again */
static int64_t acks, refusals, resent, duplicates, reconnects, resets, shown_total, closed_1013;
static int64_t head; /* the highest seq that anybody saw */
static char error_last[40];
static int64_t errors_seen;

/* What was shown, by seq. */
static unsigned char (*shown)[SHA256_LEN];
static bool *was_shown;
static int64_t shown_cap;

static struct times ack_times, show_times;
static char texts[TEXTS_MAX][400];
static int64_t violations;

static struct bytes lines;
static bool stdin_ended;

/* ---- small things -------------------------------------------------------------------------- */

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fputs("hammer: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

static void violate(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void violate(const char *fmt, ...)
{
	va_list ap;

	if (violations < TEXTS_MAX) {
		va_start(ap, fmt);
		(void)vsnprintf(texts[violations], sizeof texts[0], fmt, ap);
		va_end(ap);
		for (char *p = texts[violations]; *p; p++)
			if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
				*p = '\'';
	}
	violations++;
}

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t now_ms(void)
{
	return now_us() / 1000;
}

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint64_t draw(uint64_t below)
{
	random_state = mix(random_state + 1);
	return random_state % below;
}

static void *grow(void *p, size_t size)
{
	p = realloc(p, size);
	if (!p)
		die("out of memory");
	return p;
}

static void put(struct bytes *b, const void *p, size_t len)
{
	if (b->at && b->at == b->len)
		b->at = b->len = 0;
	if (b->cap - b->len < len + 1) {
		memmove(b->p, b->p + b->at, b->len - b->at);
		b->len -= b->at;
		b->at = 0;
	}
	if (b->cap - b->len < len + 1) {
		b->cap = (b->len + len + 1) * 2;
		b->p = grow(b->p, b->cap);
	}
	memcpy(b->p + b->len, p, len);
	b->len += len;
	b->p[b->len] = '\0';
}

static void put_text(struct bytes *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put_text(struct bytes *b, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof text)
		die("a text is too long");
	put(b, text, (size_t)n);
}

static size_t waits(const struct bytes *b)
{
	return b->len - b->at;
}

static void clear(struct bytes *b)
{
	free(b->p);
	*b = (struct bytes){0};
}

static void took(struct times *t, int64_t us)
{
	if (t->len == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 4096;
		t->us = grow(t->us, t->cap * sizeof *t->us);
	}
	t->us[t->len++] = us;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void put_times(struct bytes *b, const char *name, struct times *t)
{
	if (t->len) {
		qsort(t->us, t->len, sizeof *t->us, by_value);
		put_text(b, ",\"%s_min\":%" PRId64 ",\"%s_p50\":%" PRId64, name, t->us[0], name,
		         t->us[t->len / 2]);
		put_text(b, ",\"%s_p99\":%" PRId64 ",\"%s_max\":%" PRId64, name,
		         t->us[t->len * 99 / 100], name, t->us[t->len - 1]);
	}
	t->len = 0;
}

/* The text or number behind "key": in an object whose texts hold no quotation marks. */
static bool field(const char *json, const char *key, char *out, size_t size)
{
	char name[40];
	const char *p = NULL;
	size_t n = (size_t)snprintf(name, sizeof name, "\"%s\":", key);

	p = strstr(json, name);
	if (!p)
		return false;
	p += n;
	n = *p == '"' ? strcspn(++p, "\"") : strcspn(p, ",}]");
	if (n >= size)
		n = size - 1;
	memcpy(out, p, n);
	out[n] = '\0';
	return true;
}

static int64_t number(const char *json, const char *key)
{
	char text[32];

	return field(json, key, text, sizeof text) ? atoll(text) : -1;
}

static bool hash_of(const char *json, unsigned char out[SHA256_LEN])
{
	char text[SHA256_HEX_LEN + 1];

	return field(json, "hash", text, sizeof text) && sha256_unhex(text, out) == 0;
}

/* ---- connections --------------------------------------------------------------------------- */

static void watch(struct client *c)
{
	struct epoll_event ev = {.events = EPOLLRDHUP, .data.ptr = c};

	if (c->reads && c->kind != DRIP)
		ev.events |= EPOLLIN;
	if (c->phase == CONNECTING || waits(&c->out))
		ev.events |= EPOLLOUT;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &ev))
		die("epoll: %s", strerror(errno));
}

/* The connection has ended; it is made again by and by. */
static void down(struct client *c, bool for_good)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	clear(&c->in);
	clear(&c->out);
	c->phase = for_good ? GONE : DOWN;
	c->settled_in = c->caught_up = false;
	c->backoff_ms = c->backoff_ms ? c->backoff_ms * 2 : 2;
	if (c->backoff_ms > 100)
		c->backoff_ms = 100;
	c->retry_ms = now_ms() + 1 + (int64_t)draw((uint64_t)c->backoff_ms);
}

static int make_socket(const struct client *c)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	char host[64];
	const char *colon = NULL;
	int fd = -1, rc = 0;

	if (!c->o.tcp) {
		(void)snprintf(local.sun_path, sizeof local.sun_path, "%s", socket_path);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		rc = connect(fd, (struct sockaddr *)&local, sizeof local);
	} else {
		colon = strrchr(tcp_address, ':');
		(void)snprintf(host, sizeof host, "%.*s", (int)(colon - tcp_address), tcp_address);
		if (getaddrinfo(host, colon + 1, &hints, &found))
			die("%s: no such address", tcp_address);
		fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (c->o.rcvbuf)
			(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &c->o.rcvbuf, sizeof(int));
		rc = connect(fd, found->ai_addr, found->ai_addrlen);
		freeaddrinfo(found);
	}
	if (fd < 0)
		die("socket: %s", strerror(errno));
	if (rc == 0 || errno == EINPROGRESS)
		return fd;
	(void)close(fd);
	return -1;
}

static void ask(struct client *c)
{
	char hex[SHA256_HEX_LEN + 1];
	const char *mark = "?";

	put_text(&c->out, "GET /ws/reports/pmr/%s/collaborate", report);
	if (c->o.query[0]) {
		put_text(&c->out, "?%s", c->o.query);
		mark = "&";
	}
	if (c->positioned && !c->o.fresh) {
		sha256_hex(c->hash, hex);
		put_text(&c->out, "%ssince=%" PRId64 "&hash=%s", mark, c->seq, hex);
	}
	put_text(&c->out, " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
	                  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
	if (!c->o.tcp && c->user[0])
		put_text(&c->out, "X-Collab-As: %s;%s\r\n", c->user, c->user);
	for (int i = 0; c->o.tcp && i < headers_len; i++)
		put_text(&c->out, "%s\r\n", headers[i]);
	put_text(&c->out, "\r\n");
}

static void dial(struct client *c)
{
	struct epoll_event ev = {.events = 0, .data.ptr = c};

	c->fd = make_socket(c);
	if (c->fd < 0) {
		down(c, false);
		return;
	}
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev))
		die("epoll: %s", strerror(errno));
	c->phase = CONNECTING;
	c->reads = c->kind != STALLED || !c->positioned || c->woken;
	c->since_ms = now_ms();
	c->close_code = 0;
	ask(c);
	watch(c);
}

/* ---- frames -------------------------------------------------------------------------------- */

static void send_frame(struct client *c, unsigned op, const char *p, size_t len)
{
	static const unsigned char mask[4] = {0x21, 0x5a, 0x93, 0xc4};
	unsigned char frame[14] = {(unsigned char)(0x80 | op)};
	size_t n = 2, at = 0;

	if (len < 126) {
		frame[1] = (unsigned char)(0x80 | len);
	} else if (len < 65536) {
		frame[1] = 0x80 | 126;
		frame[2] = (unsigned char)(len >> 8);
		frame[3] = (unsigned char)len;
		n = 4;
	} else {
		frame[1] = 0x80 | 127;
		for (int i = 0; i < 8; i++)
			frame[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
		n = 10;
	}
	memcpy(frame + n, mask, 4);
	put(&c->out, frame, n + 4);
	put(&c->out, p, len);
	at = c->out.len - len;
	for (size_t i = 0; i < len; i++)
		c->out.p[at + i] = (char)(c->out.p[at + i] ^ mask[i % 4]);
}

/* ---- writers ------------------------------------------------------------------------------- */

static size_t index_of(const struct client *c)
{
	size_t i = 0;

	while (clients[i] != c)
		i++;
	return i;
}

static bool must_fail(const struct client *c, int64_t n)
{
	return !c->o.plain && n % 64 == 63;
}

/* The n-th message of a writer: always the same bytes. */
static void send_message(struct client *c, int64_t n)
{
	struct message *m = &c->messages[n];
	static struct bytes out;
	size_t id = index_of(c);
	uint64_t r = mix(seed ^ (uint64_t)id << 40 ^ (uint64_t)n);

	out.at = out.len = 0;
	if (must_fail(c, n)) {
		put_text(&out,
		         "{\"type\":\"comment_resolved\",\"ref\":\"h%d.%zu.%" PRId64 "\",\"data\":{"
		         "\"comment_id\":\"00000000-0000-4000-8000-000000000000\"}}",
		         (int)getpid(), id, n);
	} else if (!c->o.plain && n % 64 == 7) {
		put_text(&out,
		         "{\"type\":\"comment_added\",\"ref\":\"h%d.%zu.%" PRId64 "\",\"data\":{"
		         "\"section_id\":\"s%d\",\"content\":\"comment %zu.%" PRId64
		         "\",\"parent_comment_id\":null}}",
		         (int)getpid(), id, n, (int)(r % (uint64_t)c->o.sections), id, n);
	} else {
		put_text(&out,
		         "{\"type\":\"section_update\",\"ref\":\"h%d.%zu.%" PRId64 "\",\"data\":{"
		         "\"section_id\":\"s%d\",\"changes\":{\"sent_us\":%" PRId64
		         ",\"content\":\"%zu.%" PRId64 " ",
		         (int)getpid(), id, n, (int)(r % (uint64_t)c->o.sections), m->sent_us, id,
		         n);
		for (int i = 0; i < c->o.size; i++) {
			char letter = (char)('a' + (r >> i % 48) % 26);

			put(&out, &letter, 1);
		}
		put_text(&out, "\"}}}");
	}
	send_frame(c, 1, out.p, out.len);
	m->fate = UNANSWERED;
	resent += m->times > 0;
	m->times = m->times < 255 ? (uint8_t)(m->times + 1) : 255;
	c->queue[(c->queue_at + c->queue_len++) % QUEUE] = n;
	if (c->queue_len == QUEUE)
		die("too many messages under way");
}

static void begin_message(struct client *c)
{
	if (c->len == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 1024;
		c->messages = grow(c->messages, (size_t)c->cap * sizeof *c->messages);
	}
	c->messages[c->len] = (struct message){.sent_us = now_us()};
	c->under++;
	send_message(c, c->len++);
}

/* What was refused for a while, again; then new ones, as many as there may be under way. */
static void write_on(struct client *c)
{
	int64_t now = now_ms();

	if (c->kind > FLOOD || c->phase != OPEN || c->leaving || hushed || !c->caught_up)
		return;
	if (c->again_ms && now >= c->again_ms) {
		c->again_ms = 0;
		for (int64_t n = c->low; n < c->len; n++)
			if (c->messages[n].fate == AGAIN)
				send_message(c, n);
	}
	while (!resting && waits(&c->out) < OUT_BYTES &&
	       (c->kind == FLOOD || c->under < c->o.window) && c->queue_len < QUEUE - 2 &&
	       (!c->o.max || c->len < c->o.max) && now >= c->next_ms) {
		if (c->o.every_ms)
			c->next_ms = c->next_ms + c->o.every_ms > now ? c->next_ms + c->o.every_ms
			                                              : now + c->o.every_ms;
		begin_message(c);
	}
}

/* Everything that is not answered once more, on a new connection. */
static void send_again(struct client *c)
{
	c->queue_len = 0;
	c->caught_up = true;
	c->owes = hushed;
	if (hushed)
		return;
	c->again_ms = 0;
	for (int64_t n = c->low; n < c->len; n++)
		if (c->messages[n].fate == UNANSWERED || c->messages[n].fate == AGAIN)
			send_message(c, n);
}

/* A ref is "hPID.WRITER.N".  True if it is this hammer's. */
static bool read_ref(const char *ref, size_t *id, int64_t *n)
{
	char *end = NULL;

	if (ref[0] != 'h' || strtol(ref + 1, &end, 10) != (long)getpid() || *end != '.')
		return false;
	*id = strtoul(end + 1, &end, 10);
	*n = *end == '.' ? atoll(end + 1) : -1;
	return true;
}

/* N, if it is this writer's; -1 if not. */
static int64_t own_ref(const struct client *c, const char *ref)
{
	size_t id = 0;
	int64_t n = 0;

	if (c->kind > FLOOD || !read_ref(ref, &id, &n) || id >= clients_len || clients[id] != c)
		return -1;
	return n < c->len ? n : -1;
}

static void answered(struct client *c, int64_t n, enum fate fate)
{
	c->messages[n].fate = (uint8_t)fate;
	c->under--;
	while (c->low < c->len && c->messages[c->low].fate >= ACKED)
		c->low++;
}

static void accepted(struct client *c, int64_t n, int64_t seq, const unsigned char *hash)
{
	struct message *m = &c->messages[n];

	if (m->fate == ACKED) {
		if (m->seq != seq)
			violate("%s: message %" PRId64 " was acked with %" PRId64
			        ", then with %" PRId64,
			        c->user, n, m->seq, seq);
		return;
	}
	m->seq = seq;
	if (hash)
		memcpy(m->hash, hash, SHA256_LEN);
	if (must_fail(c, n))
		violate("%s: message %" PRId64 " should have been refused", c->user, n);
	if (m->times == 1)
		took(&ack_times, now_us() - m->sent_us);
	answered(c, n, ACKED);
	acks++;
}

/* ---- what is heard ------------------------------------------------------------------------- */

/* Somebody was shown seq with this hash: it must always be the same. */
static void note(struct client *c, int64_t seq, const unsigned char *hash)
{
	if (seq >= shown_cap) {
		int64_t cap = seq * 2 + 1024;

		shown = grow(shown, (size_t)cap * sizeof *shown);
		was_shown = grow(was_shown, (size_t)cap * sizeof *was_shown);
		memset(was_shown + shown_cap, 0, (size_t)(cap - shown_cap) * sizeof *was_shown);
		shown_cap = cap;
	}
	if (was_shown[seq] && memcmp(shown[seq], hash, SHA256_LEN) != 0)
		violate("%s: seq %" PRId64 " was shown with another hash before", c->user, seq);
	memcpy(shown[seq], hash, SHA256_LEN);
	was_shown[seq] = true;
	head = seq > head ? seq : head;
}

static void at(struct client *c, int64_t seq, const unsigned char *hash)
{
	c->seq = seq;
	memcpy(c->hash, hash, SHA256_LEN);
	c->positioned = true;
	note(c, seq, hash);
}

/* The next seq of the log, as an event or as an ack. */
static void next(struct client *c, int64_t seq, const unsigned char *hash, const char *json)
{
	if (c->positioned && seq != c->seq + 1)
		violate("%s (%s): after seq %" PRId64 " came %" PRId64 ": %.80s", c->user,
		        kinds[c->kind], c->seq, seq, json);
	at(c, seq, hash);
}

/* The queue's head is what the next answer must be for. */
static bool answers_head(struct client *c, int64_t n, const char *json)
{
	int64_t want = c->queue_len ? c->queue[c->queue_at] : -1;

	if (n != want) {
		violate("%s: an answer out of order, not for message %" PRId64 ": %.120s", c->user,
		        want, json);
		return false;
	}
	c->queue_at = (c->queue_at + 1) % QUEUE;
	c->queue_len--;
	return true;
}

static void on_ack(struct client *c, const char *json)
{
	bool duplicate = strstr(json, "\"duplicate\":true") != NULL;
	unsigned char hash[SHA256_LEN];
	bool hashed = hash_of(json, hash);
	int64_t seq = number(json, "seq"), n = -1;
	char ref[REFS] = "";

	(void)field(json, "ref", ref, 80);
	n = own_ref(c, ref);
	if (n < 0 || !answers_head(c, n, json))
		return;
	if (!strstr(json, "\"durability\":\"fsynced\""))
		violate("%s: an ack that is not fsynced: %.120s", c->user, json);
	duplicates += duplicate;
	if (duplicate && seq > c->seq)
		violate("%s: told of seq %" PRId64 " before its place", c->user, seq);
	if (!duplicate && hashed)
		next(c, seq, hash, json);
	else if (!duplicate)
		violate("%s: an ack without hash: %.120s", c->user, json);
	accepted(c, n, seq, hashed ? hash : NULL);
}

static void on_error(struct client *c, const char *json)
{
	bool retry = strstr(json, "\"retryable\":true") != NULL;
	char ref[80] = "";
	int64_t n = -1;

	(void)field(json, "ref", ref, sizeof ref);
	(void)field(json, "code", error_last, sizeof error_last);
	errors_seen++;
	n = own_ref(c, ref);
	if (n < 0) {
		violate("%s: an error for nothing it sent: %.160s", c->user, json);
		return;
	}
	if (!answers_head(c, n, json))
		return;
	if (retry) {
		if (c->messages[n].fate == UNANSWERED)
			c->messages[n].fate = AGAIN;
		c->failed_once = true;
		if (!c->again_ms)
			c->again_ms = now_ms() + RETRY_MS + (int64_t)draw(RETRY_MS);
		return;
	}
	refusals++;
	if (!must_fail(c, n) || strcmp(error_last, "no_comment") != 0)
		violate("%s: message %" PRId64 " was refused: %.160s", c->user, n, json);
	if (c->messages[n].fate < ACKED)
		answered(c, n, REFUSED);
}

static void on_event(struct client *c, const char *json, size_t len)
{
	unsigned char hash[SHA256_LEN], computed[SHA256_LEN];
	int64_t seq = number(json, "seq"), sent = -1, n = -1;
	struct err e = {0};
	char ref[80] = "";

	if (seq < 1 || !hash_of(json, hash)) {
		violate("%s: neither event nor answer: %.160s", c->user, json);
		return;
	}
	/* What is shown in the stored form can be checked as it comes. */
	if (c->positioned && seq == c->seq + 1 && c->kind == WATCHER &&
	    strstr(c->o.query, "content=delta") && !strstr(c->o.query, "mode=watch") &&
	    event_verify(json, len, c->hash, computed, &e))
		violate("%s: seq %" PRId64 " as shown does not verify: %s", c->user, seq, e.text);
	next(c, seq, hash, json);
	shown_total++;
	if (field(json, "ref", ref, sizeof ref))
		n = own_ref(c, ref);
	if (n >= 0) {
		if (c->settled_in && c->messages[n].fate != ACKED && c->messages[n].times == 1)
			violate("%s: was shown its own seq %" PRId64, c->user, seq);
		accepted(c, n, seq, hash);
	}
	sent = number(json, "sent_us");
	if (sent > 0 && c->settled_in && (c->kind == WATCHER))
		took(&show_times, now_us() - sent);
}

static void came_in(struct client *c)
{
	c->settled_in = c->was_in = true;
	c->backoff_ms = 0;
	if (c->kind == STALLED && !c->woken) {
		c->reads = false;
		watch(c);
	}
}

static void on_state(struct client *c, const char *json)
{
	json_t *state = json_loads(json, 0, NULL);
	unsigned char hash[SHA256_LEN];
	int64_t seq = json_integer_value(json_object_get(state, "seq"));
	const char *hex = json_string_value(json_object_get(state, "hash"));

	if (!hex || sha256_unhex(hex, hash)) {
		violate("%s: a session_state without hash", c->user);
	} else {
		if (c->positioned && !c->o.fresh) {
			resets++;
			if (!strstr(json, "\"reason\":"))
				violate("%s: a new state at seq %" PRId64 ", without a reason",
				        c->user, seq);
		}
		c->positioned = false;
		at(c, seq, hash);
	}
	json_decref(state);
	came_in(c);
}

static void on_message(struct client *c, const char *json, size_t len)
{
	unsigned char hash[SHA256_LEN];
	const char *type = json + (len > 400 ? len - 400 : 0);
	char name[40] = "";

	/* Keys are sorted, so the type is near the end, but where "you" and the like are added. */
	if (strncmp(json, "{\"you\":", 7) == 0) {
		on_state(c, json);
		return;
	}
	while (field(type, "type", name, sizeof name) && strstr(type + 1, "\"type\":"))
		type = strstr(type + 1, "\"type\":");
	if (strcmp(name, "ack") == 0) {
		on_ack(c, json);
	} else if (strcmp(name, "error") == 0) {
		on_error(c, json);
	} else if (strcmp(name, "synced") == 0) {
		if (hash_of(json, hash)) {
			if (c->positioned && number(json, "seq") != c->seq)
				violate("%s: synced at %" PRId64 " after seq %" PRId64, c->user,
				        number(json, "seq"), c->seq);
			at(c, number(json, "seq"), hash);
		}
		came_in(c);
	} else if (strcmp(name, "cursor_position") != 0 && strcmp(name, "pong") != 0 &&
	           strcmp(name, "going_away") != 0 && strcmp(name, "checkpoint") != 0) {
		on_event(c, json, len);
	}
}

static void on_close(struct client *c, const char *p, size_t len)
{
	c->close_code = len >= 2 ? (unsigned char)p[0] << 8 | (unsigned char)p[1] : 1005;
	closed_1013 += c->close_code == 1013;
	if (!c->leaving && c->close_code != 1001 && c->close_code != 1013)
		violate("%s (%s): closed with %d %.*s", c->user, kinds[c->kind], c->close_code,
		        len > 2 ? (int)len - 2 : 0, p + 2);
	send_frame(c, 8, p, len < 2 ? 0 : 2);
}

/* One frame of the server's, which are whole and not masked.  False: there is none yet. */
static bool frame(struct client *c)
{
	const unsigned char *p = (unsigned char *)c->in.p + c->in.at;
	size_t have = waits(&c->in), len = 0, n = 2;
	char after = '\0';

	if (have < 2)
		return false;
	len = p[1] & 0x7f;
	n = len == 126 ? 4 : len == 127 ? 10 : 2;
	if (have < n)
		return false;
	if (n > 2)
		len = 0;
	for (size_t i = 2; i < n; i++)
		len = len << 8 | p[i];
	if (have - n < len)
		return false;
	c->in.at += n + len;
	after = c->in.p[c->in.at]; /* there is room for it, see put() */
	c->in.p[c->in.at] = '\0';
	if (p[0] == 0x81)
		on_message(c, (const char *)p + n, len);
	else if (p[0] == 0x89)
		send_frame(c, 10, (const char *)p + n, len);
	else if (p[0] == 0x88)
		on_close(c, (const char *)p + n, len);
	else
		violate("%s: a frame that begins with %02x", c->user, p[0]);
	c->in.p[c->in.at] = after;
	return true;
}

static bool shake(struct client *c)
{
	char *end = c->in.p ? strstr(c->in.p + c->in.at, "\r\n\r\n") : NULL;

	if (!end)
		return false;
	c->http = atoi(c->in.p + c->in.at + 9);
	if (c->http != 101) {
		if (c->http != 503 && c->http != 429)
			violate("%s: refused with %d: %.200s", c->user, c->http, end + 4);
		(void)field(end, "code", error_last, sizeof error_last);
		down(c, false);
		return false;
	}
	c->in.at += (size_t)(end + 4 - (c->in.p + c->in.at));
	c->phase = OPEN;
	c->queue_len = 0;
	reconnects += c->was_in;
	/* Before the replay tells what was taken, or after: both must come to the same. */
	if (c->kind <= FLOOD && draw(2))
		send_again(c);
	return true;
}

static void digest(struct client *c)
{
	if (c->phase == SHAKING && !shake(c))
		return;
	while (c->phase == OPEN) {
		bool was = c->settled_in;

		if (!frame(c))
			break;
		if (!was && c->settled_in && c->kind <= FLOOD && !c->caught_up)
			send_again(c);
	}
}

static void receive(struct client *c, size_t most)
{
	static char part[READ_BYTES];
	ssize_t n = recv(c->fd, part, most < sizeof part ? most : sizeof part, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		down(c, c->leaving);
		if (c->kind == STALLED && c->woken && c->phase == DOWN)
			c->kind = WATCHER;
		return;
	}
	put(&c->in, part, (size_t)n);
	digest(c);
}

static void transmit(struct client *c)
{
	while (c->fd >= 0 && waits(&c->out)) {
		ssize_t n = send(c->fd, c->out.p + c->out.at, waits(&c->out),
		                 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0)
			return; /* what the peer said before is read first */
		c->out.at += (size_t)n;
	}
}

static void serve(struct client *c, uint32_t events)
{
	if (c->phase == CONNECTING && events & (EPOLLOUT | EPOLLIN | EPOLLHUP | EPOLLERR)) {
		int failed = 0;
		socklen_t len = sizeof failed;

		(void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failed, &len);
		if (failed) {
			down(c, false);
			return;
		}
		c->phase = SHAKING;
	}
	if (c->phase == DOWN || c->phase == GONE)
		return;
	if (c->reads && c->kind != DRIP && events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		receive(c, READ_BYTES);
	else if (!c->reads && events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		c->close_code = c->close_code ? c->close_code : 1; /* ended, unread */
	if (c->fd < 0)
		return;
	write_on(c);
	transmit(c);
	if (!c->reads && c->close_code == 1) {
		/* Do not hear it again and again. */
		struct epoll_event ev = {.events = 0, .data.ptr = c};

		(void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, c->fd, &ev);
		return;
	}
	watch(c);
}

static bool ended_unread(const struct client *c)
{
	return !c->reads && c->close_code == 1;
}

static void by_time(struct client *c, int64_t now)
{
	if (c->phase == DOWN && now >= c->retry_ms)
		dial(c);
	if (c->phase == OPEN && c->kind <= FLOOD) {
		write_on(c);
		transmit(c);
		watch(c);
	}
	for (int i = 0; i < c->o.bytes && c->kind == DRIP && c->fd >= 0 && c->phase > CONNECTING;
	     i++)
		receive(c, c->settled_in ? 1 : READ_BYTES);
	if (c->kind == DRIP && c->fd >= 0) {
		transmit(c);
		watch(c);
	}
}

static void read_stdin(void)
{
	char part[4096];
	ssize_t n = read(STDIN_FILENO, part, sizeof part);

	if (n > 0)
		put(&lines, part, (size_t)n);
	stdin_ended = n <= 0;
}

/* The world goes on for a moment. */
static void turn(void)
{
	struct epoll_event events[256];
	static int64_t ticked;
	int n = epoll_wait(epoll_fd, events, 256, TICK_MS);
	int64_t now = now_ms();

	for (int i = 0; i < n; i++) {
		if (!events[i].data.ptr)
			read_stdin();
		else
			serve(events[i].data.ptr, events[i].events);
	}
	if (now == ticked)
		return;
	ticked = now;
	for (size_t i = 0; i < clients_len; i++)
		by_time(clients[i], now);
}

/* ---- the log, judged ----------------------------------------------------------------------- */

struct judge {
	struct session fold;
	unsigned char hash[SHA256_LEN];
	int64_t seq, ours;
	int64_t *last; /* per client: the last of its messages that came */
};

static void judge_ref(struct judge *j, const char *ref, int64_t seq, const unsigned char *hash)
{
	size_t id = 0;
	int64_t n = -1;
	bool ours = read_ref(ref, &id, &n);
	struct client *c = ours && id < clients_len ? clients[id] : NULL;
	struct message *m = NULL;

	if (!ours)
		return; /* of another run */
	n = c ? own_ref(c, ref) : -1;
	if (n < 0) {
		violate("seq %" PRId64 " has the ref %s, which nobody used", seq, ref);
		return;
	}
	m = &c->messages[n];
	j->ours++;
	if (m->in_log++)
		violate("%s is in the log twice, at last at seq %" PRId64, ref, seq);
	if (m->fate == ACKED && m->seq != seq)
		violate("%s was acked with seq %" PRId64 " and is in the log at %" PRId64, ref,
		        m->seq, seq);
	if (m->fate == REFUSED)
		violate("%s was refused and is in the log at %" PRId64, ref, seq);
	/* The daemon said that nothing was changed; and it was not tried again. */
	if (m->fate == AGAIN && m->times == 1)
		violate("%s was refused for a while and is in the log at %" PRId64, ref, seq);
	if (m->fate == ACKED && memcmp(m->hash, hash, SHA256_LEN) != 0)
		violate("%s was acked with another hash", ref);
	if (!c->failed_once && n <= j->last[id])
		violate("%s came after a later one of its writer", ref);
	j->last[id] = n;
}

static void judge_line(struct judge *j, const char *line, size_t len)
{
	struct event_doc doc = {0};
	unsigned char hash[SHA256_LEN];
	struct err e = {0};
	int rc = event_verify(line, len, j->hash, hash, &e);

	if (rc)
		violate("the chain breaks after seq %" PRId64 ": %s", j->seq, e.text);
	rc = event_read(line, len, &doc, &e);
	if (rc) {
		violate("after seq %" PRId64 ": %s: %.80s", j->seq, e.text, line);
		event_doc_release(&doc);
		return;
	}
	if (doc.ev.seq != j->seq + 1)
		violate("after seq %" PRId64 " comes %" PRId64, j->seq, doc.ev.seq);
	j->seq = doc.ev.seq;
	memcpy(j->hash, doc.hash, SHA256_LEN);
	if (j->seq < shown_cap && was_shown[j->seq] &&
	    memcmp(shown[j->seq], doc.hash, SHA256_LEN) != 0)
		violate("seq %" PRId64 " is not what was shown", j->seq);
	if (doc.ev.ref)
		judge_ref(j, doc.ev.ref, j->seq, doc.hash);
	if (j->seq == j->fold.seq + 1 && session_apply(&j->fold, &doc.ev, &e))
		violate("seq %" PRId64 " does not fold: %s", j->seq, e.text);
	memcpy(j->fold.hash, doc.hash, SHA256_LEN);
	event_doc_release(&doc);
}

/* GET the log as NDJSON, and judge each line as it comes. */
static bool read_log(struct judge *j)
{
	struct client any = {.o.tcp = !socket_path};
	struct timeval limit = {patience_ms / 1000, 0};
	struct bytes in = {0}, body = {0}, request = {0};
	static char part[READ_BYTES];
	int fd = make_socket(&any);
	char *end = NULL, *eol = NULL;
	bool whole = false;
	ssize_t n = 0;

	if (fd < 0)
		return false;
	(void)fcntl(fd, F_SETFL, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	put_text(&request,
	         "GET /api/reports/pmr/%s/collaborate/events HTTP/1.1\r\nHost: localhost\r\n"
	         "Accept: application/x-ndjson\r\nConnection: close\r\n",
	         report);
	for (int i = 0; any.o.tcp && i < headers_len; i++)
		put_text(&request, "%s\r\n", headers[i]);
	put_text(&request, "\r\n");
	if (send(fd, request.p, request.len, MSG_NOSIGNAL) != (ssize_t)request.len)
		goto out;
	while ((n = recv(fd, part, sizeof part, 0)) > 0) {
		put(&in, part, (size_t)n);
		if (!end) {
			end = strstr(in.p, "\r\n\r\n");
			if (!end)
				continue;
			if (atoi(in.p + 9) != 200) {
				violate("the log cannot be read: %.300s", in.p);
				goto out;
			}
			in.at = (size_t)(end + 4 - in.p);
		}
		/* Chunks: "SIZE\r\n" BYTES "\r\n". */
		while (!whole && (eol = memmem(in.p + in.at, waits(&in), "\r\n", 2))) {
			size_t size = strtoul(in.p + in.at, NULL, 16);
			size_t head_len = (size_t)(eol + 2 - (in.p + in.at));

			if (waits(&in) < head_len + size + 2)
				break;
			whole = size == 0;
			put(&body, in.p + in.at + head_len, size);
			in.at += head_len + size + 2;
		}
		while ((eol = memchr(body.p + body.at, '\n', waits(&body)))) {
			size_t len = (size_t)(eol - (body.p + body.at));

			*eol = '\0';
			judge_line(j, body.p + body.at, len);
			body.at += len + 1;
		}
	}
out:
	(void)close(fd);
	clear(&in);
	clear(&body);
	clear(&request);
	return whole;
}

static void judge_clients(const struct judge *j)
{
	for (size_t i = 0; i < clients_len; i++) {
		const struct client *c = clients[i];

		for (int64_t n = 0; c->kind <= FLOOD && n < c->len; n++)
			if (c->messages[n].fate == ACKED && !c->messages[n].in_log)
				violate("h%zu.%" PRId64 " was acked with seq %" PRId64
				        " and is not in the log",
				        i, n, c->messages[n].seq);
	}
	for (int64_t seq = j->seq + 1; seq < shown_cap; seq++)
		if (was_shown[seq])
			violate("seq %" PRId64 " was shown, and the log ends at %" PRId64, seq,
			        j->seq);
}

static void put_violations(struct bytes *out)
{
	put_text(out, ",\"violations\":[");
	for (int64_t i = 0; i < violations && i < TEXTS_MAX; i++)
		put_text(out, "%s\"%s\"", i ? "," : "", texts[i]);
	put_text(out, "]");
}

static void verify(struct bytes *out)
{
	struct judge j = {0};
	char hex[SHA256_HEX_LEN + 1] = "", state[SHA256_HEX_LEN + 1] = "";
	int64_t deadline = now_ms() + patience_ms, messages = 0;

	j.last = grow(NULL, (clients_len + 1) * sizeof *j.last);
	for (size_t i = 0; i < clients_len; i++) {
		j.last[i] = -1;
		messages += clients[i]->len;
		for (int64_t n = 0; n < clients[i]->len; n++)
			clients[i]->messages[n].in_log = 0;
	}
	session_init(&j.fold, REFS, 0);
	while (!read_log(&j)) {
		if (j.seq || violations || now_ms() > deadline) {
			violate("the log cannot be read to its end: it stops at %" PRId64, j.seq);
			break;
		}
		turn();
	}
	judge_clients(&j);
	if (state_hash(&j.fold, state))
		die("out of memory");
	sha256_hex(j.hash, hex);
	session_release(&j.fold);
	free(j.last);
	put_text(out,
	         "{\"ok\":%s,\"seq\":%" PRId64
	         ",\"hash\":\"%s\",\"state_hash\":\"%s\",\"ours\":%" PRId64 ",\"messages\":%" PRId64
	         ",\"acked\":%" PRId64 ",\"refused\":%" PRId64 ",\"shown\":%" PRId64
	         ",\"resent\":%" PRId64 ",\"duplicates\":%" PRId64 ",\"reconnects\":%" PRId64
	         ",\"resets\":%" PRId64,
	         violations ? "false" : "true", j.seq, hex, state, j.ours, messages, acks, refusals,
	         shown_total, resent, duplicates, reconnects, resets);
	put_violations(out);
	put_text(out, "}");
}

/* ---- commands ------------------------------------------------------------------------------ */

static enum kind kind_of(const char *name)
{
	for (int i = 0; i < KINDS; i++)
		if (strcmp(kinds[i], name) == 0)
			return (enum kind)i;
	die("unknown kind %s", name);
	return KINDS;
}

static void option(struct options *o, const char *word)
{
	const char *value = strchr(word, '=');
	long n = value ? atol(value + 1) : 0;

	if (!value)
		die("%s is not KEY=VALUE", word);
	value++;
	if (strncmp(word, "user=", 5) == 0)
		(void)snprintf(o->user, sizeof o->user, "%s", value);
	else if (strncmp(word, "query=", 6) == 0)
		(void)snprintf(o->query, sizeof o->query, "%s", value);
	else if (strncmp(word, "via=", 4) == 0)
		o->tcp = strcmp(value, "tcp") == 0;
	else if (strncmp(word, "users=", 6) == 0)
		o->users = (int)n;
	else if (strncmp(word, "window=", 7) == 0)
		o->window = (int)n;
	else if (strncmp(word, "size=", 5) == 0)
		o->size = (int)n;
	else if (strncmp(word, "max=", 4) == 0)
		o->max = n;
	else if (strncmp(word, "every=", 6) == 0)
		o->every_ms = n;
	else if (strncmp(word, "sections=", 9) == 0)
		o->sections = (int)n;
	else if (strncmp(word, "plain=", 6) == 0)
		o->plain = n;
	else if (strncmp(word, "fresh=", 6) == 0)
		o->fresh = n;
	else if (strncmp(word, "bytes=", 6) == 0)
		o->bytes = (int)n;
	else if (strncmp(word, "rcvbuf=", 7) == 0)
		o->rcvbuf = (int)n;
	else
		die("unknown option %s", word);
}

static void add(enum kind kind, long count, const struct options *o)
{
	clients = grow(clients, (clients_len + (size_t)count) * sizeof(struct client *));
	for (long i = 0; i < count; i++) {
		struct client *c = calloc(1, sizeof *c);

		if (!c)
			die("out of memory");
		c->fd = -1;
		c->kind = kind;
		c->o = *o;
		if (kind <= FLOOD)
			c->queue = grow(NULL, QUEUE * sizeof *c->queue);
		if (o->user[0])
			(void)snprintf(c->user, sizeof c->user, "%s", o->user);
		else if (o->users)
			(void)snprintf(c->user, sizeof c->user, "u%ld", i % o->users);
		clients[clients_len++] = c;
		dial(c);
	}
}

static size_t count_in(size_t from)
{
	size_t n = 0;

	for (size_t i = from; i < clients_len; i++)
		n += clients[i]->settled_in || clients[i]->phase == GONE;
	return n;
}

static bool all_settled(void)
{
	for (size_t i = 0; i < clients_len; i++) {
		const struct client *c = clients[i];

		if (c->phase == GONE || c->kind == STALLED || c->kind == DRIP)
			continue;
		if (!c->settled_in || c->seq != head || c->under > 0)
			return false;
	}
	return true;
}

static bool all_closed(enum kind kind)
{
	for (size_t i = 0; i < clients_len; i++)
		if (clients[i]->kind == kind && clients[i]->phase == OPEN &&
		    !ended_unread(clients[i]))
			return false;
	return true;
}

static bool all_woken(void)
{
	for (size_t i = 0; i < clients_len; i++) {
		const struct client *c = clients[i];

		if (c->woken && (c->kind == STALLED || !c->settled_in || c->seq < head))
			return false;
	}
	return true;
}

static void wake(void)
{
	for (size_t i = 0; i < clients_len; i++) {
		struct client *c = clients[i];

		if (c->kind != STALLED)
			continue;
		c->woken = c->reads = true;
		if (c->fd < 0) {
			c->kind = WATCHER;
			continue;
		}
		if (ended_unread(c)) {
			struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};

			c->close_code = 0;
			(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev);
		} else {
			c->kind = WATCHER;
			watch(c);
		}
	}
}

static void drop(enum kind kind, bool politely)
{
	for (size_t i = 0; i < clients_len; i++) {
		struct client *c = clients[i];

		if (c->kind != kind || c->phase == GONE)
			continue;
		c->leaving = true;
		if (!politely || c->phase != OPEN) {
			down(c, true);
			continue;
		}
		c->reads = true;
		send_frame(c, 8, "\x03\xe8", 2);
		transmit(c);
		watch(c);
	}
}

/* A report on the time since `began_us`. */
static void put_report(struct bytes *out, bool in_time, int64_t began_us)
{
	put_text(out,
	         "{\"ok\":%s,\"ms\":%" PRId64 ",\"acks\":%" PRId64 ",\"head\":%" PRId64
	         ",\"shown\":%" PRId64 ",\"closed_1013\":%" PRId64 ",\"reconnects\":%" PRId64
	         ",\"resets\":%" PRId64 ",\"errors\":%" PRId64 ",\"error\":\"%s\"",
	         in_time && !violations ? "true" : "false", (now_us() - began_us) / 1000, acks,
	         head, shown_total, closed_1013, reconnects, resets, errors_seen, error_last);
	put_times(out, "ack", &ack_times);
	put_times(out, "show", &show_times);
	put_violations(out);
	put_text(out, "}");
}

struct order {
	char words[16][200];
	int len;
	size_t from;      /* clients before */
	int64_t acks_end; /* of acks and kill */
	int64_t kill_us;  /* when to; 0: not yet */
	int64_t end_ms;   /* of ms */
	int64_t errors;   /* before */
};

/* Begin; what can be done at once is. */
static void begin(struct order *k)
{
	const char *name = k->words[0];
	struct options o = {.window = 8, .size = 100, .sections = 8, .bytes = 1};
	long n = k->len > 1 ? atol(k->words[1]) : 0;

	k->from = clients_len;
	k->errors = errors_seen;
	ack_times.len = show_times.len = 0;
	if (strcmp(name, "add") == 0) {
		for (int i = 3; i < k->len; i++)
			option(&o, k->words[i]);
		add(kind_of(k->words[1]), atol(k->words[2]), &o);
	} else if (strcmp(name, "acks") == 0) {
		k->acks_end = acks + n;
	} else if (strcmp(name, "ms") == 0) {
		k->end_ms = now_ms() + n;
	} else if (strcmp(name, "kill") == 0) {
		k->acks_end = acks + atol(k->words[2]);
	} else if (strcmp(name, "settle") == 0) {
		resting = true;
	} else if (strcmp(name, "hush") == 0) {
		resting = hushed = true;
	} else if (strcmp(name, "go") == 0) {
		resting = hushed = false;
		for (size_t i = 0; i < clients_len; i++)
			if (clients[i]->owes && clients[i]->settled_in)
				send_again(clients[i]);
	} else if (strcmp(name, "wake") == 0) {
		wake();
	} else if (strcmp(name, "drop") == 0 || strcmp(name, "leave") == 0) {
		drop(kind_of(k->words[1]), name[0] == 'l');
	}
}

static bool killed(struct order *k)
{
	if (!k->kill_us && acks >= k->acks_end)
		k->kill_us = now_us() + atol(k->words[3]);
	if (!k->kill_us)
		return false;
	while (now_us() < k->kill_us && k->kill_us - now_us() < 1000)
		; /* to the microsecond */
	return now_us() >= k->kill_us && kill((pid_t)atol(k->words[1]), SIGKILL) == 0;
}

static bool left(enum kind kind)
{
	for (size_t i = 0; i < clients_len; i++)
		if (clients[i]->kind == kind && clients[i]->phase != GONE)
			return false;
	return true;
}

static bool done(struct order *k)
{
	const char *name = k->words[0];

	if (strcmp(name, "add") == 0)
		return count_in(k->from) == clients_len - k->from;
	if (strcmp(name, "acks") == 0)
		return acks >= k->acks_end;
	if (strcmp(name, "ms") == 0)
		return now_ms() >= k->end_ms;
	if (strcmp(name, "kill") == 0)
		return killed(k);
	if (strcmp(name, "settle") == 0)
		return all_settled();
	if (strcmp(name, "closed") == 0)
		return all_closed(kind_of(k->words[1]));
	if (strcmp(name, "error") == 0)
		return errors_seen > k->errors && strcmp(error_last, k->words[1]) == 0;
	if (strcmp(name, "wake") == 0)
		return all_woken();
	if (strcmp(name, "drop") == 0 || strcmp(name, "leave") == 0)
		return left(kind_of(k->words[1]));
	if (strcmp(name, "go") == 0 || strcmp(name, "hush") == 0 || strcmp(name, "verify") == 0)
		return true;
	die("unknown command %s", name);
	return true;
}

static void answer(struct bytes *out)
{
	put_text(out, "\n");
	if (fwrite(out->p + out->at, 1, waits(out), stdout) != waits(out) || fflush(stdout))
		exit(2);
	out->at = out->len = 0;
}

static void run(char *line)
{
	static struct bytes out;
	struct order k = {.len = 0};
	int64_t began = now_us(), deadline = began + patience_ms * 1000;
	bool in_time = true;

	for (char *save = NULL, *word = strtok_r(line, " ", &save); word && k.len < 16;
	     word = strtok_r(NULL, " ", &save))
		(void)snprintf(k.words[k.len++], sizeof k.words[0], "%s", word);
	if (k.len == 0)
		return;
	if (strcmp(k.words[0], "quit") == 0)
		exit(violations != 0);
	begin(&k);
	while (!done(&k)) {
		if (now_us() > deadline) {
			in_time = false;
			break;
		}
		turn();
	}
	if (strcmp(k.words[0], "verify") == 0)
		verify(&out);
	else
		put_report(&out, in_time, began);
	answer(&out);
}

int main(int argc, char **argv)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct rlimit files;
	int letter = 0;

	while ((letter = getopt(argc, argv, "s:t:r:H:S:W:")) != -1) {
		if (letter == 's')
			socket_path = optarg;
		else if (letter == 't')
			tcp_address = optarg;
		else if (letter == 'r')
			report = optarg;
		else if (letter == 'H' && headers_len < HEADERS_MAX)
			headers[headers_len++] = optarg;
		else if (letter == 'S')
			seed = strtoull(optarg, NULL, 10);
		else if (letter == 'W')
			patience_ms = atol(optarg) * 1000;
		else
			die("see the top of its source");
	}
	if (!report || (!socket_path && !tcp_address) || optind != argc)
		die("see the top of its source");
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	random_state = seed;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &ev))
		die("epoll: %s", strerror(errno));
	while (!stdin_ended) {
		char *eol = NULL;

		turn();
		while (waits(&lines) && (eol = memchr(lines.p + lines.at, '\n', waits(&lines)))) {
			char *line = lines.p + lines.at;

			*eol = '\0';
			lines.at += (size_t)(eol + 1 - line);
			line = strdup(line);
			if (!line)
				die("out of memory");
			run(line);
			free(line);
		}
	}
	return violations != 0;
}
