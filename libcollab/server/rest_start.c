/*
 * REST: starting a session.  The report's last session is looked up; active, it is the answer;
 * ended, its owners and editors may go on from it; the store's compare-and-set decides a race.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/event_json.h"
#include "proto/json_out.h"
#include "server/exchange.h"
#include "server/fold.h"

static void look_up(struct exchange *x);

static void url_write(const struct exchange *x, const char *report_id, struct buf *out)
{
	const char *base = x->hub->conf->public_url, *host = x->request->host;

	if (base && *base)
		buf_puts(out, base);
	else if (host && *host && !x->request->peer.local)
		buf_printf(out, "%s://%s", x->hub->conf->tls_certificate[0] ? "wss" : "ws", host);
	buf_printf(out, "/ws/reports/pmr/%s/collaborate", report_id);
}

static void answer(struct exchange *x)
{
	const struct session *s = &x->room->head;
	struct buf *out = &x->response.body, url;

	buf_init(&url, 4096);
	url_write(x, s->report_id, &url);
	buf_putc(out, '{');
	json_str(out, "conflict_resolution_strategy", strategy_name(s->settings.strategy));
	if (s->continued_from)
		json_str(out, "continued_from", s->continued_from);
	json_int(out, "max_participants", s->settings.max_participants);
	json_str(out, "report_id", s->report_id);
	json_int(out, "seq", s->seq);
	json_str(out, "session_id", s->session_id);
	json_int(out, "session_timeout_minutes", s->settings.timeout_minutes);
	json_str(out, "session_type", session_type_name(s->settings.type));
	json_time(out, "started_at", s->started_ms);
	json_str(out, "status", x->count ? "created" : "existing");
	json_str(out, "websocket_url", url.p);
	buf_putc(out, '}');
	buf_release(&url);
	x->response.status = x->count ? 201 : 200;
	x->response.content_type = "application/json";
	exchange_answer_committed(x);
}

/* The report's session is there: perhaps active, perhaps ending this moment. */
static void existing(struct exchange *x)
{
	struct err e = {0};

	if (x->count) {
		answer(x);
		return;
	}
	if (x->room->head.ended_ms) {
		x->then = look_up; /* once the end is committed */
		room_hold(x->room, x, x->room->head.seq);
		return;
	}
	if (exchange_may_read(x, &e)) {
		err_set(&e, ERR_FORBIDDEN, "the report has an active session that you are not in");
		exchange_error_committed(x, &e, NULL);
		return;
	}
	answer(x);
}

static void open_row(struct exchange *x, const struct store_session *row)
{
	struct room *room = room_of_id(x->hub, row->session_id);
	struct err e = {0};

	if (!room)
		room = room_open(x->hub, row);
	if (room) {
		exchange_with_room(x, room, existing);
		return;
	}
	err_set(&e, ERR_NOMEM, NULL);
	exchange_error(x, &e, NULL);
}

static void created(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;

	x->pending--;
	if (x->aborted) {
		exchange_free(x);
		return;
	}
	x->count = reply->rc == 0; /* created, not merely existing */
	if ((reply->rc == 0 || reply->rc == ERR_EXISTS) && reply->sessions_len > 0)
		open_row(x, &reply->sessions[0]);
	else
		exchange_error(x, &reply->err, NULL);
}

/* Seal the first events and give them to the store: records, one after the other in `out`. */
static int seal_first(struct exchange *x, const char *session_id, struct decision *d,
                      struct session *s, struct buf *out, size_t *ends, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < d->len; i++) {
		struct event *ev = &d->events[i];
		char event_id[UUID_LEN + 1];

		hub_uuid(x->hub, event_id);
		ev->event_id = event_id;
		ev->session_id = session_id;
		rc = event_write(ev, s->hash, s->hash, out);
		if (!rc)
			rc = session_apply(s, ev, e);
		ends[i] = out->len;
	}
	return rc ? err_set(e, rc, NULL) : 0;
}

static int create(struct exchange *x, const char *session_id, struct decision *d, struct err *e)
{
	struct store_record *records = calloc(d->len, sizeof *records);
	size_t *ends = calloc(d->len, sizeof *ends);
	struct store_session row = {.active = true, .created_ms = hub_wall(x->hub)};
	struct store_append first = {.records = records, .records_len = d->len, .active = 1};
	struct session s;
	struct buf out, summary;
	int rc = records && ends ? 0 : err_set(e, ERR_NOMEM, NULL);

	buf_init(&out, SIZE_MAX / 4);
	buf_init(&summary, 1 << 20);
	session_init(&s, (size_t)x->hub->limits->refs, 0);
	if (!rc)
		rc = seal_first(x, session_id, d, &s, &out, ends, e);
	if (rc)
		goto done;
	for (size_t i = 0; i < d->len; i++) {
		size_t at = i ? ends[i - 1] : 0;

		records[i] =
			(struct store_record){0, d->events[i].time_ms, out.p + at, ends[i] - at};
	}
	summary_write(&s, &summary);
	memcpy(row.session_id, session_id, UUID_LEN + 1);
	memcpy(row.report_id, x->route.report_id, sizeof row.report_id);
	row.due_ms = first.due_ms = session_due_ms(&s);
	row.summary = summary.p;
	rc = store_create(x->hub->store, &row, &first, created, x);
	if (!rc)
		x->pending++;
done:
	session_release(&s);
	buf_release(&summary);
	buf_release(&out);
	free(ends);
	free(records);
	return rc ? err_set(e, rc, e->code ? "%s" : NULL, e->text) : 0;
}

