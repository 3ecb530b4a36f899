/* Client messages: every type, every field, every way to be wrong; hostile JSON. */
#include <jansson.h>
#include <time.h>

#include "message_test.h"
#include "proto/message_fields.h"

static void test_section_messages(void)
{
	struct message m;
	const struct command *c = &m.command;

	parse(&m, "{'type':'section_update','ref':'r1','data':{'section_id':'intro','changes':"
	          "{'content':'H\\u00e9','title':'T','old':null},'base_seq':0,'if_version':7,"
	          "'fence':3,'unheard_of':[1]}}");
	is_int(c->kind, COMMAND_SECTION_UPDATE, "kind");
	is_str(c->ref, "r1", "ref");
	is_int(strlen(c->ref_digest), 16, "a ref has a digest");
	is_str(c->section_id, "intro", "section_id");
	is_str(c->changes.content, "H" UTF8_E, "content");
	is_int(c->changes.content_len, 3, "content_len");
	ok(json_object_size(c->changes.keys) == 2 &&
	           json_is_null(json_object_get(c->changes.keys, "old")),
	   "the other keys, null too");
	ok(c->base_seq == 0 && c->if_version == 7 && c->fence == 3, "base_seq, if_version, fence");
	message_release(&m);

	parse(&m, "{'type':'section_update','data':{'section_id':'intro','changes':"
	          "{'delta':[1,'x',{'d':2}]},'base_seq':null}}");
	ok(c->changes.delta && c->changes.delta->len == 3 && !c->changes.keys, "a delta");
	ok(!c->ref && c->base_seq == EVENT_ABSENT && c->fence == EVENT_ABSENT, "absent, null");
	message_release(&m);

	parse(&m, "{'type':'section_update','data':{'section_id':'intro','changes':"
	          "{'content':null,'delta':null}}}");
	ok(json_is_null(c->changes.content_json) && !c->changes.content && !c->changes.delta &&
	           !c->changes.keys,
	   "content null is a value, delta null is absent");
	message_release(&m);

	parse(&m, "{'type':'section_deleted','data':{'section_id':'a.b-c_d','base_seq':4.0}}");
	ok(c->kind == COMMAND_SECTION_DELETE && c->base_seq == 4, "section_deleted; 4.0 is 4");
	message_release(&m);
	parse(&m, "{'type':'section_lock','data':{'section_id':'s','ttl_seconds':30,'fence':1}}");
	ok(c->kind == COMMAND_SECTION_LOCK && c->ttl_seconds == 30 && c->fence == 1,
	   "section_lock");
	message_release(&m);
	parse(&m, "{'type':'section_unlock','data':{'section_id':'s','force':true}}");
	ok(c->kind == COMMAND_SECTION_UNLOCK && c->force, "section_unlock");
	message_release(&m);
}

static void test_comment_messages(void)
{
	struct message m;
	const struct command *c = &m.command;

	parse(&m, "{'type':'comment_added','data':{'section_id':'s','content':'\\u3000 hi "
	          "there\\u2028\\t',"
	          "'parent_comment_id':'" UUID_B "','comment_id':'" UUID_A "',"
	          "'anchor':{'from':1,'to':1,'base_seq':9},'mentions':['bob@x','eve']}}");
	is_str(c->text, "hi there", "text, trimmed of Unicode's white space");
	is_int(c->text_len, 8, "text_len");
	is_str(c->parent_comment_id, UUID_B, "parent_comment_id, as it was given");
	is_str(c->comment_id, UUID_A, "comment_id");
	ok(c->anchor.from == 1 && c->anchor.to == 1 && c->anchor.base_seq == 9, "anchor");
	ok(c->mentions_len == 2 && strcmp(c->mentions[1], "eve") == 0, "mentions");
	message_release(&m);

	parse(&m, "{'type':'comment_added','data':{'section_id':'s','content':'\\u200b','parent_"
	          "comment_id':null}}");
	ok(!c->parent_comment_id && !c->comment_id && c->anchor.from == EVENT_ABSENT, "a root");
	is_int(c->text_len, 3, "a zero-width space is no white space");
	message_release(&m);

	parse(&m, "{'type':'comment_edited','data':{'comment_id':'" UUID_A
	          "','content':'x','mentions':[]}}");
	ok(c->kind == COMMAND_COMMENT_EDIT && c->mentions_len == 0, "comment_edited");
	message_release(&m);
	parse(&m, "{'type':'comment_resolved','data':{'comment_id':'" UUID_A "'}}");
	is_int(c->kind, COMMAND_COMMENT_RESOLVE, "comment_resolved");
	message_release(&m);
	parse(&m, "{'type':'comment_reopened','data':{'comment_id':'" UUID_A "'}}");
	is_int(c->kind, COMMAND_COMMENT_REOPEN, "comment_reopened");
	message_release(&m);
	parse(&m, "{'type':'comment_deleted','data':{'comment_id':'" UUID_A "'}}");
	is_int(c->kind, COMMAND_COMMENT_DELETE, "comment_deleted");
	message_release(&m);
}

