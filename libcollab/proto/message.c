/* Client messages and the bodies of requests, to commands. */
#include "proto/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "base/utf8.h"
#include "proto/message_read.h"

_Static_assert(UUID_LEN + 1 + 19 <= REF_CHARS_MAX, "session_id:seq must fit as a ref");

const json_t *reader_find(const struct reader *r, const char *name)
{
	for (int i = 0; i < r->places_len; i++) {
		const json_t *v = json_object_get(r->places[i], name);

		if (v)
			return v;
	}
	return NULL;
}

void err_field_prefix(struct err *e, const char *prefix)
{
	char field[sizeof e->field];

	if (!e || !e->field[0])
		return;
	(void)snprintf(field, sizeof field, "%s%s", prefix, e->field); /* cutting is meant */
	field[utf8_prefix(field, strlen(field))] = '\0';
	memcpy(e->field, field, sizeof field);
}

int ref_read(const char *ref, size_t len, char out[REF_CHARS_MAX * 4 + 1], struct err *e)
{
	size_t chars = 0;

	if (!utf8_valid(ref, len))
		return err_field(e, ERR_BAD_UTF8, "ref", "ref is not valid UTF-8");
	chars = utf8_chars(ref, len);
	if (chars < 1 || chars > REF_CHARS_MAX)
		return err_field(e, ERR_BAD_FIELD, "ref",
		                 "ref has %zu characters, must have 1 to %d", chars, REF_CHARS_MAX);
	memcpy(out, ref, len);
	out[len] = '\0';
	return 0;
}

/*
 * The message's ref, and whether it is an event fed back.  An event without one has a ref all the
 * same: where it comes from, so that feeding it back twice is once.
 */
static int read_ref(struct reader *r, const json_t *top)
{
	const json_t *ref = json_object_get(top, "ref");
	const json_t *seq = json_object_get(top, "seq");
	const char *session_id = NULL;
	int64_t n = 0;

	/* Only events have a seq; the look-up of session_id is spared to all others. */
	if (seq && integer_of(seq, &n) && n > 0)
		session_id = json_string_value(json_object_get(top, "session_id"));
	r->event = session_id && uuid_valid(session_id);
	if (ref && !json_is_null(ref)) {
		if (!json_is_string(ref))
			return err_field(r->e, ERR_BAD_FIELD, "ref", "ref must be a string");
		return ref_read(json_string_value(ref), json_string_length(ref), r->m->ref, r->e);
	}
	if (r->event)
		(void)snprintf(r->m->ref, sizeof r->m->ref, "%s:%lld", session_id,
		               (long long)n); /* it fits */
	return 0;
}

bool message_type_is_servers(const char *type)
{
	static const char *const types[] = {"ack",        "error",         "session_state",
	                                    "synced",     "checkpoint",    "pong",
	                                    "going_away", "token_expiring"};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return event_kind_parse(type) >= 0 && command_kind_parse(type) < 0;
}

static int read_type(struct reader *r, const json_t *top)
{
	const json_t *v = json_object_get(top, "type");
	const char *type = json_string_value(v);
	int kind = 0;

	if (!v)
		return err_field(r->e, ERR_MISSING_FIELD, "type", "type is required");
	if (!type)
		return err_field(r->e, ERR_BAD_FIELD, "type", "type must be a string");
	kind = command_kind_parse(type);
	if (kind >= 0) {
		command_init(&r->m->command, (enum command_kind)kind);
		return 0;
	}
	if (message_type_is_servers(type))
		return err_field(r->e, ERR_UNKNOWN_TYPE, "type", "only the server sends %s", type);
	/* A long one would crowd out what the sentence says. */
	return err_field(r->e, ERR_UNKNOWN_TYPE, "type", "unknown message type%s%s",
	                 strlen(type) <= 64 ? " " : "", strlen(type) <= 64 ? type : "");
}

static bool is_about_comment(enum command_kind kind)
{
	return kind == COMMAND_COMMENT_ADD || kind == COMMAND_COMMENT_EDIT ||
	       kind == COMMAND_COMMENT_RESOLVE || kind == COMMAND_COMMENT_REOPEN ||
	       kind == COMMAND_COMMENT_DELETE;
}

/* Where fields are looked up: data, else an event's comment{}, else the top level. */
static int read_places(struct reader *r, const json_t *top)
{
	const json_t *data = json_object_get(top, "data");
	const json_t *comment = NULL;

	if (data && !json_is_object(data) && !json_is_null(data))
		return err_field(r->e, ERR_BAD_FIELD, "data", "data must be an object");
	if (is_about_comment(r->m->command.kind))
		comment = json_object_get(top, "comment");
	if (json_is_object(data))
		r->places[r->places_len++] = data;
	if (json_is_object(comment))
		r->places[r->places_len++] = comment;
	r->places[r->places_len++] = top;
	return 0;
}

