/*
 * What of a live connection outlives its sockets: where we are in the log, what is not answered
 * yet, when to try again.  Pure: time and randomness are arguments.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "base/utf8.h"
#include "client/client_int.h"
#include "core/event.h"
#include "proto/json_scan.h"

enum { BACKOFF_MS = 500, BACKOFF_MS_MAX = 20000, SYNTHETIC_BYTES_MAX = 64 << 20 };

void live_init(struct live *l, int64_t since, const char *hash)
{
	*l = (struct live){.seq = since, .lost_ms = -1, .resumable = since >= 0};
	l->out_end = &l->out;
	if (hash)
		(void)snprintf(l->hash, sizeof l->hash, "%s", hash);
	buf_init(&l->synthetic, SYNTHETIC_BYTES_MAX);
}

static void outgoing_free(struct outgoing *o)
{
	free(o->ref);
	free(o);
}

void live_release(struct live *l)
{
	while (l->out) {
		struct outgoing *o = l->out;

		l->out = o->next;
		outgoing_free(o);
	}
	buf_release(&l->synthetic);
}

/* ---- what goes out ----------------------------------------------------------------------------
 */

/* Types whose messages are not answered one by one, or are answered without being durable. */
static bool is_transient(const char *type)
{
	return strcmp(type, "cursor_position") == 0 || strcmp(type, "ping") == 0 ||
	       strcmp(type, "heartbeat") == 0 || strcmp(type, "token_refresh") == 0;
}

static int queue_object(struct live *l, json_t *o, const unsigned char random[16],
                        const char **ref_out, struct collab_err *e)
{
	const char *type = json_string_value(json_object_get(o, "type"));
	const char *ref = json_string_value(json_object_get(o, "ref"));
	char uuid[UUID_LEN + 1], *text = NULL;
	struct outgoing *out = NULL;
	size_t len;

	if (!type)
		return client_fail(e, ERR_MISSING_FIELD, "the message has no type");
	if (json_object_get(o, "ref") && !ref)
		return client_fail(e, ERR_BAD_FIELD, "ref is not a string");
	if (!ref && !is_transient(type)) {
		uuid_format(random, uuid);
		ref = uuid;
		if (json_object_set_new(o, "ref", json_string(uuid)))
			return client_fail(e, ERR_NOMEM, "out of memory");
	}
	text = json_dumps(o, JSON_COMPACT);
	len = text ? strlen(text) : 0;
	out = text ? malloc(sizeof *out + len + 1) : NULL;
	if (out)
		out->ref = strdup(ref ? ref : "");
	if (!out || !out->ref) {
		free(out);
		free(text);
		return client_fail(e, ERR_NOMEM, "out of memory");
	}
	memcpy(out->json, text, len + 1);
	free(text);
	out->next = NULL;
	out->len = len;
	out->sent = false;
	out->own_ref = ref == uuid;
	out->transient = is_transient(type);
	l->pending += !out->transient;
	*l->out_end = out;
	l->out_end = &out->next;
	if (!l->unsent)
		l->unsent = out;
	if (ref_out)
		*ref_out = out->ref;
	return 0;
}

int live_queue(struct live *l, const char *json, size_t len, const unsigned char random[16],
               const char **ref_out, struct collab_err *e)
{
	json_error_t je;
	json_t *o = json_loadb(json, len, JSON_REJECT_DUPLICATES, &je);
	int rc;

	if (!json_is_object(o)) {
		json_decref(o);
		return client_fail(e, ERR_BAD_JSON, "not a JSON object");
	}
	rc = queue_object(l, o, random, ref_out, e);
	json_decref(o);
	return rc;
}

struct outgoing *live_to_send(struct live *l)
{
	return l->ready ? l->unsent : NULL;
}

static void unlink_out(struct live *l, struct outgoing *o)
{
	struct outgoing **p = &l->out;

	while (*p != o)
		p = &(*p)->next;
	*p = o->next;
	if (!o->next)
		l->out_end = p;
	if (l->unsent == o)
		l->unsent = o->next; /* answered before it went out again: it had arrived */
	l->pending -= !o->transient;
	outgoing_free(o);
}

void live_sent(struct live *l, struct outgoing *o)
{
	l->unsent = o->next;
	o->sent = true;
	l->nameless |= !o->ref[0];
	if (o->transient)
		unlink_out(l, o);
}

/* The message with that ref is answered.  Answers come in order, so it is nearly always the first.
 */
static bool answered(struct live *l, const char *ref)
{
	for (struct outgoing *o = l->out; o && ref[0]; o = o->next) {
		if (strcmp(o->ref, ref) != 0)
			continue;
		unlink_out(l, o);
		return true;
	}
	return false;
}

