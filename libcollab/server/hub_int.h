/*
 * Inside the hub: rooms, connections, exchanges.  Only the files of the hub include this.
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
#include "proto/message.h"
#include "proto/reply.h"
#include "proto/route.h"
#include "proto/state_json.h"
#include "proto/ws.h"
#include "server/hub.h"
#include "server/metrics.h"

struct room;

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

/* ---- fold: a state rebuilt from the store ------------------------------------------------------
 */

struct fold;
typedef void fold_fn(void *arg, struct fold *f);

/*
 * Rebuild the state of session `key`: from the newest snapshot with seq <= from_max, up to seq_max
 * (INT64_MAX: the log's end).  `done` is called once, later: then f->rc, f->err, f->session (the
 * callee may move it out: zero it) and f->row_gone count; the fold is freed when done returns.
 * fold_cancel: done will not be called.
 */
struct fold {
	struct hub *hub;
	struct fold *prev, *next;
	int64_t key, seq_max;
	int64_t from_seq; /* of the snapshot it began with; 0: none */
	struct session session;
	size_t history_max;
	int rc;
	struct err err;
	fold_fn *done;
	void *arg;
	bool cancelled;
};

struct fold *fold_start(struct hub *h, int64_t key, int64_t from_max, int64_t seq_max,
                        size_t history_max, fold_fn *done, void *arg);
void fold_cancel(struct fold *f);
void fold_free(struct fold *f); /* only once the store calls nobody back any more */

/* ---- room -------------------------------------------------------------------------------------
 */

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

