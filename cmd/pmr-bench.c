/* pmr-bench: put a load on a server, and measure what it does with it. */
#define _GNU_SOURCE /* struct sockaddr_un with what it needs */
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench.h"
#include "tool.h"

enum {
	SESSIONS_MAX = 100000,
	CONNS_MAX = 1000000,
	WINDOW_MAX = 65535,
	PAYLOAD_MAX = 60000,
	PATIENCE_MS = 10000
};

static const struct tool_option options[] = {
	{"sessions", 0, "N", "sessions; default: 1", NULL},
	{"writers", 0, "N", "writers of each session; default: 1", NULL},
	{"readers", 0, "N", "readers of each session; default: 1", NULL},
	{"stalled", 0, "N", "readers of each session that never read", NULL},
	{"idle", 0, "N", "readers, in all, of sessions in turn", NULL},
	{"churn", 0, "N", "so many join, leave and come again, all the time", NULL},
	{"window", 0, "N", "messages of a writer under way; default: 1", NULL},
	{"rate", 0, "N", "messages a second, of all writers; default: as many as go", NULL},
	{"payload", 0, "BYTES", "text of a message; default: 100", NULL},
	{"strategy", 0, "last_write_wins|merge|manual", "of the sessions", NULL},
	{"content", 0, "full|delta", "what readers ask for; default: full", NULL},
	{"duration", 0, "SECONDS", "what is measured; default: 5", NULL},
	{"warmup", 0, "SECONDS", "what goes before; default: 0.5", NULL},
	{"name", 0, "NAME", "the reports are NAME-1, NAME-2, ...; default: bench-PID", NULL},
	{"attach", 0, NULL, "their sessions are there already; start none, end none", NULL},
	{"keep", 0, NULL, "do not end the sessions", NULL},
	{"pid", 0, "PID", "the server's process, to tell what it uses", NULL},
	{NULL, 0, NULL, NULL, NULL},
};

static int read_plan(const struct tool *t, struct bench_plan *p, struct collab_err *e)
{
	int64_t duration_ms = 5000, warmup_ms = 500, patience_ms = PATIENCE_MS;
	struct {
		const char *name;
		int64_t min, max, *out;
	} numbers[] = {
		{"sessions", 1, SESSIONS_MAX, &p->sessions},
		{"writers", 0, CONNS_MAX, &p->writers},
		{"readers", 0, CONNS_MAX, &p->readers},
		{"stalled", 0, CONNS_MAX, &p->stalled},
		{"idle", 0, CONNS_MAX, &p->idle},
		{"churn", 0, CONNS_MAX, &p->churn},
		{"window", 1, WINDOW_MAX, &p->window},
		{"rate", 1, 100000000, &p->rate},
		{"payload", 0, PAYLOAD_MAX, &p->payload},
		{"pid", 1, INT32_MAX, &p->pid},
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !rc; i++)
		rc = tool_opt_int(t, numbers[i].name, numbers[i].min, numbers[i].max,
		                  numbers[i].out, e);
	if (!rc)
		rc = tool_opt_ms(t, "duration", &duration_ms, e);
	if (!rc)
		rc = tool_opt_ms(t, "warmup", &warmup_ms, e);
	if (!rc)
		rc = tool_opt_ms(t, "timeout", &patience_ms, e);
	p->duration_ns = duration_ms * 1000000;
	p->warmup_ns = warmup_ms * 1000000;
	p->patience_ns = patience_ms * 1000000;
	p->attach = tool_has(t, "attach");
	p->keep = tool_has(t, "keep");
	if (tool_has(t, "strategy"))
		p->strategy = tool_opt(t, "strategy");
	if (tool_has(t, "content"))
		p->content = tool_opt(t, "content");
	if (tool_has(t, "name"))
		p->name = tool_opt(t, "name");
	if (!rc &&
	    (p->writers + p->readers + p->stalled) * p->sessions + p->idle + p->churn > CONNS_MAX)
		rc = tool_err(e, "usage", "more than %d connections", (int)CONNS_MAX);
	return rc;
}

/* ---- where the server is ----------------------------------------------------------------------
 */

static int find_socket(struct bench *b, const char *path, struct collab_err *e)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&b->address;

	if (strlen(path) >= sizeof un->sun_path)
		return tool_err(e, "config", "the socket's path is too long");
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	b->address_len = sizeof *un;
	strcpy(b->host, "localhost");
	return 0;
}

static int find_host(struct bench *b, const char *url, struct collab_err *e)
{
	static const char scheme[] = "http://";
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	char host[256];
	const char *port = "80";
	char *colon = NULL;

	if (strncmp(url, scheme, sizeof scheme - 1) != 0)
		return tool_err(e, "usage", "only http:// is measured, not %s", url);
	(void)snprintf(b->host, sizeof b->host, "%.*s", (int)strcspn(url + sizeof scheme - 1, "/"),
	               url + sizeof scheme - 1);
	strcpy(host, b->host[0] == '[' ? b->host + 1 : b->host);
	colon = strrchr(host, ':');
	if (colon && b->host[0] == '[' && colon > host && colon[-1] != ']')
		colon = NULL;
	if (colon) {
		port = colon + 1;
		*colon = '\0';
	}
	host[strcspn(host, "]")] = '\0';
	if (getaddrinfo(host, port, &hints, &list))
		return tool_err(e, "unreachable", "there is no address of %s", host);
	memcpy(&b->address, list->ai_addr, list->ai_addrlen);
	b->address_len = list->ai_addrlen;
	freeaddrinfo(list);
	return 0;
}

