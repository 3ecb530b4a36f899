/*
 * pmr-admin backup: the daemon copies its store and checks the copy; this fetches it and writes the
 * file, as whoever runs it.  Under its name the file is there whole or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/sha256.h"
#include "tool_admin.h"

enum { PATH_BYTES = 4096, POLL_MS_MIN = 20, POLL_MS_MAX = 500, BUSY_TRIES = 120 };

struct fetch {
	struct tool *t;
	char id[40];
	json_t *status; /* once it is ready */
	int64_t told_ms;
	const char *file;
	char part[PATH_BYTES];
	int fd;
};

static int64_t now_ms(void)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* every Linux has it */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void pause_ms(struct tool *t, int64_t ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	(void)nanosleep(&ts, NULL); /* a signal ends it early, and the process next */
	tool_signalled(t);
}

/* Once it takes longer than a second, once a second. */
static void tell(struct fetch *f, const char *what, int64_t done, int64_t total)
{
	int64_t now = now_ms();

	if (now - f->told_ms < 1000)
		return;
	f->told_ms = now;
	(void)tool_complain(f->t, 0, "%s %lld%%", what,
	                    total > 0 ? (long long)(100 * done / total) : 0LL);
}

/* One request; a daemon that says to come back in a moment is asked again. */
static int ask(struct fetch *f, const char *method, const char *path, struct collab_response *r,
               struct collab_err *e)
{
	int rc = 0;

	for (int i = 0; i < BUSY_TRIES; i++) {
		rc = tool_request(f->t, method, path, NULL, r, e);
		if (!rc || e->http != 429 || strcmp(method, "POST") == 0)
			break;
		collab_response_release(r);
		pause_ms(f->t, e->retry_after > 0 ? e->retry_after * 1000 : 500);
	}
	return rc;
}

static int start(struct fetch *f, struct collab_err *e)
{
	struct collab_response r = {0};
	json_t *answer = NULL;
	int rc = ask(f, "POST", "/api/admin/backup", &r, e);

	if (!rc)
		rc = tool_answer(&r, &answer, e);
	if (!rc && !json_string_value(json_object_get(answer, "backup_id")))
		rc = tool_err(e, "protocol", "the server's answer has no backup_id");
	if (!rc)
		(void)snprintf(f->id, sizeof f->id, "%s",
		               json_string_value(json_object_get(answer, "backup_id")));
	json_decref(answer);
	collab_response_release(&r);
	return rc;
}

/* Wait until the copy was made and checked. */
static int wait_ready(struct fetch *f, struct collab_err *e)
{
	int64_t wait = POLL_MS_MIN;
	char path[128];
	int rc = 0;

	(void)snprintf(path, sizeof path, "/api/admin/backup?id=%s", f->id);
	while (!rc) {
		struct collab_response r = {0};
		const char *phase = NULL;

		json_decref(f->status);
		f->status = NULL;
		rc = ask(f, "GET", path, &r, e);
		if (!rc)
			rc = tool_answer(&r, &f->status, e);
		collab_response_release(&r);
		phase = json_string_value(json_object_get(f->status, "phase"));
		if (rc || (phase && strcmp(phase, "ready") == 0))
			break;
		tell(f, phase ? phase : "waiting",
		     json_integer_value(json_object_get(f->status, "done")),
		     json_integer_value(json_object_get(f->status, "total")));
		pause_ms(f->t, wait);
		wait = wait * 2 > POLL_MS_MAX ? POLL_MS_MAX : wait * 2;
	}
	return rc;
}

static int io(struct collab_err *e, const char *what, const char *file)
{
	return tool_err(e, "io", "cannot %s %s: %s", what, file, strerror(errno));
}

