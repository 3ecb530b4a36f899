/*
 * What sockets and disk allow: a WebSocket server that does nothing but pass messages on.
 *
 * It speaks as much of the protocol as pmr-bench --attach looks at.  One thread, one epoll loop; a
 * frame is built once for all who read it; each connection gets one send a turn; with -f, what came
 * in a turn is appended to a file and made durable by one fdatasync before anybody hears of it.
 * Nothing is checked, parsed, hashed or remembered: no server that does its work can be faster, and
 * how close one comes is what is measured.
 *
 * With -1 each message is passed on by sends of its own, as servers do that call a library's
 * "broadcast" for each, and nothing is written to a file: it shows what gathering is worth.
 *
 * usage: limit [-1] [-e BYTES of an event] [-a BYTES of an ack] [-s BYTES of a state] [-f FILE]
 * Prints host:port when it serves; ends on SIGTERM.
 */
#define _GNU_SOURCE /* accept4, memmem */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/ws.h"

enum { INPUT = 1 << 18, EVENTS = 512, ROOMS = 4096, REF = 18, WAITING_MAX = 1 << 24 };

struct bytes {
	char *p;
	size_t len, cap;
};

struct conn {
	int fd; /* -1: closed, freed at the end of the turn */
	bool open, writer, dirty;
	struct room *room;
	struct conn *next, **link; /* in its room */
	struct conn *next_dirty, *next_dead;
	struct bytes in, acks, waits; /* waits: what the socket did not take */
};

struct room {
	char path[128];
	int64_t seq;
	struct conn *conns;
	struct bytes frames; /* of this turn */
	struct room *next_dirty;
};

static struct room rooms[ROOMS], *dirty_rooms;
static struct conn *dirty_conns, *dead_conns;
static size_t event_bytes = 400, ack_bytes = 300, state_bytes = 1000;
static struct bytes event_frame, ack_frame, state_frame, log_bytes;
static size_t event_ref, event_seq, ack_ref, ack_seq, state_seq;
static int epoll, log_fd = -1;
static bool one_by_one;
static char input[INPUT];

static void put(struct bytes *b, const void *p, size_t len)
{
	if (b->len + len > b->cap) {
		b->cap = (b->len + len) * 2;
		b->p = realloc(b->p, b->cap);
		if (!b->p)
			abort();
	}
	memcpy(b->p + b->len, p, len);
	b->len += len;
}

/* A frame of about so many bytes of JSON, and where ref and seq are in it. */
static void template(struct bytes *out, size_t bytes, const char *type, size_t *ref, size_t *seq)
{
	unsigned char head[WS_HEADER_MAX];
	struct bytes json = {0};
	char tail[256];
	int tail_len =
		snprintf(tail, sizeof tail,
	                 "\",\"ref\":\"%018d\",\"seq\":0000000000,\"type\":\"%s\"}", 0, type);
	size_t n = 0;

	put(&json, "{\"fill\":\"", 9);
	while (json.len + (size_t)tail_len < bytes)
		put(&json, "x", 1);
	put(&json, tail, (size_t)tail_len);
	n = ws_frame_header(head, WS_TEXT, json.len, NULL);
	put(out, head, n);
	put(out, json.p, json.len);
	*ref = n + json.len - (size_t)tail_len + 9;
	*seq = *ref + REF + 8;
	free(json.p);
}

static void put_seq(char *out, int64_t n)
{
	for (int i = 9; i >= 0; i--, n /= 10)
		out[i] = (char)('0' + n % 10);
}

static void close_conn(struct conn *c)
{
	if (c->fd < 0)
		return;
	(void)close(c->fd);
	c->fd = -1;
	if (c->room) {
		*c->link = c->next;
		if (c->next)
			c->next->link = c->link;
	}
	c->next_dead = dead_conns;
	dead_conns = c;
}

