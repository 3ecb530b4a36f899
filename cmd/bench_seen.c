/* Gaps in what a reader has seen, and what comes to fill them. */
#include "bench_seen.h"

#include <stdbool.h>
#include <string.h>

void seen_init(struct seen *s, int64_t last)
{
	*s = (struct seen){.last = last};
}

static void gap_add(struct seen *s, int64_t from, int64_t to)
{
	if (s->gaps_len == SEEN_GAPS) {
		memmove(s->gaps, s->gaps + 1, (SEEN_GAPS - 1) * sizeof *s->gaps);
		s->gaps_len--;
	}
	s->gaps[s->gaps_len++] = (struct seen_gap){from, to};
}

/* Take seq out of a gap, which may leave two. */
static bool gap_fill(struct seen *s, int64_t seq)
{
	for (int i = 0; i < s->gaps_len; i++) {
		struct seen_gap *g = &s->gaps[i];
		int64_t to = g->to;

		if (seq < g->from || seq > g->to)
			continue;
		if (seq == g->from) {
			g->from++;
		} else {
			g->to = seq - 1;
			if (seq < to)
				gap_add(s, seq + 1, to);
		}
		return true;
	}
	return false;
}

void seen_odd(struct seen *s, int64_t seq)
{
	if (seq > s->last) {
		s->missing += seq - s->last - 1;
		gap_add(s, s->last + 1, seq - 1);
		s->last = seq;
	} else if (gap_fill(s, seq)) {
		s->missing--;
		s->reordered++;
	} else {
		s->duplicate++;
	}
}

void seen_end(struct seen *s, int64_t last)
{
	if (last > s->last) {
		s->missing += last - s->last;
		s->last = last;
	}
}
