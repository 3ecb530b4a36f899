/* The contract of store.h, kept by every backend. */
#include "store_test.h"

/* ---- writing ---- */

static void test_create(struct fixture *f)
{
	struct store_session row1 = row_of(1, "r1", true);
	struct store_record records[2] = {{.time_ms = 5, .bytes = "a", .len = 1},
	                                  {.time_ms = 7, .bytes = "bc", .len = 2}};
	struct store_append first = {.records = records, .records_len = 2};
	int64_t key;

	row1.due_ms = 99;
	row1.summary = "{\"s\":1}";
	is_int(store_create(f->s, &row1, &first, take, &f->a), 0, "create is queued");
	is_int(f->a.calls, 0, "nobody is called from inside the call");
	row1.session_id[0] = 'x';
	settle(f);
	is_int(f->a.calls, 1, "the callback comes once");
	is_int(f->a.rc, 0, "created");
	is_int(f->a.seq, 2, "the reply has the last seq");
	is_int(f->a.sessions_len, 1, "and the new row");
	key = f->a.sessions[0].key;
	ok(key > 0, "keys are positive");
	is_str(f->a.sessions[0].session_id, id_of(1), "the row's session id was copied");
	is_int(row(f, 1).key, key, "found by its id");
	is_str(f->a.sessions[0].report_id, "r1", "report id");
	ok(f->a.sessions[0].active, "active");
	is_int(f->a.sessions[0].seq, 2, "seq");
	is_int(f->a.sessions[0].floor, 0, "floor");
	is_int(f->a.sessions[0].created_ms, 1001, "created");
	is_int(f->a.sessions[0].updated_ms, 7, "updated is the last record's time");
	is_int(f->a.sessions[0].due_ms, 99, "due");
	is_str(f->a.sessions[0].summary, "{\"s\":1}", "summary");
	read_all(f, key, 0);
	is_int(f->a.records_len, 2, "its records are there");
	is_str(f->a.records[1].bytes, "bc", "with their bytes");
	is_int(create(f, 2, "r2", true), key + 1, "keys are dense");
}

static void test_create_exists(struct fixture *f)
{
	int64_t key = create(f, 1, "r1", true);
	struct store_session row1 = row_of(11, "r9", true), row2 = row_of(12, "r9", true);
	struct store_append none = {0};
	struct answer a = {0}, b = {0};

	is_int(create(f, 1, "r2", true), ERR_EXISTS, "a session id is taken once");
	is_int(f->a.sessions_len, 1, "the reply has the one in the way");
	is_int(f->a.sessions[0].key, key, "which is the first");
	is_int(create(f, 2, "r1", true), ERR_EXISTS, "a report has one active session");
	is_str(f->a.sessions[0].session_id, id_of(1), "the reply has that one");
	is_int(row(f, 2).key, 0, "nothing of the second is there");
	is_int(create(f, 2, "r1", false), key + 1, "one that is not active may be created");
	row1.summary = NULL;
	queued(store_create(f->s, &row1, &none, take, &a));
	queued(store_create(f->s, &row2, &none, take, &b));
	settle(f);
	ok(a.rc == 0 && b.rc == ERR_EXISTS, "of two that race the first wins");
	is_str(b.sessions_len ? b.sessions[0].session_id : "", id_of(11), "and the second is told");
	is_str(row(f, 11).summary, "{}", "no summary is an empty one");
	is_int(f->a.sessions[0].seq, 0, "no records: seq 0");
	is_int(f->a.sessions[0].updated_ms, 1011, "and updated when created");
	answer_release(&a);
	answer_release(&b);
}

