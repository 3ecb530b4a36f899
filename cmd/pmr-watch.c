/* pmr-watch: follow the events of a session, live. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_stream.h"

enum { FOLLOW_MS_MIN = 500, FOLLOW_MS_MAX = 5000, ID_LEN = 36 };

static const struct tool_option options[] = {
	{"follow", 'f', NULL, "after the session has ended go on with the report's next one", NULL},
	{"strict", 0, NULL, "end with 76 when events were missed", NULL},
	{NULL, 0, NULL, NULL, NULL},
};

struct watch {
	struct stream s;
	struct stream_start at;
	const char *format; /* NULL: JSON */
	char *filter;
	int64_t left; /* events to print */
	int64_t deadline_ms;
	int64_t shown; /* the last seq that stdout knows of */
	int tries;
	bool checkpoints;
	bool done, ended; /* for good; the session has ended */
	int status;
};

/* The line that moves a cursor over events that were not wanted. */
static void put_checkpoint(struct watch *w, const struct collab_message *m)
{
	json_t *from = json_loadb(m->json, m->len, 0, NULL);
	json_t *line = json_pack("{s:s,s:I,s:s,s:O*,s:O*}", "type", "checkpoint", "seq",
	                         (json_int_t)m->seq, "hash", m->hash, "session_id",
	                         json_object_get(from, "session_id"), "timestamp",
	                         json_object_get(from, "timestamp"));

	w->shown = m->seq;
	if (w->checkpoints)
		stream_put_object(&w->s, line);
	json_decref(line);
	json_decref(from);
}

static void put_event(struct watch *w, const struct collab_message *m)
{
	if (w->format)
		stream_put_format(&w->s, w->format, m->json, m->len);
	else
		stream_put_json(&w->s, m->json, m->len);
	if (m->kind == COLLAB_EVENT)
		w->shown = m->seq;
	w->left--;
	w->done |= w->left == 0;
}

/* A state instead of events: what came between is not to be had. */
static void on_gap(struct watch *w, const struct collab_message *m)
{
	json_t *state = json_loadb(m->json, m->len, 0, NULL);
	const char *reason = json_string_value(json_object_get(state, "reason"));
	int status = collab_exit_status(collab_code("protocol"));

	(void)tool_complain(w->s.t, 0, "events after %lld are missing (%s); the log ends at %lld",
	                    (long long)w->shown, reason ? reason : "the server cannot resume",
	                    (long long)m->seq);
	json_decref(state);
	if (tool_has(w->s.t, "strict")) {
		w->status = status;
		w->done = true;
	} else {
		put_checkpoint(w, m);
	}
}

static void on_closed(struct watch *w, const struct collab_message *m)
{
	w->ended = m->code == 0;
	w->done = true;
	if (m->code == collab_code("bad_field")) /* of the query, which is made of options */
		w->status = tool_usage(w->s.t, "%s", m->text);
	else if (m->code)
		w->status = tool_complain(w->s.t, collab_exit_status(m->code), "%s", m->text);
	else
		tool_note(w->s.t, "%s", m->text);
}

static void on_message(struct watch *w, const struct collab_message *m)
{
	switch (m->kind) {
	case COLLAB_EVENT:
	case COLLAB_CURSOR:
		put_event(w, m);
		break;
	case COLLAB_STATE:
		on_gap(w, m);
		break;
	case COLLAB_SYNCED:
	case COLLAB_CHECKPOINT:
		if (m->seq > w->shown)
			put_checkpoint(w, m);
		break;
	case COLLAB_CONNECTED:
		tool_note(w->s.t, "connected to %s", m->text);
		break;
	case COLLAB_LOST:
		(void)tool_complain(w->s.t, 0, "connection lost: %s; reconnecting", m->text);
		break;
	case COLLAB_CLOSED:
		on_closed(w, m);
		break;
	default:
		break;
	}
}

/* ---- one session ------------------------------------------------------------------------ */

static bool out_of_time(struct watch *w)
{
	if (w->done || w->s.end != STREAM_GOES_ON || stream_now_ms() < w->deadline_ms)
		return false;
	w->status = collab_exit_status(collab_code("timed_out"));
	w->done = true;
	return true;
}

static void read_session(struct watch *w)
{
	struct collab_join join = {.watch = true,
	                           .state = "none",
	                           .filter = w->filter,
	                           .since = w->at.since,
	                           .hash = w->at.hash[0] ? w->at.hash : NULL,
	                           .first_tries = w->tries,
	                           .reconnect_seconds = -1};
	struct collab_message m;
	struct collab_err e = {0};

	w->done = w->ended = false;
	w->shown = w->at.since;
	if (collab_open(&w->s.c, w->s.t->config, &join, &e)) {
		w->status = tool_fail(w->s.t, &e);
		w->done = true;
	}
	while (!w->done && w->s.end == STREAM_GOES_ON) {
		if (!stream_full(&w->s) && collab_next(w->s.c, 0, &m) == 1) {
			on_message(w, &m);
			continue;
		}
		(void)stream_wait(&w->s, -1, w->deadline_ms);
		(void)out_of_time(w);
	}
}

/* ---- --follow --------------------------------------------------------------------------- */

struct search {
	const char *session_id;
	char next[ID_LEN + 1];
	bool passed;
};

