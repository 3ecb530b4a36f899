/* Backups: the thread that copies, checks and reads. */
#include "server/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/sha256.h"
#include "server/fsck.h"

enum { KEEP_SECONDS = 60, PATH_BYTES = 4096 };

/* A piece that somebody waits for. */
struct piece {
	struct piece *next;
	char id[UUID_LEN + 1];
	int64_t offset;
	backup_fn *fn;
	void *arg;
	int rc;
	struct err err;
	size_t len;
	char bytes[];
};

struct backup {
	struct store *store;
	void (*wake)(void *arg);
	void *arg;
	char path[PATH_BYTES];
	pthread_t thread;
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t changed;
	bool stop;
	bool wanted; /* a copy is to be made of this id, and one that is being made is not */
	char id[UUID_LEN + 1]; /* "": there is none */
	struct backup_status status;
	struct piece *asked, *read;
	int fd; /* of the copy, while it is ready; the thread's */
	int64_t now_ms;
};

static const char *const phases[] = {
#define X(name, text) text,
	BACKUP_PHASES(X)
#undef X
};

const char *backup_phase_name(enum backup_phase phase)
{
	return phases[phase];
}

static void lock(struct backup *b)
{
	(void)pthread_mutex_lock(&b->lock); /* an ordinary one: cannot fail */
}

static void unlock(struct backup *b)
{
	(void)pthread_mutex_unlock(&b->lock);
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* A copy that is being made: what it is may end, and another begin, while the thread is in it. */
struct making {
	struct backup *b;
	struct backup_status status;
	int64_t now_ms;
	struct err damage; /* the first that cannot be mended */
};

/* Say how it is.  false: nobody wants it any more. */
static bool publish(struct making *m)
{
	struct backup *b = m->b;
	bool mine;

	lock(b);
	mine = !b->stop && !b->wanted && b->id[0];
	if (mine)
		b->status = m->status;
	unlock(b);
	return mine;
}

static bool set_phase(struct making *m, enum backup_phase phase)
{
	m->status.phase = phase;
	m->status.done = m->status.total = 0;
	return publish(m);
}

/* How far it is; false: give up. */
static bool progress(void *arg, int64_t done, int64_t total)
{
	struct making *m = arg;

	m->status.done = done;
	m->status.total = total;
	return publish(m);
}

/* What can be rebuilt from the log keeps no backup from being one. */
static void found(void *arg, const struct fsck_problem *p)
{
	struct making *m = arg;

	if (p->mendable || m->damage.code)
		return;
	err_set(&m->damage, ERR_CORRUPT, "the store is damaged%s%s: %s",
	        p->session_id ? ", session " : "", p->session_id ? p->session_id : "", p->text);
}

static int check(struct making *m, struct err *e)
{
	struct fsck fsck = {.now_ms = m->now_ms, .found = found, .progress = progress, .arg = m};
	int rc = audit_open_file(&fsck.audit, m->b->path, false, e);

	if (!rc)
		rc = fsck_run(&fsck, e);
	audit_close(fsck.audit);
	if (!rc && m->damage.code) {
		*e = m->damage;
		rc = e->code;
	}
	m->status.sessions = fsck.sessions;
	m->status.events = fsck.events;
	return rc;
}

/* Its size and its hash; from here on the descriptor is all there is of it. */
static int seal(struct making *m, int *fd, struct err *e)
{
	unsigned char digest[SHA256_LEN];
	struct stat st;
	void *map = MAP_FAILED;

	*fd = open(m->b->path, O_RDONLY | O_CLOEXEC);
	if (*fd >= 0 && fstat(*fd, &st) == 0)
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, *fd, 0);
	if (map == MAP_FAILED)
		return err_set(e, ERR_STORE_UNAVAILABLE, "cannot read the copy: %s",
		               strerror(errno));
	sha256(map, (size_t)st.st_size, digest);
	(void)munmap(map, (size_t)st.st_size); /* it was mapped */
	sha256_hex(digest, m->status.sha256);
	m->status.bytes = st.st_size;
	return 0;
}

