/*
 * Messages that are read without a tree of values: those that should be are, and whatever is read
 * so means what it means with a tree; all else is left to that.  SEED=n repeats a run, LONG=1 makes
 * it long.
 */
#include "message_same.h"
#include "message_test.h"

enum { TEXT_MAX = 2048 };

/* With ' for ". */
static const char *const taken[] = {
	"{'type':'section_update','data':{'section_id':'s','changes':{'content':'x'}},'ref':'r'}",
	"{'data':{'changes':{'content':'H\\u00e9 \\ud83d\\ude00 \\\"\\\\\\/\\b\\f\\n\\r\\t'},"
	"'section_id':'a.b-c_d','base_seq':0,'if_version':9007199254740991,'fence':1},"
	"'ref':'\\u20ac','type':'section_update'}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'delta':[1,'x',{'d':2},"
	"{'d':'\\u00e9x'},0,4294967295]},'base_seq':3}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'delta':[]},'base_seq':3}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'delta':null,'content':''}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'content':'','delta':null}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{}}}",
	"{'type':'section_update','section_id':'s','changes':{'content':'at the top'}}",
	"{'type':'section_update','data':null,'section_id':'s','changes':{'content':'x'}}",
	"{'type':'section_update','section_id':'t','base_seq':1,'data':{'section_id':'s','changes':"
	"{'content':'x'},'base_seq':null},'ref':null}",
	"  {\t'type' : 'section_update' ,\r\n'data' : { 'section_id' : 's' , 'changes' :"
	" { 'content' : 'x' } } }\n ",
	"{'type':'section_update','data':{'section_id':'s','changes':{'content':'x'},'unheard':'of'"
	","
	"'more':-0,'and':true,'also':false,'too':null},'user_name':'\\ud83d\\ude00'}",
	"{'type':'section_deleted','data':{'section_id':'s','base_seq':4}}",
	"{'type':'section_lock','data':{'section_id':'s','ttl_seconds':30,'fence':1,'force':true}}",
	"{'type':'section_unlock','data':{'section_id':'s','force':false}}",
	"{'type':'cursor_position','data':{'section_id':'s','position':0,'selection':[7,3]}}",
	"{'type':'cursor_position','data':{'section_id':'s','position':5,'selection':null}}",
	"{'type':'comment_added','data':{'section_id':'s','content':'h\\u00e9!','parent_comment_id'"
	":"
	"null,'comment_id':'" UUID_A "'}}",
	"{'type':'comment_edited','data':{'comment_id':'" UUID_B "','content':'x'}}",
	"{'type':'comment_resolved','data':{'comment_id':'" UUID_A "'},'ref':'x'}",
	"{'type':'ping'}",
	"{'type':'heartbeat','ref':'r','data':{}}",
};

