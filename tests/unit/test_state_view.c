/* What clients see of a session: session_state, details, the summary, single resources. */
#include "decide_test.h"

/* The value at a path of names and indices, separated by dots, as compact JSON. */
static const char *at_path(const json_t *j, const char *path)
{
	static char out[2048];
	char name[64], *dumped = NULL;

	while (*path && j) {
		size_t n = strcspn(path, ".");

		(void)snprintf(name, sizeof name, "%.*s", (int)n, path);
		j = json_is_array(j) ? json_array_get(j, (size_t)atoi(name))
		                     : json_object_get(j, name);
		path += n + (path[n] == '.');
	}
	dumped = j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
	(void)snprintf(out, sizeof out, "%s", dumped ? dumped : "absent");
	free(dumped);
	for (char *p = out; *p; p++)
		*p = *p == '"' ? '\'' : *p;
	return out;
}

struct expectation {
	const char *path, *want;
};

static void check_view(const struct buf *b, const char *name, const struct expectation *want,
                       size_t len)
{
	json_t *j = json_loadb(b->p, b->len, JSON_REJECT_DUPLICATES, NULL);

	if (!ok(j != NULL, "%s is JSON", name))
		printf("# %s\n", b->p);
	for (size_t i = 0; i < len; i++) {
		char label[128];

		(void)snprintf(label, sizeof label, "%s: %s", name, want[i].path);
		is_str(at_path(j, want[i].path), want[i].want, label);
	}
	json_decref(j);
}
#define CHECK_VIEW(b, name, want) check_view(b, name, want, sizeof(want) / sizeof(want)[0])

/* A session under manual with a bit of everything; own has seen seq 7 when ed changes the text. */
static void play_views(struct world *w)
{
	static const char comment[] = "11111111-1111-4111-8111-111111111111";
	char line[256];

	world_init(w);
	world_start(w, STRATEGY_MANUAL, "base text");
	(void)world_say(w, NULL, "online own");
	(void)world_say(w, "own",
	                "add{'user_id':'zoe','role':'viewer','user_email':'zoe@example.org'}");
	w->now_ms += 60000;
	(void)world_say(w, "ed",
	                "section_update{'section_id':'s','base_seq':7,'changes':{'content':"
	                "'current text','due':'May','lock':'mine'}}");
	(void)world_say(w, "own",
	                "section_update{'section_id':'s','base_seq':7,'changes':{'delta':"
	                "[5,{'d':4},'words']}}");
	(void)world_say(w, "eve", "section_update{'section_id':'t','changes':{'n':1}}");
	(void)snprintf(line, sizeof line,
	               "comment_added{'section_id':'s','content':'why?','comment_id':'%s'}",
	               comment);
	(void)world_say(w, "com", line);
	w->now_ms += 31000;
	(void)world_say(w, "eve", "section_lock{'section_id':'t','ttl_seconds':50}");
	(void)world_say(w, "eve", "section_lock{'section_id':'u','ttl_seconds':1}");
	w->now_ms += 2000;
}

