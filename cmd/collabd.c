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
#include "collabd_offline.h"
#include "core/limits.h"
#include "server/conf.h"
#include "server/loop.h"

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
	OPT_COMPLETE,
	OPT_ROW
};

/* A setting of the command line: it counts before the file's, and again at each reload. */
struct setting {
	char name[NAME_BYTES]; /* "section.key" */
	const char *value;
};

struct arguments {
	const char *config; /* NULL: the usual place, if there is a file */
	bool check, fsck;
	struct offline_work offline;
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

/* The options that are no settings. */
static const struct fixed_option {
	const char *name;
	int value; /* its letter, or OPT_* */
	const char *argument, *text;
} fixed_options[] = {
	{"config", 'c', "FILE", "read settings from FILE, see collabd.conf(5)"},
	{"check-config", OPT_CHECK, NULL, "check settings, keys and certificate, and exit"},
	{"ready-fd", OPT_READY_FD, "N", "write a line of JSON to descriptor N once serving"},
	{"log-journal", OPT_JOURNAL, NULL, "begin log lines with <N>, their priority"},
	{"limit", OPT_LIMIT, "NAME=VALUE", "set a limit"},
	{"fsck", OPT_FSCK, NULL, "check the store of a daemon that does not run"},
	{"repair", OPT_REPAIR, NULL, "with --fsck: mend what can be rebuilt"},
	{"restore", OPT_RESTORE, "FILE", "put a backup in the store's place"},
	{"force", OPT_FORCE, NULL, "with --restore: keep what is there beside it"},
	{"help", 'h', NULL, "print this and exit"},
	{"version", 'V', NULL, "print the version and exit"},
};

enum { FIXED = sizeof fixed_options / sizeof fixed_options[0] };

static void end_output(struct arguments *a)
{
	a->status = 0;
	if (fflush(stdout) || ferror(stdout)) {
		(void)fprintf(stderr, "collabd: cannot write to stdout: %s\n", strerror(errno));
		a->status = err_row(ERR_IO)->exit_status;
	}
}

static void help(struct arguments *a)
{
	int len = 0;
	const struct conf_row *rows = conf_rows(&len);
	char name[NAME_BYTES];

	(void)puts("usage: collabd [OPTION]...\n"
	           "Host real-time collaboration on Project Monthly Reports.\n");
	for (int i = 0; i < FIXED; i++) {
		const struct fixed_option *o = &fixed_options[i];
		char letter[] = "    ";

		if (o->value < OPT_CHECK)
			(void)snprintf(letter, sizeof letter, "-%c, ", o->value);
		(void)snprintf(name, sizeof name, "--%s%s%s", o->name, o->argument ? " " : "",
		               o->argument ? o->argument : "");
		(void)printf("  %s%-22s  %s\n", letter, name, o->text);
	}
	(void)puts("\nSettings; they count before those of the file:");
	for (int i = 0; i < len; i++) {
		bool is_bool = strcmp(rows[i].type, "BOOL") == 0;

		option_name(&rows[i], name);
		(void)printf("      --%s%s\n          %s", name, is_bool ? "[=yes|no]" : " VALUE",
		             rows[i].text);
		(void)printf(rows[i].def[0] ? " (%s)\n" : "%s\n", rows[i].def);
	}
	end_output(a);
}

/* For completions/: "option TAB argument TAB help" a line. */
static void complete_options(struct arguments *a)
{
	int len = 0;
	const struct conf_row *rows = conf_rows(&len);
	char name[NAME_BYTES];

	for (int i = 0; i < FIXED; i++) {
		const struct fixed_option *o = &fixed_options[i];
		const char *argument = o->argument ? o->argument : "";

		if (o->value < OPT_CHECK)
			(void)printf("-%c\t%s\t%s\n", o->value, argument, o->text);
		(void)printf("--%s\t%s\t%s\n", o->name, argument, o->text);
	}
	for (int i = 0; i < len; i++) {
		const char *type = rows[i].type;

		option_name(&rows[i], name);
		(void)printf("--%s\t%s\t%s\n", name,
		             strcmp(type, "BOOL") == 0   ? ""
		             : strcmp(type, "PATH") == 0 ? "PATH"
		                                         : "VALUE",
		             rows[i].text);
	}
	end_output(a);
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
		(void)puts("collabd " COLLAB_VERSION); /* what failed shows at the end */
		end_output(a);
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
		a->offline.repair = true;
		break;
	case OPT_RESTORE:
		a->offline.restore = optarg;
		break;
	case OPT_FORCE:
		a->offline.force = true;
		break;
	case OPT_JOURNAL:
		a->loop.log_journal = true;
		break;
	case OPT_COMPLETE:
		complete_options(a);
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
	struct option options[FIXED + 1 + ROWS_MAX + 1] = {{0}}, *next = options;
	char names[ROWS_MAX][NAME_BYTES];
	int len = 0, c = 0;
	const struct conf_row *rows = conf_rows(&len);

	for (int i = 0; i < FIXED; i++)
		*next++ =
			(struct option){fixed_options[i].name,
		                        fixed_options[i].argument ? required_argument : no_argument,
		                        NULL, fixed_options[i].value};
	*next++ = (struct option){"complete-options", no_argument, NULL, OPT_COMPLETE};
	for (int i = 0; i < len && i < ROWS_MAX; i++) {
		bool is_bool = strcmp(rows[i].type, "BOOL") == 0;

		option_name(&rows[i], names[i]);
		*next++ = (struct option){names[i], is_bool ? optional_argument : required_argument,
		                          NULL, OPT_ROW + i};
	}
	while (a->status < 0 && (c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1)
		set_option(a, c, rows);
	if (a->status < 0 && optind < argc)
		complain(a, "unexpected operand '%s'", argv[optind]);
	else if (a->status < 0 && a->fsck + a->check + (a->offline.restore != NULL) > 1)
		complain(a, "--check-config, --fsck and --restore exclude each other");
	else if (a->status < 0 && a->offline.repair && !a->fsck)
		complain(a, "--repair wants --fsck");
	else if (a->status < 0 && a->offline.force && !a->offline.restore)
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
		rc = collabd_offline(&c, &a->offline, left, e);
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
	if (a.fsck || a.offline.restore)
		rc = offline(&a, &left, &e);
	else
		rc = a.check ? loop_check(&a.loop, &e) : loop_run(&a.loop, &e);
	if (rc) {
		(void)fprintf(stderr, "collabd: %s\n", e.text);
		return err_row(rc)->exit_status;
	}
	return left;
}
