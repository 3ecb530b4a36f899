/*
 * Random texts and operations for properties: what goes wrong in practice is always among them
 * (characters beyond the BMP, combining marks, ZWJ sequences, CRLF, NUL, nothing at all).
 */
#ifndef TESTS_GEN_H
#define TESTS_GEN_H

#include "base/utf8.h"
#include "core/op.h"
#include "tap.h"

/* 0 <= n < below */
static inline size_t gen_below(uint64_t *state, size_t below)
{
	return (size_t)(rnd(state) % below);
}

/*
 * `fallback` cases, or with LONG=1 in the environment a million steps' worth; with SHORT=1 a
 * twentieth, for runs under a tool that makes all slow.
 */
static inline size_t gen_cases(size_t fallback)
{
	const char *s = getenv("LONG");

	if (getenv("SHORT"))
		return fallback / 20;
	return s && *s && strcmp(s, "0") != 0 ? 1000000 : fallback;
}

/* Append one piece: a letter, a character of another script, a sequence, a word. */
static inline void gen_piece(uint64_t *state, struct buf *out)
{
	static const char *const pieces[] = {
		"a",
		"b",
		"c",
		" ",
		"\n",
		"word ",
		"the ",
		"\"q\"",
		"\\",
		".",
		"\r\n",
		"\t",
		"é",
		"e\u0301",
		"o\u0308\u0323",
		"ß",
		"中",
		"文字",
		"한국",
		"\u1112\u1161\u11ab",
		"العربية",
		"\u200d",
		"\u200f",
		"\ufeff",
		"\u2028",
		"😀",
		"𝔘",
		"𐍈",
		"\U0010ffff",
		"👨\u200d👩\u200d👧\u200d👦",
		"🏳\ufe0f\u200d🌈",
		"👍🏽",
		"🇩🇪",
		"\x01",
		"\x7f",
	};
	size_t i = gen_below(state, sizeof pieces / sizeof pieces[0] + 1);

	if (i == sizeof pieces / sizeof pieces[0])
		buf_putc(out, '\0');
	else
		buf_puts(out, pieces[i]);
}

/* Append up to `pieces` pieces; every eighth text is empty. */
static inline void gen_text(uint64_t *state, size_t pieces, struct buf *out)
{
	size_t n = gen_below(state, 8) ? gen_below(state, pieces + 1) : 0;

	buf_put(out, "", 0);
	while (n-- > 0)
		gen_piece(state, out);
}

static inline void gen_insert(uint64_t *state, struct op *op)
{
	struct buf text;

	buf_init(&text, 1 << 16);
	gen_piece(state, &text);
	if (gen_below(state, 3) == 0)
		gen_piece(state, &text);
	op_insert(op, text.p, text.len);
	buf_release(&text);
}

/* An operation for a text of `chars` code points.  op is initialised, and finished here. */
static inline void gen_op(uint64_t *state, size_t chars, struct op *op)
{
	size_t left = chars;

	op_clear(op);
	while (left > 0 || gen_below(state, 3) == 0) {
		size_t n = gen_below(state, (left < 6 ? left : 6) + 1);

		switch (gen_below(state, 8)) {
		case 0:
		case 1:
			gen_insert(state, op);
			break;
		case 2:
		case 3:
			op_delete(op, n);
			left -= n;
			break;
		case 4:
			op_retain(op, left);
			left = 0;
			break;
		default:
			op_retain(op, n);
			left -= n;
			break;
		}
	}
	(void)op_finish(op); /* out of memory would show as a wrong text */
}

/*
 * An operation for the text after `a` (which was made from `chars` code points) that picks at what
 * a did: it deletes all or parts of what a inserted, across the ends of it too, inserts in the
 * middle of that and where a deleted.
 */
static inline void gen_op_after(uint64_t *state, const struct op *a, size_t chars, struct op *op)
{
	size_t rest = chars - op_chars_read(a);

	op_clear(op);
	for (size_t i = 0; i <= a->len; i++) {
		size_t left = i < a->len ? a->parts[i].chars : rest;

		if (i < a->len && a->parts[i].kind == OP_DELETE) {
			if (gen_below(state, 2))
				gen_insert(state, op);
			continue;
		}
		while (left > 0) {
			size_t n = gen_below(state, 3) ? left : 1 + gen_below(state, left);

			if (gen_below(state, 4) == 0)
				gen_insert(state, op);
			if (gen_below(state, 2))
				op_delete(op, n);
			else
				op_retain(op, n);
			left -= n;
		}
	}
	(void)op_finish(op); /* as above */
}

#endif
