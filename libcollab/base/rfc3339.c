/* RFC 3339 time stamps, with the days-from-civil arithmetic of the proleptic Gregorian calendar. */
#include "base/rfc3339.h"

#include <stdbool.h>
#include <string.h>

static int64_t days_from_civil(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void two_digits(char *p, uint32_t n)
{
	p[0] = (char)('0' + n / 10);
	p[1] = (char)('0' + n % 10);
}

void rfc3339_format(int64_t time_ms, char out[RFC3339_LEN + 1])
{
	int64_t day = (time_ms >= 0 ? time_ms : time_ms - 86399999) / 86400000;
	int64_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	uint32_t ms = (uint32_t)(time_ms - day * 86400000), doe = (uint32_t)(z - era * 146097);
	uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint32_t mp = (5 * doy + 2) / 153, m = mp < 10 ? mp + 3 : mp - 9;
	uint32_t year = (uint32_t)(era * 400 + yoe + (m <= 2)) % 10000;

	memcpy(out, "0000-00-00T00:00:00.000Z", RFC3339_LEN + 1);
	two_digits(out, year / 100);
	two_digits(out + 2, year % 100);
	two_digits(out + 5, m);
	two_digits(out + 8, doy - (153 * mp + 2) / 5 + 1);
	two_digits(out + 11, ms / 3600000);
	two_digits(out + 14, ms / 60000 % 60);
	two_digits(out + 17, ms / 1000 % 60);
	out[20] = (char)('0' + ms % 1000 / 100);
	two_digits(out + 21, ms % 100);
}

/* Exactly `width` digits at *p, moved on; -1 when there are others. */
static int number(const char **p, int width)
{
	int n = 0;

	for (; width; width--, (*p)++) {
		if (**p < '0' || **p > '9')
			return -1;
		n = n * 10 + (**p - '0');
	}
	return n;
}

static bool skip(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static bool date_valid(int y, int m, int d)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return y >= 0 && m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1] + (m == 2 && leap);
}

/* The offset at *p in minutes east of UTC; false when it is none. */
static bool offset(const char **p, int *minutes)
{
	int sign, h, m;

	*minutes = 0;
	if (skip(p, 'Z') || skip(p, 'z'))
		return true;
	if (**p != '+' && **p != '-')
		return false;
	sign = *(*p)++ == '-' ? -1 : 1;
	h = number(p, 2);
	if (h < 0 || h > 23 || !skip(p, ':'))
		return false;
	m = number(p, 2);
	if (m < 0 || m > 59)
		return false;
	*minutes = sign * (h * 60 + m);
	return true;
}

int rfc3339_parse(const char *text, int64_t *time_ms)
{
	const char *p = text;
	int y, mo, d, h, mi, s, ms = 0, east;

	y = number(&p, 4);
	if (y < 0 || !skip(&p, '-'))
		return -1;
	mo = number(&p, 2);
	if (mo < 0 || !skip(&p, '-'))
		return -1;
	d = number(&p, 2);
	if (!date_valid(y, mo, d) || !(skip(&p, 'T') || skip(&p, 't') || skip(&p, ' ')))
		return -1;
	h = number(&p, 2);
	if (h < 0 || h > 23 || !skip(&p, ':'))
		return -1;
	mi = number(&p, 2);
	if (mi < 0 || mi > 59 || !skip(&p, ':'))
		return -1;
	s = number(&p, 2);
	if (s < 0 || s > 60)
		return -1;
	if (skip(&p, '.')) {
		int scale = 100;

		if (*p < '0' || *p > '9')
			return -1;
		for (; *p >= '0' && *p <= '9'; p++, scale /= 10)
			ms += (*p - '0') * scale;
	}
	if (!offset(&p, &east) || *p)
		return -1;
	*time_ms = ((days_from_civil(y, mo, d) * 24 + h) * 60 + mi - east) * 60000 +
	           (int64_t)s * 1000 + ms;
	return 0;
}
