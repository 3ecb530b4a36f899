/* Paths to routes. */
#include "proto/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

static const char reports_prefix[] = "/api/reports/pmr/{report_id}/collaborate";
static const char sessions_prefix[] = "/api/sessions/{session_id}";

static const struct route_row rows[ROUTES] = {
#define X(name, method, path) [ROUTE_##name] = {#name, METHOD_##method, path},
	ROUTE_TABLE(X)
#undef X
};

static const char *const methods[METHODS] = {
#define X(name) [METHOD_##name] = #name,
	METHOD_TABLE(X)
#undef X
};

/* The parameters that paths have. */
static const struct {
	const char *name;
	size_t at, size; /* of the member of struct route_match */
	bool (*valid)(const char *s);
	const char *what;
} params[] = {
#define OF(member) offsetof(struct route_match, member), sizeof((struct route_match *)0)->member
	{"report_id", OF(report_id), name_valid, "a report id"},
	{"session_id", OF(session_id), uuid_valid, "a UUID"},
	{"section_id", OF(section_id), section_name_valid, "a section id"},
	{"user_id", OF(user_id), name_valid, "a user id"},
	{"comment_id", OF(comment_id), uuid_valid, "a UUID"},
	{"conflict_id", OF(conflict_id), uuid_valid, "a UUID"},
#undef OF
};

enum { SEGMENTS_MAX = 9 };

/* A path cut at its slashes; nothing is decoded. */
struct segments {
	const char *p[SEGMENTS_MAX];
	size_t len[SEGMENTS_MAX];
	int n;
};