static bool has_content(const struct changes *c)
{
	return c->content || c->content_json;
}

/* What the fields must be together. */
static int check_together(struct reader *r)
{
	struct command *c = &r->m->command;

	if (c->kind == COMMAND_PARTICIPANT_ADD) {
		if (!c->user_name)
			c->user_name = c->user_id;
		if (c->role == ROLE_NONE)
			c->role = ROLE_EDITOR;
	}
	if (c->kind != COMMAND_CONFLICT_RESOLVE)
		return 0;
	if (c->resolution != RESOLUTION_MERGED) {
		c->changes = (struct changes){0};
		return 0;
	}
	if (!has_content(&c->changes) && r->event) {
		/* An event says what became of the section, not what was sent. */
		const json_t *changes = reader_find(r, "changes");

		if (json_object_get(changes, "content"))
			return changes_read(r, "changes", changes, false);
	}
	if (!has_content(&c->changes))
		return err_field(r->e, ERR_MISSING_FIELD, "content",
		                 "content is required when the resolution is merged");
	return 0;
}

int fields_read(struct reader *r)
{
	size_t len = 0;
	const struct field *fields = message_fields(r->m->command.kind, &len);

	for (size_t i = 0; i < len; i++) {
		const struct field *f = &fields[i];
		const json_t *v = reader_find(r, f->name);
		int rc = 0;

		if (!v && f->required)
			return err_field(r->e, ERR_MISSING_FIELD, f->name, "%s is required",
			                 f->name);
		/* null says that there is none, as many writers of JSON do. */
		if (!v || (!f->required && json_is_null(v)))
			continue;
		rc = field_read(r, f, v);
		if (rc)
			return rc;
	}
	return check_together(r);
}

/* The ref to the command, with the digest of what is said under it. */
static int finish_ref(struct reader *r)
{
	struct command *c = &r->m->command;
	int rc = 0;

	if (!r->m->ref[0])
		return 0;
	c->ref = r->m->ref;
	if (!command_row(c->kind)->durable)
		return 0;
	rc = command_digest(c, c->ref_digest);
	return rc ? err_set(r->e, rc, NULL) : 0;
}

int message_parse_tree(const char *bytes, size_t len, const struct limits *limits,
                       struct message *m, struct err *e)
{
	struct reader r = {.m = m, .limits = limits, .e = e, .len = len};
	int rc = 0;

	*m = (struct message){0};
	rc = message_load(bytes, len, limits, &m->json, e);
	if (!rc)
		rc = read_ref(&r, m->json);
	if (!rc)
		rc = read_type(&r, m->json);
	if (!rc)
		rc = read_places(&r, m->json);
	if (!rc)
		rc = fields_read(&r);
	if (!rc)
		rc = finish_ref(&r);
	return rc;
}

int message_parse(const char *bytes, size_t len, const struct limits *limits, struct message *m,
                  struct err *e)
{
	struct reader r = {.m = m, .limits = limits, .e = e, .len = len};

	*m = (struct message){0};
	if (message_quick(bytes, len, limits, m))
		return finish_ref(&r);
	return message_parse_tree(bytes, len, limits, m, e);
}

int message_parse_body(enum command_kind kind, const char *bytes, size_t len, const char *ref,
                       const json_t *path, const struct limits *limits, struct message *m,
                       struct err *e)
{
	struct reader r = {.m = m, .limits = limits, .e = e, .len = len};
	int rc = 0;

	*m = (struct message){0};
	command_init(&m->command, kind);
	if (ref)
		rc = ref_read(ref, strlen(ref), m->ref, e);
	if (!rc)
		rc = message_load(len ? bytes : "{}", len ? len : 2, limits, &m->json, e);
	if (rc)
		return rc;
	/* What the path names cannot be named otherwise in the body. */
	if (path && json_object_update(m->json, (json_t *)(uintptr_t)path))
		return err_set(e, ERR_NOMEM, NULL);
	r.places[r.places_len++] = m->json;
	rc = fields_read(&r);
	return rc ? rc : finish_ref(&r);
}

void message_release(struct message *m)
{
	op_release(&m->delta);
	json_decref(m->keys);
	json_decref(m->json);
	free(m->mentions);
	free(m->text);
	*m = (struct message){0};
}
