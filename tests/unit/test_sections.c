/* The fold of sections and conflicts, and what they count. */
#include "session_test.h"

#include "core/patch.h"

static void test_sections(void)
{
	struct session s;
	struct section *sec = NULL;
	struct event ev;
	json_t *value = json_pack("{s:[i]}", "rows", 7), *null = json_null();

	begin(&s, 16, 0);
	is_int(fold_content(&s, "intro", "h\xc3\xa9llo"), 0, "sections: created");
	sec = session_section(&s, "intro");
	is_str(sec->content, "h\xc3\xa9llo", "sections: the text");
	ok(sec->content_len == 6 && sec->content_chars == 5, "sections: bytes and characters");
	ok(sec->version == 3 && sec->updated_ms == 3000, "sections: version and time");
	is_str(sec->updated_by, "ann", "sections: who");
	is_str(sec->updated_by_name, "Ann", "sections: the name");
	ok(sec->bytes == 5 + 6 && s.bytes == sec->bytes, "sections: id and text count");
	is_int(fold_edit(&s, "intro", 1, 1, "\xe2\x82\xac!"), 0, "sections: edited");
	is_str(sec->content, "h\xe2\x82\xac!llo", "sections: the text after it");
	ok(sec->content_len == 8 && sec->content_chars == 6 && sec->version == 4,
	   "sections: bytes, characters, version");
	is_int(fold_keys(&s, "intro", "{\"a\":1,\"b\":{\"c\":[2]}}"), 0, "sections: other keys");
	is_int(sec->bytes, 5 + 8 + (1 + 4 + 1) + (1 + 4 + 2 + (1 + 4 + 4)), "sections: they count");
	is_str(sec->content, "h\xe2\x82\xac!llo", "sections: the text stays");
	is_int(fold_keys(&s, "intro", "{\"a\":null,\"b\":{\"c\":null,\"d\":\"xyz\"}}"), 0,
	       "sections: merged");
	ok(json_object_size(sec->keys) == 1 && sec->bytes == 5 + 8 + (1 + 4 + 2 + (1 + 4 + 5)),
	   "sections: null removed");
	is_int(fold_keys(&s, "intro", "{\"b\":null,\"never\":null}"), 0, "sections: all removed");
	ok(!sec->keys && sec->bytes == 5 + 8, "sections: no keys are no object");
	ev = section_event(&s, EVENT_SECTION_UPDATE, "intro");
	ev.changes.content_json = value;
	is_int(fold(&s, &ev), 0, "sections: a content that is not text");
	ok(!sec->content && sec->content_chars == 0 && json_equal(sec->content_json, value) &&
	           sec->content_json != value && sec->bytes == 5 + 2 + 4 + 4 + 4,
	   "sections: replaces the text, and counts");
	is_int(fold_edit(&s, "intro", 0, 0, "new"), 0, "sections: to an edit there is no text");
	is_str(sec->content, "new", "sections: so it begins anew");
	ok(!sec->content_json && sec->bytes == 5 + 3, "sections: in place of the value");
	ev = section_event(&s, EVENT_SECTION_UPDATE, "intro");
	ev.changes.content_json = null;
	ok(fold(&s, &ev) == 0 && !sec->content && !sec->content_json && sec->bytes == 5,
	   "sections: null removes the content");
	is_int(fold_content(&s, "intro", ""), 0, "sections: an empty text");
	ok(sec->content && sec->content_len == 0, "sections: is a text");
	ev = section_event(&s, EVENT_SECTION_UPDATE, sec->section_id);
	ev.changes.content = sec->content;
	ev.user_id = sec->updated_by;
	is_int(fold(&s, &ev), 0, "sections: an event lent by the section itself");
	is_int(s.changes_total, 10, "sections: ten changes");
	ev = section_event(&s, EVENT_SECTION_UPDATE, "carried");
	ev.carried = true;
	ev.user_id = "zoe";
	ok(fold(&s, &ev) == 0 && s.changes_total == 10, "sections: carried ones do not count");
	is_str(session_section(&s, "carried")->updated_by, "zoe", "sections: keep their author");
	ok(fold_section_gone(&s, "carried") == 0 && fold_section_gone(&s, "intro") == 0,
	   "sections: deleted");
	ok(s.sections.len == 0 && s.bytes == 0 && s.changes_total == 12, "sections: all is gone");
	session_release(&s);
	json_decref(value);
	json_decref(null);
}

/* The operation reaches over the text. */
static void test_bad_delta(void)
{
	struct session s;
	struct event ev;
	struct op op;
	struct err e = {0};

	begin(&s, 16, 100);
	op_init(&op, 100);
	op_delete(&op, 5);
	ev = section_event(&s, EVENT_SECTION_UPDATE, "a");
	ev.changes.delta = &op;
	is_int(fold_content(&s, "a", "four"), 0, "bad delta: four characters");
	ev.seq = s.seq + 1;
	is_int(session_apply(&s, &ev, &e), ERR_CORRUPT, "bad delta: five to delete");
	is_int(e.code, ERR_CORRUPT, "bad delta: a damaged log");
	op_release(&op);
	session_release(&s);
}

