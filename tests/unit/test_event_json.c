/*
 * Events to bytes and back, and the chain: properties over random events of every kind, and the
 * promise that jq and sha256sum are enough to verify a log.
 */
#include "event_test.h"

#include <unistd.h>

#include "proto/event_json.h"

static const unsigned char zeros[SHA256_LEN];

/* ---- equality -------------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_list(const char *const *a, size_t a_len, const char *const *b, size_t b_len)
{
	bool equal = a_len == b_len && (a == NULL) == (b == NULL);

	for (size_t i = 0; equal && i < a_len; i++)
		equal = same(a[i], b[i]);
	return equal;
}

static bool same_changes(const struct changes *a, const struct changes *b)
{
	return same(a->content, b->content) && a->content_len == b->content_len &&
	       (a->delta ? b->delta && op_equal(a->delta, b->delta) : !b->delta) &&
	       (a->content_json ? json_equal(a->content_json, b->content_json)
	                        : !b->content_json) &&
	       (json_object_size(a->keys) ? json_equal(a->keys, b->keys) : !b->keys);
}

static bool same_comment(const struct event *a, const struct event *b)
{
	return same(a->comment_id, b->comment_id) &&
	       same(a->parent_comment_id, b->parent_comment_id) && same(a->text, b->text) &&
	       a->text_len == b->text_len &&
	       same_list(a->mentions, a->mentions_len, b->mentions, b->mentions_len) &&
	       a->anchor.from == b->anchor.from && a->anchor.to == b->anchor.to &&
	       a->anchor.base_seq == b->anchor.base_seq &&
	       same(a->comment_user_id, b->comment_user_id) &&
	       same(a->comment_user_name, b->comment_user_name) &&
	       a->comment_created_ms == b->comment_created_ms;
}

/* The name of a field in which they differ, or NULL. */
static const char *difference(const struct event *a, const struct event *b)
{
#define DIFFERS(member, equal)                                                                     \
	if (!(equal))                                                                              \
		return #member;
#define TEXT(member) DIFFERS(member, same(a->member, b->member))
#define NUMBER(member) DIFFERS(member, a->member == b->member)
	NUMBER(kind)
	NUMBER(carried)
	NUMBER(seq)
	NUMBER(time_ms)
	TEXT(session_id)
	TEXT(event_id)
	TEXT(user_id)
	TEXT(user_name)
	TEXT(by)
	TEXT(via)
	TEXT(ref)
	TEXT(ref_digest)
	TEXT(reason)
	TEXT(report_id)
	TEXT(continued_from)
	NUMBER(settings.type)
	NUMBER(settings.strategy)
	NUMBER(settings.max_participants)
	NUMBER(settings.timeout_minutes)
	NUMBER(total_changes)
	NUMBER(total_comments)
	TEXT(user_email)
	NUMBER(role)
	TEXT(section_id)
	NUMBER(version)
	NUMBER(fence)
	NUMBER(expires_ms)
	TEXT(conflict_id)
	NUMBER(base_seq)
	NUMBER(current_seq)
	NUMBER(resolution)
	DIFFERS(changes, same_changes(&a->changes, &b->changes))
	DIFFERS(overwrote,
	        a->overwrote_len == b->overwrote_len &&
	                (!a->overwrote_len || memcmp(a->overwrote, b->overwrote,
	                                             a->overwrote_len * sizeof *a->overwrote) == 0))
	DIFFERS(comment, same_comment(a, b))
	DIFFERS(users, same_list(a->users, a->users_len, b->users, b->users_len))
	DIFFERS(extra, a->extra ? json_equal(a->extra, b->extra) : !b->extra)
#undef NUMBER
#undef TEXT
#undef DIFFERS
	return NULL;
}

/* ---- properties ------------------------------------------------------------------------------ */

/* Whether the bytes are canonical by the generic writer. */
static bool is_canonical(const char *bytes, size_t len)
{
	json_t *j = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
	struct buf b;
	bool is = false;

	buf_init(&b, 1 << 20);
	if (j) {
		json_put_value(&b, j);
		is = b.len == len && memcmp(b.p, bytes, len) == 0;
	}
	json_decref(j);
	buf_release(&b);
	return is;
}

