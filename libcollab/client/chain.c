/* The audit chain of a log, as whoever holds the log can check it. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "client/client_int.h"
#include "proto/event_json.h"
#include "proto/json_out.h"
#include "proto/stored.h"

/* A growing list of seqs. */
struct seqs {
	int64_t *v;
	size_t len, cap;
};

struct collab_chain {
	int64_t seq;
	unsigned char hash[SHA256_LEN];
	char hex[SHA256_HEX_LEN + 1];
	char session_id[UUID_LEN + 1]; /* "": not known yet */
	struct seqs erased;            /* records whose text was erased … */
	struct seqs listed;            /* … and those that `erased` events list */
	int64_t base_seq;              /* 0: the log begins with its first event */
	char base_hash[SHA256_HEX_LEN + 1], base_digest[SHA256_HEX_LEN + 1];
	bool base_told; /* a `compacted` event says the same */
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
	free(c->erased.v);
	free(c->listed.v);
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

static int add_seq(struct seqs *s, int64_t seq)
{
	if (s->len == s->cap) {
		size_t cap = s->cap * 2 + 16;
		int64_t *v = realloc(s->v, cap * sizeof *v);

		if (!v)
			return ERR_NOMEM;
		s->v = v;
		s->cap = cap;
	}
	s->v[s->len++] = seq;
	return 0;
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
		rc = collab_digest(state, len, c->base_digest, e);
	if (!rc) {
		move_to(c, seq, hash, session_id);
		c->base_seq = seq;
		memcpy(c->base_hash, c->hex, sizeof c->hex);
	}
	json_decref(j);
	return rc;
}

/* Whether a member of j is this string. */
static bool says(const json_t *j, const char *key, const char *value)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text && strcmp(text, value) == 0;
}

/* The seqs that an `erased` event lists. */
static int take_listed(struct collab_chain *c, const json_t *list)
{
	int rc = 0;

	for (size_t i = 0; i < json_array_size(list) && !rc; i++)
		rc = add_seq(&c->listed, json_integer_value(json_array_get(list, i)));
	return rc;
}

/* What an event says of others, and of itself. */
static int take_notes(struct collab_chain *c, const json_t *j)
{
	int rc = 0;

	if (json_is_true(json_object_get(j, "erased")))
		rc = add_seq(&c->erased, c->seq);
	if (!rc && says(j, "type", "erased"))
		rc = take_listed(c, json_object_get(j, "seqs"));
	if (says(j, "type", "compacted") &&
	    json_integer_value(json_object_get(j, "floor")) == c->base_seq &&
	    says(j, "floor_hash", c->base_hash) && says(j, "state_hash", c->base_digest))
		c->base_told = true;
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
	if (rc) {
		rc = client_err(e, &why);
	} else {
		move_to(c, c->seq + 1, hash, session_id);
		rc = take_notes(c, j);
		rc = rc ? client_fail(e, rc, "out of memory") : 0;
	}
	json_decref(j);
	return rc;
}

static int compare_seqs(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int collab_chain_end(struct collab_chain *c, int64_t *seq, struct collab_err *e)
{
	*seq = c->seq;
	if (c->base_seq && !c->base_told)
		return client_fail(
			e, ERR_CORRUPT,
			"no compacted event tells of the state that the log begins from");
	if (c->listed.len)
		qsort(c->listed.v, c->listed.len, sizeof *c->listed.v, compare_seqs);
	for (size_t i = 0; i < c->erased.len; i++) {
		*seq = c->erased.v[i];
		if (!c->listed.len ||
		    !bsearch(seq, c->listed.v, c->listed.len, sizeof *c->listed.v, compare_seqs))
			return client_fail(e, ERR_CORRUPT,
			                   "its text was erased, but no erased event lists it");
	}
	*seq = c->seq;
	return 0;
}
