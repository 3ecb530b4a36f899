/* Cursors, read from text. */
#include "tool_cursor.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static bool all_of(const char *text, const char *letters, size_t len)
{
	return strlen(text) == len && strspn(text, letters) == len;
}

bool tool_cursor_parse(const char *text, size_t len, struct tool_cursor *out)
{
	json_t *cursor = json_loadb(text, len, 0, NULL);
	const char *id = json_string_value(json_object_get(cursor, "session_id"));
	const json_t *hash = json_object_get(cursor, "hash"), *seq = json_object_get(cursor, "seq");
	const char *hex = hash ? json_string_value(hash) : "";
	bool good = id && all_of(id, "0123456789abcdefABCDEF-", sizeof out->session_id - 1) &&
	            json_is_integer(seq) && json_integer_value(seq) >= 0 && hex &&
	            (!*hex || all_of(hex, "0123456789abcdef", sizeof out->hash - 1));

	if (good) {
		(void)snprintf(out->session_id, sizeof out->session_id, "%s", id); /* they fit */
		(void)snprintf(out->hash, sizeof out->hash, "%s", hex);
		out->seq = json_integer_value(seq);
	}
	json_decref(cursor);
	return good;
}
