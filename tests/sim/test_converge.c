/*
 * Everyone converges: editors with core's state machine (deltas), and clients of the original
 * protocol that know only whole contents, write one section of a `merge` session over a network
 * that delays, breaks and delivers twice, and a server that crashes and starts from a snapshot.  At
 * the end every replica, the server and a fold of the stored log hold the same bytes, and so did
 * the server at any seq.
 */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "core/otclient.h"
#include "past.h"
#include "proto/op_json.h"
#include "sim.h"

enum { EDITORS = 5, WHOLE = 3 /* from here on clients of whole contents */ };

struct editor {
	struct sim_sock *sock;
	char user[16];
	int64_t seq;
	char hash[65];
	bool joined, ready, asks;
	/* delta editors */
	struct otclient ot;
	bool resend; /* what is in flight must go again on this connection */
	/* whole-content clients */
	char *text;
	size_t len;
	char ref[24]; /* of the message in flight, "" none */
	char *flying; /* its bytes */
	int refs;
};

struct world {
	struct sim sim;
	struct editor editors[EDITORS];
	int wrong, edits, twice;
};

static void wrong(struct world *w, const struct editor *ed, const char *what, int64_t seq)
{
	if (w->wrong++ < 10)
		printf("# %s: %s at seq %lld (at %lld)\n", ed->user, what, (long long)seq,
		       (long long)ed->seq);
}

/* ---- edits ------------------------------------------------------------------------------------
 */

static const char *const bits[] = {"a",         "plan ", "é",    "日本",           "𝔘",
                                   "e\xcc\x81", "\n",    "\r\n", "👩\xe2\x80\x8d🚀", "zwölf ",
                                   "Q4 ",       ""};

/* The text with one random edit: a piece cut out, a piece put in. */
static char *edited(struct world *w, const char *text, size_t len, size_t *out_len)
{
	size_t chars = utf8_chars(text, len);
	size_t from = chars ? rnd(&w->sim.rnd) % (chars + 1) : 0;
	size_t cut = rnd(&w->sim.rnd) % 4 ? 0 : rnd(&w->sim.rnd) % 6, a, b;
	const char *put = bits[rnd(&w->sim.rnd) % (sizeof bits / sizeof bits[0])];
	char *out = malloc(len + 32);

	if (chars > 400)
		cut += 60;
	a = utf8_offset(text, len, from, NULL);
	b = a + utf8_offset(text + a, len - a, cut, NULL);
	memcpy(out, text, a);
	memcpy(out + a, put, strlen(put));
	memcpy(out + a + strlen(put), text + b, len - b);
	*out_len = a + strlen(put) + len - b;
	out[*out_len] = '\0';
	return out;
}

/* A message, which the network may deliver twice. */
static void deliver(struct world *w, struct editor *ed, const char *json)
{
	sim_send(ed->sock, json);
	if (rnd(&w->sim.rnd) % 16)
		return;
	w->twice++;
	sim_send(ed->sock, json);
}

static void send_delta(struct world *w, struct editor *ed, const char *ref, const struct op *op,
                       int64_t base)
{
	struct buf out;

	buf_init(&out, 1 << 24);
	buf_printf(&out,
	           "{\"type\":\"section_update\",\"ref\":\"%s\",\"data\":{\"section_id\":\"s\","
	           "\"base_seq\":%lld,\"changes\":{\"delta\":",
	           ref, (long long)base);
	op_write_json(op, &out);
	buf_puts(&out, "}}}");
	deliver(w, ed, out.p);
	buf_release(&out);
}

/* Send what may be sent. */
static void push(struct world *w, struct editor *ed, bool whole)
{
	const struct op *op = NULL;
	const char *old_ref = NULL;
	char ref[24];
	int64_t base;

	if (!ed->sock || !ed->ready)
		return;
	if (whole) {
		if (ed->flying && ed->resend)
			deliver(w, ed, ed->flying);
		ed->resend = false;
		return;
	}
	if (ed->resend) {
		ed->resend = false;
		op = otclient_in_flight(&ed->ot, &old_ref, &base);
		if (op)
			send_delta(w, ed, old_ref, op, base);
	}
	(void)snprintf(ref, sizeof ref, "%.12s-%d", ed->user, ++ed->refs);
	if (otclient_send(&ed->ot, ref, &op, &base) == 0 && op)
		send_delta(w, ed, ref, op, base);
}

