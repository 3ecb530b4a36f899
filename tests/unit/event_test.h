/* Random events of every kind, as a log could hold them; not as a fold could make them. */
#ifndef TESTS_UNIT_EVENT_TEST_H
#define TESTS_UNIT_EVENT_TEST_H

#include "../gen.h"
#include "core/event.h"
#include "proto/json_out.h"

enum { ANY_TEXTS = 24, ANY_LIST = 4 };

/* An event and the memory behind it. */
struct any_event {
	struct event ev;
	struct buf texts[ANY_TEXTS];
	int texts_len;
	struct op delta;
	json_t *keys, *content, *extra;
	const char *mentions[ANY_LIST], *users[ANY_LIST];
	int64_t overwrote[ANY_LIST];
};

static inline void any_event_release(struct any_event *a)
{
	for (int i = 0; i < a->texts_len; i++)
		buf_release(&a->texts[i]);
	op_release(&a->delta);
	json_decref(a->keys);
	json_decref(a->content);
	json_decref(a->extra);
}

/* Text of up to `pieces` pieces, without U+0000, which no message may hold. */
static inline const char *any_text(uint64_t *state, struct any_event *a, size_t pieces)
{
	struct buf *b = &a->texts[a->texts_len++];

	buf_init(b, 1 << 16);
	gen_text(state, pieces, b);
	for (size_t i = 0; i < b->len; i++)
		if (b->p[i] == '\0')
			b->p[i] = '0';
	return b->p;
}

static inline const char *any_uuid(uint64_t *state, struct any_event *a)
{
	struct buf *b = &a->texts[a->texts_len++];
	uint64_t x = rnd(state), y = rnd(state);

	buf_init(b, 64);
	buf_printf(b, "%08x-%04x-4%03x-8%03x-%012" PRIx64, (unsigned)(x & 0xffffffff),
	           (unsigned)(x >> 48), (unsigned)(x >> 32 & 0xfff), (unsigned)(y >> 52),
	           y & UINT64_C(0xffffffffffff));
	return b->p;
}

static inline const char *any_user(uint64_t *state)
{
	static const char *const users[] = {"ann", "bob@example.org", "Z", "uid-7@local",
	                                    "0b5e7a52-0a4b-4a6f-9e49-0a3f6f9d4c01"};

	return users[gen_below(state, sizeof users / sizeof users[0])];
}

static inline const char *any_section(uint64_t *state)
{
	static const char *const sections[] = {"summary", "a.b-c_d", "7", "Risks"};

	return sections[gen_below(state, sizeof sections / sizeof sections[0])];
}

/* A JSON value that is no text. */
static inline json_t *any_json(uint64_t *state)
{
	switch (gen_below(state, 6)) {
	case 0:
		return json_null();
	case 1:
		return json_real((double)(rnd(state) >> 20 | 1) / 1024);
	case 2:
		return json_integer((json_int_t)(rnd(state) >> 12));
	case 3:
		return json_pack("[i,s,b]", 1, "é😀", 1);
	case 4:
		return json_pack("{s:{s:i},s:s}", "z", "k", 1, "ä", "x");
	default:
		return json_boolean(gen_below(state, 2));
	}
}

/* Changes of a text of some hundred characters, other keys around content and delta. */
static inline void any_changes(uint64_t *state, struct any_event *a)
{
	static const char *const keys[] = {"a",      "contend", "contents", "contenz",
	                                   "delta2", "delt",    "due",      "zz",
	                                   "ü",      "😀",       "\ufb33"};
	struct changes *c = &a->ev.changes;

	switch (gen_below(state, 4)) {
	case 0:
		c->content = any_text(state, a, 12);
		c->content_len = strlen(c->content);
		break;
	case 1:
		op_init(&a->delta, 1 << 16);
		gen_op(state, 100, &a->delta);
		for (size_t i = 0; i < a->delta.text.len; i++)
			if (a->delta.text.p[i] == '\0')
				a->delta.text.p[i] = '0';
		c->delta = &a->delta;
		break;
	case 2:
		c->content_json = a->content = any_json(state);
		break;
	}
	if (gen_below(state, 2)) {
		c->keys = a->keys = json_object();
		for (size_t n = 1 + gen_below(state, 4); n; n--)
			json_object_set_new(a->keys,
			                    keys[gen_below(state, sizeof keys / sizeof keys[0])],
			                    any_json(state));
	}
	/* What says nothing is not written. */
	if (a->ev.kind == EVENT_CONFLICT_RESOLVED && gen_below(state, 3))
		a->ev.version = 1 + (int64_t)gen_below(state, 1000);
}

static inline void any_comment(uint64_t *state, struct any_event *a)
{
	struct event *ev = &a->ev;

	ev->text = any_text(state, a, 12);
	ev->text_len = strlen(ev->text);
	if (gen_below(state, 2)) {
		ev->mentions = a->mentions;
		ev->mentions_len = gen_below(state, ANY_LIST + 1);
		for (size_t i = 0; i < ev->mentions_len; i++)
			a->mentions[i] = any_user(state);
	}
	if (ev->kind != EVENT_COMMENT_ADDED)
		return;
	ev->parent_comment_id = gen_below(state, 2) ? any_uuid(state, a) : NULL;
	ev->comment_user_id = any_user(state);
	ev->comment_user_name = any_text(state, a, 4);
	ev->comment_created_ms = ev->time_ms - (int64_t)gen_below(state, 100000);
	if (gen_below(state, 2)) {
		ev->anchor.from = (int64_t)gen_below(state, 100);
		ev->anchor.to = ev->anchor.from + (int64_t)gen_below(state, 100);
		ev->anchor.base_seq = gen_below(state, 2) ? ev->seq - 1 : EVENT_ABSENT;
	}
}

