/* What the history of a section says: who wrote what, and how to get back to an earlier text. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/rfc3339.h"
#include "base/utf8.h"
#include "client/client_int.h"
#include "client/history_int.h"
#include "core/diff.h"
#include "core/words.h"
#include "proto/op_json.h"

const char *collab_history_text(const struct collab_history *h, size_t *len)
{
	*len = h->text.len;
	return h->text.p ? h->text.p : "";
}

/* ---- runs -------------------------------------------------------------------------------------
 */

/* Whether a unit ends in front of byte `at`. */
static bool ends_unit(const struct buf *text, size_t at, enum collab_unit unit)
{
	switch (unit) {
	case COLLAB_WORD:
		return words_break(text->p, text->len, at);
	case COLLAB_LINE:
		return at == text->len || text->p[at - 1] == '\n';
	default:
		return true;
	}
}

/* Blanks and line breaks: who puts one behind a word has not written the word. */
static bool is_white(uint32_t c)
{
	return c <= ' ' || c == 0x85 || c == 0xa0 || (c >= 0x2000 && c <= 0x200b) || c == 0x2028 ||
	       c == 0x2029 || c == 0x202f || c == 0x3000;
}

/* A word or line on the way: its newest origin, that of its blanks only where it has nothing else.
 */
struct unit {
	size_t newest;
	bool begun, dark; /* anything seen; anything but blanks seen */
};

/* Origins are in the order of the log: the newest is the greatest. */
static void unit_add(struct unit *u, uint32_t c, size_t origin)
{
	bool dark = !is_white(c);

	if (!u->begun || (dark && !u->dark) || (dark == u->dark && origin > u->newest))
		u->newest = origin;
	u->begun = true;
	u->dark |= dark;
}

/* Runs being put together, in bytes and code points. */
struct putting {
	const struct collab_history *h;
	void (*fn)(void *arg, const struct collab_run *run);
	void *arg;
	size_t from_byte, to_byte, from, to; /* what was not given yet, */
	size_t origin;                       /* all of this origin */
};

static void give_run(struct putting *p)
{
	const struct origin *o = &p->h->origins[p->origin];
	struct collab_run run = {.from = p->from,
	                         .to = p->to,
	                         .text = p->h->text.p + p->from_byte,
	                         .len = p->to_byte - p->from_byte,
	                         .seq = o->seq,
	                         .user_id = o->user_id ? o->user_id : "",
	                         .user_name = o->user_name ? o->user_name : ""};

	static_assert(sizeof run.timestamp > RFC3339_LEN, "a time stamp fits");
	rfc3339_format(o->time_ms, run.timestamp);
	if (p->to > p->from)
		p->fn(p->arg, &run);
	p->from = p->to;
	p->from_byte = p->to_byte;
}

void collab_history_runs(const struct collab_history *h, enum collab_unit unit,
                         void (*fn)(void *arg, const struct collab_run *run), void *arg)
{
	struct putting p = {.h = h, .fn = fn, .arg = arg};
	size_t chars = 0, stretch = 0, used = 0, n = 0;
	struct unit u = {0};

	for (size_t at = 0; at < h->text.len; at += n) {
		uint32_t c = utf8_decode(h->text.p + at, &n);

		if (used == h->now.v[stretch].chars) {
			stretch++;
			used = 0;
		}
		unit_add(&u, c, h->now.v[stretch].origin);
		used++;
		chars++;
		if (!ends_unit(&h->text, at + n, unit))
			continue;
		if (u.newest != p.origin) {
			give_run(&p);
			p.origin = u.newest;
		}
		p.to = chars;
		p.to_byte = at + n;
		u = (struct unit){0};
	}
	if (h->text.len)
		give_run(&p);
}

/* ---- operations -------------------------------------------------------------------------------
 */

