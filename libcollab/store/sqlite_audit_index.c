/*
 * The index of events in a store at rest: whether it has what it must have and nothing else, and
 * making it anew.  It is derived from the events, so nothing is lost with it.
 */
#include "store/sqlite_audit.h"

/* Behind this, events may be in the index or not; but of each session the first ones are. */
#define AFTER "(SELECT after FROM event_tail)"
#define LAST "(SELECT max(seq) FROM event_index WHERE session = e.session)"

/* Events beside what the index has for their seq. */
#define BESIDE " FROM events e LEFT JOIN event_index i ON i.session = e.session AND i.seq = e.seq"

/* Those for which that is wrong. */
#define AMISS BESIDE " WHERE i.event IS NOT e.event AND (e.event <= " AFTER " OR e.seq <= " LAST ")"

/* Entries without such an event. */
#define ASTRAY                                                                                     \
	" FROM event_index i LEFT JOIN events e ON e.event = i.event AND e.session = i.session"    \
	" AND e.seq = i.seq WHERE e.event IS NULL"

/* event_tail is one row, about events that are there. */
#define TAIL_IS_WELL                                                                               \
	"(SELECT count(*) = 1 AND max(after) <= (SELECT coalesce(max(event), 0) FROM events)"      \
	" FROM event_tail)"

/*
 * One pass over the events in their order, which looks each up in the index: when none is amiss and
 * the index has as many entries as it has of them, it is well.
 */
static int is_well(struct audit *a, bool *well, struct err *e)
{
	int64_t tail = 0, amiss = 0, waiting = 0, rest = 0;
	int rc = db_int(&a->db, "SELECT " TAIL_IS_WELL, &tail, e);

	*well = false;
	if (rc || !tail)
		return rc;
	rc = db_int(&a->db, "SELECT count(*)" AMISS, &amiss, e);
	if (rc || amiss)
		return rc;
	rc = db_int(&a->db,
	            "SELECT count(*)" BESIDE " WHERE e.event > " AFTER " AND i.event IS NULL",
	            &waiting, e);
	if (!rc)
		rc = db_int(&a->db,
		            "SELECT (SELECT count(*) FROM events) - (SELECT count(*) FROM"
		            " event_index)",
		            &rest, e);
	*well = rest == waiting;
	return rc;
}

int audit_index(struct audit *a, audit_fn *fn, void *arg, bool *mendable, struct err *e)
{
	static const char *const queries[] = {
		"SELECT 'it is not known which events the index has' WHERE NOT " TAIL_IS_WELL,
		"SELECT 'the index has ' || CASE WHEN i.event IS NULL THEN 'no' ELSE 'another' END"
		" || ' event for seq ' || e.seq || ' of session ' || e.session" AMISS " LIMIT 20",
		"SELECT 'the index has seq ' || i.seq || ' of session ' || i.session ||"
		" ', and no such event is there'" ASTRAY " LIMIT 20",
	};
	int64_t once = 1;
	bool well = false;
	int rc = is_well(a, &well, e);

	for (size_t i = 0; !rc && !well && i < sizeof queries / sizeof queries[0]; i++)
		rc = audit_each(&a->db, queries[i], fn, arg, e);
	if (!rc && !well)
		rc = db_int(&a->db,
		            "SELECT NOT EXISTS (SELECT 1 FROM events GROUP BY session, seq"
		            " HAVING count(*) > 1)",
		            &once, e);
	*mendable = once != 0;
	if (rc || well || a->distrusted)
		return rc;
	a->distrusted = true;
	a->all.stmts = a->pending.stmts;
	return pending_follow_all(&a->all, &a->db) ? db_error(&a->db, "cannot read the logs", e)
	                                           : 0;
}

int audit_mend_index(struct audit *a, struct err *e)
{
	static const char sql[] =
		"BEGIN IMMEDIATE;"
		"DELETE FROM event_tail WHERE rowid > (SELECT min(rowid) FROM event_tail);"
		"INSERT INTO event_tail SELECT last FROM"
		" (SELECT coalesce(max(event), 0) AS last FROM events)"
		" WHERE NOT EXISTS (SELECT 1 FROM event_tail);"
		"UPDATE event_tail SET after ="
		" min(after, (SELECT coalesce(max(event), 0) FROM events));"
		"DELETE FROM event_index;"
		/* What the rows of sessions do not say yet stays what it is. */
		"INSERT OR IGNORE INTO event_index SELECT session, seq, event FROM events"
		" WHERE event <= " AFTER " ORDER BY session, seq, event;"
		"COMMIT";
	struct err ignored = {0};
	int rc = db_exec(&a->db, sql, e);

	if (rc)
		(void)db_exec(&a->db, "ROLLBACK", &ignored); /* there may be nothing to undo */
	return rc;
}
