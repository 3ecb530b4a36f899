/* A tool's life: its descriptors, its options, its verb, its end; and what it says to people. */
#include "tool.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SENTENCE_BYTES = 1024, EXIT_USAGE = 64 };

/*
 * Descriptors 0 to 2 that are closed would become sockets, and what is meant for stdout would go to
 * the server.  They are opened the wrong way around, so that using them fails as it should.
 */
static void open_standard(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY); /* it may fail */
}

int tool_main(const struct tool_spec *spec, int argc, char **argv)
{
	const char *debug = getenv("PMR_DEBUG");
	struct tool t = {.spec = spec};
	int status;

	open_standard();
	tool_signals();
	t.verbose = debug && *debug;
	status = tool_parse(&t, argc, argv);
	if (status < 0)
		status = t.verb->run(&t);
	tool_flush(&t);
	tool_signalled(&t);
	collab_config_free(t.config);
	free(t.operands);
	free(t.given);
	free(t.out);
	return status;
}

/* Text that came from elsewhere must not steer the terminal: C0, DEL and C1 become '?'. */
static void strip_controls(char *text)
{
	unsigned char *p = (unsigned char *)text;

	for (; *p; p++) {
		if (*p < 0x20 || *p == 0x7f) {
			*p = '?';
		} else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
			*p++ = '?';
			*p = '?';
		}
	}
}

static void say(const struct tool *t, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void say(const struct tool *t, const char *fmt, va_list ap)
{
	char text[SENTENCE_BYTES];

	(void)vsnprintf(text, sizeof text, fmt, ap); /* a long sentence is cut */
	strip_controls(text);
	/* There is nobody to tell that stderr is gone. */
	(void)fprintf(stderr, "%s: %s\n", t->spec->name, text);
}

int tool_complain(const struct tool *t, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!t->quiet)
		say(t, fmt, ap);
	va_end(ap);
	return status;
}

int tool_usage(const struct tool *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(t, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "try '%s --help'\n", t->spec->name);
	return EXIT_USAGE;
}

int tool_fail(const struct tool *t, const struct collab_err *e)
{
	int status = collab_exit_status(e->code);

	return status == EXIT_USAGE ? tool_usage(t, "%s", e->text)
	                            : tool_complain(t, status, "%s", e->text);
}

void tool_note(const struct tool *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (t->verbose && !t->quiet)
		say(t, fmt, ap);
	va_end(ap);
}

int tool_err(struct collab_err *e, const char *wire, const char *fmt, ...)
{
	va_list ap;

	*e = (struct collab_err){.code = collab_code(wire)};
	(void)snprintf(e->wire, sizeof e->wire, "%s", wire);
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof e->text, fmt, ap); /* a long sentence is cut */
	va_end(ap);
	return e->code;
}
