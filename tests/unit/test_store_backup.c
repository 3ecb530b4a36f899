/* store_backup: the store at one moment, while it is written; whole or not at all. */
#include "store_test.h"

#include <sys/stat.h>

#include "store/audit.h"

enum { BIG = 200000 };

/* Something that takes many pages. */
static void fill(struct fixture *f, int64_t key)
{
	char *text = must(malloc(BIG + 1));

	memset(text, 'x', BIG);
	text[BIG] = '\0';
	is_int(snapshot(f, key, 1, text), 0, "a snapshot of many pages");
	for (int n = 3; n < 20; n++) {
		int64_t other = create(f, n, id_of(n), true);

		(void)snapshot(f, other, 1, text); /* its size is all that counts */
	}
	free(text);
}

struct writing {
	struct fixture *f;
	int64_t key, seq;
	int calls, appended, give_up_at;
	int64_t total;
};

/* Between two steps of the copy: a commit and a read. */
static bool write_more(void *arg, int64_t done, int64_t total)
{
	struct writing *w = arg;

	w->calls++;
	w->total = total;
	if (w->give_up_at && w->calls == w->give_up_at)
		return false;
	if (done < total && append(w->f, w->key, w->seq, 1, T0) == 0 &&
	    row(w->f, 1).seq == w->seq + 1) {
		w->seq++;
		w->appended++;
	}
	return true;
}

static void test_online(void)
{
	struct fixture f, copy;
	struct err e = {0};
	struct writing w = {.f = &f};
	char path[96], dir[80];

	(void)snprintf(dir, sizeof dir, "%s", dir_of("copy"));
	(void)snprintf(path, sizeof path, "%s/collab.db", dir);
	is_int(mkdir(dir, 0700), 0, "a place for the copy");
	fixture_sqlite(&f, dir_of("online"));
	w.key = create(&f, 1, "r1", true);
	fill(&f, w.key);
	is_int(append(&f, w.key, 1, 9, T0), 0, "ten records");
	w.seq = 10;
	is_int(store_backup(f.s, path, write_more, &w, &e), 0, "a backup while it is written");
	ok(w.calls > 3 && w.total > 500, "in steps");
	is_int(w.appended, w.calls - 1, "commits and reads went on between all of them");
	is_int(records_of(&f, w.key), 10 + w.appended, "and are all there");
	is_int(store_backup(f.s, path, NULL, NULL, &e), ERR_EXISTS, "a file is not replaced");
	fixture_sqlite(&copy, dir);
	is_int(records_of(&copy, w.key), 10, "the copy is of the moment when it began");
	is_int(append(&copy, w.key, 10, 1, T0), 0, "and a store like any other");
	fixture_free(&copy);
	fixture_free(&f);
}

static void test_given_up(void)
{
	struct fixture f;
	struct err e = {0};
	struct writing w = {.f = &f, .give_up_at = 2};
	char path[96];

	(void)snprintf(path, sizeof path, "%s", dir_of("given-up.db"));
	fixture_sqlite(&f, dir_of("given-up"));
	w.key = create(&f, 1, "r1", true);
	fill(&f, w.key);
	w.seq = 1;
	is_int(store_backup(f.s, path, write_more, &w, &e), ERR_STORE_UNAVAILABLE, "given up");
	is_int(access(path, F_OK), -1, "no file is left");
	is_int(store_backup(f.s, "/nonexistent/backup", NULL, NULL, &e), ERR_STORE_UNAVAILABLE,
	       "nor where none can be made");
	is_int(append(&f, w.key, w.seq, 1, T0), 0, "the store goes on");
	fixture_free(&f);
}

static void test_mem(void)
{
	struct fixture f;
	struct err e = {0};

	fixture_mem(&f);
	is_int(store_backup(f.s, dir_of("mem"), NULL, NULL, &e), ERR_UNSUPPORTED,
	       "a store in memory has no backup");
	fixture_free(&f);
}

/* A copy in a store's place: begun, looked at, and put there or forgotten. */
static void test_restore(void)
{
	char kept[AUDIT_NAME_BYTES], dir[80], path[96];
	struct restore *r = NULL;
	struct fixture f;
	struct err e = {0};
	int64_t key;

	(void)snprintf(dir, sizeof dir, "%s", dir_of("restore"));
	(void)snprintf(path, sizeof path, "%s", dir_of("restore.db"));
	fixture_sqlite(&f, dir);
	key = create(&f, 1, "r1", true);
	is_int(store_backup(f.s, path, NULL, NULL, &e), 0, "a backup");
	is_int(append(&f, key, 1, 3, T0), 0, "and more");
	is_int(restore_begin(&r, dir, path, true, NULL, NULL, &e), ERR_CONFIG,
	       "not while the store is open");
	fixture_free(&f);
	is_int(restore_begin(&r, dir, path, false, NULL, NULL, &e), ERR_EXISTS,
	       "not where there is one");
	is_int(restore_begin(&r, dir, path, true, NULL, NULL, &e), 0, "begun");
	is_int(access(restore_path(r), F_OK), 0, "the copy can be looked at");
	restore_free(r);
	fixture_sqlite(&f, dir);
	is_int(records_of(&f, key), 4, "forgotten, nothing has changed");
	fixture_free(&f);
	is_int(restore_begin(&r, dir, path, true, NULL, NULL, &e), 0, "begun again");
	is_int(restore_install(r, kept, &e), 0, "and put there");
	ok(strncmp(kept, "collab.db.before-", 17) == 0, "the old one is kept beside");
	restore_free(r);
	fixture_sqlite(&f, dir);
	is_int(records_of(&f, key), 1, "the store is what the backup was");
	fixture_free(&f);
}

int main(void)
{
	scratch_make();
	test_online();
	test_given_up();
	test_mem();
	test_restore();
	scratch_remove();
	return done();
}
