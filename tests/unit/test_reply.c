/* Acks, errors, problems, marks and cursors: their bytes. */
#include "proto/reply.h"

#include "../tap.h"

#define TIME INT64_C(1705314600000) /* 2024-01-15T10:30:00.000Z */
#define STAMP "\"timestamp\":\"2024-01-15T10:30:00.000Z\""
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static const unsigned char no_hash[SHA256_LEN];

/* The buffer's text against what is wanted; emptied for the next. */
static void is_text(struct buf *out, const char *want, const char *name)
{
	buf_putc(out, '\0');
	is_str(out->p, want, name);
	buf_clear(out);
}

static void test_acks(struct buf *out)
{
	struct changes changes = {.content = "x\n", .content_len = 2};
	struct ack ack = {.session_id = "S",
	                  .seq = 43,
	                  .version = EVENT_ABSENT,
	                  .fence = EVENT_ABSENT,
	                  .expires_ms = EVENT_ABSENT,
	                  .time_ms = TIME};

	ack_write(&ack, out);
	is_text(out,
	        "{\"durability\":\"fsynced\",\"seq\":43,\"session_id\":\"S\"," STAMP
	        ",\"type\":\"ack\"}",
	        "the least an ack says");
	ack.ref = "";
	ack_write(&ack, out);
	is_text(out,
	        "{\"durability\":\"fsynced\",\"seq\":43,\"session_id\":\"S\"," STAMP
	        ",\"type\":\"ack\"}",
	        "an empty ref is none");
	ack = (struct ack){.session_id = "S",
	                   .ref = "r\"",
	                   .seq = 43,
	                   .hash = no_hash,
	                   .event_id = "E",
	                   .comment_id = "C",
	                   .conflict_id = "F",
	                   .version = 43,
	                   .fence = 2,
	                   .expires_ms = TIME,
	                   .duplicate = true,
	                   .unchanged = true,
	                   .base_assumed = true,
	                   .changes = &changes,
	                   .time_ms = TIME};
	ack_write(&ack, out);
	is_text(out,
	        "{\"base_assumed\":true,\"changes\":{\"content\":\"x\\n\"},\"comment_id\":\"C\","
	        "\"conflict_id\":\"F\",\"duplicate\":true,\"durability\":\"fsynced\",\"event_id\":"
	        "\"E\","
	        "\"expires_at\":\"2024-01-15T10:30:00.000Z\",\"fence\":2,\"hash\":\"" ZEROS "\","
	        "\"ref\":\"r\\\"\",\"seq\":43,\"session_id\":\"S\"," STAMP ",\"type\":\"ack\","
	        "\"unchanged\":true,\"version\":43}",
	        "the most an ack says");
}

/* What an ack says of a section_update that was sent as `sent` and stored as `stored`. */
static const struct changes *acked(const struct changes *sent, const struct changes *stored,
                                   struct ack *ack)
{
	static struct event events[2];
	struct decision d = {.events = events, .len = 2, .answer = 1};
	struct command c;

	command_init(&c, COMMAND_SECTION_UPDATE);
	c.ref = "r";
	c.base_assumed = true;
	c.changes = *sent;
	event_init(&events[0], EVENT_SECTION_UNLOCKED);
	event_init(&events[1], EVENT_SECTION_UPDATE);
	events[1].session_id = "S";
	events[1].event_id = "E";
	events[1].seq = events[1].version = 12;
	events[1].time_ms = TIME;
	events[1].changes = *stored;
	ack_of_decision(&d, &c, ack);
	return ack->changes;
}

static void test_ack_changes(void)
{
	struct op a, b;
	struct changes text = {.content = "x", .content_len = 1},
		       other = {.content = "y", .content_len = 1};
	struct changes delta = {.delta = &a}, same = {.delta = &a}, moved = {.delta = &b};
	struct changes keys = {.keys = json_pack("{s:i}", "k", 1)}, none = {.keys = json_object()};
	struct changes value = {.content_json = json_pack("[i]", 1)};
	struct changes equal = {.content_json = json_pack("[i]", 1)};
	struct ack ack = {0};

	op_init(&a, 100);
	op_init(&b, 100);
	op_insert(&a, "x", 1);
	op_retain(&b, 1);
	op_insert(&b, "x", 1);
	ok(!acked(&text, &text, &ack), "stored as it was sent");
	ok(acked(&text, &other, &ack) != NULL, "another text");
	ok(acked(&text, &delta, &ack) != NULL, "a text stored as a delta");
	ok(!acked(&delta, &same, &ack), "a delta stored as it was sent");
	ok(acked(&delta, &moved, &ack) != NULL, "a delta that was transformed");
	ok(acked(&delta, &keys, &ack) && acked(&keys, &none, &ack), "other keys");
	ok(!acked(&none, &(struct changes){0}, &ack), "no keys are no keys");
	ok(!acked(&value, &equal, &ack), "values that are equal");
	ok(acked(&value, &none, &ack) != NULL, "a value that is gone");
	json_decref((json_t *)(uintptr_t)keys.keys);
	json_decref((json_t *)(uintptr_t)none.keys);
	json_decref((json_t *)(uintptr_t)value.content_json);
	json_decref((json_t *)(uintptr_t)equal.content_json);
	op_release(&a);
	op_release(&b);
}

