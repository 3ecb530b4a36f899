/* decide: leases and fences, and the limits. */
#include "decide_test.h"

#define PUT(id) "section_update{'section_id':'" id "','changes':{'content':'x'}}"
#define PUT_FENCE(id, fence)                                                                       \
	"section_update{'section_id':'" id "','changes':{'content':'x'},'fence':" fence "}"

static const struct line lease[] = {
	{"ed", "section_lock{'section_id':'s'}",
         "'fence':1 & 'expires_at':'2024-01-15T10:31:00.000Z' & 'user_id':'ed'"},
	{"ed", "section_lock{'section_id':'s'}", "!section_locked ed +60"},
	{"eve", "section_lock{'section_id':'s'}", "!section_locked ed +60"},
	{"+", "30", NULL},
	{"ed", "section_lock{'section_id':'s','fence':1,'ttl_seconds':120}",
         "'fence':1 & 'expires_at':'2024-01-15T10:32:30.000Z'"},
	{"eve", "section_lock{'section_id':'s','fence':2}", "!stale_fence fence"},
	/* whoever has the fence may write; who has not may not */
	{"ed", PUT("s"), "!section_locked ed +120"},
	{"ed", PUT_FENCE("s", "1"), "'version':10"},
	{"eve", PUT_FENCE("s", "1"), "'version':11"},
	{"eve", PUT_FENCE("s", "2"), "!stale_fence fence"},
	{"ed", "section_deleted{'section_id':'s'}", "!section_locked ed +120"},
	{"ed", PUT("other"), "'version':12"},
	{"ed", PUT_FENCE("other", "1"), "!stale_fence fence"},
	{"eve", "section_unlock{'section_id':'s'}", "!section_locked ed +120"},
	{"eve", "section_unlock{'section_id':'s','fence':2}", "!stale_fence fence"},
	{"eve", "section_unlock{'section_id':'other'}", "!not_locked"},
	{"eve", "section_unlock{'section_id':'s','fence':1}",
         "'user_id':'ed' & 'by':'eve' & 'fence':1 & -'reason'"},
	{"ed", "section_unlock{'section_id':'s','fence':1}", "!not_locked"},
	{"ed", PUT_FENCE("s", "1"), "!stale_fence fence"},
	{"ed", PUT("s"), "'version':14"},
	/* the next holder has a greater fence; an old one is good for nothing */
	{"eve", "section_lock{'section_id':'s'}", "'fence':2"},
	{"ed", PUT_FENCE("s", "1"), "!stale_fence fence"},
	{"ed", "section_lock{'section_id':'s','fence':1}", "!stale_fence fence"},
	{"own", "section_unlock{'section_id':'s','force':true}",
         "'reason':'forced' & 'user_id':'eve' & 'by':'own'"},
	{"own", "section_unlock{'section_id':'s','force':true}", "!not_locked"},
	/* a lease that ran out is none, whether or not that was noted */
	{"ed", "section_lock{'section_id':'s','ttl_seconds':1}", "'fence':3"},
	{"+", "1", NULL},
	{"ed", "section_unlock{'section_id':'s','fence':3}", "!not_locked"},
	{"ed", "section_lock{'section_id':'s','fence':3}", "!stale_fence fence"},
	{"eve", PUT("s"), "'version':18"},
	{"ed", PUT_FENCE("s", "3"), "!stale_fence fence"},
	{"eve", "section_lock{'section_id':'s'}", "'fence':4 & 'user_id':'eve'"},
	/* the server frees what a lost connection held */
	{NULL, "section_unlock{'section_id':'s','fence':3}", "!stale_fence fence"},
	{NULL, "section_unlock{'section_id':'s','fence':4}", "'user_id':'eve' & -'by'"},
	/* how long */
	{"ed", "section_lock{'section_id':'s','ttl_seconds':3601}", "!bad_field ttl_seconds"},
	{"ed", "section_lock{'section_id':'s','ttl_seconds':3600}", "'fence':5"},
	/* the lock of a section outlives it */
	{"ed", "section_deleted{'section_id':'s','fence':5}", "'section_id':'s'"},
	{"eve", PUT("s"), "!section_locked ed +3600"},
	{"ed", PUT_FENCE("s", "5"), "'version':23"},
	/* an owner takes it from whoever holds it, and has a fence of his own */
	{"eve", "section_lock{'section_id':'forced','force':true}", "!forbidden editor<owner"},
	{"own", "section_lock{'section_id':'forced','force':true}", "'fence':1"},
	{"own", "section_lock{'section_id':'forced','fence':1,'force':true}", "'fence':1"},
	{"own", "section_unlock{'section_id':'forced','fence':1}", "'fence':1"},
	{"ed", "section_lock{'section_id':'forced','ttl_seconds':100}", "'fence':2"},
	{"own", "section_lock{'section_id':'forced'}", "!section_locked ed +100"},
	{"own", "section_lock{'section_id':'forced','fence':1,'force':true}",
         "'fence':3 & 'user_id':'own'"},
	{"ed", PUT_FENCE("forced", "2"), "!stale_fence fence"},
	{"own", "section_unlock{'section_id':'forced','fence':3}", "'fence':3"},
};

