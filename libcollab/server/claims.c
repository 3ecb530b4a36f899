/* What the claims of a token say about its bearer (RFC 7519), once its signature is known to match.
 */
#include <math.h>
#include <string.h>

#include "base/ids.h"
#include "base/utf8.h"
#include "server/auth_parts.h"

enum { EMAIL_LEN_MAX = 320 }; /* 64 before the @, 255 after it (RFC 5321) */

/*
 * A claim of seconds since 1970 (with fractions, if they like) in milliseconds; absent: *ms stays.
 * Times that no clock will show are taken as the greatest, or the smallest, that fit.
 */
static int read_time(const json_t *claims, const char *name, int64_t *ms, struct err *e)
{
	const json_t *claim = json_object_get(claims, name);
	double value;

	if (!claim)
		return 0;
	if (!json_is_number(claim))
		return err_set(e, ERR_UNAUTHENTICATED, "the token's %s is not a number", name);
	value = json_number_value(claim) * 1000.0;
	if (value >= 9e18)
		*ms = INT64_MAX;
	else if (value <= -9e18)
		*ms = INT64_MIN;
	else
		*ms = (int64_t)floor(value);
	return 0;
}

static int64_t add(int64_t a, int64_t b)
{
	if (b > 0 && a > INT64_MAX - b)
		return INT64_MAX;
	return a + b;
}

/* exp and nbf; *expires_ms is when the token stops being taken, leeway included. */
static int check_times(const json_t *claims, int64_t leeway_ms, int64_t now_ms, int64_t *expires_ms,
                       struct err *e)
{
	int64_t exp = INT64_MAX, nbf = INT64_MIN;
	int rc = read_time(claims, "exp", &exp, e);

	if (!rc)
		rc = read_time(claims, "nbf", &nbf, e);
	if (rc)
		return rc;
	*expires_ms = add(exp, leeway_ms);
	if (now_ms >= *expires_ms)
		return err_set(e, ERR_TOKEN_EXPIRED, NULL);
	if (add(now_ms, leeway_ms) < nbf)
		return err_set(e, ERR_UNAUTHENTICATED, "the token is not valid yet");
	return 0;
}

static bool string_is(const json_t *value, const char *wanted)
{
	return json_is_string(value) && strcmp(json_string_value(value), wanted) == 0;
}

/* aud is a string or an array of them. */
static bool audience_has(const json_t *aud, const char *wanted)
{
	if (string_is(aud, wanted))
		return true;
	for (size_t i = 0; i < json_array_size(aud); i++)
		if (string_is(json_array_get(aud, i), wanted))
			return true;
	return false;
}

static int check_parties(const json_t *claims, const struct conf *conf, struct err *e)
{
	if (*conf->audience && !audience_has(json_object_get(claims, "aud"), conf->audience))
		return err_set(e, ERR_UNAUTHENTICATED, "the token is for another audience");
	if (*conf->issuer && !string_is(json_object_get(claims, "iss"), conf->issuer))
		return err_set(e, ERR_UNAUTHENTICATED, "the token is from another issuer");
	return 0;
}

static int check_subject(const json_t *claims, const char **user_id, struct err *e)
{
	static const char local[] = "@local";
	const char *sub = json_string_value(json_object_get(claims, "sub"));
	size_t len = sub ? strlen(sub) : 0, tail = sizeof local - 1;

	if (!sub)
		return err_set(e, ERR_UNAUTHENTICATED, "the token has no sub");
	if (!name_valid(sub))
		return err_set(e, ERR_UNAUTHENTICATED, "the token's sub is not a valid user id");
	/* Users of the Unix socket have these names; a token must not be taken for one of them. */
	if (len >= tail && strcmp(sub + len - tail, local) == 0)
		return err_set(e, ERR_UNAUTHENTICATED, "the token's sub is that of a local user");
	*user_id = sub;
	return 0;
}

static const char *read_email(const json_t *claims)
{
	const char *email = json_string_value(json_object_get(claims, "email"));
	size_t len = email ? strlen(email) : 0;

	if (len == 0 || len > EMAIL_LEN_MAX)
		return NULL;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)email[i] <= ' ' || email[i] == 0x7f)
			return NULL;
	return email;
}

/* The first of these that leaves something to show; sub always does. */
static void read_name(const json_t *claims, const char *sub, char out[USER_NAME_BYTES_MAX + 1])
{
	const json_t *metadata = json_object_get(claims, "user_metadata");
	const json_t *const sources[] = {json_object_get(claims, "name"),
	                                 json_object_get(metadata, "full_name"),
	                                 json_object_get(claims, "email")};

	for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
		if (!json_is_string(sources[i]))
			continue;
		name_clean(json_string_value(sources[i]), out);
		if (*out)
			return;
	}
	name_clean(sub, out);
}

int claims_identity(const json_t *claims, const struct conf *conf, int64_t now_ms,
                    struct identity *out, struct err *e)
{
	const json_t *scope = json_object_get(claims, "scope");
	char name[USER_NAME_BYTES_MAX + 1];
	struct identity id = {0};
	struct buf globs;
	int rc;

	*out = (struct identity){0};
	buf_init(&globs, TOKEN_LEN_MAX);
	rc = check_times(claims, conf->leeway_seconds * 1000, now_ms, &id.expires_ms, e);
	if (!rc)
		rc = check_parties(claims, conf, e);
	if (!rc)
		rc = check_subject(claims, &id.user_id, e);
	if (!rc && scope && !json_is_string(scope))
		rc = err_set(e, ERR_UNAUTHENTICATED, "the token's scope is not a string");
	if (rc)
		goto out;
	read_name(claims, id.user_id, name);
	id.name = name;
	id.email = read_email(claims);
	scopes_read(scope ? json_string_value(scope) : conf->default_scopes, &id.scopes, &globs);
	id.start_only = globs.len > 0 ? globs.p : NULL;
	rc = buf_error(&globs);
	if (!rc)
		rc = identity_copy(&id, out);
	if (rc)
		err_set(e, rc, NULL);
out:
	buf_release(&globs);
	return rc;
}
