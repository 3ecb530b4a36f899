/* What leads to a directory. */
#ifndef COLLAB_SERVER_PARENTS_H
#define COLLAB_SERVER_PARENTS_H

#include "base/err.h"

/*
 * Make the directories that lead to `path`, not itself, where they are missing: a new user has no
 * ~/.local/state (XDG Base Directory: mode 0700).  What is made is made to last.  ERR_CONFIG,
 * ERR_NOMEM.
 */
int parents_make(const char *path, struct err *e);

#endif
