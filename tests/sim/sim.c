/* The simulated world. */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int64_t clock_now(void *arg)
{
	return ((struct sim *)arg)->now_ms;
}

static void random_bytes(void *arg, void *out, size_t len)
{
	struct sim *s = arg;
	unsigned char *p = out;

	for (size_t i = 0; i < len; i++)
		p[i] = (unsigned char)rnd(&s->ids);
}

static void log_line(void *arg, enum log_level level, const char *line)
{
	struct sim *s = arg;

	s->log_lines++;
	if (getenv("SIM_LOG"))
		printf("# log %d: %s\n", level, line);
}

/* ---- the transport ----------------------------------------------------------------------------
 */

static void on_answer(void *sock, struct response *r)
{
	struct sim_sock *k = sock;

	k->status = r->status;
	k->answer = strdup(r->body.len ? r->body.p : "");
	k->x = NULL;
}

static void on_upgrade(void *sock, struct conn *c, const char *subprotocol)
{
	struct sim_sock *k = sock;

	(void)subprotocol;
	k->status = 101;
	k->conn = c;
	k->x = NULL;
}

static void on_stream(void *sock, struct conn *c, const char *type, const char *headers)
{
	struct sim_sock *k = sock;

	(void)type;
	(void)headers;
	k->status = 200;
	k->conn = c;
	k->x = NULL;
}

static void on_want_write(void *sock)
{
	((struct sim_sock *)sock)->want = true;
}

static void on_want_read(void *sock)
{
	((struct sim_sock *)sock)->want_read = true; /* this network reads at any time anyway */
}

static void on_drop(void *sock)
{
	((struct sim_sock *)sock)->dropped = true;
}

static const struct hub_transport transport = {on_answer,    on_upgrade, on_stream, on_want_write,
                                               on_want_read, on_drop,    NULL};

static void start_hub(struct sim *s)
{
	struct hub_env env = {clock_now, clock_now, random_bytes, log_line, s,
	                      NULL,      NULL,      NULL,         NULL};
	struct err e = {0};

	if (hub_new(&s->hub, s->store, s->auth, &s->conf, &env, &transport, &e)) {
		printf("Bail out! hub_new: %s\n", e.text);
		exit(1);
	}
}

void sim_init(struct sim *s, uint64_t seed)
{
	struct err e = {0};

	memset(s, 0, sizeof *s);
	s->rnd = seed;
	s->ids = seed ^ UINT64_C(0x5eed);
	s->now_ms = INT64_C(1705314600000);
	if (conf_init(&s->conf, &e) || conf_finish(&s->conf, &e) ||
	    auth_new(&s->auth, &s->conf, &e) || store_mem_new(&s->store, NULL, NULL)) {
		printf("Bail out! %s\n", e.text);
		exit(1);
	}
	s->conf.limits.messages_per_second = 0;
	s->conf.limits.bytes_per_second = 0;
	s->conf.limits.requests_per_minute = 0;
	s->conf.limits.session_starts_per_minute = 0;
	s->conf.limits.connections_per_user = 0;
	start_hub(s);
}

static void sock_free(struct sim_sock *k)
{
	struct sim_sock **p = &k->sim->socks;

	while (*p != k)
		p = &(*p)->next;
	*p = k->next;
	ws_decoder_release(&k->decoder);
	buf_release(&k->wire);
	free(k->answer);
	json_decref(k->received);
	free(k);
}

void sim_release(struct sim *s)
{
	while (s->socks)
		sim_close(s->socks, true);
	store_free(s->store);
	hub_free(s->hub);
	auth_free(s->auth);
	conf_release(&s->conf);
}

void sim_crash(struct sim *s)
{
	while (s->socks)
		sock_free(s->socks);
	store_mem_crash(s->store);
	hub_free(s->hub);
	start_hub(s);
}

/* ---- turns ------------------------------------------------------------------------------------
 */

static void decode(struct sim_sock *k)
{
	char *p = k->wire.p;
	size_t len = k->wire.len;
	struct ws_message m;
	int rc;

	while ((rc = ws_decode(&k->decoder, &p, &len, &m)) > 0) {
		json_t *o = m.opcode == WS_TEXT ? json_loadb(m.p, m.len, 0, NULL) : NULL;

		assert(o);
		json_array_append_new(k->received, o);
	}
	assert(rc == 0);
	buf_clear(&k->wire);
}