static int find_server(struct bench *b, const struct collab_config *c, struct collab_err *e)
{
	const char *socket = collab_config_get(c, "socket"), *url = collab_config_get(c, "url");

	b->identity = collab_config_identity(c);
	if (!b->identity)
		return tool_err(e, "out_of_memory", "out of memory");
	return socket ? find_socket(b, socket, e) : find_host(b, url, e);
}

/* ---- sessions ---------------------------------------------------------------------------------
 */

static int start_sessions(struct tool *t, const struct bench_plan *p, struct collab_err *e)
{
	json_t *body = json_pack("{s:s}", "conflict_resolution_strategy", p->strategy);
	char path[512];
	int rc = body ? 0 : tool_err(e, "out_of_memory", "out of memory");

	for (int64_t i = 1; i <= p->sessions && !rc; i++) {
		struct collab_response r = {0};

		(void)snprintf(path, sizeof path, "/api/reports/pmr/%s-%lld/collaborate/start",
		               p->name, (long long)i);
		rc = tool_request(t, "POST", path, body, &r, e);
		collab_response_release(&r);
	}
	json_decref(body);
	return rc;
}

static int end_sessions(struct tool *t, const struct bench_plan *p, struct collab_err *e)
{
	json_t *body = json_object();
	char path[512];
	int rc = body ? 0 : tool_err(e, "out_of_memory", "out of memory");

	for (int64_t i = 1; i <= p->sessions && !rc; i++) {
		struct collab_response r = {0};

		(void)snprintf(path, sizeof path, "/api/reports/pmr/%s-%lld/collaborate/end",
		               p->name, (long long)i);
		rc = tool_request(t, "POST", path, body, &r, e);
		collab_response_release(&r);
	}
	json_decref(body);
	return rc;
}

/* ---- the tool ---------------------------------------------------------------------------------
 */

static bool stop(void *arg)
{
	tool_signalled(arg); /* does not come back if there was one */
	return false;
}

/* 0: everything came, once, in order. */
static int verdict(struct tool *t, const struct bench *b)
{
	if (b->missing || b->duplicate || b->reordered || b->under_way || b->lost)
		return tool_complain(t, 1,
		                     "missing %lld, duplicate %lld, reordered %lld, unanswered "
		                     "%lld, connections lost %lld",
		                     (long long)b->missing, (long long)b->duplicate,
		                     (long long)b->reordered, (long long)b->under_way,
		                     (long long)b->lost);
	return 0;
}

static int measure(struct tool *t, struct bench *b, struct collab_err *e)
{
	const struct bench_plan *p = b->plan;
	int status = 0, rc = find_server(b, t->config, e);

	if (!rc && !p->attach)
		rc = start_sessions(t, p, e);
	if (rc)
		return tool_fail(t, e);
	if (!bench_run(b, stop, t))
		status = tool_complain(t, collab_exit_status(collab_code("protocol")), "%s",
		                       b->trouble);
	else
		bench_put_json(t, b);
	tool_flush(t);
	if (status == 0 && !t->quiet && (t->verbose || isatty(STDERR_FILENO)))
		bench_put_table(b);
	if (status == 0)
		status = verdict(t, b);
	if (!p->attach && !p->keep && end_sessions(t, p, e))
		return status ? status : tool_fail(t, e);
	return status;
}

static int run(struct tool *t)
{
	static struct bench b;
	char name[32];
	struct bench_plan plan = {.sessions = 1,
	                          .writers = 1,
	                          .readers = 1,
	                          .window = 1,
	                          .payload = 100,
	                          .strategy = "last_write_wins",
	                          .content = "full",
	                          .name = name};
	struct collab_err e = {0};
	uint16_t tag = 0;
	int status, rc = read_plan(t, &plan, &e);

	(void)snprintf(name, sizeof name, "bench-%ld", (long)getpid());
	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SERVER, &e);
	if (rc)
		return tool_fail(t, &e);
	if (getrandom(&tag, sizeof tag, 0) != sizeof tag)
		tag = (uint16_t)getpid();
	b.plan = &plan;
	b.tag = tag;
	b.epoll = -1;
	status = measure(t, &b, &e);
	bench_release(&b);
	return status;
}

static const struct tool_verb verbs[] = {
	{"", "", "", 0, 0, 0, run},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct tool_spec spec = {
	"pmr-bench", "Put a load on a server, and measure what it does with it.",
	TOOL_SERVER, options,
	verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
