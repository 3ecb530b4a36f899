/* Roles by name. */
#include "core/role.h"

#include <string.h>

static const char *const names[] = {
	[ROLE_NONE] = "none",     [ROLE_VIEWER] = "viewer", [ROLE_COMMENTER] = "commenter",
	[ROLE_EDITOR] = "editor", [ROLE_OWNER] = "owner",
};

const char *role_name(enum role r)
{
	return names[r];
}

enum role role_parse(const char *name)
{
	for (int r = ROLE_VIEWER; r <= ROLE_OWNER; r++)
		if (strcmp(names[r], name) == 0)
			return (enum role)r;
	return ROLE_NONE;
}
