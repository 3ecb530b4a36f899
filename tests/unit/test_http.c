/* HTTP requests read whole, byte by byte and in random pieces; answers as they are written. */
#include <string.h>

#include "../tap.h"
#include "server/http.h"
#include "server/http_in.h"

enum { BODY_MAX = 1024 };

#define H "Host: a.example\r\n"
#define WS H "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

struct good {
	const char *bytes;
	const char *method, *path, *query, *host, *body, *rest;
	bool keep_alive, websocket;
};

static const struct good good[] = {
	{"GET / HTTP/1.1\r\n" H "\r\n", "GET", "/", "", "a.example", "", "", true, false},
	{"\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", "GET", "/", "", "a.example", "", "", true, false},
	{"HEAD /a%20b?c=d?e HTTP/1.1\r\n" H "Connection: close\r\n\r\n", "HEAD", "/a%20b", "c=d?e",
         "a.example", "", "", false, false},
	{"GET /? HTTP/1.1\r\nhost:\t [::1]:80 \r\n\r\n", "GET", "/", "", "[::1]:80", "", "", true,
         false},
	{"GET /x HTTP/1.0\r\n\r\n", "GET", "/x", "", NULL, "", "", false, false},
	{"GET /x HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET", "/x", "", NULL, "", "", true,
         false},
	{"GET http://b.example:80/p?q HTTP/1.1\r\n" H "\r\n", "GET", "/p", "q", "b.example:80", "",
         "", true, false},
	{"GET https://b?q HTTP/1.1\r\n" H "\r\n", "GET", "/", "q", "b", "", "", true, false},
	{"GET HTTP://b HTTP/1.1\r\n" H "\r\n", "GET", "/", "", "b", "", "", true, false},
	{"OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS", "*", "", "a.example", "", "", true, false},
	{"POST /p HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcGET", "POST", "/p", "", "a.example",
         "abc", "GET", true, false},
	{"POST /p HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\nGET", "POST", "/p", "", "a.example", "",
         "GET", true, false},
	{"DELETE /p HTTP/1.1\r\n" H "\r\nGET / ", "DELETE", "/p", "", "a.example", "", "GET / ",
         true, false},
	{"GET /p HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nab", "GET", "/p", "", "a.example", "ab",
         "", true, false},
	{"PUT /p HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n"
         "3;a=\"b\"\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nNEXT",
         "PUT", "/p", "", "a.example", "abc0123456789", "NEXT", true, false},
	{"PATCH /p HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "PATCH", "/p", "",
         "a.example", "", "", true, false},
	{"GET /w HTTP/1.1\r\n" WS KEY "Sec-WebSocket-Version: 13\r\n\r\n\x81\x80", "GET", "/w", "",
         "a.example", "", "\x81\x80", true, true},
	{"GET /w HTTP/1.1\r\n" H "Upgrade: h2c, WebSocket\r\nConnection: upgrade\r\n" KEY
         "Sec-WebSocket-Version: 13\r\n\r\n",
         "GET", "/w", "", "a.example", "", "", true, true},
	/* Other protocols, and offers without Connection, are ignored. */
	{"GET /w HTTP/1.1\r\n" H "Upgrade: foo\r\nConnection: Upgrade\r\n\r\nGET", "GET", "/w", "",
         "a.example", "", "GET", true, false},
	{"GET /w HTTP/1.1\r\n" H "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
         "HTTP2-Settings: x\r\n\r\n",
         "GET", "/w", "", "a.example", "", "", true, false},
	{"GET /w HTTP/1.1\r\n" H "Upgrade: websocket\r\n" KEY "\r\n", "GET", "/w", "", "a.example",
         "", "", true, false},
	/* Without length or encoding there is no body (RFC 9112 section 6.3). */
	{"POST /end HTTP/1.1\r\n" H "\r\n", "POST", "/end", "", "a.example", "", "", true, false},
};

