/* The audit chain of a log, as whoever holds the log can check it. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "client/client_int.h"
#include "proto/chain_notes.h"
#include "proto/event_json.h"
#include "proto/json_out.h"
#include "proto/stored.h"

struct collab_chain {
	int64_t seq;
	unsigned char hash[SHA256_LEN];
	char hex[SHA256_HEX_LEN + 1];
	char session_id[UUID_LEN + 1]; /* "": not known yet */
	struct chain_notes notes;
};

int collab_digest(const char *json, size_t len, char digest[65], struct collab_err *e)
{
	unsigned char bytes[SHA256_LEN];
	struct buf canonical = {0};
	json_error_t why = {0};
	json_t *value = json_loadb(json, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
	int rc = 0;

	if (!value)
		return client_fail(e, ERR_BAD_JSON, "not JSON: %s", why.text);
	buf_init(&canonical, SIZE_MAX / 4);
	json_put_value(&canonical, value);
	rc = buf_error(&canonical);
	if (!rc) {
		sha256(canonical.p, canonical.len, bytes);
		sha256_hex(bytes, digest);
	}
	buf_release(&canonical);
	json_decref(value);
	return rc ? client_fail(e, rc, "out of memory") : 0;
}

int collab_chain_new(struct collab_chain **out, struct collab_err *e)
{
	*out = calloc(1, sizeof **out);
	if (!*out)
		return client_fail(e, ERR_NOMEM, "out of memory");
	sha256_hex((*out)->hash, (*out)->hex);
	return 0;
}

void collab_chain_free(struct collab_chain *c)
{
	if (!c)
		return;
	chain_notes_release(&c->notes);
	free(c);
}

int64_t collab_chain_seq(const struct collab_chain *c)
{
	return c->seq;
}

const char *collab_chain_hash(const struct collab_chain *c)
{
	return c->hex;
}

static void move_to(struct collab_chain *c, int64_t seq, const unsigned char hash[SHA256_LEN],
                    const char *session_id)
{
	c->seq = seq;
	memcpy(c->hash, hash, SHA256_LEN);
	sha256_hex(hash, c->hex);
	memcpy(c->session_id, session_id, sizeof c->session_id);
}

int collab_chain_base(struct collab_chain *c, const char *state, size_t len, struct collab_err *e)
{
	struct err why = {0};
	unsigned char hash[SHA256_LEN];
	char digest[SHA256_HEX_LEN + 1];
	const char *hex = NULL, *session_id = NULL;
	int64_t seq = 0;
	json_t *j = NULL;
	int rc = stored_load(state, len, &j, &why);

	if (!rc)
		rc = stored_integer(j, "seq", "seq", 1, &seq, &why);
	if (!rc)
		rc = stored_string(j, "session_id", "session_id", false, uuid_valid, &session_id,
		                   &why);
	if (!rc)
		rc = stored_string(j, "hash", "hash", false, stored_any, &hex, &why);
	if (!rc && (seq < 1 || sha256_unhex(hex, hash)))
		rc = stored_bad(&why, "seq", "and hash say nowhere to begin");
	if (rc)
		rc = client_err(e, &why);
	else
		rc = collab_digest(state, len, digest, e);
	if (!rc) {
		move_to(c, seq, hash, session_id);
		chain_notes_base(&c->notes, seq, c->hex, digest);
	}
	json_decref(j);
	return rc;
}

/* That it is the next event of this session, by what it says. */
static int check_place(const struct collab_chain *c, const json_t *j, const char **session_id,
                       struct err *e)
{
	int64_t seq = 0;
	int rc = stored_integer(j, "seq", "seq", 1, &seq, e);

	if (!rc)
		rc = stored_string(j, "session_id", "session_id", false, uuid_valid, session_id, e);
	if (rc)
		return rc;
	if (seq == 0)
		return stored_bad(e, "seq", "is missing");
	if (seq != c->seq + 1)
		return err_field(e, ERR_CORRUPT, "seq", "seq %lld stands where seq %lld belongs",
		                 (long long)seq, (long long)c->seq + 1);
	if (c->session_id[0] && strcmp(c->session_id, *session_id) != 0)
		return err_field(e, ERR_CORRUPT, "session_id", "it belongs to session %s",
		                 *session_id);
	return 0;
}

int collab_chain_event(struct collab_chain *c, const char *json, size_t len, struct collab_err *e)
{
	unsigned char hash[SHA256_LEN];
	const char *session_id = NULL;
	struct err why = {0};
	json_t *j = NULL;
	int rc = stored_load(json, len, &j, &why);

	if (!rc)
		rc = check_place(c, j, &session_id, &why);
	if (!rc)
		rc = event_verify(json, len, c->hash, hash, &why);
	if (!rc)
		rc = chain_note(&c->notes, j, c->seq + 1, &why);
	if (rc)
		rc = client_err(e, &why);
	else
		move_to(c, c->seq + 1, hash, session_id);
	json_decref(j);
	return rc;
}

int collab_chain_end(struct collab_chain *c, int64_t *seq, struct collab_err *e)
{
	struct err why = {0};
	int rc = chain_notes_end(&c->notes, seq, &why);

	if (rc == 0 || *seq == 0)
		*seq = c->seq;
	return rc ? client_err(e, &why) : 0;
}
