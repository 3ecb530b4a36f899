/*
 * Many clients over a network that delays and breaks and a daemon that crashes: every client ends
 * with every event exactly once, in order; every acknowledged edit is in the log with its seq.
 */
#include "client.h"

static void step(struct world *w, int faults)
{
	struct client *c = &w->clients[rnd(&w->sim.rnd) % CLIENTS];
	uint64_t dice = rnd(&w->sim.rnd) % 1000;

	if (dice < 600) {
		edit_some(w, c);
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
