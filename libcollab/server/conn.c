/*
 * A connection: it comes, it goes, and what it waits for comes due.  What it is told waits in two
 * places, its seq in the room's log and its replies (conn_reply.c); what it says is in conn_say.c.
 */
#include "server/conn.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/exchange.h"
#include "server/room.h"

/* Whoever is at the other end, for administrators. */
static void note_remote(struct conn *c, const struct peer *peer)
{
	if (peer->local)
		(void)snprintf(c->remote, sizeof c->remote, "local, pid %ld", (long)peer->pid);
	else
		(void)snprintf(c->remote, sizeof c->remote, "%s", peer->address); /* as long */
}

struct conn *conn_new(struct exchange *x, enum framing framing)
{
	struct hub *h = x->hub;
	struct user *u = hub_user(h, x->who.user_id);
	struct conn *c = calloc(1, sizeof *c);

	if (!c || !u) {
		free(c);
		return NULL;
	}
	c->hub = h;
	c->room = x->room;
	c->sock = x->sock;
	c->id = ++h->conn_id_last;
	c->who = x->who;
	x->who = (struct identity){0};
	c->framing = framing;
	c->until = INT64_MAX;
	c->close_at = INT64_MAX;
	c->replies_end = &c->replies;
	c->inbox_end = &c->inbox;
	c->opened_ms = hub_wall(h);
	note_remote(c, &x->request->peer);
	c->next = c->room->conns;
	if (c->next)
		c->next->prev = c;
	c->room->conns = c;
	c->room->conns_len++;
	u->conns++;
	h->conns++;
	h->metrics.connects++;
	return c;
}

void conn_join(struct conn *c, int64_t since, bool resumed, const char *reason)
{
	struct room *room = c->room;

	c->sent = resumed ? since : room->head.seq;
	c->state_reason = reason;
	c->cursor_stamp = resumed ? 0 : room->cursor_stamp;
	if (c->full)
		room->readers_full++;
	if (!c->silent)
		person_conn_opened(room, c);
	if (room->state !=
	    ROOM_LIVE) { /* going online failed to be written; resync tells the rest */
		c->state_wanted = !resumed;
		c->synced_wanted = resumed;
		return;
	}
	if (resumed) {
		conn_mark(c, REPLY_SYNCED, "synced", NULL, room->head.seq, room->head.hash);
	} else {
		c->sent = room->head.seq;
		conn_state(c);
	}
	conn_want(c);
}

void conn_free(struct conn *c)
{
	struct room *room = c->room;
	struct user *u = map_get(&c->hub->users, c->who.user_id);

	if (c->prev)
		c->prev->next = c->next;
	else
		room->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	room->conns_len--;
	room->readers_full -= c->full;
	history_forget(room, c, NULL);
	full_state_drop(c);
	block_unref(c->last_block);
	if (u)
		u->conns--;
	c->hub->conns--;
	c->hub->metrics.disconnects++;
	while (c->replies) {
		struct reply *r = c->replies;

		c->replies = r->next;
		reply_free(r);
	}
	while (c->inbox) {
		struct inbox *m = c->inbox;

		c->inbox = m->next;
		free(m);
	}
	for (size_t i = 0; i < c->locks_len; i++)
		free(c->lock_sections[i]);
	free(c->lock_sections);
	free(c->lock_fences);
	free(c->filter);
	identity_release(&c->who);
	free(c);
}

void hub_gone(struct conn *c, bool clean)
{
	struct room *room = c->room;

	hub_enter(c->hub);
	c->gone = true;
	if (!c->silent)
		person_conn_closed(room, c, clean);
	room->used_ms = hub_mono(c->hub);
	conn_free(c);
}

void conn_tick(struct conn *c, int64_t now_mono, int64_t now_wall)
{
	struct room *room = c->room;
	int64_t left = c->who.expires_ms == INT64_MAX ? INT64_MAX : c->who.expires_ms - now_wall;
	const struct slot *slot = NULL;
	char stamp[RFC3339_LEN + 1];

	if (left <= 0) {
		conn_close_after(c, c->sent, 4401, "token expired");
	} else if (left <= 60000 && !c->token_told) {
		c->token_told = true;
		rfc3339_format(now_wall, stamp);
		buf_clear(&c->hub->scratch);
		buf_printf(&c->hub->scratch,
		           "{\"expires_in\":%lld,\"session_id\":\"%s\",\"timestamp\":\"%s\","
		           "\"type\":\"token_expiring\"}",
		           (long long)((left + 999) / 1000), room->session_id, stamp);
		(void)conn_reply(c, REPLY_MARK, c->hub->scratch.p, c->hub->scratch.len, NULL,
		                 c->sent, NULL);
	}
	if (c->waits_chunk && room->reads == 0) {
		c->waits_chunk = false;
		conn_want(c); /* the read could not be asked for before */
	}
	if (c->skipped && now_mono - c->checkpoint_ms >= 1000) {
		slot = room_slot(room, c->sent);
		if (slot && slot_look((struct slot *)slot) == 0) {
			c->skipped = false;
			c->checkpoint_ms = now_mono;
			conn_mark(c, REPLY_MARK, "checkpoint", NULL, c->sent, slot->hash);
		}
	}
}
