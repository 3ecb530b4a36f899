/* The tables of the messages' fields. */
#include "proto/message_fields.h"

#include "core/limits.h"

#define FIELD(name, type, required, min, max, member, text)                                        \
	{                                                                                          \
		name, FIELD_##type, required, min, max, offsetof(struct command, member), text     \
	}

/* Fields that several messages have, so that they mean the same everywhere. */
#define SECTION_ID FIELD("section_id", SECTION_ID, true, 0, 0, section_id, "the section")
#define BASE_SEQ                                                                                   \
	FIELD("base_seq", INTEGER, false, 0, JSON_INTEGER_MAX, base_seq,                           \
	      "the last seq that its author had seen")
#define IF_VERSION                                                                                 \
	FIELD("if_version", INTEGER, false, 0, JSON_INTEGER_MAX, if_version,                       \
	      "refuse it unless the section has this version; 0: unless it is new")
#define FENCE FIELD("fence", INTEGER, false, 1, JSON_INTEGER_MAX, fence, "of the lock held")
#define COMMENT_ID FIELD("comment_id", UUID, true, 0, 0, comment_id, "the comment")
#define COMMENT_TEXT                                                                               \
	FIELD("content", COMMENT, true, 1, COMMENT_CHARS_MAX, text,                                \
	      "its text; white space around it is dropped")
#define MENTIONS                                                                                   \
	FIELD("mentions", MENTIONS, false, 0, MENTIONS_MAX, mentions, "users to be told of it")
#define MEMBER_ID FIELD("user_id", USER_ID, true, 0, 0, user_id, "the participant")

static const struct field section_update[] = {
	SECTION_ID, FIELD("changes", CHANGES, true, 0, 0, changes, "a merge patch of its keys"),
	BASE_SEQ,   IF_VERSION,
	FENCE,
};

static const struct field section_delete[] = {SECTION_ID, BASE_SEQ, IF_VERSION, FENCE};

static const struct field section_lock[] = {
	SECTION_ID,
	FIELD("ttl_seconds", INTEGER, false, 1, JSON_INTEGER_MAX, ttl_seconds, "of the lease"),
	FENCE,
	FIELD("force", BOOL, false, 0, 0, force, "take it from whoever holds it"),
};

static const struct field section_unlock[] = {
	SECTION_ID,
	FENCE,
	FIELD("force", BOOL, false, 0, 0, force, "unlock it whoever holds it"),
};

static const struct field comment_add[] = {
	SECTION_ID,
	COMMENT_TEXT,
	FIELD("parent_comment_id", UUID, false, 0, 0, parent_comment_id,
              "the comment it answers; null: none"),
	FIELD("comment_id", UUID, false, 0, 0, comment_id, "its id, if the client chooses it"),
	FIELD("anchor", ANCHOR, false, 0, JSON_INTEGER_MAX, anchor, "the text it is about"),
	MENTIONS,
};

static const struct field comment_edit[] = {COMMENT_ID, COMMENT_TEXT, MENTIONS};

static const struct field comment_only[] = {COMMENT_ID};

static const struct field conflict_resolve[] = {
	FIELD("conflict_id", UUID, true, 0, 0, conflict_id, "the conflict"),
	FIELD("resolution", RESOLUTION, true, 0, 0, resolution, "which text it shall be"),
	FIELD("content", CONTENT, false, 0, 0, changes, "the text, when merged"),
	BASE_SEQ,
	FENCE,
};

static const struct field cursor[] = {
	SECTION_ID,
	FIELD("position", INTEGER, true, 0, JSON_INTEGER_MAX, position, "in code points"),
	FIELD("selection", SELECTION, false, 0, JSON_INTEGER_MAX, selection,
              "where it begins and where the cursor is"),
	BASE_SEQ,
};

static const struct field token_refresh[] = {
	FIELD("token", TOKEN, true, 0, 0, token, "the new token"),
};

static const struct field participant_add[] = {
	MEMBER_ID,
	FIELD("user_name", LINE, false, 1, USER_NAME_BYTES_MAX, user_name,
              "shown to the others; default: user_id"),
	FIELD("user_email", EMAIL, false, 3, 320, user_email, "shown to participants"),
	FIELD("role", ROLE, false, 0, 0, role, "default: editor"),
};

static const struct field participant_role[] = {
	MEMBER_ID,
	FIELD("role", ROLE, true, 0, 0, role, "the new role"),
};

static const struct field participant_remove[] = {MEMBER_ID};

static const struct field session_end[] = {
	FIELD("reason", LINE, false, 1, 256, reason, "why, for the others to read"),
};

static const struct field presence[] = {
	FIELD("ttl", INTEGER, false, 1, 3600, ttl_seconds, "seconds to be shown as online"),
};

#define ROW(kind, table) [COMMAND_##kind] = {table, sizeof table / sizeof table[0]}

static const struct {
	const struct field *fields;
	size_t len;
} tables[COMMAND_KINDS] = {
	ROW(SECTION_UPDATE, section_update),
	ROW(SECTION_DELETE, section_delete),
	ROW(SECTION_LOCK, section_lock),
	ROW(SECTION_UNLOCK, section_unlock),
	ROW(COMMENT_ADD, comment_add),
	ROW(COMMENT_EDIT, comment_edit),
	ROW(COMMENT_RESOLVE, comment_only),
	ROW(COMMENT_REOPEN, comment_only),
	ROW(COMMENT_DELETE, comment_only),
	ROW(CONFLICT_RESOLVE, conflict_resolve),
	ROW(CURSOR, cursor),
	ROW(TOKEN_REFRESH, token_refresh),
	ROW(PARTICIPANT_ADD, participant_add),
	ROW(PARTICIPANT_ROLE, participant_role),
	ROW(PARTICIPANT_REMOVE, participant_remove),
	ROW(SESSION_END, session_end),
	ROW(PRESENCE, presence),
};

const struct field *message_fields(enum command_kind kind, size_t *len)
{
	*len = tables[kind].len;
	return tables[kind].fields;
}

const char *field_type_text(enum field_type type)
{
	static const char *const texts[FIELD_TYPES] = {
#define X(name, text) [FIELD_##name] = text,
		FIELD_TYPE_TABLE(X)
#undef X
	};

	return texts[type];
}
