/*
 * REST: backups, begun, asked about, fetched piece by piece.
 *
 * Who has asked for one and is not answered yet is the only one who wants it: if that socket is
 * closed, the backup is over, and there is room for the next one.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/json_out.h"
#include "server/backup.h"
#include "server/exchange.h"

enum {
	LOOK_MS = 20, /* so often it is looked whether a backup is ready that somebody waits for */
	WAIT_MS_MAX = 10000
};

static void answer(struct exchange *x)
{
	x->response.content_type = "application/json";
	exchange_answer(x);
}

/* Put the answer off; meanwhile the backup x->more is the one of this socket. */
static void hold(struct exchange *x, int64_t ms, void (*then)(struct exchange *x))
{
	x->then = then;
	x->backup_ms = hub_mono(x->hub) + ms;
	x->hub->backup_waits++;
}

static void let_go(struct exchange *x)
{
	x->backup_ms = 0;
	x->hub->backup_waits--;
}

void rest_backup_gone(struct exchange *x)
{
	struct err e = {0};

	let_go(x);
	if (!backup_end(x->hub->env.backup, x->more, &e)) /* else it is over already */
		hub_log(x->hub, LOG_NOTICE, "backup: given up, %s has hung up", x->who.user_id);
}

static int start(struct exchange *x, struct err *e)
{
	char id[UUID_LEN + 1];
	int rc;

	hub_uuid(x->hub, id);
	x->more = strdup(id);
	rc = x->more ? backup_start(x->hub->env.backup, id, hub_wall(x->hub), e)
	             : err_set(e, ERR_NOMEM, NULL);
	if (rc == ERR_RATE_LIMITED) {
		buf_puts(&x->response.headers, "Retry-After: 1\r\n");
		return rc;
	}
	if (rc)
		return rc;
	hub_log(x->hub, LOG_NOTICE, "backup: asked for by %s", x->who.user_id);
	buf_printf(&x->response.body, "{\"backup_id\":\"%s\"}", id);
	x->response.status = 202;
	hold(x, LOOK_MS, answer); /* that it has hung up already is seen in the next turn */
	return 0;
}

static int tell(struct exchange *x, const char *id, struct err *e)
{
	struct backup_status s = {0};
	struct buf *out = &x->response.body;
	int rc = backup_status(x->hub->env.backup, id, &s, e);

	if (rc)
		return rc;
	if (s.phase == BACKUP_FAILED) {
		hub_log(x->hub, LOG_ERROR, "backup: %s", s.err.text);
		/* To an administrator, what is wrong with the store is no internal matter. */
		return err_set(e, ERR_STORE_UNAVAILABLE, "%s", s.err.text);
	}
	buf_putc(out, '{');
	json_str(out, "backup_id", id);
	if (s.phase == BACKUP_READY)
		json_int(out, "bytes", s.bytes);
	json_int(out, "done", s.done);
	if (s.phase == BACKUP_READY)
		json_int(out, "events", s.events);
	json_str(out, "phase", backup_phase_name(s.phase));
	if (s.phase == BACKUP_READY) {
		json_int(out, "sessions", s.sessions);
		json_str(out, "sha256", s.sha256);
	}
	json_int(out, "total", s.total);
	buf_putc(out, '}');
	answer(x);
	return 0;
}

static void tell_now(struct exchange *x)
{
	struct err e = {0};

	if (tell(x, x->more, &e))
		exchange_error(x, &e, NULL);
}

static bool under_way(struct hub *h, const char *id)
{
	struct backup_status s = {0};
	struct err e = {0};

	return !backup_status(h->env.backup, id, &s, &e) &&
	       (s.phase == BACKUP_COPYING || s.phase == BACKUP_CHECKING);
}

/* Tell, but not before it is ready or so long has passed. */
static int ask(struct exchange *x, const char *id, struct err *e)
{
	int64_t wait_ms = 0;
	int rc = query_int(x->query, "wait", 0, WAIT_MS_MAX, &wait_ms, e);

	if (rc)
		return rc;
	if (!wait_ms || !under_way(x->hub, id))
		return tell(x, id, e);
	x->more = strdup(id);
	if (!x->more)
		return err_set(e, ERR_NOMEM, NULL);
	hold(x, wait_ms, tell_now);
	return 0;
}

int64_t rest_backup_tick(struct hub *h, int64_t now)
{
	struct exchange *next = NULL;

	for (struct exchange *x = h->backup_waits ? h->exchanges : NULL; x; x = next) {
		next = x->next;
		if (!x->backup_ms || (now < x->backup_ms && under_way(h, x->more)))
			continue;
		let_go(x);
		x->then(x);
	}
	return h->backup_waits ? LOOK_MS : 1000;
}

static void piece_came(void *arg, int rc, const struct err *e, const char *bytes, size_t len)
{
	struct exchange *x = arg;

	x->pending--;
	if (x->aborted) {
		exchange_free(x);
	} else if (rc) {
		exchange_error(x, e, NULL);
	} else {
		buf_put(&x->response.body, bytes, len);
		x->response.content_type = "application/octet-stream";
		exchange_answer(x);
	}
}

static int piece(struct exchange *x, const char *id, struct err *e)
{
	int64_t offset = 0;
	int rc = query_int(x->query, "offset", 0, INT64_MAX, &offset, e);

	if (!rc)
		rc = backup_read(x->hub->env.backup, id, offset, piece_came, x, e);
	x->pending += rc == 0;
	return rc;
}

static int end(struct exchange *x, const char *id, struct err *e)
{
	int rc = backup_end(x->hub->env.backup, id, e);

	if (rc)
		return rc;
	buf_printf(&x->response.body, "{\"backup_id\":\"%s\",\"ended\":true}", id);
	answer(x);
	return 0;
}

void rest_backup(struct exchange *x)
{
	const char *id = query_get(x->query, "id");
	struct err e = {0};
	int rc = 0;

	if (!x->hub->env.backup)
		rc = err_set(&e, ERR_UNSUPPORTED, "this daemon makes no backups");
	else if (x->route.route == ROUTE_ADMIN_BACKUP_START)
		rc = start(x, &e);
	else if (!id || !uuid_valid(id))
		rc = err_field(&e, ERR_BAD_FIELD, "id", "id must be a backup's");
	else if (x->route.route == ROUTE_ADMIN_BACKUP_END)
		rc = end(x, id, &e);
	else
		rc = query_get(x->query, "offset") ? piece(x, id, &e) : ask(x, id, &e);
	if (rc)
		exchange_error(x, &e, NULL);
}
