/* stdout: lines and bytes, and what becomes of them when nobody reads. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

enum { OUT_BYTES = 1 << 16 };

void tool_flush(struct tool *t)
{
	size_t at = 0;

	while (at < t->out_len) {
		ssize_t n = write(STDOUT_FILENO, t->out + at, t->out_len - at);

		if (n >= 0) {
			at += (size_t)n;
		} else if (errno == EPIPE) {
			_exit(0); /* the reader has all it wants */
		} else if (errno == EAGAIN) {
			struct pollfd fd = {STDOUT_FILENO, POLLOUT, 0};

			(void)poll(&fd, 1, -1); /* write tells what is wrong */
		} else if (errno != EINTR) {
			_exit(tool_complain(t, collab_exit_status(collab_code("io")),
			                    "cannot write to stdout: %s", strerror(errno)));
		}
	}
	t->out_len = 0;
}

void tool_put_bytes(struct tool *t, const void *bytes, size_t len)
{
	const char *p = bytes;

	if (!t->out)
		t->out = malloc(OUT_BYTES);
	if (!t->out)
		_exit(tool_complain(t, collab_exit_status(collab_code("out_of_memory")),
		                    "out of memory"));
	while (len) {
		size_t n = OUT_BYTES - t->out_len < len ? OUT_BYTES - t->out_len : len;

		memcpy(t->out + t->out_len, p, n);
		t->out_len += n;
		p += n;
		len -= n;
		if (t->out_len == OUT_BYTES)
			tool_flush(t);
	}
}

/*
 * JSON writers escape what is below U+0020 and leave U+007F to U+009F, some of which a terminal
 * obeys.  They can only stand within strings, where the escape means the same.  White space between
 * tokens may hold newlines, and a line is one object.
 */
void tool_put_json(struct tool *t, const char *json, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t from = 0;

	for (size_t i = 0; i < len; i++) {
		const unsigned char *p = (const unsigned char *)json + i;
		bool c1 = p[0] == 0xc2 && i + 1 < len && p[1] >= 0x80 && p[1] < 0xa0;
		unsigned char c = c1 ? p[1] : p[0];
		char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

		if (!c1 && c != 0x7f && c != '\n' && c != '\r')
			continue;
		tool_put_bytes(t, json + from, i - from);
		if (c1 || c == 0x7f)
			tool_put_bytes(t, escape, sizeof escape);
		i += c1;
		from = i + 1;
	}
	tool_put_bytes(t, json + from, len - from);
	tool_put_bytes(t, "\n", 1);
}

void tool_put_object(struct tool *t, const json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);

	if (!text)
		_exit(tool_complain(t, collab_exit_status(collab_code("out_of_memory")),
		                    "out of memory"));
	tool_put_json(t, text, strlen(text));
	free(text);
}