static void edit(struct world *w, struct editor *ed, bool whole)
{
	char *text = NULL;
	size_t len;

	if (!ed->joined)
		return;
	w->edits++;
	if (!whole) {
		text = edited(w, ed->ot.local.p ? ed->ot.local.p : "", ed->ot.local.len, &len);
		if (otclient_write(&ed->ot, text, len))
			wrong(w, ed, "the edit was not taken", 0);
		free(text);
		push(w, ed, false);
		return;
	}
	if (ed->flying || !ed->ready || !ed->sock)
		return; /* it waits for its ack: it has no machine to merge with */
	text = edited(w, ed->text ? ed->text : "", ed->len, &len);
	(void)snprintf(ed->ref, sizeof ed->ref, "whole%d-%d", (int)(ed - w->editors), ++ed->refs);
	{
		json_t *o =
			json_pack("{s:s, s:s, s:{s:s, s:I, s:{s:s%}}}", "type", "section_update",
		                  "ref", ed->ref, "data", "section_id", "s", "base_seq",
		                  (json_int_t)ed->seq, "changes", "content", text, len);

		ed->flying = json_dumps(o, JSON_COMPACT);
		json_decref(o);
	}
	free(text);
	deliver(w, ed, ed->flying);
}

/* ---- what comes -------------------------------------------------------------------------------
 */

static void set_text(struct editor *ed, const json_t *content)
{
	const char *s = json_is_string(content) ? json_string_value(content) : "";

	free(ed->text);
	ed->len = json_is_string(content) ? json_string_length(content) : 0;
	ed->text = malloc(ed->len + 1);
	memcpy(ed->text, s, ed->len + 1);
}

static void on_state(struct world *w, struct editor *ed, const json_t *o, bool whole)
{
	const json_t *content =
		json_object_get(json_object_get(json_object_get(o, "sections"), "s"), "content");
	struct op out;

	op_init(&out, 1 << 24);
	if (ed->joined)
		wrong(w, ed, "a second state", sim_int(o, "seq"));
	if (whole)
		set_text(ed, content);
	else if (otclient_init(&ed->ot, sim_int(o, "seq"), json_string_value(content),
	                       content ? json_string_length(content) : 0, 1 << 20))
		wrong(w, ed, "init", 0);
	op_release(&out);
	ed->joined = ed->ready = true;
}

static void whole_done(struct editor *ed)
{
	free(ed->flying);
	ed->flying = NULL;
	ed->ref[0] = '\0';
}

/* The text of a change as a delta in *op, or its content. */
static const json_t *change_of(const json_t *o, struct op *op)
{
	const json_t *changes = json_object_get(o, "changes");
	const json_t *delta = json_object_get(changes, "delta");

	if (delta)
		(void)op_from_json(delta, op, NULL);
	return json_object_get(changes, "content");
}

static void on_change(struct world *w, struct editor *ed, const json_t *o, bool whole, bool own)
{
	int64_t seq = sim_int(o, "seq");
	const json_t *content = NULL;
	struct op op, out;
	int rc = 0;

	op_init(&op, 1 << 24);
	op_init(&out, 1 << 24);
	content = change_of(o, &op);
	if (whole) {
		if (content)
			set_text(ed, content);
		else if (json_object_get(json_object_get(o, "changes"), "delta"))
			wrong(w, ed, "a delta on content=full", seq);
	} else if (own) {
		bool has = json_object_get(json_object_get(o, "changes"), "delta") != NULL;

		rc = otclient_ack(&ed->ot, sim_str(o, "ref"), seq, has ? &op : NULL, &out);
	} else if (json_is_string(content)) {
		rc = otclient_replace(&ed->ot, seq, json_string_value(content),
		                      json_string_length(content), &out);
	} else {
		rc = otclient_remote(&ed->ot, seq, &op, &out);
	}
	if (rc)
		wrong(w, ed, "the change does not fit", seq);
	op_release(&op);
	op_release(&out);
}

static void moved(struct world *w, struct editor *ed, const json_t *o)
{
	int64_t seq = sim_int(o, "seq");

	if (seq != ed->seq + 1)
		wrong(w, ed, "not the next seq", seq);
	ed->seq = seq;
	strcpy(ed->hash, sim_str(o, "hash"));
}

/* What came of the client's own content: the ack says it, unless it is just what was sent. */
static void own_text(struct editor *ed, const json_t *ack, bool duplicate)
{
	const json_t *stored = json_object_get(json_object_get(ack, "changes"), "content");
	json_t *sent = json_loads(ed->flying, 0, NULL);

	if (duplicate)
		ed->asks = true; /* it was seen to before, perhaps: the whole text is asked for */
	else if (stored)
		set_text(ed, stored);
	else
		set_text(ed,
		         json_object_get(json_object_get(json_object_get(sent, "data"), "changes"),
		                         "content"));
	json_decref(sent);
}