static void test_lease(void)
{
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, "text");
	PLAY(&w, "lease", lease);
	world_end(&w, "lease");
}

/* A connection's own messages carry the fences of its locks, but for taking another. */
static void test_implicit(void)
{
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, "text");
	check(&w, "ed", "section_lock{'section_id':'s'}", "'fence':1", "implicit fence");
	w.fence = 1;
	check(&w, "ed", PUT("s"), "'version':9", "implicit fence");
	w.fence = 1;
	check(&w, "ed", "section_lock{'section_id':'s'}", "!section_locked ed +60",
	      "implicit fence");
	w.fence = 2;
	check(&w, "ed", PUT("s"), "!section_locked ed +60", "another implicit fence");
	w.fence = 1;
	check(&w, "ed", PUT("other"), "'version':10", "a fence of a section that is not locked");
	w.fence = 1;
	check(&w, "ed", "section_unlock{'section_id':'s'}", "'user_id':'ed' & -'by'",
	      "implicit fence");
	w.fence = 1;
	check(&w, "ed", PUT("s"), "'version':12", "what is not told is not stale");
	world_end(&w, "implicit fence");
	world_init(&w);
	w.limits.lock_seconds = 30;
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	check(&w, "ed", "section_lock{'section_id':'s'}", "'expires_at':'2024-01-15T10:30:30.000Z'",
	      "the default is within the limit");
	world_end(&w, "lease limit");
}

/* A locked section is settled only by who holds the lock, unless it stays as it is. */
static void test_locked_conflict(void)
{
	static const char *const ways[] = {"'proposed'", "'merged','content':'x'"};
	struct world w;
	char line[200];
	const char *id = NULL;

	world_init(&w);
	world_start(&w, STRATEGY_MANUAL, "text");
	check(&w, "ed", "section_update{'section_id':'s','changes':{'k':1},'base_seq':7}",
	      "'version':8", "locked conflict");
	check(&w, "eve", "section_update{'section_id':'s','changes':{'k':2},'base_seq':7}",
	      "'type':'conflict_detected'", "locked conflict");
	check(&w, "ed", "section_lock{'section_id':'s'}", "'fence':1", "locked conflict");
	check(&w, "eve", "section_update{'section_id':'s','changes':{'k':2},'base_seq':7}",
	      "!section_locked ed +60", "locked conflict");
	id = w.s.conflicts.entries[0].key;
	w.dry = true;
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(line, sizeof line,
		               "conflict_resolved{'conflict_id':'%s','resolution':%s}", id,
		               ways[i]);
		check(&w, "eve", line, "!section_locked ed +60", "locked conflict");
		(void)snprintf(line, sizeof line,
		               "conflict_resolved{'conflict_id':'%s','resolution':%s,'fence':1}",
		               id, ways[i]);
		check(&w, "eve", line, "'version':11", "locked conflict");
	}
	(void)snprintf(line, sizeof line,
	               "conflict_resolved{'conflict_id':'%s','resolution':'current'}", id);
	check(&w, "eve", line, "'version':8", "locked conflict");
	world_end(&w, "locked conflict");
}

/* ---- limits -------------------------------------------------------------------------------- */

/* Below a limit that was lowered to less than there is, what becomes no larger is taken. */
static void lowered_section_bytes(struct world *w)
{
	static const struct line lowered[] = {
		{"ed",
	         "section_update{'section_id':'another','changes':{'content':'1234567890123'}}",
	         "'version':18"},
		{"ed",
	         "section_update{'section_id':'another','changes':{'content':'12345678901234'}}",
	         "!section_too_large"},
		{"ed", "section_update{'section_id':'another','changes':{'content':'123456789'}}",
	         "'version':19"},
	};

	w->limits.section_bytes = 10;
	PLAY(w, "section_bytes lowered", lowered);
}

