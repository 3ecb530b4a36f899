/*
 * What the tests of decide share: a session whose commands are written as lines, and whose events
 * are sealed, kept, and folded once more at the end.
 */
#ifndef TESTS_UNIT_DECIDE_TEST_H
#define TESTS_UNIT_DECIDE_TEST_H

#include "../tap.h"
#include "base/utf8.h"
#include "core/decide.h"
#include "proto/event_json.h"
#include "proto/message.h"
#include "proto/state_json.h"

#define SESSION "5e551000-0000-4000-8000-000000000001"
#define SESSION_2 "5e551000-0000-4000-8000-000000000002"
#define TIME INT64_C(1705314600000)

/* A session with its log. */
struct world {
	struct session s;
	struct limits limits;
	int timeout_minutes; /* 0: the default */
	int64_t now_ms, cursor_ms;
	unsigned ids;
	struct buf *log; /* the events as stored */
	size_t log_len, log_cap;
	bool dry;       /* decide only */
	bool admin;     /* of the next commands' actors */
	int64_t own;    /* own_seq_of_section of the next command */
	int64_t fence;  /* carried implicitly by the next command, for its section; 0: none */
	char got[4096]; /* what became of the last command */
};

static inline void *xalloc(void *p)
{
	if (!p)
		abort();
	return p;
}

static inline void world_init(struct world *w)
{
	*w = (struct world){.now_ms = TIME};
	limits_default(&w->limits);
	session_init(&w->s, (size_t)w->limits.refs, (size_t)w->limits.base_changes);
}

static inline void world_release(struct world *w)
{
	for (size_t i = 0; i < w->log_len; i++)
		buf_release(&w->log[i]);
	free(w->log);
	session_release(&w->s);
}

/* A UUID that was not there before. */
static inline const char *world_id(struct world *w)
{
	static char id[2][UUID_LEN + 1];
	char *p = id[++w->ids % 2];

	(void)snprintf(p, UUID_LEN + 1, "00000000-0000-4000-8000-%012x", w->ids);
	return p;
}

/* Seal and fold the events of a decision. */
static inline bool world_take(struct world *w, struct decision *d)
{
	unsigned char hash[SHA256_LEN];

	for (size_t i = 0; i < d->len; i++) {
		struct err e = {0};
		struct buf *out = NULL;

		if (w->log_len == w->log_cap) {
			w->log_cap = w->log_cap ? w->log_cap * 2 : 64;
			w->log = xalloc(realloc(w->log, w->log_cap * sizeof *w->log));
		}
		out = &w->log[w->log_len++];
		buf_init(out, SIZE_MAX / 4);
		d->events[i].event_id = world_id(w);
		if (event_write(&d->events[i], w->s.hash, hash, out))
			abort();
		if (session_apply(&w->s, &d->events[i], &e)) {
			printf("# %s\n# %s\n", e.text, out->p);
			return false;
		}
		memcpy(w->s.hash, hash, sizeof hash);
	}
	return true;
}

/* Fold the log again, from its bytes; its chain and the state must come out the same. */
static inline bool world_folds(const struct world *w)
{
	unsigned char hash[SHA256_LEN] = {0};
	struct session copy;
	struct buf a, b;
	struct err e = {0};
	bool same = true;

	session_init(&copy, w->s.refs_max, 0);
	for (size_t i = 0; same && i < w->log_len; i++) {
		struct event_doc doc;

		same = !event_verify(w->log[i].p, w->log[i].len, hash, hash, &e) &&
		       !event_read(w->log[i].p, w->log[i].len, &doc, &e) &&
		       !session_apply(&copy, &doc.ev, &e);
		if (!same)
			printf("# %s\n# %s\n", e.text, w->log[i].p);
		memcpy(copy.hash, hash, sizeof hash);
		event_doc_release(&doc);
	}
	buf_init(&a, SIZE_MAX / 4);
	buf_init(&b, SIZE_MAX / 4);
	state_write(&w->s, &a);
	state_write(&copy, &b);
	if (same && (a.len != b.len || memcmp(a.p, b.p, a.len) != 0)) {
		printf("# state %s\n# again %s\n", a.p, b.p);
		same = false;
	}
	if (same && copy.bytes != w->s.bytes) {
		printf("# counts %zu bytes, and %zu again\n", w->s.bytes, copy.bytes);
		same = false;
	}
	buf_release(&a);
	buf_release(&b);
	session_release(&copy);
	return same;
}

static inline void world_end(struct world *w, const char *name)
{
	ok(world_folds(w), "%s: the log folds to the same state", name);
	world_release(w);
}