static void on_ack(struct world *w, struct editor *ed, const json_t *o, bool whole)
{
	bool duplicate = json_is_true(json_object_get(o, "duplicate"));
	bool unchanged = json_is_true(json_object_get(o, "unchanged"));

	if (!duplicate && !unchanged)
		moved(w, ed, o);
	if (whole) {
		if (strcmp(sim_str(o, "ref"), ed->ref) != 0)
			return;
		own_text(ed, o, duplicate);
		whole_done(ed);
		return;
	}
	if (!duplicate || strcmp(sim_str(o, "ref"), ed->ot.ref) == 0)
		on_change(w, ed, o, false, true);
}

static void on_message(struct world *w, struct editor *ed, const json_t *o, bool whole)
{
	const char *type = sim_str(o, "type");

	if (strcmp(type, "session_state") == 0) {
		ed->seq = sim_int(o, "seq");
		strcpy(ed->hash, sim_str(o, "hash"));
		on_state(w, ed, o, whole);
	} else if (strcmp(type, "synced") == 0) {
		ed->ready = true;
		if (!whole)
			otclient_seen(&ed->ot, sim_int(o, "seq"));
	} else if (strcmp(type, "ack") == 0) {
		on_ack(w, ed, o, whole);
	} else if (strcmp(type, "error") == 0) {
		if (strcmp(sim_str(o, "code"), "store_unavailable") != 0)
			wrong(w, ed, sim_str(o, "message"), 0);
		sim_close(ed->sock, false);
		ed->sock = NULL;
	} else if (json_object_get(o, "event_id")) {
		bool own = sim_str(o, "ref")[0] &&
		           strcmp(sim_str(o, "ref"), whole ? ed->ref : ed->ot.ref) == 0;

		moved(w, ed, o);
		if (json_object_get(o, "changes"))
			on_change(w, ed, o, whole, own);
		else if (!whole)
			otclient_seen(&ed->ot, ed->seq);
		if (whole && own)
			whole_done(ed);
	}
}

static void drain(struct world *w, struct editor *ed, bool whole)
{
	json_t *o = NULL;

	while (ed->sock && (o = sim_next(ed->sock))) {
		on_message(w, ed, o, whole);
		json_decref(o);
	}
	if (ed->sock && ed->sock->close_code) {
		sim_close(ed->sock, false);
		ed->sock = NULL;
	}
	if (ed->sock)
		push(w, ed, whole);
}

static void join(struct world *w, struct editor *ed, bool whole)
{
	char target[256], resume[128] = "";

	if (ed->joined)
		(void)snprintf(resume, sizeof resume, "&since=%lld&hash=%s", (long long)ed->seq,
		               ed->hash);
	(void)snprintf(target, sizeof target, "/ws/reports/pmr/r1/collaborate?content=%s%s",
	               whole ? "full" : "delta", resume);
	ed->ready = false;
	ed->resend = true;
	ed->sock = sim_connect(&w->sim, ed->user, target);
	if (ed->sock->status != 101) {
		sim_close(ed->sock, false);
		ed->sock = NULL;
	}
}

/* ---- the run ----------------------------------------------------------------------------------
 */

static void step(struct world *w)
{
	int i = (int)(rnd(&w->sim.rnd) % EDITORS);
	struct editor *ed = &w->editors[i];
	uint64_t dice = rnd(&w->sim.rnd) % 1000;

	if (dice < 650) {
		edit(w, ed, i >= WHOLE);
	} else if (dice < 940) {
		sim_run(&w->sim, (int64_t)(rnd(&w->sim.rnd) % 30));
	} else if (dice < 970 && ed->sock) {
		drain(w, ed, i >= WHOLE);
		if (ed->sock)
			sim_close(ed->sock, rnd(&w->sim.rnd) % 2);
		ed->sock = NULL;
	} else if (dice < 980) {
		store_mem_faults(w->sim.store)->hold = (int64_t)(rnd(&w->sim.rnd) % 5);
	} else if (dice < 983) {
		store_mem_faults(w->sim.store)->fail_append = 1 + (int64_t)(rnd(&w->sim.rnd) % 4);
	} else if (dice < 986) {
		for (int k = 0; k < EDITORS; k++) {
			drain(w, &w->editors[k], k >= WHOLE);
			w->editors[k].sock = NULL;
		}
		sim_crash(&w->sim);
	}
	/* Each connection's messages arrive in order, but some connections later than others. */
	for (int k = 0; k < EDITORS; k++) {
		if (rnd(&w->sim.rnd) % 3 == 0)
			drain(w, &w->editors[k], k >= WHOLE);
		if (!w->editors[k].sock && rnd(&w->sim.rnd) % 4 == 0)
			join(w, &w->editors[k], k >= WHOLE);
	}
}

