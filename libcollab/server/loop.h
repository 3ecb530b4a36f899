/*
 * The daemon: store, keys, hub and sockets on one event loop, from start to drain.
 *
 * SIGTERM and SIGINT drain: nobody new is accepted, everybody is told to go away, what is under way
 * is committed and answered, for at most some seconds; a second one ends it at once.  SIGHUP reads
 * the configuration and keys again; a bad one is logged and changes nothing.
 */
#ifndef COLLAB_SERVER_LOOP_H
#define COLLAB_SERVER_LOOP_H

#include <stdbool.h>

#include "base/err.h"
#include "server/conf.h"

struct loop_options {
	/* Read the configuration into *conf, which is zeroed; called at start and for each SIGHUP.
	 */
	int (*load)(void *arg, struct conf *conf, struct err *e);
	void *load_arg;
	bool log_journal; /* log for the journal, whatever standard error is */
	int ready_fd;     /* where to write what is listened on, once it is; -1: nowhere */
};

/* Serve until told to stop.  0, or the error for which it could not begin; it is in *e. */
int loop_run(const struct loop_options *o, struct err *e);

/* Whether it could begin with this configuration, as far as can be told without beginning. */
int loop_check(const struct loop_options *o, struct err *e);

#endif