/* ---- what comes in ----------------------------------------------------------------------------
 */

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static enum collab_kind kind_of(const char *type)
{
	static const struct {
		const char *type;
		enum collab_kind kind;
	} kinds[] = {{"ack", COLLAB_ACK},
	             {"error", COLLAB_ERROR},
	             {"session_state", COLLAB_STATE},
	             {"synced", COLLAB_SYNCED},
	             {"checkpoint", COLLAB_CHECKPOINT},
	             {"cursor_position", COLLAB_CURSOR}};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(kinds[i].type, type) == 0)
			return kinds[i].kind;
	return event_kind_parse(type) >= 0 ? COLLAB_EVENT : COLLAB_OTHER;
}

static void move_to(struct live *l, const struct collab_message *m)
{
	l->seq = m->seq;
	(void)snprintf(l->hash, sizeof l->hash, "%s", m->hash);
	l->resumable = true;
}

/*
 * Whether the event is what became of a message of ours.  A ref is its author's own, others may use
 * it too; and under a ref that was used before, a message that is not sent yet may say other
 * things.
 */
static bool is_of(const struct live *l, const json_t *o, const char *ref)
{
	const char *author = str(o, json_object_get(o, "by") ? "by" : "user_id");

	for (const struct outgoing *out = l->out; out; out = out->next)
		if (strcmp(out->ref, ref) == 0)
			return out->sent && (out->own_ref || strcmp(author, l->user_id) == 0);
	return false;
}

/* An own event in a replay, its message still unanswered, is that message's ack. */
static bool as_ack(struct live *l, const json_t *o, struct collab_message *m)
{
	static const char *const kept[] = {"changes",    "comment_id", "conflict_id",
	                                   "expires_at", "fence",      "version"};
	json_t *ack = NULL;
	char *text = NULL;

	if (l->ready || !m->ref[0] || !is_of(l, o, m->ref) || !answered(l, m->ref))
		return false;
	ack = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s}", "type", "ack", "durability",
	                "fsynced", "event_id", str(o, "event_id"), "seq", (json_int_t)m->seq,
	                "hash", m->hash, "ref", m->ref, "session_id", str(o, "session_id"),
	                "timestamp", str(o, "timestamp"));
	/* What became of the message is told as in the server's own ack. */
	for (size_t i = 0; ack && i < sizeof kept / sizeof kept[0]; i++)
		if (json_object_get(o, kept[i]))
			json_object_set(ack, kept[i], json_object_get(o, kept[i]));
	if (ack && json_object_get(json_object_get(o, "comment"), "comment_id"))
		json_object_set(ack, "comment_id",
		                json_object_get(json_object_get(o, "comment"), "comment_id"));
	text = ack ? json_dumps(ack, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(ack);
	buf_clear(&l->synthetic);
	buf_puts(&l->synthetic, text ? text : "{\"type\":\"ack\"}");
	free(text);
	m->kind = COLLAB_ACK;
	m->json = l->synthetic.p;
	m->len = l->synthetic.len;
	strcpy(m->type, "ack");
	return true;
}

static bool on_error(struct live *l, const json_t *o, struct collab_message *m)
{
	m->code = err_from_wire(str(o, "code"));
	if (!m->code)
		m->code = ERR_PROTOCOL;
	(void)snprintf(m->text, sizeof m->text, "%s", str(o, "message"));
	m->text[utf8_prefix(m->text, strlen(m->text))] = '\0';
	/*
	 * What the server could not read far enough to find its ref is answered without; answers
	 * come in order.
	 */
	if (!m->ref[0] && !l->nameless && l->out && l->out != l->unsent)
		(void)snprintf(m->ref, sizeof m->ref, "%s", l->out->ref);
	/* A server that goes away refuses what it reads meanwhile; the next one takes it. */
	if (m->code == ERR_DRAINING && m->ref[0])
		return false;
	(void)answered(l, m->ref);
	return true;
}

static void now_ready(struct live *l)
{
	l->ready = true;
	l->attempts = 0; /* not before: a server may take connections only to close them */
}

static bool on_kind(struct live *l, const json_t *o, struct collab_message *m)
{
	switch (m->kind) {
	case COLLAB_EVENT:
		if (l->resumable && m->seq <= l->seq)
			return false; /* seen before: never shown twice */
		(void)as_ack(l, o, m);
		move_to(l, m);
		return true;
	case COLLAB_ACK:
		/* An ack of what was answered already (by a replay) is nobody's. */
		if (!answered(l, m->ref) && m->duplicate)
			return false;
		if (m->seq > l->seq)
			move_to(l, m);
		return true;
	case COLLAB_ERROR:
		return on_error(l, o, m);
	case COLLAB_STATE:
		(void)snprintf(l->user_id, sizeof l->user_id, "%s",
		               str(json_object_get(o, "you"), "user_id"));
		move_to(l, m);
		now_ready(l);
		return true;
	case COLLAB_SYNCED:
	case COLLAB_CHECKPOINT:
		if (m->seq >= l->seq)
			move_to(l, m);
		if (m->kind == COLLAB_SYNCED)
			now_ready(l);
		return true;
	default:
		return true;
	}
}

