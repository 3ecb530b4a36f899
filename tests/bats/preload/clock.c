/*
 * Preloaded into a tool or a daemon: its clocks are ahead of the machine's by what a test says.  A
 * wait of the C library until a time goes by the machine's clock.  Nothing here allocates: a
 * checker's allocator reads the clock as well, before main too.
 */
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "preload.h"

enum { SECOND = 1000000000 };

long syscall(long number, ...);

static int64_t readings;

int clock_gettime(clockid_t id, struct timespec *t)
{
	int status = (int)syscall(SYS_clock_gettime, id, t);
	int wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
	int64_t ns;

	if (status != 0 || id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID)
		return status;
	ns = __atomic_add_fetch(&readings, 1, __ATOMIC_RELAXED) * number(CLOCK_STEP) + t->tv_nsec;
	t->tv_sec += number(wall ? CLOCK_WALL : CLOCK_STEADY) + ns / SECOND;
	t->tv_nsec = ns % SECOND;
	return 0;
}

time_t time(time_t *to)
{
	struct timespec t = {0};

	(void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail */
	if (to)
		*to = t.tv_sec;
	return t.tv_sec;
}

int gettimeofday(struct timeval *to, void *zone)
{
	struct timespec t = {0};

	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail */
	*to = (struct timeval){t.tv_sec, (suseconds_t)(t.tv_nsec / 1000)};
	return 0;
}
