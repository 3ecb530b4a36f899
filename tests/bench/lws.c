/*
 * Plain libwebsockets, for comparison: its poll loop, one callback a frame; whoever connects gets a
 * text of so many bytes, which stands for a session's state.  (collabd does not use it.)
 *
 * usage: lws BYTES      prints host:port when it serves
 */
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char text[LWS_PRE + 65536];
static size_t text_len;

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
	(void)user;
	(void)in;
	(void)len;
	if (reason == LWS_CALLBACK_ESTABLISHED)
		lws_callback_on_writable(wsi);
	else if (reason == LWS_CALLBACK_SERVER_WRITEABLE)
		return lws_write(wsi, text + LWS_PRE, text_len, LWS_WRITE_TEXT) < (int)text_len;
	return 0;
}

int main(int argc, char **argv)
{
	static const char head[] = "{\"type\":\"session_state\",\"seq\":0,\"fill\":\"";
	static const struct lws_protocols protocols[] = {
		{"collab.v1", callback, 0, 2048, 0, NULL, 0},
		{NULL, NULL, 0, 0, 0, NULL, 0},
	};
	struct lws_context_creation_info info;
	struct lws_context *context = NULL;
	size_t want = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;

	if (want < sizeof head + 2 || want > 65536)
		return 64;
	text_len = want;
	memset(text + LWS_PRE, 'x', want);
	memcpy(text + LWS_PRE, head, sizeof head - 1);
	memcpy(text + LWS_PRE + want - 2, "\"}", 2);
	lws_set_log_level(LLL_ERR, NULL);
	memset(&info, 0, sizeof info);
	info.port = 0;
	info.iface = "127.0.0.1";
	info.protocols = protocols;
	context = lws_create_context(&info);
	if (!context)
		return 1;
	printf("127.0.0.1:%d\n",
	       lws_get_vhost_listen_port(lws_get_vhost_by_name(context, "default")));
	(void)fflush(stdout);
	while (lws_service(context, 0) >= 0)
		continue;
	lws_context_destroy(context);
	return 0;
}
