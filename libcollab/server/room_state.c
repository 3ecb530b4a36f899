/* What a room shows of its state: the view for replies, and session_state shared by many joiners.
 */
#include <string.h>

#include "server/hub_int.h"

/* Enough for every participant; more cursors than that are not shown in a state. */
enum { VIEW_MAX = 256 };

void room_view(struct room *room, bool without_email, struct state_view *view)
{
	static struct cursor
		cursors[VIEW_MAX]; /* the hub is one thread; lent until the next call */
	static const char *active[VIEW_MAX];
	int64_t now = hub_wall(room->hub);
	struct map_entry *entry = NULL;
	size_t at = 0;

	*view = (struct state_view){.now_ms = now,
	                            .without_email = without_email,
	                            .limits = room->hub->limits,
	                            .cursors = cursors,
	                            .active_editors = active,
	                            .inactive = !room->active};
	while ((entry = map_next(&room->people, &at)) && view->cursors_len < VIEW_MAX) {
		const struct person *p = entry->value;

		if (!p->section_id)
			continue;
		cursors[view->cursors_len++] =
			(struct cursor){.user_id = p->user_id,
		                        .user_name = p->name,
		                        .section_id = p->section_id,
		                        .position = p->position,
		                        .selection = {p->selection[0], p->selection[1]},
		                        .time_ms = p->cursor_ms};
		if (now - p->cursor_ms <= ACTIVE_SECONDS * 1000)
			active[view->active_editors_len++] = p->user_id;
	}
}

struct block *room_state_block(struct room *room, enum state_detail detail, bool without_email)
{
	struct state_cache *cache = &room->states[detail][without_email];
	int64_t second = hub_wall(room->hub) / 1000;
	struct buf *out = &room->hub->scratch;
	struct state_view view;
	struct block *block = NULL;
	size_t head;

	if (cache->block && cache->seq == room->head.seq && cache->second == second &&
	    cache->cursor_stamp == room->cursor_stamp)
		return cache->block;
	room_view(room, without_email, &view);
	buf_clear(out);
	state_message_write(&room->head, detail, &view, out);
	buf_putc(out, '}');
	if (buf_error(out))
		return NULL;
	block = block_of_json(out->p, out->len, &head);
	if (!block)
		return NULL;
	/* Only the JSON is wanted: it follows each reader's own first members. */
	memmove(block->bytes, block->bytes + head, block->len - head);
	block->len -= head;
	block_unref(cache->block);
	*cache = (struct state_cache){block, room->head.seq, second, room->cursor_stamp};
	return block;
}
