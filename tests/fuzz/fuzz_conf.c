/* Fuzzing of collabd.conf: what is taken is in range, what is refused names a line. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "server/conf.h"
#include "server/conf_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check(struct conf *c)
{
	int n;

	for (int i = 0; limit_rows(&n) && i < n; i++) {
		const struct limit_row *row = &limit_rows(&n)[i];

		assert(*limit_at(&c->limits, i) >= row->min);
		assert(*limit_at(&c->limits, i) <= row->max);
	}
	assert(c->leeway_seconds >= 0 && c->leeway_seconds <= 300);
	assert(c->level >= LOG_ERROR && c->level <= LOG_DEBUG);
	assert(strcmp(c->durability, "fsynced") == 0);
	assert(utf8_valid(c->data_dir, strlen(c->data_dir)));
	assert(*c->listen && *c->default_scopes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = malloc(len ? len : 1);
	struct err e = {0};
	struct conf c;
	int rc;

	assert(text);
	memcpy(text, bytes, len);
	if (conf_init(&c, NULL))
		abort();
	rc = conf_parse(&c, "f", text, len, &e);
	assert(rc == 0 || rc == ERR_CONFIG);
	if (rc)
		assert(strncmp(e.text, "f:", 2) == 0 && atoi(e.text + 2) > 0);
	check(&c);
	conf_release(&c);
	free(text);
	return 0;
}
