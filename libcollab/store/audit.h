/*
 * A store at rest: its database looked through row by row, and mended.
 *
 * For checking, restoring and verifying backups, where store.h is too clean: it shows only what is
 * as it must be.  Everything here blocks; an audit belongs to one thread.  Records are lent until
 * the next call.  Functions return 0 (or 1 where said so) or ERR_*: ERR_CORRUPT when SQLite cannot
 * make sense of the file, ERR_STORE_UNAVAILABLE when it cannot be read or written.
 */
#ifndef COLLAB_STORE_AUDIT_H
#define COLLAB_STORE_AUDIT_H

#include "store/store.h"

struct audit;

/*
 * The store in directory `dir`, which no daemon may have: ERR_CONFIG when one has, or when there is
 * no store.  `repair`: changes can be made.
 */
int audit_open(struct audit **out, const char *dir, bool repair, struct err *e);

/* The same for the database file `path` of any place, which nobody may be using. */
int audit_open_file(struct audit **out, const char *path, bool repair, struct err *e);
void audit_close(struct audit *a); /* NULL is fine */

/* Called with a sentence for each thing that is not as it must be. */
typedef void audit_fn(void *arg, const char *sentence);

/* The pages and indexes, as SQLite sees them.  0 also when something was told. */
int audit_integrity(struct audit *a, audit_fn *fn, void *arg, struct err *e);

/* Tables, indexes and the view that are missing or differ from what this program makes. */
int audit_schema(struct audit *a, audit_fn *fn, void *arg, struct err *e);

/*
 * The index of events: entries that are missing, that are wrong, or that are there for nothing,
 * some twenty of each.  When something was told, records are read without it from then on.
 * *mendable: it can be made anew, for no event is there twice.
 */
int audit_index(struct audit *a, audit_fn *fn, void *arg, bool *mendable, struct err *e);

/* How many sessions there are, and events; for progress. */
int audit_count(struct audit *a, int64_t *sessions, int64_t *events, struct err *e);

/* The session with the least key above after_key: 1, or 0: there is none.  Its strings are lent
 * until the next call of this function. */
int audit_session(struct audit *a, int64_t after_key, struct store_session *row, struct err *e);

/* The records of a session in order, from after_seq on: begin, then 1 and *r, or 0 at the end. */
int audit_records(struct audit *a, int64_t key, int64_t after_seq, struct err *e);
int audit_record(struct audit *a, struct store_record *r, struct err *e);

/* The snapshot with the least seq above after_seq: 1, or 0: there is none. */
int audit_snapshot(struct audit *a, int64_t key, int64_t after_seq, struct store_record *r,
                   struct err *e);

/* How many events, or snapshots, belong to no session. */
int audit_orphans(struct audit *a, int64_t *events, int64_t *snapshots, struct err *e);

/* ---- mending: with `repair` only ---- */

/* What is mended between the two comes at once, or not at all. */
int audit_begin(struct audit *a, struct err *e);
int audit_commit(struct audit *a, struct err *e);

/* Indexes and the view are made anew. */
int audit_rebuild(struct audit *a, struct err *e);

/* The index of events is made anew. */
int audit_mend_index(struct audit *a, struct err *e);

/* seq, active, updated_ms, due_ms and summary of the row with this key. */
int audit_put_session(struct audit *a, const struct store_session *row, struct err *e);
int audit_put_time(struct audit *a, int64_t key, int64_t seq, int64_t time_ms, struct err *e);
int audit_put_snapshot(struct audit *a, int64_t key, int64_t seq, const char *bytes, size_t len,
                       struct err *e);
int audit_drop_snapshot(struct audit *a, int64_t key, int64_t seq, struct err *e);
int audit_drop_orphan_snapshots(struct audit *a, struct err *e);

/* ---- whole files ---- */

/*
 * Copy the database `from`, which may be in use, to the new file `to` (mode 0600) as it is at one
 * moment, and sync it.  dir_fd is the directory of the store that has it open (-1: none has): what
 * was erased there, and is to be scrubbed yet, is not copied.  On failure there is no `to`.
 * ERR_EXISTS: there is one already.
 */
int audit_copy(const char *from, const char *to, int dir_fd, store_progress_fn *fn, void *arg,
               struct err *e);

/*
 * Putting a copy of a database in a store's place: begin takes `dir` (made when missing), which no
 * daemon may have, and copies `file` into it under another name, brought to this version of the
 * schema; what is under that name (path) can then be looked at; install makes it the store.
 * Until then nothing has changed, and free removes the copy.
 *
 * begin: ERR_EXISTS when there is a store, unless `force`: then install keeps that beside it, and
 * `kept` gets its name (else "").
 */
struct restore;
enum { AUDIT_NAME_BYTES = 64 };
int restore_begin(struct restore **out, const char *dir, const char *file, bool force,
                  store_progress_fn *fn, void *arg, struct err *e);
const char *restore_path(const struct restore *r);
int restore_install(struct restore *r, char kept[AUDIT_NAME_BYTES], struct err *e);
void restore_free(struct restore *r); /* NULL is fine */

#endif
