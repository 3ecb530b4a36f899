/* The parts of a session's state: made, counted, freed. */
#include "core/session_build.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "core/patch.h"
#include "core/session_int.h"

void member_free(struct member *m)
{
	if (!m)
		return;
	free(m->user_id);
	free(m->name);
	free(m->email);
	free(m);
}

int session_add_member(struct session *s, const struct member *m, struct err *e)
{
	struct member *copy = NULL;

	if (m->role == ROLE_NONE)
		return err_set(e, ERR_CORRUPT, "participant %s has no role", m->user_id);
	if (session_member(s, m->user_id))
		return err_set(e, ERR_CORRUPT, "%s is a participant already", m->user_id);
	copy = calloc(1, sizeof *copy);
	if (!copy)
		return ERR_NOMEM;
	copy->role = m->role;
	copy->joined_ms = m->joined_ms;
	copy->online = m->online;
	copy->active_ms = m->active_ms;
	if (session_set_string(&copy->user_id, m->user_id) ||
	    session_set_string(&copy->name, m->name ? m->name : m->user_id) ||
	    session_set_string(&copy->email, m->email) ||
	    map_put(&s->members, copy->user_id, copy)) {
		member_free(copy);
		return ERR_NOMEM;
	}
	s->owners += copy->role == ROLE_OWNER;
	return 0;
}

void section_clear(struct section *sec)
{
	free(sec->content);
	json_decref(sec->content_json);
	json_decref(sec->keys);
	free(sec->updated_by);
	free(sec->updated_by_name);
	sec->version = 0;
	sec->content = NULL;
	sec->content_len = 0;
	sec->content_chars = 0;
	sec->content_json = NULL;
	sec->keys = NULL;
	sec->updated_by = NULL;
	sec->updated_by_name = NULL;
	sec->updated_ms = 0;
	sec->bytes = 0;
}

void section_free(struct section *sec)
{
	if (!sec)
		return;
	section_history_drop(sec);
	section_clear(sec);
	free(sec->section_id);
	free(sec);
}

int section_make(struct session *s, const char *section_id, struct section **out)
{
	struct section *sec = session_section(s, section_id);

	*out = sec;
	if (sec)
		return 0;
	sec = history_revive(s, section_id);
	if (!sec) {
		sec = calloc(1, sizeof *sec);
		if (!sec)
			return ERR_NOMEM;
		sec->changes_after = history_unseen_after(s);
	}
	if (session_set_string(&sec->section_id, section_id) || history_join(s, sec) ||
	    map_put(&s->sections, sec->section_id, sec)) {
		section_free(sec);
		return ERR_NOMEM;
	}
	sec->bytes = strlen(sec->section_id);
	s->bytes += sec->bytes;
	anchors_adopt(s, sec);
	*out = sec;
	return 0;
}

/* The content of a section from a snapshot, which is empty so far. */
static int copy_content(struct section *to, const struct section *from)
{
	if (from->content) {
		to->content = malloc(from->content_len + 1);
		if (!to->content)
			return ERR_NOMEM;
		memcpy(to->content, from->content, from->content_len);
		to->content[from->content_len] = '\0';
		to->content_len = from->content_len;
		to->content_chars = utf8_chars(from->content, from->content_len);
	} else {
		to->content_json = json_incref(from->content_json);
	}
	if (json_object_size(from->keys) > 0) {
		/* Patches are merged into the keys in place. */
		to->keys = json_deep_copy(from->keys);
		if (!to->keys)
			return ERR_NOMEM;
	}
	return 0;
}

