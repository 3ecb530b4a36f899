/* Bodies of requests, the options of a start, and the digests of what was said. */
#include <jansson.h>

#include "core/decide.h"
#include "message_test.h"

static const struct {
	enum command_kind kind;
	const char *path, *body, *want; /* want: "ok", or "code field" */
} bodies[] = {
	{COMMAND_SECTION_UPDATE, "{'section_id':'s'}", "{'changes':{'content':'x'},'if_version':3}",
         "ok"},
	{COMMAND_SECTION_UPDATE, "{'section_id':'s'}", "", "missing_field changes"},
	{COMMAND_SECTION_UPDATE, NULL, "{'changes':{}}", "missing_field section_id"},
	{COMMAND_SECTION_DELETE, "{'section_id':'s','if_version':2}", "", "ok"},
	{COMMAND_SECTION_LOCK, "{'section_id':'s'}", "{'ttl_seconds':5}", "ok"},
	{COMMAND_COMMENT_ADD, NULL, "{'section_id':'s','content':'x'}", "ok"},
	{COMMAND_COMMENT_ADD, NULL, "{'section_id':'s','comment':{'content':'x'}}",
         "missing_field content"},
	{COMMAND_COMMENT_RESOLVE, "{'comment_id':'" UUID_A "'}", "", "ok"},
	{COMMAND_COMMENT_RESOLVE, "{'comment_id':'12'}", "", "bad_field comment_id"},
	{COMMAND_SESSION_END, NULL, "", "ok"},
	{COMMAND_SESSION_END, NULL, "{'reason':'finished'}", "ok"},
	{COMMAND_SESSION_END, NULL, "{'reason':''}", "bad_field reason"},
	{COMMAND_SESSION_END, NULL, "{'reason':'a\\u0085b'}", "bad_field reason"},
	{COMMAND_SESSION_END, NULL, "{'reason':'a\\u00a0b'}", "ok"},
	{COMMAND_SESSION_END, NULL, "[]", "bad_json"},
	{COMMAND_SESSION_END, NULL, "{'reason':'x'", "bad_json"},
	{COMMAND_PRESENCE, NULL, "{}", "ok"},
	{COMMAND_PRESENCE, NULL, "{'ttl':1}", "ok"},
	{COMMAND_PRESENCE, NULL, "{'ttl':3600}", "ok"},
	{COMMAND_PRESENCE, NULL, "{'ttl':0}", "bad_field ttl"},
	{COMMAND_PRESENCE, NULL, "{'ttl':3601}", "bad_field ttl"},
	{COMMAND_PARTICIPANT_ADD, NULL, "{}", "missing_field user_id"},
	{COMMAND_PARTICIPANT_ADD, NULL, "{'user_id':'ann@local','role':'viewer'}", "ok"},
	{COMMAND_PARTICIPANT_ADD, NULL, "{'user_id':'a b'}", "bad_field user_id"},
	{COMMAND_PARTICIPANT_ADD, NULL, "{'user_id':'a','role':'none'}", "bad_field role"},
	{COMMAND_PARTICIPANT_ADD, NULL, "{'user_id':'a','role':'admin'}", "bad_field role"},
	{COMMAND_PARTICIPANT_ADD, NULL, "{'user_id':'a','user_name':''}", "bad_field user_name"},
	{COMMAND_PARTICIPANT_ADD, NULL, "{'user_id':'a','user_name':'x\\ty'}",
         "bad_field user_name"},
	{COMMAND_PARTICIPANT_ADD, NULL, "{'user_id':'a','user_name':'x\\u007f'}",
         "bad_field user_name"},
	{COMMAND_PARTICIPANT_ADD, NULL, "{'user_id':'a','user_email':'a.b'}",
         "bad_field user_email"},
	{COMMAND_PARTICIPANT_ADD, NULL, "{'user_id':'a','user_email':'a@b\\n'}",
         "bad_field user_email"},
	{COMMAND_PARTICIPANT_ROLE, "{'user_id':'a'}", "{'role':'commenter'}", "ok"},
	{COMMAND_PARTICIPANT_ROLE, "{'user_id':'a'}", "{'role':null}", "bad_field role"},
	{COMMAND_PARTICIPANT_ROLE, "{'user_id':'a'}", "{}", "missing_field role"},
	{COMMAND_PARTICIPANT_REMOVE, "{'user_id':'a'}", "", "ok"},
};

