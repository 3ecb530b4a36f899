/*
 * wsclient: a WebSocket by hand, for tests.  It shares no code with the project: what the daemon
 * says is judged by a second reading of RFC 6455.
 *
 * usage: wsclient (-s SOCKET | -t HOST:PORT) [-H HEADER]... [-n COUNT] [-u TYPE] [-W SECONDS]
 *TARGET
 *
 * stdout, one line each and flushed:
 *	#open [SUBPROTOCOL]        the handshake is done
 *	#http STATUS, then BODY    or it was refused
 *	{...}                      a message
 *	#pong TEXT                 the answer to `ping`
 *	#close CODE REASON         the peer's close frame (1005: without a code)
 *	#eof                       the connection ended without one
 *	#bad WHY                   the peer broke the protocol
 *
 * stdin, one command a line:
 *	{...}  or  text REST       a text message
 *	frame [op=N] [fin=0] [rsv=N] [mask=0] [len=N] [file=F | hex=H | fill=N | text=REST]
 *	                           one frame of any shape; len announces another length than it has
 *	bytes HEX                  bytes as they are
 *	ping REST
 *	close [CODE [REASON]]      a close frame; the end comes when it is answered
 *	drop                       end at once, without a word
 * At the end of stdin: close 1000, unless -n or -u say what to wait for.
 *
 * -n: done after so many messages; -u: after a message of this type; -W: at most so long (60 s).
 * Exit status: 0 done; 1 refused; 2 usage; 3 the peer ended first; 4 #bad; 124 too long.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { DONE = 0, REFUSED = 1, USAGE = 2, ENDED = 3, BAD = 4, LATE = 124 };
enum { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10 };

struct bytes {
	char *p;
	size_t len, cap;
};

struct client {
	int fd;
	struct bytes in, out, lines, message;
	bool open, closing, stdin_ended;
	int opcode; /* of the message under way */
	long count; /* -n; 0: not given */
	const char *until;
	char key[32];
	int status; /* -1: go on */
};

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fputs("wsclient: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	exit(USAGE);
}

static void put(struct bytes *b, const void *p, size_t len)
{
	if (b->cap - b->len < len) {
		b->cap = (b->len + len) * 2;
		b->p = realloc(b->p, b->cap);
		if (!b->p)
			die("out of memory");
	}
	if (len)
		memcpy(b->p + b->len, p, len);
	b->len += len;
}

static void drop_front(struct bytes *b, size_t len)
{
	memmove(b->p, b->p + len, b->len - len);
	b->len -= len;
}

/* One line of output. */
static void say(const char *head, const char *p, size_t len)
{
	(void)fputs(head, stdout);
	(void)fwrite(p, 1, len, stdout);
	(void)fputc('\n', stdout);
	if (fflush(stdout))
		exit(USAGE);
}

static void bad(struct client *c, const char *why)
{
	say("#bad ", why, strlen(why));
	c->status = BAD;
}

/* ---- what is sent -----------------------------------------------------------------------------
 */

struct frame {
	unsigned op, fin, rsv, mask;
	bool other_len;
	uint64_t len;
};

static void send_frame(struct client *c, const struct frame *f, const char *p, size_t len)
{
	uint64_t told = f->other_len ? f->len : len;
	unsigned char head[14], mask[4] = {0};
	size_t n = 0, at = 0;

	head[n++] = (unsigned char)(f->fin << 7 | f->rsv << 4 | f->op);
	if (told < 126) {
		head[n++] = (unsigned char)(f->mask << 7 | told);
	} else {
		int bytes = told < 65536 ? 2 : 8;

		head[n++] = (unsigned char)(f->mask << 7 | (bytes == 2 ? 126 : 127));
		for (int i = bytes - 1; i >= 0; i--)
			head[n++] = (unsigned char)(told >> (8 * i));
	}
	put(&c->out, head, n);
	if (f->mask) {
		if (getrandom(mask, 4, 0) != 4)
			die("no randomness");
		put(&c->out, mask, 4);
	}
	at = c->out.len;
	put(&c->out, p, len);
	for (size_t i = 0; i < len; i++)
		c->out.p[at + i] = (char)(c->out.p[at + i] ^ mask[i % 4]);
}

static void send_whole(struct client *c, unsigned op, const char *p, size_t len)
{
	struct frame f = {.op = op, .fin = 1, .mask = 1};

	send_frame(c, &f, p, len);
}

