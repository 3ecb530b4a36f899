/*
 * Keys from a URL: a thread that fetches them, so that nothing else ever waits for the network.
 *
 * What the thread finds is handed over under the mutex and used by the owner's thread alone, so the
 * keys themselves need no lock.  The thread has a clock of its own (CLOCK_MONOTONIC): how often a
 * server far away is asked has nothing to do with the time of requests here.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/auth_parts.h"

enum { REFRESH_MS = 3600000, FETCH_TIMEOUT_MS = 5000 };

struct key_fetcher {
	char *url;
	int64_t interval_ms;
	CURLM *multi; /* of the thread; others only wake it up */
	bool thread_runs, changed_ready, mutex_ready;
	pthread_t thread;
	pthread_mutex_t mutex; /* guards everything below */
	pthread_cond_t changed;
	bool stop;
	bool busy;          /* an attempt is wanted now, or running */
	int64_t started_ms; /* when the last attempt began */
	int64_t next_ms;    /* when to try again without being asked */
	bool fresh;         /* keys were not taken yet */
	struct keyset keys;
	struct err status; /* of the last attempt */
	void (*wake)(void *arg);
	void *wake_arg;
};

static int64_t mono_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail on Linux */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Whether a URL's host is this machine for certain. */
static bool loopback(const char *host)
{
	struct in_addr v4;

	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       (inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127);
}

int key_url_check(const char *url, struct err *e)
{
	CURLU *parts = curl_url();
	char *scheme = NULL, *host = NULL, *user = NULL;
	int rc = 0;

	if (!parts)
		return err_set(e, ERR_NOMEM, NULL);
	if (curl_url_set(parts, CURLUPART_URL, url, 0) ||
	    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) ||
	    curl_url_get(parts, CURLUPART_HOST, &host, 0))
		rc = err_set(e, ERR_CONFIG, "auth.jwks: this is not a URL");
	else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK)
		rc = err_set(e, ERR_CONFIG,
		             "auth.jwks: a URL with a user or password is not taken");
	else if (strcmp(scheme, "https") != 0 && !(strcmp(scheme, "http") == 0 && loopback(host)))
		rc = err_set(e, ERR_CONFIG,
		             "auth.jwks: the URL must begin with https:// (http:// is for the "
		             "loopback address alone)");
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_url_cleanup(parts);
	return rc;
}

static size_t receive(char *bytes, size_t size, size_t n, void *arg)
{
	struct buf *body = arg;

	buf_put(body, bytes, size * n);
	return buf_error(body) ? 0 : size * n;
}

static bool stopping(struct key_fetcher *f)
{
	bool stop;

	(void)pthread_mutex_lock(&f->mutex);
	stop = f->stop;
	(void)pthread_mutex_unlock(&f->mutex);
	return stop;
}

/* A transfer of f->url into body, ready to run; NULL without memory. */
static CURL *transfer_new(const struct key_fetcher *f, struct buf *body)
{
	CURL *easy = curl_easy_init();
	int failed = 0;

	if (!easy)
		return NULL;
	failed |= curl_easy_setopt(easy, CURLOPT_URL, f->url) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)FETCH_TIMEOUT_MS) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, body) != CURLE_OK;
	failed |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "collabd/" COLLAB_VERSION) != CURLE_OK;
	/* Plain http is for this machine (key_url_check), where a proxy would be a detour. */
	if (strncmp(f->url, "http:", 5) == 0)
		failed |= curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK;
	if (!failed && curl_multi_add_handle(f->multi, easy) == CURLM_OK)
		return easy;
	curl_easy_cleanup(easy);
	return NULL;
}

/* Run the one transfer; its result, or CURLE_ABORTED_BY_CALLBACK when the thread is to stop. */
static CURLcode transfer_run(struct key_fetcher *f)
{
	int running = 1, queued;
	CURLMsg *message = NULL;

	while (running > 0) {
		if (stopping(f))
			return CURLE_ABORTED_BY_CALLBACK;
		if (curl_multi_perform(f->multi, &running) != CURLM_OK)
			return CURLE_FAILED_INIT;
		if (running > 0 && curl_multi_poll(f->multi, NULL, 0, 1000, NULL) != CURLM_OK)
			return CURLE_FAILED_INIT;
	}
	message = curl_multi_info_read(f->multi, &queued);
	return message && message->msg == CURLMSG_DONE ? message->data.result : CURLE_FAILED_INIT;
}

