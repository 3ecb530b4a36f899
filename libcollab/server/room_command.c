/* Commands in a room: decide, append, answer; and the rebuilding of history that some need first.
 */
#include <stdlib.h>
#include <string.h>

#include "server/conn.h"
#include "server/exchange.h"
#include "server/fold.h"
#include "server/room.h"

/* ---- history ----------------------------------------------------------------------------------
 */

/* A section whose earlier changes are being read from the log, and who waits for them. */
struct history_wait {
	struct history_wait *next;
	struct room *room;
	struct fold *fold;
	char *section_id;
	int64_t base_seq;
	struct sender senders[16];
	int senders_len;
};

static void resume_sender(struct sender s)
{
	if (s.conn)
		conn_unblock(s.conn);
	else if (s.x)
		s.x->then(s.x);
}

static void history_unlink(struct history_wait *w)
{
	struct history_wait **p = &w->room->history;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
}

static void history_came(void *arg, struct fold *f)
{
	struct history_wait *w = arg;
	struct session *head = &w->room->head;
	const struct section *sec = NULL;
	int rc = f->rc ? f->rc : session_history_extend(head, w->section_id, &f->session);

	history_unlink(w);
	sec = session_section(head, w->section_id);
	/* What could not be rebuilt is refused when it is decided again: the base is too old. */
	w->room->history_failed = rc || (sec && !section_history_covers(sec, w->base_seq));
	for (int i = 0; i < w->senders_len; i++)
		resume_sender(w->senders[i]);
	w->room->history_failed = false;
	free(w->section_id);
	free(w);
}

int history_want(struct room *room, const char *section_id, int64_t base_seq, struct sender sender)
{
	const struct section *sec = session_section(&room->head, section_id);
	struct history_wait *w = NULL;

	for (w = room->history; w; w = w->next) {
		if (strcmp(w->section_id, section_id) == 0 && w->senders_len < 16) {
			w->senders[w->senders_len++] = sender;
			return 0;
		}
	}
	w = calloc(1, sizeof *w);
	if (!w || !sec)
		goto fail;
	w->room = room;
	w->base_seq = base_seq;
	w->section_id = strdup(section_id);
	if (!w->section_id)
		goto fail;
	w->fold = fold_start(room->hub, room->key, base_seq, sec->changes_after,
	                     (size_t)room->hub->limits->base_changes, history_came, w);
	if (!w->fold)
		goto fail;
	w->fold->session.history_section = w->section_id;
	w->senders[w->senders_len++] = sender;
	w->next = room->history;
	room->history = w;
	return 0;
fail:
	if (w)
		free(w->section_id);
	free(w);
	return ERR_NOMEM;
}

void history_forget(struct room *room, const struct conn *c, const struct exchange *x)
{
	for (struct history_wait *w = room->history; w; w = w->next)
		for (int i = 0; i < w->senders_len; i++)
			if ((c && w->senders[i].conn == c) || (x && w->senders[i].x == x))
				w->senders[i] = (struct sender){0};
}

void history_cancel(struct room *room)
{
	while (room->history) {
		struct history_wait *w = room->history;

		room->history = w->next;
		fold_cancel(w->fold);
		for (int i = 0; i < w->senders_len; i++)
			if (w->senders[i]
			            .x) /* asked again once the room is live; conns are resynced */
				exchange_with_room(w->senders[i].x, room, w->senders[i].x->then);
		free(w->section_id);
		free(w);
	}
}

/* ---- commands ---------------------------------------------------------------------------------
 */

static void refuse(struct sender s, const struct command *c, const struct err *e,
                   const struct decision *d)
{
	if (s.conn)
		conn_error(s.conn, c->ref, e, d);
	else if (s.x)
		exchange_error_committed(s.x, e, d);
}

/* The answer of a command that was taken: an ack. */
static void acknowledge(struct room *room, const struct command *c, const struct decision *d,
                        struct sender s, struct ack *ack)
{
	struct slot *slot = NULL;

	ack->session_id = room->session_id;
	ack->time_ms = hub_wall(room->hub);
	if (d->len == 0 && !d->duplicate)
		ack->seq = room->head.seq;
	if (d->duplicate)
		room->hub->metrics.duplicates++;
	if (d->len > 0)
		ack->event_id = room->event_id;
	slot = room_slot(room, ack->seq);
	if (ack->seq == room->head.seq)
		ack->hash = room->head.hash;
	else if (slot && slot_look(slot) == 0)
		ack->hash = slot->hash;
	room->hub->metrics.acks++;
	if (s.conn)
		conn_decided(s.conn, c, ack, d->len > 0);
	else if (s.x)
		rest_decided(s.x, c, ack);
}

/* An id for a comment or conflict.  Few commands make one: it is kept until it is taken. */
static void fresh_id(struct hub *h, char out[UUID_LEN + 1])
{
	if (!h->spare_id[0])
		hub_uuid(h, h->spare_id);
	memcpy(out, h->spare_id, sizeof h->spare_id);
}

static void id_taken(struct hub *h, const struct decision *d, const char *id)
{
	for (size_t i = 0; i < d->len; i++)
		if (d->events[i].comment_id == id || d->events[i].conflict_id == id)
			h->spare_id[0] = '\0';
}

int room_command(struct room *room, const struct command *c, const struct actor *actor,
                 struct sender sender)
{
	char new_id[UUID_LEN + 1];
	struct decide_env env = {.now_ms = hub_wall(room->hub),
	                         .cursor_ms = room->cursor_ms,
	                         .new_id = new_id,
	                         .limits = room->hub->limits};
	struct ack ack = {
		.version = EVENT_ABSENT, .fence = EVENT_ABSENT, .expires_ms = EVENT_ABSENT};
	struct decision d = {0};
	struct err e = {0};
	int64_t base = c->base_seq;
	int rc = hub_writable(room->hub, &e);

	fresh_id(room->hub, new_id);
	if (!rc && !room->active && !room->head.ended_ms)
		rc = err_set(&e, ERR_SESSION_ENDED,
		             "the session was imported and is not active here");
	if (!rc)
		rc = decide(&room->head, c, actor, &env, &d, &e);
	if (rc == DECIDE_HISTORY) {
		if (c->kind == COMMAND_COMMENT_ADD)
			base = c->anchor.base_seq;
		else if (base == EVENT_ABSENT)
			base = c->if_version;
		if (!room->history_failed && c->section_id &&
		    history_want(room, c->section_id, base, sender) == 0)
			goto out;
		rc = err_field(&e, ERR_BASE_TOO_OLD, "base_seq",
		               "the text at that base is not kept any more");
	}
	id_taken(room->hub, &d, new_id);
	if (!rc) /* read off the events before they are applied: they lend from the state */
		ack_of_decision(&d, c, &ack);
	if (!rc && d.len > 0)
		rc = room_append(room, &d, sender.conn ? sender.conn->id : 0, &e);
	if (rc)
		refuse(sender, c, &e, &d);
	else
		acknowledge(room, c, &d, sender, &ack);
out:
	decision_release(&d);
	return rc;
}
