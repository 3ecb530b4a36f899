/*
 * WebSocket frames out of any bytes: nothing is read beyond them, how they are cut into chunks
 * changes nothing, and text is UTF-8.  The first byte chooses the end and the cutting.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "proto/ws.h"

enum { MESSAGE_MAX = 2000 };

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

/* Every message that comes out, and how it ended. */
static void check_message(const struct ws_message *m, struct buf *out)
{
	assert(m->len <= MESSAGE_MAX);
	assert(m->opcode == WS_TEXT || m->opcode == WS_BINARY || m->len <= WS_CONTROL_MAX);
	if (m->opcode == WS_TEXT || m->opcode == WS_CLOSE)
		assert(utf8_valid(m->p, m->len));
	if (m->opcode == WS_CLOSE)
		assert(m->close_code == WS_NO_CODE || ws_close_code_valid(m->close_code));
	buf_printf(out, "%d %d %zu:", m->opcode, m->close_code, m->len);
	buf_put(out, m->p, m->len);
}

static void decode(enum ws_end end, const unsigned char *bytes, size_t len, unsigned seed,
                   struct buf *out)
{
	struct ws_decoder d;
	struct ws_message m;
	int rc = 0;

	ws_decoder_init(&d, end, MESSAGE_MAX);
	for (size_t at = 0, n = 0; at < len && rc >= 0; at += n) {
		char *copy = NULL, *p = NULL;
		size_t left = 0;

		seed = seed * 1103515245 + 12345;
		n = seed % 4 ? 1 + seed / 65536 % 16 : len;
		n = n < len - at ? n : len - at;
		/* In memory of its own size, so that reading beyond it is seen. */
		copy = malloc(n);
		if (!copy)
			abort();
		memcpy(copy, bytes + at, n);
		p = copy;
		left = n;
		while ((rc = ws_decode(&d, &p, &left, &m)) > 0)
			check_message(&m, out);
		assert(rc < 0 || left == 0);
		free(copy);
	}
	buf_printf(out, "end %d", rc);
	if (rc < 0)
		assert(ws_close_code(rc) != 1011);
	ws_decoder_release(&d);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len)
{
	struct buf whole, pieces;
	enum ws_end end;

	if (len < 1)
		return 0;
	end = bytes[0] & 1 ? WS_CLIENT : WS_SERVER;
	buf_init(&whole, SIZE_MAX / 4);
	buf_init(&pieces, SIZE_MAX / 4);
	decode(end, bytes + 1, len - 1, bytes[0], &pieces);
	decode(end, bytes + 1, len - 1, bytes[0] + 1u, &whole);
	assert(whole.len == pieces.len && memcmp(whole.p, pieces.p, whole.len) == 0);
	buf_release(&whole);
	buf_release(&pieces);
	return 0;
}
