/*
 * Messages, bodies and start options out of any bytes.  The first byte of the input chooses: 'm' a
 * message, 's' a start, any other a body of one of the kinds of commands.
 *
 * What is refused is refused in valid JSON; what is accepted keeps its meaning when it is written
 * and read again; what is read without a tree means what it means with one.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/message_same.h"
#include "base/utf8.h"
#include "proto/event_json.h"
#include "proto/message.h"
#include "proto/reply.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

/* The code is the one that was set, and both forms of the error are JSON. */
static void check_error(int rc, const struct err *e, const char *ref)
{
	struct buf out;
	json_t *json = NULL;

	assert(rc < 0 && rc == e->code);
	assert(utf8_valid(e->text, strlen(e->text)) && utf8_valid(e->field, strlen(e->field)));
	assert(utf8_valid(ref, strlen(ref)));
	buf_init(&out, 65536);
	buf_putc(&out, '[');
	error_write(NULL, ref, e, NULL, 0, &out);
	buf_putc(&out, ',');
	problem_write(e, NULL, &out);
	buf_putc(&out, ']');
	json = json_loadb(out.p, out.len, JSON_REJECT_DUPLICATES, NULL);
	assert(json);
	json_decref(json);
	buf_release(&out);
}

/* The changes of a section_update, written as an event's, make the same changes. */
static void check_changes(const struct command *c, const struct limits *limits)
{
	struct command plain;
	struct message again;
	char want[17], got[17];
	struct buf out;
	int rc = 0;

	buf_init(&out, SIZE_MAX / 4);
	buf_puts(&out, "{\"type\":\"section_update\",\"data\":{\"section_id\":\"s\",\"changes\":");
	changes_write(&c->changes, &out);
	buf_puts(&out, "}}");
	rc = message_parse(out.p, out.len, limits, &again, NULL);
	assert(rc == 0);
	command_init(&plain, COMMAND_SECTION_UPDATE);
	plain.section_id = "s";
	plain.changes = c->changes;
	rc = command_digest(&plain, want);
	if (!rc)
		rc = command_digest(&again.command, got);
	assert(rc == 0 && strcmp(want, got) == 0);
	message_release(&again);
	buf_release(&out);
}

static void check_command(const struct command *c, const struct limits *limits)
{
	char digest[17];
	int rc = command_digest(c, digest);

	assert(rc == 0);
	assert(!c->ref || !command_row(c->kind)->durable || strcmp(digest, c->ref_digest) == 0);
	assert(!c->text || (c->text_len == strlen(c->text) && utf8_valid(c->text, c->text_len)));
	if (c->kind == COMMAND_SECTION_UPDATE)
		check_changes(c, limits);
}

static void try_start(const char *bytes, size_t len, const struct limits *limits)
{
	struct start_options o;
	struct err e = {0};
	int rc = start_options_parse(bytes, len, NULL, "key", limits, &o, &e);

	if (rc)
		check_error(rc, &e, o.ref);
	for (size_t i = 0; i < o.sections_len && !rc; i++)
		check_command(&o.sections[i].command, limits);
	for (size_t i = 0; i < o.participants_len && !rc; i++)
		check_command(&o.participants[i].command, limits);
	start_options_release(&o);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len)
{
	struct limits limits;
	struct message m;
	struct err e = {0};
	char *copy = NULL;
	int rc = 0;

	if (len == 0)
		return 0;
	limits_default(&limits);
	/* In memory of its own size, without a NUL behind it. */
	copy = malloc(len > 1 ? len - 1 : 1);
	if (!copy)
		abort();
	memcpy(copy, bytes + 1, len - 1);
	if (bytes[0] == 's') {
		try_start(copy, len - 1, &limits);
		free(copy);
		return 0;
	}
	if (bytes[0] == 'm')
		assert(quick_try(copy, len - 1, &limits) != QUICK_WRONG);
	if (bytes[0] == 'm')
		rc = message_parse(copy, len - 1, &limits, &m, &e);
	else
		rc = message_parse_body((enum command_kind)(bytes[0] % COMMAND_KINDS), copy,
		                        len - 1, "key", NULL, &limits, &m, &e);
	free(copy);
	if (rc)
		check_error(rc, &e, m.ref);
	else
		check_command(&m.command, &limits);
	message_release(&m);
	return 0;
}
