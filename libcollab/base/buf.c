/* A growing byte buffer with a maximum and a sticky error. */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void buf_init(struct buf *b, size_t len_max)
{
	*b = (struct buf){.len_max = len_max};
}

void buf_release(struct buf *b)
{
	free(b->p);
	buf_init(b, b->len_max);
}

int buf_grow(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 64;
	char *p = NULL;

	if (b->error)
		return b->error;
	if (n > b->len_max || b->len > b->len_max - n)
		return b->error = ERR_TOO_LARGE;
	if (b->p && b->len + n < b->cap)
		return 0;
	while (cap <= b->len + n)
		cap *= 2;
	if (cap > b->len_max + 1 && b->len_max + 1 > b->len + n)
		cap = b->len_max + 1;
	p = realloc(b->p, cap);
	if (!p)
		return b->error = ERR_NOMEM;
	b->p = p;
	b->cap = cap;
	return 0;
}

void buf_put(struct buf *b, const void *bytes, size_t len)
{
	if (buf_reserve(b, len))
		return;
	if (len)
		memcpy(b->p + b->len, bytes, len);
	b->len += len;
	b->p[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void buf_put_i64(struct buf *b, int64_t n)
{
	char digits[24];
	size_t i = sizeof digits;
	uint64_t u = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

	do {
		digits[--i] = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (n < 0)
		digits[--i] = '-';
	buf_put(b, digits + i, sizeof digits - i);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	if (buf_reserve(b, (size_t)n))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(b->p + b->len, (size_t)n + 1, fmt, ap); /* the size is known */
	va_end(ap);
	b->len += (size_t)n;
}

void buf_drop(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->len - n + 1);
	b->len -= n;
}

char *buf_take(struct buf *b)
{
	char *p = NULL;

	if (b->error || buf_reserve(b, 0))
		return NULL;
	b->p[b->len] = '\0';
	p = b->p;
	buf_init(b, b->len_max);
	return p;
}
