/*
 * Anchors of comments follow their text.
 *
 * A change of a section maps every anchor there: its start goes behind what is inserted exactly
 * there and its end stays before it, so that an anchor does not grow at its ends.  When all of the
 * anchored text is deleted the anchor is orphaned: it collapses to where the text was, and what the
 * text was is remembered as a length and a digest, not as text, since anchors may overlap and be as
 * long as the section.  An orphan comes back when a change inserts something at a place where its
 * text is expected, and the text there is the one that was lost.  Two places are looked at:
 *
 * - The orphan keeps the left end of everything that was deleted around it, and how many of the
 *   deleted code points came before its text.  When the neighbourhood comes back around it, at once
 *   or piece by piece, the text is then expected exactly there.
 * - When what was done since is undone step by step, or a text that was rewritten as a whole is
 *   restored, the text is expected at the position that it had in the last text that had it, not
 *   to the left of the orphan's place, or anywhere in one change that spans both.
 *
 * All this is state, and folded the same everywhere for ever: no step may depend on anything but
 * the events.  A change with many parts on a section with many comments must not take their
 * product, so positions are mapped by binary search, and in long non-ASCII texts found by an index.
 */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "core/session_int.h"
#include "core/shift.h"

enum { STEP_CHARS = 1024 };

struct text {
	const char *p;
	size_t len, chars;
	size_t *steps; /* the offset of every STEP_CHARS-th code point; NULL until it is needed */
};

static void make_steps(struct text *t)
{
	size_t n = t->chars / STEP_CHARS + 1;
	size_t at = 0;

	t->steps = malloc(n * sizeof *t->steps);
	for (size_t i = 0; t->steps && i < n; i++) {
		t->steps[i] = at;
		at += utf8_offset(t->p + at, t->len - at, STEP_CHARS, NULL);
	}
}

/* The offset of a code point; the text's length when there are not so many. */
static size_t text_offset(struct text *t, size_t pos)
{
	size_t at = 0;

	if (pos >= t->chars)
		return t->len;
	if (t->len == t->chars)
		return pos;
	if (!t->steps && t->chars > STEP_CHARS)
		make_steps(t);
	/* Without memory for the index the search only takes longer. */
	if (t->steps) {
		at = t->steps[pos / STEP_CHARS];
		pos %= STEP_CHARS;
	}
	return at + utf8_offset(t->p + at, t->len - at, pos, NULL);
}

/*
 * What identifies the text between two positions, beside its length: the first 16 hex digits of the
 * SHA-256 of its bytes; of a text of more than 256 bytes, of its first and last 128 bytes, so that
 * a thousand long anchors at one place do not cost a thousand long hashes.
 */
static void anchor_digest(struct text *t, size_t from, size_t to, char out[17])
{
	enum { END = 128 };
	unsigned char digest[SHA256_LEN];
	char hex[SHA256_HEX_LEN + 1];
	char ends[2 * END];
	size_t at = text_offset(t, from);
	size_t len = text_offset(t, to) - at;

	if (len > sizeof ends) {
		memcpy(ends, t->p + at, END);
		memcpy(ends + END, t->p + at + len - END, END);
		sha256(ends, sizeof ends, digest);
	} else {
		sha256(t->p + at, len, digest);
	}
	sha256_hex(digest, hex);
	memcpy(out, hex, 16);
	out[16] = '\0';
}

struct follow {
	struct shift shift;
	struct text before, after;
	bool section_gone;
};

/* The place of an orphaned anchor moves to the left end of what is deleted around it. */
static void collapse(const struct follow *f, struct comment *c)
{
	size_t from = (size_t)c->anchor.from;
	size_t start = shift_gone_from(&f->shift, from);

	c->lost_before += (int64_t)(from - start);
	c->anchor.from = (int64_t)shift_position(&f->shift, start, false);
	c->anchor.to = c->anchor.from;
}

/* All of the anchored text is deleted. */
static void lose(struct follow *f, struct comment *c)
{
	struct anchor *a = &c->anchor;

	anchor_digest(&f->before, (size_t)a->from, (size_t)a->to, c->lost_digest);
	c->lost_at = a->from;
	c->lost_before = 0;
	c->lost_chars = a->to - a->from;
	c->orphaned = true;
	collapse(f, c);
}

