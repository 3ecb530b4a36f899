/*
 * Changes of sections under the three strategies.
 *
 * last_write_wins: what comes last replaces what is there, and the event says what it replaced.
 * merge: text is edited by operations, transformed over what others did meanwhile; a text that
 * comes as a whole is stored as what it changes, so that anchors and others' pending edits survive.
 * manual: a stale change becomes a conflict (decide_conflicts.c).
 * A delta is transformed under the first two alike.
 */
#include <stdlib.h>
#include <string.h>

#include "core/decide_int.h"
#include "core/diff.h"

/* The change asked for, and what it meets. */
struct update {
	const struct section *sec; /* NULL: new */
	int64_t base_seq;          /* EVENT_ABSENT: none */
	bool stale;                /* the section changed since */
	struct changes result;     /* what is stored */
};

/* Whether nothing would change; a new section is a change even when it is empty. */
static bool is_nothing(const struct update *u)
{
	const struct changes *ch = &u->result;

	if (!u->sec || json_object_size(ch->keys) > 0 || ch->content || ch->content_json)
		return false;
	return !ch->delta || op_is_noop(ch->delta);
}

/* One change of a section at a time: its base must know the connection's last one. */
static int check_await_ack(struct decider *dr, int64_t base_seq)
{
	if (!dr->actor || base_seq >= dr->actor->own_seq_of_section)
		return 0;
	return err_field(dr->e, ERR_AWAIT_ACK, "base_seq",
	                 "base_seq lies before this connection's last change of section %s",
	                 dr->c->section_id);
}

/* What the change was made from: base_seq, or the version that if_version has just confirmed. */
static int find_base(struct decider *dr, struct update *u)
{
	const struct command *c = dr->c;
	bool last_write_wins = dr->s->settings.strategy == STRATEGY_LAST_WRITE_WINS;
	int rc = 0;

	u->base_seq = c->base_seq;
	if (c->base_seq == EVENT_ABSENT) {
		if (c->changes.delta)
			return err_field(dr->e, ERR_BASE_REQUIRED, "base_seq",
			                 "a delta needs base_seq");
		u->base_seq = c->if_version;
		if (u->sec && c->if_version == EVENT_ABSENT && !last_write_wins)
			return err_field(dr->e, ERR_BASE_REQUIRED, "base_seq",
			                 "the strategy %s needs base_seq or If-Match",
			                 strategy_name(dr->s->settings.strategy));
		return 0;
	}
	rc = base_check(dr, c->base_seq, "base_seq");
	if (!rc && !last_write_wins)
		rc = check_await_ack(dr, c->base_seq);
	if (rc)
		return rc;
	u->stale = base_stale(u->sec, u->base_seq);
	return u->stale ? base_reach(dr, u->sec, u->base_seq) : 0;
}

/* *out = the operation that a whole text amounts to, made from the text at its base. */
static int text_to_op(struct decider *dr, const struct update *u, struct op *out)
{
	const struct changes *ch = &dr->c->changes;
	struct buf base = {0};
	int rc = 0;

	if (!u->stale)
		return diff(u->sec->content, u->sec->content_len, ch->content, ch->content_len,
		            out);
	buf_init(&base, SIZE_MAX);
	rc = section_text_at(u->sec, u->base_seq, &base);
	if (!rc)
		rc = diff(base.p ? base.p : "", base.len, ch->content, ch->content_len, out);
	buf_release(&base);
	return rc;
}

/* A whole text under merge, stored as the edit it is. */
static int merge_text(struct decider *dr, struct update *u)
{
	size_t len = dr->c->changes.content_len;
	struct op op = {0};
	struct op *out = decider_op(dr, len);
	int rc = out ? 0 : ERR_NOMEM;

	if (rc)
		return rc;
	if (!u->stale) {
		rc = text_to_op(dr, u, out);
	} else {
		op_init(&op, len);
		rc = text_to_op(dr, u, &op);
		if (!rc)
			rc = section_transform(u->sec, &op, u->base_seq, out, dr->e);
		op_release(&op);
	}
	u->result.content = NULL;
	u->result.content_len = 0;
	u->result.delta = out;
	return rc ? err_set(dr->e, rc, NULL) : 0;
}

