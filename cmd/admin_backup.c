/*
 * pmr-admin backup: the daemon copies its store and checks the copy; this fetches it and writes the
 * file, as whoever runs it.  Under its name the file is there whole or not at all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "base/sha256.h"
#include "tool_admin.h"
#include "tool_file.h"
#include "tool_progress.h"

enum { WAIT_MS = 500, BUSY_TRIES = 120, GOOD_BYE_MS = 500 };

struct fetch {
	struct tool *t;
	char id[40];
	json_t *status; /* once it is ready */
	struct tool_progress progress;
	struct tool_file file;
};

static void pause_ms(int64_t ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	(void)nanosleep(&ts, NULL); /* a signal ends it early, and the next request us */
}

static void tell(struct fetch *f, const char *what, int64_t done, int64_t total)
{
	f->progress.what = what;
	tool_progress(&f->progress, done, total);
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
		pause_ms(e->retry_after > 0 ? e->retry_after * 1000 : 500);
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

/* Wait until the copy was made and checked.  The daemon gives it up if we die meanwhile. */
static int wait_ready(struct fetch *f, struct collab_err *e)
{
	int64_t timeout_ms = INT64_MAX;
	char path[128];
	int rc = tool_opt_ms(f->t, "timeout", &timeout_ms, e);

	(void)snprintf(path, sizeof path, "/api/admin/backup?id=%s&wait=%d", f->id,
	               timeout_ms / 2 < WAIT_MS ? (int)(timeout_ms / 2) : WAIT_MS);
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
		tell(f, phase && strcmp(phase, "checking") == 0 ? "events checked" : "pages copied",
		     json_integer_value(json_object_get(f->status, "done")),
		     json_integer_value(json_object_get(f->status, "total")));
	}
	return rc;
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
			rc = tool_file_write(&f->file, r.body, r.len, e);
		done += rc ? 0 : (int64_t)r.len;
		collab_response_release(&r);
		tell(f, "bytes fetched", done, bytes);
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
	void *map = mmap(NULL, len, PROT_READ, MAP_PRIVATE, f->file.fd, 0);

	if (map == MAP_FAILED)
		return tool_err(e, "io", "cannot read %s: %s", f->file.temp, strerror(errno));
	sha256(map, len, digest);
	(void)munmap(map, len); /* it was mapped */
	sha256_hex(digest, hex);
	return want && strcmp(want, hex) == 0
	               ? 0
	               : tool_err(e, "io", "%s is not what the daemon checked", f->file.temp);
}

static int open_file(struct fetch *f, const char *name, struct collab_err *e)
{
	struct stat st;

	if (!tool_has(f->t, "force") && lstat(name, &st) == 0)
		return tool_err(e, "io", "%s exists; --force replaces it", name);
	return tool_file_open(&f->file, name, e); /* mode 0600: it holds everybody's text */
}

/* If the daemon cannot be told, it forgets the copy by itself. */
static void forget(struct fetch *f)
{
	struct collab_response r = {0};
	struct collab_err ignored = {0};
	char path[128];

	if (!f->id[0])
		return;
	(void)snprintf(path, sizeof path, "/api/admin/backup?id=%s", f->id);
	(void)collab_request(f->t->config, "DELETE", path, NULL, NULL, GOOD_BYE_MS, &r, &ignored);
	collab_response_release(&r);
}

/* A signal ends us, but a copy that nobody fetches would keep others waiting. */
static void take_leave(void *arg)
{
	struct fetch *f = arg;

	tool_progress_end(&f->progress);
	forget(f);
}

int admin_backup(struct tool *t)
{
	struct fetch f = {.t = t, .file.fd = -1};
	struct collab_err e = {0};
	json_t *said = NULL;
	int rc = tool_target(t, TOOL_NEEDS_SERVER, &e);

	tool_progress_begin(&f.progress, t->quiet, "pages copied");
	if (!rc)
		rc = open_file(&f, t->operands[0], &e);
	tool_farewell(take_leave, &f);
	if (!rc)
		rc = start(&f, &e);
	if (!rc)
		rc = wait_ready(&f, &e);
	if (!rc)
		rc = fetch_all(&f, &e);
	if (!rc)
		rc = check_hash(&f, &e);
	forget(&f); /* the disk of the daemon is not waited for with ours */
	tool_farewell(NULL, NULL);
	if (!rc)
		rc = tool_file_keep(&f.file, &e);
	tool_file_release(&f.file);
	tool_progress_end(&f.progress);
	if (!rc) {
		said = json_pack("{s:O,s:O,s:s,s:O,s:O}", "bytes",
		                 json_object_get(f.status, "bytes"), "events",
		                 json_object_get(f.status, "events"), "file", f.file.name,
		                 "sessions", json_object_get(f.status, "sessions"), "sha256",
		                 json_object_get(f.status, "sha256"));
		tool_put_object(t, said);
	}
	json_decref(said);
	json_decref(f.status);
	tool_signalled(t);
	return rc ? tool_fail(t, &e) : 0;
}
