/* REST requests by libcurl. */
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/client_int.h"
#include "client/curl.h"

enum { ANSWER_BYTES_MAX = 256 << 20, TIMEOUT_MS = 30000, IDENTITY_BYTES_MAX = 65536 };

void collab_response_release(struct collab_response *r)
{
	free(r->body);
	*r = (struct collab_response){0};
}

char *collab_escape(const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = malloc(strlen(text) * 3 + 1), *p = out;

	for (; out && *text; text++) {
		unsigned char ch = (unsigned char)*text;

		if ((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
		    (ch >= 'A' && ch <= 'Z') || strchr("-._~", ch)) {
			*p++ = (char)ch;
		} else {
			*p++ = '%';
			*p++ = digits[ch >> 4];
			*p++ = digits[ch & 15];
		}
	}
	if (out)
		*p = '\0';
	return out;
}

/* ---- shared with the WebSocket ----------------------------------------------------------------
 */

/* Whom TLS trusts, where OpenSSL's variables say it; libcurl by itself would not look at them. */
static void curl_trust(CURL *curl)
{
	const char *file = getenv("SSL_CERT_FILE"), *dir = getenv("SSL_CERT_DIR");

	if (file && *file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, file);
	if (dir && *dir)
		curl_easy_setopt(curl, CURLOPT_CAPATH, dir);
}

int curl_prepare(CURL *curl, const struct collab_config *c, const char *target, struct buf *url,
                 struct collab_err *e)
{
	static bool global;

	if (!global && curl_global_init(CURL_GLOBAL_DEFAULT))
		return client_fail(e, ERR_NOMEM, "libcurl cannot start");
	global = true;
	buf_puts(url, config_url(c));
	buf_puts(url, target);
	if (!curl || buf_error(url))
		return client_fail(e, ERR_NOMEM, "out of memory");
	curl_easy_setopt(curl, CURLOPT_URL, url->p);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
	curl_trust(curl);
	if (c->values[CONFIG_socket])
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, c->values[CONFIG_socket]);
	return 0;
}

int curl_identity(const struct collab_config *c, struct buf *headers)
{
	const char *as = c->values[CONFIG_as], *colon = as ? strchr(as, ':') : NULL;

	if (c->values[CONFIG_token])
		buf_printf(headers, "Authorization: Bearer %s\n", c->values[CONFIG_token]);
	if (as && colon)
		buf_printf(headers, "X-Collab-As: %.*s;%s\n", (int)(colon - as), as, colon + 1);
	else if (as)
		buf_printf(headers, "X-Collab-As: %s\n", as);
	return buf_error(headers);
}

char *collab_config_identity(const struct collab_config *c)
{
	struct buf lines, out;
	char *text = NULL;

	buf_init(&lines, IDENTITY_BYTES_MAX);
	buf_init(&out, IDENTITY_BYTES_MAX);
	(void)curl_identity(c, &lines); /* it is told below */
	for (size_t i = 0; i < lines.len; i++) {
		if (lines.p[i] == '\n')
			buf_putc(&out, '\r');
		buf_putc(&out, lines.p[i]);
	}
	buf_puts(&out, "");
	if (!buf_error(&lines))
		text = out.p ? buf_take(&out) : strdup("");
	buf_release(&lines);
	buf_release(&out);
	return text;
}

int curl_failed(CURL *curl, const struct collab_config *c, int code, struct collab_err *e)
{
	const char *where = c->values[CONFIG_socket] ? c->values[CONFIG_socket] : config_url(c);
	char reason[128] = "";
	long error = 0;

	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return client_fail(e, ERR_TIMED_OUT, "no answer from %s in time", where);
	case CURLE_OUT_OF_MEMORY:
		return client_fail(e, ERR_NOMEM, "out of memory");
	case CURLE_URL_MALFORMAT:
		return client_fail(e, ERR_CONFIG, "%s is not a URL", where);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
		return client_fail(e, ERR_UNREACHABLE, "%s: %s", where,
		                   curl_easy_strerror((CURLcode)code));
	case CURLE_COULDNT_CONNECT:
		/* Whether nobody listens there, or we may not, makes a difference. */
		curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
		if (error && strerror_r((int)error, reason, sizeof reason) == 0)
			return client_fail(e, ERR_UNREACHABLE, "cannot reach %s: %s", where,
			                   reason);
		/* fall through */
	default:
		return client_fail(e, ERR_UNREACHABLE, "cannot reach %s: %s", where,
		                   curl_easy_strerror((CURLcode)code));
	}
}

