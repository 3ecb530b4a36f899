/*
 * What the tools share that live on a connection (pmr-watch, pmr-join, pmr-send): one poll loop
 * over stdin, stdout, the connection and signals; where in the log to begin; lines and messages.
 *
 * Nothing here blocks but stream_wait() and stream_finish().  Words for ownership are those of
 * collab.h.
 */
#ifndef TOOL_STREAM_H
#define TOOL_STREAM_H

#include "tool.h"

/* ---- the loop and stdout ---------------------------------------------------------------- */

/* Why a stream ends, other than by its own doing. */
enum stream_end {
	STREAM_GOES_ON,
	STREAM_SIGNAL,      /* SIGINT or SIGTERM came */
	STREAM_READER_GONE, /* nobody reads stdout any more */
	STREAM_WRITE_ERROR  /* stdout cannot be written; told already */
};

struct stream {
	struct tool *t;
	struct collab *c; /* NULL: none; freed by stream_finish */
	char *out;        /* what stdout did not take yet: out[out_at … out_len) */
	size_t out_at, out_len, out_cap;
	bool needs_no_reader; /* without a reader what is put is thrown away, and that is all */
	bool mute;            /* and so it is now */
	bool regular;         /* stdout is a file */
	enum stream_end end;
};

/* SIGINT and SIGTERM belong to the stream from here on: the first ends it, the second the process.
 */
void stream_init(struct stream *s, struct tool *t);

/* For stdout; stream_wait writes it.  JSON as tool_put_json has it. */
void stream_put(struct stream *s, const void *bytes, size_t len);
void stream_put_json(struct stream *s, const char *json, size_t len);
void stream_put_object(struct stream *s, const json_t *object);

/* Whether so much waits for stdout that no more should be made. */
bool stream_full(const struct stream *s);

/*
 * Write what stdout takes, then wait for the connection (unless stream_full), for input on in_fd
 * (-1: none), for a signal, for the reader of stdout to go, until until_ms at most (of
 * stream_now_ms; INT64_MAX: for ever).  True: in_fd can be read.  s->end says whether to go on.
 */
bool stream_wait(struct stream *s, int in_fd, int64_t until_ms);

/*
 * Flush, say good-bye to the server, free everything; die of the signal if there was one.  Gives
 * the exit status: what s->end makes of `status`.
 */
int stream_finish(struct stream *s, int status);

/* A monotonic clock. */
int64_t stream_now_ms(void);

/* ---- input ------------------------------------------------------------------------------ */

struct stream_in {
	int fd;
	int operand;      /* which of the tool's is being read; -1: stdin, for want of any */
	const char *name; /* NULL: stdin */
	char *buf;        /* bytes read: buf[at … len) are not taken yet */
	size_t at, len, cap;
	size_t seen;     /* up to here there is no newline */
	size_t line_max; /* bytes of a line */
	int64_t number;  /* of the last line, from 1 */
	bool eof;        /* of the descriptor; lines may be left in buf */
	bool skipping;   /* inside a line that is too long */
};

enum stream_line {
	STREAM_LINE,     /* *line, lent until the next call */
	STREAM_TOO_LONG, /* a line over line_max, dropped */
	STREAM_MORE,     /* read first */
	STREAM_EOF
};

/*
 * The tool's operands are files to read one after the other, "-" is stdin, and so is none; with
 * `-s -` stdin must be named.  Codes of "usage", of "io" for any file that cannot be read.
 */
int stream_in_open(struct stream_in *in, const struct tool *t, struct collab_err *e);
void stream_in_release(struct stream_in *in);

/* After STREAM_EOF: 1: it goes on with the next file; 0: that was all; or a code. */
int stream_in_another(struct stream_in *in, const struct tool *t, struct collab_err *e);

/* The next line that is not blank. */
enum stream_line stream_in_next(struct stream_in *in, const char **line, size_t *len);

/* One read, of a descriptor that stream_wait found ready. */
int stream_in_read(struct stream_in *in, struct collab_err *e);

/* The error object for a line of a file (NULL: of stdin); NULL: out of memory. */
json_t *stream_bad_line(const char *file, int64_t line, const struct collab_err *e);

/* ---- messages --------------------------------------------------------------------------- */

/*
 * A line as a message: an object with a type.  An event fed back gets the ref SESSION:SEQ, whatever
 * ref its author gave it: refs are an author's own, and a mirror has many authors.  What is said
 * about a section that PMR_FENCE names gets that fence.  Codes of "bad_json", "bad_utf8",
 * "missing_field", "bad_field".
 */
int stream_message(const char *line, size_t len, json_t **out, struct collab_err *e);

/* Whether only a server sends messages of this type. */
bool stream_is_servers(const char *type);

/* The longest frame that the server takes, by its session_state; 0: it does not say. */
size_t stream_frame_max(const struct collab_message *m);

/* ---- where to begin --------------------------------------------------------------------- */

struct stream_start {
	char session_id[37];
	int64_t since; /* seq */
	char hash[65]; /* of since, or "" */
};

/*
 * By --cursor-file, --since and the session's end; t->config is set to the session found, the
 * latest one of a report.  For want of a file: from seq 0.
 */
int stream_start(struct tool *t, struct stream_start *start, struct collab_err *e);

/* The query of --type, --user, --section, each perhaps several times; gives *out, perhaps "". */
int stream_filter(const struct tool *t, bool cursors, char **out, struct collab_err *e);

/* --retry as first_tries of struct collab_join. */
int stream_retry(const struct tool *t, int *tries, struct collab_err *e);

/* ---- --format --------------------------------------------------------------------------- */

/* Code of "usage" when there is such a thing in it that is not known. */
int stream_format_check(const char *format, struct collab_err *e);

/* Put an event in that format. */
void stream_put_format(struct stream *s, const char *format, const char *json, size_t len);

#endif
