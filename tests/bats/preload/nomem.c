/* Preloaded into a real daemon: the n-th allocation fails when a test says so. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pwd.h>

#include "preload.h"

/* The C library's own, beside the names that are taken here. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

/* glibc 2.36 crashes where memory runs out in the first look-up, so nothing fails in that. */
static __thread int in_first;

static int out_of_memory(void)
{
	if (in_first)
		return 0;
	(void)count(ALLOCATIONS, 1);
	if (number(MEMORY) <= 0 || count(MEMORY, -1) != 0)
		return 0;
	(void)count(MEMORY_FAILED, 1);
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

int getpwuid_r(uid_t uid, struct passwd *out, char *buffer, size_t len, struct passwd **found)
{
	int (*next)(uid_t, struct passwd *, char *, size_t, struct passwd **) = NULL;
	int failed = 0;

	in_first = count(USERS, 1) == 1;
	*(void **)&next = dlsym(RTLD_NEXT, "getpwuid_r");
	failed = next(uid, out, buffer, len, found);
	in_first = 0;
	return failed;
}
