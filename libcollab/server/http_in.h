/*
 * Reading one HTTP/1 request from bytes as they come; private to the server.
 *
 * libhttp-parser takes heads apart, but Debian builds it without its strict mode: it lets bare line
 * feeds, spaces in header names and folded headers through, and any two bytes for the end of a
 * chunk. Two servers that read the same bytes differently are what request smuggling is made of, so
 * here lines must end in CRLF, names must be tokens, and chunks are read by a decoder of our own.
 */
#ifndef COLLAB_SERVER_HTTP_IN_H
#define COLLAB_SERVER_HTTP_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "server/http.h"

enum {
	HTTP_HEAD_BYTES_MAX = 16384, /* request line and headers, each with their line ends */
	HTTP_HEADERS_MAX = 100       /* header lines */
};

/* ---- the head ------------------------------------------------------------------------------- */

/* A request's head, taken apart. */
struct http_head {
	struct request request; /* its strings lie in the bytes parsed, or in `joined` */
	struct buf joined;      /* lists that came in several lines, as one */
	int64_t body_bytes;     /* the Content-Length; 0 when there is no body */
	bool chunked;           /* the body comes in chunks; body_bytes is 0 */
	bool expect_continue;   /* the client waits for 100 before it sends the body */
	bool http_1_0;
	bool keep_alive;
};

/*
 * Take the head bytes[0..len) apart, in place; it ends with the empty line, and every line feed in
 * it follows a carriage return and the other way round (the reader sees to that).  What went wrong
 * is ERR_BAD_REQUEST, ERR_HEADERS_TOO_LARGE, ERR_METHOD_NOT_ALLOWED,
 * ERR_EXPECTATION_FAILED, ERR_UPGRADE_REQUIRED (a WebSocket version other than 13) or ERR_NOMEM.
 * Release the head in every case; a zeroed one is fine.
 */
int http_head_parse(struct http_head *h, char *bytes, size_t len, struct err *e);
void http_head_release(struct http_head *h);

/* ---- a chunked body ------------------------------------------------------------------------- */

enum http_chunk_state {
	CHUNK_SIZE_FIRST, /* a digit must come */
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_BYTES,
	CHUNK_BYTES_CR,
	CHUNK_BYTES_LF,
	CHUNK_TRAILER_FIRST, /* the first byte of a line after the last chunk */
	CHUNK_TRAILER,
	CHUNK_TRAILER_LF,
	CHUNK_END_LF,
	CHUNK_DONE
};

/* A zeroed struct is at the beginning. */
struct http_chunks {
	enum http_chunk_state state;
	uint64_t left;   /* bytes of this chunk that are still to come */
	size_t overhead; /* bytes of extensions and trailers so far, which are ignored but not
	                    endless */
};

/*
 * Decode bytes[0..len) into *body; *used is how many were taken (all, unless the body ended).
 * 0, ERR_BAD_REQUEST, ERR_TOO_LARGE (also as soon as a chunk is announced that cannot fit) or
 * ERR_NOMEM.  The body is whole when state is CHUNK_DONE.
 */
int http_chunks_read(struct http_chunks *c, const char *bytes, size_t len, size_t *used,
                     struct buf *body, struct err *e);

/* ---- a request ------------------------------------------------------------------------------ */

enum http_in_result {
	HTTP_IN_MORE,     /* all bytes were taken, the request is not complete */
	HTTP_IN_CONTINUE, /* the same, and the client waits for "100 Continue" */
	HTTP_IN_DONE      /* the request is complete */
};

struct http_in;

/* A reader of one request whose body has at most body_max bytes. */
int http_in_new(struct http_in **out, size_t body_max);
void http_in_free(struct http_in *in); /* NULL is fine */

/*
 * Read on.  A result, with *used set to how many bytes were taken: what is left belongs to the next
 * request, or to the protocol upgraded to.  Or an error, after which the connection is of no use:
 * those of http_head_parse and http_chunks_read.
 */
int http_in_read(struct http_in *in, const char *bytes, size_t len, size_t *used, struct err *e);

/* What was read; lent until http_in_free.  After an error: as far as it came. */
struct http_head *http_in_head(struct http_in *in);

/* How many bytes of body it holds. */
size_t http_in_held(const struct http_in *in);

/* ---- answers made here ---------------------------------------------------------------------- */

/* A problem+json answer to a request that never reached the hub; says Connection: close. */
void http_refuse(const struct err *e, const struct http_head *head, struct buf *out);

/* The head of an answer of 200 whose body's length is not known: chunked, or ended by closing. */
void http_stream_head(const char *content_type, const char *headers, bool chunked, bool keep_alive,
                      struct buf *out);

/* The answer to a WebSocket handshake; accept is the key's answer, subprotocol may be NULL. */
void http_upgrade_head(const char *accept, const char *subprotocol, struct buf *out);

#endif