/* What is not taken waits; who takes nothing for long is dropped. */
static void give(struct conn *c, const char *p, size_t len)
{
	ssize_t n = 0;

	if (c->fd < 0)
		return;
	if (c->waits.len == 0)
		n = send(c->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN) {
		close_conn(c);
		return;
	}
	n = n < 0 ? 0 : n;
	if ((size_t)n == len)
		return;
	if (c->waits.len == 0) {
		struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};

		(void)epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &ev);
	}
	put(&c->waits, p + n, len - (size_t)n);
	if (c->waits.len > WAITING_MAX)
		close_conn(c);
}

static void give_waiting(struct conn *c)
{
	ssize_t n = send(c->fd, c->waits.p, c->waits.len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return;
	c->waits.len -= (size_t)n;
	memmove(c->waits.p, c->waits.p + n, c->waits.len);
	if (c->waits.len == 0) {
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

		(void)epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &ev);
	}
}

static struct room *room_of(const char *path)
{
	for (int i = 0; i < ROOMS; i++) {
		if (!rooms[i].path[0])
			(void)snprintf(rooms[i].path, sizeof rooms[i].path, "%s", path);
		if (strcmp(rooms[i].path, path) == 0)
			return &rooms[i];
	}
	return NULL;
}

static size_t handshake(struct conn *c, const char *p, size_t len)
{
	static const char key_name[] = "Sec-WebSocket-Key: ";
	const char *end = memmem(p, len, "\r\n\r\n", 4), *key = NULL;
	char path[128], key_text[WS_KEY_LEN + 1] = "", accept[WS_ACCEPT_LEN + 1], out[256];
	int n = 0;

	if (!end)
		return 0;
	key = memmem(p, len, key_name, sizeof key_name - 1);
	if (!key || sscanf(p, "GET %127[^? ]", path) != 1) {
		close_conn(c);
		return 0;
	}
	memcpy(key_text, key + sizeof key_name - 1, WS_KEY_LEN);
	ws_accept_key(key_text, accept);
	c->room = room_of(path);
	c->writer = !memmem(p, len, "mode=watch", 10);
	c->next = c->room->conns;
	c->link = &c->room->conns;
	if (c->next)
		c->next->link = &c->next;
	c->room->conns = c;
	n = snprintf(out, sizeof out,
	             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	             "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
	             accept);
	give(c, out, (size_t)n);
	put_seq(state_frame.p + state_seq, c->room->seq);
	give(c, state_frame.p, state_frame.len);
	c->open = true;
	return (size_t)(end + 4 - p);
}

/* To all who read in the room. */
static void tell(struct room *r, const char *p, size_t len)
{
	struct conn *next = NULL;

	for (struct conn *c = r->conns; c; c = next) {
		next = c->next;
		if (!c->writer)
			give(c, p, len);
	}
}

static void message(struct conn *c, const char *p, size_t len)
{
	struct room *room = c->room;
	const char *ref = p + len - 2 - REF;

	if (len < REF + 2)
		return;
	room->seq++;
	put_seq(event_frame.p + event_seq, room->seq);
	memcpy(event_frame.p + event_ref, ref, REF);
	put_seq(ack_frame.p + ack_seq, room->seq);
	memcpy(ack_frame.p + ack_ref, ref, REF);
	if (one_by_one) {
		tell(room, event_frame.p, event_frame.len);
		give(c, ack_frame.p, ack_frame.len);
		return;
	}
	if (!room->frames.len) {
		room->next_dirty = dirty_rooms;
		dirty_rooms = room;
	}
	put(&room->frames, event_frame.p, event_frame.len);
	if (log_fd >= 0)
		put(&log_bytes, event_frame.p, event_frame.len);
	put(&c->acks, ack_frame.p, ack_frame.len);
	if (!c->dirty) {
		c->dirty = true;
		c->next_dirty = dirty_conns;
		dirty_conns = c;
	}
}

