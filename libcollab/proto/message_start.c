/* The options of a session start. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "core/decide.h"
#include "proto/message_read.h"

/* What the options are read from. */
struct start_reader {
	struct start_options *o;
	const json_t *query;
	const struct limits *limits;
	struct err *e;
	size_t len;
};

/* An option of the body, else of the query; *from_query which it was.  null counts as absent. */
static const json_t *option(const struct start_reader *s, const char *name, bool *from_query)
{
	const json_t *v = json_object_get(s->o->json, name);

	*from_query = !v;
	if (!v)
		v = json_object_get(s->query, name);
	return json_is_null(v) ? NULL : v;
}

/* A number of at most 9 digits and nothing else, as queries have it. */
static bool digits(const char *text, int64_t *n)
{
	*n = 0;
	for (size_t i = 0; text[i]; i++) {
		if (i == 9 || text[i] < '0' || text[i] > '9')
			return false;
		*n = *n * 10 + (text[i] - '0');
	}
	return text[0] != '\0';
}

static int read_number(struct start_reader *s, const char *name, int64_t min, int64_t max, int *out)
{
	bool from_query = false;
	const json_t *v = option(s, name, &from_query);
	int64_t n = 0;

	if (!v)
		return 0;
	if (from_query && json_is_string(v) ? !digits(json_string_value(v), &n)
	                                    : !integer_of(v, &n))
		return err_field(s->e, ERR_BAD_FIELD, name, "%s must be a whole number", name);
	if (n < min || n > max)
		return err_field(s->e, ERR_BAD_FIELD, name, "%s is %lld, must be %lld to %lld",
		                 name, (long long)n, (long long)min, (long long)max);
	*out = (int)n;
	return 0;
}

static int read_fresh(struct start_reader *s)
{
	bool from_query = false;
	const json_t *v = option(s, "fresh", &from_query);
	const char *text = from_query ? json_string_value(v) : NULL;

	if (!v)
		return 0;
	s->o->fresh = text ? strcmp(text, "true") == 0 || strcmp(text, "1") == 0 : json_is_true(v);
	if (text ? !s->o->fresh && strcmp(text, "false") != 0 && strcmp(text, "0") != 0
	         : !json_is_boolean(v))
		return err_field(s->e, ERR_BAD_FIELD, "fresh", "fresh must be true or false");
	return 0;
}

/* An option that is one of some names: parse gives its number, or -1. */
static int read_choice(struct start_reader *s, const char *name, int (*parse)(const char *),
                       const char *choices, int *out)
{
	bool from_query = false;
	const json_t *v = option(s, name, &from_query);
	int n = 0;

	if (!v)
		return 0;
	n = json_is_string(v) ? parse(json_string_value(v)) : -1;
	if (n < 0)
		return err_field(s->e, ERR_BAD_FIELD, name, "%s must be %s", name, choices);
	*out = n;
	return 0;
}

static int read_settings(struct start_reader *s)
{
	struct settings *st = &s->o->settings;
	int type = 0, strategy = 0, rc = 0;

	settings_default(st);
	if (st->max_participants > s->limits->participants)
		st->max_participants = (int)s->limits->participants;
	type = (int)st->type;
	strategy = (int)st->strategy;
	rc = read_choice(s, "session_type", session_type_parse, "chat, direct or collaborative",
	                 &type);
	if (!rc)
		rc = read_choice(s, "conflict_resolution_strategy", strategy_parse,
		                 "last_write_wins, merge or manual", &strategy);
	if (!rc)
		rc = read_number(s, "max_participants", 1, s->limits->participants,
		                 &st->max_participants);
	if (!rc)
		rc = read_number(s, "session_timeout_minutes", TIMEOUT_MINUTES_MIN,
		                 TIMEOUT_MINUTES_MAX, &st->timeout_minutes);
	if (!rc)
		rc = read_fresh(s);
	st->type = (enum session_type)type;
	st->strategy = (enum strategy)strategy;
	return rc;
}

static struct reader reader_of(struct start_reader *s, struct message *m)
{
	return (struct reader){.m = m, .limits = s->limits, .e = s->e, .len = s->len};
}

/* One section, {content, other keys…}: the changes that make it. */
static int read_section(struct start_reader *s, const char *section_id, const json_t *v,
                        struct message *m)
{
	struct reader r = reader_of(s, m);
	char name[FIELD_NAME_MAX];

	command_init(&m->command, COMMAND_SECTION_UPDATE);
	if (!section_name_valid(section_id))
		return err_field(s->e, ERR_BAD_FIELD, "sections",
		                 "sections has a key that is no section id");
	m->command.section_id = section_id;
	(void)snprintf(name, sizeof name, "sections.%s", section_id); /* may be cut */
	return changes_read(&r, name, v, false);
}

