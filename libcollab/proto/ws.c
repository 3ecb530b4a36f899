/* WebSocket frames. */
#include "proto/ws.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/sha1.h"
#include "base/utf8.h"

static bool is_control(int opcode)
{
	return (opcode & 8) != 0;
}

size_t ws_frame_header(unsigned char out[WS_HEADER_MAX], int opcode, uint64_t len,
                       const unsigned char mask[4])
{
	size_t n = 2;
	int bytes = len < 126 ? 0 : len < 65536 ? 2 : 8;

	out[0] = (unsigned char)((opcode & WS_MORE ? 0 : 0x80) | (opcode & 0x0f));
	out[1] = (unsigned char)((mask ? 0x80 : 0) | (bytes == 0   ? (int)len
	                                              : bytes == 2 ? 126
	                                                           : 127));
	while (bytes--)
		out[n++] = (unsigned char)(len >> (8 * bytes));
	if (mask) {
		memcpy(out + n, mask, 4);
		n += 4;
	}
	return n;
}

void ws_mask(char *p, size_t len, const unsigned char mask[4], size_t at)
{
	unsigned char turned[8];
	uint64_t word, key;
	size_t i = 0;

	for (size_t k = 0; k < 8; k++)
		turned[k] = mask[(at + k) & 3];
	memcpy(&key, turned, 8);
	for (; i + 8 <= len; i += 8) {
		memcpy(&word, p + i, 8);
		word ^= key;
		memcpy(p + i, &word, 8);
	}
	for (; i < len; i++)
		p[i] = (char)((unsigned char)p[i] ^ turned[i & 7]);
}

void ws_frame_write(struct buf *out, int opcode, const char *p, size_t len,
                    const unsigned char mask[4])
{
	unsigned char head[WS_HEADER_MAX];
	size_t n = ws_frame_header(head, opcode, len, mask);

	if (buf_reserve(out, n + len))
		return;
	buf_put(out, head, n);
	buf_put(out, p, len);
	if (mask)
		ws_mask(out->p + out->len - len, len, mask, 0);
}

void ws_close_write(struct buf *out, int code, const char *reason, const unsigned char mask[4])
{
	char payload[WS_CONTROL_MAX] = {(char)(code >> 8), (char)code};
	size_t len = reason ? strlen(reason) : 0;

	if (code == WS_NO_CODE) {
		ws_frame_write(out, WS_CLOSE, NULL, 0, mask);
		return;
	}
	if (len > sizeof payload - 2)
		len = utf8_prefix(reason, sizeof payload - 2);
	if (len)
		memcpy(payload + 2, reason, len);
	ws_frame_write(out, WS_CLOSE, payload, 2 + len, mask);
}

void ws_decoder_init(struct ws_decoder *d, enum ws_end end, size_t message_max)
{
	*d = (struct ws_decoder){.server = end == WS_SERVER};
	d->message_max = message_max > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)message_max;
}

static void drop_buf(struct ws_decoder *d)
{
	free(d->buf);
	d->buf = NULL;
	d->buf_len = d->buf_cap = 0;
}

void ws_decoder_release(struct ws_decoder *d)
{
	drop_buf(d);
}

/*
 * Whether p[0..len) continues the text so far.  What is left of an incomplete character is kept as
 * the range of its next byte, so that a character that cannot become one fails at once.
 */
static bool text_continues(struct ws_decoder *d, const char *p, size_t len)
{
	const unsigned char *s = (const unsigned char *)p;
	size_t i = 0;

	for (; i < len; i++) {
		unsigned char c = s[i];

		if (d->utf8_left == 0) {
			i += utf8_prefix(p + i, len - i);
			if (i == len)
				break;
			/* An incomplete character at the end, or an invalid one anywhere. */
			c = s[i];
			if (c < 0xc2 || c > 0xf4)
				return false;
			d->utf8_left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
			d->utf8_min = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
			d->utf8_max = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
			continue;
		}
		if (c < d->utf8_min || c > d->utf8_max)
			return false;
		d->utf8_left--;
		d->utf8_min = 0x80;
		d->utf8_max = 0xbf;
	}
	return true;
}

