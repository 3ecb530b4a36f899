/* Answers: their members as they came, byte for byte, so that no number is written anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

enum { PATH_BYTES = 1024 };

/* All of these walk over text that json_loadb has found to be valid and that ends in NUL. */

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

static const char *skip_string(const char *p)
{
	for (p++; *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p + 1;
}

static const char *skip_value(const char *p)
{
	int depth = 0;

	do {
		if (*p == '"') {
			p = skip_string(p);
			continue;
		}
		depth += *p == '{' || *p == '[';
		depth -= *p == '}' || *p == ']';
		/* A number or a word ends where something else begins. */
		p += depth || *p == '}' || *p == ']' ? 1 : strcspn(p, ",]} \t\r\n");
	} while (depth);
	return p;
}

/* At a key: its value. */
static const char *value_of(const char *key)
{
	return skip_space(skip_space(skip_string(key)) + 1);
}

/* The value of a top-level member, or NULL.  Keys of ours have no escapes. */
static const char *find_member(const char *object, const char *key)
{
	size_t len = strlen(key);
	const char *p = skip_space(skip_space(object) + 1);

	while (*p == '"') {
		const char *value = value_of(p);

		if (strncmp(p + 1, key, len) == 0 && p[1 + len] == '"')
			return value;
		p = skip_space(skip_value(value));
		p = skip_space(p + (*p == ','));
	}
	return NULL;
}

int tool_answer(const struct collab_response *r, json_t **out, struct collab_err *e)
{
	*out = json_loadb(r->body, r->len, 0, NULL);
	if (json_is_object(*out))
		return 0;
	json_decref(*out);
	*out = NULL;
	return tool_err(e, "protocol", "the server's answer is not a JSON object");
}

/* *more: fn did not stop. */
static int each_member(const struct collab_response *r, const char *key,
                       bool (*fn)(void *arg, const char *json, size_t len), void *arg, bool *more,
                       struct collab_err *e)
{
	const char *p = find_member(r->body, key);
	char close = p && *p == '{' ? '}' : ']';

	if (!p || (*p != '[' && *p != '{'))
		return tool_err(e, "protocol", "the server's answer has no %s", key);
	p = skip_space(p + 1);
	while (*more && *p != close) {
		const char *value = close == '}' ? value_of(p) : p;
		const char *end = skip_value(value);

		*more = fn(arg, value, (size_t)(end - value));
		p = skip_space(end);
		p = skip_space(p + (*p == ','));
	}
	return 0;
}

int tool_each_listed(struct tool *t, const char *path, const char *key,
                     bool (*fn)(void *arg, const char *json, size_t len), void *arg,
                     struct collab_err *e)
{
	struct collab_response r = {0};
	json_t *answer = NULL, *cursor = NULL;
	char page[PATH_BYTES];
	bool more = true;
	int rc = 0;

	(void)snprintf(page, sizeof page, "%s", path); /* ids are short */
	while (!rc && more) {
		rc = tool_request(t, "GET", page, NULL, &r, e);
		if (!rc)
			rc = tool_answer(&r, &answer, e);
		if (!rc)
			rc = each_member(&r, key, fn, arg, &more, e);
		cursor = json_object_get(answer, "cursor");
		more = more && json_is_integer(cursor);
		(void)snprintf(page, sizeof page, "%s&cursor=%lld", path,
		               (long long)json_integer_value(cursor));
		json_decref(answer);
		answer = NULL;
		collab_response_release(&r);
	}
	return rc;
}

struct listing {
	struct tool *t;
	int64_t left;
};

static bool put_one(void *arg, const char *json, size_t len)
{
	struct listing *l = arg;

	tool_put_json(l->t, json, len);
	return --l->left > 0;
}

int tool_list(struct tool *t, const char *path, const char *key)
{
	struct listing l = {t, INT64_MAX};
	struct collab_err e = {0};
	int rc = tool_opt_int(t, "count", 1, INT32_MAX, &l.left, &e);

	if (!rc)
		rc = tool_each_listed(t, path, key, put_one, &l, &e);
	return rc ? tool_fail(t, &e) : 0;
}

json_t *tool_error_object(const struct collab_response *r, const struct collab_err *e)
{
	json_t *object = r->body ? json_loadb(r->body, r->len, 0, NULL) : NULL;

	/* A problem (RFC 9457) holds more than the error, such as who holds a lock. */
	if (!e->http || !json_is_object(object) || !json_object_get(object, "code")) {
		json_decref(object);
		object = json_object();
	}
	/* Absent members are fine. */
	(void)json_object_del(object, "detail");
	(void)json_object_del(object, "status");
	(void)json_object_del(object, "title");
	if (json_object_set_new(object, "type", json_string("error")) ||
	    (!json_object_get(object, "code") &&
	     json_object_set_new(object, "code", json_string(e->wire))) ||
	    json_object_set_new(object, "message", json_string(e->text))) {
		json_decref(object);
		return NULL;
	}
	return object;
}
