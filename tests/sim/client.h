/*
 * Clients as collab-protocol(7) wants them, that write and check all that they are told.  u3 writes
 * nothing without the word Zebra.
 */
#ifndef TESTS_SIM_CLIENT_H
#define TESTS_SIM_CLIENT_H

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
	int64_t floor; /* the highest that the log may have been compacted to */
	int64_t stale; /* clients that were told to begin anew, because of it */
	int wrong;
};

static inline void wrong(struct world *w, const char *what, const struct client *c, int64_t seq)
{
	if (w->wrong++ < 10)
		printf("# %s: %s at seq %lld (client at %lld)\n", c->user, what, (long long)seq,
		       (long long)c->seq);
}

/* The client was told of `seq` with `hash`: it must be the next, and the same for everyone. */
static inline void told(struct world *w, struct client *c, int64_t seq, const char *hash)
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

static inline void drop_pending(struct client *c, const char *ref)
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
static inline bool *refusal(struct client *c, const char *ref)
{
	for (struct pending *p = c->pending; p; p = p->next)
		if (strcmp(p->ref, ref) == 0)
			return &p->refused;
	return NULL;
}

static inline void set_refused(struct client *c, const char *ref)
{
	bool *is = refusal(c, ref);

	if (is)
		*is = true;
}

static inline bool refused(struct client *c, const char *ref)
{
	const bool *is = refusal(c, ref);

	return is && *is;
}

static inline void on_ack(struct world *w, struct client *c, const json_t *o)
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

static inline void on_message(struct world *w, struct client *c, const json_t *o)
{
	const char *type = sim_str(o, "type");

	if (strcmp(type, "ack") == 0) {
		on_ack(w, c, o);
	} else if (strcmp(type, "session_state") == 0) {
		/* Who has seen one resumes, but from below the floor; and is told so. */
		if (c->state_seen && c->seq >= w->floor)
			wrong(w, "a second state", c, sim_int(o, "seq"));
		if (c->state_seen && (strcmp(sim_str(o, "reason"), "compacted") != 0 ||
		                      !json_is_false(json_object_get(o, "resumed"))))
			wrong(w,
			      sim_str(o, "reason")[0] ? sim_str(o, "reason")
			                              : "a second state, and not why",
			      c, sim_int(o, "seq"));
		w->stale += c->state_seen;
		c->state_seen = true;
		c->seq = sim_int(o, "seq");
		strcpy(c->hash, sim_str(o, "hash"));
	} else if (strcmp(type, "error") == 0) {
		if (strcmp(sim_str(o, "code"), "store_unavailable") != 0)
			wrong(w, sim_str(o, "message"), c, 0);
		/* It stays pending, and is sent again with the next connection. */
		set_refused(c, sim_str(o, "ref"));
	} else if (sim_int(o, "seq") > 0 &&
	           (json_object_get(o, "event_id") || json_object_get(o, "erased"))) {
		told(w, c, sim_int(o, "seq"), sim_str(o, "hash"));
		/* An own event in a replay is its ack. */
		if (strcmp(sim_str(o, "user_id"), c->user) == 0 && sim_str(o, "ref")[0]) {
			if (refused(c, sim_str(o, "ref")))
				wrong(w, "what was refused is in the log", c, sim_int(o, "seq"));
			drop_pending(c, sim_str(o, "ref"));
		}
	}
}

static inline void drain(struct world *w, struct client *c)
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

static inline void connect_client(struct world *w, struct client *c)
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
	hub_burst_begin(w->sim.hub);
	for (struct pending *p = c->pending; p; p = p->next) {
		p->refused = false;
		sim_send(c->sock, p->json);
	}
	hub_burst_end(w->sim.hub);
}

static inline void edit(struct world *w, struct client *c)
{
	struct pending *p = calloc(1, sizeof *p), **end = &c->pending;
	static const char *const words[] = {"plan", "naïve",    "日本語",
	                                    "𝔘𝔫𝔦",  "e\\u0301", "👩‍🚀"};

	const char *mark = strcmp(c->user, "u3") == 0 ? "Zebra" : "";

	(void)snprintf(p->ref, sizeof p->ref, "%s-%d", c->user, ++c->refs);
	if (rnd(&w->sim.rnd) % 4)
		(void)snprintf(p->json, sizeof p->json,
		               "{\"type\":\"section_update\",\"ref\":\"%s\",\"data\":{\"section_"
		               "id\":\"s%d\","
		               "\"changes\":{\"content\":\"%s%s %d\"}}}",
		               p->ref, (int)(rnd(&w->sim.rnd) % 3), mark,
		               words[rnd(&w->sim.rnd) % 6], c->refs);
	else
		(void)snprintf(p->json, sizeof p->json,
		               "{\"type\":\"comment_added\",\"ref\":\"%s\",\"data\":{\"section_"
		               "id\":\"s0\","
		               "\"content\":\"%s%s\",\"parent_comment_id\":null}}",
		               p->ref, mark, words[rnd(&w->sim.rnd) % 6]);
	while (*end)
		end = &(*end)->next;
	*end = p;
	if (c->sock)
		sim_send(c->sock, p->json);
}

/* Some edits that arrive together. */
static inline void edit_some(struct world *w, struct client *c)
{
	hub_burst_begin(w->sim.hub);
	for (uint64_t n = 1 + rnd(&w->sim.rnd) % 4; n > 0; n--)
		edit(w, c);
	hub_burst_end(w->sim.hub);
}

static inline void crash(struct world *w)
{
	for (int i = 0; i < CLIENTS; i++) {
		/* What was on the wire may still arrive; what was not, is gone. */
		drain(w, &w->clients[i]);
		w->clients[i].sock = NULL;
	}
	sim_crash(&w->sim);
}

/* Let everything settle; every client must reach the log's end with nothing pending. */
static inline void settle(struct world *w)
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

#endif
