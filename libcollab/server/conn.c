/*
 * A connection: what it says is parsed, decided and answered; what it is told waits in two places,
 * its seq in the room's log and a short queue of replies that go out at their place in that log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/hub_int.h"
#include "server/room.h"

/* ---- replies ----------------------------------------------------------------------------------
 */

void conn_want(struct conn *c)
{
	if (c->wanted || c->gone)
		return;
	c->wanted = true;
	c->hub->transport.want_write(c->sock);
}

/* Room for a reply of so many bytes at the end of the queue; NULL: out of memory. */
static struct reply *reply_new(struct conn *c, enum reply_kind kind, size_t bytes, int64_t at_seq)
{
	struct reply *r = calloc(1, sizeof *r + bytes);

	if (!r) {
		/* An answer that cannot be given must not be missed: the client resumes. */
		conn_close_after(c, c->sent, 1013, "out of memory");
		return NULL;
	}
	r->kind = kind;
	r->at_seq = at_seq;
	*c->replies_end = r;
	c->replies_end = &r->next;
	c->replies_len++;
	conn_want(c);
	return r;
}

int conn_line(struct conn *c, const char *json, size_t len, int64_t at_seq)
{
	struct reply *r = reply_new(c, REPLY_STATE, len + 1, at_seq);

	if (!r)
		return ERR_NOMEM;
	memcpy(r->bytes, json, len);
	r->bytes[len] = '\n';
	r->len = r->own_len = len + 1;
	return 0;
}

int conn_reply(struct conn *c, enum reply_kind kind, const char *json, size_t len,
               struct block *block, int64_t at_seq, const char *ref)
{
	size_t ref_len = ref ? strlen(ref) : 0, total = len + (block ? block->len : 0);
	struct reply *r = NULL;
	size_t head;

	if (c->framing != FRAMING_WS)
		return 0; /* a stream of events has nothing else in it */
	r = reply_new(c, kind, WS_HEADER_MAX + len + ref_len + 1, at_seq);
	if (!r)
		return ERR_NOMEM;
	head = ws_frame_header((unsigned char *)r->bytes, WS_TEXT, total, NULL);
	memcpy(r->bytes + head, json, len);
	memcpy(r->bytes + head + len, ref ? ref : "", ref_len + 1);
	r->own_len = head + len;
	r->len = head + total;
	r->ref_len = ref_len;
	r->block = block;
	if (block)
		block->refs++;
	return 0;
}

static void reply_free(struct reply *r)
{
	block_unref(r->block);
	free(r);
}

void conn_close_after(struct conn *c, int64_t seq, int code, const char *reason)
{
	if (seq >= c->close_at)
		return;
	c->close_at = seq;
	c->close_code = code;
	c->close_reason = reason;
	conn_want(c);
}

/* Errors of form, not of permission or state: a client that makes nothing else is closed. */
static bool is_malformed(int code)
{
	switch (code) {
	case ERR_BAD_JSON:
	case ERR_BAD_UTF8:
	case ERR_BINARY_FRAME:
	case ERR_UNKNOWN_TYPE:
	case ERR_MISSING_FIELD:
	case ERR_BAD_FIELD:
	case ERR_RESERVED_KEY:
	case ERR_BAD_DELTA:
		return true;
	default:
		return false;
	}
}

void conn_error(struct conn *c, const char *ref, const struct err *error, const struct decision *d)
{
	struct hub *h = c->hub;
	int64_t max = h->limits->errors_in_a_row;
	struct err inner = {0};
	const struct err *e = hub_error(h, error, &inner);

	h->metrics.errors[-e->code]++;
	buf_clear(&h->scratch);
	error_write(c->room->session_id, ref, e, d, hub_wall(h), &h->scratch);
	(void)conn_reply(c, REPLY_ANSWER, h->scratch.p, h->scratch.len, NULL, c->room->head.seq,
	                 ref);
	c->errors_in_a_row = is_malformed(e->code) ? c->errors_in_a_row + 1 : 0;
	if (max > 0 && c->errors_in_a_row >= max)
		conn_close_after(c, c->sent, 4400, "too many malformed messages");
}

