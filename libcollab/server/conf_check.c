/* What the value of a single setting must look like. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/conf_parts.h"

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

enum { GLOB_LEN_MAX = 256 };

bool conf_level(const char *name, enum log_level *level)
{
	static const char *const names[] = {[LOG_ERROR] = "error",
	                                    [LOG_WARNING] = "warning",
	                                    [LOG_NOTICE] = "notice",
	                                    [LOG_INFO] = "info",
	                                    [LOG_DEBUG] = "debug"};

	for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++) {
		if (strcmp(names[i], name) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

static int check_level(const char *value, struct err *e)
{
	enum log_level level;

	if (conf_level(value, &level))
		return 0;
	return err_set(e, ERR_CONFIG, "this must be error, warning, notice, info or debug");
}

static int check_durability(const char *value, struct err *e)
{
	if (strcmp(value, "fsynced") == 0)
		return 0;
	return err_set(e, ERR_CONFIG, "this must be fsynced: there is no weaker mode");
}

/* One word of a list, without the blanks around it. */
static int check_words(const char *value, const char *separators,
                       int (*check)(const char *word, struct err *e), struct err *e)
{
	char *copy = strdup(value), *state = NULL;
	int rc = 0, words = 0;

	if (!copy)
		return err_set(e, ERR_NOMEM, NULL);
	for (char *w = strtok_r(copy, separators, &state); w && !rc;
	     w = strtok_r(NULL, separators, &state)) {
		size_t len;

		w += strspn(w, " \t");
		len = strlen(w);
		while (len > 0 && (w[len - 1] == ' ' || w[len - 1] == '\t'))
			w[--len] = '\0';
		if (!*w)
			continue;
		words++;
		rc = check(w, e);
	}
	free(copy);
	if (!rc && words == 0)
		return err_set(e, ERR_CONFIG, "this list holds nothing");
	return rc;
}

/* Whether the address between [ and ] is one; it may name a link ("fe80::1%eth0"). */
static bool v6_valid(const char *address, size_t len)
{
	size_t bare = strcspn(address, "%]");
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr v6;

	if (bare >= sizeof copy || (bare < len && bare + 1 == len))
		return false;
	memcpy(copy, address, bare);
	copy[bare] = '\0';
	return inet_pton(AF_INET6, copy, &v6) == 1;
}

/* V4:PORT, [V6]:PORT, *:PORT or :PORT; names would have to be looked up. */
static int check_address(const char *word, struct err *e)
{
	const char *colon = strrchr(word, ':');
	size_t len = colon ? (size_t)(colon - word) : 0, digits = 0;
	struct in_addr v4;
	char host[64];

	if (!colon)
		return err_set(e, ERR_CONFIG, "%.64s is not ADDRESS:PORT or [V6ADDRESS]:PORT",
		               word);
	digits = strspn(colon + 1, "0123456789");
	if (digits == 0 || digits > 5 || colon[1 + digits] || atoi(colon + 1) > 65535)
		return err_set(e, ERR_CONFIG, "the port of %.64s must be from 0 to 65535", word);
	if (len == 0 || (len == 1 && *word == '*'))
		return 0;
	if (*word == '[') {
		if (colon[-1] == ']' && v6_valid(word + 1, len - 2))
			return 0;
		return err_set(e, ERR_CONFIG, "%.64s holds no IPv6 address in [ and ]", word);
	}
	if (memchr(word, ':', len))
		return err_set(e, ERR_CONFIG, "the IPv6 address of %.64s needs [ and ]", word);
	(void)snprintf(host, sizeof host, "%.*s", (int)(len < sizeof host ? len : 0), word);
	if (inet_pton(AF_INET, host, &v4) == 1)
		return 0;
	return err_set(e, ERR_CONFIG, "%.64s holds no numeric address", word);
}

static int check_listen(const char *value, struct err *e)
{
	return strcmp(value, "none") == 0 ? 0 : check_words(value, ",", check_address, e);
}

/* SCHEME://HOST[:PORT], as browsers write it (RFC 6454), or "*". */
static int check_origin(const char *word, struct err *e)
{
	const char *host = strstr(word, "://");

	if (strcmp(word, "*") == 0)
		return 0;
	if (!host || host == word || host[3] == '\0' || host[3 + strspn(host + 3, ALNUM ".-:[]")] ||
	    word + strspn(word, ALNUM "+.-") != host)
		return err_set(e, ERR_CONFIG, "%.64s is not an origin, such as https://example.org",
		               word);
	return 0;
}

static int check_origins(const char *value, struct err *e)
{
	return check_words(value, ",", check_origin, e);
}

static int check_public_url(const char *value, struct err *e)
{
	size_t scheme = strncmp(value, "wss://", 6) == 0  ? 6
	                : strncmp(value, "ws://", 5) == 0 ? 5
	                                                  : 0;
	size_t len = strlen(value);

	if (scheme == 0 || !value[scheme])
		return err_set(e, ERR_CONFIG, "this must begin with ws:// or wss:// and a host");
	if (strpbrk(value, " ?#\"<>\\") || value[len - 1] == '/')
		return err_set(e, ERR_CONFIG, "this must be a URL without query or final slash");
	return 0;
}

/* A file, or a URL whose scheme is one of two; the rest is checked where it is fetched. */
static int check_jwks(const char *value, struct err *e)
{
	if (!strstr(value, "://") || strncmp(value, "https://", 8) == 0 ||
	    strncmp(value, "http://", 7) == 0)
		return 0;
	return err_set(e, ERR_CONFIG, "this must be a file or an https:// URL");
}

static int check_scope(const char *word, struct err *e)
{
	static const char *const known[] = {"collab:start", "collab:read", "collab:metrics",
	                                    "collab:admin"};
	size_t glob = strlen("collab:start:");

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(word, known[i]) == 0)
			return 0;
	if (strncmp(word, "collab:start:", glob) == 0 && word[glob] &&
	    strlen(word + glob) <= GLOB_LEN_MAX)
		return 0;
	return err_set(e, ERR_CONFIG, "there is no scope %.64s", word);
}

static int check_scopes(const char *value, struct err *e)
{
	return strcmp(value, "none") == 0 ? 0 : check_words(value, " ", check_scope, e);
}

int conf_check(enum conf_at at, const char *value, struct err *e)
{
	static int (*const checks[CONF_ROWS])(const char *value, struct err *e) = {
		[CONF_AT_listen] = check_listen,         [CONF_AT_durability] = check_durability,
		[CONF_AT_log_level] = check_level,       [CONF_AT_allowed_origins] = check_origins,
		[CONF_AT_public_url] = check_public_url, [CONF_AT_jwks] = check_jwks,
		[CONF_AT_default_scopes] = check_scopes,
	};

	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return err_set(e, ERR_CONFIG, "this holds a control character");
	return checks[at] ? checks[at](value, e) : 0;
}