/* One attempt, without the mutex: keys, or ERR_UNREACHABLE and a sentence that names the URL. */
static int fetch(struct key_fetcher *f, struct keyset *keys, struct err *e)
{
	bool has_secret;
	struct buf body;
	CURL *easy = NULL;
	CURLcode result;
	long status = 0;
	int rc = 0;

	*keys = (struct keyset){0};
	buf_init(&body, KEYS_BYTES_MAX);
	easy = transfer_new(f, &body);
	result = easy ? transfer_run(f) : CURLE_OUT_OF_MEMORY;
	if (result == CURLE_OK)
		result = curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (buf_error(&body) == ERR_TOO_LARGE)
		rc = err_set(e, ERR_UNREACHABLE, "the answer is larger than 1 MiB");
	else if (result != CURLE_OK)
		rc = err_set(e, ERR_UNREACHABLE, "%s", curl_easy_strerror(result));
	else if (status != 200)
		rc = err_set(e, ERR_UNREACHABLE, "the answer has status %ld", status);
	else if (keyset_parse(keys, body.p ? body.p : "", body.len, false, &has_secret, e))
		rc = e->code = ERR_UNREACHABLE;
	if (rc)
		err_prefix(e, "%.*s", (int)strcspn(f->url, "?#"), f->url);
	if (easy) {
		(void)curl_multi_remove_handle(f->multi, easy); /* it is there */
		curl_easy_cleanup(easy);
	}
	if (rc)
		keyset_release(keys);
	buf_release(&body);
	return rc;
}

/* With the mutex: sleep until there is something to do. */
static void await_work(struct key_fetcher *f)
{
	while (!f->stop && !f->busy) {
		int64_t until = f->next_ms;
		struct timespec t = {.tv_sec = (time_t)(until / 1000),
		                     .tv_nsec = (long)(until % 1000) * 1000000};

		if (mono_ms() >= until)
			f->busy = true;
		else
			(void)pthread_cond_timedwait(&f->changed, &f->mutex, &t);
	}
}

static void *run(void *arg)
{
	struct key_fetcher *f = arg;

	(void)pthread_mutex_lock(&f->mutex);
	for (await_work(f); !f->stop; await_work(f)) {
		void (*wake)(void *) = NULL;
		void *wake_arg = NULL;
		struct err e = {0};
		struct keyset keys;
		int rc;

		f->started_ms = mono_ms();
		(void)pthread_mutex_unlock(&f->mutex);
		rc = fetch(f, &keys, &e);
		(void)pthread_mutex_lock(&f->mutex);
		if (f->stop) {
			keyset_release(&keys);
			break;
		}
		if (!rc) { /* else the old keys stay */
			keyset_release(&f->keys);
			f->keys = keys;
			f->fresh = true;
		}
		f->status = e;
		f->busy = false;
		f->next_ms = f->started_ms + (rc ? f->interval_ms : REFRESH_MS);
		wake = f->wake;
		wake_arg = f->wake_arg;
		(void)pthread_mutex_unlock(&f->mutex);
		if (wake)
			wake(wake_arg);
		(void)pthread_mutex_lock(&f->mutex);
	}
	(void)pthread_mutex_unlock(&f->mutex);
	return NULL;
}

/* The mutex and a condition that waits by the monotonic clock. */
static int init_locks(struct key_fetcher *f)
{
	pthread_condattr_t attr;
	int failed;

	f->mutex_ready = pthread_mutex_init(&f->mutex, NULL) == 0;
	if (!f->mutex_ready || pthread_condattr_init(&attr))
		return ERR_NOMEM;
	failed = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	f->changed_ready = !failed && pthread_cond_init(&f->changed, &attr) == 0;
	(void)pthread_condattr_destroy(&attr);
	return f->changed_ready ? 0 : ERR_NOMEM;
}

