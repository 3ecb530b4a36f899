/* Requests: again when the server is away, once only when they change something. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "tool.h"

enum { BACKOFF_MS_MIN = 500, BACKOFF_MS_MAX = 20000, KEY_BYTES = 320, REF_BYTES_MAX = 256 };

static int64_t now_ms(void)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* every Linux has it */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint64_t random_number(void)
{
	uint64_t n = 0;

	/* So few bytes come whole; were there none, the time is different enough. */
	if (getrandom(&n, sizeof n, 0) != sizeof n)
		n = (uint64_t)now_ms() * UINT64_C(2654435761);
	return n;
}

static void pause_ms(struct tool *t, int64_t ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	(void)nanosleep(&ts, NULL); /* a signal ends it early, and the process next */
	tool_signalled(t);
}

/* How long to go on and how often. */
struct persistence {
	int64_t tries;       /* left after the first; INT64_MAX: no end */
	int64_t deadline_ms; /* -1: none but the library's own */
	int64_t backoff_ms;
};

static int persistence_init(struct tool *t, struct persistence *p, struct collab_err *e)
{
	const char *retry = tool_opt(t, "retry");
	int64_t timeout_ms = -1;
	int rc = tool_opt_ms(t, "timeout", &timeout_ms, e);

	*p = (struct persistence){0, -1, BACKOFF_MS_MIN};
	if (retry && strcmp(retry, "forever") == 0)
		p->tries = INT64_MAX;
	else if (retry && (!*retry || strlen(retry) > 9 || retry[strspn(retry, "0123456789")]))
		return tool_err(e, "usage", "--retry wants a whole number or forever, not \"%s\"",
		                retry);
	else if (retry)
		p->tries = strtoll(retry, NULL, 10);
	if (!rc && timeout_ms >= 0)
		p->deadline_ms = now_ms() + timeout_ms;
	return rc;
}

/* Whether it is worth another try, after waiting for it.  *e is another one when time is up. */
static bool again(struct tool *t, struct persistence *p, struct collab_err *e)
{
	bool away = e->code == collab_code("unreachable") || e->http == 503 || e->http == 429;
	int64_t wait = p->backoff_ms / 2 + (int64_t)(random_number() % (uint64_t)p->backoff_ms);

	if (!away || p->tries <= 0)
		return false;
	/* Many are told the same; they should not come back at once either. */
	if (wait < (int64_t)e->retry_after * 1000)
		wait = (int64_t)e->retry_after * 1000 + wait / 2;
	if (p->deadline_ms >= 0 && now_ms() + wait >= p->deadline_ms) {
		char text[sizeof e->text];

		(void)snprintf(text, sizeof text, "%s", e->text);
		(void)tool_err(e, "timed_out", "%s; no time is left to try again", text);
		return false;
	}
	p->tries -= p->tries != INT64_MAX;
	p->backoff_ms = p->backoff_ms * 2 > BACKOFF_MS_MAX ? BACKOFF_MS_MAX : p->backoff_ms * 2;
	(void)tool_complain(t, 0, "%s; trying again in %.1f s", e->text, (double)wait / 1000);
	pause_ms(t, wait);
	return true;
}

/* "S/…" as collab_request will have it. */
static void full_path(const struct tool *t, const char *path, char *out, size_t size)
{
	const char *session = collab_config_get(t->config, "session");
	const char *report = collab_config_get(t->config, "report");

	if (strncmp(path, "S/", 2) != 0)
		(void)snprintf(out, size, "%s", path);
	else if (session)
		(void)snprintf(out, size, "/api/sessions/%s%s", session, path + 1);
	else
		(void)snprintf(out, size, "/api/reports/pmr/%s/collaborate%s", report ? report : "",
		               path + 1);
}

/* What would be asked for, as if it were the answer. */
static int dry_run(const struct tool *t, const char *method, const char *path, const json_t *body,
                   struct collab_response *r, struct collab_err *e)
{
	char full[1024];
	json_t *object = NULL;

	full_path(t, path, full, sizeof full);
	object = json_pack("{s:b,s:s,s:s}", "dry_run", 1, "method", method, "path", full);
	if (object && body)
		(void)json_object_set_new(object, "body",
		                          json_deep_copy(body)); /* or it is missing */
	if (object && tool_opt(t, "ref"))
		(void)json_object_set_new(object, "ref", json_string(tool_opt(t, "ref")));
	r->body = object ? json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(object);
	if (!r->body)
		return tool_err(e, "out_of_memory", "out of memory");
	r->len = strlen(r->body);
	return 0;
}

