/* Comments: threads of one level, under a root that stands for all of it. */
#include <string.h>

#include "base/utf8.h"
#include "core/decide_int.h"
#include "core/patch.h"

/* The comment the command names. */
static int find_comment(struct decider *dr, const char *comment_id, const struct comment **out)
{
	*out = session_comment(dr->s, comment_id);
	if (*out)
		return 0;
	return err_set(dr->e, ERR_NO_COMMENT, "there is no comment %s", comment_id);
}

static int refuse_deleted(struct decider *dr, const struct comment *cm)
{
	return err_set(dr->e, ERR_COMMENT_DELETED, "the comment %s was deleted", cm->comment_id);
}

static int check_text(struct decider *dr)
{
	const struct command *c = dr->c;

	/* Counted only when it could be too long: a code point has at least a byte. */
	if (c->text_len == 0 || (c->text_len > COMMENT_CHARS_MAX &&
	                         utf8_chars(c->text, c->text_len) > COMMENT_CHARS_MAX))
		return err_field(dr->e, ERR_BAD_FIELD, "content",
		                 "a comment has 1 to %d characters", COMMENT_CHARS_MAX);
	if (c->mentions_len > MENTIONS_MAX)
		return err_field(dr->e, ERR_BAD_FIELD, "mentions",
		                 "a comment mentions at most %d users", MENTIONS_MAX);
	return 0;
}

void orphan_anchor(struct anchor *a, const struct section *sec)
{
	if (sec)
		a->to = (int64_t)sec->content_chars + 1;
}

/* The thread that a reply joins, whatever comment of it it answers; NULL for a new thread. */
static int find_thread(struct decider *dr, const struct comment **root)
{
	const struct command *c = dr->c;
	const struct comment *parent = NULL;
	int rc = 0;

	*root = NULL;
	if (!c->parent_comment_id)
		return 0;
	rc = find_comment(dr, c->parent_comment_id, &parent);
	if (rc)
		return rc;
	*root = session_thread(dr->s, parent);
	if (strcmp((*root)->section_id, c->section_id) != 0)
		return err_field(dr->e, ERR_BAD_FIELD, "section_id",
		                 "the thread belongs to section %s", (*root)->section_id);
	return 0;
}

/*
 * The anchor as it lies in the text now.  It was made from the text at its base, or, when it says
 * none, from the text as it is.  Where there is no text the fold makes it an orphan.
 */
static int place_anchor(struct decider *dr, struct anchor *out)
{
	const struct anchor *a = &dr->c->anchor;
	const struct section *sec = session_section(dr->s, dr->c->section_id);
	bool stale = base_stale(sec, a->base_seq);
	bool gone = false;
	size_t chars = 0;
	int rc = 0;

	*out = *a;
	if (a->from == EVENT_ABSENT)
		return 0;
	rc = base_check(dr, a->base_seq, "anchor.base_seq");
	if (!rc && stale)
		rc = base_reach(dr, sec, a->base_seq);
	if (rc)
		return rc;
	if (sec)
		chars = stale ? section_chars_at(sec, a->base_seq) : sec->content_chars;
	if (a->from < 0 || a->to < a->from || (sec && (uint64_t)a->to > chars))
		return err_field(dr->e, ERR_BAD_FIELD, "anchor",
		                 "the anchor reaches beyond the text, which has %zu characters",
		                 chars);
	if (stale)
		rc = base_map_anchor(dr, sec, out, &gone);
	if (gone)
		orphan_anchor(out, sec);
	out->base_seq = dr->s->seq;
	return rc;
}

