/*
 * A log that comes from elsewhere, checked line by line before any of it counts.
 *
 * It is an export (collab-protocol(7), section EXPORT) or the bare events of one.  Every event must
 * be whole, follow in the chain, and fold; permission is not looked at.  Events keep their ids,
 * times and hashes; they are kept in their stored form until all of them are known to be good.
 */
#ifndef COLLAB_PROTO_LOG_IMPORT_H
#define COLLAB_PROTO_LOG_IMPORT_H

#include "base/buf.h"
#include "core/session.h"
#include "proto/chain_notes.h"

/* One event among the bytes. */
struct import_record {
	size_t at, len;
	int64_t time_ms;
};

struct log_import {
	struct session session; /* folded so far */
	struct buf bytes;       /* the events, one behind the other, canonical */
	struct import_record *records;
	size_t records_len, records_cap;
	int64_t floor;   /* the log begins after this seq */
	struct buf base; /* the state there, canonical; empty: floor is 0 */
	/* what the first line says of the end; head_seq 0: it does not */
	int64_t head_seq;
	unsigned char head_hash[SHA256_LEN];
	char head_state[SHA256_HEX_LEN + 1];
	/* inside */
	struct chain_notes notes;
	struct buf line; /* not whole yet */
	int64_t lines;
	bool begun; /* a line came that is not blank */
};

/* bytes_max: of all events together, and of a line.  refs_max as session_init. */
void log_import_init(struct log_import *in, size_t refs_max, size_t bytes_max);
void log_import_release(struct log_import *in); /* a zeroed struct is fine */

/*
 * The next bytes, cut anywhere.  0; ERR_BAD_LOG with the line and the reason, ERR_TOO_LARGE,
 * ERR_NOMEM: then it must be released.
 */
int log_import_feed(struct log_import *in, const char *bytes, size_t len, struct err *e);

/* That was all: whether it is a whole log.  A last line without newline counts.  As feed. */
int log_import_end(struct log_import *in, struct err *e);

#endif
