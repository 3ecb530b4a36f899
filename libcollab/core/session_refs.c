/*
 * The refs of users: a ring of the newest per user, and a hash table of places in the ring.
 *
 * The table is open-addressed with linear probing and holds no keys of its own.  When the oldest
 * ref goes, those behind it in its probe sequence move up (Knuth, The Art of Computer Programming,
 * volume 3, algorithm 6.4 R), so that searches end at an empty slot and nothing is ever rebuilt but
 * when the ring grows.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/session_int.h"

enum { RING_CAP_MIN = 8 };

static uint32_t ref_hash(const char *ref)
{
	return (uint32_t)hash64(0, ref, strlen(ref));
}

/* The slot of `ref`, or the empty slot where its search ends.  The table is never full. */
static size_t slot_of(const struct refs *r, const char *ref, uint32_t hash)
{
	size_t mask = r->index_len - 1;
	size_t i = hash & mask;

	for (; r->index[i]; i = (i + 1) & mask) {
		const struct ref *at = &r->ring[r->index[i] - 1];

		if (at->hash == hash && strcmp(at->ref, ref) == 0)
			break;
	}
	return i;
}

/* The slot of a ref that is in the ring: its text, long out of the caches, is not looked at. */
static size_t slot_of_place(const struct refs *r, size_t place)
{
	size_t mask = r->index_len - 1;
	size_t i = r->ring[place].hash & mask;

	while (r->index[i] != place + 1)
		i = (i + 1) & mask;
	return i;
}

/* Empty slot i; whoever probed past it moves up. */
static void slot_clear(struct refs *r, size_t i)
{
	size_t mask = r->index_len - 1;

	for (size_t j = (i + 1) & mask; r->index[j]; j = (j + 1) & mask) {
		size_t home = r->ring[r->index[j] - 1].hash & mask;

		/* An entry whose home lies cyclically in (i, j] is found without passing i. */
		if (((j - home) & mask) < ((j - i) & mask))
			continue;
		r->index[i] = r->index[j];
		i = j;
	}
	r->index[i] = 0;
}

/* Double the ring, at most to cap_max; it begins at 0 then. */
static int grow(struct refs *r, size_t cap_max)
{
	size_t cap = r->cap ? r->cap * 2 : RING_CAP_MIN;
	size_t index_len = RING_CAP_MIN * 2;
	struct ref *ring = NULL;
	uint32_t *index = NULL;

	if (cap > cap_max)
		cap = cap_max;
	while (index_len < cap * 2)
		index_len *= 2;
	ring = malloc(cap * sizeof *ring);
	index = calloc(index_len, sizeof *index);
	if (!ring || !index) {
		free(ring);
		free(index);
		return ERR_NOMEM;
	}
	for (size_t i = 0; i < r->len; i++)
		ring[i] = r->ring[(r->first + i) % r->cap];
	free(r->ring);
	free(r->index);
	r->ring = ring;
	r->index = index;
	r->first = 0;
	r->cap = cap;
	r->index_len = index_len;
	for (size_t i = 0; i < r->len; i++)
		r->index[slot_of(r, ring[i].ref, ring[i].hash)] = (uint32_t)i + 1;
	return 0;
}

static void drop_oldest(struct refs *r)
{
	struct ref *oldest = &r->ring[r->first];

	slot_clear(r, slot_of_place(r, r->first));
	free(oldest->ref);
	r->first = (r->first + 1) % r->cap;
	r->len--;
}

void refs_free(struct refs *r)
{
	if (!r)
		return;
	while (r->len)
		drop_oldest(r);
	free(r->ring);
	free(r->index);
	free(r->user_id);
	free(r);
}

/* The refs of a user, made if there are none. */
static struct refs *refs_of(struct session *s, const char *user_id)
{
	struct refs *r = map_get(&s->refs, user_id);

	if (r)
		return r;
	r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	if (session_set_string(&r->user_id, user_id) || map_put(&s->refs, user_id, r)) {
		refs_free(r);
		return NULL;
	}
	return r;
}

int session_remember_ref(struct session *s, const char *user_id, const char *ref, int64_t seq,
                         const char *digest)
{
	struct refs *r = refs_of(s, user_id);
	struct ref *at = NULL;
	struct ref new_ref = {.seq = seq, .hash = ref_hash(ref)};
	size_t digest_len = digest ? strlen(digest) : 0;

	assert(s->refs_max > 0);
	if (!r)
		return ERR_NOMEM;
	if (r->len && r->index[slot_of(r, ref, new_ref.hash)])
		return 0;
	if (digest_len >= sizeof new_ref.digest)
		return ERR_CORRUPT;
	if (digest_len)
		memcpy(new_ref.digest, digest, digest_len);
	if (r->len == r->cap && r->cap < s->refs_max && grow(r, s->refs_max))
		return ERR_NOMEM;
	if (session_set_string(&new_ref.ref, ref))
		return ERR_NOMEM;
	if (r->len == r->cap)
		drop_oldest(r);
	at = &r->ring[(r->first + r->len) % r->cap];
	*at = new_ref;
	r->index[slot_of(r, ref, new_ref.hash)] = (uint32_t)(at - r->ring) + 1;
	r->len++;
	return 0;
}

const struct ref *session_ref(const struct session *s, const char *user_id, const char *ref)
{
	const struct refs *r = map_get(&s->refs, user_id);
	uint32_t place = r && r->len ? r->index[slot_of(r, ref, ref_hash(ref))] : 0;

	return place ? &r->ring[place - 1] : NULL;
}
