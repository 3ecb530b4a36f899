/*
 * A growing byte buffer with a maximum.
 *
 * Writers never return errors one by one: the first failure (over the maximum, out of memory) is
 * sticky, later writes do nothing, and the caller asks once at the end with buf_error().  The bytes
 * are always followed by a NUL that len does not count, unless nothing was ever written.
 */
#ifndef COLLAB_BASE_BUF_H
#define COLLAB_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *p;        /* NULL until the first write */
	size_t len;     /* bytes written */
	size_t cap;     /* bytes allocated, the NUL included */
	size_t len_max; /* the maximum of len */
	int error;      /* 0, ERR_TOO_LARGE or ERR_NOMEM; sticky until buf_clear */
};

/* An empty buffer of at most len_max bytes.  Allocates nothing. */
void buf_init(struct buf *b, size_t len_max);

/* Free the bytes; the buffer is as after buf_init.  A zeroed struct is fine. */
void buf_release(struct buf *b);

/* Forget contents and error, keep the memory. */
static inline void buf_clear(struct buf *b)
{
	b->len = 0;
	b->error = 0;
}

static inline int buf_error(const struct buf *b)
{
	return b->error;
}

/* What buf_reserve() does when there may not be room; not for others. */
int buf_grow(struct buf *b, size_t n);

/* Room for n more bytes at b->p + b->len, without counting them; 0 or the (sticky) error. */
static inline int buf_reserve(struct buf *b, size_t n)
{
	/* The NUL needs room too.  What is allocated is never more than the maximum. */
	return !b->error && n < b->cap - b->len ? 0 : buf_grow(b, n);
}

void buf_put(struct buf *b, const void *bytes, size_t len);
void buf_puts(struct buf *b, const char *s);
static inline void buf_putc(struct buf *b, char c)
{
	if (buf_reserve(b, 1))
		return;
	b->p[b->len++] = c;
	b->p[b->len] = '\0';
}
void buf_put_i64(struct buf *b, int64_t n);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Drop the first n bytes (n <= len), moving the rest down. */
void buf_drop(struct buf *b, size_t n);

/* Gives the bytes (NUL-terminated; free() them) and leaves the buffer empty.  NULL on error. */
char *buf_take(struct buf *b);

#endif
