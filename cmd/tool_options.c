/* Options: one table for getopt_long, --help and the completions. */
#include <assert.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_options.h"

enum {
	VAL_ROW = 256, /* what getopt_long gives: VAL_ROW + the row of a long option … */
	VAL_COMPLETE = VAL_ROW + TOOL_ROWS_MAX,
	SECONDS_MAX = 1000000
};

static const struct tool_option shared_options[TOOL_SHARED_LEN] = {
#define X(name, long_name, letter, arg, help) {long_name, letter, arg, help, NULL},
	TOOL_SHARED_TABLE(X)
#undef X
};

static bool is_shared(const struct tool_option *o)
{
	for (int i = 0; i < TOOL_SHARED_LEN; i++)
		if (o == &shared_options[i])
			return true;
	return false;
}

/* Whether `verbs`, names with a space behind each, has this one. */
static bool names_verb(const char *verbs, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = strstr(verbs, name); p; p = strstr(p + 1, name))
		if ((p == verbs || p[-1] == ' ') && p[len] == ' ')
			return true;
	return false;
}

bool tool_verb_takes(const struct tool_spec *spec, const struct tool_verb *v,
                     const struct tool_option *o)
{
	if (is_shared(o))
		return ((spec->shared | v->shared | TOOL_COMMON) >> (o - shared_options)) & 1;
	return !o->verbs || names_verb(o->verbs, v->name);
}

static bool some_verb_takes(const struct tool_spec *spec, const struct tool_option *o)
{
	for (const struct tool_verb *v = spec->verbs; v->run; v++)
		if (tool_verb_takes(spec, v, o))
			return true;
	return false;
}

static void rows_fill(struct tool_rows *rows, const struct tool_spec *spec)
{
	for (const struct tool_option *o = spec->options; o && o->name; o++)
		rows->row[rows->len++] = o;
	for (int i = 0; i < TOOL_SHARED_LEN; i++)
		if (some_verb_takes(spec, &shared_options[i]))
			rows->row[rows->len++] = &shared_options[i];
	assert(rows->len <= TOOL_ROWS_MAX);
}

/* ---- parsing ----------------------------------------------------------------------------------
 */

/* getopt_long's own tables. */
struct getopt_tables {
	struct option longs[TOOL_ROWS_MAX + 2];
	char shorts[2 * TOOL_ROWS_MAX + 3];
};

static void getopt_fill(struct getopt_tables *g, const struct tool_rows *rows)
{
	char *p = g->shorts;

	*p++ = '-'; /* operands come in their place, whatever POSIXLY_CORRECT says, … */
	*p++ = ':'; /* … and a missing argument is told from an unknown option */
	for (int i = 0; i < rows->len; i++) {
		const struct tool_option *o = rows->row[i];

		g->longs[i] = (struct option){o->name, o->arg != NULL, NULL, VAL_ROW + i};
		if (o->letter)
			*p++ = o->letter;
		if (o->letter && o->arg)
			*p++ = ':';
	}
	g->longs[rows->len] = (struct option){"complete-options", 0, NULL, VAL_COMPLETE};
}

static const struct tool_option *option_of(const struct tool_rows *rows, int val)
{
	if (val >= VAL_ROW)
		return rows->row[val - VAL_ROW];
	for (int i = 0; i < rows->len; i++)
		if (rows->row[i]->letter == val)
			return rows->row[i];
	return NULL;
}

bool tool_one_of(const char *choices, const char *value)
{
	size_t len = strlen(value);

	for (const char *p = choices; *p; p += *p == '|') {
		size_t n = strcspn(p, "|");

		if (n == len && strncmp(p, value, n) == 0)
			return true;
		p += n;
	}
	return false;
}

/* An argument in lower case with a bar is a list of all there can be. */
static bool has_choices(const struct tool_option *o)
{
	return o->arg && strchr(o->arg, '|') &&
	       strspn(o->arg, "abcdefghijklmnopqrstuvwxyz_|") == strlen(o->arg);
}

static int bad_option(const struct tool *t, const struct tool_rows *rows, int val, const char *word)
{
	const struct tool_option *o = optopt ? option_of(rows, optopt) : NULL;

	if (val == ':' && o)
		return tool_usage(t, "%s wants %s", word, o->arg);
	if (o)
		return tool_usage(t, "--%s takes no argument", o->name);
	if (optopt)
		return tool_usage(t, "there is no option -%c", optopt);
	return tool_usage(t, "there is no option %s, or it stands for several", word);
}

/* What the options say about going on: -1, or the exit status. */
static int take_option(struct tool *t, const struct tool_option *o)
{
	if (optarg && has_choices(o) && !tool_one_of(o->arg, optarg))
		return tool_usage(t, "--%s wants one of %s, not \"%s\"", o->name, o->arg, optarg);
	t->given[t->given_len++] = (struct tool_given){o, optarg};
	return -1;
}

static int find_verb(struct tool *t, bool must)
{
	char names[256] = "";

	if (!t->spec->verbs->name[0]) {
		t->verb = t->spec->verbs;
		return -1;
	}
	for (const struct tool_verb *v = t->spec->verbs; v->run; v++) {
		size_t used = strlen(names);

		(void)snprintf(names + used, sizeof names - used, "%s%s",
		               !used              ? ""
		               : v[1].run == NULL ? " or "
		                                  : ", ",
		               v->name);
		if (t->operands_len && strcmp(v->name, t->operands[0]) == 0)
			t->verb = v;
	}
	if (!t->verb && !must)
		return -1;
	if (!t->operands_len)
		return tool_usage(t, "what to do? %s", names);
	if (!t->verb)
		return tool_usage(t, "there is no \"%s\", only %s", t->operands[0], names);
	t->operands_len--;
	memmove(t->operands, t->operands + 1, (size_t)t->operands_len * sizeof *t->operands);
	return -1;
}

