/* Erasing text from what is stored. */
#include "proto/erase.h"

#include <jansson.h>
#include <string.h>

#include "base/sha256.h"
#include "base/utf8.h"
#include "proto/json_out.h"
#include "proto/stored.h"

static const char block[] = "\xe2\x96\x88"; /* U+2588 */

static bool is(const json_t *o, const char *key, const char *value)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text && value && strcmp(text, value) == 0;
}

void erasure_release(struct erasure *x)
{
	map_release(&x->proposals);
}

/* A text of as many code points; NULL: it is no text, or such a one already. */
static json_t *blanked(struct erasure *x, const json_t *value)
{
	const char *text = json_string_value(value);
	size_t chars = text ? utf8_chars(text, strlen(text)) : 0;
	struct buf out = {0};
	json_t *blank = NULL;

	if (!text)
		return NULL;
	buf_init(&out, SIZE_MAX / 4);
	buf_reserve(&out, chars * (sizeof block - 1));
	for (size_t i = 0; i < chars; i++)
		buf_put(&out, block, sizeof block - 1);
	if (!buf_error(&out))
		blank = json_stringn(out.p, out.len);
	buf_release(&out);
	if (!blank) {
		x->rc = ERR_NOMEM;
	} else if (json_equal(blank, value)) {
		json_decref(blank);
		blank = NULL;
	}
	x->changed |= blank != NULL;
	return blank;
}

static void erase_string(struct erasure *x, json_t *o, const char *key)
{
	json_t *blank = blanked(x, json_object_get(o, key));

	if (blank && json_object_set_new(o, key, blank))
		x->rc = ERR_NOMEM;
}

/* Every string in a value; names of members stay. */
static void erase_value(struct erasure *x, json_t *o, const char *key)
{
	json_t *value = json_object_get(o, key), *item = NULL;
	const char *name = NULL;
	void *next = NULL;
	size_t i = 0;

	if (json_is_string(value)) {
		erase_string(x, o, key); /* frees value */
		return;
	}
	json_object_foreach_safe(value, next, name, item)
	{
		erase_value(x, value, name);
	}
	json_array_foreach(value, i, item)
	{
		json_t *holder = json_pack("{s:O}", "v", item);

		erase_value(x, holder, "v");
		if (!holder || json_array_set(value, i, json_object_get(holder, "v")))
			x->rc = ERR_NOMEM;
		json_decref(holder);
	}
}

/* Inserted text is blanked, deleted text counted. */
static void erase_delta(struct erasure *x, json_t *delta)
{
	json_t *part = NULL;
	size_t i = 0;

	json_array_foreach(delta, i, part)
	{
		const char *gone = json_string_value(json_object_get(part, "d"));
		json_t *blank = blanked(x, part);

		if (blank && json_array_set_new(delta, i, blank))
			x->rc = ERR_NOMEM;
		if (!gone)
			continue;
		x->changed = true;
		if (json_object_set_new(part, "d",
		                        json_integer((json_int_t)utf8_chars(gone, strlen(gone)))))
			x->rc = ERR_NOMEM;
	}
}

/* `changes` of a section, or a section's keys. */
static void erase_changes(struct erasure *x, json_t *changes)
{
	const char *key = NULL;
	json_t *value = NULL;
	void *next = NULL;

	json_object_foreach_safe(changes, next, key, value)
	{
		if (strcmp(key, "delta") == 0)
			erase_delta(x, value);
		else
			erase_value(x, changes, key);
	}
}

static void erase_text(struct erasure *x, json_t *j)
{
	erase_changes(x, json_object_get(j, "changes"));
	erase_changes(x, json_object_get(j, "proposed_changes"));
	erase_string(x, j, "content");
	erase_string(x, json_object_get(j, "comment"), "content");
	if (is(j, "type", "session_ended") && json_object_get(j, "user_id"))
		erase_string(x, j, "reason");
}

/* The names of the user in an object that tells of somebody. */
static void erase_names(struct erasure *x, json_t *o)
{
	if (!is(o, "user_id", x->user_id))
		return;
	erase_string(x, o, "user_name");
	erase_string(x, o, "user_email");
}

/* What the user proposes is the user's text, also where somebody else settles for it. */
static void note_proposal(struct erasure *x, const json_t *conflict)
{
	const char *id = json_string_value(json_object_get(conflict, "conflict_id"));

	if (id && is(conflict, "user_id", x->user_id) && map_put(&x->proposals, id, x))
		x->rc = ERR_NOMEM;
}

/* Whether the text in the event is the user's. */
static bool wrote(const struct erasure *x, const json_t *j)
{
	const json_t *comment = json_object_get(j, "comment");
	const char *conflict_id = json_string_value(json_object_get(j, "conflict_id"));

	if (!x->user_id)
		return true;
	if (comment)
		return is(comment, "user_id", x->user_id);
	if (is(j, "resolution", "proposed") && conflict_id)
		return map_get(&x->proposals, conflict_id) != NULL;
	/* What was carried over keeps its author, and is by who carried it. */
	if (json_object_get(j, "by") && !json_is_true(json_object_get(j, "carried")))
		return is(j, "by", x->user_id);
	return is(j, "user_id", x->user_id);
}

