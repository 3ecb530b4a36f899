/*
 * What collabd does on a store that no daemon has: --fsck and --restore.
 *
 * What was found goes to stdout, one JSON object a line; what a person wants to know to stderr.
 */
#ifndef COLLAB_SERVER_OFFLINE_H
#define COLLAB_SERVER_OFFLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "server/conf.h"

/*
 * How far it is: so many of `total` are done of `what` ("events checked").  what NULL: something
 * else is said on stderr now.  false: give up, which is ERR_STORE_UNAVAILABLE.
 */
typedef bool offline_progress_fn(void *arg, const char *what, int64_t done, int64_t total);

/* Check, and mend with `repair`.  *left: problems are left. */
int offline_fsck(const struct conf *c, bool repair, offline_progress_fn *progress, void *arg,
                 bool *left, struct err *e);

/*
 * Put the backup `file` in the store's place once it was checked.  ERR_EXISTS when there is a
 * store, unless `force`: then that is kept beside it.  *left: the backup has problems that cannot
 * be mended, and nothing was changed.
 */
int offline_restore(const struct conf *c, const char *file, bool force,
                    offline_progress_fn *progress, void *arg, bool *left, struct err *e);

#endif