static void send_close(struct client *c, unsigned code, const char *reason)
{
	char payload[128] = {(char)(code >> 8), (char)code};
	size_t len = strlen(reason);

	if (len > sizeof payload - 2)
		len = sizeof payload - 2;
	memcpy(payload + 2, reason, len);
	send_whole(c, CLOSE, payload, code ? len + 2 : 0);
	c->closing = true;
}

static int hex_value(char h)
{
	return h >= '0' && h <= '9' ? h - '0' : h >= 'a' && h <= 'f' ? h - 'a' + 10 : -1;
}

static void put_hex(struct bytes *b, const char *hex)
{
	for (; hex[0] && hex[0] != ' ' && hex[1]; hex += 2) {
		int high = hex_value(hex[0]), low = hex_value(hex[1]);
		char byte = (char)(high << 4 | low);

		if (high < 0 || low < 0)
			die("not hex: %s", hex);
		put(b, &byte, 1);
	}
}

static void put_file(struct bytes *b, const char *path)
{
	char part[65536];
	ssize_t n = 0;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	while ((n = read(fd, part, sizeof part)) > 0)
		put(b, part, (size_t)n);
	(void)close(fd);
}

static void put_fill(struct bytes *b, long n)
{
	for (long i = 0; i < n; i++)
		put(b, "x", 1);
}

/* The words of a `frame` line. */
static void frame_command(struct client *c, char *words)
{
	struct frame f = {.op = TEXT, .fin = 1, .mask = 1};
	struct bytes payload = {0};

	while (*(words += strspn(words, " "))) {
		size_t len = strcspn(words, " ");
		char *next = words + len + (words[len] == ' ');
		char *value = strchr(words, '=');

		if (!value++)
			die("frame: %s", words);
		if (strncmp(words, "text=", 5) == 0) {
			put(&payload, value, strlen(value));
			break;
		}
		words[len] = '\0';
		if (strncmp(words, "op=", 3) == 0)
			f.op = (unsigned)atoi(value);
		else if (strncmp(words, "fin=", 4) == 0)
			f.fin = (unsigned)atoi(value);
		else if (strncmp(words, "rsv=", 4) == 0)
			f.rsv = (unsigned)atoi(value);
		else if (strncmp(words, "mask=", 5) == 0)
			f.mask = (unsigned)atoi(value);
		else if (strncmp(words, "hex=", 4) == 0)
			put_hex(&payload, value);
		else if (strncmp(words, "file=", 5) == 0)
			put_file(&payload, value);
		else if (strncmp(words, "fill=", 5) == 0)
			put_fill(&payload, atol(value));
		else if (strncmp(words, "len=", 4) == 0)
			f.other_len = true, f.len = strtoull(value, NULL, 10);
		else
			die("frame: %s", words);
		words = next;
	}
	send_frame(c, &f, payload.p, payload.len);
	free(payload.p);
}

static void command(struct client *c, char *line)
{
	char *rest = line + strcspn(line, " ");
	unsigned code = 0;

	if (*line == '{') {
		send_whole(c, TEXT, line, strlen(line));
		return;
	}
	if (*rest)
		*rest++ = '\0';
	if (strcmp(line, "text") == 0) {
		send_whole(c, TEXT, rest, strlen(rest));
	} else if (strcmp(line, "frame") == 0) {
		frame_command(c, rest);
	} else if (strcmp(line, "bytes") == 0) {
		put_hex(&c->out, rest);
	} else if (strcmp(line, "ping") == 0) {
		send_whole(c, PING, rest, strlen(rest));
	} else if (strcmp(line, "close") == 0) {
		code = (unsigned)strtoul(rest, &rest, 10);
		send_close(c, code, rest + strspn(rest, " "));
	} else if (strcmp(line, "drop") == 0) {
		c->status = DONE;
	} else {
		die("unknown command: %s", line);
	}
}

/* What stdin has to say, once the handshake is done. */
static void run_lines(struct client *c)
{
	char *end = NULL;

	while (c->open && c->status < 0 && c->lines.len &&
	       (end = memchr(c->lines.p, '\n', c->lines.len))) {
		*end = '\0';
		command(c, c->lines.p);
		drop_front(&c->lines, (size_t)(end + 1 - c->lines.p));
	}
	if (c->open && c->stdin_ended && !c->closing && !c->count && !c->until)
		send_close(c, 1000, "");
}

/* ---- what comes -------------------------------------------------------------------------------
 */

static bool has_type(const struct bytes *m, const char *type)
{
	char want[128];
	size_t n = (size_t)snprintf(want, sizeof want, "\"type\":\"%s\"", type);

	for (size_t i = 0; i + n <= m->len; i++)
		if (memcmp(m->p + i, want, n) == 0)
			return true;
	return false;
}

