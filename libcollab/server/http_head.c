/* A request's head, taken apart: libhttp-parser reads it, the rules it leaves open are here. */
#include "server/http_in.h"

#include <assert.h>
#include <http_parser.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "proto/ws.h"

enum {
	HEADER_CONTENT_LENGTH,
	HEADER_TRANSFER_ENCODING,
#define X(member, name) HEADER_##member,
	HTTP_HEADERS(X)
#undef X
		HEADER_KINDS,
	HEADER_OTHER = HEADER_KINDS
};

static const char *const names[HEADER_KINDS] = {[HEADER_CONTENT_LENGTH] = "content-length",
                                                [HEADER_TRANSFER_ENCODING] = "transfer-encoding",
#define X(member, name) [HEADER_##member] = name,
                                                HTTP_HEADERS(X)
#undef X
};

/* Those that may come in several lines and then mean one list (RFC 9110 section 5.3). */
static const bool lists[HEADER_KINDS] = {
	[HEADER_accept] = true,     [HEADER_if_match] = true,    [HEADER_if_none_match] = true,
	[HEADER_upgrade_to] = true, [HEADER_ws_protocol] = true,
};

struct line {
	char *value;
	size_t len;
	int kind;
};

struct parse {
	struct http_head *head;
	struct err *e;
	int rc; /* set by a callback that stops the parser */
	char *target;
	size_t target_len;
	struct line lines[HTTP_HEADERS_MAX];
	int lines_len;
	int seen[HEADER_KINDS]; /* how many lines of each kind */
	bool value_open;        /* a name was read whose value has not come yet */
	unsigned flags;         /* F_* of the parser at the end of the head */
	unsigned short major, minor;
	unsigned method;
	bool complete;
};

static bool is_token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static int refuse(struct parse *p, int code, const char *text)
{
	p->rc = err_set(p->e, code, "%s", text);
	return -1;
}

/* The parser's callbacks lend it the head for reading; it is ours to write to (http_head_parse). */
static int on_url(http_parser *hp, const char *at, size_t len)
{
	struct parse *p = hp->data;

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)at[i] <= ' ' || (unsigned char)at[i] >= 0x7f || at[i] == '#')
			return refuse(p, ERR_BAD_REQUEST,
			              "the request target has a character it may not have");
	p->target = (char *)(uintptr_t)at;
	p->target_len = len;
	return 0;
}

static int on_field(http_parser *hp, const char *at, size_t len)
{
	struct parse *p = hp->data;
	struct line *line = &p->lines[p->lines_len];

	for (size_t i = 0; i < len; i++)
		if (!is_token_char((unsigned char)at[i]))
			return refuse(p, ERR_BAD_REQUEST, "a header's name is not a token");
	if (p->lines_len == HTTP_HEADERS_MAX)
		return refuse(p, ERR_HEADERS_TOO_LARGE, "the request has too many headers");
	line->kind = 0;
	while (line->kind < HEADER_KINDS &&
	       (strlen(names[line->kind]) != len || strncasecmp(names[line->kind], at, len) != 0))
		line->kind++;
	p->value_open = true;
	return 0;
}

static int on_value(http_parser *hp, const char *at, size_t len)
{
	struct parse *p = hp->data;
	struct line *line = &p->lines[p->lines_len];

	/* A second value of the same name is a folded line (RFC 9112 section 5.2). */
	if (!p->value_open)
		return refuse(p, ERR_BAD_REQUEST, "a header is folded over several lines");
	p->value_open = false;
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)at[i] < ' ' && at[i] != '\t') || at[i] == 0x7f)
			return refuse(p, ERR_BAD_REQUEST, "a header has a control character");
	while (len && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	if (line->kind == HEADER_OTHER)
		return 0;
	if (!utf8_valid(at, len))
		return refuse(p, ERR_BAD_REQUEST, "a header is not valid UTF-8");
	if (++p->seen[line->kind] > 1 && !lists[line->kind])
		return refuse(p, ERR_BAD_REQUEST, "a header comes twice that may come once");
	line->value = (char *)(uintptr_t)at;
	line->len = len;
	p->lines_len++;
	return 0;
}

