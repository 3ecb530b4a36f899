/*
 * Taking what was erased out of the files.
 *
 * SQLite leaves what is deleted in free pages, in the unused part of others and in the write-ahead
 * log.  So the database is written anew (VACUUM) and the log is emptied.  That can fail where a
 * commit does not: it wants room for a second copy, and nobody who reads what was.  Then all goes
 * on as before, and it is tried again after a pause that grows.  A note in the directory outlives a
 * crash: what was not reached is made up for by whoever opens the store next.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "store/sqlite_int.h"

#define NOTE "collab.scrub"

/*
 * Whoever erases asks for the scrub by and by; after so long it is not waited for any more. Commits
 * wait while it is tried: no more than one part in WORK of the time.
 */
enum { UNASKED_MS = 3000, PAUSE_MIN_MS = 1000, PAUSE_MAX_MS = 300000, WORK = 20 };

bool scrub_noted(int dir_fd)
{
	return faccessat(dir_fd, NOTE, F_OK, 0) == 0;
}

static int put_note(struct sqlite_store *s, struct err *e)
{
	int fd, rc = 0;

	if (scrub_noted(s->dir_fd))
		return 0;
	fd = openat(s->dir_fd, NOTE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fsync(s->dir_fd)) {
		rc = err_set(e, ERR_STORE_UNAVAILABLE,
		             "cannot note that there is something to scrub");
		(void)unlinkat(s->dir_fd, NOTE, 0); /* one that may not last is none */
	}
	if (fd >= 0)
		(void)close(fd); /* nothing was written */
	return rc;
}

int scrub_note(struct sqlite_store *s, const struct store_request_list *batch, struct err *e)
{
	const struct store_request *r = batch->first;
	int rc;

	while (r && !r->erases)
		r = r->next;
	rc = r ? put_note(s, e) : 0;
	if (r && !rc && !s->scrub.pause_ms)
		s->scrub.at_ms = sqlite_now_ms() + UNASKED_MS;
	return rc;
}

/* Everything in the log goes to the database file; then the log is empty. */
static int empty_log(struct db *d, struct err *e)
{
	errno = 0;
	if (sqlite3_wal_checkpoint_v2(d->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
	    SQLITE_OK)
		return 0;
	d->system_errno = errno;
	return db_error(d, "cannot empty the log", e);
}

static int write_anew(struct sqlite_store *s, struct err *e)
{
	int rc = s->writer.db.handle ? 0 : writer_open(s, e);

	if (!rc)
		rc = db_exec(&s->writer.db, "VACUUM", e);
	if (!rc)
		rc = empty_log(&s->writer.db, e);
	/* If it comes back after a crash, there is once more nothing to be found. */
	if (!rc && unlinkat(s->dir_fd, NOTE, 0) && errno != ENOENT)
		rc = err_set(e, ERR_STORE_UNAVAILABLE, "cannot remove the note of what to scrub");
	return rc;
}

/* Everybody may know how the last try went. */
static void tell(struct sqlite_store *s, const struct err *e)
{
	(void)pthread_mutex_lock(&s->stats_lock);
	s->stats.scrub = *e;
	(void)pthread_mutex_unlock(&s->stats_lock);
}

static int try(struct sqlite_store *s, struct err *e)
{
	struct scrub *c = &s->scrub;
	int64_t start = sqlite_now_ms(), took;
	int rc;

	*e = (struct err){0};
	wal_hold(s);
	rc = write_anew(s, e);
	if (rc) {
		struct err ignored;

		/* What of it has failed in an fsync must not be taken for written. */
		writer_restart(s);
		(void)put_note(s, &ignored); /* this process knows it anyway */
		took = sqlite_now_ms() - start;
		c->pause_ms = c->pause_ms ? c->pause_ms * 2 : PAUSE_MIN_MS;
		if (c->pause_ms > PAUSE_MAX_MS)
			c->pause_ms = PAUSE_MAX_MS;
		c->at_ms = start + took + (c->pause_ms > took * WORK ? c->pause_ms : took * WORK);
	} else {
		*c = (struct scrub){0};
	}
	wal_let_go(s);
	tell(s, e);
	return rc;
}

void scrub_open(struct sqlite_store *s)
{
	struct err e;

	if (scrub_noted(s->dir_fd))
		(void)try(s, &e); /* it is told, and tried again */
}

void scrub_take(struct store_request_list *batch, struct store_request_list *out)
{
	struct store_request_list rest = {0};
	struct store_request *r = NULL;

	while ((r = store_request_pop(batch)))
		store_request_push(r->kind == STORE_REQUEST_SCRUB ? out : &rest, r);
	*batch = rest;
}

void scrub_answer(struct sqlite_store *s, struct store_request_list *asked)
{
	struct err e;
	int rc = try(s, &e);

	for (struct store_request *r = asked->first; rc && r; r = r->next)
		store_request_fail(r, ERR_STORE_UNAVAILABLE, "%s", e.text);
}

int64_t scrub_wait_ms(const struct sqlite_store *s)
{
	int64_t left = s->scrub.at_ms - sqlite_now_ms();

	return !s->scrub.at_ms ? 0 : left < 1 ? 1 : left;
}

void scrub_tick(struct sqlite_store *s)
{
	struct store_request_list none = {0};
	struct err e;

	/* Where no commit works this does not either. */
	if (!s->scrub.at_ms || s->writer.failing || sqlite_now_ms() < s->scrub.at_ms)
		return;
	if (try(s, &e) == 0)
		sqlite_done(s, &none); /* nobody waits for it, but many may want to know */
}