static void test_append(struct fixture *f)
{
	int64_t key = create(f, 1, "r1", true);
	struct answer a[4] = {{0}, {0}, {0}, {0}};

	is_int(append(f, key, 1, 3, T0), 0, "append three");
	is_int(f->a.seq, 4, "the reply has the last seq");
	is_int(append(f, key, 3, 2, T0), ERR_CAS, "an end too low is refused");
	is_int(append(f, key, 5, 2, T0), ERR_CAS, "an end too high is refused");
	is_int(records_of(f, key), 4, "nothing of what was refused is there");
	is_int(append(f, 999, 0, 1, T0), ERR_NO_SESSION, "no such key");
	is_int(append(f, -1, 0, 1, T0), ERR_NO_SESSION, "nor a negative one");
	append_queue(f, key, 4, 1, T0, &a[0]);
	append_queue(f, key, 5, 2, T0, &a[1]);
	append_queue(f, key, 5, 2, T0, &a[2]);
	append_queue(f, key, 7, 1, T0 + 1, &a[3]);
	settle(f);
	ok(a[0].rc == 0 && a[1].rc == 0, "the end counts what is queued before");
	is_int(a[2].rc, ERR_CAS, "also against the caller");
	ok(a[3].rc == 0 && a[3].seq == 8, "one that is refused leaves those behind it alone");
	is_int(records_of(f, key), 8, "all is there, once, in order");
	is_int(row(f, 1).seq, 8, "the row has the last seq");
	is_int(f->a.sessions[0].updated_ms, T0 + 1, "and the last time");
	for (int i = 0; i < 4; i++)
		answer_release(&a[i]);
}

static void test_due_and_active(struct fixture *f)
{
	int64_t key = create(f, 1, "r1", true), other;

	is_int(set(f, key, 1, 77, STORE_KEEP), 0, "an append without records");
	is_int(row(f, 1).due_ms, 77, "sets due");
	ok(f->a.sessions[0].active && f->a.sessions[0].seq == 1 &&
	           f->a.sessions[0].updated_ms == 1001,
	   "and nothing else");
	is_int(set(f, key, 0, 88, STORE_KEEP), ERR_CAS, "it is conditional too");
	is_int(row(f, 1).due_ms, 77, "and then does nothing");
	is_int(set(f, key, 1, STORE_NEVER, 0), 0, "due can be taken away");
	is_int(row(f, 1).due_ms, STORE_NEVER, "it is never");
	ok(!f->a.sessions[0].active, "and active too");
	other = create(f, 2, "r1", true);
	ok(other > key, "then the report may have another one");
	is_int(set(f, key, 1, 5, 1), ERR_EXISTS, "the first cannot become active again");
	is_str(f->a.sessions_len ? f->a.sessions[0].session_id : "", id_of(2), "for the second is");
	is_int(row(f, 1).due_ms, STORE_NEVER, "it is all or nothing");
	is_int(set(f, other, 1, STORE_KEEP, 0), 0, "until that one ends");
	is_int(set(f, key, 1, STORE_KEEP, 1), 0, "then it can");
	ok(row(f, 1).active, "it is active");
	is_int(set(f, key, 1, STORE_KEEP, 1), 0, "what is active may be set active");
}

/* End one and create the next without waiting in between. */
static void test_handover(struct fixture *f)
{
	int64_t key = create(f, 1, "r1", true);
	struct store_append end = {key, 1, NULL, 0, STORE_KEEP, 0}, none = {0};
	struct store_session next = row_of(2, "r1", true);
	struct store_stats st;

	queued(store_append(f->s, &end, take, &f->a));
	queued(store_create(f->s, &next, &none, take, &f->a));
	settle(f);
	ok(f->a.rc == 0 && f->a.calls == 3, "a session ends and the next begins, back to back");
	find(f, STORE_BY_REPORT_ACTIVE, "r1");
	is_str(f->a.sessions[0].session_id, id_of(2), "the next is the active one");
	store_stats(f->s, &st);
	ok(st.sessions == 2 && st.active == 1, "and the counters agree");
}

/* ---- reading ---- */

static void read_some(struct fixture *f, int64_t key, int64_t after, size_t records, size_t bytes)
{
	queued(store_read(f->s, key, after, records, bytes, take, &f->a));
	settle(f);
}

