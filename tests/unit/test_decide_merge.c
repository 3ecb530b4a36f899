/*
 * Editors of one section converge: each sends operations or whole texts made from what it has seen,
 * one at a time, and takes the others' events when it likes.  The clients here know nothing but
 * op.h: an arriving operation is transformed over the pending one with RIGHT, the pending one over
 * the arriving one with LEFT.  What the server stores must be what the client's own operation has
 * become by then.  SEED=n repeats a run, LONG=1 makes it long.
 */
#include "../gen.h"
#include "core/diff.h"
#include "decide_test.h"

enum { PEERS_MAX = 5, SEQ_MAX = 600, TEXT_BYTES_MAX = 1 << 20 };

struct peer {
	struct buf view;   /* the text it shows */
	int64_t seen;      /* the last event it took */
	int64_t own;       /* its last change */
	bool flying;       /* something is on its way … */
	struct op pending; /* … which this is by now */
	int64_t ack;       /* its ack comes with this event … */
	bool stored;       /* … which is the change itself; false: it came to nothing */
};

struct run {
	uint64_t rnd;
	struct world w;
	struct op ops[SEQ_MAX + 1]; /* what each event did to the text */
	struct peer peers[PEERS_MAX];
	size_t peers_len;
	size_t stale, nothing, texts;
	bool failed;
};

static void must(struct run *r, bool holds, const char *what)
{
	if (!holds && !r->failed)
		printf("# %s, at seq %" PRId64 ": %s\n", what, r->w.s.seq, r->w.got);
	r->failed |= !holds;
}

static void apply_to(struct run *r, struct buf *text, const struct op *op)
{
	struct buf out;

	buf_init(&out, TEXT_BYTES_MAX);
	must(r, op_apply(op, text->p, text->len, &out) == 0, "an operation that does not fit");
	buf_release(text);
	*text = out;
}

/* ---- clients ------------------------------------------------------------------------------- */

/* Take the next event. */
static void receive(struct run *r, struct peer *p)
{
	const struct op *op = &r->ops[p->seen + 1];
	struct op arriving, pending;

	p->seen++;
	if (p->flying && p->stored && p->seen == p->ack) {
		must(r, op_equal(op, &p->pending), "the server stored something else");
		p->flying = false;
		p->own = p->seen;
		return;
	}
	if (!p->flying) {
		apply_to(r, &p->view, op);
		return;
	}
	op_init(&arriving, TEXT_BYTES_MAX);
	op_init(&pending, TEXT_BYTES_MAX);
	if (op_transform(op, &p->pending, OP_RIGHT, &arriving) ||
	    op_transform(&p->pending, op, OP_LEFT, &pending))
		abort();
	apply_to(r, &p->view, &arriving);
	op_release(&arriving);
	op_release(&p->pending);
	p->pending = pending;
}

/* The ack of what came to nothing carries no event: it comes after those it was decided after. */
static void take_ack(struct run *r, struct peer *p)
{
	if (!p->flying || p->stored || p->seen != p->ack)
		return;
	must(r, op_is_noop(&p->pending), "the server stored nothing");
	p->flying = false;
}

/* ---- the server ---------------------------------------------------------------------------- */

/* Remember what the event that was just folded did to a text of so many code points. */
static void note(struct run *r, const struct decision *d, size_t chars)
{
	struct op *op = &r->ops[r->w.s.seq];
	const struct changes *ch = &d->events[d->answer].changes;

	op_init(op, TEXT_BYTES_MAX);
	if (ch->delta && op_copy(ch->delta, op))
		abort();
	if (ch->content)
		op_replace_all(op, chars, ch->content, ch->content_len);
	(void)op_finish(
		op); /* building it cannot fail short of memory, which shows as a wrong text */
}

static void send_change(struct run *r, struct peer *p, struct command *c)
{
	const struct section *sec = session_section(&r->w.s, "s");
	struct actor actor = {.user_id = "ed", .name = "ed", .own_seq_of_section = p->own};
	struct decide_env env = {.now_ms = TIME, .limits = &r->w.limits};
	size_t chars = sec->content_chars;
	struct decision d = {0};
	struct err e = {0};
	int rc = 0;

	c->section_id = "s";
	c->base_seq = p->seen;
	r->stale += p->seen < sec->version;
	rc = decide(&r->w.s, c, &actor, &env, &d, &e);
	world_outcome(&r->w, &d, rc, &e);
	must(r, rc == 0, "refused");
	must(r, rc || world_take(&r->w, &d), "it does not fold");
	if (!rc && d.len)
		note(r, &d, chars);
	p->flying = true;
	p->stored = d.len > 0;
	p->ack = r->w.s.seq;
	r->nothing += d.unchanged;
	decision_release(&d);
}

