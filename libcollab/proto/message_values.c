/* Reading one value: a function for each type of field. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "base/utf8.h"
#include "proto/message_read.h"

/* The member of the command that the field sets. */
static void *member(struct reader *r, const struct field *f)
{
	return (char *)&r->m->command + f->at;
}

static int wrong(struct reader *r, const struct field *f)
{
	return err_field(r->e, ERR_BAD_FIELD, f->name, "%s must be %s", f->name,
	                 field_type_text(f->type));
}

bool integer_of(const json_t *v, int64_t *n)
{
	double d = 0;

	if (json_is_integer(v)) {
		*n = json_integer_value(v);
		return *n >= -JSON_INTEGER_MAX && *n <= JSON_INTEGER_MAX;
	}
	if (!json_is_real(v))
		return false;
	/* JSON has one kind of number: 3.0 is 3. */
	d = json_real_value(v);
	if (!(d >= (double)-JSON_INTEGER_MAX && d <= (double)JSON_INTEGER_MAX))
		return false;
	*n = (int64_t)d;
	return (double)*n == d;
}

static int read_integer(struct reader *r, const struct field *f, const json_t *v)
{
	int64_t n = 0;

	if (!integer_of(v, &n) || n < f->min || n > f->max)
		return err_field(r->e, ERR_BAD_FIELD, f->name,
		                 "%s must be a whole number from %lld to %lld", f->name,
		                 (long long)f->min, (long long)f->max);
	*(int64_t *)member(r, f) = n;
	return 0;
}

static int read_bool(struct reader *r, const struct field *f, const json_t *v)
{
	if (!json_is_boolean(v))
		return wrong(r, f);
	*(bool *)member(r, f) = json_is_true(v);
	return 0;
}

/* The text of a string to the member. */
static int set_string(struct reader *r, const struct field *f, const json_t *v)
{
	*(const char **)member(r, f) = json_string_value(v);
	return 0;
}

static int read_section_id(struct reader *r, const struct field *f, const json_t *v)
{
	if (!json_is_string(v) || !section_name_valid(json_string_value(v)))
		return err_field(r->e, ERR_BAD_FIELD, f->name,
		                 "%s must be 1 to %d of A-Z a-z 0-9 . _ -, beginning with a letter "
		                 "or digit",
		                 f->name, NAME_LEN_MAX);
	return set_string(r, f, v);
}

static int read_user_id(struct reader *r, const struct field *f, const json_t *v)
{
	if (!json_is_string(v) || !name_valid(json_string_value(v)))
		return err_field(r->e, ERR_BAD_FIELD, f->name,
		                 "%s must be 1 to %d of A-Z a-z 0-9 . _ @ -, beginning with a "
		                 "letter or digit",
		                 f->name, NAME_LEN_MAX);
	return set_string(r, f, v);
}

static int read_uuid(struct reader *r, const struct field *f, const json_t *v)
{
	if (!json_is_string(v) || !uuid_valid(json_string_value(v)))
		return wrong(r, f);
	return set_string(r, f, v);
}

/* Whether valid UTF-8 has a control character (general category Cc: C0, DEL and C1). */
static bool has_control(const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s[1] < 0xa0))
			return true;
	}
	return false;
}

static int read_line(struct reader *r, const struct field *f, const json_t *v)
{
	int64_t len = (int64_t)json_string_length(v);

	if (!json_is_string(v) || has_control(json_string_value(v)))
		return wrong(r, f);
	if (len < f->min || len > f->max)
		return err_field(r->e, ERR_BAD_FIELD, f->name,
		                 "%s has %lld bytes, must have %lld to %lld", f->name,
		                 (long long)len, (long long)f->min, (long long)f->max);
	return set_string(r, f, v);
}

static int read_email(struct reader *r, const struct field *f, const json_t *v)
{
	int rc = read_line(r, f, v);

	if (!rc && !strchr(json_string_value(v), '@'))
		rc = wrong(r, f);
	return rc;
}

static int read_token(struct reader *r, const struct field *f, const json_t *v)
{
	if (json_string_length(v) == 0)
		return wrong(r, f);
	return set_string(r, f, v);
}

static int read_role(struct reader *r, const struct field *f, const json_t *v)
{
	enum role role = json_is_string(v) ? role_parse(json_string_value(v)) : ROLE_NONE;

	if (role == ROLE_NONE)
		return wrong(r, f);
	*(enum role *)member(r, f) = role;
	return 0;
}

static int read_resolution(struct reader *r, const struct field *f, const json_t *v)
{
	int resolution = json_is_string(v) ? resolution_parse(json_string_value(v)) : -1;

	if (resolution < 0)
		return wrong(r, f);
	*(enum resolution *)member(r, f) = (enum resolution)resolution;
	return 0;
}

static int read_content_field(struct reader *r, const struct field *f, const json_t *v)
{
	return content_read(r, f->name, v);
}

static int read_changes_field(struct reader *r, const struct field *f, const json_t *v)
{
	return changes_read(r, f->name, v, true);
}

/* Unicode's property White_Space. */
static bool is_white(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
	       c == 0x205f || c == 0x3000;
}

/* s[0..*len) without white space at its ends. */
static const char *trim(const char *s, size_t *len)
{
	const char *end = s + *len;
	size_t n = 0;

	while (s < end && is_white(utf8_decode(s, &n)))
		s += n;
	while (s < end) {
		const char *last = end - 1;

		while (((unsigned char)*last & 0xc0) == 0x80)
			last--;
		if (!is_white(utf8_decode(last, &n)))
			break;
		end = last;
	}
	*len = (size_t)(end - s);
	return s;
}