/* A lock whose connection went away. */
struct lost_lock {
	struct lost_lock *next;
	int64_t fence, until_ms; /* mono */
	char section_id[];
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
void chunks_release(struct room *room);
void slots_drop(struct slots *s); /* the oldest */
void block_unref(struct block *b);

/* A frame of JSON in a block of its own (a run of one).  NULL: out of memory. */
struct block *block_of_json(const char *json, size_t len, size_t *head);

/* Fill in kind and hashes of a slot read from the store, and its hash.  0 or ERR_*. */
int slot_look(struct slot *s);

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

/* ---- conn -------------------------------------------------------------------------------------
 */

enum { REMOTE_BYTES = 48 };
enum framing { FRAMING_WS, FRAMING_SSE, FRAMING_NDJSON };

enum reply_kind {
	REPLY_ACK,    /* in place of the event at_seq */
	REPLY_ANSWER, /* to a message: an error, an ack without an event */
	REPLY_STATE,  /* session_state */
	REPLY_SYNCED,
	REPLY_MARK /* anything that may be lost with a failed append */
};

struct reply {
	struct reply *next;
	enum reply_kind kind;
	int64_t at_seq; /* goes out when everything up to here was sent (REPLY_ACK: in its place) */
	struct block *block; /* what follows the bytes; NULL: nothing */
	size_t len, sent;    /* bytes in all (block included), and gone out */
	size_t own_len;
	size_t ref_len; /* the ref, kept behind the bytes, for an error in its place */
	char bytes[];
};

/* What a filtered reader wants.  Empty lists: everything. */
struct filter {
	uint32_t kinds; /* bits of enum event_kind; 0: all */
	bool cursors;   /* cursor_position too */
	uint64_t users[16], users_not[16], sections[16], sections_not[16];
	int users_len, users_not_len, sections_len, sections_not_len;
};

/* Parse type=, user=, section= (comma-separated, !X excludes).  0 or ERR_BAD_FIELD. */
int filter_parse(const json_t *query, struct filter **out, struct err *e);
bool filter_match(const struct filter *f, const struct slot *s);

struct own_change {
	uint64_t section_hash;
	int64_t seq;
};

struct inbox {
	struct inbox *next;
	size_t len;
	bool binary;
	char bytes[];
};

struct conn {
	struct hub *hub;
	struct room *room;
	struct conn *prev, *next;
	void *sock;
	uint64_t id;
	struct identity who;
	enum framing framing;
	bool watch;  /* asked for mode=watch: silent, sends nothing */
	bool silent; /* not shown as online */
	bool full;   /* content=full */
	bool without_email;
	bool gone;         /* its socket is closed */
	bool blocked;      /* a message waits for history or the room: keep the order */
	bool state_wanted; /* the session_state was lost with a failed append; send another */
	const char *state_reason; /* why there is one instead of a resume; a literal, or NULL */
	bool synced_wanted;       /* likewise */
	bool skipped;             /* the filter skipped something since the last checkpoint */
	bool waits_chunk;
	bool wanted;     /* the transport was told that there is something to write */
	bool token_told; /* token_expiring was sent */
	enum state_detail detail;
	struct filter *filter;
	int64_t sent;  /* everything up to this seq was sent or skipped */
	int64_t until; /* a bounded stream ends after this seq; INT64_MAX: never */
	struct reply *replies, **replies_end;
	int replies_len;
	struct inbox *inbox, **inbox_end;
	int64_t close_at; /* close once everything up to here was sent; INT64_MAX: not */
	int close_code;
	const char *close_reason;
	uint64_t cursor_stamp;
	struct bucket messages;
	double byte_debt; /* bytes over the sustained rate, at debt_ms */
	int64_t debt_ms;
	int errors_in_a_row;
	char **lock_sections; /* locks taken on this connection: its changes carry them */
	int64_t *lock_fences;
	size_t locks_len;
	struct own_change own[8]; /* the latest changes of this connection, per section */
	int own_len;
	int64_t opened_ms;
	char remote[REMOTE_BYTES]; /* the peer's address, or "local, pid N" */
	struct block *last_block;  /* lent with the last gather */
	int64_t checkpoint_ms;     /* mono: of the last one */
	/* content=full behind the tail, see conn_full.c */
	struct fold *full_fold;        /* the state at `sent` is rebuilt … */
	struct session *full_state;    /* … and folded along */
	bool waits_full;               /* for it, or for one of the places for such states */
	struct conn *full_next;        /* in the queue for a place */
	int64_t full_ms, full_used_ms; /* mono: when it got its place, when it last used it */
};

/* Make a connection of an exchange that was let in.  NULL: out of memory. */
struct conn *conn_new(struct exchange *x, enum framing framing);

/* Into the room: presence, first messages.  since EVENT_ABSENT: from now, with a session_state. */
void conn_join(struct conn *c, int64_t since, bool resumed, const char *reason);
void conn_free(struct conn *c);

/* A reply at the room's head.  The bytes are JSON; framing is done here.  block may be NULL. */
int conn_reply(struct conn *c, enum reply_kind kind, const char *json, size_t len,
               struct block *block, int64_t at_seq, const char *ref);

/* A line of JSON in front of a stream of events, behind everything up to at_seq. */
int conn_line(struct conn *c, const char *json, size_t len, int64_t at_seq);
void conn_error(struct conn *c, const char *ref, const struct err *e, const struct decision *d);

/* A reply of that type that holds nothing but seq and hash, and the ref if there is one. */
void conn_mark(struct conn *c, enum reply_kind kind, const char *type, const char *ref, int64_t seq,
               const unsigned char *hash);
void reply_free(struct reply *r);
void conn_want(struct conn *c);
void conn_close_after(struct conn *c, int64_t seq, int code, const char *reason);

/* The session_state at the head, as a reply; with c->state_reason. */
void conn_state(struct conn *c);

/* Replies computed at seqs above seq, which were lost: acks and errors become store_unavailable. */
void conn_lost_appends(struct conn *c, int64_t seq);

/*
 * Whether the connection has a state of its own at c->sent, to render what follows with the text
 * that came of it; if not, it is asked to write again when it has one.
 */
bool full_state_ready(struct conn *c);
int full_state_render(struct conn *c, const struct slot *slot, struct buf *out);
void full_state_drop(struct conn *c);

/* Make room for who waits for a place; milliseconds until it wants to be called again. */
int64_t full_states_tick(struct hub *h, int64_t now);

/* Process what was kept while blocked. */
void conn_unblock(struct conn *c);

void conn_actor(const struct conn *c, const char *section_id, struct actor *actor);
void conn_decided(struct conn *c, const struct command *cmd, struct ack *ack, bool event);
void conn_tick(struct conn *c, int64_t now_mono, int64_t now_wall);

/* ---- exchange (REST) --------------------------------------------------------------------------
 */

struct exchange {
	struct hub *hub;
	struct exchange *prev, *next; /* hub->exchanges */
	struct exchange *queue_next;  /* room->waiting or room->held */
	struct exchange *lane_next;   /* hub->lane, sorted by lane_tag; continues with lane_then */
	int64_t lane_tag;
	void (*lane_then)(struct exchange *x); /* NULL: not in there */
	void *sock;
	const struct request *request; /* lent until answered or aborted */
	struct route_match route;
	json_t *query; /* object of strings */
	struct identity who;
	struct room *room;                /* counted in room->exchanges */
	void (*then)(struct exchange *x); /* the continuation of whatever it waits for */
	int64_t at_seq;
	int pending; /* store callbacks outstanding that carry x */
	bool aborted;
	bool internal; /* no socket waits for the answer */
	bool auth_waits, auth_waited;
	bool drain_waits;
	int64_t backup_ms; /* mono: about a backup, it is answered by then; 0: at once */
	struct response response;
	struct message message;       /* a mutation, or zeroed */
	struct start_options options; /* a start, or zeroed */
	struct fold *fold;
	struct session past;        /* ?at=, or the session before */
	const struct session *view; /* what a read shows: the room's head or past */
	int64_t cursor, end;        /* of paged reads */
	int count;
	int again; /* times that its answer was lost with the state that it was made from */
	int64_t started_ms;
	bool active;                        /* only the report's active session will do */
	void (*absent)(struct exchange *x); /* there is no such session; NULL: ERR_NO_SESSION */
	void *more;                         /* malloc'd, of the route's own */
	void (*more_free)(void *more);      /* NULL: free */
};

/* The request's entry, after hub_request made the exchange. */
void rest_begin(struct exchange *x);

/* Continue when x->room is live (at once, or later). */
void exchange_with_room(struct exchange *x, struct room *room, void (*then)(struct exchange *x));

/*
 * Begin a read anew whose answer was lost.  False: it is none, or it was lost too often; then it is
 * as it was.
 */
bool exchange_again(struct exchange *x);

/* Answers.  Each ends the exchange. */
void exchange_answer(struct exchange *x);
void exchange_error(struct exchange *x, const struct err *e, const struct decision *d);
/* The same, held until the head that it was computed from is committed. */
void exchange_error_committed(struct exchange *x, const struct err *e, const struct decision *d);
void exchange_free(struct exchange *x);
void exchange_drop_room(struct exchange *x);

/*
 * What makes a large answer, or rebuilds a state for one, waits its turn, which it keeps until it
 * is answered.  Then x->room is live.
 */
enum { ANSWER_LARGE = 65536 };
void exchange_in_turn(struct exchange *x, void (*then)(struct exchange *x));
void exchange_leave_lane(struct exchange *x);

/* Before an answer of so many bytes: whether whoever asks may have it.  If not, it was refused. */
bool exchange_may_answer(struct exchange *x, size_t bytes);

/* Hold x->response until the room's head is committed, then answer. */
void exchange_answer_committed(struct exchange *x);

/* room_command decided for an exchange. */
void rest_decided(struct exchange *x, const struct command *c, const struct ack *ack);

/* Routes, by file. */
void rest_read(struct exchange *x);  /* GETs of a session's resources */
void rest_write(struct exchange *x); /* mutations of a session */
void rest_start(struct exchange *x);
void rest_events(struct exchange *x);
void rest_export(struct exchange *x);
void rest_import(struct exchange *x);
void rest_rewrite(struct exchange *x);

/* Compact a session that is over, up to what is older than before_ms. */
void rewrite_retain(struct hub *h, const struct store_session *row, int64_t before_ms);

/* An exchange of the server with itself: nobody hears its answer, a failure is logged. */
struct exchange *exchange_internal(struct hub *h);

/* Give up the import that is under way, if there is one. */
void hub_import_drop(struct hub *h);
void rest_list(struct exchange *x);
void rest_websocket(struct exchange *x);
void rest_backup(struct exchange *x);

/* Answer who waits for a backup; milliseconds until it wants to be called again. */
int64_t rest_backup_tick(struct hub *h, int64_t now);

/* Who waits for a backup, x->backup_ms, is gone: nobody else would fetch it. */
void rest_backup_gone(struct exchange *x);
bool rest_admin(struct exchange *x); /* false: it is not below /api/admin/ */

/* Whether the exchange's user may read the room: a participant, or by scope.  Sets *e. */
int exchange_may_read(const struct exchange *x, struct err *e);

/* Whether it must not see e-mail addresses: it reads by scope, not as a participant. */
bool exchange_without_email(const struct exchange *x);

/*
 * Find a session by the route's report_id (by) or session_id, and continue with its room; without
 * one: ERR_NO_SESSION.
 */
void exchange_find(struct exchange *x, enum store_by by, void (*then)(struct exchange *x));

/*
 * What the parameter `name` says, a seq or a time, to x->cursor, then continue; `absent` when it is
 * not there (text NULL).
 */
void exchange_since(struct exchange *x, const char *name, const char *text, int64_t absent,
                    void (*then)(struct exchange *x));

/* What the actor of a REST command is. */
void exchange_actor(const struct exchange *x, struct actor *actor);

#endif
