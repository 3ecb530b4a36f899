/* Canonical JSON against RFC 8785: its vectors, and properties over random values. */
#include "../gen.h"

#include <float.h>
#include <locale.h>
#include <math.h>

#include "proto/json_out.h"

/* ---- numbers --------------------------------------------------------------------------------- */

/* RFC 8785, appendix B (the IEEE 754 bits and the text), and the turns of ECMAScript's algorithm.
 */
static const struct {
	uint64_t bits;
	const char *text;
} numbers[] = {
	{0x0000000000000000, "0"},
	{0x8000000000000000, "0"},
	{0x0000000000000001, "5e-324"},
	{0x8000000000000001, "-5e-324"},
	{0x7fefffffffffffff, "1.7976931348623157e+308"},
	{0xffefffffffffffff, "-1.7976931348623157e+308"},
	{0x4340000000000000, "9007199254740992"},
	{0xc340000000000000, "-9007199254740992"},
	{0x4430000000000000, "295147905179352830000"},
	{0x44b52d02c7e14af5, "9.999999999999997e+22"},
	{0x44b52d02c7e14af6, "1e+23"},
	{0x44b52d02c7e14af7, "1.0000000000000001e+23"},
	{0x444b1ae4d6e2ef4e, "999999999999999700000"},
	{0x444b1ae4d6e2ef4f, "999999999999999900000"},
	{0x444b1ae4d6e2ef50, "1e+21"},
	{0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
	{0x3eb0c6f7a0b5ed8d, "0.000001"},
	{0x41b3de4355555553, "333333333.3333332"},
	{0x41b3de4355555554, "333333333.33333325"},
	{0x41b3de4355555555, "333333333.3333333"},
	{0x41b3de4355555556, "333333333.3333334"},
	{0x41b3de4355555557, "333333333.33333343"},
	{0xbecbf647612f3696, "-0.0000033333333333333333"},
	{0x43143ff3c1cb0959, "1424953923781206.2"},
	/* the least normal number, and powers of two below which doubles lie closer */
	{0x0010000000000000, "2.2250738585072014e-308"},
	{0x3d30000000000000, "5.684341886080802e-14"},
	{0x43e0000000000000, "9223372036854776000"},
	{0x7fd0000000000000, "4.49423283715579e+307"},
	{0x3e70000000000000, "5.960464477539063e-8"},
	{0x4580000000000000, "6.189700196426902e+26"},
	{0x3ff0000000000000, "1"},
	{0x3ff8000000000000, "1.5"},
	{0xbfb999999999999a, "-0.1"},
	{0x40c81c8000000000, "12345"},
};

static const char *print_double(struct buf *b, double d)
{
	buf_clear(b);
	json_put_double(b, d);
	return b->p;
}

static void test_numbers(struct buf *b)
{
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		double d = 0;

		memcpy(&d, &numbers[i].bits, sizeof d);
		is_str(print_double(b, d), numbers[i].text, numbers[i].text);
	}
}

/* A random double that is finite; powers of two and round decimals among them. */
static double any_double(uint64_t *state)
{
	uint64_t bits = rnd(state);
	double d = 0;

	switch (rnd(state) % 4) {
	case 0:
		return ldexp(1, (int)(rnd(state) % 2098) - 1074);
	case 1:
		return (double)(int64_t)(rnd(state) % 2000000) / 1000 * pow(10, rnd(state) % 30);
	default:
		memcpy(&d, &bits, sizeof d);
		return isfinite(d) ? d : 1;
	}
}

