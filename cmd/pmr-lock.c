/* pmr-lock: run a command while holding the lock of a section. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tool_child.h"

enum { TTL_DEFAULT = 60, REQUEST_MS = 5000, RETRY_MS = 1000, LOOK_MS = 2000, PATH_BYTES = 512 };

static const struct tool_option options[] = {
	{"ttl", 0, "SECONDS", "how long the lock lasts without being renewed; default 60", NULL},
	{"wait", 'w', "SECONDS", "wait so long while another holds it", NULL},
	{"conflict-exit-code", 'E', "N", "the status when another holds it, instead of 75", NULL},
	{NULL, 0, NULL, NULL, NULL},
};

struct holder {
	struct tool *t;
	const char *section_id;
	char *path; /* of the lock */
	int64_t ttl, fence;
	int64_t until_ms;       /* the lease lasts so long at least */
	bool lost, told;        /* for good; it has run out as far as we can know */
	struct collab *unlocks; /* while waiting: tells of them; NULL: not yet, or not any more */
	bool blind;             /* there is no such connection to be had */
};

static int64_t now_ms(void)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* every Linux has it */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- signals ----------------------------------------------------------------------------------
 */

static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/* Handlers have no argument of ours. */
static volatile sig_atomic_t child, early;

static void die(void)
{
	(void)signal(early, SIG_DFL); /* fails for no signal that is caught here */
	(void)raise(early);
}

/* What comes from the terminal, not from a process, the command gets by itself. */
static void on_signal(int signo, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (child > 0 && info->si_code <= 0) {
		(void)kill(child, signo); /* at worst it has just ended */
	} else if (child == 0) {
		if (early)
			die();
		early = signo;
		(void)alarm(1);
	}
	errno = saved;
}

static void on_alarm(int signo)
{
	(void)signo;
	if (child == 0 && early)
		die();
}

static void forwarded_set(sigset_t *set)
{
	(void)sigemptyset(set);
	for (size_t i = 0; i < sizeof forwarded / sizeof forwarded[0]; i++)
		(void)sigaddset(set, forwarded[i]);
}

static void catch_signals(void)
{
	struct sigaction forward = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	struct sigaction late = {.sa_handler = on_alarm}, old;

	/* sigaction fails for unknown signals only. */
	(void)sigaction(SIGALRM, &late, NULL);
	for (size_t i = 0; i < sizeof forwarded / sizeof forwarded[0]; i++) {
		(void)sigaction(forwarded[i], NULL, &old);
		if (old.sa_handler != SIG_IGN)
			(void)sigaction(forwarded[i], &forward, NULL);
	}
}

/* ---- the lease --------------------------------------------------------------------------------
 */

/* Ask for the lock, or to have it longer when there is a fence. */
static int put_lock(struct holder *h, struct collab_response *r, struct collab_err *e)
{
	json_t *body = json_pack("{s:I}", "ttl_seconds", (json_int_t)h->ttl);
	int64_t asked_ms = now_ms(), third_ms = h->ttl * 1000 / 3;
	char *text = NULL;
	int rc;

	*r = (struct collab_response){0};
	if (h->fence)
		(void)json_object_set_new(body, "fence", json_integer(h->fence)); /* or refused */
	text = json_dumps(body, JSON_COMPACT);
	if (!text)
		rc = tool_err(e, "out_of_memory", "out of memory");
	else if (h->fence) /* the library's own request, for --retry would not look at the command
	                    */
		rc = collab_request(h->t->config, "PUT", h->path, text, NULL,
		                    third_ms < REQUEST_MS ? (int)third_ms : REQUEST_MS, r, e);
	else
		rc = tool_request(h->t, "PUT", h->path, body, r, e);
	if (!rc)
		h->until_ms = asked_ms + h->ttl * 1000;
	free(text);
	json_decref(body);
	return rc;
}

