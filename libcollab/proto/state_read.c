/* A session's state from its canonical JSON. */
#include <stdlib.h>
#include <string.h>

#include "core/session_build.h"
#include "proto/state_json.h"
#include "proto/stored.h"

/*
 * Where a piece of the state is being read to.  The reader's calls are chained: after the first
 * failure the others do nothing.
 */
struct state_reader {
	struct session *s;
	const json_t *j; /* the object being read */
	struct err *e;
	int rc;
};

static const char *get_string(struct state_reader *r, const char *key, bool optional,
                              bool (*valid)(const char *))
{
	const char *text = NULL;

	if (!r->rc)
		r->rc = stored_string(r->j, key, key, optional, valid, &text, r->e);
	return text;
}

static int64_t get_integer(struct state_reader *r, const char *key, int64_t min)
{
	int64_t n = 0;

	if (!r->rc && !json_object_get(r->j, key))
		r->rc = stored_bad(r->e, key, "is missing");
	if (!r->rc)
		r->rc = stored_integer(r->j, key, key, min, &n, r->e);
	return n;
}

/* A time, 0 when it is absent. */
static int64_t get_time(struct state_reader *r, const char *key)
{
	int64_t time_ms = 0;

	if (!r->rc)
		r->rc = stored_time(r->j, key, key, &time_ms, r->e);
	return time_ms;
}

static int get_name(struct state_reader *r, const char *key, int (*parse)(const char *))
{
	int n = -1;

	if (!r->rc)
		r->rc = stored_name(r->j, key, key, parse, &n, r->e);
	if (!r->rc && n < 0)
		r->rc = stored_bad(r->e, key, "is missing");
	return n;
}

static bool get_bool(const struct state_reader *r, const char *key)
{
	return json_is_true(json_object_get(r->j, key));
}

/*
 * Strings that the session owns, and values that it keeps by reference: the builders copy or count
 * references themselves, they only cannot say const about it.
 */
static char *lend(const char *text)
{
	return (char *)(uintptr_t)text;
}

static json_t *get_value(const struct state_reader *r, const char *key)
{
	return json_object_get(r->j, key);
}

static void copy_string(struct state_reader *r, char **out, const char *text)
{
	if (r->rc || !text)
		return;
	*out = strdup(text);
	if (!*out)
		r->rc = err_set(r->e, ERR_NOMEM, NULL);
}

static void read_member(struct state_reader *r, const char *key)
{
	struct member m = {0};

	(void)key; /* an element of an array */
	m.user_id = lend(get_string(r, "user_id", false, name_valid));
	m.name = lend(get_string(r, "user_name", true, stored_any));
	m.email = lend(get_string(r, "user_email", true, stored_any));
	m.role = (enum role)get_name(r, "role", stored_role);
	m.joined_ms = get_time(r, "joined_at");
	m.active_ms = get_time(r, "active_at");
	m.online = get_bool(r, "online");
	if (!r->rc)
		r->rc = session_add_member(r->s, &m, r->e);
}

static void read_section(struct state_reader *r, const char *key)
{
	struct section sec = {0};
	json_t *content = get_value(r, "content");

	sec.section_id = lend(get_string(r, "section_id", false, section_name_valid));
	if (!r->rc && strcmp(sec.section_id, key) != 0)
		r->rc = stored_bad(r->e, "section_id", "is not the section's key");
	sec.version = get_integer(r, "version", 0);
	sec.content = lend(json_string_value(content));
	sec.content_len = json_string_length(content);
	sec.content_json = sec.content ? NULL : content;
	sec.keys = get_value(r, "keys");
	if (!r->rc && sec.keys && !json_is_object(sec.keys))
		r->rc = stored_bad(r->e, "keys", "is no object");
	sec.updated_by = lend(get_string(r, "updated_by", true, stored_any));
	sec.updated_by_name = lend(get_string(r, "updated_by_name", true, stored_any));
	sec.updated_ms = get_time(r, "updated_at");
	if (!r->rc)
		r->rc = session_add_section(r->s, &sec, r->e);
}

