/* Reading: lines with a limit, whole files, text. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

enum { READ_BYTES = 1 << 16 };

void tool_lines_init(struct tool_lines *l, int fd)
{
	*l = (struct tool_lines){.fd = fd};
}

void tool_lines_release(struct tool_lines *l)
{
	free(l->buf);
	*l = (struct tool_lines){.fd = -1};
}

/* read(), but signals end the process and not the reading. */
static ssize_t read_some(struct tool *t, int fd, char *buf, size_t len)
{
	ssize_t n;

	tool_flush(t);
	do {
		tool_signalled(t);
		n = read(fd, buf, len);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* The newline of the line that buf begins with is at `at`, or the input ends there. */
static int take_line(struct tool_lines *l, size_t at, bool newline)
{
	l->line_len = l->too_long ? 0 : at;
	l->next = at + newline;
	l->buf[l->line_len] = '\0';
	l->number++;
	return 1;
}

int tool_lines_next(struct tool *t, struct tool_lines *l, struct collab_err *e)
{
	size_t seen = 0;

	if (!l->buf)
		l->buf = malloc(TOOL_LINE_MAX + READ_BYTES + 1);
	if (!l->buf)
		return tool_err(e, "out_of_memory", "out of memory");
	memmove(l->buf, l->buf + l->next, l->end - l->next);
	l->end -= l->next;
	l->next = 0;
	l->too_long = false;
	for (;;) {
		char *newline = memchr(l->buf + seen, '\n', l->end - seen);
		ssize_t n;

		if ((newline ? (size_t)(newline - l->buf) : l->end) > TOOL_LINE_MAX)
			l->too_long = true;
		if (newline)
			return take_line(l, (size_t)(newline - l->buf), true);
		if (l->too_long)
			l->end = 0; /* the rest of it is looked through, not kept */
		seen = l->end;
		n = read_some(t, l->fd, l->buf + l->end, l->bytewise ? 1 : READ_BYTES);
		if (n < 0)
			return tool_err(e, "io", "cannot read stdin: %s", strerror(errno));
		if (n == 0)
			return l->end || l->too_long ? take_line(l, l->end, false) : 0;
		l->end += (size_t)n;
	}
}

/* All that comes from a descriptor. */
static int read_whole(struct tool *t, int fd, const char *name, char **text, size_t *len,
                      struct collab_err *e)
{
	size_t size = 0;

	for (;;) {
		ssize_t n;

		if (size - *len < READ_BYTES) {
			char *more = realloc(*text, (size = 2 * size + READ_BYTES) + 1);

			if (!more)
				return tool_err(e, "out_of_memory", "out of memory");
			*text = more;
		}
		n = read_some(t, fd, *text + *len, READ_BYTES);
		if (n < 0)
			return tool_err(e, "io", "cannot read %s: %s", name, strerror(errno));
		if (n == 0)
			break;
		*len += (size_t)n;
		if (*len > TOOL_TEXT_MAX)
			return tool_err(e, "too_large", "%s has more than %d bytes", name,
			                (int)TOOL_TEXT_MAX);
	}
	(*text)[*len] = '\0';
	return 0;
}

int tool_read_all(struct tool *t, const char *file, char **text, size_t *len, struct collab_err *e)
{
	bool standard = !file || strcmp(file, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	int rc = 0;

	*text = NULL;
	*len = 0;
	if (fd < 0)
		return tool_err(e, "io", "cannot open %s: %s", file, strerror(errno));
	rc = read_whole(t, fd, standard ? "stdin" : file, text, len, e);
	if (!standard)
		(void)close(fd); /* it was only read */
	if (rc) {
		free(*text);
		*text = NULL;
	}
	return rc;
}

int tool_text(const char *text, size_t len, const char *name, json_t **out, struct collab_err *e)
{
	int line = 1;

	*out = NULL;
	if (memchr(text, '\0', len))
		return tool_err(e, "bad_utf8", "%s holds a NUL, which no text has", name);
	*out = json_stringn(text, len); /* it takes strict UTF-8 only */
	if (*out)
		return 0;
	for (size_t at = 0; at < len; line++) {
		const char *newline = memchr(text + at, '\n', len - at);
		size_t n = newline ? (size_t)(newline - text) - at + 1 : len - at;
		json_t *part = json_stringn(text + at, n);

		if (!part)
			return tool_err(e, "bad_utf8", "%s is not valid UTF-8 in line %d", name,
			                line);
		json_decref(part);
		at += n;
	}
	return tool_err(e, "out_of_memory", "out of memory");
}
