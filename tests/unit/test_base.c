/* base: tables of what is valid and what is not. */
#include "../tap.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/rfc3339.h"
#include "base/sha256.h"
#include "base/utf8.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static void test_utf8_prefix(void)
{
	static const struct {
		const char *text;
		size_t prefix; /* valid bytes; SIZE_MAX: all */
		const char *what;
	} rows[] = {
		{"", SIZE_MAX, "nothing"},
		{"plain ASCII, longer than a word", SIZE_MAX, "ASCII"},
		{"\xc3\xa9", SIZE_MAX, "two bytes"},
		{"\xe2\x82\xac", SIZE_MAX, "three bytes"},
		{"\xf0\x9f\x98\x80", SIZE_MAX, "four bytes"},
		{"e\xcc\x81", SIZE_MAX, "a combining character"},
		{"\xc2\x80", SIZE_MAX, "U+0080, the least of two bytes"},
		{"\xe0\xa0\x80", SIZE_MAX, "U+0800, the least of three"},
		{"\xf0\x90\x80\x80", SIZE_MAX, "U+10000, the least of four"},
		{"\xed\x9f\xbf", SIZE_MAX, "U+D7FF, before the surrogates"},
		{"\xee\x80\x80", SIZE_MAX, "U+E000, behind them"},
		{"\xef\xbf\xbf", SIZE_MAX, "U+FFFF"},
		{"\xf4\x8f\xbf\xbf", SIZE_MAX, "U+10FFFF, the last"},
		{"ab\x80", 2, "a continuation alone"},
		{"\xc0\x80", 0, "overlong NUL"},
		{"\xc1\xbf", 0, "overlong, two bytes"},
		{"\xe0\x9f\xbf", 0, "overlong, three bytes"},
		{"\xf0\x8f\xbf\xbf", 0, "overlong, four bytes"},
		{"\xed\xa0\x80", 0, "a high surrogate"},
		{"\xed\xbf\xbf", 0, "a low surrogate"},
		{"\xed\xa0\xbd\xed\xb8\x80", 0, "a pair of surrogates (CESU-8)"},
		{"\xf4\x90\x80\x80", 0, "U+110000"},
		{"\xf5\x80\x80\x80", 0, "a lead byte above the range"},
		{"\xff", 0, "no lead byte"},
		{"\xc3", 0, "cut after one of two"},
		{"12345678\xe2\x82", 8, "cut after two of three, behind a word"},
		{"1234567\xf0\x9f\x98", 7, "cut after three of four, across a word"},
		{"\xc3\x28", 0, "no continuation, two bytes"},
		{"\xe2\x28\xa1", 0, "no continuation, three bytes"},
		{"\xf0\x9f\x28\x80", 0, "no continuation, four bytes"},
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		size_t len = strlen(rows[i].text);
		size_t want = rows[i].prefix == SIZE_MAX ? len : rows[i].prefix;

		is_int(utf8_prefix(rows[i].text, len), want, rows[i].what);
	}
	ok(utf8_valid("a\0b", 3), "utf8: U+0000 is a character");
}

static void test_utf8_every(void)
{
	bool same = true;

	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		char text[4];
		size_t n = 0;
		size_t len = 0;

		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		len = utf8_encode(c, text);
		same = same && utf8_valid(text, len) && utf8_decode(text, &n) == c && n == len &&
		       utf8_chars(text, len) == 1;
		for (size_t cut = 1; cut < len; cut++)
			same = same && utf8_prefix(text, cut) == 0;
	}
	ok(same, "utf8: every code point is encoded, valid, decoded; cut it is not");
}

/* Eight bytes at a time or not, wherever the code points lie in them. */
static void test_utf8_chars(void)
{
	static const uint32_t codes[] = {'a', 0xe9, 0x20ac, 0x1f600, 0x7f, 0x7ff, 0xffff, 0x10ffff};
	char text[4 * 64];
	size_t len = 0, chars = 0;
	bool same = true;

	for (; chars < 64; chars++) {
		same = same && utf8_chars(text, len) == chars;
		len += utf8_encode(codes[(chars * 5 + chars / 8) % LENGTH(codes)], text + len);
	}
	ok(same && utf8_chars(text, len) == chars, "utf8: characters of mixed length are counted");
}

static void test_utf8_positions(void)
{
	static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
	static const size_t offsets[] = {0, 1, 3, 6, 10, 11};
	size_t left = 9;

	is_int(utf8_chars(text, sizeof text - 1), 5, "utf8: five characters");
	for (size_t i = 0; i < LENGTH(offsets); i++)
		is_int(utf8_offset(text, sizeof text - 1, i, &left), offsets[i], "utf8: offset");
	is_int(left, 0, "utf8: nothing is missing");
	is_int(utf8_offset(text, sizeof text - 1, 8, &left), 11, "utf8: beyond the end");
	is_int(left, 3, "utf8: how many are missing");
}

