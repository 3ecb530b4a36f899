/*
 * libcollab: a client of collabd, for tools and bots.
 *
 * Three layers, each usable alone:
 *
 *  - struct collab_config: where the server is, who we are, which session (options, environment,
 *    pmr.conf), with the precedence that pmr-target(7) describes;
 *  - collab_request(): one REST request and its answer;
 *  - struct collab: a live connection to a session that reconnects, resumes after the last seq it
 *    processed and sends again what was not acknowledged, so that nothing is lost or done twice;
 *    struct collab_text: a local copy of one section's text that converges with everybody's.
 *
 * Messages are JSON texts, one object each, as collab-protocol(7) has them.  Everything is one
 * thread's; nothing installs signal handlers or prints.  Strings are UTF-8.
 *
 * Words for ownership: *lends*: valid until the moment named.  *Gives*: yours to free() now.
 *
 * Functions return 0 or a negative code; collab_exit_status() turns one into the exit status of
 * sysexits.h that the tools use, and struct collab_err has the sentence for people.
 *
 * Functions and struct members are only ever added; struct collab_err and struct collab_message are
 * filled in by the library.  Link with `pkg-config --cflags --libs collab`.
 */
#ifndef COLLAB_H
#define COLLAB_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* The library's version, "0.1.0". */
const char *collab_version(void);

/* ---- errors -----------------------------------------------------------------------------------
 */

struct collab_err {
	int code;        /* 0, or what the function returned */
	int http;        /* status of the HTTP answer behind it; 0: none */
	char wire[48];   /* stable code: "forbidden", "unreachable", … (collab-protocol(7)) */
	char text[400];  /* a sentence for people; never a secret */
	int retry_after; /* seconds the server asks to wait; 0: it does not say */
};

/* The exit status for a code: 0, 1, 64 … 78, 124 (pmr-target(7), EXIT STATUS). */
int collab_exit_status(int code);

/* The code for a wire code ("version_mismatch"), 0 when there is none of that name. */
int collab_code(const char *wire);

/* ---- configuration ----------------------------------------------------------------------------
 */

struct collab_config;

/*
 * An empty configuration.  Never NULL unless out of memory.
 */
struct collab_config *collab_config_new(void);
void collab_config_free(struct collab_config *c); /* NULL is fine */

/*
 * Set one value; it wins over environment and files.  Names: "url" (http://, https://), "socket"
 * (path of a Unix socket), "report", "session" (UUID or a unique prefix of 8 and more),
 * "token-file", "token-fd", "profile", "as" (USER or USER:NAME), "config" (path of pmr.conf).  NULL
 * unsets.
 */
int collab_config_set(struct collab_config *c, const char *name, const char *value,
                      struct collab_err *e);

/*
 * Complete it from PMR_* of the environment and from pmr.conf (pmr-target(7)); read the token (a
 * token file that others can read is refused).  Call once, after the sets.  Without url and socket:
 * the Unix socket where collabd puts it, if it is there, else http://127.0.0.1:8765.
 */
int collab_config_finish(struct collab_config *c, struct collab_err *e);

/* A value as finished, or NULL.  Lends it until the configuration changes. */
const char *collab_config_get(const struct collab_config *c, const char *name);

/*
 * The header lines, each with "\r\n" behind, with which a request says who it is: for programs that
 * speak HTTP themselves.  Gives a string that may hold the token; "" when there is nothing to say.
 * NULL: out of memory.
 */
char *collab_config_identity(const struct collab_config *c);

/* ---- REST -------------------------------------------------------------------------------------
 */

struct collab_response {
	int status; /* HTTP status */
	char *body; /* NUL-terminated, never NULL after success */
	size_t len;
	char etag[64]; /* with its quotation marks; "" when there is none */
};

void collab_response_release(struct collab_response *r);

