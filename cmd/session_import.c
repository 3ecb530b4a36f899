/* pmr-session import: what was exported, to another server, in parts that a request may have. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool_export.h"
#include "tool_progress.h"

enum { PART_BYTES = 256 << 10, PART_BYTES_MIN = 512, PATH_BYTES = 256 };

struct importing {
	struct tool *t;
	int fd;
	const char *name;
	char part[PART_BYTES + 1];
	size_t len;
	bool eof;
	char id[40];       /* what the server calls it; "": not told yet */
	int64_t sent, all; /* all: bytes of the file; 0: not known */
	struct tool_progress progress;
};

/* Fill the part. */
static int fill(struct importing *in, struct collab_err *e)
{
	while (in->len < PART_BYTES && !in->eof) {
		ssize_t n = read(in->fd, in->part + in->len, PART_BYTES - in->len);

		tool_signalled(in->t);
		if (n < 0 && errno != EINTR)
			return tool_err(e, "io", "cannot read %s: %s", in->name, strerror(errno));
		in->eof = n == 0;
		if (n > 0 && memchr(in->part + in->len, '\0', (size_t)n))
			return tool_err(e, "bad_json", "%s is no text", in->name);
		in->len += n > 0 ? (size_t)n : 0;
	}
	in->part[in->len] = '\0';
	return 0;
}

static void path_of(const struct importing *in, bool more, char path[PATH_BYTES])
{
	int n = snprintf(path, PATH_BYTES, "/api/sessions/import?more=%d&activate=%d", more,
	                 tool_has(in->t, "activate"));

	if (in->id[0])
		(void)snprintf(path + n, PATH_BYTES - (size_t)n, "&import=%s&offset=%lld", in->id,
		               (long long)in->sent); /* it fits */
}

/* Send the first `len` bytes of the part. */
static int send_part(struct importing *in, size_t len, bool more, struct collab_response *r,
                     struct collab_err *e)
{
	char path[PATH_BYTES], after = in->part[len];
	int64_t timeout_ms = 0;
	int rc = tool_opt_ms(in->t, "timeout", &timeout_ms, e);

	path_of(in, more, path);
	in->part[len] = '\0';
	if (!rc)
		rc = collab_request(in->t->config, "POST", path, in->part, NULL, (int)timeout_ms, r,
		                    e);
	in->part[len] = after;
	if (rc)
		return rc;
	in->sent += (int64_t)len;
	in->len -= len;
	memmove(in->part, in->part + len, in->len + 1);
	tool_progress(&in->progress, in->sent, in->all);
	return 0;
}

static int take_id(struct importing *in, const struct collab_response *r, struct collab_err *e)
{
	json_t *answer = NULL;
	const char *id = NULL;
	int rc = in->id[0] ? 0 : tool_answer(r, &answer, e);

	id = json_string_value(json_object_get(answer, "import"));
	if (!rc && !in->id[0] && (!id || strlen(id) >= sizeof in->id))
		rc = tool_err(e, "protocol", "the server's answer has no import");
	if (!rc && id)
		(void)snprintf(in->id, sizeof in->id, "%s", id); /* it fits */
	json_decref(answer);
	return rc;
}

/* Part after part; *r is the answer to the last one. */
static int send_all(struct importing *in, struct collab_response *r, struct collab_err *e)
{
	size_t size = PART_BYTES;
	int rc = 0;

	while (!rc) {
		size_t len;
		bool more;

		rc = fill(in, e);
		if (rc)
			return rc;
		len = in->len < size ? in->len : size;
		more = !in->eof || len < in->len;
		collab_response_release(r);
		rc = send_part(in, len, more, r, e);
		/* A server may take smaller bodies only. */
		if (rc && e->http == 413 && e->code == collab_code("too_large") && !in->sent &&
		    size > PART_BYTES_MIN) {
			size /= 2;
			rc = 0;
			continue;
		}
		if (!rc && !more)
			return 0;
		if (!rc)
			rc = take_id(in, r, e);
	}
	return rc;
}

int session_import(struct tool *t)
{
	const char *file = t->operands_len ? t->operands[0] : "-";
	bool is_stdin = strcmp(file, "-") == 0;
	struct collab_response r = {0};
	struct collab_err e = {0};
	struct importing *in = calloc(1, sizeof *in);
	struct stat st;
	int status = 0, rc = in ? 0 : tool_err(&e, "out_of_memory", "out of memory");

	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SERVER, &e);
	if (!rc) {
		in->t = t;
		in->name = is_stdin ? "stdin" : file;
		in->fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
		if (in->fd < 0 || fstat(in->fd, &st))
			rc = tool_err(&e, "io", "cannot open %s: %s", file, strerror(errno));
		in->all = !rc && S_ISREG(st.st_mode) ? st.st_size : 0;
	}
	if (!rc) {
		tool_progress_begin(&in->progress, t->quiet, "bytes");
		rc = send_all(in, &r, &e);
		tool_progress_end(&in->progress);
	}
	if (rc)
		status = tool_fail(t, &e);
	else
		tool_put_json(t, r.body, r.len);
	if (in && !is_stdin && in->fd > 0)
		(void)close(in->fd); /* only read */
	collab_response_release(&r);
	free(in);
	return status;
}
