/* Paths to routes, and queries. */
#include "../tap.h"

#include "proto/route.h"

#define UUID "0b5e7a52-0a4b-4a6f-9e49-0a3f6f9d4c01"
#define REPORT "/api/reports/pmr/R.1/collaborate"
#define SESSION "/api/sessions/" UUID

/* One line for what a match says. */
static const char *told(const char *method, const char *path)
{
	static char out[1024];
	struct route_match m;
	struct err e = {0};
	int rc = route_match(method, path, &m, &e);
	int n = 0;

	if (rc) {
		(void)snprintf(out, sizeof out, "%s %s%s%s%s", err_row(rc)->wire, e.field,
		               m.allow[0] ? "(" : "", m.allow, m.allow[0] ? ")" : "");
		return out;
	}
	n = snprintf(out, sizeof out, "%s", route_row(m.route)->name);
#define TELL(member)                                                                               \
	if (m.member[0])                                                                           \
		n += snprintf(out + n, sizeof out - (size_t)n, " " #member "=%s", m.member);
	TELL(report_id)
	TELL(session_id)
	TELL(section_id)
	TELL(user_id)
	TELL(comment_id)
	TELL(conflict_id)
#undef TELL
	(void)snprintf(out + n, sizeof out - (size_t)n, "%s%s", m.head ? " head" : "",
	               m.websocket ? " websocket" : "");
	return out;
}

static const struct {
	const char *method, *path, *want;
} table[] = {
	{"POST", REPORT "/start", "START report_id=R.1"},
	{"POST", REPORT "/end", "END report_id=R.1"},
	{"POST", SESSION "/end", "END session_id=" UUID},
	{"GET", REPORT "/session", "SESSION report_id=R.1"},
	{"GET", SESSION "/session", "SESSION session_id=" UUID},
	{"GET", SESSION, "SESSION_BY_ID session_id=" UUID},
	{"HEAD", SESSION, "SESSION_BY_ID session_id=" UUID " head"},
	{"GET", REPORT "/state", "STATE report_id=R.1"},
	{"GET", SESSION "/participants", "PARTICIPANTS session_id=" UUID},
	{"POST", REPORT "/participants", "PARTICIPANT_ADD report_id=R.1"},
	{"PATCH", REPORT "/participants/ann@example.org",
         "PARTICIPANT_ROLE report_id=R.1 user_id=ann@example.org"},
	{"DELETE", REPORT "/participants/ann%40example.org",
         "PARTICIPANT_REMOVE report_id=R.1 user_id=ann@example.org"},
	{"GET", REPORT "/sections", "SECTIONS report_id=R.1"},
	{"GET", REPORT "/sections/lock", "SECTION report_id=R.1 section_id=lock"},
	{"HEAD", REPORT "/sections/a", "SECTION report_id=R.1 section_id=a head"},
	{"PUT", REPORT "/sections/a", "SECTION_PUT report_id=R.1 section_id=a"},
	{"PATCH", REPORT "/sections/a", "SECTION_PATCH report_id=R.1 section_id=a"},
	{"DELETE", SESSION "/sections/a", "SECTION_DELETE session_id=" UUID " section_id=a"},
	{"PUT", REPORT "/sections/a/lock", "LOCK report_id=R.1 section_id=a"},
	{"DELETE", REPORT "/sections/a/lock", "UNLOCK report_id=R.1 section_id=a"},
	{"GET", REPORT "/comments", "COMMENTS report_id=R.1"},
	{"POST", REPORT "/comments", "COMMENT_ADD report_id=R.1"},
	{"PATCH", REPORT "/comments/" UUID, "COMMENT_EDIT report_id=R.1 comment_id=" UUID},
	{"DELETE", REPORT "/comments/" UUID, "COMMENT_DELETE report_id=R.1 comment_id=" UUID},
	{"POST", REPORT "/comments/" UUID "/resolve",
         "COMMENT_RESOLVE report_id=R.1 comment_id=" UUID},
	{"POST", REPORT "/comments/" UUID "/reopen",
         "COMMENT_REOPEN report_id=R.1 comment_id=" UUID},
	{"GET", REPORT "/conflicts", "CONFLICTS report_id=R.1"},
	{"GET", REPORT "/conflicts/" UUID, "CONFLICT report_id=R.1 conflict_id=" UUID},
	{"POST", REPORT "/conflicts/" UUID "/resolve",
         "CONFLICT_RESOLVE report_id=R.1 conflict_id=" UUID},
	{"GET", REPORT "/events", "EVENTS report_id=R.1"},
	{"POST", SESSION "/erase", "ERASE session_id=" UUID},
	{"POST", REPORT "/compact", "COMPACT report_id=R.1"},
	{"POST", "/api/sessions/import", "IMPORT"},
	{"GET", SESSION "/export", "EXPORT session_id=" UUID},
	{"PUT", REPORT "/presence", "PRESENCE report_id=R.1"},
	{"GET", "/api/sessions", "SESSIONS"},
	{"POST", "/api/tickets", "TICKETS"},
	{"GET", "/api/admin/status", "ADMIN_STATUS"},
	{"GET", "/api/admin/sessions", "ADMIN_SESSIONS"},
	{"GET", "/api/admin/connections", "ADMIN_CONNECTIONS"},
	{"DELETE", "/api/admin/connections", "ADMIN_KICK"},
	{"POST", "/api/admin/drain", "ADMIN_DRAIN"},
	{"POST", "/api/admin/reload", "ADMIN_RELOAD"},
	{"POST", "/api/admin/backup", "ADMIN_BACKUP_START"},
	{"GET", "/api/admin/backup", "ADMIN_BACKUP"},
	{"DELETE", "/api/admin/backup", "ADMIN_BACKUP_END"},
	{"PUT", "/api/admin/connections", "method_not_allowed (GET, HEAD, DELETE)"},
	{"GET", "/healthz", "HEALTHZ"},
	{"HEAD", "/readyz", "READYZ head"},
	{"GET", "/metrics", "METRICS"},
	{"GET", "/version", "VERSION"},
	{"GET", "/ws/reports/pmr/R.1/collaborate", "WS_REPORT report_id=R.1 websocket"},
	{"GET", "/ws/sessions/" UUID, "WS_SESSION session_id=" UUID " websocket"},

	/* percent-encoding */
	{"GET", "/%61pi/s%65ssions", "SESSIONS"},
	{"GET", REPORT "/sections/%61%2e%5F", "SECTION report_id=R.1 section_id=a._"},
	{"GET", REPORT "/sections/a%2flock", "bad_field section_id(GET, HEAD, PUT, PATCH, DELETE)"},
	{"GET", REPORT "/sections/a%00", "bad_field section_id(GET, HEAD, PUT, PATCH, DELETE)"},
	{"GET", REPORT "/sections/%00", "bad_field section_id(GET, HEAD, PUT, PATCH, DELETE)"},
	{"GET", REPORT "/sections/%", "bad_request (GET, HEAD, PUT, PATCH, DELETE)"},
	{"GET", REPORT "/sections/%6", "bad_request (GET, HEAD, PUT, PATCH, DELETE)"},
	{"GET", REPORT "/sections/%6g", "bad_request (GET, HEAD, PUT, PATCH, DELETE)"},
	{"GET", REPORT "/sections/a+b", "bad_field section_id(GET, HEAD, PUT, PATCH, DELETE)"},
	{"GET", "/healthz%", "not_found "},

	/* ids that are none */
	{"GET", "/api/sessions/nope", "bad_field session_id(GET, HEAD)"},
	{"GET", "/api/sessions/nope/events", "bad_field session_id(GET, HEAD)"},
	{"GET", "/api/reports/pmr/-x/collaborate/session", "bad_field report_id(GET, HEAD)"},
	{"PATCH", REPORT "/comments/1", "bad_field comment_id(PATCH, DELETE)"},
	{"GET", REPORT "/conflicts/1", "bad_field conflict_id(GET, HEAD)"},
	{"DELETE", REPORT "/participants/a b", "bad_field user_id(PATCH, DELETE)"},

	/* methods */
	{"POST", SESSION, "method_not_allowed (GET, HEAD)"},
	{"DELETE", REPORT "/start", "method_not_allowed (POST)"},
	{"GET", REPORT "/end", "method_not_allowed (POST)"},
	{"OPTIONS", REPORT "/sections/a", "method_not_allowed (GET, HEAD, PUT, PATCH, DELETE)"},
	{"get", "/healthz", "method_not_allowed (GET, HEAD)"},
	{"HEAD", REPORT "/presence", "method_not_allowed (PUT)"},
	{"POST", "/api/sessions/nope", "method_not_allowed (GET, HEAD)"},

	/* what is not there */
	{"GET", "", "not_found "},
	{"GET", "/", "not_found "},
	{"GET", "*", "not_found "},
	{"GET", "healthz", "not_found "},
	{"GET", "/healthz/", "not_found "},
	{"GET", "//healthz", "not_found "},
	{"GET", "/Healthz", "not_found "},
	{"GET", "/healthzz", "not_found "},
	{"GET", "/health", "not_found "},
	{"GET", "/api/sessions/", "not_found "},
	{"POST", SESSION "/start", "not_found "},
	{"GET", REPORT, "not_found "},
	{"GET", REPORT "/sections/", "not_found "},
	{"GET", REPORT "/sections/a/b", "not_found "},
	{"GET", "/api/reports/pmr//collaborate/session", "not_found "},
	{"GET", "/api/reports/xyz/R.1/collaborate/session", "not_found "},
	{"GET", "/a/b/c/d/e/f/g/h/i/j/k", "not_found "},
	{"GET", "/api/../healthz", "not_found "},
};

static void test_paths(void)
{
	char path[400] = REPORT "/sections/", want[400] = "SECTION report_id=R.1 section_id=";
	size_t at = strlen(path), want_at = strlen(want);
	bool seen[ROUTES] = {false};
	int all = 0;

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct route_match m;

		is_str(told(table[i].method, table[i].path), table[i].want, table[i].path);
		if (route_match(table[i].method, table[i].path, &m, NULL) == 0)
			seen[m.route] = true;
	}
	for (int r = 0; r < ROUTES; r++)
		all += seen[r];
	is_int(all, ROUTES, "every route is in the table above");

	memset(path + at, 'a', NAME_LEN_MAX);
	memset(want + want_at, 'a', NAME_LEN_MAX);
	is_str(told("GET", path), want, "the longest id");
	path[at + NAME_LEN_MAX] = 'a';
	is_str(told("GET", path), "bad_field section_id(GET, HEAD, PUT, PATCH, DELETE)",
	       "an id that is longer");
}

