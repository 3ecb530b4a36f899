/* What the conf_*.c files share; nobody else includes this. */
#ifndef COLLAB_SERVER_CONF_PARTS_H
#define COLLAB_SERVER_CONF_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "server/conf.h"

/*
 * Where a key is kept: rows of CONF_TABLE first, then limits (CONF_ROWS + index).  -1: no such key,
 * and *e says so with a suggestion.
 */
int conf_find(const char *section, const char *key, struct err *e);

/* Whether a section has this name; if not, *e says so with a suggestion. */
bool conf_section_known(const char *section, struct err *e);

/* Set what conf_find found, from text.  ERR_CONFIG with a sentence, and nothing changed. */
int conf_put(struct conf *c, int at, const char *value, struct err *e);

/* Whether `value` may stand in row `at`, which is STRING or PATH.  0 or ERR_CONFIG. */
int conf_check(enum conf_at at, const char *value, struct err *e);

/* "error", "warning", … to *level; false when it is none of them. */
bool conf_level(const char *name, enum log_level *level);

/* Read configuration from memory; `file` is what errors call it.  As conf_read. */
int conf_parse(struct conf *c, const char *file, const char *bytes, size_t len, struct err *e);

#endif
