/*
 * The past of a session for the tools that read it (pmr-log, pmr-section history): bounds given as
 * seqs, times or durations, and the events between them.
 */
#ifndef TOOL_LOG_H
#define TOOL_LOG_H

#include "tool.h"

/* A log as it is when the tool begins; what comes later is not looked at. */
struct log_extent {
	int64_t floor; /* the seq that it begins after: 0, or where it was compacted */
	int64_t head;  /* its last seq */
	bool stored;   /* events come as they are stored, so that the chain can be checked */
};

/*
 * Find the session (tool_target, and the latest one of a report), set t->config to it for good, and
 * learn its extent.
 */
int log_open(struct tool *t, struct log_extent *x, struct collab_err *e);

/*
 * What `text`, the value of what is called `name`, stands for: a seq as it is; for a time (RFC
 * 3339) or how long ago ("1h30m") the last seq before that.  Code of "usage".
 */
int log_seq(struct tool *t, const struct log_extent *x, const char *name, const char *text,
            int64_t *seq, struct collab_err *e);

/*
 * Call fn with each event after `since` up to `until`, as it came, in order; fn gives false to
 * stop. filter: a query, encoded ("type=a,b&section=c"); NULL: all events.
 */
int log_each(struct tool *t, const char *filter, int64_t since, int64_t until,
             bool (*fn)(void *arg, int64_t seq, const char *json, size_t len), void *arg,
             struct collab_err *e);

/* The filter of the events that change a section, whose id goes behind it. */
#define LOG_CHANGES_OF "type=section_update,section_deleted,conflict_resolved&section="

/* A section as the server shows it, at a seq; release *r in every case.  Code of "no_section". */
int log_section_at(struct tool *t, const char *section_id, int64_t seq, struct collab_response *r,
                   struct collab_err *e);

/*
 * The section's history up to `until`, folded: gives *h.  fn (may be NULL) is called with each
 * event that changed the section and what it did.  Code of "no_section" when there was never such a
 * section.
 */
int log_history(struct tool *t, const struct log_extent *x, const char *section_id, int64_t until,
                void (*fn)(void *arg, const json_t *event, const struct collab_change *change),
                void *arg, struct collab_history **h, struct collab_err *e);

/* The verbs of pmr-log that have a file of their own. */
int log_diff(struct tool *t);
int log_blame(struct tool *t);
int log_verify(struct tool *t);

#endif
