/*
 * Stored events to their typed form.  By tables: the members that are plain strings or integers,
 * and what each kind cannot be without.  What the tables do not say is checked where it is read.
 */
#include "proto/event_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "proto/op_json.h"
#include "proto/stored.h"

static bool ref_digest_valid(const char *s)
{
	return strlen(s) == 16 && strspn(s, "0123456789abcdef") == 16;
}

/* Top-level members that are strings. */
static const struct {
	const char *key;
	size_t at; /* of the const char * in struct event */
	bool (*valid)(const char *s);
} strings[] = {
	{"by", offsetof(struct event, by), name_valid},
	{"comment_id", offsetof(struct event, comment_id), uuid_valid},
	{"conflict_id", offsetof(struct event, conflict_id), uuid_valid},
	{"continued_from", offsetof(struct event, continued_from), uuid_valid},
	{"event_id", offsetof(struct event, event_id), uuid_valid},
	{"reason", offsetof(struct event, reason), stored_any},
	{"ref", offsetof(struct event, ref), stored_any},
	{"ref_digest", offsetof(struct event, ref_digest), ref_digest_valid},
	{"report_id", offsetof(struct event, report_id), name_valid},
	{"section_id", offsetof(struct event, section_id), section_name_valid},
	{"session_id", offsetof(struct event, session_id), uuid_valid},
	{"user_id", offsetof(struct event, user_id), name_valid},
	{"user_name", offsetof(struct event, user_name), stored_any},
	{"via", offsetof(struct event, via), name_valid},
};

/* Top-level members that are integers. */
static const struct {
	const char *key;
	size_t at; /* of the int64_t in struct event */
	int64_t min;
} integers[] = {
	{"base_seq", offsetof(struct event, base_seq), 0},
	{"current_seq", offsetof(struct event, current_seq), 0},
	{"fence", offsetof(struct event, fence), 1},
	{"seq", offsetof(struct event, seq), 1},
	{"total_changes", offsetof(struct event, total_changes), 0},
	{"total_comments", offsetof(struct event, total_comments), 0},
	{"version", offsetof(struct event, version), 1},
};

/* The other members that the format knows: of erased and compacted, all else is the extra. */
static const char *const others[] = {
	"carried",
	"changes",
	"comment",
	"conflict_resolution_strategy",
	"conflicting_users",
	"content",
	"digest",
	"erased",
	"expires_at",
	"hash",
	"max_participants",
	"mentions",
	"overwrote",
	"participant",
	"proposed_changes",
	"resolution",
	"resolved_by",
	"role",
	"session_timeout_minutes",
	"session_type",
	"timestamp",
	"type",
};

/* What a kind cannot be without, beside seq, session_id, timestamp and hash. */
#define NEEDS_MAX 7
static const char *const needs[EVENT_KINDS][NEEDS_MAX] = {
	[EVENT_SESSION_STARTED] = {"report_id", "user_id", "max_participants",
                                   "session_timeout_minutes", "session_type",
                                   "conflict_resolution_strategy"},
	[EVENT_SESSION_ENDED] = {"reason", "total_changes", "total_comments"},
	[EVENT_PARTICIPANT_JOINED] = {"participant", "role", "user_id", "user_name"},
	[EVENT_PARTICIPANT_LEFT] = {"user_id"},
	[EVENT_ROLE_CHANGED] = {"user_id", "role"},
	[EVENT_USER_ONLINE] = {"user_id"},
	[EVENT_USER_OFFLINE] = {"user_id"},
	[EVENT_SECTION_UPDATE] = {"section_id", "changes", "version"},
	[EVENT_SECTION_DELETED] = {"section_id"},
	[EVENT_SECTION_LOCKED] = {"section_id", "user_id", "fence", "expires_at"},
	[EVENT_SECTION_UNLOCKED] = {"section_id"},
	[EVENT_COMMENT_ADDED] = {"comment", "section_id"},
	[EVENT_COMMENT_EDITED] = {"comment_id", "content"},
	[EVENT_COMMENT_RESOLVED] = {"comment_id"},
	[EVENT_COMMENT_REOPENED] = {"comment_id"},
	[EVENT_COMMENT_DELETED] = {"comment_id"},
	[EVENT_CONFLICT_DETECTED] = {"conflict_id", "section_id", "user_id", "base_seq",
                                     "current_seq", "proposed_changes", "conflicting_users"},
	[EVENT_CONFLICT_RESOLVED] = {"conflict_id", "section_id", "resolution"},
};

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static int read_overwrote(struct event_doc *doc, struct err *e)
{
	const json_t *array = json_object_get(doc->json, "overwrote"), *item = NULL;
	size_t i = 0;

	if (!array)
		return 0;
	if (!json_is_array(array))
		return stored_bad(e, "overwrote", "is no array");
	doc->overwrote = calloc(json_array_size(array) + 1, sizeof *doc->overwrote);
	if (!doc->overwrote)
		return err_set(e, ERR_NOMEM, NULL);
	json_array_foreach(array, i, item)
	{
		if (!json_is_integer(item) || json_integer_value(item) < 1)
			return stored_bad(e, "overwrote", "holds something else than seqs");
		doc->overwrote[i] = json_integer_value(item);
	}
	doc->ev.overwrote = doc->overwrote;
	doc->ev.overwrote_len = json_array_size(array);
	return 0;
}

