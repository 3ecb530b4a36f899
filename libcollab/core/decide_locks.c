/*
 * Locks: leases of sections.  A lock belongs to its fence, a number that only grows per section,
 * and not to a user: two jobs of one user exclude each other, and a job that lost its lease cannot
 * write any more, whoever holds it now.
 */
#include <inttypes.h>
#include <string.h>

#include "core/decide_int.h"

/* The lock held on the section, or NULL; the time of a lease is the log's. */
static const struct lock *lock_held(const struct decider *dr, const char *section_id)
{
	return session_lock(dr->s, section_id, dr->now_ms);
}

static int refuse_locked(struct decider *dr, const char *section_id, const struct lock *lock)
{
	dr->d->holder = lock->user_id;
	dr->d->expires_ms = lock->expires_ms;
	return err_set(dr->e, ERR_SECTION_LOCKED, "section %s is locked by %s", section_id,
	               lock->user_id);
}

static int refuse_stale(struct decider *dr, const char *section_id)
{
	return err_field(dr->e, ERR_STALE_FENCE, "fence",
	                 "the lock of section %s with the fence %" PRId64 " is not held any more",
	                 section_id, dr->c->fence);
}

/* Whether the actor's connection took this very lock, so that its messages carry the fence. */
static bool carries_fence(const struct decider *dr, const char *section_id, int64_t fence)
{
	const struct actor *a = dr->actor;

	for (size_t i = 0; a && i < a->fences_len; i++)
		if (a->fences[i] == fence && strcmp(a->fences_section[i], section_id) == 0)
			return true;
	return false;
}

/* Whether the command presents the fence of `lock` (NULL: there is none). */
static int fence_check(struct decider *dr, const char *section_id, const struct lock *lock)
{
	if (dr->c->fence != EVENT_ABSENT) {
		if (lock && lock->fence == dr->c->fence)
			return 0;
		return refuse_stale(dr, section_id);
	}
	if (!lock || carries_fence(dr, section_id, lock->fence))
		return 0;
	return refuse_locked(dr, section_id, lock);
}

int lock_check(struct decider *dr, const char *section_id)
{
	return fence_check(dr, section_id, lock_held(dr, section_id));
}

int decider_unlock(struct decider *dr, const char *section_id, const struct lock *lock,
                   const char *reason)
{
	struct event *ev = decider_event(dr, EVENT_SECTION_UNLOCKED);
	const struct member *m = session_member(dr->s, lock->user_id);

	if (!ev)
		return ERR_NOMEM;
	decider_about(dr, ev, lock->user_id, m ? m->name : NULL);
	ev->section_id = section_id;
	ev->fence = lock->fence;
	ev->reason = reason;
	return 0;
}

int decider_unlock_all(struct decider *dr, const char *user_id, const char *reason)
{
	const struct map_entry **entries = NULL;
	int rc = decider_entries(dr, &dr->s->locks, &entries);

	for (size_t i = 0; !rc && i < dr->s->locks.len; i++) {
		const struct lock *lock = entries[i]->value;

		if (!user_id || strcmp(lock->user_id, user_id) == 0)
			rc = decider_unlock(dr, entries[i]->key, lock, reason);
	}
	return rc;
}

/* The lease asked for, in seconds. */
static int lease_seconds(struct decider *dr, int64_t *ttl)
{
	int64_t max = dr->env->limits->lock_seconds;

	*ttl = dr->c->ttl_seconds;
	if (*ttl == EVENT_ABSENT)
		*ttl = max < LOCK_SECONDS_DEFAULT ? max : LOCK_SECONDS_DEFAULT;
	if (*ttl < 1 || *ttl > max)
		return err_field(dr->e, ERR_BAD_FIELD, "ttl_seconds",
		                 "ttl_seconds lies outside 1 to %" PRId64, max);
	return 0;
}

/* A lock may come before its section, but not before more sections than there may be. */
static int check_name(struct decider *dr)
{
	int64_t max = dr->env->limits->sections;

	if (max == 0 || session_section(dr->s, dr->c->section_id) ||
	    map_get(&dr->s->fences, dr->c->section_id) || dr->s->fences.len < (uint64_t)max)
		return 0;
	return err_set(dr->e, ERR_TOO_MANY_SECTIONS,
	               "section %s does not exist, and %" PRId64 " have been locked",
	               dr->c->section_id, max);
}

int rule_section_lock(struct decider *dr)
{
	const struct command *c = dr->c;
	const struct lock *lock = lock_held(dr, c->section_id);
	const int64_t *last = map_get(&dr->s->fences, c->section_id);
	struct event *ev = NULL;
	int64_t ttl = 0;
	int rc = c->force ? decider_needs(dr, ROLE_OWNER) : 0;

	if (!rc)
		rc = lease_seconds(dr, &ttl);
	if (rc)
		return rc;
	if (c->force) {
		if (lock && lock->fence != c->fence) {
			rc = decider_unlock(dr, c->section_id, lock, "forced");
			lock = NULL;
		}
	} else if (lock && c->fence == EVENT_ABSENT) {
		/* Only a fence that is told renews: a connection's second lock is a second lock. */
		return refuse_locked(dr, c->section_id, lock);
	} else {
		rc = fence_check(dr, c->section_id, lock);
	}
	if (!rc)
		rc = check_name(dr);
	if (rc)
		return rc;
	ev = decider_answer(dr, EVENT_SECTION_LOCKED);
	if (!ev)
		return ERR_NOMEM;
	ev->section_id = c->section_id;
	ev->fence = lock ? lock->fence : (last ? *last : 0) + 1;
	ev->expires_ms = dr->now_ms + ttl * 1000;
	return 0;
}

/* The server itself frees the locks of a connection that is gone; it tells the fence and why. */
int rule_section_unlock(struct decider *dr)
{
	const struct command *c = dr->c;
	const struct lock *lock = lock_held(dr, c->section_id);
	const struct member *m = NULL;
	struct event *ev = NULL;
	int rc = c->force ? decider_needs(dr, ROLE_OWNER) : 0;

	if (rc)
		return rc;
	if (!lock)
		return err_set(dr->e, ERR_NOT_LOCKED, "section %s is not locked", c->section_id);
	rc = c->force ? 0 : fence_check(dr, c->section_id, lock);
	if (rc)
		return rc;
	ev = decider_answer(dr, EVENT_SECTION_UNLOCKED);
	if (!ev)
		return ERR_NOMEM;
	m = session_member(dr->s, lock->user_id);
	decider_about(dr, ev, lock->user_id, m ? m->name : NULL);
	ev->section_id = c->section_id;
	ev->fence = lock->fence;
	ev->reason = c->force ? "forced" : c->reason;
	return 0;
}
