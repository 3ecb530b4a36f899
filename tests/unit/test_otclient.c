/* The editor state machine, one step at a time; test_otclient_world.c has many editors at once. */
#include "core/otclient.h"

#include "../gen.h"
#include "proto/op_json.h"

enum { BYTES_MAX = 1 << 20 };

static bool reads(const struct buf *text, const char *want)
{
	bool pass = text->len == strlen(want) && memcmp(text->p, want, text->len) == 0;

	if (!pass)
		printf("#   got  %s\n#   want %s\n", text->p ? text->p : "", want);
	return pass;
}

static struct op *parse(const char *json, struct op *op)
{
	json_t *j = json_loads(json, 0, NULL);

	if (!j || op_from_json(j, op, NULL))
		printf("# not an operation: %s\n", json);
	json_decref(j);
	return op;
}

static bool writes(const struct op *op, const char *want)
{
	struct buf out;
	bool pass = false;

	buf_init(&out, BYTES_MAX);
	op_write_json(op, &out);
	pass = !buf_error(&out) && strcmp(out.p, want) == 0;
	if (!pass)
		printf("#   got  %s\n#   want %s\n", out.p ? out.p : "", want);
	buf_release(&out);
	return pass;
}

/* What is sent next under `ref` is this, or nothing (NULL). */
static bool sends(struct otclient *c, const char *ref, const char *want, int64_t want_base)
{
	const struct op *op = NULL;
	int64_t base_seq = 0;

	if (otclient_send(c, ref, &op, &base_seq))
		return false;
	if (!want || !op)
		return !want && !op;
	return writes(op, want) && base_seq == want_base;
}

static void test_typing(void)
{
	struct otclient c;
	struct op op, out;
	const char *ref = NULL;
	int64_t base_seq = 0;

	op_init(&op, BYTES_MAX);
	op_init(&out, BYTES_MAX);
	ok(otclient_init(&c, 7, "the cat", 7, BYTES_MAX) == 0 && otclient_synchronized(&c) &&
	           sends(&c, "r1", NULL, 0) && !otclient_in_flight(&c, NULL, NULL),
	   "at first nothing is pending");
	ok(otclient_edit(&c, parse("[4,\"black \"]", &op)) == 0 &&
	           otclient_write(&c, "the black cat!", 14) == 0 &&
	           reads(&c.local, "the black cat!") && reads(&c.server, "the cat") &&
	           !otclient_synchronized(&c),
	   "what is typed is seen at once");
	ok(sends(&c, "r1", "[4,\"black \",3,\"!\"]", 7) && sends(&c, "r2", NULL, 0),
	   "it goes out as one, and one at a time");
	ok(otclient_edit(&c, parse("[{\"d\":4}]", &op)) == 0 && sends(&c, "r2", NULL, 0) &&
	           otclient_remote(&c, 8, parse("[7,\" sat\"]", &op), &out) == 0 &&
	           writes(&out, "[10,\" sat\"]") && reads(&c.local, "black cat! sat"),
	   "an arriving operation is carried over what is pending");
	otclient_release(&c);

	ok(otclient_init(&c, 7, "the cat", 7, BYTES_MAX) == 0 &&
	           otclient_edit(&c, parse("[\"A\"]", &op)) == 0 && sends(&c, "r1", "[\"A\"]", 7) &&
	           otclient_edit(&c, parse("[1,\"B\"]", &op)) == 0 &&
	           otclient_remote(&c, 8, parse("[\"X\"]", &op), &out) == 0 &&
	           writes(&out, "[2,\"X\"]") && reads(&c.local, "ABXthe cat") &&
	           reads(&c.server, "Xthe cat"),
	   "at one place, what is pending goes first");
	ok(otclient_remote(&c, 8, parse("[\"X\"]", &op), &out) == 0 && op_is_noop(&out) &&
	           reads(&c.local, "ABXthe cat"),
	   "an event seen before does nothing");
	op_clear(&out);
	ok(writes(otclient_in_flight(&c, &ref, &base_seq), "[\"A\"]") && strcmp(ref, "r1") == 0 &&
	           base_seq == 7,
	   "after a reconnect the same message is sent again");
	ok(otclient_ack(&c, "r0", 5, NULL, &out) == 0 && c.flying, "another ref is no ack of it");
	ok(otclient_ack(&c, "r1", 9, parse("[\"A\"]", &op), &out) == 0 && op_is_noop(&out) &&
	           reads(&c.server, "AXthe cat") && sends(&c, "r2", "[1,\"B\"]", 9),
	   "with its ack the next one goes out");
	ok(otclient_ack(&c, "r1", 9, parse("[\"A\"]", &op), &out) == 0 && op_is_noop(&out) &&
	           c.flying,
	   "a duplicate ack does nothing");
	ok(otclient_ack(&c, "r2", 12, NULL, &out) == 0 && otclient_synchronized(&c) &&
	           c.seq == 12 && reads(&c.server, "ABXthe cat") && reads(&c.local, "ABXthe cat"),
	   "an ack need not tell the operation");
	ok(otclient_ack(&c, "rx", 13, parse("[\"!\"]", &op), &out) == 0 &&
	           writes(&out, "[\"!\"]") &&
	           otclient_ack(&c, "rx", 14, NULL, &out) == ERR_PROTOCOL,
	   "an own event that is not in flight is anybody's");
	otclient_seen(&c, 20);
	otclient_seen(&c, 19);
	ok(otclient_write(&c, "", 0) == 0 && sends(&c, "r3", "[{\"d\":11}]", 20),
	   "other events move the base on");
	otclient_release(&c);
	op_release(&op);
	op_release(&out);
}

