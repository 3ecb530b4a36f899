/*
 * Operations: against a naive model, their laws over random texts, and cases that fix what the
 * public type does.  SEED=n repeats a run, LONG=1 takes a million cases of each law.
 */
#include "core/op.h"

#include "../gen.h"
#include "proto/op_json.h"

enum { TEXT_MAX = 1 << 20 };

/* Two operations from one text, one that follows the first, and room for outcomes. */
struct scene {
	struct buf text, after_a, after_b, x, y;
	struct op a, b, c, p, q;
	size_t chars;
};

static void scene_init(struct scene *s)
{
	struct buf *bufs[] = {&s->text, &s->after_a, &s->after_b, &s->x, &s->y};
	struct op *ops[] = {&s->a, &s->b, &s->c, &s->p, &s->q};

	for (int i = 0; i < 5; i++) {
		buf_init(bufs[i], TEXT_MAX);
		op_init(ops[i], TEXT_MAX);
	}
}

static void scene_release(struct scene *s)
{
	struct buf *bufs[] = {&s->text, &s->after_a, &s->after_b, &s->x, &s->y};
	struct op *ops[] = {&s->a, &s->b, &s->c, &s->p, &s->q};

	for (int i = 0; i < 5; i++) {
		buf_release(bufs[i]);
		op_release(ops[i]);
	}
}

static bool applied(const struct op *op, const struct buf *text, struct buf *out)
{
	buf_clear(out);
	return op_apply(op, text->p, text->len, out) == 0 && utf8_valid(out->p, out->len);
}

static bool same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

static bool normalised(const struct op *op)
{
	size_t at = 0;

	for (size_t i = 0; i < op->len; i++) {
		const struct op_part *part = &op->parts[i];

		if (part->chars == 0 || (i && part->kind == op->parts[i - 1].kind))
			return false;
		if (part->kind != OP_INSERT)
			continue;
		if (part->text_at != at ||
		    utf8_chars(op->text.p + at, part->text_bytes) != part->chars)
			return false;
		at += part->text_bytes;
	}
	return at == op->text.len && (op->len == 0 || op->parts[op->len - 1].kind != OP_RETAIN);
}

/* A random text, a and b from it, c from the text after a. */
static bool scene_make(struct scene *s, uint64_t *seed)
{
	buf_clear(&s->text);
	gen_text(seed, 12, &s->text);
	s->chars = utf8_chars(s->text.p, s->text.len);
	gen_op(seed, s->chars, &s->a);
	gen_op(seed, s->chars, &s->b);
	if (!applied(&s->a, &s->text, &s->after_a) || !applied(&s->b, &s->text, &s->after_b))
		return false;
	if (gen_below(seed, 4))
		gen_op_after(seed, &s->a, s->chars, &s->c);
	else
		gen_op(seed, utf8_chars(s->after_a.p, s->after_a.len), &s->c);
	return true;
}

/* Apply one code point at a time, positions counted out: what op_apply must agree with. */
static bool check_apply(struct scene *s, uint64_t *seed)
{
	size_t at = 0;
	size_t n = 0;

	(void)seed; /* the scene is all that this law needs */
	buf_clear(&s->x);
	buf_put(&s->x, "", 0);
	for (size_t i = 0; i < s->a.len; i++) {
		const struct op_part *part = &s->a.parts[i];

		if (part->kind == OP_INSERT)
			buf_put(&s->x, s->a.text.p + part->text_at, part->text_bytes);
		for (size_t k = 0; part->kind != OP_INSERT && k < part->chars; k++, at += n) {
			(void)utf8_decode(s->text.p + at, &n); /* only the length counts */
			if (part->kind == OP_RETAIN)
				buf_put(&s->x, s->text.p + at, n);
		}
	}
	buf_put(&s->x, s->text.p + at, s->text.len - at);
	return same(&s->x, &s->after_a) && normalised(&s->a) && normalised(&s->c) &&
	       op_check(&s->a, s->chars, NULL) == 0 &&
	       utf8_chars(s->x.p, s->x.len) ==
	               s->chars + op_chars_inserted(&s->a) - op_chars_deleted(&s->a);
}

