/* Cutting texts into words. */
#include "core/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/ids.h"
#include "base/utf8.h"

enum {
	PROBES = 16 /* slots looked at before a word gets an id of its own */
};

enum kind { KIND_WORD, KIND_BLANK, KIND_BREAK, KIND_SINGLE };

static enum kind kind_of(uint32_t c)
{
	if (c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029)
		return KIND_BREAK;
	if (c <= ' ' || c == 0xa0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200b))
		return KIND_BLANK;
	if (c < 0x80)
		return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		                       c == '_'
		               ? KIND_WORD
		               : KIND_SINGLE;
	if ((c >= 0x2010 && c <= 0x205e) || (c >= 0x2e80 && c <= 0xa4cf) ||
	    (c >= 0xf900 && c <= 0xfaff) || (c >= 0xff00 && c <= 0xffef) ||
	    (c >= 0x20000 && c <= 0x3ffff))
		return KIND_SINGLE; /* punctuation, and scripts that put no blanks between words */
	return KIND_WORD;
}

static bool break_between(uint32_t before, uint32_t after)
{
	enum kind a = kind_of(before);
	enum kind b = kind_of(after);

	if (b == KIND_BLANK)
		return a == KIND_BREAK;
	if (a == KIND_WORD && b == KIND_WORD)
		return false;
	return !(before == '\r' && after == '\n');
}

static size_t back(const char *s, size_t at)
{
	do
		at--;
	while (((unsigned char)s[at] & 0xc0) == 0x80);
	return at;
}

bool words_break(const char *s, size_t len, size_t at)
{
	size_t n = 0;

	if (at == 0 || at >= len)
		return true;
	return break_between(utf8_decode(s + back(s, at), &n), utf8_decode(s + at, &n));
}

void words_release(struct words *w)
{
	free(w->ids);
	free(w->starts);
	*w = (struct words){0};
}

/* Where the word that begins at `at` ends. */
static size_t word_end(const char *s, size_t len, size_t at)
{
	size_t n = 0;
	uint32_t before = utf8_decode(s + at, &n);

	for (at += n; at < len; at += n) {
		uint32_t after = utf8_decode(s + at, &n);

		if (break_between(before, after))
			break;
		before = after;
	}
	return at;
}

static int cut(const char *s, size_t len, struct words *out)
{
	size_t n = 0;

	for (size_t at = 0; at < len; at = word_end(s, len, at))
		n++;
	out->ids = calloc(n + 1, sizeof *out->ids);
	out->starts = calloc(n + 1, sizeof *out->starts);
	if (!out->ids || !out->starts)
		return ERR_NOMEM;
	for (size_t at = 0; at < len; at = word_end(s, len, at))
		out->starts[out->len++] = (uint32_t)at;
	out->starts[n] = (uint32_t)len;
	return 0;
}

/* A word seen before: the text it is in, and which word of that it is plus one; 0: a free slot. */
struct slot {
	uint32_t hash;
	uint32_t in_b : 1;
	uint32_t next : 31;
};

/* Both texts and what their words are looked up in. */
struct numbering {
	const char *texts[2];
	struct words *words[2];
	struct slot *slots;
	size_t mask;
	uint32_t ids; /* given so far */
};

static bool same_word(const struct numbering *nb, const struct slot *slot, const char *word,
                      size_t len)
{
	const struct words *w = nb->words[slot->in_b];
	size_t at = w->starts[slot->next - 1];

	return w->starts[slot->next] - at == len &&
	       memcmp(nb->texts[slot->in_b] + at, word, len) == 0;
}

static void number(struct numbering *nb, bool in_b)
{
	struct words *w = nb->words[in_b];

	for (size_t i = 0; i < w->len; i++) {
		const char *word = nb->texts[in_b] + w->starts[i];
		size_t len = w->starts[i + 1] - w->starts[i];
		uint32_t hash = (uint32_t)hash64(0, word, len);
		struct slot *slot = NULL;
		size_t probe = 0;

		for (; probe < PROBES; probe++) {
			slot = &nb->slots[(hash + probe) & nb->mask];
			if (!slot->next || (slot->hash == hash && same_word(nb, slot, word, len)))
				break;
		}
		if (probe < PROBES && slot->next) {
			w->ids[i] = nb->words[slot->in_b]->ids[slot->next - 1];
			continue;
		}
		if (probe < PROBES)
			*slot = (struct slot){hash, in_b, (uint32_t)i + 1};
		w->ids[i] = nb->ids++;
	}
}

int words_cut(const char *a, size_t a_len, const char *b, size_t b_len, struct words *a_out,
              struct words *b_out)
{
	struct numbering nb = {.texts = {a, b}, .words = {a_out, b_out}, .mask = 63};
	int rc = 0;

	*a_out = (struct words){0};
	*b_out = (struct words){0};
	rc = cut(a, a_len, a_out);
	if (!rc)
		rc = cut(b, b_len, b_out);
	while (nb.mask < 3 * (a_out->len + b_out->len) / 2)
		nb.mask = nb.mask * 2 + 1;
	if (!rc)
		nb.slots = calloc(nb.mask + 1, sizeof *nb.slots);
	if (nb.slots) {
		number(&nb, false);
		number(&nb, true);
		free(nb.slots);
		return 0;
	}
	words_release(a_out);
	words_release(b_out);
	return ERR_NOMEM;
}