static void test_other_messages(void)
{
	struct message m;
	const struct command *c = &m.command;

	parse(&m, "{'type':'conflict_resolved','data':{'conflict_id':'" UUID_A
	          "','resolution':'merged',"
	          "'content':'both','base_seq':2,'fence':5}}");
	ok(c->resolution == RESOLUTION_MERGED && c->base_seq == 2 && c->fence == 5,
	   "conflict_resolved");
	is_str(c->changes.content, "both", "its content");
	message_release(&m);
	parse(&m, "{'type':'conflict_resolved','data':{'conflict_id':'" UUID_A
	          "','resolution':'current','content':'x'}}");
	ok(c->resolution == RESOLUTION_CURRENT && !c->changes.content, "only merged has a content");
	message_release(&m);

	parse(&m, "{'type':'cursor_position','data':{'section_id':'s','position':0,'selection':[5,"
	          "2],'base_seq':1}}");
	ok(c->position == 0 && c->selection[0] == 5 && c->selection[1] == 2 && c->base_seq == 1,
	   "cursor_position, selected backwards");
	message_release(&m);
	parse(&m, "{'type':'cursor_position','data':{'section_id':'s','position':3}}");
	is_int(c->selection[0], EVENT_ABSENT, "no selection");
	message_release(&m);

	parse(&m, "{'type':'ping','ref':'p'}");
	ok(c->kind == COMMAND_PING && !c->ref_digest[0], "ping; nothing durable, no digest");
	is_str(c->ref, "p", "ref of a ping");
	message_release(&m);
	parse(&m, " {'type':'heartbeat','data':null,'ref':null}\r\n");
	is_int(c->kind, COMMAND_PING, "heartbeat is ping");
	message_release(&m);
	parse(&m, "{'type':'token_refresh','data':{'token':'a.b.c'}}");
	is_str(c->token, "a.b.c", "token_refresh");
	message_release(&m);
}

/* A message of each type that holds every field it may. */
static const char *const complete[] = {
	"{'type':'section_update','data':{'section_id':'s','changes':{'content':'x'},"
	"'base_seq':1,'if_version':1,'fence':1}}",
	"{'type':'section_deleted','data':{'section_id':'s','base_seq':1,'if_version':1,'fence':1}"
	"}",
	"{'type':'section_lock','data':{'section_id':'s','ttl_seconds':1,'fence':1,'force':true}}",
	"{'type':'section_unlock','data':{'section_id':'s','fence':1,'force':false}}",
	"{'type':'comment_added','data':{'section_id':'s','content':'x','parent_comment_id':"
	"'" UUID_A "','comment_id':'" UUID_A "','anchor':{'from':0,'to':1},'mentions':['u']}}",
	"{'type':'comment_edited','data':{'comment_id':'" UUID_A "','content':'x','mentions':[]}}",
	"{'type':'comment_resolved','data':{'comment_id':'" UUID_A "'}}",
	"{'type':'comment_reopened','data':{'comment_id':'" UUID_A "'}}",
	"{'type':'comment_deleted','data':{'comment_id':'" UUID_A "'}}",
	"{'type':'conflict_resolved','data':{'conflict_id':'" UUID_A "','resolution':'proposed',"
	"'content':'x','base_seq':1,'fence':1}}",
	"{'type':'cursor_position','data':{'section_id':'s','position':1,'selection':[0,1],'base_"
	"seq':1}}",
	"{'type':'token_refresh','data':{'token':'t'}}",
};

