/* --fsck and --restore, as a person at a terminal has them. */
#include "collabd_offline.h"

#include <signal.h>
#include <stddef.h>

#include "server/offline.h"
#include "tool_progress.h"

/* Handlers have no argument of ours. */
static volatile sig_atomic_t caught;

static void on_signal(int signo)
{
	caught = signo;
}

/* The first one is remembered, a second one does not wait. */
static void catch_signals(void)
{
	const int signals[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction once = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND}, old;

	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		/* sigaction fails for unknown signals only. */
		(void)sigaction(signals[i], NULL, &old);
		if (old.sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &once, NULL);
	}
}

static bool on_progress(void *arg, const char *what, int64_t done, int64_t total)
{
	struct tool_progress *p = arg;

	if (what) {
		p->what = what;
		tool_progress(p, done, total);
	} else {
		tool_progress_end(p);
	}
	return !caught;
}

int collabd_offline(const struct conf *c, const struct offline_work *work, bool *left,
                    struct err *e)
{
	struct tool_progress p;
	int rc;

	catch_signals();
	tool_progress_begin(&p, false, "events");
	rc = work->restore
	             ? offline_restore(c, work->restore, work->force, on_progress, &p, left, e)
	             : offline_fsck(c, work->repair, on_progress, &p, left, e);
	tool_progress_end(&p);
	if (rc && caught) {
		(void)signal(caught, SIG_DFL); /* fails for no signal that is caught here */
		(void)raise(caught);
	}
	return rc;
}
