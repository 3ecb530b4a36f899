/*
 * Inside the SQLite backend: who does what, and what they share.
 *
 *	sqlite.c         opening, the owner's thread: queues, poll, stats
 *	sqlite_conn.c    connections, prepared statements, error texts
 *	sqlite_schema.c  the tables, the view, migrations
 *	sqlite_pending.c what the index of events does not have yet
 *	sqlite_stage.c   what the writer puts into a transaction
 *	sqlite_index.c   what of it goes to the index, and when
 *	sqlite_write.c   the writer thread: group commit, failure, recovery
 *	sqlite_read.c    the reader thread
 *	sqlite_audit*.c  a store at rest, row by row, and its index
 *	sqlite_copy.c    copying a database, and putting a copy in a store's place
 *	sqlite_scrub.c   taking what was erased out of the files
 *	sqlite_wal.c     the checkpoint thread
 *	sqlite_tail.c    the log's end after a failure: cut what was not committed, keep what was
 *
 * Each thread has a connection of its own, and nothing of it is touched by another thread while it
 * runs.  What threads share has its lock beside it; no lock is held while another is taken.
 */
#ifndef COLLAB_STORE_SQLITE_INT_H
#define COLLAB_STORE_SQLITE_INT_H

#include <pthread.h>

#include "store/request.h"

struct sqlite3;
struct sqlite3_stmt;

/* ---- connections ---- */

struct db {
	struct sqlite3 *handle; /* NULL: closed */
	int system_errno;       /* of the last call that failed */
	struct sqlite3_stmt **stmts;
	size_t stmts_len;
};

/* What a connection is for. */
enum db_use { DB_WRITE, DB_READ, DB_CHECKPOINT, DB_COPY };

/* Open `path`.  The journal mode is as the file has it.  ERR_STORE_UNAVAILABLE. */
int db_open(struct db *d, const char *path, enum db_use use, struct err *e);

/*
 * Prepare sql[0..len) behind those that d->stmts has.  ERR_STORE_UNAVAILABLE: the schema is not
 * what it should be.
 */
int db_prepare(struct db *d, const char *const sql[], size_t len, struct err *e);

/* Undo what is not committed and close; a closed one is fine. */
void db_close(struct db *d);

/* Run statements that need no argument and give no row. */
int db_exec(struct db *d, const char *sql, struct err *e);

/* The one integer of a query's one row, in *out. */
int db_int(struct db *d, const char *sql, int64_t *out, struct err *e);

/*
 * *e becomes "what: what SQLite says (what the system says)", of the last call on d that failed.
 * Returns ERR_CORRUPT when the file is damaged, else ERR_STORE_UNAVAILABLE.
 */
int db_error(struct db *d, const char *what, struct err *e);

/* One run of a prepared statement; an error in binding an argument comes out of the step. */
struct db_call {
	struct db *db;
	struct sqlite3_stmt *stmt;
	int at; /* arguments bound */
	int rc; /* SQLite's, of the binding */
};

/* Columns of a row, counted from 0; text is lent until the next step; p is NULL without memory. */
struct db_text {
	const char *p;
	size_t len;
};

struct db_call db_begin(struct db *d, size_t stmt);
void db_put_int(struct db_call *c, int64_t value);
void db_put_due(struct db_call *c, int64_t due_ms);             /* STORE_NEVER is kept as NULL */
void db_put_text(struct db_call *c, const char *p, size_t len); /* lent until db_end */

/* 1: there is a row; 0: there are no more; -1: it failed, see db_error(). */
int db_step(struct db_call *c);
int64_t db_get_int(const struct db_call *c, int column);
int64_t db_get_due(const struct db_call *c, int column);
struct db_text db_get_text(const struct db_call *c, int column);

/* Reset the statement, which ends its view of the database. */
void db_end(struct db_call *c);

/* Run a statement that gives no row, and db_end() it. 0 or -1. */
int db_run(struct db_call *c);

/*
 * (seq, time, record) of a session's events (?1) behind a seq (?2), those that the index has; and
 * of one event (?1) of a session (?2).
 */
#define DB_EVENTS                                                                                  \
	"SELECT i.seq, e.time_ms, e.record FROM event_index i CROSS JOIN events e"                 \
	" ON e.event = i.event AND e.session = i.session AND e.seq = i.seq"                        \
	" WHERE i.session = ?1 AND i.seq > ?2 ORDER BY i.seq"
#define DB_EVENT "SELECT seq, time_ms, record FROM events WHERE event = ?1 AND session = ?2"

/* The columns that db_get_session() takes, in order, from column 0. */
#define DB_SESSION                                                                                 \
	"key, session_id, report_id, is_active, seq, floor, created_ms, updated_ms, due_ms, "      \
	"summary"
int db_get_session(const struct db_call *c, struct store_session *row); /* 0 or -1 */

