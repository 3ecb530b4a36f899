/*
 * A room: one session in memory.  Its life: loading (a fold of the log), live, and failed, when an
 * append did not reach the disk -- then it is loaded again and its readers go on from their seq.
 */
#include "server/room.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event_json.h"
#include "server/conn.h"
#include "server/exchange.h"
#include "server/fold.h"

enum { SNAPSHOT_BYTES_PER_MS = 400, RETRY_MS = 1000, TAIL_MIN = 65536 };

static void release_held(struct room *room);

struct room *room_of_id(struct hub *h, const char *session_id)
{
	return map_get(&h->rooms, session_id);
}

struct room *room_of_report(struct hub *h, const char *report_id)
{
	return map_get(&h->rooms_active, report_id);
}

void room_poke(struct room *room)
{
	room->tick_ms = 0;
}

struct room *room_open(struct hub *h, const struct store_session *row)
{
	struct room *room = calloc(1, sizeof *room);

	if (!room)
		return NULL;
	room->hub = h;
	room->key = row->key;
	room->floor = row->floor;
	room->active = row->active;
	memcpy(room->session_id, row->session_id, sizeof room->session_id);
	memcpy(room->report_id, row->report_id, sizeof room->report_id);
	room->held_end = &room->held;
	room->due_stored_ms = row->due_ms;
	room->used_ms = hub_mono(h);
	if (map_put(&h->rooms, room->session_id, room) ||
	    (row->active && map_put(&h->rooms_active, room->report_id, room))) {
		map_remove(&h->rooms, room->session_id);
		free(room);
		return NULL;
	}
	h->metrics.room_opens++;
	room_load(room);
	return room;
}

/* Forget everything that is folded or cached; connections and people stay. */
static void unload(struct room *room)
{
	fold_cancel(room->fold);
	room->fold = NULL;
	history_cancel(room);
	session_release(&room->head);
	slots_release(&room->tail);
	block_unref(room->block);
	room->block = NULL;
	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 2; j++) {
			block_unref(room->states[i][j].block);
			room->states[i][j].block = NULL;
		}
	}
}

void room_free(struct room *room)
{
	struct hub *h = room->hub;

	while (room->conns)
		conn_free(room->conns);
	unload(room);
	chunks_release(room);
	people_release(room);
	map_remove(&h->rooms, room->session_id);
	if (room_of_report(h, room->report_id) == room)
		map_remove(&h->rooms_active, room->report_id);
	free(room);
}

/* ---- loading ----------------------------------------------------------------------------------
 */

/* Run everything that waits for the room; each may wait again. */
static void run_waiting(struct room *room)
{
	struct exchange *x = room->waiting;

	room->waiting = NULL;
	while (x) {
		struct exchange *next = x->queue_next;

		x->queue_next = NULL;
		x->then(x);
		x = next;
	}
}

static void fail_waiting(struct room *room, const struct err *e)
{
	struct exchange *x = room->waiting;

	room->waiting = NULL;
	while (x) {
		struct exchange *next = x->queue_next;

		x->queue_next = NULL;
		exchange_error(x, e, NULL);
		x = next;
	}
}

/* When it has to be looked at: a lease or the session itself runs out, cursors counted. */
static int64_t due_ms(const struct room *room)
{
	const struct session *s = &room->head;
	int64_t active_ms = s->activity_ms > room->cursor_ms ? s->activity_ms : room->cursor_ms;
	int64_t timeout_ms = active_ms + s->settings.timeout_minutes * INT64_C(60000);

	if (room_over(room) || session_due_ms(s) == INT64_MAX)
		return INT64_MAX;
	return timeout_ms < s->locks_due_ms ? timeout_ms : s->locks_due_ms;
}

/* End what has run out. */
static void expire(struct room *room)
{
	struct command c;

	if (room->state != ROOM_LIVE || room_over(room) || due_ms(room) > hub_wall(room->hub))
		return;
	command_init(&c, COMMAND_EXPIRE);
	room_system(room, &c);
}

