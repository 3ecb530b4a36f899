/* What outlives a socket: resuming, acks, sending again, backing off; then a network that breaks.
 */
#include "client/client_int.h"

#include <jansson.h>

#include "../tap.h"

#define SESSION "963ec4ef-8bc7-41bf-956f-ab7fa95fc66d"
#define HASH "071716f759a52585435bf253ec4c3eac6ae5d0bc5d4bd1e7f1d6c897a71ab3a5"

static const unsigned char zeros[16];

/* Queue; gives the ref, or NULL when it was refused with this code. */
static const char *queue(struct live *l, const char *json, int want)
{
	const char *ref = NULL;
	struct collab_err e = {0};
	int rc = live_queue(l, json, strlen(json), zeros, &ref, &e);

	if (rc != want)
		printf("# %s: %d %s\n", json, rc, e.text);
	return rc == want ? (rc ? "" : ref) : NULL;
}

/* Write what can be written; gives how many. */
static int send_all(struct live *l)
{
	struct outgoing *o = NULL;
	int n = 0;

	while ((o = live_to_send(l))) {
		live_sent(l, o);
		n++;
	}
	return n;
}

static struct collab_message m;

static bool hear(struct live *l, const char *json)
{
	return live_message(l, json, strlen(json), &m);
}

/* A connection that begins with a state at seq, as this user. */
static void begin(struct live *l, int64_t seq, const char *user)
{
	char json[512];

	(void)snprintf(json, sizeof json,
	               "{\"type\":\"session_state\",\"session_id\":\"" SESSION
	               "\",\"seq\":%lld,\"hash\":\"" HASH "\",\"you\":{\"user_id\":\"%s\"}}",
	               (long long)seq, user);
	live_up(l);
	(void)hear(l, json);
}

static bool event(struct live *l, int64_t seq, const char *user, const char *ref)
{
	char json[512];

	(void)snprintf(json, sizeof json,
	               "{\"type\":\"section_update\",\"session_id\":\"" SESSION
	               "\",\"seq\":%lld,\"hash\":\"" HASH
	               "\",\"user_id\":\"%s\",\"version\":%lld%s%s%s}",
	               (long long)seq, user, (long long)seq, ref ? ",\"ref\":\"" : "",
	               ref ? ref : "", ref ? "\"" : "");
	return hear(l, json);
}

static bool synced(struct live *l, int64_t seq)
{
	char json[256];

	(void)snprintf(json, sizeof json,
	               "{\"type\":\"synced\",\"session_id\":\"" SESSION
	               "\",\"seq\":%lld,\"hash\":\"" HASH "\"}",
	               (long long)seq);
	return hear(l, json);
}

static bool resumes(const struct live *l, const char *want)
{
	struct buf out;
	bool pass;

	buf_init(&out, 1000);
	live_resume_query(l, &out);
	pass = strcmp(out.p ? out.p : "", want) == 0;
	if (!pass)
		printf("# %s\n", out.p ? out.p : "");
	buf_release(&out);
	return pass;
}

/* ---- one step at a time -----------------------------------------------------------------------
 */

static void test_resume(void)
{
	struct live l;

	live_init(&l, -1, NULL);
	ok(resumes(&l, ""), "from now on: nothing to resume");
	begin(&l, 7, "me");
	ok(m.kind == COLLAB_STATE && l.seq == 7 && strcmp(l.session_id, SESSION) == 0,
	   "a state says where the log is");
	live_down(&l, 1000, 0);
	ok(resumes(&l, "&since=7&hash=" HASH), "a reconnect resumes there");
	live_release(&l);

	live_init(&l, 0, NULL);
	ok(resumes(&l, "&since=0"), "from the beginning, which has no hash");
	live_up(&l);
	ok(event(&l, 1, "eve", NULL) && m.kind == COLLAB_EVENT && event(&l, 2, "eve", NULL),
	   "a replay is shown");
	ok(!event(&l, 2, "eve", NULL) && !event(&l, 1, "eve", NULL), "nothing is shown twice");
	ok(!event(&l, -1, "eve", NULL), "an event without a seq is none");
	ok(synced(&l, 9) && l.seq == 9, "synced: what was not wanted is passed over");
	ok(hear(&l, "{\"type\":\"checkpoint\",\"seq\":12,\"hash\":\"" HASH "\"}") && l.seq == 12,
	   "so it is at a checkpoint");
	ok(hear(&l, "{\"type\":\"session_state\",\"seq\":3,\"hash\":\"\",\"resumed\":false}") &&
	           l.seq == 3 && event(&l, 4, "eve", NULL),
	   "after a restored log it goes on from what there is");
	ok(!hear(&l, "[]") && !hear(&l, "{") && hear(&l, "{\"type\":\"new\"}") &&
	           m.kind == COLLAB_OTHER,
	   "what is no object is passed over, an unknown type is not");
	live_release(&l);
}