/*
 * One request.  `path` begins with "/"; or with "S/", which stands for the configured session:
 * /api/sessions/ID/ when "session" is set, else /api/reports/pmr/REPORT/collaborate/.  body NULL:
 * none.  headers: NULL, or a NULL-terminated list of "Name: value".  timeout_ms 0: 30 s.
 * Success is any 2xx or 304; everything else is an error with the problem's code and sentence, and
 * *r is filled in too (the body is the problem).  Release *r in every case.
 */
int collab_request(const struct collab_config *c, const char *method, const char *path,
                   const char *body, const char *const *headers, int timeout_ms,
                   struct collab_response *r, struct collab_err *e);

/*
 * The same for an answer of any length to a GET, which is not kept: fn is called with each piece of
 * it, and gives false to stop (that is no error).  accept: the media type asked for.  stall_ms: an
 * error after so long without a byte; 0: 30 s.  Of *r the body is filled in for a problem only.
 */
int collab_download(const struct collab_config *c, const char *path, const char *accept,
                    bool (*fn)(void *arg, const char *bytes, size_t len), void *arg, int stall_ms,
                    struct collab_response *r, struct collab_err *e);

/* Percent-encode one path segment or query value; gives a string.  NULL: out of memory. */
char *collab_escape(const char *text);

/* ---- a live session ---------------------------------------------------------------------------
 */

/* How to join; a zeroed struct is a participant's seat that reconnects for 60 s. */
struct collab_join {
	bool watch;        /* mode=watch: read only, not shown as online */
	bool delta;        /* content=delta */
	const char *state; /* "full" (NULL), "brief", "none" */
	const char
		*filter;  /* further query, already encoded: "type=comment_added&user=!bot"; NULL */
	int64_t since;    /* resume after this seq; -1: from now */
	const char *hash; /* of since, 64 hex digits; NULL: not checked */
	int first_tries;  /* of the first connect: 0 and 1: once; -1: for ever */
	int reconnect_seconds; /* give up after so long without a connection; 0: 60; -1: never */
};

/* What a message is. */
enum collab_kind {
	COLLAB_EVENT,  /* durable: has seq and hash */
	COLLAB_ACK,    /* of a message sent with that ref: has seq and hash */
	COLLAB_ERROR,  /* of a message sent with that ref, or of none */
	COLLAB_STATE,  /* session_state */
	COLLAB_SYNCED, /* the replay is done */
	COLLAB_CHECKPOINT,
	COLLAB_CURSOR,    /* cursor_position */
	COLLAB_OTHER,     /* pong, token_expiring, going_away, types not known yet */
	COLLAB_CONNECTED, /* from the library: text says to what; no JSON */
	COLLAB_LOST,      /* from the library: the connection is lost, text says why; it goes on by
	                     itself */
	COLLAB_CLOSED /* from the library: for good; code says why, 0: the session was left or ended
	               */
};

struct collab_message {
	enum collab_kind kind;
	const char
		*json; /* the message as it came, NUL-terminated; NULL for the last three kinds */
	size_t len;
	char type[32];
	char ref[260];  /* ack, error, own events; "" when there is none */
	int64_t seq;    /* event, ack, state, synced, checkpoint; else -1 */
	char hash[65];  /* with seq, where known */
	bool duplicate; /* ack: the message had been taken before */
	int code;       /* error, closed: as functions return it */
	int close_code; /* closed: of the WebSocket, or 0 */
	char text[256]; /* connected, lost, closed, error: a sentence */
};

struct collab;

/*
 * Begin to connect; copies what it needs.  Nothing happens before collab_next().  *out is NULL on
 * failure.
 */
int collab_open(struct collab **out, const struct collab_config *config,
                const struct collab_join *join, struct collab_err *e);

/* Close the socket without a farewell and free everything.  NULL is fine. */
void collab_free(struct collab *c);

