/*
 * The history of sections, against a record of everything that was done: random changes of every
 * kind on two sections, which are deleted and created again too.
 */
#include "session_test.h"

#include "../gen.h"
#include "proto/state_json.h"

enum { SECTIONS = 2, EVENTS = 40, SEQS = EVENTS + 3 };

static const char *const ids[SECTIONS] = {"one", "two"};

/* What happened at a seq, as an event and as an operation on the text that it found. */
struct record {
	int section;
	enum event_kind kind;
	bool keys, value;
	struct buf content; /* when has_content */
	bool has_content;
	struct op op;               /* what it amounts to */
	bool is_edit;               /* the event carries op itself */
	struct buf texts[SECTIONS]; /* after it */
};

static struct record log_[SEQS];
static int64_t log_end;

static void log_clear(void)
{
	for (int i = 0; i < SEQS; i++) {
		op_release(&log_[i].op);
		buf_release(&log_[i].content);
		for (int k = 0; k < SECTIONS; k++)
			buf_release(&log_[i].texts[k]);
		log_[i] = (struct record){0};
	}
	log_end = 0;
}

static int fold_record(struct session *s, const struct record *r)
{
	struct event ev = section_event(s, r->kind, ids[r->section]);
	json_t *keys = r->keys ? json_pack("{s:i}", "k", (int)s->seq) : NULL;
	json_t *value = r->value ? json_pack("[i]", 1) : NULL;
	int rc = 0;

	ev.changes.keys = keys;
	ev.changes.content_json = value;
	ev.changes.delta = r->is_edit ? &r->op : NULL;
	if (r->has_content) {
		ev.changes.content = r->content.p;
		ev.changes.content_len = r->content.len;
	}
	rc = fold(s, &ev);
	json_decref(keys);
	json_decref(value);
	return rc;
}

/* Fold the records up to seq `end` into s, which is at some seq before. */
static bool fold_log(struct session *s, int64_t end)
{
	while (s->seq < end)
		if (fold_record(s, &log_[s->seq + 1]))
			return false;
	return true;
}

/* Make up what happens next; `exists`: whether the section does. */
static void random_record(uint64_t *state, struct record *r, int section, const struct buf *text,
                          bool exists)
{
	size_t chars = utf8_chars(text->p, text->len);

	*r = (struct record){.section = section, .kind = EVENT_SECTION_UPDATE};
	op_init(&r->op, TEXT_MAX);
	buf_init(&r->content, TEXT_MAX);
	switch (gen_below(state, 10)) {
	case 0:
		r->has_content = true;
		gen_text(state, 8, &r->content);
		drop_nul(&r->content);
		op_replace_all(&r->op, chars, r->content.p, r->content.len);
		break;
	case 1:
		r->keys = true;
		break;
	case 2:
		r->value = true;
		op_delete(&r->op, chars);
		break;
	case 3:
		if (exists)
			r->kind = EVENT_SECTION_DELETED;
		op_delete(&r->op, exists ? chars : 0);
		break;
	default:
		r->is_edit = true;
		r->keys = gen_below(state, 4) == 0;
		gen_op(state, chars, &r->op);
		drop_nul(&r->op.text);
		break;
	}
}

/* A log of random changes. */
static bool random_log(uint64_t *state)
{
	bool exists[SECTIONS] = {false};
	bool fine = true;

	log_clear();
	for (int64_t seq = 3; seq < SEQS; seq++) {
		struct record *r = &log_[seq];
		const struct record *before = &log_[seq - 1];
		int section = (int)gen_below(state, SECTIONS);

		random_record(state, r, section, &before->texts[section], exists[section]);
		exists[section] = r->kind != EVENT_SECTION_DELETED;
		for (int k = 0; k < SECTIONS; k++) {
			buf_init(&r->texts[k], TEXT_MAX);
			if (k != section)
				buf_put(&r->texts[k], before->texts[k].p, before->texts[k].len);
			else
				fine = fine && op_apply(&r->op, before->texts[k].p,
				                        before->texts[k].len, &r->texts[k]) == 0;
		}
	}
	log_end = SEQS - 1;
	return fine;
}

/* The operation as it is after each of the section's changes since base, one by one. */
static bool transform_naive(const struct op *op, int section, int64_t base, int64_t end,
                            struct op *out)
{
	struct op next;
	bool fine = op_copy(op, out) == 0;

	op_init(&next, TEXT_MAX);
	for (int64_t seq = base + 1; seq <= end && fine; seq++) {
		if (log_[seq].section != section)
			continue;
		fine = op_transform(out, &log_[seq].op, OP_LEFT, &next) == 0 &&
		       op_copy(&next, out) == 0;
	}
	op_release(&next);
	return fine;
}

