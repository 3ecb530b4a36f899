/*
 * The history of one section: its text, and which event each stretch of it came by.
 *
 * An inserted text belongs to the event that inserted it; what is retained keeps its origin.  A
 * content that replaces the text is taken for the smallest operation that does the same, so that
 * who writes a text anew with one word changed is the author of that word only.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "client/client_int.h"
#include "client/history_int.h"
#include "core/diff.h"
#include "proto/event_json.h"
#include "proto/stored.h"

int collab_history_new(struct collab_history **out, const char *section_id, struct collab_err *e)
{
	*out = NULL;
	if (!section_name_valid(section_id))
		return client_fail(e, ERR_BAD_FIELD, "\"%s\" is not a section id", section_id);
	*out = calloc(1, sizeof **out);
	if (!*out)
		return client_fail(e, ERR_NOMEM, "out of memory");
	strcpy((*out)->section_id, section_id);
	buf_init(&(*out)->text, HISTORY_TEXT_MAX);
	op_init(&(*out)->undo, HISTORY_TEXT_MAX);
	return 0;
}

void collab_history_free(struct collab_history *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->origins_len; i++) {
		free(h->origins[i].user_id);
		free(h->origins[i].user_name);
	}
	free(h->origins);
	free(h->now.v);
	free(h->next.v);
	buf_release(&h->text);
	op_release(&h->undo);
	free(h);
}

/* ---- folding ----------------------------------------------------------------------------------
 */

static int copy_string(char **out, const char *s)
{
	*out = s ? strdup(s) : NULL;
	return s && !*out ? ERR_NOMEM : 0;
}

/* One more origin, at the end of the list. */
static int add_origin(struct collab_history *h, int64_t seq, int64_t time_ms, const char *user_id,
                      const char *user_name)
{
	struct origin *o = NULL;

	if (h->origins_len == h->origins_cap) {
		size_t cap = h->origins_cap * 2 + 16;

		o = realloc(h->origins, cap * sizeof *o);
		if (!o)
			return ERR_NOMEM;
		h->origins = o;
		h->origins_cap = cap;
	}
	o = &h->origins[h->origins_len++];
	*o = (struct origin){.seq = seq, .time_ms = time_ms};
	return copy_string(&o->user_id, user_id) || copy_string(&o->user_name, user_name)
	               ? ERR_NOMEM
	               : 0;
}

static int push(struct stretches *s, size_t chars, size_t origin)
{
	if (chars == 0)
		return 0;
	if (s->len && s->v[s->len - 1].origin == origin) {
		s->v[s->len - 1].chars += chars;
		return 0;
	}
	if (s->len == s->cap) {
		size_t cap = s->cap * 2 + 16;
		struct stretch *v = realloc(s->v, cap * sizeof *v);

		if (!v)
			return ERR_NOMEM;
		s->v = v;
		s->cap = cap;
	}
	s->v[s->len++] = (struct stretch){chars, origin};
	return 0;
}

/* A place in the stretches there are. */
struct place {
	size_t i;    /* stretch */
	size_t used; /* of its characters */
};

/* Go on by `chars` (SIZE_MAX: to the end); what is kept goes to the next stretches. */
static int advance(struct collab_history *h, struct place *p, size_t chars, bool keep)
{
	int rc = 0;

	while (!rc && chars && p->i < h->now.len) {
		const struct stretch *s = &h->now.v[p->i];
		size_t n = s->chars - p->used < chars ? s->chars - p->used : chars;

		if (keep)
			rc = push(&h->next, n, s->origin);
		chars -= n;
		p->used += n;
		if (p->used == s->chars)
			*p = (struct place){p->i + 1, 0};
	}
	return rc;
}

/* One more operation to undo, the first one of all: it was made from the text as it still is. */
static int remember(struct collab_history *h, const struct op *op)
{
	struct op inverse = {0}, both = {0};
	int rc = 0;

	if (!h->marked)
		return 0;
	op_init(&inverse, HISTORY_TEXT_MAX);
	op_init(&both, HISTORY_TEXT_MAX);
	rc = op_invert(op, h->text.p, h->text.len, &inverse);
	if (!rc)
		rc = op_compose(&inverse, &h->undo, &both);
	if (!rc) {
		op_release(&h->undo);
		h->undo = both;
	} else {
		op_release(&both);
	}
	op_release(&inverse);
	return rc;
}

