/* The logs in tests/data/log, which must fold for ever to the state that they once folded to. */
#include "../tap.h"

#include <dirent.h>

#include "core/session.h"
#include "proto/event_json.h"
#include "proto/state_json.h"

#define DIR_LOG "tests/data/log"

static bool seen[EVENT_KINDS];

/* A log being read. */
struct golden {
	struct session s;
	unsigned char hash[SHA256_LEN]; /* of the event before */
	struct buf again;
	int64_t wrong_at; /* seq of the first event with something wrong; 0: none */
	char why[400];
};

static void complain(struct golden *g, int64_t seq, const char *what, const struct err *e)
{
	if (g->wrong_at)
		return;
	g->wrong_at = seq;
	(void)snprintf(g->why, sizeof g->why, "%s: %s", what, e->text);
}

static void take(struct golden *g, const char *line, size_t len)
{
	unsigned char hash[SHA256_LEN];
	struct event_doc doc;
	struct err e = {0};
	int64_t seq = g->s.seq + 1;

	if (event_verify(line, len, g->hash, hash, &e))
		complain(g, seq, "the chain", &e);
	if (event_read(line, len, &doc, &e)) {
		complain(g, seq, "reading", &e);
		event_doc_release(&doc);
		return;
	}
	seen[doc.ev.kind] = true;
	/* An erased record is no longer what its hash says; every other one is written the same. */
	buf_clear(&g->again);
	if (!doc.erased && (event_write(&doc.ev, g->hash, hash, &g->again) || g->again.len != len ||
	                    memcmp(g->again.p, line, len) != 0))
		complain(g, seq, "written again it differs", &e);
	if (session_apply(&g->s, &doc.ev, &e))
		complain(g, seq, "the fold", &e);
	memcpy(g->hash, doc.hash, sizeof g->hash);
	memcpy(g->s.hash, doc.hash, sizeof g->hash);
	event_doc_release(&doc);
}

/* The one line of a file. */
static void read_line(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "r");

	out[0] = '\0';
	if (f && fgets(out, (int)size, f))
		out[strcspn(out, "\n")] = '\0';
	if (f)
		(void)fclose(f); /* only read */
}

static void test_log(const char *name)
{
	char path[300], want[SHA256_HEX_LEN + 2], got[SHA256_HEX_LEN + 1] = "";
	struct golden g = {0};
	char *line = NULL;
	size_t cap = 0;
	ssize_t len = 0;
	FILE *f = NULL;

	(void)snprintf(path, sizeof path, "%s/%s.state_hash", DIR_LOG, name);
	read_line(path, want, sizeof want);
	(void)snprintf(path, sizeof path, "%s/%s.ndjson", DIR_LOG, name);
	f = fopen(path, "r");
	session_init(&g.s, 4096, 0);
	buf_init(&g.again, 1 << 24);
	while (f && (len = getline(&line, &cap, f)) > 0)
		take(&g, line, (size_t)len - 1);
	if (!ok(g.s.seq > 0 && g.wrong_at == 0, "%s: %" PRId64 " events fold", name, g.s.seq))
		printf("#   event %" PRId64 ", %s\n", g.wrong_at, g.why);
	is_int(state_hash(&g.s, got), 0, "to a state");
	is_str(got, want, "which is the one recorded");
	if (f)
		(void)fclose(f); /* only read */
	free(line);
	buf_release(&g.again);
	session_release(&g.s);
}

/* Names that end in .ndjson, whatever else lies there. */
static int is_log(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return dot && strcmp(dot, ".ndjson") == 0;
}

int main(void)
{
	struct dirent **logs = NULL;
	int n = scandir(DIR_LOG, &logs, is_log, alphasort), kinds = 0;

	ok(n >= 3, "there are logs in " DIR_LOG ": run from the top of the tree");
	for (int i = 0; i < n; i++) {
		*strrchr(logs[i]->d_name, '.') = '\0';
		test_log(logs[i]->d_name);
		free(logs[i]);
	}
	free(logs);
	for (int k = 0; k < EVENT_KINDS; k++)
		kinds += seen[k];
	is_int(kinds, EVENT_KINDS, "every kind of event is in one of them");
	return done();
}
