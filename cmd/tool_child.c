/* Running a command. */
#include "tool_child.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127, EXIT_SIGNAL = 128 };

_Noreturn void child_exec(struct tool *t, const char *const *argv)
{
	const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM};
	struct sigaction old;
	sigset_t none;

	/* What is ignored or blocked would stay so; what is caught would be lost until exec. */
	(void)signal(SIGPIPE, SIG_DFL);
	for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++)
		if (sigaction(caught[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			(void)signal(caught[i], SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* execvp changes nothing: that it does not say so is history. */
	(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(tool_complain(t, errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN,
	                    "cannot run %s: %s", argv[0], strerror(errno)));
}

int child_status(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return EXIT_SIGNAL + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}
