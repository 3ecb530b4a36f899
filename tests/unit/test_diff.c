/*
 * Differences: the operation leads from one text to the other, is small, keeps words whole where
 * little stays of them, and is found in bounded time.  SEED=n repeats a run, LONG=1 runs long.
 */
#include "core/diff.h"

#include <time.h>

#include "../gen.h"
#include "base/ids.h"
#include "core/landmarks.h"
#include "core/seqdiff.h"
#include "core/words.h"
#include "proto/op_json.h"

enum { TEXT_MAX = 1 << 24, MIB = 1 << 20 };

/* Of test_fixed.  Another one means that stored logs fold to another state. */
#define DIGEST UINT64_C(0xe21d77f09b12ca12)

static bool leads_to(const struct op *op, const struct buf *a, const struct buf *b)
{
	struct buf out;
	bool pass = false;

	buf_init(&out, TEXT_MAX);
	pass = op_apply(op, a->p, a->len, &out) == 0 && out.len == b->len &&
	       memcmp(out.p, b->p, b->len) == 0;
	buf_release(&out);
	return pass;
}

/* Bytes of JSON, without the digits of retains, which one replacement hardly has. */
static size_t json_bytes(const struct op *op)
{
	size_t n = 0;

	for (size_t i = 0; i < op->len; i++) {
		if (op->parts[i].kind == OP_INSERT)
			n += op->parts[i].text_bytes + 3;
		else
			n += op->parts[i].kind == OP_DELETE ? 7 : 1;
	}
	return n;
}

/* A text, and another that is the same, a few edits away, or unrelated. */
static void make_pair(uint64_t *seed, struct buf *a, struct buf *b)
{
	struct op op;

	op_init(&op, TEXT_MAX);
	buf_clear(a);
	buf_clear(b);
	gen_text(seed, 40, a);
	switch (gen_below(seed, 4)) {
	case 0:
		gen_text(seed, 40, b);
		break;
	case 1:
		buf_put(b, a->p, a->len);
		break;
	default:
		gen_op(seed, utf8_chars(a->p, a->len), &op);
		(void)op_apply(&op, a->p, a->len, b); /* it fits; else the pair is odd, no more */
	}
	op_release(&op);
}

static void test_pairs(uint64_t seed)
{
	size_t cases = gen_cases(20000);
	size_t wrong = 0;
	size_t unequal = 0;
	struct buf a, b;
	struct op op;

	buf_init(&a, TEXT_MAX);
	buf_init(&b, TEXT_MAX);
	op_init(&op, TEXT_MAX);
	for (size_t i = 0; i < cases; i++) {
		uint64_t was = seed;
		bool equal = false;

		make_pair(&seed, &a, &b);
		equal = a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
		wrong += diff(a.p, a.len, b.p, b.len, &op) != 0 || !leads_to(&op, &a, &b);
		unequal += equal != op_is_noop(&op);
		if ((wrong || unequal) && wrong + unequal < 3)
			printf("# SEED=%" PRIu64 "\n", was);
	}
	is_int(wrong, 0, "diff, then apply, gives the other text");
	is_int(unequal, 0, "equal texts, and only they, give the empty operation");
	op_release(&op);
	buf_release(&a);
	buf_release(&b);
}

/* Append words of `vocabulary` many, `bytes` or a little more, some of them not ASCII. */
static void prose(uint64_t *seed, size_t bytes, size_t vocabulary, uint64_t salt, struct buf *out)
{
	static const char *const syllables[] = {"ba", "re", "tö", "ki", "ŝan", "lo", "мир", "vu",
	                                        "ne", "😀",  "qu", "ex", "st",  "ai", "文",  "gr"};
	size_t end = out->len + bytes;

	while (out->len < end) {
		uint64_t word = salt + gen_below(seed, vocabulary);

		for (uint64_t r = rnd(&word), n = 1 + r % 4; n > 0; n--, r >>= 8)
			buf_puts(out, syllables[r >> 8 & 15]);
		buf_puts(out, gen_below(seed, 9) ? " " : gen_below(seed, 2) ? ".\r\n" : ", ");
	}
}

