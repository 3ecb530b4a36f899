/* Refs, and events fed back as messages. */
#include "message_test.h"

static void test_ref_of_errors(void)
{
	struct message m;
	struct err e = {0};
	const char *text = "{'data':{'section_id':1},'type':'section_lock','ref':'r-" UTF8_E "'}";

	is_int(parse_to(&m, text, &e), ERR_BAD_FIELD, "an error");
	is_str(m.ref, "r-" UTF8_E, "knows the ref");
	message_release(&m);
	text = "{'type':'no','ref':'r'}";
	is_int(parse_to(&m, text, &e), ERR_UNKNOWN_TYPE, "an unknown type");
	is_str(m.ref, "r", "knows the ref");
	message_release(&m);
	is_int(message_parse("{", 1, &limits, &m, NULL), ERR_BAD_JSON, "nobody asks why");
	is_str(m.ref, "", "no ref to be known");
	message_release(&m);
}

#define EVENT_HEAD                                                                                 \
	"'event_id':'" UUID_A "','hash':'00','seq':41,'session_id':'" UUID_B                       \
	"','timestamp':'2024-01-15T10:30:00.000Z','user_id':'ann','user_name':'Ann',"

static void test_event_update(void)
{
	struct message m;
	const struct command *c = &m.command;

	parse(&m, "{" EVENT_HEAD "'type':'section_update','section_id':'s','version':41,"
	          "'changes':{'content':'x'},'overwrote':[3]}");
	is_str(c->section_id, "s", "fields from the top level");
	is_str(c->changes.content, "x", "changes");
	is_str(c->ref, UUID_B ":41", "without ref: where it comes from");
	ok(!c->user_id && c->if_version == EVENT_ABSENT, "what only the server sets is ignored");
	message_release(&m);

	parse(&m, "{" EVENT_HEAD "'ref':'own','ref_digest':'00','type':'section_update',"
	          "'section_id':'s','changes':{'content':'x'},'data':{'section_id':'t'}}");
	is_str(c->ref, "own", "the author's ref");
	is_str(c->section_id, "t", "data goes first, field by field");
	message_release(&m);

	parse(&m, "{'seq':3,'session_id':'nonsense','type':'section_deleted','section_id':'s'}");
	ok(!c->ref, "no event: no ref");
	message_release(&m);
	parse(&m, "{" EVENT_HEAD "'type':'section_deleted','section_id':'s','fence':null}");
	ok(c->kind == COMMAND_SECTION_DELETE && c->ref, "section_deleted");
	message_release(&m);
	parse(&m, "{'position':4,'section_id':'s','selection':[1,4],'session_id':'" UUID_B
	          "','type':'cursor_position','user_id':'ann'}");
	ok(c->position == 4 && c->selection[1] == 4 && !c->ref, "cursor_position");
	message_release(&m);
}

static void test_event_comments(void)
{
	struct message m;
	const struct command *c = &m.command;
	char text[600];

	parse(&m, "{'comment':{'anchor':{'base_seq':40,'from':2,'to':5},'comment_id':'" UUID_A
	          "','content':'why?','created_at':'2024-01-15T10:30:00.000Z','mentions':['bob'],"
	          "'parent_comment_id':null,'section_id':'s','user_id':'ann','user_name':'Ann'}"
	          "," EVENT_HEAD "'type':'comment_added','section_id':'s'}");
	is_str(c->comment_id, UUID_A, "the comment's id is kept, so that answers find it");
	is_str(c->text, "why?", "content from comment{}");
	ok(c->anchor.from == 2 && c->anchor.to == 5 && c->anchor.base_seq == EVENT_ABSENT,
	   "the anchor, without the base of another session");
	ok(c->mentions_len == 1 && !c->parent_comment_id && !c->user_id, "mentions, no parent");
	message_release(&m);

	parse(&m,
	      "{" EVENT_HEAD "'type':'comment_edited','comment_id':'" UUID_A "','content':'y'}");
	ok(c->kind == COMMAND_COMMENT_EDIT && strcmp(c->text, "y") == 0, "comment_edited");
	message_release(&m);
	for (int k = COMMAND_COMMENT_RESOLVE; k <= COMMAND_COMMENT_DELETE; k++) {
		(void)snprintf(text, sizeof text,
		               "{" EVENT_HEAD "'type':'%s','comment_id':'" UUID_A
		               "','resolved_by':'ann'}",
		               command_row((enum command_kind)k)->type);
		parse(&m, text);
		is_str(c->comment_id, UUID_A, command_row((enum command_kind)k)->type);
		message_release(&m);
	}
	is_str(outcome("{'type':'comment_added','comment':'x','section_id':'s'}"),
	       "missing_field content", "a comment that is no object counts as any unknown member");
}

static void test_event_conflict(void)
{
	struct message m;
	const struct command *c = &m.command;

	parse(&m, "{" EVENT_HEAD "'type':'conflict_resolved','conflict_id':'" UUID_A
	          "','resolution':'merged','changes':{'content':'both'},'section_id':'s','version':"
	          "41}");
	is_str(c->changes.content, "both", "the content of a conflict's changes");
	message_release(&m);
	is_str(outcome("{" EVENT_HEAD "'type':'conflict_resolved','conflict_id':'" UUID_A
	               "','resolution':'merged'}"),
	       "missing_field content", "merged to nothing");
	parse(&m, "{" EVENT_HEAD "'type':'conflict_resolved','conflict_id':'" UUID_A
	          "','resolution':'proposed','changes':{'content':'both'}}");
	ok(c->resolution == RESOLUTION_PROPOSED && !c->changes.content, "proposed");
	message_release(&m);
}

int main(void)
{
	limits_default(&limits);
	test_ref_of_errors();
	test_event_update();
	test_event_comments();
	test_event_conflict();
	return done();
}