static void test_bodies(void)
{
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		char *body = json_of(bodies[i].body);
		char *path_text = json_of(bodies[i].path ? bodies[i].path : "null");
		json_t *path = json_loads(path_text, JSON_DECODE_ANY, NULL);
		struct message m;
		struct err e = {0};
		char got[160];
		int rc = message_parse_body(bodies[i].kind, body, strlen(body), NULL,
		                            json_is_object(path) ? path : NULL, &limits, &m, &e);

		(void)snprintf(got, sizeof got, "%s%s%s", rc ? err_row(rc)->wire : "ok",
		               rc && e.field[0] ? " " : "", rc ? e.field : "");
		is_str(got, bodies[i].want, shown(bodies[i].body));
		json_decref(path); /* before the message, which keeps what it needs */
		free(path_text);
		free(body);
		if (!rc && m.command.section_id)
			is_str(m.command.section_id, "s", "section_id");
		message_release(&m);
	}
}

static void test_body_details(void)
{
	json_t *path = json_pack("{s:s}", "user_id", "ann");
	const char *body = "{\"user_id\":\"eve\"}";
	char name[300];
	struct message m;
	struct err e = {0};

	is_int(message_parse_body(COMMAND_PARTICIPANT_ADD, body, strlen(body), "key-1", path,
	                          &limits, &m, &e),
	       0, "participant_add");
	is_str(m.command.user_id, "ann", "the path goes before the body");
	is_str(m.command.user_name, "ann", "user_name: user_id by default");
	ok(m.command.role == ROLE_EDITOR && !m.command.user_email, "an editor by default");
	is_str(m.command.ref, "key-1", "the Idempotency-Key");
	is_int(strlen(m.command.ref_digest), 16, "a digest");
	message_release(&m);
	json_decref(path);

	(void)snprintf(name, sizeof name, "{\"user_id\":\"a\",\"user_name\":\"%0256d\"}", 0);
	is_int(message_parse_body(COMMAND_PARTICIPANT_ADD, name, strlen(name), NULL, NULL, &limits,
	                          &m, &e),
	       0, "a name of 256 bytes");
	message_release(&m);
	(void)snprintf(name, sizeof name, "{\"user_id\":\"a\",\"user_name\":\"%0257d\"}", 0);
	is_int(message_parse_body(COMMAND_PARTICIPANT_ADD, name, strlen(name), NULL, NULL, &limits,
	                          &m, &e),
	       ERR_BAD_FIELD, "a name of 257 bytes");
	message_release(&m);

	is_int(message_parse_body(COMMAND_SESSION_END, "", 0, "", NULL, &limits, &m, &e),
	       ERR_BAD_FIELD, "an empty key");
	is_str(e.field, "ref", "is told as ref");
	message_release(&m);
	is_int(message_parse_body(COMMAND_SESSION_END, "", 0, "\xff", NULL, &limits, &m, &e),
	       ERR_BAD_UTF8, "a key that is no UTF-8");
	message_release(&m);
}

static int start(struct start_options *o, const char *body, const char *query, const char *ref,
                 struct err *e)
{
	char *body_text = json_of(body), *query_text = json_of(query ? query : "null");
	json_t *pairs = json_loads(query_text, JSON_DECODE_ANY, NULL);
	int rc = start_options_parse(body_text, strlen(body_text), query ? pairs : NULL, ref,
	                             &limits, o, e);

	json_decref(pairs);
	free(query_text);
	free(body_text);
	return rc;
}