/* The conflict x about section a: a text and a key are proposed. */
static int fold_conflict(struct session *s, const char *text, const json_t *keys,
                         const struct op *delta)
{
	static const char *const users[] = {"bob"};
	struct event ev = section_event(s, EVENT_CONFLICT_DETECTED, "a");

	ev.conflict_id = "x";
	ev.base_seq = 2;
	ev.current_seq = 3;
	ev.changes.content = text;
	ev.changes.content_len = text ? strlen(text) : 0;
	ev.changes.keys = keys;
	ev.changes.delta = delta;
	ev.users = users;
	ev.users_len = 1;
	return fold(s, &ev);
}

static void test_conflicts(void)
{
	struct session s;
	struct event ev;
	struct conflict *x = NULL;
	struct op op;
	json_t *keys = json_pack("{s:b}", "done", 1);
	json_t *want = json_pack("{s:b,s:s}", "done", 1, "content", "theirs");
	json_t *want_delta = json_pack("{s:[i,s,{s:i}]}", "delta", 1, "\xc3\xa9", "d", 2);

	op_init(&op, 100);
	op_retain(&op, 1);
	op_insert(&op, "\xc3\xa9", 2);
	op_delete(&op, 2);
	begin(&s, 16, 0);
	is_int(fold_content(&s, "a", "ours"), 0, "conflicts: a section");
	is_int(fold_conflict(&s, "theirs", keys, NULL), 0, "conflicts: one");
	x = session_conflict(&s, "x");
	ok(x && !x->resolution && s.conflicts_open == 1 && x->base_seq == 2 && x->current_seq == 3,
	   "conflicts: it is open");
	ok(json_equal(x->proposed, want) && json_array_size(x->users) == 1,
	   "conflicts: what is proposed, against whom");
	is_int(s.bytes, 5 + json_bytes(want), "conflicts: the proposal counts");
	ev = next_event(&s, EVENT_CONFLICT_RESOLVED);
	ev.conflict_id = "x";
	ev.section_id = "a";
	ev.resolution = RESOLUTION_PROPOSED;
	ev.changes.content = json_string_value(json_object_get(x->proposed, "content"));
	ev.changes.content_len = 6;
	ev.version = ev.seq;
	is_int(fold(&s, &ev), 0, "conflicts: settled, lent by the proposal itself");
	is_str(session_section(&s, "a")->content, "theirs", "conflicts: the text is the proposed");
	is_str(ev.changes.content, "theirs", "conflicts: which is still there");
	ok(session_section(&s, "a")->version == 5 && s.changes_total == 2 && s.conflicts_open == 0,
	   "conflicts: that is a change");
	is_str(x->resolution, "proposed", "conflicts: how it was settled");
	ok(!x->proposed && s.bytes == 7, "conflicts: the proposal is let go");
	session_release(&s);
	begin(&s, 16, 0);
	ok(fold_content(&s, "a", "ours") == 0 && fold_conflict(&s, NULL, NULL, &op) == 0,
	   "conflicts: an operation");
	ok(json_equal(session_conflict(&s, "x")->proposed, want_delta), "conflicts: in wire form");
	ev.seq = s.seq + 1;
	ev.changes = (struct changes){0};
	ev.version = EVENT_ABSENT;
	ok(fold(&s, &ev) == 0 && s.changes_total == 1 && session_section(&s, "a")->version == 3,
	   "conflicts: settled without a change");
	session_release(&s);
	op_release(&op);
	json_decref(keys);
	json_decref(want);
	json_decref(want_delta);
}

/* Everything that has a size is deleted in the end: nothing is counted any more. */
static void test_bytes(uint64_t *state)
{
	static const char *const ids[] = {"a", "b", "c"};
	static const char *const patches[] = {"{\"k\":\"vvv\",\"l\":{\"m\":1}}", "{\"l\":null}",
	                                      "{\"k\":null,\"l\":{\"n\":[1,2]}}"};
	struct session s;
	bool same = true;

	begin(&s, 16, 5);
	for (int i = 0; i < 2000 && same; i++) {
		const char *id = ids[rnd(state) % 3];
		struct section *sec = session_section(&s, id);
		size_t chars = sec ? sec->content_chars : 0;
		size_t at = rnd(state) % (chars + 1);
		size_t sum = 0;

		switch (rnd(state) % 8) {
		case 0:
			same = !sec || fold_section_gone(&s, id) == 0;
			break;
		case 1:
			same = fold_content(&s, id, "\xf0\x9f\x98\x80 whole") == 0;
			break;
		case 2:
			same = fold_keys(&s, id, patches[rnd(state) % 3]) == 0;
			break;
		default:
			same = fold_edit(&s, id, at, (chars - at) / 2, "\xc3\xa9x") == 0;
			break;
		}
		for (int k = 0; k < 3; k++)
			sum += session_section(&s, ids[k]) ? session_section(&s, ids[k])->bytes : 0;
		same = same && sum == s.bytes;
	}
	for (int k = 0; k < 3; k++)
		same = same && (!session_section(&s, ids[k]) || fold_section_gone(&s, ids[k]) == 0);
	ok(same && s.bytes == 0, "bytes: the sum is the sections', and 0 in the end");
	session_release(&s);
}

int main(void)
{
	uint64_t state = rnd_seed(1);

	test_sections();
	test_bad_delta();
	test_conflicts();
	test_bytes(&state);
	return done();
}
