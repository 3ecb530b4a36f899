/* Erasing text from records and states: what goes, what stays, that the chain and the fold hold. */
#include "../tap.h"

#include "core/session.h"
#include "proto/erase.h"
#include "proto/event_json.h"
#include "proto/log_import.h"
#include "proto/state_json.h"

#define U8 "\xe2\x96\x88"

/* A record of these members, single quotes for double ones, with a hash that is none. */
static const char *record(const char *members)
{
	static char out[2048];
	int n = snprintf(
		out, sizeof out,
		"{\"event_id\":\"0b5e7a52-0a4b-4a6f-9e49-0a3f6f9d4c01\",\"hash\":\"%064d\","
		"\"ref_digest\":\"0123456789abcdef\",%s}",
		7, members);

	for (int i = 0; i < n; i++)
		if (out[i] == '\'')
			out[i] = '"';
	return out;
}

static struct buf out;

static bool erase(const char *bytes, const char *user_id)
{
	struct err e = {0};
	struct erasure x = {.user_id = user_id};
	bool changed = false;

	buf_clear(&out);
	is_int(event_erase(&x, bytes, strlen(bytes), &out, &changed, &e), 0, "erased");
	erasure_release(&x);
	return changed;
}

static bool has(const char *text)
{
	return out.p && strstr(out.p, text) != NULL;
}

static void test_event(void)
{
	char once[2048];

	ok(erase(record("'type':'section_update','user_id':'a','user_name':'Ann B',"
	                "'changes':{'delta':[2,'x\xf0\x9f\x90\x95',{'d':3}],'k':['secret',{'m':'s'}"
	                "]}"),
	         "a"),
	   "what a wrote");
	ok(has("[2,\"" U8 U8 "\",{\"d\":3}]"), "one block for each code point; a count stays");
	ok(has("[\"" U8 U8 U8 U8 U8 U8 "\",{\"m\":\"" U8 "\"}]"), "within other keys too");
	ok(has("\"user_name\":\"" U8 U8 U8 U8 U8 "\"") && has("\"user_id\":\"a\""),
	   "the name goes, the id stays");
	ok(has("\"erased\":true") && has("\"digest\":\"") && !has("event_id") && !has("ref_digest"),
	   "it says so, and nothing is left to guess by");
	(void)snprintf(once, sizeof once, "%s", out.p);
	ok(!erase(once, "a"), "a second time there is nothing to erase");
	ok(erase(record("'type':'section_update','user_id':'a','user_name':'A','changes':{'delta':["
	                "{'d':'gone'}]}"),
	         NULL) &&
	           has("[{\"d\":4}]") && has("\"user_name\":\"A\""),
	   "a delete with its text becomes a count; without a user names stay");
	ok(!erase(record("'type':'section_update','user_id':'b','user_name':'B','changes':{'"
	                 "content':'b'}"),
	          "a"),
	   "another's is left alone");
	ok(erase(record("'type':'comment_added','user_id':'b','user_name':'B','carried':true,'"
	                "comment':"
	                "{'content':'mine','user_id':'a','user_name':'A'}"),
	         "a") &&
	           !has("mine") && has("\"user_name\":\"B\""),
	   "a comment that another carried over is its author's");
	ok(!erase(record("'type':'comment_added','user_id':'a','comment':{'content':'theirs','user_"
	                 "id':'b'}"),
	          "a"),
	   "and the other way round");
	ok(erase(record("'type':'participant_joined','user_id':'a','user_name':'A','by':'o','"
	                "participant':"
	                "{'user_id':'a','user_name':'A','user_email':'a@b'}"),
	         "a") &&
	           !has("a@b"),
	   "the e-mail address");
	ok(erase(record("'type':'section_update','user_id':'a','user_name':'A','by':'b','carried':"
	                "true,'changes':{'content':'mine'}"),
	         "a") &&
	           !has("mine"),
	   "a section that another carried over is that of who changed it last");
	ok(!erase(record("'type':'section_update','user_id':'b','user_name':'B','by':'a','carried':"
	                 "true,'changes':{'content':'theirs'}"),
	          "a"),
	   "and not of who carried it");
	ok(!erase(record("'type':'section_locked','user_id':'a','section_id':'s'"), NULL),
	   "no text, nothing to erase");
}

#define DETECTED(user)                                                                             \
	"'type':'conflict_detected','user_id':'" user                                              \
	"','conflict_id':'c','proposed_changes':{'content':'proposal'}"
#define RESOLVED(user, how)                                                                        \
	"'type':'conflict_resolved','user_id':'" user "','conflict_id':'c','resolution':'" how     \
	"','changes':{'content':'the text'}"

/* Of a conflict's two events, in order: whether their text goes. */
static void conflict(const char *first, const char *second, bool first_goes, bool second_goes,
                     const char *what)
{
	struct erasure x = {.user_id = "a"};
	bool gone[2] = {false, false};
	struct err e = {0};
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++) {
		const char *bytes = record(i ? second : first);

		buf_clear(&out);
		rc = event_erase(&x, bytes, strlen(bytes), &out, &gone[i], &e);
	}
	ok(rc == 0 && gone[0] == first_goes && gone[1] == second_goes, "%s", what);
	erasure_release(&x);
}

