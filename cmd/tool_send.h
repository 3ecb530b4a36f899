/* Inside pmr-send: the lines that are not answered on stdout yet. */
#ifndef TOOL_SEND_H
#define TOOL_SEND_H

#include "tool_stream.h"

enum { SEND_WINDOW = 256, SEND_REF_BYTES = 260 };

/* A line that was read and is not answered on stdout yet. */
struct slot {
	int64_t line;
	const char *file; /* NULL: stdin */
	char ref[SEND_REF_BYTES];
	char mark[32]; /* ref of the ping sent behind a message that has no answer; or "" */
	char *again;   /* what is not sent again by itself after a reconnect; or NULL */
	char *answer;  /* once there is one */
};

struct send {
	struct stream s;
	struct stream_in in;
	struct slot slots[SEND_WINDOW]; /* a ring, in the order of the lines */
	size_t first, len;
	json_t *held; /* with --ref: the only line, until the input has ended */
	struct slot held_slot;
	size_t frame_max;
	bool ready; /* the session took us in */
	bool input_ended, needs_read;
	bool done;
	int64_t wait_ms, deadline_ms;
	int64_t marks, bad, rejected;
	int status;
};

/* Line i of those that wait; i == len: the one to add, where len < SEND_WINDOW. */
struct slot *send_slot(struct send *w, size_t i);

/* Give a line its answer (NULL: out of memory), and print what can be printed in order. */
void send_answer(struct send *w, struct slot *slot, json_t *object);
void send_put_answered(struct send *w);

/* What the server says; what nobody waits for is passed over. */
void send_on_ack(struct send *w, const struct collab_message *m);
void send_on_error(struct send *w, const struct collab_message *m);
void send_on_pong(struct send *w, const struct collab_message *m);

/* Print what has an answer; name on stderr what has none.  Nothing waits any more. */
void send_tell_missing(struct send *w);

_Noreturn void send_no_memory(const struct send *w);

#endif