static void read_anchor(struct state_reader *r, struct comment *c)
{
	struct state_reader anchor = {r->s, get_value(r, "anchor"), r->e, r->rc};

	c->anchor = (struct anchor){EVENT_ABSENT, EVENT_ABSENT, EVENT_ABSENT};
	if (anchor.j) {
		c->anchor.from = get_integer(&anchor, "from", 0);
		c->anchor.to = get_integer(&anchor, "to", 0);
		r->rc = anchor.rc;
	}
	c->orphaned = get_bool(r, "orphaned");
	if (c->orphaned) {
		const char *digest = NULL;

		c->lost_at = get_integer(r, "lost_at", 0);
		c->lost_before = get_integer(r, "lost_before", 0);
		c->lost_chars = get_integer(r, "lost_chars", EVENT_ABSENT);
		digest = get_string(r, "lost_digest", false, stored_any);
		if (!r->rc && strlen(digest) >= sizeof c->lost_digest)
			r->rc = stored_bad(r->e, "lost_digest", "is too long");
		if (!r->rc)
			memcpy(c->lost_digest, digest, strlen(digest));
	}
}

static void read_comment(struct state_reader *r, const char *key)
{
	struct comment c = {0};

	(void)key; /* an element of an array */
	c.comment_id = lend(get_string(r, "comment_id", false, uuid_valid));
	c.parent_comment_id = lend(get_string(r, "parent_comment_id", true, uuid_valid));
	c.section_id = lend(get_string(r, "section_id", false, section_name_valid));
	c.user_id = lend(get_string(r, "user_id", true, name_valid));
	c.user_name = lend(get_string(r, "user_name", true, stored_any));
	c.text = lend(get_string(r, "content", false, stored_any));
	c.text_len = json_string_length(get_value(r, "content"));
	c.mentions = get_value(r, "mentions");
	if (!r->rc && c.mentions && !json_is_array(c.mentions))
		r->rc = stored_bad(r->e, "mentions", "is no array");
	c.created_ms = get_time(r, "created_at");
	c.edited_ms = get_time(r, "edited_at");
	c.resolved = get_bool(r, "resolved");
	c.deleted = get_bool(r, "deleted");
	c.resolved_by = lend(get_string(r, "resolved_by", true, name_valid));
	c.resolved_ms = get_time(r, "resolved_at");
	read_anchor(r, &c);
	if (!r->rc)
		r->rc = session_add_comment(r->s, &c, r->e);
}

static void read_conflict(struct state_reader *r, const char *key)
{
	struct conflict c = {0};
	const char *resolution = get_string(r, "resolution", true, stored_any);

	(void)key; /* an element of an array */
	c.conflict_id = lend(get_string(r, "conflict_id", false, uuid_valid));
	c.section_id = lend(get_string(r, "section_id", false, section_name_valid));
	c.user_id = lend(get_string(r, "user_id", true, name_valid));
	c.user_name = lend(get_string(r, "user_name", true, stored_any));
	c.base_seq = get_integer(r, "base_seq", 0);
	c.current_seq = get_integer(r, "current_seq", 0);
	c.created_ms = get_time(r, "created_at");
	c.proposed = get_value(r, "proposed_changes");
	c.users = get_value(r, "conflicting_users");
	c.resolution = lend(resolution);
	if (!r->rc && c.proposed && !json_is_object(c.proposed))
		r->rc = stored_bad(r->e, "proposed_changes", "is no object");
	if (!r->rc && c.users && !json_is_array(c.users))
		r->rc = stored_bad(r->e, "conflicting_users", "is no array");
	if (!r->rc)
		r->rc = session_add_conflict(r->s, &c, r->e);
}

static void read_lock(struct state_reader *r, const char *key)
{
	struct lock lock = {0};

	lock.user_id = lend(get_string(r, "user_id", false, name_valid));
	lock.fence = get_integer(r, "fence", 0);
	lock.expires_ms = get_time(r, "expires_at");
	if (!r->rc)
		r->rc = session_set_lock(r->s, key, &lock);
}

static void read_fence(struct state_reader *r, const char *key)
{
	if (!json_is_integer(r->j))
		r->rc = stored_bad(r->e, "fences", "holds something else than integers");
	else
		r->rc = session_set_fence(r->s, key, json_integer_value(r->j));
}

