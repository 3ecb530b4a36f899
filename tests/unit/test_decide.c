/* decide: who may do what, refs, whose name and time events have. */
#include "decide_test.h"

#define C_VIEW "c0000000-0000-4000-8000-000000000001"
#define C_COM "c0000000-0000-4000-8000-000000000002"
#define C_ED "c0000000-0000-4000-8000-000000000003"
#define C_OWN "c0000000-0000-4000-8000-000000000004"
#define C_NEW "c0000000-0000-4000-8000-000000000005"

/* ---- roles --------------------------------------------------------------------------------- */

/* Everybody's comment: the viewer's from when they could. */
static void comments_of_all(struct world *w)
{
	static const struct line story[] = {
		{"own", "role{'user_id':'view','role':'editor'}", "'role':'editor'"},
		{"view", "comment_added{'section_id':'s','content':'v','comment_id':'" C_VIEW "'}",
	         "'comment_id':'" C_VIEW "'"},
		{"com", "comment_added{'section_id':'s','content':'c','comment_id':'" C_COM "'}",
	         "'comment_id':'" C_COM "'"},
		{"ed", "comment_added{'section_id':'s','content':'e','comment_id':'" C_ED "'}",
	         "'comment_id':'" C_ED "'"},
		{"own", "comment_added{'section_id':'s','content':'o','comment_id':'" C_OWN "'}",
	         "'comment_id':'" C_OWN "'"},
		{"own", "role{'user_id':'view','role':'viewer'}", "'role':'viewer'"},
		{"own", "add{'user_id':'own2','role':'owner'}", "'role':'owner'"},
	};

	PLAY(w, "roles", story);
}

/*
 * Who may: a character for each of nobody, view, com, ed, own, admin.  '+' yes; else the role that
 * the refusal names: 'c', 'e', 'o', or '-' when no role would do.
 */
static const struct {
	const char *may, *line;
} matrix[] = {
	{"eee+++", "section_update{'section_id':'s','changes':{'content':'x'}}"},
	{"eee+++", "section_update{'section_id':'new','changes':{'content':'x'}}"},
	{"eee+++", "section_update{'section_id':'s','changes':{'delta':['x']},'base_seq':7}"},
	{"eee+++", "section_deleted{'section_id':'s'}"},
	{"eee+++", "section_lock{'section_id':'s'}"},
	{"eee+++", "section_unlock{'section_id':'locked','fence':1}"},
	{"eeeo++", "section_unlock{'section_id':'locked','force':true}"},
	{"cc++++", "comment_added{'section_id':'s','content':'x'}"},
	{"cc++++", "comment_added{'section_id':'s','content':'x','parent_comment_id':'" C_ED "'}"},
	{"cc---+", "comment_edited{'comment_id':'" C_VIEW "','content':'x'}"},
	{"cc+--+", "comment_edited{'comment_id':'" C_COM "','content':'x'}"},
	{"cc-+-+", "comment_edited{'comment_id':'" C_ED "','content':'x'}"},
	{"cc--++", "comment_edited{'comment_id':'" C_OWN "','content':'x'}"},
	{"cce+++", "comment_resolved{'comment_id':'" C_VIEW "'}"},
	{"cc++++", "comment_resolved{'comment_id':'" C_COM "'}"},
	{"cce+++", "comment_resolved{'comment_id':'" C_ED "'}"},
	{"cce+++", "comment_reopened{'comment_id':'" C_OWN "'}"},
	{"cc++++", "comment_reopened{'comment_id':'" C_COM "'}"},
	{"ccoo++", "comment_deleted{'comment_id':'" C_VIEW "'}"},
	{"cc+o++", "comment_deleted{'comment_id':'" C_COM "'}"},
	{"cco+++", "comment_deleted{'comment_id':'" C_ED "'}"},
	{"ccoo++", "comment_deleted{'comment_id':'" C_OWN "'}"},
	{"cc++++", "cursor_position{'section_id':'s','position':0}"},
	{"++++++", "ping"},
	{"++++++", "token_refresh{'token':'x'}"},
	{"v+++++", "presence{}"},
	{"oooo++", "add{'user_id':'bob','role':'viewer'}"},
	{"oooo++", "role{'user_id':'eve','role':'viewer'}"},
	{"oooo++", "remove{'user_id':'eve'}"},
	{"o+oo++", "remove{'user_id':'view'}"},
	{"oo+o++", "remove{'user_id':'com'}"},
	{"ooo+++", "remove{'user_id':'ed'}"},
	{"oooo++", "end{}"},
};

