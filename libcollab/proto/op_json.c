/* Operations as JSON. */
#include "proto/op_json.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "proto/json_out.h"

/* A count of code points that no text can have is refused here, so that sums stay in range. */
static int read_count(const json_t *j, const char *what, size_t *chars, struct err *e)
{
	double d = json_number_value(j);

	if (!(d >= 0 && d <= UINT32_MAX))
		return err_set(e, ERR_BAD_DELTA,
		               "a %s must be a number of characters, from 1 to 4294967295", what);
	*chars = (size_t)d;
	if ((double)*chars != d)
		return err_set(e, ERR_BAD_DELTA, "a %s must be a whole number", what);
	return 0;
}

static int read_delete(const json_t *j, struct op *out, struct err *e)
{
	const json_t *d = json_object_get(j, "d");
	size_t chars = 0;
	int rc = 0;

	if (!d || json_object_size(j) != 1)
		return err_set(e, ERR_BAD_DELTA, "a delete is an object with one key, d");
	if (json_is_string(d)) {
		op_delete(out, utf8_chars(json_string_value(d), json_string_length(d)));
		return 0;
	}
	if (!json_is_number(d))
		return err_set(e, ERR_BAD_DELTA, "d must be a number or a string");
	rc = read_count(d, "delete", &chars, e);
	if (!rc)
		op_delete(out, chars);
	return rc;
}

static int read_part(const json_t *j, struct op *out, struct err *e)
{
	size_t chars = 0;
	int rc = 0;

	switch (json_typeof(j)) {
	case JSON_INTEGER:
	case JSON_REAL:
		rc = read_count(j, "retain", &chars, e);
		if (!rc)
			op_retain(out, chars);
		return rc;
	case JSON_STRING:
		op_insert(out, json_string_value(j), json_string_length(j));
		return 0;
	case JSON_OBJECT:
		return read_delete(j, out, e);
	default:
		return err_set(e, ERR_BAD_DELTA,
		               "a component must be a number, a string or {\"d\":…}");
	}
}

int op_from_json(const json_t *j, struct op *out, struct err *e)
{
	size_t i = 0;
	const json_t *part = NULL;
	int rc = 0;

	op_clear(out);
	if (!json_is_array(j))
		return err_field(e, ERR_BAD_DELTA, "delta", "a delta must be an array");
	json_array_foreach(j, i, part)
	{
		rc = read_part(part, out, e);
		if (rc && e)
			(void)snprintf(e->field, sizeof e->field, "delta[%zu]", i); /* it fits */
		if (rc)
			return rc;
	}
	rc = op_finish(out);
	if (rc == ERR_TOO_LARGE)
		return err_field(e, rc, "delta", "the delta is over the limit");
	return rc ? err_set(e, rc, NULL) : 0;
}

void op_write_json(const struct op *op, struct buf *out)
{
	buf_putc(out, '[');
	for (size_t i = 0; i < op->len; i++) {
		const struct op_part *part = &op->parts[i];

		if (i)
			buf_putc(out, ',');
		switch (part->kind) {
		case OP_RETAIN:
			buf_put_i64(out, part->chars);
			break;
		case OP_INSERT:
			json_put_string(out, op->text.p + part->text_at, part->text_bytes);
			break;
		case OP_DELETE:
			buf_puts(out, "{\"d\":");
			buf_put_i64(out, part->chars);
			buf_putc(out, '}');
			break;
		}
	}
	buf_putc(out, ']');
}
