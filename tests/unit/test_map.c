/* The map against a list. */
#include "../tap.h"
#include "base/map.h"

/* A map without cleverness, to compare with. */
struct naive {
	struct {
		char key[8];
		void *value;
	} entries[512];
	size_t len;
};

static size_t naive_find(const struct naive *n, const char *key)
{
	size_t i = 0;

	while (i < n->len && strcmp(n->entries[i].key, key) != 0)
		i++;
	return i;
}

static void naive_remove(struct naive *n, size_t i)
{
	n->len--;
	memmove(&n->entries[i], &n->entries[i + 1], (n->len - i) * sizeof n->entries[0]);
}

static bool map_equals(const struct map *m, const struct naive *n)
{
	const struct map_entry *entry = NULL;
	size_t at = 0;
	size_t i = 0;

	while ((entry = map_next(m, &at))) {
		if (i == n->len || strcmp(entry->key, n->entries[i].key) != 0 ||
		    entry->value != n->entries[i].value ||
		    map_get(m, entry->key) != n->entries[i].value)
			return false;
		i++;
	}
	return i == n->len && m->len == n->len;
}

/* Random puts, replacements and removals over `keys` keys agree with the naive list. */
static bool map_property(uint64_t *state, unsigned keys, int steps)
{
	static int values[512];
	static struct naive n;
	struct map m = {0};
	bool same = true;

	n.len = 0;
	for (int step = 0; step < steps && same; step++) {
		uint64_t r = rnd(state);
		char key[8];
		size_t i = 0;
		int *value = &values[r >> 40 & 511];

		(void)snprintf(key, sizeof key, "k%u", (unsigned)(r >> 8) % keys);
		i = naive_find(&n, key);
		if (r % 5 < 3) {
			same = map_put(&m, key, value) == 0;
			if (i == n.len)
				memcpy(n.entries[n.len++].key, key, sizeof key);
			n.entries[i].value = value;
		} else {
			void *want = i < n.len ? n.entries[i].value : NULL;

			same = map_remove(&m, key) == want;
			if (i < n.len)
				naive_remove(&n, i);
		}
		same = same && map_equals(&m, &n) && map_get(&m, "none") == NULL;
	}
	map_release(&m);
	return same && map_get(&m, "k1") == NULL;
}

static void test_map(uint64_t *state)
{
	struct map m = {0};
	struct map_entry *entry = NULL;
	size_t at = 0;
	int value = 0;
	bool ordered = true;

	ok(map_property(state, 5, 2000), "map: few keys, much replaced and removed");
	ok(map_property(state, 500, 4000), "map: many keys");
	for (int i = 0; i < 100; i++) {
		char key[8];

		(void)snprintf(key, sizeof key, "%03d", i);
		ordered = ordered && map_put(&m, key, &value) == 0;
	}
	for (int i = 0; (entry = map_next(&m, &at)); i++) {
		ordered = ordered && atoi(entry->key) == i;
		if (i % 2)
			ordered = ordered && map_remove(&m, entry->key) == &value;
	}
	ok(ordered && m.len == 50, "map: the entry at hand may be removed while iterating");
	ok(map_remove(&m, "001") == NULL && map_get(&m, "002") == &value, "map: every other one");
	map_release(&m);
}

int main(void)
{
	uint64_t state = rnd_seed(3);

	test_map(&state);
	return done();
}
