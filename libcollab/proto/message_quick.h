/* A message being read without a tree: what the files message_quick*.c share.  Not for others. */
#ifndef COLLAB_PROTO_MESSAGE_QUICK_H
#define COLLAB_PROTO_MESSAGE_QUICK_H

#include "proto/message_read.h"

enum {
	MEMBERS_MAX = 16,
	NESTED_MAX = 5 /* {"data":{"changes":{"delta":[{"d":1}]}}} */
};

enum value_kind {
	VALUE_NULL,
	VALUE_FALSE,
	VALUE_TRUE,
	VALUE_INTEGER,
	VALUE_STRING,
	VALUE_PAIR,    /* an array of two whole numbers */
	VALUE_CHANGES, /* an object of content and delta at most, in q->changes */
	VALUE_DATA     /* the object in q->data */
};

struct value {
	const char *key, *text; /* with a NUL behind them; text of a string only */
	size_t key_len, len;
	int64_t n[2]; /* INTEGER, PAIR */
	enum value_kind kind;
};

struct object {
	struct value members[MEMBERS_MAX];
	int len;
};

/* One message being read.  Functions that return false have met what is not for these files. */
struct quick {
	struct message *m;
	const char *at, *end; /* of the text */
	char *to;             /* where the next string goes, in m->text */
	size_t len;           /* of the whole text */
	struct object top, data;
	struct changes changes;
	bool changes_seen;
};

/*
 * The whole text, from q->at to q->end, into q's objects, changes and m->delta; strings go to
 * q->to, where there is room for as many bytes as the text has, and a NUL.
 */
bool quick_read(struct quick *q);

/* The member of that key, or NULL. */
const struct value *quick_find(const struct object *o, const char *key, size_t len);

#endif
