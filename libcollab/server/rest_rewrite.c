/*
 * REST: rewriting a log -- erasing text from its records, and compaction, which forgets the records
 * up to a floor and keeps the state there.
 *
 * Both go the same way.  What is to become of the log is worked out beside its room, which goes on.
 * Then, at a moment when all that was decided is committed, the room stands still, and one
 * transaction appends the event that tells of it and changes the log: there is no state in between,
 * whatever crashes.  Then the room is loaded again, so that nothing of the old text stays in
 * memory. A long erasure goes in several such passes; each is whole in itself.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/erase.h"
#include "proto/event_json.h"
#include "proto/json_out.h"
#include "proto/stored.h"
#include "server/exchange.h"
#include "server/fold.h"
#include "server/room.h"

/* A pass ends at whichever comes first. */
enum { PASS_RECORDS = 10000, PASS_BYTES = 32 << 20, SCAN = 1000, SCAN_BYTES = 4 << 20 };

struct piece {
	int64_t seq;
	size_t at, len;
};

struct rewrite {
	bool compact;
	/* erasure */
	char *user_id; /* NULL: of `seqs` */
	struct erasure erasure;
	json_t *seqs;
	int64_t after; /* looked at up to here */
	int64_t until; /* and no further */
	struct buf bytes;
	struct piece *pieces;
	size_t len;
	int64_t erased;  /* in passes that are done */
	bool unscrubbed; /* the files still hold what was there */
	/* compaction */
	int64_t floor;
	/* the state at the floor, if it changes */
	struct buf base;
	unsigned char base_hash[SHA256_LEN];
	bool base_looked;   /* erasure: at the base, too */
	int64_t generation; /* of the room, when this pass began */
};

static void rewrite_free(void *arg)
{
	struct rewrite *w = arg;

	if (!w)
		return;
	json_decref(w->seqs);
	buf_release(&w->bytes);
	buf_release(&w->base);
	erasure_release(&w->erasure);
	free(w->user_id);
	free(w->pieces);
	free(w);
}

static void fail(struct exchange *x, int rc, struct err *e)
{
	if (!e->code)
		err_set(e, rc, NULL);
	exchange_error(x, e, NULL);
}

/* Whether the exchange is still wanted, in a callback that carried it. */
static bool carried(struct exchange *x)
{
	x->pending--;
	if (!x->aborted)
		return true;
	exchange_free(x);
	return false;
}

/* ---- the answer -------------------------------------------------------------------------------
 */

static void answer(struct exchange *x)
{
	const struct rewrite *w = x->more;
	struct buf *out = &x->response.body;
	char hex[SHA256_HEX_LEN + 1];

	sha256_hex(x->room->head.hash, hex);
	buf_putc(out, '{');
	if (w->compact)
		json_int(out, "floor", w->floor);
	else
		json_int(out, "erased", w->erased);
	json_str(out, "hash", hex);
	if (!w->compact)
		json_bool(out, "scrubbed", !w->unscrubbed);
	json_int(out, "seq", x->room->head.seq);
	json_str(out, "session_id", x->room->session_id);
	buf_putc(out, '}');
	x->response.content_type = "application/json";
	x->response.status = w->unscrubbed ? 202 : 200;
	exchange_answer_committed(x);
}

static void scrubbed(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;

	if (!carried(x))
		return;
	((struct rewrite *)x->more)->unscrubbed = reply->rc != 0;
	hub_ask_store(x->hub);
	exchange_with_room(x, x->room, answer);
}

/*
 * The log is as it is to be; now what it was goes from the disk.  Where that fails the store does
 * it later, also when nobody waits for it any more.
 */
static void scrub(struct exchange *x)
{
	struct err e = {0};

	if (store_scrub(x->hub->store, scrubbed, x) == 0)
		x->pending++;
	else
		fail(x, ERR_NOMEM, &e);
}

/* ---- a pass -----------------------------------------------------------------------------------
 */

static void look(struct exchange *x);

