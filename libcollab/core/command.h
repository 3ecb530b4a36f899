/*
 * Commands: what somebody wants to happen in a session.  proto/message.h makes them from bytes,
 * core/decide.h says yes (events) or no (an error).  Pointers are lent by the parsed message.
 */
#ifndef COLLAB_CORE_COMMAND_H
#define COLLAB_CORE_COMMAND_H

#include "core/event.h"

/* X(NAME, wire type or NULL for what only the server or REST makes, durable, least role) */
#define COMMAND_TABLE(X)                                                                           \
	X(SECTION_UPDATE, "section_update", true, ROLE_EDITOR)                                     \
	X(SECTION_DELETE, "section_deleted", true, ROLE_EDITOR)                                    \
	X(SECTION_LOCK, "section_lock", true, ROLE_EDITOR)                                         \
	X(SECTION_UNLOCK, "section_unlock", true, ROLE_EDITOR)                                     \
	X(COMMENT_ADD, "comment_added", true, ROLE_COMMENTER)                                      \
	X(COMMENT_EDIT, "comment_edited", true, ROLE_COMMENTER)                                    \
	X(COMMENT_RESOLVE, "comment_resolved", true, ROLE_COMMENTER)                               \
	X(COMMENT_REOPEN, "comment_reopened", true, ROLE_COMMENTER)                                \
	X(COMMENT_DELETE, "comment_deleted", true, ROLE_COMMENTER)                                 \
	X(CONFLICT_RESOLVE, "conflict_resolved", true, ROLE_EDITOR)                                \
	X(CURSOR, "cursor_position", false, ROLE_COMMENTER)                                        \
	X(PING, "ping", false, ROLE_NONE)                                                          \
	X(TOKEN_REFRESH, "token_refresh", false, ROLE_NONE)                                        \
	X(PARTICIPANT_ADD, NULL, true, ROLE_OWNER)                                                 \
	X(PARTICIPANT_ROLE, NULL, true, ROLE_OWNER)                                                \
	X(PARTICIPANT_REMOVE, NULL, true, ROLE_OWNER)                                              \
	X(SESSION_END, NULL, true, ROLE_OWNER)                                                     \
	X(PRESENCE, NULL, false, ROLE_VIEWER)                                                      \
	/* of the server itself, without an actor */                                               \
	X(ONLINE, NULL, true, ROLE_NONE)                                                           \
	X(OFFLINE, NULL, true, ROLE_NONE)                                                          \
	X(EXPIRE, NULL, true, ROLE_NONE)

enum command_kind {
#define X(name, wire, durable, role) COMMAND_##name,
	COMMAND_TABLE(X)
#undef X
		COMMAND_KINDS
};

struct command_row {
	const char *type;
	bool durable;
	enum role least;
};

const struct command_row *command_row(enum command_kind kind);

/* The kind of a client message's type ("heartbeat" is ping), or -1. */
int command_kind_parse(const char *type);

struct command {
	enum command_kind kind;
	const char *ref;     /* NULL: none */
	char ref_digest[17]; /* of what the message says, when there is a ref */

	const char *section_id;
	struct changes changes; /* section_update; conflict_resolve: content of `merged` */
	int64_t base_seq;       /* EVENT_ABSENT: not given */
	bool base_assumed;      /* base_seq was taken from what the connection had been sent */
	int64_t if_version;     /* EVENT_ABSENT: not given; 0: the section must not exist */
	int64_t fence;          /* EVENT_ABSENT: not given */
	int64_t ttl_seconds;    /* section_lock, presence; EVENT_ABSENT: the default */
	bool force;             /* section_lock, section_unlock */

	const char *comment_id, *parent_comment_id;
	const char *text; /* comment text, trimmed */
	size_t text_len;
	const char *const *mentions;
	size_t mentions_len;
	struct anchor anchor;

	const char *conflict_id;
	enum resolution resolution;

	int64_t position;     /* cursor */
	int64_t selection[2]; /* cursor; [0] EVENT_ABSENT: none */

	const char *user_id, *user_name, *user_email; /* participant_*, presence, online, offline */
	enum role role;
	const char *reason; /* session_end, offline */
	const char *token;  /* token_refresh */
};

void command_init(struct command *c, enum command_kind kind);

#endif