static const struct expectation full[] = {
	{"type", "'session_state'"},
	{"session_id", "'" SESSION "'"},
	{"timestamp", "'2024-01-15T10:31:33.000Z'"},
	{"seq", "15"},
	{"report_id", "'report-1'"},
	{"session_type", "'collaborative'"},
	{"conflict_resolution_strategy", "'manual'"},
	{"max_participants", "10"},
	{"session_timeout_minutes", "60"},
	{"started_by", "'own'"},
	{"started_at", "'2024-01-15T10:30:00.000Z'"},
	{"last_activity", "'2024-01-15T10:31:31.000Z'"},
	{"ended_at", "absent"},
	{"total_comments", "1"},
	{"participants.0", "{'joined_at':'2024-01-15T10:30:00.000Z','online':true,'role':'"
                           "owner','user_id':'own',"
                           "'user_name':'own'}"},
	{"participants.5.user_email", "'zoe@example.org'"},
	{"active_editors", "['eve']"},
	{"locked_sections", "{'t':'eve'}"},
	{"locks", "{'t':{'expires_at':'2024-01-15T10:32:21.000Z','user_id':'eve'}}"},
	{"sections.s", "{'content':'current "
                       "text','due':'May','lock':'mine','section_id':'s','updated_at':"
                       "'2024-01-15T10:31:00.000Z','updated_by':'ed','updated_by_name':'ed'"
                       ",'version':10}"},
	{"sections.t.content", "null"},
	{"sections.t.n", "1"},
	{"comments.0", "{'comment_id':'11111111-1111-4111-8111-111111111111','content':'"
                       "why?','created_at':"
                       "'2024-01-15T10:31:00.000Z','parent_comment_id':null,'resolved':"
                       "false,'section_id':'s',"
                       "'user_id':'com','user_name':'com'}"},
	{"conflicts.0.user_id", "'own'"},
	{"conflicts.0.resolved", "false"},
	{"conflicts.0.base_seq", "7"},
	{"conflicts.0.current_seq", "10"},
	{"conflicts.0.conflicting_users", "['ed']"},
	{"conflicts.0.proposed_changes", "{'content':'base words'}"},
	{"conflicts.0.base_content", "'base text'"},
	{"conflicts.0.current_content", "'current text'"},
	{"conflicts.0.proposed_content", "'base words'"},
	{"cursors.0", "{'position':4,'section_id':'s','timestamp':'1970-01-01T00:00:00."
                      "001Z','user_id':'ed',"
                      "'user_name':'Ed'}"},
	{"cursors.1.selection", "[2,5]"},
	{"limits.frame_bytes", "1048576"},
	{"you", "1"},
};

static const struct expectation brief[] = {
	{"report_id", "'report-1'"}, {"participants.5.user_email", "absent"},
	{"sections", "absent"},      {"comments", "absent"},
	{"conflicts", "absent"},     {"cursors", "absent"},
	{"limits", "absent"},
};

static const struct expectation none[] = {
	{"type", "'session_state'"}, {"seq", "15"},          {"participants", "absent"},
	{"report_id", "absent"},     {"sections", "absent"}, {"limits.comments", "10000"},
};

static void test_message(void)
{
	static const char *const active[] = {"eve"};
	static const struct cursor cursors[] = {
		{"ed", "Ed", "s", 4, {EVENT_ABSENT, EVENT_ABSENT}, 1},
		{"eve", "Eve", "s", 5, {2, 5}, 1},
	};
	struct state_view view = {.cursors = cursors,
	                          .cursors_len = 2,
	                          .active_editors = active,
	                          .active_editors_len = 1};
	struct world w;
	struct buf b;

	play_views(&w);
	view.now_ms = w.now_ms;
	view.limits = &w.limits;
	buf_init(&b, 1 << 20);
	buf_puts(&b, "{\"you\":1");
	state_message_write(&w.s, STATE_FULL, &view, &b);
	buf_putc(&b, '}');
	CHECK_VIEW(&b, "full", full);

	buf_clear(&b);
	buf_putc(&b, '{');
	state_message_write(&w.s, STATE_NONE, &view, &b);
	buf_putc(&b, '}');
	CHECK_VIEW(&b, "none", none);

	view.without_email = true;
	view.limits = NULL;
	buf_clear(&b);
	buf_putc(&b, '{');
	state_message_write(&w.s, STATE_BRIEF, &view, &b);
	buf_putc(&b, '}');
	CHECK_VIEW(&b, "brief", brief);
	buf_release(&b);
	world_release(&w);
}