/*
 * A due time that lies behind what the log says was put off by what is not in the log: cursors, or
 * being activated.
 */
static void believe_due(struct room *room)
{
	int64_t timeout_ms = room->head.settings.timeout_minutes * INT64_C(60000);

	if (room->due_stored_ms != STORE_NEVER &&
	    room->due_stored_ms - timeout_ms > room->cursor_ms)
		room->cursor_ms = room->due_stored_ms - timeout_ms;
}

static void loaded(void *arg, struct fold *f)
{
	struct room *room = arg;
	struct hub *h = room->hub;

	room->fold = NULL;
	room->used_ms = hub_mono(h);
	if (f->rc) {
		hub_log(h, LOG_ERROR, "session %s cannot be opened: %s", room->session_id,
		        f->err.text);
		fail_waiting(room, &f->err);
		for (struct conn *c = room->conns; c; c = c->next)
			conn_close_after(c, c->sent, 1013, "the session cannot be opened");
		room->state = ROOM_FAILED;
		room->tick_ms = room->used_ms + RETRY_MS;
		return;
	}
	room->head = f->session;
	f->session = (struct session){0};
	room->committed = room->head.seq;
	room->tail_after = room->head.seq;
	room->snapshot_seq = f->from_seq;
	room->end_committed = room->head.ended_ms != 0;
	if (room->end_committed && room_of_report(h, room->report_id) == room)
		map_remove(&h->rooms_active, room->report_id); /* it was done before a failure */
	room->state = ROOM_LIVE;
	room->presence_dirty = true;
	believe_due(room);
	room_poke(room);
	/* Nobody is shown who or what is over. */
	room_presence(room);
	expire(room);
	if (room->state != ROOM_LIVE)
		return; /* that could not be written: it is loading again */
	release_held(room);
	run_waiting(room);
	for (struct conn *c = room->conns; c; c = c->next)
		conn_resync(c);
}

void room_load(struct room *room)
{
	struct err e = {0};

	room->state = ROOM_LOADING;
	room->fold = fold_start(room->hub, room->key, INT64_MAX, INT64_MAX,
	                        (size_t)room->hub->limits->base_changes, loaded, room);
	if (room->fold)
		return;
	err_set(&e, ERR_NOMEM, NULL);
	fail_waiting(room, &e);
	room->state = ROOM_FAILED;
}

void room_stand_still(struct room *room)
{
	assert(room->state == ROOM_LIVE && room->committed == room->head.seq);
	room->state = ROOM_LOADING;
}

void room_reload(struct room *room)
{
	unload(room);
	chunks_release(room);
	room->reads_stale = room->reads > 0;
	room->tail_after = room->committed;
	for (struct conn *c = room->conns; c; c = c->next)
		full_state_drop(c);
	room_load(room);
}

/* ---- commits ----------------------------------------------------------------------------------
 */

void room_hold(struct room *room, struct exchange *x, int64_t at_seq)
{
	x->at_seq = at_seq;
	x->queue_next = NULL;
	if (room->state == ROOM_LIVE && at_seq <= room->committed) {
		x->then(x);
		return;
	}
	*room->held_end = x;
	room->held_end = &x->queue_next;
}

/* Let go of the answers whose seq is on stable storage. */
static void release_held(struct room *room)
{
	while (room->held && room->held->at_seq <= room->committed) {
		struct exchange *x = room->held;

		room->held = x->queue_next;
		if (!room->held)
			room->held_end = &room->held;
		x->queue_next = NULL;
		x->then(x);
	}
}

void room_wake(struct room *room)
{
	for (struct conn *c = room->conns; c; c = c->next)
		conn_want(c);
}

/* Where there are many rooms each has its share of what all may have, down to TAIL_MIN. */
static size_t tail_max(const struct room *room)
{
	const struct hub *h = room->hub;
	int64_t share = h->limits->tails_bytes / (int64_t)h->rooms.len;

	if (share < TAIL_MIN)
		share = TAIL_MIN;
	return (size_t)(share < h->limits->tail_bytes ? share : h->limits->tail_bytes);
}

