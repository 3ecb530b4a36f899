/* What pmr-bench measures with: percentiles, and what was missing, came twice or out of order. */
#include "../tap.h"

#include "../../cmd/bench_hist.h"
#include "../../cmd/bench_seen.h"

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Every percentile is within a per cent of the one of the sorted values. */
static void test_percentiles(void)
{
	static const double percents[] = {0.1, 1, 25, 50, 90, 99, 99.9, 100};
	static struct hist h;
	static int64_t values[20000];
	uint64_t state = rnd_seed(1);
	size_t len = sizeof values / sizeof *values;
	int64_t sum = 0;
	int bad = 0;

	for (size_t i = 0; i < len; i++) {
		values[i] = (int64_t)(rnd(&state) >> (24 + rnd(&state) % 40));
		hist_add(&h, values[i]);
		sum += values[i];
	}
	qsort(values, len, sizeof *values, compare);
	for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
		size_t rank = (size_t)(percents[i] / 100 * (double)len + 0.5);
		int64_t want = values[rank ? rank - 1 : 0], got = hist_percentile(&h, percents[i]);

		if (got < want || got > want + want / 100 + 1) {
			printf("# p%g is %" PRId64 ", not %" PRId64 "\n", percents[i], got, want);
			bad++;
		}
	}
	is_int(bad, 0, "hist: percentiles are right to a per cent");
	is_int(h.max, values[len - 1], "hist: the greatest value is kept as it is");
	is_int(h.min, values[0], "hist: so is the smallest");
	is_int(hist_mean(&h), sum / (int64_t)len, "hist: the mean is exact");
	is_int(hist_between(&h, 0, INT64_C(1) << HIST_BITS_MAX), len, "hist: all are counted");
}

static void test_hist_edges(void)
{
	static struct hist h, one;

	is_int(hist_percentile(&h, 50), 0, "hist: nothing has the percentile 0");
	hist_add(&h, -5);
	hist_add(&h, INT64_MAX);
	is_int(hist_percentile(&h, 50), 0, "hist: what is below 0 counts as 0");
	is_int(h.count, 2, "hist: what is too large counts");
	for (int64_t v = 0; v < 256; v++)
		hist_add(&one, v);
	is_int(hist_percentile(&one, 50), 127, "hist: small values are exact");
	is_int(hist_between(&one, 128, 256), 128, "hist: a range is counted");
}

struct outcome {
	int64_t missing, duplicate, reordered;
};

static void check(const int64_t *seqs, size_t len, int64_t end, struct outcome want,
                  const char *name)
{
	struct seen s;

	seen_init(&s, 10);
	for (size_t i = 0; i < len; i++)
		seen_add(&s, seqs[i]);
	seen_end(&s, end);
	if (!ok(s.missing == want.missing && s.duplicate == want.duplicate &&
	                s.reordered == want.reordered,
	        "seen: %s", name))
		printf("# missing %" PRId64 ", duplicate %" PRId64 ", reordered %" PRId64 "\n",
		       s.missing, s.duplicate, s.reordered);
}

#define CHECK(end, missing, duplicate, reordered, name, ...)                                       \
	check((const int64_t[]){__VA_ARGS__}, sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t),    \
	      end, (struct outcome){missing, duplicate, reordered}, name)

static void test_seen(void)
{
	CHECK(13, 0, 0, 0, "a log without fault", 11, 12, 13);
	CHECK(14, 1, 0, 0, "a planted gap", 11, 13, 14);
	CHECK(16, 3, 0, 0, "two planted gaps", 11, 14, 16);
	CHECK(15, 2, 0, 0, "a lost end", 11, 12, 13);
	CHECK(13, 0, 1, 0, "one that comes twice", 11, 12, 12, 13);
	CHECK(13, 0, 1, 0, "an old one that comes again", 11, 12, 13, 11);
	CHECK(13, 0, 0, 1, "two that changed places", 12, 11, 13);
	CHECK(14, 0, 1, 1, "a late one that comes twice", 11, 13, 12, 12, 14);
	CHECK(15, 0, 0, 3, "a gap filled from its middle", 14, 12, 11, 13, 15);
	CHECK(10, 0, 1, 0, "what was there before", 10);
}

/* Any log with events dropped, repeated and swapped: the counts are those of what was done. */
static void test_planted(void)
{
	uint64_t state = rnd_seed(2);
	int bad = 0;

	for (int round = 0; round < 500; round++) {
		struct outcome done_ = {0};
		struct seen s;

		seen_init(&s, 0);
		for (int64_t seq = 1; seq <= 100; seq++) {
			uint64_t what = rnd(&state) % 20;

			if (what == 0) {
				done_.missing++;
			} else if (what == 1 && seq < 100) {
				seen_add(&s, seq + 1);
				seen_add(&s, seq++);
				done_.reordered++;
			} else {
				seen_add(&s, seq);
				if (what == 2) {
					seen_add(&s, seq);
					done_.duplicate++;
				}
			}
		}
		seen_end(&s, 100);
		bad += s.missing != done_.missing || s.duplicate != done_.duplicate ||
		       s.reordered != done_.reordered;
	}
	is_int(bad, 0, "seen: what was planted is what is counted, in 500 logs");
}

int main(void)
{
	test_percentiles();
	test_hist_edges();
	test_seen();
	test_planted();
	return done();
}
