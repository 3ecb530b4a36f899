/* The fold of comments: threads of a root and its replies. */
#include <stdlib.h>
#include <string.h>

#include "core/session_int.h"

/* Take the comment out of what is counted, before it changes; put it back afterwards. */
static void uncount(struct session *s, const struct comment *c)
{
	s->bytes -= comment_bytes(c);
	s->comments_open -= thread_open(c);
}

static void count(struct session *s, const struct comment *c)
{
	s->bytes += comment_bytes(c);
	s->comments_open += thread_open(c);
}

/* The comment that the event is about, which must be there and not deleted. */
static int find_comment(struct session *s, const struct event *ev, struct comment **c,
                        struct err *e)
{
	*c = session_comment(s, ev->comment_id);
	if (*c && !(*c)->deleted)
		return 0;
	return err_set(e, ERR_CORRUPT, "there is no comment %s", ev->comment_id);
}

/* The root of the thread that the event's comment, deleted or not, is in. */
static int find_thread(struct session *s, const struct event *ev, struct comment **root,
                       struct err *e)
{
	const struct comment *c = session_comment(s, ev->comment_id);

	*root = c ? session_thread(s, c) : NULL;
	return *root ? 0 : err_set(e, ERR_CORRUPT, "there is no comment %s", ev->comment_id);
}

/* *mentions = the event's; NULL when it has none.  0 or ERR_NOMEM. */
static int take_mentions(const struct event *ev, json_t **mentions)
{
	*mentions = NULL;
	if (ev->mentions_len == 0)
		return 0;
	*mentions = json_array();
	for (size_t i = 0; i < ev->mentions_len; i++) {
		if (json_array_append_new(*mentions, json_string_nocheck(ev->mentions[i]))) {
			json_decref(*mentions);
			*mentions = NULL;
			return ERR_NOMEM;
		}
	}
	return 0;
}

/*
 * The anchor of a new comment.  One that does not fit the section's text, or whose section does not
 * exist, was never anchored to anything: it is orphaned from the start.
 */
static void take_anchor(const struct session *s, const struct event *ev, struct comment *c)
{
	const struct section *sec = session_section(s, ev->section_id);
	int64_t chars = sec ? (int64_t)sec->content_chars : 0;

	c->anchor = ev->anchor;
	if (ev->anchor.from < 0) {
		c->anchor.from = c->anchor.to = EVENT_ABSENT;
		return;
	}
	if (sec && ev->anchor.from <= ev->anchor.to && ev->anchor.to <= chars)
		return;
	c->orphaned = true;
	c->lost_chars = EVENT_ABSENT;
	if (c->anchor.from > chars)
		c->anchor.from = chars;
	c->anchor.to = c->anchor.from;
}

int fold_comment_added(struct session *s, const struct event *ev, struct err *e)
{
	bool own = ev->comment_user_id != NULL;
	struct comment c = {
		.comment_id = lent(ev->comment_id),
		.parent_comment_id = lent(ev->parent_comment_id),
		.section_id = lent(ev->section_id),
		.user_id = lent(own ? ev->comment_user_id : ev->user_id),
		.user_name = lent(own ? ev->comment_user_name : ev->user_name),
		.text = lent(ev->text),
		.text_len = ev->text_len,
		.created_ms = ev->comment_created_ms >= 0 ? ev->comment_created_ms : ev->time_ms,
	};
	int rc = take_mentions(ev, &c.mentions);

	if (rc)
		return rc;
	take_anchor(s, ev, &c);
	rc = session_add_comment(s, &c, e);
	json_decref(c.mentions);
	if (!rc && !ev->carried)
		s->comments_total++;
	return rc;
}

static int set_text(struct comment *c, const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return ERR_NOMEM;
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	free(c->text);
	c->text = copy;
	c->text_len = len;
	return 0;
}

int fold_comment_edited(struct session *s, const struct event *ev, struct err *e)
{
	struct comment *c = NULL;
	json_t *mentions = NULL;
	int rc = find_comment(s, ev, &c, e);

	if (!rc)
		rc = take_mentions(ev, &mentions);
	if (rc)
		return rc;
	uncount(s, c);
	if (ev->mentions) {
		json_decref(c->mentions);
		c->mentions = mentions;
	}
	rc = set_text(c, ev->text, ev->text_len);
	c->edited_ms = ev->time_ms;
	count(s, c);
	return rc;
}

int fold_comment_resolved(struct session *s, const struct event *ev, struct err *e)
{
	struct comment *root = NULL;
	int rc = find_thread(s, ev, &root, e);

	if (rc)
		return rc;
	uncount(s, root);
	root->resolved = true;
	root->resolved_ms = ev->time_ms;
	count(s, root);
	return session_set_string(&root->resolved_by, ev->user_id);
}

int fold_comment_reopened(struct session *s, const struct event *ev, struct err *e)
{
	struct comment *root = NULL;
	int rc = find_thread(s, ev, &root, e);

	if (rc)
		return rc;
	uncount(s, root);
	root->resolved = false;
	root->resolved_ms = 0;
	count(s, root);
	return session_set_string(&root->resolved_by, NULL);
}

static void remove_comment(struct session *s, struct comment *c)
{
	uncount(s, c);
	anchor_unlink(s, c);
	s->removed.comments[s->removed.comments[0] ? 1 : 0] =
		map_remove(&s->comments, c->comment_id);
}

/* A root that has replies leaves a tombstone, which goes with the last of them. */
int fold_comment_deleted(struct session *s, const struct event *ev, struct err *e)
{
	struct comment *c = NULL;
	struct comment *root = NULL;
	int rc = find_comment(s, ev, &c, e);

	if (rc)
		return rc;
	if (c->replies > 0) {
		uncount(s, c);
		c->deleted = true;
		json_decref(c->mentions);
		c->mentions = NULL;
		rc = set_text(c, "", 0);
		count(s, c);
		return rc;
	}
	root = c->parent_comment_id ? session_thread(s, c) : NULL;
	remove_comment(s, c);
	if (!root)
		return 0;
	root->replies--;
	if (root->deleted && root->replies == 0)
		remove_comment(s, root);
	return 0;
}