struct bad {
	const char *bytes;
	int rc;
};

static const struct bad bad[] = {
	/* the request line */
	{"GARBAGE\r\n\r\n", ERR_BAD_REQUEST},
	{"GET /\r\n\r\n", ERR_BAD_REQUEST},
	{"get / HTTP/1.1\r\n" H "\r\n", ERR_BAD_REQUEST},
	{"GET /a b HTTP/1.1\r\n" H "\r\n", ERR_BAD_REQUEST},
	{"GET /\x01 HTTP/1.1\r\n" H "\r\n", ERR_BAD_REQUEST},
	{"GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n", ERR_BAD_REQUEST},
	{"GET /a#b HTTP/1.1\r\n" H "\r\n", ERR_BAD_REQUEST},
	{"GET a HTTP/1.1\r\n" H "\r\n", ERR_BAD_REQUEST},
	{"GET * HTTP/1.1\r\n" H "\r\n", ERR_BAD_REQUEST},
	{"GET http:///a HTTP/1.1\r\n" H "\r\n", ERR_BAD_REQUEST},
	{"GET http://u@h/a HTTP/1.1\r\n" H "\r\n", ERR_BAD_REQUEST},
	{"GET ftp://h/a HTTP/1.1\r\n" H "\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/2.0\r\n" H "\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/0.9\r\n" H "\r\n", ERR_BAD_REQUEST},
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ERR_BAD_REQUEST},
	{"\x16\x03\x01\x02\x01\r\n\r\n", ERR_BAD_REQUEST},
	{"CONNECT a:80 HTTP/1.1\r\n" H "\r\n", ERR_METHOD_NOT_ALLOWED},
	{"TRACE / HTTP/1.1\r\n" H "\r\n", ERR_METHOD_NOT_ALLOWED},
	{"\r\n\r\n\r\n\r\n\r\n\r\n", ERR_BAD_REQUEST},
	/* line ends */
	{"GET / HTTP/1.1\n" H "\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\nHost: a\n\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\n" H "\r\r\n", ERR_BAD_REQUEST},
	{"\nGET / HTTP/1.1\r\n" H "\r\n", ERR_BAD_REQUEST},
	/* headers */
	{"GET / HTTP/1.1\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\nHost:\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\n" H H "\r\n", ERR_BAD_REQUEST},
	{"GET http://a.example/ HTTP/1.1\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\n" H " folded\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\n Host: a\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\n" H "A: b\r\n\tc\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\n" H "A b: c\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\n" H ": c\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\n" H "nocolon\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\n" H "A: b\x01"
         "c\r\n\r\n",
         ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\n" H "A: b\x7f\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\n" H "Origin: \xff\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\n" H "Authorization: a\r\nauthorization: b\r\n\r\n", ERR_BAD_REQUEST},
	{"GET / HTTP/1.1\r\n" H "X-Collab-As: a\r\nX-Collab-As: b\r\n\r\n", ERR_BAD_REQUEST},
	/* where the body ends, in two ways */
	{"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
         ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\nContent-Length: 3\r\n\r\nabc",
         ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
         ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
         ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\nabc", ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\nabc", ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Content-Length: -3\r\n\r\nabc", ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\nabc", ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 3 3\r\n\r\nabc", ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\nabc", ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999\r\n\r\n",
         ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 9223372036854775807\r\n\r\n", ERR_TOO_LARGE},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 1025\r\n\r\n", ERR_TOO_LARGE},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
         ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
         ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\n",
         ERR_BAD_REQUEST},
	{"POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ERR_BAD_REQUEST},
	/* chunks */
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2\rXab\r\n0\r\n\r\n",
         ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2\r\nabXY0\r\n\r\n",
         ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n",
         ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n\r\nab", ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n 2\r\nab", ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2 \r\nab", ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0x2\r\nab", ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n-1\r\nab", ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n401\r\n", ERR_TOO_LARGE},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\nab",
         ERR_TOO_LARGE},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\nab\r\n",
         ERR_BAD_REQUEST},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\nC: d\r\n\r\n",
         ERR_BAD_REQUEST},
	/* expectations and handshakes */
	{"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 200-ok\r\n\r\n",
         ERR_EXPECTATION_FAILED},
	{"GET /w HTTP/1.1\r\n" WS KEY "\r\n", ERR_UPGRADE_REQUIRED},
	{"GET /w HTTP/1.1\r\n" WS KEY "Sec-WebSocket-Version: 8\r\n\r\n", ERR_UPGRADE_REQUIRED},
	{"GET /w HTTP/1.1\r\n" WS "Sec-WebSocket-Version: 13\r\n\r\n", ERR_BAD_REQUEST},
	{"GET /w HTTP/1.1\r\n" WS "Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n\r\n",
         ERR_BAD_REQUEST},
	{"GET /w HTTP/1.1\r\n" WS KEY KEY "Sec-WebSocket-Version: 13\r\n\r\n", ERR_BAD_REQUEST},
	{"GET /w HTTP/1.0\r\n" WS KEY "Sec-WebSocket-Version: 13\r\n\r\n", ERR_BAD_REQUEST},
	{"PUT /w HTTP/1.1\r\n" WS KEY "Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n",
         ERR_BAD_REQUEST},
	{"GET /w HTTP/1.1\r\n" WS KEY "Sec-WebSocket-Version: 13\r\nContent-Length: 1\r\n\r\nx",
         ERR_BAD_REQUEST},
};

