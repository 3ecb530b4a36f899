/* Positions through an operation, by binary search over where its components begin. */
#include "core/shift.h"

#include <stdlib.h>

int shift_init(struct shift *sh, const struct op *op)
{
	struct shift_mark m = {0};

	sh->op = op;
	sh->marks = malloc((op->len + 1) * sizeof *sh->marks);
	if (!sh->marks)
		return ERR_NOMEM;
	for (size_t i = 0; i < op->len; i++) {
		const struct op_part *part = &op->parts[i];

		sh->marks[i] = m;
		if (part->kind != OP_INSERT)
			m.before += part->chars;
		if (part->kind != OP_DELETE)
			m.after += part->chars;
		if (part->kind == OP_RETAIN) {
			m.kept += part->chars;
			m.gone_from = m.before;
		}
	}
	sh->marks[op->len] = m;
	return 0;
}

void shift_release(struct shift *sh)
{
	free(sh->marks);
	*sh = (struct shift){0};
}

static bool part_is(const struct shift *sh, size_t i, enum op_kind kind)
{
	return i < sh->op->len && sh->op->parts[i].kind == kind;
}

/* The last mark at or in front of a position of the text before; never that of an insert. */
static size_t mark_before(const struct shift *sh, size_t pos)
{
	size_t lo = 0;
	size_t hi = sh->op->len;

	while (lo < hi) {
		size_t mid = lo + (hi - lo + 1) / 2;

		if (sh->marks[mid].before <= pos)
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

/* The same for a position of the text after; never that of a delete. */
static size_t mark_after(const struct shift *sh, size_t pos)
{
	size_t lo = 0;
	size_t hi = sh->op->len;

	while (lo < hi) {
		size_t mid = lo + (hi - lo + 1) / 2;

		if (sh->marks[mid].after <= pos)
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

size_t shift_position(const struct shift *sh, size_t pos, bool stick_right)
{
	size_t i = mark_before(sh, pos);
	const struct shift_mark *m = &sh->marks[i];

	if (!stick_right && pos == m->before && i > 0 && part_is(sh, i - 1, OP_INSERT))
		return sh->marks[i - 1].after;
	return part_is(sh, i, OP_DELETE) ? m->after : m->after + (pos - m->before);
}

size_t shift_kept(const struct shift *sh, size_t pos)
{
	size_t i = mark_before(sh, pos);
	const struct shift_mark *m = &sh->marks[i];

	return part_is(sh, i, OP_DELETE) ? m->kept : m->kept + (pos - m->before);
}

size_t shift_gone_from(const struct shift *sh, size_t pos)
{
	size_t i = mark_before(sh, pos);
	const struct shift_mark *m = &sh->marks[i];

	return part_is(sh, i, OP_DELETE) || pos == m->before ? m->gone_from : pos;
}

size_t shift_inserted(const struct shift *sh, size_t pos)
{
	size_t i = mark_after(sh, pos);
	const struct shift_mark *m = &sh->marks[i];
	size_t inserted = m->after - m->kept;

	return part_is(sh, i, OP_INSERT) ? inserted + (pos - m->after) : inserted;
}

bool shift_spans(const struct shift *sh, size_t a, size_t b)
{
	const struct op *op = sh->op;
	size_t start = part_is(sh, 0, OP_RETAIN) ? op->parts[0].chars : 0;
	size_t end = sh->marks[op->len].after;

	return a >= start && b >= start && a <= end && b <= end;
}
