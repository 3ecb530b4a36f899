/* Identifiers: UUIDs, and the names that sections, users and reports may have. */
#ifndef COLLAB_BASE_IDS_H
#define COLLAB_BASE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	UUID_LEN = 36,     /* characters, without NUL */
	NAME_LEN_MAX = 128 /* bytes of a report, user or section id */
};

/* 16 random bytes to a version 4 UUID (RFC 9562), 36 lower-case characters and a NUL. */
void uuid_format(const unsigned char random[16], char out[UUID_LEN + 1]);

/* Any UUID of 36 characters, upper or lower case. */
bool uuid_valid(const char *s);

/* report_id and user_id: a UUID or [A-Za-z0-9][A-Za-z0-9._@-]{0,127}. */
bool name_valid(const char *s);

/* section_id: [A-Za-z0-9][A-Za-z0-9._-]{0,127}. */
bool section_name_valid(const char *s);

/* A 64-bit non-cryptographic hash (FNV-1a with a final mix) of bytes, chained from `seed`. */
uint64_t hash64(uint64_t seed, const void *bytes, size_t len);

#endif
