/* Reading members of stored JSON. */
#include "proto/stored.h"

#include <stdlib.h>

#include "base/rfc3339.h"
#include "core/role.h"

int stored_load(const char *bytes, size_t len, json_t **out, struct err *e)
{
	json_error_t why = {0};
	json_t *j = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &why);

	*out = NULL;
	/* What jansson gives up on without a word is memory. */
	if (!j && !why.text[0])
		return err_set(e, ERR_NOMEM, NULL);
	if (!j)
		return err_set(e, ERR_CORRUPT, "not JSON: %s", why.text);
	if (!json_is_object(j)) {
		json_decref(j);
		return err_set(e, ERR_CORRUPT, "not a JSON object");
	}
	*out = j;
	return 0;
}

int stored_bad(struct err *e, const char *field, const char *why)
{
	return err_field(e, ERR_CORRUPT, field, "%s %s", field, why);
}

bool stored_any(const char *s)
{
	(void)s; /* that it is a string is all there is to check */
	return true;
}

int stored_string(const json_t *j, const char *name, const char *field, bool optional,
                  bool (*valid)(const char *s), const char **out, struct err *e)
{
	const json_t *value = json_object_get(j, name);

	*out = json_string_value(value);
	if (!value)
		return optional ? 0 : stored_bad(e, field, "is missing");
	if (!*out || !valid(*out))
		return stored_bad(e, field, "has a wrong type or value");
	return 0;
}

int stored_integer(const json_t *j, const char *name, const char *field, int64_t min, int64_t *out,
                   struct err *e)
{
	const json_t *value = json_object_get(j, name);

	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < min)
		return stored_bad(e, field, "has a wrong type or value");
	*out = json_integer_value(value);
	return 0;
}

int stored_time(const json_t *j, const char *name, const char *field, int64_t *out, struct err *e)
{
	const json_t *value = json_object_get(j, name);

	if (!value)
		return 0;
	if (!json_is_string(value) || rfc3339_parse(json_string_value(value), out))
		return stored_bad(e, field, "is no RFC 3339 time stamp");
	return 0;
}

int stored_strings(const json_t *j, const char *name, const char *field, const char ***owned,
                   size_t *len, struct err *e)
{
	const json_t *array = json_object_get(j, name), *item = NULL;
	size_t i = 0;

	if (!array)
		return 0;
	if (!json_is_array(array))
		return stored_bad(e, field, "is no array");
	*owned = calloc(json_array_size(array) + 1, sizeof **owned);
	if (!*owned)
		return err_set(e, ERR_NOMEM, NULL);
	json_array_foreach(array, i, item)
	{
		(*owned)[i] = json_string_value(item);
		if (!(*owned)[i])
			return stored_bad(e, field, "holds something else than strings");
	}
	*len = i;
	return 0;
}

int stored_name(const json_t *j, const char *name, const char *field, int (*parse)(const char *),
                int *out, struct err *e)
{
	const char *text = NULL;
	int rc = stored_string(j, name, field, true, stored_any, &text, e);

	if (rc || !text)
		return rc;
	*out = parse(text);
	return *out < 0 ? stored_bad(e, field, "is not known") : 0;
}

int stored_role(const char *name)
{
	enum role r = role_parse(name);

	return r == ROLE_NONE ? -1 : (int)r;
}
