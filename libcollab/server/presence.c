/*
 * Presence: who is online, by connections and leases; cursors as latest-value slots.
 *
 * What is true here (people) and what the log says (members' online) are brought together by
 * room_presence(): it runs after loading, after every change, and again when a write had failed.
 */
#include <stdlib.h>
#include <string.h>

#include "server/conn.h"
#include "server/room.h"

struct person *room_person(struct room *room, const char *user_id, const char *name)
{
	struct person *p = map_get(&room->people, user_id);

	if (p)
		return p;
	p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->user_id = strdup(user_id);
	p->name = strdup(name ? name : user_id);
	if (!p->user_id || !p->name || map_put(&room->people, user_id, p)) {
		free(p->user_id);
		free(p->name);
		free(p);
		return NULL;
	}
	return p;
}

static void person_free(struct person *p)
{
	free(p->user_id);
	free(p->name);
	free(p->section_id);
	block_unref(p->cursor_frame);
	free(p);
}

void people_release(struct room *room)
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	while ((entry = map_next(&room->people, &at)))
		person_free(entry->value);
	map_release(&room->people);
	while (room->lost_locks) {
		struct lost_lock *l = room->lost_locks;

		room->lost_locks = l->next;
		free(l);
	}
}

static bool is_online(const struct person *p, int64_t now)
{
	return p->conns > 0 || p->grace_until_ms > now || p->lease_until_ms > now;
}

bool room_has_people(const struct room *room)
{
	struct map_entry *entry = NULL;
	int64_t now = hub_mono(room->hub);
	size_t at = 0;

	while ((entry = map_next(&room->people, &at)))
		if (is_online(entry->value, now))
			return true;
	return room->lost_locks != NULL;
}

static void say(struct room *room, enum command_kind kind, const char *user_id, const char *name,
                const char *reason)
{
	struct command c;

	command_init(&c, kind);
	c.user_id = user_id;
	c.user_name = name;
	c.reason = reason;
	room_system(room, &c);
}

void room_presence(struct room *room)
{
	int64_t now = hub_mono(room->hub);
	struct map_entry *entry = NULL;
	size_t at = 0;

	if (room->state != ROOM_LIVE || room_over(room))
		return;
	if (room->hub->store_retry_ms && now < room->hub->store_retry_ms) {
		room->presence_dirty = true;
		return;
	}
	room->presence_dirty = false;
	while (room->state == ROOM_LIVE && (entry = map_next(&room->head.members, &at))) {
		const struct member *m = entry->value;
		const struct person *p = map_get(&room->people, m->user_id);
		bool online = p && is_online(p, now);

		if (online && !m->online)
			say(room, COMMAND_ONLINE, m->user_id, m->name, NULL);
		else if (!online && m->online)
			say(room, COMMAND_OFFLINE, m->user_id, m->name,
			    p && p->reason ? p->reason : "server_restart");
	}
	room->presence_dirty |= room->state != ROOM_LIVE;
}

void person_conn_opened(struct room *room, struct conn *c)
{
	struct person *p = room_person(room, c->who.user_id, c->who.name);

	if (!p) {
		conn_close_after(c, c->sent, 1013, "out of memory");
		c->silent = true;
		return;
	}
	p->conns++;
	/* One that was lost is back; another one may still be missing. */
	if (p->lost > 0 && --p->lost == 0)
		p->grace_until_ms = 0;
	room_presence(room);
}

static void lose_locks(struct room *room, const struct conn *c)
{
	for (size_t i = 0; i < c->locks_len; i++) {
		struct lost_lock *l = malloc(sizeof *l + strlen(c->lock_sections[i]) + 1);

		if (!l)
			return; /* they end with their lease */
		strcpy(l->section_id, c->lock_sections[i]);
		l->fence = c->lock_fences[i];
		l->until_ms = hub_mono(room->hub) + room->hub->conf->grace_seconds * 1000;
		l->next = room->lost_locks;
		room->lost_locks = l;
	}
}

void lost_lock_adopt(struct room *room, const char *section_id, int64_t fence)
{
	for (struct lost_lock **p = &room->lost_locks; *p; p = &(*p)->next) {
		struct lost_lock *l = *p;

		if (l->fence != fence || strcmp(l->section_id, section_id) != 0)
			continue;
		*p = l->next;
		free(l);
		return;
	}
}

void person_conn_closed(struct room *room, struct conn *c, bool clean)
{
	struct person *p = map_get(&room->people, c->who.user_id);
	const struct member *m = session_member(&room->head, c->who.user_id);
	int64_t now = hub_mono(room->hub);

	lose_locks(room, c);
	if (!p)
		return;
	p->conns--;
	if (p->grace_until_ms <= now)
		p->lost = 0;
	/* A clean leave shows at once, unless another connection broke that may be back. */
	if (!clean && m) {
		p->lost++;
		p->grace_until_ms = now + room->hub->conf->grace_seconds * 1000;
	}
	if (p->lease_until_ms <= now)
		p->reason = p->lost > 0 || !clean ? "lost" : "left";
	if (p->conns == 0)
		room_presence(room);
	room_poke(room);
}

