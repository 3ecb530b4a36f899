/* Buckets of a histogram. */
#include "bench_hist.h"

#include <stddef.h>

static int bucket_of(int64_t value)
{
	uint64_t v = value < 0 ? 0 : (uint64_t)value;
	int shift = 0;

	if (v >> HIST_BITS_MAX)
		v = (UINT64_C(1) << HIST_BITS_MAX) - 1;
	/* By big steps first: most values are some hundred thousand nanoseconds. */
	while (v >> shift >= (UINT64_C(2) << (HIST_STEPS_BITS + 8)))
		shift += 8;
	while (v >> shift >= UINT64_C(2) << HIST_STEPS_BITS)
		shift++;
	return shift * HIST_STEPS + (int)(v >> shift);
}

/* The greatest value that goes to bucket i. */
static int64_t bucket_end(int i)
{
	int shift = i < 2 * HIST_STEPS ? 0 : i / HIST_STEPS - 1;
	int64_t step = i - shift * HIST_STEPS;

	return ((step + 1) * (INT64_C(1) << shift)) - 1;
}

void hist_add(struct hist *h, int64_t value)
{
	value = value < 0 ? 0 : value;
	h->counts[bucket_of(value)]++;
	if (h->count == 0 || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count++;
	h->sum += (double)value;
}

int64_t hist_percentile(const struct hist *h, double percent)
{
	double want = percent / 100 * (double)h->count;
	int64_t seen = 0, end = 0;

	for (int i = 0; i < HIST_BUCKETS && h->count; i++) {
		seen += h->counts[i];
		if (h->counts[i] == 0 || (double)seen < want)
			continue;
		end = bucket_end(i);
		return end < h->max ? end : h->max;
	}
	return h->max;
}

double hist_mean(const struct hist *h)
{
	return h->count ? h->sum / (double)h->count : 0;
}

int64_t hist_between(const struct hist *h, int64_t from, int64_t to)
{
	int64_t n = 0;

	for (int i = bucket_of(from); i < HIST_BUCKETS && bucket_end(i) < to; i++)
		n += h->counts[i];
	return n;
}
