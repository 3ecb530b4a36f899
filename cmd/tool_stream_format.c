/* --format of the tools that stream. */
#include <stdlib.h>
#include <string.h>

#include "tool_stream.h"

int stream_format_check(const char *format, struct collab_err *e)
{
	for (const char *p = format; *p; p++) {
		if (*p != '%' && *p != '\\')
			continue;
		if (!p[1])
			return tool_err(e, "usage", "--format ends in %c", *p);
		if (!strchr(*p == '%' ? "tsupj%" : "0nt\\", p[1]))
			return tool_err(e, "usage", "--format has no %c%c", *p, p[1]);
		p++;
	}
	return 0;
}

/* Text that people wrote, without what steers a terminal: C0 but tab and newline, DEL, C1. */
static void put_text(struct stream *s, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if ((*p < 0x20 && *p != '\t' && *p != '\n') || *p == 0x7f)
			continue;
		if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p++;
		else
			stream_put(s, p, 1);
	}
}

static void put_value(struct stream *s, const json_t *value)
{
	char *text = NULL;

	if (json_is_string(value)) {
		put_text(s, json_string_value(value));
		return;
	}
	text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
	put_text(s, text ? text : "");
	free(text);
}

/* What was written: a comment's text, a section's; the changes as JSON when they are no text.  Of
 * an error it is the sentence. */
static const json_t *payload(const json_t *event)
{
	const json_t *changes = json_object_get(event, "changes");
	const json_t *content = json_object_get(changes, "content");

	if (json_is_string(content))
		return content;
	if (changes)
		return changes;
	content = json_object_get(json_object_get(event, "comment"), "content");
	if (!content)
		content = json_object_get(event, "content");
	return content ? content : json_object_get(event, "message");
}

static void put_conversion(struct stream *s, char c, const json_t *event, const char *json,
                           size_t len)
{
	switch (c) {
	case 't':
		put_value(s, json_object_get(event, "type"));
		break;
	case 's':
		put_value(s, json_object_get(event, "seq"));
		break;
	case 'u':
		put_value(s, json_object_get(event, "user_id"));
		break;
	case 'p':
		put_value(s, payload(event));
		break;
	case 'j':
		stream_put_json(s, json, len);
		if (!s->mute)
			s->out_len--; /* its newline */
		break;
	default:
		stream_put(s, &c, 1);
	}
}

void stream_put_format(struct stream *s, const char *format, const char *json, size_t len)
{
	json_t *event = json_loadb(json, len, 0, NULL);
	char last = '\n';
	const char *p = format;

	for (; *p; p++) {
		if (*p == '%') {
			put_conversion(s, *++p, event, json, len);
			last = '%';
		} else if (*p == '\\') {
			p++;
			last = *p == '0' ? '\0' : *p == 'n' ? '\n' : *p == 't' ? '\t' : '\\';
			stream_put(s, &last, 1);
		} else {
			stream_put(s, p, 1);
			last = *p;
		}
	}
	if (p == format || (last != '\n' && last != '\0'))
		stream_put(s, "\n", 1);
	json_decref(event);
}