static void make(struct backup *b, int64_t now_ms)
{
	struct making m = {.b = b, .now_ms = now_ms};
	struct err *e = &m.status.err;
	int fd = -1, rc;

	(void)unlink(b->path); /* of a daemon that died */
	rc = set_phase(&m, BACKUP_COPYING) ? store_backup(b->store, b->path, progress, &m, e)
	                                   : err_set(e, ERR_STORE_UNAVAILABLE, "given up");
	if (!rc) {
		(void)set_phase(&m, BACKUP_CHECKING); /* the check asks again */
		rc = check(&m, e);
	}
	if (!rc)
		rc = seal(&m, &fd, e);
	(void)unlink(b->path);
	if (!set_phase(&m, rc ? BACKUP_FAILED : BACKUP_READY))
		rc = ERR_STORE_UNAVAILABLE; /* nobody hears it */
	if (rc && fd >= 0)
		(void)close(fd); /* only read */
	lock(b);
	b->fd = rc ? -1 : fd;
	unlock(b);
}

static void read_piece(const struct backup *b, struct piece *p)
{
	ssize_t n = 1;

	while (n > 0 && p->len < BACKUP_PIECE) {
		n = pread(b->fd, p->bytes + p->len, BACKUP_PIECE - p->len,
		          (off_t)(p->offset + (int64_t)p->len));
		p->len += n > 0 ? (size_t)n : 0;
	}
	if (n < 0)
		p->rc = err_set(&p->err, ERR_STORE_UNAVAILABLE, "cannot read the copy: %s",
		                strerror(errno));
}

/* Forget the copy; with the lock held. */
static void forget(struct backup *b)
{
	if (b->fd >= 0)
		(void)close(b->fd); /* only read; nothing has its name */
	b->fd = -1;
	b->id[0] = '\0';
	b->status = (struct backup_status){0};
}

/* Wait for something to do, with the lock held; a copy that nobody wants goes. */
static void wait_for_work(struct backup *b)
{
	struct timespec until;
	bool expired = false;

	(void)clock_gettime(CLOCK_REALTIME, &until); /* cannot fail */
	until.tv_sec += KEEP_SECONDS;
	while (!b->stop && !b->wanted && !b->asked && !expired && (b->id[0] || b->fd < 0)) {
		if (b->id[0])
			expired =
				pthread_cond_timedwait(&b->changed, &b->lock, &until) == ETIMEDOUT;
		else
			(void)pthread_cond_wait(&b->changed, &b->lock);
	}
	if ((expired && !b->wanted) || !b->id[0])
		forget(b);
}

/* Do what was asked for, with the lock held but while it is done. */
static void work(struct backup *b)
{
	struct piece *p = b->asked;
	int64_t now_ms = b->now_ms;

	if (b->wanted) {
		b->wanted = false;
		if (b->fd >= 0)
			(void)close(b->fd); /* of the one before, which was ended */
		b->fd = -1;
		unlock(b);
		make(b, now_ms);
		lock(b);
		return;
	}
	if (!p)
		return;
	b->asked = p->next;
	if (strcmp(p->id, b->id) == 0 && b->fd >= 0) {
		unlock(b);
		read_piece(b, p);
		lock(b);
	} else {
		p->rc = err_set(&p->err, ERR_NOT_FOUND, "the backup is gone");
	}
	p->next = b->read;
	b->read = p;
	b->wake(b->arg);
}

static void *run(void *arg)
{
	struct backup *b = arg;

	lock(b);
	while (!b->stop) {
		work(b);
		if (!b->stop && !b->wanted && !b->asked)
			wait_for_work(b);
	}
	forget(b);
	unlock(b);
	return NULL;
}

/* ---- the owner's side ------------------------------------------------------------------------ */