static void trim_tail(struct room *room)
{
	size_t max = tail_max(room);

	while (room->tail.bytes > max && room->tail_after < room->committed) {
		slots_drop(&room->tail);
		room->tail_after++;
	}
}

/*
 * Answers that were computed from what is lost: reads are made anew from what is there, writes were
 * in vain.  The others keep their place.
 */
static void lose_held(struct room *room, int64_t seq)
{
	struct exchange **p = &room->held;
	struct err e = {0};

	err_set(&e, ERR_STORE_UNAVAILABLE, "the store cannot be written");
	while (*p) {
		struct exchange *x = *p;

		if (x->at_seq <= seq) {
			p = &x->queue_next;
			continue;
		}
		*p = x->queue_next;
		x->queue_next = NULL;
		if (!exchange_again(x))
			exchange_error(x, &e, NULL);
	}
	room->held_end = p;
}

/* Events above seq did not reach the disk: all that was decided since is void. */
void room_appends_lost(struct room *room, const struct err *why, int64_t seq)
{
	hub_log(room->hub, LOG_ERROR, "session %s: append failed: %s", room->session_id, why->text);
	room->hub->metrics.append_failures++;
	room->hub->store_retry_ms = hub_mono(room->hub) + RETRY_MS;
	room->state = ROOM_FAILED;
	lose_held(room, seq);
	for (struct conn *c = room->conns; c; c = c->next)
		conn_lost_appends(c, seq);
	unload(room);
	room->tail_after = room->committed;
}

/* The room has failed; what was queued before is waited for, because it may be done all the same.
 */
static void appended_late(struct room *room, const struct store_reply *reply)
{
	if (room->seq_queued && reply->rc) {
		room->seq_queued = 0;
		room_appends_lost(room, &reply->err, room->committed);
	} else if (room->seq_queued) {
		room->committed = room->tail_after = reply->seq;
	}
	if (room->appends > 0)
		return;
	room->seq_queued = 0;
	room_load(room); /* with what was done meanwhile */
}

void room_appended(void *arg, const struct store_reply *reply)
{
	struct room *room = arg;

	room->pending--;
	room->appends--;
	if (room->state != ROOM_FAILED && reply->rc)
		room_appends_lost(room, &reply->err, room->committed);
	if (room->state == ROOM_FAILED) {
		appended_late(room, reply);
		return;
	}
	hub_store_works(room->hub);
	room->committed = reply->seq;
	room->committed_ms = hub_wall(room->hub);
	if (room->head.ended_ms && room->committed == room->head.seq && !room->end_committed) {
		room->end_committed = true;
		if (room_of_report(room->hub, room->report_id) == room)
			map_remove(&room->hub->rooms_active, room->report_id);
	}
	trim_tail(room);
	release_held(room);
	room_wake(room);
}

/* ---- the end, and the server's own commands
 * ------------------------------------------------------ */

void room_ended(struct room *room)
{
	bool timeout = room->head.end_reason && strcmp(room->head.end_reason, "timeout") == 0;

	for (struct conn *c = room->conns; c; c = c->next)
		conn_close_after(c, room->head.seq, timeout ? 4408 : 4410,
		                 timeout ? "session timed out" : "session ended");
}

void room_system(struct room *room, const struct command *c)
{
	struct decide_env env = {.now_ms = hub_wall(room->hub),
	                         .cursor_ms = room->cursor_ms,
	                         .limits = room->hub->limits};
	struct decision d = {0};
	struct err e = {0};
	int rc;

	if (!room->active || (hub_writable(room->hub, &e) && !room->hub->draining))
		return;
	rc = decide(&room->head, c, NULL, &env, &d, &e);
	if (!rc && d.len > 0)
		(void)room_append(room, &d, 0,
		                  &e); /* a failure loads the room again, and it is retried */
	decision_release(&d);
}

