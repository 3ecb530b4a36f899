/* A request of REST that is not answered yet, and what its routes share. */
#ifndef COLLAB_SERVER_EXCHANGE_H
#define COLLAB_SERVER_EXCHANGE_H

#include "proto/message.h"
#include "proto/route.h"
#include "server/hub_int.h"

struct exchange {
	struct hub *hub;
	struct exchange *prev, *next; /* hub->exchanges */
	struct exchange *queue_next;  /* room->waiting or room->held */
	struct exchange *lane_next;   /* hub->lane, sorted by lane_tag; continues with lane_then */
	int64_t lane_tag;
	void (*lane_then)(struct exchange *x); /* NULL: not in there */
	void *sock;
	const struct request *request; /* lent until answered or aborted */
	struct route_match route;
	json_t *query; /* object of strings */
	struct identity who;
	struct room *room;                /* counted in room->exchanges */
	void (*then)(struct exchange *x); /* the continuation of whatever it waits for */
	int64_t at_seq;
	int pending; /* store callbacks outstanding that carry x */
	bool aborted;
	bool internal; /* no socket waits for the answer */
	bool auth_waits, auth_waited;
	bool drain_waits;
	int64_t backup_ms; /* mono: about a backup, it is answered by then; 0: at once */
	struct response response;
	struct message message;       /* a mutation, or zeroed */
	struct start_options options; /* a start, or zeroed */
	struct fold *fold;
	struct session past;        /* ?at=, or the session before */
	const struct session *view; /* what a read shows: the room's head or past */
	int64_t cursor, end;        /* of paged reads */
	int count;
	int again; /* times that its answer was lost with the state that it was made from */
	int64_t started_ms;
	bool active;                        /* only the report's active session will do */
	void (*absent)(struct exchange *x); /* there is no such session; NULL: ERR_NO_SESSION */
	void *more;                         /* malloc'd, of the route's own */
	void (*more_free)(void *more);      /* NULL: free */
};

/* The request's entry, after hub_request made the exchange. */
void rest_begin(struct exchange *x);

/* Its route, once it is known who asks. */
void rest_dispatch(struct exchange *x);

/* Whether the request's origin, which it has, may come here: a configured one, or the server's own.
 */
bool exchange_origin_allowed(const struct exchange *x);

/* Continue when x->room is live (at once, or later). */
void exchange_with_room(struct exchange *x, struct room *room, void (*then)(struct exchange *x));

/*
 * Begin a read anew whose answer was lost.  False: it is none, or it was lost too often; then it is
 * as it was.
 */
bool exchange_again(struct exchange *x);

/* Answers.  Each ends the exchange. */
void exchange_answer(struct exchange *x);
void exchange_error(struct exchange *x, const struct err *e, const struct decision *d);
/* The same, held until the head that it was computed from is committed. */
void exchange_error_committed(struct exchange *x, const struct err *e, const struct decision *d);
void exchange_free(struct exchange *x);
void exchange_drop_room(struct exchange *x);

/*
 * What makes a large answer, or rebuilds a state for one, waits its turn, which it keeps until it
 * is answered.  Then x->room is live.
 */
enum { ANSWER_LARGE = 65536 };
void exchange_in_turn(struct exchange *x, void (*then)(struct exchange *x));
void exchange_leave_lane(struct exchange *x);

/* Before an answer of so many bytes: whether whoever asks may have it.  If not, it was refused. */
bool exchange_may_answer(struct exchange *x, size_t bytes);

/* Hold x->response until the room's head is committed, then answer. */
void exchange_answer_committed(struct exchange *x);

/* room_command decided for an exchange. */
void rest_decided(struct exchange *x, const struct command *c, const struct ack *ack);

/* Routes, by file. */
void rest_read(struct exchange *x);  /* GETs of a session's resources */
void rest_write(struct exchange *x); /* mutations of a session */
void rest_start(struct exchange *x);
void rest_events(struct exchange *x);
void rest_export(struct exchange *x);
void rest_import(struct exchange *x);
void rest_rewrite(struct exchange *x);

/* Compact a session that is over, up to what is older than before_ms. */
void rewrite_retain(struct hub *h, const struct store_session *row, int64_t before_ms);

/* An exchange of the server with itself: nobody hears its answer, a failure is logged. */
struct exchange *exchange_internal(struct hub *h);

/* Give up the import that is under way, if there is one. */
void hub_import_drop(struct hub *h);
void rest_list(struct exchange *x);
void rest_websocket(struct exchange *x);
void rest_backup(struct exchange *x);

/* Answer who waits for a backup; milliseconds until it wants to be called again. */
int64_t rest_backup_tick(struct hub *h, int64_t now);

/* Who waits for a backup, x->backup_ms, is gone: nobody else would fetch it. */
void rest_backup_gone(struct exchange *x);
bool rest_admin(struct exchange *x); /* false: it is not below /api/admin/ */

/* Whether the exchange's user may read the room: a participant, or by scope.  Sets *e. */
int exchange_may_read(const struct exchange *x, struct err *e);

/* Whether it must not see e-mail addresses: it reads by scope, not as a participant. */
bool exchange_without_email(const struct exchange *x);

/*
 * Find a session by the route's report_id (by) or session_id, and continue with its room; without
 * one: ERR_NO_SESSION.
 */
void exchange_find(struct exchange *x, enum store_by by, void (*then)(struct exchange *x));

/*
 * What the parameter `name` says, a seq or a time, to x->cursor, then continue; `absent` when it is
 * not there (text NULL).
 */
void exchange_since(struct exchange *x, const char *name, const char *text, int64_t absent,
                    void (*then)(struct exchange *x));

/* What the actor of a REST command is. */
void exchange_actor(const struct exchange *x, struct actor *actor);

#endif
