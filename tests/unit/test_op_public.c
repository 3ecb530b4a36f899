/*
 * Operations as the public type has them: cases written by its JavaScript implementation
 * (tests/data/ot), unnormalised ones and ones that do nothing among them.  What is transformed and
 * composed must come out the same, component by component, or clients of both would diverge.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../tap.h"
#include "core/op.h"
#include "proto/op_json.h"

#define FILE_CASES "tests/data/ot/text-unicode.ndjson"

enum { TEXT_MAX = 1 << 16, CASES = 400 };

static bool reads(const json_t *o, const char *key, struct op *op)
{
	op_init(op, TEXT_MAX);
	return op_from_json(json_object_get(o, key), op, NULL) == 0;
}

/* Whether `op` is what the case says under this key, also as bytes. */
static bool is_case(const json_t *o, const char *key, const struct op *op)
{
	char *want = json_dumps(json_object_get(o, key), JSON_COMPACT);
	struct buf got;
	bool same = false;

	buf_init(&got, TEXT_MAX);
	op_write_json(op, &got);
	same = want && !buf_error(&got) && strcmp(got.p, want) == 0;
	if (!same)
		printf("# %s: got %s\n#   want %s\n", key, got.p ? got.p : "", want ? want : "");
	buf_release(&got);
	free(want);
	return same;
}

static bool check_apply(const json_t *o, const struct op *a)
{
	const json_t *text = json_object_get(o, "text");
	struct buf after;
	bool same = false;

	buf_init(&after, TEXT_MAX);
	same = op_apply(a, json_string_value(text), json_string_length(text), &after) == 0 &&
	       strcmp(after.p ? after.p : "", json_string_value(json_object_get(o, "after"))) == 0;
	buf_release(&after);
	return same;
}

static bool check_case(const json_t *o)
{
	struct op a, b, c, out;
	bool pass = reads(o, "a", &a);

	pass = reads(o, "b", &b) && pass;
	pass = reads(o, "c", &c) && pass;
	op_init(&out, TEXT_MAX);
	pass = pass && is_case(o, "normal", &a) && check_apply(o, &a);
	pass = pass && op_transform(&a, &b, OP_LEFT, &out) == 0 && is_case(o, "left", &out);
	pass = pass && op_transform(&a, &b, OP_RIGHT, &out) == 0 && is_case(o, "right", &out);
	pass = pass && op_compose(&a, &c, &out) == 0 && is_case(o, "composed", &out);
	op_release(&a);
	op_release(&b);
	op_release(&c);
	op_release(&out);
	return pass;
}

int main(void)
{
	FILE *f = fopen(FILE_CASES, "r");
	char *line = NULL;
	size_t cap = 0;
	int cases = 0, wrong = 0;

	while (f && getline(&line, &cap, f) > 0) {
		json_t *o = json_loads(line, 0, NULL);

		cases++;
		if (!o || !check_case(o)) {
			wrong++;
			printf("# case %d: %s", cases, line);
		}
		json_decref(o);
	}
	is_int(cases, CASES, "all cases are read");
	is_int(wrong, 0, "transform, compose, apply and normal forms are the public type's");
	free(line);
	if (f)
		(void)fclose(f); /* it was only read */
	return done();
}
