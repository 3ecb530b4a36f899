/* Files that are replaced as a whole. */
#include "tool_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int failed(struct collab_err *e, const char *what, const char *name)
{
	return tool_err(e, "io", "cannot %s %s: %s", what, name, strerror(errno));
}

int tool_file_open(struct tool_file *f, const char *name, struct collab_err *e)
{
	int n = snprintf(f->temp, sizeof f->temp, "%s.XXXXXX", name);

	f->name = name;
	f->fd = -1;
	errno = ENAMETOOLONG;
	if (n > 0 && (size_t)n < sizeof f->temp)
		f->fd = tool_temp(f->temp);
	if (f->fd >= 0)
		return 0;
	f->temp[0] = '\0';
	return failed(e, "write", name);
}

int tool_file_write(struct tool_file *f, const void *bytes, size_t len, struct collab_err *e)
{
	const char *p = bytes;

	while (len) {
		ssize_t n = write(f->fd, p, len);

		if (n < 0 && errno != EINTR)
			return failed(e, "write", f->name);
		p += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* The rename lasts only once the directory is on the disk. */
static int sync_directory(const char *name, struct collab_err *e)
{
	char dir[TOOL_PATH_BYTES];
	char *slash = NULL;
	int fd, rc = 0;

	(void)snprintf(dir, sizeof dir, "%s", name); /* with a suffix it was short enough */
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Some file systems cannot sync a directory, and need not. */
	if (fd < 0 || (fsync(fd) && errno != EINVAL))
		rc = failed(e, "sync", slash ? dir : ".");
	if (fd >= 0)
		(void)close(fd); /* nothing was written to it */
	return rc;
}

int tool_file_keep(struct tool_file *f, struct collab_err *e)
{
	if (fsync(f->fd))
		return failed(e, "write", f->name);
	if (rename(f->temp, f->name))
		return failed(e, "write", f->name);
	tool_temp_done();
	f->temp[0] = '\0';
	return sync_directory(f->name, e);
}

void tool_file_release(struct tool_file *f)
{
	if (f->fd >= 0)
		(void)close(f->fd); /* synced, or not wanted */
	f->fd = -1;
	if (!f->temp[0])
		return;
	(void)unlink(f->temp); /* nothing is kept */
	tool_temp_done();
	f->temp[0] = '\0';
}
