/* WebSocket frames: RFC 6455's examples, every violation with its code, and random streams. */
#include "../gen.h"

#include "base/base64.h"
#include "base/err.h"
#include "base/sha1.h"
#include "proto/ws.h"

enum { MESSAGE_MAX = 1000 };

/* ---- decoding in pieces ---------------------------------------------------------------------- */

/* What came out of a stream, as text: "text:…|", "close 1000:…|", …, "error 1002". */
static void decode_pieces(enum ws_end end, const char *bytes, size_t len, size_t piece,
                          struct buf *out)
{
	static const char *const names[] = {[WS_TEXT] = "text",
	                                    [WS_BINARY] = "binary",
	                                    [WS_CLOSE] = "close",
	                                    [WS_PING] = "ping",
	                                    [WS_PONG] = "pong"};
	struct ws_decoder d;
	struct ws_message m;
	int rc = 0;

	ws_decoder_init(&d, end, MESSAGE_MAX);
	buf_clear(out);
	buf_put(out, "", 0);
	for (size_t at = 0; at < len && rc >= 0; at += piece) {
		size_t left = len - at < piece ? len - at : piece;
		/* In memory of its own size, so that reading beyond it is seen. */
		char *copy = malloc(left), *p = copy;

		memcpy(copy, bytes + at, left);
		while ((rc = ws_decode(&d, &p, &left, &m)) > 0) {
			buf_puts(out, names[m.opcode]);
			if (m.opcode == WS_CLOSE)
				buf_printf(out, " %d", m.close_code);
			buf_putc(out, ':');
			buf_put(out, m.p, m.len);
			buf_putc(out, '|');
		}
		if (rc < 0)
			buf_printf(out, "error %d", ws_close_code(rc));
		free(copy);
	}
	if (rc < 0) {
		char *p = NULL;
		size_t none = 0;

		if (ws_decode(&d, &p, &none, &m) != rc)
			buf_puts(out, " (not sticky)");
	}
	ws_decoder_release(&d);
}

/* The bytes that hex (with spaces) says. */
static size_t unhex(const char *hex, char *out)
{
	size_t n = 0;

	for (; *hex; hex++) {
		unsigned byte = 0;

		if (*hex == ' ')
			continue;
		(void)sscanf(hex, "%2x", &byte); /* the tables hold hex only */
		out[n++] = (char)byte;
		hex++;
	}
	return n;
}

