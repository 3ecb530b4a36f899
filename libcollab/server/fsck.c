/* Checking a store: the database as a whole, then session by session; fsck_walk.c has the logs. */
#include "server/fsck.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/fsck_walk.h"

enum { SENTENCE_BYTES = 512 };

static const char *const kinds[] = {
#define X(name, text, meaning) text,
	FSCK_TABLE(X)
#undef X
};

const char *fsck_kind_name(enum fsck_kind kind)
{
	return kinds[kind];
}

void fsck_tell(struct fsck *f, enum fsck_kind kind, const struct store_session *row, int64_t seq,
               bool mendable, const char *fmt, ...)
{
	char text[SENTENCE_BYTES];
	struct fsck_problem p = {.kind = kind,
	                         .session_id = row ? row->session_id : NULL,
	                         .report_id = row ? row->report_id : NULL,
	                         .seq = seq,
	                         .text = text,
	                         .mendable = mendable};
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap); /* a long one is cut */
	va_end(ap);
	f->problems++;
	f->mended += mendable && f->repair;
	f->found(f->arg, &p);
}

/* ---- the database as a whole ----------------------------------------------------------------- */

struct noted {
	struct fsck *f;
	enum fsck_kind kind;
	bool mendable;
	int told;
};

static void note(void *arg, const char *sentence)
{
	struct noted *n = arg;

	n->told++;
	fsck_tell(n->f, n->kind, NULL, -1, n->mendable, "%s", sentence);
}

static void count(void *arg, const char *sentence)
{
	struct noted *n = arg;

	(void)sentence;
	n->told++;
}

static void count_tables(void *arg, const char *sentence)
{
	struct noted *n = arg;

	n->told += strncmp(sentence, "table ", 6) == 0;
}

/*
 * Indexes and the view are made anew where something is wrong with them.  Whether that is all that
 * is wrong shows when it is looked at again; without `repair` it is what the sentences speak of.
 */
static int check_database(struct fsck *f, struct err *e)
{
	struct noted integrity = {.f = f, .kind = FSCK_DATABASE}, left = integrity;
	struct noted schema = {.f = f, .kind = FSCK_SCHEMA, .mendable = true}, tables = schema;
	struct err ignored = {0};
	int rc = audit_integrity(f->audit, count, &integrity, e);

	if (!rc)
		rc = audit_schema(f->audit, count, &schema, e);
	if (!rc)
		rc = audit_schema(f->audit, count_tables, &tables, e);
	if (rc || integrity.told + schema.told == 0)
		return rc;
	schema.mendable = tables.told == 0;
	rc = audit_schema(f->audit, note, &schema, e); /* before it is mended */
	if (!rc && f->repair && tables.told == 0 && audit_rebuild(f->audit, &ignored) == 0) {
		rc = audit_integrity(f->audit, count, &left, e);
		if (!rc && integrity.told && left.told == 0)
			fsck_tell(f, FSCK_DATABASE, NULL, -1, true,
			          "%d places in indexes did not fit their tables", integrity.told);
		if (!rc && left.told == 0)
			return 0;
	}
	return rc ? rc : audit_integrity(f->audit, note, &left, e);
}

/* Records are read without an index that is not well; it can always be made anew. */
static int check_index(struct fsck *f, struct err *e)
{
	struct noted n = {.f = f, .kind = FSCK_INDEX};
	int rc = audit_index(f->audit, count, &n, &n.mendable, e);

	if (rc || n.told == 0)
		return rc;
	rc = audit_index(f->audit, note, &n, &n.mendable, e);
	return rc || !f->repair ? rc : audit_mend_index(f->audit, e);
}

static int check_orphans(struct fsck *f, struct err *e)
{
	int64_t events = 0, snapshots = 0;
	int rc = audit_orphans(f->audit, &events, &snapshots, e);

	if (!rc && events)
		fsck_tell(f, FSCK_ORPHAN, NULL, -1, false, "%lld records belong to no session",
		          (long long)events);
	if (!rc && snapshots)
		fsck_tell(f, FSCK_ORPHAN, NULL, -1, true, "%lld snapshots belong to no session",
		          (long long)snapshots);
	if (!rc && snapshots && f->repair)
		rc = audit_drop_orphan_snapshots(f->audit, e);
	return rc;
}

static int check_session(struct fsck *f, const struct store_session *row, struct err *e)
{
	int rc = f->repair ? audit_begin(f->audit, e) : 0;

	if (!rc)
		rc = fsck_walk(f, row, e);
	if (!rc && f->repair)
		rc = audit_commit(f->audit, e);
	f->sessions++;
	return rc;
}

int fsck_run(struct fsck *f, struct err *e)
{
	struct store_session row = {0};
	int64_t sessions = 0;
	int rc = check_database(f, e);

	if (!rc)
		rc = check_index(f, e);
	if (!rc)
		rc = audit_count(f->audit, &sessions, &f->events_total, e);
	if (!rc)
		rc = check_orphans(f, e);
	while (!rc && (rc = audit_session(f->audit, row.key, &row, e)) == 1)
		rc = check_session(f, &row, e);
	return rc;
}