/* Make the tables or bring them to this version; refuses files that are newer or another's. */
int schema_open(struct db *d, struct err *e);

/* Whose file it is, and of this version: ERR_STORE_UNAVAILABLE.  Nothing is changed. */
int schema_check(struct db *d, struct err *e);

/* Make the tables in an empty database, to compare with. */
int schema_make(struct db *d, struct err *e);

/* Write something that is there already, through to the disk. */
int schema_touch(struct db *d, struct err *e);

/* ---- events that the index does not have ---- */

/*
 * Behind event_tail.after, events may or may not be in event_index; of each session those that are
 * come before those that are not.  A struct pending knows them all; of a session that has any there
 * it also knows the last seq and time, which the session's row may not have yet.  It belongs to one
 * connection.  A zeroed one is empty.
 */
struct pending_row {
	int64_t seq, event;
};

struct pending_log {
	struct pending_log *next; /* in its bucket */
	int64_t key;
	int64_t time_ms;          /* of the last one */
	struct pending_row *rows; /* from first to len, never none */
	size_t first, len, cap;
	size_t indexed; /* those before it are in the index, as far as this is told */
};

enum { PENDING_BUCKETS = 4096 };

struct pending {
	struct pending_log *buckets[PENDING_BUCKETS];
	struct pending_log **tail; /* from first to len: whose each event is, in their order */
	size_t first, len, cap;
	size_t waiting; /* not in the index */
	int64_t last;   /* the last event seen, or what event_tail.after says if that is more */
	int64_t stored; /* event_tail.after */
	size_t stmts;   /* the first of its statements */
};

/* Prepare for d what follow needs.  An empty p, or one that was followed before. */
int pending_prepare(struct pending *p, struct db *d, struct err *e);

/* Bring p up to what d sees now.  0 or -1: the database, or no memory. */
int pending_follow(struct pending *p, struct db *d);

/* The same for an empty one and all events there are, whether the index has them or not. */
int pending_follow_all(struct pending *p, struct db *d);
void pending_release(struct pending *p);

/* The session's log, or NULL: it has nothing there.  Lent until p is changed. */
struct pending_log *pending_find(struct pending *p, int64_t key);

/* Where its rows with a greater seq begin; the event with this seq, 0: none. */
size_t pending_from(const struct pending_log *l, int64_t seq);
int64_t pending_event(const struct pending_log *l, int64_t seq);

/* Put into a row that was read what it does not have yet. */
void pending_head(struct pending *p, struct store_session *row);

/* For who writes: one more event behind all others (0 or -1: no memory); its next n are indexed. */
int pending_add(struct pending *p, int64_t key, struct pending_row row, int64_t time_ms);
void pending_indexed(struct pending *p, struct pending_log *l, size_t n);

/* The log of the oldest one that is not in the index; NULL: all are. */
struct pending_log *pending_oldest(struct pending *p);

/* What event_tail.after can be. */
int64_t pending_after(struct pending *p);

/* ---- queues ---- */

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct store_request_list list;
	bool stop;
};

/* Add a list (left empty); tells whether the queue was empty before. */
bool queue_put(struct queue *q, struct store_request_list *more);

/*
 * Take all there is, waiting for it at most timeout_ms (0: without end).  False: stopped, and
 * nothing is left.  An empty list: time is up.
 */
bool queue_take(struct queue *q, int64_t timeout_ms, struct store_request_list *out);

/* ---- the store ---- */

struct head; /* what the writer knows of a session */
enum { HEAD_BUCKETS = 4096, PENDING_MAX = 16384 };

struct writer {
	struct db db;
	struct head *heads[HEAD_BUCKETS];
	size_t heads_len;
	struct head *dirty; /* touched in this transaction */
	struct pending pending;
	size_t pending_max; /* this many may wait for the index, and the tail be twice as long */
	size_t index_stmts; /* the first of its statements */
	int64_t sync_us;    /* how long the last COMMIT took */
	int64_t records;    /* of this transaction; so are these: */
	int64_t created, activated;
	int64_t failures; /* failed commits */
	bool wrote;       /* the last transaction wrote something */
	bool failing; /* the last commit that had something to write, or a probe since, failed */
	bool torn;    /* a failed commit may have left something in the log */
};

struct wal {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct db db;
	int frames;     /* in the log, as of the last commit */
	int frames_new; /* of these, those that no checkpoint has seen */
	bool writing;   /* a transaction is open */
	bool gate;      /* none may be opened: a checkpoint wants to reach the end of the log */
	bool copying;   /* a checkpoint runs */
	bool held;      /* none may begin: the writer makes its own */
	bool stop;
};

/* What was erased and is still in the files; the writer's, like the rest of its state. */
struct scrub {
	int64_t at_ms;    /* monotonic: when to try; 0: there is nothing to scrub */
	int64_t pause_ms; /* the last one, after a failure */
};