static void conn_mark(struct conn *c, enum reply_kind kind, const char *type, const char *ref,
                      int64_t seq, const unsigned char *hash)
{
	struct buf *out = &c->hub->scratch;

	buf_clear(out);
	mark_write(type, c->room->session_id, ref, seq, hash, hub_wall(c->hub), out);
	(void)conn_reply(c, kind, out->p, out->len, NULL, seq, NULL);
}

void conn_state(struct conn *c)
{
	struct room *room = c->room;
	struct block *block = NULL;
	struct buf *out = &c->hub->scratch;
	enum role role = session_role(&room->head, c->who.user_id);

	if (c->detail == STATE_NONE && !c->state_reason) {
		conn_mark(c, REPLY_SYNCED, "synced", NULL, room->head.seq, room->head.hash);
		return;
	}
	block = room_state_block(room, c->detail, c->without_email);
	if (!block) {
		conn_close_after(c, c->sent, 1013, "out of memory");
		return;
	}
	buf_clear(out);
	buf_printf(out, "{\"you\":{\"connection_id\":\"%llu\",\"role\":\"%s\",\"user_id\":\"%s\"},",
	           (unsigned long long)c->id, role_name(role), c->who.user_id);
	if (c->state_reason)
		buf_printf(out, "\"resumed\":false,\"reason\":\"%s\",", c->state_reason);
	(void)conn_reply(c, REPLY_STATE, out->p, out->len, block, room->head.seq, NULL);
}

/* ---- life -------------------------------------------------------------------------------------
 */

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

/* ---- a failed append --------------------------------------------------------------------------
 */

void conn_lost_appends(struct conn *c, int64_t seq)
{
	struct reply *r = c->replies;
	struct err e = {0};

	err_set(&e, ERR_STORE_UNAVAILABLE, "the store cannot be written; nothing was changed");
	c->replies = NULL;
	c->replies_end = &c->replies;
	c->replies_len = 0;
	while (r) {
		struct reply *next = r->next;

		r->next = NULL;
		if (r->at_seq <= seq) {
			*c->replies_end = r;
			c->replies_end = &r->next;
			c->replies_len++;
			r = next;
			continue;
		}
		if (r->kind == REPLY_ACK || r->kind == REPLY_ANSWER) {
			struct buf *out = &c->hub->scratch;
			const char *ref = r->ref_len ? r->bytes + r->own_len : NULL;

			buf_clear(out);
			error_write(c->room->session_id, ref, &e, NULL, hub_wall(c->hub), out);
			(void)conn_reply(c, REPLY_ANSWER, out->p, out->len, NULL, seq, ref);
		}
		c->state_wanted |= r->kind == REPLY_STATE;
		c->synced_wanted |= r->kind == REPLY_SYNCED;
		reply_free(r);
		r = next;
	}
	if (c->sent > seq)
		c->sent = seq;
	if (c->close_at != INT64_MAX && c->close_at > seq)
		c->close_at = INT64_MAX; /* what it was to be closed for did not happen */
	c->own_len = 0;
	/* It may have been too full to be read, and what filled it is gone. */
	if (!c->gone)
		c->hub->transport.want_read(c->sock);
}

/* What it was to be sent next is gone: a fresh state, never a gap; a bare stream ends. */
static void below_floor(struct conn *c)
{
	if (c->framing != FRAMING_WS) {
		conn_close_after(c, c->sent, 1013, "the log was compacted");
		return;
	}
	c->sent = c->room->head.seq;
	c->state_reason = "compacted";
	conn_state(c);
}

void conn_resync(struct conn *c)
{
	if (c->state_wanted) {
		c->state_wanted = c->synced_wanted = false;
		c->sent = c->room->head.seq;
		conn_state(c);
	} else if (c->synced_wanted) {
		c->synced_wanted = false;
		conn_mark(c, REPLY_SYNCED, "synced", NULL, c->room->head.seq, c->room->head.hash);
	}
	if (c->sent < c->room->floor)
		below_floor(c);
	if (c->blocked)
		conn_unblock(c);
	conn_want(c);
}

/* ---- what a connection says -------------------------------------------------------------------
 */

