/*
 * The digest of a command: SHA-256 over the fields that it has, each as "name=length:bytes;".
 *
 * Digests are kept in logs (ref_digest): what they are made of must stay as it is.  A new member of
 * struct command is put at the end, and only where it is present.
 */
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "proto/json_out.h"
#include "proto/message_read.h"
#include "proto/op_json.h"

/* Enough for nearly every command at once.  What a message says has a maximum already. */
enum { DIGEST_BYTES_LIKELY = 512 };
#define DIGEST_BYTES_MAX (SIZE_MAX / 4)

void digest_put(struct buf *b, const char *name, const void *bytes, size_t len)
{
	buf_puts(b, name);
	buf_putc(b, '=');
	buf_put_i64(b, (int64_t)len);
	buf_putc(b, ':');
	buf_put(b, bytes, len);
	buf_putc(b, ';');
}

static void put_string(struct buf *b, const char *name, const char *s)
{
	if (s)
		digest_put(b, name, s, strlen(s));
}

void digest_put_int(struct buf *b, const char *name, int64_t n)
{
	buf_puts(b, name);
	buf_putc(b, '=');
	buf_put_i64(b, n);
	buf_putc(b, ';');
}

static void put_opt_int(struct buf *b, const char *name, int64_t n)
{
	if (n != EVENT_ABSENT)
		digest_put_int(b, name, n);
}

static void put_value(struct buf *b, const char *name, const json_t *value)
{
	struct buf text;

	if (!value)
		return;
	buf_init(&text, DIGEST_BYTES_MAX);
	json_put_value(&text, value);
	if (text.error)
		b->error = text.error;
	digest_put(b, name, text.p, text.len);
	buf_release(&text);
}

static void put_delta(struct buf *b, const struct op *delta)
{
	struct buf text;

	if (!delta)
		return;
	buf_init(&text, DIGEST_BYTES_MAX);
	op_write_json(delta, &text);
	if (text.error)
		b->error = text.error;
	digest_put(b, "delta", text.p, text.len);
	buf_release(&text);
}

int digest_finish(const struct buf *b, char out[17])
{
	unsigned char hash[SHA256_LEN];
	char hex[SHA256_HEX_LEN + 1];

	out[0] = '\0';
	if (b->error)
		return b->error;
	sha256(b->p, b->len, hash);
	sha256_hex(hash, hex);
	memcpy(out, hex, 16);
	out[16] = '\0';
	return 0;
}

/* The kind by its name: numbers of enums may change from one build to the next. */
static const char *kind_name(enum command_kind kind)
{
	static const char *const names[COMMAND_KINDS] = {
#define X(name, wire, durable, role) [COMMAND_##name] = #name,
		COMMAND_TABLE(X)
#undef X
	};

	return names[kind];
}

static void put_section_fields(struct buf *b, const struct command *c)
{
	put_string(b, "section_id", c->section_id);
	if (c->changes.content)
		digest_put(b, "content", c->changes.content, c->changes.content_len);
	put_value(b, "content_json", c->changes.content_json);
	put_delta(b, c->changes.delta);
	put_value(b, "keys", c->changes.keys);
	/* What the server assumed was not said. */
	if (!c->base_assumed)
		put_opt_int(b, "base_seq", c->base_seq);
	put_opt_int(b, "if_version", c->if_version);
	put_opt_int(b, "fence", c->fence);
	put_opt_int(b, "ttl_seconds", c->ttl_seconds);
	if (c->force)
		digest_put_int(b, "force", 1);
}

static void put_comment_fields(struct buf *b, const struct command *c)
{
	put_string(b, "comment_id", c->comment_id);
	put_string(b, "parent_comment_id", c->parent_comment_id);
	if (c->text)
		digest_put(b, "text", c->text, c->text_len);
	for (size_t i = 0; i < c->mentions_len; i++)
		put_string(b, "mention", c->mentions[i]);
	if (c->anchor.from == EVENT_ABSENT)
		return;
	digest_put_int(b, "anchor_from", c->anchor.from);
	digest_put_int(b, "anchor_to", c->anchor.to);
	put_opt_int(b, "anchor_base_seq", c->anchor.base_seq);
}

int command_digest(const struct command *c, char out[17])
{
	struct buf b;
	int rc = 0;

	buf_init(&b, DIGEST_BYTES_MAX);
	(void)buf_reserve(&b,
	                  DIGEST_BYTES_LIKELY + c->changes.content_len + c->text_len); /* sticky */
	put_string(&b, "kind", kind_name(c->kind));
	put_section_fields(&b, c);
	put_comment_fields(&b, c);
	put_string(&b, "conflict_id", c->conflict_id);
	if (c->kind == COMMAND_CONFLICT_RESOLVE)
		put_string(&b, "resolution", resolution_name(c->resolution));
	if (c->kind == COMMAND_CURSOR) {
		digest_put_int(&b, "position", c->position);
		put_opt_int(&b, "selection_from", c->selection[0]);
		put_opt_int(&b, "selection_to", c->selection[1]);
	}
	put_string(&b, "user_id", c->user_id);
	put_string(&b, "user_name", c->user_name);
	put_string(&b, "user_email", c->user_email);
	if (c->role != ROLE_NONE)
		put_string(&b, "role", role_name(c->role));
	put_string(&b, "reason", c->reason);
	rc = digest_finish(&b, out);
	buf_release(&b);
	return rc;
}
