/* decide: members, presence, and how a session ends. */
#include "decide_test.h"

/* ---- members ------------------------------------------------------------------------------- */

static void test_members(void)
{
	static const struct line story[] = {
		{"own",
	         "add{'user_id':'bob','user_name':'Bob','user_email':'b@x.org','role':'editor'}",
	         "'by':'own' & 'user_id':'bob','user_name':'Bob'} & 'user_email':'b@x.org'"},
		{"own", "add{'user_id':'bob','role':'viewer'}", "!participant_exists"},
		{"own", "role{'user_id':'bob','role':'editor'}", "unchanged"},
		{"own", "role{'user_id':'nobody','role':'editor'}", "!no_participant"},
		{"own", "remove{'user_id':'nobody'}", "!no_participant"},
		{"nobody", "remove{'user_id':'nobody'}", "!no_participant"},
		{"own", "role{'user_id':'own','role':'editor'}", "!last_owner"},
		{"own", "remove{'user_id':'own'}", "!last_owner"},
		{"admin", "remove{'user_id':'own'}", "!last_owner"},
		{"own", "role{'user_id':'bob','role':'owner'}", "'role':'owner' & -'ref'"},
		{"own", "role{'user_id':'own','role':'editor'}", "'user_id':'own' & -'by'"},
		{"own", "add{'user_id':'x','role':'viewer'}", "!forbidden editor<owner"},
		{"bob", "remove{'user_id':'bob'}", "!last_owner"},
		{"own", "remove{'user_id':'own'}", "'reason':'left' & -'by'"},
		{"own", "remove{'user_id':'own'}", "!no_participant"},
		{"admin", "add{'user_id':'admin','role':'owner'}", "'user_id':'admin' & -'by'"},
	};
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	PLAY(&w, "members", story);
	world_end(&w, "members");
}

/* The parser gives every new participant a role; not all commands come from it. */
static void test_no_role(void)
{
	struct world w;
	struct command c;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	command_init(&c, COMMAND_PARTICIPANT_ADD);
	c.user_id = "bob";
	world_do(&w, &c, "own");
	is_str(w.got, "!missing_field role", "a participant without a role");
	c.kind = COMMAND_PARTICIPANT_ROLE;
	c.user_id = "ed";
	world_do(&w, &c, "own");
	is_str(w.got, "!missing_field role", "no role to change to");
	world_end(&w, "no role");
}

static void test_full(void)
{
	struct world w;
	char line[80];

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	for (int i = 5; i < PARTICIPANTS_DEFAULT; i++) {
		(void)snprintf(line, sizeof line, "add{'user_id':'user-%d','role':'viewer'}", i);
		check(&w, "own", line, "'role':'viewer'", "full");
	}
	check(&w, "own", "add{'user_id':'one-more','role':'viewer'}", "!session_full", "full");
	check(&w, "own", "add{'user_id':'user-5','role':'viewer'}", "!participant_exists", "full");
	check(&w, "own", "remove{'user_id':'user-5'}", "'user_id':'user-5'", "full");
	check(&w, "own", "add{'user_id':'one-more','role':'viewer'}", "'role':'viewer'", "full");
	world_end(&w, "full");
}

/* How many events the log has after `since`, and whether they are of these types, in order. */
static void is_log(const struct world *w, size_t since, const char *const *types, size_t len,
                   const char *name)
{
	bool same = w->log_len == since + len;

	for (size_t i = 0; same && i < len; i++)
		same = strstr(w->log[since + i].p, types[i]) != NULL;
	if (!ok(same, "%s", name))
		for (size_t i = since; i < w->log_len; i++)
			printf("#   %s\n", w->log[i].p);
}
#define IS_LOG(w, since, name, ...)                                                                \
	do {                                                                                       \
		static const char *const types[] = {__VA_ARGS__};                                  \
		is_log(w, since, types, sizeof types / sizeof types[0], name);                     \
	} while (0)

/* Who goes, and who may not edit any more, leaves no lock behind. */
static void test_locks_of_members(void)
{
	struct world w;
	size_t since = 0;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	check(&w, NULL, "online ed", "'type':'user_online'", "locks of members");
	check(&w, "ed", "section_lock{'section_id':'a'}", "'fence':1", "locks of members");
	check(&w, "eve", "section_lock{'section_id':'b'}", "'fence':1", "locks of members");
	check(&w, "ed", "section_lock{'section_id':'c'}", "'fence':1", "locks of members");
	since = w.log_len;
	check(&w, "own", "role{'user_id':'eve','role':'owner'}", "'role':'owner'", "a higher role");
	check(&w, "own", "role{'user_id':'eve','role':'editor'}", "'role':'editor'", "editor");
	IS_LOG(&w, since, "who may edit keeps the locks", "role_changed", "role_changed");
	since = w.log_len;
	check(&w, "own", "role#r{'user_id':'eve','role':'viewer'}", "'ref':'r'", "demotion");
	IS_LOG(&w, since, "demotion frees locks", "\"section_unlocked\"", "\"role_changed\"");
	ok(strstr(w.log[since].p, "\"by\":\"own\"") && strstr(w.log[since].p, "role_changed") &&
	           strstr(w.log[since].p, "\"user_id\":\"eve\"") &&
	           !strstr(w.log[since].p, "\"ref\""),
	   "the unlock says whose lock, by whom and why");
	since = w.log_len;
	check(&w, "own", "remove#q{'user_id':'ed'}", "'ref':'q'", "removal");
	IS_LOG(&w, since, "removal frees locks and ends presence", "\"participant_left\"",
	       "\"participant_left\"", "\"user_offline\"", "\"type\":\"participant_left\"");
	is_int((int64_t)w.s.locks.len, 0, "no lock is left");
	world_end(&w, "locks of members");
}

