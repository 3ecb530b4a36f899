/* The fold of sessions, participants and locks, what a log may not do, refs, and tables of names.
 */
#include "session_test.h"

#include "core/command.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static void test_names(void)
{
	bool events = true, commands = true;
	struct command c;

	for (int i = 0; i < EVENT_KINDS; i++)
		events = events && event_kind_parse(event_type((enum event_kind)i)) == i;
	ok(events && event_kind_parse("ack") == -1, "names: events");
	for (int i = 0; i < COMMAND_KINDS; i++) {
		const char *type = command_row((enum command_kind)i)->type;

		commands = commands && (!type || command_kind_parse(type) == i);
	}
	ok(commands && command_kind_parse("nonsense") == -1, "names: commands");
	is_int(command_kind_parse("heartbeat"), COMMAND_PING, "names: heartbeat is ping");
	for (int i = ROLE_VIEWER; i <= ROLE_OWNER; i++)
		is_int(role_parse(role_name((enum role)i)), i, "names: a role");
	ok(role_parse("none") == ROLE_NONE && role_parse("Owner") == ROLE_NONE, "names: no role");
	ok(session_type_parse(session_type_name(SESSION_DIRECT)) == SESSION_DIRECT &&
	           session_type_parse("") == -1,
	   "names: session types");
	ok(strategy_parse(strategy_name(STRATEGY_MANUAL)) == STRATEGY_MANUAL &&
	           strategy_parse("force") == -1,
	   "names: strategies");
	ok(resolution_parse(resolution_name(RESOLUTION_MERGED)) == RESOLUTION_MERGED &&
	           resolution_parse("mine") == -1,
	   "names: resolutions");
	command_init(&c, COMMAND_CURSOR);
	ok(c.kind == COMMAND_CURSOR && !c.ref && c.base_seq == EVENT_ABSENT &&
	           c.if_version == EVENT_ABSENT && c.fence == EVENT_ABSENT &&
	           c.ttl_seconds == EVENT_ABSENT && c.anchor.from == EVENT_ABSENT &&
	           c.selection[0] == EVENT_ABSENT && c.role == ROLE_NONE,
	   "names: a command with everything absent");
}

static void test_session(void)
{
	struct session s;
	struct event ev;
	struct err e = {0};
	json_t *extra = json_pack("{s:i}", "floor", 2);

	session_init(&s, 16, 0);
	is_int(session_due_ms(&s), INT64_MAX, "session: nothing is due before it began");
	ev = next_event(&s, EVENT_SECTION_DELETED);
	is_int(session_apply(&s, &ev, &e), ERR_CORRUPT, "session: a log begins with its start");
	session_release(&s);
	begin(&s, 16, 0);
	is_str(s.session_id, SESSION_ID, "session: its id");
	is_str(s.report_id, "report-1", "session: its report");
	is_str(s.started_by, "ann", "session: who started it");
	ok(!s.continued_from && s.started_ms == 1000 && s.settings.timeout_minutes == 60,
	   "session: its start and settings");
	is_int(session_due_ms(&s), 2000 + 3600000, "session: its time-out is due");
	ev = next_event(&s, EVENT_COMPACTED);
	ev.extra = extra;
	ok(fold(&s, &ev) == 0 && s.floor == 2, "session: compacted");
	ev = next_event(&s, EVENT_SESSION_ENDED);
	ev.reason = "timeout";
	is_int(fold(&s, &ev), 0, "session: ended");
	is_str(s.end_reason, "timeout", "session: why");
	ok(s.ended_ms == 4000 && session_due_ms(&s) == INT64_MAX, "session: nothing is due then");
	ev = next_event(&s, EVENT_ERASED);
	ok(fold(&s, &ev) == 0 && s.seq == 5, "session: erasing after the end");
	ev = section_event(&s, EVENT_SECTION_UPDATE, "intro");
	is_int(session_apply(&s, &ev, &e), ERR_CORRUPT, "session: nothing changes after the end");
	session_release(&s);
	json_decref(extra);
}

