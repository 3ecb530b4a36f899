/*
 * The canonical state.  Properties over sessions that random commands made: a state that was read
 * back is the same, looks the same, and goes on the same.
 */
#include "../gen.h"
#include "decide_test.h"

#include "proto/json_out.h"

/* ---- random sessions --------------------------------------------------------------------------
 */

static const char *any_member(uint64_t *state)
{
	static const char *const users[] = {"own", "own", "ed", "ed", "eve", "com", "view"};

	return users[gen_below(state, sizeof users / sizeof users[0])];
}

/* The id of one of the map's entries, or one that nothing has. */
static const char *any_key(uint64_t *state, const struct map *m)
{
	struct map_entry *entry = NULL;
	size_t at = 0, n = gen_below(state, m->len + 1);

	while ((entry = map_next(m, &at)))
		if (n-- == 0)
			return entry->key;
	return "99999999-9999-4999-8999-999999999999";
}

static void put_any_text(uint64_t *state, struct buf *line)
{
	static const char *const words[] = {"some ", "text ", "é", "😀", "line\\n", "中文", "x"};

	for (size_t n = 1 + gen_below(state, 8); n; n--)
		buf_puts(line, words[gen_below(state, sizeof words / sizeof words[0])]);
}

/* Changes with a delta that fits the section's text, a content, other keys. */
static void put_any_changes(uint64_t *state, const struct world *w, const char *section,
                            struct buf *line)
{
	const struct section *sec = session_section(&w->s, section);
	size_t chars = sec ? sec->content_chars : 0;

	switch (gen_below(state, 5)) {
	case 0:
		buf_puts(line, "'content':'");
		put_any_text(state, line);
		buf_putc(line, '\'');
		break;
	case 1:
		buf_puts(line, gen_below(state, 2) ? "'content':null" : "'content':{'n':[1,2.5]}");
		break;
	case 2:
		buf_printf(line, "'k%zu':{'deep':'v'},'due':null", gen_below(state, 3));
		break;
	default:
		buf_puts(line, "'delta':[");
		if (chars > 1 && gen_below(state, 4))
			buf_printf(line, "%zu,", 1 + gen_below(state, chars - 1));
		if (chars > 1 && gen_below(state, 3) == 0)
			buf_puts(line, "{'d':1},");
		buf_putc(line, '\'');
		put_any_text(state, line);
		buf_puts(line, "']");
	}
}

static void put_any_comment(uint64_t *state, const struct world *w, const char *section,
                            struct buf *line)
{
	buf_printf(line, "comment_added{'section_id':'%s','content':'", section);
	put_any_text(state, line);
	buf_puts(line, "'");
	if (gen_below(state, 3) == 0)
		buf_printf(line, ",'parent_comment_id':'%s'", any_key(state, &w->s.comments));
	if (gen_below(state, 2))
		buf_printf(line, ",'anchor':{'from':%zu,'to':%zu,'base_seq':%" PRId64 "}",
		           gen_below(state, 5), 5 + gen_below(state, 5), w->s.seq);
	if (gen_below(state, 3) == 0)
		buf_puts(line, ",'mentions':['ed','bob']");
	buf_putc(line, '}');
}

/* One of the things that people do, as world_say wants it. */
static void any_line(uint64_t *state, const struct world *w, struct buf *line)
{
	static const char *const sections[] = {"s", "t", "a.b", "Z_9"};
	static const char *const roles[] = {"viewer", "commenter", "editor", "owner"};
	const char *section = sections[gen_below(state, 4)];
	int64_t back = (int64_t)gen_below(state, 4);

	switch (gen_below(state, 16)) {
	case 0:
	case 1:
		put_any_comment(state, w, section, line);
		break;
	case 2:
		buf_printf(line, "comment_edited{'comment_id':'%s','content':'new'}",
		           any_key(state, &w->s.comments));
		break;
	case 3:
		buf_printf(line, "%s{'comment_id':'%s'}",
		           gen_below(state, 3) ? "comment_resolved" : "comment_reopened",
		           any_key(state, &w->s.comments));
		break;
	case 4:
		buf_printf(line, "comment_deleted{'comment_id':'%s'}",
		           any_key(state, &w->s.comments));
		break;
	case 5:
		buf_printf(line, "section_lock{'section_id':'%s','ttl_seconds':%zu}", section,
		           1 + gen_below(state, 100));
		break;
	case 6:
		buf_printf(line, "section_unlock{'section_id':'%s','force':true}", section);
		break;
	case 7:
		buf_printf(line, "section_deleted{'section_id':'%s'}", section);
		break;
	case 8:
		buf_printf(
			line,
			"conflict_resolved{'conflict_id':'%s','resolution':'%s','base_seq':%" PRId64
			"}",
			any_key(state, &w->s.conflicts),
			gen_below(state, 2) ? "current" : "proposed", w->s.seq);
		break;
	case 9:
		buf_printf(line, "role{'user_id':'%s','role':'%s'}", any_member(state),
		           roles[gen_below(state, 4)]);
		break;
	case 10:
		if (gen_below(state, 3) == 0) {
			buf_printf(line, "remove{'user_id':'%s'}", any_member(state));
			break;
		}
		buf_printf(line, "add{'user_id':'%s','role':'editor','user_name':'Né 😀'%s}",
		           any_member(state),
		           gen_below(state, 2) ? ",'user_email':'x@example.org'" : "");
		break;
	default:
		if (gen_below(state, 2))
			buf_printf(line, "section_update#r%zu", gen_below(state, 1000));
		else
			buf_puts(line, "section_update");
		buf_printf(line, "{'section_id':'%s','base_seq':%" PRId64 ",'changes':{", section,
		           w->s.seq > back ? w->s.seq - back : 0);
		put_any_changes(state, w, section, line);
		buf_puts(line, "}}");
	}
}

