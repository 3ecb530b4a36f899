/* REST: mutations.  The body is the data of the message it stands for, the answer that one's ack.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/json_out.h"
#include "server/exchange.h"
#include "server/room.h"

/* Which command a route stands for. */
static const struct {
	bool set;
	enum command_kind kind;
	int status; /* of its answer */
} commands[ROUTES] = {
	[ROUTE_END] = {true, COMMAND_SESSION_END, 200},
	[ROUTE_PARTICIPANT_ADD] = {true, COMMAND_PARTICIPANT_ADD, 201},
	[ROUTE_PARTICIPANT_ROLE] = {true, COMMAND_PARTICIPANT_ROLE, 200},
	[ROUTE_PARTICIPANT_REMOVE] = {true, COMMAND_PARTICIPANT_REMOVE, 200},
	[ROUTE_SECTION_PUT] = {true, COMMAND_SECTION_UPDATE, 200},
	[ROUTE_SECTION_PATCH] = {true, COMMAND_SECTION_UPDATE, 200},
	[ROUTE_SECTION_DELETE] = {true, COMMAND_SECTION_DELETE, 200},
	[ROUTE_LOCK] = {true, COMMAND_SECTION_LOCK, 200},
	[ROUTE_UNLOCK] = {true, COMMAND_SECTION_UNLOCK, 200},
	[ROUTE_COMMENT_ADD] = {true, COMMAND_COMMENT_ADD, 201},
	[ROUTE_COMMENT_EDIT] = {true, COMMAND_COMMENT_EDIT, 200},
	[ROUTE_COMMENT_DELETE] = {true, COMMAND_COMMENT_DELETE, 200},
	[ROUTE_COMMENT_RESOLVE] = {true, COMMAND_COMMENT_RESOLVE, 200},
	[ROUTE_COMMENT_REOPEN] = {true, COMMAND_COMMENT_REOPEN, 200},
	[ROUTE_CONFLICT_RESOLVE] = {true, COMMAND_CONFLICT_RESOLVE, 200},
	[ROUTE_PRESENCE] = {true, COMMAND_PRESENCE, 200},
};

/* A DELETE has no body with most clients: numbers and flags may stand in the query. */
static int query_members(struct exchange *x, json_t *path, struct err *e)
{
	static const char *const numbers[] = {"base_seq", "fence", "if_version"};
	bool force = false;
	int rc = query_bool(x->query, "force", &force, e);

	for (size_t i = 0; !rc && i < sizeof numbers / sizeof numbers[0]; i++) {
		int64_t n = EVENT_ABSENT;

		rc = query_int(x->query, numbers[i], 0, INT64_MAX, &n, e);
		if (!rc && n != EVENT_ABSENT &&
		    json_object_set_new(path, numbers[i], json_integer(n)))
			rc = err_set(e, ERR_NOMEM, NULL);
	}
	if (!rc && force && json_object_set_new(path, "force", json_true()))
		rc = err_set(e, ERR_NOMEM, NULL);
	return rc;
}

/*
 * If-Match: "43" guards a write as if_version does, If-None-Match: * as if_version 0; other "*" and
 * lists are not versions.  A guard that is not understood must not be passed over.
 */
static int precondition(struct exchange *x, json_t *path, struct err *e)
{
	const char *tag = x->request->if_match, *none = x->request->if_none_match;
	char *end = NULL;
	long long version = 0;

	if (none && (tag || strcmp(none, "*") != 0))
		return err_field(e, ERR_BAD_FIELD, "If-None-Match",
		                 "If-None-Match of a change is *, without If-Match");
	if (!tag && !none)
		return 0;
	if (tag)
		version = tag[0] == '"' ? strtoll(tag + 1, &end, 10) : -1;
	if (tag && (version < 0 || !end || end == tag + 1 || strcmp(end, "\"") != 0))
		return err_field(e, ERR_BAD_FIELD, "If-Match", "If-Match is not a section's ETag");
	if (json_object_set_new(path, "if_version", json_integer(version)))
		return err_set(e, ERR_NOMEM, NULL);
	return 0;
}