/* Events that do not fit a state with ann (owner), section "a" and comment "c". */
static void test_refused(void)
{
	static const struct {
		struct event ev;
		int64_t seq;
		const char *what;
	} rows[] = {
		{{.kind = EVENT_SESSION_STARTED, .report_id = "r"}, 0, "a second start"},
		{{.kind = EVENT_SECTION_DELETED, .section_id = "a"}, 1, "a gap"},
		{{.kind = EVENT_SECTION_DELETED, .section_id = "a"}, -1, "a repetition"},
		{{.kind = EVENT_SECTION_DELETED, .section_id = "a", .session_id = "other"},
	         0,
	         "another session's"},
		{{.kind = EVENT_SECTION_DELETED}, 0, "no section id"},
		{{.kind = EVENT_SECTION_DELETED, .section_id = "b"}, 0, "an unknown section"},
		{{.kind = EVENT_SECTION_UPDATE, .section_id = "a", .version = 2}, 0, "a version"},
		{{.kind = EVENT_SECTION_LOCKED, .section_id = "a", .user_id = "ann"}, 0, "fence 0"},
		{{.kind = EVENT_SECTION_UNLOCKED, .section_id = "a"}, 0, "no lock to free"},
		{{.kind = EVENT_PARTICIPANT_JOINED, .user_id = "ann", .role = ROLE_VIEWER},
	         0,
	         "ann joins again"},
		{{.kind = EVENT_PARTICIPANT_JOINED, .user_id = "bob"}, 0, "bob joins without role"},
		{{.kind = EVENT_PARTICIPANT_LEFT, .user_id = "bob"}, 0, "bob was never there"},
		{{.kind = EVENT_ROLE_CHANGED, .user_id = "bob", .role = ROLE_OWNER}, 0, "nor then"},
		{{.kind = EVENT_ROLE_CHANGED, .user_id = "ann"}, 0, "no role"},
		{{.kind = EVENT_COMMENT_ADDED, .section_id = "a", .comment_id = "c", .text = "x"},
	         0,
	         "the same comment"},
		{{.kind = EVENT_COMMENT_ADDED,
	          .section_id = "a",
	          .comment_id = "d",
	          .parent_comment_id = "e",
	          .text = "x"},
	         0,
	         "a reply to none"},
		{{.kind = EVENT_COMMENT_EDITED, .comment_id = "c"}, 0, "no text"},
		{{.kind = EVENT_COMMENT_EDITED, .comment_id = "d", .text = "x"}, 0, "no comment"},
		{{.kind = EVENT_COMMENT_RESOLVED, .comment_id = "d"}, 0, "none to resolve"},
		{{.kind = EVENT_COMMENT_REOPENED, .comment_id = "d"}, 0, "none to reopen"},
		{{.kind = EVENT_COMMENT_DELETED, .comment_id = "d"}, 0, "none to delete"},
		{{.kind = EVENT_CONFLICT_RESOLVED, .conflict_id = "x"}, 0, "no conflict"},
		{{.kind = EVENT_COMPACTED}, 0, "no floor"},
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct session s;
		struct event ev = rows[i].ev;
		struct err e = {0};

		begin(&s, 16, 0);
		if (fold_content(&s, "a", "text") || fold_comment(&s, "c", NULL, "a", 0, 2))
			abort();
		ev.seq = s.seq + 1 + rows[i].seq;
		ok(session_apply(&s, &ev, &e) == ERR_CORRUPT && *e.text, "refused: %s",
		   rows[i].what);
		session_release(&s);
	}
}

