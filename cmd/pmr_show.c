/* What a tool prints, read line by line and shown. */
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pmr.h"
#include "tool_child.h"

enum { WIDTH_DEFAULT = 80, WIDTH_MAX = 10000, EXIT_CANNOT_RUN = 126, EXIT_SIGNAL = 128 };

struct show {
	const struct pmr_show *how;
	struct pmr_screen screen;
	pid_t tool, pager; /* pager 0: none */
	json_t *rows;
	bool listed; /* an object was shown: a line is left free before the next */
};

/* ---- the terminal -----------------------------------------------------------------------------
 */

static int width_of_terminal(void)
{
	const char *columns = getenv("COLUMNS");
	long n = columns ? strtol(columns, NULL, 10) : 0;
	struct winsize size = {0};

	if ((n <= 0 || n > WIDTH_MAX) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		n = size.ws_col;
	return n > 0 && n <= WIDTH_MAX ? (int)n : WIDTH_DEFAULT;
}

static bool wants_color(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no && *no) && term && *term && strcmp(term, "dumb") != 0;
}

/* Tables are measured in the characters of UTF-8, which is what the tools print. */
static void set_locale(void)
{
	if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		(void)setlocale(LC_CTYPE, "C.UTF-8"); /* else wide characters are escaped */
}

/* Whether PATH has such a program. */
static bool has_program(const char *name)
{
	const char *path = getenv("PATH");
	char file[4096];

	while (path && *path) {
		size_t len = strcspn(path, ":");

		(void)snprintf(file, sizeof file, "%.*s/%s", (int)len, path, name);
		if (access(file, X_OK) == 0)
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

/* The pager's command; NULL: none is wanted. */
static const char *pager_command(void)
{
	const char *pager = getenv("PAGER");

	if (pager)
		return *pager && strcmp(pager, "cat") != 0 ? pager : NULL;
	return has_program("less") ? "less" : NULL;
}

/* Put the pager between us and the terminal. */
static void start_pager(struct show *w)
{
	const char *command = pager_command();
	int fds[2];

	if (!command || pipe(fds))
		return;
	w->pager = fork();
	if (w->pager == 0) {
		(void)setenv("LESS", "FRX", 0); /* without memory exec fails too */
		(void)signal(SIGINT, SIG_DFL);
		(void)signal(SIGPIPE, SIG_DFL);
		if (dup2(fds[0], STDIN_FILENO) < 0)
			_exit(EXIT_CANNOT_RUN);
		(void)close(fds[0]);
		(void)close(fds[1]);
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(EXIT_CANNOT_RUN);
	}
	(void)close(fds[0]);
	if (w->pager > 0)
		w->screen.out = fdopen(fds[1], "w");
	else
		(void)close(fds[1]);
	if (w->pager < 0 || !w->screen.out) {
		w->pager = 0;
		w->screen.out = stdout;
	}
}

/* ---- lines ------------------------------------------------------------------------------------
 */

static void put_text(const struct show *w, const char *line, size_t len)
{
	char *clean = pmr_clean(line, len, false);

	(void)fputs(clean ? clean : "", w->screen.out);
	(void)fputc('\n', w->screen.out);
	free(clean);
}

/* An object that is no row of the table: an ack, an error, a message. */
static void put_object(struct show *w, const json_t *object)
{
	bool relative = w->how->mode != PMR_EVENTS || w->how->pager;

	if (pmr_put_event(&w->screen, object, relative))
		return;
	if (w->listed)
		(void)fputc('\n', w->screen.out);
	pmr_put_object(&w->screen, object);
	w->listed = true;
}

static void on_line(struct show *w, const char *line, size_t len)
{
	bool text = w->how->mode == PMR_TEXT || *line != '{';
	json_t *object = text ? NULL : json_loadb(line, len, 0, NULL);
	const char *type = json_string_value(json_object_get(object, "type"));

	if (!object)
		put_text(w, line, len);
	else if (w->how->mode != PMR_TABLE || (type && strcmp(type, "error") == 0))
		put_object(w, object);
	else
		(void)json_array_append(w->rows, object); /* for want of memory a row is missing */
	json_decref(object);
}

static void read_lines(struct show *w, int fd)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while (in && (n = getline(&line, &size, in)) > 0) {
		if (w->how->pager && !w->pager && w->how->mode != PMR_TABLE)
			start_pager(w);
		on_line(w, line, (size_t)n - (line[n - 1] == '\n'));
		/* Who has seen enough ends the tool too. */
		if (fflush(w->screen.out) != 0)
			break;
	}
	if (json_array_size(w->rows) > 0) {
		if (w->how->pager)
			start_pager(w);
		pmr_put_table(&w->screen, w->how->view, w->rows);
	}
	free(line);
	if (in)
		(void)fclose(in); /* it was read */
}

/* ---- the tool ---------------------------------------------------------------------------------
 */

/* Its stdout is the pipe; what keys raise is its own to obey. */
static pid_t start_tool(const char *path, char **argv, int *fd)
{
	struct tool t = {.spec = &(struct tool_spec){.name = "pmr"}};
	int fds[2];
	pid_t pid;

	if (pipe(fds))
		return -1;
	pid = fork();
	if (pid == 0) {
		const char *words[] = {path, NULL};

		if (dup2(fds[1], STDOUT_FILENO) < 0)
			_exit(EXIT_CANNOT_RUN);
		(void)close(fds[0]);
		(void)close(fds[1]);
		(void)signal(SIGINT, SIG_DFL);
		(void)signal(SIGTERM, SIG_DFL);
		(void)signal(SIGPIPE, SIG_DFL);
		(void)execv(path, argv);
		child_exec(&t, words); /* says what is wrong */
	}
	(void)close(fds[1]);
	*fd = fds[0];
	if (pid < 0)
		(void)close(fds[0]);
	return pid;
}

/* Handlers have no argument of ours. */
static volatile sig_atomic_t running;

static void pass_on(int signo)
{
	if (running > 0)
		(void)kill(running, signo); /* at worst it has just ended */
}

static int wait_for(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return child_status(status);
}

int pmr_show(const char *path, char **argv, const struct pmr_show *how)
{
	struct show w = {.how = how, .rows = json_array()};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction pass = {.sa_handler = pass_on, .sa_flags = (int)SA_RESTART};
	int fd = -1, status;

	set_locale();
	w.screen = (struct pmr_screen){stdout, width_of_terminal(), wants_color()};
	w.tool = start_tool(path, argv, &fd);
	if (w.tool < 0) {
		(void)fprintf(stderr, "pmr: cannot start %s: %s\n", path, strerror(errno));
		json_decref(w.rows);
		return EXIT_CANNOT_RUN;
	}
	running = w.tool;
	/* None of these can fail. */
	(void)sigaction(SIGINT, &ignore, NULL);
	(void)sigaction(SIGQUIT, &ignore, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGTERM, &pass, NULL);
	read_lines(&w, fd);
	(void)fflush(w.screen.out); /* a terminal that is gone has no reader to tell */
	if (w.pager) {
		(void)fclose(w.screen.out);
		(void)wait_for(w.pager);
	}
	status = wait_for(w.tool);
	running = 0;
	json_decref(w.rows);
	if (status == EXIT_SIGNAL + SIGINT || status == EXIT_SIGNAL + SIGTERM) {
		(void)signal(status - EXIT_SIGNAL, SIG_DFL);
		(void)raise(status - EXIT_SIGNAL);
	}
	return status;
}