static inline void any_conflict(uint64_t *state, struct any_event *a)
{
	a->ev.conflict_id = any_uuid(state, a);
	a->ev.resolution = a->ev.kind == EVENT_CONFLICT_RESOLVED
	                           ? (enum resolution)gen_below(state, RESOLUTIONS)
	                           : (enum resolution)0;
	any_changes(state, a);
	if (a->ev.kind != EVENT_CONFLICT_DETECTED)
		return;
	a->ev.base_seq = (int64_t)gen_below(state, 100);
	a->ev.current_seq = a->ev.base_seq + 1;
	a->ev.users = a->users;
	a->ev.users_len = gen_below(state, ANY_LIST + 1);
	for (size_t i = 0; i < a->ev.users_len; i++)
		a->users[i] = any_user(state);
}

/* What only events of its kind have. */
static inline void any_kind(uint64_t *state, struct any_event *a)
{
	struct event *ev = &a->ev;

	switch (ev->kind) {
	case EVENT_SESSION_STARTED:
		ev->report_id = "PMR-2024.07";
		ev->continued_from = gen_below(state, 2) ? any_uuid(state, a) : NULL;
		ev->settings = (struct settings){(enum session_type)gen_below(state, SESSION_TYPES),
		                                 (enum strategy)gen_below(state, STRATEGIES),
		                                 1 + (int)gen_below(state, 50),
		                                 5 + (int)gen_below(state, 400)};
		break;
	case EVENT_SESSION_ENDED:
		ev->reason = "timeout";
		ev->total_changes = (int64_t)gen_below(state, 100);
		ev->total_comments = (int64_t)gen_below(state, 100);
		break;
	case EVENT_PARTICIPANT_JOINED:
		ev->user_email = gen_below(state, 2) ? "ann@example.org" : NULL;
		ev->role = (enum role)(ROLE_VIEWER + gen_below(state, 4));
		break;
	case EVENT_ROLE_CHANGED:
		ev->role = (enum role)(ROLE_VIEWER + gen_below(state, 4));
		break;
	case EVENT_SECTION_UPDATE:
		any_changes(state, a);
		ev->version = ev->seq;
		ev->overwrote_len = gen_below(state, ANY_LIST + 1);
		ev->overwrote = ev->overwrote_len ? a->overwrote : NULL;
		for (size_t i = 0; i < ev->overwrote_len; i++)
			a->overwrote[i] = 1 + (int64_t)gen_below(state, 1000000);
		break;
	case EVENT_SECTION_LOCKED:
		ev->fence = 1 + (int64_t)gen_below(state, 100);
		ev->expires_ms = ev->time_ms + 60000;
		break;
	case EVENT_SECTION_UNLOCKED:
		ev->fence = gen_below(state, 2) ? 5 : EVENT_ABSENT;
		ev->reason = gen_below(state, 2) ? "expired" : NULL;
		break;
	case EVENT_COMMENT_ADDED:
	case EVENT_COMMENT_EDITED:
		any_comment(state, a);
		break;
	case EVENT_CONFLICT_DETECTED:
	case EVENT_CONFLICT_RESOLVED:
		any_conflict(state, a);
		break;
	case EVENT_ERASED:
		ev->extra = a->extra = json_pack("{s:[i,i],s:s}", "seqs", 3, 4, "zé", "x");
		break;
	case EVENT_COMPACTED:
		ev->extra = a->extra = json_pack("{s:i,s:s,s:s,s:n}", "floor", 7, "floor_hash",
		                                 "aa", "state_hash", "bb", "aaa");
		break;
	default:
		break;
	}
}

static inline void any_event(uint64_t *state, enum event_kind kind, int64_t seq,
                             struct any_event *a)
{
	struct event *ev = &a->ev;
	bool section = kind >= EVENT_SECTION_UPDATE && kind <= EVENT_SECTION_UNLOCKED;
	bool comment = kind >= EVENT_COMMENT_ADDED && kind <= EVENT_COMMENT_DELETED;
	bool conflict = kind == EVENT_CONFLICT_DETECTED || kind == EVENT_CONFLICT_RESOLVED;

	*a = (struct any_event){0};
	event_init(ev, kind);
	ev->seq = seq;
	ev->time_ms = 1700000000000 + (int64_t)gen_below(state, 1000000000);
	ev->session_id = any_uuid(state, a);
	ev->event_id = any_uuid(state, a);
	ev->user_id = any_user(state);
	ev->user_name = any_text(state, a, 4);
	ev->carried = gen_below(state, 4) == 0;
	ev->by = gen_below(state, 4) ? NULL : any_user(state);
	ev->via = gen_below(state, 4) ? NULL : any_user(state);
	if (gen_below(state, 2)) {
		ev->ref = any_text(state, a, 6);
		ev->ref_digest = "0123456789abcdef";
	}
	if (section || conflict || kind == EVENT_COMMENT_ADDED || (comment && gen_below(state, 2)))
		ev->section_id = any_section(state);
	if (comment)
		ev->comment_id = any_uuid(state, a);
	any_kind(state, a);
}

#endif
