/* Words for people: text that steers no terminal, times as one says them. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pmr.h"

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR, MONTH = 30 * DAY, YEAR = 365 * DAY };

/* How many bytes at p steer a terminal, or turn text around on it (UAX #9); 0: none do. */
static size_t steers(const unsigned char *p, size_t left)
{
	if (*p < 0x20 || *p == 0x7f)
		return 1;
	if (left >= 2 && p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
		return 2;
	if (left < 3 || p[0] != 0xe2)
		return 0;
	return (p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
	                       (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)
	               ? 3
	               : 0;
}

char *pmr_clean(const char *text, size_t len, bool one_line)
{
	char *out = malloc(len + 1), *to = out;

	for (size_t i = 0; out && i < len;) {
		const unsigned char *p = (const unsigned char *)text + i;
		size_t n = steers(p, len - i);

		if (n == 0 || (!one_line && (*p == '\n' || *p == '\t')))
			*to++ = (char)*p;
		else if (*p == '\n' || *p == '\t')
			*to++ = ' ';
		i += n ? n : 1;
	}
	if (out)
		*to = '\0';
	return out;
}

/* Seconds since 1970; -1: no time. */
static time_t seconds_of(const char *timestamp)
{
	struct tm tm = {0};
	int n = 0;

	if (sscanf(timestamp, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
	           &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &n) != 6 ||
	    n != 19)
		return -1;
	/* The days from 1970 on in the civil calendar; March is the first month of its year. */
	int64_t year = tm.tm_year - (tm.tm_mon <= 2), era = year / 400, of_era = year % 400;
	int64_t day = (153 * ((tm.tm_mon + 9) % 12) + 2) / 5 + tm.tm_mday - 1;

	day += of_era * 365 + of_era / 4 - of_era / 100 + era * 146097 - 719468;
	return (time_t)(day * DAY + tm.tm_hour * HOUR + tm.tm_min * MINUTE + tm.tm_sec);
}

void pmr_ago(const char *timestamp, char *out, size_t size)
{
	static const struct {
		long long from, unit;
		const char *name;
	} rows[] = {
		{2 * YEAR, YEAR, "years"}, {2 * MONTH, MONTH, "months"}, {2 * DAY, DAY, "days"},
		{2 * HOUR, HOUR, "h"},     {2 * MINUTE, MINUTE, "min"},  {1, 1, "s"},
	};
	time_t then = seconds_of(timestamp);
	long long away = (long long)time(NULL) - (long long)then;
	long long n = away < 0 ? -away : away;

	if (then < 0) {
		(void)snprintf(out, size, "%s", timestamp);
		return;
	}
	(void)snprintf(out, size, "now");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (n < rows[i].from)
			continue;
		(void)snprintf(out, size, "%s%lld %s%s", away < 0 ? "in " : "", n / rows[i].unit,
		               rows[i].name, away < 0 ? "" : " ago");
		return;
	}
}

bool pmr_is_time(const char *name)
{
	size_t len = strlen(name);

	return (len > 3 && strcmp(name + len - 3, "_at") == 0) ||
	       strcmp(name, "last_activity") == 0 || strcmp(name, "timestamp") == 0;
}

void pmr_clock(const char *timestamp, char *out, size_t size)
{
	time_t when = seconds_of(timestamp);
	struct tm tm;

	out[0] = '\0';
	if (when >= 0 && localtime_r(&when, &tm))
		(void)strftime(out, size, "%H:%M:%S", &tm); /* eight letters fit */
}
