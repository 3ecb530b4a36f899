/*
 * JSON values that the state keeps without understanding them: the other keys of a section.
 *
 * Nothing here reads or writes JSON text.  Values are changed in place, so a value given to
 * patch_merge() must be the caller's alone.
 */
#ifndef COLLAB_CORE_PATCH_H
#define COLLAB_CORE_PATCH_H

#include <jansson.h>
#include <stddef.h>

/*
 * *target becomes what the JSON Merge Patch makes of it (RFC 7396, section 2): the members of a
 * patch that is an object are merged, null removes, anything else replaces.  *target may be NULL
 * for a value that does not exist.  The patch is copied, never shared.  0 or ERR_NOMEM; then
 * *target is some valid value, or NULL.
 */
int patch_merge(json_t **target, const json_t *patch);

/*
 * What a value counts against the limits: about its length as compact JSON.  Strings count their
 * bytes without escapes, reals a fixed 24.  NULL counts 0.
 */
size_t json_bytes(const json_t *value);

/* The same for a member of an object: 0 when value is NULL. */
size_t json_member_bytes(const char *key, const json_t *value);

#endif