/* Sessions are listed in the order of their beginning. */
static bool compare(void *arg, const char *json, size_t len)
{
	struct search *search = arg;
	json_t *row = json_loadb(json, len, 0, NULL);
	const char *id = json_string_value(json_object_get(row, "session_id"));

	if (search->passed && id)
		(void)snprintf(search->next, sizeof search->next, "%s", id);
	search->passed |= id && strcmp(id, search->session_id) == 0;
	json_decref(row);
	return !search->next[0];
}

/* The report's session after this one in *next, "" when there is none yet. */
static int find_next(struct watch *w, char next[ID_LEN + 1], struct collab_err *e)
{
	struct search search = {.session_id = w->at.session_id};
	struct tool *t = w->s.t;
	struct collab_response r = {0};
	json_t *answer = NULL;
	const char *id = NULL, *report = NULL;
	char *path = NULL;
	int rc = tool_request(t, "GET", "S/session", NULL, &r, e);

	if (!rc)
		rc = tool_answer(&r, &answer, e);
	report = json_string_value(json_object_get(answer, "report_id"));
	if (!rc)
		rc = tool_path(&path, e, "/api/sessions?limit=1000&report=%s",
		               report ? report : "");
	if (!rc)
		rc = tool_each_listed(t, path, "sessions", compare, &search, e);
	if (rc || search.passed)
		goto out;
	/* Who does not get the list gets the latest one. */
	free(path);
	collab_response_release(&r);
	rc = tool_path(&path, e, "/api/reports/pmr/%s/collaborate/session", report ? report : "");
	if (!rc)
		rc = tool_request(t, "GET", path, NULL, &r, e);
	json_decref(answer);
	answer = NULL;
	if (!rc)
		rc = tool_answer(&r, &answer, e);
	id = json_string_value(json_object_get(answer, "session_id"));
	if (id && strcmp(id, search.session_id) != 0)
		(void)snprintf(search.next, sizeof search.next, "%s", id);
out:
	memcpy(next, search.next, sizeof search.next);
	json_decref(answer);
	collab_response_release(&r);
	free(path);
	return rc;
}

/* Wait for the next session and set everything for it; false: it is over. */
static bool follow(struct watch *w)
{
	int64_t wait = FOLLOW_MS_MIN;
	char next[ID_LEN + 1] = "";

	collab_free(w->s.c);
	w->s.c = NULL;
	while (!next[0]) {
		struct collab_err e = {0};
		int rc = find_next(w, next, &e), status = collab_exit_status(rc);
		int64_t until_ms = stream_now_ms() + (next[0] ? 0 : wait);

		/* A server that is away for some time comes back. */
		if (rc && rc != collab_code("unreachable") && status != 75) {
			w->status = tool_fail(w->s.t, &e);
			return false;
		}
		(void)stream_wait(&w->s, -1, until_ms < w->deadline_ms ? until_ms : w->deadline_ms);
		w->done = false;
		if (w->s.end != STREAM_GOES_ON || out_of_time(w))
			return false;
		wait = wait * 2 < FOLLOW_MS_MAX ? wait * 2 : FOLLOW_MS_MAX;
	}
	w->at = (struct stream_start){.since = 0};
	memcpy(w->at.session_id, next, sizeof next);
	w->tries = -1;
	tool_note(w->s.t, "going on with session %s", next);
	return collab_config_set(w->s.t->config, "session", next, NULL) == 0;
}

/* ---- the tool --------------------------------------------------------------------------- */

static int prepare(struct watch *w, struct tool *t, struct collab_err *e)
{
	int64_t timeout_ms = -1, begun_ms = stream_now_ms();
	int rc = tool_opt_int(t, "count", 1, INT64_MAX, &w->left, e);

	w->format = tool_opt(t, "format");
	if (!rc)
		rc = tool_opt_ms(t, "timeout", &timeout_ms, e);
	if (!rc && w->format)
		rc = stream_format_check(w->format, e);
	if (!rc)
		rc = stream_retry(t, &w->tries, e);
	if (!rc)
		rc = stream_filter(t, false, &w->filter, e);
	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SESSION, e);
	if (!rc)
		rc = stream_start(t, &w->at, e);
	w->checkpoints = tool_has(t, "cursor-file") && !w->format;
	w->deadline_ms = timeout_ms < 0 ? INT64_MAX : begun_ms + timeout_ms;
	return rc;
}

static int run(struct tool *t)
{
	struct watch w = {.left = INT64_MAX};
	struct collab_err e = {0};

	if (prepare(&w, t, &e)) {
		free(w.filter);
		return tool_fail(t, &e);
	}
	stream_init(&w.s, t);
	do {
		read_session(&w);
	} while (w.ended && tool_has(t, "follow") && w.left > 0 && follow(&w));
	free(w.filter);
	return stream_finish(&w.s, w.status);
}

static const struct tool_verb verbs[] = {
	{"", "", "", 0, 0, 0, run},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct tool_spec spec = {
	"pmr-watch",
	"Follow the events of a session, one a line, from now on or from a place in the past.",
	TOOL_TARGET | TOOL_COUNT | TOOL_SINCE | TOOL_CURSOR_FILE | TOOL_TYPE | TOOL_SECTION |
		TOOL_USER | TOOL_FORMAT,
	options,
	verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
