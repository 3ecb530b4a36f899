/* Listening sockets. */
#define _GNU_SOURCE /* SOCK_CLOEXEC, TCP_NOTSENT_LOWAT */
#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * How many connections the kernel keeps for us to accept (cut by net.core.somaxconn), and how much
 * unsent output it takes from a connection whose peer is slow: the rest stays in the room's shared
 * tail instead of in a copy per socket.  What it keeps of a peer that we do not read is limited
 * too.
 */
enum { BACKLOG = 4096, UNSENT_BYTES = 131072, RECEIVE_BYTES = 131072 };

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
	struct sockaddr_storage storage;
};

static int errno_code(void)
{
	return errno == EADDRINUSE || errno == EADDRNOTAVAIL ? ERR_UNREACHABLE : ERR_CONFIG;
}

/* "HOST:PORT" to parts; brackets go. */
static int split(const char *address, char host[LISTEN_ADDRESS_MAX], const char **port,
                 struct err *e)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : 0;

	if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strlen(colon + 1) > 5 || strtol(colon + 1, NULL, 10) > 65535 ||
	    len >= LISTEN_ADDRESS_MAX)
		return err_set(e, ERR_CONFIG, "listen: %s is not ADDRESS:PORT", address);
	if (len > 1 && address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	} else if (memchr(address, ':', len)) {
		return err_set(e, ERR_CONFIG, "listen: %s must be [IPV6]:PORT", address);
	}
	(void)snprintf(host, LISTEN_ADDRESS_MAX, "%.*s", (int)len, address); /* fits: see above */
	*port = colon + 1;
	return 0;
}

static void name_tcp(struct listen_socket *l)
{
	union address a = {0};
	socklen_t len = sizeof a;
	char host[INET6_ADDRSTRLEN] = "?";

	if (getsockname(l->fd, &a.any, &len))
		return;
	if (a.any.sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof host); /* cannot fail */
		(void)snprintf(l->address, sizeof l->address, "[%s]:%u", host,
		               (unsigned)ntohs(a.v6.sin6_port));
	} else {
		(void)inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof host); /* cannot fail */
		(void)snprintf(l->address, sizeof l->address, "%s:%u", host,
		               (unsigned)ntohs(a.v4.sin_port));
	}
}

/* Bind and listen on one address; errno tells what went wrong. */
static int try_listen(const struct addrinfo *ai, bool v6_only)
{
	int one = 1, only = v6_only;
	int saved, fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
	    (ai->ai_family != AF_INET6 ||
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) == 0) &&
	    bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	(void)close(fd); /* nothing was written to it */
	errno = saved;
	return -1;
}

int listen_tcp(struct listen_socket *l, const char *address, struct err *e)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *list = NULL;
	char host[LISTEN_ADDRESS_MAX];
	const char *port = NULL;
	int rc = split(address, host, &port, e);
	bool every = false;

	*l = (struct listen_socket){.fd = -1};
	if (rc)
		return rc;
	every = host[0] == '\0' || strcmp(host, "*") == 0;
	rc = getaddrinfo(every ? "::" : host, port, &hints, &list);
	if (rc)
		return err_set(e, ERR_CONFIG, "listen: %s: %s is not a numeric address", address,
		               host);
	l->fd = try_listen(list, !every);
	freeaddrinfo(list);
	/* "*" on a machine without IPv6. */
	if (l->fd < 0 && every && errno != EADDRINUSE &&
	    getaddrinfo("0.0.0.0", port, &hints, &list) == 0) {
		l->fd = try_listen(list, false);
		freeaddrinfo(list);
	}
	if (l->fd < 0)
		return err_set(e, errno_code(), "cannot listen on %s: %s", address,
		               strerror(errno));
	name_tcp(l);
	return 0;
}

/* Whether somebody answers on the socket file. */
static bool answers(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && (connect(fd, (const struct sockaddr *)a, sizeof *a) == 0 ||
	                       errno == EAGAIN || errno == EINPROGRESS);

	if (fd >= 0)
		(void)close(fd); /* nothing was written to it */
	return yes;
}

/* The directory of a socket, if it is only that one that is missing. */
static void make_directory(const char *path)
{
	char dir[sizeof((struct sockaddr_un *)0)->sun_path];
	char *slash = NULL;

	(void)snprintf(dir, sizeof dir, "%s", path); /* the length was checked */
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = '\0';
	(void)mkdir(dir, 0755); /* bind tells what is wrong */
}

int listen_unix(struct listen_socket *l, const char *path, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct stat st;
	mode_t mask;
	int rc = 0;

	*l = (struct listen_socket){.fd = -1, .local = true};
	if (strlen(path) >= sizeof a.sun_path)
		return err_set(e, ERR_CONFIG, "socket: %s: the path is too long", path);
	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path); /* fits */
	(void)snprintf(l->address, sizeof l->address, "%s", path); /* fits as well */
	make_directory(path);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		if (answers(&a))
			return err_set(e, ERR_UNREACHABLE, "another server answers on %s", path);
		(void)unlink(path); /* bind tells when this did not work */
	}
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return err_set(e, ERR_CONFIG, "cannot make a socket: %s", strerror(errno));
	/* The file must not be open to others even for the moment before a chmod. */
	mask = umask(0117);
	rc = bind(l->fd, (struct sockaddr *)&a, sizeof a);
	(void)umask(mask);
	if (rc == 0) {
		l->made = stat(path, &st) == 0;
		l->dev = st.st_dev;
		l->ino = st.st_ino;
		rc = listen(l->fd, BACKLOG);
	}
	if (rc) {
		rc = err_set(e, errno_code(), "cannot listen on %s: %s", path, strerror(errno));
		listen_close(l);
	}
	return rc;
}

int listen_inherited(struct listen_socket *l, int fd, struct err *e)
{
	union address a = {0};
	socklen_t len = sizeof a, int_len = sizeof(int);
	int listening = 0, flags = fcntl(fd, F_GETFL);

	*l = (struct listen_socket){.fd = -1};
	if (flags < 0 || getsockname(fd, &a.any, &len) ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &int_len) || !listening ||
	    (a.any.sa_family != AF_INET && a.any.sa_family != AF_INET6 &&
	     a.any.sa_family != AF_UNIX))
		return err_set(e, ERR_CONFIG, "inherited descriptor %d is not a listening socket",
		               fd);
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return err_set(e, ERR_CONFIG, "inherited descriptor %d: %s", fd, strerror(errno));
	l->fd = fd;
	l->local = a.any.sa_family == AF_UNIX;
	if (!l->local)
		name_tcp(l);
	else
		(void)snprintf(l->address, sizeof l->address, "%s", a.local.sun_path); /* fits */
	return 0;
}

void listen_close(struct listen_socket *l)
{
	struct stat st;

	if (l->fd < 0)
		return;
	if (l->made && stat(l->address, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		(void)unlink(l->address); /* somebody may have been faster */
	(void)close(l->fd);               /* nothing was written to it */
	l->fd = -1;
}

void listen_tune(const struct listen_socket *l, int64_t keepalive_seconds)
{
	int one = 1, unsent = UNSENT_BYTES, idle = (int)keepalive_seconds, count = 3;
	int receive = RECEIVE_BYTES;

	if (l->local)
		return;
	/* All of these are improvements: a kernel without one of them serves as well. */
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
	(void)setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive);
	(void)setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof idle);
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}