static void test_read(struct fixture *f)
{
	int64_t key = create(f, 1, "r1", true);
	struct store_record odd = {
		.time_ms = T0, .bytes = "\"\xc3\xa9\xf0\x9f\x98\x80\"zz", .len = 8};
	struct store_append a = {key, 10, &odd, 1, STORE_KEEP, STORE_KEEP};

	append(f, key, 1, 9, T0);
	queued(store_append(f->s, &a, take, &f->a));
	settle(f);
	read_some(f, key, 0, 3, 1000);
	ok(f->a.records_len == 3 && f->a.more, "at most so many records");
	is_int(f->a.records[2].seq, 3, "from the first");
	read_some(f, key, 8, 2, 1000);
	ok(f->a.records_len == 2 && f->a.more, "after a seq");
	is_int(f->a.records[0].seq, 9, "the next comes first");
	read_some(f, key, 1, 100, 21);
	ok(f->a.records_len == 3 && f->a.more, "no more than so many bytes");
	read_some(f, key, 1, 100, 20);
	ok(f->a.records_len == 2 && f->a.more, "not one more");
	read_some(f, key, 1, 100, 0);
	ok(f->a.records_len == 1 && f->a.more, "but at least one record");
	read_some(f, key, 10, 1, 0);
	ok(f->a.records_len == 1 && !f->a.more, "the last one has none after it");
	is_int(f->a.records[0].len, 8, "its length");
	ok(memcmp(f->a.records[0].bytes, "\"\xc3\xa9\xf0\x9f\x98\x80\"", 9) == 0,
	   "its bytes, and a NUL");
	is_int(f->a.records[0].time_ms, T0, "its time");
	read_some(f, key, 11, 10, 1000);
	ok(f->a.rc == 0 && f->a.records_len == 0 && !f->a.more, "nothing after the end");
	read_some(f, key, 99, 10, 1000);
	ok(f->a.rc == 0 && f->a.records_len == 0 && !f->a.more, "nor further on");
	read_some(f, 999, 0, 10, 1000);
	ok(f->a.rc == 0 && f->a.records_len == 0 && !f->a.more, "nor of a key that is none");
}

static int64_t seek(struct fixture *f, int64_t key, int64_t time_ms)
{
	queued(store_seek(f->s, key, time_ms, take, &f->a));
	settle(f);
	return f->a.rc ? f->a.rc : f->a.seq;
}

static void test_seek(struct fixture *f)
{
	int64_t key = create(f, 1, "r1", true); /* seq 1 at 1001 */

	append(f, key, 1, 2, 3000);
	append(f, key, 3, 4, 3000);
	append(f, key, 7, 1, 3001);
	append(f, key, 8, 3, 5000);
	is_int(seek(f, key, 0), 0, "nothing is older than the first");
	is_int(seek(f, key, 1001), 0, "its own time is not older");
	is_int(seek(f, key, 1002), 1, "just behind the first");
	is_int(seek(f, key, 3000), 1, "before equal times");
	is_int(seek(f, key, 3001), 7, "after equal times");
	is_int(seek(f, key, 4000), 8, "between");
	is_int(seek(f, key, 5000), 8, "before the last");
	is_int(seek(f, key, INT64_MAX), 11, "all are older");
	is_int(seek(f, 999, 5), 0, "no such key");
}