int backup_new(struct backup **out, struct store *store, const char *dir, void (*wake)(void *arg),
               void *arg, struct err *e)
{
	struct backup *b = calloc(1, sizeof *b);
	sigset_t all, old;
	int failed;

	*out = NULL;
	if (!b)
		return err_set(e, ERR_NOMEM, NULL);
	*b = (struct backup){.store = store, .wake = wake, .arg = arg, .fd = -1};
	if ((size_t)snprintf(b->path, sizeof b->path, "%s/backup.tmp", dir) >= sizeof b->path) {
		free(b);
		return err_set(e, ERR_CONFIG, "%s is too long a path", dir);
	}
	(void)unlink(b->path); /* of a daemon that died */
	/* On Linux these only write to the struct. */
	(void)pthread_mutex_init(&b->lock, NULL);
	(void)pthread_cond_init(&b->changed, NULL);
	(void)sigfillset(&all); /* signals are for the loop; none of these can fail */
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	failed = pthread_create(&b->thread, NULL, run, b);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (failed) {
		free(b);
		return err_set(e, ERR_NOMEM, "cannot start a thread");
	}
	*out = b;
	return 0;
}

static void drop(struct piece *p)
{
	while (p) {
		struct piece *next = p->next;

		free(p);
		p = next;
	}
}

void backup_free(struct backup *b)
{
	if (!b)
		return;
	lock(b);
	b->stop = true;
	(void)pthread_cond_broadcast(&b->changed);
	unlock(b);
	(void)pthread_join(b->thread, NULL); /* ours, and joined once */
	drop(b->asked);
	drop(b->read);
	(void)pthread_cond_destroy(&b->changed);
	(void)pthread_mutex_destroy(&b->lock);
	free(b);
}

int backup_start(struct backup *b, const char id[UUID_LEN + 1], int64_t now_ms, struct err *e)
{
	int rc = 0;

	lock(b);
	if (b->id[0] && b->status.phase != BACKUP_FAILED)
		rc = err_set(e, ERR_RATE_LIMITED, "another backup is under way");
	if (!rc) {
		memcpy(b->id, id, sizeof b->id);
		b->status = (struct backup_status){.phase = BACKUP_COPYING};
		b->now_ms = now_ms;
		b->wanted = true;
		(void)pthread_cond_broadcast(&b->changed);
	}
	unlock(b);
	return rc;
}

/* With the lock held. */
static int is_this(const struct backup *b, const char *id, struct err *e)
{
	return b->id[0] && strcmp(b->id, id) == 0
	               ? 0
	               : err_set(e, ERR_NOT_FOUND, "there is no such backup");
}

int backup_status(struct backup *b, const char *id, struct backup_status *out, struct err *e)
{
	int rc;

	lock(b);
	rc = is_this(b, id, e);
	if (!rc)
		*out = b->status;
	unlock(b);
	return rc;
}

int backup_read(struct backup *b, const char *id, int64_t offset, backup_fn *fn, void *arg,
                struct err *e)
{
	struct piece *p = malloc(sizeof *p + BACKUP_PIECE), **end = &b->asked;
	int rc = p ? 0 : err_set(e, ERR_NOMEM, NULL);

	lock(b);
	if (!rc)
		rc = is_this(b, id, e);
	if (!rc && b->status.phase != BACKUP_READY)
		rc = err_set(e, ERR_NOT_FOUND, "the backup is not ready");
	if (!rc) {
		*p = (struct piece){.offset = offset, .fn = fn, .arg = arg};
		memcpy(p->id, b->id, sizeof p->id);
		while (*end)
			end = &(*end)->next;
		*end = p;
		(void)pthread_cond_broadcast(&b->changed);
	}
	unlock(b);
	if (rc)
		free(p);
	return rc;
}

int backup_end(struct backup *b, const char *id, struct err *e)
{
	int rc;

	lock(b);
	rc = is_this(b, id, e);
	if (!rc) {
		b->id[0] = '\0'; /* the thread sees it, whatever it does, and forgets the rest */
		(void)pthread_cond_broadcast(&b->changed);
	}
	unlock(b);
	return rc;
}

void backup_poll(struct backup *b)
{
	struct piece *list = NULL;

	lock(b);
	list = b->read;
	b->read = NULL;
	unlock(b);
	while (list) {
		struct piece *p = list;

		list = p->next;
		p->fn(p->arg, p->rc, &p->err, p->bytes, p->len);
		free(p);
	}
}
