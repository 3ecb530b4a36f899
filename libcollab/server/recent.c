/* The last minute or so: what was slow lately, which sums since the start do not tell. */
#include <string.h>

#include "server/hub_int.h"

enum { WINDOW_MS = 30000 };

void recent_tick(struct hub *h, int64_t now)
{
	struct recent *r = &h->recent;
	struct store_stats stats;

	if (r->at_ms && now - r->at_ms < WINDOW_MS)
		return;
	memset(&stats, 0, sizeof stats);
	store_stats(h->store, &stats);
	memcpy(r->commit_us_older, r->at_ms ? r->commit_us : stats.commit_us,
	       sizeof r->commit_us_older);
	memcpy(r->commit_us, stats.commit_us, sizeof r->commit_us);
	r->loop_lag_us = h->sockets.loop_lag_us_recent;
	h->sockets.loop_lag_us_recent = 0;
	r->at_ms = now;
}

int64_t recent_loop_lag_us(const struct hub *h)
{
	int64_t before = h->recent.loop_lag_us, now = h->sockets.loop_lag_us_recent;

	return before > now ? before : now;
}

int64_t recent_commit_us(const struct hub *h, int percent)
{
	int64_t total = 0, so_far = 0;
	struct store_stats stats;

	memset(&stats, 0, sizeof stats);
	store_stats(h->store, &stats);
	for (int i = 0; i < STORE_BUCKETS; i++)
		total += stats.commit_us[i] - h->recent.commit_us_older[i];
	for (int i = 0; i < STORE_BUCKETS && total > 0; i++) {
		so_far += stats.commit_us[i] - h->recent.commit_us_older[i];
		if (so_far * 100 >= total * percent)
			return INT64_C(1) << i; /* the bucket holds what is below */
	}
	return 0;
}
