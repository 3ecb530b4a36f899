/*
 * What the pmr-* tools share: options, the session they are about, requests, NDJSON in and out,
 * errors, signals.
 *
 * A tool is a struct tool_spec: its options and verbs.  tool_main() parses the command line by it,
 * runs the verb and gives the exit status; --help, --version and the completions come from the same
 * tables.  stdout is data, one whole object a line; everything said to a person goes to stderr.
 *
 * Words for ownership are those of collab.h.  Functions that return int give 0 or a negative code
 * of collab.h, with the sentence in *e; where an exit status is returned instead, the comment says
 * so.
 */
#ifndef TOOL_H
#define TOOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collab.h"

/* ---- options ----------------------------------------------------------------------------------
 */

/* X(NAME, long name, letter or 0, argument or NULL, help): options that mean the same everywhere.
 */
#define TOOL_SHARED_TABLE(X)                                                                       \
	X(REPORT, "report", 'r', "REPORT", "the session of this report")                           \
	X(SESSION, "session", 's', "SESSION",                                                      \
	  "this session; 8 characters of its id do; -: from stdin")                                \
	X(URL, "url", 0, "URL", "the server, http:// or https://")                                 \
	X(SOCKET, "socket", 0, "PATH", "the server's Unix socket")                                 \
	X(TOKEN_FILE, "token-file", 0, "FILE", "read the token from FILE, which is yours alone")   \
	X(TOKEN_FD, "token-fd", 0, "N", "read the token from descriptor N")                        \
	X(PROFILE, "profile", 'P', "NAME", "the profile of pmr.conf to use")                       \
	X(AS, "as", 0, "USER[:NAME]", "act as another user (administrators on the socket)")        \
	X(RETRY, "retry", 0, "N|forever", "try again so often while the server cannot be reached") \
	X(COUNT, "count", 'n', "N", "stop after N objects")                                        \
	X(TIMEOUT, "timeout", 'W', "SECONDS", "give up after so long")                             \
	X(SINCE, "since", 'S', "SEQ|TIME|DURATION", "begin after this seq, time or so long ago")   \
	X(CURSOR_FILE, "cursor-file", 0, "FILE", "begin where FILE says")                          \
	X(TYPE, "type", 't', "TYPE", "only events of this type; !TYPE: all others")                \
	X(SECTION, "section", 0, "SECTION", "only this section; !SECTION: all others")             \
	X(USER, "user", 0, "USER", "only this user; !USER: all others")                            \
	X(FORMAT, "format", 'F', "FORMAT", "print so instead of JSON: %t %s %u %p %j")             \
	X(REF, "ref", 0, "REF", "a name for the change; under one name it is made once only")      \
	X(DRY_RUN, "dry-run", 0, NULL, "print the request instead of sending it")                  \
	X(QUIET, "quiet", 'q', NULL, "no messages on stderr")                                      \
	X(VERBOSE, "verbose", 'v', NULL, "tell on stderr what is asked of the server")             \
	X(HELP, "help", 'h', NULL, "print this and exit")                                          \
	X(VERSION, "version", 'V', NULL, "print the version and exit")

enum {
#define X(name, long_name, letter, arg, help) TOOL_INDEX_##name,
	TOOL_SHARED_TABLE(X)
#undef X
		TOOL_SHARED_LEN
};

/* Sets of shared options. */
enum tool_shared {
#define X(name, long_name, letter, arg, help) TOOL_##name = 1 << TOOL_INDEX_##name,
	TOOL_SHARED_TABLE(X)
#undef X
	/* Every tool has these, … */
	TOOL_COMMON = TOOL_QUIET | TOOL_VERBOSE | TOOL_HELP | TOOL_VERSION,
	/* … what speaks to a server these, … */
	TOOL_SERVER = TOOL_URL | TOOL_SOCKET | TOOL_TOKEN_FILE | TOOL_TOKEN_FD | TOOL_PROFILE |
	              TOOL_AS | TOOL_RETRY | TOOL_TIMEOUT,
	/* … and what is about one session these too. */
	TOOL_TARGET = TOOL_SERVER | TOOL_REPORT | TOOL_SESSION
};

struct tool_option {
	const char *name; /* long name; NULL ends a list */
	char letter;      /* or 0 */
	const char *
		arg; /* what its argument is called; "a|b|c" in lower case: one of these; or NULL */
	const char *help;  /* a sentence fragment */
	const char *verbs; /* the verbs that take it, each with a space behind; NULL: all */
};

