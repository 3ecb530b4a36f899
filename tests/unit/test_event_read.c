/* Stored events that are none: each is refused, and the field that is wrong is named. */
#include "../tap.h"

#include "proto/event_json.h"

#define SESSION "0b5e7a52-0a4b-4a6f-9e49-0a3f6f9d4c01"
#define EVENT_ID "11111111-1111-4111-8111-111111111111"
#define OTHER "22222222-2222-4222-8222-222222222222"
#define TIMESTAMP "2024-01-15T10:30:00.000Z"

/* JSON with ' for ", SID, EID, AT and H (64 digits) for what every event has. */
static void spell(const char *text, struct buf *b)
{
	static const struct {
		const char *word, *meaning;
	} words[] = {
		{"ALL", "'seq':1,SID,AT,EID,H"},
		{"SID", "'session_id':'" SESSION "'"},
		{"EID", "'event_id':'" EVENT_ID "'"},
		{"AT", "'timestamp':'" TIMESTAMP "'"},
		{"H", "'hash':'abcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcd'"},
	};

	for (; *text; text++) {
		size_t i = 0;

		while (i < 5 && strncmp(text, words[i].word, strlen(words[i].word)) != 0)
			i++;
		if (i < 5) {
			spell(words[i].meaning, b);
			text += strlen(words[i].word) - 1;
		} else {
			buf_putc(b, *text == '\'' ? '"' : *text);
		}
	}
}

static const struct {
	const char *json, *field;
} refused[] = {
	{"", ""},
	{"[]", ""},
	{"{}", "type"},
	{"{'type':'nothing',ALL}", "type"},
	{"{'type':7,ALL}", "type"},
	{"{'type':'user_online','seq':1,'seq':1,SID,AT,EID,H,'user_id':'a'}", ""},
	{"{'type':'user_online',SID,AT,EID,H,'user_id':'a'}", "seq"},
	{"{'type':'user_online','seq':0,SID,AT,EID,H,'user_id':'a'}", "seq"},
	{"{'type':'user_online','seq':1.5,SID,AT,EID,H,'user_id':'a'}", "seq"},
	{"{'type':'user_online','seq':1,AT,EID,H,'user_id':'a'}", "session_id"},
	{"{'type':'user_online','seq':1,'session_id':'x',AT,EID,H,'user_id':'a'}", "session_id"},
	{"{'type':'user_online','seq':1,SID,EID,H,'user_id':'a'}", "timestamp"},
	{"{'type':'user_online','seq':1,SID,'timestamp':'now',EID,H,'user_id':'a'}", "timestamp"},
	{"{'type':'user_online','seq':1,SID,AT,H,'user_id':'a'}", "event_id"},
	{"{'type':'user_online','seq':1,SID,AT,EID,'user_id':'a'}", "hash"},
	{"{'type':'user_online','seq':1,SID,AT,EID,'hash':'ab','user_id':'a'}", "hash"},
	{"{'type':'user_online',ALL}", "user_id"},
	{"{'type':'user_online',ALL,'user_id':'?'}", "user_id"},
	{"{'type':'user_online',ALL,'user_id':'a','user_name':1}", "user_name"},
	{"{'type':'user_online',ALL,'user_id':'a','ref_digest':'xyz'}", "ref_digest"},
	{"{'type':'user_online',ALL,'user_id':'a','erased':true}", "digest"},
	{"{'type':'role_changed',ALL,'user_id':'a','role':'none'}", "role"},
	{"{'type':'role_changed',ALL,'user_id':'a'}", "role"},
	{"{'type':'session_started',ALL,'report_id':'r','user_id':'a','max_participants':0,"
         "'session_timeout_minutes':5,'session_type':'chat',"
         "'conflict_resolution_strategy':'merge'}",
         "max_participants"},
	{"{'type':'session_started',ALL,'report_id':'r','user_id':'a',"
         "'max_participants':5000000000,'session_timeout_minutes':5,'session_type':'chat',"
         "'conflict_resolution_strategy':'merge'}",
         "max_participants"},
	{"{'type':'session_started',ALL,'report_id':'r','user_id':'a','max_participants':1,"
         "'session_timeout_minutes':5000000000,'session_type':'chat',"
         "'conflict_resolution_strategy':'merge'}",
         "session_timeout_minutes"},
	{"{'type':'session_started',ALL,'report_id':'r','user_id':'a','max_participants':1,"
         "'session_timeout_minutes':5,'session_type':'talk',"
         "'conflict_resolution_strategy':'merge'}",
         "session_type"},
	{"{'type':'section_update',ALL,'section_id':'s','version':1,'changes':[]}", "changes"},
	{"{'type':'section_update',ALL,'section_id':'s','version':1,"
         "'changes':{'content':'a','delta':[]}}",
         "changes"},
	{"{'type':'section_update',ALL,'section_id':'s','version':1,'changes':{'delta':[-1]"
         "}}",
         "changes"},
	{"{'type':'section_update',ALL,'section_id':'s','version':1,'changes':{'version':1}"
         "}",
         "changes"},
	{"{'type':'section_update',ALL,'section_id':'s','version':1,'changes':{},"
         "'overwrote':['a']}",
         "overwrote"},
	{"{'type':'section_update',ALL,'section_id':'s','version':1,'changes':{},"
         "'overwrote':7}",
         "overwrote"},
	{"{'type':'section_update',ALL,'section_id':'a b','version':1,'changes':{}}", "section_id"},
	{"{'type':'comment_added',ALL,'section_id':'s','comment':1}", "comment"},
	{"{'type':'comment_added',ALL,'section_id':'s','comment':{}}", "comment.content"},
	{"{'type':'comment_added',ALL,'section_id':'s','comment':{'content':''}}",
         "comment.comment_id"},
	{"{'type':'comment_added',ALL,'section_id':'s','comment':{'content':'','comment_id'"
         ":'" OTHER "','section_id':'t'}}",
         "comment.section_id"},
	{"{'type':'comment_added',ALL,'section_id':'s','comment':{'content':'','comment_id'"
         ":'" OTHER "','section_id':'s','user_id':'a'}}",
         "comment.created_at"},
	{"{'type':'comment_added',ALL,'section_id':'s','comment':{'content':'','comment_id'"
         ":'" OTHER "','section_id':'s','user_id':'a','created_at':'" TIMESTAMP
         "','anchor':{'from':2,'to':1}}}",
         "comment.anchor"},
	{"{'type':'comment_added',ALL,'section_id':'s','comment':{'content':'','comment_id'"
         ":'" OTHER "','section_id':'s','user_id':'a','created_at':'" TIMESTAMP
         "','mentions':[1]}}",
         "comment.mentions"},
	{"{'type':'comment_edited',ALL,'comment_id':'" OTHER "','content':null}", "content"},
	{"{'type':'comment_edited',ALL,'comment_id':'" OTHER "','content':'','mentions':{}}",
         "mentions"},
	{"{'type':'conflict_resolved',ALL,'conflict_id':'" OTHER
         "','section_id':'s','resolution':'both'}",
         "resolution"},
};