void conn_actor(const struct conn *c, const char *section_id, struct actor *actor)
{
	uint64_t hash = section_id ? hash64(0, section_id, strlen(section_id)) : 0;

	*actor = (struct actor){.user_id = c->who.user_id,
	                        .name = c->who.name,
	                        .via = c->who.via,
	                        .admin = (c->who.scopes & SCOPE_ADMIN) != 0,
	                        .fences_section = (const char *const *)c->lock_sections,
	                        .fences = c->lock_fences,
	                        .fences_len = c->locks_len};
	for (int i = 0; i < c->own_len; i++)
		if (c->own[i].section_hash == hash)
			actor->own_seq_of_section = c->own[i].seq;
}

/* Remember this connection's last change of a section; the least recent one makes room. */
static void own_change(struct conn *c, const char *section_id, int64_t seq)
{
	uint64_t hash = hash64(0, section_id, strlen(section_id));
	int max = (int)(sizeof c->own / sizeof c->own[0]), i = 0, least = 0;

	for (i = 0; i < c->own_len && c->own[i].section_hash != hash; i++)
		if (c->own[i].seq < c->own[least].seq)
			least = i;
	if (i == c->own_len && c->own_len == max)
		i = least;
	else if (i == c->own_len)
		c->own_len++;
	c->own[i] = (struct own_change){hash, seq};
}

static void forget_lock(struct conn *c, const char *section_id)
{
	for (size_t i = 0; i < c->locks_len; i++) {
		if (strcmp(c->lock_sections[i], section_id) != 0)
			continue;
		free(c->lock_sections[i]);
		c->locks_len--;
		c->lock_sections[i] = c->lock_sections[c->locks_len];
		c->lock_fences[i] = c->lock_fences[c->locks_len];
		return;
	}
}

static void remember_lock(struct conn *c, const char *section_id, int64_t fence)
{
	char **sections = NULL, *copy = NULL;
	int64_t *fences = NULL;

	forget_lock(c, section_id);
	sections = realloc(c->lock_sections, (c->locks_len + 1) * sizeof *sections);
	if (sections)
		c->lock_sections = sections;
	fences = realloc(c->lock_fences, (c->locks_len + 1) * sizeof *fences);
	if (fences)
		c->lock_fences = fences;
	copy = strdup(section_id);
	if (!sections || !fences || !copy) {
		free(copy); /* it then has to present the fence, which its ack tells it */
		return;
	}
	c->lock_sections[c->locks_len] = copy;
	c->lock_fences[c->locks_len++] = fence;
}

/*
 * A content=full connection is told texts, not operations, also of its own change: the text that
 * came of it (perhaps without any event), unless that is the very text it sent.
 */
static const struct changes *full_changes(struct conn *c, const struct command *cmd,
                                          const struct changes *stored, struct changes *full)
{
	const struct section *sec = session_section(&c->room->head, cmd->section_id);
	const struct changes *sent = &cmd->changes;

	if (!c->full || !sec || !sec->content || (!sent->content && !sent->delta))
		return stored;
	if (sent->content && sent->content_len == sec->content_len &&
	    memcmp(sent->content, sec->content, sec->content_len) == 0)
		return NULL;
	*full = (struct changes){.content = sec->content,
	                         .content_len = sec->content_len,
	                         .keys = stored ? stored->keys : NULL};
	return full;
}

void conn_decided(struct conn *c, const struct command *cmd, struct ack *ack, bool event)
{
	struct buf *out = &c->hub->scratch;
	struct changes full;

	if (cmd->kind == COMMAND_SECTION_UPDATE && !ack->duplicate)
		ack->changes = full_changes(c, cmd, ack->changes, &full);
	if (cmd->kind == COMMAND_SECTION_LOCK && ack->fence != EVENT_ABSENT && !ack->duplicate) {
		remember_lock(c, cmd->section_id, ack->fence);
		lost_lock_adopt(c->room, cmd->section_id, ack->fence);
	} else if (cmd->kind == COMMAND_SECTION_UNLOCK) {
		forget_lock(c, cmd->section_id);
	} else if (cmd->kind == COMMAND_SECTION_UPDATE && event) {
		own_change(c, cmd->section_id, ack->seq);
	}
	buf_clear(out);
	ack_write(ack, out);
	(void)conn_reply(c, event ? REPLY_ACK : REPLY_ANSWER, out->p, out->len, NULL,
	                 event ? ack->seq : c->room->head.seq, ack->ref);
}

