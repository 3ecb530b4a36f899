/* Who a process on the Unix socket is: its uid, as the kernel tells it (SO_PEERCRED). */
#define _DEFAULT_SOURCE /* getgrouplist */

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ids.h"
#include "base/utf8.h"
#include "server/auth_parts.h"

enum {
	UID_NOBODY = 65534, /* also what the kernel shows for users it cannot map */
	LOOKUP_BYTES_MIN = 1024,
	LOOKUP_BYTES_MAX = 1 << 20,
	GROUPS_MAX = 65536
};

/* What the user database knows about a uid. */
struct account {
	char user_id[NAME_LEN_MAX + 1];
	char name[USER_NAME_BYTES_MAX + 1];
	bool admin;
};

/* Look up a group's gid; 0, ENOENT when there is none, or errno. */
static int group_gid(const char *name, gid_t *gid)
{
	struct group group, *found = NULL;
	char *buffer = NULL;
	int failed = ERANGE;

	for (size_t size = LOOKUP_BYTES_MIN; failed == ERANGE && size <= LOOKUP_BYTES_MAX;
	     size *= 4) {
		char *p = realloc(buffer, size);

		if (!p) {
			failed = ENOMEM;
			break;
		}
		buffer = p;
		failed = getgrnam_r(name, &group, buffer, size, &found);
	}
	if (!failed && found)
		*gid = group.gr_gid;
	free(buffer);
	return failed ? failed : found ? 0 : ENOENT;
}

int peer_group(const struct conf *conf, bool *has, gid_t *gid, struct err *e)
{
	int failed;

	*has = false;
	if (!*conf->admin_group)
		return 0;
	failed = group_gid(conf->admin_group, gid);
	if (failed == ENOENT)
		return err_set(e, ERR_CONFIG, "server.admin_group: there is no group %s",
		               conf->admin_group);
	if (failed)
		return err_set(e, ERR_CONFIG, "server.admin_group: %s cannot be looked up: %s",
		               conf->admin_group, strerror(failed));
	*has = true;
	return 0;
}

/* Whether login, whose own group is `primary`, belongs to `wanted`. */
static bool in_group(const char *login, gid_t primary, gid_t wanted)
{
	int cap = 64, len = 64;
	gid_t *groups = NULL;
	bool member = false;

	for (;;) {
		gid_t *p = realloc(groups, (size_t)cap * sizeof *groups);

		if (!p) {
			free(groups);
			return false;
		}
		groups = p;
		len = cap;
		if (getgrouplist(login, primary, groups, &len) >= 0)
			break;
		cap = len > cap ? len : cap * 2;
		if (cap > GROUPS_MAX) {
			free(groups);
			return false;
		}
	}
	for (int i = 0; i < len; i++)
		member = member || groups[i] == wanted;
	free(groups);
	return member;
}

/* "uid-N", which stands for users without a name: no login may take it. */
static bool looks_nameless(const char *login)
{
	return strncmp(login, "uid-", 4) == 0 && login[4] &&
	       login[4 + strspn(login + 4, "0123456789")] == '\0';
}

/* LOGIN@local, or uid-N@local where that would not be a user id. */
static void write_user_id(uid_t uid, const char *login, char out[NAME_LEN_MAX + 1])
{
	int len = login ? snprintf(out, NAME_LEN_MAX + 1, "%s@local", login) : -1;

	if (len < 0 || len > NAME_LEN_MAX || !name_valid(out) || looks_nameless(login))
		(void)snprintf(out, NAME_LEN_MAX + 1, "uid-%ju@local", (uintmax_t)uid);
}

/* The full name (the first field of GECOS), else the login, else the user id. */
static void write_name(const struct passwd *user, const char *user_id,
                       char out[USER_NAME_BYTES_MAX + 1])
{
	char full[USER_NAME_BYTES_MAX * 2];

	*out = '\0';
	if (user && user->pw_gecos) {
		size_t len = strcspn(user->pw_gecos, ",");

		if (len < sizeof full) {
			memcpy(full, user->pw_gecos, len);
			full[len] = '\0';
			name_clean(full, out);
		}
	}
	if (user && !*out)
		name_clean(user->pw_name, out);
	if (!*out)
		name_clean(user_id, out);
}

