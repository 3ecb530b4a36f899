/* decide: changes of sections under each strategy, versions, old bases. */
#include "decide_test.h"

/* ---- last_write_wins ----------------------------------------------------------------------- */

static void test_last_write_wins(void)
{
	static const struct line story[] = {
		{"ed", "section_update{'section_id':'s','changes':{'content':'one'}}",
	         "'content':'one' & 'version':8 & -'overwrote' & -'delta'"},
		{"eve", "section_update{'section_id':'s','changes':{'content':'two'},'base_seq':7}",
	         "'content':'two' & 'overwrote':[8] & 'version':9"},
		{"ed", "section_update{'section_id':'s','changes':{'content':'3'},'base_seq':7}",
	         "'overwrote':[9]"},
		{"own", "section_update{'section_id':'s','changes':{'content':'4'},'base_seq':0}",
	         "'overwrote':[8,9,10]"},
		{"eve", "section_update{'section_id':'s','changes':{'content':'5'},'base_seq':11}",
	         "-'overwrote'"},
		{"eve", "section_update{'section_id':'s','changes':{'content':'6'},'base_seq':13}",
	         "!bad_base base_seq"},
		{"eve", "section_update{'section_id':'s','changes':{'content':'6'}}",
	         "-'overwrote' & 'version':13"},
		/* other keys: only what sets the same key is replaced */
		{"ed",
	         "section_update{'section_id':'s','changes':{'a':1,'b':{'x':1}},'base_seq':13}",
	         "'version':14"},
		{"eve", "section_update{'section_id':'s','changes':{'b':{'y':1}},'base_seq':13}",
	         "'overwrote':[14]"},
		{"own", "section_update{'section_id':'s','changes':{'c':1},'base_seq':13}",
	         "-'overwrote'"},
		{"own", "section_update{'section_id':'s','changes':{'content':'7'},'base_seq':13}",
	         "-'overwrote'"},
		{"ed",
	         "section_update{'section_id':'s','changes':{'a':2,'content':'8'},'base_seq':13}",
	         "'overwrote':[17]"},
		{"eve", "section_update{'section_id':'s','changes':{'a':null},'base_seq':13}",
	         "'overwrote':[14,18]"},
		/* a content that is not text */
		{"ed", "section_update{'section_id':'s','changes':{'content':[1]},'base_seq':17}",
	         "'content':[1] & -'overwrote'"},
		{"eve", "section_update{'section_id':'s','changes':{'content':null},'base_seq':19}",
	         "'content':null & 'overwrote':[20]"},
		{"eve", "section_update{'section_id':'s','changes':{}}", "unchanged"},
		{"eve", "section_update{'section_id':'n','changes':{}}", "'changes':{}"},
	};
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, "zero");
	PLAY(&w, "last_write_wins", story);
	world_end(&w, "last_write_wins");
}

/* ---- deltas, under last_write_wins and merge alike ----------------------------------------- */

static void test_deltas(enum strategy strategy)
{
	static const struct line story[] = {
		{"ed", "section_update{'section_id':'s','changes':{'delta':[5,'x']}}",
	         "!base_required base_seq"},
		{"ed",
	         "section_update{'section_id':'s','changes':{'delta':[5,'x']},'if_version':7}",
	         "!base_required base_seq"},
		{"ed", "section_update{'section_id':'s','changes':{'delta':[5,'x']},'base_seq':7}",
	         "!bad_delta"},
		{"ed", "section_update{'section_id':'s','changes':{'delta':[4,'!']},'base_seq':7}",
	         "'delta':[4,'!'] & 'version':8"},
		{"eve", "section_update{'section_id':'s','changes':{'delta':['>']},'base_seq':8}",
	         "'delta':['>'] & 'version':9"},
		{"own", "section_update{'section_id':'s','changes':{'delta':[4,'?']},'base_seq':7}",
	         "'delta':[5,'?'] & 'version':10"},
		{"own",
	         "section_update{'section_id':'s','changes':{'delta':[{'d':4}]},'base_seq':7}",
	         "'delta':[1,{'d':4}]"},
		{"eve",
	         "section_update{'section_id':'s','changes':{'delta':[{'d':4}]},'base_seq':7}",
	         "unchanged"},
		{"eve",
	         "section_update{'section_id':'s','changes':{'delta':[{'d':4}],'k':1},'base_seq':"
	         "7}",
	         "'changes':{'k':1} & 'version':12"},
		{"eve", "section_update{'section_id':'s','changes':{'delta':[]},'base_seq':7}",
	         "unchanged"},
		{"eve",
	         "section_update{'section_id':'s','changes':{'delta':[{'d':6}]},'base_seq':7}",
	         "!bad_delta"},
		{"eve", "section_update{'section_id':'s','changes':{'delta':['x']},'base_seq':99}",
	         "!bad_base base_seq"},
		/* sections that do not exist, and content that is no text */
		{"eve", "section_update{'section_id':'n','changes':{'delta':[1,'x']},'base_seq':7}",
	         "!no_section"},
		{"eve", "section_update{'section_id':'n','changes':{'delta':['x']},'base_seq':7}",
	         "'delta':['x'] & 'version':13"},
		{"eve", "section_update{'section_id':'n','changes':{'delta':['y']},'base_seq':7}",
	         "'delta':['y'] & 'version':14"},
		{"eve", "section_update{'section_id':'n','changes':{'content':7},'base_seq':14}",
	         "'content':7"},
		{"eve", "section_update{'section_id':'n','changes':{'delta':['y']},'base_seq':15}",
	         "!bad_delta delta"},
		{"eve", "section_update{'section_id':'n','changes':{'delta':['y']},'base_seq':14}",
	         "!bad_delta delta"},
		/* keys beside a delta are the last writer's */
		{"ed", "section_update{'section_id':'s','changes':{'k':3},'base_seq':15}",
	         "'version':16"},
		{"eve",
	         "section_update{'section_id':'s','changes':{'delta':['y'],'k':2},'base_seq':15}",
	         "'overwrote':[16]"},
	};
	struct world w;

	world_init(&w);
	world_start(&w, strategy, "zero");
	PLAY(&w, strategy_name(strategy), story);
	is_str(text_of(&w, "s"), "y>?!", "the text");
	world_end(&w, strategy_name(strategy));
}

