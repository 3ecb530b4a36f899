/* pmr-each: run a command for each event; the cursor moves when it is done. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool_child.h"
#include "tool_cursor.h"
#include "tool_file.h"
#include "tool_stream.h"

enum { BACKOFF_MS_MIN = 250, BACKOFF_MS_MAX = 8000, PATH_BYTES = 4096, SEQ_BYTES = 24 };

static const struct tool_option options[] = {
	{"commit", 0, "FILE", "keep in FILE how far the events are done", NULL},
	{"retry", 0, "N", "run a command that failed up to N times more", NULL},
	{"on-error", 0, "stop|skip", "what to do when it has failed; default stop", NULL},
	{NULL, 0, NULL, NULL, NULL},
};

struct each {
	struct tool *t;
	struct stream_in in;
	const char *commit; /* or NULL */
	bool skip, bad, failed;
	int64_t retries;
	struct tool_cursor at;
};

/* ---- signals: blocked but while waiting -------------------------------------------------------
 */

/* Handlers have no argument of ours. */
static volatile sig_atomic_t caught;
static sigset_t waited, outside;

static void on_signal(int signo)
{
	caught = signo;
}

static void block_signals(void)
{
	const int signals[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction on = {.sa_handler = on_signal}, old;

	(void)signal(SIGCHLD, SIG_DFL); /* were it ignored, no status would be had */
	(void)sigemptyset(&waited);
	(void)sigaddset(&waited, SIGCHLD);
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		(void)sigaction(signals[i], NULL, &old); /* fails for unknown signals only */
		if (old.sa_handler == SIG_IGN)
			continue;
		(void)sigaction(signals[i], &on, NULL);
		(void)sigaddset(&waited, signals[i]);
	}
	(void)sigprocmask(SIG_BLOCK, &waited, &outside);
}

static void die_if_caught(void)
{
	if (!caught)
		return;
	(void)signal(caught, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &outside, NULL);
	(void)raise(caught);
}

/* Until fd (-1: none) can be read, `ms` are over (-1: never) or a signal comes. */
static void wait_for(int fd, int64_t ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	fd_set fds;

	FD_ZERO(&fds);
	if (fd >= 0)
		FD_SET(fd, &fds);
	(void)pselect(fd + 1, &fds, NULL, NULL, ms < 0 ? NULL : &ts, &outside);
	die_if_caught();
}

/* ---- the cursor -------------------------------------------------------------------------------
 */

static int read_cursor(struct each *w, struct collab_err *e)
{
	char *text = NULL;
	size_t len = 0;
	int rc = 0;

	if (!w->commit || (access(w->commit, F_OK) != 0 && errno == ENOENT))
		return 0;
	rc = tool_read_all(w->t, w->commit, &text, &len, e);
	if (!rc && len && !tool_cursor_parse(text, len, &w->at))
		rc = tool_err(e, "bad_json", "%s is no cursor file", w->commit);
	free(text);
	return rc;
}

/* As readable as it was. */
static int replace(const char *path, const char *text, struct collab_err *e)
{
	struct tool_file f = {.fd = -1};
	struct stat st;
	int rc = tool_file_open(&f, path, e);

	if (!rc && stat(path, &st) == 0 && fchmod(f.fd, st.st_mode & 0777))
		rc = tool_err(e, "io", "cannot write %s: %s", path, strerror(errno));
	if (!rc)
		rc = tool_file_write(&f, text, strlen(text), e);
	if (!rc)
		rc = tool_file_keep(&f, e);
	tool_file_release(&f);
	return rc;
}

/* What is behind the cursor already; and what has no place in the log never is. */
static bool is_done(const struct each *w, const char *session_id, int64_t seq)
{
	return w->at.session_id[0] && seq > 0 && session_id &&
	       strcmp(session_id, w->at.session_id) == 0 && seq <= w->at.seq;
}

/* Gives the exit status. */
static int move_cursor(struct each *w, const json_t *event)
{
	const char *id = json_string_value(json_object_get(event, "session_id"));
	const char *hash = json_string_value(json_object_get(event, "hash"));
	int64_t seq = json_integer_value(json_object_get(event, "seq"));
	struct collab_err e = {0};
	json_t *cursor = NULL;
	char *text = NULL;
	int rc = 0;

	if (!w->commit || !id || seq <= 0 || strlen(id) >= sizeof w->at.session_id ||
	    is_done(w, id, seq))
		return 0;
	cursor = json_pack("{s:s,s:I,s:s}", "session_id", id, "seq", (json_int_t)seq, "hash",
	                   hash ? hash : "");
	text = json_dumps(cursor, JSON_COMPACT);
	rc = text ? replace(w->commit, text, &e) : tool_err(&e, "out_of_memory", "out of memory");
	(void)snprintf(w->at.session_id, sizeof w->at.session_id, "%s", id);
	w->at.seq = seq;
	free(text);
	json_decref(cursor);
	return rc ? tool_fail(w->t, &e) : 0;
}

/* ---- the command ------------------------------------------------------------------------------
 */

static void set_environment(const json_t *event)
{
	static const char *const names[][2] = {{"PMR_EVENT_TYPE", "type"},
	                                       {"PMR_EVENT_USER", "user_id"},
	                                       {"PMR_EVENT_SECTION", "section_id"},
	                                       {"PMR_EVENT_SESSION", "session_id"},
	                                       {"PMR_EVENT_HASH", "hash"}};
	const json_t *seq = json_object_get(event, "seq");
	char number[SEQ_BYTES] = "";

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *value = json_string_value(json_object_get(event, names[i][1]));

		(void)setenv(names[i][0], value ? value : "",
		             1); /* without memory exec fails too */
	}
	if (json_is_integer(seq))
		(void)snprintf(number, sizeof number, "%lld", (long long)json_integer_value(seq));
	(void)setenv("PMR_EVENT_SEQ", number, 1);
}