/* Every parameter of a route is one that route_match knows; it would run off its table else. */
static void test_patterns(void)
{
	static const char *const params[] = {"{report_id}", "{session_id}", "{section_id}",
	                                     "{user_id}",   "{comment_id}", "{conflict_id}"};
	int unknown = 0;

	for (int r = 0; r < ROUTES; r++) {
		const char *p = route_row((enum route)r)->path;

		while ((p = strchr(p, '{'))) {
			size_t i = 0;

			while (i < 6 && strncmp(p, params[i], strlen(params[i])) != 0)
				i++;
			unknown += i == 6;
			p++;
		}
	}
	is_int(unknown, 0, "no route has an unknown parameter");
}

/* ---- queries --------------------------------------------------------------------------------- */

static void test_queries(void)
{
	static const struct {
		const char *query, *want; /* NULL: refused */
	} queries[] = {
		{"", "{}"},
		{"&&", "{}"},
		{"a=1", "{\"a\": \"1\"}"},
		{"a=1&b=2&", "{\"a\": \"1\", \"b\": \"2\"}"},
		{"flag", "{\"flag\": \"\"}"},
		{"flag=", "{\"flag\": \"\"}"},
		{"a=b=c", "{\"a\": \"b=c\"}"},
		{"q=a+b%20c%2Bd", "{\"q\": \"a b c+d\"}"},
		{"%61=%c3%A9%26", "{\"a\": \"é&\"}"},
		{"a=/?:@,;", "{\"a\": \"/?:@,;\"}"},
		{"a=\xc3\xa9", "{\"a\": \"é\"}"},
		{"=1", NULL},
		{"a=1&a=2", NULL},
		{"a=1&%61=2", NULL},
		{"a=%", NULL},
		{"a=%4", NULL},
		{"a=%4&b=1", NULL},
		{"a=%zz", NULL},
		{"a=%00", NULL},
		{"a%00b=1", NULL},
		{"a=%c3", NULL},
		{"a=%c3&b=%a9", NULL},
		{"%c3=%a9", NULL},
		{"a=\xff", NULL},
		{"a=%ed%a0%80", NULL},
	};

	for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
		json_t *j = NULL;
		int rc = query_parse(queries[i].query, &j, NULL);
		char *got = j ? json_dumps(j, 0) : NULL;

		is_str(got, queries[i].want, queries[i].query);
		is_int(rc, queries[i].want ? 0 : ERR_BAD_REQUEST, "with the code for it");
		free(got);
		json_decref(j);
	}
}