/* ---- presence ------------------------------------------------------------------------------ */

static void test_presence(void)
{
	static const struct line story[] = {
		{NULL, "online ed", "'type':'user_online' & 'user_id':'ed' & 'user_name':'ed'"},
		{NULL, "online ed", "unchanged"},
		{NULL, "online nobody", "!no_participant"},
		{NULL, "offline com", "unchanged"},
		{NULL, "offline nobody", "unchanged"},
		{NULL, "offline ed", "'type':'user_offline'"},
		{NULL, "offline ed", "unchanged"},
		{"view", "presence{}", "nothing"},
		{"com", "cursor_position{'section_id':'none','position':5}", "nothing"},
		{NULL, "online com", "'type':'user_online'"},
		{"own", "end{'reason':'done'}", "'reason':'done'"},
		{NULL, "offline com", "unchanged"},
		{NULL, "online com", "!session_ended"},
		{NULL, "expire", "unchanged"},
		{"com", "cursor_position{'section_id':'none','position':5}", "!session_ended"},
	};
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	PLAY(&w, "presence", story);
	world_end(&w, "presence");
}

/* ---- the end ------------------------------------------------------------------------------- */

static void test_end(void)
{
	static const struct line story[] = {
		{NULL, "online ed", "'type':'user_online'"},
		{NULL, "online own", "'type':'user_online'"},
		{"ed", "section_lock{'section_id':'s'}", "'fence':1"},
		{"own", "comment_added{'section_id':'s','content':'x'}", "'content':'x'"},
		{"own", "end{}",
	         "'reason':'ended' & 'total_changes':1 & 'total_comments':1 & 'user_id':'own'"},
		{"own", "section_update{'section_id':'s','changes':{'content':'x'}}",
	         "!session_ended"},
		{"nobody", "section_update{'section_id':'s','changes':{'content':'x'}}",
	         "!session_ended"},
		{"own", "end{}", "!session_ended"},
	};
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, "text");
	PLAY(&w, "end", story);
	IS_LOG(&w, 11, "the end frees locks and ends presence first", "\"section_unlocked\"",
	       "\"user_offline\"", "\"user_offline\"", "\"type\":\"session_ended\"");
	ok(strstr(w.log[11].p, "session_ended") && strstr(w.log[12].p, "session_ended"),
	   "with the reason");
	world_end(&w, "end");
}

/* A session that is idle for its time-out ends; presence does not count, cursors do. */
static void test_timeout(void)
{
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	check(&w, NULL, "expire", "unchanged", "timeout");
	w.now_ms += TIMEOUT_MINUTES_DEFAULT * INT64_C(60000) - 1;
	check(&w, NULL, "online ed", "'type':'user_online'", "timeout");
	check(&w, NULL, "expire", "unchanged", "a millisecond before");
	w.cursor_ms = TIME + 1000;
	w.now_ms += 1;
	check(&w, NULL, "expire", "unchanged", "a cursor moved since");
	w.now_ms += 999;
	check(&w, NULL, "expire", "unchanged", "a millisecond before");
	w.now_ms += 1;
	check(&w, NULL, "expire", "'reason':'timeout' & -'user_id'", "timeout");
	IS_LOG(&w, 7, "time-out ends presence", "\"user_offline\"", "\"type\":\"session_ended\"");
	world_end(&w, "timeout");
}

static void test_expiry_of_locks(void)
{
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	check(&w, "ed", "section_lock{'section_id':'a','ttl_seconds':60}", "'fence':1", "expiry");
	check(&w, "ed", "section_lock{'section_id':'b','ttl_seconds':120}", "'fence':1", "expiry");
	check(&w, "ed", "section_lock{'section_id':'c','ttl_seconds':3600}", "'fence':1", "expiry");
	is_int(session_due_ms(&w.s), TIME + 60000, "due when the first lock expires");
	w.now_ms += 59999;
	check(&w, NULL, "expire", "unchanged", "a millisecond before");
	w.now_ms += 1;
	check(&w, NULL, "expire",
	      "'reason':'expired' & 'section_id':'a' & 'user_id':'ed' & -'by' & 'fence':1",
	      "expiry");
	w.now_ms = TIME + 121 * INT64_C(60000);
	check(&w, NULL, "expire", "'reason':'timeout'", "expiry and time-out at once");
	IS_LOG(&w, 10, "what expired and what is cut short", "\"expired\"", "\"expired\"",
	       "\"timeout\"");
	world_end(&w, "expiry");
	world_init(&w);
	w.timeout_minutes = TIMEOUT_MINUTES_MIN;
	world_start(&w, STRATEGY_LAST_WRITE_WINS, NULL);
	check(&w, "ed", "section_lock{'section_id':'a','ttl_seconds':3600}", "'fence':1", "expiry");
	w.now_ms += TIMEOUT_MINUTES_MIN * INT64_C(60000);
	check(&w, NULL, "expire", "'reason':'timeout'", "time-out before expiry");
	IS_LOG(&w, 7, "cut short", "\"reason\":\"session_ended\"", "\"timeout\"");
	world_end(&w, "time-out before expiry");
}

int main(void)
{
	test_members();
	test_no_role();
	test_full();
	test_locks_of_members();
	test_presence();
	test_end();
	test_timeout();
	test_expiry_of_locks();
	return done();
}
