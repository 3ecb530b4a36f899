/* decide_start: settings, people, sections, and what goes on from the session before. */
#include "decide_test.h"

/* The answer to a start: what decide_start says, its events folded into *after. */
struct attempt {
	struct start start;
	struct actor actor;
	struct world after;
	int rc;
	struct err e;
	enum role needs, role;
};

static struct attempt attempt_of(const char *user)
{
	struct attempt a = {.start = {.session_id = SESSION_2, .report_id = "report-1"},
	                    .actor = {.user_id = user, .name = user}};

	settings_default(&a.start.settings);
	return a;
}

static void begin(struct attempt *a, const struct session *before, const struct limits *limits)
{
	struct decide_env env = {.now_ms = TIME + 3600000};
	struct decision d = {0};

	world_init(&a->after);
	env.limits = limits ? limits : &a->after.limits;
	a->rc = decide_start(&a->start, before, &a->actor, &env, &d, &a->e);
	a->needs = d.needs;
	a->role = d.role;
	if (!a->rc && !world_take(&a->after, &d))
		a->rc = ERR_CORRUPT;
	if (a->rc && d.len)
		a->rc = ERR_INTERNAL; /* a refusal with events */
	decision_release(&d);
}

/* The log without what differs between runs: its types, and parts that matter. */
static void is_event(const struct world *w, size_t i, const char *want)
{
	struct world shown_event = {0};
	size_t len = i < w->log_len ? w->log[i].len : 0;

	if (len >= sizeof shown_event.got)
		len = sizeof shown_event.got - 1;
	memcpy(shown_event.got, len ? w->log[i].p : "", len);
	for (size_t k = 0; k < len; k++)
		if (shown_event.got[k] == '"')
			shown_event.got[k] = '\'';
	if (!ok(world_got(&shown_event, want), "event %zu: %s", i + 1, shown(want)))
		printf("#   got %s\n", shown_event.got);
}

/* ---- settings ------------------------------------------------------------------------------ */

