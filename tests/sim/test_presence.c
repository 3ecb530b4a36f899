/*
 * Presence in simulated time: the grace, blinks, clean leaves, many connections of one user,
 * leases, crashes, cursors, active editors; then all of it at random against a model, with the log
 * as the witness: nobody is a ghost, and no news is made that is none.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { GRACE_MS = 10000, USERS = 4, CONNS = 3 };

#define WS "/ws/reports/pmr/r1/collaborate?state=none"
#define REST "/api/reports/pmr/r1/collaborate/"

static void begin(struct sim *s, uint64_t seed)
{
	struct sim_sock *k = NULL;

	sim_init(s, seed);
	k = sim_request(s, "u0", "POST", REST "start",
	                "{\"session_timeout_minutes\":480,\"participants\":["
	                "{\"user_id\":\"u1\",\"role\":\"editor\"},"
	                "{\"user_id\":\"u2\",\"role\":\"editor\"},"
	                "{\"user_id\":\"u3\",\"role\":\"commenter\"}]}");
	if (k->status != 201)
		printf("Bail out! %s\n", k->answer ? k->answer : "");
	sim_close(k, true);
}

static void lease(struct sim *s, const char *user, int ttl)
{
	char body[32];
	struct sim_sock *k = NULL;

	(void)snprintf(body, sizeof body, "{\"ttl\":%d}", ttl);
	k = sim_request(s, user, "PUT", REST "presence", body);
	is_int(k->status, 200, "a lease is taken");
	sim_close(k, true);
}

/* The log's news of a user: "+" for online, "-reason" for offline, in order. */
static void news(struct sim *s, const char *user, char *out, size_t size)
{
	char target[160];
	struct sim_sock *k = NULL;
	json_t *page = NULL, *ev = NULL;
	size_t i, len = 0;

	(void)snprintf(target, sizeof target,
	               REST "events?type=user_online,user_offline&user=%s&limit=10000", user);
	k = sim_request(s, "admin", "GET", target, NULL);
	page = json_loads(k->answer ? k->answer : "", 0, NULL);
	sim_close(k, true);
	out[0] = '\0';
	json_array_foreach(json_object_get(page, "events"), i, ev)
	{
		bool on = strcmp(sim_str(ev, "type"), "user_online") == 0;

		len += (size_t)snprintf(out + len, len < size ? size - len : 0, "%s%s",
		                        on ? "+" : "-", sim_str(ev, "reason"));
	}
	json_decref(page);
}

static void news_are(struct sim *s, const char *user, const char *want, const char *name)
{
	char got[4096];

	news(s, user, got, sizeof got);
	is_str(got, want, name);
}

/* ---- one after the other ------------------------------------------------------------------------
 */

static void graces(void)
{
	struct sim s;
	struct sim_sock *a = NULL, *b = NULL;

	begin(&s, 1);
	a = sim_connect(&s, "u1", WS);
	sim_run(&s, 1000);
	sim_close(a, false);
	sim_run(&s, GRACE_MS - 100);
	news_are(&s, "u1", "+", "within the grace a loss is no news");
	sim_run(&s, 200);
	news_are(&s, "u1", "+-lost", "after it, it is");
	a = sim_connect(&s, "u1", WS);
	sim_close(a, false);
	sim_run(&s, GRACE_MS - 100);
	a = sim_connect(&s, "u1", WS);
	sim_run(&s, 3 * GRACE_MS);
	news_are(&s, "u1", "+-lost+", "a blink is no news");
	sim_close(a, true);
	sim_run(&s, 50);
	news_are(&s, "u1", "+-lost+-left", "a clean leave shows at once, also after a blink");

	a = sim_connect(&s, "u2", WS);
	b = sim_connect(&s, "u2", WS);
	sim_close(a, true);
	sim_run(&s, 2 * GRACE_MS);
	news_are(&s, "u2", "+", "one of two leaves: no news");
	sim_close(b, true);
	sim_run(&s, 50);
	news_are(&s, "u2", "+-left", "the last one leaves");

	a = sim_connect(&s, "u3", WS);
	b = sim_connect(&s, "u3", WS);
	sim_close(a, false);
	sim_run(&s, 1000);
	sim_close(b, true);
	sim_run(&s, 1000);
	news_are(&s, "u3", "+", "one is lost, the other leaves: the lost one may blink");
	a = sim_connect(&s, "u3", WS);
	sim_run(&s, 3 * GRACE_MS);
	news_are(&s, "u3", "+", "and did");
	b = sim_connect(&s, "u3", WS);
	sim_close(b, false);
	sim_close(a, true);
	sim_run(&s, GRACE_MS + 100);
	news_are(&s, "u3", "+-lost", "or did not");
	sim_release(&s);
}

