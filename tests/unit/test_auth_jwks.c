/* Keys from a URL: a server on the loopback, in a thread of this test, gives them. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "../tap.h"
#include "auth_tools.h"

/* What the server answers, and how often it was asked. */
static struct {
	int fd;
	char url[64];
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	int status;
	char *body;
	size_t body_len;
	bool hang; /* accept and say nothing until asked to stop */
	bool stop;
	int requests;
} server = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void send_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* the client has had enough */
		bytes += n;
		len -= (size_t)n;
	}
}

static void serve(int fd)
{
	char request[4096] = "", head[200];
	size_t len = 0;
	ssize_t n;

	while (!strstr(request, "\r\n\r\n") && len < sizeof request - 1) {
		n = recv(fd, request + len, sizeof request - 1 - len, 0);
		if (n <= 0)
			return;
		len += (size_t)n;
		request[len] = '\0';
	}
	(void)pthread_mutex_lock(&server.mutex);
	server.requests++;
	(void)pthread_cond_broadcast(&server.changed);
	while (server.hang && !server.stop)
		(void)pthread_cond_wait(&server.changed, &server.mutex);
	(void)snprintf(head, sizeof head,
	               "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n",
	               server.status, server.body_len,
	               server.status / 100 == 3 ? "Location: /elsewhere\r\n" : "");
	send_all(fd, head, strlen(head));
	send_all(fd, server.body, server.body_len);
	(void)pthread_mutex_unlock(&server.mutex);
}

static void *server_run(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = accept(server.fd, NULL, NULL);
		bool stop;

		(void)pthread_mutex_lock(&server.mutex);
		stop = server.stop;
		(void)pthread_mutex_unlock(&server.mutex);
		if (fd < 0 || stop) {
			if (fd >= 0)
				(void)close(fd);
			return NULL;
		}
		serve(fd);
		(void)close(fd);
	}
}

static void server_start(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof addr;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server.fd < 0 || bind(server.fd, (struct sockaddr *)&addr, sizeof addr) ||
	    listen(server.fd, 16) || getsockname(server.fd, (struct sockaddr *)&addr, &len) ||
	    pthread_create(&server.thread, NULL, server_run, NULL))
		abort();
	(void)snprintf(server.url, sizeof server.url, "http://127.0.0.1:%d/keys?secret=1",
	               ntohs(addr.sin_port));
}

static void server_stop(void)
{
	(void)pthread_mutex_lock(&server.mutex);
	server.stop = true;
	(void)pthread_cond_broadcast(&server.changed);
	(void)pthread_mutex_unlock(&server.mutex);
	(void)shutdown(server.fd, SHUT_RDWR);
	(void)pthread_join(server.thread, NULL);
	(void)close(server.fd);
	free(server.body);
}

/* Set what is answered from now on; takes body. */
static void server_answer(int status, char *body, size_t len)
{
	(void)pthread_mutex_lock(&server.mutex);
	free(server.body);
	server.status = status;
	server.body = body;
	server.body_len = len;
	(void)pthread_mutex_unlock(&server.mutex);
}

static void server_keys(json_t *const keys[])
{
	json_t *jwks = keys_public(keys);
	char *text = json_dumps(jwks, 0);

	json_decref(jwks);
	server_answer(200, text, strlen(text));
}

static int server_requests(void)
{
	int n;

	(void)pthread_mutex_lock(&server.mutex);
	n = server.requests;
	(void)pthread_mutex_unlock(&server.mutex);
	return n;
}

/* Attempts that have ended, counted by the fetcher's thread through a pipe that can be waited for.
 */
static int wake_pipe[2];

static void wake(void *arg)
{
	(void)arg;
	if (write(wake_pipe[1], "w", 1) != 1)
		abort();
}

static void await_wake(void)
{
	char byte;

	while (read(wake_pipe[0], &byte, 1) < 0 && errno == EINTR)
		continue;
}

/* Whether nothing is to be read from the pipe for so long. */
static bool quiet(int ms)
{
	struct pollfd p = {.fd = wake_pipe[0], .events = POLLIN};

	return poll(&p, 1, ms) == 0;
}

static json_t *a, *b;
static char *by_a, *by_b, *no_kid;
static struct err e;

static int check(struct auth *auth, const char *token)
{
	struct identity id = {0};
	int rc;

	e = (struct err){0};
	rc = auth_token(auth, token, NOW, &id, &e);
	identity_release(&id);
	return rc;
}

