/* What the tests of messages share. */
#ifndef TESTS_UNIT_MESSAGE_TEST_H
#define TESTS_UNIT_MESSAGE_TEST_H

#include "../tap.h"
#include "base/err.h"
#include "proto/message.h"

#define UUID_A "0b5e7a52-0a4b-4a6f-9e49-0a3f6f9d4c01"
#define UUID_B "3C1F6C1E-5B1D-4E8F-8A3E-2F1B7D9A6E02"
#define UTF8_E "\xc3\xa9"            /* é */
#define UTF8_GRIN "\xf0\x9f\x98\x80" /* U+1F600 */

/* For main to set. */
static struct limits limits;

/* JSON is written with ' for " here.  Gives what it stands for. */
static inline char *json_of(const char *text)
{
	size_t len = strlen(text);
	char *json = malloc(len + 1);

	if (!json)
		abort();
	for (size_t i = 0; i <= len; i++)
		json[i] = text[i] == '\'' ? '"' : text[i];
	return json;
}

/* Parse into *m; a message lends nothing from the bytes. */
static inline int parse_to(struct message *m, const char *text, struct err *e)
{
	char *json = json_of(text);
	int rc = message_parse(json, strlen(json), &limits, m, e);

	free(json);
	return rc;
}

/* For the test points' names: what is shown of a text. */
static inline const char *shown(const char *text)
{
	static char out[101];

	(void)snprintf(out, sizeof out, "%s", text);
	for (char *p = out; *p; p++)
		if (*p == '#' || (unsigned char)*p < 0x20)
			*p = '.';
	return out;
}

/* The same, for messages that are well-formed. */
static inline void parse(struct message *m, const char *text)
{
	struct err e = {0};
	int rc = parse_to(m, text, &e);

	ok(rc == 0, "%s", shown(text));
	if (rc)
		printf("#   %s: %s\n", e.field, e.text);
}

/* Parse a message and say what became of it: "ok", or "code field". */
static inline const char *outcome_n(const char *bytes, size_t len)
{
	static char out[256];
	struct message m;
	struct err e = {0};
	int rc = message_parse(bytes, len, &limits, &m, &e);

	(void)snprintf(out, sizeof out, "%s%s%s", rc ? err_row(rc)->wire : "ok",
	               rc && e.field[0] ? " " : "", rc ? e.field : "");
	if (rc != e.code)
		(void)snprintf(out, sizeof out, "returned %d, set %d", rc, e.code);
	message_release(&m);
	return out;
}

static inline const char *outcome(const char *text)
{
	char *json = json_of(text);
	const char *out = outcome_n(json, strlen(json));

	free(json);
	return out;
}

#endif