/*
 * The header that makes the change happen once however often it is sent; "" where it is sent once
 * and needs no name.
 */
static int idempotency_key(const struct tool *t, char out[KEY_BYTES], struct collab_err *e)
{
	const char *ref = tool_opt(t, "ref");

	out[0] = '\0';
	if (!ref && !tool_opt(t, "retry"))
		return 0;
	for (const char *p = ref; p && *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return tool_err(e, "usage", "--ref cannot have control characters");
	if (ref && (!*ref || strlen(ref) > REF_BYTES_MAX))
		return tool_err(e, "usage", "--ref must have 1 to 64 characters");
	if (ref)
		(void)snprintf(out, KEY_BYTES, "Idempotency-Key: %s", ref);
	else
		(void)snprintf(out, KEY_BYTES, "Idempotency-Key: %016llx%016llx",
		               (unsigned long long)random_number(),
		               (unsigned long long)random_number());
	return 0;
}

/* The tries themselves. */
static int ask(struct tool *t, const char *method, const char *path, const char *body,
               const char *const *headers, struct collab_response *r, struct collab_err *e)
{
	struct persistence p;
	char full[1024];
	int rc = persistence_init(t, &p, e);

	if (rc)
		return rc;
	full_path(t, path, full, sizeof full);
	do {
		int64_t left = p.deadline_ms < 0 ? 0 : p.deadline_ms - now_ms();

		collab_response_release(r);
		tool_flush(t);
		tool_signalled(t);
		/* 0 would mean the library's own time-out. */
		rc = collab_request(t->config, method, path, body, headers,
		                    p.deadline_ms < 0 ? 0 : (int)(left > 0 ? left : 1), r, e);
		tool_note(t, "%s %s: %s", method, full, rc ? e->wire : "done");
	} while (rc && again(t, &p, e));
	return rc ? e->code : 0;
}

int tool_request(struct tool *t, const char *method, const char *path, const json_t *body,
                 struct collab_response *r, struct collab_err *e)
{
	bool change = strcmp(method, "GET") != 0;
	char key[KEY_BYTES] = "";
	const char *headers[2] = {NULL, NULL};
	char *text = NULL;
	int rc = change ? idempotency_key(t, key, e) : 0;

	*r = (struct collab_response){0};
	if (rc)
		return rc;
	if (change && tool_has(t, "dry-run"))
		return dry_run(t, method, path, body, r, e);
	if (key[0])
		headers[0] = key;
	if (body && !(text = json_dumps(body, JSON_COMPACT)))
		return tool_err(e, "out_of_memory", "out of memory");
	rc = ask(t, method, path, text, headers, r, e);
	free(text);
	return rc;
}

int tool_ask(struct tool *t, const char *method, const char *path, const json_t *body)
{
	struct collab_response r = {0};
	struct collab_err e = {0};
	int status = 0;

	if (tool_request(t, method, path, body, &r, &e))
		status = tool_fail(t, &e);
	else
		tool_put_json(t, r.body, r.len);
	collab_response_release(&r);
	return status;
}

int tool_path(char **out, struct collab_err *e, const char *fmt, ...)
{
	size_t size = strlen(fmt) + 1;
	char *path = calloc(1, size);
	va_list ap;

	va_start(ap, fmt);
	for (const char *p = strstr(fmt, "%s"); path && p; fmt = p + 2, p = strstr(fmt, "%s")) {
		char *escaped = collab_escape(va_arg(ap, const char *)), *more = NULL;

		size += escaped ? strlen(escaped) : 0;
		more = escaped ? realloc(path, size) : NULL;
		if (more) {
			(void)strncat(more, fmt, (size_t)(p - fmt)); /* it fits */
			(void)strcat(more, escaped);
		} else {
			free(path);
		}
		path = more;
		free(escaped);
	}
	va_end(ap);
	if (path)
		(void)strcat(path, fmt);
	*out = path;
	return path ? 0 : tool_err(e, "out_of_memory", "out of memory");
}

int64_t tool_fence(const char *section_id)
{
	const char *held = getenv("PMR_FENCE");
	size_t len = strlen(section_id);

	if (!held || strncmp(held, section_id, len) != 0 || held[len] != ':')
		return -1;
	held += len + 1;
	if (!*held || strlen(held) > 16 || held[strspn(held, "0123456789")])
		return -1;
	return strtoll(held, NULL, 10);
}