#define LONG_NAME /* 129 letters */                                                                \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaa"                                                                                      \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* What no field of a type may be, as a JSON array. */
static const char *const wrong_values[FIELD_TYPES] = {
	[FIELD_SECTION_ID] =
		"[1,true,[],{},'','-a','a b','a/b','a@b','" UTF8_E "','" LONG_NAME "']",
	[FIELD_USER_ID] = "[1,'','@a','a/b','" LONG_NAME "']",
	[FIELD_UUID] = "[1,[],'','x','" UUID_A "0','0b5e7a520a4b4a6f9e490a3f6f9d4c01']",
	[FIELD_INTEGER] = "[-1,1.5,'1',true,[],9007199254740992,9223372036854775807,1e300]",
	[FIELD_BOOL] = "[0,1,'true',[]]",
	[FIELD_TOKEN] = "['',1,{}]",
	[FIELD_RESOLUTION] = "['','theirs',0]",
	[FIELD_CHANGES] = "['x',[],1]",
	[FIELD_CONTENT] = "[9007199254740993,[1,{'a':-9007199254740993}]]",
	[FIELD_COMMENT] = "['',' "
			  "\\t\\n\\u0085\\u00a0\\u1680\\u2000\\u200a\\u2028\\u2029\\u202f\\u205f\\u"
			  "3000',1,[]]",
	[FIELD_MENTIONS] = "['u',{},[1],[''],['a','b/']]",
	[FIELD_ANCHOR] = "[1,[0,1],{'from':2,'to':1},{'from':-1,'to':1},{'from':0,'to':'1'},"
			 "{'from':0,'to':1,'base_seq':-1}]",
	[FIELD_SELECTION] = "[1,[],[1],[1,2,3],[1,'2'],[-1,2],{'from':1}]",
};

static const char *outcome_json(const json_t *message)
{
	static char none[] = "";
	char *text = json_dumps(message, 0);
	const char *out = outcome(text ? text : none);

	free(text);
	return out;
}