/* ---- merge --------------------------------------------------------------------------------- */

static void test_merge(void)
{
	static const struct line story[] = {
		{"ed", "section_update{'section_id':'s','changes':{'content':'x'}}",
	         "!base_required base_seq"},
		{"ed", "section_update{'section_id':'s','changes':{'k':1}}",
	         "!base_required base_seq"},
		{"ed",
	         "section_update{'section_id':'s','changes':{'content':'the brown "
	         "fox'},'base_seq':7}",
	         "'delta':[4,'brown '] & -'content'"},
		{"eve",
	         "section_update{'section_id':'s','changes':{'content':'the fox "
	         "ran'},'base_seq':7}",
	         "'delta':[13,' ran']"},
		{"own",
	         "section_update{'section_id':'s','changes':{'content':'a fox'},'base_seq':7}",
	         "-'content' & 'delta':["},
		{"ed",
	         "section_update{'section_id':'s','changes':{'content':'a brown fox ran'},"
	         "'if_version':10}",
	         "unchanged"},
		{"ed",
	         "section_update{'section_id':'s','changes':{'content':'a brown fox ran','k':1},"
	         "'if_version':10}",
	         "'changes':{'k':1}"},
		/* not texts: replaced */
		{"ed", "section_update{'section_id':'s','changes':{'content':{}},'base_seq':8}",
	         "'content':{} & 'overwrote':[9,10]"},
		{"ed",
	         "section_update{'section_id':'s','changes':{'content':'again'},'base_seq':12}",
	         "'content':'again'"},
		/* new sections store content; two who make one at once both keep their words */
		{"ed", "section_update{'section_id':'n','changes':{'content':'mine'}}",
	         "'content':'mine' & 'version':14"},
		{"eve",
	         "section_update{'section_id':'n','changes':{'content':'yours'},'base_seq':13}",
	         "'delta':['yours']"},
		{"eve", "section_update{'section_id':'n','changes':{'content':'yours'}}",
	         "!base_required base_seq"},
		/* deletes and replacements in between */
		{"ed", "section_deleted{'section_id':'n','base_seq':14}", "!version_mismatch 15"},
		{"ed", "section_deleted{'section_id':'n','base_seq':15}", "'section_id':'n'"},
		{"eve",
	         "section_update{'section_id':'n','changes':{'delta':[4,'x']},'base_seq':15}",
	         "!no_section"},
		{"eve",
	         "section_update{'section_id':'n','changes':{'content':'new'},'base_seq':15}",
	         "'content':'new' & 'version':17"},
		{"eve",
	         "section_update{'section_id':'n','changes':{'delta':[5,'x',{'d':4}]},'base_seq':"
	         "15}",
	         "'delta':['x'] & 'version':18"},
	};
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_MERGE, "the fox");
	PLAY(&w, "merge", story);
	is_str(text_of(&w, "n"), "xnew", "the text");
	world_end(&w, "merge");
}

/* A connection's second change must know its first. */
static void test_await_ack(enum strategy strategy, const char *want)
{
	static const char line[] =
		"section_update{'section_id':'s','changes':{'k':2},'base_seq':7}";
	struct world w;

	world_init(&w);
	world_start(&w, strategy, "text");
	check(&w, "ed", "section_update{'section_id':'s','changes':{'k':1},'base_seq':7}",
	      "'version':8", "await_ack");
	w.own = 8;
	check(&w, "ed", line, want, strategy_name(strategy));
	w.own = 8;
	check(&w, "ed", "section_update{'section_id':'s','changes':{'k':2},'base_seq':8}",
	      "'changes':{'k':2}", strategy_name(strategy));
	world_end(&w, "await_ack");
}

