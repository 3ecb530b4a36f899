/*
 * Errors: one table for every way a call, a message, a request or a tool can fail.
 *
 * Functions return 0 or a negative ERR_*.  The text for people and the name of the offending field
 * are kept in a struct err that the caller lends; it is set once, where the failure is found.
 * Wire codes are an interface: they are never renamed (collab-protocol(7), ERROR CODES).
 */
#ifndef COLLAB_BASE_ERR_H
#define COLLAB_BASE_ERR_H

#include <stdbool.h>

/* X(NAME, wire code, HTTP status, exit status, retryable, text) */
#define ERR_TABLE(X)                                                                               \
	/* the message or request itself */                                                        \
	X(BAD_JSON, "bad_json", 400, 65, 0, "not a JSON object")                                   \
	X(BAD_UTF8, "bad_utf8", 400, 65, 0, "not valid UTF-8")                                     \
	X(BINARY_FRAME, "binary_frame", 400, 65, 0, "binary frames are not part of the protocol")  \
	X(UNKNOWN_TYPE, "unknown_type", 400, 65, 0, "unknown message type")                        \
	X(MISSING_FIELD, "missing_field", 400, 65, 0, "a required field is missing")               \
	X(BAD_FIELD, "bad_field", 400, 65, 0, "a field has a wrong type or value")                 \
	X(RESERVED_KEY, "reserved_key", 400, 65, 0, "this key is kept by the server")              \
	X(BAD_DELTA, "bad_delta", 400, 65, 0, "not a valid text operation for this text")          \
	X(BAD_LOG, "bad_log", 400, 65, 0, "not a log that verifies and folds")                     \
	X(BAD_BASE, "bad_base", 400, 65, 0, "base_seq lies above the log's end")                   \
	X(BASE_REQUIRED, "base_required", 428, 65, 0, "base_seq or If-Match is required")          \
	X(TOO_LARGE, "too_large", 413, 65, 0, "the frame or body is over the limit")               \
	X(BAD_REQUEST, "bad_request", 400, 65, 0, "malformed request")                             \
	X(NOT_FOUND, "not_found", 404, 66, 0, "no such resource")                                  \
	X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, 64, 0, "method not allowed here")         \
	X(NOT_ACCEPTABLE, "not_acceptable", 406, 65, 0, "cannot answer in the type asked for")     \
	X(UNSUPPORTED_MEDIA, "unsupported_media_type", 415, 65, 0, "the body must be JSON")        \
	X(HEADERS_TOO_LARGE, "headers_too_large", 431, 65, 0,                                      \
	  "the request's headers are too large")                                                   \
	X(EXPECTATION_FAILED, "expectation_failed", 417, 65, 0, "cannot meet this expectation")    \
	X(UPGRADE_REQUIRED, "upgrade_required", 426, 65, 0,                                        \
	  "this path wants a WebSocket handshake")                                                 \
	X(REQUEST_TIMEOUT, "request_timeout", 408, 75, 1, "the request took too long")             \
	/* identity and permission */                                                              \
	X(UNAUTHENTICATED, "unauthenticated", 401, 77, 0, "not authenticated")                     \
	X(TOKEN_EXPIRED, "token_expired", 401, 77, 0, "the token has expired")                     \
	X(FORBIDDEN, "forbidden", 403, 77, 0, "not allowed")                                       \
	/* things that are not there */                                                            \
	X(NO_SESSION, "no_session", 404, 66, 0, "no such session")                                 \
	X(NO_SECTION, "no_section", 404, 66, 0, "no such section")                                 \
	X(NO_COMMENT, "no_comment", 404, 66, 0, "no such comment")                                 \
	X(NO_CONFLICT, "no_conflict", 404, 66, 0, "no such conflict")                              \
	X(NO_PARTICIPANT, "no_participant", 404, 66, 0, "no such participant")                     \
	/* the state says no */                                                                    \
	X(SESSION_ENDED, "session_ended", 409, 66, 0, "the session has ended")                     \
	X(SESSION_EXISTS, "session_exists", 409, 73, 0, "this session id exists")                  \
	X(SESSION_FULL, "session_full", 409, 75, 0,                                                \
	  "the session has all the participants it may have")                                      \
	X(PARTICIPANT_EXISTS, "participant_exists", 409, 73, 0, "already a participant")           \
	X(LAST_OWNER, "last_owner", 409, 73, 0,                                                    \
	  "the last owner can be neither removed nor demoted")                                     \
	X(COMMENT_EXISTS, "comment_exists", 409, 73, 0, "this comment id exists")                  \
	X(COMMENT_DELETED, "comment_is_deleted", 409, 73, 0, "the comment was deleted")            \
	X(VERSION_MISMATCH, "version_mismatch", 412, 73, 0, "the section has another version")     \
	X(AWAIT_ACK, "await_ack", 409, 75, 1,                                                      \
	  "an earlier change of this section is not acknowledged")                                 \
	X(BASE_TOO_OLD, "base_too_old", 409, 73, 0, "the base is too far back")                    \
	X(SECTION_LOCKED, "section_locked", 423, 75, 1, "the section is locked")                   \
	X(STALE_FENCE, "stale_fence", 409, 73, 0, "the lock of this fence was lost")               \
	X(NOT_LOCKED, "not_locked", 409, 73, 0, "the section is not locked")                       \
	X(CONFLICT_CLOSED, "conflict_closed", 409, 73, 0, "the conflict was resolved already")     \
	X(REF_REUSED, "ref_reused", 409, 65, 0, "another message was sent under this ref")         \
	/* limits */                                                                               \
	X(SECTION_TOO_LARGE, "section_too_large", 413, 65, 0, "the section is over the limit")     \
	X(STATE_TOO_LARGE, "state_too_large", 413, 75, 0, "the session is over the limit")         \
	X(TOO_MANY_SECTIONS, "too_many_sections", 409, 75, 0,                                      \
	  "the session has all the sections it may have")                                          \
	X(TOO_MANY_COMMENTS, "too_many_comments", 409, 75, 0,                                      \
	  "the session has all the comments it may have")                                          \
	X(TOO_MANY_CONNECTIONS, "too_many_connections", 429, 75, 1,                                \
	  "too many connections of this user")                                                     \
	X(TOO_MANY_SOCKETS, "too_many_sockets", 429, 75, 1,                                        \
	  "too many connections from this address")                                                \
	X(RATE_LIMITED, "rate_limited", 429, 75, 1, "too many requests")                           \
	/* the server cannot now */                                                                \
	X(STORE_UNAVAILABLE, "store_unavailable", 503, 75, 1, "the store cannot be written")       \
	X(SERVER_FULL, "server_full", 503, 75, 1,                                                  \
	  "the server has all the connections it may have")                                        \
	X(DRAINING, "draining", 503, 75, 1, "the server is shutting down")                         \
	X(NOMEM, "out_of_memory", 503, 75, 1, "out of memory")                                     \
	X(UNSUPPORTED, "unsupported", 501, 69, 0, "this server cannot do that")                    \
	X(BAD_CONFIG, "bad_config", 422, 78, 0, "the configuration cannot be used")                \
	X(INTERNAL, "internal", 500, 70, 0, "internal error")                                      \
	/* inside, never on the wire: store and client */                                          \
	X(CAS, "cas", 500, 70, 1, "the log's end is not the one expected")                         \
	X(EXISTS, "exists", 500, 70, 0, "exists already")                                          \
	X(CORRUPT, "corrupt", 500, 70, 0, "a stored record is damaged")                            \
	X(IO, "io", 500, 74, 0, "input/output error")                                              \
	X(USAGE, "usage", 500, 64, 0, "usage error")                                               \
	X(CONFIG, "config", 500, 78, 0, "configuration error")                                     \
	X(UNREACHABLE, "unreachable", 500, 69, 1, "cannot reach the server")                       \
	X(PROTOCOL, "protocol", 500, 76, 0, "the server broke the protocol")                       \
	X(TIMED_OUT, "timed_out", 500, 124, 1, "timed out")