/* `edits` small edits all over a text; how many characters they delete and insert. */
static size_t scatter(uint64_t *seed, size_t chars, size_t edits, struct op *op)
{
	size_t step = chars / edits;

	op_clear(op);
	for (size_t i = 0; i < edits; i++) {
		size_t at = gen_below(seed, step - 8);
		size_t gone = gen_below(seed, 4);

		op_retain(op, at);
		op_delete(op, gone);
		if (gone == 0 || gen_below(seed, 2))
			gen_insert(seed, op);
		op_retain(op, step - at - gone);
	}
	(void)op_finish(op); /* out of memory would show as a wrong text */
	return op_chars_deleted(op) + op_chars_inserted(op);
}

/* A few edits in a text of words give an operation about as small as they are. */
static void test_small(uint64_t seed)
{
	size_t cases = gen_cases(2000) / 10;
	size_t wrong = 0;
	size_t large = 0;
	size_t sum = 0;
	size_t sum_did = 0;
	struct buf a, b;
	struct op edits, op;

	buf_init(&a, TEXT_MAX);
	buf_init(&b, TEXT_MAX);
	op_init(&edits, TEXT_MAX);
	op_init(&op, TEXT_MAX);
	for (size_t i = 0; i < cases; i++) {
		uint64_t was = seed;
		size_t did = 0;
		size_t n = 0;

		buf_clear(&a);
		buf_clear(&b);
		prose(&seed, 1000 + gen_below(&seed, 4000), 500, 1, &a);
		did = scatter(&seed, utf8_chars(a.p, a.len), 1 + gen_below(&seed, 8), &edits);
		wrong += op_apply(&edits, a.p, a.len, &b) != 0;
		wrong += diff(a.p, a.len, b.p, b.len, &op) != 0 || !leads_to(&op, &a, &b);
		n = op_chars_deleted(&op) + op_chars_inserted(&op);
		sum += n;
		sum_did += did;
		large += n > 2 * did + 64;
		if (n > 2 * did + 64)
			printf("# %zu where %zu do, SEED=%" PRIu64 "\n", n, did, was);
	}
	/* One alone may be larger: what an edit makes of a word can be a word that stands nearby.
	 */
	ok(wrong == 0 && large == 0 && 2 * sum <= 3 * sum_did,
	   "a few edits give an operation about their size");
	printf("# %zu characters where %zu do\n", sum, sum_did);
	op_release(&op);
	op_release(&edits);
	buf_release(&a);
	buf_release(&b);
}

static const struct {
	const char *old, *new_, *op;
} cases_shape[] = {
	{"", "", "[]"},
	{"", "new", "[\"new\"]"},
	{"old", "", "[{\"d\":3}]"},
	{"the cat", "the black cat", "[4,\"black \"]"},
	{"the black cat", "the cat", "[4,{\"d\":6}]"},
	{"one fat cat", "one far cat", "[6,{\"d\":1},\"r\"]"},
	{"colour", "color", "[4,{\"d\":1}]"},
	{"say hello now", "say world now", "[4,{\"d\":5},\"world\"]"},
	{"the quick fox", "a slow dog", "[{\"d\":13},\"a slow dog\"]"},
	{"ab cd ef gh", "ab Xcd ef ghY", "[3,\"X\",8,\"Y\"]"},
	{"a\nb\nc\n", "a\nc\n", "[2,{\"d\":2}]"},
	{"a\r\nb\r\n", "a\nb\n", "[1,{\"d\":1},2,{\"d\":1}]"},
	{"e\u0301", "e\u0302", "[1,{\"d\":1},\"\u0302\"]"},
	{"😀 ok", "😁 ok", "[{\"d\":1},\"😁\"]"},
	{"我们今天去", "我们明天去", "[2,{\"d\":1},\"明\"]"},
};

static void test_shape(void)
{
	bool pass = true;

	for (size_t i = 0; i < sizeof cases_shape / sizeof cases_shape[0]; i++) {
		struct op op;
		struct buf json;

		op_init(&op, TEXT_MAX);
		buf_init(&json, TEXT_MAX);
		pass = diff(cases_shape[i].old, strlen(cases_shape[i].old), cases_shape[i].new_,
		            strlen(cases_shape[i].new_), &op) == 0 &&
		       pass;
		op_write_json(&op, &json);
		if (!json.p || strcmp(json.p, cases_shape[i].op) != 0) {
			printf("# %s -> %s\n#   got  %s\n#   want %s\n", cases_shape[i].old,
			       cases_shape[i].new_, json.p ? json.p : "", cases_shape[i].op);
			pass = false;
		}
		op_release(&op);
		buf_release(&json);
	}
	ok(pass, "changes have the shape that a reader would give them");
}

