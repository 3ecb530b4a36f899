/* pmr-log blame: who wrote what of a section, and when. */
#include <string.h>

#include "tool_log.h"

static void put_run(void *arg, const struct collab_run *run)
{
	struct tool *t = arg;
	json_t *object = json_pack("{s:I,s:I,s:s%,s:I,s:s,s:s,s:s}", "from", (json_int_t)run->from,
	                           "to", (json_int_t)run->to, "text", run->text, run->len, "seq",
	                           (json_int_t)run->seq, "user_id", run->user_id, "user_name",
	                           run->user_name, "timestamp", run->timestamp);

	tool_put_object(t, object);
	json_decref(object);
}

static enum collab_unit unit_of(const struct tool *t)
{
	const char *by = tool_opt(t, "by");

	if (by && strcmp(by, "line") == 0)
		return COLLAB_LINE;
	return by && strcmp(by, "char") == 0 ? COLLAB_CHAR : COLLAB_WORD;
}

int log_blame(struct tool *t)
{
	const char *at = tool_opt(t, "at");
	struct collab_history *h = NULL;
	struct log_extent x = {0};
	struct collab_err e = {0};
	int64_t until = 0;
	int rc = log_open(t, &x, &e);

	until = x.head;
	if (!rc && at)
		rc = log_seq(t, &x, "--at", at, &until, &e);
	if (!rc && until > x.head)
		rc = tool_err(&e, "bad_field", "the log ends at seq %lld", (long long)x.head);
	if (!rc && until < x.floor)
		rc = tool_err(&e, "base_too_old", "the log begins at seq %lld",
		              (long long)x.floor + 1);
	if (!rc)
		rc = log_history(t, &x, t->operands[0], until, NULL, NULL, &h, &e);
	if (!rc)
		collab_history_runs(h, unit_of(t), put_run, t);
	collab_history_free(h);
	return rc ? tool_fail(t, &e) : 0;
}
