/*
 * A disk that fails when it is told to, and that shows what a power cut would leave.
 *
 * A program that includes this stands in for the C library's calls below SQLite: pwrite64,
 * ftruncate64, fdatasync, pread64, open64.  Files behave as always; beside them it keeps what is
 * safe of the database and its logs in the directory data: what was written before the file's last
 * sync that worked. Nothing is really synced, which makes tests fast.  A sync that fails loses at
 * random what it should have made safe, for good, as Linux does: the pages are clean, and the next
 * sync says well.
 */
#ifndef TESTS_UNIT_FAULT_DISK_H
#define TESTS_UNIT_FAULT_DISK_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../tap.h"

enum { CALL_WRITE = 1, CALL_CUT = 2, CALL_SYNC = 4, CALL_READ = 8, CALL_OPEN = 16 };
enum { DISK_FILES = 3, SECTOR = 512, DISK_GROW = 1 << 20 };

/* A write or (bytes NULL) a truncation that is not safe yet. */
struct unsafe {
	struct unsafe *next;
	char *bytes;
	size_t at, len;
};

struct disk_file {
	const char *name;
	ino_t ino;
	char *safe;
	size_t len;
	struct unsafe *first, **end;
};

static struct {
	pthread_mutex_t lock;
	int calls;     /* CALL_* that count */
	int64_t nth;   /* the n-th from now fails (1: the next); 0: none */
	int64_t times; /* and so many, in all */
	int error;     /* errno */
	bool half;     /* the first that fails, if it is a write, writes half and says so */
	int64_t seen;  /* calls that counted */
	int64_t failed;
	uint64_t random;
	struct disk_file files[DISK_FILES];
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .files = {{.name = "data/collab.db"},
                    {.name = "data/collab.db-wal"},
                    {.name = "data/collab.db-journal"}}};

static inline void disk_forget(struct disk_file *f)
{
	while (f->first) {
		struct unsafe *u = f->first;

		f->first = u->next;
		free(u->bytes);
		free(u);
	}
	f->end = &f->first;
}

/* All is well, and all files are new. */
static inline void disk_new(uint64_t seed)
{
	(void)pthread_mutex_lock(&disk.lock);
	disk.nth = disk.seen = disk.failed = 0;
	disk.random = seed;
	for (int i = 0; i < DISK_FILES; i++) {
		struct disk_file *f = &disk.files[i];

		disk_forget(f);
		free(f->safe);
		*f = (struct disk_file){.name = f->name};
		f->end = &f->first;
	}
	(void)pthread_mutex_unlock(&disk.lock);
}

static inline void disk_fail(int calls, int64_t nth, int64_t times, int error, bool half)
{
	(void)pthread_mutex_lock(&disk.lock);
	disk.calls = calls;
	disk.nth = nth;
	disk.times = times;
	disk.error = error;
	disk.half = half;
	(void)pthread_mutex_unlock(&disk.lock);
}

static inline void disk_well(void)
{
	disk_fail(disk.calls, 0, 0, 0, false);
}

/* Does this call fail?  The lock is held. */
static inline bool disk_fails(int call)
{
	if (!(disk.calls & call))
		return false;
	disk.seen++;
	if (!disk.nth || --disk.nth > 0)
		return false;
	disk.nth = --disk.times > 0;
	disk.failed++;
	errno = disk.error;
	return true;
}

/* The file behind fd, if it is one that is kept. */
static inline struct disk_file *disk_file(int fd)
{
	char link[40], path[256];
	struct stat st;
	ssize_t n = 0;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return NULL;
	for (int i = 0; i < DISK_FILES; i++)
		if (disk.files[i].ino == st.st_ino)
			return &disk.files[i];
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	for (int i = 0; i < DISK_FILES; i++) {
		struct disk_file *f = &disk.files[i];
		size_t len = strlen(f->name);

		if (n < (ssize_t)len || strcmp(path + n - len, f->name) != 0)
			continue;
		disk_forget(f); /* a new file of that name: SQLite removes its log at the end */
		free(f->safe);
		f->safe = NULL;
		f->len = 0;
		f->ino = st.st_ino;
		return f;
	}
	return NULL;
}

static inline void disk_note(int fd, const void *bytes, size_t at, size_t len)
{
	struct disk_file *f = disk_file(fd);
	struct unsafe *u = f ? calloc(1, sizeof *u) : NULL;

	if (!u)
		return;
	u->at = at;
	u->len = len;
	if (bytes) {
		u->bytes = malloc(len + 1);
		if (!u->bytes)
			abort();
		memcpy(u->bytes, bytes, len);
	}
	*f->end = u;
	f->end = &u->next;
}

/* A megabyte at a time: sectors come one by one, and a sanitizer's realloc copies. */
static inline void disk_size(char **p, size_t *len, size_t size)
{
	if (!*p || size / DISK_GROW != *len / DISK_GROW)
		*p = realloc(*p, (size / DISK_GROW + 1) * DISK_GROW);
	if (!*p)
		abort();
	if (size > *len)
		memset(*p + *len, 0, size - *len);
	*len = size;
}

