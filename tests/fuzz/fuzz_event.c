/*
 * Stored events out of any bytes.  What can be read is written as canonical JSON that verifies, and
 * read again as the same event; a view of it is JSON too.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event_json.h"
#include "proto/json_out.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

static void check_canonical(const struct buf *b)
{
	json_t *j = json_loadb(b->p, b->len, JSON_REJECT_DUPLICATES, NULL);
	struct buf again;

	buf_init(&again, SIZE_MAX / 4);
	assert(j);
	json_put_value(&again, j);
	assert(again.len == b->len && memcmp(again.p, b->p, b->len) == 0);
	json_decref(j);
	buf_release(&again);
}

static void check_event(const struct event *ev)
{
	static const unsigned char zeros[SHA256_LEN];
	struct event_view view = {.content = "full", .content_len = 4, .without_email = true};
	unsigned char hash[SHA256_LEN], verified[SHA256_LEN], again_hash[SHA256_LEN];
	struct event_doc doc;
	struct buf first, again;

	buf_init(&first, SIZE_MAX / 4);
	buf_init(&again, SIZE_MAX / 4);
	assert(event_write(ev, zeros, hash, &first) == 0);
	check_canonical(&first);
	assert(event_verify(first.p, first.len, zeros, verified, NULL) == 0);
	assert(memcmp(hash, verified, sizeof hash) == 0);
	/* A record that says that it is erased has no id, which others must have. */
	if (ev->event_id) {
		assert(event_read(first.p, first.len, &doc, NULL) == 0);
		assert(event_write(&doc.ev, zeros, again_hash, &again) == 0);
		assert(memcmp(hash, again_hash, sizeof hash) == 0);
		event_doc_release(&doc);
	}
	buf_clear(&first);
	event_write_view(ev, hash, &view, &first);
	check_canonical(&first);
	buf_release(&first);
	buf_release(&again);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len)
{
	static const unsigned char zeros[SHA256_LEN];
	unsigned char hash[SHA256_LEN];
	struct event_doc doc;
	struct err e = {0};
	int rc = 0;

	rc = event_read((const char *)bytes, len, &doc, &e);
	assert(rc == 0 || (rc == ERR_CORRUPT && e.code == rc));
	if (rc == 0)
		check_event(&doc.ev);
	event_doc_release(&doc);
	(void)event_verify((const char *)bytes, len, zeros, hash, &e); /* any answer will do */
	return 0;
}