static void step(uint64_t *state, struct world *w)
{
	char name[64];
	struct buf line;

	w->now_ms += (int64_t)gen_below(state, 20000);
	switch (gen_below(state, 12)) {
	case 0:
		(void)snprintf(name, sizeof name, "%s %s",
		               gen_below(state, 2) ? "online" : "offline", any_member(state));
		(void)world_say(w, NULL, name); /* refusals are part of the game */
		return;
	case 1:
		(void)world_say(w, NULL, "expire");
		return;
	default:
		buf_init(&line, 1 << 16);
		any_line(state, w, &line);
		(void)world_say(w, any_member(state), line.p);
		buf_release(&line);
	}
}

/* ---- properties -------------------------------------------------------------------------------
 */

static bool is_canonical(const struct buf *b)
{
	json_t *j = json_loadb(b->p, b->len, JSON_REJECT_DUPLICATES, NULL);
	struct buf again;
	bool is = false;

	buf_init(&again, 1 << 24);
	if (j) {
		json_put_value(&again, j);
		is = again.len == b->len && memcmp(again.p, b->p, b->len) == 0;
	}
	json_decref(j);
	buf_release(&again);
	return is;
}

static void put_everything(const struct session *s, struct buf *out)
{
	struct state_view view = {.now_ms = s->updated_ms};

	buf_puts(out, "\n{");
	session_details_write(s, true, true, false, &view, out);
	buf_puts(out, "}\n{");
	state_message_write(s, STATE_BRIEF, &view, out);
	buf_puts(out, "}\n");
	summary_write(s, out);
	buf_printf(out, " %zu %d %d %d %" PRId64, s->bytes, s->owners, s->comments_open,
	           s->conflicts_open, session_due_ms(s));
}

/* Read the state of s from its bytes; the new one must be the same and look the same. */
static bool reads_back(const struct session *s, struct session *copy)
{
	struct buf a, b;
	struct err e = {0};
	bool same = true;
	int rc = 0;

	buf_init(&a, 1 << 24);
	buf_init(&b, 1 << 24);
	session_init(copy, s->refs_max, s->history_max);
	state_write(s, &a);
	rc = state_read(a.p, a.len, copy, &e);
	if (rc)
		printf("# %s: %s\n# %s\n", e.field, e.text, a.p);
	same = rc == 0 && is_canonical(&a);
	state_write(copy, &b);
	put_everything(s, &a);
	put_everything(copy, &b);
	if (rc == 0 && strcmp(a.p, b.p) != 0) {
		printf("# %s\n# %s\n", a.p, b.p);
		same = false;
	}
	buf_release(&a);
	buf_release(&b);
	return same;
}

/* Fold the world's events from `at` on into s as well. */
static bool goes_on(const struct world *w, size_t at, struct session *s)
{
	char a[SHA256_HEX_LEN + 1] = "", b[SHA256_HEX_LEN + 1] = "";
	struct err e = {0};

	for (; at < w->log_len; at++) {
		struct event_doc doc;
		int rc = event_read(w->log[at].p, w->log[at].len, &doc, &e);

		if (!rc)
			rc = session_apply(s, &doc.ev, &e);
		memcpy(s->hash, doc.hash, sizeof s->hash);
		event_doc_release(&doc);
		if (rc) {
			printf("# %s\n# %s\n", e.text, w->log[at].p);
			return false;
		}
	}
	return state_hash(&w->s, a) == 0 && state_hash(s, b) == 0 && strcmp(a, b) == 0;
}