/*
 * Folding an old log must give the state that it gave before, and the fold uses diff: over fixed
 * pairs, some of them beyond what can be found exactly, the operations are what they always were.
 */
static void test_fixed(void)
{
	uint64_t seed = 1;
	uint64_t digest = 0;
	struct buf a, b, json;
	struct op op;

	buf_init(&a, TEXT_MAX);
	buf_init(&b, TEXT_MAX);
	buf_init(&json, TEXT_MAX);
	op_init(&op, TEXT_MAX);
	for (int i = 0; i < 1000; i++) {
		if (i % 100 == 0) {
			buf_clear(&a);
			buf_clear(&b);
			prose(&seed, 4000 << i / 100, 1000, 1, &a);
			prose(&seed, 4000 << i / 100, 1000, i % 300 ? 500 : 1, &b);
		} else {
			make_pair(&seed, &a, &b);
		}
		buf_clear(&json);
		if (diff(a.p, a.len, b.p, b.len, &op) == 0)
			op_write_json(&op, &json);
		digest = hash64(digest, json.p, json.len);
	}
	if (!ok(digest == DIGEST, "the operations are what they always were"))
		printf("# digest 0x%016" PRIx64 "\n", digest);
	op_release(&op);
	buf_release(&a);
	buf_release(&b);
	buf_release(&json);
}

static size_t lcs(const uint32_t *a, size_t n, const uint32_t *b, size_t m)
{
	size_t best[2][32] = {0};

	for (size_t i = 1; i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			size_t up = best[(i - 1) % 2][j];
			size_t left = best[i % 2][j - 1];

			best[i % 2][j] = a[i - 1] == b[j - 1] ? best[(i - 1) % 2][j - 1] + 1
			                 : up > left          ? up
			                                      : left;
		}
	return best[n % 2][m];
}

/* Whether the items that are left correspond; how many they are in *kept. */
static bool corresponds(const struct seqdiff *sd, const uint32_t *a, size_t n, const uint32_t *b,
                        size_t m, size_t *kept)
{
	size_t i = 0;
	size_t j = 0;

	*kept = 0;
	for (;;) {
		while (i < n && sd->a_only[i])
			i++;
		while (j < m && sd->b_only[j])
			j++;
		if (i == n || j == m)
			return i == n && j == m;
		if (a[i++] != b[j++])
			return false;
		(*kept)++;
	}
}

static void test_seqdiff(uint64_t seed)
{
	size_t cases = gen_cases(50000);
	struct seqdiff sd = {0};
	bool pass = true;

	for (size_t i = 0; i < cases && pass; i++) {
		uint32_t a[30], b[30];
		size_t n = gen_below(&seed, 31);
		size_t m = gen_below(&seed, 31);
		size_t letters = 1 + gen_below(&seed, 8);
		size_t kept = 0;

		for (size_t k = 0; k < 30; k++) {
			a[k] = (uint32_t)gen_below(&seed, letters);
			b[k] = (uint32_t)gen_below(&seed, letters);
		}
		pass = seqdiff_run(&sd, a, n, b, m, 1000) == 0 &&
		       corresponds(&sd, a, n, b, m, &kept) && kept == lcs(a, n, b, m);
		pass = pass && seqdiff_run(&sd, a, n, b, m, 1) == 0 &&
		       corresponds(&sd, a, n, b, m, &kept);
	}
	ok(pass, "with enough effort, the longest common subsequence is found");
	seqdiff_release(&sd);
}

