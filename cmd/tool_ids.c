/* One change for each of many ids: operands, or lines of stdin. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

struct batch {
	const struct tool_ids *ids;
	int64_t answers, refused, bad;
	int stopped; /* the code of what stops the rest too; 0: nothing */
};

/* The id in a line: an NDJSON object's member, a JSON string, or the line itself.  Gives *id. */
static int read_id(const struct tool_ids *ids, const char *line, size_t len, char **id,
                   struct collab_err *e)
{
	const char *value = NULL;
	json_t *json = NULL, *member = NULL;

	if (*line != '{' && *line != '"') {
		if (strlen(line) != len || line[strcspn(line, " \t")])
			return tool_err(e, "bad_json", "neither an id nor a JSON object");
		*id = strdup(line);
		return *id ? 0 : tool_err(e, "out_of_memory", "out of memory");
	}
	json = json_loadb(line, len, JSON_DECODE_ANY, NULL);
	member = json_object_get(json, ids->member);
	if (!member && ids->within)
		member = json_object_get(json_object_get(json, ids->within), ids->member);
	value = json_string_value(json_is_object(json) ? member : json);
	if (value)
		*id = strdup(value);
	json_decref(json);
	if (!json)
		return tool_err(e, "bad_json", "not valid JSON");
	if (!value)
		return tool_err(e, "missing_field", "the object has no %s", ids->member);
	return *id ? 0 : tool_err(e, "out_of_memory", "out of memory");
}

/* What will be the same for every further id. */
static bool stops(const struct collab_err *e)
{
	static const char *const codes[] = {"unreachable", "timed_out",     "unauthenticated",
	                                    "config",      "token_expired", "out_of_memory",
	                                    "protocol",    "usage"};

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (e->code == collab_code(codes[i]))
			return true;
	return false;
}

/* The line that says why there is no answer. */
static void put_error(struct tool *t, const struct tool_ids *ids, const char *id, int64_t line,
                      const struct collab_response *r, const struct collab_err *e)
{
	json_t *object = tool_error_object(r, e);

	/* What cannot be added for want of memory is missed less than the rest. */
	if (id)
		(void)json_object_set_new(object, ids->member, json_string(id));
	if (line)
		(void)json_object_set_new(object, "line", json_integer(line));
	tool_put_object(t, object);
	json_decref(object);
}

/* One id of several; NULL: what *e says is wrong with the line itself. */
static void do_one(struct tool *t, struct batch *b, const char *id, int64_t line,
                   struct collab_err *e)
{
	struct collab_response r = {0};

	b->answers++;
	if (!id) {
		b->bad++;
		put_error(t, b->ids, NULL, line, &r, e);
	} else if (b->ids->fn(t, id, &r, e)) {
		b->refused++;
		if (stops(e))
			b->stopped = e->code;
		put_error(t, b->ids, id, line, &r, e);
	} else {
		tool_put_json(t, r.body, r.len);
	}
	collab_response_release(&r);
}

static int each_line(struct tool *t, struct batch *b, struct collab_err *e)
{
	struct tool_lines lines;
	int rc = 0;

	tool_lines_init(&lines, STDIN_FILENO);
	while (!b->stopped && (rc = tool_lines_next(t, &lines, e)) == 1) {
		char *line = lines.buf + strspn(lines.buf, " \t\r"), *id = NULL;
		struct collab_err why = {0};

		while (lines.line_len && strchr(" \t\r", lines.buf[lines.line_len - 1]))
			lines.buf[--lines.line_len] = '\0';
		if (lines.too_long)
			(void)tool_err(&why, "too_large", "the line has more than %d bytes",
			               (int)TOOL_LINE_MAX);
		else if (line >= lines.buf + lines.line_len)
			continue; /* an empty line asks for nothing */
		else
			(void)read_id(b->ids, line, lines.line_len - (size_t)(line - lines.buf),
			              &id, &why);
		do_one(t, b, id, lines.number, &why);
		free(id);
		if (b->stopped)
			*e = why;
	}
	tool_lines_release(&lines);
	return b->stopped ? 0 : rc;
}

static int finish(struct tool *t, const struct batch *b, const struct collab_err *e)
{
	if (b->stopped)
		return tool_complain(t, collab_exit_status(b->stopped), "stopped at line %lld: %s",
		                     (long long)b->answers, e->text);
	if (b->bad + b->refused == 0)
		return 0;
	return tool_complain(t, b->bad ? collab_exit_status(collab_code("bad_json")) : 1,
	                     "%lld of %lld were refused", (long long)(b->bad + b->refused),
	                     (long long)b->answers);
}

/* A single operand: its answer, or its error to stderr. */
static int just_one(struct tool *t, const struct tool_ids *ids, const char *id)
{
	struct collab_response r = {0};
	struct collab_err e = {0};
	int status = 0;

	if (ids->fn(t, id, &r, &e))
		status = tool_fail(t, &e);
	else
		tool_put_json(t, r.body, r.len);
	collab_response_release(&r);
	return status;
}

int tool_each_id(struct tool *t, const struct tool_ids *ids)
{
	struct batch b = {.ids = ids};
	struct collab_err e = {0};

	if (t->operands_len == 1 && strcmp(t->operands[0], "-") != 0)
		return just_one(t, ids, t->operands[0]);
	if (t->operands_len == 1 && each_line(t, &b, &e))
		return tool_fail(t, &e);
	for (int i = 0; t->operands_len > 1 && i < t->operands_len && !b.stopped; i++)
		do_one(t, &b, t->operands[i], 0, &e);
	return finish(t, &b, &e);
}
