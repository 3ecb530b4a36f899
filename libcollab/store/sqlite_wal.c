/*
 * The write-ahead log: checkpoints away from the commit path.
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

void wal_hold(struct sqlite_store *s)
{
	struct wal *w = &s->wal;

	(void)pthread_mutex_lock(&w->lock);
	while (w->copying)
		(void)pthread_cond_wait(&w->changed, &w->lock);
	w->held = true;
	(void)pthread_mutex_unlock(&w->lock);
}

void wal_let_go(struct sqlite_store *s)
{
	struct wal *w = &s->wal;

	(void)pthread_mutex_lock(&w->lock);
	w->held = false;
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
	while (w->held && !w->stop)
		(void)pthread_cond_wait(&w->changed, &w->lock);
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
		w->copying = true;
		(void)pthread_mutex_unlock(&w->lock);
		done = checkpoint_all(w, &frames_max);
		(void)pthread_mutex_lock(&w->lock);
		w->copying = false;
		(void)pthread_cond_broadcast(&w->changed);
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
