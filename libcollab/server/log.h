/* The log: one line on standard error for each thing said, for a terminal or for the journal. */
#ifndef COLLAB_SERVER_LOG_H
#define COLLAB_SERVER_LOG_H

#include <stdbool.h>

#include "server/conf.h"

struct log {
	bool journal; /* begin lines with <N>, the priority, instead of "collabd: level: " */
	enum log_level level; /* what is less important is left out */
};

/* Whether standard error is connected to the journal (systemd.exec(5), JOURNAL_STREAM). */
bool log_to_journal(void);

/*
 * Write a line, without its end.  Control characters are left out: they may come from strangers,
 * and it may be a terminal that shows them.  Whole lines, also from several threads.
 */
void log_line(const struct log *log, enum log_level level, const char *line);
void log_printf(const struct log *log, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