static void test_property(uint64_t *state)
{
	size_t kinds[EVENT_KINDS] = {0}, unread = 0, lost = 0, seen = 0;
	size_t sessions = gen_cases(10000) / 40;

	for (size_t i = 0; i < sessions; i++) {
		struct session copy;
		struct world w;
		size_t at = 0;

		world_init(&w);
		world_start(&w, (enum strategy)(i % STRATEGIES), "The first text, é.");
		for (size_t n = gen_below(state, 60); n; n--)
			step(state, &w);
		at = w.log_len;
		unread += !reads_back(&w.s, &copy);
		for (size_t n = gen_below(state, 60); n; n--)
			step(state, &w);
		if (gen_below(state, 4) == 0)
			(void)world_say(&w, "own", "end{}"); /* own may have left */
		lost += !goes_on(&w, at, &copy);
		for (size_t k = 0; k < w.log_len; k++) {
			struct event_doc doc;

			if (event_read(w.log[k].p, w.log[k].len, &doc, NULL) == 0)
				kinds[doc.ev.kind]++;
			event_doc_release(&doc);
		}
		session_release(&copy);
		world_release(&w);
	}
	is_int(unread, 0, "random states are read back as they were");
	is_int(lost, 0, "and go on as they would have");
	for (int k = 0; k < EVENT_KINDS; k++)
		seen += kinds[k] > 0;
	is_int(seen, EVENT_KINDS - 2, "all kinds of events but erased and compacted took part");
}

/* ---- what is refused --------------------------------------------------------------------------
 */

/* Change one byte of a state at random: it is refused or read, and never anything worse. */
static void test_damage(uint64_t *state)
{
	struct world w;
	struct buf b;
	size_t refused = 0, strange = 0;

	world_init(&w);
	world_start(&w, STRATEGY_MANUAL, "text");
	for (int i = 0; i < 100; i++)
		step(state, &w);
	buf_init(&b, 1 << 24);
	state_write(&w.s, &b);
	for (size_t i = 0; i < gen_cases(3000); i++) {
		size_t at = gen_below(state, b.len);
		char was = b.p[at];
		struct session copy;
		struct err e = {0};
		int rc = 0;

		b.p[at] = (char)rnd(state);
		session_init(&copy, 100, 0);
		rc = state_read(b.p, b.len, &copy, &e);
		refused += rc == ERR_CORRUPT;
		strange += (rc && rc != ERR_CORRUPT) || e.code != rc;
		session_release(&copy);
		b.p[at] = was;
	}
	ok(refused > 0 && strange == 0, "damaged states are refused: %zu", refused);
	buf_release(&b);
	world_release(&w);
}

static const struct {
	const char *key, *value;
} refused[] = {
	{"session_id", "\"x\""},
	{"report_id", "\"-\""},
	{"hash", "\"ab\""},
	{"seq", "0"},
	{"seq", "\"1\""},
	{"floor", "null"},
	{"max_participants", "5000000000"},
	{"session_type", "\"talk\""},
	{"started_at", "5"},
	{"members", "{}"},
	{"members", "[{\"user_id\":\"a\"}]"},
	{"members", "[{\"user_id\":\"a\",\"role\":\"none\"}]"},
	{"members",
         "[{\"user_id\":\"a\",\"role\":\"owner\"},{\"user_id\":\"a\",\"role\":\"owner\"}]"},
	{"sections", "[]"},
	{"sections", "{\"a\":{\"section_id\":\"b\",\"version\":1}}"},
	{"sections", "{\"a\":{\"section_id\":\"a\",\"version\":1,\"keys\":[]}}"},
	{"comments", "[7]"},
	{"conflicts", "[{}]"},
	{"locks", "{\"s\":{}}"},
	{"fences", "{\"s\":\"1\"}"},
	{"refs", "{\"a\":[[\"r\",1]]}"},
	{"refs", "{\"a\":[[\"r\",1,\"short\"]]}"},
};

static void test_refused(void)
{
	struct world w;
	struct buf b;

	world_init(&w);
	world_start(&w, STRATEGY_MERGE, "text");
	buf_init(&b, 1 << 20);
	state_write(&w.s, &b);
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		json_t *j = json_loadb(b.p, b.len, 0, NULL);
		char *text = NULL;
		struct session copy;
		struct err e = {0};

		json_object_set_new(j, refused[i].key,
		                    json_loads(refused[i].value, JSON_DECODE_ANY, NULL));
		text = json_dumps(j, 0);
		session_init(&copy, 100, 0);
		ok(state_read(text, strlen(text), &copy, &e) == ERR_CORRUPT && e.text[0],
		   "refused: %s = %s", refused[i].key, refused[i].value);
		session_release(&copy);
		json_object_del(j, refused[i].key);
		free(text);
		text = json_dumps(j, 0);
		session_init(&copy, 100, 0);
		ok(state_read(text, strlen(text), &copy, &e) == ERR_CORRUPT ||
		           strcmp(refused[i].key, "started_at") == 0,
		   "and so is a state without %s", refused[i].key);
		session_release(&copy);
		free(text);
		json_decref(j);
	}
	buf_release(&b);
	world_release(&w);
}

int main(void)
{
	uint64_t state = rnd_seed(7396);

	test_property(&state);
	test_damage(&state);
	test_refused();
	return done();
}