static void test_queue(void)
{
	struct live l;
	const char *ref = NULL;

	live_init(&l, -1, NULL);
	ref = queue(&l, "{\"type\":\"comment_added\",\"data\":{}}", 0);
	ok(ref && strlen(ref) == 36 && strstr(l.out->json, ref), "a message gets a random ref");
	ref = queue(&l, "{\"type\":\"comment_added\",\"ref\":\"mine\"}", 0);
	is_str(ref, "mine", "or keeps its own");
	is_int(l.pending, 2, "both await their answers");
	ref = queue(&l, "{\"type\":\"cursor_position\"}", 0);
	ok(ref && ref[0] == '\0' && l.pending == 2, "a cursor does not");
	ok(queue(&l, "{\"type\":\"ping\"", ERR_BAD_JSON) && queue(&l, "[1]", ERR_BAD_JSON) &&
	           queue(&l, "{\"data\":{}}", ERR_MISSING_FIELD) &&
	           queue(&l, "{\"type\":\"x\",\"ref\":1}", ERR_BAD_FIELD) && l.pending == 2,
	   "what is no message is not queued");
	ok(!live_to_send(&l), "nothing is sent before the session took us in");
	live_up(&l);
	ok(!live_to_send(&l), "nor when there is only a connection");
	begin(&l, 1, "me");
	is_int(send_all(&l), 3, "then all of it");
	live_release(&l);
}

static void test_answers(void)
{
	struct live l;

	live_init(&l, -1, NULL);
	begin(&l, 1, "me");
	(void)queue(&l, "{\"type\":\"section_update\",\"ref\":\"a\"}", 0);
	(void)queue(&l, "{\"type\":\"section_update\",\"ref\":\"b\"}", 0);
	(void)queue(&l, "{\"type\":\"section_update\",\"ref\":\"c\"}", 0);
	(void)send_all(&l);
	ok(hear(&l, "{\"type\":\"ack\",\"ref\":\"a\",\"seq\":2,\"hash\":\"" HASH "\"}") &&
	           m.kind == COLLAB_ACK && strcmp(m.ref, "a") == 0 && !m.duplicate && l.seq == 2 &&
	           l.pending == 2,
	   "an ack answers its message and moves the seq");
	ok(!event(&l, 2, "me", "a"), "the event that it is of is not news");
	ok(!hear(&l,
	         "{\"type\":\"error\",\"ref\":\"b\",\"code\":\"draining\",\"message\":\"x\"}") &&
	           l.pending == 2,
	   "a server that goes away refuses nothing for good");
	ok(hear(&l, "{\"type\":\"error\",\"code\":\"bad_json\",\"message\":\"x\"}") &&
	           m.kind == COLLAB_ERROR && m.code == ERR_BAD_JSON && strcmp(m.ref, "b") == 0 &&
	           l.pending == 1,
	   "an error without ref is of the oldest message");
	(void)queue(&l, "{\"type\":\"cursor_position\"}", 0);
	(void)send_all(&l);
	ok(hear(&l, "{\"type\":\"error\",\"code\":\"forbidden\",\"message\":\"x\"}") && !m.ref[0] &&
	           l.pending == 1,
	   "unless it may be of a cursor");
	ok(hear(&l, "{\"type\":\"error\",\"ref\":\"c\",\"code\":\"not known here\"}") &&
	           m.code == ERR_PROTOCOL && l.pending == 0,
	   "an unknown code is an error too");
	ok(!hear(&l, "{\"type\":\"ack\",\"ref\":\"c\",\"seq\":2,\"duplicate\":true}"),
	   "a second answer is nobody's");
	ok(!live_to_send(&l) && !l.out, "nothing is left");
	live_release(&l);
}

