/* What a connection says is parsed, decided and answered, as fast as its limits allow. */
#include <stdlib.h>
#include <string.h>

#include "proto/message.h"
#include "server/conn.h"
#include "server/room.h"

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
