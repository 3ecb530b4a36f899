/* TLS by libssl. */
#include "server/tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

/* What goes into one record: small pieces are put together, so that each does not cost its own. */
enum { RECORD_BYTES = 16384, RECORDS_A_WRITE = 16 };

struct tls {
	SSL_CTX *ctx;
};

/* Nothing but HTTP/1.1 is spoken; a client that offers only others is told so in the handshake. */
static int choose_alpn(SSL *s, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void)s;
	(void)arg;
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, ours, sizeof ours - 1,
	                          in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

/* A daemon has nobody to ask for a passphrase. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static int fail(struct err *e, const char *file)
{
	unsigned long code = ERR_peek_error(); /* the first of them is the cause */
	const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
	                                            : ERR_reason_error_string(code);

	ERR_clear_error();
	return err_set(e, ERR_CONFIG, "tls: %s: %s", file, reason ? reason : "cannot be used");
}

int tls_new(struct tls **out, const char *certificate, const char *key, struct err *e)
{
	struct tls *t = calloc(1, sizeof *t);
	int rc = 0;

	*out = NULL;
	if (t)
		t->ctx = SSL_CTX_new(TLS_server_method());
	if (!t || !t->ctx) {
		free(t);
		return err_set(e, ERR_NOMEM, NULL);
	}
	(void)SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION); /* a version it knows */
	SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* Buffers are given back when idle; what could not be sent moves into a buffer of ours. */
	SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                                 SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_default_passwd_cb(t->ctx, no_passphrase);
	SSL_CTX_set_alpn_select_cb(t->ctx, choose_alpn, NULL);
	if (SSL_CTX_use_certificate_chain_file(t->ctx, certificate) != 1)
		rc = fail(e, certificate);
	else if (SSL_CTX_use_PrivateKey_file(t->ctx, key, SSL_FILETYPE_PEM) != 1 ||
	         SSL_CTX_check_private_key(t->ctx) != 1)
		rc = fail(e, key);
	if (rc) {
		tls_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

struct ssl_st *tls_accept(struct tls *t, int fd)
{
	SSL *s = SSL_new(t->ctx);

	if (s && SSL_set_fd(s, fd) != 1) {
		SSL_free(s);
		s = NULL;
	}
	if (s)
		SSL_set_accept_state(s);
	ERR_clear_error();
	return s;
}

void tls_end(struct ssl_st *s)
{
	/* In the middle of a handshake, or after a failure, there is nothing to be said. */
	if (SSL_is_init_finished(s) && !(SSL_get_shutdown(s) & SSL_SENT_SHUTDOWN))
		(void)SSL_shutdown(s); /* a good-bye that need not arrive */
	ERR_clear_error();
}

void tls_close(struct ssl_st *s)
{
	if (!s)
		return;
	tls_end(s);
	SSL_free(s);
}

static ssize_t result(SSL *s, int n)
{
	int error = SSL_get_error(s, n);

	ERR_clear_error();
	switch (error) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		/* libssl forbids any use of the connection, SSL_shutdown included. */
		SSL_set_quiet_shutdown(s, 1);
		return TLS_FAILED;
	}
}

ssize_t tls_read(struct ssl_st *s, void *out, size_t len)
{
	size_t got = 0;
	ssize_t last = TLS_WANT_READ;

	/* Records that are decrypted already do not make the socket readable: take them all. */
	do {
		int n = SSL_read(s, (char *)out + got,
		                 len - got > INT_MAX ? INT_MAX : (int)(len - got));

		if (n <= 0) {
			last = result(s, n);
			break;
		}
		got += (size_t)n;
	} while (got < len && SSL_pending(s) > 0);
	return got ? (ssize_t)got : last;
}

/* Fill one record from pieces, beginning `skip` bytes into them. */
static size_t fill(char *record, const struct iovec *pieces, int pieces_len, size_t skip)
{
	size_t len = 0;

	for (int i = 0; i < pieces_len && len < RECORD_BYTES; i++) {
		size_t n = pieces[i].iov_len;

		if (skip >= n) {
			skip -= n;
			continue;
		}
		n -= skip;
		n = n < RECORD_BYTES - len ? n : RECORD_BYTES - len;
		memcpy(record + len, (const char *)pieces[i].iov_base + skip, n);
		skip = 0;
		len += n;
	}
	return len;
}

ssize_t tls_write(struct ssl_st *s, const struct iovec *pieces, int pieces_len)
{
	static char record[RECORD_BYTES];
	size_t sent = 0;

	for (int i = 0; i < RECORDS_A_WRITE; i++) {
		size_t len = fill(record, pieces, pieces_len, sent);
		int n = 0;

		if (len == 0)
			break;
		n = SSL_write(s, record, (int)len);
		if (n <= 0) {
			ssize_t why = result(s, n);

			return sent ? (ssize_t)sent : why;
		}
		sent += (size_t)n;
	}
	return (ssize_t)sent;
}
