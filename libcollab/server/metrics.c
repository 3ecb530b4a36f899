/* The text of /metrics. */
#include "server/metrics.h"

#include <math.h>
#include <string.h>

#include "server/hub_int.h"

void histogram_add(struct histogram *h, int64_t us, int64_t n)
{
	int i = 0;

	while (i < METRICS_BUCKETS - 1 && us >= INT64_C(1) << i)
		i++;
	h->buckets[i] += n;
	h->count += n;
	h->sum_us += us * n;
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(struct buf *out, const char *name, const char *help, int64_t n)
{
	head(out, name, "gauge", help);
	buf_printf(out, "%s %lld\n", name, (long long)n);
}

static void counter(struct buf *out, const char *name, const char *help, int64_t n)
{
	head(out, name, "counter", help);
	buf_printf(out, "%s %lld\n", name, (long long)n);
}

/* Buckets by powers of two; `scale` turns the bound into the metric's base unit. */
static void histogram(struct buf *out, const char *name, const char *help, const int64_t *buckets,
                      int len, double sum, double scale)
{
	int64_t so_far = 0;

	head(out, name, "histogram", help);
	for (int i = 0; i < len; i++) {
		so_far += buckets[i];
		if (i < len - 1)
			buf_printf(out, "%s_bucket{le=\"%.9g\"} %lld\n", name, ldexp(scale, i),
			           (long long)so_far);
		else
			buf_printf(out, "%s_bucket{le=\"+Inf\"} %lld\n", name, (long long)so_far);
	}
	buf_printf(out, "%s_sum %.9g\n%s_count %lld\n", name, sum, name, (long long)so_far);
}

static void labelled(struct hub *h, struct buf *out)
{
	static const char *const outcomes[RESUME_OUTCOMES] = {"fresh", "resumed", "refused"};

	head(out, "collabd_events_total", "counter", "Events decided, by type.");
	for (int i = 0; i < EVENT_KINDS; i++)
		buf_printf(out, "collabd_events_total{type=\"%s\"} %lld\n",
		           event_type((enum event_kind)i), (long long)h->metrics.events[i]);
	head(out, "collabd_errors_total", "counter", "Errors answered, by code.");
	for (int i = 1; i < ERR_INDEX_MAX; i++)
		if (h->metrics.errors[i] > 0)
			buf_printf(out, "collabd_errors_total{code=\"%s\"} %lld\n",
			           err_row(-i)->wire, (long long)h->metrics.errors[i]);
	head(out, "collabd_joins_total", "counter", "WebSocket joins, by how they began.");
	for (int i = 0; i < RESUME_OUTCOMES; i++)
		buf_printf(out, "collabd_joins_total{outcome=\"%s\"} %lld\n", outcomes[i],
		           (long long)h->metrics.resumes[i]);
}

static void store(struct hub *h, struct buf *out)
{
	struct store_stats s;

	memset(&s, 0, sizeof s);
	store_stats(h->store, &s);
	gauge(out, "collabd_store_writable", "1 when the last commit worked.", s.writable);
	gauge(out, "collabd_store_bytes", "Size of the store.", s.bytes);
	gauge(out, "collabd_store_scrub_pending",
	      "1 while erased text could not be taken out of the files.", s.scrub.code != 0);
	gauge(out, "collabd_store_pending", "Store requests under way.", s.pending);
	counter(out, "collabd_store_commits_total", "Commits.", s.commits);
	counter(out, "collabd_store_commit_failures_total", "Commits that failed.",
	        s.commit_failures);
	counter(out, "collabd_store_records_total", "Records committed.", s.records);
	histogram(out, "collabd_commit_records", "Records a commit.", s.batch_records,
	          STORE_BUCKETS, (double)s.batch_records_sum, 1);
	histogram(out, "collabd_commit_seconds", "Duration of commits, fsync included.",
	          s.commit_us, STORE_BUCKETS, (double)s.commit_us_sum / 1e6, 1e-6);
	histogram(out, "collabd_fsync_seconds", "Duration of the log's writing and fsync.",
	          s.sync_us, STORE_BUCKETS, (double)s.sync_us_sum / 1e6, 1e-6);
}

static void sockets(struct hub *h, struct buf *out)
{
	const struct hub_sockets *s = &h->sockets;

	gauge(out, "collabd_sockets", "Open sockets.", s->open);
	counter(out, "collabd_sockets_accepted_total", "Sockets accepted.", s->accepted);
	counter(out, "collabd_sockets_refused_total", "Sockets refused by a limit.", s->refused);
	counter(out, "collabd_received_bytes_total", "Bytes received.", s->bytes_in);
	counter(out, "collabd_sent_bytes_total", "Bytes sent.", s->bytes_out);
	counter(out, "collabd_slow_closes_total", "Readers closed because they stood still.",
	        s->stalled_closes);
	gauge(out, "collabd_queue_bytes", "Bytes that sockets did not take yet.", s->queue_bytes);
	head(out, "collabd_loop_lag_max_seconds", "gauge",
	     "Longest turn of the loop since the last scrape.");
	buf_printf(out, "collabd_loop_lag_max_seconds %.6f\n", (double)s->loop_lag_us_max / 1e6);
	h->sockets.loop_lag_us_max = 0;
}

static void times(const struct hub *h, struct buf *out)
{
	const struct histogram *ack = &h->metrics.ack_time, *delivery = &h->metrics.delivery_time;

	histogram(out, "collabd_ack_seconds", "From a decision to its ack on a WebSocket.",
	          ack->buckets, METRICS_BUCKETS, (double)ack->sum_us / 1e6, 1e-6);
	histogram(out, "collabd_delivery_seconds",
	          "From a decision to its event on a connection that keeps up.", delivery->buckets,
	          METRICS_BUCKETS, (double)delivery->sum_us / 1e6, 1e-6);
}

/* What is in memory: logs, and how far the snapshots are behind them. */
static void rooms(const struct hub *h, struct buf *out)
{
	struct map_entry *entry = NULL;
	int64_t now = hub_mono(h), online = 0, events = 0, longest = 0, age = 0, behind = 0;
	size_t at = 0;

	while ((entry = map_next(&h->rooms, &at))) {
		const struct room *room = entry->value;
		int64_t seq = room->head.seq, left = seq - room->snapshot_seq;

		online += (int64_t)room->people.len;
		events += seq;
		longest = seq > longest ? seq : longest;
		if (left <= 0 || room->state != ROOM_LIVE)
			continue;
		behind = left > behind ? left : behind;
		age = now - room->snapshot_ms > age ? now - room->snapshot_ms : age;
	}
	gauge(out, "collabd_users_online", "Users online, per session.", online);
	gauge(out, "collabd_log_events", "Events in the logs of sessions in memory.", events);
	gauge(out, "collabd_log_events_longest", "Events in the longest of them.", longest);
	gauge(out, "collabd_snapshot_behind_events", "Most events behind a newest snapshot.",
	      behind);
	head(out, "collabd_snapshot_age_seconds", "gauge",
	     "Age of the oldest newest snapshot that has events behind it.");
	buf_printf(out, "collabd_snapshot_age_seconds %.3f\n", (double)age / 1e3);
}

void metrics_write(struct hub *h, struct buf *out)
{
	head(out, "collabd_build_info", "gauge", "Version of the daemon.");
	buf_puts(out, "collabd_build_info{version=\"" COLLAB_VERSION "\"} 1\n");
	gauge(out, "collabd_rooms", "Sessions in memory.", (int64_t)h->rooms.len);
	gauge(out, "collabd_rooms_active", "Sessions in memory that have not ended.",
	      (int64_t)h->rooms_active.len);
	gauge(out, "collabd_connections", "WebSockets and event streams.", h->conns);
	rooms(h, out);
#define X(member, name, help) counter(out, name, help, h->metrics.member);
	METRICS_COUNTERS(X)
#undef X
	labelled(h, out);
	times(h, out);
	store(h, out);
	sockets(h, out);
}
