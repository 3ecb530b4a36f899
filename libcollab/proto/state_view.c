/* A session's state as clients see it. */
#include <stdlib.h>
#include <string.h>

#include "proto/json_out.h"
#include "proto/state_int.h"
#include "proto/state_json.h"

/* Which session, and where its log ends. */
static void put_head(struct buf *out, const struct session *s)
{
	char hex[SHA256_HEX_LEN + 1];

	sha256_hex(s->hash, hex);
	json_int(out, "seq", s->seq);
	json_str(out, "hash", hex);
}

static void put_settings(struct buf *out, const struct session *s)
{
	json_str(out, "session_type", session_type_name(s->settings.type));
	json_str(out, "conflict_resolution_strategy", strategy_name(s->settings.strategy));
	json_int(out, "max_participants", s->settings.max_participants);
	json_int(out, "session_timeout_minutes", s->settings.timeout_minutes);
}

static void put_totals(struct buf *out, const struct session *s)
{
	json_str(out, "continued_from", s->continued_from);
	json_int(out, "total_changes", s->changes_total);
	json_int(out, "total_comments", s->comments_total);
	json_str(out, "started_by", s->started_by);
	json_time(out, "started_at", s->started_ms);
	json_time(out, "last_activity", s->activity_ms);
	state_put_time(out, "ended_at", s->ended_ms);
	json_str(out, "end_reason", s->end_reason);
}

static bool contains(const char *const *ids, size_t len, const char *id)
{
	for (size_t i = 0; i < len; i++)
		if (strcmp(ids[i], id) == 0)
			return true;
	return false;
}

static void put_active_editors(struct buf *out, const struct session *s,
                               const struct state_view *view)
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	state_put_opener(out, "active_editors", '[');
	for (size_t i = 0; i < view->active_editors_len; i++) {
		json_comma(out);
		json_put_string(out, view->active_editors[i], strlen(view->active_editors[i]));
	}
	while ((entry = map_next(&s->members, &at))) {
		const struct member *m = entry->value;

		if (!m->active_ms || view->now_ms - m->active_ms >= ACTIVE_SECONDS * 1000 ||
		    contains(view->active_editors, view->active_editors_len, m->user_id))
			continue;
		json_comma(out);
		json_put_string(out, m->user_id, strlen(m->user_id));
	}
	buf_putc(out, ']');
}

static void put_locks(struct buf *out, const struct session *s, const struct state_view *view)
{
	struct map_entry **sorted = state_sorted(&s->locks, out);

	state_put_opener(out, "locked_sections", '{');
	for (size_t i = 0; sorted && sorted[i]; i++) {
		const struct lock *lock = session_lock(s, sorted[i]->key, view->now_ms);

		if (lock)
			json_str(out, sorted[i]->key, lock->user_id);
	}
	buf_putc(out, '}');
	state_put_opener(out, "locks", '{');
	for (size_t i = 0; sorted && sorted[i]; i++) {
		const struct lock *lock = session_lock(s, sorted[i]->key, view->now_ms);

		if (!lock)
			continue;
		/* Not the fence: it is its holder's alone, and this is the same for every reader.
		 */
		state_put_opener(out, sorted[i]->key, '{');
		json_str(out, "user_id", lock->user_id);
		json_time(out, "expires_at", lock->expires_ms);
		buf_putc(out, '}');
	}
	buf_putc(out, '}');
	free(sorted);
}

/* Who is there and what they hold. */
static void put_people(struct buf *out, const struct session *s, const struct state_view *view)
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	state_put_opener(out, "participants", '[');
	while ((entry = map_next(&s->members, &at))) {
		json_comma(out);
		member_write(entry->value, view->without_email, out);
	}
	buf_putc(out, ']');
	put_active_editors(out, s, view);
	put_locks(out, s, view);
}

static void put_sections(struct buf *out, const struct session *s)
{
	struct map_entry **sorted = state_sorted(&s->sections, out);

	state_put_opener(out, "sections", '{');
	for (size_t i = 0; sorted && sorted[i]; i++) {
		json_key(out, sorted[i]->key);
		section_write(sorted[i]->value, NULL, out);
	}
	buf_putc(out, '}');
	free(sorted);
}

static void put_comments(struct buf *out, const struct session *s)
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	state_put_opener(out, "comments", '[');
	while ((entry = map_next(&s->comments, &at))) {
		json_comma(out);
		comment_write(entry->value, out);
	}
	buf_putc(out, ']');
}