/* An operation that reads one character too many is refused and leaves no trace. */
static bool check_misfit(struct scene *s, uint64_t *seed)
{
	struct err e = {0};
	size_t len = 0;

	op_clear(&s->p);
	gen_insert(seed, &s->p);
	op_retain(&s->p, gen_below(seed, s->chars + 1));
	gen_insert(seed, &s->p);
	op_delete(&s->p, s->chars + 1 - op_chars_read(&s->p));
	buf_clear(&s->x);
	gen_text(seed, 3, &s->x);
	len = s->x.len;
	return op_apply(&s->p, s->text.p, s->text.len, &s->x) == ERR_BAD_DELTA && s->x.len == len &&
	       op_check(&s->p, s->chars, &e) == ERR_BAD_DELTA && e.text[0] &&
	       op_invert(&s->p, s->text.p, s->text.len, &s->q) == ERR_BAD_DELTA;
}

static bool converges(struct scene *s, enum op_side side_a)
{
	enum op_side side_b = side_a == OP_LEFT ? OP_RIGHT : OP_LEFT;

	return op_transform(&s->a, &s->b, side_a, &s->p) == 0 &&
	       op_transform(&s->b, &s->a, side_b, &s->q) == 0 && normalised(&s->p) &&
	       normalised(&s->q) && applied(&s->p, &s->after_b, &s->x) &&
	       applied(&s->q, &s->after_a, &s->y) && same(&s->x, &s->y);
}

static bool check_tp1(struct scene *s, uint64_t *seed)
{
	(void)seed; /* as above */
	return converges(s, OP_LEFT) && converges(s, OP_RIGHT);
}

static bool check_compose(struct scene *s, uint64_t *seed)
{
	(void)seed; /* as above */
	return applied(&s->c, &s->after_a, &s->x) && op_compose(&s->a, &s->c, &s->p) == 0 &&
	       normalised(&s->p) && applied(&s->p, &s->text, &s->y) && same(&s->x, &s->y);
}

/* Composing three is the same text whichever two are composed first. */
static bool check_compose_three(struct scene *s, uint64_t *seed)
{
	struct op d;
	bool pass = applied(&s->c, &s->after_a, &s->x);

	op_init(&d, TEXT_MAX);
	gen_op_after(seed, &s->c, utf8_chars(s->after_a.p, s->after_a.len), &d);
	pass = pass && op_compose(&s->a, &s->c, &s->p) == 0 && op_compose(&s->p, &d, &s->q) == 0 &&
	       applied(&s->q, &s->text, &s->y);
	pass = pass && op_compose(&s->c, &d, &s->p) == 0 && op_compose(&s->a, &s->p, &s->q) == 0 &&
	       applied(&d, &s->x, &s->after_b) && same(&s->after_b, &s->y) &&
	       applied(&s->q, &s->text, &s->x) && same(&s->x, &s->y);
	op_release(&d);
	return pass;
}

static bool check_invert(struct scene *s, uint64_t *seed)
{
	(void)seed; /* as above */
	return op_invert(&s->a, s->text.p, s->text.len, &s->p) == 0 && normalised(&s->p) &&
	       applied(&s->p, &s->after_a, &s->x) && same(&s->x, &s->text) &&
	       op_invert(&s->p, s->after_a.p, s->after_a.len, &s->q) == 0 && op_equal(&s->q, &s->a);
}

/* Whether code point `at` of the text is deleted by op, read off naively. */
static bool deletes(const struct op *op, size_t at)
{
	size_t pos = 0;

	for (size_t i = 0; i < op->len; i++) {
		if (op->parts[i].kind == OP_INSERT)
			continue;
		if (at >= pos && at < pos + op->parts[i].chars)
			return op->parts[i].kind == OP_DELETE;
		pos += op->parts[i].chars;
	}
	return false;
}

static bool same_char(const struct buf *a, size_t a_at, const struct buf *b, size_t b_at)
{
	size_t n = 0;
	const char *p = a->p + utf8_offset(a->p, a->len, a_at, NULL);
	const char *q = b->p + utf8_offset(b->p, b->len, b_at, NULL);

	return q < b->p + b->len && utf8_decode(p, &n) == utf8_decode(q, &n);
}

/* Positions keep their order, and one in front of a character that stays is in front of it still.
 */
