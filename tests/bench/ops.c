/*
 * What text operations cost: one JSON object on stdout.
 *
 * Each operation on a text of 1 MiB, ASCII and not; operations of 10,000 small edits; differences,
 * contrived ones too; and 10,000 concurrent small edits of one section of 1 MiB, all made from the
 * same base, each decided about and folded as the daemon does it.  Times are nanoseconds.
 * The process fails when an outcome is wrong, never because it is slow.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"
#include "core/decide.h"
#include "core/diff.h"
#include "gen.h"

enum { TEXT_BYTES = 1 << 20, EDITS = 10000, OPS_MAX = 1 << 26, REPEATS = 20 };

static int64_t now_ns(void)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* every Linux has it */
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	(void)fprintf(stderr, "ops: %s\n", what);
	exit(1);
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* ---- texts and operations ---------------------------------------------------------------------
 */

/* Words of `letters`, in lines, 1 MiB or a code point less. */
static void make_text(uint64_t *seed, const char *const *letters, size_t n, struct buf *out)
{
	buf_clear(out);
	while (out->len + 4 <= TEXT_BYTES) {
		size_t dice = gen_below(seed, 70);

		buf_puts(out, dice == 0 ? "\n" : dice < 12 ? " " : letters[gen_below(seed, n)]);
	}
}

static void ascii_text(uint64_t *seed, struct buf *out)
{
	static const char *const letters[] = {"a", "e", "i", "n", "r", "s", "t", "u", "m", "b"};

	make_text(seed, letters, sizeof letters / sizeof letters[0], out);
}

static void world_text(uint64_t *seed, struct buf *out)
{
	static const char *const letters[] = {"a", "é", "ß", "日", "本", "😀", "\u0301", "n", "ж"};

	make_text(seed, letters, sizeof letters / sizeof letters[0], out);
}

/* One small edit somewhere in a text of so many code points. */
static void small_edit(uint64_t *seed, size_t chars, struct op *op)
{
	op_clear(op);
	op_retain(op, gen_below(seed, chars - 8));
	if (gen_below(seed, 4) == 0)
		op_delete(op, 1 + gen_below(seed, 4));
	else
		op_insert(op, "é ok", 5);
	must(op_finish(op) == 0, "an edit cannot be made");
}

/* EDITS small edits as one operation. */
static void many_edits(uint64_t *seed, size_t chars, struct op *op)
{
	size_t gap = chars / EDITS - 4;

	op_clear(op);
	for (size_t i = 0; i < EDITS; i++) {
		op_retain(op, 1 + gen_below(seed, gap));
		if (gen_below(seed, 4) == 0)
			op_delete(op, 1 + gen_below(seed, 3));
		else
			op_insert(op, "é ok", 5);
	}
	must(op_finish(op) == 0, "an operation cannot be made");
}

/* ---- one operation at a time ------------------------------------------------------------------
 */

struct bench {
	struct buf text, after, other_text;
	struct op small, a, b, out;
	size_t chars;
	int diffs; /* printed */
	uint64_t seed;
};

static int do_apply_small(struct bench *b)
{
	buf_clear(&b->after);
	return op_apply(&b->small, b->text.p, b->text.len, &b->after);
}

static int do_apply_many(struct bench *b)
{
	buf_clear(&b->after);
	return op_apply(&b->a, b->text.p, b->text.len, &b->after);
}

static int do_invert_many(struct bench *b)
{
	return op_invert(&b->a, b->text.p, b->text.len, &b->out);
}

static int do_transform_many(struct bench *b)
{
	return op_transform(&b->a, &b->b, OP_LEFT, &b->out);
}

/* Any operation fits behind b's: they only read from the text's front part. */
static int do_compose_many(struct bench *b)
{
	return op_compose(&b->a, &b->b, &b->out);
}

static int do_transform_small(struct bench *b)
{
	return op_transform(&b->small, &b->small, OP_LEFT, &b->out);
}

static int do_diff(struct bench *b)
{
	return diff(b->text.p, b->text.len, b->other_text.p, b->other_text.len, &b->out);
}

