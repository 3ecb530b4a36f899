/*
 * pmr: the tools for people.  `pmr X …` is `pmr-X …`; where stdout is a terminal, what the tool
 * prints is shown as tables, sentences and clean text, perhaps through a pager.  Where it is none
 * pmr becomes the tool, so that the bytes are the tool's own.
 */
#ifndef PMR_H
#define PMR_H

#include <stdio.h>

#include "tool.h"

/* How the lines of a tool are shown. */
enum pmr_mode {
	PMR_RAW,    /* not at all: the tool has the terminal */
	PMR_TEXT,   /* as they are, without what steers terminals */
	PMR_EVENTS, /* a sentence each, at once */
	PMR_TABLE,  /* rows of one table, at the end */
	PMR_OBJECT  /* a list of names and values each; acks a sentence */
};

struct pmr_view; /* the columns of a table */

struct pmr_show {
	enum pmr_mode mode;
	const struct pmr_view *view; /* PMR_TABLE: NULL: made from the first row */
	bool pager;                  /* it may be long, and it ends */
};

/* What is shown and where to. */
struct pmr_screen {
	FILE *out;
	int width;
	bool color;
};

/* ---- words ------------------------------------------------------------------------------------
 */

/*
 * Text that people typed, without what steers a terminal: C0, DEL, C1, changes of direction.  On
 * one line newlines and tabs are spaces; else they stay.  Gives a string; NULL: out of memory.
 */
char *pmr_clean(const char *text, size_t len, bool one_line);

/* "now", "5 min ago", "in 30 s" of an RFC 3339 time; another text is copied. */
void pmr_ago(const char *timestamp, char *out, size_t size);

/* Whether a member of this name is a time. */
bool pmr_is_time(const char *name);

/* The time of day here, "14:03:59"; "" when it is none. */
void pmr_clock(const char *timestamp, char *out, size_t size);

/* ---- one line -------------------------------------------------------------------------------- */

/* A message of the server as a sentence.  False: it is none. */
bool pmr_put_event(const struct pmr_screen *s, const json_t *event, bool relative);

/* Any object: a line for each member. */
void pmr_put_object(const struct pmr_screen *s, const json_t *object);

/* ---- tables ---------------------------------------------------------------------------------- */

/* The columns of what `tool` lists with `verb`; NULL: unknown. */
const struct pmr_view *pmr_view_of(const char *tool, const char *verb);

/* The rows, an array of objects, as a table. */
void pmr_put_table(const struct pmr_screen *s, const struct pmr_view *view, const json_t *rows);

/* ---- running the tools ----------------------------------------------------------------------- */

/* Run the program with the words argv and show what it prints; gives the exit status. */
int pmr_show(const char *path, char **argv, const struct pmr_show *how);

/* ---- pmr use ----------------------------------------------------------------------------------
 */

/* The verb "use". */
int pmr_use(struct tool *t);

/* Put what is used in the environment, where nothing else is there. */
void pmr_use_export(void);

#endif
