/*
 * Several editors and a small model of the server, between which messages are late, lost with their
 * connections, and sent again; scripts replace the content, the server comes back from a backup.
 * All must end with the same text.  SEED=n repeats a run, LONG=1 takes a million steps.
 */
#include "../gen.h"
#include "core/otclient.h"

enum { BYTES_MAX = 1 << 20, CLIENTS_MAX = 5, EVENTS_MAX = 1024, QUEUE_MAX = 4096 };

/* Of the last private plane: no generated text has these, but for U+10FFFF. */
enum { TYPED_FIRST = 0x100000 };

/* An event of the model server's log.  generation: which history it belongs to, as a hash tells. */
struct event {
	int client; /* whose, -1: of a script */
	char ref[16];
	uint32_t generation;
	enum { EVENT_OP, EVENT_CONTENT, EVENT_ELSEWHERE } kind;
	struct op op;    /* what it does to the text, of any kind */
	struct buf text; /* after it */
};

struct server {
	struct event log[EVENTS_MAX + 1]; /* log[seq]; log[0] is the start */
	int64_t seq;
	uint32_t generation;
};

struct message {
	enum {
		UP_OP,
		DOWN_ACK,
		DOWN_ERROR,
		DOWN_EVENT,
		DOWN_STATE,
		DOWN_SYNCED,
	} kind;
	char ref[16];
	int64_t seq;     /* UP_OP: base_seq */
	struct op op;    /* UP_OP, DOWN_ACK */
	struct buf text; /* DOWN_EVENT of a content, DOWN_STATE */
	bool duplicate;
	uint32_t generation;
};

struct queue {
	struct message *list[QUEUE_MAX];
	size_t first, len; /* of a connection: it ends before the queue does */
};

struct editor {
	struct otclient c;
	bool connected, synced;
	bool refreshed;      /* a fresh state came while something was in flight */
	uint32_t generation; /* of the last event seen */
	int64_t own_seq;     /* the server's: last own change on this connection */
	int refs;
	struct queue up, down;
};

/* What may happen in an episode. */
struct weather {
	bool replaces; /* scripts replace the content */
	bool restores; /* the server comes back from a backup */
	bool inserts; /* editors only insert, each time something unique: exactly once in the end */
};

struct world {
	struct server server;
	struct editor editors[CLIENTS_MAX];
	int n;
	struct weather weather;
	uint32_t typed; /* characters of their own, where editors only insert */
	size_t steps, conflicts, resent, undone;
	const char *broken; /* the first thing that was wrong */
};

static void expect(struct world *w, bool holds, const char *what)
{
	if (!holds && !w->broken)
		w->broken = what;
}

static bool same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

static struct message *message_new(int kind, const char *ref, int64_t seq, uint32_t generation)
{
	struct message *m = calloc(1, sizeof *m);

	if (!m)
		abort();
	m->kind = kind;
	(void)snprintf(m->ref, sizeof m->ref, "%s", ref); /* it fits */
	m->seq = seq;
	m->generation = generation;
	op_init(&m->op, BYTES_MAX * 4);
	buf_init(&m->text, BYTES_MAX);
	return m;
}

static void message_free(struct message *m)
{
	op_release(&m->op);
	buf_release(&m->text);
	free(m);
}

static void queue_put(struct queue *q, struct message *m)
{
	if (q->first + q->len == QUEUE_MAX)
		abort();
	q->list[q->first + q->len++] = m;
}

static struct message *queue_take(struct queue *q)
{
	if (q->len == 0)
		return NULL;
	q->len--;
	return q->list[q->first++];
}

static void queue_drop(struct queue *q)
{
	for (struct message *m = queue_take(q); m; m = queue_take(q))
		message_free(m);
	q->first = 0;
}

static void tell_event(struct world *w, struct editor *ed, int64_t seq)
{
	const struct event *ev = &w->server.log[seq];
	struct message *m = message_new(DOWN_EVENT, ev->ref, seq, ev->generation);

	expect(w, op_copy(&ev->op, &m->op) == 0, "copying an operation");
	buf_put(&m->text, ev->text.p, ev->text.len);
	queue_put(&ed->down, m);
}

