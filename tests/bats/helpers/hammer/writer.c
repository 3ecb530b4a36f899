/* Writers: what they send, in which order answers must come, and what is sent again. */
#include "hammer.h"

static size_t index_of(const struct client *c)
{
	size_t i = 0;

	while (clients[i] != c)
		i++;
	return i;
}

bool must_fail(const struct client *c, int64_t n)
{
	return !c->o.plain && n % 64 == 63;
}

/* The n-th message of a writer: always the same bytes. */
static void send_message(struct client *c, int64_t n)
{
	struct message *m = &c->messages[n];
	static struct bytes out;
	size_t id = index_of(c);
	uint64_t r = mix(seed ^ (uint64_t)id << 40 ^ (uint64_t)n);

	out.at = out.len = 0;
	if (must_fail(c, n)) {
		put_text(&out,
		         "{\"type\":\"comment_resolved\",\"ref\":\"h%d.%zu.%" PRId64 "\",\"data\":{"
		         "\"comment_id\":\"00000000-0000-4000-8000-000000000000\"}}",
		         (int)getpid(), id, n);
	} else if (!c->o.plain && n % 64 == 7) {
		put_text(&out,
		         "{\"type\":\"comment_added\",\"ref\":\"h%d.%zu.%" PRId64 "\",\"data\":{"
		         "\"section_id\":\"s%d\",\"content\":\"comment %zu.%" PRId64
		         "\",\"parent_comment_id\":null}}",
		         (int)getpid(), id, n, (int)(r % (uint64_t)c->o.sections), id, n);
	} else {
		put_text(&out,
		         "{\"type\":\"section_update\",\"ref\":\"h%d.%zu.%" PRId64 "\",\"data\":{"
		         "\"section_id\":\"s%d\",\"changes\":{\"sent_us\":%" PRId64
		         ",\"content\":\"%zu.%" PRId64 " ",
		         (int)getpid(), id, n, (int)(r % (uint64_t)c->o.sections), m->sent_us, id,
		         n);
		for (int i = 0; i < c->o.size; i++) {
			char letter = (char)('a' + (r >> i % 48) % 26);

			put(&out, &letter, 1);
		}
		put_text(&out, "\"}}}");
	}
	send_frame(c, 1, out.p, out.len);
	m->fate = UNANSWERED;
	resent += m->times > 0;
	m->times = m->times < 255 ? (uint8_t)(m->times + 1) : 255;
	c->queue[(c->queue_at + c->queue_len++) % QUEUE] = n;
	if (c->queue_len == QUEUE)
		die("too many messages under way");
}

static void begin_message(struct client *c)
{
	if (c->len == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 1024;
		c->messages = grow(c->messages, (size_t)c->cap * sizeof *c->messages);
	}
	c->messages[c->len] = (struct message){.sent_us = now_us()};
	c->under++;
	send_message(c, c->len++);
}

/* What was refused for a while, again; then new ones, as many as there may be under way. */
void write_on(struct client *c)
{
	int64_t now = now_ms();

	if (c->kind > FLOOD || c->phase != OPEN || c->leaving || hushed || !c->caught_up)
		return;
	if (c->again_ms && now >= c->again_ms) {
		c->again_ms = 0;
		for (int64_t n = c->low; n < c->len; n++)
			if (c->messages[n].fate == AGAIN)
				send_message(c, n);
	}
	while (!resting && waits(&c->out) < OUT_BYTES &&
	       (c->kind == FLOOD || c->under < c->o.window) && c->queue_len < QUEUE - 2 &&
	       (!c->o.max || c->len < c->o.max) && now >= c->next_ms) {
		if (c->o.every_ms)
			c->next_ms = c->next_ms + c->o.every_ms > now ? c->next_ms + c->o.every_ms
			                                              : now + c->o.every_ms;
		begin_message(c);
	}
}

/* Everything that is not answered once more, on a new connection. */
void send_again(struct client *c)
{
	c->queue_len = 0;
	c->caught_up = true;
	c->owes = hushed;
	if (hushed)
		return;
	c->again_ms = 0;
	for (int64_t n = c->low; n < c->len; n++)
		if (c->messages[n].fate == UNANSWERED || c->messages[n].fate == AGAIN)
			send_message(c, n);
}

/* A ref is "hPID.WRITER.N".  True if it is this hammer's. */
bool read_ref(const char *ref, size_t *id, int64_t *n)
{
	char *end = NULL;

	if (ref[0] != 'h' || strtol(ref + 1, &end, 10) != (long)getpid() || *end != '.')
		return false;
	*id = strtoul(end + 1, &end, 10);
	*n = *end == '.' ? atoll(end + 1) : -1;
	return true;
}

/* N, if it is this writer's; -1 if not. */
int64_t own_ref(const struct client *c, const char *ref)
{
	size_t id = 0;
	int64_t n = 0;

	if (c->kind > FLOOD || !read_ref(ref, &id, &n) || id >= clients_len || clients[id] != c)
		return -1;
	return n < c->len ? n : -1;
}

void answered(struct client *c, int64_t n, enum fate fate)
{
	c->messages[n].fate = (uint8_t)fate;
	c->under--;
	while (c->low < c->len && c->messages[c->low].fate >= ACKED)
		c->low++;
}

void accepted(struct client *c, int64_t n, int64_t seq, const unsigned char *hash)
{
	struct message *m = &c->messages[n];

	if (m->fate == ACKED) {
		if (m->seq != seq)
			violate("%s: message %" PRId64 " was acked with %" PRId64
			        ", then with %" PRId64,
			        c->user, n, m->seq, seq);
		return;
	}
	m->seq = seq;
	if (hash)
		memcpy(m->hash, hash, SHA256_LEN);
	if (must_fail(c, n))
		violate("%s: message %" PRId64 " should have been refused", c->user, n);
	if (m->times == 1)
		took(&ack_times, now_us() - m->sent_us);
	answered(c, n, ACKED);
	acks++;
}