/* token_refresh: the same user's new token takes the old one's place. */
static void refresh_token(struct conn *c, const struct command *cmd)
{
	struct identity id = {0};
	struct err e = {0};
	struct ack ack = {.session_id = c->room->session_id,
	                  .ref = cmd->ref,
	                  .seq = c->room->head.seq,
	                  .hash = c->room->head.hash,
	                  .version = EVENT_ABSENT,
	                  .fence = EVENT_ABSENT,
	                  .expires_ms = EVENT_ABSENT,
	                  .unchanged = true,
	                  .time_ms = hub_wall(c->hub)};
	int rc = auth_token(c->hub->auth, cmd->token, ack.time_ms, &id, &e);

	if (rc == AUTH_WAIT)
		rc = err_set(&e, ERR_UNAUTHENTICATED,
		             "the token's key is not known yet; try again");
	if (!rc && strcmp(id.user_id, c->who.user_id) != 0)
		rc = err_field(&e, ERR_FORBIDDEN, "token", "the token is another user's");
	if (!rc && !(id.scopes & (SCOPE_READ | SCOPE_ADMIN)) &&
	    session_role(&c->room->head, id.user_id) == ROLE_NONE)
		rc = err_field(&e, ERR_FORBIDDEN, "token",
		               "the token does not let %s read this session", id.user_id);
	if (rc) {
		c->hub->metrics.auth_failures++;
		conn_error(c, cmd->ref, &e, NULL);
		identity_release(&id);
		return;
	}
	identity_release(&c->who);
	c->who = id;
	c->token_told = false;
	buf_clear(&c->hub->scratch);
	ack_write(&ack, &c->hub->scratch);
	(void)conn_reply(c, REPLY_ANSWER, c->hub->scratch.p, c->hub->scratch.len, NULL, ack.seq,
	                 cmd->ref);
}

static void cursor(struct conn *c, const struct command *cmd, const struct actor *actor)
{
	struct decide_env env = {.now_ms = hub_wall(c->hub), .limits = c->hub->limits};
	struct decision d = {0};
	struct err e = {0};

	if (decide(&c->room->head, cmd, actor, &env, &d, &e))
		conn_error(c, cmd->ref, &e, &d);
	else
		person_cursor(c->room, c, cmd);
	decision_release(&d);
}

/* A content without a base is made from what the connection was sent last (PROTOCOL: sections). */
static void assume_base(const struct conn *c, struct command *cmd)
{
	if (cmd->kind != COMMAND_SECTION_UPDATE || cmd->base_seq != EVENT_ABSENT ||
	    cmd->changes.delta || cmd->if_version != EVENT_ABSENT)
		return;
	cmd->base_seq = c->sent;
	for (int i = 0; i < c->own_len; i++) /* its own changes it knows, acked or not */
		if (c->own[i].seq > cmd->base_seq &&
		    c->own[i].section_hash == hash64(0, cmd->section_id, strlen(cmd->section_id)))
			cmd->base_seq = c->own[i].seq;
	cmd->base_assumed = true;
}

/* One whole message.  DECIDE_HISTORY: it must be said again once the history is there. */
static int say(struct conn *c, const char *bytes, size_t len, bool binary)
{
	struct room *room = c->room;
	struct message m;
	struct actor actor;
	struct err e = {0};
	int rc = 0;

	memset(&m, 0, sizeof m);
	if (binary)
		rc = err_set(&e, ERR_BINARY_FRAME, NULL);
	else
		rc = message_parse(bytes, len, c->hub->limits, &m, &e);
	if (rc) {
		conn_error(c, m.ref[0] ? m.ref : NULL, &e, NULL);
		message_release(&m);
		return 0;
	}
	c->errors_in_a_row = 0;
	conn_actor(c, m.command.section_id, &actor);
	if (m.command.kind == COMMAND_PING) {
		conn_mark(c, REPLY_MARK, "pong", m.command.ref, room->head.seq, room->head.hash);
	} else if (m.command.kind == COMMAND_TOKEN_REFRESH) {
		refresh_token(c, &m.command);
	} else if (c->watch) {
		err_set(&e, ERR_FORBIDDEN, "a connection with mode=watch only reads");
		conn_error(c, m.command.ref, &e, NULL);
	} else if (m.command.kind == COMMAND_CURSOR) {
		cursor(c, &m.command, &actor);
	} else {
		struct sender sender = {c, NULL};

		assume_base(c, &m.command);
		rc = room_command(room, &m.command, &actor, sender);
	}
	message_release(&m);
	return rc == DECIDE_HISTORY ? rc : 0;
}

