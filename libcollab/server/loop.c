/* The daemon: everything put together. */
#include "server/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "proto/json_out.h"
#include "server/auth.h"
#include "server/backup.h"
#include "server/hub.h"
#include "server/log.h"
#include "server/net.h"
#include "server/parents.h"
#include "server/sd.h"
#include "store/store.h"

enum {
	DRAIN_MS = 5000, /* for the hub to finish what is under way */
	FLUSH_MS = 1500, /* and then for sockets to close properly */
	DRAIN_POLL_MS = 10,
	RECONNECT_MS = 1000, /* what clients are told to wait */
	POKE_MS = 10         /* at most so late does the hub look at what has just happened */
};

struct loop {
	uv_loop_t uv;
	struct log log;
	const struct loop_options *options;
	struct conf *conf;
	struct store *store;
	struct auth *auth;
	struct hub *hub;
	struct net *net;
	struct backup *backup;
	uv_async_t store_wake, keys_wake, backup_wake;
	uv_signal_t terminate, interrupt, hang_up;
	uv_timer_t tick, drain;
	uv_prepare_t turn;
	int64_t drain_began_ms, flush_began_ms; /* 0: not yet */
	char random[4096]; /* from the kernel; the first random_left bytes are not given out yet */
	size_t random_left;
};

/* ---- what the hub needs of the world -------------------------------------------------------- */

static int64_t clock_ms(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t); /* cannot fail */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t wall_ms(void *arg)
{
	(void)arg;
	return clock_ms(CLOCK_REALTIME);
}

static int64_t mono_ms(void *arg)
{
	(void)arg;
	return clock_ms(CLOCK_MONOTONIC);
}

static int64_t mono_us(void *arg)
{
	(void)arg;
	return (int64_t)(uv_hrtime() / 1000);
}

static void from_kernel(char *p, size_t len)
{
	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno != EINTR)
			abort(); /* without randomness no id is safe to give out */
		p += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

/* Every event has an id: the kernel is asked for many at a time.  What was given out is forgotten.
 */
static void random_bytes(void *arg, void *out, size_t len)
{
	struct loop *l = arg;

	if (len > sizeof l->random) {
		from_kernel(out, len);
		return;
	}
	if (l->random_left < len) {
		from_kernel(l->random, sizeof l->random);
		l->random_left = sizeof l->random;
	}
	l->random_left -= len;
	memcpy(out, l->random + l->random_left, len);
	memset(l->random + l->random_left, 0, len);
}

static void log_for(void *arg, enum log_level level, const char *line)
{
	log_line(&((struct loop *)arg)->log, level, line);
}

/* ---- events --------------------------------------------------------------------------------- */

static void wake_up(void *arg)
{
	(void)uv_async_send(arg); /* cannot fail on an open handle */
}

static void on_store(uv_async_t *async)
{
	struct loop *l = async->data;

	store_poll(l->store);
	net_touch(l->net);
}

static void on_backup(uv_async_t *async)
{
	struct loop *l = async->data;

	backup_poll(l->backup);
	net_touch(l->net);
}

static void on_keys(uv_async_t *async)
{
	struct loop *l = async->data;
	struct err e = {0};

	if (auth_fetch_status(l->auth, &e))
		log_line(&l->log, LOG_WARNING, e.text);
	hub_keys_changed(l->hub);
}

static void on_tick(uv_timer_t *timer)
{
	struct loop *l = timer->data;

	(void)uv_timer_start(timer, on_tick, (uint64_t)hub_tick(l->hub), 0); /* cannot fail */
}

/* Whatever the hub was told this turn may have made something due sooner than it said. */
static void on_turn(uv_prepare_t *turn)
{
	struct loop *l = turn->data;

	if (net_touched(l->net) && uv_timer_get_due_in(&l->tick) > POKE_MS)
		(void)uv_timer_start(&l->tick, on_tick, POKE_MS, 0); /* cannot fail */
}