static void test_details(void)
{
	static const struct expectation live[] = {
		{"has_active_session", "true"},
		{"report_id", "'report-1'"},
		{"seq", "15"},
		{"active_editors", "['ed','eve']"},
		{"sections", "absent"},
		{"comments.0.user_id", "'com'"},
		{"conflicts", "absent"},
		{"total_changes", "3"},
	};
	static const struct expectation ended[] = {
		{"has_active_session", "false"},
		{"ended_at", "'2024-01-15T10:31:33.000Z'"},
		{"end_reason", "'done'"},
		{"locked_sections", "{}"},
		{"sections.s.content", "'current text'"},
	};
	static const struct expectation summary[] = {
		{"", "{'conflict_resolution_strategy':'manual','end_reason':'done','ended_at':"
	             "'2024-01-15T10:31:33.000Z','last_activity':'2024-01-15T10:31:33.000Z',"
	             "'max_participants':10,'members':['own','ed','eve','com','view','zoe'],"
	             "'online':0,'open_comments':1,'open_conflicts':1,"
	             "'participants':6,'session_timeout_minutes':60,'session_type':'collaborative',"
	             "'started_at':'2024-01-15T10:30:00.000Z','started_by':'own','total_changes':3,"
	             "'total_comments':1}"},
	};
	static const struct expectation section[] = {
		{"lock", "{'expires_at':'2024-01-15T10:32:21.000Z','user_id':'eve'}"},
		{"section_id", "'t'"},
	};
	static const struct expectation own_lock[] = {{"lock", "'mine'"}};
	struct state_view view = {0};
	struct world w;
	struct buf b;

	play_views(&w);
	buf_init(&b, 1 << 20);
	section_write(session_section(&w.s, "t"), session_lock(&w.s, "t", w.now_ms), &b);
	CHECK_VIEW(&b, "a locked section", section);
	buf_clear(&b);
	section_write(session_section(&w.s, "s"), session_lock(&w.s, "t", w.now_ms), &b);
	CHECK_VIEW(&b, "a section with a key named lock", own_lock);

	view.now_ms = w.now_ms - 5000; /* the clock may go back: 28 s after the changes */
	buf_clear(&b);
	buf_putc(&b, '{');
	session_details_write(&w.s, false, true, false, &view, &b);
	buf_putc(&b, '}');
	CHECK_VIEW(&b, "details", live);

	(void)world_say(&w, "own", "end{'reason':'done'}");
	view.now_ms = w.now_ms;
	buf_clear(&b);
	buf_putc(&b, '{');
	session_details_write(&w.s, true, false, true, &view, &b);
	buf_putc(&b, '}');
	CHECK_VIEW(&b, "an ended session", ended);
	buf_clear(&b);
	summary_write(&w.s, &b);
	CHECK_VIEW(&b, "the summary", summary);
	buf_release(&b);
	world_release(&w);
}

/* What a conflict shows when its base is no longer known, and when it is settled. */
static void test_conflict(void)
{
	static const struct expectation unknown[] = {
		{"base_content", "absent"},
		{"current_content", "'current text'"},
		{"proposed_content", "'base words'"},
	};
	static const struct expectation settled[] = {
		{"resolved", "true"},
		{"resolution", "'current'"},
		{"current_content", "absent"},
		{"proposed_changes", "absent"},
	};
	struct session copy;
	struct world w;
	struct buf b;
	size_t at = 0;
	char line[160];
	const char *id = NULL;

	play_views(&w);
	at = 0;
	id = map_next(&w.s.conflicts, &at)->key;
	buf_init(&b, 1 << 20);
	state_write(&w.s, &b);
	session_init(&copy, 100, 100);
	is_int(state_read(b.p, b.len, &copy, NULL), 0,
	       "a state with an open conflict is read back");
	buf_clear(&b);
	conflict_write(&copy, session_conflict(&copy, id), &b);
	CHECK_VIEW(&b, "a conflict without history", unknown);
	session_release(&copy);

	(void)snprintf(line, sizeof line,
	               "conflict_resolved{'conflict_id':'%s','resolution':'current'}", id);
	(void)world_say(&w, "own", line);
	buf_clear(&b);
	conflict_write(&w.s, session_conflict(&w.s, id), &b);
	CHECK_VIEW(&b, "a settled conflict", settled);
	buf_release(&b);
	world_release(&w);
}

int main(void)
{
	test_message();
	test_details();
	test_conflict();
	return done();
}
