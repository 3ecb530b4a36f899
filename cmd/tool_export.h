/* pmr-session's verbs that have a file of their own, and what they share. */
#ifndef TOOL_EXPORT_H
#define TOOL_EXPORT_H

#include "tool.h"

/*
 * With -r and no active session: let the report's last one be the session.  The original answer for
 * a report says only that none is active.  Codes as tool_request.
 */
int session_choose_latest(struct tool *t, struct collab_err *e);

/* The answer to GET S/session?include=…; gives *object. */
int session_details(struct tool *t, const char *include, json_t **object, struct collab_err *e);

/* A report to be read by a person, to stdout. */
void session_put_markdown(struct tool *t, const json_t *session);

int session_export(struct tool *t);
int session_import(struct tool *t);

#endif
