/*
 * What the data of each message may hold: one table per kind of command.
 *
 * The parser reads by these tables and the manual's tables are checked against them.  A member that
 * no table names is ignored, so that a newer client can talk to an older server.
 */
#ifndef COLLAB_PROTO_MESSAGE_FIELDS_H
#define COLLAB_PROTO_MESSAGE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/command.h"

/* The greatest integer that every JSON reader tells exactly (RFC 7493, section 2.2). */
#define JSON_INTEGER_MAX INT64_C(9007199254740991)

/* X(NAME, what it must be, as errors and the manual say it); the member of struct command is … */
#define FIELD_TYPE_TABLE(X)                                                                        \
	/* … a const char * */                                                                   \
	X(SECTION_ID, "a section id")                                                              \
	X(USER_ID, "a user id")                                                                    \
	X(UUID, "a UUID")                                                                          \
	X(LINE, "a string without control characters")                                             \
	X(EMAIL, "an e-mail address")                                                              \
	X(TOKEN, "a string that is not empty")                                                     \
	/* … an int64_t, a bool, an enum */                                                      \
	X(INTEGER, "a whole number")                                                               \
	X(BOOL, "true or false")                                                                   \
	X(ROLE, "viewer, commenter, editor or owner")                                              \
	X(RESOLUTION, "current, proposed or merged")                                               \
	/* … what the name says, with its length beside it */                                    \
	X(CHANGES, "an object")                                                                    \
	X(CONTENT, "any value")                                                                    \
	X(COMMENT, "a string")                                                                     \
	X(MENTIONS, "an array of user ids")                                                        \
	X(ANCHOR, "an object of from, to and base_seq")                                            \
	X(SELECTION, "an array of two whole numbers")

enum field_type {
#define X(name, text) FIELD_##name,
	FIELD_TYPE_TABLE(X)
#undef X
		FIELD_TYPES
};

struct field {
	const char *name; /* on the wire */
	enum field_type type;
	bool required;
	int64_t min, max; /* INTEGER: its range; LINE, EMAIL: bytes */
	size_t at;        /* offset of the member of struct command that it sets */
	const char *text; /* what it means */
};

/* The fields of a kind in the order in which they are checked; *len how many (0: none, NULL). */
const struct field *message_fields(enum command_kind kind, size_t *len);

/* "a section id", … */
const char *field_type_text(enum field_type type);

#endif