static int edit_text(struct decider *dr, struct update *u)
{
	const struct op *delta = dr->c->changes.delta;
	struct op *out = NULL;

	if (!u->sec && op_chars_read(delta) > 0)
		return err_set(dr->e, ERR_NO_SECTION, "section %s does not exist: nothing to edit",
		               dr->c->section_id);
	if (u->sec && u->sec->content_json)
		return err_field(dr->e, ERR_BAD_DELTA, "delta",
		                 "the content of section %s is not text", u->sec->section_id);
	if (!u->stale)
		return op_check(delta, u->sec ? u->sec->content_chars : 0, dr->e);
	out = decider_op(dr, delta->text.len);
	if (!out)
		return ERR_NOMEM;
	u->result.delta = out;
	return section_transform(u->sec, delta, u->base_seq, out, dr->e);
}

/* Whether change `ch` of somebody else is lost under this one: text by text, keys by the same. */
static bool replaces(const struct changes *by, bool text, const struct change *ch)
{
	const char *key = NULL;
	json_t *value = NULL;

	if (text && ch->kind != CHANGE_KEYS)
		return true;
	if (!by->keys || !ch->keys)
		return false;
	/* jansson iterates over const objects only through a cast; nothing is written. */
	json_object_foreach((json_t *)by->keys, key,
	                    value) if (json_object_get(ch->keys, key)) return true;
	return false;
}

/* The seqs of others' changes since the base that the stored change replaces. */
static int list_overwritten(struct decider *dr, const struct update *u, struct event *ev)
{
	bool text = u->result.content || u->result.content_json;
	const struct change *ch = NULL;
	size_t len = 0, n = 0;
	int64_t *seqs = NULL;

	if (!u->stale || (!text && !u->result.keys))
		return 0;
	ch = base_changes(u->sec, u->base_seq, &len);
	for (size_t i = 0; i < len; i++) {
		if (decider_is_actor(dr, ch[i].user_id) || !replaces(&u->result, text, &ch[i]))
			continue;
		if (!seqs)
			seqs = decider_own(dr, malloc((len - i) * sizeof *seqs));
		if (!seqs)
			return ERR_NOMEM;
		seqs[n++] = ch[i].seq;
	}
	ev->overwrote = seqs;
	ev->overwrote_len = n;
	return 0;
}

/* Store what became of the change. */
static int store(struct decider *dr, struct update *u)
{
	struct event *ev = NULL;
	int rc = size_of_change(dr, u->sec, dr->c->section_id, &u->result);

	if (rc)
		return rc;
	ev = decider_answer(dr, EVENT_SECTION_UPDATE);
	if (!ev)
		return ERR_NOMEM;
	ev->section_id = dr->c->section_id;
	ev->changes = u->result;
	ev->version = ev->seq;
	return list_overwritten(dr, u, ev);
}

int rule_section_update(struct decider *dr)
{
	const struct command *c = dr->c;
	bool merge = dr->s->settings.strategy == STRATEGY_MERGE;
	struct update u = {.sec = session_section(dr->s, c->section_id), .result = c->changes};
	int rc = version_check(dr, u.sec);

	if (!rc)
		rc = find_base(dr, &u);
	if (!rc)
		rc = lock_check(dr, c->section_id);
	if (rc)
		return rc;
	if (u.stale && dr->s->settings.strategy == STRATEGY_MANUAL && !is_nothing(&u))
		return conflict_propose(dr, u.sec, u.base_seq);
	if (c->changes.delta)
		rc = edit_text(dr, &u);
	else if (merge && c->changes.content && u.sec && u.sec->content)
		rc = merge_text(dr, &u);
	if (rc)
		return rc;
	if (is_nothing(&u))
		return decider_unchanged(dr);
	/* What the others left nothing of is not stored beside the keys. */
	if (u.sec && u.result.delta && op_is_noop(u.result.delta))
		u.result.delta = NULL;
	return store(dr, &u);
}

int rule_section_delete(struct decider *dr)
{
	const struct command *c = dr->c;
	const struct section *sec = session_section(dr->s, c->section_id);
	struct event *ev = NULL;
	int rc = 0;

	if (!sec && c->if_version != EVENT_ABSENT && c->if_version > 0)
		return version_mismatch(dr, sec);
	if (!sec)
		return err_set(dr->e, ERR_NO_SECTION, "section %s does not exist", c->section_id);
	rc = version_check(dr, sec);
	if (!rc)
		rc = base_check(dr, c->base_seq, "base_seq");
	if (!rc && dr->s->settings.strategy != STRATEGY_LAST_WRITE_WINS &&
	    base_stale(sec, c->base_seq))
		rc = version_mismatch(dr, sec);
	if (!rc)
		rc = lock_check(dr, c->section_id);
	if (rc)
		return rc;
	ev = decider_answer(dr, EVENT_SECTION_DELETED);
	if (!ev)
		return ERR_NOMEM;
	ev->section_id = c->section_id;
	return 0;
}