static void test_replay(void)
{
	struct live l;
	const char *random = NULL;
	char copy[64];

	live_init(&l, -1, NULL);
	begin(&l, 1, "me");
	random = queue(&l, "{\"type\":\"section_update\"}", 0);
	(void)snprintf(copy, sizeof copy, "%s", random ? random : "");
	(void)queue(&l, "{\"type\":\"section_update\",\"ref\":\"given\"}", 0);
	(void)queue(&l, "{\"type\":\"ping\"}", 0);
	is_int(send_all(&l), 3, "sent");
	(void)queue(&l, "{\"type\":\"section_update\",\"ref\":\"later\"}", 0);
	live_down(&l, 0, 0);
	live_up(&l);
	ok(event(&l, 2, "me", copy) && m.kind == COLLAB_ACK && strcmp(m.type, "ack") == 0 &&
	           m.seq == 2 && strstr(m.json, "\"version\":2") && strcmp(m.ref, copy) == 0,
	   "the own event in a replay is the ack");
	ok(event(&l, 3, "eve", "given") && m.kind == COLLAB_EVENT,
	   "an event of another under the same ref is not");
	ok(event(&l, 4, "me", "later") && m.kind == COLLAB_EVENT,
	   "nor one of before under a ref that is used again");
	ok(event(&l, 5, "me", "given") && m.kind == COLLAB_ACK, "an own one under a given ref is");
	is_int(l.pending, 1, "one is left");
	ok(!live_to_send(&l), "which waits for the replay's end");
	(void)synced(&l, 5);
	is_int(send_all(&l), 1, "and is sent then; the ping is not sent again");
	ok(event(&l, 6, "me", "later") && m.kind == COLLAB_EVENT, "live, only an ack is an ack");
	live_release(&l);

	live_init(&l, 3, NULL);
	live_up(&l);
	(void)synced(&l, 3);
	(void)queue(&l, "{\"type\":\"section_update\",\"ref\":\"1\"}", 0);
	(void)send_all(&l);
	live_down(&l, 0, 0);
	live_up(&l);
	ok(event(&l, 4, "me", "1") && m.kind == COLLAB_EVENT,
	   "whoever does not know who he is trusts no given ref");
	(void)synced(&l, 4);
	is_int(send_all(&l), 1, "it is sent again");
	ok(hear(&l, "{\"type\":\"ack\",\"ref\":\"1\",\"seq\":4,\"duplicate\":true}") && m.duplicate,
	   "and acked as a duplicate");
	live_release(&l);
}

static void test_resend(void)
{
	struct live l;
	char order[32] = "";

	live_init(&l, -1, NULL);
	begin(&l, 1, "me");
	(void)queue(&l, "{\"type\":\"x\",\"ref\":\"a\"}", 0);
	(void)queue(&l, "{\"type\":\"x\",\"ref\":\"b\"}", 0);
	(void)queue(&l, "{\"type\":\"x\",\"ref\":\"c\"}", 0);
	live_sent(&l, live_to_send(&l));
	live_sent(&l, live_to_send(&l));
	(void)hear(&l, "{\"type\":\"ack\",\"ref\":\"a\",\"seq\":2}");
	live_down(&l, 0, 0);
	(void)queue(&l, "{\"type\":\"x\",\"ref\":\"d\"}", 0);
	live_up(&l);
	(void)synced(&l, 2);
	for (struct outgoing *o = NULL; (o = live_to_send(&l)); live_sent(&l, o))
		strcat(order, o->ref);
	is_str(order, "bcd", "after a loss, what is not answered goes out again, in order");
	live_release(&l);
}

static void test_backoff(void)
{
	struct live l;
	bool low = true, high = true;

	live_init(&l, -1, NULL);
	begin(&l, 1, "me");
	for (int i = 0; i < 12; i++) {
		int64_t base = 500 << (i < 6 ? i : 6), wait;

		base = base < 20000 ? base : 20000;
		live_down(&l, 1000, 0);
		wait = l.retry_ms - 1000;
		low &= wait == base / 2;
		l.attempts--;
		live_down(&l, 1000, UINT32_MAX);
		wait = l.retry_ms - 1000;
		high &= wait == base;
	}
	ok(low && high, "it waits 0.5 s at first and 20 s in the end, less up to half by chance");
	is_int(l.lost_ms, 1000, "it knows since when there is no connection");
	live_up(&l);
	live_down(&l, 5000, UINT32_MAX);
	ok(l.retry_ms == 25000 && l.lost_ms == 5000,
	   "a server that takes and drops us is not rushed at");
	begin(&l, 1, "me");
	live_down(&l, 5000, UINT32_MAX);
	is_int(l.retry_ms, 5500, "one that lets us in is");
	begin(&l, 1, "me");
	(void)hear(&l, "{\"type\":\"going_away\",\"reconnect_after_ms\":3000}");
	live_down(&l, 0, 0);
	ok(l.retry_ms >= 3000 && l.retry_ms <= 3500, "the server's wish counts");
	live_down(&l, 0, 0);
	is_int(l.retry_ms, 500, "once");
	(void)hear(&l, "{\"type\":\"going_away\",\"reconnect_after_ms\":7777}");
	live_down(&l, 0, 0);
	ok(l.retry_ms >= 7777 && l.retry_ms < 9000,
	   "to the millisecond, for it is not the same for all");
	live_release(&l);
}

/* ---- a network that breaks --------------------------------------------------------------------
 */

enum { MESSAGES = 60, LOG_MAX = 400 };

/* A log, and one connection to it whose two directions hold what is under way. */
struct world {
	uint64_t rnd;
	char refs[LOG_MAX][48]; /* by seq; "": somebody else's */
	int64_t seq;
	int64_t sent; /* to the client, on this connection */
	bool up;
	char up_refs[MESSAGES * 4][48]; /* from the client */
	int up_len, up_at;
	int shown_acks, repeated;
	int64_t shown;
	bool in_order;
};

