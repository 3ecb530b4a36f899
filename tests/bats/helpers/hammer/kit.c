/* What everything uses: bytes, numbers, times, and saying what is wrong. */
#include "hammer.h"

const char *const kinds[KINDS] = {"writer", "flood", "watcher", "drip", "stalled"};

const char *socket_path, *tcp_address, *report;
const char *headers[HEADERS_MAX];
int headers_len, epoll_fd;
uint64_t seed = 1, random_state;
int64_t patience_ms = 60000;

struct client **clients;
size_t clients_len;
bool resting; /* nothing new is written */
bool hushed;  /* and nothing again */
int64_t acks, refusals, resent, duplicates, reconnects, resets, shown_total, closed_1013;
int64_t head; /* the highest seq that anybody saw */
char error_last[40];
int64_t errors_seen;

/* What was shown, by seq. */
unsigned char (*shown)[SHA256_LEN];
bool *was_shown;
int64_t shown_cap;

struct times ack_times, show_times;
char texts[TEXTS_MAX][400];
int64_t violations;

struct bytes lines;
bool stdin_ended;

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fputs("hammer: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

void violate(const char *fmt, ...)
{
	va_list ap;

	if (violations < TEXTS_MAX) {
		va_start(ap, fmt);
		(void)vsnprintf(texts[violations], sizeof texts[0], fmt, ap);
		va_end(ap);
		for (char *p = texts[violations]; *p; p++)
			if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
				*p = '\'';
	}
	violations++;
}

int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t now_ms(void)
{
	return now_us() / 1000;
}

uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t draw(uint64_t below)
{
	random_state = mix(random_state + 1);
	return random_state % below;
}

void *grow(void *p, size_t size)
{
	p = realloc(p, size);
	if (!p)
		die("out of memory");
	return p;
}

void put(struct bytes *b, const void *p, size_t len)
{
	if (b->at && b->at == b->len)
		b->at = b->len = 0;
	if (b->cap - b->len < len + 1) {
		if (b->at) /* an empty buffer has no memory yet */
			memmove(b->p, b->p + b->at, b->len - b->at);
		b->len -= b->at;
		b->at = 0;
	}
	if (b->cap - b->len < len + 1) {
		b->cap = (b->len + len + 1) * 2;
		b->p = grow(b->p, b->cap);
	}
	memcpy(b->p + b->len, p, len);
	b->len += len;
	b->p[b->len] = '\0';
}

void put_text(struct bytes *b, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof text)
		die("a text is too long");
	put(b, text, (size_t)n);
}

size_t waits(const struct bytes *b)
{
	return b->len - b->at;
}

void clear(struct bytes *b)
{
	free(b->p);
	*b = (struct bytes){0};
}

void took(struct times *t, int64_t us)
{
	if (t->len == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 4096;
		t->us = grow(t->us, t->cap * sizeof *t->us);
	}
	t->us[t->len++] = us;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

void put_times(struct bytes *b, const char *name, struct times *t)
{
	if (t->len) {
		qsort(t->us, t->len, sizeof *t->us, by_value);
		put_text(b, ",\"%s_min\":%" PRId64 ",\"%s_p50\":%" PRId64, name, t->us[0], name,
		         t->us[t->len / 2]);
		put_text(b, ",\"%s_p99\":%" PRId64 ",\"%s_max\":%" PRId64, name,
		         t->us[t->len * 99 / 100], name, t->us[t->len - 1]);
	}
	t->len = 0;
}

/* The text or number behind "key": in an object whose texts hold no quotation marks. */
bool field(const char *json, const char *key, char *out, size_t size)
{
	char name[40];
	const char *p = NULL;
	size_t n = (size_t)snprintf(name, sizeof name, "\"%s\":", key);

	p = strstr(json, name);
	if (!p)
		return false;
	p += n;
	n = *p == '"' ? strcspn(++p, "\"") : strcspn(p, ",}]");
	if (n >= size)
		n = size - 1;
	memcpy(out, p, n);
	out[n] = '\0';
	return true;
}

int64_t number(const char *json, const char *key)
{
	char text[32];

	return field(json, key, text, sizeof text) ? atoll(text) : -1;
}

bool hash_of(const char *json, unsigned char out[SHA256_LEN])
{
	char text[SHA256_HEX_LEN + 1];

	return field(json, "hash", text, sizeof text) && sha256_unhex(text, out) == 0;
}