static void pass_begin(struct exchange *x)
{
	struct rewrite *w = x->more;

	buf_clear(&w->bytes);
	buf_clear(&w->base);
	w->len = 0;
	w->generation = x->room->generation;
}

static void rewritten(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;
	struct rewrite *w = x->more;
	struct room *room = x->room;
	struct err e = reply->err;
	bool wanted;

	room->generation++;
	if (!reply->rc && w->compact)
		room->floor = w->floor;
	wanted = carried(x);
	room_reload(room);
	if (!wanted)
		return;
	if (reply->rc) {
		fail(x, reply->rc, &e);
		return;
	}
	w->erased += (int64_t)w->len;
	w->base_looked = true;
	exchange_with_room(x, room, w->compact ? answer : look);
}

/* The event that tells of the pass. */
static json_t *extra_of(const struct exchange *x, const struct rewrite *w)
{
	char hash[SHA256_HEX_LEN + 1], state[SHA256_HEX_LEN + 1];
	unsigned char digest[SHA256_LEN];
	json_t *extra = json_object(), *seqs = w->compact ? NULL : json_array();
	int64_t floor = w->compact ? w->floor : x->room->floor;
	int rc = 0;

	for (size_t i = 0; i < w->len && !rc; i++)
		rc = json_array_append_new(seqs, json_integer(w->pieces[i].seq));
	if (seqs && !rc)
		rc = json_object_set(extra, "seqs", seqs);
	if (w->base.len > 0 && !rc) {
		sha256(w->base.p, w->base.len, digest);
		sha256_hex(digest, state);
		sha256_hex(w->base_hash, hash);
		rc = json_object_set_new(extra, "floor", json_integer(floor)) ||
		     json_object_set_new(extra, "floor_hash", json_string(hash)) ||
		     json_object_set_new(extra, "state_hash", json_string(state));
	}
	json_decref(seqs);
	if (rc) {
		json_decref(extra);
		return NULL;
	}
	return extra;
}

static int seal(struct exchange *x, const json_t *extra, struct buf *out, int64_t *time_ms)
{
	const struct rewrite *w = x->more;
	const struct session *head = &x->room->head;
	unsigned char hash[SHA256_LEN];
	char event_id[UUID_LEN + 1];
	struct event ev;

	event_init(&ev, w->compact ? EVENT_COMPACTED : EVENT_ERASED);
	hub_uuid(x->hub, event_id);
	ev.event_id = event_id;
	ev.session_id = x->room->session_id;
	ev.seq = head->seq + 1;
	ev.time_ms = hub_wall(x->hub);
	if (ev.time_ms < head->updated_ms)
		ev.time_ms = head->updated_ms;
	ev.user_id = w->user_id;
	ev.by = x->who.user_id;
	ev.via = x->who.via;
	ev.extra = extra;
	*time_ms = ev.time_ms;
	return event_write(&ev, head->hash, hash, out);
}

static int submit(struct exchange *x, const struct store_record *event, struct err *e)
{
	struct rewrite *w = x->more;
	struct room *room = x->room;
	struct store_record *records = calloc(w->len + 1, sizeof *records);
	struct store_rewrite r = {.append = {.key = room->key,
	                                     .seq_expected = room->head.seq,
	                                     .records = event,
	                                     .records_len = 1,
	                                     .due_ms = STORE_KEEP,
	                                     .active = STORE_KEEP},
	                          .records = records,
	                          .records_len = w->len,
	                          .floor = w->compact ? w->floor : room->floor,
	                          .base = w->base.len ? w->base.p : NULL,
	                          .base_len = w->base.len,
	                          .erases = !w->compact};
	int rc = records ? 0 : ERR_NOMEM;

	for (size_t i = 0; !rc && i < w->len; i++)
		records[i] = (struct store_record){.seq = w->pieces[i].seq,
		                                   .bytes = w->bytes.p + w->pieces[i].at,
		                                   .len = w->pieces[i].len};
	if (!rc)
		rc = store_rewrite(x->hub->store, &r, rewritten, x);
	free(records);
	if (rc)
		return err_set(e, rc, NULL);
	x->pending++;
	room_stand_still(room);
	return 0;
}

