/*
 * Files that are replaced: under its name a file is there whole, synced, or as it was before,
 * whatever ends the process; and nothing half-written lies about when a signal did.
 *
 * One at a time.
 */
#ifndef TOOL_FILE_H
#define TOOL_FILE_H

#include "tool.h"

enum { TOOL_PATH_BYTES = 4096 };

struct tool_file {
	const char *name;           /* lent until it is released */
	char temp[TOOL_PATH_BYTES]; /* where it is written; "": nowhere */
	int fd;                     /* open for reading too; -1: closed */
};

/* Begin, beside `name`, with mode 0600.  Code of "io". */
int tool_file_open(struct tool_file *f, const char *name, struct collab_err *e);

/* Code of "io". */
int tool_file_write(struct tool_file *f, const void *bytes, size_t len, struct collab_err *e);

/* To the disk, and under its name for good.  Code of "io". */
int tool_file_keep(struct tool_file *f, struct collab_err *e);

/* In every case after tool_file_open: what was not kept is gone. */
void tool_file_release(struct tool_file *f);

#endif
