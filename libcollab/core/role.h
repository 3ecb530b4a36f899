/*
 * Roles and what each may do: the table of collab-protocol(7), section IDENTITY AND PERMISSION.
 * A role includes every role below it.
 */
#ifndef COLLAB_CORE_ROLE_H
#define COLLAB_CORE_ROLE_H

enum role {
	ROLE_NONE, /* not a participant */
	ROLE_VIEWER,
	ROLE_COMMENTER,
	ROLE_EDITOR,
	ROLE_OWNER
};

/* "viewer", …; "none" for ROLE_NONE. */
const char *role_name(enum role r);

/* The role of that name, or ROLE_NONE. */
enum role role_parse(const char *name);

#endif
