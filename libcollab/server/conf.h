/*
 * Configuration: collabd.conf(5) (INI) and the command line, checked into one struct.
 *
 * conf_init, conf_read, conf_set for each flag, conf_finish; then the values are whole and checked.
 * One thread at a time may read files: the INI library keeps its settings in globals.
 */
#ifndef COLLAB_SERVER_CONF_H
#define COLLAB_SERVER_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "core/limits.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

/*
 * X(section, key, member of struct conf, type, default as text, min, max, meaning)
 * Types: STRING, PATH, BOOL, INT.  The range counts for INT.
 */
/* clang-format off */
#define CONF_TABLE(X)                                                                              \
	X(server, data_dir, data_dir, PATH, "", 0, 0, "where the database lives; default: $XDG_STATE_HOME/collabd, root: /var/lib/collabd") \
	X(server, socket, socket, PATH, "", 0, 0, "the Unix socket; default: $XDG_RUNTIME_DIR/collabd.sock, root: /run/collabd/collabd.sock, else in data_dir; \"none\" for none") \
	X(server, listen, listen, STRING, "127.0.0.1:8765", 0, 0, "comma-separated addresses with port for HTTP and WebSocket; \"none\" for none") \
	X(server, admin_group, admin_group, STRING, "", 0, 0, "members of this group are administrators on the Unix socket") \
	X(server, durability, durability, STRING, "fsynced", 0, 0, "when an edit is acknowledged; fsynced is the only value") \
	X(server, log_level, log_level, STRING, "info", 0, 0, "error, warning, notice, info or debug") \
	X(server, log_text, log_text, BOOL, "no", 0, 0, "whether debug logs may hold document text") \
	X(server, allowed_origins, allowed_origins, STRING, "", 0, 0, "comma-separated origins that browsers may come from; * for all") \
	X(server, public_url, public_url, STRING, "", 0, 0, "what websocket_url in answers begins with; default: from the request's Host") \
	X(server, metrics_public, metrics_public, BOOL, "no", 0, 0, "whether /metrics answers without a token") \
	X(auth, secret_file, secret_file, PATH, "", 0, 0, "file with the secret of HS256/384/512 tokens") \
	X(auth, jwks, jwks, STRING, "", 0, 0, "file or URL with a JWK or JWKS")                    \
	X(auth, audience, audience, STRING, "", 0, 0, "aud that tokens must have")                 \
	X(auth, issuer, issuer, STRING, "", 0, 0, "iss that tokens must have")                     \
	X(auth, default_scopes, default_scopes, STRING, "collab:start", 0, 0, "scopes of a token without scope, and of local users; \"none\" for none") \
	X(auth, leeway_seconds, leeway_seconds, INT, "30", 0, 300, "clock difference allowed in exp and nbf") \
	X(tls, certificate, tls_certificate, PATH, "", 0, 0, "PEM file with the certificate chain") \
	X(tls, key, tls_key, PATH, "", 0, 0, "PEM file with the private key")                      \
	X(presence, grace_seconds, grace_seconds, INT, "10", 0, 3600, "how long a lost connection stays online") \
	X(presence, cursor_seconds, cursor_seconds, INT, "300", 1, 86400, "how long a cursor that does not move is shown") \
	X(retention, snapshot_events, snapshot_events, INT, "1000", 1, 1000000, "events between snapshots at the most") \
	X(retention, keep_days, keep_days, INT, "0", 0, 100000, "how long the events of a session that is over are kept; 0: for ever") \
	X(retention, room_idle_seconds, room_idle_seconds, INT, "60", 0, 86400, "how long a session nobody looks at stays in memory")
/* clang-format on */

/* The index of each row, by member: CONF_AT_data_dir is 0. */
enum conf_at {
#define X(section, key, member, type, def, min, max, text) CONF_AT_##member,
	CONF_TABLE(X)
#undef X
		CONF_ROWS
};

struct conf {
#define CONF_STRING char *
#define CONF_PATH char *
#define CONF_BOOL bool
#define CONF_INT int64_t
#define X(section, key, member, type, def, min, max, text) CONF_##type member;
	CONF_TABLE(X)
#undef X
	struct limits limits; /* section [limits], by the names of core/limits.h */
	enum log_level level; /* log_level, parsed */
	bool data_dir_usual;  /* data_dir is where it is when nobody says otherwise */
	char *file;           /* the file read, or NULL */
	int lines[CONF_ROWS]; /* the line of `file` that set the row; 0: default or flag */
};

struct conf_row {
	const char *section, *key, *type, *def;
	int64_t min, max;
	const char *text;
};

/* The table's rows (without limits); *len is set to how many. */
const struct conf_row *conf_rows(int *len);

/* Everything at its default; paths are still "" (conf_finish fills them in from the environment).
 */
int conf_init(struct conf *c, struct err *e);
void conf_release(struct conf *c); /* a zeroed struct is fine */

/*
 * Read a file over what is set.  ERR_CONFIG with "file:line: sentence"; an unknown section or key
 * is an error, with the nearest known name as a suggestion.  On failure *c may be half changed.
 */
int conf_read(struct conf *c, const char *path, struct err *e);

/*
 * Set one value ("section.key" or a limit's "limits.name"), as a flag on the command line does.
 * ERR_CONFIG with "section.key: sentence", and nothing changed.
 */
int conf_set(struct conf *c, const char *name, const char *value, struct err *e);

/*
 * Fill in defaults that depend on the user and environment; check what must fit together.  `listen`
 * and `socket` keep the word "none".  ERR_CONFIG with the line where there is one.
 */
int conf_finish(struct conf *c, struct err *e);

/*
 * The first setting from number `from` on (0: the first) that differs: its number, and
 * "section.key" in name.  -1: there are no more.
 */
enum { CONF_NAME_BYTES = 64 };
int conf_differs(const struct conf *a, const struct conf *b, int from, char name[CONF_NAME_BYTES]);

#endif