static int look_up(const struct peer *peer, bool has_group, gid_t admin_gid, struct account *out,
                   struct err *e)
{
	struct passwd user, *found = NULL;
	char *buffer = NULL;
	int failed = ERANGE;

	for (size_t size = LOOKUP_BYTES_MIN; failed == ERANGE && size <= LOOKUP_BYTES_MAX;
	     size *= 4) {
		char *p = realloc(buffer, size);

		if (!p) {
			free(buffer);
			return err_set(e, ERR_NOMEM, NULL);
		}
		buffer = p;
		failed = getpwuid_r(peer->uid, &user, buffer, size, &found);
	}
	/* A database that does not answer is like one that does not know the uid; without memory
	   it would make somebody else of a user whom it knows. */
	if (failed == ENOMEM) {
		free(buffer);
		return err_set(e, ERR_NOMEM, NULL);
	}
	if (failed)
		found = NULL;
	write_user_id(peer->uid, found ? found->pw_name : NULL, out->user_id);
	write_name(found, out->user_id, out->name);
	out->admin = peer->uid == 0 || peer->uid == geteuid() ||
	             (has_group && (peer->gid == admin_gid ||
	                            (found && in_group(found->pw_name, found->pw_gid, admin_gid))));
	free(buffer);
	return 0;
}

void peer_prepare(void)
{
	struct passwd user, *found = NULL;
	char buffer[LOOKUP_BYTES_MIN];

	(void)getpwuid_r(geteuid(), &user, buffer, sizeof buffer, &found); /* that it ran is all */
}

/* Split "user_id" or "user_id;name"; the name is the id where none is given. */
static int read_as(const char *as, char user_id[NAME_LEN_MAX + 1],
                   char name[USER_NAME_BYTES_MAX + 1], struct err *e)
{
	size_t len = strcspn(as, ";");

	if (len > NAME_LEN_MAX)
		return err_field(e, ERR_BAD_REQUEST, "x-collab-as", "the user id is too long");
	memcpy(user_id, as, len);
	user_id[len] = '\0';
	if (!name_valid(user_id))
		return err_field(e, ERR_BAD_REQUEST, "x-collab-as", "this is not a valid user id");
	*name = '\0';
	if (as[len]) {
		if (!utf8_valid(as, strlen(as)))
			return err_field(e, ERR_BAD_REQUEST, "x-collab-as",
			                 "the name is not valid UTF-8");
		name_clean(as + len + 1, name);
	}
	if (!*name)
		name_clean(user_id, name);
	return 0;
}

int peer_identity(const struct conf *conf, bool has_group, gid_t admin_gid, const struct peer *peer,
                  const char *as, struct identity *out, struct err *e)
{
	char as_id[NAME_LEN_MAX + 1], as_name[USER_NAME_BYTES_MAX + 1];
	struct identity id = {.expires_ms = INT64_MAX};
	struct account account;
	struct buf globs;
	int rc;

	*out = (struct identity){0};
	if (peer->uid == UID_NOBODY || peer->uid == (uid_t)-1)
		return err_set(e, ERR_FORBIDDEN,
		               "the user of this process is nobody in particular");
	rc = look_up(peer, has_group, admin_gid, &account, e);
	if (rc)
		return rc;
	if (as && !account.admin)
		return err_set(e, ERR_FORBIDDEN, "only an administrator may act as another user");
	if (as)
		rc = read_as(as, as_id, as_name, e);
	if (rc)
		return rc;
	id.user_id = as ? as_id : account.user_id;
	id.name = as ? as_name : account.name;
	id.via = as ? account.user_id : NULL;
	buf_init(&globs, TOKEN_LEN_MAX);
	scopes_read(conf->default_scopes, &id.scopes, &globs);
	if (account.admin && !as)
		id.scopes |= SCOPE_ADMIN;
	id.start_only = globs.len > 0 ? globs.p : NULL;
	rc = buf_error(&globs);
	if (!rc)
		rc = identity_copy(&id, out);
	buf_release(&globs);
	return rc ? err_set(e, rc, NULL) : 0;
}
