/*
 * What is preloaded into a real daemon obeys numbers in a file that the test writes and that is
 * mapped here: FAULT_FILE, nine of 64 bits.
 *	0  memory: the n-th allocation from now fails (1: the next); 0: none
 *	1  disk: a sum of bits, see fault.c
 *	2  allocations that were made to fail (counted here, as what follows)
 *	3  calls below the database that were
 *	4  allocations
 *	5  users looked up
 *	6  seconds that the time of day is ahead, see clock.c
 *	7  seconds that the monotonic clock is
 *	8  nanoseconds that each reading of either puts both forward
 */
#ifndef TESTS_PRELOAD_H
#define TESTS_PRELOAD_H

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	MEMORY,
	DISK,
	MEMORY_FAILED,
	DISK_FAILED,
	ALLOCATIONS,
	USERS,
	CLOCK_WALL,
	CLOCK_STEADY,
	CLOCK_STEP,
	NUMBERS
};

static int64_t before_main[NUMBERS];
static int64_t *numbers = before_main;

__attribute__((constructor)) static void map_numbers(void)
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

static inline int64_t number(int which)
{
	return __atomic_load_n(&numbers[which], __ATOMIC_RELAXED);
}

static inline int64_t count(int which, int64_t by)
{
	return __atomic_add_fetch(&numbers[which], by, __ATOMIC_RELAXED);
}

#endif