/* Over any finite double: it reads back, and no decimal with fewer digits does. */
static void test_shortest(struct buf *b, uint64_t seed)
{
	uint64_t state = seed;
	size_t wrong = 0;

	for (size_t i = 0; i < gen_cases(20000); i++) {
		double d = any_double(&state);
		const char *text = print_double(b, d);
		char shorter[64];
		int digits = 0;

		wrong += strtod(text, NULL) != d;
		for (const char *p = text; *p && *p != 'e'; p++)
			digits += *p >= '0' && *p <= '9' && (digits || *p != '0');
		if (strchr(text, 'e') && digits > 1) {
			(void)snprintf(shorter, sizeof shorter, "%.*e", digits - 2, d);
			wrong += strtod(shorter, NULL) == d;
		}
	}
	is_int(wrong, 0, "random doubles read back, and are not longer than they must be");
}

/* A program that uses the library may have set a locale with another decimal point. */
static void test_locale(struct buf *b)
{
	if (setlocale(LC_NUMERIC, "de_DE.UTF-8") || setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
		is_str(print_double(b, 0.5), "0.5", "the locale does not matter");
		is_str(print_double(b, 1.25e-9), "1.25e-9", "nor with an exponent");
	}
	(void)setlocale(LC_NUMERIC, "C");
}

/* ---- strings --------------------------------------------------------------------------------- */

static void test_strings(struct buf *b)
{
	static const struct {
		const char *s;
		size_t len;
		const char *json;
	} table[] = {
		{"", 0, "\"\""},
		{"plain", 5, "\"plain\""},
		{"\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\""},
		{"\"\\/", 3, "\"\\\"\\\\/\""},
		{"\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\x7f\""},
		{"é\u2028😀\xc2\x80", 11, "\"é\u2028😀\xc2\x80\""},
		{"eight by\"eight by", 17, "\"eight by\\\"eight by\""},
		{"1234567\n", 8, "\"1234567\\n\""},
		{"12345678\n", 9, "\"12345678\\n\""},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		buf_clear(b);
		json_put_string(b, table[i].s, table[i].len);
		is_str(b->p, table[i].json, table[i].json);
	}
}

