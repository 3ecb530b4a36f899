/*
 * The history of sections: their latest changes, for commands that were made from an older text.
 *
 * Each section has a queue of changes; all queues of a session share one bound in bytes.  The
 * sections with changes are in a list, the one changed last at its end; the first one loses its
 * oldest changes when there are too many bytes.  The history of a deleted section stays behind,
 * with the deletion as one more change, until it is dropped in this way or the section is created
 * again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/patch.h"
#include "core/session_int.h"

struct history {
	size_t bytes;
	struct section *first, *last;
	struct map gone;    /* section_id -> struct section: deleted, empty but for its changes */
	int64_t gone_after; /* no history of a deleted section reaches back before this was dropped
	                     */
};

static size_t changes_count(const struct section *sec)
{
	return sec->changes_len - sec->changes_at;
}

void change_release(struct change *ch)
{
	free(ch->user_id);
	json_decref(ch->keys);
	free(ch->before);
	op_release(&ch->op);
	op_release(&ch->undo);
	*ch = (struct change){0};
}

static size_t op_bytes(const struct op *op)
{
	return op->cap * sizeof *op->parts + op->text.cap;
}

static size_t change_bytes(const struct change *ch)
{
	return sizeof *ch + (ch->user_id ? strlen(ch->user_id) + 1 : 0) + json_bytes(ch->keys) +
	       (ch->before ? ch->before_len + 1 : 0) + op_bytes(&ch->op) + op_bytes(&ch->undo);
}

static void list_remove(struct section *sec)
{
	struct history *h = sec->history;

	if (sec->history_prev)
		sec->history_prev->history_next = sec->history_next;
	else
		h->first = sec->history_next;
	if (sec->history_next)
		sec->history_next->history_prev = sec->history_prev;
	else
		h->last = sec->history_prev;
	sec->history_prev = NULL;
	sec->history_next = NULL;
}

static void list_append(struct section *sec)
{
	struct history *h = sec->history;

	sec->history_prev = h->last;
	sec->history_next = NULL;
	if (h->last)
		h->last->history_next = sec;
	else
		h->first = sec;
	h->last = sec;
}

/* The section has no changes any more. */
static void forget_queue(struct section *sec)
{
	list_remove(sec);
	free(sec->changes);
	sec->changes = NULL;
	sec->changes_at = 0;
	sec->changes_len = 0;
	sec->changes_cap = 0;
}

static void drop_oldest(struct section *sec)
{
	struct history *h = sec->history;
	struct change *ch = &sec->changes[sec->changes_at];

	sec->changes_after = ch->seq;
	sec->changes_at++;
	h->bytes -= change_bytes(ch);
	change_release(ch);
	if (changes_count(sec) > 0)
		return;
	forget_queue(sec);
	if (map_get(&h->gone, sec->section_id) == sec) {
		(void)map_remove(&h->gone, sec->section_id); /* it is sec */
		if (h->gone_after < sec->changes_after)
			h->gone_after = sec->changes_after;
		section_free(sec);
	}
}

void section_history_drop(struct section *sec)
{
	while (changes_count(sec) > 0) {
		struct change *ch = &sec->changes[sec->changes_at++];

		sec->changes_after = ch->seq;
		sec->history->bytes -= change_bytes(ch);
		change_release(ch);
		if (changes_count(sec) == 0)
			forget_queue(sec);
	}
}

void history_free(struct session *s)
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	if (!s->history)
		return;
	while ((entry = map_next(&s->history->gone, &at)))
		section_free(entry->value);
	map_release(&s->history->gone);
	free(s->history);
	s->history = NULL;
}

bool history_wanted(const struct session *s, const char *section_id)
{
	return s->history_max > 0 &&
	       (!s->history_section || strcmp(s->history_section, section_id) == 0);
}

int history_join(struct session *s, struct section *sec)
{
	if (s->history_max > 0 && !s->history) {
		s->history = calloc(1, sizeof *s->history);
		if (!s->history)
			return ERR_NOMEM;
	}
	sec->history = s->history;
	return 0;
}

