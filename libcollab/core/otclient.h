/*
 * An editor of one section: what the server has acknowledged, what is on its way, what waits.
 *
 *	server text --in flight--> --waiting--> local text
 *
 * The local text is what the user sees and changes.  One operation at most is in flight; what is
 * typed meanwhile is composed and waits (collab-protocol(7), section SECTIONS AND CONFLICTS: one
 * change of a section in flight).  An arriving operation is transformed over the pending ones with
 * side RIGHT and they over it with LEFT, exactly as the server does, so that all converge.
 *
 * How it is driven:
 *	otclient_init		with the section's content and the seq of session_state
 *	otclient_edit, _write	the user changed something
 *	otclient_send		whenever something may be sent: gives what, or nothing
 *	otclient_ack		the ack came, or in a replay the own event with that ref
 *	otclient_remote, _replace, _seen	another event came
 *	otclient_in_flight	after a reconnect and its replay: send this again, same ref and base
 *	otclient_refresh	a fresh session_state came in place of a replay
 *	otclient_unsend, _discard	the server refused it
 *
 * Pure: no I/O.  Any function that can fail leaves everything as it was when it does.
 */
#ifndef COLLAB_CORE_OTCLIENT_H
#define COLLAB_CORE_OTCLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "core/limits.h"
#include "core/op.h"

struct otclient {
	int64_t seq;       /* the last event seen */
	size_t bytes_max;  /* of the text */
	struct buf server; /* the text at seq, without what is pending */
	struct buf local;  /* with it */
	bool flying;
	char ref[REF_CHARS_MAX * 4 + 1]; /* of what is in flight */
	int64_t sent_base;               /* what is in flight, as it was sent: its base_seq, */
	struct op sent;                  /* the operation, */
	struct op flight;                /* and the same as it applies to the server text now */
	struct op waiting;               /* applies after flight */
};

/*
 * Start from a section's content (NULL for an empty one) as it was at seq.  bytes_max: the greatest
 * text (limits.section_bytes).  0, ERR_TOO_LARGE or ERR_NOMEM.
 */
int otclient_init(struct otclient *c, int64_t seq, const char *text, size_t len, size_t bytes_max);
void otclient_release(struct otclient *c); /* a zeroed struct is fine */

/* Whether nothing is pending: the local text is the server's. */
bool otclient_synchronized(const struct otclient *c);

/*
 * The user changed the local text: by an operation made from it (ERR_BAD_DELTA when it does not
 * fit), or to a new content (valid UTF-8), of which the smallest operation is made (core/diff.h).
 * ERR_TOO_LARGE when the text grows beyond bytes_max, ERR_NOMEM.
 */
int otclient_edit(struct otclient *c, const struct op *op);
int otclient_write(struct otclient *c, const char *text, size_t len);

/*
 * What to send now, under `ref` (at most REF_CHARS_MAX characters, new): *op lends a delta, to go
 * with base_seq *base_seq; NULL when something is in flight already or nothing waits.  It is in
 * flight from here on.  0 or ERR_NOMEM.  The delta is lent until the next call that may fail.
 */
int otclient_send(struct otclient *c, const char *ref, const struct op **op, int64_t *base_seq);

/*
 * What is in flight, to send it again on a new connection: exactly what was sent, so that the
 * server knows it by its ref.  NULL when nothing is.  Lent as by otclient_send.
 */
const struct op *otclient_in_flight(const struct otclient *c, const char **ref, int64_t *base_seq);

/*
 * The ack of the message with this ref came, or in a replay the own event that carries it: stored
 * as event seq.  `stored`: its delta as the server tells it (or what op_replace_all makes of its
 * content), NULL when it does not.  *out (initialised) gets what to apply to what the user sees:
 * nothing, but when the server stored something else than was expected, or when a fresh state had
 * it already (seq <= c->seq).  With another ref than the one in flight it is what somebody else did
 * (a duplicate ack was seen before and does nothing).  ERR_PROTOCOL when it does not fit; then, as
 * for the functions below, a fresh state is the way out.
 */
int otclient_ack(struct otclient *c, const char *ref, int64_t seq, const struct op *stored,
                 struct op *out);

/*
 * Somebody else's operation, event seq.  *out gets what to apply to what the user sees.  An event
 * seen before (seq <= c->seq) does nothing.  ERR_PROTOCOL when it does not fit the text.
 */
int otclient_remote(struct otclient *c, int64_t seq, const struct op *op, struct op *out);

/*
 * Somebody replaced the content, event seq.  For what is pending it means delete all, insert all,
 * as for the server: pending inserts end up in front of the new text.  *out is the smallest
 * operation that does the same to what the user sees, to spare cursors.
 */
int otclient_replace(struct otclient *c, int64_t seq, const char *text, size_t len, struct op *out);

/*
 * Events up to seq are seen that did not change this section: what is sent next has a newer base.
 * Seen before: nothing.
 */
void otclient_seen(struct otclient *c, int64_t seq);

/*
 * A fresh state: the content at seq, which may lie before c->seq (a restored server).  What is
 * pending is carried over by the smallest operation between the old and the new content.  What was
 * in flight still is, for it may or may not be in the new content: send it again and its ack tells.
 * Only if its base lies after seq, which the server would refuse, it waits again.  *out as above.
 */
int otclient_refresh(struct otclient *c, int64_t seq, const char *text, size_t len, struct op *out);

/*
 * The server refused what is in flight, for good or for now: it goes in front of what waits, and
 * both are sent as one under a new ref.  0 or ERR_NOMEM.  Never after a mere loss of the
 * connection.
 */
int otclient_unsend(struct otclient *c);

/* Give up all that is pending; *out takes what the user sees back to the server's text. */
int otclient_discard(struct otclient *c, struct op *out);

#endif
