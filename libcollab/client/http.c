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

int curl_failed(const struct collab_config *c, int code, struct collab_err *e)
{
	const char *where = c->values[CONFIG_socket] ? c->values[CONFIG_socket] : config_url(c);

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

int collab_request(const struct collab_config *c, const char *method, const char *path,
                   const char *body, const char *const *headers, int timeout_ms,
                   struct collab_response *r, struct collab_err *e)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *list = NULL;
	struct buf target, url, lines, answer;
	struct head head = {"", 0};
	long status = 0;
	CURLcode code;
	int rc;

	*r = (struct collab_response){0};
	buf_init(&target, 65536);
	buf_init(&url, 65536);
	buf_init(&lines, 65536);
	buf_init(&answer, ANSWER_BYTES_MAX);
	rc = expand_path(c, path, &target, e);
	if (!rc)
		rc = curl_prepare(curl, c, target.p, &url, e);
	if (rc)
		goto out;
	buf_puts(&lines, "Accept: application/json\nExpect:\n");
	if (body || strcmp(method, "GET") != 0)
		buf_puts(&lines, "Content-Type: application/json\n");
	list = curl_identity(c, &lines) ? NULL : header_list(&lines, headers);
	if (!list) {
		rc = client_fail(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	if (body || strcmp(method, "GET") != 0) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body ? body : "");
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
		                 (curl_off_t)(body ? strlen(body) : 0));
	}
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
	                 (long)(timeout_ms > 0 ? timeout_ms : TIMEOUT_MS));
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, &head);
	code = curl_easy_perform(curl);
	if (code) {
		rc = curl_failed(c, (int)code, e);
		goto out;
	}
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	r->status = (int)status;
	memcpy(r->etag, head.etag, sizeof r->etag);
	r->len = answer.len;
	r->body = buf_take(&answer);
	if (!r->body)
		rc = client_fail(e, ERR_NOMEM, "out of memory");
	else if (status / 100 != 2 && status != 304)
		rc = client_problem(r->status, r->body, r->len, e);
	if (rc && e)
		e->retry_after = head.retry_after;
out:
	curl_slist_free_all(list);
	curl_easy_cleanup(curl);
	buf_release(&answer);
	buf_release(&lines);
	buf_release(&url);
	buf_release(&target);
	return rc;
}