static void pull(struct sim_sock *k)
{
	static struct gather g;

	while (k->want && k->conn && !k->close_code) {
		k->want = false;
		g.bytes_max = 1 + rnd(&k->sim->rnd) % 65536;
		hub_pull(k->conn, &g);
		for (int i = 0; i < g.len; i++)
			buf_put(&k->wire, g.pieces[i].iov_base, g.pieces[i].iov_len);
		k->close_code = g.close_code;
		decode(k);
	}
}

void sim_turn(struct sim *s)
{
	store_poll(s->store);
	(void)hub_turn(s->hub); /* there is always another one */
	for (struct sim_sock *k = s->socks; k; k = k->next)
		pull(k);
}

void sim_run(struct sim *s, int64_t ms)
{
	int64_t end = s->now_ms + ms;

	for (;;) {
		int64_t wait = hub_tick(s->hub);

		sim_turn(s);
		sim_turn(s);
		if (s->now_ms >= end)
			return;
		s->now_ms += wait < end - s->now_ms ? wait : end - s->now_ms;
	}
}

/* ---- requests ---------------------------------------------------------------------------------
 */

static struct sim_sock *sock_new(struct sim *s, const char *user, const char *method,
                                 const char *target, const char *body)
{
	struct sim_sock *k = calloc(1, sizeof *k);
	const char *q = strchr(target, '?');

	assert(k);
	k->sim = s;
	k->next = s->socks;
	s->socks = k;
	(void)snprintf(k->path, sizeof k->path, "%.*s",
	               (int)(q ? q - target : (long)strlen(target)), target);
	(void)snprintf(k->query, sizeof k->query, "%s", q ? q + 1 : "");
	(void)snprintf(k->as, sizeof k->as, "%s;%s", user, user);
	k->request = (struct request){.method = method,
	                              .path = k->path,
	                              .query = k->query,
	                              .host = "localhost",
	                              .body = body ? body : "",
	                              .body_len = body ? strlen(body) : 0,
	                              .peer = {.local = true, .uid = 0}};
	if (strcmp(user, "admin") != 0)
		k->request.as = k->as;
	ws_decoder_init(&k->decoder, WS_CLIENT, 64 << 20);
	buf_init(&k->wire, 256 << 20);
	k->received = json_array();
	return k;
}

static void run_until_answered(struct sim_sock *k)
{
	for (int i = 0; i < 10000 && !k->status; i++) {
		sim_turn(k->sim);
		if (!k->status)
			sim_run(k->sim, 10);
	}
}

struct sim_sock *sim_ask(struct sim *s, const char *user, const char *method, const char *target,
                         const char *body)
{
	struct sim_sock *k = sock_new(s, user, method, target, body);

	k->x = hub_request(s->hub, &k->request, k);
	if (k->status) /* it is answered already */
		k->x = NULL;
	return k;
}

struct sim_sock *sim_request(struct sim *s, const char *user, const char *method,
                             const char *target, const char *body)
{
	struct sim_sock *k = sim_ask(s, user, method, target, body);

	run_until_answered(k);
	return k;
}

struct sim_sock *sim_connect(struct sim *s, const char *user, const char *target)
{
	struct sim_sock *k = sock_new(s, user, "GET", target, NULL);

	k->request.websocket = true;
	k->request.upgrade_to = "websocket";
	k->x = hub_request(s->hub, &k->request, k);
	run_until_answered(k);
	return k;
}

void sim_send(struct sim_sock *k, const char *json)
{
	if (k->conn && !k->close_code)
		hub_message(k->conn, json, strlen(json), false);
}

void sim_close(struct sim_sock *k, bool clean)
{
	if (k->x)
		hub_abort(k->x);
	if (k->conn)
		hub_gone(k->conn, clean);
	sock_free(k);
}

json_t *sim_next(struct sim_sock *k)
{
	json_t *o = json_incref(json_array_get(k->received, 0));

	if (o)
		json_array_remove(k->received, 0);
	return o;
}

json_t *sim_expect(struct sim_sock *k, const char *type)
{
	for (int i = 0; i < 6000; i++) {
		json_t *o = NULL;

		while ((o = sim_next(k))) {
			if (strcmp(sim_str(o, "type"), type) == 0)
				return o;
			json_decref(o);
		}
		sim_run(k->sim, 10);
	}
	ok(false, "a message of type %s came", type);
	return NULL;
}

const char *sim_str(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

int64_t sim_int(const json_t *o, const char *key)
{
	const json_t *n = json_object_get(o, key);

	return json_is_integer(n) ? json_integer_value(n) : -1;
}
