/*
 * What a change was made from: if_version guards, base_seq tells the last seq its author had seen.
 * A base is stale when the section changed after it; then the changes since are looked at in the
 * section's history.
 */
#include <inttypes.h>

#include "core/decide_int.h"
#include "core/diff.h"

int version_mismatch(struct decider *dr, const struct section *sec)
{
	dr->d->section = sec;
	if (!sec)
		return err_set(dr->e, ERR_VERSION_MISMATCH, "the section does not exist");
	return err_set(dr->e, ERR_VERSION_MISMATCH, "section %s has the version %" PRId64,
	               sec->section_id, sec->version);
}

int version_check(struct decider *dr, const struct section *sec)
{
	int64_t version = sec ? sec->version : 0;

	if (dr->c->if_version == EVENT_ABSENT || dr->c->if_version == version)
		return 0;
	return version_mismatch(dr, sec);
}

int base_check(struct decider *dr, int64_t base_seq, const char *field)
{
	if (base_seq <= dr->s->seq)
		return 0;
	return err_field(dr->e, ERR_BAD_BASE, field,
	                 "%s %" PRId64 " lies above the log's end, %" PRId64, field, base_seq,
	                 dr->s->seq);
}

bool base_stale(const struct section *sec, int64_t base_seq)
{
	return sec && base_seq != EVENT_ABSENT && base_seq < sec->version;
}

const struct change *base_changes(const struct section *sec, int64_t base_seq, size_t *len)
{
	size_t i = sec->changes_len;

	/* From the newest back: bases are nearly always only a few changes old. */
	while (i > sec->changes_at && sec->changes[i - 1].seq > base_seq)
		i--;
	*len = sec->changes_len - i;
	return *len ? &sec->changes[i] : NULL;
}

static int too_old(struct decider *dr, const struct section *sec, int64_t base_seq)
{
	return err_field(dr->e, ERR_BASE_TOO_OLD, "base_seq",
	                 "base_seq %" PRId64 " is more than %" PRId64 " changes of section %s old",
	                 base_seq, dr->env->limits->base_changes, sec->section_id);
}

int base_reach(struct decider *dr, const struct section *sec, int64_t base_seq)
{
	size_t max = (size_t)dr->env->limits->base_changes;
	size_t len = 0;

	if (base_seq < dr->s->floor)
		return err_field(dr->e, ERR_BASE_TOO_OLD, "base_seq",
		                 "base_seq %" PRId64 " lies below the log's floor, %" PRId64,
		                 base_seq, dr->s->floor);
	(void)base_changes(sec, base_seq, &len);
	if (len > max)
		return too_old(dr, sec, base_seq);
	if (section_history_covers(sec, base_seq))
		return 0;
	/* The change that is missing is one more than those at hand. */
	if (len >= max)
		return too_old(dr, sec, base_seq);
	return DECIDE_HISTORY;
}

static void map_anchor(const struct op *op, struct anchor *a, bool *gone)
{
	size_t from = (size_t)a->from;
	size_t to = (size_t)a->to;

	if (from < to && op_deletes_range(op, from, to))
		*gone = true;
	a->from = (int64_t)op_map_position(op, from, true);
	a->to = (int64_t)op_map_position(op, to, false);
	/* At an empty anchor the two meet what is inserted there from both sides. */
	if (a->to < a->from)
		a->to = a->from;
}

/* Where whole texts came in between, what matters is how the last differs from the first. */
static int map_by_texts(struct decider *dr, const struct section *sec, struct anchor *a, bool *gone)
{
	struct buf base = {0};
	struct op op = {0};
	int rc = 0;

	buf_init(&base, SIZE_MAX / 2);
	op_init(&op, sec->content_len);
	rc = section_text_at(sec, a->base_seq, &base);
	if (!rc)
		rc = diff(base.p, base.len, sec->content, sec->content_len, &op);
	if (!rc)
		map_anchor(&op, a, gone);
	op_release(&op);
	buf_release(&base);
	return rc ? err_set(dr->e, rc, NULL) : 0;
}

int base_map_anchor(struct decider *dr, const struct section *sec, struct anchor *a, bool *gone)
{
	size_t len = 0;
	const struct change *ch = base_changes(sec, a->base_seq, &len);

	*gone = false;
	for (size_t i = 0; i < len; i++)
		if (ch[i].kind == CHANGE_REPLACE)
			return map_by_texts(dr, sec, a, gone);
	for (size_t i = 0; i < len; i++)
		if (ch[i].kind == CHANGE_EDIT)
			map_anchor(&ch[i].op, a, gone);
	return 0;
}
