/* A message of the server as a sentence. */
#include <stdlib.h>
#include <string.h>

#include "pmr.h"

enum { WHEN_BYTES = 32, NAME_COLUMN = 12 };

#define DIM "\033[2m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define BLUE "\033[34m"
#define PLAIN "\033[0m"

/*
 * What is said of each type: {member} is that member of the message, of its comment or of its
 * participant, and what stands between bars is said only if the member in it is there.
 */
static const struct sentence {
	const char *type, *color, *text;
} sentences[] = {
	{"session_state", DIM, "the session of {report_id} at seq {seq}| as {role}|"},
	{"session_started", GREEN, "started the session of {report_id}"},
	{"session_ended", RED, "ended the session|: {reason}|"},
	{"user_online", GREEN, "is online"},
	{"user_offline", DIM, "is offline|: {reason}|"},
	{"participant_joined", GREEN, "joined as {role}|, added by {by}|"},
	{"participant_left", RED, "left|, removed by {by}|"},
	{"role_changed", YELLOW, "is now {role}|, says {by}|"},
	{"section_update", BLUE, "changed {section_id}|: {content}|"},
	{"section_deleted", RED, "deleted {section_id}"},
	{"section_locked", YELLOW, "locked {section_id}"},
	{"section_unlocked", YELLOW, "unlocked {section_id}|: {reason}|"},
	{"cursor_position", DIM, "is in {section_id} at {position}"},
	{"comment_added", BLUE, "on {section_id}: {content}| ({comment_id})|"},
	{"comment_edited", BLUE, "edited comment {comment_id}|: {content}|"},
	{"comment_resolved", GREEN, "resolved comment {comment_id}"},
	{"comment_reopened", YELLOW, "reopened comment {comment_id}"},
	{"comment_deleted", RED, "deleted comment {comment_id}"},
	{"conflict_detected", RED, "met others in {section_id}: conflict {conflict_id}"},
	{"conflict_resolved", GREEN, "settled conflict {conflict_id} of {section_id}"},
	{"ack", GREEN,
         "done at seq {seq}|, version {version}||, comment {comment_id}||, conflict "
         "{conflict_id}||, fence {fence}|"},
	{"error", RED, "refused: {message}| ({code})|"},
	{"synced", DIM, "-- live from seq {seq} on --"},
	{"checkpoint", DIM, "-- looked at everything up to seq {seq} --"},
	{"going_away", YELLOW, "the server is going away"},
	{"token_expiring", YELLOW, "the token expires in {expires_in} s"},
	{"erased", RED, "erased text"},
	{"compacted", DIM, "compacted the log"},
};

static const json_t *member(const json_t *event, const char *name, size_t len)
{
	static const char *const within[] = {"comment", "participant", "changes", "you"};
	const json_t *value = json_object_getn(event, name, len);

	for (size_t i = 0; i < sizeof within / sizeof within[0] && !value; i++)
		value = json_object_getn(json_object_get(event, within[i]), name, len);
	return value && !json_is_null(value) ? value : NULL;
}

/* Gives the value as clean text on one line. */
static char *words_of(const json_t *value)
{
	char *text = NULL, *clean = NULL;

	if (json_is_string(value))
		return pmr_clean(json_string_value(value), json_string_length(value), true);
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
	clean = text ? pmr_clean(text, strlen(text), true) : NULL;
	free(text);
	return clean;
}

/* From p to `stop`; *missing: a member was not there.  Says nothing when out is NULL. */
static const char *say(FILE *out, const char *p, char stop, const json_t *event, bool *missing)
{
	for (; *p && *p != stop; p++) {
		size_t len = *p == '{' ? strcspn(p + 1, "}") : 0;
		const json_t *value = len ? member(event, p + 1, len) : NULL;
		char *text = value && out ? words_of(value) : NULL;

		*missing = *missing || (len && !value);
		if (!len && out)
			(void)fputc(*p, out);
		else if (text)
			(void)fputs(text, out);
		p += len ? len + 1 : 0;
		free(text);
	}
	return p;
}

static void put_sentence(FILE *out, const char *text, const json_t *event)
{
	bool missing = false;

	while (*text) {
		const char *part = say(out, text, '|', event, &missing);

		if (!*part++)
			break;
		missing = false;
		text = say(NULL, part, '|', event, &missing);
		if (!missing)
			(void)say(out, part, '|', event, &missing);
		text += *text == '|';
	}
}

bool pmr_put_event(const struct pmr_screen *s, const json_t *event, bool relative)
{
	const char *type = json_string_value(json_object_get(event, "type"));
	const char *when = json_string_value(json_object_get(event, "timestamp"));
	const json_t *seq = json_object_get(event, "seq");
	const json_t *who = json_object_get(event, "user_name");
	const struct sentence *found = NULL;
	char time[WHEN_BYTES] = "", *name = NULL;
	bool told;

	for (size_t i = 0; type && i < sizeof sentences / sizeof sentences[0] && !found; i++)
		if (strcmp(sentences[i].type, type) == 0)
			found = &sentences[i];
	if (!found)
		return false;
	told = strcmp(type, "ack") == 0 || strcmp(type, "error") == 0;
	if (when && relative)
		pmr_ago(when, time, sizeof time);
	else if (when)
		pmr_clock(when, time, sizeof time);
	name = words_of(who ? who : json_object_get(event, "user_id"));
	if (!told)
		(void)fprintf(s->out, "%*s %6lld  %-*s ", relative ? 14 : 8, time,
		              (long long)json_integer_value(seq), NAME_COLUMN, name ? name : "");
	(void)fputs(s->color ? found->color : "", s->out);
	put_sentence(s->out, found->text, event);
	(void)fputs(s->color ? PLAIN "\n" : "\n", s->out);
	free(name);
	return true;
}
