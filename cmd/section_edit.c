/* pmr-section edit: a section's text through a command or an editor. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool_child.h"
#include "tool_section.h"

enum { READ_BYTES = 1 << 16, NAME_BYTES = 4096 };

/* What an edit leaves behind. */
struct edited {
	char *text;
	size_t len, cap;
	char file[NAME_BYTES];       /* where the text is on disk; "": nowhere */
	char dir[NAME_BYTES];        /* the directory made for it, or "" */
	char words[NAME_BYTES + 64]; /* what is said when it is kept there */
};

static int no_memory(struct collab_err *e)
{
	return tool_err(e, "out_of_memory", "out of memory");
}

static int io_error(struct collab_err *e, const char *what)
{
	return tool_err(e, "io", "cannot %s: %s", what, strerror(errno));
}

/* ---- a command --------------------------------------------------------------------------------
 */

struct filter {
	pid_t pid;
	int in, out; /* its stdin and stdout; -1: closed */
	const char *rest;
	size_t rest_len;
};

static void close_end(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static int start_filter(struct tool *t, struct filter *f, const char *const *argv,
                        struct collab_err *e)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1}, rc = 0;

	if (pipe(in) || pipe(out))
		rc = io_error(e, "make a pipe");
	else if ((f->pid = fork()) < 0)
		rc = io_error(e, "fork");
	if (!rc && f->pid == 0) {
		(void)dup2(in[0], STDIN_FILENO);
		(void)dup2(out[1], STDOUT_FILENO);
		/* A command that keeps our end of its stdin would never see its end. */
		for (int i = 0; i < 2; i++) {
			close_end(&in[i]);
			close_end(&out[i]);
		}
		child_exec(t, argv);
	}
	close_end(&in[0]);
	close_end(&out[1]);
	f->in = in[1];
	f->out = out[0];
	if (!rc)
		(void)fcntl(f->in, F_SETFL, O_NONBLOCK); /* of a pipe it does not fail */
	return rc;
}

static int write_some(struct filter *f, struct collab_err *e)
{
	ssize_t n = write(f->in, f->rest, f->rest_len);

	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != EPIPE)
		return io_error(e, "write to the command");
	/* A command need not read all of it. */
	if (n < 0 && errno == EPIPE)
		f->rest_len = 0;
	if (n > 0) {
		f->rest += n;
		f->rest_len -= (size_t)n;
	}
	if (f->rest_len == 0)
		close_end(&f->in);
	return 0;
}

static int read_some(struct filter *f, struct edited *out, struct collab_err *e)
{
	ssize_t n;

	if (out->cap - out->len < READ_BYTES) {
		char *more = realloc(out->text, out->cap * 2 + READ_BYTES);

		if (!more)
			return no_memory(e);
		out->text = more;
		out->cap = out->cap * 2 + READ_BYTES;
	}
	n = read(f->out, out->text + out->len, READ_BYTES);
	if (n < 0 && errno != EINTR)
		return io_error(e, "read from the command");
	if (n == 0)
		close_end(&f->out);
	out->len += n > 0 ? (size_t)n : 0;
	if (out->len > TOOL_TEXT_MAX)
		return tool_err(e, "too_large", "the command's output has more than %d bytes",
		                (int)TOOL_TEXT_MAX);
	return 0;
}

/* Neither side waits for the other: a command may write before it has read. */
static int pump(struct tool *t, struct filter *f, struct edited *out, struct collab_err *e)
{
	int rc = 0;

	if (f->rest_len == 0)
		close_end(&f->in);
	while (!rc && f->out >= 0) {
		struct pollfd fds[2] = {{f->out, POLLIN, 0}, {f->in, POLLOUT, 0}};

		tool_signalled(t);
		if (poll(fds, 2, -1) < 0)
			continue; /* a signal */
		if (fds[1].revents)
			rc = write_some(f, e);
		if (!rc && fds[0].revents)
			rc = read_some(f, out, e);
	}
	return rc;
}

static int wait_for(struct tool *t, pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		tool_signalled(t);
	return child_status(status);
}