/* Right or wrong, they are left to the tree. */
static const char *const left[] = {
	"",
	"{",
	"{}",
	"[]",
	"null",
	"{'type':'ping'",
	"{'type':'ping'}x",
	"{'type':'ping'}{}",
	"{'type':'ping',}",
	"{,'type':'ping'}",
	"{'type':'ping''ref':'x'}",
	"{'type' 'ping'}",
	"{'type':'ping','type':'ping'}",
	"{'type':'ping','t\\u0079pe':'ping'}",
	"{'type':'ping','x':1,'x':2}",
	"{'type':'ping','data':{'x':1,'x':1}}",
	"{'type':'ping','data':{'data':{}}}",
	"{'type':'ping','data':[]}",
	"{'type':'ping','data':'x'}",
	"{'type':'ping','x':{}}",
	"{'type':'ping','x':[]}",
	"{'type':'ping','x':01}",
	"{'type':'ping','x':-}",
	"{'type':'ping','x':1.0}",
	"{'type':'ping','x':1e2}",
	"{'type':'ping','x':+1}",
	"{'type':'ping','x':1000000000000000000}",
	"{'type':'ping','x':-01}",
	"{'type':'ping','x':.5}",
	"{'type':'ping','x':1.}",
	"{'type':'ping','x':truex}",
	"{'type':'ping','x':nul}",
	"{'type':'ping','x':True}",
	"{'type':'ping','x':'\\ud800'}",
	"{'type':'ping','x':'\\udc00'}",
	"{'type':'ping','x':'\\ud800\\u0041'}",
	"{'type':'ping','x':'\\u0000'}",
	"{'type':'ping','x':'\\u12g4'}",
	"{'type':'ping','x':'\\x'}",
	"{'type':'ping','x':'\\",
	"{'type':'ping','x':'\\u12",
	"{'type':'ping','x':'\t'}",
	"{'type':'ping','x':'\xff'}",
	"{'type':'ping','x':'\xed\xa0\x80'}",
	"{'type':'ping','x':'\xc0\x80'}",
	"\xef\xbb\xbf{'type':'ping'}",
	"{'type':7}",
	"{'type':null}",
	"{'type':'unheard_of'}",
	"{'type':'ack'}",
	"{'type':'ping','ref':7}",
	"{'type':'ping','ref':''}",
	"{'type':'ping','ref':'0123456789012345678901234567890123456789012345678901234567890123x'}",
	"{'type':'ping','seq':1,'session_id':'" UUID_A "'}",
	"{'type':'section_update','data':{'changes':{'content':'x'}}}",
	"{'type':'section_update','data':{'section_id':'s'}}",
	"{'type':'section_update','data':{'section_id':null,'changes':{'content':'x'}}}",
	"{'type':'section_update','data':{'section_id':'-s','changes':{'content':'x'}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':'x'}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'content':1}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'content':null}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'content':'x','title':'t'}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'content':'x','delta':[1]}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'delta':[1],'content':'x'}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'delta':[-1]}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'delta':[4294967296]}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'delta':[1.0]}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'delta':[1,]}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'delta':[{}]}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'delta':[{'e':1}]}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'delta':[{'d':1,'e':2}]}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'delta':[{'d':-1}]}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'delta':[true]}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'content':'x','content':'y'}}"
	"}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'delta':null,'delta':null}}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'content':'x'}},'changes':{}"
	"}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'content':'x'},'base_seq':-1}"
	"}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'content':'x'},"
	"'base_seq':9007199254740992}}",
	"{'type':'section_update','data':{'section_id':'s','changes':{'content':'x'},'base_seq':1."
	"0}}",
	"{'type':'section_lock','data':{'section_id':'s','force':1}}",
	"{'type':'section_lock','data':{'section_id':'s','ttl_seconds':0}}",
	"{'type':'cursor_position','data':{'section_id':'s','position':0,'selection':[1]}}",
	"{'type':'cursor_position','data':{'section_id':'s','position':0,'selection':[1,2,3]}}",
	"{'type':'cursor_position','data':{'section_id':'s','position':0,'selection':[1,-2]}}",
	"{'type':'cursor_position','data':{'section_id':'s','position':0,'selection':{}}}",
	"{'type':'comment_added','data':{'section_id':'s','content':' "
	"x','parent_comment_id':null}}",
	"{'type':'comment_added','data':{'section_id':'s','content':'','parent_comment_id':null}}",
	"{'type':'comment_added','data':{'section_id':'s','content':'x\\u2028'}}",
	"{'type':'comment_added','data':{'section_id':'s','content':'x','mentions':['eve']}}",
	"{'type':'comment_added','comment':{'section_id':'s','content':'x'}}",
	"{'type':'comment_resolved','data':{'comment_id':'x'}}",
	"{'type':'conflict_resolved','data':{'conflict_id':'" UUID_A "','resolution':'current'}}",
	"{'type':'token_refresh','data':{'token':'x'}}",
};

static void test_tables(void)
{
	for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
		char *json = json_of(taken[i]);

		is_int(quick_try(json, strlen(json), &limits), QUICK_SAME, shown(taken[i]));
		free(json);
	}
	for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
		char *json = json_of(left[i]);

		is_int(quick_try(json, strlen(json), &limits), QUICK_GAVE_UP, shown(left[i]));
		free(json);
	}
}

static void test_limits(void)
{
	const char *text = "{\"type\":\"ping\",\"data\":{}}";
	struct limits small = limits;
	char many[TEXT_MAX] = "{\"type\":\"ping\"";

	small.frame_bytes = (int64_t)strlen(text);
	is_int(quick_try(text, strlen(text), &small), QUICK_SAME, "as long as a frame may be");
	small.frame_bytes--;
	is_int(quick_try(text, strlen(text), &small), QUICK_GAVE_UP, "a byte longer");
	small = limits;
	small.json_depth = 1;
	is_int(quick_try(text, strlen(text), &small), QUICK_GAVE_UP, "nested deeper than allowed");
	for (int i = 0; i < 30; i++)
		(void)snprintf(many + strlen(many), 16, ",\"k%d\":%d", i, i);
	(void)snprintf(many + strlen(many), 2, "}");
	is_int(quick_try(many, strlen(many), &limits), QUICK_GAVE_UP, "many members");
	is_str(outcome_n(many, strlen(many)), "ok", "... which are fine");
}

