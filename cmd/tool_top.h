/*
 * The numbers of pmr-top, apart from the screen: what two looks at a daemon say, in rows that can
 * be sorted, as lines of text of a given width.
 */
#ifndef TOOL_TOP_H
#define TOOL_TOP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(NAME, heading, width; negative: to the left, greatest first) */
#define TOP_SESSION_COLUMNS(X)                                                                     \
	X(REPORT, "REPORT", -23, false)                                                            \
	X(SEQ, "SEQ", 8, true)                                                                     \
	X(RATE, "EV/S", 7, true)                                                                   \
	X(ONLINE, "ONLN", 5, true)                                                                 \
	X(CONNS, "CONN", 5, true)                                                                  \
	X(LAG, "LAG", 6, true)                                                                     \
	X(SLOW, "SLOW", 5, true)                                                                   \
	X(QUEUE, "QUEUE", 7, true)                                                                 \
	X(IDLE, "IDLE", 6, false)

enum top_column {
#define X(name, heading, width, descending) TOP_##name,
	TOP_SESSION_COLUMNS(X)
#undef X
		TOP_COLUMNS
};

/* A session, or in the other view a connection that is behind (report: its user; name: where from).
 */
struct top_row {
	char name[136], session_id[40];
	int64_t seq, online, connections, lag, slow, queue_bytes, idle;
	double rate; /* events a second; negative: not known yet */
};

struct top_rows {
	struct top_row *v;
	size_t len;
};

/* Counters of a status object that are shown as rates. */
#define TOP_RATES(X) X(events) X(deliveries) X(requests) X(errors)

struct top {
	json_t *status; /* the last one */
	struct top_rows sessions, connections;
#define X(name)                                                                                    \
	int64_t name;                                                                              \
	double name##_rate;
	TOP_RATES(X)
#undef X
	bool looked; /* there was a look before: rates are known */
	enum top_column sort;
	bool reverse;
	bool slow; /* the view of slow connections instead of sessions */
};

/*
 * Take in what was asked for `seconds` after the last time.  Takes a reference of status; sessions
 * and connections are arrays.  0, or -1: out of memory, or these are not what a daemon answers.
 */
int top_update(struct top *t, json_t *status, const json_t *sessions, const json_t *connections,
               double seconds);
void top_release(struct top *t);

/* Sort the rows of the view by the column. */
void top_sort(struct top *t);

/* The rows of the view. */
const struct top_rows *top_view(const struct top *t);

enum { TOP_LINE = 512, TOP_HEAD_LINES = 4 };

/* Line i of the head, and the headings; both cut at width, without a newline. */
void top_head(const struct top *t, int i, int width, char out[TOP_LINE]);
void top_headings(const struct top *t, int width, char out[TOP_LINE]);
void top_row_line(const struct top *t, const struct top_row *r, int width, char out[TOP_LINE]);

/* The column of this heading, in any case; -1: there is none. */
int top_column_named(const char *heading);

/* "12", "1.2k", "3.4M", "5G" in at most 5 characters; "3d", "2h", "61s" likewise. */
void top_number(int64_t n, char out[24]);
void top_duration(int64_t seconds, char out[24]);

#endif
