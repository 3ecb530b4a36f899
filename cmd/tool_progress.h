/*
 * How far something is that takes long: one line on stderr, written over and over, and only when
 * stderr is a terminal, nobody wants quiet and a second has passed.
 */
#ifndef TOOL_PROGRESS_H
#define TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct tool_progress {
	bool wanted;
	const char *what; /* "events"; may be set to another at any time */
	int64_t next_ms;  /* mono */
	bool shown;
};

void tool_progress_begin(struct tool_progress *p, bool quiet, const char *what);

/* So many are done, of `all` (0: not known).  Cheap. */
void tool_progress(struct tool_progress *p, int64_t done, int64_t all);

/* Wipe the line: something else is said, or it is done. */
void tool_progress_end(struct tool_progress *p);

#endif