static void test_members(void)
{
	struct session s;
	struct event ev;
	struct member *ann = NULL, *bob = NULL;
	int64_t activity_ms = 0;

	begin(&s, 16, 0);
	ev = next_event(&s, EVENT_PARTICIPANT_JOINED);
	ev.user_id = "bob";
	ev.user_email = "bob@example.org";
	ev.user_name = "Bob";
	ev.by = "ann";
	ev.role = ROLE_OWNER;
	is_int(fold(&s, &ev), 0, "members: bob joins");
	bob = session_member(&s, "bob");
	ann = session_member(&s, "ann");
	ok(bob && bob->joined_ms == 3000 && !bob->online, "members: he is there, not online");
	is_str(bob->name, "Bob", "members: his name");
	is_str(bob->email, "bob@example.org", "members: his address");
	ok(s.owners == 2 && s.members.len == 2, "members: two owners");
	ev = next_event(&s, EVENT_ROLE_CHANGED);
	ev.user_id = "bob";
	ev.role = ROLE_COMMENTER;
	ok(fold(&s, &ev) == 0 && session_role(&s, "bob") == ROLE_COMMENTER && s.owners == 1,
	   "members: one owner less");
	activity_ms = s.activity_ms;
	ev = next_event(&s, EVENT_USER_ONLINE);
	ev.user_id = "bob";
	ok(fold(&s, &ev) == 0 && bob->online, "members: bob is online");
	ok(s.activity_ms == activity_ms && s.updated_ms > activity_ms,
	   "members: presence is no activity");
	is_int(fold_content(&s, "a", "x"), 0, "members: ann edits");
	ok(ann->active_ms == s.updated_ms && bob->active_ms == 0, "members: she is active");
	ev = next_event(&s, EVENT_USER_OFFLINE);
	ev.user_id = "bob";
	ok(fold(&s, &ev) == 0 && !bob->online, "members: bob is offline");
	ev = next_event(&s, EVENT_PARTICIPANT_LEFT);
	ev.user_id = bob->user_id; /* lent by what is being removed */
	ev.by = bob->user_id;
	ev.ref = "bye";
	ev.ref_digest = "0123456789abcdef";
	ok(fold(&s, &ev) == 0 && !session_member(&s, "bob") && s.members.len == 1,
	   "members: bob leaves");
	is_str(ev.user_id, "bob", "members: what the event was lent is still there");
	ok(session_ref(&s, "bob", "bye") != NULL, "members: his message is remembered");
	is_int(session_role(&s, "bob"), ROLE_NONE, "members: he has no role any more");
	ev = next_event(&s, EVENT_USER_OFFLINE);
	ev.user_id = "bob";
	is_int(fold(&s, &ev), 0, "members: presence of others has no effect");
	session_release(&s);
}

static int fold_lock(struct session *s, const char *section_id, const char *user_id, int64_t fence,
                     int64_t expires_ms)
{
	struct event ev = section_event(s, EVENT_SECTION_LOCKED, section_id);

	ev.user_id = user_id;
	ev.fence = fence;
	ev.expires_ms = expires_ms;
	return fold(s, &ev);
}

