/* pmr-token: mint tokens from the server's secret, and show what a token says. */
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/base64.h"
#include "tool.h"

enum {
	SECRET_BYTES_MIN = 32, /* as collabd has it; RFC 7518, section 3.2 */
	SECRET_BYTES_MAX = 1024,
	TOKEN_BYTES_MAX = 16384,
	MAC_BYTES = 32
};

static const struct tool_option options[] = {
	{"secret-file", 0, "FILE", "the file with the server's secret", "mint "},
	{"server-config", 0, "FILE", "take secret, audience and issuer from this collabd.conf",
         "mint "},
	{"sub", 0, "USER", "the user id", "mint "},
	{"name", 0, "NAME", "the name that others see", "mint "},
	{"email", 0, "ADDRESS", "the e-mail address", "mint "},
	{"scope", 0, "SCOPES", "scopes, separated by spaces", "mint "},
	{"expires-in", 0, "SECONDS", "how long it is good for; default: 3600", "mint "},
	{"audience", 0, "AUDIENCE", "for whom it is: aud", "mint "},
	{"issuer", 0, "ISSUER", "from whom it is: iss", "mint "},
	{NULL, 0, NULL, NULL, NULL},
};

/* A secret file or a token file: what others can read is no secret. */
static int read_secret(const char *path, char *out, size_t size, size_t *len, struct collab_err *e)
{
	struct stat st = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	ssize_t n = 1;

	*len = 0;
	if (fd < 0 || fstat(fd, &st))
		rc = tool_err(e, "config", "cannot read %s: %s", path, strerror(errno));
	else if (S_ISREG(st.st_mode) && (st.st_mode & 077))
		rc = tool_err(e, "config", "%s can be read by others; chmod 600 it", path);
	while (!rc && n != 0 && *len < size) {
		n = read(fd, out + *len, size - *len);
		if (n > 0)
			*len += (size_t)n;
		else if (n < 0 && errno != EINTR)
			rc = tool_err(e, "config", "cannot read %s: %s", path, strerror(errno));
	}
	if (!rc && *len == size)
		rc = tool_err(e, "config", "%s is too large", path);
	if (fd >= 0)
		(void)close(fd); /* it was only read */
	return rc;
}

/* ---- mint -------------------------------------------------------------------------------------
 */

/* What the server's configuration says of tokens. */
struct server {
	char *secret_file, *audience, *issuer;
	bool failed;
};

static int on_value(void *arg, const char *section, const char *name, const char *value)
{
	struct server *s = arg;
	char **member = strcmp(name, "secret_file") == 0 ? &s->secret_file
	                : strcmp(name, "audience") == 0  ? &s->audience
	                : strcmp(name, "issuer") == 0    ? &s->issuer
	                                                 : NULL;

	if (strcmp(section, "auth") != 0 || !member || !*value)
		return 1;
	free(*member);
	*member = strdup(value);
	s->failed |= !*member;
	return *member != NULL;
}

static int read_server(const struct tool *t, struct server *s, struct collab_err *e)
{
	const char *file = tool_opt(t, "server-config"), *secret_file = tool_opt(t, "secret-file");
	int line = file ? ini_parse(file, on_value, s) : 0;

	if (secret_file) {
		free(s->secret_file);
		s->secret_file = strdup(secret_file);
		s->failed |= !s->secret_file;
	}
	if (s->failed)
		return tool_err(e, "out_of_memory", "out of memory");
	if (line < 0)
		return tool_err(e, "config", "cannot read %s: %s", file, strerror(errno));
	if (line > 0)
		return tool_err(e, "config", "%s:%d: not a key = value line", file, line);
	if (!s->secret_file && file)
		return tool_err(e, "config", "%s has no secret_file in [auth]", file);
	return s->secret_file ? 0
	                      : tool_err(e, "usage", "mint wants --secret-file or --server-config");
}

static int set_text(json_t *claims, const char *name, const char *value, struct collab_err *e)
{
	if (value && json_object_set_new(claims, name, json_string(value)))
		return tool_err(e, "bad_utf8", "%s is not valid UTF-8", name);
	return 0;
}

