/*
 * Cursors: where a stream goes on.  A file holds one as a JSON object, {"session_id","seq","hash"},
 * and nothing else; other members of it are passed over, so that an event or a checkpoint is one.
 */
#ifndef CMD_TOOL_CURSOR_H
#define CMD_TOOL_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tool_cursor {
	char session_id[37]; /* a UUID; "" when there is none */
	int64_t seq;         /* the last one that is done, at least 0 */
	char hash[65];       /* of seq, or "" */
};

/* False when text is none, and *out is as it was.  What is taken can be put into a URL as it is. */
bool tool_cursor_parse(const char *text, size_t len, struct tool_cursor *out);

#endif
