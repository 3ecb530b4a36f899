/*
 * The store in SQLite: opening and closing it, and the owner's side of its threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "store/audit.h"
#include "store/sqlite_int.h"

#define DATABASE "collab.db"

/* ---- queues ---- */

/* Time limits must not follow the wall clock. */
static int cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int rc = pthread_condattr_init(&attr);

	if (rc)
		return rc;
	rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (!rc)
		rc = pthread_cond_init(cond, &attr);
	(void)pthread_condattr_destroy(&attr); /* cannot fail */
	return rc;
}

bool queue_put(struct queue *q, struct store_request_list *more)
{
	bool was_empty;

	(void)pthread_mutex_lock(&q->lock);
	was_empty = !q->list.first;
	store_request_join(&q->list, more);
	if (was_empty)
		(void)pthread_cond_signal(&q->more);
	(void)pthread_mutex_unlock(&q->lock);
	return was_empty;
}

bool queue_take(struct queue *q, int64_t timeout_ms, struct store_request_list *out)
{
	struct timespec until;
	bool timed_out = false, alive;

	(void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail with this clock */
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	(void)pthread_mutex_lock(&q->lock);
	while (!q->list.first && !q->stop && !timed_out) {
		if (timeout_ms == 0)
			(void)pthread_cond_wait(&q->more, &q->lock);
		else
			timed_out = pthread_cond_timedwait(&q->more, &q->lock, &until) == ETIMEDOUT;
	}
	*out = q->list;
	q->list = (struct store_request_list){0};
	alive = out->first || !q->stop;
	(void)pthread_mutex_unlock(&q->lock);
	return alive;
}

static void queue_stop(struct queue *q)
{
	(void)pthread_mutex_lock(&q->lock);
	q->stop = true;
	(void)pthread_cond_broadcast(&q->more);
	(void)pthread_mutex_unlock(&q->lock);
}

static void queue_release(struct queue *q)
{
	store_request_drop(&q->list);
	(void)pthread_cond_destroy(&q->more);
	(void)pthread_mutex_destroy(&q->lock);
}

int64_t sqlite_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- the owner's thread ---- */

static void submit(struct store_base *b, struct store_request *r)
{
	struct sqlite_store *s = (struct sqlite_store *)b;
	struct store_request_list one = {0};

	r->failures = s->failures_seen;
	store_request_push(&one, r);
	(void)queue_put(r->kind < STORE_REQUEST_READ ? &s->writes : &s->reads, &one);
}

void sqlite_done(struct sqlite_store *s, struct store_request_list *list)
{
	/* A queue that had something in it has had its wake. */
	if (queue_put(&s->done, list) && s->wake)
		s->wake(s->arg);
}

static void sqlite_poll(struct store *store)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct store_request_list list;
	struct store_request *r = NULL;

	(void)pthread_mutex_lock(&s->done.lock);
	list = s->done.list;
	s->done.list = (struct store_request_list){0};
	(void)pthread_mutex_unlock(&s->done.lock);
	while ((r = store_request_pop(&list))) {
		if (r->failures > s->failures_seen)
			s->failures_seen = r->failures;
		store_request_finish(&s->base, r);
	}
}

static void sqlite_stats(struct store *store, struct store_stats *out)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct statvfs fs;
	struct stat st;

	(void)pthread_mutex_lock(&s->stats_lock);
	*out = s->stats;
	(void)pthread_mutex_unlock(&s->stats_lock);
	out->bytes_free = out->bytes_total = -1;
	if (fstatvfs(s->dir_fd, &fs) == 0) {
		out->bytes_free = (int64_t)(fs.f_bavail * fs.f_frsize);
		out->bytes_total = (int64_t)(fs.f_blocks * fs.f_frsize);
	}
	out->pending = s->base.pending;
	if (fstatat(s->dir_fd, DATABASE, &st, 0) == 0)
		out->bytes += st.st_size;
	if (fstatat(s->dir_fd, DATABASE "-wal", &st, 0) == 0)
		out->bytes += st.st_size;
}

/* On any thread: what it looks at does not change while the store is open. */
static int sqlite_backup(struct store *store, const char *path, store_progress_fn *fn, void *arg,
                         struct err *e)
{
	const struct sqlite_store *s = (struct sqlite_store *)store;

	return audit_copy(s->path, path, s->dir_fd, fn, arg, e);
}