static void put_conflicts(struct buf *out, const struct session *s)
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	state_put_opener(out, "conflicts", '[');
	while ((entry = map_next(&s->conflicts, &at))) {
		json_comma(out);
		conflict_write(s, entry->value, out);
	}
	buf_putc(out, ']');
}

static void put_cursors(struct buf *out, const struct state_view *view)
{
	state_put_opener(out, "cursors", '[');
	for (size_t i = 0; i < view->cursors_len; i++) {
		const struct cursor *c = &view->cursors[i];

		json_comma(out);
		buf_putc(out, '{');
		json_str(out, "user_id", c->user_id);
		json_str(out, "user_name", c->user_name);
		json_str(out, "section_id", c->section_id);
		json_int(out, "position", c->position);
		if (c->selection[0] != EVENT_ABSENT) {
			state_put_opener(out, "selection", '[');
			buf_put_i64(out, c->selection[0]);
			buf_putc(out, ',');
			buf_put_i64(out, c->selection[1]);
			buf_putc(out, ']');
		}
		json_time(out, "timestamp", c->time_ms);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void put_limits(struct buf *out, const struct limits *limits)
{
	struct limits copy;
	const struct limit_row *rows = NULL;
	int len = 0;

	if (!limits)
		return;
	copy = *limits; /* limit_at is for writing too */
	rows = limit_rows(&len);
	state_put_opener(out, "limits", '{');
	for (int i = 0; i < len; i++)
		json_int(out, rows[i].name, *limit_at(&copy, i));
	buf_putc(out, '}');
}

void state_message_write(const struct session *s, enum state_detail detail,
                         const struct state_view *view, struct buf *out)
{
	json_str(out, "type", "session_state");
	json_str(out, "session_id", s->session_id);
	json_time(out, "timestamp", view->now_ms);
	put_head(out, s);
	if (detail != STATE_NONE) {
		json_str(out, "report_id", s->report_id);
		put_settings(out, s);
		put_totals(out, s);
		put_people(out, s, view);
	}
	if (detail == STATE_FULL) {
		put_sections(out, s);
		put_comments(out, s);
		put_conflicts(out, s);
		put_cursors(out, view);
	}
	put_limits(out, view->limits);
}

void session_details_write(const struct session *s, bool sections, bool comments, bool conflicts,
                           const struct state_view *view, struct buf *out)
{
	json_str(out, "session_id", s->session_id);
	json_str(out, "report_id", s->report_id);
	json_bool(out, "has_active_session", s->ended_ms == 0 && !view->inactive);
	put_settings(out, s);
	put_people(out, s, view);
	put_totals(out, s);
	if (sections)
		put_sections(out, s);
	if (comments)
		put_comments(out, s);
	if (conflicts)
		put_conflicts(out, s);
	put_head(out, s);
	put_limits(out, view->limits);
}

void summary_write(const struct session *s, struct buf *out)
{
	struct map_entry *entry = NULL;
	int64_t online = 0;
	size_t at = 0;

	while ((entry = map_next(&s->members, &at)))
		online += ((const struct member *)entry->value)->online;
	buf_putc(out, '{');
	json_str(out, "conflict_resolution_strategy", strategy_name(s->settings.strategy));
	json_str(out, "end_reason", s->end_reason);
	state_put_time(out, "ended_at", s->ended_ms);
	json_time(out, "last_activity", s->activity_ms);
	json_int(out, "max_participants", s->settings.max_participants);
	json_key(out, "members");
	buf_putc(out, '[');
	for (at = 0; (entry = map_next(&s->members, &at));) {
		json_comma(out);
		json_put_string(out, entry->key, strlen(entry->key));
	}
	buf_putc(out, ']');
	json_int(out, "online", online);
	json_int(out, "open_comments", s->comments_open);
	json_int(out, "open_conflicts", s->conflicts_open);
	json_int(out, "participants", (int64_t)s->members.len);
	json_int(out, "session_timeout_minutes", s->settings.timeout_minutes);
	json_str(out, "session_type", session_type_name(s->settings.type));
	json_time(out, "started_at", s->started_ms);
	json_str(out, "started_by", s->started_by);
	json_int(out, "total_changes", s->changes_total);
	json_int(out, "total_comments", s->comments_total);
	buf_putc(out, '}');
}
