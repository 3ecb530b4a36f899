/*
 * Copying a database while it is used, and putting a copy in a store's place.
 *
 * A copy is made under one read transaction of a connection of its own: it holds what was committed
 * when it began, and neither commits nor reads wait for it.  (The log cannot begin anew meanwhile;
 * it grows by what is written in that time.)
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/audit.h"
#include "store/sqlite_int.h"

enum { PAGES_A_STEP = 256, PATH_BYTES = 4096 };

static int failed(struct err *e, int code, const char *what, const char *name)
{
	char reason[128] = "";

	if (strerror_r(errno, reason, sizeof reason))
		(void)snprintf(reason, sizeof reason, "error %d", errno); /* cutting is fine */
	return err_set(e, code, "cannot %s %s: %s", what, name, reason);
}

static int sync_path(const char *path, int flags, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags), rc = 0;

	if (fd < 0 || fsync(fd))
		rc = failed(e, ERR_STORE_UNAVAILABLE, "sync", path);
	if (fd >= 0)
		(void)close(fd); /* only read */
	return rc;
}

/* The directory that a path lies in. */
static int sync_parent(const char *path, struct err *e)
{
	char dir[PATH_BYTES];
	char *slash = NULL;

	(void)snprintf(dir, sizeof dir, "%s", path); /* it was opened, so it is not longer */
	slash = strrchr(dir, '/');
	if (!slash)
		return sync_path(".", O_DIRECTORY, e);
	slash[slash == dir] = '\0';
	return sync_path(dir, O_DIRECTORY, e);
}

static void remove_database(const char *path)
{
	static const char *const with[] = {"", "-journal", "-wal", "-shm"};
	char name[PATH_BYTES + 16];

	for (size_t i = 0; i < sizeof with / sizeof with[0]; i++) {
		(void)snprintf(name, sizeof name, "%s%s", path, with[i]);
		(void)unlink(name); /* most of them are not there */
	}
}

static int copy_pages(struct db *from, struct db *to, store_progress_fn *fn, void *arg,
                      struct err *e)
{
	struct sqlite3_backup *b = sqlite3_backup_init(to->handle, "main", from->handle, "main");
	int step = SQLITE_OK, rc = 0;

	if (!b)
		return db_error(to, "cannot copy", e);
	while (!rc && step == SQLITE_OK) {
		step = sqlite3_backup_step(b, PAGES_A_STEP);
		if (fn && !fn(arg, sqlite3_backup_pagecount(b) - sqlite3_backup_remaining(b),
		              sqlite3_backup_pagecount(b)))
			rc = err_set(e, ERR_STORE_UNAVAILABLE, "the copy was given up");
	}
	(void)sqlite3_backup_finish(b); /* repeats the step's error */
	if (!rc && step != SQLITE_DONE)
		rc = err_set(e, ERR_STORE_UNAVAILABLE, "cannot copy: %s", sqlite3_errstr(step));
	return rc;
}

/* The copy must be one file that needs no other, and that any SQLite reads from any place. */
static int make_plain(const char *path, struct err *e)
{
	struct db d = {0};
	int rc = db_open(&d, path, DB_WRITE, e);

	if (!rc)
		rc = db_exec(&d, "PRAGMA journal_mode = DELETE", e);
	db_close(&d);
	return rc;
}

int audit_copy(const char *from, const char *to, int dir_fd, store_progress_fn *fn, void *arg,
               struct err *e)
{
	bool dirty = false;
	struct db source = {0}, copy = {0};
	int64_t tables = 0;
	int fd = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), rc = 0;

	if (fd < 0)
		return failed(e, errno == EEXIST ? ERR_EXISTS : ERR_STORE_UNAVAILABLE, "make", to);
	(void)close(fd); /* nothing was written */
	rc = db_open(&source, from, DB_READ, e);
	/* The read transaction begins with the first read, and lasts. */
	if (!rc)
		rc = db_exec(&source, "BEGIN", e);
	if (!rc)
		rc = db_int(&source, "SELECT count(*) FROM sqlite_master", &tables, e);
	/* The note cannot go while what is read here holds the log. */
	dirty = dir_fd >= 0 && scrub_noted(dir_fd);
	if (!rc)
		rc = db_open(&copy, to, DB_COPY, e);
	if (!rc)
		rc = copy_pages(&source, &copy, fn, arg, e);
	if (!rc && dirty)
		rc = db_exec(&copy, "VACUUM", e);
	db_close(&copy);
	db_close(&source);
	if (!rc)
		rc = make_plain(to, e);
	if (!rc)
		rc = sync_path(to, 0, e);
	if (!rc)
		rc = sync_parent(to, e);
	if (rc)
		remove_database(to);
	return rc;
}

