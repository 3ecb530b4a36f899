/*
 * hammer: writers, watchers and bad readers in their hundreds, for tests of what must not be lost.
 * Plain sockets and epoll; of the project it uses only what judges a log that was read back: the
 * chain (event_verify) and the fold (session_apply, state_hash).
 *
 * usage: hammer -r REPORT [-s SOCKET] [-t HOST:PORT [-H HEADER]...] [-S SEED] [-W SECONDS]
 *
 * It obeys commands on stdin, one a line, one after the other, and answers each with one line of
 * JSON on stdout.  Connections live on meanwhile and between commands: a lost one is made again,
 * goes on behind the last seq it saw (since, hash), and a writer sends what was not acked once
 * more, under the same ref.
 *
 *	add KIND N [KEY=VALUE]...
 *		N more connections; answers when all of them are in
 *	acks N
 *		go on until N more acks have come
 *	ms N
 *		go on for N milliseconds
 *	kill PID ACKS USEC
 *		SIGKILL, USEC microseconds after ACKS more acks
 *	settle
 *		writers begin nothing new; go on until all is acked, and everybody who reads
 *		has seen everything
 *	hush
 *		writers send nothing at all, not even what was refused for a while
 *	go
 *		writers begin again
 *	closed KIND
 *		go on until the daemon has closed all of KIND
 *	error CODE
 *		go on until this error has come (again)
 *	wake
 *		stalled ones read to their end, come again, and become watchers
 *	drop KIND, leave KIND
 *		close them: at once, or with a good-bye
 *	verify
 *		read the log back and judge it: {"ok":true,...}, or what is wrong
 *	quit
 *
 * KIND is
 *	writer   sends changes, comments, and some that must be refused
 *	flood    the same, but never waits for acks
 *	watcher  only reads
 *	drip     reads so many single bytes every so many milliseconds
 *	stalled  reads nothing until `wake`
 * and KEY
 *	user=U, users=N    of which user, or of u0, u1, ... in turn (else: whoever runs this)
 *	query=Q, via=tcp   of the handshake; not over the Unix socket
 *	window=N, max=N    messages under way (8), and in all (no end)
 *	every=N, size=N    milliseconds between two messages or reads (0), bytes of text (100)
 *	sections=N         that are written to (8)
 *	plain=1            changes only
 *	bytes=N, rcvbuf=N  of drip (1); of the socket
 *	fresh=1            does not resume, asks for the state each time
 *
 * What is measured (in microseconds: min, p50, p99, max) is of the time since the command before:
 * `ack`, from sending to ack; `show`, from sending until a watcher has it.
 */
#include "hammer/hammer.h"

static enum kind kind_of(const char *name)
{
	for (int i = 0; i < KINDS; i++)
		if (strcmp(kinds[i], name) == 0)
			return (enum kind)i;
	die("unknown kind %s", name);
	return KINDS;
}

static void option(struct options *o, const char *word)
{
	const char *value = strchr(word, '=');
	long n = value ? atol(value + 1) : 0;

	if (!value)
		die("%s is not KEY=VALUE", word);
	value++;
	if (strncmp(word, "user=", 5) == 0)
		(void)snprintf(o->user, sizeof o->user, "%s", value);
	else if (strncmp(word, "query=", 6) == 0)
		(void)snprintf(o->query, sizeof o->query, "%s", value);
	else if (strncmp(word, "via=", 4) == 0)
		o->tcp = strcmp(value, "tcp") == 0;
	else if (strncmp(word, "users=", 6) == 0)
		o->users = (int)n;
	else if (strncmp(word, "window=", 7) == 0)
		o->window = (int)n;
	else if (strncmp(word, "size=", 5) == 0)
		o->size = (int)n;
	else if (strncmp(word, "max=", 4) == 0)
		o->max = n;
	else if (strncmp(word, "every=", 6) == 0)
		o->every_ms = n;
	else if (strncmp(word, "sections=", 9) == 0)
		o->sections = (int)n;
	else if (strncmp(word, "plain=", 6) == 0)
		o->plain = n;
	else if (strncmp(word, "fresh=", 6) == 0)
		o->fresh = n;
	else if (strncmp(word, "bytes=", 6) == 0)
		o->bytes = (int)n;
	else if (strncmp(word, "rcvbuf=", 7) == 0)
		o->rcvbuf = (int)n;
	else
		die("unknown option %s", word);
}

