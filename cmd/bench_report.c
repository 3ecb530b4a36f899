/* The result: an object for programs, a table and a plot for people. */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "tool.h"

enum { PLOT_WIDTH = 50, PLOT_ROWS_MAX = 24 };

static double seconds(const struct bench *b)
{
	int64_t ns = b->end_ns - b->measure_ns;

	return ns > 0 && b->phase >= PHASE_DRAIN ? (double)ns / 1e9 : 0;
}

static int64_t per_second(const struct bench *b, int64_t n)
{
	return seconds(b) > 0 ? (int64_t)((double)n / seconds(b) + 0.5) : 0;
}

static double ms(int64_t ns)
{
	return (double)ns / 1e6;
}

static json_int_t us(int64_t ns)
{
	return (ns + 500) / 1000;
}

static json_t *times(const struct hist *h)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "count", (json_int_t)h->count, "min",
	                 us(h->min), "mean", us((int64_t)hist_mean(h)), "p50",
	                 us(hist_percentile(h, 50)), "p90", us(hist_percentile(h, 90)), "p99",
	                 us(hist_percentile(h, 99)), "p999", us(hist_percentile(h, 99.9)), "max",
	                 us(h->max));
}

static json_t *load_of(const struct bench_plan *p)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:s,s:s}", "sessions",
	                 (json_int_t)p->sessions, "writers", (json_int_t)p->writers, "readers",
	                 (json_int_t)p->readers, "stalled", (json_int_t)p->stalled, "idle",
	                 (json_int_t)p->idle, "churn", (json_int_t)p->churn, "window",
	                 (json_int_t)p->window, "rate", (json_int_t)p->rate, "payload",
	                 (json_int_t)p->payload, "strategy", p->strategy, "content", p->content);
}

static json_int_t mean(int64_t sum, int64_t n)
{
	return n > 0 ? (sum + n / 2) / n : 0;
}

static json_t *server_of(const struct bench *b)
{
	const struct bench_server *s = &b->server;
	int64_t cpu_ms = s->cpu_ms_end - s->cpu_ms_begin;

	if (!b->plan->pid)
		return json_null();
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "cpu_ms", (json_int_t)cpu_ms,
	                 "cpu_ns_per_delivery", mean(cpu_ms * 1000000, b->counts.deliveries),
	                 "cpu_ns_per_ack", mean(cpu_ms * 1000000, b->counts.acked), "rss_before",
	                 (json_int_t)s->rss_before, "rss_joined", (json_int_t)s->rss_joined,
	                 "rss_max", (json_int_t)s->rss_max);
}

static json_t *counts_of(const struct bench *b)
{
	const struct bench_counts *n = &b->counts;
	const struct {
		const char *name;
		int64_t count;
	} rows[] = {
		{"acked", n->acked},
		{"acked_per_second", per_second(b, n->acked)},
		{"deliveries", n->deliveries},
		{"deliveries_per_second", per_second(b, n->deliveries)},
		{"churned", n->churned},
		{"churned_per_second", per_second(b, n->churned)},
		{"errors", n->errors},
		{"unanswered", b->under_way},
		{"lost", b->lost},
		{"missing", b->missing},
		{"duplicate", b->duplicate},
		{"reordered", b->reordered},
		{"untimed", n->untimed},
		{"all_acked", n->all_acked},
		{"all_deliveries", n->all_deliveries},
		{"event_bytes", mean(n->event_bytes, n->deliveries)},
		{"ack_bytes", mean(n->ack_bytes, n->acked)},
		{"message_bytes", (int64_t)b->message_len - BENCH_HEAD_LEN},
	};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		(void)json_object_set_new(o, rows[i].name, json_integer(rows[i].count));
	return o;
}