/* Every way to cut the stream gives the same. */
static void is_decoded(enum ws_end end, const char *hex, const char *want, const char *name)
{
	char bytes[2048];
	size_t len = unhex(hex, bytes);
	struct buf out;

	buf_init(&out, 1 << 16);
	for (size_t piece = 1; piece <= len; piece++) {
		decode_pieces(end, bytes, len, piece, &out);
		if (strcmp(out.p, want) != 0)
			break;
	}
	is_str(out.p, want, name);
	buf_release(&out);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static const struct {
	const char *name, *hex, *want;
} from_client[] = {
	{"a masked text (RFC 6455, 5.7)", "81 85 37fa213d 7f9f4d5158", "text:Hello|"},
	{"an empty text", "81 80 00000000", "text:|"},
	{"an empty binary message", "82 80 00000000", "binary:|"},
	{"two messages", "81 81 00000000 61 81 81 00000000 62", "text:a|text:b|"},
	{"fragments", "01 82 00000000 6162 00 81 00000000 63 80 81 00000000 64", "text:abcd|"},
	{"fragments under different masks", "01 82 01010101 6063 80 82 ff00ff00 9c64",
         "text:abcd|"},
	{"empty fragments", "01 80 00000000 00 80 00000000 80 80 00000000", "text:|"},
	{"an empty fragment first", "01 80 00000000 80 82 00000000 6162", "text:ab|"},
	{"a ping between fragments",
         "01 82 00000000 6162 89 82 00000000 7878 8a 80 00000000 80 81 00000000 63",
         "ping:xx|pong:|text:abc|"},
	{"a ping after an empty fragment", "01 80 00000000 89 82 00000000 7878 80 81 00000000 63",
         "ping:xx|text:c|"},
	{"a close without code", "88 80 00000000", "close 1005:|"},
	{"a close with a code", "88 82 00000000 03e8", "close 1000:|"},
	{"a close with a reason", "88 84 00000000 0fa0 6279", "close 4000:by|"},
	{"what follows a close is ignored", "88 80 00000000 ff ff ff", "close 1005:|"},
	{"a close between fragments", "01 81 00000000 61 88 80 00000000", "close 1005:|"},
	{"a character cut by fragments", "01 81 00000000 c3 80 81 00000000 a9", "text:\xc3\xa9|"},
	{"a long character cut everywhere",
         "01 81 00000000 f0 00 81 00000000 9f 00 81 00000000 98 80 81 00000000 80",
         "text:\xf0\x9f\x98\x80|"},
	{"binary need not be UTF-8", "82 82 00000000 fffe", "binary:\xff\xfe|"},

	{"not masked", "81 05 48656c6c6f", "error 1002"},
	{"reserved bit 1", "c1 80 00000000", "error 1002"},
	{"reserved bit 2", "a1 80 00000000", "error 1002"},
	{"reserved bit 3", "91 80 00000000", "error 1002"},
	{"reserved opcode 3", "83 80 00000000", "error 1002"},
	{"reserved opcode 7", "87 80 00000000", "error 1002"},
	{"reserved opcode b", "8b 80 00000000", "error 1002"},
	{"reserved opcode f", "8f 80 00000000", "error 1002"},
	{"a fragmented ping", "09 80 00000000", "error 1002"},
	{"a fragmented close", "08 80 00000000", "error 1002"},
	{"a ping of 126 bytes", "89 fe 007e 00000000", "error 1002"},
	{"a continuation of nothing", "80 80 00000000", "error 1002"},
	{"a continuation after the end", "81 80 00000000 80 80 00000000", "text:|error 1002"},
	{"a text inside of fragments", "01 80 00000000 81 80 00000000", "error 1002"},
	{"a binary inside of fragments", "01 80 00000000 02 80 00000000", "error 1002"},
	{"125 in two bytes", "81 fe 007d 00000000", "error 1002"},
	{"65535 in eight bytes", "81 ff 000000000000ffff 00000000", "error 1002"},
	{"a negative length", "81 ff 8000000000000000 00000000", "error 1002"},
	{"a close of one byte", "88 81 00000000 03", "error 1002"},
	{"a close with 999", "88 82 00000000 03e7", "error 1002"},
	{"a close with 1004", "88 82 00000000 03ec", "error 1002"},
	{"a close with 1005", "88 82 00000000 03ed", "error 1002"},
	{"a close with 1006", "88 82 00000000 03ee", "error 1002"},
	{"a close with 1015", "88 82 00000000 03f7", "error 1002"},
	{"a close with 2999", "88 82 00000000 0bb7", "error 1002"},
	{"a close with 5000", "88 82 00000000 1388", "error 1002"},

	{"a text that is not UTF-8", "81 81 00000000 ff", "error 1007"},
	{"a text that ends in a character", "81 81 00000000 c3", "error 1007"},
	{"fragments that end in a character", "01 81 00000000 c3 80 80 00000000", "error 1007"},
	{"a surrogate", "81 83 00000000 eda080", "error 1007"},
	{"an overlong slash", "81 82 00000000 c0af", "error 1007"},
	{"an overlong form of three", "81 83 00000000 e09faf", "error 1007"},
	{"an overlong form of four", "81 84 00000000 f08fbfbf", "error 1007"},
	{"beyond U+10FFFF", "81 84 00000000 f4908080", "error 1007"},
	{"beyond U+10FFFF, seen before the frame is whole", "01 fe 0100 00000000 f490",
         "error 1007"},
	{"bad text, seen before the message is whole", "01 83 00000000 61ff61", "error 1007"},
	{"a close reason that is not UTF-8", "88 83 00000000 03e8 ff", "error 1007"},

	{"a frame over the limit", "82 fe 03e9 00000000", "error 1009"},
	{"a frame far over the limit", "82 ff 0000000100000000 00000000", "error 1009"},
	{"the greatest length", "82 ff 7fffffffffffffff 00000000", "error 1009"},
	{"fragments over the limit", "02 81 00000000 61 00 fe 03e8 00000000", "error 1009"},
};

static const struct {
	const char *name, *hex, *want;
} from_server[] = {
	{"an unmasked text (RFC 6455, 5.7)", "81 05 48656c6c6f", "text:Hello|"},
	{"fragments (RFC 6455, 5.7)", "01 03 48656c 80 02 6c6f", "text:Hello|"},
	{"a ping (RFC 6455, 5.7)", "89 05 48656c6c6f", "ping:Hello|"},
	{"a close", "88 02 03f5", "close 1013:|"},
	{"masked", "81 80 00000000", "error 1002"},
};

static void test_tables(void)
{
	for (size_t i = 0; i < sizeof from_client / sizeof from_client[0]; i++)
		is_decoded(WS_SERVER, from_client[i].hex, from_client[i].want, from_client[i].name);
	for (size_t i = 0; i < sizeof from_server / sizeof from_server[0]; i++)
		is_decoded(WS_CLIENT, from_server[i].hex, from_server[i].want, from_server[i].name);
}

/* ---- encoding -------------------------------------------------------------------------------- */

static void test_headers(void)
{
	static const unsigned char mask[4] = {1, 2, 3, 4};
	static const struct {
		int opcode;
		uint64_t len;
		bool masked;
		const char *hex;
	} table[] = {
		{WS_TEXT, 0, false, "8100"},
		{WS_TEXT, 125, false, "817d"},
		{WS_BINARY, 126, false, "827e007e"},
		{WS_TEXT, 65535, false, "817effff"},
		{WS_TEXT, 65536, false, "817f0000000000010000"},
		{WS_TEXT | WS_MORE, 5, true, "018501020304"},
		{WS_CONTINUATION, 126, true, "80fe007e01020304"},
		{WS_PING, 3, true, "898301020304"},
		{WS_TEXT, UINT64_C(0x0102030405060708), true, "81ff010203040506070801020304"},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		unsigned char head[WS_HEADER_MAX];
		char hex[2 * WS_HEADER_MAX + 1];
		size_t n = ws_frame_header(head, table[i].opcode, table[i].len,
		                           table[i].masked ? mask : NULL);

		for (size_t k = 0; k < n; k++)
			(void)snprintf(hex + 2 * k, 3, "%02x", head[k]);
		is_str(hex, table[i].hex, "a header");
	}
}

static void test_close_write(void)
{
	static const unsigned char mask[4] = {9, 8, 7, 6};
	char reason[200];
	struct buf frame, out;

	buf_init(&frame, 1000);
	buf_init(&out, 1000);
	ws_close_write(&frame, 4403, "removed", NULL);
	decode_pieces(WS_CLIENT, frame.p, frame.len, 3, &out);
	is_str(out.p, "close 4403:removed|", "a close frame");
	buf_clear(&frame);
	ws_close_write(&frame, WS_NO_CODE, "ignored", mask);
	decode_pieces(WS_SERVER, frame.p, frame.len, 3, &out);
	is_str(out.p, "close 1005:|", "a close frame without a code");
	memset(reason, 'r', sizeof reason);
	memcpy(reason + 122, "\xf0\x9f\x98\x80", 5);
	buf_clear(&frame);
	ws_close_write(&frame, 1001, reason, mask);
	decode_pieces(WS_SERVER, frame.p, frame.len, 3, &out);
	is_int(strspn(strchr(out.p, ':') + 1, "r"), 122, "a long reason is cut at a character");
	is_str(strrchr(out.p, 'r') + 1, "|", "and nothing is behind it");
	buf_release(&frame);
	buf_release(&out);
}

/* ---- random streams -------------------------------------------------------------------------- */

/* Append a message in random fragments with control frames between them; log it to *want. */
static void any_message(uint64_t *state, enum ws_end to, struct buf *stream, struct buf *want)
{
	bool text = gen_below(state, 3) != 0;
	int opcode = text ? WS_TEXT : WS_BINARY;
	struct buf message;
	size_t at = 0;

	buf_init(&message, 1 << 20);
	gen_text(state, gen_below(state, 8) ? 20 : 90, &message);
	if (message.len > MESSAGE_MAX)
		message.len = utf8_prefix(message.p, MESSAGE_MAX);
	if (!text && message.len)
		message.p[0] = (char)0xff;
	for (bool last = false; !last;) {
		unsigned char mask[4];
		size_t n = gen_below(state, message.len - at + 1);

		for (int i = 0; i < 4; i++)
			mask[i] = (unsigned char)rnd(state);
		last = gen_below(state, 2);
		n = last ? message.len - at : n;
		ws_frame_write(stream, opcode | (last ? 0 : WS_MORE), message.p + at, n,
		               to == WS_SERVER ? mask : NULL);
		at += n;
		opcode = WS_CONTINUATION;
		if (gen_below(state, 4) == 0) {
			size_t len = gen_below(state, WS_CONTROL_MAX + 1);
			char payload[WS_CONTROL_MAX];

			memset(payload, 'p', sizeof payload);
			ws_frame_write(stream, WS_PING, payload, len,
			               to == WS_SERVER ? mask : NULL);
			if (last) /* it comes behind the message */
				buf_puts(want, text ? "text:" : "binary:");
			if (last)
				buf_put(want, message.p, message.len);
			buf_puts(want, last ? "|ping:" : "ping:");
			buf_put(want, payload, len);
			buf_putc(want, '|');
			if (last)
				goto out;
		}
	}
	buf_puts(want, text ? "text:" : "binary:");
	buf_put(want, message.p, message.len);
	buf_putc(want, '|');
out:
	buf_release(&message);
}

/* Over random streams, cut at random: what was sent is what comes out. */
static void test_streams(enum ws_end to, uint64_t *state)
{
	struct buf stream, want, got;
	size_t wrong = 0;

	buf_init(&stream, 1 << 24);
	buf_init(&want, 1 << 24);
	buf_init(&got, 1 << 24);
	for (size_t i = 0; i < gen_cases(2000); i++) {
		size_t pieces[] = {1, 2, 7, 1 + gen_below(state, 300), SIZE_MAX / 2};

		buf_clear(&stream);
		buf_clear(&want);
		for (size_t n = 1 + gen_below(state, 6); n; n--)
			any_message(state, to, &stream, &want);
		for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
			decode_pieces(to, stream.p, stream.len, pieces[k], &got);
			wrong += got.len != want.len || memcmp(got.p, want.p, want.len) != 0;
		}
	}
	is_int(wrong, 0,
	       to == WS_SERVER ? "random streams to a server" : "random streams to a client");
	buf_release(&stream);
	buf_release(&want);
	buf_release(&got);
}