/* Change one byte at random: refused, unless the change was one of spelling only (\u001F). */
static bool flip_is_refused(uint64_t *state, struct buf *b, const unsigned char *prev)
{
	size_t at = gen_below(state, b->len);
	char was = b->p[at];
	unsigned char hash[SHA256_LEN];
	json_t *before = json_loadb(b->p, b->len, 0, NULL), *after = NULL;
	bool refused = false;

	b->p[at] = (char)(was ^ (1 << gen_below(state, 7)));
	after = json_loadb(b->p, b->len, JSON_REJECT_DUPLICATES, NULL);
	refused = event_verify(b->p, b->len, prev, hash, NULL) == ERR_CORRUPT ||
	          (after && json_equal(before, after));
	b->p[at] = was;
	json_decref(before);
	json_decref(after);
	return refused;
}

/*
 * Over random events of one kind: the bytes are canonical, appended behind what was there, verify
 * against the hash before and no other, and read back as the event.
 */
static void test_kind(enum event_kind kind, uint64_t *state)
{
	unsigned char prev[SHA256_LEN], hash[SHA256_LEN], verified[SHA256_LEN];
	size_t cases = gen_cases(12000) / EVENT_KINDS;
	size_t uncanonical = 0, unread = 0, different = 0, unverified = 0, accepted = 0;
	struct buf b;

	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < cases; i++) {
		struct any_event a;
		struct event_doc doc = {0};
		struct err e = {0};
		const char *field = NULL;

		for (int k = 0; k < SHA256_LEN; k++)
			prev[k] = (unsigned char)rnd(state);
		any_event(state, kind, 1 + (int64_t)gen_below(state, 100000), &a);
		buf_clear(&b);
		buf_puts(&b, "x");
		memcpy(hash, prev, sizeof hash);
		unread += event_write(&a.ev, hash, hash, &b) != 0;
		buf_drop(&b, 1);
		uncanonical += !is_canonical(b.p, b.len);
		if (event_read(b.p, b.len, &doc, &e)) {
			if (!unread++)
				printf("# %s: %s\n# %s\n", e.field, e.text, b.p);
		} else {
			field = difference(&a.ev, &doc.ev);
			if (field && !different++)
				printf("# %s differs\n# %s\n", field, b.p);
			different += memcmp(doc.hash, hash, SHA256_LEN) != 0;
		}
		unverified += event_verify(b.p, b.len, prev, verified, &e) != 0 ||
		              memcmp(verified, hash, SHA256_LEN) != 0;
		prev[0] ^= 1;
		accepted += event_verify(b.p, b.len, prev, verified, NULL) != ERR_CORRUPT;
		prev[0] ^= 1;
		accepted += !flip_is_refused(state, &b, prev);
		event_doc_release(&doc);
		any_event_release(&a);
	}
	ok(!uncanonical && !unread && !different && !unverified && !accepted,
	   "random %s: %zu not canonical, %zu not read, %zu different, %zu not verified, %zu wrong "
	   "ones accepted",
	   event_type(kind), uncanonical, unread, different, unverified, accepted);
	buf_release(&b);
}

/* ---- examples -------------------------------------------------------------------------------- */

#define SESSION "0b5e7a52-0a4b-4a6f-9e49-0a3f6f9d4c01"
#define EVENT_ID "11111111-1111-4111-8111-111111111111"
#define OTHER "22222222-2222-4222-8222-222222222222"
#define TIME 1705314600000
#define TIMESTAMP "2024-01-15T10:30:00.000Z"

static void example(struct event *ev, enum event_kind kind)
{
	event_init(ev, kind);
	ev->seq = 1;
	ev->time_ms = TIME;
	ev->session_id = SESSION;
	ev->event_id = EVENT_ID;
	ev->user_id = "ann";
	ev->user_name = "Ann";
}

/* The stored form of ev as first of a log, without its hash. */
static const char *stored(const struct event *ev, struct buf *b)
{
	unsigned char hash[SHA256_LEN];
	char *at = NULL;

	buf_clear(b);
	(void)event_write(ev, zeros, hash, b); /* the buffer is large enough */
	at = strstr(b->p, "\"hash\":\"");
	memmove(at, at + 74, strlen(at + 74) + 1);
	b->len -= 74;
	return b->p;
}

