/* What the option tables look like: to people and to the completions of shells. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tool_options.h"

enum { HELP_COLUMN = 28 };

static void put_text(struct tool *t, const char *text)
{
	tool_put_bytes(t, text, strlen(text));
}

/* "  left   right", the right side in its column or on the next line. */
static void put_columns(struct tool *t, const char *left, const char *right)
{
	char line[256];
	int used = (int)strlen(left) + 2;

	if (used + 2 > HELP_COLUMN)
		(void)snprintf(line, sizeof line, "  %s\n%*s%s\n", left, HELP_COLUMN, "", right);
	else
		(void)snprintf(line, sizeof line, "  %s%*s%s\n", left, HELP_COLUMN - used, "",
		               right);
	put_text(t, line);
}

/* " (start end)": the verbs that take it, where not all of them do and none is chosen. */
static void verbs_note(const struct tool *t, const struct tool_option *o, char *out, size_t size)
{
	size_t used = 0;
	bool all = true;

	out[0] = '\0';
	for (const struct tool_verb *v = t->spec->verbs; v->run && !t->verb; v++) {
		bool takes = tool_verb_takes(t->spec, v, o);

		all = all && takes;
		if (takes)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " " : " (",
			                         v->name);
		assert(used + 2 < size); /* verbs are few and short */
	}
	(void)snprintf(out + (all ? 0 : used), size - used, "%s", all ? "" : ")");
}

static void put_option(struct tool *t, const struct tool_option *o)
{
	char left[128], right[256], note[128], letter[8] = "    ";

	verbs_note(t, o, note, sizeof note);
	if (o->letter)
		(void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
	(void)snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
	               o->arg ? o->arg : "");
	(void)snprintf(right, sizeof right, "%s%s", o->help, note);
	put_columns(t, left, right);
}

void tool_put_help(struct tool *t, const struct tool_rows *rows)
{
	const struct tool_verb *only = t->verb ? t->verb : t->spec->verbs;
	char line[256];

	if (t->verb || !only->name[0])
		(void)snprintf(line, sizeof line, "usage: %s [OPTION]... %s%s%s\n%s\n\n",
		               t->spec->name, only->name,
		               only->name[0] && only->operands[0] ? " " : "", only->operands,
		               only->name[0] ? only->help : t->spec->help);
	else
		(void)snprintf(line, sizeof line, "usage: %s [OPTION]... VERB [OPERAND]...\n%s\n\n",
		               t->spec->name, t->spec->help);
	put_text(t, line);
	for (const struct tool_verb *v = t->spec->verbs; v->run && v->name[0] && !t->verb; v++) {
		(void)snprintf(line, sizeof line, "%s %s", v->name, v->operands);
		put_columns(t, line, v->help);
	}
	put_text(t, t->verb || !only->name[0] ? "" : "\n");
	for (int i = 0; i < rows->len; i++)
		if (!t->verb || tool_verb_takes(t->spec, t->verb, rows->row[i]))
			put_option(t, rows->row[i]);
	(void)snprintf(line, sizeof line, "\nSee %s(1) and pmr-target(7).\n", t->spec->name);
	put_text(t, line);
}

static void put_completion(struct tool *t, const char *word, const char *arg, const char *help)
{
	put_text(t, word);
	put_text(t, "\t");
	put_text(t, arg ? arg : "");
	put_text(t, "\t");
	put_text(t, help);
	put_text(t, "\n");
}

/*
 * "word TAB argument TAB help": the verbs, unless one is there, and each spelling of each option;
 * without a word, the operands.
 */
void tool_put_completions(struct tool *t, const struct tool_rows *rows)
{
	char word[64];
	const struct tool_verb *only = t->verb ? t->verb : t->spec->verbs;

	for (const struct tool_verb *v = t->spec->verbs; v->run && v->name[0] && !t->verb; v++)
		put_completion(t, v->name, v->operands, v->help);
	if ((t->verb || !only->name[0]) && only->operands[0])
		put_completion(t, "", only->operands, only->help);
	for (int i = 0; i < rows->len; i++) {
		const struct tool_option *o = rows->row[i];

		if (t->verb && !tool_verb_takes(t->spec, t->verb, o))
			continue;
		(void)snprintf(word, sizeof word, "-%c", o->letter);
		if (o->letter)
			put_completion(t, word, o->arg, o->help);
		(void)snprintf(word, sizeof word, "--%s", o->name);
		put_completion(t, word, o->arg, o->help);
	}
}

void tool_put_version(struct tool *t)
{
	put_text(t, t->spec->name);
	put_text(t, " ");
	put_text(t, collab_version());
	put_text(t, "\n");
}