/* Whether the section's own members would be hidden by a key of that name. */
static bool is_reserved(const char *key)
{
	static const char *const reserved[] = {"section_id", "updated_at", "updated_by",
	                                       "updated_by_name", "version"};

	for (size_t i = 0; i < LENGTH(reserved); i++)
		if (strcmp(key, reserved[i]) == 0)
			return true;
	return false;
}

/* The keys of changes other than content and delta, as an object of their own if there are any. */
static int read_keys(const json_t *changes, struct event_doc *doc, struct err *e)
{
	const char *key = NULL;
	json_t *value = NULL;

	/* The macro needs a pointer that is not const; only reference counts change. */
	json_object_foreach((json_t *)(uintptr_t)changes, key, value)
	{
		if (strcmp(key, "content") == 0 || strcmp(key, "delta") == 0)
			continue;
		if (is_reserved(key))
			return stored_bad(e, "changes", "sets a key that the server keeps");
		if (!doc->keys)
			doc->keys = json_object();
		if (json_object_set_nocheck(doc->keys, key, value))
			return err_set(e, ERR_NOMEM, NULL);
	}
	doc->ev.changes.keys = doc->keys;
	return 0;
}

static int read_changes(const char *name, struct event_doc *doc, struct err *e)
{
	const json_t *j = json_object_get(doc->json, name);
	const json_t *content = json_object_get(j, "content"), *delta = json_object_get(j, "delta");
	struct changes *c = &doc->ev.changes;
	int rc = 0;

	if (!j)
		return 0;
	if (!json_is_object(j) || (content && delta))
		return stored_bad(e, name, "is not one");
	c->content = json_string_value(content);
	c->content_len = json_string_length(content);
	if (!c->content)
		c->content_json = content;
	if (delta) {
		rc = op_from_json(delta, &doc->delta, e);
		if (rc == ERR_NOMEM)
			return rc;
		if (rc)
			return stored_bad(e, name, "holds no valid delta");
		c->delta = &doc->delta;
	}
	return read_keys(j, doc, e);
}

static int read_anchor(const json_t *comment, struct anchor *a, struct err *e)
{
	const json_t *j = json_object_get(comment, "anchor");
	int rc = 0;

	if (!j)
		return 0;
	rc = stored_integer(j, "from", "comment.anchor.from", 0, &a->from, e);
	if (!rc)
		rc = stored_integer(j, "to", "comment.anchor.to", 0, &a->to, e);
	if (!rc)
		rc = stored_integer(j, "base_seq", "comment.anchor.base_seq", 0, &a->base_seq, e);
	if (!rc && (a->from == EVENT_ABSENT || a->to < a->from))
		return stored_bad(e, "comment.anchor", "is not one");
	return rc;
}

