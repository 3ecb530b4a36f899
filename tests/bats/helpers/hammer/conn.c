/* Connections: making them, their frames, and the loop that serves them. */
#include "hammer.h"

void watch(struct client *c)
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
void down(struct client *c, bool for_good)
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

int make_socket(const struct client *c)
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

void dial(struct client *c)
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

void send_frame(struct client *c, unsigned op, const char *p, size_t len)
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

void transmit(struct client *c)
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

bool ended_unread(const struct client *c)
{
	return !c->reads && c->close_code == 1;
}

static void by_time(struct client *c, int64_t now)
{
	if (c->phase == DOWN && now >= c->retry_ms)
		dial(c);
	if (c->kind != DRIP) {
		if (c->phase == OPEN && c->kind <= FLOOD) {
			write_on(c);
			transmit(c);
			watch(c);
		}
		return;
	}
	if (c->settled_in && now < c->next_ms)
		return;
	c->next_ms = now + c->o.every_ms;
	for (int i = 0; i < c->o.bytes && c->fd >= 0 && c->phase > CONNECTING; i++)
		receive(c, c->settled_in ? 1 : READ_BYTES);
	if (c->fd >= 0) {
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
void turn(void)
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
