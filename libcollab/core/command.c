/* The commands' rows. */
#include "core/command.h"

#include <string.h>

static const struct command_row rows[COMMAND_KINDS] = {
#define X(name, wire, durable, role) [COMMAND_##name] = {wire, durable, role},
	COMMAND_TABLE(X)
#undef X
};

const struct command_row *command_row(enum command_kind kind)
{
	return &rows[kind];
}

int command_kind_parse(const char *type)
{
	for (int i = 0; i < COMMAND_KINDS; i++)
		if (rows[i].type && strcmp(rows[i].type, type) == 0)
			return i;
	return strcmp(type, "heartbeat") == 0 ? COMMAND_PING : -1;
}

void command_init(struct command *c, enum command_kind kind)
{
	*c = (struct command){
		.kind = kind,
		.base_seq = EVENT_ABSENT,
		.if_version = EVENT_ABSENT,
		.fence = EVENT_ABSENT,
		.ttl_seconds = EVENT_ABSENT,
		.anchor = {EVENT_ABSENT, EVENT_ABSENT, EVENT_ABSENT},
		.position = EVENT_ABSENT,
		.selection = {EVENT_ABSENT, EVENT_ABSENT},
	};
}
