/* decide: the strategy manual, and how its conflicts are settled. */
#include "decide_test.h"

/* The conflict that came last, in a line that names it as %s. */
static const char *about_last(const struct world *w, const char *line)
{
	static char out[300];
	const struct map *m = &w->s.conflicts;
	const char *head = strstr(line, "%s");

	(void)snprintf(out, sizeof out, "%.*s%s%s", (int)(head - line), line,
	               m->entries[m->used - 1].key, head + 2);
	return out;
}

#define RESOLVE "conflict_resolved{'conflict_id':'%s','resolution':"

static void test_manual(void)
{
	static const struct line story[] = {
		{"ed", "section_update{'section_id':'s','changes':{'content':'x'}}",
	         "!base_required base_seq"},
		{"ed", "section_update{'section_id':'s','changes':{'content':'ed 1'},'base_seq':7}",
	         "'content':'ed 1' & 'version':8"},
		{"ed", "section_update{'section_id':'s','changes':{'delta':[4,'!']},'base_seq':8}",
	         "'delta':[4,'!'] & 'version':9"},
		{"own", "section_update{'section_id':'s','changes':{'k':1},'base_seq':9}",
	         "'version':10"},
		{"eve", "section_update{'section_id':'s','changes':{'content':'eve'},'base_seq':7}",
	         "'type':'conflict_detected' & 'base_seq':7 & 'current_seq':10 & "
	         "'proposed_changes':{'content':'eve'} & 'conflicting_users':['ed','own'] & "
	         "-'version'"},
		{"eve", "section_update{'section_id':'s','changes':{},'base_seq':7}", "unchanged"},
		{"eve", "section_update{'section_id':'s','changes':{'delta':[]},'base_seq':7}",
	         "unchanged"},
		{"eve", "section_update{'section_id':'s','changes':{'delta':[5,'x']},'base_seq':7}",
	         "!bad_delta"},
		{"eve",
	         "section_update{'section_id':'s','changes':{'delta':[4,'\u00e9']},'base_seq':7}",
	         "'proposed_changes':{'content':'text\u00e9'}"},
		{"eve",
	         "section_update{'section_id':'s','changes':{'delta':[{'d':4}],'k':2},'base_seq':"
	         "7}",
	         "'proposed_changes':{'content':'','k':2}"},
		{"eve", "section_update{'section_id':'s','changes':{'k':3},'base_seq':7}",
	         "'proposed_changes':{'k':3}"},
		{"eve", "section_update{'section_id':'s','changes':{'content':null},'base_seq':7}",
	         "'proposed_changes':{'content':null}"},
		/* a new section cannot be stale */
		{"eve", "section_update{'section_id':'n','changes':{'content':'x'},'base_seq':0}",
	         "'version':16"},
	};
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_MANUAL, "text");
	PLAY(&w, "manual", story);
	is_int(w.s.conflicts_open, 5, "conflicts");
	is_str(text_of(&w, "s"), "ed 1!", "nothing stale was applied");
	world_end(&w, "manual");
}

/* Make a conflict about `s`, whose version is 8, from the base 7. */
static void quarrel(struct world *w, const char *proposal)
{
	world_init(w);
	world_start(w, STRATEGY_MANUAL, "text");
	check(w, "ed", "section_update{'section_id':'s','changes':{'content':'mine'},'base_seq':7}",
	      "'version':8", "conflict");
	check(w, "eve", proposal, "'type':'conflict_detected'", "conflict");
}

static const char proposal[] =
	"section_update{'section_id':'s','changes':{'content':'hers','k':{'a':1}},'base_seq':7}";

