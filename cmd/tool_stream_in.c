/* Input of the tools that stream: lines that come when they come, as messages. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_stream.h"

enum { READ_BYTES = 1 << 16, REF_CHARS_MAX = 64, UUID_LEN = 36 };

static int cannot_open(const char *path, struct collab_err *e)
{
	return tool_err(e, "io", "cannot open %s: %s", path, strerror(errno));
}

/* Begin with an operand, or with stdin. */
static int begin(struct stream_in *in, const char *path, struct collab_err *e)
{
	bool standard = !path || strcmp(path, "-") == 0;

	in->name = standard ? NULL : path;
	in->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	in->number = 0;
	in->eof = false;
	return in->fd < 0 ? cannot_open(path, e) : 0;
}

int stream_in_open(struct stream_in *in, const struct tool *t, struct collab_err *e)
{
	const char *session = tool_opt(t, "session");

	*in = (struct stream_in){.fd = -1, .operand = -1, .line_max = TOOL_LINE_MAX};
	if (!t->operands_len && session && strcmp(session, "-") == 0)
		return tool_err(e, "usage",
		                "with -s - a file must be named, or - for the rest of stdin");
	for (int i = 0; i < t->operands_len; i++)
		if (strcmp(t->operands[i], "-") != 0 && access(t->operands[i], R_OK) != 0)
			return cannot_open(t->operands[i], e);
	if (!t->operands_len)
		return begin(in, NULL, e);
	return stream_in_another(in, t, e) < 0 ? e->code : 0;
}

static void end(struct stream_in *in)
{
	if (in->name && in->fd >= 0)
		(void)close(in->fd); /* it was only read */
	in->fd = -1;
}

int stream_in_another(struct stream_in *in, const struct tool *t, struct collab_err *e)
{
	int rc;

	if (in->operand + 1 >= t->operands_len)
		return 0;
	end(in);
	rc = begin(in, t->operands[++in->operand], e);
	return rc ? rc : 1;
}

void stream_in_release(struct stream_in *in)
{
	end(in);
	free(in->buf);
	*in = (struct stream_in){.fd = -1};
}

static bool is_blank(const char *p, size_t len)
{
	while (len && strchr(" \t\r", *p) && *p)
		p++, len--;
	return len == 0;
}

/* Take buf[at … end) and, unless the input ends there, a newline. */
static enum stream_line take(struct stream_in *in, size_t end, bool newline, const char **line,
                             size_t *len)
{
	bool too_long = in->skipping || end - in->at > in->line_max;

	*line = in->buf + in->at;
	*len = end - in->at;
	in->at = in->seen = end + newline;
	in->number++;
	in->skipping = false;
	return too_long ? STREAM_TOO_LONG : STREAM_LINE;
}

enum stream_line stream_in_next(struct stream_in *in, const char **line, size_t *len)
{
	for (;;) {
		char *newline = in->len > in->seen
		                        ? memchr(in->buf + in->seen, '\n', in->len - in->seen)
		                        : NULL;
		enum stream_line kind;

		if (!newline && in->eof && in->at == in->len && !in->skipping)
			return STREAM_EOF;
		if (!newline && !in->eof) {
			in->seen = in->len;
			if (in->len - in->at <= in->line_max)
				return STREAM_MORE;
			in->skipping = true; /* the rest of it is looked through, not kept */
			in->at = in->seen = in->len = 0;
			return STREAM_MORE;
		}
		kind = take(in, newline ? (size_t)(newline - in->buf) : in->len, newline != NULL,
		            line, len);
		if (kind == STREAM_TOO_LONG || !is_blank(*line, *len))
			return kind;
	}
}

int stream_in_read(struct stream_in *in, struct collab_err *e)
{
	ssize_t n;

	if (in->at) {
		memmove(in->buf, in->buf + in->at, in->len - in->at);
		in->len -= in->at;
		in->seen -= in->at;
		in->at = 0;
	}
	if (in->cap - in->len < READ_BYTES) {
		char *more = realloc(in->buf, in->cap * 2 + READ_BYTES);

		if (!more)
			return tool_err(e, "out_of_memory", "out of memory");
		in->buf = more;
		in->cap = in->cap * 2 + READ_BYTES;
	}
	n = read(in->fd, in->buf + in->len, READ_BYTES);
	if (n < 0 && errno != EINTR && errno != EAGAIN)
		return tool_err(e, "io", "cannot read %s: %s", in->name ? in->name : "stdin",
		                strerror(errno));
	in->eof = n == 0;
	in->len += n > 0 ? (size_t)n : 0;
	return 0;
}