int client_problem(int status, const char *body, size_t len, struct collab_err *e)
{
	json_t *o = body ? json_loadb(body, len, 0, NULL) : NULL;
	const char *wire = json_string_value(json_object_get(o, "code"));
	const char *detail = json_string_value(json_object_get(o, "detail"));
	int code = wire ? err_from_wire(wire) : 0;

	if (!code)
		code = status == 401   ? ERR_UNAUTHENTICATED
		       : status == 403 ? ERR_FORBIDDEN
		       : status == 404 ? ERR_NOT_FOUND
		       : status == 429 ? ERR_RATE_LIMITED
		       : status >= 500 ? ERR_UNREACHABLE
		                       : ERR_PROTOCOL;
	client_fail(e, code, "%s", detail ? detail : err_row(code)->text);
	if (e)
		e->http = status;
	json_decref(o);
	return code;
}

/* ---- one request ------------------------------------------------------------------------------
 */

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct buf *body = arg;

	buf_put(body, bytes, size * n);
	return buf_error(body) ? 0 : size * n;
}

struct head {
	char etag[64];
	int retry_after;
};

static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
	struct head *h = arg;
	size_t len = size * n;

	if (len > 6 && strncasecmp(bytes, "ETag: ", 6) == 0)
		(void)snprintf(h->etag, sizeof h->etag, "%.*s", (int)(len - 8), bytes + 6);
	else if (len > 13 && strncasecmp(bytes, "Retry-After: ", 13) == 0)
		h->retry_after = atoi(bytes + 13);
	return len;
}

/* One header a line to curl's list. */
static struct curl_slist *header_list(struct buf *lines, const char *const *more)
{
	struct curl_slist *list = NULL, *next = NULL;
	char *save = NULL;

	for (char *line = lines->p ? strtok_r(lines->p, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		next = curl_slist_append(list, line);
		if (!next)
			goto fail;
		list = next;
	}
	for (; more && *more; more++) {
		next = curl_slist_append(list, *more);
		if (!next)
			goto fail;
		list = next;
	}
	return list;
fail:
	curl_slist_free_all(list);
	return NULL;
}

/* "S/…" stands for the configured session. */
static int expand_path(const struct collab_config *c, const char *path, struct buf *out,
                       struct collab_err *e)
{
	int rc = 0;

	if (strncmp(path, "S/", 2) == 0) {
		rc = config_session_path(c, false, out, e);
		path += 2;
	}
	buf_puts(out, path);
	return rc ? rc : buf_error(out) ? client_fail(e, ERR_NOMEM, "out of memory") : 0;
}

/* One transfer, whatever becomes of its body. */
struct transfer {
	CURL *curl;
	struct curl_slist *list;
	struct buf target, url, lines, answer;
	struct head head;
	/* of a download: who gets the body of a success */
	bool (*fn)(void *arg, const char *bytes, size_t len);
	void *arg;
	bool stopped;
};

static void transfer_init(struct transfer *t)
{
	*t = (struct transfer){.curl = curl_easy_init()};
	buf_init(&t->target, 65536);
	buf_init(&t->url, 65536);
	buf_init(&t->lines, 65536);
	buf_init(&t->answer, ANSWER_BYTES_MAX);
}

static void transfer_release(struct transfer *t)
{
	curl_slist_free_all(t->list);
	curl_easy_cleanup(t->curl);
	buf_release(&t->answer);
	buf_release(&t->lines);
	buf_release(&t->url);
	buf_release(&t->target);
}

/* Where to, and who we are; t->lines has the request's own headers. */
static int transfer_prepare(struct transfer *t, const struct collab_config *c, const char *path,
                            const char *const *headers, struct collab_err *e)
{
	int rc = expand_path(c, path, &t->target, e);

	if (!rc)
		rc = curl_prepare(t->curl, c, t->target.p, &t->url, e);
	if (rc)
		return rc;
	t->list = curl_identity(c, &t->lines) ? NULL : header_list(&t->lines, headers);
	if (!t->list)
		return client_fail(e, ERR_NOMEM, "out of memory");
	curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, t->list);
	curl_easy_setopt(t->curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(t->curl, CURLOPT_HEADERDATA, &t->head);
	return 0;
}

/* Do it; then the answer is in *r, and what it says against us in *e. */
static int transfer_perform(struct transfer *t, const struct collab_config *c,
                            struct collab_response *r, struct collab_err *e)
{
	CURLcode code = curl_easy_perform(t->curl);
	long status = 0;
	int rc = 0;

