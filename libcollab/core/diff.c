/* The operation that turns one text into another. */
#include "core/diff.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "core/seqdiff.h"
#include "core/words.h"

enum {
	CHANCE_MAX = 3,   /* characters that two texts share here and there by chance */
	HUNK_BYTES = 14,  /* of JSON that a change takes beside its text: 123,{"d":12}, */
	FINE_BYTES = 4096 /* of JSON that an operation may take however few bytes would do */
};

/* A change: old bytes [a, a_end) become new bytes [b, b_end). */
struct hunk {
	size_t a, a_end, b, b_end;
	size_t chars; /* deleted or inserted, whichever is more; what was given up is not counted */
	size_t kept;  /* what stays between the change before and this one, in code points */
};

struct hunks {
	struct hunk *list;
	size_t len, cap;
};

/* The two texts, what compares them, and the outcome. */
struct job {
	const char *a, *b;
	struct seqdiff seqdiff;
	uint32_t *chars; /* both sides of a replaced run, as code points */
	size_t chars_cap;
	struct hunks words;   /* what changed, word by word */
	struct hunks changes; /* and in the end */
};

static int push(struct hunks *h, struct hunk hunk)
{
	if (h->len == h->cap) {
		size_t cap = h->cap ? h->cap * 2 : 16;
		struct hunk *list = realloc(h->list, cap * sizeof *list);

		if (!list)
			return ERR_NOMEM;
		h->list = list;
		h->cap = cap;
	}
	h->list[h->len++] = hunk;
	return 0;
}

/*
 * Whether what stays between two changes is not worth keeping: it is shorter than either of them,
 * or it is some chance letters in the midst of much that changed.
 */
static bool is_noise(const struct hunk *before, const struct hunk *after)
{
	size_t less = before->chars < after->chars ? before->chars : after->chars;

	return after->kept < less ||
	       (after->kept <= CHANCE_MAX && after->kept * 4 <= before->chars + after->chars);
}

/* Add a change behind the others, in one with those before it if only noise lies between. */
static int add_change(struct job *job, struct hunk next)
{
	struct hunks *h = &job->changes;
	size_t at = h->len ? h->list[h->len - 1].a_end : 0;
	size_t deleted = utf8_chars(job->a + next.a, next.a_end - next.a);
	size_t inserted = utf8_chars(job->b + next.b, next.b_end - next.b);

	next.chars = deleted > inserted ? deleted : inserted;
	next.kept = utf8_chars(job->a + at, next.a - at);
	while (h->len > 0 && is_noise(&h->list[h->len - 1], &next)) {
		const struct hunk *before = &h->list[--h->len];

		next.a = before->a;
		next.b = before->b;
		next.chars += before->chars;
		next.kept = before->kept;
	}
	return push(h, next);
}

/* Find the next run of items without counterpart; false at the end. */
static bool next_run(const struct seqdiff *sd, size_t a_len, size_t b_len, size_t *a, size_t *b,
                     size_t *a_end, size_t *b_end)
{
	while (*a < a_len && *b < b_len && !sd->a_only[*a] && !sd->b_only[*b]) {
		(*a)++;
		(*b)++;
	}
	*a_end = *a;
	*b_end = *b;
	while (*a_end < a_len && sd->a_only[*a_end])
		(*a_end)++;
	while (*b_end < b_len && sd->b_only[*b_end])
		(*b_end)++;
	return *a_end > *a || *b_end > *b;
}

/* Compare the words of both texts between the bytes of `box`; job->words gets what changed. */
static int compare_words(struct job *job, struct hunk box)
{
	struct words a = {0};
	struct words b = {0};
	size_t i = 0;
	size_t j = 0;
	size_t i_end = 0;
	size_t j_end = 0;
	int rc = words_cut(job->a + box.a, box.a_end - box.a, job->b + box.b, box.b_end - box.b, &a,
	                   &b);

	if (!rc)
		rc = seqdiff_run(&job->seqdiff, a.ids, a.len, b.ids, b.len,
		                 DIFF_STEPS / (a.len + b.len + 1) + 1);
	while (!rc && next_run(&job->seqdiff, a.len, b.len, &i, &j, &i_end, &j_end)) {
		struct hunk run = {.a = box.a + a.starts[i],
		                   .a_end = box.a + a.starts[i_end],
		                   .b = box.b + b.starts[j],
		                   .b_end = box.b + b.starts[j_end]};

		rc = push(&job->words, run);
		i = i_end;
		j = j_end;
	}
	words_release(&a);
	words_release(&b);
	return rc;
}

/* The code points of s[0..len) to out; how many. */
static size_t decode(const char *s, size_t len, uint32_t *out)
{
	size_t chars = 0;
	size_t n = 0;

	for (size_t at = 0; at < len; at += n)
		out[chars++] = utf8_decode(s + at, &n);
	return chars;
}