/* Sequences made to be costly: the steps stay within the bound, and what is kept corresponds. */
static void test_bound(uint64_t seed)
{
	enum { N = 50000 };
	uint32_t *a = calloc(N, sizeof *a);
	uint32_t *b = calloc(N, sizeof *b);
	struct seqdiff sd = {0};
	bool pass = a && b;

	for (uint32_t kind = 0; kind < 24 && pass; kind++) {
		uint32_t period = 1 + kind / 4;
		size_t effort = kind % 2 ? 1 : 20;
		size_t kept = 0;

		for (uint32_t i = 0; i < N; i++) {
			bool random = kind % 4 < 2;

			a[i] = random ? (uint32_t)gen_below(&seed, period * 2) : i % period;
			b[i] = random ? (uint32_t)gen_below(&seed, period * 2) : i % (period + 1);
		}
		for (int i = 0; i < 100; i++)
			a[gen_below(&seed, N)] = b[gen_below(&seed, N)] = 99;
		pass = seqdiff_run(&sd, a, N, b, N, effort) == 0 &&
		       corresponds(&sd, a, N, b, N, &kept) && sd.steps_left > -N;
	}
	ok(pass, "whatever the sequences, the steps stay within the bound");
	seqdiff_release(&sd);
	free(a);
	free(b);
}

static void test_landmarks(uint64_t seed)
{
	bool pass = true;
	size_t found = 0;

	for (size_t i = 0; i < 2000 && pass; i++) {
		uint32_t a[300], b[300];
		struct landmark *marks = NULL;
		size_t len = 0;
		size_t letters = 2 + gen_below(&seed, 50);
		size_t shift = gen_below(&seed, 100);

		for (size_t k = 0; k < 300; k++)
			a[k] = (uint32_t)gen_below(&seed, letters);
		for (size_t k = 0; k < 300; k++)
			b[k] = gen_below(&seed, 20) ? a[(k + shift) % 300]
			                            : (uint32_t)gen_below(&seed, letters);
		pass = landmarks_find(a, 300, b, 300, &marks, &len) == 0;
		for (size_t k = 0; k < len; k++) {
			pass = pass && a[marks[k].a_at] == b[marks[k].b_at];
			if (k)
				pass = pass && marks[k].a_at > marks[k - 1].a_at &&
				       marks[k].b_at > marks[k - 1].b_at;
		}
		found += len;
		free(marks);
	}
	ok(pass && found > 100000, "landmarks are the same in both and increase in both");
}

static bool words_agree(const struct buf *a, const struct words *w, const struct buf *b,
                        const struct words *x)
{
	for (size_t i = 0; i < w->len; i++)
		for (size_t j = 0; j < x->len; j++) {
			size_t n = w->starts[i + 1] - w->starts[i];
			bool equal = n == x->starts[j + 1] - x->starts[j] &&
			             memcmp(a->p + w->starts[i], b->p + x->starts[j], n) == 0;

			if (equal != (w->ids[i] == x->ids[j]))
				return false;
		}
	return true;
}

static bool words_cover(const struct buf *a, const struct words *w)
{
	size_t words = 0;

	for (size_t at = 0; at < a->len; at++)
		if (((unsigned char)a->p[at] & 0xc0) != 0x80 && words_break(a->p, a->len, at))
			if (words >= w->len || w->starts[words++] != at)
				return false;
	return words == w->len && w->starts[w->len] == a->len;
}

static void test_words(uint64_t seed)
{
	bool pass = true;
	struct buf a, b;

	buf_init(&a, TEXT_MAX);
	buf_init(&b, TEXT_MAX);
	for (size_t i = 0; i < 3000 && pass; i++) {
		struct words w = {0};
		struct words x = {0};

		make_pair(&seed, &a, &b);
		pass = words_cut(a.p, a.len, b.p, b.len, &w, &x) == 0 && words_cover(&a, &w) &&
		       words_cover(&b, &x) && words_agree(&a, &w, &b, &x) &&
		       words_agree(&a, &w, &a, &w);
		words_release(&w);
		words_release(&x);
	}
	ok(pass, "words cover the text, and equal words have equal ids");
	buf_release(&a);
	buf_release(&b);
}

/*
 * One large pair: the operation must lead to b, delete and insert at most `most` characters, and
 * take less CPU time than any machine needs that is not doing quadratic work (valgrind included).
 */