/* Append an event of this operation to the log and tell all others. */
static void server_commit(struct world *w, int client, const char *ref, int kind, struct op *op)
{
	struct server *s = &w->server;
	const struct buf *before = &s->log[s->seq].text;
	struct event *ev = &s->log[++s->seq];

	*ev = (struct event){.client = client, .kind = kind, .generation = s->generation};
	(void)snprintf(ev->ref, sizeof ev->ref, "%s", ref); /* it fits */
	buf_init(&ev->text, BYTES_MAX);
	op_init(&ev->op, BYTES_MAX * 4);
	expect(w, op_copy(op, &ev->op) == 0, "copying an operation");
	expect(w, op_apply(op, before->p, before->len, &ev->text) == 0, "the server's apply");
	for (int i = 0; i < w->n; i++)
		if (i != client && w->editors[i].connected)
			tell_event(w, &w->editors[i], s->seq);
}

static void server_ack(struct world *w, int client, int64_t seq, bool duplicate)
{
	const struct event *ev = &w->server.log[seq];
	struct message *m = message_new(DOWN_ACK, ev->ref, seq, ev->generation);

	expect(w, op_copy(&ev->op, &m->op) == 0, "copying an operation");
	m->duplicate = duplicate;
	queue_put(&w->editors[client].down, m);
}

/* What PROTOCOL says of a delta: refs first, then the base, then transform LEFT over all since. */
static void server_recv(struct world *w, int client, struct message *m)
{
	struct server *s = &w->server;
	struct editor *ed = &w->editors[client];
	struct op op, next;
	int64_t seq = 1;

	for (; seq <= s->seq; seq++)
		if (s->log[seq].client == client && strcmp(s->log[seq].ref, m->ref) == 0) {
			server_ack(w, client, seq, true);
			return;
		}
	op_init(&op, BYTES_MAX * 4);
	op_init(&next, BYTES_MAX * 4);
	expect(w, m->seq >= ed->own_seq, "one change in flight (await_ack)");
	expect(w, op_copy(&m->op, &op) == 0, "copying an operation");
	if (m->seq > s->seq ||
	    op_check(&op, utf8_chars(s->log[m->seq].text.p, s->log[m->seq].text.len), NULL)) {
		expect(w, w->weather.restores, "only a restored server refuses");
		queue_put(&ed->down, message_new(DOWN_ERROR, m->ref, 0, s->generation));
	} else {
		for (seq = m->seq + 1; seq <= s->seq; seq++) {
			expect(w, op_transform(&op, &s->log[seq].op, OP_LEFT, &next) == 0,
			       "the server's transform");
			expect(w, op_copy(&next, &op) == 0, "copying an operation");
			w->conflicts += s->log[seq].kind != EVENT_ELSEWHERE;
		}
		server_commit(w, client, m->ref, EVENT_OP, &op);
		ed->own_seq = s->seq;
		server_ack(w, client, s->seq, false);
	}
	op_release(&op);
	op_release(&next);
}

static void disconnect(struct editor *ed)
{
	queue_drop(&ed->up);
	queue_drop(&ed->down);
	ed->connected = ed->synced = false;
}

/* Resume from the seq seen last, or, when that is not of this history or by choice, afresh. */
static void connect_again(struct world *w, struct editor *ed, bool afresh)
{
	const struct server *s = &w->server;
	struct message *m = NULL;

	ed->connected = true;
	ed->own_seq = 0;
	if (afresh || ed->c.seq > s->seq || s->log[ed->c.seq].generation != ed->generation) {
		m = message_new(DOWN_STATE, "", s->seq, s->log[s->seq].generation);
		buf_put(&m->text, s->log[s->seq].text.p, s->log[s->seq].text.len);
		queue_put(&ed->down, m);
		return;
	}
	for (int64_t seq = ed->c.seq + 1; seq <= s->seq; seq++)
		tell_event(w, ed, seq);
	queue_put(&ed->down, message_new(DOWN_SYNCED, "", s->seq, s->log[s->seq].generation));
}

/* What the user sees, before and after, agrees with the operation the editor was told. */
static void check_shown(struct world *w, const struct editor *ed, struct buf *shown,
                        const struct op *out)
{
	struct buf now;

	buf_init(&now, BYTES_MAX * 4);
	expect(w, op_apply(out, shown->p, shown->len, &now) == 0 && same(&now, &ed->c.local),
	       "what is to be applied to what the user sees");
	buf_release(&now);
}