/* ---- by time ----------------------------------------------------------------------------------
 */

static void snapshot_kept(void *arg, const struct store_reply *reply)
{
	struct room *room = arg;

	room->pending--;
	room->snapshot_pending = false;
	if (!reply->rc)
		room->hub->metrics.snapshots++;
	room_poke(room);
}

void room_snapshot(struct room *room, int64_t now)
{
	struct buf summary, *out = &room->hub->scratch;
	int64_t due = due_ms(room);

	if (room->state != ROOM_LIVE || room->snapshot_pending ||
	    room->snapshot_seq == room->head.seq)
		return;
	buf_init(&summary, 1 << 20);
	buf_clear(out);
	state_write(&room->head, out);
	summary_write(&room->head, &summary);
	if (!buf_error(out) && !buf_error(&summary) &&
	    store_snapshot_put(room->hub->store, room->key, room->head.seq, out->p, out->len,
	                       summary.p, due, snapshot_kept, room) == 0) {
		room->pending++;
		room->snapshot_pending = true;
		room->snapshot_seq = room->head.seq;
		room->snapshot_ms = now;
		room->snapshot_bytes = out->len;
		room->due_stored_ms = due;
	}
	buf_release(&summary);
}

/*
 * Snapshots follow the head by some seconds, longer for large states; they are put into the
 * writer's queue behind the events they hold, so the store refuses one whose events were lost.
 */
static int64_t snapshot_tick(struct room *room, int64_t now, bool at_once)
{
	int64_t pace = ROOM_SNAPSHOT_MS + (int64_t)room->snapshot_bytes / SNAPSHOT_BYTES_PER_MS;
	int64_t behind = room->head.seq - room->snapshot_seq;
	bool due_moved = room->due_stored_ms == 0;

	if ((behind == 0 && !due_moved) || room->snapshot_pending ||
	    (room->hub->store_retry_ms && now < room->hub->store_retry_ms))
		return 1000;
	if (behind >= room->hub->conf->snapshot_events)
		pace /= 8;
	if (due_moved)
		room->snapshot_seq = 0; /* the same state, for the sake of its due time */
	if (at_once || due_moved || now - room->snapshot_ms >= pace)
		room_snapshot(room, now);
	return pace;
}

static bool idle(const struct room *room)
{
	return !room->conns && !room->waiting && !room->held && room->exchanges == 0 &&
	       room->pending == 0 && !room->fold && !room->history && !room_has_people(room);
}

void room_tick(struct room *room, int64_t now)
{
	struct hub *h = room->hub;
	int64_t wait = 1000, ms;

	room->tick_ms = now + wait;
	if (room->state == ROOM_FAILED && room->appends == 0) {
		if (idle(room) && now - room->used_ms > RETRY_MS) {
			room_free(room);
			return;
		}
		room_load(room);
	}
	if (room->state == ROOM_LIVE) {
		bool leaving = now - room->used_ms >= h->conf->room_idle_seconds * 1000;

		expire(room);
		if (room->state != ROOM_LIVE)
			return;
		wait = room_presence_tick(room, now);
		ms = due_ms(room) - hub_wall(h);
		/* What is overdue could not be written: not again at once. */
		wait = ms < wait ? (ms < 1 ? 100 : ms) : wait;
		ms = snapshot_tick(room, now, leaving);
		wait = ms < wait ? ms : wait;
		if (leaving && idle(room) && room->snapshot_seq == room->head.seq) {
			room_free(room);
			return;
		}
		if (room->conns)
			room->used_ms = now;
		trim_tail(room); /* there may be more rooms than before */
	}
	if (now >= room->conns_tick_ms) {
		room->conns_tick_ms = now + 1000;
		for (struct conn *c = room->conns; c; c = c->next)
			conn_tick(c, now, hub_wall(h));
	}
	if (room->tick_ms != 0) /* not poked meanwhile */
		room->tick_ms = now + wait;
}