static int path_members(struct exchange *x, json_t **out, struct err *e)
{
	const struct {
		const char *name, *value;
	} ids[] = {{"section_id", x->route.section_id},
	           {"comment_id", x->route.comment_id},
	           {"conflict_id", x->route.conflict_id},
	           {"user_id", x->route.user_id}};
	json_t *path = json_object();
	int rc = path ? 0 : err_set(e, ERR_NOMEM, NULL);

	for (size_t i = 0; !rc && i < sizeof ids / sizeof ids[0]; i++)
		if (ids[i].value[0] &&
		    json_object_set_new(path, ids[i].name, json_string(ids[i].value)))
			rc = err_set(e, ERR_NOMEM, NULL);
	if (!rc && route_row(x->route.route)->method == METHOD_DELETE)
		rc = query_members(x, path, e);
	if (!rc)
		rc = precondition(x, path, e);
	if (rc)
		json_decref(path);
	else
		*out = path;
	return rc;
}

static void presence(struct exchange *x, const struct actor *actor)
{
	struct room *room = x->room;
	struct decide_env env = {.now_ms = hub_wall(x->hub), .limits = x->hub->limits};
	int64_t ttl = x->message.command.ttl_seconds;
	struct decision d = {0};
	struct err e = {0};
	int rc = decide(&room->head, &x->message.command, actor, &env, &d, &e);

	if (!rc && session_role(&room->head, x->who.user_id) == ROLE_NONE)
		rc = err_set(&e, ERR_NO_PARTICIPANT, "only participants can be online");
	if (!rc && person_lease(room, x->who.user_id, x->who.name, ttl == EVENT_ABSENT ? 60 : ttl))
		rc = err_set(&e, ERR_NOMEM, NULL);
	if (!rc && room->state != ROOM_LIVE)
		rc = err_set(&e, ERR_STORE_UNAVAILABLE, NULL);
	if (rc)
		exchange_error_committed(x, &e, &d);
	decision_release(&d);
	if (rc)
		return;
	buf_printf(&x->response.body, "{\"expires_in\":%lld,\"seq\":%lld,\"user_id\":\"%s\"}",
	           (long long)(ttl == EVENT_ABSENT ? 60 : ttl), (long long)room->head.seq,
	           x->who.user_id);
	x->response.content_type = "application/json";
	exchange_answer_committed(x);
}

static void write_room(struct exchange *x)
{
	struct sender sender = {NULL, x};
	struct actor actor;

	exchange_actor(x, &actor);
	x->then = write_room;
	if (x->message.command.kind == COMMAND_PRESENCE)
		presence(x, &actor);
	else
		/* Refused, acked or waiting for history: the exchange is answered in each case. */
		(void)room_command(x->room, &x->message.command, &actor, sender);
}

/* The answer to end is the original's, not an ack. */
static void end_answer(struct exchange *x)
{
	const struct session *s = &x->room->head;
	struct buf *out = &x->response.body;

	buf_putc(out, '{');
	json_time(out, "ended_at", s->ended_ms);
	json_str(out, "report_id", s->report_id);
	json_int(out, "seq", s->seq);
	json_str(out, "session_id", s->session_id);
	json_str(out, "status", "ended");
	json_int(out, "total_changes", s->changes_total);
	json_int(out, "total_comments", s->comments_total);
	buf_putc(out, '}');
}

void rest_decided(struct exchange *x, const struct command *c, const struct ack *ack)
{
	x->response.status =
		ack->duplicate || ack->unchanged ? 200 : commands[x->route.route].status;
	x->response.content_type = "application/json";
	if (c->kind == COMMAND_SESSION_END)
		end_answer(x);
	else
		ack_write(ack, &x->response.body);
	if (ack->version != EVENT_ABSENT)
		buf_printf(&x->response.headers, "ETag: \"%lld\"\r\n", (long long)ack->version);
	exchange_answer_committed(x);
}

void rest_write(struct exchange *x)
{
	const struct request *r = x->request;
	bool end = x->route.route == ROUTE_END;
	struct err e = {0};
	json_t *path = NULL;
	int rc = path_members(x, &path, &e);

	if (!rc)
		rc = message_parse_body(commands[x->route.route].kind, r->body, r->body_len,
		                        r->idempotency_key, path, x->hub->limits, &x->message, &e);
	json_decref(path);
	if (!rc && x->hub->draining)
		rc = err_set(&e, ERR_DRAINING, NULL);
	if (rc)
		exchange_error(x, &e, NULL);
	else
		exchange_find(x, end ? STORE_BY_REPORT_ACTIVE : STORE_BY_REPORT_LATEST, write_room);
}