static void test_settings(void)
{
	static const struct {
		struct settings st;
		int rc;
		const char *field;
	} rows[] = {
		{{SESSION_CHAT, STRATEGY_MERGE, 1, 5}, 0, ""},
		{{SESSION_DIRECT, STRATEGY_MANUAL, 50, 480}, 0, ""},
		{{SESSION_DIRECT, STRATEGY_MANUAL, 0, 60}, ERR_BAD_FIELD, "max_participants"},
		{{SESSION_DIRECT, STRATEGY_MANUAL, 51, 60}, ERR_BAD_FIELD, "max_participants"},
		{{SESSION_DIRECT, STRATEGY_MANUAL, 10, 4},
	         ERR_BAD_FIELD,
	         "session_timeout_minutes"},
		{{SESSION_DIRECT, STRATEGY_MANUAL, 10, 481},
	         ERR_BAD_FIELD,
	         "session_timeout_minutes"},
		{{SESSION_TYPES, STRATEGY_MANUAL, 10, 60}, ERR_BAD_FIELD, "session_type"},
		{{SESSION_CHAT, STRATEGIES, 10, 60}, ERR_BAD_FIELD, "conflict_resolution_strategy"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct attempt a = attempt_of("own");

		a.start.settings = rows[i].st;
		begin(&a, NULL, NULL);
		is_int(a.rc, rows[i].rc, "settings");
		is_str(a.e.field, rows[i].field, "the field");
		world_release(&a.after);
	}
}

/* ---- a first session ----------------------------------------------------------------------- */

static struct command person(const char *user_id, const char *name, enum role role)
{
	struct command c;

	command_init(&c, COMMAND_PARTICIPANT_ADD);
	c.user_id = user_id;
	c.user_name = name;
	c.role = role;
	return c;
}

static struct command text(const char *section_id, const char *content)
{
	struct command c;

	command_init(&c, COMMAND_SECTION_UPDATE);
	c.section_id = section_id;
	c.changes.content = content;
	c.changes.content_len = strlen(content);
	return c;
}

static void test_first(void)
{
	struct attempt a = attempt_of("own");
	struct command people[] = {person("ed", "Ed", ROLE_EDITOR), person("own", "O", ROLE_VIEWER),
	                           person("com", NULL, ROLE_COMMENTER)};
	struct command sections[] = {text("a", "A"), text("b", "")};

	people[0].user_email = "ed@example.org";
	sections[1].changes.keys = json_pack("{s:i}", "k", 1);
	a.start.participants = people;
	a.start.participants_len = 3;
	a.start.sections = sections;
	a.start.sections_len = 2;
	a.start.ref = "key";
	a.start.ref_digest = "0123456789abcdef";
	a.start.user_email = "own@example.org";
	a.start.settings.max_participants = 3;
	begin(&a, NULL, NULL);
	is_int(a.rc, 0, "started");
	is_event(&a.after, 0,
	         "'type':'session_started' & 'ref':'key' & 'ref_digest':'0123456789abcdef' & "
	         "'report_id':'report-1' & 'user_id':'own' & 'max_participants':3 & "
	         "-continued_from & 'session_timeout_minutes':60");
	is_event(&a.after, 1,
	         "{'role':'owner','user_email':'own@example.org','user_id':'own','user_name':'own'}"
	         " & -'by' & -'ref' & -carried");
	is_event(&a.after, 2,
	         "{'role':'editor','user_email':'ed@example.org','user_id':'ed','user_name':'Ed'}"
	         " & 'by':'own'");
	is_event(&a.after, 3, "{'role':'commenter','user_id':'com','user_name':'com'}");
	is_event(&a.after, 4, "{'content':'A'} & 'version':5 & 'user_id':'own' & -carried");
	is_event(&a.after, 5, "{'content':'','k':1} & 'version':6");
	is_int((int64_t)a.after.log_len, 6, "and nothing else");
	json_decref((json_t *)(uintptr_t)sections[1].changes.keys);
	world_end(&a.after, "started");
}

static void test_refused(void)
{
	struct attempt a = attempt_of("own");
	struct command people[] = {person("ed", NULL, ROLE_EDITOR), person("ed", NULL, ROLE_VIEWER),
	                           person("com", NULL, ROLE_NONE)};
	struct command sections[] = {text("a", "0123456789"), text("b", "0123456789")};
	struct limits limits;
	struct op op;

	op_init(&op, 10);
	a.start.participants = people;
	a.start.participants_len = 2;
	begin(&a, NULL, NULL);
	is_int(a.rc, ERR_PARTICIPANT_EXISTS, "given twice");
	world_release(&a.after);
	a.start.participants = people + 2;
	a.start.participants_len = 1;
	begin(&a, NULL, NULL);
	is_int(a.rc, ERR_MISSING_FIELD, "without a role");
	world_release(&a.after);
	a.start.participants = people;
	a.start.settings.max_participants = 1;
	begin(&a, NULL, NULL);
	is_int(a.rc, ERR_SESSION_FULL, "too many participants");
	world_release(&a.after);
	a = attempt_of("own");
	a.start.sections = sections;
	a.start.sections_len = 2;
	limits_default(&limits);
	limits.sections = 1;
	begin(&a, NULL, &limits);
	is_int(a.rc, ERR_TOO_MANY_SECTIONS, "too many sections");
	world_release(&a.after);
	limits.sections = 2;
	limits.section_bytes = 10;
	begin(&a, NULL, &limits);
	is_int(a.rc, ERR_SECTION_TOO_LARGE, "too large a section");
	world_release(&a.after);
	limits.section_bytes = 11;
	limits.state_bytes = 21;
	begin(&a, NULL, &limits);
	is_int(a.rc, ERR_STATE_TOO_LARGE, "too large sections");
	world_release(&a.after);
	sections[1].changes = (struct changes){.delta = &op};
	begin(&a, NULL, NULL);
	is_int(a.rc, ERR_BAD_FIELD, "a delta of nothing");
	world_release(&a.after);
}

/* ---- the session after --------------------------------------------------------------------- */

#define T1 "10000000-0000-4000-8000-000000000001"
#define T2 "20000000-0000-4000-8000-000000000002"
#define T3 "30000000-0000-4000-8000-000000000003"
#define R1 "40000000-0000-4000-8000-000000000004"
#define R2 "50000000-0000-4000-8000-000000000005"
#define R3 "60000000-0000-4000-8000-000000000006"
#define ADD(id, text, more)                                                                        \
	"comment_added{'section_id':'s','comment_id':'" id "','content':'" text "'" more "}"
#define UNDER(id) ",'parent_comment_id':'" id "'"

/* A session with something of everything, that has ended. */
static void history(struct world *w)
{
	static const struct line story[] = {
		{"ed", "section_update{'section_id':'s','changes':{'title':'T'}}", "'version':8"},
		{"eve", "section_update{'section_id':'list','changes':{'content':[1,2]}}",
	         "'version':9"},
		{"eve", "section_update{'section_id':'gone','changes':{'content':'x'}}",
	         "'version':10"},
		{"eve", "section_deleted{'section_id':'gone'}", "'section_id':'gone'"},
		{"own", "section_update{'section_id':'none','changes':{}}", "'version':12"},
		/* an open thread with an anchor; one that is settled; one whose root is gone */
		{"com", ADD(T1, "one", ",'anchor':{'from':1,'to':3},'mentions':['ed','eve']"),
	         "'content':'one'"},
		{"eve", ADD(T2, "two", ""), "'content':'two'"},
		{"eve", ADD(T3, "three", ",'anchor':{'from':0,'to':1}"), "'content':'three'"},
		{"ed", ADD(R1, "re: one", UNDER(T1)), "'content':'re: one'"},
		{"ed", ADD(R2, "re: two", UNDER(T2)), "'content':'re: two'"},
		{"ed", ADD(R3, "re: three", UNDER(T3)), "'content':'re: three'"},
		{"ed", "comment_added{'section_id':'s','content':'alone'}", "'content':'alone'"},
		{"com", "comment_edited{'comment_id':'" T1 "','content':'one!'}",
	         "'content':'one!'"},
		{"eve", "comment_resolved{'comment_id':'" T2 "'}", "'comment_id':'" T2 "'"},
		{"eve", "comment_deleted{'comment_id':'" T3 "'}", "'comment_id':'" T3 "'"},
		/* the text of the last one's anchor goes */
		{"ed",
	         "section_update{'section_id':'s','changes':{'delta':[{'d':1}]},'base_seq':22}",
	         "'version':23"},
		{NULL, "online ed", "'type':'user_online'"},
		{"ed", "section_lock{'section_id':'s'}", "'fence':1"},
		{"own", "remove{'user_id':'view'}", "'user_id':'view'"},
		{"own", "end{}", "'reason':'ended'"},
	};

	world_init(w);
	world_start(w, STRATEGY_LAST_WRITE_WINS, "text");
	PLAY(w, "before", story);
}

static void test_carried(void)
{
	struct world w;
	struct attempt a = attempt_of("ed");
	struct command people[] = {person("com", "Com", ROLE_VIEWER),
	                           person("new", "New", ROLE_VIEWER)};

	history(&w);
	a.start.participants = people;
	a.start.participants_len = 2;
	begin(&a, &w.s, NULL);
	is_int(a.rc, 0, "an editor goes on");
	is_event(&a.after, 0, "'continued_from':'" SESSION "' & 'user_id':'ed' & -carried");
	is_event(&a.after, 1, "'role':'owner','user_id':'ed' & -carried & -'by'");
	is_event(&a.after, 2, "'role':'viewer','user_id':'com' & -carried & 'by':'ed'");
	is_event(&a.after, 3, "'role':'viewer','user_id':'new'");
	is_event(&a.after, 4, "'role':'owner','user_id':'own' & 'carried':true & 'by':'ed'");
	is_event(&a.after, 5, "'role':'editor','user_id':'eve' & 'carried':true");
	is_event(&a.after, 6,
	         "'changes':{'content':[1,2]} & 'user_id':'eve' & 'user_name':'eve' & 'by':'ed'");
	is_event(&a.after, 7, "'changes':{} & 'user_id':'own' & 'section_id':'none'");
	is_event(&a.after, 8,
	         "'changes':{'content':'ext','title':'T'} & 'carried':true & 'user_id':'ed' & "
	         "-'by' & 'version':9");
	is_event(&a.after, 9,
	         "'comment':{'anchor':{'base_seq':9,'from':0,'to':2},'comment_id':'" T1
	         "','content':'one!','created_at':'2024-01-15T10:30:00.000Z','mentions':['ed',"
	         "'eve'],'parent_comment_id':null,'section_id':'s','user_id':'com','user_name':"
	         "'com'} & 'carried':true & 'by':'ed' & 'user_id':'com'");
	is_event(&a.after, 10, "'comment_id':'" T3 "','content':''");
	is_event(&a.after, 11, "'parent_comment_id':'" T1 "' & 'content':'re: one'");
	is_event(&a.after, 12, "'parent_comment_id':'" T3 "' & 'content':'re: three'");
	is_event(&a.after, 13, "'content':'alone' & 'carried':true");
	is_event(&a.after, 14,
	         "'type':'comment_deleted' & 'comment_id':'" T3 "' & 'carried':true & "
	         "'user_id':'eve'");
	is_int((int64_t)a.after.log_len, 15, "and nothing else");
	world_release(&w);
	world_end(&a.after, "carried");
}

/* What is carried once more is the same again. */
static void test_carried_state(void)
{
	struct world w;
	struct attempt a = attempt_of("own");
	struct attempt b = attempt_of("own");
	const struct comment *c = NULL;

	history(&w);
	begin(&a, &w.s, NULL);
	is_int(a.after.s.changes_total, 0, "what is carried is no change");
	is_int(a.after.s.comments_total, 0, "nor a comment");
	is_int((int64_t)a.after.s.locks.len, 0, "locks are not carried");
	ok(!session_member(&a.after.s, "ed")->online, "nor is presence");
	c = session_comment(&a.after.s, T3);
	ok(c && c->deleted && c->orphaned && c->replies == 1, "a tombstone, an orphan");
	c = session_comment(&a.after.s, T1);
	ok(c && !c->orphaned && c->replies == 1 && json_array_size(c->mentions) == 2,
	   "a thread, anchored");
	ok(!session_comment(&a.after.s, T2) && !session_comment(&a.after.s, R2),
	   "what is settled stays behind");
	is_int(a.after.s.comments_open, 2, "open threads");
	begin(&b, &a.after.s, NULL);
	is_int(b.rc, 0, "and on");
	is_int((int64_t)b.after.log_len, (int64_t)a.after.log_len, "everything");
	is_int((int64_t)b.after.s.bytes, (int64_t)a.after.s.bytes, "with the same bytes");
	world_release(&w);
	world_release(&b.after);
	world_end(&a.after, "carried again");
}

static void test_restart(void)
{
	static const struct {
		const char *user;
		bool may;
	} rows[] = {{"own", true},   {"ed", true},      {"com", false},
	            {"view", false}, {"nobody", false}, {"admin", true}};
	struct world w;
	struct command sections[] = {text("only", "this")};

	history(&w);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct attempt a = attempt_of(rows[i].user);

		a.actor.admin = strcmp(rows[i].user, "admin") == 0;
		ok(session_may_restart(&w.s, &a.actor) == rows[i].may, "%s %s", rows[i].user,
		   rows[i].may ? "may" : "may not");
		begin(&a, &w.s, NULL);
		is_int(a.rc, rows[i].may ? 0 : ERR_FORBIDDEN, "start");
		is_int(a.needs, rows[i].may ? ROLE_NONE : ROLE_EDITOR, "needs");
		world_release(&a.after);
		a.start.sections = sections;
		a.start.sections_len = 1;
		begin(&a, &w.s, NULL);
		is_int(a.rc, rows[i].may ? 0 : ERR_FORBIDDEN, "start with sections");
		if (!a.rc) {
			is_int((int64_t)a.after.log_len, 3, "only what is given");
			is_event(&a.after, 0, "-continued_from");
		}
		world_release(&a.after);
	}
	world_release(&w);
}