/* The n bytes at `at` are gone, and so many of `with` are there. */
static size_t splice(char *p, size_t len, size_t at, size_t n, const char *with, size_t with_len)
{
	n = n < len - at ? n : len - at;
	if (len - n + with_len >= TEXT_MAX)
		return len;
	memmove(p + at + with_len, p + at + n, len - at - n);
	memcpy(p + at, with, with_len);
	return len - n + with_len;
}

/* One change of a message; some leave it one. */
static size_t change(char *p, size_t len, uint64_t *random)
{
	static const char *const pieces[] = {
		"\"",
		"\\",
		"{",
		"}",
		"[",
		"]",
		",",
		":",
		"0",
		"-1",
		"1.5",
		"1e3",
		"null",
		"true",
		"false",
		"\"\"",
		"{}",
		"[]",
		"\\u0000",
		"\\ud83d",
		"\\ude00",
		"\\u00e9",
		"\xc3\xa9",
		"\xff",
		"\t",
		"\"ref\":\"q\",",
		"\"data\":",
		"\"x\":[{}],",
		"\"section_id\":",
		"\"changes\":{},",
		"\"seq\":1,",
		"\"content\":",
		"\"delta\":[1,\"a\"],",
		"9007199254740992",
		"123456789012345678901",
		" ",
		"\"base_seq\":4,",
		"\"selection\":[1,2],",
	};
	const char *piece = pieces[rnd(random) % (sizeof pieces / sizeof pieces[0])];
	size_t at = len ? rnd(random) % len : 0, from = len ? rnd(random) % len : 0;
	char copy[32];
	size_t n = 1 + rnd(random) % (sizeof copy - 1);

	switch (rnd(random) % 5) {
	case 0:
		return splice(p, len, at, 0, piece, strlen(piece));
	case 1:
		return splice(p, len, at, 1 + rnd(random) % 3, piece, strlen(piece));
	case 2:
		return splice(p, len, at, n, "", 0);
	case 3: /* some of it once more, elsewhere */
		n = n < len - from ? n : len - from;
		memcpy(copy, p + from, n);
		return splice(p, len, at, 0, copy, n);
	default:
		return len ? splice(p, len, at, 1, (const char[]){(char)rnd(random)}, 1) : 0;
	}
}

/* What message_parse says is what the tree says, of whatever was made of the tables' messages. */
static bool agrees(const char *bytes, size_t len)
{
	struct message a, b;
	struct err ea = {0}, eb = {0};
	int rc = message_parse(bytes, len, &limits, &a, &ea);
	bool same = rc == message_parse_tree(bytes, len, &limits, &b, &eb) && ea.code == eb.code &&
	            strcmp(ea.field, eb.field) == 0 && strcmp(ea.text, eb.text) == 0 &&
	            strcmp(a.ref, b.ref) == 0 && a.command.kind == b.command.kind &&
	            strcmp(a.command.ref_digest, b.command.ref_digest) == 0;

	message_release(&a);
	message_release(&b);
	return same;
}

static void test_random(void)
{
	uint64_t state = rnd_seed(20250);
	size_t cases = getenv("LONG") ? 20000000 : 400000, was_taken = 0, wrong = 0, differs = 0;

	for (size_t i = 0; i < cases; i++) {
		bool right = rnd(&state) % 4 > 0;
		size_t n = right ? sizeof taken / sizeof taken[0] : sizeof left / sizeof left[0];
		char *json = json_of((right ? taken : left)[rnd(&state) % n]), text[TEXT_MAX];
		char *exact = NULL;
		size_t len = strlen(json);
		enum quick_result result;

		memcpy(text, json, len);
		free(json);
		for (size_t times = 1 + rnd(&state) % 4 / 2; times > 0; times--)
			len = change(text, len, &state);
		/* In memory of its own size: a sanitizer sees what is read beyond. */
		exact = malloc(len ? len : 1);
		if (!exact)
			abort();
		memcpy(exact, text, len);
		result = quick_try(exact, len, &limits);
		was_taken += result == QUICK_SAME;
		if (result == QUICK_WRONG || !agrees(exact, len)) {
			wrong += result == QUICK_WRONG;
			differs++;
			printf("# %.*s\n", (int)len, text);
		}
		free(exact);
	}
	is_int((int64_t)wrong, 0, "what is read without a tree means what it means with one");
	is_int((int64_t)differs, 0, "all else is what the tree says, to the letter");
	ok(was_taken > cases / 50, "enough of them were still messages");
	printf("# %zu of %zu\n", was_taken, cases);
}

int main(void)
{
	limits_default(&limits);
	test_tables();
	test_limits();
	test_random();
	return done();
}
