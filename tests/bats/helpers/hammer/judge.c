/* The log, read back and judged against everything that was acked and shown. */
#include "hammer.h"

struct judge {
	struct session fold;
	unsigned char hash[SHA256_LEN];
	int64_t seq, ours;
	int64_t floor; /* the log was compacted up to here: what lies below cannot be judged */
	int64_t *last; /* per client: the last of its messages that came */
};

static void judge_ref(struct judge *j, const char *ref, int64_t seq, const unsigned char *hash)
{
	size_t id = 0;
	int64_t n = -1;
	bool ours = read_ref(ref, &id, &n);
	struct client *c = ours && id < clients_len ? clients[id] : NULL;
	struct message *m = NULL;

	if (!ours)
		return; /* of another run */
	n = c ? own_ref(c, ref) : -1;
	if (n < 0) {
		violate("seq %" PRId64 " has the ref %s, which nobody used", seq, ref);
		return;
	}
	m = &c->messages[n];
	j->ours++;
	if (m->in_log++)
		violate("%s is in the log twice, at last at seq %" PRId64, ref, seq);
	if (m->fate == ACKED && m->seq != seq)
		violate("%s was acked with seq %" PRId64 " and is in the log at %" PRId64, ref,
		        m->seq, seq);
	if (m->fate == REFUSED)
		violate("%s was refused and is in the log at %" PRId64, ref, seq);
	/* The daemon said that nothing was changed; and it was not tried again. */
	if (m->fate == AGAIN && m->times == 1)
		violate("%s was refused for a while and is in the log at %" PRId64, ref, seq);
	if (m->fate == ACKED && memcmp(m->hash, hash, SHA256_LEN) != 0)
		violate("%s was acked with another hash", ref);
	if (!c->failed_once && n <= j->last[id])
		violate("%s came after a later one of its writer", ref);
	j->last[id] = n;
}