/* The roles, as an argument's name. */
#define TOOL_ROLES "viewer|commenter|editor|owner"

struct tool;

struct tool_verb {
	const char *name;     /* "" in a tool without verbs */
	const char *operands; /* "SECTION [FILE]" */
	const char *help;
	int operands_min, operands_max; /* max -1: any number */
	int shared;                     /* enum tool_shared: what it takes beyond the tool's own */
	int (*run)(struct tool *t);     /* gives the exit status; NULL ends a list */
};

struct tool_spec {
	const char *name; /* "pmr-session" */
	const char *help; /* one sentence */
	int shared; /* enum tool_shared: what all its verbs take; TOOL_COMMON comes by itself */
	const struct tool_option *options; /* its own; NULL: none */
	const struct tool_verb *verbs;
};

/* An option as it was given. */
struct tool_given {
	const struct tool_option *option;
	const char *value; /* or NULL */
};

struct tool {
	const struct tool_spec *spec;
	const struct tool_verb *verb;
	const char **operands; /* without the verb */
	int operands_len;
	struct tool_given *given;
	size_t given_len;
	bool quiet, verbose;
	struct collab_config *config; /* after tool_target */
	char *out;                    /* what is not written yet */
	size_t out_len;
};

/* All of main. */
int tool_main(const struct tool_spec *spec, int argc, char **argv);

/*
 * Parse the command line.  -1: go on with t->verb; else the exit status to end with (0 after --help
 * and the like).
 */
int tool_parse(struct tool *t, int argc, char **argv);

/* The value of an option, the last one given; NULL when it was not given or has none. */
const char *tool_opt(const struct tool *t, const char *name);
bool tool_has(const struct tool *t, const char *name);

/* A whole number; *out stays as it was when the option is absent.  Code of "usage". */
int tool_opt_int(const struct tool *t, const char *name, int64_t min, int64_t max, int64_t *out,
                 struct collab_err *e);

/* Seconds, perhaps with a fraction, as milliseconds.  As tool_opt_int. */
int tool_opt_ms(const struct tool *t, const char *name, int64_t *out, struct collab_err *e);

/* Whether value is one of "a|b|c". */
bool tool_one_of(const char *choices, const char *value);

/* ---- what is said -----------------------------------------------------------------------------
 */