static void test_conflict(void)
{
	static const char base[] =
		"{\"conflicts\":[{\"conflict_id\":\"c\",\"user_id\":\"a\",\"proposed_changes\":{"
		"\"content\":\"proposal\"}},{\"conflict_id\":\"d\",\"user_id\":\"b\"}]}";
	struct erasure x = {.user_id = "a"};
	struct err e = {0};
	bool changed = false;

	conflict(DETECTED("a"), RESOLVED("b", "proposed"), true, true,
	         "a proposal that another settled for is the proposer's");
	conflict(DETECTED("b"), RESOLVED("a", "proposed"), false, false,
	         "and not of who settled for it");
	conflict(DETECTED("a"), RESOLVED("a", "proposed"), true, true,
	         "nor is one's own another's");
	conflict(DETECTED("a"), RESOLVED("b", "merged"), true, false,
	         "what was merged is of who did so");
	conflict(DETECTED("b"), RESOLVED("a", "merged"), false, true, "whoever proposed");
	buf_clear(&out);
	is_int(state_erase(&x, base, strlen(base), &out, &changed, &e), 0, "a base");
	ok(changed && !has("proposal"), "with a proposal");
	buf_clear(&out);
	is_int(event_erase(&x, record(RESOLVED("b", "proposed")),
	                   strlen(record(RESOLVED("b", "proposed"))), &out, &changed, &e),
	       0, "settled later");
	ok(changed && !has("the text"), "is the proposer's as well");
	erasure_release(&x);
}

/* Feed a log with some of its records erased: all that is checked must hold. */
static void test_log(const char *name, const char *user_id)
{
	char path[300];
	struct log_import plain, less;
	struct err e = {0};
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	struct erasure x = {.user_id = user_id};
	int erased = 0, rc = 0, wrong = 0;
	FILE *f = NULL;

	(void)snprintf(path, sizeof path, "tests/data/log/%s.ndjson", name);
	f = fopen(path, "r");
	log_import_init(&plain, 4096, 1 << 24);
	log_import_init(&less, 4096, 1 << 24);
	while (f && !rc && (len = getline(&line, &cap, f)) > 0) {
		bool changed = false;

		buf_clear(&out);
		rc = event_erase(&x, line, (size_t)len, &out, &changed, &e);
		if (!changed)
			buf_put(&out, line, (size_t)len);
		else
			buf_putc(&out, '\n');
		erased += changed;
		if (!rc)
			rc = log_import_feed(&plain, line, (size_t)len, &e);
		if (!rc)
			rc = log_import_feed(&less, out.p, out.len, &e);
		wrong += plain.session.sections.len != less.session.sections.len;
		wrong += memcmp(plain.session.hash, less.session.hash, SHA256_LEN) != 0;
	}
	if (!ok(rc == 0, "%s: it folds and chains without %s", name, user_id))
		printf("#   %s\n", e.text);
	ok(erased > 0, "%d records were erased", erased);
	is_int(wrong, 0, "the hashes are the same, and there is as much");
	rc = log_import_end(&less, &e);
	is_int(rc, ERR_BAD_LOG, "but an erased event must list them");
	if (f)
		(void)fclose(f); /* only read */
	free(line);
	erasure_release(&x);
	log_import_release(&plain);
	log_import_release(&less);
}

static void test_state(void)
{
	static const char state[] =
		"{\"members\":[{\"user_id\":\"a\",\"user_name\":\"Ann\"},{\"user_id\":\"b\",\"user_"
		"name\":\"Bob\"}],\"comments\":[{\"user_id\":\"a\",\"content\":\"mine\"},{\"user_"
		"id\":\"b\",\"content\":\"theirs\",\"lost_digest\":\"0123456789abcdef\",\"lost_"
		"chars\":3}],\"conflicts\":[],\"refs\":{\"a\":[[\"r\",3,\"0123456789abcdef\"]]},"
		"\"sections\":{\"s\":{\"content\":\"text\",\"updated_by\":\"a\"},\"t\":{"
		"\"content\":\"other\",\"updated_by\":\"b\"}}}";
	struct erasure a = {.user_id = "a"}, c = {.user_id = "c"};
	bool changed = false;
	struct err e = {0};

	buf_clear(&out);
	is_int(state_erase(&a, state, strlen(state), &out, &changed, &e), 0, "a state");
	ok(changed && !has("Ann") && !has("mine") && !has("text"), "names, comments, sections go");
	ok(has("Bob") && has("theirs") && has("other"), "others' stay");
	ok(!has("0123456789abcdef"), "and what they could be guessed by goes");
	buf_clear(&out);
	is_int(state_erase(&c, state, strlen(state), &out, &changed, &e), 0, "of nobody");
	ok(!changed && out.len == 0, "nothing");
	erasure_release(&a);
	erasure_release(&c);
}

int main(void)
{
	buf_init(&out, 1 << 20);
	test_event();
	test_conflict();
	test_log("merge", "eve");
	test_log("manual", "eve");
	test_log("continued", "own");
	test_state();
	buf_release(&out);
	return done();
}
