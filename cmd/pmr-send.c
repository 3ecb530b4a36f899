/* pmr-send: publish messages; one answer a line, in the order of the lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_send.h"

enum { UNSENT_MAX = 1 << 20, WAIT_MS = 10000, SIGNALLED_MS = 300 };

static void end_with(struct send *w, int status)
{
	w->status = status;
	w->done = true;
}

/* ---- lines ------------------------------------------------------------------------------ */

static void bad_line(struct send *w, const struct slot *where, const struct collab_err *e)
{
	struct slot *slot = send_slot(w, w->len++);

	*slot = *where;
	w->bad++;
	send_answer(w, slot, stream_bad_line(where->file, where->line, e));
}

static int queue(struct send *w, const char *json, struct collab_err *e)
{
	return collab_send(w->s.c, json, strlen(json), NULL, e);
}

/* Messages that the server does not answer, or that the library does not send again. */
static bool is_transient(const char *type)
{
	return strcmp(type, "cursor_position") == 0 || strcmp(type, "ping") == 0 ||
	       strcmp(type, "heartbeat") == 0 || strcmp(type, "token_refresh") == 0;
}

/* Send what is not acknowledged: behind it a ping, whose answer tells that it was read. */
static int send_transient(struct send *w, const struct slot *slot, struct collab_err *e)
{
	char ping[64];
	int rc = queue(w, slot->again, e);

	(void)snprintf(ping, sizeof ping, "{\"type\":\"ping\",\"ref\":\"%s\"}", slot->mark);
	return rc || !slot->mark[0] ? rc : queue(w, ping, e);
}

/* Whatever is sent has a ref, so that its answer is known by it. */
static const char *ensure_ref(struct send *w, json_t *message)
{
	char ref[32];

	if (!json_object_get(message, "ref")) {
		(void)snprintf(ref, sizeof ref, "line:%lld", (long long)++w->marks);
		if (json_object_set_new(message, "ref", json_string(ref)))
			send_no_memory(w);
	}
	return json_string_value(json_object_get(message, "ref"));
}

static int send_line(struct send *w, struct slot *slot, json_t *message, struct collab_err *e)
{
	const char *type = json_string_value(json_object_get(message, "type")), *ref = NULL;
	bool transient = is_transient(type);
	char *text = NULL;
	int rc = 0;

	if (transient)
		(void)snprintf(slot->ref, sizeof slot->ref, "%s", ensure_ref(w, message));
	if (strcmp(type, "cursor_position") == 0)
		(void)snprintf(slot->mark, sizeof slot->mark, "mark:%lld", (long long)++w->marks);
	text = json_dumps(message, JSON_COMPACT);
	if (!text)
		send_no_memory(w);
	if (strlen(text) > w->frame_max)
		rc = tool_err(e, "too_large", "%zu bytes are over the server's limit of %zu",
		              strlen(text), w->frame_max);
	else if (!w->s.c) /* --dry-run */
		slot->answer = text;
	else if (!transient && !(rc = collab_send(w->s.c, text, strlen(text), &ref, e)))
		(void)snprintf(slot->ref, sizeof slot->ref, "%s", ref);
	if (!rc && w->s.c && transient) {
		slot->again = text;
		rc = send_transient(w, slot, e);
	}
	if (text != slot->answer && text != slot->again)
		free(text);
	return rc;
}

static void send_message(struct send *w, struct slot *slot, json_t *message)
{
	struct collab_err e = {0};
	int rc = send_line(w, slot, message, &e);

	json_decref(message);
	if (rc) {
		bad_line(w, slot, &e);
		return;
	}
	*send_slot(w, w->len++) = *slot;
	send_put_answered(w);
}

static void take_line(struct send *w, const char *line, size_t len, bool too_long)
{
	struct slot slot = {.line = w->in.number, .file = w->in.name};
	const char *ref = tool_opt(w->s.t, "ref");
	struct collab_err e = {0};
	json_t *message = NULL;
	int rc = too_long ? tool_err(&e, "too_large", "the line has more than %zu bytes",
	                             w->in.line_max)
	                  : stream_message(line, len, &message, &e);

	if (rc) {
		bad_line(w, &slot, &e);
	} else if (stream_is_servers(json_string_value(json_object_get(message, "type")))) {
		json_decref(message); /* so that the output of a watch can be fed to us */
	} else if (!ref) {
		send_message(w, &slot, message);
	} else if (w->held) {
		json_decref(message);
		end_with(w, tool_usage(w->s.t, "--ref names one message, and there are more"));
	} else {
		if (json_object_set_new(message, "ref", json_string(ref)))
			send_no_memory(w);
		w->held = message;
		w->held_slot = slot;
	}
}

static void input_ended(struct send *w)
{
	struct collab_err e = {0};
	int rc = stream_in_another(&w->in, w->s.t, &e);

	if (rc < 0)
		end_with(w, tool_fail(w->s.t, &e));
	w->input_ended = rc == 0;
	if (!w->input_ended)
		return;
	if (w->held)
		send_message(w, &w->held_slot, w->held);
	w->held = NULL;
	w->deadline_ms = stream_now_ms() + w->wait_ms;
}

