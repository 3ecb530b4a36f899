/*
 * Reading collabd.conf.  libinih splits lines into section, key and value; what it would let pass
 * (bytes that are no text, cut lines, sections without keys) is refused by the reader in front of
 * it, which also counts the lines for the messages.
 */
#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "server/conf_parts.h"

enum {
	FILE_BYTES_MAX = 1 << 20,
	LINE_BYTES_MAX = 4000, /* without the line's end */
	KEYS_MAX = CONF_ROWS + 128
};

struct parse {
	struct conf *conf;
	const char *file;
	const char *at, *end; /* what the reader has not given out yet */
	int line;             /* number of the line given out last */
	int line_failed;      /* 0, or where *e was set */
	int rc;
	struct err *e;
	int seen[KEYS_MAX]; /* the line that set a key, by conf_find */
};

/* Note the first failure; *e is set, without its place. */
static void failed(struct parse *p, int rc)
{
	p->rc = rc;
	p->line_failed = p->line;
}

/* Whether the line may be shown to libinih; if not, *e is set. */
static bool line_fits(struct parse *p, const char *line, size_t len)
{
	if (len > LINE_BYTES_MAX) {
		err_set(p->e, ERR_CONFIG, "this line is longer than %d bytes", LINE_BYTES_MAX);
		return false;
	}
	if (!utf8_valid(line, len)) {
		err_set(p->e, ERR_CONFIG, "this line is not valid UTF-8");
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f) {
			err_set(p->e, ERR_CONFIG, "this line holds a control character");
			return false;
		}
	}
	return true;
}

/* libinih calls no handler for a section without keys, so its name is checked here. */
static bool section_fits(struct parse *p, const char *line, size_t len)
{
	size_t i = 0, n = 0;
	char name[64] = "";

	while (i < len && (line[i] == ' ' || line[i] == '\t'))
		i++;
	if (i == len || line[i] != '[')
		return true;
	for (i++; i < len && line[i] != ']' && n < sizeof name - 1; i++)
		name[n++] = line[i];
	name[utf8_prefix(name, n)] = '\0'; /* a name this long is unknown in any case */
	return i == len || conf_section_known(name, p->e);
}

/* As fgets, but of memory, and it ends at the first failure. */
static char *next_line(char *out, int size, void *stream)
{
	struct parse *p = stream;
	const char *start = p->at, *eol = NULL;
	size_t len;

	if (start == p->end || p->rc)
		return NULL;
	eol = memchr(start, '\n', (size_t)(p->end - start));
	p->at = eol ? eol + 1 : p->end;
	p->line++;
	len = (size_t)((eol ? eol : p->end) - start);
	if (len > 0 && start[len - 1] == '\r')
		len--;
	if (!line_fits(p, start, len) || !section_fits(p, start, len)) {
		failed(p, ERR_CONFIG);
		return NULL;
	}
	assert((size_t)size > len + 1); /* ini_max_line, below */
	memcpy(out, start, len);
	out[len] = '\n';
	out[len + 1] = '\0';
	return out;
}

/* Called by libinih for each "key = value": 1 when it was taken, 0 when not. */
static int take(void *user, const char *section, const char *key, const char *value)
{
	struct parse *p = user;
	int at, rc;

	if (p->rc)
		return 0;
	at = conf_find(section, key, p->e);
	if (at < 0) {
		failed(p, ERR_CONFIG);
		return 0;
	}
	assert(at < KEYS_MAX);
	if (p->seen[at])
		rc = err_set(p->e, ERR_CONFIG, "%s was set already, in line %d", key, p->seen[at]);
	else if (strstr(value, " #") || value[0] == '#')
		rc = err_set(p->e, ERR_CONFIG,
		             "a comment with # needs a line of its own; after a value it is ;");
	else {
		rc = conf_put(p->conf, at, value, p->e);
		err_prefix(p->e, "%s", key);
	}
	if (rc) {
		failed(p, rc);
		return 0;
	}
	p->seen[at] = p->line;
	if (at < CONF_ROWS)
		p->conf->lines[at] = p->line;
	return 1;
}

int conf_parse(struct conf *c, const char *file, const char *bytes, size_t len, struct err *e)
{
	struct err own = {0};
	struct parse p = {.conf = c, .file = file, .at = bytes, .end = bytes + len};
	char *name = strdup(file);
	int line;

	if (!name)
		return err_set(e, ERR_NOMEM, NULL);
	if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		p.at += 3; /* a byte order mark */
	free(c->file);
	c->file = name;
	memset(c->lines, 0, sizeof c->lines);
	p.e = e ? e : &own;
	*p.e = (struct err){0};
	/* An indented line would silently continue the value above it, so that is off. */
	ini_allow_multiline = false;
	ini_use_stack = false;
	ini_max_line = LINE_BYTES_MAX + 3;
	ini_initial_alloc = ini_max_line;
	line = ini_parse_stream(next_line, &p, take, &p);
	if (line == -2)
		return err_set(p.e, ERR_NOMEM, NULL);
	/* libinih goes on after a line it cannot split, so an earlier one of those counts. */
	if (line > 0 && (!p.rc || line < p.line_failed)) {
		p.line_failed = line;
		p.rc = err_set(p.e, ERR_CONFIG,
		               "this is neither [section] nor key = value nor a comment");
	}
	if (p.rc)
		err_prefix(p.e, "%s:%d", file, p.line_failed);
	return p.rc;
}

int conf_read(struct conf *c, const char *path, struct err *e)
{
	FILE *f = fopen(path, "re");
	struct buf bytes;
	int rc = 0;

	if (!f)
		return err_set(e, ERR_CONFIG, "%s: cannot be opened: %s", path, strerror(errno));
	buf_init(&bytes, FILE_BYTES_MAX);
	while (!rc && !feof(f)) {
		char block[4096];
		size_t n = fread(block, 1, sizeof block, f);

		buf_put(&bytes, block, n);
		if (ferror(f))
			rc = err_set(e, ERR_CONFIG, "%s: cannot be read: %s", path,
			             strerror(errno));
		else if (buf_error(&bytes) == ERR_TOO_LARGE)
			rc = err_set(e, ERR_CONFIG, "%s: is larger than 1 MiB", path);
		else if (buf_error(&bytes))
			rc = err_set(e, ERR_NOMEM, NULL);
	}
	(void)fclose(f); /* nothing was written */
	if (!rc)
		rc = conf_parse(c, path, bytes.p, bytes.len, e);
	buf_release(&bytes);
	return rc;
}
