/* An insertion-ordered hash map: a dense array of entries and an index of open addressing. */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static uint32_t hash_of(const char *key)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 16777619u;
	return h ^ h >> 15;
}

void map_release(struct map *m)
{
	for (size_t i = 0; i < m->used; i++)
		free(m->entries[i].key);
	free(m->entries);
	free(m->slots);
	*m = (struct map){0};
}

/* The slot that holds key, or the empty slot where its search ends. */
static size_t slot_of(const struct map *m, const char *key, uint32_t h)
{
	size_t mask = m->slots_len - 1, i = h & mask;

	for (; m->slots[i]; i = (i + 1) & mask) {
		const struct map_entry *e = &m->entries[m->slots[i] - 1];

		if (e->key && e->hash == h && strcmp(e->key, key) == 0)
			break;
	}
	return i;
}

void *map_get(const struct map *m, const char *key)
{
	size_t i;

	if (m->len == 0)
		return NULL;
	i = slot_of(m, key, hash_of(key));
	return m->slots[i] ? m->entries[m->slots[i] - 1].value : NULL;
}

/* Room for one more entry: drop the holes, grow both tables, index again. */
static int grow(struct map *m)
{
	size_t cap = m->len * 2 < 8 ? 8 : m->len * 2, slots_len = 16, n = 0;
	struct map_entry *entries = NULL;
	uint32_t *slots = NULL;

	while (slots_len < cap * 2)
		slots_len *= 2;
	entries = malloc(cap * sizeof *entries);
	slots = calloc(slots_len, sizeof *slots);
	if (!entries || !slots) {
		free(entries);
		free(slots);
		return ERR_NOMEM;
	}
	for (size_t i = 0; i < m->used; i++)
		if (m->entries[i].key)
			entries[n++] = m->entries[i];
	free(m->entries);
	free(m->slots);
	m->entries = entries;
	m->slots = slots;
	m->used = n;
	m->cap = cap;
	m->slots_len = slots_len;
	for (size_t i = 0; i < n; i++)
		m->slots[slot_of(m, entries[i].key, entries[i].hash)] = (uint32_t)i + 1;
	return 0;
}

int map_put(struct map *m, const char *key, void *value)
{
	uint32_t h = hash_of(key);
	size_t i;
	char *copy;

	if (m->slots_len) {
		i = slot_of(m, key, h);
		if (m->slots[i]) {
			m->entries[m->slots[i] - 1].value = value;
			return 0;
		}
	}
	if (m->used == m->cap && grow(m))
		return ERR_NOMEM;
	copy = strdup(key);
	if (!copy)
		return ERR_NOMEM;
	i = slot_of(m, key, h);
	m->entries[m->used] = (struct map_entry){copy, value, h};
	m->slots[i] = (uint32_t)++m->used;
	m->len++;
	return 0;
}

void *map_remove(struct map *m, const char *key)
{
	struct map_entry *e = NULL;
	void *value = NULL;
	size_t i;

	if (m->len == 0)
		return NULL;
	i = slot_of(m, key, hash_of(key));
	if (!m->slots[i])
		return NULL;
	/* The slot stays as a tombstone (its entry has no key) until the next growth. */
	e = &m->entries[m->slots[i] - 1];
	value = e->value;
	free(e->key);
	e->key = NULL;
	e->value = NULL;
	m->len--;
	return value;
}

struct map_entry *map_next(const struct map *m, size_t *at)
{
	while (*at < m->used) {
		struct map_entry *e = &m->entries[(*at)++];

		if (e->key)
			return e;
	}
	return NULL;
}
