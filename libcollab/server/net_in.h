/*
 * What the files of the transport share: net.c (the whole), net_accept.c, sock.c (a socket's life),
 * sock_http.c, sock_ws.c and sock_out.c (what it reads and writes); private.
 *
 * A socket is freed only once libuv has let go of it, in a later part of the loop's turn.  Any call
 * of the hub may drop any socket, so after each one the phase is looked at: PHASE_DEAD means hands
 * off.
 */
#ifndef COLLAB_SERVER_NET_IN_H
#define COLLAB_SERVER_NET_IN_H

#include <netinet/in.h>
#include <uv.h>

#include "base/map.h"
#include "proto/ws.h"
#include "server/http_in.h"
#include "server/hub.h"
#include "server/listen.h"
#include "server/net.h"
#include "server/tls.h"

enum {
	READ_BYTES = 32768,      /* read at once, into memory that all sockets share */
	REST_BYTES_MAX = 65536,  /* read, but not to be looked at yet */
	PULL_BYTES = 65536,      /* pulled at once */
	PULLS_A_TURN = 4,        /* and so often, before it is another's turn */
	IDLE_MS = 75000,         /* a kept-alive connection between requests */
	LINGER_MS = 2000,        /* after an answer to a request that was not read to its end */
	CLOSE_MS = 1000,         /* for the peer's close frame */
	STALLED_CLOSE_MS = 5000, /* the same, when there is still output that it does not take */
	NEVER_MS = 3600000,      /* nothing is due; look again anyway */
	SWEEP_MS = 250,          /* how exact all these times are */
	BACK_OFF_MS = 250,       /* no accepting after the kernel ran out of something */
	BODIES_AN_ADDRESS = 16,  /* whole ones may be kept that are not complete */
	LOCAL_SOCKETS = 64,      /* come in over the limit: administrators must */
	LINGERING_MAX = 256      /* refused sockets that may wait for their peer to read why */
};

enum sock_phase {
	PHASE_IDLE,     /* between requests, or before the first */
	PHASE_REQUEST,  /* a request is being read */
	PHASE_EXCHANGE, /* the hub has it */
	PHASE_ANSWERED, /* the answer is in `out` */
	PHASE_WS,
	PHASE_STREAM,  /* a body without end */
	PHASE_CLOSING, /* a close frame is on its way; the peer's is awaited */
	PHASE_LINGER,  /* all is said; what still comes is thrown away */
	PHASE_DEAD
};

/* What an address uses, or a user of this machine. */
struct address_use {
	int64_t sockets;
	size_t body_bytes;   /* of requests that are not complete, so that nobody is known yet */
	size_t answer_bytes; /* of answers that their readers have not taken */
};

struct sock {
	uv_poll_t poll; /* first: libuv's callbacks give it back as the socket */
	struct net *net;
	struct sock *work_next;
	struct sock *paused_prev, *paused_next;
	struct ssl_st *tls;
	struct http_in *in;        /* while there is a request */
	struct exchange *exchange; /* while the hub has it and has not answered */
	struct conn *conn;         /* while it is a WebSocket or a stream */
	struct ws_decoder decoder;
	struct address_use *use; /* NULL: one that is refused */
	size_t body_bytes;       /* counted there */
	size_t answer_bytes;     /* likewise */
	struct buf rest;         /* read, not looked at yet from rest_at on */
	size_t rest_at;
	struct buf out; /* to be sent, from out_at on; while it is stuck, nothing is pulled */
	size_t out_at;
	int64_t phase_ms;   /* when this phase began (a kept-alive one: the last answer) */
	int64_t read_ms;    /* when something last came */
	int64_t ping_ms;    /* when the last ping went; 0: it is answered */
	size_t frame_left;  /* of a frame that is pulled in parts: nothing may come between */
	size_t out_counted; /* of the output that waits, in the counters */
	char *pong;         /* malloc'd: its length, its bytes; waits for the frame's end */
	int64_t sent_ms;    /* when the kernel last took something, or the peer did */
	int64_t resume_ms;  /* when a paused one may be read again; INT64_MAX: when told */
	size_t slot;        /* in net->slots */
	int fd;
	int unsent; /* what the kernel had left to send when last looked at */
	uid_t uid;
	gid_t gid;
	pid_t pid;
	unsigned char address[16]; /* of a TCP peer; IPv4 mapped */
	uint8_t phase;
	uint8_t events; /* what libuv watches */
	bool local : 1;
	bool fresh : 1;          /* its first request is not complete */
	bool queued : 1;         /* on the work list */
	bool closed : 1;         /* libuv has let go */
	bool paused : 1;         /* the hub does not want it read: on the paused list */
	bool eof : 1;            /* the peer has said all (it may still listen) */
	bool want_write : 1;     /* there may be something to pull */
	bool tls_want_write : 1; /* TLS must write before it can read */
	bool chunked : 1;        /* the stream's framing */
	bool bodiless : 1;       /* a stream that answers HEAD */
	bool keep_alive : 1;     /* after the answer or stream */
	bool lingers : 1;        /* after the last answer, as not all of the request was read */
	bool lingering : 1;      /* counted in net->lingering */
	bool stuck : 1;          /* the kernel took only part of `out`: wait until it takes more */
};