/* A peer changes its text, and sends the operation or the text. */
static void edit(struct run *r, struct peer *p, bool whole)
{
	struct command c;
	struct op op;
	struct buf text;

	command_init(&c, COMMAND_SECTION_UPDATE);
	op_init(&op, TEXT_BYTES_MAX);
	op_init(&p->pending, TEXT_BYTES_MAX);
	buf_init(&text, TEXT_BYTES_MAX);
	gen_op(&r->rnd, utf8_chars(p->view.p, p->view.len), &op);
	for (size_t i = 0; i < op.text.len; i++)
		if (op.text.p[i] == '\0')
			op.text.p[i] = '0'; /* no message has it */
	if (op_apply(&op, p->view.p, p->view.len, &text))
		abort();
	buf_puts(&text, "");
	if (whole) {
		if (diff(p->view.p, p->view.len, text.p, text.len, &p->pending))
			abort();
		c.changes.content = text.p;
		c.changes.content_len = text.len;
		r->texts++;
	} else {
		if (op_copy(&op, &p->pending))
			abort();
		c.changes.delta = &op;
	}
	send_change(r, p, &c);
	buf_release(&p->view);
	p->view = text;
	op_release(&op);
}

/* ---- runs ---------------------------------------------------------------------------------- */

static void begin(struct run *r, uint64_t seed, enum strategy strategy)
{
	struct section *sec = NULL;

	r->rnd = seed;
	world_init(&r->w);
	world_start(&r->w, strategy, "The quick brown fox \u00fcber \U0001f600 jumps");
	sec = session_section(&r->w.s, "s");
	r->peers_len = 2 + gen_below(&r->rnd, PEERS_MAX - 1);
	for (size_t i = 0; i < r->peers_len; i++) {
		struct peer *p = &r->peers[i];

		p->seen = r->w.s.seq;
		op_init(&p->pending, TEXT_BYTES_MAX);
		buf_init(&p->view, TEXT_BYTES_MAX);
		buf_put(&p->view, sec->content, sec->content_len);
	}
}

static void finish(struct run *r)
{
	const struct section *sec = session_section(&r->w.s, "s");

	for (size_t i = 0; i < r->peers_len; i++) {
		struct peer *p = &r->peers[i];

		while (p->seen < r->w.s.seq && !r->failed) {
			take_ack(r, p);
			receive(r, p);
		}
		take_ack(r, p);
		must(r, !p->flying, "an ack that never came");
		must(r,
		     p->view.len == sec->content_len &&
		             memcmp(p->view.p, sec->content, sec->content_len) == 0,
		     "a replica that differs");
		op_release(&p->pending);
		buf_release(&p->view);
	}
	must(r, world_folds(&r->w), "the log folds to another state");
	for (size_t i = 0; i <= SEQ_MAX; i++)
		op_release(&r->ops[i]);
	world_release(&r->w);
}

static void test_run(uint64_t seed, enum strategy strategy, struct run *sum)
{
	struct run *r = xalloc(calloc(1, sizeof *r));

	begin(r, seed, strategy);
	for (size_t i = 0; i < 400 && !r->failed; i++) {
		struct peer *p = &r->peers[gen_below(&r->rnd, r->peers_len)];

		take_ack(r, p);
		if (!p->flying && gen_below(&r->rnd, 2)) {
			op_release(&p->pending);
			edit(r, p, strategy == STRATEGY_MERGE && gen_below(&r->rnd, 3) == 0);
		} else if (p->seen < r->w.s.seq) {
			receive(r, p);
		}
	}
	finish(r);
	if (r->failed)
		ok(false, "%s, seed %" PRIu64, strategy_name(strategy), seed);
	sum->stale += r->stale;
	sum->nothing += r->nothing;
	sum->texts += r->texts;
	sum->failed |= r->failed;
	free(r);
}

int main(void)
{
	static const enum strategy strategies[] = {STRATEGY_MERGE, STRATEGY_LAST_WRITE_WINS};
	uint64_t seed = rnd_seed(7);
	size_t runs = gen_cases(60) > 60 ? 6000 : 60;

	for (size_t k = 0; k < 2; k++) {
		struct run sum = {0};

		for (size_t i = 0; i < runs && !sum.failed; i++)
			test_run(seed + i, strategies[k], &sum);
		printf("# %zu stale changes, %zu whole texts, %zu came to nothing\n", sum.stale,
		       sum.texts, sum.nothing);
		ok(!sum.failed, "under %s all replicas converge", strategy_name(strategies[k]));
		ok(sum.stale > runs * 50 && sum.nothing > 0, "many of them were stale");
	}
	return done();
}
