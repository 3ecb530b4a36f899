/* Running a command on behalf of the user (pmr-section edit, pmr-lock). */
#ifndef TOOL_CHILD_H
#define TOOL_CHILD_H

#include "tool.h"

/*
 * In the child: run argv[0], found by PATH, with the signals as a command finds them.  Does not
 * return: 127 when it is not there, 126 when it cannot be run.
 */
_Noreturn void child_exec(struct tool *t, const char *const *argv);

/* What waitpid told as an exit status: 128 + n when signal n killed it. */
int child_status(int wait_status);

#endif
