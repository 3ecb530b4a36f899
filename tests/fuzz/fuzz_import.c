/*
 * A log to be imported, out of any bytes, in two pieces.  What is taken folds again, event by
 * event, from the bytes that would be stored.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event_json.h"
#include "proto/log_import.h"
#include "proto/state_json.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

static void fold_again(const struct log_import *in)
{
	char hash[SHA256_HEX_LEN + 1], again[SHA256_HEX_LEN + 1];
	struct session s;
	struct err e = {0};

	session_init(&s, 16, 0);
	if (in->floor > 0)
		assert(state_read(in->base.p, in->base.len, &s, &e) == 0);
	for (size_t i = 0; i < in->records_len; i++) {
		const struct import_record *r = &in->records[i];
		struct event_doc doc;

		assert(event_read(in->bytes.p + r->at, r->len, &doc, &e) == 0);
		assert(session_apply(&s, &doc.ev, &e) == 0);
		memcpy(s.hash, doc.hash, SHA256_LEN);
		event_doc_release(&doc);
	}
	assert(state_hash(&s, hash) == 0 && state_hash(&in->session, again) == 0);
	assert(strcmp(hash, again) == 0);
	session_release(&s);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len)
{
	struct log_import in;
	struct err e = {0};
	int rc;

	log_import_init(&in, 16, 1 << 20);
	rc = log_import_feed(&in, (const char *)bytes, len / 2, &e);
	if (!rc)
		rc = log_import_feed(&in, (const char *)bytes + len / 2, len - len / 2, &e);
	if (!rc)
		rc = log_import_end(&in, &e);
	assert(rc == 0 || e.code == rc);
	assert(rc == 0 || rc == ERR_BAD_LOG || rc == ERR_TOO_LARGE);
	if (rc == 0)
		fold_again(&in);
	log_import_release(&in);
	return 0;
}