static void send_op(struct world *w, struct editor *ed, const struct op *op, const char *ref,
                    int64_t base_seq)
{
	struct message *m = message_new(UP_OP, ref, base_seq, 0);

	expect(w, op_copy(op, &m->op) == 0, "copying an operation");
	queue_put(&ed->up, m);
}

static void editor_resend(struct world *w, struct editor *ed)
{
	const char *ref = NULL;
	int64_t base_seq = 0;
	const struct op *op = otclient_in_flight(&ed->c, &ref, &base_seq);

	ed->synced = true;
	if (!op)
		return;
	send_op(w, ed, op, ref, base_seq);
	w->resent++;
}

static void editor_event(struct world *w, int i, const struct message *m, struct op *out)
{
	struct editor *ed = &w->editors[i];
	const struct event *ev = &w->server.log[m->seq];
	int rc = 0;

	if (ev->kind == EVENT_ELSEWHERE)
		otclient_seen(&ed->c, m->seq);
	else if (ev->kind == EVENT_CONTENT)
		rc = otclient_replace(&ed->c, m->seq, m->text.p, m->text.len, out);
	else if (ev->client == i)
		rc = otclient_ack(&ed->c, m->ref, m->seq, &m->op, out);
	else
		rc = otclient_remote(&ed->c, m->seq, &m->op, out);
	expect(w, rc == 0, "an event is taken");
}

static void editor_recv(struct world *w, int i, const struct message *m)
{
	struct editor *ed = &w->editors[i];
	struct buf shown;
	struct op out;
	int64_t before = ed->c.seq;

	buf_init(&shown, BYTES_MAX * 4);
	op_init(&out, BYTES_MAX * 8);
	buf_put(&shown, ed->c.local.p, ed->c.local.len);
	switch (m->kind) {
	case DOWN_EVENT:
		editor_event(w, i, m, &out);
		break;
	case DOWN_ACK:
		expect(w, ed->synced && (m->duplicate || m->seq > ed->c.seq), "acks in order");
		w->undone += ed->c.flying && m->seq <= ed->c.seq;
		expect(w, otclient_ack(&ed->c, m->ref, m->seq, &m->op, &out) == 0,
		       "an ack is taken");
		expect(w, ed->refreshed || op_is_noop(&out), "the server stores what is expected");
		ed->refreshed = ed->refreshed && ed->c.flying;
		break;
	case DOWN_ERROR:
		expect(w, otclient_unsend(&ed->c) == 0, "unsend");
		ed->refreshed = false;
		break;
	case DOWN_STATE:
		expect(w, otclient_refresh(&ed->c, m->seq, m->text.p, m->text.len, &out) == 0,
		       "a state is taken");
		ed->refreshed = ed->c.flying;
		editor_resend(w, ed);
		before = -1;
		break;
	default:
		editor_resend(w, ed);
	}
	if (ed->c.seq > before)
		ed->generation = m->generation;
	check_shown(w, ed, &shown, &out);
	op_release(&out);
	buf_release(&shown);
}

static void editor_type(struct world *w, struct editor *ed, uint64_t *seed)
{
	size_t chars = utf8_chars(ed->c.local.p, ed->c.local.len);
	struct buf text;
	struct op op;
	char typed[4];

	op_init(&op, BYTES_MAX);
	buf_init(&text, BYTES_MAX);
	if (w->weather.inserts) {
		op_retain(&op, gen_below(seed, chars + 1));
		op_insert(&op, typed, utf8_encode(TYPED_FIRST + w->typed++, typed));
		expect(w, otclient_edit(&ed->c, &op) == 0, "an edit is taken");
	} else if (gen_below(seed, 3) || chars > 200) {
		gen_op(seed, chars, &op);
		expect(w, otclient_edit(&ed->c, &op) == 0, "an edit is taken");
	} else {
		gen_op(seed, chars, &op);
		expect(w, op_apply(&op, ed->c.local.p, ed->c.local.len, &text) == 0, "apply");
		expect(w,
		       otclient_write(&ed->c, text.p, text.len) == 0 && same(&text, &ed->c.local),
		       "a content is taken");
	}
	buf_release(&text);
	op_release(&op);
}