static int put(struct fetch *f, const char *bytes, size_t len, struct collab_err *e)
{
	while (len) {
		ssize_t n = write(f->fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return io(e, "write", f->part);
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int fetch_all(struct fetch *f, struct collab_err *e)
{
	int64_t bytes = json_integer_value(json_object_get(f->status, "bytes")), done = 0;
	char path[128];
	int rc = 0;

	while (!rc && done < bytes) {
		struct collab_response r = {0};

		(void)snprintf(path, sizeof path, "/api/admin/backup?id=%s&offset=%lld", f->id,
		               (long long)done);
		rc = ask(f, "GET", path, &r, e);
		if (!rc && (r.len == 0 || (int64_t)r.len > bytes - done))
			rc = tool_err(e, "protocol", "the backup is not as long as it was said");
		if (!rc)
			rc = put(f, r.body, r.len, e);
		done += rc ? 0 : (int64_t)r.len;
		collab_response_release(&r);
		tell(f, "fetching", done, bytes);
		tool_signalled(f->t);
	}
	return rc;
}

/* What was written is what was checked. */
static int check_hash(struct fetch *f, struct collab_err *e)
{
	size_t len = (size_t)json_integer_value(json_object_get(f->status, "bytes"));
	const char *want = json_string_value(json_object_get(f->status, "sha256"));
	unsigned char digest[SHA256_LEN];
	char hex[SHA256_HEX_LEN + 1];
	void *map = mmap(NULL, len, PROT_READ, MAP_PRIVATE, f->fd, 0);

	if (map == MAP_FAILED)
		return io(e, "read", f->part);
	sha256(map, len, digest);
	(void)munmap(map, len); /* it was mapped */
	sha256_hex(digest, hex);
	return want && strcmp(want, hex) == 0
	               ? 0
	               : tool_err(e, "io", "%s is not what the daemon checked", f->part);
}

static int open_part(struct fetch *f, struct collab_err *e)
{
	struct stat st;

	if (!tool_has(f->t, "force") && lstat(f->file, &st) == 0)
		return tool_err(e, "io", "%s exists; --force replaces it", f->file);
	if (snprintf(f->part, sizeof f->part, "%s.XXXXXX", f->file) >= (int)sizeof f->part)
		return tool_err(e, "usage", "the file's name is too long");
	f->fd = mkstemp(f->part); /* mode 0600: it holds everybody's text */
	if (f->fd >= 0)
		return 0;
	f->part[0] = '\0';
	return io(e, "make", f->file);
}

/* Synced, under its name, and the name too. */
static int finish(struct fetch *f, struct collab_err *e)
{
	char dir[PATH_BYTES];
	char *slash = NULL;
	int fd, rc = 0;

	if (fsync(f->fd))
		return io(e, "sync", f->part);
	if (rename(f->part, f->file))
		return io(e, "make", f->file);
	(void)snprintf(dir, sizeof dir, "%s", f->file);
	f->part[0] = '\0';
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		rc = io(e, "sync", slash ? dir : ".");
	if (fd >= 0)
		(void)close(fd); /* only read */
	return rc;
}

static void forget(struct fetch *f)
{
	struct collab_response r = {0};
	struct collab_err ignored = {0};
	char path[128];

	if (!f->id[0])
		return;
	/* If it cannot be told, the daemon forgets the copy by itself. */
	(void)snprintf(path, sizeof path, "/api/admin/backup?id=%s", f->id);
	(void)tool_request(f->t, "DELETE", path, NULL, &r, &ignored);
	collab_response_release(&r);
}

int admin_backup(struct tool *t)
{
	struct fetch f = {.t = t, .file = t->operands[0], .fd = -1, .told_ms = now_ms()};
	struct collab_err e = {0};
	json_t *said = NULL;
	int rc = tool_target(t, TOOL_NEEDS_SERVER, &e);

	if (!rc)
		rc = open_part(&f, &e);
	if (!rc)
		rc = start(&f, &e);
	if (!rc)
		rc = wait_ready(&f, &e);
	if (!rc)
		rc = fetch_all(&f, &e);
	if (!rc)
		rc = check_hash(&f, &e);
	if (!rc)
		rc = finish(&f, &e);
	if (f.fd >= 0)
		(void)close(f.fd); /* synced, or not wanted */
	if (f.part[0])
		(void)unlink(f.part);
	forget(&f);
	if (!rc) {
		said = json_pack("{s:O,s:O,s:s,s:O,s:O}", "bytes",
		                 json_object_get(f.status, "bytes"), "events",
		                 json_object_get(f.status, "events"), "file", f.file, "sessions",
		                 json_object_get(f.status, "sessions"), "sha256",
		                 json_object_get(f.status, "sha256"));
		tool_put_object(t, said);
	}
	json_decref(said);
	json_decref(f.status);
	return rc ? tool_fail(t, &e) : 0;
}
