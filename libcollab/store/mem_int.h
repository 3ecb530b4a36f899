/*
 * Inside the store in memory.
 *
 *	mem.c        opening, the queue and its faults, sessions
 *	mem_write.c  what a request changes, all of it or nothing
 *	mem_read.c   what it only reads
 */
#ifndef COLLAB_STORE_MEM_INT_H
#define COLLAB_STORE_MEM_INT_H

#include "base/map.h"
#include "store/request.h"

struct mem_snapshot {
	int64_t seq;
	char *bytes;
	size_t len;
};

struct mem_session {
	struct store_session row;     /* its summary is owned */
	struct store_record *records; /* the first has seq row.floor + 1 */
	size_t records_cap;
	struct mem_snapshot *snapshots; /* by seq */
	size_t snapshots_len, snapshots_cap;
};

struct mem {
	struct store_base base;
	struct store_ops ops; /* the usual ones, but for append, which can be refused */
	struct store_mem_faults faults;
	void (*wake)(void *arg);
	void *arg;
	struct store_request_list queue;
	struct mem_session **sessions; /* the one with key k is at k - 1 */
	size_t sessions_len, sessions_cap;
	struct map by_id;
	struct store_stats stats;
};

/* The session with this key; the report's active one.  NULL: there is none. */
struct mem_session *mem_session_of(struct mem *m, int64_t key);
struct mem_session *mem_active_of(struct mem *m, const char *report_id);

size_t mem_records_count(const struct mem_session *s);
void mem_session_free(struct mem_session *s); /* NULL is fine */

/* Carry out a request of a kind that changes something, or of one that does not. */
void mem_write(struct mem *m, struct store_request *r);
void mem_read(struct mem *m, struct store_request *r);

#endif
