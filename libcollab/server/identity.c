/* What a request's sender is allowed: names, scopes, and the struct that holds them. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "server/auth_parts.h"

void identity_release(struct identity *id)
{
	free(id->memory);
	*id = (struct identity){0};
}

int identity_copy(const struct identity *id, struct identity *out)
{
	const char *const from[] = {id->user_id, id->name, id->email, id->via, id->start_only};
	const char *to[sizeof from / sizeof from[0]] = {NULL};
	size_t size = 1;
	char *memory = NULL, *at = NULL;

	*out = (struct identity){0};
	for (size_t i = 0; i < sizeof from / sizeof from[0]; i++)
		size += from[i] ? strlen(from[i]) + 1 : 0;
	memory = at = malloc(size);
	if (!memory)
		return ERR_NOMEM;
	for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
		size_t len;

		if (!from[i])
			continue;
		len = strlen(from[i]) + 1;
		memcpy(at, from[i], len);
		to[i] = at;
		at += len;
	}
	*out = (struct identity){.user_id = to[0],
	                         .name = to[1],
	                         .email = to[2],
	                         .via = to[3],
	                         .start_only = to[4],
	                         .scopes = id->scopes,
	                         .expires_ms = id->expires_ms,
	                         .memory = memory};
	return 0;
}

bool identity_may_start(const struct identity *id, const char *report_id)
{
	const char *at = id->start_only;

	if (id->scopes & (SCOPE_START | SCOPE_ADMIN))
		return true;
	while (at && *at) {
		size_t len = strcspn(at, " ");
		char glob[GLOB_LEN_MAX + 1];

		if (len > 0 && len <= GLOB_LEN_MAX) {
			memcpy(glob, at, len);
			glob[len] = '\0';
			if (fnmatch(glob, report_id, 0) == 0)
				return true;
		}
		at += len + (at[len] == ' ');
	}
	return false;
}

/* Control characters (C0, DEL, C1), and the two separators that some programs break lines at. */
static bool unprintable(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029;
}

void name_clean(const char *s, char out[USER_NAME_BYTES_MAX + 1])
{
	size_t left = strlen(s), len = 0;

	while (left > 0) {
		size_t valid = utf8_prefix(s, left), n = 1;

		if (valid == 0) { /* a byte of something else, as in an old passwd file */
			s++;
			left--;
			continue;
		}
		for (; valid > 0; valid -= n, s += n, left -= n) {
			uint32_t c = utf8_decode(s, &n);

			if (unprintable(c) || (c == ' ' && len == 0))
				continue;
			if (len + n > USER_NAME_BYTES_MAX) {
				left = 0;
				break;
			}
			memcpy(out + len, s, n);
			len += n;
		}
	}
	while (len > 0 && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
}

void scopes_read(const char *scopes, unsigned *flags, struct buf *globs)
{
	static const struct {
		const char *name;
		unsigned flag;
	} known[] = {{"collab:start", SCOPE_START},
	             {"collab:read", SCOPE_READ},
	             {"collab:metrics", SCOPE_METRICS},
	             {"collab:admin", SCOPE_ADMIN}};
	static const char glob[] = "collab:start:";
	size_t prefix = sizeof glob - 1;

	*flags = 0;
	for (;;) {
		size_t len;

		scopes += strspn(scopes, " ");
		len = strcspn(scopes, " ");
		if (len == 0)
			return;
		for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
			if (strlen(known[i].name) == len && memcmp(known[i].name, scopes, len) == 0)
				*flags |= known[i].flag;
		if (len > prefix && len <= prefix + GLOB_LEN_MAX &&
		    memcmp(scopes, glob, prefix) == 0) {
			if (globs->len > 0)
				buf_putc(globs, ' ');
			buf_put(globs, scopes + prefix, len - prefix);
		}
		scopes += len;
	}
}