static bool takes_input(const struct send *w)
{
	return w->ready && !w->input_ended && !w->done && w->len < SEND_WINDOW &&
	       !stream_full(&w->s) && (!w->s.c || collab_unsent(w->s.c) < UNSENT_MAX);
}

static void take_lines(struct send *w)
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

/* ---- the connection --------------------------------------------------------------------- */

static void on_connected(struct send *w)
{
	struct collab_err e = {0};

	for (size_t i = 0; i < w->len; i++) {
		struct slot *slot = send_slot(w, i);

		/* It went out as it is before, so it can only fail for want of memory. */
		if (slot->again && !slot->answer && send_transient(w, slot, &e))
			send_no_memory(w);
	}
}

static void on_state(struct send *w, const struct collab_message *m)
{
	size_t max = stream_frame_max(m);

	if (!w->ready)
		w->deadline_ms = INT64_MAX; /* the time-out begins anew with the end of the input */
	w->ready = true;
	if (max)
		w->frame_max = w->in.line_max = max;
}

static void on_closed(struct send *w, const struct collab_message *m)
{
	if (m->code)
		end_with(w, tool_complain(w->s.t, collab_exit_status(m->code), "%s", m->text));
	else if (w->len || !w->input_ended)
		end_with(w, tool_complain(w->s.t, collab_exit_status(collab_code("session_ended")),
		                          "%s", m->text));
	else
		w->done = true;
}

static void on_message(struct send *w, const struct collab_message *m)
{
	switch (m->kind) {
	case COLLAB_ACK:
		send_on_ack(w, m);
		break;
	case COLLAB_ERROR:
		send_on_error(w, m);
		break;
	case COLLAB_STATE:
		on_state(w, m);
		break;
	case COLLAB_CONNECTED:
		tool_note(w->s.t, "connected to %s", m->text);
		on_connected(w);
		break;
	case COLLAB_LOST:
		(void)tool_complain(w->s.t, 0, "connection lost: %s; reconnecting", m->text);
		break;
	case COLLAB_CLOSED:
		on_closed(w, m);
		break;
	default:
		if (strcmp(m->type, "pong") == 0)
			send_on_pong(w, m);
	}
}

static void hear(struct send *w)
{
	struct collab_message m;

	while (w->s.c && !w->done && !stream_full(&w->s) && collab_next(w->s.c, 0, &m) == 1)
		on_message(w, &m);
}

/* A signal came: what is under way may still be answered, for a moment. */
static void last_answers(struct send *w)
{
	int64_t end_ms = stream_now_ms() + SIGNALLED_MS, left;
	struct collab_message m;

	while (w->s.c && w->len && !w->done && (left = end_ms - stream_now_ms()) > 0)
		if (collab_next(w->s.c, (int)left, &m) == 1)
			on_message(w, &m);
}

static void on_deadline(struct send *w)
{
	int status = collab_exit_status(collab_code("timed_out"));

	hear(w); /* what has come counts */
	if (w->done || stream_now_ms() < w->deadline_ms)
		return;
	if (!w->ready)
		end_with(w, tool_complain(w->s.t, status, "the server did not let us in in time"));
	else if (w->len)
		end_with(w, status);
}

static void loop(struct send *w)
{
	while (!w->done && w->s.end == STREAM_GOES_ON) {
		take_lines(w);
		hear(w);
		if (w->input_ended && w->len == 0)
			break;
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
	if (w->s.end == STREAM_SIGNAL)
		last_answers(w);
}

/* ---- the tool --------------------------------------------------------------------------- */

static int begin(struct send *w, struct tool *t, struct collab_err *e)
{
	/* Events of others are not asked for; the end of the session is what concerns us. */
	struct collab_join join = {.state = "brief", .filter = "type=session_ended", .since = -1};
	const char *ref = tool_opt(t, "ref");
	int rc = stream_retry(t, &join.first_tries, e);

	join.reconnect_seconds = join.first_tries < 0 ? -1 : 0;
	w->wait_ms = WAIT_MS;
	w->deadline_ms = INT64_MAX;
	w->frame_max = TOOL_LINE_MAX;
	w->ready = tool_has(t, "dry-run");
	if (!rc)
		rc = tool_opt_ms(t, "timeout", &w->wait_ms, e);
	if (!rc && ref && (!*ref || strlen(ref) > 256))
		rc = tool_err(e, "usage", "--ref must have 1 to 64 characters");
	if (!rc)
		rc = stream_in_open(&w->in, t, e);
	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SESSION, e);
	if (!rc)
		stream_init(&w->s, t);
	if (tool_has(t, "timeout"))
		w->deadline_ms = stream_now_ms() + w->wait_ms;
	w->s.needs_no_reader = true;
	return rc || w->ready ? rc : collab_open(&w->s.c, t->config, &join, e);
}

static int run(struct tool *t)
{
	static struct send w;
	struct collab_err e = {0};

	w.in.fd = -1;
	if (begin(&w, t, &e)) {
		stream_in_release(&w.in);
		return tool_fail(t, &e);
	}
	loop(&w);
	send_tell_missing(&w);
	stream_in_release(&w.in);
	json_decref(w.held);
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
	"pmr-send",
	"Send messages to a session, one a line, and print the answer to each.",
	TOOL_TARGET | TOOL_REF | TOOL_DRY_RUN,
	NULL,
	verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