static int on_complete(http_parser *hp)
{
	struct parse *p = hp->data;

	p->flags = hp->flags;
	p->major = hp->http_major;
	p->minor = hp->http_minor;
	p->method = hp->method;
	p->head->keep_alive = http_should_keep_alive(hp);
	if (hp->flags & F_CONTENTLENGTH && !(hp->flags & F_CHUNKED)) {
		if (hp->content_length > INT64_MAX)
			return refuse(p, ERR_TOO_LARGE, err_row(ERR_TOO_LARGE)->text);
		p->head->body_bytes = (int64_t)hp->content_length;
	}
	p->complete = true;
	/* The parser is done: bodies are read elsewhere. */
	return 2;
}

/* All lines of a list as one value, in `joined`. */
static const char *join(struct parse *p, int kind)
{
	struct buf *out = &p->head->joined;
	size_t start = out->len;

	for (int i = 0; i < p->lines_len; i++) {
		const struct line *line = &p->lines[i];

		if (line->kind != kind || line->len == 0)
			continue;
		if (out->len > start)
			buf_puts(out, ", ");
		buf_put(out, line->value, line->len);
	}
	buf_putc(out, '\0');
	return out->error ? NULL : out->p + start;
}

/* Point the request's members at their values; an empty value counts as none. */
static int set_members(struct parse *p)
{
	struct request *r = &p->head->request;
	const char **members[HEADER_KINDS] = {
#define X(member, name) [HEADER_##member] = &r->member,
		HTTP_HEADERS(X)
#undef X
	};
	size_t bytes = 1;

	for (int i = 0; i < p->lines_len; i++)
		bytes += p->lines[i].len + 2;
	buf_init(&p->head->joined, bytes);
	/* All room at once, so that what points into it stays where it is. */
	for (int kind = 0; kind < HEADER_KINDS && p->head->joined.cap == 0; kind++)
		if (p->seen[kind] > 1 && buf_reserve(&p->head->joined, bytes))
			return p->rc = err_set(p->e, ERR_NOMEM, NULL);
	for (int i = 0; i < p->lines_len; i++) {
		struct line *line = &p->lines[i];

		if (line->len == 0 || !members[line->kind])
			continue;
		line->value[line->len] = '\0';
		*members[line->kind] = line->value;
	}
	for (int kind = 0; kind < HEADER_KINDS; kind++)
		if (p->seen[kind] > 1 && members[kind] && *members[kind])
			*members[kind] = join(p, kind);
	assert(!p->head->joined.error);
	return 0;
}

static bool host_valid(const char *host)
{
	for (; *host; host++)
		if (!is_token_char((unsigned char)*host) && !strchr(":[]", *host))
			return false;
	return true;
}

/*
 * The absolute form, http://HOST/PATH (RFC 9112 section 3.2.2): its host counts, not the header's.
 * The host moves one byte to the left to make room for its end.  Gives the rest, "" or from the
 * path or query on.
 */
static char *split_authority(char *target, const char **host)
{
	static const char *const schemes[] = {"http://", "https://", "ws://", "wss://"};
	size_t n = 0;
	char *at = NULL;

	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0] && !at; i++)
		if (strncasecmp(target, schemes[i], strlen(schemes[i])) == 0)
			at = target + strlen(schemes[i]);
	if (!at)
		return NULL;
	n = strcspn(at, "/?");
	if (n == 0)
		return NULL;
	memmove(at - 1, at, n);
	at[n - 1] = '\0';
	*host = at - 1;
	return at + n;
}

static int set_target(struct parse *p)
{
	struct request *r = &p->head->request;
	char *path = p->target;
	char *query = NULL;

	path[p->target_len] = '\0';
	if (*path != '/' && !(strcmp(path, "*") == 0 && strcmp(r->method, "OPTIONS") == 0)) {
		path = split_authority(path, &r->host);
		if (!path)
			return refuse(p, ERR_BAD_REQUEST, "the request target is not a path");
	}
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	r->path = *path ? path : "/";
	r->query = query ? query : "";
	return 0;
}

/* Whether a comma-separated list holds a token, in upper or lower case. */
static bool list_has(const char *list, const char *token)
{
	size_t n = strlen(token);

	while (list && *list) {
		size_t len = 0;

		list += strspn(list, ", \t");
		len = strcspn(list, ", \t");
		if (len == n && strncasecmp(list, token, n) == 0)
			return true;
		list += len;
	}
	return false;
}