static bool begins(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static void test_field(json_t *message, const char *type, const struct field *f)
{
	json_t *data = json_object_get(message, "data");
	json_t *good = json_incref(json_object_get(data, f->name));
	char *values = json_of(wrong_values[f->type]);
	json_t *wrong = json_loads(values, 0, NULL);
	char want[128];
	const json_t *v;
	size_t i;

	ok(good && json_array_size(wrong) > 0, "%s: %s is tested", type, f->name);
	json_object_del(data, f->name);
	(void)snprintf(want, sizeof want, "missing_field %s", f->name);
	is_str(outcome_json(message), f->required ? want : "ok", "left out");
	json_object_set_new(data, f->name, json_null());
	(void)snprintf(want, sizeof want, "bad_field %s", f->name);
	is_str(outcome_json(message), f->required ? want : "ok", "null");
	json_array_foreach(wrong, i, v)
	{
		char *text = json_dumps(v, JSON_ENCODE_ANY);

		json_object_set(data, f->name, (json_t *)(uintptr_t)v);
		ok(begins(outcome_json(message), want), "%s: %s may not be %s", type, f->name,
		   shown(text));
		free(text);
	}
	json_object_set_new(data, f->name, good);
	json_decref(wrong);
	free(values);
}

static void test_fields(void)
{
	for (size_t i = 0; i < sizeof complete / sizeof complete[0]; i++) {
		char *text = json_of(complete[i]);
		json_t *message = json_loads(text, 0, NULL);
		const char *type = json_string_value(json_object_get(message, "type"));
		size_t len = 0;
		const struct field *f =
			message_fields((enum command_kind)command_kind_parse(type), &len);

		is_str(outcome_json(message), "ok", type);
		for (size_t k = 0; k < len; k++)
			test_field(message, type, &f[k]);
		json_decref(message);
		free(text);
	}
}

#define UPDATE(changes) "{'type':'section_update','data':{'section_id':'s','changes':" changes "}}"
#define COMMENT(more) "{'type':'comment_added','data':{'section_id':'s','content':'x'," more "}}"

static const struct {
	const char *text, *want;
} refused[] = {
	{"", "bad_json"},
	{"   ", "bad_json"},
	{"[]", "bad_json"},
	{"null", "bad_json"},
	{"'ping'", "bad_json"},
	{"{", "bad_json"},
	{"{'type':'ping'", "bad_json"},
	{"{'type':'ping'}x", "bad_json"},
	{"{'type':'ping'}{}", "bad_json"},
	{"{'type':'ping',}", "bad_json"},
	{"\xef\xbb\xbf{'type':'ping'}", "bad_json"},
	{"{'type':'ping','type':'ping'}", "bad_json"},
	{"{'type':'ping','x':{'a':1,'a':2}}", "bad_json"},
	{"{'type':'ping','x':'\\u0000'}", "bad_json"},
	{"{'type':'ping','\\u0000':1}", "bad_json"},
	{"{'type':'ping','x':'\\ud800'}", "bad_json"},
	{"{'type':'ping','x':'\\udc00'}", "bad_json"},
	{"{'type':'ping','x':'\\ud800\\ud800'}", "bad_json"},
	{"{'type':'ping','x':'\\udc00\\ud800'}", "bad_json"},
	{"{'type':'ping','x':'\\ud83d\\ude00'}", "ok"},
	{"{'type':'ping','x':'a\nb'}", "bad_json"},
	{"{'type':'ping','x':NaN}", "bad_json"},
	{"{'type':'ping','x':1e999}", "bad_json"},
	{"{'type':'ping','x':99999999999999999999}", "bad_json"},
	{"{'type':'ping','x':01}", "bad_json"},
	{"{'type':'ping','x':'\xff'}", "bad_utf8"},
	{"{'type':'ping','x':'\xed\xa0\x80'}", "bad_utf8"},
	{"{'type':'ping','x':'\xc0\xaf'}", "bad_utf8"},
	{"{'type':'ping','x':'\xc3", "bad_utf8"},
	{"{'data':{}}", "missing_field type"},
	{"{'type':null}", "bad_field type"},
	{"{'type':7}", "bad_field type"},
	{"{'type':''}", "unknown_type type"},
	{"{'type':'PING'}", "unknown_type type"},
	{"{'type':'participant_add'}", "unknown_type type"},
	{"{'type':'ping','data':[]}", "bad_field data"},
	{"{'type':'ping','data':'x'}", "bad_field data"},
	{"{'type':'ping','ref':''}", "bad_field ref"},
	{"{'type':'ping','ref':1}", "bad_field ref"},
	{"{'type':'section_update'}", "missing_field section_id"},
	{UPDATE("{'content':'x','delta':['x']}"), "bad_field changes.delta"},
	{UPDATE("{'content':null,'delta':['x']}"), "bad_field changes.delta"},
	{UPDATE("{'delta':'x'}"), "bad_delta changes.delta"},
	{UPDATE("{'delta':[1,{'d':-1}]}"), "bad_delta changes.delta[1]"},
	{UPDATE("{'section_id':'t'}"), "reserved_key changes.section_id"},
	{UPDATE("{'content':'x','version':1}"), "reserved_key changes.version"},
	{UPDATE("{'updated_by':null}"), "reserved_key changes.updated_by"},
	{UPDATE("{'updated_at':null}"), "reserved_key changes.updated_at"},
	{UPDATE("{'updated_by_name':null}"), "reserved_key changes.updated_by_name"},
	{UPDATE("{'content':9007199254740992}"), "bad_field changes.content"},
	{UPDATE("{'k':[{'n':-9007199254740992}]}"), "bad_field changes"},
	{UPDATE("{'k':-9007199254740991,'content':9007199254740991}"), "ok"},
	{UPDATE("{}"), "ok"},
	{COMMENT("'anchor':{'to':1}"), "missing_field anchor.from"},
	{COMMENT("'anchor':{'from':1}"), "missing_field anchor.to"},
	{COMMENT("'anchor':{'from':1,'to':0}"), "bad_field anchor.to"},
	{COMMENT("'anchor':{'from':1,'to':2,'base_seq':0.5}"), "bad_field anchor.base_seq"},
	{COMMENT("'mentions':['a','b',3]"), "bad_field mentions[2]"},
	{"{'type':'section_lock','data':{'section_id':'s','ttl_seconds':0}}",
         "bad_field ttl_seconds"},
	{"{'type':'section_lock','data':{'section_id':'s','fence':0}}", "bad_field fence"},
	{"{'type':'conflict_resolved','data':{'conflict_id':'" UUID_A "','resolution':'merged'}}",
         "missing_field content"},
};

static void test_refused(void)
{
	static const char quotes[] = "{'type':'ping'}";
	static const char nul[] = "{\"type\":\"ping\",\"x\":\"a\0b\"}";
	static const char behind[] = "{\"type\":\"ping\"}\0";

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		is_str(outcome(refused[i].text), refused[i].want, shown(refused[i].text));
	is_str(outcome_n(quotes, sizeof quotes - 1), "bad_json", "single quotes");
	is_str(outcome_n(nul, sizeof nul - 1), "bad_json", "NUL in a string");
	is_str(outcome_n(behind, sizeof behind - 1), "bad_json", "NUL behind the object");
}

/* What only a server sends, every kind of event that is no message among it. */
static void test_server_types(void)
{
	static const char *const types[] = {"ack",        "error",         "session_state",
	                                    "synced",     "checkpoint",    "pong",
	                                    "going_away", "token_expiring"};
	char text[128];

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		(void)snprintf(text, sizeof text, "{'type':'%s','seq':1,'hash':''}", types[i]);
		ok(message_type_is_servers(types[i]), "only the server sends %s", types[i]);
		is_str(outcome(text), "unknown_type type", types[i]);
	}
	for (int k = 0; k < EVENT_KINDS; k++) {
		const char *type = event_type((enum event_kind)k);
		bool servers = command_kind_parse(type) < 0;

		is_int(message_type_is_servers(type), servers, type);
		(void)snprintf(text, sizeof text, "{'type':'%s'}", type);
		ok(begins(outcome(text), servers ? "unknown_type type" : "missing_field"), "%s",
		   text);
	}
	ok(!message_type_is_servers("heartbeat") && !message_type_is_servers("nonsense"),
	   "no others");
}

