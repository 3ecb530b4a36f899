/*
 * collabd --fsck and --restore on a terminal: how far it is, and an end by a signal that leaves
 * nothing half-done behind.
 */
#ifndef COLLABD_OFFLINE_H
#define COLLABD_OFFLINE_H

#include "base/err.h"
#include "server/conf.h"

struct offline_work {
	bool repair, force;
	const char *restore; /* the backup; NULL: --fsck */
};

/* As offline_fsck and offline_restore.  Dies of the signal that came before it was done. */
int collabd_offline(const struct conf *c, const struct offline_work *work, bool *left,
                    struct err *e);

#endif