/* Ask for something of the report; the answer can be read from what comes back, or -1. */
static int ask(const char *what, const char *accept)
{
	struct client any = {.o.tcp = !socket_path};
	struct timeval limit = {patience_ms / 1000, 0};
	struct bytes request = {0};
	int fd = make_socket(&any);

	if (fd < 0)
		return -1;
	(void)fcntl(fd, F_SETFL, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	put_text(&request,
	         "GET /api/reports/pmr/%s/collaborate/%s HTTP/1.1\r\nHost: localhost\r\n"
	         "Accept: %s\r\nConnection: close\r\n",
	         report, what, accept);
	for (int i = 0; any.o.tcp && i < headers_len; i++)
		put_text(&request, "%s\r\n", headers[i]);
	put_text(&request, "\r\n");
	if (send(fd, request.p, request.len, MSG_NOSIGNAL) != (ssize_t)request.len) {
		(void)close(fd); /* nothing can be read from it */
		fd = -1;
	}
	clear(&request);
	return fd;
}

/* A log that does not begin with its first event begins from the state at its floor. */
static void read_base(struct judge *j, int64_t floor)
{
	struct bytes what = {0}, in = {0};
	struct err e = {0};
	char part[4096], *body = NULL;
	ssize_t n = 0;
	int fd = -1;

	put_text(&what, "state?at=%" PRId64, floor);
	fd = ask(what.p, "application/json");
	while (fd >= 0 && (n = recv(fd, part, sizeof part, 0)) > 0)
		put(&in, part, (size_t)n);
	body = in.len ? strstr(in.p, "\r\n\r\n") : NULL;
	if (!body || atoi(in.p + 9) != 200)
		violate("the state at the floor, %" PRId64 ", cannot be read: %.300s", floor,
		        in.len ? in.p : "");
	else if (state_read(body + 4, in.len - (size_t)(body + 4 - in.p), &j->fold, &e))
		violate("the state at the floor, %" PRId64 ": %s", floor, e.text);
	memcpy(j->hash, j->fold.hash, SHA256_LEN);
	j->seq = j->floor = floor;
	if (fd >= 0)
		(void)close(fd); /* only read */
	clear(&what);
	clear(&in);
}

static void judge_line(struct judge *j, const char *line, size_t len)
{
	struct event_doc doc = {0};
	unsigned char hash[SHA256_LEN];
	struct err e = {0};
	int64_t first = j->seq == 0 ? number(line, "seq") : 1;
	int rc;

	if (first > 1)
		read_base(j, first - 1);
	rc = event_verify(line, len, j->hash, hash, &e);
	if (rc)
		violate("the chain breaks after seq %" PRId64 ": %s", j->seq, e.text);
	rc = event_read(line, len, &doc, &e);
	if (rc) {
		violate("after seq %" PRId64 ": %s: %.80s", j->seq, e.text, line);
		event_doc_release(&doc);
		return;
	}
	if (doc.ev.seq != j->seq + 1)
		violate("after seq %" PRId64 " comes %" PRId64, j->seq, doc.ev.seq);
	j->seq = doc.ev.seq;
	memcpy(j->hash, doc.hash, SHA256_LEN);
	if (j->seq < shown_cap && was_shown[j->seq] &&
	    memcmp(shown[j->seq], doc.hash, SHA256_LEN) != 0)
		violate("seq %" PRId64 " is not what was shown", j->seq);
	if (doc.ev.ref)
		judge_ref(j, doc.ev.ref, j->seq, doc.hash);
	if (j->seq == j->fold.seq + 1 && session_apply(&j->fold, &doc.ev, &e))
		violate("seq %" PRId64 " does not fold: %s", j->seq, e.text);
	memcpy(j->fold.hash, doc.hash, SHA256_LEN);
	event_doc_release(&doc);
}

/* GET the log as NDJSON, and judge each line as it comes. */
static bool read_log(struct judge *j)
{
	struct bytes in = {0}, body = {0};
	static char part[READ_BYTES];
	int fd = ask("events", "application/x-ndjson");
	char *end = NULL, *eol = NULL;
	bool whole = false;
	ssize_t n = 0;

	if (fd < 0)
		return false;
	while ((n = recv(fd, part, sizeof part, 0)) > 0) {
		put(&in, part, (size_t)n);
		if (!end) {
			end = strstr(in.p, "\r\n\r\n");
			if (!end)
				continue;
			if (atoi(in.p + 9) != 200) {
				violate("the log cannot be read: %.300s", in.p);
				goto out;
			}
			in.at = (size_t)(end + 4 - in.p);
		}
		/* Chunks: "SIZE\r\n" BYTES "\r\n". */
		while (!whole && (eol = memmem(in.p + in.at, waits(&in), "\r\n", 2))) {
			size_t size = strtoul(in.p + in.at, NULL, 16);
			size_t head_len = (size_t)(eol + 2 - (in.p + in.at));

			if (waits(&in) < head_len + size + 2)
				break;
			whole = size == 0;
			put(&body, in.p + in.at + head_len, size);
			in.at += head_len + size + 2;
		}
		while (waits(&body) && (eol = memchr(body.p + body.at, '\n', waits(&body)))) {
			size_t len = (size_t)(eol - (body.p + body.at));

			*eol = '\0';
			judge_line(j, body.p + body.at, len);
			body.at += len + 1;
		}
	}
out:
	(void)close(fd);
	clear(&in);
	clear(&body);
	return whole;
}

static void judge_clients(const struct judge *j)
{
	for (size_t i = 0; i < clients_len; i++) {
		const struct client *c = clients[i];

		for (int64_t n = 0; c->kind <= FLOOD && n < c->len; n++)
			if (c->messages[n].fate == ACKED && !c->messages[n].in_log &&
			    c->messages[n].seq > j->floor)
				violate("h%zu.%" PRId64 " was acked with seq %" PRId64
				        " and is not in the log",
				        i, n, c->messages[n].seq);
	}
	for (int64_t seq = j->seq + 1; seq < shown_cap; seq++)
		if (was_shown[seq])
			violate("seq %" PRId64 " was shown, and the log ends at %" PRId64, seq,
			        j->seq);
}

void put_violations(struct bytes *out)
{
	put_text(out, ",\"violations\":[");
	for (int64_t i = 0; i < violations && i < TEXTS_MAX; i++)
		put_text(out, "%s\"%s\"", i ? "," : "", texts[i]);
	put_text(out, "]");
}

void verify(struct bytes *out)
{
	struct judge j = {0};
	char hex[SHA256_HEX_LEN + 1] = "", state[SHA256_HEX_LEN + 1] = "";
	int64_t deadline = now_ms() + patience_ms, messages = 0;

	j.last = grow(NULL, (clients_len + 1) * sizeof *j.last);
	for (size_t i = 0; i < clients_len; i++) {
		j.last[i] = -1;
		messages += clients[i]->len;
		for (int64_t n = 0; n < clients[i]->len; n++)
			clients[i]->messages[n].in_log = 0;
	}
	session_init(&j.fold, REFS, 0);
	while (!read_log(&j)) {
		if (j.seq || violations || now_ms() > deadline) {
			violate("the log cannot be read to its end: it stops at %" PRId64, j.seq);
			break;
		}
		turn();
	}
	judge_clients(&j);
	if (state_hash(&j.fold, state))
		die("out of memory");
	sha256_hex(j.hash, hex);
	session_release(&j.fold);
	free(j.last);
	put_text(out,
	         "{\"ok\":%s,\"seq\":%" PRId64
	         ",\"hash\":\"%s\",\"state_hash\":\"%s\",\"ours\":%" PRId64 ",\"messages\":%" PRId64
	         ",\"acked\":%" PRId64 ",\"refused\":%" PRId64 ",\"shown\":%" PRId64
	         ",\"resent\":%" PRId64 ",\"duplicates\":%" PRId64 ",\"reconnects\":%" PRId64
	         ",\"resets\":%" PRId64,
	         violations ? "false" : "true", j.seq, hex, state, j.ours, messages, acks, refusals,
	         shown_total, resent, duplicates, reconnects, resets);
	put_violations(out);
	put_text(out, "}");
}