static int read_comment(struct reader *r, const struct field *f, const json_t *v)
{
	struct command *c = &r->m->command;
	size_t len = json_string_length(v), chars = 0;
	const char *s = NULL;

	if (!json_is_string(v))
		return wrong(r, f);
	s = trim(json_string_value(v), &len);
	chars = utf8_chars(s, len);
	if ((int64_t)chars < f->min || (int64_t)chars > f->max)
		return err_field(r->e, ERR_BAD_FIELD, f->name,
		                 "%s has %zu characters once trimmed, must have %lld to %lld",
		                 f->name, chars, (long long)f->min, (long long)f->max);
	if (s[len]) {
		/* Only what was cut at its end needs a copy, for the NUL behind it. */
		r->m->text = malloc(len + 1);
		if (!r->m->text)
			return err_set(r->e, ERR_NOMEM, NULL);
		memcpy(r->m->text, s, len);
		r->m->text[len] = '\0';
		s = r->m->text;
	}
	c->text = s;
	c->text_len = len;
	return 0;
}

static int read_mentions(struct reader *r, const struct field *f, const json_t *v)
{
	struct command *c = &r->m->command;
	size_t len = json_array_size(v);

	if (!json_is_array(v))
		return wrong(r, f);
	if ((int64_t)len > f->max)
		return err_field(r->e, ERR_BAD_FIELD, f->name, "%s has %zu users, at most %lld",
		                 f->name, len, (long long)f->max);
	/* An empty list is not an absent one: in an edit it takes all mentions away. */
	r->m->mentions = calloc(len + 1, sizeof *r->m->mentions);
	if (!r->m->mentions)
		return err_set(r->e, ERR_NOMEM, NULL);
	for (size_t i = 0; i < len; i++) {
		const char *user = json_string_value(json_array_get(v, i));
		char field[FIELD_NAME_MAX];

		(void)snprintf(field, sizeof field, "%s[%zu]", f->name, i); /* it fits */
		if (!user || !name_valid(user))
			return err_field(r->e, ERR_BAD_FIELD, field, "%s must be a user id", field);
		r->m->mentions[i] = user;
	}
	c->mentions = r->m->mentions;
	c->mentions_len = len;
	return 0;
}

/* A whole number from 0 on at `key` of an object. */
static int read_anchor_part(struct reader *r, const json_t *v, const char *key, bool required,
                            int64_t *n)
{
	const json_t *part = json_object_get(v, key);
	char field[FIELD_NAME_MAX];

	if (!required && (!part || json_is_null(part)))
		return 0;
	(void)snprintf(field, sizeof field, "anchor.%s", key); /* it fits */
	if (!part)
		return err_field(r->e, ERR_MISSING_FIELD, field, "%s is required", field);
	if (!integer_of(part, n) || *n < 0)
		return err_field(r->e, ERR_BAD_FIELD, field,
		                 "%s must be a whole number from 0 to %lld", field,
		                 (long long)JSON_INTEGER_MAX);
	return 0;
}

static int read_anchor(struct reader *r, const struct field *f, const json_t *v)
{
	struct anchor anchor = {.base_seq = EVENT_ABSENT};
	int rc = 0;

	if (!json_is_object(v))
		return wrong(r, f);
	rc = read_anchor_part(r, v, "from", true, &anchor.from);
	if (!rc)
		rc = read_anchor_part(r, v, "to", true, &anchor.to);
	if (!rc && !r->event)
		rc = read_anchor_part(r, v, "base_seq", false, &anchor.base_seq);
	if (rc)
		return rc;
	if (anchor.from > anchor.to)
		return err_field(r->e, ERR_BAD_FIELD, "anchor.to",
		                 "anchor.to must not be before anchor.from");
	*(struct anchor *)member(r, f) = anchor;
	return 0;
}

static int read_selection(struct reader *r, const struct field *f, const json_t *v)
{
	int64_t *selection = member(r, f);
	int64_t ends[2];

	if (json_array_size(v) != 2)
		return wrong(r, f);
	/* The first may lie behind the second: who selects backwards has the cursor in front. */
	for (size_t i = 0; i < 2; i++)
		if (!integer_of(json_array_get(v, i), &ends[i]) || ends[i] < 0)
			return wrong(r, f);
	selection[0] = ends[0];
	selection[1] = ends[1];
	return 0;
}

int field_read(struct reader *r, const struct field *f, const json_t *v)
{
	static int (*const readers[FIELD_TYPES])(struct reader *, const struct field *,
	                                         const json_t *) = {
		[FIELD_SECTION_ID] = read_section_id,
		[FIELD_USER_ID] = read_user_id,
		[FIELD_UUID] = read_uuid,
		[FIELD_LINE] = read_line,
		[FIELD_EMAIL] = read_email,
		[FIELD_TOKEN] = read_token,
		[FIELD_INTEGER] = read_integer,
		[FIELD_BOOL] = read_bool,
		[FIELD_ROLE] = read_role,
		[FIELD_RESOLUTION] = read_resolution,
		[FIELD_CHANGES] = read_changes_field,
		[FIELD_CONTENT] = read_content_field,
		[FIELD_COMMENT] = read_comment,
		[FIELD_MENTIONS] = read_mentions,
		[FIELD_ANCHOR] = read_anchor,
		[FIELD_SELECTION] = read_selection,
	};

	return readers[f->type](r, f, v);
}