static size_t frames(struct conn *c, char *p, size_t len)
{
	unsigned char *u = (unsigned char *)p;
	size_t at = 0;

	while (c->fd >= 0 && len - at >= 8) {
		size_t n = u[at + 1] & 0x7f, head = 6;

		if (n == 126) {
			head = 8;
			n = (size_t)u[at + 2] << 8 | u[at + 3];
		}
		if (len - at < head + n)
			break;
		ws_mask(p + at + head, n, u + at + head - 4, 0);
		if ((u[at] & 0xf) == WS_TEXT) {
			message(c, p + at + head, n);
		} else if ((u[at] & 0xf) == WS_CLOSE) {
			static const char bye[] = {(char)0x88, 2, 0x03, (char)0xe8};

			give(c, bye, sizeof bye);
			close_conn(c);
		}
		at += head + n;
	}
	return at;
}

static void readable(struct conn *c)
{
	size_t have = c->in.len, used = 0;
	ssize_t n = 0;

	if (have)
		memcpy(input, c->in.p, have);
	n = recv(c->fd, input + have, INPUT - have, MSG_DONTWAIT);
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			close_conn(c);
		return;
	}
	have += (size_t)n;
	if (!c->open)
		used = handshake(c, input, have);
	if (c->open && c->fd >= 0)
		used += frames(c, input + used, have - used);
	c->in.len = 0;
	if (c->fd >= 0 && used < have)
		put(&c->in, input + used, have - used);
}

/* The end of a turn: durable first, then everybody hears of it. */
static void end_turn(void)
{
	if (log_fd >= 0 && log_bytes.len) {
		if (write(log_fd, log_bytes.p, log_bytes.len) != (ssize_t)log_bytes.len ||
		    fdatasync(log_fd))
			abort();
		log_bytes.len = 0;
	}
	for (struct conn *c = dirty_conns; c; c = c->next_dirty) {
		give(c, c->acks.p, c->acks.len);
		c->acks.len = 0;
		c->dirty = false;
	}
	dirty_conns = NULL;
	for (struct room *r = dirty_rooms; r; r = r->next_dirty) {
		tell(r, r->frames.p, r->frames.len);
		r->frames.len = 0;
	}
	dirty_rooms = NULL;
	while (dead_conns) {
		struct conn *c = dead_conns;

		dead_conns = c->next_dead;
		free(c->in.p);
		free(c->acks.p);
		free(c->waits.p);
		free(c);
	}
}

static void accept_all(int listener)
{
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *c = calloc(1, sizeof *c);
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

		if (!c)
			abort();
		c->fd = fd;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		(void)epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
	}
}

static int listen_somewhere(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 1024) ||
	    getsockname(fd, (struct sockaddr *)&at, &len))
		return -1;
	(void)epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
	printf("127.0.0.1:%d\n", ntohs(at.sin_port));
	(void)fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	struct rlimit files;
	size_t unused = 0;
	int option, listener;

	while ((option = getopt(argc, argv, "1e:a:s:f:")) != -1) {
		if (option == '1')
			one_by_one = true;
		else if (option == 'e')
			event_bytes = strtoul(optarg, NULL, 10);
		else if (option == 'a')
			ack_bytes = strtoul(optarg, NULL, 10);
		else if (option == 's')
			state_bytes = strtoul(optarg, NULL, 10);
		else if (option == 'f')
			log_fd = open(optarg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		else
			return 64;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	template(&event_frame, event_bytes, "section_update", &event_ref, &event_seq);
	template(&ack_frame, ack_bytes, "ack", &ack_ref, &ack_seq);
	template(&state_frame, state_bytes, "session_state", &unused, &state_seq);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	listener = listen_somewhere();
	while (listener >= 0) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (!c)
				accept_all(listener);
			else if (c->fd >= 0 && events[i].events & EPOLLOUT)
				give_waiting(c);
			if (c && c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				readable(c);
		}
		end_turn();
	}
	return 1;
}