static void on_drain(uv_timer_t *timer)
{
	struct loop *l = timer->data;
	int64_t now = clock_ms(CLOCK_MONOTONIC);

	if (!l->flush_began_ms && !hub_drained(l->hub) && now - l->drain_began_ms < DRAIN_MS)
		return;
	if (!l->flush_began_ms) {
		l->flush_began_ms = now;
		hub_drain_done(l->hub);
	}
	if (net_sockets(l->net) == 0 || now - l->flush_began_ms >= FLUSH_MS)
		uv_stop(&l->uv);
}

static void begin_drain(struct loop *l)
{
	if (l->drain_began_ms)
		return;
	sd_tell("STOPPING=1");
	l->drain_began_ms = clock_ms(CLOCK_MONOTONIC);
	net_drain(l->net);
	hub_drain(l->hub, RECONNECT_MS);
	(void)uv_timer_start(&l->drain, on_drain, 0, DRAIN_POLL_MS); /* cannot fail */
}

/* Asked for by an administrator, within a call of the hub: it begins once that is over. */
static void on_asked_drain(uv_timer_t *timer)
{
	begin_drain(timer->data);
}

static void ask_drain(void *arg)
{
	struct loop *l = arg;

	if (!l->drain_began_ms)
		(void)uv_timer_start(&l->drain, on_asked_drain, 0, 0); /* cannot fail */
}

static void on_stop(uv_signal_t *signal, int number)
{
	struct loop *l = signal->data;

	if (l->drain_began_ms) {
		log_printf(&l->log, LOG_NOTICE, "stopping at once: a second signal");
		uv_stop(&l->uv);
		return;
	}
	log_printf(&l->log, LOG_NOTICE, "stopping: %s", number == SIGINT ? "SIGINT" : "SIGTERM");
	begin_drain(l);
}

/* ---- configuration -------------------------------------------------------------------------- */

static void free_conf(struct conf *c)
{
	if (!c)
		return;
	conf_release(c);
	free(c);
}

static int load(const struct loop_options *o, struct conf **out, struct err *e)
{
	struct conf *c = calloc(1, sizeof *c);
	int rc = c ? o->load(o->load_arg, c, e) : err_set(e, ERR_NOMEM, NULL);

	if (rc) {
		free_conf(c);
		c = NULL;
	}
	*out = c;
	return rc;
}

static void tell_fixed(const struct loop *l, const char *name, const char *was, const char *is)
{
	if (strcmp(was ? was : "", is ? is : "") != 0)
		log_printf(&l->log, LOG_NOTICE, "a new %s counts after a restart", name);
}

/* Append the names of the settings that differ as JSON strings: those that count now, or those that
 * do after a restart. */
static void put_changes(const struct conf *was, const struct conf *is, bool now, struct buf *json)
{
	char name[CONF_NAME_BYTES];

	for (int at = conf_differs(was, is, 0, name); at >= 0;
	     at = conf_differs(was, is, at + 1, name)) {
		bool fixed = at == CONF_AT_data_dir || at == CONF_AT_socket || at == CONF_AT_listen;

		if (fixed == now)
			continue;
		json_comma(json);
		json_put_string(json, name, strlen(name));
	}
}

static void put_reloaded(const struct conf *was, const struct conf *is, struct buf *json)
{
	buf_puts(json, "{\"changed\":[");
	put_changes(was, is, true, json);
	buf_puts(json, "],\"needs_restart\":[");
	put_changes(was, is, false, json);
	buf_puts(json, "],\"reloaded\":true}");
}

/* json: NULL, or where to tell what has changed. */
static int reload(struct loop *l, struct buf *json, struct err *e)
{
	struct conf *c = NULL, *old = l->conf;
	int rc = load(l->options, &c, e);

	if (rc == 0)
		rc = net_reload_check(l->net, c, e);
	if (rc == 0)
		rc = auth_reload(l->auth, c, e);
	if (rc) {
		free_conf(c);
		return rc;
	}
	tell_fixed(l, "data_dir", old->data_dir, c->data_dir);
	tell_fixed(l, "socket", old->socket, c->socket);
	tell_fixed(l, "listen", old->listen, c->listen);
	if (json)
		put_reloaded(old, c, json);
	net_reload(l->net, c);
	hub_reload(l->hub, c);
	l->conf = c;
	l->log.level = c->level;
	free_conf(old);
	return 0;
}

