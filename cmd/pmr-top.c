/* pmr-top: a live screen for administrators.  What it says is in top_model.c; here it is drawn. */
#include <errno.h>
#include <ncurses.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"
#include "tool_top.h"

enum {
	DELAY_MS = 2000,
	DELAY_MS_MIN = 500 /* three requests a look stay below the limit of a minute */
};

static const struct tool_option options[] = {
	{"batch", 'b', NULL, "print text instead of a screen", NULL},
	{"delay", 'd', "SECONDS", "look so often; default: 2", NULL},
	{"sort", 'o', "COLUMN", "sort by this column; default: EV/S", NULL},
	{NULL, 0, NULL, NULL, NULL},
};

struct screen {
	struct tool *t;
	struct top top;
	int64_t delay_ms, looked_ms; /* mono; 0: never */
	int64_t left;                /* looks; INT64_MAX: no end */
	size_t first;                /* the row at the top */
	bool paused;
	struct collab_err err; /* why the last look failed; code 0: it did not */
};

static int64_t now_ms(void)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* every Linux has it */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int get(struct screen *s, const char *path, json_t **out, struct collab_err *e)
{
	struct collab_response r = {0};
	int rc = tool_request(s->t, "GET", path, NULL, &r, e);

	if (!rc)
		rc = tool_answer(&r, out, e);
	collab_response_release(&r);
	return rc;
}

/* Ask, and take in what is said. */
static int look(struct screen *s)
{
	json_t *status = NULL, *sessions = NULL, *connections = NULL;
	int64_t now = now_ms();
	double seconds = s->looked_ms ? (double)(now - s->looked_ms) / 1000 : 0;
	int rc = get(s, "/api/admin/status", &status, &s->err);

	if (!rc)
		rc = get(s, "/api/admin/sessions", &sessions, &s->err);
	if (!rc)
		rc = get(s, "/api/admin/connections", &connections, &s->err);
	if (!rc && top_update(&s->top, status, json_object_get(sessions, "sessions"),
	                      json_object_get(connections, "connections"), seconds))
		rc = tool_err(&s->err, "protocol", "the daemon's answers are not understood");
	if (!rc)
		s->err.code = 0;
	s->looked_ms = now;
	json_decref(status);
	json_decref(sessions);
	json_decref(connections);
	return rc;
}

/* ---- batch ----------------------------------------------------------------------------------- */

static void put_line(struct screen *s, const char *line)
{
	tool_put_bytes(s->t, line, strlen(line));
	tool_put_bytes(s->t, "\n", 1);
}

static void print(struct screen *s)
{
	const struct top_rows *rows = top_view(&s->top);
	char line[TOP_LINE];

	for (int i = 0; i < TOP_HEAD_LINES; i++) {
		top_head(&s->top, i, -1, line);
		put_line(s, line);
	}
	top_headings(&s->top, -1, line);
	put_line(s, line);
	for (size_t i = 0; i < rows->len; i++) {
		top_row_line(&s->top, &rows->v[i], -1, line);
		put_line(s, line);
	}
}

static int batch(struct screen *s)
{
	for (;;) {
		struct timespec wait = {s->delay_ms / 1000, s->delay_ms % 1000 * 1000000};

		if (look(s))
			return tool_fail(s->t, &s->err);
		print(s);
		tool_flush(s->t);
		if (--s->left <= 0)
			return 0;
		(void)nanosleep(&wait, NULL); /* a signal ends it early, and the process next */
		tool_signalled(s->t);
		put_line(s, "");
	}
}

/* ---- screen ---------------------------------------------------------------------------------- */

static void draw_rows(struct screen *s, int from, int to, int width)
{
	const struct top_rows *rows = top_view(&s->top);
	size_t height = to > from ? (size_t)(to - from) : 0;
	char line[TOP_LINE];

	if (s->first + height > rows->len)
		s->first = rows->len > height ? rows->len - height : 0;
	for (size_t i = 0; i < height && s->first + i < rows->len; i++) {
		const struct top_row *r = &rows->v[s->first + i];

		top_row_line(&s->top, r, width, line);
		if (r->lag > 0)
			(void)attron(A_BOLD);
		(void)mvaddnstr(from + (int)i, 0, line, width);
		(void)attroff(A_BOLD);
	}
}

/* ncurses' functions fail for places outside of the screen only, which then are not seen. */
static void draw(struct screen *s)
{
	int height = getmaxy(stdscr), width = getmaxx(stdscr);
	char line[TOP_LINE];

	(void)erase();
	for (int i = 0; i < TOP_HEAD_LINES; i++) {
		top_head(&s->top, i, width, line);
		(void)mvaddnstr(i, 0, line, width);
	}
	if (s->err.code) {
		(void)move(1, 0);
		(void)clrtoeol();
		(void)attron(A_BOLD);
		(void)mvaddnstr(1, 0, s->err.text, width);
		(void)attroff(A_BOLD);
	}
	top_headings(&s->top, width, line);
	(void)attron(A_REVERSE);
	(void)mvprintw(TOP_HEAD_LINES + 1, 0, "%-*s", width, line);
	(void)attroff(A_REVERSE);
	draw_rows(s, TOP_HEAD_LINES + 2, height - 1, width);
	(void)mvaddnstr(height - 1, 0,
	                s->paused ? "PAUSED  p goes on  q quit"
	                          : "q quit  < > sort by  r reverse  TAB sessions/slow  p pause  "
	                            "arrows move",
	                width);
	(void)refresh();
}

