/* Time stamps: RFC 3339, UTC, milliseconds, "2024-01-15T10:30:00.000Z". */
#ifndef COLLAB_BASE_RFC3339_H
#define COLLAB_BASE_RFC3339_H

#include <stdint.h>

enum { RFC3339_LEN = 24 };

/* Milliseconds since 1970 (years 0 to 9999) to text and a NUL. */
void rfc3339_format(int64_t time_ms, char out[RFC3339_LEN + 1]);

/*
 * Text to milliseconds since 1970 in *time_ms.  Takes any RFC 3339 date-time (offset, any number
 * of fraction digits, cut to milliseconds; a leap second counts as the second after).  0, or -1
 * when it is none.
 */
int rfc3339_parse(const char *text, int64_t *time_ms);

#endif