int rule_comment_add(struct decider *dr)
{
	const struct command *c = dr->c;
	const char *comment_id = c->comment_id ? c->comment_id : dr->env->new_id;
	const struct comment *root = NULL;
	struct anchor anchor;
	struct event *ev = NULL;
	int rc = check_text(dr);

	if (!rc)
		rc = find_thread(dr, &root);
	if (!rc && session_comment(dr->s, comment_id))
		rc = err_field(dr->e, ERR_COMMENT_EXISTS, "comment_id", "the comment %s exists",
		               comment_id);
	if (!rc)
		rc = place_anchor(dr, &anchor);
	if (!rc)
		rc = size_of_comment(dr, NULL,
		                     comment_size(c->text_len, c->mentions, c->mentions_len));
	if (rc)
		return rc;
	ev = decider_answer(dr, EVENT_COMMENT_ADDED);
	if (!ev)
		return ERR_NOMEM;
	ev->section_id = c->section_id;
	ev->comment_id = comment_id;
	ev->parent_comment_id = root ? root->comment_id : NULL;
	ev->text = c->text;
	ev->text_len = c->text_len;
	ev->mentions = c->mentions_len > 0 ? c->mentions : NULL;
	ev->mentions_len = c->mentions_len;
	ev->anchor = anchor;
	ev->comment_user_id = ev->user_id;
	ev->comment_user_name = ev->user_name;
	ev->comment_created_ms = ev->time_ms;
	return 0;
}

/* Only its author, and administrators. */
static int check_author(struct decider *dr, const struct comment *cm)
{
	if (!dr->actor || dr->actor->admin || decider_is_actor(dr, cm->user_id))
		return 0;
	dr->d->role = dr->role;
	return err_set(dr->e, ERR_FORBIDDEN, "only its author, %s, may edit the comment",
	               cm->user_id);
}

int rule_comment_edit(struct decider *dr)
{
	const struct command *c = dr->c;
	const struct comment *cm = NULL;
	struct event *ev = NULL;
	size_t bytes = 0;
	int rc = check_text(dr);

	if (!rc)
		rc = find_comment(dr, c->comment_id, &cm);
	if (!rc)
		rc = check_author(dr, cm);
	if (!rc && cm->deleted)
		rc = refuse_deleted(dr, cm);
	if (rc)
		return rc;
	if (!c->mentions && cm->text_len == c->text_len &&
	    memcmp(cm->text, c->text, c->text_len) == 0)
		return decider_unchanged(dr);
	bytes = comment_size(c->text_len, c->mentions, c->mentions_len);
	/* Mentions that are not given stay as they are. */
	if (!c->mentions)
		bytes += json_bytes(cm->mentions);
	rc = size_of_comment(dr, cm, bytes);
	if (rc)
		return rc;
	ev = decider_answer(dr, EVENT_COMMENT_EDITED);
	if (!ev)
		return ERR_NOMEM;
	ev->comment_id = cm->comment_id;
	ev->text = c->text;
	ev->text_len = c->text_len;
	ev->mentions = c->mentions;
	ev->mentions_len = c->mentions_len;
	return 0;
}

/* Its root stands for a thread; who may only comment may settle only a thread of their own. */
static int settle(struct decider *dr, bool resolved, enum event_kind kind)
{
	const struct comment *cm = NULL, *root = NULL;
	struct event *ev = NULL;
	int rc = find_comment(dr, dr->c->comment_id, &cm);

	if (rc)
		return rc;
	root = session_thread(dr->s, cm);
	if (!decider_is_actor(dr, root->user_id))
		rc = decider_needs(dr, ROLE_EDITOR);
	if (!rc && (cm->deleted || root->deleted))
		rc = refuse_deleted(dr, cm->deleted ? cm : root);
	if (rc)
		return rc;
	if (root->resolved == resolved)
		return decider_unchanged(dr);
	ev = decider_answer(dr, kind);
	if (!ev)
		return ERR_NOMEM;
	ev->comment_id = root->comment_id;
	return 0;
}

int rule_comment_resolve(struct decider *dr)
{
	return settle(dr, true, EVENT_COMMENT_RESOLVED);
}

int rule_comment_reopen(struct decider *dr)
{
	return settle(dr, false, EVENT_COMMENT_REOPENED);
}

int rule_comment_delete(struct decider *dr)
{
	const struct comment *cm = NULL;
	struct event *ev = NULL;
	int rc = find_comment(dr, dr->c->comment_id, &cm);

	if (!rc && !decider_is_actor(dr, cm->user_id))
		rc = decider_needs(dr, ROLE_OWNER);
	if (rc)
		return rc;
	if (cm->deleted)
		return decider_unchanged(dr);
	ev = decider_answer(dr, EVENT_COMMENT_DELETED);
	if (!ev)
		return ERR_NOMEM;
	ev->comment_id = cm->comment_id;
	return 0;
}