/* Decide the new session; x->past is the one before, if it is carried over or guards the report. */
static void begin(struct exchange *x, const struct session *before)
{
	struct start_options *o = &x->options;
	struct command *sections = calloc(o->sections_len + 1, sizeof *sections);
	struct command *people = calloc(o->participants_len + 1, sizeof *people);
	char session_id[UUID_LEN + 1], new_id[UUID_LEN + 1];
	struct decide_env env = {
		.now_ms = hub_wall(x->hub), .new_id = new_id, .limits = x->hub->limits};
	struct actor actor;
	struct decision d = {0};
	struct err e = {0};
	struct start start = {.session_id = session_id,
	                      .report_id = x->route.report_id,
	                      .settings = o->settings,
	                      .sections = sections,
	                      .sections_len = o->sections_len,
	                      .participants = people,
	                      .participants_len = o->participants_len,
	                      .ref = o->ref[0] ? o->ref : NULL,
	                      .ref_digest = o->ref[0] ? o->ref_digest : NULL,
	                      .user_email = x->who.email};
	int rc = sections && people ? hub_writable(x->hub, &e) : err_set(&e, ERR_NOMEM, NULL);

	hub_uuid(x->hub, session_id);
	hub_uuid(x->hub, new_id);
	for (size_t i = 0; !rc && i < o->sections_len; i++)
		sections[i] = o->sections[i].command;
	for (size_t i = 0; !rc && i < o->participants_len; i++)
		people[i] = o->participants[i].command;
	exchange_actor(x, &actor);
	if (!rc && before && !session_may_restart(before, &actor))
		rc = err_set(&e, ERR_FORBIDDEN,
		             "only owners and editors of the report's last session "
		             "may start another");
	if (!rc)
		rc = decide_start(&start, o->fresh || o->sections_len > 0 ? NULL : before, &actor,
		                  &env, &d, &e);
	if (!rc)
		rc = create(x, session_id, &d, &e);
	decision_release(&d);
	free(people);
	free(sections);
	if (rc)
		exchange_error(x, &e, NULL);
}

static void before_came(void *arg, struct fold *f)
{
	struct exchange *x = arg;

	x->fold = NULL;
	if (f->rc)
		exchange_error(x, &f->err, NULL);
	else
		begin(x, &f->session);
}

static void latest_found(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;
	struct err e = {0};

	x->pending--;
	if (x->aborted) {
		exchange_free(x);
	} else if (reply->rc) {
		exchange_error(x, &reply->err, NULL);
	} else if (reply->sessions_len == 0) {
		begin(x, NULL);
	} else if (reply->sessions[0].active) {
		open_row(x, &reply->sessions[0]);
	} else {
		x->fold = fold_start(x->hub, reply->sessions[0].key, INT64_MAX, INT64_MAX, 0,
		                     before_came, x);
		if (!x->fold) {
			err_set(&e, ERR_NOMEM, NULL);
			exchange_error(x, &e, NULL);
		}
	}
}

static void look_up(struct exchange *x)
{
	struct room *room = room_of_report(x->hub, x->route.report_id);
	struct err e = {0};

	exchange_drop_room(x);
	if (room) {
		exchange_with_room(x, room, existing);
		return;
	}
	if (store_find(x->hub->store, STORE_BY_REPORT_LATEST, x->route.report_id, latest_found,
	               x) == 0) {
		x->pending++;
		return;
	}
	err_set(&e, ERR_NOMEM, NULL);
	exchange_error(x, &e, NULL);
}

void rest_start(struct exchange *x)
{
	const struct request *r = x->request;
	struct user *u = hub_user(x->hub, x->who.user_id);
	struct err e = {0};
	int after, rc = u ? 0 : err_set(&e, ERR_NOMEM, NULL);

	if (!rc)
		rc = start_options_parse(r->body, r->body_len, x->query, r->idempotency_key,
		                         x->hub->limits, &x->options, &e);
	if (!rc && x->hub->draining)
		rc = err_set(&e, ERR_DRAINING, NULL);
	if (!rc && !identity_may_start(&x->who, x->route.report_id))
		rc = err_set(&e, ERR_FORBIDDEN,
		             "starting a session of %s needs the scope collab:start",
		             x->route.report_id);
	if (!rc && !bucket_take(&u->starts, x->hub->limits->session_starts_per_minute,
	                        hub_mono(x->hub), &after)) {
		buf_printf(&x->response.headers, "Retry-After: %d\r\n", after);
		rc = err_set(&e, ERR_RATE_LIMITED, "more than %lld session starts a minute",
		             (long long)x->hub->limits->session_starts_per_minute);
	}
	if (rc)
		exchange_error(x, &e, NULL);
	else
		look_up(x);
}