static void test_values(void)
{
	static const char *const no_numbers[] = {"bad", "plus", "space", "empty",
	                                         "big", "dash", "hex"};
	json_t *q = NULL;
	struct err e = {0};
	int64_t n = 7;
	bool b = false;

	is_int(query_parse("n=42&neg=-3&bad=4x&plus=%2B4&space=+4&empty=&dash=-&hex=0x1"
	                   "&big=99999999999999999999&t=true&one=1&f=false&zero=0&flag&x=yes",
	                   &q, NULL),
	       0, "a query");
	is_str(query_get(q, "t"), "true", "a value");
	is_str(query_get(q, "nothing"), NULL, "no value");
	ok(query_int(q, "nothing", 0, 9, &n, &e) == 0 && n == 7,
	   "an absent number changes nothing");
	ok(query_int(q, "n", 0, 42, &n, &e) == 0 && n == 42, "a number");
	ok(query_int(q, "neg", -3, 42, &n, &e) == 0 && n == -3, "a negative number");
	is_int(query_int(q, "n", 0, 41, &n, &e), ERR_BAD_FIELD, "a number beyond the range");
	is_int(query_int(q, "n", 43, 99, &n, &e), ERR_BAD_FIELD, "a number below the range");
	is_str(e.field, "n", "is named");
	for (size_t i = 0; i < sizeof no_numbers / sizeof no_numbers[0]; i++)
		is_int(query_int(q, no_numbers[i], INT64_MIN, INT64_MAX, &n, &e), ERR_BAD_FIELD,
		       no_numbers[i]);
	is_int(n, -3, "and what is refused changes nothing");
	ok(query_bool(q, "nothing", &b, &e) == 0 && !b, "an absent truth changes nothing");
	ok(query_bool(q, "t", &b, &e) == 0 && b, "true");
	ok(query_bool(q, "f", &b, &e) == 0 && !b, "false");
	ok(query_bool(q, "one", &b, &e) == 0 && b, "1");
	ok(query_bool(q, "zero", &b, &e) == 0 && !b, "0");
	ok(query_bool(q, "flag", &b, &e) == 0 && b, "the name alone");
	is_int(query_bool(q, "x", &b, &e), ERR_BAD_FIELD, "no truth");
	json_decref(q);
}

int main(void)
{
	test_paths();
	test_patterns();
	test_queries();
	test_values();
	return done();
}
