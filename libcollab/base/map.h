/*
 * A hash map from strings to pointers that remembers the order of insertion.
 *
 * The map copies its keys.  It never owns its values.  Iteration is by index, 0 <= i < map.len, in
 * order of insertion (removal keeps the order of the rest), so that what is printed is the same on
 * every machine.  Not safe for use from two threads.
 */
#ifndef COLLAB_BASE_MAP_H
#define COLLAB_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_entry {
	char *key; /* NULL: a removed entry, skipped by map_next */
	void *value;
	uint32_t hash;
};

struct map {
	struct map_entry *entries; /* in order of insertion, with holes */
	uint32_t *slots;           /* entry index + 1, or 0 */
	size_t len;                /* live entries */
	size_t used;               /* entries with holes */
	size_t cap;                /* entries allocated */
	size_t slots_len;          /* a power of two */
};

/* A zeroed struct is an empty map.  Frees keys and tables, not values. */
void map_release(struct map *m);

/* The value of key, or NULL. */
void *map_get(const struct map *m, const char *key);

/* Set key to value (not NULL).  0 or ERR_NOMEM, and then nothing changed. */
int map_put(struct map *m, const char *key, void *value);

/* Remove key; gives back its value, or NULL when there was none. */
void *map_remove(struct map *m, const char *key);

/*
 * Iterate: size_t at = 0; while ((e = map_next(m, &at))) …  Lends the entry until the map changes;
 * removing the entry just returned is allowed while iterating.
 */
struct map_entry *map_next(const struct map *m, size_t *at);

#endif
