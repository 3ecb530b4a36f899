/* A seq, a time, or how long ago. */
#include "tool_when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SEQ_DIGITS = 18, TIME_LEN_MIN = 20, TIME_LEN_MAX = 40 };

bool tool_is_seq(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= SEQ_DIGITS && strspn(text, "0123456789") == len;
}

/* "1h30m" in seconds; -1: no duration. */
static int64_t duration(const char *text)
{
	static const char units[] = "smhdw";
	static const int64_t seconds[] = {1, 60, 3600, 86400, 604800};
	int64_t sum = 0;

	if (!*text)
		return -1;
	while (*text) {
		size_t digits = strspn(text, "0123456789");
		const char *unit = text[digits] ? strchr(units, text[digits]) : NULL;

		if (digits == 0 || digits > 9 || !unit)
			return -1;
		sum += strtoll(text, NULL, 10) * seconds[unit - units];
		text += digits + 1;
	}
	return sum;
}

int tool_when_wrong(const char *name, const char *text, struct collab_err *e)
{
	return tool_err(e, "usage",
	                "%s wants a seq, a time (2024-01-15T10:30:00Z) or how long ago (10m), "
	                "not \"%s\"",
	                name, text);
}

int tool_when(const char *name, const char *text, char out[TOOL_WHEN_BYTES], struct collab_err *e)
{
	int64_t ago = duration(text);
	time_t when = time(NULL) - (time_t)ago;
	size_t len = strlen(text);
	struct tm tm = {0};

	if (ago < 0 && !tool_is_seq(text) &&
	    (len < TIME_LEN_MIN || len > TIME_LEN_MAX || !strpbrk(text, "Tt ")))
		return tool_when_wrong(name, text, e);
	if (ago < 0) {
		(void)snprintf(out, TOOL_WHEN_BYTES, "%s", text); /* it fits */
		return 0;
	}
	if (!gmtime_r(&when, &tm) || tm.tm_year < -1900 ||
	    strftime(out, TOOL_WHEN_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm) != TIME_LEN_MIN)
		return tool_err(e, "usage", "%s: %s is too long ago", name, text);
	return 0;
}
