/* pmr-log: the past of a session. */
#include <stdlib.h>
#include <string.h>

#include "tool_log.h"
#include "tool_stream.h"

static const struct tool_option options[] = {
	{"until", 0, "SEQ|TIME|DURATION", "up to this seq, time or so long ago", "events verify "},
	{"at", 0, "SEQ|TIME|DURATION", "as it was at this seq, time or so long ago",
         "state blame "},
	{"hash", 0, NULL, "print seq, hash and state_hash instead of the state", "state "},
	{"by", 0, "word|line|char", "tell these apart; a word or line is its last writer's",
         "blame "},
	{"expect", 0, "SEQ:HASH", "the log must end so", "verify "},
	{NULL, 0, NULL, NULL, NULL},
};

/* ---- events -----------------------------------------------------------------------------------
 */

struct printing {
	struct tool *t;
	struct stream formatted; /* only a place for what --format makes */
	const char *format;      /* NULL: JSON */
	int64_t left;
};

static bool print(void *arg, int64_t seq, const char *json, size_t len)
{
	struct printing *p = arg;

	(void)seq;
	if (p->format) {
		stream_put_format(&p->formatted, p->format, json, len);
		tool_put_bytes(p->t, p->formatted.out, p->formatted.out_len);
		p->formatted.out_len = 0;
	} else {
		tool_put_json(p->t, json, len);
	}
	return --p->left > 0;
}

static int events(struct tool *t)
{
	struct printing p = {.t = t, .formatted = {.t = t}, .left = INT64_MAX};
	const char *since = tool_opt(t, "since"), *until = tool_opt(t, "until");
	struct log_extent x = {0};
	struct collab_err e = {0};
	int64_t from = 0, to = 0;
	char *filter = NULL;
	int rc = tool_opt_int(t, "count", 1, INT64_MAX, &p.left, &e);

	p.format = tool_opt(t, "format");
	if (!rc && p.format)
		rc = stream_format_check(p.format, &e);
	if (!rc)
		rc = stream_filter(t, true, &filter, &e);
	if (!rc)
		rc = log_open(t, &x, &e);
	to = x.head;
	if (!rc && since)
		rc = log_seq(t, &x, "--since", since, &from, &e);
	if (!rc && until)
		rc = log_seq(t, &x, "--until", until, &to, &e);
	if (!rc && from < x.floor && since)
		(void)tool_complain(t, 0, "the log begins at seq %lld", (long long)x.floor + 1);
	if (to > x.head)
		to = x.head;
	if (!rc && from < to)
		rc = log_each(t, filter, from, to, print, &p, &e);
	free(p.formatted.out);
	free(filter);
	return rc ? tool_fail(t, &e) : 0;
}

/* ---- state ------------------------------------------------------------------------------------
 */

static int put_hashes(struct tool *t, const struct collab_response *r, struct collab_err *e)
{
	json_t *state = NULL, *object = NULL;
	char digest[65];
	int rc = tool_answer(r, &state, e);

	if (!rc)
		rc = collab_digest(r->body, r->len, digest, e);
	if (!rc) {
		object = json_pack("{s:O,s:O,s:O,s:s}", "seq", json_object_get(state, "seq"),
		                   "hash", json_object_get(state, "hash"), "session_id",
		                   json_object_get(state, "session_id"), "state_hash", digest);
		if (object)
			tool_put_object(t, object);
		else
			rc = tool_err(e, "protocol", "the server's answer is no state");
	}
	json_decref(object);
	json_decref(state);
	return rc;
}

static int state(struct tool *t)
{
	const char *at = tool_opt(t, "at");
	struct collab_response r = {0};
	struct collab_err e = {0};
	char *path = NULL;
	int rc = tool_target(t, TOOL_NEEDS_SESSION, &e);

	if (!rc)
		rc = at ? tool_path(&path, &e, "S/state?at=%s", at)
		        : tool_path(&path, &e, "S/state");
	if (!rc)
		rc = tool_request(t, "GET", path, NULL, &r, &e);
	if (!rc && tool_has(t, "hash"))
		rc = put_hashes(t, &r, &e);
	else if (!rc)
		tool_put_json(t, r.body, r.len);
	collab_response_release(&r);
	free(path);
	return rc ? tool_fail(t, &e) : 0;
}

static const struct tool_verb verbs[] = {
	{"events", "", "print the events, one a line", 0, 0,
         TOOL_COUNT | TOOL_SINCE | TOOL_TYPE | TOOL_SECTION | TOOL_USER | TOOL_FORMAT, events},
	{"state", "", "print the whole state, now or at a seq or time", 0, 0, 0, state},
	{"diff", "A [B]", "print what changed from one seq or time to another, or until now", 1, 2,
         0, log_diff},
	{"blame", "SECTION", "print who wrote what of a section, and when", 1, 1, 0, log_blame},
	{"verify", "[FILE|-]", "check the audit chain of the session, or of an exported log", 0, 1,
         0, log_verify},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct tool_spec spec = {
	"pmr-log", "Read the past of a session.", TOOL_TARGET, options, verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
