/*
 * One WebSocket: libcurl connects (Unix socket, TCP, TLS, proxies) and moves bytes, the handshake
 * and the frames are ours.  Everything is non-blocking.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/base64.h"
#include "client/curl.h"
#include "proto/ws.h"

enum {
	HEAD_BYTES_MAX = 65536,
	MESSAGE_BYTES_MAX = 1 << 30,
	READ_BYTES = 262144,
	OUT_DROP_BYTES = 262144,
	HANDSHAKE_MS = 30000
};

enum phase { PHASE_CONNECT, PHASE_HANDSHAKE, PHASE_OPEN };

struct wire {
	const struct collab_config *config;
	CURLM *multi;
	CURL *curl;
	struct buf url, out, head;
	size_t out_at; /* bytes of out that are written */
	enum phase phase;
	bool dead, closing;
	bool deaf;           /* the server takes no more; what it said before is to be read */
	bool more;           /* the last read got bytes: there may be more, even inside TLS */
	int64_t deadline_ms; /* of connecting and handshake; 0: not set yet */
	char target[HEAD_BYTES_MAX / 8];
	char key[WS_KEY_LEN + 1];
	struct ws_decoder decoder;
	char *in, *in_at; /* bytes received: in_at[0 … in_len) are not decoded */
	size_t in_len;
	struct buf text; /* the message lent, as nobody's frames follow it there */
	struct wire_death death;
};

const struct wire_death *wire_death(const struct wire *w)
{
	return &w->death;
}

static enum wire_state die(struct wire *w, int code)
{
	w->dead = true;
	w->death.code = code;
	if (code && !w->death.err.code)
		client_fail(&w->death.err, code, "the connection broke");
	return WIRE_DEAD;
}

int wire_open(struct wire **out, const struct collab_config *c, const char *target,
              struct collab_err *e)
{
	struct wire *w = calloc(1, sizeof *w);
	unsigned char nonce[16];
	int rc;

