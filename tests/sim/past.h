/*
 * What the server says a session was at some seq, against a fold of its log that is made here.
 */
#ifndef TESTS_SIM_PAST_H
#define TESTS_SIM_PAST_H

#include <stdlib.h>
#include <string.h>

#include "core/session.h"
#include "proto/event_json.h"
#include "proto/state_json.h"
#include "sim.h"

/* The state of r1's session as the administrator gets it; "?at=SEQ" or "".  From malloc. */
static inline char *past_state(struct sim *sim, const char *query)
{
	char target[128];
	struct sim_sock *s = NULL;
	char *text = NULL;

	(void)snprintf(target, sizeof target, "/api/reports/pmr/r1/collaborate/state%s", query);
	s = sim_request(sim, "admin", "GET", target, NULL);
	text = strdup(s->answer ? s->answer : "");
	sim_close(s, true);
	return text;
}

/* Fold one stored event. */
static inline bool past_fold(struct session *s, const json_t *event)
{
	char *line = json_dumps(event, JSON_COMPACT | JSON_SORT_KEYS);
	struct event_doc doc;
	struct err e = {0};
	bool done = line && event_read(line, strlen(line), &doc, &e) == 0;

	if (done && session_apply(s, &doc.ev, &e))
		done = false;
	if (done)
		memcpy(s->hash, doc.hash, sizeof s->hash);
	else
		printf("# %s: %s\n", e.text, line ? line : "");
	if (line)
		event_doc_release(&doc);
	free(line);
	return done;
}

/* Whether the server's state at the seq of this fold is the fold's. */
static inline bool past_is_same(struct sim *sim, const struct session *s)
{
	char at[32], *theirs = NULL;
	struct buf mine;
	bool same = false;

	(void)snprintf(at, sizeof at, "?at=%lld", (long long)s->seq);
	theirs = past_state(sim, at);
	buf_init(&mine, 1 << 24);
	state_write(s, &mine);
	same = !buf_error(&mine) && strcmp(mine.p, theirs) == 0;
	if (!same)
		printf("# at seq %lld\n# the log  %s\n# the server %s\n", (long long)s->seq, mine.p,
		       theirs);
	buf_release(&mine);
	free(theirs);
	return same;
}

/* The log, folded here event by event, against what the server says it was at some seqs. */
static inline void past_compare(struct sim *sim)
{
	struct session s;
	int64_t seqs = 0, looked = 0, differ = 0;
	bool more = true;

	session_init(&s, 4096, 0);
	while (more) {
		char target[96];
		struct sim_sock *k = NULL;
		json_t *page = NULL, *event = NULL;
		size_t i = 0;

		(void)snprintf(target, sizeof target,
		               "/api/reports/pmr/r1/collaborate/events?since=%lld",
		               (long long)s.seq);
		k = sim_request(sim, "admin", "GET", target, NULL);
		page = json_loads(k->answer ? k->answer : "", 0, NULL);
		json_array_foreach(json_object_get(page, "events"), i, event)
		{
			differ += !past_fold(&s, event);
			seqs++;
			if (rnd(&sim->rnd) % 16 == 0) {
				looked++;
				differ += !past_is_same(sim, &s);
			}
		}
		more = i > 0 && json_is_integer(json_object_get(page, "next"));
		json_decref(page);
		sim_close(k, true);
	}
	ok(seqs > 0 && differ == 0,
	   "at %lld of %lld seqs the server's state is the fold of the log", (long long)looked,
	   (long long)seqs);
	session_release(&s);
}

#endif
