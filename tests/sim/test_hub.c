/*
 * Many clients over a network that delays and breaks and a daemon that crashes: every client ends
 * with every event exactly once, in order; every acknowledged edit is in the log with its seq.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { CLIENTS = 6, ACKED_MAX = 20000 };

struct pending {
	struct pending *next;
	char ref[24];
	char json[512];
	bool refused;
};

/* A client as collab-protocol(7) wants it: resumes by seq and hash, resends what is not acked. */
struct client {
	struct sim *sim;
	struct sim_sock *sock;
	char user[16];
	int64_t seq; /* last seq seen */
	char hash[65];
	struct pending *pending; /* sent or to be sent, in order */
	int refs;
	int64_t acked; /* acks seen */
	bool state_seen;
};

struct world {
	struct sim sim;
	struct client clients[CLIENTS];
	/* what any client was ever told: seq -> hash */
	char hashes[ACKED_MAX][65];
	/* what was acked: seq -> ref */
	char refs[ACKED_MAX][24];
	int64_t seq_max;
	int wrong;
};

static void wrong(struct world *w, const char *what, const struct client *c, int64_t seq)
{
	if (w->wrong++ < 10)
		printf("# %s: %s at seq %lld (client at %lld)\n", c->user, what, (long long)seq,
		       (long long)c->seq);
}

/* The client was told of `seq` with `hash`: it must be the next, and the same for everyone. */
static void told(struct world *w, struct client *c, int64_t seq, const char *hash)
{
	if (seq != c->seq + 1)
		wrong(w, "not the next seq", c, seq);
	if (w->hashes[seq][0] && strcmp(w->hashes[seq], hash) != 0)
		wrong(w, "another hash than before", c, seq);
	strcpy(w->hashes[seq], hash);
	c->seq = seq;
	strcpy(c->hash, hash);
	w->seq_max = seq > w->seq_max ? seq : w->seq_max;
}

static void drop_pending(struct client *c, const char *ref)
{
	for (struct pending **p = &c->pending; *p; p = &(*p)->next) {
		struct pending *m = *p;

		if (strcmp(m->ref, ref) != 0)
			continue;
		*p = m->next;
		free(m);
		return;
	}
}

/* Of the pending message: the hub said that nothing was changed, and it was not sent again. */
static bool *refusal(struct client *c, const char *ref)
{
	for (struct pending *p = c->pending; p; p = p->next)
		if (strcmp(p->ref, ref) == 0)
			return &p->refused;
	return NULL;
}

static void set_refused(struct client *c, const char *ref)
{
	bool *is = refusal(c, ref);

	if (is)
		*is = true;
}

static bool refused(struct client *c, const char *ref)
{
	const bool *is = refusal(c, ref);

	return is && *is;
}

static void on_ack(struct world *w, struct client *c, const json_t *o)
{
	int64_t seq = sim_int(o, "seq");
	const char *ref = sim_str(o, "ref");

	if (json_is_true(json_object_get(o, "duplicate"))) {
		if (w->refs[seq][0] && strcmp(w->refs[seq], ref) != 0)
			wrong(w, "a duplicate of another ref", c, seq);
	} else {
		told(w, c, seq, sim_str(o, "hash"));
		if (w->refs[seq][0] && strcmp(w->refs[seq], ref) != 0)
			wrong(w, "one seq acked for two refs", c, seq);
	}
	strcpy(w->refs[seq], ref);
	c->acked++;
	drop_pending(c, ref);
}

static void on_message(struct world *w, struct client *c, const json_t *o)
{
	const char *type = sim_str(o, "type");

	if (strcmp(type, "ack") == 0) {
		on_ack(w, c, o);
	} else if (strcmp(type, "session_state") == 0) {
		if (c->state_seen)
			wrong(w, "a second state", c, sim_int(o, "seq"));
		c->state_seen = true;
		c->seq = sim_int(o, "seq");
		strcpy(c->hash, sim_str(o, "hash"));
	} else if (strcmp(type, "error") == 0) {
		if (strcmp(sim_str(o, "code"), "store_unavailable") != 0)
			wrong(w, sim_str(o, "message"), c, 0);
		/* It stays pending, and is sent again with the next connection. */
		set_refused(c, sim_str(o, "ref"));
	} else if (sim_int(o, "seq") > 0 && json_object_get(o, "event_id")) {
		told(w, c, sim_int(o, "seq"), sim_str(o, "hash"));
		/* An own event in a replay is its ack. */
		if (strcmp(sim_str(o, "user_id"), c->user) == 0 && sim_str(o, "ref")[0]) {
			if (refused(c, sim_str(o, "ref")))
				wrong(w, "what was refused is in the log", c, sim_int(o, "seq"));
			drop_pending(c, sim_str(o, "ref"));
		}
	}
}