/* Read bytes in pieces of at most `piece` (0: random); the last result, *used counts all. */
static int feed(struct http_in *in, const char *bytes, size_t len, size_t piece, uint64_t *seed,
                size_t *used)
{
	int rc = HTTP_IN_MORE;
	struct err e = {0};

	*used = 0;
	while (*used < len && (rc == HTTP_IN_MORE || rc == HTTP_IN_CONTINUE)) {
		size_t n = piece ? piece : 1 + rnd(seed) % 9;
		size_t one = 0;
		/* Each piece in memory of its own size, so that a sanitizer sees the edges. */
		char *copy = NULL;

		n = n < len - *used ? n : len - *used;
		copy = malloc(n);
		memcpy(copy, bytes + *used, n);
		rc = http_in_read(in, copy, n, &one, &e);
		free(copy);
		*used += one;
	}
	if (rc < 0 && e.code != rc)
		return 1000;
	return rc;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool good_read(const struct good *g, size_t piece, uint64_t *seed)
{
	struct http_in *in = NULL;
	size_t len = strlen(g->bytes), used = 0;
	const struct http_head *h = NULL;
	bool pass = false;

	if (http_in_new(&in, BODY_MAX))
		return false;
	h = http_in_head(in);
	pass = feed(in, g->bytes, len, piece, seed, &used) == HTTP_IN_DONE &&
	       same(h->request.method, g->method) && same(h->request.path, g->path) &&
	       same(h->request.query, g->query) && same(h->request.host, g->host) &&
	       h->request.body_len == strlen(g->body) && same(h->request.body, g->body) &&
	       same(g->bytes + used, g->rest) && h->keep_alive == g->keep_alive &&
	       h->request.websocket == g->websocket;
	http_in_free(in);
	return pass;
}

static void test_tables(uint64_t *seed)
{
	static const size_t pieces[] = {SIZE_MAX, 1, 2, 7, 0, 0, 0};

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++)
			if (!good_read(&good[i], pieces[k], seed) || k == 0)
				ok(good_read(&good[i], pieces[k], seed),
				   "good %zu in pieces of %zu", i, pieces[k]);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
			struct http_in *in = NULL;
			size_t used = 0;
			int rc = http_in_new(&in, BODY_MAX);

			rc = rc ? rc
			        : feed(in, bad[i].bytes, strlen(bad[i].bytes), pieces[k], seed,
			               &used);
			http_in_free(in);
			if (rc != bad[i].rc || k == 0)
				ok(rc == bad[i].rc, "bad %zu in pieces of %zu: %s", i, pieces[k],
				   err_row(rc)->wire);
		}
	}
}

