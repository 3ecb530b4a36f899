/*
 * Inside the hub.  Only the files of the hub include this and
 *
 *	tail.h      events as ready-made frames
 *	fold.h      states rebuilt from the store
 *	room.h      what few need of a room
 *	conn.h      connections
 *	exchange.h  requests, and what their routes share
 *
 * Who owns what: the hub owns users and, through its maps, rooms; a room owns its state, its tail
 * of ready-made frames, its people and the connections in it; an exchange is owned by whoever it
 * waits for, and every wait has one continuation (x->then).  Store callbacks carry a room, a fold
 * or an exchange; none of them is freed while a callback is outstanding (their `pending`).
 */
#ifndef COLLAB_SERVER_HUB_INT_H
#define COLLAB_SERVER_HUB_INT_H

#include "base/rfc3339.h"
#include "core/decide.h"
#include "core/session.h"
#include "proto/state_json.h"
#include "server/hub.h"
#include "server/metrics.h"
#include "server/tail.h"

struct room;
struct fold;

/* ---- hub --------------------------------------------------------------------------------------
 */

/* A token bucket: `level` tokens at `at_ms`, refilled by the caller's rate. */
struct bucket {
	double level;
	int64_t at_ms; /* 0: never used, full */
};

/* What is counted per user over all sessions. */
struct user {
	char *user_id;
	int conns;
	struct bucket requests, starts;
	int64_t lane_tag; /* of the next large answer */
};

/* Memory that was lent to a transport with a gather: freed when the hub is entered again. */
struct trash {
	struct trash *next;
};

/* How things were lately; recent.c. */
struct recent {
	int64_t at_ms; /* mono: when this was taken; 0: never */
	int64_t loop_lag_us;
	int64_t commit_us[STORE_BUCKETS], commit_us_older[STORE_BUCKETS];
};

/* States that connections behind the tail may have of their own, over all sessions. */
enum { FULL_STATES_MAX = 8 };

/* What one pull took, for the times that are measured. */
struct pulled {
	int64_t now_us;    /* 0: not asked yet */
	int64_t oldest_us; /* when the first live event of it was sealed */
	int64_t live;      /* events that came from the tail */
};

struct hub {
	struct store *store;
	struct auth *auth;
	const struct conf *conf;
	const struct limits *limits; /* conf's */
	struct hub_env env;
	struct hub_transport transport;
	struct map rooms; /* session_id -> struct room */
	struct map
		rooms_active; /* report_id -> struct room, for sessions not known to have ended */
	struct map users;     /* user_id -> struct user */
	struct exchange *exchanges; /* all that are not answered, doubly linked */
	struct fold *folds;         /* running, doubly linked */
	struct trash *trash;
	struct exchange *lane,
		*lane_holder; /* who waits to make a large answer, and who makes one */
	int64_t lane_tag;     /* of the last one whose turn came */
	struct conn *full_holders[FULL_STATES_MAX]; /* who has a state of its own, or folds one */
	struct conn *full_queue, **full_queue_end;  /* who waits for a place among them */
	struct metrics metrics;
	struct pulled pulled;
	struct hub_sockets sockets;
	bool burst; /* see hub_burst_begin; the clocks stand at … */
	int64_t burst_wall_ms, burst_mono_ms;
	struct room *unstored; /* has events that the store was not given yet; only in a burst */
	char spare_id[UUID_LEN + 1]; /* a fresh id that no comment and no conflict has taken yet */
	struct buf scratch;          /* one event or message being written */
	uint64_t conn_id_last;
	int conns;
	int64_t due_next_ms; /* mono: when to ask the store for sessions that are due */
	bool due_pending;
	int64_t sweep_next_ms; /* mono: when to look for what retention wants compacted */
	int64_t sweep_key;     /* the directory was looked at up to here */
	bool sweep_pending;
	struct import *import;  /* under way; NULL: none */
	int backup_waits;       /* exchanges with a backup_ms */
	int64_t store_retry_ms; /* mono: writes are refused until then after a failure; 0: none */
	int64_t store_asked_ms; /* mono: when the store was asked how it is */
	bool unscrubbed;        /* the log says that erased text is still in the files */
	bool draining;
	int64_t drain_reconnect_ms;
	int64_t started_ms; /* mono */
	struct recent recent;
};

static inline int64_t hub_wall(const struct hub *h)
{
	return h->burst ? h->burst_wall_ms : h->env.wall_ms(h->env.arg);
}