/* Keep a message for later, behind what is kept already; `first`: in front of it. */
static void keep(struct conn *c, const char *bytes, size_t len, bool binary, bool first)
{
	struct inbox *m = malloc(sizeof *m + len + 1);

	if (!m) {
		conn_close_after(c, c->sent, 1013, "out of memory");
		return;
	}
	memcpy(m->bytes, bytes, len);
	m->bytes[len] = '\0';
	m->len = len;
	m->binary = binary;
	m->next = NULL;
	if (first) {
		m->next = c->inbox;
		c->inbox = m;
		if (!m->next)
			c->inbox_end = &m->next;
	} else {
		*c->inbox_end = m;
		c->inbox_end = &m->next;
	}
}

void conn_unblock(struct conn *c)
{
	c->blocked = false;
	while (c->inbox && !c->blocked && c->room->state == ROOM_LIVE) {
		struct inbox *m = c->inbox;

		c->inbox = m->next;
		if (!c->inbox)
			c->inbox_end = &c->inbox;
		if (say(c, m->bytes, m->len, m->binary)) {
			c->blocked = true;
			keep(c, m->bytes, m->len, m->binary, true);
		}
		free(m);
	}
	if (c->inbox)
		c->blocked = true;
	if (!c->blocked && !c->gone)
		c->hub->transport.want_read(c->sock);
}

/* ---- flow -------------------------------------------------------------------------------------
 */

/* Charge a message to the buckets of its connection; hub_reading says when it may go on. */
static void charge(struct conn *c, size_t len)
{
	const struct limits *l = c->hub->limits;
	int64_t now = hub_mono(c->hub), passed = now - c->messages.at_ms;
	double level, bytes = (double)len, out = (double)len * c->room->conns_len;

	if (!c->messages.at_ms) {
		level = (double)l->message_burst;
	} else {
		level = c->messages.level + (double)passed * (double)l->messages_per_second / 1000;
		if (level > (double)l->message_burst)
			level = (double)l->message_burst;
		c->byte_debt -= (double)passed * (double)l->bytes_per_second / 1000;
	}
	c->messages.at_ms = now ? now : 1;
	c->messages.level = level - 1;
	c->byte_debt = (c->byte_debt > 0 ? c->byte_debt : 0) + (out > bytes ? out : bytes);
}

int64_t hub_reading(struct conn *c)
{
	const struct limits *l = c->hub->limits;
	double level, debt, wait = 0;
	int64_t passed;

	if (c->blocked || c->replies_len >= l->unacked_messages || c->close_at <= c->sent)
		return -1;
	if (!c->messages.at_ms)
		return 0;
	passed = hub_mono(c->hub) - c->messages.at_ms;
	level = c->messages.level + (double)passed * (double)l->messages_per_second / 1000;
	if (l->messages_per_second > 0 && level < 0)
		wait = -level * 1000 / (double)l->messages_per_second;
	/* A second's worth of bytes may be owed. */
	debt = c->byte_debt - (double)(passed + 1000) * (double)l->bytes_per_second / 1000;
	if (l->bytes_per_second > 0 && debt > 0 && debt * 1000 / (double)l->bytes_per_second > wait)
		wait = debt * 1000 / (double)l->bytes_per_second;
	return wait > 0 ? (int64_t)wait + 1 : 0;
}

void hub_message(struct conn *c, const char *bytes, size_t len, bool binary)
{
	hub_enter(c->hub);
	c->hub->metrics.messages++;
	charge(c, len);
	if (c->close_at != INT64_MAX && c->close_code == 4403)
		return; /* removed: nothing that it says counts any more */
	if (c->blocked || c->room->state != ROOM_LIVE) {
		c->blocked = true;
		keep(c, bytes, len, binary, false);
		return;
	}
	if (say(c, bytes, len, binary)) {
		c->blocked = true;
		keep(c, bytes, len, binary, true);
	}
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