static const struct {
	const char *body, *query, *want;
} starts[] = {
	{"", NULL, "ok"},
	{"{}", "{}", "ok"},
	{"{'unknown':[1]}", "{'token':'x','max_participants':'1'}", "ok"},
	{"[]", NULL, "bad_json"},
	{"{'session_type':'group'}", NULL, "bad_field session_type"},
	{"{'session_type':1}", NULL, "bad_field session_type"},
	{"{'conflict_resolution_strategy':'crdt'}", NULL, "bad_field conflict_resolution_strategy"},
	{"", "{'conflict_resolution_strategy':''}", "bad_field conflict_resolution_strategy"},
	{"{'max_participants':0}", NULL, "bad_field max_participants"},
	{"{'max_participants':51}", NULL, "bad_field max_participants"},
	{"{'max_participants':'5'}", NULL, "bad_field max_participants"},
	{"{'max_participants':50}", NULL, "ok"},
	{"", "{'max_participants':'50'}", "ok"},
	{"", "{'max_participants':'51'}", "bad_field max_participants"},
	{"", "{'max_participants':''}", "bad_field max_participants"},
	{"", "{'max_participants':'+5'}", "bad_field max_participants"},
	{"", "{'max_participants':'5 '}", "bad_field max_participants"},
	{"", "{'max_participants':'0x5'}", "bad_field max_participants"},
	{"", "{'max_participants':'18446744073709551621'}", "bad_field max_participants"},
	{"{'max_participants':5}", "{'max_participants':'x'}", "ok"},
	{"{'session_timeout_minutes':4}", NULL, "bad_field session_timeout_minutes"},
	{"{'session_timeout_minutes':481}", NULL, "bad_field session_timeout_minutes"},
	{"{'session_timeout_minutes':5.5}", NULL, "bad_field session_timeout_minutes"},
	{"{'session_timeout_minutes':480}", NULL, "ok"},
	{"{'fresh':1}", NULL, "bad_field fresh"},
	{"{'fresh':'true'}", NULL, "bad_field fresh"},
	{"", "{'fresh':'0'}", "ok"},
	{"", "{'fresh':'yes'}", "bad_field fresh"},
	{"{'sections':[]}", NULL, "bad_field sections"},
	{"{'sections':{'a/b':{}}}", NULL, "bad_field sections"},
	{"{'sections':{'a':'x'}}", NULL, "bad_field sections.a"},
	{"{'sections':{'a':{'version':1}}}", NULL, "reserved_key sections.a.version"},
	{"{'sections':{'a':{'delta':['x']}}}", NULL, "bad_field sections.a.delta"},
	{"{'sections':{'a':{'content':[9007199254740992]}}}", NULL, "bad_field sections.a.content"},
	{"{'participants':{}}", NULL, "bad_field participants"},
	{"{'participants':['ann']}", NULL, "bad_field participants[0]"},
	{"{'participants':[{'user_id':'a'},{}]}", NULL, "missing_field participants[1].user_id"},
	{"{'participants':[{'user_id':'a','role':''}]}", NULL, "bad_field participants[0].role"},
	{"{'sections':null,'participants':null,'max_participants':null,'fresh':null}", NULL, "ok"},
};

static void test_starts(void)
{
	for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
		struct start_options o;
		struct err e = {0};
		char got[160];
		int rc = start(&o, starts[i].body, starts[i].query, NULL, &e);

		(void)snprintf(got, sizeof got, "%s%s%s", rc ? err_row(rc)->wire : "ok",
		               rc && e.field[0] ? " " : "", rc ? e.field : "");
		is_str(got, starts[i].want,
		       shown(starts[i].body[0] || !starts[i].query ? starts[i].body
		                                                   : starts[i].query));
		start_options_release(&o);
	}
}

static void test_start_details(void)
{
	struct start_options o;
	struct err e = {0};

	is_int(start(&o, "", NULL, NULL, &e), 0, "nothing said");
	ok(o.settings.type == SESSION_COLLABORATIVE &&
	           o.settings.strategy == STRATEGY_LAST_WRITE_WINS &&
	           o.settings.max_participants == 10 && o.settings.timeout_minutes == 60 &&
	           !o.fresh,
	   "the defaults");
	ok(!o.ref[0] && !o.ref_digest[0] && o.sections_len == 0 && o.participants_len == 0,
	   "nothing else");
	start_options_release(&o);

	is_int(start(&o,
	             "{'session_type':'chat','fresh':true,'max_participants':3,"
	             "'sections':{'a':{'content':'x','title':'T'},'b':{},'c':{'content':{'n':1}}},"
	             "'participants':[{'user_id':'ann'},{'user_id':'bob','user_name':'Bob','role':'"
	             "owner'}]}",
	             "{'max_participants':'7','session_timeout_minutes':'45','conflict_resolution_"
	             "strategy':'merge'}",
	             "key", &e),
	       0, "everything said");
	ok(o.settings.type == SESSION_CHAT && o.settings.strategy == STRATEGY_MERGE &&
	           o.settings.max_participants == 3 && o.settings.timeout_minutes == 45 && o.fresh,
	   "the body goes before the query");
	is_int(o.sections_len, 3, "sections");
	is_str(o.sections[0].command.section_id, "a", "section_id");
	is_str(o.sections[0].command.changes.content, "x", "content");
	is_int(json_object_size(o.sections[0].command.changes.keys), 1, "other keys");
	ok(json_is_object(o.sections[2].command.changes.content_json), "a content that is no text");
	is_int(o.participants_len, 2, "participants");
	ok(o.participants[0].command.role == ROLE_EDITOR &&
	           o.participants[1].command.role == ROLE_OWNER,
	   "roles");
	is_str(o.participants[0].command.user_name, "ann", "user_name: user_id by default");
	ok(strcmp(o.ref, "key") == 0 && strlen(o.ref_digest) == 16, "ref and digest");
	start_options_release(&o);
}

