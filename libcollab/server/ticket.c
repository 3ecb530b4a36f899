/* Tickets: a random word that stands for an identity once, for a browser that can send no header.
 */
#include <jose/b64.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "server/auth_parts.h"

struct ticket {
	struct identity id;
	int64_t expires_ms;
};

static void ticket_free(struct ticket *t)
{
	if (!t)
		return;
	identity_release(&t->id);
	free(t);
}

void tickets_release(struct tickets *t)
{
	struct map_entry *entry;
	size_t at = 0;

	while ((entry = map_next(&t->map, &at)))
		ticket_free(entry->value);
	map_release(&t->map);
	*t = (struct tickets){0};
}

/*
 * Tickets are kept under their hash, so that the time a look-up takes tells nothing about the bytes
 * of a ticket.
 */
static void key_of(const char *ticket, char key[SHA256_HEX_LEN + 1])
{
	unsigned char digest[SHA256_LEN];

	sha256(ticket, strlen(ticket), digest);
	sha256_hex(digest, key);
}

/* Drop what has expired: at most once a second, as every ticket is looked at. */
static void purge(struct tickets *t, int64_t now_ms)
{
	struct map_entry *entry;
	size_t at = 0;

	if (now_ms >= t->purged_ms && now_ms - t->purged_ms < 1000)
		return;
	t->purged_ms = now_ms;
	while ((entry = map_next(&t->map, &at))) {
		struct ticket *ticket = entry->value;

		if (now_ms >= ticket->expires_ms)
			ticket_free(map_remove(&t->map, entry->key));
	}
}

int tickets_add(struct tickets *t, const struct identity *id, const unsigned char random[32],
                int64_t now_ms, char out[TICKET_LEN + 1], struct err *e)
{
	char key[SHA256_HEX_LEN + 1];
	struct ticket *ticket = NULL;
	int rc;

	out[0] = '\0';
	purge(t, now_ms);
	if (t->map.len >= TICKETS_MAX)
		return err_set(e, ERR_RATE_LIMITED, "too many tickets are waiting to be used");
	ticket = calloc(1, sizeof *ticket);
	if (!ticket)
		return err_set(e, ERR_NOMEM, NULL);
	ticket->expires_ms = now_ms + TICKET_SECONDS * INT64_C(1000);
	(void)jose_b64_enc_buf(random, 32, out, TICKET_LEN); /* 32 bytes always make 43 */
	out[TICKET_LEN] = '\0';
	key_of(out, key);
	rc = identity_copy(id, &ticket->id);
	if (!rc)
		rc = map_put(&t->map, key, ticket);
	if (rc) {
		ticket_free(ticket);
		out[0] = '\0';
		return err_set(e, rc, NULL);
	}
	return 0;
}

int tickets_use(struct tickets *t, const char *ticket, int64_t now_ms, struct identity *out,
                struct err *e)
{
	char key[SHA256_HEX_LEN + 1];
	struct ticket *found = NULL;
	int rc = 0;

	*out = (struct identity){0};
	if (strnlen(ticket, TICKET_LEN + 1) == TICKET_LEN) {
		key_of(ticket, key);
		found = map_remove(&t->map, key);
	}
	if (!found || now_ms >= found->expires_ms)
		rc = err_set(e, ERR_UNAUTHENTICATED,
		             "the ticket is unknown, was used, or has expired");
	else if (now_ms >= found->id.expires_ms)
		rc = err_set(e, ERR_TOKEN_EXPIRED, NULL);
	if (!rc) {
		*out = found->id; /* its memory changes hands */
		found->id = (struct identity){0};
	}
	ticket_free(found);
	return rc;
}
