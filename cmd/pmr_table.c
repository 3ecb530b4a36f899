/* Tables, by libsmartcols. */
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "pmr.h"

enum { COLUMNS_MAX = 12, WHEN_BYTES = 64, SHORT_ID = 8 };

enum form {
	AS_TEXT,
	AS_AGO,
	AS_SHORT, /* the beginning of an id, enough for -s */
	AS_CHARS, /* how long the text is */
	AS_WORDS  /* true|false */
};

struct column {
	const char *title, *member;
	enum form form;
	const char *words; /* AS_WORDS: "yes|no" */
};

struct pmr_view {
	const char *tool, *verb;
	struct column columns[COLUMNS_MAX]; /* the last of them is cut where the screen ends */
};

static const struct pmr_view views[] = {
	{"session",
         "list",
         {{"SESSION", "session_id", AS_SHORT, NULL},
          {"STATE", "active", AS_WORDS, "active|ended"},
          {"PEOPLE", "participants", AS_TEXT, NULL},
          {"ONLINE", "online", AS_TEXT, NULL},
          {"OPEN", "open_comments", AS_TEXT, NULL},
          {"EVENTS", "seq", AS_TEXT, NULL},
          {"ACTIVE", "last_activity", AS_AGO, NULL},
          {"REPORT", "report_id", AS_TEXT, NULL}}},
	{"member",
         "list",
         {{"USER", "user_id", AS_TEXT, NULL},
          {"ROLE", "role", AS_TEXT, NULL},
          {"ONLINE", "online", AS_WORDS, "yes|no"},
          {"JOINED", "joined_at", AS_AGO, NULL},
          {"NAME", "user_name", AS_TEXT, NULL}}},
	{"comment",
         "list",
         {{"COMMENT", "comment_id", AS_TEXT, NULL},
          {"SECTION", "section_id", AS_TEXT, NULL},
          {"BY", "user_name", AS_TEXT, NULL},
          {"WHEN", "created_at", AS_AGO, NULL},
          {"STATE", "resolved", AS_WORDS, "resolved|open"},
          {"TEXT", "content", AS_TEXT, NULL}}},
	{"section",
         "list",
         {{"SECTION", "section_id", AS_TEXT, NULL},
          {"VERSION", "version", AS_TEXT, NULL},
          {"CHARS", "content", AS_CHARS, NULL},
          {"BY", "updated_by_name", AS_TEXT, NULL},
          {"CHANGED", "updated_at", AS_AGO, NULL},
          {"TEXT", "content", AS_TEXT, NULL}}},
	{"section",
         "history",
         {{"SEQ", "seq", AS_TEXT, NULL},
          {"WHEN", "timestamp", AS_AGO, NULL},
          {"INSERTED", "inserted", AS_TEXT, NULL},
          {"REMOVED", "removed", AS_TEXT, NULL},
          {"CHARS", "chars", AS_TEXT, NULL},
          {"WHAT", "type", AS_TEXT, NULL},
          {"BY", "user_name", AS_TEXT, NULL}}},
	{"conflict",
         "list",
         {{"CONFLICT", "conflict_id", AS_TEXT, NULL},
          {"SECTION", "section_id", AS_TEXT, NULL},
          {"BASE", "base_seq", AS_TEXT, NULL},
          {"CURRENT", "current_seq", AS_TEXT, NULL},
          {"BY", "user_name", AS_TEXT, NULL},
          {"SETTLED", "resolution", AS_TEXT, NULL}}},
	{"log",
         "blame",
         {{"SEQ", "seq", AS_TEXT, NULL},
          {"WHEN", "timestamp", AS_AGO, NULL},
          {"BY", "user_name", AS_TEXT, NULL},
          {"TEXT", "text", AS_TEXT, NULL}}},
};

const struct pmr_view *pmr_view_of(const char *tool, const char *verb)
{
	for (size_t i = 0; i < sizeof views / sizeof views[0]; i++)
		if (strcmp(views[i].tool, tool) == 0 && strcmp(views[i].verb, verb) == 0)
			return &views[i];
	return NULL;
}

static size_t chars_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

/* "4 of them" is how an array of objects is best told; one of texts is their list. */
static char *list_of(const json_t *array)
{
	char *text = NULL, *out = NULL;
	size_t i, len = 0, size = 1;
	json_t *one;
	FILE *f = open_memstream(&text, &size);

	json_array_foreach(array, i, one)
	{
		if (f && json_is_string(one))
			(void)fprintf(f, "%s%s", i ? ", " : "", json_string_value(one));
		len += !json_is_string(one);
	}
	if (f && len)
		(void)fprintf(f, "%zu", json_array_size(array));
	if (f)
		(void)fclose(f); /* memory: text is NULL when there was none */
	out = text ? pmr_clean(text, strlen(text), true) : NULL;
	free(text);
	return out;
}

