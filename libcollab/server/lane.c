/*
 * Large answers are made one after the other, one a turn of the loop: whoever asks for little waits
 * for one of them at the most.  Whose turn it is keeps it until it is answered, so that of all that
 * are asked for at once one is in memory.
 *
 * Users share by start-time fair queueing (Goyal, Vin, Cheng, 1996): the n-th of somebody who asks
 * for many is behind the first of everybody else.
 */
#include "server/exchange.h"

/* What the next one of the user is to be sorted by. */
static int64_t tag_of(struct exchange *x)
{
	struct hub *h = x->hub;
	struct user *u = hub_user(h, x->who.user_id);
	int64_t tag = h->lane_tag;

	if (!u) /* out of memory: then it does not count against the user */
		return tag;
	if (u->lane_tag > tag)
		tag = u->lane_tag;
	u->lane_tag = tag + 1;
	return tag;
}

void exchange_in_turn(struct exchange *x, void (*then)(struct exchange *x))
{
	struct exchange **p = &x->hub->lane;

	if (x->hub->lane_holder == x) {
		then(x);
		return;
	}
	x->lane_then = then;
	x->lane_tag = tag_of(x);
	while (*p && (*p)->lane_tag <= x->lane_tag)
		p = &(*p)->lane_next;
	x->lane_next = *p;
	*p = x;
}

void exchange_leave_lane(struct exchange *x)
{
	struct exchange **p = &x->hub->lane;

	if (x->hub->lane_holder == x)
		x->hub->lane_holder = NULL;
	if (!x->lane_then)
		return;
	while (*p && *p != x)
		p = &(*p)->lane_next;
	if (*p)
		*p = x->lane_next;
}

bool hub_turn(struct hub *h)
{
	struct exchange *x = h->lane;
	void (*then)(struct exchange * x) = NULL;

	hub_enter(h);
	if (h->lane_holder || !x)
		return false;
	h->lane = x->lane_next;
	h->lane_holder = x;
	h->lane_tag = x->lane_tag;
	then = x->lane_then;
	x->lane_then = NULL;
	exchange_with_room(x, x->room, then);
	return h->lane && !h->lane_holder;
}
