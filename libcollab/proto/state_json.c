/* A session's canonical state. */
#include "proto/state_json.h"

#include <stdlib.h>
#include <string.h>

#include "proto/json_out.h"
#include "proto/state_int.h"

void state_put_time(struct buf *out, const char *key, int64_t time_ms)
{
	if (time_ms)
		json_time(out, key, time_ms);
}

void state_put_opener(struct buf *out, const char *key, char opener)
{
	json_key(out, key);
	buf_putc(out, opener);
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp((*(struct map_entry *const *)a)->key, (*(struct map_entry *const *)b)->key);
}

struct map_entry **state_sorted(const struct map *m, struct buf *out)
{
	struct map_entry **sorted = malloc((m->len + 1) * sizeof *sorted);
	size_t at = 0, n = 0;

	if (!sorted) {
		out->error = out->error ? out->error : ERR_NOMEM;
		return NULL;
	}
	while ((sorted[n] = map_next(m, &at)))
		n++;
	qsort(sorted, n, sizeof *sorted, compare_entries);
	return sorted;
}

/* "key":{…}, the map's entries by their keys. */
static void put_map(struct buf *out, const char *key, const struct map *m,
                    void (*put)(struct buf *out, const void *value))
{
	struct map_entry **sorted = state_sorted(m, out);

	state_put_opener(out, key, '{');
	for (size_t i = 0; sorted && sorted[i]; i++) {
		json_key(out, sorted[i]->key);
		put(out, sorted[i]->value);
	}
	buf_putc(out, '}');
	free(sorted);
}

/* "key":[…], the map's values in order of insertion. */
static void put_list(struct buf *out, const char *key, const struct map *m,
                     void (*put)(struct buf *out, const void *value))
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	state_put_opener(out, key, '[');
	while ((entry = map_next(m, &at))) {
		json_comma(out);
		put(out, entry->value);
	}
	buf_putc(out, ']');
}

static void put_comment(struct buf *out, const void *value)
{
	const struct comment *c = value;

	buf_putc(out, '{');
	if (c->anchor.from != EVENT_ABSENT) {
		state_put_opener(out, "anchor", '{');
		json_int(out, "from", c->anchor.from);
		json_int(out, "to", c->anchor.to);
		buf_putc(out, '}');
	}
	json_str(out, "comment_id", c->comment_id);
	json_str_n(out, "content", c->text ? c->text : "", c->text_len);
	json_time(out, "created_at", c->created_ms);
	if (c->deleted)
		json_bool(out, "deleted", true);
	state_put_time(out, "edited_at", c->edited_ms);
	if (c->orphaned) {
		json_int(out, "lost_at", c->lost_at);
		json_int(out, "lost_before", c->lost_before);
		json_int(out, "lost_chars", c->lost_chars);
		json_str(out, "lost_digest", c->lost_digest);
	}
	json_value(out, "mentions", c->mentions);
	if (c->orphaned)
		json_bool(out, "orphaned", true);
	json_str(out, "parent_comment_id", c->parent_comment_id);
	if (c->resolved)
		json_bool(out, "resolved", true);
	state_put_time(out, "resolved_at", c->resolved_ms);
	json_str(out, "resolved_by", c->resolved_by);
	json_str(out, "section_id", c->section_id);
	json_str(out, "user_id", c->user_id);
	json_str(out, "user_name", c->user_name);
	buf_putc(out, '}');
}

static void put_conflict(struct buf *out, const void *value)
{
	const struct conflict *c = value;

	buf_putc(out, '{');
	json_int(out, "base_seq", c->base_seq);
	json_str(out, "conflict_id", c->conflict_id);
	json_value(out, "conflicting_users", c->users);
	json_time(out, "created_at", c->created_ms);
	json_int(out, "current_seq", c->current_seq);
	json_value(out, "proposed_changes", c->proposed);
	json_str(out, "resolution", c->resolution);
	json_str(out, "section_id", c->section_id);
	json_str(out, "user_id", c->user_id);
	json_str(out, "user_name", c->user_name);
	buf_putc(out, '}');
}

static void put_fence(struct buf *out, const void *value)
{
	buf_put_i64(out, *(const int64_t *)value);
}

