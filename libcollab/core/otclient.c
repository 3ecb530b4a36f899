/* An editor of one section: acknowledged, in flight, waiting. */
#include "core/otclient.h"

#include <assert.h>
#include <string.h>

#include "base/utf8.h"
#include "core/diff.h"

/*
 * The local text and composed operations may for a while hold more than bytes_max: the server's
 * text grew to it while something was pending.  It is the server's to refuse that.
 */
static size_t roomy(size_t bytes_max)
{
	return bytes_max > SIZE_MAX / 8 ? SIZE_MAX / 2 : bytes_max * 4;
}

/* What one event makes of an editor; taken over as a whole or not at all. */
struct step {
	struct buf server, local;
	struct op flight, waiting;
	struct op mid; /* the event as it applies after flight */
};

static void step_init(struct step *s, const struct otclient *c)
{
	size_t max = roomy(c->bytes_max);

	buf_init(&s->server, max);
	buf_init(&s->local, max);
	op_init(&s->flight, max);
	op_init(&s->waiting, max);
	op_init(&s->mid, max);
}

static void step_release(struct step *s)
{
	buf_release(&s->server);
	buf_release(&s->local);
	op_release(&s->flight);
	op_release(&s->waiting);
	op_release(&s->mid);
}

static void swap_buf(struct buf *a, struct buf *b)
{
	struct buf t = *a;

	*a = *b;
	*b = t;
}

static void swap_op(struct op *a, struct op *b)
{
	struct op t = *a;

	*a = *b;
	*b = t;
}

static void step_take(struct step *s, struct otclient *c)
{
	swap_buf(&s->server, &c->server);
	swap_buf(&s->local, &c->local);
	swap_op(&s->flight, &c->flight);
	swap_op(&s->waiting, &c->waiting);
}

/* What does not fit, though the server sent it, is the server's fault. */
static int blame(int rc)
{
	return rc == ERR_BAD_DELTA ? ERR_PROTOCOL : rc;
}

/* `mid` applies after flight: carry what waits over it; *out is what it does to the local text. */
static int over_waiting(struct step *s, const struct otclient *c, const struct op *mid,
                        struct op *out)
{
	int rc = op_transform(mid, &c->waiting, OP_RIGHT, out);

	if (!rc)
		rc = op_transform(&c->waiting, mid, OP_LEFT, &s->waiting);
	if (!rc)
		rc = op_apply(out, c->local.p, c->local.len, &s->local);
	return blame(rc);
}

/* `op` applies to the server text: carry all that is pending over it. */
static int over_all(struct step *s, const struct otclient *c, const struct op *op, struct op *out)
{
	int rc = op_apply(op, c->server.p, c->server.len, &s->server);

	if (!rc)
		rc = op_transform(op, &c->flight, OP_RIGHT, &s->mid);
	if (!rc)
		rc = op_transform(&c->flight, op, OP_LEFT, &s->flight);
	return rc ? blame(rc) : over_waiting(s, c, &s->mid, out);
}

static void land(struct otclient *c)
{
	c->flying = false;
	c->ref[0] = '\0';
	op_clear(&c->sent);
	op_clear(&c->flight);
}

int otclient_init(struct otclient *c, int64_t seq, const char *text, size_t len, size_t bytes_max)
{
	size_t max = roomy(bytes_max);

	*c = (struct otclient){.seq = seq, .bytes_max = bytes_max};
	buf_init(&c->server, max);
	buf_init(&c->local, max);
	op_init(&c->sent, max);
	op_init(&c->flight, max);
	op_init(&c->waiting, max);
	if (len > bytes_max)
		return ERR_TOO_LARGE;
	buf_put(&c->server, text, len);
	buf_put(&c->local, text, len);
	return buf_error(&c->server) ? buf_error(&c->server) : buf_error(&c->local);
}

void otclient_release(struct otclient *c)
{
	buf_release(&c->server);
	buf_release(&c->local);
	op_release(&c->sent);
	op_release(&c->flight);
	op_release(&c->waiting);
}

bool otclient_synchronized(const struct otclient *c)
{
	return !c->flying && op_is_noop(&c->waiting);
}

int otclient_edit(struct otclient *c, const struct op *op)
{
	struct step s;
	int rc = 0;

	step_init(&s, c);
	rc = op_apply(op, c->local.p, c->local.len, &s.local);
	if (!rc && s.local.len > c->bytes_max && s.local.len > c->local.len)
		rc = ERR_TOO_LARGE;
	if (!rc)
		rc = op_compose(&c->waiting, op, &s.waiting);
	if (!rc) {
		swap_buf(&s.local, &c->local);
		swap_op(&s.waiting, &c->waiting);
	}
	step_release(&s);
	return rc;
}

int otclient_write(struct otclient *c, const char *text, size_t len)
{
	struct op op;
	int rc = 0;

	op_init(&op, c->bytes_max);
	rc = diff(c->local.p, c->local.len, text, len, &op);
	if (!rc)
		rc = otclient_edit(c, &op);
	op_release(&op);
	return rc;
}

int otclient_send(struct otclient *c, const char *ref, const struct op **op, int64_t *base_seq)
{
	size_t len = strlen(ref);
	int rc = 0;

	assert(len < sizeof c->ref);
	*op = NULL;
	if (c->flying || op_is_noop(&c->waiting))
		return 0;
	rc = op_copy(&c->waiting, &c->sent);
	if (rc)
		return rc;
	swap_op(&c->flight, &c->waiting); /* flight was empty, so that nothing waits now */
	c->flying = true;
	memcpy(c->ref, ref, len + 1);
	c->sent_base = c->seq;
	*op = otclient_in_flight(c, NULL, base_seq);
	return 0;
}

