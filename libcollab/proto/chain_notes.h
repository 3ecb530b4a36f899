/*
 * What the events of a log say of other records: which of them were erased, and from which state
 * the log begins (collab-protocol(7), section AUDIT CHAIN).
 *
 * A record with "erased":true must be listed by an `erased` event, which comes after it.  A log
 * that does not begin with its first event begins from a base, a state; a `compacted` event tells
 * of it, or an `erased` one after it, when text in the base was erased too.
 */
#ifndef COLLAB_PROTO_CHAIN_NOTES_H
#define COLLAB_PROTO_CHAIN_NOTES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"

struct chain_seqs {
	int64_t *v;
	size_t len, cap;
};

/* 0 or ERR_NOMEM. */
int chain_seqs_add(struct chain_seqs *s, int64_t seq);

/*
 * The first of `erased`, from index *at on, that is not among `listed`, which is sorted; *at is
 * then behind it.  0: there is none.
 */
int64_t chain_seqs_unlisted(const struct chain_seqs *erased, struct chain_seqs *listed, size_t *at);

struct chain_notes {
	struct chain_seqs erased; /* records whose text was erased … */
	struct chain_seqs listed; /* … and those that `erased` events list */
	int64_t base_seq;         /* 0: the log begins with its first event */
	char base_hash[SHA256_HEX_LEN + 1], base_digest[SHA256_HEX_LEN + 1];
	bool base_told;
};

void chain_notes_release(struct chain_notes *n); /* a zeroed struct is fine */

/* Before the first event: the base, by its seq, the hash of its last event, its state_hash. */
void chain_notes_base(struct chain_notes *n, int64_t seq, const char *hash, const char *digest);

/* The event at seq, a stored object.  0; ERR_CORRUPT when its list is none; ERR_NOMEM. */
int chain_note(struct chain_notes *n, const json_t *event, int64_t seq, struct err *e);

/* After the last event: ERR_CORRUPT, and in *seq which event is not as it must be (0: the base). */
int chain_notes_end(struct chain_notes *n, int64_t *seq, struct err *e);

#endif