/* What the history says about one base is what was. */
static bool check_base(uint64_t *state, const struct section *sec, int section, int64_t base,
                       int64_t end)
{
	const struct buf *was = &log_[base].texts[section];
	const struct buf *now = &log_[end].texts[section];
	size_t chars = utf8_chars(was->p, was->len);
	struct buf text;
	struct op op, moved, want;
	struct err e = {0};
	bool same = section_chars_at(sec, base) == chars;

	buf_init(&text, TEXT_MAX);
	op_init(&op, TEXT_MAX);
	op_init(&moved, TEXT_MAX);
	op_init(&want, TEXT_MAX);
	same = same && section_text_at(sec, base, &text) == 0 && text.len == was->len &&
	       (text.len == 0 || memcmp(text.p, was->p, text.len) == 0);
	gen_op(state, chars, &op);
	same = same && section_transform(sec, &op, base, &moved, &e) == 0 &&
	       transform_naive(&op, section, base, end, &want) && op_equal(&moved, &want) &&
	       op_check(&moved, utf8_chars(now->p, now->len), NULL) == 0;
	op_clear(&op);
	op_retain(&op, chars + 1);
	op_insert(&op, "x", 1);
	same = same && section_transform(sec, &op, base, &moved, &e) == ERR_BAD_DELTA;
	op_release(&op);
	op_release(&moved);
	op_release(&want);
	buf_release(&text);
	return same;
}

/* Every base that the history covers is right; *covered counts them. */
static bool check_bases(uint64_t *state, const struct session *s, int *covered)
{
	bool same = true;

	for (int k = 0; k < SECTIONS && same; k++) {
		const struct section *sec = session_section(s, ids[k]);

		for (int64_t base = 2; sec && base <= s->seq && same; base++) {
			if (!section_history_covers(sec, base))
				continue;
			++*covered;
			same = check_base(state, sec, k, base, s->seq);
		}
	}
	return same;
}

/* With room enough the history covers all, through deletions too. */
static bool law_of_all(uint64_t *state)
{
	struct session s;
	int covered = 0;
	int want = 0;
	bool same = random_log(state);

	begin(&s, 16, EVENTS + 1);
	same = same && fold_log(&s, log_end) && check_bases(state, &s, &covered);
	for (int k = 0; k < SECTIONS; k++)
		want += session_section(&s, ids[k]) ? (int)log_end - 1 : 0;
	session_release(&s);
	return same && covered == want;
}

/* A bounded history covers less, and is right about that. */
static bool law_of_bounds(uint64_t *state)
{
	struct session s;
	int covered = 0;
	bool same = random_log(state);

	begin(&s, 16, 1 + gen_below(state, 5));
	if (gen_below(state, 2))
		s.history_bytes_max = 100 + gen_below(state, 4000);
	same = same && fold_log(&s, log_end) && check_bases(state, &s, &covered);
	for (int k = 0; k < SECTIONS && same; k++) {
		const struct section *sec = session_section(&s, ids[k]);

		same = !sec || (section_history_covers(sec, log_end) &&
		                sec->changes_len - sec->changes_at <= s.history_max);
	}
	session_release(&s);
	return same;
}

/* A session read back from the snapshot of s. */
static bool copy_session(const struct session *s, size_t history_max, struct session *copy)
{
	struct buf bytes;
	struct err e = {0};
	int rc = 0;

	buf_init(&bytes, TEXT_MAX);
	state_write(s, &bytes);
	session_init(copy, 16, history_max);
	rc = state_read(bytes.p, bytes.len, copy, &e);
	if (rc)
		printf("# %s\n", e.text);
	buf_release(&bytes);
	return rc == 0;
}

/*
 * A history that goes back to some seq only -- the session was read from a snapshot then, or lost
 * its oldest changes -- is extended by a fold from an earlier snapshot, and then covers all from
 * that on.
 */
static bool law_of_extension(uint64_t *state)
{
	struct session first, s, older;
	int64_t from = 2 + (int64_t)gen_below(state, EVENTS - 2);
	int64_t at = from + (int64_t)gen_below(state, (size_t)(log_end - from + 1));
	int covered = 0;
	bool same = random_log(state);

	begin(&first, 16, 0);
	same = same && fold_log(&first, from) && copy_session(&first, 100, &older) &&
	       fold_log(&first, at) && copy_session(&first, gen_below(state, 2) ? 100 : 2, &s) &&
	       fold_log(&s, log_end);
	for (int k = 0; k < SECTIONS && same; k++) {
		struct section *sec = session_section(&s, ids[k]);
		struct session fold_of_log;

		if (!sec)
			continue;
		same = copy_session(&older, 100, &fold_of_log);
		if (gen_below(state, 2))
			fold_of_log.history_section = ids[k];
		same = same &&
		       fold_log(&fold_of_log,
		                sec->changes_after > from ? sec->changes_after : from) &&
		       session_history_extend(&s, ids[k], &fold_of_log) == 0 &&
		       section_history_covers(sec, from);
		session_release(&fold_of_log);
	}
	same = same && check_bases(state, &s, &covered);
	session_release(&first);
	session_release(&older);
	session_release(&s);
	return same;
}