int person_lease(struct room *room, const char *user_id, const char *name, int64_t ttl_seconds)
{
	struct person *p = room_person(room, user_id, name);

	if (!p)
		return ERR_NOMEM;
	p->lease_until_ms = hub_mono(room->hub) + ttl_seconds * 1000;
	p->reason = "lease_expired";
	room_presence(room);
	room_poke(room);
	return 0;
}

/* ---- cursors ----------------------------------------------------------------------------------
 */

void person_cursor(struct room *room, struct conn *c, const struct command *cmd)
{
	struct person *p = room_person(room, c->who.user_id, c->who.name);
	struct buf *out = &room->hub->scratch;
	struct cursor cur = {.user_id = c->who.user_id,
	                     .user_name = c->who.name,
	                     .section_id = cmd->section_id,
	                     .position = cmd->position,
	                     .selection = {cmd->selection[0], cmd->selection[1]},
	                     .time_ms = hub_wall(room->hub)};
	struct block *frame = NULL;
	char *section = strdup(cmd->section_id);

	buf_clear(out);
	cursor_write(room->session_id, &cur, out);
	if (p && section && !buf_error(out))
		frame = block_of_json(out->p, out->len, &p->cursor_frame_head);
	if (!frame) { /* a cursor may be lost: the next one replaces it anyway */
		free(section);
		return;
	}
	block_unref(p->cursor_frame);
	free(p->section_id);
	p->cursor_frame = frame;
	p->section_id = section;
	p->position = cur.position;
	p->selection[0] = cur.selection[0];
	p->selection[1] = cur.selection[1];
	p->cursor_ms = room->cursor_ms = cur.time_ms;
	p->cursor_stamp = ++room->cursor_stamp;
	p->cursor_conn = c->id;
	room_poke(room);
}

/* Let the newest cursors out, at most so many times a second. */
static int64_t cursors_tick(struct room *room, int64_t now)
{
	if (room->cursor_shown == room->cursor_stamp)
		return 1000;
	if (now < room->cursor_next_ms)
		return room->cursor_next_ms - now;
	room->cursor_shown = room->cursor_stamp;
	room->cursor_next_ms = now + 1000 / room->hub->limits->cursors_per_second;
	room_wake(room);
	return 1000;
}

/* ---- by time ----------------------------------------------------------------------------------
 */

static int64_t lost_locks_tick(struct room *room, int64_t now)
{
	int64_t wait = 1000;

	for (struct lost_lock **p = &room->lost_locks; *p;) {
		struct lost_lock *l = *p;
		struct command c;

		if (l->until_ms > now) {
			wait = l->until_ms - now < wait ? l->until_ms - now : wait;
			p = &l->next;
			continue;
		}
		*p = l->next;
		command_init(&c, COMMAND_SECTION_UNLOCK);
		c.section_id = l->section_id;
		c.fence = l->fence;
		c.reason = "disconnected";
		if (room->state == ROOM_LIVE)
			room_system(room, &c);
		free(l);
	}
	return wait;
}

int64_t room_presence_tick(struct room *room, int64_t now)
{
	struct map_entry *entry = NULL;
	int64_t wait = lost_locks_tick(room, now), ms;
	bool ended = room->presence_dirty;
	size_t at = 0;

	while ((entry = map_next(&room->people, &at))) {
		struct person *p = entry->value;
		int64_t until = p->grace_until_ms > p->lease_until_ms ? p->grace_until_ms
		                                                      : p->lease_until_ms;

		if (p->lost > 0 && p->grace_until_ms <= now)
			p->lost = 0;
		if (until > now) {
			wait = until - now < wait ? until - now : wait;
			continue;
		}
		if (until > 0 && p->conns == 0) {
			p->grace_until_ms = p->lease_until_ms = 0;
			ended = true;
		}
		/* A cursor that has not moved for long, and who has gone, are not shown any more.
		 */
		if (p->section_id &&
		    (p->conns == 0 ||
		     hub_wall(room->hub) - p->cursor_ms > room->hub->conf->cursor_seconds * 1000)) {
			free(p->section_id);
			p->section_id = NULL;
			block_unref(p->cursor_frame);
			p->cursor_frame = NULL;
		}
	}
	if (ended)
		room_presence(room);
	at = 0;
	while (room->state == ROOM_LIVE && (entry = map_next(&room->people, &at))) {
		struct person *p = entry->value;
		const struct member *m = session_member(&room->head, p->user_id);

		if (p->conns > 0 || is_online(p, now) || (m && m->online))
			continue;
		map_remove(&room->people, p->user_id);
		person_free(p);
	}
	ms = cursors_tick(room, now);
	return ms < wait ? ms : wait;
}
