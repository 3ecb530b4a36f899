/* Anchors of comments under random operations. */
#include "session_test.h"

#include "../gen.h"
#include "proto/state_json.h"

/* Anchors that are not orphaned are where op_map_position puts them; all text gone, and only then,
 * orphans; what undoes the operation brings every orphan back to where it was. */
static bool law_of_one(uint64_t *state)
{
	enum { ANCHORS = 6 };
	struct session s;
	struct buf text;
	struct op op, undo;
	size_t chars = 0;
	struct comment was[ANCHORS];
	bool same = true;

	buf_init(&text, TEXT_MAX);
	op_init(&op, TEXT_MAX);
	op_init(&undo, TEXT_MAX);
	gen_text(state, 12, &text);
	drop_nul(&text);
	chars = utf8_chars(text.p, text.len);
	begin(&s, 16, 0);
	same = fold_content(&s, "a", text.p) == 0;
	for (int i = 0; i < ANCHORS; i++) {
		size_t from = gen_below(state, chars + 1);
		char id[2] = {(char)('a' + i), '\0'};

		same = same &&
		       fold_comment(&s, id, NULL, "a", (int64_t)from,
		                    (int64_t)(from + gen_below(state, chars - from + 1))) == 0;
		was[i] = *session_comment(&s, id);
	}
	gen_op(state, chars, &op);
	same = same && op_invert(&op, text.p, text.len, &undo) == 0 &&
	       fold_delta(&s, "a", &op) == 0;
	for (int i = 0; i < ANCHORS && same; i++) {
		const struct comment *c = session_comment(&s, was[i].comment_id);
		size_t from = (size_t)was[i].anchor.from, to = (size_t)was[i].anchor.to;
		bool gone = from < to && op_deletes_range(&op, from, to);

		/* By chance the text may have been inserted again where it is expected. */
		same = gone ||
		       (!c->orphaned &&
		        c->anchor.from == (int64_t)op_map_position(&op, from, true) &&
		        (from == to || c->anchor.to == (int64_t)op_map_position(&op, to, false)));
		was[i].orphaned = c->orphaned;
	}
	same = same && fold_delta(&s, "a", &undo) == 0;
	for (int i = 0; i < ANCHORS && same; i++) {
		const struct comment *c = session_comment(&s, was[i].comment_id);

		same = !was[i].orphaned || (!c->orphaned && c->anchor.from == was[i].anchor.from &&
		                            c->anchor.to == was[i].anchor.to);
	}
	session_release(&s);
	op_release(&op);
	op_release(&undo);
	buf_release(&text);
	return same;
}

/* Insert n characters that were never there before. */
static void insert_fresh(struct op *op, size_t n, uint32_t *next)
{
	char text[4];

	while (n-- > 0)
		op_insert(op, text, utf8_encode((*next)++, text));
}

static void random_fresh_op(uint64_t *state, size_t chars, uint32_t *next, struct op *op)
{
	op_clear(op);
	while (chars > 0 || gen_below(state, 2)) {
		size_t n = gen_below(state, (chars < 5 ? chars : 5) + 1);

		switch (gen_below(state, 3)) {
		case 0:
			insert_fresh(op, 1 + gen_below(state, 3), next);
			continue;
		case 1:
			op_delete(op, n);
			break;
		default:
			op_retain(op, n);
			break;
		}
		chars -= n;
	}
	(void)op_finish(op); /* out of memory would show as a wrong text */
}

/* In a text of characters that all differ, every character is commented; whatever is done and then
 * undone step by step, all comments are back in the end. */
static bool law_of_undo(uint64_t *state)
{
	enum { CHARS = 12, STEPS = 6 };
	struct session s;
	struct op op, undo[STEPS];
	uint32_t next = 0x4e00;
	int steps = 1 + (int)gen_below(state, STEPS);
	bool same = true;

	op_init(&op, TEXT_MAX);
	insert_fresh(&op, CHARS, &next);
	begin(&s, 16, 0);
	same = fold_delta(&s, "a", &op) == 0;
	for (int i = 0; i < CHARS && same; i++) {
		char id[2] = {(char)('a' + i), '\0'};

		same = fold_comment(&s, id, NULL, "a", i, i + 1) == 0;
	}
	for (int i = 0; i < steps; i++) {
		const struct section *sec = session_section(&s, "a");

		op_init(&undo[i], TEXT_MAX);
		random_fresh_op(state, sec->content_chars, &next, &op);
		same = same && op_invert(&op, sec->content, sec->content_len, &undo[i]) == 0 &&
		       fold_delta(&s, "a", &op) == 0;
	}
	for (int i = steps; i-- > 0;) {
		same = same && fold_delta(&s, "a", &undo[i]) == 0;
		op_release(&undo[i]);
	}
	for (int i = 0; i < CHARS && same; i++) {
		char id[2] = {(char)('a' + i), '\0'};
		const struct comment *c = session_comment(&s, id);

		same = !c->orphaned && c->anchor.from == i && c->anchor.to == i + 1 &&
		       c->lost_before == 0 && c->lost_digest[0] == '\0';
	}
	session_release(&s);
	op_release(&op);
	return same;
}

