/* JSON Merge Patch, and the size of values. */
#include "core/patch.h"

#include <string.h>

#include "base/err.h"

/* Make *target an object if it is none. */
static int make_object(json_t **target)
{
	if (json_is_object(*target))
		return 0;
	json_decref(*target);
	*target = json_object();
	return *target ? 0 : ERR_NOMEM;
}

/* Merge one member; the value is put back even when that failed half-way. */
static int merge_member(json_t *object, const char *key, const json_t *patch)
{
	json_t *value = json_incref(json_object_get(object, key));
	int rc = patch_merge(&value, patch);

	if (value && json_object_set_new_nocheck(object, key, value))
		rc = ERR_NOMEM;
	return rc;
}

int patch_merge(json_t **target, const json_t *patch)
{
	const char *key = NULL;
	json_t *value = NULL;
	int rc = 0;

	if (!json_is_object(patch)) {
		json_decref(*target);
		*target = json_deep_copy(patch);
		return *target ? 0 : ERR_NOMEM;
	}
	rc = make_object(target);
	if (rc)
		return rc;
	/* The macro wants a pointer that is not const; the patch is only read. */
	json_object_foreach((json_t *)patch, key, value)
	{
		if (json_is_null(value))
			(void)json_object_del(*target, key); /* it need not be there */
		else
			rc = merge_member(*target, key, value);
		if (rc)
			return rc;
	}
	return 0;
}

static size_t integer_bytes(json_int_t n)
{
	size_t bytes = n < 0 ? 2 : 1;

	while (n /= 10)
		bytes++;
	return bytes;
}

size_t json_member_bytes(const char *key, const json_t *value)
{
	return value ? strlen(key) + 4 + json_bytes(value) : 0;
}

size_t json_bytes(const json_t *value)
{
	const char *key = NULL;
	json_t *item = NULL;
	size_t i = 0;
	size_t bytes = 2;

	if (!value)
		return 0;
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		json_object_foreach((json_t *)value, key, item) bytes +=
			json_member_bytes(key, item);
		return bytes;
	case JSON_ARRAY:
		json_array_foreach(value, i, item) bytes += json_bytes(item) + 1;
		return bytes;
	case JSON_STRING:
		return json_string_length(value) + 2;
	case JSON_INTEGER:
		return integer_bytes(json_integer_value(value));
	case JSON_REAL:
		return 24;
	case JSON_TRUE:
	case JSON_NULL:
		return 4;
	case JSON_FALSE:
		return 5;
	}
	return bytes;
}