static void test_buf(void)
{
	struct buf b;
	char *taken = NULL;

	buf_init(&b, 10);
	ok(b.p == NULL && b.len == 0, "buf: empty");
	buf_puts(&b, "hello");
	buf_putc(&b, ' ');
	buf_put_i64(&b, -42);
	is_str(b.p, "hello -42", "buf: strings, characters, numbers");
	buf_drop(&b, 6);
	is_str(b.p, "-42", "buf: drop from the front");
	buf_put(&b, "1234567", 7);
	is_int(buf_error(&b), 0, "buf: filled to the maximum");
	is_int(b.len, 10, "buf: its length");
	buf_putc(&b, '!');
	is_int(buf_error(&b), ERR_TOO_LARGE, "buf: over the maximum");
	is_str(b.p, "-421234567", "buf: what was there is there");
	buf_drop(&b, 5);
	buf_puts(&b, "x");
	is_int(buf_error(&b), ERR_TOO_LARGE, "buf: the error is sticky");
	ok(buf_take(&b) == NULL, "buf: nothing to take after an error");
	buf_clear(&b);
	is_int(buf_error(&b), 0, "buf: cleared");
	buf_printf(&b, "%s-%d", "abc", 7);
	is_str(b.p, "abc-7", "buf: printf");
	buf_printf(&b, "%s", "123456");
	is_int(buf_error(&b), ERR_TOO_LARGE, "buf: printf over the maximum");
	buf_clear(&b);
	taken = buf_take(&b);
	is_str(taken, "", "buf: take of an empty one is a string");
	ok(b.p == NULL && b.len == 0 && b.len_max == 10, "buf: empty after take");
	free(taken);
	is_int(buf_reserve(&b, 11), ERR_TOO_LARGE, "buf: room over the maximum");
	buf_release(&b);
	buf_put_i64(&b, INT64_MIN);
	is_int(buf_error(&b), ERR_TOO_LARGE, "buf: the maximum survives release");
	b.len_max = 64;
	buf_clear(&b);
	buf_put_i64(&b, INT64_MIN);
	buf_put_i64(&b, 0);
	buf_put_i64(&b, INT64_MAX);
	is_str(b.p, "-922337203685477580809223372036854775807", "buf: extreme numbers");
	buf_release(&b);
}

static void test_rfc3339_valid(void)
{
	static const struct {
		const char *text;
		int64_t ms;
		const char *canonical; /* NULL: the same */
	} rows[] = {
		{"1970-01-01T00:00:00.000Z", 0, NULL},
		{"2024-01-15T10:30:00.000Z", INT64_C(1705314600000), NULL},
		{"1969-12-31T23:59:59.999Z", -1, NULL},
		{"2000-02-29T00:00:00.001Z", INT64_C(951782400001), NULL},
		{"2024-02-29T23:59:59.999Z", INT64_C(1709251199999), NULL},
		{"0000-01-01T00:00:00.000Z", INT64_C(-62167219200000), NULL},
		{"9999-12-31T23:59:59.999Z", INT64_C(253402300799999), NULL},
		{"2024-01-15T10:30:00Z", INT64_C(1705314600000), "2024-01-15T10:30:00.000Z"},
		{"2024-01-15t10:30:00z", INT64_C(1705314600000), "2024-01-15T10:30:00.000Z"},
		{"2024-01-15 10:30:00Z", INT64_C(1705314600000), "2024-01-15T10:30:00.000Z"},
		{"2024-01-15T10:30:00.1Z", INT64_C(1705314600100), "2024-01-15T10:30:00.100Z"},
		{"2024-01-15T10:30:00.12349999Z", INT64_C(1705314600123),
	         "2024-01-15T10:30:00.123Z"},
		{"2024-01-15T12:30:00+02:00", INT64_C(1705314600000), "2024-01-15T10:30:00.000Z"},
		{"2024-01-15T05:00:00-05:30", INT64_C(1705314600000), "2024-01-15T10:30:00.000Z"},
		{"2024-01-01T00:00:00+00:01", INT64_C(1704067140000), "2023-12-31T23:59:00.000Z"},
		{"2024-01-15T10:30:00-00:00", INT64_C(1705314600000), "2024-01-15T10:30:00.000Z"},
		{"2016-12-31T23:59:60Z", INT64_C(1483228800000), "2017-01-01T00:00:00.000Z"},
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		char text[RFC3339_LEN + 1] = "";
		int64_t ms = 42;

		ok(rfc3339_parse(rows[i].text, &ms) == 0 && ms == rows[i].ms, "time: parse %s",
		   rows[i].text);
		rfc3339_format(rows[i].ms, text);
		is_str(text, rows[i].canonical ? rows[i].canonical : rows[i].text, "time: format");
	}
}

