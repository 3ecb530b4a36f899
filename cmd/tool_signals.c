/* Dying of a signal, but not before what is done has been said. */
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

/* Handlers have no argument of ours: the one thing that cannot live in struct tool. */
static volatile sig_atomic_t caught;
static const char *volatile last_words;
static volatile size_t last_words_len;

static void die(void)
{
	ssize_t said = last_words ? write(STDERR_FILENO, last_words, last_words_len) : 0;

	(void)said;                    /* there is nobody left to be told */
	(void)signal(caught, SIG_DFL); /* fails for no signal that is caught here */
	(void)raise(caught);
}

static void on_signal(int signo)
{
	caught = signo;
	(void)alarm(1);
}

/* A second is over and the process still waits for something: what was put is flushed before. */
static void on_alarm(int signo)
{
	(void)signo;
	die();
}

void tool_signals(void)
{
	struct sigaction once = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	struct sigaction late = {.sa_handler = on_alarm}, ignore = {.sa_handler = SIG_IGN}, old;
	const int signals[] = {SIGINT, SIGTERM};

	/* sigaction fails for unknown signals only. */
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGALRM, &late, NULL);
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		(void)sigaction(signals[i], NULL, &old);
		/* What a shell or nohup has us ignore stays ignored. */
		if (old.sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &once, NULL);
	}
}

void tool_last_words(const char *text)
{
	struct sigaction once = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND}, old;

	last_words = NULL;
	last_words_len = text ? strlen(text) : 0;
	last_words = text;
	(void)sigaction(SIGHUP, NULL, &old); /* fails for unknown signals only */
	if (text && old.sa_handler == SIG_DFL)
		(void)sigaction(SIGHUP, &once, NULL);
}

bool tool_caught(void)
{
	return caught != 0;
}

void tool_signalled(struct tool *t)
{
	if (!caught)
		return;
	tool_flush(t);
	die();
}
