/*
 * Fuzzing differences: two texts, parted by the first byte that no UTF-8 text has (0xff).  The
 * operation leads from one to the other, inserts only what the second has, and does nothing when
 * both are equal.
 */
#include <assert.h>
#include <string.h>

#include "base/utf8.h"
#include "core/diff.h"

enum { BYTES_MAX = 1 << 22 };

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const uint8_t *parted = size ? memchr(input, 0xff, size) : NULL;
	const char *a = (const char *)input;
	size_t a_len = parted ? (size_t)(parted - input) : size;
	const char *b = parted ? a + a_len + 1 : "";
	size_t b_len = parted ? size - a_len - 1 : 0;
	struct buf out;
	struct op op;

	a_len = utf8_prefix(a, a_len);
	b_len = utf8_prefix(b, b_len);
	op_init(&op, BYTES_MAX);
	buf_init(&out, BYTES_MAX);
	assert(diff(a, a_len, b, b_len, &op) == 0);
	assert(op_apply(&op, a, a_len, &out) == 0);
	assert(out.len == b_len && memcmp(out.p, b, b_len) == 0);
	assert(op.text.len <= b_len && op_chars_read(&op) <= utf8_chars(a, a_len));
	assert(op_is_noop(&op) == (a_len == b_len && memcmp(a, b, b_len) == 0));
	op_release(&op);
	buf_release(&out);
	return 0;
}
