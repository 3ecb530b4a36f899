/* REST: backups, begun, asked about, fetched piece by piece. */
#include "proto/json_out.h"
#include "server/backup.h"
#include "server/hub_int.h"

static void answer(struct exchange *x)
{
	x->response.content_type = "application/json";
	exchange_answer(x);
}

static int start(struct exchange *x, struct err *e)
{
	char id[UUID_LEN + 1];
	int rc;

	hub_uuid(x->hub, id);
	rc = backup_start(x->hub->env.backup, id, hub_wall(x->hub), e);
	if (rc) {
		buf_puts(&x->response.headers, "Retry-After: 1\r\n");
		return rc;
	}
	hub_log(x->hub, LOG_NOTICE, "backup: asked for by %s", x->who.user_id);
	buf_printf(&x->response.body, "{\"backup_id\":\"%s\"}", id);
	x->response.status = 202;
	answer(x);
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
		rc = query_get(x->query, "offset") ? piece(x, id, &e) : tell(x, id, &e);
	if (rc)
		exchange_error(x, &e, NULL);
}