int session_add_section(struct session *s, const struct section *sec, struct err *e)
{
	struct section *copy = NULL;
	const char *key = NULL;
	json_t *value = NULL;
	size_t bytes = 0;

	if (session_section(s, sec->section_id))
		return err_set(e, ERR_CORRUPT, "section %s exists already", sec->section_id);
	if (section_make(s, sec->section_id, &copy) || copy_content(copy, sec) ||
	    session_set_string(&copy->updated_by, sec->updated_by) ||
	    session_set_string(&copy->updated_by_name, sec->updated_by_name))
		return ERR_NOMEM;
	copy->version = sec->version;
	copy->changes_after = sec->version;
	copy->updated_ms = sec->updated_ms;
	bytes = copy->content_len + json_bytes(copy->content_json);
	json_object_foreach(copy->keys, key, value) bytes += json_member_bytes(key, value);
	copy->bytes += bytes;
	s->bytes += bytes;
	return 0;
}

void comment_free(struct comment *c)
{
	if (!c)
		return;
	free(c->comment_id);
	free(c->parent_comment_id);
	free(c->section_id);
	free(c->user_id);
	free(c->user_name);
	free(c->text);
	json_decref(c->mentions);
	free(c->resolved_by);
	free(c);
}

size_t comment_bytes(const struct comment *c)
{
	return c->text_len + json_bytes(c->mentions);
}

bool thread_open(const struct comment *c)
{
	return !c->parent_comment_id && !c->resolved && !c->deleted;
}

/* More code points than any text has; sums of a few such numbers do not overflow. */
#define CHARS_MAX (INT64_C(1) << 40)

/* Whether the numbers of an anchor, of one that was lost too, are some that a fold can make. */
static bool anchor_valid(const struct comment *c)
{
	const struct anchor *a = &c->anchor;

	if (a->from == EVENT_ABSENT)
		return true;
	if (a->from < 0 || a->to < a->from || a->to > CHARS_MAX)
		return false;
	return !c->orphaned || (a->from == a->to && c->lost_at >= 0 && c->lost_at <= CHARS_MAX &&
	                        c->lost_before >= 0 && c->lost_before <= CHARS_MAX &&
	                        c->lost_chars >= EVENT_ABSENT && c->lost_chars <= CHARS_MAX);
}

/* The root of the thread that a new comment joins; NULL for one that is a root itself. */
static int find_thread(const struct session *s, const struct comment *c, struct comment **root,
                       struct err *e)
{
	const struct comment *parent = NULL;

	*root = NULL;
	if (!c->parent_comment_id)
		return 0;
	parent = session_comment(s, c->parent_comment_id);
	*root = parent ? session_thread(s, parent) : NULL;
	if (!*root)
		return err_field(e, ERR_CORRUPT, "parent_comment_id",
		                 "comment %s replies to none that exists", c->comment_id);
	return 0;
}

static int copy_comment(struct comment *to, const struct comment *from, const struct comment *root)
{
	to->text = malloc(from->text_len + 1);
	if (!to->text)
		return ERR_NOMEM;
	if (from->text_len)
		memcpy(to->text, from->text, from->text_len);
	to->text[from->text_len] = '\0';
	to->text_len = from->text_len;
	to->mentions = json_incref(from->mentions);
	to->created_ms = from->created_ms;
	to->edited_ms = from->edited_ms;
	to->resolved = from->resolved;
	to->deleted = from->deleted;
	to->resolved_ms = from->resolved_ms;
	to->anchor = from->anchor;
	to->anchor.base_seq = EVENT_ABSENT;
	to->orphaned = from->orphaned;
	to->lost_at = from->lost_at;
	to->lost_before = from->lost_before;
	to->lost_chars = from->lost_chars;
	memcpy(to->lost_digest, from->lost_digest, sizeof to->lost_digest);
	if (session_set_string(&to->comment_id, from->comment_id) ||
	    session_set_string(&to->parent_comment_id, root ? root->comment_id : NULL) ||
	    session_set_string(&to->section_id, from->section_id) ||
	    session_set_string(&to->user_id, from->user_id) ||
	    session_set_string(&to->user_name, from->user_name) ||
	    session_set_string(&to->resolved_by, from->resolved_by))
		return ERR_NOMEM;
	return 0;
}

