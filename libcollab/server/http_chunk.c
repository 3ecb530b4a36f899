/* The chunked transfer coding (RFC 9112 section 7.1), read strictly. */
#include "server/http_in.h"

/* Chunk extensions and trailers are skipped; together they may have so many bytes. */
enum { OVERHEAD_MAX = 16384 };

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int bad(struct err *e)
{
	return err_set(e, ERR_BAD_REQUEST, "malformed request: not a chunked body");
}

/* A byte of the chunk's size; the size is never more than what still fits. */
static int size_byte(struct http_chunks *c, char byte, const struct buf *body, struct err *e)
{
	int digit = hex_digit(byte);

	if (digit >= 0) {
		c->state = CHUNK_SIZE;
		c->left = c->left * 16 + (unsigned)digit;
		if (c->left > body->len_max - body->len)
			return err_set(e, ERR_TOO_LARGE, NULL);
		return 0;
	}
	if (c->state == CHUNK_SIZE_FIRST)
		return bad(e);
	if (byte == '\r')
		c->state = CHUNK_SIZE_LF;
	else if (byte == ';')
		c->state = CHUNK_EXTENSION;
	else
		return bad(e);
	return 0;
}

/* A byte that must be `want`. */
static int expect(struct http_chunks *c, char byte, char want, enum http_chunk_state next,
                  struct err *e)
{
	if (byte != want)
		return bad(e);
	c->state = next;
	return 0;
}

/* A byte of an extension or trailer, which ends with a carriage return. */
static int skipped_byte(struct http_chunks *c, char byte, enum http_chunk_state end, struct err *e)
{
	if (byte == '\r') {
		c->state = end;
		return 0;
	}
	if (++c->overhead > OVERHEAD_MAX)
		return err_set(e, ERR_HEADERS_TOO_LARGE, NULL);
	return byte == '\n' || byte == '\0' ? bad(e) : 0;
}

static int one_byte(struct http_chunks *c, char byte, const struct buf *body, struct err *e)
{
	switch (c->state) {
	case CHUNK_SIZE_FIRST:
	case CHUNK_SIZE:
		return size_byte(c, byte, body, e);
	case CHUNK_EXTENSION:
		return skipped_byte(c, byte, CHUNK_SIZE_LF, e);
	case CHUNK_SIZE_LF:
		return expect(c, byte, '\n', c->left ? CHUNK_BYTES : CHUNK_TRAILER_FIRST, e);
	case CHUNK_BYTES_CR:
		return expect(c, byte, '\r', CHUNK_BYTES_LF, e);
	case CHUNK_BYTES_LF:
		return expect(c, byte, '\n', CHUNK_SIZE_FIRST, e);
	case CHUNK_TRAILER_FIRST:
		if (byte != '\r')
			c->state = CHUNK_TRAILER;
		return skipped_byte(c, byte, CHUNK_END_LF, e);
	case CHUNK_TRAILER:
		return skipped_byte(c, byte, CHUNK_TRAILER_LF, e);
	case CHUNK_TRAILER_LF:
		return expect(c, byte, '\n', CHUNK_TRAILER_FIRST, e);
	case CHUNK_END_LF:
		return expect(c, byte, '\n', CHUNK_DONE, e);
	case CHUNK_BYTES:
	case CHUNK_DONE:
		break;
	}
	return bad(e);
}

int http_chunks_read(struct http_chunks *c, const char *bytes, size_t len, size_t *used,
                     struct buf *body, struct err *e)
{
	size_t i = 0;
	int rc = 0;

	while (i < len && c->state != CHUNK_DONE && rc == 0) {
		if (c->state == CHUNK_BYTES) {
			size_t n = len - i < c->left ? len - i : (size_t)c->left;

			buf_put(body, bytes + i, n);
			if (body->error)
				rc = err_set(e, body->error, NULL);
			c->left -= n;
			i += n;
			if (c->left == 0)
				c->state = CHUNK_BYTES_CR;
		} else {
			rc = one_byte(c, bytes[i++], body, e);
		}
	}
	*used = i;
	return rc;
}