/* Gives what stands in a cell. */
static char *cell(const json_t *value, enum form form, const char *words)
{
	const char *text = json_string_value(value), *bar = words ? strchr(words, '|') : NULL;
	char buf[WHEN_BYTES];

	if (bar)
		return json_is_true(value) ? strndup(words, (size_t)(bar - words))
		                           : strdup(bar + 1);
	if (!value || json_is_null(value))
		return strdup("");
	if (json_is_array(value))
		return list_of(value);
	if (!text) {
		char *json = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		char *clean = json ? pmr_clean(json, strlen(json), true) : NULL;

		free(json);
		return clean;
	}
	if (form == AS_CHARS) {
		(void)snprintf(buf, sizeof buf, "%zu", chars_of(text));
		return strdup(buf);
	}
	if (form == AS_AGO) {
		pmr_ago(text, buf, sizeof buf);
		return strdup(buf);
	}
	return pmr_clean(
		text, form == AS_SHORT && strlen(text) > SHORT_ID ? SHORT_ID : strlen(text), true);
}

static struct libscols_table *new_table(const struct pmr_screen *s)
{
	struct libscols_table *table = scols_new_table();

	if (!table)
		return NULL;
	/* None of these fails but for a missing table. */
	(void)scols_table_set_stream(table, s->out);
	(void)scols_table_set_termforce(table, SCOLS_TERMFORCE_ALWAYS);
	(void)scols_table_set_termwidth(table, (size_t)s->width);
	(void)scols_table_enable_colors(table, s->color);
	(void)scols_table_enable_nolinesep(table, 0);
	return table;
}

/* Whether every value of the column is a number, which stands at the right. */
static bool is_number(const json_t *rows, const struct column *c)
{
	size_t i;
	json_t *row;

	if (c->form == AS_CHARS)
		return true;
	json_array_foreach(rows, i, row)
	{
		const json_t *value = json_object_get(row, c->member);

		if (!json_is_number(value))
			return false;
	}
	return json_array_size(rows) > 0;
}

/* A view of the first row: its members but objects, ids of the log and such. */
static void view_of_row(const json_t *row, struct pmr_view *view)
{
	const char *name;
	json_t *value;
	int n = 0;

	json_object_foreach((json_t *)(uintptr_t)row, name, value)
	{
		if (n == COLUMNS_MAX || json_is_object(value) || strcmp(name, "hash") == 0)
			continue;
		view->columns[n++] =
			(struct column){name, name, pmr_is_time(name) ? AS_AGO : AS_TEXT, NULL};
	}
}

void pmr_put_table(const struct pmr_screen *s, const struct pmr_view *view, const json_t *rows)
{
	struct libscols_table *table = new_table(s);
	struct pmr_view made = {0};
	size_t i;
	json_t *row;
	int len = 0;

	if (!view)
		view_of_row(json_array_get(rows, 0), &made);
	view = view ? view : &made;
	for (const struct column *c = view->columns; len < COLUMNS_MAX && c->title; c++, len++) {
		bool last = len + 1 == COLUMNS_MAX || !c[1].title;
		struct libscols_column *column = scols_table_new_column(
			table, c->title, 0,
			(last ? SCOLS_FL_TRUNC : 0) | (is_number(rows, c) ? SCOLS_FL_RIGHT : 0));

		if (s->color)
			(void)scols_cell_set_color(scols_column_get_header(column), "\033[1m");
	}
	json_array_foreach(rows, i, row)
	{
		struct libscols_line *line = scols_table_new_line(table, NULL);

		for (int n = 0; line && n < len; n++) {
			const struct column *c = &view->columns[n];
			char *text = cell(json_object_get(row, c->member), c->form, c->words);

			if (scols_line_refer_data(line, (size_t)n, text))
				free(text);
		}
	}
	(void)scols_print_table(table); /* the stream remembers errors */
	scols_unref_table(table);
}

void pmr_put_object(const struct pmr_screen *s, const json_t *object)
{
	struct libscols_table *table = new_table(s);
	const char *name;
	json_t *value;

	(void)scols_table_enable_noheadings(table, 1);
	(void)scols_table_new_column(table, "NAME", 0, 0);
	(void)scols_table_new_column(table, "VALUE", 0, SCOLS_FL_WRAP);
	json_object_foreach((json_t *)(uintptr_t)object, name, value)
	{
		struct libscols_line *line = scols_table_new_line(table, NULL);
		char *key = pmr_clean(name, strlen(name), true);
		char *text = cell(value, pmr_is_time(name) ? AS_AGO : AS_TEXT, NULL);

		if (!line || scols_line_refer_data(line, 0, key))
			free(key);
		if (!line || scols_line_refer_data(line, 1, text))
			free(text);
		if (line && s->color)
			(void)scols_cell_set_color(scols_line_get_cell(line, 0), "\033[1m");
	}
	(void)scols_print_table(table); /* as above */
	scols_unref_table(table);
}
