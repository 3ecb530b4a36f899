/*
 * A backup while the daemon runs: a copy is made, checked, and handed out piece by piece.
 *
 * All of it happens on a thread of its own, so that neither commits nor reads nor the loop wait for
 * it.  The copy lies in the data directory, which is the daemon's alone, and has no name any more
 * once it was checked: nobody outside ever names a path, and a daemon that dies leaves nothing
 * behind but perhaps half a copy, which the next one removes.
 *
 * One at a time.  A copy that nobody has asked for in a minute is thrown away.
 */
#ifndef COLLAB_SERVER_BACKUP_H
#define COLLAB_SERVER_BACKUP_H

#include "base/buf.h"
#include "store/store.h"

struct backup;

enum { BACKUP_PIECE = 4 << 20 }; /* bytes of a piece, but for the last */

/* X(NAME, name) */
#define BACKUP_PHASES(X)                                                                           \
	X(NONE, "none")                                                                            \
	X(COPYING, "copying") X(CHECKING, "checking") X(READY, "ready") X(FAILED, "failed")

enum backup_phase {
#define X(name, text) BACKUP_##name,
	BACKUP_PHASES(X)
#undef X
};

const char *backup_phase_name(enum backup_phase phase);

struct backup_status {
	enum backup_phase phase;
	int64_t done, total;             /* of this phase: pages, or events */
	int64_t bytes, sessions, events; /* READY */
	char sha256[65];                 /* READY */
	struct err err;                  /* FAILED */
};

/*
 * Lends `store`.  `wake` is called from any thread when backup_poll has work.  ERR_NOMEM.
 */
int backup_new(struct backup **out, struct store *store, const char *dir, void (*wake)(void *arg),
               void *arg, struct err *e);
void backup_free(struct backup *b); /* before the store; calls nobody back; NULL is fine */

/*
 * Begin one under this id, perhaps while the thread is still leaving one that was ended.
 * ERR_RATE_LIMITED: another is under way or not fetched yet.
 */
int backup_start(struct backup *b, const char id[UUID_LEN + 1], int64_t now_ms, struct err *e);

/* How it is with this one.  ERR_NOT_FOUND: there is none of this id. */
int backup_status(struct backup *b, const char *id, struct backup_status *out, struct err *e);

/*
 * The piece that begins at offset, to fn from backup_poll: rc and *e, or the bytes, lent.  0: fn
 * will be called once.  ERR_NOT_FOUND, ERR_NOMEM: it will not.
 */
typedef void backup_fn(void *arg, int rc, const struct err *e, const char *bytes, size_t len);
int backup_read(struct backup *b, const char *id, int64_t offset, backup_fn *fn, void *arg,
                struct err *e);

/* It was fetched, or is not wanted any more.  ERR_NOT_FOUND. */
int backup_end(struct backup *b, const char *id, struct err *e);

/* Call the callbacks of what was read. */
void backup_poll(struct backup *b);

#endif
