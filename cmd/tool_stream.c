/* The loop of the tools that stream: stdout that never blocks it, signals, the end. */
#include "tool_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	OUT_FULL = 1 << 20,
	OUT_DROP = 1 << 18,
	OUT_CHUNK = 4096, /* what a pipe that can be written takes without blocking */
	FAREWELL_MS = 1000,
	SIGNALLED_MS = 900, /* of the second that the alarm leaves */
	GONE_MS = 200,
	CONN_FDS = 8
};

/* Handlers have no argument of ours. */
static volatile sig_atomic_t caught;
static int wake[2] = {-1, -1};

int64_t stream_now_ms(void)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* every Linux has it */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- signals ---------------------------------------------------------------------------- */

static void die(void)
{
	(void)signal(caught, SIG_DFL); /* fails for no signal that is caught here */
	(void)raise(caught);
}

static void on_signal(int signo)
{
	int saved = errno;

	if (caught) { /* another one of them */
		caught = signo;
		die();
	}
	caught = signo;
	(void)!write(wake[1], "", 1); /* a full pipe wakes up too */
	(void)alarm(1);
	errno = saved;
}

static void on_alarm(int signo)
{
	(void)signo;
	die();
}

static void catch_signals(void)
{
	struct sigaction once = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	struct sigaction late = {.sa_handler = on_alarm}, old;
	const int signals[] = {SIGHUP, SIGINT, SIGTERM};

	/* These fail for want of descriptors only; then a signal ends the process by the alarm. */
	if (pipe(wake) == 0) {
		for (int i = 0; i < 2; i++) {
			(void)fcntl(wake[i], F_SETFL, O_NONBLOCK);
			(void)fcntl(wake[i], F_SETFD, FD_CLOEXEC);
		}
	}
	(void)sigaction(SIGALRM, &late, NULL);
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		(void)sigaction(signals[i], NULL, &old);
		if (old.sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &once, NULL);
	}
}

void stream_init(struct stream *s, struct tool *t)
{
	struct stat st;

	*s = (struct stream){.t = t};
	s->regular = fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode);
	catch_signals();
	tool_signalled(t); /* one that came just before is not lost */
}

/* ---- stdout ----------------------------------------------------------------------------- */

static _Noreturn void no_memory(const struct stream *s)
{
	_exit(tool_complain(s->t, collab_exit_status(collab_code("out_of_memory")),
	                    "out of memory"));
}

void stream_put(struct stream *s, const void *bytes, size_t len)
{
	if (s->mute)
		return;
	if (s->out_cap - s->out_len < len) {
		size_t cap = s->out_cap * 2 + len + OUT_CHUNK;
		char *more = realloc(s->out, cap);

		if (!more)
			no_memory(s);
		s->out = more;
		s->out_cap = cap;
	}
	if (len)
		memcpy(s->out + s->out_len, bytes, len);
	s->out_len += len;
}

/* How many bytes from here on go out as they are. */
static size_t plain(const char *p, size_t len)
{
	size_t i = 0;

	while (i < len && p[i] != '\n' && p[i] != '\r' && p[i] != 0x7f && p[i] != '\xc2')
		i++;
	return i;
}

void stream_put_json(struct stream *s, const char *json, size_t len)
{
	/* Characters that steer terminals stand within strings only, where an escape is the same.
	 */
	while (len > 0) {
		size_t n = plain(json, len);
		bool c1 = n + 1 < len && json[n] == '\xc2' && (unsigned char)json[n + 1] < 0xa0;
		char escape[8];

		if (n < len && json[n] == '\xc2' && !c1)
			n++; /* the first byte of a character like others */
		stream_put(s, json, n);
		json += n;
		len -= n;
		if (len == 0 || n > 0)
			continue;
		if (c1 || json[0] == 0x7f) {
			(void)snprintf(escape, sizeof escape, "\\u00%02x", (unsigned char)json[c1]);
			stream_put(s, escape, 6);
		}
		json += 1 + c1;
		len -= 1 + c1;
	}
	stream_put(s, "\n", 1);
}

void stream_put_object(struct stream *s, const json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	if (!text)
		no_memory(s);
	stream_put_json(s, text, strlen(text));
	free(text);
}

static size_t waiting(const struct stream *s)
{
	return s->out_len - s->out_at;
}

bool stream_full(const struct stream *s)
{
	return waiting(s) > OUT_FULL;
}

static void reader_gone(struct stream *s)
{
	s->out_at = s->out_len = 0;
	if (s->needs_no_reader)
		s->mute = true;
	else
		s->end = STREAM_READER_GONE;
}