/* The median of some runs. */
static int64_t measure(struct bench *b, int (*run)(struct bench *b), int repeats)
{
	int64_t took[REPEATS];

	for (int i = 0; i < repeats; i++) {
		int64_t start = now_ns();

		must(run(b) == 0, "an operation fails");
		took[i] = now_ns() - start;
	}
	qsort(took, (size_t)repeats, sizeof took[0], by_size);
	return took[repeats / 2];
}

static void bench_init(struct bench *b)
{
	*b = (struct bench){.seed = 1};
	buf_init(&b->text, 4 * TEXT_BYTES);
	buf_init(&b->after, 4 * TEXT_BYTES);
	buf_init(&b->other_text, 4 * TEXT_BYTES);
	op_init(&b->small, OPS_MAX);
	op_init(&b->a, OPS_MAX);
	op_init(&b->b, OPS_MAX);
	op_init(&b->out, OPS_MAX);
}

static void bench_release(struct bench *b)
{
	buf_release(&b->text);
	buf_release(&b->after);
	buf_release(&b->other_text);
	op_release(&b->small);
	op_release(&b->a);
	op_release(&b->b);
	op_release(&b->out);
}

static void bench_ops(struct bench *b, const char *name)
{
	b->chars = utf8_chars(b->text.p, b->text.len);
	small_edit(&b->seed, b->chars, &b->small);
	many_edits(&b->seed, b->chars, &b->a);
	many_edits(&b->seed, b->chars, &b->b);
	printf("\"%s\":{\"apply_small\":%" PRId64, name, measure(b, do_apply_small, REPEATS));
	printf(",\"apply_10000\":%" PRId64, measure(b, do_apply_many, REPEATS));
	printf(",\"invert_10000\":%" PRId64, measure(b, do_invert_many, REPEATS));
	printf(",\"transform_small\":%" PRId64, measure(b, do_transform_small, REPEATS));
	printf(",\"transform_10000_over_10000\":%" PRId64, measure(b, do_transform_many, REPEATS));
	printf(",\"compose_10000_with_10000\":%" PRId64 "}", measure(b, do_compose_many, REPEATS));
}

/* ---- differences ------------------------------------------------------------------------------
 */

static void time_diff(struct bench *b, const char *name)
{
	int64_t ns = measure(b, do_diff, 3);

	buf_clear(&b->after);
	must(op_apply(&b->out, b->text.p, b->text.len, &b->after) == 0 &&
	             b->after.len == b->other_text.len &&
	             memcmp(b->after.p, b->other_text.p, b->after.len) == 0,
	     "a difference does not lead to the other text");
	printf("%s\"%s\":%" PRId64, b->diffs++ ? "," : "", name, ns);
}

static void edited_text(struct bench *b, const struct op *op)
{
	buf_clear(&b->other_text);
	must(op_apply(op, b->text.p, b->text.len, &b->other_text) == 0, "an edit does not fit");
}

/* Two texts of one period each, prime to the other: every place looks like every other. */
static void periodic(struct buf *out, const char *unit, size_t n)
{
	buf_clear(out);
	for (size_t i = 0; out->len < TEXT_BYTES; i++)
		buf_putc(out, unit[i % n]);
}

static void bench_diffs(struct bench *b)
{
	world_text(&b->seed, &b->text);
	edited_text(b, &b->small);
	time_diff(b, "small");
	edited_text(b, &b->a);
	time_diff(b, "edits_10000");
	world_text(&b->seed, &b->other_text);
	time_diff(b, "unrelated");
	periodic(&b->text, "abcabdab", 8);
	periodic(&b->other_text, "ababdca", 7);
	time_diff(b, "periodic_letters");
	periodic(&b->text, "a b c ab d ", 11);
	periodic(&b->other_text, "b a c d ab a ", 13);
	time_diff(b, "periodic_words");
	periodic(&b->text, "a", 1);
	periodic(&b->other_text, " ", 1);
	time_diff(b, "letters_to_blanks");
}

/* ---- ten thousand at once ---------------------------------------------------------------------
 */