/* ---- restoring ------------------------------------------------------------------------------- */

struct restore {
	struct sqlite_store *dir; /* holds the lock */
	char path[PATH_BYTES];    /* of the copy, while there is one */
	bool there;               /* there is a store already */
};

static int migrate(const char *path, struct err *e)
{
	struct db d = {0};
	int rc = db_open(&d, path, DB_WRITE, e);

	if (!rc)
		rc = schema_open(&d, e);
	db_close(&d);
	return rc;
}

int restore_begin(struct restore **out, const char *dir, const char *file, bool force,
                  store_progress_fn *fn, void *arg, struct err *e)
{
	struct restore *r = calloc(1, sizeof *r);
	struct stat st;
	int rc = r ? 0 : err_set(e, ERR_NOMEM, NULL);

	*out = NULL;
	if (!rc && access(file, R_OK))
		rc = failed(e, ERR_IO, "read", file);
	if (!rc)
		rc = sqlite_dir_take(&r->dir, dir, true, e);
	if (!rc && strlen(r->dir->path) + 16 > sizeof r->path)
		rc = err_set(e, ERR_CONFIG, "%s is too long a path", dir);
	if (rc) {
		restore_free(r);
		return rc;
	}
	r->there = stat(r->dir->path, &st) == 0 && st.st_size > 0;
	if (r->there && !force)
		rc = err_set(e, ERR_EXISTS, "there is a store in %s already", dir);
	if (!rc) {
		(void)snprintf(r->path, sizeof r->path, "%s.restored", r->dir->path);
		remove_database(r->path); /* of one that was interrupted */
		rc = audit_copy(file, r->path, -1, fn, arg, e);
	}
	if (!rc)
		rc = migrate(r->path, e);
	if (rc)
		restore_free(r);
	else
		*out = r;
	return rc;
}

const char *restore_path(const struct restore *r)
{
	return r->path;
}

/* The store that is there goes under another name, and its log with it. */
static int keep(struct restore *r, char kept[AUDIT_NAME_BYTES], struct err *e)
{
	char name[PATH_BYTES + 64], log[PATH_BYTES + 80], old_log[PATH_BYTES + 16];
	struct timespec now;
	struct tm utc;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	(void)gmtime_r(&now.tv_sec, &utc);
	(void)strftime(kept, AUDIT_NAME_BYTES, "collab.db.before-%Y%m%dT%H%M%SZ", &utc);
	(void)snprintf(name, sizeof name, "%.*s%s",
	               (int)(strrchr(r->dir->path, '/') + 1 - r->dir->path), r->dir->path, kept);
	(void)snprintf(log, sizeof log, "%s-wal", name);
	(void)snprintf(old_log, sizeof old_log, "%s-wal", r->dir->path);
	if (access(name, F_OK) == 0)
		return err_set(e, ERR_EXISTS, "%s exists", name);
	if (rename(old_log, log) && errno != ENOENT)
		return failed(e, ERR_STORE_UNAVAILABLE, "rename", old_log);
	if (rename(r->dir->path, name))
		return failed(e, ERR_STORE_UNAVAILABLE, "rename", r->dir->path);
	(void)snprintf(old_log, sizeof old_log, "%s-shm", r->dir->path);
	(void)unlink(old_log); /* it is made anew by who needs it */
	return 0;
}

int restore_install(struct restore *r, char kept[AUDIT_NAME_BYTES], struct err *e)
{
	int rc = make_plain(r->path, e); /* all of it in the one file that is renamed */

	kept[0] = '\0';
	if (!rc)
		rc = sync_path(r->path, 0, e);
	if (!rc && r->there)
		rc = keep(r, kept, e);
	if (!rc && rename(r->path, r->dir->path))
		rc = failed(e, ERR_STORE_UNAVAILABLE, "rename", r->path);
	if (!rc)
		r->path[0] = '\0';
	return rc ? rc : sync_parent(r->dir->path, e);
}

void restore_free(struct restore *r)
{
	if (!r)
		return;
	if (r->path[0])
		remove_database(r->path);
	sqlite_dir_give(r->dir);
	free(r);
}