const struct route_row *route_row(enum route r)
{
	return &rows[r];
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decode one byte of the len > 0 bytes at *p, moving on; false when it is encoded wrongly. */
static bool percent_next(const char **p, size_t *len, char *out)
{
	int high, low;

	*out = **p;
	(*p)++;
	(*len)--;
	if (*out != '%')
		return true;
	if (*len < 2)
		return false;
	high = hex_value((*p)[0]);
	low = hex_value((*p)[1]);
	if (high < 0 || low < 0)
		return false;
	*out = (char)(high << 4 | low);
	*p += 2;
	*len -= 2;
	return true;
}

/* false when it has more segments than any route, or does not begin with a slash. */
static bool cut(const char *path, struct segments *s)
{
	while (*path == '/') {
		size_t len = strcspn(path + 1, "/");

		if (s->n == SEGMENTS_MAX)
			return false;
		s->p[s->n] = path + 1;
		s->len[s->n++] = len;
		path += 1 + len;
	}
	return *path == '\0' && s->n > 0;
}

/* Whether the encoded segment means this text. */
static bool means(const char *p, size_t len, const char *text, size_t text_len)
{
	char c;

	for (; len && text_len; text++, text_len--)
		if (!percent_next(&p, &len, &c) || c != *text)
			return false;
	return len == 0 && text_len == 0;
}

/*
 * Compare the path from segment i on with a pattern: the segment behind it, or -1 when it differs.
 * A parameter takes any segment that is not empty.
 */
static int follow(const struct segments *path, int i, const char *pattern)
{
	while (*pattern == '/') {
		const char *part = pattern + 1;
		size_t len = strcspn(part, "/");

		if (i == path->n || path->len[i] == 0)
			return -1;
		if (*part != '{' && !means(path->p[i], path->len[i], part, len))
			return -1;
		i++;
		pattern = part + len;
	}
	return i;
}

/* Whether the path has the shape of the row's; *prefix is what stands for its "S". */
static bool row_matches(const struct route_row *row, const struct segments *path,
                        const char **prefix)
{
	static const char *const prefixes[] = {reports_prefix, sessions_prefix};

	*prefix = "";
	if (row->path[0] != 'S')
		return follow(path, 0, row->path) == path->n;
	for (size_t k = 0; k < sizeof prefixes / sizeof prefixes[0]; k++) {
		int i = follow(path, 0, prefixes[k]);

		*prefix = prefixes[k];
		if (i >= 0 && follow(path, i, row->path + 1) == path->n)
			return true;
	}
	return false;
}

/* One parameter of the path, decoded and checked.  Every name in the table of routes is known. */
static int read_param(const char *name, size_t name_len, const char *p, size_t len,
                      struct route_match *m, struct err *e)
{
	char *out = NULL;
	size_t i = 0, n = 0;

	while (strlen(params[i].name) != name_len || memcmp(params[i].name, name, name_len) != 0)
		i++;
	out = (char *)m + params[i].at;
	while (len && n + 1 < params[i].size) {
		if (!percent_next(&p, &len, &out[n++]))
			return err_set(e, ERR_BAD_REQUEST,
			               "the path is not percent-encoded rightly");
	}
	out[n] = '\0';
	/* A U+0000 in it ends the string early. */
	if (len || strlen(out) != n || !params[i].valid(out)) {
		out[0] = '\0';
		return err_field(e, ERR_BAD_FIELD, params[i].name, "%s in the path is not %s",
		                 params[i].name, params[i].what);
	}
	return 0;
}

/* The parameters of a pattern that the path follows from segment *i on. */
static int read_params(const struct segments *path, int *i, const char *pattern,
                       struct route_match *m, struct err *e)
{
	int rc = 0;

	for (; *pattern == '/' && !rc; (*i)++) {
		const char *part = pattern + 1;
		size_t len = strcspn(part, "/");

		if (*part == '{')
			rc = read_param(part + 1, len - 2, path->p[*i], path->len[*i], m, e);
		pattern = part + len;
	}
	return rc;
}

static void add_allow(struct route_match *m, enum method method)
{
	if (m->allow[0])
		strcat(m->allow, ", ");
	strcat(m->allow, methods[method]);
	if (method == METHOD_GET)
		strcat(m->allow, ", HEAD");
}

int route_match(const char *method, const char *path, struct route_match *m, struct err *e)
{
	struct segments have = {0};
	const char *prefix = NULL, *found_prefix = NULL;
	const struct route_row *found = NULL;
	int i = 0, rc = 0;

	*m = (struct route_match){.head = strcmp(method, "HEAD") == 0};
	if (m->head)
		method = "GET";
	if (!cut(path, &have))
		return err_set(e, ERR_NOT_FOUND, NULL);
	for (int r = 0; r < ROUTES; r++) {
		if (!row_matches(&rows[r], &have, &prefix))
			continue;
		add_allow(m, rows[r].method);
		if (strcmp(methods[rows[r].method], method) == 0) {
			m->route = (enum route)r;
			found = &rows[r];
			found_prefix = prefix;
		}
	}
	if (!m->allow[0])
		return err_set(e, ERR_NOT_FOUND, NULL);
	if (!found)
		return err_set(e, ERR_METHOD_NOT_ALLOWED, "this resource allows %s", m->allow);
	m->websocket = m->route == ROUTE_WS_REPORT || m->route == ROUTE_WS_SESSION;
	rc = read_params(&have, &i, found_prefix, m, e);
	return rc ? rc : read_params(&have, &i, found->path + (found->path[0] == 'S'), m, e);
}

/* ---- queries --------------------------------------------------------------------------------- */

/*
 * Decode p[0..len) and put it and a NUL behind what out holds.  0, ERR_BAD_REQUEST when that is no
 * text, or the error of out.
 */
static int decode_text(const char *p, size_t len, struct buf *out)
{
	size_t start = out->len;

	while (len) {
		bool space = *p == '+'; /* before decoding: %2B is a plus */
		char c;

		if (!percent_next(&p, &len, &c) || c == '\0')
			return ERR_BAD_REQUEST;
		buf_putc(out, space ? ' ' : c);
	}
	buf_putc(out, '\0');
	if (buf_error(out))
		return buf_error(out);
	return utf8_valid(out->p + start, out->len - start) ? 0 : ERR_BAD_REQUEST;
}

/* Add the pair at p[0..len) to the object. */
static int read_pair(const char *p, size_t len, struct buf *text, json_t *query, struct err *e)
{
	const char *equals = memchr(p, '=', len);
	size_t key_len = equals ? (size_t)(equals - p) : len;
	size_t value_at = 0;
	int rc = 0;

	buf_clear(text);
	rc = decode_text(p, key_len, text);
	value_at = text->len;
	if (!rc)
		rc = decode_text(p + key_len + (equals != NULL), len - key_len - (equals != NULL),
		                 text);
	if (rc == ERR_BAD_REQUEST)
		return err_set(e, rc, "the query is not percent-encoded UTF-8");
	if (rc)
		return err_set(e, rc, NULL);
	if (text->p[0] == '\0')
		return err_set(e, ERR_BAD_REQUEST, "the query has a value without a key");
	if (json_object_get(query, text->p))
		return err_set(e, ERR_BAD_REQUEST, "the query says %s twice", text->p);
	if (json_object_set_new(query, text->p, json_string(text->p + value_at)))
		return err_set(e, ERR_NOMEM, NULL);
	return 0;
}

int query_parse(const char *query, json_t **out, struct err *e)
{
	json_t *pairs = json_object();
	struct buf text = {0};
	int rc = pairs ? 0 : err_set(e, ERR_NOMEM, NULL);

	*out = NULL;
	buf_init(&text, strlen(query) + 2); /* a key and a value, each with its NUL */
	while (*query && !rc) {
		size_t len = strcspn(query, "&");

		if (len)
			rc = read_pair(query, len, &text, pairs, e);
		query += len;
		query += *query == '&';
	}
	buf_release(&text);
	if (rc)
		json_decref(pairs);
	else
		*out = pairs;
	return rc;
}

const char *query_get(const json_t *query, const char *key)
{
	return json_string_value(json_object_get(query, key));
}

int query_int(const json_t *query, const char *key, int64_t min, int64_t max, int64_t *out,
              struct err *e)
{
	const char *text = query_get(query, key);
	char *end = NULL;
	long long n;

	if (!text)
		return 0;
	errno = 0;
	n = strtoll(text, &end, 10);
	/* strtoll would also take white space and a plus in front. */
	if (errno || *end || !(*text == '-' || (*text >= '0' && *text <= '9')) || n < min ||
	    n > max)
		return err_field(e, ERR_BAD_FIELD, key,
		                 "%s must be a whole number from %lld to %lld", key, (long long)min,
		                 (long long)max);
	*out = n;
	return 0;
}

int query_bool(const json_t *query, const char *key, bool *out, struct err *e)
{
	const char *text = query_get(query, key);

	if (!text)
		return 0;
	if (strcmp(text, "1") == 0 || strcmp(text, "true") == 0 || *text == '\0')
		*out = true;
	else if (strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
		*out = false;
	else
		return err_field(e, ERR_BAD_FIELD, key, "%s must be true or false", key);
	return 0;
}
