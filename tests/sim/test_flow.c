/*
 * Flow in simulated time: when who was refused may come again, what a drain tells its clients, and
 * that nobody is left unread for ever.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { CROWD = 400 };

#define WS "/ws/reports/pmr/r1/collaborate?state=none"
#define REST "/api/reports/pmr/r1/collaborate/"

static int ask(struct sim *s, const char *user, const char *method, const char *target)
{
	struct sim_sock *k = sim_request(s, user, method, target, "{}");
	int status = k->status;

	sim_close(k, true);
	return status;
}

static void begin(struct sim *s)
{
	sim_init(s, 1);
	is_int(ask(s, "u0", "POST", REST "start"), 201, "a session");
}

/* A minute's worth at once, then one as often as they come back; others are not concerned. */
static void rates(void)
{
	struct sim s;
	int refused = 0;

	begin(&s);
	s.conf.limits.requests_per_minute = 30;
	for (int i = 0; i < 30; i++)
		refused += ask(&s, "u0", "GET", REST "session") != 200;
	is_int(refused, 0, "a minute's requests at once are served");
	is_int(ask(&s, "u0", "GET", REST "session"), 429, "one more is not");
	sim_run(&s, 1900);
	is_int(ask(&s, "u0", "GET", REST "session"), 429, "nor after 1.9 seconds");
	sim_run(&s, 200);
	is_int(ask(&s, "u0", "GET", REST "session"), 200,
	       "it is after two: a thirtieth of a minute");
	is_int(ask(&s, "u0", "GET", REST "session"), 429, "one");
	is_int(ask(&s, "admin", "GET", REST "session"), 200, "another user is served meanwhile");
	s.conf.limits.requests_per_minute = 0;
	is_int(ask(&s, "u0", "GET", REST "session"), 200, "0 is no limit");
	sim_release(&s);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Those that are sent away together do not come back together. */
static void drains(void)
{
	static struct sim_sock *crowd[CROWD];
	static int64_t waits[CROWD];
	struct sim s;
	int most = 0, closed = 0;

	begin(&s);
	for (int i = 0; i < CROWD; i++)
		crowd[i] = sim_connect(&s, "u0", WS);
	sim_run(&s, 100);
	hub_drain(s.hub, 1000);
	for (int i = 0; i < 10; i++)
		sim_turn(&s);
	for (int i = 0; i < CROWD; i++) {
		json_t *o = sim_expect(crowd[i], "going_away");

		waits[i] = sim_int(o, "reconnect_after_ms");
		closed += crowd[i]->close_code == 1001;
		json_decref(o);
	}
	qsort(waits, CROWD, sizeof waits[0], by_value);
	for (int i = 0, first = 0; i < CROWD; i++) {
		while (waits[i] - waits[first] >= 100)
			first++;
		most = i - first + 1 > most ? i - first + 1 : most;
	}
	is_int(closed, CROWD, "all are closed with 1001");
	ok(waits[0] >= 1000 && waits[CROWD - 1] <= 1000 + CROWD,
	   "told to wait from %lld to %lld ms", (long long)waits[0], (long long)waits[CROWD - 1]);
	ok(most < CROWD / 2, "of %d, no more than %d come within 100 ms", CROWD, most);
	is_int(ask(&s, "u0", "GET", WS), 426, "who comes by HTTP is told what is wanted");
	sim_release(&s);
}

/* What a connection waited for is lost with a failed append: it is read again all the same. */
static void lost(void)
{
	struct sim s;
	struct sim_sock *k = NULL;

	begin(&s);
	s.conf.limits.unacked_messages = 4;
	k = sim_connect(&s, "u0", WS);
	sim_run(&s, 100);
	store_mem_faults(s.store)->fail_append = 1;
	k->want_read = false;
	sim_send(k, "{\"type\":\"section_update\",\"data\":{\"section_id\":\"s\",\"changes\":{"
	            "\"content\":\"x\"}}}");
	for (int i = 0; i < 4; i++)
		sim_send(k, "{\"type\":\"ping\"}");
	is_int(hub_reading(k->conn), -1, "with all that may wait, it is not read");
	sim_run(&s, 2000);
	json_decref(sim_expect(k, "error"));
	ok(k->want_read && hub_reading(k->conn) == 0, "when they are lost, it is read again");
	sim_release(&s);
}

/* Reads that were answered from what a failed append took back are answered from what is there. */
static void reads(void)
{
	static const char *const targets[] = {REST "sections/s", REST "sections", REST "state"};
	struct sim_sock *write = NULL, *read[3];
	struct sim s;

	begin(&s);
	sim_close(sim_request(&s, "u0", "PUT", REST "sections/s",
	                      "{\"changes\":{\"content\":\"kept\"}}"),
	          true);
	store_mem_faults(s.store)->fail_append = 1;
	write = sim_ask(&s, "u0", "PUT", REST "sections/s", "{\"changes\":{\"content\":\"lost\"}}");
	for (int i = 0; i < 3; i++)
		read[i] = sim_ask(&s, "u0", "GET", targets[i], NULL);
	sim_run(&s, 100);
	is_int(write->status, 503, "a write that did not get to the disk is refused");
	for (int i = 0; i < 3; i++)
		ok(read[i]->status == 200 && strstr(read[i]->answer, "kept") &&
		           !strstr(read[i]->answer, "lost"),
		   "%s is answered, without it: %d", targets[i], read[i]->status);
	sim_release(&s);
}

/* Large answers: one a turn, and somebody's second after everybody's first. */
static void turns(void)
{
	static char text[70000], body[70100];
	struct sim_sock *many[5], *one = NULL, *little = NULL, *past = NULL;
	struct sim s;
	int answered = 0;

	begin(&s);
	memset(text, 'x', sizeof text - 1);
	(void)snprintf(body, sizeof body, "{\"changes\":{\"content\":\"%s\"}}", text);
	sim_close(sim_request(&s, "u0", "PUT", REST "sections/large", body), true);
	for (int i = 0; i < 5; i++)
		many[i] = sim_ask(&s, "u0", "GET", REST "state", NULL);
	one = sim_ask(&s, "admin", "GET", REST "state", NULL);
	past = sim_ask(&s, "admin", "GET", REST "sections/large?at=1", NULL);
	little = sim_ask(&s, "u0", "GET", REST "session", NULL);
	is_int(little->status, 200, "what is little is answered at once");
	for (int i = 0; i < 5; i++)
		answered += many[i]->status != 0;
	is_int(answered + one->status, 0, "what is large is not");
	(void)hub_turn(s.hub);
	ok(many[0]->status == 200 && !many[1]->status && !one->status, "it is, one a turn");
	(void)hub_turn(s.hub);
	ok(one->status == 200 && !many[1]->status, "somebody's first comes before others' second");
	sim_close(many[1], false);
	ok(!hub_turn(s.hub) && !past->status && !many[2]->status,
	   "who has gone does not count, and a state of the past takes until it is rebuilt");
	ok(!hub_turn(s.hub) && !many[2]->status, "nobody else has a turn meanwhile");
	sim_run(&s, 100);
	ok(past->status == 404 && many[2]->status == 200 && many[3]->status == 200 &&
	           many[4]->status == 200,
	   "then all are answered");
	sim_release(&s);
}

int main(void)
{
	turns();
	reads();
	rates();
	drains();
	lost();
	return done();
}
