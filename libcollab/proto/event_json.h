/*
 * Events as bytes, and the audit chain (collab-protocol(7), section AUDIT CHAIN).
 *
 * The stored form of an event is one canonical JSON object, its `hash` included; the same bytes go
 * to disk, to WebSockets (but for content=full and watchers, see event_write_view) and to exports.
 *
 *   digest(n) = hex SHA-256 of the canonical object without `hash`
 *   hash(n)   = hex SHA-256 of hash(n-1) in hex (64 zeros for n = 1) followed by digest(n) in hex
 *
 * Top-level keys, in canonical order, where present (most kinds have few of them):
 *
 *   base_seq by carried changes comment comment_id conflict_id conflict_resolution_strategy
 *   conflicting_users content continued_from current_seq event_id expires_at fence hash
 *   max_participants mentions overwrote participant proposed_changes reason ref ref_digest
 *   report_id resolution resolved_by role section_id seq session_id session_timeout_minutes
 *   session_type timestamp total_changes total_comments type user_id user_name version via
 *
 *   changes, proposed_changes: {content?,delta?, other keys…}
 *   comment (comment_added): {anchor?,comment_id,content,created_at,mentions?,
 *     parent_comment_id,section_id,user_id,user_name}; parent_comment_id is null for a root, and
 *     comment_added has top-level section_id too
 *   content, mentions: of comment_edited
 *   participant (participant_joined): {role,user_email?,user_id,user_name}
 *   resolved_by (comment_resolved): the author
 *
 * erased and compacted have the members of `extra` beside these: seqs (erased); floor, floor_hash
 * and state_hash (compacted).  An erased record has "erased":true and the digest that it had, and
 * no event_id.
 */
#ifndef COLLAB_PROTO_EVENT_JSON_H
#define COLLAB_PROTO_EVENT_JSON_H

#include "base/buf.h"
#include "base/sha256.h"
#include "core/event.h"

/*
 * Seal: append the stored form of ev to *out, chained to prev_hash; hash_out gets its hash (may be
 * prev_hash itself).  0 or the buffer's error.
 */
int event_write(const struct event *ev, const unsigned char prev_hash[SHA256_LEN],
                unsigned char hash_out[SHA256_LEN], struct buf *out);

/* A text that may be absent (p NULL). */
struct event_text {
	const char *p;
	size_t len;
};

/* How a reader gets an event that differs from its stored form.  Zeroed: not at all. */
struct event_view {
	/* content=full: the section's text after the event, in place of a delta; or NULL */
	const char *content;
	size_t content_len;
	/* silent watchers see no e-mail addresses */
	bool without_email;
	/* conflict_detected: shown as base_content, current_content and proposed_content */
	struct event_text base, current, proposed;
};

/* Append ev with hash as a reader of that view sees it (NULL: as it is stored). */
void event_write_view(const struct event *ev, const unsigned char hash[SHA256_LEN],
                      const struct event_view *view, struct buf *out);

/* Append the object that `changes` is on the wire: {content?,delta?, other keys…}. */
void changes_write(const struct changes *c, struct buf *out);

/* hash_out (may be prev_hash) = the hash of an event with that digest after one with prev_hash. */
void event_chain(const unsigned char prev_hash[SHA256_LEN], const unsigned char digest[SHA256_LEN],
                 unsigned char hash_out[SHA256_LEN]);

/* A parsed event: ev's strings are lent by the document until event_doc_release. */
struct event_doc {
	struct event ev;
	unsigned char hash[SHA256_LEN];
	/* Its text was erased; digest is what it was before. */
	bool erased;
	unsigned char digest[SHA256_LEN];
	/* the memory behind it */
	json_t *json;
	struct op delta;
	json_t *keys;
	int64_t *overwrote;
	const char **mentions, **users;
	json_t *extra;
};

/*
 * Parse a stored event.  0; ERR_CORRUPT (naming the field) when it is no event; ERR_NOMEM.  Unknown
 * keys are kept by nobody and are no error (they count in the digest, see event_verify); of the
 * kinds erased and compacted they are the extra.  Release the document in every case.
 */
int event_read(const char *bytes, size_t len, struct event_doc *doc, struct err *e);
void event_doc_release(struct event_doc *doc); /* a zeroed struct is fine */

/*
 * Check one stored event against the chain: its hash must follow from prev_hash and its own bytes.
 * The object may be in any key order; it is made canonical first.  *hash_out gets its hash.
 * ERR_CORRUPT with the reason.
 */
int event_verify(const char *bytes, size_t len, const unsigned char prev_hash[SHA256_LEN],
                 unsigned char hash_out[SHA256_LEN], struct err *e);

#endif
