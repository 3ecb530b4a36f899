/* pmr-join: a seat in a session: messages in, everything that the server says out. */
#include <stdlib.h>
#include <string.h>

#include "tool_stream.h"

enum { PENDING_MAX = 256, UNSENT_MAX = 1 << 20, WAIT_MS = 10000, FAREWELL_MS = 1000 };

static const struct tool_option options[] = {
	{"watch", 0, NULL, "only read: be not shown as online, leave stdin alone", NULL},
	{"state", 0, "full|brief|none", "how much the session_state tells", NULL},
	{"content", 0, "full|delta", "whether edits come as the whole text or as what changed",
         NULL},
	{NULL, 0, NULL, NULL, NULL},
};

struct seat {
	struct stream s;
	struct stream_in in;
	size_t frame_max;
	bool ready;  /* the session took us in */
	bool writes; /* not --watch */
	bool input_ended, needs_read, leaving, done;
	const char *format; /* NULL: JSON */
	int64_t left;       /* lines to print */
	int64_t wait_ms, deadline_ms;
	int64_t bad, rejected;
	int status;
};

static void end_with(struct seat *w, int status)
{
	w->status = status;
	w->done = true;
}

static void put_line(struct seat *w, const char *json, size_t len)
{
	if (w->left == 0)
		return;
	if (w->format)
		stream_put_format(&w->s, w->format, json, len);
	else
		stream_put_json(&w->s, json, len);
	w->done |= --w->left == 0;
}

/* ---- what is said ----------------------------------------------------------------------- */

static void bad_line(struct seat *w, const struct collab_err *e)
{
	json_t *object = stream_bad_line(w->in.name, w->in.number, e);
	char *text = object ? json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	w->bad++;
	if (text)
		put_line(w, text, strlen(text));
	free(text);
	json_decref(object);
}

static void take_line(struct seat *w, const char *line, size_t len, bool too_long)
{
	struct collab_err e = {0};
	json_t *message = NULL;
	char *text = NULL;
	int rc = too_long ? tool_err(&e, "too_large", "the line has more than %zu bytes",
	                             w->in.line_max)
	                  : stream_message(line, len, &message, &e);

	if (!rc && !(text = json_dumps(message, JSON_COMPACT)))
		rc = tool_err(&e, "out_of_memory", "out of memory");
	if (!rc && strlen(text) > w->frame_max)
		rc = tool_err(&e, "too_large", "%zu bytes are over the server's limit of %zu",
		              strlen(text), w->frame_max);
	if (!rc)
		rc = collab_send(w->s.c, text, strlen(text), NULL, &e);
	if (rc)
		bad_line(w, &e);
	free(text);
	json_decref(message);
}

static void input_ended(struct seat *w)
{
	struct collab_err e = {0};
	int rc = stream_in_another(&w->in, w->s.t, &e);

	if (rc < 0)
		end_with(w, tool_fail(w->s.t, &e));
	w->input_ended = rc == 0;
	if (w->input_ended)
		w->deadline_ms = stream_now_ms() + w->wait_ms;
}

static bool takes_input(const struct seat *w)
{
	return w->writes && w->ready && !w->input_ended && !w->done && !stream_full(&w->s) &&
	       collab_pending(w->s.c) < PENDING_MAX && collab_unsent(w->s.c) < UNSENT_MAX;
}

static void take_lines(struct seat *w)
{
	w->needs_read = false;
	while (takes_input(w) && !w->needs_read) {
		const char *line = NULL;
		size_t len = 0;

		switch (stream_in_next(&w->in, &line, &len)) {
		case STREAM_LINE:
			take_line(w, line, len, false);
			break;
		case STREAM_TOO_LONG:
			take_line(w, NULL, 0, true);
			break;
		case STREAM_MORE:
			w->needs_read = true;
			break;
		case STREAM_EOF:
			input_ended(w);
			break;
		}
	}
}

/* ---- what is heard ---------------------------------------------------------------------- */

static void tell_missing(void *arg, const char *ref)
{
	const struct seat *w = arg;

	(void)tool_complain(w->s.t, 0, "no answer to ref %s", ref);
}

static void on_state(struct seat *w, const struct collab_message *m)
{
	size_t max = stream_frame_max(m);

	if (!w->ready)
		w->deadline_ms = INT64_MAX; /* the time-out begins anew with the end of the input */
	w->ready = true;
	if (max)
		w->frame_max = w->in.line_max = max;
}

static void on_closed(struct seat *w, const struct collab_message *m)
{
	w->done = true;
	if (m->code)
		w->status = tool_complain(w->s.t, collab_exit_status(m->code), "%s", m->text);
	else if (collab_pending(w->s.c))
		w->status = tool_complain(w->s.t, collab_exit_status(collab_code("session_ended")),
		                          "%s", m->text);
	if (!w->leaving)
		collab_each_pending(w->s.c, tell_missing, w);
}