/* What a decision came to: the code and what refusals tell, or the answering event as JSON. */
static inline void world_outcome(struct world *w, const struct decision *d, int rc,
                                 const struct err *e)
{
	const struct event *ev = d->answer < d->len ? &d->events[d->answer] : NULL;
	struct buf out;
	size_t n = 0;

	buf_init(&out, SIZE_MAX / 4);
	if (rc == DECIDE_HISTORY) {
		buf_puts(&out, "history");
	} else if (rc) {
		buf_printf(&out, "!%s%s%s", err_row(rc)->wire, e->field[0] ? " " : "", e->field);
		if (rc != e->code || !e->text[0])
			buf_printf(&out, " (returned %d, set %d)", rc, e->code);
		if (rc == ERR_FORBIDDEN)
			buf_printf(&out, " %s<%s", role_name(d->role), role_name(d->needs));
		if (d->holder)
			buf_printf(&out, " %s %+" PRId64, d->holder,
			           (d->expires_ms - w->now_ms) / 1000);
		if (rc == ERR_VERSION_MISMATCH)
			buf_printf(&out, " %" PRId64, d->section ? d->section->version : 0);
		if (d->len)
			buf_puts(&out, " with events");
	} else if (d->duplicate) {
		buf_printf(&out, "duplicate %" PRId64, d->duplicate_seq);
	} else if (d->unchanged) {
		buf_puts(&out, "unchanged");
	} else if (ev) {
		event_write_view(ev, w->s.hash, NULL, &out);
	} else {
		buf_puts(&out, "nothing");
	}
	for (size_t i = 0; i < out.len; i++)
		if (out.p[i] == '"')
			out.p[i] = '\'';
	n = out.len < sizeof w->got - 1 ? out.len : sizeof w->got - 1;
	memcpy(w->got, out.p, n);
	w->got[n] = '\0';
	buf_release(&out);
}

/* Decide about a command and fold what comes of it. */
static inline int world_do(struct world *w, const struct command *c, const char *user)
{
	struct actor actor = {.user_id = user,
	                      .name = user,
	                      .admin = w->admin || (user && strcmp(user, "admin") == 0),
	                      .own_seq_of_section = w->own};
	struct decide_env env = {.now_ms = w->now_ms,
	                         .cursor_ms = w->cursor_ms,
	                         .new_id = world_id(w),
	                         .limits = &w->limits};
	struct decision d = {0};
	struct err e = {0};
	int rc = 0;

	if (w->fence) {
		actor.fences_section = &c->section_id;
		actor.fences = &w->fence;
		actor.fences_len = 1;
	}
	rc = decide(&w->s, c, user ? &actor : NULL, &env, &d, &e);
	world_outcome(w, &d, rc, &e);
	if (!rc && !w->dry && !world_take(w, &d))
		(void)snprintf(w->got, sizeof w->got, "does not fold");
	decision_release(&d);
	w->own = 0;
	w->fence = 0;
	return rc;
}

/* The kind of the word that begins a line: a message's type, or a name of the server's own. */
static inline enum command_kind kind_of(const char *word, size_t len)
{
	static const struct {
		const char *word;
		enum command_kind kind;
	} names[] = {
		{"add", COMMAND_PARTICIPANT_ADD},       {"role", COMMAND_PARTICIPANT_ROLE},
		{"remove", COMMAND_PARTICIPANT_REMOVE}, {"end", COMMAND_SESSION_END},
		{"presence", COMMAND_PRESENCE},         {"online", COMMAND_ONLINE},
		{"offline", COMMAND_OFFLINE},           {"expire", COMMAND_EXPIRE},
	};
	char name[64];
	int kind = -1;

	(void)snprintf(name, sizeof name, "%.*s", (int)len, word);
	kind = command_kind_parse(name);
	for (size_t i = 0; kind < 0 && i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i].word, name) == 0)
			kind = (int)names[i].kind;
	if (kind < 0)
		abort();
	return (enum command_kind)kind;
}

/*
 * One command: "type{data}" or "type#ref{data}", JSON with ' for ".  online and offline are
 * followed by a user id alone.  What became of it is in w->got.
 */
