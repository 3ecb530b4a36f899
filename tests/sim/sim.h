/*
 * A world without sockets: a hub over the in-memory store, clients that speak the protocol, a
 * network that delays, reorders between connections and breaks, a daemon that crashes -- all from
 * one seed.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <jansson.h>

#include "proto/ws.h"
#include "server/hub.h"
#include "tap.h"

enum { SIM_USERS = 8 };

/* A socket: an HTTP exchange, then perhaps a WebSocket. */
struct sim_sock {
	struct sim_sock *next;
	struct sim *sim;
	struct exchange *x;
	struct request request;
	char path[256], query[256], as[64], key[32], body[4096];
	struct conn *conn;
	bool want, want_read, dropped;
	struct ws_decoder decoder;
	struct buf wire; /* from the hub, not yet decoded */
	int status;      /* of an answer; 0: none yet */
	char *answer;    /* its body */
	int close_code;
	json_t *received; /* messages decoded: an array */
	void *owner;      /* the test's */
};

struct sim {
	uint64_t rnd;
	int64_t now_ms; /* both clocks */
	struct store *store;
	struct auth *auth;
	struct conf conf;
	struct hub *hub;
	struct sim_sock *socks;
	uint64_t ids;
	int log_lines;
};

void sim_init(struct sim *s, uint64_t seed);
void sim_release(struct sim *s);

/* kill -9 and a new start on the same store.  Every socket is gone. */
void sim_crash(struct sim *s);

/* Advance time by ms, ticking the hub and completing store work as it goes. */
void sim_run(struct sim *s, int64_t ms);

/* One turn: the store's completions, what sockets want to write. */
void sim_turn(struct sim *s);

/* An HTTP request as `user` ("admin": the administrator himself).  Run until answered. */
struct sim_sock *sim_request(struct sim *s, const char *user, const char *method,
                             const char *target, const char *body);

/* The same, not run. */
struct sim_sock *sim_ask(struct sim *s, const char *user, const char *method, const char *target,
                         const char *body);

/* A WebSocket as `user`; target "/ws/…?since=…".  The handshake's answer may be a refusal (status).
 */
struct sim_sock *sim_connect(struct sim *s, const char *user, const char *target);

/* Hand a message to the hub. */
void sim_send(struct sim_sock *k, const char *json);

/* Close the socket (lost unless clean) and free it. */
void sim_close(struct sim_sock *k, bool clean);

/* Take the next message received, in order; NULL: none.  The caller owns it. */
json_t *sim_next(struct sim_sock *k);

/* Skip messages until one of `type`; fails the test when none comes within 60 simulated seconds. */
json_t *sim_expect(struct sim_sock *k, const char *type);

/* A member of an object: text or "", integer or -1. */
const char *sim_str(const json_t *o, const char *key);
int64_t sim_int(const json_t *o, const char *key);

#endif
