/* The error table's rows, and setting a struct err. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static const struct err_row rows[ERR_INDEX_MAX] = {
	[ERR_INDEX_NONE] = {"ok", 200, 0, false, "no error"},
#define X(name, wire, http, exit_status, retry, text)                                              \
	[ERR_INDEX_##name] = {wire, http, exit_status, retry, text},
	ERR_TABLE(X)
#undef X
};

const struct err_row *err_row(int code)
{
	if (code > 0 || code <= -ERR_INDEX_MAX)
		code = ERR_INTERNAL;
	return &rows[-code];
}

int err_from_wire(const char *wire)
{
	for (int i = 1; i < ERR_INDEX_MAX; i++)
		if (strcmp(rows[i].wire, wire) == 0)
			return -i;
	return 0;
}

static void __attribute__((format(printf, 4, 0)))
set(struct err *e, int code, const char *field, const char *fmt, va_list ap)
{
	e->code = code;
	(void)snprintf(e->field, sizeof e->field, "%s", field); /* cutting is meant */
	if (fmt)
		(void)vsnprintf(e->text, sizeof e->text, fmt, ap);
	else
		(void)snprintf(e->text, sizeof e->text, "%s", err_row(code)->text);
	e->field[utf8_prefix(e->field, strlen(e->field))] = '\0';
	e->text[utf8_prefix(e->text, strlen(e->text))] = '\0';
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return code;
	va_start(ap, fmt);
	set(e, code, "", fmt, ap);
	va_end(ap);
	return code;
}

int err_field(struct err *e, int code, const char *field, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return code;
	va_start(ap, fmt);
	set(e, code, field, fmt, ap);
	va_end(ap);
	return code;
}

void err_prefix(struct err *e, const char *fmt, ...)
{
	char text[sizeof e->text];
	va_list ap;
	int n = 0;

	if (!e || !e->code)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof text)
		(void)snprintf(text + n, sizeof text - (size_t)n, ": %s", e->text);
	text[utf8_prefix(text, strlen(text))] = '\0';
	memcpy(e->text, text, sizeof text);
}
