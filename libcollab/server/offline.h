/*
 * What collabd does on a store that no daemon has: --fsck and --restore.
 *
 * What was found goes to stdout, one JSON object a line; what a person wants to know, and how far
 * it is once it takes longer than a second, to stderr.
 */
#ifndef COLLAB_SERVER_OFFLINE_H
#define COLLAB_SERVER_OFFLINE_H

#include <stdbool.h>

#include "base/err.h"
#include "server/conf.h"

/* Check, and mend with `repair`.  *left: problems are left. */
int offline_fsck(const struct conf *c, bool repair, bool *left, struct err *e);

/*
 * Put the backup `file` in the store's place once it was checked.  ERR_EXISTS when there is a
 * store, unless `force`: then that is kept beside it.  *left: the backup has problems that cannot
 * be mended, and nothing was changed.
 */
int offline_restore(const struct conf *c, const char *file, bool force, bool *left, struct err *e);

#endif