/* Start the thread with all signals blocked: they are for the main thread. */
static bool start(struct key_fetcher *f)
{
	sigset_t all, before;
	bool runs;

	(void)sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &before))
		return false;
	runs = pthread_create(&f->thread, NULL, run, f) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL); /* it was valid before */
	return runs;
}

int key_fetcher_new(struct key_fetcher **out, const char *url, int64_t interval_ms, struct err *e)
{
	struct key_fetcher *f = NULL;
	int rc;

	*out = NULL;
	rc = key_url_check(url, e);
	if (rc)
		return rc;
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return err_set(e, ERR_NOMEM, NULL);
	f = calloc(1, sizeof *f);
	if (!f) {
		curl_global_cleanup();
		return err_set(e, ERR_NOMEM, NULL);
	}
	f->interval_ms = interval_ms;
	f->busy = true;
	f->status = (struct err){.code = ERR_UNREACHABLE, .text = "not fetched yet"};
	f->url = strdup(url);
	f->multi = curl_multi_init();
	if (f->url && f->multi && !init_locks(f))
		f->thread_runs = start(f);
	if (!f->thread_runs) {
		key_fetcher_free(f);
		return err_set(e, ERR_NOMEM, NULL);
	}
	*out = f;
	return 0;
}

void key_fetcher_free(struct key_fetcher *f)
{
	if (!f)
		return;
	if (f->thread_runs) {
		(void)pthread_mutex_lock(&f->mutex);
		f->stop = true;
		(void)pthread_cond_signal(&f->changed);
		(void)pthread_mutex_unlock(&f->mutex);
		(void)curl_multi_wakeup(f->multi); /* without it, the poll ends after a second */
		(void)pthread_join(f->thread, NULL);
	}
	if (f->changed_ready)
		(void)pthread_cond_destroy(&f->changed);
	if (f->mutex_ready)
		(void)pthread_mutex_destroy(&f->mutex);
	if (f->multi)
		(void)curl_multi_cleanup(f->multi); /* it holds no transfer */
	keyset_release(&f->keys);
	free(f->url);
	free(f);
	curl_global_cleanup();
}

void key_fetcher_wake(struct key_fetcher *f, void (*wake)(void *arg), void *arg)
{
	(void)pthread_mutex_lock(&f->mutex);
	f->wake = wake;
	f->wake_arg = arg;
	(void)pthread_mutex_unlock(&f->mutex);
}

bool key_fetcher_ask(struct key_fetcher *f)
{
	bool busy;

	(void)pthread_mutex_lock(&f->mutex);
	if (!f->busy && mono_ms() - f->started_ms >= f->interval_ms) {
		f->busy = true;
		(void)pthread_cond_signal(&f->changed);
	}
	busy = f->busy;
	(void)pthread_mutex_unlock(&f->mutex);
	return busy;
}

void key_fetcher_refresh(struct key_fetcher *f)
{
	(void)pthread_mutex_lock(&f->mutex);
	if (f->started_ms + f->interval_ms < f->next_ms)
		f->next_ms = f->started_ms + f->interval_ms;
	(void)pthread_cond_signal(&f->changed);
	(void)pthread_mutex_unlock(&f->mutex);
}

bool key_fetcher_take(struct key_fetcher *f, struct keyset *k)
{
	bool fresh;

	(void)pthread_mutex_lock(&f->mutex);
	fresh = f->fresh;
	if (fresh) {
		keyset_release(k);
		*k = f->keys;
		f->keys = (struct keyset){0};
		f->fresh = false;
	}
	(void)pthread_mutex_unlock(&f->mutex);
	return fresh;
}

int key_fetcher_status(struct key_fetcher *f, struct err *e)
{
	struct err status;

	(void)pthread_mutex_lock(&f->mutex);
	status = f->status;
	(void)pthread_mutex_unlock(&f->mutex);
	if (e)
		*e = status;
	return status.code;
}

const char *key_fetcher_url(const struct key_fetcher *f)
{
	return f->url;
}
