/* The options of a tool as its command line, its --help and its completions see them. */
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H

#include "tool.h"

enum { TOOL_ROWS_MAX = 64 };

/* The options that the tool has in some verb, its own first. */
struct tool_rows {
	const struct tool_option *row[TOOL_ROWS_MAX];
	int len;
};

bool tool_verb_takes(const struct tool_spec *spec, const struct tool_verb *v,
                     const struct tool_option *o);

/* To stdout; of t->verb alone when there is one. */
void tool_put_help(struct tool *t, const struct tool_rows *rows);
void tool_put_version(struct tool *t);

/* "word TAB argument TAB help": the verbs, unless one is there, and each spelling of each option.
 */
void tool_put_completions(struct tool *t, const struct tool_rows *rows);

#endif
