/* Random commands, of every kind, mostly of some use. */
#ifndef TESTS_UNIT_DECIDE_RANDOM_H
#define TESTS_UNIT_DECIDE_RANDOM_H

#include "../gen.h"
#include "decide_test.h"

enum { SEQ_MAX = 4000, SECTIONS = 4, COMMENTS = 14, KEYS = 8, TEXT_BYTES_MAX = 1 << 16 };

/* Those who could be participants come first; who acts is any of them. */
static const char *const users[] = {"own",  "ed",     "eve",   "com",   "view",  "bob",
                                    "own2", "nobody", "admin", "admin", "admin", "admin"};
enum { USERS = sizeof users / sizeof users[0], PEOPLE = 7 };

static const char *const sections[SECTIONS] = {"a", "b", "c", "d"};
static char comment_ids[COMMENTS][UUID_LEN + 1];
static json_t *keys[KEYS];

struct run {
	uint64_t rnd;
	struct world w;
	struct session twin; /* the same state, from a snapshot */
	/* the code points of each section at each seq, to make operations from old texts */
	size_t chars[SEQ_MAX + 64][SECTIONS];
	/* behind the command */
	struct command c;
	struct buf text;
	struct op delta;
	char ref[8];
	const char *fence_section;
	int64_t fence;
	size_t accepted, refused, unchanged, duplicates, extended;
	bool failed;
};

static inline size_t below(struct run *r, size_t n)
{
	return gen_below(&r->rnd, n);
}

static inline const char *pick(struct run *r, const char *const *from, size_t len)
{
	return from[below(r, len)];
}

/* ---- commands ------------------------------------------------------------------------------ */

/* U+0000 has been refused where messages are parsed. */
static inline void without_nul(struct buf *text)
{
	for (size_t i = 0; i < text->len; i++)
		if (text->p[i] == '\0')
			text->p[i] = '0';
}

static inline void random_text(struct run *r, size_t pieces)
{
	buf_clear(&r->text);
	gen_text(&r->rnd, pieces, &r->text);
	without_nul(&r->text);
}

/* A base of late, of long ago, of the future. */
static inline int64_t random_base(struct run *r)
{
	int64_t back = below(r, 4) ? (int64_t)below(r, 12) : (int64_t)below(r, 60);

	if (below(r, 20) == 0)
		return r->w.s.seq + 1;
	return back > r->w.s.seq ? 0 : r->w.s.seq - back;
}

static inline void random_change(struct run *r, size_t section)
{
	struct changes *ch = &r->c.changes;
	int64_t base = r->c.base_seq < 0 || r->c.base_seq > r->w.s.seq ? 0 : r->c.base_seq;

	random_text(r, 12);
	if (below(r, 3) == 0)
		ch->keys = keys[below(r, KEYS)];
	switch (below(r, 8)) {
	case 0:
		break;
	case 1:
		ch->content_json = json_object_get(keys[2], "k");
		break;
	case 2:
	case 3:
	case 4:
		ch->content = r->text.p;
		ch->content_len = r->text.len;
		break;
	default:
		gen_op(&r->rnd, r->chars[base][section] + (below(r, 16) == 0), &r->delta);
		without_nul(&r->delta.text);
		ch->delta = &r->delta;
		break;
	}
}

static inline void random_section(struct run *r)
{
	struct command *c = &r->c;
	size_t section = below(r, SECTIONS);

	c->section_id = sections[section];
	if (below(r, 5))
		c->base_seq = random_base(r);
	if (below(r, 10) == 0)
		c->if_version = below(r, 3) ? random_base(r) : 0;
	if (below(r, 6) == 0)
		c->fence = 1 + (int64_t)below(r, 6);
	if (c->kind == COMMAND_SECTION_UPDATE)
		random_change(r, section);
	if (c->kind == COMMAND_SECTION_LOCK && below(r, 2))
		c->ttl_seconds = (int64_t)below(r, 40);
	c->force = c->kind == COMMAND_SECTION_UNLOCK && below(r, 3) == 0;
	if (below(r, 3) == 0) {
		r->fence_section = c->section_id;
		r->fence = 1 + (int64_t)below(r, 6);
	}
}

