/* Where the server is and who we are: options, environment, pmr.conf, in this order. */
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ids.h"
#include "client/client_int.h"

enum { TOKEN_BYTES_MAX = 16384, PATH_BYTES_MAX = 4096 };

static const struct {
	const char *name, *env;
} rows[CONFIG_LEN] = {
#define X(member, name, env) {name, env},
	CONFIG_TABLE(X)
#undef X
};

struct collab_config *collab_config_new(void)
{
	return calloc(1, sizeof(struct collab_config));
}

static void forget(char *secret)
{
	if (secret) {
		volatile char *p = secret; /* a token is not left behind in freed memory */

		while (*p)
			*p++ = '\0';
	}
	free(secret);
}

void collab_config_free(struct collab_config *c)
{
	if (!c)
		return;
	for (int i = 0; i < CONFIG_LEN; i++)
		forget(c->values[i]);
	free(c);
}

struct collab_config *config_copy(const struct collab_config *c)
{
	struct collab_config *copy = collab_config_new();

	for (int i = 0; copy && i < CONFIG_LEN; i++) {
		if (!c->values[i])
			continue;
		copy->values[i] = strdup(c->values[i]);
		if (!copy->values[i]) {
			collab_config_free(copy);
			return NULL;
		}
	}
	if (copy)
		copy->finished = c->finished;
	return copy;
}

static int set(struct collab_config *c, int i, const char *value, struct collab_err *e)
{
	char *copy = value ? strdup(value) : NULL;

	if (value && !copy)
		return client_fail(e, ERR_NOMEM, "out of memory");
	forget(c->values[i]);
	c->values[i] = copy;
	return 0;
}

static int index_of(const char *name)
{
	for (int i = 0; i < CONFIG_LEN; i++)
		if (strcmp(rows[i].name, name) == 0)
			return i;
	return -1;
}

int collab_config_set(struct collab_config *c, const char *name, const char *value,
                      struct collab_err *e)
{
	int i = index_of(name);

	if (i < 0)
		return client_fail(e, ERR_USAGE, "there is no setting \"%s\"", name);
	return set(c, i, value, e);
}

const char *collab_config_get(const struct collab_config *c, const char *name)
{
	int i = index_of(name);

	return i < 0 || i == CONFIG_token ? NULL : c->values[i];
}

/* ---- pmr.conf ---------------------------------------------------------------------------------
 */

struct reading {
	struct collab_config *c;
	const char *profile; /* NULL: the values before any section, and [default] */
	bool found;
	/* What was said before, anywhere, of where the server is and of the session, holds whole.
	 */
	bool skip_where, skip_session;
	struct collab_err err;
};

static int on_value(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *r = arg;
	int i = index_of(name);
	bool mine = r->profile ? strncmp(section, "profile ", 8) == 0 &&
	                                 strcmp(section + 8, r->profile) == 0
	                       : section[0] == '\0' || strcmp(section, "default") == 0;

	if (section[0] && strcmp(section, "default") != 0 && strncmp(section, "profile ", 8) != 0) {
		client_fail(&r->err, ERR_CONFIG, "unknown section [%s]", section);
		return 0;
	}
	if (i < 0 || i == CONFIG_token || i == CONFIG_token_fd || i == CONFIG_config) {
		client_fail(&r->err, ERR_CONFIG, "unknown key \"%s\"", name);
		return 0;
	}
	r->found |= mine;
	mine = mine && !(r->skip_where && (i == CONFIG_url || i == CONFIG_socket)) &&
	       !(r->skip_session && (i == CONFIG_report || i == CONFIG_session));
	if (mine && !r->c->values[i] && set(r->c, i, value, &r->err))
		return 0;
	return 1;
}

/* Fill in from one file what is not set; absent is fine unless it was asked for by name. */
static int read_file(struct collab_config *c, const char *path, const char *profile, bool *found,
                     bool must, struct collab_err *e)
{
	struct reading r = {.c = c,
	                    .profile = profile,
	                    .skip_where = c->values[CONFIG_url] || c->values[CONFIG_socket],
	                    .skip_session = c->values[CONFIG_report] || c->values[CONFIG_session]};
	int line = ini_parse(path, on_value, &r);

	*found |= r.found;
	if (line < 0)
		return must ? client_fail(e, ERR_CONFIG, "cannot read %s: %s", path,
		                          strerror(errno))
		            : 0;
	if (line > 0)
		return client_fail(e, ERR_CONFIG, "%s:%d: %s", path, line,
		                   r.err.text[0] ? r.err.text : "not a key = value line");
	return 0;
}