/* The record says that it is erased, and what its digest was. */
static int mark(json_t *j)
{
	unsigned char digest[SHA256_LEN];
	char hex[SHA256_HEX_LEN + 1];
	struct buf canonical = {0};
	json_t *hash = NULL;
	int rc = 0;

	if (json_is_true(json_object_get(j, "erased")))
		return 0;
	hash = json_incref(json_object_get(j, "hash"));
	(void)json_object_del(j, "hash"); /* it may be missing in a damaged record */
	buf_init(&canonical, SIZE_MAX / 4);
	json_put_value(&canonical, j);
	rc = buf_error(&canonical);
	if (!rc) {
		sha256(canonical.p, canonical.len, digest);
		sha256_hex(digest, hex);
	}
	buf_release(&canonical);
	if (!rc && (!hash || json_object_set(j, "hash", hash) ||
	            json_object_set_new(j, "digest", json_string(hex)) ||
	            json_object_set_new(j, "erased", json_true())))
		rc = ERR_NOMEM;
	json_decref(hash);
	return rc;
}

/* Write what was changed. */
static int finish(const struct erasure *x, const json_t *j, struct buf *out, bool *changed,
                  struct err *e)
{
	int rc = x->rc;

	*changed = x->changed;
	if (!rc && x->changed) {
		json_put_value(out, j);
		rc = buf_error(out);
	}
	return rc ? err_set(e, rc, NULL) : 0;
}

static int begin(struct erasure *x, const char *bytes, size_t len, json_t **j, bool *changed,
                 struct err *e)
{
	x->changed = *changed = false;
	x->rc = 0;
	return stored_load(bytes, len, j, e);
}

int event_erase(struct erasure *x, const char *bytes, size_t len, struct buf *out, bool *changed,
                struct err *e)
{
	json_t *j = NULL, *before = NULL;
	int rc = begin(x, bytes, len, &j, changed, e);

	if (rc)
		return rc;
	before = json_deep_copy(j);
	if (!before)
		x->rc = ERR_NOMEM;
	if (x->user_id && is(j, "type", "conflict_detected"))
		note_proposal(x, j);
	if (wrote(x, j))
		erase_text(x, j);
	if (x->user_id) {
		erase_names(x, j);
		erase_names(x, json_object_get(j, "comment"));
		erase_names(x, json_object_get(j, "participant"));
	}
	if (x->changed && !x->rc) {
		x->rc = mark(before);
		for (const char *const *key = (const char *const[]){"digest", "erased", NULL}; *key;
		     key++)
			if (json_object_set(j, *key, json_object_get(before, *key)))
				x->rc = ERR_NOMEM;
		(void)json_object_del(j, "event_id");   /* either may be missing */
		(void)json_object_del(j, "ref_digest"); /* as above */
	}
	rc = finish(x, j, out, changed, e);
	json_decref(before);
	json_decref(j);
	return rc;
}

/* ---- a state ----------------------------------------------------------------------------------
 */

/* By a text's digest it could be guessed. */
static void forget_lost(struct erasure *x, json_t *comment)
{
	if (json_object_get(comment, "lost_digest") &&
	    (json_object_set_new(comment, "lost_digest", json_string("")) ||
	     json_object_set_new(comment, "lost_chars", json_integer(-1))))
		x->rc = ERR_NOMEM;
}

static void erase_sections(struct erasure *x, json_t *sections)
{
	const char *id = NULL;
	json_t *section = NULL;

	json_object_foreach(sections, id, section)
	{
		if (!is(section, "updated_by", x->user_id))
			continue;
		erase_value(x, section, "content");
		erase_value(x, section, "keys");
		erase_string(x, section, "updated_by_name");
	}
}

int state_erase(struct erasure *x, const char *bytes, size_t len, struct buf *out, bool *changed,
                struct err *e)
{
	json_t *j = NULL, *item = NULL;
	size_t i = 0;
	int rc = begin(x, bytes, len, &j, changed, e);

	if (rc)
		return rc;
	json_array_foreach(json_object_get(j, "members"), i, item)
	{
		erase_names(x, item);
	}
	json_array_foreach(json_object_get(j, "comments"), i, item)
	{
		if (is(item, "user_id", x->user_id))
			erase_string(x, item, "content");
		erase_names(x, item);
	}
	json_array_foreach(json_object_get(j, "conflicts"), i, item)
	{
		if (is(item, "user_id", x->user_id))
			erase_changes(x, json_object_get(item, "proposed_changes"));
		note_proposal(x, item);
		erase_names(x, item);
	}
	erase_sections(x, json_object_get(j, "sections"));
	json_array_foreach(json_object_get(json_object_get(j, "refs"), x->user_id), i, item)
	{
		if (x->changed && json_array_set_new(item, 2, json_string("")))
			x->rc = ERR_NOMEM;
	}
	json_array_foreach(json_object_get(j, "comments"), i, item)
	{
		if (x->changed)
			forget_lost(x, item);
	}
	rc = finish(x, j, out, changed, e);
	json_decref(j);
	return rc;
}
