/* A text that converges: core's editor state machine over a live connection. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/ids.h"
#include "base/utf8.h"
#include "client/client_int.h"
#include "core/otclient.h"
#include "proto/json_out.h"
#include "proto/op_json.h"

enum { TEXT_BYTES_MAX = 64 << 20, HOLD_MS = 1000 };

struct collab_text {
	struct collab *conn;
	char section_id[NAME_LEN_MAX + 1];
	struct otclient ot;
	bool known;      /* a state came: the text counts */
	int64_t hold_ms; /* refused for now: nothing is sent before this time */
};

static int64_t now_ms(void)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* every Linux has it */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int collab_text_new(struct collab_text **out, struct collab *c, const char *section_id,
                    struct collab_err *e)
{
	struct collab_text *t = NULL;

	*out = NULL;
	if (!section_name_valid(section_id))
		return client_fail(e, ERR_BAD_FIELD, "\"%s\" is not a section id", section_id);
	t = calloc(1, sizeof *t);
	if (!t)
		return client_fail(e, ERR_NOMEM, "out of memory");
	t->conn = c;
	strcpy(t->section_id, section_id);
	*out = t;
	return 0;
}

void collab_text_free(struct collab_text *t)
{
	if (!t)
		return;
	otclient_release(&t->ot);
	free(t);
}

const char *collab_text_get(const struct collab_text *t, size_t *len, int64_t *seq)
{
	*len = t->ot.local.len;
	if (seq)
		*seq = t->ot.seq;
	return t->ot.local.p ? t->ot.local.p : "";
}

bool collab_text_settled(const struct collab_text *t)
{
	return t->known && otclient_synchronized(&t->ot);
}

/* ---- sending ----------------------------------------------------------------------------------
 */

static int send_waiting(struct collab_text *t, struct collab_err *e)
{
	unsigned char random[16];
	char ref[UUID_LEN + 1];
	const struct op *op = NULL;
	int64_t base;
	struct buf out;
	int rc;

	if (!t->known || t->ot.flying || (t->hold_ms && now_ms() < t->hold_ms))
		return 0;
	t->hold_ms = 0;
	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return client_fail(e, ERR_INTERNAL, "no randomness");
	uuid_format(random, ref);
	rc = otclient_send(&t->ot, ref, &op, &base);
	if (rc || !op)
		return rc ? client_fail(e, rc, "out of memory") : 0;
	buf_init(&out, TEXT_BYTES_MAX * 2);
	buf_printf(&out,
	           "{\"type\":\"section_update\",\"ref\":\"%s\",\"data\":{\"section_id\":\"%s\","
	           "\"base_seq\":%lld,\"changes\":{\"delta\":",
	           ref, t->section_id, (long long)base);
	op_write_json(op, &out);
	buf_puts(&out, "}}}");
	rc = buf_error(&out) ? client_fail(e, buf_error(&out), "the change is too large")
	                     : collab_send(t->conn, out.p, out.len, NULL, e);
	buf_release(&out);
	return rc;
}

int collab_text_set(struct collab_text *t, const char *text, size_t len, struct collab_err *e)
{
	int rc;

	if (!utf8_valid(text, len))
		return client_fail(e, ERR_BAD_UTF8, "the text is not valid UTF-8");
	if (!t->known)
		return client_fail(e, ERR_USAGE, "the section's text is not known yet");
	rc = otclient_write(&t->ot, text, len);
	return rc ? client_fail(e, rc, "%s", err_row(rc)->text) : send_waiting(t, e);
}

/* ---- feeding ----------------------------------------------------------------------------------
 */

static int on_state(struct collab_text *t, const json_t *o, int64_t seq, struct op *out)
{
	const json_t *sec = json_object_get(json_object_get(o, "sections"), t->section_id);
	const json_t *content = json_object_get(sec, "content");
	const char *text = json_string_value(content);
	size_t len = text ? json_string_length(content) : 0;
	int rc;

	if (t->known)
		return otclient_refresh(&t->ot, seq, text, len, out);
	rc = otclient_init(&t->ot, seq, text, len, TEXT_BYTES_MAX);
	t->known = rc == 0;
	return rc ? rc : 1;
}

