/* REST: what a session holds, now or at an earlier seq. */
#include <stdio.h>
#include <string.h>

#include "proto/json_out.h"
#include "server/exchange.h"
#include "server/fold.h"

/* ---- resources --------------------------------------------------------------------------------
 */

static bool include_has(const struct exchange *x, const char *what)
{
	const char *list = query_get(x->query, "include");
	size_t n = strlen(what);

	while (list && *list) {
		size_t len = strcspn(list, ",");

		if (len == n && strncmp(list, what, n) == 0)
			return true;
		list += len + (list[len] == ',');
	}
	return false;
}

static void head_members(struct exchange *x, struct buf *out)
{
	json_int(out, "seq", x->view->seq);
	json_str(out, "session_id", x->room->session_id);
}

static int get_session(struct exchange *x, struct buf *out, struct err *e)
{
	struct state_view view;

	(void)e;
	/* By report, "none active" is an answer of the original system; by id, the session is
	 * shown. */
	if (x->route.report_id[0] && (x->view->ended_ms || !x->room->active)) {
		buf_putc(out, '{');
		json_bool(out, "has_active_session", false);
		json_str(out, "report_id", x->view->report_id);
		buf_putc(out, '}');
		return 0;
	}
	room_view(x->room, exchange_without_email(x), &view);
	buf_putc(out, '{');
	session_details_write(x->view, include_has(x, "sections"), include_has(x, "comments"),
	                      include_has(x, "conflicts"), &view, out);
	buf_putc(out, '}');
	return 0;
}

static int get_participants(struct exchange *x, struct buf *out, struct err *e)
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	(void)e;
	buf_puts(out, "{\"participants\":[");
	while ((entry = map_next(&x->view->members, &at))) {
		json_comma(out);
		member_write(entry->value, exchange_without_email(x), out);
	}
	buf_putc(out, ']');
	head_members(x, out);
	buf_putc(out, '}');
	return 0;
}

static const struct lock *lock_of(const struct exchange *x, const char *section_id)
{
	return session_lock(x->view, section_id, hub_wall(x->hub));
}

static int get_sections(struct exchange *x, struct buf *out, struct err *e)
{
	struct map_entry *entry = NULL;
	size_t at = 0;

	(void)e;
	buf_puts(out, "{\"sections\":{");
	while ((entry = map_next(&x->view->sections, &at))) {
		json_key(out, entry->key);
		section_write(entry->value, lock_of(x, entry->key), out);
	}
	buf_putc(out, '}');
	head_members(x, out);
	buf_putc(out, '}');
	return 0;
}

static int get_section(struct exchange *x, struct buf *out, struct err *e)
{
	const struct section *sec = session_section(x->view, x->route.section_id);
	char etag[32];

	if (!sec)
		return err_set(e, ERR_NO_SECTION, "there is no section %s", x->route.section_id);
	(void)snprintf(etag, sizeof etag, "\"%lld\"", (long long)sec->version);
	buf_printf(&x->response.headers, "ETag: %s\r\n", etag);
	if (x->request->if_none_match && strcmp(x->request->if_none_match, etag) == 0) {
		x->response.status = 304;
		return 0;
	}
	section_write(sec, lock_of(x, sec->section_id), out);
	return 0;
}

static int get_comments(struct exchange *x, struct buf *out, struct err *e)
{
	const char *section = query_get(x->query, "section");
	struct map_entry *entry = NULL;
	bool open = false;
	size_t at = 0;
	int rc = query_bool(x->query, "open", &open, e);

	if (rc)
		return rc;
	buf_puts(out, "{\"comments\":[");
	while ((entry = map_next(&x->view->comments, &at))) {
		const struct comment *c = entry->value, *root = c;

		if (c->parent_comment_id)
			root = session_comment(x->view, c->parent_comment_id);
		if ((open && (!root || root->resolved || c->deleted)) ||
		    (section && strcmp(section, c->section_id) != 0))
			continue;
		json_comma(out);
		comment_write(c, out);
	}
	buf_putc(out, ']');
	head_members(x, out);
	buf_putc(out, '}');
	return 0;
}

static int get_conflicts(struct exchange *x, struct buf *out, struct err *e)
{
	struct map_entry *entry = NULL;
	bool open = false;
	size_t at = 0;
	int rc = query_bool(x->query, "open", &open, e);

	if (rc)
		return rc;
	buf_puts(out, "{\"conflicts\":[");
	while ((entry = map_next(&x->view->conflicts, &at))) {
		const struct conflict *c = entry->value;

		if (open && c->resolution)
			continue;
		json_comma(out);
		conflict_write(x->view, c, out);
	}
	buf_putc(out, ']');
	head_members(x, out);
	buf_putc(out, '}');
	return 0;
}

static int get_conflict(struct exchange *x, struct buf *out, struct err *e)
{
	const struct conflict *c = session_conflict(x->view, x->route.conflict_id);

	if (!c)
		return err_set(e, ERR_NO_CONFLICT, "there is no conflict %s", x->route.conflict_id);
	conflict_write(x->view, c, out);
	return 0;
}

