/*
 * What the daemon counts, and the text of /metrics (Prometheus text format 0.0.4).
 *
 * Label sets are bounded: event types, error codes, outcomes; never a user, session or report.
 */
#ifndef COLLAB_SERVER_METRICS_H
#define COLLAB_SERVER_METRICS_H

#include "base/buf.h"
#include "base/err.h"
#include "core/event.h"

/* X(member, name, help): plain counters */
#define METRICS_COUNTERS(X)                                                                        \
	X(acks, "collabd_acks_total", "Durable messages acknowledged.")                            \
	X(duplicates, "collabd_duplicate_acks_total", "Messages acknowledged again by their ref.") \
	X(deliveries, "collabd_deliveries_total", "Events handed to connections.")                 \
	X(cursors, "collabd_cursor_deliveries_total", "Cursor positions handed to connections.")   \
	X(messages, "collabd_messages_total", "Messages received on WebSockets.")                  \
	X(requests, "collabd_requests_total", "HTTP requests received.")                           \
	X(auth_failures, "collabd_auth_failures_total", "Requests refused with 401 or 403.")       \
	X(connects, "collabd_connects_total", "WebSockets and event streams opened.")              \
	X(disconnects, "collabd_disconnects_total", "WebSockets and event streams closed.")        \
	X(connect_failures, "collabd_connect_failures_total", "WebSockets that were refused.")     \
	X(append_failures, "collabd_append_failures_total", "Commits that failed.")                \
	X(room_opens, "collabd_room_opens_total", "Sessions loaded into memory.")                  \
	X(snapshots, "collabd_snapshots_total", "Snapshots written.")

enum metrics_resume { RESUME_FRESH, RESUME_RESUMED, RESUME_REFUSED, RESUME_OUTCOMES };

enum { METRICS_BUCKETS = 24 };

/* Buckets by powers of two of microseconds. */
struct histogram {
	int64_t buckets[METRICS_BUCKETS], count, sum_us;
};

struct metrics {
#define X(member, name, help) int64_t member;
	METRICS_COUNTERS(X)
#undef X
	int64_t events[EVENT_KINDS];
	int64_t errors[ERR_INDEX_MAX];
	int64_t resumes[RESUME_OUTCOMES];
	struct histogram ack_time, delivery_time;
};

struct hub;

/* So many of them. */
void histogram_add(struct histogram *h, int64_t us, int64_t n);

/* The whole page for the hub: counters, and gauges read off the hub, its sockets and its store. */
void metrics_write(struct hub *h, struct buf *out);

#endif
