/*
 * The SQLite schema: tables, the view for people with sqlite3, and the way from older versions.
 *
 * The version is SQLite's user_version.  migrations[n] leads from version n to n + 1; one that was
 * released is never changed.
 */
#include <stddef.h>
#include <stdio.h>

#include "store/sqlite_int.h"

/* "coll": tells this database from any other SQLite file. */
enum { APPLICATION_ID = 0x636f6c6c };

static const char tables_1[] =
	/*
         * The directory.  Rows are never deleted, so that the largest key is their number and no
         * key comes twice.
         */
	"CREATE TABLE sessions ("
	" key INTEGER PRIMARY KEY,"
	" session_id TEXT NOT NULL UNIQUE,"
	" report_id TEXT NOT NULL,"
	" is_active INTEGER NOT NULL,"
	" seq INTEGER NOT NULL,"        /* of the last record */
	" floor INTEGER NOT NULL,"      /* records up to here are gone */
	" created_ms INTEGER NOT NULL," /* milliseconds since 1970, as all of these */
	" updated_ms INTEGER NOT NULL,"
	" due_ms INTEGER," /* NULL: never */
	" summary TEXT NOT NULL);"
	"CREATE INDEX idx_collaboration_sessions_report_id ON sessions (report_id);"
	"CREATE INDEX idx_collaboration_sessions_is_active ON sessions (is_active);"
	"CREATE UNIQUE INDEX sessions_one_active ON sessions (report_id) WHERE is_active = 1;"
	"CREATE INDEX sessions_due ON sessions (due_ms) WHERE due_ms IS NOT NULL;"
	/*
         * The logs.  Records of all sessions follow each other in the order of their commits: a
         * table clustered by session would touch a page of its own for each session that writes.
         */
	"CREATE TABLE events ("
	" session INTEGER NOT NULL,"
	" seq INTEGER NOT NULL,"
	" time_ms INTEGER NOT NULL,"
	" record TEXT NOT NULL);"
	"CREATE UNIQUE INDEX events_session_seq ON events (session, seq);"
	"CREATE TABLE snapshots ("
	" session INTEGER NOT NULL,"
	" seq INTEGER NOT NULL,"
	" state TEXT NOT NULL,"
	" PRIMARY KEY (session, seq));";

/*
 * The original system's table, column for column, for people and scripts that read the file with
 * sqlite3.  It shows the newest snapshot, so it may be some seconds behind the log.  The store does
 * not know what is in a state or a record: what is not JSON of the expected shape is left out
 * instead of making the whole view unreadable, and CASE is what makes sure that nothing is looked
 * into before it was checked.
 *
 * The columns before and after where events come from are the same in all versions so far.
 */
#define VIEW_BEFORE_EVENTS                                                                         \
	" SELECT s.session_id, s.report_id,"                                                       \
	" json_extract(p.state, '$.session_type') AS session_type,"                                \
	" (SELECT json_group_array(json(m.value))"                                                 \
	"  FROM json_each(p.state, '$.members') m WHERE m.type = 'object') AS participants,"       \
	" (SELECT json_group_array(coalesce(json_extract(m.value, '$.user_id'), m.key))"           \
	"  FROM json_each(p.state, '$.members') m"                                                 \
	"  WHERE CASE WHEN m.type = 'object'"                                                      \
	"   THEN json_type(m.value, '$.online') = 'true' END) AS active_editors,"                  \
	" json_extract(p.state, '$.started_at') AS started_at,"                                    \
	" json_extract(p.state, '$.last_activity') AS last_activity,"                              \
	" (SELECT json_group_array(json(e.record))"
