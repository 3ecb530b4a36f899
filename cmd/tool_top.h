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

/*
 * X(NAME, heading, width among sessions, among slow connections, greatest first).  A negative width
 * is to the left; 0: not in this view.  With the blanks between them they are 80 columns.
 */
#define TOP_COLUMNS_OF(X)                                                                          \
	X(CONNECTION, "CONNECTION", 0, -23, false)                                                 \
	X(REPORT, "REPORT", -23, -23, false)                                                       \
	X(SESSION, "SESSION", 0, -8, false)                                                        \
	X(SEQ, "SEQ", 8, 8, true)                                                                  \
	X(RATE, "EV/S", 7, 0, true)                                                                \
	X(ONLINE, "ONLN", 5, 0, true)                                                              \
	X(CONNS, "CONN", 5, 0, true)                                                               \
	X(LAG, "LAG", 6, 6, true)                                                                  \
	X(SLOW, "SLOW", 5, 0, true)                                                                \
	X(QUEUE, "QUEUE", 7, 7, true)                                                              \
	X(IDLE, "IDLE", 6, 0, false)

enum top_column {
#define X(name, heading, width, slow_width, descending) TOP_##name,
	TOP_COLUMNS_OF(X)
#undef X
		TOP_COLUMNS
};

/* A session, or in the other view a connection that is behind: its id and user. */
struct top_row {
	char connection[96], report[136], session_id[40];
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
	bool looked;                     /* there was a look before: rates are known */
	bool slow;                       /* the view of slow connections instead of sessions */
	enum top_column sort, sort_slow; /* of either view, a column of it */
	bool reverse;
};

/*
 * Take in what was asked for `seconds` after the last time.  Takes a reference of status; sessions
 * and connections are arrays.  0, or -1: out of memory, or these are not what a daemon answers.
 */
int top_update(struct top *t, json_t *status, const json_t *sessions, const json_t *connections,
               double seconds);
void top_release(struct top *t);

/* Sort the rows of both views, each by its column. */
void top_sort(struct top *t);

/* Sort the view by the next column to the left (-1) or right (1). */
void top_move_sort(struct top *t, int by);

/* The rows of the view. */
const struct top_rows *top_view(const struct top *t);

enum { TOP_LINE = 512, TOP_HEAD_LINES = 4 };

/* Line i of the head, and the headings; both cut at width, without a newline. */
void top_head(const struct top *t, int i, int width, char out[TOP_LINE]);
void top_headings(const struct top *t, int width, char out[TOP_LINE]);
void top_row_line(const struct top *t, const struct top_row *r, int width, char out[TOP_LINE]);

/* The column of sessions with this heading, in any case; -1: there is none. */
int top_column_named(const char *heading);

/* "12", "1.2k", "3.4M", "5G" in at most 5 characters; "3d", "2h", "61s" likewise. */
void top_number(int64_t n, char out[24]);
void top_duration(int64_t seconds, char out[24]);

#endif