enum err_index {
	ERR_INDEX_NONE,
#define X(name, wire, http, exit_status, retry, text) ERR_INDEX_##name,
	ERR_TABLE(X)
#undef X
		ERR_INDEX_MAX
};

/* The codes that functions return: negative, so that "if (rc)" and "if (rc < 0)" both work. */
enum err_code {
	ERR_NONE = 0,
#define X(name, wire, http, exit_status, retry, text) ERR_##name = -ERR_INDEX_##name,
	ERR_TABLE(X)
#undef X
};

struct err {
	int code;       /* 0 or a negative ERR_* */
	char field[96]; /* the offending field ("changes.content"), or "" */
	char text[320]; /* a sentence fragment for people, valid UTF-8, no secrets */
};

struct err_row {
	const char *wire;
	int http;
	int exit_status;
	bool retryable;
	const char *text;
};

/* The row of `code` (an ERR_*, or 0).  Never NULL; an unknown code gives the row of ERR_INTERNAL.
 */
const struct err_row *err_row(int code);

/* The ERR_* of a wire code, or 0 when there is none of that name. */
int err_from_wire(const char *wire);

/*
 * Set *e (which may be NULL) and return `code`.  `fmt` NULL: the table's text.  The text is cut at
 * a code point when it is too long.  err_field names the offending field too.
 */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int err_field(struct err *e, int code, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Put "prefix: " in front of the text; a no-op when e is NULL or nothing is set. */
void err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
