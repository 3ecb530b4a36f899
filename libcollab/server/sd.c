/* systemd's protocols. */
#include "server/sd.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LISTENERS_MAX = 64 };

void sd_tell(const char *state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	int fd = -1;

	if (len < 2 || len >= sizeof a.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(a.sun_path, path, len);
	if (path[0] == '@') /* the abstract name space */
		a.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd < 0)
		return;
	/* A manager that does not listen is not our trouble. */
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&a,
	             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	(void)close(fd);
}

void sd_tell_reloading(void)
{
	struct timespec t;
	char state[80];

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
	(void)snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
	               (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000); /* fits */
	sd_tell(state);
}

int sd_listeners(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	long n = 0;

	if (pid && fds && strtol(pid, NULL, 10) == (long)getpid())
		n = strtol(fds, NULL, 10);
	/* None of these can fail. */
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return n > 0 && n <= LISTENERS_MAX ? (int)n : 0;
}