/* *status: that of the command; then nothing is written. */
static int run_filter(struct tool *t, const struct section_draft *d, struct edited *out,
                      int *status, struct collab_err *e)
{
	struct filter f = {-1, -1, -1, json_string_value(d->base), json_string_length(d->base)};
	const char *const *argv = &t->operands[1];
	int rc;

	t->operands[t->operands_len] = NULL;
	tool_flush(t);
	rc = start_filter(t, &f, argv, e);
	if (!rc)
		rc = pump(t, &f, out, e);
	close_end(&f.in);
	close_end(&f.out);
	if (f.pid > 0)
		*status = wait_for(t, f.pid);
	if (!rc && *status)
		(void)tool_complain(t, 0, "%s ended with status %d; nothing is written", argv[0],
		                    *status);
	return rc;
}

/* ---- an editor --------------------------------------------------------------------------------
 */

/* A directory that only we can read, and in it a file whose name tells an editor what it is. */
static int make_file(struct edited *out, const char *section_id, struct collab_err *e)
{
	const char *tmp = getenv("TMPDIR");
	int n = snprintf(out->dir, sizeof out->dir, "%s/pmr-section-XXXXXX",
	                 tmp && *tmp ? tmp : "/tmp");

	if (n < 0 || (size_t)n >= sizeof out->dir || !mkdtemp(out->dir)) {
		out->dir[0] = '\0';
		return io_error(e, "make a directory in $TMPDIR");
	}
	n = snprintf(out->file, sizeof out->file, "%s/%s.md", out->dir, section_id);
	if (n < 0 || (size_t)n >= sizeof out->file) {
		out->file[0] = '\0';
		return tool_err(e, "io", "the name of $TMPDIR is too long");
	}
	return 0;
}

static int write_text(const char *file, const char *text, size_t len, struct collab_err *e)
{
	FILE *f = fopen(file, "w");
	bool done = f && (!len || fwrite(text, 1, len, f) == len);

	if (f)
		done = fclose(f) == 0 && done;
	return done ? 0 : tool_err(e, "io", "cannot write %s: %s", file, strerror(errno));
}

/* The text to a file.  From here on it is not lost when a signal ends us, and its name is told. */
static int put_file(struct tool *t, struct edited *out, const char *section_id, const char *text,
                    size_t len, struct collab_err *e)
{
	int rc = make_file(out, section_id, e);

	if (!rc)
		rc = write_text(out->file, text, len, e);
	if (rc)
		return rc;
	(void)snprintf(out->words, sizeof out->words, "%s: your text is kept in %s\n",
	               t->spec->name, out->file);
	tool_last_words(out->words);
	return 0;
}

static void drop_file(struct edited *out)
{
	tool_last_words(NULL);
	if (out->file[0])
		(void)unlink(out->file);
	if (out->dir[0])
		(void)rmdir(out->dir); /* an editor's own files in it stay, and it with them */
	out->file[0] = out->dir[0] = out->words[0] = '\0';
}

/* The editor has the terminal: what ends a command there is meant for the editor. */
static int run_editor_on(struct tool *t, const char *file, int *status, struct collab_err *e)
{
	const char *editor = getenv("VISUAL");
	char command[NAME_BYTES];
	const char *const argv[] = {"sh", "-c", command, "sh", file, NULL};
	struct sigaction ignore = {.sa_handler = SIG_IGN}, old_int, old_quit;
	pid_t pid;

	if (!editor || !*editor)
		editor = getenv("EDITOR");
	if (!editor || !*editor)
		editor = "vi";
	if ((size_t)snprintf(command, sizeof command, "%s \"$@\"", editor) >= sizeof command)
		return tool_err(e, "usage", "$VISUAL or $EDITOR is too long");
	(void)sigaction(SIGINT, &ignore, &old_int);
	(void)sigaction(SIGQUIT, &ignore, &old_quit);
	pid = fork();
	if (pid == 0) {
		int terminal = isatty(STDIN_FILENO) ? -1 : open("/dev/tty", O_RDWR);

		(void)sigaction(SIGINT, &old_int, NULL);
		(void)sigaction(SIGQUIT, &old_quit, NULL);
		/* stdin may have held the session, and stdout is for the answer. */
		if (terminal >= 0)
			(void)dup2(terminal, STDIN_FILENO);
		if (!isatty(STDOUT_FILENO))
			(void)dup2(STDERR_FILENO, STDOUT_FILENO);
		child_exec(t, argv);
	}
	if (pid > 0)
		*status = wait_for(t, pid);
	(void)sigaction(SIGINT, &old_int, NULL);
	(void)sigaction(SIGQUIT, &old_quit, NULL);
	return pid < 0 ? io_error(e, "fork") : 0;
}

