/* pmr-log verify: the audit chain, of a session or of a log that was exported. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_log.h"
#include "tool_progress.h"
#include "tool_stream.h"

/* An event may hold a section's text twice as long as it is. */
enum { EVENT_BYTES_MAX = 64 << 20, HASH_LEN = 64 };

struct check {
	struct tool *t;
	struct collab_chain *chain;
	struct tool_progress progress;
	int64_t all;          /* events that there are; 0: not known */
	int64_t events, line; /* line: of a file, from 1; 0: of a session */
	int64_t until;        /* look no further */
	int64_t expect_seq;   /* -1: nothing is expected */
	const char *expect_hash;
	int64_t bad_seq; /* which event is not as it must be; -1: none */
	char reason[400];
	int rc; /* what makes checking impossible */
	struct collab_err *e;
};

static void find_bad(struct check *c, int64_t seq, const char *reason)
{
	c->bad_seq = seq;
	(void)snprintf(c->reason, sizeof c->reason, "%s", reason); /* a long one is cut */
}

/* An event that does not follow is a finding; what else goes wrong ends the checking. */
static bool check_event(struct check *c, const char *json, size_t len)
{
	int rc = collab_chain_event(c->chain, json, len, c->e);

	if (rc == collab_code("corrupt"))
		find_bad(c, collab_chain_seq(c->chain) + 1, c->e->text);
	else if (rc)
		c->rc = rc;
	else
		c->events++;
	tool_progress(&c->progress, c->events, c->all);
	return rc == 0;
}

static bool check_live(void *arg, int64_t seq, const char *json, size_t len)
{
	(void)seq; /* the chain reads it itself */
	return check_event(arg, json, len);
}

/* The session on the server. */
static int check_session(struct check *c, struct collab_err *e)
{
	const char *until = tool_opt(c->t, "until");
	struct collab_response r = {0};
	struct log_extent x = {0};
	int64_t to = INT64_MAX;
	char path[64];
	int rc = log_open(c->t, &x, e);

	if (!rc && !x.stored)
		rc = tool_err(e, "forbidden",
		              "only participants and administrators see events as they are stored");
	if (!rc && until)
		rc = log_seq(c->t, &x, "--until", until, &to, e);
	if (!rc && x.floor > 0) {
		(void)snprintf(path, sizeof path, "S/state?at=%lld", (long long)x.floor);
		rc = tool_request(c->t, "GET", path, NULL, &r, e);
		if (!rc)
			rc = collab_chain_base(c->chain, r.body, r.len, e);
	}
	collab_response_release(&r);
	to = to < x.head ? to : x.head;
	c->all = to - x.floor;
	return rc ? rc : log_each(c->t, NULL, x.floor, to, check_live, c, e);
}

/* ---- a file -----------------------------------------------------------------------------------
 */

/*
 * In front of the first event an export may say what it is; where the log was compacted, that holds
 * the state that the log begins from.  True: the line was that.
 */
static bool take_head(struct check *c, const char *line, size_t len)
{
	json_t *head = json_loadb(line, len, 0, NULL), *state = json_object_get(head, "state");
	bool is_head = json_is_object(head) && !json_object_get(head, "seq");
	char *text = NULL;
	json_int_t last = 0, floor = 0;
	int rc = 0;

	if (is_head &&
	    json_unpack(head, "{s:{s:I},s:I}", "head", "seq", &last, "floor", &floor) == 0 &&
	    last > floor)
		c->all = (last < c->until ? last : c->until) - floor;
	if (is_head && json_is_object(state)) {
		text = json_dumps(state, JSON_COMPACT);
		rc = text ? collab_chain_base(c->chain, text, strlen(text), c->e)
		          : tool_err(c->e, "out_of_memory", "out of memory");
	}
	if (rc == collab_code("corrupt"))
		find_bad(c, 0, c->e->text);
	else if (rc)
		c->rc = rc;
	free(text);
	json_decref(head);
	return is_head;
}

/* Whether the first line is what a log begins with: else it is some other file. */
static int check_first(const char *line, size_t len, const char *name, struct collab_err *e)
{
	json_t *object = json_loadb(line, len, 0, NULL);
	bool fine = json_is_object(object);

	json_decref(object);
	return fine ? 0
	            : tool_err(e, "bad_json", "%s is no log: it begins with no JSON object", name);
}

static bool goes_on(const struct check *c)
{
	return !c->rc && c->bad_seq < 0 && collab_chain_seq(c->chain) < c->until;
}

static void check_line(struct check *c, const char *line, size_t len)
{
	if (c->events == 0 && take_head(c, line, len))
		return;
	(void)check_event(c, line, len);
}

