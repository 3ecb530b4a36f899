/*
 * Operations as JSON: the public "text-unicode" form, an array of
 *   n          retain n code points (n > 0)
 *   "text"     insert text
 *   {"d":n}    delete n code points; {"d":"text"} deletes as many as text has
 *
 * Reading takes what the public type's normalize() takes: components that do nothing (0, "",
 * {"d":0}), neighbours of one kind, a trailing retain.  A number with an integral value counts as
 * an integer (3.0), as it does in JavaScript.  Writing gives the one canonical form (RFC 8785) of a
 * normalised operation, deletes as counts.
 */
#ifndef COLLAB_PROTO_OP_JSON_H
#define COLLAB_PROTO_OP_JSON_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "core/op.h"

/*
 * *out (initialised by the caller, emptied here) = the operation that j says.  Whether it fits a
 * text is op_check's to say.  ERR_BAD_DELTA with the field "delta" or "delta[i]"; ERR_TOO_LARGE
 * when it inserts more than *out may hold; ERR_NOMEM.
 */
int op_from_json(const json_t *j, struct op *out, struct err *e);

/* Append op's canonical JSON; failures are sticky in *out. */
void op_write_json(const struct op *op, struct buf *out);

#endif
