/* pmr-admin erase and compact: what is stored of a session becomes less. */
#include <stdlib.h>
#include <string.h>

#include "tool_admin.h"

/* "3,7-9" as an array of seqs; NULL: it is none. */
static json_t *seqs_of(const char *text)
{
	enum { SEQS_MAX = 10000 };
	json_t *seqs = json_array();

	while (seqs && *text) {
		char *end = NULL;
		long long from = strtoll(text, &end, 10), to = from;

		if (*text < '0' || *text > '9')
			break;
		if (*end == '-' && end[1] >= '0' && end[1] <= '9')
			to = strtoll(end + 1, &end, 10);
		if (from < 1 || to < from || to - from >= SEQS_MAX || (*end && *end != ','))
			break;
		for (; from <= to; from++)
			if (json_array_append_new(seqs, json_integer(from)))
				break;
		text = *end == ',' && end[1] ? end + 1 : end;
		if (json_array_size(seqs) > SEQS_MAX)
			break;
	}
	if (*text || json_array_size(seqs) == 0) {
		json_decref(seqs);
		return NULL;
	}
	return seqs;
}

/* Whether the text is out of the files too is a part of the answer. */
static int ask_erase(struct tool *t, const json_t *body)
{
	struct collab_response r = {0};
	struct collab_err e = {0};
	json_t *answer = NULL;
	int status = 0, rc = tool_request(t, "POST", "S/erase", body, &r, &e);

	if (!rc)
		rc = tool_answer(&r, &answer, &e);
	if (rc) {
		status = tool_fail(t, &e);
	} else {
		tool_put_json(t, r.body, r.len);
		if (json_is_false(json_object_get(answer, "scrubbed")))
			status = tool_complain(
				t, 75,
				"the text is out of the log, but not yet out of the server's "
				"files: the disk is full, or somebody reads them; the server goes "
				"on trying");
	}
	json_decref(answer);
	collab_response_release(&r);
	return status;
}

int admin_erase(struct tool *t)
{
	const char *user = tool_opt(t, "user"), *list = tool_opt(t, "seqs");
	struct collab_err e = {0};
	json_t *seqs = list ? seqs_of(list) : NULL, *body = NULL;
	int status = 0, rc = 0;

	if ((user != NULL) == (list != NULL))
		return tool_usage(t, "erase wants either --user or --seqs");
	if (list && !seqs)
		return tool_usage(t, "--seqs wants seqs and ranges of them (3,7-9), not \"%s\"",
		                  list);
	body = json_pack("{s:s*,s:o*}", "user_id", user, "seqs", seqs);
	rc = body ? tool_target(t, TOOL_NEEDS_SESSION, &e)
	          : tool_err(&e, "bad_utf8", "the user is not valid UTF-8");
	status = rc ? tool_fail(t, &e) : ask_erase(t, body);
	json_decref(body);
	return status;
}

int admin_compact(struct tool *t)
{
	struct collab_err e = {0};
	bool floor = tool_has(t, "floor"), days = tool_has(t, "keep-days");
	int64_t n = 0;
	json_t *body = NULL;
	int status = 0;
	int rc = floor ? tool_opt_int(t, "floor", 1, INT64_MAX, &n, &e)
	               : tool_opt_int(t, "keep-days", 0, 100000, &n, &e);

	if (floor == days)
		return tool_usage(t, "compact wants either --floor or --keep-days");
	body = json_pack("{s:I}", floor ? "floor" : "keep_days", (json_int_t)n);
	if (!rc && !body)
		rc = tool_err(&e, "out_of_memory", "out of memory");
	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SESSION, &e);
	status = rc ? tool_fail(t, &e) : tool_ask(t, "POST", "S/compact", body);
	json_decref(body);
	return status;
}
