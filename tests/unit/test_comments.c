/* The fold of comments: threads, tombstones, what was carried over. */
#include "session_test.h"

static void test_threads(void)
{
	static const char *const mentions[] = {"bob", "eve"};
	struct session s;
	struct event ev;
	struct comment *root = NULL, *reply = NULL;

	begin(&s, 16, 0);
	ev = section_event(&s, EVENT_COMMENT_ADDED, "nowhere");
	ev.comment_id = "c1";
	ev.text = "look";
	ev.text_len = 4;
	ev.mentions = mentions;
	ev.mentions_len = 2;
	ok(fold(&s, &ev) == 0 && fold_comment(&s, "c2", "c1", "nowhere", -1, -1) == 0 &&
	           fold_comment(&s, "c3", "c2", "nowhere", -1, -1) == 0,
	   "comments: a thread; its section need not exist");
	root = session_comment(&s, "c1");
	reply = session_comment(&s, "c3");
	is_str(reply->parent_comment_id, "c1", "comments: a reply to a reply joins the thread");
	ok(root->replies == 2 && s.comments_open == 1 && s.comments_total == 3,
	   "comments: one thread of three");
	ok(session_thread(&s, reply) == root && session_thread(&s, root) == root,
	   "comments: all have one root");
	ok(json_array_size(root->mentions) == 2 && root->anchor.from == EVENT_ABSENT &&
	           root->created_ms == 3000 && s.bytes == 4 + 2 + 6 + 6 + 4 + 4,
	   "comments: mentions, no anchor, what they count");
	ev = next_event(&s, EVENT_COMMENT_EDITED);
	ev.comment_id = "c1";
	ev.text = "look here";
	ev.text_len = 9;
	ok(fold(&s, &ev) == 0 && root->edited_ms == 6000 && json_array_size(root->mentions) == 2,
	   "comments: edited; the mentions stay");
	ev.seq++;
	ev.mentions = mentions;
	ok(fold(&s, &ev) == 0 && !root->mentions && s.bytes == 9 + 4 + 4,
	   "comments: no mentions are told");
	ok(fold_about(&s, EVENT_COMMENT_RESOLVED, "c3") == 0 && root->resolved && !reply->resolved,
	   "comments: a reply resolves its thread");
	is_str(root->resolved_by, "ann", "comments: by whom");
	is_int(s.comments_open, 0, "comments: none is open");
	ok(fold_about(&s, EVENT_COMMENT_RESOLVED, "c1") == 0 && s.comments_open == 0,
	   "comments: resolved twice is resolved once");
	ok(fold_about(&s, EVENT_COMMENT_REOPENED, "c1") == 0 && !root->resolved &&
	           !root->resolved_by && s.comments_open == 1,
	   "comments: reopened");
	session_release(&s);
}

static void test_deleted(void)
{
	struct session s;
	const struct comment *root = NULL;
	const char *last = NULL;

	begin(&s, 16, 0);
	if (fold_comment(&s, "c1", NULL, "a", -1, -1) ||
	    fold_comment(&s, "c2", "c1", "a", -1, -1) || fold_comment(&s, "c3", "c2", "a", -1, -1))
		abort();
	root = session_comment(&s, "c1");
	ok(fold_about(&s, EVENT_COMMENT_DELETED, "c1") == 0 && root->deleted &&
	           root->text_len == 0 && *root->text == '\0' && s.comments_open == 0,
	   "comments: a root with replies leaves a tombstone");
	ok(s.comments.len == 3 && s.bytes == 8, "comments: which counts nothing");
	ok(fold_comment(&s, "c4", "c1", "a", -1, -1) == 0 && root->replies == 3,
	   "comments: a deleted thread can be replied to");
	ok(fold_about(&s, EVENT_COMMENT_DELETED, "c2") == 0 &&
	           fold_about(&s, EVENT_COMMENT_DELETED, "c4") == 0 && root->replies == 1 &&
	           !session_comment(&s, "c2"),
	   "comments: replies are gone");
	last = session_comment(&s, "c3")->comment_id;
	ok(fold_about(&s, EVENT_COMMENT_DELETED, last) == 0 && s.comments.len == 0 && s.bytes == 0,
	   "comments: and with the last of them the tombstone");
	is_str(last, "c3", "comments: what the event was lent is still there");
	ok(fold_comment(&s, "c5", NULL, "a", -1, -1) == 0 && s.comments_open == 1 &&
	           fold_about(&s, EVENT_COMMENT_DELETED, "c5") == 0 && s.comments_open == 0 &&
	           s.comments.len == 0,
	   "comments: a root without replies is just gone");
	session_release(&s);
}

static void test_carried(void)
{
	struct session s;
	struct event ev;

	begin(&s, 16, 0);
	ev = section_event(&s, EVENT_COMMENT_ADDED, "a");
	ev.comment_id = "c9";
	ev.text = "";
	ev.carried = true;
	ev.by = "ann";
	ev.comment_user_id = "zoe";
	ev.comment_user_name = "Zoe";
	ev.comment_created_ms = 7;
	ok(fold(&s, &ev) == 0 && s.comments_total == 0 &&
	           session_comment(&s, "c9")->created_ms == 7,
	   "comments: a carried one does not count");
	is_str(session_comment(&s, "c9")->user_name, "Zoe", "comments: and keeps its author");
	session_release(&s);
}

/* What no fold makes is refused where a snapshot is read. */
static void test_snapshot(void)
{
	static char id[] = "c", section_id[] = "a", text[] = "x";
	static const struct {
		struct anchor anchor;
		bool orphaned;
		int64_t lost_at, lost_before, lost_chars;
	} rows[] = {
		{{-2, 1, -1}, false, 0, 0, 0},        {{2, 1, -1}, false, 0, 0, 0},
		{{0, INT64_MAX, -1}, false, 0, 0, 0}, {{0, 1, -1}, true, 0, 0, 1},
		{{1, 1, -1}, true, -1, 0, 1},         {{1, 1, -1}, true, 0, INT64_MAX, 1},
		{{1, 1, -1}, true, 0, 0, -2},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct comment c = {.comment_id = id,
		                    .section_id = section_id,
		                    .text = text,
		                    .text_len = 1,
		                    .anchor = rows[i].anchor,
		                    .orphaned = rows[i].orphaned,
		                    .lost_at = rows[i].lost_at,
		                    .lost_before = rows[i].lost_before,
		                    .lost_chars = rows[i].lost_chars};
		struct session s;
		struct err e = {0};

		begin(&s, 16, 0);
		is_int(session_add_comment(&s, &c, &e), ERR_CORRUPT, "comments: no valid anchor");
		session_release(&s);
	}
}

int main(void)
{
	test_snapshot();
	test_threads();
	test_deleted();
	test_carried();
	return done();
}