static int read_sections(struct start_reader *s)
{
	struct start_options *o = s->o;
	json_t *sections = json_object_get(o->json, "sections");
	size_t len = json_object_size(sections);
	const char *section_id = NULL;
	json_t *v = NULL;

	if (!sections || json_is_null(sections))
		return 0;
	if (!json_is_object(sections))
		return err_field(s->e, ERR_BAD_FIELD, "sections", "sections must be an object");
	/* Asked before memory is spent on them. */
	if (s->limits->sections && len > (size_t)s->limits->sections)
		return err_field(s->e, ERR_TOO_MANY_SECTIONS, "sections",
		                 "%zu sections, a session may have %lld", len,
		                 (long long)s->limits->sections);
	if (len == 0)
		return 0;
	o->sections = calloc(len, sizeof *o->sections);
	if (!o->sections)
		return err_set(s->e, ERR_NOMEM, NULL);
	json_object_foreach(sections, section_id, v)
	{
		int rc = read_section(s, section_id, v, &o->sections[o->sections_len++]);

		if (rc)
			return rc;
	}
	return 0;
}

static int read_participant(struct start_reader *s, size_t i, const json_t *v, struct message *m)
{
	struct reader r = reader_of(s, m);
	char name[48];
	int rc = 0;

	command_init(&m->command, COMMAND_PARTICIPANT_ADD);
	(void)snprintf(name, sizeof name, "participants[%zu]", i); /* it fits */
	if (!json_is_object(v))
		return err_field(s->e, ERR_BAD_FIELD, name, "%s must be an object", name);
	r.places[r.places_len++] = v;
	rc = fields_read(&r);
	if (rc) {
		(void)snprintf(name, sizeof name, "participants[%zu].", i); /* it fits */
		err_field_prefix(s->e, name);
	}
	return rc;
}

static int read_participants(struct start_reader *s)
{
	struct start_options *o = s->o;
	const json_t *list = json_object_get(o->json, "participants");
	size_t len = json_array_size(list);

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return err_field(s->e, ERR_BAD_FIELD, "participants",
		                 "participants must be an array");
	if (len > (size_t)s->limits->participants)
		return err_field(s->e, ERR_SESSION_FULL, "participants",
		                 "%zu participants, a session may have %lld", len,
		                 (long long)s->limits->participants);
	if (len == 0)
		return 0;
	o->participants = calloc(len, sizeof *o->participants);
	if (!o->participants)
		return err_set(s->e, ERR_NOMEM, NULL);
	for (size_t i = 0; i < len; i++) {
		int rc = read_participant(s, i, json_array_get(list, i),
		                          &o->participants[o->participants_len++]);

		if (rc)
			return rc;
	}
	return 0;
}

static int compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

/* The digests of some commands, sorted: the order of an object's keys means nothing. */
static int put_commands(struct buf *b, const char *name, const struct message *messages, size_t len)
{
	char(*digests)[17] = NULL;
	int rc = 0;

	if (len == 0)
		return 0;
	digests = calloc(len, sizeof *digests);
	if (!digests)
		return ERR_NOMEM;
	for (size_t i = 0; i < len && !rc; i++)
		rc = command_digest(&messages[i].command, digests[i]);
	qsort(digests, len, sizeof *digests, compare_digests);
	for (size_t i = 0; i < len; i++)
		digest_put(b, name, digests[i], 16);
	free(digests);
	return rc;
}

static int start_digest(struct start_options *o)
{
	const struct settings *st = &o->settings;
	const char *type = session_type_name(st->type), *strategy = strategy_name(st->strategy);
	struct buf b;
	int rc = 0;

	buf_init(&b, SIZE_MAX / 4); /* what it says has a maximum already */
	digest_put(&b, "kind", "SESSION_START", 13);
	digest_put(&b, "session_type", type, strlen(type));
	digest_put(&b, "strategy", strategy, strlen(strategy));
	digest_put_int(&b, "max_participants", st->max_participants);
	digest_put_int(&b, "timeout_minutes", st->timeout_minutes);
	digest_put_int(&b, "fresh", o->fresh);
	rc = put_commands(&b, "section", o->sections, o->sections_len);
	if (!rc)
		rc = put_commands(&b, "participant", o->participants, o->participants_len);
	if (!rc)
		rc = digest_finish(&b, o->ref_digest);
	buf_release(&b);
	return rc;
}

int start_options_parse(const char *bytes, size_t len, const json_t *query, const char *ref,
                        const struct limits *limits, struct start_options *o, struct err *e)
{
	struct start_reader s = {.o = o, .query = query, .limits = limits, .e = e, .len = len};
	int rc = 0;

	*o = (struct start_options){0};
	if (ref)
		rc = ref_read(ref, strlen(ref), o->ref, e);
	if (!rc)
		rc = message_load(len ? bytes : "{}", len ? len : 2, limits, &o->json, e);
	if (!rc)
		rc = read_settings(&s);
	if (!rc)
		rc = read_sections(&s);
	if (!rc)
		rc = read_participants(&s);
	if (!rc && o->ref[0]) {
		rc = start_digest(o);
		if (rc)
			(void)err_set(e, rc, NULL); /* it is rc */
	}
	return rc;
}

void start_options_release(struct start_options *o)
{
	for (size_t i = 0; i < o->sections_len; i++)
		message_release(&o->sections[i]);
	for (size_t i = 0; i < o->participants_len; i++)
		message_release(&o->participants[i]);
	free(o->sections);
	free(o->participants);
	json_decref(o->json);
	*o = (struct start_options){0};
}
