/* JSON Merge Patch by the examples of its RFC, and what values count. */
#include "../tap.h"
#include "base/err.h"
#include "core/patch.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* RFC 7396, appendix A. */
static void test_merge_patch(void)
{
	static const struct {
		const char *original, *patch, *result;
	} rows[] = {
		{"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
		{"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
		{"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
		{"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
		{"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
		{"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
		{"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
	         "{\"a\":{\"b\":\"d\"}}"},
		{"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
		{"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
		{"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
		{"{\"a\":\"foo\"}", "null", "null"},
		{"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
		{"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
		{"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
		{"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		json_t *target = json_loads(rows[i].original, JSON_DECODE_ANY, NULL);
		json_t *patch = json_loads(rows[i].patch, JSON_DECODE_ANY, NULL);
		json_t *result = json_loads(rows[i].result, JSON_DECODE_ANY, NULL);
		json_t *copy = json_deep_copy(patch);

		ok(patch_merge(&target, patch) == 0 && json_equal(target, result),
		   "merge patch: %s with %s", rows[i].original, rows[i].patch);
		ok(json_equal(patch, copy), "merge patch: the patch is as it was");
		json_decref(target);
		json_decref(patch);
		json_decref(result);
		json_decref(copy);
	}
}

static void test_json_bytes(void)
{
	static const char *const rows[] = {
		"[]",     "[1,-20]", "{\"a\":\"xyz\"}", "[true,false,null]",
		"[[[]]]", "[0]",     "[9,10,-9,-10]",   "[9223372036854775807]",
		"[\"\"]", "{}",      "{\"k\":{}}",      "[-9223372036854775808]",
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		json_t *value = json_loads(rows[i], 0, NULL);
		size_t items =
			json_is_array(value) ? json_array_size(value) : json_object_size(value);
		char *dump = json_dumps(value, JSON_COMPACT);

		/* One comma more than there is for each non-empty container. */
		ok(json_bytes(value) >= strlen(dump) && json_bytes(value) <= strlen(dump) + 3 &&
		           (items > 0 || json_bytes(value) == 2),
		   "json bytes: %s", rows[i]);
		free(dump);
		json_decref(value);
	}
	is_int(json_bytes(NULL), 0, "json bytes: nothing");
}

int main(void)
{
	test_merge_patch();
	test_json_bytes();
	return done();
}