/* One random event on two sections and their comments, to both states. */
static bool random_event(uint64_t *state, struct session *a, struct session *b, int i)
{
	const char *section_id = gen_below(state, 2) ? "one" : "two";
	const struct section *sec = session_section(a, section_id);
	size_t chars = sec ? sec->content_chars : 0;
	struct event ev = section_event(a, EVENT_SECTION_UPDATE, section_id);
	struct op op;
	char id[UUID_LEN + 1];
	bool same = true;

	(void)snprintf(id, sizeof id, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd38%04x", (unsigned)i);
	op_init(&op, TEXT_MAX);
	switch (sec ? gen_below(state, 6) : 0) {
	case 0:
		ev.changes.content = gen_below(state, 2) ? "a word here" : "there is a word";
		ev.changes.content_len = strlen(ev.changes.content);
		break;
	case 1:
		ev.kind = gen_below(state, 3) ? EVENT_SECTION_UPDATE : EVENT_SECTION_DELETED;
		break;
	case 2:
		ev.kind = EVENT_COMMENT_ADDED;
		ev.comment_id = id;
		ev.text = "x";
		ev.text_len = 1;
		ev.anchor.from = (int64_t)gen_below(state, chars + 1);
		ev.anchor.to = ev.anchor.from +
		               (int64_t)gen_below(state, chars - (size_t)ev.anchor.from + 1);
		break;
	default:
		gen_op(state, chars, &op);
		drop_nul(&op.text);
		ev.changes.delta = &op;
		break;
	}
	same = fold(a, &ev) == 0 && fold(b, &ev) == 0;
	op_release(&op);
	return same;
}

/* A state that was written and read back goes on as the one it came from. */
static bool law_of_snapshots(uint64_t *state)
{
	struct session a, b;
	struct buf x, y;
	struct err e = {0};
	bool same = true;

	buf_init(&x, TEXT_MAX);
	buf_init(&y, TEXT_MAX);
	begin(&a, 16, 0);
	begin(&b, 16, 0);
	for (int i = 0; i < 60 && same; i++) {
		same = random_event(state, &a, &b, i);
		if (!same || gen_below(state, 8))
			continue;
		buf_clear(&x);
		state_write(&a, &x);
		session_release(&b);
		session_init(&b, 16, 0);
		same = state_read(x.p, x.len, &b, &e) == 0 && b.bytes == a.bytes &&
		       b.anchors_adrift == a.anchors_adrift;
	}
	buf_clear(&x);
	state_write(&a, &x);
	state_write(&b, &y);
	same = same && x.len == y.len && memcmp(x.p, y.p, x.len) == 0;
	if (e.code)
		printf("# %s\n", e.text);
	session_release(&a);
	session_release(&b);
	buf_release(&x);
	buf_release(&y);
	return same;
}

static void test_law(uint64_t *state, bool (*law)(uint64_t *state), size_t cases, const char *name)
{
	bool holds = true;

	for (size_t i = 0; i < cases && holds; i++) {
		holds = law(state);
		if (!holds)
			printf("# case %zu\n", i);
	}
	ok(holds, "%s", name);
}

int main(void)
{
	uint64_t state = rnd_seed(5);

	test_law(&state, law_of_one, gen_cases(3000),
	         "law: anchors map as positions do, and come back when all is undone");
	test_law(&state, law_of_undo, gen_cases(3000),
	         "law: what is undone step by step brings every comment back");
	test_law(&state, law_of_snapshots, gen_cases(3000) / 10,
	         "law: a state read back goes on as the one it came from");
	return done();
}
