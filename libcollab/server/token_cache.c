/*
 * Tokens that were found good, so that a storm of reconnects costs one hash each.
 *
 * A table without chains: a later token takes the place of an earlier one whose hash begins alike.
 * The keys are the tokens' SHA-256, so nobody can choose whom to displace, and no token is kept.
 */
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "server/auth_parts.h"

enum { SLOTS = 4096 };

struct token_entry {
	unsigned char digest[SHA256_LEN];
	int64_t checked_ms;
	struct identity id;
};

static void entry_free(struct token_entry *entry)
{
	if (!entry)
		return;
	identity_release(&entry->id);
	free(entry);
}

void token_cache_release(struct token_cache *c)
{
	for (int i = 0; c->slots && i < SLOTS; i++)
		entry_free(c->slots[i]);
	free(c->slots);
	*c = (struct token_cache){0};
}

static size_t slot_of(const unsigned char digest[SHA256_LEN])
{
	return ((size_t)digest[0] << 8 | digest[1]) % SLOTS;
}

const struct identity *token_cache_get(struct token_cache *c, const char *token, size_t len,
                                       int64_t now_ms)
{
	unsigned char digest[SHA256_LEN];
	struct token_entry *entry = NULL;

	if (!c->slots)
		return NULL;
	sha256(token, len, digest);
	entry = c->slots[slot_of(digest)];
	if (!entry || memcmp(entry->digest, digest, sizeof digest) != 0)
		return NULL;
	/* Outside these times (a clock may be set back) exp and nbf must be looked at again. */
	if (now_ms < entry->checked_ms || now_ms >= entry->id.expires_ms)
		return NULL;
	return &entry->id;
}

void token_cache_put(struct token_cache *c, const char *token, size_t len, int64_t now_ms,
                     const struct identity *id)
{
	struct token_entry *entry = calloc(1, sizeof *entry);
	size_t slot;

	if (!c->slots)
		c->slots = calloc(SLOTS, sizeof *c->slots);
	if (!c->slots || !entry || identity_copy(id, &entry->id)) {
		entry_free(entry);
		return;
	}
	sha256(token, len, entry->digest);
	entry->checked_ms = now_ms;
	slot = slot_of(entry->digest);
	entry_free(c->slots[slot]);
	c->slots[slot] = entry;
}