static void drain(struct world *w, struct client *c)
{
	json_t *o = NULL;

	while (c->sock && (o = sim_next(c->sock))) {
		on_message(w, c, o);
		json_decref(o);
	}
	if (c->sock && c->sock->close_code) {
		sim_close(c->sock, false);
		c->sock = NULL;
	}
}

static void connect_client(struct world *w, struct client *c)
{
	char target[256];

	if (c->state_seen)
		(void)snprintf(target, sizeof target,
		               "/ws/reports/pmr/r1/collaborate?content=delta&since=%lld&hash=%s",
		               (long long)c->seq, c->seq ? c->hash : "");
	else
		(void)snprintf(target, sizeof target, "/ws/reports/pmr/r1/collaborate");
	c->sock = sim_connect(&w->sim, c->user, target);
	if (c->sock->status != 101) {
		sim_close(c->sock, false);
		c->sock = NULL;
		return;
	}
	for (struct pending *p = c->pending; p; p = p->next) {
		p->refused = false;
		sim_send(c->sock, p->json);
	}
}

static void edit(struct world *w, struct client *c)
{
	struct pending *p = calloc(1, sizeof *p), **end = &c->pending;
	static const char *const words[] = {"plan", "naïve",    "日本語",
	                                    "𝔘𝔫𝔦",  "e\\u0301", "👩‍🚀"};

	(void)snprintf(p->ref, sizeof p->ref, "%s-%d", c->user, ++c->refs);
	if (rnd(&w->sim.rnd) % 4)
		(void)snprintf(p->json, sizeof p->json,
		               "{\"type\":\"section_update\",\"ref\":\"%s\",\"data\":{\"section_"
		               "id\":\"s%d\","
		               "\"changes\":{\"content\":\"%s %d\"}}}",
		               p->ref, (int)(rnd(&w->sim.rnd) % 3), words[rnd(&w->sim.rnd) % 6],
		               c->refs);
	else
		(void)snprintf(p->json, sizeof p->json,
		               "{\"type\":\"comment_added\",\"ref\":\"%s\",\"data\":{\"section_"
		               "id\":\"s0\","
		               "\"content\":\"%s\",\"parent_comment_id\":null}}",
		               p->ref, words[rnd(&w->sim.rnd) % 6]);
	while (*end)
		end = &(*end)->next;
	*end = p;
	if (c->sock)
		sim_send(c->sock, p->json);
}

static void crash(struct world *w)
{
	for (int i = 0; i < CLIENTS; i++) {
		/* What was on the wire may still arrive; what was not, is gone. */
		drain(w, &w->clients[i]);
		w->clients[i].sock = NULL;
	}
	sim_crash(&w->sim);
}

static void step(struct world *w, int faults)
{
	struct client *c = &w->clients[rnd(&w->sim.rnd) % CLIENTS];
	uint64_t dice = rnd(&w->sim.rnd) % 1000;

	if (dice < 600) {
		edit(w, c);
	} else if (dice < 900) {
		sim_run(&w->sim, (int64_t)(rnd(&w->sim.rnd) % 50));
	} else if (dice < 960 && c->sock) {
		drain(w, c);
		if (c->sock)
			sim_close(c->sock, rnd(&w->sim.rnd) % 2);
		c->sock = NULL;
	} else if (dice < 975) {
		store_mem_faults(w->sim.store)->hold = (int64_t)(rnd(&w->sim.rnd) % 6);
	} else if (dice < 980 && faults) {
		store_mem_faults(w->sim.store)->fail_append = 1 + (int64_t)(rnd(&w->sim.rnd) % 4);
	} else if (dice < 982 && faults) {
		store_mem_faults(w->sim.store)->refuse_append = 1 + (int64_t)(rnd(&w->sim.rnd) % 4);
	} else if (dice < 986 && faults) {
		crash(w);
	}
	for (int i = 0; i < CLIENTS; i++) {
		drain(w, &w->clients[i]);
		if (!w->clients[i].sock && rnd(&w->sim.rnd) % 4 == 0)
			connect_client(w, &w->clients[i]);
	}
}