static void test_ack_of_decision(void)
{
	struct changes text = {.content = "x", .content_len = 1};
	struct command c;
	struct ack ack = {.hash = no_hash};
	struct event ev;
	struct decision d = {.duplicate = true, .duplicate_seq = 7};

	(void)acked(&text, &text, &ack); /* the rest of the ack is looked at */
	ok(ack.seq == 12 && ack.version == 12 && ack.time_ms == TIME && ack.base_assumed,
	   "of the event");
	ok(!strcmp(ack.ref, "r") && !strcmp(ack.session_id, "S") && !strcmp(ack.event_id, "E"),
	   "its names");
	ok(ack.hash == no_hash && ack.fence == EVENT_ABSENT && !ack.duplicate && !ack.unchanged,
	   "the rest");

	command_init(&c, COMMAND_SECTION_LOCK);
	ack_of_decision(&d, &c, &ack);
	ok(ack.duplicate && ack.seq == 7 && !ack.ref && !ack.event_id &&
	           ack.version == EVENT_ABSENT,
	   "a duplicate has the first one's seq");
	d = (struct decision){.unchanged = true};
	ack.seq = 40;
	ack_of_decision(&d, &c, &ack);
	ok(ack.unchanged && !ack.duplicate && ack.seq == 40, "unchanged: seq is the caller's");

	event_init(&ev, EVENT_SECTION_LOCKED);
	ev.fence = 3;
	ev.expires_ms = TIME;
	d = (struct decision){.events = &ev, .len = 1};
	ack_of_decision(&d, &c, &ack);
	ok(ack.fence == 3 && ack.expires_ms == TIME && !ack.changes, "a lock's fence and expiry");
	event_init(&ev, EVENT_CONFLICT_DETECTED);
	ev.conflict_id = "F";
	ev.changes = text;
	ack_of_decision(&d, &c, &ack);
	ok(!strcmp(ack.conflict_id, "F") && !ack.changes, "a conflict: nothing was changed");
}

static void test_errors(struct buf *out)
{
	struct err e = {0};

	(void)err_field(&e, ERR_BAD_FIELD, "changes.delta",
	                "not \"both\""); /* it is set, not returned */
	error_write("S", "r1", &e, NULL, TIME, out);
	is_text(out,
	        "{\"code\":\"bad_field\",\"field\":\"changes.delta\",\"message\":\"not "
	        "\\\"both\\\"\","
	        "\"ref\":\"r1\",\"retryable\":false,\"session_id\":\"S\"," STAMP
	        ",\"type\":\"error\"}",
	        "an error that names a field");
	error_write(NULL, "", &(struct err){.code = ERR_DRAINING}, NULL, TIME, out);
	is_text(out,
	        "{\"code\":\"draining\",\"message\":\"the server is shutting "
	        "down\",\"retryable\":true," STAMP ",\"type\":\"error\"}",
	        "the table's text, without session and ref");
	problem_write(&e, NULL, out);
	is_text(out,
	        "{\"code\":\"bad_field\",\"detail\":\"not "
	        "\\\"both\\\"\",\"field\":\"changes.delta\","
	        "\"retryable\":false,\"status\":400,\"title\":\"a field has a wrong type or "
	        "value\","
	        "\"type\":\"urn:collabd:error:bad_field\"}",
	        "the same as a problem");
	problem_write(&(struct err){.code = 12345}, NULL, out);
	is_text(out,
	        "{\"code\":\"internal\",\"detail\":\"internal "
	        "error\",\"retryable\":false,\"status\":500,"
	        "\"title\":\"internal error\",\"type\":\"urn:collabd:error:internal\"}",
	        "a code that is none");
}