/* A message whose string at "%s" is `chars` times `piece`. */
static const char *outcome_repeated(const char *fmt, const char *piece, size_t times)
{
	static char piecewise[100000], text[100200];
	size_t len = strlen(piece);

	for (size_t i = 0; i < times; i++)
		memcpy(piecewise + i * len, piece, len);
	piecewise[times * len] = '\0';
	(void)snprintf(
		text, sizeof text,
		fmt[0] == 'r'
			? "{'type':'ping','ref':'%s'}"
			: "{'type':'comment_added','data':{'section_id':'s','content':' %s '}}",
		piecewise);
	return outcome(text);
}

static void test_lengths(void)
{
	struct message m;
	struct err e = {0};
	char text[5300];

	is_str(outcome_repeated("ref", UTF8_GRIN, 64), "ok", "a ref of 64 characters");
	is_str(outcome_repeated("ref", UTF8_GRIN, 65), "bad_field ref", "a ref of 65");
	is_str(outcome_repeated("comment", UTF8_GRIN, 5000), "ok", "a comment of 5000 characters");
	is_str(outcome_repeated("comment", UTF8_E, 5001), "bad_field content", "a comment of 5001");
	(void)snprintf(text, sizeof text,
	               "{'type':'comment_added','data':{'section_id':'s','content':'%05001d'}}", 0);
	(void)parse_to(&m, text, &e); /* it fails */
	ok(strstr(e.text, "5001") != NULL, "the error says how many: %s", e.text);
	message_release(&m);
	(void)strcpy(text, "{'type':'comment_added','data':{'section_id':'s','content':'x',"
	                   "'mentions':[");
	for (int i = 0; i < 51; i++)
		(void)strcat(text, i ? ",'u'" : "'u'");
	(void)strcat(text, "]}}");
	is_str(outcome(text), "bad_field mentions", "51 mentions");
}

static void test_sizes(void)
{
	struct limits small = limits;
	struct message m;
	struct err e = {0};
	char text[1026];

	small.frame_bytes = 1024;
	memset(text, ' ', sizeof text);
	memcpy(text, "{\"type\":\"ping\"}", 15);
	is_int(message_parse(text, 1024, &small, &m, &e), 0, "as long as a frame may be");
	message_release(&m);
	is_int(message_parse(text, 1025, &small, &m, &e), ERR_TOO_LARGE, "longer than a frame");
	message_release(&m);
}