/* A fold that ends before the history begins would leave a gap. */
static void test_gap(void)
{
	struct session s, older;

	begin(&s, 16, 2);
	begin(&older, 16, 100);
	for (int i = 0; i < 6; i++)
		if (fold_edit(&s, "a", 0, 0, "x") || (i < 3 && fold_edit(&older, "a", 0, 0, "x")))
			abort();
	ok(section_history_covers(session_section(&s, "a"), 6) &&
	           !section_history_covers(session_section(&s, "a"), 5),
	   "gap: two changes are kept");
	ok(session_history_extend(&s, "a", &older) == 0 &&
	           !section_history_covers(session_section(&s, "a"), 5),
	   "gap: a fold that is too short does not help");
	ok(fold_edit(&older, "a", 0, 0, "x") == 0 && session_history_extend(&s, "a", &older) == 0 &&
	           section_history_covers(session_section(&s, "a"), 2),
	   "gap: one that reaches does");
	ok(session_history_extend(&s, "a", &older) == 0 &&
	           session_history_extend(&s, "none", &older) == 0,
	   "gap: nothing more to gain");
	session_release(&s);
	session_release(&older);
}

/* The section that was not changed for the longest time pays. */
static void test_bytes(void)
{
	static char text[1000];
	struct session s;
	struct section *a = NULL, *b = NULL;
	bool newest = true;

	memset(text, 'x', sizeof text - 1);
	begin(&s, 16, 100);
	s.history_bytes_max = 5000;
	for (int i = 0; i < 3; i++)
		if (fold_content(&s, "a", text) || fold_content(&s, "b", text))
			abort();
	a = session_section(&s, "a");
	b = session_section(&s, "b");
	ok(a->changes_len - a->changes_at >= 1 && b->changes_len - b->changes_at >= 2,
	   "bytes: both have some history");
	for (int i = 0; i < 20; i++) {
		newest = newest && fold_content(&s, "b", text) == 0 &&
		         section_history_covers(b, s.seq - 1);
	}
	is_int(a->changes_len - a->changes_at, 0, "bytes: the other one has none any more");
	is_int(a->changes_after, a->version, "bytes: and knows that");
	ok(b->changes_len - b->changes_at >= 3 && b->changes_len - b->changes_at <= 5,
	   "bytes: this one keeps what fits");
	s.history_bytes_max = 1;
	for (int i = 0; i < 5; i++)
		newest = newest && fold_content(&s, i % 2 ? "a" : "b", text) == 0 &&
		         section_history_covers(session_section(&s, i % 2 ? "a" : "b"), s.seq - 1);
	ok(newest, "bytes: the newest change is always kept");
	ok(fold_section_gone(&s, "a") == 0 && fold_content(&s, "b", text) == 0 &&
	           fold_content(&s, "a", text) == 0 &&
	           !section_history_covers(session_section(&s, "a"), s.seq - 3) &&
	           section_history_covers(session_section(&s, "a"), s.seq - 2),
	   "bytes: the history of a deleted section goes too, and is missed");
	session_release(&s);
}

/* What decisions read in a change. */
static void test_changes(void)
{
	struct session s;
	const struct section *sec = NULL;
	const struct change *ch = NULL;
	json_t *names = json_pack("{s:n,s:n}", "a", "b");

	begin(&s, 16, 100);
	if (fold_content(&s, "x", "h\xc3\xa9") || fold_keys(&s, "x", "{\"a\":1,\"b\":null}") ||
	    fold_edit(&s, "x", 1, 1, "ey") || fold_content(&s, "x", "new"))
		abort();
	sec = session_section(&s, "x");
	ch = sec->changes + sec->changes_at;
	is_int(sec->changes_len - sec->changes_at, 4, "changes: four");
	ok(ch[0].kind == CHANGE_REPLACE && ch[0].seq == 3 && !ch[0].before &&
	           ch[0].chars_before == 0 && ch[0].chars_after == 2 && !ch[0].keys,
	   "changes: the first text replaced none");
	ok(ch[1].kind == CHANGE_KEYS && ch[1].chars_before == 2 && ch[1].chars_after == 2 &&
	           json_equal(ch[1].keys, names),
	   "changes: keys, removed ones too");
	ok(ch[2].kind == CHANGE_EDIT && ch[2].chars_before == 2 && ch[2].chars_after == 3 &&
	           op_chars_deleted(&ch[2].op) == 1,
	   "changes: an edit");
	ok(ch[3].kind == CHANGE_REPLACE && ch[3].before_len == 3 &&
	           strcmp(ch[3].before, "hey") == 0 && ch[3].chars_before == 3,
	   "changes: a replacement keeps what it replaced");
	is_str(ch[3].user_id, "ann", "changes: by whom");
	ok(section_history_covers(sec, 0), "changes: there was none before the section was");
	session_release(&s);
	json_decref(names);
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
	uint64_t state = rnd_seed(11);
	size_t cases = gen_cases(10000) / 50;

	test_changes();
	test_gap();
	test_bytes();
	test_law(&state, law_of_all, cases, "law: texts and operations of every base");
	test_law(&state, law_of_bounds, cases, "law: what a bounded history covers is right");
	test_law(&state, law_of_extension, cases, "law: an older fold extends a history");
	log_clear();
	return done();
}