int session_add_comment(struct session *s, const struct comment *c, struct err *e)
{
	struct comment *copy = NULL;
	struct comment *root = NULL;
	int rc = find_thread(s, c, &root, e);

	if (rc)
		return rc;
	if (session_comment(s, c->comment_id))
		return err_set(e, ERR_CORRUPT, "comment %s exists already", c->comment_id);
	if (!anchor_valid(c))
		return err_field(e, ERR_CORRUPT, "anchor", "comment %s has no valid anchor",
		                 c->comment_id);
	copy = calloc(1, sizeof *copy);
	if (!copy)
		return ERR_NOMEM;
	if (copy_comment(copy, c, root) || map_put(&s->comments, copy->comment_id, copy)) {
		comment_free(copy);
		return ERR_NOMEM;
	}
	if (root)
		root->replies++;
	s->comments_open += thread_open(copy);
	s->bytes += comment_bytes(copy);
	anchor_link(s, copy);
	return 0;
}

void conflict_free(struct conflict *c)
{
	if (!c)
		return;
	free(c->conflict_id);
	free(c->section_id);
	free(c->user_id);
	free(c->user_name);
	json_decref(c->proposed);
	json_decref(c->users);
	free(c->resolution);
	free(c);
}

int session_add_conflict(struct session *s, const struct conflict *c, struct err *e)
{
	struct conflict *copy = NULL;

	if (session_conflict(s, c->conflict_id))
		return err_set(e, ERR_CORRUPT, "conflict %s exists already", c->conflict_id);
	copy = calloc(1, sizeof *copy);
	if (!copy)
		return ERR_NOMEM;
	copy->base_seq = c->base_seq;
	copy->current_seq = c->current_seq;
	copy->created_ms = c->created_ms;
	copy->proposed = json_incref(c->proposed);
	copy->users = json_incref(c->users);
	if (session_set_string(&copy->conflict_id, c->conflict_id) ||
	    session_set_string(&copy->section_id, c->section_id) ||
	    session_set_string(&copy->user_id, c->user_id) ||
	    session_set_string(&copy->user_name, c->user_name) ||
	    session_set_string(&copy->resolution, c->resolution) ||
	    map_put(&s->conflicts, copy->conflict_id, copy)) {
		conflict_free(copy);
		return ERR_NOMEM;
	}
	if (!copy->resolution) {
		s->conflicts_open++;
		s->bytes += json_bytes(copy->proposed);
	}
	return 0;
}

void session_lock_free(struct lock *lock)
{
	if (!lock)
		return;
	free(lock->user_id);
	free(lock);
}

/* Locks come and go seldom, the due time is asked for after every event. */
static void count_due(struct session *s)
{
	const struct map_entry *entry = NULL;
	size_t at = 0;

	s->locks_due_ms = INT64_MAX;
	while ((entry = map_next(&s->locks, &at))) {
		const struct lock *lock = entry->value;

		if (lock->expires_ms < s->locks_due_ms)
			s->locks_due_ms = lock->expires_ms;
	}
}

int session_set_lock(struct session *s, const char *section_id, const struct lock *lock)
{
	struct lock *held = map_get(&s->locks, section_id);

	if (!held) {
		held = calloc(1, sizeof *held);
		if (!held)
			return ERR_NOMEM;
		if (map_put(&s->locks, section_id, held)) {
			free(held);
			return ERR_NOMEM;
		}
	}
	held->fence = lock->fence;
	held->expires_ms = lock->expires_ms;
	count_due(s);
	return session_set_string(&held->user_id, lock->user_id);
}

void session_clear_lock(struct session *s, const char *section_id)
{
	s->removed.lock = map_remove(&s->locks, section_id);
	count_due(s);
}

int session_set_fence(struct session *s, const char *section_id, int64_t fence)
{
	int64_t *last = map_get(&s->fences, section_id);

	if (!last) {
		last = malloc(sizeof *last);
		if (!last)
			return ERR_NOMEM;
		if (map_put(&s->fences, section_id, last)) {
			free(last);
			return ERR_NOMEM;
		}
	}
	*last = fence;
	return 0;
}