static void message(struct client *c)
{
	if (c->message.len && memchr(c->message.p, '\n', c->message.len)) {
		bad(c, "a line break in a message");
		return;
	}
	say("", c->message.p, c->message.len);
	if ((c->count && --c->count == 0) || (c->until && has_type(&c->message, c->until)))
		c->status = DONE;
	c->message.len = 0;
}

static void control(struct client *c, unsigned op, const char *p, size_t len)
{
	char text[160];
	unsigned code = 1005;

	if (op == PING) {
		send_whole(c, PONG, p, len);
	} else if (op == PONG) {
		say("#pong ", p, len);
	} else {
		if (len >= 2)
			code = (unsigned)(unsigned char)p[0] << 8 | (unsigned char)p[1];
		(void)snprintf(text, sizeof text, "#close %u ", code);
		say(text, p + (len >= 2 ? 2 : 0), len >= 2 ? len - 2 : 0);
		if (!c->closing)
			send_whole(c, CLOSE, p, len >= 2 ? 2 : 0);
		/* The answer is given time: run() ends when it is out. */
		c->status = c->closing ? DONE : ENDED;
	}
}

/* One frame from the front of what came; false when it is not all there. */
static bool next_frame(struct client *c)
{
	const unsigned char *h = (const unsigned char *)c->in.p;
	size_t head = 2;
	uint64_t len = 0;
	unsigned op = 0;

	if (c->in.len < 2)
		return false;
	op = h[0] & 15;
	len = h[1] & 127;
	if (len >= 126) {
		int bytes = len == 126 ? 2 : 8;

		if (c->in.len < 2 + (size_t)bytes)
			return false;
		for (len = 0; bytes > 0; bytes--)
			len = len << 8 | h[head++];
		if (len < (head == 4 ? 126U : 65536U))
			bad(c, "a length that is not the shortest");
	}
	if (h[1] & 128)
		bad(c, "a masked frame");
	if (h[0] & 112)
		bad(c, "reserved bits");
	if (op >= 8 && (len > 125 || !(h[0] & 128)))
		bad(c, "a control frame that is too long or fragmented");
	if (op != 0 && op != TEXT && op < 8)
		bad(c, "neither text nor control");
	if (op < 8 && (op == 0) != (c->opcode != 0))
		bad(c, "a continuation of nothing, or a message within another");
	if (c->status >= 0 || c->in.len - head < len)
		return false;
	if (op >= 8) {
		control(c, op, c->in.p + head, (size_t)len);
	} else {
		put(&c->message, c->in.p + head, (size_t)len);
		c->opcode = h[0] & 128 ? 0 : TEXT;
		if (!c->opcode)
			message(c);
	}
	drop_front(&c->in, head + (size_t)len);
	return true;
}

/* ---- handshake --------------------------------------------------------------------------------
 */

static void request(struct client *c, const char *target, char **headers, int len)
{
	unsigned char random[16];
	char head[8192];
	int n = 0;

	if (getrandom(random, sizeof random, 0) != sizeof random)
		die("no randomness");
	(void)EVP_EncodeBlock((unsigned char *)c->key, random, sizeof random);
	n = snprintf(head, sizeof head,
	             "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
	             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	             "Sec-WebSocket-Key: %s\r\n",
	             target, c->key);
	if (n < 0 || (size_t)n >= sizeof head)
		die("the target is too long");
	put(&c->out, head, (size_t)n);
	for (int i = 0; i < len; i++) {
		put(&c->out, headers[i], strlen(headers[i]));
		put(&c->out, "\r\n", 2);
	}
	put(&c->out, "\r\n", 2);
}

/* A header of the answer (of which `head` is the text), or "". */
static void header(const char *head, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);

	*out = '\0';
	for (const char *p = strstr(head, "\r\n"); p; p = strstr(p + 2, "\r\n"))
		if (strncasecmp(p + 2, name, n) == 0 && p[2 + n] == ':')
			(void)snprintf(out, size, "%.*s", (int)strcspn(p + 4 + n, "\r"), p + 4 + n);
}

