/* What a filtered reader wants: type=, user= and section= of its query. */
#include <stdlib.h>
#include <string.h>

#include "proto/route.h"
#include "server/conn.h"

enum { LIST_MAX = 16 };

static int add(uint64_t *list, int *len, const char *id, const char *field, struct err *e)
{
	if (*len == LIST_MAX)
		return err_field(e, ERR_BAD_FIELD, field, "more than %d values", LIST_MAX);
	list[(*len)++] = hash64(0, id, strlen(id));
	return 0;
}

struct kinds {
	uint32_t with, without;
	bool cursors, cursors_not;
};

static int add_kind(struct kinds *k, const char *type, bool not_this, struct err *e)
{
	int kind = event_kind_parse(type);

	if (strcmp(type, "cursor_position") == 0) {
		k->cursors |= !not_this;
		k->cursors_not |= not_this;
		return 0;
	}
	if (kind < 0)
		return err_field(e, ERR_BAD_FIELD, "type", "%s is no event's type", type);
	if (not_this)
		k->without |= UINT32_C(1) << kind;
	else
		k->with |= UINT32_C(1) << kind;
	return 0;
}

/* One comma-separated list: `each` gets every item, "!" taken off. */
static int each_item(struct filter *f, struct kinds *k, const char *field, const char *list,
                     struct err *e)
{
	int rc = 0;

	while (!rc && list && *list) {
		char item[NAME_LEN_MAX + 1];
		bool not_this = *list == '!';
		size_t len;

		list += not_this;
		len = strcspn(list, ",");
		if (len == 0 || len >= sizeof item)
			return err_field(e, ERR_BAD_FIELD, field, "%s is a list of names", field);
		memcpy(item, list, len);
		item[len] = '\0';
		list += len + (list[len] == ',');
		if (strcmp(field, "type") == 0)
			rc = add_kind(k, item, not_this, e);
		else if (strcmp(field, "user") == 0)
			rc = not_this ? add(f->users_not, &f->users_not_len, item, field, e)
			              : add(f->users, &f->users_len, item, field, e);
		else
			rc = not_this ? add(f->sections_not, &f->sections_not_len, item, field, e)
			              : add(f->sections, &f->sections_len, item, field, e);
	}
	return rc;
}

int filter_parse(const json_t *query, struct filter **out, struct err *e)
{
	static const char *const fields[] = {"type", "user", "section"};
	struct kinds k = {0};
	struct filter *f = NULL;
	bool any = false;
	int rc = 0;

	*out = NULL;
	for (size_t i = 0; i < 3; i++) {
		const char *list = query_get(query, fields[i]);

		any |= list && *list;
	}
	if (!any)
		return 0;
	f = calloc(1, sizeof *f);
	if (!f)
		return err_set(e, ERR_NOMEM, NULL);
	for (size_t i = 0; !rc && i < 3; i++)
		rc = each_item(f, &k, fields[i], query_get(query, fields[i]), e);
	if (rc) {
		free(f);
		return rc;
	}
	f->kinds = (k.with || k.cursors ? k.with : UINT32_MAX) & ~k.without;
	f->cursors = k.cursors || (!k.with && !k.cursors_not && !f->sections_len);
	*out = f;
	return 0;
}

static bool in(const uint64_t *list, int len, uint64_t hash)
{
	for (int i = 0; i < len; i++)
		if (list[i] == hash)
			return true;
	return false;
}

bool filter_match(const struct filter *f, const struct slot *s)
{
	if (!(f->kinds >> s->kind & 1))
		return false;
	if (f->users_len > 0 && !in(f->users, f->users_len, s->user_hash))
		return false;
	if (f->sections_len > 0 && !in(f->sections, f->sections_len, s->section_hash))
		return false;
	return !in(f->users_not, f->users_not_len, s->user_hash) &&
	       !in(f->sections_not, f->sections_not_len, s->section_hash);
}
