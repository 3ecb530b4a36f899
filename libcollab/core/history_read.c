/* What a section's history tells: texts of the past, and operations brought up to now. */
#include <assert.h>

#include "core/session.h"

/* The place in the queue of the first change after base_seq; changes_len if there is none. */
static size_t first_after(const struct section *sec, int64_t base_seq)
{
	size_t lo = sec->changes_at;
	size_t hi = sec->changes_len;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (sec->changes[mid].seq <= base_seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool section_history_covers(const struct section *sec, int64_t base_seq)
{
	return base_seq >= sec->changes_after;
}

size_t section_chars_at(const struct section *sec, int64_t base_seq)
{
	size_t i = first_after(sec, base_seq);

	return i < sec->changes_len ? sec->changes[i].chars_before : sec->content_chars;
}

/* *out = what undoes the changes of [lo, hi), none of them a replacement, lo < hi. */
static int undo_range(const struct section *sec, size_t lo, size_t hi, struct op *out)
{
	size_t mid = lo + (hi - lo) / 2;
	struct op newer = {0};
	struct op older = {0};
	int rc = 0;

	if (hi - lo == 1 && sec->changes[lo].kind == CHANGE_EDIT)
		return op_copy(&sec->changes[lo].undo, out);
	if (hi - lo == 1) {
		op_clear(out);
		return 0;
	}
	/* In halves, so that no change is composed more often than there are halvings. */
	op_init(&newer, out->text.len_max);
	op_init(&older, out->text.len_max);
	rc = undo_range(sec, mid, hi, &newer);
	if (!rc)
		rc = undo_range(sec, lo, mid, &older);
	if (!rc)
		rc = op_compose(&newer, &older, out);
	op_release(&newer);
	op_release(&older);
	return rc;
}

int section_text_at(const struct section *sec, int64_t base_seq, struct buf *out)
{
	size_t lo = first_after(sec, base_seq);
	size_t hi = lo;
	const char *text = sec->content;
	size_t len = sec->content_len;
	struct op undo = {0};
	int rc = 0;

	assert(section_history_covers(sec, base_seq));
	/* The first replacement after the base kept the text it found. */
	while (hi < sec->changes_len && sec->changes[hi].kind != CHANGE_REPLACE)
		hi++;
	if (hi < sec->changes_len) {
		text = sec->changes[hi].before;
		len = sec->changes[hi].before_len;
	}
	op_init(&undo, SIZE_MAX / 2);
	if (lo < hi)
		rc = undo_range(sec, lo, hi, &undo);
	if (!rc)
		rc = op_apply(&undo, text, len, out);
	assert(rc != ERR_BAD_DELTA); /* every undo was made from the very text */
	op_release(&undo);
	return rc;
}

/*
 * What one change may cost to be brought up to date, in bytes copied and parts (16 each) walked:
 * some tens of milliseconds.  10,000 small edits over 10,000 others are far below it.
 */
enum { TRANSFORM_WORK_MAX = 1 << 28 };

/* *out = op as it is after a replacement: nothing of the text it was made for is left. */
static int transform_over_replacement(const struct op *op, struct op *out)
{
	op_clear(out);
	for (size_t i = 0; i < op->len; i++)
		if (op->parts[i].kind == OP_INSERT)
			op_insert(out, op->text.p + op->parts[i].text_at, op->parts[i].text_bytes);
	return op_finish(out);
}

int section_transform(const struct section *sec, const struct op *op, int64_t base_seq,
                      struct op *out, struct err *e)
{
	struct op last = {0};
	struct op swap = {0};
	size_t work = 0;
	int rc = op_check(op, section_chars_at(sec, base_seq), e);

	assert(section_history_covers(sec, base_seq));
	if (rc)
		return rc;
	op_init(&last, out->text.len_max);
	rc = op_copy(op, out);
	for (size_t i = first_after(sec, base_seq); !rc && i < sec->changes_len; i++) {
		const struct change *ch = &sec->changes[i];

		if (ch->kind == CHANGE_KEYS)
			continue;
		swap = last;
		last = *out;
		*out = swap;
		work += (last.len + ch->op.len) * 16 + last.text.len;
		if (work > TRANSFORM_WORK_MAX)
			rc = ERR_BASE_TOO_OLD;
		else if (ch->kind == CHANGE_REPLACE)
			rc = transform_over_replacement(&last, out);
		else
			rc = op_transform(&last, &ch->op, OP_LEFT, out);
	}
	op_release(&last);
	if (rc == ERR_BASE_TOO_OLD)
		return err_field(e, rc, "base_seq",
		                 "too much of the section changed since seq %lld",
		                 (long long)base_seq);
	return rc ? err_set(e, rc, NULL) : 0;
}
