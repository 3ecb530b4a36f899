/* Kinds of events and the names of what they carry. */
#include "core/event.h"

#include <string.h>

static const char *const types[EVENT_KINDS] = {
#define X(name, wire) [EVENT_##name] = wire,
	EVENT_TABLE(X)
#undef X
};

static const char *const session_types[SESSION_TYPES] = {
	[SESSION_CHAT] = "chat",
	[SESSION_DIRECT] = "direct",
	[SESSION_COLLABORATIVE] = "collaborative",
};

static const char *const strategies[STRATEGIES] = {
	[STRATEGY_LAST_WRITE_WINS] = "last_write_wins",
	[STRATEGY_MERGE] = "merge",
	[STRATEGY_MANUAL] = "manual",
};

static const char *const resolutions[RESOLUTIONS] = {
	[RESOLUTION_CURRENT] = "current",
	[RESOLUTION_PROPOSED] = "proposed",
	[RESOLUTION_MERGED] = "merged",
};

/* The place of name among len names, or -1. */
static int find(const char *const *names, int len, const char *name)
{
	for (int i = 0; i < len; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

const char *event_type(enum event_kind kind)
{
	return types[kind];
}

int event_kind_parse(const char *type)
{
	return find(types, EVENT_KINDS, type);
}

const char *session_type_name(enum session_type t)
{
	return session_types[t];
}

int session_type_parse(const char *name)
{
	return find(session_types, SESSION_TYPES, name);
}

const char *strategy_name(enum strategy s)
{
	return strategies[s];
}

int strategy_parse(const char *name)
{
	return find(strategies, STRATEGIES, name);
}

const char *resolution_name(enum resolution r)
{
	return resolutions[r];
}

int resolution_parse(const char *name)
{
	return find(resolutions, RESOLUTIONS, name);
}

void event_init(struct event *ev, enum event_kind kind)
{
	*ev = (struct event){
		.kind = kind,
		.total_changes = EVENT_ABSENT,
		.total_comments = EVENT_ABSENT,
		.version = EVENT_ABSENT,
		.fence = EVENT_ABSENT,
		.expires_ms = EVENT_ABSENT,
		.anchor = {EVENT_ABSENT, EVENT_ABSENT, EVENT_ABSENT},
		.comment_created_ms = EVENT_ABSENT,
		.base_seq = EVENT_ABSENT,
		.current_seq = EVENT_ABSENT,
	};
}

bool event_is_activity(enum event_kind kind)
{
	return kind != EVENT_USER_ONLINE && kind != EVENT_USER_OFFLINE;
}
