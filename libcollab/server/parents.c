/* What leads to a directory. */
#include "server/parents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Make a directory, and its entry in the one above last; the rest of path[] is used for that. */
static int make(char *path, size_t len, struct err *e)
{
	int fd = -1, rc = 0;

	path[len] = '\0';
	if (mkdir(path, 0700))
		return errno == EEXIST ? 0
		                       : err_set(e, ERR_CONFIG, "cannot make directory %s: %s",
		                                 path, strerror(errno));
	strcpy(path + len, "/..");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		rc = err_set(e, ERR_CONFIG, "cannot sync directory %s: %s", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd); /* only read */
	return rc;
}

int parents_make(const char *path, struct err *e)
{
	size_t len = strlen(path);
	char *copy = malloc(len + sizeof "/..");
	int rc = copy ? 0 : err_set(e, ERR_NOMEM, NULL);

	for (size_t i = 1; i < len && rc == 0; i++) {
		if (path[i] != '/')
			continue;
		memcpy(copy, path, i);
		rc = make(copy, i, e);
	}
	free(copy);
	return rc;
}
