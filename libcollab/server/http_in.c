/* Reading one request: the head, then the body, from pieces of any size. */
#include "server/http_in.h"

#include <stdlib.h>
#include <string.h>

/* Empty lines before a request are skipped (RFC 9112 section 2.2), but not for ever. */
enum { EMPTY_LINES_MAX = 4 };

enum stage { STAGE_HEAD, STAGE_BODY, STAGE_DONE, STAGE_BROKEN };

struct http_in {
	enum stage stage;
	struct buf bytes; /* the head as it came; http_head points into it */
	int empty_lines;
	struct http_head head;
	struct http_chunks chunks;
	struct buf body;
};

int http_in_new(struct http_in **out, size_t body_max)
{
	struct http_in *in = calloc(1, sizeof *in);

	*out = in;
	if (!in)
		return ERR_NOMEM;
	buf_init(&in->bytes, HTTP_HEAD_BYTES_MAX);
	buf_init(&in->body, body_max);
	in->head.request.query = "";
	return 0;
}

void http_in_free(struct http_in *in)
{
	if (!in)
		return;
	http_head_release(&in->head);
	buf_release(&in->bytes);
	buf_release(&in->body);
	free(in);
}

struct http_head *http_in_head(struct http_in *in)
{
	return &in->head;
}

size_t http_in_held(const struct http_in *in)
{
	return in->body.len;
}

/*
 * How many of bytes[0..len), which follow `before`, belong to the head; *whole when it ends there.
 * CR and LF come only as a pair, and NUL never.
 */
static int scan(const struct buf *before, const char *bytes, size_t len, size_t *n, bool *whole,
                struct err *e)
{
	/* The two bytes before; in front of everything lies the end of a line. */
	char a = before->len > 1 ? before->p[before->len - 2] : '\n';
	char b = before->len > 0 ? before->p[before->len - 1] : '\n';

	*whole = false;
	for (*n = 0; *n < len && !*whole; (*n)++) {
		char c = bytes[*n];

		if (c == '\0' || (b == '\r') != (c == '\n'))
			return err_set(e, ERR_BAD_REQUEST,
			               "malformed request: lines must end in CRLF");
		*whole = c == '\n' && a == '\n'; /* an empty line */
		a = b;
		b = c;
	}
	return 0;
}

static int begin_body(struct http_in *in, struct err *e)
{
	struct http_head *h = &in->head;
	int rc = http_head_parse(h, in->bytes.p, in->bytes.len, e);

	if (rc)
		return rc;
	if ((uint64_t)h->body_bytes > in->body.len_max)
		return err_set(e, ERR_TOO_LARGE, NULL);
	in->stage = h->chunked || h->body_bytes ? STAGE_BODY : STAGE_DONE;
	return 0;
}

static int read_head(struct http_in *in, const char *bytes, size_t len, size_t *used, struct err *e)
{
	bool whole = false;
	size_t n = 0;
	size_t room = HTTP_HEAD_BYTES_MAX - in->bytes.len + 1; /* one byte too many tells enough */
	int rc = scan(&in->bytes, bytes, len < room ? len : room, &n, &whole, e);

	if (rc)
		return rc;
	buf_put(&in->bytes, bytes, n);
	*used += n;
	if (in->bytes.error)
		return err_set(e, in->bytes.error == ERR_NOMEM ? ERR_NOMEM : ERR_HEADERS_TOO_LARGE,
		               NULL);
	if (!whole)
		return 0;
	if (in->bytes.len == 2) {
		buf_clear(&in->bytes);
		return ++in->empty_lines > EMPTY_LINES_MAX
		               ? err_set(e, ERR_BAD_REQUEST, "malformed request: empty lines")
		               : 0;
	}
	return begin_body(in, e);
}

static int read_body(struct http_in *in, const char *bytes, size_t len, size_t *used, struct err *e)
{
	const struct http_head *h = &in->head;
	size_t n = 0;
	int rc = 0;

	if (h->chunked) {
		rc = http_chunks_read(&in->chunks, bytes, len, &n, &in->body, e);
		in->stage = in->chunks.state == CHUNK_DONE ? STAGE_DONE : STAGE_BODY;
	} else {
		n = (size_t)h->body_bytes - in->body.len;
		n = n < len ? n : len;
		buf_put(&in->body, bytes, n);
		if (in->body.error)
			rc = err_set(e, in->body.error, NULL);
		in->stage = in->body.len == (size_t)h->body_bytes ? STAGE_DONE : STAGE_BODY;
	}
	*used += n;
	return rc;
}

int http_in_read(struct http_in *in, const char *bytes, size_t len, size_t *used, struct err *e)
{
	struct http_head *h = &in->head;
	int rc = 0;

	*used = 0;
	if (in->stage == STAGE_BROKEN)
		return err_set(e, ERR_BAD_REQUEST, NULL);
	while (rc == 0 && *used < len && in->stage < STAGE_DONE) {
		if (in->stage == STAGE_HEAD)
			rc = read_head(in, bytes + *used, len - *used, used, e);
		else
			rc = read_body(in, bytes + *used, len - *used, used, e);
	}
	if (rc) {
		in->stage = STAGE_BROKEN;
		return rc;
	}
	if (in->stage == STAGE_DONE) {
		h->request.body = in->body.p ? in->body.p : "";
		h->request.body_len = in->body.len;
		return HTTP_IN_DONE;
	}
	/* Who has begun to send the body waits for nothing any more. */
	if (in->stage == STAGE_BODY && h->expect_continue) {
		h->expect_continue = false;
		if (in->body.len == 0 && in->chunks.state == CHUNK_SIZE_FIRST)
			return HTTP_IN_CONTINUE;
	}
	return HTTP_IN_MORE;
}