static int run_editor(struct tool *t, const struct section_draft *d, struct edited *out,
                      int *status, struct collab_err *e)
{
	int rc = put_file(t, out, d->section_id, json_string_value(d->base),
	                  json_string_length(d->base), e);

	if (!rc)
		rc = run_editor_on(t, out->file, status, e);
	if (!rc)
		rc = tool_read_all(t, out->file, &out->text, &out->len, e);
	if (!rc && *status)
		(void)tool_complain(t, 0, "the editor ended with status %d; nothing is written",
		                    *status);
	return rc;
}

/* ---- both -------------------------------------------------------------------------------------
 */

static bool is_changed(const struct section_draft *d, const struct edited *out)
{
	return out->len != json_string_length(d->base) ||
	       (out->len && memcmp(out->text, json_string_value(d->base), out->len) != 0);
}

/* The text is not in the session: keep it in a file, and say in which, whatever -q says. */
static void keep(struct tool *t, const struct section_draft *d, struct edited *out)
{
	struct collab_err e = {0};
	int rc = out->words[0] ? 0 : put_file(t, out, d->section_id, out->text, out->len, &e);

	tool_last_words(NULL);
	if (rc)
		(void)tool_fail(t, &e);
	else
		(void)fputs(out->words, stderr);
}

/* The text to the session.  Gives the exit status. */
static int save(struct tool *t, struct section_draft *d, struct edited *out)
{
	struct collab_err e = {0};
	bool saved = false;
	int status;

	if (d->absent && out->len == 0) {
		drop_file(out);
		return tool_complain(t, 0, "there is no section %s, and nothing to write to it",
		                     d->section_id);
	}
	/* A command's text too, for the time that sending takes; if not, it is tried again in the
	 * end. */
	if (!out->words[0] && is_changed(d, out) &&
	    put_file(t, out, d->section_id, out->text ? out->text : "", out->len, &e))
		drop_file(out);
	e = (struct collab_err){0};
	if (tool_text(out->text ? out->text : "", out->len, "the text", &d->text, &e))
		status = tool_fail(t, &e);
	else
		status = section_draft_send(t, d, &saved);
	if (saved || !is_changed(d, out))
		drop_file(out);
	else
		keep(t, d, out);
	return status;
}

int section_edit(struct tool *t)
{
	struct section_draft d = {.section_id = t->operands[0]};
	bool command = t->operands_len > 1;
	struct edited out = {0};
	struct collab_err e = {0};
	int status = 0, rc = tool_target(t, TOOL_NEEDS_SESSION, &e);

	(void)signal(SIGCHLD, SIG_DFL); /* where it is ignored, no status is to be had */
	if (!rc)
		rc = section_draft_begin(t, &d, &e);
	if (!rc)
		rc = command ? run_filter(t, &d, &out, &status, &e)
		             : run_editor(t, &d, &out, &status, &e);
	if (rc || status) {
		/* What an editor left behind may be what somebody has typed. */
		if (!command && out.file[0] && is_changed(&d, &out))
			keep(t, &d, &out);
		else
			drop_file(&out);
		status = rc ? tool_fail(t, &e) : status;
	} else {
		status = save(t, &d, &out);
	}
	section_draft_release(&d);
	free(out.text);
	return status;
}
