/* The table of settings: defaults, finding a key, setting it from text. */
#include "server/conf.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "server/conf_parts.h"

enum conf_type { TYPE_STRING, TYPE_PATH, TYPE_BOOL, TYPE_INT };

static const struct conf_row rows[CONF_ROWS] = {
#define X(section, key, member, type, def, min, max, text)                                         \
	{#section, #key, #type, def, min, max, text},
	CONF_TABLE(X)
#undef X
};

static const struct {
	enum conf_type type;
	size_t offset;
} members[CONF_ROWS] = {
#define X(section, key, member, type, def, min, max, text)                                         \
	{TYPE_##type, offsetof(struct conf, member)},
	CONF_TABLE(X)
#undef X
};

static const char limits_section[] = "limits";

const struct conf_row *conf_rows(int *len)
{
	*len = CONF_ROWS;
	return rows;
}

static void *member_at(struct conf *c, int at)
{
	return (char *)c + members[at].offset;
}

int conf_init(struct conf *c, struct err *e)
{
	*c = (struct conf){0};
	limits_default(&c->limits);
	for (int i = 0; i < CONF_ROWS; i++) {
		int rc = conf_put(c, i, rows[i].def, e);

		if (rc) {
			conf_release(c);
			return rc;
		}
	}
	return 0;
}

void conf_release(struct conf *c)
{
	for (int i = 0; i < CONF_ROWS; i++)
		if (members[i].type == TYPE_STRING || members[i].type == TYPE_PATH)
			free(*(char **)member_at(c, i));
	free(c->file);
	*c = (struct conf){0};
}

/*
 * How many characters must be inserted, removed or replaced to make b of a (Levenshtein), for names
 * of up to 63 characters; longer ones are not like anything.
 */
static int distance(const char *a, const char *b)
{
	int row[64];
	int len = (int)strlen(b);

	if (strlen(a) > 63 || len > 63)
		return 64;
	for (int j = 0; j <= len; j++)
		row[j] = j;
	for (int i = 1; a[i - 1]; i++) {
		int diagonal = row[0];

		row[0] = i;
		for (int j = 1; j <= len; j++) {
			int best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			row[j] = best;
		}
	}
	return row[len];
}

/* Keep `candidate` in *best when it is nearer to `name` than what was kept before. */
static void nearer(const char *name, const char *candidate, const char **best, int *best_distance)
{
	int d = distance(name, candidate);

	/* A third of the letters wrong is a slip, more is another word. */
	if (d < *best_distance && d <= 1 + (int)strlen(candidate) / 3) {
		*best = candidate;
		*best_distance = d;
	}
}

/* The section of key number `at` (as conf_find counts), and the key's name. */
static const char *section_of(int at)
{
	return at < CONF_ROWS ? rows[at].section : limits_section;
}

static const char *key_of(int at)
{
	int n;

	return at < CONF_ROWS ? rows[at].key : limit_rows(&n)[at - CONF_ROWS].name;
}

static int keys_len(void)
{
	int n;

	limit_rows(&n);
	return CONF_ROWS + n;
}

bool conf_section_known(const char *section, struct err *e)
{
	const char *best = NULL;
	int best_distance = 64;

	for (int i = 0; i < keys_len(); i++) {
		if (strcmp(section_of(i), section) == 0)
			return true;
		nearer(section, section_of(i), &best, &best_distance);
	}
	if (best)
		err_set(e, ERR_CONFIG, "there is no section [%.64s]; did you mean [%s]?", section,
		        best);
	else
		err_set(e, ERR_CONFIG, "there is no section [%.64s]", section);
	return false;
}

int conf_find(const char *section, const char *key, struct err *e)
{
	const char *best = NULL, *elsewhere = NULL;
	int best_distance = 64;

	if (!*section) {
		err_set(e, ERR_CONFIG, "the key %.64s stands before any section", key);
		return -1;
	}
	if (!conf_section_known(section, e))
		return -1;
	for (int i = 0; i < keys_len(); i++) {
		bool here = strcmp(section_of(i), section) == 0;

		if (here && strcmp(key_of(i), key) == 0)
			return i;
		if (strcmp(key_of(i), key) == 0)
			elsewhere = section_of(i);
		else if (here)
			nearer(key, key_of(i), &best, &best_distance);
	}
	if (elsewhere)
		err_set(e, ERR_CONFIG, "there is no key %.64s in [%s]; it belongs in [%s]", key,
		        section, elsewhere);
	else if (best)
		err_set(e, ERR_CONFIG, "there is no key %.64s in [%s]; did you mean %s?", key,
		        section, best);
	else
		err_set(e, ERR_CONFIG, "there is no key %.64s in [%s]", key, section);
	return -1;
}

/* Decimal digits and nothing else: no sign, blank, base, unit or leading zero. */
static int read_int(const char *s, int64_t min, int64_t max, int64_t *out, struct err *e)
{
	size_t len = strspn(s, "0123456789");
	long long n = 0;

	if (len == 0 || s[len] || (s[0] == '0' && len > 1))
		return err_set(e, ERR_CONFIG, "this must be a whole number");
	errno = 0;
	n = strtoll(s, NULL, 10);
	if (errno || n < min || n > max)
		return err_set(e, ERR_CONFIG, "this must be from %" PRId64 " to %" PRId64, min,
		               max);
	*out = n;
	return 0;
}

static int read_bool(const char *s, bool *out, struct err *e)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (int i = 0; i < (int)(sizeof words / sizeof words[0]); i++) {
		if (strcasecmp(s, words[i]) == 0) {
			*out = i % 2;
			return 0;
		}
	}
	return err_set(e, ERR_CONFIG, "this must be yes or no");
}

static int put_text(struct conf *c, int at, const char *value, struct err *e)
{
	char **p = member_at(c, at);
	char *copy = NULL;
	int rc;

	/* Nothing after the '=' means the default, which needs no check. */
	rc = *value ? conf_check((enum conf_at)at, value, e) : 0;
	if (rc)
		return rc;
	copy = strdup(*value ? value : rows[at].def);
	if (!copy)
		return err_set(e, ERR_NOMEM, NULL);
	free(*p);
	*p = copy;
	if (at == CONF_AT_log_level)
		(void)conf_level(copy, &c->level); /* checked above, or the default */
	return 0;
}

int conf_put(struct conf *c, int at, const char *value, struct err *e)
{
	const struct limit_row *limit = NULL;
	int n;

	if (at >= CONF_ROWS) {
		limit = &limit_rows(&n)[at - CONF_ROWS];
		return read_int(value, limit->min, limit->max, limit_at(&c->limits, at - CONF_ROWS),
		                e);
	}
	switch (members[at].type) {
	case TYPE_BOOL:
		return read_bool(value, member_at(c, at), e);
	case TYPE_INT:
		return read_int(value, rows[at].min, rows[at].max, member_at(c, at), e);
	case TYPE_STRING:
	case TYPE_PATH:
		break;
	}
	return put_text(c, at, value, e);
}

/* Whether setting `at` has the same value in both. */
static bool same(const struct conf *a, const struct conf *b, int at)
{
	const char *pa, *pb;
	struct limits la, lb;

	if (at >= CONF_ROWS) {
		la = a->limits; /* limit_at is for writing too */
		lb = b->limits;
		return *limit_at(&la, at - CONF_ROWS) == *limit_at(&lb, at - CONF_ROWS);
	}
	pa = (const char *)a + members[at].offset;
	pb = (const char *)b + members[at].offset;
	switch (members[at].type) {
	case TYPE_BOOL:
		return *(const bool *)pa == *(const bool *)pb;
	case TYPE_INT:
		return *(const int64_t *)pa == *(const int64_t *)pb;
	case TYPE_STRING:
	case TYPE_PATH:
		break;
	}
	return strcmp(*(char *const *)pa, *(char *const *)pb) == 0;
}

int conf_differs(const struct conf *a, const struct conf *b, int from, char name[CONF_NAME_BYTES])
{
	for (int at = from; at < keys_len(); at++) {
		if (same(a, b, at))
			continue;
		(void)snprintf(name, CONF_NAME_BYTES, "%s.%s", section_of(at), key_of(at));
		return at;
	}
	return -1;
}

int conf_set(struct conf *c, const char *name, const char *value, struct err *e)
{
	const char *dot = strchr(name, '.');
	char section[32] = "";
	int at, rc;

	if (!dot || (size_t)(dot - name) >= sizeof section)
		return err_set(e, ERR_CONFIG, "%.64s is not a setting; they are named section.key",
		               name);
	memcpy(section, name, (size_t)(dot - name));
	at = conf_find(section, dot + 1, e);
	if (at < 0)
		return ERR_CONFIG;
	if (!utf8_valid(value, strlen(value)))
		rc = err_set(e, ERR_CONFIG, "this is not valid UTF-8");
	else
		rc = conf_put(c, at, value, e);
	if (rc)
		err_prefix(e, "%s", name);
	else if (at < CONF_ROWS)
		c->lines[at] = 0;
	return rc;
}