static void leases(void)
{
	struct sim s;
	struct sim_sock *a = NULL;

	begin(&s, 2);
	lease(&s, "u1", 60);
	sim_run(&s, 59000);
	lease(&s, "u1", 60);
	sim_run(&s, 59000);
	news_are(&s, "u1", "+", "a lease that is renewed is one");
	sim_run(&s, 2000);
	news_are(&s, "u1", "+-lease_expired", "and ends by time");
	lease(&s, "u2", 3600);
	lease(&s, "u2", 1);
	sim_run(&s, 1100);
	news_are(&s, "u2", "+-lease_expired", "a shorter one takes the place of a longer one");
	lease(&s, "u3", 30);
	a = sim_connect(&s, "u3", WS);
	sim_run(&s, 1000);
	sim_close(a, true);
	sim_run(&s, 20000);
	news_are(&s, "u3", "+", "who leaves with a lease stays");
	sim_run(&s, 10000);
	news_are(&s, "u3", "+-lease_expired", "until the lease ends, which is why");
	sim_release(&s);
}

static void crashes(void)
{
	struct sim s;
	struct sim_sock *k = NULL;

	begin(&s, 3);
	(void)sim_connect(&s, "u1", WS);
	(void)sim_connect(&s, "u2", WS);
	lease(&s, "u3", 3600);
	sim_run(&s, 1000);
	sim_crash(&s);
	k = sim_request(&s, "u0", "GET", REST "session", NULL);
	ok(k->answer && !strstr(k->answer, "\"online\":true"), "after a crash nobody is shown");
	sim_close(k, true);
	news_are(&s, "u1", "+-server_restart", "who was online is ended, once");
	(void)sim_connect(&s, "u1", WS);
	sim_run(&s, 3 * GRACE_MS);
	news_are(&s, "u1", "+-server_restart+", "who comes back is online, once");
	news_are(&s, "u3", "+-server_restart", "a lease does not outlive the daemon");
	sim_release(&s);
}

static void cursors(void)
{
	struct sim s;
	struct sim_sock *a[3], *b = NULL;
	int came = 0, last = -1, own = 0;
	json_t *o = NULL;

	begin(&s, 4);
	for (int i = 0; i < 3; i++) {
		char user[3] = {'u', (char)('1' + i), '\0'};

		a[i] = sim_connect(&s, user, WS);
	}
	b = sim_connect(&s, "u0", WS);
	sim_run(&s, 1000);
	while ((o = sim_next(b)))
		json_decref(o);
	/* Three who move every 5 ms, for two seconds. */
	for (int t = 0; t < 400; t++) {
		char message[160];

		(void)snprintf(message, sizeof message,
		               "{\"type\":\"cursor_position\",\"data\":{\"section_id\":\"s\","
		               "\"position\":%d}}",
		               t);
		for (int i = 0; i < 3; i++)
			sim_send(a[i], message);
		sim_run(&s, 5);
	}
	sim_run(&s, 200);
	while ((o = sim_next(b))) {
		came += strcmp(sim_str(o, "type"), "cursor_position") == 0;
		last = (int)sim_int(o, "position");
		json_decref(o);
	}
	ok(came <= 3 * 42 && came >= 3 * 20, "cursors go out 20 times a second (%d of 1200)", came);
	is_int(last, 399, "the newest is what comes last");
	while ((o = sim_next(a[0]))) {
		own += strcmp(sim_str(o, "type"), "cursor_position") == 0 &&
		       strcmp(sim_str(o, "user_id"), "u1") == 0;
		json_decref(o);
	}
	is_int(own, 0, "nobody is told their own");
	sim_release(&s);
}

static bool is_active(struct sim *s, const char *user)
{
	struct sim_sock *k = sim_request(s, "u0", "GET", REST "session", NULL);
	json_t *o = json_loads(k->answer ? k->answer : "", 0, NULL), *v = NULL;
	bool found = false;
	size_t i;

	json_array_foreach(json_object_get(o, "active_editors"), i, v)
	{
		const char *id = json_is_string(v) ? json_string_value(v) : sim_str(v, "user_id");

		found |= strcmp(id, user) == 0;
	}
	json_decref(o);
	sim_close(k, true);
	return found;
}