static enum role role_of(char c)
{
	switch (c) {
	case 'v':
		return ROLE_VIEWER;
	case 'c':
		return ROLE_COMMENTER;
	case 'e':
		return ROLE_EDITOR;
	case 'o':
		return ROLE_OWNER;
	default:
		return ROLE_NONE;
	}
}

static void try_all(struct world *w, const char *may, const char *line)
{
	static const char *const users[] = {"nobody", "view", "com", "ed", "own", "admin"};

	for (size_t i = 0; i < 6; i++) {
		char want[64];
		int rc = world_say(w, users[i], line);

		(void)snprintf(want, sizeof want, "!forbidden %s<%s",
		               role_name(session_role(&w->s, users[i])),
		               role_name(role_of(may[i])));
		if (!ok(may[i] == '+' ? rc == 0 : strcmp(w->got, want) == 0, "%s %s: %s", users[i],
		        may[i] == '+' ? "may" : "may not", shown(line)))
			printf("#   got %s\n#   want %s\n", w->got, want);
	}
}

static void test_roles(void)
{
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, "text");
	comments_of_all(&w);
	check(&w, "eve", "section_lock{'section_id':'locked'}", "'fence':1", "roles");
	w.dry = true;
	for (size_t i = 0; i < sizeof matrix / sizeof matrix[0]; i++)
		try_all(&w, matrix[i].may, matrix[i].line);
	world_end(&w, "roles");
}

/* A conflict to settle needs the strategy manual. */
static void test_conflict_roles(void)
{
	struct world w;
	char line[200];

	world_init(&w);
	world_start(&w, STRATEGY_MANUAL, "text");
	check(&w, "ed", "section_update{'section_id':'s','changes':{'content':'x'},'base_seq':7}",
	      "'version':8", "roles");
	check(&w, "eve", "section_update{'section_id':'s','changes':{'content':'y'},'base_seq':7}",
	      "'type':'conflict_detected'", "roles");
	w.dry = true;
	(void)snprintf(line, sizeof line,
	               "conflict_resolved{'conflict_id':'%s','resolution':'current'}",
	               w.s.conflicts.entries[0].key);
	try_all(&w, "eee+++", line);
	(void)snprintf(line, sizeof line,
	               "conflict_resolved{'conflict_id':'%s','resolution':'proposed'}",
	               w.s.conflicts.entries[0].key);
	try_all(&w, "eee+++", line);
	world_end(&w, "roles of conflicts");
}

/* The role is what it is now, and an administrator needs none. */
static void test_role_changes(void)
{
	static const struct line story[] = {
		{"ed", "section_update{'section_id':'s','changes':{'content':'1'}}", "'version':7"},
		{"own", "role{'user_id':'ed','role':'commenter'}", "'by':'own' & 'user_id':'ed'"},
		{"ed", "section_update{'section_id':'s','changes':{'content':'2'}}",
	         "!forbidden commenter<editor"},
		{"own", "remove{'user_id':'ed'}", "'by':'own' & 'reason':'removed'"},
		{"ed", "cursor_position{'section_id':'s','position':0}",
	         "!forbidden none<commenter"},
		{"admin", "section_update{'section_id':'s','changes':{'content':'3'}}",
	         "'user_id':'admin'"},
		{NULL, "section_update{'section_id':'s','changes':{'content':'4'}}", "-user_id"},
	};
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	PLAY(&w, "current roles", story);
	world_end(&w, "current roles");
}

/* ---- refs ---------------------------------------------------------------------------------- */