static void test_refused(void)
{
	struct otclient c;
	struct op op, out;

	op_init(&op, BYTES_MAX);
	op_init(&out, BYTES_MAX);
	ok(otclient_init(&c, 1, "text", 4, 10) == 0 &&
	           otclient_write(&c, "text is too long", 16) == ERR_TOO_LARGE &&
	           otclient_edit(&c, parse("[9]", &op)) == 0 &&
	           otclient_edit(&c, parse("[{\"d\":9}]", &op)) == ERR_BAD_DELTA &&
	           otclient_synchronized(&c) && reads(&c.local, "text"),
	   "a text that is too large and an edit that does not fit change nothing");
	ok(otclient_edit(&c, parse("[\"A\"]", &op)) == 0 && sends(&c, "r1", "[\"A\"]", 1) &&
	           otclient_edit(&c, parse("[5,\"B\"]", &op)) == 0 &&
	           otclient_remote(&c, 2, parse("[9,\"X\"]", &op), &out) == ERR_PROTOCOL &&
	           otclient_ack(&c, "r1", 2, parse("[{\"d\":9}]", &op), &out) == ERR_PROTOCOL &&
	           c.seq == 1 && c.flying && reads(&c.local, "AtextB") && reads(&c.server, "text"),
	   "neither does what the server cannot mean");
	ok(otclient_remote(&c, 2, parse("[4,\"X\"]", &op), &out) == 0 && otclient_unsend(&c) == 0 &&
	           !c.flying && sends(&c, "r2", "[\"A\",4,\"B\"]", 2) && otclient_unsend(&c) == 0,
	   "what is refused goes out again with what waits, on a newer base");
	ok(otclient_discard(&c, &out) == 0 && reads(&c.local, "textX") &&
	           otclient_synchronized(&c) && writes(&out, "[{\"d\":1},4,{\"d\":1}]"),
	   "or is given up");
	otclient_release(&c);
	is_int(otclient_init(&c, 1, "text", 4, 3), ERR_TOO_LARGE,
	       "a state over the limit is refused");
	otclient_release(&c);
	op_release(&op);
	op_release(&out);
}

static void test_replaced(void)
{
	struct otclient c;
	struct op op, out;

	op_init(&op, BYTES_MAX);
	op_init(&out, BYTES_MAX);
	ok(otclient_init(&c, 1, "one two", 7, BYTES_MAX) == 0 &&
	           otclient_edit(&c, parse("[3,\"!\"]", &op)) == 0 &&
	           sends(&c, "r1", "[3,\"!\"]", 1) &&
	           otclient_edit(&c, parse("[8,\"?\"]", &op)) == 0 &&
	           otclient_replace(&c, 2, "one three", 9, &out) == 0 &&
	           reads(&c.server, "one three") && reads(&c.local, "!?one three"),
	   "a replaced content deletes all and inserts all: what is pending comes in front");
	ok(otclient_replace(&c, 2, "seen", 4, &out) == 0 && op_is_noop(&out) &&
	           reads(&c.server, "one three"),
	   "a replacement seen before does nothing");
	ok(otclient_ack(&c, "r1", 3, parse("[4,\"!\"]", &op), &out) == 0 &&
	           reads(&c.server, "one !three") && reads(&c.local, "?one !three"),
	   "when something else was stored, the ack puts it right");
	otclient_release(&c);

	ok(otclient_init(&c, 5, "one two", 7, BYTES_MAX) == 0 &&
	           otclient_edit(&c, parse("[3,\"!\"]", &op)) == 0 &&
	           sends(&c, "r1", "[3,\"!\"]", 5) &&
	           otclient_edit(&c, parse("[8,\"?\"]", &op)) == 0 &&
	           otclient_refresh(&c, 9, "one, two", 8, &out) == 0 && c.flying &&
	           writes(&out, "[4,\",\"]") && reads(&c.local, "one!, two?"),
	   "a fresh state is carried over by what differs");
	ok(otclient_ack(&c, "r1", 9, parse("[3,\",\"]", &op), &out) == 0 && !c.flying &&
	           writes(&out, "[3,{\"d\":1}]") && reads(&c.local, "one, two?") && c.seq == 9,
	   "what it had already is not there twice once that is known");
	ok(sends(&c, "r2", "[8,\"?\"]", 9) && otclient_refresh(&c, 4, "one", 3, &out) == 0 &&
	           !c.flying && c.seq == 4 && reads(&c.local, "one?") &&
	           sends(&c, "r3", "[3,\"?\"]", 4),
	   "after a restored state of before it was sent, it waits again");
	otclient_release(&c);
	op_release(&op);
	op_release(&out);
}

int main(void)
{
	test_typing();
	test_refused();
	test_replaced();
	return done();
}