/* 0: it is ours; or a code. */
static int take(struct holder *h, struct collab_err *e)
{
	struct collab_response r = {0};
	const char *session_id = NULL;
	json_t *ack = NULL;
	int rc = put_lock(h, &r, e);

	if (!rc)
		rc = tool_answer(&r, &ack, e);
	if (!rc) {
		h->fence = json_integer_value(json_object_get(ack, "fence"));
		session_id = json_string_value(json_object_get(ack, "session_id"));
		/* A report's next session has locks of its own. */
		rc = session_id && h->fence > 0
		             ? collab_config_set(h->t->config, "session", session_id, e)
		             : tool_err(e, "protocol", "the server's answer has no fence");
	}
	json_decref(ack);
	collab_response_release(&r);
	return rc;
}

static void open_unlocks(struct holder *h)
{
	char filter[PATH_BYTES];
	struct collab_join join = {.watch = true,
	                           .state = "none",
	                           .filter = filter,
	                           .since = -1,
	                           .reconnect_seconds = -1};
	struct collab_err e = {0};

	(void)snprintf(filter, sizeof filter, "type=section_unlocked&section=%s", h->section_id);
	h->blind = collab_open(&h->unlocks, h->t->config, &join, &e) != 0;
}

/* Until the lock may be free, for at most `ms`. */
static void wait_for_unlock(struct holder *h, int64_t ms)
{
	int64_t end_ms = now_ms() + (ms < LOOK_MS ? ms : LOOK_MS);
	struct collab_message m;

	/* Once it is connected, it may have missed what came before. */
	if (!h->unlocks && !h->blind)
		open_unlocks(h);
	while (!early && now_ms() < end_ms) {
		int left = (int)(end_ms - now_ms());

		if (h->blind) {
			(void)poll(NULL, 0, left);
			return;
		}
		if (collab_next(h->unlocks, left, &m) != 1)
			continue;
		if (m.kind == COLLAB_EVENT || m.kind == COLLAB_STATE || m.kind == COLLAB_SYNCED)
			return;
		if (m.kind == COLLAB_CLOSED)
			h->blind =
				true; /* too many connections, say: looking now and then must do */
	}
}

/* Take the lock, waiting while another holds it. */
static int take_in_time(struct holder *h, int64_t wait_ms, struct collab_err *e)
{
	int64_t end_ms = now_ms() + wait_ms;
	int rc = take(h, e);

	while (rc == collab_code("section_locked") && !early && now_ms() < end_ms) {
		tool_note(h->t, "%s; waiting", e->text);
		wait_for_unlock(h, end_ms - now_ms());
		if (!early)
			rc = take(h, e);
	}
	collab_free(h->unlocks);
	h->unlocks = NULL;
	return rc;
}

/* Whether it is a failure that may pass: no server, or one that has too much to do. */
static bool may_pass(int rc)
{
	int status = collab_exit_status(rc);

	return status == 69 || status == 75 || status == 124;
}

static void renew(struct holder *h, int64_t *next_ms)
{
	struct collab_response r = {0};
	struct collab_err e = {0};
	int rc = put_lock(h, &r, &e);

	*next_ms = now_ms() + h->ttl * 1000 / 3;
	if (!rc) {
		tool_note(h->t, "renewed");
		h->told = false;
	} else if (!may_pass(rc)) {
		h->lost = true;
		(void)tool_complain(h->t, 0, "the lock of %s was lost: %s", h->section_id, e.text);
	} else if (*next_ms > now_ms() + RETRY_MS) {
		*next_ms = now_ms() + RETRY_MS;
	}
	if (rc && !h->lost && !h->told && now_ms() >= h->until_ms) {
		h->told = true;
		(void)tool_complain(h->t, 0, "the lock of %s has run out unless it is renewed: %s",
		                    h->section_id, e.text);
	}
	collab_response_release(&r);
}

static void release(struct holder *h)
{
	struct collab_response r = {0};
	struct collab_err e = {0};
	char path[PATH_BYTES];

	if (h->lost)
		return;
	(void)snprintf(path, sizeof path, "%s?fence=%lld", h->path, (long long)h->fence);
	if (!collab_request(h->t->config, "DELETE", path, NULL, NULL, REQUEST_MS, &r, &e))
		tool_note(h->t, "unlocked");
	else if (may_pass(e.code))
		(void)tool_complain(h->t, 0, "%s stays locked for up to %lld s: %s", h->section_id,
		                    (long long)h->ttl, e.text);
	else
		(void)tool_complain(h->t, 0, "the lock of %s was lost: %s", h->section_id, e.text);
	collab_response_release(&r);
}

