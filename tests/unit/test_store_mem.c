/* The memory store's faults; and that it and SQLite give the same answers to the same requests. */
#include "base/buf.h"
#include "store_test.h"

/* ---- the memory store's faults ---- */

static void test_mem_fail(void)
{
	struct fixture f;
	struct answer a[4] = {{0}, {0}, {0}, {0}};
	struct store_stats st;
	int64_t key, other;

	fixture_mem(&f);
	key = create(&f, 1, "r1", true);
	other = create(&f, 2, "r2", true);
	store_mem_faults(f.s)->fail_append = 2;
	append_queue(&f, key, 1, 1, T0, &a[0]);
	append_queue(&f, key, 2, 2, T0, &a[1]);
	append_queue(&f, other, 1, 1, T0, &a[2]);
	append_queue(&f, key, 2, 1, T0, &a[3]);
	settle(&f);
	is_int(a[0].rc, 0, "the first of two works");
	is_int(a[1].rc, ERR_STORE_UNAVAILABLE, "the second fails");
	is_int(a[2].rc, 0, "another session's works");
	is_int(a[3].rc, ERR_STORE_UNAVAILABLE, "one behind it fails, though its seq would fit");
	is_int(records_of(&f, key), 2, "nothing of what failed is there");
	store_stats(f.s, &st);
	is_int(st.commit_failures, 1, "it was counted");
	is_int(append(&f, key, 2, 1, T0), 0, "then it works again");
	store_mem_faults(f.s)->fail_append = 1;
	is_int(create(&f, 3, "r3", true), ERR_STORE_UNAVAILABLE, "a create can fail too");
	store_stats(f.s, &st);
	ok(!st.writable, "the store says that it cannot be written");
	is_int(row(&f, 3).key, 0, "and nothing is there");
	for (int i = 0; i < 4; i++)
		answer_release(&a[i]);
	fixture_free(&f);
}

static void test_mem_crash(void)
{
	struct fixture f;
	struct answer a = {0};
	int64_t key;

	fixture_mem(&f);
	key = create(&f, 1, "r1", true);
	append_queue(&f, key, 1, 1, T0, &a);
	append_queue(&f, key, 2, 1, T0, &a);
	store_mem_crash(f.s);
	store_poll(f.s);
	ok(a.calls == 0 && pending(&f) == 0, "a crash calls nobody");
	is_int(records_of(&f, key), 1, "what was not committed is gone");
	append_queue(&f, key, 1, 1, T0, &a);
	append_queue(&f, key, 2, 1, T0, &a);
	append_queue(&f, key, 3, 1, T0, &a);
	store_mem_faults(f.s)->crash_commits = 2;
	store_mem_crash(f.s);
	is_int(records_of(&f, key), 3, "or some was committed, and nobody knows");
	is_int(a.calls, 0, "nobody");
	is_int(append(&f, key, 3, 1, T0), 0, "the log goes on");
	fixture_free(&f);
}

static void test_mem_pace(void)
{
	struct store *s = NULL;
	struct answer a[3] = {{0}, {0}, {0}};
	struct store_query q = {.active = STORE_KEEP, .limit = 1};

	is_int(store_mem_new(&s, NULL, NULL), 0, "a store without a wake");
	store_mem_faults(s)->hold = 2;
	store_mem_faults(s)->polls_max = 2;
	for (int i = 0; i < 3; i++)
		queued(store_list(s, &q, take, &a[i]));
	store_poll(s);
	store_poll(s);
	is_int(a[0].calls, 0, "is held for two polls");
	store_poll(s);
	ok(a[0].calls == 1 && a[1].calls == 1 && a[2].calls == 0, "then completes two");
	store_poll(s);
	is_int(a[2].calls, 1, "then the rest");
	store_free(s);
	for (int i = 0; i < 3; i++)
		answer_release(&a[i]);
	store_free(NULL);
}

/* ---- one backend against the other ---- */

static void print_answer(struct buf *out, const struct answer *a)
{
	buf_printf(out, "%d %d %s seq %lld more %d", a->calls, a->rc, a->err.text,
	           (long long)a->seq, a->more);
	for (size_t i = 0; i < a->sessions_len; i++) {
		const struct store_session *s = &a->sessions[i];

		buf_printf(out, "; %lld %s %s %d %lld %lld %lld %lld %lld %s", (long long)s->key,
		           s->session_id, s->report_id, s->active, (long long)s->seq,
		           (long long)s->floor, (long long)s->created_ms, (long long)s->updated_ms,
		           (long long)s->due_ms, s->summary);
	}
	for (size_t i = 0; i < a->records_len; i++)
		buf_printf(out, "; %lld %lld %zu %s", (long long)a->records[i].seq,
		           (long long)a->records[i].time_ms, a->records[i].len,
		           a->records[i].bytes);
	if (a->snapshot)
		buf_printf(out, "; %zu %s", a->snapshot_len, a->snapshot);
}

static int64_t pick(uint64_t *seed, int64_t n)
{
	return (int64_t)(rnd(seed) % (uint64_t)n);
}

enum { KEYS = 12 };

static int64_t ends[KEYS + 1]; /* of the sessions' logs, before the next requests */