static void test_carried_limits(void)
{
	struct world w;
	struct attempt a = attempt_of("own");
	struct limits limits;

	history(&w);
	limits_default(&limits);
	a.start.settings.max_participants = 3;
	begin(&a, &w.s, &limits);
	is_int(a.rc, ERR_SESSION_FULL, "too many participants");
	world_release(&a.after);
	a.start.settings.max_participants = 4;
	limits.comments = 4;
	begin(&a, &w.s, &limits);
	is_int(a.rc, ERR_TOO_MANY_COMMENTS, "too many comments");
	world_release(&a.after);
	limits.comments = 5;
	limits.sections = 2;
	begin(&a, &w.s, &limits);
	is_int(a.rc, ERR_TOO_MANY_SECTIONS, "too many sections");
	world_release(&a.after);
	limits.sections = 3;
	begin(&a, &w.s, &limits);
	is_int(a.rc, 0, "just enough");
	limits.state_bytes = (int64_t)a.after.s.bytes;
	world_release(&a.after);
	begin(&a, &w.s, &limits);
	is_int(a.rc, 0, "just enough bytes");
	world_release(&a.after);
	limits.state_bytes--;
	begin(&a, &w.s, &limits);
	is_int(a.rc, ERR_STATE_TOO_LARGE, "one byte too few");
	world_release(&a.after);
	world_release(&w);
}

int main(void)
{
	test_settings();
	test_first();
	test_refused();
	test_carried();
	test_carried_state();
	test_restart();
	test_carried_limits();
	return done();
}