static size_t back(size_t first, size_t by)
{
	return first > by ? first - by : 0;
}

/* False: it is over. */
static bool key(struct screen *s, int c)
{
	size_t page = (size_t)(getmaxy(stdscr) > 8 ? getmaxy(stdscr) - 7 : 1);

	switch (c) {
	case 'q':
	case 'Q':
		return false;
	case '<':
	case KEY_LEFT:
		top_move_sort(&s->top, -1);
		break;
	case '>':
	case KEY_RIGHT:
		top_move_sort(&s->top, 1);
		break;
	case 'r':
		s->top.reverse = !s->top.reverse;
		top_sort(&s->top);
		break;
	case '\t':
		s->top.slow = !s->top.slow;
		s->first = 0;
		break;
	case 'p':
		s->paused = !s->paused;
		break;
	case ' ':
		s->looked_ms -= s->delay_ms; /* at once */
		break;
	case KEY_UP:
		s->first = back(s->first, 1);
		break;
	case KEY_DOWN:
		s->first++; /* drawing holds it within bounds */
		break;
	case KEY_PPAGE:
		s->first = back(s->first, page);
		break;
	case KEY_NPAGE:
		s->first += page;
		break;
	default: /* KEY_RESIZE too: it is drawn anew */
		break;
	}
	return true;
}

/* Keys until it is time to look again; false: it is over. */
static bool wait_for_keys(struct screen *s)
{
	int64_t until = s->looked_ms + s->delay_ms;

	for (;;) {
		int64_t left = until - now_ms();
		struct pollfd in = {STDIN_FILENO, POLLIN, 0};
		int c = ERR;

		if (!s->paused && left <= 0)
			return true;
		draw(s);
		(void)poll(&in, 1, s->paused ? -1 : (int)left); /* a signal ends it early */
		if (tool_caught() || (in.revents & (POLLHUP | POLLERR)))
			return false;
		while ((c = getch()) != ERR)
			if (!key(s, c))
				return false;
		until = s->looked_ms + s->delay_ms;
	}
}

static int live(struct screen *s)
{
	int status = 0;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return tool_usage(s->t, "this is no terminal; -b prints text");
	/* The first look comes before the screen, so that what it says can be read. */
	if (look(s))
		return tool_fail(s->t, &s->err);
	if (!newterm(NULL, stdout, stdin))
		return tool_usage(s->t, "this terminal is not known; -b prints text");
	s->t->quiet = true; /* what a request complains of is shown on the screen */
	(void)cbreak();     /* none of these fails on a terminal */
	(void)noecho();
	(void)nodelay(stdscr, TRUE);
	(void)keypad(stdscr, TRUE);
	(void)set_escdelay(50);
	(void)curs_set(0); /* some terminals cannot */
	while (wait_for_keys(s) && --s->left > 0)
		(void)look(s); /* what it failed of is drawn */
	(void)endwin();
	tool_signalled(s->t);
	return status;
}

static int run(struct tool *t)
{
	struct screen s = {.t = t, .delay_ms = DELAY_MS, .left = INT64_MAX};
	struct collab_err e = {0};
	int status, column = TOP_RATE, rc = tool_opt_ms(t, "delay", &s.delay_ms, &e);

	if (!rc)
		rc = tool_opt_int(t, "count", 1, INT32_MAX, &s.left, &e);
	if (!rc && tool_opt(t, "sort"))
		column = top_column_named(tool_opt(t, "sort"));
	if (!rc && column < 0)
		rc = tool_err(&e, "usage", "there is no column %s", tool_opt(t, "sort"));
	if (!rc && s.delay_ms < DELAY_MS_MIN)
		rc = tool_err(&e, "usage", "--delay must be at least 0.5");
	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SERVER, &e);
	s.top.sort = (enum top_column)(column < 0 ? 0 : column);
	s.top.sort_slow = TOP_LAG;
	if (rc)
		status = tool_fail(t, &e);
	else
		status = tool_has(t, "batch") ? batch(&s) : live(&s);
	top_release(&s.top);
	return status;
}

static const struct tool_verb verbs[] = {
	{"", "", "", 0, 0, 0, run},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

/* Acting as another would be acting without the rights that all of this needs. */
static const struct tool_spec spec = {
	"pmr-top",
	"Watch a daemon: sessions, people, rates, who is slow.",
	(TOOL_SERVER & ~TOOL_AS) | TOOL_COUNT,
	options,
	verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