/* Let everything settle; every client must reach the log's end with nothing pending. */
static void settle(struct world *w)
{
	for (int round = 0; round < 50; round++) {
		bool pending = false;

		for (int i = 0; i < CLIENTS; i++) {
			struct client *c = &w->clients[i];

			drain(w, c);
			if (c->sock && c->pending && round % 5 == 4) {
				sim_close(c->sock, false); /* resend what an error refused */
				c->sock = NULL;
			}
			if (!c->sock)
				connect_client(w, c);
			pending |= c->pending != NULL;
		}
		sim_run(&w->sim, 1000);
		if (!pending && round > 6)
			break;
	}
	for (int i = 0; i < CLIENTS; i++)
		drain(w, &w->clients[i]);
}

/* Read the log back; every acked ref is in it once, at its seq, and the chain is what was told. */
static void check_log(struct world *w, const char *name)
{
	int64_t after = 0, bad = 0, seen = 0, acked = 0;

	for (;;) {
		char target[128];
		struct sim_sock *k = NULL;
		json_t *page = NULL, *ev = NULL;
		size_t i;

		(void)snprintf(target, sizeof target,
		               "/api/reports/pmr/r1/collaborate/events?since=%lld&limit=10000",
		               (long long)after);
		k = sim_request(&w->sim, "admin", "GET", target, NULL);
		page = json_loads(k->answer ? k->answer : "", 0, NULL);
		sim_close(k, true);
		json_array_foreach(json_object_get(page, "events"), i, ev)
		{
			int64_t seq = sim_int(ev, "seq");

			bad += seq != after + 1;
			after = seq;
			seen++;
			if (w->hashes[seq][0])
				bad += strcmp(w->hashes[seq], sim_str(ev, "hash")) != 0;
			if (w->refs[seq][0])
				bad += strcmp(w->refs[seq], sim_str(ev, "ref")) != 0;
			if (sim_str(ev, "ref")[0])
				strcpy(w->refs[seq], "");
		}
		if (!json_is_integer(json_object_get(page, "next"))) {
			json_decref(page);
			break;
		}
		json_decref(page);
	}
	for (int64_t seq = 1; seq < ACKED_MAX; seq++)
		bad += w->refs[seq][0] != '\0';
	for (int i = 0; i < CLIENTS; i++)
		acked += w->clients[i].acked;
	ok(bad == 0, "%s: the log (%lld events) has every acked edit once, at its seq (%lld acks)",
	   name, (long long)seen, (long long)acked);
}

static void run(const char *name, uint64_t seed, int steps, int faults)
{
	struct world *w = calloc(1, sizeof *w);
	struct sim_sock *k = NULL;
	int64_t behind = 0;
	int pending = 0;

	sim_init(&w->sim, seed);
	k = sim_request(
		&w->sim, "u0", "POST", "/api/reports/pmr/r1/collaborate/start",
		"{\"max_participants\":20,\"participants\":["
		"{\"user_id\":\"u1\",\"role\":\"editor\"},{\"user_id\":\"u2\",\"role\":\"editor\"},"
		"{\"user_id\":\"u3\",\"role\":\"editor\"},{\"user_id\":\"u4\",\"role\":\"editor\"},"
		"{\"user_id\":\"u5\",\"role\":\"editor\"}]}");
	is_int(k->status, 201, name);
	if (k->status != 201)
		printf("# %s\n", k->answer ? k->answer : "");
	sim_close(k, true);
	for (int i = 0; i < CLIENTS; i++) {
		w->clients[i].sim = &w->sim;
		(void)snprintf(w->clients[i].user, sizeof w->clients[i].user, "u%d", i);
	}
	for (int i = 0; i < steps; i++)
		step(w, faults);
	store_mem_faults(w->sim.store)->fail_append = 0;
	store_mem_faults(w->sim.store)->refuse_append = 0;
	store_mem_faults(w->sim.store)->hold = 0;
	settle(w);
	for (int i = 0; i < CLIENTS; i++) {
		behind += w->seq_max - w->clients[i].seq;
		pending += w->clients[i].pending != NULL;
	}
	is_int(behind, 0, "every client reached the log's end");
	is_int(pending, 0, "nothing is left unacknowledged");
	is_int(w->wrong, 0, "every client saw every seq exactly once, in order, with one hash");
	check_log(w, name);
	for (int i = 0; i < CLIENTS; i++)
		while (w->clients[i].pending)
			drop_pending(&w->clients[i], w->clients[i].pending->ref);
	sim_release(&w->sim);
	free(w);
}

int main(void)
{
	uint64_t seed = rnd_seed(1);
	int rounds = getenv("LONG") ? 200 : getenv("SHORT") ? 1 : 6;

	run("calm", seed, 1500, 0);
	for (int i = 0; i < rounds; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "faults, seed %llu", (unsigned long long)seed);
		run(name, seed++, 1500, 1);
	}
	return done();
}
