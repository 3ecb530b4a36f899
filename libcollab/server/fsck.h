/*
 * Checking a store at rest: every log is folded, and everything that is kept beside it is compared
 * with what the fold says.  The log is the truth: what is derived from it can be mended, a record
 * that is damaged or missing cannot.
 */
#ifndef COLLAB_SERVER_FSCK_H
#define COLLAB_SERVER_FSCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/audit.h"

/* X(NAME, name, meaning): what a problem is about */
#define FSCK_TABLE(X)                                                                              \
	X(DATABASE, "database", "SQLite finds pages or indexes damaged")                           \
	X(SCHEMA, "schema", "a table, an index or the view is not as it must be")                  \
	X(INDEX, "index", "the index of events is not what the events say")                        \
	X(ORPHAN, "orphan", "rows that belong to no session")                                      \
	X(RECORD, "record", "a record is missing, or is no event")                                 \
	X(CHAIN, "chain", "a record's hash does not follow")                                       \
	X(FOLD, "fold", "an event does not fit the state before it")                               \
	X(TIME, "time", "the time beside a record is not the event's")                             \
	X(SNAPSHOT, "snapshot", "a snapshot is not the state that the log says")                   \
	X(DIRECTORY, "directory", "the session's row is not what the log says")

enum fsck_kind {
#define X(name, text, meaning) FSCK_##name,
	FSCK_TABLE(X)
#undef X
		FSCK_KINDS
};

const char *fsck_kind_name(enum fsck_kind kind);

struct fsck_problem {
	enum fsck_kind kind;
	const char *session_id, *report_id; /* NULL: not of a session */
	int64_t seq;                        /* -1: not of one record */
	const char *text;
	bool mendable; /* and done, where that was asked for */
};

struct fsck {
	struct audit *audit; /* open for repair if `repair` is set; the caller closes it */
	bool repair;
	int64_t now_ms;
	void (*found)(void *arg, const struct fsck_problem *p);
	bool (*progress)(void *arg, int64_t done, int64_t total); /* events; false: give up */
	void *arg;
	/* what came of it */
	int64_t sessions, events, events_total, problems, mended;
};

/* Look at all of it.  0 also when problems were found; ERR_* when it could not be looked at. */
int fsck_run(struct fsck *f, struct err *e);

#endif