/* The text and its stretches after an operation of the newest origin. */
static int edit(struct collab_history *h, const struct op *op)
{
	struct stretches swap;
	struct place place = {0};
	struct buf text = {0};
	int rc = 0;

	buf_init(&text, HISTORY_TEXT_MAX);
	h->next.len = 0;
	for (size_t i = 0; i < op->len && !rc; i++) {
		const struct op_part *part = &op->parts[i];

		if (part->kind == OP_INSERT)
			rc = push(&h->next, part->chars, h->origins_len - 1);
		else
			rc = advance(h, &place, part->chars, part->kind == OP_RETAIN);
	}
	if (!rc)
		rc = advance(h, &place, SIZE_MAX, true);
	if (!rc)
		rc = op_apply(op, h->text.p, h->text.len, &text);
	if (!rc)
		rc = remember(h, op);
	if (rc) {
		buf_release(&text);
		return rc;
	}
	buf_release(&h->text);
	h->text = text;
	h->chars += op_chars_inserted(op);
	h->chars -= op_chars_deleted(op);
	swap = h->now;
	h->now = h->next;
	h->next = swap;
	return 0;
}

static void count(struct collab_change *change, const struct collab_history *h, const struct op *op)
{
	change->text = true;
	change->inserted = op_chars_inserted(op);
	change->removed = op_chars_deleted(op);
	change->chars = h->chars;
}

/* The text becomes another one. */
static int replace(struct collab_history *h, const char *text, size_t len,
                   struct collab_change *change)
{
	struct op op = {0};
	int rc = 0;

	op_init(&op, HISTORY_TEXT_MAX);
	rc = len > HISTORY_TEXT_MAX ? ERR_TOO_LARGE
	                            : diff(h->text.p ? h->text.p : "", h->text.len, text, len, &op);
	if (!rc)
		rc = edit(h, &op);
	if (!rc)
		count(change, h, &op);
	op_release(&op);
	return rc;
}

static int take_changes(struct collab_history *h, const struct changes *c,
                        struct collab_change *change)
{
	int rc = 0;

	if (c->delta) {
		rc = op_check(c->delta, h->chars, NULL);
		if (!rc)
			rc = edit(h, c->delta);
		if (!rc)
			count(change, h, c->delta);
		return rc;
	}
	if (c->content)
		return replace(h, c->content, c->content_len, change);
	/* A value that is no text has no authors within it. */
	return c->content_json ? replace(h, "", 0, change) : 0;
}

static bool concerns(const struct collab_history *h, const struct event *ev)
{
	bool changes = ev->kind == EVENT_SECTION_UPDATE || ev->kind == EVENT_SECTION_DELETED ||
	               (ev->kind == EVENT_CONFLICT_RESOLVED && ev->version == ev->seq);

	return changes && ev->section_id && strcmp(ev->section_id, h->section_id) == 0;
}

int collab_history_event(struct collab_history *h, const char *json, size_t len,
                         struct collab_change *change, struct collab_err *e)
{
	struct collab_change none, *ch = change ? change : &none;
	struct event_doc doc = {0};
	struct err why = {0};
	int rc = event_read(json, len, &doc, &why);
	bool mine = !rc && concerns(h, &doc.ev);

	*ch = (struct collab_change){.chars = h->chars};
	if (rc) {
		rc = client_err(e, &why);
		goto out;
	}
	if (!mine)
		goto out;
	rc = add_origin(h, doc.ev.seq, doc.ev.time_ms, doc.ev.user_id, doc.ev.user_name);
	if (!rc && doc.ev.kind == EVENT_SECTION_DELETED) {
		rc = replace(h, "", 0, ch);
		ch->deleted = true;
	} else if (!rc) {
		rc = take_changes(h, &doc.ev.changes, ch);
	}
	if (rc)
		rc = client_fail(e, rc == ERR_BAD_DELTA ? ERR_CORRUPT : rc,
		                 "seq %lld does not fit the text before it", (long long)doc.ev.seq);
out:
	event_doc_release(&doc);
	return rc ? rc : mine;
}

int collab_history_base(struct collab_history *h, const char *section, size_t len,
                        struct collab_err *e)
{
	const char *by = NULL, *name = NULL;
	int64_t version = 0, time_ms = 0;
	struct collab_change change;
	struct err why = {0};
	json_t *j = NULL, *content = NULL;
	int rc = stored_load(section, len, &j, &why);

	if (!rc)
		rc = stored_integer(j, "version", "version", 0, &version, &why);
	if (!rc)
		rc = stored_string(j, "updated_by", "updated_by", true, stored_any, &by, &why);
	if (!rc)
		rc = stored_string(j, "updated_by_name", "updated_by_name", true, stored_any, &name,
		                   &why);
	if (!rc)
		rc = stored_time(j, "updated_at", "updated_at", &time_ms, &why);
	content = json_object_get(j, "content");
	if (rc) {
		rc = client_err(e, &why);
	} else {
		rc = add_origin(h, version, time_ms, by, name);
		if (!rc && json_is_string(content))
			rc = replace(h, json_string_value(content), json_string_length(content),
			             &change);
		rc = rc ? client_fail(e, rc, "%s", err_row(rc)->text) : 0;
	}
	json_decref(j);
	return rc;
}
