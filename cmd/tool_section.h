/*
 * Changing sections (pmr-section, pmr-conflict): what guards a change, what becomes of it, and the
 * three versions where somebody else was faster.
 */
#ifndef TOOL_SECTION_H
#define TOOL_SECTION_H

#include "tool.h"

enum { SECTION_EXIT_CONFLICT = 73 };

/*
 * Which session this is, for good: a report's next session may begin while somebody edits.
 * t->config is set to it, *seq is where its log ends.  After tool_target.
 */
int section_pin(struct tool *t, int64_t *seq, struct collab_err *e);

/* A section as the server shows it, now or at a seq or time (NULL: now); gives *out. */
int section_get(struct tool *t, const char *section_id, const char *at, json_t **out,
                struct collab_err *e);

/*
 * Its text in *content, a new reference: "" where it has none yet.  Code of "bad_field" when it is
 * a value that is no text.
 */
int section_text(const json_t *section, const char *section_id, json_t **content,
                 struct collab_err *e);

/* Put --if-version, --base-seq and the fence of a lock held for the tool into a request's body. */
int section_guards(const struct tool *t, const char *section_id, json_t *body,
                   struct collab_err *e);

/* The fence alone; nothing where no lock of the section is held. */
int section_fence(const char *section_id, json_t *body, struct collab_err *e);

/*
 * Put the error *e and the three versions, each NULL where it is not known: what a change was made
 * from, what there is, what was wanted.
 */
void section_put_versions(struct tool *t, const char *section_id, const struct collab_response *r,
                          const struct collab_err *e, const json_t *base, const json_t *current,
                          const json_t *proposed);

/*
 * Send a change and print what became of it: the ack; the conflict that it has become; on a version
 * mismatch the three versions.  Gives the exit status.
 */
int section_change(struct tool *t, const char *method, const char *section_id, const json_t *body);

/* What became of a request: its answer printed, or its error told.  Gives the exit status. */
int section_answer(struct tool *t, const char *section_id, const struct collab_response *r,
                   const struct collab_err *e);

/* ---- merging -----------------------------------------------------------------------------------
 */

/* A text made from another one. */
struct section_draft {
	const char *section_id;
	int64_t base_seq; /* of the section as it was read */
	json_t *base;     /* its text; "" where there was none */
	json_t *text;     /* what shall become of it */
	char *delta;      /* the operation that does it; NULL: the smallest one */
	bool absent;      /* there was no such section */
};

void section_draft_release(struct section_draft *d);

/* Read what the draft is made from: d->section_id as it is now, in the session pinned. */
int section_draft_begin(struct tool *t, struct section_draft *d, struct collab_err *e);

/*
 * Send what the draft changes, so that it merges with what others did since; print what became of
 * it.  *saved: the text is in the session, as a change or as a conflict's proposal.
 */
int section_draft_send(struct tool *t, const struct section_draft *d, bool *saved);

/* What `get --base FILE` keeps for `set --merge --base FILE`. */
int section_base_write(struct tool *t, const char *file, const struct section_draft *d,
                       struct collab_err *e);
int section_base_read(struct tool *t, const char *file, struct section_draft *d,
                      struct collab_err *e);

/*
 * After `set --merge`: the text that was set is the new base, if it is what the section has now; if
 * it was merged with others' changes, FILE is of no use until the next get.
 */
int section_base_renew(struct tool *t, const char *file, struct section_draft *d,
                       struct collab_err *e);

/* The verbs of pmr-section that have a file of their own. */
int section_edit(struct tool *t);
int section_set_merge(struct tool *t);
int section_patch(struct tool *t);
int section_history(struct tool *t);
int section_revert(struct tool *t);

#endif
