/*
 * A log that is erased and compacted again and again under clients that write, over a store that
 * delays and fails, a daemon that crashes and an administrator who hangs up: every client ends with
 * every event once, in order, or is told that the log begins behind it; what an answer calls done
 * is done; and the state is a fresh fold of a log that verifies.
 */
#include "client.h"
#include "proto/log_import.h"
#include "proto/state_json.h"

/* What the administrator does. */
struct admin {
	struct sim_sock *sock; /* NULL: nothing */
	bool compacts;
	int64_t floor;  /* that was asked for */
	int64_t before; /* everything up to here was told of before the text was to go */
	int64_t done, failed, unscrubbed, unknown;
};

#define SESSION "/api/reports/pmr/r1/collaborate/"

/* Everything there is of the log, as one text, the base first; the fold of it in *in. */
static bool read_log(struct world *w, struct log_import *in, struct buf *text)
{
	struct sim_sock *k = NULL;
	struct err e = {0};
	char target[128];
	int64_t after = 0;
	int rc = 0;

	log_import_init(in, 4096, 1 << 26);
	for (bool more = true, first = true; more && !rc; first = false) {
		json_t *page = NULL, *ev = NULL;
		size_t i;

		(void)snprintf(target, sizeof target, SESSION "events?since=%lld&limit=10000",
		               (long long)after);
		k = sim_request(&w->sim, "admin", "GET", target, NULL);
		page = json_loads(k->answer ? k->answer : "", 0, NULL);
		sim_close(k, true);
		ev = json_array_get(json_object_get(page, "events"), 0);
		if (first && sim_int(ev, "seq") > 1) {
			(void)snprintf(target, sizeof target, SESSION "state?at=%lld",
			               (long long)sim_int(ev, "seq") - 1);
			k = sim_request(&w->sim, "admin", "GET", target, NULL);
			buf_printf(text, "{\"format\":1,\"state\":%s,\"type\":\"export\"}\n",
			           k->answer);
			sim_close(k, true);
		}
		json_array_foreach(json_object_get(page, "events"), i, ev)
		{
			char *line = json_dumps(ev, JSON_COMPACT | JSON_SORT_KEYS);

			buf_printf(text, "%s\n", line ? line : "");
			after = sim_int(ev, "seq");
			free(line);
		}
		more = json_is_integer(json_object_get(page, "next"));
		json_decref(page);
	}
	rc = log_import_feed(in, text->p, text->len, &e);
	if (!rc)
		rc = log_import_end(in, &e);
	if (rc && w->wrong++ < 10)
		printf("# the log is not right: %s\n", e.text);
	return rc == 0;
}

/* Of u3's events up to w->before none has its text; nor has the base. */
static void check_erased(struct world *w, const struct admin *a)
{
	struct log_import in;
	struct buf text;
	const char *line = NULL;

	buf_init(&text, 1 << 26);
	(void)read_log(w, &in, &text); /* it says what is wrong */
	for (line = text.p; line && *line; line = strchr(line, '\n') + 1) {
		json_t *j = json_loadb(line, (size_t)(strchr(line, '\n') - line), 0, NULL);
		const char *found = strstr(line, "Zebra");

		if (found && found < strchr(line, '\n') && sim_int(j, "seq") <= a->before &&
		    w->wrong++ < 10)
			printf("# the text is still there: %.300s\n", line);
		json_decref(j);
	}
	log_import_release(&in);
	buf_release(&text);
}

/* What the answer says must be so. */
static void answered(struct world *w, struct admin *a)
{
	struct sim_sock *k = a->sock;
	json_t *o = json_loads(k->answer, 0, NULL);
	int status = k->status;

	a->sock = NULL;
	sim_close(k, true);
	a->unscrubbed += status == 202;
	if (status == 200 || status == 202) {
		a->done++;
		if (a->compacts && sim_int(o, "floor") < a->floor)
			w->wrong++;
		if (!a->compacts)
			check_erased(w, a);
	} else if (status == 503 || status == 429) {
		a->failed++;
	} else if (w->wrong++ < 10) {
		printf("# %s: %d %s\n", a->compacts ? "compact" : "erase", status,
		       json_string_value(json_object_get(o, "detail")));
	}
	json_decref(o);
}

