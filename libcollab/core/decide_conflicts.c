/*
 * Conflicts: under the strategy manual a stale change is not applied but proposed, and people
 * settle it.
 *
 * A proposed edit is kept as the text it makes, not as an operation: a conflict may stay open for
 * longer than the history that the operation was made from.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/decide_int.h"
#include "core/patch.h"

/* The text that the proposed operation makes of the text at its base. */
static int proposed_text(struct decider *dr, const struct section *sec, int64_t base_seq,
                         struct changes *out)
{
	const struct op *delta = dr->c->changes.delta;
	struct buf base = {0}, text = {0};
	int rc = op_check(delta, section_chars_at(sec, base_seq), dr->e);

	if (rc)
		return rc;
	buf_init(&base, SIZE_MAX);
	buf_init(&text, SIZE_MAX);
	rc = section_text_at(sec, base_seq, &base);
	if (!rc)
		rc = op_apply(delta, base.p, base.len, &text);
	if (!rc) {
		buf_puts(&text, ""); /* an empty text is still one */
		rc = buf_error(&text);
	}
	if (!rc) {
		out->delta = NULL;
		out->content_len = text.len;
		out->content = decider_own(dr, buf_take(&text));
		rc = out->content ? 0 : ERR_NOMEM;
	}
	buf_release(&base);
	buf_release(&text);
	return rc ? err_set(dr->e, rc, NULL) : 0;
}

/* Who changed the section since, each once, in order. */
static int conflicting_users(struct decider *dr, const struct section *sec, int64_t base_seq,
                             struct event *ev)
{
	size_t len = 0, n = 0, k = 0;
	const struct change *ch = base_changes(sec, base_seq, &len);
	const char **users = len ? decider_own(dr, malloc(len * sizeof *users)) : NULL;

	if (len && !users)
		return ERR_NOMEM;
	for (size_t i = 0; i < len; i++) {
		for (k = 0; ch[i].user_id && k < n; k++)
			if (strcmp(users[k], ch[i].user_id) == 0)
				break;
		if (ch[i].user_id && k == n)
			users[n++] = ch[i].user_id;
	}
	ev->users = users;
	ev->users_len = n;
	return 0;
}

int conflict_propose(struct decider *dr, const struct section *sec, int64_t base_seq)
{
	struct changes proposed = dr->c->changes;
	struct event *ev = NULL;
	int rc = 0;

	if (proposed.delta && sec->content_json)
		return err_field(dr->e, ERR_BAD_DELTA, "delta",
		                 "the content of section %s is not text", sec->section_id);
	if (proposed.delta)
		rc = proposed_text(dr, sec, base_seq, &proposed);
	if (!rc)
		rc = size_of_proposal(dr, sec, &proposed);
	if (rc)
		return rc;
	ev = decider_answer(dr, EVENT_CONFLICT_DETECTED);
	if (!ev)
		return ERR_NOMEM;
	ev->conflict_id = dr->env->new_id;
	ev->section_id = sec->section_id;
	ev->base_seq = base_seq;
	ev->current_seq = sec->version;
	ev->changes = proposed;
	return conflicting_users(dr, sec, base_seq, ev);
}

/* The changes that were proposed, as the state keeps them. */
static int kept_proposal(struct decider *dr, const struct conflict *k, struct changes *out)
{
	const json_t *content = json_object_get(k->proposed, "content");
	json_t *keys = NULL;

	/* Only the log of another implementation could hold one: see the top of this file. */
	if (json_object_get(k->proposed, "delta"))
		return err_set(dr->e, ERR_BAD_DELTA,
		               "the proposal is an operation on an old text: settle it as merged");
	if (!decider_value(dr, json_incref(k->proposed)))
		return ERR_NOMEM;
	out->content = json_string_value(content);
	out->content_len = json_string_length(content);
	out->content_json = out->content ? NULL : content;
	keys = decider_value(dr, json_copy(k->proposed));
	if (!keys)
		return ERR_NOMEM;
	(void)json_object_del(keys, "content"); /* it may have none */
	out->keys = json_object_size(keys) ? keys : NULL;
	return 0;
}

/* A conflict is settled about the section its people saw: as it was then, or as base_seq says. */
static int check_moved(struct decider *dr, const struct conflict *k, const struct section *sec)
{
	int64_t version = sec ? sec->version : 0;
	int rc = base_check(dr, dr->c->base_seq, "base_seq");

	if (rc || version == k->current_seq)
		return rc;
	if (dr->c->base_seq != EVENT_ABSENT && dr->c->base_seq >= version)
		return 0;
	return version_mismatch(dr, sec);
}

/* What the section becomes; nothing for RESOLUTION_CURRENT. */
static int resolved_changes(struct decider *dr, const struct conflict *k, const struct section *sec,
                            struct changes *out)
{
	int rc = 0;

	if (dr->c->resolution == RESOLUTION_CURRENT)
		return 0;
	rc = lock_check(dr, k->section_id);
	dr->bytes -= json_bytes(k->proposed); /* the state keeps it no longer */
	if (!rc && dr->c->resolution == RESOLUTION_PROPOSED)
		rc = kept_proposal(dr, k, out);
	if (!rc && dr->c->resolution == RESOLUTION_MERGED)
		*out = (struct changes){.content = dr->c->changes.content,
		                        .content_len = dr->c->changes.content_len,
		                        .content_json = dr->c->changes.content_json};
	return rc ? rc : size_of_change(dr, sec, k->section_id, out);
}

int rule_conflict_resolve(struct decider *dr)
{
	const struct command *c = dr->c;
	const struct conflict *k = session_conflict(dr->s, c->conflict_id);
	const struct section *sec = NULL;
	struct changes changes = {0};
	struct event *ev = NULL;
	int rc = 0;

	if (c->resolution == RESOLUTION_MERGED && !c->changes.content && !c->changes.content_json)
		return err_field(dr->e, ERR_MISSING_FIELD, "content",
		                 "the resolution merged needs the merged content");
	if (!k)
		return err_set(dr->e, ERR_NO_CONFLICT, "there is no conflict %s", c->conflict_id);
	if (k->resolution)
		return err_set(dr->e, ERR_CONFLICT_CLOSED, "the conflict was resolved as %s",
		               k->resolution);
	sec = session_section(dr->s, k->section_id);
	rc = check_moved(dr, k, sec);
	if (!rc)
		rc = resolved_changes(dr, k, sec, &changes);
	if (rc)
		return rc;
	ev = decider_answer(dr, EVENT_CONFLICT_RESOLVED);
	if (!ev)
		return ERR_NOMEM;
	ev->conflict_id = k->conflict_id;
	ev->section_id = k->section_id;
	ev->resolution = c->resolution;
	ev->changes = changes;
	if (c->resolution != RESOLUTION_CURRENT)
		ev->version = ev->seq;
	else if (sec)
		ev->version = sec->version;
	return 0;
}