/* `{"type":"ping","x":` followed by levels-1 brackets, closed again unless open. */
static const char *outcome_nested(size_t levels, char bracket, bool open)
{
	static char text[200100];
	size_t len = (size_t)snprintf(text, sizeof text, "{\"type\":\"ping\",\"x\":");

	for (size_t i = 1; i < levels; i++) {
		text[len++] = bracket;
		if (bracket == '{') {
			memcpy(text + len, "\"\":", 3);
			len += 3;
		}
	}
	if (bracket == '{')
		text[len++] = '1';
	for (size_t i = 1; i < levels && !open; i++)
		text[len++] = bracket == '[' ? ']' : '}';
	if (!open)
		text[len++] = '}';
	return outcome_n(text, len);
}

static void test_depth(void)
{
	is_str(outcome_nested(32, '[', false), "ok", "32 levels of arrays");
	is_str(outcome_nested(33, '[', false), "bad_json", "33 levels of arrays");
	is_str(outcome_nested(32, '{', false), "ok", "32 levels of objects");
	is_str(outcome_nested(33, '{', false), "bad_json", "33 levels of objects");
	is_str(outcome_nested(200000, '[', true), "bad_json", "200,000 levels");
	is_str(outcome("{'type':'ping','x':'[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\'[[[['}"), "ok",
	       "brackets in a string do not nest");
	is_str(outcome("{'type':'ping','x':[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],["
	               "],"
	               "[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}"),
	       "ok", "many arrays side by side");
	is_str(outcome(UPDATE("{'k':[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}")),
	       "ok", "a key of a section, 29 levels within 3");
}

/* Work grows with the length, not with its square. */
static void test_many_keys(void)
{
	struct limits large = limits;
	double seconds[2] = {0};
	struct message m;
	struct err e = {0};

	large.frame_bytes = 67108864;
	for (int round = 0; round < 2; round++) {
		size_t keys = round ? 1000000 : 100000, len = 0;
		char *text = malloc(keys * 16 + 100);
		clock_t start;
		int rc;

		len += (size_t)sprintf(text, "{\"type\":\"section_update\",\"ref\":\"r\",\"data\":"
		                             "{\"section_id\":\"s\",\"changes\":{\"content\":\"\"");
		for (size_t i = 0; i < keys; i++)
			len += (size_t)sprintf(text + len, ",\"k%zu\":1", i);
		len += (size_t)sprintf(text + len, "}}}");
		start = clock();
		rc = message_parse(text, len, &large, &m, &e);
		seconds[round] = (double)(clock() - start) / CLOCKS_PER_SEC;
		ok(rc == 0 && json_object_size(m.command.changes.keys) == keys, "%zu keys", keys);
		message_release(&m);
		free(text);
	}
	ok(seconds[1] < 60 * seconds[0] + 1, "ten times the keys, not a hundred times the work");
}

static int allocations_left;

static void *failing_malloc(size_t n)
{
	return allocations_left-- > 0 ? malloc(n) : NULL;
}

static void test_nomem(void)
{
	static const char text[] =
		"{\"ref\":\"r\",\"type\":\"section_update\",\"data\":{\"section_id\":\"a long "
		"enough id\","
		"\"changes\":{\"content\":\"x\",\"a\":[1,2.5],\"b\":{\"c\":true}}}}";
	int failed = 0, rc = ERR_NOMEM;
	bool honest = true;

	for (int n = 0; rc && n < 1000; n++) {
		struct message m;
		struct err e = {0};

		allocations_left = n;
		json_set_alloc_funcs(failing_malloc, free);
		rc = message_parse(text, sizeof text - 1, &limits, &m, &e);
		message_release(&m);
		json_set_alloc_funcs(malloc, free);
		failed += rc != 0;
		/* The id is refused in the end: it has blanks. */
		honest = honest && (rc == ERR_NOMEM || rc == ERR_BAD_FIELD);
		if (rc == ERR_BAD_FIELD)
			break;
	}
	ok(honest && failed > 10, "each of %d failing allocations is said to be one", failed);
}

int main(void)
{
	limits_default(&limits);
	test_section_messages();
	test_comment_messages();
	test_other_messages();
	test_fields();
	test_refused();
	test_server_types();
	test_lengths();
	test_sizes();
	test_depth();
	test_many_keys();
	test_nomem();
	return done();
}