static int fill_claims(const struct tool *t, const struct server *s, json_t *claims,
                       struct collab_err *e)
{
	static const char local[] = "@local";
	const char *sub = tool_opt(t, "sub"), *audience = tool_opt(t, "audience"),
		   *issuer = tool_opt(t, "issuer");
	size_t len = sub ? strlen(sub) : 0, tail = sizeof local - 1;
	int64_t expires_in = 3600, now = (int64_t)time(NULL);
	int rc = tool_opt_int(t, "expires-in", 1, INT32_MAX, &expires_in, e);

	if (!rc && !len)
		rc = tool_err(e, "usage", "mint wants --sub USER");
	if (!rc && len >= tail && strcmp(sub + len - tail, local) == 0)
		rc = tool_err(e, "usage", "users in @local come from the Unix socket only");
	if (!rc)
		rc = set_text(claims, "sub", sub, e);
	if (!rc)
		rc = set_text(claims, "name", tool_opt(t, "name"), e);
	if (!rc)
		rc = set_text(claims, "email", tool_opt(t, "email"), e);
	if (!rc)
		rc = set_text(claims, "scope", tool_opt(t, "scope"), e);
	if (!rc)
		rc = set_text(claims, "aud", audience ? audience : s->audience, e);
	if (!rc)
		rc = set_text(claims, "iss", issuer ? issuer : s->issuer, e);
	if (!rc && (json_object_set_new(claims, "iat", json_integer(now)) ||
	            json_object_set_new(claims, "exp", json_integer(now + expires_in))))
		rc = tool_err(e, "out_of_memory", "out of memory");
	return rc;
}

/* header.claims.signature (RFC 7515); gives *token. */
static int sign(const json_t *claims, const char *secret, size_t secret_len, char **token,
                struct collab_err *e)
{
	static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	char *payload = json_dumps(claims, JSON_COMPACT | JSON_SORT_KEYS);
	size_t len = payload ? strlen(payload) : 0;
	size_t header_len = base64url_len(sizeof header - 1);
	unsigned char mac[MAC_BYTES];
	unsigned mac_len = 0;
	char *out = malloc(header_len + base64url_len(len) + base64url_len(sizeof mac) + 3),
	     *p = out;

	*token = NULL;
	if (!payload || !out)
		goto fail;
	base64url_encode(header, sizeof header - 1, p);
	p += header_len;
	*p++ = '.';
	base64url_encode(payload, len, p);
	p += base64url_len(len);
	if (!HMAC(EVP_sha256(), secret, (int)secret_len, (const unsigned char *)out,
	          (size_t)(p - out), mac, &mac_len))
		goto fail;
	*p++ = '.';
	base64url_encode(mac, mac_len, p);
	free(payload);
	*token = out;
	return 0;
fail:
	free(payload);
	free(out);
	return tool_err(e, "out_of_memory", "out of memory");
}

static int use_secret(const char *path, const json_t *claims, char **token, struct collab_err *e)
{
	char secret[SECRET_BYTES_MAX + 2];
	size_t len = 0;
	int rc = read_secret(path, secret, sizeof secret, &len, e);

	if (!rc && len && secret[len - 1] == '\n')
		len--; /* as collabd does */
	if (!rc && (len < SECRET_BYTES_MIN || len > SECRET_BYTES_MAX))
		rc = tool_err(e, "config", "%s: a secret must have %d to %d bytes", path,
		              (int)SECRET_BYTES_MIN, (int)SECRET_BYTES_MAX);
	if (!rc)
		rc = sign(claims, secret, len, token, e);
	OPENSSL_cleanse(secret, sizeof secret);
	return rc;
}

static int mint(struct tool *t)
{
	struct server server = {0};
	json_t *claims = json_object();
	struct collab_err e = {0};
	char *token = NULL;
	int rc = read_server(t, &server, &e);

	if (!rc)
		rc = fill_claims(t, &server, claims, &e);
	if (!rc)
		rc = use_secret(server.secret_file, claims, &token, &e);
	if (!rc) {
		tool_put_bytes(t, token, strlen(token));
		tool_put_bytes(t, "\n", 1);
	}
	free(token);
	json_decref(claims);
	free(server.secret_file);
	free(server.audience);
	free(server.issuer);
	return rc ? tool_fail(t, &e) : 0;
}