static void test_examples(struct buf *b)
{
	static const char *const mentions[] = {"bob", "eve"};
	struct event ev;
	struct op op;

	example(&ev, EVENT_USER_ONLINE);
	is_str(stored(&ev, b),
	       "{\"event_id\":\"" EVENT_ID "\",\"seq\":1,\"session_id\":\"" SESSION
	       "\",\"timestamp\":\"" TIMESTAMP
	       "\",\"type\":\"user_online\",\"user_id\":\"ann\",\"user_name\":\"Ann\"}",
	       "user_online");
	ev.event_id = NULL;
	is_str(stored(&ev, b),
	       "{\"seq\":1,\"session_id\":\"" SESSION "\",\"timestamp\":\"" TIMESTAMP
	       "\",\"type\":\"user_online\",\"user_id\":\"ann\",\"user_name\":\"Ann\"}",
	       "nothing in front of the hash");

	op_init(&op, 100);
	op_retain(&op, 3);
	op_insert(&op, "é", 2);
	op_delete(&op, 2);
	example(&ev, EVENT_SECTION_UPDATE);
	ev.section_id = "summary";
	ev.version = 1;
	ev.changes.delta = &op;
	ev.changes.keys = json_pack("{s:s,s:b}", "due", "May", "draft", 0);
	ev.ref = "r-1";
	ev.ref_digest = "0123456789abcdef";
	is_str(stored(&ev, b),
	       "{\"changes\":{\"delta\":[3,\"é\",{\"d\":2}],\"draft\":false,\"due\":\"May\"},"
	       "\"event_id\":\"" EVENT_ID "\",\"ref\":\"r-1\",\"ref_digest\":\"0123456789abcdef\","
	       "\"section_id\":\"summary\",\"seq\":1,\"session_id\":\"" SESSION
	       "\",\"timestamp\":\"" TIMESTAMP
	       "\",\"type\":\"section_update\",\"user_id\":\"ann\",\"user_name\":\"Ann\","
	       "\"version\":1}",
	       "section_update");
	buf_clear(b);
	changes_write(&ev.changes, b);
	is_str(b->p, "{\"delta\":[3,\"é\",{\"d\":2}],\"draft\":false,\"due\":\"May\"}",
	       "changes alone");
	json_decref((json_t *)(uintptr_t)ev.changes.keys);
	op_release(&op);

	example(&ev, EVENT_COMMENT_ADDED);
	ev.section_id = "summary";
	ev.comment_id = OTHER;
	ev.text = "why?";
	ev.text_len = 4;
	ev.mentions = mentions;
	ev.mentions_len = 2;
	ev.anchor = (struct anchor){2, 5, 0};
	is_str(stored(&ev, b),
	       "{\"comment\":{\"anchor\":{\"base_seq\":0,\"from\":2,\"to\":5},\"comment_id\":"
	       "\"" OTHER "\",\"content\":\"why?\",\"created_at\":\"" TIMESTAMP
	       "\",\"mentions\":[\"bob\",\"eve\"],\"parent_comment_id\":null,\"section_id\":"
	       "\"summary\",\"user_id\":\"ann\",\"user_name\":\"Ann\"},\"event_id\":\"" EVENT_ID
	       "\",\"section_id\":\"summary\",\"seq\":1,\"session_id\":\"" SESSION
	       "\",\"timestamp\":\"" TIMESTAMP
	       "\",\"type\":\"comment_added\",\"user_id\":\"ann\",\"user_name\":\"Ann\"}",
	       "comment_added: author and time are the event's by default");

	example(&ev, EVENT_COMMENT_RESOLVED);
	ev.comment_id = OTHER;
	ev.by = "boss";
	is_str(stored(&ev, b),
	       "{\"by\":\"boss\",\"comment_id\":\"" OTHER "\",\"event_id\":\"" EVENT_ID
	       "\",\"resolved_by\":\"boss\",\"seq\":1,\"session_id\":\"" SESSION
	       "\",\"timestamp\":\"" TIMESTAMP
	       "\",\"type\":\"comment_resolved\",\"user_id\":\"ann\",\"user_name\":\"Ann\"}",
	       "comment_resolved");
}

/* ---- views ----------------------------------------------------------------------------------- */

static bool begins(const struct buf *b, const char *with)
{
	return strncmp(b->p, with, strlen(with)) == 0;
}