/*
 * Queue a message {"type":…,"data":{…},"ref":…} (or an event fed back); without a ref it gets a
 * random one, which *ref (may be NULL) lends until the message is answered.  It is sent as soon as
 * possible, in order, and again after a reconnect until it is acknowledged.  Not for cursors and
 * pings: those are sent once (no ref is added).  A text that is no JSON object, or has no type:
 * code of "bad_json" or "missing_field", nothing queued.
 */
int collab_send(struct collab *c, const char *json, size_t len, const char **ref,
                struct collab_err *e);

/* Messages that are not answered yet, and bytes that are not written yet. */
size_t collab_pending(const struct collab *c);
size_t collab_unsent(const struct collab *c);

/* Call fn with the ref of each message that is not answered, in order. */
void collab_each_pending(const struct collab *c, void (*fn)(void *arg, const char *ref), void *arg);

/*
 * The next message, in order.  1: *m is filled, its json lent until the next call with c; 0:
 * nothing within timeout_ms (0: do not wait, -1: wait for ever).  Each seq comes exactly once,
 * whatever the network did.  After COLLAB_CLOSED it gives 0 for ever.
 */
int collab_next(struct collab *c, int timeout_ms, struct collab_message *m);

/*
 * For a loop of one's own: poll what collab_fds() fills in (at most max; returns how many) for at
 * most collab_timeout() ms (-1: for ever), then call collab_next(c, 0, …) until it gives 0.
 */
int collab_fds(struct collab *c, struct pollfd *fds, int max);
int collab_timeout(struct collab *c);

/* Say good-bye (close 1000) and wait for the server's for at most timeout_ms.  Sends nothing more.
 */
int collab_close(struct collab *c, int timeout_ms);

/* Where the connection is: last seq processed and its hash ("" unknown), the session id (""
 * unknown). */
int64_t collab_seq(const struct collab *c);
const char *collab_hash(const struct collab *c);
const char *collab_session_id(const struct collab *c);

/* Give a new token to the connection, in answer to token_expiring. */
int collab_refresh(struct collab *c, const char *token, struct collab_err *e);

/* ---- a text that converges --------------------------------------------------------------------
 */

struct collab_text;

/*
 * A local copy of one section, over a connection opened with `delta` and a full state.  Feed every
 * message of the connection to collab_text_feed; edit with collab_text_set, and in no other way on
 * this connection; the copy shows own edits at once and converges with everybody's.
 *
 * What the server refuses for good, or makes a conflict (strategy manual), goes from the copy
 * again. What it refuses for now, the section being locked say, stays and is sent again with a
 * later message or edit: when the section is unlocked, else after a second at the earliest.
 */
int collab_text_new(struct collab_text **out, struct collab *c, const char *section_id,
                    struct collab_err *e);
void collab_text_free(struct collab_text *t);

/* 1: the message changed the copy; 0: it did not; or an error (the copy is rebuilt from the next
 * state). */
int collab_text_feed(struct collab_text *t, const struct collab_message *m, struct collab_err *e);

/* The text as it is here, valid UTF-8, lent until the next call with t; *seq: last one included. */
const char *collab_text_get(const struct collab_text *t, size_t *len, int64_t *seq);

/*
 * Make the text be `text`: the difference becomes an operation, shown here at once and sent when it
 * may be.  Code of "usage" before the first state, of "bad_utf8".
 */
int collab_text_set(struct collab_text *t, const char *text, size_t len, struct collab_err *e);

/* Whether everything edited here is acknowledged. */
bool collab_text_settled(const struct collab_text *t);

/* ---- the log ----------------------------------------------------------------------------------
 */

/*
 * hex SHA-256 of a JSON text in its canonical form (RFC 8785), and a NUL: the state_hash of a
 * state, the digest of an event without its hash.  Code of "bad_json".
 */
int collab_digest(const char *json, size_t len, char digest[65], struct collab_err *e);

/*
 * The audit chain of one session (collab-protocol(7), AUDIT CHAIN), checked event by event, in the
 * stored form that GET S/events and exports give to participants and administrators.
 */
struct collab_chain;

