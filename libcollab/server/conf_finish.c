/* Defaults that depend on the user and the environment, and what must fit together. */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "server/conf_parts.h"

enum { PATH_LEN_MAX = 4095 };

/* An error about row `at`: with file and line when it was read, else with its name. */
static int wrong(const struct conf *c, enum conf_at at, struct err *e)
{
	int n;

	if (c->file && c->lines[at])
		err_prefix(e, "%s:%d", c->file, c->lines[at]);
	else
		err_prefix(e, "%s.%s", conf_rows(&n)[at].section, conf_rows(&n)[at].key);
	return ERR_CONFIG;
}

/* An environment variable that holds a path, or NULL; relative ones do not count (XDG Base
 * Directory). */
static const char *env_path(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] == '/' ? value : NULL;
}

/* Replace *out by a and b; 0 or ERR_NOMEM, and then nothing changed. */
static int join(char **out, const char *a, const char *b, struct err *e)
{
	struct buf path;
	char *p = NULL;

	buf_init(&path, 2 * PATH_LEN_MAX);
	buf_puts(&path, a);
	buf_puts(&path, b);
	p = buf_take(&path);
	if (!p) {
		buf_release(&path);
		return err_set(e, ERR_NOMEM, NULL);
	}
	free(*out);
	*out = p;
	return 0;
}

static int home_state(char **out, struct err *e)
{
	char buffer[4096];
	struct passwd user, *found = NULL;
	const char *home = env_path("HOME");

	if (!home && getpwuid_r(geteuid(), &user, buffer, sizeof buffer, &found) == 0 && found &&
	    found->pw_dir[0] == '/')
		home = found->pw_dir;
	if (!home)
		return err_set(e, ERR_CONFIG,
		               "server.data_dir: must be set, as neither XDG_STATE_HOME nor HOME "
		               "is");
	return join(out, home, "/.local/state/collabd", e);
}

static int default_paths(struct conf *c, struct err *e)
{
	bool root = geteuid() == 0;
	const char *state = env_path("XDG_STATE_HOME"), *runtime = env_path("XDG_RUNTIME_DIR");
	int rc = 0;

	if (!*c->data_dir) {
		c->data_dir_usual = true;
		if (root)
			rc = join(&c->data_dir, "/var/lib", "/collabd", e);
		else if (state)
			rc = join(&c->data_dir, state, "/collabd", e);
		else
			rc = home_state(&c->data_dir, e);
	}
	if (rc || *c->socket)
		return rc;
	if (root)
		return join(&c->socket, "/run/collabd", "/collabd.sock", e);
	return join(&c->socket, runtime ? runtime : c->data_dir, "/collabd.sock", e);
}

static int check_paths(const struct conf *c, struct err *e)
{
	struct sockaddr_un addr;

	if (strlen(c->socket) < sizeof addr.sun_path)
		return 0;
	err_set(e, ERR_CONFIG, "the path of a Unix socket can have %d bytes at the most",
	        (int)sizeof addr.sun_path - 1);
	return wrong(c, CONF_AT_socket, e);
}

static int check_tls(const struct conf *c, struct err *e)
{
	if (!*c->tls_certificate == !*c->tls_key)
		return 0;
	if (*c->tls_key) {
		err_set(e, ERR_CONFIG, "a key needs a certificate");
		return wrong(c, CONF_AT_tls_key, e);
	}
	err_set(e, ERR_CONFIG, "a certificate needs a key");
	return wrong(c, CONF_AT_tls_certificate, e);
}

/* The file is opened and checked again where it is read; here the message can name the line. */
static int check_secret(const struct conf *c, struct err *e)
{
	struct stat st;

	if (!*c->secret_file)
		return 0;
	if (stat(c->secret_file, &st))
		err_set(e, ERR_CONFIG, "%s cannot be read: %s", c->secret_file, strerror(errno));
	else if (st.st_mode & 077)
		err_set(e, ERR_CONFIG, "%s must be readable by its owner alone (mode 0600)",
		        c->secret_file);
	else
		return 0;
	return wrong(c, CONF_AT_secret_file, e);
}

int conf_finish(struct conf *c, struct err *e)
{
	int rc = default_paths(c, e);

	if (!rc)
		rc = check_paths(c, e);
	if (!rc)
		rc = check_tls(c, e);
	if (!rc)
		rc = check_secret(c, e);
	return rc;
}