/* Its stdin is a file, so that a command that reads none of it holds nobody up. */
static FILE *input_of(const char *line, size_t len)
{
	FILE *f = tmpfile();

	if (f && (fwrite(line, 1, len, f) != len || fputc('\n', f) == EOF || fflush(f) != 0 ||
	          fseek(f, 0, SEEK_SET) != 0)) {
		(void)fclose(f);
		f = NULL;
	}
	return f;
}

/* Until it ends; a signal that a process sent is passed on, the terminal's it gets by itself. */
static int attend(pid_t pid)
{
	int wait_status = 0;
	siginfo_t info;

	while (waitpid(pid, &wait_status, WNOHANG) == 0) {
		int signo = sigwaitinfo(&waited, &info);

		if (signo <= 0 || signo == SIGCHLD)
			continue;
		caught = signo;
		if (info.si_code <= 0)
			(void)kill(pid, signo); /* at worst it has just ended */
	}
	return child_status(wait_status);
}

/* Its exit status; -1: it could not be started, which was told. */
static int run_once(struct each *w, const char *line, size_t len, const json_t *event)
{
	FILE *in = input_of(line, len);
	pid_t pid = in ? fork() : -1;

	if (pid == 0) {
		set_environment(event);
		if (dup2(fileno(in), STDIN_FILENO) < 0)
			_exit(collab_exit_status(collab_code("io")));
		(void)close(fileno(in));
		child_exec(w->t, w->t->operands);
	}
	if (pid < 0)
		(void)tool_complain(w->t, 0, "cannot start %s: %s", w->t->operands[0],
		                    strerror(errno));
	if (in)
		(void)fclose(in); /* it was flushed */
	return pid < 0 ? -1 : attend(pid);
}

/* Gives the exit status to end with, or 0. */
static int on_event(struct each *w, const char *line, size_t len, const json_t *event)
{
	int64_t wait_ms = BACKOFF_MS_MIN;
	int status = run_once(w, line, len, event);

	for (int64_t i = 0; i < w->retries && status > 0 && status != 126 && status != 127; i++) {
		die_if_caught();
		tool_note(w->t, "%s ended with status %d; again", w->t->operands[0], status);
		wait_for(-1, wait_ms);
		wait_ms = wait_ms * 2 < BACKOFF_MS_MAX ? wait_ms * 2 : BACKOFF_MS_MAX;
		status = run_once(w, line, len, event);
	}
	if (status == 0)
		return move_cursor(w, event);
	die_if_caught(); /* then its failure is ours */
	if (status == 126 || status == 127)
		return status;
	if (status < 0)
		return collab_exit_status(collab_code("io"));
	(void)tool_complain(w->t, 0, "%s ended with status %d%s", w->t->operands[0], status,
	                    w->skip ? "; skipped" : "");
	w->failed = true;
	return w->skip ? move_cursor(w, event) : 1;
}

static int on_line(struct each *w, const char *line, size_t len, struct collab_err *e)
{
	json_t *event = NULL;
	const char *type = NULL, *id = NULL;
	int status = 0;

	if (stream_message(line, len, &event, e)) {
		w->bad = true;
		return tool_complain(w->t, 0, "line %lld: %s", (long long)w->in.number, e->text);
	}
	type = json_string_value(json_object_get(event, "type"));
	id = json_string_value(json_object_get(event, "session_id"));
	if (strcmp(type, "checkpoint") == 0)
		status = move_cursor(w, event);
	else if (!is_done(w, id, json_integer_value(json_object_get(event, "seq"))))
		status = on_event(w, line, len, event);
	json_decref(event);
	return status;
}

/* ---- the tool ---------------------------------------------------------------------------------
 */

static int read_events(struct each *w)
{
	enum stream_line kind = STREAM_MORE;
	const char *line = NULL;
	size_t len = 0;
	int status = 0;

	while (!status && (kind = stream_in_next(&w->in, &line, &len)) != STREAM_EOF) {
		struct collab_err e = {0};

		die_if_caught();
		if (kind == STREAM_LINE) {
			status = on_line(w, line, len, &e);
		} else if (kind == STREAM_TOO_LONG) {
			w->bad = true;
			(void)tool_complain(w->t, 0, "line %lld: too long",
			                    (long long)w->in.number);
		} else {
			wait_for(w->in.fd, -1);
			if (stream_in_read(&w->in, &e))
				status = tool_fail(w->t, &e);
		}
	}
	die_if_caught();
	if (!status && w->bad)
		return collab_exit_status(collab_code("bad_json"));
	return status || !w->failed ? status : 1;
}

static int run(struct tool *t)
{
	struct each w = {.t = t, .commit = tool_opt(t, "commit"), .in = {.operand = -1}};
	const char *on_error = tool_opt(t, "on-error");
	struct collab_err e = {0};
	int status, rc = tool_opt_int(t, "retry", 0, INT32_MAX, &w.retries, &e);

	w.in.fd = STDIN_FILENO;
	w.in.line_max = TOOL_LINE_MAX;
	w.skip = on_error && strcmp(on_error, "skip") == 0;
	t->operands[t->operands_len] = NULL;
	if (!rc)
		rc = read_cursor(&w, &e);
	if (rc)
		return tool_fail(t, &e);
	block_signals();
	tool_signalled(t); /* one that came before */
	status = read_events(&w);
	stream_in_release(&w.in);
	return status;
}

static const struct tool_verb verbs[] = {
	{"", "-- CMD...", "", 1, -1, 0, run},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct tool_spec spec = {
	"pmr-each", "Run a command for each event that comes on standard input.", 0, options, verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