static void test_find(struct fixture *f)
{
	create(f, 1, "r1", false);
	create(f, 2, "r1", true);
	create(f, 3, "r1", false);
	create(f, 4, "r2", false);
	create(f, 5, "r2", false);
	find(f, STORE_BY_ID, id_of(9));
	ok(f->a.rc == 0 && f->a.sessions_len == 0, "none is not an error");
	find(f, STORE_BY_ID, "01010101");
	is_int(f->a.sessions_len, 0, "an id is the whole id");
	find(f, STORE_BY_PREFIX, "01010101");
	is_int(f->a.sessions_len, 1, "a prefix of one");
	is_str(f->a.sessions[0].session_id, id_of(1), "finds it");
	find(f, STORE_BY_PREFIX, "0");
	is_int(f->a.sessions_len, 2, "a prefix of many gives two");
	find(f, STORE_BY_PREFIX, "09090909");
	is_int(f->a.sessions_len, 0, "a prefix of none");
	find(f, STORE_BY_PREFIX, "0_01010%");
	is_int(f->a.sessions_len, 0, "a prefix is no pattern");
	find(f, STORE_BY_PREFIX, id_of(2));
	is_int(f->a.sessions_len, 1, "the whole id is a prefix");
	find(f, STORE_BY_REPORT_ACTIVE, "r1");
	is_str(f->a.sessions_len ? f->a.sessions[0].session_id : "", id_of(2), "the active one");
	find(f, STORE_BY_REPORT_ACTIVE, "r2");
	is_int(f->a.sessions_len, 0, "no active one");
	find(f, STORE_BY_REPORT_LATEST, "r1");
	is_str(f->a.sessions_len ? f->a.sessions[0].session_id : "", id_of(2),
	       "the active one is the latest");
	find(f, STORE_BY_REPORT_LATEST, "r2");
	is_str(f->a.sessions_len ? f->a.sessions[0].session_id : "", id_of(5),
	       "else the one created last");
	find(f, STORE_BY_REPORT_LATEST, "r3");
	is_int(f->a.sessions_len, 0, "or none");
}

static size_t list(struct fixture *f, int active, const char *report_id, int64_t after,
                   size_t limit)
{
	struct store_query q = {active, report_id, after, limit};

	queued(store_list(f->s, &q, take, &f->a));
	settle(f);
	return f->a.rc ? SIZE_MAX : f->a.sessions_len;
}

static void test_list(struct fixture *f)
{
	int64_t key = 0;
	size_t pages = 0, rows = 0;

	is_int(list(f, STORE_KEEP, NULL, 0, 10), 0, "an empty directory");
	for (int i = 1; i <= 25; i++) {
		char report_id[8];

		(void)snprintf(report_id, sizeof report_id, "r%d", i % 5);
		create(f, i, report_id, i <= 5);
	}
	is_int(list(f, STORE_KEEP, NULL, 0, 1000), 25, "all of it");
	ok(!f->a.more, "and no more");
	is_int(f->a.sessions[24].key, 25, "by key");
	is_int(list(f, 1, NULL, 0, 1000), 5, "the active ones");
	is_int(list(f, 0, NULL, 0, 1000), 20, "the others");
	is_int(list(f, STORE_KEEP, "r3", 0, 1000), 5, "those of a report");
	is_int(list(f, 1, "r3", 0, 1000), 1, "its active one");
	is_int(list(f, 0, "r3", 0, 1000), 4, "its others");
	is_int(list(f, STORE_KEEP, "", 0, 1000), 0, "no report has no name");
	is_int(list(f, 0, "r3", 13, 1), 1, "one after a key");
	ok(f->a.sessions[0].key == 18 && f->a.more, "the next, and there are more");
	do {
		rows += list(f, STORE_KEEP, NULL, key, 10);
		pages++;
		key = f->a.sessions[f->a.sessions_len - 1].key;
	} while (f->a.more);
	ok(pages == 3 && rows == 25, "page by page");
	is_int(list(f, STORE_KEEP, NULL, 0, 25), 25, "a page that is just enough");
	ok(!f->a.more, "has no more");
	is_int(list(f, STORE_KEEP, NULL, 0, 0), 1, "a limit of 0 is 1");
	is_int(list(f, STORE_KEEP, NULL, 0, SIZE_MAX), 25, "a limit over 1000 is 1000");
}

static size_t due(struct fixture *f, int64_t before_ms, size_t limit)
{
	queued(store_due(f->s, before_ms, limit, take, &f->a));
	settle(f);
	return f->a.rc ? SIZE_MAX : f->a.sessions_len;
}

