/* What the events of a log say of other records. */
#include "proto/chain_notes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/stored.h"

void chain_notes_release(struct chain_notes *n)
{
	free(n->erased.v);
	free(n->listed.v);
	*n = (struct chain_notes){0};
}

void chain_notes_base(struct chain_notes *n, int64_t seq, const char *hash, const char *digest)
{
	n->base_seq = seq;
	(void)snprintf(n->base_hash, sizeof n->base_hash, "%s", hash);       /* they fit */
	(void)snprintf(n->base_digest, sizeof n->base_digest, "%s", digest); /* as above */
}

int chain_seqs_add(struct chain_seqs *s, int64_t seq)
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

/* Whether a member of j is this string. */
static bool says(const json_t *j, const char *key, const char *value)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text && strcmp(text, value) == 0;
}

/* The seqs that an `erased` event lists, all of them before it. */
static int take_listed(struct chain_notes *n, const json_t *list, int64_t seq, struct err *e)
{
	int rc = 0;

	if (!json_is_array(list))
		return stored_bad(e, "seqs", "is no array");
	for (size_t i = 0; i < json_array_size(list) && !rc; i++) {
		const json_t *item = json_array_get(list, i);

		if (!json_is_integer(item) || json_integer_value(item) < 1 ||
		    json_integer_value(item) >= seq)
			return stored_bad(e, "seqs", "lists something else than seqs before it");
		rc = chain_seqs_add(&n->listed, json_integer_value(item));
	}
	return rc ? err_set(e, rc, NULL) : 0;
}

int chain_note(struct chain_notes *n, const json_t *event, int64_t seq, struct err *e)
{
	bool erased = says(event, "type", "erased");
	int rc = 0;

	if (json_is_true(json_object_get(event, "erased")) && chain_seqs_add(&n->erased, seq))
		return err_set(e, ERR_NOMEM, NULL);
	if (erased)
		rc = take_listed(n, json_object_get(event, "seqs"), seq, e);
	if (n->base_seq > 0 && (erased || says(event, "type", "compacted")) &&
	    json_integer_value(json_object_get(event, "floor")) == n->base_seq &&
	    says(event, "floor_hash", n->base_hash) && says(event, "state_hash", n->base_digest))
		n->base_told = true;
	return rc;
}

static int compare_seqs(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t chain_seqs_unlisted(const struct chain_seqs *erased, struct chain_seqs *listed, size_t *at)
{
	if (*at == 0 && listed->len)
		qsort(listed->v, listed->len, sizeof *listed->v, compare_seqs);
	while (*at < erased->len) {
		const int64_t *seq = &erased->v[(*at)++];

		if (!listed->len ||
		    !bsearch(seq, listed->v, listed->len, sizeof *listed->v, compare_seqs))
			return *seq;
	}
	return 0;
}

int chain_notes_end(struct chain_notes *n, int64_t *seq, struct err *e)
{
	size_t at = 0;

	*seq = 0;
	if (n->base_seq && !n->base_told)
		return err_set(e, ERR_CORRUPT,
		               "no compacted event tells of the state that the log begins from");
	*seq = chain_seqs_unlisted(&n->erased, &n->listed, &at);
	return *seq ? err_set(e, ERR_CORRUPT, "its text was erased, but no erased event lists it")
	            : 0;
}