/* Everything decided is committed: change the log. */
static void pass_commit(struct exchange *x)
{
	struct rewrite *w = x->more;
	struct room *room = x->room;
	struct err e = {0};
	struct buf event;
	struct store_record record = {0};
	json_t *extra = NULL;
	int rc = hub_writable(x->hub, &e);

	if (!rc && w->generation != room->generation) {
		/* The log was rewritten meanwhile: what was worked out is of the old one. */
		rc = w->compact ? err_set(&e, ERR_RATE_LIMITED, "the log is being rewritten") : 0;
		if (!rc) {
			w->after = room->floor;
			w->base_looked = false;
			look(x);
			return;
		}
	}
	buf_init(&event, SIZE_MAX / 4);
	if (!rc) {
		extra = extra_of(x, w);
		rc = extra ? seal(x, extra, &event, &record.time_ms) : ERR_NOMEM;
	}
	if (!rc) {
		record.bytes = event.p;
		record.len = event.len;
		rc = submit(x, &record, &e);
	}
	json_decref(extra);
	buf_release(&event);
	if (rc)
		fail(x, rc, &e);
}

static void settle(struct exchange *x)
{
	struct room *room = x->room;

	if (room->state != ROOM_LIVE) {
		exchange_with_room(x, room, settle);
	} else if (room->committed < room->head.seq) {
		x->then = settle;
		room_hold(room, x, room->head.seq);
	} else {
		pass_commit(x);
	}
}

/* ---- erasure ----------------------------------------------------------------------------------
 */

static bool wanted(const struct rewrite *w, int64_t seq)
{
	if (w->user_id)
		return true;
	for (size_t i = 0; i < json_array_size(w->seqs); i++)
		if (json_integer_value(json_array_get(w->seqs, i)) == seq)
			return true;
	return false;
}

static int take(struct rewrite *w, const struct store_record *r, struct err *e)
{
	size_t at = w->bytes.len;
	bool changed = false;
	int rc = event_erase(&w->erasure, r->bytes, r->len, &w->bytes, &changed, e);

	if (!rc && changed)
		w->pieces[w->len++] = (struct piece){r->seq, at, w->bytes.len - at};
	return rc;
}

static void read_on(struct exchange *x);

static void records_came(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;
	struct rewrite *w = x->more;
	struct err e = reply->err;
	int rc = reply->rc;
	bool full = false;

	if (!carried(x))
		return;
	for (size_t i = 0; !rc && !full && i < reply->records_len; i++) {
		const struct store_record *r = &reply->records[i];

		if (r->seq > w->until)
			break;
		if (wanted(w, r->seq))
			rc = take(w, r, &e);
		w->after = r->seq;
		full = w->len == PASS_RECORDS || w->bytes.len >= PASS_BYTES;
	}
	if (rc)
		fail(x, rc, &e);
	else if (full)
		settle(x);
	else if (reply->more && w->after < w->until && reply->records_len > 0)
		read_on(x);
	else if (w->len > 0 || w->base.len > 0)
		settle(x);
	else
		exchange_with_room(x, x->room, scrub);
}

static void read_on(struct exchange *x)
{
	struct rewrite *w = x->more;
	struct err e = {0};

	if (store_read(x->hub->store, x->room->key, w->after, SCAN, SCAN_BYTES, records_came, x) ==
	    0)
		x->pending++;
	else
		fail(x, ERR_NOMEM, &e);
}

static void base_came(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;
	struct rewrite *w = x->more;
	struct err e = reply->err;
	const char *hash = NULL;
	json_t *state = NULL;
	bool changed = false;
	int rc = reply->rc;

	if (!carried(x))
		return;
	w->base_looked = true;
	if (!rc && reply->snapshot && reply->seq == x->room->floor)
		rc = state_erase(&w->erasure, reply->snapshot, reply->snapshot_len, &w->base,
		                 &changed, &e);
	if (!rc && changed) {
		rc = stored_load(w->base.p, w->base.len, &state, &e);
		hash = json_string_value(json_object_get(state, "hash"));
		if (!rc && (!hash || sha256_unhex(hash, w->base_hash)))
			rc = stored_bad(&e, "hash", "is missing");
		json_decref(state);
	}
	if (rc)
		fail(x, rc, &e);
	else
		read_on(x);
}