static void test_due(struct fixture *f)
{
	static const int64_t times[] = {500, STORE_NEVER, 100, 300, 100, 0};

	for (int i = 0; i < 6; i++) {
		char report_id[8];

		(void)snprintf(report_id, sizeof report_id, "r%d", i);
		is_int(set(f, create(f, i, report_id, true), 1, times[i], STORE_KEEP), 0,
		       "set due");
	}
	is_int(due(f, -1, 10), 0, "nothing is due yet");
	is_int(due(f, 100, 10), 3, "what is due");
	ok(f->a.sessions[0].due_ms == 0 && f->a.sessions[1].key == 3 && f->a.sessions[2].key == 5,
	   "the most overdue first");
	ok(!f->a.more, "and no more");
	is_int(due(f, 100, 2), 2, "at most so many");
	ok(f->a.more, "there are more");
	is_int(due(f, INT64_MAX, 10), 5, "never is never due");
	set(f, 6, 1, STORE_NEVER, STORE_KEEP);
	is_int(due(f, 99, 10), 0, "what was done is not due");
}

static void test_snapshots(struct fixture *f)
{
	int64_t key = create(f, 1, "r1", true);

	is_int(snapshot_at(f, key, INT64_MAX), 0, "none is not an error");
	ok(f->a.rc == 0 && !f->a.snapshot, "it is no snapshot");
	append(f, key, 1, 9, T0);
	is_int(snapshot(f, key, 4, "{\"a\":4}"), 0, "put one");
	is_int(snapshot_at(f, key, INT64_MAX), 4, "get it");
	is_str(f->a.snapshot, "{\"a\":4}", "its bytes");
	is_int(f->a.snapshot_len, 7, "its length");
	is_int(snapshot_at(f, key, 4), 4, "at its seq");
	is_int(snapshot_at(f, key, 3), 0, "there is none before it");
	is_int(snapshot(f, key, 4, "{\"b\":4}"), 0, "put it again");
	snapshot_at(f, key, 4);
	is_str(f->a.snapshot, "{\"b\":4}", "it is replaced");
	is_int(snapshot(f, key, 11, "{}"), ERR_CAS, "not of what is not in the log");
	is_int(snapshot(f, 999, 0, "{}"), ERR_NO_SESSION, "nor of no session");
	is_int(snapshot_at(f, 999, 5), 0, "which has none");
	is_int(snapshot(f, key, 10, ""), 0, "an empty one");
	is_int(snapshot_at(f, key, INT64_MAX), 10, "is one");
	is_str(f->a.snapshot, "", "and empty");
	queued(store_snapshot_put(f->s, key, 10, "{}", 2, "{\"t\":2}", 55, take, &f->a));
	settle(f);
	is_str(row(f, 1).summary, "{\"t\":2}", "a snapshot sets the summary");
	is_int(f->a.sessions[0].due_ms, 55, "and due");
	snapshot(f, key, 10, "{}");
	is_str(row(f, 1).summary, "{\"t\":2}", "or leaves the summary");
	is_int(f->a.sessions[0].due_ms, 55, "and due");
}

/* The newest at or below each 10,000th seq must stay, and the newest of all. */
static void test_snapshot_thinning(struct fixture *f)
{
	static const int64_t puts[] = {0,     9000,  9999,  10000, 10001,
	                               15000, 19000, 20500, 20900, 35000};
	static const int64_t want[][2] = {{10000, 10000}, {20000, 19000}, {30000, 20900},
	                                  {34999, 20900}, {40000, 35000}, {0, 0}};
	int64_t key = create(f, 1, "r1", true);
	struct answer a = {0};

	for (int i = 0; i < 2250; i++)
		append_queue(f, key, 1 + i * 16, 16, T0, &a);
	settle(f);
	is_int(a.seq, 36001, "a long log");
	answer_release(&a);
	for (size_t i = 0; i < sizeof puts / sizeof puts[0]; i++)
		is_int(snapshot(f, key, puts[i], "{}"), 0, "put a snapshot");
	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
		is_int(snapshot_at(f, key, want[i][0]), want[i][1],
		       "the newest at or below a multiple of 10,000 stays");
	is_int(snapshot_at(f, key, 18999), 10000, "the others are gone");
	is_int(snapshot(f, key, 12000, "{}"), 0, "one that comes late");
	is_int(snapshot_at(f, key, 20000), 19000, "does no harm");
}

