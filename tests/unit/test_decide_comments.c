/* decide: comments and their anchors. */
#include "decide_test.h"

#define A "a0000000-0000-4000-8000-00000000000a"
#define B "b0000000-0000-4000-8000-00000000000b"
#define C "c0000000-0000-4000-8000-00000000000c"
#define NONE "00000000-0000-4000-8000-00000000ffff"
#define ADD(id, text) "comment_added{'section_id':'s','comment_id':'" id "','content':'" text "'"
#define UNDER(id) ",'parent_comment_id':'" id "'}"

static void test_threads(void)
{
	static const struct line story[] = {
		{"ed", "comment_added{'section_id':'s','content':' x '}",
	         "'content':'x' & 'comment_id':'00000000-"},
		{"com", ADD(A, "a") "}",
	         "'comment_id':'" A "' & 'parent_comment_id':null & 'user_id':'com'"},
		{"ed", ADD(A, "a") "}", "!comment_exists comment_id"},
		{"ed", ADD(B, "b") UNDER(NONE), "!no_comment"},
		{"ed", ADD(B, "b") UNDER(A), "'parent_comment_id':'" A "'"},
		{"ed", ADD(C, "c") UNDER(B), "'parent_comment_id':'" A "'"},
		{"ed", "comment_added{'section_id':'t','content':'c'" UNDER(A),
	         "!bad_field section_id"},
		/* a reply stands for its thread, of which the root's author is the owner */
		{"com", "comment_resolved{'comment_id':'" C "'}",
	         "'comment_id':'" A "' & 'resolved_by':'com'"},
		{"com", "comment_resolved{'comment_id':'" A "'}", "unchanged"},
		{"com", "comment_reopened{'comment_id':'" B "'}", "'comment_id':'" A "'"},
		{"com", "comment_reopened{'comment_id':'" A "'}", "unchanged"},
		{"com", "comment_resolved{'comment_id':'" NONE "'}", "!no_comment"},
		{"com", "comment_deleted{'comment_id':'" NONE "'}", "!no_comment"},
		{"com", "comment_edited{'comment_id':'" NONE "','content':'x'}", "!no_comment"},
		/* edits */
		{"com", "comment_edited{'comment_id':'" A "','content':'a'}", "unchanged"},
		{"com", "comment_edited{'comment_id':'" A "','content':'a2'}",
	         "'content':'a2' & -'mentions' & 'comment_id':'" A "'"},
		{"com", "comment_edited{'comment_id':'" A "','content':'a2','mentions':['ed']}",
	         "'mentions':['ed']"},
		{"admin", "comment_edited{'comment_id':'" A "','content':'a3'}",
	         "'user_id':'admin'"},
		/* a root with replies leaves a tombstone, the rest goes */
		{"com", "comment_deleted{'comment_id':'" A "'}", "'comment_id':'" A "'"},
		{"com", "comment_deleted{'comment_id':'" A "'}", "unchanged"},
		{"com", "comment_edited{'comment_id':'" A "','content':'x'}",
	         "!comment_is_deleted"},
		{"com", "comment_resolved{'comment_id':'" A "'}", "!comment_is_deleted"},
		{"ed", "comment_resolved{'comment_id':'" B "'}", "!comment_is_deleted"},
		{"ed", "comment_reopened{'comment_id':'" B "'}", "!comment_is_deleted"},
		{"ed", ADD(A, "a") "}", "!comment_exists comment_id"},
		{"ed", "comment_deleted{'comment_id':'" B "'}", "'comment_id':'" B "'"},
		{"own", "comment_deleted{'comment_id':'" C "'}", "'comment_id':'" C "'"},
		{"ed", "comment_deleted{'comment_id':'" A "'}", "!no_comment"},
	};
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	PLAY(&w, "threads", story);
	world_end(&w, "threads");
}

/* What the parser checks is checked here again: not all commands come from it. */
static void test_text(void)
{
	struct world w;
	struct command c;
	const char *mentions[MENTIONS_MAX + 1];
	char *text = xalloc(malloc(4 * (COMMENT_CHARS_MAX + 1)));

	for (size_t i = 0; i <= COMMENT_CHARS_MAX; i++)
		memcpy(text + 4 * i, "\U0001f600", 4);
	for (size_t i = 0; i <= MENTIONS_MAX; i++)
		mentions[i] = "ed";
	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	command_init(&c, COMMAND_COMMENT_ADD);
	c.section_id = "s";
	c.text = text;
	world_do(&w, &c, "com");
	is_str(w.got, "!bad_field content", "an empty comment");
	c.text_len = 4 * (COMMENT_CHARS_MAX + 1);
	world_do(&w, &c, "com");
	is_str(w.got, "!bad_field content", "too many characters");
	c.text_len -= 4;
	is_int(world_do(&w, &c, "com"), 0, "not too many, whatever their bytes");
	c.mentions = mentions;
	c.mentions_len = MENTIONS_MAX + 1;
	world_do(&w, &c, "com");
	is_str(w.got, "!bad_field mentions", "too many mentions");
	c.mentions_len--;
	is_int(world_do(&w, &c, "com"), 0, "not too many");
	c.kind = COMMAND_COMMENT_EDIT;
	c.text_len = 4;
	c.comment_id = w.s.comments.entries[1].key;
	c.mentions_len = 0;
	world_do(&w, &c, "com");
	ok(world_got(&w, "'mentions':[]"), "an edit that mentions nobody any more");
	c.mentions = NULL;
	world_do(&w, &c, "com");
	is_str(w.got, "unchanged", "an edit that leaves text and mentions");
	world_end(&w, "texts");
	free(text);
}

