/* Members of an object found without parsing it: what jansson finds, and nothing outside. */
#include "proto/json_scan.h"

#include <jansson.h>

#include "../gen.h"

/* ---- by hand --------------------------------------------------------------------------------- */

/* The members as "key=value " with S or E before strings; "!" at the end for -1. */
static const char *shown(const char *text)
{
	static char out[512];
	struct json_scan s;
	struct json_member m;
	size_t at = 0;
	int rc;

	out[0] = '\0';
	json_scan_init(&s, text, strlen(text));
	while ((rc = json_scan_next(&s, &m)) == 1)
		at += (size_t)snprintf(out + at, sizeof out - at, "%.*s=%s%.*s ", (int)m.key_len,
		                       m.key,
		                       m.escaped  ? "E"
		                       : m.string ? "S"
		                                  : "",
		                       (int)m.len, m.value);
	if (rc < 0)
		(void)snprintf(out + at, sizeof out - at, "!");
	return out;
}

static void test_shown(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"{}", ""},
		{" { } \n", ""},
		{"{\"a\":1}", "a=1 "},
		{"{\"a\":1,\"b\":\"x\"}", "a=1 b=Sx "},
		{" {\n\"a\" : [1,{\"b\":\"]}\"}] , \"c\":null}\r\n",
	         "a=[1,{\"b\":\"]}\"}] c=null "},
		{"{\"a\":\"q\\\"\\\\\",\"b\":\"\"}", "a=Eq\\\"\\\\ b=S "},
		{"{\"a\":{\"b\\\"\":\"}\"},\"c\":-1.5e+3}", "a={\"b\\\"\":\"}\"} c=-1.5e+3 "},
		{"{\"a\":true,\"b\":false}", "a=true b=false "},
		/* what it does not follow */
		{"", "!"},
		{"[]", "!"},
		{"{", "!"},
		{"{\"a\"", "!"},
		{"{\"a\":", "!"},
		{"{\"a\":1", "a=1 !"},
		{"{\"a\":1,", "a=1 !"},
		{"{\"a\":\"x", "!"},
		{"{\"a\":\"x\\", "!"},
		{"{\"a\":[1", "!"},
		{"{\"a\":[\"", "!"},
		{"{\"a\\u0062\":1}", "!"},
		{"{\"a\":1 \"b\":2}", "a=1 !"},
		{"{\"a\":}", "!"},
		{"{}{}", "!"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		is_str(shown(rows[i].text), rows[i].want, "members");
}

static void test_values(void)
{
	static const struct {
		const char *text;
		bool is;
		int64_t want;
	} rows[] = {
		{"{\"n\":0}", true, 0},
		{"{\"n\":-42}", true, -42},
		{"{\"n\":999999999999999999}", true, 999999999999999999},
		{"{\"n\":1000000000000000000}", false, 7},
		{"{\"n\":1.0}", false, 7},
		{"{\"n\":-}", false, 7},
		{"{\"n\":\"1\"}", false, 7},
		{"{\"n\":null}", false, 7},
	};
	struct json_scan s;
	struct json_member m;
	char copy[4] = "old";

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int64_t n = 7;

		json_scan_init(&s, rows[i].text, strlen(rows[i].text));
		(void)json_scan_next(&s, &m);
		ok(json_member_integer(&m, &n) == rows[i].is && n == rows[i].want, "integer of %s",
		   rows[i].text);
	}
	json_scan_init(&s, "{\"a\":\"four\",\"b\":\"\\n\",\"c\":1,\"d\":\"abc\"}", 40);
	for (int i = 0; i < 3 && json_scan_next(&s, &m) == 1; i++)
		ok(!json_member_copy(&m, copy, sizeof copy) && strcmp(copy, "old") == 0,
		   "not copied: %.*s", (int)m.len, m.value);
	ok(json_scan_next(&s, &m) == 1 && json_member_is(&m, "d") && !json_member_is(&m, "dd") &&
	           json_member_copy(&m, copy, sizeof copy) && strcmp(copy, "abc") == 0,
	   "a string that fits is copied");
}

/* ---- property: what is found is what jansson finds ------------------------------------------- */

