/* The log. */
#include "server/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

static const struct {
	const char *name;
	int priority; /* syslog(3) */
} levels[] = {
	[LOG_ERROR] = {"error", 3}, [LOG_WARNING] = {"warning", 4}, [LOG_NOTICE] = {"notice", 5},
	[LOG_INFO] = {"info", 6},   [LOG_DEBUG] = {"debug", 7},
};

bool log_to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev = 0, ino = 0;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(2, &st) == 0 &&
	       st.st_dev == dev && st.st_ino == ino;
}

/* How many bytes the control character at s has; 0 when it is none.  C1 is two bytes of UTF-8. */
static size_t control(const unsigned char *s)
{
	if (*s < ' ' || *s == 0x7f)
		return 1;
	return s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0 ? 2 : 0;
}

void log_line(const struct log *log, enum log_level level, const char *line)
{
	char out[LINE_MAX_BYTES];
	size_t len = 0;

	if (level > log->level)
		return;
	if (log->journal)
		len = (size_t)snprintf(out, sizeof out, "<%d>", levels[level].priority);
	else
		len = (size_t)snprintf(out, sizeof out, "collabd: %s: ", levels[level].name);
	for (const unsigned char *s = (const unsigned char *)line; *s && len < sizeof out - 1;) {
		size_t skip = control(s);

		if (skip == 0)
			out[len++] = (char)*s++;
		s += skip;
	}
	out[len++] = '\n';
	/* One write, so that lines stay whole.  There is nowhere to tell that it did not work. */
	if (write(2, out, len) < 0)
		return;
}

void log_printf(const struct log *log, enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;

	if (level > log->level)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof line, fmt, ap); /* a long line is cut */
	va_end(ap);
	log_line(log, level, line);
}
