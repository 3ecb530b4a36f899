/*
 * A session as a report that a person can send: Markdown, with the sections as they are, the
 * comment threads that are open, and where it came from.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_export.h"

static const char *str(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void put(struct tool *t, const char *text)
{
	tool_put_bytes(t, text, strlen(text));
}

/* Text as it is, without what steers a terminal; `margin` begins each line. */
static void put_text(struct tool *t, const char *text, const char *margin)
{
	put(t, *text ? margin : "");
	for (const char *p = text; *p; p++) {
		const unsigned char c = (unsigned char)*p;
		bool c1 = c == 0xc2 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xa0;

		if (c1)
			p++;
		else if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f))
			tool_put_bytes(t, p, 1);
		if (c == '\n' && p[1])
			put(t, margin);
	}
}

/* A name within a line: nothing in it is mark-up. */
static void put_name(struct tool *t, const char *name)
{
	for (; *name; name++) {
		if (strchr("\\`*_[]<>#|", *name))
			tool_put_bytes(t, "\\", 1);
		if ((unsigned char)*name >= 0x20 && *name != 0x7f)
			tool_put_bytes(t, name, 1);
	}
}

/* "2024-01-15 10:30" of a time stamp. */
static void put_time(struct tool *t, const char *stamp)
{
	if (strlen(stamp) < 16)
		return;
	tool_put_bytes(t, stamp, 10);
	put(t, " ");
	tool_put_bytes(t, stamp + 11, 5);
	put(t, " UTC");
}

static const char *name_of(const json_t *o, const char *name_key, const char *id_key)
{
	const char *name = str(o, name_key);

	return *name ? name : str(o, id_key);
}

static void put_people(struct tool *t, const json_t *session)
{
	const json_t *people = json_object_get(session, "participants"), *one = NULL;
	size_t i = 0;

	if (json_array_size(people) == 0)
		return;
	put(t, "## Participants\n\n");
	json_array_foreach(people, i, one)
	{
		put(t, "- ");
		put_name(t, name_of(one, "user_name", "user_id"));
		put(t, ", ");
		put(t, str(one, "role"));
		put(t, "\n");
	}
	put(t, "\n");
}

static void put_section(struct tool *t, const char *id, const json_t *section)
{
	const json_t *content = json_object_get(section, "content");
	const char *title = str(section, "title"), *text = json_string_value(content);
	char *dumped = NULL;

	put(t, "## ");
	put_name(t, *title ? title : id);
	put(t, "\n\n");
	if (content && !text) {
		dumped = json_dumps(content, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY);
		put(t, "```json\n");
		put_text(t, dumped ? dumped : "", "");
		put(t, "\n```\n");
		free(dumped);
	} else if (text) {
		put_text(t, text, "");
		put(t, *text && text[strlen(text) - 1] != '\n' ? "\n" : "");
	}
	put(t, "\n*Last changed by ");
	put_name(t, name_of(section, "updated_by_name", "updated_by"));
	put(t, ", ");
	put_time(t, str(section, "updated_at"));
	put(t, ".*\n\n");
}

static void put_comment(struct tool *t, const json_t *c, const char *margin)
{
	put(t, margin);
	put(t, "**");
	put_name(t, name_of(c, "user_name", "user_id"));
	put(t, "**, ");
	put_time(t, str(c, "created_at"));
	put(t, "\n");
	put(t, margin);
	put(t, "\n");
	put_text(t, json_is_true(json_object_get(c, "deleted")) ? "(deleted)" : str(c, "content"),
	         margin);
	put(t, "\n");
	put(t, margin);
	put(t, "\n");
}

static void put_thread(struct tool *t, const json_t *comments, const json_t *root)
{
	const json_t *c = NULL;
	size_t i = 0;

	put(t, "On ");
	put_name(t, str(root, "section_id"));
	put(t, ":\n\n");
	put_comment(t, root, "> ");
	json_array_foreach(comments, i, c)
	{
		if (strcmp(str(c, "parent_comment_id"), str(root, "comment_id")) == 0)
			put_comment(t, c, "> > ");
	}
	put(t, "\n");
}

static void put_threads(struct tool *t, const json_t *session)
{
	const json_t *comments = json_object_get(session, "comments"), *c = NULL;
	bool any = false;
	size_t i = 0;

	json_array_foreach(comments, i, c)
	{
		if (*str(c, "parent_comment_id") || json_is_true(json_object_get(c, "resolved")) ||
		    json_is_true(json_object_get(c, "deleted")))
			continue;
		put(t, any ? "" : "## Open comments\n\n");
		any = true;
		put_thread(t, comments, c);
	}
}

void session_put_markdown(struct tool *t, const json_t *session)
{
	json_t *sections = json_object_get(session, "sections"), *section = NULL;
	char seq[24];
	const char *id = NULL;

	put(t, "# ");
	put_name(t, str(session, "report_id"));
	put(t, "\n\nStarted ");
	put_time(t, str(session, "started_at"));
	put(t, ", last changed ");
	put_time(t, str(session, "last_activity"));
	put(t, ".\n\n");
	put_people(t, session);
	json_object_foreach(sections, id, section)
	{
		put_section(t, id, section);
	}
	put_threads(t, session);
	(void)snprintf(seq, sizeof seq, "%lld",
	               (long long)json_integer_value(json_object_get(session, "seq")));
	put(t, "---\n\nSession `");
	put(t, str(session, "session_id"));
	put(t, "`, state `");
	put(t, seq);
	put(t, ":");
	put(t, str(session, "hash"));
	put(t, "`\n");
}