static int read_comment(struct event_doc *doc, struct err *e)
{
	const json_t *j = json_object_get(doc->json, "comment");
	const json_t *content = json_object_get(j, "content");
	struct event *ev = &doc->ev;
	const char *section_id = NULL;
	int rc = 0;

	if (!json_is_object(j))
		return stored_bad(e, "comment", "is no object");
	if (!json_is_string(content))
		return stored_bad(e, "comment.content", "is no string");
	ev->text = json_string_value(content);
	ev->text_len = json_string_length(content);
	rc = stored_string(j, "comment_id", "comment.comment_id", false, uuid_valid,
	                   &ev->comment_id, e);
	if (!rc && !json_is_null(json_object_get(j, "parent_comment_id")))
		rc = stored_string(j, "parent_comment_id", "comment.parent_comment_id", true,
		                   uuid_valid, &ev->parent_comment_id, e);
	if (!rc)
		rc = stored_string(j, "section_id", "comment.section_id", false, section_name_valid,
		                   &section_id, e);
	if (!rc && strcmp(section_id, ev->section_id) != 0)
		return stored_bad(e, "comment.section_id", "is not that of the event");
	if (!rc)
		rc = stored_string(j, "user_id", "comment.user_id", false, name_valid,
		                   &ev->comment_user_id, e);
	if (!rc)
		rc = stored_string(j, "user_name", "comment.user_name", true, stored_any,
		                   &ev->comment_user_name, e);
	if (!rc)
		rc = stored_time(j, "created_at", "comment.created_at", &ev->comment_created_ms, e);
	if (!rc && ev->comment_created_ms == EVENT_ABSENT)
		return stored_bad(e, "comment.created_at", "is missing");
	if (!rc)
		rc = read_anchor(j, &ev->anchor, e);
	if (!rc)
		rc = stored_strings(j, "mentions", "comment.mentions", &doc->mentions,
		                    &ev->mentions_len, e);
	ev->mentions = doc->mentions;
	return rc;
}

static int read_settings(struct event_doc *doc, struct err *e)
{
	struct settings *st = &doc->ev.settings;
	int64_t participants = 0, minutes = 0;
	int type = 0, strategy = 0;
	int rc = stored_integer(doc->json, "max_participants", "max_participants", 1, &participants,
	                        e);

	if (!rc)
		rc = stored_integer(doc->json, "session_timeout_minutes", "session_timeout_minutes",
		                    1, &minutes, e);
	if (!rc)
		rc = stored_name(doc->json, "session_type", "session_type", session_type_parse,
		                 &type, e);
	if (!rc)
		rc = stored_name(doc->json, "conflict_resolution_strategy",
		                 "conflict_resolution_strategy", strategy_parse, &strategy, e);
	if (!rc && participants > INT32_MAX)
		return stored_bad(e, "max_participants", "is too great");
	if (!rc && minutes > INT32_MAX)
		return stored_bad(e, "session_timeout_minutes", "is too great");
	*st = (struct settings){(enum session_type)type, (enum strategy)strategy, (int)participants,
	                        (int)minutes};
	return rc;
}

static bool is_known(const char *key)
{
	for (size_t i = 0; i < LENGTH(strings); i++)
		if (strcmp(key, strings[i].key) == 0)
			return true;
	for (size_t i = 0; i < LENGTH(integers); i++)
		if (strcmp(key, integers[i].key) == 0)
			return true;
	for (size_t i = 0; i < LENGTH(others); i++)
		if (strcmp(key, others[i]) == 0)
			return true;
	return false;
}

static int read_extra(struct event_doc *doc, struct err *e)
{
	const char *key = NULL;
	json_t *value = NULL;

	doc->extra = json_object();
	if (!doc->extra)
		return err_set(e, ERR_NOMEM, NULL);
	json_object_foreach(doc->json, key, value)
	{
		if (!is_known(key) && json_object_set_nocheck(doc->extra, key, value))
			return err_set(e, ERR_NOMEM, NULL);
	}
	doc->ev.extra = doc->extra;
	return 0;
}

/* The members that the tables describe, and the ones that every event has. */
static int read_plain(struct event_doc *doc, struct err *e)
{
	struct event *ev = &doc->ev;
	int role = ROLE_NONE, rc = 0;

	for (size_t i = 0; i < LENGTH(strings) && !rc; i++) {
		const char *s = NULL;

		rc = stored_string(doc->json, strings[i].key, strings[i].key, true,
		                   strings[i].valid, &s, e);
		memcpy((char *)ev + strings[i].at, &s, sizeof s);
	}
	for (size_t i = 0; i < LENGTH(integers) && !rc; i++) {
		int64_t n = EVENT_ABSENT;

		rc = stored_integer(doc->json, integers[i].key, integers[i].key, integers[i].min,
		                    &n, e);
		memcpy((char *)ev + integers[i].at, &n, sizeof n);
	}
	if (!rc)
		rc = stored_time(doc->json, "timestamp", "timestamp", &ev->time_ms, e);
	if (!rc)
		rc = stored_time(doc->json, "expires_at", "expires_at", &ev->expires_ms, e);
	if (!rc)
		rc = stored_name(doc->json, "role", "role", stored_role, &role, e);
	ev->role = (enum role)role;
	ev->carried = json_is_true(json_object_get(doc->json, "carried"));
	return rc;
}