static void test_refused(struct buf *b)
{
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		struct event_doc doc;
		struct err e = {0};
		int rc;

		buf_clear(b);
		buf_put(b, "", 0);
		spell(refused[i].json, b);
		rc = event_read(b->p, b->len, &doc, &e);
		if (!ok(rc == ERR_CORRUPT && strcmp(e.field, refused[i].field) == 0, "refused: %s",
		        refused[i].json))
			printf("#   %d %s: %s\n", rc, e.field, e.text);
		event_doc_release(&doc);
	}
}

/* What is more than an event needs is no error; a later version may write it. */
static void test_unknown(struct buf *b)
{
	struct event_doc doc;

	buf_clear(b);
	spell("{'type':'user_online',ALL,'user_id':'a','new':{'in':'version 2'},'carried':1}", b);
	is_int(event_read(b->p, b->len, &doc, NULL), 0, "unknown keys are ignored");
	ok(!doc.ev.extra && !doc.ev.carried, "and kept by nobody");
	event_doc_release(&doc);
	buf_clear(b);
	spell("{'type':'erased',ALL,'user_id':'a','seqs':[3,4],'why':'asked'}", b);
	is_int(event_read(b->p, b->len, &doc, NULL), 0, "but of erased and compacted");
	ok(json_object_size(doc.ev.extra) == 2 && json_object_get(doc.ev.extra, "seqs") &&
	           json_object_get(doc.ev.extra, "why"),
	   "they are the extra");
	event_doc_release(&doc);
}

int main(void)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	test_refused(&b);
	test_unknown(&b);
	buf_release(&b);
	return done();
}