static void test_rfc3339_invalid(void)
{
	static const char *const rows[] = {
		"",
		"2024-01-15",
		"2024-01-15T10:30:00",
		"2024-01-15T10:30Z",
		"24-01-15T10:30:00Z",
		"2024-1-15T10:30:00Z",
		"2024-00-15T10:30:00Z",
		"2024-13-15T10:30:00Z",
		"2024-01-00T10:30:00Z",
		"2024-04-31T10:30:00Z",
		"2023-02-29T10:30:00Z",
		"1900-02-29T10:30:00Z",
		"2024-01-15T24:00:00Z",
		"2024-01-15T10:60:00Z",
		"2024-01-15T10:30:61Z",
		"2024-01-15T10:30:00.Z",
		"2024-01-15T10:30:00,5Z",
		"2024-01-15T10:30:00+24:00",
		"2024-01-15T10:30:00+02:60",
		"2024-01-15T10:30:00+0200",
		"2024-01-15T10:30:00+2:00",
		"2024-01-15T10:30:00ZZ",
		"2024-01-15T10:30:00Z ",
		" 2024-01-15T10:30:00Z",
		"-024-01-15T10:30:00Z",
		"2024-01-15x10:30:00Z",
		"20240115T103000Z",
	};
	int64_t ms = 0;

	for (size_t i = 0; i < LENGTH(rows); i++)
		ok(rfc3339_parse(rows[i], &ms) == -1, "time: \"%s\" is none", rows[i]);
}

static void test_rfc3339_round_trip(uint64_t *state)
{
	const int64_t first = INT64_C(-62167219200000), last = INT64_C(253402300799999);
	bool same = true;

	for (int i = 0; i < 20000 && same; i++) {
		int64_t ms = first + (int64_t)(rnd(state) % (uint64_t)(last - first + 1));
		int64_t back = 0;
		char text[RFC3339_LEN + 1];

		rfc3339_format(ms, text);
		same = rfc3339_parse(text, &back) == 0 && back == ms;
	}
	ok(same, "time: format and parse are inverse over the years 0 to 9999");
}

