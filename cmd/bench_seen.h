/*
 * What a reader has seen of a log: every seq must come once, in order.  What is left out is a gap
 * that is remembered: when it comes later it was reordered; what comes again is a duplicate.
 */
#ifndef BENCH_SEEN_H
#define BENCH_SEEN_H

#include <stdint.h>

enum { SEEN_GAPS = 8 }; /* remembered; what falls out of there stays missing */

struct seen {
	int64_t last; /* the greatest seq so far */
	int64_t missing, duplicate, reordered;
	struct seen_gap {
		int64_t from, to; /* both missing; from > to: empty */
	} gaps[SEEN_GAPS];
	int gaps_len;
};

/* Begin behind this seq. */
void seen_init(struct seen *s, int64_t last);

/* A seq has come that is not last + 1 (which is dealt with in line). */
void seen_odd(struct seen *s, int64_t seq);

static inline void seen_add(struct seen *s, int64_t seq)
{
	if (seq == s->last + 1)
		s->last = seq;
	else
		seen_odd(s, seq);
}

/* The log ends at this seq: what did not come by now is missing. */
void seen_end(struct seen *s, int64_t last);

#endif