/* Over random masks, lengths and offsets: word by word is the same as byte by byte. */
static void test_mask(uint64_t *state)
{
	size_t wrong = 0;

	for (int i = 0; i < 2000; i++) {
		char bytes[80], want[80];
		unsigned char mask[4];
		size_t from = gen_below(state, 9), len = gen_below(state, 64),
		       at = gen_below(state, 9);

		for (size_t k = 0; k < sizeof bytes; k++)
			bytes[k] = want[k] = (char)rnd(state);
		for (size_t k = 0; k < 4; k++)
			mask[k] = (unsigned char)rnd(state);
		for (size_t k = 0; k < len; k++)
			want[from + k] = (char)(want[from + k] ^ mask[(at + k) % 4]);
		ws_mask(bytes + from, len, mask, at);
		wrong += memcmp(bytes, want, sizeof bytes) != 0;
	}
	is_int(wrong, 0, "masking at any offset");
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void test_memory(void)
{
	char stream[] = "\x81\x03"
			"abc"
			"\x01\x01"
			"d"
			"\x80\x01"
			"e";
	struct ws_decoder d;
	struct ws_message m;
	char *p = stream;
	size_t len = sizeof stream - 1;

	ok(sizeof d < 64, "a decoder is %zu bytes", sizeof d);
	ws_decoder_init(&d, WS_CLIENT, MESSAGE_MAX);
	ok(ws_decode(&d, &p, &len, &m) == 1 && m.p == stream + 2 && !d.buf,
	   "a whole frame is handed out where it lies");
	ok(ws_decode(&d, &p, &len, &m) == 1 && m.len == 2 && m.p == d.buf,
	   "a fragmented message is put together");
	ok(ws_decode(&d, &p, &len, &m) == 0 && !d.buf, "and forgotten at the next call");
	p = stream;
	len = 4;
	ok(ws_decode(&d, &p, &len, &m) == 0 && d.buf_cap <= 512,
	   "memory grows with what came, not with what was announced");
	ws_decoder_release(&d);
}

/* ---- handshake, and what it is made of ------------------------------------------------------- */

static void test_handshake(void)
{
	char accept[WS_ACCEPT_LEN + 1];

	ws_accept_key("dGhlIHNhbXBsZSBub25jZQ==", accept);
	is_str(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "the example of RFC 6455");
	ok(ws_key_valid("dGhlIHNhbXBsZSBub25jZQ=="), "its key is valid");
	ok(!ws_key_valid(""), "an empty key is not");
	ok(!ws_key_valid("dGhlIHNhbXBsZSBub25jZQ"), "nor one without padding");
	ok(!ws_key_valid("dGhlIHNhbXBsZSBub25jZT=="), "nor one with loose bits");
	ok(!ws_key_valid("dGhlIHNhbXBsZSBub25jZQQ="), "nor one of 17 bytes");
	ok(!ws_key_valid("dGhlIHNhbXBsZSBub25jZQ== "), "nor one with a space");
}

static void test_sha1(void)
{
	unsigned char digest[SHA1_LEN];
	char hex[2 * SHA1_LEN + 1];

	sha1("abc", 3, digest);
	for (int i = 0; i < SHA1_LEN; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	is_str(hex, "a9993e364706816aba3e25717850c26c9cd0d89d", "SHA-1 of abc");
}

static void test_base64(uint64_t *state)
{
	static const struct {
		const char *plain, *text, *url;
	} table[] = {
		{"", "", ""},
		{"f", "Zg==", "Zg"},
		{"fo", "Zm8=", "Zm8"},
		{"foo", "Zm9v", "Zm9v"},
		{"foob", "Zm9vYg==", "Zm9vYg"},
		{"fooba", "Zm9vYmE=", "Zm9vYmE"},
		{"foobar", "Zm9vYmFy", "Zm9vYmFy"},
		{"\xfb\xff\xfe", "+//+", "-__-"},
	};
	static const char *const bad[] = {"Z",    "Zg",   "Zg=",  "Zg===",    "Zh==",
	                                  "Zm9=", "====", "=Zg=", "Zg==Zg==", "Zm9v\n",
	                                  "Zm 9", "-__-", "A===", "Z=g="};
	static const char *const bad_url[] = {"Z", "Zg==", "Zh", "Zm9", "+//+", "Zm9vZ", "Zm9v\n"};
	unsigned char bytes[64];
	size_t len = 0, wrong = 0;
	char text[100];

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		size_t n = strlen(table[i].plain);

		base64_encode(table[i].plain, n, text);
		is_str(text, table[i].text, "base64");
		ok(base64_len(n) == strlen(text) &&
		           base64_decode(text, strlen(text), bytes, &len) == 0 && len == n &&
		           memcmp(bytes, table[i].plain, n) == 0,
		   "and back");
		base64url_encode(table[i].plain, n, text);
		is_str(text, table[i].url, "base64url");
		ok(base64url_len(n) == strlen(text) &&
		           base64url_decode(text, strlen(text), bytes, &len) == 0 && len == n &&
		           memcmp(bytes, table[i].plain, n) == 0,
		   "and back");
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ok(base64_decode(bad[i], strlen(bad[i]), bytes, &len) == -1, "no base64: %zu", i);
	for (size_t i = 0; i < sizeof bad_url / sizeof bad_url[0]; i++)
		ok(base64url_decode(bad_url[i], strlen(bad_url[i]), bytes, &len) == -1,
		   "no base64url: %zu", i);
	for (int i = 0; i < 2000; i++) {
		unsigned char plain[40];
		size_t n = gen_below(state, sizeof plain);

		for (size_t k = 0; k < n; k++)
			plain[k] = (unsigned char)rnd(state);
		base64_encode(plain, n, text);
		wrong += base64_decode(text, strlen(text), bytes, &len) != 0 || len != n ||
		         memcmp(bytes, plain, n) != 0;
	}
	is_int(wrong, 0, "random bytes come back");
}

int main(void)
{
	uint64_t state = rnd_seed(6455);

	test_tables();
	test_headers();
	test_close_write();
	test_streams(WS_SERVER, &state);
	test_streams(WS_CLIENT, &state);
	test_mask(&state);
	test_memory();
	test_handshake();
	test_sha1();
	test_base64(&state);
	return done();
}