static void sqlite_free(struct store *store)
{
	struct sqlite_store *s = (struct sqlite_store *)store;

	queue_stop(&s->writes);
	queue_stop(&s->reads);
	(void)pthread_mutex_lock(&s->wal.lock);
	s->wal.stop = true;
	(void)pthread_cond_broadcast(&s->wal.changed);
	(void)pthread_mutex_unlock(&s->wal.lock);
	for (size_t i = 0; i < s->threads_len; i++)
		(void)pthread_join(s->threads[i], NULL); /* ours, and joined once */
	reader_close(s);
	writer_release(s);
	wal_finish(s);
	if (s->lock_fd >= 0)
		(void)close(
			s->lock_fd); /* gives the lock back; nothing was written since opening */
	if (s->dir_fd >= 0)
		(void)close(s->dir_fd); /* only read */
	queue_release(&s->writes);
	queue_release(&s->reads);
	queue_release(&s->done);
	(void)pthread_cond_destroy(&s->wal.changed);
	(void)pthread_mutex_destroy(&s->wal.lock);
	(void)pthread_mutex_destroy(&s->stats_lock);
	free(s->path);
	free(s);
}

/* ---- opening ---- */

static int failed(struct err *e, int code, const char *what, const char *name)
{
	char reason[128] = "";

	if (strerror_r(errno, reason, sizeof reason))
		(void)snprintf(reason, sizeof reason, "error %d", errno); /* cutting is fine */
	return err_set(e, code, "cannot %s %s: %s", what, name, reason);
}

/* Make a new file's, or a new directory's, name last. */
static int sync_dir(int at, const char *name, struct err *e)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (fd < 0 || fsync(fd))
		rc = failed(e, ERR_CONFIG, "sync directory", name);
	if (fd >= 0)
		(void)close(fd); /* only read */
	return rc;
}

/* Absolute: the database may be opened again after a failure, when the process is elsewhere. */
static char *database_path(const char *dir)
{
	enum { LEN_MAX = 1 << 16 };
	char *here = NULL, *path = NULL;
	struct buf b;

	buf_init(&b, LEN_MAX);
	if (dir[0] != '/') {
		here = malloc(LEN_MAX);
		if (here && getcwd(here, LEN_MAX))
			buf_printf(&b, "%s/", here);
		else
			b.error = ERR_NOMEM;
		free(here);
	}
	buf_printf(&b, "%s/%s", dir, DATABASE);
	path = buf_take(&b);
	buf_release(&b);
	return path;
}

static int open_dir(struct sqlite_store *s, const char *dir, struct err *e)
{
	bool made = mkdir(dir, 0700) == 0;

	if (!made && errno != EEXIST)
		return failed(e, ERR_CONFIG, "make directory", dir);
	s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		return failed(e, ERR_CONFIG, "open directory", dir);
	s->path = database_path(dir);
	if (!s->path)
		return err_set(e, ERR_CONFIG, "cannot resolve directory %s", dir);
	return made ? sync_dir(s->dir_fd, "..", e) : 0;
}

/* Who has it?  The answer is for people only; the lock is what counts. */
static int in_use(int fd, const char *dir, struct err *e)
{
	char text[24] = "";
	ssize_t n = pread(fd, text, sizeof text - 1, 0);

	if (n > 0 && text[0] >= '1' && text[0] <= '9')
		return err_set(e, ERR_CONFIG, "%s is in use by process %ld", dir,
		               strtol(text, NULL, 10));
	return err_set(e, ERR_CONFIG, "%s is in use by another process", dir);
}

/* The file stays when the lock goes: removing it would race with who takes it next. */
static int lock(struct sqlite_store *s, const char *dir, struct err *e)
{
	char text[24];
	int fd = openat(s->dir_fd, "collabd.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());

	if (fd < 0)
		return failed(e, ERR_CONFIG, "open collabd.lock in", dir);
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		int rc = errno == EWOULDBLOCK ? in_use(fd, dir, e)
		                              : failed(e, ERR_CONFIG, "lock collabd.lock in", dir);

		(void)close(fd); /* only read */
		return rc;
	}
	s->lock_fd = fd;
	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)len, 0) != len)
		return failed(e, ERR_CONFIG, "write collabd.lock in", dir);
	return 0;
}

int sqlite_dir_take(struct sqlite_store **out, const char *dir, bool make, struct err *e)
{
	struct sqlite_store *s = calloc(1, sizeof *s);
	char *path = database_path(dir);
	int rc = s && path ? 0 : err_set(e, ERR_NOMEM, NULL);

	*out = NULL;
	if (!rc && !make && access(path, F_OK))
		rc = failed(e, ERR_CONFIG, "open", path);
	free(path);
	if (s)
		s->dir_fd = s->lock_fd = -1;
	if (!rc)
		rc = open_dir(s, dir, e);
	if (!rc)
		rc = lock(s, dir, e);
	if (rc)
		sqlite_dir_give(s);
	else
		*out = s;
	return rc;
}

