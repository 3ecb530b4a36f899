/*
 * Limits of size.  What counts is told before it happens, exactly as the fold will count it
 * (core/session_build.c); nothing is built or copied for that.  What is over a limit already, since
 * the limit was lowered, may still shrink.
 */
#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"
#include "core/decide_int.h"
#include "core/patch.h"

/* What the JSON Merge Patch makes of the value (NULL: of none), as json_bytes() would count it. */
static size_t patched_bytes(const json_t *value, const json_t *patch);

/* The same for the members of an object alone. */
static size_t patched_member_bytes(const json_t *object, const json_t *patch)
{
	const char *key = NULL;
	json_t *member = NULL;
	size_t bytes = 0;

	/* The macro wants pointers that are not const; both are only read. */
	json_object_foreach((json_t *)object, key, member)
	{
		if (!json_object_get(patch, key))
			bytes += json_member_bytes(key, member);
	}
	json_object_foreach((json_t *)patch, key, member)
	{
		if (!json_is_null(member))
			bytes += json_member_bytes(key, member) - json_bytes(member) +
			         patched_bytes(json_object_get(object, key), member);
	}
	return bytes;
}

static size_t patched_bytes(const json_t *value, const json_t *patch)
{
	if (!json_is_object(patch))
		return json_bytes(patch);
	return 2 + patched_member_bytes(json_is_object(value) ? value : NULL, patch);
}

/* The bytes of the text after a delta, which fits it. */
static size_t edited_bytes(const struct section *sec, const struct op *delta)
{
	size_t bytes = (sec ? sec->content_len : 0) + delta->text.len;
	size_t at = 0;
	size_t end = 0;

	if (!sec || op_chars_deleted(delta) == 0)
		return bytes;
	if (sec->content_chars == sec->content_len)
		return bytes - op_chars_deleted(delta);
	for (size_t i = 0; i < delta->len; i++) {
		if (delta->parts[i].kind == OP_INSERT)
			continue;
		end = at + utf8_offset(sec->content + at, sec->content_len - at,
		                       delta->parts[i].chars, NULL);
		if (delta->parts[i].kind == OP_DELETE)
			bytes -= end - at;
		at = end;
	}
	return bytes;
}

/* What the section counts once it has changed. */
static size_t changed_bytes(const struct section *sec, const char *section_id,
                            const struct changes *ch)
{
	size_t bytes = sec ? sec->bytes : strlen(section_id);
	size_t content = sec ? sec->content_len + json_bytes(sec->content_json) : 0;

	if (ch->keys)
		bytes = bytes - patched_member_bytes(sec ? sec->keys : NULL, NULL) +
		        patched_member_bytes(sec ? sec->keys : NULL, ch->keys);
	if (ch->content)
		return bytes - content + ch->content_len;
	if (ch->content_json)
		return bytes - content +
		       (json_is_null(ch->content_json) ? 0 : json_bytes(ch->content_json));
	if (ch->delta)
		return bytes - content + edited_bytes(sec, ch->delta);
	return bytes;
}

static bool exceeds(size_t bytes, int64_t limit)
{
	return limit > 0 && bytes > (uint64_t)limit;
}

/* What the state counts once something of `before` bytes has `after`. */
static int grow_state(struct decider *dr, size_t before, size_t after)
{
	int64_t limit = dr->env->limits->state_bytes;
	size_t bytes = dr->bytes - before + after;

	if (after > before && exceeds(bytes, limit))
		return err_set(dr->e, ERR_STATE_TOO_LARGE,
		               "the session would take %zu bytes, it may take %" PRId64, bytes,
		               limit);
	dr->bytes = bytes;
	return 0;
}

static int check_section(struct decider *dr, const char *section_id, size_t before, size_t after)
{
	int64_t limit = dr->env->limits->section_bytes;

	if (after <= before || !exceeds(after, limit))
		return 0;
	return err_set(dr->e, ERR_SECTION_TOO_LARGE,
	               "section %s would take %zu bytes, it may take %" PRId64, section_id, after,
	               limit);
}

int size_of_change(struct decider *dr, const struct section *sec, const char *section_id,
                   const struct changes *changes)
{
	int64_t sections_max = dr->env->limits->sections;
	size_t before = sec ? sec->bytes : 0;
	size_t after = changed_bytes(sec, section_id, changes);
	int rc = 0;

	if (!sec && exceeds(++dr->sections, sections_max))
		return err_set(dr->e, ERR_TOO_MANY_SECTIONS,
		               "the session has the %" PRId64 " sections it may have",
		               sections_max);
	rc = check_section(dr, section_id, before, after);
	return rc ? rc : grow_state(dr, before, after);
}

int size_of_proposal(struct decider *dr, const struct section *sec, const struct changes *changes)
{
	static const char key[] = "content";
	size_t bytes = 2 + patched_member_bytes(NULL, changes->keys);
	int rc = check_section(dr, sec->section_id, sec->bytes,
	                       changed_bytes(sec, sec->section_id, changes));

	/* The proposal is kept in its wire form. */
	if (changes->content)
		bytes += sizeof key - 1 + 4 + changes->content_len + 2;
	else
		bytes += json_member_bytes(key, changes->content_json);
	return rc ? rc : grow_state(dr, 0, bytes);
}

size_t comment_size(size_t text_len, const char *const *mentions, size_t mentions_len)
{
	size_t bytes = text_len + (mentions_len ? 2 : 0);

	for (size_t i = 0; i < mentions_len; i++)
		bytes += strlen(mentions[i]) + 3;
	return bytes;
}

int size_of_comment(struct decider *dr, const struct comment *cm, size_t bytes)
{
	int64_t comments_max = dr->env->limits->comments;

	if (!cm && exceeds(++dr->comments, comments_max))
		return err_set(dr->e, ERR_TOO_MANY_COMMENTS,
		               "the session has the %" PRId64 " comments it may have",
		               comments_max);
	return grow_state(dr, cm ? cm->text_len + json_bytes(cm->mentions) : 0, bytes);
}