static inline void random_comment(struct run *r)
{
	struct command *c = &r->c;
	static const char *const mentions[] = {"ed", "com"};

	c->section_id = pick(r, sections, SECTIONS);
	c->comment_id = below(r, 6) ? comment_ids[below(r, COMMENTS)] : NULL;
	if (!c->comment_id && c->kind != COMMAND_COMMENT_ADD)
		c->comment_id = comment_ids[0];
	if (below(r, 2))
		c->parent_comment_id = comment_ids[below(r, COMMENTS)];
	random_text(r, 4);
	c->text = r->text.p;
	c->text_len = r->text.len;
	if (below(r, 3) == 0) {
		c->mentions = mentions;
		c->mentions_len = below(r, 3);
	}
	if (below(r, 2)) {
		c->anchor.from = (int64_t)below(r, 8);
		c->anchor.to = c->anchor.from + (int64_t)below(r, 8);
		c->anchor.base_seq = below(r, 4) ? random_base(r) : EVENT_ABSENT;
	}
}

static inline void random_conflict(struct run *r)
{
	const struct map *m = &r->w.s.conflicts;
	size_t i = m->used ? below(r, m->used) : 0;

	r->c.conflict_id = m->used ? m->entries[i].key : comment_ids[0];
	r->c.resolution = (enum resolution)below(r, RESOLUTIONS);
	if (below(r, 2))
		r->c.base_seq = r->w.s.seq;
	if (below(r, 6) == 0)
		r->c.fence = 1 + (int64_t)below(r, 6);
	if (r->c.resolution == RESOLUTION_MERGED && below(r, 4)) {
		random_text(r, 12);
		r->c.changes.content = r->text.p;
		r->c.changes.content_len = r->text.len;
	}
}

static inline enum command_kind random_kind(struct run *r)
{
	static const enum command_kind often[] = {
		COMMAND_SECTION_UPDATE,  COMMAND_SECTION_UPDATE,   COMMAND_SECTION_UPDATE,
		COMMAND_SECTION_UPDATE,  COMMAND_SECTION_LOCK,     COMMAND_SECTION_UNLOCK,
		COMMAND_COMMENT_ADD,     COMMAND_COMMENT_EDIT,     COMMAND_COMMENT_RESOLVE,
		COMMAND_COMMENT_DELETE,  COMMAND_CONFLICT_RESOLVE, COMMAND_COMMENT_REOPEN,
		COMMAND_PARTICIPANT_ADD, COMMAND_PARTICIPANT_ROLE, COMMAND_ONLINE,
		COMMAND_OFFLINE,         COMMAND_EXPIRE,
	};
	static const enum command_kind seldom[] = {
		COMMAND_SECTION_DELETE,
		COMMAND_PARTICIPANT_REMOVE,
		COMMAND_PARTICIPANT_REMOVE,
		COMMAND_SECTION_DELETE,
		COMMAND_CURSOR,
		COMMAND_PING,
		COMMAND_PRESENCE,
		COMMAND_TOKEN_REFRESH,
		COMMAND_SESSION_END,
	};

	if (below(r, 12))
		return often[below(r, sizeof often / sizeof often[0])];
	return seldom[below(r, sizeof seldom / sizeof seldom[0])];
}

static inline void random_command(struct run *r)
{
	struct command *c = &r->c;

	command_init(c, random_kind(r));
	r->fence_section = NULL;
	if (c->kind < COMMAND_ONLINE && below(r, 4) == 0) {
		(void)snprintf(r->ref, sizeof r->ref, "r%zu", below(r, 5));
		c->ref = r->ref;
		(void)snprintf(c->ref_digest, sizeof c->ref_digest, "%016zx", below(r, 2));
	}
	c->user_id = pick(r, users, PEOPLE);
	c->role = below(r, 2) ? (enum role)(ROLE_VIEWER + below(r, 4)) : ROLE_EDITOR;
	if (c->kind <= COMMAND_SECTION_UNLOCK)
		random_section(r);
	else if (c->kind <= COMMAND_COMMENT_DELETE)
		random_comment(r);
	else if (c->kind == COMMAND_CONFLICT_RESOLVE)
		random_conflict(r);
}

static inline void make_pools(void)
{
	keys[0] = json_pack("{s:i}", "k", 1);
	keys[1] = json_pack("{s:n}", "k");
	keys[2] = json_pack("{s:{s:s}}", "k", "x", "\u00e9\U0001f600");
	keys[3] = json_pack("{s:{s:n,s:[f,b,n]}}", "k", "x", "y", 1.5, 1);
	keys[4] = json_pack("{s:s}", "title", "T");
	keys[5] = json_pack("{s:n,s:{s:n}}", "title", "k", "y");
	keys[6] = json_pack("{s:{s:{s:i}}}", "k", "x", "z", -12345);
	keys[7] = json_object();
	for (unsigned i = 0; i < COMMENTS; i++)
		(void)snprintf(comment_ids[i], sizeof comment_ids[i],
		               "c0000000-0000-4000-8000-%012x", i);
}

#endif
