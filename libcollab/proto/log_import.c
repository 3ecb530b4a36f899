/* A log that comes from elsewhere, checked line by line. */
#include "proto/log_import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event_json.h"
#include "proto/json_out.h"
#include "proto/state_json.h"
#include "proto/stored.h"

/* What JSON numbers hold exactly; no log is so long. */
#define SEQ_MAX (INT64_C(1) << 53)

void log_import_init(struct log_import *in, size_t refs_max, size_t bytes_max)
{
	*in = (struct log_import){0};
	session_init(&in->session, refs_max, 0);
	buf_init(&in->bytes, bytes_max);
	buf_init(&in->base, bytes_max);
	buf_init(&in->line, bytes_max);
}

void log_import_release(struct log_import *in)
{
	session_release(&in->session);
	buf_release(&in->bytes);
	buf_release(&in->base);
	buf_release(&in->line);
	chain_notes_release(&in->notes);
	free(in->records);
	*in = (struct log_import){0};
}

/* ---- the first line ---------------------------------------------------------------------------
 */

static int read_head(struct log_import *in, const json_t *head, struct err *e)
{
	const char *hash = NULL, *state = NULL;
	int rc = 0;

	if (!head)
		return 0;
	rc = stored_integer(head, "seq", "head.seq", 1, &in->head_seq, e);
	if (!rc)
		rc = stored_string(head, "hash", "head.hash", false, stored_any, &hash, e);
	if (!rc)
		rc = stored_string(head, "state_hash", "head.state_hash", false, stored_any, &state,
		                   e);
	if (!rc && (in->head_seq == 0 || sha256_unhex(hash, in->head_hash)))
		rc = stored_bad(e, "head", "does not say where the log ends");
	if (!rc && strlen(state) != SHA256_HEX_LEN)
		rc = stored_bad(e, "head.state_hash", "is not 64 hex digits");
	if (!rc)
		(void)snprintf(in->head_state, sizeof in->head_state, "%s", state); /* it fits */
	return rc;
}

/* The state that the log begins from. */
static int read_base(struct log_import *in, const json_t *state, struct err *e)
{
	char hash[SHA256_HEX_LEN + 1], digest[SHA256_HEX_LEN + 1];
	struct session *s = &in->session;
	int rc = 0;

	if (!state)
		return 0;
	json_put_value(&in->base, state);
	rc = buf_error(&in->base) ? err_set(e, buf_error(&in->base), NULL)
	                          : state_read(in->base.p, in->base.len, s, e);
	if (rc)
		return rc;
	if (s->seq >= SEQ_MAX)
		return stored_bad(e, "state.seq", "is too great");
	/* What is written again must be the same, or the state would not be the one told of. */
	rc = state_hash(s, digest);
	if (rc)
		return err_set(e, rc, NULL);
	sha256_hex(s->hash, hash);
	in->floor = s->seq;
	chain_notes_base(&in->notes, s->seq, hash, digest);
	return 0;
}

static int read_header(struct log_import *in, const json_t *j, struct err *e)
{
	const char *type = json_string_value(json_object_get(j, "type"));
	const json_t *session_id = json_object_get(j, "session_id");
	int64_t format = 0;
	int rc = 0;

	if (!type || strcmp(type, "export") != 0)
		return stored_bad(e, "type", "is not that of an export");
	rc = stored_integer(j, "format", "format", 1, &format, e);
	if (!rc && format != 1)
		return stored_bad(e, "format", "is not one that is known here");
	if (!rc)
		rc = read_head(in, json_object_get(j, "head"), e);
	if (!rc)
		rc = read_base(in, json_object_get(j, "state"), e);
	if (!rc && in->floor > 0 && session_id &&
	    strcmp(json_string_value(session_id) ? json_string_value(session_id) : "",
	           in->session.session_id) != 0)
		rc = stored_bad(e, "state", "is another session's");
	return rc;
}

/* ---- events -----------------------------------------------------------------------------------
 */

static int keep(struct log_import *in, size_t at, int64_t time_ms, struct err *e)
{
	if (in->records_len == in->records_cap) {
		size_t cap = in->records_cap * 2 + 64;
		struct import_record *v = realloc(in->records, cap * sizeof *v);

		if (!v)
			return err_set(e, ERR_NOMEM, NULL);
		in->records = v;
		in->records_cap = cap;
	}
	in->records[in->records_len++] = (struct import_record){at, in->bytes.len - at, time_ms};
	return 0;
}

