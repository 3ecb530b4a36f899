/* The limits' rows and defaults. */
#include "core/limits.h"

#include <stddef.h>

static const struct limit_row rows[] = {
#define X(name, def, min, max, text) {#name, def, min, max, text},
	LIMITS_TABLE(X)
#undef X
};

static const size_t offsets[] = {
#define X(name, def, min, max, text) offsetof(struct limits, name),
	LIMITS_TABLE(X)
#undef X
};

const struct limit_row *limit_rows(int *len)
{
	*len = (int)(sizeof rows / sizeof rows[0]);
	return rows;
}

int64_t *limit_at(struct limits *l, int i)
{
	return (int64_t *)(void *)((char *)l + offsets[i]);
}

void limits_default(struct limits *l)
{
	int n;

	limit_rows(&n);
	for (int i = 0; i < n; i++)
		*limit_at(l, i) = rows[i].def;
}