static json_t *random_value(uint64_t *state, int depth)
{
	struct buf text;
	json_t *v = NULL;

	switch (gen_below(state, depth > 0 ? 6 : 4)) {
	case 0:
		return json_integer((json_int_t)gen_below(state, 1000000) - 500000);
	case 1:
		return json_boolean(gen_below(state, 2));
	case 2:
		buf_init(&text, 1000);
		for (size_t n = gen_below(state, 6); n > 0; n--)
			gen_piece(state, &text);
		v = json_stringn(text.p ? text.p : "", text.len);
		buf_release(&text);
		return v;
	case 3:
		return json_real((double)gen_below(state, 1000) / 8);
	case 4:
		v = json_array();
		for (size_t n = gen_below(state, 4); n > 0; n--)
			json_array_append_new(v, random_value(state, depth - 1));
		return v;
	default:
		v = json_object();
		for (size_t n = gen_below(state, 4); n > 0; n--) {
			char key[8];

			(void)snprintf(key, sizeof key, "k%zu", gen_below(state, 100));
			json_object_set_new(v, key, random_value(state, depth - 1));
		}
		return v;
	}
}

/* Whether the scan finds the members of the object that this is the text of. */
static bool agrees(const char *text, size_t len, const json_t *object)
{
	struct json_scan s;
	struct json_member m;
	size_t found = 0;
	int rc;

	json_scan_init(&s, text, len);
	while ((rc = json_scan_next(&s, &m)) == 1) {
		json_t *want = json_object_getn(object, m.key, m.key_len);
		json_t *got = json_loadb(m.value - m.string, m.len + 2 * m.string,
		                         JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		bool same = want && got && json_equal(want, got) && m.string == json_is_string(got);

		json_decref(got);
		if (!same)
			return false;
		found++;
	}
	return rc == 0 && found == json_object_size(object);
}

/* A text with a piece cut out or changed: never read outside (under ASan), always an end. */
static void survive(uint64_t *state, const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);
	size_t cut = gen_below(state, len + 1);
	struct json_scan s;
	struct json_member m;

	memcpy(copy, text, cut);
	if (cut > 0 && gen_below(state, 2))
		copy[gen_below(state, cut)] = "\"\\{}[]:,x"[gen_below(state, 9)];
	json_scan_init(&s, copy, cut);
	while (json_scan_next(&s, &m) == 1)
		if (m.value + m.len > copy + cut || m.key + m.key_len > copy + cut)
			abort();
	free(copy);
}

static void test_random(void)
{
	uint64_t state = rnd_seed(17);
	size_t cases = gen_cases(20000), bad = 0;

	for (size_t i = 0; i < cases; i++) {
		json_t *object = json_object();
		char *text = NULL;

		for (size_t n = gen_below(&state, 6); n > 0; n--) {
			char key[8];

			(void)snprintf(key, sizeof key, "k%zu", gen_below(&state, 100));
			json_object_set_new(object, key, random_value(&state, 3));
		}
		text = json_dumps(object, gen_below(&state, 2) ? JSON_COMPACT : JSON_INDENT(2));
		bad += !agrees(text, strlen(text), object);
		survive(&state, text, strlen(text));
		free(text);
		json_decref(object);
	}
	is_int((int64_t)bad, 0, "random objects: the members that jansson finds");
}

/* ---- runs that need no escape -----------------------------------------------------------------
 */

static size_t plain_run_by_bytes(const unsigned char *p, size_t len)
{
	size_t i = 0;

	while (i < len && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

/* Every byte at every place of every length, behind and before all kinds of neighbours. */
static void test_plain_run(void)
{
	static const unsigned char around[] = {'x', ' ', '!', '#', '[', ']', 0x7f, 0x80, 0xff};
	size_t bad = 0;

	for (size_t len = 0; len <= 26; len++) {
		unsigned char *p = malloc(len ? len : 1);

		for (size_t at = 0; at < len; at++) {
			for (int byte = 0; byte < 256; byte++) {
				for (size_t i = 0; i < len; i++)
					p[i] = around[(i * 7 + (size_t)byte + at) % sizeof around];
				p[at] = (unsigned char)byte;
				if (byte % 3 == 0) /* another one behind it does not count */
					p[len - 1] = '"';
				bad += json_plain_run((char *)p, len) != plain_run_by_bytes(p, len);
			}
		}
		bad += json_plain_run((char *)p, 0) != 0;
		free(p);
	}
	is_int((int64_t)bad, 0, "what needs no escape, as byte by byte");
}

int main(void)
{
	test_plain_run();
	test_shown();
	test_values();
	test_random();
	return done();
}