static void test_locks(void)
{
	struct session s;
	struct event ev;
	struct err e = {0};
	const struct lock *lock = NULL;

	begin(&s, 16, 0);
	ok(fold_lock(&s, "a", "ann", 1, 9000) == 0 && fold_lock(&s, "b", "bob", 1, 8000) == 0,
	   "locks: two");
	lock = session_lock(&s, "a", 8999);
	ok(lock && lock->fence == 1 && strcmp(lock->user_id, "ann") == 0, "locks: held");
	ok(!session_lock(&s, "a", 9000) && !session_lock(&s, "c", 0), "locks: until it expires");
	is_int(session_due_ms(&s), 8000, "locks: the first expiry is due");
	ok(fold_lock(&s, "b", "bob", 1, 12000) == 0 && session_due_ms(&s) == 9000,
	   "locks: renewed");
	ev = section_event(&s, EVENT_SECTION_UNLOCKED, "a");
	ev.fence = 1;
	ok(fold(&s, &ev) == 0 && !session_lock(&s, "a", 0) && session_due_ms(&s) == 12000,
	   "locks: freed");
	is_int(*(int64_t *)map_get(&s.fences, "a"), 1, "locks: its fence stays");
	ok(fold_lock(&s, "a", "bob", 2, 9000) == 0 && session_lock(&s, "a", 0)->fence == 2,
	   "locks: the next fence");
	is_int(fold_content(&s, "a", "x"), 0, "locks: a section of it");
	ok(fold_section_gone(&s, "a") == 0 && session_lock(&s, "a", 0) &&
	           *(int64_t *)map_get(&s.fences, "a") == 2,
	   "locks: a deleted section keeps lock and fence");
	ev = section_event(&s, EVENT_SECTION_UNLOCKED, "a");
	ok(fold(&s, &ev) == 0 && s.locks.len == 1, "locks: freed without a fence");
	ev = section_event(&s, EVENT_SECTION_UNLOCKED, "b");
	ev.fence = 7;
	is_int(session_apply(&s, &ev, &e), ERR_CORRUPT, "locks: another fence frees nothing");
	ev = section_event(&s, EVENT_SECTION_LOCKED, "a");
	ev.fence = 1;
	is_int(session_apply(&s, &ev, &e), ERR_CORRUPT, "locks: fences only grow");
	session_release(&s);
}

/* The newest refs_max refs of a user are known, with their first seq, and no others. */
static void test_refs(uint64_t *state)
{
	struct session s;
	struct event ev;
	bool same = true;
	int64_t seqs[200] = {0};
	int used[200] = {0}, n = 0, order[4000];

	begin(&s, 37, 0);
	for (int i = 0; i < 3000 && same; i++) {
		int r = (int)(rnd(state) % 200);
		char ref[16], digest[17];

		(void)snprintf(ref, sizeof ref, "ref-%d", r);
		(void)snprintf(digest, sizeof digest, "%016d", r);
		ev = section_event(&s, EVENT_SECTION_UPDATE, "a");
		ev.ref = ref;
		ev.ref_digest = digest;
		same = fold(&s, &ev) == 0;
		if (!used[r]) {
			used[r] = 1;
			seqs[r] = ev.seq;
			order[n++] = r;
			if (n > 37)
				used[order[n - 38]] = 0;
		}
		for (int k = 0; k < 200 && same; k++) {
			const struct ref *found = NULL;

			(void)snprintf(ref, sizeof ref, "ref-%d", k);
			found = session_ref(&s, "ann", ref);
			same = !found == !used[k] && (!found || found->seq == seqs[k]);
		}
	}
	ok(same, "refs: the newest are remembered with their first seq");
	ok(!session_ref(&s, "bob", "ref-1"), "refs: of this user only");
	ev = section_event(&s, EVENT_SECTION_UPDATE, "a");
	ev.user_id = "bob";
	ev.by = "eve";
	ev.ref = "r";
	ok(fold(&s, &ev) == 0 && session_ref(&s, "eve", "r") && !session_ref(&s, "bob", "r"),
	   "refs: they are the author's");
	is_str(session_ref(&s, "eve", "r")->digest, "", "refs: without a digest");
	is_int(session_remember_ref(&s, "ann", "x", 1, "0123456789abcdef0"), ERR_CORRUPT,
	       "refs: no digest");
	session_release(&s);
	begin(&s, 1, 0);
	ok(session_remember_ref(&s, "u", "a", 1, NULL) == 0 &&
	           session_remember_ref(&s, "u", "b", 2, NULL) == 0 && !session_ref(&s, "u", "a") &&
	           session_ref(&s, "u", "b"),
	   "refs: one is enough");
	session_release(&s);
}

int main(void)
{
	uint64_t state = rnd_seed(4096);

	test_names();
	test_session();
	test_refused();
	test_members();
	test_locks();
	test_refs(&state);
	return done();
}
