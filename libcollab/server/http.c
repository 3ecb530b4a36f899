/* Answers as they go out. */
#include "server/http.h"

#include <http_parser.h>
#include <stdint.h>
#include <string.h>

#include "proto/reply.h"
#include "server/http_in.h"

/* Answers are made of what the hub has limited already: state, sections, pages of the log. */
enum { HEADERS_BYTES_MAX = 65536 };
#define BODY_BYTES_MAX (SIZE_MAX / 2)

void response_init(struct response *r, int status)
{
	*r = (struct response){.status = status};
	buf_init(&r->headers, HEADERS_BYTES_MAX);
	buf_init(&r->body, BODY_BYTES_MAX);
}

void response_release(struct response *r)
{
	buf_release(&r->headers);
	buf_release(&r->body);
}

static void put_status(int status, struct buf *out)
{
	buf_printf(out, "HTTP/1.1 %d %s\r\n", status, http_status_str((enum http_status)status));
}

/* Every answer is about the moment it is made in, and none is anything but what it says it is. */
static void put_common(struct buf *out)
{
	buf_puts(out, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
}

void response_write(const struct response *r, const char *req_method, bool keep_alive,
                    struct buf *out)
{
	bool bodiless = r->status < 200 || r->status == 204 || r->status == 304;
	size_t len = r->content_type ? r->body.len : 0;

	put_status(r->status, out);
	if (!bodiless) {
		if (r->content_type)
			buf_printf(out, "Content-Type: %s\r\n", r->content_type);
		buf_printf(out, "Content-Length: %zu\r\n", len);
	}
	put_common(out);
	buf_put(out, r->headers.p, r->headers.len);
	buf_printf(out, "Connection: %s\r\n\r\n", keep_alive ? "keep-alive" : "close");
	if (!bodiless && strcmp(req_method, "HEAD") != 0)
		buf_put(out, r->body.p, len);
}

void http_refuse(const struct err *e, const struct http_head *head, struct buf *out)
{
	const struct err_row *row = err_row(e->code);
	const char *method = head && head->request.method ? head->request.method : "GET";
	struct response r;

	response_init(&r, row->http);
	r.content_type = "application/problem+json";
	if (e->code == ERR_UPGRADE_REQUIRED)
		buf_puts(&r.headers, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
	if (row->http == 405)
		buf_puts(&r.headers, "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
	if (row->retryable)
		buf_puts(&r.headers, "Retry-After: 5\r\n");
	problem_write(e, NULL, &r.body);
	response_write(&r, method, false, out);
	response_release(&r);
}

void http_stream_head(const char *content_type, const char *headers, bool chunked, bool keep_alive,
                      struct buf *out)
{
	put_status(200, out);
	buf_printf(out, "Content-Type: %s\r\n", content_type);
	put_common(out);
	if (headers)
		buf_puts(out, headers);
	buf_puts(out, chunked ? "Transfer-Encoding: chunked\r\n" : "");
	buf_printf(out, "Connection: %s\r\n\r\n", keep_alive ? "keep-alive" : "close");
}

void http_upgrade_head(const char *accept, const char *subprotocol, struct buf *out)
{
	put_status(101, out);
	buf_printf(out, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
	           accept);
	if (subprotocol)
		buf_printf(out, "Sec-WebSocket-Protocol: %s\r\n", subprotocol);
	buf_puts(out, "\r\n");
}
