/* What the files of the hub need of a room beyond hub_int.h. */
#ifndef COLLAB_SERVER_ROOM_H
#define COLLAB_SERVER_ROOM_H

#include "server/hub_int.h"

enum { ROOM_SNAPSHOT_MS = 2000 }; /* the least time between two snapshots */

/* Fold the state from the store (again); what waits for the room runs when it is there. */
void room_load(struct room *room);

/* Give the store what was sealed in a burst.  0, or the error: the room is thrown away then.
 */
int room_store(struct room *room);

/* The store's answer to an append; `arg` is the room. */
void room_appended(void *arg, const struct store_reply *reply);

/* Events above seq did not reach the disk: all that was decided since is void. */
void room_appends_lost(struct room *room, const struct err *why, int64_t seq);

/*
 * The log is being rewritten: nothing is decided, nothing kept, until room_reload.  All that was
 * decided is committed.
 */
void room_stand_still(struct room *room);

/* The log was rewritten, or could not be: forget all that is in memory and load it again. */
void room_reload(struct room *room);

/* The next hub_tick looks at this room. */
void room_poke(struct room *room);

/* Keep the head as a snapshot, with the directory's summary and due time, if it is not one already.
 */
void room_snapshot(struct room *room, int64_t now);

/* A command of the server itself (online, offline, expire); what it changes is appended. */
void room_system(struct room *room, const struct command *c);

/* The head says that the session has ended: connections close behind that event. */
void room_ended(struct room *room);

/* The history of a section from base_seq on is being rebuilt; whoever waits is asked again. */
int history_want(struct room *room, const char *section_id, int64_t base_seq, struct sender sender);
void history_cancel(struct room *room);
void history_forget(struct room *room, const struct conn *c, const struct exchange *x);

/* The lock is held by a live connection again: its loss is forgotten. */
void lost_lock_adopt(struct room *room, const char *section_id, int64_t fence);

/* The room was loaded again: the connection goes on from what it was sent. */
void conn_resync(struct conn *c);

#endif
