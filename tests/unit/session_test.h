/* Folding events by hand: what the tests of the session's state share. */
#ifndef TESTS_SESSION_TEST_H
#define TESTS_SESSION_TEST_H

#include "../tap.h"
#include "core/session.h"
#include "core/session_build.h"

#define SESSION_ID "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
#define TEXT_MAX ((size_t)1 << 20)

/* The protocol's JSON has no U+0000, and C strings have none. */
static inline void drop_nul(struct buf *text)
{
	for (size_t i = 0; i < text->len; i++)
		if (text->p[i] == '\0')
			text->p[i] = '0';
}

/* The next event of the session, by ann, one second after the one before. */
static inline struct event next_event(const struct session *s, enum event_kind kind)
{
	struct event ev;

	event_init(&ev, kind);
	ev.seq = s->seq + 1;
	ev.time_ms = ev.seq * 1000;
	ev.session_id = SESSION_ID;
	ev.user_id = "ann";
	ev.user_name = "Ann";
	return ev;
}

/* Apply; says what went wrong. */
static inline int fold(struct session *s, const struct event *ev)
{
	struct err e = {0};
	int rc = session_apply(s, ev, &e);

	if (rc)
		printf("# %s\n", e.text);
	return rc;
}

static inline int fold_started(struct session *s)
{
	struct event ev = next_event(s, EVENT_SESSION_STARTED);

	ev.report_id = "report-1";
	ev.settings = (struct settings){SESSION_COLLABORATIVE, STRATEGY_MERGE, 10, 60};
	return fold(s, &ev);
}

static inline int fold_joined(struct session *s, const char *user_id, enum role role)
{
	struct event ev = next_event(s, EVENT_PARTICIPANT_JOINED);

	ev.user_id = user_id;
	ev.user_name = user_id;
	ev.role = role;
	return fold(s, &ev);
}

/* A session that has begun, with ann as its owner. */
static inline void begin(struct session *s, size_t refs_max, size_t history_max)
{
	session_init(s, refs_max, history_max);
	if (fold_started(s) || fold_joined(s, "ann", ROLE_OWNER))
		abort();
}

static inline struct event section_event(const struct session *s, enum event_kind kind,
                                         const char *section_id)
{
	struct event ev = next_event(s, kind);

	ev.section_id = section_id;
	return ev;
}

static inline int fold_content(struct session *s, const char *section_id, const char *text)
{
	struct event ev = section_event(s, EVENT_SECTION_UPDATE, section_id);

	ev.changes.content = text;
	ev.changes.content_len = strlen(text);
	ev.version = ev.seq;
	return fold(s, &ev);
}

static inline int fold_delta(struct session *s, const char *section_id, const struct op *op)
{
	struct event ev = section_event(s, EVENT_SECTION_UPDATE, section_id);

	ev.changes.delta = op;
	ev.version = ev.seq;
	return fold(s, &ev);
}

/* Replace `deleted` code points at `at` by text. */
static inline int fold_edit(struct session *s, const char *section_id, size_t at, size_t deleted,
                            const char *text)
{
	struct op op;
	int rc = 0;

	op_init(&op, TEXT_MAX);
	op_retain(&op, at);
	op_delete(&op, deleted);
	op_insert(&op, text, strlen(text));
	rc = op_finish(&op);
	if (!rc)
		rc = fold_delta(s, section_id, &op);
	op_release(&op);
	return rc;
}

/* Merge a patch, given as JSON text, into the section's other keys. */
static inline int fold_keys(struct session *s, const char *section_id, const char *patch)
{
	struct event ev = section_event(s, EVENT_SECTION_UPDATE, section_id);
	json_t *keys = json_loads(patch, 0, NULL);
	int rc = 0;

	ev.changes.keys = keys;
	rc = fold(s, &ev);
	json_decref(keys);
	return rc;
}

static inline int fold_section_gone(struct session *s, const char *section_id)
{
	struct event ev = section_event(s, EVENT_SECTION_DELETED, section_id);

	return fold(s, &ev);
}

/* A comment on code points [from, to) of a section; from EVENT_ABSENT: on all of it. */
static inline int fold_comment(struct session *s, const char *comment_id, const char *parent,
                               const char *section_id, int64_t from, int64_t to)
{
	struct event ev = section_event(s, EVENT_COMMENT_ADDED, section_id);

	ev.comment_id = comment_id;
	ev.parent_comment_id = parent;
	ev.text = "why?";
	ev.text_len = 4;
	ev.anchor = (struct anchor){from, to, s->seq};
	return fold(s, &ev);
}

/* An event about a comment that needs nothing more. */
static inline int fold_about(struct session *s, enum event_kind kind, const char *comment_id)
{
	struct event ev = next_event(s, kind);

	ev.comment_id = comment_id;
	return fold(s, &ev);
}

#endif