/* RFC 6455 section 4.2.1.  Another protocol to upgrade to is ignored, as HTTP allows. */
static int check_upgrade(struct parse *p)
{
	struct http_head *h = p->head;
	const struct request *r = &h->request;

	if (!(p->flags & F_CONNECTION_UPGRADE) || !list_has(r->upgrade_to, "websocket"))
		return 0;
	if (strcmp(r->method, "GET") != 0 || h->http_1_0 || h->chunked || h->body_bytes)
		return refuse(p, ERR_BAD_REQUEST, "a WebSocket handshake is a GET of HTTP/1.1");
	if (!r->ws_version || strcmp(r->ws_version, "13") != 0)
		return refuse(p, ERR_UPGRADE_REQUIRED, "Sec-WebSocket-Version must be 13");
	if (!r->ws_key || !ws_key_valid(r->ws_key))
		return refuse(p, ERR_BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64");
	h->request.websocket = true;
	return 0;
}

/*
 * How long the body is; everything that could be read in two ways is refused (RFC 9112 section 6).
 * Neither length nor encoding: there is none, as with curl -X POST.
 */
static int check_body(struct parse *p)
{
	struct http_head *h = p->head;
	const struct request *r = &h->request;
	bool length = p->seen[HEADER_CONTENT_LENGTH] > 0;
	bool encoded = p->seen[HEADER_TRANSFER_ENCODING] > 0;
	const struct line *line = p->lines;

	if (length && encoded)
		return refuse(p, ERR_BAD_REQUEST, "both Content-Length and Transfer-Encoding");
	if (encoded) {
		while (line->kind != HEADER_TRANSFER_ENCODING)
			line++;
		if (h->http_1_0 || line->len != 7 || strncasecmp(line->value, "chunked", 7) != 0)
			return refuse(p, ERR_BAD_REQUEST, "Transfer-Encoding can only be chunked");
		h->chunked = true;
	}
	if (!r->expect || h->http_1_0)
		return 0;
	if (strcasecmp(r->expect, "100-continue") != 0)
		return refuse(p, ERR_EXPECTATION_FAILED, "only 100-continue can be expected");
	h->expect_continue = h->chunked || h->body_bytes > 0;
	return 0;
}

static int check(struct parse *p)
{
	struct http_head *h = p->head;
	struct request *r = &h->request;

	if (p->major != 1)
		return refuse(p, ERR_BAD_REQUEST, "not HTTP/1.1");
	h->http_1_0 = p->minor == 0;
	r->method = http_method_str((enum http_method)p->method);
	if (p->method == HTTP_CONNECT || p->method == HTTP_TRACE)
		return refuse(p, ERR_METHOD_NOT_ALLOWED, "this method is not known here");
	if (set_members(p))
		return -1;
	if (!r->host && !h->http_1_0)
		return refuse(p, ERR_BAD_REQUEST, "the request has no Host");
	if (set_target(p))
		return -1;
	if (r->host && !host_valid(r->host))
		return refuse(p, ERR_BAD_REQUEST, "Host is not a host name");
	return check_body(p) || check_upgrade(p) ? -1 : 0;
}

int http_head_parse(struct http_head *h, char *bytes, size_t len, struct err *e)
{
	static const http_parser_settings settings = {
		.on_url = on_url,
		.on_header_field = on_field,
		.on_header_value = on_value,
		.on_headers_complete = on_complete,
	};
	struct parse p = {.head = h, .e = e};
	http_parser parser;

	*h = (struct http_head){.request.query = ""};
	http_parser_init(&parser, HTTP_REQUEST);
	parser.data = &p;
	(void)http_parser_execute(&parser, &settings, bytes, len); /* see `complete` */
	if (p.rc)
		return p.rc;
	if (HTTP_PARSER_ERRNO(&parser) != HPE_OK)
		return err_set(e, ERR_BAD_REQUEST, "malformed request: %s",
		               http_errno_description(HTTP_PARSER_ERRNO(&parser)));
	if (!p.complete)
		return err_set(e, ERR_BAD_REQUEST, "malformed request: the head ends early");
	(void)check(&p); /* the reason is in p.rc */
	return p.rc;
}

void http_head_release(struct http_head *h)
{
	buf_release(&h->joined);
}