static void ask(struct world *w, struct admin *a)
{
	char body[64];

	a->compacts = rnd(&w->sim.rnd) % 2;
	a->before = w->seq_max;
	if (a->compacts) {
		int64_t most = w->seq_max - w->floor;

		a->floor = w->floor + (most > 0 ? (int64_t)(rnd(&w->sim.rnd) % (uint64_t)most) : 0);
		if (a->floor < 1)
			return;
		(void)snprintf(body, sizeof body, "{\"floor\":%lld}", (long long)a->floor);
		w->floor = a->floor;
	} else {
		(void)snprintf(body, sizeof body, "{\"user_id\":\"u3\"}");
	}
	a->sock = sim_ask(&w->sim, "admin", "POST",
	                  a->compacts ? SESSION "compact" : SESSION "erase", body);
}

static void admin_step(struct world *w, struct admin *a)
{
	if (a->sock && a->sock->status) {
		answered(w, a);
	} else if (a->sock && rnd(&w->sim.rnd) % 100 == 0) {
		a->unknown++; /* who hangs up does not know */
		sim_close(a->sock, false);
		a->sock = NULL;
	} else if (!a->sock && rnd(&w->sim.rnd) % 30 == 0) {
		ask(w, a);
	}
}

static void step(struct world *w, struct admin *a)
{
	struct store_mem_faults *faults = store_mem_faults(w->sim.store);
	struct client *c = &w->clients[rnd(&w->sim.rnd) % CLIENTS];
	uint64_t dice = rnd(&w->sim.rnd) % 1000;

	if (dice < 500) {
		edit(w, c);
	} else if (dice < 880) {
		sim_run(&w->sim, (int64_t)(rnd(&w->sim.rnd) % 20));
	} else if (dice < 940 && c->sock) {
		drain(w, c);
		if (c->sock)
			sim_close(c->sock, rnd(&w->sim.rnd) % 2);
		c->sock = NULL;
	} else if (dice < 965) {
		faults->hold = (int64_t)(rnd(&w->sim.rnd) % 6);
	} else if (dice < 975) {
		faults->fail_append = 1 + (int64_t)(rnd(&w->sim.rnd) % 4);
	} else if (dice < 978) {
		faults->refuse_append = 1 + (int64_t)(rnd(&w->sim.rnd) % 4);
	} else if (dice < 984) {
		faults->no_scrub = 1 + (int64_t)(rnd(&w->sim.rnd) % 40);
	} else if (dice < 990) {
		faults->crash_commits = (int64_t)(rnd(&w->sim.rnd) % 4);
		a->unknown += a->sock != NULL;
		a->sock = NULL; /* the crash frees it */
		crash(w);
	}
	admin_step(w, a);
	for (int i = 0; i < CLIENTS; i++) {
		drain(w, &w->clients[i]);
		if (!w->clients[i].sock && rnd(&w->sim.rnd) % 6 == 0)
			connect_client(w, &w->clients[i]);
	}
}

/* What the hub shows is the fold of the log, which has what it must. */
static void check_fold(struct world *w, const char *name)
{
	struct buf text, mine;
	struct log_import in;
	struct sim_sock *k = NULL;
	int64_t missing = 0;
	bool good;

	buf_init(&text, 1 << 26);
	buf_init(&mine, 1 << 26);
	good = read_log(w, &in, &text);
	for (int64_t seq = in.floor + 1; seq <= w->seq_max; seq++) {
		char ref[48];

		(void)snprintf(ref, sizeof ref, "\"ref\":\"%s\",", w->refs[seq]);
		missing += w->refs[seq][0] && !strstr(text.p ? text.p : "", ref);
	}
	is_int(missing, 0, "every acknowledged edit above the floor is in the log");
	ok(in.session.seq >= w->seq_max, "the log ends at seq %lld, and begins behind %lld",
	   (long long)in.session.seq, (long long)in.floor);
	k = sim_request(&w->sim, "admin", "GET", SESSION "state", NULL);
	state_write(&in.session, &mine);
	ok(good && k->answer && strcmp(k->answer, mine.p) == 0, "%s", name);
	sim_close(k, true);
	log_import_release(&in);
	buf_release(&mine);
	buf_release(&text);
}