/* Reload, and tell the log and the service manager. */
static int tell_reload(struct loop *l, struct buf *json, struct err *e)
{
	int rc;

	sd_tell_reloading();
	rc = reload(l, json, e);
	if (rc)
		log_printf(&l->log, LOG_ERROR, "nothing was reloaded: %s", e->text);
	else
		log_printf(&l->log, LOG_NOTICE, "configuration and keys were read again");
	sd_tell("READY=1");
	return rc;
}

static void on_hang_up(uv_signal_t *signal, int number)
{
	struct err e = {0};

	(void)number;
	(void)tell_reload(signal->data, NULL, &e); /* it is logged */
}

static int ask_reload(void *arg, struct buf *json, struct err *e)
{
	return tell_reload(arg, json, e);
}

/* ---- life ----------------------------------------------------------------------------------- */

/* As many descriptors as may be had; fewer only mean fewer connections. */
static void raise_files(const struct loop *l)
{
	struct rlimit files;
	int64_t sockets = l->conf->limits.sockets;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	if (files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files); /* it is told below */
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < (rlim_t)sockets)
		log_printf(&l->log, LOG_NOTICE, "%llu files may be open: too few for %lld sockets",
		           (unsigned long long)files.rlim_cur, (long long)sockets);
}

/* Only those that need descriptors can fail. */
static int init_handles(struct loop *l)
{
	int rc = uv_async_init(&l->uv, &l->store_wake, on_store);

	if (rc == 0)
		rc = uv_async_init(&l->uv, &l->keys_wake, on_keys);
	if (rc == 0)
		rc = uv_async_init(&l->uv, &l->backup_wake, on_backup);
	if (rc == 0)
		rc = uv_signal_init(&l->uv, &l->terminate);
	if (rc == 0)
		rc = uv_signal_init(&l->uv, &l->interrupt);
	if (rc == 0)
		rc = uv_signal_init(&l->uv, &l->hang_up);
	(void)uv_timer_init(&l->uv, &l->tick);
	(void)uv_timer_init(&l->uv, &l->drain);
	(void)uv_prepare_init(&l->uv, &l->turn);
	l->store_wake.data = l->keys_wake.data = l->backup_wake.data = l;
	l->terminate.data = l->interrupt.data = l->hang_up.data = l;
	l->tick.data = l->drain.data = l->turn.data = l;
	return rc;
}

static int begin(struct loop *l, struct err *e)
{
	struct hub_env env = {wall_ms,   mono_ms,    random_bytes, log_for, l,
	                      ask_drain, ask_reload, mono_us,      NULL};
	int rc = init_handles(l);

	if (rc)
		return err_set(e, ERR_IO, "cannot make an event loop: %s", uv_strerror(rc));
	/* One that was named may be on a disk that is not mounted: then nothing is made. */
	if (l->conf->data_dir_usual)
		rc = parents_make(l->conf->data_dir, e);
	if (rc == 0)
		rc = store_sqlite_open(&l->store, l->conf->data_dir, wake_up, &l->store_wake, e);
	if (rc == 0)
		rc = backup_new(&l->backup, l->store, l->conf->data_dir, wake_up, &l->backup_wake,
		                e);
	env.backup = l->backup;
	if (rc == 0)
		rc = auth_new(&l->auth, l->conf, e);
	if (rc == 0)
		rc = hub_new(&l->hub, l->store, l->auth, l->conf, &env, &net_transport, e);
	if (rc == 0)
		rc = net_open(&l->net, &l->uv, l->conf, sd_listeners(), log_for, l, e);
	if (rc)
		return rc;
	auth_on_keys(l->auth, wake_up, &l->keys_wake);
	/* None of these fails with a signal that can be caught and a loop that is open. */
	(void)uv_signal_start(&l->terminate, on_stop, SIGTERM);
	(void)uv_signal_start(&l->interrupt, on_stop, SIGINT);
	(void)uv_signal_start(&l->hang_up, on_hang_up, SIGHUP);
	(void)uv_timer_start(&l->tick, on_tick, 0, 0);
	(void)uv_prepare_start(&l->turn, on_turn);
	net_start(l->net, l->hub);
	return 0;
}

