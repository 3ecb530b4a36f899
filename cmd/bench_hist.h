/*
 * A histogram in the manner of HdrHistogram: counts of values in buckets that are linear below 128
 * and then 128 to a power of two, so that every percentile is right to less than one per cent and
 * adding costs the same however many values there are.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

enum {
	HIST_STEPS_BITS = 7, /* steps to a power of two, as a power of two */
	HIST_STEPS = 1 << HIST_STEPS_BITS,
	HIST_BITS_MAX = 42, /* greater values count as the greatest */
	HIST_BUCKETS = (HIST_BITS_MAX - HIST_STEPS_BITS + 1) * HIST_STEPS
};

struct hist {
	int64_t counts[HIST_BUCKETS];
	int64_t count, min, max;
	double sum;
};

/* A value below 0 counts as 0. */
void hist_add(struct hist *h, int64_t value);

/* The smallest value that so many per cent (0 to 100) of all lie at or below; 0 without any. */
int64_t hist_percentile(const struct hist *h, double percent);

double hist_mean(const struct hist *h); /* 0 without any */

/* How many values lie in [from, to), to the precision of the buckets. */
int64_t hist_between(const struct hist *h, int64_t from, int64_t to);

#endif