static void run(const char *name, uint64_t seed, int steps, struct admin *sums, int64_t *stale)
{
	struct world *w = calloc(1, sizeof *w);
	struct admin a = {0};
	int64_t behind = 0;
	int pending = 0;

	sim_init(&w->sim, seed);
	sim_close(sim_request(&w->sim, "u0", "POST", SESSION "start",
	                      "{\"max_participants\":20,\"participants\":["
	                      "{\"user_id\":\"u1\",\"role\":\"editor\"},"
	                      "{\"user_id\":\"u2\",\"role\":\"editor\"},"
	                      "{\"user_id\":\"u3\",\"role\":\"editor\"},"
	                      "{\"user_id\":\"u4\",\"role\":\"editor\"},"
	                      "{\"user_id\":\"u5\",\"role\":\"editor\"}]}"),
	          true);
	for (int i = 0; i < CLIENTS; i++) {
		w->clients[i].sim = &w->sim;
		(void)snprintf(w->clients[i].user, sizeof w->clients[i].user, "u%d", i);
	}
	for (int i = 0; i < steps; i++)
		step(w, &a);
	*store_mem_faults(w->sim.store) = (struct store_mem_faults){0};
	settle(w);
	if (a.sock && a.sock->status)
		answered(w, &a);
	ok(!a.sock, "%s: whatever was asked for was answered", name);
	for (int i = 0; i < CLIENTS; i++) {
		behind += w->seq_max - w->clients[i].seq;
		pending += w->clients[i].pending != NULL;
	}
	is_int(behind, 0, "every client reached the log's end");
	is_int(pending, 0, "nothing is left unacknowledged");
	/* The last word: nobody writes any more. */
	a.compacts = false;
	a.sock = sim_request(&w->sim, "admin", "POST", SESSION "erase", "{\"user_id\":\"u3\"}");
	a.before = INT64_MAX;
	is_int(a.sock->status, 200, "erase once more");
	answered(w, &a);
	settle(w);
	check_fold(w, "the state is a fresh fold");
	crash(w);
	check_fold(w, "and after a crash");
	is_int(w->wrong, 0, "nobody was told anything wrong, and what was called done is");
	for (int i = 0; i < CLIENTS; i++)
		while (w->clients[i].pending)
			drop_pending(&w->clients[i], w->clients[i].pending->ref);
	sums->done += a.done;
	sums->failed += a.failed;
	sums->unscrubbed += a.unscrubbed;
	sums->unknown += a.unknown;
	*stale += w->stale;
	sim_release(&w->sim);
	free(w);
}

/* ---- what was found ---------------------------------------------------------------------- */

static void write_text(struct sim_sock *k, const char *text, const char *ref)
{
	char json[256];

	(void)snprintf(json, sizeof json,
	               "{\"type\":\"section_update\",\"ref\":\"%s\",\"data\":{\"section_id\":"
	               "\"s\",\"changes\":{\"content\":\"%s\"}}}",
	               ref, text);
	sim_send(k, json);
}

/* A session in which u0, who is connected, has written n times. */
static struct sim_sock *begin(struct sim *s, int n)
{
	struct sim_sock *k = NULL;

	sim_init(s, 1);
	sim_close(sim_request(s, "u0", "POST", SESSION "start",
	                      "{\"participants\":[{\"user_id\":\"u1\",\"role\":\"editor\"}]}"),
	          true);
	k = sim_connect(s, "u0", "/ws/reports/pmr/r1/collaborate");
	json_decref(sim_expect(k, "session_state"));
	for (int i = 0; i < n; i++) {
		char ref[8];

		(void)snprintf(ref, sizeof ref, "r%d", i);
		write_text(k, "Zebra", ref);
		json_decref(sim_expect(k, "ack"));
	}
	return k;
}

static int rewrite(struct sim *s, const char *what, const char *body)
{
	char target[80];
	struct sim_sock *k = NULL;
	int status;

	(void)snprintf(target, sizeof target, SESSION "%s", what);
	k = sim_request(s, "admin", "POST", target, body);
	status = k->status;
	sim_close(k, true);
	return status;
}