/* Room for one more change at the end of the queue. */
static int queue_reserve(struct section *sec)
{
	size_t n = changes_count(sec);
	size_t cap = sec->changes_cap ? sec->changes_cap * 2 : 4;
	struct change *changes = NULL;

	if (sec->changes_len < sec->changes_cap)
		return 0;
	if (n <= sec->changes_cap / 2 && sec->changes_at > 0) {
		memmove(sec->changes, sec->changes + sec->changes_at, n * sizeof *sec->changes);
		sec->changes_at = 0;
		sec->changes_len = n;
		return 0;
	}
	changes = realloc(sec->changes, cap * sizeof *changes);
	if (!changes)
		return ERR_NOMEM;
	sec->changes = changes;
	sec->changes_cap = cap;
	return 0;
}

int history_push(struct session *s, struct section *sec, struct change *ch)
{
	struct history *h = sec->history;

	if (!history_wanted(s, sec->section_id)) {
		section_history_drop(sec);
		sec->changes_after = ch->seq;
		change_release(ch);
		return 0;
	}
	if (queue_reserve(sec))
		return ERR_NOMEM;
	if (changes_count(sec) > 0)
		list_remove(sec);
	list_append(sec);
	h->bytes += change_bytes(ch);
	sec->changes[sec->changes_len++] = *ch;
	*ch = (struct change){0};
	while (changes_count(sec) > s->history_max)
		drop_oldest(sec);
	while (h->bytes > s->history_bytes_max && (h->first != sec || changes_count(sec) > 1))
		drop_oldest(h->first);
	return 0;
}

int history_keep(struct session *s, struct section *sec)
{
	int rc = 0;

	if (changes_count(sec) > 0) {
		rc = map_put(&s->history->gone, sec->section_id, sec);
		if (!rc)
			return 0;
	}
	section_free(sec);
	return rc;
}

struct section *history_revive(struct session *s, const char *section_id)
{
	return s->history ? map_remove(&s->history->gone, section_id) : NULL;
}

int64_t history_unseen_after(const struct session *s)
{
	int64_t after = s->history_after < 0 ? s->seq : s->history_after;

	if (s->history && s->history->gone_after > after)
		after = s->history->gone_after;
	return after;
}

int section_history_extend(struct section *sec, struct section *older)
{
	size_t own = changes_count(sec);
	size_t n = 0;
	size_t bytes = 0;
	int64_t after = older->changes_after;
	struct change *from = NULL;
	struct change *changes = NULL;

	assert(sec->history && older->history);
	if (after >= sec->changes_after)
		return 0;
	if (changes_count(older) > 0)
		from = older->changes + older->changes_at;
	while (n < changes_count(older) && from[n].seq <= sec->changes_after)
		bytes += change_bytes(&from[n++]);
	if (n > 0) {
		changes = malloc((n + own) * sizeof *changes);
		if (!changes)
			return ERR_NOMEM;
		memcpy(changes, from, n * sizeof *changes);
		if (own > 0) {
			memcpy(changes + n, sec->changes + sec->changes_at, own * sizeof *changes);
			list_remove(sec);
		}
		list_append(sec);
		free(sec->changes);
		sec->changes = changes;
		sec->changes_at = 0;
		sec->changes_len = n + own;
		sec->changes_cap = n + own;
		sec->history->bytes += bytes;
		older->history->bytes -= bytes;
		older->changes_at += n;
		if (changes_count(older) == 0)
			forget_queue(older);
	}
	older->changes_after = sec->changes_after;
	sec->changes_after = after;
	return 0;
}

int session_history_extend(struct session *s, const char *section_id, struct session *older)
{
	struct section *sec = session_section(s, section_id);
	struct section *old = session_section(older, section_id);
	int64_t unseen_after = history_unseen_after(older);

	if (!sec || older->seq < sec->changes_after || !history_wanted(s, section_id) ||
	    !history_wanted(older, section_id))
		return 0;
	if (!old && older->history)
		old = map_get(&older->history->gone, section_id);
	if (old)
		return section_history_extend(sec, old);
	/* It did not exist until older's end, where the section's own history goes on. */
	if (unseen_after < sec->changes_after)
		sec->changes_after = unseen_after;
	return 0;
}