json_t *stream_bad_line(const char *file, int64_t line, const struct collab_err *e)
{
	json_t *object = json_pack("{s:s,s:s,s:s,s:I,s:b}", "type", "error", "code", e->wire,
	                           "message", e->text, "line", (json_int_t)line, "retryable", 0);

	if (file) /* a name that is no UTF-8 is left out */
		(void)json_object_set_new(object, "file", json_string(file));
	return object;
}

/* ---- messages --------------------------------------------------------------------------- */

bool stream_is_servers(const char *type)
{
	static const char *const types[] = {"ack",
	                                    "checkpoint",
	                                    "compacted",
	                                    "conflict_detected",
	                                    "erased",
	                                    "error",
	                                    "going_away",
	                                    "participant_joined",
	                                    "participant_left",
	                                    "pong",
	                                    "role_changed",
	                                    "section_locked",
	                                    "section_unlocked",
	                                    "session_ended",
	                                    "session_started",
	                                    "session_state",
	                                    "synced",
	                                    "token_expiring",
	                                    "user_offline",
	                                    "user_online"};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

static size_t chars_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static bool is_uuid(const char *id)
{
	return id && strlen(id) == UUID_LEN && strspn(id, "0123456789abcdefABCDEF-") == UUID_LEN;
}

/* A ref that the server would not take could not be told in its answer either. */
static int check_ref(json_t *message, struct collab_err *e)
{
	const json_t *ref = json_object_get(message, "ref");
	const char *text = json_string_value(ref);

	if (json_is_null(ref)) /* as absent */
		(void)json_object_del(message, "ref");
	else if (ref && !text)
		return tool_err(e, "bad_field", "ref must be a string");
	else if (text && (!*text || chars_of(text) > REF_CHARS_MAX))
		return tool_err(e, "bad_field", "ref must have 1 to %d characters",
		                (int)REF_CHARS_MAX);
	return 0;
}

/* An event fed back is named by where it comes from. */
static int name_event(json_t *message, struct collab_err *e)
{
	const json_t *seq = json_object_get(message, "seq");
	const char *session_id = json_string_value(json_object_get(message, "session_id"));
	char ref[UUID_LEN + 32];

	if (!json_is_integer(seq) || json_integer_value(seq) <= 0 || !is_uuid(session_id))
		return check_ref(message, e);
	(void)snprintf(ref, sizeof ref, "%s:%lld", session_id, (long long)json_integer_value(seq));
	return json_object_set_new(message, "ref", json_string(ref))
	               ? tool_err(e, "out_of_memory", "out of memory")
	               : 0;
}

/* What is said about a section that is locked for this process (pmr-lock) presents its fence. */
static int present_fence(json_t *message, struct collab_err *e)
{
	static const char *const types[] = {"section_update", "section_deleted", "section_lock",
	                                    "section_unlock"};
	const char *type = json_string_value(json_object_get(message, "type"));
	json_t *data = json_object_get(message, "data");
	json_t *place = json_is_object(data) ? data : message;
	const char *section_id = json_string_value(json_object_get(place, "section_id"));
	int64_t fence = section_id ? tool_fence(section_id) : -1;

	if (fence < 0 || json_object_get(place, "fence"))
		return 0;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(types[i], type) == 0 &&
		    json_object_set_new(place, "fence", json_integer(fence)))
			return tool_err(e, "out_of_memory", "out of memory");
	return 0;
}

int stream_message(const char *line, size_t len, json_t **out, struct collab_err *e)
{
	json_error_t je = {0};
	const char *near = NULL;
	const json_t *type = NULL;
	int rc = 0;

	*out = json_loadb(line, len, JSON_REJECT_DUPLICATES, &je);
	near = strstr(je.text, " near "); /* it may end inside a character */
	type = json_object_get(*out, "type");
	if (!*out && json_error_code(&je) == json_error_invalid_utf8)
		rc = tool_err(e, "bad_utf8", "not valid UTF-8");
	else if (!*out)
		rc = tool_err(e, "bad_json", "not valid JSON at byte %d: %.*s", je.position,
		              near ? (int)(near - je.text) : (int)strlen(je.text), je.text);
	else if (!json_is_object(*out))
		rc = tool_err(e, "bad_json", "not a JSON object");
	else if (!type)
		rc = tool_err(e, "missing_field", "type is required");
	else if (!json_is_string(type))
		rc = tool_err(e, "bad_field", "type must be a string");
	else if (!stream_is_servers(json_string_value(type))) /* they are passed over as they are */
		rc = name_event(*out, e) ? e->code : present_fence(*out, e);
	if (rc) {
		json_decref(*out);
		*out = NULL;
	}
	return rc;
}

size_t stream_frame_max(const struct collab_message *m)
{
	json_t *state = json_loadb(m->json, m->len, 0, NULL);
	json_int_t max = json_integer_value(
		json_object_get(json_object_get(state, "limits"), "frame_bytes"));

	json_decref(state);
	return max > 0 ? (size_t)max : 0;
}