struct net_listener {
	uv_poll_t poll; /* first */
	struct net *net;
	struct listen_socket at;
};

/* A socket and when it wants to be looked at: apart from the socket, so that looking is cheap. */
struct net_slot {
	struct sock *sock;
	int64_t due_ms;
};

struct net {
	uv_loop_t *loop;
	const struct conf *conf;
	const struct limits *limits;
	struct hub *hub;
	struct hub_sockets *counters;
	net_log_fn *log;
	void *log_arg;
	struct tls *tls;      /* NULL: TCP is plain */
	struct tls *tls_next; /* read again, to count soon */
	bool touched;         /* see net_touched */

	struct net_listener **listeners; /* each allocated: libuv holds on to them */
	int listeners_len;
	bool accepting, draining;
	int reserve_fd; /* given up for a moment when there are no others left */
	int64_t refusal_logged_ms;
	struct map addresses; /* -> struct address_use */
	size_t lingering;

	struct net_slot *slots;
	size_t slots_len, slots_cap;
	struct sock *work, **work_end;
	struct sock *paused;
	int64_t now_ms;

	uv_prepare_t prepare; /* the turn: everybody's output */
	uv_idle_t spin;       /* runs while there is work left, so that the loop does not sleep */
	uv_timer_t sweep, resume, back_off;
	uint64_t turn_ns, idle_ns;

	struct gather gather;
	char read[READ_BYTES];
};

/* ---- net.c ---------------------------------------------------------------------------------- */

int64_t net_now(struct net *n);
void net_log(struct net *n, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Look at the socket by then, or sooner. */
void net_due(struct sock *s, int64_t due_ms);

/* Put the socket on the work list of the coming turn. */
void net_work(struct sock *s);

/* Do not read the socket before s->resume_ms; or do. */
void net_pause(struct sock *s);
void net_unpause(struct sock *s);

/* Slots and counts. */
int net_add(struct net *n, struct sock *s);
void net_remove(struct sock *s);

/* ---- net_accept.c --------------------------------------------------------------------------- */

/* Open what the configuration names (as net_open does), and close it. */
int net_open_listeners(struct net *n, int inherited, struct err *e);
void net_close_listeners(struct net *n);

/* Watch the listeners. */
void net_accept(struct net *n);
void net_on_connection(uv_poll_t *poll, int status, int events);

/* The socket is gone: its address has one less. */
void net_address_give(struct sock *s);

/* The socket holds so much of a body; whether that is within what its address may. */
bool net_address_holds(struct sock *s, size_t body_bytes);

/* So much of the socket's answers waits. */
void net_address_owes(struct sock *s, size_t answer_bytes);

/*
 * Whether its address may be owed so many bytes more.  One answer it may be owed in any case,
 * however large, and little ones: all sockets have as much.
 */
bool net_address_may_owe(const struct sock *s, size_t more);

/* ---- sock.c --------------------------------------------------------------------------------- */

/*
 * A socket for a descriptor that was accepted: takes it.  ERR_NOMEM or ERR_IO, and then it is
 * closed.
 */
int sock_open(struct sock **out, struct net *n, const struct net_listener *l, int fd,
              const struct sockaddr_in6 *peer);

/* Close; the hub is told (`clean` as in hub_gone).  The memory stays until libuv has let go. */
void sock_close(struct sock *s, bool clean);
void sock_free(struct sock *s);

/* The phase begins; due_in_ms: when it is to be looked at. */
void sock_phase(struct sock *s, enum sock_phase phase, int64_t due_in_ms);

/* Watch for what the socket waits for now. */
void sock_watch(struct sock *s);

/* Its place in the work list has come: look at what was read before, then write. */
void sock_work(struct sock *s);

/* Its time has come; when the next one is. */
int64_t sock_due(struct sock *s, int64_t now);

/* The connection failed: see whether the peer said something before, then close. */
void sock_broken(struct sock *s);

/* ---- sock_http.c ---------------------------------------------------------------------------- */

/* Read a request; how much was used. */
size_t sock_http_input(struct sock *s, const char *p, size_t len);

/* The hub has done with the request: free it, and on to the next one. */
void sock_http_settle(struct sock *s);

/* Refuse what is being read, and linger. */
void sock_http_fail(struct sock *s, const struct err *e);

/* ---- sock_ws.c ------------------------------------------------------------------------------ */

size_t sock_ws_input(struct sock *s, char *p, size_t len);

/* Send a close frame and await the peer's.  The hub lets go of its connection. */
void sock_ws_close(struct sock *s, int code, const char *reason, int64_t wait_ms);

/* Time: pings. */
int64_t sock_ws_due(struct sock *s, int64_t now);

/* ---- sock_out.c ----------------------------------------------------------------------------- */

/* Send what there is, until nothing is left or the socket takes no more. */
void sock_send(struct sock *s);

/* What waits has changed: count it. */
void sock_count_waiting(struct sock *s);

/* How many bytes were read and not looked at. */
static inline size_t sock_rest(const struct sock *s)
{
	return s->rest.len - s->rest_at;
}

/* How many bytes of its own output wait. */
static inline size_t sock_waiting(const struct sock *s)
{
	return s->out.len - s->out_at;
}

/* All is said: half-close, and wait for the peer's end (linger), or close at once. */
void sock_finish(struct sock *s, bool linger);

#endif