/* What is read of every message. */
static void note(struct collab_message *m, char session_id[UUID_LEN + 1],
                 const struct json_member *member)
{
	if (json_member_is(member, "type"))
		(void)json_member_copy(member, m->type, sizeof m->type);
	else if (json_member_is(member, "ref"))
		(void)json_member_copy(member, m->ref, sizeof m->ref);
	else if (json_member_is(member, "hash"))
		(void)json_member_copy(member, m->hash, sizeof m->hash);
	else if (json_member_is(member, "session_id"))
		(void)json_member_copy(member, session_id, UUID_LEN + 1);
	else if (json_member_is(member, "seq"))
		(void)json_member_integer(member, &m->seq);
	else if (json_member_is(member, "duplicate"))
		m->duplicate = member->len == 4 && memcmp(member->value, "true", 4) == 0;
}

/*
 * Most messages are others' events and acks, of which no more is needed than what stands at their
 * top: they are not parsed.  false: this one has to be.
 */
static bool live_scan(const struct live *l, struct collab_message *m, char session_id[UUID_LEN + 1])
{
	struct json_scan s;
	struct json_member member;
	int rc;

	json_scan_init(&s, m->json, m->len);
	while ((rc = json_scan_next(&s, &member)) == 1) {
		if (member.escaped && json_member_is(&member, "ref"))
			return false;
		note(m, session_id, &member);
	}
	m->kind = kind_of(m->type);
	return rc == 0 && (m->kind == COLLAB_ACK || m->kind == COLLAB_CURSOR ||
	                   (m->kind == COLLAB_EVENT && (l->ready || !l->out || !m->ref[0])));
}

/* All of a message, in *o, which is the caller's.  false: it is no object. */
static bool live_parse(struct live *l, struct collab_message *m, char session_id[UUID_LEN + 1],
                       json_t **o)
{
	const json_t *seq = NULL;

	*o = json_loadb(m->json, m->len, 0, NULL);
	if (!json_is_object(*o))
		return false;
	(void)snprintf(m->type, sizeof m->type, "%s", str(*o, "type"));
	(void)snprintf(m->ref, sizeof m->ref, "%s", str(*o, "ref"));
	(void)snprintf(m->hash, sizeof m->hash, "%s", str(*o, "hash"));
	m->kind = kind_of(m->type);
	seq = json_object_get(*o, "seq");
	m->seq = json_is_integer(seq) ? json_integer_value(seq) : -1;
	m->duplicate = false;
	if (strlen(str(*o, "session_id")) == UUID_LEN)
		strcpy(session_id, str(*o, "session_id"));
	if (strcmp(m->type, "going_away") == 0)
		l->retry_after_ms = json_integer_value(json_object_get(*o, "reconnect_after_ms"));
	return true;
}

bool live_message(struct live *l, const char *json, size_t len, struct collab_message *m)
{
	char session_id[UUID_LEN + 1] = "";
	json_t *o = NULL;
	bool show = false;

	*m = (struct collab_message){.json = json, .len = len, .seq = -1};
	if (live_scan(l, m, session_id) || live_parse(l, m, session_id, &o)) {
		if (!l->session_id[0] && strlen(session_id) == UUID_LEN)
			strcpy(l->session_id, session_id);
		show = on_kind(l, o, m);
	}
	json_decref(o);
	return show;
}

/* ---- up and down ------------------------------------------------------------------------------
 */

void live_up(struct live *l)
{
	l->lost_ms = -1;
	l->retry_after_ms = 0;
	l->ever = true;
	l->ready = false;
	l->nameless = false;
}

void live_down(struct live *l, int64_t now_ms, uint32_t random)
{
	int64_t wait = BACKOFF_MS;

	for (int i = 0; i < l->attempts && wait < BACKOFF_MS_MAX; i++)
		wait *= 2;
	wait = wait < BACKOFF_MS_MAX ? wait : BACKOFF_MS_MAX;
	/* Half of it is chance, so that a thousand clients of one server do not come back at once.
	 */
	wait = wait / 2 + (int64_t)((uint64_t)wait / 2 * random / UINT32_MAX);
	if (wait < l->retry_after_ms)
		wait = l->retry_after_ms + wait / 2;
	l->retry_after_ms = 0;
	l->attempts++;
	l->ready = false;
	l->retry_ms = now_ms + wait;
	if (l->lost_ms < 0)
		l->lost_ms = now_ms;
	l->unsent = l->out;
}

void live_resume_query(const struct live *l, struct buf *out)
{
	if (!l->resumable)
		return;
	buf_printf(out, "&since=%lld", (long long)l->seq);
	if (l->hash[0] && l->seq > 0)
		buf_printf(out, "&hash=%s", l->hash);
}