/* The refs of one user, oldest first. */
static void read_refs(struct state_reader *r, const char *key)
{
	const json_t *item = NULL;
	size_t i = 0;

	json_array_foreach(r->j, i, item)
	{
		const char *ref = json_string_value(json_array_get(item, 0));
		const json_t *seq = json_array_get(item, 1);
		const char *digest = json_string_value(json_array_get(item, 2));

		if (!ref || !json_is_integer(seq) || !digest)
			r->rc = stored_bad(r->e, "refs", "holds something else than refs");
		if (!r->rc && *digest && strlen(digest) != 16)
			r->rc = stored_bad(r->e, "refs", "holds a digest of another length");
		if (r->rc)
			return;
		r->rc = session_remember_ref(r->s, key, ref, json_integer_value(seq),
		                             *digest ? digest : NULL);
	}
}

/* Read every value of the array or object `key`. */
static void read_each(struct state_reader *r, const char *key, bool array,
                      void (*read)(struct state_reader *r, const char *key))
{
	json_t *all = get_value(r, key), *item = NULL;
	const char *name = NULL;
	size_t i = 0;

	if (r->rc)
		return;
	if (array ? !json_is_array(all) : !json_is_object(all)) {
		r->rc = stored_bad(r->e, key, "is missing or has a wrong type");
		return;
	}
	json_array_foreach(all, i, item)
	{
		struct state_reader piece = {r->s, item, r->e, r->rc};

		if (!r->rc)
			read(&piece, NULL);
		r->rc = piece.rc;
	}
	json_object_foreach(all, name, item)
	{
		struct state_reader piece = {r->s, item, r->e, r->rc};

		if (!r->rc)
			read(&piece, name);
		r->rc = piece.rc;
	}
}

static void read_settings(struct state_reader *r)
{
	struct settings *st = &r->s->settings;
	int64_t participants = get_integer(r, "max_participants", 1);
	int64_t minutes = get_integer(r, "session_timeout_minutes", 1);
	int type = get_name(r, "session_type", session_type_parse);
	int strategy = get_name(r, "conflict_resolution_strategy", strategy_parse);

	if (!r->rc && (participants > INT32_MAX || minutes > INT32_MAX))
		r->rc = stored_bad(r->e, "max_participants", "or the time-out is too great");
	if (r->rc)
		return;
	*st = (struct settings){(enum session_type)type, (enum strategy)strategy, (int)participants,
	                        (int)minutes};
}

/* What is not a part: ids, settings, times, totals. */
static void read_plain(struct state_reader *r)
{
	struct session *s = r->s;
	const char *session_id = get_string(r, "session_id", false, uuid_valid);
	const char *report_id = get_string(r, "report_id", false, name_valid);
	const char *hash = get_string(r, "hash", false, stored_any);

	if (!r->rc && sha256_unhex(hash, s->hash))
		r->rc = stored_bad(r->e, "hash", "is not 64 hex digits");
	if (!r->rc) {
		memcpy(s->session_id, session_id, strlen(session_id) + 1);
		memcpy(s->report_id, report_id, strlen(report_id) + 1);
	}
	read_settings(r);
	copy_string(r, &s->continued_from, get_string(r, "continued_from", true, uuid_valid));
	copy_string(r, &s->started_by, get_string(r, "started_by", true, name_valid));
	copy_string(r, &s->end_reason, get_string(r, "end_reason", true, stored_any));
	s->started_ms = get_time(r, "started_at");
	s->activity_ms = get_time(r, "last_activity");
	s->updated_ms = get_time(r, "updated_at");
	s->ended_ms = get_time(r, "ended_at");
	s->seq = get_integer(r, "seq", 1);
	s->floor = get_integer(r, "floor", 0);
	s->changes_total = get_integer(r, "changes_total", 0);
	s->comments_total = get_integer(r, "comments_total", 0);
}

int state_read(const char *bytes, size_t len, struct session *s, struct err *e)
{
	json_t *json = NULL;
	struct state_reader r = {s, NULL, e, 0};

	r.rc = stored_load(bytes, len, &json, e);
	if (r.rc)
		return r.rc;
	r.j = json;
	read_plain(&r);
	read_each(&r, "members", true, read_member);
	read_each(&r, "sections", false, read_section);
	read_each(&r, "comments", true, read_comment);
	read_each(&r, "conflicts", true, read_conflict);
	read_each(&r, "locks", false, read_lock);
	read_each(&r, "fences", false, read_fence);
	read_each(&r, "refs", false, read_refs);
	json_decref(json);
	return r.rc == ERR_NOMEM ? err_set(e, r.rc, NULL) : r.rc;
}