/* Over random texts: what is written is what jansson reads back. */
static void test_string_property(struct buf *b, uint64_t seed)
{
	uint64_t state = seed;
	struct buf text;
	size_t wrong = 0;

	buf_init(&text, 1 << 16);
	for (size_t i = 0; i < gen_cases(5000); i++) {
		json_t *back = NULL;

		buf_clear(&text);
		gen_text(&state, 20, &text);
		buf_clear(b);
		json_put_string(b, text.p, text.len);
		back = json_loadb(b->p, b->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		wrong += json_string_length(back) != text.len ||
		         memcmp(json_string_value(back), text.p, text.len) != 0;
		json_decref(back);
	}
	is_int(wrong, 0, "random texts are read back as they were");
	buf_release(&text);
}

/* ---- values ---------------------------------------------------------------------------------- */

static const char *canonical(struct buf *b, const char *json)
{
	json_t *j = json_loads(json, JSON_DECODE_ANY, NULL);

	buf_clear(b);
	if (j)
		json_put_value(b, j);
	else
		buf_puts(b, "not JSON");
	json_decref(j);
	return b->p;
}

static void test_values(struct buf *b)
{
	/* RFC 8785, section 3.2.2 and 3.2.3. */
	is_str(canonical(
		       b,
		       "{\"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3,"
		       " 0.000000000000000000000000001],"
		       " \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\","
		       " \"literals\": [null, true, false]}"),
	       "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-"
	       "27],"
	       "\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
	       "the example of RFC 8785");
	is_str(canonical(b, "{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\","
	                    "\"\\ufb33\":\"Hebrew Letter Dalet With Dagesh\",\"1\":\"One\","
	                    "\"\\ud83d\\ude00\":\"Emoji: Grinning Face\",\"\\u0080\":\"Control\","
	                    "\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}"),
	       "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
	       "\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\","
	       "\"😀\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}",
	       "keys are sorted by UTF-16 code units");
	is_str(canonical(b,
	                 "{\"\\uffff\":1,\"\\ud800\\udc00\":2,\"\\udbff\\udfff\":3,\"\\ue000\":4,"
	                 "\"\\ud7ff\":5,\"\\ud800\\udc01\":6,\"\":7,\"a\":8,\"ab\":9}"),
	       "{\"\":7,\"a\":8,\"ab\":9,\"\ud7ff\":5,\"\U00010000\":2,\"\U00010001\":6,"
	       "\"\U0010ffff\":3,\"\ue000\":4,\"\uffff\":1}",
	       "at the ends of the planes too");
	is_str(canonical(b, "[]"), "[]", "an empty array");
	is_str(canonical(b, "{ }"), "{}", "an empty object");
	is_str(canonical(b, "[{\"b\":[1,{}],\"a\":-0.0}, -0 ]"), "[{\"a\":0,\"b\":[1,{}]},0]",
	       "nested, and zero has no sign");
	is_str(canonical(b, "9007199254740993"), "9007199254740992",
	       "an integer beyond 2^53 is the double it reads as");
	is_str(canonical(b, "-9007199254740991"), "-9007199254740991", "one within is itself");
}

/* More keys than the sorter keeps on its stack. */
static void test_many_keys(struct buf *b)
{
	struct buf want;
	json_t *j = json_object();

	buf_init(&want, 1 << 16);
	buf_putc(&want, '{');
	for (int i = 199; i >= 100; i--) {
		char key[8];

		(void)snprintf(key, sizeof key, "k%d", i);
		json_object_set_new(j, key, json_integer(i));
		(void)snprintf(key, sizeof key, "k%d", 299 - i);
		json_int(&want, key, 299 - i);
	}
	buf_putc(&want, '}');
	buf_clear(b);
	json_put_value(b, j);
	is_str(b->p, want.p, "a hundred keys are sorted");
	buf_clear(b);
	json_put_members(b, j, "k150", "k153");
	is_str(b->p, "\"k151\":151,\"k152\":152", "members between two keys");
	json_decref(j);
	buf_release(&want);
}

static json_t *any_value(uint64_t *state, int depth)
{
	struct buf text;
	size_t n = gen_below(state, 5);
	json_t *j = NULL;

	buf_init(&text, 1 << 16);
	switch (gen_below(state, depth ? 8 : 6)) {
	case 0:
		j = json_null();
		break;
	case 1:
		j = json_boolean(gen_below(state, 2));
		break;
	case 2:
		j = json_integer((json_int_t)(rnd(state) >> 11) - (INT64_C(1) << 52));
		break;
	case 3:
		j = json_real(ldexp((double)(rnd(state) >> 11), -(int)gen_below(state, 100) - 54));
		break;
	case 6:
		j = json_array();
		while (n--)
			json_array_append_new(j, any_value(state, depth - 1));
		break;
	case 7:
		j = json_object();
		while (n--) {
			buf_clear(&text);
			gen_text(state, 3, &text);
			json_object_set_new(j, text.p, any_value(state, depth - 1));
		}
		break;
	default:
		gen_text(state, 6, &text);
		j = json_stringn(text.p, text.len);
	}
	buf_release(&text);
	return j;
}

/* Over random values: the canonical form reads as the same value, and is its own canonical form. */
static void test_value_property(struct buf *b, uint64_t seed)
{
	uint64_t state = seed;
	struct buf again;
	size_t wrong = 0;

	buf_init(&again, 1 << 20);
	for (size_t i = 0; i < gen_cases(3000); i++) {
		json_t *j = any_value(&state, 4), *back = NULL;

		buf_clear(b);
		json_put_value(b, j);
		back = json_loadb(b->p, b->len,
		                  JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
		buf_clear(&again);
		if (back)
			json_put_value(&again, back);
		wrong += !back || strcmp(b->p, again.p) != 0;
		wrong += json_check_value(j, 5, "v", NULL) != 0;
		json_decref(back);
		json_decref(j);
	}
	is_int(wrong, 0, "random values: canonical once is canonical for ever");
	buf_release(&again);
}

static void test_check(void)
{
	static const struct {
		const char *json;
		int depth, rc;
	} table[] = {
		{"9007199254740991", 0, 0},
		{"-9007199254740991", 0, 0},
		{"9007199254740992", 0, ERR_BAD_FIELD},
		{"-9007199254740992", 0, ERR_BAD_FIELD},
		{"9007199254740992.0", 0, ERR_BAD_FIELD},
		{"1e17", 0, ERR_BAD_FIELD},
		{"1e21", 0, 0},
		{"1e300", 0, 0},
		{"0.1", 0, 0},
		{"\"x\"", 0, 0},
		{"[]", 0, ERR_BAD_FIELD},
		{"[]", 1, 0},
		{"{\"a\":{\"b\":1}}", 1, ERR_BAD_FIELD},
		{"{\"a\":{\"b\":1}}", 2, 0},
		{"[[[1]],[[9007199254740992]]]", 3, ERR_BAD_FIELD},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		json_t *j = json_loads(table[i].json, JSON_DECODE_ANY, NULL);
		struct err e = {0};

		ok(json_check_value(j, table[i].depth, "x.y", &e) == table[i].rc &&
		           strcmp(e.field, table[i].rc ? "x.y" : "") == 0,
		   "check %s at depth %d", table[i].json, table[i].depth);
		json_decref(j);
	}
}

/* ---- writing by hand ------------------------------------------------------------------------- */

static void test_helpers(struct buf *b)
{
	json_t *j = json_pack("{s:i}", "n", 1);

	buf_clear(b);
	buf_putc(b, '{');
	json_bool(b, "a", true);
	json_bool(b, "b", false);
	json_int(b, "c", INT64_MIN);
	json_key(b, "d");
	buf_putc(b, '[');
	for (int i = 0; i < 2; i++) {
		json_comma(b);
		buf_put_i64(b, i);
	}
	buf_putc(b, ']');
	json_null_key(b, "e");
	json_opt_int(b, "f", -1);
	json_opt_int(b, "g", 7);
	json_str(b, "h", NULL);
	json_str(b, "i", "{");
	json_str_n(b, "j", "ab", 1);
	json_time(b, "k", 1705314600000);
	json_value(b, "l", NULL);
	json_value(b, "m", j);
	buf_putc(b, '}');
	is_str(b->p,
	       "{\"a\":true,\"b\":false,\"c\":-9223372036854775808,\"d\":[0,1],\"e\":null,\"g\":7,"
	       "\"i\":\"{\",\"j\":\"a\",\"k\":\"2024-01-15T10:30:00.000Z\",\"m\":{\"n\":1}}",
	       "commas come where they belong");
	is_int(b->len, strlen(b->p), "the length is counted right");
	json_decref(j);
}

/* A buffer that is too small, at every size: the error is there, and nothing beyond the end. */
static void test_full(void)
{
	static const char json[] = "{\"a\":\"x\\ny\",\"b\":[1.5,true,null,{}]}";
	json_t *j = json_loads(json, 0, NULL);
	size_t wrong = 0;

	for (size_t max = 0; max <= sizeof json - 1; max++) {
		struct buf b;

		buf_init(&b, max);
		json_put_value(&b, j);
		wrong += buf_error(&b) != (max == sizeof json - 1 ? 0 : ERR_TOO_LARGE);
		wrong += b.len > max;
		buf_release(&b);
	}
	is_int(wrong, 0, "a full buffer is told");
	json_decref(j);
}

int main(void)
{
	uint64_t seed = rnd_seed(8785);
	struct buf b;

	buf_init(&b, 1 << 20);
	test_numbers(&b);
	test_shortest(&b, seed);
	test_locale(&b);
	test_strings(&b);
	test_string_property(&b, seed);
	test_values(&b);
	test_many_keys(&b);
	test_value_property(&b, seed);
	test_check();
	test_helpers(&b);
	test_full();
	buf_release(&b);
	return done();
}
