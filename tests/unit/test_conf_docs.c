/*
 * Whether dist/collabd.conf and collabd.conf(5) agree with the tables of settings.  Run from the
 * top directory.
 */
#include "../tap.h"
#include "server/conf.h"
#include "server/conf_parts.h"

static struct err e;

/* Gives a whole file; "" when it cannot be read. */
static char *slurp(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 20);

	if (f) {
		(void)fread(text, 1, (1 << 20) - 1, f);
		(void)fclose(f);
	}
	return text;
}

/* The comment above `line` in text, its lines joined by blanks; lent until the next call. */
static const char *comment_above(const char *text, const char *line)
{
	static char comment[2000];
	const char *from = line, *p = NULL;
	size_t n = 0;

	while (from > text) {
		p = from - 1;
		while (p > text && p[-1] != '\n')
			p--;
		if (strncmp(p, "# ", 2) != 0)
			break;
		from = p;
	}
	for (p = from; p < line && n < sizeof comment - 1; p++) {
		if (*p == '\n') {
			p += 2; /* the next line's "# " */
			comment[n++] = ' ';
		} else if (p >= from + 2) {
			comment[n++] = *p;
		}
	}
	comment[n] = '\0';
	return comment;
}

/* The sample has "#key = default" under its section, and the meaning above it. */
static void is_sampled(const char *sample, const char *section, const char *key, const char *def,
                       const char *meaning)
{
	char heading[64], line[300];
	const char *begin = NULL, *end = NULL, *at = NULL;

	(void)snprintf(heading, sizeof heading, "\n[%s]\n", section);
	(void)snprintf(line, sizeof line, *def ? "\n#%s = %s\n" : "\n#%s =%s\n", key, def);
	begin = strstr(sample, heading);
	if (begin)
		end = strstr(begin + 1, "\n[");
	at = begin ? strstr(begin, line) : NULL;
	ok(at && (!end || at < end), "the sample has %s.%s", section, key);
	if (at)
		ok(strncmp(comment_above(sample, at + 1), meaning, strlen(meaning)) == 0,
		   "the sample explains %s.%s", section, key);
}

/* The sample's text with the settings that have a value switched on; gives it. */
static char *switched_on(const char *sample)
{
	char *out = calloc(1, strlen(sample) + 1), *to = out;

	while (*sample) {
		size_t len = strcspn(sample, "\n");
		bool on = sample[0] == '#' && sample[1] > ' ' && sample[len - 1] != '=';

		memcpy(to, sample + on, len - on);
		to += len - on;
		*to++ = '\n';
		sample += len + (sample[len] == '\n');
	}
	return out;
}

static void test_sample(void)
{
	char *sample = slurp("dist/collabd.conf"), *on = switched_on(sample);
	int n, limits;
	struct conf c;

	for (int i = 0; conf_rows(&n) && i < n; i++) {
		const struct conf_row *row = &conf_rows(&n)[i];

		is_sampled(sample, row->section, row->key, row->def, row->text);
	}
	for (int i = 0; limit_rows(&limits) && i < limits; i++) {
		const struct limit_row *row = &limit_rows(&limits)[i];
		char def[32], meaning[300];

		(void)snprintf(def, sizeof def, "%" PRId64, row->def);
		(void)snprintf(meaning, sizeof meaning, "%s; %" PRId64 " to %" PRId64, row->text,
		               row->min, row->max);
		is_sampled(sample, "limits", row->name, def, meaning);
	}
	is_int(conf_init(&c, &e), 0, "defaults");
	is_int(conf_parse(&c, "sample", sample, strlen(sample), &e), 0, "the sample is valid");
	is_int(conf_parse(&c, "sample", on, strlen(on), &e), 0, "and with everything switched on");
	if (e.code)
		printf("# %s\n", e.text);
	conf_release(&c);
	free(sample);
	free(on);
}

/* The manual page has an entry for the key, and states what must be the same there. */
static void is_documented(const char *manual, const char *key, const char *const facts[])
{
	char item[100];
	const char *begin = NULL, *end = NULL;

	(void)snprintf(item, sizeof item, "\n.It Ic %s", key);
	begin = strstr(manual, item);
	if (begin && begin[strlen(item)] != '\n' && begin[strlen(item)] != ' ')
		begin = strstr(begin + 1, item);
	ok(begin != NULL, "the manual has %s", key);
	if (!begin)
		return;
	end = strstr(begin + 1, "\n.It ");
	for (int i = 0; facts[i]; i++) {
		const char *at = strstr(begin, facts[i]);

		ok(at && (!end || at < end), "the manual says of %s: %s", key, facts[i]);
	}
}

static void test_manual(void)
{
	char *manual = slurp("man/collabd.conf.5");
	int n, limits;

	for (int i = 0; conf_rows(&n) && i < n; i++) {
		const struct conf_row *row = &conf_rows(&n)[i];
		char range[64];

		(void)snprintf(range, sizeof range, "%" PRId64 " to %" PRId64, row->min, row->max);
		is_documented(manual, row->key,
		              (const char *const[]){row->def,
		                                    strcmp(row->type, "INT") == 0 ? range : NULL,
		                                    NULL});
	}
	for (int i = 0; limit_rows(&limits) && i < limits; i++) {
		const struct limit_row *row = &limit_rows(&limits)[i];
		char def[32], range[64];

		(void)snprintf(def, sizeof def, "%" PRId64, row->def);
		(void)snprintf(range, sizeof range, "%" PRId64 " to %" PRId64, row->min, row->max);
		is_documented(manual, row->name, (const char *const[]){def, range, NULL});
	}
	free(manual);
}

int main(void)
{
	test_sample();
	test_manual();
	return done();
}