static void test_resolutions(void)
{
	static const struct {
		const char *line, *want, *text;
	} rows[] = {
		{RESOLVE "'current'}", "'resolution':'current' & 'version':8 & -'changes'", "mine"},
		{RESOLVE "'proposed'}",
	         "'changes':{'content':'hers','k':{'a':1}} & 'version':10 & 'section_id':'s'",
	         "hers"},
		{RESOLVE "'merged','content':'ours'}",
	         "'changes':{'content':'ours'} & 'version':10", "ours"},
		{RESOLVE "'merged','content':[1]}", "'changes':{'content':[1]} & 'version':10",
	         NULL},
		{RESOLVE "'current','base_seq':10}", "!bad_base base_seq", "mine"},
	};
	struct world w;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		quarrel(&w, proposal);
		check(&w, "own", about_last(&w, rows[i].line), rows[i].want, "resolution");
		is_str(text_of(&w, "s"), rows[i].text, "the text");
		if (w.s.conflicts_open == 0)
			check(&w, "own", about_last(&w, rows[i].line), "!conflict_closed",
			      "settled");
		world_end(&w, "resolution");
	}
}

/* What moved since people saw it is settled only by who has seen that. */
static void test_moved(void)
{
	static const char *const resolutions[] = {"'current'", "'proposed'",
	                                          "'merged','content':'ours'"};
	struct world w;
	char line[200];

	for (size_t i = 0; i < 3; i++) {
		quarrel(&w, proposal);
		check(&w, "ed", "section_update{'section_id':'s','changes':{'k':2},'base_seq':9}",
		      "'version':10", "moved");
		(void)snprintf(line, sizeof line, RESOLVE "%s}", "%s", resolutions[i]);
		check(&w, "own", about_last(&w, line), "!version_mismatch 10", "moved");
		(void)snprintf(line, sizeof line, RESOLVE "%s,'base_seq':9}", "%s", resolutions[i]);
		check(&w, "own", about_last(&w, line), "!version_mismatch 10", "moved");
		(void)snprintf(line, sizeof line, RESOLVE "%s,'base_seq':10}", "%s",
		               resolutions[i]);
		check(&w, "own", about_last(&w, line), "'type':'conflict_resolved'", "moved");
		world_end(&w, "moved");
	}
	quarrel(&w, proposal);
	check(&w, "ed", "section_deleted{'section_id':'s'}", "'type':'section_deleted'", "deleted");
	check(&w, "own", about_last(&w, RESOLVE "'proposed'}"), "!version_mismatch 0", "deleted");
	check(&w, "own", about_last(&w, RESOLVE "'proposed','base_seq':10}"), "'version':11",
	      "deleted");
	is_str(text_of(&w, "s"), "hers", "a deleted section comes back");
	world_end(&w, "deleted");
	quarrel(&w, proposal);
	check(&w, "ed", "section_deleted{'section_id':'s'}", "'type':'section_deleted'", "deleted");
	check(&w, "own", about_last(&w, RESOLVE "'current','base_seq':10}"), "-'version'",
	      "deleted");
	world_end(&w, "deleted");
}

static void test_no_conflict(void)
{
	struct world w;

	quarrel(&w, proposal);
	check(&w, "own",
	      "conflict_resolved{'conflict_id':'00000000-0000-4000-8000-00000000ffff',"
	      "'resolution':'current'}",
	      "!no_conflict", "conflicts");
	world_end(&w, "conflicts");
}

/* A proposal that another implementation left as an operation cannot be applied. */
static void test_foreign_proposal(void)
{
	struct world w;
	struct conflict *k = NULL;
	json_t *op = json_array();

	quarrel(&w, proposal);
	k = w.s.conflicts.entries[0].value;
	(void)json_array_append_new(op, json_string("x"));
	(void)json_object_set_new(k->proposed, "delta", op);
	check(&w, "own", about_last(&w, RESOLVE "'proposed'}"), "!bad_delta", "foreign proposal");
	check(&w, "own", about_last(&w, RESOLVE "'merged','content':'x'}"), "'content':'x'",
	      "foreign proposal");
	world_release(&w);
}

int main(void)
{
	test_manual();
	test_resolutions();
	test_moved();
	test_no_conflict();
	test_foreign_proposal();
	return done();
}
