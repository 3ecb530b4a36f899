/*
 * WebSocket frames (RFC 6455), for both ends, without I/O.
 *
 * Encoding: the header of a frame; the payload follows as it is (server) or masked (client).
 *
 * Decoding: the bytes of the connection after the handshake, in chunks of any size, become messages
 * and control frames:
 *
 *	while ((rc = ws_decode(&d, &p, &len, &m)) > 0)
 *		use(m.opcode, m.p, m.len);
 *	if (rc < 0)
 *		close_with(ws_close_code(rc));
 *
 * What m.p points to is lent until the next call with d, or until the chunk goes.
 * A frame that lies in one chunk is unmasked where it lies and handed out there; only what is
 * incomplete is copied, and memory grows with what arrived, never with what a header announced.
 */
#ifndef COLLAB_PROTO_WS_H
#define COLLAB_PROTO_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum ws_opcode {
	WS_CONTINUATION = 0x0,
	WS_TEXT = 0x1,
	WS_BINARY = 0x2,
	WS_CLOSE = 0x8,
	WS_PING = 0x9,
	WS_PONG = 0xa,
	WS_MORE = 0x100 /* or'ed to an opcode when encoding: not the last frame of its message */
};

enum {
	WS_HEADER_MAX = 14,
	WS_CONTROL_MAX = 125, /* bytes of a control frame's payload */
	WS_NO_CODE = 1005     /* RFC 6455 section 7.4.1: a close frame without code; never sent */
};

/* Which end decodes: a server takes only masked frames, a client only unmasked ones. */
enum ws_end { WS_SERVER, WS_CLIENT };

/* ---- encoding -------------------------------------------------------------------------------- */

/* The header of a frame with len bytes of payload; mask NULL: unmasked.  How many bytes it took. */
size_t ws_frame_header(unsigned char out[WS_HEADER_MAX], int opcode, uint64_t len,
                       const unsigned char mask[4]);

/* Mask or unmask p[0..len), which begins `at` bytes into its frame's payload. */
void ws_mask(char *p, size_t len, const unsigned char mask[4], size_t at);

/* Append a whole frame. */
void ws_frame_write(struct buf *out, int opcode, const char *p, size_t len,
                    const unsigned char mask[4]);

/*
 * Append a close frame.  code WS_NO_CODE: without one.  The reason (NULL: none; valid UTF-8) is cut
 * at a code point to what fits.
 */
void ws_close_write(struct buf *out, int code, const char *reason, const unsigned char mask[4]);

/* ---- decoding -------------------------------------------------------------------------------- */

struct ws_decoder {
	char *buf;        /* NULL unless a message or a control frame is incomplete or lent */
	uint32_t buf_len; /* bytes of the message so far */
	uint32_t buf_cap;
	uint32_t message_max;
	uint32_t left;         /* bytes of the current frame's payload to come */
	unsigned char mask[4]; /* of the current frame, turned to its next byte */
	unsigned char head[WS_HEADER_MAX];
	uint8_t head_len;       /* bytes of a header so far */
	uint8_t opcode;         /* of the current frame */
	uint8_t message_opcode; /* of the message under way; 0: none */
	uint8_t control_len;    /* bytes of a control frame so far, kept behind the message's */
	uint8_t utf8_left;      /* continuation bytes that the last character still wants, … */
	uint8_t utf8_min, utf8_max; /* … and the range of the next one */
	int16_t error;              /* sticky */
	bool server : 1;
	bool in_payload : 1;
	bool fin : 1;
	bool closed : 1; /* a close frame came: the rest is ignored */
	bool lent : 1;   /* buf is lent to the caller until the next call */
};

struct ws_message {
	int opcode; /* WS_TEXT, WS_BINARY, WS_CLOSE, WS_PING or WS_PONG */
	char *p;    /* text is valid UTF-8; WS_CLOSE: the reason, valid UTF-8 too */
	size_t len;
	int close_code; /* WS_CLOSE: as received, or WS_NO_CODE */
};

/* A decoder for messages of at most message_max bytes (cut to UINT32_MAX / 2). */
void ws_decoder_init(struct ws_decoder *d, enum ws_end end, size_t message_max);
void ws_decoder_release(struct ws_decoder *d); /* a zeroed struct is fine */

/*
 * Decode from (*p)[0..*len), which moves on behind what was used; the bytes used are changed in
 * place.  1: *m is a message or a control frame, call again; 0: the chunk is used up.  Errors, all
 * sticky: ERR_PROTOCOL, ERR_BAD_UTF8 (as soon as it is certain), ERR_TOO_LARGE (as soon as a header
 * says so), ERR_NOMEM.  After a close frame everything is ignored, as RFC 6455 wants it.
 */
int ws_decode(struct ws_decoder *d, char **p, size_t *len, struct ws_message *m);

/* The close code for an error of ws_decode: 1002, 1007, 1009 or 1011. */
int ws_close_code(int rc);

/* Whether a peer may send this close code (RFC 6455 section 7.4 and the IANA registry). */
bool ws_close_code_valid(int code);

/* ---- handshake ------------------------------------------------------------------------------- */

enum { WS_KEY_LEN = 24, WS_ACCEPT_LEN = 28 };

/* Whether a Sec-WebSocket-Key is the base64 of 16 bytes. */
bool ws_key_valid(const char *key);

/* The Sec-WebSocket-Accept for a valid key, and a NUL. */
void ws_accept_key(const char *key, char out[WS_ACCEPT_LEN + 1]);

#endif