/* Whether the lost text is at a position of the text after, with something that was inserted. */
static bool is_back_at(struct follow *f, const struct comment *c, int64_t at)
{
	size_t room = f->after.chars;
	size_t chars = (size_t)c->lost_chars;
	size_t lo = (size_t)at;
	size_t hi = 0;
	char digest[17];

	if (lo > room || chars > room - lo)
		return false;
	hi = lo + chars;
	if (chars == 0) {
		/* A mere place is back when something beside it is. */
		lo -= lo > 0;
		hi += hi < room;
	}
	if (shift_inserted(&f->shift, lo) == shift_inserted(&f->shift, hi))
		return false;
	anchor_digest(&f->after, (size_t)at, (size_t)at + chars, digest);
	return strcmp(digest, c->lost_digest) == 0;
}

/* Where the text of an orphaned anchor is back; -1: nowhere. */
static int64_t where_back(struct follow *f, const struct comment *c)
{
	int64_t from = c->anchor.from;

	if (c->lost_chars == EVENT_ABSENT)
		return -1;
	if (is_back_at(f, c, from + c->lost_before))
		return from + c->lost_before;
	if ((from <= c->lost_at || shift_spans(&f->shift, (size_t)from, (size_t)c->lost_at)) &&
	    is_back_at(f, c, c->lost_at))
		return c->lost_at;
	return -1;
}

static void come_back(struct comment *c, int64_t at)
{
	c->anchor.from = at;
	c->anchor.to = at + c->lost_chars;
	c->orphaned = false;
	c->lost_at = 0;
	c->lost_before = 0;
	c->lost_chars = 0;
	c->lost_digest[0] = '\0';
}

static void follow_one(struct follow *f, struct comment *c)
{
	struct anchor *a = &c->anchor;
	size_t from = (size_t)a->from;
	size_t to = (size_t)a->to;

	if (c->orphaned) {
		collapse(f, c);
	} else if (from == to) {
		if (f->section_gone)
			lose(f, c);
		else
			a->from = a->to = (int64_t)shift_position(&f->shift, from, true);
	} else if (shift_kept(&f->shift, from) == shift_kept(&f->shift, to)) {
		lose(f, c);
	} else {
		a->from = (int64_t)shift_position(&f->shift, from, true);
		a->to = (int64_t)shift_position(&f->shift, to, false);
	}
	if (c->orphaned) {
		int64_t at = where_back(f, c);

		if (at >= 0)
			come_back(c, at);
	}
}

int anchors_follow(struct section *sec, const struct anchored_change *ch)
{
	struct follow f = {
		.before = {.p = ch->before ? ch->before : "",
	                   .len = ch->before_len,
	                   .chars = ch->before_chars},
		.after = {.p = ch->after ? ch->after : "",
	                  .len = ch->after_len,
	                  .chars = ch->after_chars},
		.section_gone = ch->section_gone,
	};
	int rc = shift_init(&f.shift, ch->op);

	for (struct comment *c = sec->anchored; !rc && c; c = c->anchored_next)
		follow_one(&f, c);
	shift_release(&f.shift);
	free(f.before.steps);
	free(f.after.steps);
	return rc;
}

static void link_to(struct section *sec, struct comment *c)
{
	c->anchored_in = sec;
	c->anchored_prev = NULL;
	c->anchored_next = sec->anchored;
	if (sec->anchored)
		sec->anchored->anchored_prev = c;
	sec->anchored = c;
}

void anchor_link(struct session *s, struct comment *c)
{
	struct section *sec = NULL;

	if (c->anchor.from == EVENT_ABSENT)
		return;
	sec = session_section(s, c->section_id);
	if (sec)
		link_to(sec, c);
	else
		s->anchors_adrift++;
}

void anchor_unlink(struct session *s, struct comment *c)
{
	if (c->anchor.from == EVENT_ABSENT)
		return;
	if (!c->anchored_in) {
		s->anchors_adrift--;
		return;
	}
	if (c->anchored_prev)
		c->anchored_prev->anchored_next = c->anchored_next;
	else
		c->anchored_in->anchored = c->anchored_next;
	if (c->anchored_next)
		c->anchored_next->anchored_prev = c->anchored_prev;
	c->anchored_in = NULL;
}

void anchors_adopt(struct session *s, struct section *sec)
{
	const struct map_entry *entry = NULL;
	size_t at = 0;

	while (s->anchors_adrift > 0 && (entry = map_next(&s->comments, &at))) {
		struct comment *c = entry->value;

		if (c->anchor.from == EVENT_ABSENT || c->anchored_in ||
		    strcmp(c->section_id, sec->section_id) != 0)
			continue;
		link_to(sec, c);
		s->anchors_adrift--;
	}
}

void anchors_cast_off(struct session *s, struct section *sec)
{
	while (sec->anchored) {
		anchor_unlink(s, sec->anchored);
		s->anchors_adrift++;
	}
}
