/* A connection: a WebSocket, or a stream of events, in a room. */
#ifndef COLLAB_SERVER_CONN_H
#define COLLAB_SERVER_CONN_H

#include "proto/reply.h"
#include "proto/ws.h"
#include "server/hub_int.h"

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

#endif