static void editor_send(struct world *w, int i)
{
	struct editor *ed = &w->editors[i];
	const struct op *op = NULL;
	int64_t base_seq = 0;
	char ref[16];

	if (!ed->connected || !ed->synced)
		return;
	(void)snprintf(ref, sizeof ref, "%d.%d", i, ed->refs++); /* it fits */
	expect(w, otclient_send(&ed->c, ref, &op, &base_seq) == 0, "send");
	if (op)
		send_op(w, ed, op, ref, base_seq);
}

static void script(struct world *w, uint64_t *seed)
{
	const struct buf *text = &w->server.log[w->server.seq].text;
	struct buf content;
	struct op op;

	op_init(&op, BYTES_MAX);
	buf_init(&content, BYTES_MAX);
	if (gen_below(seed, 3) || !w->weather.replaces) {
		server_commit(w, -1, "", EVENT_ELSEWHERE, &op);
	} else {
		gen_text(seed, 20, &content);
		op_replace_all(&op, utf8_chars(text->p, text->len), content.p, content.len);
		(void)op_finish(&op); /* checked with the text */
		server_commit(w, -1, "", EVENT_CONTENT, &op);
	}
	buf_release(&content);
	op_release(&op);
}

/* The server comes back with an older log and goes on from there. */
static void restore(struct world *w, uint64_t *seed)
{
	struct server *s = &w->server;
	int64_t lost = (int64_t)gen_below(seed, 6);

	for (; lost > 0 && s->seq > 0; lost--, s->seq--) {
		buf_release(&s->log[s->seq].text);
		op_release(&s->log[s->seq].op);
	}
	s->generation++;
	for (int i = 0; i < w->n; i++)
		disconnect(&w->editors[i]);
}

static void deliver(struct world *w, int i, bool up)
{
	struct editor *ed = &w->editors[i];
	struct message *m = queue_take(up ? &ed->up : &ed->down);

	if (m && up)
		server_recv(w, i, m);
	else if (m)
		editor_recv(w, i, m);
	if (m)
		message_free(m);
}

/* The three layers of an editor fit together, and its server text is the server's. */
static void check_editor(struct world *w, const struct editor *ed)
{
	const struct otclient *c = &ed->c;
	struct buf mid, local;

	buf_init(&mid, BYTES_MAX * 4);
	buf_init(&local, BYTES_MAX * 4);
	expect(w,
	       op_apply(&c->flight, c->server.p, c->server.len, &mid) == 0 &&
	               op_apply(&c->waiting, mid.p, mid.len, &local) == 0 &&
	               same(&local, &c->local),
	       "server text, in flight, waiting make the local text");
	if (c->seq <= w->server.seq && w->server.log[c->seq].generation == ed->generation)
		expect(w, same(&c->server, &w->server.log[c->seq].text),
		       "the text at seq is the server's");
	buf_release(&mid);
	buf_release(&local);
}

static void step(struct world *w, uint64_t *seed)
{
	int i = (int)gen_below(seed, (size_t)w->n);
	struct editor *ed = &w->editors[i];

	w->steps++;
	switch (gen_below(seed, 16)) {
	case 0:
	case 1:
	case 2:
		editor_type(w, ed, seed);
		break;
	case 3:
	case 4:
	case 5:
		editor_send(w, i);
		break;
	case 6:
		if (gen_below(seed, 4) == 0)
			disconnect(ed);
		break;
	case 7:
		if (gen_below(seed, 2) == 0)
			script(w, seed);
		break;
	case 8:
		if (!ed->connected)
			connect_again(w, ed, gen_below(seed, 6) == 0);
		break;
	case 9:
		if (w->weather.restores && gen_below(seed, 20) == 0)
			restore(w, seed);
		break;
	case 10:
	case 11:
		deliver(w, i, true);
		break;
	default:
		deliver(w, i, false);
	}
	check_editor(w, ed);
}

