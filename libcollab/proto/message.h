/*
 * Client messages: {"type":T,"data":{…},"ref":"…"} to a command.
 *
 * Input is checked completely here: UTF-8, JSON (no duplicate keys, no U+0000, bounded depth),
 * types, ranges, names; from here on a command is well-formed.  An event fed back is a message too:
 * fields are taken from `data`, else from `comment{}`, else from the top level; what only the server
 * sets is ignored; without `ref` it gets "source_session:seq".
 */
#ifndef COLLAB_PROTO_MESSAGE_H
#define COLLAB_PROTO_MESSAGE_H

#include "core/command.h"
#include "core/limits.h"

struct message {
	struct command command; /* lent by the rest of the struct, until message_release */
	char ref[REF_CHARS_MAX * 4 + 1]; /* as far as it could be read, also when parsing failed; "" none */
	json_t *json;
	json_t *keys;
	struct op delta;
	const char **mentions;
	char *text; /* the trimmed comment */
};

/*
 * Parse a WebSocket message.  0 or ERR_* (BAD_UTF8, BAD_JSON, UNKNOWN_TYPE, MISSING_FIELD, BAD_FIELD,
 * RESERVED_KEY, BAD_DELTA, NOMEM) with *e naming the field; m->ref is set even then, so that the
 * error can carry it.  Release m in both cases.
 */
int message_parse(const char *bytes, size_t len, const struct limits *limits, struct message *m,
                  struct err *e);

/*
 * The same for a REST body: `bytes` are the data object of the message of that kind ("" counts as
 * {}), ref is the Idempotency-Key or NULL.  Works for every kind that has REST routes, participant_*,
 * session_end and presence included.  What the path says (section_id, comment_id, user_id, …) is in
 * `path`, an object merged over the data, or NULL.
 */
int message_parse_body(enum command_kind kind, const char *bytes, size_t len, const char *ref,
                       const json_t *path, const struct limits *limits, struct message *m,
                       struct err *e);
void message_release(struct message *m);

/*
 * The options of a session start: from the body (may be empty) and from the query's pairs (an
 * object of strings, or NULL; the body wins).  Strings are lent until release.
 */
struct start_options {
	struct settings settings;
	bool fresh;
	struct message *sections;     /* section_update each */
	size_t sections_len;
	struct message *participants; /* participant_add each */
	size_t participants_len;
	char ref[REF_CHARS_MAX * 4 + 1], ref_digest[17];
	json_t *json;
};

int start_options_parse(const char *bytes, size_t len, const json_t *query, const char *ref,
                        const struct limits *limits, struct start_options *o, struct err *e);
void start_options_release(struct start_options *o);

/*
 * The digest of what a command says (16 hex digits of SHA-256 over its kind and fields in a fixed
 * order): the same message under the same ref has the same digest, whatever its key order.
 */
void command_digest(const struct command *c, char out[17]);

#endif
