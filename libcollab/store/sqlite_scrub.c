/*
 * Taking what was erased out of the files.
 *
 * SQLite leaves what is deleted in free pages, in the unused part of others and in the write-ahead
 * log.  So the database is written anew (VACUUM) and the log is emptied.  A note in the directory
 * outlives a crash: what was not reached is made up for when the store is opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "store/sqlite_int.h"

#define NOTE "collab.scrub"

enum { TRIES = 5 };

bool scrub_noted(const struct sqlite_store *s)
{
	return faccessat(s->dir_fd, NOTE, F_OK, 0) == 0;
}

int scrub_note(struct sqlite_store *s, const struct store_request_list *batch, struct err *e)
{
	const struct store_request *r = batch->first;
	int fd;

	while (r && !r->erases)
		r = r->next;
	if (!r || scrub_noted(s))
		return 0;
	fd = openat(s->dir_fd, NOTE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fsync(s->dir_fd)) {
		err_set(e, ERR_STORE_UNAVAILABLE, "cannot note that there is something to scrub");
		if (fd >= 0)
			(void)close(fd); /* nothing was written */
		return e->code;
	}
	(void)close(fd); /* nothing was written */
	return 0;
}

/* Everything in the log goes to the database file; then the log is empty. */
static int empty_log(struct sqlite_store *s)
{
	int rc = SQLITE_BUSY;

	for (int i = 0; i < TRIES && rc == SQLITE_BUSY; i++)
		rc = sqlite3_wal_checkpoint_v2(s->writer.db.handle, NULL,
		                               SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	return rc;
}

int scrub_do(struct sqlite_store *s, struct err *e)
{
	int rc = db_exec(&s->writer.db, "VACUUM", e);

	if (rc)
		return rc;
	if (empty_log(s) != SQLITE_OK)
		return db_error(&s->writer.db, "cannot empty the log", e);
	/* If it comes back after a crash, there is once more nothing to be found. */
	(void)unlinkat(s->dir_fd, NOTE, 0);
	return 0;
}

void scrub_batch(struct sqlite_store *s, struct store_request_list *batch)
{
	struct err e = {0};
	bool done = false;
	int rc = 0;

	for (struct store_request *r = batch->first; r; r = r->next) {
		if (r->kind != STORE_REQUEST_SCRUB)
			continue;
		if (!done)
			rc = scrub_do(s, &e);
		done = true;
		if (rc)
			store_request_fail(r, ERR_STORE_UNAVAILABLE, "%s", e.text);
	}
}