/* How many bytes the header has, as far as can be told from those that are there. */
static uint8_t header_len(const struct ws_decoder *d)
{
	int len7 = d->head[1] & 0x7f;

	if (d->head_len < 2)
		return 2;
	return (uint8_t)(2 + (len7 == 126 ? 2 : len7 == 127 ? 8 : 0) + (d->server ? 4 : 0));
}

/* What the first two bytes say already. */
static int check_start(const struct ws_decoder *d)
{
	int opcode = d->head[0] & 0x0f;
	bool fin = d->head[0] & 0x80, masked = d->head[1] & 0x80;

	if (d->head[0] & 0x70) /* no extension was agreed on that would use a reserved bit */
		return ERR_PROTOCOL;
	if ((opcode > WS_BINARY && opcode < WS_CLOSE) || opcode > WS_PONG)
		return ERR_PROTOCOL;
	if (masked != d->server)
		return ERR_PROTOCOL;
	if (is_control(opcode) && (!fin || (d->head[1] & 0x7f) > WS_CONTROL_MAX))
		return ERR_PROTOCOL;
	/* A continuation continues something; a new message begins when the last one is complete.
	 */
	if (!is_control(opcode) && (opcode == WS_CONTINUATION) != (d->message_opcode != 0))
		return ERR_PROTOCOL;
	return 0;
}

/* The header is complete: begin the payload. */
static int begin_payload(struct ws_decoder *d)
{
	int len7 = d->head[1] & 0x7f, n = len7 == 126 ? 2 : len7 == 127 ? 8 : 0;
	uint64_t len = n ? 0 : (uint64_t)len7;

	for (int i = 0; i < n; i++)
		len = len << 8 | d->head[2 + i];
	if ((n == 2 && len < 126) || (n == 8 && (len < 65536 || len >> 63)))
		return ERR_PROTOCOL; /* not the shortest form, or negative */
	d->opcode = d->head[0] & 0x0f;
	d->fin = d->head[0] & 0x80;
	if (!is_control(d->opcode)) {
		if (len > d->message_max - d->buf_len)
			return ERR_TOO_LARGE;
		if (d->opcode != WS_CONTINUATION)
			d->message_opcode = d->opcode;
	}
	if (d->server)
		memcpy(d->mask, d->head + 2 + n, 4);
	d->left = (uint32_t)len;
	d->head_len = 0;
	d->in_payload = true;
	return 0;
}

/* Take header bytes from the chunk, up to the end of the header. */
static int take_header(struct ws_decoder *d, char **p, size_t *len)
{
	while (*len > 0) {
		d->head[d->head_len++] = (unsigned char)**p;
		(*p)++;
		(*len)--;
		if (d->head_len == 2 && check_start(d))
			return ERR_PROTOCOL;
		if (d->head_len >= 2 && d->head_len == header_len(d))
			return begin_payload(d);
	}
	return 0;
}

/* Room for n more bytes behind the message so far and `control_len` more. */
static int make_room(struct ws_decoder *d, uint32_t n)
{
	uint32_t need = d->buf_len + d->control_len + n;
	uint32_t cap = d->buf_cap ? d->buf_cap : 256;
	char *p = NULL;

	if (d->buf && need <= d->buf_cap)
		return 0;
	while (cap < need)
		cap *= 2; /* need is below 2^31 + 2^8, so it cannot wrap */
	p = realloc(d->buf, cap);
	if (!p)
		return ERR_NOMEM;
	d->buf = p;
	d->buf_cap = cap;
	return 0;
}

/* A control frame's payload is complete at p. */
static int finish_control(struct ws_decoder *d, char *p, size_t len, struct ws_message *m)
{
	*m = (struct ws_message){d->opcode, p, len, 0};
	if (d->opcode != WS_CLOSE)
		return 1;
	d->closed = true;
	m->close_code = WS_NO_CODE;
	if (len == 0)
		return 1;
	if (len == 1)
		return ERR_PROTOCOL;
	m->close_code = (unsigned char)p[0] << 8 | (unsigned char)p[1];
	m->p = p + 2;
	m->len = len - 2;
	if (!ws_close_code_valid(m->close_code))
		return ERR_PROTOCOL;
	return utf8_valid(m->p, m->len) ? 1 : ERR_BAD_UTF8;
}