/* ---- callbacks ---- */

struct chain {
	struct fixture *f;
	int64_t key, seq;
	int left, reads;
	bool nested, in_poll, gap;
};

static void chain_read(void *arg, const struct store_reply *r)
{
	struct chain *c = arg;

	c->reads += r->rc == 0 && r->records_len == 1;
}

static void chain_next(void *arg, const struct store_reply *r)
{
	struct chain *c = arg;
	struct store_record record = {.time_ms = T0, .bytes = "{}", .len = 2};
	struct store_append a = {c->key, r->seq, &record, 1, STORE_KEEP, STORE_KEEP};

	c->nested |= c->in_poll;
	c->gap |= r->rc != 0 || r->seq != c->seq + 1;
	c->seq = r->seq;
	c->in_poll = true;
	/* What is reported done can be read. */
	(void)store_read(c->f->s, c->key, r->seq - 1, 1, 100, chain_read, c);
	if (c->left-- > 0)
		(void)store_append(c->f->s, &a, chain_next, c);
	c->in_poll = false;
}

static void test_callbacks(struct fixture *f)
{
	struct chain c = {.f = f, .key = create(f, 1, "r1", true), .seq = 1, .left = 50};
	struct store_record record = {.time_ms = T0, .bytes = "{}", .len = 2};
	struct store_append a = {c.key, 1, &record, 1, STORE_KEEP, STORE_KEEP};

	queued(store_append(f->s, &a, chain_next, &c));
	settle(f);
	is_int(c.seq, 52, "callbacks make requests");
	ok(!c.nested, "which never call back from inside the call");
	ok(!c.gap, "in order");
	is_int(c.reads, 51, "what was reported can be read");
}

enum { SESSIONS = 100, APPENDS = 10000, IN_FLIGHT = 1000 };

struct load {
	struct fixture *f;
	int64_t keys[SESSIONS], acked[SESSIONS], sent[SESSIONS];
	int made, acks;
	bool disorder;
};

struct in_flight {
	struct load *load;
	int session;
};

static void load_acked(void *arg, const struct store_reply *r);

static void load_send(struct in_flight *slot)
{
	struct load *l = slot->load;
	int i = l->made++ % SESSIONS;
	struct store_record record = {.time_ms = T0, .bytes = "{\"load\":1}", .len = 10};
	struct store_append a = {l->keys[i], l->sent[i]++, &record, 1, STORE_KEEP, STORE_KEEP};

	slot->session = i;
	queued(store_append(l->f->s, &a, load_acked, slot));
}

static void load_acked(void *arg, const struct store_reply *r)
{
	struct in_flight *slot = arg;
	struct load *l = slot->load;

	l->disorder |= r->rc != 0 || r->seq != l->acked[slot->session] + 1;
	l->acked[slot->session] = r->seq;
	l->acks++;
	if (l->made < APPENDS)
		load_send(slot);
}

