/*
 * Types letters at the front of a section, one after another, while others type too, until the text
 * has TOTAL of them; prints the text.  usage: typist REPORT SECTION LETTER COUNT TOTAL
 */
#include <collab.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct collab_err e;

/* One letter more, before what is there. */
static int type(struct collab_text *t, char letter)
{
	size_t len = 0;
	const char *text = collab_text_get(t, &len, NULL);
	char *more = malloc(len + 2);
	int rc;

	if (!more)
		return collab_code("out_of_memory");
	more[0] = letter;
	memcpy(more + 1, text, len + 1);
	rc = collab_text_set(t, more, len + 1, &e);
	free(more);
	return rc;
}

/* Until everything is there and everybody knows what is ours. */
static int work(struct collab *c, struct collab_text *t, char letter, long count, size_t total)
{
	bool known = false;
	size_t len = 0;
	int rc = 0;

	while (rc >= 0 && (len < total || !collab_text_settled(t))) {
		struct collab_message m;

		if (collab_next(c, 20000, &m) != 1)
			return collab_code("timed_out");
		if (m.kind == COLLAB_CLOSED)
			return m.code ? m.code : collab_code("internal");
		rc = collab_text_feed(t, &m, &e);
		known |= m.kind == COLLAB_STATE;
		for (; rc >= 0 && known && count > 0 && m.kind != COLLAB_CURSOR; count--) {
			rc = type(t, letter);
			if (count % 3 == 0) { /* some at once, some one by one */
				count--;
				break;
			}
		}
		(void)collab_text_get(t, &len, NULL);
	}
	return rc < 0 ? rc : 0;
}

int main(int argc, char **argv)
{
	struct collab_config *config = collab_config_new();
	struct collab_join join = {.since = -1, .delta = true};
	struct collab_text *t = NULL;
	struct collab *c = NULL;
	size_t len = 0;
	int rc = argc == 6 && config ? 0 : collab_code("usage");

	if (!rc)
		rc = collab_config_set(config, "report", argv[1], &e);
	if (!rc)
		rc = collab_config_finish(config, &e);
	if (!rc)
		rc = collab_open(&c, config, &join, &e);
	if (!rc)
		rc = collab_text_new(&t, c, argv[2], &e);
	if (!rc && collab_text_set(t, "early", 5, &e) != collab_code("usage"))
		rc = collab_code("internal");
	if (!rc)
		rc = work(c, t, argv[3][0], atol(argv[4]), (size_t)atol(argv[5]));
	if (!rc && collab_text_set(t, "\xff", 1, &e) != collab_code("bad_utf8"))
		rc = collab_code("internal");
	if (rc)
		fprintf(stderr, "typist: %d %s\n", rc, e.text);
	else
		printf("%s\n", collab_text_get(t, &len, NULL));
	if (c)
		(void)collab_close(c, 1000);
	collab_text_free(t);
	collab_free(c);
	collab_config_free(config);
	return collab_exit_status(rc);
}