static void test_refs(void)
{
	static const struct line story[] = {
		{"ed", "section_update#r1{'section_id':'s','changes':{'content':'1'}}",
	         "'version':7 & 'ref':'r1' & 'ref_digest':'"},
		{"ed", "section_update#r1{'section_id':'s','changes':{'content':'1'}}",
	         "duplicate 7"},
		{"ed", "section_update#r1{'section_id':'s','changes':{'content':'2'}}",
	         "!ref_reused ref"},
		{"ed", "section_deleted#r1{'section_id':'s'}", "!ref_reused ref"},
		{"eve", "section_update#r1{'section_id':'s','changes':{'content':'1'}}",
	         "'version':8"},
		{"ed",
	         "section_update#r2{'section_id':'s','changes':{'content':'3'},'if_version':1}",
	         "!version_mismatch 8"},
		{"ed",
	         "section_update#r2{'section_id':'s','changes':{'content':'3'},'if_version':8}",
	         "'version':9"},
		{"own", "remove#r3{'user_id':'ed'}", "'ref':'r3' & 'type':'participant_left'"},
		{"own", "remove#r3{'user_id':'ed'}", "duplicate 10"},
		{"ed", "section_update#r1{'section_id':'s','changes':{'content':'1'}}",
	         "duplicate 7"},
		{"ed", "section_update#r1{'section_id':'s','changes':{'content':'2'}}",
	         "!ref_reused ref"},
		{"ed", "section_update#r4{'section_id':'s','changes':{'content':'2'}}",
	         "!forbidden none<editor"},
		{"own", "end#r5{}", "'ref':'r5' & 'type':'session_ended'"},
		{"own", "end#r5{}", "duplicate 11"},
		{"own", "end#r6{}", "!session_ended"},
		{"ed", "section_update#r1{'section_id':'s','changes':{'content':'1'}}",
	         "duplicate 7"},
	};
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	PLAY(&w, "refs", story);
	world_end(&w, "refs");
}

/* ---- all the rest -------------------------------------------------------------------------- */

/* The clock may be set back; the log's time is not. */
static void test_time(void)
{
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	w.now_ms = TIME + 5000;
	check(&w, "ed", "section_update{'section_id':'s','changes':{'content':'1'}}",
	      "'timestamp':'2024-01-15T10:30:05.000Z'", "time");
	w.now_ms = TIME;
	check(&w, "ed", "section_update{'section_id':'s','changes':{'content':'2'}}",
	      "'timestamp':'2024-01-15T10:30:05.000Z'", "time set back");
	check(&w, "ed", "section_lock{'section_id':'s','ttl_seconds':1}",
	      "'expires_at':'2024-01-15T10:30:06.000Z'", "a lease counts in the log's time");
	world_end(&w, "time");
}

/* Somebody acting as another is named in the event, and has only the other's rights. */
static void test_via(void)
{
	struct world w;
	struct command c;
	struct actor as = {.user_id = "ed", .name = "Ed", .via = "root@local"};
	struct decide_env env = {.now_ms = TIME};
	struct decision d = {0};
	struct err e = {0};

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	env.limits = &w.limits;
	command_init(&c, COMMAND_SECTION_UPDATE);
	c.section_id = "s";
	c.changes.content = "x";
	c.changes.content_len = 1;
	is_int(decide(&w.s, &c, &as, &env, &d, &e), 0, "an administrator acts as ed");
	is_str(d.events[0].via, "root@local", "via");
	is_str(d.events[0].user_id, "ed", "as");
	is_str(d.events[0].user_name, "Ed", "named");
	decision_release(&d);
	command_init(&c, COMMAND_SESSION_END);
	is_int(decide(&w.s, &c, &as, &env, &d, &e), ERR_FORBIDDEN, "but not beyond ed's role");
	decision_release(&d);
	world_end(&w, "via");
}

int main(void)
{
	test_roles();
	test_conflict_roles();
	test_role_changes();
	test_refs();
	test_time();
	test_via();
	return done();
}
