/*
 * Preloaded into a real daemon: what the system gives fails when a test says so.
 *
 * FAULT_FILE names a file of eight 64-bit numbers, which the test writes and this maps:
 *	0  memory: the n-th allocation from now fails (1: the next); 0: none
 *	1  disk: a sum of the bits below; they concern the database and its logs only
 *	2  how many allocations were made to fail (counted here)
 *	3  how many calls below the database
 *	4  allocations (counted here)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NUMBERS = 8, MEMORY = 0, DISK, MEMORY_FAILED, DISK_FAILED, ALLOCATIONS };
enum { DISK_FULL = 1, SYNC_FAILS = 2, WRITE_FAILS = 4, READ_FAILS = 8, CUT_FAILS = 16 };

/* The C library's own, beside the names that are taken here. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

ssize_t pwrite64(int fd, const void *p, size_t len, off64_t at);
ssize_t pread64(int fd, void *p, size_t len, off64_t at);

static int64_t nothing[NUMBERS];
static int64_t *numbers = nothing;

__attribute__((constructor)) static void map_file(void)
{
	const char *path = getenv("FAULT_FILE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED
	                   : mmap(NULL, NUMBERS * sizeof(int64_t), PROT_READ | PROT_WRITE,
	                          MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		abort(); /* a test that fails nothing would prove nothing */
	(void)close(fd); /* the map stays */
	numbers = map;
}

/* ---- memory --------------------------------------------------------------------------------- */

static int out_of_memory(void)
{
	(void)__atomic_add_fetch(&numbers[ALLOCATIONS], 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&numbers[MEMORY], __ATOMIC_RELAXED) <= 0 ||
	    __atomic_sub_fetch(&numbers[MEMORY], 1, __ATOMIC_RELAXED) != 0)
		return 0;
	(void)__atomic_add_fetch(&numbers[MEMORY_FAILED], 1, __ATOMIC_RELAXED);
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size)
{
	return out_of_memory() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return out_of_memory() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return out_of_memory() ? NULL : __libc_realloc(p, size);
}

/* ---- disk ----------------------------------------------------------------------------------- */

/* Does a call on fd fail, one that any of these bits would make fail? */
static int disk_fails(int fd, int64_t bits, int error)
{
	int64_t set = __atomic_load_n(&numbers[DISK], __ATOMIC_RELAXED) & bits;
	char link[40], path[512];
	ssize_t n;

	if (!set)
		return 0;
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	if (!strstr(path, "/collab.db"))
		return 0;
	(void)__atomic_add_fetch(&numbers[DISK_FAILED], 1, __ATOMIC_RELAXED);
	errno = set & DISK_FULL ? ENOSPC : error;
	return 1;
}

ssize_t pwrite64(int fd, const void *p, size_t len, off64_t at)
{
	if (disk_fails(fd, DISK_FULL | WRITE_FAILS, EIO))
		return -1;
	return syscall(SYS_pwrite64, fd, p, len, at);
}

ssize_t pread64(int fd, void *p, size_t len, off64_t at)
{
	return disk_fails(fd, READ_FAILS, EIO) ? -1 : syscall(SYS_pread64, fd, p, len, at);
}

int ftruncate64(int fd, off64_t len)
{
	return disk_fails(fd, CUT_FAILS, EIO) ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

int fdatasync(int fd)
{
	return disk_fails(fd, SYNC_FAILS, EIO) ? -1 : (int)syscall(SYS_fdatasync, fd);
}
