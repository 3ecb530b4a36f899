/* Dying of a signal, but not before what is done has been said. */
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

static const int signals[] = {SIGHUP, SIGINT, SIGTERM};

/* Handlers have no argument of ours: the one thing that cannot live in struct tool. */
static volatile sig_atomic_t caught;
static const char *volatile last_words;
static volatile size_t last_words_len;
static const char *volatile half_made;
static void (*volatile farewell)(void *arg);
static void *farewell_arg;

static void die(void)
{
	ssize_t said = last_words ? write(STDERR_FILENO, last_words, last_words_len) : 0;

	(void)said; /* there is nobody left to be told */
	if (half_made)
		(void)unlink(half_made); /* it may just have got its name */
	(void)signal(caught, SIG_DFL);   /* fails for no signal that is caught here */
	(void)raise(caught);
}

/* The first one is remembered; a second one waits for nothing but a farewell. */
static void on_signal(int signo)
{
	bool second = caught != 0;

	caught = signo;
	if (!second)
		(void)alarm(1);
	else if (!farewell)
		die();
}

/* A second is over and the process still waits for something: what was put is flushed before. */
static void on_alarm(int signo)
{
	(void)signo;
	die();
}

void tool_signals(void)
{
	struct sigaction remember = {.sa_handler = on_signal}, late = {.sa_handler = on_alarm};
	struct sigaction ignore = {.sa_handler = SIG_IGN}, old;

	/* sigaction fails for unknown signals only. */
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGALRM, &late, NULL);
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		(void)sigaction(signals[i], NULL, &old);
		/* What a shell or nohup has us ignore stays ignored. */
		if (old.sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &remember, NULL);
	}
}

void tool_last_words(const char *text)
{
	last_words = NULL;
	last_words_len = text ? strlen(text) : 0;
	last_words = text;
}

void tool_farewell(void (*fn)(void *arg), void *arg)
{
	farewell = NULL;
	farewell_arg = arg;
	farewell = fn;
}

int tool_temp(char *template)
{
	sigset_t set, old;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGALRM);
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		(void)sigaddset(&set, signals[i]);
	/* A signal comes before there is a file, or after its name is known. */
	(void)sigprocmask(SIG_BLOCK, &set, &old);
	fd = mkstemp(template);
	half_made = fd >= 0 ? template : NULL;
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return fd;
}

void tool_temp_done(void)
{
	half_made = NULL;
}

bool tool_caught(void)
{
	return caught != 0;
}

void tool_signalled(struct tool *t)
{
	if (!caught)
		return;
	if (farewell)
		farewell(farewell_arg);
	tool_flush(t);
	die();
}