static inline int64_t hub_mono(const struct hub *h)
{
	return h->burst ? h->burst_mono_ms : h->env.mono_ms(h->env.arg);
}

static inline int64_t hub_mono_us(const struct hub *h)
{
	return h->env.mono_us ? h->env.mono_us(h->env.arg) : hub_mono(h) * 1000;
}

void hub_log(struct hub *h, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void hub_uuid(struct hub *h, char out[UUID_LEN + 1]);

/* What clients are told of an error: what is never on the wire becomes *inner, ERR_INTERNAL. */
const struct err *hub_error(struct hub *h, const struct err *e, struct err *inner);

/* The user's counters, made when missing; NULL: out of memory. */
struct user *hub_user(struct hub *h, const char *user_id);

/* Take one token; false and *retry_after_s when there is none.  per_minute 0: no limit. */
bool bucket_take(struct bucket *b, int64_t per_minute, int64_t now_ms, int *retry_after_s);

/* By time; and of the last half to whole minute: the longest turn of the loop, and how long the
 * given percentage of commits took at the most (0: there were none). */
void recent_tick(struct hub *h, int64_t now);
int64_t recent_loop_lag_us(const struct hub *h);
int64_t recent_commit_us(const struct hub *h, int percent);

/* Free what was lent with gathers; every entry point of the hub calls it first. */
void hub_enter(struct hub *h);

/* Whether writes are refused at the moment; sets *e. */
int hub_writable(struct hub *h, struct err *e);

/* A write has worked: if writes were refused, they are not any more, and the log says so. */
void hub_store_works(struct hub *h);

/* Look whether the store can be written, and scrubbed, and log what has changed. */
void hub_ask_store(struct hub *h);

/* ---- room -------------------------------------------------------------------------------------
 */

enum { CHUNKS = 4 };

/* A user in the room, by whatever connections and leases. */
struct person {
	char *user_id, *name;
	int conns;              /* not counting watchers */
	int lost;               /* connections that broke, and may be back within the grace */
	int64_t lease_until_ms; /* mono; PUT presence; 0: none */
	int64_t grace_until_ms; /* mono; of the last one lost; 0: none */
	const char *reason;     /* of the user_offline that may come */
	/* the latest cursor */
	char *section_id; /* NULL: none */
	int64_t position, selection[2], base_seq;
	int64_t cursor_ms;          /* wall */
	uint64_t cursor_stamp;      /* grows with every change; what connections remember */
	uint64_t cursor_conn;       /* it does not go back to this one */
	struct block *cursor_frame; /* ready-made, or NULL */
	size_t cursor_frame_head;
};

enum room_state {
	ROOM_LOADING, /* the fold is running; everything waits */
	ROOM_LIVE,
	ROOM_FAILED /* an append failed; waits for outstanding callbacks, then loads again */
};

struct room {
	struct hub *hub;
	enum room_state state;
	int64_t key;
	int64_t floor;                        /* the stored log begins after this seq */
	unsigned char floor_hash[SHA256_LEN]; /* of the event at … */
	int64_t floor_hash_seq;               /* … this seq, which was the floor; 0: not known */
	int64_t generation;                   /* grows when the log is rewritten */
	bool reads_stale; /* reads that are outstanding may bring what was rewritten meanwhile */
	char session_id[UUID_LEN + 1];
	char report_id[NAME_LEN_MAX + 1];
	struct session head;         /* with everything decided */
	char event_id[UUID_LEN + 1]; /* of the head's last event, for its ack */
	int64_t committed;           /* seq on stable storage; nobody is shown more */
	int64_t committed_ms;        /* wall time of the last commit */
	bool active;                 /* in the directory, when it was opened */
	bool end_committed;          /* the session has ended, for good */
	struct slots tail;           /* the newest events: (tail_after, head.seq] */
	int64_t tail_after;
	struct block *block; /* being filled */
	struct chunk *chunks[CHUNKS];
	int reads;          /* chunk reads outstanding */
	int pending;        /* store callbacks outstanding that carry this room, reads included */
	int appends;        /* of them appends */
	size_t unstored;    /* the tail's newest, which the store was not given yet */
	int64_t seq_queued; /* a later event could not be queued: up to here they still count; or 0
	                     */
	struct fold *fold;  /* loading */
	struct conn *conns; /* doubly linked */
	int conns_len;
	int readers_full;                    /* connections with content=full */
	struct map people;                   /* user_id -> struct person */
	uint64_t cursor_stamp, cursor_shown; /* newest stamp; newest that may go out */
	int64_t cursor_next_ms;              /* mono: when cursors may go out again */
	int64_t cursor_ms;        /* wall: when one last moved; so long the session is not idle */
	struct exchange *waiting; /* for the room to be live, in order */
	struct exchange *held, **held_end; /* answers for commits, by at_seq */
	int exchanges;                     /* exchanges that hold this room */
	int64_t used_ms;                   /* mono: last time somebody looked */
	int64_t tick_ms;                   /* mono: when room_tick wants to be called; 0: soon */
	int64_t snapshot_seq, snapshot_ms; /* mono */
	bool snapshot_pending;
	size_t snapshot_bytes;        /* size of the last one, for its pace */
	int64_t due_stored_ms;        /* due_ms in the directory */
	bool presence_dirty;          /* presence must be reconciled with the state */
	int64_t conns_tick_ms;        /* mono: when connections are looked at again */
	struct lost_lock *lost_locks; /* of connections that went, until the grace is over */
	/* the shared part of session_state, per detail and e-mail or not */
	struct state_cache {
		struct block *block;
		int64_t seq, second;
		uint64_t cursor_stamp;
	} states[3][2];
	struct history_wait *history; /* sections whose history is being rebuilt */
	bool history_failed;          /* the history asked for cannot be had: decide without it */
};

/* A room for a directory row; loads it when it is not in memory.  NULL: out of memory. */
struct room *room_open(struct hub *h, const struct store_session *row);

/*
 * Nothing happens in the room any more: the session has ended, or was imported and not activated.
 */
static inline bool room_over(const struct room *room)
{
	return room->head.ended_ms != 0 || !room->active;
}

/* The live room of a session id or of a report's active session, or NULL. */
struct room *room_of_id(struct hub *h, const char *session_id);
struct room *room_of_report(struct hub *h, const char *report_id);

void room_free(struct room *room);

/* By time: expiry, presence, cursors, snapshot, eviction; sets tick_ms.  May free the room. */
void room_tick(struct room *room, int64_t now);

/* Who sent a command, for the answer. */
struct sender {
	struct conn *conn;
	struct exchange *x; /* one of the two, or neither: the server itself */
};

/*
 * Decide, seal, apply, append.  The answer goes to the sender: on a conn as a reply in its queue;
 * to an exchange by rest_decided().  Returns 0, ERR_*, or DECIDE_HISTORY when the command waits for
 * history (the sender is blocked and will be asked again).
 */
int room_command(struct room *room, const struct command *c, const struct actor *actor,
                 struct sender sender);

/* Seal and append events of a decision; the origin of the one that answers is `origin`. */
int room_append(struct room *room, const struct decision *d, uint64_t origin, struct err *e);

/* The slot of seq in the tail or a chunk, or NULL. */
struct slot *room_slot(struct room *room, int64_t seq);

/* Ask the store for what comes after `after`; conns that wait are told when it is there. */
void room_read(struct room *room, int64_t after);

void chunks_release(struct room *room);

/* A lock whose connection went away. */
struct lost_lock {
	struct lost_lock *next;
	int64_t fence, until_ms; /* mono */
	char section_id[];
};

/* Hold an exchange until `at_seq` is committed, then x->then(x). */
void room_hold(struct room *room, struct exchange *x, int64_t at_seq);

/* Everybody in the room may have something to write. */
void room_wake(struct room *room);

/* What the room shows of itself in replies. */
void room_view(struct room *room, bool without_email, struct state_view *view);

/* The shared part of session_state at the head ('…}' without the opening brace); lends a block. */
struct block *room_state_block(struct room *room, enum state_detail detail, bool without_email);

/* ---- presence ---------------------------------------------------------------------------------
 */

struct person *room_person(struct room *room, const char *user_id, const char *name);
void person_conn_opened(struct room *room, struct conn *c);
void person_conn_closed(struct room *room, struct conn *c, bool clean);
int person_lease(struct room *room, const char *user_id, const char *name, int64_t ttl_seconds);
void person_cursor(struct room *room, struct conn *c, const struct command *cmd);
void room_presence(struct room *room); /* bring online and offline events about */
int64_t room_presence_tick(struct room *room,
                           int64_t now); /* graces, leases, cursors; ms until next */
void people_release(struct room *room);
bool room_has_people(const struct room *room);

#endif
