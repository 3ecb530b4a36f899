/* What pmr-send waits for, and what came of it. */
#include "tool_send.h"

#include <stdlib.h>
#include <string.h>

_Noreturn void send_no_memory(const struct send *w)
{
	exit(tool_complain(w->s.t, collab_exit_status(collab_code("out_of_memory")),
	                   "out of memory"));
}

struct slot *send_slot(struct send *w, size_t i)
{
	return &w->slots[(w->first + i) % SEND_WINDOW];
}

void send_put_answered(struct send *w)
{
	while (w->len && send_slot(w, 0)->answer) {
		struct slot *slot = send_slot(w, 0);

		stream_put_json(&w->s, slot->answer, strlen(slot->answer));
		free(slot->answer);
		free(slot->again);
		w->first = (w->first + 1) % SEND_WINDOW;
		w->len--;
	}
}

/* The first line that waits for an answer under this ref (or mark). */
static struct slot *find(struct send *w, const char *ref, bool mark)
{
	for (size_t i = 0; i < w->len && ref[0]; i++) {
		struct slot *slot = send_slot(w, i);

		if (!slot->answer && strcmp(mark ? slot->mark : slot->ref, ref) == 0)
			return slot;
	}
	return NULL;
}

void send_answer(struct send *w, struct slot *slot, json_t *object)
{
	slot->answer = object ? json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(object);
	if (!slot->answer)
		send_no_memory(w);
	send_put_answered(w);
}

void send_on_ack(struct send *w, const struct collab_message *m)
{
	struct slot *slot = find(w, m->ref, false);

	if (!slot)
		return;
	slot->answer = strdup(m->json);
	if (!slot->answer)
		send_no_memory(w);
	send_put_answered(w);
}

/* An error as the server said it, and which line it is about. */
void send_on_error(struct send *w, const struct collab_message *m)
{
	struct slot *slot = find(w, m->ref, false);
	json_t *error = json_loadb(m->json, m->len, 0, NULL);

	if (!slot) { /* about nothing that is waited for */
		(void)tool_complain(w->s.t, 0, "the server says: %s", m->text);
		json_decref(error);
		return;
	}
	if (!json_object_get(error, "ref"))
		(void)json_object_set_new(error, "ref", json_string(m->ref)); /* or it is missing */
	(void)json_object_set_new(error, "line", json_integer(slot->line));
	if (slot->file)
		(void)json_object_set_new(error, "file", json_string(slot->file));
	w->rejected++;
	send_answer(w, slot, error);
}

/* Answers keep the order of messages: what stood before the ping got no error. */
void send_on_pong(struct send *w, const struct collab_message *m)
{
	struct slot *slot = find(w, m->ref, false);

	if (slot && !slot->mark[0]) {
		send_on_ack(w, m);
		return;
	}
	slot = find(w, m->ref, true);
	if (slot)
		send_answer(w, slot,
		            json_pack("{s:s,s:s,s:s}", "type", "ack", "durability", "none", "ref",
		                      slot->ref));
}

/* Whoever waits for an answer that will not come is told. */
void send_tell_missing(struct send *w)
{
	while (w->len) {
		struct slot *slot = send_slot(w, 0);

		if (slot->answer) {
			send_put_answered(w);
			continue;
		}
		(void)tool_complain(w->s.t, 0, "no answer to line %lld%s%s, ref %s",
		                    (long long)slot->line, slot->file ? " of " : "",
		                    slot->file ? slot->file : "", slot->ref);
		free(slot->again);
		w->first = (w->first + 1) % SEND_WINDOW;
		w->len--;
	}
}