void sqlite_dir_give(struct sqlite_store *s)
{
	if (!s)
		return;
	if (s->lock_fd >= 0)
		(void)close(s->lock_fd); /* gives the lock back */
	if (s->dir_fd >= 0)
		(void)close(s->dir_fd); /* only read */
	free(s->path);
	free(s);
}

/* SQLite would make the file readable for everybody; it gives its other files this one's mode. */
static int make_file(struct sqlite_store *s, struct err *e)
{
	int fd = openat(s->dir_fd, DATABASE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno == EEXIST ? 0 : failed(e, ERR_CONFIG, "make", s->path);
	(void)close(fd); /* nothing was written */
	return sync_dir(s->dir_fd, ".", e);
}

/* Where the counters of stats begin; keys are dense, so this is no long count. */
static int count(struct sqlite_store *s, struct err *e)
{
	struct store_stats *st = &s->stats;
	int rc = db_int(&s->writer.db, "SELECT coalesce(max(key), 0) FROM sessions", &st->sessions,
	                e);

	if (!rc)
		rc = db_int(&s->writer.db, "SELECT count(*) FROM sessions WHERE is_active = 1",
		            &st->active, e);
	st->writable = rc == 0;
	return rc;
}

/* Signals are for the program's own threads. */
static int start_threads(struct sqlite_store *s, struct err *e)
{
	void *(*const mains[])(void *store) = {writer_main, reader_main, wal_main};
	sigset_t all, old;
	int rc = 0;

	(void)sigfillset(&all);                         /* cannot fail */
	(void)pthread_sigmask(SIG_SETMASK, &all, &old); /* cannot fail with these arguments */
	for (; !rc && s->threads_len < sizeof mains / sizeof mains[0]; s->threads_len++) {
		errno = pthread_create(&s->threads[s->threads_len], NULL, mains[s->threads_len], s);
		if (errno) {
			rc = failed(e, ERR_CONFIG, "start", "a thread");
			break;
		}
	}
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL); /* as above */
	return rc;
}

static int init(struct sqlite_store *s)
{
	struct queue *queues[] = {&s->writes, &s->reads, &s->done};

	/* On Linux these only write to the struct; there is nothing to undo when one fails. */
	for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++)
		if (pthread_mutex_init(&queues[i]->lock, NULL) || cond_init(&queues[i]->more))
			return ERR_NOMEM;
	if (pthread_mutex_init(&s->wal.lock, NULL) || cond_init(&s->wal.changed) ||
	    pthread_mutex_init(&s->stats_lock, NULL))
		return ERR_NOMEM;
	return 0;
}

int store_sqlite_open(struct store **out, const char *dir, void (*wake)(void *arg), void *arg,
                      struct err *e)
{
	return store_sqlite_open_bounded(out, dir, PENDING_MAX, wake, arg, e);
}

int store_sqlite_open_bounded(struct store **out, const char *dir, size_t pending_max,
                              void (*wake)(void *arg), void *arg, struct err *e)
{
	static const struct store_ops ops = {.free = sqlite_free,
	                                     .poll = sqlite_poll,
	                                     .stats = sqlite_stats,
	                                     .backup = sqlite_backup,
	                                     STORE_REQUEST_OPS};
	struct sqlite_store *s = calloc(1, sizeof *s);
	int rc;

	*out = NULL;
	if (!s || init(s)) {
		free(s);
		return err_set(e, ERR_NOMEM, NULL);
	}
	s->writer.pending_max = pending_max;
	s->base.store.ops = &ops;
	s->base.submit = submit;
	s->wake = wake;
	s->arg = arg;
	s->dir_fd = s->lock_fd = -1;
	rc = open_dir(s, dir, e);
	if (!rc)
		rc = lock(s, dir, e);
	if (!rc)
		rc = make_file(s, e);
	if (!rc)
		rc = wal_settle(s->dir_fd, DATABASE "-wal", e);
	if (!rc)
		rc = writer_open(s, e);
	if (!rc)
		rc = reader_open(s, e);
	if (!rc)
		rc = wal_open(s, e);
	if (!rc)
		rc = count(s, e);
	if (!rc)
		scrub_open(s);
	if (!rc)
		rc = start_threads(s, e);
	if (rc)
		sqlite_free(&s->base.store);
	else
		*out = &s->base.store;
	return rc;
}