/* Gives op as JSON, or tells why not. */
static int give_delta(const struct op *op, int rc, char **delta, struct collab_err *e)
{
	struct buf out = {0};

	buf_init(&out, SIZE_MAX / 4);
	if (!rc) {
		op_write_json(op, &out);
		*delta = buf_take(&out);
		rc = *delta ? 0 : ERR_NOMEM;
	}
	buf_release(&out);
	return rc ? client_fail(e, rc, "%s", err_row(rc)->text) : 0;
}

int collab_delta(const char *from, size_t from_len, const char *to, size_t to_len, char **delta,
                 struct collab_err *e)
{
	struct op op = {0};
	int rc = 0;

	*delta = NULL;
	op_init(&op, HISTORY_TEXT_MAX);
	if (from_len > HISTORY_TEXT_MAX || to_len > HISTORY_TEXT_MAX)
		rc = ERR_TOO_LARGE;
	else if (!utf8_valid(from, from_len) || !utf8_valid(to, to_len))
		rc = ERR_BAD_UTF8;
	else
		rc = diff(from, from_len, to, to_len, &op);
	rc = give_delta(&op, rc, delta, e);
	op_release(&op);
	return rc;
}

void collab_history_mark(struct collab_history *h)
{
	h->marked = true;
	op_clear(&h->undo);
}

/* Append what turns the `gone` bytes at `from` into the texts of the op's parts from i up to end.
 */
static int append_least(const struct collab_history *h, const char *from, size_t gone, size_t i,
                        size_t end, struct op *out)
{
	struct buf text = {0};
	struct op least = {0};
	int rc = 0;

	buf_init(&text, HISTORY_TEXT_MAX);
	op_init(&least, HISTORY_TEXT_MAX);
	for (; i < end; i++)
		if (h->undo.parts[i].kind == OP_INSERT)
			buf_put(&text, h->undo.text.p + h->undo.parts[i].text_at,
			        h->undo.parts[i].text_bytes);
	rc = buf_error(&text);
	if (!rc)
		rc = diff(from, gone, text.p ? text.p : "", text.len, &least);
	for (size_t k = 0; k < least.len && !rc; k++) {
		const struct op_part *part = &least.parts[k];

		if (part->kind == OP_RETAIN)
			op_retain(out, part->chars);
		else if (part->kind == OP_DELETE)
			op_delete(out, part->chars);
		else
			op_insert(out, least.text.p + part->text_at, part->text_bytes);
	}
	/* What an operation does not reach it retains; here more may follow. */
	if (!rc)
		op_retain(out, utf8_chars(from, gone) - op_chars_read(&least));
	op_release(&least);
	buf_release(&text);
	return rc;
}

/*
 * Undoing a change and what had undone it leaves deletes with inserts of the same text beside them.
 * Within each such place the smallest operation is taken; where it is, what was done since says,
 * and that no comparison of the two texts could find.
 */
static int undo_least(const struct collab_history *h, struct op *out)
{
	const struct op *op = &h->undo;
	size_t left = 0;
	const char *at = collab_history_text(h, &left);
	int rc = 0;

	for (size_t i = 0, end = 0; i < op->len && !rc; i = end) {
		size_t n = 0;

		end = i + 1;
		if (op->parts[i].kind == OP_RETAIN) {
			op_retain(out, op->parts[i].chars);
			n = utf8_offset(at, left, op->parts[i].chars, NULL);
		} else {
			for (end = i; end < op->len && op->parts[end].kind != OP_RETAIN; end++)
				if (op->parts[end].kind == OP_DELETE)
					n += utf8_offset(at + n, left - n, op->parts[end].chars,
					                 NULL);
			rc = append_least(h, at, n, i, end, out);
		}
		at += n;
		left -= n;
	}
	return rc ? rc : op_finish(out);
}

int collab_history_undo(const struct collab_history *h, char **delta, struct collab_err *e)
{
	struct op op = {0};
	int rc;

	*delta = NULL;
	op_init(&op, HISTORY_TEXT_MAX);
	rc = undo_least(h, &op);
	rc = give_delta(&op, rc, delta, e);
	op_release(&op);
	return rc;
}