/* n bytes of a control frame's payload at p. */
static int take_control(struct ws_decoder *d, char *p, uint32_t n, struct ws_message *m)
{
	uint8_t len = d->control_len;
	int rc = 0;

	if (len == 0 && d->left == 0)
		return finish_control(d, p, n, m);
	/* Frames do not interleave, so the bytes behind the message so far are free. */
	rc = make_room(d, n);
	if (rc)
		return rc;
	memcpy(d->buf + d->buf_len + len, p, n);
	d->control_len = (uint8_t)(len + n);
	if (d->left)
		return 0;
	d->control_len = 0;
	d->lent = d->message_opcode == 0;
	return finish_control(d, d->buf + d->buf_len, len + n, m);
}

/* n bytes of a data frame's payload at p. */
static int take_data(struct ws_decoder *d, char *p, uint32_t n, struct ws_message *m)
{
	bool complete = d->left == 0 && d->fin;
	int rc = 0;

	if (d->message_opcode == WS_TEXT) {
		if (!text_continues(d, p, n) || (complete && d->utf8_left))
			return ERR_BAD_UTF8;
	}
	*m = (struct ws_message){d->message_opcode, p, n, 0};
	if (complete) {
		d->message_opcode = 0;
		d->lent =
			true; /* even if it lies in place: a ping may have left the memory behind */
		if (d->buf_len == 0)
			return 1;
	}
	if (n) {
		rc = make_room(d, n);
		if (rc)
			return rc;
		memcpy(d->buf + d->buf_len, p, n);
		d->buf_len += n;
	}
	if (!complete)
		return 0;
	m->p = d->buf;
	m->len = d->buf_len;
	d->buf_len = 0;
	return 1;
}

/* Take payload bytes from the chunk.  1: *m is complete; 0: go on; or an error. */
static int take_payload(struct ws_decoder *d, char **p, size_t *len, struct ws_message *m)
{
	uint32_t n = *len < d->left ? (uint32_t)*len : d->left;
	char *at = *p;

	*p += n;
	*len -= n;
	d->left -= n;
	d->in_payload = d->left > 0;
	if (d->server) {
		unsigned char turned[4];

		ws_mask(at, n, d->mask, 0);
		for (uint32_t i = 0; i < 4; i++)
			turned[i] = d->mask[(n + i) & 3];
		memcpy(d->mask, turned, 4);
	}
	return is_control(d->opcode) ? take_control(d, at, n, m) : take_data(d, at, n, m);
}

int ws_decode(struct ws_decoder *d, char **p, size_t *len, struct ws_message *m)
{
	int rc = 0;

	if (d->lent) {
		drop_buf(d);
		d->lent = false;
	}
	if (d->error)
		return d->error;
	/* A payload of no bytes is complete without any. */
	while (rc == 0 && !d->closed && (*len > 0 || (d->in_payload && d->left == 0)))
		rc = d->in_payload ? take_payload(d, p, len, m) : take_header(d, p, len);
	if (rc == 0) { /* nothing is left of the chunk but what follows a close frame */
		*p += *len;
		*len = 0;
	}
	if (rc < 0) {
		d->error = (int16_t)rc;
		d->lent = false;
		drop_buf(d);
	}
	return rc;
}

int ws_close_code(int rc)
{
	switch (rc) {
	case ERR_PROTOCOL:
		return 1002;
	case ERR_BAD_UTF8:
		return 1007;
	case ERR_TOO_LARGE:
		return 1009;
	default:
		return 1011;
	}
}

bool ws_close_code_valid(int code)
{
	if (code >= 3000)
		return code <= 4999;
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

bool ws_key_valid(const char *key)
{
	unsigned char bytes[WS_KEY_LEN / 4 * 3 + 2];
	size_t len = 0;

	return strlen(key) == WS_KEY_LEN && base64_decode(key, WS_KEY_LEN, bytes, &len) == 0 &&
	       len == 16;
}

void ws_accept_key(const char *key, char out[WS_ACCEPT_LEN + 1])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[WS_KEY_LEN + sizeof guid];
	unsigned char digest[SHA1_LEN];
	size_t len = strlen(key);

	assert(len <= WS_KEY_LEN);
	memcpy(text, key, len);
	memcpy(text + len, guid, sizeof guid - 1);
	sha1(text, len + sizeof guid - 1, digest);
	base64_encode(digest, sizeof digest, out);
}