static void add(enum kind kind, long count, const struct options *o)
{
	clients = grow(clients, (clients_len + (size_t)count) * sizeof(struct client *));
	for (long i = 0; i < count; i++) {
		struct client *c = calloc(1, sizeof *c);

		if (!c)
			die("out of memory");
		c->fd = -1;
		c->kind = kind;
		c->o = *o;
		if (kind <= FLOOD)
			c->queue = grow(NULL, QUEUE * sizeof *c->queue);
		if (o->user[0])
			(void)snprintf(c->user, sizeof c->user, "%s", o->user);
		else if (o->users)
			(void)snprintf(c->user, sizeof c->user, "u%ld", i % o->users);
		clients[clients_len++] = c;
		dial(c);
	}
}

static size_t count_in(size_t from)
{
	size_t n = 0;

	for (size_t i = from; i < clients_len; i++)
		n += clients[i]->settled_in || clients[i]->phase == GONE;
	return n;
}

static bool all_settled(void)
{
	for (size_t i = 0; i < clients_len; i++) {
		const struct client *c = clients[i];

		if (c->phase == GONE || c->kind == STALLED || c->kind == DRIP)
			continue;
		if (!c->settled_in || c->seq != head || c->under > 0)
			return false;
	}
	return true;
}

static bool all_closed(enum kind kind)
{
	for (size_t i = 0; i < clients_len; i++)
		if (clients[i]->kind == kind && clients[i]->phase == OPEN &&
		    !ended_unread(clients[i]))
			return false;
	return true;
}

static bool all_woken(void)
{
	for (size_t i = 0; i < clients_len; i++) {
		const struct client *c = clients[i];

		if (c->woken && (c->kind == STALLED || !c->settled_in || c->seq < head))
			return false;
	}
	return true;
}

static void wake(void)
{
	for (size_t i = 0; i < clients_len; i++) {
		struct client *c = clients[i];
		bool ended = ended_unread(c);

		if (c->kind != STALLED)
			continue;
		c->woken = c->reads = true;
		if (c->fd < 0) {
			c->kind = WATCHER;
			continue;
		}
		if (ended) {
			struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};

			c->close_code = 0;
			(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev);
		} else {
			c->kind = WATCHER;
			watch(c);
		}
	}
}

static void drop(enum kind kind, bool politely)
{
	for (size_t i = 0; i < clients_len; i++) {
		struct client *c = clients[i];

		if (c->kind != kind || c->phase == GONE)
			continue;
		c->leaving = true;
		if (!politely || c->phase != OPEN) {
			down(c, true);
			continue;
		}
		c->reads = true;
		send_frame(c, 8, "\x03\xe8", 2);
		transmit(c);
		watch(c);
	}
}

/* A report on the time since `began_us`. */
static void put_report(struct bytes *out, bool in_time, int64_t began_us)
{
	put_text(out,
	         "{\"ok\":%s,\"ms\":%" PRId64 ",\"acks\":%" PRId64 ",\"head\":%" PRId64
	         ",\"shown\":%" PRId64 ",\"closed_1013\":%" PRId64 ",\"reconnects\":%" PRId64
	         ",\"resets\":%" PRId64 ",\"errors\":%" PRId64 ",\"error\":\"%s\"",
	         in_time && !violations ? "true" : "false", (now_us() - began_us) / 1000, acks,
	         head, shown_total, closed_1013, reconnects, resets, errors_seen, error_last);
	put_times(out, "ack", &ack_times);
	put_times(out, "show", &show_times);
	put_violations(out);
	put_text(out, "}");
}

struct order {
	char words[16][200];
	int len;
	size_t from;      /* clients before */
	int64_t acks_end; /* of acks and kill */
	int64_t kill_us;  /* when to; 0: not yet */
	int64_t end_ms;   /* of ms */
	int64_t errors;   /* before */
};

/* Begin; what can be done at once is. */
static void begin(struct order *k)
{
	const char *name = k->words[0];
	struct options o = {.window = 8, .size = 100, .sections = 8, .bytes = 1};
	long n = k->len > 1 ? atol(k->words[1]) : 0;

	k->from = clients_len;
	k->errors = errors_seen;
	ack_times.len = show_times.len = 0;
	if (strcmp(name, "add") == 0) {
		for (int i = 3; i < k->len; i++)
			option(&o, k->words[i]);
		add(kind_of(k->words[1]), atol(k->words[2]), &o);
	} else if (strcmp(name, "acks") == 0) {
		k->acks_end = acks + n;
	} else if (strcmp(name, "ms") == 0) {
		k->end_ms = now_ms() + n;
	} else if (strcmp(name, "kill") == 0) {
		k->acks_end = acks + atol(k->words[2]);
	} else if (strcmp(name, "settle") == 0) {
		resting = true;
	} else if (strcmp(name, "hush") == 0) {
		resting = hushed = true;
	} else if (strcmp(name, "go") == 0) {
		resting = hushed = false;
		for (size_t i = 0; i < clients_len; i++)
			if (clients[i]->owes && clients[i]->settled_in)
				send_again(clients[i]);
	} else if (strcmp(name, "wake") == 0) {
		wake();
	} else if (strcmp(name, "drop") == 0 || strcmp(name, "leave") == 0) {
		drop(kind_of(k->words[1]), name[0] == 'l');
	}
}