/* ---- versions ------------------------------------------------------------------------------ */

static void test_versions(enum strategy strategy)
{
	static const struct line story[] = {
		{"ed", "section_update{'section_id':'s','changes':{'content':'x'},'if_version':6}",
	         "!version_mismatch 7"},
		{"ed", "section_update{'section_id':'s','changes':{'content':'x'},'if_version':0}",
	         "!version_mismatch 7"},
		{"ed", "section_update{'section_id':'s','changes':{'content':'x'},'if_version':7}",
	         "'version':8"},
		{"ed", "section_update{'section_id':'n','changes':{'content':'x'},'if_version':5}",
	         "!version_mismatch 0"},
		{"ed", "section_update{'section_id':'n','changes':{'content':'x'},'if_version':0}",
	         "'version':9"},
		{"ed", "section_deleted{'section_id':'n','if_version':8}", "!version_mismatch 9"},
		{"ed", "section_deleted{'section_id':'n','base_seq':10}", "!bad_base base_seq"},
		{"ed", "section_deleted{'section_id':'n','if_version':9}",
	         "'type':'section_deleted'"},
		{"ed", "section_deleted{'section_id':'n','if_version':9}", "!version_mismatch 0"},
		{"ed", "section_deleted{'section_id':'n'}", "!no_section"},
		{"ed", "section_deleted{'section_id':'s'}", "'section_id':'s'"},
	};
	struct world w;

	world_init(&w);
	world_start(&w, strategy, "text");
	PLAY(&w, strategy_name(strategy), story);
	world_end(&w, "versions");
}

/* A stale delete is the last write under last_write_wins only. */
static void test_stale_delete(enum strategy strategy, const char *want)
{
	struct world w;

	world_init(&w);
	world_start(&w, strategy, "text");
	check(&w, "ed", "section_update{'section_id':'s','changes':{'k':1},'base_seq':7}",
	      "'version':8", "stale delete");
	check(&w, "eve", "section_deleted{'section_id':'s','base_seq':7}", want, "stale delete");
	world_end(&w, "stale delete");
}

/* ---- old bases ----------------------------------------------------------------------------- */

static void test_old_bases(void)
{
	static const struct line story[] = {
		{"ed", "section_update{'section_id':'s','changes':{'delta':['x']},'base_seq':7}",
	         "!base_too_old base_seq"},
		{"ed", "section_update{'section_id':'s','changes':{'content':'x'},'base_seq':7}",
	         "!base_too_old base_seq"},
		{"ed",
	         "comment_added{'section_id':'s','content':'x','anchor':{'from':0,'to':1,"
	         "'base_seq':7}}",
	         "!base_too_old base_seq"},
		{"ed", "section_update{'section_id':'s','changes':{'delta':['x']},'base_seq':8}",
	         "'delta':['x']"},
		{"ed", "section_update{'section_id':'s','changes':{'content':'x'}}",
	         "'content':'x'"},
	};
	struct world w;

	world_init(&w);
	w.limits.base_changes = 16;
	w.s.history_max = 16;
	world_start(&w, STRATEGY_LAST_WRITE_WINS, "text");
	for (int i = 0; i < 17; i++)
		world_say(&w, "eve", "section_update{'section_id':'s','changes':{'content':'y'}}");
	PLAY(&w, "old bases", story);
	world_end(&w, "old bases");
	world_init(&w);
	world_start(&w, STRATEGY_MERGE, "text");
	check(&w, "ed", "section_update{'section_id':'s','changes':{'delta':['x']},'base_seq':7}",
	      "'delta':['x']", "floor");
	w.s.floor = 8;
	check(&w, "ed", "section_update{'section_id':'s','changes':{'delta':['x']},'base_seq':7}",
	      "!base_too_old base_seq", "below the floor");
	check(&w, "ed", "section_update{'section_id':'s','changes':{'delta':['x']},'base_seq':8}",
	      "'delta':['x']", "at the floor");
	world_release(&w);
}

int main(void)
{
	test_last_write_wins();
	test_deltas(STRATEGY_LAST_WRITE_WINS);
	test_deltas(STRATEGY_MERGE);
	test_merge();
	test_await_ack(STRATEGY_LAST_WRITE_WINS, "'changes':{'k':2} & -'overwrote'");
	test_await_ack(STRATEGY_MERGE, "!await_ack base_seq");
	test_await_ack(STRATEGY_MANUAL, "!await_ack base_seq");
	test_versions(STRATEGY_LAST_WRITE_WINS);
	test_versions(STRATEGY_MERGE);
	test_versions(STRATEGY_MANUAL);
	test_stale_delete(STRATEGY_LAST_WRITE_WINS, "'section_id':'s'");
	test_stale_delete(STRATEGY_MERGE, "!version_mismatch 8");
	test_stale_delete(STRATEGY_MANUAL, "!version_mismatch 8");
	test_old_bases();
	return done();
}
