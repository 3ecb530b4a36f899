/* collabd: the daemon that hosts live sessions.  Its options, then the loop. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "core/limits.h"
#include "server/conf.h"
#include "server/loop.h"
#include "server/offline.h"

enum { ROWS_MAX = 100, SETTINGS_MAX = 256, NAME_BYTES = 64 };

/* What getopt_long gives for options without a letter; that of a setting is OPT_ROW + its row. */
enum {
	OPT_CHECK = 256,
	OPT_READY_FD,
	OPT_LIMIT,
	OPT_JOURNAL,
	OPT_FSCK,
	OPT_REPAIR,
	OPT_RESTORE,
	OPT_FORCE,
	OPT_ROW
};

/* A setting of the command line: it counts before the file's, and again at each reload. */
struct setting {
	char name[NAME_BYTES]; /* "section.key" */
	const char *value;
};

struct arguments {
	const char *config; /* NULL: the usual place, if there is a file */
	bool check, fsck, repair, force;
	const char *restore; /* a backup; NULL: none */
	struct setting settings[SETTINGS_MAX];
	int settings_len;
	struct loop_options loop;
	int status; /* when there is nothing to run, else -1 */
};

static void complain(struct arguments *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void complain(struct arguments *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fputs("collabd: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputs("\nTry 'collabd --help'.\n", stderr);
	va_end(ap);
	a->status = err_row(ERR_USAGE)->exit_status;
}

/* A setting's option is named after its key; keys of [tls] say so. */
static void option_name(const struct conf_row *row, char out[NAME_BYTES])
{
	(void)snprintf(out, NAME_BYTES, "%s%s", strcmp(row->section, "tls") == 0 ? "tls-" : "",
	               row->key); /* keys are short */
	for (; *out; out++)
		if (*out == '_')
			*out = '-';
}

static void help(struct arguments *a)
{
	int len = 0;
	const struct conf_row *rows = conf_rows(&len);
	char name[NAME_BYTES];

	(void)puts(
		"usage: collabd [OPTION]...\n"
		"Host real-time collaboration on Project Monthly Reports.\n\n"
		"  -c, --config FILE           read settings from FILE, see collabd.conf(5)\n"
		"      --check-config          check settings, keys and certificate, and exit\n"
		"      --ready-fd N            write a line of JSON to descriptor N once serving\n"
		"      --log-journal           begin log lines with <N>, their priority\n"
		"      --limit NAME=VALUE      set a limit\n"
		"      --fsck                  check the store of a daemon that does not run\n"
		"      --repair                with --fsck: mend what can be rebuilt\n"
		"      --restore FILE          put a backup in the store's place\n"
		"      --force                 with --restore: keep what is there beside it\n"
		"  -h, --help                  print this and exit\n"
		"  -V, --version               print the version and exit\n\n"
		"Settings; they count before those of the file:");
	for (int i = 0; i < len; i++) {
		bool is_bool = strcmp(rows[i].type, "BOOL") == 0;

		option_name(&rows[i], name);
		(void)printf("      --%s%s\n          %s", name, is_bool ? "[=yes|no]" : " VALUE",
		             rows[i].text);
		(void)printf(rows[i].def[0] ? " (%s)\n" : "%s\n", rows[i].def);
	}
	a->status = fflush(stdout) || ferror(stdout) ? err_row(ERR_IO)->exit_status : 0;
}

static void add_setting(struct arguments *a, const char *section, const char *key, size_t key_len,
                        const char *value)
{
	struct setting *s = &a->settings[a->settings_len];
	int n = 0;

	if (a->settings_len == SETTINGS_MAX) {
		complain(a, "too many settings");
		return;
	}
	n = snprintf(s->name, sizeof s->name, "%s.%.*s", section, (int)key_len, key);
	if (n < 0 || (size_t)n >= sizeof s->name) {
		complain(a, "%s.%s is no setting", section, key);
		return;
	}
	s->value = value;
	a->settings_len++;
}

static void set_ready_fd(struct arguments *a, const char *text)
{
	char *end = NULL;
	long fd = strtol(text, &end, 10);

	if (end == text || *end || fd < 0 || fd > INT_MAX || fcntl((int)fd, F_GETFD) < 0)
		complain(a, "--ready-fd %s: not an open descriptor", text);
	else
		a->loop.ready_fd = (int)fd;
}

static void set_limit(struct arguments *a, const char *text)
{
	const char *equals = strchr(text, '=');

	if (equals)
		add_setting(a, "limits", text, (size_t)(equals - text), equals + 1);
	else
		complain(a, "--limit %s: not NAME=VALUE", text);
}

static void set_option(struct arguments *a, int c, const struct conf_row *rows)
{
	switch (c) {
	case 'c':
		a->config = optarg;
		break;
	case 'h':
		help(a);
		break;
	case 'V':
		a->status = puts("collabd " COLLAB_VERSION) < 0 || fflush(stdout)
		                    ? err_row(ERR_IO)->exit_status
		                    : 0;
		break;
	case OPT_CHECK:
		a->check = true;
		break;
	case OPT_READY_FD:
		set_ready_fd(a, optarg);
		break;
	case OPT_LIMIT:
		set_limit(a, optarg);
		break;
	case OPT_FSCK:
		a->fsck = true;
		break;
	case OPT_REPAIR:
		a->repair = true;
		break;
	case OPT_RESTORE:
		a->restore = optarg;
		break;
	case OPT_FORCE:
		a->force = true;
		break;
	case OPT_JOURNAL:
		a->loop.log_journal = true;
		break;
	case '?': /* getopt_long has said what */
		a->status = err_row(ERR_USAGE)->exit_status;
		break;
	default:
		add_setting(a, rows[c - OPT_ROW].section, rows[c - OPT_ROW].key,
		            strlen(rows[c - OPT_ROW].key), optarg ? optarg : "yes");
	}
}

static void parse(struct arguments *a, int argc, char **argv)
{
	static const struct option fixed[] = {
		{"config", required_argument, NULL, 'c'},
		{"check-config", no_argument, NULL, OPT_CHECK},
		{"ready-fd", required_argument, NULL, OPT_READY_FD},
		{"log-journal", no_argument, NULL, OPT_JOURNAL},
		{"limit", required_argument, NULL, OPT_LIMIT},
		{"fsck", no_argument, NULL, OPT_FSCK},
		{"repair", no_argument, NULL, OPT_REPAIR},
		{"restore", required_argument, NULL, OPT_RESTORE},
		{"force", no_argument, NULL, OPT_FORCE},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
	};
	enum { FIXED = sizeof fixed / sizeof fixed[0] };
	struct option options[FIXED + ROWS_MAX + 1] = {{0}};
	char names[ROWS_MAX][NAME_BYTES];
	int len = 0, c = 0;
	const struct conf_row *rows = conf_rows(&len);

	memcpy(options, fixed, sizeof fixed);
	for (int i = 0; i < len && i < ROWS_MAX; i++) {
		bool is_bool = strcmp(rows[i].type, "BOOL") == 0;

		option_name(&rows[i], names[i]);
		options[FIXED + i] =
			(struct option){names[i], is_bool ? optional_argument : required_argument,
		                        NULL, OPT_ROW + i};
	}
	while (a->status < 0 && (c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1)
		set_option(a, c, rows);
	if (a->status < 0 && optind < argc)
		complain(a, "unexpected operand '%s'", argv[optind]);
	else if (a->status < 0 && a->fsck + a->check + (a->restore != NULL) > 1)
		complain(a, "--check-config, --fsck and --restore exclude each other");
	else if (a->status < 0 && a->repair && !a->fsck)
		complain(a, "--repair wants --fsck");
	else if (a->status < 0 && a->force && !a->restore)
		complain(a, "--force wants --restore");
}

/* Where the file is looked for when none is named.  False: nowhere. */
static bool usual_config(char *path, size_t size)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int n = 0;

	if (geteuid() == 0)
		n = snprintf(path, size, "%s/collabd/collabd.conf", COLLAB_SYSCONFDIR);
	else if (config && *config)
		n = snprintf(path, size, "%s/collabd/collabd.conf", config);
	else if (home && *home)
		n = snprintf(path, size, "%s/.config/collabd/collabd.conf", home);
	return n > 0 && (size_t)n < size && (access(path, F_OK) == 0 || errno != ENOENT);
}

static int load(void *arg, struct conf *c, struct err *e)
{
	const struct arguments *a = arg;
	char usual[PATH_MAX];
	const char *path = a->config;
	int rc = conf_init(c, e);

	if (!path && usual_config(usual, sizeof usual))
		path = usual;
	if (rc == 0 && path)
		rc = conf_read(c, path, e);
	for (int i = 0; i < a->settings_len && rc == 0; i++)
		rc = conf_set(c, a->settings[i].name, a->settings[i].value, e);
	return rc ? rc : conf_finish(c, e);
}

/*
 * jansson's lexer does not look at every allocation that fails, and would go on in memory it does
 * not have.  Ending at once loses nothing that was acknowledged.
 */
static void *allocate(size_t len)
{
	void *p = malloc(len ? len : 1);

	if (!p) {
		(void)fputs("collabd: out of memory\n", stderr);
		abort();
	}
	return p;
}

/* On a store that no daemon has. */
static int offline(const struct arguments *a, bool *left, struct err *e)
{
	struct conf c = {0};
	int rc = load((void *)a, &c, e);

	if (rc == 0)
		rc = a->fsck ? offline_fsck(&c, a->repair, left, e)
		             : offline_restore(&c, a->restore, a->force, left, e);
	conf_release(&c);
	if (rc == ERR_EXISTS) {
		e->code = rc = ERR_SESSION_EXISTS; /* a conflict, to whoever looks at the status */
		(void)fputs("collabd: with --force, what is there is kept beside\n", stderr);
	}
	return rc;
}

int main(int argc, char **argv)
{
	static struct arguments a = {.status = -1, .loop.ready_fd = -1};
	struct err e = {0};
	bool left = false;
	int rc = 0;

	json_set_alloc_funcs(allocate, free);
	parse(&a, argc, argv);
	if (a.status >= 0)
		return a.status;
	a.loop.load = load;
	a.loop.load_arg = &a;
	if (a.fsck || a.restore)
		rc = offline(&a, &left, &e);
	else
		rc = a.check ? loop_check(&a.loop, &e) : loop_run(&a.loop, &e);
	if (rc) {
		(void)fprintf(stderr, "collabd: %s\n", e.text);
		return err_row(rc)->exit_status;
	}
	return left;
}
