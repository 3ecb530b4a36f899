/*
 * Listeners and accepting: who may come in, who is told why not, and what happens when the kernel
 * has run out of descriptors.
 */
#define _GNU_SOURCE /* accept4 */
#include "server/net_in.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/json_out.h"

enum { ACCEPTS_A_TURN = 256, LOG_EVERY_MS = 60000, LISTEN_FDS_START = 3 };

/* ---- addresses ------------------------------------------------------------------------------ */

/* Under which a socket is counted: all of an IPv6 network of /64 are one; of this machine, a user.
 */
static void address_key(const struct sock *s, char key[64])
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	unsigned char prefix[16] = {0};
	bool v4 = memcmp(s->address, mapped, sizeof mapped) == 0;

	if (s->local) {
		(void)snprintf(key, 64, "uid %lu", (unsigned long)s->uid); /* fits */
		return;
	}
	memcpy(prefix, s->address, v4 ? 16 : 8);
	(void)inet_ntop(AF_INET6, prefix, key, 64); /* cannot fail */
}

/* Whether one more socket of the address is within limits; then it is counted. */
static int address_take(struct net *n, struct sock *s)
{
	int64_t max = s->local ? 0 : n->limits->sockets_per_address;
	struct address_use *use = NULL;
	char key[64];

	address_key(s, key);
	use = map_get(&n->addresses, key);
	if (use && max > 0 && use->sockets >= max)
		return ERR_TOO_MANY_SOCKETS;
	if (!use) {
		use = calloc(1, sizeof *use);
		if (!use || map_put(&n->addresses, key, use)) {
			free(use);
			return ERR_NOMEM;
		}
	}
	use->sockets++;
	s->use = use;
	return 0;
}

void net_address_give(struct sock *s)
{
	struct address_use *use = s->use;
	char key[64];

	if (!use)
		return;
	(void)net_address_holds(s, 0); /* nothing is always within */
	net_address_owes(s, 0);
	s->use = NULL;
	if (--use->sockets > 0)
		return;
	address_key(s, key);
	free(map_remove(&s->net->addresses, key));
}

bool net_address_holds(struct sock *s, size_t body_bytes)
{
	if (!s->use)
		return true;
	s->use->body_bytes += body_bytes - s->body_bytes;
	s->body_bytes = body_bytes;
	return s->use->body_bytes <= (size_t)s->net->limits->frame_bytes * BODIES_AN_ADDRESS;
}

void net_address_owes(struct sock *s, size_t answer_bytes)
{
	if (!s->use)
		return;
	s->use->answer_bytes += answer_bytes - s->answer_bytes;
	s->answer_bytes = answer_bytes;
}

bool net_address_may_owe(const struct sock *s, size_t more)
{
	size_t max = (size_t)s->net->limits->answer_bytes_per_address;
	size_t owed = s->use ? s->use->answer_bytes : 0;

	return max == 0 || owed == 0 || more <= PULL_BYTES || owed + more <= max;
}

/* ---- accepting ------------------------------------------------------------------------------ */

/* In words, at most once a minute: whoever floods us must not flood the log too. */
static void log_refusal(struct net *n, const char *what)
{
	if (n->refusal_logged_ms && n->now_ms - n->refusal_logged_ms < LOG_EVERY_MS)
		return;
	n->refusal_logged_ms = n->now_ms;
	net_log(n, LOG_WARNING, "refusing connections: %s", what);
}

/*
 * Tell a peer why it is refused, before it has said anything.  It may only read the answer once its
 * request is out, so the socket is kept a moment where there are descriptors for it (`s`).
 */
