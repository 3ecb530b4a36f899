/* --fsck and --restore: the work is elsewhere, here it is told. */
#include "server/offline.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "proto/json_out.h"
#include "server/fsck.h"

struct teller {
	offline_progress_fn *progress;
	void *arg;
};

static int64_t wall_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool checked(void *arg, int64_t done, int64_t total)
{
	struct teller *t = arg;

	return t->progress(t->arg, "events checked", done, total);
}

static bool copied(void *arg, int64_t done, int64_t total)
{
	struct teller *t = arg;

	return t->progress(t->arg, "pages copied", done, total);
}

/* Something else is said. */
static void wipe(struct teller *t)
{
	(void)t->progress(t->arg, NULL, 0, 0); /* whether to go on, the next call tells */
}

/* One line to stdout; write errors are told at the end. */
static void put_line(struct buf *line)
{
	buf_putc(line, '\n');
	if (!buf_error(line))
		(void)fwrite(line->p, 1, line->len, stdout);
	buf_release(line);
}

static void tell_problem(void *arg, const struct fsck_problem *p)
{
	struct buf line;

	wipe(arg);
	buf_init(&line, 1 << 16);
	buf_putc(&line, '{');
	json_str(&line, "kind", fsck_kind_name(p->kind));
	json_bool(&line, "mendable", p->mendable);
	json_str(&line, "problem", p->text);
	json_str(&line, "report_id", p->report_id);
	json_opt_int(&line, "seq", p->seq);
	json_str(&line, "session_id", p->session_id);
	json_str(&line, "type", "problem");
	buf_putc(&line, '}');
	put_line(&line);
	if (p->session_id)
		(void)fprintf(stderr, "collabd: session %s of %s", p->session_id, p->report_id);
	else
		(void)fputs("collabd: the database", stderr);
	if (p->seq >= 0)
		(void)fprintf(stderr, ", seq %lld", (long long)p->seq);
	(void)fprintf(stderr, ": %s\n", p->text);
}

static void tell_verdict(const struct fsck *f, const char *type, const char *kept)
{
	struct buf line;

	buf_init(&line, 1 << 16);
	buf_putc(&line, '{');
	json_int(&line, "events", f->events);
	if (kept && *kept)
		json_str(&line, "kept", kept);
	json_int(&line, "mended", f->mended);
	json_bool(&line, "ok", f->problems == f->mended);
	json_int(&line, "problems", f->problems);
	json_int(&line, "sessions", f->sessions);
	json_str(&line, "type", type);
	buf_putc(&line, '}');
	put_line(&line);
}

static int flush(struct err *e)
{
	return fflush(stdout) || ferror(stdout) ? err_set(e, ERR_IO, "cannot write to stdout") : 0;
}

int offline_fsck(const struct conf *c, bool repair, offline_progress_fn *progress, void *arg,
                 bool *left, struct err *e)
{
	struct teller t = {progress, arg};
	struct fsck f = {.repair = repair,
	                 .now_ms = wall_ms(),
	                 .found = tell_problem,
	                 .progress = checked,
	                 .arg = &t};
	int rc = audit_open(&f.audit, c->data_dir, repair, e);

	if (!rc)
		rc = fsck_run(&f, e);
	audit_close(f.audit);
	wipe(&t);
	if (!rc) {
		tell_verdict(&f, "fsck", NULL);
		if (f.problems)
			(void)fprintf(stderr, "collabd: %lld problems, %lld mended\n",
			              (long long)f.problems, (long long)f.mended);
		rc = flush(e);
	}
	*left = f.problems > f.mended;
	return rc;
}

/* The copy is checked, and mended: what can be rebuilt need not keep anybody from a backup. */
static int check_copy(const char *path, struct fsck *f, struct err *e)
{
	int rc = audit_open_file(&f->audit, path, f->repair, e);

	if (!rc)
		rc = fsck_run(f, e);
	audit_close(f->audit);
	return rc;
}

int offline_restore(const struct conf *c, const char *file, bool force,
                    offline_progress_fn *progress, void *arg, bool *left, struct err *e)
{
	struct teller t = {progress, arg};
	struct fsck f = {.repair = true,
	                 .now_ms = wall_ms(),
	                 .found = tell_problem,
	                 .progress = checked,
	                 .arg = &t};
	char kept[AUDIT_NAME_BYTES] = "";
	struct restore *r = NULL;
	int rc = restore_begin(&r, c->data_dir, file, force, copied, &t, e);

	if (!rc)
		rc = check_copy(restore_path(r), &f, e);
	*left = f.problems > f.mended;
	if (!rc && !*left)
		rc = restore_install(r, kept, e);
	restore_free(r);
	wipe(&t);
	if (rc)
		return rc;
	tell_verdict(&f, "restore", kept);
	if (*left)
		(void)fprintf(stderr, "collabd: %s was not restored: it has problems\n", file);
	else
		(void)fprintf(stderr, "collabd: %s was restored to %s%s%s\n", file, c->data_dir,
		              *kept ? "; what was there is now " : "", kept);
	return flush(e);
}