static void large(const char *name, const struct buf *a, const struct buf *b, size_t most)
{
	clock_t start = clock();
	clock_t end = 0;
	size_t n = 0;
	struct op op;
	bool pass = false;

	op_init(&op, TEXT_MAX);
	pass = diff(a->p, a->len, b->p, b->len, &op) == 0;
	end = clock();
	n = op_chars_deleted(&op) + op_chars_inserted(&op);
	pass = pass && leads_to(&op, a, b) && n <= most && json_bytes(&op) <= b->len + 16;
	ok(pass && (end - start) / CLOCKS_PER_SEC < 60, "1 MiB: %s", name);
	printf("# %.0f ms, %zu components, %zu characters\n",
	       (double)(end - start) * 1000 / CLOCKS_PER_SEC, op.len, n);
	op_release(&op);
}

/* The text with small edits everywhere, and `block` more bytes in the middle. */
static size_t edited(uint64_t *seed, const struct buf *a, size_t edits, size_t block,
                     struct buf *out)
{
	struct buf more;
	struct op op;
	size_t n = 0;

	buf_init(&more, TEXT_MAX);
	op_init(&op, TEXT_MAX);
	buf_clear(out);
	n = scatter(seed, utf8_chars(a->p, a->len), edits, &op);
	(void)op_apply(&op, a->p, a->len, out); /* if not, the outcome is not small */
	if (block) {
		prose(seed, block, 3000, 77777, &more);
		n += utf8_chars(more.p, more.len);
		op_clear(&op);
		op_retain(&op, utf8_chars(out->p, out->len) / 2);
		op_insert(&op, more.p, more.len);
		buf_clear(&more);
		(void)op_apply(&op, out->p, out->len, &more); /* as above */
		buf_clear(out);
		buf_put(out, more.p, more.len);
	}
	buf_release(&more);
	op_release(&op);
	return n;
}

static void fill(uint64_t *seed, const char *letters, size_t n, struct buf *out)
{
	buf_clear(out);
	while (out->len < MIB)
		buf_putc(out, letters[seed ? gen_below(seed, n) : out->len % n]);
}

static void test_large(uint64_t seed)
{
	static const char *const blobs[] = {"abcdefghijklmnopqrstuvwxyz", ".,", "ab", "a. \n,b-"};
	struct buf a, b;
	size_t n = 0;

	buf_init(&a, TEXT_MAX);
	buf_init(&b, TEXT_MAX);
	prose(&seed, MIB, 3000, 1, &a);
	n = edited(&seed, &a, 300, 0, &b);
	large("300 scattered edits", &a, &b, 2 * n);
	n = edited(&seed, &a, 3000, 0, &b);
	large("3,000 scattered edits", &a, &b, 2 * n);
	n = edited(&seed, &a, 300, MIB / 4, &b);
	large("300 scattered edits and a block", &a, &b, 2 * n);
	n = edited(&seed, &a, 20000, MIB / 4, &b);
	large("20,000 scattered edits and a block", &a, &b, 2 * n);
	buf_clear(&b);
	prose(&seed, MIB, 3000, 1, &b);
	large("unrelated, of the same words", &a, &b, SIZE_MAX);
	buf_clear(&b);
	prose(&seed, MIB, 3000, 99999, &b);
	large("unrelated, of other words", &a, &b, SIZE_MAX);
	for (size_t i = 0; i < sizeof blobs / sizeof blobs[0]; i++) {
		fill(&seed, blobs[i], strlen(blobs[i]), &a);
		n = edited(&seed, &a, 300, 0, &b);
		large("300 edits in random letters", &a, &b, 2 * n);
		fill(&seed, blobs[i], strlen(blobs[i]), &b);
		large("unrelated random letters", &a, &b, SIZE_MAX);
	}
	fill(NULL, "abcabd", 6, &a);
	fill(NULL, "abdabcab", 8, &b);
	large("letters that repeat", &a, &b, SIZE_MAX);
	fill(NULL, ".,", 2, &a);
	fill(NULL, ".", 1, &b);
	large("marks that repeat", &a, &b, SIZE_MAX);
	buf_release(&a);
	buf_release(&b);
}

int main(void)
{
	uint64_t seed = rnd_seed(20240115);

	test_pairs(seed);
	test_small(seed);
	test_shape();
	test_fixed();
	test_seqdiff(seed);
	test_bound(seed);
	test_landmarks(seed);
	test_words(seed);
	test_large(seed);
	return done();
}