/* What an event or an ack did to the text: *delta is filled in, or *text is the new content. */
static int read_changes(const json_t *changes, struct op *delta, const char **text, size_t *len)
{
	const json_t *d = json_object_get(changes, "delta"),
		     *c = json_object_get(changes, "content");

	*text = NULL;
	if (d)
		return op_from_json(d, delta, NULL);
	if (c) {
		*text = json_is_string(c) ? json_string_value(c) : "";
		*len = json_is_string(c) ? json_string_length(c) : 0;
	}
	return 0;
}

static int on_event(struct collab_text *t, const json_t *o, int64_t seq, struct op *out)
{
	const char *section = json_string_value(json_object_get(o, "section_id"));
	const char *type = json_string_value(json_object_get(o, "type"));
	const json_t *changes = json_object_get(o, "changes");
	const char *text = NULL;
	size_t len = 0;
	struct op delta;
	int rc = 0;

	op_init(&delta, TEXT_BYTES_MAX);
	if (section && type && strcmp(section, t->section_id) == 0) {
		if (strcmp(type, "section_deleted") == 0)
			text = "";
		else if (strcmp(type, "section_unlocked") == 0)
			t->hold_ms = 0;
		else if (changes)
			rc = read_changes(changes, &delta, &text, &len);
	}
	if (!rc && text)
		rc = otclient_replace(&t->ot, seq, text, len, out);
	else if (!rc && !op_is_noop(&delta))
		rc = otclient_remote(&t->ot, seq, &delta, out);
	else if (!rc)
		otclient_seen(&t->ot, seq);
	op_release(&delta);
	return rc;
}

static int on_ack(struct collab_text *t, const json_t *o, const struct collab_message *m,
                  struct op *out)
{
	const json_t *changes = json_object_get(o, "changes");
	bool conflict = json_object_get(o, "conflict_id") != NULL;
	const char *text = NULL;
	size_t len = 0;
	struct op delta;
	int rc = 0;

	if (!t->ot.flying || strcmp(t->ot.ref, m->ref) != 0) {
		if (!m->duplicate)
			otclient_seen(&t->ot, m->seq);
		return 0;
	}
	/* What became a conflict did nothing to the text: an operation that does nothing. */
	op_init(&delta, TEXT_BYTES_MAX);
	if (changes && !conflict)
		rc = read_changes(changes, &delta, &text, &len);
	if (!rc)
		rc = otclient_ack(&t->ot, m->ref, m->seq,
		                  conflict || json_object_get(changes, "delta") ? &delta : NULL,
		                  out);
	op_release(&delta);
	return rc;
}

static int on_error(struct collab_text *t, const struct collab_message *m, struct op *out)
{
	if (!t->ot.flying || strcmp(t->ot.ref, m->ref) != 0)
		return 0;
	/* For now: it goes with the next, but not over and over. For good: the text is the server's
	 * again. */
	if (err_row(m->code)->retryable) {
		t->hold_ms = now_ms() + HOLD_MS;
		return otclient_unsend(&t->ot);
	}
	return otclient_discard(&t->ot, out);
}

int collab_text_feed(struct collab_text *t, const struct collab_message *m, struct collab_err *e)
{
	json_t *o = m->json ? json_loadb(m->json, m->len, 0, NULL) : NULL;
	bool was_known = t->known, changed = false;
	struct op out;
	int rc = 0;

	op_init(&out, TEXT_BYTES_MAX);
	if (m->kind == COLLAB_STATE || m->kind == COLLAB_SYNCED)
		t->hold_ms = 0;
	if (m->kind == COLLAB_STATE)
		rc = on_state(t, o, m->seq, &out);
	else if (t->known && m->kind == COLLAB_EVENT)
		rc = on_event(t, o, m->seq, &out);
	else if (t->known && m->kind == COLLAB_ACK)
		rc = on_ack(t, o, m, &out);
	else if (t->known && m->kind == COLLAB_ERROR)
		rc = on_error(t, m, &out);
	else if (t->known && m->kind == COLLAB_SYNCED)
		otclient_seen(&t->ot, m->seq);
	changed = rc == 0 && (!op_is_noop(&out) || was_known != t->known);
	op_release(&out);
	json_decref(o);
	if (rc == 1)
		changed = true;
	if (rc < 0)
		return client_fail(e, rc, "%s", err_row(rc)->text);
	rc = send_waiting(t, e);
	return rc ? rc : changed;
}