static void test_nul(void)
{
	static const char bytes[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
	struct http_in *in = NULL;
	size_t used = 0;

	ok(http_in_new(&in, 0) == 0, "a reader");
	is_int(feed(in, bytes, sizeof bytes - 1, 1, NULL, &used), ERR_BAD_REQUEST,
	       "NUL in a header");
	is_int(feed(in, "GET", 3, 1, NULL, &used), ERR_BAD_REQUEST,
	       "nothing is read after an error");
	http_in_free(in);
}

static void test_limits(void)
{
	struct buf b;
	struct http_in *in = NULL;
	size_t used = 0;

	buf_init(&b, 65536);
	buf_puts(&b, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	while (b.len < HTTP_HEAD_BYTES_MAX - 4)
		buf_putc(&b, 'x');
	buf_puts(&b, "\r\n\r\n");
	ok(http_in_new(&in, 0) == 0, "a reader");
	is_int(feed(in, b.p, b.len, 1000, NULL, &used), HTTP_IN_DONE, "a head of 16 KiB");
	http_in_free(in);
	b.p[20] = 'x';
	buf_drop(&b, 0);
	memmove(b.p + b.len - 3, "\r\n\r", 3); /* one byte more before the end */
	b.p[b.len - 4] = 'x';
	buf_putc(&b, '\n');
	ok(http_in_new(&in, 0) == 0, "a reader");
	is_int(feed(in, b.p, b.len, 1000, NULL, &used), ERR_HEADERS_TOO_LARGE, "a byte more");
	http_in_free(in);
	buf_clear(&b);
	buf_puts(&b, "GET / HTTP/1.1\r\n" H);
	for (int i = 0; i < HTTP_HEADERS_MAX; i++)
		buf_puts(&b, "Accept: a\r\n");
	buf_puts(&b, "\r\n");
	ok(http_in_new(&in, 0) == 0, "a reader");
	is_int(feed(in, b.p, b.len, 1000, NULL, &used), ERR_HEADERS_TOO_LARGE, "too many headers");
	http_in_free(in);
	buf_release(&b);
}

static void test_members(void)
{
	static const char bytes[] =
		"GET / HTTP/1.1\r\n" H
		"Accept: text/a\r\nIf-Match: \"1\"\r\nACCEPT:text/b , text/c\r\n"
		"Accept:\r\nAuthorization: Bearer x\r\nX-Collab-As: J\xc3\xb6rg\r\nOrigin:  \r\n"
		"If-Match: \"2\"\r\nUser-Agent: \xff\r\n\r\n";
	struct http_in *in = NULL;
	const struct request *r = NULL;
	size_t used = 0;

	ok(http_in_new(&in, 0) == 0, "a reader");
	is_int(feed(in, bytes, sizeof bytes - 1, 5, NULL, &used), HTTP_IN_DONE, "many headers");
	r = &http_in_head(in)->request;
	is_str(r->accept, "text/a, text/b , text/c", "a list in three lines");
	is_str(r->if_match, "\"1\", \"2\"", "another one");
	is_str(r->authorization, "Bearer x", "authorization");
	is_str(r->as, "J\xc3\xb6rg", "UTF-8 in a header");
	ok(r->origin == NULL, "an empty header counts as none");
	ok(r->content_type == NULL, "one that is not there");
	http_in_free(in);
}

static void test_continue(void)
{
	static const char head[] =
		"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-Continue\r\n\r\n";
	struct http_in *in = NULL;
	struct err e;
	size_t used = 0;

	ok(http_in_new(&in, BODY_MAX) == 0, "a reader");
	is_int(http_in_read(in, head, sizeof head - 1, &used, &e), HTTP_IN_CONTINUE, "Expect");
	is_int(http_in_read(in, "ab", 2, &used, &e), HTTP_IN_MORE, "is told once");
	is_int(http_in_read(in, "cd", 2, &used, &e), HTTP_IN_DONE, "then the body comes");
	is_int((int64_t)used, 1, "and ends where it should");
	is_str(http_in_head(in)->request.body, "abc", "whole");
	http_in_free(in);
}

static void is_answer(struct buf *out, const char *want, const char *name)
{
	is_str(out->p, want, name);
	buf_release(out);
}

static void test_answers(void)
{
	struct response r;
	struct buf out;

	buf_init(&out, 65536);
	response_init(&r, 200);
	r.content_type = "application/json";
	buf_puts(&r.body, "{}");
	buf_puts(&r.headers, "ETag: \"1\"\r\n");
	response_write(&r, "GET", true, &out);
	is_answer(&out,
	          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
	          "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nETag: \"1\"\r\n"
	          "Connection: keep-alive\r\n\r\n{}",
	          "an answer");
	response_write(&r, "HEAD", false, &out);
	is_answer(&out,
	          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
	          "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nETag: \"1\"\r\n"
	          "Connection: close\r\n\r\n",
	          "to HEAD without body");
	r.status = 304;
	response_write(&r, "GET", true, &out);
	is_answer(
		&out,
		"HTTP/1.1 304 Not Modified\r\nCache-Control: no-store\r\n"
		"X-Content-Type-Options: nosniff\r\nETag: \"1\"\r\nConnection: keep-alive\r\n\r\n",
		"304 has neither body nor length");
	r.status = 404;
	r.content_type = NULL;
	response_write(&r, "GET", true, &out);
	ok(strstr(out.p, "Content-Length: 0\r\n") != NULL, "without type there is no body");
	buf_release(&out);
	response_release(&r);
	http_stream_head("text/event-stream", NULL, true, true, &out);
	is_answer(&out,
	          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	          "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
	          "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n",
	          "a stream");
	http_upgrade_head("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "collab.v1", &out);
	is_answer(&out,
	          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	          "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	          "Sec-WebSocket-Protocol: collab.v1\r\n\r\n",
	          "an upgrade");
}

static void test_refusals(void)
{
	static const char old[] = "GET /w HTTP/1.1\r\n" WS KEY "Sec-WebSocket-Version: 8\r\n\r\n";
	struct http_in *in = NULL;
	struct err e;
	struct buf out;
	size_t used = 0;

	buf_init(&out, 65536);
	ok(http_in_new(&in, 0) == 0, "a reader");
	is_int(http_in_read(in, old, sizeof old - 1, &used, &e), ERR_UPGRADE_REQUIRED,
	       "an old WebSocket");
	http_refuse(&e, http_in_head(in), &out);
	ok(strncmp(out.p, "HTTP/1.1 426 Upgrade Required\r\n", 31) == 0, "is refused in HTTP/1.1");
	ok(strstr(out.p, "\r\nSec-WebSocket-Version: 13\r\n") != NULL, "told which one is spoken");
	ok(strstr(out.p, "\r\nConnection: close\r\n") != NULL, "and the connection closes");
	ok(strstr(out.p, "\"code\":\"upgrade_required\"") != NULL, "with a code");
	buf_clear(&out);
	http_in_free(in);
	(void)err_set(&e, ERR_REQUEST_TIMEOUT, NULL);
	http_refuse(&e, NULL, &out);
	ok(strncmp(out.p, "HTTP/1.1 408 ", 13) == 0, "a time-out");
	ok(strstr(out.p, "\r\nRetry-After: ") != NULL, "may be tried again");
	buf_release(&out);
}

int main(void)
{
	uint64_t seed = rnd_seed(1);

	test_tables(&seed);
	test_nul();
	test_limits();
	test_members();
	test_continue();
	test_answers();
	test_refusals();
	return done();
}
