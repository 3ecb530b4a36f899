/*
 * Every limit, in one table: name in collabd.conf and in `limits` of session_state, default,
 * smallest and greatest value, meaning.  0 turns a limit off where 0 lies in its range.
 */
#ifndef COLLAB_CORE_LIMITS_H
#define COLLAB_CORE_LIMITS_H

#include <stdint.h>

/* X(name, default, min, max, text) */
#define LIMITS_TABLE(X)                                                                            \
	X(frame_bytes, 1048576, 1024, 67108864, "a WebSocket message or a request body")           \
	X(section_bytes, 1048576, 0, 67108864, "one section, its text and other keys")             \
	X(state_bytes, 8388608, 0, 1073741824, "all sections and comments of a session")           \
	X(sections, 500, 0, 1000000, "sections of a session")                                      \
	X(comments, 10000, 0, 10000000, "comments of a session")                                   \
	X(participants, 50, 1, 10000, "the greatest max_participants a session may ask for")       \
	X(import_bytes, 268435456, 1024, 4294967296, "a session that is being imported")           \
	X(json_depth, 32, 4, 512, "nesting of a message's JSON")                                   \
	X(connections_per_user, 20, 0, 100000, "connections of one user, over all sessions")       \
	X(sockets_per_address, 1000, 0, 1000000, "open sockets from one network address")          \
	X(answer_bytes_per_address, 67108864, 0, 1099511627776,                                    \
	  "bytes of answers that one network address does not take")                               \
	X(sockets, 20000, 0, 1000000, "open sockets in all")                                       \
	X(session_starts_per_minute, 10, 0, 1000000, "sessions a user may start")                  \
	X(requests_per_minute, 600, 0, 100000000, "REST requests of a user")                       \
	X(messages_per_second, 100, 0, 10000000, "messages of a connection, sustained")            \
	X(message_burst, 200, 1, 10000000, "messages of a connection, at once")                    \
	X(bytes_per_second, 4194304, 0, 1073741824,                                                \
	  "bytes of a connection, the larger of in and out, sustained")                            \
	X(unacked_messages, 1024, 1, 1000000, "messages of a connection that await their answer")  \
	X(errors_in_a_row, 100, 0, 1000000, "malformed messages in a row before close 4400")       \
	X(tail_bytes, 4194304, 65536, 1073741824, "recent events a room keeps in memory")          \
	X(tails_bytes, 268435456, 1048576, 1099511627776,                                          \
	  "recent events that all rooms together keep in memory")                                  \
	X(stall_seconds, 30, 1, 86400, "no progress with data waiting before close 1013")          \
	X(ping_seconds, 30, 0, 86400, "between pings on an idle WebSocket")                        \
	X(pong_seconds, 10, 1, 3600, "for the answer to a ping")                                   \
	X(request_seconds, 10, 1, 3600, "for a socket to finish its request")                      \
	X(refs, 4096, 16, 65536, "refs remembered of a user in a session")                         \
	X(base_changes, 10000, 16, 10000000, "changes of a section that a base may lie back")      \
	X(lock_seconds, 3600, 1, 86400, "the longest lease of a lock")                             \
	X(cursors_per_second, 20, 1, 1000, "times a second that cursors of a session go out")

struct limits {
#define X(name, def, min, max, text) int64_t name;
	LIMITS_TABLE(X)
#undef X
};

struct limit_row {
	const char *name;
	int64_t def, min, max;
	const char *text;
};

/* The table's rows; *len is set to how many. */
const struct limit_row *limit_rows(int *len);

/* Every limit at its default. */
void limits_default(struct limits *l);

/* The value of row i in l. */
int64_t *limit_at(struct limits *l, int i);

/* Fixed by the protocol: comment length in code points, once trimmed. */
enum {
	COMMENT_CHARS_MAX = 5000,
	REF_CHARS_MAX = 64,
	USER_NAME_BYTES_MAX = 256,
	TIMEOUT_MINUTES_MIN = 5,
	TIMEOUT_MINUTES_MAX = 480,
	TIMEOUT_MINUTES_DEFAULT = 60,
	PARTICIPANTS_DEFAULT = 10,
	LOCK_SECONDS_DEFAULT = 60,
	MENTIONS_MAX = 50,
	ACTIVE_SECONDS = 30 /* active_editors: edited or moved a cursor this recently */
};

#endif