static int random_write(struct store *s, uint64_t seed, int64_t time_ms, struct answer *a)
{
	struct store_record records[3];
	char text[3][24];
	struct store_append append = {.key = 1 + pick(&seed, KEYS),
	                              .seq_expected = pick(&seed, 5) - 2,
	                              .records = records,
	                              .records_len = (size_t)pick(&seed, 4),
	                              .due_ms = pick(&seed, 2) ? STORE_KEEP : pick(&seed, 50),
	                              .active = pick(&seed, 4) ? STORE_KEEP : (int)pick(&seed, 2)};
	struct store_session new = {.active = pick(&seed, 2), .due_ms = 3, .summary = "{}"};

	/* Mostly the log's end, else something near it. */
	append.seq_expected = ends[append.key] + (pick(&seed, 4) ? 0 : append.seq_expected);
	for (size_t i = 0; i < append.records_len; i++) {
		int len = snprintf(text[i], sizeof text[i], "%llu", (unsigned long long)rnd(&seed));

		records[i] = (struct store_record){
			.time_ms = time_ms, .bytes = text[i], .len = (size_t)len};
	}
	switch (pick(&seed, 8)) {
	case 0:
		append.seq_expected = 0;
		new.created_ms = time_ms;
		(void)snprintf(new.session_id, sizeof new.session_id, "%s",
		               id_of((int)pick(&seed, 40)));
		(void)snprintf(new.report_id, sizeof new.report_id, "r%d", (int)pick(&seed, 5));
		return store_create(s, &new, &append, take, a);
	case 1:
		return store_snapshot_put(s, append.key, append.seq_expected, "state", 5,
		                          pick(&seed, 2) ? "{\"x\":1}" : NULL, append.due_ms, take,
		                          a);
	default:
		return store_append(s, &append, take, a);
	}
}

static int random_read(struct store *s, uint64_t seed, struct answer *a)
{
	int64_t key = pick(&seed, 14), n = pick(&seed, 40);
	char report_id[8], id[UUID_LEN + 1];
	struct store_query q = {(int)pick(&seed, 3) - 1, pick(&seed, 2) ? report_id : NULL,
	                        pick(&seed, 10), (size_t)pick(&seed, 8)};

	(void)snprintf(report_id, sizeof report_id, "r%d", (int)pick(&seed, 6));
	(void)snprintf(id, (size_t)(1 + pick(&seed, UUID_LEN + 1)), "%s", id_of((int)n));
	switch (pick(&seed, 9)) {
	case 0:
		return store_read(s, key, n - 1, (size_t)(1 + pick(&seed, 9)),
		                  (size_t)pick(&seed, 200), take, a);
	case 1:
		return store_seek(s, key, pick(&seed, 4000), take, a);
	case 2:
		return store_snapshot_get(s, key, n, take, a);
	case 3:
		return store_find(s, STORE_BY_ID, id_of((int)n), take, a);
	case 4:
		return store_find(s, STORE_BY_PREFIX, id, take, a);
	case 5:
		return store_find(s, STORE_BY_REPORT_ACTIVE, report_id, take, a);
	case 6:
		return store_find(s, STORE_BY_REPORT_LATEST, report_id, take, a);
	case 7:
		return store_list(s, &q, take, a);
	default:
		return store_due(s, pick(&seed, 60), (size_t)pick(&seed, 5), take, a);
	}
}

static void look_at_ends(struct fixture *f)
{
	struct store_query q = {.active = STORE_KEEP, .limit = KEYS};

	queued(store_list(f->s, &q, take, &f->a));
	settle(f);
	for (size_t i = 0; i < f->a.sessions_len; i++)
		ends[f->a.sessions[i].key] = f->a.sessions[i].seq;
}

/* For all sequences of requests, both backends give the same answers, to the letter. */
static void test_same(struct fixture *mem, struct fixture *sqlite)
{
	enum { STEPS = 3000, GROUP = 6 };
	uint64_t seed = rnd_seed(20240115);
	struct buf x, y;
	int step = 0, accepted = 0;

	buf_init(&x, 1 << 24);
	buf_init(&y, 1 << 24);
	for (bool same = true; same && step < STEPS; step += same) {
		struct answer a[GROUP] = {{0}}, b[GROUP] = {{0}};
		bool writes = pick(&seed, 3) > 0;
		int n = writes ? 1 + (int)pick(&seed, GROUP) : 1;

		for (int i = 0; i < n; i++) {
			uint64_t one = rnd(&seed);

			queued(writes ? random_write(mem->s, one, step, &a[i]) ||
			                        random_write(sqlite->s, one, step, &b[i])
			              : random_read(mem->s, one, &a[i]) ||
			                        random_read(sqlite->s, one, &b[i]));
		}
		settle(mem);
		settle(sqlite);
		look_at_ends(mem);
		buf_clear(&x);
		buf_clear(&y);
		for (int i = 0; i < n; i++) {
			accepted += writes && a[i].rc == 0;
			print_answer(&x, &a[i]);
			print_answer(&y, &b[i]);
			answer_release(&a[i]);
			answer_release(&b[i]);
		}
		same = strcmp(x.p, y.p) == 0;
		if (!same)
			printf("# step %d\n# mem    %s\n# sqlite %s\n", step, x.p, y.p);
	}
	is_int(step, STEPS, "mem and sqlite answer alike");
	printf("# %d writes accepted\n", accepted);
	buf_release(&x);
	buf_release(&y);
}

int main(void)
{
	struct fixture f, g;

	test_mem_fail();
	test_mem_crash();
	test_mem_pace();
	scratch_make();
	fixture_mem(&f);
	fixture_sqlite(&g, dir_of("same"));
	test_same(&f, &g);
	fixture_free(&f);
	fixture_free(&g);
	scratch_remove();
	return done();
}
