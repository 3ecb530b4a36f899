/*
 * The end of the write-ahead log after something failed: what was not committed is cut off, and
 * what was is made to last.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/sqlite_int.h"

/* What the shared memory file says of the log (sqlite.org/walformat.html, section 2.1). */
enum {
	INDEX_VERSION = 3007000,
	INDEX_BYTES = 32768,
	INDEX_AT_PAGE_SIZE = 14, /* 16 bits; 1 stands for 65536 */
	INDEX_AT_FRAMES = 16,    /* 32 bits: valid frames in the log */
	LOG_HEADER = 32,
	FRAME_HEADER = 24
};

/* How long the log is up to its last commit; -1 when that cannot be told. */
static int64_t log_len(struct sqlite3_file *file)
{
	volatile void *map = NULL;
	unsigned char header[48];
	uint32_t version = 0, frames = 0;
	uint16_t size = 0;

	if (!file->pMethods || file->pMethods->iVersion < 2 ||
	    file->pMethods->xShmMap(file, 0, INDEX_BYTES, 0, &map) || !map)
		return -1;
	for (size_t i = 0; i < sizeof header; i++)
		header[i] = ((volatile unsigned char *)map)[i];
	memcpy(&version, header, sizeof version);
	memcpy(&size, header + INDEX_AT_PAGE_SIZE, sizeof size);
	memcpy(&frames, header + INDEX_AT_FRAMES, sizeof frames);
	if (version != INDEX_VERSION)
		return -1;
	return frames ? LOG_HEADER + (int64_t)frames * ((size == 1 ? 65536 : size) + FRAME_HEADER)
	              : 0;
}

int wal_cut(struct db *d, struct err *e)
{
	struct sqlite3_file *file = NULL, *log = NULL;
	int64_t len = -1;
	int rc = db_exec(d, "BEGIN IMMEDIATE", e); /* nobody else may write meanwhile */

	if (rc)
		return rc;
	(void)sqlite3_file_control(d->handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	(void)sqlite3_file_control(d->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (file && log && log->pMethods)
		len = log_len(file);
	if (len < 0 || log->pMethods->xTruncate(log, len) ||
	    log->pMethods->xSync(log, SQLITE_SYNC_NORMAL))
		rc = err_set(e, ERR_STORE_UNAVAILABLE, "cannot cut the log");
	if (db_exec(d, "ROLLBACK", e) && !rc)
		rc = ERR_STORE_UNAVAILABLE;
	return rc;
}

static int failed(struct err *e, const char *what)
{
	char reason[128] = "";

	if (strerror_r(errno, reason, sizeof reason))
		(void)snprintf(reason, sizeof reason, "error %d", errno); /* cutting is fine */
	return err_set(e, ERR_STORE_UNAVAILABLE, "%s the log: %s", what, reason);
}

static int write_all(int fd, const char *bytes, size_t len, int64_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, bytes, len, at);

		if (n <= 0)
			return -1;
		bytes += n;
		len -= (size_t)n;
		at += n;
	}
	return 0;
}

int wal_settle(int dir_fd, const char *name, struct err *e)
{
	enum { PIECE = 1 << 18 };
	int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW), rc = 0;
	char *piece = fd < 0 ? NULL : malloc(PIECE);
	int64_t at = 0;
	ssize_t n = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : failed(e, "cannot open");
	if (!piece)
		rc = err_set(e, ERR_STORE_UNAVAILABLE, "out of memory");
	while (!rc && (n = pread(fd, piece, PIECE, at)) != 0) {
		if (n < 0)
			rc = failed(e, "cannot read");
		else if (write_all(fd, piece, (size_t)n, at))
			rc = failed(e, "cannot write");
		at += n;
	}
	if (!rc && at > 0 && fdatasync(fd))
		rc = failed(e, "cannot sync");
	free(piece);
	(void)close(fd); /* it was synced, or it has failed already */
	return rc;
}
