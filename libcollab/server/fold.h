/* A state rebuilt from the store, for a room or for a look at the past. */
#ifndef COLLAB_SERVER_FOLD_H
#define COLLAB_SERVER_FOLD_H

#include "server/hub_int.h"

typedef void fold_fn(void *arg, struct fold *f);

/*
 * Rebuild the state of session `key`: from the newest snapshot with seq <= from_max, up to seq_max
 * (INT64_MAX: the log's end).  `done` is called once, later: then f->rc, f->err and f->session (the
 * callee may move it out: zero it) count; the fold is freed when done returns.
 * fold_cancel: done will not be called.
 */
struct fold {
	struct hub *hub;
	struct fold *prev, *next;
	int64_t key, seq_max;
	int64_t from_seq; /* of the snapshot it began with; 0: none */
	struct session session;
	size_t history_max;
	int rc;
	struct err err;
	fold_fn *done;
	void *arg;
	bool cancelled;
};

struct fold *fold_start(struct hub *h, int64_t key, int64_t from_max, int64_t seq_max,
                        size_t history_max, fold_fn *done, void *arg);
void fold_cancel(struct fold *f);
void fold_free(struct fold *f); /* only once the store calls nobody back any more */

#endif