/* ---- anchors ------------------------------------------------------------------------------- */

#define ANCHOR(from, to, base)                                                                     \
	"comment_added{'section_id':'s','content':'x','anchor':{'from':" from ",'to':" to base "}" \
	"}"
#define BASE(seq) ",'base_seq':" seq

/* The text at 7 is "0123456789", then it changes. */
static const struct {
	const char *change; /* NULL: none */
	const char *line, *want;
	bool orphaned;
} anchors[] = {
	{NULL, ANCHOR("2", "5", ""), "'from':2,'to':5 & 'base_seq':7", false},
	{NULL, ANCHOR("2", "5", BASE("7")), "'from':2,'to':5", false},
	{NULL, ANCHOR("0", "10", BASE("3")), "!bad_field anchor", false},
	{NULL, ANCHOR("0", "0", BASE("3")), "'from':10,'to':10", false},
	{NULL, ANCHOR("0", "11", ""), "!bad_field anchor", false},
	{NULL, ANCHOR("10", "10", ""), "'from':10,'to':10", false},
	{NULL, ANCHOR("2", "5", BASE("8")), "!bad_base anchor.base_seq", false},
	{"'delta':['ab'],'k':1", ANCHOR("2", "5", BASE("7")), "'from':4,'to':7 & 'base_seq':8",
         false},
	{"'delta':['ab'],'k':1", ANCHOR("2", "5", BASE("8")), "'from':2,'to':5", false},
	{"'delta':['ab'],'k':1", ANCHOR("0", "12", BASE("7")), "!bad_field anchor", false},
	{"'delta':[3,'ab']", ANCHOR("2", "5", BASE("7")), "'from':2,'to':7", false},
	{"'delta':[2,'ab']", ANCHOR("2", "5", BASE("7")), "'from':4,'to':7", false},
	{"'delta':[5,'ab']", ANCHOR("2", "5", BASE("7")), "'from':2,'to':5", false},
	{"'delta':[2,'ab']", ANCHOR("2", "2", BASE("7")), "'from':4,'to':4", false},
	{"'delta':[1,{'d':2}]", ANCHOR("2", "5", BASE("7")), "'from':1,'to':3", false},
	{"'delta':[1,{'d':5}]", ANCHOR("2", "5", BASE("7")), "'from':1,'to':6", true},
	{"'content':'replaced'", ANCHOR("2", "5", BASE("7")), "'from':", true},
	{"'content':'>> 0123456789'", ANCHOR("2", "5", BASE("7")), "'from':5,'to':8", false},
	{"'content':7", ANCHOR("2", "5", BASE("7")), "'from':0,'to':1", true},
	{"'k':1", ANCHOR("2", "5", BASE("7")), "'from':2,'to':5 & 'base_seq':8", false},
};

static void test_anchors(void)
{
	struct world w;
	char line[200];

	for (size_t i = 0; i < sizeof anchors / sizeof anchors[0]; i++) {
		const struct map *m = &w.s.comments;

		world_init(&w);
		world_start(&w, STRATEGY_LAST_WRITE_WINS, "0123456789");
		(void)snprintf(line, sizeof line,
		               "section_update{'section_id':'s','changes':{%s},'base_seq':7}",
		               anchors[i].change ? anchors[i].change : "");
		if (anchors[i].change)
			check(&w, "ed", line, "'version':8", "anchors");
		check(&w, "com", anchors[i].line, anchors[i].want,
		      anchors[i].change ? anchors[i].change : "anchors");
		if (m->used)
			ok(((struct comment *)m->entries[0].value)->orphaned == anchors[i].orphaned,
			   "%s", anchors[i].orphaned ? "an orphan" : "no orphan");
		world_end(&w, "anchors");
	}
}

/* Where there is no section there is no text to be anchored to; the comment is welcome. */
static void test_adrift(void)
{
	struct world w;
	const struct comment *c = NULL;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, "0123456789");
	check(&w, "ed", "section_deleted{'section_id':'s'}", "'section_id':'s'", "adrift");
	check(&w, "com", ANCHOR("2", "5", BASE("7")), "'from':2,'to':5", "adrift");
	c = w.s.comments.entries[0].value;
	ok(c->orphaned, "an orphan");
	world_end(&w, "adrift");
}

int main(void)
{
	test_threads();
	test_text();
	test_anchors();
	test_adrift();
	return done();
}