static void write_failed(struct stream *s)
{
	s->out_at = s->out_len = 0;
	if (errno == EPIPE) {
		reader_gone(s);
		return;
	}
	(void)tool_complain(s->t, 0, "cannot write to stdout: %s", strerror(errno));
	s->end = STREAM_WRITE_ERROR;
}

/* Write as much as goes without blocking: who reads stdout slowly must not stop the connection. */
static void write_out(struct stream *s)
{
	while (waiting(s)) {
		struct pollfd fd = {STDOUT_FILENO, POLLOUT, 0};
		size_t max = s->regular || waiting(s) < OUT_CHUNK ? waiting(s) : OUT_CHUNK;
		ssize_t n;

		if (!s->regular && poll(&fd, 1, 0) <= 0)
			break; /* not now, or a signal came */
		n = write(STDOUT_FILENO, s->out + s->out_at, max);
		if (n >= 0)
			s->out_at += (size_t)n;
		else if (errno == EAGAIN || (errno == EINTR && caught))
			break;
		else if (errno != EINTR)
			write_failed(s);
	}
	if (s->out_at == s->out_len)
		s->out_at = s->out_len = 0;
	if (s->out_at >= OUT_DROP && s->out_at >= waiting(s)) {
		memmove(s->out, s->out + s->out_at, waiting(s));
		s->out_len -= s->out_at;
		s->out_at = 0;
	}
}

/* ---- waiting ---------------------------------------------------------------------------- */

static int until(int64_t until_ms)
{
	int64_t left = until_ms == INT64_MAX ? INT64_MAX : until_ms - stream_now_ms();

	return left <= 0 ? 0 : left < INT_MAX ? (int)left : until_ms == INT64_MAX ? -1 : INT_MAX;
}

static int sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

bool stream_wait(struct stream *s, int in_fd, int64_t until_ms)
{
	struct pollfd fds[3 + CONN_FDS];
	int timeout = until(until_ms), len = 3;

	if (s->end == STREAM_GOES_ON)
		write_out(s);
	if (s->end != STREAM_GOES_ON)
		return false;
	fds[0] = (struct pollfd){wake[0], POLLIN, 0};
	/* Without anything to write, the poll still tells when the reader goes. */
	fds[1] = (struct pollfd){s->mute ? -1 : STDOUT_FILENO, waiting(s) ? POLLOUT : 0, 0};
	fds[2] = (struct pollfd){in_fd, POLLIN, 0};
	if (s->c && !stream_full(s)) {
		len += collab_fds(s->c, fds + 3, CONN_FDS);
		timeout = sooner(timeout, collab_timeout(s->c));
	}
	if (poll(fds, (nfds_t)len, timeout) < 0)
		fds[1].revents = fds[2].revents = 0;
	if (caught)
		s->end = STREAM_SIGNAL;
	else if (fds[1].revents & (POLLERR | POLLHUP))
		reader_gone(s);
	return s->end == STREAM_GOES_ON &&
	       (fds[2].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL));
}

/* ---- the end ---------------------------------------------------------------------------- */

/* What stdout did not take yet: without a signal there is time for it, with one there is not. */
static void flush(struct stream *s)
{
	int64_t until_ms = caught ? stream_now_ms() + SIGNALLED_MS / 2 : INT64_MAX;

	write_out(s);
	while (waiting(s)) {
		struct pollfd fds[2] = {{STDOUT_FILENO, POLLOUT, 0}, {wake[0], POLLIN, 0}};

		if (poll(fds, caught ? 1 : 2, until(until_ms)) == 0)
			break;
		if (caught && until_ms == INT64_MAX)
			until_ms = stream_now_ms() + SIGNALLED_MS / 2;
		write_out(s);
	}
}

int stream_finish(struct stream *s, int status)
{
	int64_t begun_ms = stream_now_ms();

	if (s->end == STREAM_GOES_ON || s->end == STREAM_SIGNAL)
		flush(s);
	if (s->end == STREAM_READER_GONE)
		status = 0;
	if (s->end == STREAM_WRITE_ERROR)
		status = collab_exit_status(collab_code("io"));
	if (s->c) {
		int64_t left = caught ? begun_ms + SIGNALLED_MS - stream_now_ms()
		               : s->end == STREAM_READER_GONE ? GONE_MS
		                                              : FAREWELL_MS;

		(void)collab_close(s->c,
		                   left > 0 ? (int)left : 0); /* who does not answer is left */
	}
	collab_free(s->c);
	free(s->out);
	s->c = NULL;
	s->out = NULL;
	if (caught)
		die();
	return status;
}
