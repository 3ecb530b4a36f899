/*
 * Preloaded into a tool or a daemon: its clocks are ahead of the machine's by numbers in a file
 * that the test writes and that is mapped here: CLOCK_FILE, three of 64 bits.
 *	0  seconds that the time of day is ahead
 *	1  seconds that the monotonic clock is
 *	2  nanoseconds that each reading of either puts both forward
 * A wait of the C library until a time goes by the machine's clock.  Nothing here allocates: a
 * checker's allocator reads the clock as well, before main too.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { WALL, STEADY, STEP, NUMBERS, SECOND = 1000000000 };

long syscall(long number, ...);

static int64_t before_main[NUMBERS];
static int64_t *numbers = before_main, readings;

__attribute__((constructor)) static void map_numbers(void)
{
	const char *path = getenv("CLOCK_FILE");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED
	                   : mmap(NULL, NUMBERS * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		abort(); /* a test whose time does not pass would prove nothing */
	(void)close(fd); /* the map stays */
	numbers = map;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	int status = (int)syscall(SYS_clock_gettime, id, t);
	int which = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE ? WALL : STEADY;
	int64_t step = __atomic_load_n(&numbers[STEP], __ATOMIC_RELAXED), ns;

	if (status != 0 || id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID)
		return status;
	ns = t->tv_nsec + __atomic_add_fetch(&readings, 1, __ATOMIC_RELAXED) * step;
	t->tv_sec += __atomic_load_n(&numbers[which], __ATOMIC_RELAXED) + ns / SECOND;
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