/* Tell whoever waits that we serve: a line of JSON on a descriptor, and the service manager. */
static int tell_ready(struct loop *l, struct err *e)
{
	const char *path = net_socket_path(l->net);
	int fd = l->options->ready_fd, rc = 0;
	struct buf line;

	buf_init(&line, 65536);
	buf_puts(&line, "{\"listen\":");
	net_addresses(l->net, &line);
	buf_puts(&line, ",\"socket\":");
	if (path)
		json_put_string(&line, path, strlen(path));
	else
		buf_puts(&line, "null");
	buf_printf(&line, ",\"pid\":%ld}", (long)getpid());
	if (line.error)
		rc = err_set(e, line.error, NULL);
	else
		log_printf(&l->log, LOG_NOTICE, "serving: %s", line.p);
	buf_putc(&line, '\n');
	if (rc == 0 && fd >= 0) {
		if (write(fd, line.p, line.len) != (ssize_t)line.len || close(fd))
			rc = err_set(e, ERR_IO, "--ready-fd %d: %s", fd, strerror(errno));
	}
	buf_release(&line);
	if (rc == 0)
		sd_tell("READY=1");
	return rc;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* In the order in which they know of each other. */
static void finish(struct loop *l)
{
	if (l->net)
		net_close(l->net);
	(void)uv_run(&l->uv, UV_RUN_NOWAIT); /* what was closed is let go */
	backup_free(l->backup);
	store_free(l->store); /* from here on nobody wakes us */
	hub_free(l->hub);
	auth_free(l->auth);
	uv_walk(&l->uv, close_handle, NULL);
	(void)uv_run(&l->uv, UV_RUN_DEFAULT); /* until nothing is left */
	net_free(l->net);
	(void)uv_loop_close(&l->uv); /* nothing is left */
}

int loop_run(const struct loop_options *o, struct err *e)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct loop *l = calloc(1, sizeof *l);
	int rc = l ? load(o, &l->conf, e) : err_set(e, ERR_NOMEM, NULL);

	if (rc)
		goto out;
	l->options = o;
	l->log.journal = o->log_journal || log_to_journal();
	l->log.level = l->conf->level;
	raise_files(l);
	(void)sigaction(SIGPIPE, &ignore, NULL); /* cannot fail */
	if (uv_loop_init(&l->uv)) {
		rc = err_set(e, ERR_IO, "cannot make an event loop");
		goto out;
	}
	(void)uv_loop_configure(&l->uv, UV_METRICS_IDLE_TIME); /* only a measure */
	rc = begin(l, e);
	if (rc == 0)
		rc = tell_ready(l, e);
	if (rc == 0) {
		(void)uv_run(&l->uv, UV_RUN_DEFAULT); /* until stopped */
		log_printf(&l->log, LOG_NOTICE, "stopped");
	}
	finish(l);
out:
	free_conf(l ? l->conf : NULL);
	free(l);
	return rc;
}

int loop_check(const struct loop_options *o, struct err *e)
{
	struct conf *c = NULL;
	struct auth *auth = NULL;
	int rc = load(o, &c, e);

	if (rc == 0)
		rc = auth_new(&auth, c, e);
	if (rc == 0)
		rc = net_check(c, e);
	auth_free(auth);
	free_conf(c);
	return rc;
}