static void test_views(struct buf *b)
{
	static const char *const users[] = {"bob"};
	unsigned char hash[SHA256_LEN] = {0xab};
	struct event_view view = {.content = "new text", .content_len = 8};
	struct event ev;
	struct buf whole;
	struct op op;

	buf_init(&whole, 1 << 16);
	op_init(&op, 100);
	op_insert(&op, "new", 3);
	example(&ev, EVENT_SECTION_UPDATE);
	ev.section_id = "summary";
	ev.version = 1;
	ev.changes.delta = &op;

	buf_clear(b);
	(void)event_write(&ev, zeros, hash, b);
	event_write_view(&ev, hash, NULL, &whole);
	is_str(whole.p, b->p, "without a view an event looks as it is stored");
	buf_clear(b);
	event_write_view(&ev, hash, &view, b);
	ok(begins(b, "{\"changes\":{\"content\":\"new text\"},") && is_canonical(b->p, b->len),
	   "content=full gets the text in place of a delta");
	ev.changes.delta = NULL;
	ev.changes.keys = json_pack("{s:i}", "n", 1);
	buf_clear(b);
	event_write_view(&ev, hash, &view, b);
	ok(begins(b, "{\"changes\":{\"n\":1},"), "but not where the text did not change");
	json_decref((json_t *)(uintptr_t)ev.changes.keys);

	example(&ev, EVENT_PARTICIPANT_JOINED);
	ev.role = ROLE_EDITOR;
	ev.user_email = "ann@example.org";
	view = (struct event_view){.without_email = true};
	buf_clear(b);
	event_write_view(&ev, hash, &view, b);
	ok(!strstr(b->p, "ann@example.org") && strstr(b->p, "\"role\":\"editor\""),
	   "watchers see no e-mail address");

	example(&ev, EVENT_CONFLICT_DETECTED);
	ev.section_id = "summary";
	ev.conflict_id = OTHER;
	ev.base_seq = 3;
	ev.current_seq = 4;
	ev.users = users;
	ev.users_len = 1;
	ev.changes.delta = &op;
	view = (struct event_view){.base = {"", 0}, .current = {"now", 3}, .proposed = {"new", 3}};
	buf_clear(b);
	event_write_view(&ev, hash, &view, b);
	ok(begins(b, "{\"base_content\":\"\",\"base_seq\":3,\"conflict_id\"") &&
	           strstr(b->p, "\"current_content\":\"now\",\"current_seq\":4") &&
	           strstr(b->p, "\"proposed_changes\":{\"delta\":[\"new\"]},"
	                        "\"proposed_content\":\"new\"") &&
	           is_canonical(b->p, b->len),
	   "a conflict is shown with its texts");
	op_release(&op);
	buf_release(&whole);
}

/* ---- the chain ------------------------------------------------------------------------------- */

static void test_verify(struct buf *b)
{
	unsigned char prev[SHA256_LEN] = {0}, hash[SHA256_LEN], digest[SHA256_LEN];
	char hex[SHA256_HEX_LEN + 1];
	json_t *j = NULL;
	struct event_doc doc;
	struct event ev;
	char *text = NULL;

	example(&ev, EVENT_USER_ONLINE);
	buf_clear(b);
	(void)event_write(&ev, zeros, hash, b);
	j = json_loadb(b->p, b->len, 0, NULL);
	text = json_dumps(j, JSON_INDENT(2));
	is_int(event_verify(text, strlen(text), zeros, prev, NULL), 0,
	       "an event that was formatted anew verifies");
	ok(memcmp(prev, hash, SHA256_LEN) == 0, "and has the same hash");
	free(text);

	/* An erased event: its name is gone, its digest is what it was. */
	stored(&ev, b);
	sha256(b->p, b->len, digest);
	sha256_hex(digest, hex);
	json_object_set_new(j, "user_name", json_string("\u2588\u2588\u2588"));
	json_object_del(j, "event_id");
	text = json_dumps(j, JSON_COMPACT);
	is_int(event_verify(text, strlen(text), zeros, prev, NULL), ERR_CORRUPT,
	       "a changed event does not verify");
	free(text);
	json_object_set_new(j, "erased", json_true());
	text = json_dumps(j, JSON_COMPACT);
	is_int(event_verify(text, strlen(text), zeros, prev, NULL), ERR_CORRUPT,
	       "nor an erased one without its digest");
	free(text);
	json_object_set_new(j, "digest", json_string(hex));
	text = json_dumps(j, JSON_COMPACT);
	is_int(event_verify(text, strlen(text), zeros, prev, NULL), 0, "an erased one does");
	ok(memcmp(prev, hash, SHA256_LEN) == 0, "with the hash that it had");
	is_int(event_read(text, strlen(text), &doc, NULL), 0, "it can be read");
	ok(doc.erased && !doc.ev.event_id && memcmp(doc.digest, digest, SHA256_LEN) == 0,
	   "and says that it is erased");
	event_doc_release(&doc);
	free(text);
	json_decref(j);
	is_int(event_verify("{}", 2, zeros, prev, NULL), ERR_CORRUPT, "an event without a hash");
	is_int(event_verify("{", 1, zeros, prev, NULL), ERR_CORRUPT, "no JSON");
}