static void on_message(struct seat *w, const struct collab_message *m)
{
	if (m->json)
		put_line(w, m->json, m->len);
	switch (m->kind) {
	case COLLAB_ERROR:
		w->rejected++;
		break;
	case COLLAB_STATE:
	case COLLAB_SYNCED:
		on_state(w, m);
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

/* Say good-bye; what the server says until its own is still printed. */
static void leave(struct seat *w)
{
	w->leaving = true;
	w->deadline_ms = stream_now_ms() + FAREWELL_MS;
	w->done |= collab_close(w->s.c, 0) == 0;
}

static void on_deadline(struct seat *w)
{
	int status = collab_exit_status(collab_code("timed_out"));

	w->done = true;
	if (w->leaving)
		return;
	w->status = status;
	if (!w->ready)
		(void)tool_complain(w->s.t, status, "the server did not let us in in time");
	collab_each_pending(w->s.c, tell_missing, w);
}

static void loop(struct seat *w)
{
	struct collab_message m;

	while (!w->done && w->s.end == STREAM_GOES_ON) {
		take_lines(w);
		while (!w->done && !stream_full(&w->s) && collab_next(w->s.c, 0, &m) == 1)
			on_message(w, &m);
		if (w->input_ended && !w->leaving && !w->done && collab_pending(w->s.c) == 0)
			leave(w);
		if (w->done || (takes_input(w) && !w->needs_read))
			continue;
		if (stream_wait(&w->s, w->needs_read && takes_input(w) ? w->in.fd : -1,
		                w->deadline_ms)) {
			struct collab_err e = {0};

			if (stream_in_read(&w->in, &e))
				end_with(w, tool_fail(w->s.t, &e));
		}
		if (stream_now_ms() >= w->deadline_ms && w->s.end == STREAM_GOES_ON && !w->done)
			on_deadline(w);
	}
}

/* ---- the tool --------------------------------------------------------------------------- */

static int begin(struct seat *w, struct tool *t, struct collab_err *e)
{
	struct collab_join join = {.watch = !w->writes,
	                           .delta = tool_has(t, "content") &&
	                                    strcmp(tool_opt(t, "content"), "delta") == 0,
	                           .state = tool_opt(t, "state"),
	                           .since = -1,
	                           .reconnect_seconds = -1};
	struct stream_start start = {0};
	char *filter = NULL;
	int rc = stream_retry(t, &join.first_tries, e);

	if (!rc)
		rc = tool_opt_ms(t, "timeout", &w->wait_ms, e);
	if (!rc)
		rc = tool_opt_int(t, "count", 1, INT64_MAX, &w->left, e);
	if (!rc && !w->writes && t->operands_len)
		rc = tool_err(e, "usage", "with --watch no file is read");
	w->format = tool_opt(t, "format");
	if (!rc && w->format)
		rc = stream_format_check(w->format, e);
	if (!rc && w->writes)
		rc = stream_in_open(&w->in, t, e);
	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SESSION, e);
	if (!rc && (tool_has(t, "since") || tool_has(t, "cursor-file"))) {
		rc = stream_start(t, &start, e);
		join.since = start.since;
		join.hash = start.hash[0] ? start.hash : NULL;
	}
	if (!rc)
		rc = stream_filter(t, true, &filter, e);
	join.filter = filter;
	if (!rc) {
		stream_init(&w->s, t);
		if (tool_has(t, "timeout"))
			w->deadline_ms = stream_now_ms() + w->wait_ms;
		rc = collab_open(&w->s.c, t->config, &join, e);
	}
	free(filter);
	return rc;
}

static int run(struct tool *t)
{
	struct seat w = {.in.fd = -1,
	                 .writes = !tool_has(t, "watch"),
	                 .left = INT64_MAX,
	                 .frame_max = TOOL_LINE_MAX,
	                 .wait_ms = WAIT_MS,
	                 .deadline_ms = INT64_MAX};
	struct collab_err e = {0};

	if (begin(&w, t, &e)) {
		stream_in_release(&w.in);
		return tool_fail(t, &e);
	}
	loop(&w);
	stream_in_release(&w.in);
	if (!w.status && w.bad)
		w.status = collab_exit_status(collab_code("bad_json"));
	else if (!w.status && w.rejected)
		w.status = 1;
	return stream_finish(&w.s, w.status);
}

static const struct tool_verb verbs[] = {
	{"", "[FILE]...", "", 0, -1, 0, run},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct tool_spec spec = {
	"pmr-join",
	"Take a seat in a session: messages in, everything that the server says out.",
	TOOL_TARGET | TOOL_COUNT | TOOL_SINCE | TOOL_CURSOR_FILE | TOOL_TYPE | TOOL_SECTION |
		TOOL_USER | TOOL_FORMAT,
	options,
	verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