/* hash, and erased with its digest. */
static int read_chain(struct event_doc *doc, struct err *e)
{
	const char *hash = json_string_value(json_object_get(doc->json, "hash"));
	const char *digest = json_string_value(json_object_get(doc->json, "digest"));

	if (!hash || sha256_unhex(hash, doc->hash))
		return stored_bad(e, "hash", "is not 64 hex digits");
	doc->erased = json_is_true(json_object_get(doc->json, "erased"));
	if (doc->erased && (!digest || sha256_unhex(digest, doc->digest)))
		return stored_bad(e, "digest", "is not 64 hex digits");
	if (!doc->erased && !doc->ev.event_id)
		return stored_bad(e, "event_id", "is missing");
	return 0;
}

/* What only some kinds have. */
static int read_kind(struct event_doc *doc, struct err *e)
{
	struct event *ev = &doc->ev;
	const json_t *participant = json_object_get(doc->json, "participant");
	const json_t *content = json_object_get(doc->json, "content");
	int resolution = 0, rc = 0;

	switch (ev->kind) {
	case EVENT_SESSION_STARTED:
		return read_settings(doc, e);
	case EVENT_PARTICIPANT_JOINED:
		return stored_string(participant, "user_email", "participant.user_email", true,
		                     stored_any, &ev->user_email, e);
	case EVENT_SECTION_UPDATE:
		rc = read_changes("changes", doc, e);
		return rc ? rc : read_overwrote(doc, e);
	case EVENT_COMMENT_ADDED:
		return read_comment(doc, e);
	case EVENT_COMMENT_EDITED:
		if (!json_is_string(content))
			return stored_bad(e, "content", "is no string");
		ev->text = json_string_value(content);
		ev->text_len = json_string_length(content);
		rc = stored_strings(doc->json, "mentions", "mentions", &doc->mentions,
		                    &ev->mentions_len, e);
		ev->mentions = doc->mentions;
		return rc;
	case EVENT_CONFLICT_DETECTED:
		rc = stored_strings(doc->json, "conflicting_users", "conflicting_users",
		                    &doc->users, &ev->users_len, e);
		ev->users = doc->users;
		return rc ? rc : read_changes("proposed_changes", doc, e);
	case EVENT_CONFLICT_RESOLVED:
		rc = stored_name(doc->json, "resolution", "resolution", resolution_parse,
		                 &resolution, e);
		ev->resolution = (enum resolution)resolution;
		return rc ? rc : read_changes("changes", doc, e);
	case EVENT_ERASED:
	case EVENT_COMPACTED:
		return read_extra(doc, e);
	default:
		return 0;
	}
}

static int check_needs(const struct event_doc *doc, struct err *e)
{
	static const char *const always[] = {"seq", "session_id", "timestamp"};

	for (size_t i = 0; i < LENGTH(always); i++)
		if (!json_object_get(doc->json, always[i]))
			return stored_bad(e, always[i], "is missing");
	for (size_t i = 0; i < NEEDS_MAX && needs[doc->ev.kind][i]; i++)
		if (!json_object_get(doc->json, needs[doc->ev.kind][i]))
			return stored_bad(e, needs[doc->ev.kind][i], "is missing");
	return 0;
}

int event_read(const char *bytes, size_t len, struct event_doc *doc, struct err *e)
{
	const char *type = NULL;
	int kind, rc = 0;

	*doc = (struct event_doc){0};
	op_init(&doc->delta, len);
	rc = stored_load(bytes, len, &doc->json, e);
	if (rc)
		return rc;
	type = json_string_value(json_object_get(doc->json, "type"));
	kind = type ? event_kind_parse(type) : -1;
	if (kind < 0)
		return stored_bad(e, "type", "is no event's");
	event_init(&doc->ev, (enum event_kind)kind);
	rc = check_needs(doc, e);
	if (!rc)
		rc = read_plain(doc, e);
	if (!rc)
		rc = read_kind(doc, e);
	return rc ? rc : read_chain(doc, e);
}

void event_doc_release(struct event_doc *doc)
{
	json_decref(doc->json);
	json_decref(doc->keys);
	json_decref(doc->extra);
	op_release(&doc->delta);
	free(doc->overwrote);
	free(doc->mentions);
	free(doc->users);
	*doc = (struct event_doc){0};
}