static void test_pipelining(struct fixture *f)
{
	struct load l = {.f = f};
	struct in_flight slots[IN_FLIGHT];
	struct store_stats st;
	bool all = true;
	int64_t batches = 0;

	for (int i = 0; i < SESSIONS; i++) {
		char report_id[8];

		(void)snprintf(report_id, sizeof report_id, "r%d", i);
		l.keys[i] = create(f, i, report_id, true);
		l.acked[i] = l.sent[i] = 1;
	}
	for (int i = 0; i < IN_FLIGHT; i++) {
		slots[i].load = &l;
		load_send(&slots[i]);
	}
	settle(f);
	is_int(l.acks, APPENDS, "10,000 appends are acknowledged");
	ok(!l.disorder, "those of each session in order");
	for (int i = 0; i < SESSIONS; i++) {
		read_all(f, l.keys[i], 0);
		all = all && f->a.records_len == 1 + APPENDS / SESSIONS;
	}
	ok(all, "and every one is there");
	store_stats(f->s, &st);
	is_int(st.records, APPENDS + SESSIONS, "all are counted");
	for (int i = 0; i < STORE_BUCKETS; i++)
		batches += st.batch_records[i];
	ok(batches == st.commits && st.batch_records_sum == st.records, "the histogram agrees");
	ok(st.writable && st.commit_failures == 0 && st.bytes > 0, "the store is well");
	ok(st.sessions == SESSIONS && st.active == SESSIONS && st.pending == 0, "and counts");
}

/* The last test of a store: nothing is called back when it is freed. */
static void test_free_pending(struct fixture *f)
{
	int64_t key = create(f, 1, "r1", true);
	struct answer a = {0};

	append_queue(f, key, 1, 1, T0, &a);
	queued(store_read(f->s, key, 0, 1, 1, take, &a));
	store_free(f->s);
	f->s = NULL;
	is_int(a.calls, 0, "freeing calls nobody");
}

static int rewrite(struct fixture *f, int64_t key, int64_t expected, int64_t replaced,
                   int64_t floor, const char *base)
{
	struct store_record event = {0, T0 + 1, "told", 4}, with = {replaced, 0, "gone", 4};
	struct store_rewrite w = {.append = {.key = key,
	                                     .seq_expected = expected,
	                                     .records = &event,
	                                     .records_len = 1,
	                                     .due_ms = STORE_KEEP,
	                                     .active = STORE_KEEP},
	                          .records = &with,
	                          .records_len = replaced > 0,
	                          .floor = floor,
	                          .base = base,
	                          .base_len = base ? strlen(base) : 0};

	queued(store_rewrite(f->s, &w, take, &f->a));
	settle(f);
	return f->a.rc;
}

/* Append, replace, floor and base: all of it, or nothing. */
static void test_rewrite(struct fixture *f)
{
	int64_t key = create(f, 1, "r1", true), other = create(f, 2, "r2", true);

	append(f, key, 1, 9, T0);
	append(f, other, 1, 9, T0);
	snapshot(f, key, 5, "{\"old\":1}");
	is_int(rewrite(f, key, 9, 3, 0, NULL), ERR_CAS, "not over what came meanwhile");
	is_int(rewrite(f, key, 10, 11, 0, NULL), ERR_CORRUPT, "nor of a record that is not there");
	is_int(rewrite(f, 999, 10, 3, 0, NULL), ERR_NO_SESSION, "nor of no session");
	is_int(rewrite(f, key, 10, 3, 11, "{}"), ERR_CORRUPT, "nor to a floor above the end");
	is_int(records_of(f, key), 10, "then nothing has changed");
	is_int(snapshot_at(f, key, INT64_MAX), 5, "nothing at all");
	is_int(rewrite(f, key, 10, 3, 0, NULL), 0, "replace a record");
	is_int(f->a.seq, 11, "and append");
	read_all(f, key, 2);
	is_str(f->a.records[0].bytes, "gone", "the record is another");
	is_int(f->a.records[0].len, 4, "as long as it is");
	is_str(f->a.records[8].bytes, "told", "the last one tells of it");
	is_int(snapshot_at(f, key, INT64_MAX), 0, "no snapshot is left of what was");
	is_int(rewrite(f, key, 11, 0, 6, "{\"base\":6}"), 0, "move the floor");
	is_int(row(f, 1).floor, 6, "it is told");
	read_all(f, key, 0);
	ok(f->a.records_len == 6 && f->a.records[0].seq == 7, "the log begins behind it");
	is_int(snapshot_at(f, key, INT64_MAX), 6, "with the base");
	is_str(f->a.snapshot, "{\"base\":6}", "as it was given");
	for (int64_t seq = 7; seq <= 12; seq++)
		snapshot(f, key, seq, "{}");
	is_int(snapshot_at(f, key, 6), 6, "which stays when others are thinned");
	is_int(rewrite(f, key, 12, 6, 6, NULL), ERR_CORRUPT, "below it there is nothing");
	is_int(rewrite(f, key, 12, 0, 5, "{}"), ERR_CORRUPT, "and it does not fall");
	is_int(rewrite(f, key, 12, 8, 6, "{\"base\":\"b\"}"), 0, "replace the base too");
	snapshot_at(f, key, INT64_MAX);
	is_str(f->a.snapshot, "{\"base\":\"b\"}", "it is another, and the only one");
	is_int(append(f, key, 13, 1, T0 + 2), 0, "it goes on");
	queued(store_seek(f->s, key, T0 + 2, take, &f->a));
	settle(f);
	is_int(f->a.seq, 13, "times are found");
	is_int(records_of(f, other), 10, "another session has all of its own");
	queued(store_scrub(f->s, take, &f->a));
	settle(f);
	is_int(f->a.rc, 0, "scrub");
	read_all(f, key, 0);
	ok(f->a.records_len == 8 && f->a.records[7].seq == 14, "it takes nothing that is there");
}

