/* What the files that write a session's state share; nobody else includes it. */
#ifndef COLLAB_PROTO_STATE_INT_H
#define COLLAB_PROTO_STATE_INT_H

#include "base/buf.h"
#include "base/map.h"

/* A time stamp; nothing for 0, which says never. */
void state_put_time(struct buf *out, const char *key, int64_t time_ms);

/* "key":{ or "key":[ */
void state_put_opener(struct buf *out, const char *key, char opener);

/*
 * The entries of a map by their keys, which are ASCII (ids), so that a state looks the same whether
 * it was folded or read.  Gives an array that ends in NULL; NULL when out of memory, which is then
 * the error of out.
 */
struct map_entry **state_sorted(const struct map *m, struct buf *out);

#endif
