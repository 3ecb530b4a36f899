/*
 * Client messages: {"type":T,"data":{…},"ref":"…"} to a command.
 *
 * Input is checked completely here: UTF-8, JSON (no duplicate keys, no U+0000, bounded depth),
 * types, ranges, names; from here on a command is well-formed.  An event fed back is a message too:
 * each field is taken from `data`, else from `comment{}`, else from the top level; what only the
 * server sets is ignored, and an anchor's base_seq too, which counts in the source session; without
 * `ref` it gets "source_session:seq".  Members that no message has are ignored, null says that an
 * optional field is absent, and 3.0 is 3, as everywhere in JSON.
 *
 * What each message may hold is the table in proto/message_fields.h.
 */
#ifndef COLLAB_PROTO_MESSAGE_H
#define COLLAB_PROTO_MESSAGE_H

#include "core/command.h"
#include "core/limits.h"

/* A message points into itself: do not move or copy it. */
struct message {
	struct command command; /* lent by the rest of the struct, until message_release */
	/* "": none; as far as it could be read, also when parsing failed */
	char ref[REF_CHARS_MAX * 4 + 1];
	json_t *json;
	json_t *keys;
	struct op delta;
	const char **mentions;
	char *text; /* strings that are not in json: all of them, or the trimmed comment */
};

/*
 * Parse a WebSocket message.  0 or ERR_* (TOO_LARGE, BAD_UTF8, BAD_JSON, UNKNOWN_TYPE,
 * MISSING_FIELD, BAD_FIELD, RESERVED_KEY, BAD_DELTA, NOMEM) with *e naming the field; m->ref is set
 * even then, so that the error can carry it.  Release m in both cases.
 *
 * Whether a base_seq is needed is for decide() to say.
 */
int message_parse(const char *bytes, size_t len, const struct limits *limits, struct message *m,
                  struct err *e);

/*
 * The same for a REST body: `bytes` are the data object of the message of that kind ("" counts as
 * {}), ref is the Idempotency-Key or NULL.  Works for every kind that has REST routes,
 * participant_*, session_end and presence included.  What the path says (section_id, comment_id,
 * user_id, …) is in `path`, an object merged over the data, or NULL.
 */
int message_parse_body(enum command_kind kind, const char *bytes, size_t len, const char *ref,
                       const json_t *path, const struct limits *limits, struct message *m,
                       struct err *e);
void message_release(struct message *m); /* a zeroed struct is fine */

/*
 * Whether only a server sends messages of this type (acks, presence, locks, …): to a server they
 * are ERR_UNKNOWN_TYPE, tools that feed one's output to another skip them.
 */
bool message_type_is_servers(const char *type);

/*
 * The options of a session start: from the body (may be empty) and from the query's pairs (an
 * object of strings, or NULL; the body wins).  Strings are lent until release.
 *
 * Settings that are not given are the defaults, max_participants within limits->participants.
 */
struct start_options {
	struct settings settings;
	bool fresh;
	struct message *sections; /* section_update each */
	size_t sections_len;
	struct message *participants; /* participant_add each */
	size_t participants_len;
	char ref[REF_CHARS_MAX * 4 + 1], ref_digest[17];
	json_t *json;
};

/*
 * 0, or errors as message_parse (the field is "max_participants", "sections.intro.version",
 * "participants[2].user_id", …), TOO_MANY_SECTIONS, SESSION_FULL.  Release o in both cases.
 */
int start_options_parse(const char *bytes, size_t len, const json_t *query, const char *ref,
                        const struct limits *limits, struct start_options *o, struct err *e);
void start_options_release(struct start_options *o);

/*
 * The digest of what a command says (16 hex digits of SHA-256 over its kind and fields in a fixed
 * order): the same message under the same ref has the same digest, whatever its key order.  The ref
 * itself, base_assumed and a base_seq that was assumed do not count.  0 or ERR_NOMEM.
 */
int command_digest(const struct command *c, char out[17]);

#endif
