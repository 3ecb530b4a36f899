/* Preloaded into a real daemon: the n-th allocation fails when a test says so. */
#define _GNU_SOURCE
#include <errno.h>

#include "preload.h"

/* The C library's own, beside the names that are taken here. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

static int out_of_memory(void)
{
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
