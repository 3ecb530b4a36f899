/*
 * A copy of a section by collab_text, led by its stdin.  "=TEXT" makes the text TEXT; after "deaf"
 * nothing is read from the server until then.  Whenever the copy changes, and after each line read,
 * it prints "SETTLED SEQ TEXT", SETTLED 1 or 0; for each error "error CODE".  usage: mirror REPORT
 * SECTION
 */
#include <collab.h>
#include <stdio.h>
#include <string.h>

static struct collab_err e;

static void show(const struct collab_text *t)
{
	size_t len = 0;
	long long seq = 0;
	int64_t at = 0;
	const char *text = collab_text_get(t, &len, &at);

	seq = at;
	printf("%d %lld %s\n", collab_text_settled(t), seq, text);
	(void)fflush(stdout);
}

static int hear(struct collab *c, struct collab_text *t)
{
	struct collab_message m;
	int rc = 0;

	while (rc >= 0 && collab_next(c, 0, &m) == 1) {
		bool settled = collab_text_settled(t);

		if (m.kind == COLLAB_CLOSED)
			return m.code ? m.code : collab_code("internal");
		if (m.kind == COLLAB_ERROR) {
			printf("error %d\n", collab_exit_status(m.code));
			(void)fflush(stdout);
		}
		rc = collab_text_feed(t, &m, &e);
		if (rc == 1 || settled != collab_text_settled(t))
			show(t);
	}
	return rc < 0 ? rc : 0;
}

/* Do what the next line says.  1: there is none. */
static int obey(struct collab_text *t, bool *deaf)
{
	char line[1024];
	int rc = 0;

	if (!fgets(line, sizeof line, stdin))
		return 1;
	line[strcspn(line, "\n")] = '\0';
	*deaf = strcmp(line, "deaf") == 0;
	if (line[0] == '=')
		rc = collab_text_set(t, line + 1, strlen(line + 1), &e);
	if (!rc)
		show(t);
	return rc;
}

static int lead(struct collab *c, struct collab_text *t)
{
	bool deaf = false;
	int rc = 0;

	while (!rc) {
		struct pollfd fds[8] = {{.fd = 0, .events = POLLIN}};
		int n = 1 + (deaf ? 0 : collab_fds(c, fds + 1, 7));

		(void)poll(fds, (nfds_t)n, deaf ? -1 : collab_timeout(c));
		if (fds[0].revents)
			rc = obey(t, &deaf);
		if (!rc && !deaf)
			rc = hear(c, t);
	}
	return rc < 0 ? rc : 0;
}

int main(int argc, char **argv)
{
	struct collab_config *config = collab_config_new();
	struct collab_join join = {.since = -1, .delta = true};
	struct collab_text *t = NULL;
	struct collab *c = NULL;
	int rc = argc == 3 && config ? 0 : collab_code("usage");

	(void)setvbuf(stdin, NULL, _IONBF, 0); /* poll knows nothing of what is read ahead */
	if (!rc)
		rc = collab_config_set(config, "report", argv[1], &e);
	if (!rc)
		rc = collab_config_finish(config, &e);
	if (!rc)
		rc = collab_open(&c, config, &join, &e);
	if (!rc)
		rc = collab_text_new(&t, c, argv[2], &e);
	if (!rc)
		rc = lead(c, t);
	if (rc)
		fprintf(stderr, "mirror: %d %s\n", rc, e.text);
	if (c)
		(void)collab_close(c, 1000);
	collab_text_free(t);
	collab_free(c);
	collab_config_free(config);
	return collab_exit_status(rc);
}