static void test_section_bytes(void)
{
	static const struct line story[] = {
		/* an id of one byte, and 19 of text */
		{"ed",
	         "section_update{'section_id':'s','changes':{'content':'1234567890123456789'}}",
	         "'version':8"},
		{"ed",
	         "section_update{'section_id':'s','changes':{'content':'12345678901234567890'}}",
	         "!section_too_large"},
		{"ed",
	         "section_update{'section_id':'s','changes':{'delta':[{'d':1},'ab']},'base_seq':8}",
	         "!section_too_large"},
		{"ed",
	         "section_update{'section_id':'s','changes':{'delta':[{'d':2},'ab']},'base_seq':8}",
	         "'version':9"},
		/* bytes, not code points, count; deleted ones too */
		{"ed",
	         "section_update{'section_id':'s','changes':{'delta':[{'d':2},'\u00e9']},'base_seq'"
	         ":9}",
	         "'version':10"},
		{"ed",
	         "section_update{'section_id':'s','changes':{'delta':['ab',1,{'d':1}]},'base_seq':"
	         "10}",
	         "!section_too_large"},
		{"ed",
	         "section_update{'section_id':'s','changes':{'delta':['ab',{'d':1}]},'base_seq':"
	         "10}",
	         "'version':11"},
		/* keys count as JSON does */
		{"ed", "section_update{'section_id':'s','changes':{'content':'','k':{'a':[1]}}}",
	         "'version':12"},
		{"ed", "section_update{'section_id':'s','changes':{'k':{'b':null,'a':[1,2]}}}",
	         "'version':13"},
		{"ed", "section_update{'section_id':'s','changes':{'l':1}}", "!section_too_large"},
		{"ed", "section_update{'section_id':'s','changes':{'l':1,'k':{'a':null}}}",
	         "'version':14"},
		{"ed", "section_update{'section_id':'s','changes':{'content':[123456]}}",
	         "!section_too_large"},
		{"ed", "section_update{'section_id':'s','changes':{'content':[1]}}",
	         "'version':15"},
		{"ed", "section_update{'section_id':'s','changes':{'content':null}}",
	         "'version':16"},
		{"ed",
	         "section_update{'section_id':'another','changes':{'content':'12345678901234'}}",
	         "!section_too_large"},
		{"ed",
	         "section_update{'section_id':'another','changes':{'content':'1234567890123'}}",
	         "'version':17"},
	};
	struct world w;

	world_init(&w);
	w.limits.section_bytes = 20;
	world_start(&w, STRATEGY_LAST_WRITE_WINS, "text");
	PLAY(&w, "section_bytes", story);
	lowered_section_bytes(&w);
	w.limits.section_bytes = 0;
	check(&w, "ed", "section_update{'section_id':'another','changes':{'k':'12345678901234'}}",
	      "'version':20", "no limit");
	world_end(&w, "section_bytes");
}

static void test_state_bytes(void)
{
	static const struct line story[] = {
		{"ed", "section_update{'section_id':'t','changes':{'content':'12345'}}",
	         "!state_too_large"},
		{"ed", "section_update{'section_id':'t','changes':{'content':'1234'}}",
	         "'version':8"},
		{"ed", "comment_added{'section_id':'s','content':'1'}", "!state_too_large"},
		{"ed", "section_update{'section_id':'s','changes':{'content':''}}", "'version':9"},
		{"ed", "comment_added{'section_id':'s','content':'1234','mentions':['a']}",
	         "!state_too_large"},
		{"ed",
	         "comment_added{'section_id':'s','content':'1234','comment_id':"
	         "'c0000000-0000-4000-8000-000000000001'}",
	         "'content':'1234'"},
		{"ed",
	         "comment_edited{'comment_id':'c0000000-0000-4000-8000-000000000001',"
	         "'content':'12345'}",
	         "!state_too_large"},
		{"ed",
	         "comment_edited{'comment_id':'c0000000-0000-4000-8000-000000000001',"
	         "'content':'123','mentions':[]}",
	         "'content':'123'"},
		{"ed", "section_update{'section_id':'s','changes':{'content':'12'}}",
	         "!state_too_large"},
		{"ed", "section_update{'section_id':'s','changes':{'content':'1'}}",
	         "'version':12"},
	};
	struct world w;

	world_init(&w);
	w.limits.state_bytes = 10;
	world_start(&w, STRATEGY_LAST_WRITE_WINS, "text");
	PLAY(&w, "state_bytes", story);
	is_int((int64_t)w.s.bytes, 10, "full");
	world_end(&w, "state_bytes");
}

