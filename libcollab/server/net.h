/*
 * The daemon's sockets: listeners, and the life of every socket from accept to close.
 *
 * HTTP requests go to hub_request(), messages of WebSockets to hub_message(); what goes out comes
 * from hub_pull(), gathered once per turn of the loop for every socket that has something to say,
 * and leaves in as few system calls as there are sockets.  What a socket may cost is bounded: one
 * request, one message, one pull that its peer does not take.
 *
 * One thread, that of the loop.  SIGPIPE must be ignored (TLS writes with write(2)).
 */
#ifndef COLLAB_SERVER_NET_H
#define COLLAB_SERVER_NET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "server/conf.h"
#include "server/hub.h"

struct net;
struct uv_loop_s;

/* One line for the log, no newline. */
typedef void net_log_fn(void *arg, enum log_level level, const char *line);

/* What hub_new() wants. */
extern const struct hub_transport net_transport;

/*
 * Open the listeners that conf names; `inherited` of the descriptors from 3 on are listeners
 * already (LISTEN_FDS): where there is one of a kind (TCP, Unix), conf's of that kind are left
 * alone.  conf is lent until net_free or net_reload.  ERR_CONFIG, ERR_UNREACHABLE (the address is
 * in use), ERR_IO, ERR_NOMEM; what is in *out must be closed and freed then as well (unless it is
 * NULL).  Nobody is accepted before net_start.
 */
int net_open(struct net **out, struct uv_loop_s *loop, const struct conf *conf, int inherited,
             net_log_fn *log, void *log_arg, struct err *e);

/* Begin to accept.  The hub's transport is net_transport; it is lent until net_close. */
void net_start(struct net *n, struct hub *hub);

/* Whether certificate and key can be used.  ERR_CONFIG. */
int net_check(const struct conf *conf, struct err *e);

/*
 * conf has changed: read its certificate and key.  ERR_CONFIG, and everything stays as it was.  If
 * all is well, net_reload lets it count from then on, and it is lent anew.
 */
int net_reload_check(struct net *n, const struct conf *conf, struct err *e);
void net_reload(struct net *n, const struct conf *conf);

/* Something was told to the hub; whether that was so since the last time this was asked. */
void net_touch(struct net *n);
bool net_touched(struct net *n);

/* Append the addresses listened on as a JSON array of strings, the Unix socket's path apart. */
void net_addresses(const struct net *n, struct buf *json);
const char *net_socket_path(const struct net *n); /* NULL: none */

/* Accept nobody any more; HTTP connections end with the answer they wait for, idle ones at once. */
void net_drain(struct net *n);

/* How many sockets are open. */
size_t net_sockets(const struct net *n);

/* Close everything at once.  The loop must run until it has no more work before net_free. */
void net_close(struct net *n);
void net_free(struct net *n); /* NULL is fine */

#endif
