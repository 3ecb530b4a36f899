/*
 * The verbs of pmr-admin, a file for each that is more than a request.
 *
 * Each runs as tool_verb.run: it gives the exit status.
 */
#ifndef TOOL_ADMIN_H
#define TOOL_ADMIN_H

#include "tool.h"

int admin_check(struct tool *t);
int admin_backup(struct tool *t);
int admin_compact(struct tool *t);
int admin_erase(struct tool *t);

#endif
