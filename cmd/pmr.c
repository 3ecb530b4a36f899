/* pmr: one command for people, whose verbs are the tools. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pmr.h"
#include "tool_child.h"

/* X(verb, what it does): the tools. */
#define TOOLS_TABLE(X)                                                                             \
	X("session", "start, show, list and end sessions")                                         \
	X("section", "read and change the sections of a report")                                   \
	X("comment", "write, resolve and list comments")                                           \
	X("watch", "follow the events of a session")                                               \
	X("log", "the past: events, states, differences, authors, proofs")                         \
	X("member", "who takes part, and who is online")                                           \
	X("conflict", "see and settle conflicts")                                                  \
	X("lock", "hold the lock of a section while a command runs")                               \
	X("wait", "wait until something is true of a session")                                     \
	X("each", "run a command for each event")                                                  \
	X("join", "a seat in a session: messages in, messages out")                                \
	X("send", "send messages, one answer each")                                                \
	X("token", "make tokens, and show what they say")                                          \
	X("admin", "look after a server")                                                          \
	X("top", "sessions, people and rates, live")                                               \
	X("bench", "load a server, and measure")

/* ---- where the tools are ----------------------------------------------------------------------
 */

/* The directory of this program, where its tools are too. */
static bool own_directory(char out[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
	char *slash = NULL;

	if (n <= 0)
		return false;
	out[n] = '\0';
	slash = strrchr(out, '/');
	if (slash)
		*slash = '\0';
	return slash != NULL;
}

static bool find_in_path(const char *name, char out[PATH_MAX])
{
	const char *path = getenv("PATH");

	while (path && *path) {
		size_t len = strcspn(path, ":");

		if (len && snprintf(out, PATH_MAX, "%.*s/%s", (int)len, path, name) < PATH_MAX &&
		    access(out, X_OK) == 0)
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

/* A program of ours: beside this one, else in PATH. */
static bool find_own(const char *name, char out[PATH_MAX])
{
	char own[PATH_MAX];

	if (strchr(name, '/'))
		return false;
	return (own_directory(own) && snprintf(out, PATH_MAX, "%s/%s", own, name) < PATH_MAX &&
	        access(out, X_OK) == 0) ||
	       find_in_path(name, out);
}

/* ---- how a verb is shown ----------------------------------------------------------------------
 */

/* What is not here is shown as objects. */
static const struct {
	const char *tool, *verb; /* verb NULL: any */
	struct pmr_show how;
} shows[] = {
	{"session", "list", {PMR_TABLE, NULL, true}},
	{"session", "export", {PMR_TEXT, NULL, true}},
	{"section", "list", {PMR_TABLE, NULL, true}},
	{"section", "history", {PMR_TABLE, NULL, true}},
	{"section", "get", {PMR_TEXT, NULL, true}},
	{"section", "edit", {PMR_RAW, NULL, false}},
	{"comment", "list", {PMR_TABLE, NULL, true}},
	{"member", "list", {PMR_TABLE, NULL, true}},
	{"conflict", "list", {PMR_TABLE, NULL, true}},
	{"log", "events", {PMR_EVENTS, NULL, true}},
	{"log", "blame", {PMR_TABLE, NULL, true}},
	{"admin", "sessions", {PMR_TABLE, NULL, true}},
	{"admin", "connections", {PMR_TABLE, NULL, true}},
	{"admin", "metrics", {PMR_TEXT, NULL, true}},
	{"watch", NULL, {PMR_EVENTS, NULL, false}},
	{"join", NULL, {PMR_EVENTS, NULL, false}},
	{"wait", NULL, {PMR_EVENTS, NULL, false}},
	{"lock", NULL, {PMR_RAW, NULL, false}},
	{"each", NULL, {PMR_RAW, NULL, false}},
	{"top", NULL, {PMR_RAW, NULL, false}},
};

/* Whether one of the words before "--" is, or begins with, `word`. */
static bool has_word(char **words, const char *word, bool begins)
{
	for (; *words && strcmp(*words, "--") != 0; words++)
		if (begins ? strncmp(*words, word, strlen(word)) == 0 : strcmp(*words, word) == 0)
			return true;
	return false;
}

static struct pmr_show show_of(const char *tool, char **words)
{
	struct pmr_show how = {PMR_OBJECT, NULL, false};
	bool command = false, known = false;

	/* A format is what one wants to see, and help is text. */
	if (has_word(words, "-F", true) || has_word(words, "--format", true) ||
	    has_word(words, "-h", false) || has_word(words, "--help", false))
		return (struct pmr_show){PMR_TEXT, NULL, false};
	for (size_t i = 0; i < sizeof shows / sizeof shows[0]; i++) {
		if (strcmp(shows[i].tool, tool) != 0)
			continue;
		known = true;
		if (shows[i].verb && !has_word(words, shows[i].verb, false))
			continue;
		how = shows[i].how;
		/* An edit by a command needs no terminal, one by an editor does. */
		for (char **word = words; *word && !command; word++)
			command = strcmp(*word, "--") == 0;
		if (shows[i].verb && how.mode == PMR_RAW && command)
			how.mode = PMR_OBJECT;
		if (shows[i].verb && how.mode == PMR_TABLE)
			how.view = pmr_view_of(tool, shows[i].verb);
		return how;
	}
#define X(verb, help) known |= strcmp(tool, verb) == 0;
	TOOLS_TABLE(X)
#undef X
	/* What somebody else made knows best what it shows. */
	how.mode = known ? how.mode : PMR_RAW;
	return how;
}

/* ---- verbs ------------------------------------------------------------------------------------
 */

static int run_tool(char **words)
{
	struct tool t = {.spec = &(struct tool_spec){.name = "pmr"}};
	struct pmr_show how = show_of(words[0], words + 1);
	const char *command[2] = {NULL, NULL};
	char path[PATH_MAX], name[NAME_MAX + 1], *verb = words[0];
	int status;

	if (snprintf(name, sizeof name, "pmr-%s", verb) >= (int)sizeof name ||
	    !find_own(name, path))
		return tool_usage(&t, "there is no verb \"%s\" and no pmr-%s", verb, verb);
	words[0] = name;
	pmr_use_export();
	if (isatty(STDOUT_FILENO) && how.mode != PMR_RAW) {
		status = pmr_show(path, words, &how);
	} else {
		(void)execv(path, words);
		command[0] = path;
		child_exec(&t, command); /* says what is wrong */
	}
	return status;
}

/* A small system has no manuals; --help is better than nothing. */
static _Noreturn void help_without_man(struct tool *t, const char *program)
{
	char path[PATH_MAX];
	const char *words[] = {path, "--help", NULL};

	if (!find_own(program, path))
		exit(tool_usage(t, "there is no %s", program));
	(void)tool_complain(t, 0,
	                    "there is no man here to show the manual; %s --help says:", program);
	tool_flush(t);
	child_exec(t, words);
}

/* The words of the manual: that of an installed page, or of one in the tree this was built in. */
static int help(struct tool *t)
{
	const char *verb = t->operands_len ? t->operands[0] : NULL;
	char own[PATH_MAX / 2], dir[PATH_MAX], page[NAME_MAX], file[PATH_MAX + NAME_MAX + 16];
	const char *words[] = {"man", page, NULL};

	if (verb && strchr(verb, '/'))
		return tool_usage(t, "\"%s\" is no verb", verb);
	(void)snprintf(page, sizeof page, "pmr%s%s", verb ? "-" : "", verb ? verb : "");
	if (!find_in_path("man", file))
		help_without_man(t, page);
	if (own_directory(dir)) {
		(void)snprintf(own, sizeof own, "%s", dir);
		(void)snprintf(file, sizeof file, "%s/../man/%s.1", own, page);
		if (strlen(dir) < sizeof own && access(file, R_OK) == 0)
			words[1] = file;
	}
	tool_flush(t);
	child_exec(t, words);
}

static int never(struct tool *t)
{
	return tool_usage(t, "the verb comes first");
}

static const struct tool_option options[] = {
	{"none", 0, NULL, "use no session any more", "use "},
	{NULL, 0, NULL, NULL, NULL},
};

static const struct tool_verb verbs[] = {
#define X(verb, text) {verb, "...", text, 0, -1, 0, never},
	TOOLS_TABLE(X)
#undef X
		{"use", "[SESSION]", "the session or report that the other verbs are about", 0, 1,
                 TOOL_TARGET, pmr_use},
	{"help", "[VERB]", "open the manual", 0, 1, 0, help},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct tool_spec spec = {
	"pmr", "Project Monthly Reports, together: the pmr tools for people.", 0, options, verbs,
};

int main(int argc, char **argv)
{
	static char help_word[] = "--help";
	char *alone[] = {argv[0], help_word, NULL};

	if (argc < 2)
		return tool_main(&spec, 2, alone);
	if (argv[1][0] == '-' || strcmp(argv[1], "use") == 0 || strcmp(argv[1], "help") == 0)
		return tool_main(&spec, argc, argv);
	return run_tool(argv + 1);
}