static void note(struct world *w)
{
	if (m.kind == COLLAB_ACK)
		w->shown_acks++;
	if (m.kind == COLLAB_ACK && m.duplicate)
		w->repeated++;
	else if (m.kind == COLLAB_ACK || m.kind == COLLAB_EVENT)
		w->in_order &= m.seq == ++w->shown;
}

static void deliver_event(struct world *w, struct live *l)
{
	w->sent++;
	if (event(l, w->sent, w->refs[w->sent][0] ? "me" : "eve",
	          w->refs[w->sent][0] ? w->refs[w->sent] : NULL))
		note(w);
}

/* The server takes a message: it is appended once, and acked behind all that comes before. */
static void take(struct world *w, struct live *l, const char *from)
{
	char json[256], ref[48];
	int64_t first = 0;

	(void)snprintf(ref, sizeof ref, "%s", from);
	for (int64_t seq = 1; seq <= w->seq; seq++)
		if (strcmp(w->refs[seq], ref) == 0)
			first = seq;
	while (w->sent < w->seq)
		deliver_event(w, l);
	if (!first)
		(void)snprintf(w->refs[++w->seq], sizeof w->refs[0], "%s", ref);
	if (rnd(&w->rnd) % 8 == 0) {
		w->up = false; /* the ack is lost */
		return;
	}
	w->sent = w->seq;
	(void)snprintf(json, sizeof json, "{\"type\":\"ack\",\"ref\":\"%s\",\"seq\":%lld%s}", ref,
	               (long long)(first ? first : w->seq), first ? ",\"duplicate\":true" : "");
	if (hear(l, json))
		note(w);
}

static void reconnect(struct world *w, struct live *l)
{
	int64_t head = w->seq;

	live_down(l, 0, (uint32_t)rnd(&w->rnd));
	w->up_len = w->up_at = 0;
	w->sent = l->seq;
	w->up = true;
	live_up(l);
	while (w->sent < head && w->up) {
		w->up = rnd(&w->rnd) % 16 != 0;
		if (w->up)
			deliver_event(w, l);
	}
	if (w->up)
		(void)synced(l, head);
}

static void step(struct world *w, struct live *l)
{
	struct outgoing *o = NULL;

	if (!w->up) {
		reconnect(w, l);
		return;
	}
	switch (rnd(&w->rnd) % 4) {
	case 0:
		if (w->seq < LOG_MAX - MESSAGES - 1)
			w->refs[++w->seq][0] = '\0'; /* somebody else's */
		break;
	case 1:
		o = live_to_send(l);
		if (o) {
			(void)snprintf(w->up_refs[w->up_len++], 48, "%s", o->ref);
			live_sent(l, o);
		}
		break;
	case 2:
		if (w->up_at < w->up_len)
			take(w, l, w->up_refs[w->up_at++]);
		break;
	default:
		if (w->sent < w->seq)
			deliver_event(w, l);
		else if (rnd(&w->rnd) % 16 == 0)
			w->up = false;
	}
}

/* Whatever breaks and when: each seq is shown once, in order, each message is made and acked once.
 */
static void test_network(void)
{
	uint64_t seed = rnd_seed(1);
	int good = 0;

	for (int run = 0; run < 300; run++) {
		static struct world w;
		struct live l;
		char json[64];
		int made = 0;

		w = (struct world){.rnd = seed + (uint64_t)run, .in_order = true, .up = true};
		live_init(&l, 0, NULL);
		strcpy(l.user_id, "me");
		live_up(&l);
		(void)synced(&l, 0);
		for (int i = 0; i < MESSAGES; i++) {
			(void)snprintf(json, sizeof json,
			               "{\"type\":\"section_update\",\"ref\":\"m%d\"}", i);
			(void)queue(&l, json, 0);
		}
		for (int i = 0; i < 100000 && (l.pending || w.sent < w.seq); i++)
			step(&w, &l);
		for (int64_t seq = 1; seq <= w.seq; seq++)
			made += w.refs[seq][0] != '\0';
		if (w.in_order && w.shown == w.seq && made == MESSAGES &&
		    w.shown_acks == MESSAGES && w.repeated == 0)
			good++;
		else
			printf("# seed %" PRIu64 ": shown %" PRId64 " of %" PRId64
			       ", %d made, %d acked, %d twice\n",
			       seed + (uint64_t)run, w.shown, w.seq, made, w.shown_acks,
			       w.repeated);
		live_release(&l);
	}
	is_int(good, 300, "over 300 broken networks nothing is lost, repeated or out of order");
}

int main(void)
{
	test_resume();
	test_queue();
	test_answers();
	test_replay();
	test_resend();
	test_backoff();
	test_network();
	return done();
}