/* Whoever has seen just what is gone misses nothing; also when the hub does not know it by heart.
 */
static void test_at_the_floor(void)
{
	struct sim s;
	struct sim_sock *k = begin(&s, 5);
	char target[160], body[40];
	json_t *o = NULL;

	write_text(k, "last", "last");
	o = sim_expect(k, "ack");
	(void)snprintf(body, sizeof body, "{\"floor\":%lld}", (long long)sim_int(o, "seq"));
	(void)snprintf(target, sizeof target, "/ws/reports/pmr/r1/collaborate?since=%lld&hash=%s",
	               (long long)sim_int(o, "seq"), sim_str(o, "hash"));
	json_decref(o);
	write_text(k, "more", "more");
	json_decref(sim_expect(k, "ack"));
	is_int(rewrite(&s, "compact", body), 200, "compact up to what was seen last");
	for (int i = 0; i < 3; i++) {
		k = sim_connect(&s, "u1", target);
		sim_run(&s, 100);
		o = sim_next(k);
		is_str(sim_str(o, "type"), "section_update",
		       "resumed at the floor: the next event");
		json_decref(o);
		json_decref(sim_expect(k, "synced"));
		sim_close(k, true);
		if (i == 1)
			sim_crash(&s);
	}
	target[strlen(target) - 1] ^= 1;
	k = sim_connect(&s, "u1", target);
	o = sim_expect(k, "session_state");
	is_str(sim_str(o, "reason"), "hash_mismatch", "with another hash: a state, and why");
	json_decref(o);
	sim_release(&s);
}

/* A state that is lost with an append comes again, with its reason. */
static void test_reason_stays(void)
{
	struct sim s;
	struct sim_sock *k = begin(&s, 5), *stale = NULL;
	json_t *o = NULL;

	is_int(rewrite(&s, "compact", "{\"keep_days\":0}"), 200, "compact");
	store_mem_faults(s.store)->hold = 8;
	store_mem_faults(s.store)->fail_append = 1;
	write_text(k, "lost", "lost");
	stale = sim_connect(&s, "u1", "/ws/reports/pmr/r1/collaborate?since=3");
	o = sim_expect(stale, "session_state");
	ok(store_mem_faults(s.store)->fail_append == 0, "an append fails meanwhile");
	is_str(sim_str(o, "reason"), "compacted", "who is below the floor is told why");
	ok(json_is_false(json_object_get(o, "resumed")), "and that it is no resume");
	json_decref(o);
	sim_release(&s);
}

/* What a ref stood for is not known any more when it is erased: then it is what comes again. */
static void test_ref_of_erased(void)
{
	struct sim s;
	struct sim_sock *k = begin(&s, 1);
	json_t *o = NULL;
	int64_t seq;

	write_text(k, "Zebra", "mine");
	o = sim_expect(k, "ack");
	seq = sim_int(o, "seq");
	json_decref(o);
	is_int(rewrite(&s, "erase", "{\"user_id\":\"u0\"}"), 200, "erase");
	write_text(k, "Zebra", "mine");
	o = sim_expect(k, "ack");
	ok(json_is_true(json_object_get(o, "duplicate")) && sim_int(o, "seq") == seq,
	   "a message that comes again after it was erased is a duplicate");
	json_decref(o);
	sim_release(&s);
}

int main(void)
{
	uint64_t seed = rnd_seed(1);
	int rounds = getenv("LONG") ? 200 : getenv("SHORT") ? 2 : 8;
	struct admin sums = {0};
	int64_t stale = 0;

	test_at_the_floor();
	test_reason_stays();
	test_ref_of_erased();
	for (int i = 0; i < rounds; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "seed %llu", (unsigned long long)seed);
		run(name, seed++, 1500, &sums, &stale);
	}
	ok(sums.done > 0 && sums.failed > 0 && sums.unscrubbed > 0 && sums.unknown > 0 && stale > 0,
	   "%lld were done (%lld not scrubbed at once), %lld refused, %lld nobody knows; %lld "
	   "clients were told to begin anew",
	   (long long)sums.done, (long long)sums.unscrubbed, (long long)sums.failed,
	   (long long)sums.unknown, (long long)stale);
	return done();
}
