/* What is sent, and when: as the window allows, or by a schedule. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { RING_MIN = 4096, OUTPUT_BYTES = 1 << 20 };

/* Fixed widths, so that a message is made by writing digits into the last one. */
enum { TAG_DIGITS = 4, WRITER_DIGITS = 6, NUMBER_DIGITS = 8, SLOT_DIGITS = 4 };

static const char message_text[] = "{\"type\":\"section_update\",\"data\":{\"section_id\":\"w";

static void put_hex(char *out, int digits, uint64_t n)
{
	for (int i = digits; i > 0; i--, n >>= 4)
		out[i - 1] = "0123456789abcdef"[n & 15];
}

static bool get_hex(const char *p, int digits, uint64_t *n)
{
	*n = 0;
	for (int i = 0; i < digits; i++) {
		char ch = p[i];
		int value = ch >= '0' && ch <= '9'   ? ch - '0'
		            : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
		                                     : -1;

		if (value < 0)
			return false;
		*n = *n << 4 | (uint64_t)value;
	}
	return true;
}

bool bench_ref_read(const struct bench *b, const char *p, uint32_t *writer, uint32_t *number)
{
	uint64_t tag = 0, w = 0, n = 0;

	if (!get_hex(p, TAG_DIGITS, &tag) || tag != b->tag ||
	    !get_hex(p + TAG_DIGITS, WRITER_DIGITS, &w) || w >= (uint64_t)b->writers_len ||
	    !get_hex(p + TAG_DIGITS + WRITER_DIGITS, NUMBER_DIGITS, &n))
		return false;
	*writer = (uint32_t)w;
	*number = (uint32_t)n;
	return true;
}

/* The message that all others are made of: one masked frame, its mask zero. */
static bool make_message(struct bench *b)
{
	size_t payload = (size_t)b->plan->payload, head = BENCH_HEAD_LEN, len = 0;
	char *p = malloc(BENCH_MESSAGE_MAX + 64), *text = NULL;

	if (!p)
		return false;
	b->message = p;
	memset(p, 0, head);
	text = p + head;
	len = (size_t)sprintf(text, "%s", message_text);
	b->at_section = head + len;
	memset(text + len, '0', WRITER_DIGITS + SLOT_DIGITS);
	len += WRITER_DIGITS + SLOT_DIGITS;
	len += (size_t)sprintf(text + len, "\",\"changes\":{\"content\":\"");
	memset(text + len, 'x', payload);
	len += payload;
	len += (size_t)sprintf(text + len, "\"}},\"ref\":\"");
	b->at_ref = head + len;
	put_hex(text + len, TAG_DIGITS, b->tag);
	len += BENCH_REF_LEN;
	len += (size_t)sprintf(text + len, "\"}");
	p[0] = (char)0x81;
	p[1] = (char)(0x80 | 126);
	p[2] = (char)(len >> 8);
	p[3] = (char)len;
	b->message_len = head + len;
	return true;
}

bool bench_load_init(struct bench *b)
{
	int64_t window = b->plan->window;

	b->ring_mask = RING_MIN - 1;
	while (b->ring_mask < window * 16)
		b->ring_mask = b->ring_mask * 2 + 1;
	b->output = malloc(OUTPUT_BYTES + BENCH_MESSAGE_MAX + 64);
	if (!b->output || !make_message(b))
		return false;
	for (int i = 0; i < b->writers_len; i++) {
		b->writers[i].id = (uint32_t)i;
		b->writers[i].ring = calloc(b->ring_mask + 1, sizeof *b->writers[i].ring);
		if (!b->writers[i].ring)
			return false;
	}
	return true;
}

static void mark(struct bench *b, struct bench_writer *w)
{
	if (w->dirty)
		return;
	w->dirty = true;
	w->next_dirty = b->dirty;
	b->dirty = w;
}

void bench_answered(struct bench *b, struct bench_writer *w)
{
	w->answered++;
	b->under_way--;
	mark(b, w);
}

/* When message n of writer w is due by the schedule. */
static int64_t due_ns(const struct bench *b, const struct bench_writer *w, uint32_t n)
{
	double k = (double)n * b->writers_len + w->id;

	return b->start_ns + (int64_t)(k * 1e9 / (double)b->plan->rate);
}

static void put_message(struct bench *b, struct bench_writer *w, char *out, int64_t ns)
{
	bool spread = strcmp(b->plan->strategy, "last_write_wins") != 0;
	uint32_t n = w->sent++;

	memcpy(out, b->message, b->message_len);
	put_hex(out + b->at_section, WRITER_DIGITS, w->id);
	/* Elsewhere than under last_write_wins only one change of a section may be under way. */
	put_hex(out + b->at_section + WRITER_DIGITS, SLOT_DIGITS,
	        spread ? n % (uint32_t)b->plan->window : 0);
	if (b->plan->payload >= NUMBER_DIGITS)
		put_hex(out + b->at_ref - 11 - (size_t)b->plan->payload, NUMBER_DIGITS, n);
	put_hex(out + b->at_ref + TAG_DIGITS, WRITER_DIGITS, w->id);
	put_hex(out + b->at_ref + TAG_DIGITS + WRITER_DIGITS, NUMBER_DIGITS, n);
	w->ring[n & b->ring_mask] = (struct bench_sent){n, ns};
	b->under_way++;
}

/* All that the writer may send now, in one piece. */
static void send_some(struct bench *b, struct bench_writer *w)
{
	int64_t free_slots = b->plan->window - (int64_t)(w->sent - w->answered);
	size_t len = 0;

	if (w->conn->state != BENCH_JOINED)
		return;
	for (; free_slots > 0 && len < OUTPUT_BYTES; free_slots--, len += b->message_len) {
		int64_t ns = b->now_ns;

		/* What is late counts from when it should have gone. */
		if (b->plan->rate)
			ns = due_ns(b, w, w->sent);
		if (ns > b->now_ns)
			break;
		put_message(b, w, b->output + len, ns);
	}
	if (len)
		bench_send(b, w->conn, b->output, len);
}

void bench_load(struct bench *b)
{
	struct bench_writer *list = NULL;

	while (b->plan->rate && b->writers_len && bench_load_next(b) <= b->now_ns)
		mark(b, &b->writers[b->paced++ % b->writers_len]);
	list = b->dirty;
	b->dirty = NULL;
	while (list) {
		struct bench_writer *w = list;

		list = w->next_dirty;
		w->dirty = false;
		send_some(b, w);
	}
}

int64_t bench_load_next(const struct bench *b)
{
	if (!b->plan->rate)
		return INT64_MAX;
	return b->start_ns + (int64_t)((double)b->paced * 1e9 / (double)b->plan->rate);
}
