/* Anchors of comments through changes of their text, case by case. */
#include "session_test.h"

#include "base/utf8.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* Replace `deleted` code points at `at` by text; NULL: the row's edits end here. */
struct edit {
	size_t at, deleted;
	const char *text;
};

struct row {
	const char *what, *text;
	int64_t from, to;
	struct edit edits[4];
	int64_t want_from, want_to;
	bool orphaned;
};

static const struct row rows[] = {
	{"text before it", "abc def ghi", 4, 7, {{0, 0, "xy"}}, 6, 9, false},
	{"text at its start", "abc def ghi", 4, 7, {{4, 0, "xy"}}, 6, 9, false},
	{"text inside", "abc def ghi", 4, 7, {{5, 0, "xy"}}, 4, 9, false},
	{"text at its end", "abc def ghi", 4, 7, {{7, 0, "xy"}}, 4, 7, false},
	{"text behind it", "abc def ghi", 4, 7, {{9, 0, "xy"}}, 4, 7, false},
	{"the place before it goes", "abc def ghi", 4, 7, {{1, 2, ""}}, 2, 5, false},
	{"its start goes", "abc def ghi", 4, 7, {{2, 4, ""}}, 2, 3, false},
	{"its end goes", "abc def ghi", 4, 7, {{5, 4, ""}}, 4, 5, false},
	{"its middle goes", "abc def ghi", 4, 7, {{5, 1, "--"}}, 4, 8, false},
	{"a place moves behind what is typed there", "abc", 1, 1, {{1, 0, "x"}}, 2, 2, false},
	{"a place is never gone", "abc", 1, 1, {{0, 3, ""}}, 0, 0, false},
	{"all of it goes", "abc def ghi", 4, 7, {{4, 3, ""}}, 4, 4, true},
	{"all and more goes", "abc def ghi", 4, 7, {{2, 8, ""}}, 2, 2, true},
	{"it is replaced", "abc def ghi", 4, 7, {{4, 3, "xyz"}}, 4, 4, true},
	{"it is typed anew elsewhere",
         "abc def ghi",
         4,
         7,
         {{4, 3, ""}, {0, 0, "def"}},
         7,
         7,
         true},
	{"undone", "abc def ghi", 4, 7, {{4, 3, ""}, {4, 0, "def"}}, 4, 7, false},
	{"undone with more", "abc def ghi", 4, 7, {{2, 8, ""}, {2, 0, "c def gh"}}, 4, 7, false},
	{"undone as seen from behind",
         "abc def ghi",
         4,
         7,
         {{3, 4, ""}, {4, 0, "def "}},
         4,
         7,
         false},
	{"undone in pieces",
         "abc def ghi",
         4,
         7,
         {{3, 8, ""}, {3, 0, " d"}, {5, 0, "ef"}},
         4,
         7,
         false},
	{"only part of it is back", "abc def ghi", 4, 7, {{3, 8, ""}, {3, 0, " de"}}, 3, 3, true},
	{"deleted in pieces, undone at once",
         "abc def ghi",
         4,
         7,
         {{4, 3, ""}, {1, 3, ""}, {1, 0, "bc def"}},
         4,
         7,
         false},
	{"something else is typed there first",
         "abc def ghi",
         4,
         7,
         {{4, 3, ""}, {4, 0, "xy"}, {4, 2, "def"}},
         4,
         7,
         false},
	{"the place moves meanwhile",
         "abc def ghi",
         4,
         7,
         {{4, 3, ""}, {0, 1, "1234"}, {7, 0, "def"}},
         7,
         10,
         false},
	{"back, and gone again",
         "abc def",
         4,
         7,
         {{4, 3, ""}, {4, 0, "def"}, {4, 3, ""}},
         4,
         4,
         true},
	{"the same text stands there by chance",
         "abab",
         0,
         2,
         {{0, 2, ""}, {2, 0, "x"}},
         0,
         0,
         true},
	{"not ASCII",
         "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z",
         1,
         3,
         {{0, 3, "\xc3\xb6"}, {0, 1, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"}},
         1,
         3,
         false},
};

static void test_rows(void)
{
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct row *row = &rows[i];
		const struct comment *c = NULL;
		struct session s;
		int rc = 0;

		begin(&s, 16, 0);
		rc = fold_content(&s, "a", row->text);
		if (!rc)
			rc = fold_comment(&s, "c", NULL, "a", row->from, row->to);
		for (size_t k = 0; !rc && k < LENGTH(row->edits) && row->edits[k].text; k++)
			rc = fold_edit(&s, "a", row->edits[k].at, row->edits[k].deleted,
			               row->edits[k].text);
		c = session_comment(&s, "c");
		if (!ok(!rc && c->anchor.from == row->want_from && c->anchor.to == row->want_to &&
		                c->orphaned == row->orphaned,
		        "anchor: %s", row->what))
			printf("# [%" PRId64 ",%" PRId64 ")%s\n", c->anchor.from, c->anchor.to,
			       c->orphaned ? " orphaned" : "");
		session_release(&s);
	}
}

static void is_anchor(const struct session *s, const char *comment_id, int64_t from, int64_t to,
                      bool orphaned, const char *name)
{
	const struct comment *c = session_comment(s, comment_id);

	ok(c && c->anchor.from == from && c->anchor.to == to && c->orphaned == orphaned, "%s",
	   name);
}

/* Whole texts and the section itself come and go. */
static void test_contents(void)
{
	static const char text[] = "A first sentence. A second one here. A third.";
	static const char edited[] = "The first sentence. A second one here. A third.";
	struct session s;
	struct event ev;
	json_t *value = json_pack("[i]", 1);

	begin(&s, 16, 0);
	ok(fold_content(&s, "a", text) == 0 && fold_comment(&s, "c", NULL, "a", 18, 36) == 0 &&
	           fold_comment(&s, "place", NULL, "a", 37, 37) == 0,
	   "contents: a sentence and a place are anchored");
	is_int(fold_content(&s, "a", edited), 0, "contents: a new text");
	is_anchor(&s, "c", 20, 38, false, "contents: the anchor follows the difference");
	is_int(fold_content(&s, "a", "Nothing of it."), 0, "contents: another text");
	ok(session_comment(&s, "c")->orphaned, "contents: the sentence is gone");
	is_int(fold_content(&s, "a", edited), 0, "contents: restored");
	is_anchor(&s, "c", 20, 38, false, "contents: the anchor is back");
	is_int(fold_content(&s, "a", text), 0, "contents: the first text");
	ev = section_event(&s, EVENT_SECTION_UPDATE, "a");
	ev.changes.content_json = value;
	ok(fold(&s, &ev) == 0 && session_comment(&s, "c")->orphaned,
	   "contents: a value is no text");
	ok(fold_keys(&s, "a", "{\"k\":1}") == 0 && fold_content(&s, "a", text) == 0,
	   "contents: a key, the old text");
	is_anchor(&s, "c", 18, 36, false, "contents: the anchor is back again");
	is_int(fold_section_gone(&s, "a"), 0, "contents: the section is deleted");
	ok(session_comment(&s, "c")->orphaned && session_comment(&s, "place")->orphaned &&
	           s.anchors_adrift == 2,
	   "contents: the anchors are adrift");
	is_int(fold_content(&s, "b", text), 0, "contents: the text in another section");
	ok(session_comment(&s, "c")->orphaned, "contents: is not where it was");
	is_int(fold_content(&s, "a", text), 0, "contents: the section is there again");
	is_anchor(&s, "c", 18, 36, false, "contents: and so is the sentence");
	ok(!session_comment(&s, "place")->orphaned && s.anchors_adrift == 0,
	   "contents: and the place");
	ok(fold_section_gone(&s, "a") == 0 && fold_about(&s, EVENT_COMMENT_DELETED, "c") == 0 &&
	           s.anchors_adrift == 1,
	   "contents: a comment is deleted while adrift");
	ok(fold_content(&s, "a", "x") == 0 && fold_about(&s, EVENT_COMMENT_DELETED, "place") == 0 &&
	           !session_section(&s, "a")->anchored,
	   "contents: and one that is not");
	session_release(&s);
	json_decref(value);
}

static void test_misfits(void)
{
	struct session s;

	begin(&s, 16, 0);
	is_int(fold_content(&s, "a", "abc"), 0, "misfits: a short text");
	ok(fold_comment(&s, "c1", NULL, "a", 2, 9) == 0 &&
	           fold_comment(&s, "c2", NULL, "a", 7, 9) == 0 &&
	           fold_comment(&s, "c3", NULL, "b", 1, 2) == 0 &&
	           fold_comment(&s, "c4", NULL, "a", 1, 0) == 0,
	   "misfits: anchors in text that is not there");
	is_anchor(&s, "c1", 2, 2, true, "misfits: beyond its end");
	is_anchor(&s, "c2", 3, 3, true, "misfits: behind it");
	is_anchor(&s, "c3", 0, 0, true, "misfits: in no section");
	is_anchor(&s, "c4", 1, 1, true, "misfits: the wrong way round");
	ok(fold_content(&s, "b", "abc") == 0 && fold_content(&s, "a", "abcdefghijk") == 0,
	   "misfits: text comes");
	ok(session_comment(&s, "c1")->orphaned && session_comment(&s, "c3")->orphaned,
	   "misfits: they stay orphaned");
	session_release(&s);
}

/* Long text of every length of characters, with a long anchor deep inside it. */
static void test_long(void)
{
	struct buf text;
	struct session s;
	char *cut = NULL;
	size_t at = 0;

	buf_init(&text, TEXT_MAX);
	for (int i = 0; i < 3000; i++)
		buf_printf(&text, "%d\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", i % 10);
	begin(&s, 16, 0);
	ok(fold_content(&s, "a", text.p) == 0 && fold_comment(&s, "c", NULL, "a", 8000, 10000) == 0,
	   "long: 2000 of 12000 characters");
	at = utf8_offset(text.p, text.len, 7000, NULL);
	cut = strdup(text.p + at);
	if (!cut)
		abort();
	cut[utf8_offset(cut, strlen(cut), 4000, NULL)] = '\0';
	is_int(fold_edit(&s, "a", 7000, 4000, "#"), 0, "long: deleted with more");
	is_anchor(&s, "c", 7000, 7000, true, "long: orphaned");
	is_int(fold_edit(&s, "a", 7000, 1, cut), 0, "long: undone");
	is_anchor(&s, "c", 8000, 10000, false, "long: back");
	is_int(fold_edit(&s, "a", 7000, 4000, ""), 0, "long: deleted again");
	at = utf8_offset(cut, strlen(cut), 1000, NULL);
	cut[at] = '!';
	is_int(fold_edit(&s, "a", 7000, 0, cut), 0, "long: another first character");
	ok(session_comment(&s, "c")->orphaned, "long: is another text");
	session_release(&s);
	buf_release(&text);
	free(cut);
}

int main(void)
{
	test_rows();
	test_contents();
	test_misfits();
	test_long();
	return done();
}
