/* Places in a log as they are given on the command line: a seq, a time, or how long ago. */
#ifndef TOOL_WHEN_H
#define TOOL_WHEN_H

#include "tool.h"

enum { TOOL_WHEN_BYTES = 64 };

bool tool_is_seq(const char *text);

/*
 * What the server is asked for, for `text`, the value of what is called `name`: a seq and a time as
 * they are, a duration ("1h30m") as the time it was then.  Whether a time is one, the server finds
 * out.  Code of "usage".
 */
int tool_when(const char *name, const char *text, char out[TOOL_WHEN_BYTES], struct collab_err *e);

/* The same error: it is none of the three. */
int tool_when_wrong(const char *name, const char *text, struct collab_err *e);

#endif
