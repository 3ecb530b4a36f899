/*
 * Messages as nearly all are, read from their bytes without a tree of values.
 *
 * It takes what it knows and gives up on everything else, errors included: then the message is read
 * again by message_load() and the tables, which alone say what is wrong with it.  So what is taken
 * here must mean exactly what it means there; tests/unit/test_message_quick.c and the fuzzer
 * compare the two.
 */
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "base/utf8.h"
#include "proto/message_quick.h"

/* Whether trimming would leave the text as it is, and it has a length that a comment may have. */
static bool is_comment(const struct value *v, const struct field *f)
{
	size_t chars = utf8_chars(v->text, v->len);

	return v->len > 0 && v->text[0] > ' ' && v->text[0] < 0x7f && v->text[v->len - 1] > ' ' &&
	       v->text[v->len - 1] < 0x7f && (int64_t)chars >= f->min && (int64_t)chars <= f->max;
}

static bool in_range(int64_t n, int64_t min, int64_t max)
{
	return n >= min && n <= max && n >= -JSON_INTEGER_MAX && n <= JSON_INTEGER_MAX;
}

static bool take_string(struct quick *q, const struct field *f, const struct value *v)
{
	struct command *c = &q->m->command;

	if (v->kind != VALUE_STRING ||
	    (f->type == FIELD_SECTION_ID && !section_name_valid(v->text)) ||
	    (f->type == FIELD_UUID && !uuid_valid(v->text)) ||
	    (f->type == FIELD_COMMENT && !is_comment(v, f)))
		return false;
	*(const char **)((char *)c + f->at) = v->text;
	if (f->type == FIELD_COMMENT)
		c->text_len = v->len;
	return true;
}

static bool take(struct quick *q, const struct field *f, const struct value *v)
{
	void *member = (char *)&q->m->command + f->at;

	switch (f->type) {
	case FIELD_SECTION_ID:
	case FIELD_UUID:
	case FIELD_COMMENT:
		return take_string(q, f, v);
	case FIELD_INTEGER:
		*(int64_t *)member = v->n[0];
		return v->kind == VALUE_INTEGER && in_range(v->n[0], f->min, f->max);
	case FIELD_BOOL:
		*(bool *)member = v->kind == VALUE_TRUE;
		return v->kind == VALUE_TRUE || v->kind == VALUE_FALSE;
	case FIELD_CHANGES:
		*(struct changes *)member = q->changes;
		return v->kind == VALUE_CHANGES;
	case FIELD_SELECTION:
		memcpy(member, v->n, sizeof v->n);
		return v->kind == VALUE_PAIR && in_range(v->n[0], 0, JSON_INTEGER_MAX) &&
		       in_range(v->n[1], 0, JSON_INTEGER_MAX);
	default:
		return false;
	}
}

static bool take_fields(struct quick *q)
{
	size_t len = 0;
	const struct field *fields = message_fields(q->m->command.kind, &len);

	for (size_t i = 0; i < len; i++) {
		size_t name_len = strlen(fields[i].name);
		const struct value *v = quick_find(&q->data, fields[i].name, name_len);

		if (!v)
			v = quick_find(&q->top, fields[i].name, name_len);
		if (!v || v->kind == VALUE_NULL) {
			if (fields[i].required)
				return false;
		} else if (!take(q, &fields[i], v)) {
			return false;
		}
	}
	return true;
}

/* Type, ref and data, as they stand at the top.  An event that is fed back has a seq there. */
static bool take_top(struct quick *q)
{
	const struct value *type = quick_find(&q->top, "type", 4),
			   *ref = quick_find(&q->top, "ref", 3);
	const struct value *data = quick_find(&q->top, "data", 4);
	int kind = -1;

	if (type && type->kind == VALUE_STRING)
		kind = command_kind_parse(type->text);
	if (kind < 0 || kind == COMMAND_CONFLICT_RESOLVE || quick_find(&q->top, "seq", 3))
		return false;
	if (data && data->kind != VALUE_DATA && data->kind != VALUE_NULL)
		return false;
	if (ref && ref->kind != VALUE_NULL &&
	    (ref->kind != VALUE_STRING || ref_read(ref->text, ref->len, q->m->ref, NULL)))
		return false;
	command_init(&q->m->command, (enum command_kind)kind);
	return true;
}

bool message_quick(const char *bytes, size_t len, const struct limits *limits, struct message *m)
{
	struct quick q;

	if (len > (size_t)limits->frame_bytes || limits->json_depth < NESTED_MAX ||
	    utf8_prefix(bytes, len) < len)
		return false;
	m->text = malloc(len + 1);
	if (!m->text)
		return false;
	q.m = m;
	q.at = bytes;
	q.end = bytes + len;
	q.to = m->text;
	q.len = len;
	q.top.len = q.data.len = 0;
	q.changes = (struct changes){0};
	q.changes_seen = false;
	if (quick_read(&q) && take_top(&q) && take_fields(&q))
		return true;
	message_release(m);
	return false;
}