/* Let everything arrive and everyone come back, then look. */
static void settle(struct world *w)
{
	bool busy = true;

	for (int rounds = 0; busy && rounds < 10000 && !w->broken; rounds++) {
		busy = false;
		for (int i = 0; i < w->n; i++) {
			struct editor *ed = &w->editors[i];

			if (!ed->connected)
				connect_again(w, ed, false);
			editor_send(w, i);
			while (ed->up.len)
				deliver(w, i, true);
			while (ed->down.len)
				deliver(w, i, false);
		}
		for (int i = 0; i < w->n; i++)
			busy = busy || !otclient_synchronized(&w->editors[i].c) ||
			       w->editors[i].c.seq != w->server.seq;
	}
	expect(w, !busy, "all is sent and acknowledged in the end");
}

/* Every character typed is there, and once. */
static void check_typed(struct world *w, size_t chars_at_start)
{
	const struct buf *text = &w->server.log[w->server.seq].text;
	bool *seen = calloc((size_t)w->typed + 1, sizeof *seen);
	size_t n = 0;

	if (!seen)
		abort();
	for (size_t at = 0; at < text->len; at += n) {
		uint32_t c = utf8_decode(text->p + at, &n);

		if (c < TYPED_FIRST || c == 0x10ffff)
			continue;
		expect(w, !seen[c - TYPED_FIRST], "nothing typed is there twice");
		seen[c - TYPED_FIRST] = true;
	}
	expect(w, utf8_chars(text->p, text->len) == chars_at_start + (size_t)w->typed,
	       "all that was typed is there");
	free(seen);
}

static void episode(struct world *w, uint64_t *seed, size_t steps)
{
	struct event *start = &w->server.log[0];

	*start = (struct event){.client = -1};
	w->server.seq = 0;
	w->server.generation = 0;
	w->n = 2 + (int)gen_below(seed, CLIENTS_MAX - 1);
	w->typed = 0;
	w->weather.inserts = gen_below(seed, 3) == 0;
	w->weather.replaces = !w->weather.inserts && gen_below(seed, 2);
	w->weather.restores = !w->weather.inserts && gen_below(seed, 3) == 0;
	buf_init(&start->text, BYTES_MAX);
	op_init(&start->op, BYTES_MAX);
	gen_text(seed, 20, &start->text);
	for (int i = 0; i < w->n; i++) {
		struct editor *ed = &w->editors[i];

		memset(ed, 0, sizeof *ed);
		ed->connected = ed->synced = true;
		expect(w, otclient_init(&ed->c, 0, start->text.p, start->text.len, BYTES_MAX) == 0,
		       "init");
	}
	for (size_t k = 0; k < steps && !w->broken && w->server.seq < EVENTS_MAX / 2; k++)
		step(w, seed);
	settle(w);
	for (int i = 0; i < w->n; i++) {
		expect(w, same(&w->editors[i].c.local, &w->server.log[w->server.seq].text),
		       "all end with the same text");
		disconnect(&w->editors[i]);
		otclient_release(&w->editors[i].c);
	}
	if (w->weather.inserts && !w->broken)
		check_typed(w, utf8_chars(start->text.p, start->text.len));
	for (int64_t seq = 0; seq <= w->server.seq; seq++) {
		buf_release(&w->server.log[seq].text);
		op_release(&w->server.log[seq].op);
	}
}

static void test_world(uint64_t seed)
{
	size_t steps = getenv("SHORT") ? 400000 : gen_cases(400000); /* all must happen */
	struct world *w = calloc(1, sizeof *w);
	uint64_t was = seed;

	while (w && !w->broken && w->steps < steps) {
		was = seed;
		episode(w, &seed, 40 + gen_below(&seed, 1500));
	}
	if (!ok(w && !w->broken, "editors and a server converge through delays, drops and retries"))
		printf("# %s; SEED=%" PRIu64 "\n", w ? w->broken : "out of memory", was);
	if (w)
		printf("# %zu steps, %zu transforms, %zu sent again, %zu found in a fresh state\n",
		       w->steps, w->conflicts, w->resent, w->undone);
	ok(w && w->conflicts > 1000 && w->resent > 100 && w->undone > 10,
	   "and all of this did happen");
	free(w);
}

int main(void)
{
	test_world(rnd_seed(20240115));
	return done();
}