/* ---- the command ------------------------------------------------------------------------------
 */

static int start(struct holder *h, pid_t *pid, struct collab_err *e)
{
	char fence[PATH_BYTES];
	sigset_t signals, old;

	(void)snprintf(fence, sizeof fence, "%s:%lld", h->section_id, (long long)h->fence);
	forwarded_set(&signals);
	h->t->operands[h->t->operands_len] = NULL;
	tool_flush(h->t);
	/* A signal comes before, and there is no command, or after, and it is forwarded. */
	(void)sigprocmask(SIG_BLOCK, &signals, &old);
	*pid = early ? -1 : fork();
	if (*pid == 0) {
		(void)setenv("PMR_FENCE", fence, 1); /* without memory the exec fails too */
		child_exec(h->t, &h->t->operands[1]);
	}
	child = *pid > 0 ? *pid : 0;
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return *pid < 0 && !early ? tool_err(e, "io", "cannot fork: %s", strerror(errno)) : 0;
}

/* Renew until the command ends; gives its status. */
static int attend(struct holder *h, pid_t pid)
{
	int64_t next_ms = now_ms() + h->ttl * 1000 / 3;
	int wait_status = 0;
	sigset_t ended;

	(void)sigemptyset(&ended);
	(void)sigaddset(&ended, SIGCHLD);
	while (waitpid(pid, &wait_status, WNOHANG) == 0) {
		int64_t left = h->lost ? INT32_MAX : next_ms - now_ms();
		struct timespec ts = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};

		if (left > 0)
			(void)sigtimedwait(&ended, NULL,
			                   &ts); /* which of the ends it is, waitpid tells */
		else
			renew(h, &next_ms);
	}
	child = -1;
	return child_status(wait_status);
}

static int hold(struct holder *h, struct collab_err *e)
{
	pid_t pid = -1;
	int rc = start(h, &pid, e), status = 0;

	if (pid > 0)
		status = attend(h, pid);
	release(h);
	return rc ? tool_fail(h->t, e) : status;
}

/* ---- the tool ---------------------------------------------------------------------------------
 */

static int prepare(struct holder *h, int64_t *wait_ms, int64_t *conflict_status,
                   struct collab_err *e)
{
	int rc = tool_opt_int(h->t, "ttl", 1, INT32_MAX, &h->ttl, e);

	if (!rc)
		rc = tool_opt_ms(h->t, "wait", wait_ms, e);
	if (!rc)
		rc = tool_opt_int(h->t, "conflict-exit-code", 0, 255, conflict_status, e);
	if (!rc)
		rc = tool_path(&h->path, e, "S/sections/%s/lock", h->section_id);
	if (!rc && strlen(h->section_id) > 128)
		rc = tool_err(e, "bad_field", "\"%s\" is not a section's id", h->section_id);
	return rc ? rc : tool_target(h->t, TOOL_NEEDS_SESSION, e);
}

static int run(struct tool *t)
{
	struct holder h = {.t = t, .section_id = t->operands[0], .ttl = TTL_DEFAULT};
	int64_t wait_ms = 0, conflict_status = collab_exit_status(collab_code("section_locked"));
	sigset_t ended;
	struct collab_err e = {0};
	int status, rc = prepare(&h, &wait_ms, &conflict_status, &e);

	/* Kept for sigtimedwait: it would else be gone before anybody waits for it; and where it
	 * was ignored, so would be the command's status. */
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigemptyset(&ended);
	(void)sigaddset(&ended, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &ended, NULL);
	catch_signals();
	if (!rc)
		rc = take_in_time(&h, wait_ms, &e);
	if (rc && rc == collab_code("section_locked"))
		status = tool_complain(t, (int)conflict_status, "%s", e.text);
	else
		status = rc ? tool_fail(t, &e) : hold(&h, &e);
	free(h.path);
	if (early)
		die();
	return status;
}

static const struct tool_verb verbs[] = {
	{"", "SECTION -- CMD...", "", 2, -1, 0, run},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct tool_spec spec = {
	"pmr-lock", "Run a command while holding the lock of a section.", TOOL_TARGET, options,
	verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