struct crowd {
	struct session s;
	struct limits limits;
	int64_t took[EDITS];
	size_t len;
};

static void apply_all(struct crowd *c, struct decision *d)
{
	for (size_t i = 0; i < d->len; i++) {
		struct err e = {0};

		d->events[i].event_id = "00000000-0000-4000-8000-000000000000";
		must(session_apply(&c->s, &d->events[i], &e) == 0, "an event does not fold");
	}
}

static void crowd_start(struct crowd *c, const struct buf *text)
{
	struct command section;
	struct start start = {.session_id = "5e551000-0000-4000-8000-000000000001",
	                      .report_id = "report-1",
	                      .sections = &section,
	                      .sections_len = 1};
	struct actor owner = {.user_id = "ann", .name = "ann"};
	struct decide_env env = {.limits = &c->limits};
	struct decision d = {0};
	struct err e = {0};

	limits_default(&c->limits);
	c->limits.section_bytes = 4 * TEXT_BYTES; /* all of them only insert on the whole */
	session_init(&c->s, (size_t)c->limits.refs, (size_t)c->limits.base_changes);
	settings_default(&start.settings);
	start.settings.strategy = STRATEGY_MERGE;
	command_init(&section, COMMAND_SECTION_UPDATE);
	section.section_id = "s";
	section.changes.content = text->p;
	section.changes.content_len = text->len;
	must(decide_start(&start, NULL, &owner, &env, &d, &e) == 0, "a session does not start");
	apply_all(c, &d);
	decision_release(&d);
}

static void crowd_edit(struct crowd *c, const struct op *op, int64_t base_seq)
{
	struct actor author = {.user_id = "ann", .name = "ann"};
	struct decide_env env = {.limits = &c->limits,
	                         .new_id = "00000000-0000-4000-8000-000000000001"};
	struct decision d = {0};
	struct err e = {0};
	struct command command;
	int64_t start = now_ns();

	command_init(&command, COMMAND_SECTION_UPDATE);
	command.section_id = "s";
	command.base_seq = base_seq;
	command.changes.delta = op;
	must(decide(&c->s, &command, &author, &env, &d, &e) == 0, e.text);
	apply_all(c, &d);
	c->took[c->len++] = now_ns() - start;
	decision_release(&d);
}

static void bench_crowd(struct bench *b, const char *name)
{
	struct crowd *c = calloc(1, sizeof *c);
	size_t chars = utf8_chars(b->text.p, b->text.len);
	int64_t base_seq = 0;
	int64_t start = 0;
	double seconds = 0;

	must(c != NULL, "out of memory");
	crowd_start(c, &b->text);
	base_seq = c->s.seq;
	start = now_ns();
	for (int i = 0; i < EDITS; i++) {
		small_edit(&b->seed, chars, &b->small);
		crowd_edit(c, &b->small, base_seq);
	}
	seconds = (double)(now_ns() - start) / 1e9;
	qsort(c->took, c->len, sizeof c->took[0], by_size);
	printf("\"%s\":{\"edits\":%zu,\"seconds\":%.3f,\"p50\":%" PRId64 ",\"p99\":%" PRId64
	       ",\"max\":%" PRId64 "}",
	       name, c->len, seconds, c->took[c->len / 2], c->took[c->len * 99 / 100],
	       c->took[c->len - 1]);
	session_release(&c->s);
	free(c);
}

int main(void)
{
	struct bench b;

	bench_init(&b);
	printf("{\"bench\":\"ops\",\"unit\":\"ns\",\"text_bytes\":%d,", (int)TEXT_BYTES);
	ascii_text(&b.seed, &b.text);
	bench_ops(&b, "ascii");
	printf(",\"concurrent\":{");
	bench_crowd(&b, "ascii");
	world_text(&b.seed, &b.text);
	printf(",");
	bench_crowd(&b, "unicode");
	printf("},");
	bench_ops(&b, "unicode");
	printf(",\"diff\":{");
	bench_diffs(&b);
	printf("}}\n");
	bench_release(&b);
	return 0;
}