/* Check, fold and keep the event whose stored form lies in in->bytes from `at` on. */
static int take_event(struct log_import *in, const json_t *j, size_t at, struct err *e)
{
	const char *bytes = in->bytes.p + at;
	size_t len = in->bytes.len - at;
	struct session *s = &in->session;
	unsigned char hash[SHA256_LEN];
	struct event_doc doc = {0};
	int64_t before_ms = s->updated_ms;
	int rc = event_read(bytes, len, &doc, e);

	if (!rc && doc.ev.seq != s->seq + 1)
		rc = err_field(e, ERR_CORRUPT, "seq",
		               "seq %" PRId64 " stands where seq %" PRId64 " belongs", doc.ev.seq,
		               s->seq + 1);
	if (!rc)
		rc = event_verify(bytes, len, s->hash, hash, e);
	if (!rc && doc.ev.time_ms < before_ms)
		rc = stored_bad(e, "timestamp", "lies before that of the event before");
	if (!rc)
		rc = session_apply(s, &doc.ev, e);
	if (!rc)
		rc = chain_note(&in->notes, j, doc.ev.seq, e);
	if (!rc)
		rc = keep(in, at, doc.ev.time_ms, e);
	if (!rc)
		memcpy(s->hash, hash, sizeof hash);
	event_doc_release(&doc);
	return rc;
}

static int take_line(struct log_import *in, const char *line, size_t len, struct err *e)
{
	size_t at = in->bytes.len;
	json_t *j = NULL;
	int rc = stored_load(line, len, &j, e);

	if (!rc && !in->begun && !json_object_get(j, "seq")) {
		rc = read_header(in, j, e);
	} else if (!rc) {
		json_put_value(&in->bytes, j);
		rc = buf_error(&in->bytes) ? err_set(e, buf_error(&in->bytes), NULL)
		                           : take_event(in, j, at, e);
	}
	in->begun = true;
	json_decref(j);
	return rc;
}

/* A damaged record is no fault of this server's store. */
static int bad_log(const struct log_import *in, int rc, struct err *e)
{
	char why[sizeof e->text];

	if (rc != ERR_CORRUPT)
		return rc;
	(void)snprintf(why, sizeof why, "%s", e->text);
	return err_set(e, ERR_BAD_LOG, "line %" PRId64 ": %s", in->lines, why);
}

int log_import_feed(struct log_import *in, const char *bytes, size_t len, struct err *e)
{
	int rc = 0;

	while (len > 0 && !rc) {
		const char *end = memchr(bytes, '\n', len);
		size_t n = end ? (size_t)(end - bytes) : len;

		buf_put(&in->line, bytes, n);
		if (buf_error(&in->line))
			return err_set(e, buf_error(&in->line), NULL);
		if (end) {
			in->lines++;
			if (in->line.len > 0)
				rc = take_line(in, in->line.p, in->line.len, e);
			buf_clear(&in->line);
		}
		n += end != NULL;
		bytes += n;
		len -= n;
	}
	return bad_log(in, rc, e);
}

/* Whether it ends where, and as, the first line says. */
static int check_end(const struct log_import *in, struct err *e)
{
	char state[SHA256_HEX_LEN + 1];

	if (in->records_len == 0)
		return err_set(e, ERR_BAD_LOG, "there is no event in it");
	if (in->head_seq == 0)
		return 0;
	if (in->head_seq != in->session.seq)
		return err_set(e, ERR_BAD_LOG,
		               "it ends at seq %" PRId64 ", but was exported up to seq %" PRId64,
		               in->session.seq, in->head_seq);
	if (memcmp(in->head_hash, in->session.hash, SHA256_LEN) != 0)
		return err_set(e, ERR_BAD_LOG, "its last hash is not the one that was exported");
	if (state_hash(&in->session, state))
		return err_set(e, ERR_NOMEM, NULL);
	if (strcmp(state, in->head_state) != 0)
		return err_set(e, ERR_BAD_LOG,
		               "it folds to another state than the one exported; is the limit "
		               "\"refs\" another here?");
	return 0;
}

int log_import_end(struct log_import *in, struct err *e)
{
	int64_t seq = 0;
	char why[sizeof e->text];
	int rc = in->line.len > 0 ? log_import_feed(in, "\n", 1, e) : 0;

	if (!rc)
		rc = check_end(in, e);
	if (rc)
		return rc;
	rc = chain_notes_end(&in->notes, &seq, e);
	if (rc != ERR_CORRUPT)
		return rc;
	(void)snprintf(why, sizeof why, "%s", e->text);
	return err_set(e, ERR_BAD_LOG, "seq %" PRId64 ": %s", seq, why);
}
