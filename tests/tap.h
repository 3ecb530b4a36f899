/*
 * TAP for C tests: ok(), is_int(), is_str(), then done().  One header, no library.
 *
 *	int main(void) { ok(1 + 1 == 2, "adds"); return done(); }
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_run, tap_failed;

/* One test point; returns `pass`. */
static inline bool __attribute__((format(printf, 4, 5)))
tap_point(bool pass, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	tap_run++;
	tap_failed += !pass;
	printf("%sok %d - ", pass ? "" : "not ", tap_run);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (!pass)
		printf("# failed at %s:%d\n", file, line);
	(void)fflush(stdout);
	return pass;
}

#define ok(pass, ...) tap_point((pass), __FILE__, __LINE__, __VA_ARGS__)

static inline bool tap_int(int64_t got, int64_t want, const char *file, int line, const char *name)
{
	bool pass = tap_point(got == want, file, line, "%s", name);

	if (!pass)
		printf("#   got %" PRId64 ", want %" PRId64 "\n", got, want);
	return pass;
}
#define is_int(got, want, name) tap_int((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, name)

static inline bool tap_str(const char *got, const char *want, const char *file, int line,
                           const char *name)
{
	bool pass = got && want ? strcmp(got, want) == 0 : got == want;

	tap_point(pass, file, line, "%s", name);
	if (!pass)
		printf("#   got  %s\n#   want %s\n", got ? got : "(null)", want ? want : "(null)");
	return pass;
}
#define is_str(got, want, name) tap_str((got), (want), __FILE__, __LINE__, name)

/* Print the plan; the exit status for main. */
static inline int done(void)
{
	printf("1..%d\n", tap_run);
	return tap_failed ? 1 : 0;
}

/* A seeded generator (SplitMix64) for properties: print the seed, SEED=n repeats a run. */
static inline uint64_t rnd(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* The seed to use: $SEED, or `fallback`; prints it as a TAP comment. */
static inline uint64_t rnd_seed(uint64_t fallback)
{
	const char *s = getenv("SEED");
	uint64_t seed = s && *s ? strtoull(s, NULL, 10) : fallback;

	printf("# SEED=%" PRIu64 "\n", seed);
	return seed;
}

#endif