/* Open proposals count, until they are settled. */
static void test_bytes_of_conflicts(void)
{
	struct world w;
	char line[200];

	world_init(&w);
	w.limits.state_bytes = 58;
	world_start(&w, STRATEGY_MANUAL, "text");
	check(&w, "ed", "section_update{'section_id':'s','changes':{'content':'x'},'base_seq':7}",
	      "'version':8", "proposals");
	check(&w, "eve",
	      "section_update{'section_id':'s','changes':{'content':'1234567890',"
	      "'k':'1234567890'},'base_seq':7}",
	      "'type':'conflict_detected'", "proposals");
	is_int((int64_t)w.s.bytes, 44, "a proposal counts");
	check(&w, "eve", "section_update{'section_id':'s','changes':{'content':''},'base_seq':7}",
	      "!state_too_large", "proposals");
	(void)snprintf(line, sizeof line,
	               "conflict_resolved{'conflict_id':'%s','resolution':'proposed'}",
	               w.s.conflicts.entries[0].key);
	check(&w, "own", line, "'version':10", "a proposal makes room for itself");
	is_int((int64_t)w.s.bytes, 28, "it is gone");
	w.limits.section_bytes = 30;
	check(&w, "eve",
	      "section_update{'section_id':'s','changes':{'content':'12345678901234'},"
	      "'base_seq':7}",
	      "!section_too_large", "a proposal that could never be applied");
	world_end(&w, "proposals");
}

static void test_counts(void)
{
	static const struct line story[] = {
		{"ed", PUT("t"), "'version':8"},
		{"ed", PUT("u"), "!too_many_sections"},
		{"ed", PUT("t"), "'version':9"},
		{"ed", "section_deleted{'section_id':'t'}", "'section_id':'t'"},
		{"ed", PUT("u"), "'version':11"},
		{"ed", "comment_added{'section_id':'s','content':'1'}", "'content':'1'"},
		{"ed",
	         "comment_added{'section_id':'s','content':'2','comment_id':"
	         "'c0000000-0000-4000-8000-000000000001'}",
	         "'content':'2'"},
		{"ed", "comment_added{'section_id':'s','content':'3'}", "!too_many_comments"},
		{"ed", "comment_deleted{'comment_id':'c0000000-0000-4000-8000-000000000001'}",
	         "'type':'comment_deleted'"},
		{"ed", "comment_added{'section_id':'s','content':'3'}", "'content':'3'"},
		/* names that are locked before they are sections */
		{"ed", "section_lock{'section_id':'a'}", "'fence':1"},
		{"ed", "section_lock{'section_id':'s'}", "'fence':1"},
		{"ed", "section_lock{'section_id':'b'}", "!too_many_sections"},
		{"ed", "section_lock{'section_id':'u'}", "'fence':1"},
		{"ed", "section_unlock{'section_id':'a','fence':1}", "'section_id':'a'"},
		{"ed", "section_lock{'section_id':'a'}", "'fence':2"},
	};
	struct world w;

	world_init(&w);
	w.limits.sections = 2;
	w.limits.comments = 2;
	world_start(&w, STRATEGY_LAST_WRITE_WINS, "text");
	PLAY(&w, "counts", story);
	w.limits.sections = 0;
	w.limits.comments = 0;
	check(&w, "ed", PUT("v"), "'content':'x'", "no limit");
	check(&w, "ed", "section_lock{'section_id':'w'}", "'fence':1", "no limit");
	check(&w, "ed", "comment_added{'section_id':'s','content':'4'}", "'content':'4'",
	      "no limit");
	world_end(&w, "counts");
}

int main(void)
{
	test_lease();
	test_implicit();
	test_locked_conflict();
	test_section_bytes();
	test_state_bytes();
	test_bytes_of_conflicts();
	test_counts();
	return done();
}