/* ---- show -------------------------------------------------------------------------------------
 */

static int read_fd(struct tool *t, int64_t fd, char *out, size_t size, size_t *len,
                   struct collab_err *e)
{
	ssize_t n = 1;

	tool_flush(t);
	while (n != 0 && *len < size) {
		n = read((int)fd, out + *len, size - *len);
		tool_signalled(t);
		if (n > 0)
			*len += (size_t)n;
		else if (n < 0 && errno != EINTR)
			return tool_err(e, "io", "cannot read the token: %s", strerror(errno));
	}
	return 0;
}

static int read_token(struct tool *t, char out[TOKEN_BYTES_MAX + 1], struct collab_err *e)
{
	const char *file = tool_opt(t, "token-file");
	int64_t fd = STDIN_FILENO;
	size_t len = 0, from = 0;
	int rc = tool_opt_int(t, "token-fd", 0, 65535, &fd, e);

	if (!rc && file && tool_has(t, "token-fd"))
		rc = tool_err(e, "usage", "--token-file and --token-fd exclude each other");
	if (!rc)
		rc = file ? read_secret(file, out, TOKEN_BYTES_MAX, &len, e)
		          : read_fd(t, fd, out, TOKEN_BYTES_MAX, &len, e);
	while (len && strchr(" \t\r\n", out[len - 1]))
		len--;
	out[len] = '\0';
	from = strspn(out, " \t\r\n");
	memmove(out, out + from, len - from + 1);
	if (!rc && (!out[0] || strlen(out) != len - from || out[strcspn(out, " \t\r\n")]))
		rc = tool_err(e, "bad_json", "this is not one token");
	return rc;
}

/* One of the parts between dots, as an object; gives *out. */
static int read_part(const char *part, const char *what, json_t **out, struct collab_err *e)
{
	char bytes[TOKEN_BYTES_MAX];
	size_t len = 0;

	*out = NULL;
	if (base64url_decode(part, strcspn(part, "."), bytes, &len) == 0)
		*out = json_loadb(bytes, len, 0, NULL);
	if (json_is_object(*out))
		return 0;
	json_decref(*out);
	*out = NULL;
	return tool_err(e, "bad_json", "the token's %s is not a JSON object in base64url", what);
}

/* Seconds until exp, which may have a fraction; null without one. */
static json_t *expires_in(const json_t *claims)
{
	const json_t *exp = json_object_get(claims, "exp");
	double left = json_number_value(exp) - (double)time(NULL);

	if (!json_is_number(exp) || left > 1e15 || left < -1e15)
		return json_null();
	return json_integer((json_int_t)left);
}

static int show(struct tool *t)
{
	char token[TOKEN_BYTES_MAX + 1] = "";
	json_t *header = NULL, *claims = NULL, *object = NULL;
	struct collab_err e = {0};
	const char *dot = NULL, *second = NULL;
	int rc = read_token(t, token, &e);

	dot = strchr(token, '.');
	second = dot ? strchr(dot + 1, '.') : NULL;
	if (!rc && (!second || strchr(second + 1, '.')))
		rc = tool_err(&e, "bad_json", "this is not a token of three parts");
	if (!rc)
		rc = read_part(token, "header", &header, &e);
	if (!rc)
		rc = read_part(dot + 1, "middle part", &claims, &e);
	OPENSSL_cleanse(token, sizeof token);
	if (!rc) {
		object = json_pack("{s:b,s:O,s:O,s:o}", "verified", 0, "header", header, "claims",
		                   claims, "expires_in", expires_in(claims));
		tool_put_object(t, object);
	}
	json_decref(object);
	json_decref(header);
	json_decref(claims);
	return rc ? tool_fail(t, &e) : 0;
}

static const struct tool_verb verbs[] = {
	{"mint", "", "make a token and print it", 0, 0, 0, mint},
	{"show", "", "print what a token says, unverified", 0, 0, TOOL_TOKEN_FILE | TOOL_TOKEN_FD,
         show},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct tool_spec spec = {
	"pmr-token", "Mint tokens from the server's secret, and show what a token says.",
	0,           options,
	verbs,
};

int main(int argc, char **argv)
{
	return tool_main(&spec, argc, argv);
}