	if (code && !t->stopped)
		return curl_failed(t->curl, c, (int)code, e);
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	r->status = (int)status;
	memcpy(r->etag, t->head.etag, sizeof r->etag);
	r->len = t->answer.len;
	r->body = buf_take(&t->answer);
	if (!r->body)
		rc = client_fail(e, ERR_NOMEM, "out of memory");
	else if (status / 100 != 2 && status != 304)
		rc = client_problem(r->status, r->body, r->len, e);
	if (rc && e)
		e->retry_after = t->head.retry_after;
	return rc;
}

int collab_request(const struct collab_config *c, const char *method, const char *path,
                   const char *body, const char *const *headers, int timeout_ms,
                   struct collab_response *r, struct collab_err *e)
{
	bool sends = body || strcmp(method, "GET") != 0;
	struct transfer t;
	int rc;

	*r = (struct collab_response){0};
	transfer_init(&t);
	buf_puts(&t.lines, "Accept: application/json\nExpect:\n");
	if (sends)
		buf_puts(&t.lines, "Content-Type: application/json\n");
	rc = transfer_prepare(&t, c, path, headers, e);
	if (rc)
		goto out;
	curl_easy_setopt(t.curl, CURLOPT_CUSTOMREQUEST, method);
	if (sends) {
		curl_easy_setopt(t.curl, CURLOPT_POSTFIELDS, body ? body : "");
		curl_easy_setopt(t.curl, CURLOPT_POSTFIELDSIZE_LARGE,
		                 (curl_off_t)(body ? strlen(body) : 0));
	}
	curl_easy_setopt(t.curl, CURLOPT_TIMEOUT_MS,
	                 (long)(timeout_ms > 0 ? timeout_ms : TIMEOUT_MS));
	curl_easy_setopt(t.curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(t.curl, CURLOPT_WRITEDATA, &t.answer);
	rc = transfer_perform(&t, c, r, e);
out:
	transfer_release(&t);
	return rc;
}

/* A piece of a download; of a refusal, it is kept. */
static size_t on_piece(char *bytes, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	long status = 0;

	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status / 100 != 2)
		return on_body(bytes, size, n, &t->answer);
	t->stopped = !t->fn(t->arg, bytes, size * n);
	return t->stopped ? 0 : size * n;
}

int collab_download(const struct collab_config *c, const char *path, const char *accept,
                    bool (*fn)(void *arg, const char *bytes, size_t len), void *arg, int stall_ms,
                    struct collab_response *r, struct collab_err *e)
{
	int seconds = ((stall_ms > 0 ? stall_ms : TIMEOUT_MS) + 999) / 1000;
	struct transfer t;
	int rc;

	*r = (struct collab_response){0};
	transfer_init(&t);
	t.fn = fn;
	t.arg = arg;
	buf_printf(&t.lines, "Accept: %s\n", accept);
	rc = transfer_prepare(&t, c, path, NULL, e);
	if (rc)
		goto out;
	curl_easy_setopt(t.curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(t.curl, CURLOPT_LOW_SPEED_TIME, (long)seconds);
	curl_easy_setopt(t.curl, CURLOPT_WRITEFUNCTION, on_piece);
	curl_easy_setopt(t.curl, CURLOPT_WRITEDATA, &t);
	rc = transfer_perform(&t, c, r, e);
out:
	transfer_release(&t);
	return rc;
}
