/* Errors as the library's users see them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/client_int.h"

const char *collab_version(void)
{
	return COLLAB_VERSION;
}

int collab_exit_status(int code)
{
	return err_row(code)->exit_status;
}

int collab_code(const char *wire)
{
	return err_from_wire(wire);
}

int client_err(struct collab_err *e, const struct err *from)
{
	return client_fail(e, from->code, "%s",
	                   from->text[0] ? from->text : err_row(from->code)->text);
}

int client_fail(struct collab_err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return code;
	memset(e, 0, sizeof *e);
	e->code = code;
	(void)snprintf(e->wire, sizeof e->wire, "%s", err_row(code)->wire);
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof e->text, fmt, ap); /* a long sentence is cut */
	va_end(ap);
	return code;
}