/* What is said of the profile before any section counts where nothing else chose one. */
static int read_profile_name(struct collab_config *c, const char *path, struct collab_err *e)
{
	struct collab_config *file = c->values[CONFIG_profile] ? NULL : collab_config_new();
	bool found = false;
	int rc;

	if (!file)
		return c->values[CONFIG_profile] ? 0 : client_fail(e, ERR_NOMEM, "out of memory");
	rc = read_file(file, path, NULL, &found, false, e);
	if (!rc)
		rc = set(c, CONFIG_profile, file->values[CONFIG_profile], e);
	collab_config_free(file);
	return rc;
}

static int read_files(struct collab_config *c, struct collab_err *e)
{
	const char *asked = c->values[CONFIG_config], *profile = NULL;
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char own[PATH_BYTES_MAX] = "";
	const char *paths[2] = {asked, NULL};
	bool found = false;
	int rc = 0;

	if (!asked) {
		if (xdg && *xdg)
			(void)snprintf(own, sizeof own, "%s/pmr/pmr.conf", xdg);
		else if (home && *home)
			(void)snprintf(own, sizeof own, "%s/.config/pmr/pmr.conf", home);
		paths[0] = own[0] ? own : NULL;
		paths[1] = COLLAB_SYSCONFDIR "/pmr/pmr.conf";
	}
	for (int i = 0; i < 2 && !rc; i++)
		if (paths[i])
			rc = read_profile_name(c, paths[i], e);
	for (int pass = 0; pass < 2; pass++) {
		profile = c->values[CONFIG_profile];
		if (pass == 0 && !profile)
			continue;
		for (int i = 0; i < 2 && !rc; i++)
			if (paths[i])
				rc = read_file(c, paths[i], pass ? NULL : profile, &found,
				               asked != NULL, e);
		if (pass == 0 && !rc && !found)
			rc = client_fail(e, ERR_CONFIG, "there is no profile \"%s\"", profile);
	}
	return rc;
}

/* ---- the token --------------------------------------------------------------------------------
 */