/* What a command writes, without the newline. */
static void run(const char *command, char *out, size_t size)
{
	FILE *f = popen(command, "r");

	out[0] = '\0';
	if (f && fgets(out, (int)size, f))
		out[strcspn(out, " \n")] = '\0';
	if (f)
		(void)pclose(f); /* a failure shows as a wrong digest */
}

/* The rule of the manual, with nothing but jq and sha256sum. */
static void test_jq(uint64_t *state, struct buf *b)
{
	char path[] = "/tmp/test_event_json.XXXXXX", command[512], digest[80], hash[80], prev[80];
	unsigned char chain[SHA256_LEN] = {0};
	char hex[SHA256_HEX_LEN + 1];
	int fd = mkstemp(path), wrong = 0;

	sha256_hex(chain, prev);
	for (int kind = 0; kind < EVENT_KINDS; kind++) {
		struct any_event a;
		FILE *f = NULL;

		any_event(state, (enum event_kind)kind, kind + 1, &a);
		a.ev.user_name = "Ann \"A\" O'Hara \\ <&>/";
		a.ev.ref = "tab\there";
		a.ev.changes = (struct changes){.content = "line\nnext\x01", .content_len = 10};
		if (a.ev.text) {
			a.ev.text = "plain";
			a.ev.text_len = 5;
		}
		if (a.ev.comment_user_name)
			a.ev.comment_user_name = "Bob";
		json_object_del(a.extra, "z\u00e9");
		buf_clear(b);
		(void)event_write(&a.ev, chain, chain, b);
		f = fopen(path, "w");
		if (f) {
			(void)fwrite(b->p, 1, b->len, f);
			(void)fclose(f);
		}
		(void)snprintf(command, sizeof command,
		               "jq -cS 'del(.hash)' %s | tr -d '\n' | sha256sum", path);
		run(command, digest, sizeof digest);
		(void)snprintf(command, sizeof command, "printf %%s %s %s | sha256sum", prev,
		               digest);
		run(command, hash, sizeof hash);
		sha256_hex(chain, hex);
		wrong += strcmp(hash, hex) != 0;
		memcpy(prev, hex, sizeof hex);
		any_event_release(&a);
	}
	is_int(wrong, 0, "jq -cS and sha256sum get the same chain");
	(void)close(fd);
	(void)unlink(path);
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* A buffer that is too small, at every size: the error comes back, and hash_out is untouched. */
static void test_full(uint64_t *state, struct buf *b)
{
	int wrong = 0;

	for (int kind = 0; kind < EVENT_KINDS; kind++) {
		struct any_event a;
		unsigned char hash[SHA256_LEN];

		any_event(state, (enum event_kind)kind, 1, &a);
		buf_clear(b);
		(void)event_write(&a.ev, zeros, hash, b);
		for (size_t max = 0; max < b->len; max += 1 + max / 20) {
			unsigned char untouched[SHA256_LEN] = {0};
			struct buf small;

			buf_init(&small, max);
			wrong += event_write(&a.ev, zeros, untouched, &small) != ERR_TOO_LARGE;
			wrong += memcmp(untouched, zeros, SHA256_LEN) != 0;
			buf_release(&small);
		}
		any_event_release(&a);
	}
	is_int(wrong, 0, "a full buffer is told");
}

int main(void)
{
	uint64_t state = rnd_seed(12);
	struct buf b;

	buf_init(&b, 1 << 20);
	for (int kind = 0; kind < EVENT_KINDS; kind++)
		test_kind((enum event_kind)kind, &state);
	test_examples(&b);
	test_views(&b);
	test_verify(&b);
	test_jq(&state, &b);
	test_full(&state, &b);
	buf_release(&b);
	return done();
}