static bool killed(struct order *k)
{
	if (!k->kill_us && acks >= k->acks_end)
		k->kill_us = now_us() + atol(k->words[3]);
	if (!k->kill_us)
		return false;
	while (now_us() < k->kill_us && k->kill_us - now_us() < 1000)
		; /* to the microsecond */
	return now_us() >= k->kill_us && kill((pid_t)atol(k->words[1]), SIGKILL) == 0;
}

static bool left(enum kind kind)
{
	for (size_t i = 0; i < clients_len; i++)
		if (clients[i]->kind == kind && clients[i]->phase != GONE)
			return false;
	return true;
}

static bool done(struct order *k)
{
	const char *name = k->words[0];

	if (strcmp(name, "add") == 0)
		return count_in(k->from) == clients_len - k->from;
	if (strcmp(name, "acks") == 0)
		return acks >= k->acks_end;
	if (strcmp(name, "ms") == 0)
		return now_ms() >= k->end_ms;
	if (strcmp(name, "kill") == 0)
		return killed(k);
	if (strcmp(name, "settle") == 0)
		return all_settled();
	if (strcmp(name, "closed") == 0)
		return all_closed(kind_of(k->words[1]));
	if (strcmp(name, "error") == 0)
		return errors_seen > k->errors && strcmp(error_last, k->words[1]) == 0;
	if (strcmp(name, "wake") == 0)
		return all_woken();
	if (strcmp(name, "drop") == 0 || strcmp(name, "leave") == 0)
		return left(kind_of(k->words[1]));
	if (strcmp(name, "go") == 0 || strcmp(name, "hush") == 0 || strcmp(name, "verify") == 0)
		return true;
	die("unknown command %s", name);
	return true;
}

static void answer(struct bytes *out)
{
	put_text(out, "\n");
	if (fwrite(out->p + out->at, 1, waits(out), stdout) != waits(out) || fflush(stdout))
		exit(2);
	out->at = out->len = 0;
}

static void run(char *line)
{
	static struct bytes out;
	struct order k = {.len = 0};
	int64_t began = now_us(), deadline = began + patience_ms * 1000;
	bool in_time = true;

	for (char *save = NULL, *word = strtok_r(line, " ", &save); word && k.len < 16;
	     word = strtok_r(NULL, " ", &save))
		(void)snprintf(k.words[k.len++], sizeof k.words[0], "%s", word);
	if (k.len == 0)
		return;
	if (strcmp(k.words[0], "quit") == 0)
		exit(violations != 0);
	begin(&k);
	while (!done(&k)) {
		if (now_us() > deadline) {
			in_time = false;
			break;
		}
		turn();
	}
	if (strcmp(k.words[0], "verify") == 0)
		verify(&out);
	else
		put_report(&out, in_time, began);
	answer(&out);
}

int main(int argc, char **argv)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct rlimit files;
	int letter = 0;

	while ((letter = getopt(argc, argv, "s:t:r:H:S:W:")) != -1) {
		if (letter == 's')
			socket_path = optarg;
		else if (letter == 't')
			tcp_address = optarg;
		else if (letter == 'r')
			report = optarg;
		else if (letter == 'H' && headers_len < HEADERS_MAX)
			headers[headers_len++] = optarg;
		else if (letter == 'S')
			seed = strtoull(optarg, NULL, 10);
		else if (letter == 'W')
			patience_ms = atol(optarg) * 1000;
		else
			die("see the top of its source");
	}
	if (!report || (!socket_path && !tcp_address) || optind != argc)
		die("see the top of its source");
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	random_state = seed;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &ev))
		die("epoll: %s", strerror(errno));
	while (!stdin_ended) {
		char *eol = NULL;

		turn();
		while (waits(&lines) && (eol = memchr(lines.p + lines.at, '\n', waits(&lines)))) {
			char *line = lines.p + lines.at;

			*eol = '\0';
			lines.at += (size_t)(eol + 1 - line);
			line = strdup(line);
			if (!line)
				die("out of memory");
			run(line);
			free(line);
		}
	}
	return violations != 0;
}
