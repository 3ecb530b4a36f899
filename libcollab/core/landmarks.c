/* Landmarks: runs of items that occur once in either sequence. */
#include "core/landmarks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum {
	RUN = 6,           /* items of a landmark: three words of prose would do, code needs more */
	PROBES = 16,       /* slots looked at before a run is passed over */
	RUNS_MAX = 1 << 16 /* about as many runs are looked at: more would only miss the cache */
};

/* A run of a, and whether b has it. */
struct slot {
	uint32_t hash;
	uint32_t a_next; /* where it begins in a, plus one; 0: a free slot */
	uint32_t b_next; /* where it begins in b, plus one; 0: b has not got it */
	bool often;      /* more than once in a or in b */
};

struct table {
	struct slot *slots;
	size_t mask;
	uint32_t sample; /* only runs whose hash has none of these bits are looked at */
	const uint32_t *a;
};

/* Whether to look at the run, and its hash. */
static bool hash_run(const struct table *t, const uint32_t *run, uint32_t *hash)
{
	uint64_t h = 0;

	for (int i = 0; i < RUN; i++) {
		h = (h ^ run[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	*hash = (uint32_t)h;
	return (h >> 32 & t->sample) == 0;
}

/* The slot of the run, or a free one for it; NULL when there is neither nearby. */
static struct slot *find(const struct table *t, const uint32_t *run, uint32_t hash)
{
	for (size_t i = 0; i < PROBES; i++) {
		struct slot *slot = &t->slots[(hash + i) & t->mask];

		if (!slot->a_next)
			return slot;
		if (slot->hash == hash &&
		    memcmp(t->a + slot->a_next - 1, run, RUN * sizeof *run) == 0)
			return slot;
	}
	return NULL;
}

static void fill(struct table *t, size_t a_len, const uint32_t *b, size_t b_len)
{
	uint32_t hash = 0;
	struct slot *slot = NULL;

	for (size_t i = 0; i + RUN <= a_len; i++) {
		slot = hash_run(t, t->a + i, &hash) ? find(t, t->a + i, hash) : NULL;
		if (slot && slot->a_next)
			slot->often = true;
		else if (slot)
			*slot = (struct slot){.hash = hash, .a_next = (uint32_t)i + 1};
	}
	for (size_t i = 0; i + RUN <= b_len; i++) {
		slot = hash_run(t, b + i, &hash) ? find(t, b + i, hash) : NULL;
		if (!slot || !slot->a_next)
			continue;
		if (slot->b_next)
			slot->often = true;
		slot->b_next = (uint32_t)i + 1;
	}
}

/* The runs that both have once, in the order of a; how many. */
static size_t collect(const struct table *t, size_t a_len, struct landmark *out)
{
	uint32_t hash = 0;
	size_t n = 0;

	for (size_t i = 0; i + RUN <= a_len; i++) {
		const struct slot *slot =
			hash_run(t, t->a + i, &hash) ? find(t, t->a + i, hash) : NULL;

		if (slot && slot->a_next == i + 1 && slot->b_next && !slot->often)
			out[n++] = (struct landmark){(uint32_t)i, slot->b_next - 1};
	}
	return n;
}

/*
 * Keep of marks[0..n), which increase in a, the longest list that increases in b too; how many that
 * are.  tops[k] is the mark that ends the list of length k + 1 with the lowest b, before[i] the
 * mark in front of i in its list.
 */
static size_t keep_increasing(struct landmark *marks, size_t n, uint32_t *tops, uint32_t *before)
{
	size_t kept = 0;
	uint32_t at = 0;

	for (size_t i = 0; i < n; i++) {
		size_t lo = 0;
		size_t hi = kept;

		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;

			if (marks[tops[mid]].b_at < marks[i].b_at)
				lo = mid + 1;
			else
				hi = mid;
		}
		before[i] = lo ? tops[lo - 1] : 0;
		tops[lo] = (uint32_t)i;
		if (lo == kept)
			kept++;
	}
	/* From the end on, tops can hold the list itself: nothing behind k is needed any more. */
	at = kept ? tops[kept - 1] : 0;
	for (size_t k = kept; k > 0; k--) {
		tops[k - 1] = at;
		at = before[at];
	}
	for (size_t k = 0; k < kept; k++)
		marks[k] = marks[tops[k]];
	return kept;
}

int landmarks_find(const uint32_t *a, size_t a_len, const uint32_t *b, size_t b_len,
                   struct landmark **out, size_t *len)
{
	struct table t = {.mask = 63, .a = a};
	struct landmark *marks = NULL;
	uint32_t *lists = NULL;
	size_t n = 0;
	int rc = ERR_NOMEM;

	*out = NULL;
	*len = 0;
	if (a_len < RUN || b_len < RUN)
		return 0;
	while (a_len / (t.sample + 1) > RUNS_MAX)
		t.sample = t.sample * 2 + 1;
	while (t.mask < 2 * (a_len / (t.sample + 1)))
		t.mask = t.mask * 2 + 1;
	t.slots = calloc(t.mask + 1, sizeof *t.slots);
	marks = calloc(a_len, sizeof *marks);
	if (!t.slots || !marks)
		goto out;
	fill(&t, a_len, b, b_len);
	n = collect(&t, a_len, marks);
	rc = 0;
	if (n == 0)
		goto out;
	lists = calloc(2 * n, sizeof *lists);
	if (!lists) {
		rc = ERR_NOMEM;
		goto out;
	}
	*len = keep_increasing(marks, n, lists, lists + n);
	*out = marks;
	marks = NULL;
out:
	free(t.slots);
	free(marks);
	free(lists);
	return rc;
}
