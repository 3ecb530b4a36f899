/* How far something is that takes long. */
#include "tool_progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_MS = 1000, EVERY_MS = 200 };

static int64_t now_ms(void)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* every Linux has it */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void tool_progress_begin(struct tool_progress *p, bool quiet, const char *what)
{
	*p = (struct tool_progress){.wanted = !quiet && isatty(STDERR_FILENO), .what = what};
	p->next_ms = now_ms() + FIRST_MS;
}

void tool_progress(struct tool_progress *p, int64_t done, int64_t all)
{
	int64_t now = p->wanted ? now_ms() : 0;

	if (!p->wanted || now < p->next_ms)
		return;
	p->next_ms = now + EVERY_MS;
	p->shown = true;
	if (all > 0)
		(void)fprintf(stderr, "\r%lld of %lld %s, %d %%\033[K", (long long)done,
		              (long long)all, p->what, (int)(done * 100 / all));
	else
		(void)fprintf(stderr, "\r%lld %s\033[K", (long long)done, p->what);
}

void tool_progress_end(struct tool_progress *p)
{
	if (p->shown)
		(void)fprintf(stderr, "\r\033[K");
	p->shown = false;
}
