/*
 * Preloaded into a tool or a daemon: while the file STUCK_FILE is there, what is to be synced with
 * fsync does not get to the disk, and no signal makes it wait less; FILE.in tells that it waits.
 * (SQLite syncs with fdatasync.)
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

long syscall(long number, ...);

int fsync(int fd)
{
	const char *file = getenv("STUCK_FILE");
	char in[4096];

	if (file && access(file, F_OK) == 0 &&
	    snprintf(in, sizeof in, "%s.in", file) < (int)sizeof in)
		(void)close(creat(in, 0600)); /* or the test waits in vain */
	while (file && access(file, F_OK) == 0)
		(void)poll(NULL, 0, 5);
	return (int)syscall(SYS_fsync, fd);
}