static inline int world_say(struct world *w, const char *user, const char *line)
{
	size_t word = strcspn(line, "#{ ");
	size_t head = strcspn(line, "{ ");
	enum command_kind kind = kind_of(line, word);
	const char *body = line + head;
	struct message m = {0};
	struct err e = {0};
	char *json = xalloc(strdup(body));
	char ref[80] = "";
	int rc = 0;

	for (char *p = json; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	if (line[word] == '#')
		(void)snprintf(ref, sizeof ref, "%.*s", (int)(head - word - 1), line + word + 1);
	command_init(&m.command, kind);
	if (body[0] == ' ')
		m.command.user_id = body + 1;
	else if (kind != COMMAND_EXPIRE && kind != COMMAND_PING)
		rc = message_parse_body(kind, json, strlen(json), ref[0] ? ref : NULL, NULL,
		                        &w->limits, &m, &e);
	if (rc)
		(void)snprintf(w->got, sizeof w->got, "cannot parse: %s %s", e.field, e.text);
	else
		rc = world_do(w, &m.command, user);
	message_release(&m);
	free(json);
	return rc;
}

/*
 * Whether w->got is what is wanted: a whole outcome, or parts of an event, separated by " & ", that
 * it must hold; a part after '-' it must not hold.
 */
static inline bool world_got(const struct world *w, const char *want)
{
	char part[1024];

	if (strcmp(want, w->got) == 0)
		return true;
	if (w->got[0] != '{')
		return false;
	while (*want) {
		const char *end = strstr(want, " & ");
		size_t len = end ? (size_t)(end - want) : strlen(want);

		(void)snprintf(part, sizeof part, "%.*s", (int)len, want);
		if (part[0] == '-' ? strstr(w->got, part + 1) != NULL : !strstr(w->got, part))
			return false;
		want += len + (end ? 3 : 0);
	}
	return true;
}

/* Names of test points have no '#', which TAP reads as a directive. */
static inline const char *shown(const char *line)
{
	static char out[160];

	(void)snprintf(out, sizeof out, "%s", line);
	for (char *p = out; *p; p++)
		if (*p == '#' || (unsigned char)*p < 0x20)
			*p = '.';
	return out;
}

static inline void check(struct world *w, const char *user, const char *line, const char *want,
                         const char *why)
{
	world_say(w, user, line);
	if (!ok(world_got(w, want), "%s: %s: %s", why, user ? user : "the server", shown(line)))
		printf("#   got  %s\n#   want %s\n", w->got, want);
}

/* A line of a story: who, what, and what comes of it; user "+" lets `line` seconds go by. */
struct line {
	const char *user; /* NULL: the server */
	const char *line, *want;
};

static inline void play(struct world *w, const char *story, const struct line *lines, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (lines[i].user && strcmp(lines[i].user, "+") == 0)
			w->now_ms += atoll(lines[i].line) * 1000;
		else
			check(w, lines[i].user, lines[i].line, lines[i].want, story);
	}
}
#define PLAY(w, story, lines) play(w, story, lines, sizeof(lines) / sizeof(lines)[0])

/*
 * Start a session: own is its owner, ed and eve editors, com a commenter, view a viewer.  Its
 * section `s` has the text `text` (NULL: there is none) since seq 7, else the log ends at 6.
 */
static inline void world_start(struct world *w, enum strategy strategy, const char *text)
{
	static const struct {
		const char *user;
		enum role role;
	} people[] = {{"ed", ROLE_EDITOR},
	              {"eve", ROLE_EDITOR},
	              {"com", ROLE_COMMENTER},
	              {"view", ROLE_VIEWER}};
	enum { PEOPLE = sizeof people / sizeof people[0] };
	struct command participants[PEOPLE], section;
	struct start start = {.session_id = SESSION,
	                      .report_id = "report-1",
	                      .sections = &section,
	                      .sections_len = text ? 1 : 0,
	                      .participants = participants,
	                      .participants_len = PEOPLE};
	struct actor own = {.user_id = "own", .name = "own"};
	struct decide_env env = {.now_ms = w->now_ms, .limits = &w->limits};
	struct decision d = {0};
	struct err e = {0};

	settings_default(&start.settings);
	start.settings.strategy = strategy;
	if (w->timeout_minutes)
		start.settings.timeout_minutes = w->timeout_minutes;
	for (size_t i = 0; i < PEOPLE; i++) {
		command_init(&participants[i], COMMAND_PARTICIPANT_ADD);
		participants[i].user_id = people[i].user;
		participants[i].role = people[i].role;
	}
	command_init(&section, COMMAND_SECTION_UPDATE);
	section.section_id = "s";
	section.changes.content = text;
	section.changes.content_len = text ? strlen(text) : 0;
	if (decide_start(&start, NULL, &own, &env, &d, &e) || !world_take(w, &d)) {
		printf("Bail out! cannot start: %s\n", e.text);
		abort();
	}
	decision_release(&d);
}

/* The text of a section; NULL when there is none. */
static inline const char *text_of(const struct world *w, const char *section_id)
{
	const struct section *sec = session_section(&w->s, section_id);

	return sec ? sec->content : NULL;
}

#endif
