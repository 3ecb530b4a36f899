/*
 * HTTP requests out of any bytes: nothing is read beyond them, and how they are cut into pieces
 * changes nothing.  The first byte of the input chooses the cutting.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/http_in.h"

enum { BODY_MAX = 4096 };

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

static struct http_in *reader(void)
{
	struct http_in *in = NULL;

	if (http_in_new(&in, BODY_MAX))
		abort();
	return in;
}

/* Read one request in pieces; every piece in memory of its own size. */
static int read_pieces(struct http_in *in, const char *p, size_t len, unsigned seed, size_t *used)
{
	int rc = HTTP_IN_MORE;
	struct err e;

	*used = 0;
	while (*used < len && (rc == HTTP_IN_MORE || rc == HTTP_IN_CONTINUE)) {
		size_t n = 1 + (seed = seed * 1103515245 + 12345) / 65536 % 16;
		size_t one = 0;
		char *copy = NULL;

		n = n < len - *used ? n : len - *used;
		copy = malloc(n);
		memcpy(copy, p + *used, n);
		rc = http_in_read(in, copy, n, &one, &e);
		assert(one <= n && (rc != HTTP_IN_MORE || one == n));
		free(copy);
		*used += one;
	}
	return rc == HTTP_IN_CONTINUE ? HTTP_IN_MORE : rc;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void compare(const struct request *a, const struct request *b)
{
	assert(same(a->method, b->method) && same(a->path, b->path) && same(a->query, b->query));
#define X(member, name) assert(same(a->member, b->member));
	HTTP_HEADERS(X)
#undef X
	assert(a->body_len == b->body_len && memcmp(a->body, b->body, a->body_len) == 0);
	assert(a->websocket == b->websocket && strlen(a->path) + strlen(a->query) < 16384);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len)
{
	const char *p = (const char *)bytes + 1;
	int rc = HTTP_IN_DONE;

	if (len == 0)
		return 0;
	for (len--; len > 0 && rc == HTTP_IN_DONE;) {
		struct http_in *whole = reader(), *pieces = reader();
		struct err e = {0};
		size_t used = 0, used_pieces = 0;

		rc = http_in_read(whole, p, len, &used, &e);
		rc = rc == HTTP_IN_CONTINUE ? HTTP_IN_MORE : rc;
		assert(read_pieces(pieces, p, len, bytes[0], &used_pieces) == rc);
		assert(rc >= 0 || (e.code == rc && e.text[0]));
		if (rc == HTTP_IN_DONE) {
			assert(used == used_pieces);
			compare(&http_in_head(whole)->request, &http_in_head(pieces)->request);
		} else if (rc < 0) {
			struct buf out;

			buf_init(&out, 65536);
			http_refuse(&e, http_in_head(whole), &out);
			assert(!out.error && strncmp(out.p, "HTTP/1.1 4", 10) == 0);
			buf_release(&out);
		}
		http_in_free(whole);
		http_in_free(pieces);
		p += used;
		len -= used;
	}
	return 0;
}