static bool check_positions(struct scene *s, uint64_t *seed)
{
	size_t chars_after = utf8_chars(s->after_a.p, s->after_a.len);
	size_t right = 0;
	size_t left = 0;

	(void)seed; /* as above */
	for (size_t at = 0; at <= s->chars; at++) {
		size_t r = op_map_position(&s->a, at, true);
		size_t l = op_map_position(&s->a, at, false);

		if (r < right || l < left || l > r || r > chars_after)
			return false;
		right = r;
		left = l;
		if (at < s->chars && !deletes(&s->a, at) &&
		    !same_char(&s->text, at, &s->after_a, r))
			return false;
		if (at > 0 && !deletes(&s->a, at - 1) &&
		    (l == 0 || !same_char(&s->text, at - 1, &s->after_a, l - 1)))
			return false;
	}
	return true;
}

static bool check_ranges(struct scene *s, uint64_t *seed)
{
	size_t from = gen_below(seed, s->chars + 1);
	size_t to = from + 1 + gen_below(seed, 5);
	bool all = true;

	for (size_t at = from; at < to; at++)
		all = all && deletes(&s->a, at);
	return op_deletes_range(&s->a, from, to) == all;
}

/* Built in other pieces, with components that do nothing between, an operation is the same. */
static bool check_normal(struct scene *s, uint64_t *seed)
{
	op_clear(&s->p);
	for (size_t i = 0; i < s->a.len; i++) {
		const struct op_part *part = &s->a.parts[i];
		const char *text = s->a.text.p + part->text_at;
		size_t n = gen_below(seed, part->chars + 1);
		size_t bytes = 0;

		op_retain(&s->p, 0);
		op_delete(&s->p, 0);
		op_insert(&s->p, "", 0);
		if (part->kind == OP_INSERT) {
			bytes = utf8_offset(text, part->text_bytes, n, NULL);
			op_insert(&s->p, text, bytes);
			op_insert(&s->p, text + bytes, part->text_bytes - bytes);
		} else if (part->kind == OP_DELETE) {
			op_delete(&s->p, n);
			op_delete(&s->p, part->chars - n);
		} else {
			op_retain(&s->p, n);
			op_retain(&s->p, part->chars - n);
		}
	}
	op_retain(&s->p, gen_below(seed, 3));
	return op_finish(&s->p) == 0 && normalised(&s->p) && op_equal(&s->p, &s->a) &&
	       op_copy(&s->a, &s->q) == 0 && op_equal(&s->q, &s->a) &&
	       op_equal(&s->a, &s->b) == (s->a.len == s->b.len && op_equal(&s->b, &s->a));
}

/* JSON there and back; and deletes told by their text. */
static bool check_json(struct scene *s, uint64_t *seed)
{
	static const char eight[] = "😀é中\r\n\u200dab";
	json_t *j = NULL;
	bool pass = false;

	(void)seed; /* as above */
	buf_clear(&s->x);
	op_write_json(&s->a, &s->x);
	if (buf_error(&s->x))
		return false;
	j = json_loadb(s->x.p, s->x.len, JSON_ALLOW_NUL, NULL);
	pass = j && op_from_json(j, &s->p, NULL) == 0 && op_equal(&s->p, &s->a);
	for (size_t i = 0; pass && i < s->a.len; i++) {
		size_t n = s->a.parts[i].chars;

		if (s->a.parts[i].kind == OP_DELETE && n <= utf8_chars(eight, strlen(eight)))
			json_object_set_new(
				json_array_get(j, i), "d",
				json_stringn(eight, utf8_offset(eight, strlen(eight), n, NULL)));
	}
	pass = pass && op_from_json(j, &s->p, NULL) == 0 && op_equal(&s->p, &s->a);
	json_decref(j);
	return pass;
}

struct law {
	const char *says;
	bool (*holds)(struct scene *s, uint64_t *seed);
};

static const struct law laws[] = {
	{"apply agrees with one character at a time", check_apply},
	{"what does not fit is refused without a trace", check_misfit},
	{"TP1: both orders give one text, on either side", check_tp1},
	{"compose is one after the other, deleting what was inserted too", check_compose},
	{"composing three does not depend on the order of composing", check_compose_three},
	{"invert takes back, and twice is the operation itself", check_invert},
	{"positions are monotone and stay with their characters", check_positions},
	{"op_deletes_range agrees with one character at a time", check_ranges},
	{"however it is built, an operation is normalised and the same", check_normal},
	{"JSON there and back", check_json},
};

