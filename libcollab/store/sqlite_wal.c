/*
 * The write-ahead log: checkpoints away from the commit path, and cutting off a failed commit.
 *
 * The log is copied into the database file by a thread of its own, when it has grown or when
 * nobody writes.  Commits go on meanwhile, so under steady load such a checkpoint never reaches the
 * log's end, and only from there can the log begin anew.  When the log has become long, the writer
 * is therefore held for the short rest of a checkpoint that has done nearly everything before.
 */
#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <time.h>

#include "store/sqlite_int.h"

enum {
	FRAMES_MIN = 1024, /* pages of 4 KiB that make a checkpoint worth it */
	FRAMES_MAX = 8192, /* a log that should begin anew */
	IDLE_MS = 1000
};

int wal_open(struct sqlite_store *s, struct err *e)
{
	return db_open(&s->wal.db, s->path, DB_CHECKPOINT, e);
}

/* SQLite calls this at the end of each commit that wrote something, on the writer's thread. */
static int committed(void *arg, struct sqlite3 *handle, const char *name, int frames)
{
	struct sqlite_store *s = arg;
	struct wal *w = &s->wal;
	int before;

	(void)handle; /* there is one writer, */
	(void)name;   /* and one database in it */
	s->writer.wrote = true;
	(void)pthread_mutex_lock(&w->lock);
	before = w->frames_new;
	w->frames_new += frames > w->frames ? frames - w->frames : frames;
	w->frames = frames;
	/* The first ones start the clock that tells when nobody writes. */
	if (before == 0 || w->frames_new >= FRAMES_MIN)
		(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
	return SQLITE_OK;
}

void wal_follow(struct sqlite_store *s, struct db *d)
{
	(void)sqlite3_wal_hook(d->handle, committed, s); /* gives back the hook before it: none */
}

void wal_write_begin(struct sqlite_store *s)
{
	struct wal *w = &s->wal;

	(void)pthread_mutex_lock(&w->lock);
	while (w->gate)
		(void)pthread_cond_wait(&w->changed, &w->lock);
	w->writing = true;
	(void)pthread_mutex_unlock(&w->lock);
}

void wal_write_end(struct sqlite_store *s)
{
	struct wal *w = &s->wal;

	(void)pthread_mutex_lock(&w->lock);
	w->writing = false;
	if (w->gate)
		(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
}

static void gate(struct wal *w, bool shut)
{
	(void)pthread_mutex_lock(&w->lock);
	w->gate = shut;
	while (shut && w->writing)
		(void)pthread_cond_wait(&w->changed, &w->lock);
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
}

/* Copy what is in the log and nobody reads any more; false when it failed. */
static bool checkpoint(struct wal *w, int *frames, int *copied)
{
	return sqlite3_wal_checkpoint_v2(w->db.handle, NULL, SQLITE_CHECKPOINT_PASSIVE, frames,
	                                 copied) == SQLITE_OK;
}

/* False when something is left to do. */
static bool checkpoint_all(struct wal *w, int *frames_max)
{
	int frames = 0, copied = 0;

	if (!checkpoint(w, &frames, &copied))
		return false;
	if (frames >= *frames_max) {
		bool done = checkpoint(w, &frames, &copied);

		gate(w, true);
		done = done && checkpoint(w, &frames, &copied);
		gate(w, false);
		/* A reader from outside can keep the log's end; do not stop everybody for it again.
		 */
		*frames_max = done && frames == copied ? FRAMES_MAX : frames + FRAMES_MAX;
	}
	return frames == copied;
}

/* Wait until there is something to do, with w->lock held; false: stop. */
static bool wait_for_work(struct wal *w)
{
	while (!w->stop && w->frames_new < FRAMES_MIN) {
		int before = w->frames_new;
		struct timespec until;

		(void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail with this clock */
		until.tv_sec += IDLE_MS / 1000;
		if (before == 0)
			(void)pthread_cond_wait(&w->changed, &w->lock);
		else if (pthread_cond_timedwait(&w->changed, &w->lock, &until) == ETIMEDOUT &&
		         w->frames_new == before)
			break;
	}
	return !w->stop;
}

void *wal_main(void *store)
{
	struct sqlite_store *s = store;
	struct wal *w = &s->wal;
	int frames_max = FRAMES_MAX;

	(void)pthread_mutex_lock(&w->lock);
	while (wait_for_work(w)) {
		bool done;

		w->frames_new = 0;
		(void)pthread_mutex_unlock(&w->lock);
		done = checkpoint_all(w, &frames_max);
		(void)pthread_mutex_lock(&w->lock);
		/* Come back when it is quiet; more of these changes nothing. */
		if (!done && w->frames_new == 0)
			w->frames_new = 1;
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

void wal_finish(struct sqlite_store *s)
{
	if (s->wal.db.handle) /* if it fails, the next opening finds the log and reads it */
		(void)sqlite3_wal_checkpoint_v2(s->wal.db.handle, NULL, SQLITE_CHECKPOINT_TRUNCATE,
		                                NULL, NULL);
	db_close(&s->wal.db);
}

/* ---- cutting ---- */

/* What the shared memory file says of the log (sqlite.org/walformat.html, section 2.1). */
enum {
	INDEX_VERSION = 3007000,
	INDEX_BYTES = 32768,
	INDEX_AT_PAGE_SIZE = 14, /* 16 bits; 1 stands for 65536 */
	INDEX_AT_FRAMES = 16,    /* 32 bits: valid frames in the log */
	LOG_HEADER = 32,
	FRAME_HEADER = 24
};

/* How long the log is up to its last commit; -1 when that cannot be told. */
static int64_t log_len(struct sqlite3_file *file)
{
	volatile void *map = NULL;
	unsigned char header[48];
	uint32_t version = 0, frames = 0;
	uint16_t size = 0;

	if (!file->pMethods || file->pMethods->iVersion < 2 ||
	    file->pMethods->xShmMap(file, 0, INDEX_BYTES, 0, &map) || !map)
		return -1;
	for (size_t i = 0; i < sizeof header; i++)
		header[i] = ((volatile unsigned char *)map)[i];
	memcpy(&version, header, sizeof version);
	memcpy(&size, header + INDEX_AT_PAGE_SIZE, sizeof size);
	memcpy(&frames, header + INDEX_AT_FRAMES, sizeof frames);
	if (version != INDEX_VERSION)
		return -1;
	return frames ? LOG_HEADER + (int64_t)frames * ((size == 1 ? 65536 : size) + FRAME_HEADER)
	              : 0;
}

int wal_cut(struct db *d, struct err *e)
{
	struct sqlite3_file *file = NULL, *log = NULL;
	int64_t len = -1;
	int rc = db_exec(d, "BEGIN IMMEDIATE", e); /* nobody else may write meanwhile */

	if (rc)
		return rc;
	(void)sqlite3_file_control(d->handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	(void)sqlite3_file_control(d->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (file && log && log->pMethods)
		len = log_len(file);
	if (len < 0 || log->pMethods->xTruncate(log, len) ||
	    log->pMethods->xSync(log, SQLITE_SYNC_NORMAL))
		rc = err_set(e, ERR_STORE_UNAVAILABLE, "cannot cut the log");
	if (db_exec(d, "ROLLBACK", e) && !rc)
		rc = ERR_STORE_UNAVAILABLE;
	return rc;
}