#define VIEW_AFTER_EVENTS                                                                          \
	"  WHERE CASE WHEN json_valid(e.record)"                                                   \
	"   THEN json_extract(e.record, '$.type') IN ('section_update', 'section_deleted')"        \
	"   END) AS changes_log,"                                                                  \
	" (SELECT json_group_array(json(c.value))"                                                 \
	"  FROM json_each(p.state, '$.comments') c WHERE c.type = 'object') AS comments,"          \
	" (SELECT json_group_object(l.key, json_extract(l.value, '$.user_id'))"                    \
	"  FROM json_each(p.state, '$.locks') l WHERE l.type = 'object') AS locked_sections,"      \
	" json_extract(p.state, '$.conflict_resolution_strategy') AS "                             \
	"conflict_resolution_strategy,"                                                            \
	" json_extract(p.state, '$.max_participants') AS max_participants,"                        \
	" json_extract(p.state, '$.session_timeout_minutes') AS session_timeout_minutes,"          \
	" s.is_active,"                                                                            \
	" strftime('%Y-%m-%dT%H:%M:%fZ', s.created_ms / 1000.0, 'unixepoch') AS created_at,"

static const char view_1[] =
	"CREATE VIEW collaboration_sessions AS" VIEW_BEFORE_EVENTS
	"  FROM (SELECT record FROM events WHERE session = s.key ORDER BY seq) e" VIEW_AFTER_EVENTS
	" strftime('%Y-%m-%dT%H:%M:%fZ', s.updated_ms / 1000.0, 'unixepoch') AS updated_at"
	" FROM sessions s LEFT JOIN snapshots p ON p.session = s.key"
	"  AND p.seq = (SELECT max(seq) FROM snapshots WHERE session = s.key)"
	"  AND json_valid(p.state);";

/*
 * Events have a number that lasts (VACUUM may change a rowid that is no column), and the index of
 * them is a table, for it is filled late (sqlite_pending.c): what is behind event_tail.after may
 * not be in it yet, and a session's row may not have the seq and time of what is there.
 *
 * However long the logs are, this takes no time, because nothing is copied.  A rowid becomes a
 * column by being declared as one.  An index of (session, seq) and a table WITHOUT ROWID of
 * (session, seq, event) with that primary key are the same B-tree, byte for byte.
 */
#define EVENTS_2                                                                                   \
	"events (session INTEGER NOT NULL, seq INTEGER NOT NULL, time_ms INTEGER NOT NULL,"        \
	" record TEXT NOT NULL, event INTEGER PRIMARY KEY)"
#define EVENT_INDEX                                                                                \
	"event_index (session INTEGER NOT NULL, seq INTEGER NOT NULL, event INTEGER NOT NULL,"     \
	" PRIMARY KEY (session, seq)) WITHOUT ROWID"

static const char tables_2[] =
	"PRAGMA writable_schema = ON;"
	"UPDATE sqlite_master SET sql = 'CREATE TABLE " EVENTS_2 "'"
	" WHERE type = 'table' AND name = 'events';"
	"UPDATE sqlite_master SET type = 'table', name = 'event_index', tbl_name = 'event_index',"
	" sql = 'CREATE TABLE " EVENT_INDEX
	"' WHERE type = 'index' AND name = 'events_session_seq';"
	"PRAGMA writable_schema = RESET;"
	/* A damaged store may have had no index. */
	"CREATE TABLE IF NOT EXISTS " EVENT_INDEX ";"
	"INSERT INTO event_index SELECT session, seq, event FROM events"
	" WHERE NOT EXISTS (SELECT 1 FROM event_index) ORDER BY session, seq;"
	"CREATE TABLE event_tail (after INTEGER NOT NULL);"
	"INSERT INTO event_tail SELECT coalesce(max(event), 0) FROM events;";

