/* Reading the members of a message: what the files message*.c share.  Not for others. */
#ifndef COLLAB_PROTO_MESSAGE_READ_H
#define COLLAB_PROTO_MESSAGE_READ_H

#include <jansson.h>

#include "base/err.h"
#include "proto/message.h"
#include "proto/message_fields.h"

enum { PLACES_MAX = 3, FIELD_NAME_MAX = sizeof((struct err *)0)->field };

/* One message being read. */
struct reader {
	struct message *m;
	const struct limits *limits;
	struct err *e;
	const json_t *places[PLACES_MAX]; /* where a field is looked up, in this order */
	int places_len;
	bool event; /* fed back: what counts in its own session's seqs means nothing in this one */
	size_t len; /* of the whole text: nothing in it can be longer */
};

/*
 * The JSON object that bytes[0..len) are, checked as far as any message is: at most frame_bytes
 * long, strict UTF-8, nested at most json_depth, no key twice, no U+0000, nothing behind it.  Gives
 * *out.  ERR_TOO_LARGE, ERR_BAD_UTF8, ERR_BAD_JSON, ERR_NOMEM.
 */
int message_load(const char *bytes, size_t len, const struct limits *limits, json_t **out,
                 struct err *e);

/*
 * A message without a tree: true, and *m (zeroed before) has its command and ref, as
 * message_parse_tree() would have them, but for the ref's digest.  false, and *m is zeroed: it is
 * wrong, or rare.
 */
bool message_quick(const char *bytes, size_t len, const struct limits *limits, struct message *m);

/* message_parse(), always by a tree: what is right, and what is said of what is wrong. */
int message_parse_tree(const char *bytes, size_t len, const struct limits *limits,
                       struct message *m, struct err *e);

/* The first member of that name in the reader's places, or NULL. */
const json_t *reader_find(const struct reader *r, const char *name);

/* Set the command's member from the value of a field (not NULL, not null).  0, ERR_* with e. */
int field_read(struct reader *r, const struct field *f, const json_t *v);

/* All fields of the command's kind, and what they must be together. */
int fields_read(struct reader *r);

/* The text of a section, or a value in its place, which errors call `name`. */
int content_read(struct reader *r, const char *name, const json_t *v);

/*
 * `changes` of a section, which errors call `name`.  Without delta_allowed there is no text yet
 * that a delta could edit.
 */
int changes_read(struct reader *r, const char *name, const json_t *v, bool delta_allowed);

/* Whether v is a number with an integral value that JSON tells exactly; if so, it is *n. */
bool integer_of(const json_t *v, int64_t *n);

/* Copy a ref of 1 to REF_CHARS_MAX code points to `out`; ERR_BAD_UTF8, or ERR_BAD_FIELD "ref". */
int ref_read(const char *ref, size_t len, char out[REF_CHARS_MAX * 4 + 1], struct err *e);

/* Put `prefix` in front of the field that e names, if it names one.  e may be NULL. */
void err_field_prefix(struct err *e, const char *prefix);

/* Append a named value to what a digest is made of; no two lists of them are the same text. */
void digest_put(struct buf *b, const char *name, const void *bytes, size_t len);
void digest_put_int(struct buf *b, const char *name, int64_t n);

/* The digest of b: the first 16 hex digits of its SHA-256.  0 or the error of b. */
int digest_finish(const struct buf *b, char out[17]);

#endif