/* A log that begins after a floor, with its base. */
static void test_create_from(struct fixture *f)
{
	struct store_session r = row_of(1, "r1", false);
	struct store_record record = {0, T0, "first", 5};
	struct store_append first = {.records = &record, .records_len = 1, .seq_expected = 41};

	r.floor = 41;
	queued(store_create_from(f->s, &r, &first, "{\"base\":41}", 11, take, &f->a));
	settle(f);
	is_int(f->a.rc, 0, "create from a base");
	ok(f->a.seq == 42 && f->a.sessions[0].floor == 41, "it goes on from there");
	is_int(snapshot_at(f, f->a.sessions[0].key, INT64_MAX), 41, "the base is its snapshot");
	is_int(row(f, 1).seq, 42, "its end");
	read_all(f, f->a.sessions[0].key, 0);
	ok(f->a.records_len == 1 && f->a.records[0].seq == 42, "its one record");
}

static const struct {
	const char *name;
	void (*run)(struct fixture *f);
} contract[] = {
	{"create", test_create},
	{"create_exists", test_create_exists},
	{"append", test_append},
	{"due_and_active", test_due_and_active},
	{"handover", test_handover},
	{"read", test_read},
	{"seek", test_seek},
	{"find", test_find},
	{"list", test_list},
	{"due", test_due},
	{"snapshots", test_snapshots},
	{"snapshot_thinning", test_snapshot_thinning},
	{"rewrite", test_rewrite},
	{"create_from", test_create_from},
	{"callbacks", test_callbacks},
	{"pipelining", test_pipelining},
	{"free_pending", test_free_pending},
};

int main(void)
{
	struct fixture f;
	char dir[96];

	scratch_make();
	for (size_t i = 0; i < sizeof contract / sizeof contract[0]; i++) {
		printf("# mem: %s\n", contract[i].name);
		fixture_mem(&f);
		contract[i].run(&f);
		fixture_free(&f);
		printf("# sqlite: %s\n", contract[i].name);
		fixture_sqlite(&f, dir_of(contract[i].name));
		contract[i].run(&f);
		fixture_free(&f);
		printf("# sqlite, at most two records wait for the index: %s\n", contract[i].name);
		(void)snprintf(dir, sizeof dir, "%s-2", dir_of(contract[i].name));
		fixture_bounded(&f, dir, 2);
		contract[i].run(&f);
		fixture_free(&f);
	}
	scratch_remove();
	return done();
}