/* Compare the characters of a replaced run, with `effort` steps for each. */
static int compare_chars(struct job *job, struct hunk run, size_t effort)
{
	size_t bytes = run.a_end - run.a + (run.b_end - run.b);
	size_t a_len = 0;
	size_t b_len = 0;
	size_t i = 0;
	size_t j = 0;
	size_t i_end = 0;
	size_t j_end = 0;
	int rc = 0;

	if (bytes > job->chars_cap) {
		uint32_t *chars = realloc(job->chars, bytes * sizeof *chars);

		if (!chars)
			return ERR_NOMEM;
		job->chars = chars;
		job->chars_cap = bytes;
	}
	a_len = decode(job->a + run.a, run.a_end - run.a, job->chars);
	b_len = decode(job->b + run.b, run.b_end - run.b, job->chars + a_len);
	rc = seqdiff_run(&job->seqdiff, job->chars, a_len, job->chars + a_len, b_len, effort);
	while (!rc) {
		size_t i_was = i_end;
		size_t j_was = j_end;
		struct hunk part = {0};

		if (!next_run(&job->seqdiff, a_len, b_len, &i, &j, &i_end, &j_end))
			break;
		run.a += utf8_offset(job->a + run.a, run.a_end - run.a, i - i_was, NULL);
		run.b += utf8_offset(job->b + run.b, run.b_end - run.b, j - j_was, NULL);
		part = run;
		run.a += utf8_offset(job->a + run.a, run.a_end - run.a, i_end - i, NULL);
		run.b += utf8_offset(job->b + run.b, run.b_end - run.b, j_end - j, NULL);
		part.a_end = run.a;
		part.b_end = run.b;
		rc = add_change(job, part);
		i = i_end;
		j = j_end;
	}
	return rc;
}

static int refine(struct job *job)
{
	size_t bytes = 0; /* in replaced runs */
	int rc = 0;

	for (size_t i = 0; i < job->words.len; i++) {
		const struct hunk *run = &job->words.list[i];

		if (run->a_end > run->a && run->b_end > run->b)
			bytes += run->a_end - run->a + (run->b_end - run->b);
	}
	for (size_t i = 0; i < job->words.len && !rc; i++) {
		struct hunk run = job->words.list[i];

		if (run.a_end > run.a && run.b_end > run.b)
			rc = compare_chars(job, run, DIFF_STEPS / bytes + 1);
		else
			rc = add_change(job, run);
	}
	return rc;
}

static bool continues(const char *s, size_t len, size_t at)
{
	return at < len && ((unsigned char)s[at] & 0xc0) == 0x80;
}

/*
 * What is left when the words that both texts begin and end with are taken away.  The comparison
 * would find them too, but most changes are small and this is the whole cost of them.
 */
static struct hunk trim(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t shorter = a_len < b_len ? a_len : b_len;
	size_t front = 0;
	size_t end = 0;

	while (front < shorter && a[front] == b[front])
		front++;
	while (continues(a, a_len, front) || continues(b, b_len, front) ||
	       !words_break(a, a_len, front) || !words_break(b, b_len, front))
		front--;
	while (end < shorter - front && a[a_len - 1 - end] == b[b_len - 1 - end])
		end++;
	while (continues(a, a_len, a_len - end) || !words_break(a, a_len, a_len - end) ||
	       !words_break(b, b_len, b_len - end))
		end--;
	return (struct hunk){.a = front, .a_end = a_len - end, .b = front, .b_end = b_len - end};
}

/*
 * Many changes close together can take more bytes to say, as JSON, than all of it anew.  In a long
 * operation what stays between two is then given up wherever it is shorter than the saying so, and
 * none is longer than the one that replaces everything between the common ends of the texts.
 */
static void coarsen(struct hunks *h)
{
	size_t bytes = 0;
	size_t n = 0;

	for (size_t i = 0; i < h->len; i++)
		bytes += HUNK_BYTES + (h->list[i].b_end - h->list[i].b);
	if (bytes <= FINE_BYTES || bytes <= HUNK_BYTES + (h->list[h->len - 1].b_end - h->list[0].b))
		return;
	for (size_t i = 1; i < h->len; i++) {
		if (h->list[i].a - h->list[n].a_end < HUNK_BYTES) {
			h->list[n].a_end = h->list[i].a_end;
			h->list[n].b_end = h->list[i].b_end;
		} else {
			h->list[++n] = h->list[i];
		}
	}
	h->len = n + 1;
}

static int write_op(const struct job *job, struct op *out)
{
	size_t at = 0;

	for (size_t i = 0; i < job->changes.len; i++) {
		const struct hunk *h = &job->changes.list[i];

		op_retain(out, utf8_chars(job->a + at, h->a - at));
		op_delete(out, utf8_chars(job->a + h->a, h->a_end - h->a));
		op_insert(out, job->b + h->b, h->b_end - h->b);
		at = h->a_end;
	}
	return op_finish(out);
}

int diff(const char *old, size_t old_len, const char *new_, size_t new_len, struct op *out)
{
	struct job job = {.a = old ? old : "", .b = new_ ? new_ : ""};
	struct hunk box = trim(job.a, old_len, job.b, new_len);
	int rc = 0;

	assert(old_len < 1u << 30 && new_len < 1u << 30);
	op_clear(out);
	if (box.a == box.a_end || box.b == box.b_end) {
		if (box.a < box.a_end || box.b < box.b_end)
			rc = add_change(&job, box);
	} else {
		rc = compare_words(&job, box);
		if (!rc)
			rc = refine(&job);
	}
	coarsen(&job.changes);
	if (!rc)
		rc = write_op(&job, out);
	free(job.words.list);
	free(job.changes.list);
	free(job.chars);
	seqdiff_release(&job.seqdiff);
	return rc;
}