/* Each law begins with the same seed, so that SEED=n repeats a case of any. */
static void test_laws(uint64_t seed)
{
	size_t cases = gen_cases(20000);
	struct scene s;

	scene_init(&s);
	for (size_t i = 0; i < sizeof laws / sizeof laws[0]; i++) {
		uint64_t state = seed;
		uint64_t was = seed;
		size_t n = 0;

		for (; n < cases; n++) {
			was = state;
			if (!scene_make(&s, &state) || !laws[i].holds(&s, &state))
				break;
		}
		if (!ok(n == cases, "%s", laws[i].says))
			printf("# case %zu, SEED=%" PRIu64 "\n", n, was);
	}
	scene_release(&s);
}

static void read_op(const char *json, struct op *op)
{
	json_t *j = json_loads(json, 0, NULL);

	op_init(op, TEXT_MAX);
	if (!j || op_from_json(j, op, NULL))
		printf("# not an operation: %s\n", json);
	json_decref(j);
}

static bool writes(const struct op *op, const char *want)
{
	struct buf out;
	bool pass = false;

	buf_init(&out, TEXT_MAX);
	op_write_json(op, &out);
	pass = !buf_error(&out) && strcmp(out.p, want) == 0;
	if (!pass)
		printf("#   got  %s\n#   want %s\n", out.p ? out.p : "", want);
	buf_release(&out);
	return pass;
}

/*
 * What the public type gives (ot-text-unicode 4.0.0): a and b from one text, a transformed over b
 * on either side, and b composed after a.
 */
static const struct {
	const char *a, *b, *left, *right, *composed;
} cases_public[] = {
	{"[\"a\"]", "[\"b\"]", "[\"a\"]", "[1,\"a\"]", "[\"ba\"]"},
	{"[{\"d\":1},\"a\"]", "[\"x\"]", "[1,{\"d\":1},\"a\"]", "[1,{\"d\":1},\"a\"]",
         "[\"x\",{\"d\":1},\"a\"]"},
	{"[\"a\",{\"d\":1}]", "[\"x\"]", "[\"a\",1,{\"d\":1}]", "[1,\"a\",{\"d\":1}]",
         "[\"xa\",{\"d\":1}]"},
	{"[1,\"a\"]", "[{\"d\":1}]", "[\"a\"]", "[\"a\"]", "[{\"d\":1},\"a\"]"},
	{"[{\"d\":3},\"new\"]", "[1,\"😀\",1,{\"d\":1}]", "[{\"d\":1},1,{\"d\":1},\"new\"]",
         "[{\"d\":1},1,{\"d\":1},\"new\"]", "[{\"d\":3},\"n😀e\"]"},
	{"[\"abc\"]", "[1,{\"d\":1}]", "[\"abc\"]", "[\"abc\"]", "[\"ac\"]"},
	{"[2,\"y\",{\"d\":2}]", "[2,\"x\",1]", "[2,\"y\",1,{\"d\":2}]", "[3,\"y\",{\"d\":2}]",
         "[2,\"xy\",{\"d\":2}]"},
	{"[{\"d\":2}]", "[1,{\"d\":2}]", "[{\"d\":1}]", "[{\"d\":1}]", "[{\"d\":2},1,{\"d\":2}]"},
};

static void test_public(void)
{
	bool pass = true;

	for (size_t i = 0; i < sizeof cases_public / sizeof cases_public[0]; i++) {
		struct op a, b, out;

		read_op(cases_public[i].a, &a);
		read_op(cases_public[i].b, &b);
		op_init(&out, TEXT_MAX);
		pass = op_transform(&a, &b, OP_LEFT, &out) == 0 &&
		       writes(&out, cases_public[i].left) && pass;
		pass = op_transform(&a, &b, OP_RIGHT, &out) == 0 &&
		       writes(&out, cases_public[i].right) && pass;
		pass = op_compose(&a, &b, &out) == 0 && writes(&out, cases_public[i].composed) &&
		       pass;
		op_release(&a);
		op_release(&b);
		op_release(&out);
	}
	ok(pass, "transform and compose give what the public type gives");
}

