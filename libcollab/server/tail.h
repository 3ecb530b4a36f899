/* Stretches of a log as they go out: events as ready-made frames, consecutive in shared memory. */
#ifndef COLLAB_SERVER_TAIL_H
#define COLLAB_SERVER_TAIL_H

#include "base/ids.h"
#include "base/sha256.h"

/* A frame, or a run of them, in memory shared by slots. */
struct block {
	int refs; /* slots in it, and one while it is being filled */
	size_t len, cap;
	char bytes[];
};

enum { FRAME_STORED, FRAME_FULL, FRAME_NO_EMAIL, FRAMES };

struct frame {
	struct block *block; /* NULL: there is no such form, the stored one serves */
	uint32_t at, len;    /* the WebSocket frame in it */
	uint32_t head;       /* bytes of its header; the JSON follows */
};

/* One event, ready for the wire. */
struct slot {
	int64_t seq, time_ms;
	int64_t sealed_us; /* mono; 0: read from the store */
	struct frame frames[FRAMES];
	unsigned char hash[SHA256_LEN];
	uint64_t origin;                  /* connection that gets an ack in its place; 0: none */
	uint64_t user_hash, section_hash; /* hash64 of the ids, 0: none; for filters */
	int kind;                         /* -1: not looked at yet (read from the store) */
	bool has_delta, has_email; /* may be true without need for what was read from the store */
};

/* Consecutive slots. */
struct slots {
	struct slot *v;
	size_t at, len, cap; /* v[at … len) are live */
	size_t bytes;
};

/* A stretch of the log read from the store for who is behind the tail. */
struct chunk {
	struct slots slots;
	int64_t after, last; /* holds (after, last] */
	int64_t used_ms;
};

/* Append to `slots` a slot for an event, with its frame; what is in it the caller knows and says.
 */
int slots_push_event(struct slots *s, struct block **block, int64_t seq, int64_t time_ms,
                     const char *bytes, size_t len);

/* The same for a stored record; it is only looked for what it may hold, see slot_look. */
int slots_push_record(struct slots *s, struct block **block, int64_t seq, int64_t time_ms,
                      const char *bytes, size_t len);
int slot_frame(struct slots *s, struct slot *slot, int form, const char *json, size_t len,
               struct block **block); /* one more form of the event */
void slots_release(struct slots *s);
void slots_drop(struct slots *s); /* the oldest */
void block_unref(struct block *b);

/* A frame of JSON in a block of its own (a run of one).  NULL: out of memory. */
struct block *block_of_json(const char *json, size_t len, size_t *head);

/* Fill in kind and hashes of a slot read from the store, and its hash.  0 or ERR_*. */
int slot_look(struct slot *s);

#endif
