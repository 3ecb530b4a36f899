/*
 * Whether a message means the same when it is read without a tree of its values: for the unit test
 * and the fuzzer of messages.
 */
#ifndef TESTS_UNIT_MESSAGE_SAME_H
#define TESTS_UNIT_MESSAGE_SAME_H

#include <string.h>

#include "proto/message_read.h"

static inline bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static inline bool same_said_changes(const struct changes *a, const struct changes *b)
{
	if (!a->content != !b->content || !a->delta != !b->delta)
		return false;
	if (a->content && (a->content_len != b->content_len ||
	                   memcmp(a->content, b->content, a->content_len) != 0))
		return false;
	if (a->delta && !op_equal(a->delta, b->delta))
		return false;
	/* What needs a tree is never read without one. */
	return !a->content_json && !a->keys && !b->content_json && !b->keys;
}

/* Every member of the struct. */
static inline bool same_command(const struct command *a, const struct command *b)
{
	return a->kind == b->kind && same_text(a->ref, b->ref) &&
	       same_text(a->section_id, b->section_id) &&
	       same_said_changes(&a->changes, &b->changes) && a->base_seq == b->base_seq &&
	       a->base_assumed == b->base_assumed && a->if_version == b->if_version &&
	       a->fence == b->fence && a->ttl_seconds == b->ttl_seconds && a->force == b->force &&
	       same_text(a->comment_id, b->comment_id) &&
	       same_text(a->parent_comment_id, b->parent_comment_id) &&
	       same_text(a->text, b->text) && a->text_len == b->text_len &&
	       a->mentions_len == b->mentions_len && !a->mentions && !b->mentions &&
	       memcmp(&a->anchor, &b->anchor, sizeof a->anchor) == 0 &&
	       same_text(a->conflict_id, b->conflict_id) && a->resolution == b->resolution &&
	       a->position == b->position &&
	       memcmp(a->selection, b->selection, sizeof a->selection) == 0 &&
	       same_text(a->user_id, b->user_id) && same_text(a->user_name, b->user_name) &&
	       same_text(a->user_email, b->user_email) && a->role == b->role &&
	       same_text(a->reason, b->reason) && same_text(a->token, b->token);
}

enum quick_result { QUICK_GAVE_UP, QUICK_SAME, QUICK_WRONG };

/* What became of it without a tree, beside what it is with one. */
static inline enum quick_result quick_try(const char *bytes, size_t len,
                                          const struct limits *limits)
{
	struct message quick = {0}, tree;
	enum quick_result result = QUICK_GAVE_UP;
	struct err e = {0};

	if (message_quick(bytes, len, limits, &quick)) {
		int rc = message_parse_tree(bytes, len, limits, &tree, &e);

		/* The ref and its digest are put into the command later. */
		tree.command.ref = NULL;
		result = rc == 0 && strcmp(quick.ref, tree.ref) == 0 &&
		                         same_command(&quick.command, &tree.command)
		                 ? QUICK_SAME
		                 : QUICK_WRONG;
		message_release(&tree);
	}
	message_release(&quick);
	return result;
}

#endif