static void test_refusals(struct buf *out)
{
	struct decision d = {.needs = ROLE_EDITOR, .role = ROLE_VIEWER};
	struct err e = {.code = ERR_FORBIDDEN, .text = "no"};

	error_write("S", NULL, &e, &d, TIME, out);
	is_text(out,
	        "{\"code\":\"forbidden\",\"message\":\"no\",\"needs\":\"editor\",\"retryable\":"
	        "false,"
	        "\"role\":\"viewer\",\"session_id\":\"S\"," STAMP ",\"type\":\"error\"}",
	        "forbidden names the rule");
	d = (struct decision){.needs = ROLE_OWNER};
	problem_write(&e, &d, out);
	is_text(out,
	        "{\"code\":\"forbidden\",\"detail\":\"no\",\"needs\":\"owner\",\"retryable\":false,"
	        "\"role\":\"none\",\"status\":403,\"title\":\"not "
	        "allowed\",\"type\":\"urn:collabd:error:forbidden\"}",
	        "to one who is no participant");
	d = (struct decision){.role = ROLE_COMMENTER};
	error_write("S", NULL, &e, &d, TIME, out);
	is_text(out,
	        "{\"code\":\"forbidden\",\"message\":\"no\",\"retryable\":false,\"role\":"
	        "\"commenter\","
	        "\"session_id\":\"S\"," STAMP ",\"type\":\"error\"}",
	        "only the author may");
	e = (struct err){.code = ERR_SECTION_LOCKED, .text = "locked"};
	d = (struct decision){.holder = "ann", .expires_ms = TIME};
	error_write("S", NULL, &e, &d, TIME, out);
	is_text(out,
	        "{\"code\":\"section_locked\",\"expires_at\":\"2024-01-15T10:30:00.000Z\","
	        "\"holder\":\"ann\","
	        "\"message\":\"locked\",\"retryable\":true,\"session_id\":\"S\"," STAMP
	        ",\"type\":\"error\"}",
	        "section_locked names holder and expiry");
}

static void test_mismatches(struct buf *out)
{
	struct section sec = {.section_id = (char[]){"s"},
	                      .version = 9,
	                      .content = (char[]){"now"},
	                      .content_len = 3};
	struct decision d = {.section = &sec};
	struct err e = {.code = ERR_VERSION_MISMATCH, .text = "moved"};

	error_write("S", NULL, &e, &d, TIME, out);
	is_text(out,
	        "{\"code\":\"version_mismatch\",\"content\":\"now\",\"message\":\"moved\","
	        "\"retryable\":false,"
	        "\"session_id\":\"S\"," STAMP ",\"type\":\"error\",\"version\":9}",
	        "version_mismatch shows the section");
	sec.content = NULL;
	sec.content_json = json_pack("{s:i,s:i}", "b", 1, "a", 2);
	problem_write(&e, &d, out);
	is_text(out,
	        "{\"code\":\"version_mismatch\",\"content\":{\"a\":2,\"b\":1},\"detail\":\"moved\","
	        "\"retryable\":false,\"status\":412,\"title\":\"the section has another version\","
	        "\"type\":\"urn:collabd:error:version_mismatch\",\"version\":9}",
	        "whose content is no text");
	json_decref(sec.content_json);
	d.section = NULL;
	error_write("S", NULL, &e, &d, TIME, out);
	is_text(out,
	        "{\"code\":\"version_mismatch\",\"message\":\"moved\",\"retryable\":false,"
	        "\"session_id\":\"S\"," STAMP ",\"type\":\"error\",\"version\":0}",
	        "or which is not there");
}

static void test_marks(struct buf *out)
{
	struct cursor c = {.user_id = "ann",
	                   .user_name = "A\xc3\xa9",
	                   .section_id = "s",
	                   .position = 4,
	                   .selection = {EVENT_ABSENT, EVENT_ABSENT},
	                   .time_ms = TIME};

	mark_write("synced", "S", NULL, 5, no_hash, TIME, out);
	is_text(out,
	        "{\"hash\":\"" ZEROS "\",\"seq\":5,\"session_id\":\"S\"," STAMP
	        ",\"type\":\"synced\"}",
	        "synced");
	mark_write("pong", "S", "r", 0, NULL, TIME, out);
	is_text(out, "{\"ref\":\"r\",\"seq\":0,\"session_id\":\"S\"," STAMP ",\"type\":\"pong\"}",
	        "pong");
	cursor_write("S", &c, out);
	is_text(out,
	        "{\"position\":4,\"section_id\":\"s\",\"session_id\":\"S\"," STAMP
	        ",\"type\":\"cursor_position\",\"user_id\":\"ann\",\"user_name\":\"A\xc3\xa9\"}",
	        "a cursor");
	c.selection[0] = 9;
	c.selection[1] = 4;
	cursor_write("S", &c, out);
	is_text(out,
	        "{\"position\":4,\"section_id\":\"s\",\"selection\":[9,4],\"session_id\":"
	        "\"S\"," STAMP
	        ",\"type\":\"cursor_position\",\"user_id\":\"ann\",\"user_name\":\"A\xc3\xa9\"}",
	        "a selection");
}

/* A buffer that is full says so, and nothing is written behind its end. */
static void test_full(void)
{
	struct err e = {.code = ERR_INTERNAL};
	struct buf out;

	buf_init(&out, 40);
	error_write("S", "r", &e, NULL, TIME, &out);
	is_int(buf_error(&out), ERR_TOO_LARGE, "too large for its buffer");
	buf_release(&out);
}

int main(void)
{
	struct buf out;

	buf_init(&out, 4096);
	test_acks(&out);
	test_ack_changes();
	test_ack_of_decision();
	test_errors(&out);
	test_refusals(&out);
	test_mismatches(&out);
	test_marks(&out);
	test_full();
	buf_release(&out);
	return done();
}