struct sqlite_store {
	struct store_base base;
	void (*wake)(void *arg);
	void *arg;
	char *path; /* of the database, absolute */
	int dir_fd, lock_fd;
	int64_t failures_seen; /* of failed commits, the last one reported to the owner */
	struct queue writes, reads, done;
	struct writer writer;
	struct scrub scrub;
	struct db reader;
	struct pending reader_pending;
	struct wal wal;
	pthread_t threads[3];
	size_t threads_len;
	pthread_mutex_t stats_lock;
	struct store_stats stats;
};

/*
 * The directory and its lock by themselves: nothing runs, no database is open.  Without `make`
 * there must be a database: ERR_CONFIG.  Only path, dir_fd and lock_fd of *out count.
 */
int sqlite_dir_take(struct sqlite_store **out, const char *dir, bool make, struct err *e);
void sqlite_dir_give(struct sqlite_store *s); /* NULL is fine */

/* One transaction of the writer; -1: the database failed, see db_error(). */
int writer_prepare(struct writer *w, struct err *e);
int writer_begin(struct writer *w);
int writer_stage(struct writer *w, struct store_request *r); /* 0 also when r is refused */
int writer_round_off(struct writer *w); /* what is written once a transaction */
int writer_commit(struct writer *w);

/*
 * The index (sqlite_index.c).  Once a connection is open: what waits for it.  Then, in a
 * transaction: as much as brings what waits within bounds; everything; or all of one session.
 * 0 or -1.
 */
int index_prepare(struct writer *w, struct err *e);
int index_follow(struct writer *w);
int index_some(struct writer *w);
int index_all(struct writer *w);
int index_log(struct writer *w, int64_t key);

/* Forget the heads: the file may say something else. */
void writer_forget(struct writer *w);

/* Milliseconds on a clock that only goes forward. */
int64_t sqlite_now_ms(void);

/* Hand finished requests (left empty) to the owner, and wake it. */
void sqlite_done(struct sqlite_store *s, struct store_request_list *list);

/* Commit everything to the index; what that cannot be is found by the next opening. */
void writer_settle(struct sqlite_store *s);

/* Open the writer's connection (again); the threads' main functions take the store. */
int writer_open(struct sqlite_store *s, struct err *e);
void writer_release(struct sqlite_store *s);
void *writer_main(void *store);
int reader_open(struct sqlite_store *s, struct err *e);
void reader_close(struct sqlite_store *s);
void *reader_main(void *store);
int wal_open(struct sqlite_store *s, struct err *e);
void *wal_main(void *store);

/* Nothing is known any more: close the writer's connection, and start from what is in the file. */
void writer_restart(struct sqlite_store *s);

/*
 * Scrubbing (sqlite_scrub.c).  Before a rewrite that erases is committed a file in the directory,
 * the note, says that there is something to scrub; it goes when that is done.
 */
int scrub_note(struct sqlite_store *s, const struct store_request_list *batch, struct err *e);
bool scrub_noted(int dir_fd);

/* At the opening: what was noted is tried at once, and later again by itself. */
void scrub_open(struct sqlite_store *s);

/* Take those that ask for it out of a batch; do what they ask for, and say how it went. */
void scrub_take(struct store_request_list *batch, struct store_request_list *out);
void scrub_answer(struct sqlite_store *s, struct store_request_list *asked);

/* Try it when its time has come; how long that is from now (0: there is nothing to scrub). */
void scrub_tick(struct sqlite_store *s);
int64_t scrub_wait_ms(const struct sqlite_store *s);

/* The writer waits here while a checkpoint must be alone, and tells when it is done. */
void wal_write_begin(struct sqlite_store *s);
void wal_write_end(struct sqlite_store *s);

/* Between these, which are not between those, the checkpoint thread makes none. */
void wal_hold(struct sqlite_store *s);
void wal_let_go(struct sqlite_store *s);

/* Follow the commits of connection d, whose automatic checkpoints end. */
void wal_follow(struct sqlite_store *s, struct db *d);

/*
 * Cut off what lies in the log behind its last commit: a commit that failed in its fsync is there
 * in full, and a recovery after a crash would take it for done.
 */
int wal_cut(struct db *d, struct err *e);

/*
 * Before the database is opened: write the log `name` over itself, and sync it.  A sync that failed
 * in a process before this one may have left frames that are only in the kernel's cache, clean: the
 * recovery would take them, nothing would ever write them, and a power cut would take from the log
 * whatever is committed behind them.  No log: nothing to do.  ERR_STORE_UNAVAILABLE.
 */
int wal_settle(int dir_fd, const char *name, struct err *e);

/* At closing: bring everything into the database file and empty the log. */
void wal_finish(struct sqlite_store *s);

#endif
