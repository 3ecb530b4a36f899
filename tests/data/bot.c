/* A bot by libcollab alone: joins, comments, waits for its ack, leaves.  usage: bot REPORT TEXT */
#include <collab.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct collab_config *config = collab_config_new();
	struct collab_join join = {.since = -1};
	struct collab_message m;
	struct collab_err e = {0};
	struct collab *c = NULL;
	char json[1024];
	int rc = argc == 3 && config ? 0 : 64;

	if (!rc)
		rc = collab_config_set(config, "report", argv[1], &e);
	if (!rc)
		rc = collab_config_finish(config, &e);
	if (!rc)
		rc = collab_open(&c, config, &join, &e);
	if (!rc) {
		(void)snprintf(json, sizeof json,
		               "{\"type\":\"comment_added\",\"data\":{\"section_id\":\"intro\","
		               "\"content\":\"%s\",\"parent_comment_id\":null}}",
		               argv[2]);
		rc = collab_send(c, json, strlen(json), NULL, &e);
	}
	while (!rc && collab_pending(c) > 0) {
		if (collab_next(c, 10000, &m) != 1)
			rc = collab_code("timed_out");
		else if (m.kind == COLLAB_ACK)
			printf("acked %lld\n", (long long)m.seq);
		else if (m.kind == COLLAB_ERROR || m.kind == COLLAB_CLOSED)
			rc = m.code ? m.code : collab_code("internal");
	}
	if (!rc)
		rc = collab_close(c, 1000);
	if (rc)
		fprintf(stderr, "bot: %s\n", e.text);
	collab_free(c);
	collab_config_free(config);
	return rc ? 1 : 0;
}
