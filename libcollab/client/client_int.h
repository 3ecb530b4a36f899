/* Inside libcollab.so: the configuration, the parts of a live connection. */
#ifndef COLLAB_CLIENT_INT_H
#define COLLAB_CLIENT_INT_H

#include "base/buf.h"
#include "base/err.h"
#include "collab.h"

/* ---- errors -----------------------------------------------------------------------------------
 */

/* Fill in *e from a struct err of the lower layers; returns its code. */
int client_err(struct collab_err *e, const struct err *from);

/* Set *e (may be NULL); returns code. */
int client_fail(struct collab_err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- configuration ----------------------------------------------------------------------------
 */

#define CONFIG_TABLE(X)                                                                            \
	X(url, "url", "PMR_URL")                                                                   \
	X(socket, "socket", "PMR_SOCKET")                                                          \
	X(report, "report", "PMR_REPORT")                                                          \
	X(session, "session", "PMR_SESSION")                                                       \
	X(token_file, "token-file", "PMR_TOKEN_FILE")                                              \
	X(token_fd, "token-fd", NULL)                                                              \
	X(token, "token", "PMR_TOKEN")                                                             \
	X(profile, "profile", "PMR_PROFILE")                                                       \
	X(as, "as", NULL)                                                                          \
	X(config, "config", "PMR_CONFIG")

enum config_index {
#define X(member, name, env) CONFIG_##member,
	CONFIG_TABLE(X)
#undef X
		CONFIG_LEN
};

struct collab_config {
	char *values[CONFIG_LEN];
	bool finished;
};

/* Read the token file again (a new token after 4401).  0 when there is none to read. */
int config_reread_token(struct collab_config *c, struct collab_err *e);

/* A copy for a connection's own use; NULL: out of memory. */
struct collab_config *config_copy(const struct collab_config *c);

/* The base "http://host:port" and whether a Unix socket is meant. */
const char *config_url(const struct collab_config *c);

/*
 * The path of the configured session: "/api/sessions/ID/" or "/api/reports/pmr/R/collaborate/", and
 * for WebSockets "/ws/sessions/ID" or "/ws/reports/pmr/R/collaborate".  ERR_USAGE when none is set.
 */
int config_session_path(const struct collab_config *c, bool websocket, struct buf *out,
                        struct collab_err *e);

/* ---- the wire (ws.c): one WebSocket, without any memory of the one before -----------------------
 */

struct wire;

enum wire_state { WIRE_CONNECTING, WIRE_OPEN, WIRE_DEAD };

/* Begin to connect to `target` ("/ws/…?…").  Never blocks. */
int wire_open(struct wire **out, const struct collab_config *c, const char *target,
              struct collab_err *e);
void wire_free(struct wire *w);

/*
 * Do what can be done without waiting; gives the state.  WIRE_DEAD: why and how are in the fields
 * that wire_death() gives.
 */
enum wire_state wire_step(struct wire *w, int64_t now_ms);

/* The next message (1: lent until the next call with w), or 0. */
int wire_next(struct wire *w, const char **json, size_t *len);

/* Queue a text frame; it is written by wire_step. */
int wire_send(struct wire *w, const char *json, size_t len);
size_t wire_unsent(const struct wire *w);

/* Queue a close frame 1000; wire_step then ends in WIRE_DEAD with close code 1000. */
void wire_close(struct wire *w);

int wire_fds(struct wire *w, struct pollfd *fds, int max);
int wire_timeout(struct wire *w, int64_t now_ms);

struct wire_death {
	int code;       /* ERR_*, 0 after a close frame */
	int http;       /* status of a refusal, 0: there was no answer */
	int close_code; /* of the close frame, 0: none came */
	struct collab_err err;
};
const struct wire_death *wire_death(const struct wire *w);

/* ---- the live state (live.c): what outlives a socket; pure -------------------------------------
 */

/* A message that was queued and is not answered. */
struct outgoing {
	struct outgoing *next;
	bool transient; /* cursor, ping: sent once, never answered */
	bool own_ref;   /* the ref is random, so that no other message has it */
	bool sent;      /* on this connection or one before */
	char *ref;
	size_t len;
	char json[];
};

struct live {
	int64_t seq;
	char hash[65];
	char session_id[40];
	char user_id[136]; /* who we are; "": not told yet */
	bool resumable;    /* seq is known: a reconnect resumes there */
	bool ready;        /* state or synced came: what is pending may be sent again */
	bool nameless;     /* something without a ref was sent on this connection */
	struct outgoing *out, **out_end; /* not answered, in order … */
	struct outgoing *unsent;         /* … from here on not sent on this connection */
	size_t pending;                  /* not transient */
	int attempts;                    /* failed connects in a row */
	int64_t lost_ms;                 /* since when there is no connection; -1: there is one */
	int64_t retry_ms;                /* when to connect next */
	int64_t retry_after_ms;          /* the server's wish for the next connect */
	bool ever;                       /* was connected before */
	struct buf synthetic;            /* an ack made of an own event in a replay */
};

void live_init(struct live *l, int64_t since, const char *hash);
void live_release(struct live *l);

/* Queue a message.  *ref_out lends its ref ("" for what is not answered). */
int live_queue(struct live *l, const char *json, size_t len, const unsigned char random[16],
               const char **ref_out, struct collab_err *e);

/* What to write next on this connection, or NULL; the caller marks it with live_sent. */
struct outgoing *live_to_send(struct live *l);
void live_sent(struct live *l, struct outgoing *o);

/* A message came: fills *m (json lent as given, or by l).  false: it is to be passed over. */
bool live_message(struct live *l, const char *json, size_t len, struct collab_message *m);

/* The connection is up, or lost.  random: for jitter, 0 … UINT32_MAX. */
void live_up(struct live *l);
void live_down(struct live *l, int64_t now_ms, uint32_t random);

/* The query that resumes ("since=…&hash=…"), appended; nothing when there is nothing to resume. */
void live_resume_query(const struct live *l, struct buf *out);

#endif
