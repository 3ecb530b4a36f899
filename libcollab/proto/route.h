/*
 * The REST interface's paths: one table from method and path to what is asked for.
 *
 * The path comes as it was sent, percent-encoded and without query.  Every path segment is decoded
 * by itself, so an encoded slash is a character of an id (and refused there), never a separator.
 */
#ifndef COLLAB_PROTO_ROUTE_H
#define COLLAB_PROTO_ROUTE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ids.h"

/*
 * X(NAME, method, path).  A path that begins with "S/" exists twice: below
 * /api/reports/pmr/{report_id}/collaborate and below /api/sessions/{session_id}.  HEAD is GET.
 */
#define ROUTE_TABLE(X)                                                                             \
	X(START, POST, "/api/reports/pmr/{report_id}/collaborate/start")                           \
	X(END, POST, "S/end")                                                                      \
	X(SESSION, GET, "S/session")                                                               \
	X(SESSION_BY_ID, GET, "/api/sessions/{session_id}")                                        \
	X(STATE, GET, "S/state")                                                                   \
	X(PARTICIPANTS, GET, "S/participants")                                                     \
	X(PARTICIPANT_ADD, POST, "S/participants")                                                 \
	X(PARTICIPANT_ROLE, PATCH, "S/participants/{user_id}")                                     \
	X(PARTICIPANT_REMOVE, DELETE, "S/participants/{user_id}")                                  \
	X(SECTIONS, GET, "S/sections")                                                             \
	X(SECTION, GET, "S/sections/{section_id}")                                                 \
	X(SECTION_PUT, PUT, "S/sections/{section_id}")                                             \
	X(SECTION_PATCH, PATCH, "S/sections/{section_id}")                                         \
	X(SECTION_DELETE, DELETE, "S/sections/{section_id}")                                       \
	X(LOCK, PUT, "S/sections/{section_id}/lock")                                               \
	X(UNLOCK, DELETE, "S/sections/{section_id}/lock")                                          \
	X(COMMENTS, GET, "S/comments")                                                             \
	X(COMMENT_ADD, POST, "S/comments")                                                         \
	X(COMMENT_EDIT, PATCH, "S/comments/{comment_id}")                                          \
	X(COMMENT_DELETE, DELETE, "S/comments/{comment_id}")                                       \
	X(COMMENT_RESOLVE, POST, "S/comments/{comment_id}/resolve")                                \
	X(COMMENT_REOPEN, POST, "S/comments/{comment_id}/reopen")                                  \
	X(CONFLICTS, GET, "S/conflicts")                                                           \
	X(CONFLICT, GET, "S/conflicts/{conflict_id}")                                              \
	X(CONFLICT_RESOLVE, POST, "S/conflicts/{conflict_id}/resolve")                             \
	X(EVENTS, GET, "S/events")                                                                 \
	X(ERASE, POST, "S/erase")                                                                  \
	X(COMPACT, POST, "S/compact")                                                              \
	X(EXPORT, GET, "S/export")                                                                 \
	X(PRESENCE, PUT, "S/presence")                                                             \
	X(SESSIONS, GET, "/api/sessions")                                                          \
	X(IMPORT, POST, "/api/sessions/import")                                                    \
	X(TICKETS, POST, "/api/tickets")                                                           \
	X(ADMIN_STATUS, GET, "/api/admin/status")                                                  \
	X(ADMIN_SESSIONS, GET, "/api/admin/sessions")                                              \
	X(ADMIN_CONNECTIONS, GET, "/api/admin/connections")                                        \
	X(ADMIN_KICK, DELETE, "/api/admin/connections")                                            \
	X(ADMIN_DRAIN, POST, "/api/admin/drain")                                                   \
	X(ADMIN_RELOAD, POST, "/api/admin/reload")                                                 \
	X(ADMIN_BACKUP_START, POST, "/api/admin/backup")                                           \
	X(ADMIN_BACKUP, GET, "/api/admin/backup")                                                  \
	X(ADMIN_BACKUP_END, DELETE, "/api/admin/backup")                                           \
	X(HEALTHZ, GET, "/healthz")                                                                \
	X(READYZ, GET, "/readyz")                                                                  \
	X(METRICS, GET, "/metrics")                                                                \
	X(VERSION, GET, "/version")                                                                \
	X(WS_REPORT, GET, "/ws/reports/pmr/{report_id}/collaborate")                               \
	X(WS_SESSION, GET, "/ws/sessions/{session_id}")

enum route {
#define X(name, method, path) ROUTE_##name,
	ROUTE_TABLE(X)
#undef X
		ROUTES
};

/* X(NAME): methods that some route has. */
#define METHOD_TABLE(X) X(GET) X(POST) X(PUT) X(PATCH) X(DELETE)

enum method {
#define X(name) METHOD_##name,
	METHOD_TABLE(X)
#undef X
		METHODS
};

struct route_row {
	const char *name; /* "SECTION_PUT" */
	enum method method;
	const char *path;
};

/* The row of a route. */
const struct route_row *route_row(enum route r);

struct route_match {
	enum route route;
	bool head;      /* the method was HEAD */
	bool websocket; /* WS_REPORT, WS_SESSION: 426 without an upgrade */
	char allow[48]; /* "GET, HEAD, PUT"; "" when no route has this path */
	/* What the path says, decoded and valid; "" what it does not say. */
	char report_id[NAME_LEN_MAX + 1], session_id[UUID_LEN + 1];
	char section_id[NAME_LEN_MAX + 1], user_id[NAME_LEN_MAX + 1];
	char comment_id[UUID_LEN + 1], conflict_id[UUID_LEN + 1];
};

/*
 * Find the route.  0; ERR_NOT_FOUND; ERR_METHOD_NOT_ALLOWED (m->allow is set: what the path can,
 * which OPTIONS wants to know too); ERR_BAD_REQUEST when the path is not percent-encoded rightly;
 * ERR_BAD_FIELD, naming the parameter, when an id in it is none.
 */
int route_match(const char *method, const char *path, struct route_match *m, struct err *e);

/*
 * Parse a query ("" or without '?') to an object of strings in *out, which the caller owns.  '+' is
 * a space, a key without '=' has the value "", an empty pair is skipped.  ERR_BAD_REQUEST when it
 * is not percent-encoded UTF-8, holds U+0000 or a key twice; ERR_NOMEM.
 */
int query_parse(const char *query, json_t **out, struct err *e);

/* The decoded value of a key, or NULL. */
const char *query_get(const json_t *query, const char *key);

/*
 * A whole number from min to max in *out, which stays as it is when the key is absent.
 * ERR_BAD_FIELD naming the key.
 */
int query_int(const json_t *query, const char *key, int64_t min, int64_t max, int64_t *out,
              struct err *e);

/* "1", "true", "" are true, "0", "false" false.  Absent: *out stays.  ERR_BAD_FIELD otherwise. */
int query_bool(const json_t *query, const char *key, bool *out, struct err *e);

#endif