static int check_verb(const struct tool *t)
{
	const struct tool_verb *v = t->verb;

	for (size_t i = 0; i < t->given_len; i++)
		if (!tool_verb_takes(t->spec, v, t->given[i].option))
			return tool_usage(t, "%s does not take --%s", v->name,
			                  t->given[i].option->name);
	if (t->operands_len < v->operands_min)
		return tool_usage(t, "%s wants %s", v->name[0] ? v->name : t->spec->name,
		                  v->operands);
	if (v->operands_max >= 0 && t->operands_len > v->operands_max)
		return tool_usage(t, "what is \"%s\"? %s takes %s", t->operands[v->operands_max],
		                  v->name[0] ? v->name : t->spec->name,
		                  v->operands[0] ? v->operands : "no operands");
	return -1;
}

/* All words: the options to t->given, the rest to t->operands. */
static int read_words(struct tool *t, const struct tool_rows *rows, int argc, char **argv,
                      bool *complete)
{
	struct getopt_tables g = {0};
	int val, status = -1;

	getopt_fill(&g, rows);
	opterr = 0;
	while (status < 0 && (val = getopt_long(argc, argv, g.shorts, g.longs, NULL)) != -1) {
		if (val == 1)
			t->operands[t->operands_len++] = optarg;
		else if (val == VAL_COMPLETE)
			*complete = true;
		else if (val == '?' || val == ':')
			status = bad_option(t, rows, val, argv[optind - 1]);
		else
			status = take_option(t, option_of(rows, val));
	}
	while (status < 0 && optind < argc)
		t->operands[t->operands_len++] = argv[optind++];
	return status;
}

int tool_parse(struct tool *t, int argc, char **argv)
{
	struct tool_rows rows = {0};
	bool complete = false, help = false;
	int status;

	rows_fill(&rows, t->spec);
	t->operands = calloc((size_t)argc + 1, sizeof *t->operands);
	t->given = calloc((size_t)argc + 1, sizeof *t->given);
	if (!t->operands || !t->given)
		return tool_complain(t, collab_exit_status(collab_code("out_of_memory")),
		                     "out of memory");
	status = read_words(t, &rows, argc, argv, &complete);
	if (status >= 0)
		return status;
	help = tool_has(t, "help");
	t->quiet = tool_has(t, "quiet");
	t->verbose |= tool_has(t, "verbose");
	if (tool_has(t, "version")) {
		tool_put_version(t);
		return 0;
	}
	status = find_verb(t, !help && !complete);
	if (status < 0 && help)
		tool_put_help(t, &rows);
	if (status < 0 && complete)
		tool_put_completions(t, &rows);
	if (status >= 0 || help || complete)
		return status < 0 ? 0 : status;
	return check_verb(t);
}

/* ---- what was given ---------------------------------------------------------------------------
 */

/* A name that no table has is the tool's mistake. */
static bool is_known(const struct tool *t, const char *name)
{
	for (int i = 0; i < TOOL_SHARED_LEN; i++)
		if (strcmp(shared_options[i].name, name) == 0)
			return true;
	for (const struct tool_option *o = t->spec->options; o && o->name; o++)
		if (strcmp(o->name, name) == 0)
			return true;
	return false;
}

static const struct tool_given *find_given(const struct tool *t, const char *name)
{
	assert(is_known(t, name));
	for (size_t i = t->given_len; i > 0; i--)
		if (strcmp(t->given[i - 1].option->name, name) == 0)
			return &t->given[i - 1];
	return NULL;
}

const char *tool_opt(const struct tool *t, const char *name)
{
	const struct tool_given *given = find_given(t, name);

	return given ? given->value : NULL;
}

bool tool_has(const struct tool *t, const char *name)
{
	return find_given(t, name) != NULL;
}

int tool_opt_int(const struct tool *t, const char *name, int64_t min, int64_t max, int64_t *out,
                 struct collab_err *e)
{
	const char *value = tool_opt(t, name);
	int64_t n = 0;

	if (!value)
		return 0;
	/* 16 digits hold every integer that JSON is sure to keep. */
	if (!*value || strlen(value) > 16 || value[strspn(value, "0123456789")])
		return tool_err(e, "usage", "--%s wants a whole number, not \"%s\"", name, value);
	n = strtoll(value, NULL, 10);
	if (n < min || n > max)
		return tool_err(e, "usage", "--%s must be from %lld to %lld", name, (long long)min,
		                (long long)max);
	*out = n;
	return 0;
}

int tool_opt_ms(const struct tool *t, const char *name, int64_t *out, struct collab_err *e)
{
	const char *value = tool_opt(t, name);
	char *end = NULL;
	double seconds;

	if (!value)
		return 0;
	seconds = strtod(value, &end);
	if (!*value || *end || value[strspn(value, "0123456789.")] || !(seconds <= SECONDS_MAX))
		return tool_err(e, "usage", "--%s wants seconds, not \"%s\"", name, value);
	*out = (int64_t)ceil(seconds * 1000);
	return 0;
}
