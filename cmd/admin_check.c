/*
 * pmr-admin check: one line and an exit status of 0 to 3, as the monitoring plugins' guidelines
 * want them (www.monitoring-plugins.org/doc/guidelines.html).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_admin.h"

enum state { OK, WARNING, CRITICAL, UNKNOWN };

static const char *const state_names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

enum { METRICS = 5, LINE_BYTES = 1024 };

/* A figure with its thresholds; bad is what lies above them, or below where `low` is set. */
struct metric {
	const char *name, *unit;
	bool low;
	double warning, critical; /* negative: none */
	double value;             /* negative: unknown */
};

static void metrics_default(struct metric m[METRICS])
{
	const struct metric defaults[METRICS] = {{"lag", "ms", false, 250, 1000, -1},
	                                         {"commit", "ms", false, 250, 1000, -1},
	                                         {"disk", "%", true, 10, 5, -1},
	                                         {"pending", "", false, 10000, 100000, -1},
	                                         {"connections", "", false, -1, -1, -1}};

	memcpy(m, defaults, sizeof defaults);
}

/* "lag=100,disk=20" to the thresholds.  Code of "usage". */
static int set_thresholds(struct metric m[METRICS], const char *text, bool critical,
                          struct collab_err *e)
{
	while (*text) {
		size_t len = strcspn(text, ","), name_len = strcspn(text, "=,");
		char *end = NULL;
		double n = name_len < len ? strtod(text + name_len + 1, &end) : -1;
		int i = 0;

		while (i < METRICS &&
		       (strlen(m[i].name) != name_len || strncmp(m[i].name, text, name_len) != 0))
			i++;
		if (i == METRICS || !(n >= 0) || !end || end != text + len)
			return tool_err(e, "usage",
			                "\"%.*s\" is not NAME=N; names are lag, commit, disk, "
			                "pending and connections",
			                (int)len, text);
		*(critical ? &m[i].critical : &m[i].warning) = n;
		text += len;
		text += *text == ',';
	}
	return 0;
}

static enum state judge(const struct metric *m)
{
	double sign = m->low ? -1 : 1;

	if (m->value < 0)
		return OK;
	if (m->critical >= 0 && sign * m->value >= sign * m->critical)
		return CRITICAL;
	return m->warning >= 0 && sign * m->value >= sign * m->warning ? WARNING : OK;
}

/* The figures of a status object. */
static void measure(struct metric m[METRICS], const json_t *status)
{
	const json_t *store = json_object_get(status, "store");
	double free_bytes = json_number_value(json_object_get(store, "bytes_free"));
	double total = json_number_value(json_object_get(store, "bytes_total"));

	m[0].value = json_number_value(json_object_get(status, "loop_lag_us")) / 1000;
	m[1].value = json_number_value(json_object_get(status, "commit_us_p99")) / 1000;
	m[2].value = total > 0 ? 100 * free_bytes / total : -1;
	m[3].value = json_number_value(json_object_get(store, "pending"));
	m[4].value = json_number_value(json_object_get(status, "connections"));
}

static void put_line(struct tool *t, enum state state, const char *reasons, const char *perfdata)
{
	char line[2 * LINE_BYTES + 64];

	(void)snprintf(line, sizeof line, "COLLABD %s - %s%s%s\n", state_names[state], reasons,
	               *perfdata ? " | " : "", perfdata);
	tool_put_bytes(t, line, strlen(line));
}

static void add(char text[LINE_BYTES], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(char text[LINE_BYTES], const char *fmt, ...)
{
	size_t used = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text + used, LINE_BYTES - used, fmt, ap); /* what is too long is cut */
	va_end(ap);
}

static enum state worse(enum state a, enum state b)
{
	return a > b ? a : b;
}

/* The thresholds as perfdata has them: a colon behind what is a least value. */
static void put_perfdata(char text[LINE_BYTES], const struct metric *m)
{
	const char *colon = m->low ? ":" : "";

	if (m->value < 0)
		return;
	add(text, "%s%s=%.9g%s;", *text ? " " : "", m->name, m->value, m->unit);
	if (m->warning >= 0)
		add(text, "%.9g%s", m->warning, colon);
	add(text, ";");
	if (m->critical >= 0)
		add(text, "%.9g%s", m->critical, colon);
}

static enum state report(struct tool *t, struct metric m[METRICS], const json_t *status)
{
	const json_t *store = json_object_get(status, "store");
	char reasons[LINE_BYTES] = "", perfdata[LINE_BYTES] = "";
	enum state state = OK;

	if (!json_is_true(json_object_get(store, "writable"))) {
		state = CRITICAL;
		add(reasons, "the store cannot be written");
	}
	if (json_is_true(json_object_get(store, "scrub_pending"))) {
		state = worse(state, WARNING);
		add(reasons, "%serased text is still in the files", *reasons ? ", " : "");
	}
	if (json_is_true(json_object_get(status, "draining"))) {
		state = worse(state, WARNING);
		add(reasons, "%sdraining", *reasons ? ", " : "");
	}
	for (int i = 0; i < METRICS; i++) {
		enum state one = judge(&m[i]);

		if (one != OK)
			add(reasons, "%s%s is %.3g%s", *reasons ? ", " : "", m[i].name, m[i].value,
			    m[i].unit);
		state = worse(state, one);
		put_perfdata(perfdata, &m[i]);
	}
	if (!*reasons)
		add(reasons, "%lld sessions, %lld connections",
		    (long long)json_integer_value(json_object_get(status, "sessions")),
		    (long long)json_integer_value(json_object_get(status, "connections")));
	put_line(t, state, reasons, perfdata);
	return state;
}

int admin_check(struct tool *t)
{
	struct metric m[METRICS];
	struct collab_response r = {0};
	struct collab_err e = {0};
	json_t *status = NULL;
	int state, rc = 0;

	metrics_default(m);
	if (tool_opt(t, "warning"))
		rc = set_thresholds(m, tool_opt(t, "warning"), false, &e);
	if (!rc && tool_opt(t, "critical"))
		rc = set_thresholds(m, tool_opt(t, "critical"), true, &e);
	if (!rc)
		rc = tool_target(t, TOOL_NEEDS_SERVER, &e);
	if (!rc)
		rc = tool_request(t, "GET", "/api/admin/status", NULL, &r, &e);
	if (!rc)
		rc = tool_answer(&r, &status, &e);
	if (!rc) {
		measure(m, status);
		state = report(t, m, status);
	} else {
		bool away =
			e.code == collab_code("unreachable") || e.code == collab_code("timed_out");

		/* A service that is not there is critical; a probe that cannot ask knows nothing.
		 */
		state = away || e.http >= 500 ? CRITICAL : UNKNOWN;
		put_line(t, (enum state)state, e.text, "");
	}
	json_decref(status);
	collab_response_release(&r);
	return state;
}