/* The life of a daemon: waits for the first keys, then asks at most once a minute. */
static void test_auth(void)
{
	struct auth *auth = NULL;
	struct conf conf;
	int before = server_requests();

	conf_make(&conf, NULL, server.url);
	(void)pthread_mutex_lock(&server.mutex);
	server.hang = true;
	(void)pthread_mutex_unlock(&server.mutex);
	server_keys((json_t *[]){a, NULL});
	is_int(auth_new(&auth, &conf, &e), 0, "a URL");
	auth_on_keys(auth, wake, NULL);
	ok(auth_has_keys(auth), "there will be keys");
	is_int(check(auth, by_a), AUTH_WAIT, "a token before the first answer");
	is_int(check(auth, no_kid), AUTH_WAIT, "one without kid");
	is_int(check(auth, "a.b.c"), ERR_UNAUTHENTICATED, "junk is refused at once");
	is_int(auth_fetch_status(auth, &e), ERR_UNREACHABLE, "no attempt has ended");
	(void)pthread_mutex_lock(&server.mutex);
	server.hang = false;
	(void)pthread_cond_broadcast(&server.changed);
	(void)pthread_mutex_unlock(&server.mutex);
	await_wake();
	is_int(auth_fetch_status(auth, &e), 0, "the first attempt went well");
	is_int(check(auth, by_a), 0, "the token after the first answer");
	is_int(check(auth, no_kid), 0, "the one without kid");
	is_int(check(auth, by_b), ERR_UNAUTHENTICATED, "an unknown kid, within the minute");
	is_str(e.text, "no key has the token's kid", "says so");
	is_int(server_requests() - before, 1, "the server was asked once");
	is_int(auth_reload(auth, &conf, &e), 0, "reload");
	await_wake();
	is_int(check(auth, by_a), 0, "keeps the keys of the same URL");
	is_int(server_requests() - before, 1, "and asks no sooner");
	conf_text(&conf.jwks, "https://127.0.0.1:1@/x");
	is_int(auth_reload(auth, &conf, &e), ERR_CONFIG, "a URL that is not taken");
	is_int(check(auth, by_a), 0, "changes nothing");
	conf_text(&conf.jwks, "");
	is_int(auth_reload(auth, &conf, &e), 0, "no URL any more");
	await_wake();
	ok(!auth_has_keys(auth), "no keys");
	is_int(check(auth, by_a), ERR_UNAUTHENTICATED, "no token is good");
	auth_free(auth);
	conf_release(&conf);
}

/* Freeing does not wait for a server that says nothing. */
static void test_abort(void)
{
	struct key_fetcher *f = NULL;
	struct timespec from, to;
	int before = server_requests();

	(void)pthread_mutex_lock(&server.mutex);
	server.hang = true;
	(void)pthread_mutex_unlock(&server.mutex);
	is_int(key_fetcher_new(&f, server.url, 60000, &e), 0, "a fetcher");
	(void)pthread_mutex_lock(&server.mutex);
	while (server.requests == before)
		(void)pthread_cond_wait(&server.changed, &server.mutex);
	(void)pthread_mutex_unlock(&server.mutex);
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	key_fetcher_free(f);
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	ok(to.tv_sec - from.tv_sec < 4, "is freed before its time-out");
	(void)pthread_mutex_lock(&server.mutex);
	server.hang = false;
	(void)pthread_cond_broadcast(&server.changed);
	(void)pthread_mutex_unlock(&server.mutex);
}

/* With an interval of 1 ms: new keys replace the old, failures do not. */
static void test_rotation(void)
{
	struct key_fetcher *f = NULL;
	struct keyset keys = {0};
	const struct keyset *sets[] = {&keys};
	enum jwt_lack lack;
	json_t *claims = NULL;

	server_keys((json_t *[]){a, NULL});
	is_int(key_fetcher_new(&f, server.url, 60000, &e), 0, "a fetcher");
	while (key_fetcher_ask(f) && !key_fetcher_take(f, &keys))
		(void)quiet(1);
	(void)key_fetcher_take(f, &keys);
	is_int(jwt_verify(sets, 1, by_a, &claims, &lack, &e), 0, "the first key");
	json_decref(claims);
	is_int(jwt_verify(sets, 1, by_b, &claims, &lack, &e), ERR_UNAUTHENTICATED, "no second");
	is_int(lack, JWT_LACKS_KID, "its kid is lacking");
	ok(!key_fetcher_ask(f), "the interval is not over");
	key_fetcher_free(f);

	server_keys((json_t *[]){a, b, NULL});
	is_int(key_fetcher_new(&f, server.url, 1, &e), 0, "a fetcher in a hurry");
	key_fetcher_wake(f, wake, NULL);
	while (!key_fetcher_take(f, &keys))
		(void)quiet(1);
	is_int(jwt_verify(sets, 1, by_b, &claims, &lack, &e), 0, "the second key");
	json_decref(claims);
	server_keys((json_t *[]){b, NULL});
	while (!key_fetcher_take(f, &keys)) {
		(void)key_fetcher_ask(f);
		(void)quiet(1);
	}
	is_int(jwt_verify(sets, 1, by_a, &claims, &lack, &e), ERR_UNAUTHENTICATED,
	       "the first key was withdrawn");
	key_fetcher_free(f);
	keyset_release(&keys);
	while (!quiet(0))
		await_wake();
}