static bool accepted(const struct client *c, const char *head)
{
	char text[96], want[64], got[64];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	(void)snprintf(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", c->key);
	if (!EVP_Digest(text, strlen(text), digest, &len, EVP_sha1(), NULL))
		die("no SHA-1");
	(void)EVP_EncodeBlock((unsigned char *)want, digest, (int)len);
	header(head, "Sec-WebSocket-Accept", got, sizeof got);
	return strcmp(got, want) == 0;
}

/* The answer's head, if all of it (and of the body of a refusal) is there. */
static void handshake(struct client *c, bool eof)
{
	char *end = NULL, value[256], head_line[32];
	size_t head = 0, body = 0;

	put(&c->in, "", 1);
	c->in.len--;
	end = strstr(c->in.p, "\r\n\r\n");
	if (!end)
		return;
	end[2] = '\0';
	head = (size_t)(end + 4 - c->in.p);
	if (strncmp(c->in.p, "HTTP/1.1 101 ", 13) == 0) {
		if (!accepted(c, c->in.p))
			bad(c, "Sec-WebSocket-Accept");
		header(c->in.p, "Sec-WebSocket-Protocol", value, sizeof value);
		say("#open ", value, strlen(value));
		c->open = true;
		drop_front(&c->in, head);
		return;
	}
	header(c->in.p, "Content-Length", value, sizeof value);
	body = (size_t)strtoul(value, NULL, 10);
	end[2] = '\r';
	if (c->in.len - head < body && !eof)
		return;
	(void)snprintf(head_line, sizeof head_line, "#http %.3s", c->in.p + 9);
	say(head_line, "", 0);
	say("", c->in.p + head, c->in.len - head);
	c->status = REFUSED;
}

/* ---- the world --------------------------------------------------------------------------------
 */

static int connect_unix(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(path) >= sizeof at.sun_path)
		die("%s: too long", path);
	strcpy(at.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at))
		die("%s: %s", path, strerror(errno));
	return fd;
}

static int connect_tcp(char *address)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	char *port = strrchr(address, ':');
	int fd = -1;

	if (!port)
		die("%s: no port", address);
	*port++ = '\0';
	if (getaddrinfo(address, port, &hints, &found))
		die("%s: no such address", address);
	fd = socket(found->ai_family, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen))
		die("%s: %s", address, strerror(errno));
	freeaddrinfo(found);
	return fd;
}

static void flush(struct client *c)
{
	while (c->out.len) {
		ssize_t n = send(c->fd, c->out.p, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			n = (ssize_t)c->out.len; /* what the peer still has to say is read */
		drop_front(&c->out, (size_t)n);
	}
}

static void receive(struct client *c)
{
	char part[65536];
	ssize_t n = recv(c->fd, part, sizeof part, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		put(&c->in, part, (size_t)n);
	if (!c->open)
		handshake(c, n <= 0);
	while (c->open && c->status < 0 && next_frame(c))
		;
	if (n <= 0 && c->status < 0) {
		say("#eof", "", 0);
		c->status = ENDED;
	}
}

static void read_stdin(struct client *c)
{
	char part[65536];
	ssize_t n = read(STDIN_FILENO, part, sizeof part);

	if (n > 0)
		put(&c->lines, part, (size_t)n);
	c->stdin_ended = n <= 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int run(struct client *c, int64_t end_ms)
{
	while (c->status < 0) {
		struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN},
		                      {.fd = c->stdin_ended ? -1 : STDIN_FILENO, .events = POLLIN}};
		int64_t left = end_ms - now_ms();

		if (c->out.len)
			p[0].events |= POLLOUT;
		if (left <= 0)
			return LATE;
		if (poll(p, 2, (int)left) < 0)
			continue;
		if (p[0].revents & (POLLIN | POLLHUP | POLLERR))
			receive(c);
		if (p[1].revents && c->status < 0)
			read_stdin(c);
		if (c->status < 0)
			run_lines(c);
		flush(c);
	}
	return c->status;
}

int main(int argc, char **argv)
{
	struct client c = {.fd = -1, .status = -1};
	char *headers[32];
	int headers_len = 0, option = 0;
	int64_t seconds = 60;

	(void)signal(SIGPIPE, SIG_IGN);
	while ((option = getopt(argc, argv, "s:t:H:n:u:W:")) != -1) {
		if (option == 's')
			c.fd = connect_unix(optarg);
		else if (option == 't')
			c.fd = connect_tcp(optarg);
		else if (option == 'H' && headers_len < 32)
			headers[headers_len++] = optarg;
		else if (option == 'n')
			c.count = atol(optarg);
		else if (option == 'u')
			c.until = optarg;
		else if (option == 'W')
			seconds = atol(optarg);
		else
			die("see the top of its source");
	}
	if (c.fd < 0 || optind != argc - 1)
		die("see the top of its source");
	request(&c, argv[optind], headers, headers_len);
	flush(&c);
	option = run(&c, now_ms() + seconds * 1000);
	free(c.in.p);
	free(c.out.p);
	free(c.lines.p);
	free(c.message.p);
	return option;
}