static int check_file(struct check *c, const char *file, struct collab_err *e)
{
	struct stream_in in;
	const char *line = NULL, *name = strcmp(file, "-") == 0 ? "stdin" : file;
	enum stream_line kind = STREAM_MORE;
	size_t len = 0;
	int rc = stream_in_open(&in, c->t, e);

	in.line_max = EVENT_BYTES_MAX;
	while (!rc && goes_on(c) && (kind = stream_in_next(&in, &line, &len)) != STREAM_EOF) {
		tool_signalled(c->t);
		if (kind == STREAM_MORE) {
			rc = stream_in_read(&in, e);
			continue;
		}
		if (c->line == 0)
			rc = kind == STREAM_LINE ? check_first(line, len, name, e)
			                         : tool_err(e, "bad_json", "%s is no log", name);
		c->line = in.number;
		if (!rc && kind == STREAM_TOO_LONG)
			find_bad(c, collab_chain_seq(c->chain) + 1, "the line is too long");
		else if (!rc)
			check_line(c, line, len);
	}
	if (!rc && !c->rc && c->line == 0)
		rc = tool_err(e, "bad_json", "%s is empty", name);
	stream_in_release(&in);
	return rc ? rc : c->rc;
}

/* ---- the verdict ------------------------------------------------------------------------------
 */

/* --expect SEQ:HASH */
static int read_expected(struct check *c, struct collab_err *e)
{
	const char *value = tool_opt(c->t, "expect"), *colon = value ? strchr(value, ':') : NULL;

	c->expect_seq = -1;
	if (!value)
		return 0;
	if (!colon || colon == value || colon - value > 18 ||
	    strspn(value, "0123456789") != (size_t)(colon - value) ||
	    strlen(colon + 1) != HASH_LEN || colon[1 + strspn(colon + 1, "0123456789abcdef")])
		return tool_err(e, "usage", "--expect wants SEQ:HASH, 64 hex digits, not \"%s\"",
		                value);
	c->expect_seq = strtoll(value, NULL, 10);
	c->expect_hash = colon + 1;
	return 0;
}

/* What can be said only when all of it was read. */
static void check_end(struct check *c)
{
	int64_t seq = collab_chain_seq(c->chain), bad = seq;
	bool all = seq < c->until;
	struct collab_err e = {0};

	if (c->bad_seq >= 0)
		return;
	/* What erased and compacted events say may come behind what was looked at. */
	if (all && collab_chain_end(c->chain, &bad, &e))
		find_bad(c, bad, e.text);
	else if (c->expect_seq >= 0 && c->expect_seq != seq)
		find_bad(c, seq,
		         seq < c->expect_seq ? "the log ends before the seq that is expected"
		                             : "the log goes on after the seq that is expected");
	else if (c->expect_seq >= 0 && strcmp(c->expect_hash, collab_chain_hash(c->chain)) != 0)
		find_bad(c, seq, "the hash is not the one that is expected");
}

static int put_verdict(struct check *c)
{
	bool ok = c->bad_seq < 0;
	json_t *verdict =
		ok ? json_pack("{s:b,s:I,s:I,s:s}", "ok", 1, "events", (json_int_t)c->events, "seq",
	                       (json_int_t)collab_chain_seq(c->chain), "hash",
	                       collab_chain_hash(c->chain))
		   : json_pack("{s:b,s:I,s:s}", "ok", 0, "seq", (json_int_t)c->bad_seq, "reason",
	                       c->reason);

	if (!ok && c->line && json_object_set_new(verdict, "line", json_integer(c->line))) {
		json_decref(verdict);
		verdict = NULL;
	}
	tool_put_object(c->t, verdict);
	json_decref(verdict);
	return ok ? 0 : 1;
}

int log_verify(struct tool *t)
{
	const char *until = tool_opt(t, "until"), *file = t->operands_len ? t->operands[0] : NULL;
	struct collab_err e = {0};
	struct check c = {.t = t, .until = INT64_MAX, .bad_seq = -1, .e = &e};
	int status, rc = read_expected(&c, &e);

	if (!rc && file)
		rc = tool_opt_int(t, "until", 1, INT64_MAX, &c.until, &e);
	if (!rc)
		rc = collab_chain_new(&c.chain, &e);
	tool_progress_begin(&c.progress, t->quiet, "events");
	if (!rc)
		rc = file ? check_file(&c, file, &e) : check_session(&c, &e);
	tool_progress_end(&c.progress);
	if (!rc && !file && until)
		c.until = collab_chain_seq(c.chain);
	if (!rc)
		rc = c.rc;
	if (!rc)
		check_end(&c);
	status = rc ? tool_fail(t, &e) : put_verdict(&c);
	collab_chain_free(c.chain);
	return status;
}
