/*
 * The members of a JSON object, one after the other, without building anything of it.
 *
 * For texts that were written by this program (events, acks, records): it finds where members
 * begin and end, and does not look whether what is between is right.  Never reads outside of the
 * text, whatever is in it; what it cannot follow is -1, and the caller parses it properly.
 */
#ifndef COLLAB_PROTO_JSON_SCAN_H
#define COLLAB_PROTO_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_scan {
	const char *at, *end;
	bool inside; /* behind the opening brace */
};

/* Strings are without their quotes and as they are written; everything else is its text. */
struct json_member {
	const char *key, *value;
	size_t key_len, len;
	bool string;
	bool escaped; /* a string with backslashes in it */
};

void json_scan_init(struct json_scan *s, const char *text, size_t len);

/* 1: the next member; 0: the object has ended, and only white space follows it; -1: see above. */
int json_scan_next(struct json_scan *s, struct json_member *m);

/* How many bytes from p on stand for themselves in a string: no quote, backslash or control. */
size_t json_plain_run(const char *p, size_t len);

/* Whether the member has this key. */
bool json_member_is(const struct json_member *m, const char *key);

/* An integer of at most 18 digits in *out; false: it is none. */
bool json_member_integer(const struct json_member *m, int64_t *out);

/*
 * A string without escapes that is shorter than size, copied with a NUL; false: it is none, and out
 * is as it was.
 */
bool json_member_copy(const struct json_member *m, char *out, size_t size);

#endif