int collab_chain_new(struct collab_chain **out, struct collab_err *e);
void collab_chain_free(struct collab_chain *c); /* NULL is fine */

/*
 * Before the first event of a log that was compacted: the state that it begins from, as GET
 * S/state?at=FLOOR gives it.  Code of "corrupt" when that is no state.
 */
int collab_chain_base(struct collab_chain *c, const char *state, size_t len, struct collab_err *e);

/*
 * The next event: it must be of the same session, have the next seq, and its hash must follow from
 * its own bytes and the hash before.  Code of "corrupt" with the reason; the chain stays where it
 * was.  Events may be in any key order.
 */
int collab_chain_event(struct collab_chain *c, const char *json, size_t len, struct collab_err *e);

/*
 * After the last event: every record whose text was erased must be listed by an `erased` event, and
 * a base must be the one that a `compacted` event tells of.  Code of "corrupt", and in *seq which
 * event is not as it must be.
 */
int collab_chain_end(struct collab_chain *c, int64_t *seq, struct collab_err *e);

/* Where the chain is: seq (0: nothing came yet) and its hash, 64 zeros at first. */
int64_t collab_chain_seq(const struct collab_chain *c);
const char *collab_chain_hash(const struct collab_chain *c);

/*
 * The smallest text operation from one text to another, both valid UTF-8, as the JSON of a `delta`:
 * "[]" for equal texts.  Gives *delta, NUL-terminated.
 */
int collab_delta(const char *from, size_t from_len, const char *to, size_t to_len, char **delta,
                 struct collab_err *e);

/*
 * The history of one section: its text and who wrote what of it, folded from the log.  Feed it the
 * events of the session in order, those of other sections and kinds too or not.
 */
struct collab_history;

int collab_history_new(struct collab_history **out, const char *section_id, struct collab_err *e);
void collab_history_free(struct collab_history *h); /* NULL is fine */

/*
 * Where the log was compacted: begin from the section as GET S/sections/ID?at=FLOOR gives it.  All
 * of its text then counts as written by who changed it last.
 */
int collab_history_base(struct collab_history *h, const char *section, size_t len,
                        struct collab_err *e);

/* What an event did to the text.  Positions and counts are code points. */
struct collab_change {
	bool text;       /* the text is another one, or the section came to be or was deleted */
	bool deleted;    /* the section was deleted */
	size_t inserted; /* of a replaced text: what the smallest operation does */
	size_t removed;
	size_t chars; /* of the text after it */
};

/* 1: the event changed the section, *change (may be NULL) says how; 0: it did not.  Code of
 * "corrupt". */
int collab_history_event(struct collab_history *h, const char *json, size_t len,
                         struct collab_change *change, struct collab_err *e);

/* The text after the events so far, lent until the next call with h. */
const char *collab_history_text(const struct collab_history *h, size_t *len);

/*
 * Remember the text as it is now; and the operation that makes the text that again, as the JSON of
 * a `delta`: "[]" when it is that.  It undoes each change where it was made, so that comments and
 * others' edits keep their places better than by collab_delta.  Gives *delta.
 */
void collab_history_mark(struct collab_history *h);
int collab_history_undo(const struct collab_history *h, char **delta, struct collab_err *e);

/* A stretch of the text that came by one event. */
struct collab_run {
	size_t from, to; /* in code points, to not included */
	const char *text;
	size_t len;
	int64_t seq;
	const char *user_id, *user_name; /* "" when there is none */
	char timestamp[32];
};

/*
 * What is told apart within a text.  A word, with the blanks behind it, or a line counts as written
 * by the last who changed something in it other than blanks.
 */
enum collab_unit { COLLAB_CHAR, COLLAB_WORD, COLLAB_LINE };

/* Call fn with the text's runs, in order; neighbouring units of one event are one run. */
void collab_history_runs(const struct collab_history *h, enum collab_unit unit,
                         void (*fn)(void *arg, const struct collab_run *run), void *arg);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