static void put_lock(struct buf *out, const void *value)
{
	const struct lock *lock = value;

	buf_putc(out, '{');
	json_time(out, "expires_at", lock->expires_ms);
	json_int(out, "fence", lock->fence);
	json_str(out, "user_id", lock->user_id);
	buf_putc(out, '}');
}

static void put_member(struct buf *out, const void *value)
{
	const struct member *m = value;

	buf_putc(out, '{');
	state_put_time(out, "active_at", m->active_ms);
	json_time(out, "joined_at", m->joined_ms);
	json_bool(out, "online", m->online);
	json_str(out, "role", role_name(m->role));
	json_str(out, "user_email", m->email);
	json_str(out, "user_id", m->user_id);
	json_str(out, "user_name", m->name);
	buf_putc(out, '}');
}

static void put_refs(struct buf *out, const void *value)
{
	const struct refs *refs = value;

	buf_putc(out, '[');
	for (size_t i = 0; i < refs->len; i++) {
		const struct ref *ref = &refs->ring[(refs->first + i) % refs->cap];

		json_comma(out);
		buf_putc(out, '[');
		json_put_string(out, ref->ref, strlen(ref->ref));
		buf_putc(out, ',');
		buf_put_i64(out, ref->seq);
		buf_putc(out, ',');
		json_put_string(out, ref->digest, strlen(ref->digest));
		buf_putc(out, ']');
	}
	buf_putc(out, ']');
}

static void put_section(struct buf *out, const void *value)
{
	const struct section *sec = value;

	buf_putc(out, '{');
	json_str_n(out, "content", sec->content, sec->content_len);
	json_value(out, "content", sec->content_json);
	if (json_object_size(sec->keys) > 0)
		json_value(out, "keys", sec->keys);
	json_str(out, "section_id", sec->section_id);
	json_time(out, "updated_at", sec->updated_ms);
	json_str(out, "updated_by", sec->updated_by);
	json_str(out, "updated_by_name", sec->updated_by_name);
	json_int(out, "version", sec->version);
	buf_putc(out, '}');
}

void state_write(const struct session *s, struct buf *out)
{
	char hex[SHA256_HEX_LEN + 1];

	sha256_hex(s->hash, hex);
	buf_putc(out, '{');
	json_int(out, "changes_total", s->changes_total);
	put_list(out, "comments", &s->comments, put_comment);
	json_int(out, "comments_total", s->comments_total);
	json_str(out, "conflict_resolution_strategy", strategy_name(s->settings.strategy));
	put_list(out, "conflicts", &s->conflicts, put_conflict);
	json_str(out, "continued_from", s->continued_from);
	json_str(out, "end_reason", s->end_reason);
	state_put_time(out, "ended_at", s->ended_ms);
	put_map(out, "fences", &s->fences, put_fence);
	json_int(out, "floor", s->floor);
	json_str(out, "hash", hex);
	json_time(out, "last_activity", s->activity_ms);
	put_map(out, "locks", &s->locks, put_lock);
	json_int(out, "max_participants", s->settings.max_participants);
	put_list(out, "members", &s->members, put_member);
	put_map(out, "refs", &s->refs, put_refs);
	json_str(out, "report_id", s->report_id);
	put_map(out, "sections", &s->sections, put_section);
	json_int(out, "seq", s->seq);
	json_str(out, "session_id", s->session_id);
	json_int(out, "session_timeout_minutes", s->settings.timeout_minutes);
	json_str(out, "session_type", session_type_name(s->settings.type));
	json_time(out, "started_at", s->started_ms);
	json_str(out, "started_by", s->started_by);
	json_time(out, "updated_at", s->updated_ms);
	buf_putc(out, '}');
}

int state_hash(const struct session *s, char out[SHA256_HEX_LEN + 1])
{
	unsigned char digest[SHA256_LEN];
	struct buf canonical = {0};
	int rc = 0;

	buf_init(&canonical, SIZE_MAX / 4);
	state_write(s, &canonical);
	rc = buf_error(&canonical);
	if (!rc) {
		sha256(canonical.p, canonical.len, digest);
		sha256_hex(digest, out);
	}
	buf_release(&canonical);
	return rc;
}