static void settle(struct world *w)
{
	store_mem_faults(w->sim.store)->fail_append = 0;
	store_mem_faults(w->sim.store)->hold = 0;
	for (int round = 0; round < 60; round++) {
		for (int k = 0; k < EDITORS; k++) {
			drain(w, &w->editors[k], k >= WHOLE);
			if (!w->editors[k].sock)
				join(w, &w->editors[k], k >= WHOLE);
		}
		sim_run(&w->sim, 500);
	}
	for (int k = WHOLE; k < EDITORS; k++) {
		struct sim_sock *s =
			sim_request(&w->sim, w->editors[k].user, "GET",
		                    "/api/reports/pmr/r1/collaborate/sections/s", NULL);
		json_t *o = json_loads(s->answer, 0, NULL);

		if (w->editors[k].asks)
			set_text(&w->editors[k], json_object_get(o, "content"));
		json_decref(o);
		sim_close(s, true);
	}
}

static void compare(struct world *w, uint64_t seed)
{
	char *head = past_state(&w->sim, ""), *folded = NULL, at[32];
	json_t *o = json_loads(head, 0, NULL);
	const json_t *content =
		json_object_get(json_object_get(json_object_get(o, "sections"), "s"), "content");
	const char *text = json_string_value(content) ? json_string_value(content) : "";
	int differ = 0, pending = 0;

	for (int k = 0; k < EDITORS; k++) {
		const struct editor *ed = &w->editors[k];
		const char *mine = k >= WHOLE ? ed->text : ed->ot.local.p;

		if (strcmp(mine ? mine : "", text) != 0) {
			differ++;
			printf("# %s holds %s\n# the server %s\n", ed->user, mine ? mine : "",
			       text);
		}
		pending += k >= WHOLE ? ed->flying != NULL : !otclient_synchronized(&ed->ot);
	}
	ok(differ == 0, "seed %llu: %d replicas hold the server's text (%zu bytes, %d edits)",
	   (unsigned long long)seed, EDITORS, strlen(text), w->edits);
	is_int(pending, 0, "nothing is pending");
	is_int(w->wrong, 0, "no client saw anything out of place");
	(void)snprintf(at, sizeof at, "?at=%lld", (long long)sim_int(o, "seq"));
	folded = past_state(&w->sim, at);
	is_str(folded, head, "a fold of the stored log is the same state, byte for byte");
	json_decref(o);
	free(head);
	free(folded);
}

static const char begin[] = "{\"conflict_resolution_strategy\":\"merge\",\"participants\":["
			    "{\"user_id\":\"u1\"},{\"user_id\":\"u2\"},"
			    "{\"user_id\":\"u3\"},{\"user_id\":\"u4\"}],"
			    "\"sections\":{\"s\":{\"content\":\"The budget: 10 %.\\n\"}}}";

static void run(uint64_t seed, int steps)
{
	struct world *w = calloc(1, sizeof *w);
	struct sim_sock *k = NULL;

	sim_init(&w->sim, seed);
	w->sim.conf.snapshot_events = 40;
	k = sim_request(&w->sim, "u0", "POST", "/api/reports/pmr/r1/collaborate/start", begin);
	is_int(k->status, 201, "started");
	sim_close(k, true);
	for (int i = 0; i < EDITORS; i++)
		(void)snprintf(w->editors[i].user, sizeof w->editors[i].user, "u%d", i);
	for (int i = 0; i < steps; i++)
		step(w);
	settle(w);
	compare(w, seed);
	past_compare(&w->sim);
	ok(w->twice > 0, "%d messages came twice", w->twice);
	for (int i = 0; i < EDITORS; i++) {
		otclient_release(&w->editors[i].ot);
		free(w->editors[i].text);
		free(w->editors[i].flying);
	}
	sim_release(&w->sim);
	free(w);
}

int main(void)
{
	uint64_t seed = rnd_seed(1);
	int rounds = getenv("LONG")    ? 300
	             : getenv("SHORT") ? 1
	                               : 6,
	    steps = getenv("LONG") ? 3500 : 1500;

	for (int i = 0; i < rounds; i++)
		run(seed++, steps);
	return done();
}
