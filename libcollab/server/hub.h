/*
 * The hub: the daemon without its sockets.
 *
 * Rooms (live sessions), connections, REST, permission, presence, fan-out -- every decision that is
 * not in core -- behind a transport that the real loop and the simulation both implement.  One
 * thread.  Nothing in here blocks, reads a clock or opens a socket: time and randomness come
 * through struct hub_env, the store answers through store_poll().
 *
 * A socket of the transport carries HTTP exchanges one after the other; one of them may turn it
 * into a connection (WebSocket, or a stream of events).  `sock` is the transport's own pointer.
 */
#ifndef COLLAB_SERVER_HUB_H
#define COLLAB_SERVER_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "server/auth.h"
#include "server/conf.h"
#include "server/http.h"
#include "store/store.h"

struct hub;
struct exchange; /* an HTTP request that is not answered yet */
struct conn;     /* a WebSocket or an event stream */

struct hub_env {
	int64_t (*wall_ms)(void *arg); /* milliseconds since 1970 */
	int64_t (*mono_ms)(void *arg); /* milliseconds that never jump */
	void (*random)(void *arg, void *out, size_t len);
	void (*log)(void *arg, enum log_level level, const char *line); /* one line, no newline */
	void *arg;
	/* What administrators ask of the process.  NULL: it cannot do that. */
	void (*drain)(void *arg); /* begin to drain and end */
	/* Read the configuration again; append a JSON object that tells what came of it. */
	int (*reload)(void *arg, struct buf *json, struct err *e);
	/* Microseconds that never jump, for what is only measured; NULL: by mono_ms. */
	int64_t (*mono_us)(void *arg);
	struct backup *backup; /* lent until hub_free */
};

/* What the hub asks of a socket. */
struct hub_transport {
	/* Answer the exchange; *r is the transport's to take or copy during the call. */
	void (*answer)(void *sock, struct response *r);
	/* Accept the handshake: 101 with `subprotocol` (NULL: none).  From here hub_message counts.
	 */
	void (*upgrade)(void *sock, struct conn *c, const char *subprotocol);
	/* Answer 200 with a body of unknown length that hub_pull gives (SSE, NDJSON). */
	void (*stream)(void *sock, struct conn *c, const char *content_type, const char *headers);
	/* There is something to pull; call hub_pull once the socket is writable (may be called
	 * often). */
	void (*want_write)(void *sock);
	/* hub_reading may have changed; ask it again. */
	void (*want_read)(void *sock);
	/* Drop the socket at once, without a farewell; hub_gone need not be called any more. */
	void (*drop)(void *sock);
	/* Whether the socket may be given an answer of so many bytes; NULL: always. */
	bool (*may_answer)(void *sock, size_t bytes);
};

/*
 * What a connection writes next.  Pieces are lent until the next call of any hub function; their
 * bytes are frames (or stream text) ready for the wire.
 */
enum { GATHER_PIECES = 64, GATHER_COPY = 32768 };

struct gather {
	struct iovec pieces[GATHER_PIECES];
	int len;
	size_t bytes;     /* in all pieces */
	size_t bytes_max; /* set by the caller: stop at about so many (one piece may go over) */
	int close_code;   /* not 0: close with this code after these bytes (a stream just ends) */
	const char *close_reason;
	char copy[GATHER_COPY]; /* where small things are copied to; internal */
	size_t copy_len;
};

int hub_new(struct hub **out, struct store *store, struct auth *auth, const struct conf *conf,
            const struct hub_env *env, const struct hub_transport *transport, struct err *e);

/* Free everything; sockets are not told.  The store must be freed (or crashed) before. */
void hub_free(struct hub *h);

/* conf has changed (limits, origins, log level); it is lent anew. */
void hub_reload(struct hub *h, const struct conf *conf);

/*
 * A request is complete.  It is lent until it is answered or aborted.  Exactly one of answer,
 * upgrade and stream follows, perhaps before this returns (then NULL is returned).
 */
struct exchange *hub_request(struct hub *h, const struct request *r, void *sock);

/* The socket is gone before its exchange was answered: nothing will follow. */
void hub_abort(struct exchange *x);

/* The client says no more, but may still listen.  true: to this one that is hanging up. */
bool hub_hung_up(const struct exchange *x);

/* A whole message arrived on a WebSocket. */
void hub_message(struct conn *c, const char *bytes, size_t len, bool binary);

/*
 * Messages of one socket that arrived together are given to the hub between these two, and nothing
 * else is asked of it meanwhile.  Its clocks stand still, which would be asked several times a
 * message for what is the same millisecond, and what the messages write goes to the store together.
 */
void hub_burst_begin(struct hub *h);
void hub_burst_end(struct hub *h);

/* Milliseconds until the connection may be read again: 0 now, -1 until want_read is called. */
int64_t hub_reading(struct conn *c);

/* The transport's answer to auth_on_keys: requests that waited for a key are asked again. */
void hub_keys_changed(struct hub *h);

/* Take what is to be written next.  g->len 0 and close_code 0: nothing. */
void hub_pull(struct conn *c, struct gather *g);

/*
 * Do one piece of what is put off, so that everybody else has a turn in between.  Call it once
 * before going to sleep; true: there is more, do not sleep.
 */
bool hub_turn(struct hub *h);

/*
 * The connection's socket is closed.  `clean`: the client said good-bye (close frame 1000 or 1001),
 * so that its user goes offline at once and not after the grace.
 */
void hub_gone(struct conn *c, bool clean);

/* All that happens by time.  Returns milliseconds until it wants to be called again (1 to 1000). */
int64_t hub_tick(struct hub *h);

/*
 * Drain: no new connections or writes (503), going_away to all, each told to come back after
 * reconnect_after_ms and up to a millisecond more a connection, then close 1001.  hub_drained once
 * every conn has been told and every write is committed.
 */
void hub_drain(struct hub *h, int64_t reconnect_after_ms);
bool hub_drained(const struct hub *h);

/* The process is about to close its sockets: whoever asked for the drain is told. */
void hub_drain_done(struct hub *h);

/* Sockets the transport has open, failed accepts and the like, for /metrics. */
struct hub_sockets {
	int64_t open, accepted, refused, bytes_in, bytes_out, stalled_closes, queue_bytes;
	int64_t loop_lag_us_max;    /* since the last scrape */
	int64_t loop_lag_us_recent; /* since the hub last looked */
};
struct hub_sockets *hub_sockets(struct hub *h);

#endif
