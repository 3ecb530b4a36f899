/* Inside the check: one session's log.  Only fsck*.c include this. */
#ifndef COLLAB_SERVER_FSCK_WALK_H
#define COLLAB_SERVER_FSCK_WALK_H

#include "server/fsck.h"

/* Something is not as it must be: count it and tell it. */
void fsck_tell(struct fsck *f, enum fsck_kind kind, const struct store_session *row, int64_t seq,
               bool mendable, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* Fold the log of a session, and compare what is kept beside it; mend that, if asked to. */
int fsck_walk(struct fsck *f, const struct store_session *row, struct err *e);

#endif