static void test_start_limits(void)
{
	struct limits all = limits;
	struct start_options o;
	struct err e = {0};

	limits.sections = 1;
	limits.participants = 1;
	is_int(start(&o, "", NULL, NULL, &e), 0, "a server for one");
	is_int(o.settings.max_participants, 1, "a default within the limit");
	start_options_release(&o);
	is_int(start(&o, "{'sections':{'a':{},'b':{}}}", NULL, NULL, &e), ERR_TOO_MANY_SECTIONS,
	       "two sections");
	start_options_release(&o);
	is_int(start(&o, "{'participants':[{'user_id':'a'},{'user_id':'b'}]}", NULL, NULL, &e),
	       ERR_SESSION_FULL, "two participants");
	start_options_release(&o);
	limits.sections = 0;
	is_int(start(&o, "{'sections':{'a':{},'b':{}}}", NULL, NULL, &e), 0,
	       "no limit of sections");
	start_options_release(&o);
	limits = all;
}

/* The digest of a message, which has the ref r. */
static const char *digest(const char *data)
{
	static char out[2][17];
	static int which;
	struct message m;
	char text[600];

	(void)snprintf(text, sizeof text, "{'ref':'r','type':%s}", data);
	which = !which;
	if (parse_to(&m, text, NULL))
		printf("# bad: %s\n", text);
	memcpy(out[which], m.command.ref_digest, 17);
	message_release(&m);
	return out[which];
}

/* Messages that all say something else. */
static const char *const sayings[] = {
	"'section_deleted','data':{'section_id':'a'}",
	"'section_deleted','data':{'section_id':'b'}",
	"'section_deleted','data':{'section_id':'a','base_seq':1}",
	"'section_deleted','data':{'section_id':'a','if_version':1}",
	"'section_deleted','data':{'section_id':'a','fence':1}",
	"'section_lock','data':{'section_id':'a'}",
	"'section_lock','data':{'section_id':'a','ttl_seconds':1}",
	"'section_unlock','data':{'section_id':'a'}",
	"'section_unlock','data':{'section_id':'a','force':true}",
	"'section_update','data':{'section_id':'a','changes':{}}",
	"'section_update','data':{'section_id':'a','changes':{'content':''}}",
	"'section_update','data':{'section_id':'a','changes':{'content':null}}",
	"'section_update','data':{'section_id':'a','changes':{'content':'[1]'}}",
	"'section_update','data':{'section_id':'a','changes':{'content':[1]}}",
	"'section_update','data':{'section_id':'a','changes':{'delta':[1]}}",
	"'section_update','data':{'section_id':'a','changes':{'delta':['x']}}",
	"'section_update','data':{'section_id':'a','changes':{'delta':[{'d':1}]}}",
	"'section_update','data':{'section_id':'a','changes':{'k':1}}",
	"'section_update','data':{'section_id':'a','changes':{'k':'1'}}",
	"'section_update','data':{'section_id':'a','changes':{'content':'base_seq=1;'}}",
	"'section_update','data':{'section_id':'a','changes':{'content':'base_seq=1;'},'base_seq':"
	"1}",
	"'comment_added','data':{'section_id':'a','content':'x'}",
	"'comment_added','data':{'section_id':'a','content':'y'}",
	"'comment_added','data':{'section_id':'a','content':'x','comment_id':'" UUID_A "'}",
	"'comment_added','data':{'section_id':'a','content':'x','parent_comment_id':'" UUID_A "'}",
	"'comment_added','data':{'section_id':'a','content':'x','anchor':{'from':0,'to':1}}",
	"'comment_added','data':{'section_id':'a','content':'x','anchor':{'from':0,'to':2}}",
	"'comment_added','data':{'section_id':'a','content':'x','anchor':{'from':0,'to':2,'base_"
	"seq':0}}",
	"'comment_added','data':{'section_id':'a','content':'x','mentions':['a','b']}",
	"'comment_added','data':{'section_id':'a','content':'x','mentions':['b','a']}",
	"'comment_resolved','data':{'comment_id':'" UUID_A "'}",
	"'comment_reopened','data':{'comment_id':'" UUID_A "'}",
	"'conflict_resolved','data':{'conflict_id':'" UUID_A "','resolution':'current'}",
	"'conflict_resolved','data':{'conflict_id':'" UUID_A "','resolution':'proposed'}",
};

