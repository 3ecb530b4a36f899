/* What the files of an audit (audit.h) share. */
#ifndef COLLAB_STORE_SQLITE_AUDIT_H
#define COLLAB_STORE_SQLITE_AUDIT_H

#include "store/audit.h"
#include "store/sqlite_int.h"

struct audit {
	struct sqlite_store *dir; /* holds the lock; NULL: a file by itself */
	struct db db;
	struct pending pending;
	bool distrusted; /* the index: records are read by this instead, which has all */
	struct pending all;
	struct db_call records;
	bool reading; /* records */
	bool indexed; /* of these, those that the index has */
	int64_t key;  /* whose */
	int64_t seq;  /* of the last one, or what they are behind */
	char *summary, *text;
	size_t text_cap;
};

/* Each row of a query, its first column. */
int audit_each(struct db *d, const char *sql, audit_fn *fn, void *arg, struct err *e);

#endif