/* Bring what is not safe into p: all of it, or at random each sector and each truncation. */
static inline void disk_apply(const struct disk_file *f, char **p, size_t *len, bool all)
{
	for (const struct unsafe *u = f->first; u; u = u->next) {
		if (!u->bytes) {
			if (all || rnd(&disk.random) % 2)
				disk_size(p, len, u->at);
			continue;
		}
		for (size_t i = 0, n; i < u->len; i += n) {
			n = SECTOR - (u->at + i) % SECTOR;
			n = n < u->len - i ? n : u->len - i;
			if (!all && rnd(&disk.random) % 2)
				continue;
			if (*len < u->at + i + n)
				disk_size(p, len, u->at + i + n);
			memcpy(*p + u->at + i, u->bytes + i, n);
		}
	}
}

/* Write to directory `to` what a power cut now would leave. */
static inline void disk_power_cut(const char *to)
{
	(void)pthread_mutex_lock(&disk.lock);
	for (int i = 0; i < DISK_FILES; i++) {
		struct disk_file *f = &disk.files[i];
		size_t len = 0;
		char *bytes = NULL, path[256];
		FILE *out = NULL;

		disk_size(&bytes, &len, f->len);
		if (f->len)
			memcpy(bytes, f->safe, f->len);
		disk_apply(f, &bytes, &len, false);
		(void)snprintf(path, sizeof path, "%s/%s", to, strchr(f->name, '/') + 1);
		out = len ? fopen(path, "w") : NULL;
		if (len && (!out || fwrite(bytes, 1, len, out) != len || fclose(out)))
			abort();
		free(bytes);
	}
	(void)pthread_mutex_unlock(&disk.lock);
}

#pragma GCC visibility push(default)
ssize_t pwrite64(int fd, const void *p, size_t len, int64_t at);
ssize_t pread64(int fd, void *p, size_t len, int64_t at);
int ftruncate64(int fd, int64_t len);
int open64(const char *path, int flags, ...);

ssize_t pwrite64(int fd, const void *p, size_t len, int64_t at)
{
	size_t most = len;
	ssize_t n = -1;

	(void)pthread_mutex_lock(&disk.lock);
	if (disk_fails(CALL_WRITE)) {
		most = disk.half ? len / 2 : 0;
		disk.half = false;
	}
	if (most)
		n = syscall(SYS_pwrite64, fd, p, most, at);
	if (n > 0)
		disk_note(fd, p, (size_t)at, (size_t)n);
	(void)pthread_mutex_unlock(&disk.lock);
	return n;
}

ssize_t pread64(int fd, void *p, size_t len, int64_t at)
{
	bool fails;

	(void)pthread_mutex_lock(&disk.lock);
	fails = disk_fails(CALL_READ);
	(void)pthread_mutex_unlock(&disk.lock);
	return fails ? -1 : syscall(SYS_pread64, fd, p, len, at);
}

/* The store's own calls are the same. */
ssize_t pwrite(int fd, const void *p, size_t len, off_t at)
{
	return pwrite64(fd, p, len, at);
}

ssize_t pread(int fd, void *p, size_t len, off_t at)
{
	return pread64(fd, p, len, at);
}

int ftruncate64(int fd, int64_t len)
{
	int rc = -1;

	(void)pthread_mutex_lock(&disk.lock);
	if (!disk_fails(CALL_CUT))
		rc = (int)syscall(SYS_ftruncate, fd, len);
	if (rc == 0)
		disk_note(fd, NULL, (size_t)len, 0);
	(void)pthread_mutex_unlock(&disk.lock);
	return rc;
}

int fdatasync(int fd)
{
	struct disk_file *f = NULL;
	bool fails;

	(void)pthread_mutex_lock(&disk.lock);
	fails = disk_fails(CALL_SYNC);
	f = disk_file(fd);
	if (f) {
		disk_apply(f, &f->safe, &f->len, !fails);
		disk_forget(f);
	}
	if (fails)
		errno = disk.error;
	(void)pthread_mutex_unlock(&disk.lock);
	return fails ? -1 : 0;
}

int unlink(const char *path)
{
	(void)pthread_mutex_lock(&disk.lock);
	for (int i = 0; i < DISK_FILES; i++) {
		struct disk_file *f = &disk.files[i];
		size_t len = strlen(path), n = strlen(f->name);

		if (len >= n && strcmp(path + len - n, f->name) == 0) {
			disk_forget(f);
			f->len = 0;
			f->ino = 0;
		}
	}
	(void)pthread_mutex_unlock(&disk.lock);
	return (int)syscall(SYS_unlink, path);
}

int open64(const char *path, int flags, ...)
{
	int mode = 0;
	bool fails;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, int);
	va_end(ap);
	(void)pthread_mutex_lock(&disk.lock);
	fails = strstr(path, "/collab.db") && disk_fails(CALL_OPEN);
	(void)pthread_mutex_unlock(&disk.lock);
	return fails ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
#pragma GCC visibility pop

#endif