void bench_put_json(struct tool *t, const struct bench *b)
{
	json_t *counts = counts_of(b);
	json_t *o = json_pack("{s:s,s:o,s:I,s:i,s:o,s:o,s:o,s:o}", "type", "bench", "load",
	                      load_of(b->plan), "duration_ms",
	                      (json_int_t)(seconds(b) * 1000 + 0.5), "connections", b->joined,
	                      "ack_us", times(&b->ack), "delivery_us", times(&b->delivery),
	                      "connect_us", times(&b->connect), "server", server_of(b));

	(void)json_object_update(o, counts); /* without memory, less is printed */
	tool_put_object(t, o);
	json_decref(counts);
	json_decref(o);
}

/* ---- for people -------------------------------------------------------------------------------
 */

static void put_times(const char *name, const struct hist *h)
{
	if (h->count)
		(void)fprintf(stderr, "%-10s%10.3f%10.3f%10.3f%10.3f%10.3f%10.3f\n", name,
		              ms(h->min), ms(hist_percentile(h, 50)), ms(hist_percentile(h, 90)),
		              ms(hist_percentile(h, 99)), ms(hist_percentile(h, 99.9)), ms(h->max));
}

static void put_rate(const struct bench *b, const char *name, int64_t n)
{
	if (n)
		(void)fprintf(stderr, "%-12s%14lld%14lld a second\n", name, (long long)n,
		              (long long)per_second(b, n));
}

/* How the times are spread: a row for each doubling. */
static void put_plot(const char *name, const struct hist *h)
{
	int64_t rows[PLOT_ROWS_MAX] = {0}, most = 0, from = 0, to = 16384;
	int first = PLOT_ROWS_MAX, last = -1;

	if (!h->count)
		return;
	for (int i = 0; i < PLOT_ROWS_MAX; i++, from = to, to *= 2) {
		rows[i] = hist_between(h, from, to);
		most = rows[i] > most ? rows[i] : most;
		if (rows[i] == 0)
			continue;
		first = i < first ? i : first;
		last = i;
	}
	(void)fprintf(stderr, "\n%s, milliseconds\n", name);
	for (int i = first; i <= last; i++) {
		int width = (int)(rows[i] * PLOT_WIDTH / most);

		(void)fprintf(stderr, "%10.3f |%-*.*s %5.1f%%\n", ms(INT64_C(16384) << i),
		              PLOT_WIDTH, width,
		              "##################################################",
		              (double)rows[i] * 100 / (double)h->count);
	}
}

void bench_put_table(const struct bench *b)
{
	const struct bench_counts *n = &b->counts;

	(void)fprintf(stderr, "%d connections, %.1f seconds\n", b->joined, seconds(b));
	put_rate(b, "acked", n->acked);
	put_rate(b, "deliveries", n->deliveries);
	put_rate(b, "connections", n->churned);
	(void)fprintf(stderr,
	              "missing %lld, duplicate %lld, reordered %lld, unanswered %lld, errors %lld, "
	              "connections lost %lld\n",
	              (long long)b->missing, (long long)b->duplicate, (long long)b->reordered,
	              (long long)b->under_way, (long long)n->errors, (long long)b->lost);
	(void)fprintf(stderr, "\n%-10s%10s%10s%10s%10s%10s%10s\n", "ms", "min", "p50", "p90", "p99",
	              "p99.9", "max");
	put_times("ack", &b->ack);
	put_times("delivery", &b->delivery);
	put_times("connect", &b->connect);
	if (b->plan->pid && seconds(b) > 0)
		(void)fprintf(stderr,
		              "\nserver: %.0f %% of a processor; %.1f MiB before, %.1f MiB joined, "
		              "%.1f MiB at most\n",
		              (double)(b->server.cpu_ms_end - b->server.cpu_ms_begin) / 10 /
		                      seconds(b),
		              (double)b->server.rss_before / 1048576,
		              (double)b->server.rss_joined / 1048576,
		              (double)b->server.rss_max / 1048576);
	put_plot("delivery", b->delivery.count ? &b->delivery : &b->ack);
}
