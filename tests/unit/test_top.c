/* What pmr-top shows, without a screen: numbers, rates, sorting, lines that fit. */
#include "../tap.h"

#include <string.h>

#include "../../cmd/tool_top.h"

static void test_numbers(void)
{
	static const struct {
		int64_t n;
		const char *want;
	} numbers[] = {{0, "0"},           {99999, "99999"}, {100000, "100k"},
	               {999499, "999k"},   {999500, "1.0M"}, {1234567, "1.2M"},
	               {9949999, "9.9M"},  {9950000, "10M"}, {INT64_C(83560411136), "84G"},
	               {INT64_MAX, "9.2E"}};
	static const struct {
		int64_t s;
		const char *want;
	} durations[] = {{0, "0s"},    {99, "99s"},     {100, "1m"},   {5999, "99m"},
	                 {6000, "1h"}, {359999, "99h"}, {360000, "4d"}};
	char got[24];

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		top_number(numbers[i].n, got);
		is_str(got, numbers[i].want, "number");
	}
	for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
		top_duration(durations[i].s, got);
		is_str(got, durations[i].want, "duration");
	}
}

static json_t *parse(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	if (!j) {
		printf("Bail out! %s\n", text);
		exit(1);
	}
	return j;
}

static int update(struct top *t, const char *status, const char *sessions, const char *conns,
                  double seconds)
{
	json_t *s = parse(status), *v = parse(sessions), *c = parse(conns);
	int rc = top_update(t, s, v, c, seconds);

	json_decref(s);
	json_decref(v);
	json_decref(c);
	return rc;
}

#define STATUS(events)                                                                             \
	"{\"events\":" #events ",\"errors\":7,\"sessions\":3,\"online\":4,\"connections\":5,"      \
	"\"uptime_seconds\":7200,\"loop_lag_us\":1500,\"commit_us_p99\":2048,\"draining\":true,"   \
	"\"sockets\":{\"queue_bytes\":123456,\"slow_closes\":2},"                                  \
	"\"store\":{\"writable\":false,\"bytes\":1234567,\"bytes_free\":84000000000}}"

static const char first[] = "[{\"report_id\":\"a\",\"session_id\":\"1\",\"seq\":10,\"connections\":"
			    "2,\"idle_seconds\":5},"
			    "{\"report_id\":\"b\",\"session_id\":\"2\",\"seq\":50,\"connections\":"
			    "9,\"idle_seconds\":1}]";
static const char second[] =
	"[{\"report_id\":\"b\",\"session_id\":\"2\",\"seq\":60,\"connections\":1,\"idle_seconds\":"
	"0},"
	"{\"report_id\":\"a\",\"session_id\":\"1\",\"seq\":110,\"connections\":2,\"idle_seconds\":"
	"5,"
	"\"lag\":3,\"lagging\":1},"
	"{\"report_id\":\"new\",\"session_id\":\"3\",\"seq\":900,\"connections\":0}]";
static const char slow[] =
	"[{\"connection_id\":\"7\",\"user_id\":\"ann\",\"report_id\":\"a\",\"session_id\":\"1\","
	"\"seq\":107,\"lag\":3,\"queue_bytes\":0},"
	"{\"connection_id\":\"8\",\"user_id\":\"bob\",\"session_id\":\"1\",\"seq\":110,\"lag\":0,"
	"\"queue_bytes\":0}]";

/* The names of the rows in their order. */
static const char *order(struct top *t, enum top_column by, bool reverse)
{
	static char out[64];

	out[0] = '\0';
	t->sort = by;
	t->reverse = reverse;
	top_sort(t);
	for (size_t i = 0; i < top_view(t)->len; i++) {
		strcat(out, top_view(t)->v[i].report);
		strcat(out, " ");
	}
	return out;
}

static void test_rates(void)
{
	struct top t = {.sort = TOP_RATE};
	char line[TOP_LINE];

	is_int(update(&t, STATUS(100), first, "[]", 0), 0, "the first look");
	ok(t.events_rate == 0 && t.sessions.v[0].rate < 0, "knows no rates");
	is_int(update(&t, STATUS(160), second, slow, 2), 0, "the second look");
	ok(t.events_rate == 30, "events a second, of all");
	is_str(order(&t, TOP_RATE, false), "a b new ", "the busiest first; what is new last");
	ok(t.sessions.v[0].rate == 50 && t.sessions.v[1].rate == 5, "events a second, of each");
	is_str(order(&t, TOP_RATE, true), "new b a ", "and in reverse");
	is_str(order(&t, TOP_REPORT, false), "a b new ", "by name");
	is_str(order(&t, TOP_SEQ, false), "new a b ", "by seq");
	is_str(order(&t, TOP_CONNS, false), "a b new ", "by connections");
	is_str(order(&t, TOP_IDLE, false), "b new a ", "by idleness, the busy first");
	is_str(order(&t, TOP_LAG, false), "a b new ", "by lag; among equals by name");
	top_head(&t, 1, -1, line);
	is_str(line, "events/s 30.0  deliveries/s 0.0  requests/s 0.0  errors/s 0.0 (7)", "rates");
	t.slow = true;
	is_int((int64_t)top_view(&t)->len, 1, "who is behind is slow");
	is_str(top_view(&t)->v[0].connection, "7 ann", "by id and user");
	is_str(top_view(&t)->v[0].report, "a", "and where");
	is_int(update(&t, STATUS(5), second, "[]", 1), 0, "a daemon that was started anew");
	ok(t.events_rate == 0, "counts from nothing, not backwards");
	is_int(update(&t, "{}", "{}", "[]", 1), -1, "no list is refused");
	top_release(&t);
}