static int get_state(struct exchange *x, struct buf *out, struct err *e)
{
	char hash[SHA256_HEX_LEN + 1];
	int rc = 0;

	if (exchange_without_email(x) && !(x->who.scopes & SCOPE_ADMIN))
		return err_set(e, ERR_FORBIDDEN, "the whole state is for participants");
	rc = state_hash(x->view, hash);
	if (rc)
		return err_set(e, rc, NULL);
	buf_printf(&x->response.headers, "X-Collab-State-Hash: %s\r\n", hash);
	state_write(x->view, out);
	return 0;
}

/* ---- at which seq ------------------------------------------------------------------------------
 */

static void write_view(struct exchange *x)
{
	static int (*const get[ROUTES])(struct exchange *, struct buf *, struct err *) = {
		[ROUTE_SESSION] = get_session,   [ROUTE_SESSION_BY_ID] = get_session,
		[ROUTE_STATE] = get_state,       [ROUTE_PARTICIPANTS] = get_participants,
		[ROUTE_SECTIONS] = get_sections, [ROUTE_SECTION] = get_section,
		[ROUTE_COMMENTS] = get_comments, [ROUTE_CONFLICTS] = get_conflicts,
		[ROUTE_CONFLICT] = get_conflict,
	};
	struct err e = {0};
	int rc = 0;

	x->response.status = 200;
	x->response.content_type = "application/json";
	rc = get[x->route.route](x, &x->response.body, &e);
	if (!rc && x->response.status == 304)
		x->response.content_type = NULL;
	if (!rc) {
		exchange_answer_committed(x);
		return;
	}
	/* A refusal too says something of the head's state. */
	buf_clear(&x->response.body);
	buf_clear(&x->response.headers);
	exchange_error_committed(x, &e, NULL);
}

static void past_came(void *arg, struct fold *f)
{
	struct exchange *x = arg;

	x->fold = NULL;
	if (f->rc) {
		exchange_error(x, &f->err, NULL);
		return;
	}
	x->past = f->session;
	f->session = (struct session){0};
	x->view = &x->past;
	write_view(x);
}

static void read_at(struct exchange *x)
{
	int64_t at = x->cursor;
	struct err e = {0};

	if (at == EVENT_ABSENT) {
		x->view = &x->room->head;
		write_view(x);
		return;
	}
	if (at > x->room->committed)
		err_field(&e, ERR_BAD_FIELD, "at", "the log ends at seq %lld",
		          (long long)x->room->committed);
	else if (at < x->room->head.floor)
		err_field(&e, ERR_BASE_TOO_OLD, "at", "the log begins at seq %lld",
		          (long long)x->room->head.floor);
	else
		x->fold = fold_start(x->hub, x->room->key, at, at, 0, past_came, x);
	if (!x->fold && !e.code)
		err_set(&e, ERR_NOMEM, NULL);
	if (e.code)
		exchange_error(x, &e, NULL);
}

/* Whether no more than a part of the session is asked for, as it is now. */
static bool is_part(const struct exchange *x)
{
	if (query_get(x->query, "at"))
		return false;
	switch (x->route.route) {
	case ROUTE_PARTICIPANTS:
	case ROUTE_SECTION:
	case ROUTE_CONFLICT:
		return true;
	case ROUTE_SESSION:
	case ROUTE_SESSION_BY_ID:
		return !query_get(x->query, "include");
	default:
		return x->room->head.bytes <= ANSWER_LARGE;
	}
}

static void read_room(struct exchange *x)
{
	struct err e = {0};

	if (exchange_may_read(x, &e)) {
		exchange_error(x, &e, NULL);
		return;
	}
	if (is_part(x) || exchange_may_answer(x, x->room->head.bytes))
		exchange_since(x, "at", query_get(x->query, "at"), EVENT_ABSENT, read_at);
}

/* What is large takes its turn. */
static void read_in_turn(struct exchange *x)
{
	if (!is_part(x))
		exchange_in_turn(x, read_room);
	else
		read_room(x);
}

/* A report that never had a session has no active one either, and that is an answer. */
static void no_session(struct exchange *x)
{
	buf_putc(&x->response.body, '{');
	json_bool(&x->response.body, "has_active_session", false);
	json_str(&x->response.body, "report_id", x->route.report_id);
	buf_putc(&x->response.body, '}');
	x->response.status = 200;
	x->response.content_type = "application/json";
	exchange_answer(x);
}

void rest_read(struct exchange *x)
{
	if (x->route.route == ROUTE_SESSION && x->route.report_id[0])
		x->absent = no_session;
	/* What only reads finds a report's last session when none is active. */
	exchange_find(x, x->absent ? STORE_BY_REPORT_ACTIVE : STORE_BY_REPORT_LATEST, read_in_turn);
}
