/*
 * Doubles as ECMAScript prints them: the fewest digits that read back as the same double.
 *
 * The C library prints and reads decimals exactly, so lengths are tried; few are, so that a message
 * full of numbers costs no more than its bytes do elsewhere.
 */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/json_out.h"

enum { DOUBLE_DIGITS_MAX = 17 }; /* decimal digits that tell every double from its neighbours */

/*
 * The decimal of d > 0 with `len` significant digits: its digits, and in *point where the decimal
 * point stands in 0.DIGITS x 10^point.
 */
static void round_to_digits(double d, int len, char *digits, int *point)
{
	char text[40];
	const char *p = text;
	int n = 0;

	(void)snprintf(text, sizeof text, "%.*e", len - 1, d); /* it fits */
	/* Whatever the locale takes for a decimal point is skipped. */
	for (; *p && *p != 'e'; p++)
		if (*p >= '0' && *p <= '9' && n < len)
			digits[n++] = *p;
	assert(n == len && *p == 'e');
	*point = atoi(p + 1) + 1;
}

/* Whether reading the decimal gives d.  Written as an integer, so that no locale matters. */
static bool reads_as(double d, const char *digits, int len, int point)
{
	char text[DOUBLE_DIGITS_MAX + 16];

	(void)snprintf(text, sizeof text, "%.*se%d", len, digits, point - len); /* it fits */
	return strtod(text, NULL) == d;
}

/* The decimal after this one, in its last place; false when that needs another digit. */
static bool increment(char *digits, int len)
{
	while (len-- > 0) {
		if (digits[len] != '9') {
			digits[len]++;
			return true;
		}
		digits[len] = '0';
	}
	return false;
}

/*
 * Whether some decimal of `len` digits reads as d > 0, and which.  It is the nearest, but for one
 * case: above a power of two the doubles lie twice as far apart as below it, so there the next
 * decimal up may read as d although the nearest, below d, does not.
 */
static bool fits(double d, int len, char *digits, int *point)
{
	int exponent = 0;

	round_to_digits(d, len, digits, point);
	if (reads_as(d, digits, len, *point))
		return true;
	return frexp(d, &exponent) == 0.5 && increment(digits, len) &&
	       reads_as(d, digits, len, *point);
}

/* The shortest decimal that reads as d > 0; how many digits it has. */
static int shortest(double d, char digits[DOUBLE_DIGITS_MAX], int *point)
{
	int low = 1, high = DOUBLE_DIGITS_MAX;

	if (d >= DBL_MIN) {
		/* Every decimal of so few digits survives being read as a normal double. */
		if (fits(d, DBL_DIG, digits, point)) {
			for (low = DBL_DIG; digits[low - 1] == '0'; low--)
				;
			return low;
		}
		low = DBL_DIG + 1;
	}
	/* Where a length fits, so do all that are longer. */
	while (low < high) {
		int len = (low + high) / 2;

		if (fits(d, len, digits, point))
			high = len;
		else
			low = len + 1;
	}
	(void)fits(d, low, digits, point); /* it does, as the search has shown */
	return low;
}

void json_put_double(struct buf *out, double d)
{
	char digits[DOUBLE_DIGITS_MAX];
	int point = 0, len;

	assert(isfinite(d));
	if (d == 0) { /* of either sign */
		buf_putc(out, '0');
		return;
	}
	if (d < 0)
		buf_putc(out, '-');
	len = shortest(fabs(d), digits, &point);
	if (point > 21 || point <= -6) {
		buf_putc(out, digits[0]);
		if (len > 1)
			buf_putc(out, '.');
		buf_put(out, digits + 1, (size_t)len - 1);
		buf_puts(out, point > 0 ? "e+" : "e");
		buf_put_i64(out, point - 1);
	} else if (point <= 0) {
		buf_puts(out, "0.");
		for (int i = point; i < 0; i++)
			buf_putc(out, '0');
		buf_put(out, digits, (size_t)len);
	} else if (point < len) {
		buf_put(out, digits, (size_t)point);
		buf_putc(out, '.');
		buf_put(out, digits + point, (size_t)(len - point));
	} else {
		buf_put(out, digits, (size_t)len);
		for (int i = len; i < point; i++)
			buf_putc(out, '0');
	}
}
