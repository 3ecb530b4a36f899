/*
 * How far something is that takes long: one line on stderr, written over and over, and only when
 * stderr is a terminal, -q was not given and a second has passed.
 */
#ifndef TOOL_PROGRESS_H
#define TOOL_PROGRESS_H

#include "tool.h"

struct tool_progress {
	bool wanted;
	const char *what; /* "events" */
	int64_t begin_ms, next_ms;
	bool shown;
};

void tool_progress_begin(struct tool_progress *p, const struct tool *t, const char *what);

/* So many are done, of `all` (0: not known).  Cheap. */
void tool_progress(struct tool_progress *p, int64_t done, int64_t all);

/* Wipe the line. */
void tool_progress_end(struct tool_progress *p);

#endif
