/*
 * Events as bytes, and the audit chain (collab-protocol(7), section AUDIT CHAIN).
 *
 * The stored form of an event is one canonical JSON object, its `hash` included; the same bytes go
 * to disk, to WebSockets (but for `content=full` and watchers, see event_write_view) and to exports.
 *   digest(n) = hex SHA-256 of the canonical object without `hash`
 *   hash(n)   = hex SHA-256 of hash(n-1) in hex (64 zeros for n = 1) followed by digest(n) in hex
 *
 * Keys, in canonical order, where present: base_seq by carried changes comment comment_id conflict_id
 * conflicting_users content (comment_edited) continued_from current_seq event_id expires_at fence
 * hash mentions (comment_edited) overwrote participant proposed_changes reason ref ref_digest
 * report_id conflict_resolution_strategy max_participants session_timeout_minutes session_type
 * resolution resolved_by role section_id seq session_id timestamp total_changes total_comments type
 * user_id user_name version via -- in sorted order.
 *   participant (participant_joined): {role,user_email?,user_id,user_name}
 *   comment (comment_added): {anchor?,comment_id,content,created_at,mentions?,parent_comment_id,
 *                             section_id,user_id,user_name}; parent_comment_id is null for a root;
 *                             comment_added has top-level section_id too
 *   changes: {content?,delta?, other keys…}
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

/* How a reader gets an event that differs from its stored form. */
struct event_view {
	const char *content; /* content=full: the section's text after the event, in place of a delta */
	size_t content_len;
	bool without_email;  /* silent watchers see no e-mail addresses */
};

/* Append ev with hash as a reader of that view sees it. */
void event_write_view(const struct event *ev, const unsigned char hash[SHA256_LEN],
                      const struct event_view *view, struct buf *out);

/* A parsed event: ev's strings are lent by the document until event_doc_release. */
struct event_doc {
	struct event ev;
	unsigned char hash[SHA256_LEN];
	bool erased;         /* "erased":true: digest is what it was before its text was erased */
	unsigned char digest[SHA256_LEN]; /* only when erased */
	json_t *json;        /* owned */
	struct op delta;     /* behind ev.changes.delta */
	json_t *keys;        /* behind ev.changes.keys */
	int64_t *overwrote;  /* behind ev.overwrote */
	const char **mentions, **users;
	json_t *extra;
};

/*
 * Parse a stored event.  0; ERR_CORRUPT (naming the field) when it is no event; ERR_NOMEM.  Unknown
 * keys are kept by nobody and are no error (they count in the digest, see event_verify).
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