/* "pmr-x: sentence" to stderr unless -q; control characters are stripped.  Gives `status`. */
int tool_complain(const struct tool *t, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for a usage error, whatever -q says, and where to find help; gives 64. */
int tool_usage(const struct tool *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same for *e; gives its exit status. */
int tool_fail(const struct tool *t, const struct collab_err *e);

/* With -v or PMR_DEBUG only. */
void tool_note(const struct tool *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Set *e to an error of this wire code; gives its code. */
int tool_err(struct collab_err *e, const char *wire, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- stdout -----------------------------------------------------------------------------------
 */

/*
 * What is put is written by tool_flush at the latest; tool_request and the readers of stdin flush
 * before they wait.  When the reader is gone the process ends with 0, silently; on any other write
 * error with 74.
 */

/* One JSON text as one line.  Characters that steer terminals are escaped, which means the same. */
void tool_put_json(struct tool *t, const char *json, size_t len);
void tool_put_object(struct tool *t, const json_t *object);

/* Bytes as they are. */
void tool_put_bytes(struct tool *t, const void *bytes, size_t len);
void tool_flush(struct tool *t);

/* ---- signals ----------------------------------------------------------------------------------
 */

/*
 * SIGHUP, SIGINT and SIGTERM interrupt system calls and are remembered; a second one, or a second
 * after the first one has passed, ends the process at once (but see tool_farewell).  Writing to a
 * pipe without a reader is an error instead of a signal.
 */
void tool_signals(void);

/* Whether there was one: for who has to put a terminal in order first. */
bool tool_caught(void);

/* If there was one: take leave, flush and die of it. */
void tool_signalled(struct tool *t);

/*
 * What is to be done before a signal ends the process; until that is done, a second signal ends it
 * no sooner than the first one would, a second later.  It must not come to tool_signalled itself.
 * NULL: nothing (any more).
 */
void tool_farewell(void (*fn)(void *arg), void *arg);

/* What to write to standard error when a signal ends the process; lent until the next call.  NULL:
 * nothing. */
void tool_last_words(const char *text);

/*
 * mkstemp(3), but a file that a signal which ends the process removes; `template` is lent until
 * tool_temp_done.  One at a time.
 */
int tool_temp(char *template);
void tool_temp_done(void); /* it has got its name, or was removed */

/* ---- stdin and files --------------------------------------------------------------------------
 */

/* Lines of a descriptor, each of at most TOOL_LINE_MAX bytes. */
enum { TOOL_LINE_MAX = 1 << 20, TOOL_TEXT_MAX = 64 << 20 };

struct tool_lines {
	int fd;
	char *buf;       /* begins with the line, NUL-terminated */
	size_t line_len; /* without its newline */
	size_t next;     /* where the rest begins */
	size_t end;
	int64_t number; /* of the line, from 1 */
	bool too_long;  /* the line is over the limit and was dropped */
	bool bytewise;  /* read no byte behind the newline */
};

void tool_lines_init(struct tool_lines *l, int fd);
void tool_lines_release(struct tool_lines *l);

/*
 * The next line in l->buf, l->line_len.  1; 0 at the end; or a code.  A last line without newline
 * counts.
 */
int tool_lines_next(struct tool *t, struct tool_lines *l, struct collab_err *e);

/*
 * All of a file, or of stdin when it is NULL or "-".  Gives *text, NUL-terminated.  Codes of "io",
 * "too_large" (over TOOL_TEXT_MAX).
 */
int tool_read_all(struct tool *t, const char *file, char **text, size_t *len, struct collab_err *e);

/* A text that came from `name` as a JSON string; code of "bad_utf8", naming the line. */
int tool_text(const char *text, size_t len, const char *name, json_t **out, struct collab_err *e);

/* ---- the server -------------------------------------------------------------------------------
 */

enum tool_needs { TOOL_NEEDS_SERVER, TOOL_NEEDS_REPORT, TOOL_NEEDS_SESSION };

/*
 * Make t->config from the options, the environment and pmr.conf: pmr-target(7).  -s - is read from
 * stdin, the beginning of a session id is looked up at the server.
 */
int tool_target(struct tool *t, enum tool_needs needs, struct collab_err *e);

/* The whole id that begins with `prefix` in out[37]; a whole one is only put into lower case. */
int tool_session_id(struct tool *t, const char *prefix, char out[37], struct collab_err *e);

/*
 * One request (collab_request) with --timeout, --retry; one that changes something (every method
 * but GET) also with --ref and --dry-run, which gives the request as the answer.  body may be NULL.
 * Release *r in every case.
 */
int tool_request(struct tool *t, const char *method, const char *path, const json_t *body,
                 struct collab_response *r, struct collab_err *e);

/* The same, and the answer printed; gives the exit status. */
int tool_ask(struct tool *t, const char *method, const char *path, const json_t *body);

/* printf with %s only, each string percent-encoded; gives *out. */
int tool_path(char **out, struct collab_err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Call fn with each element of the array, or each value of the object, `key` of the answers to GET
 * path, page after page: a slice of their text as it came.  fn gives false to stop.
 */
int tool_each_listed(struct tool *t, const char *path, const char *key,
                     bool (*fn)(void *arg, const char *json, size_t len), void *arg,
                     struct collab_err *e);

/* Print each of them, at most --count; gives the exit status. */
int tool_list(struct tool *t, const char *path, const char *key);

/* The answer as an object; gives *out.  Code of "protocol" when it is none. */
int tool_answer(const struct collab_response *r, json_t **out, struct collab_err *e);

/* The fence that PMR_FENCE=SECTION:FENCE holds for this section; -1: none. */
int64_t tool_fence(const char *section_id);

/*
 * An error as an object {"type":"error","code",…} for stdout, with what the server's problem says;
 * NULL: out of memory.
 */
json_t *tool_error_object(const struct collab_response *r, const struct collab_err *e);

/* ---- many ids ---------------------------------------------------------------------------------
 */

struct tool_ids {
	const char *member; /* the member of an input object that is the id: "comment_id" */
	const char *within; /* or of the object in this member: "comment"; NULL: none */
	/* Do it for one id; prints nothing.  *r is released by the caller. */
	int (*fn)(struct tool *t, const char *id, struct collab_response *r, struct collab_err *e);
};

/*
 * Do it for each operand, or for each line of stdin when the only operand is "-": a plain id or an
 * NDJSON object.  A single operand's answer is printed, or its error told; else each gets one line,
 * the answer or an error object, in order.  Gives the exit status: that of a single operand; 65
 * when a line was none, 1 when some were refused; what stops all of them (no server, no credential)
 * stops here too and is the status.
 */
int tool_each_id(struct tool *t, const struct tool_ids *ids);

#endif