/* Look for what is to be erased; the first time in a pass, at the base too. */
static void look(struct exchange *x)
{
	struct rewrite *w = x->more;
	struct err e = {0};

	pass_begin(x);
	if (w->after < x->room->floor)
		w->after = x->room->floor;
	if (w->base_looked || !w->user_id || x->room->floor == 0)
		read_on(x);
	else if (store_snapshot_get(x->hub->store, x->room->key, x->room->floor, base_came, x) == 0)
		x->pending++;
	else
		fail(x, ERR_NOMEM, &e);
}

static void erase_room(struct exchange *x)
{
	struct rewrite *w = x->more;

	w->until = x->room->head.seq;
	w->after = x->room->floor;
	x->then = look;
	room_hold(x->room, x, w->until);
}

/* ---- compaction -------------------------------------------------------------------------------
 */

static void state_came(void *arg, struct fold *f)
{
	struct exchange *x = arg;
	struct rewrite *w = x->more;

	x->fold = NULL;
	if (!f->rc) {
		state_write(&f->session, &w->base);
		memcpy(w->base_hash, f->session.hash, SHA256_LEN);
		f->rc = buf_error(&w->base);
	}
	if (f->rc)
		fail(x, f->rc, &f->err);
	else
		settle(x);
}

static void floor_known(struct exchange *x)
{
	struct rewrite *w = x->more;
	struct room *room = x->room;
	struct err e = {0};

	if (w->floor > room->committed)
		err_field(&e, ERR_BAD_FIELD, "floor", "the log ends at seq %lld",
		          (long long)room->committed);
	if (e.code) {
		exchange_error(x, &e, NULL);
		return;
	}
	if (w->floor <= room->floor || w->floor < room->head.floor) {
		w->floor = room->floor; /* it is so already */
		answer(x);
		return;
	}
	pass_begin(x);
	x->fold = fold_start(x->hub, room->key, w->floor, w->floor, 0, state_came, x);
	if (!x->fold)
		fail(x, ERR_NOMEM, &e);
}

static void floor_found(void *arg, const struct store_reply *reply)
{
	struct exchange *x = arg;
	struct rewrite *w = x->more;
	struct err e = reply->err;

	if (!carried(x))
		return;
	w->floor = reply->seq;
	if (reply->rc)
		fail(x, reply->rc, &e);
	else
		exchange_with_room(x, x->room, floor_known);
}

static void compact_room(struct exchange *x)
{
	struct rewrite *w = x->more;
	struct err e = {0};

	if (w->until == EVENT_ABSENT) {
		x->then = floor_known;
		room_hold(x->room, x, x->room->head.seq);
	} else if (store_seek(x->hub->store, x->room->key, w->until, floor_found, x) == 0) {
		x->pending++;
	} else {
		fail(x, ERR_NOMEM, &e);
	}
}

/* ---- requests ---------------------------------------------------------------------------------
 */