/* Answers that are no keys; why the attempt failed, without the URL in front. */
static const char *fetch_failure(void)
{
	struct key_fetcher *f = NULL;
	struct keyset keys = {0};
	char *bare = strndup(server.url, strcspn(server.url, "?"));
	size_t len = strlen(bare);
	bool taken, named;

	if (key_fetcher_new(&f, server.url, 60000, &e))
		return "no fetcher";
	while (key_fetcher_ask(f))
		(void)quiet(1);
	(void)key_fetcher_status(f, &e);
	taken = key_fetcher_take(f, &keys);
	named = strncmp(e.text, bare, len) == 0 && e.text[len] == ':';
	key_fetcher_free(f);
	keyset_release(&keys);
	free(bare);
	return taken ? "keys" : named ? e.text + len + 2 : e.text;
}

static void test_failures(void)
{
	static char big[KEYS_BYTES_MAX + 1];
	json_t *secret = json("{\"keys\":[{\"kty\":\"oct\",\"k\":"
	                      "\"c3NzcXNzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M\"}]}");
	char *text = NULL;

	server_answer(404, strdup("{}"), 2);
	is_str(fetch_failure(), "the answer has status 404", "404");
	server_keys((json_t *[]){a, NULL});
	(void)pthread_mutex_lock(&server.mutex);
	server.status = 302;
	(void)pthread_mutex_unlock(&server.mutex);
	is_str(fetch_failure(), "the answer has status 302", "a redirect is not followed");
	server_answer(200, strdup("<html>"), 6);
	is_str(fetch_failure(), "this is neither a JWK nor a JWKS", "HTML");
	text = json_dumps(secret, 0);
	server_answer(200, text, strlen(text));
	is_str(fetch_failure(), "there is no key here to check signatures with",
	       "a secret for all to fetch");
	text = json_dumps(a, 0);
	server_answer(200, text, strlen(text));
	is_str(fetch_failure(), "there is no key here to check signatures with",
	       "a private key for all to fetch");
	memset(big, ' ', sizeof big);
	text = malloc(sizeof big);
	memcpy(text, big, sizeof big);
	server_answer(200, text, sizeof big);
	is_str(fetch_failure(), "the answer is larger than 1 MiB", "more than 1 MiB");
	json_decref(secret);
}

static void test_urls(void)
{
	static const struct {
		const char *url;
		bool good;
	} cases[] = {
		{"https://id.example.org/.well-known/jwks.json", true},
		{"http://127.0.0.1:80/x", true},
		{"http://127.9.9.9/x", true},
		{"http://[::1]:8080/", true},
		{"http://localhost/", true},
		{"http://id.example.org/", false},
		{"http://127.0.0.1.example.org/", false},
		{"http://localhost.example.org/", false},
		{"http://127.0.0.1@example.org/", false},
		{"https://user@example.org/", false},
		{"https://user:word@example.org/", false},
		{"http://[::2]/", false},
		{"http://10.0.0.1/", false},
		{"ftp://127.0.0.1/", false},
		{"file:///etc/passwd", false},
		{"https://", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ok((key_url_check(cases[i].url, &e) == 0) == cases[i].good, "%s", cases[i].url);
}

int main(void)
{
	a = key_make("{\"kty\":\"EC\",\"crv\":\"P-256\"}", "a");
	b = key_make("{\"kty\":\"EC\",\"crv\":\"P-256\"}", "b");
	by_a = token_sign(a, "{\"alg\":\"ES256\",\"kid\":\"a\"}", "{\"sub\":\"x\"}");
	by_b = token_sign(b, "{\"alg\":\"ES256\",\"kid\":\"b\"}", "{\"sub\":\"x\"}");
	no_kid = token_sign(a, "{\"alg\":\"ES256\"}", "{\"sub\":\"x\"}");
	if (pipe(wake_pipe))
		abort();
	server_start();
	test_urls();
	test_auth();
	test_abort();
	test_rotation();
	test_failures();
	server_stop();
	(void)close(wake_pipe[0]);
	(void)close(wake_pipe[1]);
	free(by_a);
	free(by_b);
	free(no_kid);
	json_decref(a);
	json_decref(b);
	scratch_remove();
	return done();
}
