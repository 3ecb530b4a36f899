/*
 * REST: the directory of sessions.  What is listed is what is committed: the store's summaries, at
 * most some seconds old, beside what only this process knows (connections).
 */
#include <stdlib.h>
#include <string.h>

#include "proto/json_out.h"
#include "server/exchange.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

/* Whether the user may see this row: everything by scope, else the sessions one is in. */
static bool visible(const struct exchange *x, const char *session_id, const json_t *summary)
{
	const struct room *room = room_of_id(x->hub, session_id);
	const json_t *member = NULL;
	size_t i;

	if (x->who.scopes & (SCOPE_READ | SCOPE_ADMIN))
		return true;
	if (room && room->state == ROOM_LIVE) /* the summary may be some seconds old */
		return session_role(&room->head, x->who.user_id) != ROLE_NONE;
	json_array_foreach(json_object_get(summary, "members"), i,
	                   member) if (strcmp(json_string_value(member), x->who.user_id) ==
	                               0) return true;
	return false;
}

static void row_write(struct exchange *x, const struct store_session *row, json_t *summary)
{
	const struct room *room = room_of_id(x->hub, row->session_id);
	const char *last = json_string_value(json_object_get(summary, "last_activity"));
	int64_t active_ms = row->updated_ms, idle;
	struct buf *out = &x->response.body;
	bool full = (x->who.scopes & (SCOPE_READ | SCOPE_ADMIN)) != 0;

	if (last)
		(void)rfc3339_parse(last, &active_ms); /* written by this program */
	if (room && room->state == ROOM_LIVE && room->committed == room->head.seq)
		active_ms = room->head.activity_ms;
	idle = (hub_wall(x->hub) - active_ms) / 1000;
	json_object_set_new(summary, "active", json_boolean(row->active));
	json_object_set_new(summary, "connections", json_integer(room ? room->conns_len : 0));
	json_object_set_new(summary, "idle_seconds", json_integer(idle > 0 ? idle : 0));
	json_object_set_new(summary, "report_id", json_string(row->report_id));
	json_object_set_new(summary, "seq", json_integer(room ? room->committed : row->seq));
	json_object_set_new(summary, "session_id", json_string(row->session_id));
	if (!full)
		json_object_del(summary, "members");
	json_comma(out);
	json_put_value(out, summary);
}

static void rows_came(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;
	struct buf *out = &x->response.body;
	int64_t last = 0;

	x->pending--;
	if (x->aborted) {
		exchange_free(x);
		return;
	}
	if (reply->rc) {
		exchange_error(x, &reply->err, NULL);
		return;
	}
	buf_puts(out, "{\"sessions\":[");
	for (size_t i = 0; i < reply->sessions_len; i++) {
		const struct store_session *row = &reply->sessions[i];
		json_t *summary = json_loads(row->summary, 0, NULL);

		last = row->key;
		if (summary && visible(x, row->session_id, summary))
			row_write(x, row, summary);
		json_decref(summary);
	}
	buf_puts(out, "],\"cursor\":");
	if (reply->more)
		buf_put_i64(out, last);
	else
		buf_puts(out, "null");
	buf_putc(out, '}');
	x->response.status = 200;
	x->response.content_type = "application/json";
	exchange_answer(x);
}

void rest_list(struct exchange *x)
{
	struct store_query q = {.active = STORE_KEEP, .report_id = query_get(x->query, "report")};
	int64_t limit = LIST_DEFAULT;
	bool active = false;
	struct err e = {0};
	int rc = query_bool(x->query, "active", &active, &e);

	if (!rc && query_get(x->query, "active"))
		q.active = active;
	if (!rc)
		rc = query_int(x->query, "limit", 1, LIST_MAX, &limit, &e);
	if (!rc)
		rc = query_int(x->query, "cursor", 0, INT64_MAX, &q.after_key, &e);
	if (!rc && q.report_id && !name_valid(q.report_id))
		rc = err_field(&e, ERR_BAD_FIELD, "report", "not a report id");
	q.limit = (size_t)limit;
	if (!rc)
		rc = store_list(x->hub->store, &q, rows_came, x);
	if (rc) {
		if (!e.code)
			err_set(&e, rc, NULL);
		exchange_error(x, &e, NULL);
		return;
	}
	x->pending++;
}