static int read_erase(struct rewrite *w, const json_t *body, struct err *e)
{
	const char *user_id = json_string_value(json_object_get(body, "user_id"));
	json_t *seqs = json_object_get(body, "seqs"), *item = NULL;
	size_t i = 0;

	if ((user_id != NULL) == (seqs != NULL))
		return err_field(e, ERR_MISSING_FIELD, "user_id",
		                 "either user_id or seqs says what is to be erased");
	if (user_id && !name_valid(user_id))
		return err_field(e, ERR_BAD_FIELD, "user_id", "user_id is no user's");
	if (seqs && (!json_is_array(seqs) || json_array_size(seqs) == 0 ||
	             json_array_size(seqs) > PASS_RECORDS))
		return err_field(e, ERR_BAD_FIELD, "seqs", "seqs are 1 to %d seqs", PASS_RECORDS);
	json_array_foreach(seqs, i, item)
	{
		if (!json_is_integer(item) || json_integer_value(item) < 1)
			return err_field(e, ERR_BAD_FIELD, "seqs", "seqs holds what is no seq");
	}
	w->seqs = json_incref(seqs);
	w->user_id = user_id ? strdup(user_id) : NULL;
	w->erasure.user_id = w->user_id;
	return user_id && !w->user_id ? err_set(e, ERR_NOMEM, NULL) : 0;
}

static int read_compact(struct exchange *x, struct rewrite *w, const json_t *body, struct err *e)
{
	const json_t *floor = json_object_get(body, "floor");
	const json_t *days = json_object_get(body, "keep_days");

	w->until = EVENT_ABSENT;
	if ((floor != NULL) == (days != NULL))
		return err_field(e, ERR_MISSING_FIELD, "floor",
		                 "either floor or keep_days says what is to be kept");
	if (floor && (!json_is_integer(floor) || json_integer_value(floor) < 1))
		return err_field(e, ERR_BAD_FIELD, "floor", "floor is a seq");
	if (days && (!json_is_integer(days) || json_integer_value(days) < 0 ||
	             json_integer_value(days) > 100000))
		return err_field(e, ERR_BAD_FIELD, "keep_days", "keep_days is 0 to 100000");
	w->floor = json_integer_value(floor);
	if (days)
		w->until = hub_wall(x->hub) + 1 - json_integer_value(days) * INT64_C(86400000);
	return 0;
}

void rest_rewrite(struct exchange *x)
{
	const struct request *r = x->request;
	struct rewrite *w = calloc(1, sizeof *w);
	struct err e = {0};
	json_t *body = NULL;
	int rc = w ? hub_writable(x->hub, &e) : err_set(&e, ERR_NOMEM, NULL);

	x->more = w;
	x->more_free = rewrite_free;
	if (!rc && !(x->who.scopes & SCOPE_ADMIN))
		rc = err_set(&e, ERR_FORBIDDEN, "rewriting a log needs the scope collab:admin");
	if (!rc) {
		buf_init(&w->bytes, SIZE_MAX / 4);
		buf_init(&w->base, SIZE_MAX / 4);
		w->compact = x->route.route == ROUTE_COMPACT;
		w->pieces = calloc(PASS_RECORDS, sizeof *w->pieces);
		body = json_loadb(r->body, r->body_len, JSON_REJECT_DUPLICATES, NULL);
	}
	if (!rc && !w->pieces)
		rc = err_set(&e, ERR_NOMEM, NULL);
	if (!rc && !json_is_object(body))
		rc = err_set(&e, ERR_BAD_JSON, NULL);
	if (!rc)
		rc = w->compact ? read_compact(x, w, body, &e) : read_erase(w, body, &e);
	json_decref(body);
	if (rc)
		exchange_error(x, &e, NULL);
	else
		exchange_find(x, STORE_BY_REPORT_LATEST, w->compact ? compact_room : erase_room);
}

/* ---- by itself --------------------------------------------------------------------------------
 */

void rewrite_retain(struct hub *h, const struct store_session *row, int64_t before_ms)
{
	struct room *room = room_of_id(h, row->session_id);
	struct exchange *x = exchange_internal(h);
	struct rewrite *w = x ? calloc(1, sizeof *w) : NULL;

	if (!room && w)
		room = room_open(h, row);
	if (!room || !w) {
		free(w);
		if (x)
			exchange_free(x); /* another time */
		return;
	}
	w->compact = true;
	w->until = before_ms;
	buf_init(&w->bytes, SIZE_MAX / 4);
	buf_init(&w->base, SIZE_MAX / 4);
	x->more = w;
	x->more_free = rewrite_free;
	exchange_with_room(x, room, compact_room);
}