static void active(void)
{
	struct sim s;
	struct sim_sock *a = NULL, *b = NULL;

	begin(&s, 5);
	a = sim_connect(&s, "u1", WS);
	b = sim_connect(&s, "u3", WS);
	sim_run(&s, 100);
	ok(!is_active(&s, "u1") && !is_active(&s, "u3"), "who only came is no active editor");
	sim_send(a, "{\"type\":\"section_update\",\"data\":{\"section_id\":\"s\",\"changes\":{"
	            "\"content\":\"x\"}}}");
	sim_send(b,
	         "{\"type\":\"cursor_position\",\"data\":{\"section_id\":\"s\",\"position\":0}}");
	sim_run(&s, 28000);
	ok(is_active(&s, "u1"), "who edited is, for 30 seconds");
	ok(is_active(&s, "u3"), "who moved a cursor is");
	sim_run(&s, 4000);
	ok(!is_active(&s, "u1") && !is_active(&s, "u3"), "and no longer");
	sim_release(&s);
}

/* ---- at random ----------------------------------------------------------------------------------
 */

struct model {
	struct sim_sock *conns[CONNS];
	int64_t lease_until, lost_until; /* 0: none */
	int lost;                        /* connections that may still come back */
};

static bool model_online(struct model *m, int64_t now)
{
	bool online = m->lease_until > now;

	for (int i = 0; i < CONNS; i++)
		online |= m->conns[i] != NULL;
	if (m->lost_until <= now)
		m->lost = 0;
	return online || m->lost > 0;
}

static void act(struct sim *s, struct model *m, const char *user)
{
	struct sim_sock **c = &m->conns[rnd(&s->rnd) % CONNS];
	uint64_t dice = rnd(&s->rnd) % 10;

	(void)model_online(m, s->now_ms);
	if (dice < 4 && !*c) {
		*c = sim_connect(s, user, WS);
		m->lost -= m->lost > 0;
	} else if (dice < 6 && *c) {
		sim_close(*c, true);
		*c = NULL;
	} else if (dice < 9 && *c) {
		sim_close(*c, false);
		*c = NULL;
		m->lost++;
		m->lost_until = s->now_ms + GRACE_MS;
	} else if (dice == 9) {
		int ttl = 1 + (int)(rnd(&s->rnd) % 20);
		char body[32];
		struct sim_sock *k = NULL;

		(void)snprintf(body, sizeof body, "{\"ttl\":%d}", ttl);
		k = sim_request(s, user, "PUT", REST "presence", body);
		sim_close(k, true);
		m->lease_until = s->now_ms + ttl * 1000;
	}
}

/* What the log last said of a user, and whether it ever said the same twice in a row. */
static bool log_online(struct sim *s, const char *user, int *wrong)
{
	char got[65536];
	bool online = false;

	news(s, user, got, sizeof got);
	for (const char *p = got; *p; p++) {
		if (*p != '+' && *p != '-')
			continue;
		*wrong += online == (*p == '+');
		online = *p == '+';
	}
	return online;
}

static void at_random(uint64_t seed, int steps)
{
	struct sim s;
	struct model users[USERS] = {{{NULL}, 0, 0, 0}};
	int wrong = 0, compared = 0;

	begin(&s, seed);
	for (int i = 0; i < steps; i++) {
		int u = (int)(rnd(&s.rnd) % USERS);
		char user[3] = {'u', (char)('0' + u), '\0'};

		if (rnd(&s.rnd) % 100 == 0) {
			sim_crash(&s);
			memset(users, 0, sizeof users);
		} else {
			act(&s, &users[u], user);
		}
		sim_run(&s, 20);
		if (rnd(&s.rnd) % 3 == 0)
			sim_run(&s, (int64_t)(rnd(&s.rnd) % 6000));
		for (u = 0; i % 10 == 0 && u < USERS; u++) {
			struct model *m = &users[u];
			int64_t soon = s.now_ms + 1200;
			/* Near a deadline either may be said. */
			bool edge = (m->lost_until > s.now_ms - 1200 && m->lost_until < soon) ||
			            (m->lease_until > s.now_ms - 1200 && m->lease_until < soon);

			user[1] = (char)('0' + u);
			if (log_online(&s, user, &wrong) != model_online(m, s.now_ms) && !edge)
				wrong++;
			compared++;
		}
	}
	ok(wrong == 0 && compared > steps / 4, "seed %llu: the log tells who is there (%d wrong)",
	   (unsigned long long)seed, wrong);
	sim_release(&s);
}

int main(void)
{
	uint64_t seed = rnd_seed(1);

	graces();
	leases();
	crashes();
	cursors();
	active();
	for (int i = 0; i < (getenv("LONG") ? 200 : getenv("SHORT") ? 1 : 10); i++)
		at_random(seed++, 200);
	return done();
}
