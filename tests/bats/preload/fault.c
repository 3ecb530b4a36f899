/* Preloaded into a real daemon: the disk below its database fails when a test says so. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "preload.h"

enum { DISK_FULL = 1, SYNC_FAILS = 2, WRITE_FAILS = 4, READ_FAILS = 8, CUT_FAILS = 16 };

ssize_t pwrite64(int fd, const void *p, size_t len, off64_t at);
ssize_t pread64(int fd, void *p, size_t len, off64_t at);

/* Does a call on fd fail, one that any of these bits would make fail? */
static int disk_fails(int fd, int64_t bits, int error)
{
	int64_t set = number(DISK) & bits;
	char link[40], path[512];
	ssize_t n;

	if (!set)
		return 0;
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	if (!strstr(path, "/collab.db"))
		return 0;
	(void)count(DISK_FAILED, 1);
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
