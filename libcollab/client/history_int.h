/* Inside libcollab.so: the history of a section, as history.c folds and history_read.c tells it. */
#ifndef COLLAB_CLIENT_HISTORY_INT_H
#define COLLAB_CLIENT_HISTORY_INT_H

#include "base/buf.h"
#include "base/ids.h"
#include "collab.h"
#include "core/op.h"

/* What core/diff.h can compare. */
#define HISTORY_TEXT_MAX (((size_t)1 << 30) - 1)

/* An event that text came by. */
struct origin {
	int64_t seq, time_ms;
	char *user_id, *user_name; /* or NULL */
};

/* Neighbouring code points of one origin. */
struct stretch {
	size_t chars;
	size_t origin; /* in the list */
};

struct stretches {
	struct stretch *v;
	size_t len, cap;
};

struct collab_history {
	char section_id[NAME_LEN_MAX + 1];
	struct buf text;
	size_t chars;
	struct stretches now, next; /* of the text; and what is made of them */
	struct origin *origins;
	size_t origins_len, origins_cap;
	bool marked;
	struct op undo; /* from the text to the marked one */
};

#endif