const struct op *otclient_in_flight(const struct otclient *c, const char **ref, int64_t *base_seq)
{
	if (!c->flying)
		return NULL;
	if (ref)
		*ref = c->ref;
	if (base_seq)
		*base_seq = c->sent_base;
	return &c->sent;
}

/* The ack of what a fresh state had already: what was carried over it is there twice; undo that. */
static int ack_known(struct otclient *c, struct op *out)
{
	struct step s;
	int rc = 0;

	step_init(&s, c);
	rc = op_invert(&c->flight, c->server.p, c->server.len, &s.mid);
	if (!rc)
		rc = over_waiting(&s, c, &s.mid, out);
	if (!rc) {
		swap_buf(&s.local, &c->local);
		swap_op(&s.waiting, &c->waiting);
		land(c);
	}
	step_release(&s);
	return rc;
}

/* The ack of something else than what is in flight: carry what waits over the difference. */
static int ack_other(struct otclient *c, int64_t seq, const struct op *stored, struct op *out)
{
	struct step s;
	struct buf expected;
	int rc = 0;

	step_init(&s, c);
	buf_init(&expected, roomy(c->bytes_max));
	rc = op_apply(stored, c->server.p, c->server.len, &s.server);
	if (!rc)
		rc = op_apply(&c->flight, c->server.p, c->server.len, &expected);
	if (!rc)
		rc = diff(expected.p, expected.len, s.server.p, s.server.len, &s.mid);
	rc = rc ? blame(rc) : over_waiting(&s, c, &s.mid, out);
	if (!rc) {
		step_take(&s, c);
		land(c);
		c->seq = seq;
	}
	buf_release(&expected);
	step_release(&s);
	return rc;
}

int otclient_ack(struct otclient *c, const char *ref, int64_t seq, const struct op *stored,
                 struct op *out)
{
	struct buf server;
	int rc = 0;

	op_clear(out);
	if (!c->flying || strcmp(ref, c->ref) != 0) {
		if (seq <= c->seq)
			return 0;
		return stored ? otclient_remote(c, seq, stored, out) : ERR_PROTOCOL;
	}
	if (seq <= c->seq)
		return ack_known(c, out);
	if (stored && !op_equal(stored, &c->flight))
		return ack_other(c, seq, stored, out);
	buf_init(&server, roomy(c->bytes_max));
	rc = op_apply(&c->flight, c->server.p, c->server.len, &server);
	if (!rc) {
		swap_buf(&server, &c->server);
		land(c);
		c->seq = seq;
	}
	buf_release(&server);
	return rc;
}

int otclient_remote(struct otclient *c, int64_t seq, const struct op *op, struct op *out)
{
	struct step s;
	int rc = 0;

	op_clear(out);
	if (seq <= c->seq)
		return 0;
	step_init(&s, c);
	rc = over_all(&s, c, op, out);
	if (!rc) {
		step_take(&s, c);
		c->seq = seq;
	}
	step_release(&s);
	return rc;
}

int otclient_replace(struct otclient *c, int64_t seq, const char *text, size_t len, struct op *out)
{
	struct step s;
	struct op op;
	int rc = 0;

	op_clear(out);
	if (seq <= c->seq)
		return 0;
	step_init(&s, c);
	op_init(&op, roomy(c->bytes_max));
	op_replace_all(&op, utf8_chars(c->server.p, c->server.len), text, len);
	rc = op_finish(&op);
	if (!rc)
		rc = over_all(&s, c, &op, out);
	if (!rc)
		rc = diff(c->local.p, c->local.len, s.local.p, s.local.len, out);
	if (!rc) {
		step_take(&s, c);
		c->seq = seq;
	}
	op_release(&op);
	step_release(&s);
	return rc;
}

void otclient_seen(struct otclient *c, int64_t seq)
{
	if (seq > c->seq)
		c->seq = seq;
}

int otclient_refresh(struct otclient *c, int64_t seq, const char *text, size_t len, struct op *out)
{
	bool lost = c->flying && c->sent_base > seq;
	struct step s;
	struct op op;
	int rc = 0;

	op_clear(out);
	step_init(&s, c);
	op_init(&op, roomy(c->bytes_max));
	rc = diff(c->server.p, c->server.len, text, len, &op);
	if (!rc)
		rc = over_all(&s, c, &op, out);
	if (!rc && lost)
		rc = op_compose(&s.flight, &s.waiting, &s.mid);
	if (!rc) {
		step_take(&s, c);
		c->seq = seq;
	}
	if (!rc && lost) {
		swap_op(&s.mid, &c->waiting);
		land(c);
	}
	op_release(&op);
	step_release(&s);
	return rc;
}

int otclient_unsend(struct otclient *c)
{
	struct op both;
	int rc = 0;

	if (!c->flying)
		return 0;
	op_init(&both, roomy(c->bytes_max));
	rc = op_compose(&c->flight, &c->waiting, &both);
	if (!rc) {
		swap_op(&both, &c->waiting);
		land(c);
	}
	op_release(&both);
	return rc;
}

int otclient_discard(struct otclient *c, struct op *out)
{
	struct buf local;
	int rc = 0;

	op_clear(out);
	buf_init(&local, c->local.len_max);
	buf_put(&local, c->server.p, c->server.len);
	rc = buf_error(&local);
	if (!rc)
		rc = diff(c->local.p, c->local.len, local.p, local.len, out);
	if (!rc) {
		swap_buf(&local, &c->local);
		op_clear(&c->waiting);
		land(c);
	}
	buf_release(&local);
	return rc;
}