static const struct {
	const char *json, *canonical, *field; /* field: refused, naming that */
} cases_json[] = {
	{"[]", "[]", NULL},
	{"[5]", "[]", NULL},
	{"[0,\"\",{\"d\":0},{\"d\":\"\"}]", "[]", NULL},
	{"[1,2,\"a\",\"b\",{\"d\":1},{\"d\":\"😀x\"},7]", "[3,\"ab\",{\"d\":3}]", NULL},
	{"[3.0,{\"d\":2e0}]", "[3,{\"d\":2}]", NULL},
	{"[{\"d\":1},\"\\u0001\\\"\\\\/\\b\\t\\n\\f\\r\\u007f\\u2028\\u00e9\"]",
         "[{\"d\":1},\"\\u0001\\\"\\\\/\\b\\t\\n\\f\\r\x7f\u2028é\"]", NULL},
	{"{}", NULL, "delta"},
	{"[1,-1]", NULL, "delta[1]"},
	{"[1.5]", NULL, "delta[0]"},
	{"[4294967296]", NULL, "delta[0]"},
	{"[9223372036854775807]", NULL, "delta[0]"},
	{"[1e300]", NULL, "delta[0]"},
	{"[\"a\",null]", NULL, "delta[1]"},
	{"[true]", NULL, "delta[0]"},
	{"[[1]]", NULL, "delta[0]"},
	{"[{}]", NULL, "delta[0]"},
	{"[{\"i\":\"a\"}]", NULL, "delta[0]"},
	{"[{\"d\":1,\"i\":\"a\"}]", NULL, "delta[0]"},
	{"[{\"d\":-1}]", NULL, "delta[0]"},
	{"[{\"d\":null}]", NULL, "delta[0]"},
};

static void test_json(void)
{
	bool pass = true;

	for (size_t i = 0; i < sizeof cases_json / sizeof cases_json[0]; i++) {
		json_t *j = json_loads(cases_json[i].json, 0, NULL);
		struct err e = {0};
		struct op op;
		int rc = 0;

		op_init(&op, TEXT_MAX);
		rc = op_from_json(j, &op, &e);
		if (cases_json[i].field)
			pass = rc == ERR_BAD_DELTA && e.text[0] &&
			       strcmp(e.field, cases_json[i].field) == 0 && pass;
		else
			pass = rc == 0 && writes(&op, cases_json[i].canonical) && pass;
		if (!pass)
			printf("# %s: %d %s %s\n", cases_json[i].json, rc, e.field, e.text);
		op_release(&op);
		json_decref(j);
	}
	ok(pass, "JSON: what is taken, what is refused and how, the canonical bytes");
}

static void test_limits(void)
{
	json_t *j = json_loads("[\"abc\",\"def\"]", 0, NULL);
	struct err e = {0};
	struct op op;
	struct op zero = {0};

	op_init(&op, 5);
	op_insert(&op, "abc", 3);
	op_insert(&op, "def", 3);
	op_retain(&op, 1);
	op_delete(&op, 1);
	is_int(op_finish(&op), ERR_TOO_LARGE, "inserting over the maximum is an error that stays");
	is_int(op_from_json(j, &op, &e), ERR_TOO_LARGE, "and so it is when reading");
	op_clear(&op);
	op_delete(&op, UINT32_MAX);
	op_delete(&op, 1);
	is_int(op_finish(&op), ERR_TOO_LARGE, "a count over 32 bits is an error");
	op_clear(&op);
	op_replace_all(&op, 3, "new", 3);
	ok(op_finish(&op) == 0 && writes(&op, "[{\"d\":3},\"new\"]"),
	   "a replaced content is: delete all, insert all, in this order");
	op_clear(&op);
	op_replace_all(&op, 0, NULL, 0);
	ok(op_finish(&op) == 0 && op_is_noop(&op), "replacing nothing by nothing does nothing");
	op_release(&op);
	op_release(&zero);
	json_decref(j);
}

int main(void)
{
	test_laws(rnd_seed(20240115));
	test_public();
	test_json();
	test_limits();
	return done();
}