static const char *const same_sayings[][2] = {
	{"'section_update','data':{'section_id':'a','changes':{'content':'x','k':{'a':1,'b':2}}}",
         "'section_update','data':{'changes':{'k':{'b':2.0,'a':1},'content':'\\u0078'},'section_id'"
         ":'a'}"},
	{"'section_update','data':{'section_id':'a','changes':{'delta':[1,'x',{'d':2},9]}}",
         "'section_update','data':{'section_id':'a','changes':{'delta':[1,'x',{'d':1},{'d':1}]},'"
         "new':1}"},
	{"'comment_added','data':{'section_id':'a','content':'x','parent_comment_id':null}",
         "'comment_added','data':{'section_id':'a','content':' x '}"},
};

static void test_digests(void)
{
	enum { SAYINGS = sizeof sayings / sizeof sayings[0] };
	char all[SAYINGS][17];
	bool distinct = true;

	for (size_t i = 0; i < SAYINGS; i++) {
		memcpy(all[i], digest(sayings[i]), 17);
		for (size_t k = 0; k < i; k++)
			if (!all[i][0] || strcmp(all[i], all[k]) == 0) {
				printf("# alike: %s and %s\n", sayings[k], sayings[i]);
				distinct = false;
			}
	}
	ok(distinct, "whatever says something else has another digest");
	for (size_t i = 0; i < sizeof same_sayings / sizeof same_sayings[0]; i++)
		is_str(digest(same_sayings[i][0]), digest(same_sayings[i][1]),
		       "the same, said otherwise");
	/* Logs keep digests: these must never change. */
	is_str(digest(sayings[20]), "3c7f7e6f10c93065", "the digest of a section_update");
	is_str(digest(sayings[28]), "ecdb85eaa4ecb214", "the digest of a comment_added");
}

static void test_digest_base(void)
{
	struct message m;
	char before[17], after[17];

	parse(&m, "{'type':'section_update','ref':'r','data':{'section_id':'a','changes':{'content'"
	          ":'x'}}}");
	memcpy(before, m.command.ref_digest, 17);
	m.command.base_seq = 12;
	m.command.base_assumed = true;
	is_int(command_digest(&m.command, after), 0, "digest");
	is_str(after, before, "an assumed base was not said");
	m.command.base_assumed = false;
	is_int(command_digest(&m.command, after), 0, "digest");
	ok(strcmp(after, before) != 0, "a base that was said counts");
	message_release(&m);
}

static void test_start_digest(void)
{
	static const char *const bodies_of[] = {
		"{'sections':{'a':{'content':'x'},'b':{}},'max_participants':10}",
		"{'sections':{'b':{},'a':{'content':'x'}}}",
		"{'sections':{'b':{'content':'x'},'a':{}}}",
		"{'sections':{'b':{},'a':{'content':'x'}},'fresh':true}",
		"{'sections':{'b':{},'a':{'content':'x'}},'participants':[{'user_id':'u'}]}",
		"{'sections':{'b':{},'a':{'content':'x'}},'session_type':'chat'}",
	};
	char digests[6][17];

	for (size_t i = 0; i < 6; i++) {
		struct start_options o;

		is_int(start(&o, bodies_of[i], NULL, "key", NULL), 0, shown(bodies_of[i]));
		memcpy(digests[i], o.ref_digest, 17);
		start_options_release(&o);
	}
	is_str(digests[1], digests[0], "the order of sections and defaults mean nothing");
	for (size_t i = 2; i < 6; i++)
		ok(strcmp(digests[i], digests[1]) != 0, "another start has another digest");
}

int main(void)
{
	limits_default(&limits);
	test_bodies();
	test_body_details();
	test_starts();
	test_start_details();
	test_start_limits();
	test_digests();
	test_digest_base();
	test_start_digest();
	return done();
}