/* The view, with what the index does not have yet. */
static const char view_2[] =
	"DROP VIEW IF EXISTS collaboration_sessions;"
	"CREATE VIEW collaboration_sessions AS" VIEW_BEFORE_EVENTS
	"  FROM (SELECT i.seq, e.record FROM event_index i CROSS JOIN events e ON e.event = i.event"
	"    WHERE i.session = s.key"
	"   UNION ALL SELECT e.seq, e.record FROM events e"
	"    WHERE t.session IS NOT NULL AND e.event > (SELECT after FROM event_tail)"
	"     AND e.session = s.key AND e.seq >"
	"      (SELECT coalesce(max(seq), 0) FROM event_index WHERE session = s.key)"
	"   ORDER BY 1) e" VIEW_AFTER_EVENTS
	" strftime('%Y-%m-%dT%H:%M:%fZ', coalesce(t.time_ms, s.updated_ms) / 1000.0,"
	"  'unixepoch') AS updated_at"
	" FROM sessions s LEFT JOIN snapshots p ON p.session = s.key"
	"  AND p.seq = (SELECT max(seq) FROM snapshots WHERE session = s.key)"
	"  AND json_valid(p.state)"
	" LEFT JOIN (SELECT session, max(time_ms) AS time_ms FROM events"
	"  WHERE event > (SELECT after FROM event_tail) GROUP BY session) t"
	"  ON t.session = s.key;";

static const char *const migrations[][2] = {
	{tables_1, view_1},
	{tables_2, view_2},
};

enum { VERSION = sizeof migrations / sizeof migrations[0] };

/* Whose file is it?  An empty one is ours to fill. */
static int check(struct db *d, int64_t *version, struct err *e)
{
	int64_t application = 0, tables = 0;
	int rc = db_int(d, "PRAGMA application_id", &application, e);

	if (!rc)
		rc = db_int(d, "PRAGMA user_version", version, e);
	if (!rc)
		rc = db_int(d, "SELECT count(*) FROM sqlite_master", &tables, e);
	if (rc)
		return rc;
	if (application != APPLICATION_ID && (application || *version || tables))
		return err_set(e, ERR_STORE_UNAVAILABLE, "the database is not one of collabd's");
	if (*version > VERSION)
		return err_set(e, ERR_STORE_UNAVAILABLE,
		               "the database has schema version %lld, this program knows %d",
		               (long long)*version, (int)VERSION);
	return 0;
}

/* The log is kept by the file system as a shared memory file; not every file system can. */
static int journal(struct db *d, struct err *e)
{
	int64_t wal = 0;
	int rc = db_exec(d, "PRAGMA journal_mode = WAL", e);

	if (!rc)
		rc = db_int(d, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &wal, e);
	if (!rc && !wal)
		rc = err_set(e, ERR_STORE_UNAVAILABLE,
		             "the file system cannot hold a write-ahead log");
	return rc;
}

int schema_open(struct db *d, struct err *e)
{
	char sql[96];
	int64_t version = 0;
	int rc = check(d, &version, e);

	if (!rc)
		rc = journal(d, e);
	if (rc || version == VERSION)
		return rc;
	rc = db_exec(d, "BEGIN IMMEDIATE", e);
	for (; !rc && version < VERSION; version++)
		for (size_t i = 0; !rc && i < 2; i++)
			rc = db_exec(d, migrations[version][i], e);
	(void)snprintf(sql, sizeof sql,
	               "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
	               APPLICATION_ID, (int)VERSION); /* it fits */
	return rc ? rc : db_exec(d, sql, e);
}

int schema_check(struct db *d, struct err *e)
{
	int64_t version = 0;
	int rc = check(d, &version, e);

	if (!rc && version < VERSION)
		rc = err_set(e, ERR_STORE_UNAVAILABLE,
		             "the database has schema version %lld; a daemon that is started on it "
		             "brings it to %d",
		             (long long)version, (int)VERSION);
	return rc;
}

int schema_make(struct db *d, struct err *e)
{
	int rc = 0;

	for (int version = 0; !rc && version < VERSION; version++)
		for (size_t i = 0; !rc && i < 2; i++)
			rc = db_exec(d, migrations[version][i], e);
	return rc;
}

int schema_touch(struct db *d, struct err *e)
{
	char sql[48];

	(void)snprintf(sql, sizeof sql, "PRAGMA user_version = %d", (int)VERSION); /* it fits */
	return db_exec(d, sql, e);
}