	*out = NULL;
	if (!w)
		return client_fail(e, ERR_NOMEM, "out of memory");
	w->config = c;
	buf_init(&w->url, HEAD_BYTES_MAX);
	buf_init(&w->out, SIZE_MAX / 4);
	buf_init(&w->head, HEAD_BYTES_MAX);
	buf_init(&w->text, MESSAGE_BYTES_MAX);
	ws_decoder_init(&w->decoder, WS_CLIENT, MESSAGE_BYTES_MAX);
	w->in = malloc(READ_BYTES);
	w->curl = curl_easy_init();
	w->multi = curl_multi_init();
	if (!w->in || !w->curl || !w->multi || strlen(target) >= sizeof w->target ||
	    getrandom(nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce) {
		rc = client_fail(e, ERR_NOMEM, "out of memory");
		goto fail;
	}
	strcpy(w->target, target);
	base64_encode(nonce, sizeof nonce, w->key);
	rc = curl_prepare(w->curl, c, "/", &w->url, e);
	if (rc)
		goto fail;
	curl_easy_setopt(w->curl, CURLOPT_CONNECT_ONLY, 1L);
	if (curl_multi_add_handle(w->multi, w->curl)) {
		rc = client_fail(e, ERR_NOMEM, "libcurl cannot start");
		goto fail;
	}
	*out = w;
	return 0;
fail:
	wire_free(w);
	return rc;
}

void wire_free(struct wire *w)
{
	if (!w)
		return;
	if (w->multi && w->curl)
		(void)curl_multi_remove_handle(w->multi, w->curl); /* it may not have been added */
	curl_easy_cleanup(w->curl);
	curl_multi_cleanup(w->multi);
	ws_decoder_release(&w->decoder);
	buf_release(&w->url);
	buf_release(&w->out);
	buf_release(&w->head);
	buf_release(&w->text);
	free(w->in);
	free(w);
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static void put_frame(struct wire *w, int opcode, const char *p, size_t len)
{
	unsigned char mask[4];

	if (getrandom(mask, sizeof mask, 0) != (ssize_t)sizeof mask)
		memcpy(mask, w->key, sizeof mask); /* a mask guards old proxies, it hides nothing */
	ws_frame_write(&w->out, opcode, p, len, mask);
}

int wire_send(struct wire *w, const char *json, size_t len)
{
	put_frame(w, WS_TEXT, json, len);
	return buf_error(&w->out);
}

size_t wire_unsent(const struct wire *w)
{
	return w->out.len - w->out_at;
}

void wire_close(struct wire *w)
{
	unsigned char mask[4] = {1, 2, 3, 4};

	if (w->closing || w->phase != PHASE_OPEN)
		return;
	w->closing = true;
	ws_close_write(&w->out, 1000, NULL, mask);
}

static int flush(struct wire *w)
{
	if (buf_error(&w->out))
		return buf_error(&w->out);
	while (!w->deaf && w->out_at < w->out.len) {
		size_t n = 0;
		CURLcode code =
			curl_easy_send(w->curl, w->out.p + w->out_at, w->out.len - w->out_at, &n);

		if (code == CURLE_AGAIN)
			break;
		w->deaf = code != CURLE_OK;
		w->out_at += n;
	}
	if (w->out_at == w->out.len || w->deaf)
		buf_clear(&w->out);
	else if (w->out_at >= OUT_DROP_BYTES)
		buf_drop(&w->out, w->out_at);
	else
		return 0;
	w->out_at = 0;
	return 0;
}

/* ---- connecting -------------------------------------------------------------------------------
 */

/* The request of RFC 6455 section 4.1. */
static void put_handshake(struct wire *w)
{
	struct buf lines;
	const char *url = config_url(w->config), *host = strstr(url, "://") + 3;

	buf_init(&lines, HEAD_BYTES_MAX);
	curl_identity(w->config, &lines);
	buf_printf(&w->out,
	           "GET %s HTTP/1.1\r\nHost: %.*s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	           "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n",
	           w->target, (int)strcspn(host, "/"), host, w->key);
	for (const char *p = lines.p; p && *p;) {
		size_t n = strcspn(p, "\n");

		buf_put(&w->out, p, n);
		buf_puts(&w->out, "\r\n");
		p += n + (p[n] == '\n');
	}
	buf_puts(&w->out, "\r\n");
	buf_release(&lines);
}

static enum wire_state connecting(struct wire *w)
{
	int running = 0, left = 0;
	CURLMsg *msg = NULL;

	if (curl_multi_perform(w->multi, &running))
		return die(w, ERR_NOMEM);
	while ((msg = curl_multi_info_read(w->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		if (msg->data.result)
			return die(w, curl_failed(msg->easy_handle, w->config,
			                          (int)msg->data.result, &w->death.err));
		w->phase = PHASE_HANDSHAKE;
		put_handshake(w);
		return buf_error(&w->out) ? die(w, ERR_NOMEM) : WIRE_CONNECTING;
	}
	return WIRE_CONNECTING;
}

/* A header's value in the head of the answer, cut out in place; "" when it is not there. */
static void header_value(const char *head, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);

	out[0] = '\0';
	for (const char *p = strstr(head, "\r\n"); p; p = strstr(p + 2, "\r\n")) {
		const char *value = p + 2 + n;

		if (strncasecmp(p + 2, name, n) != 0 || *value != ':')
			continue;
		value += 1 + strspn(value + 1, " \t");
		(void)snprintf(out, size, "%.*s", (int)strcspn(value, "\r"), value);
		return;
	}
}

static int refused(struct wire *w, int status, char *body)
{
	char value[64];
	long length;

	header_value(w->head.p, "Content-Length", value, sizeof value);
	length = value[0] ? strtol(value, NULL, 10) : 0;
	if ((long)strlen(body) < length)
		return 0; /* the rest of the problem is to come */
	w->death.http = status;
	client_problem(status, body, strlen(body), &w->death.err);
	header_value(w->head.p, "Retry-After", value, sizeof value);
	w->death.err.retry_after = atoi(value);
	die(w, w->death.err.code);
	return 1;
}

/* Look at what came of the answer's head; the bytes behind it are frames. */
static enum wire_state handshake(struct wire *w)
{
	char accept[WS_ACCEPT_LEN + 1], value[64], *end = strstr(w->head.p, "\r\n\r\n");
	int status = 0;

	if (!end)
		return WIRE_CONNECTING;
	if (sscanf(w->head.p, "HTTP/1.%*1d %3d", &status) != 1) {
		client_fail(&w->death.err, ERR_PROTOCOL, "the server does not speak HTTP/1.1");
		return die(w, ERR_PROTOCOL);
	}
	if (status != 101)
		return refused(w, status, end + 4) ? WIRE_DEAD : WIRE_CONNECTING;
	end[2] = '\0';
	ws_accept_key(w->key, accept);
	header_value(w->head.p, "Sec-WebSocket-Accept", value, sizeof value);
	if (strcmp(accept, value) != 0) {
		client_fail(&w->death.err, ERR_PROTOCOL, "the server's handshake is wrong");
		return die(w, ERR_PROTOCOL);
	}
	w->phase = PHASE_OPEN;
	/* It fits: no more than HEAD_BYTES_MAX was read. */
	w->in_len = w->head.len - (size_t)(end + 4 - w->head.p);
	memcpy(w->in, end + 4, w->in_len);
	w->in_at = w->in;
	buf_release(&w->head);
	return WIRE_OPEN;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static int receive(struct wire *w)
{
	size_t n = 0, max = w->phase == PHASE_OPEN ? READ_BYTES : HEAD_BYTES_MAX - w->head.len;
	CURLcode code;

	if (w->in_len > 0)
		return 0; /* first what is there */
	code = curl_easy_recv(w->curl, w->in, max, &n);
	w->more = code == CURLE_OK && n > 0;
	if (code == CURLE_AGAIN)
		return 0;
	if (code || n == 0) {
		client_fail(&w->death.err, ERR_UNREACHABLE, "the server closed the connection");
		return ERR_UNREACHABLE;
	}
	w->in_at = w->in;
	w->in_len = n;
	return 0;
}

enum wire_state wire_step(struct wire *w, int64_t now_ms)
{
	int rc;

	if (w->dead)
		return w->in_len > 0 ? WIRE_OPEN : WIRE_DEAD;
	if (w->phase != PHASE_OPEN && w->deadline_ms == 0)
		w->deadline_ms = now_ms + HANDSHAKE_MS;
	if (w->phase != PHASE_OPEN && now_ms >= w->deadline_ms) {
		client_fail(&w->death.err, ERR_UNREACHABLE, "the server does not answer");
		return die(w, ERR_UNREACHABLE);
	}
	if (w->phase == PHASE_CONNECT && connecting(w) == WIRE_DEAD)
		return WIRE_DEAD;
	if (w->phase == PHASE_CONNECT)
		return WIRE_CONNECTING;
	rc = flush(w);
	if (!rc)
		rc = receive(w);
	if (rc)
		return die(w, rc);
	if (w->phase == PHASE_HANDSHAKE && w->in_len > 0) {
		buf_put(&w->head, w->in, w->in_len);
		w->in_len = 0;
		return buf_error(&w->head) ? die(w, ERR_PROTOCOL) : handshake(w);
	}
	return w->phase == PHASE_OPEN ? WIRE_OPEN : WIRE_CONNECTING;
}

static void on_close(struct wire *w, const struct ws_message *m)
{
	w->death.close_code = m->close_code;
	if (m->len > 0)
		client_fail(&w->death.err, 0, "the server says: %.*s", (int)m->len, m->p);
	if (!w->closing) {
		wire_close(w); /* the answering close; whether it arrives is nobody's concern */
		(void)flush(w);
	}
	w->in_len = 0;
	die(w, 0);
}

int wire_next(struct wire *w, const char **json, size_t *len)
{
	struct ws_message m;
	int rc;

	if (w->phase != PHASE_OPEN)
		return 0;
	while ((rc = ws_decode(&w->decoder, &w->in_at, &w->in_len, &m)) > 0) {
		if (m.opcode == WS_PING) {
			put_frame(w, WS_PONG, m.p, m.len);
		} else if (m.opcode == WS_CLOSE) {
			on_close(w, &m);
			return 0;
		} else if (m.opcode == WS_TEXT) {
			buf_clear(&w->text);
			buf_put(&w->text, m.p, m.len);
			rc = buf_error(&w->text);
			if (rc)
				break;
			*json = w->text.p;
			*len = m.len;
			return 1;
		}
	}
	if (rc < 0) {
		client_fail(&w->death.err, rc == ERR_NOMEM ? rc : ERR_PROTOCOL, "%s",
		            rc == ERR_NOMEM ? "out of memory"
		                            : "the server sent a malformed frame");
		w->in_len = 0;
		die(w, w->death.err.code);
	}
	return 0;
}

/* ---- waiting ----------------------------------------------------------------------------------
 */

int wire_fds(struct wire *w, struct pollfd *fds, int max)
{
	curl_socket_t fd = CURL_SOCKET_BAD;

	if (w->dead || max < 1)
		return 0;
	if (w->phase == PHASE_CONNECT) {
		fd_set r, wr, ex;
		int top = -1, len = 0;

		FD_ZERO(&r);
		FD_ZERO(&wr);
		FD_ZERO(&ex);
		if (curl_multi_fdset(w->multi, &r, &wr, &ex, &top))
			return 0;
		for (int i = 0; i <= top && len < max; i++)
			if (FD_ISSET(i, &r) || FD_ISSET(i, &wr))
				fds[len++] = (struct pollfd){
					.fd = i,
					.events = (short)((FD_ISSET(i, &r) ? POLLIN : 0) |
				                          (FD_ISSET(i, &wr) ? POLLOUT : 0))};
		return len;
	}
	if (curl_easy_getinfo(w->curl, CURLINFO_ACTIVESOCKET, &fd) || fd == CURL_SOCKET_BAD)
		return 0;
	fds[0] = (struct pollfd){.fd = fd, .events = POLLIN};
	if (w->out_at < w->out.len && !w->deaf)
		fds[0].events |= POLLOUT;
	return 1;
}

int wire_timeout(struct wire *w, int64_t now_ms)
{
	long ms = -1;

	if (w->dead || w->in_len > 0 || w->more)
		return 0;
	if (w->phase == PHASE_OPEN)
		return -1;
	if (w->phase == PHASE_CONNECT) {
		(void)curl_multi_timeout(w->multi, &ms); /* -1 when it has no wish */
		if (ms < 0 || ms > 1000)
			ms = 1000;
		return (int)ms;
	}
	return w->deadline_ms > now_ms ? (int)(w->deadline_ms - now_ms) : 0;
}
