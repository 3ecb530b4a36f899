/*
 * Reading members of stored JSON: records of the log and snapshots.
 *
 * What is stored was written by this program or imported, so a member that is not what it must be
 * is ERR_CORRUPT, with `field` (the full name, "comment.content") in *e.  Strings are lent by the
 * JSON.
 */
#ifndef COLLAB_PROTO_STORED_H
#define COLLAB_PROTO_STORED_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Parse an object into *out (NULL unless 0 is returned).  ERR_CORRUPT, ERR_NOMEM. */
int stored_load(const char *bytes, size_t len, json_t **out, struct err *e);

/* Set *e to "FIELD WHY" and return ERR_CORRUPT. */
int stored_bad(struct err *e, const char *field, const char *why);

/* Of the predicates for strings: any string at all. */
bool stored_any(const char *s);

/*
 * The string member `name` of j, for which `valid` holds, in *out.  Absent: ERR_CORRUPT, or when it
 * is `optional` *out is NULL.
 */
int stored_string(const json_t *j, const char *name, const char *field, bool optional,
                  bool (*valid)(const char *s), const char **out, struct err *e);

/* An integer member, at least min, in *out.  Absent: *out stays as it is. */
int stored_integer(const json_t *j, const char *name, const char *field, int64_t min, int64_t *out,
                   struct err *e);

/* A time stamp in milliseconds.  Absent: *out stays as it is. */
int stored_time(const json_t *j, const char *name, const char *field, int64_t *out, struct err *e);

/*
 * An array of strings.  *owned is its memory, which the caller frees, also after a failure; not
 * NULL even when the array is empty.  Absent: both stay as they are.
 */
int stored_strings(const json_t *j, const char *name, const char *field, const char ***owned,
                   size_t *len, struct err *e);

/*
 * A string member that `parse` knows (it gives -1 for others), as that number in *out.  Absent:
 * *out stays as it is.
 */
int stored_name(const json_t *j, const char *name, const char *field, int (*parse)(const char *),
                int *out, struct err *e);

/* role_parse in the form that stored_name takes. */
int stored_role(const char *name);

#endif