static int read_token(struct collab_config *c, int fd, const char *name, struct collab_err *e)
{
	char text[TOKEN_BYTES_MAX + 1];
	size_t len = 0;
	ssize_t n = 0;
	int rc = 0;

	while (len < TOKEN_BYTES_MAX && (n = read(fd, text + len, TOKEN_BYTES_MAX - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return client_fail(e, ERR_CONFIG, "cannot read %s: %s", name,
			                   strerror(errno));
		len += (size_t)n;
	}
	while (len > 0 && strchr(" \t\r\n", text[len - 1]))
		len--;
	text[len] = '\0';
	if (len == 0 || text[strcspn(text, " \t\r\n")] != '\0')
		rc = client_fail(e, ERR_CONFIG, "%s does not hold one token", name);
	else
		rc = set(c, CONFIG_token, text, e);
	memset(text, 0, sizeof text);
	return rc;
}

int config_reread_token(struct collab_config *c, struct collab_err *e)
{
	const char *path = c->values[CONFIG_token_file];
	struct stat st;
	int fd, rc = 0;

	if (!path)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		rc = client_fail(e, ERR_CONFIG, "cannot read token file %s: %s", path,
		                 strerror(errno));
	else if (S_ISREG(st.st_mode) && (st.st_mode & 077))
		rc = client_fail(e, ERR_CONFIG, "token file %s can be read by others; chmod 600 it",
		                 path);
	else
		rc = read_token(c, fd, path, e);
	if (fd >= 0)
		close(fd);
	return rc;
}

static int token(struct collab_config *c, const char *env_token, struct collab_err *e)
{
	char *end = NULL;
	long fd;

	if (c->values[CONFIG_token_fd]) {
		fd = strtol(c->values[CONFIG_token_fd], &end, 10);
		if (fd < 0 || fd > 65535 || *end)
			return client_fail(e, ERR_USAGE, "--token-fd wants a descriptor's number");
		return read_token(c, (int)fd, "the token descriptor", e);
	}
	if (c->values[CONFIG_token_file])
		return config_reread_token(c, e);
	return env_token && *env_token ? set(c, CONFIG_token, env_token, e) : 0;
}

/* ---- defaults ---------------------------------------------------------------------------------
 */

static bool is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* The places where collabd puts its socket, in its order. */
static int default_socket(struct collab_config *c, struct collab_err *e)
{
	const char *run = getenv("XDG_RUNTIME_DIR"), *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	char path[PATH_BYTES_MAX];

	if (run && *run) {
		(void)snprintf(path, sizeof path, "%s/collabd.sock", run);
		if (is_socket(path))
			return set(c, CONFIG_socket, path, e);
	}
	if (is_socket("/run/collabd/collabd.sock"))
		return set(c, CONFIG_socket, "/run/collabd/collabd.sock", e);
	path[0] = '\0';
	if (state && *state)
		(void)snprintf(path, sizeof path, "%s/collabd/collabd.sock", state);
	else if (home && *home)
		(void)snprintf(path, sizeof path, "%s/.local/state/collabd/collabd.sock", home);
	return path[0] && is_socket(path) ? set(c, CONFIG_socket, path, e) : 0;
}

static int check(struct collab_config *c, struct collab_err *e)
{
	const char *url = c->values[CONFIG_url], *session = c->values[CONFIG_session];
	char *slash = NULL;

	if (url && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return client_fail(e, ERR_CONFIG, "url must begin with http:// or https://");
	if (url && (slash = strrchr(c->values[CONFIG_url], '/')) && slash[1] == '\0' &&
	    slash - url > 8)
		*slash = '\0';
	if (c->values[CONFIG_report] && !name_valid(c->values[CONFIG_report]))
		return client_fail(e, ERR_USAGE, "\"%s\" is not a report id",
		                   c->values[CONFIG_report]);
	if (session && (strlen(session) < 8 || strlen(session) > UUID_LEN ||
	                strspn(session, "0123456789abcdefABCDEF-") != strlen(session)))
		return client_fail(e, ERR_USAGE,
		                   "\"%s\" is neither a session id nor 8 characters of one",
		                   session);
	return 0;
}

int collab_config_finish(struct collab_config *c, struct collab_err *e)
{
	bool report = c->values[CONFIG_report] != NULL, session = c->values[CONFIG_session] != NULL;
	bool where = c->values[CONFIG_url] || c->values[CONFIG_socket];
	bool credential = c->values[CONFIG_token_file] || c->values[CONFIG_token_fd];
	const char *env_token = credential ? NULL : getenv("PMR_TOKEN");
	int rc = 0;

	for (int i = 0; i < CONFIG_LEN && !rc; i++) {
		const char *value = rows[i].env && i != CONFIG_token ? getenv(rows[i].env) : NULL;

		/* A report named as an option wins over a session of the environment, and so on. */
		if (!value || !*value || c->values[i] || (i == CONFIG_session && report) ||
		    (i == CONFIG_report && session) ||
		    ((i == CONFIG_url || i == CONFIG_socket) && where) ||
		    (i == CONFIG_token_file && credential))
			continue;
		rc = set(c, i, value, e);
	}
	if (!rc)
		rc = read_files(c, e);
	if (!rc && !c->values[CONFIG_url] && !c->values[CONFIG_socket])
		rc = default_socket(c, e);
	if (!rc && !c->values[CONFIG_url] && !c->values[CONFIG_socket])
		rc = set(c, CONFIG_url, "http://127.0.0.1:8765", e);
	if (!rc)
		rc = check(c, e);
	if (!rc)
		rc = token(c, env_token, e);
	c->finished = rc == 0;
	return rc;
}

const char *config_url(const struct collab_config *c)
{
	return c->values[CONFIG_url] && !c->values[CONFIG_socket] ? c->values[CONFIG_url]
	                                                          : "http://localhost";
}

int config_session_path(const struct collab_config *c, bool websocket, struct buf *out,
                        struct collab_err *e)
{
	const char *session = c->values[CONFIG_session], *report = c->values[CONFIG_report];
	const char *root = websocket ? "/ws" : "/api", *end = websocket ? "" : "/";

	if (session)
		buf_printf(out, "%s/sessions/%s%s", root, session, end);
	else if (report)
		buf_printf(out, "%s/reports/pmr/%s/collaborate%s", root, report, end);
	else
		return client_fail(e, ERR_USAGE,
		                   "which session? use -r REPORT or -s SESSION, or set PMR_REPORT");
	return 0;
}
