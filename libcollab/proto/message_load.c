/* From bytes to a JSON object, with every check that needs no knowledge of messages. */
#include <string.h>

#include "base/utf8.h"
#include "proto/message_read.h"

/* Whether the byte is '[' or '{', which differ from each other in one bit. */
static inline bool opens(char c)
{
	return (c | 0x20) == '{';
}

/*
 * Whether the text nests deeper than depth_max.  Asked before the parser, which recurses, sees it.
 * Up to the first thing that is not JSON the answer is exact, and the parser gets no further.
 */
static bool too_deep(const char *bytes, size_t len, int64_t depth_max)
{
	int64_t depth = 0;
	bool in_string = false;

	/* Nearly every message opens fewer brackets in all than it may nest. */
	for (size_t i = 0; i < len; i++)
		depth += opens(bytes[i]);
	if (depth <= depth_max)
		return false;
	depth = 0;
	for (size_t i = 0; i < len; i++) {
		char c = bytes[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (opens(c)) {
			if (++depth > depth_max)
				return true;
		} else if (c == ']' || c == '}') {
			depth--;
		}
	}
	return false;
}

/*
 * Whether the parser ran out of memory.  It says so, or nothing at all; but when there is none for
 * the value of a string that it read to its end, it calls the string no token, which no other text
 * that ends in a quotation mark is called.
 */
static bool parser_without_memory(const json_error_t *je, const char *bytes, size_t len)
{
	size_t at = (size_t)je->position;

	if (!je->text[0] || json_error_code(je) == json_error_out_of_memory)
		return true;
	return at > 0 && at <= len && bytes[at - 1] == '"' &&
	       (strncmp(je->text, "invalid token", 13) == 0 ||
	        strncmp(je->text, "string or '}' expected", 22) == 0);
}

/*
 * The parser's complaint.  What it quotes after " near " is left out: it may be a token, and it may
 * end inside a character.
 */
static int parser_error(const json_error_t *je, const char *bytes, size_t len, struct err *e)
{
	const char *near = strstr(je->text, " near ");

	if (parser_without_memory(je, bytes, len))
		return err_set(e, ERR_NOMEM, NULL);
	return err_set(e, ERR_BAD_JSON, "not valid JSON at byte %d: %.*s", je->position,
	               near ? (int)(near - je->text) : (int)strlen(je->text), je->text);
}

int message_load(const char *bytes, size_t len, const struct limits *limits, json_t **out,
                 struct err *e)
{
	json_error_t je = {0};
	size_t valid = 0;

	*out = NULL;
	if (len > (size_t)limits->frame_bytes)
		return err_set(e, ERR_TOO_LARGE, "%zu bytes are over the limit of %lld", len,
		               (long long)limits->frame_bytes);
	valid = utf8_prefix(bytes, len);
	if (valid < len)
		return err_set(e, ERR_BAD_UTF8, "not valid UTF-8 at byte %zu", valid);
	if (too_deep(bytes, len, limits->json_depth))
		return err_set(e, ERR_BAD_JSON, "nested deeper than %lld levels",
		               (long long)limits->json_depth);
	*out = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &je);
	if (!*out)
		return parser_error(&je, bytes, len, e);
	if (!json_is_object(*out)) {
		json_decref(*out);
		*out = NULL;
		return err_set(e, ERR_BAD_JSON, "an array, not a JSON object");
	}
	return 0;
}
