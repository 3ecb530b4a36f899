/* What pmr-top shows, without a screen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tool_top.h"

static const struct {
	const char *heading;
	int width[2]; /* [slow]; negative: to the left; 0: not there */
	bool descending;
} columns[TOP_COLUMNS] = {
#define X(name, heading, width, slow_width, descending) {heading, {width, slow_width}, descending},
	TOP_COLUMNS_OF(X)
#undef X
};

enum { SHORT_ID = 8 }; /* enough for -s */

/* ---- taking in ------------------------------------------------------------------------------- */

static int64_t integer(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void text(const json_t *object, const char *key, char *out, size_t size)
{
	const char *s = json_string_value(json_object_get(object, key));

	(void)snprintf(out, size, "%s", s ? s : ""); /* ids are not longer */
}

/* The session's seq at the last look; -1: it was not there. */
static int64_t seq_before(const struct top_rows *rows, const char *session_id)
{
	for (size_t i = 0; i < rows->len; i++)
		if (strcmp(rows->v[i].session_id, session_id) == 0)
			return rows->v[i].seq;
	return -1;
}

static void read_session(const json_t *j, struct top_row *r)
{
	*r = (struct top_row){.seq = integer(j, "seq"),
	                      .online = integer(j, "online"),
	                      .connections = integer(j, "connections"),
	                      .lag = integer(j, "lag"),
	                      .slow = integer(j, "lagging"),
	                      .queue_bytes = integer(j, "queue_bytes"),
	                      .idle = integer(j, "idle_seconds"),
	                      .rate = -1};
	text(j, "report_id", r->report, sizeof r->report);
	text(j, "session_id", r->session_id, sizeof r->session_id);
}

static int read_sessions(struct top *t, const json_t *sessions, double seconds)
{
	size_t len = json_array_size(sessions);
	struct top_rows rows = {calloc(len + 1, sizeof *rows.v), len};

	if (!rows.v)
		return -1;
	for (size_t i = 0; i < len; i++) {
		int64_t before;

		read_session(json_array_get(sessions, i), &rows.v[i]);
		before = seq_before(&t->sessions, rows.v[i].session_id);
		if (before >= 0 && seconds > 0 && rows.v[i].seq >= before)
			rows.v[i].rate = (double)(rows.v[i].seq - before) / seconds;
	}
	free(t->sessions.v);
	t->sessions = rows;
	return 0;
}

/* Those that are behind, or have answers waiting. */
static int read_connections(struct top *t, const json_t *connections)
{
	size_t len = json_array_size(connections);
	struct top_rows rows = {calloc(len + 1, sizeof *rows.v), 0};

	if (!rows.v)
		return -1;
	for (size_t i = 0; i < len; i++) {
		const json_t *j = json_array_get(connections, i);
		struct top_row *r = &rows.v[rows.len];
		char user[64], id[24];

		*r = (struct top_row){.seq = integer(j, "seq"),
		                      .lag = integer(j, "lag"),
		                      .queue_bytes = integer(j, "queue_bytes"),
		                      .connections = 1,
		                      .rate = -1};
		if (r->lag == 0 && r->queue_bytes == 0)
			continue;
		text(j, "user_id", user, sizeof user);
		text(j, "connection_id", id, sizeof id);
		(void)snprintf(r->connection, sizeof r->connection, "%s %s", id, user);
		text(j, "report_id", r->report, sizeof r->report);
		text(j, "session_id", r->session_id, sizeof r->session_id);
		r->slow = 1;
		rows.len++;
	}
	free(t->connections.v);
	t->connections = rows;
	return 0;
}

int top_update(struct top *t, json_t *status, const json_t *sessions, const json_t *connections,
               double seconds)
{
	if (!json_is_object(status) || !json_is_array(sessions) || !json_is_array(connections))
		return -1;
	if (read_sessions(t, sessions, seconds) || read_connections(t, connections))
		return -1;
#define X(name)                                                                                    \
	if (t->looked && seconds > 0)                                                              \
		t->name##_rate = (double)(integer(status, #name) - t->name) / seconds;             \
	if (t->name##_rate < 0) /* the daemon was started anew */                                  \
		t->name##_rate = 0;                                                                \
	t->name = integer(status, #name);
	TOP_RATES(X)
#undef X
	t->looked = true;
	json_incref(status);
	json_decref(t->status);
	t->status = status;
	top_sort(t);
	return 0;
}

void top_release(struct top *t)
{
	free(t->sessions.v);
	free(t->connections.v);
	json_decref(t->status);
	*t = (struct top){0};
}

/* ---- sorting --------------------------------------------------------------------------------- */

static double key_of(const struct top_row *r, enum top_column c)
{
	switch (c) {
	case TOP_SEQ:
		return (double)r->seq;
	case TOP_RATE:
		return r->rate;
	case TOP_ONLINE:
		return (double)r->online;
	case TOP_CONNS:
		return (double)r->connections;
	case TOP_LAG:
		return (double)r->lag;
	case TOP_SLOW:
		return (double)r->slow;
	case TOP_QUEUE:
		return (double)r->queue_bytes;
	case TOP_IDLE:
		return (double)r->idle;
	case TOP_CONNECTION:
	case TOP_REPORT:
	case TOP_SESSION:
	case TOP_COLUMNS:
		break;
	}
	return 0;
}

/* qsort has no argument of ours. */
static enum top_column sort_column;
static bool sort_descending;

static int compare(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;
	double kx = key_of(x, sort_column), ky = key_of(y, sort_column);
	int order = (kx > ky) - (kx < ky);

	if (sort_column == TOP_CONNECTION)
		order = strcmp(x->connection, y->connection);
	if (sort_column == TOP_REPORT)
		order = strcmp(x->report, y->report);
	if (sort_column == TOP_SESSION)
		order = strcmp(x->session_id, y->session_id);
	if (order)
		return sort_descending ? -order : order;
	order = strcmp(x->report, y->report); /* the same every time */
	order = order ? order : strcmp(x->session_id, y->session_id);
	return order ? order : strcmp(x->connection, y->connection);
}

static void sort_rows(const struct top *t, struct top_rows *rows, enum top_column by)
{
	sort_column = by;
	sort_descending = columns[by].descending != t->reverse;
	qsort(rows->v, rows->len, sizeof *rows->v, compare);
}

void top_sort(struct top *t)
{
	sort_rows(t, &t->sessions, t->sort);
	sort_rows(t, &t->connections, t->sort_slow);
}

void top_move_sort(struct top *t, int by)
{
	enum top_column *sort = t->slow ? &t->sort_slow : &t->sort;

	do
		*sort = (enum top_column)(((int)*sort + by + TOP_COLUMNS) % TOP_COLUMNS);
	while (columns[*sort].width[t->slow] == 0);
	top_sort(t);
}

const struct top_rows *top_view(const struct top *t)
{
	return t->slow ? &t->connections : &t->sessions;
}

int top_column_named(const char *heading)
{
	for (int i = 0; i < TOP_COLUMNS; i++)
		if (columns[i].width[false] && strcasecmp(heading, columns[i].heading) == 0)
			return i;
	return -1;
}

/* ---- text ------------------------------------------------------------------------------------ */

void top_number(int64_t n, char out[24])
{
	static const char units[] = "kMGTPE";
	double x = (double)n;
	int u = -1;

	if (n < 100000) {
		(void)snprintf(out, 24, "%lld", (long long)n);
		return;
	}
	/* Before rounding makes four digits of it. */
	while (x >= 999.5 && u < 5) {
		x /= 1000;
		u++;
	}
	(void)snprintf(out, 24, x < 9.95 ? "%.1f%c" : "%.0f%c", x, units[u]);
}

void top_duration(int64_t seconds, char out[24])
{
	long long s = (long long)seconds;

	if (s < 100)
		(void)snprintf(out, 24, "%llds", s);
	else if (s < 100 * 60)
		(void)snprintf(out, 24, "%lldm", s / 60);
	else if (s < 100 * 3600)
		(void)snprintf(out, 24, "%lldh", s / 3600);
	else
		(void)snprintf(out, 24, "%lldd", s / 86400);
}

static void cut(char *line, int width)
{
	if (width >= 0 && width < TOP_LINE)
		line[width] = '\0';
}

static void head_store(const struct top *t, char out[TOP_LINE])
{
	const json_t *store = json_object_get(t->status, "store");
	char bytes[24], free_bytes[24];

	top_number(integer(store, "bytes"), bytes);
	top_number(integer(store, "bytes_free"), free_bytes);
	(void)snprintf(
		out, TOP_LINE, "store: %s%s bytes, %s free, %lld pending, %lld commits failed",
		json_is_true(json_object_get(store, "writable")) ? "" : "CANNOT BE WRITTEN, ",
		bytes, free_bytes, (long long)integer(store, "pending"),
		(long long)integer(store, "commit_failures"));
}

void top_head(const struct top *t, int i, int width, char out[TOP_LINE])
{
	const json_t *s = t->status, *sockets = json_object_get(s, "sockets");
	char up[24], queue[24];

	out[0] = '\0';
	top_duration(integer(s, "uptime_seconds"), up);
	top_number(integer(sockets, "queue_bytes"), queue);
	if (i == 0)
		(void)snprintf(out, TOP_LINE,
		               "collabd up %s%s  sessions %lld  online %lld  connections %lld  "
		               "slow %zu",
		               up, json_is_true(json_object_get(s, "draining")) ? ", DRAINING" : "",
		               (long long)integer(s, "sessions"), (long long)integer(s, "online"),
		               (long long)integer(s, "connections"), t->connections.len);
	else if (i == 1)
		(void)snprintf(out, TOP_LINE,
		               "events/s %.1f  deliveries/s %.1f  requests/s %.1f  errors/s %.1f "
		               "(%lld)",
		               t->events_rate, t->deliveries_rate, t->requests_rate, t->errors_rate,
		               (long long)t->errors);
	else if (i == 2)
		(void)snprintf(out, TOP_LINE,
		               "loop lag %.1f ms  commit p99 %.1f ms  queues %s  slow closes %lld",
		               (double)integer(s, "loop_lag_us") / 1000,
		               (double)integer(s, "commit_us_p99") / 1000, queue,
		               (long long)integer(sockets, "slow_closes"));
	else
		head_store(t, out);
	cut(out, width);
}

/* One cell, a blank between it and the one before. */
static size_t put(char *out, size_t used, int width, const char *cell)
{
	int max = width < 0 ? -width : TOP_LINE;
	int n = snprintf(out + used, TOP_LINE - used, "%s%*.*s", used ? " " : "", width, max, cell);

	return n < 0 || used + (size_t)n >= TOP_LINE ? used : used + (size_t)n;
}

void top_headings(const struct top *t, int width, char out[TOP_LINE])
{
	size_t used = 0;

	out[0] = '\0';
	for (int i = 0; i < TOP_COLUMNS; i++) {
		bool sorts = i == (int)(t->slow ? t->sort_slow : t->sort);
		int cell_width = columns[i].width[t->slow];
		char cell[32];

		if (cell_width == 0)
			continue;
		(void)snprintf(cell, sizeof cell, "%s%s", columns[i].heading,
		               !sorts       ? ""
		               : t->reverse ? "-"
		                            : "*");
		used = put(out, used, cell_width, cell);
	}
	cut(out, width);
}

void top_row_line(const struct top *t, const struct top_row *r, int width, char out[TOP_LINE])
{
	const int64_t numbers[TOP_COLUMNS] = {
		[TOP_SEQ] = r->seq, [TOP_ONLINE] = r->online, [TOP_CONNS] = r->connections,
		[TOP_LAG] = r->lag, [TOP_SLOW] = r->slow,     [TOP_QUEUE] = r->queue_bytes,
	};
	size_t used = 0;

	out[0] = '\0';
	for (int i = 0; i < TOP_COLUMNS; i++) {
		int cell_width = columns[i].width[t->slow];
		char cell[160];

		if (cell_width == 0)
			continue;
		if (i == TOP_CONNECTION)
			(void)snprintf(cell, sizeof cell, "%s", r->connection);
		else if (i == TOP_REPORT)
			(void)snprintf(cell, sizeof cell, "%s", r->report);
		else if (i == TOP_SESSION)
			(void)snprintf(cell, sizeof cell, "%.*s", SHORT_ID, r->session_id);
		else if (i == TOP_RATE && r->rate < 0)
			(void)snprintf(cell, sizeof cell, "-");
		else if (i == TOP_RATE)
			(void)snprintf(cell, sizeof cell, "%.1f", r->rate);
		else if (i == TOP_IDLE)
			top_duration(r->idle, cell);
		else
			top_number(numbers[i], cell);
		used = put(out, used, cell_width, cell);
	}
	cut(out, width);
}