static void test_ids(void)
{
	static const unsigned char zeros[16], ones[16] = {255, 255, 255, 255, 255, 255, 255, 255,
	                                                  255, 255, 255, 255, 255, 255, 255, 255};
	char uuid[UUID_LEN + 1];
	char name[NAME_LEN_MAX + 2];

	uuid_format(zeros, uuid);
	is_str(uuid, "00000000-0000-4000-8000-000000000000", "ids: version and variant of zeros");
	uuid_format(ones, uuid);
	is_str(uuid, "ffffffff-ffff-4fff-bfff-ffffffffffff", "ids: version and variant of ones");
	ok(uuid_valid(uuid), "ids: a UUID made here");
	ok(uuid_valid("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"), "ids: upper case");
	ok(!uuid_valid(""), "ids: nothing is no UUID");
	ok(!uuid_valid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"), "ids: too short");
	ok(!uuid_valid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111"), "ids: too long");
	ok(!uuid_valid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g"), "ids: no hex digit");
	ok(!uuid_valid("a0eebc9909c0b-4ef8-bb6d-6bb9bd380a11"), "ids: no dash");
	ok(name_valid("a") && name_valid("9") && name_valid("root@local"), "ids: names");
	ok(name_valid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "ids: a UUID is a name");
	ok(!name_valid("") && !name_valid(".a") && !name_valid("@") && !name_valid("-"),
	   "ids: how names may not begin");
	ok(!name_valid("a b") && !name_valid("a/b") && !name_valid("\xc3\xa9"),
	   "ids: what names may not hold");
	ok(section_name_valid("intro.2_b-c") && !section_name_valid("a@b"),
	   "ids: sections have no @");
	memset(name, 'x', sizeof name);
	name[NAME_LEN_MAX + 1] = '\0';
	ok(!name_valid(name) && !section_name_valid(name), "ids: 129 bytes are too many");
	name[NAME_LEN_MAX] = '\0';
	ok(name_valid(name) && section_name_valid(name), "ids: 128 are not");
	ok(hash64(0, "a", 1) != hash64(1, "a", 1) && hash64(0, "ab", 2) != hash64(0, "ba", 2) &&
	           hash64(7, "", 0) == hash64(7, "x", 0),
	   "ids: a hash depends on seed, bytes and length");
}

static void test_sha256(void)
{
	static const struct {
		const char *text, *hex;
	} rows[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	unsigned char digest[SHA256_LEN], back[SHA256_LEN];
	char hex[SHA256_HEX_LEN + 1];
	char *million = malloc(1000000);

	for (size_t i = 0; i < LENGTH(rows); i++) {
		sha256(rows[i].text, strlen(rows[i].text), digest);
		sha256_hex(digest, hex);
		is_str(hex, rows[i].hex, "sha256: FIPS 180-4 example");
		ok(sha256_unhex(hex, back) == 0 && memcmp(back, digest, sizeof back) == 0,
		   "sha256: hex and back");
	}
	if (million) {
		memset(million, 'a', 1000000);
		sha256(million, 1000000, digest);
		sha256_hex(digest, hex);
		is_str(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
		       "sha256: a million times a");
	}
	free(million);
	ok(sha256_unhex("", back) == -1, "sha256: nothing is no digest");
	hex[0] = 'A';
	ok(sha256_unhex(hex, back) == -1, "sha256: upper case is none");
	hex[0] = 'g';
	ok(sha256_unhex(hex, back) == -1, "sha256: g is no digit");
	hex[SHA256_HEX_LEN - 1] = '\0';
	ok(sha256_unhex(hex, back) == -1, "sha256: 63 digits are none");
}

static void test_err_table(void)
{
	bool unique = true, sound = true;

	for (int i = 1; i < ERR_INDEX_MAX; i++) {
		const struct err_row *row = err_row(-i);

		for (int j = 1; j < i; j++)
			unique = unique && strcmp(row->wire, err_row(-j)->wire) != 0;
		sound = sound && err_from_wire(row->wire) == -i && row->http >= 400 &&
		        row->http < 600 && row->exit_status > 0 && row->exit_status < 126 &&
		        *row->text && strlen(row->text) < sizeof((struct err *)0)->text;
	}
	ok(unique, "err: wire codes are unique");
	ok(sound, "err: every row has a wire code that is found, statuses in range, a text");
	is_str(err_row(0)->wire, "ok", "err: no error");
	is_str(err_row(1)->wire, "internal", "err: positive codes are none of ours");
	is_str(err_row(-ERR_INDEX_MAX)->wire, "internal", "err: nor are those beyond the table");
	is_str(err_row(INT32_MIN)->wire, "internal", "err: nor the least integer");
	is_int(err_from_wire("no_such_code"), 0, "err: an unknown wire code");
}

static void test_err_set(void)
{
	struct err e = {0};
	char long_text[1000];

	is_int(err_set(&e, ERR_FORBIDDEN, "%s may not", "who"), ERR_FORBIDDEN, "err: set");
	is_str(e.text, "who may not", "err: its text");
	is_str(e.field, "", "err: without a field");
	err_prefix(&e, "line %d", 3);
	is_str(e.text, "line 3: who may not", "err: prefixed");
	is_int(err_field(&e, ERR_BAD_FIELD, "a.b", NULL), ERR_BAD_FIELD, "err: with a field");
	is_str(e.field, "a.b", "err: the field");
	is_str(e.text, err_row(ERR_BAD_FIELD)->text, "err: the table's text");
	is_int(err_set(NULL, ERR_NOMEM, NULL), ERR_NOMEM, "err: nobody wants to know");
	err_prefix(NULL, "x");
	e = (struct err){0};
	err_prefix(&e, "x");
	is_str(e.text, "", "err: nothing set, nothing prefixed");
	for (size_t i = 0; i + 1 < sizeof long_text; i += 3)
		memcpy(long_text + i, "\xe2\x82\xac", 3);
	long_text[999] = '\0';
	(void)err_field(&e, ERR_BAD_FIELD, long_text, "x%s", long_text); /* returns its code */
	ok(utf8_valid(e.text, strlen(e.text)) && strlen(e.text) > 300, "err: cut at a character");
	ok(utf8_valid(e.field, strlen(e.field)) && strlen(e.field) > 90, "err: the field too");
	err_prefix(&e, "pre");
	ok(utf8_valid(e.text, strlen(e.text)) && strncmp(e.text, "pre: x", 6) == 0,
	   "err: and with a prefix");
}

int main(void)
{
	uint64_t state = rnd_seed(20240115);

	test_utf8_prefix();
	test_utf8_every();
	test_utf8_chars();
	test_utf8_positions();
	test_buf();
	test_rfc3339_valid();
	test_rfc3339_invalid();
	test_rfc3339_round_trip(&state);
	test_ids();
	test_sha256();
	test_err_table();
	test_err_set();
	return done();
}