static void refuse(struct net *n, struct sock *s, int fd, int code, const char *text)
{
	struct err e;
	struct buf out;
	char scratch[1024];

	n->counters->refused++;
	buf_init(&out, 4096);
	(void)err_set(&e, code, "%s", text);
	http_refuse(&e, NULL, &out);
	/* Best effort in both: there is nothing to be done for a peer that is gone already. */
	(void)recv(fd, scratch, sizeof scratch, MSG_DONTWAIT);
	if (!out.error)
		(void)send(fd, out.p, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_release(&out);
	if (!s)
		return;
	if (n->lingering >= LINGERING_MAX) {
		sock_close(s, false);
		return;
	}
	n->lingering++;
	s->lingering = true;
	sock_finish(s, true);
}

/* A connection was accepted: make it a socket, or tell it why not. */
static void admit(struct net *n, const struct net_listener *l, int fd,
                  const struct sockaddr_in6 *peer)
{
	int64_t max = n->limits->sockets;
	int64_t open = (int64_t)(n->slots_len - n->lingering) - (l->at.local ? LOCAL_SOCKETS : 0);
	struct sock *s = NULL;
	int rc = sock_open(&s, n, l, fd, peer);

	if (rc) {
		n->counters->refused++;
		log_refusal(n, err_row(rc)->text);
		return;
	}
	rc = address_take(n, s);
	if (max > 0 && open >= max) {
		log_refusal(n, "limit sockets is reached");
		rc = ERR_SERVER_FULL;
	}
	if (rc == 0) {
		n->counters->accepted++;
		return;
	}
	if (s->tls) {
		n->counters->refused++;
		sock_close(s, false);
	} else if (rc == ERR_TOO_MANY_SOCKETS) {
		refuse(n, s, fd, rc, err_row(rc)->text);
	} else {
		refuse(n, s, fd, rc, "the server has no room for more connections");
	}
}

void net_accept(struct net *n)
{
	for (int i = 0; i < n->listeners_len && n->accepting; i++)
		(void)uv_poll_start(&n->listeners[i]->poll, UV_READABLE,
		                    net_on_connection); /* as before */
}

static void on_back_off(uv_timer_t *timer)
{
	net_accept(timer->data);
}

/* The kernel has run out of something: to ask again at once would only spin. */
static void back_off(struct net *n)
{
	for (int i = 0; i < n->listeners_len; i++)
		(void)uv_poll_stop(&n->listeners[i]->poll);              /* cannot fail */
	(void)uv_timer_start(&n->back_off, on_back_off, BACK_OFF_MS, 0); /* cannot fail */
}

/*
 * Out of descriptors, a connection can be neither accepted nor refused, and its listener stays
 * readable.  With the one kept in reserve it is told what is the matter and closed.
 */
static bool refuse_with_reserve(struct net *n, const struct net_listener *l)
{
	int fd = -1;

	if (n->reserve_fd >= 0)
		(void)close(n->reserve_fd); /* it is /dev/null */
	fd = accept4(l->at.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		if (l->at.local || !n->tls)
			refuse(n, NULL, fd, ERR_SERVER_FULL,
			       "the server is out of file descriptors");
		else
			n->counters->refused++;
		(void)close(fd); /* what was sent is on its way */
	}
	n->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}

void net_on_connection(uv_poll_t *poll, int status, int events)
{
	struct net_listener *l = (struct net_listener *)poll;
	struct net *n = l->net;

	(void)status; /* accept4 tells what is wrong */
	(void)events;
	(void)net_now(n);
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof peer;
		int fd = accept4(l->at.fd, (struct sockaddr *)&peer, &len,
		                 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			admit(n, l, fd, (const struct sockaddr_in6 *)(const void *)&peer);
		} else if (errno == EMFILE || errno == ENFILE) {
			log_refusal(n, strerror(errno));
			if (!refuse_with_reserve(n, l)) {
				back_off(n);
				return;
			}
		} else if (errno == ENOBUFS || errno == ENOMEM) {
			log_refusal(n, strerror(errno));
			back_off(n);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
		/* Anything else is the trouble of one peer that has gone again. */
	}
}

/* ---- listeners ------------------------------------------------------------------------------ */

static int add_listener(struct net *n, struct listen_socket at, struct err *e)
{
	struct net_listener *l = calloc(1, sizeof *l), **all = NULL;
	int rc = 0;

	all = realloc(n->listeners, ((size_t)n->listeners_len + 1) * sizeof(struct net_listener *));
	if (all)
		n->listeners = all;
	if (!l || !all) {
		free(l);
		listen_close(&at);
		return err_set(e, ERR_NOMEM, NULL);
	}
	l->net = n;
	l->at = at;
	rc = uv_poll_init(n->loop, &l->poll, at.fd);
	if (rc) {
		rc = err_set(e, ERR_IO, "cannot watch %s: %s", at.address, uv_strerror(rc));
		listen_close(&at);
		free(l);
		return rc;
	}
	listen_tune(&at, n->limits->ping_seconds);
	n->listeners[n->listeners_len++] = l;
	return 0;
}

static int open_listed(struct net *n, const char *list, struct err *e)
{
	char address[LISTEN_ADDRESS_MAX];
	struct listen_socket at;
	int rc = 0;

	while (rc == 0 && *(list += strspn(list, ", \t"))) {
		size_t len = strcspn(list, ", \t");

		if (len >= sizeof address)
			return err_set(e, ERR_CONFIG, "listen: %.40s... is too long", list);
		memcpy(address, list, len);
		address[len] = '\0';
		list += len;
		rc = listen_tcp(&at, address, e);
		if (rc == 0)
			rc = add_listener(n, at, e);
	}
	return rc;
}

int net_open_listeners(struct net *n, int inherited, struct err *e)
{
	const struct conf *c = n->conf;
	struct listen_socket at;
	bool tcp = false, local = false;
	int rc = 0;

	for (int i = 0; i < inherited && rc == 0; i++) {
		rc = listen_inherited(&at, LISTEN_FDS_START + i, e);
		if (rc)
			break;
		local |= at.local;
		tcp |= !at.local;
		rc = add_listener(n, at, e);
	}
	if (rc == 0 && !local && c->socket && *c->socket && strcmp(c->socket, "none") != 0) {
		rc = listen_unix(&at, c->socket, e);
		if (rc == 0)
			rc = add_listener(n, at, e);
	}
	if (rc == 0 && !tcp && c->listen && strcmp(c->listen, "none") != 0)
		rc = open_listed(n, c->listen, e);
	if (rc == 0 && n->listeners_len == 0)
		rc = err_set(e, ERR_CONFIG, "there is nothing to listen on");
	return rc;
}

void net_addresses(const struct net *n, struct buf *json)
{
	buf_putc(json, '[');
	for (int i = 0; i < n->listeners_len; i++) {
		const struct listen_socket *at = &n->listeners[i]->at;

		if (at->local)
			continue;
		json_comma(json);
		json_put_string(json, at->address, strlen(at->address));
	}
	buf_putc(json, ']');
}

const char *net_socket_path(const struct net *n)
{
	for (int i = 0; i < n->listeners_len; i++)
		if (n->listeners[i]->at.local)
			return n->listeners[i]->at.address;
	return NULL;
}

static void on_listener_closed(uv_handle_t *handle)
{
	free(handle); /* the listener: its poll comes first */
}

void net_close_listeners(struct net *n)
{
	for (int i = 0; i < n->listeners_len; i++) {
		struct net_listener *l = n->listeners[i];

		uv_close((uv_handle_t *)&l->poll, on_listener_closed);
		listen_close(&l->at);
	}
	n->listeners_len = 0;
	n->accepting = false;
}