static void test_lines(void)
{
	struct top t = {.sort = TOP_SEQ};
	struct top_row r = {.report = "a-report-with-a-very-long-name-indeed",
	                    .seq = INT64_MAX,
	                    .online = 12,
	                    .connections = 345,
	                    .lag = 6,
	                    .slow = 1,
	                    .queue_bytes = 1234567,
	                    .idle = 61,
	                    .rate = 12.34};
	char line[TOP_LINE];

	is_int(update(&t, STATUS(1), first, "[]", 0), 0, "a look");
	top_headings(&t, 80, line);
	is_str(line,
	       "REPORT                      SEQ*    EV/S  ONLN  CONN    LAG  SLOW   QUEUE   IDLE",
	       "headings, with a star at what sorts");
	is_int((int64_t)strlen(line), 80, "in 80 columns");
	top_row_line(&t, &r, 80, line);
	is_str(line,
	       "a-report-with-a-very-lo     9.2E    12.3    12   345      6     1    1.2M    61s",
	       "a row");
	top_row_line(&t, &r, 30, line);
	is_int((int64_t)strlen(line), 30, "cut where the screen ends");
	top_head(&t, 0, -1, line);
	is_str(line, "collabd up 2h, DRAINING  sessions 3  online 4  connections 5  slow 0",
	       "head");
	top_head(&t, 2, -1, line);
	is_str(line, "loop lag 1.5 ms  commit p99 2.0 ms  queues 123k  slow closes 2", "latencies");
	top_head(&t, 3, -1, line);
	is_str(line, "store: CANNOT BE WRITTEN, 1.2M bytes, 84G free, 0 pending, 0 commits failed",
	       "the store");
	for (int i = 0; i < TOP_HEAD_LINES; i++) {
		top_head(&t, i, 20, line);
		ok(strlen(line) <= 20, "the head is cut too");
	}
	is_int(top_column_named("conn"), TOP_CONNS, "columns by name");
	is_int(top_column_named("nonsense"), -1, "no other");
	top_release(&t);
}

/* Who is behind, and where. */
static void test_slow(void)
{
	static const char conns[] =
		"[{\"connection_id\":\"41\",\"user_id\":\"ann\",\"report_id\":\"b\",\"session_id\":"
		"\"0194c9ef-1111\",\"seq\":107,\"lag\":3,\"queue_bytes\":0},"
		"{\"connection_id\":\"1234567890\",\"user_id\":\"somebody-with-a-long-name\","
		"\"report_id\":\"a-report-with-a-very-long-name-indeed\",\"session_id\":"
		"\"0194c9ee-2222\",\"seq\":5,\"lag\":2,\"queue_bytes\":1234567},"
		"{\"connection_id\":\"43\",\"user_id\":\"cleo\",\"report_id\":\"b\",\"session_id\":"
		"\"0194c9ed-3333\",\"seq\":109,\"lag\":1,\"queue_bytes\":5}]";
	struct top t = {.sort = TOP_RATE, .sort_slow = TOP_LAG, .slow = true};
	char line[TOP_LINE];

	is_int(update(&t, STATUS(1), first, conns, 0), 0, "a look");
	top_headings(&t, 80, line);
	is_str(line,
	       "CONNECTION              REPORT                  SESSION       SEQ   LAG*   QUEUE",
	       "headings of the slow");
	is_int((int64_t)strlen(line), 80, "in 80 columns");
	top_row_line(&t, &top_view(&t)->v[0], 80, line);
	is_str(line,
	       "41 ann                  b                       0194c9ef      107      3       0",
	       "the report and the session that it is in");
	top_row_line(&t, &top_view(&t)->v[1], 80, line);
	is_str(line,
	       "1234567890 somebody-wit a-report-with-a-very-lo 0194c9ee        5      2    1.2M",
	       "long names are cut");
	is_int((int64_t)strlen(line), 80, "in 80 columns too");
	top_move_sort(&t, 1);
	is_str(top_view(&t)->v[0].connection, "1234567890 somebody-with-a-long-name", "by queue");
	top_move_sort(&t, 1);
	is_str(top_view(&t)->v[0].connection, "1234567890 somebody-with-a-long-name",
	       "round to the connection");
	top_move_sort(&t, 1);
	is_str(order(&t, TOP_RATE, false), "a-report-with-a-very-long-name-indeed b b ",
	       "by report");
	is_str(top_view(&t)->v[1].session_id, "0194c9ed-3333", "among equals by session");
	top_move_sort(&t, 1);
	is_str(top_view(&t)->v[2].connection, "41 ann", "by session");
	top_move_sort(&t, -1);
	top_move_sort(&t, -1);
	top_move_sort(&t, -1);
	ok(t.sort_slow == TOP_QUEUE, "and back");
	ok(t.sort == TOP_RATE, "what sorts the sessions is another matter");
	t.slow = false;
	top_move_sort(&t, 1);
	ok(t.sort == TOP_ONLINE, "as is theirs");
	is_int(top_column_named("connection"), -1, "sessions have no connection to be sorted by");
	top_release(&t);
}

int main(void)
{
	test_slow();
	test_numbers();
	test_rates();
	test_lines();
	return done();
}
